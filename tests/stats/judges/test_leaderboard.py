"""The leaderboard: its numbers from the data, from its own JSON at other weights, on SummEval, and when it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from annotator_ops.judge_settings import Judging
from annotator_ops.measures import Reason
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.context import Context
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.leaderboard import Measured, leaderboard
from annotator_ops.stats.judges.prediction_powered import prediction_powered_mean
from annotator_ops.stats.judges.rank_intervals import rank_intervals
from annotator_ops.stats.judges.scores import Scores
from annotator_ops.stats.judges.system_means import combined_means, means_of
from annotator_ops.stats.values import FloatArray
from tests.stats.judges.summeval import CRITERIA, judges_of, people_of, tasks

QUICK = Resampling(resamples=50)
WEIGHTS = {"first": 1.0, "second": 3.0}


def measured(name: str, human: Any, judge: Any, *, level: Level = Level.INTERVAL) -> Measured:
    people, judges = np.atleast_2d(human).astype(float), np.atleast_2d(judge).astype(float)
    items = tuple(f"i{number}" for number in range(people.shape[1]))
    raters, names = ([f"{who} {row}" for row in range(len(part))] for who, part in (("p", people), ("j", judges)))
    unknown = np.full(judges.shape, np.nan)
    return Measured(name, name.title(), Scores(items, tuple(raters), tuple(names), people, judges, unknown, level))


class Made:
    """Four systems of 30 items each on two criteria, from 30 sources; people labelled a random third of the items."""

    n = 120

    def __init__(self, *, labelled: int = 40, seed: int = 1) -> None:
        random = np.random.default_rng(seed)
        self.system = np.arange(self.n) % 4
        self.source = np.arange(self.n) // 4
        of_source = random.standard_normal(30)[self.source]
        self.human = np.stack([self.system * 0.4 + of_source + random.standard_normal(self.n) for _ in range(2)])
        self.judge = self.human * 0.7 + 1 + random.standard_normal((2, self.n)) * 0.5
        self.human[:, random.permutation(self.n)[labelled:]] = np.nan
        # One criterion was not scored everywhere.
        self.human[1, :3] = np.nan

    @property
    def systems(self) -> dict[str, str]:
        return {f"i{number}": f"s{code}" for number, code in enumerate(self.system.tolist())}

    @property
    def sources(self) -> dict[str, str]:
        return {f"i{number}": f"d{code}" for number, code in enumerate(self.source.tolist())}

    def board(self, *, shared: bool = False, **judging: Any) -> JSONDict:
        criteria = [measured(name, *scores) for name, *scores in zip(WEIGHTS, self.human, self.judge, strict=True)]
        sources = self.sources if shared else {}
        context = Context(systems=self.systems, sources=sources, judging=Judging(**{"random_sample": True} | judging))
        found = leaderboard(criteria, context=context, resampling=QUICK)
        assert found is not None
        # It has to be plain JSON: no NaN, no number that is not Python's.
        plain: JSONDict = json.loads(json.dumps(found, allow_nan=False))
        return plain


def from_json(board: JSONDict, kind: str, weights: Mapping[str, float]) -> list[dict[str, Any]]:
    """Overall means, their intervals and ranks from the leaderboard's JSON alone, as its module says."""
    w = np.array([weights[each["name"]] for each in board["criteria"]])
    w /= w.sum()
    used = w > 0
    entries = [system[kind] for system in board["systems"]]
    between: dict[tuple[int, int], float] = {}
    for pair in (board["pairs"] or {}).get(kind, []):
        one, other = pair["systems"]
        between[one, other] = between[other, one] = float(
            w[used] @ np.array(pair["covariance"], dtype=float)[np.ix_(used, used)] @ w[used]
        )
    means = [float(np.array(each["means"], dtype=float)[used] @ w[used]) for each in entries]
    squares = [
        float(w[used] @ np.array(each["covariance"], dtype=float)[np.ix_(used, used)] @ w[used]) for each in entries
    ]
    found = []
    for place, entry in enumerate(entries):
        half = entry["quantile"] * np.sqrt(squares[place])
        above = below = 0
        for other, rival in enumerate(entries):
            if other == place:
                continue
            error = np.sqrt(squares[place] + squares[other] - 2 * between.get((place, other), 0.0))
            least = error * max(entry["critical"], rival["critical"])
            above += means[other] - means[place] > least
            below += means[place] - means[other] > least
        rank = 1 + sum(mean > means[place] for mean in means)
        found.append(
            {
                "overall": (means[place], means[place] - half, means[place] + half),
                "rank": (rank, 1 + above, len(entries) - below),
            }
        )
    return found


