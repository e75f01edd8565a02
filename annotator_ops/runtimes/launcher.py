"""Layer 3. How the launcher (deploy/launch.py) is called: its command, its environment, its settings file, its line."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotator_ops.models import InstanceSpec, Wall
from annotator_ops.resources import resource
from annotator_ops.runtimes.folder import access_log_file
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.owner import Owner
from annotator_ops.runtimes.walls import walls_from

HOST = "127.0.0.1"
SANDBOX_MISSING = 3  # the launcher's exit code where the study asks for every wall (deploy/launcher/instance.py)


def launcher_argv(installation: Installation, *arguments: str) -> list[str]:
    """The command that runs the launcher in Label Studio's environment (isolated from ours); shows no secret."""
    return [str(installation.python), "-I", str(resource("deploy", "launch.py")), *arguments]


def launcher_environment(installation: Installation, home: Path) -> dict[str, str]:
    """All that a process of Label Studio gets before it reads its settings: nothing is inherited from us."""
    return {
        "PATH": f"{installation.environment_dir}/bin:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
    }


def settings_of(
    spec: InstanceSpec, installation: Installation, *, migrations: str | None, owner: Owner | None
) -> dict[str, Any]:
    """The content of an instance's settings file, secrets included. `owner`: whom to become, where we are root."""
    secrets = {key: secret.reveal() for key, secret in spec.secrets.items()}
    return {
        # One thread for numpy's arithmetic: Label Studio needs no more, and each holds memory.
        "environment": {
            "OPENBLAS_NUM_THREADS": "1",
            **spec.environment,
            **secrets,
            "LABEL_STUDIO_BASE_DATA_DIR": str(spec.data_dir),
        },
        "host": HOST,
        "port": spec.port,
        "migrations": migrations,
        "access_log": str(access_log_file(spec.directory)),
        "sandbox": {
            "mode": spec.limits.sandbox,
            "read": [str(installation.environment_dir)],
            "write": [str(spec.data_dir), str(spec.directory / "tmp")],
            "memory": spec.limits.memory,
            "processes": spec.limits.processes,
            "uid": None if owner is None else owner.uid,
        },
    }


@dataclass(frozen=True, slots=True)
class Report:
    """What an instance said before it began to load Label Studio: its walls, or why it does not start and its code."""

    walls: tuple[Wall, ...] | None = None
    refusal: str | None = None
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """The line to an instance that is being started: it waits for our word, then reports.

    Both ends are closed with the `line()` block: one that had no word by then ends by itself.
    """

    ours: socket.socket
    theirs: socket.socket

    def go(self) -> None:
        """Let it start: it is written down that it exists."""
        self.theirs.close()  # the instance has it now; were ours the last copy, its end would go unseen
        self.ours.send(b"1")

    def hear(self, seconds: float) -> Report:
        """What it reports within so many seconds; an empty report where it ended before that, or is too slow."""
        end = time.monotonic() + seconds
        said = b""
        while not said.endswith(b"\n"):
            if not select.select([self.ours], [], [], max(0.0, end - time.monotonic()))[0]:
                return Report()
            try:
                piece = self.ours.recv(65536)
            except OSError:
                return Report()
            if not piece:
                return Report()
            said += piece
        message = json.loads(said)
        if "refused" in message:
            return Report(refusal=str(message["refused"]), code=int(message["code"]))
        walls = message["sandbox"]
        return Report(None if walls is None else walls_from(walls))


@contextlib.contextmanager
def line() -> Iterator[Line]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Line(ours, theirs)
