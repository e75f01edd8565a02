"""Layer 2. What is known of a unit before it is seen: the weak prior of intervals from few units."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np

from annotator_ops.models import Level
from annotator_ops.stats.agreement.units import Rows
from annotator_ops.stats.values import MISSING, FloatArray, IntArray

_MOST_PATTERNS = 100


@dataclass(frozen=True, slots=True)
class Prior:
    """It weighs as much as `weight` units. Their raters, after the first, repeat one of the answers before theirs, or
    choose anew with odds of `concentration` to the number of answers: the prior's alpha is 1/(1 + concentration)."""

    weight: float
    concentration: float


# Chosen by simulation (benchmarks/coverage.py). With less weight, a rare category that the sample happens to lack is
# taken for impossible; with more, the prior is what is reported. On a scale, an answer that is chosen anew is further
# from the others than raters who disagree are, so there it has to be rarer. The prior has as many raters as the data:
# with fewer, a kind of item that the sample lacks is taken for impossible again as soon as there are many raters (at
# alpha .25 with a category of 10 %, 50 raters and 10 items, two raters a prior item cover .66). What that costs where
# the raters do not agree at all, `bayesian_interval` makes up for: the prior only widens.
LABELS = Prior(weight=1.5, concentration=0.5)
SCALE = Prior(weight=2.0, concentration=0.2)


def with_prior(rows: Rows, *, level: Level) -> tuple[Rows, FloatArray]:
    """The rows with those of the prior behind them, which stand for no unit, and the prior weight of each row.

    A unit of the prior has category probabilities from a symmetric Dirichlet distribution over the categories that were
    used, and each of its raters (as many as a unit has on average) chooses by these. All its patterns where they are
    few, else a hundred, drawn with a seed of their own.
    """
    used = np.flatnonzero(np.asarray(rows.table.sum(axis=0)).ravel())
    prior = LABELS if level is Level.NOMINAL or len(used) == 2 else SCALE
    raters = max(2, round(float(rows.weights @ rows.size) / rows.n))
    patterns, share = _patterns(len(used), raters, prior.concentration)
    codes = used[patterns]
    weight = np.concatenate([np.zeros(len(rows.size)), prior.weight * share])
    size = np.concatenate([rows.size, np.full(len(codes), float(raters))])
    multiplicity = np.concatenate([rows.multiplicity, np.zeros(len(codes), dtype=np.intp)])
    if rows.counts is not None:
        more = np.zeros((len(codes), rows.categories))
        np.add.at(more, (np.arange(len(codes))[:, None], codes), 1)
        empty = np.zeros((len(size), 0), dtype=np.intp)
        counts = np.vstack([rows.counts, more])
        return replace(rows, counts=counts, codes=empty, size=size, multiplicity=multiplicity), weight
    places = max(rows.codes.shape[1], raters)
    padded = [
        np.pad(part, ((0, 0), (places - part.shape[1], 0)), constant_values=MISSING) for part in (rows.codes, codes)
    ]
    return replace(rows, codes=np.concatenate(padded), size=size, multiplicity=multiplicity), weight


def _patterns(categories: int, raters: int, concentration: float) -> tuple[IntArray, FloatArray]:
    """Patterns of the prior (patterns × raters, places among the categories) and their probabilities."""
    if math.comb(categories + raters - 1, raters) > _MOST_PATTERNS:
        return _drawn(categories, raters, concentration), np.full(_MOST_PATTERNS, 1 / _MOST_PATTERNS)
    patterns = np.array(list(combinations_with_replacement(range(categories), raters)), dtype=np.intp)
    each = concentration / categories
    logs = [
        sum(math.lgamma(count + each) - math.lgamma(each) - math.lgamma(count + 1) for count in np.bincount(pattern))
        for pattern in patterns
    ]
    probability = np.exp(np.array(logs))
    return patterns, probability / probability.sum()


def _drawn(categories: int, raters: int, concentration: float) -> IntArray:
    """The same by Pólya's urn, where the patterns are too many."""
    random = np.random.default_rng(0)
    patterns = np.zeros((_MOST_PATTERNS, raters), dtype=np.intp)
    every = np.arange(_MOST_PATTERNS)
    for rater in range(raters):
        chosen = random.integers(0, categories, _MOST_PATTERNS)
        repeated = patterns[every, random.integers(0, max(1, rater), _MOST_PATTERNS)]
        anew = random.random(_MOST_PATTERNS) < concentration / (concentration + rater)
        patterns[:, rater] = np.where(anew, chosen, repeated)
    return patterns
