"""Layer 2. What the chance-corrected coefficients are made of: unit by unit, so that a standard error comes with each.

Every coefficient here is (p_a − p_e)/(1 − p_e) with p_a the mean agreement of the units and p_e what chance would give.
Gwet 2014 (Handbook of Inter-Rater Reliability, 4th ed., ch. 5) linearizes it: a unit contributes its own agreement
minus (1 − coefficient) times what it adds to chance, and the variance of the coefficient is that of the mean of these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.agreement.schemes import Scheme
from annotator_ops.stats.agreement.units import no_value, undefined
from annotator_ops.stats.agreement.weights import IDENTITY, Weights, scheme_of
from annotator_ops.stats.probability import t_quantile
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, BoolArray, FloatArray, IntArray, display

# Chance agreement that differs from 1 by rounding only leaves nothing to divide by.
ROUNDING = 1e-12
INTERVAL = "t interval with the linearized standard error (Gwet 2014)"


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """Ratings with weights of agreement; raters and units without any rating are left out.

    `codes` has shape raters × units, `size` (units) is the number of ratings a unit has, `paired` (units) whether there
    are at least two.
    """

    data: ReliabilityData
    codes: IntArray
    size: FloatArray
    paired: BoolArray
    scheme: Scheme
    name: str

    @property
    def units(self) -> int:
        return self.codes.shape[1]

    @property
    def categories(self) -> int:
        return len(self.data.domain)

    @property
    def is_table(self) -> bool:
        """Whether these are two raters who both rated everything: a contingency table."""
        return len(self.codes) == 2 and bool(self.paired.all())

    def mean_of(self, x: FloatArray) -> FloatArray:
        """Shape units: the mean over a unit's ratings of a number that belongs to each category."""
        means: FloatArray = np.append(x, 0.0)[self.codes].sum(axis=0) / self.size
        return means

    @property
    def shares(self) -> FloatArray:
        """Shape categories: the mean over units of the share of a unit's ratings (π̂ in Gwet 2014)."""
        present = self.codes != MISSING
        each = np.broadcast_to(1 / self.size, self.codes.shape)[present]
        shares: FloatArray = np.bincount(self.codes[present], weights=each, minlength=self.categories) / self.units
        return shares

    @property
    def marginals(self) -> FloatArray:
        """Shape raters × categories: how often each rater chose each category."""
        counts = [np.bincount(codes[codes != MISSING], minlength=self.categories) for codes in self.codes]
        return np.stack(counts).astype(np.float64)

    def only(self, units: BoolArray) -> Weighted:
        """The same on these units."""
        if units.all():
            return self
        return replace(self, codes=self.codes[:, units], size=self.size[units], paired=self.paired[units])

    def agreements(self) -> FloatArray:
        """Shape units: the sum over ordered pairs of a unit's ratings of the weight of the two categories."""
        if self.categories <= len(self.codes):
            counts = np.stack([(self.codes == k).sum(axis=0) for k in range(self.categories)]).astype(np.float64)
            agreeing: FloatArray = (counts * self.scheme.times(counts)).sum(axis=0) - self.size
            return agreeing
        found = np.zeros(self.units)
        for first, second in combinations(self.codes, 2):
            found += self.scheme.between(first, second)
        return 2 * found


def weighted(data: ReliabilityData, weights: Weights, *, least_units: int = 2) -> Weighted | Reason:
    """The ratings with weights, or why no coefficient can be computed. Raises ValueError as `weight_matrix` does."""
    scheme = scheme_of(weights, data.domain)
    reason = undefined(data, least_units=least_units)
    if reason:
        return reason
    if isinstance(scheme, Reason):
        return scheme
    present = data.codes != MISSING
    raters, units = present.any(axis=1), present.any(axis=0)
    codes = data.codes if raters.all() and units.all() else data.codes[np.ix_(raters, units)]
    size = present.sum(axis=0)[units].astype(np.float64)
    name = weights if isinstance(weights, str) else "given"
    return Weighted(data, codes, size, size >= 2, scheme, name)


def observed_agreement(ratings: Weighted) -> tuple[float, FloatArray]:
    """p_a, and what each unit contributes to it: n/n' times its own share, n' of the n units having two ratings."""
    paired = ratings.paired
    pairs = np.where(paired, ratings.size * (ratings.size - 1), 1.0)
    shares = np.where(paired, ratings.agreements() / pairs, 0.0)
    n_paired = int(paired.sum())
    return float(shares.sum()) / n_paired, shares * (ratings.units / n_paired)


def own_marginals(ratings: Weighted) -> tuple[float, FloatArray]:
    """p_e where chance is the agreement of each two raters with their own frequencies (Conger 1980), and each unit's
    part of it (see `corrected`)."""
    raters = len(ratings.codes)
    counts = ratings.marginals
    rated = counts.sum(axis=1)
    marginals = counts / rated[:, None]
    # What a rater's category is expected to agree with: the frequencies of all other raters.
    others = ratings.scheme.times((marginals.sum(axis=0) - marginals).T).T
    own = (marginals * others).sum(axis=1)
    pairs = raters * (raters - 1)
    chance = np.full(ratings.units, float(own.sum()) / pairs)
    for codes, towards, mean, count in zip(ratings.codes, others, own, rated, strict=True):
        chance += np.append(towards - mean, 0.0)[codes] * (ratings.units / count / pairs)
    return float(own.sum()) / pairs, chance


