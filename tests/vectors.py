"""Agreement vectors: published or computed values with their data, as plain JSON, and the library's call for each.

A vector has `metric` and `data` (raters × units, null for missing; a list in a cell is a set of labels), and as the
metric needs them `level`, `categories` (the domain, in its order), `weights` (a scheme's name or a matrix),
`disagreement_weights`, `distance` ("masi", "jaccard" or a matrix), `period`, and `rater_ids` (rows with the same id are
one rater who rated again).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotator_ops.measures import Estimate
from annotator_ops.models import Level
from annotator_ops.stats.agreement import chance, concordance
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.agreement.gwet import with_error
from annotator_ops.stats.agreement.icc import FORMS, icc
from annotator_ops.stats.agreement.light import fleiss_kappa_per_category, light_kappa
from annotator_ops.stats.agreement.sets import SetDistance, masi_distance, set_alpha
from annotator_ops.stats.agreement.weights import checked_matrix, from_disagreement, reordered
from annotator_ops.stats.dawid_skene import dawid_skene
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, Category, FloatArray, as_label_set, display, is_finite_number

Vector = Mapping[str, Any]
Value = float | dict[str, float | None] | list[float] | None

WEIGHTED: dict[str, Callable[..., Estimate]] = {
    "percent_agreement": chance.percent_agreement,
    "cohen_kappa": chance.cohen_kappa,
    "weighted_kappa": chance.weighted_kappa,
    "light_kappa": light_kappa,
    "conger_kappa": chance.conger_kappa,
    "fleiss_kappa": chance.fleiss_kappa,
    "scott_pi": chance.scott_pi,
    "brennan_prediger": chance.brennan_prediger,
    "gwet_ac2": chance.gwet_ac2,
    "krippendorff_alpha_irrcac": chance.krippendorff_alpha_irrcac,
}
PLAIN: dict[str, Callable[[ReliabilityData], Estimate]] = {
    "bennett_s": chance.bennett_s,
    "gwet_ac1": chance.gwet_ac1,
    "kendall_w": lambda data: concordance.kendall_w(data, correct_ties=False),
    "kendall_w_tie_corrected": concordance.kendall_w,
    "mean_pairwise_pearson_fisher_z": concordance.mean_pairwise_pearson_fisher_z,
    "mean_pairwise_spearman_fisher_z": concordance.mean_pairwise_spearman_fisher_z,
}
# The names that other packages have for the same weights.
_ALIASES = {
    "unweighted": "identity",
    "none": "identity",
    "nominal": "identity",
    "equal": "linear",
    "squared": "quadratic",
}
# Levels of measurement whose distance is 1 − these weights.
_LEVELS = {"identity": "nominal", "quadratic": "interval", "squared": "interval"}
_DISTANCES = ("distance", "disagreement_weights", "weights")


def evaluate(vector: Vector) -> Value:
    """What the library says to a vector; None where the value is undefined, a dictionary by category where it is one.

    Raises ValueError for a metric that is not known, and for data or weights that contradict each other.
    """
    metric = vector["metric"]
    if metric == "masi_distance":
        return _masi(vector)
    if metric == "dawid_skene_class_marginals":
        return _class_marginals(vector)
    if metric == "fleiss_kappa_per_category":
        given = _given(vector, by_position=False)
        return {display(name): found.value for name, found in fleiss_kappa_per_category(given.data).items()}
    return estimate(vector).value


def estimate(vector: Vector) -> Estimate:
    """The estimate behind a vector's value, with standard error and interval. Raises ValueError as `evaluate`."""
    metric = vector["metric"]
    given = _given(vector, by_position=True)
    if metric in FORMS:
        return icc(given.data, metric)
    if metric in WEIGHTED:
        weights = given.weights(vector)
        return WEIGHTED[metric](given.data) if weights is None else WEIGHTED[metric](given.data, weights=weights)
    if metric in PLAIN:
        return PLAIN[metric](given.data)
    if metric in ("krippendorff_alpha", "krippendorff_alpha_custom"):
        found = given.alpha(vector)
        # The library's interval of alpha is a bootstrap; irrCAC's is this one, from the same standard error.
        error = found.standard_error
        return found if error is None else with_error(found, error, units=found.n_items, confidence=0.95)
    raise ValueError(f"There is no metric {metric!r}.")


