"""Layer 2. What is known of a criterion before it is analysed: its kind of values, level of measurement and scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annotator_ops.measures import Value
from annotator_ops.models import Level
from annotator_ops.stats.values import ValueKind, display, kind_of

# Whole numbers in at most this many steps look like a rating scale.
_SCALE_STEPS = 11
# Texts this long on average, nearly all different, are remarks and no labels.
_TEXT_LENGTH = 30
_TEXT_DISTINCT = 0.8
# So many of the values that are no numbers are named.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class CriterionSpec:
    """How one criterion is analysed. `level` is None where no coefficient fits; `why` says who chose it and why.

    `scale` are the declared numbers of an ordinal scale, in ascending order, or empty; `labels` the labels that can be
    chosen, or empty; `taxonomy` where they are paths. `compared` is False for remarks, which are only shown; `sides`
    are the values for the left and the right one where two things are compared; `period` the circumference of circular
    values; `derived` where nobody gave the values themselves. `warning` says which values are no numbers where most
    are: a typo, or a word for a missing value; `why` has it, too.
    """

    name: str
    kind: ValueKind
    level: Level | None
    why: str
    title: str = ""
    scale: tuple[float, ...] = ()
    warning: str = ""
    labels: tuple[str, ...] = ()
    taxonomy: bool = False
    compared: bool = True
    sides: tuple[Value, Value] | None = None
    period: float | None = None
    derived: bool = False


def infer(
    name: str,
    values: Sequence[Value],
    *,
    counts: Sequence[int] = (),
    level: Level | None = None,
    title: str = "",
    places: Sequence[tuple[Value, str]] = (),
) -> CriterionSpec:
    """The spec of a criterion from its values, with the declared `level` where there is one.

    `counts` says how often each value was given; without it, once. `places`, for the warning, are the first of those
    that are no numbers, each with who gave it on what.

    The rule without one: whole numbers in at most 11 steps are ordinal (a rating scale), other numbers interval; labels
    and sets of labels are nominal. Long texts that are nearly all different are free text; that and regions have no
    level, and measures of their own.
    """
    kind = kind_of(values)
    given = list(zip(values, counts or [1] * len(values), strict=True))
    warning = "" if level is Level.NOMINAL or kind is ValueKind.REGIONS else _no_numbers(given, places)
    if warning and level is None:
        warning = f"{warning} The level is therefore taken as nominal."
        return CriterionSpec(name, kind, Level.NOMINAL, warning, title, warning=warning)
    if level is None and kind is ValueKind.LABELS and _reads_like_text(given):
        kind = ValueKind.TEXT
    if kind in (ValueKind.REGIONS, ValueKind.TEXT):
        return CriterionSpec(name, kind, None, f"The values are {_PLURAL[kind]}, compared {_COMPARED[kind]}.", title)
    if level is not None:
        why = f"Declared {level.value}. {warning}".rstrip()
        return CriterionSpec(name, kind, level, why, title, warning=warning)
    if kind is ValueKind.NUMBERS:
        numbers = sorted({value for value in values if isinstance(value, (int, float))})
        if not numbers:
            return CriterionSpec(name, kind, Level.NOMINAL, "There are no values.", title)
        low, high = numbers[0], numbers[-1]
        whole = all(float(number).is_integer() for number in numbers)
        if whole and high - low < _SCALE_STEPS:
            span = f"all values are whole numbers from {low:g} to {high:g}, as on a rating scale"
            why = f"Taken as ordinal: {span if low < high else f'all values are {low:g}'}."
            return CriterionSpec(name, kind, Level.ORDINAL, why, title)
        span = f"numbers from {low:g} to {high:g}, and no scale of few steps" if low < high else f"all {low:g}"
        why = f"Taken as interval: the values are {span}."
        return CriterionSpec(name, kind, Level.INTERVAL, why, title)
    return CriterionSpec(name, kind, Level.NOMINAL, f"Taken as nominal: the values are {_PLURAL[kind]}.", title)


_PLURAL = {
    ValueKind.NUMBERS: "numbers",
    ValueKind.LABELS: "labels",
    ValueKind.LABEL_SETS: "sets of labels",
    ValueKind.REGIONS: "marked regions",
    ValueKind.RANKINGS: "rankings",
    ValueKind.TEXT: "free text",
}


_COMPARED = {ValueKind.REGIONS: "by where they are and by their labels", ValueKind.TEXT: "by their wording"}


def _no_numbers(given: Sequence[tuple[Value, int]], places: Sequence[tuple[Value, str]]) -> str:
    """Which values are no numbers, in words, where some are not and at least half are; else an empty text."""
    odd = [(value, count) for value, count in given if not isinstance(value, (int, float))]
    n_odd, n = sum(count for _, count in odd), sum(count for _, count in given)
    if not odd or 2 * n_odd > n:
        return ""
    named = [f"{display(value)} ({place})" for value, place in places] or [display(value) for value, _ in odd]
    shown = named[:_NAMED]
    more = f" and {n_odd - len(shown):,} more" if n_odd > len(shown) else ""
    verb, noun = ("is", "number") if n_odd == 1 else ("are", "numbers")
    return f"{n_odd:,} of {n:,} values {verb} no {noun}: {', '.join(shown)}{more}."


def _reads_like_text(given: Sequence[tuple[Value, int]]) -> bool:
    texts = [(value, count) for value, count in given if isinstance(value, str)]
    if not texts:
        return False
    n = sum(count for _, count in texts)
    mean_length = sum(len(text) * count for text, count in texts) / n
    return mean_length >= _TEXT_LENGTH and len({text for text, _ in texts}) / n >= _TEXT_DISTINCT
