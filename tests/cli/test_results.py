"""`ops export` as typed: the table as before, and the pairs of preferences behind its own name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from annotator_ops.cli.main import app
from annotator_ops.measures import Rating
from annotator_ops.results import Parsed, reading_hash
from annotator_ops.steps.init import init
from annotator_ops.store.database import Store
from annotator_ops.study import load


def typed(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The template that compares two answers, with one annotator who always prefers the left one."""
    init(tmp_path / "study", template="pairwise")
    path = tmp_path / "study" / "study.yaml"
    loaded = load(path)
    ratings = tuple(Rating("anna", "human", task.id, "preference", -2.0) for task in loaded.tasks)
    with Store(loaded.state_dir) as store:
        store.put_parsed(store.add_export("anna", b"[]", "f"), Parsed(ratings, (), ()), reading_hash(loaded))
    return path


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path, Path]:
    """People, a judge that disagrees with them on the second pair, and tasks."""
    head = "rater,item,criterion,value\n"
    texts = {
        "people.csv": head + "anna,1,better,left\nanna,2,better,left\n",
        "judge.csv": head + "gpt,1,better,left\ngpt,2,better,right\n",
        "tasks.jsonl": "".join(
            json.dumps({"id": str(n), "prompt": f"P{n}", "left": f"L{n}", "right": f"R{n}"}) + "\n" for n in (1, 2)
        ),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    people, judge, tasks = (tmp_path / name for name in texts)
    return people, judge, tasks


def test_the_table_is_written_as_before(study: Path, tmp_path: Path) -> None:
    target = tmp_path / "all.csv"
    done = typed("export", "--wide", "-o", target, "--study", study, "--json")
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert (said["command"], said["wide"], said["path"]) == ("export", True, str(target))
    assert target.read_text(encoding="utf-8-sig").startswith("rater,kind,item")


def test_the_preferences_of_a_study(study: Path) -> None:
    done = typed("export", "preferences", "--study", study)
    assert done.exit_code == 0, done.stdout
    loaded = load(study)
    lines = (loaded.root / f"{loaded.name}-preferences.jsonl").read_text().splitlines()
    tasks = loaded.tasks
    assert [json.loads(line)["chosen"] for line in lines] == [task.data["answer_a"] for task in tasks]
    assert f"{len(tasks)} pairs written" in done.stdout
    assert "prompt from the field prompt" in done.stdout


def test_the_preferences_in_tables(tables: tuple[Path, Path, Path], tmp_path: Path) -> None:
    people, judge, tasks = tables
    target = tmp_path / "pairs.jsonl"
    words = ("export", "preferences", people, "--judges", judge, "--items", tasks, "-o", target)
    assert typed(*words).exit_code == 0
    assert [json.loads(line)["chosen"] for line in target.read_text().splitlines()] == ["L1", "L2"]
    done = typed(*words, "--agree", "judges", "--conversational", "--details", "--json")
    said = json.loads(done.stdout)
    assert (said["command"], said["pairs"], said["dropped"]) == ("export preferences", 1, {"judges-disagree": 1})
    (line,) = map(json.loads, target.read_text().splitlines())
    assert line["chosen"] == [{"role": "assistant", "content": "L1"}]
    assert line["chosen_item"] == "1"


def test_judges_alone_without_a_table_of_people(tables: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, judge, tasks = tables
    target = tmp_path / "pairs.jsonl"
    done = typed("export", "preferences", "-j", judge, "--items", tasks, "--from", "judges", "-o", target)
    assert done.exit_code == 0, done.stderr
    assert [json.loads(line)["chosen"] for line in target.read_text().splitlines()] == ["L1", "R2"]


def test_options_before_the_name_are_not_silently_without_effect(study: Path) -> None:
    done = typed("export", "--study", study, "--format", "csv", "preferences")
    assert done.exit_code == 2
    assert "--format, --study stands before" in done.stderr or "--study, --format stands before" in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--from", "judges"), "no-judges"),
        (("--margin", "9"), "no-pairs"),
        (("--agree", "both"), "no-judges"),
        (("--criterion", "none"), "unknown-criterion"),
        (("--prompt", "none"), "unknown-field"),
        (("--output", "pairs.csv"), "wrong-suffix"),
        (("--items", "tasks.jsonl"), "options-without-files"),
    ],
)
def test_what_cannot_be_exported_is_said_in_json(study: Path, words: tuple[str, ...], code: str) -> None:
    done = typed("export", "preferences", *words, "--study", study, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["code"] == code


@pytest.mark.parametrize("words", [("--from", "me"), ("--agree", "people"), ("--margin", "-1")])
def test_words_that_are_none_of_the_choices(words: tuple[str, ...]) -> None:
    assert typed("export", "preferences", *words).exit_code == 2
