"""Layer 2. Which items are disagreed on: each item's own part of the observed disagreement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Reason
from annotator_ops.stats.distances import comparable, expected_sums, metric_of, rating_sums, ratings_of
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, FloatArray, IntArray

# Disagreements that differ by less, relative to the largest, differ by the order of additions only: a tie.
_TIE_DIGITS = 12


@dataclass(frozen=True, slots=True, eq=False)
class ItemDisagreement:
    """How much each item's ratings disagree; all arrays have shape units, in the order of the data.

    `disagreement` is the mean δ² over the item's pairs of ratings divided by the expected disagreement of the whole
    data: 0 where all agree, 1 where the item's ratings are as far apart as ratings drawn at random from the data; NaN
    for items with fewer than two ratings. `weight` is the item's share of all pairable ratings (0 for such items), so
    that Krippendorff's alpha = 1 − Σ weight × disagreement. `n_ratings` counts what is there.
    """

    units: tuple[str, ...]
    disagreement: FloatArray
    weight: FloatArray
    n_ratings: IntArray

    @property
    def alpha(self) -> float:
        """Krippendorff's alpha of the data, from the sum over items."""
        rated = self.weight > 0
        return float(1 - self.weight[rated] @ self.disagreement[rated])

    def ranking(self, *, most: int | None = None) -> tuple[int, ...]:
        """Positions of the items that can be compared, the most disagreed first; ties in the order of the data."""
        rated = np.flatnonzero(self.weight > 0)
        values = self.disagreement[rated]
        scale = float(values.max(initial=0.0)) or 1.0
        order = rated[np.argsort(-np.round(values / scale, _TIE_DIGITS), kind="stable")]
        return tuple(int(position) for position in order[:most])


def item_disagreement(
    data: ReliabilityData, *, distance: npt.ArrayLike | None = None, period: float | None = None
) -> ItemDisagreement | Reason:
    """Each item's part of the observed disagreement, at every level of measurement, or why there is none.

    It rests on alpha being additive over units (Krippendorff 2019, Content Analysis, ch. 12): with m_u ratings on item
    u, n = Σ m_u and d_u the mean δ² over the pairs of item u, D_o = Σ (m_u / n) d_u and alpha = 1 − D_o / D_e.
    `distance` and `period` as in `krippendorff_alpha`. Raises ValueError for a table of distances of another shape.
    """
    reason = comparable(data)
    if reason:
        return reason
    metric = metric_of(data, distance=distance, period=period)
    if isinstance(metric, Reason):
        return metric
    ratings = ratings_of(data)
    totals = ratings.totals()
    n = totals.sum()
    expected = float(expected_sums(metric, totals[None, :])[0]) / (n * (n - 1))
    if expected <= 0:
        return Reason("no-distance", "All categories that were used count as equal under this distance.")
    sums = np.bincount(ratings.unit, weights=rating_sums(ratings, metric, totals), minlength=len(ratings.size))
    disagreement = np.full(len(data.units), np.nan)
    disagreement[ratings.position] = sums / (ratings.size * (ratings.size - 1)) / expected
    weight = np.zeros(len(data.units))
    weight[ratings.position] = ratings.size / n
    return ItemDisagreement(
        units=data.units,
        disagreement=disagreement,
        weight=weight,
        n_ratings=(data.codes != MISSING).sum(axis=0),
    )
