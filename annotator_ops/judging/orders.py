"""Layer 2. The verdicts on a pair in both orders as one, and how the order mattered to the judge."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from annotator_ops.judging.merging import Rows, with_numbers, without
from annotator_ops.measures import Value
from annotator_ops.ratings import once
from annotator_ops.stats.context import Position
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import MISSING
from annotator_ops.stats.vocabulary import encode, value_key

# The reason of an item on which a judge says one thing in one order of the pair and another in the other.
INCONSISTENT = "inconsistent"
# What stands for the first and the second of a pair, and for neither of them, where no label config says so.
_USUAL: tuple[tuple[Value, Value], ...] = (
    ("left", "right"),
    ("A", "B"),
    ("a", "b"),
    ("model_a", "model_b"),
    (1.0, 2.0),
)
_NEITHER = frozenset({"tie", "both", "neither", "equal", "same", "draw"})


@dataclass(frozen=True, slots=True)
class Sides:
    """The values for the first and the second of two things that are compared; `only`: there is no third answer."""

    first: Value
    second: Value
    only: bool = True


def usual_sides(values: Collection[Value]) -> Sides | None:
    """The sides that values look like, such as "left" and "right"; None where they are others."""
    said = {value_key(value) for value in values}
    neither = {value_key(value) for value in values if isinstance(value, str) and value.casefold() in _NEITHER}
    for first, second in _USUAL:
        pair = {value_key(first), value_key(second)}
        if said & pair and said <= pair | neither:
            return Sides(first, second, said <= pair)
    return None


def orders_merged(table: RatingTable, sides: Mapping[str, Sides]) -> tuple[RatingTable, dict[str, dict[str, Position]]]:
    """One row a pair, of its verdicts in both orders; and by judge and criterion how the order mattered.

    `sides` are by criterion; without them there is no position, and different labels have no probabilities.

    The same value twice is the pair's, with the mean of the confidences. Two different numbers are their mean, with the
    lower confidence. Of two different sides it is the one with the higher probability, which is the mean of that in
    both orders (with two sides, the probability of the one that was not chosen is 1 − confidence); without confidences,
    or where both are as probable, there is none, with the reason "inconsistent". A pair without a verdict in one order
    has none, with that reason. Raises OpsError ("rated-twice").
    """
    if not table.orders:
        return table, {}
    if "given" in table.orders:  # what a row without a word on it was shown as
        as_given = np.int32(table.orders.index("given"))
        table = replace(table, order=np.where(table.order == MISSING, as_given, table.order))
    table = once(table, "order")
    swapped = table.order == (table.orders.index("swapped") if "swapped" in table.orders else len(table.orders))
    key = table.cells()
    mine, other = np.flatnonzero(~swapped), np.flatnonzero(swapped)
    _, one, two = np.intersect1d(key[mine], key[other], assume_unique=True, return_indices=True)
    pairs = _Pairs(table, mine[one], other[two], [_coded(table, sides.get(name)) for name in table.criteria])
    kept = np.ones(len(table), dtype=np.bool_)
    kept[pairs.swapped] = False
    return without(pairs.merged().where(kept), "order"), pairs.positions()


def _coded(table: RatingTable, sides: Sides | None) -> tuple[int, int, bool] | None:
    """The codes of both sides, −2 for one that nobody chose, and whether there is no third answer."""
    if sides is None:
        return None
    codes = {value_key(value): code for code, value in enumerate(table.values)}
    return codes.get(value_key(sides.first), -2), codes.get(value_key(sides.second), -2), sides.only


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """The rows of pairs that were judged in both orders, one `given` and one `swapped` each."""

    table: RatingTable
    given: Rows
    swapped: Rows
    sides: Sequence[tuple[int, int, bool] | None]

    def positions(self) -> dict[str, dict[str, Position]]:
        table = self.table
        one, two = table.value[self.given], table.value[self.swapped]
        rater, criterion = table.rater[self.given], table.criterion[self.given]
        both = (one != MISSING) & (two != MISSING)
        found: dict[str, dict[str, Position]] = {}
        for code, sides in enumerate(self.sides):
            if sides is None:
                continue
            left, right, _ = sides
            for judge in np.unique(rater[both & (criterion == code)]).tolist():
                own = both & (criterion == code) & (rater == judge)
                first = np.count_nonzero(one[own] == left) + np.count_nonzero(two[own] == right)
                position = Position(int(own.sum()), int((one[own] == two[own]).sum()), int(first))
                found.setdefault(table.raters[judge], {})[table.criteria[code]] = position
        return found

    def merged(self) -> RatingTable:
        """The table with the given rows for both; the swapped ones are still there."""
        table, given, swapped = self.table, self.given, self.swapped
        one, two = table.value[given], table.value[swapped]
        sure, also = table.confidence[given], table.confidence[swapped]
        numbers = (table.numbers[given] + table.numbers[swapped]) / 2
        lacks = (one == MISSING) | (two == MISSING)
        criterion = table.criterion[given]
        is_side = np.array([sides is not None for sides in self.sides], dtype=np.bool_)[criterion]
        is_two = np.array([sides is not None and sides[2] for sides in self.sides], dtype=np.bool_)[criterion]
        differs = ~lacks & (one != two)
        averaged = differs & ~is_side & ~np.isnan(numbers)
        first = (sure + 1 - also) / 2  # the probability of what was said of the pair as given
        weighed = differs & is_two & ~np.isnan(first) & (first != 0.5)
        inconsistent = differs & ~averaged & ~weighed

        values, mean = with_numbers(table, numbers[averaged])
        value = np.where(weighed & (first < 0.5), two, one)
        value[averaged] = mean
        value[lacks | inconsistent] = MISSING
        confidence = (sure + also) / 2
        confidence[averaged] = np.minimum(sure, also)[averaged]
        confidence[weighed] = np.maximum(first, 1 - first)[weighed]
        confidence[lacks | inconsistent] = np.nan
        reasons, codes = encode([*table.reasons, INCONSISTENT])
        reason = np.where(one == MISSING, table.reason[given], table.reason[swapped])
        reason[inconsistent] = codes[-1]

        return replace(
            table,
            values=values,
            reasons=reasons,
            value=_put(table.value, given, value),
            reason=_put(table.reason, given, np.where(value == MISSING, reason, np.int32(MISSING))),
            confidence=_put(table.confidence, given, confidence),
            seconds=_put(table.seconds, given, table.seconds[given] + table.seconds[swapped]),
            moments=_put(table.moments, given, np.fmax(table.moments[given], table.moments[swapped])),
            reply=_put(table.reply, given, np.full(len(given), MISSING, dtype=np.int32)),
        )


def _put(column: npt.NDArray[Any], rows: Rows, content: npt.NDArray[Any]) -> npt.NDArray[Any]:
    changed = column.copy()
    changed[rows] = content
    return changed