def said(board: JSONDict, kind: str) -> list[dict[str, Any]]:
    """The same of what the leaderboard says itself."""
    return [
        {name: tuple(system[kind][name][end] for end in ("value", "low", "high")) for name in ("overall", "rank")}
        for system in board["systems"]
    ]


@pytest.mark.parametrize("shared", [False, True], ids=["independent", "shared sources"])
@pytest.mark.parametrize("kind", ["human", "judge", "combined"])
def test_other_weights_need_the_json_only(kind: str, *, shared: bool) -> None:
    made = Made()
    equal = made.board(shared=shared)
    for weights in (WEIGHTS, {"first": 1.0, "second": 0.0}, {"first": 1.0, "second": 1.0}):
        expected = said(made.board(shared=shared, weights=weights), kind)
        for one, other in zip(from_json(equal, kind, weights), expected, strict=True):
            assert one["overall"] == pytest.approx(other["overall"], abs=1e-9)
            assert one["rank"] == other["rank"]


def test_means_and_covariances_are_those_of_the_data() -> None:
    made = Made(labelled=120)
    board = made.board()
    assert board["kinds"] == ["human", "judge"], "nothing is left for the judges alone"
    assert board["few_labels"] is None
    for code, system in enumerate(board["systems"]):
        judge = made.judge[:, made.system == code]
        assert (system["n_items"], system["n_rated"]) == (30, 30)
        assert system["judge"]["means"] == pytest.approx(judge.mean(axis=1))
        assert np.array(system["judge"]["covariance"]) == pytest.approx(np.cov(judge) / 30)
        overall = judge.mean(axis=0)
        half = stats.t.ppf(0.975, 29) * overall.std(ddof=1) / np.sqrt(30)
        found = system["judge"]["overall"]
        assert (found["low"], found["high"]) == pytest.approx((overall.mean() - half, overall.mean() + half))
        critical = stats.t.ppf(1 - 0.025 / 6, 29)
        assert system["judge"]["critical"] == pytest.approx(critical)


def test_items_that_people_rated_are_counted_beside_all() -> None:
    made = Made(labelled=40)
    rated = ~np.isnan(made.human).all(axis=0)
    board = made.board()
    assert [system["n_items"] for system in board["systems"]] == [30] * 4
    assert [system["n_rated"] for system in board["systems"]] == [
        int(rated[made.system == code].sum()) for code in range(4)
    ]
    made.human[:, made.system == 3] = np.nan
    assert made.board()["systems"][3]["n_rated"] == 0


def test_a_criterion_that_is_missing_on_some_items_leaves_none_of_the_others_out() -> None:
    scores = np.array([[1.0, 2, 3, 6], [2.0, np.nan, 4, 4]])
    means = means_of(scores, np.zeros(4, dtype=np.intp))
    assert means.means.tolist() == [[3.0, 10 / 3]]
    assert means.counts.tolist() == [[4, 3]]
    covariance = means.covariance(0, 0)
    assert covariance[0, 0] == pytest.approx(scores[0].var(ddof=1) / 4)
    assert covariance[1, 1] == pytest.approx(np.nanvar(scores[1], ddof=1) / 3)
    assert np.linalg.eigvalsh(covariance).min() >= -1e-12


