"""Layer 2. Judges against people: Spearman's rho of a judge, and of all judges' mean, with the mean human score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from annotator_ops.measures import Estimate, Rating, Reason
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.correlation import spearman
from annotator_ops.stats.describe import rater_summaries
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.reliability import display, is_finite_number, rated_twice

Scores = Mapping[str, float]


def mean_scores(ratings: Sequence[Rating]) -> dict[str, float]:
    """The mean over raters by item; items without a value are left out. Order of the raters does not matter."""
    by_item: dict[str, list[float]] = {}
    for rating in ratings:
        if is_finite_number(rating.value) and isinstance(rating.value, (int, float)):
            by_item.setdefault(rating.item, []).append(float(rating.value))
    return {item: math.fsum(values) / len(values) for item, values in by_item.items()}


def judge_entries(
    humans: Sequence[Rating], judges: Sequence[Rating], *, level: Level | None, resampling: Resampling
) -> tuple[list[JSONDict], JSONDict | None]:
    """One entry per judge, and the ensemble of all of them (None where there is no judge).

    The ensemble is the unweighted mean over judges. Items that lack the score of a judge are left out of it, and
    `n_items_dropped` says how many had some judges' scores and not all. `n_raters` of the estimates counts the people.
    """
    by_judge: dict[str, list[Rating]] = {}
    for rating in judges:
        by_judge.setdefault(rating.rater, []).append(rating)
    reason = _not_comparable(humans, judges, level)
    people = mean_scores(humans) if reason is None else {}
    scores = {judge: mean_scores(own) if reason is None else {} for judge, own in by_judge.items()}
    n_people = len({rating.rater for rating in humans})
    entries = []
    for summary in rater_summaries(judges):
        estimate = _correlate(people, scores[summary.rater], reason=reason, resampling=resampling, n_raters=n_people)
        entry = summary.as_json() | {"spearman": estimate.as_json(), "n_items": estimate.n_items}
        entries.append(entry)
    if not entries:
        return [], None
    together = set.intersection(*(set(own) for own in scores.values()))
    some = set.union(*(set(own) for own in scores.values()))
    mean = {item: math.fsum(own[item] for own in scores.values()) / len(scores) for item in together}
    if len(scores) == 1 and reason is None:
        reason = Reason("one-judge", f"There is one judge only, {next(iter(scores))}; an ensemble needs two.")
    estimate = _correlate(people, mean, reason=reason, resampling=resampling, n_raters=n_people)
    ensemble: JSONDict = {
        "judges": [entry["rater"] for entry in entries],
        "how": "mean over judges",
        "spearman": estimate.as_json(),
        "n_items": estimate.n_items,
        "n_items_dropped": len((some - together) & set(people)),
    }
    return entries, ensemble


def _not_comparable(humans: Sequence[Rating], judges: Sequence[Rating], level: Level | None) -> Reason | None:
    if level is None or level is Level.NOMINAL:
        return Reason("no-order", "The values have no order, so there is no rank correlation.")
    for rating in (*humans, *judges):
        if rating.value is not None and not is_finite_number(rating.value):
            answer = f"{rating.rater} answered {display(rating.value)!r} on item {rating.item}"
            sentence = f"{answer}, which is not a number."
            return Reason("not-numeric", sentence)
    for ratings in (humans, judges):
        seen = set()
        for rating in ratings:
            if rating.value is None:
                continue
            if (rating.rater, rating.item) in seen:
                return rated_twice(rating)
            seen.add((rating.rater, rating.item))
    return None


def _correlate(
    people: Scores, judge: Scores, *, reason: Reason | None, resampling: Resampling, n_raters: int
) -> Estimate:
    common = sorted(people.keys() & judge.keys())
    if reason is not None:
        return Estimate(value=None, reason=reason, n_items=len(common), n_raters=n_raters)
    x, y = (np.array([scores[item] for item in common], dtype=np.float64) for scores in (people, judge))
    return spearman(x, y, n_raters=n_raters, resampling=resampling)
