"""Layer 2. How precise alpha would be with more items or other numbers of annotators, judged by a pilot's own data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.agreement.alpha import WeightedAlpha, krippendorff_alpha, weighted_alpha
from annotator_ops.stats.agreement.disagreement import Disagreement, disagreement_of
from annotator_ops.stats.agreement.units import Rows, patterns_of
from annotator_ops.stats.distances import comparable
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, IntArray
from annotator_ops.stats.variance_components import Components, components_of

# In simulations of nominal, ordinal and interval data, half widths predicted from 20 items were off by 14 to 25 % (root
# mean square), and by a third for twice as many annotators as in the pilot.
TINY_PILOT = 20
# From 50 items they were off by 10 to 16 %, 20 to 25 % for twice as many annotators; from 100, by 10 %, 13 to 19 %.
GOOD_PILOT = 50
# Nobody rates so many items to make an interval narrower, and it ends the search for a width of nearly 0.
MOST_ITEMS = 10_000_000
_LEAST_DEFINED = 0.9
_CELLS_AT_ONCE = 2_000_000
# The half width of 1,000 resamples is off by 3 % by chance alone.
_RESAMPLES = 4_000


@dataclass(frozen=True, slots=True)
class PlannedPrecision:
    """The expected half width of alpha's interval with `n_items` items that `n_raters` annotators rate each.

    `extrapolated` is whether the pilot has fewer items or fewer annotators than that; with `bound` the half width is an
    upper bound, because the pilot has too few annotators on one item to tell more.
    """

    n_items: int
    n_raters: int
    half_width: float | None
    method: str
    extrapolated: bool
    bound: bool = False
    reason: Reason | None = None

    def as_json(self) -> JSONDict:
        return {
            "n_items": self.n_items,
            "n_raters": self.n_raters,
            "half_width": self.half_width,
            "method": self.method,
            "extrapolated": self.extrapolated,
            "bound": self.bound,
            "reason": self.reason.sentence if self.reason else None,
        }


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """Alpha of the pilot, what to expect of other sizes, and what to be careful about, in sentences."""

    alpha: Estimate
    n_items: int
    raters_per_item: float
    rows: tuple[PlannedPrecision, ...]
    cautions: tuple[str, ...]

    def as_json(self) -> JSONDict:
        return {
            "alpha": self.alpha.as_json(),
            "n_items": self.n_items,
            "raters_per_item": self.raters_per_item,
            "rows": [row.as_json() for row in self.rows],
            "cautions": list(self.cautions),
        }


def plan_sample(
    data: ReliabilityData,
    *,
    items: Sequence[int] = (50, 100, 200, 500, 1000),
    raters: Sequence[int] = (2, 3, 4, 5),
    resampling: Resampling | None = None,
    distance: npt.ArrayLike | None = None,
    period: float | None = None,
) -> SamplePlan | Reason:
    """The expected half width for all these numbers of items and annotators an item, from a pilot's data.

    Items: m-out-of-n bootstrap over the pilot's items (Bickel, Götze and van Zwet 1997, Statistica Sinica 7), drawn
    with replacement to the new number, with the factor √(n/(n − 1)) for the pilot's own variance. Annotators: times the
    root of the ratio of variances of an item's influence on alpha (see `Components`). It is assumed that new items and
    annotators are like those of the pilot, and that every item gets the same number of ratings. `distance` and
    `period` as in `krippendorff_alpha`.

    Raises ValueError for numbers of items or annotators below 2.
    """
    resampling = resampling or Resampling(resamples=_RESAMPLES)
    if any(number < 2 for number in (*items, *raters)):
        raise ValueError("A plan needs at least two items and two annotators an item.")
    pilot = _Pilot.of(data, resampling, distance=distance, period=period)
    if isinstance(pilot, Reason):
        return pilot
    widths = {number: pilot.half_width(number) for number in dict.fromkeys(items)}
    rows = tuple(pilot.row(number, k, widths[number]) for k in dict.fromkeys(raters) for number in widths)
    return SamplePlan(
        alpha=krippendorff_alpha(data, resampling=resampling, distance=distance, period=period),
        n_items=pilot.units,
        raters_per_item=pilot.per_item,
        rows=rows,
        cautions=tuple(_cautions(pilot, rows)),
    )


def items_needed(
    data: ReliabilityData,
    *,
    half_width: float,
    n_raters: int | None = None,
    resampling: Resampling | None = None,
    distance: npt.ArrayLike | None = None,
    period: float | None = None,
) -> PlannedPrecision | Reason:
    """The smallest number of items whose interval is expected to have at most this half width; see `plan_sample`.

    `n_raters` is the number of annotators an item, that of the pilot (rounded) if None. Raises ValueError for a half
    width outside 0 to 1, and fewer than two annotators.
    """
    if not 0 < half_width < 1:
        raise ValueError("The half width has to lie between 0 and 1.")
    pilot = _Pilot.of(data, resampling or Resampling(resamples=_RESAMPLES), distance=distance, period=period)
    if isinstance(pilot, Reason):
        return pilot
    k = max(2, round(pilot.per_item)) if n_raters is None else n_raters
    if k < 2:
        raise ValueError("A plan needs at least two annotators an item.")
    number = pilot.units
    # The half width falls with the root of the number of items but for small numbers, so that two steps are enough.
    for _ in range(2):
        row = pilot.row(number, k, pilot.half_width(number))
        if row.half_width is None:
            return row.reason or Reason("no-width", row.method)
        wanted = max(2, math.ceil(number * (row.half_width / half_width) ** 2))
        if wanted > MOST_ITEMS:
            sentence = f"A half width of {half_width:g} would need more than {MOST_ITEMS:,} items."
            return Reason("too-many-items", sentence)
        found = replace(
            row,
            n_items=wanted,
            half_width=row.half_width * math.sqrt(number / wanted),
            extrapolated=wanted > pilot.units or k > pilot.most,
        )
        number = wanted
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Pilot:
    """The pilot's patterns of answers, and the variance of their influences times the number of items."""

    disagreement: Disagreement
    multiplicity: IntArray
    components: Components
    variance: float
    resampling: Resampling
    per_item: float
    most: int

    @classmethod
    def of(
        cls,
        data: ReliabilityData,
        resampling: Resampling,
        *,
        distance: npt.ArrayLike | None,
        period: float | None,
    ) -> _Pilot | Reason:
        reason = comparable(data)
        if reason:
            return reason
        built = weighted_alpha(data, distance=distance, period=period)
        if isinstance(built, Reason):
            return built
        components = components_of(data, distance=distance, period=period)
        if isinstance(components, Reason):
            return components
        rows = patterns_of(built.rows)
        error = built.statistic().standard_error
        if not error or components.two <= 0:
            return Reason(
                "no-variation",
                "Every item of the pilot says the same about agreement, so how precise alpha is cannot be judged.",
            )
        rated = (data.codes != MISSING).sum(axis=0)[data.pairable]
        return cls(
            disagreement=_disagreement(built, rows),
            multiplicity=rows.multiplicity,
            components=components,
            variance=error**2 * rows.n,
            resampling=resampling,
            per_item=float(rated.mean()),
            most=int(rated.max()),
        )

    @property
    def units(self) -> int:
        return int(self.multiplicity.sum())

    def half_width(self, n_items: int) -> float | None:
        """Of the percentile interval with so many items and the pilot's ratings an item; None where it has none."""
        shares = self.multiplicity / self.units
        random = np.random.default_rng(self.resampling.seed)
        step = max(1, _CELLS_AT_ONCE // len(shares))
        values = []
        for start in range(0, self.resampling.resamples, step):
            drawn = random.multinomial(n_items, shares, size=min(step, self.resampling.resamples - start))
            values.append(self.disagreement.alpha(drawn.astype(np.float64)))
        every = np.concatenate(values)
        defined = every[~np.isnan(every)]
        if len(defined) < _LEAST_DEFINED * len(every):
            return None
        tail = (1 - self.resampling.confidence) / 2
        low, high = np.quantile(defined, [tail, 1 - tail])
        return float(high - low) / 2 * math.sqrt(self.units / (self.units - 1))

    def row(self, n_items: int, k: int, half_width: float | None) -> PlannedPrecision:
        variance, bound = self.components.variance(k)
        extrapolated = n_items > self.units or k > self.most
        how = f"resampled from {self.units} items, {self.resampling.resamples} resamples, seed {self.resampling.seed}"
        balanced = self.per_item == self.most == k
        if not balanced:
            how += f"; to {k} annotators an item by components of variance"
        if bound:
            how += ", an upper bound"
        if half_width is None:
            sentence = f"Of {n_items} items drawn from the pilot, too many draws have no variation."
            reason = Reason("no-variation", sentence)
            return PlannedPrecision(n_items, k, None, how, extrapolated, bound, reason)
        if variance <= 0:
            sentence = f"The pilot is too small to tell how precise {k} annotators an item would be."
            reason = Reason("too-few-items", sentence)
            return PlannedPrecision(n_items, k, None, how, extrapolated, bound, reason)
        scaled = half_width if balanced else half_width * math.sqrt(variance / self.variance)
        return PlannedPrecision(n_items, k, scaled, how, extrapolated, bound)


def _disagreement(built: WeightedAlpha, rows: Rows) -> Disagreement:
    return disagreement_of(rows, built.data, distance=built.distance, period=built.period)


def _cautions(pilot: _Pilot, rows: Sequence[PlannedPrecision]) -> list[str]:
    found = []
    if pilot.units < TINY_PILOT:
        found.append(
            f"The pilot has only {pilot.units} items that two annotators rated; the half widths are guesses. "
            f"Rate at least {TINY_PILOT}, better {GOOD_PILOT}, before you rely on them."
        )
    elif pilot.units < GOOD_PILOT:
        found.append(
            f"The pilot has {pilot.units} items; with fewer than {GOOD_PILOT} the half widths may be off by a quarter."
        )
    if any(row.extrapolated for row in rows):
        found.append("More items or annotators than the pilot has are taken to be like those of the pilot.")
    if any(row.n_raters > pilot.most and not row.bound for row in rows):
        found.append(
            f"The half widths for more than the {pilot.most} annotators an item of the pilot are the less certain ones."
        )
    if any(row.bound and row.half_width is not None for row in rows):
        found.append(
            f"At most {pilot.most} annotators rated one item of the pilot; what more of them would gain cannot be "
            "judged in full with fewer than four, so that those half widths are upper bounds."
        )
    return found
