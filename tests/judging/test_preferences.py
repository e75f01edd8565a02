"""`ops export preferences`: pairs from a study that compares and from rated responses, and what is left out."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import JudgeFile, Judging
from annotator_ops.measures import Rating
from annotator_ops.models import Criterion, Level, StepResult, Study, Task
from annotator_ops.preference_fields import Fields, guessed_prompt, guessed_sides
from annotator_ops.preferences import Candidate, Side, Wanted, pairs_of
from annotator_ops.reporting.source import Tables
from annotator_ops.results import Parsed, reading_hash
from annotator_ops.steps.export_preferences import Asked, preferences_files, preferences_study
from annotator_ops.steps.init import init
from annotator_ops.store.database import Store
from annotator_ops.study import load

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
Said = Mapping[str, Mapping[str, float | str | None]]

TASKS = [
    {"id": "1a", "prompt": "Hello?", "response": "Hi.", "system": "a"},
    {"id": "1b", "prompt": "Hello?", "response": "Good day.", "system": "b"},
    {"id": "1c", "prompt": "Hello?", "response": "What?", "system": "c"},
    {"id": "2a", "prompt": "Bye?", "response": "Bye.", "system": "a"},
    {"id": "2b", "prompt": "Bye?", "response": "Bye.", "system": "b"},
    {"id": "3a", "prompt": "Alone?", "response": "Yes.", "system": "a"},
]
PEOPLE: Said = {
    "anna": {"1a": 5, "1b": 4, "1c": 1, "2a": 3, "2b": 4, "3a": 2},
    "boris": {"1a": 4, "1b": 5, "1c": 1, "2a": 3, "2b": 5},
}
JUDGES: Said = {
    "strict": {"1a": 3, "1b": 4, "1c": 1, "2a": 3, "2b": 4},
    "mild": {"1a": 4, "1b": 5, "1c": 5, "2a": 3, "2b": 4},
}


def table(path: Path, said: Said, criterion: str = "quality") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["rater", "item", "criterion", "value"])
        writer.writerows(
            [rater, item, criterion, value] for rater, values in said.items() for item, value in values.items()
        )
    return path


def task_file(folder: Path, tasks: Iterable[Mapping[str, Any]]) -> Path:
    path = folder / "tasks.jsonl"
    path.write_text("".join(f"{json.dumps(task)}\n" for task in tasks), encoding="utf-8")
    return path


class Files:
    """Tables and tasks in a folder, and the lines that an export wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = folder / "pairs.jsonl"
        self.tasks: list[dict[str, Any]] = [dict(task) for task in TASKS]
        self.people: Said = PEOPLE
        self.judges: Said = JUDGES
        self.levels: Mapping[str, Level] = {}

    def tables(self) -> Tables:
        return Tables(
            (table(self.folder / "people.csv", self.people),) if self.people else (),
            (table(self.folder / "judges.csv", self.judges),) if self.judges else (),
            self.levels,
            items=task_file(self.folder, self.tasks),
        )

    def run(self, *, criterion: str | None = None, fields: Fields | None = None, **wanted: Any) -> StepResult:
        asked = Asked(criterion, fields or Fields(""), Wanted(**wanted))
        return preferences_files(self.tables(), self.target, asked, created_at=NOW)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.target.read_text(encoding="utf-8").splitlines()]

    def pairs(self) -> list[tuple[str, str]]:
        return [(line["chosen"], line["rejected"]) for line in self.lines()]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


# --- responses that were rated one by one ----------------------------------------------------------------------------


def test_every_two_responses_to_a_prompt_are_a_pair(files: Files) -> None:
    result = files.run()
    assert files.lines() == [
        {"prompt": "Hello?", "chosen": "Hi.", "rejected": "What?"},
        {"prompt": "Hello?", "chosen": "Good day.", "rejected": "What?"},
    ]
    assert result.data["dropped"] == {"tie": 1, "same-text": 1}
    assert result.data["tasks_without_partner"] == 1
    assert (result.data["pairs"], result.data["kind"], result.data["criteria"]) == (2, "rated", ["quality"])
    assert result.data["fields"] == {"prompt": "prompt", "response": "response"}
    assert result.data["guessed"] == ["prompt", "response"]
    assert "prompt from the field prompt, response from the field response" in result.notes[0]
    assert [outcome.code for outcome in result.outcomes] == ["exported", "tie", "same-text", "no-partner"]


