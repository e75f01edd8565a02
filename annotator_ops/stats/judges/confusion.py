"""Layer 2. Which values a judge gives where people give which: a table of counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotator_ops.measures import Value
from annotator_ops.models import JSONDict
from annotator_ops.stats.judges.scores import Scores
from annotator_ops.stats.values import FloatArray, IntArray

# With more values than this nobody reads the table.
MOST_VALUES = 30


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """How often the judge gave each of `values` (columns) where people gave each (rows)."""

    values: tuple[Value, ...]
    counts: IntArray

    def as_json(self) -> JSONDict:
        return {
            "values": [list(value) if isinstance(value, tuple) else value for value in self.values],
            "counts": self.counts.tolist(),
        }


def listed_values(scores: Scores, scale: Sequence[float]) -> tuple[Value, ...]:
    """The rows and columns: the categories, the declared scale, or else what was said; empty where these are too many.

    Where people gave whole numbers, these are all that there are from the lowest to the highest score of anybody.
    """
    if scores.nominal or scale:
        values: Sequence[Value] = scores.categories if scores.nominal else scale
    else:
        people = scores.human[scores.given]
        said = np.unique(np.concatenate([people, scores.judge[~np.isnan(scores.judge)]]))
        values = said.tolist()
        if len(people) and (people == np.floor(people)).all() and np.ptp(said) < MOST_VALUES:
            values = [float(value) for value in range(int(np.floor(said[0])), int(np.ceil(said[-1])) + 1)]
    return tuple(values) if len(values) <= MOST_VALUES else ()


def confusions(scores: Scores, scale: Sequence[float]) -> list[Confusion | None]:
    """The table of each judge, over the items that people and the judge rated; None where there are too many values.

    People's value is their majority at the nominal level (items on which two are as frequent are left out), and their
    mean else. A mean counts as the value nearest to it, and halfway between two as the higher one; so does a judge's
    score between two values, such as a mean over turns.
    """
    values = listed_values(scores, scale)
    if not values:
        return [None for _ in scores.judge]
    numbers = np.arange(len(values), dtype=np.float64) if scores.nominal else np.array(values, dtype=np.float64)
    people = scores.people_say
    found: list[Confusion | None] = []
    for judge in scores.judge:
        both = ~np.isnan(people + judge)
        cells = _nearest(people[both], numbers) * len(values) + _nearest(judge[both], numbers)
        counts = np.bincount(cells, minlength=len(values) ** 2).reshape(len(values), len(values))
        found.append(Confusion(values, counts))
    return found


def _nearest(scores: FloatArray, values: FloatArray) -> IntArray:
    """The places of the values nearest to the scores; `values` are in ascending order."""
    # What is halfway but for rounding is halfway.
    halfway = (values[1:] + values[:-1]) / 2
    scale = float(np.abs(values).max()) or 1.0
    places: IntArray = np.searchsorted(halfway - 1e-12 * scale, scores, side="right").astype(np.intp)
    return places
