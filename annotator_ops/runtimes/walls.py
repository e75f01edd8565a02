"""Layer 3. Which walls of the sandbox this machine has, found out by putting them up around a trial process."""

from __future__ import annotations

import json
import subprocess
import sys

from annotator_ops.models import Wall
from annotator_ops.resources import resource

_SECONDS = 60


def try_walls() -> tuple[Wall, ...] | None:
    """Every wall, and whether it stands around a process that this user starts; None where the trial did not work."""
    command = [sys.executable, "-I", str(resource("deploy", "launch.py")), "--try-walls"]
    try:
        tried = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=True
        )
        return walls_from(json.loads(tried.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return None


def walls_from(report: dict[str, dict[str, object]]) -> tuple[Wall, ...]:
    """The report of deploy/launcher/sandbox.py as records. Raises TypeError where it is none."""
    return tuple(
        Wall(name, in_force=bool(wall["in_force"]), detail=str(wall["detail"])) for name, wall in report.items()
    )
