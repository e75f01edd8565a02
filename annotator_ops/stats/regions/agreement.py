"""Layer 2. Every statistic of one criterion's regions, by the family they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from annotator_ops.measures import Estimate
from annotator_ops.models import JSONDict
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.per_item import Answers
from annotator_ops.stats.regions.matching import (
    NOTHING_MARKED,
    Comparison,
    Rule,
    compared,
    disagreement_by_item,
    f1,
    labels_of,
    mean_nearness,
    pairs_of_annotators,
)
from annotator_ops.stats.regions.reading import Family, Marks, Region
from annotator_ops.stats.regions.spans import Span, atoms_of, position_alpha

_ANY_LABEL = "_any_label"
_MEAN_IOU = "mean IoU (length or area in common / in all) of regions matched one to one at an IoU of at least .5"
_MEAN_NEARNESS = "mean of 1 − distance / diagonal of the image over key points matched one to one within 5 %"


@dataclass(frozen=True, slots=True)
class _Measure:
    """One F1: its thresholds (several are averaged) and what they are called."""

    name: str
    thresholds: tuple[float, ...]
    words: str


_SPANS = (
    _Measure("f1_exact", (1.0,), "exactly the same boundaries"),
    _Measure("f1_iou_50", (0.5,), "an IoU of at least .5"),
)
_SHAPES = (
    _Measure("f1_iou_50", (0.5,), "an IoU of at least .5"),
    _Measure("f1_iou_75", (0.75,), "an IoU of at least .75"),
    _Measure(
        "f1_iou_50_95",
        tuple(step / 100 for step in range(50, 100, 5)),
        "an IoU of at least t, mean over t = .50, .55, …, .95",
    ),
)
_POINTS = (
    _Measure("f1_within_1_percent", (0.99,), "at most 1 % of the image's diagonal apart"),
    _Measure("f1_within_5_percent", (0.95,), "at most 5 % of the image's diagonal apart"),
)
_MEASURES = {Family.SPANS: _SPANS, Family.SHAPES: _SHAPES, Family.POINTS: _POINTS}
# Also made for each label and without labels; it says how much annotators disagree on an item.
_MAIN = {Family.SPANS: _SPANS[1], Family.SHAPES: _SHAPES[0], Family.POINTS: _POINTS[1]}


@dataclass(frozen=True, slots=True)
class RegionAgreement:
    """Estimates by name, the same by label, 1 − F1 by item, and every two annotators."""

    estimates: Mapping[str, Estimate]
    by_label: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    disagreement: Mapping[str, float] = field(default_factory=dict)
    pairs: tuple[JSONDict, ...] = ()


def names_of(family: Family | None) -> tuple[str, ...]:
    """The names of the estimates for a family of regions; where it is not known, those that spans and shapes share."""
    if family is None:
        return (_SPANS[1].name, _SPANS[1].name + _ANY_LABEL, "mean_iou")
    last = {
        Family.SPANS: ("mean_iou", "position_alpha"),
        Family.SHAPES: ("mean_iou",),
        Family.POINTS: ("mean_nearness",),
    }
    return (*(measure.name for measure in _MEASURES[family]), _MAIN[family].name + _ANY_LABEL, *last[family])


def agreement_of(marks: Marks, *, resampling: Resampling | None = None) -> RegionAgreement:
    """All that is computed of one criterion's regions."""
    answers, family = marks.answers.shared, marks.family
    reason = marks.answers.undefined or (NOTHING_MARKED if family is None else None)
    if reason is not None or family is None:
        nothing = marks.answers.nothing(reason or NOTHING_MARKED)
        return RegionAgreement(dict.fromkeys(names_of(family), nothing))
    comparisons = compared(answers, family)
    main = _MAIN[family]
    rule = Rule(main.thresholds[0])
    estimates = {measure.name: _f1(answers, comparisons, measure, resampling) for measure in _MEASURES[family]}
    words = f"{main.words}, whatever their labels"
    estimates[main.name + _ANY_LABEL] = f1(
        answers, comparisons, main.thresholds, words=words, same_labels=False, resampling=resampling
    )
    mean_name = names_of(family)[len(_MEASURES[family]) + 1]
    words = _MEAN_NEARNESS if family is Family.POINTS else _MEAN_IOU
    words += ", labels the same"
    estimates[mean_name] = mean_nearness(answers, comparisons, rule, words=words, resampling=resampling)
    labels = labels_of(comparisons)
    by_label: dict[str, dict[str, Estimate]] = {label: {} for label in labels}
    for label in labels:
        own = [comparison.of_label(label) for comparison in comparisons]
        words = f"{main.words}, only those labelled “{label}”"
        by_label[label][main.name] = f1(answers, own, main.thresholds, words=words, resampling=resampling)
    if family is Family.SPANS:
        spans = _as_spans(answers)
        atoms = atoms_of(spans, marks.lengths, starts_at_zero=marks.starts_at_zero)
        estimates["position_alpha"] = position_alpha(spans, atoms, resampling=resampling)
        for label in labels:
            found = position_alpha(spans, atoms.binary(label), resampling=resampling)
            by_label[label]["position_alpha"] = found
    disagreement = disagreement_by_item(answers, comparisons, rule)
    return RegionAgreement(estimates, by_label, disagreement, pairs_of_annotators(answers, comparisons, rule))


def _f1(
    answers: Answers[tuple[Region, ...]],
    comparisons: Sequence[Comparison],
    measure: _Measure,
    resampling: Resampling | None,
) -> Estimate:
    return f1(
        answers, comparisons, measure.thresholds, words=f"{measure.words} and the same labels", resampling=resampling
    )


def _as_spans(answers: Answers[tuple[Region, ...]]) -> Answers[tuple[Span, ...]]:
    by_item = tuple(
        {rater: tuple(region for region in regions if isinstance(region, Span)) for rater, regions in marks.items()}
        for marks in answers.by_item
    )
    return Answers(answers.raters, answers.items, by_item)
