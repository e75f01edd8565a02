"""Layer 2. The alternative annotator test: may a judge take the place of any one annotator?

Calderon, Reichart and Dror 2025 (ACL, 16051–16081). Each annotator is left out in turn, and who is nearer to the
remaining ones is counted, item by item: the annotator, or the judge. A tie counts for both. The judge beats an
annotator where the annotator's advantage, the mean of the differences of the two counts, is below ε by a one-sided
t-test; over annotators the false discovery rate is held by Benjamini and Yekutieli.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.probability import t_below
from annotator_ops.stats.values import BoolArray, FloatArray, IntArray

# With fewer items the mean of an annotator's differences is not near enough to normal for the t-test (section 3.3).
LEAST_ITEMS = 30
FALSE_DISCOVERIES = 0.05
LEAST_WINNING_RATE = 0.5
# A share of the largest distance from the mean: scores that differ by less differ by rounding only.
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Beaten:
    """One annotator against the judge, on the `n_items` items that both and another human rated.

    `judge_wins` is the share of these on which the judge is at least as near to the other humans as the annotator,
    `annotator_wins` the other way round (a tie is in both; None without an item). `p_value` and `beaten` are None where
    the annotator is not tested, and `reason` says why.
    """

    rater: str
    n_items: int
    judge_wins: float | None = None
    annotator_wins: float | None = None
    p_value: float | None = None
    beaten: bool | None = None
    reason: Reason | None = None

    def as_json(self) -> JSONDict:
        return {
            "rater": self.rater,
            "n_items": self.n_items,
            "judge_wins": self.judge_wins,
            "annotator_wins": self.annotator_wins,
            "p_value": self.p_value,
            "beaten": self.beaten,
            "reason": self.reason.sentence if self.reason else None,
        }


@dataclass(frozen=True, slots=True)
class AltTest:
    """The test of one judge. `winning_rate` (ω) is the share of the tested annotators whom the judge beats.

    `advantage_probability` (ρ) is the mean over them of `judge_wins`. `score` says how near a rating is to others:
    "accuracy" (share of the others who gave the same category), or "-RMSE". Where nobody can be tested all three
    results are None and `reason` says why.
    """

    score: str
    epsilon: float
    annotators: tuple[Beaten, ...]
    winning_rate: float | None = None
    advantage_probability: float | None = None
    reason: Reason | None = None

    @property
    def passes(self) -> bool | None:
        """Whether the judge beats at least half of the tested annotators."""
        return None if self.winning_rate is None else self.winning_rate >= LEAST_WINNING_RATE

    def as_json(self) -> JSONDict:
        return {
            "score": self.score,
            "winning_rate": self.winning_rate,
            "advantage_probability": self.advantage_probability,
            "epsilon": self.epsilon,
            "passes": self.passes,
            "annotators": [one.as_json() for one in self.annotators],
            "reason": self.reason.sentence if self.reason else None,
            "reason_code": self.reason.code if self.reason else None,
        }


def alternative_annotator_test(
    human: FloatArray, judge: FloatArray, *, people: Sequence[str], nominal: bool, epsilon: float
) -> AltTest:
    """Whether the judge may take an annotator's place, at the advantage `epsilon` that an annotator must have at least.

    `human` has the shape people × items, `judge` the shape items; NaN is no rating. `nominal`: the numbers are codes of
    categories, compared by equality; otherwise they are scores. Annotators with fewer than 30 items that another human
    and the judge rated are not tested, but still stand among the others. Raises ValueError for shapes that do not fit.
    """
    if human.shape != (len(people), len(judge)):
        raise ValueError(f"{len(people)} people and {len(judge)} items do not fit ratings of shape {human.shape}.")
    score = "accuracy" if nominal else "-RMSE"
    rated = ~np.isnan(human)
    compared = rated & ~np.isnan(judge) & (rated.sum(axis=0) >= 2)
    nearer = _nearer_by_category(human, judge, compared) if nominal else _nearer_by_score(human, judge, compared)
    n = compared.sum(axis=1)
    tested = n >= LEAST_ITEMS
    lost, won = ((compared & side).sum(axis=1) for side in (nearer >= 0, nearer <= 0))
    # One difference an item, +1, 0 or −1: its sum and that of its squares are all that the t-test needs.
    sums = zip(nearer[tested].sum(axis=1).tolist(), np.abs(nearer[tested]).sum(axis=1).tolist(), strict=True)
    p_values = np.array(
        [_p_value(*both, size, epsilon=epsilon) for both, size in zip(sums, n[tested].tolist(), strict=True)],
        dtype=np.float64,
    )
    beaten = benjamini_yekutieli(p_values, q=FALSE_DISCOVERIES)
    results = iter(zip(p_values.tolist(), beaten.tolist(), strict=True))
    annotators = []
    for row, (rater, size) in enumerate(zip(people, n.tolist(), strict=True)):
        one = Beaten(rater, size)
        if size:
            one = replace(one, judge_wins=int(won[row]) / size, annotator_wins=int(lost[row]) / size)
        if tested[row]:
            p, is_beaten = next(results)
            one = replace(one, p_value=p, beaten=is_beaten)
        else:
            one = replace(one, reason=_too_few(rater, size))
        annotators.append(one)
    if not len(p_values):
        reason = _nobody(int(rated.any(axis=1).sum()), int(n.max(initial=0)))
        return AltTest(score, epsilon, tuple(annotators), reason=reason)
    rho = float((won[tested] / n[tested]).mean())
    return AltTest(score, epsilon, tuple(annotators), int(beaten.sum()) / len(beaten), rho)


def benjamini_yekutieli(p_values: npt.ArrayLike, *, q: float) -> BoolArray:
    """Which hypotheses are rejected at a false discovery rate of `q`, however they depend on each other.

    Benjamini and Yekutieli 2001 (Ann Stat 29): the m p-values sorted, all up to the last with p₍ᵢ₎ ≤ i·q / (m·Σ 1/j).
    """
    given = np.asarray(p_values, dtype=np.float64)
    ranks = np.arange(1, len(given) + 1)
    order = np.argsort(given, kind="stable")
    below = np.flatnonzero(given[order] <= ranks * q / (len(given) * (1 / ranks).sum()))
    rejected = np.zeros(len(given), dtype=np.bool_)
    rejected[order[: below[-1] + 1 if len(below) else 0]] = True
    return rejected


def _nearer_by_category(human: FloatArray, judge: FloatArray, compared: BoolArray) -> IntArray:
    """+1 where the annotator shares their category with more of the others than the judge does, −1 with fewer, else 0.

    Shape people × items, of meaning where `compared`. Among the others is not the annotator, who always agrees with
    themselves: one less.
    """
    everybody = np.vstack([human, judge])
    _, codes = np.unique(everybody, return_inverse=True)
    codes = codes.reshape(everybody.shape)
    # The same category on the same item, as one number: how often each is there among the humans is counted by search.
    keys = codes * human.shape[1] + np.arange(human.shape[1])
    given = np.sort(keys[:-1][~np.isnan(human)])
    counts = np.searchsorted(given, keys, side="right") - np.searchsorted(given, keys, side="left")
    same = codes[:-1] == codes[-1]
    nearer: IntArray = np.sign((counts[:-1] - 1) - (counts[-1] - same))
    return np.where(compared, nearer, 0)


def _nearer_by_score(human: FloatArray, judge: FloatArray, compared: BoolArray) -> IntArray:
    """+1 where the annotator's root mean squared distance from the others is below the judge's, −1 above, else 0.

    Of two scores a and b the one on the same side of their midpoint as the mean of the others has the smaller:
    Σ(b − x)² − Σ(a − x)² = 2m (b − a)((a + b) / 2 − mean x), for m others x. So no sum of squares is taken, and a tie
    is of equal scores, or of a midpoint that is the mean, both up to rounding. Shape people × items.
    """
    there = ~np.isnan(human)
    centre = np.nanmean(human) if there.any() else 0.0
    scores = np.where(there, human - centre, 0.0)
    own = np.where(np.isnan(judge), 0.0, judge - centre)
    others = np.maximum(there.sum(axis=0) - 1, 1)
    means = (scores.sum(axis=0) - scores) / others
    apart = own - scores
    beyond = (own + scores) / 2 - means
    tolerance = _TIE * max(float(np.abs(part).max(initial=0.0)) for part in (scores, own))
    tie = (np.abs(apart) <= tolerance) | (np.abs(beyond) <= tolerance)
    nearer: IntArray = np.where(tie | ~compared, 0, np.sign(apart) * np.sign(beyond)).astype(np.intp)
    return nearer


def _p_value(total: int, squares: int, n: int, *, epsilon: float) -> float:
    """Of the one-sided t-test that the mean of n differences is below ε, given their sum and that of their squares.

    Where all differences are the same there is no t: the mean is then below ε for certain, or not.
    """
    mean = total / n
    within = n * squares - total * total
    if within == 0:
        return 0.0 if mean < epsilon else 1.0
    error = math.sqrt(within / (n * (n - 1)) / n)
    return t_below((mean - epsilon) / error, n - 1)


def _too_few(rater: str, n: int) -> Reason:
    sentence = f"{rater} shares {n} items with another annotator and the judge; the test needs {LEAST_ITEMS}."
    return Reason("too-few-items", sentence.replace(" 1 items", " 1 item"))


def _nobody(n_people: int, most: int) -> Reason:
    if n_people < 2:
        here = "There is one annotator only" if n_people else "There is no annotator"
        return Reason("one-annotator", f"{here}; the test compares each with the others and needs two.")
    return Reason(
        "too-few-items",
        f"No annotator has {LEAST_ITEMS} items that another annotator and the judge rated, too; the most are {most}.",
    )
