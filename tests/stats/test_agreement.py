"""Krippendorff's alpha, percent agreement, kappa: invariances, oracles, and what they say where they are undefined."""

from __future__ import annotations

import itertools
import math
from random import Random

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.measures import Estimate
from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import _alpha, krippendorff_alpha
from annotator_ops.stats.agreement.chance import cohen_kappa, percent_agreement
from annotator_ops.stats.agreement.pairs import pairwise
from annotator_ops.stats.agreement.units import units_of
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.reliability import ReliabilityData

Table = list[list[float | None]]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Raters × units with whole numbers from 1 to 5 and holes."""
    raters, units = draw(st.integers(2, 5)), draw(st.integers(2, 12))
    cell = st.one_of(st.none(), *[st.just(float(value)) for value in range(1, 6)])
    return draw(st.lists(st.lists(cell, min_size=units, max_size=units), min_size=raters, max_size=raters))


def alpha(rows: Table, level: Level) -> Estimate:
    return krippendorff_alpha(ReliabilityData.from_rows(rows, level=level))


def same(one: Estimate, other: Estimate) -> None:
    if one.value is None or other.value is None:
        assert one.value is other.value
        assert one.reason is not None and other.reason is not None
        assert one.reason.code == other.reason.code
    else:
        assert one.value == pytest.approx(other.value, abs=1e-9)


@given(tables(), st.sampled_from(list(Level)))
@settings(deadline=None)
def test_alpha_equals_the_package_or_says_why_not(rows: Table, level: Level) -> None:
    found = alpha(rows, level)
    columns = [[value for value in column if value is not None] for column in zip(*rows, strict=True)]
    pairable = [value for column in columns if len(column) > 1 for value in column]
    if found.value is None:
        assert found.reason is not None
        assert len(set(pairable)) < 2 or sum(len(column) > 1 for column in columns) < 2
        return
    table = np.array(rows, dtype=float)
    table[:, (~np.isnan(table)).sum(axis=0) < 2] = np.nan
    oracle = krippendorff.alpha(reliability_data=table, level_of_measurement=level.value)
    assert found.value == pytest.approx(oracle, abs=1e-9)
    assert math.isfinite(found.value)


@given(tables(), st.sampled_from(list(Level)), st.randoms())
@settings(deadline=None)
def test_alpha_and_its_interval_ignore_the_order_of_raters_and_units(rows: Table, level: Level, random: Random) -> None:
    order = list(range(len(rows[0])))
    random.shuffle(order)
    shuffled = [[row[unit] for unit in order] for row in random.sample(rows, len(rows))]
    resampling = Resampling(resamples=20)
    first, second = (
        krippendorff_alpha(ReliabilityData.from_rows(table, level=level), resampling=resampling)
        for table in (rows, shuffled)
    )
    same(first, second)
    assert first.method == second.method
    assert first.low == (None if second.low is None else pytest.approx(second.low, abs=1e-9))


@given(tables(), st.permutations([1.0, 2.0, 3.0, 4.0, 5.0]))
@settings(deadline=None)
def test_nominal_alpha_ignores_what_the_categories_are_called(rows: Table, names: list[float]) -> None:
    renamed: Table = [[None if value is None else names[int(value) - 1] for value in row] for row in rows]
    same(alpha(rows, Level.NOMINAL), alpha(renamed, Level.NOMINAL))


@given(tables(), st.floats(0.01, 100), st.floats(-1000, 1000))
@settings(deadline=None)
def test_interval_alpha_ignores_unit_and_origin_of_the_scale(rows: Table, factor: float, shift: float) -> None:
    scaled: Table = [[None if value is None else factor * value + shift for value in row] for row in rows]
    same(alpha(rows, Level.INTERVAL), alpha(scaled, Level.INTERVAL))


@given(tables())
@settings(deadline=None)
def test_ordinal_alpha_ignores_any_stretching_that_keeps_the_order(rows: Table) -> None:
    stretched: Table = [[None if value is None else math.exp(3 * value) for value in row] for row in rows]
    same(alpha(rows, Level.ORDINAL), alpha(stretched, Level.ORDINAL))


@given(tables())
@settings(deadline=None)
def test_percent_agreement_is_a_mean_over_units_so_doubling_them_changes_nothing(rows: Table) -> None:
    once, twice = (
        percent_agreement(ReliabilityData.from_rows(table, level=Level.NOMINAL))
        for table in (rows, [row + row for row in rows])
    )
    same(once, twice)
    shares = []
    for column in zip(*rows, strict=True):
        pairs = list(itertools.combinations([value for value in column if value is not None], 2))
        if pairs:
            shares.append(sum(first == second for first, second in pairs) / len(pairs))
    if once.value is not None:
        assert once.value == pytest.approx(sum(shares) / len(shares), abs=1e-12)


def test_doubling_the_units_raises_alphas_expected_disagreement_in_the_known_way() -> None:
    """Observed disagreement stays; expected, over n − 1, becomes that of 2n values."""
    rows: Table = [[1, 2, 3, 3, 2, 1, 4], [1, 2, 3, 3, 2, 2, 4]]
    one, two = alpha(rows, Level.NOMINAL), alpha([row + row for row in rows], Level.NOMINAL)
    n = 14
    assert one.value is not None and two.value is not None
    assert (1 - two.value) / (1 - one.value) == pytest.approx((2 * n - 1) / (2 * (n - 1)), abs=1e-12)


@pytest.mark.parametrize("level", list(Level))
def test_reweighting_is_the_same_as_repeatingunits_of(level: Level) -> None:
    """What the bootstrap does with weights, done the long way: units repeated, alpha from the package."""
    random = np.random.default_rng(3)
    table = np.round(np.clip(random.normal(3, 1, 40) + random.normal(0, 0.8, (4, 40)), 1, 5))
    table[random.random(table.shape) < 0.15] = np.nan
    data = ReliabilityData.from_rows(table.tolist(), level=level)
    units = units_of(data)
    coded = np.sort(data.codes[:, data.pairable].T, axis=1)
    patterns = np.unique(coded, axis=0)
    for _ in range(20):
        weights = random.multinomial(units.n, units.multiplicity / units.n)
        repeated = np.repeat(patterns, weights, axis=0).T
        values = np.append(np.array(data.domain, dtype=float), np.nan)[repeated]
        oracle = krippendorff.alpha(reliability_data=values, level_of_measurement=level.value)
        ours = _alpha(units, data, weights[None, :].astype(float))[0]
        assert ours == pytest.approx(oracle, abs=1e-9)


def test_weighted_kappa_is_cohens_definition() -> None:
    random = np.random.default_rng(5)
    x = random.integers(1, 6, 80)
    y = np.clip(x + random.integers(-1, 2, 80), 1, 5)
    found = cohen_kappa(ReliabilityData.from_rows([x.tolist(), y.tolist()], level=Level.ORDINAL))
    joint = np.zeros((5, 5))
    np.add.at(joint, (x - 1, y - 1), 1 / 80)
    penalty = np.subtract.outer(np.arange(5), np.arange(5)) ** 2
    expected = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    assert found.value == pytest.approx(1 - (penalty * joint).sum() / (penalty * expected).sum(), abs=1e-12)


def test_pairs_are_compared_on_their_common_items_only() -> None:
    rows: Table = [[1, 2, 3, 4, None], [1, 2, 3, 5, 1], [None, None, 3, 4, 2]]
    first, second, third = pairwise(ReliabilityData.from_rows(rows, level=Level.ORDINAL, raters=["a", "b", "c"]))
    assert [(pair.raters, pair.n_items) for pair in (first, second, third)] == [
        (("a", "b"), 4),
        (("a", "c"), 2),
        (("b", "c"), 3),
    ]
    assert first.estimates["percent_agreement"].value == 0.75
    assert first.estimates["spearman"].value == pytest.approx(stats.spearmanr([1, 2, 3, 4], [1, 2, 3, 5]).statistic)
    reason = second.estimates["spearman"].reason
    assert reason is not None and reason.code == "too-few-items"


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([[3, 3, 3], [3, 3, 3]], "one-category"),
        ([[1, 2, 3]], "one-rater"),
        ([[1, 2, 3], [None, None, None]], "one-rater"),
        ([[1, None, 3, None], [None, 2, None, 4]], "no-overlap"),
        ([[1, 2], [1, None]], "too-few-items"),
        ([[None, None], [None, None]], "no-ratings"),
        ([], "no-ratings"),
    ],
)
def test_where_alpha_is_undefined_it_says_why(rows: Table, code: str) -> None:
    for level in Level:
        found = krippendorff_alpha(ReliabilityData.from_rows(rows, level=level), resampling=Resampling())
        assert found.value is None and found.low is None
        assert found.reason is not None and found.reason.code == code
        assert found.reason.sentence.endswith(".")


def test_perfect_agreement_is_one_without_an_interval_that_claims_certainty() -> None:
    data = ReliabilityData.from_rows([[1, 2, 3, 4] * 20] * 3, level=Level.ORDINAL)
    found = krippendorff_alpha(data, resampling=Resampling(resamples=200))
    assert found.value == 1
    assert (found.low, found.high) == (None, None)
    assert "no interval: all resamples give the same value" in found.method


def test_a_category_that_nobody_used_changes_nothing() -> None:
    rows: Table = [[1, 2, 3, 3], [1, 2, 2, 3]]
    plain = alpha(rows, Level.ORDINAL)
    domain = krippendorff_alpha(ReliabilityData.from_rows(rows, level=Level.ORDINAL, domain=[1, 2, 3, 4, 5]))
    same(plain, domain)


def test_sliders_do_not_run_out_of_memory() -> None:
    """The package needs units × values × values numbers: 10,000 × 10 two-decimal sliders would take terabytes."""
    random = np.random.default_rng(1)
    truth = random.uniform(0, 100, 10_000)
    table = np.round(np.clip(truth + random.normal(0, 10, (10, 10_000)), 0, 100), 2)
    for level in (Level.INTERVAL, Level.ORDINAL):
        found = krippendorff_alpha(ReliabilityData.from_rows(table.tolist(), level=level))
        assert found.value == pytest.approx(0.89, abs=0.02)
