"""Layer 2. Shapes in images: outlines of rectangles, ellipses and polygons, and how far two of them overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotator_ops.stats.values import BoolArray, FloatArray

# An ellipse is drawn with so many corners and scaled to its true area; its outline is then off by 0.1 % of a radius.
ELLIPSE_CORNERS = 64
# The scan line keeps a table of stretches × edges; larger ones are made in blocks.
_CELLS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A simple outline (corners × 2) in percent of the image's width and height, in the image numbered `image`.

    `is_rectangle`: it is one in pixels, with its corners in the order of the clock; `is_box`: its sides are parallel to
    the image's. `area` is in square percent. IoU does not change when an axis is stretched, so percent are as good as
    pixels once rotations are done.
    """

    image: int
    outline: FloatArray
    labels: tuple[str, ...]
    area: float
    is_rectangle: bool = False
    is_box: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A key point; `x` and `y` are in units of the image's diagonal."""

    image: int
    x: float
    y: float
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """The image a region is in: its number among several, and its size in pixels, None where it is not known."""

    image: int
    size: tuple[float, float] | None


def rectangle(frame: Frame, box: tuple[float, float, float, float], *, rotation: float, labels: Sequence[str]) -> Shape:
    """A rectangle by x, y, width, height in percent, turned clockwise about its upper left corner by degrees.

    Raises ValueError for a turned rectangle in an image of unknown size.
    """
    x, y, width, height = box
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
    outline = _turned(corners, rotation, frame) + np.array([x, y])
    # Of the corners' own differences, so that a rectangle and its equal overlap by exactly the whole of both.
    upright = rotation % 360 == 0
    area = float(np.prod(outline[2] - outline[0])) if upright else width * height
    return Shape(frame.image, outline, tuple(labels), area, is_rectangle=True, is_box=upright)


def ellipse(frame: Frame, at: tuple[float, float, float, float], *, rotation: float, labels: Sequence[str]) -> Shape:
    """An ellipse by centre and radii in percent, turned clockwise about its centre by degrees, as a polygon.

    Raises ValueError for a turned ellipse in an image of unknown size.
    """
    x, y, radius_x, radius_y = at
    step = 2 * math.pi / ELLIPSE_CORNERS
    angles = np.arange(ELLIPSE_CORNERS) * step
    larger = math.sqrt(step / math.sin(step))
    corners = np.column_stack([radius_x * np.cos(angles), radius_y * np.sin(angles)]) * larger
    outline = _turned(corners, rotation, frame) + np.array([x, y])
    return Shape(frame.image, outline, tuple(labels), math.pi * radius_x * radius_y)


def polygon(frame: Frame, corners: FloatArray, *, labels: Sequence[str]) -> Shape:
    """A polygon by its corners in percent; where it crosses itself, the even-odd rule says what is inside."""
    return Shape(frame.image, corners, tuple(labels), overlap_area(corners, corners))


def _turned(corners: FloatArray, rotation: float, frame: Frame) -> FloatArray:
    """Corners in percent around the centre of rotation, turned in pixels, where angles are what they look like."""
    if rotation % 360 == 0:
        return corners
    if frame.size is None:
        raise ValueError("it is rotated, and the size of the image (original_width, original_height) is not given.")
    size = np.array(frame.size)
    angle = math.radians(rotation)
    # The y axis points down, so this matrix turns clockwise.
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turned: FloatArray = (corners * size) @ turn.T / size
    return turned


def shape_iou(first: Sequence[Shape], second: Sequence[Shape]) -> FloatArray:
    """Intersection over union of every two shapes' areas; shape first × second; 0 in different images.

    Two rectangles parallel to the image are compared directly, other rectangles by clipping one by the other's sides
    (Sutherland & Hodgman 1974), and all other shapes by `overlap_area`; all three are exact. Shapes without an area
    have IoU 1 where they are the same and 0 elsewhere.
    """
    iou = np.zeros((len(first), len(second)))
    if not first or not second:
        return iou
    low_a, high_a = _bounds(first)
    low_b, high_b = _bounds(second)
    common = np.minimum(high_a[:, None], high_b) - np.maximum(low_a[:, None], low_b)
    here = np.array([shape.image for shape in first])[:, None] == np.array([shape.image for shape in second])
    box = np.array([shape.is_box for shape in first])[:, None] & np.array([shape.is_box for shape in second])
    meet: BoolArray = here & (common > 0).all(axis=2)
    overlap = np.where(meet & box, common.prod(axis=2), 0.0)
    for i, j in zip(*np.nonzero(meet & ~box), strict=True):
        rectangles = first[i].is_rectangle and second[j].is_rectangle
        overlap[i, j] = (clipped_area if rectangles else overlap_area)(first[i].outline, second[j].outline)
    area_a, area_b = (np.array([shape.area for shape in shapes]) for shapes in (first, second))
    union = area_a[:, None] + area_b - overlap
    np.divide(overlap, union, out=iou, where=union > 0)
    for i, j in zip(*np.nonzero((union <= 0) & here), strict=True):
        iou[i, j] = float(np.array_equal(first[i].outline, second[j].outline))
    return np.clip(iou, 0, 1)


