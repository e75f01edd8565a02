"""The alternative annotator test: the published results first, then the definition written out, then its properties."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from annotator_ops.stats.judges.alt_test import (
    LEAST_ITEMS,
    AltTest,
    alternative_annotator_test,
    benjamini_yekutieli,
)
from annotator_ops.stats.values import FloatArray

DATA_SETS = ("wax", "lgbteen", "mtbench", "10k_prompts", "summeval")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def matrix(
    given: list[dict[str, str]], raters: list[str], items: dict[str, int], *, nominal: bool, codes: dict[str, int]
) -> FloatArray:
    """Raters × items; labels by their place in `codes`, which grows."""
    ratings = np.full((len(raters), len(items)), np.nan)
    places = {name: row for row, name in enumerate(raters)}
    for row in given:
        if row["value"]:
            value = codes.setdefault(row["value"], len(codes)) if nominal else float(row["value"])
            ratings[places[row["rater"]], items[row["item"]]] = value
    return ratings


@pytest.mark.parametrize("name", DATA_SETS)
def test_every_published_cell_to_two_decimals(name: str, shared_data: Callable[[str], Path]) -> None:
    """Calderon, Reichart and Dror 2025, from the authors' data."""
    published = json.loads(shared_data("alttest/published.json").read_text())
    assert set(published) == set(DATA_SETS)
    one = published[name]
    humans = rows(shared_data(f"alttest/{name}/humans.csv"))
    models = rows(shared_data(f"alttest/{name}/llms.csv"))
    nominal = one["score"] == "accuracy"
    items = {item: place for place, item in enumerate(dict.fromkeys(row["item"] for row in [*humans, *models]))}
    people, judges = (list(dict.fromkeys(row["rater"] for row in table)) for table in (humans, models))
    codes: dict[str, int] = {}
    human = matrix(humans, people, items, nominal=nominal, codes=codes)
    scores = matrix(models, judges, items, nominal=nominal, codes=codes)
    assert set(one["published"]) == set(judges)
    for judge, own in zip(judges, scores, strict=True):
        found = alternative_annotator_test(human, own, people=people, nominal=nominal, epsilon=one["epsilon"])
        assert found.winning_rate is not None
        assert found.advantage_probability is not None
        said = {
            "winning_rate": round(found.winning_rate, 2),
            "advantage_probability": round(found.advantage_probability, 2),
        }
        assert said == one["published"][judge], judge


def written_out(human: FloatArray, judge: FloatArray, *, nominal: bool, epsilon: float) -> dict[int, tuple[float, ...]]:
    """The test as its authors describe it, item by item; by annotator: items, shares of wins, p-value, beaten."""

    def score(one: float, others: list[float]) -> float:
        if nominal:
            return float(np.mean([one == other for other in others]))
        return -float(np.sqrt(np.mean([(one - other) ** 2 for other in others])))

    found: dict[int, tuple[float, ...]] = {}
    for j in range(len(human)):
        judge_wins, annotator_wins = [], []
        for item in range(human.shape[1]):
            others = [float(human[i, item]) for i in range(len(human)) if i != j and not np.isnan(human[i, item])]
            if np.isnan(human[j, item]) or np.isnan(judge[item]) or not others:
                continue
            mine, its = score(float(human[j, item]), others), score(float(judge[item]), others)
            judge_wins.append(float(its >= mine))
            annotator_wins.append(float(mine >= its))
        if len(judge_wins) >= LEAST_ITEMS:
            differences = np.array(annotator_wins) - np.array(judge_wins)
            p = (
                float(stats.ttest_1samp(differences, epsilon, alternative="less").pvalue)
                if len(set(differences.tolist())) > 1
                else float(differences.mean() >= epsilon)
            )
            found[j] = (len(judge_wins), float(np.mean(judge_wins)), float(np.mean(annotator_wins)), p)
    rejected = multipletests([p for *_, p in found.values()], alpha=0.05, method="fdr_by")[0]
    return {j: (*one, float(is_beaten)) for (j, one), is_beaten in zip(found.items(), rejected, strict=True)}


