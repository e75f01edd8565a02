"""Layer 2. Rank correlation of two scores per item, with a bootstrap interval over items."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.intervals import Resampling, Statistic, collapse, interval_of
from annotator_ops.stats.values import FloatArray, IntArray

_LEAST_ITEMS = 3
_NAME = "Spearman's rho, mid-ranks"


def spearman(x: FloatArray, y: FloatArray, *, n_raters: int = 0, resampling: Resampling | None = None) -> Estimate:
    """Spearman's rank correlation (Spearman 1904): Pearson's r of the mid-ranks.

    `x` and `y` have shape items; items where either is NaN do not count. With `resampling` the items are drawn anew and
    ranked anew in every resample; see `interval_of`. The standard error is the linearized one, over items.
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
    statistic = _statistic(patterns, multiplicity)
    error = statistic.standard_error
    found = Estimate(value=statistic.value, method=_NAME, standard_error=error, n_items=n, n_raters=n_raters)
    if resampling is None:
        return found
    interval = interval_of(statistic, resampling=resampling)
    return replace(
        found,
        low=interval.low,
        high=interval.high,
        confidence=interval.confidence,
        method=f"{_NAME}; {interval.method}",
        seed=interval.seed,
    )


def _statistic(patterns: IntArray, multiplicity: IntArray) -> Statistic:
    """Rho of patterns (patterns × 2) that so many items have, and its influences: the derivative by weights."""
    weights = multiplicity.astype(np.float64)
    value = float(_weighted_spearman(patterns, weights[None, :])[0])
    first, second = (_centred_ranks(patterns[:, column], weights[None, :])[0] for column in (0, 1))
    variances = float(weights @ first**2), float(weights @ second**2)
    # An item more counts with its own ranks and moves those of all others.
    products = first * second + _moved(patterns[:, 0], weights * second) + _moved(patterns[:, 1], weights * first)
    squares = [
        (ranks**2 + 2 * _moved(patterns[:, column], weights * ranks)) / variance
        for column, ranks, variance in ((0, first, variances[0]), (1, second, variances[1]))
    ]
    change = products / math.sqrt(variances[0] * variances[1]) - value / 2 * (squares[0] + squares[1])
    influence = weights.sum() * change

    def of_weights(drawn: FloatArray) -> FloatArray:
        return _weighted_spearman(patterns, drawn)

    return Statistic(value, of_weights, multiplicity, influence, greatest=1.0)


def _moved(codes: IntArray, by_rank: FloatArray) -> FloatArray:
    """What an item more of each code changes through the mid-ranks of all, where they change it by `by_rank` each."""
    totals = np.bincount(codes, weights=by_rank)
    whole = totals.sum()
    above: FloatArray = whole - np.cumsum(totals) + totals / 2 - whole / 2
    moved: FloatArray = above[codes]
    return moved


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
