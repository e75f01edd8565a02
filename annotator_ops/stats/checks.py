"""Layer 2. What can be checked of one rater alone: the same item again, and items whose right answer is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.closed_intervals import CONFIDENCE, mean, share
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, Category, FloatArray, IntArray, is_finite_number

_NUMERIC = (Level.ORDINAL, Level.INTERVAL, Level.RATIO)


@dataclass(frozen=True, slots=True)
class Check:
    """One rater's answers beside what they are checked against, on `same.n_items` items.

    `same` is the share of identical answers; `distance` the mean absolute difference of numbers (a reason for labels).
    """

    rater: str
    same: Estimate
    distance: Estimate

    def as_json(self) -> JSONDict:
        return {"rater": self.rater, "same": self.same.as_json(), "distance": self.distance.as_json()}


def repeat_consistency(
    data: ReliabilityData, repeats: Mapping[str, str], *, confidence: float = CONFIDENCE
) -> tuple[Check, ...]:
    """How often each rater gave a repeated item the answer of the first time.

    `repeats` maps the unit that is a repetition to the unit that it repeats; units that are not in the data do not
    count.
    """
    column = {unit: position for position, unit in enumerate(data.units)}
    pairs = [(column[again], column[first]) for again, first in repeats.items() if again in column and first in column]
    again, first = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    known = "was given an item twice" if pairs else ""
    return tuple(
        _check(data, row, data.codes[row, again], data.codes[row, first], None, known, confidence)
        for row in range(len(data.raters))
    )


def gold_accuracy(
    data: ReliabilityData, gold: Mapping[str, Category], *, confidence: float = CONFIDENCE
) -> tuple[Check, ...]:
    """How often each rater gave the right answer to the units of `gold`, which maps them to their right category.

    A right category that nobody gave is right all the same. Units that are not in the data do not count.
    """
    column = {unit: position for position, unit in enumerate(data.units)}
    code = {category: position for position, category in enumerate(data.domain)}
    known = [(column[unit], category) for unit, category in gold.items() if unit in column]
    positions = np.array([position for position, _ in known], dtype=np.intp)
    # A category outside the domain gets a code that no answer has.
    right = np.array([code.get(category, len(code)) for _, category in known], dtype=np.intp)
    numbers = None
    if data.level in _NUMERIC:
        odd = next((category for _, category in known if not is_finite_number(category)), None)
        if odd is not None:
            raise ValueError(f"The right answer {odd!r} is no number, but the level is {data.level.value}.")
        numbers = np.array([category for _, category in known], dtype=np.float64)
    words = "answered an item whose right answer is known" if known else ""
    return tuple(
        _check(data, row, data.codes[row, positions], right, numbers, words, confidence)
        for row in range(len(data.raters))
    )


def _check(
    data: ReliabilityData,
    row: int,
    answers: IntArray,
    references: IntArray,
    numbers: FloatArray | None,
    what: str,
    confidence: float,
) -> Check:
    rater = data.raters[row]
    both = (answers != MISSING) & (references != MISSING)
    n = int(both.sum())
    if not n:
        sentence = f"{rater} never {what}." if what else "The study has no items to check this by."
        nothing = Estimate(value=None, reason=Reason("no-checks", sentence), n_raters=1)
        return Check(rater, nothing, nothing)
    same = share(
        int((answers[both] == references[both]).sum()), n, name="share of identical answers", confidence=confidence
    )
    if data.level not in _NUMERIC:
        reason = Reason("not-numeric", f"The level is {data.level.value}, which has no absolute difference.")
        return Check(rater, same, Estimate(value=None, reason=reason, n_items=n, n_raters=1))
    domain = np.array(data.domain, dtype=np.float64)
    targets = domain[references[both]] if numbers is None else numbers[both]
    steps = ", steps taken as equal" if data.level is Level.ORDINAL else ""
    gaps = np.abs(domain[answers[both]] - targets)
    name = f"mean absolute difference{steps}"
    return Check(rater, same, mean(gaps, name=name, confidence=confidence, n_raters=1))
