"""Layer 2. A file of ratings as columns: numbers into lists of distinct cells, because a million rows hold few."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from annotator_ops.rating_cells import Lack, as_confidence, as_seconds, as_time, is_unicode, unshielded
from annotator_ops.rating_rows import Rows
from annotator_ops.stats.columns import moment
from annotator_ops.stats.values import FloatArray
from annotator_ops.stats.vocabulary import CodeArray

# So many parsed cells are kept for the next rows: neighbours often share them.
_KEPT = 5_000
_PLAIN = frozenset({str, float, type(None), Lack})


@dataclass(frozen=True, slots=True)
class _Odd:
    """A cell that is neither text nor float, told from others by its text: 1, True and "1" are three cells."""

    text: str
    cell: Any = field(compare=False)


def _keys(cells: Sequence[Any]) -> Sequence[Any]:
    """What the cells are told apart by."""
    if set(map(type, cells)) <= _PLAIN:
        return cells
    return [cell if type(cell) in _PLAIN else _Odd(repr(cell), cell) for cell in cells]


class _Distinct(dict[Any, int]):
    """A column as numbers into its distinct cells, in order of first appearance."""

    def __init__(self) -> None:
        self._codes = array("i")

    def __missing__(self, key: Any) -> int:
        code = self[key] = len(self)
        return code

    def extend(self, cells: Sequence[Any]) -> None:
        self._codes.extend(map(self.__getitem__, _keys(cells)))

    def codes(self) -> CodeArray:
        return np.frombuffer(self._codes, dtype=np.int32) if self._codes else np.zeros(0, dtype=np.int32)

    def cells(self) -> list[Any]:
        return [key.cell if type(key) is _Odd else key for key in self]


class _Measured(dict[Any, float]):
    """A column of numbers, NaN where there is none, and by row the cells that are no such number.

    `parse` makes a number of a cell or raises ValueError. `quick` makes numbers of many cells at once, or raises
    ValueError, TypeError or OverflowError if any of them needs a closer look.
    """

    def __init__(
        self,
        parse: Callable[[Any], float],
        quick: Callable[[Sequence[Any]], Sequence[float]],
        plain: Callable[[Any], Any],
    ) -> None:
        self.faulty: dict[int, Any] = {}
        self._parse = parse
        self._quick = quick
        self._plain = plain
        self._refused: set[Any] = set()
        self._numbers = array("d")

    def __missing__(self, key: Any) -> float:
        if len(self) >= _KEPT:
            self.clear()
        try:
            number = self._parse(self._cell(key))
        except ValueError:
            self._refused.add(key)
            number = np.nan
        self[key] = number
        return number

    def extend(self, cells: Sequence[Any]) -> None:
        try:
            self._numbers.extend(self._quick(cells))
        except (ValueError, TypeError, OverflowError):
            keys = _keys(cells)
            first = len(self._numbers)
            self._numbers.extend(map(self.__getitem__, keys))
            refused = self._refused.intersection(keys)
            self.faulty.update((first + row, self._cell(key)) for row, key in enumerate(keys) if key in refused)

    def numbers(self) -> FloatArray:
        numbers: FloatArray = np.array(self._numbers, dtype=np.float64) + 0.0  # without the sign of zero
        return numbers

    def _cell(self, key: Any) -> Any:
        return self._plain(key.cell if type(key) is _Odd else key)


def _seconds(cell: Any) -> float:
    seconds = as_seconds(cell)
    return np.nan if seconds is None else seconds


def _confidence(cell: Any) -> float:
    confidence = as_confidence(cell)
    return np.nan if confidence is None else confidence


def _all_confidences(cells: Sequence[Any]) -> Sequence[float]:
    numbers = _all_seconds(cells)
    if max(numbers, default=0.0) > 1:
        raise ValueError("some are no proportions")
    return numbers


def _all_seconds(cells: Sequence[Any]) -> Sequence[float]:
    if not set(map(type, cells)) <= {str, int, float}:
        raise TypeError("some are neither numbers nor text")
    numbers = list(map(float, cells))
    if not math.isfinite(sum(numbers)) or min(numbers, default=0.0) < 0:
        raise ValueError("some are no lengths of time")
    return numbers


def _moment(cell: Any) -> float:
    if isinstance(cell, str) and not is_unicode(cell):  # Python takes any character between date and time
        raise ValueError("half of a surrogate pair")
    time = as_time(cell)
    return np.nan if time is None else moment(time)


def _all_moments(cells: Sequence[Any]) -> Sequence[float]:
    if all(isinstance(cell, datetime) for cell in cells):
        times = list(cells)
    else:
        times = list(map(datetime.fromisoformat, cells))
        if not "".join(cells).isascii():
            raise ValueError("some may not be Unicode")
    moments = [moment(time) for time in times if time.tzinfo is not None and 1 < time.year < 9999]
    if len(moments) < len(cells):
        raise ValueError("some are without a zone, or at the calendar's ends")
    return moments


_MEASURED = {
    "seconds": (_seconds, _all_seconds),
    "created_at": (_moment, _all_moments),
    "confidence": (_confidence, _all_confidences),
}


class Columns:
    """All rows of a file, read: `lines` (one a row), `distinct` (cells by column), and `measured` (numbers)."""

    def __init__(self, rows: Rows, progress: Callable[[float], None]) -> None:
        cell = unshielded if rows.shielded else lambda cell: cell
        self.commas = rows.commas
        coded = {name: _Distinct() for name in rows.columns if name not in _MEASURED}
        self.measured = {name: _Measured(*how, cell) for name, how in _MEASURED.items() if name in rows.columns}
        columns: dict[str, _Distinct | _Measured] = {**coded, **self.measured}
        lines = array("q")
        for block in rows.blocks:
            lines.extend(block.lines)
            for name, column in columns.items():
                column.extend(block.columns[name])
            progress(block.done)
        self.lines: npt.NDArray[np.int64] = np.array(lines, dtype=np.int64)
        self.codes = {name: column.codes() for name, column in coded.items()}
        self.distinct = {name: list(map(cell, column.cells())) for name, column in coded.items()}

    def __len__(self) -> int:
        return len(self.lines)

    def numbers(self, name: str) -> FloatArray:
        """A column of numbers; NaN where the file has no such column."""
        return self.measured[name].numbers() if name in self.measured else np.full(len(self), np.nan)

    def column(self, name: str) -> tuple[list[Any], CodeArray]:
        """Distinct cells and, for each row, which it is; one empty cell where the file has no such column."""
        if name not in self.codes:
            return [None], np.zeros(len(self), dtype=np.int32)
        return self.distinct[name], self.codes[name]

    def row(self, row: int) -> dict[str, Any]:
        """One row's cells by column; of the measured columns only what is faulty."""
        cells = {name: self.distinct[name][codes[row]] for name, codes in self.codes.items()}
        for name, column in self.measured.items():
            cells[name] = column.faulty.get(row)
        return cells
