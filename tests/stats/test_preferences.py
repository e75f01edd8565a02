"""Which side was preferred: shares, ties, Wilson's interval, and what is no preference."""

from __future__ import annotations

from typing import Any

import pytest
from scipy import stats

from annotator_ops.measures import Rating, Reason
from annotator_ops.stats.preferences import PreferenceShares, preference_shares


def shares(*values: Any, **sides: Any) -> PreferenceShares:
    found = preference_shares(given(*values), **sides)
    assert isinstance(found, PreferenceShares)
    return found


def given(*values: Any) -> list[Rating]:
    return [Rating(f"r{number % 3}", "human", f"t{number // 3}", "pair", value) for number, value in enumerate(values)]


def test_shares_and_the_interval_as_published() -> None:
    """Newcombe (1998), table I: 81 of 263 gives .2553 to .3662 by Wilson's method."""
    found = shares(*["left"] * 81, *["right"] * 182, None)
    assert (found.n_left, found.n_right, found.n_ties) == (81, 182, 0)
    assert found.left.value == pytest.approx(81 / 263)
    assert found.left.low == pytest.approx(0.2553, abs=5e-5)
    assert found.left.high == pytest.approx(0.3662, abs=5e-5)
    assert found.right.value == pytest.approx(182 / 263)
    assert found.right.low == pytest.approx(1 - 0.3662, abs=5e-5)
    assert found.p_value == pytest.approx(stats.binomtest(81, 263).pvalue)
    assert found.left.n_raters == 3
    assert "independent" in found.left.method


def test_numbers_are_sides_by_their_distance_from_the_middle() -> None:
    found = shares(-2.0, -1.0, 0.0, 1.0, 2.0, 2.0, left=-2, right=2)
    assert (found.n_left, found.n_right, found.n_ties) == (2, 3, 1)
    turned = shares(-2.0, -1.0, 0.0, 1.0, 2.0, 2.0, left=2, right=-2)
    assert (turned.n_left, turned.n_right) == (3, 2)
    assert found.as_json()["left"]["value"] == pytest.approx(0.4)


def test_no_preference_is_no_share() -> None:
    found = shares(None, 0.0, left=-1, right=1)
    assert found.left.value is None and found.left.reason is not None and found.p_value is None
    assert found.n_ties == 1


@pytest.mark.parametrize("odd", ["both", 1.0, ("left",), ({"a": 1},)])
def test_what_is_no_preference_is_named(odd: Any) -> None:
    found = preference_shares(given("left", odd))
    assert isinstance(found, Reason) and found.code == "no-preference"
    assert "r1" in found.sentence and "t0" in found.sentence