@pytest.mark.parametrize(
    ("wanted", "pairs", "dropped"),
    [
        ({"source": "judges"}, {("Good day.", "Hi."), ("Hi.", "What?"), ("Good day.", "What?")}, {"same-text": 1}),
        ({"source": "both"}, {("Good day.", "Hi."), ("Hi.", "What?"), ("Good day.", "What?")}, {"same-text": 1}),
        ({"agree": "judges"}, set(), {"tie": 1, "judges-disagree": 2, "same-text": 1}),
        ({"source": "judges", "agree": "judges"}, {("Good day.", "Hi.")}, {"judges-disagree": 2, "same-text": 1}),
        ({"source": "judges", "agree": "both"}, set(), {"judges-disagree": 2, "people-disagree": 1, "same-text": 1}),
        ({"source": "judges", "margin": 1.0}, {("Good day.", "Hi."), ("Good day.", "What?")},
         {"below-margin": 1, "same-text": 1}),
        ({"margin": 3.5}, {("Hi.", "What?"), ("Good day.", "What?")}, {"tie": 1, "below-margin": 1}),
    ],
    ids=str,
)  # fmt: skip
def test_whose_preference_and_who_agrees(
    files: Files, wanted: dict[str, Any], pairs: set[tuple[str, str]], dropped: dict[str, int]
) -> None:
    if not pairs:
        with pytest.raises(OpsError) as caught:
            files.run(**wanted)
        assert caught.value.code == "no-pairs"
        assert "1 pair: both responses are the same text" in caught.value.message
        return
    assert files.run(**wanted).data["dropped"] == dropped
    assert set(files.pairs()) == pairs


def test_a_judge_that_did_not_score_a_response_agrees_with_nothing(files: Files) -> None:
    files.judges = {"strict": JUDGES["strict"], "lazy": {"1a": 4, "1c": 1}}
    result = files.run(agree="judges")
    assert files.pairs() == [("Hi.", "What?")]
    assert result.data["dropped"] == {"tie": 1, "judges-missing": 2}


def test_what_nobody_rated_is_counted(files: Files) -> None:
    files.people = {"anna": {"1a": 5, "1b": 4, "2a": 1}}
    assert files.run().data["dropped"] == {"unrated": 3}
    assert files.pairs() == [("Hi.", "Good day.")]


def test_judges_alone_are_enough_for_their_own_preferences(files: Files) -> None:
    files.people = {}
    files.run(source="judges")
    assert len(files.pairs()) == 3
    with pytest.raises(OpsError, match="not rated by those who are asked"):
        files.run()


def test_messages_and_details(files: Files) -> None:
    files.run(conversational=True, details=True)
    line = files.lines()[0]
    assert line["prompt"] == [{"role": "user", "content": "Hello?"}]
    assert line["chosen"] == [{"role": "assistant", "content": "Hi."}]
    assert line["rejected"] == [{"role": "assistant", "content": "What?"}]
    assert {name: line[name] for name in line if name not in ("prompt", "chosen", "rejected")} == {
        "chosen_item": "1a", "rejected_item": "1c", "margin": 3.5, "people_margin": 3.5, "judges_margin": 0.5,
        "n_people": 2, "n_judges": 2,
        "people_chosen": 4.5, "people_rejected": 1.0, "judges_chosen": 3.5, "judges_rejected": 3.0,
    }  # fmt: skip
    assert not any(name in files.target.read_text() for name in ("anna", "boris", "strict", "mild"))


