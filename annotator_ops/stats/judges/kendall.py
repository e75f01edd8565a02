"""Layer 2. Kendall's tau-b of one score with each of several: for all items at once, and in every resample of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotator_ops.stats.judges.product_moments import Coded, ratio
from annotator_ops.stats.values import FloatArray, IntArray

_BLOCK = 256


@dataclass(frozen=True, slots=True, eq=False)
class Kendall:
    """Tau-b (Kendall 1945) of one score with each of several on the same items.

    τb = S / √(B·C), S the sum over ordered pairs of items of the product of the signs of their two differences, B and C
    how many ordered pairs differ in the first score and in the other.
    """

    first: Coded
    others: Sequence[Coded]

    def of_weights(self, weights: FloatArray) -> FloatArray:
        """Tau-b for weights that are whole numbers (rows × items): rows × others, NaN where a score does not vary.

        S is a quadratic form of the weights; in single precision it is exact up to 2²⁴ items.
        """
        totals = self.first.totals(weights)
        found = np.empty((len(weights), len(self.others)))
        for column, other in enumerate(self.others):
            # Patterns of both codes in ascending order, so that those with a smaller first code come first.
            keys = self.first.codes * len(other.starts) + other.codes
            distinct, pattern = np.unique(keys, return_inverse=True)
            first, second = np.divmod(distinct, len(other.starts))
            drawn = Coded.of(pattern.astype(np.intp)).totals(weights)
            found[:, column] = _tau(_concordant(first, second, drawn), totals, other.totals(weights))
        return found

    def influence(self, column: int) -> FloatArray:
        """What tau with that one of the others changes by for an item more, times the number of items (items).

        The quotient's derivative by an item's weight: 2s/√(BC) − τ·((n − t)/B + (n − u)/C), s the item's part of S, and
        t and u how many items have its first and its other score.
        """
        other = self.others[column]
        n = len(other.codes)
        part = net_concordance(self.first.codes, other.codes)
        ones = np.ones((1, n))
        totals, own = self.first.totals(ones)[0], other.totals(ones)[0]
        pairs, own_pairs = n**2 - float((totals**2).sum()), n**2 - float((own**2).sum())
        value = float(_tau(np.array([part.sum()]), totals[None, :], own[None, :])[0])
        change = 2 * part / np.sqrt(pairs * own_pairs)
        change -= value * ((n - totals[self.first.codes]) / pairs + (n - own[other.codes]) / own_pairs)
        influence: FloatArray = n * change
        return influence

    def value(self, column: int) -> float:
        """Tau-b with that one of the others, each item once, in O(n log n)."""
        other = self.others[column]
        ones = np.ones((1, len(other.codes)))
        concordant = net_concordance(self.first.codes, other.codes).sum()
        return float(_tau(np.array([concordant]), self.first.totals(ones), other.totals(ones))[0])


def net_concordance(first: IntArray, second: IntArray) -> FloatArray:
    """For each item with how many others it is in the same order in both codes, minus in opposite order (items).

    It is 4H − 2F − 2G + n with H, F and G the joint and the two single distribution functions at the item, in which
    what is equal in one code counts half (Genest, Nešlehová and Ben Ghorbal 2011, for τ with ties).
    """
    n = len(first)
    # Within a first code the greater second come first, so that none of them is both earlier and smaller.
    order = np.lexsort((-second, first))
    joint = np.empty(n)
    joint[order] = 4 * _earlier_and_smaller(second[order])
    joint += 2 * _smaller_within(first, second) + 2 * _smaller_within(second, first)
    both = np.unique(first * (int(second.max()) + 1) + second, return_inverse=True, return_counts=True)
    joint += both[2][both[1]]
    for codes in (first, second):
        counts = np.bincount(codes)
        joint -= (2 * np.cumsum(counts) - counts)[codes]
    net: FloatArray = joint + n
    return net


def _smaller_within(groups: IntArray, codes: IntArray) -> FloatArray:
    """How many items of the same group have a smaller code, for each item."""
    order = np.lexsort((codes, groups))
    place = np.arange(len(codes))
    new_group = np.diff(groups[order], prepend=-1) != 0
    new_code = new_group | (np.diff(codes[order], prepend=-1) != 0)
    smaller = np.empty(len(codes))
    smaller[order] = np.maximum.accumulate(np.where(new_code, place, 0)) - np.maximum.accumulate(
        np.where(new_group, place, 0)
    )
    return smaller


def _earlier_and_smaller(codes: IntArray) -> FloatArray:
    """How many earlier items have a smaller code, for each item: a merge sort, all merges of one length at once."""
    n = len(codes)
    place = np.arange(n)
    found = np.zeros(n)
    # Positions by code, in blocks of `size` positions; among equal codes the later position first: it counts nobody.
    order = np.lexsort((-place, codes))
    size = 1 << max(n - 1, 1).bit_length()
    while size > 1:
        half = size // 2
        left = (order & half) == 0
        running = np.append(0, np.cumsum(left))
        right = ~left
        found[order[right]] += (running[1:] - running[place // size * size])[right]
        order = order[np.argsort(order // half, kind="stable")]
        size = half
    return found


def _concordant(first: IntArray, second: IntArray, weights: FloatArray) -> FloatArray:
    """S of patterns sorted by their first code, for each row of weights (rows × patterns): w'·signs·w."""
    first, second = first.astype(np.int32), second.astype(np.int32)
    drawn = weights.astype(np.float32)
    total = np.zeros(len(weights))
    for start in range(0, len(first), _BLOCK):
        rows, columns = slice(start, start + _BLOCK), slice(start, None)
        later = first[rows, None] < first[None, columns]
        rises = (second[rows, None] < second[None, columns]).view(np.int8)
        falls = (second[rows, None] > second[None, columns]).view(np.int8)
        signs = (rises - falls) * later
        total += np.einsum("rb,rb->r", drawn[:, columns] @ signs.astype(np.float32).T, drawn[:, rows], dtype=np.float64)
    return 2 * total


def _tau(concordant: FloatArray, totals: FloatArray, own: FloatArray) -> FloatArray:
    """Tau-b from S and the weights of both scores' values (rows × codes); NaN where one of them does not vary."""
    squared = totals.sum(axis=1) ** 2
    pairs, own_pairs = (squared - np.einsum("rc,rc->r", each, each) for each in (totals, own))
    # Two values share at least 2(n − 1) ordered pairs.
    defined = np.minimum(pairs, own_pairs) > 0.5
    return ratio(concordant, pairs, own_pairs, defined)
