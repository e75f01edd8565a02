"""The tables of all pairs at once are the tables of two raters at a time, and so are sums over the pairs of a unit."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.stats.agreement import contingency
from annotator_ops.stats.agreement.contingency import Groups
from annotator_ops.stats.values import MISSING, FloatArray, IntArray


def codes_of(raters: int, units: int, categories: int, *, missing: float) -> IntArray:
    random = np.random.default_rng(raters + 10 * categories)
    codes = random.integers(0, categories, (raters, units))
    codes[random.random(codes.shape) < missing] = MISSING
    return codes


def one_by_one(codes: IntArray, categories: int) -> IntArray:
    """One unit of one pair after the other."""
    raters, units = codes.shape
    found = np.zeros((raters, categories, raters, categories), dtype=np.intp)
    for first, second in combinations(range(raters), 2):
        for unit in range(units):
            one, other = codes[first, unit], codes[second, unit]
            if one != MISSING and other != MISSING:
                found[first, one, second, other] += 1
    return found


def spread_one_by_one(codes: IntArray, cells: FloatArray) -> FloatArray:
    raters, units = codes.shape
    found = np.zeros(units)
    for first, second in combinations(range(raters), 2):
        for unit in range(units):
            one, other = codes[first, unit], codes[second, unit]
            if one != MISSING and other != MISSING:
                found[unit] += cells[first, one, second, other]
    return found


def compare(codes: IntArray, categories: int) -> Groups:
    groups = Groups.of(codes, categories)
    tables = groups.tables()
    assert tables.dtype == np.intp
    assert (tables == one_by_one(codes, categories)).all()
    random = np.random.default_rng(7)
    cells = np.where(tables > 0, random.normal(size=tables.shape), 0)
    assert groups.spread(cells) == pytest.approx(spread_one_by_one(codes, cells), abs=1e-12)
    return groups


@given(
    raters=st.integers(1, 8),
    units=st.integers(0, 40),
    categories=st.integers(1, 6),
    missing=st.sampled_from([0.0, 0.2, 1.0]),
    most=st.sampled_from([1, 100, 2_000, 50_000]),
)
@settings(deadline=None, max_examples=80)
def test_tables_are_those_of_two_raters_at_a_time(
    raters: int, units: int, categories: int, missing: float, most: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contingency, "_MOST_CELLS", most)
        patch.setattr(contingency, "_CELLS_PER_UNIT", 10**6)
        compare(codes_of(raters, units, categories, missing=missing), categories)


@pytest.mark.parametrize(
    ("raters", "categories", "missing", "sizes"),
    [
        (7, 5, 0.1, [3, 2, 2]),
        (9, 5, 0.0, [3, 3, 3]),
        (11, 2, 0.1, [4, 4, 3]),
        (4, 10, 0.1, [2, 2]),
        (3, 40, 0.1, [1, 1, 1]),
        (3, 2, 0.0, [3]),
    ],
)
def test_groups_are_as_large_as_the_cache_allows(
    raters: int, categories: int, missing: float, sizes: list[int]
) -> None:
    codes = codes_of(raters, 6_000, categories, missing=missing)
    groups = Groups.of(codes, categories)
    assert [group.size for group in groups.groups] == sizes
    for one, other in pairwise(groups.groups):
        assert one.raters.stop == other.raters.start
    small = codes[:, :300]
    assert (Groups.of(small, categories).tables() == one_by_one(small, categories)).all()
    halves = sum(Groups.of(half, categories).tables() for half in (codes[:, :1_000], codes[:, 1_000:]))
    assert (groups.tables() == halves).all()


def test_a_category_that_nobody_used_has_cells_too() -> None:
    codes = np.array([[0, 0, 3, MISSING], [0, 3, 3, 1]])
    groups = compare(codes, 6)
    tables = groups.tables()
    assert tables.shape == (2, 6, 2, 6)
    assert (tables[0, 0, 1, 0], tables[0, 0, 1, 3], tables[0, 3, 1, 3], tables.sum()) == (1, 1, 1, 3)
