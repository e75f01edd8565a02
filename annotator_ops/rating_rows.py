"""Layer 2. The rows of a file of ratings as they stand in it, some hundreds at a time: CSV, JSON Lines, Parquet."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from annotator_ops.errors import OpsError, Problem
from annotator_ops.rating_cells import PEOPLE, REQUIRED, Form, Lack, refuse_constant

# So few that a block's cells stay in the processor's cache: larger blocks take two to three times as long.
_BLOCK = 500
_SHOWN = 50
# So many faults of one kind are shown.
_ALIKE = 3
_NUMBERS = re.compile(r"[0-9][0-9.eE+-]*")
_DECODER = json.JSONDecoder(parse_constant=refuse_constant)


class RatingsError(OpsError):
    """A file of ratings cannot be used; `problems` lists everything found in it, not just the first."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        noun = "problem" if len(problems) == 1 else "problems"
        shown = _listed(problems)
        super().__init__(
            f"{path.name} has {len(problems)} {noun}:\n" + "\n".join(shown),
            hint="Mend the lines above and run the command again.",
            code="ratings-invalid",
        )
        self.problems = tuple(problems)


def _listed(problems: Sequence[Problem]) -> list[str]:
    """The problems in lines; of those that differ in their numbers only, the first few and how many more there are."""
    alike: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.code, _NUMBERS.sub("0", problem.message)), []).append(problem)
    lines: list[str] = []
    left = len(problems)
    for same in alike.values():
        shown = same[:_ALIKE] if len(same) > _ALIKE + 1 else same
        shown = shown[: _SHOWN - len(lines)]
        if not shown:
            break
        lines += [f"  - {problem}" for problem in shown]
        lines += [f"  … and {len(same) - len(shown):,} more of the same"] if len(same) > len(shown) else []
        left -= len(same)
    return [*lines, f"  … and {left:,} more"] if left else lines


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that follow each other: the line of each, each known column's cells, and the share of the file read."""

    lines: Sequence[int]
    columns: Mapping[str, Sequence[Any]]
    done: float


@dataclass(frozen=True, slots=True)
class Rows:
    """A file's rows. `shielded`: cells are text, maybe shielded from spreadsheets; `commas`: decimals may be 3,5."""

    columns: tuple[str, ...]
    blocks: Iterator[Block]
    shielded: bool = False
    commas: bool = False


def opened(path: Path, problems: list[Problem], *, form: Form = PEOPLE) -> Rows:
    """The rows of a file, by its ending; what is no row is added to `problems` while they are read.

    `form` says which columns are read.

    Raises RatingsError for columns that are missing or there twice, and OpsError ("ratings-unreadable") where there is
    no such table at all.
    """
    ending = path.suffix.lower()
    try:
        if ending in {".parquet", ".pq"}:
            return _parquet(path, form)
        content = path.read_bytes()
        if not content.removeprefix(codecs.BOM_UTF8).strip():
            raise RatingsError(path, [Problem(path.name, "the file is empty.", "Add rows.", "no-rows")])
        if ending in {".jsonl", ".ndjson"}:
            content.decode("utf-8-sig")
            return Rows(form.read, _jsonl_blocks(path, content, problems, form=form))
        return _csv(path, content, problems, form=form)
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


# --- CSV -------------------------------------------------------------------------------------------------------------


def _csv(path: Path, content: bytes, problems: list[Problem], *, form: Form) -> Rows:
    text = content.decode("utf-8-sig")
    header_line = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(",;\t", key=header_line.count)
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))  # a cell with regions may be longer than 128 KiB
    del text
    raw = io.BytesIO(content)
    reader = csv.reader(io.TextIOWrapper(raw, "utf-8-sig", newline=""), delimiter=delimiter, strict=True)
    try:
        given = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        problems.append(_no_csv(path, error, reader.line_num))
        return Rows((), iter(()))
    header = _checked(path, given, form)
    header = [name if name in form.read else "" for name in header]
    read = tuple(filter(None, header))
    blocks = _csv_blocks(path, reader, header, problems, size=len(content), place=raw)
    return Rows(read, blocks, shielded=True, commas=delimiter == ";")


def _csv_blocks(
    path: Path, reader: Any, header: Sequence[str], problems: list[Problem], *, size: int, place: io.BytesIO
) -> Iterator[Block]:
    at = {name: position for position, name in enumerate(header) if name}
    width = {len(header)}
    last = reader.line_num
    whole = True
    while whole:
        rows: list[list[str]] = []
        first = last + 1
        try:
            rows.extend(islice(reader, _BLOCK))  # keeps what came before an error
            whole = len(rows) == _BLOCK
            last = reader.line_num
        except csv.Error as error:
            problems.append(_no_csv(path, error, reader.line_num))
            whole = False
            last = 0
        if not rows:
            return
        lines: Sequence[int] = range(first, first + len(rows))
        if last != lines[-1]:
            lines = _first_lines(rows, first)
        if set(map(len, rows)) != width or not all(map(str.strip, {row[at["rater"]] for row in rows})):
            rows, lines = _without_odd_rows(path, rows, lines, len(header), problems)
        cells = list(zip(*rows, strict=True)) or [()] * len(header)
        yield Block(lines, {name: cells[position] for name, position in at.items()}, place.tell() / max(size, 1))


def _first_lines(rows: Sequence[Sequence[str]], first: int) -> list[int]:
    """The line on which each row begins, where quoted cells go over several."""
    lines = []
    for row in rows:
        lines.append(first)
        # A line ends with \n, \r or both; within quotes the ends are part of the cell.
        first += 1 + sum(cell.count("\n") + cell.count("\r") - cell.count("\r\n") for cell in row)
    return lines


