"""What a criterion's entry has of judges: SummEval whole, the keys, labels, versions, systems, crowds, nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from annotator_ops.judge_settings import Ensemble, Judging
from annotator_ops.measures import Rating
from annotator_ops.models import JSONDict, Level
from annotator_ops.ratings import read_table
from annotator_ops.stats.context import Context, Position
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.entries import judge_entries, scores_on
from annotator_ops.stats.judges.scores import Scores
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.table import RatingTable, joined
from annotator_ops.stats.values import ValueKind
from tests.stats.judges.made import Row, table_of

QUICK = Resampling(resamples=100)
NUMBERS = CriterionSpec("quality", ValueKind.NUMBERS, Level.ORDINAL, "Declared.", scale=(1.0, 2.0, 3.0, 4.0, 5.0))
LABELS = CriterionSpec("quality", ValueKind.LABELS, Level.NOMINAL, "Declared.")
ESTIMATE = {"value", "low", "high", "confidence", "method", "standard_error", "seed", "reason", "reason_code"}
PEOPLE: dict[str, Row] = {"anna": [1, 2, 3, 4, 5, 3], "boris": [2, 2, 3, 5, 5, None]}
JUDGES: dict[str, Row] = {"gpt": [1, 1, 3, 4, 4, 2], "llama": [3, 2, 2, 5, 5, None]}


def entries(
    people: Mapping[str, Row], judges: Mapping[str, Row], spec: CriterionSpec = NUMBERS, context: Context | None = None
) -> JSONDict:
    table = table_of(people, judges)
    found = judge_entries(table.people(), table.models(), spec, context=context or Context(), resampling=QUICK)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def test_the_keys_that_the_report_relies_on() -> None:
    context = Context(
        systems={f"item-{number}": f"system-{number % 3}" for number in range(1, 7)},
        sizes={f"item-{number}": 10.0 * (number % 4) for number in range(1, 7)},
        positions={"gpt": {"quality": Position(10, 7, 11)}},
        judging=Judging(relatives={"gpt": ("system-1",)}, epsilon=0.1),
    )
    found = entries(PEOPLE, JUDGES, context=context)
    assert found.keys() == {"judges", "ensembles", "human_ceiling", "judge_pairs", "drift", "few_labels"}
    gpt, llama = found["judges"]
    coefficients = {"spearman", "kendall_tau_b", "pearson"}
    summary = {"rater", "n", "mean", "sd", "median_seconds", "missing"}
    more = {"accuracy", "cohen_kappa", "bias", "confusion", "systems", "alt_test", "by_annotators"}
    assert gpt.keys() == summary | {"n_items", "model", "prompt"} | coefficients | more
    assert gpt["spearman"].keys() >= ESTIMATE
    assert gpt["bias"].keys() == {"severity", "spread_ratio", "length", "position", "self_preference"}
    assert gpt["bias"]["position"]["first_chosen"]["value"] == 0.55
    assert gpt["bias"]["self_preference"]["value"] is not None
    assert (llama["bias"]["position"], llama["bias"]["self_preference"]) == (None, None)
    assert gpt["systems"]["n_systems"] == 3
    assert (gpt["alt_test"]["epsilon"], gpt["alt_test"]["score"]) == (0.1, "-RMSE")
    assert gpt["by_annotators"][1].keys() == {"k", "spearman", "low", "high", "n_subsets"}
    assert (gpt["n_items"], llama["n_items"], llama["missing"]) == (6, 5, {"skipped": 1})
    assert (gpt["model"], gpt["prompt"], gpt["accuracy"]) == (None, None, None)
    (ensemble,) = found["ensembles"]
    assert ensemble.keys() == {
        "name", "judges", "how", "weights", "n_items", "n_items_dropped", *coefficients,
        "alt_test", "systems", "by_annotators",
    }  # fmt: skip
    assert (ensemble["name"], ensemble["n_items"], ensemble["n_items_dropped"]) == ("mean of all judges", 5, 1)
    assert found["human_ceiling"].keys() == {"annotators", "mean", "reason", "reason_code"}
    assert found["human_ceiling"]["mean"]["pearson"]["value"] is not None
    assert [pair["raters"] for pair in found["judge_pairs"]] == [["gpt", "llama"]]
    assert (found["drift"], found["few_labels"]) == ([], None)


def test_without_judges_there_is_nothing() -> None:
    assert entries(PEOPLE, {}) == {
        "judges": [], "ensembles": [], "human_ceiling": None, "judge_pairs": [], "drift": [], "few_labels": None,
    }  # fmt: skip


@pytest.mark.parametrize("spec", [NUMBERS, LABELS])
def test_judges_without_people_have_reasons(spec: CriterionSpec) -> None:
    found = entries({}, JUDGES, spec)
    for each in found["judges"]:
        assert each["n_items"] == 0
        assert each["spearman"]["reason"] and each["alt_test"]["reason"] and each["bias"]["severity"]["reason"]
    assert found["judge_pairs"][0]["krippendorff_alpha"]["value"] is not None
    assert found["judge_pairs"][0]["p_value"] is None
    assert found["human_ceiling"]["reason"]


def test_model_and_prompt_are_said_where_they_are_one() -> None:
    ratings = [
        Rating(judge, "judge", f"item-{number}", "quality", float(number), model=model, prompt=prompt)
        for judge, prompts in (("a", ("v1", "v1", "v1")), ("b", ("v1", "v2", None)), ("c", (None, None, None)))
        for number, (model, prompt) in enumerate(zip(("m", "m", None), prompts, strict=True), start=1)
    ]
    table = RatingTable.from_ratings([*ratings, *table_of({"anna": [1, 2, 3]}, {}).ratings()]).canonical()
    found = judge_entries(table.people(), table.models(), NUMBERS, context=Context(), resampling=QUICK)
    assert [(judge["model"], judge["prompt"]) for judge in found["judges"]] == [("m", "v1"), ("m", None), ("m", None)]


def test_labels_are_held_against_the_answer_of_most_people() -> None:
    people: dict[str, Row] = {
        "anna": ["x", "y", "x", "y", "x"],
        "boris": ["x", "y", "y", "y", "x"],
        "carla": ["y", "y", None, "x", "x"],
    }
    found = entries(people, {"gpt": ["x", "y", "x", "x", "x"], "llama": [None] * 5}, LABELS)
    gpt, llama = found["judges"]
    # On the third item x and y are as frequent; of the others gpt misses the fourth.
    assert (gpt["n_items"], gpt["accuracy"]["n_items"], gpt["accuracy"]["value"]) == (5, 4, 0.75)
    expected = stats.binomtest(3, 4).proportion_ci(method="wilson")
    assert gpt["accuracy"]["low"] == pytest.approx(expected.low)
    assert gpt["cohen_kappa"]["value"] == pytest.approx((0.75 - 0.5) / (1 - 0.5))
    assert gpt["spearman"]["reason_code"] == gpt["bias"]["severity"]["reason_code"] == "no-order"
    assert gpt["confusion"]["counts"] == [[2, 0], [1, 1]]
    assert (gpt["alt_test"]["score"], gpt["systems"], gpt["by_annotators"]) == ("accuracy", None, [])
    assert llama["accuracy"]["reason_code"] == "no-items"
    assert found["ensembles"][0]["spearman"]["reason_code"] == "no-order"
    assert found["human_ceiling"]["reason_code"] == "no-order"


def test_positions_are_of_labels_too() -> None:
    context = Context(positions={"gpt": {"quality": Position(4, 2, 4)}})
    found = entries({"anna": ["left", "right"]}, {"gpt": ["left", "left"]}, LABELS, context)
    assert found["judges"][0]["bias"]["position"]["n_pairs"] == 4


@pytest.mark.parametrize(
    ("people", "spec", "code"),
    [
        ({"anna": [1, 2, "good"]}, NUMBERS, "not-numeric"),
        ({"anna": [1, 2, 3]}, replace(NUMBERS, level=Level.CIRCULAR, period=24.0), "no-order"),
        ({"anna": ["a b", "b", "c"]}, replace(LABELS, kind=ValueKind.TEXT), "no-order"),
    ],
)
def test_what_has_no_scores_has_the_same_reason_everywhere(
    people: Mapping[str, Row], spec: CriterionSpec, code: str
) -> None:
    judges: dict[str, Row] = {"gpt": [1, 2, 3], "llama": [1, 2, 3]}
    found = entries(people, judges, spec, Context(systems={"item-1": "a"}))
    for each in (*found["judges"], *found["ensembles"]):
        for name in ("spearman", "kendall_tau_b", "pearson"):
            assert each[name]["reason_code"] == code
    judge = found["judges"][0]
    assert judge["alt_test"]["reason_code"] == judge["bias"]["severity"]["reason_code"] == code
    assert found["human_ceiling"]["reason_code"] == code
    assert (judge["n_items"], judge["confusion"], judge["by_annotators"], found["judge_pairs"]) == (0, None, [], [])


def test_in_a_crowd_too_wide_judges_are_still_held_against_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    source = np.random.default_rng(1)
    people: dict[str, Row] = {
        f"p{number}": row for number, row in enumerate(source.integers(1, 6, (8, 30)).astype(float).tolist())
    }
    judges: dict[str, Row] = {name: source.integers(1, 6, 30).astype(float).tolist() for name in ("gpt", "llama")}
    whole = entries(people, judges)
    monkeypatch.setattr("annotator_ops.stats.judges.scores.MOST_CELLS", 100)
    wide = entries(people, judges)
    for one, other in zip([*whole["judges"], *whole["ensembles"]], [*wide["judges"], *wide["ensembles"]], strict=True):
        assert one["spearman"] == other["spearman"]
        assert other["alt_test"]["reason_code"] == "too-many-cells"
        assert other["by_annotators"] == []
        assert one["by_annotators"] != []
    assert wide["human_ceiling"]["reason_code"] == "too-many-cells"
    assert wide["judges"][0]["bias"]["severity"]["value"] == pytest.approx(
        whole["judges"][0]["bias"]["severity"]["value"], abs=1e-12
    )
    assert [pair["p_value"] for pair in wide["judge_pairs"]] == [pair["p_value"] for pair in whole["judge_pairs"]]


def test_repeated_items_do_not_count_twice() -> None:
    table = replace(table_of(PEOPLE, JUDGES), repeats={"item-6": "item-1"})
    found = scores_on(table, NUMBERS)
    assert isinstance(found, Scores)
    assert found.items == tuple(f"item-{number}" for number in range(1, 6))


def test_items_without_a_system_are_in_no_system() -> None:
    found = entries(PEOPLE, JUDGES, context=Context(systems={"item-1": "a", "item-2": "b"}))
    assert found["judges"][0]["systems"]["reason_code"] == "too-few-systems"


def test_an_ensemble_without_scores_keeps_its_shape() -> None:
    judging = Judging(ensembles=(Ensemble("odd", ("gpt", "nobody")), Ensemble("both", ("gpt", "llama"), "median")))
    first, odd, both = entries(PEOPLE, JUDGES, context=Context(judging=judging))["ensembles"]
    assert odd["spearman"]["reason_code"] == "unknown-judge"
    assert (odd["alt_test"], odd["systems"], odd["by_annotators"], odd["n_items"]) == (None, None, [], 0)
    assert odd.keys() == first.keys() == both.keys()
    # The median of two is their mean.
    assert both["spearman"] == first["spearman"]


def test_people_who_rated_some_items_and_judges_all() -> None:
    source = np.random.default_rng(2)
    truth = np.clip(np.round(source.normal(3, 1, 200)), 1, 5)
    judge = np.clip(truth + source.integers(-1, 2, 200), 1, 5).tolist()
    people: list[float | None] = [value if number < 60 else None for number, value in enumerate(truth.tolist())]
    undeclared = entries({"anna": people}, {"gpt": judge})["few_labels"]
    declared = entries({"anna": people}, {"gpt": judge}, context=Context(judging=Judging(random_sample=True)))
    assert (undeclared["n_labelled"], undeclared["n_unlabelled"], undeclared["judges"]) == (60, 140, [])
    assert undeclared["reason_code"] == "sample-undeclared"
    (own,) = declared["few_labels"]["judges"]
    assert own["people_only"]["value"] == pytest.approx(truth[:60].mean())
    assert own["combined"]["value"] is not None


@pytest.mark.parametrize("criterion", ["coherence", "fluency"])
def test_summeval_beside_scipy(shared_data: Callable[[str], Path], criterion: str) -> None:
    """The judges, their mean, the ceiling and the curve of the experts, each computed by scipy as well."""
    files = (
        read_table(shared_data("summeval/ratings-experts.csv"), "human"),
        read_table(shared_data("summeval/judges.csv"), "judge"),
    )
    table = joined(files).of(criterion)
    found = judge_entries(table.people(), table.models(), NUMBERS, context=Context(), resampling=QUICK)
    scores = scores_on(table, NUMBERS)
    assert isinstance(scores, Scores)
    experts, judges = scores.human, scores.judge
    assert (experts.shape, judges.shape) == ((3, 1200), (2, 1200))
    mean = experts.mean(axis=0)
    oracles: dict[str, Callable[..., Any]] = {
        "spearman": stats.spearmanr,
        "kendall_tau_b": stats.kendalltau,
        "pearson": stats.pearsonr,
    }
    for name, oracle in oracles.items():
        for entry, own in zip([*found["judges"], *found["ensembles"]], [*judges, judges.mean(axis=0)], strict=True):
            assert entry[name]["value"] == pytest.approx(oracle(mean, own)[0], abs=1e-12)
        ceiling = [oracle(own, np.delete(experts, row, axis=0).mean(axis=0))[0] for row, own in enumerate(experts)]
        assert [one[name]["value"] for one in found["human_ceiling"]["annotators"]] == pytest.approx(ceiling, abs=1e-12)
        assert found["human_ceiling"]["mean"][name]["value"] == pytest.approx(np.mean(ceiling), abs=1e-12)
    single = [stats.spearmanr(own, judges[0])[0] for own in experts]
    first = found["judges"][0]["by_annotators"][0]
    assert (first["spearman"], first["low"], first["high"]) == pytest.approx(
        (np.mean(single), min(single), max(single)), abs=1e-12
    )
    assert found["judges"][0]["by_annotators"][-1]["spearman"] == pytest.approx(
        found["judges"][0]["spearman"]["value"], abs=1e-12
    )
