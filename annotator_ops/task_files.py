"""Layer 1. Text and task files as researchers have them: JSONL, JSON or CSV, from any editor or spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from annotator_ops.errors import Problem
from annotator_ops.models import Task

_LARGEST_TASKS = 512 * 1024**2
_LARGEST_TEXT = 4 * 1024**2
_LONGEST_ID = 200
_SHOWN = 5
_WRAPPER_KEYS = {"id", "data", "meta", "annotations", "predictions"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class TaskFile:
    """The tasks of a file, the line of each by id (none in JSON), and everything wrong with the file."""

    where: str
    tasks: tuple[Task, ...] = ()
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, message: str, *, hint: str, code: str, line: int | None = None) -> None:
        self.problems.append(Problem(where=self.where, message=message, hint=hint, code=code, line=line))


class _Bad(Exception):  # noqa: N818 - carries a Problem out of a parser
    def __init__(self, message: str, hint: str, line: int | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.line = line


def read_text(path: Path, *, where: str, largest: int = _LARGEST_TEXT) -> tuple[str | None, tuple[Problem, ...]]:
    """A text file as a string with `\\n` line ends and no byte order mark, or None and why it cannot be read."""
    message = ""
    hint = "Check the path; it is taken from the folder of study.yaml."
    line = None
    try:
        if path.is_dir():
            message, hint = f"{path} is a folder.", "Name the file inside it."
        elif not path.exists():
            message = f"There is no file {path}."
        elif not path.is_file():
            message, hint = f"{path} is not an ordinary file.", "Copy its content into a file."
        elif path.stat().st_size > largest:
            size = f"{path.stat().st_size / 1024**2:.0f} MB"
            message = f"{path} has {size}; at most {largest // 1024**2} MB are read."
            hint = "Put images and sounds on a web server and name their addresses, or split the study."
        else:
            raw = path.read_bytes()
            if raw[:2] in _UTF16:
                return raw.decode("utf-16").replace("\r\n", "\n").replace("\r", "\n"), ()
            return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n"), ()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        message, hint = f"{path.name} is not UTF-8 text.", "Save it as UTF-8 (in Excel: “CSV UTF-8”)."
    except OSError as error:
        message, hint = f"{path} cannot be read: {error.strerror}.", "Check its permissions."
    return None, (Problem(where=where, message=message, hint=hint, code="file-unreadable", line=line),)


def read_tasks(path: Path, *, where: str) -> TaskFile:
    """Read tasks from .jsonl, .json, .csv or .tsv. Each needs a unique `id`: text, or a whole number read as text."""
    file = TaskFile(where)
    text, problems = read_text(path, where=where, largest=_LARGEST_TASKS)
    file.problems.extend(problems)
    if text is None:
        return file
    readers = {".jsonl": _jsonl, ".ndjson": _jsonl, ".json": _json, ".csv": _csv, ".tsv": _csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        file.problem(
            f"Tasks in a {path.suffix or 'nameless'} file are not understood.",
            hint="Name the file .jsonl, .json, .csv or .tsv after what it holds.",
            code="task-format",
        )
        return file
    try:
        _collect(reader(text, file), file)
    except _Bad as error:
        file.problem(str(error), hint=error.hint, code="tasks-invalid", line=error.line)
    if not file.tasks and not file.problems:
        file.problem("There are no tasks in it.", hint="Add at least one task.", code="no-tasks")
    return file


def _collect(rows: Iterator[tuple[int, int | None, Any]], file: TaskFile) -> None:
    """Turn rows (position from 1, line, content) into tasks, noting every row that cannot be one."""
    tasks: dict[str, Task] = {}
    doubles: dict[str, list[str]] = {}
    places: dict[str, str] = {}
    first_double: int | None = None
    for position, line, row in rows:
        place = f"line {line}" if line is not None else f"task {position}"
        try:
            identity, data = _unwrap(row, place)
        except _Bad as error:
            file.problem(str(error), hint=error.hint, code="task-invalid", line=line)
            continue
        if identity in tasks:
            doubles.setdefault(identity, [places[identity]]).append(place)
            first_double = first_double or line
            continue
        tasks[identity] = Task(id=identity, data=data)
        places[identity] = place
        if line is not None:
            file.lines[identity] = line
    if doubles:
        shown = "; ".join(
            f"{identity!r} ({', '.join(where[:3])})" for identity, where in list(doubles.items())[:_SHOWN]
        )
        more = f" and {len(doubles) - _SHOWN} more" if len(doubles) > _SHOWN else ""
        file.problem(
            f"{len(doubles)} task {'id is' if len(doubles) == 1 else 'ids are'} used more than once: {shown}{more}.",
            hint="Give every task an id of its own; ratings are matched by it.",
            code="duplicate-task-id",
            line=first_double,
        )
    file.tasks = tuple(tasks.values())


def _unwrap(row: Any, place: str) -> tuple[str, dict[str, Any]]:
    """The id and data of one row; Label Studio's own form `{"id": …, "data": {…}}` is understood too."""
    if not isinstance(row, dict):
        raise _Bad(f"The task in {place} is not an object with keys.", 'Write {"id": "…", …}.')
    data = dict(row)
    if isinstance(row.get("data"), dict) and set(row) <= _WRAPPER_KEYS:
        if row.get("predictions") or row.get("annotations"):
            raise _Bad(
                f"The task in {place} carries predictions or annotations, which annotators would see.",
                "Delete them; model judges' scores belong into a file under `judges`.",
            )
        data = {"id": row.get("id"), **row["data"]}
    identity = data.get("id")
    if isinstance(identity, int) and not isinstance(identity, bool):
        identity = str(identity)
    if identity is None or identity == "":
        raise _Bad(f"The task in {place} has no id.", "Give every task an `id` of its own.")
    if not isinstance(identity, str):
        raise _Bad(f"The id in {place} is {identity!r}.", "An id is text or a whole number.")
    if identity != identity.strip() or not identity.isprintable() or len(identity) > _LONGEST_ID:
        raise _Bad(
            f"The id in {place} is blank, begins or ends with a space, holds an invisible character, or is too long.",
            f"Use at most {_LONGEST_ID} visible characters.",
        )
    data["id"] = identity
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _Bad(f"Task {identity!r} in {place} holds half of a character (\\ud800…).", "Repair that text.") from None
    return identity, data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _parse_json(text: str, *, first_line: int = 1) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        hint = "Check quotes, commas and brackets there."
        raise _Bad(f"This is not valid JSON: {error.msg}.", hint, first_line + error.lineno - 1) from None
    except ValueError as error:
        raise _Bad(f"This is not valid JSON: {error}.", "Write null or a number.", first_line) from None
    except RecursionError:
        raise _Bad("The JSON is nested too deep.", "Make the task's data flatter.", first_line) from None


