"""Layer 2. People's and judges' scores of one criterion as matrices over one list of items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotator_ops.judge_settings import VERSION_MARK
from annotator_ops.measures import Reason, Value
from annotator_ops.models import Level
from annotator_ops.stats.reliability import twice_in
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import MISSING, BoolArray, FloatArray, IntArray, category_key, display
from annotator_ops.stats.vocabulary import used

# More cells of people × items than this are not held in memory.
MOST_CELLS = 10_000_000
# More annotators than this are not held against each other one by one: it would take minutes, and nobody reads it.
MOST_ANNOTATORS = 300


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """People's and judges' scores of one criterion over one list of items; NaN where there is none.

    `human` has the shape people × items, `judge` and `confidence` judges × items. At the nominal `level` the numbers
    are codes into `categories`. Where people × items would not fit into memory, `anonymous` is True and the rows of
    `human` are each item's first, second, … rating: what does not ask who rated is right all the same. `n_people`
    counts the people themselves.
    """

    items: tuple[str, ...]
    people: tuple[str, ...]
    judges: tuple[str, ...]
    human: FloatArray
    judge: FloatArray
    confidence: FloatArray
    level: Level
    categories: tuple[Value, ...] = ()
    n_people: int = 0
    anonymous: bool = False

    @property
    def nominal(self) -> bool:
        return self.level is Level.NOMINAL

    @property
    def given(self) -> BoolArray:
        """Which person rated which item; people × items."""
        given: BoolArray = ~np.isnan(self.human)
        return given

    @property
    def human_mean(self) -> FloatArray:
        """The mean over people, of shape items; NaN where nobody rated."""
        return mean_of(self.human)

    @property
    def majority(self) -> FloatArray:
        """The value that most people gave, of shape items; NaN where two are as frequent, or nobody rated."""
        return majority(self.human)[0]

    @property
    def people_say(self) -> FloatArray:
        """What judges are held against, of shape items: people's majority at the nominal level, their mean else."""
        return self.majority if self.nominal else self.human_mean

    @property
    def wide(self) -> Reason | None:
        """Why nothing is computed that asks who rated; None where that is known."""
        if not self.anonymous:
            return None
        cells = f"{self.n_people:,} annotators on {len(self.items):,} items"
        return Reason("too-many-cells", f"{cells} are too many to tell each annotator's ratings from the others'.")


def scores_of(humans: RatingTable, judges: RatingTable, *, level: Level | None) -> Scores | Reason:
    """The scores of one criterion's ratings, in natural order of items and raters; or why they are no scores.

    Both tables share one list of items; those that neither has a row on are left out. A Reason where the values have no
    order and are no categories (regions, texts, hours of the day), where a value is no number, and where somebody gave
    an item two values.
    """
    if level is None or level is Level.CIRCULAR:
        return Reason("no-order", "The values have no order, so there is no rank correlation.")
    for table in (humans, judges):
        reason = (None if level is Level.NOMINAL else _not_numeric(table)) or twice_in(table)
        if reason is not None:
            return reason
    categories = _categories(humans, judges) if level is Level.NOMINAL else ()
    n_people = humans.n_raters
    there = np.zeros(len(humans.items), dtype=np.bool_)
    there[humans.item] = there[judges.item] = True
    column = np.cumsum(there) - 1
    wide = n_people * int(there.sum()) > MOST_CELLS
    people, human = _matrix(humans.anonymous() if wide else humans, column, categories)
    names, judge = _matrix(judges, column, categories)
    return Scores(
        items=tuple(humans.items[code] for code in np.flatnonzero(there)),
        people=people,
        judges=names,
        human=human,
        judge=judge,
        confidence=_filled(judges, column, judges.confidence)[1],
        level=level,
        categories=categories,
        n_people=n_people,
        anonymous=wide,
    )


def mean_of(human: FloatArray) -> FloatArray:
    """The mean over people (people × items), of shape items; NaN where nobody rated."""
    given = ~np.isnan(human)
    return divided(np.where(given, human, 0.0).sum(axis=0), given.sum(axis=0))


def majority(human: FloatArray) -> tuple[FloatArray, BoolArray]:
    """The category (code) that most people gave each item, and where two or more are given equally often.

    `human` is people × items. The category is NaN at a tie, and where nobody rated; the second is True at ties only.
    """
    n_people, n_items = human.shape
    ordered = np.sort(human, axis=0)  # NaN comes last
    # How many times the code has been there so far; only the last of each code has that code's count.
    run = np.zeros((n_people + 1, n_items), dtype=np.intp)
    for row in range(n_people):
        same = ordered[row] == ordered[row - 1] if row else np.zeros(n_items, dtype=np.bool_)
        run[row] = np.where(np.isnan(ordered[row]), 0, np.where(same, run[row - 1] + 1, 1))
    most = run.max(axis=0)
    tied: BoolArray = (most > 0) & ((run == most).sum(axis=0) > 1)
    given = np.vstack([ordered, np.full(n_items, np.nan)])
    category = np.where((most > 0) & ~tied, given[run.argmax(axis=0), np.arange(n_items)], np.nan)
    return category, tied


def divided(sums: FloatArray, counts: FloatArray | IntArray) -> FloatArray:
    """Means from sums; NaN where nothing was counted."""
    means: FloatArray = np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=counts > 0)
    return means


def alike(scored: BoolArray) -> list[list[int]]:
    """The judges (rows of judges × items) who scored the same items, together."""
    groups: dict[bytes, list[int]] = {}
    for row, items in enumerate(scored):
        groups.setdefault(items.tobytes(), []).append(row)
    return list(groups.values())


def version_of(judge: str) -> tuple[str, str | None]:
    """A judge's name and the version of its prompt or model, where it is one of several."""
    name, _, version = judge.partition(VERSION_MARK)
    return name, version or None


def _not_numeric(table: RatingTable) -> Reason | None:
    odd = table.rated & np.isnan(table.numbers)
    if not odd.any():
        return None
    row = int(np.argmax(odd))
    answer = display(table.values[table.value[row]])
    where = f"{table.raters[table.rater[row]]} answered {answer!r} on item {table.items[table.item[row]]}"
    return Reason("not-numeric", f"{where}, which is not a number.")


def _categories(humans: RatingTable, judges: RatingTable) -> tuple[Value, ...]:
    return tuple(sorted({*humans.values_here(), *judges.values_here()}, key=category_key))


def _matrix(table: RatingTable, column: IntArray, categories: tuple[Value, ...]) -> tuple[tuple[str, ...], FloatArray]:
    """Who has a row in the table, and their scores: raters × items."""
    if not categories:
        return _filled(table, column, table.numbers)
    place = {category: code for code, category in enumerate(categories)}
    codes = np.array([*(place.get(value, np.nan) for value in table.values), np.nan], dtype=np.float64)
    return _filled(table, column, codes[table.value])


def _filled(table: RatingTable, column: IntArray, numbers: FloatArray) -> tuple[tuple[str, ...], FloatArray]:
    raters = used(table.raters, table.rater)
    row = np.full(len(table.raters) + 1, MISSING, dtype=np.intp)
    row[raters] = np.arange(len(raters))
    matrix = np.full((len(raters), int(column[-1]) + 1 if len(column) else 0), np.nan)
    rated = table.rated
    matrix[row[table.rater[rated]], column[table.item[rated]]] = numbers[rated]
    return tuple(table.raters[code] for code in raters), matrix
