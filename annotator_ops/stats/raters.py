"""Layer 2. Each rater against the others: agreement, what alpha is without the rater, severity and spread."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.closed_intervals import CONFIDENCE, linear_correlation, mean, rank_correlation
from annotator_ops.stats.dawid_skene import DawidSkene
from annotator_ops.stats.distances import (
    Metric,
    Ratings,
    comparable,
    expected_sums,
    metric_of,
    points_of,
    rating_sums,
    ratings_of,
    same_answers,
)
from annotator_ops.stats.leave_one_out import leave_one_out
from annotator_ops.stats.probability import normal_quantile
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, FloatArray, IntArray

NUMERIC = (Level.ORDINAL, Level.INTERVAL, Level.RATIO)
_ALPHA_WITH = "Krippendorff's alpha of the rater's pairs with the others"


@dataclass(frozen=True, slots=True)
class RaterAgreement:
    """One rater against all others, on the `n_common` items that somebody else rated, too.

    `agreement` is the mean over these items of the share of the others who gave the same answer. `alpha_with_others`
    is alpha of the pairs (rater, another), each item counting once. `alpha_without` is alpha of the data without the
    rater, `alpha_change` alpha of all minus that: above 0 the rater raises agreement. For numbers, against the mean of
    the others on the item: `spearman`, `pearson`, `bias` (mean difference, above 0 where the rater gives more) and
    `spread` (the rater's standard deviation over that of the others' ratings of these items).
    """

    rater: str
    n_ratings: int
    n_common: int
    agreement: Estimate
    alpha_with_others: Estimate
    alpha_without: Estimate
    alpha_change: float | None
    spearman: Estimate
    pearson: Estimate
    bias: Estimate
    spread: Estimate

    def as_json(self) -> JSONDict:
        return {
            "rater": self.rater,
            "n_ratings": self.n_ratings,
            "n_common": self.n_common,
            "agreement": self.agreement.as_json(),
            "alpha_with_others": self.alpha_with_others.as_json(),
            "alpha_without": self.alpha_without.as_json(),
            "alpha_change": self.alpha_change,
            "spearman": self.spearman.as_json(),
            "pearson": self.pearson.as_json(),
            "bias": self.bias.as_json(),
            "spread": self.spread.as_json(),
        }


def rater_agreement(
    data: ReliabilityData,
    *,
    distance: npt.ArrayLike | None = None,
    period: float | None = None,
    confidence: float = CONFIDENCE,
) -> tuple[RaterAgreement, ...]:
    """Every rater against the others, in the order of the data. `distance` and `period` as in `krippendorff_alpha`."""
    ratings = ratings_of(data)
    common = np.bincount(ratings.rater, minlength=len(data.raters))
    alone = _no_others(data, common)
    with_others = _alphas_with_others(data, ratings, distance=distance, period=period)
    alpha, without = leave_one_out(data, distance=distance, period=period)
    shares = (same_answers(ratings) - 1) / (ratings.size[ratings.unit] - 1)
    own = ratings.of_raters(len(data.raters))
    numbers = _Numbers.of(data) if data.level in NUMERIC else None
    found = []
    for row, rater in enumerate(data.raters):
        n = int(common[row])
        reason = alone[row]
        agreement = (
            _none(reason, data, n)
            if reason
            else mean(
                shares[own[row]],
                name="share of the others with the same answer, mean over items",
                confidence=confidence,
                n_raters=len(data.raters),
                bounds=True,
            )
        )
        left = without[row]
        found.append(
            RaterAgreement(
                rater=rater,
                n_ratings=int((data.codes[row] != MISSING).sum()),
                n_common=n,
                agreement=agreement,
                alpha_with_others=_none(reason, data, n) if reason else with_others[row],
                alpha_without=left,
                alpha_change=None if alpha.value is None or left.value is None else alpha.value - left.value,
                **_against_mean(data, numbers, row, n, reason, confidence),
            )
        )
    return tuple(found)


def competence(data: ReliabilityData, model: DawidSkene | Reason) -> tuple[Estimate, ...]:
    """The share of right answers that Dawid and Skene's model expects of each rater: Σ_j p_j π_jj (their notation)."""
    n_items, n_raters = len(data.units), len(data.raters)
    if isinstance(model, Reason):
        return tuple(Estimate(value=None, reason=model, n_items=n_items, n_raters=n_raters) for _ in data.raters)
    method = "share of right answers expected by Dawid and Skene 1979"
    if not model.converged:
        method += f"; not converged after {model.iterations} iterations"
    found = []
    for rater, value, codes in zip(data.raters, model.competence.tolist(), data.codes, strict=True):
        n = int((codes != MISSING).sum())
        if math.isnan(value):
            reason = Reason("no-ratings", f"{rater} gave no rating that has a value.")
            found.append(Estimate(value=None, reason=reason, n_items=n, n_raters=n_raters))
        else:
            found.append(Estimate(value=min(1.0, value), method=method, n_items=n, n_raters=n_raters))
    return tuple(found)


