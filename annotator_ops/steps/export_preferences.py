"""Layer 4. `ops export preferences`: what people and judges preferred, as pairs that a model can be tuned by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.judging.orders import Sides
from annotator_ops.labeling import criteria_of, parse
from annotator_ops.models import JSONDict, Outcome, StepResult, Study, Task
from annotator_ops.preference_fields import (
    Fields,
    common_fields,
    guessed_prompt,
    guessed_response,
    guessed_sides,
    value_at,
)
from annotator_ops.preference_scores import compared, has_numbers, rated, sides_of, span
from annotator_ops.preferences import REASONS, Wanted, Written, pairs_of
from annotator_ops.reporting.known import items_of
from annotator_ops.reporting.render import write
from annotator_ops.reporting.rounding import number_of
from annotator_ops.reporting.source import Material, Progress, Tables, material_of_files, material_of_study, silent
from annotator_ops.stats.levels import CriterionSpec, infer
from annotator_ops.steps import writing
from annotator_ops.store.current import current
from annotator_ops.store.database import Store
from annotator_ops.targets import check_preferences_target


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says: which criterion (None: the only one, or the mean of all), which of the tasks' fields
    (empty: guessed by their names), and which pairs."""

    criterion: str | None = None
    fields: Fields = field(default_factory=lambda: Fields(""))
    wanted: Wanted = field(default_factory=Wanted)


def preferences_files(
    tables: Tables, target: Path, asked: Asked, *, created_at: datetime, progress: Progress = silent
) -> StepResult:
    """The preferences in tidy tables of ratings, about the tasks of `tables.items`, written to `target` (JSON Lines).

    Raises OpsError as `material_of_files` does; "no-items" without tasks; "no-judges" where judges are asked and there
    are none; "unknown-criterion", "criterion-needed", "no-preferences" for a criterion that prefers nothing;
    "fields-needed", "unknown-field"; "too-many-pairs"; "no-pairs", with what was left out by reason; and for a target
    that cannot be written or would overwrite something.
    """
    if tables.items is None:
        raise OpsError(
            "Prompts and responses are texts of the tasks, and no tasks are given.",
            hint="Give the task file of all items with --items.",
            code="no-items",
        )
    check_preferences_target(target, inputs=tables.files)
    tasks = items_of(tables.items)
    material = material_of_files(tables, created_at=created_at, progress=progress)
    specs = tuple(spec if spec.name in tables.levels else _of_judges(spec, material) for spec in material.specs)
    return _Pairing(replace(material, specs=specs), tasks, asked, {}).written(target)


def preferences_study(
    study: Study, store: Store, target: Path, asked: Asked, *, created_at: datetime, progress: Progress = silent
) -> StepResult:
    """`preferences_files` for a study's own tasks, and what was collected for it and said by its judges.

    An annotator's export that cannot be read is a failed outcome.
    """
    check_preferences_target(target, inputs=study.data_files)
    stored = current(study, store)
    material = material_of_study(study, stored, created_at=created_at, progress=progress)
    result = _Pairing(material, study.tasks, asked, _shown_sides(study)).written(target)
    return replace(result, outcomes=(*result.outcomes, *stored.failed))


def _of_judges(spec: CriterionSpec, material: Material) -> CriterionSpec:
    """A criterion on which people said nothing, taken as the judges' values look; any other as it is."""
    own = material.table.of(spec.name)
    if own.people().values_here():
        return spec
    found = infer(spec.name, own.values_here())
    return replace(spec, kind=found.kind, level=found.level)


def _shown_sides(study: Study) -> dict[str, tuple[str, str]]:
    """By criterion, the task fields that a Pairwise control compares, left and right."""
    config = parse(study.label_config)
    found = {}
    for criterion in criteria_of(study):
        control = config.control(criterion.control)
        if control is not None and control.tag == "Pairwise":
            sides = config.shown_to(control)
            if len(sides) == 2 and all(sides):
                found[criterion.name] = (sides[0], sides[1])
    return found