def test_of_two_responses_the_one_with_fewer_people_counts(files: Files) -> None:
    files.people = {"anna": {"1a": 5, "1b": 4}, "boris": {"1a": 5}, "carla": {"1a": 5}}
    files.run(details=True)
    (line,) = files.lines()
    assert (line["chosen_item"], line["n_people"], line["people_chosen"]) == ("1a", 1, 5.0)


def test_a_dialogue_as_prompt_needs_messages(files: Files) -> None:
    talk = [{"author": "Human", "text": "Hello?"}, {"author": "bot", "text": "Hi."}, {"author": "user", "text": "So?"}]
    for task in files.tasks:
        task["prompt"] = talk
    with pytest.raises(OpsError, match="a text is missing"):
        files.run(source="judges")
    files.run(source="judges", conversational=True)
    assert [message["role"] for message in files.lines()[0]["prompt"]] == ["user", "assistant", "user"]


def test_several_criteria_make_one_mean(files: Files, tmp_path: Path) -> None:
    other = table(tmp_path / "other.csv", {"anna": {"1a": 1, "1b": 5, "1c": 4}}, "tone")
    tables = files.tables()
    tables = Tables((*tables.ratings, other), tables.judges, items=tables.items)
    result = preferences_files(tables, files.target, Asked(), created_at=NOW)
    assert result.data["criteria"] == ["quality", "tone"]
    # (4.5 + 1) / 2, (4.5 + 5) / 2 and (1 + 4) / 2; the others lack a tone.
    assert files.pairs() == [("Good day.", "Hi."), ("Hi.", "What?"), ("Good day.", "What?")]
    preferences_files(tables, files.target, Asked("tone"), created_at=NOW)
    assert files.pairs() == [("Good day.", "Hi."), ("What?", "Hi."), ("Good day.", "What?")]


def test_criteria_on_different_scales_need_a_name(files: Files, tmp_path: Path) -> None:
    other = table(tmp_path / "other.csv", {"anna": {"1a": 10, "1b": 50, "1c": 40}}, "tone")
    tables = files.tables()
    tables = Tables((*tables.ratings, other), tables.judges, items=tables.items)
    with pytest.raises(OpsError) as caught:
        preferences_files(tables, files.target, Asked(), created_at=NOW)
    assert caught.value.code == "criterion-needed"


def test_a_repeat_is_no_response_of_its_own(files: Files) -> None:
    files.tasks.append({"id": "1a-again", "repeat_of": "1a", "prompt": "Hello?", "response": "Hi.", "system": "a"})
    files.people = {**PEOPLE, "carla": {"1a-again": 1}}
    result = files.run()
    assert len(files.pairs()) == 2
    assert result.data["dropped"] == {"tie": 1, "same-text": 1}


def test_the_same_export_twice_overwrites_itself_and_nothing_else(files: Files) -> None:
    files.run()
    before = files.target.read_bytes()
    files.run()
    assert files.target.read_bytes() == before
    files.target.write_text('{"id": "1", "prompt": "mine"}\n')
    with pytest.raises(OpsError) as caught:
        files.run()
    assert caught.value.code == "would-overwrite"
    with pytest.raises(OpsError) as caught:
        preferences_files(files.tables(), files.folder / "tasks.jsonl", Asked(), created_at=NOW)
    assert caught.value.code == "would-overwrite"


def refused(files: Files, **how: Any) -> OpsError:
    with pytest.raises(OpsError) as caught:
        files.run(**how)
    assert not files.target.exists()
    return caught.value


def test_fields_that_are_not_clear_have_to_be_named(files: Files) -> None:
    for task in files.tasks:
        task["question"] = "What is right?"
    error = refused(files)
    assert error.code == "fields-needed"
    assert "--prompt is needed" in error.message and "question" in error.hint
    assert files.run(fields=Fields("question"), source="judges").data["fields"]["prompt"] == "question"


def test_what_cannot_be_exported_is_refused_in_words(files: Files) -> None:
    assert refused(files, fields=Fields("prompt", response="reply")).code == "unknown-field"
    assert refused(files, criterion="quantity").code == "unknown-criterion"
    files.levels = {"quality": Level.NOMINAL}
    assert refused(files).code == "no-preferences"
    assert refused(files, criterion="quality").code == "no-preferences"