def _bounds(shapes: Sequence[Shape]) -> tuple[FloatArray, FloatArray]:
    lows = np.array([shape.outline.min(axis=0) for shape in shapes])
    return lows, np.array([shape.outline.max(axis=0) for shape in shapes])


def clipped_area(first: FloatArray, second: FloatArray) -> float:
    """The area inside two convex outlines (corners × 2), both in the order of the clock where y points down."""
    left: list[tuple[float, float]] = [(x, y) for x, y in first.tolist()]
    sides = second.tolist()
    for (ax, ay), (bx, by) in zip(sides, sides[1:] + sides[:1], strict=True):
        dx, dy = bx - ax, by - ay
        within = [dx * (y - ay) - dy * (x - ax) for x, y in left]
        kept = []
        for place, (x, y) in enumerate(left):
            here, (px, py), before = within[place], left[place - 1], within[place - 1]
            if (here > 0 > before) or (here < 0 < before):
                share = before / (before - here)
                kept.append((px + share * (x - px), py + share * (y - py)))
            if here >= 0:
                kept.append((x, y))
        left = kept
    return abs(sum(left[k - 1][0] * y - x * left[k - 1][1] for k, (x, y) in enumerate(left))) / 2


def overlap_area(first: FloatArray, second: FloatArray) -> float:
    """The area inside both outlines (corners × 2), convex or not, by the even-odd rule.

    The plane is cut into horizontal stretches at every corner and at every crossing of two edges. Within a stretch no
    edges cross, so the width of what is inside both is linear in the height, and its value half-way up times the
    stretch's height is its exact area: a trapezoid rule without an error beyond that of floating-point numbers.
    """
    edges = np.concatenate([_edges(first), _edges(second)])
    mine = np.repeat([True, False], [len(first), len(second)])
    slanted = edges[:, 1] != edges[:, 3]
    edges, mine = edges[slanted], mine[slanted]
    if not mine.any() or mine.all():
        return 0.0
    low = max(float(outline[:, 1].min()) for outline in (first, second))
    high = min(float(outline[:, 1].max()) for outline in (first, second))
    cuts = np.unique(np.concatenate([edges[:, 1], edges[:, 3], _crossings(edges)]))
    cuts = cuts[(cuts >= low) & (cuts <= high)]
    if len(cuts) < 2:
        return 0.0
    middles, heights = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    area = 0.0
    step = max(1, _CELLS // len(edges))
    for start in range(0, len(middles), step):
        block = slice(start, start + step)
        area += float(_widths(edges, mine, middles[block]) @ heights[block])
    return area


def _edges(outline: FloatArray) -> FloatArray:
    return np.column_stack([outline, np.roll(outline, -1, axis=0)])


def _crossings(edges: FloatArray) -> FloatArray:
    """The heights at which two edges cross."""
    x, y, dx, dy = edges[:, 0], edges[:, 1], edges[:, 2] - edges[:, 0], edges[:, 3] - edges[:, 1]
    heights = []
    step = max(1, _CELLS // len(edges))
    for start in range(0, len(edges), step):
        own = np.arange(start, min(start + step, len(edges)))[:, None]
        cross = dx[own] * dy - dy[own] * dx
        right, down = x - x[own], y - y[own]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            along = (right * dy - down * dx) / cross
            other = (right * dy[own] - down * dx[own]) / cross
            inside = (cross != 0) & (along > 0) & (along < 1) & (other > 0) & (other < 1)
        rows, columns = np.nonzero(inside & (own < np.arange(len(edges))))
        heights.append(y[own[rows, 0]] + along[rows, columns] * dy[own[rows, 0]])
    return np.concatenate(heights)


def _widths(edges: FloatArray, mine: BoolArray, heights: FloatArray) -> FloatArray:
    """How wide what is inside both outlines is at each height; no height is that of a corner."""
    x0, y0, x1, y1 = edges.T
    level = heights[:, None]
    crossed = (level > np.minimum(y0, y1)) & (level < np.maximum(y0, y1))
    share = np.divide(level - y0, y1 - y0, out=np.zeros(crossed.shape), where=crossed)
    x = np.where(crossed, x0 + share * (x1 - x0), np.inf)
    order = np.argsort(x, axis=1, kind="stable")
    x = np.take_along_axis(x, order, axis=1)
    of_first = mine[order] & np.isfinite(x)
    of_second = ~mine[order] & np.isfinite(x)
    inside = (np.cumsum(of_first, axis=1) % 2 == 1) & (np.cumsum(of_second, axis=1) % 2 == 1)
    finite = np.where(np.isfinite(x), x, 0.0)
    widths: FloatArray = np.where(inside[:, :-1], np.diff(finite, axis=1), 0.0).sum(axis=1)
    return widths


def point_nearness(first: Sequence[Point], second: Sequence[Point]) -> FloatArray:
    """1 − distance / diagonal of the image for every two key points; −1 in different images."""
    near = np.full((len(first), len(second)), -1.0)
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            if one.image == other.image:
                near[i, j] = 1 - math.hypot(one.x - other.x, one.y - other.y)
    return near
