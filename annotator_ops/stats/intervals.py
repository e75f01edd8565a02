"""Layer 2. Confidence intervals of statistics of weighted units, each by the method that covers at its size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from annotator_ops.stats.values import FloatArray, IntArray

# Below the first number the percentile interval is too narrow: at 20 units it covers about .92 at a nominal .95 where
# categories are equally frequent, and .72 where one of two has 90 %. A statistic with a prior gets its interval from
# that up to the second number: with a rare category the percentile interval covers .86 to .89 even at 50 units, .93 at
# 200.
FEW_UNITS = 50
PRIOR_UNITS = 500
# A thousand resamples of 10,000 units take about a tenth of a second, and a study has some hundred intervals; above it
# the linearized interval is within a hundredth of its width.
MANY_UNITS = 10_000
# An interval from fewer defined resamples than this share would be one of a selected part of them.
_LEAST_DEFINED = 0.9
_ROUNDING = 1e-12
_CELLS_AT_ONCE = 2_000_000
_MOST_KEYS = 2**62
# From this many units on, one resample at a time is quicker than many at once; and from so many units a pattern,
# drawing how often each pattern comes is quicker than drawing units.
_ONE_BY_ONE = 2_000
_UNITS_A_PATTERN = 18
# The weights of a posterior draw are those of so many units: of the population, in which no correction is left.
_POPULATION = 1e6


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made. The same seed gives the same draws for every statistic over the same rows of units."""

    seed: int = 0
    resamples: int = 1000
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """The bounds, or None twice; `method` says how they were made or why there are none. `seed` where one was used."""

    low: float | None
    high: float | None
    confidence: float | None
    method: str
    seed: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Statistic:
    """A statistic of units that can be weighed, with `value` on the data themselves.

    `of_weights` maps weights (resamples × rows) to values (resamples), NaN where it is undefined; `multiplicity` (rows)
    is how many units each row stands for. `influence` (rows) is what the value changes by for a unit more of that row,
    times the number of units, to the first order; None where it is not known. `prior` (rows) is a weight that is known
    before any unit is seen, for an interval from few units; only rows that stand for no unit have one. `greatest` is
    the greatest value that the statistic can have.
    """

    value: float
    of_weights: Callable[[FloatArray], FloatArray]
    multiplicity: IntArray
    influence: FloatArray | None = None
    prior: FloatArray | None = None
    greatest: float = math.inf

    @property
    def units(self) -> int:
        return int(self.multiplicity.sum())

    @property
    def standard_error(self) -> float | None:
        """√(Σ influence² / (n (n − 1))); None where no influence is known, or no unit has one (perfect agreement)."""
        n = self.units
        if self.influence is None or n < 2:
            return None
        error = math.sqrt(float((self.influence * self.influence * self.multiplicity).sum()) / (n * (n - 1)))
        return error if error > _ROUNDING else None


def interval_of(statistic: Statistic, *, resampling: Resampling) -> Interval:
    """The interval of a statistic over its units, by the method that covers, measured by `benchmarks/coverage.py`.

    With a prior the Bayesian bootstrap, which the prior only widens; without one, below FEW_UNITS BCa, then the
    percentile bootstrap up to MANY_UNITS, and above that linearized where the influences are known. `method` names it.
    """
    if statistic.prior is not None:
        return bayesian_interval(posterior(statistic, resampling=resampling), statistic, resampling=resampling)

    def values() -> FloatArray:
        return bootstrap(statistic.of_weights, statistic.multiplicity, resampling)

    return interval_from(values, statistic, units=statistic.units, resampling=resampling)


def interval_from(
    values: Callable[[], FloatArray], statistic: Statistic, *, units: int, resampling: Resampling
) -> Interval:
    """The same where the resamples come from elsewhere: `values` draws them, if they are needed for so many units."""
    if units > MANY_UNITS and statistic.influence is not None:
        return linearized_interval(statistic, confidence=resampling.confidence)
    if units < FEW_UNITS:
        return bca_interval(values(), statistic, resampling=resampling)
    return percentile_interval(values(), units=units, resampling=resampling)


