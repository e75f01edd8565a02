"""Layer 2. Estimates with an interval in closed form: a share, a mean over items, a rank correlation."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.probability import normal_quantile, t_quantile
from annotator_ops.stats.ranks import mid_ranks
from annotator_ops.stats.values import FloatArray

CONFIDENCE = 0.95
_LEAST_CORRELATED = 3
# Below this many items the interval of Bonett and Wright is not defined or worthless.
_LEAST_FOR_INTERVAL = 5


def share(successes: float, n: int, *, name: str, confidence: float = CONFIDENCE, n_raters: int = 1) -> Estimate:
    """A share with the score interval of Wilson 1927 (J Am Stat Assoc 22). Raises ValueError unless n ≥ 1."""
    if n < 1:
        raise ValueError("A share needs at least one case.")
    z = normal_quantile((1 + confidence) / 2)
    p = successes / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return Estimate(
        value=p,
        low=max(0.0, centre - half),
        high=min(1.0, centre + half),
        confidence=confidence,
        method=f"{name}; Wilson 1927",
        n_items=n,
        n_raters=n_raters,
    )


def mean(
    values: FloatArray, *, name: str, confidence: float = CONFIDENCE, n_raters: int = 0, bounds: bool = False
) -> Estimate:
    """The mean of one number an item, with Student's interval over items; with `bounds` it is kept within 0 and 1.

    Raises ValueError for no items.
    """
    n = len(values)
    if n < 1:
        raise ValueError("A mean needs at least one item.")
    value = float(values.mean())
    found = Estimate(value=value, method=name, n_items=n, n_raters=n_raters)
    if n < 2:
        return Estimate(value=value, method=f"{name}; no interval: one item", n_items=n, n_raters=n_raters)
    error = float(np.std(values, ddof=1)) / math.sqrt(n)
    if error <= 1e-12 * max(1.0, abs(value)):
        method = f"{name}; no interval: the same on every item"
        return Estimate(value=value, method=method, n_items=n, n_raters=n_raters)
    half = t_quantile((1 + confidence) / 2, n - 1) * error
    low, high = value - half, value + half
    return Estimate(
        value=found.value,
        low=max(0.0, low) if bounds else low,
        high=min(1.0, high) if bounds else high,
        confidence=confidence,
        method=f"{name}; Student's t over items",
        standard_error=error,
        n_items=n,
        n_raters=n_raters,
    )


def rank_correlation(
    x: FloatArray, y: FloatArray, *, name: str, confidence: float = CONFIDENCE, n_raters: int = 0
) -> Estimate:
    """Spearman's rho of mid-ranks with the interval of Bonett and Wright 2000 (Psychometrika 65(1)): Fisher's z with
    the standard error √((1 + ρ²/2) / (n − 3)).

    Items where either is NaN do not count. Values that differ by rounding only are ties.
    """
    both = ~(np.isnan(x) | np.isnan(y))
    n = int(both.sum())
    if n < _LEAST_CORRELATED:
        noun = "item has" if n == 1 else "items have"
        reason = Reason("too-few-items", f"{n} {noun} both numbers; a correlation needs at least {_LEAST_CORRELATED}.")
        return Estimate(value=None, reason=reason, n_items=n, n_raters=n_raters)
    return _correlation(_ranks(x[both]), _ranks(y[both]), f"{name}; Spearman's rho", 0.5, confidence, n_raters)


def linear_correlation(
    x: FloatArray, y: FloatArray, *, name: str, confidence: float = CONFIDENCE, n_raters: int = 0
) -> Estimate:
    """Pearson's r with Fisher's interval (Fisher 1921): z with the standard error 1/√(n − 3). NaN does not count."""
    both = ~(np.isnan(x) | np.isnan(y))
    n = int(both.sum())
    if n < _LEAST_CORRELATED:
        noun = "item has" if n == 1 else "items have"
        reason = Reason("too-few-items", f"{n} {noun} both numbers; a correlation needs at least {_LEAST_CORRELATED}.")
        return Estimate(value=None, reason=reason, n_items=n, n_raters=n_raters)
    return _correlation(x[both], y[both], f"{name}; Pearson's r", 0.0, confidence, n_raters)


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """P-values adjusted for their number by Holm 1979 (Scand J Stat 6): the family-wise error is controlled."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _correlation(
    x: FloatArray, y: FloatArray, name: str, inflation: float, confidence: float, n_raters: int
) -> Estimate:
    n = len(x)
    a, b = x - x.mean(), y - y.mean()
    # Sums of products, not dot products: those of long vectors wait for threads that others use.
    spread = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    scales = [float(np.abs(values).max()) for values in (x, y)]
    if any(float(np.abs(one).max()) <= 1e-12 * scale for one, scale in zip((a, b), scales, strict=True)):
        sentence = "One of the two numbers is the same for every item, so there is nothing to relate."
        return Estimate(value=None, reason=Reason("constant", sentence), n_items=n, n_raters=n_raters)
    value = min(1.0, max(-1.0, float((a * b).sum()) / spread))
    if n < _LEAST_FOR_INTERVAL or abs(value) >= 1 - 1e-12:
        why = f"{n} items" if n < _LEAST_FOR_INTERVAL else "the relation is perfect"
        return Estimate(value=value, method=f"{name}; no interval: {why}", n_items=n, n_raters=n_raters)
    half = normal_quantile((1 + confidence) / 2) * math.sqrt((1 + inflation * value**2) / (n - 3))
    source = "Bonett and Wright 2000" if inflation else "Fisher 1921"
    return Estimate(
        value=value,
        low=math.tanh(math.atanh(value) - half),
        high=math.tanh(math.atanh(value) + half),
        confidence=confidence,
        method=f"{name}; {source}",
        n_items=n,
        n_raters=n_raters,
    )


def _ranks(values: FloatArray) -> FloatArray:
    scale = float(np.abs(values).max()) or 1.0
    return mid_ranks(np.round(values / scale, 12))[0]
