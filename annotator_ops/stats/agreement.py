"""Layer 2. Agreement coefficients over reliability data: Krippendorff's alpha, percent agreement, kappa, pairs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import krippendorff
import numpy as np
import numpy.typing as npt
from scipy import sparse

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.correlation import spearman
from annotator_ops.stats.intervals import Interval, Resampling, bootstrap, collapse, percentile_interval
from annotator_ops.stats.reliability import MISSING, FloatArray, IntArray, ReliabilityData, display

# The package builds units × categories × categories numbers, several times over; above this the closed forms are used.
_PACKAGE_CELLS = 4_000_000
_PACKAGE_CATEGORIES = 60
# Ratio distances have no closed form, only categories × categories in blocks.
_RATIO_CATEGORIES = 20_000
_RATIO_RESAMPLED = 2_000
_BLOCK = 1_000
_POINT = "Krippendorff's alpha"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two raters on the items that both rated. Coefficients that do not fit the level are absent."""

    raters: tuple[str, str]
    n_items: int
    estimates: dict[str, Estimate] = field(default_factory=dict)

    def as_json(self) -> JSONDict:
        coefficients = {name: estimate.as_json() for name, estimate in self.estimates.items()}
        return {"raters": list(self.raters), "n_items": self.n_items, **coefficients}


@dataclass(frozen=True, slots=True)
class _Units:
    """The pairable units, those with the same counts collapsed into one pattern.

    `counts` (sparse, patterns × categories) is how many raters chose each category, `size` (patterns) how many ratings
    a unit has, `multiplicity` (patterns) how many units it stands for.
    """

    counts: sparse.csr_array
    size: FloatArray
    multiplicity: IntArray

    @property
    def n(self) -> int:
        return int(self.multiplicity.sum())


def krippendorff_alpha(data: ReliabilityData, *, resampling: Resampling | None = None) -> Estimate:
    """Krippendorff's alpha, 1 − observed / expected disagreement (Krippendorff 2019, Content Analysis, ch. 12).

    For categories the value comes from the `krippendorff` package; for many distinct values from closed forms that are
    exact: sums of squares for interval data, the same on mid-ranks for ordinal data. With `resampling` the interval is
    the exact bootstrap over pairable units; expected disagreement is computed anew in every resample.
    """
    undefined = _undefined(data)
    if undefined:
        return _no_value(data, undefined)
    units = _units(data)
    categories = len(data.domain)
    used = int((units.counts.sum(axis=0) > 0).sum())
    if used < 2:
        only = data.domain[int(np.argmax(units.counts.sum(axis=0)))]
        sentence = (
            f"Every rating that can be compared is {display(only)}. Alpha compares disagreement with what chance would "
            "give, and where nothing varies there is no chance to compare with."
        )
        return _no_value(data, Reason("one-category", sentence))
    if data.level is Level.RATIO:
        if float(np.min(np.array(data.domain, dtype=np.float64))) < 0:
            sentence = "The ratio level needs values from zero up; some are negative."
            return _no_value(data, Reason("negative-ratio", sentence))
        if used > _RATIO_CATEGORIES:
            sentence = f"{used} distinct values are too many for the ratio level; the interval level can be computed."
            return _no_value(data, Reason("too-many-values", sentence))
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
        return _with(found, Interval(None, None, None, method))
    values = bootstrap(lambda weights: _alpha(units, data, weights), units.multiplicity, resampling)
    return _with(found, percentile_interval(values, units=units.n, resampling=resampling))


