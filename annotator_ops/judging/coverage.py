"""Layer 2. What judges of bare files scored and people did not rate, in words: no study says which items there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.vocabulary import combined, used

# So many are named.
_NAMED = 3


def some(names: Sequence[str]) -> str:
    """The first few of the names."""
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def unrated_notes(table: RatingTable, *, tasks: Collection[str] = ()) -> tuple[str, ...]:
    """Notes on the criteria and, by judge, the items that no person rated, and on items that are none of the `tasks`.

    All of these scores still count, where no person is needed for it. `tasks` empty: nobody says which there are.
    """
    rated = table.where(table.rated)
    people, judges = rated.people(), rated.models()
    common = np.isin(judges.criterion, people.criterion)
    alone = [table.criteria[code] for code in used(table.criteria, judges.criterion[~common])]
    notes = [f"Nobody rated {', '.join(alone)}; only judges did."] if alone else []
    cells, theirs = (
        combined((each.item, len(table.items)), (each.criterion, len(table.criteria))) for each in (judges, people)
    )
    lost = judges.where(common & ~np.isin(cells, theirs))
    for code in used(table.raters, lost.rater):
        own, shared = (each.where(each.rater == code) for each in (lost, judges.where(common)))
        notes += _unrated(own, len(used(shared.criteria, shared.criterion)))
    if tasks:
        stray = judges.where(~np.isin(judges.item, [code for code, item in enumerate(table.items) if item in tasks]))
        for code in used(table.raters, stray.rater):
            own = stray.where(stray.rater == code)
            names = [table.items[item] for item in used(table.items, own.item)]
            what = "item that is" if len(names) == 1 else "items that are"
            notes.append(f"{table.raters[code]} scored {len(names):,} {what} not in the file of items: {some(names)}.")
    return tuple(notes)


def _unrated(rows: RatingTable, n_criteria: int) -> Iterator[str]:
    """One judge's scores of what nobody rated, a sentence for each set of items; `n_criteria` are the judge's own."""
    by_items: dict[tuple[str, ...], list[str]] = {}
    for code in used(rows.criteria, rows.criterion):
        own = rows.where(rows.criterion == code)
        names = tuple(rows.items[item] for item in used(rows.items, own.item))
        by_items.setdefault(names, []).append(rows.criteria[code])
    judge = rows.raters[rows.rater[0]]
    for names, criteria in by_items.items():
        on = "" if len(criteria) == n_criteria else f" on {', '.join(criteria)}"
        what = "item" if len(names) == 1 else "items"
        yield f"{judge} scored {len(names):,} {what}{on} that nobody rated: {some(names)}."
