"""Layer 2. Reliability data: one criterion's ratings as raters × units, the only input of the coefficients."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Rating, Reason, Value
from annotator_ops.models import Level

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
# A number, a label, or a set of labels as a sorted tuple.
Category = float | str | tuple[str, ...]

MISSING = -1
_DIGITS = re.compile("([0-9]+)")


class ValueKind(StrEnum):
    """What the values of a criterion are; only the first three have an agreement coefficient here."""

    NUMBERS = "numbers"
    LABELS = "labels"
    LABEL_SETS = "label sets"
    REGIONS = "regions"
    TEXT = "text"


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityData:
    """Who said what of which unit (Krippendorff's word for an item).

    `codes` has shape raters × units and holds indices into `domain`, MISSING (−1) where there is no value. `domain`
    lists the categories in ascending order, those that nobody used included when it was given.
    """

    raters: tuple[str, ...]
    units: tuple[str, ...]
    codes: IntArray
    domain: tuple[Category, ...]
    level: Level

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
        if not all(is_finite_number(category) for category in self.domain):
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
        return ReliabilityData(
            raters=(self.raters[first], self.raters[second]),
            units=tuple(np.array(self.units, dtype=object)[both]),
            codes=self.codes[[first, second]][:, both],
            domain=self.domain,
            level=self.level,
        )


def reliability_data(
    ratings: Iterable[Rating], *, level: Level, domain: Sequence[Category] = ()
) -> ReliabilityData | Reason:
    """The reliability data of one criterion's ratings, raters and units in ascending order; or why there is none.

    Sets of labels must be in one form already (see `as_label_set`). Raters and items without values keep their place.
    """
    given = list(ratings)
    raters = sorted({rating.rater for rating in given}, key=natural_key)
    units = sorted({rating.item for rating in given}, key=natural_key)
    row_of = {rater: row for row, rater in enumerate(raters)}
    column_of = {unit: column for column, unit in enumerate(units)}
    rows: list[list[Any]] = [[None] * len(units) for _ in raters]
    for rating in given:
        if rating.value is None:
            continue
        if level is not Level.NOMINAL and not is_finite_number(rating.value):
            sentence = (
                f"The level is {level.value}, but {rating.rater} answered {display(rating.value)!r} on item "
                f"{rating.item}, which is not a finite number. Give the labels their numbers in the study file, "
                "or treat the criterion as nominal."
            )
            return Reason("not-numeric", sentence)
        row, column = row_of[rating.rater], column_of[rating.item]
        if rows[row][column] is not None:
            return rated_twice(rating)
        rows[row][column] = rating.value
    if domain and (outside := sorted({value for row in rows for value in row} - {None, *domain}, key=category_key)):
        named = ", ".join(display(value) for value in outside[:5])
        return Reason("outside-domain", f"There are values outside the declared categories: {named}.")
    return ReliabilityData.from_rows(rows, level=level, raters=raters, units=units, domain=domain)


def as_label_set(labels: Iterable[object]) -> tuple[str, ...]:
    """A set of labels in the one form in which it can be compared: sorted, each label once.

    A taxonomy's choice is a path, itself a list of labels; it becomes one label.
    """
    named = (" / ".join(map(str, label)) if isinstance(label, (list, tuple)) else str(label) for label in labels)
    return tuple(sorted(set(named)))


def kind_of(values: Iterable[Value]) -> ValueKind:
    """What these values are together: one tuple makes all of them sets, one text makes all of them labels."""
    kinds = {_kind(value) for value in values}
    for kind in (ValueKind.REGIONS, ValueKind.LABEL_SETS, ValueKind.LABELS):
        if kind in kinds:
            return kind
    return ValueKind.NUMBERS


def _kind(value: Value) -> ValueKind:
    if isinstance(value, tuple):
        return ValueKind.REGIONS if any(isinstance(part, dict) for part in value) else ValueKind.LABEL_SETS
    return ValueKind.LABELS if isinstance(value, str) else ValueKind.NUMBERS


def display(value: object) -> str:
    """A value in words for a sentence: whole numbers without a point, sets joined by plus signs."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, tuple):
        parts = (json.dumps(part, ensure_ascii=False) if isinstance(part, dict) else str(part) for part in value)
        return " + ".join(parts) or "(no label)"
    return str(value)


def is_finite_number(value: object) -> bool:
    """Whether a value is a finite number (truth values are labels)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def category_key(category: object) -> tuple[int, float, str]:
    """Sorts numbers by size before labels by name."""
    if isinstance(category, (int, float)):
        return (0, float(category), "")
    return (1, 0.0, display(category))


def natural_key(text: str) -> tuple[list[str | tuple[int, str]], str]:
    """Sorts `anna-2` before `anna-10`."""
    parts: list[str | tuple[int, str]] = []
    for position, part in enumerate(_DIGITS.split(text)):
        number = part.lstrip("0")
        parts.append((len(number), number) if position % 2 else part)
    return parts, text


def rated_twice(rating: Rating) -> Reason:
    """Why nothing is computed where a rater has two values on one item: choosing one would be a silent repair."""
    sentence = f"{rating.rater} rated item {rating.item} more than once; keep one rating per rater and item."
    return Reason("rated-twice", sentence)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
