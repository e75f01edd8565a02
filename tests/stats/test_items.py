"""Disagreement by item: the sum that makes alpha, its ranking, and where it is undefined."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.measures import Reason
from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.items import ItemDisagreement, item_disagreement
from annotator_ops.stats.reliability import ReliabilityData
from tests.stats.tables import LEVELS, Table, reliability, tables


@given(tables(), st.sampled_from(LEVELS))
@settings(deadline=None)
def test_alpha_is_one_minus_the_weighted_sum_over_items(rows: Table, level: Level) -> None:
    data = reliability(rows, level)
    found = item_disagreement(data)
    alpha = krippendorff_alpha(data).value
    if isinstance(found, Reason):
        assert alpha is None
        return
    assert found.weight.sum() == pytest.approx(1)
    assert np.isnan(found.disagreement[~data.pairable]).all()
    if alpha is not None:
        assert found.alpha == pytest.approx(alpha, abs=1e-9)


@given(tables(), st.randoms())
@settings(deadline=None)
def test_any_distance_gives_the_same_sum(rows: Table, random: Random) -> None:
    data = reliability(rows, Level.NOMINAL)
    half = np.triu(np.array([[random.uniform(0.1, 1) for _ in data.domain] for _ in data.domain]), 1)
    found = item_disagreement(data, distance=half + half.T)
    alpha = krippendorff_alpha(data, distance=half + half.T).value
    if isinstance(found, ItemDisagreement) and alpha is not None:
        assert found.alpha == pytest.approx(alpha, abs=1e-9)


@given(tables(), st.sampled_from(LEVELS), st.randoms())
@settings(deadline=None)
def test_the_order_of_raters_and_units_does_not_matter(rows: Table, level: Level, random: Random) -> None:
    order = list(range(len(rows[0])))
    random.shuffle(order)
    first = item_disagreement(reliability(rows, level))
    shuffled = [[row[unit] for unit in order] for row in random.sample(rows, len(rows))]
    second = item_disagreement(reliability(shuffled, level))
    if isinstance(first, Reason) or isinstance(second, Reason):
        assert first == second
    else:
        assert second.disagreement == pytest.approx(first.disagreement[order], abs=1e-9, nan_ok=True)


def test_an_item_by_hand() -> None:
    # Interval: δ² of (1, 3) is 4. Values 1 3 2 2: the mean δ² over the 12 ordered pairs is (4·2 + 1·8) / 12.
    found = item_disagreement(reliability([[1, 2], [3, 2]], Level.INTERVAL))
    assert isinstance(found, ItemDisagreement)
    assert found.disagreement == pytest.approx([4 / (16 / 12), 0])
    assert found.weight == pytest.approx([0.5, 0.5])
    assert found.n_ratings.tolist() == [2, 2]


def test_the_ranking_starts_with_the_most_disagreed_and_keeps_the_order_of_ties() -> None:
    rows: Table = [[1, 1, 1, 2, 1, 1], [1, 2, 1, 1, 2, None], [1, 1, 1, 2, 2, None], [1, 1, 2, 2, 1, None]]
    found = item_disagreement(reliability(rows, Level.NOMINAL))
    assert isinstance(found, ItemDisagreement)
    assert found.ranking() == (4, 1, 2, 3, 0)
    assert found.ranking(most=2) == (4, 1)


@pytest.mark.parametrize("level", [Level.INTERVAL, Level.ORDINAL])
def test_items_that_all_agree_on_have_no_disagreement_at_all(level: Level) -> None:
    rows: Table = [[0.1, 0.7, 0.3], [0.1, 0.7, 0.3], [0.1, 0.7, 0.4]]
    found = item_disagreement(reliability(rows, level))
    assert isinstance(found, ItemDisagreement)
    assert found.disagreement[:2] == pytest.approx([0, 0], abs=1e-15)


def test_what_cannot_be_compared_gives_a_reason() -> None:
    def code(rows: Table, level: Level = Level.NOMINAL) -> str:
        found = item_disagreement(reliability(rows, level))
        assert isinstance(found, Reason)
        return found.code

    assert code([[None, None], [None, None]]) == "no-ratings"
    assert code([[1, 2], [None, None]]) == "one-rater"
    assert code([[1, None], [None, 2]]) == "no-overlap"
    assert code([[1, 1], [1, 1]]) == "one-category"
    assert code([[-1, 1], [1, 1]], Level.RATIO) == "negative-ratio"
    assert code([[0.5, 1], [1, 1]], Level.CIRCULAR) == "no-period"
    data = reliability([[1, 2], [2, 2]], Level.NOMINAL)
    found = item_disagreement(data, distance=np.zeros((2, 2)))
    assert isinstance(found, Reason)
    assert found.code == "no-distance"
    with pytest.raises(ValueError, match="distances"):
        item_disagreement(data, distance=np.zeros((3, 3)))


def test_many_distinct_values_stay_small() -> None:
    random = np.random.default_rng(0)
    values = np.round(random.normal(size=300) + random.normal(size=(3, 300)), 3)
    data = ReliabilityData.from_rows(values.tolist(), level=Level.NOMINAL)
    found = item_disagreement(data)
    assert isinstance(found, ItemDisagreement)
    assert found.alpha == pytest.approx(krippendorff_alpha(data).value, abs=1e-9)
