"""Layer 2. How much better one judge correlates with people than another, with a permutation test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotator_ops.measures import Estimate
from annotator_ops.models import JSONDict
from annotator_ops.stats.agreement.units import with_interval
from annotator_ops.stats.intervals import Resampling, Statistic, interval_of
from annotator_ops.stats.judges.correlations import NAMES, Correlated, constant, settled, too_few, varies
from annotator_ops.stats.values import BoolArray, FloatArray, IntArray

PERMUTATIONS = 1000
# Differences that are equal but for the order of additions count as equal.
_ROUNDING = 1e-12
_CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Design:
    """Which system made each item, and from which input (source); None where an item has none. Both of shape items."""

    systems: Sequence[str | None]
    sources: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first judge's correlation minus the second's; `method` says in words how the p-value was made.

    `p_value` is None where the difference has no value.
    """

    estimate: Estimate
    p_value: float | None = None
    permutations: int = 0
    seed: int | None = None
    method: str = ""

    def as_json(self) -> JSONDict:
        return {
            "difference": self.estimate.as_json(),
            "p_value": self.p_value,
            "permutations": self.permutations,
            "seed": self.seed,
            "method": self.method,
        }


def correlation_difference(
    human: FloatArray,
    first: FloatArray,
    second: FloatArray,
    *,
    seed: int,
    permutations: int = PERMUTATIONS,
    resampling: Resampling | None = None,
    design: Design | None = None,
    coefficient: str = "spearman",
) -> Difference:
    """The first judge's correlation with people minus the second's: interval over items, two-sided p by permutation.

    All scores have shape items; items where one of the three is NaN do not count. The interval is that of the paired
    difference: both correlations in the same resamples of items, the ones that `correlations` draws.

    The test is that of Deutsch, Dror and Roth 2021 (TACL 9, "A statistical analysis of summarization evaluation
    metrics using resampling methods"). If the judges are equally good, it does not matter which of them gave a score:
    each judge's scores are standardised (minus their mean, by their standard deviation), since their scales may differ,
    and swapped between the two by the toss of a coin. Where a design is given it is their PERM-BOTH: all scores of a
    system are swapped or not, then all those of an input, so that a score swapped twice is where it was. Items without
    a system or a source, and all items without a design, are swapped each by itself. p is (c + 1) / (T + 1) with
    c of T permutations in which the difference is at least as far from 0 as it is.
    """
    scored = ~(np.isnan(human) | np.isnan(first) | np.isnan(second))
    people, one, other = human[scored], first[scored], second[scored]
    n = len(people)
    reason = too_few(n)
    if reason is None and not (varies(people) and varies(one) and varies(other)):
        reason = constant(coefficient)
    if reason is not None:
        return Difference(Estimate(None, reason, n_items=n))
    estimate = _difference(Correlated.of(people, [one, other], [coefficient]), coefficient, resampling)
    if permutations < 1:
        return Difference(estimate)
    # Both judges' scores are rows of one table, in which a permutation weighs the one or the other of each item.
    pooled = Correlated.of(
        np.tile(people, 2), [np.concatenate([_standardised(one), _standardised(other)])], [coefficient]
    )
    coins = _Coins.of(design, scored)
    random = np.random.default_rng(seed)
    least = abs(estimate.value or 0.0) - _ROUNDING
    far, step = 0, max(1, _CELLS_AT_ONCE // (2 * n))
    for start in range(0, permutations, step):
        swapped = coins.toss(random, min(step, permutations - start)).astype(np.float64)
        kept = 1 - swapped
        sides = [
            pooled.of_weights(np.concatenate(weights, axis=1), coefficient)[:, 0]
            for weights in ((kept, swapped), (swapped, kept))
        ]
        # A permutation without a difference, since nothing varies in it, counts against the difference.
        far += int((~(np.abs(sides[0] - sides[1]) < least)).sum())
    how = "PERM-BOTH: systems, then inputs" if design is not None else "items"
    return Difference(
        estimate,
        p_value=(far + 1) / (permutations + 1),
        permutations=permutations,
        seed=seed,
        method=f"permutation test, standardised scores swapped ({how}), {permutations} permutations, seed {seed}",
    )


def _difference(correlated: Correlated, coefficient: str, resampling: Resampling | None) -> Estimate:
    one, other = (correlated.statistic(coefficient, column) for column in (0, 1))
    if one.influence is None or other.influence is None:
        raise ValueError(f"{coefficient} has no influences")

    value = one.value - other.value

    def of_weights(weights: FloatArray) -> FloatArray:
        both = correlated.of_weights(weights, coefficient)
        return settled(both[:, 0] - both[:, 1], value)

    influence = one.influence - other.influence
    statistic = Statistic(value, of_weights, one.multiplicity, influence, greatest=2.0)
    estimate = Estimate(
        statistic.value,
        method=f"difference of {NAMES[coefficient]}",
        standard_error=statistic.standard_error,
        n_items=correlated.n_items,
    )
    return estimate if resampling is None else with_interval(estimate, interval_of(statistic, resampling=resampling))


@dataclass(frozen=True, slots=True, eq=False)
class _Coins:
    """Which items are swapped together: codes (items) of their system and source, and of those that are by themselves.

    Items by themselves have system and source 0, which are never swapped, and `alone` 1 and up; all others have 0.
    """

    system: IntArray
    source: IntArray
    alone: IntArray

    @classmethod
    def of(cls, design: Design | None, scored: BoolArray) -> _Coins:
        n = int(scored.sum())
        if design is None:
            return cls(np.zeros(n, dtype=np.intp), np.zeros(n, dtype=np.intp), np.arange(1, n + 1))
        named = [
            (system, source)
            for system, source, counts in zip(design.systems, design.sources, scored.tolist(), strict=True)
            if counts
        ]
        whole = np.array([system is not None and source is not None for system, source in named], dtype=np.bool_)
        codes = []
        for side in (0, 1):
            numbers = {name: code for code, name in enumerate(sorted({str(pair[side]) for pair in named}), start=1)}
            codes.append(np.where(whole, [numbers[str(pair[side])] for pair in named], 0))
        return cls(codes[0], codes[1], np.where(whole, 0, np.cumsum(~whole)))

    def toss(self, random: np.random.Generator, permutations: int) -> BoolArray:
        """Whether each item is swapped, in so many permutations: permutations × items."""
        swapped = np.zeros((permutations, len(self.system)), dtype=np.bool_)
        for codes in (self.system, self.source, self.alone):
            heads = random.integers(0, 2, size=(permutations, int(codes.max()) + 1), dtype=np.int8).astype(np.bool_)
            heads[:, 0] = False
            swapped ^= heads[:, codes]
        return swapped


def _standardised(scores: FloatArray) -> FloatArray:
    standardised: FloatArray = (scores - scores.mean()) / scores.std()
    return standardised
