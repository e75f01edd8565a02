"""Layer 2. Spans of text, sound and time: how far two overlap, and alpha over the positions that they cover."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.agreement.units import with_interval
from annotator_ops.stats.intervals import Resampling, Statistic, interval_of
from annotator_ops.stats.per_item import Answers
from annotator_ops.stats.values import FloatArray, IntArray

# What stands for the label of a mark without one.
NO_LABEL = "(no label)"
_POSITION = (
    "position-wise alpha, weighted by length: each stretch between two boundaries is a unit whose value is the set of "
    "labels there, nothing included; expected disagreement as for infinitely many positions, 1 − Σ p²"
)


@dataclass(frozen=True, slots=True, order=True)
class Piece:
    """A stretch [start, end) of a part: of a paragraph, a channel, or the whole. An infinite end is the part's end."""

    part: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Span:
    """One mark: disjoint pieces in ascending order, and its labels in ascending order."""

    pieces: tuple[Piece, ...]
    labels: tuple[str, ...]


def joined(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The same stretches in ascending order, those that overlap made one."""
    found: list[Piece] = []
    for piece in sorted(pieces):
        last = found[-1] if found else None
        if last is not None and last.part == piece.part and piece.start < last.end:
            found[-1] = replace(last, end=max(last.end, piece.end))
        else:
            found.append(piece)
    return tuple(found)


def span_iou(first: Sequence[Span], second: Sequence[Span]) -> FloatArray:
    """Intersection over union of every two spans' lengths; shape first × second.

    Spans without length (instants) have IoU 1 where they are the same and 0 elsewhere. Ends must be finite.
    """
    owner_a, part_a, start_a, end_a = _pieces(first)
    owner_b, part_b, start_b, end_b = _pieces(second)
    common = np.minimum(end_a[:, None], end_b) - np.maximum(start_a[:, None], start_b)
    common = np.where(part_a[:, None] == part_b, np.maximum(common, 0), 0)
    overlap = np.zeros((len(first), len(second)))
    np.add.at(overlap, (owner_a[:, None], owner_b[None, :]), common)
    length_a = np.bincount(owner_a, weights=end_a - start_a, minlength=len(first))
    length_b = np.bincount(owner_b, weights=end_b - start_b, minlength=len(second))
    union = length_a[:, None] + length_b - overlap
    iou = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    for i, j in zip(*np.nonzero(union <= 0), strict=True):
        iou[i, j] = float(first[i].pieces == second[j].pieces)
    return iou


def _pieces(spans: Sequence[Span]) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    rows = [(owner, piece.part, piece.start, piece.end) for owner, span in enumerate(spans) for piece in span.pieces]
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return table[:, 0].astype(np.intp), table[:, 1].astype(np.intp), table[:, 2], table[:, 3]


def part_lengths(spans: Sequence[Span], known: Sequence[float]) -> dict[int, float]:
    """How long each part of an item is: as `known` (by part), or as far as a mark of anyone reaches, if that is more.

    A part that marks only run through without ending there counts 1 where its length is not known.
    """
    lengths = {part: float(length) for part, length in enumerate(known)}
    for span in spans:
        for piece in span.pieces:
            reach = piece.end if math.isfinite(piece.end) else max(piece.start, 1.0)
            lengths[piece.part] = max(lengths.get(piece.part, 0.0), reach)
    return lengths


def closed(span: Span, lengths: Mapping[int, float]) -> Span:
    """The span with the ends of parts in place of infinity."""
    pieces = tuple(
        piece if math.isfinite(piece.end) else replace(piece, end=max(lengths[piece.part], piece.start))
        for piece in span.pieces
    )
    return replace(span, pieces=pieces)


@dataclass(frozen=True, slots=True, eq=False)
class Atoms:
    """The stretches between neighbouring boundaries, over all shared items.

    `item` (atoms) is the place of the item, `length` (atoms) is above 0, `counts` (sparse, atoms × categories) is how
    many raters gave each category, `categories` are sets of labels as sorted tuples, () where nothing is marked.
    """

    item: IntArray
    length: FloatArray
    counts: sparse.csr_array
    categories: tuple[tuple[str, ...], ...]

    def binary(self, label: str) -> Atoms:
        """The same stretches with two categories: without the label, and with it."""
        has = np.array([label in category for category in self.categories], dtype=np.float64)
        counts = sparse.csr_array(self.counts @ np.column_stack([1 - has, has]))
        return Atoms(self.item, self.length, counts, ((), (label,)))


def atoms_of(
    answers: Answers[tuple[Span, ...]], known: Mapping[str, Sequence[float]], *, starts_at_zero: bool
) -> Atoms:
    """The stretches of the items, cut at boundaries only, so their number does not depend on the unit of length.

    An item's continuum runs from 0 (without `starts_at_zero`: from the first mark) to its known length (else to the end
    of the last mark of anyone). Where labels overlap, a stretch has all of them.
    """
    code_of: dict[tuple[str, ...], int] = {(): 0}
    item_of: list[int] = []
    length_of: list[float] = []
    rows: list[int] = []
    columns: list[int] = []
    for place, (item, marks) in enumerate(zip(answers.items, answers.by_item, strict=True)):
        pieces = [
            (rater, span.labels or (NO_LABEL,), piece)
            for rater, spans in marks.items()
            for span in spans
            for piece in span.pieces
        ]
        everything = [span for spans in marks.values() for span in spans]
        lengths = part_lengths(everything, known.get(item, ()) if starts_at_zero else ())
        for part, length in lengths.items():
            here = [(rater, labels, piece) for rater, labels, piece in pieces if piece.part == part]
            begin = 0.0 if starts_at_zero else min(piece.start for _, _, piece in here)
            ends = {end for _, _, piece in here for end in (piece.start, piece.end)}
            cuts = np.array(sorted({begin, length, *ends}))
            number_of = {cut: number for number, cut in enumerate(cuts.tolist())}
            cover = {rater: [set[str]() for _ in cuts[1:]] for rater in marks}
            for rater, labels, piece in here:
                for number in range(number_of[piece.start], number_of[piece.end]):
                    cover[rater][number].update(labels)
            for number, width in enumerate(np.diff(cuts).tolist()):
                for rater in marks:
                    rows.append(len(item_of))
                    columns.append(code_of.setdefault(tuple(sorted(cover[rater][number])), len(code_of)))
                item_of.append(place)
                length_of.append(width)
    shape = (len(item_of), len(code_of))
    counts = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
    return Atoms(np.array(item_of, dtype=np.intp), np.array(length_of), counts, tuple(code_of))


def position_alpha(
    answers: Answers[tuple[Span, ...]], atoms: Atoms, *, resampling: Resampling | None = None
) -> Estimate:
    """Nominal alpha over positions: Do = Σ L Σ_c n_c (m − n_c) / (m − 1) / Σ L m, De = 1 − Σ p_c², over all stretches.

    L is a stretch's length, m its raters, n_c how many of them gave category c, p_c the share of c by length. It is
    Krippendorff's alpha (2019, ch. 12) with a unit at every position, in the limit of many positions, and no member of
    his family of coefficients for unitizing, which pairs whole units. A long item weighs more than a short one.
    """
    if not len(atoms.length):
        sentence = "The marks have no length, so no stretch of the item can be compared."
        return answers.nothing(Reason("no-length", sentence))
    n_items = len(answers.items)
    size = np.asarray(atoms.counts.sum(axis=1)).ravel()
    same = np.asarray(atoms.counts.multiply(atoms.counts).sum(axis=1)).ravel()
    observed = np.bincount(atoms.item, weights=atoms.length * (size**2 - same) / (size - 1), minlength=n_items)
    gather = sparse.csr_array(
        (atoms.length, (atoms.item, np.arange(len(atoms.item)))), shape=(n_items, len(atoms.item))
    )
    mass = sparse.csr_array(gather @ atoms.counts)

    def alpha(weights: FloatArray) -> FloatArray:
        totals = np.asarray(weights @ mass)
        n = totals.sum(axis=1)
        shares = np.divide(totals, n[:, None], out=np.zeros_like(totals), where=n[:, None] > 0)
        expected = 1 - (shares**2).sum(axis=1)
        varies = ((totals > 0).sum(axis=1) > 1) & (n > 0)
        values = np.full(len(weights), np.nan)
        np.divide((weights @ observed), n * expected, out=values, where=varies)
        return 1 - values

    value = float(alpha(np.ones((1, n_items)))[0])
    if math.isnan(value):
        sentence = (
            "Every position has the same labels from every annotator. Alpha compares disagreement with what chance "
            "would give, and where nothing varies there is no chance to compare with."
        )
        return answers.nothing(Reason("one-category", sentence))
    influence = n_items * _alpha_change(np.asarray(observed, dtype=np.float64), mass)
    statistic = Statistic(value, alpha, np.ones(n_items, dtype=np.intp), influence)
    found = Estimate(
        value=value,
        method=_POSITION,
        standard_error=statistic.standard_error,
        n_items=n_items,
        n_raters=len(answers.raters),
    )
    return found if resampling is None else with_interval(found, interval_of(statistic, resampling=resampling))


def _alpha_change(observed: FloatArray, mass: sparse.csr_array) -> FloatArray:
    """What alpha changes by for one more item like each of the items, to the first order; shape items."""
    totals, own = (np.asarray(mass.sum(axis=axis)).ravel() for axis in (0, 1))
    n = own.sum()
    expected = n - totals @ totals / n
    of_expected = own - 2 * (mass @ totals) / n + totals @ totals / n**2 * own
    change: FloatArray = -(observed - observed.sum() / expected * of_expected) / expected
    return change
