"""What the demo may remove: its own folder as it wrote it, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from annotator_ops.cli import demo
from annotator_ops.errors import OpsError
from annotator_ops.models import Outcome, StepResult
from annotator_ops.steps import operate


def write(folder: Path) -> Path:
    return demo._write(folder, "process")


def refused(folder: Path) -> str:
    with pytest.raises(OpsError) as caught:
        write(folder)
    assert folder.joinpath("study.yaml").exists()
    return caught.value.code


def test_an_earlier_demo_is_made_anew(tmp_path: Path) -> None:
    write(tmp_path / "demo")
    (tmp_path / "demo" / "leftover").touch()
    write(tmp_path / "demo")
    assert not (tmp_path / "demo" / "leftover").exists()


def test_a_simulated_study_is_left_alone(tmp_path: Path) -> None:
    study = write(tmp_path / "study")
    (study.parent / ".annotator-ops-demo").unlink()
    assert "simulated: true" in study.read_text()
    assert refused(study.parent) == "not-a-demo"


def test_a_copy_of_the_demo_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "demo")
    shutil.copytree(tmp_path / "demo", tmp_path / "mine")
    assert refused(tmp_path / "mine") == "not-a-demo"


def test_a_demo_that_became_somebodys_study_is_left_alone(tmp_path: Path) -> None:
    study = write(tmp_path / "demo")
    study.write_text(study.read_text() + "# my own study\n")
    assert refused(study.parent) == "not-a-demo"


def test_what_could_not_be_destroyed_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "demo")
    failed = StepResult(
        "destroy", (Outcome("annotator-1", "failed", "not removed: it runs", "stop-failed", "End it."),)
    )
    monkeypatch.setattr(operate, "destroy", lambda _bench, _names, *, backup: failed)
    assert refused(tmp_path / "demo") == "demo-not-removed"
