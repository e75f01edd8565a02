"""Layer 2. The contingency tables of each two raters, counted for several raters in one pass over the units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from annotator_ops.stats.values import MISSING, FloatArray, IntArray

# Tables of more cells than this leave the processor's cache; where there are few units, cells cost more than they save.
_MOST_CELLS = 2**16
_CELLS_PER_UNIT = 8


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Some neighbouring raters, what they said of a unit written as one number with a digit for each: `key` (units)."""

    start: int
    size: int
    key: npt.NDArray[np.int32]

    @property
    def raters(self) -> slice:
        return slice(self.start, self.start + self.size)


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """All raters in groups. The table of two groups holds those of every pair of their raters, as its marginal sums.

    For 20 raters in 5 categories 21 tables of three raters against three so have all 190 of one against one. `width` is
    the number of digits, of which the first `gap` (0 or 1) stands for a missing rating.
    """

    groups: tuple[Group, ...]
    width: int
    gap: int
    units: int

    @classmethod
    def of(cls, codes: IntArray, categories: int) -> Groups:
        """From codes, raters × units, MISSING where there is no value. There has to be a rater."""
        raters, units = codes.shape
        gap = int((codes == MISSING).any())
        width = max(1, categories + gap)
        most, size = min(_MOST_CELLS, _CELLS_PER_UNIT * units), 1
        while size < raters and width ** (2 * size + 2) <= most:
            size += 1
        groups, start = [], 0
        for members in np.array_split(codes, -(-raters // size)):
            # Gaps are −1 in each digit, so that one sum lifts all.
            key = np.full(units, sum(gap * width**place for place in range(len(members))), dtype=np.int32)
            for place, row in enumerate(members[::-1]):
                key += row.astype(np.int32) * np.int32(width**place)
            groups.append(Group(start, len(members), key))
            start += len(members)
        return cls(tuple(groups), width, gap, units)

    @property
    def raters(self) -> int:
        return sum(group.size for group in self.groups)

    def tables(self) -> IntArray:
        """How often which two categories met: raters × categories × raters × categories.

        Only the entries of a rater with a later one are counted; the others are 0.
        """
        width = self.width
        found = np.zeros((self.raters, width, self.raters, width), dtype=np.intp)
        for group in self.groups:
            counts = np.bincount(group.key, minlength=width**group.size)
            for first, second in combinations(range(group.size), 2):
                table = counts.reshape(self._two(first, second)).sum(axis=(0, 2, 4))
                found[group.start + first, :, group.start + second, :] = table
        for one, other, key in self._blocks():
            counts = np.bincount(key, minlength=width ** (one.size + other.size)).reshape(width**one.size, -1)
            by_one = _by_digit(counts, one.size, width)
            by_both = _by_digit(np.ascontiguousarray(by_one.reshape(-1, counts.shape[1]).T), other.size, width)
            tables = by_both.reshape(other.size, width, one.size, width).transpose(2, 3, 0, 1)
            found[one.raters, :, other.raters, :] = tables
        return found[:, self.gap :, :, self.gap :]

    def spread(self, cells: FloatArray) -> FloatArray:
        """Shape units: the sum over all pairs that rated a unit of the number in the cell where the two met.

        `cells` has the shape of `tables`, and 0 where a rater does not come before the other.
        """
        width, gap = self.width, self.gap
        full = np.zeros((self.raters, width, self.raters, width))
        full[:, gap:, :, gap:] = cells
        found = np.zeros(self.units)
        for group in self.groups:
            sums = np.zeros(width**group.size)
            for first, second in combinations(range(group.size), 2):
                table = full[group.start + first, :, group.start + second, :]
                sums.reshape(self._two(first, second))[...] += table[:, None, :, None]
            found += sums[group.key]
        for one, other, key in self._blocks():
            tables = full[one.raters, :, other.raters, :]
            by_one = np.zeros((width**one.size, other.size, width))
            for digit in range(one.size):
                by_one.reshape(width**digit, width, -1, other.size, width)[...] += tables[digit][:, None]
            sums = np.zeros((width**one.size, width**other.size))
            for digit in range(other.size):
                sums.reshape(-1, width**digit, width, width ** (other.size - digit - 1))[...] += by_one[
                    :, digit, None, :, None
                ]
            found += sums.ravel()[key]
        return found

    def _blocks(self) -> Iterator[tuple[Group, Group, IntArray]]:
        """Each two groups with the digits of both in one number (units), which is overwritten by the next."""
        key = np.empty(self.units, dtype=np.intp)
        for place, one in enumerate(self.groups[:-1]):
            for other in self.groups[place + 1 :]:
                np.multiply(one.key, self.width**other.size, out=key, dtype=np.intp)
                key += other.key
                yield one, other, key

    def _two(self, first: int, second: int) -> tuple[int, int, int, int, int]:
        """The shape in which two digits of a key have an axis of their own."""
        return self.width**first, self.width, self.width ** (second - first - 1), self.width, -1


def _by_digit(counts: IntArray, digits: int, width: int) -> IntArray:
    """Counts of keys (keys × others) as counts of each digit: digits × width × others."""
    others = counts.shape[1]
    found = np.empty((digits, width, others), dtype=counts.dtype)
    for digit in range(digits):
        counts = counts.reshape(width, -1, others)
        counts.sum(axis=1, out=found[digit])
        counts = counts.sum(axis=0)
    return found
