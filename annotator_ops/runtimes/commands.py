"""Layer 3. Runs a program that takes its time: line by line, with a deadline, and without inheriting our secrets."""

from __future__ import annotations

import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TAIL = 30


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run. `environment` None means ours; `keep_open` are descriptors that it inherits (locks)."""

    argv: Sequence[str]
    directory: Path
    deadline: float
    environment: Mapping[str, str] | None = None
    keep_open: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit code, its last lines, and whether it was killed at the deadline."""

    code: int
    tail: tuple[str, ...]
    late: bool


def run(command: Command, on_line: Callable[[str], None]) -> Ended:
    """Run `command` to its end, giving every line of its output to `on_line`. Raises OSError when it cannot start."""
    tail: deque[str] = deque(maxlen=_TAIL)
    late = threading.Event()
    with subprocess.Popen(
        list(command.argv),
        cwd=command.directory,
        env=None if command.environment is None else dict(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=command.keep_open,
        text=True,
        errors="replace",
    ) as process:

        def kill() -> None:
            late.set()
            process.kill()

        watchdog = threading.Timer(command.deadline, kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            if process.stdout is not None:
                for line in process.stdout:
                    text = line.rstrip()
                    if text:
                        tail.append(text)
                        on_line(text)
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            watchdog.cancel()
    return Ended(code, tuple(tail), late.is_set())
