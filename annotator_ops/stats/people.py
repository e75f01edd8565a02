"""Layer 2. Who: everything that is said of each annotator on one criterion, as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy.typing as npt

from annotator_ops.measures import Reason, Value
from annotator_ops.models import JSONDict
from annotator_ops.stats.checks import gold_accuracy, repeat_consistency
from annotator_ops.stats.dawid_skene import DawidSkene, fit_model
from annotator_ops.stats.flags import flags
from annotator_ops.stats.pace import paces
from annotator_ops.stats.raters import competence, rater_agreement
from annotator_ops.stats.reliability import ReliabilityData, aligned
from annotator_ops.stats.styles import answering_styles
from annotator_ops.stats.table import RatingTable

_TOLERANCE = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What is known of one criterion's people: `data` without repeats, `everything` with them, made of `table`.

    `distance` as in `krippendorff_alpha`; `derived` values nobody gave, so that nothing is said of how they were given.
    """

    table: RatingTable
    data: ReliabilityData
    everything: ReliabilityData
    gold: Mapping[str, Value]
    distance: npt.ArrayLike | None = None
    derived: bool = False


def people_entries(observed: Observed) -> dict[str, JSONDict]:
    """By annotator: agreement with the rest, style, pace, checks, competence and flags."""
    data = observed.data
    first = observed.table.where(observed.table.is_original)
    agreement = rater_agreement(data, distance=observed.distance)
    moments = aligned(first, first.moments)
    styles = answering_styles(data, moments=moments)
    pace = paces(data, seconds=aligned(first, first.seconds), moments=moments)
    repeats = repeat_consistency(observed.everything, observed.table.repeats)
    gold = gold_accuracy(observed.everything, observed.gold)
    # Enough for a competence to four digits; `ops consensus` fits until the last items are settled.
    model = fit_model(data, tolerance=_TOLERANCE)
    able = competence(data, model)
    raised = flags(data, agreement, styles, paces=pace, repeats=repeats, gold=gold, derived=observed.derived)
    return {
        rater: {
            "with_others": agreement[row].as_json(),
            "style": styles[row].as_json(),
            "pace": pace[row].as_json(),
            "repeats": repeats[row].as_json() if observed.table.repeats else None,
            "gold": gold[row].as_json() if observed.gold else None,
            "competence": able[row].as_json(),
            "confusion": _confusion(data, model, row),
            "flags": [flag.as_json() for flag in raised[rater]],
        }
        for row, rater in enumerate(data.raters)
    }


def _confusion(data: ReliabilityData, model: DawidSkene | Reason, row: int) -> JSONDict | None:
    """How the rater answers items of each class, as the model sees it: rows are classes, columns answers."""
    if isinstance(model, Reason):
        return None
    categories = [list(value) if isinstance(value, tuple) else value for value in data.domain]
    return {"categories": categories, "shares": [list(shares) for shares in model.confusion_of(row)]}
