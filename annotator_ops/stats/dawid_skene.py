"""Layer 2. Dawid and Skene's model: what the right class of each item probably is, and how each rater errs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from annotator_ops.measures import Reason
from annotator_ops.models import Level
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, FloatArray, IntArray

# A rater's confusion has classes² − classes free numbers; more classes than this and no study feeds them.
MOST_CLASSES = 20
# With two raters a latent class model has more free numbers than the table of their answers has cells.
LEAST_RATERS = 3


@dataclass(frozen=True, slots=True, eq=False)
class DawidSkene:
    """The fitted model.

    `marginals` (classes) is the share of each class among the items; `posterior` (items × classes) the probability of
    each class given all answers; `confusion` (raters × right classes × answers) how often a rater gives each answer
    where a class is right, NaN where no item of that class came to the rater. `log_likelihood` is natural.
    """

    marginals: FloatArray
    posterior: FloatArray
    confusion: FloatArray
    log_likelihood: float
    iterations: int
    converged: bool

    @property
    def competence(self) -> FloatArray:
        """The share of right answers that the model expects of each rater: the diagonal weighted by the marginals.

        Shape raters. It is Σ_j p_j π_jj in the notation of Dawid and Skene 1979, over the classes that came to the
        rater, and NaN for a rater without ratings.
        """
        diagonal = np.diagonal(self.confusion, axis1=1, axis2=2)
        weights = np.where(np.isnan(diagonal), 0.0, self.marginals[None, :])
        total = weights.sum(axis=1)
        right = (weights * np.nan_to_num(diagonal)).sum(axis=1)
        expected: FloatArray = np.divide(right, total, out=np.full(len(total), np.nan), where=total > 0)
        return expected

    def confusion_of(self, rater: int) -> tuple[tuple[float | None, ...], ...]:
        """One rater's confusion (right classes × answers) as plain numbers, None where it is unknown."""
        rows = self.confusion[rater].tolist()
        return tuple(tuple(None if math.isnan(share) else share for share in row) for row in rows)


def dawid_skene(
    raters: npt.ArrayLike,
    items: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    n_classes: int,
    n_raters: int | None = None,
    n_items: int | None = None,
    tolerance: float = 1e-9,
    max_iterations: int = 1000,
) -> DawidSkene:
    """Maximum likelihood by EM (Dawid and Skene 1979, Applied Statistics 28(1), equations 2.3 to 2.5), as published.

    The three integer arrays have one entry a rating, so that a rater may rate an item several times and not every
    item. The start is the share of each answer among an item's ratings (their section 3), hence deterministic; there is
    no smoothing. It stops when the log-likelihood rises by less than `tolerance` times its own size; `converged` is
    False where `max_iterations` came first. EM finds a local maximum: the one next to the vote shares. Items without
    ratings get the marginals as their posterior and do not count elsewhere.

    Raises ValueError for arrays of unequal length, no ratings, and numbers outside their ranges.
    """
    who, what, answer = (np.asarray(array, dtype=np.intp).ravel() for array in (raters, items, labels))
    if not len(who) == len(what) == len(answer):
        raise ValueError("The raters, items and labels need one entry per rating each.")
    if not len(who):
        raise ValueError("There are no ratings to fit the model to.")
    n_raters = int(who.max()) + 1 if n_raters is None else n_raters
    n_items = int(what.max()) + 1 if n_items is None else n_items
    for array, size, name in ((who, n_raters, "raters"), (what, n_items, "items"), (answer, n_classes, "labels")):
        if int(array.min()) < 0 or int(array.max()) >= size:
            raise ValueError(f"The {name} must be numbered from 0 to {size - 1}.")
    shape = (n_items, n_raters * n_classes)
    every = sparse.csr_array((np.ones(len(who)), (what, who * n_classes + answer)), shape=shape)
    rated = np.flatnonzero(np.diff(every.indptr))
    counts = every[rated]
    return _fit(counts, rated, n_items, n_classes, tolerance=tolerance, max_iterations=max_iterations)


