"""Layer 2. Rank correlation of two scores per item, with a bootstrap interval over items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.intervals import Resampling, bootstrap, collapse, percentile_interval
from annotator_ops.stats.reliability import FloatArray, IntArray

_LEAST_ITEMS = 3
_NAME = "Spearman's rho, mid-ranks"


def spearman(x: FloatArray, y: FloatArray, *, n_raters: int = 0, resampling: Resampling | None = None) -> Estimate:
    """Spearman's rank correlation (Spearman 1904): Pearson's r of the mid-ranks.

    `x` and `y` have shape items; items where either is NaN do not count. With `resampling` the items are drawn anew and
    ranked anew in every resample.
    """
    both = ~(np.isnan(x) | np.isnan(y))
    n = int(both.sum())
    if n < _LEAST_ITEMS:
        noun = "item has" if n == 1 else "items have"
        reason = Reason("too-few-items", f"{n} {noun} both scores; a correlation needs at least {_LEAST_ITEMS}.")
        return Estimate(value=None, reason=reason, n_items=n, n_raters=n_raters)
    patterns, multiplicity = collapse(np.column_stack([_codes(x[both]), _codes(y[both])]))
    if (patterns.max(axis=0) == 0).any():
        sentence = "One of the two scores is the same for every item, so there is no order to compare."
        return Estimate(value=None, reason=Reason("constant", sentence), n_items=n, n_raters=n_raters)

    def statistic(weights: FloatArray) -> FloatArray:
        return _weighted_spearman(patterns, weights)

    value = float(statistic(multiplicity[None, :].astype(np.float64))[0])
    found = Estimate(value=value, method=_NAME, n_items=n, n_raters=n_raters)
    if resampling is None:
        return found
    interval = percentile_interval(bootstrap(statistic, multiplicity, resampling), units=n, resampling=resampling)
    return replace(
        found,
        low=interval.low,
        high=interval.high,
        confidence=interval.confidence,
        method=f"{_NAME}; {interval.method}",
    )


def _codes(values: FloatArray) -> IntArray:
    """Dense ranks from 0. Means that differ only by the order of their additions are the same mean: a tie."""
    scale = float(np.abs(values).max()) or 1.0
    return np.unique(np.round(values / scale, 12), return_inverse=True)[1].astype(np.intp)


def _weighted_spearman(patterns: IntArray, weights: FloatArray) -> FloatArray:
    """Spearman for each row of weights (resamples × patterns); NaN where one of the scores does not vary."""
    n = weights.sum(axis=1)
    first, second = (_centred_ranks(patterns[:, column], weights) for column in (0, 1))
    covariance = (weights * first * second).sum(axis=1)
    variances = (weights * first**2).sum(axis=1), (weights * second**2).sum(axis=1)
    # The variance of ranks is a multiple of 1/4 per item, so anything below that is rounding.
    defined = np.minimum(*variances) > 1e-9 * n
    rho = np.full(len(weights), np.nan)
    np.divide(covariance, np.sqrt(variances[0] * variances[1]), out=rho, where=defined)
    clipped: FloatArray = np.clip(rho, -1.0, 1.0)
    return clipped


def _centred_ranks(codes: IntArray, weights: FloatArray) -> FloatArray:
    """Mid-ranks minus their mean, resamples × patterns, of items that have these dense ranks and weights."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    totals = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.cumsum(totals, axis=1) - totals / 2 - weights.sum(axis=1)[:, None] / 2
    centred: FloatArray = ranks[:, codes]
    return centred
