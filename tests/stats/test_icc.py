"""Intraclass correlations: invariances, bounds that belong together, and what they say where they are undefined."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.measures import Estimate
from annotator_ops.models import Level
from annotator_ops.stats.agreement.icc import FORMS, Form, MeanSquares, icc
from annotator_ops.stats.reliability import ReliabilityData
from tests.stats.tables import Table, tables

# Shrout and Fleiss 1979, table 2: raters × targets.
SHROUT_FLEISS: Table = [[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]]


def data_of(rows: Table) -> ReliabilityData:
    return ReliabilityData.from_rows(rows, level=Level.INTERVAL)


def full(rows: Table) -> Table:
    return [[3.0 if value is None else value for value in row] for row in rows]


def same(one: Estimate, other: Estimate, *, tolerance: float = 1e-9) -> None:
    assert (one.value is None) == (other.value is None)
    if one.value is not None:
        assert one.value == pytest.approx(other.value, abs=tolerance)
        assert one.low == (None if other.low is None else pytest.approx(other.low, rel=1e-6, abs=1e-6))
        assert one.high == (None if other.high is None else pytest.approx(other.high, rel=1e-6, abs=1e-6))


def test_the_mean_squares_of_shrout_and_fleiss() -> None:
    """Their table 3: between 11.24, within 6.26, between judges 32.49, residual 1.02."""
    found = MeanSquares.of(np.array(SHROUT_FLEISS, dtype=float))
    squares = (found.between, found.within, found.rater, found.residual)
    assert squares == pytest.approx((11.24, 6.26, 32.49, 1.02), abs=0.005)
    assert (found.items, found.raters) == (6, 4)


@pytest.mark.parametrize(
    ("form", "low", "high"),
    [
        ("icc1", -0.133, 0.723),
        ("icc2", 0.019, 0.761),
        ("icc3", 0.342, 0.946),
        ("icc1k", -0.884, 0.912),
        ("icc2k", 0.071, 0.927),
        ("icc3k", 0.676, 0.986),
    ],
)
def test_the_intervals_of_r_psych(form: Form, low: float, high: float) -> None:
    found = icc(data_of(SHROUT_FLEISS), form)
    assert found.low == pytest.approx(low, abs=0.0006)
    assert found.high == pytest.approx(high, abs=0.0006)
    assert "F interval" in found.method
    assert (found.n_items, found.n_raters, found.confidence) == (6, 4, 0.95)


@given(tables(), st.sampled_from(FORMS), st.randoms())
@settings(deadline=None)
def test_the_order_of_raters_and_items_does_not_matter(rows: Table, form: Form, random: Random) -> None:
    order = list(range(len(rows[0])))
    random.shuffle(order)
    shuffled = [[row[unit] for unit in order] for row in random.sample(rows, len(rows))]
    same(icc(data_of(rows), form), icc(data_of(shuffled), form))


@given(tables(), st.sampled_from(FORMS), st.floats(0.1, 100), st.integers(-1000, 1000))
@example([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]], "icc1", 1.486089065733978, 50)
@settings(deadline=None)
def test_unit_and_origin_of_the_scale_do_not_matter(rows: Table, form: Form, factor: float, shift: int) -> None:
    scaled: Table = [[None if value is None else factor * value + shift for value in row] for row in rows]
    same(icc(data_of(rows), form), icc(data_of(scaled), form), tolerance=1e-6)


@given(tables(), st.sampled_from(FORMS))
@settings(deadline=None)
def test_what_every_estimate_promises(rows: Table, form: Form) -> None:
    found = icc(data_of(full(rows)), form)
    if found.value is None:
        assert found.reason is not None and found.reason.sentence.endswith(".")
        return
    assert np.isfinite(found.value) and found.value <= 1 + 1e-9
    assert found.low is None or found.high is None or found.low <= found.value + 1e-9 <= found.high + 2e-9
    assert found.low is not None or "no interval" in found.method


@given(tables())
@settings(deadline=None)
def test_the_mean_of_raters_is_the_single_rater_by_spearman_and_brown(rows: Table) -> None:
    data = data_of(full(rows))
    k = len(rows)
    for form, mean in zip(FORMS[:3], FORMS[3:], strict=True):
        single, many = icc(data, form), icc(data, mean)
        if single.value is None or many.value is None:
            continue
        assert many.value == pytest.approx(k * single.value / (1 + (k - 1) * single.value), abs=1e-6, rel=1e-6)


def test_consistency_forgives_a_constant_difference_and_agreement_does_not() -> None:
    lenient: Table = [[1, 2, 3, 4, 5], [3, 4, 5, 6, 7]]
    consistent, agreeing = icc(data_of(lenient), "icc3"), icc(data_of(lenient), "icc2")
    assert consistent.value == 1
    assert (consistent.low, consistent.high) == (None, None)
    assert "no interval" in consistent.method
    assert agreeing.value is not None and agreeing.value < 0.7


def test_the_interval_covers() -> None:
    """Nominal 90 %, 400 samples of 20 items and 4 raters with known variances: within four standard errors."""
    random = np.random.default_rng(17)
    item, rater, noise = 1.0, 0.5, 1.0
    truths: dict[Form, float] = {"icc2": item / (item + rater + noise), "icc1": item / (item + noise)}
    for form, truth in truths.items():
        hits = 0
        for _ in range(400):
            raters = random.normal(0, np.sqrt(rater), (4, 1)) if form == "icc2" else 0
            values = random.normal(0, 1, (1, 20)) + raters + random.normal(0, 1, (4, 20))
            found = icc(data_of(values.tolist()), form, confidence=0.9)
            assert found.low is not None and found.high is not None
            hits += found.low <= truth <= found.high
        assert abs(hits / 400 - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 400), form


def test_a_one_way_interval_is_the_f_test_turned_round() -> None:
    """At the lower bound F would just be significant."""
    found = icc(data_of(SHROUT_FLEISS), "icc1")
    squares = MeanSquares.of(np.array(SHROUT_FLEISS, dtype=float))
    assert found.low is not None
    ratio = (1 + 3 * found.low) / (1 - found.low)
    assert stats.f.sf(squares.between / squares.within / ratio, 5, 18) == pytest.approx(0.025, abs=1e-9)


def test_items_with_gaps_are_left_out_and_counted() -> None:
    rows: Table = [[*row, 5] for row in SHROUT_FLEISS]
    rows[0][-1] = None
    rows.append([None] * 7)
    found = icc(data_of(rows), "icc2")
    assert found.value == pytest.approx(icc(data_of(SHROUT_FLEISS), "icc2").value, abs=1e-12)
    assert "1 item that lacks a rating left out" in found.method
    assert (found.n_items, found.n_raters) == (6, 4)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([[3, 3, 3], [3, 3, 3]], "one-category"),
        ([[1, 2, 3]], "one-rater"),
        ([[1, None, 3, None], [None, 2, None, 4]], "no-overlap"),
        ([[1, 2], [1, None]], "too-few-complete-items"),
        ([[1, 2, None], [1, None, 3], [None, 2, 3]], "too-few-complete-items"),
        ([[None, None], [None, None]], "no-ratings"),
        ([], "no-ratings"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_where_it_is_undefined_it_says_why(rows: Table, code: str, form: Form) -> None:
    found = icc(data_of(rows), form)
    assert found.value is None and found.low is None
    assert found.reason is not None and found.reason.code == code
    assert found.reason.sentence.endswith(".")


def test_items_that_do_not_differ() -> None:
    """Opposed raters: every item has the same mean, so the reliability of that mean is a quotient by zero."""
    opposed = data_of([[1, 2, 3], [3, 2, 1]])
    for form in FORMS:
        found = icc(opposed, form)
        if form.endswith("k"):
            assert found.reason is not None and found.reason.code == "no-item-variance"
        else:
            assert found.value is not None and found.value < 0
            assert "no interval" in found.method


def test_labels_and_unknown_forms() -> None:
    labels = ReliabilityData.from_rows([["a", "b"], ["a", "a"]], level=Level.NOMINAL)
    reason = icc(labels, "icc1").reason
    assert reason is not None and reason.code == "not-numeric"
    with pytest.raises(ValueError, match="no intraclass correlation 'icc4'"):
        icc(labels, "icc4")  # type: ignore[arg-type]  # what no type checker would let through is refused, too
