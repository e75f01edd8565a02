"""Layer 1. Which process is which, whether it runs, and how it is ended: a process id alone may be given to another."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotator_ops.errors import OpsError
from annotator_ops.models import State
from annotator_ops.waiting import WaitTimeout, wait_until

_PROC = Path("/proc")
_STATE, _PARENT, _STARTED = 0, 1, 19  # fields of /proc/PID/stat, counted from the one after the program's name


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process for good: its id, when it started (clock ticks since boot), and in which boot of the machine."""

    pid: int
    started: int
    boot: str

    def to_json(self) -> dict[str, int | str]:
        """What is written to disk: `{"pid": …, "started": …, "boot": …}`."""
        return {"pid": self.pid, "started": self.started, "boot": self.boot}

    @staticmethod
    def from_json(content: Any) -> ProcessIdentity:
        """The identity that `to_json` gave. Raises ValueError where `content` is none."""
        try:
            identity = ProcessIdentity(int(content["pid"]), int(content["started"]), str(content["boot"]))
        except (KeyError, TypeError) as error:
            raise ValueError("this is not the identity of a process") from error
        if identity.pid < 1:  # the kernel would take it for a group of processes, or for all of them
            raise ValueError(f"{identity.pid} is not the id of a process")
        return identity

    @property
    def state(self) -> State:
        """RUNNING, EXITED, or UNKNOWN where the process exists but this user may not look at it."""
        if self.boot != boot_id():
            return State.EXITED
        try:
            fields = _stat_fields(self.pid)
        except FileNotFoundError:
            return State.UNKNOWN if _hidden(self.pid) else State.EXITED
        except PermissionError:
            return State.UNKNOWN
        except ProcessLookupError:
            return State.EXITED
        if int(fields[_STARTED]) != self.started:
            return State.EXITED
        if fields[_STATE] in "ZX" and not self._has_other_threads():
            self._reap()
            return State.EXITED
        return State.RUNNING

    @property
    def memory(self) -> int | None:
        """Bytes that the process shares with no other, which would be free without it; None where not known."""
        try:
            lines = (_PROC / str(self.pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            return None
        if not lines:  # it has ended, and was not waited for yet
            return None
        return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_", "Swap:"))) * 1024

    def signal(self, number: int) -> None:
        """Send a signal if this very process still runs. Raises PermissionError where that is not allowed."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        # The descriptor pins the process: were it another one by now, its start time would say so.
        try:
            if self.state is State.RUNNING:
                _signal_process(descriptor, number)
        finally:
            os.close(descriptor)

    def end(self, *, patience: float, kill_deadline: float = 10.0) -> None:
        """SIGTERM, then SIGKILL after `patience` seconds. Does nothing when it is gone.

        Raises OpsError (code "stop-failed") where the process may not be ended, or still runs `kill_deadline` seconds
        after it was killed.
        """
        if self.state is State.UNKNOWN:
            raise self._not_ended("it belongs to another user")
        for number, deadline in ((signal.SIGTERM, patience), (signal.SIGKILL, kill_deadline)):
            try:
                self.signal(number)
                self.wait_gone(deadline=deadline)
            except WaitTimeout:
                continue
            except PermissionError as error:
                raise self._not_ended("it belongs to another user") from error
            return
        raise self._not_ended("not even SIGKILL ended it")

    def wait_gone(self, *, deadline: float) -> None:
        """Wait until the process has ended. Raises WaitTimeout after `deadline` seconds."""
        wait_until(
            lambda: True if self.state is State.EXITED else None,
            what=f"process {self.pid} to end",
            deadline=deadline,
            hint=f"Look at it with `ps -fp {self.pid}` and end it by hand.",
        )

    def _not_ended(self, why: str) -> OpsError:
        return OpsError(
            f"Process {self.pid} could not be ended: {why}.",
            hint=f"Look at it with `ps -p {self.pid} -f`, and run ops as the user it belongs to.",
            code="stop-failed",
        )

    def _has_other_threads(self) -> bool:
        """Whether only the first thread has ended: the others still hold the files and the port."""
        try:
            return len(list((_PROC / str(self.pid) / "task").iterdir())) > 1
        except OSError:
            return False

    def _reap(self) -> None:
        try:
            os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return  # not our child: its own parent, or init, sees to it


def boot_id() -> str:
    return (_PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()


def identify(pid: int) -> ProcessIdentity:
    """The identity of a process that runs now.

    Raises FileNotFoundError or ProcessLookupError where there is none, PermissionError where it may not be looked at.
    """
    return ProcessIdentity(pid, int(_stat_fields(pid)[_STARTED]), boot_id())


def processes_with(argument: str, *, parent: int | None = None) -> list[ProcessIdentity]:
    """The processes that have `argument` on their command line; with `parent`, only that process's children."""
    found = []
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # First who it is: were the number given to another program meanwhile, that one is left alone.
            identity = identify(int(folder.name))
            its_parent = int(_stat_fields(identity.pid)[_PARENT])
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile, or is not ours to look into
            continue
        if parent in {None, its_parent} and os.fsencode(argument) in arguments:
            found.append(identity)
    return found


def _stat_fields(pid: int) -> list[str]:
    text = (_PROC / str(pid) / "stat").read_text(errors="replace")  # a program's name may be any bytes
    return text.rpartition(")")[2].split()  # and it may hold blanks and parentheses


def _hidden(pid: int) -> bool:
    """Whether a process exists that /proc does not show (mounted with hidepid)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        return False
    return True  # ours, and hidden all the same: a program with capabilities of its own, such as a Caddy on port 80


def _signal_process(descriptor: int, number: int) -> None:
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return
