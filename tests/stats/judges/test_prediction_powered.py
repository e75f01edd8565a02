"""A mean from few human and many judge labels: the published formulas, coverage on SummEval, when it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.models import Level
from annotator_ops.stats.judges.ensembles import EVERYBODY
from annotator_ops.stats.judges.prediction_powered import few_labels, prediction_powered_mean
from annotator_ops.stats.judges.scores import Scores
from annotator_ops.stats.values import FloatArray
from tests.stats.judges.summeval import judges_of, people_of

Y = np.array([3.0, 4, 2, 5, 4, 3])
F = np.array([4.0, 4, 2, 5, 5, 3])
OTHERS = np.array([4.0, 3, 5, 2, 4, 4, 5, 3, 1, 4])

scores = st.lists(st.sampled_from([1.0, 2, 3, 4, 5]), min_size=2, max_size=12)


def scores_of(human: Any, judge: Any, *, level: Level = Level.ORDINAL) -> Scores:
    people, judges = np.atleast_2d(human).astype(float), np.atleast_2d(judge).astype(float)
    items = tuple(f"i{number}" for number in range(people.shape[1]))
    names = tuple(f"judge {row}" for row in range(len(judges)))
    unknown = np.full(judges.shape, np.nan)
    return Scores(items, tuple(f"p{row}" for row in range(len(people))), names, people, judges, unknown, level)


def half_labelled(n: int = 200, labelled: int = 40, *, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """People's scores, known of a random sample of items, and a judge's of all."""
    random = np.random.default_rng(seed)
    human = random.integers(1, 6, size=n).astype(float)
    judge = np.clip(human + random.integers(-1, 3, size=n), 1, 5).astype(float)
    human[random.permutation(n)[labelled:]] = np.nan
    return human, judge


def test_the_vector_to_eight_digits() -> None:
    estimate, tuning = prediction_powered_mean(Y, F, OTHERS)
    assert tuning == pytest.approx(0.39511494, abs=5e-9)
    assert estimate.value == pytest.approx(3.36829502, abs=5e-9)
    assert estimate.low == pytest.approx(2.79916892, abs=5e-9)
    assert estimate.high == pytest.approx(3.93742111, abs=5e-9)
    assert (estimate.confidence, estimate.n_items) == (0.95, 16)


def test_a_small_sample_has_a_wider_interval_around_the_same_value() -> None:
    plain, _ = prediction_powered_mean(Y, F, OTHERS)
    wider, tuning = prediction_powered_mean(Y, F, OTHERS, small_sample=True)
    assert tuning is not None and wider.low is not None and wider.high is not None and plain.high is not None
    assert wider.value == plain.value
    assert wider.high > plain.high
    error = np.sqrt(tuning**2 * OTHERS.var(ddof=1) / 10 + (Y - tuning * F).var(ddof=1) / 6)
    assert wider.high - wider.low == pytest.approx(2 * stats.t.ppf(0.975, 5) * error)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=12), scores)
def test_the_formula_written_out(pairs: list[tuple[int, int]], others: list[float]) -> None:
    human, judge = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    unlabelled = np.array(others)
    everything = np.concatenate([judge, unlabelled])
    estimate, tuning = prediction_powered_mean(human, judge, unlabelled)
    n, size = len(human), len(unlabelled)
    spread = everything.var(ddof=1)
    expected = np.cov(human, judge, ddof=0)[0, 1] / ((1 + n / size) * spread) if spread > 0 else 0.0
    assert tuning == pytest.approx(min(1, max(0, expected)), abs=1e-12)
    assert estimate.value == pytest.approx(tuning * unlabelled.mean() + (human - tuning * judge).mean(), abs=1e-12)


@settings(max_examples=30)
@given(st.floats(-100, 100), st.floats(-100, 100))
def test_a_judge_that_is_off_by_the_same_everywhere_changes_nothing(of_people: float, of_judge: float) -> None:
    plain, tuning = prediction_powered_mean(Y, F, OTHERS)
    moved, again = prediction_powered_mean(Y + of_people, F + of_judge, OTHERS + of_judge)
    assert plain.value is not None
    assert again == pytest.approx(tuning, abs=1e-9)
    assert moved.value == pytest.approx(plain.value + of_people, abs=1e-9)


@pytest.mark.parametrize("judge", [np.full(6, 3.0), -Y], ids=["constant", "the wrong way round"])
def test_a_judge_of_no_use_is_not_used(judge: FloatArray) -> None:
    estimate, tuning = prediction_powered_mean(Y, judge, np.full(10, judge[0]))
    assert tuning == 0
    assert estimate.value == Y.mean()


def test_a_perfect_judge_of_many_items_makes_the_interval_that_of_the_many() -> None:
    random = np.random.default_rng(1)
    judge = random.integers(1, 6, size=10_100).astype(float)
    estimate, tuning = prediction_powered_mean(judge[:100], judge[:100], judge[100:])
    assert tuning is not None and tuning > 0.9
    assert estimate.high is not None and estimate.low is not None
    alone = 2 * 1.96 * judge[:100].std() / 10
    assert estimate.high - estimate.low < alone / 3


@pytest.mark.parametrize(
    ("n", "size", "code"), [(1, 10, "too-few-labels"), (0, 10, "too-few-labels"), (6, 1, "too-few-items")]
)
def test_too_few_of_either_have_no_mean(n: int, size: int, code: str) -> None:
    estimate, tuning = prediction_powered_mean(Y[:n], F[:n], OTHERS[:size])
    assert estimate.value is None and tuning is None
    assert estimate.reason is not None and estimate.reason.code == code


def test_without_variation_there_is_no_interval() -> None:
    estimate, _ = prediction_powered_mean(np.full(5, 3.0), np.full(5, 2.0), np.full(9, 2.0))
    assert (estimate.value, estimate.low, estimate.high) == (3.0, None, None)
    assert "no variation" in estimate.method


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="6 labels do not fit 5"):
        prediction_powered_mean(Y, F[:5], OTHERS)


# --- coverage ------------------------------------------------------------------------------------------------------


def drawn(
    human: FloatArray, judge: FloatArray, *, labelled: int, repeats: int, small_sample: bool = False
) -> dict[str, tuple[float, float]]:
    """How often each interval covers the mean of all items' human scores, and how wide it is on average."""
    random = np.random.default_rng(20)
    truth = human.mean()
    covered: dict[str, list[bool]] = {"combined": [], "people": [], "judge": []}
    widths: dict[str, list[float]] = {name: [] for name in covered}

    def note(name: str, low: float, high: float) -> None:
        covered[name].append(low <= truth <= high)
        widths[name].append(high - low)

    for _ in range(repeats):
        chosen = np.zeros(len(human), dtype=bool)
        chosen[random.permutation(len(human))[:labelled]] = True
        known = np.where(chosen, human, np.nan)
        estimate, _ = prediction_powered_mean(human[chosen], judge[chosen], judge[~chosen], small_sample=small_sample)
        assert estimate.low is not None and estimate.high is not None
        note("combined", estimate.low, estimate.high)
        own = known[chosen]
        half = stats.t.ppf(0.975, labelled - 1) * own.std(ddof=1) / np.sqrt(labelled)
        note("people", own.mean() - half, own.mean() + half)
        half = 1.96 * judge.std(ddof=1) / np.sqrt(len(judge))
        note("judge", judge.mean() - half, judge.mean() + half)
    return {name: (float(np.mean(covered[name])), float(np.mean(widths[name]))) for name in covered}


