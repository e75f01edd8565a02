"""Layer 2. What the coefficients share: pairable units as counts of categories, and why there is no value."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.intervals import Interval, collapse
from annotator_ops.stats.reliability import MISSING, FloatArray, IntArray, ReliabilityData


@dataclass(frozen=True, slots=True)
class Units:
    """The pairable units, those with the same counts collapsed into one pattern.

    `counts` (sparse, patterns × categories) is how many raters chose each category, `size` (patterns) how many ratings
    a unit has, `multiplicity` (patterns) how many units it stands for.
    """

    counts: sparse.csr_array
    size: FloatArray
    multiplicity: IntArray

    @property
    def n(self) -> int:
        return int(self.multiplicity.sum())


def units_of(data: ReliabilityData) -> Units:
    """The pairable units of reliability data."""
    # Sorting within a unit forgets who said what, which alpha does not use; missing values (−1) come first.
    patterns, multiplicity = collapse(np.sort(data.codes[:, data.pairable].T, axis=1))
    present = patterns != MISSING
    size = present.sum(axis=1)
    rows = np.repeat(np.arange(len(patterns)), size)
    shape = (len(patterns), len(data.domain))
    counts = sparse.csr_array((np.ones(len(rows)), (rows, patterns[present])), shape=shape)
    counts.sum_duplicates()
    counts.sort_indices()
    return Units(counts=counts, size=size.astype(np.float64), multiplicity=multiplicity)


def totals_of(units: Units, weights: FloatArray) -> FloatArray:
    """How often each category was chosen under each row of weights: resamples × categories."""
    totals: FloatArray = np.asarray(weights @ units.counts)
    return totals


def undefined(data: ReliabilityData, *, least_units: int = 2) -> Reason | None:
    """Why no coefficient can be computed, before any formula: no ratings, one rater, no overlap, too few items."""
    rated = (data.codes != MISSING).any(axis=1)
    if not rated.any():
        return Reason("no-ratings", "There is no rating that has a value.")
    if rated.sum() < 2:
        only = data.raters[int(np.argmax(rated))]
        return Reason("one-rater", f"Only {only} gave ratings; agreement needs at least two annotators.")
    pairable = int(data.pairable.sum())
    if pairable == 0:
        return Reason("no-overlap", "No item was rated by two annotators, so nothing can be compared.")
    if pairable < least_units:
        return Reason("too-few-items", "Only one item was rated by two annotators; a coefficient needs more.")
    return None


def no_value(data: ReliabilityData, reason: Reason) -> Estimate:
    """An estimate without a value, and why."""
    return Estimate(value=None, reason=reason, n_items=int(data.pairable.sum()), n_raters=len(data.raters))


def with_interval(estimate: Estimate, interval: Interval) -> Estimate:
    """The estimate with an interval's bounds and how they were made."""
    return replace(
        estimate,
        low=interval.low,
        high=interval.high,
        confidence=interval.confidence,
        method=f"{estimate.method}; {interval.method}",
    )
