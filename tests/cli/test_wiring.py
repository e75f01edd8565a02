"""How many annotators a study has, when the command line and the study file both say a number."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from annotator_ops.cli import wiring
from annotator_ops.cli.board import SilentBoard
from annotator_ops.cli.main import app
from annotator_ops.store.database import Store
from tests.studies import write_study


def written(folder: Path, annotators: object) -> Path:
    return write_study(folder / "study", {"annotators": annotators, "runtime": "process"})


def say(study: Path, annotators: object) -> None:
    content = yaml.safe_load(study.read_text())
    content["annotators"] = annotators
    study.write_text(yaml.safe_dump(content))


def number(study: Path, count: int | None = None, *, remember: bool = True) -> int:
    """How many annotators a command sees that is given `count`."""
    with wiring.workbench(study, SilentBoard(), count=count, remember=remember) as opened:
        return len(opened.bench.study.annotators)


def test_the_command_lines_number_is_remembered(tmp_path: Path) -> None:
    study = written(tmp_path, None)
    assert [number(study), number(study, 3), number(study)] == [0, 3, 3]


def test_it_wins_over_the_files_number(tmp_path: Path) -> None:
    study = written(tmp_path, 5)
    assert [number(study), number(study, 3), number(study)] == [5, 3, 3]


def test_a_later_number_in_the_file_wins_and_stays(tmp_path: Path) -> None:
    study = written(tmp_path, 5)
    number(study, 3)
    say(study, 6)
    assert number(study) == 6
    say(study, 5)
    assert number(study) == 5, "what was remembered is not back"


def test_a_first_number_in_the_file_wins(tmp_path: Path) -> None:
    study = written(tmp_path, None)
    number(study, 3)
    say(study, 4)
    assert number(study) == 4


def test_names_win_over_any_number(tmp_path: Path) -> None:
    study = written(tmp_path, 5)
    number(study, 3)
    say(study, ["anna", "ben"])
    assert number(study) == 2


def test_a_dry_run_remembers_nothing(tmp_path: Path) -> None:
    study = written(tmp_path, None)
    done = CliRunner().invoke(app, ["provision", "-n", "7", "--dry-run", "--json", "--study", str(study)])
    assert done.exit_code == 0, done.output
    assert done.stdout.count('"do": "create"') == 7
    with Store(study.parent / ".ops") as store:
        assert store.get_meta("annotators") is None
    assert number(study) == 0


def test_a_study_has_one_place_however_it_is_reached(tmp_path: Path) -> None:
    study = written(tmp_path, 1)
    (tmp_path / "link").symlink_to(study.parent)
    with wiring.workbench(tmp_path / "link" / "study.yaml", SilentBoard()) as opened:
        assert opened.bench.study.state_dir == study.parent.resolve() / ".ops"


def test_the_engines_connection_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from annotator_ops.runtimes.docker import DockerRuntime

    closed = []
    monkeypatch.setattr(DockerRuntime, "close", lambda self: closed.append(self))
    study = write_study(tmp_path / "study", {"annotators": 1, "runtime": "docker"})
    with wiring.workbench(study, SilentBoard()) as opened:
        assert not closed
    assert closed == [opened.bench.runtimes["docker"]]
