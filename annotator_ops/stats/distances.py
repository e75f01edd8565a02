"""Layer 2. What every disagreement is made of: δ² between the ratings of one item, and what chance would give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from annotator_ops.measures import Reason
from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import checked_distance
from annotator_ops.stats.agreement.disagreement import ratio_distance, whole_period
from annotator_ops.stats.agreement.units import undefined
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, FloatArray, IntArray

# δ² between all categories of a level without a closed form are computed in blocks of so many rows.
_BLOCK = 1_000
# More values than this would need more than 10⁸ differences.
MOST_TABLE_VALUES = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """Squared differences between categories (Krippendorff 2019, ch. 12.4) as far as they do not depend on the data.

    `points` (categories × dimensions) are positions whose squared Euclidean distance is δ²; `table` (categories ×
    categories) is δ² itself. Both are None for nominal data (0 or 1) and for ordinal data, whose positions are the
    mid-ranks. `ratio` are the values of ratio data.
    """

    level: Level
    points: FloatArray | None = None
    table: FloatArray | None = None
    ratio: FloatArray | None = None

    @property
    def has_ranks(self) -> bool:
        """Whether δ² depends on how often each category was used."""
        return self.table is None and self.level is Level.ORDINAL


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """The ratings of the pairable units one after another, unit by unit.

    `rater`, `unit` and `code` have one entry a rating; `unit` counts the pairable units from 0. `start` and `size`
    (units) say where a unit's ratings are; `position` (units) is the unit's column in the reliability data.
    """

    rater: IntArray
    unit: IntArray
    code: IntArray
    start: IntArray
    size: IntArray
    position: IntArray
    n_categories: int

    @property
    def counts(self) -> sparse.csr_array:
        """How many raters chose each category: units × categories."""
        cells = (np.ones(len(self.code)), (self.unit, self.code))
        return sparse.csr_array(cells, shape=(len(self.size), self.n_categories))

    def of_raters(self, n_raters: int) -> list[IntArray]:
        """Where the ratings of each rater are, in the order of the units."""
        order = np.argsort(self.rater, kind="stable")
        ends = np.cumsum(np.bincount(self.rater, minlength=n_raters))
        return np.split(order, ends[:-1])

    def totals(self) -> FloatArray:
        """How often each category was chosen in all; shape categories."""
        return np.bincount(self.code, minlength=self.n_categories).astype(np.float64)


def metric_of(
    data: ReliabilityData, *, distance: npt.ArrayLike | None = None, period: float | None = None
) -> Metric | Reason:
    """How the categories of these data differ, or why they cannot be compared.

    `distance` and `period` are those of `krippendorff_alpha`, and what is wrong with them raises ValueError as there.
    """
    if not data.domain:
        return Reason("no-ratings", "There is no rating that has a value.")
    if distance is not None:
        return Metric(data.level, table=checked_distance(distance, len(data.domain)))
    if data.level in (Level.NOMINAL, Level.ORDINAL):
        return Metric(data.level)
    values = np.array(data.domain, dtype=np.float64)
    if data.level is Level.CIRCULAR:
        circumference = whole_period(data) if period is None else period
        if isinstance(circumference, Reason):
            return circumference
        angles = 2 * np.pi * values / circumference
        return Metric(data.level, points=np.column_stack([np.cos(angles), np.sin(angles)]) / 2)
    if data.level is Level.RATIO:
        if values.min(initial=0.0) < 0:
            return Reason("negative-ratio", "The ratio level needs values from zero up; some are negative.")
        if len(values) > MOST_TABLE_VALUES:
            sentence = f"{len(values)} distinct values are too many for the ratio level; declare the interval level."
            return Reason("too-many-values", sentence)
        return Metric(data.level, ratio=values)
    return Metric(data.level, points=values[:, None])


def ratings_of(data: ReliabilityData) -> Ratings:
    """The ratings of units that at least two raters rated."""
    columns = np.flatnonzero(data.pairable)
    codes = data.codes[:, columns].T
    unit, rater = np.nonzero(codes != MISSING)
    size = np.bincount(unit, minlength=len(columns))
    start = np.cumsum(size) - size
    return Ratings(rater, unit, codes[unit, rater], start, size, columns, len(data.domain))


def comparable(data: ReliabilityData) -> Reason | None:
    """Why there is nothing to compare: no ratings, one rater, no overlap, or one and the same value throughout."""
    reason = undefined(data, least_units=1)
    if reason:
        return reason
    codes = data.codes[:, data.pairable]
    used = np.unique(codes[codes != MISSING])
    if len(used) < 2:
        return Reason("one-category", "Every rating that can be compared is the same, so nothing can be told apart.")
    return None


def points_of(metric: Metric, totals: FloatArray) -> FloatArray | None:
    """Positions whose squared Euclidean distance is δ² (categories × dimensions), where the level has such.

    For ordinal data δ² is the squared difference of mid-ranks among the ratings counted in `totals` (categories).
    """
    if metric.has_ranks:
        ranks: FloatArray = np.cumsum(totals) - totals / 2 - totals.sum() / 2
        return ranks[:, None]
    return metric.points


def rating_sums(ratings: Ratings, metric: Metric, totals: FloatArray) -> FloatArray:
    """Σ δ² between each rating and the other ratings of its unit; one entry a rating."""
    points = points_of(metric, totals)
    unit, size = ratings.unit, ratings.size
    if points is not None:
        found = np.zeros(len(unit))
        for own in points[ratings.code].T:
            # About the unit's mean, so that nothing cancels: Σ_j (x_i − x_j)² = m (x_i − x̄)² + Σ_j (x_j − x̄)².
            square = (own - (np.bincount(unit, weights=own, minlength=len(size)) / size)[unit]) ** 2
            found += size[unit] * square + np.bincount(unit, weights=square, minlength=len(size))[unit]
        return found
    if metric.table is None and metric.ratio is None:
        different: FloatArray = size[unit] - same_answers(ratings)
        return different
    total = np.zeros(len(unit))
    for lag in range(1, int(size.max(initial=0))):
        first = np.flatnonzero(unit[lag:] == unit[:-lag])
        difference = delta(metric, ratings.code[first], ratings.code[first + lag])
        total[first] += difference
        total[first + lag] += difference
    return total


def delta(metric: Metric, first: IntArray, second: IntArray) -> FloatArray:
    """δ² between categories given by their codes, at the levels that have no positions."""
    if metric.table is not None:
        looked_up: FloatArray = metric.table[first, second]
        return looked_up
    if metric.ratio is None:
        unequal: FloatArray = (first != second).astype(np.float64)
        return unequal
    return ratio_distance(metric.ratio[first], metric.ratio[second])


def expected_sums(metric: Metric, totals: FloatArray) -> FloatArray:
    """Σ_c Σ_k n_c n_k δ²_ck for each row of totals (rows × categories); divided by n(n − 1) it is D_e."""
    n = totals.sum(axis=1)
    if metric.has_ranks:
        ranks = np.cumsum(totals, axis=1) - totals / 2 - n[:, None] / 2
        spread: FloatArray = 2 * n * (totals * ranks**2).sum(axis=1)  # mid-ranks have mean 0
        return spread
    if metric.points is not None:
        found: FloatArray = np.zeros(len(totals))
        for place in metric.points.T:
            mean = totals @ place / np.maximum(n, 1)  # about the mean of each row, so that nothing cancels
            found += 2 * n * (totals * (place[None, :] - mean[:, None]) ** 2).sum(axis=1)
        return found
    if metric.table is None and metric.ratio is None:
        unequal: FloatArray = n**2 - (totals**2).sum(axis=1)
        return unequal
    total: FloatArray = np.zeros(len(totals))
    codes = np.arange(totals.shape[1])
    for begin in range(0, len(codes), _BLOCK):
        block = codes[begin : begin + _BLOCK]
        total += ((totals @ delta(metric, codes[:, None], block[None, :])) * totals[:, block]).sum(axis=1)
    return total


def same_answers(ratings: Ratings) -> FloatArray:
    """How many ratings of the unit, itself counted, have the same category; one entry a rating."""
    keys = ratings.unit * ratings.n_categories + ratings.code
    cells = len(ratings.size) * ratings.n_categories
    if cells <= 20 * len(keys):
        return np.asarray(np.bincount(keys, minlength=cells)[keys], dtype=np.float64)
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse], dtype=np.float64)
