"""Layer 2. Concordance of more than two raters' orders: Kendall's W and mean correlations of pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.agreement.complete import complete
from annotator_ops.stats.agreement.gwet import dot
from annotator_ops.stats.agreement.joint import Meetings, ranks_of
from annotator_ops.stats.agreement.units import no_value, undefined
from annotator_ops.stats.ranks import mid_ranks
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, FloatArray, IntArray, is_finite_number

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
    ranked = [mid_ranks(row) for row in found.values]
    sums = np.sum([ranks for ranks, _ in ranked], axis=0)
    spread = float(((sums - sums.mean()) ** 2).sum())
    largest = float(m**2 * (n**3 - n))
    name = "Kendall's W"
    if correct_ties:
        largest -= m * sum(float((sizes**3 - sizes).sum()) for _, sizes in ranked)
        name = "Kendall's W, corrected for ties"
    if largest <= 0:
        sentence = "Every rater gave all items one and the same value, so there are no orders to compare."
        return no_value(data, Reason("constant", sentence))
    value = min(1.0, 12 * spread / largest)
    return Estimate(value=value, method=name + found.note, n_items=n, n_raters=m)


def mean_pairwise_pearson_fisher_z(data: ReliabilityData, *, meetings: Meetings | None = None) -> Estimate:
    """The mean of Pearson's r of each two raters on the items that both rated, averaged as Fisher's z.

    Pairs with fewer than three common items, or where one of the two does not vary, have no r, and pairs with r = ±1
    have no finite z; they are left out, as in R irr's `meancor`, and the method says how many. There is no value where
    no pair is left. `meetings` are those of the data, where they are counted already.
    """
    name = "Pearson's r"
    reason = _not_correlated(data, name)
    if reason:
        return no_value(data, reason)
    x = np.array(data.domain, dtype=np.float64)
    found = _correlations(data.codes, meetings or Meetings.of(data), lambda codes, _: x[codes])
    return _mean_correlation(data, found, name)


def mean_pairwise_spearman_fisher_z(data: ReliabilityData, *, meetings: Meetings | None = None) -> Estimate:
    """The mean of Spearman's rho (mid-ranks) of each two raters; as `mean_pairwise_pearson_fisher_z` otherwise."""
    name = "Spearman's rho"
    reason = _not_correlated(data, name)
    if reason:
        return no_value(data, reason)
    meetings = meetings or Meetings.of(data)
    codes = data.codes if meetings.tables is not None else _renumbered(data.codes)
    return _mean_correlation(data, _correlations(codes, meetings, _ranked), name)


# What numbers the codes of a rater stand for, given how often each counts.
_Score = Callable[[IntArray, FloatArray], FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class _Centred:
    """A rater's scores minus their mean, and these times how often each counts; `squares` also without centring."""

    deviations: FloatArray
    counted: FloatArray
    squares: float
    uncentred: float

    @classmethod
    def of(cls, scores: FloatArray, times: FloatArray) -> _Centred:
        deviations = scores - dot(times, scores) / float(times.sum())
        counted = times * deviations
        return cls(deviations, counted, dot(counted, deviations), dot(times, scores**2))

    @property
    def constant(self) -> bool:
        return self.squares <= _ROUNDING * self.uncentred


def _not_correlated(data: ReliabilityData, name: str) -> Reason | None:
    reason = undefined(data)
    if reason is None and not all(is_finite_number(category) for category in data.domain):
        return Reason("not-numeric", f"{name} needs numbers, and these ratings are labels.")
    return reason


def _ranked(codes: IntArray, times: FloatArray) -> FloatArray:
    counts = np.bincount(codes, weights=times).astype(np.float64)
    return ranks_of(counts)[codes]


def _renumbered(codes: IntArray) -> IntArray:
    """The codes of each rater (raters × units) from 0 without gaps in the same order: no more than the rater used."""
    found = np.full_like(codes, MISSING)
    for new, own in zip(found, codes, strict=True):
        present = own != MISSING
        used = np.zeros(int(own.max()) + 1, dtype=np.intp)
        used[own[present]] = 1
        new[present] = (np.cumsum(used) - 1)[own[present]]
    return found


def _correlations(codes: IntArray, meetings: Meetings, score: _Score) -> Iterator[float | None]:
    """The correlation of each two raters in order, None where there is none: from their tables, or unit by unit."""
    if meetings.tables is not None:
        for meeting in meetings:
            yield _correlation(meeting.first, meeting.second, meeting.times, score)
        return
    present = codes != MISSING
    whole: dict[int, _Centred] = {}
    for first, second in meetings.raters:
        if (present[first] != present[second]).any():
            both = present[first] & present[second]
            yield _correlation(codes[first, both], codes[second, both], np.ones(int(both.sum())), score)
            continue
        # All that each of them rated: what was computed for one pair holds for the next.
        n = int(present[first].sum())
        for rater in (first, second):
            if rater not in whole and n:
                times = np.ones(n)
                whole[rater] = _Centred.of(score(codes[rater, present[rater]], times), times)
        yield None if n < _LEAST_CORRELATED else _product_moment(whole[first], whole[second])


def _correlation(first: IntArray, second: IntArray, times: FloatArray, score: _Score) -> float | None:
    if times.sum() < _LEAST_CORRELATED:
        return None
    return _product_moment(*(_Centred.of(score(codes, times), times) for codes in (first, second)))


def _product_moment(x: _Centred, y: _Centred) -> float | None:
    if x.constant or y.constant:
        return None
    return max(-1.0, min(1.0, dot(x.counted, y.deviations) / math.sqrt(x.squares * y.squares)))


def _mean_correlation(data: ReliabilityData, correlations: Iterable[float | None], name: str) -> Estimate:
    transformed: list[float] = []
    undefined_pairs = perfect = 0
    for r in correlations:
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


def _pairs(count: int) -> str:
    return f"{count:,} pair" if count == 1 else f"{count:,} pairs"
