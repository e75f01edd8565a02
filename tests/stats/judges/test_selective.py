"""Trust or escalate: the published vectors and example, the promise itself by simulation, then properties."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.stats.judges.scores import majority
from annotator_ops.stats.judges.selective import (
    GRID_POINTS,
    LEAST_ITEMS,
    NOBODY,
    calibrate,
    calibrate_cascade,
    decide,
    default_grid,
    near_mean,
    outcome,
    same_category,
    shares_asked,
    upper_bound,
)
from annotator_ops.stats.values import BoolArray, FloatArray

RUNS = 600
GRID = np.linspace(0, 1, 501, dtype=np.float64)
COARSE = np.linspace(0, 1, 101, dtype=np.float64)
SURE = np.linspace(0.5, 1, 2001, dtype=np.float64)
CASCADE = ("mistral-7b-instruct", "gpt-3.5-turbo", "gpt-4-turbo")


@pytest.mark.parametrize(
    ("disagreements", "n", "delta", "expected"),
    [(0, 30, 0.1, 0.073881), (5, 100, 0.1, 0.090771), (60, 500, 0.1, 0.140768)],
)
def test_upper_bounds_to_six_digits(disagreements: int, n: int, delta: float, expected: float) -> None:
    assert round(float(upper_bound(disagreements, n, delta=delta)), 6) == expected


@given(st.integers(1, 400), st.floats(0.001, 0.5), st.data())
def test_the_upper_bound_is_where_so_few_disagreements_are_that_unlikely(
    n: int, delta: float, data: st.DataObject
) -> None:
    k = data.draw(st.integers(0, n))
    bound = float(upper_bound(k, n, delta=delta))
    if k == n:
        assert bound == 1.0
    else:
        assert stats.binom.cdf(k, n, bound) == pytest.approx(delta, rel=1e-6)
        assert bound > float(upper_bound(max(k - 1, 0), n, delta=delta)) or k == 0


def test_upper_bounds_come_in_any_shape() -> None:
    bounds = upper_bound([[0, 1], [2, 30]], 30, delta=0.1)
    assert bounds.shape == (2, 2)
    assert bounds[1, 1] == 1.0
    assert float(upper_bound(0, 0, delta=0.1)) == 1.0


@dataclass(frozen=True, slots=True)
class Pairs:
    """The published calibration pairs: three judges' confidences, and whether each agrees with the human."""

    confidence: FloatArray
    agrees: BoolArray


