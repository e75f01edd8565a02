"""Correlations with people: SummEval to four digits, scipy on every resample, and what must not change them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.measures import Estimate
from annotator_ops.stats.correlation import spearman
from annotator_ops.stats.intervals import Resampling, bootstrap
from annotator_ops.stats.judges.correlations import COEFFICIENTS, Correlated, correlations
from annotator_ops.stats.judges.kendall import Kendall, net_concordance
from annotator_ops.stats.judges.product_moments import Coded, Pearson
from annotator_ops.stats.values import FloatArray, IntArray
from tests.stats.judges.summeval import CRITERIA, judges_of, people_of

QUICK = Resampling(resamples=60)
ORACLES: dict[str, Callable[[Any, Any], float]] = {
    "spearman": lambda x, y: float(stats.spearmanr(x, y).statistic),
    "kendall_tau_b": lambda x, y: float(stats.kendalltau(x, y).statistic),
    "pearson": lambda x, y: float(stats.pearsonr(x, y).statistic),
}
PAIRS = st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=3, max_size=40)


def scores(items: int, judges: int, *, seed: int, few: bool = False) -> tuple[FloatArray, FloatArray]:
    """People's mean scores and those of judges who know something of them."""
    random = np.random.default_rng(seed)
    human = random.normal(size=items)
    judge = human + random.normal(size=(judges, items))
    if few:
        return np.round(human * 3) / 3, np.clip(np.round(judge), -2, 2)
    return human, judge


def close(one: Estimate, other: Estimate) -> bool:
    """The same in all that is said, and in all numbers but for their last digits."""
    numbers: dict[str, Any] = dict.fromkeys(("value", "low", "high", "standard_error"))
    for name in numbers:
        left, right = getattr(one, name), getattr(other, name)
        assert (left is None) == (right is None), name
        assert left is None or left == pytest.approx(right, abs=1e-10), name
    return replace(one, **numbers) == replace(other, **numbers)


def test_summeval_to_four_digits(shared_data: Callable[[str], Path]) -> None:
    table = {
        "coherence": (0.4436, 0.4478),
        "consistency": (0.4233, 0.5565),
        "fluency": (0.2849, 0.4980),
        "relevance": (0.4479, 0.4271),
    }
    for criterion in CRITERIA:
        human, judges = people_of(criterion, shared_data), judges_of(criterion, shared_data)
        found = correlations(human, judges)
        assert tuple(round(each["spearman"].value or 0, 4) for each in found) == table[criterion]
        for judge, estimates in zip(judges, found, strict=True):
            for name, oracle in ORACLES.items():
                assert estimates[name].value == pytest.approx(oracle(human, judge), abs=1e-12)
                assert estimates[name].n_items == 1200


@given(PAIRS)
@settings(deadline=None)
def test_they_equal_scipy_or_say_why_not(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=float).T
    (found,) = correlations(x, y[None, :], n_raters=3)
    for name, estimate in found.items():
        assert estimate.n_items == len(x) and estimate.n_raters == 3
        if len(set(x)) == 1 or len(set(y)) == 1:
            assert estimate.value is None and estimate.reason is not None and estimate.reason.code == "constant"
        else:
            assert estimate.value == pytest.approx(ORACLES[name](x, y), abs=1e-12)


@pytest.mark.parametrize("items", [40, 700, 2100])
@pytest.mark.parametrize("few", [True, False])
def test_each_resample_is_scipy_on_its_items(items: int, few: bool) -> None:
    human, judges = scores(items, 2, seed=items, few=few)
    resampling = Resampling(seed=7, resamples=5)
    drawn = bootstrap(lambda weights: weights, np.ones(items, dtype=np.intp), resampling)
    found = Correlated.of(human, list(judges), COEFFICIENTS).resampled(resampling)
    for row, weights in enumerate(drawn):
        units = np.repeat(np.arange(items), weights.astype(int))
        assert len(units) == items
        for name, oracle in ORACLES.items():
            expected = [oracle(human[units], judge[units]) for judge in judges]
            assert found[name][row] == pytest.approx(expected, abs=1e-12)


def test_an_interval_is_the_percentiles_of_the_same_resamples() -> None:
    human, judges = scores(120, 3, seed=3)
    found = correlations(human, judges, resampling=QUICK)
    drawn = Correlated.of(human, list(judges), COEFFICIENTS).resampled(QUICK)
    for name in COEFFICIENTS:
        for column, each in enumerate(found):
            ends = np.quantile(drawn[name][:, column], [0.025, 0.975])
            assert (each[name].low, each[name].high) == pytest.approx(ends, abs=1e-12)
            assert each[name].seed == 0 and "percentile bootstrap over items, 60 resamples" in each[name].method


