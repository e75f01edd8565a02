"""Times: the rule for fast answers, medians, drift and trends in the order of time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from annotator_ops.models import Level
from annotator_ops.stats.pace import median_seconds, paces
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import FloatArray
from tests.stats.tables import Table, reliability

NAN = float("nan")


def timed(rows: Table, seconds: list[list[float]]) -> tuple[ReliabilityData, FloatArray]:
    return reliability(rows, Level.NOMINAL), np.array(seconds)


def test_fast_answers_by_hand() -> None:
    data, seconds = timed([[1, 1, 1, 1]] * 3, [[10, 2.9, 0.5, 5], [30, 9, 1.2, NAN], [40, 9, 1.1, NAN]])
    first, second, _ = paces(data, seconds=seconds)
    # Medians 30, 9, 1.1: below 10 s (10 is not), below 3 s, below 1 s; the last item has one time only.
    assert first.n_fast == 2
    assert first.fast.value == pytest.approx(2 / 4)
    assert first.n_timed == 4
    assert first.median_seconds == pytest.approx((2.9 + 5) / 2)
    assert second.n_fast == 0
    wilson = stats.binomtest(2, 4).proportion_ci(method="wilson")
    assert (first.fast.low, first.fast.high) == pytest.approx((wilson.low, wilson.high))
    assert "33%" in first.fast_rule
    assert "1 s" in first.fast_rule


def test_the_rule_can_be_another() -> None:
    data, seconds = timed([[1, 1]] * 3, [[10, 10], [30, 10], [40, 10]])
    assert paces(data, seconds=seconds, fast_share=0.5)[0].n_fast == 1
    assert [one.n_fast for one in paces(data, seconds=seconds, floor_seconds=20)] == [2, 1, 1]


def test_times_without_a_rating_do_not_count() -> None:
    data, seconds = timed([[None, 1], [1, 1], [1, 1], [1, 1]], [[0.1, 9], [9, 9], [9, 9], [9, NAN]])
    first, *_, last = paces(data, seconds=seconds)
    assert first.n_timed == 1
    assert first.n_fast == 0
    assert last.n_timed == 1


def test_the_median_is_numpys() -> None:
    random = np.random.default_rng(0)
    seconds = random.exponential(20, size=(7, 50))
    seconds[random.random((7, 50)) < 0.4] = NAN
    seconds[:, 0] = NAN
    found = median_seconds(seconds)
    assert np.isnan(found[0])
    assert found[1:] == pytest.approx(np.nanmedian(seconds[:, 1:], axis=0))


def test_a_drift_of_numbers_is_found_in_the_order_of_time() -> None:
    random = np.random.default_rng(1)
    units = 120
    truth = random.normal(50, 10, units)
    moments = np.array([random.permutation(units), random.permutation(units), random.permutation(units)]) + 1.7e9
    rows = truth + random.normal(0, 3, size=(3, units))
    rows[0] += (moments[0] - moments[0].min()) * 0.2
    data = ReliabilityData.from_rows(rows.tolist(), level=Level.INTERVAL)
    first, second, _ = paces(data, moments=moments)
    assert first.drift.low is not None
    assert first.drift.low > 0.5
    assert second.drift.value is not None
    assert abs(second.drift.value) < 0.3
    order = np.argsort(moments[0])
    others = rows[1:].mean(axis=0)
    expected = stats.spearmanr(np.arange(units), (rows[0] - others)[order]).statistic
    assert first.drift.value == pytest.approx(expected)


def test_a_drift_of_labels_is_one_of_agreement() -> None:
    right: Table = [[1, 2] * 10, [1, 2] * 10, [1, 2] * 10]
    right[0] = [*right[0][:10], *([3.0] * 10)]
    found = paces(reliability(right, Level.NOMINAL), moments=np.tile(np.arange(20.0), (3, 1)))
    assert found[0].drift.value is not None
    assert found[0].drift.value < -0.8
    assert "agree" in found[0].drift.method


def test_the_probability_of_a_drift_by_hand() -> None:
    rows: list[list[float | None]] = [[0, 2, 1, 3, 4, 5, 7, 6, 8, 9], [0.0] * 10]
    data = ReliabilityData.from_rows(rows, level=Level.INTERVAL)
    found = paces(data, moments=np.tile(np.arange(10.0), (2, 1)))[0]
    rho = 1 - 6 * 4 / (10 * 99)
    assert found.drift.value == pytest.approx(rho)
    assert found.drift_probability == pytest.approx(2 * stats.norm.sf(rho * 3))
    # Two days are two moments, and two moments show no trend.
    days = paces(data, moments=np.tile(np.arange(10.0) // 5, (2, 1)))[0]
    assert days.drift.value is not None
    assert days.drift_probability == pytest.approx(2 * stats.norm.sf(abs(days.drift.value)))
    assert paces(data)[0].drift_probability is None


@pytest.mark.parametrize("n_values", [2, 5, 1000])
def test_drift_by_chance_is_never_more_frequent_than_its_probability(n_values: int) -> None:
    random = np.random.default_rng(8)
    studies, n = 60, 12
    drawn = random.integers(0, n_values, (studies * 10, n))
    data = ReliabilityData.from_rows([*drawn.tolist(), [0] * n], level=Level.ORDINAL)
    found = paces(data, moments=np.tile(np.arange(float(n)), (len(data.raters), 1)))[:-1]
    p = np.array([one.drift_probability for one in found if one.drift_probability is not None])
    for level in (0.05, 0.01):
        assert (p <= level).mean() <= level + 2 * np.sqrt(level / len(p))


def test_getting_faster_is_a_negative_trend() -> None:
    data, seconds = timed([[1] * 8, [1] * 8], [[80, 70, 60, 50, 40, 30, 20, 10], [5, 6, 5, 6, 5, 6, 5, 6]])
    moments = np.tile(np.arange(8.0), (2, 1))
    first, second = paces(data, seconds=seconds, moments=moments)
    assert first.speed_trend.value == pytest.approx(-1)
    assert second.speed_trend.value is not None
    assert abs(second.speed_trend.value) < 0.5


def test_answers_of_one_moment_share_a_rank() -> None:
    data, seconds = timed([[1] * 6], [[6, 5, 4, 3, 2, 1]])
    moments = np.array([[1.0, 1, 1, 2, 2, 2]])
    found = paces(data, seconds=seconds, moments=moments)[0].speed_trend
    assert found.value == pytest.approx(stats.spearmanr(moments[0], seconds[0]).statistic)


def test_unknown_times_give_reasons() -> None:
    data = reliability([[1, 2, 1], [1, 2, 2]], Level.NOMINAL)
    for one in paces(data):
        for estimate in (one.fast, one.drift, one.speed_trend):
            assert estimate.reason is not None
            assert estimate.reason.code == "no-times"
        assert one.median_seconds is None
    same = paces(data, moments=np.ones((2, 3)))[0]
    assert same.drift.reason is not None
    assert "same time" in same.drift.reason.sentence
    few = paces(data, moments=np.array([[1, 2, NAN], [1, 2, 3]]))[0]
    assert few.drift.reason is not None
    assert few.drift.reason.code == "too-few-items"


def test_a_rater_without_others_cannot_drift() -> None:
    found = paces(reliability([[1, 2, 3, 2]], Level.INTERVAL), moments=np.array([[0.0, 1, 2, 3]]))[0]
    assert found.drift.reason is not None


def test_arrays_of_another_shape_raise() -> None:
    data = reliability([[1, 2], [1, 2]], Level.NOMINAL)
    with pytest.raises(ValueError, match="one row per rater"):
        paces(data, seconds=np.ones((2, 3)))
    assert set(paces(data)[0].as_json()) >= {"rater", "fast", "drift", "speed_trend"}
