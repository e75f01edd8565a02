"""Layer 2. Judges against people: Spearman's rho of a judge, and of all judges' mean, with the mean human score."""

from __future__ import annotations

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.correlation import spearman
from annotator_ops.stats.describe import rater_summaries
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.reliability import twice_in
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import FloatArray, display


def mean_scores(table: RatingTable) -> FloatArray:
    """The mean over raters for each of `table.items`; NaN for items without a number."""
    scores = table.numbers
    given = ~np.isnan(scores)
    counts = np.bincount(table.item[given], minlength=len(table.items))
    sums = np.bincount(table.item[given], weights=scores[given], minlength=len(table.items))
    means: FloatArray = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return means


def judge_entries(
    humans: RatingTable, judges: RatingTable, *, level: Level | None, resampling: Resampling
) -> tuple[list[JSONDict], JSONDict | None]:
    """One entry per judge, and the ensemble of all of them (None where there is no judge).

    Both tables share one list of items. The ensemble is the unweighted mean over judges. Items that lack the score of a
    judge are left out of it, and `n_items_dropped` says how many had some judges' scores and not all. `n_raters` of the
    estimates counts the people.
    """
    if not len(judges):
        return [], None
    reason = _not_comparable(humans, judges, level)
    people = mean_scores(humans)
    n_people = len(humans.raters_here())
    names = judges.raters_here()
    scores = np.array([mean_scores(judges.where(judges.rater == judges.raters.index(name))) for name in names])

    def correlation(judge: FloatArray, reason: Reason | None) -> Estimate:
        if reason is not None:
            both = 0 if reason.code != "one-judge" else int((~np.isnan(people + judge)).sum())
            return Estimate(value=None, reason=reason, n_items=both, n_raters=n_people)
        return spearman(people, judge, n_raters=n_people, resampling=resampling)

    entries = []
    for summary, own in zip(rater_summaries(judges), scores, strict=True):
        estimate = correlation(own, reason)
        entries.append(summary.as_json() | {"spearman": estimate.as_json(), "n_items": estimate.n_items})
    if len(names) == 1 and reason is None:
        reason = Reason("one-judge", f"There is one judge only, {names[0]}; an ensemble needs two.")
    estimate = correlation(scores.mean(axis=0), reason)
    scored = ~np.isnan(scores)
    ensemble: JSONDict = {
        "judges": list(names),
        "how": "mean over judges",
        "spearman": estimate.as_json(),
        "n_items": estimate.n_items,
        "n_items_dropped": int((scored.any(axis=0) & ~scored.all(axis=0) & ~np.isnan(people)).sum()),
    }
    return entries, ensemble


def _not_comparable(humans: RatingTable, judges: RatingTable, level: Level | None) -> Reason | None:
    if level in (None, Level.NOMINAL, Level.CIRCULAR):
        return Reason("no-order", "The values have no order, so there is no rank correlation.")
    for table in (humans, judges):
        odd = table.rated & np.isnan(table.numbers)
        if odd.any():
            row = int(np.argmax(odd))
            answer = display(table.values[table.value[row]])
            where = f"{table.raters[table.rater[row]]} answered {answer!r} on item {table.items[table.item[row]]}"
            return Reason("not-numeric", f"{where}, which is not a number.")
        twice = twice_in(table)
        if twice:
            return twice
    return None
