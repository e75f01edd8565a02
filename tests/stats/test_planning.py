"""Planning from a pilot: predictions against simulated studies, exactness on subsets, bounds, and cautions."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.planning import (
    PlannedPrecision,
    SamplePlan,
    items_needed,
    plan_sample,
)
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.variance_components import Components, components_of
from tests.stats.tables import LEVELS, Table, reliability, tables

QUICK = Resampling(resamples=300)
SHIFTS = np.array([0.2, -0.2, 0.1, 0.0, -0.1, 0.3, 0.0, -0.3])


def study(random: np.random.Generator, n: int, k: int, level: Level) -> ReliabilityData:
    """n items by k raters of one population, a rater's severity included."""
    if level is Level.NOMINAL:
        truth = random.choice(3, n, p=[0.6, 0.3, 0.1])
        values = np.where(random.random((k, n)) < 0.7, truth, random.integers(0, 3, (k, n))).astype(np.float64)
    else:
        values = random.normal(size=n) + 0.8 * random.normal(size=(k, n)) + SHIFTS[:k, None]
        values = np.clip(np.round(values) + 3, 1, 5) if level is Level.ORDINAL else np.round(values, 2)
    return ReliabilityData.from_rows(values.tolist(), level=level)


def half(estimate: Estimate) -> float:
    assert estimate.low is not None
    assert estimate.high is not None
    return (estimate.high - estimate.low) / 2


def planned(data: ReliabilityData, items: list[int], raters: list[int]) -> SamplePlan:
    found = plan_sample(data, items=items, raters=raters, resampling=QUICK)
    assert isinstance(found, SamplePlan)
    return found


@pytest.mark.parametrize("level", [Level.NOMINAL, Level.ORDINAL, Level.INTERVAL])
def test_predictions_agree_with_simulated_studies(level: Level) -> None:
    random = np.random.default_rng(1)
    plans = [planned(study(random, 60, 4, level), [60, 300], [2, 4, 8]).rows for _ in range(40)]
    for rows in zip(*plans, strict=True):
        predicted = np.mean([row.half_width for row in rows])
        n, k = rows[0].n_items, rows[0].n_raters
        actual = np.mean([half(krippendorff_alpha(study(random, n, k, level), resampling=QUICK)) for _ in range(40)])
        assert predicted == pytest.approx(actual, rel=0.15), (n, k)


@pytest.mark.parametrize("level", list(Level))
def test_the_components_are_exact_on_average_over_subsets_of_raters(level: Level) -> None:
    data = study(np.random.default_rng(2), 80, 5, Level.ORDINAL)
    data = ReliabilityData(data.raters, data.units, data.codes, data.domain, level)
    found = components_of(data)
    assert isinstance(found, Components)
    whole = krippendorff_alpha(data).standard_error
    assert whole is not None
    assert found.variance(5)[0] == pytest.approx(80 * whole**2, rel=0.02)
    for k in (2, 3, 4):
        errors = []
        for rows in combinations(range(5), k):
            part = ReliabilityData(tuple(map(str, rows)), data.units, data.codes[list(rows)], data.domain, level)
            error = krippendorff_alpha(part).standard_error
            assert error is not None
            errors.append(80 * error**2)
        # Influences are linear: of the subsets' own, so that alpha and marginals of each differ a little.
        variance, bound = found.variance(k)
        assert variance == pytest.approx(np.mean(errors), rel=0.1)
        assert not bound


def test_the_pilots_own_size_gives_the_pilots_own_interval() -> None:
    data = study(np.random.default_rng(3), 100, 4, Level.NOMINAL)
    (row,) = planned(data, [100], [4]).rows
    own = half(krippendorff_alpha(data, resampling=Resampling(resamples=2000)))
    assert row.half_width == pytest.approx(own, rel=0.08)
    assert not row.extrapolated
    assert not row.bound


