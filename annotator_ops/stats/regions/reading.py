"""Layer 2. Regions as Label Studio writes them, read as spans, shapes or key points; what cannot be, is said in words.

What a region is, its keys say, so the values of an export and of a CSV file are read alike:

- `ranges`: stretches of a video in frames, both ends included;
- `globalOffsets`: a span of HTML, in characters of its text; `start` and `end` alone are paths into the HTML's tree,
  which do not tell how far two spans overlap;
- `start`, `startOffset`, `end`, `endOffset`: a span of paragraphs, from a character of one to a character of one;
- `start`, `end`: a span of text (in characters), of sound (in seconds; `channel` where there are several) or of a time
  series (numbers or ISO times);
- `points`, `radiusX`/`radiusY`, `width`/`height`: a polygon, an ellipse, a rectangle in an image; `x` and `y` alone: a
  key point.

Labels are under the key that ends in "labels". A region's relations, text and confidence are not read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import numpy as np

from annotator_ops.measures import Rating, Reason, Value
from annotator_ops.stats.per_item import Answers, UnreadableAnswerError, answers_of
from annotator_ops.stats.regions.shapes import Frame, Point, Shape, ellipse, polygon, rectangle
from annotator_ops.stats.regions.spans import Piece, Span, closed, joined, part_lengths
from annotator_ops.stats.values import is_finite_number

Region = Span | Shape | Point

_LARGEST = 1e15
_MOST_CORNERS = 2_000


class Family(StrEnum):
    """What the regions of a criterion are; only regions of one family can be compared."""

    SPANS = "spans"
    SHAPES = "shapes"
    POINTS = "points"


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """One criterion's regions. `family` is None where nobody marked anything.

    `lengths` gives for an item how long its parts are, as far as that is known. `starts_at_zero`: positions count from
    the beginning of the item, which those of a time series do not.
    """

    family: Family | None
    answers: Answers[tuple[Region, ...]]
    lengths: Mapping[str, Sequence[float]]
    starts_at_zero: bool


def marks_of(ratings: Iterable[Rating], *, lengths: Mapping[str, Sequence[float]] | None = None) -> Marks | Reason:
    """One criterion's regions, or why they cannot be compared; the reason names annotator, item and region.

    `lengths`: for each item how long its parts are, in the unit of the spans: the characters of a text, the seconds of
    a sound, the characters of each paragraph. Where it is not given, Label Studio's `original_length` is taken, and
    without that an item reaches as far as the last mark of anyone.
    """
    given = list(ratings)
    answers = answers_of(given, _regions)
    if isinstance(answers, Reason):
        return answers
    families = {_family(region) for marks in answers.by_item for regions in marks.values() for region in regions}
    if len(families) > 1:
        kinds = " and ".join(sorted(family.value for family in families))
        return Reason("mixed-regions", f"The criterion has {kinds}, which cannot be compared with each other.")
    family = next(iter(families), None)
    if family is not Family.SPANS:
        return Marks(family, answers, {}, starts_at_zero=True)
    known = {item: tuple(of_item) for item, of_item in (lengths or {}).items()}
    for rating in given:
        for region in rating.value if isinstance(rating.value, tuple) else ():
            original = region.get("original_length") if isinstance(region, dict) else None
            if isinstance(original, (int, float)) and is_finite_number(original) and rating.item not in known:
                known[rating.item] = (float(original),)
    series = any(
        isinstance(region, dict) and ("timeserieslabels" in region or "instant" in region)
        for rating in given
        for region in (rating.value if isinstance(rating.value, tuple) else ())
    )
    return Marks(family, _closed(answers, known), known, starts_at_zero=not series)


def _closed(answers: Answers[tuple[Region, ...]], known: Mapping[str, Sequence[float]]) -> Answers[tuple[Region, ...]]:
    """The answers with spans that run through paragraphs ending where those end."""
    by_item: list[Mapping[int, tuple[Region, ...]]] = []
    for item, marks in zip(answers.items, answers.by_item, strict=True):
        spans = [region for regions in marks.values() for region in regions if isinstance(region, Span)]
        lengths = part_lengths(spans, known.get(item, ()))
        by_item.append(
            {
                rater: tuple(closed(region, lengths) if isinstance(region, Span) else region for region in regions)
                for rater, regions in marks.items()
            }
        )
    return replace(answers, by_item=tuple(by_item))


def _family(region: Region) -> Family:
    if isinstance(region, Span):
        return Family.SPANS
    return Family.SHAPES if isinstance(region, Shape) else Family.POINTS


def _regions(value: Value) -> tuple[Region, ...]:
    if not isinstance(value, tuple):
        raise UnreadableAnswerError(f"{_shown(value)} is no list of regions.", code="bad-region")
    regions = []
    for number, region in enumerate(value, start=1):
        try:
            if not isinstance(region, dict):
                raise UnreadableAnswerError(f"{_shown(region)} is no region.", code="bad-region")
            regions.append(read_region(region))
        except UnreadableAnswerError as error:
            raise UnreadableAnswerError(f"in region {number} {error}", code=error.code) from error
        except ValueError as error:
            raise UnreadableAnswerError(f"in region {number} {error}", code="no-image-size") from error
    return tuple(regions)


def read_region(region: Mapping[str, Any]) -> Region:
    """A region. Raises UnreadableAnswerError, in words, for one that cannot be compared.

    Raises ValueError for a rotated shape in an image whose size is not given.
    """
    labels = _labels(region)
    if "ranges" in region:
        return Span(joined([_frames(each) for each in _list(region, "ranges")]), labels)
    if "globalOffsets" in region:
        offsets = region["globalOffsets"]
        if not isinstance(offsets, Mapping):
            raise UnreadableAnswerError(f"globalOffsets is {_shown(offsets)}.", code="bad-region")
        return Span((_piece(0, *_ends(offsets)),), labels)
    if "startOffset" in region or "endOffset" in region:
        return Span(_paragraphs(region), labels)
    if "start" in region or "end" in region:
        channel = region.get("channel")
        part = 0 if channel is None else _index(region, "channel")
        return Span((_piece(part, *_ends(region)),), labels)
    return _shape(region, labels)


def _shape(region: Mapping[str, Any], labels: tuple[str, ...]) -> Shape | Point:
    frame = _frame(region)
    rotation = _number(region, "rotation") if region.get("rotation") is not None else 0.0
    if "points" in region:
        corners = [_corner(each) for each in _list(region, "points")]
        if not 3 <= len(corners) <= _MOST_CORNERS:
            words = f"a polygon has {len(corners)} corners; three to {_MOST_CORNERS:,} can be compared."
            raise UnreadableAnswerError(words, code="bad-region")
        return polygon(frame, np.array(corners), labels=labels)
    if "radiusX" in region or "radiusY" in region:
        at = (_number(region, "x"), _number(region, "y"), _size(region, "radiusX"), _size(region, "radiusY"))
        return ellipse(frame, at, rotation=rotation, labels=labels)
    if "height" in region:
        box = (_number(region, "x"), _number(region, "y"), _size(region, "width"), _size(region, "height"))
        return rectangle(frame, box, rotation=rotation, labels=labels)
    if "x" in region and "y" in region:
        if frame.size is None:
            raise ValueError(
                "it is a key point, and the size of the image (original_width, original_height) is not given."
            )
        diagonal = math.hypot(*frame.size)
        x, y = (_number(region, key) / 100 * size / diagonal for key, size in zip("xy", frame.size, strict=True))
        return Point(frame.image, x, y, labels)
    what = region.get("type")
    named = f"of the type “{what}”" if isinstance(what, str) else f"with the keys {_shown(sorted(map(str, region)))}"
    words = f"there is a mark {named}. Brushes, masks and boxes in videos are counted, not compared."
    raise UnreadableAnswerError(words, code="unsupported-region")


def _labels(region: Mapping[str, Any]) -> tuple[str, ...]:
    for key, labels in region.items():
        if str(key).endswith("labels") and labels is not None:
            if not isinstance(labels, (list, tuple)) or not all(isinstance(label, str) for label in labels):
                raise UnreadableAnswerError(f"{key} is {_shown(labels)}, no list of labels.", code="bad-region")
            return tuple(sorted(set(labels)))
    return ()


def _frame(region: Mapping[str, Any]) -> Frame:
    image = _index(region, "item_index") if region.get("item_index") is not None else 0
    width, height = region.get("original_width"), region.get("original_height")
    if width is None or height is None:
        return Frame(image, None)
    size = (_number(region, "original_width"), _number(region, "original_height"))
    if min(size) <= 0:
        raise UnreadableAnswerError(f"the image's size is {size[0]:g} × {size[1]:g}.", code="bad-region")
    return Frame(image, size)


def _paragraphs(region: Mapping[str, Any]) -> tuple[Piece, ...]:
    """The pieces of a span from one paragraph to another; those that reach a paragraph's end have an infinite end."""
    try:
        first, last = _index(region, "start"), _index(region, "end")
    except UnreadableAnswerError as error:
        words = (
            "start and end are no numbers of paragraphs; a span of HTML can be compared only with its globalOffsets, "
            "which Label Studio writes and this region lacks."
        )
        raise UnreadableAnswerError(words, code="no-global-offsets") from error
    begin, end = (_number(region, key) for key in ("startOffset", "endOffset"))
    if (first, begin) > (last, end) or min(begin, end) < 0:
        words = f"the span ends before it starts ({first}, {begin:g} – {last}, {end:g})."
        raise UnreadableAnswerError(words, code="bad-region")
    if last - first > _MOST_CORNERS:
        raise UnreadableAnswerError(f"the span runs through {last - first} paragraphs.", code="bad-region")
    if first == last:
        return (Piece(first, begin, end),)
    between = [Piece(part, 0.0, math.inf) for part in range(first + 1, last)]
    return (Piece(first, begin, math.inf), *between, Piece(last, 0.0, end))


