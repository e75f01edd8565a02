"""Layer 2. Weights of agreement as what the coefficients do with them: a matrix only where there is no closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from annotator_ops.stats.values import MISSING, FloatArray, IntArray


class Scheme(Protocol):
    """Weights of agreement over a domain: 1 for the same category, less for others."""

    @property
    def total(self) -> float:
        """The sum of all weights."""

    def times(self, x: FloatArray) -> FloatArray:
        """The weights times a vector over categories, or times each column of a matrix."""

    def between(self, first: IntArray, second: IntArray) -> FloatArray:
        """The weight of each two codes; 0 where one is MISSING."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Only the same category agrees."""

    categories: int

    @property
    def total(self) -> float:
        return float(self.categories)

    def times(self, x: FloatArray) -> FloatArray:
        return x

    def between(self, first: IntArray, second: IntArray) -> FloatArray:
        same: FloatArray = ((first == second) & (first != MISSING)).astype(np.float64)
        return same


@dataclass(frozen=True, slots=True, eq=False)
class Quadratic:
    """1 − (c − k)²/range² of the categories' places `x`, here from −1/2 to 1/2."""

    x: FloatArray

    @classmethod
    def of(cls, places: FloatArray) -> Quadratic:
        low, high = places.min(initial=np.inf), places.max(initial=-np.inf)
        return cls((places - low) / (high - low) - 0.5 if high > low else np.zeros(len(places)))

    @property
    def total(self) -> float:
        return float(self.times(np.ones(len(self.x))).sum())

    def times(self, x: FloatArray) -> FloatArray:
        place = self.x if x.ndim == 1 else self.x[:, None]
        moments = x.sum(axis=0), (place * x).sum(axis=0), (place**2 * x).sum(axis=0)
        product: FloatArray = moments[0] * (1 - place**2) + 2 * place * moments[1] - moments[2]
        return product

    def between(self, first: IntArray, second: IntArray) -> FloatArray:
        present = (first != MISSING) & (second != MISSING)
        weights: FloatArray = np.where(present, 1 - (self.x[first] - self.x[second]) ** 2, 0.0)
        return weights


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Any weights, categories × categories."""

    matrix: FloatArray

    @property
    def total(self) -> float:
        return float(self.matrix.sum())

    def times(self, x: FloatArray) -> FloatArray:
        product: FloatArray = self.matrix @ x
        return product

    def between(self, first: IntArray, second: IntArray) -> FloatArray:
        present = (first != MISSING) & (second != MISSING)
        weights: FloatArray = np.where(present, self.matrix[first, second], 0.0)
        return weights


@dataclass(frozen=True, slots=True, eq=False)
class Circular:
    """(1 + cos(c − k))/2 of angles in radians, one a category; 1 minus it is sin² of half the angle between them."""

    angles: FloatArray

    @property
    def total(self) -> float:
        return float(self.times(np.ones(len(self.angles))).sum())

    def times(self, x: FloatArray) -> FloatArray:
        angles = self.angles if x.ndim == 1 else self.angles[:, None]
        cosines, sines = np.cos(angles), np.sin(angles)
        product: FloatArray = (
            x.sum(axis=0) + cosines * (cosines * x).sum(axis=0) + sines * (sines * x).sum(axis=0)
        ) / 2
        return product

    def between(self, first: IntArray, second: IntArray) -> FloatArray:
        present = (first != MISSING) & (second != MISSING)
        weights: FloatArray = np.where(present, (1 + np.cos(self.angles[first] - self.angles[second])) / 2, 0.0)
        return weights
