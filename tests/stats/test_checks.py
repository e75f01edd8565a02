"""Repeated items and items with a known answer."""

from __future__ import annotations

import pytest
from scipy import stats

from annotator_ops.models import Level
from annotator_ops.stats.checks import gold_accuracy, repeat_consistency
from annotator_ops.stats.reliability import ReliabilityData
from tests.stats.tables import Table


def numbers(level: Level = Level.INTERVAL) -> ReliabilityData:
    rows: Table = [[1, 2, 3, 1, 4, 3], [1, 2, None, 2, 2, 3], [None, None, None, 1, None, None]]
    return ReliabilityData.from_rows(rows, level=level, units=["a", "b", "c", "a2", "b2", "c2"])


REPEATS = {"a2": "a", "b2": "b", "c2": "c", "z2": "a", "b": "gone"}


def test_repeats_by_hand() -> None:
    first, second, third = repeat_consistency(numbers(), REPEATS)
    assert first.same.value == pytest.approx(2 / 3)
    assert first.same.n_items == 3
    assert first.distance.value == pytest.approx((0 + 2 + 0) / 3)
    wilson = stats.binomtest(2, 3).proportion_ci(method="wilson")
    assert (first.same.low, first.same.high) == pytest.approx((wilson.low, wilson.high))
    assert second.same.value == pytest.approx(1 / 2)
    assert second.distance.value == pytest.approx(0.5)
    assert third.same.reason is not None
    assert third.same.reason.code == "no-checks"
    assert "3 never" in third.same.reason.sentence


def test_gold_by_hand() -> None:
    # 3.5 is right although nobody said so.
    first, second, third = gold_accuracy(numbers(), {"a": 1, "b": 2.0, "c": 3.5, "gone": 1})
    assert first.same.value == pytest.approx(2 / 3)
    assert first.distance.value == pytest.approx(0.5 / 3)
    assert second.same.value == 1
    assert second.same.n_items == 2
    assert third.same.value is None


def test_labels_have_no_distance() -> None:
    data = ReliabilityData.from_rows([["x", "y"], ["x", "x"]], level=Level.NOMINAL, units=["a", "b"])
    first, second = gold_accuracy(data, {"a": "x", "b": "z"})
    assert first.same.value == second.same.value == 0.5
    assert first.distance.reason is not None
    assert first.distance.reason.code == "not-numeric"
    assert set(first.as_json()) == {"rater", "same", "distance"}


def test_ordinal_distances_say_what_they_assume() -> None:
    assert "steps taken as equal" in repeat_consistency(numbers(Level.ORDINAL), REPEATS)[0].distance.method


def test_no_checks_at_all_are_told_apart() -> None:
    for found in (*repeat_consistency(numbers(), {}), *gold_accuracy(numbers(), {})):
        assert found.same.reason is not None
        assert "The study has no items" in found.same.reason.sentence


def test_a_label_is_no_right_number() -> None:
    with pytest.raises(ValueError, match="is no number"):
        gold_accuracy(numbers(), {"a": "good"})
