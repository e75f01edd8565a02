"""Systems ordered by judges and by people: SummEval the direct way, the paper's bootstrap, ties, too few of them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from annotator_ops.measures import Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.systems import system_level
from annotator_ops.stats.values import FloatArray
from tests.stats.judges.summeval import judges_of, people_of, tasks

MEASURES = ("spearman", "kendall_tau_b", "pearson", "pairwise_accuracy")
QUICK = Resampling(resamples=100)


def found_of(*arguments: Any, **options: Any) -> JSONDict:
    found = system_level(*arguments, **options)
    assert not isinstance(found, Reason), found
    return found


def accuracy(people: FloatArray, judge: FloatArray) -> float:
    """Pair by pair."""
    points = []
    for one, other in combinations(range(len(people)), 2):
        signs = np.sign(people[one] - people[other]), np.sign(judge[one] - judge[other])
        if signs[0] != 0:
            points.append(0.5 if signs[1] == 0 else float(signs[0] == signs[1]))
    return float(np.mean(points)) if points else float("nan")


def directly(people: Any, judge: Any) -> list[float]:
    return [
        float(stats.spearmanr(people, judge).statistic),
        float(stats.kendalltau(people, judge).statistic),
        float(stats.pearsonr(people, judge).statistic),
        accuracy(people, judge),
    ]


def study(n_systems: int, n_sources: int, *, seed: int) -> tuple[FloatArray, FloatArray, list[str], list[str]]:
    """Scores of every system on every source, source by source."""
    random = np.random.default_rng(seed)
    quality = np.tile(random.normal(size=n_systems), n_sources)
    human, judge = (quality + random.normal(size=quality.size) for _ in range(2))
    systems = [f"system {code}" for _ in range(n_sources) for code in range(n_systems)]
    sources = [f"source {code}" for code in range(n_sources) for _ in range(n_systems)]
    return human, judge, systems, sources


def test_summeval_relevance(shared_data: Callable[[str], Path]) -> None:
    human, judges = people_of("relevance", shared_data), judges_of("relevance", shared_data)
    systems = [task["system"] for task in tasks(shared_data)]
    names = sorted(set(systems))
    rows = [[place for place, system in enumerate(systems) if system == name] for name in names]
    assert [len(row) for row in rows] == [100] * 12
    for judge in judges:
        found = found_of(human, judge, systems, resampling=Resampling())
        means = [np.array([scores[row].mean() for row in rows]) for scores in (human, judge)]
        assert found["n_systems"] == 12
        assert [found[name]["value"] for name in MEASURES] == pytest.approx(directly(*means), abs=1e-12)
        for name in MEASURES:
            assert found[name]["low"] < found[name]["value"] < found[name]["high"] <= 1
            assert found[name]["n_items"] == 1200 and found[name]["seed"] == 0
            assert "12 systems and their items, 1000 resamples" in found[name]["method"]
        assert found["spearman"]["high"] - found["spearman"]["low"] > 0.2


@pytest.mark.parametrize("paired", [True, False])
def test_the_interval_is_that_of_both_systems_and_items(paired: bool) -> None:
    human, judge, systems, sources = study(10, 30, seed=1)
    found = found_of(human, judge, systems, resampling=Resampling(resamples=2000), sources=sources if paired else None)
    tables = [scores.reshape(30, 10) for scores in (human, judge)]
    random = np.random.default_rng(2)
    long_way = []
    for _ in range(2000):
        drawn = random.integers(0, 10, 10)
        if paired:
            means = [
                table[random_rows].mean(axis=0) for random_rows in [random.integers(0, 30, 30)] for table in tables
            ]
        else:
            rows = random.integers(0, 30, (30, 10))
            means = [np.take_along_axis(table, rows, axis=0).mean(axis=0) for table in tables]
        long_way.append(directly(means[0][drawn], means[1][drawn]))
    for name, values in zip(MEASURES, np.array(long_way).T, strict=True):
        ends = np.quantile(values, [0.025, 0.975])
        assert (found[name]["low"], found[name]["high"]) == pytest.approx(ends, abs=0.06), name


def test_the_same_seed_gives_the_same_interval_and_another_one_another() -> None:
    human, judge, systems, _ = study(8, 12, seed=3)
    one, again, other = (
        found_of(human, judge, systems, resampling=Resampling(seed=seed, resamples=100)) for seed in (1, 1, 2)
    )
    assert one == again
    assert one["spearman"]["value"] == other["spearman"]["value"]
    assert (one["pearson"]["low"], one["pearson"]["high"]) != (other["pearson"]["low"], other["pearson"]["high"])


def test_ties() -> None:
    """People: a < b = c < d. The judge ties a with b, and has c below both."""
    human, judge = np.array([1.0, 2.0, 2.0, 3.0]), np.array([5.0, 5.0, 4.0, 6.0])
    found = found_of(human, judge, ["a", "b", "c", "d"])
    # ab is a tie of the judge's, bc one of people's; ac is wrong; ad, bd and cd are right.
    assert found["pairwise_accuracy"]["value"] == pytest.approx((0.5 + 0 + 3) / 5)
    assert [found[name]["value"] for name in MEASURES] == pytest.approx(directly(human, judge), abs=1e-12)
    assert "counts half" in found["pairwise_accuracy"]["method"]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from("abcdef")), min_size=6, max_size=40))
@settings(deadline=None, max_examples=60)
def test_it_equals_the_direct_way_or_says_why_not(rows: list[tuple[int, int, str]]) -> None:
    human, judge = (np.array([row[place] for row in rows], dtype=float) for place in (0, 1))
    systems = [row[2] for row in rows]
    names = sorted(set(systems))
    found = system_level(human, judge, systems, resampling=QUICK)
    if len(names) < 3:
        assert isinstance(found, Reason) and found.code == "too-few-systems"
        return
    assert not isinstance(found, Reason)
    means = [np.array([scores[np.array(systems) == name].mean() for name in names]) for scores in (human, judge)]
    means = [np.round(each, 12) for each in means]
    flat = [len(set(each.tolist())) == 1 for each in means]
    for name in MEASURES[:3]:
        assert (found[name]["reason_code"] == "constant") == any(flat)
    assert (found["pairwise_accuracy"]["reason_code"] == "constant") == flat[0]
    if not any(flat):
        assert [found[name]["value"] for name in MEASURES] == pytest.approx(directly(*means), abs=1e-9)


@given(st.integers(0, 1000), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=25)
def test_what_changes_nothing(seed: int, random: Any) -> None:
    """The names' order, items that do not count; of the values the order of the items, too."""
    human, judge, systems, sources = study(5, 6, seed=seed)
    plain = found_of(human, judge, systems, resampling=QUICK, sources=sources)
    nan = np.nan
    longer = found_of(
        np.append(human, [nan, 1.0, 1.0]),
        np.append(judge, [1.0, nan, 1.0]),
        [*systems, "system 0", "other", None],
        resampling=QUICK,
        sources=[*sources, "source 0", "source x", None],
    )
    assert longer == plain
    order = list(range(len(human)))
    random.shuffle(order)
    shuffled = found_of(human[order], judge[order], [systems[place] for place in order])
    turned = found_of(human, -judge, systems)
    for name in MEASURES:
        assert shuffled[name]["value"] == pytest.approx(plain[name]["value"], abs=1e-12)
        sign = 1 - plain[name]["value"] if name == "pairwise_accuracy" else -plain[name]["value"]
        assert turned[name]["value"] == pytest.approx(sign, abs=1e-12)


