"""Krippendorff's alpha: published values, invariances, oracles, influences, and what it says where it is undefined."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import krippendorff
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import WeightedAlpha, krippendorff_alpha, weighted_alpha
from annotator_ops.stats.agreement.units import patterns_of, rows_of
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.reliability import ReliabilityData
from tests.stats.tables import LEVELS, Table, tables

PACKAGE_LEVELS = tuple(level for level in LEVELS if level is not Level.CIRCULAR)


def alpha(rows: Table, level: Level) -> Estimate:
    return krippendorff_alpha(ReliabilityData.from_rows(rows, level=level))


def same(one: Estimate, other: Estimate) -> None:
    if one.value is None or other.value is None:
        assert one.value is other.value
        assert one.reason is not None and other.reason is not None
        assert one.reason.code == other.reason.code
    else:
        assert one.value == pytest.approx(other.value, abs=1e-9)


def noisy(*, units: int, step: float = 1.0, raters: int = 4, seed: int = 3, level: Level) -> ReliabilityData:
    """Numbers from 1 to 5 in steps, some of them missing."""
    random = np.random.default_rng(seed)
    table = np.clip(random.normal(3, 1, units) + random.normal(0, 0.8, (raters, units)), 1, 5)
    table = np.round(table / step) * step
    table[random.random(table.shape) < 0.15] = np.nan
    return ReliabilityData.from_rows(table.tolist(), level=level)


def oracle(table: npt.ArrayLike, level: Level, *, period: float = 0.0) -> float:
    """The package's value; circular distances are a function that it is given."""
    metric: Any = circular(period) if level is Level.CIRCULAR else level.value
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement=metric))


def circular(period: float) -> Callable[..., Any]:
    def metric(v1: Any, v2: Any, **_: Any) -> Any:
        return np.sin(np.pi * (v1 - v2) / period) ** 2

    return metric


def crossed(*cells: tuple[str, str, int]) -> ReliabilityData:
    """Two raters' labels, from a contingency table."""
    pairs = [(one, other) for one, other, times in cells for _ in range(times)]
    return ReliabilityData.from_rows([[one for one, _ in pairs], [other for _, other in pairs]], level=Level.NOMINAL)


def test_the_standard_error_of_gwets_abstractors() -> None:
    """Gwet (2014), cont3x3abstractors: pregnancies sorted by two abstractors; alpha and its error as in R's irrCAC."""
    data = crossed(
        ("ectopic", "ectopic", 13), ("AIU", "AIU", 20), ("NIU", "NIU", 56), ("AIU", "NIU", 7), ("NIU", "AIU", 4)
    )  # fmt: skip
    found = krippendorff_alpha(data)
    assert found.value == pytest.approx(0.7972585, abs=1e-6)
    assert found.standard_error == pytest.approx(0.059054733, abs=1e-6)


@given(tables(), st.sampled_from(LEVELS))
@settings(deadline=None)
def test_alpha_equals_the_package_or_says_why_not(rows: Table, level: Level) -> None:
    found = alpha(rows, level)
    columns = [[value for value in column if value is not None] for column in zip(*rows, strict=True)]
    pairable = [value for column in columns if len(column) > 1 for value in column]
    if found.value is None:
        assert found.reason is not None and found.standard_error is None
        assert len(set(pairable)) < 2 or sum(len(column) > 1 for column in columns) < 2
        return
    table = np.array(rows, dtype=float)
    every = table[~np.isnan(table)]
    period = every.max() - every.min() + 1
    table[:, (~np.isnan(table)).sum(axis=0) < 2] = np.nan
    assert found.value == pytest.approx(oracle(table, level, period=period), abs=1e-9)
    assert math.isfinite(found.value)
    # Where all units are alike, none of them changes anything.
    assert found.standard_error is None or found.standard_error > 0