@pytest.fixture
def pairs(shared_data: Callable[[str], Path]) -> Pairs:
    with shared_data("trust-or-escalate/calibration.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    human = np.array([int(row["human"]) for row in rows])
    sides = np.array([[[float(row[f"{judge}:p{side}"]) for row in rows] for side in (1, 2)] for judge in CASCADE])
    return Pairs(sides.max(axis=1), sides.argmax(axis=1) + 1 == human)


def test_the_published_example(pairs: Pairs) -> None:
    assert pairs.agrees.mean(axis=1).tolist() == pytest.approx([0.750, 0.756, 0.784])
    found = calibrate_cascade(pairs.confidence, pairs.agrees, alpha=0.15, delta=0.1, split=False)
    values = [one.value for one in found]
    assert values[0] is values[2] is None
    assert values[1] is not None
    assert round(values[1], 4) == 0.7928
    assert [one.reason.code if one.reason else None for one in found] == ["first-fails", None, "first-fails"]
    chosen = decide(pairs.confidence, values)
    measured = outcome(pairs.agrees, chosen)
    assert measured.coverage.value == pytest.approx(0.550)
    assert measured.agreement.value == pytest.approx(0.880)
    trusted = found[1]
    assert trusted.bound is not None
    assert (trusted.n_reached, trusted.n_trusted, trusted.disagreements) == (500, 275, 33)
    assert trusted.bound <= 0.15 < float(upper_bound(trusted.disagreements + 4, trusted.n_trusted, delta=0.1))
    # The third is asked on the others only.
    assert found[2].n_reached == 225


def test_delta_is_split_over_the_judges(pairs: Pairs) -> None:
    split = calibrate_cascade(pairs.confidence, pairs.agrees, alpha=0.2, delta=0.3)
    assert [one.delta for one in split] == pytest.approx([0.1] * 3)
    apart = calibrate_cascade(pairs.confidence, pairs.agrees, alpha=0.2, delta=0.1, split=False)
    assert [one.value for one in split] == [one.value for one in apart]


def test_the_grid_is_the_same_whatever_the_data() -> None:
    grid = default_grid()
    assert (len(grid), grid[0], grid[-1]) == (GRID_POINTS, 0.0, 1.0)
    assert np.diff(grid) == pytest.approx(np.full(GRID_POINTS - 1, 1 / (GRID_POINTS - 1)))


# --- the promise -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Population:
    """Judges' confidences, all equally frequent, and how often the judge is right at each; the true risk is exact."""

    confidence: FloatArray
    right: FloatArray

    def drawn(self, random: np.random.Generator, n: int) -> tuple[FloatArray, BoolArray]:
        places = random.integers(len(self.confidence), size=n)
        return self.confidence[places], random.random(n) < self.right[places]

    def risk(self, value: float) -> float:
        return float(1 - self.right[self.confidence >= value].mean())


SIMULATED = np.repeat([0.6, 0.8, 1.0], [1, 2, 4])  # how many of five simulated annotators agree
POPULATIONS = {
    "as sure as it is right": Population(SURE, SURE),
    "too sure": Population(SURE, 0.5 + 0.75 * (SURE - 0.5)),
    "a little too often wrong everywhere": Population(SURE, np.full(2001, 0.895)),
    "wrong where it is surest": Population(SURE, np.where(SURE > 0.97, 0.86, 0.97)),
    "good only in the middle": Population(SURE, 0.8 + 0.19 * np.sin(np.pi * (SURE - 0.5) / 0.5)),
    "few different confidences": Population(SIMULATED, 0.55 + 0.34 * SIMULATED),
    "never right enough": Population(SURE, np.full(2001, 0.8)),
}


def violations(population: Population, rule: Callable[..., float | None], *, n: int) -> tuple[int, int]:
    """In how many of RUNS studies of n items a threshold of true risk above α = .1 is chosen, and in how many any."""
    broken = trusted = 0
    for seed in range(RUNS):
        value = rule(*population.drawn(np.random.default_rng(seed), n))
        if value is not None:
            trusted += 1
            broken += population.risk(value) > 0.1
    return broken, trusted


def strict(confidence: FloatArray, agrees: BoolArray) -> float | None:
    return calibrate(confidence, agrees, alpha=0.1, delta=0.1, grid=GRID).value


def published(confidence: FloatArray, agrees: BoolArray) -> float | None:
    """As the authors' published code has it: where the first threshold fails, it is taken all the same."""
    found = calibrate(confidence, agrees, alpha=0.1, delta=0.1, grid=GRID)
    if found.value is None and found.reason is not None and found.reason.code == "first-fails":
        return float(max(value for value in GRID if (confidence >= value).sum() >= LEAST_ITEMS))
    return found.value


# Three standard errors of the count of a share of δ.
MARGIN = 3 * np.sqrt(RUNS * 0.1 * 0.9)


@pytest.mark.parametrize("n", [60, 300])
@pytest.mark.parametrize("name", POPULATIONS)
def test_the_guarantee_holds_in_at_least_one_minus_delta_of_studies(name: str, n: int) -> None:
    broken, _ = violations(POPULATIONS[name], strict, n=n)
    assert broken <= RUNS * 0.1 + MARGIN


def test_the_simulation_can_tell() -> None:
    """A good judge is trusted; at the edge some thresholds are too low, so that a laxer bound would show."""
    broken, trusted = violations(POPULATIONS["as sure as it is right"], strict, n=1000)
    assert trusted > RUNS / 2
    assert broken > RUNS * 0.03
    edge = POPULATIONS["a little too often wrong everywhere"]
    broken, trusted = violations(edge, strict, n=300)
    assert RUNS * 0.02 < broken == trusted
    lax = [calibrate(*edge.drawn(np.random.default_rng(seed), 300), alpha=0.1, delta=0.5).value for seed in range(RUNS)]
    assert sum(value is not None for value in lax) > RUNS * 0.1 + MARGIN


@pytest.mark.parametrize("name", ["never right enough", "a little too often wrong everywhere"])
def test_the_published_fallback_would_break_the_guarantee(name: str) -> None:
    broken, _ = violations(POPULATIONS[name], published, n=300)
    assert broken == RUNS  # in every study, where at most δ of them may
    assert violations(POPULATIONS[name], strict, n=300)[0] < broken / 5


def test_the_guarantee_of_a_cascade() -> None:
    """Two judges that are wrong on the same hard items; the risk of all that either is trusted on, exactly."""
    random = np.random.default_rng(11)
    hard = random.random(20_000)
    sure = np.array([np.clip(1 - hard / 2 + noise * random.standard_normal(20_000), 0.5, 1) for noise in (0.15, 0.05)])
    right = np.array([0.99 - 0.4 * hard, 0.99 - 0.12 * hard])
    broken = trusted = 0
    for seed in range(RUNS):
        draw = np.random.default_rng(seed)
        places = draw.integers(20_000, size=600)
        agrees = draw.random(600) < right[:, places]
        found = calibrate_cascade(sure[:, places], agrees, alpha=0.1, delta=0.1, grid=GRID)
        chosen = decide(sure, [one.value for one in found])
        judged = np.flatnonzero(chosen != NOBODY)
        if len(judged):
            trusted += 1
            broken += 1 - right[chosen[judged], judged].mean() > 0.1
    assert trusted > RUNS / 2
    assert broken <= RUNS * 0.1 + MARGIN


@pytest.mark.parametrize("errors", ["together", "apart", "independent"])
def test_the_guarantee_of_each_judge_of_a_cascade_at_the_edge(errors: str) -> None:
    """Both are a little too often wrong where they are surest; the first's luck chooses what reaches the second."""
    random = np.random.default_rng(1)
    sure = random.uniform(0.5, 1, size=(2, 20_000))
    right = np.array([0.895 + 0.25 * (sure[0] - 0.75), np.full(20_000, 0.895)])
    broken = of_second = 0
    for seed in range(RUNS):
        draw = np.random.default_rng(seed)
        places, luck = draw.integers(20_000, size=600), draw.random(600)
        other = {"together": luck, "apart": 1 - luck, "independent": draw.random(600)}[errors]
        agrees = np.vstack([luck, other]) < right[:, places]
        found = calibrate_cascade(sure[:, places], agrees, alpha=0.1, delta=0.1, grid=GRID)
        chosen = decide(sure, [one.value for one in found])
        judged, second = np.flatnonzero(chosen != NOBODY), np.flatnonzero(chosen == 1)
        broken += bool(len(judged)) and 1 - right[chosen[judged], judged].mean() > 0.1
        of_second += bool(len(second)) and 1 - right[1, second].mean() > 0.1
    assert 0 < of_second <= RUNS * 0.05 + MARGIN / np.sqrt(2)
    assert 0 < broken <= RUNS * 0.1 + MARGIN


# --- the rule --------------------------------------------------------------------------------------------------------


def written_out(confidence: FloatArray, agrees: BoolArray, *, alpha: float, delta: float) -> float | None:
    """The strict rule, threshold by threshold."""
    last = None
    for value in COARSE[::-1].tolist():
        here = agrees[confidence >= value]
        if len(here) < LEAST_ITEMS:
            continue
        k, n = int((~here).sum()), len(here)
        if (1.0 if k == n else float(stats.beta.ppf(1 - delta, k + 1, n - k))) > alpha:
            return last
        last = value
    return last


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 10**6), st.integers(0, 150), st.floats(0.5, 1), st.floats(0.02, 0.4), st.sampled_from([3, 100]))
def test_it_is_the_rule_that_the_paper_describes(seed: int, n: int, skill: float, alpha: float, steps: int) -> None:
    random = np.random.default_rng(seed)
    confidence = np.round(random.random(n) * steps) / steps
    confidence[random.random(n) < 0.1] = np.nan
    agrees = random.random(n) < skill
    found = calibrate(confidence, agrees, alpha=alpha, delta=0.1, grid=COARSE)
    expected = written_out(confidence, agrees, alpha=alpha, delta=0.1)
    assert found.value == (None if expected is None else pytest.approx(expected))
    assert (found.value is None) is (found.reason is not None)
    assert (found.n_reached, found.n_confident) == (n, int((~np.isnan(confidence)).sum()))
    if found.value is not None:
        there = confidence >= found.value
        assert (found.n_trusted, found.disagreements) == (there.sum(), (~agrees[there]).sum())
    order = random.permutation(n)
    assert calibrate(confidence[order], agrees[order], alpha=alpha, delta=0.1, grid=COARSE) == found


