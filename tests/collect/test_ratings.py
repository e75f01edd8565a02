"""Tidy tables of ratings: what is read, what is refused and how, and that writing and reading are inverse."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.errors import OpsError
from annotator_ops.measures import Rating
from annotator_ops.models import RaterKind
from annotator_ops.rating_cells import NUMBER, REQUIRED, Lack, computable, faults_of, unshielded
from annotator_ops.ratings import RatingsError, read_judge_table, read_judges, read_ratings, read_table
from annotator_ops.tables import TableFormat, encode_ratings, value_text

HEADER = "rater,item,criterion,value\n"


def written(tmp_path: Path, content: str | bytes, name: str = "ratings.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def problems_of(path: Path) -> list[tuple[int | None, str]]:
    with pytest.raises(RatingsError) as caught:
        read_ratings(path, "human")
    return [(problem.line, problem.code) for problem in caught.value.problems]


def test_the_four_columns_are_enough(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "anna,t1,fluency,4\nanna,t2,fluency,\nben,t1,tone, warm \n")
    assert read_ratings(path, "human") == (
        Rating("anna", "human", "t1", "fluency", 4.0, source="ratings.csv"),
        Rating("anna", "human", "t2", "fluency", None, "empty", source="ratings.csv"),
        Rating("ben", "human", "t1", "tone", "warm", source="ratings.csv"),
    )


def test_the_other_columns_are_read_and_unknown_ones_ignored(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "note,kind,rater,item,criterion,value,reason,seconds,created_at,source\n"
        "x,judge,gpt,t1,fluency,,refused,1.5,2026-01-31T12:00:00+00:00,run-1\n",
    )
    when = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert read_ratings(path, "human") == (
        Rating("gpt", "judge", "t1", "fluency", None, "refused", when, 1.5, "run-1"),
    )


def test_every_bad_row_is_named_by_its_line(tmp_path: Path) -> None:
    rows = [
        'anna,t1,fluency,"4\n"',  # 2 and 3: fine, over two lines
        ",t2,fluency,4",  # 4
        "anna,,fluency,4",  # 5
        "anna,t3,,4",  # 6
        "anna,t4,fluency,inf",  # 7
        "anna,t5,fluency,1e999",  # 8
        "anna,t6,fluency",  # 9
        "anna,t1,fluency,5",  # 10: against line 2
        "",  # 11: a blank line is nothing
        "anna,t7,fluency,NaN",  # 12
        "anna,t8,fluency,[NaN]",  # 13
    ]
    assert problems_of(written(tmp_path, HEADER + "\n".join(rows))) == [
        (4, "empty-id"),
        (5, "empty-id"),
        (6, "empty-id"),
        (7, "bad-value"),
        (8, "bad-value"),
        (9, "row-length"),
        (10, "rated-twice"),
        (12, "bad-value"),
        (13, "bad-value"),
    ]


def test_the_message_says_which_two_lines_disagree(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "anna,t1,fluency,4\nanna,t1,fluency,5\n")
    with pytest.raises(RatingsError, match="here and in line 2, with different values"):
        read_ratings(path, "human")


def test_missing_against_given_is_a_contradiction_and_the_same_twice_is_not(tmp_path: Path) -> None:
    assert problems_of(written(tmp_path, HEADER + "anna,t1,fluency,4\nanna,t1,fluency,\n")) == [(3, "rated-twice")]
    path = written(tmp_path, HEADER + "anna,t1,fluency,4\nanna,t1,fluency,4.0\n")
    assert len(read_ratings(path, "human")) == 1


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        ("rater,item,value\nanna,t1,4\n", ["no-column"]),
        ("a,b\n1,2\n", ["no-column"] * 4),
        ("", ["no-rows"]),
        ("\ufeff\n \n", ["no-rows"]),
        (HEADER, ["no-rows"]),
        ("rater,item,criterion,value,value\nanna,t1,f,4,5\n", ["column-twice"]),
        (HEADER + 'anna,t1,f,"4\n', ["not-csv"]),
        ("rater;item;criterion;value\nanna;t1;f;3,5\n", ["decimal-comma"]),
        ("kind,rater,item,criterion,value\nrobot,anna,t1,f,4\n", ["bad-kind"]),
        ("seconds,rater,item,criterion,value\nsoon,anna,t1,f,4\n", ["bad-seconds"]),
        ("seconds,rater,item,criterion,value\n-1,anna,t1,f,4\n", ["bad-seconds"]),
        ("created_at,rater,item,criterion,value\nyesterday,anna,t1,f,4\n", ["bad-time"]),
        ("created_at,rater,item,criterion,value\n2026-01-31T12:00:00,anna,t1,f,4\n", ["bad-time"]),
        ("kind,rater,item,criterion,value\njudge,gpt,t1,f,[[1]]\n", ["bad-value"]),
    ],
)
def test_what_is_wrong_has_a_code(tmp_path: Path, content: str, codes: list[str]) -> None:
    assert [code for _, code in problems_of(written(tmp_path, content))] == codes


def test_lines_are_counted_through_a_long_file_with_everything_in_it(tmp_path: Path) -> None:
    """Rows are read some hundreds at a time: what is odd in one lot must not shift the lines of the next."""
    lines = [HEADER]
    expected = []
    for number in range(3_000):
        line = sum(text.count("\n") for text in lines) + 1
        odd = number % 700
        if odd == 3:
            lines.append("\n , \n")  # two blank lines
        elif odd == 50:
            lines.append(f'anna,t{number},fluency,"two\n\nlines"\n')
        elif odd == 51:
            lines.append(f'anna,"t\r\n{number}",fluency,4\r\n')
        elif odd == 99:
            lines.append("anna,too short\n")
            expected.append((line, "row-length"))
        elif odd == 200:
            lines.append(f"anna,t{number},fluency,1e999\n")
            expected.append((line, "bad-value"))
        elif odd == 201 and number > 700:
            lines.append("anna,t0,fluency,5\n")
            expected.append((line, "rated-twice"))
        else:
            lines.append(f"anna,t{number},fluency,4\n")
    lines.append('anna,last,fluency,"4\n')
    expected.append((sum(text.count("\n") for text in lines), "not-csv"))
    assert problems_of(written(tmp_path, "".join(lines))) == expected


def test_old_line_ends_are_lines(tmp_path: Path) -> None:
    rows = [HEADER.strip(), 'anna,t1,fluency,"a\rb"', ",t2,fluency,4", ""]
    for end, line in (("\r", 4), ("\r\n", 4), ("\n", 4)):
        assert problems_of(written(tmp_path, end.join(rows))) == [(line, "empty-id")]


def test_of_three_different_values_each_is_held_against_the_first(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "anna,t1,fluency,4\nanna,t1,fluency,5\nanna,t1,fluency,4\nanna,t1,fluency,6\n")
    with pytest.raises(RatingsError) as caught:
        read_ratings(path, "human")
    assert [(problem.line, problem.code) for problem in caught.value.problems] == [
        (3, "rated-twice"),
        (5, "rated-twice"),
    ]
    assert all("here and in line 2" in problem.message for problem in caught.value.problems)


def test_a_bad_row_is_not_what_others_are_held_against(tmp_path: Path) -> None:
    header = "seconds,rater,item,criterion,value\n"
    path = written(tmp_path, header + "soon,anna,t1,f,4\n,anna,t1,f,5\n,anna,t1,f,5\n")
    assert problems_of(path) == [(2, "bad-seconds")]


def test_all_that_is_wrong_with_a_row_is_said_in_the_order_of_the_columns(tmp_path: Path) -> None:
    header = "rater;item;criterion;value;kind;seconds;created_at\n"
    row = ";;;3,5;robot;-1;soon\n"
    assert [code for _, code in problems_of(written(tmp_path, header + row))] == [
        *["empty-id"] * 3, "decimal-comma", "bad-kind", "bad-seconds", "bad-time",
    ]  # fmt: skip
    half = json.dumps({"rater": "", "item": 1, "criterion": "c", "value": 1, "created_at": "2026-01-31\ud80012:00:00Z"})
    assert problems_of(written(tmp_path, half, "r.jsonl")) == [(1, "not-unicode")]


def test_the_table_has_what_the_records_have(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "rater,item,criterion,value,seconds\nben,t10,tone,warm,1\nanna,t2,tone, warm,\nanna,t2,fluency,4.0,\n"
        "anna,t2,fluency,4,\n",
    )
    table = read_table(path, "judge")
    assert (table.raters, table.items, table.criteria) == (("anna", "ben"), ("t2", "t10"), ("tone", "fluency"))
    assert (table.values, table.reasons, table.sources) == (("warm", 4.0), (), ("ratings.csv",))
    assert table.seconds.tolist()[0] == 1.0
    assert table.models().ratings() == list(read_ratings(path, "judge"))
    assert len(table) == 3
    assert read_judge_table(path).content_hash() == table.content_hash()


def test_times_are_given_in_utc(tmp_path: Path) -> None:
    header = "created_at,rater,item,criterion,value\n"
    path = written(tmp_path, header + "2026-01-31T12:00:00.000001+02:00,anna,t1,f,4\n")
    (rating,) = read_ratings(path, "human")
    assert rating.created_at is not None
    assert rating.created_at.isoformat() == "2026-01-31T10:00:00.000001+00:00"
    path = written(tmp_path, header + "0001-01-01T00:00:00+02:00,anna,t1,f,4\n")
    assert problems_of(path) == [(2, "bad-time")], "in UTC it would be before the calendar begins"


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_how_far_the_reading_is(tmp_path: Path, form: TableFormat) -> None:
    ratings = [Rating("anna", "human", f"t{number}", "c", 1.0) for number in range(2_000)]
    path = written(tmp_path, encode_ratings(ratings, form), f"r.{form}")
    told: list[float] = []
    assert len(read_table(path, "human", progress=told.append)) == 2_000
    assert told == sorted(told)
    assert len(told) > 1 and 0 < told[0] < 1 and told[-1] == 1


WILD = [
    *(None, True, False, 0, -0.0, 7, 7.5, 10**400, -1, "", "  ", "anna", "4", "3,5", "nan", "1e999", "[NaN]", "'-5"),
    *(["x"], [["x"]], [{"start": 1}], {"a": 1}, "\ud800", ["\ud800"], '["\\ud800"]', "judge", "human", "robot", "1.5"),
    *("2026-01-31T12:00:00Z", "2026-01-31T12:00:00", "2026-01-31\ud80012:00:00Z", "0001-01-01T00:00:00+01:00", "soon"),
]
FIELDS = ("rater", "item", "criterion", "value", "kind", "reason", "seconds", "created_at", "source")
# Mostly good rows, so that what is quick for good rows is tried beside a few bad ones.
USUAL = dict(zip(FIELDS, ["anna", "t", "c", "4", "human", "", "1.5", "2026-01-31T12:00:00Z", "s"], strict=True))
ODD_ROWS = st.lists(
    st.dictionaries(st.sampled_from(FIELDS), st.sampled_from([*WILD, Lack.ABSENT]), max_size=2), min_size=1, max_size=12
)


def found_in(path: Path, kind: RaterKind) -> list[tuple[int | None, str, str, str]]:
    try:
        read_table(path, kind)
    except RatingsError as error:
        own = [problem for problem in error.problems if problem.code != "rated-twice"]
        return [(problem.line, problem.message, problem.hint, problem.code) for problem in own]
    return []


@settings(deadline=None)
@given(changes=ODD_ROWS, kind=st.sampled_from(["human", "judge"]), names=st.sets(st.sampled_from(FIELDS[4:])))
def test_columns_find_all_that_a_look_at_each_row_finds(
    tmp_path_factory: pytest.TempPathFactory, changes: list[dict[str, Any]], kind: RaterKind, names: set[str]
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    rows = [{**USUAL, **change} for change in changes]
    rows = [{name: row[name] for name in FIELDS if name in names or name in REQUIRED} for row in rows]
    lines = [json.dumps({name: cell for name, cell in row.items() if cell is not Lack.ABSENT}) for row in rows]
    expected = [(n, *fault) for n, row in enumerate(rows, start=1) for fault in faults_of(row, kind, commas=False)]
    assert found_in(written(folder, "\n".join(lines), "r.jsonl"), kind) == expected

    texts = [{name: cell for name, cell in row.items() if isinstance(cell, str) and cell.isascii()} for row in rows]
    sheet = io.StringIO(newline="")
    writer = csv.DictWriter(sheet, list(rows[0]), restval="", delimiter=";")
    writer.writeheader()
    writer.writerows(texts)
    cells = [{name: unshielded(row.get(name, "")) for name in rows[0]} for row in texts]
    there = [(n, row) for n, row in enumerate(cells, start=2) if any(cell.strip() for cell in row.values())]
    expected = [(n, *fault) for n, row in there for fault in faults_of(row, kind, commas=True)]
    expected = expected or ([] if there else [(0, "there is not one rating in it.", "Add rows.", "no-rows")])
    found = found_in(written(folder, sheet.getvalue()), kind)
    assert [(line or 0, *rest) for line, *rest in found] == expected


def test_lengths_of_time_are_read_alike_alone_and_among_others(tmp_path: Path) -> None:
    def seconds_of(cells: list[Any]) -> list[Any]:
        rows = [
            {"rater": "a", "item": str(n), "criterion": "c", "value": 1, "seconds": cell}
            for n, cell in enumerate(cells)
        ]
        path = written(tmp_path, "\n".join(map(json.dumps, rows)), "r.jsonl")
        return [repr(rating.seconds) for rating in read_ratings(path, "human")]

    good = [0, -0.0, 7, 7.5, "1.5", " 2 ", "1_0", "1e3"]
    assert seconds_of(good) == seconds_of([*good, None])[:-1]
    assert seconds_of(good) == ["0.0", "0.0", "7.0", "7.5", "1.5", "2.0", "10.0", "1000.0"]
    for bad in (-1, "-1", "nan", "inf", 10**400, True, [1], "soon"):
        with pytest.raises(RatingsError) as caught:
            seconds_of([*good, bad])
        assert [(problem.line, problem.code) for problem in caught.value.problems] == [(len(good) + 1, "bad-seconds")]


# --- repeats ---------------------------------------------------------------------------------------------------------

REPEATS = "rater,item,criterion,value,repeat_of\n"


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_an_item_may_be_another_a_second_time(tmp_path: Path, form: TableFormat) -> None:
    import pandas

    rows = [("t1", None), ("t1-again", "t1"), ("t1-again", ""), ("t2", " not rated "), ("t3", "")]
    frame = pandas.DataFrame(
        [(f"rater-{place}", item, "c", 1.0, original) for place, (item, original) in enumerate(rows)],
        columns=REPEATS.strip().split(","),
    )
    path = tmp_path / f"r.{form}"
    if form == "parquet":
        frame.to_parquet(path)
    elif form == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    table = read_table(path, "human")
    assert table.repeats == {"t1-again": "t1", "t2": "not rated"}
    assert table.items == ("t1", "t1-again", "t2", "t3")


@pytest.mark.parametrize(
    ("rows", "expected", "sentence"),
    [
        (["t1,", "t2,t2", "t2,t2"], [(3, "repeats-itself")], "item t2 is said to repeat itself."),
        (["t2,t1", "t2,t1", "t2,t3"], [(4, "two-originals")], "item t2 is said to repeat t1 and also t3."),
        (["t3,t2", "t2,t1"], [(2, "repeat-of-repeat")], "repeat t2, which is itself a repeat of t1."),
        (["t1,t2", "t2,t1"], [(2, "repeat-of-repeat"), (3, "repeat-of-repeat")], "repeat t2, which is itself"),
    ],
)
def test_repeats_that_contradict_each_other(
    tmp_path: Path, rows: list[str], expected: list[tuple[int, str]], sentence: str
) -> None:
    lines = [f"rater-{place},{row.replace(',', ',c,1,')}" for place, row in enumerate(rows)]
    path = written(tmp_path, REPEATS + "\n".join(lines))
    assert problems_of(path) == expected
    with pytest.raises(RatingsError) as caught:
        read_table(path, "human")
    assert sentence in caught.value.message


def test_the_original_is_a_text_that_can_be_written(tmp_path: Path) -> None:
    row = {"rater": "a", "item": "1", "criterion": "c", "value": 4, "repeat_of": "\ud800"}
    assert problems_of(written(tmp_path, json.dumps(row), "r.jsonl")) == [(1, "not-unicode")]
    twice = "repeat_of," + REPEATS + "t0,a,t1,c,1,t0\n"
    assert problems_of(written(tmp_path, twice)) == [(1, "column-twice")]


def test_spreadsheets_of_other_locales_are_read(tmp_path: Path) -> None:
    semicolons = written(tmp_path, "\ufeffrater;item;criterion;value\r\nанна;t1;тон;4\r\n")
    assert read_ratings(semicolons, "human")[0].rater == "анна"
    tabs = written(tmp_path, "rater\titem\tcriterion\tvalue\nanna\tt1\ttone\t3,5\n", "r.tsv")
    assert read_ratings(tabs, "human")[0].value == "3,5"


def test_a_cell_longer_than_the_csv_module_takes_by_itself(tmp_path: Path) -> None:
    text = "x" * 200_000
    assert read_ratings(written(tmp_path, HEADER + f"anna,t1,comment,{text}\n"), "human")[0].value == text


@pytest.mark.parametrize(
    ("name", "content"),
    [("r.csv", b"\xff\xfe\x00r"), ("r.parquet", b"rater,item,criterion,value\n"), ("absent.csv", None)],
)
def test_what_is_no_such_table_is_said_in_words(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        written(tmp_path, content, name)
    with pytest.raises(OpsError) as caught:
        read_ratings(tmp_path / name, "human")
    assert caught.value.code == "ratings-unreadable"
    assert name in caught.value.message


def test_json_lines_are_judged_line_by_line(tmp_path: Path) -> None:
    good = '{"rater": "a", "item": 7, "criterion": "c", "value": ["x", "y"]}'
    rows = [
        good,
        "{",
        "[1]",
        '{"rater": "a", "item": "8", "criterion": "c"}',
        '{"rater": "a", "item": "9", "criterion": "c", "value": true}',
        '{"rater": "a", "item": "10", "criterion": "c", "value": 1' + "0" * 400 + "}",
    ]
    path = written(tmp_path, "\n".join(rows), "r.jsonl")
    assert problems_of(path) == [
        (2, "not-json"),
        (3, "not-json"),
        (4, "no-field"),
        (5, "bad-value"),
        (6, "bad-value"),
    ]
    rating = read_ratings(written(tmp_path, good, "good.jsonl"), "judge")[0]
    assert (rating.item, rating.value, rating.kind) == ("7", ("x", "y"), "judge")


def test_what_only_some_of_the_statistics_could_bear_is_refused_by_its_line(tmp_path: Path) -> None:
    row = {"rater": "gpt", "item": "1", "criterion": "c", "value": 4}
    half = "\ud800"  # half of a surrogate pair: JSON can hold it, UTF-8 cannot
    rows = [
        row | {"created_at": "2026-01-31T12:00:00Z"},  # 1: fine
        row | {"item": "2", "created_at": "2026-01-31T12:00:00"},  # 2: in which time zone?
        row | {"item": "3", "value": [{"start": 1}]},  # 3: a judge's regions
        row | {"item": "4", "value": ["x", ["y"]]},  # 4
        row | {"item": "5", "kind": "human", "value": [{"start": 1}]},  # 5: fine
        row | {"item": half},  # 6
        row | {"item": "7", "kind": "human", "value": [{"text": half}]},  # 7
        row | {"item": "8", "value": json.dumps([half])},  # 8
        row | {"item": "9", "value": {"text": half}},  # 9
        row | {"item": "10", "kind": half},  # 10
    ]
    path = written(tmp_path, "\n".join(map(json.dumps, rows)), "r.jsonl")
    with pytest.raises(RatingsError) as caught:
        read_judges(path)
    assert [(problem.line, problem.code) for problem in caught.value.problems] == [
        (2, "bad-time"),
        (3, "bad-value"),
        (4, "bad-value"),
        *((line, "not-unicode") for line in range(6, 11)),
    ]
    assert caught.value.message.encode()


def judges_of(path: Path) -> list[tuple[int | None, str]]:
    with pytest.raises(RatingsError) as caught:
        read_judges(path)
    return [(problem.line, problem.code) for problem in caught.value.problems]


def test_a_judges_value_beside_the_reason_why_there_is_none(tmp_path: Path) -> None:
    rows = ["4,refused", "4,", ",refused", "4,It reads well.", "Good,failed"]
    content = "judge,item,criterion,value,reason\n" + "".join(f"gpt,{n},c,{row}\n" for n, row in enumerate(rows))
    assert judges_of(written(tmp_path, content)) == [(2, "value-and-reason"), (6, "value-and-reason")]
    of_people = written(tmp_path, content.replace("judge", "rater"), "people.csv")
    assert len(read_ratings(of_people, "human")) == len(rows)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_column_under_both_its_names(tmp_path: Path, form: str) -> None:
    import pandas

    path = tmp_path / f"r.{form}"
    table = pandas.DataFrame({"judge": ["gpt"], "rater": ["anna"], "item": ["1"], "criterion": ["c"], "value": [4]})
    if form == "jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_csv(path, index=False) if form == "csv" else table.to_parquet(path)
    assert judges_of(path) == [(1, "column-twice")]
    assert read_ratings(path, "human")[0].rater == "anna"


def test_of_many_faults_of_one_kind_the_first_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    rows = [f"gpt,{n},c,4,{1 + n / 10}," for n in range(1, 41)]
    rows[5:5] = ["gpt,x,c,4,,upside", "gpt,,c,4,,"]
    path = written(tmp_path, "judge,item,criterion,value,confidence,order\n" + "\n".join(rows))
    with pytest.raises(RatingsError) as caught:
        read_judges(path)
    assert len(caught.value.problems) == 42
    first, *lines = caught.value.message.splitlines()
    assert "has 42 problems" in first
    assert lines.pop(3) == "  … and 37 more of the same"
    assert [line.split()[1] for line in lines] == [f"{path.name}:{line}:" for line in (2, 3, 4, 7, 8)]


def test_four_faults_of_one_kind_are_all_shown_and_many_kinds_are_cut(tmp_path: Path) -> None:
    header = "judge,item,criterion,value,order\n"
    path = written(tmp_path, header + "".join(f"gpt,{n},c,4,no{n}\n" for n in range(4)))
    with pytest.raises(RatingsError) as caught:
        read_judges(path)
    assert len(caught.value.message.splitlines()) == 1 + 4
    words = [f"no{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(60)]
    path = written(tmp_path, header + "".join(f"gpt,{n},c,4,{word}\n" for n, word in enumerate(words)))
    with pytest.raises(RatingsError) as caught:
        read_judges(path)
    assert caught.value.message.splitlines()[-1] == "  … and 10 more"


def test_a_parquet_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    import pandas

    table = pandas.DataFrame({"rater": ["a"], "item": ["1"], "criterion": ["c"], "value": [1.0]})
    path = tmp_path / "r.parquet"
    table.assign(created_at=pandas.Timestamp("2026-01-31T12:00:00")).to_parquet(path)
    assert problems_of(path) == [(1, "bad-time")]


def test_people_in_a_table_of_judges_are_not_counted_as_annotators(tmp_path: Path) -> None:
    given = [Rating("gpt", "judge", "t1", "c", 4.0), Rating("anna", "human", "t1", "c", 4.0)]
    path = tmp_path / "export.csv"
    path.write_bytes(encode_ratings(given, "csv"))
    with pytest.raises(OpsError, match=r"export\.csv") as caught:
        read_judges(path)
    assert caught.value.code == "judges-human"
    assert "anna" in caught.value.message
    path.write_bytes(encode_ratings(given[:1], "csv"))
    assert [rating.kind for rating in read_judges(path)] == ["judge"]


# --- writing and reading are inverse ---------------------------------------------------------------------------------

WORD = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(
    lambda text: text == text.strip() and text != ""
)
ID = WORD
LABEL = st.one_of(
    WORD, st.sampled_from(["=1+1", "'=x", "''@", "@a", "-", "+7a", "'", '"', "a,b", "a;b", "＝x"])
).filter(
    lambda text: (
        not NUMBER.fullmatch(text)
        and text.casefold().lstrip("+-") not in {"nan", "inf", "infinity"}
        and not text.startswith("[")
    )
)
VALUE = st.one_of(
    st.none(),
    st.floats(-1e60, 1e60).filter(computable),
    LABEL,
    st.lists(LABEL, max_size=3).map(tuple),
)
REGIONS = st.lists(st.fixed_dictionaries({"start": st.integers(0, 9), "label": LABEL}), max_size=2).map(tuple)
KIND_AND_VALUE = st.tuples(st.sampled_from(["human", "judge"]), VALUE) | st.tuples(st.just("human"), REGIONS)
RATING = st.builds(
    lambda rater, given, item, criterion, reason, when, seconds, source: Rating(
        rater, given[0], item, criterion, given[1], reason if given[1] is None else None, when, seconds, source
    ),
    ID, KIND_AND_VALUE, ID, ID, st.sampled_from(["skipped", "empty"]),
    st.none() | st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda when: when.replace(tzinfo=UTC)),  # noqa: DTZ001
    st.none() | st.floats(0, 1e6), ID,
)  # fmt: skip


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@settings(max_examples=80, deadline=None)
@given(ratings=st.lists(RATING, min_size=1, max_size=6, unique_by=lambda r: (r.kind, r.rater, r.item, r.criterion)))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, form: TableFormat, ratings: list[Rating]
) -> None:
    path = tmp_path_factory.mktemp("round") / f"r.{form}"
    path.write_bytes(encode_ratings(ratings, form))
    assert list(read_ratings(path, "human")) == ratings


def test_no_cell_of_an_annotator_is_run_by_a_spreadsheet() -> None:
    attack = '=HYPERLINK("http://example.org","x")'
    ratings = [Rating("anna", "human", "t1", "comment", attack), Rating("anna", "human", "t2", "change", -1.5)]
    lines = encode_ratings(ratings, "csv").decode("utf-8-sig").splitlines()
    assert lines[1].startswith("anna,human,t1,comment,\"'=HYPERLINK(")
    assert ",-1.5," in lines[2]
    assert attack in encode_ratings(ratings, "jsonl").decode().replace('\\"', '"')


def test_the_wide_form_has_a_row_for_each_rater_and_item() -> None:
    ratings = [
        Rating("anna", "human", "t1", "fluency", 4.0, seconds=9.0),
        Rating("anna", "human", "t1", "item", "x", seconds=9.0),
        Rating("anna", "human", "t2", "fluency", None, "skipped"),
    ]
    assert encode_ratings(ratings, "csv", wide=True).decode("utf-8-sig").splitlines() == [
        "rater,kind,item,seconds,fluency,criterion.item",
        "anna,human,t1,9,4,x",
        "anna,human,t2,,,",
    ]


def test_parquet_has_numbers_as_numbers(tmp_path: Path) -> None:
    import pandas

    path = tmp_path / "r.parquet"
    path.write_bytes(
        encode_ratings([Rating("a", "human", "t", "c", 4.0), Rating("a", "human", "t", "d", "x")], "parquet")
    )
    frame = pandas.read_parquet(path)
    assert frame["number"].tolist()[0] == 4.0
    assert math.isnan(frame["number"].tolist()[1])
    assert frame["value"].tolist() == ["4", "x"]


def test_whole_numbers_are_written_without_a_point() -> None:
    assert [value_text(value) for value in (4.0, 0.1, -2.0, 1e300, None, ("a",))] == [
        "4", "0.1", "-2", "1e+300", "", '["a"]',
    ]  # fmt: skip
