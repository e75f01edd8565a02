"""Layer 2. How Spearman's rho of judges with people grows with the number of annotators that are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from annotator_ops.models import JSONDict
from annotator_ops.stats.judges.correlations import LEAST_ITEMS
from annotator_ops.stats.judges.product_moments import Coded, centred_ranks
from annotator_ops.stats.judges.scores import MOST_ANNOTATORS, Scores, alike, divided
from annotator_ops.stats.values import BoolArray, FloatArray

# Of more subsets than this, so many are drawn at random.
MOST_SUBSETS = 200
# Up to so many annotators every number of them is looked at; of more only these shares of the way, by size.
_EVERY_SIZE = 20
_SIZES = 12
# Scores on a common scale of 1 are ties where they differ by rounding only.
_DIGITS = 12
_CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """Rho with the mean of `k` annotators: its mean, lowest and highest over `n_subsets` of the annotators.

    All three are None where no subset has items enough that all of it rated.
    """

    k: int
    spearman: float | None
    low: float | None
    high: float | None
    n_subsets: int

    def as_json(self) -> JSONDict:
        return {
            "k": self.k,
            "spearman": self.spearman,
            "low": self.low,
            "high": self.high,
            "n_subsets": self.n_subsets,
        }


def by_annotators(scores: Scores, judges: FloatArray, *, seed: int = 0) -> list[list[Step]]:
    """For each judge (rows of judges × items) the steps from one annotator to all of them.

    Over all subsets of k annotators, or 200 drawn with the seed where there are more, and on the items that all k and
    the judge rated; subsets on which rho is undefined do not count. With more than 20 annotators some k are left out.
    Empty where it is not known who rated, where more than 300 annotators did, or the values have no order.
    """
    if scores.nominal or scores.anonymous or scores.n_people > MOST_ANNOTATORS:
        return [[] for _ in judges]
    rated = scores.given.any(axis=1)
    human = scores.human[rated]
    random = np.random.default_rng(seed)
    found: list[list[Step]] = [[] for _ in judges]
    for k in _sizes(len(human)):
        subsets = _subsets(len(human), k, random)
        step = max(1, _CELLS_AT_ONCE // max(1, human.shape[1]))
        parts = [subsets[start : start + step] for start in range(0, len(subsets), step)]
        values = np.concatenate([_rhos(_means(human, part, k), judges) for part in parts], axis=1)
        for steps, own in zip(found, values, strict=True):
            steps.append(_step(k, own[~np.isnan(own)]))
    return found


def _sizes(n: int) -> list[int]:
    """Which numbers of annotators are looked at: few and far between where they are many, one and all among them."""
    if n <= _EVERY_SIZE:
        return list(range(1, n + 1))
    return sorted({round(n ** (step / (_SIZES - 1))) for step in range(_SIZES)})


def _subsets(n: int, k: int, random: np.random.Generator) -> FloatArray:
    """Different subsets of k of n as rows of 0 and 1: subsets × n."""
    chosen: Sequence[tuple[int, ...]]
    if comb(n, k) <= MOST_SUBSETS:
        chosen = list(combinations(range(n), k))
    else:
        drawn: dict[tuple[int, ...], None] = {}
        while len(drawn) < MOST_SUBSETS:
            drawn[tuple(sorted(random.choice(n, size=k, replace=False).tolist()))] = None
        chosen = list(drawn)
    subsets = np.zeros((len(chosen), n))
    subsets[np.arange(len(chosen))[:, None], chosen] = 1.0
    return subsets


def _means(human: FloatArray, subsets: FloatArray, k: int) -> FloatArray:
    """The mean of each subset on the items that all of it rated: subsets × items, NaN on others."""
    given = ~np.isnan(human)
    sums, counts = subsets @ np.where(given, human, 0.0), subsets @ given.astype(np.float64)
    return divided(sums, np.where(counts == k, k, 0))


def _rhos(means: FloatArray, judges: FloatArray) -> FloatArray:
    """Spearman's rho (mid-ranks) of each judge with each of the means on the items that both have: judges × subsets."""
    found = np.full((len(judges), len(means)), np.nan)
    scored = ~np.isnan(judges)
    for members in alike(scored):
        items = scored[members[0]]
        here = means[:, items]
        if not here.shape[1]:
            continue
        there = ~np.isnan(here)
        counted = there.sum(axis=1)
        ranks, spread = _ranks(here, there)
        weights = there.astype(np.float64)
        for judge in members:
            coded = Coded.of_scores(judges[judge][items])
            totals = coded.totals(weights)
            own = centred_ranks(totals)
            products = (own * coded.totals(ranks)).sum(axis=1)
            spreads = spread * (totals * own**2).sum(axis=1)
            # Ranks that are not all the same have at least a quarter of their number as the sum of squares.
            defined = (counted >= LEAST_ITEMS) & (spreads > 1e-9)
            np.divide(products, np.sqrt(np.where(defined, spreads, 1.0)), out=found[judge], where=defined)
    clipped: FloatArray = np.clip(found, -1.0, 1.0)
    return clipped


def _ranks(means: FloatArray, there: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Mid-ranks minus their mean in each row (rows × items; 0 where there is none), and sums of squares (rows)."""
    rows, n = means.shape
    scale = np.abs(np.where(there, means, 0.0)).max(axis=1, keepdims=True)
    rounded = np.round(means / np.where(scale > 0, scale, 1.0), _DIGITS)
    order = np.argsort(rounded, axis=1, kind="stable")
    ordered = np.take_along_axis(rounded, order, axis=1)
    # NaN is not equal to itself, so that each is by itself at the end of its row.
    starts = np.ones((rows, n), dtype=np.bool_)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    group = np.cumsum(starts.ravel()) - 1
    sizes = np.bincount(group)
    first = np.flatnonzero(starts.ravel()) % n
    middle = (first + (sizes - 1) / 2)[group].reshape(rows, n)
    centred = np.empty((rows, n))
    np.put_along_axis(centred, order, middle - (there.sum(axis=1, keepdims=True) - 1) / 2, axis=1)
    centred[~there] = 0.0
    return centred, (centred**2).sum(axis=1)


def _step(k: int, values: FloatArray) -> Step:
    if not len(values):
        return Step(k, None, None, None, 0)
    return Step(k, float(values.mean()), float(values.min()), float(values.max()), len(values))
