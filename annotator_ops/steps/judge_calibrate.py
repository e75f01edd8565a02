"""Layer 4. `ops judge calibrate`: from which confidence on model judges are trusted, measured on people's ratings."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.judging.calibrating import Calibrating, TokensOf, Wanted, criterion_of
from annotator_ops.judging.calibration import SCHEMA, Calibration, Version, checksum
from annotator_ops.judging.judgements import Answer
from annotator_ops.models import JSONDict, Outcome, StepResult, Study
from annotator_ops.reporting.render import write
from annotator_ops.reporting.rounding import number_of, percent
from annotator_ops.reporting.source import Material, Progress, Tables, material_of_files, silent, versions
from annotator_ops.steps import collected_material, writing
from annotator_ops.store.database import Store
from annotator_ops.targets import check_calibration_target


def calibrate_files(
    tables: Tables, target: Path, wanted: Wanted, *, created_at: datetime, progress: Progress = silent
) -> StepResult:
    """Thresholds from tidy tables, written to `target` (JSON).

    Raises OpsError as `material_of_files` and `calibrating` do, for numbers out of their range, and for a target that
    cannot be written or would overwrite something else.
    """
    check_calibration_target(target, schema=SCHEMA, inputs=tables.files)
    _check(wanted)
    return _written(material_of_files(tables, created_at=created_at, progress=progress), target, wanted)


def calibrate_study(
    study: Study, store: Store, target: Path, wanted: Wanted, *, created_at: datetime, progress: Progress = silent
) -> StepResult:
    """`calibrate_files` for what has been collected for a study. An export that cannot be read is a failed outcome."""
    check_calibration_target(target, schema=SCHEMA, inputs=study.data_files)
    _check(wanted)
    material, failed = collected_material(study, store, created_at=created_at, progress=progress)
    priced = any(judge.price for judge in study.model_judges)
    result = _written(
        material, target, wanted, study=study, tokens=_tokens(store.judgements.answers() if priced else ())
    )
    return replace(result, outcomes=(*result.outcomes, *failed))


def _check(wanted: Wanted) -> None:
    for name, number in (("alpha", wanted.alpha), ("delta", wanted.delta)):
        if not 0 < number < 1:
            raise OpsError(
                f"--{name} {number:g} is no proportion between 0 and 1.",
                hint=f"Write it such as --{name} 0.1.",
                code=f"bad-{name}",
            )
    if not 0 <= wanted.held_out < 1:
        raise OpsError(
            f"--held-out {wanted.held_out:g} is no share of the items that leaves some to calibrate on.",
            hint="Write a number from 0 to below 1, such as 0.3.",
            code="bad-held-out",
        )
    if wanted.within is not None and not 0 <= wanted.within < math.inf:
        raise OpsError(
            f"--within {wanted.within:g} is no distance between scores.",
            hint="Write a number from 0 on, such as 1.",
            code="bad-within",
        )


def _tokens(answers: Sequence[Answer]) -> TokensOf:
    """The mean over items of what all replies about one took, in both orders and of all simulated annotators."""

    def of(judge: str, version: Version) -> tuple[float, float] | None:
        own = [
            answer
            for answer in answers
            if (answer.judge, answer.model, answer.prompt) == (judge, version.model, version.prompt)
            and answer.prompt_tokens is not None
            and answer.completion_tokens is not None
        ]
        n = len({answer.item for answer in own})
        if not n:
            return None
        return sum(each.prompt_tokens or 0 for each in own) / n, sum(each.completion_tokens or 0 for each in own) / n

    return of


def _written(
    material: Material, target: Path, wanted: Wanted, *, study: Study | None = None, tokens: TokensOf = lambda *_: None
) -> StepResult:
    if wanted.within is None:
        wanted = replace(wanted, within=material.context.judging.agrees_within)
    spec = criterion_of(material.table, material.specs, wanted.criterion)
    models = {judge.name: judge for judge in study.model_judges} if study else {}
    found = Calibrating(material.table, spec, wanted, models=models, tokens=tokens).as_json()
    provenance = material.provenance
    data: JSONDict = {
        "schema": SCHEMA,
        "created_at": provenance.created_at.isoformat(),
        "study": provenance.study,
        "simulated": provenance.simulated,
        "random_sample": material.context.judging.random_sample,
        **found,
        "sources": list(provenance.sources),
        "versions": versions(),
    }
    data["checksum"] = checksum(data)
    with writing(target):
        write(target, json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    outcomes = [_judge(judge, wanted.alpha) for judge in data["judges"]]
    outcomes += [_measured(name, data[name], wanted.alpha) for name in ("calibration", "held_out")]
    outcomes.append(Outcome(str(target), "ok", "written", code="calibrated"))
    return StepResult(
        "judge calibrate", tuple(outcomes), {**data, "path": str(target)}, tuple(_notes(data, material, study))
    )


def _notes(data: JSONDict, material: Material, study: Study | None) -> list[str]:
    notes = list(material.notes)
    if data["n_tied"]:
        tied = number_of(data["n_tied"], "item")
        notes.append(f"{tied} on which people are split evenly between categories took no part.")
    if data["cost"]:
        notes.append(_price(data["cost"]))
    if all(judge["threshold"] is None for judge in data["judges"]):
        notes.append("No judge dares: all items go to people. A larger --alpha, or more rated items, may change that.")
        return notes
    promise = Calibration.model_validate(data).promise
    if not data["split"] and len(data["judges"]) > 1:
        promise = f"For each judge alone, as delta is not split: {promise[:1].lower()}{promise[1:]}"
    notes.append(promise)
    if not data["random_sample"]:
        holds = "It holds for new items only if those that people rated are a random sample"
        notes.append(
            f"{holds}; where they are, write `random_sample: true` under `judging:` in study.yaml, and this is not "
            "said again."
            if study
            else f"{holds} of all, which tables do not say."
        )
    return notes


def _judge(judge: JSONDict, alpha: float) -> Outcome:
    if judge["threshold"] is None:
        return Outcome(judge["judge"], "warning", f"always abstains: {judge['reason']}", judge["reason_code"])
    said = f"trusted from confidence {judge['threshold']:.4f} on: {judge['n_trusted']:,} of "
    said += f"{number_of(judge['n_reached'], 'item')}, {number_of(judge['disagreements'], 'disagreement')}, "
    said += f"wrong on at most {percent(judge['upper_bound'])} ({percent(alpha)} allowed)"
    lacking = judge["n_reached"] - judge["n_confident"]
    if lacking:
        said += f"; {lacking:,} without a score or a confidence"
    return Outcome(judge["judge"], "ok", said, "calibrated")


def _measured(name: str, part: JSONDict, alpha: float) -> Outcome:
    """What the thresholds do on a part of the items. The held-out part had no hand in them: its interval is shown."""
    exact = name == "held_out"
    title = "held out" if exact else "calibrated on"
    coverage, agreement = part["coverage"], part["agreement"]
    if coverage["value"] is None:
        return Outcome(title, "skipped", coverage["reason"], coverage["reason_code"])
    said = f"{number_of(part['n_items'], 'item')}: judges are trusted on {percent(coverage['value'])}"
    if agreement["value"] is None:
        return Outcome(title, "skipped", said, agreement["reason_code"])
    said += f" and agree with people on {percent(agreement['value'])} of these"
    if exact:
        said += f" [{percent(agreement['low'])}, {percent(agreement['high'])}]"
    broken = exact and agreement["high"] < 1 - alpha
    return Outcome(title, "warning" if broken else "ok", said, "less-than-promised" if broken else "")


def _price(cost: JSONDict) -> str:
    parts = [f"{cost[kind]:.0%} of the {kind} price" for kind in ("input", "output") if cost[kind] is not None]
    said = " and ".join(parts) or "nothing"
    words = f"Asking in this order costs {said} of asking {cost['of']} on every item, if all use as many tokens."
    if cost["per_item"] is not None:
        words += (
            f" By the tokens that they took, it is about {cost['per_item']:.3g} an item, of "
            f"{cost['per_item_of_dearest']:.3g} when {cost['of']} is asked about all."
        )
    return words
