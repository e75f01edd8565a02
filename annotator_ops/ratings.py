"""Layer 2. Tidy tables of ratings, read: CSV, JSON Lines and Parquet with one row a rating (`tables` writes them).

Columns: `rater,item,criterion,value` are required when reading; `kind,reason,seconds,created_at,source` are read where
they are there; any other column is ignored.

How a value is typed: a numeric text is a float; a text that is a JSON list (`["a","b"]`) is a tuple of labels or
regions; an empty cell or null is missing, with the row's `reason` or "empty"; anything else is a label. Surrounding
white space is not part of a value or an id. A text in CSV that begins with an apostrophe and then `=`, `+`, `-` or `@`
loses that apostrophe: `tables` put it there to keep spreadsheets from running the text as a formula.

`created_at` needs a time zone: times with and without one have no common order. A judge gives no regions, because
nothing compares them.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from annotator_ops.errors import OpsError, Problem
from annotator_ops.measures import Rating, Value
from annotator_ops.models import RaterKind

COLUMNS = ("rater", "kind", "item", "criterion", "value", "reason", "seconds", "created_at", "source")
REQUIRED = ("rater", "item", "criterion", "value")
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_SHIELDED = re.compile(r"'+[=+\-@\t\r＝＋－＠]")
_SHOWN = 50


class RatingsError(OpsError):
    """A file of ratings cannot be used; `problems` lists everything found in it, not just the first."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        noun = "problem" if len(problems) == 1 else "problems"
        shown = [f"  - {problem}" for problem in problems[:_SHOWN]]
        if len(problems) > _SHOWN:
            shown.append(f"  … and {len(problems) - _SHOWN} more")
        super().__init__(
            f"{path.name} has {len(problems)} {noun}:\n" + "\n".join(shown),
            hint="Mend the lines above and run the command again.",
            code="ratings-invalid",
        )
        self.problems = tuple(problems)


def typed(text: str) -> Value | None:
    """A cell's text as a value by the rule at the top of this module.

    Raises ValueError, with a sentence, for what looks like a number and is no finite one.
    """
    text = text.strip()
    if not text:
        return None
    if NUMBER.fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(f"the value {text} is too large for a number.")
        return number
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"the value {text} is not a finite number.")
    if text.startswith("["):
        try:
            return tuple(json.loads(text, parse_constant=_refuse_constant))
        except json.JSONDecodeError:
            return text
    return text


def _refuse_constant(name: str) -> None:
    """Python's JSON reads NaN and Infinity, which are no JSON and no values."""
    raise ValueError(f"the value {name} is not a finite number.")


def read_ratings(path: Path, kind: RaterKind) -> tuple[Rating, ...]:
    """The ratings of a tidy table (`.csv`, `.tsv`, `.jsonl`, `.ndjson`, `.parquet`), in the file's order.

    `kind` is what the raters are where the file has no column `kind`. The same row twice counts once. CSV may be
    separated by commas, semicolons or tabs. Raises RatingsError naming every bad row by its line (in Parquet by its
    row, counted from 1), and OpsError (code "ratings-unreadable") where there is no such table at all.
    """
    problems: list[Problem] = []
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            rows = list(_parquet_rows(path))
        else:
            text = path.read_bytes().decode("utf-8-sig")
            jsonl = path.suffix.lower() in {".jsonl", ".ndjson"}
            rows = list(_jsonl_rows(path, text, problems) if jsonl else _csv_rows(path, text, problems))
    except UnicodeDecodeError as error:
        raise OpsError(
            f"{path} is not UTF-8 text: byte {error.start} does not fit.",
            hint="Save it again as “CSV UTF-8”.",
            code="ratings-unreadable",
        ) from error
    except OSError as error:
        raise OpsError(
            f"{path} cannot be read: {error.strerror or error}.",
            hint="Check the path and who may read the file.",
            code="ratings-unreadable",
        ) from error
    ratings = _judge(path, rows, kind, problems=problems)
    if problems:
        raise RatingsError(path, sorted(problems, key=lambda problem: problem.line or 0))
    return ratings


