"""Layer 5. The one boundary: runs a step, prints its result as text or JSON, and turns errors into words."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Callable

import typer

from annotator_ops.errors import OpsError, StudyError
from annotator_ops.models import StepResult

# Exit codes: 0 all well, 1 something failed for somebody, 2 nothing could be done, 130 interrupted.
CANNOT = 2
INTERRUPTED = 130


def run(command: str, step: Callable[[], StepResult], *, json: bool) -> None:
    """Run `step` and print what it says. Leaves by typer.Exit with the result's exit code."""
    try:
        result = step()
    except OpsError as error:
        _print_error(command, error, json=json)
        raise typer.Exit(CANNOT) from None
    except KeyboardInterrupt:
        typer.echo(f"\nInterrupted. What was done is recorded; run `ops {command}` again to go on.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if json:
        typer.echo(jsonlib.dumps(result.as_json(), ensure_ascii=False, indent=2, default=str))
    else:
        from annotator_ops.cli.render import render

        render(result)
    if result.exit_code:
        raise typer.Exit(result.exit_code)


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
    if not typer.confirm(question):
        raise OpsError("Nothing was changed.", hint="Run it again when you are sure.", code="not-confirmed")
