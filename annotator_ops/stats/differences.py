"""Layer 2. The difference of alpha between two groups of annotators, two criteria, or two sets of items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.agreement.alpha import weighted_alpha
from annotator_ops.stats.agreement.units import with_interval
from annotator_ops.stats.intervals import Interval, Resampling, Statistic, bootstrap, interval_from, interval_of
from annotator_ops.stats.reliability import FloatArray, IntArray, ReliabilityData

Items = Literal["by name", "apart"]
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
    found = _found(one.value - other.value, first, second, items)
    if items == "apart":
        return _apart(one, other, found, resampling)
    drawn = _together(one, other, *_places(_pairable(first), _pairable(second)))
    found = replace(found, standard_error=drawn.standard_error)
    return found if resampling is None else with_interval(found, interval_of(drawn, resampling=resampling))


def _alpha(data: ReliabilityData, which: str, period: float | None) -> Statistic | Reason:
    built = weighted_alpha(data, period=period)
    if isinstance(built, Reason):
        reason = built
    else:
        statistic = built.statistic()
        if not math.isnan(statistic.value):
            return statistic
        reason = built.no_chance()
    return Reason(reason.code, f"The {which} of the two has no alpha, so there is no difference. {reason.sentence}")


def _together(one: Statistic, other: Statistic, here: IntArray, there: IntArray) -> Statistic:
    """The difference as a statistic of the items of either, among which `here` and `there` are the units of each."""
    n = int(max(here.max(), there.max())) + 1
    influence = np.zeros(n)
    for statistic, places, sign in ((one, here, 1), (other, there, -1)):
        if statistic.influence is not None:
            influence[places] += sign * n * statistic.influence / statistic.units

    def of_weights(weights: FloatArray) -> FloatArray:
        return one.of_weights(weights[:, here]) - other.of_weights(weights[:, there])

    return Statistic(one.value - other.value, of_weights, np.ones(n, dtype=np.intp), influence)


def _apart(one: Statistic, other: Statistic, found: Estimate, resampling: Resampling | None) -> Estimate:
    n = one.units + other.units
    shares = [
        sign
        * n
        * (statistic.influence if statistic.influence is not None else np.zeros(statistic.units))
        / statistic.units
        for statistic, sign in ((one, 1), (other, -1))
    ]
    whole = Statistic(one.value - other.value, _never, np.ones(n, dtype=np.intp), np.concatenate(shares))
    found = replace(found, standard_error=whole.standard_error)
    if resampling is None:
        return found

    def values() -> FloatArray:
        again = replace(resampling, seed=resampling.seed + 1)  # not the first set's draws once more
        first = bootstrap(one.of_weights, one.multiplicity, resampling)
        return first - bootstrap(other.of_weights, other.multiplicity, again)

    # The smaller set decides how far resampling can be trusted.
    units = 2 * min(one.units, other.units)
    interval: Interval = interval_from(values, whole, units=units, resampling=resampling)
    return with_interval(found, interval)


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


def _never(_weights: FloatArray) -> FloatArray:
    raise NotImplementedError("The two sets are resampled each by itself.")
