"""Layer 2. The items that every rater rated, as numbers: what coefficients from an analysis of variance need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotator_ops.measures import Reason
from annotator_ops.stats.agreement.units import undefined
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, FloatArray, is_finite_number


@dataclass(frozen=True, slots=True, eq=False)
class Complete:
    """`values` (raters × items) without gaps, and how many items that have a rating were left out for a gap."""

    values: FloatArray
    left_out: int

    @property
    def note(self) -> str:
        """What to add to the name of a method."""
        if not self.left_out:
            return ""
        noun = "item that lacks a rating" if self.left_out == 1 else "items that lack a rating"
        return f"; {self.left_out:,} {noun} left out"


def complete(data: ReliabilityData, *, coefficient: str, least_items: int = 2) -> Complete | Reason:
    """The complete items, or why there is nothing to compute; raters who rated nothing do not count as raters."""
    reason = undefined(data, least_units=1)
    if reason:
        return reason
    if not all(is_finite_number(category) for category in data.domain):
        sentence = (
            f"{coefficient} needs numbers, and these ratings are labels. Give the labels numbers, or use a kappa."
        )
        return Reason("not-numeric", sentence)
    present = data.codes != MISSING
    raters = present.any(axis=1)
    full = present[raters].all(axis=0)
    left_out = int(present.any(axis=0).sum()) - int(full.sum())
    n = int(full.sum())
    if n < least_items:
        few = "No item was" if n == 0 else f"Only {n} item{' was' if n == 1 else 's were'}"
        sentence = (
            f"{few} rated by all {int(raters.sum())} annotators, and {coefficient} needs at least {least_items} such "
            "items. Krippendorff's alpha does with fewer ratings per item."
        )
        return Reason("too-few-complete-items", sentence)
    domain = np.array(data.domain, dtype=np.float64)
    return Complete(domain[data.codes[np.ix_(raters, full)]], left_out)
