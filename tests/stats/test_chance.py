"""Chance-corrected coefficients: definitions written out, identities, invariances, errors by the jackknife, reasons."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import Level
from annotator_ops.stats.agreement import chance
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.agreement.light import fleiss_kappa_per_category, fleiss_kappa_z, light_kappa
from annotator_ops.stats.agreement.schemes import Circular, Matrix, Quadratic
from annotator_ops.stats.agreement.weights import (
    MOST_CATEGORIES,
    SCHEMES,
    from_disagreement,
    reordered,
    scheme_of,
    weight_matrix,
)
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import FloatArray
from tests.stats.tables import Table, tables

DOMAIN = (1.0, 2.0, 3.0, 4.0, 5.0)
Coefficient = Callable[..., Estimate]
# Those that take weights and any number of raters.
MANY: dict[str, Coefficient] = {
    "percent_agreement": chance.percent_agreement,
    "brennan_prediger": chance.brennan_prediger,
    "gwet_ac2": chance.gwet_ac2,
    "fleiss_kappa": chance.fleiss_kappa,
    "conger_kappa": chance.conger_kappa,
    "light_kappa": light_kappa,
    "krippendorff_alpha_irrcac": chance.krippendorff_alpha_irrcac,
}
NAMES = sorted(MANY)
WEIGHTS = sorted(SCHEMES)


def data_of(rows: Table, *, level: Level = Level.NOMINAL) -> ReliabilityData:
    """The ratings over all five categories, used or not."""
    return ReliabilityData.from_rows(rows, level=level, domain=DOMAIN)


def same(one: Estimate, other: Estimate) -> None:
    if one.value is None or other.value is None:
        assert one.value is other.value
        assert one.reason is not None and other.reason is not None
        assert one.reason.code == other.reason.code
        return
    assert one.value == pytest.approx(other.value, abs=1e-9)
    assert one.standard_error == (
        None if other.standard_error is None else pytest.approx(other.standard_error, abs=1e-9)
    )


def made_up(*, raters: int = 4, units: int = 40, missing: float = 0.2, seed: int = 1) -> Table:
    random = np.random.default_rng(seed)
    truth = random.integers(1, 6, units)
    values = np.clip(truth + random.integers(-1, 2, (raters, units)), 1, 5)
    gone = random.random((raters, units)) < missing
    return [[None if gone[g, u] else float(values[g, u]) for u in range(units)] for g in range(raters)]


# --- the definitions, slowly ------------------------------------------------------------------------------------------


def slowly(rows: Table, name: str, w: FloatArray) -> float | None:
    """A coefficient by its definition, unit by unit and pair by pair; None where it is undefined."""
    codes = [[None if value is None else int(value) - 1 for value in row] for row in rows]
    units = [[code for code in column if code is not None] for column in zip(*codes, strict=True)]
    pairable = [unit for unit in units if len(unit) > 1]
    agreeing = [np.mean([w[a, b] for a, b in itertools.permutations(unit, 2)]) for unit in pairable]
    observed = float(np.mean(agreeing))
    q = len(DOMAIN)
    shares = np.mean([[unit.count(k) / len(unit) for k in range(q)] for unit in units if unit], axis=0)
    if name == "percent_agreement":
        return observed
    if name == "brennan_prediger":
        expected = w.sum() / q**2
    elif name == "gwet_ac2":
        expected = w.sum() / (q * (q - 1)) * (shares * (1 - shares)).sum()
    elif name == "fleiss_kappa":
        expected = shares @ w @ shares
    elif name == "conger_kappa":
        own = [[row.count(k) for k in range(q)] for row in codes if any(code is not None for code in row)]
        p = [np.array(counts) / sum(counts) for counts in own]
        expected = np.mean([a @ w @ b for a, b in itertools.permutations(p, 2)])
    elif name == "krippendorff_alpha_irrcac":
        coincidence = sum(
            (w[a, b] / (len(unit) - 1) for unit in pairable for a, b in itertools.permutations(unit, 2)), start=0.0
        )
        pooled = [code for unit in pairable for code in unit]
        chance_pairs = sum(w[a, b] for a, b in itertools.permutations(pooled, 2)) / (len(pooled) - 1)
        total = len(pooled)
        return float(1 - (total - coincidence) / (total - chance_pairs)) if total - chance_pairs > 1e-9 else None
    else:
        kappas = []
        for first, second in itertools.combinations(codes, 2):
            both = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
            if both:
                met = np.mean([w[a, b] for a, b in both])
                by_chance = np.mean([w[a, b] for (a, _), (_, b) in itertools.product(both, repeat=2)])
                if by_chance < 1 - 1e-9:
                    kappas.append((met - by_chance) / (1 - by_chance))
        return float(np.mean(kappas)) if kappas else None
    return float((observed - expected) / (1 - expected)) if expected < 1 - 1e-9 else None


@given(tables(), st.sampled_from(NAMES), st.sampled_from(WEIGHTS))
@settings(deadline=None, max_examples=150)
def test_the_definition_or_a_reason(rows: Table, name: str, weights: str) -> None:
    data = data_of(rows)
    found = MANY[name](data, weights=weights)
    if data.pairable.sum() < 2:
        assert found.value is None or name == "percent_agreement"
        assert found.value is not None or found.reason is not None
        return
    matrix = weight_matrix(weights, DOMAIN)
    assert not isinstance(matrix, Reason)
    expected = slowly(rows, name, matrix)
    assert found.value == (None if expected is None else pytest.approx(expected, abs=1e-9))
    assert (found.value is None) == (found.reason is not None)


@given(tables(), st.sampled_from(NAMES), st.sampled_from(WEIGHTS))
@settings(deadline=None, max_examples=100)
def test_what_every_estimate_promises(rows: Table, name: str, weights: str) -> None:
    found = MANY[name](data_of(rows), weights=weights)
    if found.value is None:
        assert found.reason is not None and found.reason.sentence.endswith(".")
        return
    assert math.isfinite(found.value) and found.value <= 1 + 1e-9
    assert name != "percent_agreement" or found.value >= 0
    assert (found.low is None) == (found.high is None) == (found.standard_error is None)
    if found.low is not None and found.high is not None and found.standard_error is not None:
        assert found.low < found.value <= found.high + 1e-12
        assert found.high <= 1
        assert found.standard_error > 0
    else:
        assert "no interval" in found.method


@given(tables(), st.sampled_from(NAMES), st.sampled_from(WEIGHTS), st.randoms())
@settings(deadline=None, max_examples=100)
def test_the_order_of_raters_and_units_does_not_matter(rows: Table, name: str, weights: str, random: Random) -> None:
    order = list(range(len(rows[0])))
    random.shuffle(order)
    shuffled = [[row[unit] for unit in order] for row in random.sample(rows, len(rows))]
    same(*(MANY[name](data_of(table), weights=weights) for table in (rows, shuffled)))


@given(tables(), st.sampled_from(NAMES), st.permutations(DOMAIN))
@settings(deadline=None)
def test_without_weights_the_names_of_categories_do_not_matter(rows: Table, name: str, names: list[float]) -> None:
    renamed: Table = [[None if value is None else names[int(value) - 1] for value in row] for row in rows]
    same(*(MANY[name](data_of(table), weights="identity") for table in (rows, renamed)))


@given(tables(), st.sampled_from([name for name in NAMES if name != "krippendorff_alpha_irrcac"]))
@settings(deadline=None)
def test_doubling_the_units_changes_no_value(rows: Table, name: str) -> None:
    """Alpha corrects for few ratings, so it is not among them."""
    once, twice = (MANY[name](data_of(table), weights="linear") for table in (rows, [row + row for row in rows]))
    if once.value is None:
        assert twice.value is None or data_of(rows).pairable.sum() < 2
        return
    assert twice.value == pytest.approx(once.value, abs=1e-12)
    if once.standard_error is not None and twice.standard_error is not None:
        sizes = [sum(value is not None for value in column) for column in zip(*rows, strict=True)]
        n = once.n_items if name == "light_kappa" else sum(size > 0 for size in sizes)
        raters = sum(any(value is not None for value in row) for row in rows)
        is_table = raters == 2 and (name == "light_kappa" or 1 not in sizes)
        ratio = 1 / 2 if is_table else (n - 1) / (2 * n - 1)
        assert (twice.standard_error / once.standard_error) ** 2 == pytest.approx(ratio, rel=1e-6)


@pytest.mark.parametrize("weights", ["identity", "quadratic", "ordinal"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("raters", "missing"), [(4, 0.3), (2, 0.0)])
def test_the_standard_error_is_that_of_leaving_out_one_unit(
    name: str, weights: str, raters: int, missing: float
) -> None:
    """The jackknife over 250 units, from values alone: it knows nothing of the linearization.

    Units with one rating are not among them: Gwet takes the number of pairable units as fixed, the jackknife does not.
    """
    rows = made_up(raters=raters, units=250, missing=missing)
    rated = [column for column in zip(*rows, strict=True) if sum(value is not None for value in column) > 1]
    n = len(rated)
    data = data_of([list(row) for row in zip(*rated, strict=True)])
    found = MANY[name](data, weights=weights)
    left_out = []
    for unit in range(n):
        keep = np.arange(n) != unit
        units = tuple(np.array(data.units)[keep])
        fewer = ReliabilityData(data.raters, units, data.codes[:, keep], data.domain, data.level)
        left_out.append(MANY[name](fewer, weights=weights).value)
    values = np.array(left_out, dtype=float)
    jackknife = math.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum())
    # irrCAC's error of alpha keeps the ratings per unit apart in its own way.
    tolerance = 0.04 if name == "krippendorff_alpha_irrcac" else 0.02
    assert found.standard_error == pytest.approx(jackknife, rel=tolerance)


def test_single_ratings_widen_and_the_method_says_so() -> None:
    rows = made_up(raters=3, units=60, missing=0)
    wider = [[*rows[0], *rows[0]], [*rows[1], *[None] * 60], [*rows[2], *[None] * 60]]
    plain, more = (chance.percent_agreement(data_of(table)) for table in (rows, wider))
    assert plain.value == more.value
    assert plain.standard_error is not None and more.standard_error is not None
    assert more.standard_error > plain.standard_error
    assert "widened by 60 items with one rating" in more.method and "widened" not in plain.method
    assert (plain.n_items, more.n_items) == (60, 60)


# --- identities -------------------------------------------------------------------------------------------------------


@given(tables(), st.sampled_from(["identity", "linear", "quadratic", "radical"]))
@settings(deadline=None)
def test_two_raters_who_rated_everything(rows: Table, weights: str) -> None:
    full: Table = [[value or 1.0 for value in row] for row in rows[:2]]
    data = data_of(full)
    cohen, conger = (f(data, weights=weights) for f in (chance.cohen_kappa, chance.conger_kappa))
    same(cohen, conger)
    light = light_kappa(data, weights=weights)
    assert light.value == (None if cohen.value is None else pytest.approx(cohen.value, abs=1e-12))
    assert light.standard_error == (
        None if cohen.standard_error is None else pytest.approx(cohen.standard_error, abs=1e-12)
    )
    same(chance.scott_pi(data, weights=weights), chance.fleiss_kappa(data, weights=weights))


@given(tables())
@settings(deadline=None)
def test_names_for_the_same(rows: Table) -> None:
    data = data_of(rows)
    same(chance.gwet_ac1(data), chance.gwet_ac2(data, weights="identity"))
    same(chance.bennett_s(data), chance.brennan_prediger(data))
    eye = np.eye(5)
    for name in NAMES:
        same(MANY[name](data, weights="identity"), MANY[name](data, weights=eye))
    two = data.pair(0, 1)
    same(chance.weighted_kappa(two), chance.cohen_kappa(two, weights="quadratic"))


@given(tables(), st.sampled_from([("identity", "nominal"), ("quadratic", "interval"), ("ratio", "ratio")]))
@settings(deadline=None)
def test_alpha_in_gwets_form_is_krippendorffs(rows: Table, pair: tuple[str, str]) -> None:
    mine = chance.krippendorff_alpha_irrcac(data_of(rows), weights=pair[0]).value
    theirs = krippendorff_alpha(data_of(rows, level=Level(pair[1]))).value
    assert mine == (None if theirs is None else pytest.approx(theirs, abs=1e-9))


def test_ordinal_weights_are_not_krippendorffs_ordinal_distance() -> None:
    rows = made_up()
    irrcac = chance.krippendorff_alpha_irrcac(data_of(rows), weights="ordinal").value
    alpha = krippendorff_alpha(data_of(rows, level=Level.ORDINAL)).value
    assert irrcac is not None and alpha is not None
    assert abs(irrcac - alpha) > 0.005


def test_cohens_kappa_leaves_out_what_only_one_rated() -> None:
    rows: Table = [[1, 2, 3, 4, None, 2], [1, 2, 2, None, 5, 3]]
    both: Table = [[1, 2, 3, 2], [1, 2, 2, 3]]
    for f in (chance.cohen_kappa, chance.scott_pi, chance.weighted_kappa):
        found = f(data_of(rows))
        assert found.n_items == 4
        same(found, f(data_of(both)))
    same(chance.cohen_kappa(data_of(rows)), chance.conger_kappa(data_of(both)))
    with pytest.raises(ValueError, match="compares two raters; these data have 3"):
        chance.cohen_kappa(data_of([*rows, rows[0]]))


def test_a_rater_and_a_unit_without_ratings_change_nothing() -> None:
    rows = made_up()
    wider = [[*row, None] for row in rows] + [[None] * (len(rows[0]) + 1)]
    for name in NAMES:
        same(MANY[name](data_of(rows), weights="linear"), MANY[name](data_of(wider), weights="linear"))


def test_weights_of_few_categories_and_of_many_are_the_same_coefficients() -> None:
    """Few categories are counted, many are compared pair by pair, quadratic weights never make a matrix."""
    rows = made_up(raters=3)
    wide = tuple(float(k) for k in range(-100, 101))
    sparse = ReliabilityData.from_rows(rows, level=Level.NOMINAL, domain=wide)
    for weights in ("identity", "quadratic", "linear"):
        matrix = weight_matrix(weights, wide)
        assert not isinstance(matrix, Reason)
        inner = matrix[101:106, 101:106]
        for name in ("percent_agreement", "fleiss_kappa", "conger_kappa", "light_kappa"):
            same(MANY[name](sparse, weights=weights), MANY[name](data_of(rows), weights=inner))
            same(MANY[name](sparse, weights=weights), MANY[name](sparse, weights=matrix))


# --- the paradox ------------------------------------------------------------------------------------------------------


def test_nearly_full_agreement_on_one_category() -> None:
    """96 of 100 alike, nearly all in one category: kappa and pi say nothing, AC1 and Brennan–Prediger say much."""
    first: list[list[float]] = [[1.0] * 96 + [1.0, 1.0, 2.0, 2.0], [1.0] * 96 + [2.0, 2.0, 1.0, 1.0]]
    data = ReliabilityData.from_rows(first, level=Level.NOMINAL)
    kappa, pi, ac1, s = (
        f(data).value for f in (chance.cohen_kappa, chance.scott_pi, chance.gwet_ac1, chance.bennett_s)
    )
    assert kappa is not None and pi is not None and ac1 is not None
    assert kappa == pi == pytest.approx(-0.0204, abs=5e-5)
    assert ac1 == pytest.approx((0.96 - 2 * 0.02 * 0.98) / (1 - 2 * 0.02 * 0.98), abs=1e-12)
    assert s == pytest.approx(0.92, abs=1e-12)


# --- per category, test, light ----------------------------------------------------------------------------------------


def test_fleiss_kappa_is_the_weighted_mean_of_its_categories() -> None:
    """Fleiss 1971: overall kappa is the mean of the categories' with weights p(1 − p)."""
    data = data_of(made_up(missing=0))
    shares = np.bincount(data.codes.ravel(), minlength=5) / data.codes.size
    weights = shares * (1 - shares)
    each = fleiss_kappa_per_category(data)
    assert list(each) == list(DOMAIN)
    values = [found.value for found in each.values()]
    overall = chance.fleiss_kappa(data).value
    assert overall == pytest.approx(float(weights @ np.array(values, dtype=float)) / weights.sum(), abs=1e-12)
    assert each[1.0].standard_error is not None
    assert each[1.0].method.startswith("1 against the rest")


