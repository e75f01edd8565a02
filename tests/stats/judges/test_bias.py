"""Bias of judges: values by hand and by numpy, intervals that cover, what each bias is not, what has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from annotator_ops.judge_settings import Judging
from annotator_ops.measures import Reason
from annotator_ops.models import Level
from annotator_ops.stats.context import Context, Position
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.bias import Bias, biases, position_bias, position_of
from annotator_ops.stats.judges.scores import Scores
from annotator_ops.stats.values import FloatArray
from tests.stats.judges.made import Row, random_scores, scores

QUICK = Resampling(resamples=300)


def bias_of(found: Scores, context: Context | None = None, *, judge: int = 0) -> Bias:
    return biases(found, found.judges, context=context or Context(), resampling=QUICK)[judge]


def with_judge(found: Scores, judge: FloatArray) -> Scores:
    return replace(found, judges=("gpt",), judge=judge[None, :], confidence=np.full((1, len(judge)), np.nan))


def test_a_mild_judge_of_the_same_spread() -> None:
    people: dict[str, Row] = {"anna": [1, 2, 3, 4, 5, 2], "boris": [2, 2, 4, 4, 3, None]}
    means = [1.5, 2, 3.5, 4, 4, 2]
    found = bias_of(scores(people, {"gpt": [mean + 0.5 for mean in means]}))
    assert found.severity.value == pytest.approx(0.5)
    assert found.spread_ratio.value == pytest.approx(1)
    assert found.severity.n_items == 6
    assert (found.severity.low, found.spread_ratio.low) == (None, None)
    assert "same value" in found.severity.method
    assert (found.length, found.position, found.self_preference) == (None, None, None)


def test_severity_and_spread_are_those_of_numpy_on_the_items_of_both() -> None:
    given = random_scores(1, missing=0.2)
    for row, judge in enumerate(given.judge):
        both = ~np.isnan(given.human_mean + judge)
        found = bias_of(given, judge=row)
        assert found.severity.value == pytest.approx(np.mean(judge[both] - given.human_mean[both]), abs=1e-12)
        expected = np.std(judge[both]) / np.std(given.human_mean[both])
        assert found.spread_ratio.value == pytest.approx(expected, abs=1e-12)
        assert found.severity.n_items == int(both.sum())
        for estimate in (found.severity, found.spread_ratio):
            assert estimate.low is not None and estimate.high is not None and estimate.value is not None
            assert estimate.low < estimate.value < estimate.high
            assert estimate.n_raters == 4


def test_the_influences_are_those_of_the_bootstrap() -> None:
    given = random_scores(2, items=300)
    systems = {item: "own" if number % 3 else "other" for number, item in enumerate(given.items)}
    context = Context(systems=systems, judging=Judging(relatives={"judge-1": ("own",)}))
    found = bias_of(given, context)
    source = np.random.default_rng(3)
    d = given.judge[0] - given.human_mean
    own = np.array([systems[item] == "own" for item in given.items])
    drawn = []
    for _ in range(2000):
        items = source.integers(0, 300, 300)
        spread = np.std(given.judge[0][items]) / np.std(given.human_mean[items])
        own_drawn = own[items]
        drawn.append((d[items].mean(), spread, d[items][own_drawn].mean() - d[items][~own_drawn].mean()))
    assert found.self_preference is not None
    for estimate, values in zip(
        (found.severity, found.spread_ratio, found.self_preference), np.transpose(drawn), strict=True
    ):
        assert estimate.standard_error == pytest.approx(np.std(values), rel=0.08)
        low, high = np.quantile(values, [0.025, 0.975])
        assert [estimate.low, estimate.high] == pytest.approx([low, high], abs=0.15 * (high - low))


def test_a_judge_that_adds_points_for_length_has_a_length_bias_and_one_that_does_not_has_none() -> None:
    source = np.random.default_rng(4)
    given = random_scores(5, items=600)
    # Longer items are better by people's own measure: no bias of a judge that only follows that.
    truth = given.human_mean
    sizes = 20 + 10 * truth + source.normal(0, 5, 600)
    context = Context(sizes=dict(zip(given.items, sizes.tolist(), strict=True)))
    fair = bias_of(with_judge(given, truth + source.normal(0, 0.5, 600)), context).length
    unfair = bias_of(with_judge(given, truth + source.normal(0, 0.5, 600) + (sizes - 50) / 20), context).length
    assert fair is not None and unfair is not None
    assert fair.value is not None and fair.standard_error is not None
    assert abs(fair.value) < 3 * fair.standard_error < 0.15
    assert unfair.low is not None and unfair.low > 0.3
    judge = with_judge(given, truth + source.normal(0, 0.5, 600))
    found = bias_of(judge, context).length
    assert found is not None
    expected = stats.spearmanr((judge.judge[0] - truth).tolist(), sizes.tolist())[0]
    assert found.value == pytest.approx(expected, abs=1e-12)


def test_self_preference_is_beyond_what_people_prefer() -> None:
    given = random_scores(6, items=400)
    systems = {item: "own" if number < 200 else "other" for number, item in enumerate(given.items)}
    context = Context(systems=systems, judging=Judging(relatives={"gpt": ("own",)}))
    own = np.array([systems[item] == "own" for item in given.items])
    source = np.random.default_rng(7)
    # People, too, give the judge's family a point more.
    people = np.where(own, given.human + 1, given.human)
    better = replace(given, human=people)
    noise = source.normal(0, 0.5, 400)
    fair = bias_of(with_judge(better, better.human_mean + noise), context).self_preference
    unfair = bias_of(with_judge(better, better.human_mean + noise + 0.7 * own), context).self_preference
    assert fair is not None and unfair is not None
    assert fair.low is not None and fair.high is not None and fair.low < 0 < fair.high
    assert unfair.value == pytest.approx((fair.value or 0) + 0.7, abs=1e-9)


def test_a_version_of_a_judge_has_the_relatives_of_the_judge() -> None:
    given = scores({"anna": [1, 2, 3, 4]}, {"gpt · v1": [3, 4, 3, 4]})
    systems = {f"item-{number}": "own" if number < 3 else "other" for number in range(1, 5)}
    found = bias_of(given, Context(systems=systems, judging=Judging(relatives={"gpt": ("own",)})))
    assert found.self_preference is not None
    assert found.self_preference.value == 2


@pytest.mark.parametrize("systems", [{}, {"item-1": "other"}, {"item-1": "own", "item-2": "own", "item-3": "own"}])
def test_without_items_of_both_there_is_no_self_preference(systems: dict[str, str]) -> None:
    given = scores({"anna": [1, 2, 3]}, {"gpt": [3, 4, 3]})
    found = bias_of(given, Context(systems=systems, judging=Judging(relatives={"gpt": ("own",)}))).self_preference
    assert found is not None and found.reason is not None
    assert (found.value, found.reason.code) == (None, "no-systems")


def test_what_cannot_be_compared_has_a_reason() -> None:
    labels = scores({"anna": ["a", "b"]}, {"gpt": ["a", "b"]}, Level.NOMINAL)
    nothing = biases(Reason("not-numeric", "x"), ("gpt",), context=Context(), resampling=QUICK)[0]
    constant = bias_of(scores({"anna": [2, 2, 2]}, {"gpt": [3, 4, 3]}))
    apart = bias_of(scores({"anna": [2, None, None]}, {"gpt": [None, 4, 3]}))
    codes = [
        [estimate.reason and estimate.reason.code for estimate in (found.severity, found.spread_ratio)]
        for found in (bias_of(labels), nothing, constant, apart)
    ]
    assert codes == [
        ["no-order", "no-order"],
        ["not-numeric", "not-numeric"],
        [None, "constant"],
        ["too-few-items", "too-few-items"],
    ]


def test_resamples_in_which_people_say_the_same_of_everything_are_left_out() -> None:
    found = bias_of(scores({"anna": [2, 2, 2, 3]}, {"gpt": [3, 4, 3, 5]})).spread_ratio
    assert found.value == pytest.approx(np.std([3, 4, 3, 5]) / np.std([2, 2, 2, 3]))
    assert found.low is None and "have no variation" in found.method


def test_position_is_of_pairs() -> None:
    """100 pairs: 60 with one verdict; of the 40 others 30 for what was first both times and 10 for what was second."""
    found = position_bias(Position(100, 60, 60 + 2 * 30), confidence=0.95)
    assert found.first_chosen.value == 0.6
    assert found.consistent.value == 0.6
    expected = stats.binomtest(60, 100).proportion_ci(method="wilson")
    for estimate in (found.first_chosen, found.consistent):
        assert [estimate.low, estimate.high] == pytest.approx([expected.low, expected.high])
    assert found.as_json()["n_pairs"] == found.first_chosen.n_items == 100


def test_positions_are_of_a_judge_and_a_criterion() -> None:
    known = Position(10, 5, 10)
    context = Context(positions={"gpt": {"quality": known, "style": Position(0, 0, 0)}})
    assert position_of("gpt", "quality", context) is known
    assert position_of("gpt", "style", context) is None
    assert position_of("llama", "quality", context) is None
