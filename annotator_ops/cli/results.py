"""Layer 5. Commands about what annotators said: collect, export, analyze, report."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotator_ops.cli.edge import run
from annotator_ops.cli.options import DEFAULT_STUDY, JsonOption, StudyOption
from annotator_ops.errors import OpsError
from annotator_ops.models import Level, StepResult

if TYPE_CHECKING:
    from annotator_ops.models import Study
    from annotator_ops.store.database import Store

FilesArgument = Annotated[
    list[Path] | None, typer.Argument(help="Tidy tables (rater,item,criterion,value) instead of a study.")
]
JudgesOption = Annotated[
    list[Path] | None, typer.Option("--judges", "-j", help="Judges' scores for the tables; may be given twice.")
]
LevelOption = Annotated[
    list[str] | None,
    typer.Option("--level", "-l", help="CRITERION=nominal|ordinal|interval|ratio; may be given several times."),
]


class TableForm(StrEnum):
    """The formats that `ops export` writes."""

    CSV = "csv"
    PARQUET = "parquet"
    JSONL = "jsonl"


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    for command in (collect, export, analyze, report):
        app.command()(command)


def collect(
    fetch_all: Annotated[bool, typer.Option("--all", help="Fetch what seems unchanged, too.")] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Fetch nothing; read all raw exports again.")] = False,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Bring all results home; run it as often as you like."""

    def step() -> StepResult:
        from annotator_ops.cli.board import board
        from annotator_ops.cli.wiring import workbench
        from annotator_ops.steps.collect import collect_study
        from annotator_ops.steps.collect import rebuild as read_again

        if rebuild:
            loaded, store = _stored(study)
            with store, store.lock("collect --rebuild"):
                return read_again(loaded, store)
        with board(json=json) as shown, workbench(study, shown) as opened:
            return collect_study(opened.bench, fetch_all=fetch_all)

    run("collect", step, json=json)


def export(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")] = None,
    form: Annotated[
        TableForm | None, typer.Option("--format", "-f", help="The table's format; else the file's suffix says it.")
    ] = None,
    wide: Annotated[bool, typer.Option("--wide", help="One row per rater and item, a column per criterion.")] = False,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Write the collected ratings and comments as a table."""

    def step() -> StepResult:
        from annotator_ops.steps.export import export_study

        opened, store = _stored(study)
        with store:
            path = output or opened.root / f"{opened.name}-ratings.{(form or TableForm.CSV).value}"
            return export_study(opened, store, path, form=form.value if form else None, wide=wide)

    run("export", step, json=json)


def analyze(
    files: FilesArgument = None,
    judges: JudgesOption = None,
    level: LevelOption = None,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Agreement, and correlation with judges."""

    def step() -> StepResult:
        from annotator_ops.steps.analyze import analyze_files, analyze_study

        if files:
            return analyze_files(files, judges=judges or [], levels=_levels(level), created_at=_now())
        _only_for_files(judges, level)
        opened, store = _stored(study)
        with store:
            return analyze_study(opened, store, created_at=_now())

    run("analyze", step, json=json)


def report(
    files: FilesArgument = None,
    judges: JudgesOption = None,
    level: LevelOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The HTML file to write.")] = None,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Write the HTML page for co-authors and reviewers."""

    def step() -> StepResult:
        from annotator_ops.steps.report import report_files, report_study

        if files:
            return report_files(files, judges=judges or [], levels=_levels(level), created_at=_now(), output=output)
        _only_for_files(judges, level)
        opened, store = _stored(study)
        with store:
            return report_study(opened, store, created_at=_now(), output=output)

    run("report", step, json=json)


def _stored(path: Path) -> tuple[Study, Store]:
    """The study and its store, for commands that need no engine and no network."""
    from annotator_ops import study as study_file
    from annotator_ops.store.database import Store

    study = study_file.load(path)
    return study, Store(study.state_dir)


def _now() -> datetime:
    """The time in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def _levels(given: list[str] | None) -> dict[str, Level]:
    levels = {}
    for text in given or []:
        name, sign, level = text.rpartition("=")
        if not sign or not name or level not in set(Level):
            raise OpsError(
                f"{text!r} declares no level of measurement.",
                hint=f"Write CRITERION=LEVEL, the level one of {', '.join(Level)}.",
                code="bad-level",
            )
        levels[name] = Level(level)
    return levels


def _only_for_files(judges: list[Path] | None, level: list[str] | None) -> None:
    if judges or level:
        raise OpsError(
            "`--judges` and `--level` belong to tables given on the command line; no table is given.",
            hint="Name the tables, or write `judges:` and `criteria:` into study.yaml.",
            code="options-without-files",
        )
