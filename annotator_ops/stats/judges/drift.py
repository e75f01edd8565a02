"""Layer 2. How a judge changes with the version of its prompt: its scores, their order, its rho with people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.closed_intervals import mean
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.correlations import correlations
from annotator_ops.stats.judges.pairs import NO_ORDER, differences_of
from annotator_ops.stats.judges.permutation import Difference
from annotator_ops.stats.judges.scores import Scores, version_of

# Of so many versions of a judge every two are compared; of more, each with the next.
MOST_VERSIONS = 8


@dataclass(frozen=True, slots=True)
class Drift:
    """Two versions of a judge's prompt on the `n_items` items that both scored.

    `shift` is the mean of the second's scores minus the first's, `spearman` is between the two, and `difference` the
    second's rho with people minus the first's.
    """

    judge: str
    prompts: tuple[str, str]
    n_items: int
    shift: Estimate
    spearman: Estimate
    difference: Difference

    def as_json(self) -> JSONDict:
        return {
            "judge": self.judge,
            "prompts": list(self.prompts),
            "n_items": self.n_items,
            "shift": self.shift.as_json(),
            "spearman": self.spearman.as_json(),
            "spearman_difference": self.difference.estimate.as_json(),
            "p_value": self.difference.p_value,
        }


def drifts(scores: Scores, *, resampling: Resampling) -> list[Drift]:
    """Every two versions of each judge, that is of raters named `NAME · VERSION`, in natural order of the versions."""
    versions: dict[str, list[int]] = {}
    for row, rater in enumerate(scores.judges):
        judge, version = version_of(rater)
        if version is not None:
            versions.setdefault(judge, []).append(row)
    return [
        _drift(scores, judge, rows, resampling) for judge, several in versions.items() for rows in _compared(several)
    ]


def _compared(rows: Sequence[int]) -> list[tuple[int, int]]:
    return list(combinations(rows, 2) if len(rows) <= MOST_VERSIONS else pairwise(rows))


def _drift(scores: Scores, judge: str, rows: tuple[int, int], resampling: Resampling) -> Drift:
    first, second = (scores.judge[row] for row in rows)
    both = ~np.isnan(first + second)
    n = int(both.sum())
    names = [version_of(scores.judges[row])[1] or "" for row in rows]
    return Drift(
        judge=judge,
        prompts=(names[0], names[1]),
        n_items=n,
        shift=_shift(scores, rows),
        spearman=Estimate(None, NO_ORDER, n_items=n)
        if scores.nominal
        else correlations(first, second[None, :], resampling=resampling, coefficients=("spearman",))[0]["spearman"],
        difference=differences_of(scores, [(rows[1], rows[0])], resampling)[rows[1], rows[0]],
    )


def _shift(scores: Scores, rows: tuple[int, int]) -> Estimate:
    """The mean over items of the second version's score minus the first's."""
    changed = scores.judge[rows[1]] - scores.judge[rows[0]]
    changed = changed[~np.isnan(changed)]
    if scores.nominal:
        return Estimate(None, NO_ORDER, n_items=len(changed))
    if not len(changed):
        return Estimate(None, Reason("too-few-items", "No item has the scores of both versions."))
    return mean(changed, name="mean of the second version minus the first", n_raters=2)
