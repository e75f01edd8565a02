"""Layer 4. `ops judge apply`: which items calibrated judges may take, and the tasks that are left for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import ModelJudge, base_name
from annotator_ops.judging.calibration import (
    Calibration,
    confidences,
    found_again,
    read_calibration,
    rows_of,
    version_of,
)
from annotator_ops.models import JSONDict, Outcome, StepResult, Study, Task
from annotator_ops.reporting.known import items_of
from annotator_ops.reporting.render import write
from annotator_ops.reporting.rounding import number_of, percent
from annotator_ops.reporting.source import (
    Material,
    Progress,
    Tables,
    material_of_files,
    material_of_study,
    silent,
)
from annotator_ops.stats.judges.selective import NOBODY, decide
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import MISSING, IntArray
from annotator_ops.stats.vocabulary import used
from annotator_ops.steps import writing
from annotator_ops.store.current import current
from annotator_ops.store.database import Store
from annotator_ops.tables import encode_rows
from annotator_ops.targets import check_judged_target, check_target, check_tasks_target, format_of

# So many items are named.
_NAMED = 3
_ELSEWHERE = "Name another file, or free the disk."
COLUMNS = ("item", "criterion", "value", "rater", "kind", "confidence", "model", "prompt")


@dataclass(frozen=True, slots=True)
class Applied:
    """What is applied and where to: the calibration's file, the table of judged items, the tasks left for people.

    `again`: items that people have rated already are judged, or listed, like all others.
    """

    calibration: Path
    judged: Path
    people: Path
    again: bool = False


def apply_files(tables: Tables, wanted: Applied, *, created_at: datetime, progress: Progress = silent) -> StepResult:
    """A calibration applied to the scores in tidy tables; the items are the tasks of the file `tables.items`.

    Raises OpsError as `material_of_files` and `read_calibration` do; "no-items" without tasks; "unknown-criterion",
    "unknown-judge" and "judge-changed" where the scores are not of what was calibrated; "no-confidence"; and for
    targets that cannot be written or would overwrite something else.
    """
    if tables.items is None:
        raise OpsError(
            "The items that are left for people are to be written as tasks, and no tasks are given.",
            hint="Give the task file of all items with --items.",
            code="no-items",
        )
    _check(wanted, tables.files)
    calibration = read_calibration(wanted.calibration)
    tasks = items_of(tables.items)
    material = material_of_files(tables, created_at=created_at, progress=progress)
    return _Applying(material, calibration, tasks, wanted).written(tables.files)


def apply_study(
    study: Study, store: Store, wanted: Applied, *, created_at: datetime, progress: Progress = silent
) -> StepResult:
    """`apply_files` for a study's own tasks, and what was collected for it; that may be nothing yet.

    An annotator's export that cannot be read is a failed outcome.
    """
    _check(wanted, study.data_files)
    calibration = read_calibration(wanted.calibration)
    stored = current(study, store)
    material = material_of_study(study, stored, created_at=created_at, progress=progress)
    models = {judge.name: judge for judge in study.model_judges}
    result = _Applying(material, calibration, study.tasks, wanted, models=models).written(study.data_files)
    return replace(result, outcomes=(*result.outcomes, *stored.failed))


def _check(wanted: Applied, inputs: Sequence[Path]) -> None:
    check_judged_target(wanted.judged, inputs=(*inputs, wanted.calibration))
    check_target(wanted.people, suffixes=(".jsonl",), inputs=(*inputs, wanted.calibration))


class _Applying:
    """One application: which judge takes which task, and what is written."""

    def __init__(
        self,
        material: Material,
        calibration: Calibration,
        tasks: Sequence[Task],
        wanted: Applied,
        *,
        models: Mapping[str, ModelJudge] | None = None,
    ) -> None:
        self._material = material
        self._calibration = calibration
        self._wanted = wanted
        self._table = self._on(calibration.criterion)
        # A judge that always abstains need not be asked any more.
        self._raters = [
            judge.judge if judge.threshold is None else found_again(self._table, judge, models=models)
            for judge in calibration.judges
        ]
        people = self._table.people()
        people = people.where(people.rated)
        rated = {people.items[code] for code in np.unique(people.item).tolist()}
        # A task given a second time is there to see how steady annotators are; it is no item of its own.
        first = [task for task in tasks if task.repeat_of is None]
        self._tasks = [task for task in first if wanted.again or task.id not in rated]
        self._n_rated = len(first) - len(self._tasks)
        self._n_repeats = len(tasks) - len(first)
        names = [task.id for task in self._tasks]
        self._confidence = confidences(self._table.models(), self._raters, names)
        self._chosen: IntArray = decide(self._confidence, calibration.thresholds)
        scored = self._scored()
        self._n_unscored = sum(name not in scored for name in names)
        ids = {task.id for task in tasks}
        self._no_tasks = [name for name in scored if name not in ids]

    def written(self, inputs: Sequence[Path]) -> StepResult:
        """Write both files, the tasks first: where they would take another file's place, nothing is written at all."""
        left = [task for task, judge in zip(self._tasks, self._chosen.tolist(), strict=True) if judge == NOBODY]
        content = "".join(json.dumps(dict(task.data), ensure_ascii=False, allow_nan=False) + "\n" for task in left)
        wanted = self._wanted
        if left:
            check_tasks_target(wanted.people, content, inputs=(*inputs, wanted.calibration))
        rows = self._rows()
        if left:
            with writing(wanted.people, hint=_ELSEWHERE):
                write(wanted.people, content)
        with writing(wanted.judged, hint=_ELSEWHERE):
            write(wanted.judged, encode_rows(rows, COLUMNS, format_of(wanted.judged)))
        return self._said(len(rows), len(left))

    def _scored(self) -> dict[str, None]:
        """The items that any judge of the calibration has scored, in whatever version, in their order."""
        bases = {base_name(judge.judge) for judge in self._calibration.judges}
        models = self._table.models()
        own = np.array([*(base_name(name) in bases for name in models.raters), False], dtype=np.bool_)
        rows = models.where(models.rated & own[models.rater])
        return dict.fromkeys(rows.items[code] for code in used(rows.items, rows.item))

    def _rows(self) -> list[JSONDict]:
        """The judged items as rows of a tidy table, in the order of the tasks."""
        own: list[dict[str, tuple[Any, float, str | None, str | None]]] = [
            _verdicts(rows_of(self._table, rater)) for rater in self._raters
        ]
        rows = []
        for task, judge in zip(self._tasks, self._chosen.tolist(), strict=True):
            if judge == NOBODY:
                continue
            value, confidence, model, prompt = own[judge][task.id]
            rows.append(
                {
                    "item": task.id,
                    "criterion": self._calibration.criterion,
                    "value": list(value) if isinstance(value, tuple) else value,
                    "rater": self._calibration.judges[judge].judge,
                    "kind": "judge",
                    "confidence": confidence,
                    "model": model,
                    "prompt": prompt,
                }
            )
        return rows

    def _on(self, criterion: str) -> RatingTable:
        names = [spec.name for spec in self._material.specs]
        if criterion not in names:
            raise OpsError(
                f"The calibration is for the criterion {criterion}, which is none here.",
                hint=f"The criteria here are: {', '.join(names) or 'none'}.",
                code="unknown-criterion",
            )
        return self._material.table.of(criterion)

    def _said(self, n_judged: int, n_people: int) -> StepResult:
        wanted, n = self._wanted, len(self._tasks)
        counts = np.bincount(self._chosen[self._chosen != NOBODY], minlength=len(self._raters)).tolist()
        outcomes = [
            Outcome(judge.judge, "ok", number_of(count, "item"), "judged")
            if judge.threshold is not None
            else Outcome(judge.judge, "skipped", "always abstains, as calibrated", "always-abstains")
            for judge, count in zip(self._calibration.judges, counts, strict=True)
        ]
        share = f" ({percent(n_judged / n)} of {n:,})" if n else ""
        judged = f"{number_of(n_judged, 'judged item')} written{share}"
        outcomes.append(Outcome(str(wanted.judged), "ok", judged, "written"))
        unscored = f"; {self._n_unscored:,} of them no judge has scored" if self._n_unscored else ""
        if n_people:
            outcomes.append(
                Outcome(
                    str(wanted.people),
                    "ok",
                    f"{number_of(n_people, 'task')} for people written{unscored}",
                    "written",
                    "Name it under `tasks:` in a study.yaml, then run `ops provision`.",
                )
            )
        else:
            nothing = "no item is left for people" + ("; what stands there is older" if wanted.people.exists() else "")
            outcomes.append(Outcome(str(wanted.people), "skipped", nothing, "nothing-left"))
        notes = list(self._material.notes)
        if self._n_rated:
            verb = "is" if self._n_rated == 1 else "are"
            notes.append(
                f"{number_of(self._n_rated, 'item')} that people have rated already {verb} in neither file; "
                "with --all they are taken like the others."
            )
        if self._n_repeats:
            notes.append(f"{number_of(self._n_repeats, 'task')} given a second time took no part.")
        if self._no_tasks:
            n_lost, first = len(self._no_tasks), ", ".join(self._no_tasks[:_NAMED])
            what = (
                f"{number_of(n_lost, 'item')} that judges have scored {'is no task' if n_lost == 1 else 'are no tasks'}"
            )
            notes.append(
                f"{what}: {first}{', …' if n_lost > _NAMED else ''}. {'It' if n_lost == 1 else 'They'} took no part."
            )
        if n_judged:
            notes.append(self._calibration.promise)
        data: JSONDict = {
            "criterion": self._calibration.criterion,
            "calibration": str(wanted.calibration),
            "n_items": n,
            "n_judged": n_judged,
            "n_people": n_people,
            "n_unscored": self._n_unscored,
            "n_rated": self._n_rated,
            "n_repeats": self._n_repeats,
            "judges": [
                {"judge": judge.judge, "threshold": judge.threshold, "n_judged": count}
                for judge, count in zip(self._calibration.judges, counts, strict=True)
            ],
            "judged_path": str(wanted.judged),
            "people_path": str(wanted.people) if n_people else None,
        }
        return StepResult("judge apply", tuple(outcomes), data, tuple(notes))


def _verdicts(rows: RatingTable) -> dict[str, tuple[Any, float, str | None, str | None]]:
    """What one judge said, how sure it was, and its model and prompt, by item."""
    version = version_of(rows)
    return {
        rows.items[item]: (rows.values[value], confidence, version.model, version.prompt)
        for item, value, confidence in zip(
            rows.item.tolist(), rows.value.tolist(), rows.confidence.tolist(), strict=True
        )
        if value != MISSING
    }
