"""Layer 2. Ranks of means, each with the ranks that cannot be excluded."""

from __future__ import annotations

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.values import BoolArray, FloatArray

METHOD = "ranks that pairwise differences leave open, Bonferroni over all pairs (Mogstad et al. 2024)"
_ROUNDING = 1e-12


def rank_intervals(
    means: FloatArray, covariance: FloatArray, critical: FloatArray, *, confidence: float
) -> list[Estimate]:
    """The rank of each mean (shape systems; 1 is the highest, equal means share the better rank) with its interval.

    Mogstad, Romano, Shaikh and Wilhelm 2024 (Rev Econ Stud 91(1), 476–518): a system's rank is at least one more than
    the number of systems that are better by more than chance, and at most their number less those that are worse. So
    the intervals hold for all systems at once, with probability `confidence`, where the differences of all pairs are
    tested together. Here a pair differs where |difference| exceeds its standard error times the larger of the two
    `critical` values (systems; quantiles corrected for the number of pairs, NaN where a system has none). A pair whose
    difference has no variation, or an unknown one, is not told apart. NaN means have no rank and are no one's rival.
    """
    ranked = ~np.isnan(means)
    better = _above(means, covariance, critical)
    n_ranked = int(ranked.sum())
    scale = float(np.abs(means[ranked]).max(initial=1.0))
    found = []
    for place, mean in enumerate(means.tolist()):
        if not ranked[place]:
            found.append(Estimate(None, Reason("no-mean", "There is no mean to rank."), n_items=n_ranked))
            continue
        value = 1 + int((means[ranked] > mean + _ROUNDING * scale).sum())
        low, high = 1 + int(better[:, place].sum()), n_ranked - int(better[place].sum())
        found.append(Estimate(value, None, low, high, confidence, METHOD, n_items=n_ranked))
    return found


def _above(means: FloatArray, covariance: FloatArray, critical: FloatArray) -> BoolArray:
    """Whether the system of the row is above that of the column by more than chance: systems × systems."""
    difference = means[:, None] - means[None, :]
    variances = np.diag(covariance)
    error = np.sqrt(np.maximum(variances[:, None] + variances[None, :] - 2 * covariance, 0.0))
    scale = float(np.nanmax(np.abs(means), initial=1.0))
    least = np.maximum(critical[:, None], critical[None, :]) * error
    above: BoolArray = (error > _ROUNDING * scale) & (difference > least)
    return above