def test_three_systems_get_an_interval_however_wide() -> None:
    human, judge, systems, _ = study(3, 20, seed=4)
    found = found_of(human, judge, systems, resampling=Resampling())
    for name in MEASURES:
        assert found[name]["low"] is not None and found[name]["low"] < found[name]["high"]
        assert "without variation left out" in found[name]["method"]


def test_systems_without_the_sources_that_are_drawn_do_not_count_in_that_resample() -> None:
    human, judge, systems, sources = study(4, 3, seed=5)
    for place, source in enumerate(sources):
        if systems[place] == "system 1" and source != "source 0":
            human[place] = np.nan
    found = found_of(human, judge, systems, resampling=QUICK, sources=sources)
    assert found["n_systems"] == 4
    assert found["pearson"]["low"] is not None and -1 <= found["pearson"]["low"] <= found["pearson"]["high"] <= 1


def test_too_few_systems() -> None:
    rising = np.arange(4, dtype=np.float64)
    found = system_level(rising, rising, ["a", "b", None, "b"])
    assert isinstance(found, Reason) and found.code == "too-few-systems" and found.sentence.startswith("2 systems have")
    none = system_level(rising[:2], np.full(2, np.nan), ["a", "b"])
    assert isinstance(none, Reason) and none.sentence.startswith("0 systems have")


def test_systems_of_many_items_with_few_scores_have_the_same_intervals() -> None:
    """Pairs of scores are drawn in place of items: the same distribution, other random numbers."""
    random = np.random.default_rng(8)
    systems = [f"s{number % 4}" for number in range(4_000)]
    level = np.arange(4_000) % 4 / 3
    human = np.round(level + random.standard_normal(4_000)).clip(-2, 3)
    judge = np.round(level + random.standard_normal(4_000)).clip(-2, 3)
    few = system_level(human, judge, systems, resampling=Resampling(seed=1))
    # Scores that differ by next to nothing are all different.
    many = system_level(human + 1e-9 * random.random(4_000), judge, systems, resampling=Resampling(seed=1))
    assert not isinstance(few, Reason)
    assert not isinstance(many, Reason)
    for end in ("value", "low", "high"):
        assert few["pearson"][end] == pytest.approx(many["pearson"][end], abs=0.05)
