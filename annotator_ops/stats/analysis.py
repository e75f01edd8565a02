"""Layer 2. The analysis of a study: every statistic of every criterion, from ratings to plain JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby

from annotator_ops.measures import Estimate, Rating, Reason
from annotator_ops.models import JSONDict, Level, content_hash
from annotator_ops.stats import describe
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.agreement.chance import percent_agreement
from annotator_ops.stats.agreement.pairs import pairwise
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judging import judge_entries
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.reliability import ValueKind, as_label_set, is_finite_number, reliability_data

SCHEMA = "annotator-ops/analysis@1"
OVERALL = "overall"


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
    """All estimates of a study with the hash of what they were computed from; `overall` is a derived criterion."""

    provenance: Provenance
    inputs_hash: str
    resampling: Resampling
    data: JSONDict
    criteria: tuple[JSONDict, ...]
    overall: JSONDict | None
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
            "notes": list(self.notes),
            "findings": list(self.findings),
        }


def analyze(
    ratings: Sequence[Rating],
    specs: Sequence[CriterionSpec],
    *,
    provenance: Provenance,
    resampling: Resampling | None = None,
    findings: Sequence[JSONDict] = (),
) -> Analysis:
    """Analyse the ratings of people and judges, criterion by criterion, in the order of `specs`.

    Ratings of a criterion without a spec are not analysed; a note says so. Nothing is rounded. The order of the ratings
    does not matter.
    """
    resampling = resampling or Resampling()
    ordered = sorted(ratings, key=_canonical)
    by_criterion: dict[str, list[Rating]] = {}
    for rating in ordered:
        by_criterion.setdefault(rating.criterion, []).append(rating)
    criteria = tuple(_criterion(by_criterion.get(spec.name, []), spec, resampling) for spec in specs)
    notes = [f"{spec.title or spec.name}: {spec.why}" for spec in specs]
    unknown = sorted(by_criterion.keys() - {spec.name for spec in specs})
    if unknown:
        notes.append(f"Not analysed, because no criterion has this name: {', '.join(unknown)}.")
    overall, overall_note = _overall(by_criterion, specs, resampling)
    if overall_note:
        notes.append(overall_note)
    return Analysis(
        provenance=provenance,
        inputs_hash=content_hash([_plain(rating) for rating in ordered]),
        resampling=resampling,
        data=_data(ordered, comments={spec.name for spec in specs if spec.kind is ValueKind.TEXT}),
        criteria=criteria,
        overall=overall,
        notes=tuple(notes),
        findings=tuple(findings),
    )


def _criterion(ratings: Sequence[Rating], spec: CriterionSpec, resampling: Resampling) -> JSONDict:
    ratings = _as_categories(ratings, spec.kind)
    humans = [rating for rating in ratings if rating.kind == "human"]
    judges = [rating for rating in ratings if rating.kind == "judge"]
    summaries = describe.rater_summaries(humans)
    rated = [rating for rating in humans if rating.value is not None]
    entry: JSONDict = {
        "name": spec.name,
        "title": spec.title or spec.name,
        "kind": spec.kind.value,
        "level": spec.level.value if spec.level else None,
        "level_reason": spec.why,
        "level_warning": spec.warning or None,
        "scale": list(spec.scale),
        "n_items": len({rating.item for rating in rated}),
        "n_raters": len({rating.rater for rating in rated}),
        "n_ratings": len(rated),
        "distribution": None,
        "judges_distribution": None,
        "missing": describe.missing_by_reason(summaries),
        "agreement": {},
        "pairs": [],
        "raters": [summary.as_json() for summary in summaries],
        "judges": [],
        "ensemble": None,
        "derived": None,
    }
    if spec.kind is ValueKind.TEXT:
        entry["texts"] = describe.texts(humans)
    elif spec.kind is ValueKind.REGIONS:
        entry["regions"] = describe.region_counts(humans)
    else:
        found, from_judges = (describe.distribution(own, scale=spec.scale) for own in (humans, judges))
        entry["distribution"] = found.as_json() if found else None
        entry["judges_distribution"] = from_judges.as_json() if from_judges else None
    entry["agreement"], entry["pairs"] = _agreement(humans, spec, resampling)
    entry["judges"], entry["ensemble"] = judge_entries(humans, judges, level=spec.level, resampling=resampling)
    return entry


def _agreement(
    humans: Sequence[Rating], spec: CriterionSpec, resampling: Resampling
) -> tuple[JSONDict, list[JSONDict]]:
    if spec.level is None:
        what = "Free text" if spec.kind is ValueKind.TEXT else "Marked regions"
        reason: Reason | None = Reason("not-comparable", f"{what} cannot be compared by these coefficients.")
        data = None
    else:
        built = reliability_data(humans, level=spec.level)
        reason, data = (built, None) if isinstance(built, Reason) else (None, built)
    if data is None:
        n_items, n_raters = len({rating.item for rating in humans}), len({rating.rater for rating in humans})
        nothing = Estimate(value=None, reason=reason, n_items=n_items, n_raters=n_raters).as_json()
        return {"krippendorff_alpha": nothing, "percent_agreement": nothing}, []
    agreement = {
        "krippendorff_alpha": krippendorff_alpha(data, resampling=resampling).as_json(),
        "percent_agreement": percent_agreement(data, resampling=resampling).as_json(),
    }
    return agreement, [pair.as_json() for pair in pairwise(data)]


def _as_categories(ratings: Sequence[Rating], kind: ValueKind) -> list[Rating]:
    """The ratings with sets of labels in one form; where there are sets, a single label is a set of one."""
    if kind is not ValueKind.LABEL_SETS:
        return list(ratings)
    return [
        rating
        if rating.value is None
        else replace(rating, value=as_label_set(rating.value if isinstance(rating.value, tuple) else (rating.value,)))
        for rating in ratings
    ]


def _overall(
    by_criterion: Mapping[str, Sequence[Rating]], specs: Sequence[CriterionSpec], resampling: Resampling
) -> tuple[JSONDict | None, str | None]:
    """The mean over the numeric criteria as one more criterion where they are on one scale, or a note why not."""
    numeric = [spec for spec in specs if spec.kind is ValueKind.NUMBERS and spec.level not in (None, Level.NOMINAL)]
    numeric = [spec for spec in numeric if any(rating.value is not None for rating in by_criterion.get(spec.name, ()))]
    if len(numeric) < 2:
        return None, None
    ranges = {spec.name: _range(by_criterion[spec.name], spec) for spec in numeric}
    levels = {spec.level for spec in numeric}
    if len(levels) > 1 or len(set(ranges.values())) > 1:
        found = ", ".join(f"{spec.title or spec.name} {_span(ranges[spec.name])}" for spec in numeric)
        return None, f"No mean over the criteria, because they are not on one scale: {found}."
    names = [spec.name for spec in numeric]
    title = f"Mean of the {_COUNT.get(len(names), str(len(names)))} criteria"
    how = "per rater and item the mean over the criteria; an item that lacks one of them has no mean"
    spec = CriterionSpec(OVERALL, ValueKind.NUMBERS, numeric[0].level, f"Derived: {how}.", title)
    means = _means([rating for name in names for rating in by_criterion[name]], n_criteria=len(names))
    entry = _criterion(means, spec, resampling)
    entry["derived"] = {"from": names, "how": how}
    return entry, None


_COUNT = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


def _range(ratings: Sequence[Rating], spec: CriterionSpec) -> tuple[float, float]:
    """The declared scale's ends, or the lowest and highest value that anybody gave."""
    given = spec.scale or [
        float(rating.value)
        for rating in ratings
        if is_finite_number(rating.value) and isinstance(rating.value, (int, float))
    ]
    return (min(given), max(given)) if given else (0.0, 0.0)


