"""Layer 2. An outside ranking of systems, such as a public leaderboard's, from a small table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from annotator_ops.errors import OpsError
from annotator_ops.rating_cells import NUMBER
from annotator_ops.stats.values import is_finite_number
from annotator_ops.task_files import read_text

_FORMS = (".csv", ".tsv", ".jsonl", ".ndjson")


def read_ranking(path: Path) -> dict[str, float]:
    """Each system's score, higher is better, from a table with the columns `system` and `score`, or `rank`.

    A rank, 1 for the best, becomes the score −rank: only the order counts. Where both columns are there, the score is
    read. CSV (or TSV) and JSON Lines; other columns do not matter. Raises OpsError ("ranking-invalid") with the place.
    """
    text, problems = read_text(path, where=path.name)
    if text is None:
        raise _invalid(path, problems[0].message)
    suffix = path.suffix.lower()
    if suffix not in _FORMS:
        raise _invalid(path, f"A {suffix or 'nameless'} file is no ranking that is understood.")
    scores: dict[str, float] = {}
    column = None
    for line, row in _lines(path, text) if suffix in (".jsonl", ".ndjson") else _rows(path, text):
        column = column or _column(path, row, line)
        system = row.get("system")
        name = str(system).strip() if isinstance(system, (str, int)) and not isinstance(system, bool) else ""
        number = _number(row.get(column))
        if not name or number is None:
            what = f"the {column} is {row.get(column)!r}, which is no number" if name else "it names no system"
            raise _invalid(path, f"Line {line}: {what}.")
        if name in scores:
            raise _invalid(path, f"Line {line}: {name} is in the ranking twice.")
        scores[name] = number if column == "score" else -number
    if not scores:
        raise _invalid(path, "There is no system in it.")
    return scores


def _column(path: Path, row: Mapping[str, Any], line: int) -> str:
    found = next((name for name in ("score", "rank") if name in row), None)
    if found is None or "system" not in row:
        raise _invalid(path, f"Line {line}: it has no {'`system`' if found else '`score` and no `rank`'}.")
    return found


def _rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    header = text.lstrip("\n").split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    names: list[str] = []
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if not names:
                names = [cell.strip() for cell in row]
                continue
            if len(row) != len(names):
                raise _invalid(path, f"Line {reader.line_num}: it has {len(row)} cells, the header {len(names)}.")
            yield reader.line_num, dict(zip(names, row, strict=True))
    except csv.Error as error:
        raise _invalid(path, f"Line {reader.line_num}: this is not valid CSV: {error}.") from None


def _lines(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise _invalid(path, f"Line {number}: this is no JSON object.")
        yield number, row


def _number(cell: object) -> float | None:
    if isinstance(cell, str) and NUMBER.fullmatch(cell.strip()):
        cell = float(cell)
    return float(cell) if isinstance(cell, (int, float)) and is_finite_number(cell) else None


def _invalid(path: Path, why: str) -> OpsError:
    return OpsError(
        f"{path.name} cannot be read as a ranking of systems. {why}",
        hint="Write a CSV or JSONL table with the columns system and score (higher is better), or system and rank.",
        code="ranking-invalid",
    )
