"""Layer 2. What is known of a criterion before it is analysed: its kind of values, level of measurement and scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annotator_ops.models import Level, Value
from annotator_ops.stats.reliability import ValueKind, kind_of

# Whole numbers in at most this many steps look like a rating scale.
_SCALE_STEPS = 11
# Texts this long on average, nearly all different, are remarks and no labels.
_TEXT_LENGTH = 30
_TEXT_DISTINCT = 0.8


@dataclass(frozen=True, slots=True)
class CriterionSpec:
    """How one criterion is analysed. `level` is None where no coefficient fits; `why` says who chose it and why.

    `scale` are the declared numbers of an ordinal scale, in ascending order, or empty.
    """

    name: str
    kind: ValueKind
    level: Level | None
    why: str
    title: str = ""
    scale: tuple[float, ...] = ()


def infer(name: str, values: Sequence[Value], *, level: Level | None = None, title: str = "") -> CriterionSpec:
    """The spec of a criterion from its values, with the declared `level` where there is one.

    The rule without one: whole numbers in at most 11 steps are ordinal (a rating scale), other numbers interval; labels
    and sets of labels are nominal; long texts that are nearly all different are free text; free text and regions get
    counts and no coefficient.
    """
    kind = kind_of(values)
    if level is None and kind is ValueKind.LABELS and _reads_like_text(values):
        kind = ValueKind.TEXT
    if kind in (ValueKind.REGIONS, ValueKind.TEXT):
        return CriterionSpec(name, kind, None, f"The values are {_PLURAL[kind]}: counted, not compared.", title)
    if level is not None:
        return CriterionSpec(name, kind, level, f"Declared {level.value}.", title)
    if kind is ValueKind.NUMBERS:
        numbers = sorted({value for value in values if isinstance(value, (int, float))})
        if not numbers:
            return CriterionSpec(name, kind, Level.NOMINAL, "There are no values.", title)
        low, high = numbers[0], numbers[-1]
        whole = all(float(number).is_integer() for number in numbers)
        if whole and high - low < _SCALE_STEPS:
            why = f"Taken as ordinal: all values are whole numbers from {low:g} to {high:g}, as on a rating scale."
            return CriterionSpec(name, kind, Level.ORDINAL, why, title)
        why = f"Taken as interval: the values are numbers from {low:g} to {high:g}, and no scale of few steps."
        return CriterionSpec(name, kind, Level.INTERVAL, why, title)
    return CriterionSpec(name, kind, Level.NOMINAL, f"Taken as nominal: the values are {_PLURAL[kind]}.", title)


_PLURAL = {
    ValueKind.NUMBERS: "numbers",
    ValueKind.LABELS: "labels",
    ValueKind.LABEL_SETS: "sets of labels",
    ValueKind.REGIONS: "marked regions",
    ValueKind.TEXT: "free text",
}


def _reads_like_text(values: Sequence[Value]) -> bool:
    texts = [value for value in values if isinstance(value, str)]
    if not texts:
        return False
    mean_length = sum(map(len, texts)) / len(texts)
    return mean_length >= _TEXT_LENGTH and len(set(texts)) / len(texts) >= _TEXT_DISTINCT
