"""Layer 2. Made-up annotators: answers that look like a person's, for rehearsals and the demo only."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotator_ops.labeling import Control
from annotator_ops.models import Criterion, JSONDict

# How far one made-up annotator's taste lies from the common one, and how much each answer scatters (scale 0 to 1).
_BIAS = 0.10
_NOISE = 0.14
_SKIP_RATE = 0.02
_REMARKS = ("", "", "", "", "One reply felt out of place.", "Loses the thread near the end.", "Very lively.")


@dataclass(frozen=True, slots=True)
class Answer:
    """One made-up annotation: Label Studio's result list, whether the task was skipped, and the seconds it took."""

    result: tuple[JSONDict, ...]
    skipped: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Character:
    """A made-up annotator. `quality` gives items a common worth in [0, 1] per criterion; others are drawn by seed."""

    annotator: str
    seed: int
    quality: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def answer(
        self, item: str, data: Mapping[str, Any], controls: Sequence[Control], criteria: Sequence[Criterion]
    ) -> Answer:
        """The same character gives the same item the same answer every time."""
        dice = random.Random(f"{self.seed}/{self.annotator}/{item}")  # noqa: S311 - play, not cryptography
        seconds = round(dice.lognormvariate(3.6, 0.45), 1)
        if dice.random() < _SKIP_RATE:
            return Answer((), skipped=True, seconds=seconds)
        by_control = {criterion.control: criterion for criterion in criteria}
        result: list[JSONDict] = []
        for control in controls:
            worth = self._worth(item, control, by_control.get(control.name), dice)
            value = _value(control, by_control.get(control.name), worth, data, dice)
            if value is not None:
                kind, content = value
                result.append(
                    {
                        "from_name": control.name,
                        "to_name": control.to_name[0],
                        "type": kind,
                        "value": content,
                        "origin": "manual",
                    }
                )
        return Answer(tuple(result), skipped=False, seconds=seconds)

    def _worth(self, item: str, control: Control, criterion: Criterion | None, dice: random.Random) -> float:
        name = criterion.name if criterion else control.name
        common = self.quality.get((item, name))
        if common is None:
            common = random.Random(f"{self.seed}/worth/{item}/{name}").random()  # noqa: S311 - play
        bias = random.Random(f"{self.seed}/bias/{self.annotator}/{name}").gauss(0, _BIAS)  # noqa: S311 - play
        return min(1.0, max(0.0, common + bias + dice.gauss(0, _NOISE)))


def _value(
    control: Control, criterion: Criterion | None, worth: float, data: Mapping[str, Any], dice: random.Random
) -> tuple[str, JSONDict] | None:
    labels = list(control.labels)
    if criterion and criterion.values:
        labels = sorted(criterion.values, key=lambda label: criterion.values[label])
    chosen = labels[min(len(labels) - 1, int(worth * len(labels)))] if labels else ""
    match control.tag:
        case "Choices":
            picked = [chosen]
            if control.multiple:
                picked = [label for label in labels if label == chosen or dice.random() < 0.2]
            return "choices", {"choices": picked}
        case "Rating":
            most = int(control.maximum or 5)
            return "rating", {"rating": 1 + min(most - 1, int(worth * most))}
        case "Number":
            low, high = control.minimum or 0.0, control.maximum if control.maximum is not None else 100.0
            return "number", {"number": round(low + worth * (high - low))}
        case "Pairwise":
            return "pairwise", {"selected": "left" if worth < 0.5 else "right"}
        case "TextArea":
            remark = dice.choice(_REMARKS)
            return ("textarea", {"text": [remark]}) if remark else None
        case "Labels":
            return _span(chosen, data, dice)
        case "RectangleLabels":
            box = {"x": 20 + 40 * worth, "y": 20 + 20 * dice.random(), "width": 30, "height": 30, "rotation": 0}
            return "rectanglelabels", {**box, "rectanglelabels": [chosen]}
    return None


def _span(label: str, data: Mapping[str, Any], dice: random.Random) -> tuple[str, JSONDict] | None:
    text = next((value for key, value in data.items() if key != "id" and isinstance(value, str) and " " in value), "")
    words = text.split(" ")
    if len(words) < 2:
        return None
    first = dice.randrange(len(words))
    start = sum(len(word) + 1 for word in words[:first])
    end = start + len(words[first])
    return "labels", {"start": start, "end": end, "text": text[start:end], "labels": [label]}


def quality_from(scores: Mapping[tuple[str, str], Sequence[float]]) -> dict[tuple[str, str], float]:
    """Item worth in [0, 1] from scores per (item, criterion): their mean, on the range seen for that criterion."""
    means = {key: sum(values) / len(values) for key, values in scores.items() if values}
    ranges: dict[str, tuple[float, float]] = {}
    for (_, criterion), mean in means.items():
        low, high = ranges.get(criterion, (mean, mean))
        ranges[criterion] = (min(low, mean), max(high, mean))
    worth = {}
    for (item, criterion), mean in means.items():
        low, high = ranges[criterion]
        worth[item, criterion] = (mean - low) / (high - low) if high > low else 0.5
    return worth
