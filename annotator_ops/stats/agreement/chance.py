"""Layer 2. Percent agreement and the coefficients that correct it for chance.

All of them take weights of partial agreement (see `weights.py`) and missing ratings: agreement is over the units that
two raters rated, chance over all ratings. The domain of categories counts: one that nobody used changes
Brennan–Prediger's coefficient and Gwet's. `confidence` is that of the interval. They raise ValueError for weights that
cannot be weights of the domain; where a coefficient is undefined, the estimate has a reason.
"""

from __future__ import annotations

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.agreement.gwet import (
    ROUNDING,
    Weighted,
    as_share,
    estimate,
    linearized,
    no_chance,
    observed_agreement,
    own_marginals,
    weighted,
)
from annotator_ops.stats.agreement.units import no_value
from annotator_ops.stats.agreement.weights import IDENTITY, Weights
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING

CONFIDENCE = 0.95


def percent_agreement(
    data: ReliabilityData, *, weights: Weights = IDENTITY, confidence: float = CONFIDENCE
) -> Estimate:
    """Mean over units of the share (with weights: the mean weight) of rater pairs that agree (Gwet 2014, p_a)."""
    ratings = weighted(data, weights, least_units=1)
    if isinstance(ratings, Reason):
        return no_value(data, ratings)
    value, each = observed_agreement(ratings)
    name = "share of agreeing pairs, mean over items"
    return as_share(linearized(ratings, value, each - value, name=name, confidence=confidence))


def brennan_prediger(data: ReliabilityData, *, weights: Weights = IDENTITY, confidence: float = CONFIDENCE) -> Estimate:
    """Brennan and Prediger's coefficient (1981): chance picks each category of the domain equally often."""
    ratings = weighted(data, weights)
    if isinstance(ratings, Reason):
        return no_value(data, ratings)
    expected = ratings.scheme.total / ratings.categories**2
    return estimate(ratings, expected, None, name="Brennan–Prediger", confidence=confidence)


def bennett_s(data: ReliabilityData, *, confidence: float = CONFIDENCE) -> Estimate:
    """S of Bennett, Alpert and Goldstein (1954): Brennan–Prediger without weights, which took it to many raters."""
    ratings = weighted(data, IDENTITY)
    if isinstance(ratings, Reason):
        return no_value(data, ratings)
    return estimate(ratings, 1 / ratings.categories, None, name="Bennett's S", confidence=confidence)


def gwet_ac1(data: ReliabilityData, *, confidence: float = CONFIDENCE) -> Estimate:
    """Gwet's AC1 (2008): chance agreement from the raters' doubt, largest where the categories are equally frequent."""
    return _gwet(data, IDENTITY, "Gwet's AC1", confidence)


def gwet_ac2(data: ReliabilityData, *, weights: Weights = "quadratic", confidence: float = CONFIDENCE) -> Estimate:
    """Gwet's AC2 (2014, ch. 4): AC1 with weights of partial agreement."""
    return _gwet(data, weights, "Gwet's AC2", confidence)


def fleiss_kappa(data: ReliabilityData, *, weights: Weights = IDENTITY, confidence: float = CONFIDENCE) -> Estimate:
    """Fleiss' kappa (1971): chance picks categories as often as all raters together do.

    With missing ratings the frequency of a category is the mean over units of its share (Gwet 2014, ch. 2).
    """
    return _pooled(weighted(data, weights), data, "Fleiss' kappa", confidence)


def scott_pi(data: ReliabilityData, *, weights: Weights = IDENTITY, confidence: float = CONFIDENCE) -> Estimate:
    """Scott's pi (1955) of two raters, on the units that both rated: chance as in Fleiss' kappa.

    Raises ValueError unless there are two raters.
    """
    name = "Scott's pi"
    return _pooled(_of_two(data, weights, name), data, name, confidence)


def conger_kappa(data: ReliabilityData, *, weights: Weights = IDENTITY, confidence: float = CONFIDENCE) -> Estimate:
    """Conger's kappa (1980) of any number of raters: chance agreement of each two raters with their own frequencies.

    For two raters without missing ratings it is Cohen's kappa. The standard error is Gwet's (2014, ch. 5).
    """
    return _own(weighted(data, weights), data, "Conger's kappa", confidence)


