"""Layer 2. Every pair of raters, compared on the items that both rated."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations

from annotator_ops.measures import Estimate
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.agreement.chance import cohen_kappa, percent_agreement
from annotator_ops.stats.correlation import spearman
from annotator_ops.stats.reliability import ReliabilityData


@dataclass(frozen=True, slots=True)
class Pair:
    """Two raters on the items that both rated. Coefficients that do not fit the level are absent."""

    raters: tuple[str, str]
    n_items: int
    estimates: dict[str, Estimate] = field(default_factory=dict)

    def as_json(self) -> JSONDict:
        coefficients = {name: estimate.as_json() for name, estimate in self.estimates.items()}
        return {"raters": list(self.raters), "n_items": self.n_items, **coefficients}


def pairwise(data: ReliabilityData) -> tuple[Pair, ...]:
    """Every pair of raters on their common items: percent agreement, alpha, kappa, and Spearman from ordinal on."""
    pairs = []
    for first, second in combinations(range(len(data.raters)), 2):
        both = data.pair(first, second)
        estimates = {
            "percent_agreement": percent_agreement(both),
            "krippendorff_alpha": krippendorff_alpha(both),
            "cohen_kappa": cohen_kappa(both),
        }
        if data.level is not Level.NOMINAL:
            estimates["spearman"] = spearman(*both.values, n_raters=2)
        raters = (data.raters[first], data.raters[second])
        pairs.append(Pair(raters=raters, n_items=len(both.units), estimates=estimates))
    return tuple(pairs)
