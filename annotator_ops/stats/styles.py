"""Layer 2. How a rater answers, whatever the item: use of the categories, and runs of identical answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.distances import Ratings, ratings_of
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, Category, FloatArray, IntArray

# The entropy of sliders says how finely they can be set, and nothing about the rater.
MOST_CATEGORIES = 50
# A few answers of one moment change no run elsewhere; more of them, and there is no order to speak of.
MOST_TIED = 0.05
# Up to here the distribution of a count is computed as it is. Above, its normal approximation decides the same: an
# excess that anybody would speak of is many standard deviations.
MOST_EXACT = 1000


@dataclass(frozen=True, slots=True)
class AnsweringStyle:
    """One rater's use of the categories.

    `entropy` is in bits, `relative_entropy` its share of the largest possible, log2 of the number of categories.
    What follows is of the `n_common` items that somebody else rated, too: `modal` is the most frequent answer (several
    where they tie), `modal_share` its share of the rater's answers, and `modal_share_of_others` the share of this
    answer (all of the tied together) among the others' ratings, mean over the items; the shares are None without common
    items. `modal_probability` is at most how probable it is that any answer is that frequent if on each item the
    rater's answer were any one of those given, the rater's own included; None where several tie.

    `longest_run` is the length of the longest run of identical answers in the order of time, `run_answer` that
    answer, and `run_probability` the probability of a run at least as long among independent answers with the rater's
    own shares; the three are None, with a reason, where the order is not known.
    """

    rater: str
    n_ratings: int
    entropy: Estimate
    relative_entropy: Estimate
    n_common: int
    modal: tuple[Category, ...]
    modal_share: float | None
    modal_share_of_others: float | None
    modal_probability: float | None
    longest_run: int | None
    run_answer: Category | None
    run_probability: float | None
    run_reason: Reason | None

    def as_json(self) -> JSONDict:
        return {
            "rater": self.rater,
            "n_ratings": self.n_ratings,
            "entropy": self.entropy.as_json(),
            "relative_entropy": self.relative_entropy.as_json(),
            "n_common": self.n_common,
            "modal": list(self.modal),
            "modal_share": self.modal_share,
            "modal_share_of_others": self.modal_share_of_others,
            "modal_probability": self.modal_probability,
            "longest_run": self.longest_run,
            "run_answer": self.run_answer,
            "run_probability": self.run_probability,
            "run_reason": self.run_reason.sentence if self.run_reason else None,
        }


def answering_styles(data: ReliabilityData, *, moments: FloatArray | None = None) -> tuple[AnsweringStyle, ...]:
    """Every rater's style, in the order of the data. `moments` (raters × units) are seconds since the epoch, or NaN."""
    ratings = ratings_of(data)
    own = ratings.of_raters(len(data.raters))
    return tuple(_style(data, row, ratings, own[row], moments) for row in range(len(data.raters)))


def longest_run(codes: IntArray) -> tuple[int, int]:
    """The length of the longest run of equal codes and the code; the first of several. Raises ValueError for none."""
    if not len(codes):
        raise ValueError("There are no answers to look for runs in.")
    start, length = _longest(codes)
    return length, int(codes[start])


def run_probability(shares: FloatArray, n: int, length: int) -> float:
    """The probability of a run of at least `length` identical answers among `n` independent ones with these `shares`.

    The number of places where such a run begins is nearly Poisson (Arratia, Goldstein and Gordon 1990, Statistical
    Science 5(4)), with the mean Σ_c p_c^L ((n − L)(1 − p_c) + 1); hence 1 − exp(−mean). Exact where only one category
    is used. It is a few hundredths off for common runs and accurate for rare ones, which are those that matter.
    """
    if length <= 1 or float(shares.max()) >= 1.0:
        return 1.0 if length <= n else 0.0
    if length > n:
        return 0.0
    begins = float((shares**length * ((n - length) * (1 - shares) + 1)).sum())
    return -math.expm1(-begins)