def test_tables_need_tasks(files: Files) -> None:
    with pytest.raises(OpsError) as caught:
        preferences_files(Tables(files.tables().ratings), files.target, Asked(), created_at=NOW)
    assert caught.value.code == "no-items"


def test_a_prompt_that_all_tasks_share_is_none(files: Files) -> None:
    files.tasks = [{"id": str(number), "prompt": "Same.", "response": f"{number}"} for number in range(2002)]
    files.people = {"anna": {str(number): number % 5 for number in range(2002)}}
    files.judges = {}
    assert refused(files).code == "too-many-pairs"


# --- pairs that were compared ----------------------------------------------------------------------------------------

PAIR_TASKS = [
    {"id": str(number), "prompt": f"Prompt {number}", "answer_a": f"A{number}", "answer_b": f"B{number}"}
    for number in range(1, 5)
]


def compared(files: Files, people: Said, judges: Said | None = None) -> Files:
    files.tasks = [dict(task) for task in PAIR_TASKS]
    files.people, files.judges = people, judges or {}
    return files


def test_words_for_the_sides(files: Files) -> None:
    people: Said = {
        "anna": {"1": "left", "2": "right", "3": "tie", "4": "left"},
        "boris": {"1": "left", "2": "right", "3": "tie", "4": "right"},
    }
    result = compared(files, people, {"gpt": {"1": "left", "2": "left", "3": "left", "4": "left"}}).run(details=True)
    assert files.pairs() == [("A1", "B1"), ("B2", "A2")]
    assert result.data["dropped"] == {"tie": 2}
    assert (result.data["kind"], result.data["guessed"]) == ("pairwise", ["prompt", "left", "right"])
    assert result.data["fields"] == {"prompt": "prompt", "left": "answer_a", "right": "answer_b"}
    second = files.lines()[1]
    assert (second["margin"], second["judges_margin"], second["n_people"]) == (1.0, -1.0, 2)
    files.run(agree="both")
    assert files.pairs() == [("A1", "B1")]


def test_numbers_around_zero_are_for_the_left_where_they_are_below(files: Files) -> None:
    people: Said = {"anna": {"1": -2, "2": 2, "3": 0, "4": -1}, "boris": {"1": -1, "2": 1, "3": 0, "4": 0}}
    compared(files, people).run()
    assert files.pairs() == [("A1", "B1"), ("B2", "A2"), ("A4", "B4")]
    assert files.run(margin=1).data["dropped"] == {"tie": 1, "below-margin": 1}
    assert files.pairs() == [("A1", "B1"), ("B2", "A2")]


def test_named_sides_are_taken_as_they_are_named(files: Files) -> None:
    compared(files, {"anna": {"1": "left", "2": "right"}})
    files.run(fields=Fields("prompt", "answer_b", "answer_a"))
    assert files.pairs() == [("B1", "A1"), ("A2", "B2")]


def test_a_criterion_that_compares_nothing_is_refused_where_sides_are_named(files: Files) -> None:
    compared(files, {"anna": {"1": "good", "2": "bad"}})
    assert refused(files, fields=Fields("prompt", "answer_a", "answer_b")).code == "no-preferences"


@pytest.fixture
def pairwise_study(tmp_path: Path) -> Study:
    init(tmp_path / "study", template="pairwise")
    return load(tmp_path / "study" / "study.yaml")


def collect(study: Study, said: Said) -> Store:
    store = Store(study.state_dir)
    for name, values in said.items():
        ratings = tuple(
            Rating(name, "human", item, "preference", None, "skipped", NOW)
            if value is None
            else Rating(name, "human", item, "preference", float(value), None, NOW)
            for item, value in values.items()
        )
        store.put_parsed(store.add_export(name, b"[]", "f"), Parsed(ratings, (), ()), reading_hash(study))
    return store


