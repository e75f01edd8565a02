"""Layer 2. Krippendorff's alpha at every level of measurement."""

from __future__ import annotations

from typing import Any

import krippendorff
import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import Level
from annotator_ops.stats.agreement.units import Units, no_value, totals_of, undefined, units_of, with_interval
from annotator_ops.stats.intervals import Interval, Resampling, bootstrap, percentile_interval
from annotator_ops.stats.reliability import FloatArray, ReliabilityData, display

# The package builds units × categories × categories numbers, several times over; above this the closed forms are used.
_PACKAGE_CELLS = 4_000_000
_PACKAGE_CATEGORIES = 60
# Ratio distances have no closed form, only categories × categories in blocks.
_RATIO_CATEGORIES = 20_000
_RATIO_RESAMPLED = 2_000
_BLOCK = 1_000
_POINT = "Krippendorff's alpha"


def krippendorff_alpha(data: ReliabilityData, *, resampling: Resampling | None = None) -> Estimate:
    """Krippendorff's alpha, 1 − observed / expected disagreement (Krippendorff 2019, Content Analysis, ch. 12).

    For categories the value comes from the `krippendorff` package; for many distinct values from closed forms that are
    exact: sums of squares for interval data, the same on mid-ranks for ordinal data. With `resampling` the interval is
    the exact bootstrap over pairable units; expected disagreement is computed anew in every resample.
    """
    reason = undefined(data)
    if reason:
        return no_value(data, reason)
    units = units_of(data)
    categories = len(data.domain)
    used = int((units.counts.sum(axis=0) > 0).sum())
    if used < 2:
        only = data.domain[int(np.argmax(units.counts.sum(axis=0)))]
        sentence = (
            f"Every rating that can be compared is {display(only)}. Alpha compares disagreement with what chance would "
            "give, and where nothing varies there is no chance to compare with."
        )
        return no_value(data, Reason("one-category", sentence))
    if data.level is Level.RATIO:
        if float(np.min(np.array(data.domain, dtype=np.float64))) < 0:
            sentence = "The ratio level needs values from zero up; some are negative."
            return no_value(data, Reason("negative-ratio", sentence))
        if used > _RATIO_CATEGORIES:
            sentence = f"{used} distinct values are too many for the ratio level; the interval level can be computed."
            return no_value(data, Reason("too-many-values", sentence))
    if categories <= _PACKAGE_CATEGORIES and units.n * categories**2 <= _PACKAGE_CELLS:
        value, how = _package_alpha(units, data), f"{_POINT}, {data.level.value}"
    else:
        once = units.multiplicity[None, :].astype(np.float64)
        value, how = float(_alpha(units, data, once)[0]), f"{_POINT}, {data.level.value}, closed form"
    found = Estimate(value=value, method=how, n_items=units.n, n_raters=len(data.raters))
    if resampling is None:
        return found
    if data.level is Level.RATIO and used > _RATIO_RESAMPLED:
        method = f"no interval: {used} distinct values at the ratio level would take too long"
        return with_interval(found, Interval(None, None, None, method))
    values = bootstrap(lambda weights: _alpha(units, data, weights), units.multiplicity, resampling)
    return with_interval(found, percentile_interval(values, units=units.n, resampling=resampling))


def _package_alpha(units: Units, data: ReliabilityData) -> float:
    counts = np.repeat(units.counts.toarray(), units.multiplicity, axis=0)
    numeric = data.level is not Level.NOMINAL
    value_domain = np.array(data.domain, dtype=np.float64) if numeric else np.arange(len(data.domain))
    alpha = krippendorff.alpha(value_counts=counts, value_domain=value_domain, level_of_measurement=data.level.value)
    return float(alpha)


def _alpha(units: Units, data: ReliabilityData, weights: FloatArray) -> FloatArray:
    """Alpha for each row of weights (resamples × patterns) on the units; NaN where nothing varies."""
    observed, expected, defined = _DISAGREEMENT[data.level](units, data, weights)
    alpha = np.full(len(weights), np.nan)
    np.divide(observed, expected, out=alpha, where=defined)
    return 1 - alpha


