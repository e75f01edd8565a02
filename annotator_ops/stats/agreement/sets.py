"""Layer 2. Agreement on sets of labels: MASI and Jaccard distances for alpha, and each label by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from itertools import combinations

import numpy as np
from scipy import sparse

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.agreement.units import no_value
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, Category, FloatArray, IntArray

# How taxonomy paths are written: "Animal > Dog > Poodle".
PATH = " > "
# Distances between so many sets fill 128 MB.
MOST_SETS = 4_000
# Intervals for each of more labels than this would take long and be read by nobody.
_MOST_LABEL_INTERVALS = 50


class SetDistance(StrEnum):
    """How far apart two sets of labels are, from 0 (the same) to 1 (nothing in common)."""

    JACCARD = "jaccard"
    MASI = "masi"


def jaccard_distance(a: Collection[str], b: Collection[str]) -> float:
    """1 − |a ∩ b| / |a ∪ b| (Jaccard 1912); 0 for two empty sets, which are the same."""
    one, other = set(a), set(b)
    return 1 - len(one & other) / len(one | other) if one or other else 0.0


def masi_distance(a: Collection[str], b: Collection[str]) -> float:
    """1 − Jaccard × monotonicity (Passonneau 2006): 1 for equal sets, 2/3 where one holds the other, 1/3 for others.

    0 for two empty sets, which are the same; 1 for an empty set and another, which have nothing in common.
    """
    one, other = set(a), set(b)
    if one == other:
        return 0.0
    monotonicity = 2 / 3 if one <= other or other <= one else 1 / 3
    return 1 - monotonicity * len(one & other) / len(one | other)


def with_ancestors(labels: Collection[str], *, separator: str = PATH) -> tuple[str, ...]:
    """A set of taxonomy paths with all they stand under: "a > b > c" gives "a", "a > b" and "a > b > c".

    With it two siblings have their ancestors in common and are nearer than strangers; without it they are as far apart.
    Deep paths then weigh more than shallow ones, because they bring more ancestors.
    """
    found = set()
    for label in labels:
        parts = label.split(separator)
        found |= {separator.join(parts[: depth + 1]) for depth in range(len(parts))}
    return tuple(sorted(found))


def distance_matrix(domain: Sequence[Category], distance: SetDistance) -> FloatArray | Reason:
    """The distances between all sets of a domain (tuples of labels); shape domain × domain, symmetric, 0 to 1.

    MASI and Jaccard are distances themselves and enter alpha as they are, not squared (Artstein & Poesio 2008, section
    4.4). More than MOST_SETS sets give a Reason.
    """
    if len(domain) > MOST_SETS:
        sentence = (
            f"{len(domain):,} different sets of labels are more than {MOST_SETS:,}, whose distances can be compared; "
            "agreement on each label by itself can be computed."
        )
        return Reason("too-many-sets", sentence)
    sets = [_as_set(category) for category in domain]
    member, _ = _membership(sets)
    size = np.array([len(labels) for labels in sets], dtype=np.float64)
    common = np.asarray((member @ member.T).todense(), dtype=np.float64)
    smaller, union = np.minimum(size[:, None], size), size[:, None] + size - common
    jaccard = np.divide(common, union, out=np.ones_like(union), where=union > 0)
    if distance is SetDistance.JACCARD:
        return np.asarray(1 - jaccard, dtype=np.float64)
    monotonicity = np.where(common == union, 1.0, np.where(common == smaller, 2 / 3, 1 / 3))
    return np.asarray(1 - jaccard * monotonicity, dtype=np.float64)


def set_alpha(
    data: ReliabilityData, *, distance: SetDistance, resampling: Resampling | None = None, separator: str = ""
) -> Estimate:
    """Krippendorff's alpha of sets of labels with a distance between them in place of same-or-not (Passonneau 2006).

    With a `separator` (PATH for a taxonomy) each path counts with its ancestors, see `with_ancestors`.
    """
    how = "MASI" if distance is SetDistance.MASI else "Jaccard"
    sets: Sequence[Category] = data.domain
    if separator:
        sets = [with_ancestors(_as_set(category), separator=separator) for category in data.domain]
        how += ", each path with its ancestors"
    matrix = distance_matrix(sets, distance)
    if isinstance(matrix, Reason):
        return no_value(data, matrix)
    found = krippendorff_alpha(data, resampling=resampling, distance=matrix)
    return replace(found, method=f"{how} distance of sets of labels: {found.method}")


def mean_jaccard(data: ReliabilityData) -> Estimate:
    """The mean Jaccard index of two annotators' sets, over pairs within an item and then over items.

    It is 1 where both are empty, and is not corrected for chance.
    """
    by_item = jaccard_by_item(data)
    if not by_item:
        return no_value(data, Reason("no-overlap", "No item was rated by two annotators, so nothing can be compared."))
    value = 1 - float(np.mean(list(by_item.values())))
    method = "mean Jaccard index of two annotators' sets, over pairs and then items; not corrected for chance"
    return Estimate(value=value, method=method, n_items=len(by_item), n_raters=len(data.raters))


def jaccard_by_item(data: ReliabilityData) -> Mapping[str, float]:
    """The mean Jaccard distance between two annotators' sets for each item that two annotators rated."""
    sets = [_as_set(category) for category in data.domain]
    known: dict[tuple[int, int], float] = {}
    found = {}
    for column in np.flatnonzero(data.pairable).tolist():
        codes = sorted(code for code in data.codes[:, column].tolist() if code != MISSING)
        distances = []
        for pair in combinations(codes, 2):
            if pair not in known:
                known[pair] = jaccard_distance(sets[pair[0]], sets[pair[1]])
            distances.append(known[pair])
        found[data.units[column]] = sum(distances) / len(distances)
    return found


def label_alphas(data: ReliabilityData, *, resampling: Resampling | None = None) -> dict[str, Estimate]:
    """For each label in ascending order, nominal alpha of whether it was chosen.

    Intervals are made for up to 50 labels.
    """
    sets = [_as_set(category) for category in data.domain]
    member, labels = _membership(sets)
    chosen = member.toarray().astype(np.intp)
    found = {}
    for place, label in enumerate(labels):
        codes: IntArray = np.append(chosen[:, place], MISSING)[data.codes]
        binary = replace(data, codes=codes, domain=(f"not {label}", label), level=Level.NOMINAL)
        found[label] = krippendorff_alpha(
            binary, resampling=resampling if len(labels) <= _MOST_LABEL_INTERVALS else None
        )
    return found


def _as_set(category: Category) -> tuple[str, ...]:
    """A single label is a set of one."""
    return category if isinstance(category, tuple) else (str(category),)


def _membership(sets: Sequence[tuple[str, ...]]) -> tuple[sparse.csr_array, tuple[str, ...]]:
    """Which set has which label (sparse, sets × labels), and the labels in ascending order."""
    labels = tuple(sorted({label for each in sets for label in each}))
    place_of = {label: place for place, label in enumerate(labels)}
    cells = [(row, place_of[label]) for row, each in enumerate(sets) for label in set(each)]
    rows, columns = ([cell[axis] for cell in cells] for axis in (0, 1))
    return sparse.csr_array((np.ones(len(cells)), (rows, columns)), shape=(len(sets), len(labels))), labels
