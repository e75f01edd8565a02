"""Intervals: the bootstrap exact and seeded, each method where it holds, and none where it would mislead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import WeightedAlpha, krippendorff_alpha, weighted_alpha
from annotator_ops.stats.agreement.prior import LABELS, SCALE, with_prior
from annotator_ops.stats.agreement.units import Rows, patterns_of, rows_of
from annotator_ops.stats.intervals import (
    FEW_UNITS,
    MANY_UNITS,
    PRIOR_UNITS,
    Resampling,
    Statistic,
    bca_interval,
    bootstrap,
    collapse,
    interval_of,
    linearized_interval,
    percentile_interval,
    posterior,
)
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import FloatArray, IntArray


def noisy(units: int, *, seed: int) -> ReliabilityData:
    random = np.random.default_rng(seed)
    table = np.round(np.clip(random.normal(3, 1, units) + random.normal(0, 0.8, (3, units)), 1, 5))
    return ReliabilityData.from_rows(table.tolist(), level=Level.ORDINAL)


def test_every_resample_has_as_many_units_as_the_data() -> None:
    patterns, multiplicity = collapse(np.array([[1, 2], [1, 2], [3, 3], [0, 1], [3, 3], [3, 3]]))
    assert patterns.tolist() == [[0, 1], [1, 2], [3, 3]]
    assert multiplicity.tolist() == [1, 2, 3]
    seen: list[FloatArray] = []

    def keep(weights: FloatArray) -> FloatArray:
        seen.append(weights)
        return weights[:, 2]

    values = bootstrap(keep, multiplicity, Resampling(seed=4, resamples=4000))
    weights = np.concatenate(seen)
    assert weights.shape == (4000, 3)
    assert set(weights.sum(axis=1)) == {6.0}
    assert weights.mean(axis=0) == pytest.approx([1, 2, 3], abs=0.08)
    assert values.tolist() == weights[:, 2].tolist()


@pytest.mark.parametrize(
    "multiplicity",
    [
        pytest.param(np.array([1, 1, 1, 1, 1, 1]), id="units"),
        pytest.param(np.array([90, 6, 4]), id="few patterns, drawn by their counts"),
        pytest.param(np.array([2, 1] * 1000), id="many units, one resample at a time"),
    ],
)
def test_however_it_is_drawn_a_resample_is_a_draw_with_replacement(multiplicity: IntArray) -> None:
    """Counts of patterns are multinomial: their means, variances and covariances are known."""
    seen: list[FloatArray] = []

    def keep(weights: FloatArray) -> FloatArray:
        seen.append(weights[:, :3].copy())
        assert (weights.sum(axis=1) == multiplicity.sum()).all()
        return weights[:, 0]

    bootstrap(keep, multiplicity, Resampling(seed=3, resamples=4000))
    n = multiplicity.sum()
    share = multiplicity[:3] / n
    drawn = np.concatenate(seen)
    expected = n * (np.diag(share) - np.outer(share, share))
    assert drawn.mean(axis=0) == pytest.approx(n * share, abs=0.15)
    assert np.cov(drawn.T) == pytest.approx(expected, abs=0.08 * expected.max())


@given(st.lists(st.tuples(st.integers(-1, 9), st.integers(-1, 9), st.integers(-1, 9)), min_size=1, max_size=60))
def test_collapsed_rows_are_the_distinct_ones_in_order(rows: list[tuple[int, int, int]]) -> None:
    patterns, multiplicity = collapse(np.array(rows))
    expected, counts = np.unique(np.array(rows), axis=0, return_counts=True)
    assert patterns.tolist() == expected.tolist()
    assert multiplicity.tolist() == counts.tolist()


def test_rows_that_are_too_long_for_one_number_are_collapsed_all_the_same() -> None:
    random = np.random.default_rng(5)
    rows = random.integers(0, 1000, (30, 40))[random.integers(0, 30, 200)]
    patterns, multiplicity = collapse(rows)
    expected, counts = np.unique(rows, axis=0, return_counts=True)
    assert patterns.tolist() == expected.tolist()
    assert multiplicity.tolist() == counts.tolist()


@pytest.mark.parametrize("units", [30, PRIOR_UNITS])
def test_the_same_seed_gives_the_same_interval_and_another_seed_another(units: int) -> None:
    data = noisy(units, seed=1)
    first, again, other = (
        krippendorff_alpha(data, resampling=Resampling(seed=seed, resamples=300)) for seed in (0, 0, 1)
    )
    assert (first.low, first.high) == (again.low, again.high)
    assert first.low != other.low
    assert first.method.endswith("300 resamples, seed 0")
    assert (first.seed, other.seed) == (0, 1)


def mean_of(x: FloatArray, *, known: bool = True) -> Statistic:
    """The mean of numbers, as a statistic of weighted units."""
    value = float(x.mean())

    def of_weights(weights: FloatArray) -> FloatArray:
        means: FloatArray = weights @ x / weights.sum(axis=1)
        return means

    return Statistic(value, of_weights, np.ones(len(x), dtype=np.intp), x - value if known else None)


@pytest.mark.parametrize(
    ("units", "method"),
    [
        (FEW_UNITS - 1, "BCa bootstrap over items"),
        (FEW_UNITS, "percentile bootstrap over items"),
        (MANY_UNITS, "percentile bootstrap over items"),
        (MANY_UNITS + 1, "delta method over items, normal (not resampled: 10,001 items)"),
    ],
)
def test_the_number_of_units_chooses_the_method(units: int, method: str) -> None:
    """Whichever it is, the interval of a mean of normal values is the mean ± 1.96 standard errors."""
    x = np.random.default_rng(1).normal(size=units)
    found = interval_of(mean_of(x), resampling=Resampling(resamples=2000))
    assert found.method.startswith(method)
    assert found.low is not None and found.high is not None
    error = x.std(ddof=1) / np.sqrt(units)
    assert (found.low, found.high) == pytest.approx((x.mean() - 1.96 * error, x.mean() + 1.96 * error), abs=0.3 * error)
    assert found.seed == (None if units > MANY_UNITS else 0)


def test_without_influences_many_units_are_resampled() -> None:
    x = np.random.default_rng(1).normal(size=MANY_UNITS + 1)
    found = interval_of(mean_of(x, known=False), resampling=Resampling(resamples=10))
    assert found.method.startswith("percentile")


def test_bca_is_the_published_method() -> None:
    """Efron and Tibshirani (1993), table 14.2: the variance of 26 spatial test scores, by hand on the same draws."""
    scores = [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41]
    x = np.array(scores, dtype=float)

    def variance(weights: FloatArray) -> FloatArray:
        n = weights.sum(axis=1)
        found: FloatArray = weights @ x**2 / n - (weights @ x / n) ** 2
        return found

    influence = (x - x.mean()) ** 2 - x.var()
    statistic = Statistic(float(x.var()), variance, np.ones(26, dtype=np.intp), influence)
    resampling = Resampling(resamples=20_000, confidence=0.9)
    values = bootstrap(variance, statistic.multiplicity, resampling)
    found = bca_interval(values, statistic, resampling=resampling)
    assert found.low == pytest.approx(115.8, abs=3) and found.high == pytest.approx(259.6, abs=6)
    without = Statistic(float(x.var()), variance, statistic.multiplicity)
    again = bca_interval(values, without, resampling=resampling)
    assert (again.low, again.high) == pytest.approx((found.low, found.high), rel=0.03)


def test_the_standard_error_of_a_mean() -> None:
    x = np.random.default_rng(2).normal(size=50)
    statistic = mean_of(x)
    assert statistic.standard_error == pytest.approx(x.std(ddof=1) / np.sqrt(50), abs=1e-12)
    assert mean_of(np.ones(50)).standard_error is None
    assert mean_of(x, known=False).standard_error is None


def test_the_linearized_interval_stops_at_the_greatest_value() -> None:
    x = np.random.default_rng(2).normal(size=50)
    limited = Statistic(0.99, mean_of(x).of_weights, np.ones(50, dtype=np.intp), x, greatest=1.0)
    found = linearized_interval(limited, confidence=0.95)
    assert found.high == 1.0 and found.low is not None and found.low < 0.99
    nothing = linearized_interval(mean_of(np.ones(50)), confidence=0.95)
    assert nothing.low is None and nothing.method == "no interval: no item changes the value"


def test_linearized_and_resampled_intervals_agree_where_they_meet() -> None:
    data = noisy(3000, seed=6)
    for level in (Level.NOMINAL, Level.ORDINAL, Level.INTERVAL):
        one = ReliabilityData(data.raters, data.units, data.codes, data.domain, level)
        found = krippendorff_alpha(one, resampling=Resampling(resamples=2000))
        assert found.value is not None and found.standard_error is not None
        low, high = found.value - 1.96 * found.standard_error, found.value + 1.96 * found.standard_error
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.15 * found.standard_error)


def test_alpha_of_few_units_has_an_interval_from_a_prior_and_of_more_from_the_data_alone() -> None:
    few, enough = (
        krippendorff_alpha(noisy(units, seed=2), resampling=Resampling(resamples=200))
        for units in (PRIOR_UNITS - 1, PRIOR_UNITS)
    )
    assert "Bayesian bootstrap over items with a prior of 2 items" in few.method
    assert "percentile bootstrap over items" in enough.method


@pytest.mark.parametrize(("categories", "raters"), [(2, 3), (3, 2), (5, 5), (50, 3)])
@pytest.mark.parametrize("level", [Level.NOMINAL, Level.INTERVAL])
def test_the_prior_is_of_raters_who_repeat_each_other(level: Level, categories: int, raters: int) -> None:
    """Two raters of a unit of the prior agree with probability (c/V + 1)/(c + 1), and no category is preferred."""
    random = np.random.default_rng(1)
    data = ReliabilityData(
        raters=tuple(map(str, range(raters))),
        units=tuple(map(str, range(400))),
        codes=random.integers(0, categories, (raters, 400)),
        domain=tuple(map(float, range(categories))),
        level=level,
    )
    rows = patterns_of(rows_of(data))
    full, prior = with_prior(rows, level=level)
    chosen = SCALE if level is Level.INTERVAL and categories > 2 else LABELS
    c = chosen.concentration
    assert isinstance(full, Rows) and full.n == 400
    assert prior.sum() == pytest.approx(chosen.weight)
    share = prior / prior.sum()
    counts = np.asarray(full.sparse.todense())
    agree = (counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))
    drawn = 0.1 if categories**raters > 100 else 1e-9
    assert share @ agree == pytest.approx((c / categories + 1) / (c + 1), abs=drawn)
    assert share @ counts / raters == pytest.approx(np.full(categories, 1 / categories), abs=drawn)


def test_a_prior_only_widens_an_interval() -> None:
    """At the upper end what the sample lacks, at the lower end what the data allow; the data's draws are the same."""
    random = np.random.default_rng(4)
    data = ReliabilityData.from_rows(random.integers(0, 5, (40, 12)).astype(float).tolist(), level=Level.ORDINAL)
    built = weighted_alpha(data)
    assert isinstance(built, WeightedAlpha)
    statistic, resampling = built.collapsed(), Resampling(resamples=400)
    values = posterior(statistic, resampling=resampling)
    (low, high), (low_alone, high_alone) = np.quantile(values, [0.025, 0.975], axis=1).T
    assert low > 0 > low_alone and high > high_alone
    found = interval_of(statistic, resampling=resampling)
    assert (found.low, found.high) == pytest.approx((low_alone, high), abs=1e-12)
    assert "with a prior of 2 items, which only widens it" in found.method


