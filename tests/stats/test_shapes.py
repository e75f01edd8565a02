"""Rectangles, ellipses, polygons and key points: overlap against counted pixels, matching, and what is no shape."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from annotator_ops.measures import Rating
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.regions.reading import read_region
from annotator_ops.stats.regions.shapes import Shape, clipped_area, overlap_area, shape_iou
from annotator_ops.stats.structured import Agreement, region_agreement
from annotator_ops.stats.values import BoolArray, FloatArray

Region = dict[str, Any]
Marked = Mapping[str, Mapping[str, Sequence[Region] | None]]
SIZE = {"original_width": 640, "original_height": 480}


def box(x: float, y: float, width: float, height: float, label: str = "Car", **more: Any) -> Region:
    return {
        "type": "rectanglelabels", "x": x, "y": y, "width": width, "height": height, "rotation": 0,
        "rectanglelabels": [label], **SIZE, **more,
    }  # fmt: skip


def outlined(*points: tuple[float, float], label: str = "Car", **more: Any) -> Region:
    corners = [list(point) for point in points]
    return {"type": "polygonlabels", "points": corners, "closed": True, "polygonlabels": [label], **SIZE, **more}


def round_(x: float, y: float, rx: float, ry: float, **more: Any) -> Region:
    return {"type": "ellipse", "x": x, "y": y, "radiusX": rx, "radiusY": ry, "rotation": 0, **SIZE, **more}


def shape(region: Region) -> Shape:
    found = read_region(region)
    assert isinstance(found, Shape)
    return found


def iou(one: Region, other: Region) -> float:
    return float(shape_iou([shape(one)], [shape(other)])[0, 0])


def agreement(marked: Marked, **options: Any) -> Agreement:
    given = [
        Rating(rater, "human", item, "boxes", None if regions is None else tuple(regions))
        for item, by_rater in marked.items()
        for rater, regions in by_rater.items()
    ]
    return region_agreement(given, **options)


def pixels(corners: FloatArray, grid: FloatArray) -> BoolArray:
    """Which points of a grid are inside an outline: those from which a ray meets an odd number of edges."""
    inside = np.zeros(len(grid), dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        crossed = (y0 > grid[:, 1]) != (y1 > grid[:, 1])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            inside ^= crossed & (grid[:, 0] < (x1 - x0) * (grid[:, 1] - y0) / (y1 - y0) + x0)
    return inside


def counted_iou(one: FloatArray, other: FloatArray, side: int = 250) -> float:
    low, high = (reach(np.concatenate([one, other]), axis=0) for reach in (np.min, np.max))
    axes = [(np.arange(side) + 0.5) / side * (high[axis] - low[axis]) + low[axis] for axis in (0, 1)]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    a, b = pixels(one, grid), pixels(other, grid)
    return float((a & b).sum() / max((a | b).sum(), 1))


# --- overlap ---------------------------------------------------------------------------------------------------------


def test_upright_rectangles_by_hand() -> None:
    assert iou(box(0, 0, 10, 10), box(5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert iou(box(0, 0, 10, 10), box(0, 0, 10, 10)) == 1
    assert iou(box(0, 0, 10, 10), box(10, 0, 10, 10)) == 0
    assert iou(box(0, 0, 10, 10), box(2, 2, 5, 5)) == pytest.approx(0.25)


def test_rotation_is_clockwise_about_the_upper_left_corner_in_pixels() -> None:
    """Label Studio's documentation: x, y is the corner before rotation. In 640 × 480, 10 % across are 64 pixels."""
    turned = shape(box(50, 50, 10, 20, rotation=90)).outline
    # The width of 64 pixels now points down (13.33 % of the height), the height of 96 to the left (15 % of the width).
    expected = [[50, 50], [50, 50 + 64 / 4.8], [50 - 96 / 6.4, 50 + 64 / 4.8], [50 - 96 / 6.4, 50]]
    assert turned == pytest.approx(np.array(expected))
    assert iou(box(50, 50, 10, 20, rotation=90), box(35, 50, 15, 64 / 4.8)) == pytest.approx(1)
    assert iou(box(50, 50, 10, 20, rotation=360), box(50, 50, 10, 20)) == 1