def test_a_category_without_ratings_has_a_reason() -> None:
    found = fleiss_kappa_per_category(data_of([[1, 1, 2], [1, 2, 2]]))
    reason = found[5.0].reason
    assert reason is not None and reason.code == "one-category"
    assert reason.sentence.startswith("No rating is 5")
    every = fleiss_kappa_per_category(data_of([[1, 1], [1, 1]]))[1.0].reason
    assert every is not None and every.sentence.startswith("Every rating is 1")


def test_the_test_of_fleiss_kappa_needs_equally_many_ratings() -> None:
    full = made_up(missing=0)
    z = fleiss_kappa_z(data_of(full)).value
    twice = fleiss_kappa_z(data_of([row + row for row in full])).value
    assert z is not None and twice == pytest.approx(z * math.sqrt(2), rel=1e-12)
    reason = fleiss_kappa_z(data_of(made_up())).reason
    assert reason is not None and reason.code == "unequal-ratings"
    constant = fleiss_kappa_z(data_of([[1, 1], [1, 1]])).reason
    assert constant is not None and constant.code == "one-category"
    assert fleiss_kappa_z(data_of([[None], [None]])).value is None


def test_lights_kappa_says_which_pairs_it_left_out() -> None:
    rows: Table = [[1, 2, 1, 2, None], [1, 2, 2, 2, None], [1, 1, 1, 1, 1], [None, None, None, None, 1]]
    found = light_kappa(data_of(rows))
    assert "2 of 6 pairs undefined" not in found.method
    assert "pairs undefined" in found.method
    constant = light_kappa(data_of([[1, 1, None], [1, 1, 2], [None, 2, 2]]))
    assert constant.value is None or "undefined" in constant.method
    nothing = light_kappa(data_of([[1, 1, None, None], [1, 1, 2, 2], [None, None, 2, 2]])).reason
    assert nothing is not None and nothing.code == "no-pairs"