def test_more_items_and_more_raters_make_it_narrower() -> None:
    plan = planned(study(np.random.default_rng(4), 60, 4, Level.ORDINAL), [50, 100, 400], [2, 3, 4, 6])
    width = {(row.n_items, row.n_raters): row.half_width or 0 for row in plan.rows}
    for k in (2, 3, 4, 6):
        assert width[50, k] > width[100, k] > width[400, k]
        assert width[100, k] / width[400, k] == pytest.approx(2, rel=0.15)
    for n in (50, 100, 400):
        assert width[n, 2] > width[n, 3] > width[n, 4] > width[n, 6]
    assert {(row.n_items, row.n_raters) for row in plan.rows if not row.extrapolated} == {(50, 2), (50, 3), (50, 4)}


def test_few_raters_in_the_pilot_give_upper_bounds() -> None:
    rows = study(np.random.default_rng(5), 200, 5, Level.NOMINAL)
    full = components_of(rows)
    assert isinstance(full, Components)
    for k, bounded in ((2, (3, 5)), (3, (4, 5))):
        part = ReliabilityData(rows.raters[:k], rows.units, rows.codes[:k], rows.domain, rows.level)
        found = components_of(part)
        assert isinstance(found, Components)
        for more in bounded:
            variance, bound = found.variance(more)
            assert bound
            assert variance > full.variance(more)[0]
        assert found.variance(k)[1] is False
        plan = planned(part, [100], [k, 5])
        assert [row.bound for row in plan.rows] == [False, True]
        assert any("upper bounds" in sentence for sentence in plan.cautions)


def test_missing_ratings_are_no_obstacle() -> None:
    random = np.random.default_rng(6)
    data = study(random, 300, 6, Level.INTERVAL)
    codes = np.where(random.random(data.codes.shape) < 0.4, -1, data.codes)
    holes = ReliabilityData(data.raters, data.units, codes, data.domain, data.level)
    with_holes, without = components_of(holes), components_of(data)
    assert isinstance(with_holes, Components)
    assert isinstance(without, Components)
    for k in (2, 3, 4, 6):
        assert with_holes.variance(k)[0] == pytest.approx(without.variance(k)[0], rel=0.3)
    assert planned(holes, [100], [3]).raters_per_item == pytest.approx(3.6, abs=0.2)


def test_raters_who_share_few_items_are_taken_as_one_kind() -> None:
    random = np.random.default_rng(7)
    truth = random.integers(0, 3, 90)
    values: list[list[float | None]] = [[None] * 90 for _ in range(30)]
    for unit in range(90):
        for row in random.choice(30, 3, replace=False):
            right = random.random() < 0.8
            values[row][unit] = float(truth[unit] if right else random.integers(0, 3))
    found = plan_sample(
        ReliabilityData.from_rows(values, level=Level.NOMINAL), items=[90], raters=[3], resampling=QUICK
    )
    assert isinstance(found, SamplePlan)
    alpha = krippendorff_alpha(ReliabilityData.from_rows(values, level=Level.NOMINAL), resampling=QUICK)
    assert found.rows[0].half_width == pytest.approx(half(alpha), rel=0.1)


@pytest.mark.parametrize("wanted", [0.2, 0.05, 0.01])
def test_the_items_needed_give_the_width(wanted: float) -> None:
    data = study(np.random.default_rng(8), 80, 4, Level.NOMINAL)
    found = items_needed(data, half_width=wanted, n_raters=3, resampling=QUICK)
    assert isinstance(found, PlannedPrecision)
    assert found.half_width is not None
    assert wanted * (1 - 1 / found.n_items) <= found.half_width <= wanted
    assert found.n_raters == 3
    assert found.extrapolated == (found.n_items > 80)
    (planned_row,) = planned(data, [found.n_items], [3]).rows
    assert planned_row.half_width == pytest.approx(wanted, rel=0.1)
    own = items_needed(data, half_width=wanted, resampling=QUICK)
    assert isinstance(own, PlannedPrecision)
    assert own.n_raters == 4
    assert own.n_items < found.n_items


