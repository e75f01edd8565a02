"""Layer 5. Commands about the study itself: init, validate, doctor, demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from annotator_ops.cli.edge import run
from annotator_ops.cli.options import DEFAULT_STUDY, JsonOption, StudyOption
from annotator_ops.models import StepResult


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    for command in (init, validate, doctor, demo):
        app.command()(command)


def init(
    directory: Annotated[Path, typer.Argument(help="The folder to make.")],
    template: Annotated[
        str, typer.Option("--template", "-t", help="Which study to start from; an unknown name lists them all.")
    ] = "dialogue-ratings",
    json: JsonOption = False,
) -> None:
    """Write a study that works as it is, to be changed into your own."""

    def step() -> StepResult:
        from annotator_ops.steps.init import init as make

        return make(directory, template)

    run("init", step, json=json)


def validate(study: StudyOption = DEFAULT_STUDY, json: JsonOption = False) -> None:
    """Find all that is wrong with a study."""

    def step() -> StepResult:
        from annotator_ops.steps.validate import validate as check

        return check(study)

    run("validate", step, json=json)


def doctor(study: StudyOption = DEFAULT_STUDY, json: JsonOption = False) -> None:
    """Check this machine: what is missing, and the mend."""

    def step() -> StepResult:
        from annotator_ops.steps.doctor import doctor as examine

        return examine(study if study.exists() or study != DEFAULT_STUDY else None)

    run("doctor", step, json=json)


def demo(
    directory: Annotated[Path, typer.Argument(help="Where to put the demo study.")] = Path("demo"),
    annotators: Annotated[int, typer.Option("--annotators", "-n", min=1, help="How many made-up annotators.")] = 5,
    runtime: Annotated[str, typer.Option(help="auto, process or docker.")] = "auto",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the instances running at the end.")] = False,
    json: JsonOption = False,
) -> None:
    """The whole way with made-up annotators."""

    def step() -> StepResult:
        from annotator_ops.cli.demo import demo as play

        return play(directory, annotators, runtime, keep=keep, json=json)

    run("demo", step, json=json)
