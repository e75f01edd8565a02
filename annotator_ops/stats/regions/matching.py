"""Layer 2. Regions of two annotators matched one to one: precision, recall, F1 and how well matched regions overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.per_item import Answers, Wording, ratio_of_sums
from annotator_ops.stats.regions.reading import Family, Region
from annotator_ops.stats.regions.shapes import point_nearness, shape_iou
from annotator_ops.stats.regions.spans import NO_LABEL, span_iou
from annotator_ops.stats.values import BoolArray, FloatArray

# An IoU that is the threshold in exact arithmetic must not miss it by a rounding error.
_SLACK = 1e-9
NOTHING_MARKED = Reason(
    "nothing-marked",
    "Nobody marked anything on the items that two annotators did, so there is nothing to match.",
)
NOTHING_MATCHED = Reason("nothing-matched", "No two regions overlap enough to be matched, so there is no mean to take.")


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two annotators' regions on one item, as places: `nearness` (first × second) is IoU, or for points 1 − distance.

    `same_labels` says which two regions have the same set of labels.
    """

    item: int
    first: int
    second: int
    nearness: FloatArray
    same_labels: BoolArray
    labels: tuple[tuple[frozenset[str], ...], tuple[frozenset[str], ...]]

    def of_label(self, label: str) -> Comparison:
        """The same with only the regions that carry the label (others besides it do not matter)."""
        rows = [place for place, labels in enumerate(self.labels[0]) if label in labels]
        columns = [place for place, labels in enumerate(self.labels[1]) if label in labels]
        nearness = self.nearness[np.ix_(rows, columns)]
        one = frozenset([label])
        labels = ((one,) * len(rows), (one,) * len(columns))
        return Comparison(self.item, self.first, self.second, nearness, np.ones(nearness.shape, dtype=bool), labels)


@dataclass(frozen=True, slots=True)
class Rule:
    """When two regions can be matched: from which nearness on, and with which labels."""

    threshold: float
    same_labels: bool = True


def compared(answers: Answers[tuple[Region, ...]], family: Family) -> list[Comparison]:
    """Every two annotators on every item, in the order of `answers.pairs()`."""
    near = _NEARNESS[family]
    labels = [
        {rater: tuple(frozenset(region.labels) for region in regions) for rater, regions in marks.items()}
        for marks in answers.by_item
    ]
    found = []
    for item, first, second in answers.pairs():
        one, other = answers.by_item[item][first], answers.by_item[item][second]
        mine, theirs = labels[item][first], labels[item][second]
        same = np.array([[a == b for b in theirs] for a in mine], dtype=bool).reshape(len(mine), len(theirs))
        found.append(Comparison(item, first, second, near(one, other), same, (mine, theirs)))
    return found


_NEARNESS: dict[Family, Callable[[Sequence[Any], Sequence[Any]], FloatArray]] = {
    Family.SPANS: span_iou,
    Family.SHAPES: shape_iou,
    Family.POINTS: point_nearness,
}


def matched(comparison: Comparison, rule: Rule) -> tuple[int, float]:
    """How many pairs of regions are matched, and the sum of their nearness.

    One region is matched with at most one; as many are matched as possible, and among the ways to match that many, one
    with the greatest nearness is taken (linear assignment).
    """
    near, allowed = comparison.nearness, _allowed(comparison, rule)
    if _one_way_only(allowed):
        return int(allowed.sum()), float(near[allowed].sum())
    # One match more outweighs any gain in nearness, which is at most 1 a match.
    gain = np.where(allowed, near + min(near.shape) + 1, 0.0)
    # Imported here because it takes long, and most criteria have no regions.
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(gain, maximize=True)
    taken = allowed[rows, columns]
    return int(taken.sum()), float(near[rows, columns][taken].sum())


def _allowed(comparison: Comparison, rule: Rule) -> BoolArray:
    near: BoolArray = comparison.nearness >= rule.threshold - _SLACK
    return near & comparison.same_labels if rule.same_labels else near


def _one_way_only(allowed: BoolArray) -> bool:
    """Whether no region can be matched with two."""
    return not allowed.size or bool(allowed.sum(axis=0).max() <= 1 and allowed.sum(axis=1).max() <= 1)


