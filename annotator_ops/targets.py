"""Layer 2. Where a command may write its file: by its ending, never over an input or a file of another kind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

from annotator_ops.errors import OpsError
from annotator_ops.models import JSONDict
from annotator_ops.tables import TableFormat

# By their first columns the tables of each command are known.
_EXPORT = ("rater", "kind", "item")
_CONSENSUS = ("item", "criterion", "method")
_JUDGED = ("item", "criterion", "value")
_PREFERENCES = ("prompt", "chosen", "rejected")
_REPORT_TITLE = b"annotation report</title>"
_HEAD = 1 << 16
_LONGEST_LINE = 1 << 26


def check_target(target: Path, *, suffixes: Sequence[str], inputs: Iterable[Path] = ()) -> None:
    """Refuse a target that ends in none of `suffixes`, that is a folder, or that is one of the command's inputs.

    Raises OpsError: "wrong-suffix", "not-writable", "would-overwrite".
    """
    if target.suffix.lower() not in suffixes:
        what = "is a folder" if target.is_dir() else f"does not end in {' or '.join(suffixes)}"
        example = target / f"result{suffixes[0]}" if target.is_dir() else target.with_suffix(suffixes[0])
        raise OpsError(
            f"{target} {what}, so nothing was written to it.",
            hint=f"Name a file that ends in {' or '.join(suffixes)}, such as {example}.",
            code="wrong-suffix",
        )
    if target.is_dir():
        raise OpsError(
            f"{target} is a folder, so it cannot be written as a file.",
            hint="Name another file with --output.",
            code="not-writable",
        )
    for each in inputs:
        if _same(target, each):
            raise OpsError(
                f"{target} is an input of this command; writing to it would destroy it.",
                hint="Name another file with --output.",
                code="would-overwrite",
            )


def format_of(target: Path) -> TableFormat:
    """The format of a table that a file's suffix asks for. Raises OpsError ("wrong-suffix")."""
    forms: tuple[TableFormat, ...] = get_args(TableFormat)
    for form in forms:
        if target.suffix.lower() == f".{form}":
            return form
    check_target(target, suffixes=[f".{form}" for form in forms])
    raise AssertionError("a suffix of no format was refused")  # pragma: no cover


def check_export_target(target: Path, *, form: TableFormat, inputs: Iterable[Path] = ()) -> None:
    """`check_target` for a table in `form`; what stands there already must be a table that `ops export` wrote."""
    check_target(target, suffixes=(f".{form}",), inputs=inputs)
    if _holds_something(target) and not _begins_with(target, _EXPORT):
        raise _other_kind(target, "table that `ops export` wrote")


def check_consensus_target(target: Path, *, inputs: Iterable[Path] = ()) -> None:
    """`check_target` for a table; what stands there already must be a table that `ops consensus` wrote."""
    check_target(target, suffixes=[f".{form}" for form in get_args(TableFormat)], inputs=inputs)
    if _holds_something(target) and not _begins_with(target, _CONSENSUS):
        raise _other_kind(target, "table that `ops consensus` wrote")


def check_preferences_target(target: Path, *, inputs: Iterable[Path] = ()) -> None:
    """`check_target` for pairs; what stands there already must be a file that `ops export preferences` wrote."""
    check_target(target, suffixes=(".jsonl",), inputs=inputs)
    if _holds_something(target) and not _begins_with(target, _PREFERENCES):
        raise _other_kind(target, "file that `ops export preferences` wrote")


def check_report_target(target: Path, *, inputs: Iterable[Path] = ()) -> None:
    """`check_target` for a page, and for its data beside it; a page that stands there must be a report of ours."""
    inputs = tuple(inputs)
    check_target(target, suffixes=(".html", ".htm"), inputs=inputs)
    check_target(target.with_suffix(".analysis.json"), suffixes=(".json",), inputs=inputs)
    if _holds_something(target) and _REPORT_TITLE not in _head(target):
        raise _other_kind(target, "report that `ops report` wrote")


def check_judged_target(target: Path, *, inputs: Iterable[Path] = ()) -> None:
    """`check_target` for a table; what stands there already must be a table that `ops judge apply` wrote."""
    check_target(target, suffixes=[f".{form}" for form in get_args(TableFormat)], inputs=inputs)
    if _holds_something(target) and not _begins_with(target, _JUDGED):
        raise _other_kind(target, "table that `ops judge apply` wrote")


def check_replies_target(target: Path, columns: Sequence[str], *, inputs: Iterable[Path] = ()) -> None:
    """`check_target` for replies; what stands there must be a file of these very columns, as `ops judge run` writes."""
    check_target(target, suffixes=(".jsonl",), inputs=inputs)
    if _holds_something(target) and tuple(_first_record(target) or ()) != tuple(columns):
        raise _other_kind(target, "file of replies that `ops judge run` wrote")


def check_calibration_target(target: Path, *, schema: str, inputs: Iterable[Path] = ()) -> None:
    """`check_target` for a JSON file that says its `schema`; what stands there already must be of the same."""
    check_target(target, suffixes=(".json",), inputs=inputs)
    if _holds_something(target) and json.dumps(schema).encode() not in _head(target):
        raise _other_kind(target, "calibration that `ops judge calibrate` wrote")


def check_tasks_target(target: Path, content: str, *, inputs: Iterable[Path] = ()) -> None:
    """`check_target` for a task file, which nobody can tell from one of the user's own: one is never overwritten.

    A file that holds `content` already is no obstacle.
    """
    check_target(target, suffixes=(".jsonl",), inputs=inputs)
    if _holds_something(target) and target.read_bytes() != content.encode():
        raise OpsError(
            f"{target} exists and holds other tasks, so it was not overwritten.",
            hint="Name another file for the tasks, or move that one away.",
            code="would-overwrite",
        )


def _same(target: Path, given: Path) -> bool:
    try:
        return target.samefile(given)
    except OSError:  # one of them is not there
        return target.resolve() == given.resolve()


def _holds_something(target: Path) -> bool:
    try:
        return target.stat().st_size > 0
    except OSError:  # not there, or not to be seen: writing says which
        return False


def _other_kind(target: Path, ours: str) -> OpsError:
    return OpsError(
        f"{target} exists and is no {ours}, so it was not overwritten.",
        hint="Name another file with --output, or move that one away.",
        code="would-overwrite",
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""


def _begins_with(path: Path, columns: tuple[str, str, str]) -> bool:
    """Whether the file, in the form that its ending says, begins with these columns."""
    form = path.suffix.lower().removeprefix(".")
    if form == "parquet":
        import pyarrow
        from pyarrow import parquet

        try:
            return tuple(parquet.read_schema(path).names[:3]) == columns
        except (pyarrow.ArrowException, OSError):
            return False
    if form == "csv":
        first, second, third = columns
        return re.match(rf"{first}([,;\t]){second}\1{third}\1", _first_line(path)) is not None
    record = _first_record(path)
    return record is not None and record.keys() >= set(columns)


def _first_line(path: Path) -> str:
    """The first line; empty where it cannot be read, or is no text."""
    try:
        with path.open("rb") as file:
            return file.readline(_LONGEST_LINE).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ""


def _first_record(path: Path) -> JSONDict | None:
    """The first line's JSON object, if it is one."""
    try:
        record = json.loads(_first_line(path))
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