def count_probability(chances: FloatArray, count: int) -> float:
    """The probability of at least `count` events among independent ones with these `chances` (shape events).

    The distribution is Poisson's binomial one, computed as the convolution of a binomial for each distinct chance;
    for more than MOST_EXACT uncertain events it is the normal approximation with a continuity correction.
    """
    uncertain = chances[(chances > 0) & (chances < 1)]
    needed = count - int((chances >= 1).sum())
    if needed <= 0:
        return 1.0
    if needed > len(uncertain):
        return 0.0
    if len(uncertain) > MOST_EXACT:
        deviation = math.sqrt(float((uncertain * (1 - uncertain)).sum()))
        return float(special.ndtr((float(uncertain.sum()) - needed + 0.5) / deviation))
    distribution: FloatArray = np.ones(1)
    for chance, n in zip(*np.unique(uncertain, return_counts=True), strict=True):
        distribution = np.convolve(distribution, _binomial(int(n), float(chance))).astype(np.float64)
    return min(1.0, float(distribution[needed:].sum()))


def in_order(codes: IntArray, moments: FloatArray) -> IntArray:
    """Positions of the units that have a value and a moment, the earliest first; ties in the order of the data."""
    known = np.flatnonzero((codes != MISSING) & ~np.isnan(moments))
    return known[np.argsort(moments[known], kind="stable")]


def no_order(rater: str, moments: FloatArray, order: IntArray) -> Reason | None:
    """Why the order in which a rater answered is not known; None where it is."""
    if len(order) < 2:
        return Reason("no-times", f"It is not known when {rater} answered, hence not in what order.")
    if float(np.ptp(moments[order])) == 0.0:
        return Reason("no-times", f"All answers of {rater} bear the same time, so their order is not known.")
    return None


def _style(
    data: ReliabilityData, row: int, ratings: Ratings, common: IntArray, moments: FloatArray | None
) -> AnsweringStyle:
    own = data.codes[row, data.codes[row] != MISSING]
    entropy, relative = _entropy(data, row, np.bincount(own, minlength=len(data.domain)))
    modal, mine, others, chance = _modal(data, ratings, common)
    length, answer, probability, reason = _run(data, row, moments)
    return AnsweringStyle(
        rater=data.raters[row],
        n_ratings=len(own),
        entropy=entropy,
        relative_entropy=relative,
        n_common=len(common),
        modal=modal,
        modal_share=mine,
        modal_share_of_others=others,
        modal_probability=chance,
        longest_run=length,
        run_answer=answer,
        run_probability=probability,
        run_reason=reason,
    )


def _entropy(data: ReliabilityData, row: int, counts: IntArray) -> tuple[Estimate, Estimate]:
    n, categories = int(counts.sum()), len(data.domain)
    rater = data.raters[row]
    reason = None
    if not n:
        reason = Reason("no-ratings", f"{rater} gave no rating that has a value.")
    elif categories > MOST_CATEGORIES:
        sentence = f"{categories} distinct values are no categories, and their entropy says nothing about the rater."
        reason = Reason("too-many-categories", sentence)
    if reason:
        nothing = Estimate(value=None, reason=reason, n_items=n, n_raters=1)
        return nothing, nothing
    p = counts[counts > 0] / n
    bits = max(0.0, -math.fsum(p * np.log2(p)))
    entropy = Estimate(value=bits, method="entropy of own answers, bits (Shannon 1948)", n_items=n, n_raters=1)
    if categories < 2:
        only = Reason("one-category", "There is only one category, so there is nothing to choose between.")
        return entropy, Estimate(value=None, reason=only, n_items=n, n_raters=1)
    method = f"entropy over its maximum, log2 {categories}"
    return entropy, Estimate(value=min(1.0, bits / math.log2(categories)), method=method, n_items=n, n_raters=1)


