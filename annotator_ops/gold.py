"""Layer 2. Right answers: a tidy table as ratings are, of one rater, whose values are taken as correct."""

from __future__ import annotations

from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.measures import Rating
from annotator_ops.ratings import read_ratings


def read_gold(path: Path) -> tuple[Rating, ...]:
    """The right answers of a table. Raises as `read_ratings` does, and OpsError ("gold-raters") for several raters.

    Two raters could differ, and which of them is right is for the researcher to say.
    """
    ratings = read_ratings(path, "human")
    raters = list(dict.fromkeys(rating.rater for rating in ratings))
    if len(raters) > 1:
        raise OpsError(
            f"{path.name} is given as right answers, but they are from {len(raters)} raters: {', '.join(raters[:3])}"
            f"{', …' if len(raters) > 3 else ''}.",
            hint="Keep one answer per item and criterion, all with the same rater, such as gold.",
            code="gold-raters",
        )
    return ratings
