"""Task files as researchers have them: three formats, any spreadsheet, every bad row named."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.task_files import read_tasks


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def codes(path: Path) -> list[tuple[str, int | None]]:
    return [(problem.code, problem.line) for problem in read_tasks(path, where=path.name).problems]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.jsonl", '{"id": "a", "text": "x, y"}\n\n{"id": 2, "text": "ü"}\n'),
        ("t.ndjson", '{"id": "a", "text": "x, y"}\r\n{"id": 2, "text": "ü"}'),
        ("t.json", '[{"id": "a", "text": "x, y"}, {"id": 2, "text": "ü"}]'),
        ("t.json", '[{"id": "a", "data": {"text": "x, y"}}, {"data": {"id": 2, "text": "ü"}, "predictions": []}]'),
        ("t.csv", 'id,text\na,"x, y"\n2,ü\n'),
        ("t.CSV", '"id";"text"\r\n"a";"x, y"\r\n\r\n2;ü'),
        ("t.tsv", "id\ttext\na\tx, y\n2\tü\n"),
        ("t.csv", '\ufeffid,text\na,"x, y"\n2,ü\n'),
        ("t.csv", 'id,text\na,"x, y"\n2,ü\n'.encode("utf-16")),
    ],
)
def test_the_same_tasks_in_every_form(tmp_path: Path, name: str, content: str | bytes) -> None:
    file = read_tasks(write(tmp_path, name, content), where=name)
    assert file.problems == []
    assert [dict(task.data) for task in file.tasks] == [{"id": "a", "text": "x, y"}, {"id": "2", "text": "ü"}]
    assert [task.id for task in file.tasks] == ["a", "2"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.jsonl", "", [("no-tasks", None)]),
        ("t.csv", "id,text\n", [("no-tasks", None)]),
        ("t.json", "[]", [("no-tasks", None)]),
        ("t.json", "", [("no-tasks", None)]),
        ("t.json", '{"id": 1}', [("tasks-invalid", None)]),
        ("t.json", '[\n{"id": 1},\n{"id": 2,}\n]', [("tasks-invalid", 3)]),
        ("t.jsonl", '[\n{"id": 1}\n]', [("tasks-invalid", 1)]),
        ("t.jsonl", '{"id": 1}\n{"id": }\n{"id": 3}\n{', [("tasks-invalid", 2), ("tasks-invalid", 4)]),
        ("t.jsonl", '{"id": 1, "x": NaN}', [("tasks-invalid", 1)]),
        ("t.jsonl", "[" * 100_000, [("tasks-invalid", 1)]),
        ("t.jsonl", '{"id": ' + "9" * 5000 + "}", [("tasks-invalid", 1)]),
        ("t.jsonl", '{"text": "x"}\n{"id": ""}\n{"id": null}\n7', [("task-invalid", line) for line in (1, 2, 3, 4)]),
        ("t.jsonl", '{"id": 1.5}\n{"id": true}\n{"id": [1]}', [("task-invalid", line) for line in (1, 2, 3)]),
        (
            "t.jsonl",
            '{"id": " a"}\n{"id": "a\\n"}\n{"id": "' + "x" * 201 + '"}',
            [("task-invalid", n) for n in (1, 2, 3)],
        ),
        ("t.jsonl", '{"id": "a", "text": "\\ud800"}', [("task-invalid", 1)]),
        ("t.jsonl", '{"id": "\\ud800"}', [("task-invalid", 1)]),
        ("t.json", '[{"id": 1, "data": {}, "predictions": [{"result": []}]}]', [("task-invalid", None)]),
        ("t.jsonl", '{"id": 1}\n{"id": "1"}\n{"id": 2}\n{"id": 2}', [("duplicate-task-id", 2)]),
        ("t.csv", "key,text\na,b\n", [("tasks-invalid", 1)]),
        ("t.csv", "id,text,text\na,b,c\n", [("tasks-invalid", 1)]),
        ("t.csv", "id,text\na,b,c\nd\ne,f\n", [("tasks-invalid", 2), ("tasks-invalid", 3)]),
        ("t.csv", 'id,text\na,"b\nc"\nd,e,f\n', [("tasks-invalid", 4)]),
        ("t.csv", 'id,text\na,"b" c\n', [("tasks-invalid", 2)]),
        ("t.csv", 'id,text\na,"never closed\n', [("tasks-invalid", 2)]),
        ("t.csv", "id,text\n,b\n", [("task-invalid", 2)]),
        ("t.csv", b"id,text\na,caf\xe9\n", [("file-unreadable", 2)]),
        ("t.xlsx", b"PK", [("task-format", None)]),
        ("tasks", "", [("task-format", None)]),
    ],
)
def test_what_cannot_be_tasks(
    tmp_path: Path, name: str, content: str | bytes, expected: list[tuple[str, int | None]]
) -> None:
    assert codes(write(tmp_path, name, content)) == expected


def test_a_folder_and_nothing(tmp_path: Path) -> None:
    assert codes(tmp_path) == [("file-unreadable", None)]
    assert codes(tmp_path / "none.jsonl") == [("file-unreadable", None)]


def test_a_file_too_large_to_be_meant(tmp_path: Path) -> None:
    path = write(tmp_path, "t.jsonl", "")
    with path.open("r+b") as file:
        file.truncate(2 * 1024**3)  # sparse: takes no disk
    assert codes(path) == [("file-unreadable", None)]


def test_a_long_cell_and_the_limit_of_everybody_else(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    file = read_tasks(write(tmp_path, "t.csv", f"id,html\na,{'x' * 300_000}\n"), where="t.csv")
    assert file.problems == []
    assert len(file.tasks[0].data["html"]) == 300_000
    assert csv.field_size_limit() == before


def test_duplicates_are_listed_with_their_places(tmp_path: Path) -> None:
    rows = "".join(f'{{"id": {number % 8}}}\n' for number in range(24))
    problem = read_tasks(write(tmp_path, "t.jsonl", rows), where="t.jsonl").problems[0]
    assert problem.message.startswith("8 task ids are used more than once: '0' (line 1, line 9, line 17); '1'")
    assert problem.message.endswith("and 3 more.")


def test_line_separators_of_unicode_are_text(tmp_path: Path) -> None:
    file = read_tasks(write(tmp_path, "t.jsonl", '{"id": 1, "text": "a\u2028b\u0085c"}\n'), where="t.jsonl")
    assert file.tasks[0].data["text"] == "a\u2028b\u0085c"


ROWS = st.lists(st.dictionaries(st.text(min_size=1), st.text(), max_size=3), min_size=1, max_size=5)


@settings(deadline=None)
@given(ROWS)
def test_whatever_text_can_be_comes_through(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("tasks") / "t.jsonl"
    numbered = [{**row, "id": str(number)} for number, row in enumerate(rows)]
    path.write_text("".join(json.dumps(row) + "\n" for row in numbered))
    assert [task.data for task in read_tasks(path, where="t.jsonl").tasks] == numbered
