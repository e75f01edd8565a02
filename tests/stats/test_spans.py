"""Spans: read from Label Studio's regions, matched, and compared position by position."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.measures import Rating
from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.regions.reading import read_region
from annotator_ops.stats.regions.spans import Piece, Span, span_iou
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.structured import Agreement, region_agreement

Region = dict[str, Any]
# For each item what each rater marked.
Marked = Mapping[str, Mapping[str, Sequence[Region] | None]]


def text(start: float, end: float, *labels: str) -> Region:
    return {"type": "labels", "start": start, "end": end, "text": "…", "labels": list(labels)}


def ratings(marked: Marked) -> list[Rating]:
    return [
        Rating(rater, "human", item, "spans", None if regions is None else tuple(regions))
        for item, by_rater in marked.items()
        for rater, regions in by_rater.items()
    ]


def agreement(marked: Marked, **options: Any) -> Agreement:
    return region_agreement(ratings(marked), **options)


def values(marked: Marked, **options: Any) -> dict[str, float | None]:
    return {name: found.value for name, found in agreement(marked, **options).estimates.items()}


@st.composite
def marks(draw: st.DrawFn) -> Marked:
    spans = st.tuples(st.integers(0, 11), st.integers(1, 4), st.sampled_from("XY"))
    own = st.none() | st.lists(spans, max_size=4)
    return {
        f"t{item}": {
            rater: None if (chosen := draw(own)) is None else [text(at, at + size, label) for at, size, label in chosen]
            for rater in ("anna", "ben", "cleo")
        }
        for item in range(draw(st.integers(1, 4)))
    }


# --- what a region says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "pieces"),
    [
        (text(3, 9, "X"), [(0, 3, 9)]),
        (
            {"start": "/p[1]/text()[1]", "end": "/p[2]/text()[1]", "startOffset": 2, "endOffset": 4,
             "globalOffsets": {"start": 12, "end": 40}, "hypertextlabels": ["X"]},
            [(0, 12, 40)],
        ),
        ({"start": "1", "end": "1", "startOffset": 2, "endOffset": 8, "paragraphlabels": ["X"]}, [(1, 2, 8)]),
        (
            {"start": "1", "end": "3", "startOffset": 2, "endOffset": 8, "paragraphlabels": ["X"]},
            [(1, 2, np.inf), (2, 0, np.inf), (3, 0, 8)],
        ),
        ({"start": 1.5, "end": 2.25, "channel": 1, "labels": ["X"]}, [(1, 1.5, 2.25)]),
        ({"start": 1592250751951, "end": 1592250767925, "instant": False, "timeserieslabels": ["X"]},
         [(0, 1592250751951, 1592250767925)]),
        ({"start": "1970-01-01T00:01:00", "end": "1970-01-01T00:02:00Z", "timeserieslabels": ["X"]}, [(0, 60, 120)]),
        ({"ranges": [{"start": 8, "end": 9}, {"start": 3, "end": 5}], "timelinelabels": ["X"]},
         [(0, 3, 6), (0, 8, 10)]),
        ({"ranges": [{"start": 3, "end": 5}, {"start": 4, "end": 9}], "timelinelabels": ["X"]}, [(0, 3, 10)]),
    ],
)  # fmt: skip
def test_each_kind_of_span_is_read(region: Region, pieces: list[tuple[int, float, float]]) -> None:
    assert read_region(region) == Span(tuple(Piece(*piece) for piece in pieces), ("X",))


def test_iou_over_several_pieces_and_for_instants() -> None:
    two = Span((Piece(0, 0, 4), Piece(1, 0, 6)), ())
    other = Span((Piece(0, 2, 4), Piece(1, 3, 9)), ())
    instant = Span((Piece(0, 3, 3),), ())
    assert span_iou([two, instant], [other, instant]).tolist() == [[5 / 13, 0], [0, 1]]
    assert span_iou([], [two]).shape == (0, 1)


BAD: list[tuple[Any, str, str]] = [
    ("X", "bad-region", "“?X"),
    (({"start": 1},), "bad-region", "end is missing"),
    (({"start": 5, "end": 2, "labels": ["X"]},), "bad-region", "ends before it starts"),
    (({"start": 0, "end": float("nan"), "labels": ["X"]},), "bad-region", "end is NaN"),
    (({"start": 0, "end": True, "labels": ["X"]},), "bad-region", "end is true"),
    (({"start": 0, "end": [], "labels": ["X"]},), "bad-region", "end is"),
    (({"start": "soon", "end": "late", "timeserieslabels": ["X"]},), "bad-region", "neither a number nor an ISO time"),
    (({"start": 0, "end": 1, "labels": "X"},), "bad-region", "no list of labels"),
    (({"start": 0, "end": 1, "channel": -1},), "bad-region", "channel is -1"),
    (({"start": "/p[1]", "end": "/p[1]", "startOffset": 0, "endOffset": 3},), "no-global-offsets", "globalOffsets"),
    (({"start": "0", "end": "0", "startOffset": 4, "endOffset": 3},), "bad-region", "ends before it starts"),
    (({"globalOffsets": 7},), "bad-region", "globalOffsets is 7"),
    (({"ranges": []},), "bad-region", "ranges"),
    (({"ranges": [3]},), "bad-region", "no range"),
    (({"type": "brushlabels", "rle": [1], "brushlabels": ["X"]},), "unsupported-region", "brushlabels"),
    (({},), "unsupported-region", "keys"),
    ((7,), "bad-region", "no region"),
    ((text(0, 3, "X"), {"x": 1.0, "y": 1.0, "width": 3, "height": 3}), "mixed-regions", "shapes and spans"),
]


@pytest.mark.parametrize(("value", "code", "says"), BAD)
def test_what_cannot_be_read_is_a_reason_that_names_item_and_annotator(value: Any, code: str, says: str) -> None:
    given = [*ratings({"t1": {"anna": [text(0, 3, "X")]}}), Rating("ben", "human", "t1", "spans", value)]
    for found in region_agreement(given).estimates.values():
        assert found.value is None and found.reason is not None and found.reason.code == code
        assert says in found.reason.sentence or (says == "“?X" and '"X"' in found.reason.sentence)
        if code != "mixed-regions":
            assert "ben" in found.reason.sentence and "t1" in found.reason.sentence


# --- matching --------------------------------------------------------------------------------------------------------


def test_f1_by_hand() -> None:
    marked: Marked = {
        "t1": {
            "anna": [text(0, 10, "X"), text(20, 30, "Y"), text(50, 60, "X")],
            "ben": [text(0, 10, "X"), text(22, 30, "Y"), text(55, 70, "X"), text(80, 90, "Z")],
        },
        "t2": {"anna": [], "ben": []},
        "t3": {"anna": [text(0, 4, "X")], "ben": [text(0, 4, "Y")]},
        "t4": {"anna": [text(0, 4, "X")], "ben": None},
    }
    found = agreement(marked)
    # 9 marks on items that both did; one match exactly, two at .5, three without labels.
    assert {name: found.estimates[name].value for name in ("f1_exact", "f1_iou_50", "f1_iou_50_any_label")} == {
        "f1_exact": pytest.approx(2 / 9),
        "f1_iou_50": pytest.approx(4 / 9),
        "f1_iou_50_any_label": pytest.approx(6 / 9),
    }
    assert found.estimates["mean_iou"].value == pytest.approx((1 + 0.8) / 2)
    assert found.estimates["f1_iou_50"].n_items == 3
    assert list(found.by_label) == ["X", "Y", "Z"]
    assert found.by_label["X"]["f1_iou_50"].value == pytest.approx(2 * 1 / 5)
    assert found.by_label["Y"]["f1_iou_50"].value == pytest.approx(2 * 1 / 3)
    assert found.disagreement == {"t3": 1.0, "t1": pytest.approx(1 - 4 / 7)}
    assert found.pairs == (
        {"raters": ["anna", "ben"], "n_items": 3, "marked": [4, 5], "matched": 2,
         "precision": 2 / 5, "recall": 2 / 4, "f1": 4 / 9},
    )  # fmt: skip


def test_as_many_are_matched_as_possible_and_one_only_with_one() -> None:
    marked = {"t1": {"anna": [text(0, 10), text(4, 14)], "ben": [text(3, 13), text(7, 17)]}}
    # 3–13 is nearest to 4–14, but with that pair 0–10 and 7–17 would be left alone.
    assert values(marked)["f1_iou_50"] == 1.0
    greedy = {"t1": {"anna": [text(0, 10), text(0, 10)], "ben": [text(0, 10)]}}
    assert values(greedy)["f1_iou_50"] == pytest.approx(2 / 3)


def test_the_threshold_itself_is_enough() -> None:
    assert values({"t1": {"anna": [text(0, 10)], "ben": [text(0, 5)]}})["f1_iou_50"] == 1.0
    assert values({"t1": {"anna": [text(0, 0.3)], "ben": [text(0.1, 0.3 - 0.05)]}})["f1_iou_50"] == 1.0


@given(marks(), st.permutations(["anna", "ben", "cleo"]), st.randoms())
@settings(deadline=None, max_examples=60)
def test_order_and_names_change_nothing(marked: Marked, names: list[str], random: Any) -> None:
    new = dict(zip(["anna", "ben", "cleo"], names, strict=True))
    shuffled = [Rating(new[each.rater], "human", each.item, "spans", each.value) for each in ratings(marked)]
    random.shuffle(shuffled)
    one = agreement(marked, resampling=Resampling(resamples=10))
    other = region_agreement(shuffled, resampling=Resampling(resamples=10))
    for name, found in one.estimates.items():
        again = other.estimates[name]
        assert found.value == (None if again.value is None else pytest.approx(again.value, abs=1e-9)), name
        assert found.low == (None if again.low is None else pytest.approx(again.low, abs=1e-9)), name


@given(marks())
@settings(deadline=None, max_examples=60)
def test_values_are_in_range_and_the_same_marks_agree_fully(marked: Marked) -> None:
    for found in agreement(marked).estimates.values():
        assert (found.value is None) == (found.reason is not None)
        assert found.value is None or found.value <= 1
    copied = {item: dict.fromkeys(own, own["anna"]) for item, own in marked.items()}
    if any(own["anna"] for own in copied.values()):
        same = values(copied)
        # Where one label covers every position of every item, nothing varies and alpha is undefined.
        assert same.pop("position_alpha") in (pytest.approx(1), None)
        assert all(value == pytest.approx(1) for value in same.values())


def test_disjoint_marks_give_nothing() -> None:
    marked = {"t1": {"anna": [text(0, 4, "X")], "ben": [text(4, 8, "X")]}}
    found = agreement(marked)
    assert found.estimates["f1_iou_50"].value == 0 == found.estimates["f1_iou_50_any_label"].value
    assert found.estimates["mean_iou"].reason is not None
    assert found.estimates["mean_iou"].reason.code == "nothing-matched"
    assert found.estimates["position_alpha"].value == pytest.approx(-1)


@pytest.mark.parametrize(
    ("marked", "code"),
    [
        ({}, "no-ratings"),
        ({"t1": {"anna": [text(0, 3)]}}, "one-rater"),
        ({"t1": {"anna": [text(0, 3)]}, "t2": {"ben": []}}, "no-overlap"),
        ({"t1": {"anna": [], "ben": []}}, "nothing-marked"),
    ],
)
def test_what_is_undefined_says_why(marked: Marked, code: str) -> None:
    for found in agreement(marked).estimates.values():
        assert found.value is None and found.reason is not None and found.reason.code == code


# --- position by position --------------------------------------------------------------------------------------------


@given(marks())
@settings(deadline=None, max_examples=80)
def test_position_alpha_is_alpha_over_single_positions_but_for_the_small_sample(marked: Marked) -> None:
    """The oracle makes a unit of every character; its n − 1 in the expected disagreement is n here."""
    length = 15
    columns: list[list[str | None]] = []
    for own in marked.values():
        for position in range(length):
            column: list[str | None] = []
            for regions in own.values():
                here = {
                    label
                    for region in regions or ()
                    for label in region["labels"]
                    if region["start"] <= position < region["end"]
                }
                column.append(None if regions is None else "+".join(sorted(here)))
            columns.append(column)
    rows = [list(row) for row in zip(*columns, strict=True)]
    data = ReliabilityData.from_rows(rows, level=Level.NOMINAL)
    oracle = krippendorff_alpha(data).value
    lengths = {item: [length] for item in marked}
    found = values(marked, lengths=lengths).get("position_alpha")
    if oracle is None or found is None:
        assert found is None
        return
    n = int((data.codes[:, data.pairable] >= 0).sum())
    assert 1 - found == pytest.approx((1 - oracle) * n / (n - 1), abs=1e-9)


@given(marks(), st.floats(0.001, 1000))
@settings(deadline=None, max_examples=40)
def test_nothing_depends_on_the_unit_of_length(marked: Marked, factor: float) -> None:
    scaled = {
        item: {
            rater: None
            if regions is None
            else [{**region, "start": region["start"] * factor, "end": region["end"] * factor} for region in regions]
            for rater, regions in own.items()
        }
        for item, own in marked.items()
    }
    one, other = values(marked), values(scaled)
    assert one == {name: None if value is None else pytest.approx(value, abs=1e-9) for name, value in other.items()}


def test_a_known_length_adds_positions_where_nothing_is_marked() -> None:
    marked = {"t1": {"anna": [text(0, 5, "X")], "ben": [text(0, 6, "X")]}}
    shorter, longer = values(marked)["position_alpha"], values(marked, lengths={"t1": [100]})["position_alpha"]
    assert shorter is not None and longer is not None and longer > 0.8 > 0 > shorter
    sound = {
        "t1": {rater: [{**region, "original_length": 100} for region in own] for rater, own in marked["t1"].items()}
    }
    assert values(sound)["position_alpha"] == pytest.approx(longer)


def test_overlapping_labels_are_a_value_of_their_own_and_each_label_has_an_alpha() -> None:
    marked = {
        "t1": {"anna": [text(0, 10, "X"), text(5, 15, "Y")], "ben": [text(0, 10, "X"), text(5, 20, "Y")]},
    }
    found = agreement(marked, lengths={"t1": [40]})
    # Lengths of nothing, X, XY, Y: 20 + 25, 5 + 5, 5 + 5, 5 + 10 minus the overlaps; they differ on 15–20 only.
    shares = np.array([45, 10, 10, 15]) / 80
    assert found.estimates["position_alpha"].value == pytest.approx(1 - (5 / 40) / (1 - (shares**2).sum()))
    assert found.by_label["X"]["position_alpha"].value == pytest.approx(1)
    y = np.array([25, 55]) / 80
    assert found.by_label["Y"]["position_alpha"].value == pytest.approx(1 - (5 / 40) / (1 - (y**2).sum()))


def test_a_time_series_starts_where_its_first_mark_does() -> None:
    def series(start: float, end: float) -> Region:
        return {"start": start, "end": end, "instant": False, "timeserieslabels": ["X"]}

    late = {"t1": {"anna": [series(1000, 1004), series(1008, 1010)], "ben": [series(1000, 1005), series(1008, 1010)]}}
    early = {"t1": {"anna": [series(0, 4), series(8, 10)], "ben": [series(0, 5), series(8, 10)]}}
    assert values(late)["position_alpha"] == pytest.approx(values(early)["position_alpha"])
    instants = {"t1": {"anna": [series(3, 3)], "ben": [series(3, 3)]}}
    assert values(instants)["f1_exact"] == 1
    reason = agreement(instants).estimates["position_alpha"].reason
    assert reason is not None and reason.code == "no-length"


def test_paragraphs_are_parts_and_a_span_may_run_through_several() -> None:
    def said(first: int, start: int, last: int, end: int) -> Region:
        return {"start": str(first), "end": str(last), "startOffset": start, "endOffset": end, "paragraphlabels": ["X"]}

    marked = {"t1": {"anna": [said(0, 4, 2, 6)], "ben": [said(1, 0, 2, 6)]}}
    # Paragraphs of 10, 20 and 30 characters: 6 + 20 + 6 against 20 + 6.
    found = values(marked, lengths={"t1": [10, 20, 30]})
    assert found["mean_iou"] == pytest.approx(26 / 32)
    shares = np.array([58, 62]) / 120
    assert found["position_alpha"] == pytest.approx(1 - (6 / 60) / (1 - (shares**2).sum()))
    apart = {"t1": {"anna": [said(0, 0, 0, 5)], "ben": [said(1, 0, 1, 5)]}}
    assert values(apart)["f1_iou_50_any_label"] == 0


def test_the_interval_and_the_standard_error_are_over_items() -> None:
    random = np.random.default_rng(3)
    marked = {
        f"t{item}": {
            rater: [text(10 * place, 10 * place + int(random.integers(4, 11)), "X") for place in range(3)]
            for rater in ("anna", "ben")
        }
        for item in range(60)
    }
    found = agreement(marked, resampling=Resampling(seed=1, resamples=300), lengths={item: [40] for item in marked})
    for name in ("f1_iou_50", "mean_iou", "position_alpha"):
        estimate = found.estimates[name]
        assert estimate.value is not None and estimate.low is not None and estimate.high is not None
        assert estimate.low < estimate.value < estimate.high
        assert estimate.standard_error == pytest.approx((estimate.high - estimate.low) / 3.92, rel=0.25), name


def test_pairs_and_items_are_pooled() -> None:
    """F1 over three annotators is not the mean of the pairs' F1 but that of their counts."""
    own = {"anna": [text(0, 4)], "ben": [text(0, 4), text(5, 9)], "cleo": [text(5, 9)]}
    found = agreement({"t1": own})
    hits, marked = 0, 0
    for one, other in itertools.combinations(own.values(), 2):
        hits += sum(region in other for region in one)
        marked += len(one) + len(other)
    assert found.estimates["f1_exact"].value == pytest.approx(2 * hits / marked)
    assert [pair["f1"] for pair in found.pairs] == [pytest.approx(2 / 3), 0, pytest.approx(2 / 3)]
