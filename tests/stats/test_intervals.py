"""The bootstrap: exact, seeded, and silent where it would mislead."""

from __future__ import annotations

import numpy as np
import pytest

from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.agreement.chance import percent_agreement
from annotator_ops.stats.intervals import Resampling, bootstrap, collapse, percentile_interval
from annotator_ops.stats.reliability import FloatArray, ReliabilityData


def noisy(units: int, *, seed: int) -> ReliabilityData:
    random = np.random.default_rng(seed)
    table = np.round(np.clip(random.normal(3, 1, units) + random.normal(0, 0.8, (3, units)), 1, 5))
    return ReliabilityData.from_rows(table.tolist(), level=Level.ORDINAL)


def test_every_resample_has_as_many_units_as_the_data() -> None:
    patterns, multiplicity = collapse(np.array([[1, 2], [1, 2], [3, 3], [0, 1], [3, 3], [3, 3]]))
    assert patterns.tolist() == [[0, 1], [1, 2], [3, 3]]
    assert multiplicity.tolist() == [1, 2, 3]
    seen: list[FloatArray] = []

    def keep(weights: FloatArray) -> FloatArray:
        seen.append(weights)
        return weights[:, 2]

    values = bootstrap(keep, multiplicity, Resampling(seed=4, resamples=4000))
    weights = np.concatenate(seen)
    assert weights.shape == (4000, 3)
    assert set(weights.sum(axis=1)) == {6.0}
    assert weights.mean(axis=0) == pytest.approx([1, 2, 3], abs=0.08)
    assert values.tolist() == weights[:, 2].tolist()


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    data = noisy(80, seed=1)
    first, again, other = (
        krippendorff_alpha(data, resampling=Resampling(seed=seed, resamples=300)) for seed in (0, 0, 1)
    )
    assert (first.low, first.high) == (again.low, again.high)
    assert first.low != other.low
    assert first.method.endswith("300 resamples, seed 0")


def test_it_says_that_it_is_too_narrow_below_fifty_units() -> None:
    few = krippendorff_alpha(noisy(20, seed=2), resampling=Resampling(resamples=200))
    many = krippendorff_alpha(noisy(50, seed=2), resampling=Resampling(resamples=200))
    assert "with 20 items (fewer than 50) it is somewhat too narrow" in few.method
    assert "too narrow" not in many.method


def test_the_bootstrap_of_a_mean_has_the_standard_error_of_a_mean() -> None:
    data = noisy(200, seed=3)
    found = percent_agreement(data, resampling=Resampling(resamples=4000))
    codes = data.codes
    shares = sum((codes[i] == codes[j]).astype(float) for i, j in ((0, 1), (0, 2), (1, 2))) / 3
    assert isinstance(shares, np.ndarray)
    error = shares.std() / np.sqrt(200)
    assert found.low is not None and found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.06)


def test_the_interval_of_alpha_covers() -> None:
    """400 studies of 60 items with a known alpha (two raters, 30 % guesses each): about 95 % of intervals hold it."""
    random = np.random.default_rng(11)
    known, covered = 0.7**2, 0
    for _ in range(400):
        truth = random.integers(0, 4, 60)
        guesses = random.integers(0, 4, (2, 60))
        table = np.where(random.random((2, 60)) < 0.3, guesses, truth)
        data = ReliabilityData.from_rows(table.tolist(), level=Level.NOMINAL)
        found = krippendorff_alpha(data, resampling=Resampling(resamples=400))
        assert found.low is not None and found.high is not None
        covered += found.low <= known <= found.high
    assert 0.91 <= covered / 400 <= 0.98


def test_no_interval_from_a_few_lucky_resamples() -> None:
    values = np.array([np.nan] * 20 + [0.5, 0.6] * 40)
    found = percentile_interval(values, units=60, resampling=Resampling())
    assert (found.low, found.high, found.confidence) == (None, None, None)
    assert found.method == "no interval: 20 of 100 resamples have no variation"


def test_resamples_without_variation_are_left_out_and_said() -> None:
    values = np.array([np.nan] * 5 + list(np.linspace(0, 1, 95)))
    found = percentile_interval(values, units=60, resampling=Resampling())
    assert found.low == pytest.approx(0.025)
    assert "5 without variation left out" in found.method
