"""Rankings: Kendall's W and tau of each item, against published values, scipy and brute force."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.measures import Rating
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.rankings import coefficient_of_concordance, mean_tau, ranks
from annotator_ops.stats.structured import Agreement, ranking_agreement

Ranked = Mapping[str, Mapping[str, Any]]


def agreement(ranked: Ranked, **options: Any) -> Agreement:
    given = [
        Rating(rater, "human", item, "order", value) for item, own in ranked.items() for rater, value in own.items()
    ]
    return ranking_agreement(given, **options)


def values(ranked: Ranked) -> dict[str, float | None]:
    return {name: found.value for name, found in agreement(ranked).estimates.items()}


orders = st.integers(2, 6).flatmap(lambda n: st.lists(st.permutations("abcdef"[:n]).map(tuple), min_size=2, max_size=5))


@given(orders)
@settings(deadline=None)
def test_w_and_tau_against_scipy(rankings: list[tuple[str, ...]]) -> None:
    table = ranks(rankings)
    m, n = table.shape
    pairs = list(itertools.combinations(table, 2))
    assert mean_tau(table) == pytest.approx(np.mean([stats.kendalltau(a, b).statistic for a, b in pairs]))
    # W and the mean of Spearman's rho over pairs say the same (Kendall & Gibbons 1990, ch. 6).
    rho = np.mean([stats.spearmanr(a, b).statistic for a, b in pairs])
    assert (m * coefficient_of_concordance(table) - 1) / (m - 1) == pytest.approx(rho)
    # Friedman's chi-square is m (n − 1) W; scipy has it for three objects and more.
    if n > 2:
        friedman = stats.friedmanchisquare(*table.T).statistic
        assert coefficient_of_concordance(table) == pytest.approx(friedman / (m * (n - 1)))


def test_w_as_published() -> None:
    """Siegel (1956), ch. 9: three executives rank six applicants; W = .16."""
    table = np.array([[1, 6, 3, 2, 5, 4], [1, 5, 6, 4, 2, 3], [6, 3, 2, 5, 4, 1]])
    assert coefficient_of_concordance(table) == pytest.approx(0.16, abs=0.005)


def test_means_over_items() -> None:
    ranked: Ranked = {
        "t1": {"anna": ("a", "b", "c"), "ben": ("a", "b", "c"), "cleo": ("a", "b", "c")},
        "t2": {"anna": ("x", "y"), "ben": ("y", "x"), "cleo": None},
        "t3": {"anna": ("p", "q")},
    }
    assert values(ranked) == {"kendall_w": pytest.approx(0.5), "kendall_tau": pytest.approx(0)}
    found = agreement(ranked)
    assert found.disagreement == {"t2": 1.0, "t1": 0.0}
    assert (found.estimates["kendall_w"].n_items, found.estimates["kendall_w"].n_raters) == (2, 3)
    assert "1/m" in found.estimates["kendall_w"].method


@given(orders, st.randoms())
@settings(deadline=None, max_examples=30)
def test_names_and_order_change_nothing(rankings: list[tuple[str, ...]], random: Any) -> None:
    ranked = {f"t{n}": {f"r{row}": ranking for row, ranking in enumerate(rankings)} for n in range(3)}
    shuffled = {
        item: {
            f"r{row}": tuple(each.upper() for each in ranking)
            for row, ranking in enumerate(random.sample(rankings, len(rankings)))
        }
        for item in reversed(ranked)
    }
    one, other = values(ranked), values(shuffled)
    assert one == {name: pytest.approx(value) for name, value in other.items()}


def test_the_interval_is_over_items() -> None:
    random = np.random.default_rng(6)
    ranked = {f"t{n}": {rater: tuple(random.permutation(list("abcd"))) for rater in ("anna", "ben")} for n in range(60)}
    for estimate in agreement(ranked, resampling=Resampling(resamples=200)).estimates.values():
        assert estimate.value is not None and estimate.low is not None and estimate.high is not None
        assert estimate.low < estimate.value < estimate.high


@pytest.mark.parametrize(
    ("ranked", "code", "says"),
    [
        ({}, "no-ratings", ""),
        ({"t1": {"anna": ("a", "b")}}, "one-rater", "anna"),
        ({"t1": {"anna": ("a", "b")}, "t2": {"ben": ("a", "b")}}, "no-overlap", ""),
        ({"t1": {"anna": ("a", "b"), "ben": ("a", "c")}}, "incomplete-rankings", "ben and anna"),
        ({"t1": {"anna": ("a", "b", "c"), "ben": ("a", "b")}}, "incomplete-rankings", "“c”"),
        ({"t1": {"anna": ("a",), "ben": ("a",)}}, "too-few-ranked", "t1"),
        ({"t1": {"anna": ("a", "b"), "ben": ("a", "a")}}, "no-ranking", "“a” more than once"),
        ({"t1": {"anna": ("a", "b"), "ben": "a"}}, "no-ranking", "ben"),
        ({"t1": {"anna": ("a", "b"), "ben": ({"x": 1},)}}, "no-ranking", "ben"),
    ],
)
def test_what_is_undefined_says_why(ranked: Ranked, code: str, says: str) -> None:
    for estimate in agreement(ranked).estimates.values():
        assert estimate.value is None and estimate.reason is not None and estimate.reason.code == code
        assert says in estimate.reason.sentence
