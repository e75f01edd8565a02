"""Layer 2. Each system's mean on every criterion, and how these means vary together: of people, judges, and both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotator_ops.stats.judges.prediction_powered import LEAST_LABELLED, LEAST_UNLABELLED
from annotator_ops.stats.values import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """The means of systems on criteria, NaN where there is none, and what each item adds to their errors.

    `means` and `counts` (of items that people or judges scored; of the combined means, that people did) have the shape
    systems × criteria, and so have `drawn`, how many items, or sources of items, were drawn at random, and `known`:
    whether the variance of the mean is, from two of those on. `influence` is criteria × items: the covariance of two
    means is the sum of products over what was drawn, the items, or the sources (`unit`, codes of items) that several
    items share. `system` is the code of each item's.
    """

    means: FloatArray
    counts: IntArray
    known: BoolArray
    influence: FloatArray
    system: IntArray
    unit: IntArray | None
    drawn: IntArray

    def covariance(self, one: int, other: int) -> FloatArray:
        """Of the means of one system with those of another, or its own: criteria × criteria, NaN unknown."""
        if self.unit is None and one != other:
            found: FloatArray = np.zeros((len(self.influence), len(self.influence)))
        else:
            first, second = (self._of_units(place) for place in (one, other))
            found = first @ second.T
        found[~self.known[one]] = np.nan
        found[:, ~self.known[other]] = np.nan
        return found

    def weighted(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The weighted means (systems) and their covariance (systems × systems); weights of 0 ask for no mean."""
        used = weights > 0
        n_systems = len(self.means)
        parts = weights[used] @ self.influence[used]
        if self.unit is None:
            covariance: FloatArray = np.diag(np.bincount(self.system, weights=parts**2, minlength=n_systems))
        else:
            of_units = _summed(parts, self.system, self.unit, n_systems)
            covariance = of_units @ of_units.T
        unknown = ~self.known[:, used].all(axis=1)
        covariance[unknown] = np.nan
        covariance[:, unknown] = np.nan
        return self.means[:, used] @ weights[used], covariance

    def _of_units(self, place: int) -> FloatArray:
        """The influences on one system's means: criteria × units, or × its items where each is its own."""
        own = self.system == place
        influence = self.influence[:, own]
        if self.unit is None:
            return influence
        size = int(self.unit.max()) + 1
        return np.stack([np.bincount(self.unit[own], weights=row, minlength=size) for row in influence])


def means_of(scores: FloatArray, system: IntArray, unit: IntArray | None = None) -> Means:
    """Plain means. `scores` is criteria × items, NaN where there is none; `system` and `unit` are codes of the items.

    The influence of an item is its distance from the mean over the number of items, times √(n/(n − 1)) with n items, or
    n sources where several items have one, for the usual variance of a mean of what was drawn. Every criterion has its
    own items: none is left out because it lacks another criterion.
    """
    n_systems = int(system.max()) + 1
    means, counts = _means(scores, system, n_systems)
    drawn = counts if unit is None else _sources(scores, system, unit, n_systems)
    own, n = counts.T[:, system], drawn.T[:, system]
    apart = np.where(np.isnan(scores), 0.0, scores - means.T[:, system])
    scaled = np.sqrt(n / np.maximum(n - 1, 1)) / np.maximum(own, 1)
    influence: FloatArray = np.where(n > 1, apart * scaled, 0.0)
    return Means(means, counts, drawn > 1, influence, system, unit, drawn)


