"""Layer 5. Commands about what annotators' answers show: analyze, report, consensus, plan-sample."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotator_ops.cli.board import analysis_board
from annotator_ops.cli.edge import run
from annotator_ops.cli.options import DEFAULT_STUDY, JsonOption, StudyOption
from annotator_ops.cli.stored import stored
from annotator_ops.errors import OpsError
from annotator_ops.measures import ConsensusMethod
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
GoldOption = Annotated[
    Path | None, typer.Option("--gold", help="Right answers for the tables, in the same columns, of one rater.")
]
ItemsOption = Annotated[
    Path | None, typer.Option("--items", help="The tables' items with their texts: a task file with the same ids.")
]
GroupOption = Annotated[
    list[str] | None,
    typer.Option("--group", "-g", help="NAME=PATTERN, such as experts=expert_*; two or more groups are compared."),
]


_LARGEST = 1_000_000
_PERIOD = re.compile(r"[0-9]+(\.[0-9]+)?")


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    for command in (analyze, report, consensus):
        app.command()(command)
    app.command("plan-sample")(plan_sample)


def analyze(
    files: FilesArgument = None,
    judges: JudgesOption = None,
    level: LevelOption = None,
    gold: GoldOption = None,
    items: ItemsOption = None,
    group: GroupOption = None,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Agreement, who and what disagrees, and model judges."""

    def step() -> StepResult:
        from annotator_ops.steps.analyze import analyze_files, analyze_study

        tables = _tables(files, judges, level, gold=gold, items=items, groups=group)
        return _either(
            tables,
            study,
            lambda given, shown: analyze_files(given, created_at=_now(), progress=shown),
            lambda opened, store, shown: analyze_study(opened, store, created_at=_now(), progress=shown),
        )

    run("analyze", step, json=json)


def report(
    files: FilesArgument = None,
    judges: JudgesOption = None,
    level: LevelOption = None,
    gold: GoldOption = None,
    items: ItemsOption = None,
    group: GroupOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The HTML file to write.")] = None,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Write the HTML page for co-authors and reviewers."""

    def step() -> StepResult:
        from annotator_ops.steps.report import report_files, report_study

        tables = _tables(files, judges, level, gold=gold, items=items, groups=group)
        return _either(
            tables,
            study,
            lambda given, shown: report_files(given, created_at=_now(), output=output, progress=shown),
            lambda opened, store, shown: report_study(opened, store, created_at=_now(), output=output, progress=shown),
        )

    run("report", step, json=json)


def consensus(
    files: FilesArgument = None,
    method: Annotated[
        ConsensusMethod | None,
        typer.Option("--method", "-m", help="Else by level: majority, median, or mean; a tie stays a tie."),
    ] = None,
    level: LevelOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The table to write.")] = None,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Write what annotators together say of each item."""

    def step() -> StepResult:
        from annotator_ops.steps.consensus import consensus_files, consensus_study

        tables = _tables(files, None, level)

        def of_files(given: Tables, shown: Progress) -> StepResult:
            target = output or Path(f"{given.name}-consensus.csv")
            return consensus_files(given, target, method=method, created_at=_now(), progress=shown)

        def of_study(opened: Study, store: Store, shown: Progress) -> StepResult:
            target = output or opened.root / f"{opened.name}-consensus.csv"
            return consensus_study(opened, store, target, method=method, created_at=_now(), progress=shown)

        return _either(tables, study, of_files, of_study)

    run("consensus", step, json=json)


def plan_sample(
    files: FilesArgument = None,
    items: Annotated[str, typer.Option("--items", help="Numbers of items to plan for.")] = "50,100,200,500,1000",
    annotators: Annotated[str, typer.Option("--annotators", help="Numbers of annotators an item.")] = "2,3,4,5",
    half_width: Annotated[
        float | None,
        typer.Option("--half-width", help="How many items alpha ± this needs, such as 0.05."),
    ] = None,
    level: LevelOption = None,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """How many items and annotators are enough, from a pilot."""

    def step() -> StepResult:
        from annotator_ops.steps.plan_sample import Wanted, plan_files, plan_study

        if half_width is not None and not 0 < half_width < 1:
            raise OpsError(
                f"--half-width {half_width:g} is no half width of alpha.",
                hint="Write a number between 0 and 1, such as 0.05 for alpha ± 0.05.",
                code="bad-half-width",
            )
        wanted = Wanted(_sizes(items, "--items"), _sizes(annotators, "--annotators"), half_width)
        tables = _tables(files, None, level)
        return _either(
            tables,
            study,
            lambda given, shown: plan_files(given, wanted, created_at=_now(), progress=shown),
            lambda opened, store, shown: plan_study(opened, store, wanted, created_at=_now(), progress=shown),
        )

    run("plan-sample", step, json=json)


def _sizes(text: str, option: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and 2 <= int(part) <= _LARGEST for part in parts):
        raise OpsError(
            f"{option} {text} is no list of numbers from 2 to {_LARGEST:,}.",
            hint=f"Write them with commas: {option} 50,100,200.",
            code="bad-sizes",
        )
    return tuple(sorted({int(part) for part in parts}))


def _either(
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


def _now() -> datetime:
    """The time in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def _tables(
    files: list[Path] | None,
    judges: list[Path] | None,
    level: list[str] | None,
    *,
    gold: Path | None = None,
    items: Path | None = None,
    groups: list[str] | None = None,
) -> Tables | None:
    """The tables of the command line, or None where it names none and the study is meant."""
    if not files:
        if judges or level or gold or items or groups:
            raise OpsError(
                "`--judges`, `--level`, `--gold`, `--items` and `--group` belong to tables given on the command line; "
                "no table is given.",
                hint="Name the tables, or write `judges:`, `criteria:` and `gold:` into study.yaml.",
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
    )


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
