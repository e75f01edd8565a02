"""Layer 2. The variance of alpha, split by how many ratings an item has: what more annotators would change."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Reason
from annotator_ops.stats.agreement.alpha import weighted_alpha
from annotator_ops.stats.agreement.disagreement import disagreement_of
from annotator_ops.stats.distances import Ratings, ratings_of
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, FloatArray, IntArray

# A mean over fewer common items of two raters would take away what is to be measured.
_LEAST_PAIRED = 10
# Pairs of ratings that are looked at; of larger pilots, units at equal distances.
_MOST_PAIRS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """How much the influence of an item on alpha varies, split by how many ratings two pairs of raters share.

    An item's influence is the mean of g(x_i, x_j) over the pairs of its ratings, a U-statistic of order two (Hoeffding
    1948). `two`, `one` and `none` are the means over items of the products of g for pairs that share two, one or no
    ratings; with k raters the variance is (2·two + 4(k − 2)·one + (k − 2)(k − 3)·none) / (k(k − 1)). It is exact on
    average over all subsets of k of the pilot's raters. None where the pilot has no item with three (four) ratings.
    """

    two: float
    one: float | None
    none: float | None

    def variance(self, k: int) -> tuple[float, bool]:
        """The variance with k raters an item, and whether it is an upper bound: none ≤ one ≤ two holds in the mean."""
        one = self.two if self.one is None else self.one
        none = one if self.none is None else self.none
        value = (2 * self.two + 4 * (k - 2) * one + (k - 2) * (k - 3) * none) / (k * (k - 1))
        return value, (k > 2 and self.one is None) or (k > 3 and self.none is None)


def components_of(
    data: ReliabilityData, *, distance: npt.ArrayLike | None = None, period: float | None = None
) -> Components | Reason:
    """The components of the variance of alpha, see `Components`, with every item counting the same."""
    ratings = ratings_of(_thinned(data))
    first, second = _pairs(ratings)
    paired = replace(
        data,
        raters=("first", "second"),
        units=tuple(map(str, range(len(first)))),
        codes=np.stack([ratings.code[first], ratings.code[second]]),
    )
    built = weighted_alpha(paired, distance=distance, period=period)
    if isinstance(built, Reason):
        return built
    unit, m = ratings.unit[first], ratings.size.astype(np.float64)
    _, g = disagreement_of(built.rows, built.data, distance=built.distance, period=built.period).linearized(
        2 / (m * (m - 1))[unit]
    )
    if np.isnan(g).any():
        return Reason("no-variation", "Nothing varies in the pilot, so its precision cannot be judged.")
    g = g - _mean_of_pair(ratings, first, second, g)
    units = len(m)
    sums = np.bincount(first, weights=g, minlength=len(ratings.code))
    sums += np.bincount(second, weights=g, minlength=len(ratings.code))
    squares = 2 * np.bincount(unit, weights=g**2, minlength=units)  # over ordered pairs, as the next two
    by_rating = np.bincount(ratings.unit, weights=sums**2, minlength=units)
    total = 2 * np.bincount(unit, weights=g, minlength=units)
    three, four = m >= 3, m >= 4
    factor = units / (units - 1)
    two = squares / (m * (m - 1))
    one = (by_rating - squares)[three] / (m * (m - 1) * (m - 2))[three]
    none = (total**2 + 2 * squares - 4 * by_rating)[four] / (m * (m - 1) * (m - 2) * (m - 3))[four]
    return Components(
        two=factor * float(two.mean()),
        one=factor * float(one.mean()) if len(one) >= 2 else None,
        none=factor * float(none.mean()) if len(none) >= 2 else None,
    )


def _thinned(data: ReliabilityData) -> ReliabilityData:
    """The data, or of very large pilots as many units at equal distances as have about the most pairs allowed."""
    rated = (data.codes != MISSING).sum(axis=0)
    pairs = int((rated * (rated - 1)).sum()) // 2
    if pairs <= _MOST_PAIRS:
        return data
    keep = np.arange(0, len(data.units), math.ceil(pairs / _MOST_PAIRS))
    return replace(data, units=tuple(data.units[column] for column in keep), codes=data.codes[:, keep])


def _pairs(ratings: Ratings) -> tuple[IntArray, IntArray]:
    """Positions of the two ratings of every pair within a unit."""
    found = [
        (at, at + lag)
        for lag in range(1, int(ratings.size.max(initial=0)))
        if len(at := np.flatnonzero(ratings.unit[lag:] == ratings.unit[:-lag]))
    ]
    if not found:
        empty = np.zeros(0, dtype=np.intp)
        return empty, empty
    first, second = (np.concatenate(part) for part in zip(*found, strict=True))
    return first, second


def _mean_of_pair(ratings: Ratings, first: IntArray, second: IntArray, g: FloatArray) -> FloatArray:
    """The mean of g over the items of the same two raters; over all items where some two have few in common.

    An interval over items takes the raters as given, so that what differs between raters is no part of it.
    """
    raters = int(ratings.rater.max()) + 1
    keys = ratings.rater[first] * raters + ratings.rater[second]  # the lower row comes first within a unit
    distinct, index, counts = np.unique(keys, return_inverse=True, return_counts=True)
    if counts.min() < _LEAST_PAIRED:
        size = ratings.size.astype(np.float64)[ratings.unit[first]]
        return np.full(len(g), float(np.average(g, weights=1 / (size * (size - 1)))))
    means: FloatArray = np.bincount(index, weights=g, minlength=len(distinct)) / counts
    return means[index]