def percent_agreement(data: ReliabilityData, *, resampling: Resampling | None = None) -> Estimate:
    """Mean over units of the share of rater pairs with the same value (Gwet 2014, p_a); not corrected for chance."""
    undefined = _undefined(data, least_units=1)
    if undefined:
        return _no_value(data, undefined)
    units = _units(data)
    same = np.asarray(units.counts.multiply(units.counts).sum(axis=1)).ravel()
    shares = (same - units.size) / (units.size * (units.size - 1))

    def mean(weights: FloatArray) -> FloatArray:
        means: FloatArray = weights @ shares / weights.sum(axis=1)
        return means

    value = float(mean(units.multiplicity[None, :].astype(np.float64))[0])
    found = Estimate(value=value, method="share of agreeing pairs, mean over items", n_items=units.n)
    found = replace(found, n_raters=len(data.raters))
    if resampling is None:
        return found
    values = bootstrap(mean, units.multiplicity, resampling)
    return _with(found, percentile_interval(values, units=units.n, resampling=resampling))


def cohen_kappa(data: ReliabilityData) -> Estimate:
    """Cohen's kappa (Cohen 1960) of two raters, with quadratic weights (Cohen 1968) where the values are numbers.

    The weights are the squared differences of the values themselves, so unequal steps count as unequal. Raises
    ValueError unless there are two raters.
    """
    if len(data.raters) != 2:
        raise ValueError("Cohen's kappa compares two raters.")
    undefined = _undefined(data)
    if undefined:
        return _no_value(data, undefined)
    first, second = data.codes[:, data.pairable]
    n = len(first)
    if data.level is Level.NOMINAL:
        counts = [np.bincount(codes, minlength=len(data.domain)) for codes in (first, second)]
        observed = float(np.mean(first != second))
        expected = 1 - float(counts[0] @ counts[1]) / n**2
        name = "Cohen's kappa"
    else:
        x, y = data.values[:, data.pairable]
        observed = float(np.mean((x - y) ** 2))
        expected = float(np.var(x) + np.var(y) + (np.mean(x) - np.mean(y)) ** 2)
        name = "Cohen's kappa, quadratic weights"
    if len(np.unique([first, second])) < 2:
        sentence = "Both raters gave one and the same value throughout; there is no chance agreement to compare with."
        return _no_value(data, Reason("one-category", sentence))
    return Estimate(value=1 - observed / expected, method=name, n_items=n, n_raters=2)


def pairwise(data: ReliabilityData) -> tuple[Pair, ...]:
    """Every pair of raters on their common items: percent agreement, alpha, kappa, and Spearman from ordinal on."""
    pairs = []
    for first, second in combinations(range(len(data.raters)), 2):
        both = data.pair(first, second)
        estimates = {
            "percent_agreement": percent_agreement(both),
            "krippendorff_alpha": krippendorff_alpha(both),
            "cohen_kappa": cohen_kappa(both),
        }
        if data.level is not Level.NOMINAL:
            estimates["spearman"] = spearman(*both.values, n_raters=2)
        raters = (data.raters[first], data.raters[second])
        pairs.append(Pair(raters=raters, n_items=len(both.units), estimates=estimates))
    return tuple(pairs)


def _undefined(data: ReliabilityData, *, least_units: int = 2) -> Reason | None:
    rated = (data.codes != MISSING).any(axis=1)
    if not rated.any():
        return Reason("no-ratings", "There is no rating that has a value.")
    if rated.sum() < 2:
        only = data.raters[int(np.argmax(rated))]
        return Reason("one-rater", f"Only {only} gave ratings; agreement needs at least two annotators.")
    pairable = int(data.pairable.sum())
    if pairable == 0:
        return Reason("no-overlap", "No item was rated by two annotators, so nothing can be compared.")
    if pairable < least_units:
        return Reason("too-few-items", "Only one item was rated by two annotators; a coefficient needs more.")
    return None


def _no_value(data: ReliabilityData, reason: Reason) -> Estimate:
    return Estimate(value=None, reason=reason, n_items=int(data.pairable.sum()), n_raters=len(data.raters))


def _with(estimate: Estimate, interval: Interval) -> Estimate:
    return replace(
        estimate,
        low=interval.low,
        high=interval.high,
        confidence=interval.confidence,
        method=f"{estimate.method}; {interval.method}",
    )