def test_the_template_that_compares_answers(pairwise_study: Study, tmp_path: Path) -> None:
    study = pairwise_study
    items = [task.id for task in study.tasks]
    anna: Mapping[str, float | None] = dict.fromkeys(items, -2) | {items[1]: 1, items[2]: 0}
    boris: Mapping[str, float | None] = dict.fromkeys(items, -1) | {items[1]: 2, items[2]: None}
    judges = table(tmp_path / "judges.csv", {"gpt": dict.fromkeys(items, -1)}, "preference")
    study = replace(study, judges=(JudgeFile(judges),))
    target = tmp_path / "pairs.jsonl"
    with collect(study, {"anna": anna, "boris": boris}) as store:
        result = preferences_study(study, store, target, Asked(), created_at=NOW)
        lines = [json.loads(line) for line in target.read_text().splitlines()]
        assert len(lines) == len(items) - 1
        assert result.data["dropped"] == {"tie": 1}
        for task, line in zip([task for task in study.tasks if task.id != items[2]], lines, strict=True):
            order = ("answer_b", "answer_a") if task.id == items[1] else ("answer_a", "answer_b")
            assert (line["prompt"], line["chosen"], line["rejected"]) == (
                task.data["prompt"], *(task.data[name] for name in order),
            )  # fmt: skip
        agreed = preferences_study(study, store, target, Asked(wanted=Wanted(agree="both")), created_at=NOW)
        assert agreed.data["dropped"] == {"tie": 1, "judges-disagree": 1}
        with pytest.raises(OpsError) as caught:
            preferences_study(study, store, study.root / "tasks.jsonl", Asked(), created_at=NOW)
        assert caught.value.code == "would-overwrite"


@pytest.mark.parametrize("numbers", [{}, {"left": 1, "right": 0}, {"left": -1, "right": 1}], ids=str)
def test_a_pairwise_control_says_which_fields_it_shows(
    pairwise_study: Study, tmp_path: Path, numbers: Mapping[str, float]
) -> None:
    config = """<View><Text name="one" value="$better_known"/><Text name="two" value="$newcomer"/>
    <Pairwise name="preference" toName="one,two"/></View>"""
    tasks = tuple(
        Task(f"t{number}", {"prompt": f"P{number}", "better_known": "old", "newcomer": "new"}) for number in (1, 2)
    )
    level = Level.INTERVAL if numbers else Level.NOMINAL
    criteria = (Criterion("preference", "preference", level, numbers),)
    study = replace(pairwise_study, label_config=config, tasks=tasks, criteria=criteria)
    target = tmp_path / "pairs.jsonl"
    with Store(study.state_dir) as store:
        ratings = tuple(
            Rating("anna", "human", f"t{number}", "preference", side, None, NOW)
            for number, side in ((1, "left"), (2, "right"))
        )
        store.put_parsed(store.add_export("anna", b"[]", "f"), Parsed(ratings, (), ()), reading_hash(study))
        result = preferences_study(study, store, target, Asked(), created_at=NOW)
    assert result.data["fields"] == {"prompt": "prompt", "left": "better_known", "right": "newcomer"}
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert [line["chosen"] for line in lines] == ["old", "new"]


def test_weights_of_the_study_weigh_its_criteria(files: Files, tmp_path: Path) -> None:
    other = table(tmp_path / "other.csv", {"anna": {"1a": 1, "1b": 5, "1c": 4}}, "tone")
    tables = files.tables()
    weighed = Tables(
        (*tables.ratings, other), items=tables.items, judging=Judging(weights={"quality": 9.0, "tone": 1.0})
    )
    preferences_files(weighed, files.target, Asked(wanted=Wanted(details=True)), created_at=NOW)
    line = files.lines()[0]
    assert (line["chosen_item"], line["rejected_item"]) == ("1b", "1a")
    assert line["margin"] == pytest.approx((0.9 * 4.5 + 0.1 * 5) - (0.9 * 4.5 + 0.1 * 1))