def _span(ends: tuple[float, float]) -> str:
    return f"{ends[0]:g}–{ends[1]:g}"


def _means(ratings: Sequence[Rating], *, n_criteria: int) -> list[Rating]:
    def key(rating: Rating) -> tuple[str, str, str]:
        return rating.kind, rating.rater, rating.item

    means = []
    for _, group in groupby(sorted(ratings, key=key), key=key):
        own = list(group)
        values = [float(rating.value) for rating in own if isinstance(rating.value, (int, float))]
        complete = len(values) == len({rating.criterion for rating in own}) == n_criteria
        seconds = [rating.seconds for rating in own if rating.seconds is not None]
        means.append(
            Rating(
                rater=own[0].rater,
                kind=own[0].kind,
                item=own[0].item,
                criterion=OVERALL,
                value=math.fsum(values) / len(values) if complete else None,
                reason=None if complete else "incomplete",
                # The time is of the whole task, the same on each of its criteria.
                seconds=max(seconds, default=None),
            )
        )
    return means


def _data(ratings: Sequence[Rating], *, comments: Collection[str]) -> JSONDict:
    """What there is in all; free text is no rating, and an empty comment is no missing one."""
    rated = [rating for rating in ratings if rating.criterion not in comments]
    values = Counter((rating.kind, rating.value is not None) for rating in rated)
    humans = [rating for rating in ratings if rating.kind == "human"]
    judges = [rating for rating in ratings if rating.kind == "judge"]
    times = sorted(rating.created_at for rating in humans if rating.created_at is not None)
    return {
        "n_items": len({rating.item for rating in humans}),
        "annotators": describe.raters_of(humans),
        "judges": describe.raters_of(judges),
        "n_ratings": values["human", True],
        "n_missing": values["human", False],
        "n_judge_ratings": values["judge", True],
        "first": times[0].isoformat(timespec="seconds") if times else None,
        "last": times[-1].isoformat(timespec="seconds") if times else None,
    }


def _canonical(rating: Rating) -> tuple[object, ...]:
    return rating.criterion, rating.kind, rating.rater, rating.item, repr(rating.value)


def _plain(rating: Rating) -> list[object]:
    value = list(rating.value) if isinstance(rating.value, tuple) else rating.value
    return [rating.rater, rating.kind, rating.item, rating.criterion, value, rating.reason, rating.seconds]
