"""Layer 2. Weights of partial agreement between categories, by name or as a matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Reason
from annotator_ops.stats.agreement.schemes import Identity, Matrix, Quadratic, Scheme
from annotator_ops.stats.values import Category, FloatArray, category_key, is_finite_number

# A scheme's name, or a categories × categories matrix over `ReliabilityData.domain`.
Weights = str | npt.ArrayLike

IDENTITY = "identity"
QUADRATIC = "quadratic"
# All but these two schemes need a matrix of categories × categories numbers: 128 MB at this many.
MOST_CATEGORIES = 4_000


def scheme_of(weights: Weights, domain: Sequence[Category]) -> Scheme | Reason:
    """The weights over a domain in their quickest form. A Reason and ValueError as for `weight_matrix`."""
    if isinstance(weights, str) and weights == IDENTITY:
        return Identity(len(domain))
    if isinstance(weights, str) and weights == QUADRATIC and len(domain):
        return Quadratic.of(positions_of(domain))
    matrix = weight_matrix(weights, domain)
    return matrix if isinstance(matrix, Reason) else Matrix(matrix)


def weight_matrix(weights: Weights, domain: Sequence[Category]) -> FloatArray | Reason:
    """The agreement weights over a domain: categories × categories, 1 for the same category, less for others.

    `weights` is the name of a scheme (see SCHEMES) or a matrix, which is checked. The schemes are those of Gwet 2014
    (Handbook of Inter-Rater Reliability, 4th ed., ch. 3) as his package irrCAC defines them. Where all categories are
    numbers, their values count; labels count by their positions in the domain, and so does the ordinal scheme always.
    A Reason where the scheme is not defined for the categories.

    Raises ValueError for an unknown name and for a matrix that cannot be weights of this domain.
    """
    if not isinstance(weights, str):
        return checked_matrix(weights, len(domain))
    scheme = SCHEMES.get(weights)
    if scheme is None:
        raise ValueError(f"There are no weights called {weights!r}; there are: {', '.join(SCHEMES)}.")
    if len(domain) > MOST_CATEGORIES:
        sentence = (
            f"{len(domain):,} categories need a matrix of as many rows and columns; the limit is {MOST_CATEGORIES:,}. "
            "For so many different values there are Krippendorff's alpha and the intraclass correlations."
        )
        return Reason("too-many-values", sentence)
    x = positions_of(domain)
    if weights == "ratio" and len(x) and x.min() < 0:
        return Reason("negative-ratio", "Ratio weights need values from zero up, and some categories are negative.")
    if len(x) < 2:
        return np.ones((len(x), len(x)))
    return scheme(x)


def checked_matrix(matrix: npt.ArrayLike, categories: int) -> FloatArray:
    """A given matrix as agreement weights of so many categories.

    Raises ValueError unless it is square, of the domain's size, finite, symmetric, 1 on the diagonal and nowhere above.
    """
    found = np.asarray(matrix, dtype=np.float64)
    if found.ndim != 2 or found.shape[0] != found.shape[1]:
        shape = " × ".join(map(str, found.shape)) or "a single number"
        raise ValueError(f"Weights need a square matrix, categories × categories; this one is {shape}.")
    if len(found) != categories:
        raise ValueError(
            f"The weights are for {len(found)} categories, and the domain has {categories}. Give one row and one "
            "column for each category, those that nobody used included."
        )
    if not np.isfinite(found).all():
        raise ValueError("All weights must be finite numbers.")
    if not np.allclose(found, found.T, rtol=0, atol=1e-12):
        raise ValueError("Weights must be symmetric: the weight of a pair cannot depend on which rater is named first.")
    if not np.allclose(np.diagonal(found), 1, rtol=0, atol=1e-12):
        raise ValueError(
            "Weights of agreement are 1 on the diagonal, because a category agrees fully with itself. Turn weights of "
            "disagreement, which are 0 there, into weights of agreement first."
        )
    if (found > 1 + 1e-12).any():
        raise ValueError("No weight may be above 1, the weight of full agreement.")
    return found


def from_disagreement(matrix: npt.ArrayLike) -> FloatArray:
    """Weights of disagreement (Cohen 1968), 0 on the diagonal, as weights of agreement: 1 − v / max v.

    A coefficient of the form 1 − observed / expected disagreement is the same for either. Raises ValueError for weights
    that are negative, not finite, or not 0 on the diagonal.
    """
    found = np.asarray(matrix, dtype=np.float64)
    if not np.isfinite(found).all() or (found < 0).any():
        raise ValueError("Weights of disagreement must be finite numbers from zero up.")
    if found.ndim == 2 and np.diagonal(found).any():
        raise ValueError("Weights of disagreement must be 0 on the diagonal: a category agrees fully with itself.")
    return _complement(found)


def positions_of(domain: Sequence[Category]) -> FloatArray:
    """Where the categories lie: their values where all are numbers, otherwise their positions from 1."""
    if all(is_finite_number(category) for category in domain):
        return np.array(domain, dtype=np.float64)
    return np.arange(1, len(domain) + 1, dtype=np.float64)


def reordered(matrix: npt.ArrayLike, categories: Sequence[Category]) -> FloatArray:
    """A matrix over `categories` in their given order, rearranged to the ascending order that a domain has."""
    order = sorted(range(len(categories)), key=lambda position: category_key(categories[position]))
    arranged: FloatArray = np.asarray(matrix, dtype=np.float64)[np.ix_(order, order)]
    return arranged


def _complement(distance: FloatArray) -> FloatArray:
    largest = distance.max(initial=0.0)
    complement: FloatArray = 1 - distance / largest if largest > 0 else np.ones_like(distance)
    return complement


def _differences(x: FloatArray) -> FloatArray:
    difference: FloatArray = np.abs(x[:, None] - x[None, :])
    return difference


def _identity(x: FloatArray) -> FloatArray:
    return np.eye(len(x))


def _linear(x: FloatArray) -> FloatArray:
    return _complement(_differences(x))


def _quadratic(x: FloatArray) -> FloatArray:
    return _complement(_differences(x) ** 2)


def _radical(x: FloatArray) -> FloatArray:
    return _complement(np.sqrt(_differences(x)))


def _ordinal(x: FloatArray) -> FloatArray:
    steps = _differences(np.arange(len(x), dtype=np.float64))
    return _complement(steps * (steps + 1) / 2)  # pairs among the categories from one to the other, both included


def _ratio(x: FloatArray) -> FloatArray:
    total = x[:, None] + x[None, :]
    quotient = np.divide(_differences(x), total, out=np.zeros_like(total), where=total != 0)
    # The divisor is the largest quotient only for values from zero up, which is why no others are let in.
    return _complement(quotient**2)


def _circular(x: FloatArray) -> FloatArray:
    circumference = x.max() - x.min() + 1
    return _complement(np.sin(np.pi * _differences(x) / circumference) ** 2)


def _bipolar(x: FloatArray) -> FloatArray:
    total = x[:, None] + x[None, :]
    room = (total - 2 * x.min()) * (2 * x.max() - total)
    return _complement(np.divide(_differences(x) ** 2, room, out=np.zeros_like(room), where=room > 0))


SCHEMES: dict[str, Callable[[FloatArray], FloatArray]] = {
    IDENTITY: _identity,
    "linear": _linear,
    QUADRATIC: _quadratic,
    "ordinal": _ordinal,
    "radical": _radical,
    "ratio": _ratio,
    "circular": _circular,
    "bipolar": _bipolar,
}
