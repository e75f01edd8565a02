"""Layer 2. Observed and expected disagreement of weighted units, for every distance: what alpha is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from annotator_ops.measures import Reason
from annotator_ops.models import Level
from annotator_ops.stats.agreement.units import SHORT, Counts, Rows, over, total
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, FloatArray, IntArray

# A resample varies when its expected disagreement is more than the rounding of the terms it is the difference of.
_ROUNDING = 1e-12
# Positions on a scale from −1 to 1, or on the circle, that are nearer than 10⁻¹³ are one and the same.
_SAME = 1e-26
# Expected disagreement as a form of (n, S1, S2), 2(n·S2 − S1²), and of (n, versines, sines), (n² − C² − S²)/2 with
# C = n − versines.
_SQUARES = np.array([[0.0, 0.0, 1.0], [0.0, -2.0, 0.0], [1.0, 0.0, 0.0]])
_CIRCLE = np.array([[0.0, 0.5, 0.0], [0.5, -0.5, 0.0], [0.0, 0.0, -0.5]])
_BLOCK = 1_000
# So many numbers are held at once for pairs of columns or for resamples of many categories.
_CELLS = 4_000_000
# Up to here, ordinal resamples are weighed from the coincidences of each unit, a column for each pair of categories.
_PAIRED_CATEGORIES = 16


class Disagreement(Protocol):
    """The disagreement of rows (units, or patterns that several units share)."""

    def alpha(self, weights: FloatArray) -> FloatArray:
        """Alpha for each row of weights (resamples × rows), NaN where the units drawn do not vary."""

    def linearized(self, weights: FloatArray) -> tuple[float, FloatArray]:
        """Alpha under these weights (rows), and its influence: what it changes by for a unit more of each row,
        times the number of units. NaN twice where nothing varies."""


@dataclass(frozen=True, slots=True, eq=False)
class FixedDistance:
    """A distance that does not depend on the sample: all but the ordinal one.

    `observed` (rows) is Σ_{i≠j} δ²/(m − 1) of a unit, `size` (rows) its number m of ratings. Expected disagreement is a
    quadratic form of sums over units: Σ_{c,k} n_c n_k δ²_ck = T·product(T), with T the weighted sum of `features`
    (rows × features). Alpha is then 1 − (n − 1)·Σ observed / form, n the number of ratings (Krippendorff 2019, ch. 12).
    `form` is the matrix of the product where it has negative entries, so that differences can lose digits.
    """

    observed: FloatArray
    size: FloatArray
    features: Counts
    product: Callable[[FloatArray], FloatArray]
    form: FloatArray | None = None

    def alpha(self, weights: FloatArray) -> FloatArray:
        totals = np.asarray(weights @ self.features)
        expected: FloatArray = np.einsum("ij,ij->i", self.product(totals), totals)
        defined = expected > self._rounding(totals)
        return _ratio_alpha(weights @ self.observed, weights @ self.size, expected, defined=defined)

    def linearized(self, weights: FloatArray) -> tuple[float, FloatArray]:
        totals = total(weights, self.features)
        form = self.product(totals[None, :])[0]
        expected = float(form @ totals)
        if self.form is not None:
            size = np.abs(totals)
            if expected <= max(_ROUNDING * float(size @ np.abs(self.form) @ size), _SAME * float(size[0]) ** 2):
                expected = 0.0
        observed, n = float(total(weights, self.observed)), float(total(weights, self.size))
        gradient = 2 * over(self.features, form)
        return _linear_alpha(self.observed, gradient, self.size, sums=(observed, n, expected), units=weights.sum())

    def _rounding(self, totals: FloatArray) -> FloatArray:
        """Up to here, expected disagreement is what is left of the rounding of its terms, for each row of totals."""
        if self.form is None:
            return np.zeros(len(totals))
        size = np.abs(totals)
        terms: FloatArray = np.einsum("ij,ij->i", size @ np.abs(self.form), size)
        return np.maximum(_ROUNDING * terms, _SAME * size[:, 0] ** 2)


@dataclass(frozen=True, slots=True, eq=False)
class OrdinalDistance:
    """Krippendorff's ordinal distance: the squared difference of mid-ranks among the pairable values of the sample.

    Hence ordinal alpha is interval alpha on mid-ranks, and the ranks are those of each resample. `counts` (rows ×
    categories) is how many raters chose each category, `size` (rows) as above.
    """

    counts: Counts
    size: FloatArray

    def alpha(self, weights: FloatArray) -> FloatArray:
        paired = self._paired()
        step = max(1, _CELLS // max(self.counts.shape))
        return np.concatenate([self._alpha(weights[at : at + step], paired) for at in range(0, len(weights), step)])

    def _paired(self) -> FloatArray | None:
        """Each unit's coincidences of two categories, rows × pairs of categories; None where these are many."""
        categories = self.counts.shape[1]
        if sparse.issparse(self.counts) or categories > _PAIRED_CATEGORIES:
            return None
        first, second = np.triu_indices(categories, 1)
        paired: FloatArray = self.counts[:, first] * self.counts[:, second] * (2 / (self.size - 1))[:, None]
        return paired

    def _alpha(self, weights: FloatArray, paired: FloatArray | None) -> FloatArray:
        totals = np.asarray(weights @ self.counts)
        n = totals.sum(axis=1)
        ranks = _centred_ranks(totals, n)
        if paired is not None:
            first, second = np.triu_indices(totals.shape[1], 1)
            observed = np.einsum("ij,ij->i", weights @ paired, (ranks[:, first] - ranks[:, second]) ** 2)
        else:
            transposed = sparse.csr_array(self.counts).T.tocsr()
            s1, s2 = ranks @ transposed, ranks**2 @ transposed
            observed = (weights * (2 * (self.size * s2 - s1**2) / (self.size - 1))).sum(axis=1)
        expected = 2 * n * (totals * ranks**2).sum(axis=1)
        # Ranks are multiples of one half: the expected disagreement of one category is 0 to the last digit.
        return _ratio_alpha(observed, n, expected, defined=expected > 0)

    def linearized(self, weights: FloatArray) -> tuple[float, FloatArray]:
        totals = total(weights, self.counts)
        n = float(totals.sum())
        ranks = _centred_ranks(totals[None, :], np.array([n]))[0]
        s1, s2 = over(self.counts, ranks), over(self.counts, ranks * ranks)
        one_less = self.size - 1
        observed = 2 * (self.size * s2 - s1 * s1) / one_less
        s2_all = float(totals @ (ranks * ranks))
        sums = float(total(weights, observed)), n, 2 * n * s2_all
        if not sums[2] > 0:
            return _linear_alpha(observed, observed, self.size, sums=sums, units=weights.sum())
        # A unit more moves the ranks of all other values, too: the derivative by the ranks, then of ranks by counts.
        ratio, scaled = sums[0] / sums[2], weights / one_less
        by_rank = total(scaled * self.size, self.counts) * ranks - total(scaled * s1, self.counts)
        moved = over(self.counts, _ranks_moved(4 * (by_rank - ratio * n * totals * ranks)))
        gradient = 2 * (s2_all * self.size + n * s2)
        return _linear_alpha(observed + moved, gradient, self.size, sums=sums, units=weights.sum())


