"""Layer 5. Commands that bring home what annotators said: collect, export."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from annotator_ops.cli.edge import run
from annotator_ops.cli.options import DEFAULT_STUDY, JsonOption, StudyOption
from annotator_ops.cli.stored import stored
from annotator_ops.models import StepResult


class TableForm(StrEnum):
    """The formats that `ops export` writes."""

    CSV = "csv"
    PARQUET = "parquet"
    JSONL = "jsonl"


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    for command in (collect, export):
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
            loaded, store = stored(study)
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

        opened, store = stored(study)
        with store:
            path = output or opened.root / f"{opened.name}-ratings.{(form or TableForm.CSV).value}"
            return export_study(opened, store, path, form=form.value if form else None, wide=wide)

    run("export", step, json=json)
