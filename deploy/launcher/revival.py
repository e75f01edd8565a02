"""Starting an instance again that ended by itself, though nobody stopped it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher import instance

if TYPE_CHECKING:
    from launcher.template import Request

# The folder's files, by the names that annotator_ops gives them (annotator_ops/runtimes/folder.py).
RECORD = "process.json"
CONTROL = "control.lock"
DATABASE = "database.lock"
LOG = Path("log", "label-studio.log")

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
STEADY_SECONDS = 60.0  # who ran this long has recovered
MOST_TRIES = 10


@dataclass(slots=True)
class _Watched:
    """A running instance. `tries` counts the starts in a row of which none held."""

    settings: Path
    directory: Path
    environment: dict[str, str]
    identity: dict[str, Any]
    since: float
    tries: int = 0
    due: float = 0.0


class Revival:
    """Watches the instances that were forked here, and starts again those that died.

    `start` forks one for a request and closes the request's descriptors. Whether an instance was to end is in its
    record; records change under the lock that ops commands take, too, so that nothing is started twice.
    """

    def __init__(self, start: Callable[[Request], int]) -> None:
        self._start = start
        self._running: dict[int, _Watched] = {}
        self._waiting: list[_Watched] = []

    @property
    def busy(self) -> bool:
        return bool(self._running or self._waiting)

    def watch(self, pid: int, settings: Path, directory: Path, environment: dict[str, str]) -> None:
        self._running[pid] = _Watched(settings, directory, environment, identity_of(pid), time.monotonic())

    def next_due(self, *, default: float) -> float:
        """Seconds until the next start, at most `default`."""
        now = time.monotonic()
        return min([default, *(max(0.05, watched.due - now) for watched in self._waiting)])

    def look(self) -> None:
        """Note who has ended, and start who is due."""
        self._reap()
        now = time.monotonic()
        for watched in [one for one in self._waiting if one.due <= now]:
            self._waiting.remove(watched)
            self._revive(watched)

    def _reap(self) -> None:
        while self._running:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            watched = self._running.pop(pid, None)
            if watched is not None and os.waitstatus_to_exitcode(status) not in instance.FINAL:
                steady = time.monotonic() - watched.since > STEADY_SECONDS
                watched.tries = 0 if steady else watched.tries
                self._wait(watched)

    def _wait(self, watched: _Watched) -> None:
        if watched.tries < MOST_TRIES:
            watched.due = time.monotonic() + min(LONGEST_PAUSE, FIRST_PAUSE * 2**watched.tries)
            watched.tries += 1
            self._waiting.append(watched)
        else:
            _note(watched.directory, f"it ended {MOST_TRIES} times in a row; it is not started again by itself.")

    def _revive(self, watched: _Watched) -> None:
        try:
            control = os.open(watched.directory / CONTROL, os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # the folder is gone
            return
        try:
            try:
                fcntl.flock(control, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # an ops command is at work on this very instance
                watched.due = time.monotonic() + FIRST_PAUSE
                self._waiting.append(watched)
                return
            record = _read(watched.directory)
            if record is None or record.get("process") != watched.identity or record.get("stopped"):
                return
            try:
                self._start_and_record(watched, record)
            except (OSError, instance.Refusal) as error:
                _note(watched.directory, f"it could not be started again: {error}")
                self._wait(watched)
        finally:
            os.close(control)

    def _start_and_record(self, watched: _Watched, record: dict[str, Any]) -> None:
        from launcher.template import Request

        ours, theirs = socket.socketpair()
        with ours, theirs, contextlib.ExitStack() as opened:

            def keep(descriptor: int) -> int:
                opened.callback(os.close, descriptor)
                return descriptor

            listener = instance.listen("127.0.0.1", int(record["port"]))
            listening = keep(listener.detach())
            database = keep(os.open(watched.directory / DATABASE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            fcntl.flock(database, fcntl.LOCK_EX | fcntl.LOCK_NB)
            log = keep(os.open(watched.directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
            line = theirs.detach()
            opened.pop_all()  # from here on they are the request's, which closes them
            request = Request(
                watched.settings,
                watched.directory,
                watched.environment,
                listener=listening,
                database=database,
                log=log,
                line=line,
            )
            pid = self._start(request)
            identity, restarts = identity_of(pid), int(record.get("restarts", 0)) + 1
            # Where this fails, the new one gets no word on its line, and ends.
            _write(watched.directory, {**record, "process": identity, "restarts": restarts})
            watched.identity, watched.since = identity, time.monotonic()
            self._running[pid] = watched
            _note(watched.directory, "it had ended without being stopped; started again.")
            with contextlib.suppress(OSError):  # it has ended already, which will be seen
                ours.send(b"1")


def identity_of(pid: int) -> dict[str, Any]:
    """Which process this is for good, as annotator_ops/processes.py writes it down."""
    started = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return {"pid": pid, "started": int(started), "boot": boot}


def _read(directory: Path) -> dict[str, Any] | None:
    try:
        record = json.loads((directory / RECORD).read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _write(directory: Path, record: dict[str, Any]) -> None:
    """In place of the former record, whole or not at all."""
    descriptor, draft = tempfile.mkstemp(dir=directory, prefix=f".{RECORD}-")
    with os.fdopen(descriptor, "w") as file:
        json.dump(record, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    Path(draft).replace(directory / RECORD)


def _note(directory: Path, text: str) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"launch: {text}\n")