def test_a_width_of_nearly_nothing_is_refused() -> None:
    found = items_needed(study(np.random.default_rng(9), 60, 3, Level.NOMINAL), half_width=1e-6, resampling=QUICK)
    assert isinstance(found, Reason)
    assert found.code == "too-many-items"


def test_tiny_pilots_carry_a_caution() -> None:
    random = np.random.default_rng(10)
    tiny = planned(study(random, 12, 3, Level.INTERVAL), [12], [3])
    assert any("only 12 items" in sentence for sentence in tiny.cautions)
    small = planned(study(random, 30, 3, Level.INTERVAL), [30], [3])
    assert any("30 items" in sentence for sentence in small.cautions)
    assert not planned(study(random, 60, 4, Level.INTERVAL), [60], [4]).cautions


def test_the_same_seed_gives_the_same_plan() -> None:
    data = study(np.random.default_rng(11), 60, 4, Level.ORDINAL)
    assert planned(data, [50, 100], [2, 5]) == planned(data, [50, 100], [2, 5])
    units = np.random.default_rng(0).permutation(60)
    other = ReliabilityData(
        data.raters, tuple(np.array(data.units)[units]), data.codes[:, units], data.domain, data.level
    )
    for one, two in zip(planned(data, [100], [2, 5]).rows, planned(other, [100], [2, 5]).rows, strict=True):
        assert one.half_width == pytest.approx(two.half_width, rel=1e-6)


def code(rows: list[list[float | None]]) -> str:
    found = plan_sample(ReliabilityData.from_rows(rows, level=Level.NOMINAL), resampling=QUICK)
    assert isinstance(found, Reason)
    assert isinstance(
        items_needed(ReliabilityData.from_rows(rows, level=Level.NOMINAL), half_width=0.1, resampling=QUICK), Reason
    )
    return found.code


def test_a_pilot_that_says_nothing_gives_a_reason() -> None:
    assert code([[1, 2], [None, None]]) == "one-rater"
    assert code([[1, None], [None, 2]]) == "no-overlap"
    assert code([[1, 1], [1, 1]]) == "one-category"
    assert code([[1, 2, 1, 2], [1, 2, 1, 2]]) == "no-variation"
    assert code([[1, None], [2, 1]]) == "too-few-items"


def test_impossible_wishes_raise() -> None:
    data = study(np.random.default_rng(12), 20, 3, Level.NOMINAL)
    with pytest.raises(ValueError, match="at least two items"):
        plan_sample(data, items=[1])
    with pytest.raises(ValueError, match="at least two items"):
        plan_sample(data, raters=[1])
    with pytest.raises(ValueError, match="between 0 and 1"):
        items_needed(data, half_width=0)
    with pytest.raises(ValueError, match="two annotators"):
        items_needed(data, half_width=0.1, n_raters=1)


@given(tables(), st.sampled_from(LEVELS))
@settings(deadline=None, max_examples=60)
def test_every_pilot_gives_a_plan_or_a_reason(rows: Table, level: Level) -> None:
    data = reliability(rows, level)
    few = Resampling(resamples=20)
    plan = plan_sample(data, items=[5, 50], raters=[2, 4], resampling=few)
    needed = items_needed(data, half_width=0.1, resampling=few)
    if isinstance(plan, Reason):
        assert needed == plan
        return
    json.dumps(plan.as_json(), allow_nan=False)
    assert all((row.half_width is None) == (row.reason is not None) for row in plan.rows)
    if isinstance(needed, PlannedPrecision):
        json.dumps(needed.as_json(), allow_nan=False)


def test_the_json_has_fixed_names() -> None:
    plan = planned(study(np.random.default_rng(13), 60, 3, Level.NOMINAL), [60], [3]).as_json()
    assert set(plan) == {"alpha", "n_items", "raters_per_item", "rows", "cautions"}
    names = {"n_items", "n_raters", "half_width", "method", "extrapolated", "bound", "reason"}
    assert set(plan["rows"][0]) == names
