"""Small tables of ratings for the properties of coefficients: raters × units with holes."""

from __future__ import annotations

from hypothesis import strategies as st

from annotator_ops.models import Level
from annotator_ops.stats.reliability import ReliabilityData

Table = list[list[float | None]]
LEVELS = tuple(Level)


@st.composite
def tables(draw: st.DrawFn, *, least_raters: int = 2) -> Table:
    """Whole numbers from 1 to 5, None where a rating is missing."""
    raters, units = draw(st.integers(least_raters, 5)), draw(st.integers(2, 12))
    cell = st.one_of(st.none(), *[st.just(float(value)) for value in range(1, 6)])
    return draw(st.lists(st.lists(cell, min_size=units, max_size=units), min_size=raters, max_size=raters))


def reliability(rows: Table, level: Level) -> ReliabilityData:
    return ReliabilityData.from_rows(rows, level=level)