def read_judges(path: Path) -> tuple[Rating, ...]:
    """The judges' scores of a tidy table. Raises as `read_ratings` does, and OpsError ("judges-human") for people."""
    ratings = read_ratings(path, "judge")
    people = dict.fromkeys(rating.rater for rating in ratings if rating.kind == "human")
    if people:
        raise OpsError(
            f"{path.name} is given as judges' scores, but its column “kind” says human of {next(iter(people))!r}.",
            hint="Name the judges' own file, or delete the column “kind” if all in it are judges.",
            code="judges-human",
        )
    return ratings


@dataclass(frozen=True, slots=True)
class _Row:
    """One row before it is judged: its line in the file (for Parquet, its row number), and its cells."""

    line: int
    cells: Mapping[str, Any]
    decimal_comma: bool = False


def _csv_rows(path: Path, text: str, problems: list[Problem]) -> Iterator[_Row]:
    header_line = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header_line.count)
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))  # a cell with regions may be longer than 128 KiB
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_columns(path, header)
        before = reader.line_num
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                message = f"the row has {len(cells)} cells, the header {len(header)}."
                problems.append(Problem(path.name, message, "Quote cells that hold a separator.", "row-length", line))
                continue
            plain = (cell[1:] if _SHIELDED.match(cell) else cell for cell in cells)
            yield _Row(line, dict(zip(header, plain, strict=True)), decimal_comma=delimiter == ";")
    except csv.Error as error:
        message = f"this is no CSV: {error}."
        problems.append(Problem(path.name, message, "Check the quotes.", "not-csv", reader.line_num))


