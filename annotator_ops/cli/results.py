"""Layer 5. Commands that bring home what annotators said: collect, export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotator_ops.cli.edge import run
from annotator_ops.cli.materials import FilesArgument, JudgesOption, LevelOption, TurnsOption, either, now, tables_of
from annotator_ops.cli.options import DEFAULT_STUDY, JsonOption, StudyOption
from annotator_ops.cli.stored import stored
from annotator_ops.errors import OpsError
from annotator_ops.models import StepResult

if TYPE_CHECKING:
    from annotator_ops.models import Study
    from annotator_ops.reporting.source import Progress, Tables
    from annotator_ops.store.database import Store


class TableForm(StrEnum):
    """The formats that `ops export` writes."""

    CSV = "csv"
    PARQUET = "parquet"
    JSONL = "jsonl"


class Whose(StrEnum):
    """Whose preferences are exported."""

    PEOPLE = "people"
    JUDGES = "judges"
    BOTH = "both"


class Agreeing(StrEnum):
    """Who has to agree on the direction of a preference."""

    JUDGES = "judges"
    BOTH = "both"


exports = typer.Typer(name="export", invoke_without_command=True, add_completion=False, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(collect)
    app.add_typer(exports)


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


@exports.callback()
def export(
    context: typer.Context,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")] = None,
    form: Annotated[
        TableForm | None, typer.Option("--format", "-f", help="The table's format; else the file's suffix says it.")
    ] = None,
    wide: Annotated[bool, typer.Option("--wide", help="One row per rater and item, a column per criterion.")] = False,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Write the collected ratings and comments as a table."""
    if context.invoked_subcommand is not None:
        given = [name for name in context.params if _is_typed(context, name)]
        if given:
            run("export", lambda: _misplaced(given, context.invoked_subcommand), json=json)
        return

    def step() -> StepResult:
        from annotator_ops.steps.export import export_study

        opened, store = stored(study)
        with store:
            path = output or opened.root / f"{opened.name}-ratings.{(form or TableForm.CSV).value}"
            return export_study(opened, store, path, form=form.value if form else None, wide=wide)

    run("export", step, json=json)


@exports.command()
def preferences(
    files: FilesArgument = None,
    judges: JudgesOption = None,
    items: Annotated[
        Path | None, typer.Option("--items", help="The task file of all items, where tables are given.")
    ] = None,
    level: LevelOption = None,
    turns: TurnsOption = None,
    criterion: Annotated[
        str | None, typer.Option("--criterion", "-c", help="What is preferred by; else the mean of the criteria.")
    ] = None,
    prompt: Annotated[str, typer.Option("--prompt", help="The task field with the prompt.")] = "",
    left: Annotated[str, typer.Option("--left", help="The field with the left of two responses.")] = "",
    right: Annotated[str, typer.Option("--right", help="The field with the right of two responses.")] = "",
    response: Annotated[
        str, typer.Option("--response", help="The field with the response, where each was rated by itself.")
    ] = "",
    source: Annotated[Whose, typer.Option("--from", help="Whose preference counts; both: the mean of the two.")] = (
        Whose.PEOPLE
    ),
    agree: Annotated[
        Agreeing | None,
        typer.Option("--agree", help="Only where all judges agree with it, or all judges and people."),
    ] = None,
    margin: Annotated[float, typer.Option("--margin", min=0, help="The least difference of the scores.")] = 0.0,
    conversational: Annotated[
        bool, typer.Option("--conversational", help="Write lists of messages in place of texts.")
    ] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Add items, scores, margins and numbers of raters to each line.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The .jsonl file to write.")] = None,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Write pairs of a chosen and a rejected response, to tune a model by."""

    def step() -> StepResult:
        from annotator_ops.preference_fields import Fields
        from annotator_ops.preferences import Wanted
        from annotator_ops.steps.export_preferences import Asked, preferences_files, preferences_study

        wanted = Wanted(source.value, agree.value if agree else None, margin, conversational, details)
        asked = Asked(criterion, Fields(prompt, left, right, response), wanted)

        def of_files(given: Tables, shown: Progress) -> StepResult:
            first = (*given.ratings, *given.judges)[0]
            target = output or Path(f"{first.stem}-preferences.jsonl")
            return preferences_files(given, target, asked, created_at=now(), progress=shown)

        def of_study(opened: Study, store: Store, shown: Progress) -> StepResult:
            target = output or opened.root / f"{opened.name}-preferences.jsonl"
            return preferences_study(opened, store, target, asked, created_at=now(), progress=shown)

        # Without people's ratings there are tables, too: of judges alone.
        tables = tables_of(files or judges, judges, level, items=items, turns=turns)
        if tables is not None and not files:
            tables = replace(tables, ratings=())
        return either(tables, study, of_files, of_study)

    run("export preferences", step, json=json)


def _is_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _misplaced(given: Sequence[str], command: str | None) -> StepResult:
    """Options before the name of another export have no effect on it, and silence would hide that."""
    options = ", ".join({"form": "--format"}.get(name, f"--{name}") for name in given)
    raise OpsError(
        f"{options} stands before `{command}`, where it belongs to `ops export` itself.",
        hint=f"Write the options behind: ops export {command} …",
        code="misplaced-option",
    )