@dataclass(frozen=True, slots=True, eq=False)
class _Given:
    """A vector's data. `order` are its categories as given, over which its matrices are; `data.domain` is sorted."""

    data: ReliabilityData
    order: tuple[Category, ...]
    has_sets: bool

    def matrix(self, value: Any) -> FloatArray:
        return reordered(value, self.order) if len(self.order) == len(value) else np.array(value, dtype=np.float64)

    def weights(self, vector: Vector) -> Any:
        """What to give as `weights`; None for the coefficient's own."""
        if vector.get("disagreement_weights") is not None:
            return from_disagreement(self.matrix(vector["disagreement_weights"]))
        weights = vector.get("weights")
        if weights is None or isinstance(weights, str):
            return _ALIASES.get(weights, weights) if weights else None
        matrix = self.matrix(weights)
        return checked_matrix(matrix, len(matrix)) if np.diagonal(matrix).any() else from_disagreement(matrix)

    def alpha(self, vector: Vector) -> Estimate:
        """Alpha at its level, or with a distance: by name, as a matrix, or 1 − weights of agreement."""
        distance = next((vector[key] for key in _DISTANCES if vector.get(key) is not None), None)
        if distance is None and vector["metric"] == "krippendorff_alpha_custom" and self.has_sets:
            distance = SetDistance.MASI.value
        if distance is None:
            return krippendorff_alpha(self.data, period=vector.get("period"))
        if isinstance(distance, str):
            if distance in {each.value for each in SetDistance}:
                return set_alpha(self.data, distance=SetDistance(distance))
            named = {**vector, "level": _LEVELS.get(distance, distance)}
            return krippendorff_alpha(_given(named, by_position=True).data, period=vector.get("period"))
        matrix = self.matrix(distance)
        return krippendorff_alpha(self.data, distance=1 - matrix if np.diagonal(matrix).any() else matrix)


def _given(vector: Vector, *, by_position: bool) -> _Given:
    """The data of a vector; `by_position` turns labels that come in a given order into their positions in it."""
    rows = [[_cell(value) for value in row] for row in vector["data"]]
    used = {value for row in rows for value in row if value is not None}
    has_sets = any(isinstance(value, tuple) for value in used)
    order = tuple(value for value in map(_cell, vector.get("categories") or ()) if value is not None)
    if not order:
        order = _guessed(used, _size_of_matrix(vector))
    elif not used <= set(order):
        named = {display(category): category for category in order}
        rows = [[value if value is None else named.get(display(value), value) for value in row] for row in rows]
    level = vector.get("level")
    measured = Level(level) if level in set(Level) else Level.NOMINAL
    if order and by_position and not has_sets and not all(map(is_finite_number, order)):
        place = {category: float(position) for position, category in enumerate(order, start=1)}
        rows = [[None if value is None else place[value] for value in row] for row in rows]
        order = tuple(place.values())
    elif not all(map(is_finite_number, (*used, *order))):
        measured = Level.NOMINAL
    ids = [str(name) for name in vector.get("rater_ids") or ()]
    raters = ids if len(set(ids)) == len(rows) else ()
    data = ReliabilityData.from_rows(rows, level=measured, raters=raters, domain=order)
    return _Given(data, order or data.domain, has_sets)


def _cell(value: Any) -> Category | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (list, tuple, set, frozenset)):
        return as_label_set(value)
    return str(value) if isinstance(value, bool) else value


def _size_of_matrix(vector: Vector) -> int:
    given = (vector.get(key) for key in _DISTANCES)
    return next((len(each) for each in given if each is not None and not isinstance(each, str)), 0)


def _guessed(used: set[Category], size: int) -> tuple[Category, ...]:
    """Categories that a matrix has and nobody used, where they can only be whole numbers from 0 or 1 on."""
    if size <= len(used):
        return ()
    for start in (1, 0):
        numbers = tuple(float(number) for number in range(start, start + size))
        if used <= set(numbers):
            return numbers
    return ()


def _masi(vector: Vector) -> float | None:
    """The mean distance over the units that both rated."""
    first, second = ([_labels(value) for value in row] for row in vector["data"])
    found = [masi_distance(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    return math.fsum(found) / len(found) if found else None


def _labels(value: Any) -> Sequence[str] | None:
    cell = _cell(value)
    return cell if cell is None or isinstance(cell, tuple) else (display(cell),)


def _class_marginals(vector: Vector) -> list[float] | None:
    data = _given(vector, by_position=True).data
    row, item = np.nonzero(data.codes != MISSING)
    if not len(row):
        return None
    ids = vector.get("rater_ids") or range(len(data.codes))
    rater = np.unique(np.array([str(name) for name in ids]), return_inverse=True)[1]
    fitted = dawid_skene(rater[row], item, data.codes[row, item], n_classes=len(data.domain))
    return [float(share) for share in fitted.marginals]
