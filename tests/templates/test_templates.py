"""Every shipped study: complete, valid, written with care, and copied by `ops init` without harm."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.labeling import parse
from annotator_ops.models import Study
from annotator_ops.steps.init import init, templates
from annotator_ops.validation import validate

NAMES = (
    "boxes",
    "classification",
    "dialogue-ratings",
    "dialogue-ratings-ru",
    "free-text",
    "multi-label",
    "pairwise",
    "single-turn-rating",
    "spans",
)
PER_LANGUAGE = {"dialogue-ratings": 24, "dialogue-ratings-ru": 10}


def written(folder: Path, name: str) -> Study:
    init(folder / name, name)
    study, problems = validate(folder / name / "study.yaml")
    assert problems == ()
    assert study is not None
    return study


def test_these_are_shipped() -> None:
    found = templates()
    assert tuple(found) == NAMES
    assert all(len(sentence) > 30 and sentence.endswith(".") for sentence in found.values())


@pytest.mark.parametrize("name", NAMES)
def test_it_works_as_it_is(tmp_path: Path, name: str) -> None:
    study = written(tmp_path, name)
    assert study.name == name
    assert study.criteria
    assert len(study.instructions) > 300
    assert len(study.tasks) == PER_LANGUAGE.get(name, len(study.tasks))
    assert 6 <= len(study.tasks) <= 24
    assert study.language == ("ru" if name.endswith("-ru") else "en")
    # Nobody must be able to submit an empty page, but for regions, of which there may be none.
    for criterion in study.criteria:
        control = parse(study.label_config).control(criterion.control)
        assert control is not None
        assert control.required or control.marks_regions, criterion.name


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("dialogue")])
def test_the_pingpong_layout(tmp_path: Path, name: str) -> None:
    study = written(tmp_path, name)
    assert [criterion.name for criterion in study.criteria] == ["in_character", "entertaining", "fluency"]
    for criterion in study.criteria:
        assert list(criterion.values.values()) == [1, 2, 3, 4, 5]
    assert parse(study.label_config).control("comment") is not None
    bodies = set()
    for task in study.tasks:
        turns = re.findall(r'<div class="turn (user|character)"><b>.*?</b><p>(.*?)</p></div>', task.data["html"])
        assert 6 <= len(turns) <= 8, task.id
        assert [who for who, _ in turns] == ["user", "character"] * (len(turns) // 2), task.id
        assert len(task.data["char_info"]) > 60
        bodies.add(" ".join(text for _, text in turns))
    assert len(bodies) == len(study.tasks)


def test_the_russian_template_is_russian(tmp_path: Path) -> None:
    study = written(tmp_path, "dialogue-ratings-ru")
    for task in study.tasks:
        shown = re.sub(r"<[^>]*>", "", task.data["html"]) + task.data["char_name"] + task.data["char_info"]
        letters = [letter for letter in shown if letter.isalpha()]
        assert all("CYRILLIC" in unicodedata.name(letter) for letter in letters), task.id


def test_the_made_up_judges(tmp_path: Path) -> None:
    """Two judges, every dialogue, every criterion; said to be made up in every single row."""
    study = written(tmp_path, "dialogue-ratings")
    file = study.root / "judges.example.csv"
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert list(rows[0]) == ["rater", "item", "criterion", "value"]
    raters = {row["rater"] for row in rows}
    assert len(raters) == 2
    assert all(rater.startswith("made-up-") for rater in raters)
    cells = {(row["rater"], row["item"], row["criterion"]) for row in rows}
    names = [criterion.name for criterion in study.criteria]
    assert cells == {(rater, task.id, name) for rater in raters for task in study.tasks for name in names}
    assert all(1 <= float(row["value"]) <= 5 for row in rows)
    assert study.judges == ()


def test_the_drawings_are_small_and_self_contained(tmp_path: Path) -> None:
    for task in written(tmp_path, "boxes").tasks:
        image = task.data["image"]
        assert image.startswith("data:image/svg+xml;")
        assert len(image) < 4000
        assert "script" not in image


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "tasks.jsonl").write_text("mine")
    with pytest.raises(OpsError) as caught:
        init(tmp_path, "spans")
    assert caught.value.code == "would-overwrite"
    assert "tasks.jsonl" in caught.value.message
    assert [file.name for file in tmp_path.iterdir()] == ["tasks.jsonl"]
    assert (tmp_path / "tasks.jsonl").read_text() == "mine"


def test_other_files_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / ".gitignore").write_text("mine")
    result = init(tmp_path, "spans")
    assert result.exit_code == 0
    assert (tmp_path / ".gitignore").read_text() == "mine"


def test_the_study_is_named_after_its_folder(tmp_path: Path) -> None:
    for folder, name in {"My Study 2": "my-study-2", "x" * 60: "x" * 40, "Ёлка": "spans"}.items():
        init(tmp_path / folder, "spans")
        study, problems = validate(tmp_path / folder / "study.yaml")
        assert problems == ()
        assert study is not None
        assert study.name == name


def test_an_unknown_template_is_answered_with_the_list(tmp_path: Path) -> None:
    with pytest.raises(OpsError) as caught:
        init(tmp_path / "x", "dialogues")
    assert all(name in caught.value.hint for name in NAMES)
    assert not (tmp_path / "x").exists()


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OpsError) as caught:
        init(tmp_path / "file" / "study", "spans")
    assert caught.value.code == "not-writable"


def test_secrets_are_kept_out_of_version_control(tmp_path: Path) -> None:
    init(tmp_path, "spans")
    assert ".ops/" in (tmp_path / ".gitignore").read_text().splitlines()


def test_the_result_says_what_comes_next(tmp_path: Path) -> None:
    result = init(tmp_path / "a b", "spans")
    assert json.loads(json.dumps(result.as_json()))["template"] == "spans"
    assert "ops provision --annotators 5 --study '" in result.notes[1]