@given(tables(), st.sampled_from(LEVELS), st.randoms())
@settings(deadline=None)
def test_alpha_and_its_interval_ignore_the_order_of_raters_and_units(rows: Table, level: Level, random: Random) -> None:
    order = list(range(len(rows[0])))
    random.shuffle(order)
    shuffled = [[row[unit] for unit in order] for row in random.sample(rows, len(rows))]
    resampling = Resampling(resamples=20)
    first, second = (
        krippendorff_alpha(ReliabilityData.from_rows(table, level=level), resampling=resampling)
        for table in (rows, shuffled)
    )
    same(first, second)
    assert first.method == second.method
    assert first.low == (None if second.low is None else pytest.approx(second.low, abs=1e-9))


@pytest.mark.parametrize("level", LEVELS)
def test_the_interval_of_many_values_ignores_the_order_of_units(level: Level) -> None:
    data = noisy(units=80, step=0.01, level=level)
    turned = ReliabilityData(data.raters, data.units, data.codes[:, ::-1], data.domain, level)
    first, second = (krippendorff_alpha(one, resampling=Resampling(resamples=50), period=5) for one in (data, turned))
    assert (first.low, first.high) == pytest.approx((second.low, second.high), abs=1e-12)


@given(tables(), st.permutations([1.0, 2.0, 3.0, 4.0, 5.0]))
@settings(deadline=None)
def test_nominal_alpha_ignores_what_the_categories_are_called(rows: Table, names: list[float]) -> None:
    renamed: Table = [[None if value is None else names[int(value) - 1] for value in row] for row in rows]
    same(alpha(rows, Level.NOMINAL), alpha(renamed, Level.NOMINAL))


@given(tables(), st.floats(0.01, 100), st.floats(-1000, 1000))
@settings(deadline=None)
def test_interval_alpha_ignores_unit_and_origin_of_the_scale(rows: Table, factor: float, shift: float) -> None:
    scaled: Table = [[None if value is None else factor * value + shift for value in row] for row in rows]
    same(alpha(rows, Level.INTERVAL), alpha(scaled, Level.INTERVAL))


@given(tables())
@settings(deadline=None)
def test_ordinal_alpha_ignores_any_stretching_that_keeps_the_order(rows: Table) -> None:
    stretched: Table = [[None if value is None else math.exp(3 * value) for value in row] for row in rows]
    same(alpha(rows, Level.ORDINAL), alpha(stretched, Level.ORDINAL))


@given(tables(), st.integers(0, 4))
@settings(deadline=None)
def test_circular_alpha_ignores_where_the_circle_begins(rows: Table, turn: int) -> None:
    turned: Table = [[None if value is None else (value - 1 + turn) % 5 + 1 for value in row] for row in rows]
    first, second = (
        krippendorff_alpha(ReliabilityData.from_rows(table, level=Level.CIRCULAR), period=5) for table in (rows, turned)
    )
    same(first, second)


def test_circular_neighbours_meet_at_the_ends() -> None:
    """Midnight: 23 and 0 are as near as 11 and 12, which the interval level does not know."""
    midnight, noon = [[23, 0, 12, 6], [0, 23, 12, 6]], [[11, 12, 0, 18], [12, 11, 0, 18]]
    hours = [float(hour) for hour in range(24)]
    one, other = (
        krippendorff_alpha(ReliabilityData.from_rows(rows, level=Level.CIRCULAR, domain=hours))
        for rows in (midnight, noon)
    )
    same(one, other)
    assert one.value is not None and one.value > 0.9
    assert "period 24" in one.method


def test_the_period_of_values_that_are_not_whole_has_to_be_given() -> None:
    data = ReliabilityData.from_rows([[0.5, 1.25, 3], [0.75, 1.5, 3]], level=Level.CIRCULAR)
    reason = krippendorff_alpha(data).reason
    assert reason is not None and reason.code == "no-period"
    assert krippendorff_alpha(data, period=12).value is not None
    with pytest.raises(ValueError, match="positive"):
        krippendorff_alpha(data, period=0)


