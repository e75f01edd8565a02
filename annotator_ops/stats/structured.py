"""Layer 2. Agreement on answers that are not one value an item: regions, sets of labels, free text, rankings.

One function a kind; each takes what people (no judges) said on one criterion and gives an `Agreement` with the same
parts. Which function fits a criterion:

- marked regions (`ValueKind.REGIONS`): `region_agreement`;
- sets of labels (`ValueKind.LABEL_SETS`), taxonomies and a Ranker with buckets included: `set_agreement`;
- free text (`ValueKind.TEXT`, a TextArea): `text_agreement`;
- rankings: `ranking_agreement`. A ranking is a tuple of labels just as a set is, so the values do not tell: the control
  does (`Control.ranks` of the label config). In a table of ratings without a label config both are lists of labels, and
  sets are assumed.

Missing values (None) are left out; an empty tuple is an answer. Nothing here raises for what people answered: what
cannot be compared gives estimates without a value and with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from annotator_ops.measures import Estimate, Rating, Reason, Value
from annotator_ops.models import JSONDict
from annotator_ops.stats import rankings, similarity
from annotator_ops.stats.agreement.sets import (
    PATH,
    SetDistance,
    jaccard_by_item,
    label_alphas,
    mean_jaccard,
    set_alpha,
)
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.per_item import Answers, UnreadableAnswerError, Wording, answers_of, ratio_of_sums
from annotator_ops.stats.regions.agreement import RegionAgreement, agreement_of, names_of
from annotator_ops.stats.regions.reading import marks_of
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import FloatArray

_SIMILAR = (
    "a similarity of wording between two annotators' texts, mean over pairs within an item and then over items: no "
    "agreement on what is said, and not corrected for chance"
)
_CHRF = f"chrF (Popović 2015; character 1- to 6-grams, β = 2, mean of both directions), {_SIMILAR}"
_TOKENS = f"F1 of words in common, {_SIMILAR}"
_W = (
    "Kendall's W of the rankings of each item, mean over items; not corrected for chance (its expected value for m "
    "annotators who rank at random is 1/m)"
)
_TAU = "Kendall's tau of two annotators' rankings, mean over pairs within an item and then over items"
_NOTHING = Reason("no-overlap", "No item was rated by two annotators, so nothing can be compared.")


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was found. `estimates` by name; `by_label` the same for single labels, where that means something.

    `disagreement` lists items from the one with the most disagreement (at most 1) to that with the least (0): for
    regions 1 − F1 at IoU .5, for sets the mean Jaccard distance, for texts 1 − chrF, for rankings the share of pairs of
    things that two annotators order differently. `pairs` compares two annotators at a time, for regions only.
    """

    estimates: Mapping[str, Estimate]
    by_label: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    disagreement: Mapping[str, float] = field(default_factory=dict)
    pairs: tuple[JSONDict, ...] = ()

    def as_json(self) -> JSONDict:
        return {
            "agreement": {name: estimate.as_json() for name, estimate in self.estimates.items()},
            "by_label": {
                label: {name: estimate.as_json() for name, estimate in estimates.items()}
                for label, estimates in self.by_label.items()
            },
            "disagreement": [{"item": item, "value": value} for item, value in self.disagreement.items()],
            "pairs": list(self.pairs),
        }


def region_agreement(
    ratings: Sequence[Rating],
    *,
    resampling: Resampling | None = None,
    lengths: Mapping[str, Sequence[float]] | None = None,
) -> Agreement:
    """Spans, shapes or key points; values are tuples of regions as Label Studio writes them.

    Spans: "f1_exact", "f1_iou_50", "f1_iou_50_any_label", "mean_iou", "position_alpha". Shapes: "f1_iou_50",
    "f1_iou_75", "f1_iou_50_95" (the mean over .50, .55, …, .95), "f1_iou_50_any_label", "mean_iou". Key points:
    "f1_within_1_percent", "f1_within_5_percent" (of the image's diagonal), "f1_within_5_percent_any_label",
    "mean_nearness". Regions match with the same set of labels, but for "…_any_label". By label: F1 at the middle
    threshold, and "position_alpha" for spans. `lengths` is how long an item's parts are, see `marks_of`; without it, a
    text's end beyond the last mark is not part of "position_alpha".
    """
    marks = marks_of(ratings, lengths=lengths)
    if isinstance(marks, Reason):
        return _without(names_of(None), ratings, marks)
    found: RegionAgreement = agreement_of(marks, resampling=resampling)
    return Agreement(found.estimates, found.by_label, _most_first(found.disagreement), found.pairs)


