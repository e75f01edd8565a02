"""Layer 2. Tables of ratings, written: tidy or wide, as CSV, JSON Lines or Parquet (`ratings` reads the tidy ones).

Spreadsheets run a cell that begins with `=`, `+`, `-` or `@` as a formula, and annotators write such cells. In CSV,
therefore, a *text* that begins so (after any apostrophes) gets one apostrophe in front, which reading takes away again;
numbers are never touched. JSON Lines and Parquet hold every text as it is.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from annotator_ops.measures import Rating, Value
from annotator_ops.models import JSONDict
from annotator_ops.rating_cells import COLUMNS, JUDGED, NUMBER
from annotator_ops.results import Comment

if TYPE_CHECKING:  # a second to import, and only Parquet needs it
    import pandas

TableFormat = Literal["csv", "parquet", "jsonl"]
# The wide forms of the four signs are run by spreadsheets of some locales.
_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")
_WIDE = ("rater", "kind", "item", "seconds")


def encode_ratings(ratings: Sequence[Rating], form: TableFormat, *, wide: bool = False) -> bytes:
    """The ratings as the bytes of a file, rows in the order given.

    Tidy (one row a rating) has the columns COLUMNS, and where any row has something that only judges have, those of
    JUDGED; in Parquet `value` is a text, and one more column, `number`, holds
    it as a float where it is one. `wide` has one row a rater and item: rater, kind, item, seconds and one column a
    criterion with the values alone; why a value is missing is in the tidy form only.
    """
    rows, columns = _wide_rows(ratings) if wide else _tidy_rows(ratings)
    return _packed(_frame(rows, columns, wide=wide)) if form == "parquet" else _written(rows, columns, form)


def encode_rows(rows: Sequence[JSONDict], columns: Sequence[str], form: TableFormat) -> bytes:
    """Any rows as the bytes of a file; in Parquet a column is of numbers where all that is in it are, else of text."""
    if form != "parquet":
        return _written(rows, columns, form)
    import pandas

    def column(name: str) -> pandas.Series:
        cells = [row[name] for row in rows]
        if all(cell is None or (isinstance(cell, (int, float)) and not isinstance(cell, bool)) for cell in cells):
            return pandas.Series(cells, dtype="float64")
        return pandas.Series([None if cell is None else _text_of(cell) for cell in cells], dtype="string")

    return _packed(pandas.DataFrame({name: column(name) for name in columns}))


def _text_of(cell: Any) -> str:
    return value_text(tuple(cell) if isinstance(cell, list) else float(cell) if isinstance(cell, int) else cell)


def _packed(table: pandas.DataFrame) -> bytes:
    packed = io.BytesIO()
    table.to_parquet(packed, index=False)
    return packed.getvalue()


def _written(rows: Sequence[JSONDict], columns: Sequence[str], form: TableFormat) -> bytes:
    if form == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows).encode()
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_shield(name) for name in columns])
    writer.writerows([[_cell(row[name]) for name in columns] for row in rows])
    return buffer.getvalue().encode("utf-8-sig")  # the mark is what makes spreadsheets read it as UTF-8


def frame(ratings: Sequence[Rating], *, wide: bool = False) -> pandas.DataFrame:
    """The table that Parquet holds, for a notebook: `seconds`, `confidence` and `number` are floats, `created_at` UTC,
    the rest text."""
    rows, columns = _wide_rows(ratings) if wide else _tidy_rows(ratings)
    return _frame(rows, columns, wide=wide)


def remarks(comments: Sequence[Comment], *, taken: Collection[str]) -> list[Rating]:
    """Comments as rows of a table: one per annotator, item and text field.

    A field's name is the criterion, with " (text)" behind it where it is `taken` by a criterion; several texts of one
    field (one a region) are one, a line each.
    """
    texts: dict[tuple[str, str, str], list[str]] = {}
    for comment in comments:
        name = f"{comment.control} (text)" if comment.control in taken else comment.control
        texts.setdefault((comment.annotator, comment.item, name), []).append(comment.text)
    return [Rating(rater, "human", item, name, "\n".join(own)) for (rater, item, name), own in texts.items()]


def value_text(value: Value | None) -> str:
    """A value as a cell's text; `ratings.typed` gives it back, but makes a number of a label that looks like one."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return json.dumps(list(value), ensure_ascii=False)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _plain(rating: Rating) -> JSONDict:
    return {
        "rater": rating.rater,
        "kind": rating.kind,
        "item": rating.item,
        "criterion": rating.criterion,
        "value": list(rating.value) if isinstance(rating.value, tuple) else rating.value,
        "reason": rating.reason,
        "seconds": rating.seconds,
        "created_at": rating.created_at.astimezone(UTC).isoformat() if rating.created_at else None,
        "source": rating.source,
    }


def _tidy_rows(ratings: Sequence[Rating]) -> tuple[list[JSONDict], tuple[str, ...]]:
    rows = [_plain(rating) for rating in ratings]
    if not any(getattr(rating, name) is not None for rating in ratings for name in JUDGED):
        return rows, COLUMNS
    for row, rating in zip(rows, ratings, strict=True):
        row |= {name: getattr(rating, name) for name in JUDGED}
    return rows, (*COLUMNS, *JUDGED)


def _wide_rows(ratings: Sequence[Rating]) -> tuple[list[JSONDict], tuple[str, ...]]:
    criteria = dict.fromkeys(rating.criterion for rating in ratings)
    names = {name: f"criterion.{name}" if name in _WIDE else name for name in criteria}
    rows: dict[tuple[str, str, str], JSONDict] = {}
    for rating in ratings:
        plain = _plain(rating)
        key = (rating.kind, rating.rater, rating.item)
        row = rows.setdefault(key, {name: plain[name] for name in _WIDE} | dict.fromkeys(names.values()))
        row[names[rating.criterion]] = plain["value"]
    return list(rows.values()), (*_WIDE, *names.values())


def _shield(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def _cell(cell: Any) -> str:
    return _shield("" if cell is None else _text_of(cell))


def _frame(rows: Sequence[JSONDict], columns: Sequence[str], *, wide: bool) -> pandas.DataFrame:
    import pandas

    def column(name: str) -> pandas.Series:
        cells = [row[name] for row in rows]
        measured = name == "seconds" or (name == "confidence" and not wide)
        if measured or (wide and all(cell is None or isinstance(cell, float) for cell in cells)):
            return pandas.Series(cells, dtype="float64")
        if name == "created_at" and not wide:
            times = [datetime.fromisoformat(cell) if cell else None for cell in cells]
            return pandas.Series(times, dtype="datetime64[us, UTC]")
        plain = [tuple(cell) if isinstance(cell, list) else cell for cell in cells]
        return pandas.Series([None if cell is None else value_text(cell) for cell in plain], dtype="string")

    table = pandas.DataFrame({name: column(name) for name in columns})
    if not wide:
        values = [row["value"] for row in rows]
        table["number"] = pandas.Series([v if isinstance(v, float) else None for v in values], dtype="float64")
    return table
