"""Layer 2. Ratings as columns: the same records as `Rating`, a million of them in tens of megabytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Rating, Value
from annotator_ops.stats.columns import (
    absent,
    by_name,
    digest_codes,
    digest_listed,
    digest_numbers,
    is_shared,
    moment,
    time_of,
    unknown,
)
from annotator_ops.stats.values import MISSING, BoolArray, FloatArray, is_finite_number
from annotator_ops.stats.vocabulary import (
    CodeArray,
    combined,
    encode,
    natural_order,
    reordered,
    repeat_faults,
    used,
    value_key,
    value_order,
    value_text,
)

_VOCABULARIES = {
    "rater": "raters",
    "item": "items",
    "criterion": "criteria",
    "value": "values",
    "reason": "reasons",
    "source": "sources",
}
_COLUMNS = (*_VOCABULARIES, "judge", "seconds", "moments")
# What only judges have; a table without any of it pays nothing for it.
_JUDGED = {"model": "model_names", "prompt": "prompts", "reply": "replies", "turn": "turns", "order": "orders"}
_HASHED = ("model", "prompt")


@dataclass(frozen=True, slots=True, eq=False)
class RatingTable:
    """One row a rating. Integer columns index into the vocabulary of the plural name; MISSING (−1) is nothing there.

    `raters`, `items` and `criteria` list each id once; raters and items in natural order, criteria in order of first
    appearance. `values` lists what was said; two entries are different values, except for marked regions, which are not
    compared. `judge` is True where a model rated. `seconds` (spent on the task) and `moments` (seconds since 1970, UTC;
    exact to the microsecond up to the year 2242) are NaN where unknown. All columns have the length of the table.

    Of judges: `confidence` (0 to 1, NaN where unknown) and, as codes, `model`, `prompt`, `reply`, `turn` and `order`
    (see `Rating`). Where no row has one, its vocabulary is empty and its column one shared number that is not written.

    `repeats` names, for an item that is the same task given a second time, the item that it was first; the first need
    not be in the table.
    """

    raters: tuple[str, ...]
    items: tuple[str, ...]
    criteria: tuple[str, ...]
    values: tuple[Value, ...]
    reasons: tuple[str, ...]
    sources: tuple[str, ...]
    rater: CodeArray
    item: CodeArray
    criterion: CodeArray
    value: CodeArray
    reason: CodeArray
    source: CodeArray
    judge: BoolArray
    seconds: FloatArray
    moments: FloatArray
    model_names: tuple[str, ...]
    prompts: tuple[str, ...]
    replies: tuple[str, ...]
    turns: tuple[str, ...]
    orders: tuple[str, ...]
    model: CodeArray
    prompt: CodeArray
    reply: CodeArray
    turn: CodeArray
    order: CodeArray
    confidence: FloatArray
    repeats: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rater)

    @classmethod
    def from_ratings(cls, ratings: Iterable[Rating], *, repeats: Mapping[str, str] | None = None) -> RatingTable:
        """The same records as columns, in their order. Raises ValueError for repeats that contradict each other."""
        rows = list(ratings)
        coded = {
            name: encode([getattr(row, name) for row in rows], key=value_key if name == "value" else None)
            for name in _VOCABULARIES
        }
        judged = [row for row in rows if row.kind == "judge"]
        coded |= {
            name: encode([getattr(row, name) for row in rows])
            for name in _JUDGED
            if any(getattr(row, name) is not None for row in judged)
        }
        confidence = None
        if any(row.confidence is not None for row in judged):
            known = [np.nan if row.confidence is None else row.confidence for row in rows]
            confidence = np.array(known, dtype=np.float64) + 0.0
        seconds = [np.nan if row.seconds is None else row.seconds for row in rows]
        moments = [np.nan if row.created_at is None else moment(row.created_at) for row in rows]
        return cls.from_columns(
            coded,
            judge=np.array([row.kind == "judge" for row in rows], dtype=np.bool_),
            seconds=np.array(seconds, dtype=np.float64) + 0.0,  # without the sign of zero
            moments=np.array(moments, dtype=np.float64),
            confidence=confidence,
            repeats=(repeats or {}).items(),
        )

    @classmethod
    def from_columns(
        cls,
        coded: Mapping[str, tuple[tuple[Any, ...], CodeArray]],
        *,
        judge: BoolArray,
        seconds: FloatArray,
        moments: FloatArray,
        confidence: FloatArray | None = None,
        repeats: Iterable[tuple[str, str]] = (),
    ) -> RatingTable:
        """A table of columns that are numbers already; `coded` has vocabulary and codes (int32) by the singular name.

        What only judges have may be left out. Raises ValueError for repeats that contradict each other.
        """
        size = len(judge)
        coded = {name: ((), absent(size)) for name in _JUDGED} | dict(coded)
        plural = _VOCABULARIES | _JUDGED
        vocabularies: dict[str, Any] = {plural[name]: vocabulary for name, (vocabulary, _) in coded.items()}
        codes: dict[str, Any] = {name: each for name, (_, each) in coded.items()}
        others: dict[str, Any] = {"judge": judge, "seconds": seconds, "moments": moments}
        others["confidence"] = unknown(size) if confidence is None else confidence
        return cls(**vocabularies, **codes, **others, repeats=_checked(repeats)).in_order()

    def in_order(self) -> RatingTable:
        """The table with raters and items listed in natural order; the rows stay where they are."""
        raters, rater = reordered(self.raters, self.rater, natural_order(self.raters))
        items, item = reordered(self.items, self.item, natural_order(self.items))
        return replace(self, raters=raters, items=items, rater=rater, item=item)

    def ratings(self) -> list[Rating]:
        """The rows as records, times in UTC."""

        def column(name: str) -> list[Any]:
            listed = [*getattr(self, (_VOCABULARIES | _JUDGED)[name]), None]  # MISSING, which is −1, is its last
            return list(map(listed.__getitem__, getattr(self, name).tolist()))

        judged: list[Iterable[Any]] = []
        if self.has_judged:
            confidence = (None if isnan(number) else number for number in self.confidence.tolist())
            judged = [confidence, *map(column, _JUDGED)]

        moments, when = np.unique(self.moments, return_inverse=True)
        times = [time_of(each) for each in moments.tolist()]
        return list(
            map(
                Rating,
                column("rater"),
                ("judge" if judge else "human" for judge in self.judge.tolist()),
                column("item"),
                column("criterion"),
                column("value"),
                column("reason"),
                map(times.__getitem__, when.ravel().tolist()),
                (None if isnan(seconds) else seconds for seconds in self.seconds.tolist()),
                (source or "" for source in column("source")),
                *judged,
            )
        )

    @property
    def has_judged(self) -> bool:
        """Whether any row may have something that only judges have."""
        return not is_shared(self.confidence) or any(getattr(self, plural) for plural in _JUDGED.values())

    def where(self, rows: BoolArray | npt.NDArray[np.intp]) -> RatingTable:
        """The rows that a mask or an array of positions selects; the vocabularies and repeats stay as they are."""
        if rows.dtype == np.bool_ and rows.all():
            return self
        taken: dict[str, Any] = {name: getattr(self, name)[rows] for name in _COLUMNS}
        size = len(taken["judge"])
        for name in _JUDGED:
            column = getattr(self, name)
            taken[name] = absent(size) if is_shared(column) else column[rows]
        taken["confidence"] = unknown(size) if is_shared(self.confidence) else self.confidence[rows]
        return replace(self, **taken)

    def of(self, criterion: str) -> RatingTable:
        """The rows on one criterion."""
        if criterion not in self.criteria:
            return self.where(np.zeros(len(self), dtype=np.bool_))
        return self.where(self.criterion == self.criteria.index(criterion))

    def people(self) -> RatingTable:
        """The rows of human raters."""
        return self.where(~self.judge)

    def models(self) -> RatingTable:
        """The rows of judges."""
        return self.where(self.judge)

    @property
    def rated(self) -> BoolArray:
        """Which rows have a value; shape rows."""
        rated: BoolArray = self.value != MISSING
        return rated

    @property
    def numbers(self) -> FloatArray:
        """The values as numbers; NaN where there is none, or no finite number. Shape rows."""
        numbers = [value if is_finite_number(value) else np.nan for value in self.values]
        return np.array([*numbers, np.nan], dtype=np.float64)[self.value]

    def cells(self, *further: str) -> npt.NDArray[np.int64]:
        """One number a row, the same where kind, rater, item and criterion are the same; shape rows.

        `further` names columns that only judges have and that are to be the same, too.
        """
        vocabularies = {name: getattr(self, _JUDGED[name]) for name in further}
        return combined(
            (self.judge, 2),
            (self.rater, len(self.raters)),
            (self.item, len(self.items)),
            (self.criterion, len(self.criteria)),
            *((getattr(self, name) + 1, len(known) + 1) for name, known in vocabularies.items() if known),
        )

    @property
    def is_original(self) -> BoolArray:
        """Which rows are on items that repeat no other item of the table; shape rows."""
        here = set(self.items)
        original = [self.repeats.get(item) not in here for item in self.items]
        return np.array([*original, True], dtype=np.bool_)[self.item]

    def anonymous(self) -> RatingTable:
        """The rated rows with each item's first, second, … rating in place of who gave it.

        For coefficients that do not ask who rated, where raters × items would be more than fits into memory.
        """
        rows = self.where(self.rated)
        order = np.argsort(rows.item, kind="stable")
        starts = np.flatnonzero(np.diff(rows.item[order], prepend=-1))
        place = np.empty(len(rows), dtype=np.int32)
        sizes = np.diff(np.append(starts, len(rows)))
        place[order] = np.arange(len(rows)) - np.repeat(starts, sizes)
        names = tuple(f"rating {number + 1}" for number in range(int(sizes.max(initial=0))))
        return replace(rows, raters=names, rater=place)

    @property
    def n_raters(self) -> int:
        """How many raters have a row in it."""
        return len(used(self.raters, self.rater))

    @property
    def n_items(self) -> int:
        """How many items have a row in it."""
        return len(used(self.items, self.item))

    def raters_here(self) -> tuple[str, ...]:
        """Who has a row in it, in natural order."""
        return tuple(self.raters[code] for code in used(self.raters, self.rater))

    def values_here(self) -> tuple[Value, ...]:
        """What was said in it, each once, in the order of the vocabulary."""
        return tuple(self.values[code] for code in used(self.values, self.value))

    def with_values(self, change: Callable[[str, Value], Value]) -> RatingTable:
        """The table with each value replaced by `change(criterion, value)`, which is asked once for each such pair."""
        n_codes = len(self.values) + 1
        key = combined((self.criterion, len(self.criteria)), (self.value + 1, n_codes))
        pairs, row = np.unique(key, return_inverse=True)
        changed: list[Value | None] = []
        for pair in pairs.tolist():
            criterion, code = divmod(pair, n_codes)
            changed.append(None if code == 0 else change(self.criteria[criterion], self.values[code - 1]))
        values, codes = encode(changed, key=value_key)
        return replace(self, values=values, value=codes[row.ravel()])

    def canonical(self) -> RatingTable:
        """The rows and vocabularies sorted, so that the order of the input changes nothing.

        Rows by criterion, kind, rater, item and value, then by all else; raters and items in natural order, criteria,
        reasons and sources by name, values by size and then by name.
        """
        criteria, criterion = reordered(self.criteria, self.criterion, by_name(self.criteria))
        values, value = reordered(self.values, self.value, value_order(self.values))
        reasons, reason = reordered(self.reasons, self.reason, by_name(self.reasons))
        sources, source = reordered(self.sources, self.source, by_name(self.sources))
        judged: dict[str, Any] = {}
        for name, plural in _JUDGED.items():
            vocabulary = getattr(self, plural)
            if vocabulary:
                judged[plural], judged[name] = reordered(vocabulary, getattr(self, name), by_name(vocabulary))
        table = replace(
            self,
            criteria=criteria, values=values, reasons=reasons, sources=sources,
            criterion=criterion, value=value, reason=reason, source=source, **judged,
        )  # fmt: skip
        key = combined(
            (criterion, len(criteria)),
            (self.judge, 2),
            (self.rater, len(self.raters)),
            (self.item, len(self.items)),
            (value + 1, len(values) + 1),
        )
        rising = key[1:] > key[:-1]
        if rising.all():
            return table
        order = np.argsort(key)
        if (key[order[1:]] == key[order[:-1]]).any():
            # What a hash is made of comes first: it must not depend on what it does not see.
            seen = [judged[name] for name in _HASHED if name in judged]
            seen += [] if is_shared(self.confidence) else [self.confidence]
            unseen = [codes for name, codes in judged.items() if name in _JUDGED and name not in _HASHED]
            order = np.lexsort((*unseen, source, self.moments, *seen, self.seconds, reason, key))
        return table.where(order)

    def content_hash(self) -> str:
        """SHA-256 (hex) of all that was said, by whom, of what, why not, and in how many seconds; in row order.

        What is repeated counts, and of judges how confident they were, their models and prompts, where that is known;
        when it was said, in which words and which file it came from do not.
        """
        digest = hashlib.sha256(f"{len(self)}\n".encode())
        for name in ("rater", "item", "criterion", "value", "reason"):
            text = value_text if name == "value" else str
            digest_codes(digest, getattr(self, _VOCABULARIES[name]), getattr(self, name), text=text)
        digest.update(self.judge.tobytes())
        digest_numbers(digest, self.seconds)
        items = {self.items[code] for code in used(self.items, self.item)} if self.repeats else set()
        digest_listed(digest, sorted([item, original] for item, original in self.repeats.items() if item in items))
        if not np.isnan(self.confidence).all():
            digest.update(b"confidence\n")
            digest_numbers(digest, self.confidence)
        for name in _HASHED:
            if (getattr(self, name) != MISSING).any():
                digest.update(f"{name}\n".encode())
                digest_codes(digest, getattr(self, _JUDGED[name]), getattr(self, name))
        return digest.hexdigest()


def joined(tables: Sequence[RatingTable]) -> RatingTable:
    """Several tables as one, row after row. Raises ValueError, in words, for repeats that contradict each other."""
    if len(tables) == 1:
        return tables[0]

    def column(name: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
        return np.concatenate([np.zeros(0, dtype=dtype), *(getattr(table, name) for table in tables)])

    coded = {}
    for singular, plural in (_VOCABULARIES | _JUDGED).items():
        if singular in _JUDGED and not any(getattr(table, plural) for table in tables):
            continue
        entries = [entry for table in tables for entry in getattr(table, plural)]
        vocabulary, numbers = encode(entries, key=value_key if plural == "values" else None)
        parts, start = [np.zeros(0, dtype=np.int32)], 0
        for table in tables:
            own = numbers[start : start + len(getattr(table, plural))]
            parts.append(np.append(own, np.int32(MISSING))[getattr(table, singular)])
            start += len(own)
        coded[singular] = (vocabulary, np.concatenate(parts))
    no_confidence = all(is_shared(table.confidence) for table in tables)
    return RatingTable.from_columns(
        coded,
        confidence=None if no_confidence else column("confidence", np.float64),
        judge=column("judge", np.bool_),
        seconds=column("seconds", np.float64),
        moments=column("moments", np.float64),
        repeats=(pair for table in tables for pair in table.repeats.items()),
    )


def _checked(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Pairs of a repeat and its original. Raises ValueError, with a sentence, for contradictions."""
    listed = list(dict.fromkeys(pairs))
    faults = repeat_faults(listed)
    if faults:
        _, sentence = faults[min(faults)]
        raise ValueError(sentence[0].upper() + sentence[1:])
    return dict(listed)
