"""Layer 2. Tidy tables of ratings, read: CSV, JSON Lines and Parquet with one row a rating (`tables` writes them).

Columns: `rater,item,criterion,value` are required when reading; `kind,reason,seconds,created_at,source,repeat_of` are
read where they are there; any other column is ignored.

In judges' files `judge` is another name of `rater`, and these are read, too: `model`, `prompt` (its version),
`confidence` (from 0 to 1), `reply` (in the judge's own words), `turn` (of a dialogue), `order` ("given" or "swapped":
how a pair was shown; the value is always of the item's own sides). There `value` may be left out where `reply` is: such
a row is missing with the reason "unread" until `judging.importing` reads its reply by the criterion's scale. A value
beside the name of a reason is a contradiction; a reason of several words is an explanation, and not read.

How a value is typed: a numeric text is a float; a text that is a JSON list (`["a","b"]`) is a tuple of labels or
regions; an empty cell or null is missing, with the row's `reason` or "empty"; anything else is a label. Surrounding
white space is not part of a value or an id. A text in CSV that begins with an apostrophe and then `=`, `+`, `-` or `@`
loses that apostrophe: `tables` put it there to keep spreadsheets from running the text as a formula.

`created_at` needs a time zone: times with and without one have no common order. A judge gives no regions, because
nothing compares them.

`repeat_of` stands where an item is the same task given a second time, to see whether raters agree with themselves: it
is the id that the item had the first time. One row of an item is enough. No item repeats itself, an item has one
original, and an original is not a repeat; it may be an item that is not in the table.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from annotator_ops.errors import OpsError, Problem
from annotator_ops.measures import Rating
from annotator_ops.models import RaterKind
from annotator_ops.rating_cells import JUDGES, PEOPLE, Form
from annotator_ops.rating_columns import Columns
from annotator_ops.rating_judging import Judging
from annotator_ops.rating_rows import RatingsError as RatingsError
from annotator_ops.rating_rows import opened
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import display


def read_table(path: Path, kind: RaterKind, *, progress: Callable[[float], None] | None = None) -> RatingTable:
    """The ratings of a tidy table (`.csv`, `.tsv`, `.jsonl`, `.ndjson`, `.parquet`), rows in the file's order.

    `kind` is what the raters are where the file has no column `kind`. The same row twice counts once. CSV may be
    separated by commas, semicolons or tabs. `progress` is told now and then how much of the file is read, from 0 to 1.
    Raises RatingsError naming every bad row by its line (in Parquet by its row, counted from 1), and OpsError (code
    "ratings-unreadable") where there is no such table at all.
    """
    return _table(path, kind, form=PEOPLE, progress=progress)


def read_judge_table(path: Path, *, progress: Callable[[float], None] | None = None) -> RatingTable:
    """The judges' scores of a tidy table, one row a line of it; replies are not read yet.

    Raises as `read_table` does, and OpsError ("judges-human") for people.
    """
    table = _table(path, "judge", form=JUDGES, progress=progress)
    if not table.judge.all():
        person = table.raters[table.rater[table.judge.argmin()]]
        raise OpsError(
            f"{path.name} is given as judges' scores, but its column “kind” says human of {person!r}.",
            hint="Name the judges' own file, or delete the column “kind” if all in it are judges.",
            code="judges-human",
        )
    return table


def once(table: RatingTable, *further: str) -> RatingTable:
    """The table with what is there twice counted once; rows are of one cell by `RatingTable.cells`.

    Raises OpsError ("rated-twice") for two different values of one rater in one cell, which names both.
    """
    key = table.cells(*further)
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    if len(first) == len(table):
        return table
    other = np.flatnonzero(table.value != table.value[first[group]])
    if len(other):
        one, two = table.where(np.array([first[group[other[0]]], other[0]])).ratings()
        turn = f", turn {two.turn}," if two.turn is not None else ""
        raise OpsError(
            f"{two.rater} rated item {two.item} on {two.criterion}{turn} twice: {display(one.value)} ({one.source}) "
            f"and {display(two.value)} ({two.source}).",
            hint="Keep one of the two, or give different raters different ids.",
            code="rated-twice",
        )
    return table.where(np.sort(first))


def read_ratings(path: Path, kind: RaterKind) -> tuple[Rating, ...]:
    """What `read_table` reads, as records, times in UTC. Raises as it does."""
    return tuple(read_table(path, kind).ratings())


def read_judges(path: Path) -> tuple[Rating, ...]:
    """What `read_judge_table` reads, as records, times in UTC. Raises as it does."""
    return tuple(read_judge_table(path).ratings())


def _table(path: Path, kind: RaterKind, *, form: Form, progress: Callable[[float], None] | None) -> RatingTable:
    problems: list[Problem] = []
    columns = Columns(opened(path, problems, form=form), progress or _silent)
    table = Judging(columns, kind, name=path.name, problems=problems).table()
    if problems:
        raise RatingsError(path, sorted(problems, key=lambda problem: problem.line or 0))
    return table


def _silent(_done: float) -> None:
    """Progress for nobody."""
