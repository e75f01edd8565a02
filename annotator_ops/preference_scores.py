"""Layer 2. Who preferred which response, from ratings of pairs, or from ratings of single responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from annotator_ops.errors import OpsError
from annotator_ops.judging.orders import Sides, usual_sides
from annotator_ops.measures import Reason, Value
from annotator_ops.models import Level, Task
from annotator_ops.preference_fields import Fields, value_at
from annotator_ops.preferences import Candidate, Side, mean_of, rated_pairs
from annotator_ops.stats.judges.scores import Scores, scores_of
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import FloatArray, ValueKind, is_finite_number

_NO_MEAN = (None, Level.NOMINAL, Level.CIRCULAR)
# A prompt that all tasks share would make a pair of every two of them.
_MOST_PAIRS = 2_000_000


def sides_of(spec: CriterionSpec, table: RatingTable) -> Sides | None:
    """The values for the left and for the right response; None where the criterion compares nothing.

    Of numbers, the ends of a scale around 0, whose negative values are for the left.
    """
    if spec.sides is not None:
        return Sides(*spec.sides)
    if spec.kind not in (ValueKind.NUMBERS, ValueKind.LABELS):
        return None
    values: list[Value] = list(spec.scale) or list(table.values_here())
    numbers = [float(value) for value in values if isinstance(value, (int, float)) and is_finite_number(value)]
    if numbers and len(numbers) == len(values) and min(numbers) < 0 < max(numbers):
        end = max(-min(numbers), max(numbers))
        return Sides(-end, end)
    return usual_sides(values)


def has_numbers(spec: CriterionSpec) -> bool:
    """Whether of two values one is the higher."""
    return spec.kind is ValueKind.NUMBERS and spec.level not in _NO_MEAN


def span(spec: CriterionSpec, table: RatingTable) -> tuple[float, float]:
    """The ends of the scale, or the lowest and highest value that anybody gave."""
    values = [value for value in table.values_here() if isinstance(value, (int, float)) and is_finite_number(value)]
    numbers = [float(value) for value in spec.scale or values]
    return (min(numbers), max(numbers)) if numbers else (0.0, 0.0)


def compared(
    table: RatingTable, spec: CriterionSpec, sides: Sides, *, tasks: Sequence[Task], fields: Fields
) -> tuple[list[Candidate], Side]:
    """A pair a task, as its raters compared it. Raises OpsError ("no-preferences") where values are no preferences."""
    scores = _scores(table, spec)
    places = _places(scores, tasks)
    side = Side(*(_at(_towards_first(scores, part, sides), places) for part in (scores.human, scores.judge)))
    n_people = (~np.isnan(side.human)).sum(axis=0).tolist()
    candidates = [
        Candidate(
            value_at(task, fields.prompt),
            value_at(task, fields.left),
            value_at(task, fields.right),
            (task.id, task.id),
            n_people=n_people[place],
        )
        for place, task in enumerate(tasks)
    ]
    return candidates, side


def rated(
    table: RatingTable,
    specs: Sequence[CriterionSpec],
    weights: Mapping[str, float],
    *,
    tasks: Sequence[Task],
    fields: Fields,
) -> tuple[list[Candidate], Side, int]:
    """A pair for every two tasks with the same prompt, by the raters' mean scores, and how many tasks have no partner.

    `weights` are of the criteria in the mean; empty: all equal. Raises OpsError: "no-preferences", "too-many-pairs".
    """
    pairs, lonely = rated_pairs(tasks, fields, most=_MOST_PAIRS)
    if pairs is None:
        raise OpsError(
            f"The field {fields.prompt} is the same in so many tasks that they make over {_MOST_PAIRS:,} pairs.",
            hint="Name the field that holds the prompt with --prompt.",
            code="too-many-pairs",
        )
    people, judges, counts = _means(table, specs, weights, tasks)
    of_judges = mean_of(judges)
    first, second = (np.array([pair[end] for pair in pairs], dtype=np.intp) for end in (0, 1))
    side = Side((people[first] - people[second])[None, :], judges[:, first] - judges[:, second])
    texts = [(value_at(task, fields.prompt), value_at(task, fields.response)) for task in tasks]
    scored = [(_number(one), _number(other)) for one, other in zip(people, of_judges, strict=True)]
    candidates = [
        Candidate(
            texts[one][0],
            texts[one][1],
            texts[other][1],
            (tasks[one].id, tasks[other].id),
            {"people": (scored[one][0], scored[other][0]), "judges": (scored[one][1], scored[other][1])},
            int(min(counts[one], counts[other])),
        )
        for one, other in pairs
    ]
    return candidates, side, lonely


def _means(
    table: RatingTable, specs: Sequence[CriterionSpec], weights: Mapping[str, float], tasks: Sequence[Task]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """People's mean score of each task, each judge's (judges × tasks), and how many people rated the task.

    Over several criteria it is their (weighted) mean; a task that lacks one of them has none.
    """
    shares = np.array([weights.get(spec.name, 0.0) if weights else 1.0 for spec in specs], dtype=np.float64)
    # One criterion that is asked for by name may be one without a weight.
    shares = shares / shares.sum() if shares.sum() > 0 else np.full(len(specs), 1 / len(specs))
    all_scores = [_scores(table, spec) for spec in specs]
    names = list(dict.fromkeys(name for scores in all_scores for name in scores.judges))
    people = np.zeros(len(tasks))
    judges = np.zeros((len(names), len(tasks)))
    counts = np.full(len(tasks), np.inf)
    for share, scores in zip(shares.tolist(), all_scores, strict=True):
        places = _places(scores, tasks)
        people += share * _at(scores.human_mean[None, :], places)[0]
        counts = np.minimum(counts, np.nan_to_num(_at(scores.given.sum(axis=0, dtype=np.float64)[None, :], places)[0]))
        own = np.full((len(names), len(tasks)), np.nan)
        own[[names.index(name) for name in scores.judges]] = _at(scores.judge, places)
        judges += share * own
    # A judge that never scored all criteria is none of these judges.
    there = np.any(~np.isnan(judges), axis=1)
    return people, judges[there], counts


def _scores(table: RatingTable, spec: CriterionSpec) -> Scores:
    own = table.of(spec.name)
    found = scores_of(own.people(), own.models(), level=spec.level)
    if isinstance(found, Reason):
        raise OpsError(
            f"{spec.title or spec.name} prefers nothing. {found.sentence}",
            hint="Name another criterion with --criterion.",
            code="no-preferences",
        )
    return found


def _towards_first(scores: Scores, given: FloatArray, sides: Sides) -> FloatArray:
    """How far each value is for the first side: positive for it, negative for the second, 0 for neither."""
    first, second = sides.first, sides.second
    if not scores.nominal and isinstance(first, (int, float)) and isinstance(second, (int, float)):
        apart: FloatArray = (first + second) / 2 - given
        return apart if first < second else -apart
    signs = np.array([1.0 if value == first else -1.0 if value == second else 0.0 for value in scores.categories])
    towards = np.full(given.shape, np.nan)
    known = ~np.isnan(given)
    towards[known] = signs[given[known].astype(np.intp)]
    return towards


def _places(scores: Scores, tasks: Sequence[Task]) -> list[int]:
    """Where each task is among the scored items; −1, the last place of `_at`, where it is not."""
    place = {item: number for number, item in enumerate(scores.items)}
    return [place.get(task.id, -1) for task in tasks]


def _at(values: FloatArray, places: list[int]) -> FloatArray:
    """The columns at these places, NaN where the place is −1."""
    found: FloatArray = np.concatenate([values, np.full((len(values), 1), np.nan)], axis=1)[:, places]
    return found


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
