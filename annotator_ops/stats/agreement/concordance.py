"""Layer 2. Concordance of more than two raters' orders: Kendall's W and mean correlations of pairs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.agreement.complete import complete
from annotator_ops.stats.agreement.units import no_value, undefined
from annotator_ops.stats.reliability import FloatArray, ReliabilityData
from annotator_ops.stats.values import is_finite_number

_LEAST_CORRELATED = 3
# An |r| closer to 1 than this is 1 but for rounding; the variance of ranks or values below this share is 0.
_ROUNDING = 1e-12


def kendall_w(data: ReliabilityData, *, correct_ties: bool = True) -> Estimate:
    """Kendall's coefficient of concordance (Kendall and Babington Smith 1939) of the orders that raters give the items.

    W = 12 S / (m²(n³ − n) − m Σ(t³ − t)), S the sum of squares of the items' rank sums about their mean, m raters, n
    items, t the sizes of ties (Kendall 1970, Rank Correlation Methods, 4th ed., ch. 6); without `correct_ties` the last
    term is left out, and W cannot reach 1 where there are ties. Only items that every rater rated count.
    """
    found = complete(data, coefficient="Kendall's W")
    if isinstance(found, Reason):
        return no_value(data, found)
    m, n = found.values.shape
    ranks = stats.rankdata(found.values, axis=1)
    sums = ranks.sum(axis=0)
    spread = float(((sums - sums.mean()) ** 2).sum())
    largest = float(m**2 * (n**3 - n))
    name = "Kendall's W"
    if correct_ties:
        ties = [np.unique(row, return_counts=True)[1].astype(np.float64) for row in found.values]
        largest -= m * sum(float((t**3 - t).sum()) for t in ties)
        name = "Kendall's W, corrected for ties"
    if largest <= 0:
        sentence = "Every rater gave all items one and the same value, so there are no orders to compare."
        return no_value(data, Reason("constant", sentence))
    value = min(1.0, 12 * spread / largest)
    return Estimate(value=value, method=name + found.note, n_items=n, n_raters=m)


def mean_pairwise_pearson_fisher_z(data: ReliabilityData) -> Estimate:
    """The mean of Pearson's r of each two raters on the items that both rated, averaged as Fisher's z.

    Pairs with fewer than three common items, or where one of the two does not vary, have no r, and pairs with r = ±1
    have no finite z; they are left out, as in R irr's `meancor`, and the method says how many. There is no value where
    no pair is left.
    """
    return _mean_correlation(data, lambda x: x, "Pearson's r")


def mean_pairwise_spearman_fisher_z(data: ReliabilityData) -> Estimate:
    """The mean of Spearman's rho (mid-ranks) of each two raters; as `mean_pairwise_pearson_fisher_z` otherwise."""
    return _mean_correlation(data, lambda x: np.asarray(stats.rankdata(x), dtype=np.float64), "Spearman's rho")


def _mean_correlation(data: ReliabilityData, scores: Callable[[FloatArray], FloatArray], name: str) -> Estimate:
    reason = undefined(data)
    if reason:
        return no_value(data, reason)
    if not all(is_finite_number(category) for category in data.domain):
        return no_value(data, Reason("not-numeric", f"{name} needs numbers, and these ratings are labels."))
    values = data.values
    transformed: list[float] = []
    undefined_pairs = perfect = 0
    for first in range(len(values) - 1):
        for second in range(first + 1, len(values)):
            both = ~(np.isnan(values[first]) | np.isnan(values[second]))
            r = _pearson(scores(values[first, both]), scores(values[second, both]))
            if r is None:
                undefined_pairs += 1
            elif 1 - abs(r) <= _ROUNDING:
                perfect += 1
            else:
                transformed.append(math.atanh(r))
    if not transformed:
        if perfect:
            sentence = (
                f"Each two raters who can be correlated have {name} = 1 or −1, of which Fisher's z is infinite, so the "
                "mean of z is not defined."
            )
            return no_value(data, Reason("perfect-correlations", sentence))
        sentence = "No two raters have three items in common on which both vary, so there is no correlation to average."
        return no_value(data, Reason("no-pairs", sentence))
    method = f"mean {name} of {_pairs(len(transformed))} by Fisher's z"
    if undefined_pairs:
        method += f"; {_pairs(undefined_pairs)} undefined left out"
    if perfect:
        method += f"; {_pairs(perfect)} with ±1 left out"
    value = math.tanh(math.fsum(transformed) / len(transformed))
    return Estimate(value=value, method=method, n_items=int(data.pairable.sum()), n_raters=len(data.raters))


def _pearson(x: FloatArray, y: FloatArray) -> float | None:
    if len(x) < _LEAST_CORRELATED:
        return None
    dx, dy = x - x.mean(), y - y.mean()
    squares = float(dx @ dx), float(dy @ dy)
    if any(own <= _ROUNDING * float(z @ z) for own, z in zip(squares, (x, y), strict=True)):
        return None
    return max(-1.0, min(1.0, float(dx @ dy) / math.sqrt(squares[0] * squares[1])))


def _pairs(count: int) -> str:
    return f"{count:,} pair" if count == 1 else f"{count:,} pairs"
