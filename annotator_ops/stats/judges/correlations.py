"""Layer 2. Correlations of judges' scores with people's, each with a bootstrap interval over items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.agreement.units import with_interval
from annotator_ops.stats.intervals import Resampling, Statistic, bootstrap, interval_from
from annotator_ops.stats.judges.kendall import Kendall
from annotator_ops.stats.judges.product_moments import Coded, Pearson, Spearman
from annotator_ops.stats.values import BoolArray, FloatArray

COEFFICIENTS = ("spearman", "kendall_tau_b", "pearson")
NAMES = {
    "spearman": "Spearman's rho, mid-ranks",
    "kendall_tau_b": "Kendall's tau-b",
    "pearson": "Pearson's r",
}
LEAST_ITEMS = 3
# Rows of resamples that stay in a processor's cache while a judge after the other is computed from them.
_CELLS_IN_CACHE = 150_000
_ROUNDING = 1e-12


def correlations(
    human: FloatArray,
    judges: FloatArray,
    *,
    n_raters: int = 0,
    resampling: Resampling | None = None,
    coefficients: Sequence[str] = COEFFICIENTS,
) -> list[dict[str, Estimate]]:
    """The correlations of each judge's scores with people's: one dict a judge, with the coefficients asked for.

    `human` has shape items, `judges` judges × items; items where either is NaN do not count for that judge, and
    `n_raters` is only passed on. Coefficients: "spearman" (mid-ranks), "kendall_tau_b", "pearson". With `resampling`
    the items are drawn anew, and ranked anew, in every resample; see `interval_of`. The draws are of items in their
    order: the same for every coefficient and for all judges who scored the same items, and a judge's result is the same
    beside others as alone. The standard errors are the linearized ones, over items. Raises ValueError for a coefficient
    that is none of these.
    """
    unknown = set(coefficients) - set(COEFFICIENTS)
    if unknown:
        raise ValueError(f"There is no coefficient {', '.join(sorted(unknown))}; there are {', '.join(COEFFICIENTS)}.")
    scored = ~(np.isnan(human) | np.isnan(judges))
    found: list[dict[str, Estimate]] = [{} for _ in judges]
    for members in _alike(scored):
        both = scored[members[0]]
        estimates = _estimates(human[both], judges[members][:, both], coefficients, n_raters, resampling)
        for member, estimate in zip(members, estimates, strict=True):
            found[member] = estimate
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Correlated:
    """One score and several others of the same items, none missing and none constant, ready to be weighed.

    `of_weights` maps weights, whole numbers (rows × items), to values (rows × others), for each coefficient.
    """

    n_items: int
    families: dict[str, Spearman | Kendall | Pearson]

    @classmethod
    def of(cls, first: FloatArray, others: Sequence[FloatArray], coefficients: Sequence[str]) -> Correlated:
        """Scores of shape items each."""
        coded, others_coded = Coded.of_scores(first), [Coded.of_scores(other) for other in others]
        families: dict[str, Spearman | Kendall | Pearson] = {}
        for name in coefficients:
            if name == "pearson":
                families[name] = Pearson.of((first, coded), list(zip(others, others_coded, strict=True)))
            else:
                families[name] = (Spearman if name == "spearman" else Kendall)(coded, others_coded)
        return cls(len(first), families)

    def of_weights(self, weights: FloatArray, name: str) -> FloatArray:
        family = self.families[name]
        # A product with a matrix of signs is the quicker the more rows it has; all else stays in the cache.
        step = len(weights) if isinstance(family, Kendall) else max(1, _CELLS_IN_CACHE // self.n_items)
        parts = [family.of_weights(weights[start : start + step]) for start in range(0, len(weights), step)]
        return np.concatenate(parts)

    def statistic(self, name: str, column: int) -> Statistic:
        """The coefficient with that one of the others, as a statistic of items."""
        family = self.families[name]

        def of_weights(weights: FloatArray) -> FloatArray:
            return family.of_weights(weights)[:, column]

        multiplicity = np.ones(self.n_items, dtype=np.intp)
        return Statistic(family.value(column), of_weights, multiplicity, family.influence(column), greatest=1.0)

    def resampled(self, resampling: Resampling) -> dict[str, FloatArray]:
        """All of them in every resample of the items: resamples × others, by coefficient."""

        def of_weights(weights: FloatArray) -> FloatArray:
            return np.concatenate([self.of_weights(weights, name) for name in self.families], axis=1)

        values = bootstrap(of_weights, np.ones(self.n_items, dtype=np.intp), resampling)
        return dict(zip(self.families, np.split(values, len(self.families), axis=1), strict=True))


def settled(values: FloatArray, value: float) -> FloatArray:
    """The values, with `value` for those that differ from it by rounding only: BCa counts how many are below it."""
    return np.where(np.abs(values - value) <= _ROUNDING, value, values)


def too_few(n: int) -> Reason | None:
    """The reason where so many items with both scores are too few for a correlation."""
    if n >= LEAST_ITEMS:
        return None
    noun = "item has" if n == 1 else "items have"
    return Reason("too-few-items", f"{n} {noun} both scores; a correlation needs at least {LEAST_ITEMS}.")


def constant(name: str) -> Reason:
    """The reason where one of the scores does not vary."""
    missing = "nothing to relate" if name == "pearson" else "no order to compare"
    return Reason("constant", f"One of the two scores is the same for every item, so there is {missing}.")


def varies(scores: FloatArray) -> bool:
    """Whether the scores (items, at least one) are not all the same but for rounding."""
    return not Coded.of_scores(scores).constant


def _alike(scored: BoolArray) -> list[list[int]]:
    """The judges who scored the same items together (judges × items)."""
    groups: dict[bytes, list[int]] = {}
    for judge, items in enumerate(scored):
        groups.setdefault(items.tobytes(), []).append(judge)
    return list(groups.values())


def _estimates(
    human: FloatArray,
    judges: FloatArray,
    coefficients: Sequence[str],
    n_raters: int,
    resampling: Resampling | None,
) -> list[dict[str, Estimate]]:
    """The same for judges who scored all of these items."""
    n = len(human)
    few = too_few(n)
    found = [
        {name: Estimate(None, few or constant(name), n_items=n, n_raters=n_raters) for name in coefficients}
        for _ in judges
    ]
    varying = [] if few or not varies(human) else [place for place, scores in enumerate(judges) if varies(scores)]
    if not varying:
        return found
    correlated = Correlated.of(human, [judges[place] for place in varying], coefficients)
    draw = cache(correlated.resampled)
    for name in coefficients:
        for column, place in enumerate(varying):
            statistic = correlated.statistic(name, column)
            error = statistic.standard_error
            estimate = Estimate(statistic.value, method=NAMES[name], standard_error=error, n_items=n, n_raters=n_raters)
            if resampling is not None:
                values = partial(_drawn, draw, resampling, (name, column), statistic.value)
                interval = interval_from(values, statistic, units=n, resampling=resampling)
                estimate = with_interval(estimate, interval)
            found[place][name] = estimate
    return found


def _drawn(
    draw: Callable[[Resampling], dict[str, FloatArray]], resampling: Resampling, which: tuple[str, int], value: float
) -> FloatArray:
    """The values of a coefficient and judge in the resamples, which are drawn when the first of them is asked for."""
    name, column = which
    return settled(draw(resampling)[name][:, column], value)
