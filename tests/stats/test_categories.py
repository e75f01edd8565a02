"""Confused categories: Krippendorff's published coincidences, shares of the disagreement, specific agreement."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.measures import Reason
from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.categories import (
    CategoryAgreement,
    category_agreement,
    coincidence_matrix,
    difference_table,
)
from annotator_ops.stats.distances import expected_sums, metric_of
from annotator_ops.stats.reliability import ReliabilityData
from tests.stats.tables import LEVELS, Table, reliability, tables

# Krippendorff 2011, Computing Krippendorff's alpha-reliability, example C: four observers, twelve units, five values.
EXAMPLE_C: Table = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def test_the_published_coincidences() -> None:
    found = coincidence_matrix(reliability(EXAMPLE_C, Level.NOMINAL))
    published = [
        [7, 4 / 3, 1 / 3, 1 / 3, 0],
        [4 / 3, 10, 4 / 3, 1 / 3, 0],
        [1 / 3, 4 / 3, 8, 1 / 3, 0],
        [1 / 3, 1 / 3, 1 / 3, 4, 0],
        [0, 0, 0, 0, 3],
    ]
    assert found == pytest.approx(np.array(published))
    assert found.sum() == pytest.approx(40)


@given(tables(), st.sampled_from(LEVELS))
@settings(deadline=None)
def test_alpha_follows_from_the_coincidences(rows: Table, level: Level) -> None:
    data = reliability(rows, level)
    found = category_agreement(data)
    alpha = krippendorff_alpha(data).value
    if isinstance(found, Reason):
        assert alpha is None
        return
    o = found.coincidences
    totals = o.sum(axis=1)
    assert o == pytest.approx(o.T)
    assert totals.sum() == pytest.approx((data.codes[:, data.pairable] >= 0).sum())
    metric = metric_of(data)
    assert not isinstance(metric, Reason)
    differences = difference_table(metric, totals)
    expected = float(expected_sums(metric, totals[None, :])[0])
    assert expected == pytest.approx(float(totals @ differences @ totals))
    if alpha is not None:
        assert 1 - (totals.sum() - 1) * float((o * differences).sum()) / expected == pytest.approx(alpha, abs=1e-9)


@given(tables(), st.sampled_from(LEVELS))
@settings(deadline=None)
def test_the_shares_of_the_disagreement_sum_to_one(rows: Table, level: Level) -> None:
    found = category_agreement(reliability(rows, level))
    if isinstance(found, Reason):
        return
    shares = [one.share_of_disagreement for one in found.confusions]
    assert all(before >= after - 1e-12 for before, after in itertools.pairwise(shares))
    if found.confusions:
        assert sum(shares) == pytest.approx(1)


def test_the_level_decides_which_confusion_weighs_more() -> None:
    rows: Table = [[1, 1, 1, 2, 3, 2], [2, 2, 3, 2, 3, 2]]
    nominal, interval = (category_agreement(reliability(rows, level)) for level in (Level.NOMINAL, Level.INTERVAL))
    assert isinstance(nominal, CategoryAgreement)
    assert isinstance(interval, CategoryAgreement)
    assert (nominal.confusions[0].first, nominal.confusions[0].second) == (1, 2)
    assert nominal.confusions[0].share_of_disagreement == pytest.approx(2 / 3)
    assert nominal.confusions[0].coincidences == pytest.approx(4)
    assert (interval.confusions[0].first, interval.confusions[0].second) == (1, 3)
    assert interval.confusions[0].share_of_disagreement == pytest.approx(4 / 6)


def test_a_given_distance_replaces_the_levels() -> None:
    data = reliability([[1, 1, 2], [2, 3, 2]], Level.NOMINAL)
    distance = np.array([[0.0, 9.0, 1.0], [9.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    found = category_agreement(data, distance=distance)
    assert isinstance(found, CategoryAgreement)
    assert found.confusions[0].share_of_disagreement == pytest.approx(0.9)


def test_specific_agreement_of_two_raters_is_that_of_cicchetti_and_feinstein() -> None:
    # a = 40 both yes, b = 5 and c = 9 one yes, d = 6 both no: 2a/(2a + b + c) and 2d/(2d + b + c).
    first = ["yes"] * 40 + ["yes"] * 5 + ["no"] * 9 + ["no"] * 6
    second = ["yes"] * 40 + ["no"] * 5 + ["yes"] * 9 + ["no"] * 6
    data = ReliabilityData.from_rows([first, second], level=Level.NOMINAL, domain=["maybe", "no", "yes"])
    found = category_agreement(data)
    assert isinstance(found, CategoryAgreement)
    maybe, no, yes = found.specific
    assert yes.value == pytest.approx(80 / 94)
    assert no.value == pytest.approx(12 / 26)
    assert maybe.value is None
    assert maybe.reason is not None
    assert maybe.reason.code == "unused-category"


def test_relabelling_moves_the_table_only() -> None:
    data = reliability(EXAMPLE_C, Level.NOMINAL)
    renamed = [[None if value is None else 6 - value for value in row] for row in EXAMPLE_C]
    other = coincidence_matrix(reliability(renamed, Level.NOMINAL))
    assert other[::-1, ::-1] == pytest.approx(coincidence_matrix(data))


def test_too_many_categories_give_a_reason() -> None:
    found = category_agreement(reliability([[float(n) for n in range(201)]] * 2, Level.INTERVAL))
    assert isinstance(found, Reason)
    assert found.code == "too-many-categories"
    alone = category_agreement(reliability([[1, 2], [None, None]], Level.NOMINAL))
    assert isinstance(alone, Reason)
    assert alone.code == "one-rater"
