"""Layer 2. Trust or escalate: the confidence from which a judge may stand in for people, so that a guarantee holds.

Jung, Brahman and Choi 2024 (arXiv 2407.18370). A judge is trusted on an item where its confidence is at least λ; λ is
chosen so that, with probability at least 1 − δ over the items it was chosen on, the judge disagrees with people on at
most a share α of all items on which it is trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.closed_intervals import share
from annotator_ops.stats.judges.scores import mean_of
from annotator_ops.stats.probability import beta_quantile
from annotator_ops.stats.values import BoolArray, FloatArray, IntArray

# With fewer items at or above a threshold nothing is tested there.
LEAST_ITEMS = 30
GRID_POINTS = 5000
# The code of an item on which no judge is trusted.
NOBODY = -1
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which confidence one judge is trusted. `value` None: it always abstains, and `reason` says why.

    `n_reached` items of the calibration part came to it, of which `n_confident` have a score and a confidence of it;
    `n_trusted` of these are at or above the threshold and it disagrees with people on `disagreements` of them. `bound`
    is the upper bound of its risk there, at probability 1 − `delta`; of a judge that abstains, at the first threshold
    that was tested, if any.
    """

    value: float | None
    delta: float
    n_reached: int
    n_confident: int
    n_trusted: int = 0
    disagreements: int = 0
    bound: float | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What thresholds do on some items: the share on which a judge is trusted, and how often it then agrees."""

    coverage: Estimate
    agreement: Estimate


def default_grid() -> FloatArray:
    """The thresholds that are tried: 5,000 from 0 to 1, equally far apart, whatever the data are."""
    return np.linspace(0.0, 1.0, GRID_POINTS, dtype=np.float64)


def upper_bound(disagreements: npt.ArrayLike, n: npt.ArrayLike, *, delta: float) -> FloatArray:
    """The risk R⁺ that is not exceeded with probability 1 − δ, given so many disagreements on n items; any one shape.

    The one-sided interval of Clopper and Pearson 1934 (Biometrika 26): the 1 − δ quantile of the beta distribution with
    k + 1 and n − k; 1 where all disagree, or where there is no item.
    """
    k, size = np.broadcast_arrays(np.asarray(disagreements, dtype=np.float64), np.asarray(n, dtype=np.float64))
    bound: FloatArray = np.ones(k.shape)
    some = k < size
    bound[some] = beta_quantile(1 - delta, k[some] + 1, size[some] - k[some])
    return bound


def calibrate(
    confidence: FloatArray, agrees: BoolArray, *, alpha: float, delta: float, grid: FloatArray | None = None
) -> Threshold:
    """One judge's threshold, by the strict rule; both arrays have the shape items, NaN is no confidence.

    Over the grid from the highest λ down, as long as λ has the upper bound R⁺(λ) ≤ α; the last of these is taken. Only
    λ with at least 30 items at or above it are tested. **If the first of them fails, the judge always abstains.**

    Why that keeps the promise: for a λ that was fixed beforehand, the number of disagreements among its n(λ) items is
    binomial with the risk at λ, so a λ whose risk is above α passes with probability at most δ. The scan stops at the
    first that fails, so an error needs that the first λ of too high a risk passes: δ in all, however many are tested
    (fixed sequence testing; Bauer 1991, Stat Med 10).

    Where the scan begins depends on the confidences, through n(λ) ≥ 30, but never on who agreed. That costs nothing
    where risk does not rise with confidence: the scan begins lower where few items are sure, and those that were
    missing above are the less risky ones. For a judge that is wrong most often where it is surest it is not exact; in
    the tests' simulations the promise holds there, too. A λ that is taken though it failed, because no other is left,
    promises nothing; neither does a grid that was made after a look at the labels.
    """
    if len(confidence) != len(agrees):
        raise ValueError(f"{len(confidence)} confidences do not fit {len(agrees)} agreements.")
    known = ~np.isnan(confidence)
    n_reached, n_confident = len(confidence), int(known.sum())

    def abstains(code: str, sentence: str, bound: float | None = None) -> Threshold:
        reason = Reason(code, sentence)
        return Threshold(None, delta, n_reached, n_confident, bound=bound, reason=reason)

    order = np.argsort(-confidence[known], kind="stable")
    sure = confidence[known][order]
    wrong = np.concatenate([[0], np.cumsum(~agrees[known][order])])
    thresholds = np.sort(default_grid() if grid is None else grid)[::-1]
    n = np.searchsorted(-sure, -thresholds, side="right")
    thresholds, n = thresholds[n >= LEAST_ITEMS], n[n >= LEAST_ITEMS]
    if not len(n):
        counted = f"{n_confident} of {n_reached} items have"
        return abstains("too-few-items", f"{counted} a confidence of this judge; {LEAST_ITEMS} are needed at least.")
    sizes, place = np.unique(n, return_inverse=True)  # many λ have the same items
    bounds = upper_bound(wrong[sizes], sizes, delta=delta)[place]
    failed = np.flatnonzero(bounds > alpha)
    last = int(failed[0]) - 1 if len(failed) else len(n) - 1
    if last < 0:
        tested = f"On the {n[0]} items of which it is surest it disagrees with people on {wrong[n[0]]}"
        limit = f"its risk there may be as high as {bounds[0]:.3f}, and {alpha:g} is allowed."
        return abstains("first-fails", f"{tested}; {limit}", float(bounds[0]))
    return Threshold(
        value=float(thresholds[last]),
        delta=delta,
        n_reached=n_reached,
        n_confident=n_confident,
        n_trusted=int(n[last]),
        disagreements=int(wrong[n[last]]),
        bound=float(bounds[last]),
    )


def calibrate_cascade(
    confidence: FloatArray,
    agrees: BoolArray,
    *,
    alpha: float,
    delta: float,
    split: bool = True,
    grid: FloatArray | None = None,
) -> tuple[Threshold, ...]:
    """Thresholds of several judges, asked in the order of the rows; both arrays have the shape judges × items.

    Each is calibrated on what all before it abstained on. With `split` each has δ / (number of judges), so that by the
    union bound all hold together with probability 1 − δ, and so does the whole cascade, whose risk is a mean of theirs;
    without, each holds with 1 − δ alone. Which items reach a judge depends on who agreed, through the thresholds before
    it, and the bound takes them as given; the tests simulate judges that fail together, apart, and independently.
    """
    left = np.ones(confidence.shape[1], dtype=np.bool_)
    own_delta = delta / max(len(confidence), 1) if split else delta
    thresholds = []
    for own, right in zip(confidence, agrees, strict=True):
        threshold = calibrate(own[left], right[left], alpha=alpha, delta=own_delta, grid=grid)
        thresholds.append(threshold)
        left &= ~_trusted(own, threshold.value)
    return tuple(thresholds)


def decide(confidence: FloatArray, thresholds: Sequence[float | None]) -> IntArray:
    """The first judge (row of `confidence`, judges × items) that is trusted on each item; NOBODY (−1) for people."""
    chosen: IntArray = np.full(confidence.shape[1], NOBODY, dtype=np.intp)
    for row, (own, value) in enumerate(zip(confidence, thresholds, strict=True)):
        chosen[(chosen == NOBODY) & _trusted(own, value)] = row
    return chosen


def outcome(agrees: BoolArray, chosen: IntArray) -> Outcome:
    """Coverage and agreement of `decide`'s choices on items whose truth is known; `agrees` is judges × items.

    With Wilson's interval. Undefined, with a reason, on no items, or where no judge is trusted on any.
    """
    n, trusted = len(chosen), np.flatnonzero(chosen != NOBODY)
    if not n:
        nothing = Estimate(value=None, reason=Reason("no-items", "There is no item to measure it on."))
        return Outcome(nothing, nothing)
    coverage = share(len(trusted), n, name="share of items on which a judge is trusted")
    if not len(trusted):
        reason = Reason("always-abstains", "No judge is trusted on any of these items.")
        return Outcome(coverage, Estimate(value=None, reason=reason))
    right = int(agrees[chosen[trusted], trusted].sum())
    return Outcome(coverage, share(right, len(trusted), name="share of these on which it agrees with people"))


def shares_asked(confidence: FloatArray, thresholds: Sequence[float | None]) -> tuple[float, ...]:
    """Of each judge, the share of the items on which it is asked: all on which those before it are not trusted.

    A judge that always abstains is not asked at all. Empty of items: 0.
    """
    chosen = decide(confidence, thresholds)
    n = max(len(chosen), 1)
    return tuple(
        0.0 if value is None else int(((chosen == NOBODY) | (chosen >= row)).sum()) / n
        for row, value in enumerate(thresholds)
    )


def near_mean(human: FloatArray, judge: FloatArray, *, within: float) -> FloatArray:
    """1 where the judge's score is at most `within` from the mean of the people's, 0 where not, NaN where unknown.

    `human` is people × items, `judge` has the shape items or judges × items, which is that of the result. Distances
    that differ from `within` by rounding are within.
    """
    means = mean_of(human)
    apart = np.abs(judge - means)
    rounding = _SAME * max(within, float(np.nan_to_num(np.abs(means)).max(initial=0.0)))
    near = (apart <= within + rounding).astype(np.float64)
    return np.where(np.isnan(apart), np.nan, near)


def same_category(category: FloatArray, judge: FloatArray) -> FloatArray:
    """1 where the judge gave the people's category, 0 where another, NaN where either is unknown; shape as `judge`."""
    known = ~np.isnan(category) & ~np.isnan(judge)
    return np.where(known, (category == judge).astype(np.float64), np.nan)


def _trusted(confidence: FloatArray, value: float | None) -> BoolArray:
    if value is None:
        return np.zeros(confidence.shape, dtype=np.bool_)
    trusted: BoolArray = confidence >= value  # never where it is NaN
    return trusted
