"""Layer 2. The difference of alpha between two groups of annotators, two criteria, or two sets of items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.agreement.alpha import WeightedAlpha, weighted_alpha
from annotator_ops.stats.agreement.units import with_interval
from annotator_ops.stats.intervals import (
    PRIOR_UNITS,
    Interval,
    Resampling,
    Statistic,
    bayesian_interval,
    bootstrap,
    interval_from,
    interval_of,
    posterior,
)
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import FloatArray, IntArray

Items = Literal["by name", "apart"]
# So many items are drawn once to stand for the prior of a pair of sides.
_PRIOR_ITEMS = 200
# From so many times as many ratings an item on one side as on the other, the prior may lift one alpha and not the
# other: else three raters against twenty, all at random, 20 items, cover .81 to .91. Elsewhere it would only be wider.
_UNLIKE = 2.0
_NAME = "difference of Krippendorff's alphas"


def alpha_difference(
    first: ReliabilityData,
    second: ReliabilityData,
    *,
    resampling: Resampling | None = None,
    items: Items = "by name",
    period: float | None = None,
) -> Estimate:
    """Alpha of the first minus alpha of the second, with an interval for the difference.

    `items` "by name": units of the same name are one item. That is for two groups of annotators who rated the same
    items, and for two criteria that the same annotators rated on the same items: items are resampled, each with all
    that it has in either, so that what makes an item hard counts on both sides (a paired bootstrap). An item that only
    one side can use (fewer than two ratings on the other) is drawn as the others are, and counts on its side only.
    "apart": the two are samples of different items, whatever their names, and each is resampled by itself.

    The annotators are fixed: the interval is for other items, not for other annotators. The standard error is the
    linearized one. No value where one of the alphas has none; the reason says which. `period` as for alpha.
    """
    one, other = _alpha(first, "first", period), _alpha(second, "second", period)
    if isinstance(one, Reason):
        return replace(_found(None, first, second, items), reason=one)
    if isinstance(other, Reason):
        return replace(_found(None, first, second, items), reason=other)
    plain = one.statistic(), other.statistic()
    found = _found(plain[0].value - plain[1].value, first, second, items)
    if items == "apart":
        n = plain[0].units + plain[1].units
        whole = _difference(*plain, np.arange(plain[0].units), np.arange(plain[0].units, n))
        found = replace(found, standard_error=whole.standard_error)
        return found if resampling is None else with_interval(found, _apart(one, other, whole, resampling))
    places = _places(_pairable(first), _pairable(second))
    drawn = _difference(*plain, *places)
    found = replace(found, standard_error=drawn.standard_error)
    if resampling is None:
        return found
    if drawn.units < PRIOR_UNITS and drawn.standard_error is not None:
        sides = _with_prior(drawn, one.with_prior(), other.with_prior(), *places)
        return with_interval(found, _bayesian(drawn, sides, (resampling, resampling), unlike=_unlike(one, other)))
    return with_interval(found, interval_of(drawn, resampling=resampling))


def _alpha(data: ReliabilityData, which: str, period: float | None) -> WeightedAlpha | Reason:
    built = weighted_alpha(data, period=period)
    if isinstance(built, WeightedAlpha):
        if not math.isnan(built.statistic().value):
            return built
        reason = built.no_chance()
    else:
        reason = built
    return Reason(reason.code, f"The {which} of the two has no alpha, so there is no difference. {reason.sentence}")


def _difference(one: Statistic, other: Statistic, here: IntArray, there: IntArray) -> Statistic:
    """The difference as a statistic of the items of either, among which `here` and `there` are the units of each."""
    n = int(max(here.max(), there.max())) + 1
    influence = np.zeros(n)
    for statistic, places, sign in ((one, here, 1), (other, there, -1)):
        if statistic.influence is not None:
            influence[places] += sign * n * statistic.influence / statistic.units

    def of_weights(weights: FloatArray) -> FloatArray:
        return one.of_weights(weights[:, here]) - other.of_weights(weights[:, there])

    return Statistic(one.value - other.value, of_weights, np.ones(n, dtype=np.intp), influence)


def _with_prior(
    difference: Statistic, one: Statistic, other: Statistic, here: IntArray, there: IntArray
) -> tuple[Statistic, Statistic]:
    """Both alphas over the items of either and a prior: items that have a pattern of each side's, independent."""
    units = difference.units
    random = np.random.default_rng(0)
    chosen, weights = [], []
    for side, places in ((one, here), (other, there)):
        prior = np.zeros(0) if side.prior is None else side.prior[len(places) :]
        chosen.append(np.eye(len(prior))[random.choice(len(prior), _PRIOR_ITEMS, p=prior / prior.sum())])
        weights.append(float(prior.sum()))
    multiplicity = np.concatenate([difference.multiplicity, np.zeros(_PRIOR_ITEMS, dtype=np.intp)])
    prior = np.concatenate([np.zeros(units), np.full(_PRIOR_ITEMS, sum(weights) / 2 / _PRIOR_ITEMS)])

    def side_of(statistic: Statistic, places: IntArray, patterns: FloatArray) -> Statistic:
        def of_weights(drawn: FloatArray) -> FloatArray:
            return statistic.of_weights(np.hstack([drawn[:, places], drawn[:, units:] @ patterns]))

        return Statistic(statistic.value, of_weights, multiplicity, None, prior)

    return side_of(one, here, chosen[0]), side_of(other, there, chosen[1])