def studies(n: int) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Seeded studies of whole scores with gaps, ties everywhere, and annotators and judges of all qualities."""
    for seed in range(n):
        random = np.random.default_rng(seed)
        people, items = int(random.integers(2, 7)), int(random.integers(60, 100))
        truth = random.integers(1, 6, size=items)
        noise = random.uniform(0.2, 1.5, size=(people + 1, 1))
        ratings = np.clip(np.rint(truth + noise * random.standard_normal((people + 1, items))), 1, 5)
        ratings[random.random(ratings.shape) < 0.15] = np.nan
        yield ratings[:-1], ratings[-1]


@pytest.mark.parametrize("nominal", [True, False])
def test_it_is_the_test_that_the_authors_describe(nominal: bool) -> None:
    beaten = 0
    for number, (human, judge) in enumerate(studies(40)):
        people = [f"p{row}" for row in range(len(human))]
        epsilon = (0.0, 0.1, 0.2)[number % 3]
        found = alternative_annotator_test(human, judge, people=people, nominal=nominal, epsilon=epsilon)
        expected = written_out(human, judge, nominal=nominal, epsilon=epsilon)
        assert [one.rater for one in found.annotators] == people
        tested = {row for row, one in enumerate(found.annotators) if one.reason is None}
        assert tested == set(expected)
        for row, wanted in expected.items():
            one = found.annotators[row]
            mine = (one.n_items, one.judge_wins, one.annotator_wins, one.p_value, float(bool(one.beaten)))
            assert mine == pytest.approx(wanted, abs=1e-12)
            beaten += bool(one.beaten)
        assert found.winning_rate == pytest.approx(np.mean([one[-1] for one in expected.values()]))
        assert found.advantage_probability == pytest.approx(np.mean([one[1] for one in expected.values()]))
    assert 20 < beaten < 140  # so that both outcomes were compared


@settings(deadline=None)
@given(st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.05]), min_size=1, max_size=30), st.floats(0.01, 0.3))
def test_false_discoveries_are_held_as_statsmodels_holds_them(p_values: list[float], q: float) -> None:
    expected = multipletests(p_values, alpha=q, method="fdr_by")[0]
    assert benjamini_yekutieli(p_values, q=q).tolist() == expected.tolist()


def test_a_judge_that_copies_an_annotator_ties_with_them() -> None:
    for human, _ in studies(10):
        people = [f"p{row}" for row in range(len(human))]
        for nominal in (True, False):
            for epsilon, p in ((0.1, 0.0), (0.0, 1.0)):
                copied = alternative_annotator_test(human, human[0], people=people, nominal=nominal, epsilon=epsilon)
                own = copied.annotators[0]
                assert (own.judge_wins, own.annotator_wins) == (1.0, 1.0)
                assert own.p_value == p  # all differences are 0: below ε for certain, or not
                assert own.beaten is (p == 0.0)


def anonymous(found: AltTest) -> tuple[object, ...]:
    return (found.winning_rate, found.passes, *sorted((one.n_items, one.p_value or 0.0) for one in found.annotators))


def test_neither_the_order_of_annotators_nor_that_of_items_matters() -> None:
    for seed, (human, judge) in enumerate(studies(10)):
        people = [f"p{row}" for row in range(len(human))]
        random = np.random.default_rng(seed)
        rows_, columns = random.permutation(len(human)), random.permutation(len(judge))
        for nominal in (True, False):
            one = alternative_annotator_test(human, judge, people=people, nominal=nominal, epsilon=0.1)
            other = alternative_annotator_test(
                human[rows_][:, columns],
                judge[columns],
                people=[people[row] for row in rows_],
                nominal=nominal,
                epsilon=0.1,
            )
            assert {each.rater: each for each in one.annotators} == {each.rater: each for each in other.annotators}
            assert anonymous(one) == anonymous(other)
            assert one.advantage_probability == pytest.approx(other.advantage_probability)


@settings(deadline=None, max_examples=50)
@given(
    st.integers(0, 9),
    st.floats(0.001, 1000),
    st.sampled_from([-1.0, 1.0]),
    st.floats(-1000, 1000),
)
def test_another_unit_or_zero_of_the_scores_changes_nothing(seed: int, unit: float, sign: float, zero: float) -> None:
    """Ties stay ties though sums of scaled scores are rounded; so do the scale's two ends when they change places."""
    human, judge = list(studies(seed + 1))[seed]
    people = [f"p{row}" for row in range(len(human))]
    one = alternative_annotator_test(human, judge, people=people, nominal=False, epsilon=0.15)
    other = alternative_annotator_test(
        human * (sign * unit) + zero, judge * (sign * unit) + zero, people=people, nominal=False, epsilon=0.15
    )
    assert one == other