def test_values_a_whole_period_apart_are_the_same() -> None:
    data = ReliabilityData.from_rows([[0.0, 360.0, 0.0], [360.0, 0.0, 0.0]], level=Level.CIRCULAR)
    reason = krippendorff_alpha(data, period=360).reason
    assert reason is not None and reason.code == "no-distance"


@pytest.mark.parametrize("step", [1.0, 0.01])
@pytest.mark.parametrize("level", [level for level in LEVELS if level is not Level.ORDINAL])
def test_a_matrix_of_the_levels_own_distances_gives_the_levels_alpha(level: Level, step: float) -> None:
    data = noisy(units=60, step=step, level=level)
    x = np.array(data.domain, dtype=float)
    a, b = x[:, None], x[None, :]
    distances = {
        Level.NOMINAL: (a != b).astype(float),
        Level.INTERVAL: (a - b) ** 2,
        Level.RATIO: ((a - b) / (a + b)) ** 2,
        Level.CIRCULAR: np.sin(np.pi * np.abs(a - b) / 7) ** 2,
    }
    resampling = Resampling(resamples=50)
    plain = krippendorff_alpha(data, period=7, resampling=resampling)
    given = krippendorff_alpha(data, distance=distances[level], resampling=resampling)
    # (Of the intervals only that of labels has the prior of labels, which given distances have.)
    assert given.value == pytest.approx(plain.value, abs=1e-12)
    assert given.standard_error == pytest.approx(plain.standard_error, abs=1e-12)
    near = 1e-12 if level is Level.NOMINAL else 0.08
    assert (given.low, given.high) == pytest.approx((plain.low, plain.high), abs=near)
    assert "given distances" in given.method


def test_dialogue_acts_with_weights() -> None:
    """Artstein and Poesio (2008): a check is half a statement and half a request; alpha .8156."""
    data = crossed(
        ("stat", "stat", 46), ("ireq", "ireq", 32), ("chck", "chck", 10), ("ireq", "stat", 6), ("ireq", "chck", 6)
    )  # fmt: skip
    assert data.domain == ("chck", "ireq", "stat")
    found = krippendorff_alpha(data, distance=[[0, 0.5, 0.5], [0.5, 0, 1], [0.5, 1, 0]])
    assert found.value == pytest.approx(0.8156, abs=5e-5)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0, 1], [1, 0]], "one row and one column for each of the 3"),
        (3.0, "a single number"),
        ([[0, 1, 2], [1, 0, math.nan], [2, math.nan, 0]], "finite"),
        ([[0, -1, 2], [-1, 0, 1], [2, 1, 0]], "negative"),
        ([[0, 1, 2], [1, 1, 1], [2, 1, 0]], "diagonal"),
        ([[0, 1, 2], [2, 0, 1], [2, 1, 0]], "symmetric"),
    ],
)
def test_what_is_no_distance_matrix_is_said(matrix: npt.ArrayLike, message: str) -> None:
    data = ReliabilityData.from_rows([["a", "b", "c"], ["a", "c", "c"]], level=Level.NOMINAL)
    with pytest.raises(ValueError, match=message):
        krippendorff_alpha(data, distance=matrix)


def test_distances_that_are_all_zero_are_a_reason() -> None:
    data = ReliabilityData.from_rows([["a", "b", "c"], ["a", "a", "c"]], level=Level.NOMINAL)
    found = krippendorff_alpha(data, distance=np.zeros((3, 3)), resampling=Resampling())
    assert found.reason is not None and found.reason.code == "no-distance"


def test_ratio_needs_values_from_zero_up() -> None:
    found = alpha([[-1, 2, 3], [1, 2, 3]], Level.RATIO)
    assert found.reason is not None and found.reason.code == "negative-ratio"


def test_doubling_the_units_raises_alphas_expected_disagreement_in_the_known_way() -> None:
    """Observed disagreement stays; expected, over n − 1, becomes that of 2n values."""
    rows: Table = [[1, 2, 3, 3, 2, 1, 4], [1, 2, 3, 3, 2, 2, 4]]
    one, two = alpha(rows, Level.NOMINAL), alpha([row + row for row in rows], Level.NOMINAL)
    n = 14
    assert one.value is not None and two.value is not None
    assert (1 - two.value) / (1 - one.value) == pytest.approx((2 * n - 1) / (2 * (n - 1)), abs=1e-12)