def _bayesian(
    difference: Statistic,
    sides: tuple[Statistic, Statistic],
    resamplings: tuple[Resampling, Resampling],
    *,
    unlike: bool,
) -> Interval:
    """The interval from posterior draws of both sides, the same draws where the seeds are the same.

    It is stretched to what it is without the prior; for unlike sides, to what it is without that of either.
    """
    one, other = (posterior(side, resampling=each) for side, each in zip(sides, resamplings, strict=True))
    values = np.concatenate([one - other, one - other[::-1]]) if unlike else one - other
    return bayesian_interval(values, replace(difference, prior=sides[0].prior), resampling=resamplings[0])


def _unlike(one: WeightedAlpha, other: WeightedAlpha) -> bool:
    first, second = (float(side.rows.weights @ side.rows.size) / side.rows.n for side in (one, other))
    return max(first, second) >= _UNLIKE * min(first, second)


def _apart(one: WeightedAlpha, other: WeightedAlpha, whole: Statistic, resampling: Resampling) -> Interval:
    again = replace(resampling, seed=resampling.seed + 1)  # not the first set's draws once more
    smaller = min(one.rows.n, other.rows.n)
    if smaller < PRIOR_UNITS and whole.standard_error is not None:
        return _bayesian(whole, (one.with_prior(), other.with_prior()), (resampling, again), unlike=_unlike(one, other))
    plain = one.statistic(), other.statistic()

    def resampled() -> FloatArray:
        first = bootstrap(plain[0].of_weights, plain[0].multiplicity, resampling)
        return first - bootstrap(plain[1].of_weights, plain[1].multiplicity, again)

    return interval_from(resampled, whole, units=smaller, resampling=resampling)


def _found(value: float | None, first: ReliabilityData, second: ReliabilityData, items: Items) -> Estimate:
    if items == "apart":
        n_items = int(first.pairable.sum()) + int(second.pairable.sum())
        how = f"{_NAME}, different items, each set resampled by itself"
    else:
        n_items = len({*_pairable(first), *_pairable(second)})
        how = f"{_NAME}, the same items, resampled together"
    n_raters = len({*first.raters, *second.raters})
    return Estimate(value=value, method=how, n_items=n_items, n_raters=n_raters)


def _pairable(data: ReliabilityData) -> list[str]:
    return [unit for unit, paired in zip(data.units, data.pairable.tolist(), strict=True) if paired]


def _places(first: Sequence[str], second: Sequence[str]) -> tuple[IntArray, IntArray]:
    """Where each unit is among the units of either, in order of their names."""
    place = {name: number for number, name in enumerate(sorted({*first, *second}))}
    here, there = ([place[name] for name in names] for names in (first, second))
    return np.array(here, dtype=np.intp), np.array(there, dtype=np.intp)
