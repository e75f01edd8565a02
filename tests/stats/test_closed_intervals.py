"""Intervals in closed form: published values, scipy, coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from annotator_ops.stats.closed_intervals import (
    holm,
    linear_correlation,
    mean,
    rank_correlation,
    share,
)


def test_the_share_is_that_of_newcombe_1998() -> None:
    # Newcombe 1998, Statistics in Medicine 17, Table I, method 3 (Wilson's score): 81/263, 15/148, 0/20, 1/29.
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (successes, n), bounds in published.items():
        found = share(successes, n, name="share")
        assert (found.low, found.high) == pytest.approx(bounds, abs=5e-5)
        assert found.value == successes / n


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (3, 7), (50, 100), (999, 1000)])
def test_the_share_equals_scipys(successes: int, n: int) -> None:
    oracle = stats.binomtest(successes, n).proportion_ci(0.9, method="wilson")
    found = share(successes, n, name="share", confidence=0.9)
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=1e-9)


def test_the_mean_has_students_interval() -> None:
    values = np.array([0.2, 0.9, 0.4, 1.0, 0.7])
    low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    found = mean(values, name="mean")
    assert (found.value, found.low, found.high) == pytest.approx((0.64, low, high))
    assert mean(values, name="mean", bounds=True).high == pytest.approx(min(1.0, high))
    assert mean(values[:1], name="mean").low is None
    assert mean(np.ones(4), name="mean").low is None


@pytest.mark.parametrize("kind", ["rank", "linear"])
def test_the_intervals_of_correlations_cover(kind: str) -> None:
    random = np.random.default_rng(0)
    truth = 0.6 if kind == "linear" else 6 / np.pi * np.arcsin(0.6 / 2)  # Pearson 1907, of the normal distribution
    hits = 0
    for _ in range(400):
        x, y = random.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=40).T
        found = (rank_correlation if kind == "rank" else linear_correlation)(x, y, name="x")
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= truth <= found.high
    assert 0.93 <= hits / 400 <= 0.975


def test_correlations_equal_scipys() -> None:
    random = np.random.default_rng(1)
    x, y = random.integers(0, 5, 30).astype(float), random.integers(0, 5, 30).astype(float)
    rank, linear = stats.spearmanr(x.tolist(), y.tolist()), stats.pearsonr(x, y)
    assert rank_correlation(x, y, name="x").value == pytest.approx(rank.statistic)
    found = linear_correlation(x, y, name="x")
    assert found.value == pytest.approx(linear.statistic)
    low, high = linear.confidence_interval()
    assert (found.low, found.high) == pytest.approx((low, high))


def test_correlations_that_do_not_exist_say_why() -> None:
    x = np.array([1.0, 2.0, np.nan, 3.0])
    few = rank_correlation(x, np.array([1.0, np.nan, 2.0, 3.0]), name="x")
    assert few.reason is not None
    assert few.reason.code == "too-few-items"
    same = rank_correlation(x, np.array([1.0, 1.0, 1.0, 1.0]), name="x")
    assert same.reason is not None
    assert same.reason.code == "constant"
    perfect = rank_correlation(np.arange(9, dtype=np.float64), np.arange(9, dtype=np.float64), name="x")
    assert perfect.value == 1
    assert perfect.low is None


def test_rounding_makes_no_order() -> None:
    third = np.array([0.1 + 0.2, 0.3, 0.5, 0.7])
    assert rank_correlation(third, np.array([1.0, 1.0, 2.0, 3.0]), name="x").value == pytest.approx(1)


def test_holm_by_hand() -> None:
    # .01·4, .02·3, .03·2 (raised to .06), .5·1.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("call", [lambda: share(0, 0, name="x"), lambda: mean(np.zeros(0), name="x")])
def test_nothing_raises(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match="at least one"):
        call()