@pytest.mark.parametrize("name", COEFFICIENTS)
@pytest.mark.parametrize("few", [True, False])
def test_the_influence_is_the_change_by_an_item_more(name: str, few: bool) -> None:
    human, judges = scores(30, 1, seed=5, few=few)
    correlated = Correlated.of(human, list(judges), [name])
    statistic = correlated.statistic(name, 0)
    assert statistic.influence is not None
    assert statistic.influence.sum() == pytest.approx(0, abs=1e-10)
    # A thousand of each item, since only whole numbers of them have ranks.
    weights = 1000 * np.ones((30, 30)) + np.eye(30)
    before = correlated.of_weights(np.full((1, 30), 1000.0), name)[0, 0]
    changes = (correlated.of_weights(weights, name)[:, 0] - before) * 30_000
    assert changes == pytest.approx(statistic.influence, abs=0.02)


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_the_standard_error_is_that_of_the_bootstrap(name: str) -> None:
    for few in (True, False):
        human, judges = scores(500, 1, seed=6, few=few)
        error = correlations(human, judges, coefficients=[name])[0][name].standard_error
        drawn = Correlated.of(human, list(judges), [name]).resampled(Resampling(resamples=2000))
        assert error == pytest.approx(drawn[name].std(), rel=0.06)


@pytest.mark.parametrize("items", [25, 60])
@pytest.mark.parametrize("name", COEFFICIENTS)
def test_the_interval_covers(name: str, items: int) -> None:
    """The truth of a bivariate normal; of 300 studies at a nominal .95, four standard errors are .05."""
    rho = 0.6
    truth = {"pearson": rho, "spearman": 6 / np.pi * np.arcsin(rho / 2), "kendall_tau_b": 2 / np.pi * np.arcsin(rho)}
    random = np.random.default_rng(8)
    studies, covered = 300, 0
    for _ in range(studies):
        x = random.normal(size=items)
        y = rho * x + np.sqrt(1 - rho**2) * random.normal(size=items)
        found = correlations(x, y[None, :], resampling=Resampling(resamples=300), coefficients=[name])[0][name]
        assert found.low is not None and found.high is not None
        covered += found.low <= truth[name] <= found.high
    assert 0.9 <= covered / studies <= 0.99


def test_the_method_is_the_one_for_the_number_of_items() -> None:
    for items, words, seed in ((30, "BCa", 0), (1200, "percentile", 0), (20_000, "delta method", None)):
        human, judges = scores(items, 1, seed=items)
        for estimate in correlations(human, judges, resampling=QUICK)[0].values():
            assert estimate.value is not None and estimate.low is not None and estimate.high is not None
            assert estimate.low < estimate.value < estimate.high < 1
            assert words in estimate.method and estimate.seed == seed


