"""Layer 2. Everything that is computed of one criterion, as plain JSON."""

from __future__ import annotations

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats import describe
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.agreement.chance import percent_agreement
from annotator_ops.stats.agreement.pairs import pairwise
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judging import judge_entries
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.reliability import reliability_data
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import ValueKind, as_label_set


def criterion_entry(table: RatingTable, spec: CriterionSpec, resampling: Resampling) -> JSONDict:
    """The entry of one criterion in an analysis, from all ratings on it."""
    if spec.kind is ValueKind.LABEL_SETS:
        # Where there are sets, a single label is a set of one.
        table = table.with_values(lambda _, value: as_label_set(value if isinstance(value, tuple) else (value,)))
    humans, judges = table.people(), table.models()
    summaries = describe.rater_summaries(humans)
    rated = humans.where(humans.rated)
    entry: JSONDict = {
        "name": spec.name,
        "title": spec.title or spec.name,
        "kind": spec.kind.value,
        "level": spec.level.value if spec.level else None,
        "level_reason": spec.why,
        "level_warning": spec.warning or None,
        "scale": list(spec.scale),
        "n_items": len(np.unique(rated.item)),
        "n_raters": len(np.unique(rated.rater)),
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
        entry["texts"] = describe.texts(humans.ratings())
    elif spec.kind is ValueKind.REGIONS:
        entry["regions"] = describe.region_counts(humans.ratings())
    else:
        found, from_judges = (describe.distribution(own, scale=spec.scale) for own in (humans, judges))
        entry["distribution"] = found.as_json() if found else None
        entry["judges_distribution"] = from_judges.as_json() if from_judges else None
    entry["agreement"], entry["pairs"] = _agreement(humans, spec, resampling)
    entry["judges"], entry["ensemble"] = judge_entries(humans, judges, level=spec.level, resampling=resampling)
    return entry


def _agreement(humans: RatingTable, spec: CriterionSpec, resampling: Resampling) -> tuple[JSONDict, list[JSONDict]]:
    if spec.level is None:
        what = "Free text" if spec.kind is ValueKind.TEXT else "Marked regions"
        reason: Reason | None = Reason("not-comparable", f"{what} cannot be compared by these coefficients.")
        data = None
    else:
        built = reliability_data(humans, level=spec.level)
        reason, data = (built, None) if isinstance(built, Reason) else (None, built)
    if data is None:
        n_items, n_raters = len(np.unique(humans.item)), len(np.unique(humans.rater))
        nothing = Estimate(value=None, reason=reason, n_items=n_items, n_raters=n_raters).as_json()
        return {"krippendorff_alpha": nothing, "percent_agreement": nothing}, []
    agreement = {
        "krippendorff_alpha": krippendorff_alpha(data, resampling=resampling).as_json(),
        "percent_agreement": percent_agreement(data).as_json(),
    }
    return agreement, [pair.as_json() for pair in pairwise(data)]