def _without_odd_rows(
    path: Path, rows: Sequence[list[str]], lines: Sequence[int], width: int, problems: list[Problem]
) -> tuple[list[list[str]], list[int]]:
    """The rows without the blank ones, and without those of another length, which are problems."""
    kept, places = [], []
    for row, line in zip(rows, lines, strict=True):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != width:
            message = f"the row has {len(row)} cells, the header {width}."
            problems.append(Problem(path.name, message, "Quote cells that hold a separator.", "row-length", line))
            continue
        kept.append(row)
        places.append(line)
    return kept, places


def _no_csv(path: Path, error: csv.Error, line: int) -> Problem:
    return Problem(path.name, f"this is no CSV: {error}.", "Check the quotes.", "not-csv", line)


# --- JSON Lines ------------------------------------------------------------------------------------------------------


def _jsonl_blocks(path: Path, content: bytes, problems: list[Problem], *, form: Form) -> Iterator[Block]:
    raw = io.BytesIO(content)
    numbered = enumerate(io.TextIOWrapper(raw, "utf-8-sig", newline="\n"), start=1)
    while some := list(islice(numbered, _BLOCK)):
        rows, lines = [], []
        for line, text in some:
            row = _json_row(path, text.removesuffix("\n"), line, problems)
            if row is not None:
                rows.append(row)
                lines.append(line)
        columns: dict[str, Sequence[Any]] = {
            name: [row.get(name, Lack.ABSENT) for row in rows] if name in REQUIRED else [row.get(name) for row in rows]
            for name in form.read
        }
        for other, name in form.names.items():
            problems += [
                _both(path, other, name, line)
                for row, line in zip(rows, lines, strict=True)
                if other in row and name in row
            ]
            cells = columns[name]
            if Lack.ABSENT in cells:
                columns[name] = [
                    row.get(other, cell) if cell is Lack.ABSENT else cell for row, cell in zip(rows, cells, strict=True)
                ]
        if "reply" in columns and Lack.ABSENT in columns["value"]:
            columns["value"] = [
                None if cell is Lack.ABSENT and "reply" in row else cell
                for row, cell in zip(rows, columns["value"], strict=True)
            ]
        yield Block(lines, columns, raw.tell() / len(content))


def _json_row(path: Path, text: str, line: int, problems: list[Problem]) -> dict[str, Any] | None:
    if not text.strip():
        return None
    message = "this is JSON, but no object."
    try:
        # With the mark of an encoding in it, `json.loads` says so; without, it would make a decoder for every line.
        row = json.loads(text) if text.startswith("\ufeff") else _DECODER.decode(text)
    except json.JSONDecodeError as error:
        row, message = None, f"this is no JSON: {error.msg} at column {error.colno}."
    except ValueError as error:
        row, message = None, str(error)
    if isinstance(row, dict):
        return row
    problems.append(Problem(path.name, message, "Write one JSON object a line.", "not-json", line))
    return None


# --- Parquet ---------------------------------------------------------------------------------------------------------


def _parquet(path: Path, form: Form) -> Rows:
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
    header = _checked(path, table.column_names, form)
    table = table.rename_columns(header)
    names = tuple(name for name in header if name in form.read)
    table = table.select(names)
    if "created_at" in names:
        when = table.schema.field("created_at").type
        if pyarrow.types.is_timestamp(when) and when.tz is not None and when.unit in {"us", "ns"}:
            # Of nanoseconds, or of another zone, pyarrow makes times ten times as slowly.
            place = table.column_names.index("created_at")
            times = table.column(place).cast(pyarrow.timestamp("us", "UTC"), safe=False)
            table = table.set_column(place, "created_at", times)
    return Rows(names, _parquet_blocks(table))


def _parquet_blocks(table: Any) -> Iterator[Block]:
    first = 1
    for batch in table.to_batches(max_chunksize=_BLOCK):
        last = first + batch.num_rows
        columns = {name: _cells(column) for name, column in zip(table.column_names, batch, strict=True)}
        yield Block(range(first, last), columns, (last - 1) / table.num_rows)
        first = last


def _cells(column: Any) -> list[Any]:
    if str(column.type) in {"string", "large_string"}:
        texts: list[Any] = column.to_numpy(zero_copy_only=False).tolist()  # what `to_pylist` gives, far sooner
        return texts
    # pandas writes NaN where there is nothing.
    return [None if isinstance(cell, float) and math.isnan(cell) else cell for cell in column.to_pylist()]


def _checked(path: Path, given: Sequence[str], form: Form) -> list[str]:
    """A header in the names used here. Raises RatingsError for columns that are missing or there twice."""
    header = form.named(given)
    or_reply = " (or reply, in a judges' file)" if "reply" in form.read else ""
    expected = f"The header needs {', '.join(REQUIRED)}{or_reply}."
    problems = [
        Problem(path.name, f"the column “{name}” is missing.", expected, "no-column", 1) for name in form.needed(header)
    ]
    problems += [
        Problem(path.name, f"the column “{name}” is there twice.", "Keep one of them.", "column-twice", 1)
        for name in form.read
        if header.count(name) > 1
    ]
    problems += [_both(path, other, name, 1) for other, name in form.names.items() if {other, name} <= set(given)]
    if problems:
        raise RatingsError(path, problems)
    return header


def _both(path: Path, other: str, name: str, line: int) -> Problem:
    message = f"“{other}” and “{name}” are two names of one column, and both are there."
    return Problem(path.name, message, "Keep one of them.", "column-twice", line)
