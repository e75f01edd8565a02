"""Layer 2. One row a judge, item and criterion: versions of a judge told apart, the scores of single turns merged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import VERSION_MARK, Merging
from annotator_ops.measures import Value
from annotator_ops.ratings import once
from annotator_ops.stats.columns import absent
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import MISSING, BoolArray, FloatArray, display
from annotator_ops.stats.vocabulary import CodeArray, combined, encode, natural_order, value_key

Rows = npt.NDArray[np.intp]
# The reason of an item with a turn that the judge scored on another criterion only.
TURN_MISSING = "turn-missing"


# --- versions --------------------------------------------------------------------------------------------------------


def versions_apart(table: RatingTable) -> RatingTable:
    """A judge of several models or versions of a prompt as several raters, each named `NAME · VERSION`.

    What differs is in the name: the model, the prompt, or both. Rows that do not say which they are of keep the name.
    Raises OpsError ("judge-name-taken") where another judge has such a name already.
    """
    if not (table.model_names or table.prompts):
        return table
    columns = [(table.model, table.model_names), (table.prompt, table.prompts)]
    n_raters = len(table.raters)
    several = [_several(table.rater, codes, n_raters, size=len(names)) for codes, names in columns]
    if not any(each.any() for each in several):
        return table
    key = combined((table.rater, n_raters), *((codes + 1, len(names) + 1) for codes, names in columns))
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    names = []
    for row in first.tolist():
        rater = table.rater[row]
        parts = [
            known[codes[row]]
            for (codes, known), differs in zip(columns, several, strict=True)
            if differs[rater] and codes[row] != MISSING
        ]
        name = VERSION_MARK.join([table.raters[rater], *parts])
        if parts and name in table.raters:
            raise OpsError(
                f"{table.raters[rater]} has several versions, but the name of one, {name}, is another judge's already.",
                hint="Give one of the two another name in the files.",
                code="judge-name-taken",
            )
        names.append(name)
    raters, codes = encode(names)
    return replace(table, raters=raters, rater=codes[group.ravel()]).in_order()


def _several(rater: CodeArray, codes: CodeArray, n_raters: int, *, size: int) -> BoolArray:
    """Which raters have more than one of the codes; MISSING is none. Shape raters."""
    known = codes != MISSING
    pairs = np.unique(rater[known].astype(np.int64) * max(size, 1) + codes[known]) // max(size, 1)
    several: BoolArray = np.bincount(pairs, minlength=n_raters) > 1
    return several


# --- turns -----------------------------------------------------------------------------------------------------------


def turns_merged(table: RatingTable, how: Merging | None) -> RatingTable:
    """One row an item, of the scores of its turns: their mean, median, min or max, or that of the last turn.

    Turns are in natural order of their names. An item of which a turn has no score has none, with the reason of the
    first such turn (for "last" only the last turn counts): a mean over the rest would be of another dialogue. A turn
    that has no row is missing, too ("turn-missing"), where the judge scored it on another criterion, and several turns
    on this one; nothing else says how many turns a dialogue has. The confidence is the lowest of the turns', unknown
    where one is; the seconds are added up.

    Raises OpsError: "turns-undeclared" where an item has several turns and `how` is None; "turns-and-whole" where it
    has a score without a turn beside them; "turns-no-numbers" for labels, of which there is no mean; "rated-twice".
    """
    if not table.turns:
        return table
    table = once(table, "model", "prompt", "turn", "order")
    turns = _by_turns(table)
    if turns is None:
        return without(table, "turn")
    _check(turns, how)
    incomplete = turns.incomplete(how)
    return turns.last(incomplete) if how == "last" else turns.computed(how or "mean", incomplete)


def check_turns(table: RatingTable, how: Merging | None) -> None:
    """Raises OpsError as `turns_merged` does where nothing says how several turns become one, or where they cannot.

    Replies need not have been read.
    """
    turns = _by_turns(table) if table.turns else None
    if turns is not None:
        _check(turns, how)


def _by_turns(table: RatingTable) -> _Turns | None:
    """The rows by item and turn; None where no item has several."""
    _, group = np.unique(table.cells("model", "prompt", "order"), return_inverse=True)
    group = group.ravel()
    rank = np.empty(len(table.turns) + 1, dtype=np.intp)
    rank[natural_order(table.turns)] = np.arange(len(table.turns))
    rank[MISSING] = -1
    rows: Rows = np.lexsort((rank[table.turn], group))
    starts = np.flatnonzero(np.diff(group[rows], prepend=-1))
    sizes = np.diff(np.append(starts, len(rows)))
    return None if (sizes == 1).all() else _Turns(table, rows, starts, sizes, rank[table.turn][rows])


def _check(turns: _Turns, how: Merging | None) -> None:
    table, rows = turns.table, turns.rows[np.repeat(turns.sizes > 1, turns.sizes)]
    whole = rows[table.turn[rows] == MISSING]
    if len(whole):
        (row,) = table.where(whole[:1]).ratings()
        raise OpsError(
            f"{row.rater} scored item {row.item} on {row.criterion} both by turns and as a whole ({row.source}).",
            hint="Keep one of the two, or give the score of the whole a criterion of its own.",
            code="turns-and-whole",
        )
    if how is None:
        (row,) = table.where(rows[:1]).ratings()
        raise OpsError(
            f"{row.rater} scored several turns of item {row.item} on {row.criterion} ({row.source}), and nothing says "
            "how they become one score.",
            hint="Say so: `turns: mean` with the file under `judges:` in study.yaml, or --turns mean for tables "
            "(or median, min, max, last).",
            code="turns-undeclared",
        )
    odd = rows[(table.value[rows] != MISSING) & np.isnan(table.numbers[rows])]
    if len(odd) and how != "last":
        (row,) = table.where(odd[:1]).ratings()
        raise OpsError(
            f"{row.rater} gave turn {row.turn} of item {row.item} {display(row.value)!r} on {row.criterion} "
            f"({row.source}), and labels have no {how}.",
            hint="Write `last` in place of it, or give the labels numbers in the study's criterion.",
            code="turns-no-numbers",
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Turns:
    """Rows by item and turn: `rows` has each item's after each other, from `starts` on, `sizes` many.

    `ranks` are their turns' places in natural order, of the length of `rows`; −1 for a row without a turn.
    """

    table: RatingTable
    rows: Rows
    starts: Rows
    sizes: Rows
    ranks: Rows

    def incomplete(self, how: Merging | None) -> BoolArray:
        """Where a turn that counts has no row, and the judge scored it on another criterion; by item and criterion.

        Not where the item is scored as a whole, nor on a criterion of which the judge scored one turn of every item.
        """
        table, starts = self.table, self.starts
        n_judges, n_turns = len(table), len(table.turns)
        _, judge = np.unique(
            combined(
                (table.judge, 2),
                (table.rater, len(table.raters)),
                (table.model + 1, len(table.model_names) + 1),
                (table.prompt + 1, len(table.prompts) + 1),
                (table.order + 1, len(table.orders) + 1),
            ),
            return_inverse=True,
        )
        judge = judge.ravel()
        on = combined((judge, n_judges), (table.criterion, len(table.criteria)))[self.rows[starts]]
        by_turns = np.isin(on, on[self.sizes > 1]) & (self.ranks[starts] >= 0)
        _, dialogue = np.unique(
            combined((judge, n_judges), (table.item, len(table.items)))[self.rows[starts]], return_inverse=True
        )
        dialogue = dialogue.ravel()
        counted = np.repeat(by_turns, self.sizes)
        key = np.repeat(dialogue, self.sizes).astype(np.int64) * n_turns + self.ranks
        turns = np.unique(key[counted])
        if how == "last":
            latest = np.full(len(starts), -1, dtype=np.intp)
            np.maximum.at(latest, turns // n_turns, turns % n_turns)
            lacks: BoolArray = by_turns & (self.ranks[starts + self.sizes - 1] < latest[dialogue])
        else:
            lacks = by_turns & (self.sizes < np.bincount(turns // n_turns, minlength=len(starts))[dialogue])
        return lacks

    def last(self, incomplete: BoolArray) -> RatingTable:
        rows = self.rows[self.starts + self.sizes - 1]
        order = np.argsort(rows)
        return without_scores(without(self.table.where(rows[order]), "turn"), incomplete[order], TURN_MISSING)

    def computed(self, how: Merging, incomplete: BoolArray) -> RatingTable:
        table, rows, starts = self.table, self.rows, self.starts
        lacks = table.value[rows] == MISSING
        here = np.arange(len(rows))
        first_lacking = np.minimum.reduceat(np.where(lacks, here, len(rows)), starts)
        lacking = first_lacking < len(rows)
        several = self.sizes > 1
        numbers = self._numbers(how)
        values, value = with_numbers(table, numbers[several & ~lacking])
        codes = table.value[rows[starts]]
        codes[several & ~lacking] = value
        codes[lacking] = MISSING
        reason = np.full(len(starts), MISSING, dtype=np.int32)
        reason[lacking] = table.reason[rows[first_lacking[lacking]]]
        confidence = np.minimum.reduceat(table.confidence[rows], starts)
        confidence[lacking] = np.nan
        merged = replace(
            without(table.where(rows[starts]), "turn"),
            values=values,
            value=codes,
            reason=reason,
            confidence=confidence,
            seconds=np.add.reduceat(table.seconds[rows], starts),
            moments=np.fmax.reduceat(table.moments[rows], starts),
        )
        merged = replace(merged, reply=np.where(several, np.int32(MISSING), merged.reply))
        return without_scores(merged, incomplete & ~lacking, TURN_MISSING).where(np.argsort(rows[starts]))

    def _numbers(self, how: Merging) -> FloatArray:
        """One number an item; NaN where a turn has none."""
        numbers = self.table.numbers[self.rows]
        found: FloatArray
        if how == "median":
            numbers = numbers[np.lexsort((numbers, np.repeat(self.starts, self.sizes)))]
            middle = self.starts + self.sizes // 2
            found = (numbers[self.starts + (self.sizes - 1) // 2] + numbers[middle]) / 2
        elif how == "mean":
            found = np.add.reduceat(numbers, self.starts) / self.sizes
        else:
            found = (np.minimum if how == "min" else np.maximum).reduceat(numbers, self.starts)
        return found


def without_scores(table: RatingTable, rows: BoolArray, reason: str) -> RatingTable:
    """The table with these rows' scores missing, for that reason."""
    if not rows.any():
        return table
    reasons, codes = encode([*table.reasons, reason])
    return replace(
        table,
        reasons=reasons,
        value=np.where(rows, np.int32(MISSING), table.value),
        reason=np.where(rows, codes[-1], table.reason),
        confidence=np.where(rows, np.nan, table.confidence),
    )


def with_numbers(table: RatingTable, numbers: FloatArray) -> tuple[tuple[Value, ...], CodeArray]:
    """The table's values with further numbers behind them, and the codes of those."""
    values, codes = encode([*table.values, *numbers.tolist()], key=value_key)
    return values, codes[len(table.values) :]


def without(table: RatingTable, column: str) -> RatingTable:
    """The table without its column of turns or of orders."""
    changes: dict[str, Any] = {f"{column}s": (), column: absent(len(table))}
    return replace(table, **changes)
