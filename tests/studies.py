"""Whole studies for tests, driven through the `ops` command as a person would."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from annotator_ops.steps.init import init

OPS = Path(sys.executable).parent / "ops"

# Each way to run a Label Studio, as keys of a study file; as parameters of a test, with what it needs.
WAYS: dict[str, dict[str, Any]] = {
    "warm": {"runtime": "process"},
    "ordinary": {"runtime": "process", "label_studio": {"start": "ordinary"}},
    "docker": {"runtime": "docker"},
}
EVERY_WAY = [pytest.param(way, marks=[pytest.mark.docker] if way == "docker" else [], id=way) for way in WAYS]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Ran:
    """What one `ops` run said."""

    code: int
    json: dict[str, Any]
    errors: str


def ops(*arguments: str, study: Path, timeout: float = 600) -> Ran:
    """Run `ops … --json --study STUDY`; a traceback is never acceptable."""
    done = subprocess.run(
        [OPS, *arguments, "--json", "--study", study],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=timeout,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.returncode, json.loads(done.stdout or "{}"), done.stderr)


def well(*arguments: str, study: Path) -> dict[str, Any]:
    """`ops …` that must succeed; its JSON."""
    ran = ops(*arguments, study=study)
    assert ran.code == 0, (ran.json, ran.errors)
    return ran.json


def write_study(directory: Path, changes: Mapping[str, Any], *, template: str = "classification") -> Path:
    """A template's study with some keys changed and a free proxy port; None removes a key."""
    init(directory, template)
    study = directory / "study.yaml"
    content = yaml.safe_load(study.read_text())
    content["proxy"] = {"port": free_port(), **changes.get("proxy", {})}
    for key, value in changes.items():
        if value is None:
            content.pop(key, None)
        elif key != "proxy":
            content[key] = value
    study.write_text(yaml.safe_dump(content, allow_unicode=True))
    return study


@contextmanager
def destroyed_at_the_end(study: Path) -> Iterator[Path]:
    """Whatever a test does, nothing of its study keeps running."""
    try:
        yield study
    finally:
        ops("destroy", "--yes", "--no-backup", study=study)
