"""Layer 2. How a rater answers, whatever the item: use of the categories, and runs of identical answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, BoolArray, Category, FloatArray, IntArray

# The entropy of sliders says how finely they can be set, and nothing about the rater.
MOST_CATEGORIES = 50


@dataclass(frozen=True, slots=True)
class AnsweringStyle:
    """One rater's use of the categories.

    `entropy` is in bits, `relative_entropy` its share of the largest possible, log2 of the number of categories.
    `modal` is the most frequent answer (several where they tie), `modal_share` its share of the rater's answers, and
    `modal_share_of_others` the share of this answer (all of the tied together) among the others' ratings of the same
    items. `longest_run` is the length of the longest run of identical answers in the order of time, `run_answer` that
    answer, and `run_probability` the probability of a run at least as long among independent answers with the rater's
    own shares; the three are None, with a reason, where no times are known.
    """

    rater: str
    n_ratings: int
    entropy: Estimate
    relative_entropy: Estimate
    modal: tuple[Category, ...]
    modal_share: float | None
    modal_share_of_others: float | None
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
            "modal": list(self.modal),
            "modal_share": self.modal_share,
            "modal_share_of_others": self.modal_share_of_others,
            "longest_run": self.longest_run,
            "run_answer": self.run_answer,
            "run_probability": self.run_probability,
            "run_reason": self.run_reason.sentence if self.run_reason else None,
        }


def answering_styles(data: ReliabilityData, *, moments: FloatArray | None = None) -> tuple[AnsweringStyle, ...]:
    """Every rater's style, in the order of the data. `moments` (raters × units) are seconds since the epoch, or NaN."""
    rated = data.codes != MISSING
    size = rated.sum(axis=0)
    return tuple(_style(data, row, rated, size, moments) for row in range(len(data.raters)))


def longest_run(codes: IntArray) -> tuple[int, int]:
    """The length of the longest run of equal codes and the code; the first of several. Raises ValueError for none."""
    if not len(codes):
        raise ValueError("There are no answers to look for runs in.")
    starts = np.flatnonzero(np.diff(codes, prepend=codes[0] - 1))
    lengths = np.diff(starts, append=len(codes))
    longest = int(np.argmax(lengths))
    return int(lengths[longest]), int(codes[starts[longest]])


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
    data: ReliabilityData, row: int, rated: BoolArray, size: IntArray, moments: FloatArray | None
) -> AnsweringStyle:
    own = data.codes[row, rated[row]]
    counts = np.bincount(own, minlength=len(data.domain))
    entropy, relative = _entropy(data, row, counts)
    modal = np.flatnonzero(counts == counts.max(initial=0)) if len(own) else np.zeros(0, dtype=np.intp)
    length, answer, probability, reason = _run(data, row, moments)
    return AnsweringStyle(
        rater=data.raters[row],
        n_ratings=len(own),
        entropy=entropy,
        relative_entropy=relative,
        modal=tuple(data.domain[code] for code in modal),
        modal_share=int(counts.max()) / len(own) if len(own) else None,
        modal_share_of_others=_among_others(data, row, rated, size, modal),
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


def _among_others(data: ReliabilityData, row: int, rated: BoolArray, size: IntArray, modal: IntArray) -> float | None:
    common = rated[row] & (size >= 2)
    others = int((size[common] - 1).sum())
    if not others:
        return None
    codes = data.codes[:, common]
    chosen = np.zeros(len(data.domain) + 1, dtype=np.intp)  # the last entry is for MISSING
    chosen[modal] = 1
    return int(chosen[codes].sum() - chosen[codes[row]].sum()) / others


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
    length, code = longest_run(codes)
    shares = np.bincount(codes, minlength=len(data.domain)) / len(codes)
    return length, data.domain[code], run_probability(shares, len(codes), length), None