# --- undefined --------------------------------------------------------------------------------------------------------


UNDEFINED: list[tuple[Table, str]] = [
    ([[1, 2, 3]], "one-rater"),
    ([[1, 2, 3], [None, None, None]], "one-rater"),
    ([[1, None, 3, None], [None, 2, None, 4]], "no-overlap"),
    ([[1, 2], [1, None]], "too-few-items"),
    ([[None, None], [None, None]], "no-ratings"),
    ([], "no-ratings"),
]


@pytest.mark.parametrize(("rows", "code"), UNDEFINED)
@pytest.mark.parametrize("name", NAMES)
def test_where_nothing_can_be_computed_it_says_why(rows: Table, code: str, name: str) -> None:
    found = MANY[name](ReliabilityData.from_rows(rows, level=Level.NOMINAL))
    if name == "percent_agreement" and code == "too-few-items":
        assert found.value == 1
        assert "no interval" in found.method
        return
    assert found.value is None and found.standard_error is None
    assert found.reason is not None and found.reason.code == code


@pytest.mark.parametrize("name", NAMES)
def test_one_category_and_perfect_agreement(name: str) -> None:
    only = ReliabilityData.from_rows([[3, 3, 3], [3, 3, 3]], level=Level.NOMINAL)
    found = MANY[name](only)
    if name == "percent_agreement":
        assert found.value == 1
    else:
        assert found.reason is not None
        assert found.reason.code == ("no-pairs" if name == "light_kappa" else "one-category")
    wide = MANY[name](data_of([[3, 3, 3], [3, 3, 3]]), weights="identity")
    assert wide.value == (1 if name in ("percent_agreement", "brennan_prediger", "gwet_ac2") else None)
    perfect = MANY[name](data_of([[1, 2, 3, 4] * 10] * 3), weights="linear")
    assert perfect.value == pytest.approx(1, abs=1e-12)
    assert (perfect.low, perfect.high, perfect.standard_error) == (None, None, None)
    assert "no interval: every item contributes the same" in perfect.method


