"""Drift between versions of a judge's prompt: by hand and by scipy, which versions, labels, no items in common."""

from __future__ import annotations

import pytest
from scipy import stats

from annotator_ops.models import Level
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.drift import drifts
from tests.stats.judges.made import Row, scores

QUICK = Resampling(resamples=200)
PEOPLE: dict[str, Row] = {"anna": [1, 2, 3, 4, 5, 3, 2], "boris": [2, 2, 3, 5, 5, 3, 1]}


def test_the_second_version_against_the_first() -> None:
    first, second = [2, 1, 3, 3, 4, 5], [3, 3, 4, 5, 5, 4]
    given = scores(PEOPLE, {"gpt · v1": [*first, None], "gpt · v2": [*second, 2], "llama": [1, 1, 2, 3, 4, 5, 5]})
    (found,) = drifts(given, resampling=QUICK)
    assert (found.judge, found.prompts, found.n_items) == ("gpt", ("v1", "v2"), 6)
    changes = [1, 2, 1, 2, 1, -1]
    assert found.shift.value == pytest.approx(1)
    expected = stats.ttest_1samp(changes, 0).confidence_interval(0.95)
    assert [found.shift.low, found.shift.high] == pytest.approx([expected.low, expected.high])
    assert found.spearman.value == pytest.approx(stats.spearmanr(first, second)[0])
    means = [1.5, 2, 3, 4.5, 5, 3]
    better = stats.spearmanr(means, second)[0] - stats.spearmanr(means, first)[0]
    assert found.difference.estimate.value == pytest.approx(better)
    assert found.difference.p_value is not None
    keys = {"judge", "prompts", "n_items", "shift", "spearman", "spearman_difference", "p_value"}
    assert found.as_json().keys() == keys


def test_every_two_versions_of_each_judge_and_of_many_each_with_the_next() -> None:
    row = [1, 2, 3, 4, 5, 3, 2]
    few = scores(PEOPLE, {f"{name} · v{version}": row for name in ("a", "b") for version in (1, 2, 10)})
    assert [(found.judge, *found.prompts) for found in drifts(few, resampling=QUICK)] == [
        (name, *versions) for name in ("a", "b") for versions in (("v1", "v2"), ("v1", "v10"), ("v2", "v10"))
    ]
    many = scores(PEOPLE, {f"a · v{version}": row for version in range(1, 10)})
    found = drifts(many, resampling=QUICK)
    assert [each.prompts for each in found] == [(f"v{version}", f"v{version + 1}") for version in range(1, 9)]


def test_judges_of_one_version_do_not_drift() -> None:
    assert drifts(scores(PEOPLE, {"gpt": [1] * 7, "llama · v1": [1] * 7}), resampling=QUICK) == []


def test_what_cannot_be_compared_has_a_reason() -> None:
    labels = scores({"anna": ["x", "y"]}, {"a · v1": ["x", "y"], "a · v2": ["y", "y"]}, Level.NOMINAL)
    apart = scores(PEOPLE, {"a · v1": [1, 2, 3, *[None] * 4], "a · v2": [None] * 3 + [1, 2, 3, 4]})
    for given, codes in ((labels, ["no-order"] * 3), (apart, ["too-few-items"] * 3)):
        (found,) = drifts(given, resampling=QUICK)
        estimates = (found.shift, found.spearman, found.difference.estimate)
        assert [estimate.reason and estimate.reason.code for estimate in estimates] == codes
        assert found.difference.p_value is None
