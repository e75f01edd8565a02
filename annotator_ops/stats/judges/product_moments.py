"""Layer 2. Spearman's and Pearson's correlation of one score with each of several, for items that can be weighed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from annotator_ops.stats.intervals import MANY_UNITS
from annotator_ops.stats.values import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:  # a tenth of a second to import, and only correlations need it
    from scipy import sparse

# Up to so many values a matrix product adds the weights up faster than gathering and summing them does.
_FEW_VALUES = 64
# A resample's variance below this share of its mean square has lost four of its sixteen digits to cancellation.
_CANCELLED = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """One score of each item as dense ranks from 0, and what adds weights of items up by them.

    `order` (items) sorts the items by code, `starts` (codes) is where each code begins in it. `indicator` (items ×
    codes) is 1 where an item has a code; None where there are too many codes or items for it.
    """

    codes: IntArray
    order: IntArray
    starts: IntArray
    indicator: sparse.csr_array | None

    @classmethod
    def of(cls, codes: IntArray) -> Coded:
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        few = len(starts) <= _FEW_VALUES and len(codes) <= MANY_UNITS
        return cls(codes, order, starts, _indicator(codes, len(starts)) if few else None)

    @classmethod
    def of_scores(cls, scores: FloatArray) -> Coded:
        """Means that differ only by the order of their additions are the same mean: a tie."""
        scale = float(np.abs(scores).max()) or 1.0
        return cls.of(np.unique(np.round(scores / scale, 12), return_inverse=True)[1].astype(np.intp))

    @property
    def constant(self) -> bool:
        return len(self.starts) == 1

    def totals(self, weights: FloatArray) -> FloatArray:
        """Weights of items (rows × items) added up by code: rows × codes."""
        if len(weights) == 1:
            return np.bincount(self.codes, weights=weights[0], minlength=len(self.starts)).astype(np.float64)[None, :]
        if self.indicator is not None:
            added: FloatArray = weights @ self.indicator
            return added
        sorted_weights = np.take(weights, self.order, axis=1)
        if len(self.starts) == len(self.codes):
            return sorted_weights
        return np.add.reduceat(sorted_weights, self.starts, axis=1)


def centred_ranks(totals: FloatArray) -> FloatArray:
    """The mid-ranks of codes of so much weight (rows × codes) minus their mean."""
    ranks = np.cumsum(totals, axis=1)
    whole = ranks[:, -1:] / 2
    ranks -= totals / 2
    ranks -= whole
    return ranks


@dataclass(frozen=True, slots=True, eq=False)
class Spearman:
    """Pearson's r of the mid-ranks (Spearman 1904) of one score with each of several on the same items."""

    first: Coded
    others: Sequence[Coded]

    def of_weights(self, weights: FloatArray) -> FloatArray:
        """Rho for weights that are whole numbers (rows × items): rows × others, NaN where a score does not vary.

        Items are ranked anew in every row. The ranks' variance is (n³ − Σt³)/12 with t the weight of each value
        (Kendall 1945).
        """
        n = weights.sum(axis=1)
        totals = self.first.totals(weights)
        spread = n**3 - _cubed(totals)
        products = np.take(centred_ranks(totals), self.first.codes, axis=1)
        products *= weights
        found = np.empty((len(weights), len(self.others)))
        for column, other in enumerate(self.others):
            own = other.totals(weights)
            covariance = _dots(centred_ranks(own), other.totals(products))
            spreads = spread, n**3 - _cubed(own)
            # Items that are not all the same have a spread of at least 3n(n − 1).
            defined = np.minimum(*spreads) > n**2
            found[:, column] = ratio(12 * covariance, spreads[0], spreads[1], defined)
        return found

    def value(self, column: int) -> float:
        """Rho with that one of the others, each item once."""
        ones = np.ones((1, len(self.first.codes)))
        return float(Spearman(self.first, [self.others[column]]).of_weights(ones)[0, 0])

    def influence(self, column: int) -> FloatArray:
        """What rho with that one of the others changes by for an item more, times the number of items (items).

        An item more counts with its own ranks, and moves those of all others.
        """
        sides = self.first, self.others[column]
        ones = np.ones((1, len(self.first.codes)))
        first, second = (centred_ranks(side.totals(ones))[0][side.codes] for side in sides)
        variances = float((first * first).sum()), float((second * second).sum())
        scale = math.sqrt(variances[0] * variances[1])
        value = float((first * second).sum()) / scale
        products = first * second + _moved(sides[0].codes, second) + _moved(sides[1].codes, first)
        squares = [
            (ranks**2 + 2 * _moved(side.codes, ranks)) / variance
            for side, ranks, variance in zip(sides, (first, second), variances, strict=True)
        ]
        influence: FloatArray = len(first) * (products / scale - value / 2 * (squares[0] + squares[1]))
        return influence


