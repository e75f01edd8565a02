"""Layer 2. Krippendorff's alpha without each rater, by subtraction instead of recomputing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.distances import Metric, Ratings, expected_sums, metric_of, points_of, rating_sums, ratings_of
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import FloatArray

# Less than this share of the disagreement of the others has lost digits in the subtraction, and is recomputed.
_CANCELLED = 1e-6


def leave_one_out(
    data: ReliabilityData, *, distance: npt.ArrayLike | None = None, period: float | None = None
) -> tuple[Estimate, tuple[Estimate, ...]]:
    """Krippendorff's alpha of all raters, and without each of them; exactly what recomputing it would give.

    Each rating's part of its item's disagreement is known, so that taking a rater out is a subtraction. Only ordinal
    data need more: their mid-ranks change with the ratings that are left.
    """
    whole = krippendorff_alpha(data, distance=distance, period=period)
    metric = metric_of(data, distance=distance, period=period)
    if isinstance(metric, Reason) or whole.value is None:
        return whole, tuple(_recomputed(data, row, distance, period) for row in range(len(data.raters)))
    ratings = ratings_of(data)
    totals = _totals_without(ratings, len(data.raters))
    raters = len(data.raters)
    gone = np.bincount(ratings.rater[ratings.size[ratings.unit] == 2], minlength=raters)
    units = len(ratings.size) - gone
    varies = ((totals > 0).sum(axis=1) >= 2) & (units >= 2)
    observed = _observed_without(ratings, metric, totals)
    # What little is left after taking away a rater with nearly all of the disagreement has lost its digits.
    exact = observed > _CANCELLED * observed.max(initial=0.0)
    expected = expected_sums(metric, totals)
    estimates = []
    for row in range(raters):
        if not (varies[row] and exact[row]) or expected[row] <= 0:
            estimates.append(_recomputed(data, row, distance, period))
            continue
        value = 1 - (totals[row].sum() - 1) * observed[row] / expected[row]
        method = f"{whole.method.split(';')[0]}, without this rater"
        estimates.append(Estimate(value=float(value), method=method, n_items=int(units[row]), n_raters=raters - 1))
    return whole, tuple(estimates)


def _recomputed(data: ReliabilityData, row: int, distance: npt.ArrayLike | None, period: float | None) -> Estimate:
    left = replace(data, raters=data.raters[:row] + data.raters[row + 1 :], codes=np.delete(data.codes, row, axis=0))
    return krippendorff_alpha(left, distance=distance, period=period)


def _totals_without(ratings: Ratings, n_raters: int) -> FloatArray:
    """How often each category is left in pairable units without each rater: raters × categories."""
    totals = np.tile(ratings.totals(), (n_raters, 1))
    np.subtract.at(totals, (ratings.rater, ratings.code), 1.0)
    # A unit of two ratings goes as a whole.
    first = ratings.start[ratings.size == 2]
    np.subtract.at(totals, (ratings.rater[first], ratings.code[first + 1]), 1.0)
    np.subtract.at(totals, (ratings.rater[first + 1], ratings.code[first]), 1.0)
    return totals


def _observed_without(ratings: Ratings, metric: Metric, totals: FloatArray) -> FloatArray:
    """Σ_u Σ δ² / (m_u − 1) over the units that are left without each rater; shape raters."""
    unit, size = ratings.unit, ratings.size
    raters = len(totals)
    if not metric.has_ranks:
        sums = rating_sums(ratings, metric, ratings.totals())
        whole = np.bincount(unit, weights=sums, minlength=len(size))
        gone = (whole / (size - 1))[unit]
        left = np.where(size[unit] > 2, (whole[unit] - 2 * sums) / np.maximum(size[unit] - 2, 1), 0.0)
        change = np.bincount(ratings.rater, weights=left - gone, minlength=raters)
        return np.asarray((whole / (size - 1)).sum() + change, dtype=np.float64)
    counts = ratings.counts
    observed = np.zeros(raters)
    for row, own in enumerate(ratings.of_raters(raters)):
        points = points_of(metric, totals[row])
        if points is None:
            raise ValueError("Only levels with positions come here.")
        rank = points[:, 0]
        less, first, second = size.astype(np.float64), counts @ rank, counts @ rank**2
        mine = rank[ratings.code[own]]
        less[unit[own]] -= 1
        first[unit[own]] -= mine
        second[unit[own]] -= mine**2
        pairable = less > 1
        sums = 2 * (less * second - first**2)[pairable]
        observed[row] = (sums / (less[pairable] - 1)).sum()
    return observed