_Disagreements = tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]


def _nominal(units: Units, _data: ReliabilityData, weights: FloatArray) -> _Disagreements:
    same = np.asarray(units.counts.multiply(units.counts).sum(axis=1)).ravel()
    observed = weights @ ((units.size**2 - same) / (units.size - 1))
    totals = totals_of(units, weights)
    n = totals.sum(axis=1)
    return observed, (n**2 - (totals**2).sum(axis=1)) / (n - 1), _varies(totals)


def _interval(units: Units, data: ReliabilityData, weights: FloatArray) -> _Disagreements:
    x = np.array(data.domain, dtype=np.float64)
    totals = totals_of(units, np.ones((1, len(units.size))))[0]
    x = x - (totals @ x) / totals.sum()  # centred, so that the differences below lose no digits
    s1, s2 = units.counts @ x, units.counts @ x**2
    observed = weights @ (2 * (units.size * s2 - s1**2) / (units.size - 1))
    n, sum1, sum2 = weights @ units.size, weights @ s1, weights @ s2
    spread = n * sum2 - sum1**2
    return observed, 2 * spread / (n - 1), spread > 1e-12 * n * sum2.max(initial=0.0)


def _ordinal(units: Units, _data: ReliabilityData, weights: FloatArray) -> _Disagreements:
    # Ordinal distance is the squared difference of mid-ranks, and those depend on which units were drawn.
    totals = totals_of(units, weights)
    n = totals.sum(axis=1)
    ranks = np.cumsum(totals, axis=1) - totals / 2 - n[:, None] / 2
    transposed = units.counts.T.tocsr()
    s1, s2 = ranks @ transposed, ranks**2 @ transposed
    observed = (weights * (2 * (units.size * s2 - s1**2) / (units.size - 1))).sum(axis=1)
    expected = 2 * n * (totals * ranks**2).sum(axis=1) / (n - 1)
    return observed, expected, _varies(totals)


def _ratio(units: Units, data: ReliabilityData, weights: FloatArray) -> _Disagreements:
    x = np.array(data.domain, dtype=np.float64)
    within = np.zeros(len(units.size))
    counts = units.counts
    rows = np.repeat(np.arange(len(units.size)), np.diff(counts.indptr))
    for lag in range(1, int(np.diff(counts.indptr).max())):
        same_unit = rows[lag:] == rows[:-lag]
        left, right = counts.indices[:-lag][same_unit], counts.indices[lag:][same_unit]
        products = (counts.data[:-lag] * counts.data[lag:])[same_unit] * _ratio_distance(x[left], x[right])
        within += np.bincount(rows[lag:][same_unit], weights=products, minlength=len(within))
    observed = weights @ (2 * within / (units.size - 1))
    totals = totals_of(units, weights)
    n = totals.sum(axis=1)
    crossed = np.zeros(len(weights))
    for start in range(0, len(x), _BLOCK):
        block = slice(start, start + _BLOCK)
        crossed += ((totals @ _ratio_distance(x[:, None], x[None, block])) * totals[:, block]).sum(axis=1)
    return observed, crossed / (n - 1), _varies(totals)


def _ratio_distance(a: FloatArray, b: FloatArray) -> FloatArray:
    total = a + b
    quotient: Any = np.divide(a - b, total, out=np.zeros(np.broadcast(a, b).shape), where=total != 0)
    squared: FloatArray = quotient**2
    return squared


def _varies(totals: FloatArray) -> npt.NDArray[np.bool_]:
    varies: npt.NDArray[np.bool_] = (totals > 0).sum(axis=1) >= 2
    return varies


_DISAGREEMENT = {
    Level.NOMINAL: _nominal,
    Level.ORDINAL: _ordinal,
    Level.INTERVAL: _interval,
    Level.RATIO: _ratio,
}
