"""Layer 2. Two things shown side by side: which fields of a task they are, and the task with the two exchanged."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from annotator_ops.labeling import LabelConfig
from annotator_ops.measures import Value
from annotator_ops.models import Criterion, JSONDict

LEFT, RIGHT = "left", "right"


@dataclass(frozen=True, slots=True)
class Pair:
    """The variables of the left and the right thing that a Pairwise control compares, and the control's name."""

    left: str
    right: str
    control: str

    @classmethod
    def of(cls, config: LabelConfig) -> Pair | None:
        """The pair of a label config; None where it has no Pairwise, or one that is not about two whole fields."""
        control = next((each for each in config.controls if each.tag == "Pairwise"), None)
        if control is None or len(control.to_name) != 2:
            return None
        left, right = config.shown_to(control)
        known = left in config.variables and right in config.variables and left != right
        return cls(left, right, control.name) if known else None

    @property
    def names(self) -> Mapping[str, str]:
        """What a judge is told that each variable is."""
        return {self.left: LEFT, self.right: RIGHT}

    def swapped(self, data: Mapping[str, Any]) -> JSONDict:
        """A task's data with the two things exchanged; the data given stay as they are."""
        changed = deepcopy(dict(data))
        left, right = _at(changed, self.left), _at(changed, self.right)
        _put(changed, self.left, right)
        _put(changed, self.right, left)
        return changed


def mirrored(value: Value, criterion: Criterion) -> Value:
    """A verdict on a swapped pair as one on the pair as it is: left for right, or the number that stands for it."""
    if isinstance(value, str):
        return {LEFT: RIGHT, RIGHT: LEFT}.get(value, value)
    if isinstance(value, (int, float)) and {LEFT, RIGHT} <= criterion.values.keys():
        return float(criterion.values[LEFT]) + float(criterion.values[RIGHT]) - value
    return value


def _at(data: Mapping[str, Any], variable: str) -> Any:
    value: Any = data
    for key in variable.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _put(data: JSONDict, variable: str, value: Any) -> None:
    *path, last = variable.split(".")
    for key in path:
        data = data[key] if isinstance(data.get(key), dict) else data.setdefault(key, {})
    data[last] = value