def test_on_summeval_it_covers_with_less_width_where_the_judge_alone_never_does(
    shared_data: Callable[[str], Path],
) -> None:
    """100 of the 1,200 summaries' relevance labelled, drawn 1,000 times; what all experts say is the truth."""
    human, judge = people_of("relevance", shared_data), judges_of("relevance", shared_data).mean(axis=0)
    repeats = 1000
    found = drawn(human, judge, labelled=100, repeats=repeats)
    # Four standard errors of a share of .95; drawn without replacement the truth is covered somewhat more often.
    margin = 4 * np.sqrt(0.95 * 0.05 / repeats)
    for name in ("combined", "people"):
        assert 0.95 - margin <= found[name][0] <= 0.95 + margin, found
    assert found["judge"][0] == 0
    assert found["combined"][1] < 0.9 * found["people"][1]


def test_few_labels_need_students_t(shared_data: Callable[[str], Path]) -> None:
    human, judge = people_of("relevance", shared_data), judges_of("relevance", shared_data).mean(axis=0)
    published = drawn(human, judge, labelled=10, repeats=1000)["combined"][0]
    students = drawn(human, judge, labelled=10, repeats=1000, small_sample=True)["combined"][0]
    assert published < 0.91 < students, (published, students)


# --- of a criterion ------------------------------------------------------------------------------------------------


