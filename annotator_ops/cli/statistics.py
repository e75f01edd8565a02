"""Layer 5. Commands about what annotators' answers show: analyze, report, consensus, plan-sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotator_ops.cli.edge import run
from annotator_ops.cli.materials import (
    FilesArgument,
    JudgesOption,
    LevelOption,
    ScaleOption,
    TurnsOption,
    either,
    now,
    scales_of,
    tables_of,
)
from annotator_ops.cli.options import DEFAULT_STUDY, JsonOption, StudyOption
from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import EPSILONS, Judging
from annotator_ops.measures import ConsensusMethod
from annotator_ops.models import StepResult

if TYPE_CHECKING:
    from annotator_ops.models import Study
    from annotator_ops.reporting.source import Progress, Tables
    from annotator_ops.store.database import Store

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
JudgingOption = Annotated[
    Path | None, typer.Option("--judging", help="How the tables' judges are measured: YAML, as under `judging:`.")
]
EpsilonOption = Annotated[
    str | None, typer.Option("--epsilon", help="Of the annotator test: a number, or expert, skilled, crowd.")
]

_LARGEST = 1_000_000


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
    judging: JudgingOption = None,
    turns: TurnsOption = None,
    scale: ScaleOption = None,
    epsilon: EpsilonOption = None,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Agreement, who and what disagrees, and model judges."""

    def step() -> StepResult:
        from annotator_ops.steps.analyze import analyze_files, analyze_study

        tables = tables_of(files, judges, level, gold=gold, items=items, groups=group, turns=turns)
        measured = _Measured(judging, _epsilon(epsilon), scales_of(scale or ()))
        tables = measured.tables(tables)
        return either(
            tables,
            study,
            lambda given, shown: analyze_files(given, created_at=now(), progress=shown),
            lambda opened, store, shown: analyze_study(measured.study(opened), store, created_at=now(), progress=shown),
        )

    run("analyze", step, json=json)


def report(
    files: FilesArgument = None,
    judges: JudgesOption = None,
    level: LevelOption = None,
    gold: GoldOption = None,
    items: ItemsOption = None,
    group: GroupOption = None,
    judging: JudgingOption = None,
    turns: TurnsOption = None,
    scale: ScaleOption = None,
    epsilon: EpsilonOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The HTML file to write.")] = None,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Write the HTML page for co-authors and reviewers."""

    def step() -> StepResult:
        from annotator_ops.steps.report import report_files, report_study

        tables = tables_of(files, judges, level, gold=gold, items=items, groups=group, turns=turns)
        measured = _Measured(judging, _epsilon(epsilon), scales_of(scale or ()))
        tables = measured.tables(tables)
        return either(
            tables,
            study,
            lambda given, shown: report_files(given, created_at=now(), output=output, progress=shown),
            lambda opened, store, shown: report_study(
                measured.study(opened), store, created_at=now(), output=output, progress=shown
            ),
        )

    run("report", step, json=json)


@dataclass(frozen=True, slots=True)
class _Measured:
    """What the command line says of how judges are measured."""

    judging: Path | None
    epsilon: float | None
    scales: Mapping[str, tuple[float, float]]

    def tables(self, tables: Tables | None) -> Tables | None:
        if tables is None:
            if self.judging is not None or self.scales:
                raise OpsError(
                    "`--judging` and `--scale` belong to tables given on the command line; no table is given.",
                    hint="Name the tables, or write `judging:` into study.yaml; a study’s scales are those of its "
                    "label config.",
                    code="options-without-files",
                )
            return None
        from annotator_ops.reporting.known import judging_of

        found = judging_of(self.judging) if self.judging is not None else tables.judging
        return replace(tables, judging=self._with_epsilon(found), scales=self.scales)

    def study(self, study: Study) -> Study:
        return replace(study, judging=self._with_epsilon(study.judging))

    def _with_epsilon(self, judging: Judging) -> Judging:
        return judging if self.epsilon is None else replace(judging, epsilon=self.epsilon)


def _epsilon(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        epsilon = EPSILONS[text] if text in EPSILONS else float(text)
    except ValueError:
        epsilon = -1.0
    if not 0 <= epsilon < 1:
        words = ", ".join(f"{name} ({value:g})" for name, value in EPSILONS.items())
        raise OpsError(
            f"--epsilon {text} is no advantage that an annotator may need.",
            hint=f"Write a number from 0 to below 1, or one of {words}.",
            code="bad-epsilon",
        )
    return epsilon


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

        tables = tables_of(files, None, level)

        def of_files(given: Tables, shown: Progress) -> StepResult:
            target = output or Path(f"{given.name}-consensus.csv")
            return consensus_files(given, target, method=method, created_at=now(), progress=shown)

        def of_study(opened: Study, store: Store, shown: Progress) -> StepResult:
            target = output or opened.root / f"{opened.name}-consensus.csv"
            return consensus_study(opened, store, target, method=method, created_at=now(), progress=shown)

        return either(tables, study, of_files, of_study)

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
        tables = tables_of(files, None, level)
        return either(
            tables,
            study,
            lambda given, shown: plan_files(given, wanted, created_at=now(), progress=shown),
            lambda opened, store, shown: plan_study(opened, store, wanted, created_at=now(), progress=shown),
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
