"""`ops judge` as typed: options, text for people, JSON for programs, words for mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from annotator_ops.cli.main import app
from tests.judging.calibrated import collected, read_json, sample, study_of
from tests.study.making import jsonl


def typed(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with people's and judges' scores of 300 items, and their tasks; the commands run in it."""
    given = sample()
    given.people_csv(tmp_path / "people.csv")
    given.judges_csv(tmp_path / "judges.csv")
    (tmp_path / "tasks.jsonl").write_text(jsonl(given.tasks()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_calibrate_says_what_it_means(folder: Path) -> None:
    done = typed("judge", "calibrate", "people.csv", "--judges", "judges.csv", "--within", "1")
    assert done.exit_code == 0, done.output
    assert "cheap          " in done.stdout
    assert "trusted from confidence 0." in done.stdout
    assert "held out" in done.stdout and "90 items: judges are trusted on" in done.stdout
    assert "a trusted judge agrees with people on at least 90% of items" in done.stdout
    assert "a score at most 1 from the mean of people’s" in done.stdout
    assert read_json(folder / "calibration.json")["criterion"] == "stars"


def test_every_option_reaches_the_calibration(folder: Path) -> None:
    done = typed(
        "judge", "calibrate", "people.csv", "-j", "judges.csv", "-c", "stars", "--level", "stars=interval",
        "--judge", "dear", "--judge", "cheap", "--alpha", "0.15", "--delta", "0.2", "--no-split", "--within", "0.5",
        "--held-out", "0.5", "--seed", "7", "-o", "mine.json", "--json",
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert (said["command"], said["ok"], said["path"]) == ("judge calibrate", True, "mine.json")
    written = read_json(folder / "mine.json")
    assert {key: written[key] for key in ("alpha", "delta", "split", "held_out_share", "seed", "level")} == {
        "alpha": 0.15, "delta": 0.2, "split": False, "held_out_share": 0.5, "seed": 7, "level": "interval",
    }  # fmt: skip
    assert [judge["judge"] for judge in written["judges"]] == ["dear", "cheap"]
    assert written["agreement"] == {"rule": "within", "within": 0.5}
    assert written["held_out"]["n_items"] == 150
    assert {judge["delta"] for judge in written["judges"]} == {0.2}


def test_apply_on_tables(folder: Path) -> None:
    typed("judge", "calibrate", "people.csv", "--judges", "judges.csv", "--within", "1")
    alone = typed("judge", "apply", "--judges", "judges.csv", "--items", "tasks.jsonl")
    assert alone.exit_code == 0, alone.output
    assert "tasks for people written" in alone.stdout
    assert "then run `ops provision`" in alone.stdout
    n_people = len((folder / "needs-people.jsonl").read_text().splitlines())
    assert 0 < n_people < 300
    words = ("judge", "apply", "people.csv", "-j", "judges.csv", "--items", "tasks.jsonl", "--json")
    rated = json.loads(typed(*words, "-o", "few.csv", "--escalate", "few.jsonl").stdout)
    assert (rated["n_rated"], rated["n_items"]) == (300, 0)
    everything = json.loads(typed(*words, "--all", "--calibration", "calibration.json").stdout)
    assert (everything["n_items"], everything["n_people"]) == (300, n_people)
    assert everything["judged_path"] == "judged.csv"


def test_both_on_a_study(tmp_path: Path) -> None:
    """Without names of files, everything is beside the study file, wherever the command runs."""
    given = sample()
    path = study_of(tmp_path, given)
    with collected(path, given, rated=given.items[:250]):
        pass
    made = typed("judge", "calibrate", "--study", path)
    assert made.exit_code == 0, made.output
    assert read_json(tmp_path / "calibration.json")["n_items"] == 250
    done = typed("judge", "apply", "--study", path, "--json")
    said = json.loads(done.stdout)
    assert said["ok"], said
    assert said["n_items"] == 50
    assert (tmp_path / "judged.csv").exists() and (tmp_path / "needs-people.jsonl").exists()
    asked = typed("judge", "calibrate", "--study", path, "--alpha", "1.5", "--json")
    assert asked.exit_code == 2
    assert json.loads(asked.stdout)["error"]["code"] == "bad-alpha"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("calibrate", "people.csv", "--judges", "judges.csv"), "agreement-undeclared"),
        (("calibrate", "people.csv", "--within", "1"), "no-judges"),
        (("calibrate", "--judges", "judges.csv"), "options-without-files"),
        (("apply", "--judges", "judges.csv"), "no-items"),
        (("apply", "--judges", "judges.csv", "--items", "tasks.jsonl"), "no-calibration"),
        (("apply", "--items", "tasks.jsonl"), "options-without-files"),
        (("calibrate", "people.csv", "--judges", "judges.csv", "--within", "1", "--turns", "sum"), "bad-turns"),
        (("calibrate", "--turns", "mean"), "options-without-files"),
        (("apply", "--turns", "mean"), "options-without-files"),
        (("apply", "--judges", "judges.csv", "--items", "tasks.jsonl", "--turns", "sum"), "bad-turns"),
    ],
)
def test_mistakes_are_said_in_words(folder: Path, words: tuple[str, ...], code: str) -> None:
    done = typed("judge", *words, "--json")
    assert done.exit_code == 2
    error = json.loads(done.stdout)["error"]
    assert error["code"] == code
    assert error["hint"]
    assert not (folder / "calibration.json").exists()


def test_a_result_that_was_computed_is_not_repeated_in_another_form(folder: Path) -> None:
    """What `--json` prints is what the file says."""
    done = typed("judge", "calibrate", "people.csv", "--judges", "judges.csv", "--within", "1", "--json")
    said = json.loads(done.stdout)
    written = read_json(folder / "calibration.json")
    assert {key: said[key] for key in written} == written


def test_the_turns_of_a_dialogue_become_one_score(folder: Path) -> None:
    """Each score as two turns, of which the first is less sure: that is then how sure the judge is of the item."""
    header, *lines = (folder / "judges.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]
    turns = [
        ",".join([*row[:4], confidence, *row[5:], turn])
        for row in rows
        for turn, confidence in (("1", "0.5"), ("2", row[4]))
    ]
    (folder / "turns.csv").write_text("\n".join([f"{header},turn", *turns]) + "\n")
    words = (
        "people.csv",
        "--judges",
        "turns.csv",
        "--within",
        "1",
        "--turns",
        "mean",
        "--judge",
        "dear",
        "--alpha",
        "0.3",
    )
    said = json.loads(typed("judge", "calibrate", *words, "--json").stdout)
    assert said["judges"][0]["n_trusted"] == 210  # all are equally sure
    assert said["judges"][0]["threshold"] == 0.0
    apply = typed("judge", "apply", "--judges", "turns.csv", "--items", "tasks.jsonl", "--turns", "mean", "--json")
    assert json.loads(apply.stdout)["n_judged"] == 300
