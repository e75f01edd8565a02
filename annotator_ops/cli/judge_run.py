"""Layer 5. The command `ops judge run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotator_ops.cli.edge import run
from annotator_ops.cli.options import DEFAULT_STUDY, JsonOption, StudyOption
from annotator_ops.cli.stored import stored
from annotator_ops.models import StepResult

if TYPE_CHECKING:
    from annotator_ops.models import Study
    from annotator_ops.steps.judge_run import Connect


def judge_run(
    judge: Annotated[
        list[str] | None, typer.Option("--judge", help="A judge of study.yaml; may be given several times. Else all.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", min=0, help="Stop before more than this is spent, as `price` counts.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Ask only about the first so many items of the study.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask nothing: say how much there is to ask, and show the first prompt.")
    ] = False,
    replies: Annotated[
        Path | None, typer.Option("--replies", help="The JSON Lines to write of every stored reply to these prompts.")
    ] = None,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Ask model judges what they have not judged yet."""

    def step() -> StepResult:
        from annotator_ops.cli.board import board
        from annotator_ops.steps.judge_run import Order, plan_run, run_judges

        order = Order(tuple(dict.fromkeys(judge or ())), budget, limit, replies)
        loaded, store = stored(study)
        with store:
            if dry_run:
                return plan_run(loaded, store, order)
            with board(json=json) as shown:
                return run_judges(loaded, store, order, connect=_connect(loaded), board=shown)

    run("judge run", step, json=json)


def _connect(study: Study) -> Connect:
    """How each judge's endpoint is reached: with the key that the judge names, and no faster than it allows."""
    from annotator_ops.judging.client import Endpoint
    from annotator_ops.judging.pacing import Pace
    from annotator_ops.study import judge_key

    return lambda judge, stop: Endpoint(
        judge, judge_key(study, judge), Pace(stop, requests_per_minute=judge.requests_per_minute)
    )