def test_draws_from_the_data_alone_give_rows_of_the_prior_no_weight() -> None:
    def of_weights(weights: FloatArray) -> FloatArray:
        share: FloatArray = weights[:, 2] / weights.sum(axis=1)
        return share

    statistic = Statistic(0.0, of_weights, np.array([6, 4, 0]), prior=np.array([0.0, 0.0, 2.0]))
    both, alone = posterior(statistic, resampling=Resampling(resamples=4000))
    assert not alone.any()
    assert both.mean() == pytest.approx(2 / 12, abs=0.01)
    plain = posterior(replace(statistic, prior=None), resampling=Resampling(resamples=5))
    assert plain.shape == (2, 5) and (plain[0] == plain[1]).all()


def test_a_rare_category_that_nobody_disputed_is_not_certain() -> None:
    """Nineteen items without and one with, all agreed: nobody can know from that how the next one will be."""
    data = ReliabilityData.from_rows([[0] * 19 + [1]] * 3, level=Level.NOMINAL)
    found = krippendorff_alpha(data, resampling=Resampling())
    assert found.value == 1 and found.high == 1
    assert found.low is not None and found.low < 0.6


def test_below_fifty_units_a_percentile_interval_says_that_it_is_too_narrow() -> None:
    values = np.arange(200, dtype=np.float64) / 200
    few, many = (percentile_interval(values, units=units, resampling=Resampling()) for units in (20, 50))
    assert "with 20 items (fewer than 50) it is somewhat too narrow" in few.method
    assert "too narrow" not in many.method


def test_no_interval_from_a_few_lucky_resamples() -> None:
    values = np.array([np.nan] * 20 + [0.5, 0.6] * 40)
    found = percentile_interval(values, units=60, resampling=Resampling())
    assert (found.low, found.high, found.confidence) == (None, None, None)
    assert found.method == "no interval: 20 of 100 resamples have no variation"


def test_resamples_without_variation_are_left_out_and_said() -> None:
    values = np.array([np.nan] * 5 + list(np.linspace(0, 1, 95)))
    found = percentile_interval(values, units=60, resampling=Resampling())
    assert found.low == pytest.approx(0.025)
    assert "5 without variation left out" in found.method