def combined_means(
    human: FloatArray, judge: FloatArray, system: IntArray, unit: IntArray | None = None
) -> tuple[Means, FloatArray]:
    """Prediction-powered means (see `prediction_powered_mean`), and λ of systems × criteria.

    `human` and `judge` are criteria × items. What λ needs, the covariance of people's and judges' scores and the
    judges' variance, is pooled over systems, within each: a system's few labels alone would tell it badly, and any λ is
    right. It is 0, which is people's mean alone, in a system without two items that only judges scored.

    Items without a judge's score (refused, say) are of the mean, too: the judges' mean in their system stands for it.
    """
    n_systems = int(system.max()) + 1
    scored, labelled = ~np.isnan(judge), ~np.isnan(human)
    others = ~labelled
    usual, _ = _means(judge, system, n_systems)
    judge = np.where(scored, judge, np.nan_to_num(usual).T[:, system])
    n, size, judged = (_counted(part, system, n_systems) for part in (labelled, others, others & scored))
    slope = _pooled_slope(human, judge, system, labelled)
    able = (judged >= LEAST_UNLABELLED) & (n >= LEAST_LABELLED)
    ratio = np.divide(n, size, out=np.zeros(n.shape), where=size > 0)
    tuning = np.where(able, np.clip(slope / (1 + ratio), 0.0, 1.0), 0.0)
    by_item = tuning.T[:, system]
    rectified = human - by_item * judge
    # What only judges scored; where λ is 0 nothing of it counts.
    predicted = np.where(others, by_item * judge, np.nan)
    of_people, of_judges = (means_of(part, system, unit) for part in (rectified, predicted))
    means = of_people.means + np.where(able, of_judges.means, 0.0)
    influence = of_people.influence + of_judges.influence
    return Means(means, of_people.counts, of_people.known, influence, system, unit, of_people.drawn), tuning


def coded(names: Sequence[str]) -> tuple[list[str], IntArray]:
    """The distinct names in order, and the code of each."""
    distinct, codes = np.unique(list(names), return_inverse=True)
    return [str(name) for name in distinct], codes.astype(np.intp)


def _means(scores: FloatArray, system: IntArray, n_systems: int) -> tuple[FloatArray, IntArray]:
    known = ~np.isnan(scores)
    counts = _counted(known, system, n_systems)
    filled = np.where(known, scores, 0.0)
    sums = np.stack([np.bincount(system, weights=row, minlength=n_systems) for row in filled], axis=1)
    means: FloatArray = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means, counts


def _sources(scores: FloatArray, system: IntArray, unit: IntArray, n_systems: int) -> IntArray:
    """From how many sources the scored items of each system are: systems × criteria."""
    found = []
    for row in scores:
        known = ~np.isnan(row)
        pairs = np.unique(system[known] * (int(unit.max()) + 1) + unit[known]) // (int(unit.max()) + 1)
        found.append(np.bincount(pairs, minlength=n_systems))
    return np.stack(found, axis=1).astype(np.intp)


def _counted(known: BoolArray, system: IntArray, n_systems: int) -> IntArray:
    """Of criteria × items, how many are known: systems × criteria."""
    return np.stack([np.bincount(system[row], minlength=n_systems) for row in known], axis=1).astype(np.intp)


def _pooled_slope(human: FloatArray, judge: FloatArray, system: IntArray, labelled: BoolArray) -> FloatArray:
    """cov(people, judges) / var(judges), both within systems; criteria. 0 where judges vary within no system."""
    n_systems = int(system.max()) + 1
    people, judges = (np.where(labelled, part, np.nan) for part in (human, judge))
    apart = []
    for part in (people, judges, judge):
        means, _ = _means(part, system, n_systems)
        apart.append(np.nan_to_num(part - means.T[:, system]))
    n = np.maximum(labelled.sum(axis=1), 1)
    scored = ~np.isnan(judge)
    freedom = np.maximum(scored.sum(axis=1) - (_counted(scored, system, n_systems) > 0).sum(axis=0), 1)
    together, spread = (apart[0] * apart[1]).sum(axis=1) / n, (apart[2] ** 2).sum(axis=1) / freedom
    largest = np.abs(np.nan_to_num(judge)).max(axis=1, initial=0.0)
    slope: FloatArray = np.divide(together, spread, out=np.zeros(len(spread)), where=spread > (1e-12 * largest) ** 2)
    return slope


def _summed(parts: FloatArray, system: IntArray, unit: IntArray, n_systems: int) -> FloatArray:
    """Influences of items summed by system and unit: systems × units."""
    shape = (n_systems, int(unit.max()) + 1)
    summed = np.bincount(system * shape[1] + unit, weights=parts, minlength=shape[0] * shape[1])
    return np.asarray(summed, dtype=np.float64).reshape(shape)
