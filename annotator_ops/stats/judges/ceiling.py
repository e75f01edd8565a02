"""Layer 2. The human ceiling: how far each annotator follows the mean of the others, which no judge need surpass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.agreement.units import with_interval
from annotator_ops.stats.intervals import Resampling, Statistic, bootstrap, interval_from, linearized_interval
from annotator_ops.stats.judges.correlations import COEFFICIENTS, NAMES, Correlated, constant, too_few, varies
from annotator_ops.stats.judges.scores import MOST_ANNOTATORS, Scores, divided
from annotator_ops.stats.values import BoolArray, FloatArray, IntArray

# So many annotators are resampled; with more the intervals come from the influences of the items, which are computed
# once.
_MOST_RESAMPLED = 12


@dataclass(frozen=True, slots=True)
class Ceiling:
    """For each annotator, and for the mean over annotators, the estimates by coefficient; or why there are none."""

    annotators: tuple[tuple[str, dict[str, Estimate]], ...] = ()
    mean: dict[str, Estimate] | None = None
    reason: Reason | None = None

    def as_json(self) -> JSONDict:
        return {
            "annotators": [{"rater": rater, **_plain(found)} for rater, found in self.annotators],
            "mean": None if self.mean is None else _plain(self.mean),
            "reason": self.reason.sentence if self.reason else None,
            "reason_code": self.reason.code if self.reason else None,
        }


def human_ceiling(scores: Scores | Reason, *, resampling: Resampling) -> Ceiling:
    """The correlations of each annotator with the mean of the others, on the items that both rated.

    What is compared with is of one annotator fewer than a judge is compared with, so that the ceiling is a little low.
    The mean is over the annotators who have a value. The intervals resample the items for all annotators at once; where
    these are many, they are those of the delta method. A Reason where there are fewer than two annotators, the values
    have no order, or it is not known who rated.
    """
    reason = _undefined(scores)
    if isinstance(scores, Reason) or reason is not None:
        return Ceiling(reason=reason)
    given = scores.given
    counts, sums = given.sum(axis=0), np.where(given, scores.human, 0.0).sum(axis=0)
    shared = np.flatnonzero(counts >= 2)
    people = [
        _Annotator.of(name, own[shared], divided(sums[shared] - own[shared], counts[shared] - 1), counts[shared])
        for name, own in zip(scores.people, scores.human, strict=True)
        if not np.isnan(own).all()
    ]
    found = _Everybody([each for each in people if each.correlated is not None], len(shared))
    own, mean = found.estimates(resampling)
    annotators = tuple((each.name, own.get(each.name) or each.nothing()) for each in people)
    return Ceiling(annotators, mean)


def _undefined(scores: Scores | Reason) -> Reason | None:
    if isinstance(scores, Reason):
        return scores
    if scores.nominal:
        return Reason("no-order", "The values have no order, so there is no rank correlation.")
    if scores.n_people < 2:
        said = "There is one annotator only" if scores.n_people else "There is no annotator"
        return Reason("one-annotator", f"{said}; the ceiling is what one reaches with the others.")
    if scores.wide is None and scores.n_people > MOST_ANNOTATORS:
        said = f"{scores.n_people:,} annotators are too many to hold each against the others"
        return Reason("too-many-annotators", f"{said}; up to {MOST_ANNOTATORS} are.")
    return scores.wide


@dataclass(frozen=True, slots=True, eq=False)
class _Annotator:
    """One against the others' mean: which items of those that two rated count, and both scores on them, if defined."""

    name: str
    items: BoolArray
    correlated: Correlated | None
    reason: Reason | None

    @classmethod
    def of(cls, name: str, own: FloatArray, others: FloatArray, counts: IntArray) -> _Annotator:
        items = ~np.isnan(own) & (counts >= 2)
        one, other = own[items], others[items]
        reason = too_few(len(one))
        if reason is None and not (varies(one) and varies(other)):
            reason = constant("spearman")
        return cls(name, items, None if reason else Correlated.of(one, [other], COEFFICIENTS), reason)

    def of_weights(self, weights: FloatArray, name: str) -> FloatArray:
        """The coefficient for weights of all shared items (rows × items); NaN in rows that have none of these."""
        own = weights if self.items.all() else np.ascontiguousarray(weights[:, self.items])
        there = own.sum(axis=1) > 0
        found: FloatArray = np.full(len(weights), np.nan)
        if self.correlated is None or not there.any():
            return found
        if there.all():
            return self.correlated.of_weights(own, name)[:, 0]
        found[there] = self.correlated.of_weights(own[there], name)[:, 0]
        return found

    def nothing(self) -> dict[str, Estimate]:
        return {name: Estimate(None, self.reason, n_items=int(self.items.sum())) for name in COEFFICIENTS}


