"""Layer 2. Ratings as columns: the same records as `Rating`, a million of them in tens of megabytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Rating, Value
from annotator_ops.stats.values import MISSING, BoolArray, FloatArray, natural_key

CodeArray = npt.NDArray[np.int32]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class RatingTable:
    """One row a rating. Integer columns index into the vocabulary of the plural name; MISSING (−1) is nothing there.

    `raters`, `items` and `criteria` list each id once; raters and items in natural order, criteria in order of first
    appearance. `values` lists what was said; two entries are different values, except for marked regions, which are not
    compared. `judge` is True where a model rated. `seconds` (spent on the task) and `moments` (seconds since 1970, UTC)
    are NaN where unknown. All columns have the length of the table.
    """

    raters: tuple[str, ...]
    items: tuple[str, ...]
    criteria: tuple[str, ...]
    values: tuple[Value, ...]
    reasons: tuple[str, ...]
    sources: tuple[str, ...]
    rater: CodeArray
    item: CodeArray
    criterion: CodeArray
    value: CodeArray
    reason: CodeArray
    source: CodeArray
    judge: BoolArray
    seconds: FloatArray
    moments: FloatArray

    def __len__(self) -> int:
        return len(self.rater)

    @classmethod
    def from_ratings(cls, ratings: Iterable[Rating]) -> RatingTable:
        """The same records as columns, in their order."""
        rows = list(ratings)
        raters, rater = encode([row.rater for row in rows])
        items, item = encode([row.item for row in rows])
        criteria, criterion = encode([row.criterion for row in rows])
        values, value = encode([row.value for row in rows], key=value_key)
        reasons, reason = encode([row.reason for row in rows])
        sources, source = encode([row.source for row in rows])
        seconds = [np.nan if row.seconds is None else row.seconds for row in rows]
        moments = [np.nan if row.created_at is None else moment(row.created_at) for row in rows]
        return cls(
            raters, items, criteria, values, reasons, sources,
            rater, item, criterion, value, reason, source,
            np.array([row.kind == "judge" for row in rows], dtype=np.bool_),
            np.array(seconds, dtype=np.float64),
            np.array(moments, dtype=np.float64),
        ).in_order()  # fmt: skip

    def in_order(self) -> RatingTable:
        """The table with raters and items listed in natural order; the rows stay where they are."""
        raters, rater = _reordered(self.raters, self.rater)
        items, item = _reordered(self.items, self.item)
        return replace(self, raters=raters, items=items, rater=rater, item=item)

    def ratings(self) -> list[Rating]:
        """The rows as records."""
        return [
            Rating(
                rater=self.raters[self.rater[row]],
                kind="judge" if self.judge[row] else "human",
                item=self.items[self.item[row]],
                criterion=self.criteria[self.criterion[row]],
                value=None if self.value[row] == MISSING else self.values[self.value[row]],
                reason=None if self.reason[row] == MISSING else self.reasons[self.reason[row]],
                created_at=_time(self.moments[row]),
                seconds=None if np.isnan(self.seconds[row]) else float(self.seconds[row]),
                source="" if self.source[row] == MISSING else self.sources[self.source[row]],
            )
            for row in range(len(self))
        ]

    def where(self, rows: BoolArray | npt.NDArray[np.intp]) -> RatingTable:
        """The rows that a mask or an array of positions selects; the vocabularies stay as they are."""
        columns = ("rater", "item", "criterion", "value", "reason", "source", "judge", "seconds", "moments")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})

    def of(self, criterion: str) -> RatingTable:
        """The rows on one criterion."""
        if criterion not in self.criteria:
            return self.where(np.zeros(len(self), dtype=np.bool_))
        return self.where(self.criterion == self.criteria.index(criterion))

    def people(self) -> RatingTable:
        """The rows of human raters."""
        return self.where(~self.judge)

    def models(self) -> RatingTable:
        """The rows of judges."""
        return self.where(self.judge)

    @property
    def rated(self) -> BoolArray:
        """Which rows have a value; shape rows."""
        rated: BoolArray = self.value != MISSING
        return rated

    def raters_here(self) -> tuple[str, ...]:
        """Who has a row in it, in natural order."""
        return tuple(self.raters[code] for code in np.unique(self.rater))

    def values_here(self) -> tuple[Value, ...]:
        """What was said in it, each once, in the order of the vocabulary."""
        return tuple(self.values[code] for code in np.unique(self.value[self.rated]))

    def with_values(self, change: Callable[[str, Value], Value]) -> RatingTable:
        """The table with each value replaced by `change(criterion, value)`, which is asked once for each such pair."""
        pairs, row = np.unique(self.criterion.astype(np.int64) * (len(self.values) + 1) + self.value + 1,
                               return_inverse=True)  # fmt: skip
        changed: list[Value | None] = []
        for pair in pairs.tolist():
            criterion, code = divmod(pair, len(self.values) + 1)
            changed.append(None if code == 0 else change(self.criteria[criterion], self.values[code - 1]))
        values, codes = encode(changed, key=value_key)
        return replace(self, values=values, value=codes[row.ravel()])

    def canonical(self) -> RatingTable:
        """The rows sorted by criterion, kind, rater, item and value, so that the order of the input changes nothing."""
        by_name = {name: position for position, name in enumerate(sorted(self.criteria))}
        criterion = np.array([by_name[name] for name in self.criteria], dtype=np.int64)[self.criterion]
        names = [repr(value) for value in self.values]
        said = (
            np.append(np.unique(np.array(names, dtype=object), return_inverse=True)[1], -1) if names else np.array([-1])
        )
        return self.where(np.lexsort((said[self.value], self.item, self.rater, self.judge, criterion)))

    def content_hash(self) -> str:
        """SHA-256 (hex) of all that was said, by whom, of what, why not, and in how many seconds; in row order."""
        digest = hashlib.sha256()
        for vocabulary, codes in (
            (self.raters, self.rater),
            (self.items, self.item),
            (self.criteria, self.criterion),
            (self.values, self.value),
            (self.reasons, self.reason),
        ):
            used, compact = np.unique(codes, return_inverse=True)
            listed: list[Any] = [None if code == MISSING else vocabulary[code] for code in used.tolist()]
            texts = [json.dumps(entry, sort_keys=True, ensure_ascii=False, default=str) for entry in listed]
            # Entries get their number by their text, so that neither the order of the file nor its first row matters.
            places, rank = np.unique(np.array(texts, dtype=object), return_inverse=True)
            digest.update(json.dumps(places.tolist(), ensure_ascii=False).encode("utf-8", "surrogatepass"))
            digest.update(rank.astype("<i4")[compact.ravel()].tobytes())
        digest.update(self.judge.tobytes())
        digest.update(self.seconds.astype("<f8").tobytes())
        return digest.hexdigest()


def joined(tables: Sequence[RatingTable]) -> RatingTable:
    """Several tables as one, row after row."""
    if len(tables) == 1:
        return tables[0]

    def column(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(table, name) for table in tables]) if tables else np.zeros(0)

    def both(plural: str, singular: str) -> tuple[tuple[Any, ...], CodeArray]:
        entries = [entry for table in tables for entry in getattr(table, plural)]
        vocabulary, numbers = encode(entries, key=value_key if plural == "values" else None)
        parts, start = [], 0
        for table in tables:
            own = np.append(numbers[start : start + len(getattr(table, plural))], np.int32(MISSING))
            parts.append(own[getattr(table, singular)])
            start += len(getattr(table, plural))
        return vocabulary, np.concatenate(parts).astype(np.int32) if parts else np.zeros(0, dtype=np.int32)

    raters, rater = both("raters", "rater")
    items, item = both("items", "item")
    criteria, criterion = both("criteria", "criterion")
    values, value = both("values", "value")
    reasons, reason = both("reasons", "reason")
    sources, source = both("sources", "source")
    return RatingTable(
        raters, items, criteria, values, reasons, sources,
        rater, item, criterion, value, reason, source,
        column("judge").astype(np.bool_), column("seconds").astype(np.float64), column("moments").astype(np.float64),
    ).in_order()  # fmt: skip


def encode(
    entries: Sequence[Any], *, key: Callable[[Any], Hashable] | None = None
) -> tuple[tuple[Any, ...], CodeArray]:
    """The distinct entries in order of first appearance, and each entry's place among them; None is MISSING.

    `key` says when two entries are the same; without it, when they are equal.
    """
    places: dict[Hashable, int] = {}
    vocabulary: list[Any] = []
    codes = np.empty(len(entries), dtype=np.int32)
    for row, entry in enumerate(entries):
        if entry is None:
            codes[row] = MISSING
            continue
        name = entry if key is None else key(entry)
        code = places.get(name)
        if code is None:
            code = places[name] = len(vocabulary)
            vocabulary.append(entry)
        codes[row] = code
    return tuple(vocabulary), codes


def value_key(value: Value) -> Hashable:
    """What makes two values the same: their type and content; regions, which hold objects, by their text."""
    if isinstance(value, tuple):
        return ("tuple", json.dumps(value, sort_keys=True, ensure_ascii=False, default=str))
    return (type(value) is str, value)


def moment(time: datetime) -> float:
    """Seconds since 1970, to the microsecond."""
    return (time - _EPOCH) / timedelta(seconds=1)


def _time(seconds: float) -> datetime | None:
    return None if np.isnan(seconds) else _EPOCH + timedelta(microseconds=round(float(seconds) * 1e6))


def _reordered(vocabulary: tuple[str, ...], codes: CodeArray) -> tuple[tuple[str, ...], CodeArray]:
    order = sorted(range(len(vocabulary)), key=lambda code: natural_key(vocabulary[code]))
    if order == list(range(len(vocabulary))):
        return vocabulary, codes
    place = np.empty(len(order) + 1, dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    place[-1] = MISSING
    return tuple(vocabulary[code] for code in order), place[codes]
