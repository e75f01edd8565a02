"""Layer 4. `ops plan-sample`: how narrow the interval of alpha would be with more items or other annotators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from annotator_ops.measures import Reason
from annotator_ops.models import JSONDict, Outcome, StepResult, Study
from annotator_ops.reporting.rounding import number_of
from annotator_ops.reporting.source import (
    Material,
    Progress,
    Tables,
    material_of_files,
    silent,
)
from annotator_ops.reporting.words import short
from annotator_ops.stats.planning import PlannedPrecision, items_needed, plan_sample
from annotator_ops.steps import collected_material
from annotator_ops.store.database import Store


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is planned for: numbers of items and of annotators an item, and the half width that is wanted."""

    items: Sequence[int] = (50, 100, 200, 500, 1000)
    annotators: Sequence[int] = (2, 3, 4, 5)
    half_width: float | None = None


def plan_files(tables: Tables, wanted: Wanted, *, created_at: datetime, progress: Progress = silent) -> StepResult:
    """A plan from a pilot's tidy tables: one outcome a criterion. Raises OpsError as `material_of_files` does."""
    return _planned(material_of_files(tables, created_at=created_at, progress=progress), wanted, progress)


def plan_study(
    study: Study, store: Store, wanted: Wanted, *, created_at: datetime, progress: Progress = silent
) -> StepResult:
    """A plan from what has been collected for a study. An export that cannot be read is a failed outcome."""
    material, failed = collected_material(study, store, created_at=created_at, progress=progress)
    result = _planned(material, wanted, progress)
    return replace(result, outcomes=(*result.outcomes, *failed))


def _planned(material: Material, wanted: Wanted, progress: Progress) -> StepResult:
    outcomes: list[Outcome] = []
    plans: list[JSONDict] = []
    cautions: list[str] = []
    for number, spec in enumerate(material.specs):
        title = spec.title or spec.name
        progress("planning", title, number / len(material.specs))
        data = material.reliability(spec)
        if isinstance(data, Reason):
            outcomes.append(Outcome(title, "skipped", data.sentence, data.code))
            continue
        found = plan_sample(data, items=wanted.items, raters=wanted.annotators)
        if isinstance(found, Reason):
            outcomes.append(Outcome(title, "skipped", found.sentence, found.code))
            continue
        plan: JSONDict = {"criterion": spec.name, "title": title, **found.as_json(), "needed": None}
        alpha = found.alpha
        said = f"pilot of {number_of(found.n_items, 'item')}"
        if alpha.value is not None:
            said += f", α = {short(alpha.value)}"
        if wanted.half_width is not None:
            plan["needed"] = []
            for raters in wanted.annotators:
                needed = items_needed(data, half_width=wanted.half_width, n_raters=raters)
                plan["needed"].append({"n_raters": raters, **_needed(needed)})
        outcomes.append(Outcome(title, "ok", said))
        cautions += found.cautions
        plans.append(plan)
    return StepResult(
        "plan-sample",
        tuple(outcomes),
        {"plans": plans, "half_width": wanted.half_width},
        tuple(dict.fromkeys(cautions)),
    )


def _needed(found: PlannedPrecision | Reason) -> JSONDict:
    if isinstance(found, Reason):
        return {"n_items": None, "bound": False, "reason": found.sentence}
    reason = found.reason.sentence if found.reason else None
    return {"n_items": found.n_items if reason is None else None, "bound": found.bound, "reason": reason}
