"""Layer 2. The mean over a study's criteria, as one more criterion that is derived from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.columns import absent, is_shared
from annotator_ops.stats.context import Context
from annotator_ops.stats.criterion import criterion_entry
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import MISSING, ValueKind, is_finite_number

OVERALL = "overall"
_COUNT = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


def overall_of(
    table: RatingTable, specs: Sequence[CriterionSpec], resampling: Resampling, context: Context
) -> tuple[JSONDict | None, list[str]]:
    """The entry of the mean over the numeric criteria where they are on one scale; and notes, also why there is none.

    With weights in the context's `judging` it is their weighted mean, over the criteria that have one.
    """
    numeric = [spec for spec in specs if spec.kind is ValueKind.NUMBERS and spec.level not in _NO_MEAN]
    numeric = [spec for spec in numeric if table.of(spec.name).rated.any()]
    weights = {spec.name: 1.0 for spec in numeric}
    notes = []
    if context.judging.weights:
        given = context.judging.weights
        notes = _weight_notes(given, specs, weights)
        numeric = [spec for spec in numeric if given.get(spec.name, 0.0) > 0]
        weights = {spec.name: float(given[spec.name]) for spec in numeric}
    if len(numeric) < 2:
        return None, notes
    ranges = {spec.name: scale_of(table.of(spec.name), spec) for spec in numeric}
    levels = {spec.level for spec in numeric}
    if len(levels) > 1 or len(set(ranges.values())) > 1:
        found = ", ".join(f"{spec.title or spec.name} {_span(ranges[spec.name])}" for spec in numeric)
        return None, [*notes, f"No mean over the criteria, because they are not on one scale: {found}."]
    names = [spec.name for spec in numeric]
    weighted = len(set(weights.values())) > 1
    mean = "weighted mean" if weighted else "mean"
    title = f"{mean.capitalize()} of the {_COUNT.get(len(names), str(len(names)))} criteria"
    how = f"per rater and item the {mean} over the criteria; an item that lacks one of them has no mean"
    if weighted:
        how += f"; weights: {', '.join(f'{spec.title or spec.name} {weights[spec.name]:g}' for spec in numeric)}"
    # Nobody's own criterion is overwritten, and nobody's right answers are of a mean.
    name = OVERALL if OVERALL not in {spec.name for spec in specs} else f"{OVERALL} (mean)"
    spec = CriterionSpec(name, ValueKind.NUMBERS, numeric[0].level, f"Derived: {how}.", title, derived=True)
    entry = criterion_entry(_means(table, weights, name), spec, resampling, replace(context, gold={}))
    entry["derived"] = {"from": names, "how": how, "weights": weights}
    return entry, notes


def _weight_notes(
    weights: Mapping[str, float], specs: Sequence[CriterionSpec], numeric: Mapping[str, float]
) -> list[str]:
    """What is said of weights that nothing can be done with."""
    known = {spec.name: spec.title or spec.name for spec in specs}
    notes = []
    unknown = [name for name in weights if name not in known]
    if unknown:
        what = "no criterion has this name" if len(unknown) == 1 else "no criteria have these names"
        notes.append(f"A weight is given for {', '.join(unknown)}, but {what}.")
    others = [known[name] for name in weights if name in known and name not in numeric]
    if others:
        notes.append(f"A weight is given for {', '.join(others)}, but there are no numbers to average.")
    return notes


_NO_MEAN = (None, Level.NOMINAL, Level.CIRCULAR)


def scale_of(table: RatingTable, spec: CriterionSpec) -> tuple[float, float]:
    """The declared scale's ends, or the lowest and highest value that anybody gave."""
    numbers = [value for value in table.values_here() if is_finite_number(value)]
    given = spec.scale or [float(value) for value in numbers if isinstance(value, (int, float))]
    return (min(given), max(given)) if given else (0.0, 0.0)


def _span(ends: tuple[float, float]) -> str:
    return f"{ends[0]:g}–{ends[1]:g}"


def _means(table: RatingTable, weights: Mapping[str, float], name: str) -> RatingTable:
    """One row per kind, rater and item that has a row on any of the criteria with a weight."""
    wanted = np.array([name in weights for name in table.criteria] + [False])
    rows = table.where(wanted[table.criterion])
    # All rows are on one criterion now, so that a cell is a kind, a rater and an item.
    keys, first, group = np.unique(
        replace(rows, criterion=np.zeros_like(rows.criterion)).cells(), return_index=True, return_inverse=True
    )
    scores = rows.numbers
    given = ~np.isnan(scores)
    n_rows, n_given = np.bincount(group, minlength=len(keys)), np.bincount(group[given], minlength=len(keys))
    weight = np.array([*(weights.get(each, 0.0) for each in table.criteria), 0.0])[rows.criterion]
    sums = np.bincount(group[given], weights=(weight * scores)[given], minlength=len(keys))
    complete = (n_rows == len(weights)) & (n_given == len(weights))
    # Means that differ only by the order of their additions are the same mean.
    means = np.round(sums / sum(weights.values()), 12)
    distinct, code = np.unique(means[complete], return_inverse=True)
    value = np.full(len(keys), MISSING, dtype=np.int32)
    value[complete] = code
    # The time is of the whole task, the same on each of its criteria.
    seconds = np.full(len(keys), -np.inf)
    np.maximum.at(seconds, group, np.where(np.isnan(rows.seconds), -np.inf, rows.seconds))
    chosen = rows.where(first)
    confidence = chosen.confidence
    if not is_shared(rows.confidence):
        # Nobody is surer of a mean than of the least sure of its parts; NaN stays NaN.
        confidence = np.full(len(keys), np.inf)
        with np.errstate(invalid="ignore"):
            np.minimum.at(confidence, group, rows.confidence)
    return replace(
        chosen,
        confidence=confidence,
        replies=(),
        reply=absent(len(keys)),
        criteria=(name,),
        criterion=np.zeros(len(keys), dtype=np.int32),
        values=tuple(distinct.tolist()),
        value=value,
        reasons=("incomplete",),
        reason=np.where(complete, MISSING, 0).astype(np.int32),
        seconds=np.where(np.isinf(seconds), np.nan, seconds),
    )
