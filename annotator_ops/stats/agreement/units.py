"""Layer 2. What the coefficients share: pairable units as counts of categories, and why there is no value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.intervals import Interval, collapse
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, FloatArray, IntArray

# Up to so many categories (and dense numbers) units are held as counts of each category, otherwise as codes.
_FEW_CATEGORIES = 32
_DENSE = 16_000_000
# Up to so many codes one pass over all of them is quicker than one for each category.
_FEW_CODES = 10_000
_NO_CODES = np.zeros((0, 0), dtype=np.intp)


# Longer sums are not left to BLAS: see `over`.
SHORT = 9_000

Counts = Any  # rows × categories: a dense array of few categories, a sparse one of many; `@` works on both


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Pairable units in the quickest form: a row is one unit, or one pattern that `multiplicity` (rows) units share.

    For few categories `counts` (rows × categories) has how many raters chose each, and `codes` is empty; for many
    `counts` is None and `codes` (rows × places) has the codes themselves, MISSING where a place is empty. `size` (rows)
    is how many ratings a unit has.
    """

    counts: FloatArray | None
    codes: IntArray
    size: FloatArray
    multiplicity: IntArray
    categories: int

    @property
    def n(self) -> int:
        return int(self.multiplicity.sum())

    @property
    def weights(self) -> FloatArray:
        """How often each row counts in the data themselves, as a number with a fraction."""
        return self.multiplicity.astype(np.float64)

    @property
    def table(self) -> Counts:
        """Counts, rows × categories: dense where they are held so, else sparse."""
        return self.sparse if self.counts is None else self.counts

    @property
    def sparse(self) -> sparse.csr_array:
        """Counts, rows × categories, sparse."""
        if self.counts is not None:
            return sparse.csr_array(self.counts)
        present = self.codes != MISSING
        row = np.repeat(np.arange(len(self.codes)), present.sum(axis=1))
        shape = (len(self.codes), self.categories)
        counts = sparse.csr_array((np.ones(len(row)), (row, self.codes[present])), shape=shape)
        counts.sum_duplicates()
        counts.sort_indices()
        return counts

    @property
    def only(self) -> int | None:
        """The code that every rating has, None where there are two or more."""
        if self.counts is not None:
            used = np.flatnonzero(self.counts.any(axis=0))
            return int(used[0]) if len(used) == 1 else None
        first = self.codes.max()
        return None if ((self.codes != first) & (self.codes != MISSING)).any() else int(first)

    @property
    def used(self) -> int:
        """How many categories were used."""
        return (
            len(np.unique(self.codes[self.codes != MISSING])) if self.counts is None else int(self.counts.any(0).sum())
        )

    def sums_of(self, x: FloatArray) -> FloatArray:
        """The sum over each row's ratings of a number that belongs to each category (categories); shape rows."""
        if self.counts is not None:
            return over(self.counts, x)
        sums: FloatArray = np.append(x, 0.0)[self.codes].sum(axis=1)
        return sums

    def mean_of(self, x: FloatArray) -> float:
        """The mean over all ratings of a number that belongs to each category (categories)."""
        if self.counts is not None:
            totals = total(self.multiplicity, self.counts)
            return float(totals @ x) / float(totals.sum())
        return float((self.sums_of(x) * self.multiplicity).sum()) / float((self.size * self.multiplicity).sum())


def rows_of(data: ReliabilityData) -> Rows:
    """The pairable units, a row for each, in the order of `data.units`."""
    raters, units = data.codes.shape
    categories = len(data.domain)
    if categories <= _FEW_CATEGORIES and units * (categories + 1) <= _DENSE:
        counts = _counted(data.codes, categories)
        size = counts.sum(axis=1)
        if units and size.min() < 2:
            keep = size >= 2
            counts, size = counts[keep], size[keep]
        return Rows(counts, _NO_CODES, size, np.ones(len(size), dtype=np.intp), categories)
    size = (data.codes != MISSING).sum(axis=0)
    keep = size >= 2
    codes, size = (data.codes, size) if keep.all() else (data.codes[:, keep], size[keep])
    codes = codes.T
    if size.max(initial=0) < raters:
        # Who said what does not matter, so the ratings of a unit move up to fill its empty places.
        codes = np.sort(codes, axis=1)[:, raters - size.max(initial=0) :]
    return Rows(None, codes, size.astype(np.float64), np.ones(len(size), dtype=np.intp), categories)


def patterns_of(rows: Rows) -> Rows:
    """The rows with equal ones collapsed into patterns, in an order that does not depend on the order of the units."""
    if rows.counts is not None:
        found, multiplicity = collapse(rows.counts.astype(np.intp))
        counts = found.astype(np.float64)
        return replace(
            rows,
            counts=counts,
            size=counts.sum(axis=1),
            multiplicity=multiplicity,
        )
    codes, multiplicity = collapse(np.sort(rows.codes, axis=1))
    size = (codes != MISSING).sum(axis=1).astype(np.float64)
    return replace(rows, codes=codes, size=size, multiplicity=multiplicity)


def over(table: Counts, x: FloatArray) -> FloatArray:
    """table @ x for a tall table (rows × few): long sums without BLAS, whose threads wait for each other on a busy
    machine and take a hundred times as long."""
    if sparse.issparse(table) or table.size < SHORT:
        return np.asarray(table @ x)
    found: FloatArray = np.einsum("ij,j->i", table, x)
    return found


def total(weights: FloatArray | IntArray, table: Counts) -> FloatArray:
    """weights @ table for a tall table (rows × few) or a vector, as `over`."""
    if sparse.issparse(table) or table.size < SHORT:
        return np.asarray(weights @ table)
    found: FloatArray = np.einsum("i,ij->j" if table.ndim == 2 else "i,i->", weights, table)
    return found


def _counted(codes: IntArray, categories: int) -> FloatArray:
    """How many raters chose each category on each unit: units × categories."""
    raters, units = codes.shape
    if codes.size <= _FEW_CODES:
        width = categories + 1
        keys = codes + np.arange(1, width * units + 1, width)
        counted = np.bincount(keys.ravel(), minlength=width * units).reshape(units, width)
        return counted[:, 1:].astype(np.float64)
    # For many units the categories one after another: comparing and adding single bytes is what processors do best.
    small = codes.astype(np.int8)
    kind = np.uint8 if raters < 2**8 else np.intp
    by_category = np.empty((categories, units))
    for category in range(categories):
        by_category[category] = np.add.reduce(small == category, axis=0, dtype=kind)
    return by_category.T


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
        seed=interval.seed,
    )