@given(PAIRS, st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_a_rising_scale_changes_no_rank_correlation(pairs: list[tuple[int, int]], power: int) -> None:
    x, y = np.array(pairs, dtype=float).T
    rising = y ** (2 * power - 1) + y
    before, after = correlations(x, np.stack([y, rising]), resampling=QUICK)
    for name in ("spearman", "kendall_tau_b"):
        assert before[name] == after[name]


@given(PAIRS, st.floats(0.01, 100), st.floats(-1000, 1000))
@settings(deadline=None, max_examples=40)
def test_another_unit_changes_no_pearson(pairs: list[tuple[int, int]], factor: float, shift: float) -> None:
    x, y = np.array(pairs, dtype=float).T
    before, after = correlations(x, np.stack([y, factor * y + shift]), resampling=QUICK)
    assert close(before["pearson"], after["pearson"])


@given(PAIRS)
@settings(deadline=None, max_examples=40)
def test_a_scale_turned_round_turns_the_sign(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=float).T
    plain, turned = correlations(x, np.stack([y, -y]))
    for name in COEFFICIENTS:
        assert (plain[name].value is None) == (turned[name].value is None)
        if plain[name].value is not None:
            assert turned[name].value == pytest.approx(-(plain[name].value or 0), abs=1e-12)
            error = plain[name].standard_error
            assert turned[name].standard_error == (None if error is None else pytest.approx(error, abs=1e-9))


@given(PAIRS, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_the_order_of_items_changes_no_value(pairs: list[tuple[int, int]], random: Any) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)
    one, other = (np.array(each, dtype=float).T for each in (pairs, shuffled))
    (before,), (after,) = correlations(one[0], one[1][None, :]), correlations(other[0], other[1][None, :])
    for name in COEFFICIENTS:
        assert close(before[name], after[name])


@given(st.integers(0, 10_000), st.permutations(range(4)))
@settings(deadline=None, max_examples=30)
def test_a_judge_is_the_same_alone_and_in_any_order(seed: int, order: list[int]) -> None:
    human, judges = scores(25, 4, seed=seed, few=seed % 2 == 0)
    judges[1, :3] = np.nan
    judges[2] = 1.0
    together = correlations(human, judges, resampling=QUICK)
    ordered = correlations(human, judges[order], resampling=QUICK)
    for place, judge in enumerate(order):
        (alone,) = correlations(human, judges[judge][None, :], resampling=QUICK)
        for name in COEFFICIENTS:
            assert close(together[judge][name], alone[name])
            assert close(together[judge][name], ordered[place][name])


@given(st.integers(0, 10_000), st.sets(st.integers(0, 29), max_size=29), st.sets(st.integers(0, 29), max_size=10))
@settings(deadline=None, max_examples=40)
def test_what_is_missing_is_as_if_it_were_not_there(seed: int, unjudged: set[int], unrated: set[int]) -> None:
    human, judges = scores(30, 2, seed=seed, few=True)
    kept = [item for item in range(30) if item not in unjudged | unrated]
    (dropped,) = correlations(human[kept], judges[:1, kept], resampling=QUICK)
    human[list(unrated)] = np.nan
    judges[0, list(unjudged)] = np.nan
    found, _ = correlations(human, judges, resampling=QUICK)
    for name in COEFFICIENTS:
        assert close(found[name], dropped[name])
        assert found[name].n_items == len(kept)
        if len(kept) < 3:
            reason = found[name].reason
            assert reason is not None and reason.code == "too-few-items"


def test_perfect_order_has_no_interval_and_no_error() -> None:
    x = np.arange(60, dtype=np.float64)
    for estimate in correlations(x, 2 * x[None, :] + 1, resampling=QUICK)[0].values():
        assert estimate.value == pytest.approx(1, abs=1e-12) and estimate.standard_error is None
        assert estimate.low is None and "no interval: all resamples give the same value" in estimate.method


def test_a_resample_in_which_nothing_varies_is_left_out() -> None:
    human = np.array([0.0] * 39 + [1.0])
    (found,) = correlations(human, np.arange(40, dtype=np.float64)[None, :], resampling=QUICK)
    for estimate in found.values():
        assert estimate.value is not None and estimate.low is None
        assert "resamples have no variation" in estimate.method


def test_one_item_far_from_all_others_costs_no_digits() -> None:
    human, judges = scores(60, 1, seed=9)
    human[0], judges[0, 0] = 1e7, -1e7
    correlated = Correlated.of(human, list(judges), ["pearson"])
    weights = np.ones((2, 60))
    weights[0, 0] = 0
    expected = [ORACLES["pearson"](human[start:], judges[0, start:]) for start in (1, 0)]
    assert correlated.of_weights(weights, "pearson")[:, 0] == pytest.approx(expected, abs=1e-9)
    family = correlated.families["pearson"]
    assert isinstance(family, Pearson)
    weights[0, 2:] = 0
    assert np.isnan(family.of_weights(weights)[0, 0])


def test_no_judges_and_no_such_coefficient() -> None:
    human = np.arange(5, dtype=np.float64)
    assert correlations(human, np.empty((0, 5)), resampling=QUICK) == []
    with pytest.raises(ValueError, match="no coefficient gamma"):
        correlations(human, human[None, :], coefficients=["gamma"])


def test_spearman_of_two_scores_is_the_same() -> None:
    human, judges = scores(70, 1, seed=11)
    (found,) = correlations(human, judges, resampling=QUICK, n_raters=4)
    assert spearman(human, judges[0], resampling=QUICK, n_raters=4) == found["spearman"]


# --- Kendall's parts -------------------------------------------------------------------------------------------------


def counted(first: IntArray, second: IntArray) -> FloatArray:
    signs = np.sign(first[:, None] - first[None, :]) * np.sign(second[:, None] - second[None, :])
    return np.asarray(signs.sum(axis=1), dtype=np.float64)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=70))
@settings(deadline=None)
def test_net_concordance_is_counted(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, dtype=np.intp).T
    assert net_concordance(first, second).tolist() == counted(first, second).tolist()


def test_kendall_of_many_items_without_a_matrix() -> None:
    human, judges = scores(30_000, 1, seed=12)
    family = Kendall(Coded.of_scores(human), [Coded.of_scores(judges[0])])
    assert family.value(0) == pytest.approx(ORACLES["kendall_tau_b"](human, judges[0]), abs=1e-12)
