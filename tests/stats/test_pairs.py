"""Pairs of raters: the quick way through cells is the slow way through two raters at a time."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import Level
from annotator_ops.stats.agreement import joint
from annotator_ops.stats.agreement import pairs as pairs_module
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.agreement.chance import cohen_kappa, percent_agreement
from annotator_ops.stats.agreement.concordance import mean_pairwise_spearman_fisher_z
from annotator_ops.stats.agreement.joint import Meetings
from annotator_ops.stats.agreement.light import light_kappa
from annotator_ops.stats.agreement.pairs import all_pairs_kappa, pair_weights, pairwise
from annotator_ops.stats.agreement.weights import scheme_of
from annotator_ops.stats.reliability import ReliabilityData
from tests.stats.tables import LEVELS, Table, tables


def noisy(*, raters: int, units: int, step: float, level: Level, missing: float = 0.2) -> ReliabilityData:
    """Numbers from 0 to 10 in steps, some of them missing; whole numbers where the level is circular."""
    random = np.random.default_rng(11)
    values = np.clip(random.uniform(0, 10, units) + random.normal(0, 1.5, (raters, units)), 0, 10)
    values = np.round(np.round(values / step) * step / (step if level is Level.CIRCULAR else 1), 6)
    values[random.random(values.shape) < missing] = np.nan
    rows: list[list[float]] = values.tolist()
    return ReliabilityData.from_rows(rows, level=level)


def agrees(mine: Estimate, slow: Estimate, *, interval: bool = True) -> None:
    if slow.value is None:
        assert mine.value is None and mine.reason is not None and slow.reason is not None
        assert mine.reason.sentence.endswith(".")
        return
    assert mine.value == pytest.approx(slow.value, abs=1e-9)
    assert (mine.n_items, mine.n_raters) == (slow.n_items, 2)
    assert (mine.standard_error is None) == (slow.standard_error is None)
    if slow.standard_error is not None:
        assert mine.standard_error == pytest.approx(slow.standard_error, rel=1e-6)
    if interval and slow.low is not None:
        assert mine.low == pytest.approx(slow.low, abs=1e-9)
        assert mine.high == pytest.approx(slow.high, abs=1e-9)
    if interval:
        assert mine.method == slow.method


def compare(data: ReliabilityData) -> None:
    """Every estimate of every pair against the coefficient of those two alone."""
    found = pairwise(data)
    assert [pair.raters for pair in found] == list(combinations(data.raters, 2))
    for pair, (first, second) in zip(found, combinations(range(len(data.raters)), 2), strict=True):
        two = data.pair(first, second)
        assert pair.n_items == len(two.units)
        agrees(pair.estimates["percent_agreement"], percent_agreement(two))
        agrees(pair.estimates["cohen_kappa"], cohen_kappa(two, weights=pair_weights(data.level)))
        agrees(pair.estimates["krippendorff_alpha"], krippendorff_alpha(two), interval=False)
        ordered = data.level not in (Level.NOMINAL, Level.CIRCULAR)
        assert ("spearman" in pair.estimates) is ordered
        if ordered and pair.estimates["spearman"].value is not None:
            rho = stats.spearmanr(*two.values).statistic
            assert pair.estimates["spearman"].value == pytest.approx(rho, abs=1e-9)


@given(tables(), st.sampled_from(LEVELS))
@settings(deadline=None, max_examples=80)
def test_pairs_are_their_two_raters_alone(rows: Table, level: Level) -> None:
    compare(ReliabilityData.from_rows(rows, level=level, domain=[1.0, 2.0, 3.0, 4.0, 5.0]))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("units", "step"), [(300, 1.0), (300, 0.05), (60, 0.05)])
def test_pairs_of_many_values(level: Level, units: int, step: float) -> None:
    """Few cells are counted, and where there would be more cells than units each unit is its own."""
    compare(noisy(raters=3, units=units, step=step, level=level))


def test_more_values_than_a_matrix_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs_module, "MOST_CATEGORIES", 50)
    compare(noisy(raters=3, units=60, step=0.05, level=Level.RATIO))


def test_pairs_are_compared_on_their_common_items_only() -> None:
    rows: Table = [[1, 2, 3, 4, None], [1, 2, 3, 5, 1], [None, None, 3, 4, 2], [None] * 5]
    found = pairwise(ReliabilityData.from_rows(rows, level=Level.ORDINAL, raters=["a", "b", "c", "d"]))
    first, second, nobody, third = found[0], found[1], found[2], found[3]
    assert [(pair.raters, pair.n_items) for pair in (first, second, third)] == [
        (("a", "b"), 4),
        (("a", "c"), 2),
        (("b", "c"), 3),
    ]
    assert first.estimates["percent_agreement"].value == 0.75
    reasons = [
        (second.estimates["spearman"].reason, "too-few-items"),
        *((each.reason, "no-overlap") for name, each in nobody.estimates.items() if name != "spearman"),
    ]
    assert all(reason is not None and reason.code == code for reason, code in reasons)
    assert first.as_json()["raters"] == ["a", "b"]
    assert first.as_json()["percent_agreement"]["value"] == 0.75


def test_why_a_pair_has_no_coefficient() -> None:
    def codes(rows: Table, level: Level = Level.ORDINAL) -> dict[str, str | None]:
        (pair,) = pairwise(ReliabilityData.from_rows(rows, level=level))
        return {name: each.reason.code if each.reason else None for name, each in pair.estimates.items()}

    one = "too-few-items"
    assert codes([[1, None], [2, 3]]) == {
        "percent_agreement": None, "krippendorff_alpha": one, "cohen_kappa": one, "spearman": one,
    }  # fmt: skip
    constant = codes([[1, 1, 1, None], [1, 1, 1, 2]])
    assert constant["krippendorff_alpha"] == constant["cohen_kappa"] == "one-category"
    assert constant["spearman"] == "constant"
    assert codes([[-1, 1, 1], [1, 1, 2]], Level.RATIO)["krippendorff_alpha"] == "negative-ratio"
    assert codes([[0.5, 1, 1], [1, 1, 2]], Level.CIRCULAR)["krippendorff_alpha"] == "no-period"
    assert pairwise(ReliabilityData.from_rows([], level=Level.NOMINAL)) == ()
    assert codes([[None], [None]])["cohen_kappa"] == "no-overlap"


@pytest.mark.parametrize("weights", [None, "identity", "quadratic", "linear"])
@pytest.mark.parametrize(("units", "step"), [(200, 1.0), (40, 0.05)])
def test_all_kappas_at_once(weights: str | None, units: int, step: float) -> None:
    data = noisy(raters=5, units=units, step=step, level=Level.INTERVAL, missing=0.4)
    found = all_pairs_kappa(data, weights=weights)
    assert (np.diagonal(found) == 1).all() and (found == found.T).all()
    for first, second in combinations(range(5), 2):
        one = cohen_kappa(data.pair(first, second), weights=weights or "identity").value
        assert found[first, second] == pytest.approx(one, abs=1e-12)


@pytest.mark.parametrize(("units", "step"), [(3_000, 0.1), (3_000, 1.0), (100, 1.0), (40, 0.05)])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_it_is_the_same_whether_tables_are_held_or_not(
    monkeypatch: pytest.MonkeyPatch, units: int, step: float, missing: float
) -> None:
    """At once, pair by pair, and from tables that were counted before: nothing changes but the memory it takes."""
    data = noisy(raters=5, units=units, step=step, level=Level.INTERVAL, missing=missing)
    held = Meetings.of(data)
    assert (held.tables is None) == (step < 1)
    with monkeypatch.context() as patch:
        patch.setattr(joint, "_MOST_CELLS", 0)
        alone = Meetings.of(data)
        assert alone.tables is None
    found = [
        (
            all_pairs_kappa(data, weights="linear", meetings=meetings),
            pairwise(data, meetings=meetings),
            light_kappa(data, weights="linear", meetings=meetings),
            mean_pairwise_spearman_fisher_z(data, meetings=meetings),
        )
        for meetings in (held, alone, None)
    ]
    for kappas, pairs, light, rho in found[1:]:
        assert kappas == pytest.approx(found[0][0], abs=1e-12)
        assert pairs == found[0][1]
        agrees_wholly(light, found[0][2])
        agrees_wholly(rho, found[0][3])


def agrees_wholly(one: Estimate, other: Estimate) -> None:
    assert (one.method, one.n_items, one.n_raters) == (other.method, other.n_items, other.n_raters)
    for name in ("value", "standard_error", "low", "high"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-12), name


def test_what_units_contribute_is_what_a_table_without_them_lacks() -> None:
    """The contributions of kappa are its derivative by a unit's weight: the sum is 0, and a unit less changes it so."""
    data = noisy(raters=4, units=2_000, step=2.0, level=Level.INTERVAL, missing=0.3)
    scheme = scheme_of("quadratic", data.domain)
    assert not isinstance(scheme, Reason)
    values, contributions = Meetings.of(data).total(lambda meeting: meeting.kappa(scheme))
    assert len(values) == 6
    assert contributions.sum() == pytest.approx(0, abs=1e-6)
    for unit in range(0, 2_000, 400):
        rest = replace(data, units=data.units[:-1], codes=np.delete(data.codes, unit, axis=1))
        less = Meetings.of(rest).total(lambda meeting: meeting.kappa(scheme))[0]
        assert 2_000 * (sum(values) - sum(less)) == pytest.approx(contributions[unit], abs=0.02)


def test_kappas_that_are_undefined_are_not_numbers() -> None:
    rows: Table = [[1, 1, None], [1, 1, 2], [None, None, 2], [None, None, None]]
    found = all_pairs_kappa(ReliabilityData.from_rows(rows, level=Level.NOMINAL))
    assert np.isnan(found[0, 1]) and np.isnan(found[0, 2]) and np.isnan(found[3]).all()
    assert found.shape == (4, 4) and found[0, 0] == 1
    with pytest.raises(ValueError, match="from zero up"):
        all_pairs_kappa(ReliabilityData.from_rows([[-1, 1], [1, -1]], level=Level.INTERVAL), weights="ratio")


def test_the_order_of_raters_turns_pairs_round_and_changes_no_number() -> None:
    data = noisy(raters=2, units=100, step=0.5, level=Level.ORDINAL)
    turned = replace(data, raters=data.raters[::-1], codes=data.codes[::-1])
    (one,), (other,) = pairwise(data), pairwise(turned)
    for name, estimate in one.estimates.items():
        assert estimate.value == pytest.approx(other.estimates[name].value, abs=1e-12), name