def cohen_kappa(data: ReliabilityData, *, weights: Weights = IDENTITY, confidence: float = CONFIDENCE) -> Estimate:
    """Cohen's kappa (1960) of two raters on the units that both rated; with weights, his weighted kappa (1968).

    The standard error is the one of Fleiss, Cohen and Everitt (1969). Raises ValueError unless there are two raters.
    """
    name = "Cohen's kappa"
    return _own(_of_two(data, weights, name), data, name, confidence)


def weighted_kappa(
    data: ReliabilityData, *, weights: Weights = "quadratic", confidence: float = CONFIDENCE
) -> Estimate:
    """Cohen's weighted kappa (1968) of two raters: `cohen_kappa` with quadratic weights unless others are given."""
    return cohen_kappa(data, weights=weights, confidence=confidence)


def krippendorff_alpha_irrcac(
    data: ReliabilityData, *, weights: Weights = IDENTITY, confidence: float = CONFIDENCE
) -> Estimate:
    """Krippendorff's alpha in Gwet's form (2014, ch. 3 and 5), with weights w instead of squared distances 1 − w.

    The value is Krippendorff's for distances that do not depend on the data; "ordinal" weights here are irrCAC's, which
    are not Krippendorff's ordinal distance.
    """
    ratings = weighted(data, weights)
    if isinstance(ratings, Reason):
        return no_value(data, ratings)
    ratings = ratings.only(ratings.paired)
    n, size = ratings.units, ratings.size
    mean_size = float(size.mean())
    relative = size / mean_size
    present = ratings.codes != MISSING
    shares = np.bincount(ratings.codes[present], minlength=ratings.categories) / (n * mean_size)
    towards = ratings.scheme.times(shares)
    expected = float(shares @ towards)
    if 1 - expected <= ROUNDING:
        return no_value(data, no_chance(ratings))
    each = ratings.agreements() / (mean_size * (size - 1))
    observed = float(each.mean())
    correction = 1 / float(size.sum())
    agreement = (1 - correction) * observed + correction
    value = (agreement - expected) / (1 - expected)
    # irrCAC's standard error is that of alpha without the correction for few ratings, a factor near 1, but what a unit
    # adds by having more ratings than others is measured by the corrected agreement. Published values depend on both.
    plain = (observed - expected) / (1 - expected)
    own = each - agreement * (relative - 1)
    chance = ratings.mean_of(towards) * relative - expected * (relative - 1)
    deviations = (own - expected) / (1 - expected) - 2 * (1 - plain) * (chance - expected) / (1 - expected) - plain
    return linearized(ratings, value, deviations, name="Krippendorff's alpha (irrCAC)", confidence=confidence)


def _gwet(data: ReliabilityData, weights: Weights, name: str, confidence: float) -> Estimate:
    ratings = weighted(data, weights)
    if isinstance(ratings, Reason):
        return no_value(data, ratings)
    if ratings.categories < 2:
        return no_value(data, no_chance(ratings))
    shares = ratings.shares
    factor = ratings.scheme.total / (ratings.categories * (ratings.categories - 1))
    expected = factor * float(shares @ (1 - shares))
    return estimate(ratings, expected, factor * ratings.mean_of(1 - shares), name=name, confidence=confidence)


def _pooled(ratings: Weighted | Reason, data: ReliabilityData, name: str, confidence: float) -> Estimate:
    if isinstance(ratings, Reason):
        return no_value(data, ratings)
    shares = ratings.shares
    towards = ratings.scheme.times(shares)
    return estimate(ratings, float(shares @ towards), ratings.mean_of(towards), name=name, confidence=confidence)


def _own(ratings: Weighted | Reason, data: ReliabilityData, name: str, confidence: float) -> Estimate:
    if isinstance(ratings, Reason):
        return no_value(data, ratings)
    return estimate(ratings, *own_marginals(ratings), name=name, confidence=confidence)


def _of_two(data: ReliabilityData, weights: Weights, name: str) -> Weighted | Reason:
    """Two raters on the units that both rated."""
    if len(data.raters) != 2:
        raise ValueError(f"{name} compares two raters; these data have {len(data.raters)}.")
    ratings = weighted(data, weights)
    return ratings if isinstance(ratings, Reason) else ratings.only(ratings.paired)
