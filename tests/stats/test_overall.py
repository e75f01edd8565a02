"""The mean over criteria: weights, what has none, weights that nothing can be done with, judges' confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from annotator_ops.judge_settings import Judging
from annotator_ops.measures import Rating
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.context import Context
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.overall import _means, overall_of
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import ValueKind

QUICK = Resampling(resamples=50)
ROWS = {"style": [1.0, 2.0, 3.0, 5.0], "sense": [2.0, 2.0, 4.0, 4.0], "tone": [5.0, 1.0, 4.0, 2.0]}


def ordinal(name: str, level: Level = Level.ORDINAL) -> CriterionSpec:
    return CriterionSpec(name, ValueKind.NUMBERS, level, "Declared.", name.title(), scale=(1, 2, 3, 4, 5))


def table(rows: Mapping[str, Sequence[float]] = ROWS, *, confidence: Mapping[str, Any] | None = None) -> RatingTable:
    ratings = [
        Rating(
            rater,
            "judge" if rater == "gpt" else "human",
            f"item-{number}",
            name,
            value,
            confidence=(confidence or {}).get(name) if rater == "gpt" else None,
            reply=f"{name}: {value}" if rater == "gpt" else None,
        )
        for rater in ("anna", "boris", "gpt")
        for name, values in rows.items()
        for number, value in enumerate(values, start=1)
    ]
    return RatingTable.from_ratings(ratings).canonical()


def overall(weights: Mapping[str, float], *specs: CriterionSpec) -> tuple[JSONDict | None, list[str]]:
    context = Context(judging=Judging(weights=weights))
    return overall_of(table(), specs or [ordinal(name) for name in ROWS], QUICK, context)


def mean_of(entry: JSONDict | None, rater: str = "anna") -> float:
    assert entry is not None
    (found,) = (each["mean"] for each in (*entry["raters"], *entry["judges"]) if each["rater"] == rater)
    return float(found)


def test_without_weights_all_criteria_count_the_same() -> None:
    entry, notes = overall({})
    assert mean_of(entry) == pytest.approx(35 / 12)
    assert entry is not None and notes == []
    assert entry["title"] == "Mean of the three criteria"
    assert entry["derived"]["weights"] == {"style": 1.0, "sense": 1.0, "tone": 1.0}
    assert entry["judges"][0]["confusion"] is None
    equal, _ = overall({"style": 2.0, "sense": 2.0, "tone": 2.0})
    assert equal is not None
    assert (equal["title"], mean_of(equal)) == ("Mean of the three criteria", mean_of(entry))


def test_a_weighted_mean_is_over_the_criteria_that_have_a_weight() -> None:
    entry, notes = overall({"sense": 3.0, "style": 1.0})
    assert mean_of(entry) == pytest.approx((3 * 3 + 2.75) / 4)
    assert mean_of(entry, "gpt") == mean_of(entry)
    assert entry is not None and notes == []
    assert entry["title"] == "Weighted mean of the two criteria"
    assert entry["derived"] == {
        "from": ["style", "sense"],
        "how": "per rater and item the weighted mean over the criteria; an item that lacks one of them has no mean; "
        "weights: Style 1, Sense 3",
        "weights": {"style": 1.0, "sense": 3.0},
    }


def test_one_criterion_with_a_weight_is_no_mean() -> None:
    assert overall({"sense": 3.0}) == (None, [])


def test_weights_that_nothing_can_be_done_with_are_noted() -> None:
    labels = CriterionSpec("kind", ValueKind.LABELS, Level.NOMINAL, "Declared.", "Kind")
    entry, notes = overall(
        {"sense": 3.0, "style": 1.0, "kind": 1.0, "senes": 1.0}, *(ordinal(name) for name in ROWS), labels
    )
    assert mean_of(entry) == pytest.approx((3 * 3 + 2.75) / 4)
    assert notes == [
        "A weight is given for senes, but no criterion has this name.",
        "A weight is given for Kind, but there are no numbers to average.",
    ]


def test_criteria_of_two_scales_have_a_mean_where_only_one_scale_has_weights() -> None:
    specs = [ordinal("style"), ordinal("sense"), ordinal("tone", Level.INTERVAL)]
    assert overall({}, *specs)[0] is None
    entry, notes = overall({"style": 1.0, "sense": 2.0}, *specs)
    assert mean_of(entry) == pytest.approx((2.75 + 2 * 3) / 3)
    assert notes == []


def test_a_judge_is_as_sure_of_a_mean_as_of_the_least_sure_part() -> None:
    weights = dict.fromkeys(ROWS, 1.0)
    known = _means(table(confidence={"style": 0.9, "sense": 0.6, "tone": 0.8}), weights, "overall").models()
    assert known.confidence.tolist() == [0.6] * 4
    partly = _means(table(confidence={"style": 0.9, "tone": 0.8}), weights, "overall").models()
    assert all(rating.confidence is None for rating in partly.ratings())
    assert all(rating.reply is None for rating in partly.ratings())
