"""Layer 2. The analysis of a study: every statistic of every criterion, from ratings to plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from annotator_ops.measures import Rating
from annotator_ops.models import JSONDict
from annotator_ops.stats.context import Context
from annotator_ops.stats.contrasts import criteria_differences
from annotator_ops.stats.criterion import criterion_entry, ratings_on
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.overall import overall_of
from annotator_ops.stats.table import RatingTable

SCHEMA = "annotator-ops/analysis@2"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an analysis comes from: what it is of, when it was made and by which versions of what."""

    study: str
    title: str
    created_at: datetime
    versions: Mapping[str, str]
    simulated: bool = False
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Analysis:
    """All estimates of a study with the hash of what they were computed from; `overall` is a derived criterion,
    `differences` are of alpha between criteria."""

    provenance: Provenance
    inputs_hash: str
    resampling: Resampling
    data: JSONDict
    criteria: tuple[JSONDict, ...]
    overall: JSONDict | None
    differences: tuple[JSONDict, ...] = ()
    notes: tuple[str, ...] = ()
    findings: tuple[JSONDict, ...] = field(default=())

    def as_json(self) -> JSONDict:
        return {
            "schema": SCHEMA,
            "study": self.provenance.study,
            "title": self.provenance.title,
            "created_at": self.provenance.created_at.isoformat(timespec="seconds"),
            "versions": dict(self.provenance.versions),
            "inputs_hash": self.inputs_hash,
            "sources": list(self.provenance.sources),
            "simulated": self.provenance.simulated,
            "seed": self.resampling.seed,
            "resamples": self.resampling.resamples,
            "confidence": self.resampling.confidence,
            "data": self.data,
            "criteria": list(self.criteria),
            "overall": self.overall,
            "differences": list(self.differences),
            "notes": list(self.notes),
            "findings": list(self.findings),
        }


def analyze(
    ratings: RatingTable | Sequence[Rating],
    specs: Sequence[CriterionSpec],
    *,
    provenance: Provenance,
    context: Context | None = None,
    resampling: Resampling | None = None,
    findings: Sequence[JSONDict] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Analysis:
    """Analyse the ratings of people and judges, criterion by criterion, in the order of `specs`.

    Ratings of a criterion without a spec are not analysed; a note says so. Nothing is rounded. The order of the ratings
    does not matter. `progress` is told the title of each criterion before it is computed.
    """
    resampling, context = resampling or Resampling(), context or Context()
    given = ratings if isinstance(ratings, RatingTable) else RatingTable.from_ratings(ratings)
    table = given.canonical()
    entries = []
    for spec in specs:
        progress(spec.title or spec.name)
        entries.append(criterion_entry(ratings_on(table, spec), spec, resampling, context))
    notes = [f"{spec.title or spec.name}: {spec.why}" for spec in specs]
    unknown = sorted({table.criteria[code] for code in np.unique(table.criterion)} - {spec.name for spec in specs})
    if unknown:
        notes.append(f"Not analysed, because no criterion has this name: {', '.join(unknown)}.")
    overall, overall_note = overall_of(table, specs, resampling, context)
    if overall_note:
        notes.append(overall_note)
    differences, differences_note = criteria_differences(table, specs, resampling)
    if differences_note:
        notes.append(differences_note)
    return Analysis(
        provenance=provenance,
        inputs_hash=table.content_hash(),
        resampling=resampling,
        data=_data(table, comments={spec.name for spec in specs if not spec.compared}),
        criteria=tuple(entries),
        overall=overall,
        differences=tuple(differences),
        notes=tuple(notes),
        findings=tuple(findings),
    )


def _data(table: RatingTable, *, comments: Collection[str]) -> JSONDict:
    """What there is in all; a remark is no rating, and none is no missing one."""
    counted = np.array([name not in comments for name in table.criteria] + [True])[table.criterion]
    rated, judge = table.rated, table.judge
    people, models = table.people(), table.models()
    times = people.moments[~np.isnan(people.moments)]
    return {
        "n_items": people.n_items,
        "annotators": list(people.raters_here()),
        "judges": list(models.raters_here()),
        "n_ratings": int((counted & rated & ~judge).sum()),
        "n_missing": int((counted & ~rated & ~judge).sum()),
        "n_judge_ratings": int((counted & rated & judge).sum()),
        "first": _moment(times.min()) if len(times) else None,
        "last": _moment(times.max()) if len(times) else None,
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(float(seconds), UTC).isoformat(timespec="seconds")