# --- parts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "sides"),
    [
        (["prompt", "answer_b", "answer_a"], ("answer_a", "answer_b")),
        (["left", "right", "id2"], ("left", "right")),
        (["response1", "response2"], ("response1", "response2")),
        (["Response A", "Response B"], ("Response A", "Response B")),
        (["answer_a", "answer_b", "model_a", "model_b"], None),
        (["answer_a", "reply_b"], None),
        (["answer", "reply"], None),
    ],
)
def test_sides_by_their_names(names: list[str], sides: tuple[str, str] | None) -> None:
    assert guessed_sides(names) == sides


def test_of_two_prompts_none_is_guessed() -> None:
    assert guessed_prompt(["text", "question"]) == "question"
    assert guessed_prompt(["prompt", "question"]) is None


def test_both_is_the_mean_of_people_and_judges() -> None:
    candidate = Candidate("P", "one", "two", ("i", "i"))
    side = Side(np.array([[1.0], [1.0], [1.0]]), np.array([[-2.0]]))
    (line,) = pairs_of([candidate], side, Wanted(source="both", details=True)).lines
    assert (line["chosen"], line["margin"], line["people_margin"], line["judges_margin"]) == ("two", 0.5, -1.0, 2.0)


def test_summeval_has_a_pair_for_every_two_systems_that_differ(
    shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    """100 documents × 66 pairs of systems, the reference standing in for the prompt; counted by hand."""
    tables = Tables(
        (shared_data("summeval/ratings-experts.csv"),),
        (shared_data("summeval/judges.csv"),),
        items=shared_data("summeval/tasks.jsonl"),
    )
    target = tmp_path / "pairs.jsonl"
    asked = Asked("relevance", Fields("reference"), Wanted(agree="both", details=True))
    result = preferences_files(tables, target, asked, created_at=NOW)
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert result.data["pairs"] + sum(result.data["dropped"].values()) == 6600
    scores = {
        name: _means(shared_data(f"summeval/{name}.csv"), by_rater=name == "judges")
        for name in ("ratings-experts", "judges")
    }
    people = scores["ratings-experts"]["all"]
    judges = list(scores["judges"].values())
    by_text: dict[str, list[dict[str, str]]] = {}
    for task in map(json.loads, shared_data("summeval/tasks.jsonl").read_text().splitlines()):
        by_text.setdefault(task["reference"], []).append(task)
    expected = set()
    for members in by_text.values():
        for one, other in combinations(members, 2):
            apart = [each[one["id"]] - each[other["id"]] for each in (people, *judges)]
            if one["summary"] != other["summary"] and (min(apart) > 1e-9 or max(apart) < -1e-9):
                expected.add((one["id"], other["id"]) if apart[0] > 0 else (other["id"], one["id"]))
    assert {(line["chosen_item"], line["rejected_item"]) for line in lines} == expected
    assert len(lines) == len(expected) > 500


def _means(path: Path, *, by_rater: bool) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, list[float]]] = {}
    with path.open(newline="") as rows:
        for row in csv.DictReader(rows):
            if row["criterion"] == "relevance":
                who = row["rater"] if by_rater else "all"
                found.setdefault(who, {}).setdefault(row["item"], []).append(float(row["value"]))
    return {who: {item: float(np.mean(values)) for item, values in of_items.items()} for who, of_items in found.items()}


@pytest.mark.parametrize("wanted", [{"agree": "judges"}, {"agree": "both"}, {"source": "judges"}, {"source": "both"}])
def test_judges_who_are_asked_have_to_be_there(tmp_path: Path, wanted: dict[str, Any]) -> None:
    files = Files(tmp_path)
    files.judges = {}
    with pytest.raises(OpsError) as caught:
        files.run(**wanted)
    assert caught.value.code == "no-judges"
    (word,) = wanted.values()
    assert word in caught.value.message and "--judges" in caught.value.hint
    assert not files.target.exists()


def test_a_score_outside_of_what_people_gave_is_said(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.judges = {**JUDGES, "wild": {"1a": 9, "1b": 3}}
    notes = files.run(source="both").notes
    assert any(note.startswith("1 of wild’s scores on quality lies outside people’s 1 to 5") for note in notes)
