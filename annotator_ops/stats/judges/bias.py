"""Layer 2. In what a judge differs from people beyond chance: severity, spread, length, position, its own family."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from annotator_ops.judge_settings import base_name
from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.agreement.units import with_interval
from annotator_ops.stats.closed_intervals import share
from annotator_ops.stats.context import Context, Position
from annotator_ops.stats.intervals import Resampling, Statistic, bootstrap, interval_from
from annotator_ops.stats.judges.correlations import correlations
from annotator_ops.stats.judges.scores import Scores, alike, divided
from annotator_ops.stats.values import BoolArray, FloatArray

# A standard deviation of less than this share of the largest score is one of rounding only.
_ROUNDING = 1e-9
_ORDER = Reason("no-order", "The values have no order, so there is no difference of one from the other.")


@dataclass(frozen=True, slots=True)
class PositionBias:
    """Of pairs that a judge saw in both orders: how often it chose what was shown first (.5 where the place does not
    matter, and all verdicts are for one of the two), and how often it said the same in both orders."""

    n_pairs: int
    first_chosen: Estimate
    consistent: Estimate

    def as_json(self) -> JSONDict:
        return {
            "n_pairs": self.n_pairs,
            "first_chosen": self.first_chosen.as_json(),
            "consistent": self.consistent.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Bias:
    """One judge against the mean of people. None where the study has nothing to tell it from."""

    severity: Estimate
    spread_ratio: Estimate
    length: Estimate | None = None
    position: PositionBias | None = None
    self_preference: Estimate | None = None

    def as_json(self) -> JSONDict:
        return {
            "severity": self.severity.as_json(),
            "spread_ratio": self.spread_ratio.as_json(),
            "length": self.length.as_json() if self.length else None,
            "position": self.position.as_json() if self.position else None,
            "self_preference": self.self_preference.as_json() if self.self_preference else None,
        }


def biases(scores: Scores | Reason, judges: Sequence[str], *, context: Context, resampling: Resampling) -> list[Bias]:
    """The bias of each judge named, whose scores (if there are scores) are in the same order; positions apart.

    Everything is of d, the judge's score minus people's mean, item by item, as the scores are: a judge is taken to use
    the scale that people use. Severity is the mean of d: above 0 the judge is the milder one. The spread ratio is the
    standard deviation of the judge's scores by that of people's means, which averaging makes smaller than a single
    person's. Length is Spearman's rho of d with the items' sizes: above 0, long items get more from the judge than from
    people. It is of d, and not the partial correlation given people's mean, because an error in that mean would let a
    judge without any bias seem to favour whatever goes with quality. Self-preference is the mean of d on items of the
    systems that are the judge's relatives, minus that on items of all other systems: a family that people, too, find
    better is not preferred. Intervals resample items.
    """
    if isinstance(scores, Reason) or scores.nominal:
        nothing = Estimate(None, scores if isinstance(scores, Reason) else _ORDER)
        return [Bias(nothing, nothing) for _ in judges]
    human, n_raters = scores.human_mean, scores.n_people
    lengths = _lengths(scores, human, context.sizes, resampling)
    systems = np.array([context.systems.get(item, "") for item in scores.items], dtype=np.str_)
    measured: dict[int, tuple[Estimate, Estimate, Estimate | None]] = {}
    scored = ~np.isnan(scores.judge + human)
    for rows in alike(scored):
        both = scored[rows[0]]
        known = systems[both] != ""
        compared = []
        for row in rows:
            relatives = _relatives(judges[row], context)
            own = None if relatives is None else np.isin(systems[both], list(relatives))
            compared.append(_Compared(human[both], scores.judge[row, both], own, known))
        measured |= zip(rows, _estimates(compared, resampling), strict=True)
    people = partial(replace, n_raters=n_raters)
    return [
        Bias(
            people(measured[row][0]),
            people(measured[row][1]),
            None if length is None else people(length),
            self_preference=None if (preference := measured[row][2]) is None else people(preference),
        )
        for row, length in enumerate(lengths)
    ]


def position_bias(position: Position, *, confidence: float) -> PositionBias:
    """Wilson's intervals over pairs: the two answers to a pair depend on each other and count as one case."""
    n = position.n_pairs
    first = share(position.n_first_chosen / 2, n, name="share of verdicts for what was shown first, over pairs",
                  confidence=confidence)  # fmt: skip
    same = share(position.n_consistent, n, name="share of pairs with one verdict in both orders", confidence=confidence)
    return PositionBias(n, first, same)


def position_of(judge: str, criterion: str, context: Context) -> Position | None:
    """What is known of a judge's verdicts on a criterion in both orders, of one pair at least."""
    found = context.positions.get(judge, {}).get(criterion)
    return found if found is not None and found.n_pairs else None


def _relatives(judge: str, context: Context) -> tuple[str, ...] | None:
    """The systems of a judge's own family; of one of its versions, those of the judge."""
    relatives = context.judging.relatives
    return relatives.get(judge, relatives.get(base_name(judge)))