def _frames(one: Any) -> Piece:
    if not isinstance(one, Mapping):
        raise UnreadableAnswerError(f"{_shown(one)} is no range.", code="bad-region")
    start, end = _ends(one)
    piece = _piece(0, start, end)
    return replace(piece, end=end + 1)


def _piece(part: int, start: float, end: float) -> Piece:
    if end < start:
        raise UnreadableAnswerError(f"the span ends before it starts ({start:g} – {end:g}).", code="bad-region")
    return Piece(part, start, end)


def _ends(region: Mapping[str, Any]) -> tuple[float, float]:
    return _moment(region, "start"), _moment(region, "end")


def _moment(region: Mapping[str, Any], key: str) -> float:
    """A position: a number, a number in a text, or an ISO time (in seconds since 1970, UTC where it has no zone)."""
    given = region.get(key)
    if not isinstance(given, str):
        return _number(region, key)
    try:
        return _finite(float(given), key)
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(given)
    except ValueError as error:
        words = f"{key} is {_shown(given)}, neither a number nor an ISO time."
        raise UnreadableAnswerError(words, code="bad-region") from error
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _corner(point: Any) -> tuple[float, float]:
    if not isinstance(point, (list, tuple)) or len(point) != 2:
        raise UnreadableAnswerError(f"{_shown(point)} is no corner of a polygon.", code="bad-region")
    return _finite(point[0], "a corner"), _finite(point[1], "a corner")


