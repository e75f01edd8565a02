"""Ranks with the ranks that cannot be excluded: what is certain, what is open, and that they all hold at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.stats.judges.rank_intervals import rank_intervals
from annotator_ops.stats.values import FloatArray


def ranks(means: object, covariance: object, *, critical: float = 3.0) -> list[tuple[float | None, ...]]:
    given = np.asarray(means, dtype=float)
    spread = np.asarray(covariance, dtype=float)
    found = rank_intervals(
        given, np.diag(spread) if spread.ndim == 1 else spread, np.full(len(given), critical), confidence=0.95
    )
    return [(one.value, one.low, one.high) for one in found]


def test_systems_far_apart_have_certain_ranks() -> None:
    assert ranks([1, 3, 2], [0.01] * 3) == [(3, 3, 3), (1, 1, 1), (2, 2, 2)]


def test_systems_that_may_be_the_same_leave_all_ranks_open() -> None:
    assert ranks([1.0, 1.1, 1.2], [1.0] * 3) == [(3, 1, 3), (2, 1, 3), (1, 1, 3)]


def test_two_close_ones_above_a_third() -> None:
    assert ranks([4.0, 4.1, 1.0], [0.01] * 3) == [(2, 1, 2), (1, 1, 2), (3, 3, 3)]


def test_equal_means_share_the_better_rank() -> None:
    assert [rank[0] for rank in ranks([2, 3, 3, 1], [1.0] * 4)] == [3, 1, 1, 4]


def test_systems_on_the_same_sources_are_told_apart_by_their_difference() -> None:
    together = np.array([[1.0, 0.999], [0.999, 1.0]])
    assert ranks([1, 2], np.diag(together)) == [(2, 1, 2), (1, 1, 2)]
    assert ranks([1, 2], together) == [(2, 2, 2), (1, 1, 1)]


def test_without_a_known_variation_nothing_is_told_apart() -> None:
    assert ranks([1, 5, 3], [0.0, 0.0, np.nan]) == [(3, 1, 3), (1, 1, 3), (2, 1, 3)]


def test_a_system_without_a_mean_has_no_rank_and_is_no_rival() -> None:
    assert ranks([1, np.nan, 3], [0.01] * 3) == [(2, 2, 2), (None, None, None), (1, 1, 1)]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.001, 4)), min_size=1, max_size=8), st.floats(0.5, 4))
def test_a_rank_is_inside_its_own_interval(systems: list[tuple[float, float]], critical: float) -> None:
    means, variances = zip(*systems, strict=True)
    for value, low, high in ranks(means, variances, critical=critical):
        assert value is not None and low is not None and high is not None
        assert 1 <= low <= value <= high <= len(means)


@pytest.mark.parametrize(
    "truth", [np.zeros(6), np.array([0, 0, 0.2, 0.2, 0.5, 0.9])], ids=["all the same", "some apart"]
)
def test_all_intervals_hold_at_once(truth: FloatArray) -> None:
    """Of 6 systems of 40 items each, drawn 1,000 times: in at least 95 % no interval misses a true rank.

    A system that ties with others has every rank from one more than are better to the number less those worse.
    """
    random = np.random.default_rng(6)
    repeats, n = 1000, 40
    critical = float(stats.t.ppf(1 - 0.025 / 15, n - 1))
    least = 1 + (truth[None, :] > truth[:, None]).sum(axis=1)
    most = 6 - (truth[None, :] < truth[:, None]).sum(axis=1)
    held = []
    for _ in range(repeats):
        items = truth[:, None] + random.standard_normal((6, n))
        found = ranks(items.mean(axis=1), items.var(axis=1, ddof=1) / n, critical=critical)
        low, high = (np.array([rank[end] for rank in found], dtype=float) for end in (1, 2))
        held.append(bool((low <= least).all() and (high >= most).all()))
    assert np.mean(held) >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / repeats)