def weighted(data: ReliabilityData) -> WeightedAlpha:
    built = weighted_alpha(data, period=7)
    assert not isinstance(built, Reason)
    return built


@pytest.mark.parametrize("step", [1.0, 0.05])
@pytest.mark.parametrize("level", LEVELS)
def test_reweighting_is_the_same_as_repeating_units(level: Level, step: float) -> None:
    """What the bootstrap does with weights, done the long way: units repeated, alpha from the package."""
    data = noisy(units=40, step=step, level=level)
    built = weighted(data)
    table = np.append(np.array(data.domain, dtype=float), np.nan)[data.codes[:, data.pairable]]
    random = np.random.default_rng(3)
    for _ in range(20):
        weights = random.multinomial(built.rows.n, [1 / built.rows.n] * built.rows.n)
        repeated = np.repeat(table, weights, axis=1)
        ours = built.statistic().of_weights(weights[None, :].astype(float))[0]
        assert ours == pytest.approx(oracle(repeated, level, period=7), abs=1e-9)


@pytest.mark.parametrize("step", [1.0, 0.05])
@pytest.mark.parametrize("level", LEVELS)
def test_the_influence_is_the_derivative_by_the_weight_of_a_unit(level: Level, step: float) -> None:
    built = weighted(noisy(units=30, step=step, level=level))
    statistic = built.statistic()
    n, size = statistic.units, built.rows.size
    ratings, change = size.sum(), 1e-6
    slope = []
    for unit in np.eye(n):
        more, less = statistic.of_weights(np.array([1 + change * unit, 1 - change * unit]))
        slope.append(n * (more - less) / (2 * change))
    # The correction for few ratings, (n − 1)/n, counts as a constant: that is what its own derivative would add.
    correction = n * size * (1 - statistic.value) * (1 / (ratings - 1) - 1 / ratings)
    assert statistic.influence == pytest.approx(np.array(slope) + correction, abs=1e-6)
    assert statistic.influence is not None and statistic.influence.sum() == pytest.approx(0, abs=1e-9)


def test_the_influence_of_weights_that_differ() -> None:
    """Patterns with their multiplicities have the influences of the units that they stand for."""
    data = noisy(units=200, level=Level.ORDINAL)
    built = weighted(data)
    plain, collapsed = built.statistic(), built.collapsed()
    assert len(collapsed.multiplicity) != plain.units
    assert collapsed.value == pytest.approx(plain.value, abs=1e-12)
    assert collapsed.standard_error == pytest.approx(plain.standard_error, abs=1e-12)


def test_long_sums_are_the_same_as_short_ones() -> None:
    """Above some thousand units other code adds them up; repeating the units changes alpha by the correction only."""
    for level in LEVELS:
        data = noisy(units=500, level=level)
        many = ReliabilityData(data.raters, tuple(map(str, range(10_000))), np.tile(data.codes, 20), data.domain, level)
        short, long = (krippendorff_alpha(one, period=7) for one in (data, many))
        assert short.value is not None and long.value is not None and short.standard_error is not None
        n = int((data.codes[:, data.pairable] >= 0).sum())
        assert (1 - long.value) / (20 * n - 1) * (20 * n) == pytest.approx((1 - short.value) / (n - 1) * n, abs=1e-12)
        assert long.standard_error == pytest.approx(short.standard_error / math.sqrt(20), rel=2e-3)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([[3, 3, 3], [3, 3, 3]], "one-category"),
        ([[1, 2, 3]], "one-rater"),
        ([[1, 2, 3], [None, None, None]], "one-rater"),
        ([[1, None, 3, None], [None, 2, None, 4]], "no-overlap"),
        ([[1, 2], [1, None]], "too-few-items"),
        ([[None, None], [None, None]], "no-ratings"),
        ([], "no-ratings"),
    ],
)
def test_where_alpha_is_undefined_it_says_why(rows: Table, code: str) -> None:
    for level in LEVELS:
        found = krippendorff_alpha(ReliabilityData.from_rows(rows, level=level), resampling=Resampling())
        assert found.value is None and found.low is None and found.standard_error is None
        assert found.reason is not None and found.reason.code == code
        assert found.reason.sentence.endswith(".")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("value", [0.1, 1e9 + 0.3, -7.0])
