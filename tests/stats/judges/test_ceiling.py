"""The human ceiling: SummEval and random tables equal to a loop over scipy; its mean's interval; what has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from annotator_ops.measures import Reason
from annotator_ops.models import Level
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.ceiling import Ceiling, human_ceiling
from annotator_ops.stats.judges.correlations import COEFFICIENTS
from annotator_ops.stats.judges.curve import by_annotators
from annotator_ops.stats.judges.scores import Scores
from annotator_ops.stats.values import FloatArray
from tests.stats.judges.made import Row, random_scores, scores

QUICK = Resampling(resamples=200)
SCIPY: dict[str, Callable[..., Any]] = {
    "spearman": stats.spearmanr,
    "kendall_tau_b": stats.kendalltau,
    "pearson": stats.pearsonr,
}


def by_scipy(human: FloatArray, coefficient: str) -> list[float]:
    """Each annotator with the mean of the others, where both are there."""
    found = []
    for row, own in enumerate(human):
        others = np.delete(human, row, axis=0)
        there = ~np.isnan(own) & ~np.isnan(others).all(axis=0)
        found.append(float(SCIPY[coefficient](own[there], np.nanmean(others[:, there], axis=0))[0]))
    return found


def values(found: Ceiling, coefficient: str) -> list[float | None]:
    return [estimates[coefficient].value for _, estimates in found.annotators]


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_each_annotator_against_the_mean_of_the_others(missing: float) -> None:
    given = random_scores(1, missing=missing)
    found = human_ceiling(given, resampling=QUICK)
    assert [name for name, _ in found.annotators] == list(given.people)
    assert found.mean is not None
    for coefficient in COEFFICIENTS:
        expected = by_scipy(given.human, coefficient)
        assert values(found, coefficient) == pytest.approx(expected, abs=1e-12)
        assert found.mean[coefficient].value == pytest.approx(np.mean(expected), abs=1e-12)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_interval_of_the_mean_resamples_the_items_of_all_annotators_at_once(missing: float) -> None:
    given = random_scores(2, people=3, missing=missing)
    mean = human_ceiling(given, resampling=Resampling(resamples=600)).mean
    assert mean is not None
    source = np.random.default_rng(5)
    drawn = [
        np.mean(by_scipy(given.human[:, source.integers(0, len(given.items), len(given.items))], "pearson"))
        for _ in range(600)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    found = mean["pearson"]
    assert [found.low, found.high] == pytest.approx([low, high], abs=0.03)
    assert "bootstrap" in found.method
    assert found.standard_error == pytest.approx(np.std(drawn), rel=0.15)


def test_many_annotators_have_intervals_of_the_delta_method() -> None:
    few, many = random_scores(3, people=12, items=300), random_scores(3, people=13, items=300)
    resampled, linear = (human_ceiling(each, resampling=QUICK).mean for each in (few, many))
    assert resampled is not None and linear is not None
    assert "bootstrap" in resampled["spearman"].method
    assert "delta method" in linear["spearman"].method
    assert "13 annotators" in linear["spearman"].method
    widths = [float(each["spearman"].high or 0) - float(each["spearman"].low or 0) for each in (resampled, linear)]
    assert widths[1] == pytest.approx(widths[0], rel=0.25)


def test_who_says_the_same_of_everything_has_no_value_and_does_not_count() -> None:
    people: dict[str, Row] = {"anna": [1, 2, 3, 4, 5], "boris": [2, 1, 3, 5, 4], "carla": [3, 3, 3, 3, 3]}
    found = human_ceiling(scores(people, {"gpt": [1, 2, 3, 4, 5]}), resampling=QUICK)
    carla = dict(found.annotators)["carla"]["spearman"]
    assert (carla.value, carla.reason and carla.reason.code) == (None, "constant")
    assert found.mean is not None
    assert found.mean["spearman"].n_raters == 2


def test_annotators_who_share_few_items_with_others_are_resampled_without_a_warning() -> None:
    people: dict[str, Row] = {
        "anna": [1, 2, 3, *[None] * 40],
        "boris": [3, 1, 2, *range(40)],
        "carla": [None, 4, 3, *range(1, 41)],
    }
    found = human_ceiling(scores(people, {"gpt": [1] * 43}), resampling=QUICK)
    anna = dict(found.annotators)["anna"]["pearson"]
    assert anna.value is not None
    assert anna.n_items == 3


def test_very_many_annotators_are_not_held_against_each_other() -> None:
    crowd = random_scores(4, people=301, items=5)
    found = human_ceiling(crowd, resampling=QUICK)
    assert found.reason is not None
    assert found.reason.code == "too-many-annotators"
    assert by_annotators(crowd, crowd.judge) == [[], [], []]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (Reason("not-numeric", "x"), "not-numeric"),
        (scores({"anna": [1, 2, 3]}, {"gpt": [1, 2, 3]}), "one-annotator"),
        (scores({"anna": ["a"], "boris": ["b"]}, {"gpt": ["a"]}, Level.NOMINAL), "no-order"),
    ],
)
def test_without_a_ceiling_there_is_a_reason(given: Scores | Reason, code: str) -> None:
    found = human_ceiling(given, resampling=QUICK).as_json()
    assert (found["annotators"], found["mean"], found["reason_code"]) == ([], None, code)
    assert found["reason"]
