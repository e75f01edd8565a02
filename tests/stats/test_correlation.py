"""Spearman's rho against scipy, its interval against the long way, and ties that rounding must not break."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.stats.correlation import spearman
from annotator_ops.stats.intervals import Resampling


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=3, max_size=40))
@settings(deadline=None)
def test_it_equals_scipy_or_says_why_not(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=float).T
    found = spearman(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert found.value is None
        assert found.reason is not None and found.reason.code == "constant"
    else:
        assert found.value == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def test_resamples_are_ranked_anew() -> None:
    random = np.random.default_rng(2)
    x = random.integers(1, 6, 60).astype(float)
    y = x + random.integers(-2, 3, 60).astype(float)
    found = spearman(x, y, resampling=Resampling(resamples=2000))
    long_way = []
    for _ in range(2000):
        drawn = random.integers(0, 60, 60)
        long_way.append(stats.spearmanr(x[drawn], y[drawn]).statistic)
    assert (found.low, found.high) == pytest.approx(np.quantile(long_way, [0.025, 0.975]), abs=0.03)


def test_items_without_one_of_the_scores_do_not_count() -> None:
    nan = float("nan")
    found = spearman(np.array([1, 2, 3, 4, nan]), np.array([2, 1, 4, nan, 5]))
    assert found.n_items == 3
    assert found.value == pytest.approx(stats.spearmanr([1, 2, 3], [2, 1, 4]).statistic)


def test_too_few_items_is_a_reason() -> None:
    found = spearman(np.array([1.0, 2.0]), np.array([1.0, 2.0]), resampling=Resampling())
    assert found.value is None
    assert found.reason is not None and found.reason.code == "too-few-items"


def test_means_that_differ_only_in_the_order_of_addition_are_ties() -> None:
    x = np.array([0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 1.0, 0.2])
    assert x[0] != x[1]
    y = np.array([1.0, 2.0, 3.0, 0.5])
    assert spearman(x, y).value == pytest.approx(stats.spearmanr([2, 2, 3, 1], [2, 3, 4, 1]).statistic)


def test_the_standard_error_is_that_of_the_bootstrap() -> None:
    random = np.random.default_rng(4)
    x = random.integers(1, 8, 400).astype(float)
    y = x + random.integers(-3, 4, 400).astype(float)
    found = spearman(x, y)
    long_way = []
    for _ in range(2000):
        drawn = random.integers(0, 400, 400)
        long_way.append(stats.spearmanr(x[drawn], y[drawn]).statistic)
    assert found.standard_error == pytest.approx(np.std(long_way), rel=0.06)


def test_the_method_is_the_one_for_the_number_of_items() -> None:
    random = np.random.default_rng(5)
    methods = {}
    for items in (30, 1200, 20_000):
        x = random.normal(size=items)
        found = spearman(x, x + random.normal(size=items), resampling=Resampling(resamples=50))
        assert found.low is not None and found.high is not None and found.value is not None
        assert found.low < found.value < found.high <= 1
        methods[items] = found.method, found.seed
    assert "BCa" in methods[30][0] and "percentile" in methods[1200][0] and "delta method" in methods[20_000][0]
    assert (methods[30][1], methods[1200][1], methods[20_000][1]) == (0, 0, None)


def test_perfect_order_has_no_interval_and_no_error() -> None:
    x = np.arange(60, dtype=np.float64)
    found = spearman(x, x**3, resampling=Resampling(resamples=50))
    assert found.value == pytest.approx(1) and found.standard_error is None
    assert found.low is None and "no interval: all resamples give the same value" in found.method
