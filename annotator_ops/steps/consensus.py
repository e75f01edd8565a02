"""Layer 4. `ops consensus`: what the annotators together say of each item, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.measures import ConsensusMethod, Reason
from annotator_ops.models import JSONDict, Level, Outcome, StepResult, Study
from annotator_ops.reporting.render import write
from annotator_ops.reporting.rounding import number_of
from annotator_ops.reporting.source import (
    Material,
    Progress,
    Tables,
    material_of_files,
    silent,
)
from annotator_ops.stats.consensus import consensus
from annotator_ops.stats.criterion import set_distance
from annotator_ops.stats.items import item_disagreement
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.steps import collected_material, writing
from annotator_ops.store.database import Store
from annotator_ops.tables import encode_rows
from annotator_ops.targets import check_consensus_target, format_of

COLUMNS = ("item", "criterion", "method", "value", "tied", "n_ratings", "confidence", "sd", "standard_error")
# What is taken where no method is asked for: the one that neither assumes equal steps nor models annotators.
_DEFAULT = {
    Level.NOMINAL: ConsensusMethod.MAJORITY,
    Level.ORDINAL: ConsensusMethod.MEDIAN,
    Level.INTERVAL: ConsensusMethod.MEAN,
    Level.RATIO: ConsensusMethod.MEAN,
    Level.CIRCULAR: ConsensusMethod.MEAN,
}


def consensus_files(
    tables: Tables, target: Path, *, method: ConsensusMethod | None, created_at: datetime, progress: Progress = silent
) -> StepResult:
    """The consensus on tidy tables of ratings, written to `target` (CSV, JSON Lines or Parquet by its ending).

    One outcome a criterion; "skipped" with the reason where the method does not fit it. Raises OpsError as
    `material_of_files` does, and for a target that cannot be written or would overwrite something else.
    """
    check_consensus_target(target, inputs=tables.files)
    return _written(material_of_files(tables, created_at=created_at, progress=progress), target, method)


def consensus_study(
    study: Study,
    store: Store,
    target: Path,
    *,
    method: ConsensusMethod | None,
    created_at: datetime,
    progress: Progress = silent,
) -> StepResult:
    """`consensus_files` for what has been collected for a study. An export that cannot be read is a failed outcome."""
    check_consensus_target(target, inputs=study.data_files)
    material, failed = collected_material(study, store, created_at=created_at, progress=progress)
    result = _written(material, target, method)
    return replace(result, outcomes=(*result.outcomes, *failed))


def _written(material: Material, target: Path, method: ConsensusMethod | None) -> StepResult:
    rows: list[JSONDict] = []
    outcomes = []
    summaries: list[JSONDict] = []
    for spec in material.specs:
        found = _of_criterion(material, spec, method)
        title = spec.title or spec.name
        if isinstance(found, Reason):
            outcomes.append(Outcome(title, "skipped", found.sentence, found.code))
            summaries.append({"criterion": spec.name, "method": None, "reason": found.sentence, "items": 0, "tied": 0})
            continue
        chosen, own = found
        rows += own
        tied = sum(bool(row["tied"]) for row in own)
        said = f"{chosen.value} of {number_of(len(own), 'item')}" + (f", {tied:,} of them tied" if tied else "")
        if chosen is ConsensusMethod.MEAN and spec.level is Level.ORDINAL:
            equal = f"{said}; a mean takes all steps of the scale to be equal, which ordinal does not say"
            outcomes.append(Outcome(title, "warning", equal, "mean-of-ordinal"))
        else:
            outcomes.append(Outcome(title, "ok", said))
        summaries.append(
            {"criterion": spec.name, "method": chosen.value, "reason": None, "items": len(own), "tied": tied}
        )
    if not rows:
        why = " ".join(dict.fromkeys(outcome.message for outcome in outcomes)) or "There are no criteria."
        raise OpsError(
            f"There is no consensus to write. {why}",
            hint="Choose another --method, declare a level that it fits, or collect more ratings.",
            code="no-consensus",
        )
    columns = (*COLUMNS, "disagreement")
    with writing(target):
        write(target, encode_rows(rows, columns, format_of(target)))
    outcomes.append(Outcome(str(target), "ok", f"{number_of(len(rows), 'row')} written"))
    return StepResult("consensus", tuple(outcomes), {"path": str(target), "rows": len(rows), "criteria": summaries})


def _of_criterion(
    material: Material, spec: CriterionSpec, method: ConsensusMethod | None
) -> tuple[ConsensusMethod, list[JSONDict]] | Reason:
    data = material.reliability(spec)
    if isinstance(data, Reason):
        return data
    chosen = method or _DEFAULT[data.level]
    found = consensus(data, method=chosen)
    if isinstance(found, Reason):
        return found
    apart = _disagreements(data, spec)
    return chosen, [
        {"criterion": spec.name, **one.as_row(), "disagreement": apart.get(one.unit)} for one in found if one.n_ratings
    ]


def _disagreements(data: ReliabilityData, spec: CriterionSpec) -> dict[str, float]:
    found = item_disagreement(data, distance=set_distance(data, spec))
    if isinstance(found, Reason):
        return {}
    values: Sequence[float] = found.disagreement.tolist()
    return {unit: value for unit, value in zip(found.units, values, strict=True) if value == value}
