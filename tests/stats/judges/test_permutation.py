"""The difference between two judges: against all permutations there are, a published test, and its errors."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.correlations import COEFFICIENTS, correlations
from annotator_ops.stats.judges.permutation import Design, correlation_difference
from annotator_ops.stats.values import FloatArray
from tests.stats.judges.summeval import judges_of, people_of, tasks

QUICK = Resampling(resamples=60)


def standardised(scores: FloatArray) -> FloatArray:
    return np.asarray((scores - scores.mean()) / scores.std(), dtype=np.float64)


def difference(human: FloatArray, first: FloatArray, second: FloatArray) -> float:
    return float(stats.pearsonr(first, human).statistic - stats.pearsonr(second, human).statistic)


def rho(human: Any, judge: Any) -> float:
    return float(stats.spearmanr(human, judge).statistic)


def equally_good(items: int, random: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    """People, and two judges with the same noise on different scales."""
    truth = random.normal(size=items)
    noise = random.normal(size=(3, items))
    return truth + noise[0], truth + noise[1], 50 + 10 * (truth + noise[2])


def test_perm_both_of_nine_systems_and_five_inputs() -> None:
    """The regression value of the authors' package `nlpstats` (0.5362 of 9,999), and all 2¹³ distinct permutations."""
    random = np.random.RandomState(1234)
    first, second, human = (random.random_sample((9, 5)) for _ in range(3))
    design = Design(
        [f"system {row}" for row in range(9) for _ in range(5)], [f"{n}" for _ in range(9) for n in range(5)]
    )
    found = correlation_difference(
        human.ravel(), first.ravel(), second.ravel(),
        seed=0, permutations=9999, design=design, coefficient="pearson",
    )  # fmt: skip
    scores = standardised(first), standardised(second)
    observed = abs(difference(human.ravel(), first.ravel(), second.ravel()))
    # Swapping the other rows and the other columns is the same permutation: the first row stays.
    far = [
        abs(difference(human.ravel(), np.where(swap, *scores).ravel(), np.where(swap, *scores[::-1]).ravel()))
        >= observed - 1e-12
        for rows in product((False, True), repeat=8)
        for columns in product((False, True), repeat=5)
        for swap in [np.logical_xor(np.array([False, *rows])[:, None], np.array(columns)[None, :])]
    ]
    exact = float(np.mean(far))
    assert found.p_value == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 9999))
    assert exact == pytest.approx(0.5361536, abs=4 * np.sqrt(exact * (1 - exact) / 9999))
    assert found.permutations == 9999 and found.seed == 0 and "PERM-BOTH" in found.method


def test_items_are_swapped_one_by_one_without_a_design() -> None:
    random = np.random.default_rng(1)
    human, first, second = (random.normal(size=9) for _ in range(3))
    scores = standardised(first), standardised(second)
    ranked = [
        rho(human, np.where(swap, *scores)) - rho(human, np.where(swap, *scores[::-1]))
        for swap in map(np.array, product((False, True), repeat=9))
    ]
    observed = rho(human, first) - rho(human, second)
    exact = float(np.mean(np.abs(ranked) >= abs(observed) - 1e-12))
    found = correlation_difference(human, first, second, seed=3, permutations=4000)
    assert found.estimate.value == pytest.approx(observed, abs=1e-12)
    assert found.p_value == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 4000) + 1 / 4000)


def test_summeval(shared_data: Callable[[str], Path]) -> None:
    human, (first, second) = people_of("consistency", shared_data), judges_of("consistency", shared_data)
    alone = correlations(human, np.stack([first, second]))
    listed = tasks(shared_data)
    design = Design([task["system"] for task in listed], [task["id"].split(":")[1] for task in listed])
    for each in (None, design):
        found = correlation_difference(human, first, second, seed=0, resampling=Resampling(), design=each)
        estimate = found.estimate
        assert estimate.value == pytest.approx((alone[0]["spearman"].value or 0) - (alone[1]["spearman"].value or 0))
        assert estimate.low is not None and estimate.high is not None and estimate.high < 0
        assert found.p_value is not None and 1 / 1001 <= found.p_value < 0.05


def test_the_interval_is_that_of_the_paired_difference() -> None:
    human, first, second = equally_good(300, np.random.default_rng(2))
    found = correlation_difference(human, first, second, seed=0, resampling=Resampling(resamples=1000)).estimate
    random = np.random.default_rng(3)
    long_way = []
    for _ in range(1000):
        drawn = random.integers(0, 300, 300)
        long_way.append(rho(human[drawn], first[drawn]) - rho(human[drawn], second[drawn]))
    assert (found.low, found.high) == pytest.approx(np.quantile(long_way, [0.025, 0.975]), abs=0.02)
    assert found.standard_error == pytest.approx(np.std(long_way), rel=0.08)


