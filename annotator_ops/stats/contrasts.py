"""Layer 2. How much more annotators agree on one criterion than on another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from annotator_ops.measures import Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.criterion import criterion_data
from annotator_ops.stats.differences import alpha_difference
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import ValueKind

# Each of n(n − 1)/2 differences is resampled by itself; beyond these sizes that takes longer than all else.
_MOST_CRITERIA = 10
_MOST_ITEMS = 5_000
_COMPARED = (ValueKind.NUMBERS, ValueKind.LABELS)


def criteria_differences(
    table: RatingTable, specs: Sequence[CriterionSpec], resampling: Resampling
) -> tuple[list[JSONDict], str | None]:
    """The difference of alpha between every two criteria on the items of both, or a note why none is computed.

    Criteria without an alpha of single values (sets, regions, texts) are left out.
    """
    compared = [spec for spec in specs if spec.kind in _COMPARED and spec.level is not None]
    if len(compared) < 2:
        return [], None
    people = table.people()
    people = people.where(people.is_original)
    if len(compared) > _MOST_CRITERIA or people.n_items > _MOST_ITEMS:
        limits = f"up to {_MOST_CRITERIA} criteria on {_MOST_ITEMS:,} items"
        return [], f"How much more annotators agree on one criterion than on another is computed for {limits}."
    data: dict[str, ReliabilityData] = {}
    for spec in compared:
        built = criterion_data(people.of(spec.name), spec)
        if not isinstance(built, Reason):
            data[spec.name] = built
    return [
        {"criteria": [one, other], "alpha_difference": found.as_json()}
        for one, other in combinations(data, 2)
        if (found := alpha_difference(data[one], data[other], resampling=resampling)).value is not None
    ], None
