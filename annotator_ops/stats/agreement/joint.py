"""Layer 2. Two raters who meet on units: the cells of their table, and the coefficients that are sums over these."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from annotator_ops.measures import Estimate
from annotator_ops.stats.agreement.contingency import Groups
from annotator_ops.stats.agreement.gwet import ROUNDING, dot, with_error
from annotator_ops.stats.agreement.schemes import Quadratic, Scheme
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, FloatArray, IntArray

# Up to so many categories, or four cells for each unit, units are counted in cells; else each unit is its own cell.
_FEW_CATEGORIES = 32
_CELLS_PER_UNIT = 4
# The tables of all pairs in few categories are held in memory, if together they have no more cells than this.
_MOST_CELLS = 2**23

# A coefficient, and what a unit of each cell contributes to it, minus the mean over units.
Found = tuple[float, FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class Meeting:
    """The units that two raters have in common, as cells: the codes of the first and of the second, and how many units.

    `first`, `second` and `times` have shape cells; no cell is empty, and several may have the same codes. `n` is the
    number of units, `marginals` (categories) how often each of the two chose each category.
    """

    raters: tuple[int, int]
    first: IntArray
    second: IntArray
    times: FloatArray
    n: int
    marginals: tuple[FloatArray, FloatArray]

    @classmethod
    def of_table(cls, raters: tuple[int, int], table: FloatArray | IntArray) -> Meeting:
        """From how often which categories met (categories × categories)."""
        first, second = np.nonzero(table)
        table = table.astype(np.float64)
        marginals = table.sum(axis=1), table.sum(axis=0)
        return cls(raters, first, second, table[first, second], int(marginals[0].sum()), marginals)

    @classmethod
    def of_units(cls, raters: tuple[int, int], codes: IntArray, categories: int) -> Meeting:
        """From codes (raters × units), each unit that both rated a cell of its own."""
        one, other = codes[raters[0]], codes[raters[1]]
        both = (one != MISSING) & (other != MISSING)
        first, second = one[both], other[both]
        chosen, chosen_by_other = (np.bincount(own, minlength=categories).astype(np.float64) for own in (first, second))
        return cls(raters, first, second, np.ones(len(first)), len(first), (chosen, chosen_by_other))

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
        ranked = Quadratic.of(ranks_of(totals)) if scheme is None else None
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
        ranks = ranks_of(totals)
        scale = 1 / float(np.ptp(ranks))
        pull = 4 * self.times * (x[self.first] - x[self.second])
        by_rank = self._sums(self.first, pull) - self._sums(self.second, pull)
        expected_by_rank = 4 * totals * (m * x - dot(totals, x))
        return scale * _above(by_rank), scale * _above(expected_by_rank)

    def _sums(self, codes: IntArray, of_cells: FloatArray) -> FloatArray:
        """The sum of a number of the cells for each category that the codes have (categories)."""
        categories = len(self.marginals[0])
        sums: FloatArray = np.bincount(codes, weights=of_cells, minlength=categories).astype(np.float64)
        return sums

    def spearman(self) -> tuple[float, float, float]:
        """Sums of products, and of the squares of each, of mid-ranks minus their mean."""
        marginals = self.marginals
        first, second = (ranks_of(counts) - (self.n / 2) for counts in marginals)
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


@dataclass(frozen=True, slots=True, eq=False)
class Meetings:
    """Each two raters of the data in order: counted once, for all coefficients of pairs.

    `tables` (pairs × categories × categories) and `groups` are None where there are many categories, or so many raters
    that they would take too much memory; then each pair is counted, or its units are listed, when it is its turn.
    """

    codes: IntArray
    categories: int
    groups: Groups | None
    tables: FloatArray | None

    @classmethod
    def of(cls, data: ReliabilityData) -> Meetings:
        categories, raters = len(data.domain), len(data.raters)
        fits = categories <= _FEW_CATEGORIES and (raters * (categories + 1)) ** 2 <= _MOST_CELLS
        if raters < 2 or not fits:
            return cls(data.codes, categories, None, None)
        groups = Groups.of(data.codes, categories)
        first, second = np.triu_indices(raters, 1)
        tables = groups.tables()[first, :, second, :].astype(np.float64)
        return cls(data.codes, categories, groups, tables)

    @property
    def raters(self) -> list[tuple[int, int]]:
        """The two raters of each pair, in order."""
        return list(combinations(range(len(self.codes)), 2))

    def __iter__(self) -> Iterator[Meeting]:
        if self.tables is not None:
            for raters, table in zip(self.raters, self.tables, strict=True):
                yield Meeting.of_table(raters, table)
            return
        if not _in_cells(self.categories, self.codes.shape[1]):
            for raters in self.raters:
                yield Meeting.of_units(raters, self.codes, self.categories)
            return
        width = self.categories + 1
        digits = self.codes + 1  # 0 is a gap
        for first, second in self.raters:
            counts = np.bincount(digits[first] * width + digits[second], minlength=width**2)
            yield Meeting.of_table((first, second), counts.reshape(width, width)[1:, 1:])

    def kappas(self, scheme: Scheme) -> FloatArray:
        """Cohen's kappa of each pair (pairs), NaN where undefined; as `Meeting.kappa`."""
        if self.tables is None:
            found = (meeting.kappa(scheme) for meeting in self)
            return np.array([np.nan if each is None else each[0] for each in found])
        n = self.tables.sum(axis=(1, 2))
        first, second = self.tables.sum(axis=2), self.tables.sum(axis=1)
        every = np.arange(self.categories)
        weight = scheme.between(every[:, None], every)
        n = np.where(n > 0, n, np.nan)
        observed = np.einsum("pij,ij->p", self.tables, weight) / n
        expected = np.einsum("pi,ip->p", first, scheme.times(second.T)) / n**2
        left = np.where(1 - expected > ROUNDING, 1 - expected, np.nan)
        return np.asarray((observed - expected) / left)

    def total(self, coefficient: Callable[[Meeting], Found | None]) -> tuple[list[float], FloatArray]:
        """The values of a coefficient for the pairs that have one, and the sum of what the units contribute to these.

        The contributions (units) are to means over all units of the data; a pair that does not have a unit in common
        adds nothing to it.
        """
        units = self.codes.shape[1]
        values: list[float] = []
        contributions = np.zeros(units)
        cells = np.zeros((len(self.codes), self.categories) * 2 if self.groups else 0)
        for meeting in self:
            found = coefficient(meeting)
            if found is None:
                continue
            values.append(found[0])
            deviations = found[1] * (units / meeting.n)
            first, second = meeting.raters
            if self.groups:
                cells[first, meeting.first, second, meeting.second] = deviations
            else:
                contributions += self._by_unit(meeting, deviations)
        return values, self.groups.spread(cells) if self.groups else contributions

    def _by_unit(self, meeting: Meeting, deviations: FloatArray) -> FloatArray:
        first, second = self.codes[meeting.raters[0]], self.codes[meeting.raters[1]]
        if _in_cells(self.categories, len(first)):
            table = np.zeros((self.categories + 1, self.categories + 1))
            table[meeting.first, meeting.second] = deviations
            return np.asarray(table[first, second])  # MISSING, −1, is the last row, and has 0
        found = np.zeros(len(first))
        found[(first != MISSING) & (second != MISSING)] = deviations
        return found


def _in_cells(categories: int, units: int) -> bool:
    """Whether units are counted in cells; else each is a cell of its own."""
    return categories <= _FEW_CATEGORIES or (categories + 1) ** 2 <= _CELLS_PER_UNIT * units


def ranks_of(counts: FloatArray) -> FloatArray:
    """The mid-rank of each category minus one half, from how often each was chosen."""
    ranks: FloatArray = np.cumsum(counts) - counts / 2
    return ranks


def _above(by_rank: FloatArray) -> FloatArray:
    """What a value more of a category does: it lifts the ranks of those above by 1 and its own by one half."""
    above: FloatArray = by_rank.sum() - np.cumsum(by_rank) + by_rank / 2
    return above
