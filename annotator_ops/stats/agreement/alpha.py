"""Layer 2. Krippendorff's alpha at every level of measurement and by any distance."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import krippendorff
import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import Level
from annotator_ops.stats.agreement.disagreement import disagreement_of, whole_period
from annotator_ops.stats.agreement.prior import with_prior
from annotator_ops.stats.agreement.units import Rows, no_value, patterns_of, rows_of, undefined, with_interval
from annotator_ops.stats.intervals import (
    MANY_UNITS,
    PRIOR_UNITS,
    Resampling,
    Statistic,
    interval_of,
    linearized_interval,
)
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import FloatArray, display

# The value of an estimate with an interval comes from the package, the published implementation, where that takes a
# fraction of the resampling: it builds units × categories × categories numbers, up to this many of them. Elsewhere the
# closed forms, which give the same to the last digits: they are quicker, and for sliders the package needs gigabytes.
# In the tests it is the oracle of all of them.
_PACKAGE_CELLS = 200_000
_PACKAGE_LEVELS = (Level.NOMINAL, Level.ORDINAL, Level.INTERVAL, Level.RATIO)
# Ratio distances have no closed form, only categories × categories in blocks.
_RATIO_CATEGORIES = 20_000
_RATIO_RESAMPLED = 2_000
_POINT = "Krippendorff's alpha"
_NO_DISTANCE = Reason(
    "no-distance", "The distances between all values that were given are 0, so there is nothing that can disagree."
)


@dataclass(frozen=True, slots=True, eq=False)
class WeightedAlpha:
    """Alpha as a statistic of weighted units: `rows` are the pairable units in the order of `data.units`."""

    data: ReliabilityData
    rows: Rows
    name: str
    distance: FloatArray | None = None
    period: float | None = None

    def no_chance(self) -> Reason:
        """Why alpha has no value where expected disagreement is 0."""
        only = self.rows.only
        if only is None:
            return _NO_DISTANCE
        sentence = (
            f"Every rating that can be compared is {display(self.data.domain[only])}. Alpha compares disagreement with "
            "what chance would give, and where nothing varies there is no chance to compare with."
        )
        return Reason("one-category", sentence)

    def statistic(self) -> Statistic:
        """Alpha with the influence of each unit, and alpha under any weights of them."""
        return self._of(self.rows, None)

    def with_prior(self) -> Statistic:
        """The same with a prior: behind the units are the rows of the prior, which stand for no unit."""
        return self._of(*with_prior(self.rows, level=self._scale))

    def collapsed(self) -> Statistic:
        """The same over patterns that several units share; with a prior where these are few, or where all agree."""
        rows = patterns_of(self.rows)
        if rows.n >= PRIOR_UNITS and self._of(rows, None).standard_error is not None:
            return self._of(rows, None)
        return self._of(*with_prior(rows, level=self._scale))

    @property
    def _scale(self) -> Level:
        return self.data.level if self.distance is None else Level.NOMINAL

    def _of(self, rows: Rows, prior: FloatArray | None) -> Statistic:
        disagreement = disagreement_of(rows, self.data, distance=self.distance, period=self.period)
        value, influence = disagreement.linearized(rows.weights)
        return Statistic(value, disagreement.alpha, rows.multiplicity, influence, prior, greatest=1.0)


def krippendorff_alpha(
    data: ReliabilityData,
    *,
    resampling: Resampling | None = None,
    distance: npt.ArrayLike | None = None,
    period: float | None = None,
) -> Estimate:
    """Krippendorff's alpha, 1 − observed / expected disagreement (Krippendorff 2019, Content Analysis, ch. 12).

    The distance is the one of `data.level`: nominal, ordinal (mid-ranks), interval, ratio, or circular, which is
    sin²(π(c − k)/U) with U the `period`: where that is not given and all values are whole numbers, max − min + 1 of
    `data.domain`.
    `distance` replaces the level's: a V × V matrix of squared differences over `data.domain`, symmetric and not
    negative, with zeros on the diagonal.

    `standard_error` is the linearized one (Gwet 2014, Handbook of Inter-Rater Reliability, ch. 5) over units, extended
    to ranks that depend on the sample. With `resampling` the interval is over pairable units, expected disagreement
    anew in every resample; see `interval_of`.

    Raises ValueError for a distance matrix that is none, and for a period that is not positive.
    """
    built = weighted_alpha(data, distance=distance, period=period)
    if isinstance(built, Reason):
        return no_value(data, built)
    statistic = built.statistic()
    if math.isnan(statistic.value):
        return no_value(data, built.no_chance())
    found = Estimate(
        value=statistic.value,
        method=built.name,
        standard_error=statistic.standard_error,
        n_items=statistic.units,
        n_raters=len(data.raters),
    )
    if resampling is None:
        return found
    if built.distance is None and data.level in _PACKAGE_LEVELS:
        if built.rows.n * built.rows.categories**2 <= _PACKAGE_CELLS:
            found = replace(found, value=_package_alpha(built.rows, data))
        if data.level is Level.RATIO and (used := built.rows.used) > _RATIO_RESAMPLED:
            because = f"{used:,} distinct values"
            return with_interval(
                found, linearized_interval(statistic, confidence=resampling.confidence, because=because)
            )
    if statistic.units <= MANY_UNITS:
        statistic = built.collapsed()
    return with_interval(found, interval_of(statistic, resampling=resampling))


def weighted_alpha(
    data: ReliabilityData,
    *,
    distance: npt.ArrayLike | None = None,
    period: float | None = None,
) -> WeightedAlpha | Reason:
    """Alpha as a function of weights on pairable units, or why there is none. Arguments as for `krippendorff_alpha`."""
    matrix = None if distance is None else checked_distance(distance, len(data.domain))
    if period is not None and not (math.isfinite(period) and period > 0):
        raise ValueError(f"The period has to be a positive number; it is {period}.")
    rows = rows_of(data)
    if len(rows.size) < 2:
        reason = undefined(data)
        return reason or Reason("too-few-items", "A coefficient needs two items that two annotators rated.")
    if matrix is None and data.level is Level.RATIO and (reason := _no_ratio(rows, data)):
        return reason
    name = f"{_POINT}, {data.level.value}" if matrix is None else f"{_POINT}, given distances"
    if matrix is None and data.level is Level.CIRCULAR:
        circumference = whole_period(data) if period is None else period
        if isinstance(circumference, Reason):
            return circumference
        period = circumference
        name = f"{name}, period {period:g}"
    return WeightedAlpha(data, rows, name, matrix, period)


def checked_distance(distance: npt.ArrayLike, categories: int) -> FloatArray:
    """The matrix of squared differences. Raises ValueError saying what is wrong with one that cannot be that."""
    matrix = np.asarray(distance, dtype=np.float64)
    if matrix.shape != (categories, categories):
        shape = " × ".join(map(str, matrix.shape)) or "a single number"
        raise ValueError(
            f"The distances need one row and one column for each of the {categories} categories; they are {shape}."
        )
    if not np.isfinite(matrix).all():
        raise ValueError("The distances have to be finite numbers; some are not.")
    if (matrix < 0).any():
        raise ValueError("Distances cannot be negative; some are.")
    if np.diagonal(matrix).any():
        raise ValueError("The distance of a category from itself has to be 0; the diagonal has other numbers.")
    if not np.array_equal(matrix, matrix.T):
        raise ValueError("The distances have to be symmetric: from c to k as far as from k to c.")
    return matrix


def _no_ratio(rows: Rows, data: ReliabilityData) -> Reason | None:
    if rows.only is None and min(float(value) for value in data.domain if isinstance(value, (int, float))) < 0:
        return Reason("negative-ratio", "The ratio level needs values from zero up; some are negative.")
    if rows.categories > _RATIO_CATEGORIES and (used := rows.used) > _RATIO_CATEGORIES:
        words = f"{used:,} distinct values are too many for the ratio level"
        return Reason("too-many-values", f"{words}; the interval level can be computed.")
    return None


def _package_alpha(rows: Rows, data: ReliabilityData) -> float:
    counts = np.repeat(rows.sparse.toarray() if rows.counts is None else rows.counts, rows.multiplicity, axis=0)
    levels: dict[Level, Any] = {level: level.value for level in _PACKAGE_LEVELS}
    numeric = data.level is not Level.NOMINAL
    value_domain = np.array(data.domain, dtype=np.float64) if numeric else np.arange(len(data.domain))
    alpha = krippendorff.alpha(value_counts=counts, value_domain=value_domain, level_of_measurement=levels[data.level])
    return float(alpha)
