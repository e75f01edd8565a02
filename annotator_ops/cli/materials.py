"""Layer 5. What is measured: tables named on the command line, or a study with its store; for many commands."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from annotator_ops.cli.board import analysis_board
from annotator_ops.cli.stored import stored
from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import Merging
from annotator_ops.models import Level, StepResult

if TYPE_CHECKING:
    from annotator_ops.models import Study
    from annotator_ops.reporting.source import Progress, Tables
    from annotator_ops.store.database import Store

FilesArgument = Annotated[
    list[Path] | None, typer.Argument(help="Tidy tables (rater,item,criterion,value) instead of a study.")
]
JudgesOption = Annotated[
    list[Path] | None, typer.Option("--judges", "-j", help="Judges' scores for the tables; may be given twice.")
]
LevelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--level", "-l", help="CRITERION=nominal|ordinal|interval|ratio|circular; may be given several times."
    ),
]
ScaleOption = Annotated[
    list[str] | None,
    typer.Option("--scale", help="CRITERION=LOW..HIGH: judges' scores off it are missing; may be given several times."),
]
TurnsOption = Annotated[
    str | None, typer.Option("--turns", help="Judges' turns become one by mean, median, min, max or last.")
]

_SCALE = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)\.\.(-?[0-9]+(?:\.[0-9]+)?)")
_PERIOD = re.compile(r"[0-9]+(\.[0-9]+)?")


def either(
    tables: Tables | None,
    study: Path,
    of_tables: Callable[[Tables, Progress], StepResult],
    of_study: Callable[[Study, Store, Progress], StepResult],
) -> StepResult:
    """A step on the tables where some are given, else on the study with its store, with progress shown."""
    with analysis_board() as shown, _uncollected():
        if tables is not None:
            return of_tables(tables, shown.update)
        opened, store = stored(study)
        with store:
            return of_study(opened, store, shown.update)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of reference cycles, which nothing here makes.

    Reading a million ratings makes millions of objects, and it would look through all of them again and again: an
    eighth of the whole time.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def now() -> datetime:
    """The time in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def tables_of(
    files: list[Path] | None,
    judges: list[Path] | None,
    level: list[str] | None,
    *,
    gold: Path | None = None,
    items: Path | None = None,
    groups: list[str] | None = None,
    turns: str | None = None,
) -> Tables | None:
    """The tables of the command line, or None where it names none and the study is meant."""
    if not files:
        if judges or level or gold or items or groups or turns:
            raise OpsError(
                "`--judges`, `--level`, `--gold`, `--items`, `--group` and `--turns` belong to tables given on the "
                "command line; no table is given.",
                hint="Name the tables, or write `judges:` (with `turns:`), `criteria:` and `gold:` into study.yaml.",
                code="options-without-files",
            )
        return None
    from annotator_ops.reporting.source import Tables

    levels, periods = _levels(level or ())
    return Tables(
        ratings=tuple(files),
        judges=tuple(judges or ()),
        levels=levels,
        periods=periods,
        gold=gold,
        items=items,
        groups=_groups(groups or ()),
        turns=merging_of(turns),
    )


def merging_of(turns: str | None) -> Merging | None:
    """How judges' scores of single turns become one, from the command line. Raises OpsError ("bad-turns")."""
    for known in get_args(Merging):
        if turns == known:
            return cast("Merging", known)
    if turns is not None:
        raise OpsError(
            f"--turns {turns} is no way to make one score of several.",
            hint=f"Write one of {', '.join(get_args(Merging))}.",
            code="bad-turns",
        )
    return None


def _levels(given: Sequence[str]) -> tuple[dict[str, Level], dict[str, float]]:
    """Levels by criterion, and the periods of circular ones."""
    levels, periods = {}, {}
    for text in given:
        name, sign, said = text.rpartition("=")
        level, colon, period = said.partition(":")
        known = bool(sign) and bool(name) and level in set(Level)
        if not known or (colon and not (level == Level.CIRCULAR and _PERIOD.fullmatch(period) and float(period) > 0)):
            raise OpsError(
                f"{text!r} declares no level of measurement.",
                hint=f"Write CRITERION=LEVEL, the level one of {', '.join(Level)}; hours are hour=circular:24.",
                code="bad-level",
            )
        if name in levels:
            raise OpsError(
                f"{text!r} gives {name} a second level.", hint="Give one level for each criterion.", code="bad-level"
            )
        levels[name] = Level(level)
        if colon:
            periods[name] = float(period)
    return levels, periods


def scales_of(given: Sequence[str]) -> dict[str, tuple[float, float]]:
    """The lowest and the highest score by criterion, from the command line. Raises OpsError ("bad-scale")."""
    scales: dict[str, tuple[float, float]] = {}
    for text in given:
        name, _, said = text.rpartition("=")
        ends = _SCALE.fullmatch(said)
        low, high = (float(ends[1]), float(ends[2])) if ends else (0.0, 0.0)
        if not name or low >= high or name in scales:
            raise OpsError(
                f"{text!r} gives {name} a second scale." if name in scales else f"{text!r} is no scale of a criterion.",
                hint="Write each criterion once, as CRITERION=LOW..HIGH: fluency=1..5.",
                code="bad-scale",
            )
        scales[name] = (low, high)
    return scales


def _groups(given: Sequence[str]) -> dict[str, str]:
    groups: dict[str, str] = {}
    for text in given:
        name, sign, pattern = (part.strip() for part in text.partition("="))
        if not sign or not name or not pattern or name in groups:
            why = f"names the group {name} a second time" if name in groups else "names no group"
            hint = "Write each group once, under a name of its own, as NAME=PATTERN: experts=expert_*."
            raise OpsError(f"{text!r} {why}.", hint=hint, code="bad-group")
        groups[name] = pattern
    return groups
