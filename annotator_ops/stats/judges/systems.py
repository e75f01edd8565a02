"""Layer 2. Do judges order whole systems as people do: correlations of the systems' means, and pairwise accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.correlations import COEFFICIENTS, LEAST_ITEMS, correlations
from annotator_ops.stats.judges.product_moments import ratio
from annotator_ops.stats.values import BoolArray, FloatArray, IntArray

LEAST_SYSTEMS = LEAST_ITEMS
_ACCURACY = "pairwise accuracy: share of pairs of systems in people's order, a tie of the judge's counts half"
_CELLS_AT_ONCE = 2_000_000
# An interval from fewer resamples than this share would be one of a selected part of them.
_LEAST_DEFINED = 0.5
_ROUNDING = 1e-12
# From so many items a pair of scores, drawing how often each pair comes is quicker than drawing items, and the same.
_ITEMS_A_PAIR = 18


def system_level(
    human: FloatArray,
    judge: FloatArray,
    systems: Sequence[str | None],
    *,
    resampling: Resampling | None = None,
    sources: Sequence[str | None] | None = None,
) -> JSONDict | Reason:
    """How a judge orders the systems that made the items, against people: correlations of the systems' mean scores.

    `human`, `judge`, `systems` and `sources` (which input each item was made from, where that is known) have shape
    items. Items without a system, or where one of the scores is NaN, do not count. Keys: n_systems, and as JSON of
    estimates spearman, kendall_tau_b, pearson and pairwise_accuracy, which is the share of pairs of systems that the
    judge orders as people do (Kocmi et al. 2021, WMT): pairs that tie in people's means are left out, and a tie of the
    judge's counts half. A Reason where there are fewer than three systems.

    The intervals resample both systems and items (Boot-Both of Deutsch, Dror and Roth 2021, TACL 9) and are the
    percentiles. Where every item has a source, the sources are drawn, the same for all systems; else the items of each
    system are. A system that is drawn twice counts as two that tie. Few systems make the intervals wide, and they are
    given all the same.
    """
    grid = _Grid.of(human, judge, systems, sources)
    n_systems = len(grid.names)
    if n_systems < LEAST_SYSTEMS:
        noun = "system has" if n_systems == 1 else "systems have"
        least = f"the order of systems needs at least {LEAST_SYSTEMS}"
        return Reason("too-few-systems", f"{n_systems} {noun} items with both scores; {least}.")
    means = grid.means()
    (found,) = correlations(means[0], means[1][None, :])
    n = len(grid.system)
    estimates = {
        name: replace(found[name], reason=_of_systems(found[name].reason), standard_error=None, n_items=n)
        for name in COEFFICIENTS
    }
    accuracy = float(_measured(means[0][None, :], means[1][None, :])["pairwise_accuracy"][0])
    if np.isnan(accuracy):
        reason = Reason("constant", "People's mean is the same for every system, so there is no order to compare.")
        estimates["pairwise_accuracy"] = Estimate(None, reason, n_items=n)
    else:
        estimates["pairwise_accuracy"] = Estimate(accuracy, method=_ACCURACY, n_items=n)
    if resampling is not None:
        drawn = grid.resampled(resampling)
        estimates = {
            name: _with_interval(estimate, drawn[name], n_systems, resampling) for name, estimate in estimates.items()
        }
    return {"n_systems": n_systems, **{name: estimate.as_json() for name, estimate in estimates.items()}}


def _of_systems(reason: Reason | None) -> Reason | None:
    if reason is None:
        return None
    return Reason(reason.code, "One of the two means is the same for every system, so there is no order to compare.")


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Items that count: both scores (2 × items), codes of their systems and, where all have one, of their sources."""

    scores: FloatArray
    names: tuple[str, ...]
    system: IntArray
    source: IntArray | None

    @classmethod
    def of(
        cls,
        human: FloatArray,
        judge: FloatArray,
        systems: Sequence[str | None],
        sources: Sequence[str | None] | None,
    ) -> _Grid:
        counted = [
            place
            for place, (system, missing) in enumerate(zip(systems, np.isnan(human + judge).tolist(), strict=True))
            if system is not None and not missing
        ]
        scores = np.stack([human, judge])[:, counted]
        names, system = np.unique([str(systems[place]) for place in counted], return_inverse=True)
        source = None
        if sources is not None and all(sources[place] is not None for place in counted):
            source = np.unique([str(sources[place]) for place in counted], return_inverse=True)[1].astype(np.intp)
        return cls(scores, tuple(names.tolist()), system.astype(np.intp), source)

    def means(self) -> FloatArray:
        """The mean score of every system, people's and the judge's: 2 × systems."""
        counts = np.bincount(self.system)
        return np.stack([np.bincount(self.system, weights=scores) / counts for scores in self.scores])

    def resampled(self, resampling: Resampling) -> dict[str, FloatArray]:
        """All measures in every resample of systems and items (resamples), NaN where they are undefined."""
        random = np.random.default_rng(resampling.seed)
        size, n_systems = resampling.resamples, len(self.names)
        drawn = random.integers(0, n_systems, size=(size, n_systems))
        means = self._of_items(random, size) if self.source is None else self._of_sources(random, size, self.source)
        means = np.take_along_axis(means, np.broadcast_to(drawn, means.shape), axis=2)
        step = max(1, _CELLS_AT_ONCE // n_systems**2)
        parts = [_measured(*means[:, start : start + step]) for start in range(0, size, step)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _of_items(self, random: np.random.Generator, size: int) -> FloatArray:
        """The systems' means in so many resamples of the items of each: 2 × resamples × systems."""
        means = np.empty((2, size, len(self.names)))
        for code in range(len(self.names)):
            own = self.scores[:, self.system == code]
            n_own = own.shape[1]
            pairs, times = np.unique(own, axis=1, return_counts=True)
            if len(times) * _ITEMS_A_PAIR < n_own:
                drawn = random.multinomial(n_own, times / n_own, size=size)
                means[:, :, code] = pairs @ drawn.T / n_own
                continue
            step = max(1, _CELLS_AT_ONCE // n_own)
            for start in range(0, size, step):
                rows = min(step, size - start)
                items = random.integers(0, n_own, size=(rows, n_own))
                means[:, start : start + rows, code] = own[:, items].mean(axis=2)
        return means

    def _of_sources(self, random: np.random.Generator, size: int, source: IntArray) -> FloatArray:
        """The same, of sources drawn for all systems at once; NaN where a system has none of those drawn."""
        shape = (int(source.max()) + 1, len(self.names))
        cell = source * shape[1] + self.system
        columns = [np.bincount(cell, weights=each, minlength=shape[0] * shape[1]) for each in (None, *self.scores)]
        counts, *sums = (column.reshape(shape).astype(np.float64) for column in columns)
        times = random.multinomial(shape[0], np.full(shape[0], 1 / shape[0]), size=size).astype(np.float64)
        given = times @ counts
        drawn = np.stack([times @ each for each in sums])
        means: FloatArray = np.divide(drawn, given, out=np.full(drawn.shape, np.nan), where=given > 0)
        return means


def _measured(people: FloatArray, judge: FloatArray) -> dict[str, FloatArray]:
    """All measures of each row of means (rows × systems), from the signs of all differences; NaN where undefined.

    Systems without a mean, NaN in either, do not count in that row.
    """
    known = ~np.isnan(people + judge)
    sides = [np.where(known, means, 0.0) for means in (people, judge)]
    pairs = known[:, :, None] & known[:, None, :]
    signs = [_signs(means) * pairs for means in sides]
    untied = [np.count_nonzero(each, axis=(1, 2)).astype(np.float64) for each in signs]
    concordant = (signs[0] * signs[1]).sum(axis=(1, 2), dtype=np.float64)
    # A system's sum of signs is twice its mid-rank minus the mean of them.
    ranks = [each.sum(axis=2, dtype=np.float64) for each in signs]
    n_known = np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = [np.where(known, means - means.sum(axis=1, keepdims=True) / n_known, 0.0) for means in sides]
    varies = (untied[0] > 0) & (untied[1] > 0)
    return {
        "spearman": _correlation(ranks[0], ranks[1], varies),
        "kendall_tau_b": ratio(concordant, untied[0], untied[1], varies),
        "pearson": _correlation(centred[0], centred[1], varies),
        "pairwise_accuracy": (1 + ratio(concordant, untied[0], untied[0], untied[0] > 0)) / 2,
    }


def _correlation(people: FloatArray, judge: FloatArray, defined: BoolArray) -> FloatArray:
    """Of two numbers that are centred in each row (rows × systems); rows."""
    return ratio((people * judge).sum(axis=1), (people**2).sum(axis=1), (judge**2).sum(axis=1), defined)


def _signs(means: FloatArray) -> npt.NDArray[np.int8]:
    """The sign of each difference of means, 0 where they differ by rounding only: rows × systems × systems."""
    scale = np.abs(means).max(axis=1, keepdims=True)
    rounded = np.round(means / np.where(scale > 0, scale, 1.0), 12)
    one, other = rounded[:, :, None], rounded[:, None, :]
    signs: npt.NDArray[np.int8] = (one > other).view(np.int8) - (one < other).view(np.int8)
    return signs


def _with_interval(estimate: Estimate, values: FloatArray, n_systems: int, resampling: Resampling) -> Estimate:
    """The estimate with the percentile interval of its values in the resamples."""
    if estimate.value is None:
        return estimate
    defined = values[~np.isnan(values)]
    left_out = len(values) - len(defined)
    if len(defined) < _LEAST_DEFINED * len(values):
        why = f"{left_out} of {len(values)} resamples have no variation"
        return replace(estimate, method=f"{estimate.method}; no interval: {why}")
    if np.ptp(defined) <= _ROUNDING:
        return replace(estimate, method=f"{estimate.method}; no interval: all resamples give the same value")
    tail = (1 - resampling.confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail]).tolist()
    how = f"percentile bootstrap over {n_systems} systems and their items, {len(values)} resamples"
    method = f"{estimate.method}; {how}, seed {resampling.seed}"
    if left_out:
        method += f", {left_out} without variation left out"
    return replace(estimate, low=low, high=high, confidence=resampling.confidence, method=method, seed=resampling.seed)
