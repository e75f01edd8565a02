"""Layer 2. Two raters who meet on units: the cells of their table, and the coefficients that are sums over these."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from annotator_ops.measures import Estimate
from annotator_ops.stats.agreement.gwet import ROUNDING, dot, with_error
from annotator_ops.stats.agreement.schemes import Quadratic, Scheme
from annotator_ops.stats.reliability import MISSING, FloatArray, IntArray

# Up to so many categories, or four cells for each unit, units are counted in cells; else each unit is its own cell.
_FEW_CATEGORIES = 32
_CELLS_PER_UNIT = 4

# A coefficient, and what a unit of each cell contributes to it, minus the mean over units.
Found = tuple[float, FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class Meeting:
    """The units that two raters have in common, as cells: the codes of the first and of the second, and how many units.

    `first`, `second` and `times` have shape cells; no cell is empty, and several may have the same codes. `cell_of`
    (units) is the cell of each unit of the data, −1 for those that only one of the two, or neither, rated.
    """

    raters: tuple[int, int]
    first: IntArray
    second: IntArray
    times: FloatArray
    cell_of: IntArray
    categories: int

    @property
    def n(self) -> int:
        return int(self.times.sum())

    @property
    def marginals(self) -> tuple[FloatArray, FloatArray]:
        """How often each of the two chose each category; shape categories."""
        return self._sums(self.first, self.times), self._sums(self.second, self.times)

    def agreement(self) -> Found:
        """The share of units on which they agree. There has to be a unit."""
        same = (self.first == self.second).astype(np.float64)
        value = dot(self.times, same) / self.n
        return value, same - value

    def kappa(self, scheme: Scheme) -> Found | None:
        """Cohen's kappa (1960, 1968), contributions as by Fleiss, Cohen and Everitt (1969); None where undefined."""
        n = self.n
        if not n:
            return None
        first, second = self.marginals
        towards_second, towards_first = scheme.times(second) / n, scheme.times(first) / n
        expected = dot(first, towards_second) / n
        if 1 - expected <= ROUNDING:
            return None
        weight = scheme.between(self.first, self.second)
        value = (dot(self.times, weight) / n - expected) / (1 - expected)
        chance = towards_second[self.first] + towards_first[self.second] - 2 * expected
        return value, (weight - expected - (1 - value) * chance) / (1 - expected) - value

    def alpha(self, scheme: Scheme | None) -> Found | None:
        """Krippendorff's alpha with squared distances 1 − weight, ordinal where `scheme` is None; None where undefined.

        Contributions are those of `krippendorff_alpha`, here with two ratings a unit (Gwet 2014, ch. 5); the ordinal
        ones know that a unit more moves the ranks of all.
        """
        first, second = self.marginals
        totals = first + second
        m = 2.0 * self.n
        ranked = Quadratic.of(_ranks(totals)) if scheme is None else None
        distance = scheme or ranked
        if distance is None or not m:
            return None
        apart = 1 - distance.between(self.first, self.second)
        towards = m - distance.times(totals)
        observed, expected = 2 * dot(self.times, apart), dot(totals, towards)
        if expected <= ROUNDING * m**2:
            return None
        by_unit, gradient = 2 * apart, 2 * (towards[self.first] + towards[self.second])
        if ranked is not None:
            moved, expected_moved = self._moved(ranked, totals)
            by_unit = by_unit + moved[self.first] + moved[self.second]
            gradient = gradient + expected_moved[self.first] + expected_moved[self.second]
        influence = by_unit + 2 * observed / m - observed / expected * gradient
        return 1 - (m - 1) * observed / expected, -self.n * (m - 1) / expected * influence

    def _moved(self, ranked: Quadratic, totals: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What observed and expected disagreement change by when one value more of a category moves the ranks."""
        x, m = ranked.x, float(totals.sum())
        ranks = _ranks(totals)
        scale = 1 / float(np.ptp(ranks))
        pull = 4 * self.times * (x[self.first] - x[self.second])
        by_rank = self._sums(self.first, pull) - self._sums(self.second, pull)
        expected_by_rank = 4 * totals * (m * x - dot(totals, x))
        return scale * _above(by_rank), scale * _above(expected_by_rank)

    def _sums(self, codes: IntArray, of_cells: FloatArray) -> FloatArray:
        """The sum of a number of the cells for each category that the codes have (categories)."""
        sums: FloatArray = np.bincount(codes, weights=of_cells, minlength=self.categories).astype(np.float64)
        return sums

    def spearman(self) -> tuple[float, float, float]:
        """Sums of products, and of the squares of each, of mid-ranks minus their mean."""
        marginals = self.marginals
        first, second = (_ranks(counts) - (self.n / 2) for counts in marginals)
        products = dot(self.times, first[self.first] * second[self.second])
        return products, dot(marginals[0], first**2), dot(marginals[1], second**2)

    def estimate(self, found: Found, *, name: str, confidence: float) -> Estimate:
        """The coefficient with the standard error of a contingency table, and its interval."""
        plain = Estimate(value=found[0], method=name, n_items=self.n, n_raters=2)
        squares = dot(self.times, found[1] ** 2)
        error = math.sqrt(squares) / self.n if self.n > 1 else None
        return with_error(plain, error, units=self.n, confidence=confidence)

    def alpha_estimate(self, found: Found, *, name: str) -> Estimate:
        """Alpha with the standard error that `krippendorff_alpha` gives for these two alone."""
        n, squares = self.n, dot(self.times, found[1] ** 2)
        error = math.sqrt(squares / (n * (n - 1))) if n > 1 else 0.0
        shown = error if error > ROUNDING else None
        return Estimate(value=found[0], method=name, standard_error=shown, n_items=n, n_raters=2)

    def by_unit(self, deviations: FloatArray) -> FloatArray:
        """Contributions to a mean over all units of the data: 0 for units that the two do not have in common."""
        padded = np.append(deviations * (len(self.cell_of) / self.n), 0.0)
        return padded[self.cell_of]


def meetings(codes: IntArray, categories: int) -> Iterator[Meeting]:
    """Each two raters of codes (raters × units) in order."""
    raters, units = codes.shape
    width = categories + 1
    counted = categories <= _FEW_CATEGORIES or width**2 <= _CELLS_PER_UNIT * units
    coded = np.where(codes == MISSING, categories, codes) if counted else codes
    for first in range(raters - 1):
        for second in range(first + 1, raters):
            pair = (first, second)
            if counted:
                yield _counted(pair, coded[first] * width + coded[second], categories)
            else:
                yield _listed(pair, codes[first], codes[second], categories)


def _counted(raters: tuple[int, int], keys: IntArray, categories: int) -> Meeting:
    width = categories + 1
    counts = np.bincount(keys, minlength=width**2)
    table = counts.reshape(width, width)[:-1, :-1]
    first, second = np.nonzero(table)
    place = np.full(width**2, MISSING, dtype=np.intp)
    place[first * width + second] = np.arange(len(first))
    return Meeting(raters, first, second, table[first, second].astype(np.float64), place[keys], categories)


def _listed(raters: tuple[int, int], first: IntArray, second: IntArray, categories: int) -> Meeting:
    both = (first != MISSING) & (second != MISSING)
    n = int(both.sum())
    place = np.full(len(both), MISSING, dtype=np.intp)
    place[both] = np.arange(n)
    return Meeting(raters, first[both], second[both], np.ones(n), place, categories)


def _ranks(counts: FloatArray) -> FloatArray:
    """The mid-rank of each category minus one half, from how often each was chosen."""
    ranks: FloatArray = np.cumsum(counts) - counts / 2
    return ranks


def _above(by_rank: FloatArray) -> FloatArray:
    """What a value more of a category does: it lifts the ranks of those above by 1 and its own by one half."""
    above: FloatArray = by_rank.sum() - np.cumsum(by_rank) + by_rank / 2
    return above
