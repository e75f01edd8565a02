"""The difference of two alphas: the same items resampled together, other items apart."""

from __future__ import annotations

import numpy as np
import pytest

from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.differences import Items, alpha_difference
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.reliability import ReliabilityData


def raters(truth: list[int], *, names: str, knows: float, seed: int, level: Level = Level.ORDINAL) -> ReliabilityData:
    random = np.random.default_rng(seed)
    shape = (len(names), len(truth))
    table = np.where(random.random(shape) < knows, truth, random.integers(1, 6, shape)).astype(float)
    units = [f"item {number}" for number in range(len(truth))]
    return ReliabilityData.from_rows(table.tolist(), level=level, raters=list(names), units=units)


def part(data: ReliabilityData, units: slice) -> ReliabilityData:
    return ReliabilityData(data.raters, data.units[units], data.codes[:, units], data.domain, data.level)


TRUTH = np.random.default_rng(0).integers(1, 6, 120).tolist()
SURE = raters(TRUTH, names="abc", knows=0.9, seed=1)
UNSURE = raters(TRUTH, names="def", knows=0.6, seed=2)


def test_it_is_the_difference_of_the_alphas_and_turns_with_them() -> None:
    resampling = Resampling(resamples=500)
    found, turned = (alpha_difference(*pair, resampling=resampling) for pair in ((SURE, UNSURE), (UNSURE, SURE)))
    one, other = krippendorff_alpha(SURE).value, krippendorff_alpha(UNSURE).value
    assert one is not None and other is not None
    assert found.value == pytest.approx(one - other, abs=1e-12)
    assert found.low is not None and found.low > 0
    # Not to the last digit: the items that stand for the prior are drawn, each side's in its turn.
    assert turned.high == pytest.approx(-found.low, abs=0.03)
    assert turned.standard_error == pytest.approx(found.standard_error, abs=1e-12)
    assert (found.n_items, found.n_raters, found.seed) == (120, 6, 0)
    assert "the same items, resampled together" in found.method


def test_with_itself_there_is_no_difference_and_nothing_that_varies() -> None:
    found = alpha_difference(SURE, SURE, resampling=Resampling(resamples=100))
    assert found.value == 0 and found.standard_error is None and found.low is None
    assert "no interval" in found.method


def test_the_same_items_are_drawn_for_both() -> None:
    """What both have in common counts once: two measures of the same ratings differ by less than two other studies."""
    twin = raters(TRUTH, names="xyz", knows=0.9, seed=1, level=Level.INTERVAL)
    together = alpha_difference(SURE, twin, resampling=Resampling(resamples=400))
    apart = alpha_difference(SURE, twin, resampling=Resampling(resamples=400), items="apart")
    assert together.value == pytest.approx(apart.value)
    assert together.standard_error is not None and apart.standard_error is not None
    assert together.standard_error < 0.5 * apart.standard_error
    assert together.low is not None and together.high is not None and apart.low is not None and apart.high is not None
    assert together.high - together.low < 0.5 * (apart.high - apart.low)


def test_resamples_are_what_they_would_be_the_long_way() -> None:
    found = alpha_difference(SURE, UNSURE, resampling=Resampling(resamples=2000))
    random = np.random.default_rng(8)
    values = []
    for _ in range(600):
        drawn = random.integers(0, 120, 120)
        pair = [
            krippendorff_alpha(
                ReliabilityData(data.raters, data.units, data.codes[:, drawn], data.domain, data.level)
            ).value
            for data in (SURE, UNSURE)
        ]
        assert pair[0] is not None and pair[1] is not None
        values.append(pair[0] - pair[1])
    assert found.standard_error == pytest.approx(np.std(values), rel=0.12)
    assert (found.low, found.high) == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.03)


def test_items_are_matched_by_name_wherever_they_stand() -> None:
    order = np.random.default_rng(3).permutation(120)
    mixed = ReliabilityData(
        UNSURE.raters,
        tuple(UNSURE.units[place] for place in order),
        UNSURE.codes[:, order],
        UNSURE.domain,
        UNSURE.level,
    )
    plain, shuffled = (alpha_difference(SURE, other, resampling=Resampling(resamples=50)) for other in (UNSURE, mixed))
    assert (plain.low, plain.high) == pytest.approx((shuffled.low, shuffled.high), abs=1e-12)
    assert plain.standard_error == pytest.approx(shuffled.standard_error, abs=1e-12)


def test_items_that_one_side_alone_can_use_count_on_that_side() -> None:
    found = alpha_difference(part(SURE, slice(0, 90)), part(UNSURE, slice(30, 120)), resampling=Resampling())
    one, other = krippendorff_alpha(part(SURE, slice(0, 90))), krippendorff_alpha(part(UNSURE, slice(30, 120)))
    assert one.value is not None and other.value is not None
    assert found.value == pytest.approx(one.value - other.value, abs=1e-12)
    assert found.n_items == 120
    assert found.low is not None and found.high is not None
    assert found.low < one.value - other.value < found.high


@pytest.mark.parametrize(("units", "method"), [(40, "Bayesian"), (600, "percentile"), (12_000, "delta method")])
@pytest.mark.parametrize("items", ["by name", "apart"])
def test_the_number_of_items_chooses_the_method(units: int, method: str, items: Items) -> None:
    truth = np.random.default_rng(5).integers(1, 6, units).tolist()
    sides = [raters(truth, names=names, knows=knows, seed=7) for names, knows in (("ab", 0.9), ("cd", 0.6))]
    found = alpha_difference(*sides, resampling=Resampling(resamples=100), items=items)
    assert method in found.method
    assert found.low is not None and found.high is not None and found.value is not None
    assert found.low < found.value < found.high
    assert found.seed == (None if units > 10_000 else 0)


def test_other_items_are_resampled_apart() -> None:
    """The standard error is the root of the sum of the squares, whether the names are the same or not."""
    one, other = krippendorff_alpha(SURE).standard_error, krippendorff_alpha(UNSURE).standard_error
    assert one is not None and other is not None
    found = alpha_difference(SURE, UNSURE, resampling=Resampling(resamples=3000), items="apart")
    expected = np.hypot(one, other)
    assert found.standard_error == pytest.approx(expected, rel=0.01)
    assert found.low is not None and found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * expected, rel=0.06)
    assert found.n_items == 240
    assert "different items, each set resampled by itself" in found.method


def test_a_side_without_alpha_is_named() -> None:
    constant = ReliabilityData.from_rows([[1, 1, 1], [1, 1, 1]], level=Level.ORDINAL)
    found = alpha_difference(SURE, constant, resampling=Resampling())
    assert found.value is None and found.reason is not None
    assert found.reason.code == "one-category"
    assert found.reason.sentence.startswith("The second of the two has no alpha, so there is no difference.")
    nobody = ReliabilityData.from_rows([[1, None], [None, 2]], level=Level.ORDINAL)
    reason = alpha_difference(nobody, SURE).reason
    assert reason is not None and reason.code == "no-overlap" and "The first of the two" in reason.sentence
