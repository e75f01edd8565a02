"""Layer 2. Kappas made of simpler ones: Light's over pairs of raters, Fleiss' for each category."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.agreement.chance import CONFIDENCE, fleiss_kappa
from annotator_ops.stats.agreement.gwet import linearized, weighted
from annotator_ops.stats.agreement.joint import Meetings
from annotator_ops.stats.agreement.units import no_value, undefined
from annotator_ops.stats.agreement.weights import IDENTITY, Weights
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, Category, display


def light_kappa(
    data: ReliabilityData,
    *,
    weights: Weights = IDENTITY,
    confidence: float = CONFIDENCE,
    meetings: Meetings | None = None,
) -> Estimate:
    """Light's kappa (1971): the mean of Cohen's kappas of each two raters, on the units that both rated.

    Pairs whose kappa is undefined are left out, and the method says how many. The standard error is linearized over
    units: a unit contributes the mean of what it contributes to the kappas. `meetings` are those of the data, where
    they are counted already. Raises ValueError as `cohen_kappa` does for weights.
    """
    ratings = weighted(data, weights)
    if isinstance(ratings, Reason):
        return no_value(data, ratings)
    ratings = ratings.only(ratings.paired)
    scheme = ratings.scheme
    kappas, contributions = (meetings or Meetings.of(data)).total(lambda meeting: meeting.kappa(scheme))
    if not kappas:
        sentence = (
            "Cohen's kappa is undefined for each two raters: they have no items in common, or gave one and the same "
            "value to all of them. Light's kappa is the mean of those kappas."
        )
        return no_value(data, Reason("no-pairs", sentence))
    pairs, defined = math.comb(len(ratings.codes), 2), len(kappas)
    name = "Light's kappa" if defined == pairs else f"Light's kappa, {pairs - defined} of {pairs} pairs undefined"
    # The contributions are to means over all units, and the mean here is over those that have a pair.
    deviations = contributions[data.pairable] * (ratings.units / (len(data.units) * defined))
    return linearized(ratings, math.fsum(kappas) / defined, deviations, name=name, confidence=confidence)


def fleiss_kappa_per_category(data: ReliabilityData, *, confidence: float = CONFIDENCE) -> dict[Category, Estimate]:
    """Fleiss' kappa of each category of the domain against all others (Fleiss 1971): do raters agree on *this* one?

    It is the kappa of the ratings told apart by this category only, so missing ratings and the standard error are as
    for `fleiss_kappa`. A category that no rating, or every rating, has gets a reason.
    """
    found: dict[Category, Estimate] = {}
    for code, category in enumerate(data.domain):
        codes = np.where(data.codes == MISSING, MISSING, (data.codes == code).astype(np.intp))
        estimate = fleiss_kappa(replace(data, codes=codes, domain=(0.0, 1.0)), confidence=confidence)
        if estimate.reason is not None and estimate.reason.code == "one-category":
            every = bool((codes == 1).any())
            sentence = (
                f"{'Every' if every else 'No'} rating is {display(category)}, so there is no chance agreement on it to "
                "compare with."
            )
            estimate = replace(estimate, reason=Reason("one-category", sentence))
        elif estimate.reason is None:
            estimate = replace(estimate, method=f"{display(category)} against the rest, {estimate.method}")
        found[category] = estimate
    return found


def fleiss_kappa_z(data: ReliabilityData) -> Estimate:
    """Fleiss' kappa over its standard error under the hypothesis that raters agree by chance only: a normal deviate.

    The standard error is that of Fleiss, Nee and Landis (1979), which supposes that every unit has equally many
    ratings; a Reason where they have not. It says whether there is any agreement at all, hardly ever a question; for
    how much, see the interval of `fleiss_kappa`.
    """
    reason = undefined(data)
    if reason:
        return no_value(data, reason)
    size = (data.codes != MISSING).sum(axis=0)
    m = int(size.max())
    if ((size != m) & (size != 0)).any():
        sentence = "The test of Fleiss' kappa needs equally many ratings on every item, and these items differ."
        return no_value(data, Reason("unequal-ratings", sentence))
    kappa = fleiss_kappa(data)
    if kappa.value is None:
        return kappa
    n = int((size == m).sum())
    shares = np.bincount(data.codes[data.codes != MISSING], minlength=len(data.domain)) / (n * m)
    spread = shares * (1 - shares)
    total = float(spread.sum())
    variance = 2 * (total**2 - float(spread @ (1 - 2 * shares))) / (n * m * (m - 1) * total**2)
    method = "Fleiss' kappa over its standard error without agreement (Fleiss, Nee and Landis 1979)"
    z = kappa.value / math.sqrt(variance)
    return Estimate(value=z, method=method, n_items=kappa.n_items, n_raters=kappa.n_raters)