def test_a_square_and_the_same_turned_by_an_eighth() -> None:
    """Their overlap is a regular octagon: IoU = 1 / √2, a classic."""
    square: dict[str, Any] = {"original_width": 500, "original_height": 500}
    half = 10 * math.sqrt(2)
    about_centre = box(50, 50 - half, 20, 20, rotation=45, **square)
    assert iou(box(40, 40, 20, 20, **square), about_centre) == pytest.approx(1 / math.sqrt(2))


def test_ellipses() -> None:
    assert shape(round_(50, 50, 10, 20)).area == pytest.approx(math.pi * 200)
    assert overlap_area(*[shape(round_(50, 50, 10, 20)).outline] * 2) == pytest.approx(math.pi * 200)
    assert iou(round_(50, 50, 10, 20), round_(50, 50, 5, 10)) == pytest.approx(0.25, abs=1e-3)
    # Two circles whose centres are a radius apart: the lens is r² (2π/3 − √3/2).
    lens = 2 * math.pi / 3 - math.sqrt(3) / 2
    assert iou(round_(40, 50, 20, 20), round_(60, 50, 20, 20)) == pytest.approx(lens / (2 * math.pi - lens), abs=1e-3)


def test_polygons_that_are_not_convex() -> None:
    comb = outlined((0, 0), (50, 0), (50, 10), (40, 10), (40, 40), (30, 40), (30, 10), (20, 10), (20, 40), (10, 40),
                    (10, 10), (0, 10))  # fmt: skip
    assert shape(comb).area == pytest.approx(500 + 600)
    assert iou(comb, box(0, 20, 50, 20)) == pytest.approx(400 / (1100 + 1000 - 400))
    bow_tie = outlined((0, 0), (10, 10), (10, 0), (0, 10))
    assert shape(bow_tie).area == pytest.approx(50)


corner = st.tuples(st.integers(0, 1000), st.floats(0, 1000)).map(lambda point: (point[0] / 10, point[1] / 10))
outlines = st.lists(corner, min_size=3, max_size=8).map(lambda points: np.array(points))
turned_boxes = st.tuples(st.floats(0, 80), st.floats(0, 80), st.floats(5, 60), st.floats(5, 60), st.floats(0, 360)).map(
    lambda given: shape(box(*given[:4], rotation=given[4])).outline
)


@given(st.one_of(outlines, turned_boxes), st.one_of(outlines, turned_boxes))
@settings(deadline=None, max_examples=40)
def test_overlap_is_what_counting_pixels_gives(one: FloatArray, other: FloatArray) -> None:
    areas = overlap_area(one, one), overlap_area(other, other)
    assume(min(areas) > 20)
    common = overlap_area(one, other)
    assert common / (sum(areas) - common) == pytest.approx(counted_iou(one, other), abs=0.03)
    assert common == pytest.approx(overlap_area(other, one), abs=1e-6)
    assert -1e-9 <= common <= min(areas) + 1e-6


@given(outlines, st.floats(-50, 50), st.floats(0.1, 10))
@settings(deadline=None, max_examples=60)
def test_overlap_moves_and_grows_with_the_plane(one: FloatArray, shift: float, factor: float) -> None:
    other = one[::-1] * [0.8, 0.9] + 5
    moved = [outline * [factor, 2] + shift for outline in (one, other)]
    assert overlap_area(*moved) == pytest.approx(2 * factor * overlap_area(one, other), rel=1e-6, abs=1e-6)


