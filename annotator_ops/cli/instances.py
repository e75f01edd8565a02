"""Layer 5. Commands about running instances: provision, status, invite, logs, simulate, stop, start, destroy."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from annotator_ops.cli.edge import confirm, run
from annotator_ops.cli.options import DEFAULT_STUDY, JsonOption, StudyOption, WhoArgument
from annotator_ops.models import StepResult

_WATCH_SECONDS = 5.0


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    for command in (provision, status, invite, logs, stop, start, destroy, simulate):
        app.command()(command)


def provision(
    annotators: Annotated[
        int | None, typer.Option("--annotators", "-n", min=1, help="How many, unless study.yaml lists them by name.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the plan.")] = False,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Give every annotator a Label Studio, ready to label."""

    def step() -> StepResult:
        from annotator_ops.cli.board import board
        from annotator_ops.cli.wiring import require_annotators, workbench
        from annotator_ops.steps.provision import provision as bring_up

        with (
            board(json=json) as shown,
            workbench(study, shown, count=annotators, check=True, remember=not dry_run) as opened,
        ):
            require_annotators(opened.bench.study)
            return bring_up(opened.bench, dry_run=dry_run, runtime_reason=opened.runtime_reason)

    run("provision", step, json=json)


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again every five seconds.")] = False,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """How far each annotator is, and whether everything runs."""

    def step() -> StepResult:
        from annotator_ops.cli.board import board
        from annotator_ops.cli.wiring import workbench
        from annotator_ops.steps.status import status as look

        with board(json=True) as silent, workbench(study, silent) as opened:
            return look(opened.bench)

    if not watch:
        run("status", step, json=json)
        return
    from rich.console import Console

    screen = Console()
    try:
        while True:
            screen.clear()
            try:
                run("status", step, json=json)
            except typer.Exit as left:
                if left.exit_code > 1:
                    raise
            time.sleep(_WATCH_SECONDS)
    except KeyboardInterrupt:
        raise typer.Exit from None


def invite(
    who: WhoArgument = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write one file per annotator into this folder (0600).")
    ] = None,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Write the message for each annotator, with the link."""

    def step() -> StepResult:
        from annotator_ops.cli.board import board
        from annotator_ops.cli.wiring import workbench
        from annotator_ops.steps.operate import invite as write

        with board(json=json) as shown, workbench(study, shown) as opened:
            return write(opened.bench, who or [], folder=output)

    run("invite", step, json=json)


def logs(
    annotator: Annotated[str, typer.Argument(help="Whose instance.")],
    lines: Annotated[int, typer.Option("--lines", "-l", min=1, help="How many lines.")] = 50,
    access: Annotated[bool, typer.Option("--access", help="The proxy's access log instead.")] = False,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """The last lines of an instance's log."""

    def step() -> StepResult:
        from annotator_ops.cli.board import board
        from annotator_ops.cli.wiring import workbench
        from annotator_ops.steps.operate import logs as read

        with board(json=json) as shown, workbench(study, shown) as opened:
            return read(opened.bench, annotator, lines=lines, access=access)

    run("logs", step, json=json)


def stop(who: WhoArgument = None, study: StudyOption = DEFAULT_STUDY, json: JsonOption = False) -> None:
    """Stop instances; their data stays."""

    def step() -> StepResult:
        from annotator_ops.cli.board import board
        from annotator_ops.cli.wiring import workbench
        from annotator_ops.steps.operate import stop as end

        with board(json=json) as shown, workbench(study, shown) as opened:
            return end(opened.bench, who or [])

    run("stop", step, json=json)


def start(who: WhoArgument = None, study: StudyOption = DEFAULT_STUDY, json: JsonOption = False) -> None:
    """Start stopped instances again."""

    def step() -> StepResult:
        from annotator_ops.cli.board import board
        from annotator_ops.cli.wiring import workbench
        from annotator_ops.steps.provision import start as bring_back

        with board(json=json) as shown, workbench(study, shown) as opened:
            return bring_back(opened.bench, who or [])

    run("start", step, json=json)


def destroy(
    who: WhoArgument = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    backup: Annotated[bool, typer.Option("--backup/--no-backup", help="Keep a final backup of the data.")] = True,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Remove instances, keeping a final backup."""

    def step() -> StepResult:
        from annotator_ops.cli.board import board
        from annotator_ops.cli.wiring import workbench
        from annotator_ops.steps.operate import destroy as remove

        with board(json=json) as shown, workbench(study, shown) as opened:
            names = who or sorted(opened.bench.store.instances())
            kept = "A backup is kept." if backup else "NO backup is kept: what was not collected is lost."
            if names:
                confirm(f"Remove the Label Studio of {', '.join(names)} with its data? {kept}", yes=yes)
            return remove(opened.bench, names, backup=backup)

    run("destroy", step, json=json)


def simulate(
    like: Annotated[
        Path | None, typer.Option("--like", help="Ratings (rater,item,criterion,value) to scatter around.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same answers.")] = 1,
    most: Annotated[int | None, typer.Option("--most", min=1, help="At most this many tasks each.")] = None,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Let made-up annotators label a simulated study."""

    def step() -> StepResult:
        from annotator_ops.cli.board import board
        from annotator_ops.cli.wiring import workbench
        from annotator_ops.ratings import read_ratings
        from annotator_ops.steps.simulate import simulate as play

        ratings = read_ratings(like, "judge") if like else ()
        with board(json=json) as shown, workbench(study, shown) as opened:
            return play(opened.bench, seed=seed, like=ratings, most=most)

    run("simulate", step, json=json)