def test_one_system_on_one_criterion_is_the_prediction_powered_mean() -> None:
    made = Made()
    human, judge = made.human[:1], made.judge[:1]
    means, tuning = combined_means(human, judge, np.zeros(made.n, dtype=np.intp))
    known = ~np.isnan(human[0])
    estimate, expected = prediction_powered_mean(human[0, known], judge[0, known], judge[0, ~known], small_sample=True)
    assert tuning[0, 0] == pytest.approx(expected)
    assert means.means[0, 0] == pytest.approx(estimate.value)
    assert np.sqrt(means.covariance(0, 0)[0, 0]) == pytest.approx(estimate.standard_error)


def test_what_is_labelled_is_counted_and_how_much_is_made_of_judges_is_said() -> None:
    made = Made()
    few = made.board()["few_labels"]
    assert (few["n_labelled"], few["n_unlabelled"], few["reason"]) == (40, 80, None)
    assert few["random_sample"]["tests"][0]["labelled"] == pytest.approx(made.judge[:, ~np.isnan(made.human[0])].mean())
    assert [sorted(row) for row in few["lambda"]] == [["s0", "s1", "s2", "s3"]] * 2
    assert all(0 < value <= 1 for row in few["lambda"] for value in row.values())


def test_sources_that_systems_share_make_differences_sharper() -> None:
    """The errors of two systems on the same inputs are alike, and their difference is the mean of differences."""
    made = Made(labelled=120)
    board = made.board(shared=True, weights={"second": 1.0})
    (pair,) = [each for each in board["pairs"]["judge"] if each["systems"] == [0, 3]]
    one, other = (made.judge[:, made.system == code] for code in (0, 3))
    assert np.array(pair["covariance"]) == pytest.approx(
        np.array([[np.cov(a, b)[0, 1] / 30 for b in other] for a in one])
    )
    entries = [board["systems"][place]["judge"] for place in (0, 3)]
    error = sum(each["covariance"][1][1] for each in entries) - 2 * pair["covariance"][1][1]
    assert error == pytest.approx((one[1] - other[1]).var(ddof=1) / 30)


def test_judges_alone_are_ranked_where_nobody_rated() -> None:
    made = Made()
    made.human[:] = np.nan
    board = made.board()
    assert board["kinds"] == ["judge"]
    assert all(system["human"] is None and system["combined"] is None for system in board["systems"])
    assert board["correlation"]["human_judge"]["value"] is None
    assert board["few_labels"] is None


@pytest.mark.parametrize(("declared", "code"), [(False, "sample-undeclared"), (True, "not-random-sample")])
def test_what_is_no_random_sample_is_not_combined(code: str, *, declared: bool) -> None:
    made = Made(labelled=120)
    low = np.argsort(made.judge.mean(axis=0))[:60] if declared else np.arange(60)
    made.human[:, low] = np.nan
    board = made.board(random_sample=declared)
    assert board["few_labels"]["reason_code"] == code
    assert board["kinds"] == ["human", "judge"]
    assert board["reason"] is None, "people and judges are there all the same"


def test_an_outside_ranking_is_matched_by_name() -> None:
    made = Made(labelled=120)
    criteria = [measured("first", made.human[0], made.judge[0])]
    outside = {"s0": 1.0, "s1": 3.0, "s2": 2.0, "elsewhere": 9.0}
    context = Context(systems=made.systems, outside=outside, judging=Judging(ranking=Path("somewhere/arena.csv")))
    board = leaderboard(criteria, context=context, resampling=QUICK)
    assert board is not None
    found = board["correlation"]["outside"]
    assert (found["file"], found["n_systems"], found["combined"]) == ("arena.csv", 3, None)
    assert (found["unmatched"], found["unranked"]) == (["elsewhere"], ["s3"])
    means = [system["judge"]["means"][0] for system in board["systems"][:3]]
    assert found["judge"]["value"] == pytest.approx(stats.spearmanr(means, [1, 3, 2]).statistic)


