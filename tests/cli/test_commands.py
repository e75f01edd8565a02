"""The command line itself: light to start, documented, the same options everywhere, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click import Command
from typer.main import get_command
from typer.testing import CliRunner

from annotator_ops.cli.main import app
from tests.conftest import REPOSITORY

OPS = Path(sys.executable).parent / "ops"


def commands() -> dict[str, Command]:
    """Every command by what is typed after `ops`; of a group, its commands."""
    found: dict[str, Command] = {}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]  # typer types it as a Command
        own = getattr(command, "commands", None)
        found |= {f"{name} {each}": inner for each, inner in (own or {}).items()}
        if not own or getattr(command, "invoke_without_command", False):
            found[name] = command
    return found


COMMANDS = sorted(commands())
HEAVY = ("docker", "pandas", "scipy", "numpy", "matplotlib", "label_studio_sdk", "httpx", "pydantic", "pyngrok", "yaml")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nsys.argv = ['ops', '--help']\nfrom annotator_ops.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "LOADED []" in said


def test_help_lists_every_command() -> None:
    said = subprocess.run([OPS, "--help"], capture_output=True, text=True, check=True).stdout
    for command in COMMANDS:
        assert f"\n  {command.split()[0]} " in said


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_documented(command: str) -> None:
    text = (REPOSITORY / "docs" / "commands.md").read_text()
    assert f"## ops {command}\n" in text, f"docs/commands.md lacks a section for ops {command}"
    section = text.split(f"## ops {command}\n", 1)[1].split("\n## ", 1)[0]
    for parameter in commands()[command].params:
        if parameter.param_type_name == "option" and parameter.name not in {"study", "json", "help"}:
            assert any(name in section for name in parameter.opts), f"{command}: {parameter.opts} is not documented"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_json(command: str) -> None:
    options = {name for parameter in commands()[command].params for name in parameter.opts}
    assert "--json" in options


def test_a_missing_study_is_said_in_words(tmp_path: Path) -> None:
    for command in ("provision", "status", "collect", "validate", "invite", "stop"):
        done = subprocess.run([OPS, command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode in {1, 2}, command
        assert "Traceback" not in done.stdout + done.stderr, command
        assert "study.yaml" in done.stdout + done.stderr, command


def test_a_missing_study_as_json(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["status", "--study", str(tmp_path / "none.yaml"), "--json"])
    said = json.loads(done.stdout)
    assert done.exit_code == 2
    assert said["ok"] is False
    assert set(said["error"]) >= {"code", "message", "hint"}
    assert said["error"]["hint"]