def test_one_value_throughout_is_one_category_at_every_scale(level: Level, value: float) -> None:
    data = ReliabilityData.from_rows([[value] * 5, [value] * 5, [None] * 4 + [value]], level=level)
    reason = krippendorff_alpha(data, period=12).reason
    assert reason is not None and reason.code == "one-category"


def test_perfect_agreement_is_one_with_an_interval_that_claims_no_certainty() -> None:
    for units in (5, 80, 2000):
        data = ReliabilityData.from_rows([[1, 2, 3, 4, 2] * (units // 5)] * 3, level=Level.ORDINAL)
        found = krippendorff_alpha(data, resampling=Resampling(resamples=400))
        assert found.value == 1 and found.standard_error is None
        assert found.high == 1 and found.low is not None and found.low < 1
        assert found.low == pytest.approx(1, abs=10 / units)
        assert "Bayesian bootstrap over items with a prior of 2 items" in found.method


@pytest.mark.parametrize("level", LEVELS)
def test_a_category_that_nobody_used_changes_nothing(level: Level) -> None:
    rows: Table = [[1, 2, 3, 3], [1, 2, 2, 3]]
    plain, more = (
        krippendorff_alpha(
            ReliabilityData.from_rows(rows, level=level, domain=domain), period=7, resampling=Resampling(resamples=100)
        )
        for domain in ([], [1, 2, 3, 4, 5])
    )
    same(plain, more)
    assert (plain.low, plain.high) == pytest.approx((more.low, more.high), abs=1e-12)


@pytest.mark.parametrize("level", PACKAGE_LEVELS)
def test_many_categories_and_few_are_held_differently_and_counted_alike(level: Level) -> None:
    data = noisy(units=50, level=level)
    many = ReliabilityData(data.raters, data.units, data.codes, (*data.domain, *np.arange(6.0, 60.0)), level)
    assert rows_of(data).counts is not None and rows_of(many).counts is None
    few, wide = (krippendorff_alpha(one, resampling=Resampling(resamples=100)) for one in (data, many))
    assert wide.value == pytest.approx(few.value, abs=1e-12)
    assert wide.standard_error == pytest.approx(few.standard_error, abs=1e-12)
    for one, other in ((data, many),):
        left, right = patterns_of(rows_of(one)), patterns_of(rows_of(other))
        assert sorted(left.multiplicity) == sorted(right.multiplicity)


def test_sliders_do_not_run_out_of_memory() -> None:
    """The package needs units × values × values numbers: 10,000 × 10 two-decimal sliders would take terabytes."""
    random = np.random.default_rng(1)
    truth = random.uniform(0, 100, 10_000)
    table = np.round(np.clip(truth + random.normal(0, 10, (10, 10_000)), 0, 100), 2)
    for level in (Level.INTERVAL, Level.ORDINAL, Level.CIRCULAR):
        found = krippendorff_alpha(ReliabilityData.from_rows(table.tolist(), level=level), period=200)
        assert found.value == pytest.approx(0.88, abs=0.03)


def test_too_many_values_for_the_ratio_level_are_a_reason() -> None:
    values = np.arange(20_002.0).reshape(2, -1)
    data = ReliabilityData(
        ("a", "b"), tuple(map(str, range(10_001))), np.arange(20_002).reshape(2, -1), tuple(values.ravel()), Level.RATIO
    )
    reason = krippendorff_alpha(data).reason
    assert reason is not None and reason.code == "too-many-values"