def test_the_direct_way_for_upright_rectangles_is_the_general_one() -> None:
    random = np.random.default_rng(5)
    boxes = [box(*random.uniform(0, 50, 2), *random.uniform(5, 50, 2)) for _ in range(12)]
    as_polygons = [
        outlined((r["x"], r["y"]), (r["x"] + r["width"], r["y"]), (r["x"] + r["width"], r["y"] + r["height"]),
                 (r["x"], r["y"] + r["height"]))
        for r in boxes
    ]  # fmt: skip
    direct = shape_iou([shape(region) for region in boxes], [shape(region) for region in boxes])
    general = shape_iou([shape(region) for region in boxes], [shape(region) for region in as_polygons])
    assert direct == pytest.approx(general, abs=1e-9)
    assert np.diag(direct) == pytest.approx(1)


@given(turned_boxes, turned_boxes)
@settings(deadline=None, max_examples=80)
def test_clipping_gives_the_same_area_as_the_scan_line(one: FloatArray, other: FloatArray) -> None:
    assert clipped_area(one, other) == pytest.approx(overlap_area(one, other), abs=1e-6)
    assert clipped_area(one, one) == pytest.approx(overlap_area(one, one), abs=1e-6)


def test_shapes_in_different_images_and_without_area() -> None:
    assert iou(box(0, 0, 10, 10, item_index=0), box(0, 0, 10, 10, item_index=1)) == 0
    assert iou(box(0, 0, 10, 10), box(0, 0, 10, 10, item_index=0)) == 1
    assert iou(box(3, 3, 0, 5), box(3, 3, 0, 5)) == 1
    assert iou(box(3, 3, 0, 5), box(4, 3, 0, 5)) == 0


# --- agreement -------------------------------------------------------------------------------------------------------


def test_f1_at_several_thresholds_by_hand() -> None:
    marked: Marked = {
        "t1": {
            "anna": [box(0, 0, 10, 10), box(50, 50, 10, 10, "Bus"), box(80, 80, 10, 10)],
            "ben": [box(0, 0, 10, 8), box(50, 50, 10, 6, "Bus"), box(80, 80, 10, 10, "Bus")],
        },
        "t2": {"anna": [], "ben": []},
        "t3": {"anna": [box(0, 0, 10, 10)], "ben": None},
    }
    found = {name: estimate.value for name, estimate in agreement(marked).estimates.items()}
    # IoU .8 and .6 with the same labels, 1 with another: matched at 7 and 3 of the 10 thresholds.
    assert found == {
        "f1_iou_50": pytest.approx(4 / 6),
        "f1_iou_75": pytest.approx(2 / 6),
        "f1_iou_50_95": pytest.approx(2 * (7 + 3) / 10 / 6),
        "f1_iou_50_any_label": 1.0,
        "mean_iou": pytest.approx(0.7),
    }
    assert agreement(marked).by_label["Bus"]["f1_iou_50"].value == pytest.approx(2 / 3)
    assert "count neither way" in agreement(marked).estimates["f1_iou_50"].method


def test_shapes_of_several_kinds_are_compared_with_each_other_and_without_labels() -> None:
    plain = {key: value for key, value in box(0, 0, 10, 10).items() if key != "rectanglelabels"} | {"type": "rectangle"}
    marked: Marked = {
        "t1": {"anna": [plain], "ben": [outlined((0, 0), (10, 0), (10, 10), (0, 10)) | {"polygonlabels": []}]}
    }
    found = agreement(marked)
    assert found.estimates["f1_iou_75"].value == 1
    assert found.by_label == {}


@given(st.permutations(range(4)), st.randoms())
@settings(deadline=None, max_examples=20)
def test_order_changes_nothing_and_the_same_boxes_agree_fully(order: list[int], random: Any) -> None:
    numbers = np.random.default_rng(2)
    own = {
        f"t{item}": {
            rater: [box(*numbers.uniform(0, 60, 2), *numbers.uniform(20, 40, 2)) for _ in range(3)]
            for rater in ("anna", "ben", "cleo")
        }
        for item in range(4)
    }
    shuffled = {
        f"t{item}": {rater: own[f"t{item}"][rater] for rater in random.sample(sorted(own["t0"]), 3)} for item in order
    }
    for one, other in zip(
        *(agreement(each, resampling=Resampling(resamples=20)).estimates.values() for each in (own, shuffled)),
        strict=True,
    ):
        assert (one.value, one.low) == (pytest.approx(other.value), other.low and pytest.approx(other.low))
    same = {item: dict.fromkeys(marks, marks["anna"]) for item, marks in own.items()}
    assert {found.value for found in agreement(same).estimates.values()} == {1.0}