def disagreement_of(
    rows: Rows, data: ReliabilityData, *, distance: FloatArray | None = None, period: float | None = None
) -> Disagreement:
    """The disagreement of these rows at the data's level, or by a V × V matrix of squared distances."""
    if distance is not None:
        return _by_matrix(rows, lambda c, k: distance[c, k], len(data.domain))
    if data.level is Level.NOMINAL:
        return _nominal(rows)
    x = np.array(data.domain, dtype=np.float64)
    if data.level is Level.ORDINAL:
        return OrdinalDistance(rows.table, rows.size)
    if data.level is Level.INTERVAL:
        return _interval(rows, x)
    if data.level is Level.CIRCULAR:
        if period is None:
            raise ValueError("Circular distances need a period.")
        return _circular(rows, 2 * np.pi * x / period)
    return _by_matrix(rows, lambda c, k: ratio_distance(x[c], x[k]), len(x))


def ratio_distance(a: FloatArray, b: FloatArray) -> FloatArray:
    """((a − b)/(a + b))², 0 for two zeros (Krippendorff 2019, ch. 12); arrays that broadcast."""
    total = a + b
    quotient: Any = np.divide(a - b, total, out=np.zeros(np.broadcast(a, b).shape), where=total != 0)
    squared: FloatArray = quotient**2
    return squared


def whole_period(data: ReliabilityData) -> float | Reason:
    """The declared circumference, or max − min + 1 where all values are whole numbers; or why it must be given."""
    if data.period is not None:
        return data.period
    values = [float(value) for value in data.domain if isinstance(value, (int, float))]
    if len(values) == len(data.domain) and all(value.is_integer() for value in values):
        return max(values) - min(values) + 1
    sentence = (
        "The circular level needs to know after how much a value comes back to itself (360 for degrees, 24 for hours); "
        "that follows from the values only where all are whole numbers. Give the period: `period: 24` in the study "
        "file, `--level hour=circular:24` for tables."
    )
    return Reason("no-period", sentence)


def _nominal(rows: Rows) -> FixedDistance:
    if rows.counts is not None:
        same = (rows.counts * rows.counts).sum(axis=1) - rows.size
    else:
        same = 2 * _pair_sums(rows.codes, lambda c, k: (c == k).astype(np.float64))
    observed = rows.size - same / (rows.size - 1)
    return FixedDistance(observed, rows.size, rows.table, lambda totals: totals.sum(axis=1)[:, None] - totals)