def collapse(rows: IntArray) -> tuple[IntArray, IntArray]:
    """The distinct rows (patterns × columns) in ascending order, and how many units have each (patterns)."""
    if not rows.size:
        patterns, counts = np.unique(rows, axis=0, return_counts=True)
        return patterns, counts.astype(np.intp)
    # Each row becomes one whole number that sorts as the row does, which is many times faster than comparing rows.
    low = int(rows.min())
    base = int(rows.max()) - low + 1
    keys, size = rows[:, 0] - low, base
    for column in range(1, rows.shape[1]):
        if size > _MOST_KEYS // base:
            distinct, keys = np.unique(keys, return_inverse=True)
            size = len(distinct)
        keys, size = keys * base + (rows[:, column] - low), size * base
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    return rows[first], counts.astype(np.intp)


def bootstrap(
    statistic: Callable[[FloatArray], FloatArray], multiplicity: IntArray, resampling: Resampling
) -> FloatArray:
    """The statistic in every resample of the units, drawn with replacement; NaN where a resample leaves it undefined.

    `multiplicity` (patterns) is how many units share each pattern; `statistic` maps weights (resamples × patterns) to
    values (resamples). Drawing units and counting patterns, or drawing these counts at once, is the exact bootstrap
    (Efron 1979): nothing is approximated.
    """
    units, patterns = int(multiplicity.sum()), len(multiplicity)
    random = np.random.default_rng(resampling.seed)
    step = max(1, _CELLS_AT_ONCE // max(units, 1))
    values = []
    for start in range(0, resampling.resamples, step):
        rows = min(step, resampling.resamples - start)
        values.append(statistic(_drawn(random, multiplicity, units, patterns, rows)))
    return np.concatenate(values)


def _drawn(random: np.random.Generator, multiplicity: IntArray, units: int, patterns: int, rows: int) -> FloatArray:
    """How often each pattern is drawn in each of so many resamples: rows × patterns."""
    if patterns * _UNITS_A_PATTERN < units:
        return random.multinomial(units, multiplicity / units, size=rows).astype(np.float64)
    pattern_of_unit = np.repeat(np.arange(patterns), multiplicity)
    if units < _ONE_BY_ONE:
        drawn = pattern_of_unit[random.integers(0, units, size=(rows, units))]
        drawn += patterns * np.arange(rows)[:, None]
        return np.bincount(drawn.ravel(), minlength=rows * patterns).reshape(rows, patterns).astype(np.float64)
    weights = np.empty((rows, patterns))
    for row in range(rows):
        drawn = random.integers(0, units, size=units, dtype=np.uint32)
        weights[row] = np.bincount(pattern_of_unit[drawn] if patterns < units else drawn, minlength=patterns)
    return weights


def percentile_interval(values: FloatArray, *, units: int, resampling: Resampling) -> Interval:
    """The percentile interval (Efron 1979) of bootstrap `values` over `units` resampled units."""
    defined = _defined(values)
    if isinstance(defined, Interval):
        return defined
    tail = (1 - resampling.confidence) / 2
    method = _worded("percentile bootstrap over items", values, defined, resampling)
    if units < FEW_UNITS:
        method += f"; with {units} items (fewer than {FEW_UNITS}) it is somewhat too narrow"
    return _between(defined, (tail, 1 - tail), method, resampling)


def bca_interval(values: FloatArray, statistic: Statistic, *, resampling: Resampling) -> Interval:
    """The bias-corrected and accelerated interval (Efron 1987) of bootstrap `values` of the statistic.

    The acceleration is that of the influences, or of the values without one unit each where they are not known. Where
    that is undefined, it is the percentile interval.
    """
    defined = _defined(values)
    if isinstance(defined, Interval):
        return defined
    influence = statistic.influence if statistic.influence is not None else _jackknifed(statistic)
    squares = float(statistic.multiplicity @ influence**2)
    if not squares > 0:
        return percentile_interval(values, units=statistic.units, resampling=resampling)
    acceleration = float(statistic.multiplicity @ influence**3) / (6 * squares**1.5)
    below = float(np.mean(defined < statistic.value) + np.mean(defined == statistic.value) / 2)
    normal = NormalDist()
    bias = normal.inv_cdf(min(max(below, 0.5 / len(defined)), 1 - 0.5 / len(defined)))
    tail = (1 - resampling.confidence) / 2
    ends = []
    for probability in (tail, 1 - tail):
        z = bias + normal.inv_cdf(probability)
        ends.append(normal.cdf(bias + z / (1 - acceleration * z)))
    method = _worded("BCa bootstrap over items", values, defined, resampling)
    return _between(defined, (ends[0], ends[1]), method, resampling)


def posterior(statistic: Statistic, *, resampling: Resampling) -> FloatArray:
    """The statistic in every draw of the Bayesian bootstrap (Rubin 1981), with the prior and without: 2 × resamples.

    Units weigh as a posterior draw says: shares from a Dirichlet distribution with multiplicity + prior. Rubin's own,
    which is the second row, has no prior and, as all resampling, takes for impossible what was not seen; a prior of a
    unit or two does not. Both rows are of the same draws; without a prior they are the same.
    """
    prior = np.zeros(len(statistic.multiplicity)) if statistic.prior is None else statistic.prior
    random = np.random.default_rng(resampling.seed)
    step = max(1, _CELLS_AT_ONCE // len(prior))
    seen = (statistic.multiplicity > 0).astype(np.float64)
    drawn = []
    for start in range(0, resampling.resamples, step):
        size = (min(step, resampling.resamples - start), len(prior))
        weights = random.standard_gamma(statistic.multiplicity + prior, size=size)
        both = (weights, weights * seen) if prior.any() else (weights,)
        values = [statistic.of_weights(one * (_POPULATION / one.sum(axis=1, keepdims=True))) for one in both]
        drawn.append(np.stack([values[0], values[-1]]))
    return np.concatenate(drawn, axis=1)


def bayesian_interval(values: FloatArray, statistic: Statistic, *, resampling: Resampling) -> Interval:
    """The middle of posterior `values` with the prior, stretched to that without, and to the value.

    `values` is ways × resamples: the first way with the prior, as `posterior`, the others without or with part of it.

    So the prior adds what the data cannot exclude and takes away nothing that they allow: where many raters choose at
    random, a prior by which raters agree would else lift the whole interval above 0.
    """
    defined = _defined(values[0])
    if isinstance(defined, Interval):
        return defined
    prior = 0.0 if statistic.prior is None else float(statistic.prior.sum())
    how = f"Bayesian bootstrap over items with a prior of {prior:g} items, which only widens it"
    tail = (1 - resampling.confidence) / 2
    ends = np.quantile(defined, [tail, 1 - tail]).tolist()
    for way in values[1:]:
        less = way[~np.isnan(way)]
        if len(less) >= _LEAST_DEFINED * len(way):
            ends += np.quantile(less, [tail, 1 - tail]).tolist()
    method = _worded(how, values[0], defined, resampling)
    ends.append(statistic.value)
    return Interval(min(ends), max(ends), resampling.confidence, method, resampling.seed)


def linearized_interval(statistic: Statistic, *, confidence: float, because: str = "") -> Interval:
    """Value ± z · standard error: the delta method on the influences, for many units. No random numbers are drawn."""
    error = statistic.standard_error
    if error is None:
        return Interval(None, None, None, "no interval: no item changes the value")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    why = because or f"{statistic.units:,} items"
    method = f"delta method over items, normal (not resampled: {why})"
    high = min(statistic.value + z * error, statistic.greatest)
    return Interval(statistic.value - z * error, high, confidence, method)


def _jackknifed(statistic: Statistic) -> FloatArray:
    """Influences from the values without one unit of each row (Efron 1987); NaN where one of them is undefined."""
    rows = len(statistic.multiplicity)
    values = statistic.of_weights(statistic.multiplicity - np.eye(rows))
    mean = float(statistic.multiplicity @ values) / statistic.units
    influence: FloatArray = (statistic.units - 1) * (mean - values)
    return influence


def _defined(values: FloatArray) -> FloatArray | Interval:
    """The resamples in which the statistic is defined, or why there is no interval from them."""
    defined: FloatArray = values[~np.isnan(values)]
    if len(defined) < _LEAST_DEFINED * len(values):
        share = f"{len(values) - len(defined)} of {len(values)} resamples have no variation"
        return Interval(None, None, None, f"no interval: {share}")
    if np.ptp(defined) <= _ROUNDING:
        return Interval(None, None, None, "no interval: all resamples give the same value")
    return defined


def _worded(how: str, values: FloatArray, defined: FloatArray, resampling: Resampling) -> str:
    method = f"{how}, {len(values)} resamples, seed {resampling.seed}"
    if len(defined) < len(values):
        method += f", {len(values) - len(defined)} without variation left out"
    return method


def _between(defined: FloatArray, ends: tuple[float, float], method: str, resampling: Resampling) -> Interval:
    low, high = np.quantile(defined, ends)
    return Interval(float(low), float(high), resampling.confidence, method, resampling.seed)