def test_key_points_are_matched_by_distance() -> None:
    def point(x: float, y: float, **more: Any) -> Region:
        return {"type": "keypointlabels", "x": x, "y": y, "width": 0.5, "keypointlabels": ["eye"], **SIZE, **more}

    # The diagonal of 640 × 480 is 800: 3 % across are 19.2 pixels, 2.4 % of it.
    marked = {"t1": {"anna": [point(10, 10), point(50, 50)], "ben": [point(13, 10), point(90, 90)]}}
    found = {name: estimate.value for name, estimate in agreement(marked).estimates.items()}
    assert found == {
        "f1_within_1_percent": 0,
        "f1_within_5_percent": 0.5,
        "f1_within_5_percent_any_label": 0.5,
        "mean_nearness": pytest.approx(1 - 0.024),
    }


@pytest.mark.parametrize(
    ("region", "code", "says"),
    [
        (box(0, 0, -3, 5), "bad-region", "width is -3"),
        (box(0, 0, float("nan"), 5), "bad-region", "width is NaN"),
        (box(0, 0, 3, float("inf")), "bad-region", "height is Infinity"),
        (box(0, 0, 3, 3) | {"x": None}, "bad-region", "x is missing"),
        (box(0, 0, 3, 3) | {"x": "3"}, "bad-region", 'x is "3"'),
        (box(0, 0, 3, 3) | {"y": True}, "bad-region", "y is true"),
        (box(0, 0, 3, 3, item_index=0.5), "bad-region", "item_index"),
        (box(0, 0, 3, 3, original_width=0), "bad-region", "size is 0"),
        (box(0, 0, 3, 3, rotation=30, original_width=None), "no-image-size", "size of the image"),
        (round_(0, 0, 3, -1), "bad-region", "radiusY is -1"),
        (outlined((0, 0), (1, 1)), "bad-region", "2 corners"),
        (outlined((0, 0), (1, 1), (float("nan"), 2)), "bad-region", "a corner is NaN"),
        ({"points": [[0, 0], [1], [2, 2]]}, "bad-region", "no corner"),
        ({"points": "0,0"}, "bad-region", "points"),
        ({"x": 3, "y": 3, "keypointlabels": ["eye"]}, "no-image-size", "key point"),
        ({"type": "videorectangle", "sequence": [], "labels": ["X"]}, "unsupported-region", "videorectangle"),
    ],
)
def test_what_is_no_shape_is_a_reason_that_names_item_and_annotator(region: Region, code: str, says: str) -> None:
    found = agreement({"t1": {"anna": [box(0, 0, 3, 3)], "ben": [box(0, 0, 3, 3), region]}})
    for estimate in found.estimates.values():
        assert estimate.value is None and estimate.reason is not None and estimate.reason.code == code
        sentence = estimate.reason.sentence
        assert says in sentence and "ben" in sentence and "t1" in sentence and "region 2" in sentence


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    [
        "x",
        "y",
        "width",
        "height",
        "rotation",
        "radiusX",
        "radiusY",
        "points",
        "start",
        "end",
        "startOffset",
        "endOffset",
        "globalOffsets",
        "ranges",
        "channel",
        "item_index",
        "original_width",
        "original_height",
        "original_length",
        "labels",
        "instant",
        "type",
    ]
)


@given(st.lists(st.dictionaries(KEYS, JSON, max_size=8) | JSON, max_size=3))
@settings(deadline=None, max_examples=300)
def test_nothing_that_is_given_breaks_it(regions: list[Any]) -> None:
    for estimate in agreement({"t1": {"anna": regions, "ben": regions}}).estimates.values():
        assert (estimate.value is None) == (estimate.reason is not None)
        assert estimate.value is None or math.isfinite(estimate.value)
