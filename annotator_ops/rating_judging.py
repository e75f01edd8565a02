"""Layer 2. From a file's columns to a `RatingTable`: each distinct cell is judged once, each fault named by its line.

Only a row of which some cell is suspect is looked at as a row (`rating_cells.faults_of`), for the sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np

from annotator_ops.errors import Problem
from annotator_ops.models import RaterKind
from annotator_ops.rating_cells import (
    ORDERS,
    UNREAD,
    Lack,
    as_reply,
    as_text,
    as_value,
    faults_of,
    has_decimal_comma,
    has_parts,
    is_unicode,
    names_reason,
)
from annotator_ops.rating_columns import Columns
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import MISSING, BoolArray, FloatArray
from annotator_ops.stats.vocabulary import CodeArray, combined, encode, reordered, repeat_faults, used, value_key


class Judging:
    """Columns as a table of ratings; what is wrong with any row is added to `problems`."""

    def __init__(self, columns: Columns, kind: RaterKind, *, name: str, problems: list[Problem]) -> None:
        self._columns = columns
        self._kind = kind
        self._name = name
        self._problems = problems

    def table(self) -> RatingTable:
        """The table, each rater's row on an item and criterion once; of no meaning where there are problems."""
        columns = self._columns
        if not len(columns) and not self._problems:
            self._problem("there is not one rating in it.", "Add rows.", "no-rows", None)
        bad = np.zeros(len(columns), dtype=np.bool_)
        for name in columns.codes:
            bad |= _rows(columns, name, lambda cell: not is_unicode(cell))
        coded: dict[str, tuple[tuple[Any, ...], CodeArray]] = {}
        for name in ("rater", "item", "criterion"):
            bad |= _rows(columns, name, lambda cell: not as_text(cell))
            coded[name] = _encoded(columns, name, as_text)
        kinds, raw_kind = columns.column("kind")
        kinds = [as_text(cell) or self._kind for cell in kinds]
        judge = np.array([word == "judge" for word in kinds], dtype=np.bool_)[raw_kind]
        bad |= np.array([word not in get_args(RaterKind) for word in kinds], dtype=np.bool_)[raw_kind]
        values, value, odd = self._values(judge)
        bad |= odd
        if self._kind == "judge":
            bad |= judge & (value != MISSING) & _rows(columns, "reason", names_reason)
        bad |= _rows(columns, "order", lambda cell: as_text(cell) not in ("", *ORDERS))
        for measured in columns.measured.values():
            bad[list(measured.faulty)] = True
        for row in np.flatnonzero(bad).tolist():
            faults = faults_of(columns.row(row), self._kind, commas=columns.commas)
            bad[row] = bool(faults)
            for fault in faults:
                self._problem(*fault, row)
        for name in ("model", "prompt", "turn", "order", "reply"):
            words = _encoded(columns, name, as_reply if name == "reply" else lambda cell: as_text(cell) or None)
            if words[0]:
                coded[name] = words
        reasons, reason = self._reasons(value, coded["reply"][1] if "reply" in coded else None)
        coded["value"] = values, value
        coded["reason"] = reordered(reasons, reason, used(reasons, reason))
        coded["source"] = _encoded(columns, "source", lambda cell: as_text(cell) or self._name)
        table = RatingTable.from_columns(
            coded,
            judge=judge,
            seconds=columns.numbers("seconds"),
            moments=columns.numbers("created_at"),
            confidence=self._confidence(),
            repeats=self._repeats(*coded["item"], good=~bad),
        )
        return self._once(table, good=~bad)

    def _values(self, judge: BoolArray) -> tuple[tuple[Any, ...], CodeArray, BoolArray]:
        """The values, each row's, and which rows are to be looked at because of it."""
        columns = self._columns
        cells, raw = columns.column("value")
        given, faulty, parts = [], [], []
        for cell in cells:
            try:
                value = as_value(cell)
                wrong = cell is Lack.ABSENT or (columns.commas and has_decimal_comma(value))
                wrong = wrong or (isinstance(value, tuple) and not is_unicode(value))
            except ValueError:
                value, wrong = None, True
            given.append(value)
            faulty.append(wrong)
            parts.append(has_parts(value))
        values, codes = encode(given, key=value_key)
        odd = np.array(faulty, dtype=np.bool_)[raw] | (judge & np.array(parts, dtype=np.bool_)[raw])
        return values, codes[raw], odd

    def _reasons(self, value: CodeArray, reply: CodeArray | None) -> tuple[tuple[str, ...], CodeArray]:
        """Why each row has no value; MISSING where it has one."""
        reasons, reason = _encoded(self._columns, "reason", as_text)
        blank = np.array([text == "" for text in reasons], dtype=np.bool_)[reason]
        reason[blank] = len(reasons)
        if reply is not None:
            reason[blank & (reply != MISSING)] = len(reasons) + 1
        reason[value != MISSING] = MISSING
        reasons = (*reasons, "empty", UNREAD)
        texts, codes = encode(reasons)
        return texts, np.append(codes, np.int32(MISSING))[reason]

    def _confidence(self) -> FloatArray | None:
        numbers = self._columns.numbers("confidence") if "confidence" in self._columns.measured else None
        return None if numbers is None or np.isnan(numbers).all() else numbers

    def _repeats(self, items: Sequence[str], item: CodeArray, *, good: BoolArray) -> Sequence[tuple[str, str]]:
        """Which item repeats which; what contradicts itself is named by the first line that says so, and left out."""
        originals, original = _encoded(self._columns, "repeat_of", as_text)
        rows = np.flatnonzero(good & np.array([text != "" for text in originals], dtype=np.bool_)[original])
        _, first = np.unique(combined((item[rows], len(items)), (original[rows], len(originals))), return_index=True)
        rows = rows[np.sort(first)]
        pairs = [(items[item[row]], originals[original[row]]) for row in rows.tolist()]
        hint = "Give the id of the item that the task was first, or nothing."
        faults = repeat_faults(pairs)
        for place, (code, sentence) in faults.items():
            self._problem(sentence, hint, code, int(rows[place]))
        return [] if faults else pairs

    def _once(self, table: RatingTable, *, good: BoolArray) -> RatingTable:
        """The table without the rows that say again what is said; two different values are a problem.

        Replies that are still to be read are different where their words are.
        """
        key = table.cells("model", "prompt", "turn", "order")
        if UNREAD in table.reasons and table.replies:
            unread = table.reason == table.reasons.index(UNREAD)
            key = combined((key, int(key.max()) + 1), (np.where(unread, table.reply + 1, 0), len(table.replies) + 1))
        key = key[good]
        ordered = np.sort(key)
        if not (ordered[1:] == ordered[:-1]).any():
            return table
        rows = np.flatnonzero(good)
        _, first, group = np.unique(key, return_index=True, return_inverse=True)
        earlier = rows[first][group]
        said = (*table.values, None)
        for place in np.flatnonzero(table.value[rows] != table.value[earlier]).tolist():
            row, other = rows[place], earlier[place]
            if said[table.value[row]] != said[table.value[other]]:
                message = (
                    f"{table.raters[table.rater[row]]} rated item {table.items[table.item[row]]} on "
                    f"{table.criteria[table.criterion[row]]} here and in line {self._columns.lines[other]}, with "
                    "different values."
                )
                self._problem(message, "Keep one of the two.", "rated-twice", row)
        return table.where(rows[np.sort(first)])

    def _problem(self, message: str, hint: str, code: str, row: int | None) -> None:
        line = None if row is None else int(self._columns.lines[row])
        self._problems.append(Problem(self._name, message, hint, code, line))


def _rows(columns: Columns, name: str, is_bad: Callable[[Any], bool]) -> BoolArray:
    """The rows whose cell in a column is bad; each distinct cell is asked once."""
    cells, codes = columns.column(name)
    bad: BoolArray = np.array(list(map(is_bad, cells)), dtype=np.bool_)
    return bad[codes] if bad.any() else np.zeros(len(codes), dtype=np.bool_)


def _encoded(columns: Columns, name: str, reading: Callable[[Any], str | None]) -> tuple[tuple[str, ...], CodeArray]:
    """A column of texts by `reading`, None being nothing: its vocabulary and the rows' codes."""
    cells, raw = columns.column(name)
    vocabulary, codes = encode(list(map(reading, cells)))
    return vocabulary, codes[raw]