@pytest.mark.parametrize("designed", [False, True])
def test_it_finds_a_difference_where_there_is_none_as_often_as_it_says(designed: bool) -> None:
    """Type I error at .05 over 400 studies of 60 items: between the 0.1 % and 99.9 % points of a binomial."""
    random = np.random.default_rng(4)
    design = Design([f"s{n // 6}" for n in range(60)], [f"d{n % 6}" for n in range(60)]) if designed else None
    p_values = []
    for seed in range(400):
        human, first, second = equally_good(60, random)
        p_values.append(
            correlation_difference(human, first, second, seed=seed, permutations=199, design=design).p_value
        )
    rejected = sum(p is not None and p <= 0.05 for p in p_values)
    low, high = (float(stats.binom.ppf(probability, 400, 0.05)) for probability in (0.001, 0.999))
    assert low <= rejected <= high


def test_it_finds_a_difference_that_is_there() -> None:
    random = np.random.default_rng(5)
    found = 0
    for seed in range(50):
        truth = random.normal(size=200)
        good, bad = truth + 0.5 * random.normal(size=200), truth + 2 * random.normal(size=200)
        p = correlation_difference(truth, good, bad, seed=seed, permutations=199).p_value
        found += p is not None and p <= 0.05
    assert found >= 45


@given(st.integers(0, 10_000), st.sampled_from(COEFFICIENTS))
@settings(deadline=None, max_examples=30)
def test_the_other_way_round_only_the_sign_changes(seed: int, coefficient: str) -> None:
    human, first, second = (np.round(each) for each in equally_good(25, np.random.default_rng(seed)))
    one = correlation_difference(human, first, second, seed=seed, permutations=99, coefficient=coefficient)
    other = correlation_difference(human, second, first, seed=seed, permutations=99, coefficient=coefficient)
    assert one.estimate.value == pytest.approx(-(other.estimate.value or 0), abs=1e-12)
    assert one.p_value == other.p_value


@given(st.integers(0, 10_000), st.floats(0.1, 10), st.floats(-100, 100))
@settings(deadline=None, max_examples=30)
def test_scale_and_missing_items_change_nothing(seed: int, factor: float, shift: float) -> None:
    human, first, second = (np.round(each) for each in equally_good(40, np.random.default_rng(seed)))
    plain = correlation_difference(human, first, second, seed=1, permutations=99, resampling=QUICK)
    nan = np.array([np.nan])
    longer = correlation_difference(
        np.concatenate([human, [1.0], nan, [2.0]]),
        np.concatenate([factor * first + shift, nan, [1.0], [2.0]]),
        np.concatenate([second, [1.0], [1.0], nan]),
        seed=1, permutations=99, resampling=QUICK,
    )  # fmt: skip
    assert longer == plain


def test_the_same_judge_twice_is_no_difference() -> None:
    human, first, _ = equally_good(50, np.random.default_rng(6))
    found = correlation_difference(human, first, 3 * first - 1, seed=0, resampling=QUICK)
    assert found.estimate.value == pytest.approx(0) and found.p_value == 1
    assert found.estimate.low is None and "all resamples give the same value" in found.estimate.method


def test_items_without_a_source_are_swapped_by_themselves() -> None:
    human, first, second = equally_good(60, np.random.default_rng(7))
    nothing = Design([None] * 60, [f"d{n}" for n in range(60)])
    free = correlation_difference(human, first, second, seed=5, permutations=199)
    found = correlation_difference(human, first, second, seed=5, permutations=199, design=nothing)
    assert found.p_value is not None and free.p_value is not None
    assert found.p_value == pytest.approx(free.p_value, abs=0.15)
    # All of one system and one source: swapping all or nothing, the difference is as far from 0 every time.
    whole = Design(["s"] * 60, ["d"] * 60)
    assert correlation_difference(human, first, second, seed=5, permutations=199, design=whole).p_value == 1


def test_why_there_is_no_difference() -> None:
    rising = np.arange(9, dtype=np.float64)
    few = correlation_difference(rising[:2], rising[:2], rising[:2], seed=0)
    flat = correlation_difference(rising, rising, np.ones(9), seed=0, coefficient="pearson")
    for found, code in ((few, "too-few-items"), (flat, "constant")):
        assert found.estimate.value is None and found.p_value is None
        assert found.estimate.reason is not None and found.estimate.reason.code == code
        assert found.as_json()["difference"]["reason_code"] == code
