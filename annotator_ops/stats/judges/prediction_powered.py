"""Layer 2. A mean from few human and many judge labels: prediction-powered inference, tuned for power."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.closed_intervals import CONFIDENCE, mean
from annotator_ops.stats.judges.ensembles import EVERYBODY, once_each
from annotator_ops.stats.judges.sampling import Sample, sample_of
from annotator_ops.stats.judges.scores import Scores
from annotator_ops.stats.probability import normal_quantile, t_quantile
from annotator_ops.stats.values import BoolArray, FloatArray

# One labelled item has no variance, and one judged item neither.
LEAST_LABELLED = 2
LEAST_UNLABELLED = 2
# With fewer labelled items the published normal interval is too narrow. On the relevance of SummEval it covers .88 with
# 10 of them and .93 with 50, at a nominal .95; Student's t with n − 1 in the variances covers .92 and .955.
FEW_LABELS = 100
_NAME = "prediction-powered mean (Angelopoulos, Duchi and Zrnic 2023)"
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class FewLabels:
    """The mean score by one judge: of people alone, of the judge alone, and of both together.

    `n_without_score` counts the items that the judge gave none. `tuning` (λ, from 0 to 1) is how much the combined mean
    makes of the judge's scores: at 0 it is people's alone.
    """

    rater: str
    n_labelled: int
    n_unlabelled: int
    n_without_score: int
    people_only: Estimate
    judge_only: Estimate
    combined: Estimate
    tuning: float | None

    def as_json(self) -> JSONDict:
        return {
            "rater": self.rater,
            "n_labelled": self.n_labelled,
            "n_unlabelled": self.n_unlabelled,
            "n_without_score": self.n_without_score,
            "people_only": self.people_only.as_json(),
            "judge_only": self.judge_only.as_json(),
            "combined": self.combined.as_json(),
            "lambda": self.tuning,
        }


def prediction_powered_mean(
    labelled: FloatArray,
    labelled_judge: FloatArray,
    unlabelled_judge: FloatArray,
    *,
    confidence: float = CONFIDENCE,
    small_sample: bool = False,
) -> tuple[Estimate, float | None]:
    """The mean of what people would say of all items, and λ; without an interval's ground λ and the value are None.

    `labelled` (n) is what people said, `labelled_judge` (n) what the judge said of the same items, `unlabelled_judge`
    (N) what it said of all others. Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023 (Science 382), tuned for power
    as in Angelopoulos, Duchi and Zrnic 2023 (arXiv 2311.01453): with Y, F and F′,
    θ = λ·mean F′ + mean(Y − λF), se² = λ²·var F′ / N + var(Y − λF) / n,
    λ = cov(Y, F) / ((1 + n/N) var(F and F′)), kept within 0 and 1; the variances of se and the covariance with n in the
    denominator, the last variance with one less. The interval is normal, as published. `small_sample` divides by n − 1
    everywhere in se, and takes Student's t with n − 1 degrees of freedom.

    It holds where the labelled items are a random sample of all. Raises ValueError for shapes that do not fit.
    """
    n, size = len(labelled), len(unlabelled_judge)
    if labelled_judge.shape != labelled.shape:
        raise ValueError(f"{n} labels do not fit {len(labelled_judge)} scores of the judge of the same items.")
    if n < LEAST_LABELLED or size < LEAST_UNLABELLED:
        return Estimate(None, _too_few(n, size), n_items=n + size), None
    tuning = best_tuning(labelled, labelled_judge, np.concatenate([labelled_judge, unlabelled_judge]), ratio=n / size)
    rectified = labelled - tuning * labelled_judge
    less = 1 if small_sample else 0
    value = tuning * float(unlabelled_judge.mean()) + float(rectified.mean())
    of_judge = tuning**2 * float(unlabelled_judge.var(ddof=less)) / size
    error = math.sqrt(of_judge + float(rectified.var(ddof=less)) / n)
    found = Estimate(value, method=_NAME, n_items=n + size)
    if error <= _ROUNDING * max(1.0, abs(value)):
        return replace(found, method=f"{_NAME}; no interval: no variation among the items"), tuning
    tail = (1 + confidence) / 2
    half = (t_quantile(tail, n - 1) if small_sample else normal_quantile(tail)) * error
    how = f"Student's t, {n - 1} degrees of freedom" if small_sample else "normal interval"
    return replace(
        found,
        low=value - half,
        high=value + half,
        confidence=confidence,
        method=f"{_NAME}; {how}, {n} labelled items",
        standard_error=error,
    ), tuning


def best_tuning(labelled: FloatArray, labelled_judge: FloatArray, all_judge: FloatArray, *, ratio: float) -> float:
    """λ of `prediction_powered_mean` (its example 6.1): 0 where the judge says the same of all items."""
    spread = float(all_judge.var(ddof=1))
    if spread <= (_ROUNDING * float(np.abs(all_judge).max())) ** 2:
        return 0.0
    together = float(((labelled - labelled.mean()) * (labelled_judge - labelled_judge.mean())).mean())
    return min(1.0, max(0.0, together / ((1 + ratio) * spread)))


def few_labels(
    scores: Scores,
    *,
    random_sample: bool,
    systems: Mapping[str, str] | None = None,
    sizes: Mapping[str, float] | None = None,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> JSONDict | None:
    """The mean score of all items, where people labelled some of them and judges all; None where there are no such.

    `random_sample`: it is declared that the labelled items were drawn at random. `systems` and `sizes`, by item, are
    what else is tested of that, beside the judges' scores (see `sampling`). Keys: n_labelled and n_unlabelled items,
    random_sample (the tests), judges (one entry a judge, and with several the mean of all), reason and reason_code;
    `judges` is empty where the reason is not None: "no-order", "sample-undeclared", "not-random-sample".
    """
    people = scores.human_mean
    names, judges = judges_and_mean(scores)
    if not names:
        return None
    known: BoolArray = ~np.isnan(judges[-1])
    labelled: BoolArray = ~np.isnan(people)
    others = ~labelled
    if not labelled.any() or not (known & others).any():
        return None
    base: JSONDict = {"n_labelled": int(labelled.sum()), "n_unlabelled": int(others.sum()), "random_sample": None}
    if scores.nominal:
        reason = Reason("no-order", "The values are categories without an order, so they have no mean.")
        return base | {"judges": [], "reason": reason.sentence, "reason_code": reason.code}
    sample = Sample(
        labelled=labelled[known],
        judge=judges[-1][known],
        systems=_looked_up(scores.items, systems, known),
        sizes=np.array([(sizes or {}).get(item, np.nan) for item in scores.items], dtype=np.float64)[known],
    )
    check = sample_of(sample, declared=random_sample, seed=seed)
    base["random_sample"] = check.as_json()
    if check.reason is not None:
        return base | {"judges": [], "reason": check.reason.sentence, "reason_code": check.reason.code}
    entries = [_entry(name, people, own, confidence) for name, own in zip(names, judges, strict=True)]
    return base | {"judges": [entry.as_json() for entry in entries], "reason": None, "reason_code": None}


def judges_and_mean(scores: Scores) -> tuple[list[str], FloatArray]:
    """Who scored anything, and judges × items; with several, the last is their mean, NaN where one has no score.

    Of a judge's versions only the one that the mean of all judges counts.
    """
    names = list(once_each(scores))
    judges = scores.judge[[scores.judges.index(name) for name in names]]
    if len(names) < 2:
        return names, judges
    return [*names, EVERYBODY], np.vstack([judges, judges.mean(axis=0)])


def _entry(name: str, people: FloatArray, judge: FloatArray, confidence: float) -> FewLabels:
    known: BoolArray = ~np.isnan(judge)
    labelled: BoolArray = ~np.isnan(people)
    others = ~labelled
    n = int(labelled.sum())
    # An item that the judge refused is one of all items, too. Any guess of its score is right, the judge's mean is one;
    # without the item the mean would be one of what the judge does not refuse.
    guess = np.where(known, judge, judge[known].mean())
    combined, tuning = prediction_powered_mean(
        people[labelled], guess[labelled], guess[others], confidence=confidence, small_sample=n < FEW_LABELS
    )
    return FewLabels(
        name,
        n,
        int(others.sum()),
        int((~known).sum()),
        _mean(people[~np.isnan(people)], "mean of people's scores", confidence),
        _mean(judge[known], "mean of the judge's scores", confidence),
        combined,
        tuning,
    )


def _mean(values: FloatArray, name: str, confidence: float) -> Estimate:
    if not len(values):
        return Estimate(None, Reason("no-items", "There is no item with a score."))
    return mean(values, name=name, confidence=confidence)


def _looked_up(items: tuple[str, ...], systems: Mapping[str, str] | None, known: BoolArray) -> list[str | None]:
    """The system of each known item; shape of those."""
    found = [(systems or {}).get(item) for item in items]
    return [found[place] for place in np.flatnonzero(known).tolist()]


def _too_few(n: int, size: int) -> Reason:
    if n < LEAST_LABELLED:
        noun = "item has" if n == 1 else "items have"
        return Reason("too-few-labels", f"{n} {noun} scores of both people and the judge; it needs {LEAST_LABELLED}.")
    noun = "item has" if size == 1 else "items have"
    return Reason("too-few-items", f"{size} {noun} a score of the judge only; it needs {LEAST_UNLABELLED}.")