def _no_others(data: ReliabilityData, common: IntArray) -> list[Reason | None]:
    reasons: list[Reason | None] = []
    for rater, codes, n in zip(data.raters, data.codes, common.tolist(), strict=True):
        if n:
            reasons.append(None)
        elif not (codes != MISSING).any():
            reasons.append(Reason("no-ratings", f"{rater} gave no rating that has a value."))
        else:
            reasons.append(Reason("no-overlap", f"Nobody else rated an item that {rater} rated."))
    return reasons


def _alphas_with_others(
    data: ReliabilityData, ratings: Ratings, *, distance: npt.ArrayLike | None, period: float | None
) -> list[Estimate]:
    metric = metric_of(data, distance=distance, period=period)
    reason = metric if isinstance(metric, Reason) else comparable(data)
    n_raters = len(data.raters)
    items = np.bincount(ratings.rater, minlength=n_raters)
    if reason or isinstance(metric, Reason):
        return [Estimate(value=None, reason=reason, n_items=int(n), n_raters=n_raters) for n in items]
    totals = _paired_totals(ratings, n_raters)
    expected = expected_sums(metric, totals)
    others = ratings.size[ratings.unit] - 1
    fixed = None if metric.has_ranks else rating_sums(ratings, metric, ratings.totals()) / others
    counts = ratings.counts
    found = []
    for row, own in enumerate(ratings.of_raters(n_raters)):
        n = len(own)
        if (totals[row] > 1e-9).sum() < 2 or expected[row] <= 0:
            sentence = f"{data.raters[row]} and the others gave one and the same value to their common items."
            found.append(Estimate(value=None, reason=Reason("one-category", sentence), n_items=n, n_raters=n_raters))
            continue
        if fixed is None:
            differences = _rank_sums(ratings, counts, metric, totals[row], own) / others[own]
        else:
            differences = fixed[own]
        size = 2.0 * n
        value = 1 - float(differences.mean()) * size * (size - 1) / float(expected[row])
        found.append(Estimate(value=value, method=_ALPHA_WITH, n_items=n, n_raters=n_raters))
    return found


def _paired_totals(ratings: Ratings, n_raters: int) -> FloatArray:
    """The marginals of each rater's coincidences: own answers, and the others' weighted to one an item."""
    others = 1.0 / (ratings.size[ratings.unit] - 1)
    shape = (n_raters, len(ratings.size))
    weights = sparse.csr_array((others, (ratings.rater, ratings.unit)), shape=shape)
    totals: FloatArray = np.asarray((weights @ ratings.counts).todense(), dtype=np.float64)
    np.add.at(totals, (ratings.rater, ratings.code), 1.0 - others)
    return np.maximum(totals, 0.0)