def _lengths(
    scores: Scores, human: FloatArray, sizes: Mapping[str, float], resampling: Resampling
) -> list[Estimate | None]:
    size = np.array([sizes.get(item, np.nan) for item in scores.items], dtype=np.float64)
    if np.isnan(size).all():
        return [None for _ in scores.judge]
    found = correlations(size, scores.judge - human, resampling=resampling, coefficients=("spearman",))
    name = "of judge minus people with the items’ sizes in words"
    return [replace(each["spearman"], method=f"{name}: {each['spearman'].method}") for each in found]


@dataclass(frozen=True, slots=True, eq=False)
class _Compared:
    """Two scores of the same items, none missing; which items are of the judge's relatives (None: it has none), and of
    a known system."""

    human: FloatArray
    judge: FloatArray
    own: BoolArray | None
    known: BoolArray

    def statistics(self) -> tuple[Statistic | Reason, Statistic | Reason, Statistic | Reason | None]:
        """Severity, spread ratio and self-preference."""
        return self._severity(), self._spread_ratio(), None if self.own is None else self._preference(self.own)

    def _severity(self) -> Statistic | Reason:
        if not len(self.human):
            return _no_items()
        d = self.judge - self.human

        def of_weights(weights: FloatArray) -> FloatArray:
            return divided(_weighed(weights, d), weights.sum(axis=1))

        return _statistic(float(d.mean()), of_weights, d - d.mean())

    def _spread_ratio(self) -> Statistic | Reason:
        if not len(self.human):
            return _no_items()
        centred = [scores - scores.mean() for scores in (self.judge, self.human)]
        deviations = [float(np.sqrt((part**2).mean())) for part in centred]
        if deviations[1] <= _ROUNDING * float(np.abs(self.human).max()):
            return Reason("constant", "People’s mean is the same for every item, so that no spread can be compared.")
        value = deviations[0] / deviations[1]

        def of_weights(weights: FloatArray) -> FloatArray:
            n = weights.sum(axis=1)
            judge, human = (_weighed(weights, part**2) / n - (_weighed(weights, part) / n) ** 2 for part in centred)
            varies = human > (_ROUNDING * deviations[1]) ** 2
            ratio = np.full(len(weights), np.nan)
            np.divide(np.maximum(judge, 0.0), human, out=ratio, where=varies)
            return np.asarray(np.sqrt(ratio), dtype=np.float64)

        judge, human = (np.zeros(len(part)) if not s else part**2 / s**2 for part, s in zip(centred, deviations,
                                                                                         strict=True))  # fmt: skip
        return _statistic(value, of_weights, value / 2 * (judge - human))

    def _preference(self, own: BoolArray) -> Statistic | Reason:
        others = self.known & ~own
        if not own.any() or not others.any():
            which = "its relatives" if not own.any() else "other systems"
            return Reason("no-systems", f"No item that people rated, too, is known to be of {which}.")
        d = self.judge - self.human
        means = float(d[own].mean()), float(d[others].mean())
        groups = np.stack([own, others]).astype(np.float64)

        def of_weights(weights: FloatArray) -> FloatArray:
            one, other = (divided(_weighed(weights, group * d), _weighed(weights, group)) for group in groups)
            return one - other

        influence = len(d) * (own * (d - means[0]) / own.sum() - others * (d - means[1]) / others.sum())
        return _statistic(means[0] - means[1], of_weights, influence)


_MEASURED = (
    "mean of judge minus people",
    "standard deviation of the judge by that of people’s means",
    "mean of judge minus people on its relatives’ items, minus that on others",
)


def _estimates(
    compared: Sequence[_Compared], resampling: Resampling
) -> list[tuple[Estimate, Estimate, Estimate | None]]:
    """Of judges who scored the same items, and share the resamples of these."""
    measured = [each.statistics() for each in compared]
    known = [part for parts in measured for part in parts if isinstance(part, Statistic)]

    def of_weights(weights: FloatArray) -> FloatArray:
        return np.stack([each.of_weights(weights) for each in known], axis=1)

    @cache
    def drawn() -> FloatArray:
        return bootstrap(of_weights, known[0].multiplicity, resampling)

    def estimate(part: Statistic | Reason, name: str) -> Estimate:
        n = len(compared[0].human)
        if isinstance(part, Reason):
            return Estimate(None, part, n_items=n)
        column = known.index(part)
        interval = interval_from(lambda: drawn()[:, column], part, units=n, resampling=resampling)
        found = Estimate(part.value, method=name, standard_error=part.standard_error, n_items=n)
        return with_interval(found, interval)

    return [
        (
            estimate(severity, _MEASURED[0]),
            estimate(spread_ratio, _MEASURED[1]),
            None if preference is None else estimate(preference, _MEASURED[2]),
        )
        for severity, spread_ratio, preference in measured
    ]


def _weighed(weights: FloatArray, values: FloatArray) -> FloatArray:
    """The weighted sums of values of items (rows × items by items); rows. No product of matrices, which waits for
    threads that others use."""
    return np.asarray(np.einsum("ri,i->r", weights, values), dtype=np.float64)


def _statistic(value: float, of_weights: Callable[[FloatArray], FloatArray], influence: FloatArray) -> Statistic:
    return Statistic(value, of_weights, np.ones(len(influence), dtype=np.intp), influence)


def _no_items() -> Reason:
    return Reason("too-few-items", "No item has both scores.")