def test_where_nothing_can_be_calibrated_the_judge_abstains() -> None:
    for confidence in (np.full(100, np.nan), COARSE[:29], np.zeros(0)):
        found = calibrate(confidence, np.ones(len(confidence), dtype=np.bool_), alpha=0.1, delta=0.1)
        assert found.value is None
        assert found.reason is not None
        assert found.reason.code == "too-few-items"
    with pytest.raises(ValueError, match="do not fit"):
        calibrate(np.ones(3), np.ones(4, dtype=np.bool_), alpha=0.1, delta=0.1)


def test_a_judge_that_always_agrees_is_trusted_on_all() -> None:
    found = calibrate(COARSE[1:], np.ones(100, dtype=np.bool_), alpha=0.1, delta=0.1)
    assert found.value == 0.0
    assert (found.n_trusted, found.disagreements) == (100, 0)


def test_decisions_go_to_the_first_judge_that_dares() -> None:
    confidence = np.array([[0.9, 0.5, np.nan, 0.5, 0.9], [0.1, 0.8, 0.8, np.nan, 0.9]])
    assert decide(confidence, [0.9, 0.8]).tolist() == [0, 1, 1, NOBODY, 0]
    assert decide(confidence, [None, 0.8]).tolist() == [NOBODY, 1, 1, NOBODY, 1]
    assert shares_asked(confidence, [0.9, 0.8]) == (1.0, 0.6)
    assert shares_asked(confidence, [None, 0.8]) == (0.0, 1.0)
    assert shares_asked(confidence[:, :0], [0.9, 0.8]) == (0.0, 0.0)


