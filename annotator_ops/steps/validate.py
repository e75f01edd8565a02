"""Layer 4. `ops validate`: says everything that is wrong with a study, without starting anything."""

from __future__ import annotations

from pathlib import Path

from annotator_ops.labeling import criteria_of
from annotator_ops.models import Outcome, StepResult
from annotator_ops.reporting.rounding import number_of
from annotator_ops.validation import validate as find_problems


def validate(path: Path) -> StepResult:
    """One failed outcome per problem, or one that says what the study holds; notes say which scores will not count."""
    study, problems = find_problems(path)
    outcomes = tuple(
        Outcome(
            subject=problem.where if problem.line is None else f"{problem.where}:{problem.line}",
            state="failed",
            message=problem.message,
            code=problem.code,
            hint=problem.hint,
        )
        for problem in problems
    )
    if study is None or problems:
        return StepResult("validate", outcomes, {"study": study.name if study else None})
    criteria = criteria_of(study)
    who = number_of(len(study.annotators), "annotator")
    if not study.annotators:
        who = "annotators to be given with --annotators N"
    tasks = number_of(len(study.tasks), "task")
    rated = number_of(len(criteria), "criterion", "criteria")
    summary = Outcome(
        subject=path.name,
        state="ok",
        message=f"{study.title}: {tasks}, {who}, {rated}. Nothing is wrong with it.",
    )
    data = {
        "study": study.name,
        "tasks": len(study.tasks),
        "annotators": [annotator.id for annotator in study.annotators],
        "criteria": [{"name": each.name, "control": each.control, "level": each.level.value} for each in criteria],
    }
    notes: tuple[str, ...] = ()
    if not study.criteria:
        notes = ("The study names no criteria: each control counts as one, at its usual level.",)
    if study.judges:
        from annotator_ops.reporting.source import judges_notes  # all that an analysis needs, which takes long

        notes += judges_notes(study)
    return StepResult("validate", (summary,), data, notes)