def _modal(
    data: ReliabilityData, ratings: Ratings, common: IntArray
) -> tuple[tuple[Category, ...], float | None, float | None, float | None]:
    """The most frequent answer on the common items, its share, that among the others, and its probability.

    Interchangeable raters have each of an item's answers with equal probability, so the count of one answer is a sum
    of independent events. The answer was chosen for being frequent: hence Bonferroni over all answers given there.
    """
    if not len(common):
        return (), None, None, None
    own, unit = ratings.code[common], ratings.unit[common]
    size = ratings.size[unit]
    counts = np.bincount(own, minlength=len(data.domain))
    highest = int(counts.max())
    chosen = counts == highest
    begin = np.cumsum(size) - size
    codes = ratings.code[np.arange(int(size.sum())) + np.repeat(ratings.start[unit] - begin, size)]
    given = np.add.reduceat(chosen[codes].astype(np.intp), begin)
    others = float(((given - chosen[own]) / (size - 1)).mean())
    modal = tuple(data.domain[code] for code in np.flatnonzero(chosen))
    probability = None
    if len(modal) == 1:
        different = int(np.count_nonzero(np.bincount(codes)))
        probability = min(1.0, different * count_probability(given / size, highest))
    return modal, highest / len(common), others, probability


def _binomial(n: int, p: float) -> FloatArray:
    """The probabilities of 0 to n successes."""
    successes = np.arange(n + 1)
    logs = special.gammaln(n + 1) - special.gammaln(successes + 1) - special.gammaln(n - successes + 1)
    probabilities: FloatArray = np.exp(logs + successes * math.log(p) + (n - successes) * math.log1p(-p))
    return probabilities


def _run(
    data: ReliabilityData, row: int, moments: FloatArray | None
) -> tuple[int | None, Category | None, float | None, Reason | None]:
    if moments is None:
        return None, None, None, Reason("no-times", "It is not known when the annotators answered.")
    order = in_order(data.codes[row], moments[row])
    reason = no_order(data.raters[row], moments[row], order)
    if reason:
        return None, None, None, reason
    codes = data.codes[row, order]
    reason = _tied(data.raters[row], codes, moments[row, order])
    if reason:
        return None, None, None, reason
    length, code = longest_run(codes)
    shares = np.bincount(codes, minlength=len(data.domain)) / len(codes)
    return length, data.domain[code], run_probability(shares, len(codes), length), None


def _longest(codes: IntArray) -> tuple[int, int]:
    """Where the longest run of equal codes starts, and its length; the first of several."""
    starts = np.flatnonzero(np.diff(codes, prepend=codes[0] - 1))
    lengths = np.diff(starts, append=len(codes))
    longest = int(np.argmax(lengths))
    return int(starts[longest]), int(lengths[longest])


def _tied(rater: str, codes: IntArray, moments: FloatArray) -> Reason | None:
    """Why answers of the same moment, in the order of time, leave runs unknown; None where they do not.

    Equal answers of one moment can be exchanged without changing any run. Different ones cannot.
    """
    moment = np.cumsum(np.diff(moments, prepend=-math.inf) > 0) - 1
    starts = np.searchsorted(moment, np.arange(int(moment[-1]) + 1))
    mixed = np.maximum.reduceat(codes, starts) > np.minimum.reduceat(codes, starts)
    unknown = mixed[moment]
    n_unknown = int(unknown.sum())
    if n_unknown > MOST_TIED * len(codes):
        sentence = (
            f"{n_unknown} of {len(codes)} answers of {rater} bear the same time as a different answer, so their order "
            "is not known. Give finer times."
        )
        return Reason("no-times", sentence)
    start, length = _longest(codes)
    # An answer next to the run may belong to it.
    if unknown[max(0, start - 1) : start + length + 1].any():
        sentence = (
            f"The longest run of {rater} has or meets answers that bear the same time as a different answer, so its "
            "length is not known. Give finer times."
        )
        return Reason("no-times", sentence)
    return None