def test_too_few_systems_in_common_have_no_correlation() -> None:
    made = Made(labelled=120)
    context = Context(systems=made.systems, outside={"s0": 1.0, "s1": 3.0})
    board = leaderboard([measured("a", made.human[0], made.judge[0])], context=context, resampling=QUICK)
    assert board is not None
    assert board["correlation"]["outside"]["judge"]["reason_code"] == "too-few-systems"


def test_when_there_is_no_leaderboard() -> None:
    made = Made()
    criteria = [measured("first", made.human[0], made.judge[0])]
    assert leaderboard(criteria, context=Context(), resampling=QUICK) is None
    one = leaderboard(criteria, context=Context(systems=dict.fromkeys(made.systems, "s")), resampling=QUICK)
    assert one is not None and (one["reason_code"], one["systems"]) == ("one-system", [])
    weightless = Context(systems=made.systems, judging=Judging(weights={"other": 1.0}))
    none = leaderboard(criteria, context=weightless, resampling=QUICK)
    assert none is not None and none["reason_code"] == "no-weight"


def test_criteria_without_numbers_are_left_out_by_name() -> None:
    made = Made()
    criteria = [
        measured("first", made.human[0], made.judge[0]),
        measured("kind", made.human[1], made.judge[1], level=Level.NOMINAL),
        Measured("words", "Words", Reason("no-order", "These are texts.")),
    ]
    board = leaderboard(criteria, context=Context(systems=made.systems), resampling=QUICK)
    assert board is not None
    assert [each["name"] for each in board["criteria"]] == ["first"]
    assert [each["name"] for each in board["left_out"]] == ["kind", "words"]
    assert board["left_out"][1]["reason"] == "These are texts."
    assert board["weights"] == [1.0]


def test_a_system_of_one_item_has_a_mean_and_no_interval() -> None:
    made = Made(labelled=120)
    systems = made.systems | {"i0": "alone"}
    board = leaderboard(
        [measured("first", made.human[0], made.judge[0])], context=Context(systems=systems), resampling=QUICK
    )
    assert board is not None
    (alone,) = [system for system in board["systems"] if system["system"] == "alone"]
    assert alone["judge"]["overall"]["value"] == pytest.approx(made.judge[0, 0])
    assert (alone["judge"]["overall"]["low"], alone["judge"]["quantile"]) == (None, None)
    assert (alone["judge"]["rank"]["low"], alone["judge"]["rank"]["high"]) == (1, 5)


# --- SummEval --------------------------------------------------------------------------------------------------------


def summeval(shared_data: Callable[[str], Path], chosen: FloatArray | None = None) -> JSONDict:
    all_tasks = tasks(shared_data)
    systems = {f"i{number}": task["system"] for number, task in enumerate(all_tasks)}
    criteria = []
    for name in CRITERIA:
        human = people_of(name, shared_data)
        human = human if chosen is None else np.where(chosen > 0, human, np.nan)
        criteria.append(measured(name, human, judges_of(name, shared_data)))
    context = Context(systems=systems, judging=Judging(random_sample=True))
    found = leaderboard(criteria, context=context, resampling=QUICK)
    assert found is not None
    return found


def test_summeval_has_its_systems_in_peoples_order(shared_data: Callable[[str], Path]) -> None:
    board = summeval(shared_data)
    human = np.mean([people_of(name, shared_data) for name in CRITERIA], axis=0)
    names = np.array([task["system"] for task in tasks(shared_data)])
    expected = {name: human[names == name].mean() for name in np.unique(names)}
    found = {system["system"]: system["human"]["overall"]["value"] for system in board["systems"]}
    assert found == pytest.approx(expected)
    best = min(board["systems"], key=lambda system: system["human"]["rank"]["value"])
    assert best["system"] == max(expected, key=lambda name: expected[name])