def _jsonl(text: str, file: TaskFile) -> Iterator[tuple[int, int | None, Any]]:
    position = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        position += 1
        if position == 1 and line.strip() == "[":
            raise _Bad("This is one JSON list, not one object a line.", "Name the file .json.", number)
        try:
            row = _parse_json(line, first_line=number)
        except _Bad as error:
            # The other lines can still be checked.
            file.problem(str(error), hint=error.hint, code="tasks-invalid", line=error.line)
            continue
        yield position, number, row


def _json(text: str, _file: TaskFile) -> Iterator[tuple[int, int | None, Any]]:
    if not text.strip():
        return
    content = _parse_json(text)
    if not isinstance(content, list):
        raise _Bad("The JSON is not a list of tasks.", "Write [ {…}, {…} ], or name the file .jsonl.")
    for position, row in enumerate(content, start=1):
        yield position, None, row


def _csv(text: str, file: TaskFile) -> Iterator[tuple[int, int | None, Any]]:
    header_line = text.lstrip("\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=header_line.count) if header_line.strip() else ","
    # Python's limit of 128 KB a cell is one for the whole process; a dialogue as HTML can be longer.
    before = csv.field_size_limit(_LARGEST_TASKS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header: list[str] | None = None
        position, line = 0, 1
        for row in reader:
            start, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            if header is None:
                header = _header(row, start)
                continue
            position += 1
            if len(row) != len(header):
                file.problem(
                    f"The row has {len(row)} cells, the header {len(header)}.",
                    hint='Put a cell that holds the separator or a line break in double quotes ("…").',
                    code="tasks-invalid",
                    line=start,
                )
                continue
            yield position, start, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise _Bad(f"This is not valid CSV: {error}.", "Check the double quotes there.", reader.line_num) from None
    finally:
        csv.field_size_limit(before)


def _header(row: list[str], line: int) -> list[str]:
    header = [cell.strip() for cell in row]
    if "id" not in header:
        raise _Bad("The first row names no column `id`.", "Add a column `id` with a unique text for each task.", line)
    if "" in header or len(set(header)) != len(header):
        raise _Bad("Two columns have the same name, or one has none.", "Name every column differently.", line)
    return header
