"""Small scores of people and judges, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from annotator_ops.measures import Rating, Reason
from annotator_ops.models import Level, RaterKind
from annotator_ops.stats.judges.scores import Scores, scores_of
from annotator_ops.stats.table import RatingTable

Row = Sequence[Any]


def table_of(people: Mapping[str, Row], judges: Mapping[str, Row]) -> RatingTable:
    """One criterion's ratings; the items are called item-1, item-2, …"""
    kinds: tuple[tuple[RaterKind, Mapping[str, Row]], ...] = (("human", people), ("judge", judges))
    return RatingTable.from_ratings(
        Rating(rater, kind, f"item-{number}", "quality", value, reason=None if value is not None else "skipped")
        for kind, rows in kinds
        for rater, row in rows.items()
        for number, value in enumerate(row, start=1)
    ).canonical()


def scored(
    people: Mapping[str, Row], judges: Mapping[str, Row], level: Level | None = Level.ORDINAL
) -> Scores | Reason:
    table = table_of(people, judges)
    return scores_of(table.people(), table.models(), level=level)


def scores(people: Mapping[str, Row], judges: Mapping[str, Row], level: Level | None = Level.ORDINAL) -> Scores:
    found = scored(people, judges, level)
    assert isinstance(found, Scores)
    return found


def random_scores(
    seed: int, *, people: int = 4, judges: int = 3, items: int = 80, missing: float = 0.0, noise: float = 1.0
) -> Scores:
    """Whole numbers from 1 to 5 that go together; the judges noisier than people."""
    source = np.random.default_rng(seed)
    truth = source.normal(3, 1, items)

    def rows(n: int, spread: float, name: str) -> dict[str, list[float | None]]:
        given = np.clip(np.round(truth + source.normal(0, spread, (n, items))), 1, 5)
        lost = source.random((n, items)) < missing
        return {
            f"{name}-{row + 1}": [None if gone else float(value) for value, gone in zip(*each, strict=True)]
            for row, each in enumerate(zip(given.tolist(), lost.tolist(), strict=True))
        }

    return scores(rows(people, 0.7, "person"), rows(judges, noise, "judge"))
