"""Rho by the number of annotators: equal to a loop over scipy, with holes; subsets drawn; many annotators; nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.models import Level
from annotator_ops.stats.judges.curve import MOST_SUBSETS, Step, by_annotators
from annotator_ops.stats.judges.scores import Scores
from tests.stats.judges.made import random_scores, scores


def by_scipy(found: Scores, judge: int, k: int) -> list[float]:
    values = []
    for subset in combinations(found.human, k):
        mean = np.mean(subset, axis=0)
        both = ~np.isnan(mean + found.judge[judge])
        if both.sum() >= 3 and np.ptp(mean[both]) > 1e-9 and np.ptp(found.judge[judge][both]) > 0:
            values.append(float(stats.spearmanr(mean[both], found.judge[judge][both])[0]))
    return values


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.1, 0.5]), st.integers(1, 5), st.integers(4, 40))
def test_all_subsets_are_those_of_a_loop_over_scipy(seed: int, missing: float, people: int, items: int) -> None:
    found = random_scores(seed, people=people, items=items, missing=missing)
    rated = int((~np.isnan(found.human)).any(axis=1).sum())
    for judge, steps in enumerate(by_annotators(found, found.judge)):
        assert [step.k for step in steps] == list(range(1, rated + 1))
        for step in steps:
            expected = by_scipy(found, judge, step.k)
            assert step.n_subsets == len(expected)
            if expected:
                assert step.spearman == pytest.approx(np.mean(expected), abs=1e-9)
                assert (step.low, step.high) == pytest.approx((min(expected), max(expected)), abs=1e-9)
            else:
                assert (step.spearman, step.low, step.high) == (None, None, None)


def test_of_many_subsets_some_are_drawn_each_once_and_the_same_with_the_same_seed() -> None:
    found = random_scores(7, people=12, items=60)
    steps = by_annotators(found, found.judge[:1], seed=3)[0]
    assert [step.n_subsets for step in steps] == [min(comb(12, k), MOST_SUBSETS) for k in range(1, 13)]
    assert steps == by_annotators(found, found.judge[:1], seed=3)[0]
    expected = by_scipy(found, 0, 6)
    middle = steps[5]
    assert middle.spearman == pytest.approx(np.mean(expected), abs=0.01)
    assert middle.low is not None and middle.high is not None
    assert min(expected) <= middle.low < middle.high <= max(expected)


def test_more_annotators_are_followed_better() -> None:
    found = random_scores(8, people=8, items=400)
    values = [step.spearman or 0.0 for step in by_annotators(found, found.judge[:1])[0]]
    assert values == sorted(values)
    assert values[-1] > values[0] + 0.03


def test_of_many_annotators_not_every_number_is_looked_at() -> None:
    found = random_scores(9, people=40, items=30)
    sizes = [step.k for step in by_annotators(found, found.judge[:1])[0]]
    assert len(sizes) <= 12
    assert (sizes[0], sizes[-1]) == (1, 40)
    assert sizes == sorted(set(sizes))


def test_items_in_blocks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found = random_scores(10, people=6, items=50, missing=0.1)
    whole = by_annotators(found, found.judge)
    monkeypatch.setattr("annotator_ops.stats.judges.curve._CELLS_AT_ONCE", 120)
    assert by_annotators(found, found.judge) == whole


def test_there_is_no_curve_of_labels_or_of_nobody_in_particular() -> None:
    labels = scores({"anna": ["a", "b"]}, {"gpt": ["a", "b"]}, Level.NOMINAL)
    assert by_annotators(labels, labels.judge) == [[]]
    crowd = replace(random_scores(1), anonymous=True)
    assert by_annotators(crowd, crowd.judge) == [[], [], []]


def test_a_step_is_plain_json() -> None:
    assert Step(2, None, None, None, 0).as_json() == {
        "k": 2, "spearman": None, "low": None, "high": None, "n_subsets": 0,
    }  # fmt: skip
