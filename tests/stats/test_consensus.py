"""What raters together say: by hand, against plain loops, with ties kept, and which method fits which level."""

from __future__ import annotations

import cmath
import math
import statistics
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.measures import ConsensusMethod, Reason
from annotator_ops.models import Level
from annotator_ops.stats.consensus import Consensus, consensus, unfit
from annotator_ops.stats.dawid_skene import DawidSkene, fit_model
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import Category
from tests.stats.tables import Table, reliability, tables


def agreed(rows: Table, level: Level, method: ConsensusMethod) -> tuple[Consensus, ...]:
    found = consensus(reliability(rows, level), method=method)
    assert not isinstance(found, Reason)
    return found


def columns(rows: Table) -> list[list[float]]:
    return [[value for value in column if value is not None] for column in zip(*rows, strict=True)]


def anything(rows: Table) -> bool:
    return any(columns(rows))


@given(tables())
@settings(deadline=None)
def test_the_majority_keeps_ties(rows: Table) -> None:
    if not anything(rows):
        return
    for found, values in zip(agreed(rows, Level.NOMINAL, ConsensusMethod.MAJORITY), columns(rows), strict=True):
        votes = Counter(values)
        most = max(votes.values(), default=0)
        assert found.values == tuple(sorted(value for value, count in votes.items() if count == most))
        assert found.n_ratings == len(values)
        assert found.confidence == (pytest.approx(most / len(values)) if values else None)
        assert found.tied == (len(found.values) > 1)


@given(tables())
@settings(deadline=None)
def test_mean_and_median_equal_the_standard_library(rows: Table) -> None:
    if not anything(rows):
        return
    means = agreed(rows, Level.INTERVAL, ConsensusMethod.MEAN)
    medians = agreed(rows, Level.INTERVAL, ConsensusMethod.MEDIAN)
    for mean, median, values in zip(means, medians, columns(rows), strict=True):
        if not values:
            assert mean.values == median.values == ()
            continue
        assert list(mean.values) == pytest.approx([statistics.mean(values)])
        assert list(median.values) == pytest.approx([statistics.median(values)])
        sd = statistics.stdev(values) if len(values) > 1 else None
        assert mean.sd == median.sd == (None if sd is None else pytest.approx(sd))
        assert mean.standard_error == (None if sd is None else pytest.approx(sd / math.sqrt(len(values))))
        assert median.standard_error is None


@given(tables())
@settings(deadline=None)
def test_the_ordinal_median_is_a_category_or_two(rows: Table) -> None:
    if not anything(rows):
        return
    for found, values in zip(agreed(rows, Level.ORDINAL, ConsensusMethod.MEDIAN), columns(rows), strict=True):
        if not values:
            assert found.values == ()
            continue
        middle = {statistics.median_low(values), statistics.median_high(values)}
        assert found.values == tuple(sorted(middle))


@given(
    tables(),
    st.sampled_from([(Level.NOMINAL, ConsensusMethod.MAJORITY), (Level.RATIO, ConsensusMethod.MEAN)]),
    st.randoms(),
)
@settings(deadline=None)
def test_the_order_of_raters_and_units_does_not_matter(
    rows: Table, how: tuple[Level, ConsensusMethod], random: Random
) -> None:
    if not anything(rows):
        return
    order = list(range(len(rows[0])))
    random.shuffle(order)
    first = agreed(rows, *how)
    second = agreed([[row[unit] for unit in order] for row in random.sample(rows, len(rows))], *how)
    for position, other in zip(order, second, strict=True):
        values = [value for value in first[position].values if isinstance(value, float)]
        assert other.values == pytest.approx(values)
        assert other.n_ratings == first[position].n_ratings


def test_a_mean_direction_goes_over_the_end_of_the_circle() -> None:
    rows: Table = [[23, 6, 0, 3], [1, 18, 0, None], [0, None, 3, None]]
    data = ReliabilityData.from_rows(rows, level=Level.CIRCULAR)
    found = consensus(data, method=ConsensusMethod.MEAN, period=24)
    assert not isinstance(found, Reason)
    # Three hours about midnight: 0 (or just below 24, which is the same).
    (first,) = found[0].values
    assert isinstance(first, float)
    assert min(first, 24 - first) == pytest.approx(0, abs=1e-9)
    # Opposite directions have no mean, and their resultant length is 0.
    assert found[1].values == ()
    assert found[1].confidence == pytest.approx(0, abs=1e-12)
    angle = cmath.phase(1 + 1 + cmath.exp(2j * math.pi * 3 / 24))
    assert list(found[2].values) == pytest.approx([angle * 24 / (2 * math.pi)])
    assert list(found[3].values) == pytest.approx([3])
    assert consensus(data, method=ConsensusMethod.MEAN, period=24) == found


