"""Layer 2. Preference data: pairs of a prompt with a chosen and a rejected response, by what raters said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

import numpy as np

from annotator_ops.models import JSONDict, Task
from annotator_ops.preference_fields import Fields, filled, messages, value_at
from annotator_ops.stats.values import FloatArray

Source = Literal["people", "judges", "both"]
Filter = Literal["judges", "both"]

_ROUNDING = 1e-9
# Why a pair is not written, in the words of an outcome; by code.
REASONS: Mapping[str, str] = {
    "unrated": "not rated by those who are asked",
    "tie": "tied",
    "below-margin": "differ by less than the margin",
    "judges-missing": "not scored by all judges",
    "judges-disagree": "judges disagree on the direction",
    "people-missing": "not rated by people",
    "people-disagree": "people and judges disagree on the direction",
    "no-text": "a text is missing",
    "same-text": "both responses are the same text",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose preference counts, how far apart the responses are at least, and who has to agree on the direction.

    `margin` is in the units of the scores. `conversational` writes messages in place of texts, `details` what a pair
    was chosen by.
    """

    source: Source = "people"
    agree: Filter | None = None
    margin: float = 0.0
    conversational: bool = False
    details: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """How far people (rows of `human`) and judges (of `judge`) prefer the first of each pair: positive for the first.

    Both are raters × pairs; NaN where somebody said nothing. Of single responses each is a difference of scores, and
    `human` has one row: the difference of the people's means.
    """

    human: FloatArray
    judge: FloatArray


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two responses to one prompt, with the items that they are from (the same one twice where a task holds both).

    `scores` are people's and judges' mean scores of the first and of the second, and `raters` how many people rated
    them; empty where the pair itself was rated.
    """

    prompt: Any
    first: Any
    second: Any
    items: tuple[str, str]
    scores: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    n_people: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """The lines, and how many pairs were not written by the code of the reason (see REASONS)."""

    lines: tuple[JSONDict, ...]
    dropped: Mapping[str, int]


def pairs_of(candidates: Sequence[Candidate], side: Side, wanted: Wanted) -> Written:
    """One line of {prompt, chosen, rejected} for each pair that `wanted` lets through, in the order of the candidates.

    The preference is the mean over people, over judges, or with "both" the mean of these two means. A judge filter asks
    that all judges scored the pair and all prefer the chosen one; "both" asks it of people's mean, too.
    """
    people, judges = mean_of(side.human), mean_of(side.judge)
    of_source = {"people": people, "judges": judges, "both": (people + judges) / 2}[wanted.source]
    lines = []
    dropped: Counter[str] = Counter()
    for place, candidate in enumerate(candidates):
        preference = float(of_source[place])
        said = [float(value) for value in side.judge[:, place]]
        why = _why_not(preference, said, float(people[place]), wanted)
        texts = [filled(value, conversational=wanted.conversational) for value in (candidate.first, candidate.second)]
        prompt = filled(candidate.prompt, conversational=wanted.conversational)
        why = why or ("no-text" if prompt is None or None in texts else "same-text" if texts[0] == texts[1] else None)
        if why is not None:
            dropped[why] += 1
            continue
        order = (0, 1) if preference > 0 else (1, 0)
        line: JSONDict = {"prompt": prompt, "chosen": texts[order[0]], "rejected": texts[order[1]]}
        if wanted.conversational:
            line = {
                "prompt": messages(prompt, "user"),
                "chosen": messages(line["chosen"], "assistant"),
                "rejected": messages(line["rejected"], "assistant"),
            }
        if wanted.details:
            line |= _details(candidate, order, preference, float(people[place]), said)
        lines.append(line)
    return Written(tuple(lines), {code: dropped[code] for code in REASONS if dropped[code]})


def rated_pairs(tasks: Sequence[Task], fields: Fields, *, most: int) -> tuple[list[tuple[int, int]] | None, int]:
    """Places in `tasks` of every two with the same prompt (None for more than `most`), and how many have no partner."""
    groups: dict[str, list[int]] = {}
    for place, task in enumerate(tasks):
        prompt = value_at(task, fields.prompt)
        if prompt not in (None, ""):
            groups.setdefault(json.dumps(prompt, ensure_ascii=False, sort_keys=True), []).append(place)
    shared = [members for members in groups.values() if len(members) > 1]
    lonely = len(tasks) - sum(map(len, shared))
    if sum(len(members) * (len(members) - 1) // 2 for members in shared) > most:
        return None, lonely
    return [pair for members in shared for pair in combinations(members, 2)], lonely


def _why_not(preference: float, judges: Sequence[float], people: float, wanted: Wanted) -> str | None:
    if np.isnan(preference):
        return "unrated"
    if abs(preference) <= _ROUNDING:
        return "tie"
    if abs(preference) < wanted.margin - _ROUNDING:
        return "below-margin"
    if wanted.agree is None:
        return None
    direction = np.sign(preference)
    if not judges or any(np.isnan(value) for value in judges):
        return "judges-missing"
    if any(value * direction <= _ROUNDING for value in judges):
        return "judges-disagree"
    if wanted.agree == "both":
        if np.isnan(people):
            return "people-missing"
        if people * direction <= _ROUNDING:
            return "people-disagree"
    return None


def _details(
    candidate: Candidate, order: tuple[int, int], preference: float, people: float, judges: Sequence[float]
) -> JSONDict:
    """What a pair was chosen by; differences are of the chosen from the rejected, and no rater is named."""
    direction = 1.0 if preference > 0 else -1.0
    scored = [value * direction for value in judges if not np.isnan(value)]
    found: JSONDict = {
        "chosen_item": candidate.items[order[0]],
        "rejected_item": candidate.items[order[1]],
        "margin": abs(preference),
        "people_margin": None if np.isnan(people) else people * direction,
        "judges_margin": sum(scored) / len(scored) if scored else None,
        "n_people": candidate.n_people,
        "n_judges": len(scored),
    }
    for who in ("people", "judges"):
        pair = candidate.scores.get(who, (None, None))
        found[f"{who}_chosen"], found[f"{who}_rejected"] = pair[order[0]], pair[order[1]]
    return found


def mean_of(given: FloatArray) -> FloatArray:
    """The mean over rows of those that are there; NaN where none is."""
    known = ~np.isnan(given)
    counts = known.sum(axis=0)
    sums = np.where(known, given, 0.0).sum(axis=0)
    means: FloatArray = np.divide(sums, counts, out=np.full(given.shape[1], np.nan), where=counts > 0)
    return means