def fit_model(data: ReliabilityData, *, tolerance: float = 1e-9) -> DawidSkene | Reason:
    """The model of reliability data, or why it does not fit them: items and raters as in `data`, classes its domain."""
    if data.level not in (Level.NOMINAL, Level.ORDINAL):
        sentence = f"The level is {data.level.value}; the model of Dawid and Skene is one of categories."
        return Reason("needs-categories", sentence)
    if data.anonymous:
        sentence = (
            "Annotators × items are too many to hold annotators apart in memory, and the model of Dawid and Skene asks "
            "who rated; use the majority, or fewer items at a time."
        )
        return Reason("too-many-raters", sentence)
    rated = data.codes != MISSING
    active = int(rated.any(axis=1).sum())
    if active < LEAST_RATERS:
        who = {0: "Nobody", 1: "Only one annotator"}.get(active, f"Only {active} annotators")
        sentence = (
            f"{who} gave ratings that have a value; the model of Dawid and Skene can tell errors from classes only "
            f"from {LEAST_RATERS} annotators on."
        )
        return Reason("too-few-raters", sentence)
    if not (rated.sum(axis=0) >= 2).any():
        sentence = "No item was rated by two annotators, so the model of Dawid and Skene has nothing to compare."
        return Reason("no-overlap", sentence)
    classes = len(data.domain)
    if classes < 2:
        return Reason("one-category", "There is only one category, so there is nothing to confuse.")
    if classes > MOST_CLASSES:
        sentence = f"{classes} categories are too many for the model of Dawid and Skene; up to {MOST_CLASSES} fit."
        return Reason("too-many-categories", sentence)
    raters, items = np.nonzero(rated)
    return dawid_skene(
        raters,
        items,
        data.codes[raters, items],
        n_classes=classes,
        n_raters=len(data.raters),
        n_items=len(data.units),
        tolerance=tolerance,
    )


def _fit(
    counts: sparse.csr_array,
    rated: IntArray,
    n_items: int,
    classes: int,
    *,
    tolerance: float,
    max_iterations: int,
) -> DawidSkene:
    columns = counts.shape[1]
    answers = sparse.csr_array(np.tile(np.eye(classes), (columns // classes, 1)))
    transposed = counts.T.tocsr()
    shares = np.asarray((counts @ answers).todense(), dtype=np.float64)
    posterior = shares / shares.sum(axis=1, keepdims=True)
    before, likelihood, converged, iterations = -np.inf, -np.inf, False, 0
    while not converged and iterations < max_iterations:
        iterations += 1
        marginals, confusion = _maximise(transposed, posterior, classes)
        posterior, likelihood = _expect(counts, marginals, confusion)
        converged = likelihood - before <= tolerance * abs(likelihood)
        before = likelihood
    everywhere = np.tile(marginals, (n_items, 1))
    everywhere[rated] = posterior
    return DawidSkene(marginals, everywhere, confusion, float(likelihood), iterations, converged)


def _maximise(transposed: sparse.csr_array, posterior: FloatArray, classes: int) -> tuple[FloatArray, FloatArray]:
    """Equations 2.3 and 2.4: the confusion and the marginals from the posterior."""
    weight = np.asarray(transposed @ posterior).reshape(-1, classes, classes).transpose(0, 2, 1)
    total = weight.sum(axis=2, keepdims=True)
    confusion = np.divide(weight, total, out=np.full(weight.shape, np.nan), where=total > 0)
    return posterior.mean(axis=0), confusion


def _expect(counts: sparse.csr_array, marginals: FloatArray, confusion: FloatArray) -> tuple[FloatArray, float]:
    """Equation 2.5 in logarithms: the posterior, and the log-likelihood of what it was computed from."""
    classes = len(marginals)
    with np.errstate(divide="ignore"):
        # A class that never came to a rater (NaN) has posterior 0 on all of that rater's items, and keeps it.
        logs = np.log(np.nan_to_num(confusion)).transpose(0, 2, 1).reshape(-1, classes)
        joint = np.asarray(counts @ logs) + np.log(marginals)
    # Column by column: reducing rows of a few numbers each takes many times as long.
    peak = np.maximum.reduce(list(joint.T))
    joint -= peak[:, None]
    scaled = np.exp(joint, out=joint)
    total = np.add.reduce(list(scaled.T))
    scaled /= total[:, None]
    return scaled, float((np.log(total) + peak).sum())
