"""Layer 2. The analysis of a study: every statistic of every criterion, from ratings to plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from annotator_ops.judge_settings import Judging
from annotator_ops.measures import Rating
from annotator_ops.models import JSONDict
from annotator_ops.stats.context import Context
from annotator_ops.stats.contrasts import criteria_differences
from annotator_ops.stats.criterion import criterion_entry, ratings_on
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.entries import scores_on
from annotator_ops.stats.judges.leaderboard import Measured, leaderboard
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.overall import overall_of, scale_of
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import ValueKind

SCHEMA = "annotator-ops/analysis@3"


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
    `differences` are of alpha between criteria, `judging` is how judges were measured."""

    provenance: Provenance
    inputs_hash: str
    resampling: Resampling
    data: JSONDict
    criteria: tuple[JSONDict, ...]
    overall: JSONDict | None
    differences: tuple[JSONDict, ...] = ()
    leaderboard: JSONDict | None = None
    judging: JSONDict = field(default_factory=dict)
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
            "leaderboard": self.leaderboard,
            "judging": self.judging,
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
    overall, overall_notes = overall_of(table, specs, resampling, context)
    notes += overall_notes
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
        leaderboard=_leaderboard(table, specs, resampling, context),
        judging=_judging(context.judging),
        notes=tuple(notes),
        findings=tuple(findings),
    )


def _leaderboard(
    table: RatingTable, specs: Sequence[CriterionSpec], resampling: Resampling, context: Context
) -> JSONDict | None:
    if not context.systems:
        return None
    measured = [
        Measured(
            spec.name,
            spec.title or spec.name,
            scores_on(ratings_on(table, spec), spec),
            scale_of(table.of(spec.name), spec) if spec.kind is ValueKind.NUMBERS else None,
        )
        for spec in specs
    ]
    return leaderboard(measured, context=context, resampling=resampling)


def _judging(judging: Judging) -> JSONDict:
    return {
        "epsilon": judging.epsilon,
        "agrees_within": judging.agrees_within,
        "weights": dict(judging.weights),
        "random_sample": judging.random_sample,
    }


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
