"""Layer 2. Several judges as one: the mean, median or weighted mean of their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from annotator_ops.judge_settings import Ensemble, base_name
from annotator_ops.measures import Reason
from annotator_ops.stats.judges.scores import Scores
from annotator_ops.stats.values import FloatArray

EVERYBODY = "mean of all judges"


@dataclass(frozen=True, slots=True, eq=False)
class Combined:
    """An ensemble's scores (items; NaN on items that lack one of its judges), or why there are none.

    `n_dropped` counts the items that people rated and that have the scores of some of its judges, but not of all: they
    are left out, because a mean over the others would be one of another ensemble. `weights` as they are given.
    """

    name: str
    judges: tuple[str, ...]
    how: str
    weights: Mapping[str, float] = field(default_factory=dict)
    scores: FloatArray | None = None
    n_dropped: int = 0
    reason: Reason | None = None


def combined(scores: Scores | Reason, judges: Sequence[str], wanted: Sequence[Ensemble]) -> list[Combined]:
    """The mean over all judges (`once_each`) first, then the ensembles that are asked for; none without a judge.

    `judges` names those who are there. An ensemble of less than two judges is none, and one of a judge that is not
    there is not the one asked for; both have a reason.
    """
    if not judges:
        return []
    asked = [Ensemble(EVERYBODY), *wanted]
    return [_combined(scores, judges, each) for each in asked]


def once_each(scores: Scores) -> tuple[str, ...]:
    """Whom the mean of all judges is over: who scored anything, and of a judge's versions (of its prompt, or model) the
    one with the most scores, the last of these. Else a judge would weigh as much as it has versions."""
    counts = (~np.isnan(scores.judge)).sum(axis=1).tolist()
    chosen: dict[str, tuple[int, int]] = {}
    for row, name in enumerate(scores.judges):
        own = base_name(name)
        chosen[own] = max(chosen.get(own, (0, -1)), (counts[row], row))
    return tuple(scores.judges[row] for row in sorted(row for count, row in chosen.values() if count))


def _combined(scores: Scores | Reason, judges: Sequence[str], wanted: Ensemble) -> Combined:
    every = tuple(judges) if isinstance(scores, Reason) else once_each(scores) or tuple(judges)
    known = {base_name(name): name for name in every} | {name: name for name in judges}
    asked = wanted.judges or tuple(wanted.weights) or every
    # A judge that has several versions may be called by its name alone.
    names = tuple(known.get(name, name) for name in asked)
    how = "weighted mean" if wanted.weights else wanted.how
    weights = {known.get(name, name): weight for name, weight in wanted.weights.items()}
    found = Combined(wanted.name, names, how, weights)
    unknown = [name for name in names if name not in judges]
    if unknown:
        said = f"There is no judge {', '.join(unknown)} on this criterion; there are {', '.join(judges)}."
        return _without(found, Reason("unknown-judge", said))
    if isinstance(scores, Reason):
        return _without(found, scores)
    if scores.nominal:
        return _without(found, Reason("no-order", "The values have no order, so there is no rank correlation."))
    if len(names) < 2:
        return _without(found, Reason("one-judge", f"There is one judge only, {names[0]}; an ensemble needs two."))
    own = scores.judge[[scores.judges.index(name) for name in names]]
    there = ~np.isnan(own)
    some = there.any(axis=0) & ~there.all(axis=0)
    dropped = int((some & ~np.isnan(scores.human_mean)).sum())
    return Combined(found.name, found.judges, how, found.weights, _one(own, found), dropped)


def _one(own: FloatArray, wanted: Combined) -> FloatArray:
    """The ensemble's score of each item; what lacks a judge is NaN in all of them."""
    if wanted.weights:
        weights = np.array([wanted.weights.get(name, 0.0) for name in wanted.judges], dtype=np.float64)
        return np.asarray(weights / weights.sum() @ own, dtype=np.float64)
    lacking = np.isnan(own).any(axis=0)
    one = np.full(own.shape[1], np.nan)
    one[~lacking] = (np.median if wanted.how == "median" else np.mean)(own[:, ~lacking], axis=0)
    return one


def _without(found: Combined, reason: Reason) -> Combined:
    return Combined(found.name, found.judges, found.how, found.weights, reason=reason)
