"""Layer 2. Groups of annotators compared: each group's agreement with itself, and the groups' means with each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.correlation import spearman
from annotator_ops.stats.differences import alpha_difference
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, FloatArray


def group_entries(
    data: ReliabilityData, groups: Mapping[str, Sequence[str]], resampling: Resampling
) -> tuple[list[JSONDict], list[JSONDict]]:
    """Each group's alpha, and for every two groups how they differ; both empty where there are not two groups.

    A comparison has the difference of the two alphas on the items of both, and from ordinal level on Spearman's rho
    between the two groups' means per item with the highest that it could be. Agreement within a group says nothing of
    whether it is right: two groups can each agree and rank the items differently.
    """
    found = {name: _members(data, raters) for name, raters in groups.items()}
    members = {name: own for name, own in found.items() if own is not None}
    if len(members) < 2:
        return [], []
    alphas = {name: krippendorff_alpha(own, resampling=resampling) for name, own in members.items()}
    entries: list[JSONDict] = [
        {"name": name, "raters": list(own.raters), "krippendorff_alpha": alphas[name].as_json()}
        for name, own in members.items()
    ]
    comparisons: list[JSONDict] = []
    for (first, one), (second, other) in combinations(members.items(), 2):
        comparison: JSONDict = {
            "groups": [first, second],
            "alpha_difference": alpha_difference(one, other, resampling=resampling).as_json(),
            "spearman": None,
            "ceiling": None,
        }
        if data.level not in (Level.NOMINAL, Level.CIRCULAR):
            n_raters = len(one.raters) + len(other.raters)
            rho = spearman(_means(one), _means(other), n_raters=n_raters, resampling=resampling)
            comparison["spearman"] = rho.as_json()
            comparison["ceiling"] = correlation_ceiling(
                alphas[first], alphas[second], ratings=ratings_an_item(one, other)
            ).as_json()
        comparisons.append(comparison)
    return entries, comparisons


def correlation_ceiling(first: Estimate, second: Estimate, *, ratings: tuple[float, float]) -> Estimate:
    """The highest correlation that two groups' means can have, given how far each group agrees with itself.

    `ratings` is how many ratings an item's mean is of in each group (see `ratings_an_item`). The reliability of a mean
    of k is kα / (1 + (k − 1)α) (Spearman 1910; Brown 1910), and two measures of the same thing correlate no higher than
    the root of the product of their reliabilities (Spearman 1904).
    """
    reliabilities = []
    for alpha, k in zip((first, second), ratings, strict=True):
        if alpha.value is None or alpha.value <= 0:
            reason = alpha.reason or Reason("no-agreement", "A group that does not agree with itself has no ceiling.")
            return Estimate(value=None, reason=reason)
        reliabilities.append(k * alpha.value / (1 + (k - 1) * alpha.value))
    n_raters = first.n_raters + second.n_raters
    method = "root of the product of the means' reliabilities by Spearman and Brown's formula"
    return Estimate(value=math.sqrt(math.prod(reliabilities)), method=method, n_raters=n_raters)


def ratings_an_item(one: ReliabilityData, other: ReliabilityData) -> tuple[float, float]:
    """The harmonic mean of each group's ratings an item, over the items that both rated: what its means rest on."""
    counts = np.array([(data.codes != MISSING).sum(axis=0) for data in (one, other)], dtype=np.float64)
    both = (counts > 0).all(axis=0)
    if not both.any():
        return 1.0, 1.0
    first, second = (float(both.sum() / (1 / own[both]).sum()) for own in counts)
    return first, second


def _members(data: ReliabilityData, raters: Sequence[str]) -> ReliabilityData | None:
    rows = [row for row, rater in enumerate(data.raters) if rater in set(raters)]
    if not rows:
        return None
    return replace(data, raters=tuple(data.raters[row] for row in rows), codes=data.codes[rows])


def _means(data: ReliabilityData) -> FloatArray:
    given = data.codes != MISSING
    counts = given.sum(axis=0)
    sums = np.where(given, data.values, 0.0).sum(axis=0)
    means: FloatArray = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return means