def test_weights_that_leave_nothing_to_correct_are_a_reason() -> None:
    reason = chance.fleiss_kappa(data_of([[1, 2, 1], [2, 1, 1]]), weights=np.ones((5, 5))).reason
    assert reason is not None and reason.code == "no-chance"


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "first", "middle"),
    [
        ("identity", [1, 0, 0, 0], 0),
        ("linear", [1, 0.6667, 0.3333, 0], 0.6667),
        ("quadratic", [1, 0.8889, 0.5556, 0], 0.8889),
        ("ordinal", [1, 0.8333, 0.5, 0], 0.8333),
        ("radical", [1, 0.4226, 0.1835, 0], 0.4226),
        ("ratio", [1, 0.6914, 0.3056, 0], 0.8889),
        ("circular", [1, 0.5, 0, 0.5], 0.5),
        ("bipolar", [1, 0.8, 0.5, 0], 0.8889),
    ],
)
def test_weights_of_four_categories(name: str, first: list[float], middle: float) -> None:
    """Gwet 2014, ch. 3: the weights of categories 1 to 4, by hand; the first row and that of 2 with 3."""
    matrix = weight_matrix(name, (1.0, 2.0, 3.0, 4.0))
    assert not isinstance(matrix, Reason)
    assert matrix[0] == pytest.approx(first, abs=5e-5)
    assert matrix[1, 2] == pytest.approx(middle, abs=5e-5)
    assert (matrix == matrix.T).all() and (np.diagonal(matrix) == 1).all() and (matrix >= 0).all()


