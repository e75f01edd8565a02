"""Layer 2. Which of every two judges follows people better, for many pairs at the cost of a few."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
from scipy import sparse

from annotator_ops.measures import Estimate
from annotator_ops.stats.agreement.units import with_interval
from annotator_ops.stats.intervals import Resampling, Statistic, interval_from
from annotator_ops.stats.judges.correlations import NAMES, Correlated, too_few, varies
from annotator_ops.stats.judges.permutation import PERMUTATIONS, Difference, correlation_difference
from annotator_ops.stats.judges.product_moments import Coded, centred_ranks, ratio
from annotator_ops.stats.judges.scores import alike
from annotator_ops.stats.values import FloatArray

Pair = tuple[int, int]
# With more different scores of the two judges, a permutation's ranks are quicker sorted than counted.
_FEW_VALUES = 128
# Differences that are equal but for the order of additions count as equal.
_ROUNDING = 1e-12
_CELLS_AT_ONCE = 2_000_000
_SPEARMAN = "spearman"


def correlation_differences(
    human: FloatArray, judges: FloatArray, pairs: Sequence[Pair], *, resampling: Resampling
) -> Mapping[Pair, Difference]:
    """Spearman's rho of the first judge with people minus the second's, for pairs of rows of judges × items.

    What `correlation_difference` is for one pair, without a design: the same intervals, and the same test with other
    draws. Judges who scored the same items share the resamples and the coins that swap their scores.
    """
    scored = ~(np.isnan(human) | np.isnan(judges))
    found: dict[Pair, Difference] = {}
    for members in alike(scored):
        items = scored[members[0]]
        shared = [row for row in members if too_few(int(items.sum())) is None and varies(judges[row, items])]
        within = [pair for pair in pairs if set(pair) <= set(shared)]
        if within and varies(human[items]):
            contest = _Contest(human[items], {row: judges[row, items] for row in shared})
            found |= contest.differences(within, resampling)
    for pair in pairs:
        if pair not in found:
            one, other = judges[pair[0]], judges[pair[1]]
            found[pair] = correlation_difference(human, one, other, seed=resampling.seed, resampling=resampling)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Contest:
    """People's scores and those of some judges, by row, on the same items; none is missing or constant."""

    human: FloatArray
    judges: Mapping[int, FloatArray]

    def differences(self, pairs: Sequence[Pair], resampling: Resampling) -> dict[Pair, Difference]:
        estimates = self._estimates(pairs, resampling)
        standardised = {row: (scores - scores.mean()) / scores.std() for row, scores in self.judges.items()}
        swaps = {}
        for pair in pairs:
            swap = _Swap.of(self.human, standardised[pair[0]], standardised[pair[1]])
            if swap is not None:
                swaps[pair] = swap
        least = {pair: abs(estimates[pair].value or 0.0) - _ROUNDING for pair in swaps}
        far = dict.fromkeys(swaps, 0)
        random = np.random.default_rng(resampling.seed)
        step = max(1, _CELLS_AT_ONCE // len(self.human))
        for start in range(0, PERMUTATIONS if swaps else 0, step):
            size = (min(step, PERMUTATIONS - start), len(self.human))
            swapped = random.integers(0, 2, size=size, dtype=np.int8).astype(np.float64)
            for pair, swap in swaps.items():
                # A permutation without a difference, since nothing varies in it, counts against the difference.
                far[pair] += int((~(np.abs(swap.differences(swapped)) < least[pair])).sum())
        found = {}
        for pair in pairs:
            if pair in swaps:
                how = f"permutation test, standardised scores swapped (items), {PERMUTATIONS} permutations"
                p_value = (far[pair] + 1) / (PERMUTATIONS + 1)
                seed = resampling.seed
                found[pair] = Difference(estimates[pair], p_value, PERMUTATIONS, seed, f"{how}, seed {seed}")
            else:
                one, other = (self.judges[row] for row in pair)
                tested = correlation_difference(self.human, one, other, seed=resampling.seed)
                found[pair] = replace(tested, estimate=estimates[pair])
        return found

    def _estimates(self, pairs: Sequence[Pair], resampling: Resampling) -> dict[Pair, Estimate]:
        rows = list(self.judges)
        correlated = Correlated.of(self.human, list(self.judges.values()), [_SPEARMAN])
        single = {row: correlated.statistic(_SPEARMAN, column) for column, row in enumerate(rows)}
        draw = cache(correlated.resampled)
        found = {}
        for pair in pairs:
            one, other = single[pair[0]], single[pair[1]]
            columns = rows.index(pair[0]), rows.index(pair[1])
            statistic = Statistic(
                one.value - other.value,
                partial(_minus, one.of_weights, other.of_weights),
                one.multiplicity,
                None if one.influence is None or other.influence is None else one.influence - other.influence,
                greatest=2.0,
            )
            interval = interval_from(
                partial(_drawn, draw, resampling, columns), statistic, units=len(self.human), resampling=resampling
            )
            estimate = Estimate(
                statistic.value,
                method=f"difference of {NAMES[_SPEARMAN]}",
                standard_error=statistic.standard_error,
                n_items=len(self.human),
            )
            found[pair] = with_interval(estimate, interval)
        return found


def _drawn(draw: Callable[[Resampling], dict[str, FloatArray]], resampling: Resampling, columns: Pair) -> FloatArray:
    values = draw(resampling)[_SPEARMAN]
    return np.asarray(values[:, columns[0]] - values[:, columns[1]], dtype=np.float64)


def _minus(
    one: Callable[[FloatArray], FloatArray], other: Callable[[FloatArray], FloatArray], weights: FloatArray
) -> FloatArray:
    return np.asarray(one(weights) - other(weights), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Swap:
    """Two judges' standardised scores as values, ready to be swapped item by item.

    All are of shape values: `counts` how many items have each with the first judge, `counts_of_both` with either, and
    `ranks`, `ranks_of_both` the sums of people's centred mid-ranks over these items. `change` (items × 2 values) is
    what counts and ranks change by where an item is swapped. `spread` is the sum of squares of people's ranks.
    """

    counts: FloatArray
    ranks: FloatArray
    counts_of_both: FloatArray
    ranks_of_both: FloatArray
    change: sparse.csr_array
    spread: float

    @classmethod
    def of(cls, human: FloatArray, first: FloatArray, second: FloatArray) -> _Swap | None:
        """None where there are too many values."""
        pooled = Coded.of_scores(np.concatenate([first, second]))
        n_values = len(pooled.starts)
        if n_values > _FEW_VALUES:
            return None
        n = len(human)
        one, other = np.split(pooled.codes, 2)
        coded = Coded.of_scores(human)
        own = centred_ranks(coded.totals(np.ones((1, n))))[0][coded.codes]
        counts, counts_of_other = (np.bincount(codes, minlength=n_values).astype(np.float64) for codes in (one, other))
        ranks, ranks_of_other = (
            np.bincount(codes, weights=own, minlength=n_values).astype(np.float64) for codes in (one, other)
        )
        # Sparse, and not for its size: a product of whole matrices waits for threads that others use.
        places = np.stack([other, one, other + n_values, one + n_values], axis=1)
        signs = np.stack([np.ones(n), -np.ones(n), own, -own], axis=1)
        change = sparse.csr_array((signs.ravel(), places.ravel(), np.arange(0, 4 * n + 1, 4)), shape=(n, 2 * n_values))
        both = counts + counts_of_other, ranks + ranks_of_other
        return cls(counts, ranks, *both, change, float((own**2).sum()))

    def differences(self, swapped: FloatArray) -> FloatArray:
        """The difference of the two correlations where these items are swapped (rows × items); rows."""
        n_values = len(self.counts)
        moved: FloatArray = swapped @ self.change
        counts, ranks = self.counts + moved[:, :n_values], self.ranks + moved[:, n_values:]
        return self._rho(counts, ranks) - self._rho(self.counts_of_both - counts, self.ranks_of_both - ranks)

    def _rho(self, counts: FloatArray, ranks: FloatArray) -> FloatArray:
        own = centred_ranks(counts)
        spread = (counts * own**2).sum(axis=1)
        people = np.full(len(counts), self.spread)
        return ratio((own * ranks).sum(axis=1), people, spread, spread > 0.1)