class _Pairing:
    """One export: whose preferences between which texts."""

    def __init__(
        self, material: Material, tasks: Sequence[Task], asked: Asked, shown: dict[str, tuple[str, str]]
    ) -> None:
        table = material.table
        self._table = table.where(table.is_original)
        self._weights = material.context.judging.weights
        self._notes = material.notes
        # A task given a second time is there to see how steady annotators are; it is no pair of its own.
        self._tasks = [task for task in tasks if task.repeat_of is None]
        self._asked = asked
        self._wanted = asked.wanted
        self._shown = shown
        self._specs = {spec.name: spec for spec in material.specs if spec.compared and not spec.derived}
        if asked.criterion is not None and asked.criterion not in self._specs:
            raise OpsError(
                f"There is no criterion {asked.criterion}.",
                hint=f"The criteria are: {', '.join(self._specs) or 'none'}.",
                code="unknown-criterion",
            )

    def written(self, target: Path) -> StepResult:
        self._check_judges()
        names = common_fields(self._tasks)
        pairwise = self._pairwise(names)
        if pairwise is not None:
            spec, sides, fields = pairwise
            criteria, lonely = [spec.name], 0
            candidates, side = compared(self._table, spec, sides, tasks=self._tasks, fields=fields)
        else:
            fields = self._rated_fields(names)
            specs = self._rated_specs()
            criteria = [spec.name for spec in specs]
            candidates, side, lonely = rated(self._table, specs, self._weights, tasks=self._tasks, fields=fields)
        found = pairs_of(candidates, side, self._wanted)
        if not found.lines:
            raise _nothing(found, lonely)
        content = "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in found.lines)
        with writing(target):
            write(target, content)
            back = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
        if back != list(found.lines):
            raise OpsError(
                f"{target} was written, but does not read as what was written.",
                hint="Look whether the disk is sound, or name another file with --output.",
                code="not-readable",
            )
        return self._result(target, found, fields, criteria, lonely, pairwise=pairwise is not None)

    def _result(
        self, target: Path, found: Written, fields: Fields, criteria: list[str], lonely: int, *, pairwise: bool
    ) -> StepResult:
        given = self._asked.fields
        taken = {name: getattr(fields, name) for name in ("prompt", "left", "right", "response")}
        taken = {name: value for name, value in taken.items() if value}
        outcomes = [Outcome(str(target), "ok", f"{number_of(len(found.lines), 'pair')} written", code="exported")]
        outcomes += [
            Outcome("not written", "skipped", f"{number_of(count, 'pair')}: {REASONS[code]}", code=code)
            for code, count in found.dropped.items()
        ]
        if lonely:
            tasks = number_of(lonely, "task")
            outcomes.append(
                Outcome("not written", "skipped", f"{tasks}: no other response to the prompt", "no-partner")
            )
        wanted = self._wanted
        data: JSONDict = {
            "path": str(target),
            "pairs": len(found.lines),
            "dropped": dict(found.dropped),
            "tasks_without_partner": lonely,
            "kind": "pairwise" if pairwise else "rated",
            "criteria": criteria,
            "fields": taken,
            "guessed": [name for name in taken if not getattr(given, name)],
            "from": wanted.source,
            "agree": wanted.agree,
            "margin": wanted.margin,
            "conversational": wanted.conversational,
            "details": wanted.details,
        }
        said = ", ".join(f"{name} from the field {value}" for name, value in taken.items())
        mean = f"the mean of {', '.join(criteria)}" if len(criteria) > 1 else criteria[0]
        taken_from = f"Taken: {said}; preferred by {mean}."
        return StepResult("export preferences", tuple(outcomes), data, (taken_from, *self._notes))

    # --- pairs that were compared as pairs ---------------------------------------------------------------------------

    def _pairwise(self, names: Sequence[str]) -> tuple[CriterionSpec, Sides, Fields] | None:
        """The criterion that compares two responses of one task, and their fields; None where responses are rated."""
        given = self._asked.fields
        if given.response:
            return None
        asked = [self._specs[self._asked.criterion]] if self._asked.criterion else list(self._specs.values())
        comparing = [
            (spec, sides) for spec in asked if (sides := sides_of(spec, self._table.of(spec.name))) is not None
        ]
        by_name = bool(given.left or given.right)
        guess = guessed_sides(names)
        shown = [self._shown[spec.name] for spec, _ in comparing if spec.name in self._shown]
        if not by_name and not (comparing and (guess or shown)):
            return None
        if not comparing:
            raise OpsError(
                f"{asked[0].name if len(asked) == 1 else 'No criterion'} has values for two sides, left and right.",
                hint="Give labels numbers in the study's criterion, such as -1 for the left and 1 for the right side.",
                code="no-preferences",
            )
        if len(comparing) > 1:
            raise _criterion_needed([spec.name for spec, _ in comparing])
        spec, sides = comparing[0]
        left, right = self._shown.get(spec.name) or guess or ("", "")
        left, right = given.left or left, given.right or right
        prompt = given.prompt or guessed_prompt(names, taken=(left, right)) or ""
        fields = Fields(prompt, left, right)
        self._check({"--prompt": prompt, "--left": left, "--right": right}, names)
        return spec, sides, fields

    # --- responses that were rated one by one ------------------------------------------------------------------------

    def _rated_fields(self, names: Sequence[str]) -> Fields:
        given = self._asked.fields
        response = given.response or guessed_response(names, taken=(given.prompt,)) or ""
        prompt = given.prompt or guessed_prompt(names, taken=(response,)) or ""
        fields = Fields(prompt, response=response)
        self._check({"--prompt": prompt, "--response": response}, names)
        return fields

    def _rated_specs(self) -> list[CriterionSpec]:
        """The criterion that is asked for, or all that have numbers and a weight."""
        if self._asked.criterion is not None:
            spec = self._specs[self._asked.criterion]
            if not has_numbers(spec):
                raise OpsError(
                    f"The values of {spec.name} have no order, so none of two responses is better.",
                    hint="Name a criterion with numbers, or declare its level with --level.",
                    code="no-preferences",
                )
            return [spec]
        numeric = [spec for spec in self._specs.values() if has_numbers(spec)]
        if not numeric:
            raise OpsError(
                "No criterion has numbers, so none of two responses is better.",
                hint="Declare the level of a criterion, or name one that compares two responses.",
                code="no-preferences",
            )
        if self._weights:
            return [spec for spec in numeric if self._weights.get(spec.name, 0) > 0] or numeric
        if len({span(spec, self._table.of(spec.name)) for spec in numeric}) > 1:
            raise _criterion_needed([spec.name for spec in numeric])
        return numeric

    def _check_judges(self) -> None:
        """Judges who are asked have to be there."""
        wanted = self._wanted
        if (wanted.agree is None and wanted.source == "people") or self._table.judge.any():
            return
        option = f"--agree {wanted.agree}" if wanted.agree is not None else f"--from {wanted.source}"
        raise OpsError(
            f"`{option}` asks judges, and there is no judge’s score.",
            hint="Name the file of the judges’ scores: with --judges for tables, under `judges:` in study.yaml.",
            code="no-judges",
        )

    def _check(self, options: dict[str, str], names: Sequence[str]) -> None:
        """All fields have to be named, or to be clear from their names, and be there."""
        missing = [option for option, name in options.items() if not name]
        if missing:
            raise OpsError(
                f"Which fields of the tasks hold the texts is not clear from their names; {' and '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} needed.",
                hint=f"Name them, as in {missing[0]} FIELD. Fields with a text in every task: {', '.join(names)}.",
                code="fields-needed",
            )
        for option, name in options.items():
            if all(value_at(task, name) is None for task in self._tasks):
                raise OpsError(
                    f"No task has the field {name} ({option}).",
                    hint=f"Fields with a text in every task: {', '.join(names) or 'none'}.",
                    code="unknown-field",
                )


def _criterion_needed(names: Sequence[str]) -> OpsError:
    return OpsError(
        f"There are several criteria, and nothing says which is preferred by: {', '.join(names)}.",
        hint="Name one with --criterion, or write weights under `judging:` into study.yaml.",
        code="criterion-needed",
    )


def _nothing(found: Written, lonely: int) -> OpsError:
    why = [f"{number_of(count, 'pair')}: {REASONS[code]}" for code, count in found.dropped.items()]
    why += [f"{number_of(lonely, 'task')}: no other response to the prompt"] if lonely else []
    return OpsError(
        f"There is no pair to write. {'; '.join(why) or 'There are no tasks'}.",
        hint="Look at --from, --agree, --margin and the fields; or collect more ratings.",
        code="no-pairs",
    )