def set_agreement(data: ReliabilityData, *, resampling: Resampling | None = None, taxonomy: bool = False) -> Agreement:
    """Sets of labels: "alpha_masi", "alpha_jaccard", "mean_jaccard"; by label: "krippendorff_alpha" of chosen or not.

    `data` is nominal; its domain are sorted tuples, and single labels as sets of one. With `taxonomy` the labels are
    paths ("a > b > c"), and there are "alpha_masi_ancestors" and "alpha_jaccard_ancestors" besides, in which a path
    counts with its ancestors, so that siblings are nearer than strangers.
    """
    estimates = {}
    for distance in (SetDistance.MASI, SetDistance.JACCARD):
        estimates[f"alpha_{distance.value}"] = set_alpha(data, distance=distance, resampling=resampling)
    if taxonomy:
        for distance in (SetDistance.MASI, SetDistance.JACCARD):
            found = set_alpha(data, distance=distance, resampling=resampling, separator=PATH)
            estimates[f"alpha_{distance.value}_ancestors"] = found
    estimates["mean_jaccard"] = mean_jaccard(data)
    by_label = {
        label: {"krippendorff_alpha": found} for label, found in label_alphas(data, resampling=resampling).items()
    }
    return Agreement(estimates, by_label, _most_first(jaccard_by_item(data)))


def text_agreement(ratings: Sequence[Rating], *, resampling: Resampling | None = None) -> Agreement:
    """Free text: "chrf" and "token_f1", similarities of wording."""
    answers = answers_of(ratings, _text)
    if isinstance(answers, Reason):
        return _without(("chrf", "token_f1"), ratings, answers)
    reason, shared = answers.undefined, answers.shared
    if reason is not None:
        return Agreement(dict.fromkeys(("chrf", "token_f1"), answers.nothing(reason)))
    alike = {
        "chrf": _mean_over_pairs(shared, similarity.chrf),
        "token_f1": _mean_over_pairs(shared, similarity.token_f1),
    }
    estimates = {
        name: _mean_over_items(shared, alike[name], method=method, resampling=resampling)
        for name, method in (("chrf", _CHRF), ("token_f1", _TOKENS))
    }
    far = (1 - alike["chrf"]).tolist()
    return Agreement(estimates, disagreement=_most_first(dict(zip(shared.items, far, strict=True))))


def ranking_agreement(ratings: Sequence[Rating], *, resampling: Resampling | None = None) -> Agreement:
    """Rankings of the same things: "kendall_w" and "kendall_tau". Values are tuples of ids from first to last."""
    names = ("kendall_w", "kendall_tau")
    answers = answers_of(ratings, rankings.read_ranking)
    if isinstance(answers, Reason):
        return _without(names, ratings, answers)
    shared = answers.shared
    reason = answers.undefined or rankings.incomplete(shared)
    if reason is not None:
        return Agreement(dict.fromkeys(names, answers.nothing(reason)))
    tables = [rankings.ranks([ranking for _, ranking in sorted(marks.items())]) for marks in shared.by_item]
    concordance = np.array([rankings.coefficient_of_concordance(table) for table in tables])
    tau = np.array([rankings.mean_tau(table) for table in tables])
    estimates = {
        "kendall_w": _mean_over_items(shared, concordance, method=_W, resampling=resampling),
        "kendall_tau": _mean_over_items(shared, tau, method=_TAU, resampling=resampling),
    }
    far = ((1 - tau) / 2).tolist()
    return Agreement(estimates, disagreement=_most_first(dict(zip(shared.items, far, strict=True))))


def _text(value: Value) -> str:
    if not isinstance(value, (str, int, float)):
        raise UnreadableAnswerError("it is no text.", code="no-text")
    # In a table of ratings an answer such as "1984" is read as a number.
    return value if isinstance(value, str) else f"{value:g}"


def _mean_over_pairs(answers: Answers[str], alike: Callable[[Sequence[str]], FloatArray]) -> FloatArray:
    """For each item the mean similarity of two annotators' texts."""
    means = []
    for texts in answers.by_item:
        table = alike([text for _, text in sorted(texts.items())])
        means.append(float(np.mean([table[i, j] for i, j in combinations(range(len(texts)), 2)])))
    return np.array(means)


def _mean_over_items(
    answers: Answers[Any], values: FloatArray, *, method: str, resampling: Resampling | None
) -> Estimate:
    wording = Wording(method, _NOTHING)
    return ratio_of_sums(answers, values, np.ones(len(values)), wording=wording, resampling=resampling)


def _without(names: Iterable[str], ratings: Sequence[Rating], reason: Reason) -> Agreement:
    """The estimates by their names, all without a value."""
    raters: dict[str, set[str]] = {}
    for rating in ratings:
        if rating.value is not None:
            raters.setdefault(rating.item, set()).add(rating.rater)
    shared = sum(len(own) > 1 for own in raters.values())
    n_raters = len({rater for own in raters.values() for rater in own})
    return Agreement(dict.fromkeys(names, Estimate(value=None, reason=reason, n_items=shared, n_raters=n_raters)))


def _most_first(disagreement: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(disagreement.items(), key=lambda entry: -entry[1]))
