"""Where the key of a judge's endpoint comes from, and that nobody else can read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import ModelJudge
from annotator_ops.study import judge_key
from tests.collect.samples import study

JUDGE = ModelJudge("strict", "m", "http://localhost/v1", "MODEL_KEY", "", "p.j2")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("ANNOTATOR_OPS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "MODEL_KEY"
    file.write_text(text)
    file.chmod(mode)
    return file


def found(root: Path, environment: dict[str, str] | None = None) -> str:
    key = judge_key(study(root), JUDGE, environment=environment or {})
    assert key is not None
    return key.reveal()


def test_the_environment_comes_first_then_the_study_then_the_user(home: Path, tmp_path: Path) -> None:
    write(home / "keys", "of-the-user\n")
    assert found(tmp_path) == "of-the-user"
    write(tmp_path / ".ops" / "keys", "of-the-study")
    assert found(tmp_path) == "of-the-study"
    assert found(tmp_path, {"MODEL_KEY": " of-the-shell "}) == "of-the-shell"


def test_a_judge_that_names_no_key_gets_none(home: Path, tmp_path: Path) -> None:
    assert judge_key(study(tmp_path), replace(JUDGE, key=None), environment={"MODEL_KEY": "x"}) is None


def test_a_key_that_is_not_there_is_asked_for(home: Path, tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="MODEL_KEY is not set") as caught:
        found(tmp_path)
    assert caught.value.code == "no-judge-key"
    assert str(tmp_path / ".ops" / "keys" / "MODEL_KEY") in caught.value.hint


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(mode: int, home: Path, tmp_path: Path) -> None:
    file = write(tmp_path / ".ops" / "keys", "shown-to-all", mode)
    with pytest.raises(OpsError) as caught:
        found(tmp_path)
    assert caught.value.code == "secret-readable-by-others"
    assert f"chmod 600 {file}" in caught.value.hint
    assert "shown-to-all" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("damaged", ["two words", "café", "tab\tin"])
def test_a_damaged_key_is_not_sent_and_not_shown(damaged: str, home: Path, tmp_path: Path) -> None:
    with pytest.raises(OpsError) as caught:
        found(tmp_path, {"MODEL_KEY": damaged})
    assert caught.value.code == "secret-damaged"
    assert damaged not in caught.value.message + caught.value.hint
    (tmp_path / ".ops" / "keys").mkdir(parents=True)
    file = tmp_path / ".ops" / "keys" / "MODEL_KEY"
    file.write_bytes(b"sk-\xff\xfe")
    file.chmod(0o600)
    with pytest.raises(OpsError) as caught:
        found(tmp_path)
    assert caught.value.code == "secret-damaged"
