"""Layer 3. What an instance's folder holds for the process runtime: whose it is, its lock, its settings, its logs."""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from annotator_ops import files
from annotator_ops.errors import OpsError
from annotator_ops.locking import locked
from annotator_ops.models import Wall
from annotator_ops.processes import ProcessIdentity
from annotator_ops.waiting import WaitTimeout

DATABASE_DEADLINE = 5.0  # a process that was killed lets go of its files a moment later
KEPT_LOGS = 5
RECORD = "process.json"
_STUDY, _ANNOTATOR, _SPEC = "annotator-ops.study", "annotator-ops.annotator", "annotator-ops.spec"


@dataclass(frozen=True, slots=True)
class Record:
    """What `process.json` in an instance's folder says: whose it is, and which process serves it.

    `walls` is what the process reported of its sandbox; `note` what the coordinator should know of its start. One that
    was not `stopped` is started again when it dies, by the template that forked it (deploy/launcher/revival.py), which
    then writes the new process down here and counts it in `restarts`.
    """

    study: str
    annotator: str
    spec_hash: str
    port: int
    identity: ProcessIdentity
    walls: tuple[Wall, ...] | None = None
    note: str = ""
    stopped: bool = False
    restarts: int = 0

    def write(self, directory: Path) -> None:
        labels = {_STUDY: self.study, _ANNOTATOR: self.annotator, _SPEC: self.spec_hash}
        content: dict[str, Any] = {
            "format": 1,
            "labels": labels,
            "port": self.port,
            "process": self.identity.to_json(),
            "walls": None if self.walls is None else [asdict(wall) for wall in self.walls],
            "note": self.note,
            "stopped": self.stopped,
            "restarts": self.restarts,
        }
        write_private(directory / RECORD, content)

    @staticmethod
    def read(directory: Path) -> Record | None:
        """None where the folder holds no instance of ours."""
        try:
            text = (directory / RECORD).read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            content = json.loads(text)
            labels = content["labels"]
            return Record(
                study=labels[_STUDY],
                annotator=labels[_ANNOTATOR],
                spec_hash=labels[_SPEC],
                port=int(content["port"]),
                identity=ProcessIdentity.from_json(content["process"]),
                # What an earlier version of ops wrote lacks these.
                walls=None if content.get("walls") is None else tuple(Wall(**wall) for wall in content["walls"]),
                note=str(content.get("note", "")),
                stopped=bool(content.get("stopped", False)),
                restarts=int(content.get("restarts", 0)),
            )
        except (ValueError, KeyError, TypeError):
            return None

    @property
    def handle(self) -> str:
        return f"{self.identity.pid}:{self.identity.started}"


@contextlib.contextmanager
def database_lock(directory: Path) -> Iterator[int]:
    """The lock that whoever serves an instance's database holds; raises OpsError while somebody else does."""
    path = directory / "database.lock"
    try:
        with locked(path, what="the database", deadline=DATABASE_DEADLINE) as descriptor:
            yield descriptor
    except WaitTimeout as error:
        raise OpsError(
            f"A process that ops does not know of uses the database in {directory}.",
            hint=f"`fuser {path}` names it; end it and run the command again.",
            code="instance-locked",
        ) from error


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON whole or not at all, readable by this user only."""
    files.write_private(path, json.dumps(content, indent=1))


def log_file(directory: Path) -> Path:
    return directory / "log" / "label-studio.log"


def access_log_file(directory: Path) -> Path:
    """One line for each request that reached the instance, without its query."""
    return directory / "log" / "access.log"


def open_log(directory: Path) -> BinaryIO:
    return os.fdopen(os.open(log_file(directory), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def rotate_log(directory: Path) -> None:
    """label-studio.log becomes .1, .1 becomes .2, …; the oldest is dropped. So for the access log."""
    for log in (log_file(directory), access_log_file(directory)):
        _rotate(log)


def _rotate(log: Path) -> None:
    names = [log, *(log.with_name(f"{log.name}.{number}") for number in range(1, KEPT_LOGS + 1))]
    for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
        if newer.exists():
            newer.replace(older)


def last_lines(directory: Path, lines: int) -> Sequence[str]:
    """The last lines that the instance wrote since it was started, oldest first."""
    try:
        with log_file(directory).open(errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, maxlen=max(lines, 0))]
    except FileNotFoundError:
        return []
