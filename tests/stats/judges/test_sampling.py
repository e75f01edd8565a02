"""May labelled items be a random sample: the tests against counting all samples out, and how often they cry wolf."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest

from annotator_ops.stats.judges import sampling
from annotator_ops.stats.judges.sampling import LEAST_P, Sample, SampleCheck, sample_of
from annotator_ops.stats.values import FloatArray


def checked(
    labelled: object, judge: object, systems: object = None, sizes: object = None, **options: bool
) -> SampleCheck:
    chosen = np.asarray(labelled, dtype=bool)
    n = len(chosen)
    sample = Sample(
        chosen,
        np.asarray(judge, dtype=float),
        list(systems) if isinstance(systems, (list, str)) else [None] * n,
        np.full(n, np.nan) if sizes is None else np.asarray(sizes, dtype=float),
    )
    return sample_of(sample, declared=True, **options)


def p_values(check: SampleCheck) -> dict[str, float]:
    return {test.what: test.p_value for test in check.tests}


def near(p: float, exact: float) -> bool:
    """Within four standard errors of 1,999 draws."""
    return abs(p - exact) < 4 * math.sqrt(max(exact * (1 - exact), 1e-4) / 1999) + 1 / 2000


VALUES = np.array([1.0, 2, 2, 3, 5, 5, 4, 1, 3])


@pytest.mark.parametrize("chosen", [(0, 1, 7), (4, 5, 6), (0, 4, 8)])
def test_the_p_value_of_a_mean_is_the_share_of_all_samples(chosen: tuple[int, ...]) -> None:
    away = [abs(VALUES[list(each)].mean() - VALUES.mean()) for each in combinations(range(9), 3)]
    own = abs(VALUES[list(chosen)].mean() - VALUES.mean())
    exact = float(np.mean(np.array(away) >= own - 1e-12))
    labelled = np.isin(np.arange(9), chosen)
    assert near(p_values(checked(labelled, VALUES))["judges' scores"], exact)


def test_within_systems_as_many_of_each_are_chosen() -> None:
    systems = "aaaabbbbb"
    own = VALUES - np.array([VALUES[:4].mean()] * 4 + [VALUES[4:].mean()] * 5)
    sums = [
        abs(own[list(one)].sum() + own[list(other)].sum())
        for one, other in product(combinations(range(4), 2), combinations(range(4, 9), 1))
    ]
    labelled = np.isin(np.arange(9), (0, 1, 4))
    exact = float(np.mean(np.array(sums) >= abs(own[[0, 1, 4]].sum()) - 1e-12))
    assert near(p_values(checked(labelled, VALUES, systems, within_systems=True))["judges' scores"], exact)


def test_the_shares_of_systems_are_those_of_all_samples() -> None:
    systems = np.array(list("aaaabbbbb"))
    exact = float(np.mean([len(set(systems[list(each)])) == 1 for each in combinations(range(9), 3)]))
    # Three of the four of `a` are further from their share than three of the five of `b`.
    exact_a = float(np.mean([set(systems[list(each)]) == {"a"} for each in combinations(range(9), 3)]))
    found = p_values(checked(np.isin(np.arange(9), (0, 1, 2)), VALUES, list(systems)))["shares of systems"]
    assert near(found, exact_a) and exact_a < exact


def test_the_normal_distribution_of_very_many_items_is_that_of_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(4)
    values = random.integers(1, 6, size=400).astype(float)
    labelled = np.isin(np.arange(400), random.permutation(400)[:100])
    values[labelled] += random.integers(0, 2, size=100) * 0.4
    drawn = p_values(checked(labelled, values))["judges' scores"]
    monkeypatch.setattr(sampling, "_MOST_CELLS", 0)
    assert p_values(checked(labelled, values))["judges' scores"] == pytest.approx(drawn, abs=0.03)
    assert 0.01 < drawn < 0.9


def test_random_samples_are_seldom_refused() -> None:
    random = np.random.default_rng(5)
    judge = random.integers(1, 6, size=120).astype(float)
    sizes = random.integers(20, 90, size=120).astype(float)
    systems = [f"s{number % 6}" for number in range(120)]
    refused = [
        checked(np.isin(np.arange(120), random.permutation(120)[:30]), judge, systems, sizes).reason is not None
        for _ in range(200)
    ]
    # Three tests at .01: at most .03, and four standard errors of that.
    assert np.mean(refused) <= 3 * LEAST_P + 4 * np.sqrt(0.03 * 0.97 / 200)


def test_what_is_unlike_is_named() -> None:
    labelled = np.arange(60) < 20
    sizes = np.where(labelled, 90.0, 30.0) + np.arange(60) % 7
    judge: FloatArray = (np.arange(60) % 5).astype(float)
    systems = ["new" if one else "old" for one in labelled.tolist()]
    check = checked(labelled, judge, systems, sizes)
    assert check.reason is not None and check.reason.code == "not-random-sample"
    assert "lengths" in check.reason.sentence and "shares of systems" in check.reason.sentence
    assert "judges' scores" not in check.reason.sentence
    assert check.as_json()["reason_code"] == "not-random-sample"


def test_a_sample_of_each_system_need_not_be_one_of_all() -> None:
    """Twenty of 40 items of one system, and twenty of 400 of another: unlike the whole, but right within each."""
    systems = ["few"] * 40 + ["many"] * 400
    labelled = np.r_[np.arange(40) < 20, np.arange(400) % 20 == 0]
    judge = (np.arange(440) // 20 % 5).astype(float)
    assert checked(labelled, judge, systems).reason is not None
    assert checked(labelled, judge, systems, within_systems=True).reason is None


def test_what_is_the_same_everywhere_is_not_tested() -> None:
    check = checked(np.arange(10) < 5, np.full(10, 3.0), ["one"] * 10)
    assert check.tests == ()
    assert check.reason is None


def test_an_undeclared_sample_says_so() -> None:
    sample = Sample(np.arange(10) < 5, np.arange(10, dtype=np.float64) % 5, [None] * 10, np.full(10, np.nan))
    check = sample_of(sample, declared=False)
    assert check.reason is not None and check.reason.code == "sample-undeclared"