def test_people_judge_and_both_beside_each_other() -> None:
    human, judge = half_labelled()
    found = few_labels(scores_of([human, human], [judge, judge + 1]), random_sample=True)
    assert found is not None
    assert (found["n_labelled"], found["n_unlabelled"], found["reason"]) == (40, 160, None)
    assert [entry["rater"] for entry in found["judges"]] == ["judge 0", "judge 1", EVERYBODY]
    first, second, both = found["judges"]
    known = ~np.isnan(human)
    estimate, tuning = prediction_powered_mean(human[known], judge[known], judge[~known], small_sample=True)
    assert first["combined"] == estimate.as_json()
    assert first["lambda"] == tuning
    assert first["people_only"]["value"] == human[known].mean()
    assert first["judge_only"]["value"] == judge.mean()
    assert second["judge_only"]["value"] == pytest.approx(judge.mean() + 1)
    assert second["combined"]["value"] == pytest.approx(estimate.value), "a severe judge is corrected"
    assert both["combined"]["value"] == pytest.approx(estimate.value)


def test_from_many_labels_on_the_interval_is_the_published_one() -> None:
    human, judge = half_labelled(600, 150)
    found = few_labels(scores_of(human, judge), random_sample=True)
    known = ~np.isnan(human)
    assert found is not None
    estimate, _ = prediction_powered_mean(human[known], judge[known], judge[~known])
    assert found["judges"][0]["combined"] == estimate.as_json()


@pytest.mark.parametrize("labelled", [0, 200], ids=["nobody rated", "all are rated"])
def test_there_is_nothing_to_combine(labelled: int) -> None:
    human, judge = half_labelled(labelled=labelled)
    assert few_labels(scores_of(human, judge), random_sample=True) is None
    assert few_labels(scores_of(human, np.empty((0, 200))), random_sample=True) is None


def test_what_is_not_declared_is_not_used() -> None:
    human, judge = half_labelled()
    found = few_labels(scores_of(human, judge), random_sample=False)
    assert found is not None
    assert (found["judges"], found["reason_code"]) == ([], "sample-undeclared")
    assert found["random_sample"]["declared"] is False


def test_the_best_items_are_no_random_sample_whatever_is_declared() -> None:
    human, judge = half_labelled(labelled=200)
    human[np.argsort(judge)[:150]] = np.nan
    found = few_labels(scores_of(human, judge), random_sample=True)
    assert found is not None
    assert (found["judges"], found["reason_code"]) == ([], "not-random-sample")
    assert "judges' scores" in found["reason"]


def test_categories_have_no_mean() -> None:
    human, judge = half_labelled()
    found = few_labels(scores_of(human, judge, level=Level.NOMINAL), random_sample=True)
    assert found is not None
    assert (found["judges"], found["reason_code"]) == ([], "no-order")


def test_a_judge_without_any_score_is_no_judge() -> None:
    human, judge = half_labelled()
    found = few_labels(scores_of(human, [judge, np.full(200, np.nan)]), random_sample=True)
    assert found is not None
    assert [entry["rater"] for entry in found["judges"]] == ["judge 0"]


def test_a_judge_that_refuses_what_is_bad_does_not_move_the_mean() -> None:
    """The mean is of all items, those that the judge refused as well."""
    random = np.random.default_rng(6)
    inside = 0
    for _ in range(100):
        quality = random.standard_normal(400)
        judge = np.where(quality > -0.5, quality + 0.3 * random.standard_normal(400), np.nan)
        human = np.where(random.permutation(400) < 120, quality, np.nan)
        found = few_labels(scores_of(human, judge, level=Level.INTERVAL), random_sample=True)
        assert found is not None
        (entry,) = found["judges"]
        assert entry["n_without_score"] == int(np.isnan(judge).sum())
        assert (entry["n_labelled"], entry["n_unlabelled"]) == (120, 280)
        inside += entry["combined"]["low"] <= quality.mean() <= entry["combined"]["high"]
    assert inside >= 90
