"""Layer 2. Reliability data: one criterion's ratings as raters × units, the only input of the coefficients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Rating, Reason
from annotator_ops.models import Level
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import (
    MISSING,
    Category,
    FloatArray,
    IntArray,
    category_key,
    display,
    is_finite_number,
)
from annotator_ops.stats.vocabulary import compact


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityData:
    """Who said what of which unit (Krippendorff's word for an item).

    `codes` has shape raters × units and holds indices into `domain`, MISSING (−1) where there is no value. `domain`
    lists the categories in ascending order, those that nobody used included when it was given. `period` is the
    circumference of circular values, None where it is not declared. `anonymous` data do not tell who gave a rating:
    their rows are an item's first, second, … rating (see `RatingTable.anonymous`).
    """

    raters: tuple[str, ...]
    units: tuple[str, ...]
    codes: IntArray
    domain: tuple[Category, ...]
    level: Level
    period: float | None = None
    anonymous: bool = False

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[Sequence[Category | None]],
        *,
        level: Level,
        raters: Sequence[str] = (),
        units: Sequence[str] = (),
        domain: Sequence[Category] = (),
    ) -> ReliabilityData:
        """From raters × units with None or NaN for missing.

        Raises ValueError for rows of unequal length, values outside a given `domain`, and values that are not finite
        numbers where the level of measurement asks for numbers.
        """
        width = len(rows[0]) if rows else 0
        if any(len(row) != width for row in rows):
            raise ValueError("Every rater needs one entry per unit; use None where there is no rating.")
        flat = [None if _is_nan(value) else value for row in rows for value in row]
        used = set(flat) - {None}
        if level is not Level.NOMINAL and not all(is_finite_number(value) for value in (*used, *domain)):
            raise ValueError(f"The {level.value} level of measurement needs finite numbers.")
        if domain and not used <= set(domain):
            raise ValueError("There are values outside the given domain.")
        ordered = tuple(sorted(set(domain) or {value for value in used if value is not None}, key=category_key))
        index: dict[Category | None, int] = {category: code for code, category in enumerate(ordered)}
        index[None] = MISSING
        codes = np.fromiter((index[value] for value in flat), dtype=np.intp, count=len(flat))
        return cls(
            raters=tuple(raters) or tuple(str(number + 1) for number in range(len(rows))),
            units=tuple(units) or tuple(str(number + 1) for number in range(width)),
            codes=codes.reshape(len(rows), width),
            domain=ordered,
            level=level,
        )

    @property
    def values(self) -> FloatArray:
        """The values as numbers, raters × units, NaN where missing. Raises ValueError for labels."""
        # The other levels were checked when the data were made.
        if self.level is Level.NOMINAL and not all(is_finite_number(category) for category in self.domain):
            raise ValueError("Labels have no numeric values.")
        return np.append(np.array(self.domain, dtype=np.float64), np.nan)[self.codes]

    @property
    def pairable(self) -> npt.NDArray[np.bool_]:
        """Which units have at least two ratings; shape units."""
        paired: npt.NDArray[np.bool_] = (self.codes != MISSING).sum(axis=0) >= 2
        return paired

    def pair(self, first: int, second: int) -> ReliabilityData:
        """The two raters at these positions, on the units that both rated."""
        both = (self.codes[first] != MISSING) & (self.codes[second] != MISSING)
        return replace(
            self,
            raters=(self.raters[first], self.raters[second]),
            units=tuple(np.array(self.units, dtype=object)[both]),
            codes=self.codes[[first, second]][:, both],
        )


def reliability_data(
    ratings: RatingTable | Iterable[Rating],
    *,
    level: Level,
    domain: Sequence[Category] = (),
    period: float | None = None,
) -> ReliabilityData | Reason:
    """The reliability data of one criterion's ratings, raters and units in natural order; or why there is none.

    Sets of labels must be in one form already (see `as_label_set`). Raters and items without values keep their place.
    """
    table = ratings if isinstance(ratings, RatingTable) else RatingTable.from_ratings(ratings)
    raters, rater = compact(table.rater, len(table.raters))
    units, unit = compact(table.item, len(table.items))
    rated = table.rated
    used = compact(table.value[rated], len(table.values))[0]
    if level is not Level.NOMINAL:
        odd = [code for code in used.tolist() if not is_finite_number(table.values[code])]
        if odd:
            return _not_numeric(table, int(np.flatnonzero(np.isin(table.value, odd))[0]), level)
    values: list[Any] = [table.values[code] for code in used.tolist()]
    ordered = tuple(sorted(set(domain) or values, key=category_key))
    if domain and (outside := sorted(set(values) - set(domain), key=category_key)):
        named = ", ".join(display(value) for value in outside[:5])
        rows = np.flatnonzero(np.isin(table.value, [used[values.index(value)] for value in outside]))
        where = ", ".join(
            f"{table.raters[table.rater[row]]} on item {table.items[table.item[row]]}" for row in rows[:3]
        )
        more = f" and {len(rows) - 3:,} more" if len(rows) > 3 else ""
        return Reason("outside-domain", f"There are values outside the declared categories: {named} ({where}{more}).")
    code_of = np.full(len(table.values) + 1, MISSING, dtype=np.intp)
    place = {category: code for code, category in enumerate(ordered)}
    code_of[used] = [place[value] for value in values]
    codes = np.full((len(raters), len(units)), MISSING, dtype=np.intp)
    codes[rater[rated], unit[rated]] = code_of[table.value[rated]]
    if int((codes != MISSING).sum()) < int(rated.sum()):
        twice = twice_in(table)
        if twice:
            return twice
    return ReliabilityData(
        raters=tuple(table.raters[code] for code in raters),
        units=tuple(table.items[code] for code in units),
        codes=codes,
        domain=ordered,
        level=level,
        period=period,
    )


def _not_numeric(table: RatingTable, row: int, level: Level) -> Reason:
    rater, item = table.raters[table.rater[row]], table.items[table.item[row]]
    sentence = (
        f"The level is {level.value}, but {rater} answered {display(table.values[table.value[row]])!r} on item "
        f"{item}, which is not a finite number. Give the labels their numbers in the study file, "
        "or treat the criterion as nominal."
    )
    return Reason("not-numeric", sentence)


def rated_twice(rater: str, item: str) -> Reason:
    """Why nothing is computed where a rater has two values on one item: choosing one would be a silent repair."""
    return Reason("rated-twice", f"{rater} rated item {item} more than once; keep one rating per rater and item.")


def twice_in(table: RatingTable) -> Reason | None:
    """`rated_twice` of the first second value in one criterion's ratings; None where there is none."""
    rows = np.flatnonzero(table.rated)
    keys = table.rater[rows].astype(np.int64) * len(table.items) + table.item[rows]
    first = np.unique(keys, return_index=True)[1]
    if len(first) == len(rows):
        return None
    again = rows[np.setdiff1d(np.arange(len(rows)), first)][0]
    return rated_twice(table.raters[table.rater[again]], table.items[table.item[again]])


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def aligned(table: RatingTable, column: FloatArray) -> FloatArray:
    """A column of the table as raters × units, in the order of `reliability_data` of the same table; NaN elsewhere.

    Where a rater has several rows on an item, the last counts.
    """
    raters, rater = compact(table.rater, len(table.raters))
    units, unit = compact(table.item, len(table.items))
    matrix = np.full((len(raters), len(units)), np.nan)
    matrix[rater, unit] = column
    return matrix
