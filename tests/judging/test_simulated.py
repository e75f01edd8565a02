"""Simulated annotators as one judge: what most say, and how sure that is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator_ops.judging.simulated import Verdict, combined


def said(*values: float | str | None) -> list[Verdict]:
    return [Verdict(value, None if value is not None else "refused") for value in values]


def test_the_confidence_is_the_mean_probability_of_the_likeliest_answer() -> None:
    verdicts = [
        Verdict("left", None, 0.9, {"left": 0.9, "right": 0.1}),
        Verdict("right", None, 0.6, {"left": 0.4, "right": 0.6}),
        Verdict("right", None, 0.55, {"left": 0.45, "right": 0.55}),
    ]
    found = combined(verdicts, annotators=3)
    assert (found.value, found.reason) == ("left", None), "though two of three say right"
    assert found.confidence == pytest.approx((0.9 + 0.4 + 0.45) / 3)


def test_without_probabilities_it_is_the_share_of_those_who_agree() -> None:
    found = combined(said(4.0, 4.0, 3.0, 4.0, 5.0), annotators=5)
    assert found.value == 4.0
    assert found.confidence == pytest.approx(0.6)


def test_who_gave_no_score_agrees_with_nobody() -> None:
    found = combined(said(4.0, 4.0, None, 4.0), annotators=5)
    assert found.value == 4.0
    assert found.confidence == pytest.approx(0.6)
    few = combined(said(4.0, 4.0, None, None), annotators=4)
    assert few == Verdict(None, "refused")
    assert combined(said(4.0, 4.0), annotators=5) == Verdict(None, "failed")
    assert combined([], annotators=2) == Verdict(None, "failed")


def test_ties() -> None:
    found = combined(said(4.0, 3.0, 4.0, 3.0, 1.0), annotators=5)
    assert found.value == 3.5
    assert found.confidence == pytest.approx(0.4)
    undecided = combined(said("a", "b"), annotators=2)
    assert (undecided.value, undecided.reason, undecided.confidence) == (None, "inconsistent", None)


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0]), min_size=1, max_size=20))
def test_any_scores(values: list[float]) -> None:
    found = combined(said(*values), annotators=len(values))
    most = Counter(values).most_common(1)[0][1]
    assert found.confidence == pytest.approx(most / len(values))
    assert isinstance(found.value, float)
    assert min(values) <= found.value <= max(values)
