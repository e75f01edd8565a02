"""Layer 2. How long each rater takes, which answers came very fast, and whether a rater drifts over time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.closed_intervals import CONFIDENCE, rank_correlation, share
from annotator_ops.stats.distances import ratings_of, same_answers
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.styles import in_order, no_order
from annotator_ops.stats.values import MISSING, FloatArray, IntArray

# Survey research calls respondents fast who need a small part of the median time (Greszki, Meyer and Schoen 2015,
# Public Opinion Quarterly 79(2), go down to half of it); a third errs on the side of the annotator.
FAST_SHARE = 1 / 3
# An item cannot be read and answered within a second, whatever the others needed.
FLOOR_SECONDS = 1.0
# The median of one or two times says little about an item.
LEAST_TIMED = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """One rater's times and trends.

    `fast` is the share of answers under the rule of `fast_rule` among those that it can be applied to, `n_fast` their
    number. `drift` is the rank correlation of the rater's own order of answers with the difference from the others'
    mean on the item (numbers: above 0 the rater gives ever more than the others), or with the share of the others who
    gave the same answer (labels: below 0 the rater agrees ever less). `drift_probability` is that of a correlation at
    least as far from 0 for answers in random order; None where `drift` has no value. `speed_trend` is the correlation
    of the order with the seconds: below 0 the rater becomes faster.
    """

    rater: str
    n_timed: int
    median_seconds: float | None
    fast: Estimate
    n_fast: int
    fast_rule: str
    drift: Estimate
    drift_probability: float | None
    speed_trend: Estimate

    def as_json(self) -> JSONDict:
        return {
            "rater": self.rater,
            "n_timed": self.n_timed,
            "median_seconds": self.median_seconds,
            "fast": self.fast.as_json(),
            "n_fast": self.n_fast,
            "fast_rule": self.fast_rule,
            "drift": self.drift.as_json(),
            "drift_probability": self.drift_probability,
            "speed_trend": self.speed_trend.as_json(),
        }


def paces(
    data: ReliabilityData,
    *,
    seconds: FloatArray | None = None,
    moments: FloatArray | None = None,
    fast_share: float = FAST_SHARE,
    floor_seconds: float = FLOOR_SECONDS,
    confidence: float = CONFIDENCE,
) -> tuple[Pace, ...]:
    """Every rater's pace, in the order of the data.

    `seconds` (time on the task) and `moments` (seconds since the epoch) have shape raters × units with NaN where
    unknown. An answer is fast if it took less than `fast_share` of the median time of all raters on the same item,
    where at least LEAST_TIMED were timed, or less than `floor_seconds`. Times without a rating do not count.

    Raises ValueError for arrays of another shape than the data.
    """
    unknown = np.full(data.codes.shape, np.nan)
    times, when = (unknown if given is None else given for given in (seconds, moments))
    if times.shape != data.codes.shape or when.shape != data.codes.shape:
        raise ValueError("Seconds and moments need one row per rater and one column per unit, as the data have.")
    times = np.where(data.codes == MISSING, np.nan, times)
    rule = (
        f"less than {fast_share:.0%} of the median time that annotators needed for the same item "
        f"(if at least {LEAST_TIMED} were timed), or less than {floor_seconds:g} s"
    )
    bounds = _fast_below(times, fast_share, floor_seconds)
    deviation, name = _deviation(data)
    found = []
    for row, rater in enumerate(data.raters):
        own = times[row]
        timed = ~np.isnan(own)
        n = int(timed.sum())
        n_fast = int((own[timed] < bounds[timed]).sum())
        reason = None if n else Reason("no-times", f"It is not known how long {rater} took.")
        order = in_order(data.codes[row], when[row])
        drift = _trend(rater, when[row], order, deviation[row], name=name, confidence=confidence)
        found.append(
            Pace(
                rater=rater,
                n_timed=n,
                median_seconds=float(np.median(own[timed])) if n else None,
                fast=Estimate(value=None, reason=reason, n_raters=1)
                if reason
                else share(n_fast, n, name=f"share of answers that took {rule}", confidence=confidence),
                n_fast=n_fast,
                fast_rule=rule,
                drift=drift,
                drift_probability=_probability(drift, when[row, order], deviation[row, order]),
                speed_trend=_trend(rater, when[row], order, own, name="order with seconds", confidence=confidence),
            )
        )
    return tuple(found)


def median_seconds(seconds: FloatArray) -> FloatArray:
    """The median time on each unit over those raters whose time is known; NaN where none is; shape units."""
    timed = (~np.isnan(seconds)).sum(axis=0)
    ordered = np.sort(seconds, axis=0)  # NaN comes last
    columns = np.arange(seconds.shape[1])
    lower, upper = np.maximum(timed - 1, 0) // 2, np.minimum(timed // 2, len(seconds) - 1)
    middle: FloatArray = (ordered[lower, columns] + ordered[upper, columns]) / 2
    return np.where(timed > 0, middle, np.nan)


def _fast_below(times: FloatArray, fast_share: float, floor_seconds: float) -> FloatArray:
    enough = (~np.isnan(times)).sum(axis=0) >= LEAST_TIMED
    return np.where(enough, np.maximum(fast_share * median_seconds(times), floor_seconds), floor_seconds)


def _deviation(data: ReliabilityData) -> tuple[FloatArray, str]:
    """What may drift (raters × units, NaN without others), and in words."""
    if data.level in (Level.ORDINAL, Level.INTERVAL, Level.RATIO):
        values = data.values
        there = ~np.isnan(values)
        filled = np.where(there, values, 0.0)
        others = there.sum(axis=0) - 1
        mean = np.divide(
            filled.sum(axis=0) - filled, others, out=np.full(values.shape, np.nan), where=there & (others >= 1)
        )
        return values - mean, "order with the difference from the others' mean"
    agreeing = np.full(data.codes.shape, np.nan)
    ratings = ratings_of(data)
    shares = (same_answers(ratings) - 1) / (ratings.size[ratings.unit] - 1)
    agreeing[ratings.rater, ratings.position[ratings.unit]] = shares
    return agreeing, "order with the share of the others who agree"


def _trend(
    rater: str, moments: FloatArray, order: IntArray, values: FloatArray, *, name: str, confidence: float
) -> Estimate:
    reason = no_order(rater, moments, order)
    if reason:
        return Estimate(value=None, reason=reason, n_raters=1)
    # Answers that bear one time share a rank: their order among each other is not known.
    return rank_correlation(_since(moments[order]), values[order], name=name, confidence=confidence, n_raters=1)


def _probability(drift: Estimate, moments: FloatArray, values: FloatArray) -> float | None:
    """Two-sided, normal, from the variance of rho in random order, 1/(n − 1), that Hotelling and Pabst 1936 give.

    Student's t is too liberal for the small p that several annotators need; this is on the other side. Answers of one
    moment count as one, because correlations with few distinct moments are far from normal.
    """
    if drift.value is None:
        return None
    distinct = len(np.unique(moments[~np.isnan(values)]))
    return float(2 * special.ndtr(-abs(drift.value) * math.sqrt(distinct - 1)))


def _since(moments: FloatArray) -> FloatArray:
    """Dense ranks of sorted moments, so that long times since the epoch lose no digits."""
    ranks: FloatArray = np.cumsum(np.diff(moments, prepend=-math.inf) > 0).astype(np.float64)
    return ranks