def _number(region: Mapping[str, Any], key: str) -> float:
    if region.get(key) is None:
        raise UnreadableAnswerError(f"{key} is missing.", code="bad-region")
    return _finite(region[key], key)


def _size(region: Mapping[str, Any], key: str) -> float:
    size = _number(region, key)
    if size < 0:
        raise UnreadableAnswerError(f"{key} is {size:g}, less than nothing.", code="bad-region")
    return size


def _index(region: Mapping[str, Any], key: str) -> int:
    given = region.get(key)
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 10:
        return int(given)
    number = _number(region, key)
    if not number.is_integer() or number < 0 or number > 1e9:
        raise UnreadableAnswerError(f"{key} is {number:g}, no whole number from zero up.", code="bad-region")
    return int(number)


def _finite(number: Any, what: str) -> float:
    # Beyond this limit a float has no fractions, and squares of sums lose what they are compared by.
    ok = isinstance(number, (int, float)) and not isinstance(number, bool) and abs(number) <= _LARGEST
    if not ok:
        raise UnreadableAnswerError(f"{what} is {_shown(number)}, no finite number.", code="bad-region")
    return float(number)


def _list(region: Mapping[str, Any], key: str) -> Sequence[Any]:
    given = region[key]
    if not isinstance(given, (list, tuple)) or not given:
        raise UnreadableAnswerError(f"{key} is {_shown(given)}, no list of at least one.", code="bad-region")
    return given


def _shown(content: Any) -> str:
    text = json.dumps(content, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"
