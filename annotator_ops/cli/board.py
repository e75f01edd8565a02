"""Layer 5. How far a step is, for a person: bars on a terminal, plain lines otherwise. Always on standard error."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class TerminalBoard:
    """One bar a subject. Used as a context manager; what it showed stays on the screen."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[subject]}", style="bold", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True, emoji=False),
        )
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, subject: str, message: str, fraction: float | None = None) -> None:
        with self._lock:
            if subject not in self._tasks:
                self._tasks[subject] = self._progress.add_task("", total=1.0, subject=subject)
            task = self._tasks[subject]
        if fraction is None:
            self._progress.update(task, description=message)
        else:
            self._progress.update(task, description=message, completed=fraction)


class PlainBoard:
    """One line whenever a subject's message changes; numbers that count up are not repeated for every step."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def update(self, subject: str, message: str, fraction: float | None = None) -> None:  # noqa: ARG002 - a line has none
        kind = "".join(letter for letter in message if not letter.isdigit())
        with self._lock:
            if self._last.get(subject) == kind:
                return
            self._last[subject] = kind
            print(f"{subject}: {message}", file=sys.stderr, flush=True)  # noqa: T201 - this is what the class is for


class SilentBoard(PlainBoard):
    """For `--json` and for `--watch`, where lines in between would only be in the way."""

    def update(self, subject: str, message: str, fraction: float | None = None) -> None:
        pass


def analysis_board() -> TerminalBoard | PlainBoard:
    """For work on this machine, which is quick: bars on a terminal, with `--json` too, and nothing anywhere else."""
    return TerminalBoard() if sys.stderr.isatty() else SilentBoard()


def board(*, json: bool = False) -> TerminalBoard | PlainBoard:
    """The board that fits where standard error goes."""
    if json:
        return SilentBoard()
    return TerminalBoard() if sys.stderr.isatty() else PlainBoard()