@dataclass(frozen=True, slots=True, eq=False)
class Pearson:
    """The product-moment correlation (Pearson 1896) of one score with each of several on the same items."""

    first: FloatArray  # items; centred, its greatest size 1
    others: FloatArray  # others × items; each the same
    first_codes: IntArray
    other_codes: Sequence[IntArray]

    @classmethod
    def of(cls, first: tuple[FloatArray, Coded], others: Sequence[tuple[FloatArray, Coded]]) -> Pearson:
        """Scores of shape items, and the same coded; at least one of the others."""
        scaled = np.array([_scaled(scores) for scores, _ in others])
        return cls(_scaled(first[0]), scaled, first[1].codes, [coded.codes for _, coded in others])

    def of_weights(self, weights: FloatArray) -> FloatArray:
        """R for weights of items (rows × items): rows × others, NaN where a score does not vary."""
        n = weights.sum(axis=1)[:, None]
        x, y = self.first, self.others
        mean_x, square_x = (weights @ np.column_stack([x, x**2]) / n).T[:, :, None]
        moments = weights @ np.concatenate([y, y**2, y * x]).T / n
        mean_y, square_y, product = np.split(moments, 3, axis=1)
        variances = square_x - mean_x**2, square_y - mean_y**2
        unsure = (variances[0] <= _CANCELLED * square_x) | (variances[1] <= _CANCELLED * square_y)
        found = ratio(product - mean_x * mean_y, variances[0], variances[1], ~unsure)
        for column in np.flatnonzero(unsure.any(axis=0)):
            rows = unsure[:, column]
            found[rows, column] = self._in_two_passes(weights[rows], int(column))
        return found

    def value(self, column: int) -> float:
        """R with that one of the others, each item once."""
        ones = np.ones((1, len(self.first)))
        return float(self._in_two_passes(ones, column)[0])

    def influence(self, column: int) -> FloatArray:
        """Of r with that one of the others, zx·zy − r/2·(zx² + zy²) of the standardised scores (items; Hampel 1974)."""
        x, y = self.first / np.std(self.first), self.others[column] / np.std(self.others[column])
        value = self.value(column)
        influence: FloatArray = x * y - value / 2 * (x**2 + y**2)
        return influence

    def _in_two_passes(self, weights: FloatArray, column: int) -> FloatArray:
        """The same for rows with hardly any variation, or none: first the means, then what differs from them."""
        n = weights.sum(axis=1)[:, None]
        x, y = (values - (weights @ values)[:, None] / n for values in (self.first, self.others[column]))
        drawn = weights > 0
        varies = _varies(self.first_codes, drawn) & _varies(self.other_codes[column], drawn)
        return ratio(_dots(weights * x, y), _dots(weights * x, x), _dots(weights * y, y), varies)


def _scaled(scores: FloatArray) -> FloatArray:
    centred = scores - scores.mean()
    scaled: FloatArray = centred / (float(np.abs(centred).max()) or 1.0)
    # The mean of large numbers is rounded, and that of small ones is not.
    scaled -= scaled.mean()
    return scaled


def _varies(codes: IntArray, drawn: BoolArray) -> BoolArray:
    """Whether the items drawn (rows × items) have more than one code; rows."""
    most = int(codes.max()) + 1
    varies: BoolArray = np.where(drawn, codes, -1).max(axis=1) > np.where(drawn, codes, most).min(axis=1)
    return varies


def _moved(codes: IntArray, by_rank: FloatArray) -> FloatArray:
    """What an item more of each code changes through the mid-ranks of all, where they change it by `by_rank` each."""
    totals = np.bincount(codes, weights=by_rank)
    whole = totals.sum()
    above: FloatArray = whole - np.cumsum(totals) + totals / 2 - whole / 2
    moved: FloatArray = above[codes]
    return moved


def _dots(one: FloatArray, other: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("rc,rc->r", one, other), dtype=np.float64)


def _cubed(totals: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("rc,rc,rc->r", totals, totals, totals), dtype=np.float64)


def ratio(product: FloatArray, one: FloatArray, other: FloatArray, defined: BoolArray) -> FloatArray:
    """Product / √(one · other), within −1 and 1, where it is defined, else NaN."""
    found = np.full(product.shape, np.nan)
    divisor = np.sqrt(np.where(defined, one, 1.0)) * np.sqrt(np.where(defined, other, 1.0))
    np.divide(product, divisor, out=found, where=defined)
    clipped: FloatArray = np.clip(found, -1.0, 1.0)
    return clipped


def _indicator(codes: IntArray, size: int) -> sparse.csr_array:
    from scipy import sparse

    return sparse.csr_array((np.ones(len(codes)), codes, np.arange(len(codes) + 1)), shape=(len(codes), size))
