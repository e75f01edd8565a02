"""The one boundary: what nobody foresaw is said in words, as JSON too, and its traceback is kept in private."""

from __future__ import annotations

import json
import sqlite3
import stat
from pathlib import Path

import pytest
import typer

from annotator_ops.cli.edge import run
from annotator_ops.models import Outcome, StepResult

TEXT = "what an annotator wrote"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("ANNOTATOR_OPS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def failing(error: Exception) -> StepResult:
    raise error


def left(error: Exception, *, json: bool) -> int:
    with pytest.raises(typer.Exit) as caught:
        run("collect", lambda: failing(error), json=json)
    return int(caught.value.exit_code)


def test_an_unforeseen_error_is_json_without_values(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert left(KeyError(TEXT), json=True) == 2
    shown = capsys.readouterr()
    said = json.loads(shown.out)
    assert (said["ok"], said["error"]["code"]) == (False, "internal")
    assert "KeyError" in said["error"]["message"]
    assert TEXT not in shown.out + shown.err
    (kept,) = (home / "errors").iterdir()
    assert str(kept) in said["error"]["hint"]
    assert TEXT in kept.read_text()
    assert "Traceback" in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def test_an_unforeseen_error_is_said_to_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    assert left(ValueError(TEXT), json=False) == 2
    shown = capsys.readouterr()
    assert "Error:" in shown.err
    assert "Traceback" not in shown.err
    assert TEXT not in shown.err


def test_a_store_that_cannot_be_written_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert left(sqlite3.OperationalError("database or disk is full"), json=True) == 2
    said = json.loads(capsys.readouterr().out)["error"]
    assert said["code"] == "store-failed"
    assert "disk is full" in said["message"]


def test_a_home_that_cannot_be_written_hides_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.write_text("a file in the way")
    assert left(KeyError(TEXT), json=True) == 2
    said = json.loads(capsys.readouterr().out)["error"]
    assert said["code"] == "internal"
    assert "could not be kept" in said["hint"]


def test_a_result_that_cannot_be_shown_is_an_error_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught:
        run("status", lambda: StepResult("status"), json=False)  # without the rows that its table is made of
    assert caught.value.exit_code == 2
    assert "KeyError" in capsys.readouterr().err


def test_the_command_lines_own_ways_to_leave_stay() -> None:
    for error in (typer.Exit(7), typer.Abort()):
        with pytest.raises(type(error)):
            run("destroy", lambda error=error: failing(error), json=True)  # type: ignore[misc]  # bound now


def test_a_failed_outcome_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught:
        run("stop", lambda: StepResult("stop", (Outcome("anna", "failed", "no"),)), json=True)
    assert caught.value.exit_code == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False
