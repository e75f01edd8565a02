"""The whole analysis: SummEval to four digits, the keys that others rely on, missing data, judges, odd criteria."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from annotator_ops.judge_settings import Judging
from annotator_ops.measures import Rating, Value
from annotator_ops.models import JSONDict, Level, RaterKind
from annotator_ops.ratings import read_ratings
from annotator_ops.stats.analysis import Analysis, Provenance, analyze
from annotator_ops.stats.context import Context
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.levels import CriterionSpec, infer
from annotator_ops.stats.values import ValueKind, natural_key

WHEN = datetime(2026, 1, 31, 12, tzinfo=UTC)
PROVENANCE = Provenance(study="pilot", title="Pilot", created_at=WHEN, versions={"python": "3.11"})
QUICK = Resampling(resamples=50)


def rating(
    rater: str, item: str, value: Value | None, *, criterion: str = "fluency", kind: RaterKind = "human"
) -> Rating:
    return Rating(rater, kind, item, criterion, value, reason=None if value is not None else "skipped")


def analysed(
    ratings: Sequence[Rating],
    *specs: CriterionSpec,
    resampling: Resampling = QUICK,
    context: Context | None = None,
) -> JSONDict:
    return analyze(ratings, specs, provenance=PROVENANCE, resampling=resampling, context=context).as_json()


def ordinal(name: str, *scale: float) -> CriterionSpec:
    return CriterionSpec(name, ValueKind.NUMBERS, Level.ORDINAL, "Declared.", name.title(), scale=scale)


def grid(rows: dict[str, list[float | None]], *, criterion: str = "fluency", kind: RaterKind = "human") -> list[Rating]:
    return [
        rating(rater, f"item-{number}", value, criterion=criterion, kind=kind)
        for rater, values in rows.items()
        for number, value in enumerate(values, start=1)
    ]


def test_summeval_to_four_digits(shared_data: Callable[[str], Path]) -> None:
    ratings = [
        *read_ratings(shared_data("summeval/ratings-experts.csv"), "human"),
        *read_ratings(shared_data("summeval/judges.csv"), "judge"),
    ]
    names = ("coherence", "consistency", "fluency", "relevance")
    found = analysed(ratings, *(ordinal(name, 1, 2, 3, 4, 5) for name in names))
    table = {
        "coherence": (0.5744, 0.4436, 0.4478, 0.5345),
        "consistency": (0.8146, 0.4233, 0.5565, 0.4748),
        "fluency": (0.6123, 0.2849, 0.4980, 0.4110),
        "relevance": (0.4473, 0.4479, 0.4271, 0.4915),
        "overall": (0.6729, 0.6050, 0.6117, 0.6598),
    }
    for entry in (*found["criteria"], found["overall"]):
        values = [
            entry["agreement"]["krippendorff_alpha"]["value"],
            *(judge["spearman"]["value"] for judge in entry["judges"]),
            *(ensemble["spearman"]["value"] for ensemble in entry["ensembles"]),
        ]
        assert values == pytest.approx(table[entry["name"]], abs=5e-5), entry["name"]
    assert found["overall"]["derived"]["from"] == list(names)
    assert found["overall"]["title"] == "Mean of the four criteria"


def test_the_keys_that_others_rely_on() -> None:
    ratings = grid({"anna": [1, 2, 3, 4, 5], "boris": [1, 2, 3, 4, 4]})
    ratings += grid({"gpt": [1, 2, 2, 4, 5], "llama": [2, 1, 3, 5, 4]}, kind="judge")
    found = analysed(ratings, ordinal("fluency"))
    assert found["schema"] == "annotator-ops/analysis@3"
    header = {"study", "created_at", "versions", "inputs_hash", "simulated", "seed", "criteria", "overall", "findings"}
    assert header <= found.keys()
    (criterion,) = found["criteria"]
    keys = {"name", "title", "level", "n_items", "n_raters", "distribution", "missing", "agreement", "pairs", "raters"}
    judged = {"judges", "ensembles", "human_ceiling", "judge_pairs", "drift", "few_labels"}
    assert keys | judged <= criterion.keys()
    assert found["judging"] == {"epsilon": 0.15, "agrees_within": None, "weights": {}, "random_sample": False}
    assert found["leaderboard"] is None
    estimate = {"value", "low", "high", "confidence", "method", "reason"}
    assert estimate <= criterion["agreement"]["krippendorff_alpha"].keys()
    assert estimate <= criterion["agreement"]["percent_agreement"].keys()
    (pair,) = criterion["pairs"]
    assert pair["raters"] == ["anna", "boris"]
    assert pair["n_items"] == 5
    assert {"rater", "n", "mean", "sd", "median_seconds"} <= criterion["raters"][0].keys()
    assert [judge["rater"] for judge in criterion["judges"]] == ["gpt", "llama"]
    assert estimate <= criterion["judges"][0]["spearman"].keys()
    assert estimate <= criterion["ensembles"][0]["spearman"].keys()
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_order_of_the_rows_changes_nothing() -> None:
    ratings = grid({"anna": [1, 2, 3, None, 5], "boris": [1, 2, 3, 4, 4]}) + grid(
        {"gpt": [1, 2, 2, 4, 5]}, kind="judge"
    )
    shuffled = random.Random(3).sample(ratings, len(ratings))
    assert analysed(ratings, ordinal("fluency")) == analysed(shuffled, ordinal("fluency"))
    other = [replace(ratings[0], value=2.0), *ratings[1:]]
    assert analysed(other, ordinal("fluency"))["inputs_hash"] != analysed(ratings, ordinal("fluency"))["inputs_hash"]


def test_missing_is_missing_and_counted_by_reason() -> None:
    ratings = grid({"anna": [1, None, 3], "boris": [1, 2, 3]})
    ratings.append(rating("boris", "item-4", 5.0))
    (criterion,) = analysed(ratings, ordinal("fluency"))["criteria"]
    assert criterion["missing"] == {"not-rated": 1, "skipped": 1}
    anna, boris = criterion["raters"]
    assert (anna["n"], anna["mean"], anna["missing"]) == (2, 2.0, {"not-rated": 1, "skipped": 1})
    assert (boris["n"], boris["missing"]) == (4, {})
    assert criterion["agreement"]["krippendorff_alpha"]["n_items"] == 2


def test_items_that_a_judge_lacks_leave_the_ensemble_and_are_counted() -> None:
    ratings = grid({"anna": [1, 2, 3, 4, 5], "boris": [1, 2, 3, 4, 5]})
    ratings += grid({"gpt": [1, 2, 3, 5, 4], "llama": [2, None, 3, 4, 5]}, kind="judge")
    (criterion,) = analysed(ratings, ordinal("fluency"))["criteria"]
    assert [judge["n_items"] for judge in criterion["judges"]] == [5, 4]
    (ensemble,) = criterion["ensembles"]
    assert (ensemble["n_items"], ensemble["n_items_dropped"]) == (4, 1)
    assert ensemble["spearman"]["value"] == pytest.approx(0.9486832980505138)  # ranks 1 2 3.5 3.5 against 1 2 3 4


def test_one_judge_is_no_ensemble() -> None:
    ratings = grid({"anna": [1, 2, 3], "boris": [1, 2, 3]}) + grid({"gpt": [1, 2, 3]}, kind="judge")
    (criterion,) = analysed(ratings, ordinal("fluency"))["criteria"]
    assert criterion["judges"][0]["spearman"]["value"] == 1
    assert criterion["ensembles"][0]["spearman"]["reason_code"] == "one-judge"


def test_labels_have_no_rank_correlation_and_sets_are_compared_whole() -> None:
    ratings = [
        rating("anna", "1", ("b", "a")),
        rating("boris", "1", ("a", "b")),
        rating("anna", "2", ("a",)),
        rating("boris", "2", "a"),
        rating("anna", "3", ("a",)),
        rating("boris", "3", ("a", "b")),
        rating("gpt", "1", ("a", "b"), kind="judge"),
    ]
    spec = infer("fluency", [entry.value for entry in ratings if entry.value is not None])
    assert (spec.kind, spec.level) == (ValueKind.LABEL_SETS, Level.NOMINAL)
    (criterion,) = analysed(ratings, spec)["criteria"]
    assert criterion["agreement"]["percent_agreement"]["value"] == pytest.approx(2 / 3)
    assert criterion["distribution"]["values"] == [["a"], ["a", "b"]]
    assert criterion["distribution"]["counts"] == [3, 3]
    assert criterion["judges"][0]["spearman"]["reason_code"] == "no-order"


def test_regions_and_texts_have_no_alpha() -> None:
    region = {"start": 1, "end": 4, "labels": ["person"]}
    spans = [
        rating("anna", "1", (region, region), criterion="spans"),
        rating("boris", "1", (region,), criterion="spans"),
        rating("anna", "1", "The second turn is off, and she repeats herself.", criterion="comment"),
        rating("boris", "1", None, criterion="comment"),
    ]
    specs = [
        infer("spans", [(region,)]),
        CriterionSpec("comment", ValueKind.TEXT, None, "Free text."),
    ]
    regions, comments = analysed(spans, *specs)["criteria"]
    assert regions["agreement"]["krippendorff_alpha"]["reason_code"] == "not-comparable"
    assert regions["regions"] == {"person": 3}
    assert comments["distribution"] is None
    assert [text["rater"] for text in comments["texts"]] == ["anna"]


def test_a_rater_twice_on_an_item_is_no_number() -> None:
    ratings = [*grid({"anna": [1, 2, 3], "boris": [1, 2, 3]}), rating("anna", "item-1", 5.0)]
    (criterion,) = analysed(ratings, ordinal("fluency"))["criteria"]
    alpha = criterion["agreement"]["krippendorff_alpha"]
    assert (alpha["value"], alpha["reason_code"]) == (None, "rated-twice")
    assert "anna rated item item-1 more than once" in alpha["reason"]


def test_words_at_an_ordinal_level_are_no_number() -> None:
    ratings = [*grid({"anna": [1, 2, 3], "boris": [1, 2, 3]}), rating("carla", "item-1", "good")]
    ratings += grid({"gpt": [1, 2, 3]}, kind="judge")
    (criterion,) = analysed(ratings, ordinal("fluency"))["criteria"]
    assert criterion["agreement"]["krippendorff_alpha"]["reason_code"] == "not-numeric"
    assert "'good'" in criterion["agreement"]["krippendorff_alpha"]["reason"]
    assert criterion["judges"][0]["spearman"]["reason_code"] == "not-numeric"


def test_no_mean_over_criteria_on_different_scales() -> None:
    ratings = grid({"anna": [1, 2, 5], "boris": [1, 2, 4]}) + grid({"anna": [0, 100, 50]}, criterion="quality")
    found = analysed(ratings, ordinal("fluency"), ordinal("quality"))
    assert found["overall"] is None
    assert found["notes"][-1] == (
        "No mean over the criteria, because they are not on one scale: Fluency 1–5, Quality 0–100."
    )


def test_an_incomplete_set_of_criteria_has_no_mean() -> None:
    ratings = grid({"anna": [1, 2, 5], "boris": [1, 2, 5]})
    ratings += grid({"anna": [5, 3, None], "boris": [5, 3, 1]}, criterion="quality")
    overall = analysed(ratings, ordinal("fluency", 1, 2, 3, 4, 5), ordinal("quality", 1, 2, 3, 4, 5))["overall"]
    anna, boris = overall["raters"]
    assert (anna["n"], anna["mean"], anna["missing"]) == (2, 2.75, {"incomplete": 1})
    assert boris["n"] == 3


def test_nothing_at_all_is_reasons_and_no_crash() -> None:
    found = analysed([], ordinal("fluency"))
    assert found["criteria"][0]["agreement"]["krippendorff_alpha"]["reason_code"] == "no-ratings"
    assert found["data"]["n_ratings"] == 0


def test_ratings_of_an_undeclared_criterion_are_named() -> None:
    found = analysed(grid({"anna": [1]}, criterion="mood"), ordinal("fluency"))
    assert found["notes"][-1] == "Not analysed, because no criterion has this name: mood."


@pytest.mark.parametrize(
    ("values", "kind", "level"),
    [
        ([1.0, 5.0, 3.0], ValueKind.NUMBERS, Level.ORDINAL),
        ([0.0, 100.0, 3.0], ValueKind.NUMBERS, Level.INTERVAL),
        ([1.5, 2.0], ValueKind.NUMBERS, Level.INTERVAL),
        (["yes", "no"], ValueKind.LABELS, Level.NOMINAL),
        (["yes", 1.0], ValueKind.LABELS, Level.NOMINAL),
        ([("a",), "b"], ValueKind.LABEL_SETS, Level.NOMINAL),
        ([f"This is remark number {n} of all that I have." for n in range(9)], ValueKind.TEXT, None),
        ([({"start": 1},)], ValueKind.REGIONS, None),
    ],
)
def test_a_level_is_inferred_by_a_rule_that_is_said(values: list[Value], kind: ValueKind, level: Level | None) -> None:
    spec = infer("x", values)
    assert (spec.kind, spec.level) == (kind, level)
    assert spec.why
    if level is not None:
        assert infer("x", values, level=Level.NOMINAL).level is Level.NOMINAL


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([3.0, 3.0], "Taken as ordinal: all values are 3."),
        ([2.5, 2.5], "Taken as interval: the values are all 2.5."),
        (
            [1.0, 2.0, 3.0, 4.0, "a", "b", "c", "d"],
            "4 of 8 values are no numbers: a, b, c and 1 more. The level is therefore taken as nominal.",
        ),
        ([1.0, "a", "b"], "Taken as nominal: the values are labels."),
        ([1.0, 2.0, "x" * 40], f"1 of 3 values is no number: {'x' * 40}. The level is therefore taken as nominal."),
    ],
)
def test_the_reason_for_a_level_reads_as_a_sentence(values: list[Value], why: str) -> None:
    spec = infer("x", values)
    assert spec.why == why
    assert spec.warning == (why if "no number" in why else "")


def test_sliders_are_put_in_bins_that_hold_everything() -> None:
    rows: dict[str, list[float | None]] = {rater: list(np.linspace(0, 100, 41)) for rater in ("anna", "boris")}
    spec = CriterionSpec("fluency", ValueKind.NUMBERS, Level.INTERVAL, "Declared.")
    distribution = analysed(grid(rows), spec)["criteria"][0]["distribution"]
    assert distribution["kind"] == "bins"
    assert (distribution["edges"][0], distribution["edges"][-1], sum(distribution["counts"])) == (0, 100, 82)
    assert sum(distribution["by_rater"]["anna"]) == 41


def test_names_are_sorted_as_people_count() -> None:
    names = ["r10", "r2", "anna", "r1b", "2", "10", "r02", "r99999999999999999999999"]
    expected = ["2", "10", "anna", "r1b", "r02", "r2", "r10", "r99999999999999999999999"]
    assert sorted(names, key=natural_key) == expected


def test_criteria_are_compared_by_how_much_is_agreed_on_them() -> None:
    random_ = np.random.default_rng(4)
    ratings = []
    for name, noise in (("fluency", 0.1), ("quality", 0.6)):
        truth = random_.integers(1, 6, 60)
        rows = {
            who: np.where(random_.random(60) < noise, random_.integers(1, 6, 60), truth).astype(float).tolist()
            for who in ("anna", "boris", "carla")
        }
        ratings += grid(rows, criterion=name)
    found = analysed(ratings, ordinal("fluency"), ordinal("quality"), resampling=Resampling(resamples=200))
    (difference,) = found["differences"]
    alphas = [entry["agreement"]["krippendorff_alpha"]["value"] for entry in found["criteria"]]
    assert difference["criteria"] == ["fluency", "quality"]
    assert difference["alpha_difference"]["value"] == pytest.approx(alphas[0] - alphas[1], abs=1e-12)
    assert difference["alpha_difference"]["low"] > 0.2


def test_hours_need_their_period_where_the_scale_does_not_tell() -> None:
    ratings = grid({"anna": [23.5, 0.5, 12, 6], "boris": [0.5, 23.5, 12.5, 6]}, criterion="hour")
    spec = CriterionSpec("hour", ValueKind.NUMBERS, Level.CIRCULAR, "Declared.")
    alpha = analysed(ratings, spec)["criteria"][0]["agreement"]["krippendorff_alpha"]
    assert (alpha["value"], alpha["reason_code"]) == (None, "no-period")
    (criterion,) = analysed(ratings, replace(spec, period=24.0))["criteria"]
    assert criterion["agreement"]["krippendorff_alpha"]["value"] > 0.9
    assert "period 24" in criterion["agreement"]["krippendorff_alpha"]["method"]
    assert criterion["raters"][0]["with_others"]["alpha_with_others"]["value"] > 0.9
    assert criterion["pairs"][0]["krippendorff_alpha"]["value"] > 0.9
    assert criterion["judges"] == []


def test_judges_have_no_rank_correlation_on_a_circle() -> None:
    ratings = grid({"anna": [1, 2, 3], "boris": [1, 2, 3]}) + grid({"gpt": [1, 2, 3]}, kind="judge")
    spec = CriterionSpec("fluency", ValueKind.NUMBERS, Level.CIRCULAR, "Declared.", period=24.0)
    (criterion,) = analysed(ratings, spec)["criteria"]
    assert criterion["judges"][0]["spearman"]["reason_code"] == "no-order"


def test_a_crowd_too_wide_for_memory_has_the_coefficients_that_ask_for_no_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random_ = np.random.default_rng(2)
    ratings = [
        rating(f"r{rater}", f"i{item}", float(np.clip(item % 5 + 1 + random_.integers(-1, 2), 1, 5)))
        for item in range(40)
        for rater in random_.choice(12, 2, replace=False)
    ]
    (whole,) = analysed(ratings, ordinal("fluency", 1, 2, 3, 4, 5))["criteria"]
    monkeypatch.setattr("annotator_ops.stats.criterion._MOST_CELLS", 10)
    (wide,) = analysed(ratings, ordinal("fluency", 1, 2, 3, 4, 5))["criteria"]
    names = {"krippendorff_alpha", "percent_agreement", "gwet_ac2", "fleiss_kappa", "brennan_prediger"}
    assert set(wide["agreement"]) == names | {"icc1", "icc1k"}
    for name in names:
        assert wide["agreement"][name]["value"] == pytest.approx(whole["agreement"][name]["value"], abs=1e-12), name
        assert wide["agreement"][name]["n_raters"] == whole["agreement"][name]["n_raters"] == 12
    assert wide["pairs"] == [] and "with_others" not in wide["raters"][0]
    assert [item["item"] for item in wide["items"]] == [item["item"] for item in whole["items"]]
    assert len(wide["items"][0]["answers"]) == 2
    (twice,) = analysed([*ratings, replace(ratings[0], value=5.0)], ordinal("fluency", 1, 2, 3, 4, 5))["criteria"]
    assert twice["agreement"]["krippendorff_alpha"]["reason_code"] == "rated-twice"


def test_sets_that_share_labels_are_less_disagreed_than_strangers() -> None:
    pairs = [(("a", "b"), ("a", "b")), (("a", "b"), ("a",)), (("a", "b"), ("c",)), (("c",), ("c",)), (("d",), ("d",))]
    ratings = [
        rating(who, f"i{n}", value)
        for n, pair in enumerate(pairs)
        for who, value in zip(("anna", "boris"), pair, strict=True)
    ]
    spec = CriterionSpec("fluency", ValueKind.LABEL_SETS, Level.NOMINAL, "Declared.")
    (criterion,) = analysed(ratings, spec)["criteria"]
    assert [item["item"] for item in criterion["items"]] == ["i2", "i1"]
    assert criterion["items"][0]["disagreement"] > criterion["items"][1]["disagreement"] > 0
    assert criterion["confusions"][0]["categories"] == [["a", "b"], ["c"]]
    assert criterion["agreement"]["alpha_masi"]["value"] > criterion["agreement"]["krippendorff_alpha"]["value"]
    assert set(criterion["by_label"]) == {"a", "b", "c", "d"}


def test_of_very_many_labels_the_most_frequent_are_listed() -> None:
    ratings = [rating(who, f"i{n}", f"label {n % 250}") for n in range(400) for who in ("anna", "boris")]
    spec = CriterionSpec("fluency", ValueKind.LABELS, Level.NOMINAL, "Declared.")
    (criterion,) = analysed(ratings, spec)["criteria"]
    distribution = criterion["distribution"]
    assert len(distribution["values"]) == len(distribution["counts"]) == 100
    assert distribution["others"] == {"values": 150, "ratings": 800 - sum(distribution["counts"])}
    assert min(distribution["counts"]) == 4  # labels 0 to 149 were given to two items each
    assert criterion["categories"] == [] and criterion["confusions"] == []
    assert criterion["agreement"]["krippendorff_alpha"]["value"] == 1


def test_where_two_things_are_compared_the_sides_are_looked_at() -> None:
    ratings = [rating(who, f"i{n}", "left" if n % 4 else "right") for n in range(40) for who in ("anna", "boris")]
    spec = CriterionSpec("fluency", ValueKind.LABELS, Level.NOMINAL, "Declared.", sides=("left", "right"))
    (criterion,) = analysed(ratings, spec)["criteria"]
    assert criterion["sides"]["left"]["value"] == 0.75
    assert criterion["sides"]["p_value"] < 0.001


def test_regions_texts_and_rankings_have_measures_of_their_own() -> None:
    marks = [({"type": "labels", "start": n, "end": n + 5, "labels": ["person"]},) for n in range(6)]
    spans = [rating(who, str(n), mark, criterion="spans") for n, mark in enumerate(marks) for who in ("anna", "boris")]
    texts = [rating(who, str(n), f"Text {n} of {who}", criterion="text") for n in range(6) for who in ("anna", "boris")]
    orders = [rating(who, str(n), ("a", "b", "c"), criterion="order") for n in range(6) for who in ("anna", "boris")]
    specs = [
        CriterionSpec("spans", ValueKind.REGIONS, None, "Marked."),
        CriterionSpec("text", ValueKind.TEXT, None, "Written."),
        CriterionSpec("order", ValueKind.RANKINGS, None, "Ranked."),
        CriterionSpec("remark", ValueKind.TEXT, None, "Shown.", compared=False),
    ]
    found = analysed([*spans, *texts, *orders], *specs)["criteria"]
    regions, written, ranked, remark = found
    assert regions["agreement"]["f1_iou_50"]["value"] == 1
    assert regions["by_label"]["person"]["f1_iou_50"]["value"] == 1
    assert regions["mark_pairs"][0]["raters"] == ["anna", "boris"]
    assert 0 < written["agreement"]["chrf"]["value"] < 1
    assert written["items"][0]["answers"].keys() == {"anna", "boris"}
    assert ranked["agreement"]["kendall_w"]["value"] == 1
    assert remark["agreement"].keys() == {"krippendorff_alpha", "percent_agreement"}


def test_systems_have_a_leaderboard_with_judges_and_without() -> None:
    people = grid({"anna": [1, 2, 3, 4, 5, 5], "boris": [1, 3, 3, 4, 4, 5]})
    judges = grid({"gpt": [2, 2, 3, 5, 4, 5]}, kind="judge")
    systems = {f"item-{number}": "old" if number < 4 else "new" for number in range(1, 7)}
    for ratings, kinds in ((people, ["human"]), ([*people, *judges], ["human", "judge"])):
        found = analysed(ratings, ordinal("fluency"), context=Context(systems=systems))["leaderboard"]
        assert found["kinds"] == kinds
        by_name = {each["system"]: each["human"]["means"] for each in found["systems"]}
        assert by_name == {"old": [pytest.approx(13 / 6)], "new": [pytest.approx(4.5)]}
    assert analysed(people, ordinal("fluency"))["leaderboard"] is None


def test_how_judges_were_measured_is_said() -> None:
    ratings = grid({"anna": [1, 2, 3], "boris": [1, 2, 3]}) + grid({"gpt": [1, 2, 3]}, kind="judge")
    judging = Judging(epsilon=0.2, agrees_within=1.0, weights={"fluency": 2.0}, random_sample=True)
    found = analysed(ratings, ordinal("fluency"), context=Context(judging=judging))
    assert found["judging"] == {
        "epsilon": 0.2, "agrees_within": 1.0, "weights": {"fluency": 2.0}, "random_sample": True,
    }  # fmt: skip
    assert found["criteria"][0]["judges"][0]["alt_test"]["epsilon"] == 0.2


def test_eight_judges_take_seconds() -> None:
    """1,200 items × 4 annotators and 8 judges × 4 criteria with systems, whole; generous, as test machines are slow."""
    source = np.random.default_rng(1)
    ratings = []
    for criterion in ("a", "b", "c", "d"):
        truth = source.normal(3, 1, 1200)
        kinds: tuple[tuple[RaterKind, int], ...] = (("human", 4), ("judge", 8))
        for kind, n in kinds:
            rows = np.clip(np.round(truth + source.normal(0, 0.8, (n, 1200))), 1, 5).tolist()
            ratings += grid({f"{kind}-{n}": row for n, row in enumerate(rows)}, criterion=criterion, kind=kind)
    context = Context(
        systems={f"item-{number}": f"system-{number % 12}" for number in range(1, 1201)},
        sizes={f"item-{number}": float(number % 97) for number in range(1, 1201)},
    )
    started = time.monotonic()
    specs = [ordinal(name, 1, 2, 3, 4, 5) for name in "abcd"]
    found = analysed(ratings, *specs, resampling=Resampling(), context=context)
    assert time.monotonic() - started < 90
    assert len(found["overall"]["judge_pairs"]) == 28


def test_a_large_study_takes_seconds() -> None:
    """1,200 items × 8 raters × 4 criteria with all intervals; generous, because test machines are slow."""
    source = np.random.default_rng(0)
    ratings = []
    for criterion in ("a", "b", "c", "d"):
        table = np.clip(source.integers(1, 6, 1200) + source.integers(-1, 2, (8, 1200)), 1, 5).astype(float)
        ratings += grid({f"r{n}": row.tolist() for n, row in enumerate(table)}, criterion=criterion)
    started = time.monotonic()
    found: Analysis = analyze(ratings, [ordinal(name) for name in "abcd"], provenance=PROVENANCE)
    assert time.monotonic() - started < 20
    assert found.overall is not None
