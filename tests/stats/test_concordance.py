"""Kendall's W and mean correlations: identities, invariances, and what they say where they are undefined."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import combinations
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.measures import Estimate
from annotator_ops.models import Level
from annotator_ops.stats.agreement.concordance import (
    kendall_w,
    mean_pairwise_pearson_fisher_z,
    mean_pairwise_spearman_fisher_z,
)
from annotator_ops.stats.reliability import ReliabilityData
from tests.stats.tables import Table, tables


def uncorrected(data: ReliabilityData) -> Estimate:
    return kendall_w(data, correct_ties=False)


COEFFICIENTS = (kendall_w, uncorrected, mean_pairwise_pearson_fisher_z, mean_pairwise_spearman_fisher_z)


def data_of(rows: Table) -> ReliabilityData:
    return ReliabilityData.from_rows(rows, level=Level.INTERVAL)


def same(one: Estimate, other: Estimate) -> None:
    assert (one.value is None) == (other.value is None)
    assert one.value is None or one.value == pytest.approx(other.value, abs=1e-9)


@given(st.lists(st.permutations(range(6)), min_size=2, max_size=5))
@settings(deadline=None)
def test_w_is_the_mean_spearman_of_pairs(orders: list[list[int]]) -> None:
    """Kendall 1970, ch. 6: the mean rho is (m W − 1)/(m − 1); without ties both kinds of W are the same."""
    m = len(orders)
    data = data_of([[float(place) for place in order] for order in orders])
    rho = np.mean([stats.spearmanr(one, other).statistic for one, other in combinations(orders, 2)])
    for w in (kendall_w(data).value, uncorrected(data).value):
        assert w is not None
        assert (m * w - 1) / (m - 1) == pytest.approx(rho, abs=1e-9)


@given(tables())
@settings(deadline=None)
def test_ties_lower_w_only_where_they_are_not_corrected(rows: Table) -> None:
    data = data_of([[value or 3.0 for value in row] for row in rows])
    corrected, plain = kendall_w(data).value, uncorrected(data).value
    if corrected is not None and plain is not None:
        assert 0 <= plain <= corrected + 1e-12 <= 1 + 2e-12


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
@given(rows=tables(), random=st.randoms())
@settings(deadline=None, max_examples=50)
def test_the_order_of_raters_and_items_does_not_matter(
    rows: Table, random: Random, coefficient: Callable[[ReliabilityData], Estimate]
) -> None:
    order = list(range(len(rows[0])))
    random.shuffle(order)
    shuffled = [[row[unit] for unit in order] for row in random.sample(rows, len(rows))]
    same(coefficient(data_of(rows)), coefficient(data_of(shuffled)))


@given(tables())
@settings(deadline=None)
def test_ranks_ignore_any_stretching_that_keeps_the_order(rows: Table) -> None:
    stretched: Table = [[None if value is None else math.exp(3 * value) for value in row] for row in rows]
    for coefficient in (kendall_w, uncorrected, mean_pairwise_spearman_fisher_z):
        same(coefficient(data_of(rows)), coefficient(data_of(stretched)))


def test_items_with_gaps_are_left_out_of_w_and_counted() -> None:
    rows: Table = [[1, 2, 3, 4, 4], [2, 1, 3, 4, None], [1, 3, 2, 4, 1]]
    found = kendall_w(data_of(rows))
    same(found, kendall_w(data_of([row[:4] for row in rows])))
    assert "1 item that lacks a rating left out" in found.method
    assert (found.n_items, found.n_raters) == (4, 3)


def test_correlations_of_pairs_use_what_each_pair_has_in_common() -> None:
    random = np.random.default_rng(2)
    truth = random.normal(0, 1, 30)
    table = truth + random.normal(0, 1, (4, 30))
    table[random.random((4, 30)) < 0.25] = np.nan
    rows: Table = table.tolist()
    rows.append([None] * 30)
    for coefficient, oracle in (
        (mean_pairwise_pearson_fisher_z, stats.pearsonr),
        (mean_pairwise_spearman_fisher_z, stats.spearmanr),
    ):
        found = coefficient(data_of(rows))
        z = []
        for one, other in combinations(table, 2):
            both = ~np.isnan(one + other)
            z.append(np.arctanh(oracle(one[both], other[both]).statistic))
        assert found.value == pytest.approx(np.tanh(np.mean(z)), abs=1e-12)
        assert "of 6 pairs" in found.method
        assert "4 pairs undefined left out" in found.method


def defined(data: ReliabilityData, *, ranked: bool) -> tuple[float | None, int, int, int]:
    """The mean of z two raters at a time, and how many pairs were averaged, were undefined, and were perfect."""
    z, undefined, perfect = [], 0, 0
    for one, other in combinations(data.values, 2):
        both = ~np.isnan(one + other)
        x, y = (stats.rankdata(own[both]) if ranked else own[both] for own in (one, other))
        if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
            undefined += 1
            continue
        x, y = x - x.mean(), y - y.mean()
        r = float((x * y).sum() / math.sqrt((x**2).sum() * (y**2).sum()))
        if 1 - abs(r) <= 1e-12:
            perfect += 1
        else:
            z.append(math.atanh(r))
    return (math.tanh(math.fsum(z) / len(z)) if z else None), len(z), undefined, perfect


def as_defined(data: ReliabilityData) -> None:
    for coefficient, ranked in ((mean_pairwise_pearson_fisher_z, False), (mean_pairwise_spearman_fisher_z, True)):
        value, averaged, undefined, perfect = defined(data, ranked=ranked)
        found = coefficient(data)
        if found.reason is not None and found.reason.code not in ("no-pairs", "perfect-correlations"):
            continue
        assert (found.value is None) == (value is None)
        if value is None:
            continue
        assert found.value == pytest.approx(value, abs=1e-12)
        told = dict.fromkeys(("of", "undefined", "with"), 0)
        for part in found.method.split("; "):
            count, word = re.findall(r"(\d+) pairs? (by|undefined|with)", part)[0]
            told["of" if word == "by" else word] = int(count)
        assert list(told.values()) == [averaged, undefined, perfect]


@given(tables())
@settings(deadline=None)
def test_mean_correlations_of_small_tables_are_as_defined(rows: Table) -> None:
    as_defined(data_of(rows))


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize(("units", "decimals"), [(400, 0), (4_000, 1), (60, 1), (60, 6)])
def test_mean_correlations_are_as_defined(units: int, decimals: int, missing: float) -> None:
    """From the tables of pairs where values are few, unit by unit where they are many, with and without gaps."""
    random = np.random.default_rng(units)
    table = np.round(np.clip(random.normal(5, 2, units) + random.normal(0, 1.5, (5, units)), 0, 10), decimals) + 100
    table[random.random(table.shape) < missing] = np.nan
    table[3] = np.where(np.isnan(table[2]), np.nan, table[3])
    table[4, 7:] = 103.0
    table[1, : units // 2] = np.nan
    two_items = np.full((2, units), np.nan)
    two_items[:, :2] = 101, 103
    two_items[1, 0] += 1
    as_defined(data_of(np.vstack([table, two_items]).tolist()))


def test_perfect_pairs_are_left_out_of_a_mean_of_z() -> None:
    """As in R irr: z of r = 1 is infinite, and a mean with it would be 1 whatever the others say."""
    rows: Table = [[1, 2, 3, 4], [2, 4, 6, 8], [1, 3, 2, 4]]
    found = mean_pairwise_pearson_fisher_z(data_of(rows))
    assert found.value == pytest.approx(0.8, abs=1e-12)
    assert "1 pairs with ±1 left out" not in found.method
    assert "1 pair with ±1 left out" in found.method
    reason = mean_pairwise_pearson_fisher_z(data_of(rows[:2])).reason
    assert reason is not None and reason.code == "perfect-correlations"


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        ([[3, 3, 3], [3, 3, 3]], {"constant", "no-pairs"}),
        ([[1, 2, 3]], {"one-rater"}),
        ([[1, None, 3, None], [None, 2, None, 4]], {"no-overlap"}),
        ([[1, 2], [1, None]], {"too-few-complete-items", "too-few-items"}),
        ([[1, 2, None], [1, None, 3], [None, 2, 3]], {"too-few-complete-items", "no-pairs"}),
        ([[None, None], [None, None]], {"no-ratings"}),
        ([], {"no-ratings"}),
    ],
)
def test_where_they_are_undefined_they_say_why(rows: Table, codes: set[str]) -> None:
    for coefficient in COEFFICIENTS:
        found = coefficient(data_of(rows))
        if found.value is not None:
            assert found.value == 0 and coefficient is uncorrected  # one value throughout: rank sums do not differ
            continue
        assert found.reason is not None and found.reason.code in codes
        assert found.reason.sentence.endswith(".")


def test_labels_have_no_order() -> None:
    labels = ReliabilityData.from_rows([["a", "b", "a"], ["a", "a", "b"]], level=Level.NOMINAL)
    for coefficient in COEFFICIENTS:
        reason = coefficient(labels).reason
        assert reason is not None and reason.code == "not-numeric"