def test_a_fifth_of_the_labels_and_all_judgements_cover_the_mean_of_all_labels(
    shared_data: Callable[[str], Path],
) -> None:
    """Ten times 12 systems with about 20 labels each; what people said of all 100 items of a system is the truth."""
    truth = [system["human"]["overall"]["value"] for system in summeval(shared_data)["systems"]]
    random = np.random.default_rng(7)
    covered, widths = [], []
    repeats = 10
    for _ in range(repeats):
        chosen = np.zeros(1200)
        chosen[random.permutation(1200)[:240]] = 1
        board = summeval(shared_data, chosen)
        if "combined" not in board["kinds"]:  # one sample in fifty is unlike the rest by chance, and refused
            continue
        for system, mean in zip(board["systems"], truth, strict=True):
            overall, people = system["combined"]["overall"], system["human"]["overall"]
            covered.append(overall["low"] <= mean <= overall["high"])
            widths.append((overall["high"] - overall["low"]) / (people["high"] - people["low"]))
    assert len(covered) >= 100
    assert np.mean(covered) >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / len(covered))
    assert np.mean(widths) < 0.95


def test_criteria_on_different_scales_have_no_common_mean() -> None:
    made = Made()
    narrow = replace(measured("first", made.human[0], made.judge[0]), scale=(1.0, 5.0))
    wide = replace(measured("second", made.human[1], made.judge[1]), scale=(0.0, 100.0))
    context = Context(systems=made.systems)
    found = leaderboard([narrow, wide], context=context, resampling=QUICK)
    assert found is not None
    assert (found["reason_code"], found["systems"]) == ("scales-differ", [])
    one = leaderboard(
        [narrow, wide], context=replace(context, judging=Judging(weights={"first": 1.0})), resampling=QUICK
    )
    assert one is not None
    assert one["reason"] is None


def test_the_intervals_of_few_sources_with_many_items_each_cover() -> None:
    """Five systems that are alike, four sources, ten items of each: four things were drawn, not forty."""
    random = np.random.default_rng(3)
    system, unit = np.repeat(np.arange(5), 40), np.tile(np.repeat(np.arange(4), 10), 5)
    runs, inside, open_ranks = 200, 0, 0
    for _ in range(runs):
        of_source = random.standard_normal(4) + 0.5 * random.standard_normal((5, 4))
        scores = (of_source[:, :, None] + 0.5 * random.standard_normal((5, 4, 10))).reshape(1, -1)
        found = means_of(scores, system, unit)
        means, covariance = found.weighted(np.ones(1))
        assert found.drawn.tolist() == [[4]] * 5
        half = stats.t.ppf(0.975, 3) * np.sqrt(np.diag(covariance))
        inside += int((np.abs(means) <= half).sum())
        critical = np.full(5, stats.t.ppf(1 - 0.025 / 10, 3))
        ranks = rank_intervals(means, covariance, critical, confidence=0.95)
        open_ranks += all((each.low, each.high) == (1, 5) for each in ranks)
    assert 0.9 < inside / (5 * runs) < 0.98
    assert open_ranks / runs > 0.91


def test_what_judges_refuse_is_of_the_combined_mean_too() -> None:
    """A judge that scores only what is good says nothing of what is not; people's random sample does."""
    random = np.random.default_rng(5)
    inside = 0
    for _ in range(100):
        quality = random.standard_normal((1, 400))
        judge = np.where(quality > -0.5, quality + 0.3 * random.standard_normal((1, 400)), np.nan)
        human = np.where(random.permutation(400) < 120, quality, np.nan)
        found, _ = combined_means(human, judge, np.zeros(400, dtype=np.intp))
        error = float(np.sqrt(found.covariance(0, 0)[0, 0]))
        inside += abs(found.means[0, 0] - quality.mean()) <= stats.t.ppf(0.975, 119) * error
    assert inside >= 90
