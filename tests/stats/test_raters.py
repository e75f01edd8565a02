"""Each rater against the others: leave-one-out equals recomputing, and every number against plain loops."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.measures import Estimate
from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.leave_one_out import leave_one_out
from annotator_ops.stats.raters import RaterAgreement, rater_agreement
from annotator_ops.stats.reliability import ReliabilityData
from tests.stats.tables import LEVELS, Table, reliability, tables


def without(data: ReliabilityData, row: int) -> ReliabilityData:
    raters = data.raters[:row] + data.raters[row + 1 :]
    return replace(data, raters=raters, codes=np.delete(data.codes, row, axis=0))


@given(tables(), st.sampled_from(LEVELS))
@settings(deadline=None)
def test_leave_one_out_equals_recomputing(rows: Table, level: Level) -> None:
    data = reliability(rows, level)
    whole, left = leave_one_out(data)
    assert whole == krippendorff_alpha(data)
    for row, found in enumerate(left):
        recomputed = krippendorff_alpha(without(data, row))
        if recomputed.value is None:
            assert found.value is None
            assert found.reason == recomputed.reason
        else:
            assert found.value == pytest.approx(recomputed.value, abs=1e-9)
            assert found.n_items == recomputed.n_items
            assert found.n_raters == recomputed.n_raters


@given(tables(), st.randoms())
@settings(deadline=None)
def test_leave_one_out_by_any_distance(rows: Table, random: Random) -> None:
    data = reliability(rows, Level.NOMINAL)
    half = np.triu(np.array([[random.uniform(0.1, 1) for _ in data.domain] for _ in data.domain]), 1)
    distance = half + half.T
    for row, found in enumerate(leave_one_out(data, distance=distance)[1]):
        recomputed = krippendorff_alpha(without(data, row), distance=distance).value
        assert found.value == (None if recomputed is None else pytest.approx(recomputed, abs=1e-9))


@given(tables(), st.sampled_from(LEVELS))
@settings(deadline=None)
def test_of_two_raters_alpha_with_the_other_is_alpha(rows: Table, level: Level) -> None:
    data = reliability(rows[:2], level)
    alpha = krippendorff_alpha(data)
    for found in rater_agreement(data):
        if alpha.value is not None:
            assert found.alpha_with_others.value == pytest.approx(alpha.value, abs=1e-9)


@given(tables(), st.sampled_from(LEVELS))
@settings(deadline=None)
def test_alpha_with_the_others_is_alpha_of_their_weighted_pairs(rows: Table, level: Level) -> None:
    # Replicated: each pair of rater and other becomes a unit as often as makes every item count the same.
    data = reliability(rows, level)
    copies = math.lcm(1, 2, 3, 4)
    for row, found in enumerate(rater_agreement(data)):
        pairs: list[tuple[float, float]] = []
        for column in zip(*rows, strict=True):
            own = column[row]
            others = [value for rater, value in enumerate(column) if rater != row and value is not None]
            if own is not None and others:
                pairs += [(own, other) for other in others] * (copies // len(others))
        if found.alpha_with_others.value is None or not pairs:
            continue
        domain = [value for value in data.domain if isinstance(value, float)]
        paired = ReliabilityData.from_rows(list(zip(*pairs, strict=True)), level=level, domain=domain)
        alpha = krippendorff_alpha(paired).value
        assert alpha is not None
        # Copies change n, and with it the factor (n − 1)/n.
        n = 2 * found.n_common
        copied = 1 - (1 - alpha) * (n - 1) / n / ((n * copies - 1) / (n * copies))
        assert found.alpha_with_others.value == pytest.approx(copied, abs=1e-9)


@given(tables(), st.sampled_from(LEVELS))
@settings(deadline=None)
def test_agreement_bias_and_spread_by_plain_loops(rows: Table, level: Level) -> None:
    data = reliability(rows, level)
    for row, found in enumerate(rater_agreement(data)):
        shares, own, others, means, weights = [], [], [], [], []
        for column in zip(*rows, strict=True):
            rest = [value for rater, value in enumerate(column) if rater != row and value is not None]
            if column[row] is None or not rest:
                continue
            value = float(column[row] or 0)
            shares.append(sum(other == value for other in rest) / len(rest))
            own.append(value)
            means.append(statistics.mean(rest))
            others += rest
            weights += [1 / len(rest)] * len(rest)
        assert found.n_common == len(shares)
        assert found.n_ratings == sum(value is not None for value in rows[row])
        if not shares:
            assert found.agreement.reason is not None
            assert found.agreement.reason.code in ("no-overlap", "no-ratings")
            continue
        assert found.agreement.value == pytest.approx(statistics.mean(shares))
        if level in (Level.NOMINAL, Level.CIRCULAR):
            assert found.bias.reason is not None
            assert found.bias.reason.code == "not-numeric"
            continue
        differences = [value - mean for value, mean in zip(own, means, strict=True)]
        assert found.bias.value == pytest.approx(statistics.mean(differences), abs=1e-9)
        centre = np.average(others, weights=weights)
        variance = float(np.average((np.array(others) - centre) ** 2, weights=weights))
        if found.spread.value is not None:
            assert found.spread.value == pytest.approx(statistics.pstdev(own) / math.sqrt(variance), abs=1e-9)
        if found.spearman.value is not None:
            assert found.spearman.value == pytest.approx(stats.spearmanr(own, means).statistic, abs=1e-9)
        if found.pearson.value is not None:
            assert found.pearson.value == pytest.approx(stats.pearsonr(own, means).statistic, abs=1e-9)


@given(tables(least_raters=3), st.sampled_from(LEVELS), st.randoms())
@settings(deadline=None)
def test_the_order_of_raters_and_units_does_not_matter(rows: Table, level: Level, random: Random) -> None:
    order, raters = list(range(len(rows[0]))), list(range(len(rows)))
    random.shuffle(order)
    random.shuffle(raters)
    first = rater_agreement(reliability(rows, level))
    second = rater_agreement(reliability([[rows[row][unit] for unit in order] for row in raters], level))
    for row, other in zip(raters, second, strict=True):
        for name in ("agreement", "alpha_with_others", "alpha_without", "spearman", "pearson", "bias", "spread"):
            one, two = getattr(first[row], name), getattr(other, name)
            assert one.value == (None if two.value is None else pytest.approx(two.value, abs=1e-9))


def test_a_slip_of_the_keyboard_costs_no_digits() -> None:
    rows: Table = [[1.5, 2, 3, 1e9], [1, 2.5, 3.5, 1], [1, 2, 3, 2]]
    data = reliability(rows, Level.INTERVAL)
    for row, found in enumerate(leave_one_out(data)[1]):
        assert found.value == pytest.approx(krippendorff_alpha(without(data, row)).value, abs=1e-9)


def only(rows: Table, level: Level, row: int = 0) -> RaterAgreement:
    return rater_agreement(reliability(rows, level))[row]


def test_the_interval_of_a_bias_is_students() -> None:
    found = only([[3, 5, 4, 6], [2, 3, 4, 3], [2, 5, 2, 5]], Level.INTERVAL).bias
    differences = [3 - 2, 5 - 4, 4 - 3, 6 - 4]
    low, high = stats.t.interval(0.95, 3, np.mean(differences), stats.sem(differences))
    assert (found.value, found.low, found.high) == pytest.approx((1.25, low, high))
    assert found.standard_error == pytest.approx(stats.sem(differences))
    assert "Student" in found.method


def test_a_bias_without_variation_has_no_interval() -> None:
    found = only([[2, 3, 4], [1, 2, 3]], Level.INTERVAL).bias
    assert found.value == pytest.approx(1)
    assert found.low is None
    assert "the same on every item" in found.method


def test_the_outlier_lowers_alpha() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(1, 6, 60).astype(float)
    rows = [truth.tolist() for _ in range(3)] + [random.integers(1, 6, 60).astype(float).tolist()]
    found = rater_agreement(ReliabilityData.from_rows(rows, level=Level.ORDINAL))
    assert found[3].alpha_without.value == pytest.approx(1)
    assert found[3].alpha_change is not None
    assert found[3].alpha_change < -0.3
    assert found[0].alpha_change is not None
    assert found[0].alpha_change > 0
    assert abs(found[3].alpha_with_others.value or 1) < 0.3


def test_the_spreads_interval_covers() -> None:
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        truth = random.normal(size=80)
        noise = random.normal(size=(4, 80))
        rows = truth + noise
        rows[0] *= 0.5
        found = rater_agreement(ReliabilityData.from_rows(rows.tolist(), level=Level.INTERVAL))[0].spread
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0.5 <= found.high
    assert 0.90 <= hits / 200 <= 0.99


def test_spread_where_nothing_varies() -> None:
    constant = only([[2, 2, 2], [1, 2, 3]], Level.INTERVAL)
    assert constant.spread.value == 0
    other = only([[2, 2, 2], [1, 2, 3]], Level.INTERVAL, 1)
    assert other.spread.reason is not None
    assert other.spread.reason.code == "constant"
    assert other.spearman.reason is not None


def reasons(found: RaterAgreement) -> set[str]:
    estimates: list[Estimate] = [found.agreement, found.alpha_with_others, found.bias, found.spread, found.spearman]
    return {one.reason.code for one in estimates if one.reason}


def test_what_is_undefined_says_why() -> None:
    assert reasons(only([[1, 2], [None, None]], Level.INTERVAL)) == {"no-overlap"}
    assert reasons(only([[1, 2], [None, None]], Level.INTERVAL, 1)) == {"no-ratings"}
    assert reasons(only([[None, 2], [1, None]], Level.INTERVAL)) == {"no-overlap"}
    same = only([[1, 1], [1, 1], [2, 2]], Level.NOMINAL)
    assert same.alpha_without.value is not None
    alike = only([[1, 1], [1, 1]], Level.NOMINAL)
    assert alike.agreement.value == 1
    assert "one-category" in reasons(alike)
    assert alike.alpha_without.reason is not None
    assert alike.alpha_without.reason.code == "one-rater"
    assert alike.alpha_change is None


def test_the_json_has_fixed_names() -> None:
    assert set(only([[1, 2], [1, 2]], Level.NOMINAL).as_json()) == {
        "rater",
        "n_ratings",
        "n_common",
        "agreement",
        "alpha_with_others",
        "alpha_without",
        "alpha_change",
        "spearman",
        "pearson",
        "bias",
        "spread",
    }
