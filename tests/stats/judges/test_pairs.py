"""Judges with each other: equal to the tests of single pairs; which pairs; alpha; labels; holes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from annotator_ops.measures import Estimate
from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.contests import correlation_differences
from annotator_ops.stats.judges.pairs import judge_pairs, judges_data
from annotator_ops.stats.judges.permutation import correlation_difference
from annotator_ops.stats.judges.scores import Scores
from tests.stats.judges.made import Row, random_scores, scores

QUICK = Resampling(resamples=200)
EVERY = [(0, 1), (0, 2), (1, 2)]


def same(one: Estimate, other: Estimate) -> None:
    for name in ("value", "low", "high", "standard_error"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine == pytest.approx(theirs, abs=1e-12), name
    assert (one.method, one.n_items, one.reason) == (other.method, other.n_items, other.reason)


@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_many_pairs_at_once_have_what_each_has_alone(missing: float) -> None:
    given = random_scores(1, missing=missing, items=120)
    found = correlation_differences(given.human_mean, given.judge, EVERY, resampling=QUICK)
    for one, other in EVERY:
        alone = correlation_difference(given.human_mean, given.judge[one], given.judge[other], seed=0, resampling=QUICK)
        same(found[one, other].estimate, alone.estimate)
        assert found[one, other].p_value == pytest.approx(alone.p_value, abs=0.06)
        assert found[one, other].permutations == 1000


def test_a_worse_judge_is_told_from_better_ones_and_equals_are_not() -> None:
    source = np.random.default_rng(2)
    given = random_scores(3, items=300, judges=3)
    truth = given.human_mean
    judge = np.stack([np.round(truth + source.normal(0, spread, 300)) for spread in (0.5, 0.5, 2.5)])
    found = correlation_differences(truth, judge, EVERY, resampling=QUICK)
    assert found[0, 1].p_value is not None and found[0, 1].p_value > 0.05
    for pair in ((0, 2), (1, 2)):
        assert found[pair].p_value == pytest.approx(1 / 1001)
        assert (found[pair].estimate.low or 0) > 0.2


def test_p_values_are_uniform_where_judges_are_equally_good() -> None:
    """Equally noisy judges of truths that people know: the share of p ≤ .2 over 150 studies is near .2."""
    source = np.random.default_rng(4)
    low = 0
    for _ in range(150):
        truth = np.round(source.normal(3, 1, 60))
        judge = np.round(truth + source.normal(0, 1, (2, 60))) * [[1.0], [2.0]]
        found = correlation_differences(truth, judge, [(0, 1)], resampling=Resampling(resamples=20))
        low += (found[0, 1].p_value or 0) <= 0.2
    assert stats.binomtest(low, 150, 0.2).pvalue > 0.01


def test_scores_of_very_many_values_are_tested_pair_by_pair() -> None:
    source = np.random.default_rng(5)
    human = source.normal(size=150)
    judge = human + source.normal(size=(2, 150))
    found = correlation_differences(human, judge, [(0, 1)], resampling=QUICK)[0, 1]
    alone = correlation_difference(human, judge[0], judge[1], seed=0, resampling=QUICK)
    same(found.estimate, alone.estimate)
    assert found.p_value == alone.p_value


def test_constant_and_absent_judges_have_the_reason_of_the_single_pair() -> None:
    people: dict[str, Row] = {"anna": [1, 2, 3, 4, 5]}
    given = scores(people, {"a": [1, 2, 4, 3, 5], "b": [2, 2, 2, 2, 2], "c": [None, None, None, 1, 2]})
    found = correlation_differences(given.human_mean, given.judge, EVERY, resampling=QUICK)
    reasons = [found[pair].estimate.reason for pair in EVERY]
    assert [reason and reason.code for reason in reasons] == ["constant", "too-few-items", "too-few-items"]
    assert all(found[pair].p_value is None for pair in EVERY)


def test_every_two_judges_with_agreement_between_them() -> None:
    given = random_scores(6, missing=0.1)
    found = judge_pairs(given, [0.1, 0.2, 0.3], resampling=QUICK)
    assert [pair.raters for pair in found] == [(given.judges[one], given.judges[other]) for one, other in EVERY]
    for pair, (one, other) in zip(found, EVERY, strict=True):
        both = ~np.isnan(given.judge[one] + given.judge[other])
        expected = stats.spearmanr(given.judge[one][both], given.judge[other][both])[0]
        assert pair.spearman.value == pytest.approx(expected, abs=1e-12)
        assert pair.n_items == pair.spearman.n_items == int(both.sum())
        alpha = krippendorff_alpha(judges_data(given).pair(one, other)).value
        assert pair.krippendorff_alpha.value == pytest.approx(alpha, abs=1e-12)
    plain = found[0].as_json()
    keys = {"raters", "n_items", "spearman", "krippendorff_alpha", "spearman_difference", "p_value", "method"}
    assert plain.keys() == keys


def test_of_many_judges_only_neighbours_are_compared() -> None:
    given = random_scores(7, judges=9, items=40)
    rhos: list[float | None] = [0.5, 0.9, None, 0.1, 0.7, 0.3, 0.6, 0.2, 0.8]
    found = judge_pairs(given, rhos, resampling=QUICK)
    order = [given.judges[row] for row in (1, 8, 4, 6, 0, 5, 7, 3)]
    assert [pair.raters for pair in found] == list(pairwise(order))
    eight = random_scores(7, judges=8, items=40)
    assert len(judge_pairs(eight, [None] * 8, resampling=QUICK)) == 28


def test_labels_have_an_alpha_and_no_order() -> None:
    given = scores({"anna": ["x", "y", "x"]}, {"a": ["x", "y", "y"], "b": ["x", "y", "x"]}, Level.NOMINAL)
    (pair,) = judge_pairs(given, [None, None], resampling=QUICK)
    assert pair.krippendorff_alpha.value == pytest.approx(4 / 9)
    for estimate in (pair.spearman, pair.difference.estimate):
        assert estimate.reason is not None
        assert estimate.reason.code == "no-order"


def test_one_judge_is_no_pair() -> None:
    given: Scores = scores({"anna": [1, 2, 3]}, {"a": [1, 2, 3]})
    assert judge_pairs(given, [1.0], resampling=QUICK) == []
