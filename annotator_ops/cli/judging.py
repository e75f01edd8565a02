"""Layer 5. The command group `ops judge`: model judges, from their thresholds to the tasks that are left for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotator_ops.cli.edge import run
from annotator_ops.cli.judge_run import judge_run
from annotator_ops.cli.materials import (
    FilesArgument,
    JudgesOption,
    LevelOption,
    TurnsOption,
    either,
    merging_of,
    now,
    tables_of,
)
from annotator_ops.cli.options import DEFAULT_STUDY, JsonOption, StudyOption
from annotator_ops.models import StepResult

if TYPE_CHECKING:
    from annotator_ops.models import Study
    from annotator_ops.reporting.source import Progress, Tables
    from annotator_ops.store.database import Store

judge = typer.Typer(
    name="judge",
    help="Model judges: when to trust them, when to ask people.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
judge.command("run")(judge_run)
_CALIBRATION = "calibration.json"


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.add_typer(judge)


@judge.command()
def calibrate(
    files: FilesArgument = None,
    judges: JudgesOption = None,
    level: LevelOption = None,
    turns: TurnsOption = None,
    criterion: Annotated[
        str | None, typer.Option("--criterion", "-c", help="What is judged; needed where judges score several.")
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option("--judge", help="A judge, from cheap to expensive; may be given several times. Else all."),
    ] = None,
    alpha: Annotated[
        float, typer.Option("--alpha", help="How often a trusted judge may disagree with people at most.")
    ] = 0.1,
    delta: Annotated[float, typer.Option("--delta", help="How probable a broken promise may be at most.")] = 0.1,
    split: Annotated[
        bool, typer.Option("--split/--no-split", help="Divide delta among the judges, or give each the whole.")
    ] = True,
    within: Annotated[
        float | None,
        typer.Option("--within", help="A score so far from people's mean still agrees; else as in study.yaml."),
    ] = None,
    held_out: Annotated[
        float, typer.Option("--held-out", help="The share of the rated items on which the result is only measured.")
    ] = 0.3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the items that are held out.")] = 0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The JSON file to write.")] = None,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """From which confidence on judges may stand in for people."""

    def step() -> StepResult:
        from annotator_ops.judging.calibrating import Wanted
        from annotator_ops.steps.judge_calibrate import calibrate_files, calibrate_study

        wanted = Wanted(
            criterion=criterion,
            judges=tuple(judge or ()),
            alpha=alpha,
            delta=delta,
            split=split,
            within=within,
            held_out=held_out,
            seed=seed,
        )

        def of_files(given: Tables, shown: Progress) -> StepResult:
            return calibrate_files(given, output or Path(_CALIBRATION), wanted, created_at=now(), progress=shown)

        def of_study(opened: Study, store: Store, shown: Progress) -> StepResult:
            target = output or opened.root / _CALIBRATION
            return calibrate_study(opened, store, target, wanted, created_at=now(), progress=shown)

        return either(tables_of(files, judges, level, turns=turns), study, of_files, of_study)

    run("judge calibrate", step, json=json)


@judge.command()
def apply(
    files: FilesArgument = None,
    judges: JudgesOption = None,
    items: Annotated[
        Path | None, typer.Option("--items", help="The task file of all items, where tables are given.")
    ] = None,
    turns: TurnsOption = None,
    calibration: Annotated[
        Path | None, typer.Option("--calibration", help="The file that `ops judge calibrate` wrote.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The table of judged items to write.")] = None,
    escalate: Annotated[
        Path | None, typer.Option("--escalate", help="The task file (.jsonl) to write of what is left for people.")
    ] = None,
    again: Annotated[bool, typer.Option("--all", help="Take items that people have rated already, too.")] = False,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Write what judges may decide, and the tasks left for people."""

    def step() -> StepResult:
        from annotator_ops.reporting.source import Tables
        from annotator_ops.steps.judge_apply import Applied, apply_files, apply_study

        def wanted(folder: Path) -> Applied:
            return Applied(
                calibration=calibration or folder / _CALIBRATION,
                judged=output or folder / "judged.csv",
                people=escalate or folder / "needs-people.jsonl",
                again=again,
            )

        def of_files(given: Tables, shown: Progress) -> StepResult:
            return apply_files(given, wanted(Path()), created_at=now(), progress=shown)

        def of_study(opened: Study, store: Store, shown: Progress) -> StepResult:
            return apply_study(opened, store, wanted(opened.root), created_at=now(), progress=shown)

        # Without people's ratings there are tables, too: of judges alone.
        if judges and not files:
            tables: Tables | None = Tables((), tuple(judges), items=items, turns=merging_of(turns))
        else:
            tables = tables_of(files, judges, None, items=items, turns=turns)
        return either(tables, study, of_files, of_study)

    run("judge apply", step, json=json)