def test_dawid_and_skene_decide_by_probability() -> None:
    rows: Table = [[1, 2, 1, 2, 1, 2, 1], [1, 2, 1, 2, 1, 2, 2], [2, 2, 1, 1, 1, 2, None]]
    data = reliability([[*row, None] for row in rows], Level.NOMINAL)
    model = fit_model(data)
    assert isinstance(model, DawidSkene)
    found = consensus(data, method=ConsensusMethod.DAWID_SKENE, model=model)
    assert not isinstance(found, Reason)
    assert found == consensus(data, method=ConsensusMethod.DAWID_SKENE)
    assert found[0].values == (1.0,)
    assert found[0].confidence == pytest.approx(model.posterior[0].max())
    assert found[7].values == ()
    assert found[7].confidence is None


def test_a_tie_of_probabilities_stays_one() -> None:
    rows = [["a", "a", "b", "b"], ["b", "b", "a", "a"], ["a", "b", "b", "a"]]
    data = ReliabilityData.from_rows(rows, level=Level.NOMINAL)
    model = fit_model(data)
    assert isinstance(model, DawidSkene)
    even = DawidSkene(model.marginals, model.posterior * 0 + 0.5, model.confusion, 0.0, 1, True)
    found = consensus(data, method=ConsensusMethod.DAWID_SKENE, model=even)
    assert not isinstance(found, Reason)
    assert found[0].values == ("a", "b")
    assert found[0].as_row()["value"] is None
    assert found[0].as_row()["tied"] == "a | b"


@pytest.mark.parametrize(
    ("method", "level", "code"),
    [
        (ConsensusMethod.MEAN, Level.NOMINAL, "needs-numbers"),
        (ConsensusMethod.MEDIAN, Level.NOMINAL, "needs-order"),
        (ConsensusMethod.MEDIAN, Level.CIRCULAR, "needs-order"),
        (ConsensusMethod.MAJORITY, Level.INTERVAL, "needs-categories"),
        (ConsensusMethod.DAWID_SKENE, Level.RATIO, "needs-categories"),
    ],
)
def test_a_method_that_does_not_fit_says_why(method: ConsensusMethod, level: Level, code: str) -> None:
    reason = unfit(method, level)
    assert reason is not None
    assert reason.code == code
    assert reason.sentence.endswith(".")
    assert consensus(reliability([[1, 2], [1, 2]], level), method=method) == reason


def test_the_rest_fits() -> None:
    fitting = {(method, level) for method in ConsensusMethod for level in Level if unfit(method, level) is None}
    ordered = (Level.ORDINAL, Level.INTERVAL, Level.RATIO)
    numbers = {(method, level) for method in (ConsensusMethod.MEAN, ConsensusMethod.MEDIAN) for level in ordered}
    categories = {
        (method, level)
        for method in (ConsensusMethod.MAJORITY, ConsensusMethod.DAWID_SKENE)
        for level in (Level.NOMINAL, Level.ORDINAL)
    }
    assert fitting == numbers | categories | {(ConsensusMethod.MEAN, Level.CIRCULAR)}


def test_a_row_has_fixed_names() -> None:
    row = agreed([[1, 2], [1, 4]], Level.INTERVAL, ConsensusMethod.MEAN)[1].as_row()
    assert row == {
        "item": "2",
        "method": "mean",
        "value": 3.0,
        "tied": "",
        "n_ratings": 2,
        "confidence": None,
        "sd": pytest.approx(math.sqrt(2)),
        "standard_error": pytest.approx(1),
    }


def test_sets_of_labels_have_a_majority() -> None:
    rows: list[list[Category]] = [[("a", "b"), ("a",)], [("a", "b"), ("b",)], [("a",), ("b",)]]
    found = consensus(ReliabilityData.from_rows(rows, level=Level.NOMINAL), method=ConsensusMethod.MAJORITY)
    assert not isinstance(found, Reason)
    assert found[0].values == (("a", "b"),)
    assert found[0].as_row()["value"] == "a + b"


def test_nothing_rated_is_a_reason() -> None:
    data = reliability([[None, None], [None, None]], Level.NOMINAL)
    for method in (ConsensusMethod.MAJORITY, ConsensusMethod.DAWID_SKENE):
        found = consensus(data, method=method)
        assert isinstance(found, Reason)
        assert found.code == "no-ratings"
