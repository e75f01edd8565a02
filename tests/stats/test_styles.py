"""How a rater answers: entropy, the most frequent answer, runs and how probable they are."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.models import Level
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.styles import (
    MOST_EXACT,
    AnsweringStyle,
    answering_styles,
    count_probability,
    longest_run,
    run_probability,
)
from annotator_ops.stats.values import FloatArray
from tests.stats.tables import Table, reliability


def style(rows: Table, moments: FloatArray | None = None, row: int = 0) -> AnsweringStyle:
    return answering_styles(reliability(rows, Level.NOMINAL), moments=moments)[row]


def test_entropy_by_hand() -> None:
    found = style([[1, 1, 2, 3], [4, 4, 4, None]])
    assert found.entropy.value == pytest.approx(1.5)
    assert found.relative_entropy.value == pytest.approx(1.5 / 2)
    assert found.n_ratings == 4
    assert style([[1, 1, 2, 3], [4, 4, 4, None]], row=1).entropy.value == 0


def test_the_most_frequent_answer_and_the_others() -> None:
    found = style([[1, 1, 2, 1], [1, 2, 2, None], [1, 1, 1, 2]])
    assert found.modal == (1.0,)
    assert found.modal_share == 0.75
    # Item by item 2/2, 1/2, 1/2 and 0/1 of the others' answers are 1.
    assert found.modal_share_of_others == pytest.approx(2 / 4)
    # Of all answers 3/3, 2/3, 1/3 and 1/2 are 1: three or four times 1, and two answers to choose from.
    three_or_four = 2 / 3 * 1 / 3 * 1 / 2 + 2 / 3 * 1 / 3 * 1 / 2 + 2 / 3 * 2 / 3 * 1 / 2 + 1 / 3 * 1 / 3 * 1 / 2
    assert found.modal_probability == pytest.approx(2 * three_or_four)
    tied = style([[1, 1, 2, 2], [1, 2, 3, 3]])
    assert tied.modal == (1.0, 2.0)
    assert tied.modal_share == 0.5
    assert tied.modal_share_of_others == pytest.approx(2 / 4)
    assert tied.modal_probability is None


def test_the_most_frequent_answer_is_one_of_the_common_items() -> None:
    first: list[float | None] = [1.0] * 60
    second: list[float | None] = [None] * 60
    found = style([[*first, 2, 2, 3], [*second, 2, 2, 3]])
    assert (found.n_ratings, found.n_common) == (63, 3)
    assert found.modal == (2.0,)
    assert found.modal_share == found.modal_share_of_others == pytest.approx(2 / 3)
    assert found.modal_probability == 1
    apart = style([[1, 1, None], [None, None, 2]])
    assert (apart.n_common, apart.modal, apart.modal_share, apart.modal_share_of_others) == (0, (), None, None)


def test_an_item_that_many_rated_counts_once() -> None:
    crowd: Table = [[None, None, None, 2]] * 50
    found = style([[1, 1, 1, 2], *crowd, [1, 1, 1, 2]])
    assert found.modal_share == found.modal_share_of_others == 0.75


@given(st.lists(st.lists(st.sampled_from([None, 1.0, 2.0, 3.0]), min_size=5, max_size=5), min_size=2, max_size=4))
def test_the_probability_of_the_most_frequent_answer_bounds_that_of_interchanged_answers(rows: Table) -> None:
    found = style(rows)
    if found.modal_probability is None or found.modal_share is None:
        return
    common = [
        [value for value in column if value is not None]
        for column in zip(*rows, strict=True)
        if column[0] is not None and sum(value is not None for value in column) >= 2
    ]
    highest = round(found.modal_share * len(common))
    drawn = list(itertools.product(*common))
    of_modal = sum(one.count(found.modal[0]) >= highest for one in drawn) / len(drawn)
    different = len({value for column in common for value in column})
    assert found.modal_probability == pytest.approx(min(1, different * of_modal))


@given(st.lists(st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.9, 1.0]), max_size=8), st.integers(0, 9))
def test_the_probability_of_a_count_is_that_of_all_outcomes(chances: list[float], count: int) -> None:
    expected = math.fsum(
        math.prod(p if happens else 1 - p for p, happens in zip(chances, outcome, strict=True))
        for outcome in itertools.product((False, True), repeat=len(chances))
        if sum(outcome) >= count
    )
    assert count_probability(np.array(chances), count) == pytest.approx(expected)


def test_the_probability_of_a_count_among_many() -> None:
    half = np.full(MOST_EXACT, 0.5)
    assert count_probability(half, 530) == pytest.approx(stats.binom.sf(529, MOST_EXACT, 0.5))
    many = np.concatenate([half, half, [1.0, 0.0]])
    assert count_probability(many, 1041) == pytest.approx(stats.binom.sf(1039, 2000, 0.5), rel=0.01)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30))
def test_the_longest_run_equals_grouping(codes: list[int]) -> None:
    runs = [(code, len(list(group))) for code, group in itertools.groupby(codes)]
    longest = max(length for _, length in runs)
    assert longest_run(np.array(codes)) == (longest, next(code for code, length in runs if length == longest))


def test_a_run_is_one_in_the_order_of_time() -> None:
    rows: Table = [[1, 2, 1, 2, 1, None], [1, 1, 1, 1, 1, 1]]
    moments = np.array([[10.0, 40, 20, 50, 30, 60], [1, 1, 1, 1, 1, 1]])
    found = style(rows, moments)
    assert found.longest_run == 3
    assert found.run_answer == 1
    assert found.run_reason is None
    assert found.run_probability is not None
    unknown = style(rows, moments, row=1)
    assert unknown.longest_run is None
    assert unknown.run_reason is not None
    assert unknown.run_reason.code == "no-times"
    assert style(rows).run_reason is not None
    nowhere = style(rows, np.full((2, 6), np.nan))
    assert nowhere.run_reason is not None
    assert nowhere.run_reason.code == "no-times"


@pytest.mark.parametrize(
    ("shares", "n", "length"),
    [([0.5, 0.5], 100, 9), ([0.5, 0.5], 100, 12), ([0.7, 0.2, 0.1], 60, 14), ([0.2] * 5, 300, 5), ([0.2] * 5, 40, 5)],
)
def test_the_probability_of_a_run_is_that_of_a_simulation(shares: list[float], n: int, length: int) -> None:
    random = np.random.default_rng(3)
    draws = random.choice(len(shares), size=(20_000, n), p=shares)
    longest: FloatArray = np.ones(len(draws))
    run: FloatArray = np.ones(len(draws))
    for step in range(1, n):
        run = np.where(draws[:, step] == draws[:, step - 1], run + 1, 1)
        longest = np.maximum(longest, run)
    simulated = float((longest >= length).mean())
    assert run_probability(np.array(shares), n, length) == pytest.approx(simulated, abs=0.01 + 0.03 * simulated)


def test_the_probability_at_the_edges() -> None:
    half = np.array([0.5, 0.5])
    assert run_probability(half, 10, 1) == 1
    assert run_probability(half, 10, 11) == 0
    assert run_probability(np.array([1.0, 0.0]), 10, 10) == 1
    assert run_probability(half, 20, 20) == pytest.approx(2 * 0.5**20, rel=1e-3)
    found = [run_probability(half, 50, length) for length in range(1, 50)]
    assert all(before >= after for before, after in itertools.pairwise(found))


def test_sliders_have_no_entropy() -> None:
    rows: Table = [[float(number) for number in range(60)]]
    found = style(rows)
    assert found.entropy.reason is not None
    assert found.entropy.reason.code == "too-many-categories"


def runs_at(moments: list[float], answers: list[float | None]) -> AnsweringStyle:
    return style([answers], np.array([moments]))


def test_runs_among_answers_of_one_moment() -> None:
    answers: list[float | None] = [*([1.0] * 30), *([2.0] * 30)]
    days = runs_at([1.0] * 30 + [2.0] * 30, answers)
    assert days.longest_run == 30  # whatever the order within a day
    mixed = runs_at([1.0, 2.0] * 30, answers)
    assert mixed.longest_run is None
    assert mixed.run_reason is not None
    assert mixed.run_reason.code == "no-times"
    assert "60 of 60 answers" in mixed.run_reason.sentence
    assert "the same time as a different answer" in mixed.run_reason.sentence


@pytest.mark.parametrize(
    ("tied", "known"), [(7, True), (8, False), (9, False), (15, True), (29, False), (30, False), (31, True)]
)
def test_one_tie_matters_where_the_longest_run_is(tied: int, known: bool) -> None:
    answers: list[float | None] = [float(position % 2) for position in range(60)]
    answers[10:30] = [3.0] * 20
    moments = np.arange(60.0)
    moments[tied + 1] = moments[tied]
    found = runs_at(moments.tolist(), answers)
    assert found.longest_run == (20 if known else None)
    if not known:
        assert found.run_reason is not None
        assert "The longest run of 1 has or meets" in found.run_reason.sentence


def test_relabelling_changes_no_number() -> None:
    moments = np.arange(12, dtype=np.float64).reshape(2, 6)
    rows: Table = [[1, 1, 2, 3, 3, 3], [1, 2, 2, 3, 3, None]]
    renamed: Table = [[None if value is None else 4 - value for value in row] for row in rows]
    for one, other in zip(
        *(answering_styles(reliability(t, Level.ORDINAL), moments=moments) for t in (rows, renamed)), strict=True
    ):
        assert one.entropy.value == pytest.approx(other.entropy.value)
        assert one.run_probability == pytest.approx(other.run_probability)
        assert (one.longest_run, one.modal_share) == (other.longest_run, other.modal_share)
        assert one.modal_share_of_others == pytest.approx(other.modal_share_of_others)


def test_a_rater_without_ratings_has_reasons() -> None:
    data = ReliabilityData.from_rows([[None, None], ["a", "a"]], level=Level.NOMINAL)
    nobody, somebody = answering_styles(data)
    assert nobody.entropy.reason is not None
    assert nobody.entropy.reason.code == "no-ratings"
    assert nobody.modal == ()
    assert nobody.modal_share is None
    assert nobody.modal_share_of_others is None
    assert somebody.entropy.value == 0
    assert somebody.relative_entropy.reason is not None
    assert somebody.relative_entropy.reason.code == "one-category"
    assert somebody.modal_share is None
    assert answering_styles(ReliabilityData.from_rows([["a"], ["a"]], level=Level.NOMINAL))[0].as_json()["modal"] == [
        "a"
    ]
    assert not any(isinstance(value, float) and math.isnan(value) for value in somebody.as_json().values())