def test_numbers_count_by_value_and_labels_by_position() -> None:
    uneven = weight_matrix("linear", (0.0, 1.0, 10.0))
    labels = weight_matrix("linear", ("good", "middling", "poor"))
    assert not isinstance(uneven, Reason) and not isinstance(labels, Reason)
    assert uneven[0] == pytest.approx([1, 0.9, 0])
    assert labels[0] == pytest.approx([1, 0.5, 0])
    ordinal = weight_matrix("ordinal", (0.0, 1.0, 10.0))
    assert ordinal == pytest.approx(weight_matrix("ordinal", ("a", "b", "c")))


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_of_hardly_any_category(name: str) -> None:
    assert np.array_equal(np.asarray(weight_matrix(name, ())), np.zeros((0, 0)))
    assert np.array_equal(np.asarray(weight_matrix(name, (7.0,))), [[1.0]])


def test_weights_that_need_too_much_or_other_values_are_a_reason() -> None:
    many = tuple(float(k) for k in range(MOST_CATEGORIES + 1))
    for found, code in (
        (weight_matrix("linear", many), "too-many-values"),
        (weight_matrix("ratio", (-1.0, 2.0)), "negative-ratio"),
    ):
        assert isinstance(found, Reason) and found.code == code and found.sentence.endswith(".")
    assert not isinstance(scheme_of("quadratic", many), Reason)
    reason = chance.fleiss_kappa(
        ReliabilityData.from_rows([[-1, 2], [2, -1]], level=Level.NOMINAL), weights="ratio"
    ).reason
    assert reason is not None and reason.code == "negative-ratio"


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ("cubic", "no weights called 'cubic'"),
        ([[1, 0]], "square matrix"),
        (1.0, "a single number"),
        (np.eye(4), "for 4 categories, and the domain has 5"),
        (np.eye(5) * np.nan, "finite"),
        (np.eye(5) + np.diag([0.5] * 4, 1), "symmetric"),
        (1 - np.eye(5), "1 on the diagonal"),
        (np.full((5, 5), 2.0) - np.eye(5), "above 1"),
    ],
)
def test_what_are_no_weights_is_said(weights: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        chance.fleiss_kappa(data_of(made_up()), weights=weights)


def test_weights_of_disagreement() -> None:
    assert from_disagreement([[0, 1, 4], [1, 0, 1], [4, 1, 0]]) == pytest.approx(
        np.array([[1, 0.75, 0], [0.75, 1, 0.75], [0, 0.75, 1]])
    )
    assert (from_disagreement(np.zeros((2, 2))) == 1).all()
    for wrong in ([[0, -1], [-1, 0]], [[1, 0], [0, 1]], [[0, math.inf], [math.inf, 0]]):
        with pytest.raises(ValueError, match="disagreement must be"):
            from_disagreement(wrong)
    assert reordered([[0, 1, 2], [1, 0, 3], [2, 3, 0]], ["c", "a", "b"]).tolist() == [[0, 3, 1], [3, 0, 2], [1, 2, 0]]


@given(st.lists(st.integers(-500, 500), min_size=2, max_size=8, unique=True), st.integers(0, 10))
@settings(deadline=None)
def test_closed_forms_are_their_matrices(places: list[int], seed: int) -> None:
    x = np.array(places) / 10
    distance = (x[:, None] - x[None, :]) ** 2
    random = np.random.default_rng(seed)
    codes = random.integers(-1, len(x), (2, 30))
    vector, columns = random.random(len(x)), random.random((len(x), 3))
    circular = Matrix((1 + np.cos(x[:, None] - x[None, :])) / 2)
    for closed, matrix in ((Quadratic.of(x), Matrix(1 - distance / distance.max())), (Circular(x), circular)):
        assert closed.total == pytest.approx(matrix.total, abs=1e-9)
        assert closed.times(vector) == pytest.approx(matrix.times(vector), abs=1e-9)
        assert closed.times(columns) == pytest.approx(matrix.times(columns), abs=1e-9)
        assert closed.between(*codes) == pytest.approx(matrix.between(*codes), abs=1e-9)
