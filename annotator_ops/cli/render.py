"""Layer 5. A step's result as text for a person. `--json` prints the same result whole."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from annotator_ops.models import StepResult

# A longer subject, such as a path, pushes only its own line to the right.
_LONGEST_SUBJECT = 28
_MARKS = {"ok": "[green]✓[/]", "skipped": "[dim]–[/]", "warning": "[yellow]![/]", "failed": "[red]✗[/]"}


def render(result: StepResult) -> None:
    """Print a result: what belongs to its command, the outcomes, then the notes."""
    # What is piped into a file or a pager is not cut to a terminal's width.
    # No emoji codes: "tasks.jsonl:100:" is a place in a file.
    console = Console(highlight=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    special = _SPECIAL.get(result.command)
    if special is not None:
        special(console, result)
    else:
        _outcomes(console, result)
    for note in result.notes:
        console.print(escape(note))


def _outcomes(console: Console, result: StepResult) -> None:
    width = min(max((len(outcome.subject) for outcome in result.outcomes), default=0), _LONGEST_SUBJECT)
    for outcome in result.outcomes:
        subject = escape(outcome.subject.ljust(width))
        console.print(f"{_MARKS[outcome.state]} {subject}  {escape(outcome.message)}")
        if outcome.hint:
            console.print(f"  {' ' * width}  [dim]→ {escape(outcome.hint)}[/]")


def _provision(console: Console, result: StepResult) -> None:
    urls = {row["annotator"]: row["url"] for row in result.data.get("instances", ())}
    width = min(max((len(outcome.subject) for outcome in result.outcomes), default=0), _LONGEST_SUBJECT)
    for outcome in result.outcomes:
        where = f"  {urls.get(outcome.subject) or ''}" if outcome.state == "ok" else ""
        console.print(
            f"{_MARKS[outcome.state]} {escape(outcome.subject.ljust(width))}  {escape(outcome.message)}{escape(where)}"
        )
        if outcome.hint:
            console.print(f"  {' ' * width}  [dim]→ {escape(outcome.hint)}[/]")
    if result.exit_code == 0 and not result.data.get("dry_run"):
        console.print("[dim]Next: `ops invite` writes the message for each annotator; `ops status` shows progress.[/]")


def _status(console: Console, result: StepResult) -> None:
    rows = result.data["instances"]
    if rows:
        wide = console.width >= _WIDE
        columns = _STATUS_COLUMNS if wide else tuple(c for c in _STATUS_COLUMNS if c[0] not in _ONLY_WIDE)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading, justify in columns:
            table.add_column(heading, justify=justify, no_wrap=True)
        for row in rows:
            cells = dict(zip((name for name, _ in _STATUS_COLUMNS), _status_cells(row), strict=True))
            table.add_row(*(cells[name] for name, _ in columns))
        console.print(table)
    for outcome in result.outcomes:
        if outcome.state == "failed":
            console.print(f"{_MARKS['failed']} {escape(outcome.subject)}: {escape(outcome.message)}")
            console.print(f"  [dim]→ {escape(outcome.hint)}[/]")
    if result.data.get("exposed_url"):
        console.print(f"Public address: {escape(result.data['exposed_url'])}")


_PIPED_WIDTH = 160
_WIDE = 110
_ONLY_WIDE = {"memory", "disk", "walls", "address"}
_STATUS_COLUMNS: tuple[tuple[str, Any], ...] = (
    ("annotator", "left"),
    ("state", "left"),
    ("done", "right"),
    ("skipped", "right"),
    ("of", "right"),
    ("s/task", "right"),
    ("last activity", "left"),
    ("memory", "right"),
    ("disk", "right"),
    ("walls", "right"),
    ("address", "left"),
)


def _status_cells(row: Mapping[str, Any]) -> list[str]:
    state = row["state"]
    colour = "green" if state == "running" else "dim" if row["target"] == "stopped" else "red"
    seconds = row["median_seconds"]
    return [
        escape(row["annotator"]),
        f"[{colour}]{state}[/]",
        _cell(row["done"]),
        _cell(row["skipped"]),
        _cell(row["total"]),
        "–" if seconds is None else f"{seconds:.0f}",
        _ago(row["last_activity"]),
        _megabytes(row["memory"]),
        _megabytes(row["disk"]),
        _walls(row["walls"]),
        escape(row["url"] or "–"),
    ]


def _cell(value: Any) -> str:
    return "–" if value is None else str(value)


def _megabytes(size: int | None) -> str:
    return "–" if size is None else f"{size / 1e6:.0f} MB"


def _walls(walls: Sequence[Mapping[str, Any]] | None) -> str:
    """How many of the walls are in force; the notes below the table name those that are not."""
    if walls is None:
        return "–"
    standing = sum(bool(wall["in_force"]) for wall in walls)
    return "all" if standing == len(walls) else f"[yellow]{standing} of {len(walls)}[/]"


def _ago(moment: str | None) -> str:
    if moment is None:
        return "–"
    then = datetime.fromisoformat(moment)
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    seconds = (datetime.now(UTC) - then).total_seconds()
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name} ago"
    return f"{seconds / 86400:.0f} days ago"


def _invite(console: Console, result: StepResult) -> None:
    shown = () if result.data.get("folder") else result.data.get("invitations", ())
    for invitation in shown:
        console.rule(
            escape(f"for {invitation['name']}" + (f" <{invitation['contact']}>" if invitation["contact"] else ""))
        )
        console.print(escape(invitation["message"]))
    if any(outcome.state == "failed" or "written" in outcome.message for outcome in result.outcomes):
        _outcomes(console, result)


def _logs(console: Console, result: StepResult) -> None:
    for line in result.data["lines"]:
        console.print(escape(line))
    if not result.data["lines"]:
        console.print("[dim]Nothing has been written yet.[/]")


def _plan_sample(console: Console, result: StepResult) -> None:
    _outcomes(console, result)
    for plan in result.data["plans"]:
        sizes = list(dict.fromkeys(row["n_items"] for row in plan["rows"]))
        table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
        table.title = escape(f"\n{plan['title']}: expected half width of the interval of alpha")
        table.add_column("annotators an item", justify="right")
        for size in sizes:
            table.add_column(f"{size:,} items", justify="right")
        by_raters: dict[int, list[str]] = {}
        for row in plan["rows"]:
            width = "–" if row["half_width"] is None else f"{'≤ ' if row['bound'] else ''}{row['half_width']:.3f}"
            by_raters.setdefault(row["n_raters"], []).append(width)
        for raters, widths in by_raters.items():
            table.add_row(str(raters), *widths)
        console.print(table)
        for needed in plan["needed"] or ():
            how = f"alpha ± {result.data['half_width']:g} with {needed['n_raters']} annotators an item"
            about = "at most about" if needed["bound"] else "about"
            said = f"needs {about} {needed['n_items']:,} items" if needed["n_items"] else f"– {needed['reason']}"
            console.print(f"  {escape(how)} {escape(said)}")


_SPECIAL: dict[str, Callable[[Console, StepResult], None]] = {
    "provision": _provision,
    "start": _provision,
    "status": _status,
    "invite": _invite,
    "logs": _logs,
    "plan-sample": _plan_sample,
}