def _interval(rows: Rows, x: FloatArray) -> FixedDistance:
    # Centred and scaled, so that the differences of squares below lose no digits; alpha knows neither origin nor unit.
    x = x - rows.mean_of(x)
    x = x / (np.abs(x).max() or 1.0)
    s1, s2 = rows.sums_of(x), rows.sums_of(x * x)
    observed = 2 * (rows.size * s2 - s1 * s1) / (rows.size - 1)
    features = np.array([rows.size, s1, s2]).T
    return FixedDistance(observed, rows.size, features, lambda totals: totals @ _SQUARES, _SQUARES)


def _circular(rows: Rows, angle: FloatArray) -> FixedDistance:
    # sin²(π(c − k)/U) = (1 − cos(θ_c − θ_k))/2, and that is a matter of sums of cosines and sines. Turned to the mean
    # direction, and with 1 − cos for cos, values that lie close together lose no digits.
    angle = angle - np.arctan2(rows.mean_of(np.sin(angle)), rows.mean_of(np.cos(angle)))
    versine, sine = rows.sums_of(2 * np.sin(angle / 2) ** 2), rows.sums_of(np.sin(angle))
    observed = (versine * (2 * rows.size - versine) - sine**2) / (2 * (rows.size - 1))
    features = np.array([rows.size, versine, sine]).T
    return FixedDistance(observed, rows.size, features, lambda totals: totals @ _CIRCLE, _CIRCLE)


def _by_matrix(rows: Rows, distance: Callable[[Any, Any], FloatArray], categories: int) -> FixedDistance:
    """`distance` gives squared distances for two arrays of codes that broadcast."""
    every = np.arange(categories)
    if rows.counts is not None:
        matrix = distance(every[:, None], every[None, :])
        if rows.counts.size < SHORT:
            sums: FloatArray = ((rows.counts @ matrix) * rows.counts).sum(axis=1)
        else:
            sums = np.zeros(len(rows.size))
            for code in every:
                sums += over(rows.counts, matrix[:, code]) * rows.counts[:, code]
        return FixedDistance(sums / (rows.size - 1), rows.size, rows.counts, lambda totals: totals @ matrix)

    def product(totals: FloatArray) -> FloatArray:
        used = np.flatnonzero(totals.any(axis=0))
        result = np.zeros(totals.shape)
        for start in range(0, len(used), _BLOCK):
            block = used[start : start + _BLOCK]
            result[:, block] = totals[:, used] @ distance(used[:, None], block[None, :])
        return result

    return FixedDistance(2 * _pair_sums(rows.codes, distance) / (rows.size - 1), rows.size, rows.sparse, product)


def _pair_sums(codes: IntArray, distance: Callable[[Any, Any], FloatArray]) -> FloatArray:
    """Σ_{i<j} of a symmetric function of two codes within each row of codes (rows × places, MISSING where empty)."""
    sums = np.zeros(len(codes))
    step = max(1, _CELLS // max(1, codes.shape[1]))
    for start in range(0, len(codes), step):
        part = codes[start : start + step]
        for lag in range(1, codes.shape[1]):
            left, right = part[:, lag:], part[:, :-lag]
            found = distance(left, right)
            found[(left == MISSING) | (right == MISSING)] = 0
            sums[start : start + step] += found.sum(axis=1)
    return sums


def _centred_ranks(totals: FloatArray, n: FloatArray) -> FloatArray:
    ranks: FloatArray = np.cumsum(totals, axis=1) - totals / 2 - n[:, None] / 2
    return ranks


def _ranks_moved(by_rank: FloatArray) -> FloatArray:
    """The derivative by counts of what has this derivative by centred mid-ranks; both have shape categories."""
    whole = by_rank.sum()
    moved: FloatArray = whole - np.cumsum(by_rank) + by_rank / 2 - whole / 2
    return moved


def _ratio_alpha(observed: FloatArray, n: FloatArray, expected: FloatArray, *, defined: Any) -> FloatArray:
    alpha = np.full(len(observed), np.nan)
    np.divide((n - 1) * observed, expected, out=alpha, where=defined)
    return 1 - alpha


def _linear_alpha(
    by_unit: FloatArray, gradient: FloatArray, size: FloatArray, *, sums: tuple[float, float, float], units: float
) -> tuple[float, FloatArray]:
    """Alpha and its influences from the derivatives by a unit of observed (`by_unit`) and expected disagreement.

    The factor n − 1 counts as n times a constant, as in Gwet (2014, Handbook of Inter-Rater Reliability, ch. 5).
    """
    observed, n, expected = sums
    if not expected > 0:
        return float("nan"), np.full(len(size), np.nan)
    influence = by_unit + (observed / n) * size - (observed / expected) * gradient
    return 1 - (n - 1) * observed / expected, (-float(units) * (n - 1) / expected) * influence