def _jsonl_rows(path: Path, text: str, problems: list[Problem]) -> Iterator[_Row]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        message = "this is JSON, but no object."
        try:
            row = json.loads(content, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            row, message = None, f"this is no JSON: {error.msg} at column {error.colno}."
        except ValueError as error:
            row, message = None, str(error)
        if isinstance(row, dict):
            yield _Row(line, row)
        else:
            problems.append(Problem(path.name, message, "Write one JSON object a line.", "not-json", line))


def _parquet_rows(path: Path) -> Iterator[_Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except pyarrow.ArrowInvalid as error:
        raise OpsError(
            f"{path} is no Parquet file: {error}",
            hint="Give the file the ending of what it is: .csv, .jsonl or .parquet.",
            code="ratings-unreadable",
        ) from error
    _check_columns(path, table.column_names)
    names = [name for name in table.column_names if name in COLUMNS]
    for number, row in enumerate(table.select(names).to_pylist(), start=1):
        # pandas writes NaN where there is nothing.
        nothing = {name for name, cell in row.items() if isinstance(cell, float) and math.isnan(cell)}
        yield _Row(number, {name: None if name in nothing else cell for name, cell in row.items()})


def _check_columns(path: Path, header: Sequence[str]) -> None:
    expected = f"The header needs {', '.join(REQUIRED)}."
    problems = [
        Problem(path.name, f"the column “{name}” is missing.", expected, "no-column", 1)
        for name in REQUIRED
        if name not in header
    ]
    problems += [
        Problem(path.name, f"the column “{name}” is there twice.", "Keep one of them.", "column-twice", 1)
        for name in COLUMNS
        if header.count(name) > 1
    ]
    if problems:
        raise RatingsError(path, problems)


def _judge(path: Path, rows: Sequence[_Row], kind: RaterKind, *, problems: list[Problem]) -> tuple[Rating, ...]:
    """Rows as ratings; what is wrong with any of them is added to `problems`."""
    found: dict[tuple[str, str, str, str], tuple[Rating, int]] = {}
    for row in rows:
        faults, rating = _rating(row, kind, path.name)
        problems += [Problem(path.name, message, hint, code, row.line) for message, hint, code in faults]
        if faults:
            continue
        first, line = found.setdefault((rating.kind, rating.rater, rating.item, rating.criterion), (rating, row.line))
        if first.value != rating.value:
            message = (
                f"{rating.rater} rated item {rating.item} on {rating.criterion} here and in line {line},"
                " with different values."
            )
            problems.append(Problem(path.name, message, "Keep one of the two.", "rated-twice", row.line))
    if not rows and not problems:
        problems.append(Problem(path.name, "there is not one rating in it.", "Add rows.", "no-rows"))
    return tuple(rating for rating, _ in found.values())


def _rating(row: _Row, kind: RaterKind, source: str) -> tuple[list[tuple[str, str, str]], Rating]:
    """The rating of one row, and what is wrong with it as (message, hint, code)."""
    cells = row.cells
    faults = [
        (f"the field “{name}” is missing.", f"Every row needs {', '.join(REQUIRED)}.", "no-field")
        for name in REQUIRED
        if name not in cells
    ]
    rater, item, criterion = (_text(cells.get(name)) for name in ("rater", "item", "criterion"))
    faults += [
        (f"the {name} is empty.", f"Every row needs {'an' if name == 'item' else 'a'} {name}.", "empty-id")
        for name, text in (("rater", rater), ("item", item), ("criterion", criterion))
        if not text and name in cells
    ]
    row_kind = _text(cells.get("kind")) or kind
    value: Value | None = None
    try:
        value = _json_value(cells.get("value"))
        if row_kind == "judge" and isinstance(value, tuple) and any(isinstance(part, (dict, list)) for part in value):
            raise ValueError("a judge's value is neither a number nor labels, but regions or lists.")
    except ValueError as error:
        faults.append((str(error), "Write a number, a label, or nothing where it is missing.", "bad-value"))
    if row.decimal_comma and isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value):
        faults.append((f"{value} has a decimal comma.", "Write decimals with a point.", "decimal-comma"))
    if row_kind not in get_args(RaterKind):
        faults.append((f"the kind {row_kind} is unknown.", "A rater is a human or a judge.", "bad-kind"))
    seconds = _number(cells.get("seconds"))
    if seconds is not None and not 0 <= seconds < math.inf:
        faults.append(("the seconds are no length of time.", "Write a number from 0 on, or nothing.", "bad-seconds"))
    created_at = None
    try:
        created_at = _time(cells.get("created_at"))
    except ValueError as error:
        faults.append((str(error), "Write it as 2026-01-31T12:00:00+00:00, or nothing.", "bad-time"))
    if not _is_unicode([value, *(cells.get(name) for name in COLUMNS)]):
        # Alone, because the other sentences quote the row.
        message = "there is half of a surrogate pair in it, which is no character."
        faults = [(message, "Write the whole character, or leave it out.", "not-unicode")]
    rating = Rating(
        rater,
        "judge" if row_kind == "judge" else "human",
        item,
        criterion,
        value,
        (_text(cells.get("reason")) or "empty") if value is None else None,
        created_at,
        seconds,
        _text(cells.get("source")) or source,
    )
    return faults, rating


def _json_value(value: Any) -> Value | None:
    """A JSON value as a rating's value; a text follows the same rule as a cell of CSV."""
    if value is None:
        return None
    if isinstance(value, str):
        return typed(value)
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"the value {value} is neither a number, a text nor a list.")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError("the value is too large for a number.") from error
    if not math.isfinite(number):
        raise ValueError(f"the value {number} is not a finite number.")
    return number


def _text(cell: Any) -> str:
    """An id or a word as text: 7 and 7.0 are "7", because tools that write tables turn the one into the other."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _number(cell: Any) -> float | None:
    text = _text(cell)
    try:
        return float(text) if text else None
    except ValueError:
        return math.nan


def _time(cell: Any) -> datetime | None:
    """A moment that can be compared with every other. Raises ValueError, with a sentence."""
    if not _text(cell):
        return None
    try:
        time = cell if isinstance(cell, datetime) else datetime.fromisoformat(_text(cell))
    except ValueError:
        raise ValueError("created_at is no time.") from None
    if time.utcoffset() is None:
        raise ValueError("created_at has no time zone.")
    return time


def _is_unicode(content: Any) -> bool:
    """Whether all texts in it can be written: JSON can hold half of a surrogate pair, and UTF-8 cannot."""
    try:
        json.dumps(content, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True
