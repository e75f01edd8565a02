"""Layer 2. Which categories are confused with each other, and on which of them raters agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.distances import Metric, comparable, delta, metric_of, points_of, ratings_of
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import Category, FloatArray, display

# A table of pairs of more categories than this says nothing to anybody.
MOST_CATEGORIES = 200


@dataclass(frozen=True, slots=True)
class Confusion:
    """Two categories given to the same items by different raters.

    `coincidences` counts such pairs of ratings, both orders together, each item's pairs weighted by 1/(m − 1) as in
    Krippendorff's coincidence matrix. `share_of_disagreement` is their share of the observed disagreement, weighted by
    δ², from 0 to 1; `ratio_to_chance` the coincidences divided by those expected by chance.
    """

    first: Category
    second: Category
    coincidences: float
    share_of_disagreement: float
    ratio_to_chance: float


@dataclass(frozen=True, slots=True, eq=False)
class CategoryAgreement:
    """The coincidences of all categories (categories × categories, symmetric) and what follows from them.

    `confusions` are the pairs that occur, those with the largest share of the disagreement first; `specific` the
    agreement on each category of `domain`.
    """

    domain: tuple[Category, ...]
    coincidences: FloatArray
    confusions: tuple[Confusion, ...]
    specific: tuple[Estimate, ...]


def category_agreement(
    data: ReliabilityData, *, distance: npt.ArrayLike | None = None, period: float | None = None
) -> CategoryAgreement | Reason:
    """The coincidence matrix (Krippendorff 2019, ch. 12.3), confused pairs and specific agreement, or why not.

    Specific agreement of a category c is o_cc / n_c, the probability that another rater of an item says c given that
    one does. For two raters it is the proportion of specific agreement, 2a / (2a + b + c) (Cicchetti and Feinstein
    1990, J Clin Epidemiol 43); the coincidences carry it to any number of raters and missing ratings.
    """
    reason = comparable(data)
    if reason:
        return reason
    if len(data.domain) > MOST_CATEGORIES:
        sentence = f"{len(data.domain)} categories are too many to compare by pairs; up to {MOST_CATEGORIES} are shown."
        return Reason("too-many-categories", sentence)
    metric = metric_of(data, distance=distance, period=period)
    if isinstance(metric, Reason):
        return metric
    coincidences = coincidence_matrix(data)
    totals = coincidences.sum(axis=1)
    return CategoryAgreement(
        domain=data.domain,
        coincidences=coincidences,
        confusions=_confusions(data.domain, coincidences, difference_table(metric, totals)),
        specific=tuple(_specific(data, coincidences, totals, code) for code in range(len(data.domain))),
    )


def coincidence_matrix(data: ReliabilityData) -> FloatArray:
    """How often two ratings of one item coincide, categories × categories; it sums to the pairable ratings."""
    ratings = ratings_of(data)
    counts = ratings.counts
    share = 1.0 / (ratings.size - 1)[ratings.unit]
    scaled = sparse.csr_array((share, (ratings.unit, ratings.code)), shape=counts.shape)
    with_itself = np.bincount(ratings.code, weights=share, minlength=ratings.n_categories)
    both: FloatArray = np.asarray((scaled.T @ counts).todense(), dtype=np.float64)
    # What is left of a category that only ever met itself once is rounding.
    return np.maximum((both + both.T) / 2 - np.diag(with_itself), 0.0)


def difference_table(metric: Metric, totals: FloatArray) -> FloatArray:
    """δ² between all categories, categories × categories; ordinal data take their mid-ranks from `totals`."""
    points = points_of(metric, totals)
    if points is not None:
        squared: FloatArray = ((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2)
        return squared
    codes = np.arange(len(totals))
    return delta(metric, codes[:, None], codes[None, :])


def _confusions(
    domain: tuple[Category, ...], coincidences: FloatArray, differences: FloatArray
) -> tuple[Confusion, ...]:
    weighted = coincidences * differences
    total = weighted.sum()
    totals = coincidences.sum(axis=1)
    n = totals.sum()
    first, second = np.triu_indices(len(domain), k=1)
    share = 2 * weighted[first, second] / total if total > 0 else np.zeros(len(first))
    both = 2 * coincidences[first, second]
    chance = 2 * totals[first] * totals[second] / (n - 1)
    order = np.lexsort((-both, -np.round(share, 12)))
    return tuple(
        Confusion(
            first=domain[first[pair]],
            second=domain[second[pair]],
            coincidences=float(both[pair]),
            share_of_disagreement=float(share[pair]),
            ratio_to_chance=float(both[pair] / chance[pair]),
        )
        for pair in order
        if both[pair] > 0
    )


def _specific(data: ReliabilityData, coincidences: FloatArray, totals: FloatArray, code: int) -> Estimate:
    n_items, n_raters = int(data.pairable.sum()), len(data.raters)
    if totals[code] <= 0:
        sentence = f"Nobody gave {display(data.domain[code])} to an item that two annotators rated."
        return Estimate(value=None, reason=Reason("unused-category", sentence), n_items=n_items, n_raters=n_raters)
    value = min(1.0, float(coincidences[code, code] / totals[code]))
    return Estimate(value=value, method="specific agreement, o_cc / n_c", n_items=n_items, n_raters=n_raters)
