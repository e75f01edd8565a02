"""Layer 2. What model judges are asked: each criterion's scale, in numbers and in the words of its labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from annotator_ops.labeling import Control, criteria_of, parse
from annotator_ops.models import Criterion, Level, Study
from annotator_ops.rating_cells import NUMBER

# At most so many whole numbers are a scale of steps, which a reply can be held to one by one.
_MOST_STEPS = 101
_SIDES = ("left", "right")


@dataclass(frozen=True, slots=True)
class Asked:
    """One criterion as a judge is asked about it.

    `low` and `high` bound its numbers, None is no bound. `labels` are its words: with the number that each stands for,
    or as they are where they stand for none (`low` and `high` are None then). `integers`: people can only give whole
    numbers, and so a judge is asked for one; what it says between two of them is still on the scale.
    """

    name: str
    title: str
    low: float | None
    high: float | None
    labels: Mapping[str, float] | tuple[str, ...] = ()
    integers: bool = True

    @property
    def nominal(self) -> bool:
        """Whether the answer is one of the labels themselves, and no number."""
        return bool(self.labels) and self.low is None and self.high is None and not isinstance(self.labels, Mapping)

    @property
    def steps(self) -> tuple[float, ...]:
        """The numbers that people can give, in ascending order; empty where they are no short list."""
        if isinstance(self.labels, Mapping) and self.labels:
            return tuple(sorted({float(number) for number in self.labels.values()}))
        low, high = self.low, self.high
        if self.nominal or not self.integers or low is None or high is None or high - low >= _MOST_STEPS:
            return ()
        return tuple(low + step for step in range(int(high - low) + 1))

    def holds(self, number: float) -> bool:
        """Whether a number lies on the scale; NaN never does."""
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)


def asked_of(study: Study) -> tuple[Asked, ...]:
    """The study's criteria that a judge can be asked about, in the study's order; see `unasked` for the others.

    Raises OpsError ("label-config-invalid").
    """
    return tuple(asked for _, asked in _both(study) if asked is not None)


def unasked(study: Study) -> dict[str, str]:
    """The criteria that judges are not asked about, each with why, in words."""
    config = parse(study.label_config)
    return {
        criterion.name: _why_not(config.control(criterion.control))
        for criterion, asked in _both(study)
        if asked is None
    }


def _both(study: Study) -> list[tuple[Criterion, Asked | None]]:
    config = parse(study.label_config)
    return [(each, _asked(each, config.control(each.control))) for each in criteria_of(study)]


def _asked(criterion: Criterion, control: Control | None) -> Asked | None:
    if control is None or control.per_region or control.multiple or control.dynamic:
        return None
    name, title = criterion.name, criterion.title
    if control.tag == "Rating":
        return Asked(name, title, control.minimum, control.maximum)
    if control.tag == "Number":
        return Asked(name, title, control.minimum, control.maximum, integers=False)
    if control.tag not in {"Choices", "Pairwise"}:
        return None
    if criterion.values:
        numbers = [float(number) for number in criterion.values.values()]
        return Asked(name, title, min(numbers), max(numbers), criterion.values, _whole(numbers))
    labels = _SIDES if control.tag == "Pairwise" else control.labels
    if criterion.level is not Level.NOMINAL and all(NUMBER.fullmatch(label) for label in labels):
        numbers = [float(label) for label in labels]
        values = dict(zip(labels, numbers, strict=True))
        return Asked(name, title, min(numbers), max(numbers), values, _whole(numbers))
    return Asked(name, title, None, None, labels, integers=False)


def _whole(numbers: list[float]) -> bool:
    return all(number.is_integer() for number in numbers)


def _why_not(control: Control | None) -> str:
    if control is None:
        return "the label config has no such control"
    if control.marks_regions or control.per_region:
        return "its answers are marked regions"
    if control.dynamic:
        return "its labels come from each task's data"
    if control.tag in {"Choices", "Pairwise"}:
        return "several answers can be given at once"
    return f"its answers are those of a {control.tag}"
