"""Layer 2. Descriptions of one criterion's ratings: distribution, what is missing, means and times per rater."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from annotator_ops.measures import Rating
from annotator_ops.models import JSONDict
from annotator_ops.stats.reliability import (
    Category,
    category_key,
    is_finite_number,
    natural_key,
)

# More distinct numbers than this are shown in bins.
_MOST_VALUES = 20
_BINS = 10
NOT_RATED = "not-rated"


@dataclass(frozen=True, slots=True)
class Distribution:
    """How often each value was given, in all and by rater. For bins, `edges` has one entry more than `counts`."""

    values: tuple[Category, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    by_rater: Mapping[str, tuple[int, ...]]

    def as_json(self) -> JSONDict:
        return {
            "kind": "bins" if self.edges else "values",
            "values": [list(value) if isinstance(value, tuple) else value for value in self.values],
            "edges": list(self.edges),
            "counts": list(self.counts),
            "by_rater": {rater: list(counts) for rater, counts in self.by_rater.items()},
        }


@dataclass(frozen=True, slots=True)
class RaterSummary:
    """One rater on one criterion. `sd` has n − 1 in the denominator; numbers are None where there is nothing to count.

    `missing` counts the items without a value by reason; NOT_RATED are items of others that this rater never got to.
    """

    rater: str
    n: int
    mean: float | None
    sd: float | None
    median_seconds: float | None
    missing: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> JSONDict:
        return {
            "rater": self.rater,
            "n": self.n,
            "mean": self.mean,
            "sd": self.sd,
            "median_seconds": self.median_seconds,
            "missing": dict(self.missing),
        }


def raters_of(ratings: Iterable[Rating]) -> list[str]:
    """The raters, `anna-2` before `anna-10`."""
    return sorted({rating.rater for rating in ratings}, key=natural_key)


def distribution(ratings: Sequence[Rating], *, scale: Sequence[float] = ()) -> Distribution | None:
    """The distribution of the values that are there; None where there are none.

    Values of a declared `scale` that nobody gave are listed with 0, and so are whole numbers between the lowest and the
    highest of a short undeclared one.
    """
    given: list[tuple[str, Category]] = [(rating.rater, rating.value) for rating in ratings if rating.value is not None]
    if not given:
        return None
    used = {value for _, value in given}
    raters = raters_of(ratings)
    numbers = [float(value) for _, value in given if is_finite_number(value) and not isinstance(value, (str, tuple))]
    if len(numbers) == len(given) and len(used | set(scale)) > _MOST_VALUES:
        edges = np.linspace(min(numbers), max(numbers), _BINS + 1)
        own: dict[str, list[float]] = {rater: [] for rater in raters}
        for (rater, _), number in zip(given, numbers, strict=True):
            own[rater].append(number)
        return Distribution(
            values=(),
            edges=tuple(map(float, edges)),
            counts=tuple(int(count) for count in np.histogram(numbers, edges)[0]),
            by_rater={rater: tuple(map(int, np.histogram(values, edges)[0])) for rater, values in own.items()},
        )
    listed: set[Category] = used | set(scale)
    whole = len(numbers) == len(given) and all(number.is_integer() for number in numbers)
    if whole and not scale and max(numbers) - min(numbers) < _MOST_VALUES:
        listed |= {float(number) for number in range(int(min(numbers)), int(max(numbers)) + 1)}
    values = tuple(sorted(listed, key=category_key))
    tally = Counter(given)
    by_rater = {rater: tuple(tally[rater, value] for value in values) for rater in raters}
    counts = tuple(sum(column) for column in zip(*by_rater.values(), strict=True))
    return Distribution(values=values, edges=(), counts=counts, by_rater=by_rater)


def rater_summaries(ratings: Sequence[Rating]) -> tuple[RaterSummary, ...]:
    """Every rater's count, mean, standard deviation, median time and missing values, over the items anybody rated."""
    items = {rating.item for rating in ratings}
    by_rater: dict[str, list[Rating]] = {rater: [] for rater in raters_of(ratings)}
    for rating in ratings:
        by_rater[rating.rater].append(rating)
    summaries = []
    for rater, own in by_rater.items():
        values = [rating.value for rating in own if rating.value is not None]
        numbers = [float(value) for value in values if is_finite_number(value) and not isinstance(value, (str, tuple))]
        numeric = bool(numbers) and len(numbers) == len(values)
        seconds = [rating.seconds for rating in own if rating.seconds is not None and rating.value is not None]
        mean = math.fsum(numbers) / len(numbers) if numeric else None
        summaries.append(
            RaterSummary(
                rater=rater,
                n=len(values),
                mean=mean,
                sd=statistics.stdev(numbers) if numeric and len(numbers) > 1 else None,
                median_seconds=statistics.median(seconds) if seconds else None,
                missing=_missing(own, n_items=len(items)),
            )
        )
    return tuple(summaries)


def missing_by_reason(summaries: Iterable[RaterSummary]) -> dict[str, int]:
    """The missing values of all raters together, by reason."""
    total: Counter[str] = Counter()
    for summary in summaries:
        total.update(summary.missing)
    return dict(sorted(total.items()))


def region_counts(ratings: Iterable[Rating]) -> dict[str, int]:
    """How many regions carry each label; "(no label)" for those without one."""
    labels: Counter[str] = Counter()
    for rating in ratings:
        for region in rating.value if isinstance(rating.value, tuple) else ():
            labels.update(_labels_of(region) or ["(no label)"])
    return dict(sorted(labels.items()))


def texts(ratings: Iterable[Rating]) -> list[JSONDict]:
    """What was written in words: rater, item and text, in ascending order."""
    written = [rating for rating in ratings if rating.value is not None and rating.value != ""]
    written.sort(key=lambda rating: (natural_key(rating.rater), natural_key(rating.item)))
    return [{"rater": rating.rater, "item": rating.item, "text": _as_text(rating.value)} for rating in written]


def _missing(own: Sequence[Rating], *, n_items: int) -> dict[str, int]:
    reasons = Counter(rating.reason or "empty" for rating in own if rating.value is None)
    untouched = n_items - len({rating.item for rating in own})
    if untouched:
        reasons[NOT_RATED] += untouched
    return dict(sorted(reasons.items()))


def _labels_of(region: Any) -> list[str]:
    """Label Studio writes a region's labels under the name of its control's type: "labels", "rectanglelabels", …"""
    if not isinstance(region, Mapping):
        return []
    for key, labels in region.items():
        if str(key).endswith("labels") and isinstance(labels, (list, tuple)):
            return [str(label) for label in labels]
    return []


def _as_text(value: object) -> str:
    return "\n".join(map(str, value)) if isinstance(value, tuple) else str(value)
