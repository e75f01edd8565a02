"""`ops judge calibrate` and `ops judge apply`: the published example through files, then what they write and refuse."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from annotator_ops import study as study_file
from annotator_ops.errors import OpsError
from annotator_ops.judging.calibrating import Wanted
from annotator_ops.judging.calibration import SCHEMA, read_calibration
from annotator_ops.judging.failures import Reply
from annotator_ops.judging.requests import JudgeRequest
from annotator_ops.measures import Rating
from annotator_ops.models import Level, StepResult
from annotator_ops.ratings import read_judge_table
from annotator_ops.reporting.source import Tables
from annotator_ops.results import Parsed, reading_hash
from annotator_ops.steps.judge_apply import Applied, apply_files, apply_study
from annotator_ops.steps.judge_calibrate import calibrate_files, calibrate_study
from annotator_ops.steps.validate import validate
from annotator_ops.store.database import Store
from annotator_ops.task_files import read_tasks
from tests.judging.calibrated import NOW, Sample, collected, read_json, sample, study_of
from tests.study.making import jsonl, make

WITHIN = Wanted(within=1.0)


@pytest.fixture(scope="module")
def given() -> Sample:
    return sample()


@pytest.fixture
def tables(given: Sample, tmp_path: Path) -> Tables:
    items = tmp_path / "tasks.jsonl"
    items.write_text(jsonl(given.tasks()))
    people, judges = given.people_csv(tmp_path / "people.csv"), given.judges_csv(tmp_path / "judges.csv")
    return Tables((people,), (judges,), items=items)


def calibrated(tables: Tables, target: Path, wanted: Wanted = WITHIN) -> StepResult:
    return calibrate_files(tables, target, wanted, created_at=NOW)


def applied(tables: Tables, folder: Path, *, again: bool = False) -> StepResult:
    wanted = Applied(folder / "calibration.json", folder / "judged.csv", folder / "needs-people.jsonl", again)
    return apply_files(tables, wanted, created_at=NOW)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def refused(run: Callable[[], object], code: str, *words: str) -> None:
    with pytest.raises(OpsError) as caught:
        run()
    assert caught.value.code == code
    said = f"{caught.value.message} {caught.value.hint}"
    for word in words:
        assert word in said
    assert caught.value.hint


# --- calibrate -------------------------------------------------------------------------------------------------------


def test_the_published_example_through_files(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    judges = ("mistral-7b-instruct", "gpt-3.5-turbo", "gpt-4-turbo")
    pairs = list(csv.DictReader(shared_data("trust-or-escalate/calibration.csv").read_text().splitlines()))
    people, scores = tmp_path / "people.csv", tmp_path / "judges.csv"
    people.write_text(
        "rater,item,criterion,value\n" + "".join(f"p,{row['item']},best,{row['human']}\n" for row in pairs)
    )
    lines = ["judge,item,criterion,value,confidence"]
    for judge in judges:
        for row in pairs:
            first, second = float(row[f"{judge}:p1"]), float(row[f"{judge}:p2"])
            lines.append(f"{judge},{row['item']},best,{1 if first > second else 2},{max(first, second)!r}")
    scores.write_text("\n".join(lines) + "\n")
    tables = Tables((people,), (scores,), {"best": Level.NOMINAL})
    found = calibrated(tables, tmp_path / "c.json", Wanted(alpha=0.15, split=False, held_out=0.0)).data
    assert [judge["judge"] for judge in found["judges"]] == list(judges)  # in file order
    values = [judge["threshold"] for judge in found["judges"]]
    assert [value and round(value, 4) for value in values] == [None, 0.7928, None]
    assert found["calibration"]["coverage"]["value"] == pytest.approx(0.550)
    assert found["calibration"]["agreement"]["value"] == pytest.approx(0.880)
    assert found["held_out"]["agreement"]["reason_code"] == "no-items"


def test_what_is_written(tables: Tables, tmp_path: Path) -> None:
    target = tmp_path / "out" / "calibration.json"
    result = calibrated(tables, target)
    written = read_json(target)
    assert written == {key: value for key, value in result.data.items() if key != "path"}
    assert set(written) == {
        "schema", "created_at", "study", "simulated", "random_sample", "criterion", "level", "alpha", "delta", "split",
        "grid", "agreement", "judges", "n_items", "n_tied", "held_out_share", "seed", "calibration", "held_out", "cost",
        "hash", "sources", "versions", "checksum",
    }  # fmt: skip
    assert set(written["judges"][0]) == {
        "judge", "threshold", "model", "prompt", "delta", "n_reached", "n_confident", "n_trusted", "disagreements",
        "upper_bound", "asked", "price", "reason", "reason_code",
    }  # fmt: skip
    assert written["schema"] == SCHEMA
    assert written["agreement"] == {"rule": "within", "within": 1.0}
    assert (written["calibration"]["n_items"], written["held_out"]["n_items"]) == (210, 90)
    assert [judge["delta"] for judge in written["judges"]] == [0.05, 0.05]
    first, second = written["judges"]
    assert (first["model"], first["prompt"]) == ("cheap-model", "p1")
    assert first["n_reached"] == 210
    assert second["n_reached"] == 210 - first["n_trusted"]
    assert 0 < first["n_trusted"] < 210 and second["n_trusted"] > 0
    assert first["asked"] == 1.0 > second["asked"] > 0
    for part in ("calibration", "held_out"):
        assert written[part]["agreement"]["value"] >= 0.9
        assert written[part]["agreement"]["low"] is not None
    assert read_calibration(target).thresholds == (first["threshold"], second["threshold"])
    # Said once more in words.
    assert [outcome.state for outcome in result.outcomes] == ["ok"] * 5
    assert any("at least 90% of items like those of the calibration" in note for note in result.notes)
    (holds,) = (note for note in result.notes if "only if those that people rated are a random sample" in note)
    assert "study.yaml" not in holds, "there is no study"


def test_the_split_is_the_same_for_the_same_seed_whatever_the_order_of_rows(
    given: Sample, tables: Tables, tmp_path: Path
) -> None:
    one = calibrated(tables, tmp_path / "one.json").data
    turned = replace(given, people=given.people[::-1], judges=given.judges[::-1])
    people, judges = turned.people_csv(tmp_path / "people2.csv"), turned.judges_csv(tmp_path / "judges2.csv")
    wanted = replace(WITHIN, judges=("cheap", "dear"))
    other = calibrated(Tables((people,), (judges,)), tmp_path / "two.json", wanted).data
    same = ("judges", "calibration", "held_out", "hash")
    assert [one[key] for key in same] == [other[key] for key in same]
    third = calibrated(tables, tmp_path / "three.json", replace(WITHIN, seed=1)).data
    assert third["calibration"] != one["calibration"]
    assert third["hash"] == one["hash"]


def test_judges_come_in_the_order_that_is_asked_for(tables: Tables, tmp_path: Path) -> None:
    wanted = replace(WITHIN, judges=("dear", "cheap", "dear"))
    found = calibrated(tables, tmp_path / "c.json", wanted).data
    assert [judge["judge"] for judge in found["judges"]] == ["dear", "cheap"]
    alone = calibrated(tables, tmp_path / "c.json", replace(WITHIN, judges=("dear",))).data
    assert alone["judges"][0]["delta"] == 0.1
    refused(
        lambda: calibrated(tables, tmp_path / "c.json", replace(WITHIN, judges=("deer",))),
        "unknown-judge", "deer", "cheap, dear",
    )  # fmt: skip


def test_ties_of_people_take_no_part_where_the_majority_counts(tmp_path: Path) -> None:
    people, judges = tmp_path / "people.csv", tmp_path / "judges.csv"
    lines, scores = ["rater,item,criterion,value"], ["rater,item,criterion,value,confidence"]
    for item in range(100):
        second = "no" if item < 20 else "yes"
        lines += [f"anna,{item},ok,yes", f"boris,{item},ok,{second}"]
        scores.append(f"gpt,{item},ok,{'yes' if item != 99 else 'no'},0.9")
    people.write_text("\n".join(lines) + "\n")
    judges.write_text("\n".join(scores) + "\n")
    result = calibrated(Tables((people,), (judges,)), tmp_path / "c.json", Wanted(held_out=0.0))
    assert (result.data["n_items"], result.data["n_tied"]) == (80, 20)
    assert result.data["agreement"] == {"rule": "majority", "within": None}
    (judge,) = result.data["judges"]
    assert (judge["n_trusted"], judge["disagreements"]) == (80, 1)
    assert any("20 items on which people are split evenly" in note for note in result.notes)


def test_agreement_on_scores_has_to_be_declared(tables: Tables, tmp_path: Path) -> None:
    target = tmp_path / "c.json"
    refused(lambda: calibrated(tables, target, Wanted()), "agreement-undeclared", "agrees_within: 1", "--within 1")
    assert not target.exists()
    exact = calibrated(tables, target, Wanted(within=0.4)).data
    assert exact["judges"][0]["n_trusted"] <= calibrated(tables, target).data["judges"][0]["n_trusted"]


def test_a_judge_that_never_says_how_sure_it_is(tables: Tables, tmp_path: Path) -> None:
    judges = tmp_path / "unsure.csv"
    lines = tables.judges[0].read_text().splitlines()
    judges.write_text("\n".join([lines[0], *(line.replace(line.split(",")[4], "") for line in lines[1:])]) + "\n")
    refused(
        lambda: calibrated(replace(tables, judges=(judges,)), tmp_path / "c.json"),
        "no-confidence", "cheap", "column `confidence`", "confidence: probability",
    )  # fmt: skip


def test_items_without_a_score_or_confidence_are_counted_and_abstained_on(tables: Tables, tmp_path: Path) -> None:
    judges = tmp_path / "gaps.csv"
    lines = tables.judges[0].read_text().splitlines()
    cells = [line.split(",") for line in lines[1:301]]
    for cell in cells[:30]:
        cell[4] = ""
    for cell in cells[30:50]:
        cell[3] = ""
    judges.write_text("\n".join([lines[0], *(",".join(cell) for cell in cells[:280])]) + "\n")
    gaps = replace(tables, judges=(judges,))
    result = calibrated(gaps, tmp_path / "calibration.json", replace(WITHIN, held_out=0.0, alpha=0.2))
    (judge,) = result.data["judges"]
    assert (judge["n_reached"], judge["n_confident"]) == (300, 230)
    assert "70 without a score or a confidence" in result.outcomes[0].message
    done = applied(gaps, tmp_path, again=True)
    left = {json.loads(line)["id"] for line in (tmp_path / "needs-people.jsonl").read_text().splitlines()}
    assert {f"i{number}" for number in (*range(50), *range(280, 300))} <= left
    assert done.data["n_judged"] + len(left) == 300


def test_when_no_judge_dares_everything_goes_to_people(tables: Tables, given: Sample, tmp_path: Path) -> None:
    result = calibrated(tables, tmp_path / "calibration.json", replace(WITHIN, alpha=0.001))
    assert [judge["threshold"] for judge in result.data["judges"]] == [None, None]
    assert [judge["reason_code"] for judge in result.data["judges"]] == ["first-fails"] * 2
    assert [outcome.state for outcome in result.outcomes] == ["warning", "warning", "skipped", "skipped", "ok"]
    assert result.exit_code == 0
    assert any("all items go to people" in note for note in result.notes)
    # The judges that nobody trusts need not even be there.
    done = applied(replace(tables, ratings=()), tmp_path)
    assert (done.data["n_judged"], done.data["n_people"]) == (0, 300)
    assert rows_of(tmp_path / "judged.csv") == []


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (Wanted(alpha=0.0), "bad-alpha"),
        (Wanted(alpha=1.0), "bad-alpha"),
        (Wanted(delta=-0.1), "bad-delta"),
        (Wanted(delta=float("nan")), "bad-delta"),
        (Wanted(held_out=1.0), "bad-held-out"),
        (Wanted(within=-1.0), "bad-within"),
        (Wanted(within=float("inf")), "bad-within"),
        (Wanted(criterion="starz", within=1.0), "unknown-criterion"),
    ],
)
def test_numbers_out_of_their_range_are_refused(tables: Tables, tmp_path: Path, wanted: Wanted, code: str) -> None:
    refused(lambda: calibrated(tables, tmp_path / "c.json", wanted), code)


def test_what_cannot_be_calibrated_says_why(tables: Tables, given: Sample, tmp_path: Path) -> None:
    target = tmp_path / "c.json"
    refused(lambda: calibrated(replace(tables, judges=()), target), "no-judges", "ops judge run")
    refused(lambda: calibrated(replace(tables, ratings=()), target), "no-people", "stars")
    more = given.judges_csv(tmp_path / "more.csv", criterion="length")
    several = replace(tables, judges=(*tables.judges, more))
    refused(lambda: calibrated(several, target), "which-criterion", "stars, length")
    assert calibrated(several, target, replace(WITHIN, criterion="stars")).data["criterion"] == "stars"
    refused(
        lambda: calibrated(replace(tables, levels={"stars": Level.CIRCULAR}, periods={"stars": 5.0}), target),
        "not-comparable", "directions",
    )  # fmt: skip


def test_judges_that_scored_none_of_what_people_rated(tables: Tables, given: Sample, tmp_path: Path) -> None:
    target = tmp_path / "c.json"
    others = replace(given, judges=tuple((judge, f"x{item}", value, sure) for judge, item, value, sure in given.judges))
    apart = replace(tables, judges=(others.judges_csv(tmp_path / "others.csv"),))
    refused(lambda: calibrated(apart, target), "no-common-items", "none of the 300 items", "people's is i0", "xi0")
    assert not target.exists()
    # One item in common is too little for a threshold, but it is one.
    mixed = replace(others, judges=(*others.judges, *given.judges[:1]))
    one = replace(tables, judges=(mixed.judges_csv(tmp_path / "one.csv"),))
    assert calibrated(one, target).data["judges"][0]["threshold"] is None


def test_what_a_study_that_asks_for_probabilities_is_told(given: Sample, tmp_path: Path) -> None:
    unsure = replace(given, judges=tuple(row for row in given.judges if row[0] == "cheap"))
    model = {"name": "cheap", "model": "c", "base_url": "http://localhost:9/v1"}
    path = study_of(tmp_path, unsure, {"judges": [{"file": "judges.csv"}, model | {"confidence": "probability"}]})
    scores = tmp_path / "judges.csv"
    header, *lines = scores.read_text().splitlines()
    rows = [line.split(",") for line in lines]
    scores.write_text("\n".join([header, *(",".join([*row[:4], "", *row[5:]]) for row in rows)]) + "\n")
    with collected(path, given, rated=given.items) as (study, store):
        with pytest.raises(OpsError) as caught:
            calibrate_study(study, store, tmp_path / "c.json", Wanted(), created_at=NOW)
        assert caught.value.code == "no-confidence"
        assert "its endpoint gave none" in caught.value.message
        assert "confidence: probability" not in caught.value.hint
        assert "confidence: simulated" in caught.value.hint
        none = replace(study, model_judges=tuple(replace(one, confidence="none") for one in study.model_judges))
        refused(
            lambda: calibrate_study(none, store, tmp_path / "c.json", Wanted(), created_at=NOW),
            "no-confidence", "`confidence: probability` or",
        )  # fmt: skip


def test_what_an_item_costs_by_the_tokens_that_were_taken(given: Sample, tmp_path: Path) -> None:
    models = [
        {"name": name, "model": f"{name}-model", "base_url": "http://localhost:9/v1", "price": price}
        for name, price in (("dear", {"input": 1000, "output": 3000}), ("cheap", {"input": 100, "output": 200}))
    ]
    path = study_of(tmp_path, given, {"judges": [{"file": "judges.csv"}, *models]})
    given.judges_csv(tmp_path / "judges.csv", only=given.items[10:])
    tokens = {"cheap": (50, 4), "dear": (200, 10)}
    with collected(path, given, rated=given.items) as (study, store):
        for model in study.model_judges:
            read, written = tokens[model.name]
            for item in given.items[:10]:
                for sample in (1, 2):
                    # An item takes what all simulated annotators take, whatever else was asked with another prompt.
                    request = JudgeRequest(model, item, None, sample, {}, "p1", f"{model.name} {item} {sample}")
                    content = {"usage": {"prompt_tokens": read, "completion_tokens": written}}
                    store.judgements.keep(request, Reply(json.dumps(content).encode(), content))
            earlier = JudgeRequest(model, "i0", None, None, {}, "p0", f"{model.name} earlier")
            usage = {"usage": {"prompt_tokens": 10**6, "completion_tokens": 10**6}}
            store.judgements.keep(earlier, Reply(json.dumps(usage).encode(), usage))
        names = ("cheap · p1", "dear · p1")
        found = calibrate_study(study, store, tmp_path / "c.json", Wanted(judges=names), created_at=NOW)
    cheap, dear = found.data["judges"]
    each = {"cheap": (2 * 50 * 100 + 2 * 4 * 200) / 1e6, "dear": (2 * 200 * 1000 + 2 * 10 * 3000) / 1e6}
    assert found.data["cost"]["per_item"] == pytest.approx(
        cheap["asked"] * each["cheap"] + dear["asked"] * each["dear"]
    )
    assert found.data["cost"]["per_item_of_dearest"] == pytest.approx(each["dear"])
    assert any(f"an item, of {each['dear']:.3g} when dear · p1 is asked about all" in note for note in found.notes)


def test_only_a_calibration_is_overwritten(tables: Tables, tmp_path: Path) -> None:
    target = tmp_path / "c.json"
    calibrated(tables, target)
    before = read_json(target)
    assert calibrated(tables, target, replace(WITHIN, seed=4)).data["seed"] == 4
    assert read_json(target) != before
    target.write_text('{"mine": 1}')
    refused(lambda: calibrated(tables, target), "would-overwrite")
    refused(lambda: calibrated(tables, tmp_path / "c.csv"), "wrong-suffix")
    assert target.read_text() == '{"mine": 1}'


# --- apply -----------------------------------------------------------------------------------------------------------


def test_judged_items_and_the_tasks_left_for_people(tables: Tables, given: Sample, tmp_path: Path) -> None:
    calibrated(tables, tmp_path / "calibration.json")
    result = applied(replace(tables, ratings=()), tmp_path)
    judged, left = rows_of(tmp_path / "judged.csv"), read_tasks(tmp_path / "needs-people.jsonl", where="left")
    assert list(judged[0]) == ["item", "criterion", "value", "rater", "kind", "confidence", "model", "prompt"]
    assert left.problems == []
    assert sorted([*(row["item"] for row in judged), *(task.id for task in left.tasks)]) == sorted(given.items)
    assert (result.data["n_judged"], result.data["n_people"]) == (len(judged), len(left.tasks))
    assert min(len(judged), len(left.tasks)) > 0
    # The data of a task are what they were.
    tasks = {task["id"]: task for task in given.tasks()}
    assert all(dict(task.data) == tasks[task.id] for task in left.tasks)
    # Each item went to the first judge that was sure enough, with that judge's own words.
    cheap, dear = read_calibration(tmp_path / "calibration.json").thresholds
    assert cheap is not None and dear is not None
    said = {(judge, item): (value, sure) for judge, item, value, sure in given.judges}
    chosen = {row["item"]: row for row in judged}
    for item in given.items:
        wanted = "cheap" if said["cheap", item][1] >= cheap else "dear" if said["dear", item][1] >= dear else None
        if wanted is None:
            assert item not in chosen
        else:
            row = chosen[item]
            assert (row["rater"], row["kind"], row["model"], row["prompt"]) == (
                wanted,
                "judge",
                f"{wanted}-model",
                "p1",
            )
            assert (float(row["value"]), float(row["confidence"])) == said[wanted, item]
    assert sum(judge["n_judged"] for judge in result.data["judges"]) == len(judged)


def test_the_table_of_judged_items_is_read_as_judges_scores(tables: Tables, tmp_path: Path) -> None:
    calibrated(tables, tmp_path / "calibration.json")
    result = applied(tables, tmp_path, again=True)
    table = read_judge_table(tmp_path / "judged.csv")
    assert (len(table), set(table.raters)) == (result.data["n_judged"], {"cheap", "dear"})
    assert table.rated.all() and (table.confidence > 0.5).all()
    for suffix in ("jsonl", "parquet"):
        target = tmp_path / f"judged.{suffix}"
        wanted = Applied(tmp_path / "calibration.json", target, tmp_path / "needs-people.jsonl", again=True)
        apply_files(tables, wanted, created_at=NOW)
        assert read_judge_table(target).content_hash() == table.content_hash()


def test_items_that_people_have_rated_are_said_and_left_out(given: Sample, tables: Tables, tmp_path: Path) -> None:
    calibrated(tables, tmp_path / "calibration.json")
    rated = given.items[:120]
    some = replace(tables, ratings=(given.people_csv(tmp_path / "some.csv", only=rated),))
    result = applied(some, tmp_path)
    left = {task.id for task in read_tasks(tmp_path / "needs-people.jsonl", where="").tasks}
    seen = left | {row["item"] for row in rows_of(tmp_path / "judged.csv")}
    assert seen == set(given.items[120:])
    assert result.data["n_rated"] == 120
    assert any("120 items that people have rated already are in neither file" in note for note in result.notes)
    (tmp_path / "needs-people.jsonl").unlink()
    again = applied(some, tmp_path, again=True)
    assert (again.data["n_items"], again.data["n_rated"]) == (300, 0)


def test_a_study_takes_the_tasks_as_they_are(given: Sample, tables: Tables, tmp_path: Path) -> None:
    """The loop closes: what is left for people is the task file of a valid study."""
    folder = tmp_path / "study"
    folder.mkdir()
    path = study_of(folder, given, {"judging": {"agrees_within": 1, "random_sample": True}})
    with collected(path, given, rated=given.items[:200]) as (study, store):
        made = calibrate_study(study, store, folder / "calibration.json", Wanted(), created_at=NOW)
        assert made.data["random_sample"] and not any("random sample" in note for note in made.notes)
        assert made.data["agreement"] == {"rule": "within", "within": 1.0}  # as the study says
        assert made.data["n_items"] == 200
        wanted = Applied(folder / "calibration.json", folder / "judged.csv", folder / "needs-people.jsonl")
        result = apply_study(study, store, wanted, created_at=NOW)
    assert result.data["n_rated"] == 200
    assert result.data["n_judged"] + result.data["n_people"] == 100
    assert result.data["n_people"] > 0
    path.write_text(path.read_text().replace("tasks: tasks.jsonl", "tasks: needs-people.jsonl"))
    checked = validate(path)
    assert checked.exit_code == 0, checked.as_json()
    assert checked.as_json()["ok"]
    with collected(path, given, rated=()) as (study, _):
        assert len(study.tasks) == result.data["n_people"]


def test_a_study_without_any_rating_yet_can_be_applied_to(given: Sample, tables: Tables, tmp_path: Path) -> None:
    calibrated(tables, tmp_path / "calibration.json")
    folder = tmp_path / "study"
    folder.mkdir()
    with collected(study_of(folder, given), given, rated=()) as (study, store):
        wanted = Applied(tmp_path / "calibration.json", folder / "judged.csv", folder / "needs-people.jsonl")
        result = apply_study(study, store, wanted, created_at=NOW)
        refused(lambda: calibrate_study(study, store, folder / "c.json", Wanted(), created_at=NOW), "nothing-collected")
    assert result.data["n_judged"] + result.data["n_people"] == 300


def test_the_order_and_the_cost_by_the_prices_of_a_study(given: Sample, tmp_path: Path) -> None:
    turned = replace(given, judges=tuple(sorted(given.judges, key=lambda row: row[0], reverse=True)))
    models = [
        {"name": "dear", "model": "d", "price": {"input": 10, "output": 30}},
        {"name": "cheap", "model": "c", "price": {"input": 1, "output": 2}},
    ]
    for model in models:
        model["base_url"] = "http://localhost:9/v1"
    path = study_of(tmp_path, turned, {"judges": [{"file": "judges.csv"}, *models]})
    with collected(path, turned, rated=turned.items) as (study, store):
        found = calibrate_study(study, store, tmp_path / "c.json", Wanted(), created_at=NOW)
        assert [judge["judge"] for judge in found.data["judges"]] == ["cheap", "dear"]
        dear = found.data["judges"][1]
        assert dear["price"] == {"input": 10.0, "output": 30.0}
        assert found.data["cost"] == {
            "of": "dear",
            "per_item": None,
            "per_item_of_dearest": None,
            "input": pytest.approx(1 / 10 + dear["asked"]),
            "output": pytest.approx(2 / 30 + dear["asked"]),
        }
        assert any("of asking dear on every item" in note for note in found.notes)
        unpriced = replace(study, model_judges=study.model_judges[:1])
        other = calibrate_study(unpriced, store, tmp_path / "c.json", Wanted(), created_at=NOW)
        assert [judge["judge"] for judge in other.data["judges"]] == ["dear", "cheap"]  # in file order
        assert other.data["cost"] is None


@pytest.mark.parametrize(
    ("prompt", "words"), [("p2", "prompt of cheap changed since the calibration"), ("", "no version")]
)
def test_a_calibration_is_of_one_version_of_a_judge(
    given: Sample, tables: Tables, tmp_path: Path, prompt: str, words: str
) -> None:
    calibrated(tables, tmp_path / "calibration.json")
    changed = given.judges_csv(tmp_path / "later.csv", prompt=prompt)
    if not prompt:
        changed.write_text(changed.read_text().replace("cheap-model", "").replace("dear-model", ""))
    refused(lambda: applied(replace(tables, judges=(changed,)), tmp_path), "judge-changed", words, "calibrate` again")
    assert not (tmp_path / "judged.csv").exists()


def test_of_several_versions_the_calibrated_one_counts(given: Sample, tables: Tables, tmp_path: Path) -> None:
    calibrated(tables, tmp_path / "calibration.json")
    alone = applied(tables, tmp_path, again=True).data
    before = rows_of(tmp_path / "judged.csv")
    # A later version said something else, and was surer.
    later = replace(given, judges=tuple((judge, item, 6 - value, 1.0) for judge, item, value, _ in given.judges))
    both = replace(tables, judges=(*tables.judges, later.judges_csv(tmp_path / "later.csv", prompt="p2")))
    found = applied(both, tmp_path, again=True).data
    assert rows_of(tmp_path / "judged.csv") == before
    assert (found["n_judged"], found["n_people"]) == (alone["n_judged"], alone["n_people"])


def test_what_was_not_calibrated_is_not_applied(given: Sample, tables: Tables, tmp_path: Path) -> None:
    calibrated(tables, tmp_path / "calibration.json")
    other = Tables((), (given.judges_csv(tmp_path / "other.csv", criterion="length"),), items=tables.items)
    refused(lambda: applied(other, tmp_path), "unknown-criterion", "stars", "length")
    renamed = replace(given, judges=tuple((f"{one[0]}er", one[1], one[2], one[3]) for one in given.judges))
    stranger = replace(tables, judges=(renamed.judges_csv(tmp_path / "renamed.csv"),))
    refused(lambda: applied(stranger, tmp_path), "unknown-judge", "cheap was calibrated", "cheaper")
    refused(lambda: applied(replace(tables, items=None), tmp_path), "no-items", "--items")


@pytest.mark.parametrize(
    "content",
    ["", "[1]", '{"schema": "annotator-ops/calibration@1"}', '{"schema": "annotator-ops/analysis@2"}', "{", "[" * 9999],
)
def test_a_file_that_is_no_calibration_is_refused(tables: Tables, tmp_path: Path, content: str) -> None:
    refused(lambda: applied(tables, tmp_path), "no-calibration", "ops judge calibrate")
    (tmp_path / "calibration.json").write_text(content)
    refused(lambda: applied(tables, tmp_path), "no-calibration", "ops judge calibrate")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["judges"][0].update(threshold=0.1),
        lambda content: content.update(alpha=0.01),
        lambda content: content.update(delta=0.5),
        lambda content: content["agreement"].update(within=3.0),
        lambda content: content["judges"].pop(),
        lambda content: content.pop("checksum"),
        lambda content: content.update(n_items=10_000),
    ],
)
def test_a_calibration_that_was_edited_is_refused(
    tables: Tables, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    calibrated(tables, tmp_path / "calibration.json")
    content = read_json(tmp_path / "calibration.json")
    # Written in another way, it is still the same.
    (tmp_path / "calibration.json").write_text(json.dumps(content, sort_keys=True))
    assert applied(tables, tmp_path, again=True).data["n_judged"] > 0
    (tmp_path / "judged.csv").unlink()
    change(content)
    (tmp_path / "calibration.json").write_text(json.dumps(content))
    refused(lambda: applied(tables, tmp_path, again=True), "calibration-changed", "calibrate` again")
    assert not (tmp_path / "judged.csv").exists()


def test_items_that_no_judge_has_scored_and_scores_of_no_tasks(tables: Tables, given: Sample, tmp_path: Path) -> None:
    calibrated(tables, tmp_path / "calibration.json")
    whole = applied(tables, tmp_path, again=True)
    assert whole.data["n_unscored"] == 0
    assert "no judge has scored" not in whole.outcomes[-1].message
    (tmp_path / "needs-people.jsonl").unlink()
    few = given.judges_csv(tmp_path / "few.csv", only=given.items[:180])
    some = replace(tables, judges=(few,), ratings=())
    done = applied(some, tmp_path)
    assert done.data["n_unscored"] == 120
    assert "; 120 of them no judge has scored" in done.outcomes[-1].message
    assert not any("no task" in note for note in done.notes)
    (tmp_path / "needs-people.jsonl").unlink()
    assert tables.items is not None
    tables.items.write_text(jsonl(given.tasks()[5:]))
    lost = applied(some, tmp_path)
    assert "5 items that judges have scored are no tasks: i0, i1, i2, …. They took no part." in lost.notes
    assert lost.data["n_unscored"] == 120


def test_nothing_of_the_users_is_overwritten(tables: Tables, given: Sample, tmp_path: Path) -> None:
    calibrated(tables, tmp_path / "calibration.json")

    def to(judged: str, people: str) -> StepResult:
        wanted = Applied(tmp_path / "calibration.json", tmp_path / judged, tmp_path / people, again=True)
        return apply_files(tables, wanted, created_at=NOW)

    refused(lambda: to("people.csv", "left.jsonl"), "would-overwrite")
    refused(lambda: to("judges.csv", "left.jsonl"), "would-overwrite")
    refused(lambda: to("judged.csv", "tasks.jsonl"), "would-overwrite")
    refused(lambda: to("judged.csv", "left.csv"), "wrong-suffix")
    (tmp_path / "mine.jsonl").write_text('{"id": "i0", "text": "mine"}\n')
    (tmp_path / "mine.csv").write_text("rater,kind,item\n")
    refused(lambda: to("judged.csv", "mine.jsonl"), "would-overwrite", "other tasks")
    refused(lambda: to("mine.csv", "left.jsonl"), "would-overwrite")
    assert not (tmp_path / "judged.csv").exists() and not (tmp_path / "left.jsonl").exists()
    assert (tmp_path / "mine.jsonl").read_text() == '{"id": "i0", "text": "mine"}\n'
    # The same again is no harm.
    assert to("judged.csv", "left.jsonl").data == to("judged.csv", "left.jsonl").data


def test_tasks_given_a_second_time_are_no_items_of_their_own(tables: Tables, given: Sample, tmp_path: Path) -> None:
    assert tables.items is not None
    calibrated(tables, tmp_path / "calibration.json")
    once = applied(tables, tmp_path, again=True)
    tasks: Sequence[dict[str, Any]] = [*given.tasks(), {"id": "r", "text": "again", "repeat_of": "i0"}]
    tables.items.write_text(jsonl(tasks))
    twice = applied(tables, tmp_path, again=True)
    assert (twice.data["n_repeats"], twice.data["n_items"]) == (1, once.data["n_items"])
    assert any("1 task given a second time took no part" in note for note in twice.notes)


def test_where_judges_take_all_no_task_file_is_written(tables: Tables, given: Sample, tmp_path: Path) -> None:
    certain = replace(given, judges=tuple((judge, item, 3.0, 0.99) for judge, item, *_ in given.judges))
    sure = replace(tables, judges=(certain.judges_csv(tmp_path / "certain.csv"),))
    calibrated(sure, tmp_path / "calibration.json", Wanted(within=4.0))
    done = applied(sure, tmp_path, again=True)
    assert (done.data["n_judged"], done.data["n_people"], done.data["people_path"]) == (300, 0, None)
    assert not (tmp_path / "needs-people.jsonl").exists()
    assert done.outcomes[-1].code == "nothing-left"
    assert "older" not in done.outcomes[-1].message
    (tmp_path / "needs-people.jsonl").write_text('{"id": "i0"}\n')
    assert "what stands there is older" in applied(sure, tmp_path, again=True).outcomes[-1].message


def test_of_pairs_the_side_counts(tmp_path: Path) -> None:
    """Sides that have numbers are no scores: a judge agrees where it chose what most people chose."""
    config = """<View><Text name="one" value="$one"/><Text name="two" value="$two"/>
    <Pairwise name="better" toName="one,two"/></View>"""
    numbers = {"left": 1, "right": 2}
    keys = {
        "annotators": [{"id": name, "name": name} for name in ("anna", "boris", "carla")],
        "criteria": [{"name": "better", "control": "better", "level": "ordinal", "values": numbers}],
        "judges": [{"file": "judges.csv"}],
    }
    tasks = [{"id": f"p{number}", "one": "a", "two": "b"} for number in range(80)]
    rows = [f"gpt,p{number},better,{'left' if number % 8 else 'right'},0.9" for number in range(80)]
    (tmp_path / "judges.csv").write_text("\n".join(["judge,item,criterion,value,confidence", *rows]) + "\n")
    study = study_file.load(make(tmp_path, keys, config=config, tasks=tasks))
    with Store(study.state_dir) as store:
        for name, value in (("anna", 1.0), ("boris", 1.0), ("carla", 2.0)):
            ratings = tuple(Rating(name, "human", task["id"], "better", value, None, NOW) for task in tasks)
            store.put_parsed(store.add_export(name, b"[]", "f"), Parsed(ratings, (), ()), reading_hash(study))
        found = calibrate_study(study, store, tmp_path / "c.json", Wanted(alpha=0.2, held_out=0.0), created_at=NOW)
    assert found.data["agreement"] == {"rule": "majority", "within": None}
    (judge,) = found.data["judges"]
    assert (judge["n_trusted"], judge["disagreements"]) == (80, 10)
