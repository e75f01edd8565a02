"""Layer 2. What the raters together say of each item: mean, median, majority, or Dawid and Skene's posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotator_ops.measures import ConsensusMethod, Reason
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.agreement.disagreement import whole_period
from annotator_ops.stats.dawid_skene import DawidSkene, fit_model
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, Category, FloatArray, IntArray, display

_OF_CATEGORIES = (ConsensusMethod.MAJORITY, ConsensusMethod.DAWID_SKENE)
# Posterior probabilities that differ by less are a tie.
_SAME_PROBABILITY = 1e-9


@dataclass(frozen=True, slots=True)
class Consensus:
    """What the raters together say of one item.

    `values` holds one value; several where they tie, none where nobody rated the item. A tie is never broken.
    `confidence` is the majority's share of the ratings (of each of the tied), the posterior probability, or the mean
    resultant length of a direction; `sd` (n − 1 in the denominator) goes with means and numeric medians and
    `standard_error` (sd / √n) with means. None where there is no such thing.
    """

    unit: str
    method: ConsensusMethod
    n_ratings: int
    values: tuple[Category, ...]
    confidence: float | None = None
    sd: float | None = None
    standard_error: float | None = None

    @property
    def tied(self) -> bool:
        return len(self.values) > 1

    def as_row(self) -> JSONDict:
        """One row of a table: plain values under fixed names. Tied values are listed in words, `value` is None then."""
        value = self.values[0] if len(self.values) == 1 else None
        return {
            "item": self.unit,
            "method": self.method.value,
            "value": display(value) if isinstance(value, tuple) else value,
            "tied": " | ".join(display(one) for one in self.values) if self.tied else "",
            "n_ratings": self.n_ratings,
            "confidence": self.confidence,
            "sd": self.sd,
            "standard_error": self.standard_error,
        }


def unfit(method: ConsensusMethod, level: Level) -> Reason | None:
    """Why a method does not fit a level of measurement; None where it does."""
    if method is ConsensusMethod.MEAN and level is Level.NOMINAL:
        return Reason("needs-numbers", "The level is nominal, and labels have no mean. Use the majority.")
    if method is ConsensusMethod.MEDIAN and level in (Level.NOMINAL, Level.CIRCULAR):
        order = "labels have no order" if level is Level.NOMINAL else "a circle has no first value"
        use = "majority" if level is Level.NOMINAL else "mean"
        return Reason("needs-order", f"The level is {level.value}, and {order}, hence no median. Use the {use}.")
    if method in _OF_CATEGORIES and level not in (Level.NOMINAL, Level.ORDINAL):
        sentence = (
            f"The level is {level.value}, where two measurements are seldom equal and near misses should count. "
            "Use the mean, or declare the ordinal or nominal level if the values are a few categories."
        )
        return Reason("needs-categories", sentence)
    return None


def consensus(
    data: ReliabilityData, *, method: ConsensusMethod, period: float | None = None, model: DawidSkene | None = None
) -> tuple[Consensus, ...] | Reason:
    """The consensus on every unit, in the order of the data, or why the method does not fit.

    The median of ordinal data is the middle category, or the two middle ones as a tie; their mean takes all steps of
    the scale to be equal, which whoever asks for it should say. The mean of circular data is the
    mean direction (Mardia and Jupp 2000, ch. 2); `period` as in `krippendorff_alpha`. `model` is a fitted model of
    these data; without it Dawid–Skene is fitted here.
    """
    reason = unfit(method, data.level)
    if reason:
        return reason
    if not (data.codes != MISSING).any():
        return Reason("no-ratings", "There is no rating that has a value.")
    if method is ConsensusMethod.DAWID_SKENE:
        fitted = fit_model(data) if model is None else model
        return fitted if isinstance(fitted, Reason) else _by_model(data, fitted)
    if method is ConsensusMethod.MAJORITY:
        return _majority(data)
    if data.level is Level.CIRCULAR:
        circumference = whole_period(data) if period is None else period
        return circumference if isinstance(circumference, Reason) else _direction(data, circumference)
    if data.level is Level.ORDINAL and method is ConsensusMethod.MEDIAN:
        return _middle_category(data)
    return _number(data, method)


def _majority(data: ReliabilityData) -> tuple[Consensus, ...]:
    unit, rater = np.nonzero(data.codes.T != MISSING)
    categories = len(data.domain)
    keys, votes = np.unique(unit * categories + data.codes[rater, unit], return_counts=True)
    units = keys // categories
    n = np.bincount(unit, minlength=len(data.units))
    most = np.zeros(len(data.units), dtype=np.intp)
    np.maximum.at(most, units, votes)
    winners: list[list[Category]] = [[] for _ in data.units]
    for key in keys[votes == most[units]].tolist():
        winners[key // categories].append(data.domain[key % categories])
    share = np.divide(most, n, out=np.full(len(n), np.nan), where=n > 0)
    return _records(data, ConsensusMethod.MAJORITY, n, winners, confidence=share)


def _by_model(data: ReliabilityData, model: DawidSkene) -> tuple[Consensus, ...]:
    n = (data.codes != MISSING).sum(axis=0)
    probability = model.posterior.max(axis=1)
    winners: list[list[Category]] = [[] for _ in data.units]
    leads = (model.posterior >= probability[:, None] - _SAME_PROBABILITY) & (n > 0)[:, None]
    for unit, code in np.argwhere(leads).tolist():
        winners[unit].append(data.domain[code])
    return _records(data, ConsensusMethod.DAWID_SKENE, n, winners, confidence=np.where(n > 0, probability, np.nan))


def _middle_category(data: ReliabilityData) -> tuple[Consensus, ...]:
    n = (data.codes != MISSING).sum(axis=0)
    ordered = np.sort(data.codes, axis=0)  # missing values (−1) come first
    first = len(data.raters) - n
    columns = np.arange(len(data.units))
    lower, upper = (
        np.where(n > 0, ordered[np.minimum(first + half, len(data.raters) - 1), columns], MISSING).tolist()
        for half in (np.maximum(n - 1, 0) // 2, n // 2)
    )
    winners: list[list[Category]] = [
        [data.domain[code] for code in dict.fromkeys(pair) if code != MISSING]
        for pair in zip(lower, upper, strict=True)
    ]
    return _records(data, ConsensusMethod.MEDIAN, n, winners)


def _number(data: ReliabilityData, method: ConsensusMethod) -> tuple[Consensus, ...]:
    values = data.values
    rated = ~np.isnan(values)
    n = rated.sum(axis=0)
    mean = np.divide(np.where(rated, values, 0.0).sum(axis=0), n, out=np.full(len(n), np.nan), where=n > 0)
    squares = np.where(rated, (values - mean) ** 2, 0.0).sum(axis=0)
    sd = np.sqrt(np.divide(squares, n - 1, out=np.full(len(n), np.nan), where=n > 1))
    centre = mean
    if method is ConsensusMethod.MEDIAN:
        ordered = np.sort(values, axis=0)  # NaN comes last
        columns = np.arange(len(n))
        centre = (
            ordered[np.maximum(n - 1, 0) // 2, columns] + ordered[np.minimum(n // 2, len(values) - 1), columns]
        ) / 2
    winners: list[list[Category]] = [[value] if count else [] for value, count in zip(centre.tolist(), n, strict=True)]
    error = np.divide(sd, np.sqrt(n), out=np.full(len(n), np.nan), where=n > 1)
    return _records(data, method, n, winners, sd=sd, error=error if method is ConsensusMethod.MEAN else None)


def _direction(data: ReliabilityData, period: float) -> tuple[Consensus, ...]:
    rated = data.codes != MISSING
    n = rated.sum(axis=0)
    angles = 2 * np.pi * data.values / period
    cosine, sine = (np.where(rated, part, 0.0).sum(axis=0) for part in (np.cos(angles), np.sin(angles)))
    length = np.hypot(cosine, sine) / np.maximum(n, 1)
    mean = np.mod(np.arctan2(sine, cosine) * period / (2 * np.pi), period)
    # Directions that cancel each other have no mean direction; what is left of them is rounding.
    known = (n > 0) & (length > 1e-12)
    winners: list[list[Category]] = [
        [value] if there else [] for value, there in zip(mean.tolist(), known, strict=True)
    ]
    return _records(data, ConsensusMethod.MEAN, n, winners, confidence=np.where(n > 0, length, np.nan))


def _records(
    data: ReliabilityData,
    method: ConsensusMethod,
    n: IntArray,
    winners: list[list[Category]],
    *,
    confidence: FloatArray | None = None,
    sd: FloatArray | None = None,
    error: FloatArray | None = None,
) -> tuple[Consensus, ...]:
    columns = [_optional(column, len(n)) for column in (confidence, sd, error)]
    return tuple(
        Consensus(unit, method, count, tuple(values), *rest)
        for unit, count, values, *rest in zip(data.units, n.tolist(), winners, *columns, strict=True)
    )


def _optional(column: FloatArray | None, length: int) -> list[float | None]:
    if column is None:
        return [None] * length
    return [None if np.isnan(value) else value for value in column.tolist()]
