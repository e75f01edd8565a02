"""Layer 2. May the items that people labelled be a random sample of all, as far as what is known of all can tell?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from annotator_ops.measures import Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.values import BoolArray, FloatArray, IntArray

# Below this the labelled items are taken to be unlike the rest.
LEAST_P = 0.01
_DRAWS = 1999
# From so many cells of draws × items on, the distribution of a mean is taken to be normal.
_MOST_CELLS = 20_000_000
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Which of the judged items are labelled, and what is known of all: shape items each.

    `judge` the judges' score; `systems` which system made an item, None unknown; `sizes` how many words it has, NaN
    unknown.
    """

    labelled: BoolArray
    judge: FloatArray
    systems: Sequence[str | None]
    sizes: FloatArray


@dataclass(frozen=True, slots=True)
class Likeness:
    """One comparison of the labelled items with all: `what` is compared, and how likely so large a difference is.

    `labelled` and `all` are the two means; None for systems, of which shares are compared.
    """

    what: str
    p_value: float
    labelled: float | None = None
    all: float | None = None

    def as_json(self) -> JSONDict:
        return {"what": self.what, "labelled": self.labelled, "all": self.all, "p_value": self.p_value}


@dataclass(frozen=True, slots=True)
class SampleCheck:
    """Whether a random sample was declared, what was compared, and why it cannot be taken for one (None: it can)."""

    declared: bool
    tests: tuple[Likeness, ...]
    within_systems: bool
    reason: Reason | None

    def as_json(self) -> JSONDict:
        return {
            "declared": self.declared,
            "within_systems": self.within_systems,
            "tests": [test.as_json() for test in self.tests],
            "least_p": LEAST_P,
            "reason": self.reason.sentence if self.reason else None,
            "reason_code": self.reason.code if self.reason else None,
        }


def sample_of(sample: Sample, *, declared: bool, within_systems: bool = False, seed: int = 0) -> SampleCheck:
    """Compares the labelled items with all by the judges' mean score, the shares of systems, and the items' length.

    Each is a randomisation test (Fisher 1935): how many of 1,999 random choices of as many items, and the one that was
    made, differ from all items by at least as much. Where items are very many, the distribution of a mean is taken to
    be normal, with the variance of a draw without replacement. `within_systems`: as many items of each system are
    chosen as were labelled, and shares of systems are not compared. A sample that passes need not be random: what was
    not compared can still differ, so it has to be declared, too.
    """
    strata = _codes(sample.systems) if within_systems else np.zeros(len(sample.labelled), dtype=np.intp)
    tests = []
    for what, values in (("judges' scores", sample.judge), ("lengths", sample.sizes)):
        known = ~np.isnan(values)
        found = _of_means(what, values[known], sample.labelled[known], strata[known], seed)
        tests += [found] if found is not None else []
    if not within_systems:
        found = _of_systems(sample, seed)
        tests += [found] if found is not None else []
    return SampleCheck(declared, tuple(tests), within_systems, _reason(tests, declared=declared))


def _reason(tests: Sequence[Likeness], *, declared: bool) -> Reason | None:
    unlike = [test for test in tests if test.p_value < LEAST_P]
    if unlike:
        named = ", ".join(f"{test.what} (p = {_said(test.p_value)})" for test in unlike)
        sentence = f"The items that people labelled differ from the rest by more than chance in: {named}."
        return Reason("not-random-sample", f"{sentence} So they are no random sample of all items.")
    if not declared:
        return Reason(
            "sample-undeclared",
            "It is not declared that the items that people labelled were drawn at random from all.",
        )
    return None


def _said(p: float) -> str:
    return f"{p:.4f}" if p >= 0.0001 else "below 0.0001"


def _of_means(what: str, values: FloatArray, labelled: BoolArray, strata: IntArray, seed: int) -> Likeness | None:
    """Of one number an item, against its mean in each stratum; None where it is the same, or all or none are chosen."""
    n, size = int(labelled.sum()), len(values)
    if not 0 < n < size:
        return None
    counts = np.bincount(strata)
    centred = values - (np.bincount(strata, weights=values) / np.maximum(counts, 1))[strata]
    if float(np.abs(centred).max()) <= _ROUNDING * max(1.0, float(np.abs(values).max())):
        return None
    chosen = np.bincount(strata[labelled], minlength=len(counts))
    seen = abs(float(centred[labelled].sum()))
    if size * _DRAWS > _MOST_CELLS:
        p = _normal(centred, strata, counts, chosen, seen)
    else:
        p = _drawn(centred, strata, counts, chosen, seen, seed)
    return Likeness(what, p, float(values[labelled].mean()), float(values.mean()))


def _drawn(centred: FloatArray, strata: IntArray, counts: IntArray, chosen: IntArray, seen: float, seed: int) -> float:
    """The share of random choices, as many of each stratum as were made, with a sum at least as far from 0."""
    random = np.random.default_rng(seed)
    order = np.argsort(strata, kind="stable")
    strata, centred = strata[order], centred[order]
    # Items stay sorted by stratum and are shuffled within; of each stratum the first are the chosen ones.
    place = np.arange(len(strata)) - np.concatenate([[0], np.cumsum(counts)[:-1]])[strata]
    first = place < chosen[strata]
    reached = 1
    step = max(1, 2_000_000 // len(strata))
    for start in range(0, _DRAWS, step):
        rows = min(step, _DRAWS - start)
        shuffled = np.argsort(random.random((rows, len(strata))) + strata, axis=1)[:, first]
        sums = np.abs(centred[shuffled].sum(axis=1))
        reached += int((sums >= seen - _ROUNDING * max(1.0, seen)).sum())
    return reached / (_DRAWS + 1)


def _normal(centred: FloatArray, strata: IntArray, counts: IntArray, chosen: IntArray, seen: float) -> float:
    squares = np.bincount(strata, weights=centred**2, minlength=len(counts))
    spread = squares / np.maximum(counts - 1, 1)
    variance = float((spread * chosen * (1 - chosen / np.maximum(counts, 1))).sum())
    return float(2 * special.ndtr(-seen / np.sqrt(variance))) if variance > 0 else 1.0


def _of_systems(sample: Sample, seed: int) -> Likeness | None:
    """Pearson's chi-square of the systems' shares against random choices of as many items; None with one system."""
    known = np.array([system is not None for system in sample.systems], dtype=np.bool_)
    codes = _codes([system for system in sample.systems if system is not None])
    labelled = sample.labelled[known]
    counts = np.bincount(codes)
    n = int(labelled.sum())
    if len(counts) < 2 or not 0 < n < len(codes):
        return None
    expected = counts * n / len(codes)

    def distance(of_systems: IntArray) -> FloatArray:
        found: FloatArray = ((of_systems - expected) ** 2 / expected).sum(axis=-1)
        return found

    seen = float(distance(np.bincount(codes[labelled], minlength=len(counts))))
    # System after system, whose memory does not grow with the number of items.
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(counts, n, size=_DRAWS, method="marginals")
    reached = int((distance(drawn) >= seen - _ROUNDING * max(1.0, seen)).sum())
    return Likeness("shares of systems", (reached + 1) / (_DRAWS + 1))


def _codes(systems: Sequence[str | None]) -> IntArray:
    """A number for each system, and one for unknown; shape items."""
    return np.unique([system or "" for system in systems], return_inverse=True)[1].astype(np.intp)