def _mean_matched(comparison: Comparison, thresholds: Sequence[float], *, same_labels: bool) -> float:
    """The mean over thresholds of how many are matched."""
    rules = [Rule(threshold, same_labels) for threshold in thresholds]
    lowest = _allowed(comparison, min(rules, key=lambda rule: rule.threshold))
    if _one_way_only(lowest):
        near = comparison.nearness[lowest]
        counts = [int(np.count_nonzero(near >= threshold - _SLACK)) for threshold in thresholds]
    else:
        counts = [matched(comparison, rule)[0] for rule in rules]
    return sum(counts) / len(counts)


def f1(
    answers: Answers[tuple[Region, ...]],
    comparisons: Sequence[Comparison],
    thresholds: Sequence[float],
    *,
    words: str,
    same_labels: bool = True,
    resampling: Resampling | None = None,
) -> Estimate:
    """F1 = 2 matched / (marked by one + marked by the other), counts pooled over pairs and items.

    Of several `thresholds` it is the mean. It is symmetric in the annotators and not corrected for chance. Items on
    which both marked nothing add nothing.
    """
    counts = np.zeros((2, len(answers.items)))
    for comparison in comparisons:
        hits = _mean_matched(comparison, thresholds, same_labels=same_labels)
        counts[:, comparison.item] += 2 * hits, sum(comparison.nearness.shape)
    method = (
        f"F1 of regions matched one to one at {words}, counts pooled over pairs of annotators and items; not corrected "
        "for chance; items on which both marked nothing count neither way"
    )
    wording = Wording(method, NOTHING_MARKED)
    return ratio_of_sums(answers, counts[0], counts[1], wording=wording, resampling=resampling)


def mean_nearness(
    answers: Answers[tuple[Region, ...]],
    comparisons: Sequence[Comparison],
    rule: Rule,
    *,
    words: str,
    resampling: Resampling | None = None,
) -> Estimate:
    """The mean nearness of matched regions, over all matches of all pairs and items."""
    counts = np.zeros((2, len(answers.items)))
    for comparison in comparisons:
        hits, near = matched(comparison, rule)
        counts[:, comparison.item] += near, hits
    wording = Wording(f"{words}; what is not matched is left out", NOTHING_MATCHED)
    return ratio_of_sums(answers, counts[0], counts[1], wording=wording, resampling=resampling)


def pairs_of_annotators(
    answers: Answers[tuple[Region, ...]], comparisons: Sequence[Comparison], rule: Rule
) -> tuple[JSONDict, ...]:
    """For every two annotators their common items, what each marked, and precision, recall and F1 of the second.

    The first is taken as the standard: recall is the share of its regions that the second has, precision the share of
    the second's that the first has. The other way round the two change places. None where nothing was marked.
    """
    sums: dict[tuple[int, int], list[int]] = {}
    for comparison in comparisons:
        own = sums.setdefault((comparison.first, comparison.second), [0, 0, 0, 0])
        numbers = (1, *comparison.nearness.shape, matched(comparison, rule)[0])
        for place, number in enumerate(numbers):
            own[place] += number
    return tuple(
        {
            "raters": [answers.raters[first], answers.raters[second]],
            "n_items": n_items,
            "marked": [n_first, n_second],
            "matched": hits,
            "precision": hits / n_second if n_second else None,
            "recall": hits / n_first if n_first else None,
            "f1": 2 * hits / (n_first + n_second) if n_first + n_second else None,
        }
        for (first, second), (n_items, n_first, n_second, hits) in sorted(sums.items())
    )


def disagreement_by_item(
    answers: Answers[tuple[Region, ...]], comparisons: Sequence[Comparison], rule: Rule
) -> dict[str, float]:
    """1 − F1 of each item over its pairs; items on which nobody marked anything are absent."""
    counts = np.zeros((2, len(answers.items)))
    for comparison in comparisons:
        counts[:, comparison.item] += 2 * matched(comparison, rule)[0], sum(comparison.nearness.shape)
    return {
        item: float(1 - hits / marked)
        for item, hits, marked in zip(answers.items, *counts.tolist(), strict=True)
        if marked
    }


def labels_of(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """Every label that a region carries, in ascending order."""
    sets = {labels for comparison in comparisons for side in comparison.labels for labels in side}
    return tuple(sorted(frozenset().union(*sets) - {NO_LABEL}))