def test_the_codes_of_categories_do_not_matter() -> None:
    for human, judge in studies(10):
        people = [f"p{row}" for row in range(len(human))]
        code = np.array([np.nan, 70.0, 3.0, 12.0, 0.0, 41.0])
        other = [code[np.nan_to_num(part).astype(int)] for part in (human, judge)]
        one = alternative_annotator_test(human, judge, people=people, nominal=True, epsilon=0.1)
        assert one == alternative_annotator_test(*other, people=people, nominal=True, epsilon=0.1)


def test_the_nearest_judge_passes_and_a_blind_one_does_not() -> None:
    random = np.random.default_rng(3)
    truth = random.integers(1, 6, size=200)
    human = np.clip(np.rint(truth + random.standard_normal((4, 200))), 1, 5)
    people = ["a", "b", "c", "d"]
    good = alternative_annotator_test(human, truth.astype(float), people=people, nominal=False, epsilon=0.15)
    blind = random.integers(1, 6, size=200).astype(float)
    bad = alternative_annotator_test(human, blind, people=people, nominal=False, epsilon=0.15)
    assert (good.winning_rate, good.passes) == (1.0, True)
    assert (bad.winning_rate, bad.passes) == (0.0, False)
    assert good.as_json()["score"] == "-RMSE"
    assert good.as_json()["annotators"][0] == {
        "rater": "a",
        "n_items": 200,
        "judge_wins": good.annotators[0].judge_wins,
        "annotator_wins": good.annotators[0].annotator_wins,
        "p_value": good.annotators[0].p_value,
        "beaten": True,
        "reason": None,
    }


def test_who_rated_too_little_is_not_tested_but_stands_among_the_others() -> None:
    human = np.full((3, 60), np.nan)
    human[0] = 1.0
    human[1, :40] = 1.0
    human[2, 31:] = 5.0  # 29 items
    found = alternative_annotator_test(human, np.full(60, 5.0), people=["a", "b", "c"], nominal=False, epsilon=0.1)
    one, two, three = found.annotators
    assert (one.n_items, two.n_items, three.n_items) == (60, 40, 29)
    assert three.beaten is three.p_value is None
    assert three.reason is not None
    assert three.reason.sentence == "c shares 29 items with another annotator and the judge; the test needs 30."
    # The judge is c's double: it wins against a where only c rated too.
    assert one.judge_wins == pytest.approx(29 / 60)
    assert found.winning_rate == 0.0
    assert found.as_json()["reason"] is None


@pytest.mark.parametrize(
    ("people", "items", "code", "words"),
    [
        (0, 50, "one-annotator", "There is no annotator"),
        (1, 50, "one-annotator", "There is one annotator only"),
        (3, 29, "too-few-items", "the most are 29."),
        (3, 0, "one-annotator", "There is no annotator"),
    ],
)
@pytest.mark.parametrize("nominal", [True, False])
def test_where_nobody_can_be_tested_it_says_why(people: int, items: int, code: str, words: str, nominal: bool) -> None:
    names = [f"p{row}" for row in range(people)]
    found = alternative_annotator_test(
        np.ones((people, items)), np.ones(items), people=names, nominal=nominal, epsilon=0.1
    )
    assert found.winning_rate is found.advantage_probability is found.passes is None
    said = found.as_json()
    assert said["reason_code"] == code
    assert words in said["reason"]
    assert len(said["annotators"]) == people


def test_a_judge_without_ratings_and_people_without_a_common_item() -> None:
    human = np.ones((2, 80))
    nothing = alternative_annotator_test(human, np.full(80, np.nan), people=["a", "b"], nominal=True, epsilon=0.1)
    assert nothing.reason is not None
    assert nothing.reason.code == "too-few-items"
    human[0, 40:] = np.nan
    human[1, :40] = np.nan
    apart = alternative_annotator_test(human, np.ones(80), people=["a", "b"], nominal=False, epsilon=0.1)
    assert [one.n_items for one in apart.annotators] == [0, 0]
    assert apart.reason is not None


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        alternative_annotator_test(np.ones((2, 5)), np.ones(6), people=["a", "b"], nominal=True, epsilon=0.1)


def test_ten_judges_of_a_large_study_take_a_blink() -> None:
    random = np.random.default_rng(0)
    human = random.integers(1, 6, size=(10, 1600)).astype(float)
    judges = random.integers(1, 6, size=(10, 1600)).astype(float)
    people = [f"p{row}" for row in range(10)]
    times = []
    for nominal in (False, True) * 3:
        start = time.perf_counter()
        for judge in judges:
            alternative_annotator_test(human, judge, people=people, nominal=nominal, epsilon=0.1)
        times.append(time.perf_counter() - start)
    assert min(times[::2]) < 0.2
    assert min(times[1::2]) < 0.2