def _units(data: ReliabilityData) -> _Units:
    # Sorting within a unit forgets who said what, which alpha does not use; missing values (−1) come first.
    patterns, multiplicity = collapse(np.sort(data.codes[:, data.pairable].T, axis=1))
    present = patterns != MISSING
    size = present.sum(axis=1)
    rows = np.repeat(np.arange(len(patterns)), size)
    shape = (len(patterns), len(data.domain))
    counts = sparse.csr_array((np.ones(len(rows)), (rows, patterns[present])), shape=shape)
    counts.sum_duplicates()
    counts.sort_indices()
    return _Units(counts=counts, size=size.astype(np.float64), multiplicity=multiplicity)


def _package_alpha(units: _Units, data: ReliabilityData) -> float:
    counts = np.repeat(units.counts.toarray(), units.multiplicity, axis=0)
    numeric = data.level is not Level.NOMINAL
    value_domain = np.array(data.domain, dtype=np.float64) if numeric else np.arange(len(data.domain))
    alpha = krippendorff.alpha(value_counts=counts, value_domain=value_domain, level_of_measurement=data.level.value)
    return float(alpha)


def _alpha(units: _Units, data: ReliabilityData, weights: FloatArray) -> FloatArray:
    """Alpha for each row of weights (resamples × patterns) on the units; NaN where nothing varies."""
    observed, expected, defined = _DISAGREEMENT[data.level](units, data, weights)
    alpha = np.full(len(weights), np.nan)
    np.divide(observed, expected, out=alpha, where=defined)
    return 1 - alpha


_Disagreements = tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]


def _nominal(units: _Units, _data: ReliabilityData, weights: FloatArray) -> _Disagreements:
    same = np.asarray(units.counts.multiply(units.counts).sum(axis=1)).ravel()
    observed = weights @ ((units.size**2 - same) / (units.size - 1))
    totals = _totals(units, weights)
    n = totals.sum(axis=1)
    return observed, (n**2 - (totals**2).sum(axis=1)) / (n - 1), _varies(totals)


def _interval(units: _Units, data: ReliabilityData, weights: FloatArray) -> _Disagreements:
    x = np.array(data.domain, dtype=np.float64)
    totals = _totals(units, np.ones((1, len(units.size))))[0]
    x = x - (totals @ x) / totals.sum()  # centred, so that the differences below lose no digits
    s1, s2 = units.counts @ x, units.counts @ x**2
    observed = weights @ (2 * (units.size * s2 - s1**2) / (units.size - 1))
    n, sum1, sum2 = weights @ units.size, weights @ s1, weights @ s2
    spread = n * sum2 - sum1**2
    return observed, 2 * spread / (n - 1), spread > 1e-12 * n * sum2.max(initial=0.0)


def _ordinal(units: _Units, _data: ReliabilityData, weights: FloatArray) -> _Disagreements:
    # Ordinal distance is the squared difference of mid-ranks, and those depend on which units were drawn.
    totals = _totals(units, weights)
    n = totals.sum(axis=1)
    ranks = np.cumsum(totals, axis=1) - totals / 2 - n[:, None] / 2
    transposed = units.counts.T.tocsr()
    s1, s2 = ranks @ transposed, ranks**2 @ transposed
    observed = (weights * (2 * (units.size * s2 - s1**2) / (units.size - 1))).sum(axis=1)
    expected = 2 * n * (totals * ranks**2).sum(axis=1) / (n - 1)
    return observed, expected, _varies(totals)


def _ratio(units: _Units, data: ReliabilityData, weights: FloatArray) -> _Disagreements:
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
    totals = _totals(units, weights)
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


def _totals(units: _Units, weights: FloatArray) -> FloatArray:
    totals: FloatArray = np.asarray(weights @ units.counts)
    return totals


def _varies(totals: FloatArray) -> npt.NDArray[np.bool_]:
    varies: npt.NDArray[np.bool_] = (totals > 0).sum(axis=1) >= 2
    return varies


_DISAGREEMENT = {
    Level.NOMINAL: _nominal,
    Level.ORDINAL: _ordinal,
    Level.INTERVAL: _interval,
    Level.RATIO: _ratio,
}