@dataclass(frozen=True, slots=True, eq=False)
class _Everybody:
    """The annotators who have a value, on `n_items` items that two rated."""

    people: Sequence[_Annotator]
    n_items: int

    def estimates(self, resampling: Resampling) -> tuple[dict[str, dict[str, Estimate]], dict[str, Estimate]]:
        """By annotator and coefficient, and the means over annotators by coefficient."""
        if not self.people:
            reason = Reason("undefined", "No annotator has a correlation with the others, so there is no mean of them.")
            return {}, {name: Estimate(None, reason) for name in COEFFICIENTS}
        draw = cache(self._resampled)
        found: dict[str, dict[str, Estimate]] = {each.name: {} for each in self.people}
        mean: dict[str, Estimate] = {}
        for column, name in enumerate(COEFFICIENTS):
            statistics = [each.correlated.statistic(name, 0) for each in self.people if each.correlated is not None]
            for row, (each, statistic) in enumerate(zip(self.people, statistics, strict=True)):
                estimate = Estimate(
                    statistic.value,
                    method=f"{NAMES[name]}, with the mean of the others",
                    standard_error=statistic.standard_error,
                    n_items=statistic.units,
                    n_raters=len(self.people),
                )
                values = partial(_part, draw, resampling, row, column)
                found[each.name][name] = self._bounded(estimate, statistic, values, resampling)
            statistic = self._mean(statistics, name)
            estimate = Estimate(
                statistic.value,
                method=f"mean over annotators of {NAMES[name]} with the mean of the others",
                standard_error=statistic.standard_error,
                n_items=self.n_items,
                n_raters=len(self.people),
            )
            values = partial(_part, draw, resampling, None, column)
            mean[name] = self._bounded(estimate, statistic, values, resampling)
        return found, mean

    def _bounded(
        self, estimate: Estimate, statistic: Statistic, values: Callable[[], FloatArray], resampling: Resampling
    ) -> Estimate:
        if len(self.people) > _MOST_RESAMPLED:
            because = f"{len(self.people)} annotators"
            interval = linearized_interval(statistic, confidence=resampling.confidence, because=because)
        else:
            interval = interval_from(values, statistic, units=statistic.units, resampling=resampling)
        return with_interval(estimate, interval)

    def _mean(self, statistics: Sequence[Statistic], name: str) -> Statistic:
        """The mean of the annotators' values as a statistic of all items."""
        influence = np.zeros(self.n_items)
        for each, statistic in zip(self.people, statistics, strict=True):
            if statistic.influence is not None:
                influence[each.items] += statistic.influence * (self.n_items / statistic.units) / len(self.people)

        def of_weights(weights: FloatArray) -> FloatArray:
            values = np.stack([each.of_weights(weights, name) for each in self.people])
            return np.asarray(values.mean(axis=0), dtype=np.float64)

        value = sum(statistic.value for statistic in statistics) / len(statistics)
        return Statistic(value, of_weights, np.ones(self.n_items, dtype=np.intp), influence, greatest=1.0)

    def _resampled(self, resampling: Resampling) -> FloatArray:
        """Every annotator's value in every resample of the items: resamples × annotators × coefficients."""

        def of_weights(weights: FloatArray) -> FloatArray:
            return np.stack([each.of_weights(weights, name) for each in self.people for name in COEFFICIENTS], axis=1)

        values = bootstrap(of_weights, np.ones(self.n_items, dtype=np.intp), resampling)
        return values.reshape(len(values), len(self.people), len(COEFFICIENTS))


def _part(draw: Callable[[Resampling], FloatArray], resampling: Resampling, row: int | None, column: int) -> FloatArray:
    """One annotator's values in the resamples, or the mean of all, where all are defined."""
    values = draw(resampling)[:, :, column]
    return values.mean(axis=1) if row is None else values[:, row]


def _plain(found: dict[str, Estimate]) -> JSONDict:
    return {name: estimate.as_json() for name, estimate in found.items()}