def test_what_cannot_be_measured_says_why() -> None:
    agrees = np.ones((1, 3), dtype=np.bool_)
    nobody = outcome(agrees, np.full(3, NOBODY))
    assert nobody.coverage.value == 0.0
    assert nobody.agreement.value is None
    assert nobody.agreement.reason is not None
    assert nobody.agreement.reason.code == "always-abstains"
    nothing = outcome(agrees[:, :0], np.zeros(0, dtype=np.intp))
    assert nothing.coverage.value is nothing.agreement.value is None
    half = outcome(np.array([[True, False, True]]), np.array([0, 0, NOBODY]))
    assert half.coverage.value == pytest.approx(2 / 3)
    assert (half.agreement.value, half.agreement.n_items) == (0.5, 2)
    assert half.agreement.low is not None


# --- what agreement is -----------------------------------------------------------------------------------------------


def test_near_the_mean_of_people() -> None:
    human = np.array([[1.0, 2.0, np.nan, 4.0], [2.0, 4.0, np.nan, np.nan]])
    assert near_mean(human, np.array([2.5, 4.5, 3.0, np.nan]), within=1.0).tolist()[:2] == [1.0, 0.0]
    assert np.isnan(near_mean(human, np.array([2.5, 4.5, 3.0, np.nan]), within=1.0)[2:]).all()
    both = near_mean(human, np.array([[1.5, 3, 1, 4], [1, 1, 1, 1]]), within=0.0)
    assert both.shape == (2, 4)
    assert both[:, [0, 1, 3]].tolist() == [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]


@given(st.floats(0.001, 1e6), st.floats(0.0, 1e6))
def test_a_distance_that_is_the_limit_but_for_rounding_is_near(unit: float, zero: float) -> None:
    human = np.array([[1.0], [2.0], [2.0]]) * unit + zero
    far = (5 / 3 + 1) * unit + zero
    scale = max(unit, zero, 1.0)
    assert near_mean(human, np.array([far]), within=unit).tolist() == [1.0]
    assert near_mean(human, np.array([far + 1e-6 * scale]), within=unit).tolist() == [0.0]


def test_the_majority_of_people() -> None:
    human = np.array([[0, 0, 1, np.nan, 2], [0, 1, 1, np.nan, np.nan], [1, 2, 1, np.nan, np.nan]])
    category, tied = majority(human)
    assert tied.tolist() == [False, True, False, False, False]
    assert category[[0, 2, 4]].tolist() == [0.0, 1.0, 2.0]
    assert np.isnan(category[[1, 3]]).all()
    agrees = same_category(category, np.array([0.0, 0.0, 2.0, 0.0, np.nan]))
    assert agrees[[0, 2]].tolist() == [1.0, 0.0]
    assert np.isnan(agrees[[1, 3, 4]]).all()
    nobody, no_ties = majority(np.full((2, 3), np.nan))
    assert np.isnan(nobody).all()
    assert not no_ties.any()


@given(st.integers(0, 10**6), st.integers(0, 7), st.integers(1, 4))
def test_the_majority_is_the_one_that_counting_gives(seed: int, people: int, categories: int) -> None:
    random = np.random.default_rng(seed)
    human = random.integers(categories, size=(people, 12)).astype(np.float64)
    human[random.random(human.shape) < 0.3] = np.nan
    category, tied = majority(human)
    for item in range(12):
        counts = Counter(value for value in human[:, item].tolist() if not np.isnan(value)).most_common()
        assert tied[item] == (len(counts) > 1 and counts[0][1] == counts[1][1])
        if counts and not tied[item]:
            assert category[item] == counts[0][0]
        else:
            assert np.isnan(category[item])
