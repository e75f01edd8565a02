"""Layer 2. Descriptions of one criterion's ratings: distribution, what is missing, means and times per rater."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from annotator_ops.measures import Rating
from annotator_ops.models import JSONDict
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import MISSING, Category, IntArray, category_key, is_finite_number, natural_key
from annotator_ops.stats.vocabulary import compact, used

# More distinct numbers than this are shown in bins.
_MOST_VALUES = 20
_BINS = 10
# Nobody reads a list of more labels than this.
_MOST_LABELS = 100
NOT_RATED = "not-rated"


@dataclass(frozen=True, slots=True)
class Distribution:
    """How often each value was given, in all and by rater. For bins, `edges` has one entry more than `counts`.

    Of very many labels only the most frequent are listed; `others` is how many more there are, and how often they were
    given in all.
    """

    values: tuple[Category, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    by_rater: Mapping[str, tuple[int, ...]]
    others: tuple[int, int] = (0, 0)

    def as_json(self) -> JSONDict:
        return {
            "kind": "bins" if self.edges else "values",
            "values": [list(value) if isinstance(value, tuple) else value for value in self.values],
            "edges": list(self.edges),
            "counts": list(self.counts),
            "others": {"values": self.others[0], "ratings": self.others[1]},
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


def distribution(table: RatingTable, *, scale: Sequence[float] = ()) -> Distribution | None:
    """The distribution of the values that are there; None where there are none.

    Values of a declared `scale` that nobody gave are listed with 0, and so are whole numbers between the lowest and the
    highest of a short undeclared one.
    """
    rated = table.where(table.rated)
    if not len(rated):
        return None
    raters, rater = compact(table.rater, len(table.raters))
    names = tuple(table.raters[code] for code in raters)
    rater = rater[table.rated]
    codes, value = compact(rated.value, len(table.values))
    used: list[Any] = [table.values[code] for code in codes]
    numeric = all(is_finite_number(each) for each in used)
    if numeric and len({*used, *scale}) > _MOST_VALUES:
        numbers = np.array(used, dtype=np.float64)
        edges = np.linspace(numbers.min(), numbers.max(), _BINS + 1)
        cell = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, _BINS - 1)[value]
        counts = _crossed(rater, cell, len(names), _BINS)
        return Distribution((), tuple(map(float, edges)), *_by_rater(counts, names))
    listed: set[Category] = {*used, *scale}
    if numeric and not scale and all(float(number).is_integer() for number in used):
        low, high = int(min(used)), int(max(used))
        if high - low < _MOST_VALUES:
            listed |= {float(number) for number in range(low, high + 1)}
    values = tuple(sorted(listed, key=category_key))
    column = {category: place for place, category in enumerate(values)}
    counts = _crossed(rater, np.array([column[each] for each in used])[value], len(names), len(values))
    if len(values) <= _MOST_LABELS:
        return Distribution(values, (), *_by_rater(counts, names))
    frequent = np.sort(np.argsort(-counts.sum(axis=0), kind="stable")[:_MOST_LABELS])
    kept = counts[:, frequent]
    others = (len(values) - _MOST_LABELS, int(counts.sum() - kept.sum()))
    return Distribution(tuple(values[place] for place in frequent), (), *_by_rater(kept, names), others=others)


def _crossed(first: IntArray, second: IntArray, rows: int, columns: int) -> IntArray:
    counts: IntArray = np.bincount(first * columns + second, minlength=rows * columns).reshape(rows, columns)
    return counts


def _by_rater(counts: IntArray, names: Sequence[str]) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]]]:
    own = {name: tuple(row) for name, row in zip(names, counts.tolist(), strict=True)}
    return tuple(counts.sum(axis=0).tolist()), own


def rater_summaries(table: RatingTable) -> tuple[RaterSummary, ...]:
    """Every rater's count, mean, standard deviation, median time and missing values, over the items anybody rated."""
    n_items = len(used(table.items, table.item))
    numbers = table.numbers
    order = np.argsort(table.rater, kind="stable")
    raters, starts = np.unique(table.rater[order], return_index=True)
    slices = np.split(order, starts[1:]) if len(raters) else []
    summaries = []
    for code, rows in zip(raters, slices, strict=True):
        given = rows[table.value[rows] != MISSING]
        own = numbers[given]
        numeric = bool(len(own)) and not np.isnan(own).any()
        seconds = table.seconds[given]
        seconds = seconds[~np.isnan(seconds)]
        summaries.append(
            RaterSummary(
                rater=table.raters[code],
                n=len(given),
                mean=float(own.mean()) if numeric else None,
                sd=float(own.std(ddof=1)) if numeric and len(own) > 1 else None,
                median_seconds=float(np.median(seconds)) if len(seconds) else None,
                missing=_missing(table, rows, n_items=n_items),
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


def _missing(table: RatingTable, rows: IntArray, *, n_items: int) -> dict[str, int]:
    lacking = rows[table.value[rows] == MISSING]
    codes, counts = np.unique(table.reason[lacking], return_counts=True)
    reasons: Counter[str] = Counter()
    for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
        reasons["empty" if code == MISSING else table.reasons[code] or "empty"] += count
    untouched = n_items - len(used(table.items, table.item[rows]))
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
