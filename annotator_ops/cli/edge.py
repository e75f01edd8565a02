"""Layer 5. The one boundary: runs a step, prints its result as text or JSON, and turns errors into words."""

from __future__ import annotations

import json as jsonlib
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import typer

from annotator_ops.errors import OpsError, StudyError
from annotator_ops.models import StepResult

# Exit codes: 0 all well, 1 something failed for somebody, 2 nothing could be done, 130 interrupted.
CANNOT = 2
INTERRUPTED = 130


def run(command: str, step: Callable[[], StepResult], *, json: bool) -> None:
    """Run `step` and print what it says. Leaves by typer.Exit with the result's exit code."""
    try:
        with _interruptible():
            result = step()
        _print(result, json=json)
    except OpsError as error:
        _print_error(command, error, json=json)
        raise typer.Exit(CANNOT) from None
    except KeyboardInterrupt:
        typer.echo(f"\nInterrupted. What was done is recorded; run `ops {command}` again to go on.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise  # the command line's own ways to leave
    except Exception as error:  # noqa: BLE001 - the last boundary, the only one: a script that reads JSON must get it
        _print_error(command, _unforeseen(error), json=json)
        raise typer.Exit(CANNOT) from None
    if result.exit_code:
        raise typer.Exit(result.exit_code)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C is acknowledged at once and ends after the step that is under way; a second one leaves at once.

    Leaving at once is safe: every effect is recorded before the next begins, and the next run goes on from there.
    """

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
        typer.echo("\nStopping after what is under way; Ctrl-C again leaves at once.", err=True)
        raise KeyboardInterrupt

    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _print(result: StepResult, *, json: bool) -> None:
    if json:
        # Lines and indents are for people; with them, an analysis of a million ratings takes a second longer.
        indent = 2 if sys.stdout.isatty() else None
        typer.echo(jsonlib.dumps(result.as_json(), ensure_ascii=False, indent=indent, default=str))
    else:
        from annotator_ops.cli.render import render

        render(result)


def _unforeseen(error: Exception) -> OpsError:
    """Words for an error that nobody translated. What it says may hold annotators' texts: that is for a file only."""
    kept = _keep_traceback(error)
    if isinstance(error, sqlite3.Error):
        return OpsError(
            f"The study's store could not be used: {error}.",
            hint=f"Look whether the disk of `.ops` is full or read-only, then run the command again. {kept}",
            code="store-failed",
        )
    return OpsError(
        f"Something went wrong inside annotator_ops ({type(error).__name__}).",
        hint=f"What was done is recorded; run the command again. If it fails again, please report it. {kept}",
        code="internal",
    )


def _keep_traceback(error: Exception) -> str:
    """Write the traceback where only this user can read it; says where."""
    from annotator_ops.study import user_home

    written = "".join(traceback.format_exception(error))
    try:
        folder = user_home() / "errors"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path: Path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{os.getpid()}.txt"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(written)
    except (OSError, UnicodeError) as failure:
        return f"(Its details could not be kept: {type(failure).__name__}.)"
    return f"Its details are in {path}; they can hold texts of the study."


def _print_error(command: str, error: OpsError, *, json: bool) -> None:
    if json:
        content: dict[str, object] = {"code": error.code, "message": error.message, "hint": error.hint}
        if isinstance(error, StudyError):
            content["problems"] = [
                {"where": p.where, "line": p.line, "message": p.message, "hint": p.hint, "code": p.code}
                for p in error.problems
            ]
        typer.echo(jsonlib.dumps({"command": command, "ok": False, "error": content}, ensure_ascii=False, indent=2))
        return
    red = typer.style("Error:", fg=typer.colors.RED, bold=True)
    typer.echo(f"{red} {error.message}", err=True)
    typer.echo(f"  → {error.hint}", err=True)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; `yes` has answered already. Without a terminal the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise OpsError(
            "This needs a yes, and there is no terminal to ask on.",
            hint="Add `--yes` if you mean it.",
            code="not-confirmed",
        )
    # The question on a line of its own: a long one would be cut at the terminal's width.
    typer.echo(question)
    if not typer.confirm("Go on?"):
        raise OpsError("Nothing was changed.", hint="Run it again when you are sure.", code="not-confirmed")
