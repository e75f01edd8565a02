"""Layer 2. Judges with each other: how far two of them agree, and which of them follows people better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.agreement import pairs as agreement
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.contests import Pair, correlation_differences
from annotator_ops.stats.judges.correlations import correlations
from annotator_ops.stats.judges.permutation import Difference
from annotator_ops.stats.judges.scores import Scores
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, Category

# Of so many judges every two are compared: 28 pairs. Of more, only those who follow people almost as well.
MOST_JUDGES = 8
# With more judges their correlations with each other have a standard error and no interval: it would take seconds.
_MOST_RESAMPLED = 4
NO_ORDER = Reason("no-order", "The values have no order, so there is no rank correlation.")


@dataclass(frozen=True, slots=True)
class JudgePair:
    """Two judges on the `n_items` items that both scored; `difference` is the first's rho with people minus the
    second's."""

    raters: tuple[str, str]
    n_items: int
    spearman: Estimate
    krippendorff_alpha: Estimate
    difference: Difference

    def as_json(self) -> JSONDict:
        return {
            "raters": list(self.raters),
            "n_items": self.n_items,
            "spearman": self.spearman.as_json(),
            "krippendorff_alpha": self.krippendorff_alpha.as_json(),
            "spearman_difference": self.difference.estimate.as_json(),
            "p_value": self.difference.p_value,
            "method": self.difference.method,
        }


def judge_pairs(scores: Scores, rhos: Sequence[float | None], *, resampling: Resampling) -> list[JudgePair]:
    """Every two judges, in their order; with more than eight only neighbours by `rhos`, theirs with people.

    Krippendorff's alpha is at the criterion's level, its chance that of the two alone, with a standard error and no
    interval. The differences of rho are on the items that both and people scored, with an interval over items and a
    permutation test (see `correlation_difference`). The p-values are not adjusted for the number of pairs.
    """
    wanted = _wanted(len(scores.judges), rhos)
    if not wanted:
        return []
    alphas = {found.raters: found for found in agreement.pairwise(judges_data(scores))}
    between = _between(scores, wanted, resampling)
    differences = differences_of(scores, wanted, resampling)
    found = []
    for one, other in wanted:
        raters = scores.judges[one], scores.judges[other]
        alpha = alphas[scores.judges[min(one, other)], scores.judges[max(one, other)]]
        found.append(
            JudgePair(
                raters,
                alpha.n_items,
                between[one, other],
                alpha.estimates["krippendorff_alpha"],
                differences[one, other],
            )
        )
    return found


def differences_of(scores: Scores, pairs: Sequence[Pair], resampling: Resampling) -> Mapping[Pair, Difference]:
    """How much better the first judge of each pair, by its row, follows people than the second."""
    if scores.nominal:
        return {pair: Difference(Estimate(None, NO_ORDER)) for pair in pairs}
    return correlation_differences(scores.human_mean, scores.judge, pairs, resampling=resampling)


def judges_data(scores: Scores) -> ReliabilityData:
    """The judges' scores as reliability data, at the criterion's level."""
    values, code = np.unique(scores.judge, return_inverse=True)
    known = values[~np.isnan(values)]
    codes = code.reshape(scores.judge.shape).astype(np.intp)
    codes[codes >= len(known)] = MISSING
    domain: tuple[Category, ...] = tuple(known.tolist())
    return ReliabilityData(scores.judges, scores.items, codes, domain, scores.level)


def _wanted(n: int, rhos: Sequence[float | None]) -> list[Pair]:
    if n <= MOST_JUDGES:
        return list(combinations(range(n), 2))
    known = [(rho, row) for row, rho in enumerate(rhos) if rho is not None]
    return list(pairwise(row for _, row in sorted(known, key=lambda each: (-each[0], each[1]))))


def _between(scores: Scores, wanted: Sequence[Pair], resampling: Resampling) -> dict[Pair, Estimate]:
    """Spearman's rho of the two scores of each pair."""
    found: dict[Pair, Estimate] = {}
    for one in dict.fromkeys(first for first, _ in wanted):
        others = [second for first, second in wanted if first == one]
        if scores.nominal:
            found |= {(one, other): Estimate(None, NO_ORDER) for other in others}
            continue
        few = resampling if len(scores.judges) <= _MOST_RESAMPLED else None
        rhos = correlations(
            scores.judge[one], scores.judge[others], n_raters=2, resampling=few, coefficients=("spearman",)
        )
        found |= {(one, other): rho["spearman"] for other, rho in zip(others, rhos, strict=True)}
    return found