def corrected(ratings: Weighted, expected: float, chance: FloatArray | None) -> tuple[float, FloatArray] | None:
    """(p_a − p_e)/(1 − p_e), and each unit's contribution minus their mean; None where p_e is 1.

    `expected` is p_e; `chance` (units) is half of what p_e changes by with a unit, its mean being p_e (a coefficient's
    p_e is a quadratic form of shares), and None where p_e does not depend on the ratings.
    """
    if 1 - expected <= ROUNDING:
        return None
    agreement, each = observed_agreement(ratings)
    value = (agreement - expected) / (1 - expected)
    reach = ratings.paired * (ratings.units / float(ratings.paired.sum()))
    contributions = (each - expected * reach) / (1 - expected)
    if chance is not None:
        contributions = contributions - 2 * (1 - value) * (chance - expected) / (1 - expected)
    return value, contributions - value


def estimate(
    ratings: Weighted, expected: float, chance: FloatArray | None, *, name: str, confidence: float
) -> Estimate:
    """The corrected coefficient with its linearized standard error, or why there is none."""
    found = corrected(ratings, expected, chance)
    if found is None:
        return no_value(ratings.data, no_chance(ratings))
    return linearized(ratings, *found, name=name, confidence=confidence)


def linearized(ratings: Weighted, value: float, deviations: FloatArray, *, name: str, confidence: float) -> Estimate:
    """An estimate with the standard error of a mean of contributions, and the t interval with n − 1 degrees of freedom.

    `deviations` (units) are the contributions minus their mean. The sum of squares is divided by n(n − 1), and by n²
    for two raters who rated everything: that is the variance of a contingency table (Fleiss, Cohen and Everitt 1969),
    and irrCAC differs between tables and raw ratings in the same way. The interval is cut at 1.

    Units with a single rating count among the n and contribute no agreement, as in Gwet 2014: the number of pairable
    units is taken as fixed. Where most units have a single rating the error is therefore too large; the method tells
    how many there are.
    """
    n, single = ratings.units, int((~ratings.paired).sum())
    how = name if ratings.name == IDENTITY else f"{name}, {ratings.name} weights"
    found = Estimate(value=value, method=how, n_items=n - single, n_raters=len(ratings.data.raters))
    divisor = n * (n if ratings.is_table else n - 1)
    error = math.sqrt(dot(deviations, deviations) / divisor) if n - single > 1 else None
    found = with_error(found, error, units=n, confidence=confidence)
    if single and found.low is not None:
        noun = "item" if single == 1 else "items"
        found = replace(found, method=f"{found.method}, widened by {single:,} {noun} with one rating")
    return found


def with_error(found: Estimate, error: float | None, *, units: int, confidence: float) -> Estimate:
    """An estimate with a standard error over so many units and its t interval.

    `error` None is that of a single unit. Where every unit contributes the same, as in perfect agreement, there is
    neither: an interval of no width would claim certainty.
    """
    if error is None or found.value is None:
        return replace(found, method=f"{found.method}; no interval: one item")
    if error <= ROUNDING * max(1.0, abs(found.value)):
        return replace(found, method=f"{found.method}; no interval: every item contributes the same")
    half = t_quantile((1 + confidence) / 2, units - 1) * error
    return replace(
        found,
        low=found.value - half,
        high=min(1.0, found.value + half),
        confidence=confidence,
        method=f"{found.method}; {INTERVAL}, {units - 1} degrees of freedom",
        standard_error=error,
    )


def as_share(found: Estimate) -> Estimate:
    """The interval of a share, which is not below 0, whatever the t distribution says."""
    return found if found.low is None else replace(found, low=max(0.0, found.low))


def dot(first: FloatArray, second: FloatArray) -> float:
    """The sum of products. For a vector a unit, the threads that BLAS starts cost more than they save, many times over
    where other work runs."""
    return float(np.einsum("i,i->", first, second))


def no_chance(ratings: Weighted) -> Reason:
    """Why agreement by chance is already complete."""
    used = np.unique(ratings.codes[ratings.codes != MISSING])
    if ratings.categories < 2:
        sentence = (
            f"{display(ratings.data.domain[0])} is the only category there is, so everyone has to agree. Declare all "
            "categories that could have been chosen."
        )
        return Reason("one-category", sentence)
    if len(used) < 2:
        sentence = (
            f"Every rating is {display(ratings.data.domain[int(used[0])])}. The coefficient compares agreement with "
            "what chance would give, and where nothing varies chance gives full agreement."
        )
        return Reason("one-category", sentence)
    sentence = "The weights count the categories that were used as full agreement, so there is nothing to correct."
    return Reason("no-chance", sentence)