def _rank_sums(
    ratings: Ratings, counts: sparse.csr_array, metric: Metric, totals: FloatArray, own: IntArray
) -> FloatArray:
    points = points_of(metric, totals)
    if points is None:
        raise ValueError("Only levels with positions come here.")
    rank = points[:, 0]
    unit, mine = ratings.unit[own], rank[ratings.code[own]]
    first, second = (counts @ rank)[unit], (counts @ rank**2)[unit]
    found: FloatArray = ratings.size[unit] * mine**2 - 2 * mine * first + second
    return np.maximum(found, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Numbers:
    """Values (raters × units, NaN where missing), the others' mean and mean square on the unit (NaN without others)."""

    values: FloatArray
    others: FloatArray
    squares: FloatArray

    @classmethod
    def of(cls, data: ReliabilityData) -> _Numbers:
        values = data.values
        if (data.codes != MISSING).any():
            values = values - np.nanmean(values)  # centred, so that the squares lose no digits
        there = ~np.isnan(values)
        filled = np.where(there, values, 0.0)
        others = there.sum(axis=0) - 1
        known = there & (others >= 1)
        sums = (
            np.divide(part.sum(axis=0) - part, others, out=np.full(values.shape, np.nan), where=known)
            for part in (filled, filled**2)
        )
        return cls(values, *sums)


def _against_mean(
    data: ReliabilityData, numbers: _Numbers | None, row: int, n: int, reason: Reason | None, confidence: float
) -> dict[str, Estimate]:
    if numbers is None and reason is None:
        sentence = f"The level is {data.level.value}, which has no mean of the others to compare with."
        reason = Reason("not-numeric", sentence)
    if numbers is None or reason is not None:
        nothing = _none(reason, data, n)
        return {"spearman": nothing, "pearson": nothing, "bias": nothing, "spread": nothing}
    known = ~np.isnan(numbers.others[row])
    own, others = numbers.values[row, known], numbers.others[row, known]
    raters = len(data.raters)
    name = "with the mean of the others"
    steps = ", steps taken as equal" if data.level is Level.ORDINAL else ""
    return {
        "spearman": rank_correlation(own, others, name=name, confidence=confidence, n_raters=raters),
        "pearson": linear_correlation(own, others, name=name + steps, confidence=confidence, n_raters=raters),
        "bias": mean(
            own - others, name=f"mean difference from the others' mean{steps}", confidence=confidence, n_raters=raters
        ),
        "spread": _spread(own, others, numbers.squares[row, known], steps, confidence, raters),
    }


def _spread(
    own: FloatArray, others: FloatArray, squares: FloatArray, steps: str, confidence: float, n_raters: int
) -> Estimate:
    """sd / sd of the others, with a normal interval of its logarithm by the infinitesimal jackknife (Efron 1982)."""
    n = len(own)
    scale = max(1e-300, float(np.abs(own).max()), float(np.sqrt(squares).max()))
    variance = float(own.var())
    pooled = float(squares.mean() - others.mean() ** 2)
    if n < 2 or pooled <= 1e-12 * scale**2:
        sentence = "The others' values do not vary on the common items, so there is no spread to compare with."
        return Estimate(value=None, reason=Reason("constant", sentence), n_items=n, n_raters=n_raters)
    name = f"ratio of standard deviations{steps}"
    if variance <= 1e-12 * scale**2:
        return Estimate(value=0.0, method=f"{name}; no interval: always one value", n_items=n, n_raters=n_raters)
    value = math.sqrt(variance / pooled)
    about = squares - 2 * others.mean() * others + others.mean() ** 2
    influence = ((own - own.mean()) ** 2 / variance - about / pooled) / 2
    error = float(influence.std(ddof=1)) / math.sqrt(n)
    half = normal_quantile((1 + confidence) / 2) * error
    return Estimate(
        value=value,
        low=value * math.exp(-half),
        high=value * math.exp(half),
        confidence=confidence,
        method=f"{name}; normal interval of the logarithm, infinitesimal jackknife over items",
        standard_error=value * error,
        n_items=n,
        n_raters=n_raters,
    )


def _none(reason: Reason | None, data: ReliabilityData, n: int) -> Estimate:
    return Estimate(value=None, reason=reason, n_items=n, n_raters=len(data.raters))
