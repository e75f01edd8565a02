"""Layer 2. What a rating's value can be: its kind, its place in an order, its words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Value

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]
# A number, a label, or a set of labels as a sorted tuple.
Category = float | str | tuple[str, ...]

# The code of a value that is not there.
MISSING = -1
_DIGITS = re.compile("([0-9]+)")


class ValueKind(StrEnum):
    """What the values of a criterion are; the first three are one value an item, the others are compared in parts."""

    NUMBERS = "numbers"
    LABELS = "labels"
    LABEL_SETS = "label sets"
    REGIONS = "regions"
    RANKINGS = "rankings"
    TEXT = "text"


def as_label_set(labels: Iterable[object]) -> tuple[str, ...]:
    """A set of labels in the one form in which it can be compared: sorted, each label once.

    A taxonomy's choice is a path, itself a list of labels; it becomes one label.
    """
    named = (" / ".join(map(str, label)) if isinstance(label, (list, tuple)) else str(label) for label in labels)
    return tuple(sorted(set(named)))


def kind_of(values: Iterable[Value]) -> ValueKind:
    """What these values are together: one tuple makes all of them sets, one text makes all of them labels."""
    kinds = {_kind(value) for value in values}
    for kind in (ValueKind.REGIONS, ValueKind.LABEL_SETS, ValueKind.LABELS):
        if kind in kinds:
            return kind
    return ValueKind.NUMBERS


def _kind(value: Value) -> ValueKind:
    if isinstance(value, tuple):
        return ValueKind.REGIONS if any(isinstance(part, dict) for part in value) else ValueKind.LABEL_SETS
    return ValueKind.LABELS if isinstance(value, str) else ValueKind.NUMBERS


def display(value: object) -> str:
    """A value in words for a sentence: whole numbers without a point, sets joined by plus signs."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, tuple):
        parts = (json.dumps(part, ensure_ascii=False) if isinstance(part, dict) else str(part) for part in value)
        return " + ".join(parts) or "(no label)"
    return str(value)


def is_finite_number(value: object) -> bool:
    """Whether a value is a finite number (truth values are labels)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def category_key(category: object) -> tuple[int, float, str]:
    """Sorts numbers by size before labels by name."""
    if isinstance(category, (int, float)):
        return (0, float(category), "")
    return (1, 0.0, display(category))


def natural_key(text: str) -> tuple[list[str | tuple[int, str]], str]:
    """Sorts `anna-2` before `anna-10`."""
    parts: list[str | tuple[int, str]] = []
    for position, part in enumerate(_DIGITS.split(text)):
        number = part.lstrip("0")
        parts.append((len(number), number) if position % 2 else part)
    return parts, text
