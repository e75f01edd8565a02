"""Judges' files into the ratings table: their columns, replies, scales, names; from bare files and from a study."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import Ensemble, JudgeFile, Judging
from annotator_ops.judging.asked import Asked
from annotator_ops.judging.importing import Scale, declared_scales, imported, seen_scale
from annotator_ops.labeling import parse
from annotator_ops.measures import Rating, Value
from annotator_ops.models import Annotator, Criterion, Level, Study, Task
from annotator_ops.ratings import RatingsError, read_judge_table, read_judges, read_ratings
from annotator_ops.reporting.known import judging_of
from annotator_ops.reporting.source import Material, Tables, material_of_files, material_of_study
from annotator_ops.results import Comment, Finding
from annotator_ops.stats.context import Position
from annotator_ops.stats.correlation import spearman
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import ValueKind
from annotator_ops.steps.validate import validate as validate_step
from annotator_ops.tables import TableFormat, encode_ratings
from annotator_ops.validation import validate
from tests.study.making import make

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
CRITERIA = ("coherence", "consistency", "fluency", "relevance")


def write(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def people(folder: Path, content: str = "ann,1,fluency,1\nben,1,fluency,2\nann,2,fluency,5\nben,2,fluency,4\n") -> Path:
    return write(folder / "people.csv", "rater,item,criterion,value\n" + content)


def material(folder: Path, *judges: Path, **more: Any) -> Material:
    return material_of_files(Tables((people(folder),), judges, **more), created_at=NOW)


def scores(found: Material) -> dict[tuple[str, str], Value | str | None]:
    rows = found.table.models().ratings()
    return {(row.rater, row.item): row.value if row.value is not None else row.reason for row in rows}


# --- the columns -----------------------------------------------------------------------------------------------------

ROW: dict[str, Any] = {
    "judge": "gpt",
    "item": "t1",
    "criterion": "fluency",
    "value": 4.0,
    "model": "gpt-4o",
    "prompt": "v2",
    "confidence": 0.75,
    "reply": "= A good one,\nsays I: 4",
    "turn": "3",
    "order": "swapped",
}
RATING = Rating(
    "gpt", "judge", "t1", "fluency", 4.0, confidence=0.75, model="gpt-4o", prompt="v2", reply=ROW["reply"], turn="3",
    order="swapped",
)  # fmt: skip


@pytest.mark.parametrize("name", ["judges.csv", "judges.jsonl", "judges.parquet"])
def test_what_only_judges_have_is_read_in_every_form(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix == ".jsonl":
        path.write_text(json.dumps(ROW) + "\n")
    elif path.suffix == ".csv":
        pandas.DataFrame([ROW]).to_csv(path, index=False)
    else:
        pandas.DataFrame([ROW]).to_parquet(path)
    (found,) = read_judges(path)
    assert found == Rating(**{**as_fields(RATING), "source": name})


def as_fields(rating: Rating) -> dict[str, Any]:
    return {name: getattr(rating, name) for name in Rating.__slots__}


def test_peoples_tables_have_no_such_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "rater,item,criterion,value,confidence,order\nann,1,fluency,4,sure,first\n")
    (row,) = read_ratings(path, "human")
    assert (row.confidence, row.order) == (None, None)
    with pytest.raises(RatingsError, match="rater"):
        read_ratings(write(tmp_path / "j.csv", "judge,item,criterion,value\ngpt,1,fluency,4\n"), "judge")


def test_every_bad_cell_is_named_by_its_line(tmp_path: Path) -> None:
    rows = ["0.5,given", "1.5,given", "-0.1,", "high,swapped", "nan,", ",first", "1,given", "0,"]
    lines = [f"gpt,{number},fluency,4,{row}" for number, row in enumerate(rows)]
    path = write(tmp_path / "j.csv", "\n".join(["judge,item,criterion,value,confidence,order", *lines]))
    with pytest.raises(RatingsError) as caught:
        read_judges(path)
    assert [(problem.line, problem.code) for problem in caught.value.problems] == [
        (3, "bad-confidence"),
        (4, "bad-confidence"),
        (5, "bad-confidence"),
        (6, "bad-confidence"),
        (7, "bad-order"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("j.csv", "judge,item,criterion,reply\ngpt,1,fluency,Four.\n", "unread"),
        ("j.csv", "judge,item,criterion,value,reason,reply\ngpt,1,fluency,,refused,I cannot.\n", "refused"),
        ("j.csv", "judge,item,criterion,value,reason,reply\ngpt,1,fluency,,failed,\n", "failed"),
        ("j.csv", "judge,item,criterion,reply\ngpt,1,fluency,  \n", "empty"),
        ("j.jsonl", '{"judge": "gpt", "item": 1, "criterion": "fluency", "reply": null, "reason": "failed"}', "failed"),
        ("j.jsonl", '{"judge": "gpt", "item": 1, "criterion": "fluency", "reply": {"score": 4}}', "unread"),
    ],
)
def test_a_reply_stands_for_a_value_and_a_reason_is_kept(tmp_path: Path, name: str, content: str, reason: str) -> None:
    (row,) = read_judges(write(tmp_path / name, content))
    assert (row.value, row.reason) == (None, reason)


def test_a_row_with_neither_value_nor_reply_is_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path / "j.jsonl", '{"judge": "gpt", "item": 1, "criterion": "fluency"}\n')
    with pytest.raises(RatingsError, match="“value” is missing") as caught:
        read_judges(path)
    assert [(problem.line, problem.code) for problem in caught.value.problems] == [(1, "no-field")]
    with pytest.raises(RatingsError, match="or reply"):
        read_judges(write(tmp_path / "j.csv", "judge,item,criterion\ngpt,1,fluency\n"))


def test_the_same_verdict_twice_counts_once_and_two_different_ones_are_refused(tmp_path: Path) -> None:
    header = "judge,item,criterion,value,prompt,turn\n"
    rows = "gpt,1,fluency,4,v1,1\ngpt,1,fluency,4,v1,1\ngpt,1,fluency,5,v1,2\ngpt,1,fluency,3,v2,1\n"
    assert len(read_judge_table(write(tmp_path / "j.csv", header + rows))) == 3
    with pytest.raises(RatingsError, match="in line 2, with different values") as caught:
        read_judge_table(write(tmp_path / "j.csv", header + rows + "gpt,1,fluency,2,v1,1\n"))
    assert [problem.line for problem in caught.value.problems] == [6]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=12)
NAME = TEXT.map(str.strip).filter(lambda text: text and text.lower() not in {"nan", "inf"})


@given(
    rows=st.lists(
        st.builds(
            Rating,
            st.just("gpt"),
            st.just("judge"),
            st.uuids().map(str),
            st.just("fluency"),
            st.sampled_from([1.0, 2.5, "good"]),
            source=st.just("run"),
            confidence=st.none() | st.floats(0, 1),
            model=st.none() | NAME,
            prompt=st.none() | NAME,
            reply=st.none() | TEXT.filter(str.strip),
            turn=st.none() | NAME,
            order=st.sampled_from([None, "given", "swapped"]),
        ),
        min_size=1,
        max_size=6,
    ),
    form=st.sampled_from(["csv", "jsonl", "parquet"]),
)
def test_written_and_read_again_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Rating], form: TableFormat
) -> None:
    path = tmp_path_factory.mktemp("trip") / f"judges.{form}"
    path.write_bytes(encode_ratings(rows, form))
    assert list(read_judges(path)) == rows


def test_columns_that_nobody_has_are_not_written() -> None:
    plain = [Rating("ann", "human", "1", "fluency", 4.0, source="x")]
    header = encode_ratings(plain, "csv").decode("utf-8-sig").splitlines()[0]
    assert header == "rater,kind,item,criterion,value,reason,seconds,created_at,source"
    header = encode_ratings([*plain, RATING], "csv").decode("utf-8-sig").splitlines()[0]
    assert header.endswith(",source,model,prompt,confidence,reply,turn,order")


# --- bare files ------------------------------------------------------------------------------------------------------


def test_judges_of_bare_files_may_score_more_than_people_did(tmp_path: Path) -> None:
    judges = write(tmp_path / "j.csv", "judge,item,criterion,value,confidence\ngpt,1,fluency,2,0.5\ngpt,9,fluency,9,\n")
    found = material(tmp_path, judges)
    assert scores(found) == {("gpt", "1"): 2.0, ("gpt", "9"): 9.0}
    assert found.notes == (
        "1 of gpt’s scores on fluency lies outside people’s 1 to 5, such as 9 on item 9. It counts as it is; "
        "`ops analyze` and `ops report` leave out what is off the scale with --scale fluency=LOW..HIGH.",
        "gpt scored 1 item that nobody rated: 9.",
    )


def judged(folder: Path, *rows: str, name: str = "j.csv") -> Path:
    """A judges' file with a row for each `judge,item,criterion,value`."""
    return write(folder / name, "\n".join(["judge,item,criterion,value", *rows]) + "\n")


def test_scores_outside_of_what_people_gave_are_counted_by_judge_and_named(tmp_path: Path) -> None:
    rows = [f"gpt,{item},fluency,{value}" for item, value in (("1", 9), ("2", 0.5), ("3", 9), ("4", 9), ("5", 3))]
    notes = material(tmp_path, judged(tmp_path, *rows, "llama,1,fluency,0", "llama,2,fluency,5")).notes
    assert notes[0].startswith(
        "4 of gpt’s scores on fluency lie outside people’s 1 to 5, such as 9 on item 1, 0.5 on item 2, 9 on item 3. "
    )
    assert notes[1].startswith("1 of llama’s scores on fluency lies outside people’s 1 to 5, such as 0 on item 1. ")


def test_with_a_scale_what_is_off_it_is_missing_and_replies_are_read_by_it(tmp_path: Path) -> None:
    path = write(
        tmp_path / "j.csv",
        "judge,item,criterion,value,reply\ngpt,1,fluency,9,\ngpt,2,fluency,7,\ngpt,3,fluency,,Score: 6/7\n"
        "gpt,4,fluency,good,\n",
    )
    found = material(tmp_path, path, scales={"fluency": (1.0, 7.0)})
    assert scores(found) == {("gpt", "1"): "off-scale", ("gpt", "2"): 7.0, ("gpt", "3"): 6.0, ("gpt", "4"): "off-scale"}
    assert found.notes[0] == (
        "fluency: 2 judges’ scores are off the scale (1 to 7): gpt gave item 1 9, gpt gave item 4 good. They count as "
        "missing."
    )
    with pytest.raises(OpsError, match="A scale is given for tone") as caught:
        material(tmp_path, path, scales={"tone": (1.0, 7.0)})
    assert caught.value.code == "unknown-criterion"


def test_replies_off_what_people_gave_are_counted_and_read_by_a_wider_scale(tmp_path: Path) -> None:
    rows = "".join(f"gpt,{item},fluency,Score: {item}\n" for item in (1, 2, 6, 7))
    path = write(tmp_path / "j.csv", "judge,item,criterion,reply\n" + rows)
    assert material(tmp_path, path).notes[0] == (
        "fluency: 2 judges’ replies hold no score from 1 to 5, which is what people gave: gpt on item 6, gpt on item "
        "7. If the scale is wider, `ops analyze` and `ops report` read them by --scale fluency=LOW..HIGH."
    )
    wider = material(tmp_path, path, scales={"fluency": (1.0, 7.0)})
    assert scores(wider) == {("gpt", str(item)): float(item) for item in (1, 2, 6, 7)}
    assert wider.notes == ("gpt scored 2 items that nobody rated: 6, 7.",)


def test_a_judges_words_among_numbers_are_missing_where_people_gave_numbers_only(tmp_path: Path) -> None:
    votes = people(tmp_path, "".join(f"ann,{item},fluency,{item % 5}\n" for item in range(1, 41)))
    rows = [f"gpt,{item},fluency,{'good' if item > 36 else item % 5}" for item in range(1, 41)]
    tables = Tables((votes,), (judged(tmp_path, *rows),))
    found = material_of_files(tables, created_at=NOW)
    assert found.notes == (
        "fluency: 4 judges’ scores are no numbers, as people’s are: gpt gave item 37 good, gpt gave item 38 good, gpt "
        "gave item 39 good, …. They count as missing.",
    )
    assert scores(found)["gpt", "37"] == "off-scale"
    (criterion,) = found.analysis()["criteria"]
    assert criterion["judges"][0]["spearman"]["value"] == pytest.approx(1.0)
    assert criterion["judges"][0]["missing"] == {"off-scale": 4}
    as_categories = material_of_files(replace(tables, levels={"fluency": Level.NOMINAL}), created_at=NOW)
    assert scores(as_categories)["gpt", "37"] == "good"


def test_what_only_judges_scored_is_said(tmp_path: Path) -> None:
    rows = [f"gpt,{item},{name},3" for name in ("fluency", "quality") for item in range(1, 7)]
    items = write(tmp_path / "items.jsonl", "".join(json.dumps({"id": str(item)}) + "\n" for item in range(1, 6)))
    found = material(tmp_path, judged(tmp_path, *rows, "llama,1,fluency,3"), items=items)
    assert found.notes == (
        "Nobody rated quality; only judges did.",
        "gpt scored 4 items that nobody rated: 3, 4, 5, ….",
        "gpt scored 1 item that is not in the file of items: 6.",
    )
    assert ("gpt", "6") in scores(found)


def test_what_people_rated_on_another_criterion_only_is_said_with_the_criterion(tmp_path: Path) -> None:
    votes = people(tmp_path, "ann,1,fluency,1\nann,2,fluency,5\nann,1,depth,3\n")
    judges = judged(tmp_path, *(f"gpt,{item},{name},3" for item in (1, 2) for name in ("fluency", "depth")))
    found = material_of_files(Tables((votes,), (judges,)), created_at=NOW)
    assert found.notes == ("gpt scored 1 item on depth that nobody rated: 2.",)
    alone = material_of_files(Tables((), (judges,)), created_at=NOW)
    assert alone.notes == ()


@pytest.mark.parametrize(
    ("judging", "code", "said"),
    [
        (Judging(ensembles=(Ensemble("x", ("gpt", "gtp")),)), "unknown-judge", "'ensembles' names 'gtp'"),
        (Judging(ensembles=(Ensemble("x", weights={"gtp": 2.0}),)), "unknown-judge", "'ensembles' names 'gtp'"),
        (Judging(relatives={"gtp": ("M1",)}), "unknown-judge", "'relatives' names 'gtp'"),
        (Judging(relatives={"gpt": ("M2",)}), "unknown-system", "'relatives' names 'M2'"),
        (Judging(weights={"fluency": 1.0, "tone": 1.0}), "unknown-criterion", "'weights' names 'tone'"),
    ],
)
def test_how_judges_are_measured_is_about_what_is_there(tmp_path: Path, judging: Judging, code: str, said: str) -> None:
    path = judged(tmp_path, "gpt,1,fluency,2")
    items = write(tmp_path / "items.jsonl", "".join(f'{{"id": "{item}", "system": "M1"}}\n' for item in (1, 2)))
    with pytest.raises(OpsError) as caught:
        material(tmp_path, path, items=items, judging=judging)
    assert caught.value.code == code
    assert said in caught.value.message
    assert {"unknown-judge": "gpt", "unknown-system": "M1", "unknown-criterion": "fluency"}[code] in caught.value.hint


def test_a_judge_of_several_versions_is_known_by_its_name_and_by_each(tmp_path: Path) -> None:
    files = [
        write(tmp_path / f"{version}.csv", f"judge,item,criterion,value,prompt\ngpt,1,fluency,2,{version}\n")
        for version in ("v1", "v2")
    ]
    judging = Judging(ensembles=(Ensemble("x", ("gpt · v1", "gpt · v2")), Ensemble("y", ("gpt",))))
    assert material(tmp_path, *files, judging=judging).context.judging == judging


def test_a_turn_that_has_a_row_on_one_criterion_only_is_counted(tmp_path: Path) -> None:
    votes = people(tmp_path, "ann,1,fluency,1\nann,1,depth,2\n")
    rows = [f"gpt,1,{name},3,{turn}" for name in ("fluency", "depth") for turn in (1, 2, 3)][:-1]
    path = write(tmp_path / "j.csv", "\n".join(["judge,item,criterion,value,turn", *rows]))
    found = material_of_files(Tables((votes,), (path,), turns="mean"), created_at=NOW)
    assert {row.criterion: row.value or row.reason for row in found.table.models().ratings()} == {
        "fluency": 3.0,
        "depth": "turn-missing",
    }
    assert (
        "1 of gpt’s scores lacks a turn that is scored on another criterion: item 1 on depth. It counts as missing."
        in (found.notes)
    )


def test_turns_are_merged_as_the_command_line_says(tmp_path: Path) -> None:
    judges = write(
        tmp_path / "j.csv", "judge,item,criterion,value,turn\ngpt,1,fluency,2,1\ngpt,1,fluency,3,2\ngpt,2,fluency,4,1\n"
    )
    with pytest.raises(OpsError) as caught:
        material(tmp_path, judges)
    assert caught.value.code == "turns-undeclared"
    assert scores(material(tmp_path, judges, turns="mean")) == {("gpt", "1"): 2.5, ("gpt", "2"): 4.0}


def test_turns_of_one_item_may_be_spread_over_files(tmp_path: Path) -> None:
    one = write(tmp_path / "one.csv", "judge,item,criterion,value,turn\ngpt,1,fluency,2,1\n")
    two = write(tmp_path / "two.csv", "judge,item,criterion,value,turn\ngpt,1,fluency,5,2\n")
    assert scores(material(tmp_path, one, two, turns="max")) == {("gpt", "1"): 5.0}


def test_both_orders_of_a_pair_give_a_position(tmp_path: Path) -> None:
    votes = people(tmp_path, "ann,1,better,A\nben,1,better,B\n")
    judges = write(
        tmp_path / "j.csv",
        "judge,item,criterion,value,order\n"
        "gpt,1,better,A,given\ngpt,1,better,A,swapped\ngpt,2,better,A,given\ngpt,2,better,B,swapped\n",
    )
    found = material_of_files(Tables((votes,), (judges,)), created_at=NOW)
    assert scores(found) == {("gpt", "1"): "A", ("gpt", "2"): "inconsistent"}
    assert found.context.positions == {"gpt": {"better": Position(n_pairs=2, n_consistent=1, n_first_chosen=3)}}


def test_a_scale_of_two_steps_seen_by_chance_is_no_pair(tmp_path: Path) -> None:
    judges = write(
        tmp_path / "j.csv", "judge,item,criterion,value,order\ngpt,1,fluency,1,given\ngpt,1,fluency,2,swapped\n"
    )
    found = material(tmp_path, judges)
    assert scores(found) == {("gpt", "1"): 1.5}
    assert found.context.positions == {}


def test_versions_in_two_files_are_two_raters(tmp_path: Path) -> None:
    files = [
        write(tmp_path / f"{version}.csv", f"judge,item,criterion,value,prompt\ngpt,1,fluency,{value},{version}\n")
        for version, value in (("v1", 2), ("v2", 3))
    ]
    assert scores(material(tmp_path, *files)) == {("gpt · v1", "1"): 2.0, ("gpt · v2", "1"): 3.0}


def test_a_judge_with_an_annotators_name_is_refused(tmp_path: Path) -> None:
    judges = write(tmp_path / "j.csv", "judge,item,criterion,value\nann,1,fluency,2\n")
    with pytest.raises(OpsError, match="ann is a judge and an annotator") as caught:
        material(tmp_path, judges)
    assert caught.value.code == "judge-is-annotator"


def test_replies_are_read_by_what_people_said(tmp_path: Path) -> None:
    judges = write(
        tmp_path / "j.csv",
        "judge,item,criterion,value,reply\n"
        'gpt,1,fluency,,Score: 4\ngpt,2,fluency,2,Score: 5\ngpt,3,fluency,,"Well, no."\n',
    )
    assert scores(material(tmp_path, judges)) == {
        ("gpt", "1"): 4.0,
        ("gpt", "2"): 2.0,
        ("gpt", "3"): "unparsable",
    }


def test_two_replies_on_one_item_that_differ_in_their_score_are_refused(tmp_path: Path) -> None:
    lines = "judge,item,criterion,reply\ngpt,1,fluency,Score: 4\ngpt,1,fluency,I give it a 4.\n"
    assert scores(material(tmp_path, write(tmp_path / "j.csv", lines))) == {("gpt", "1"): 4.0}
    with pytest.raises(OpsError) as caught:
        material(tmp_path, write(tmp_path / "j.csv", lines + "gpt,1,fluency,Score: 3\n"))
    assert caught.value.code == "rated-twice"


def test_systems_and_sizes_come_from_the_items(tmp_path: Path) -> None:
    items = [
        {"id": "1", "system": "M1", "source": "a long source of many words", "summary": "three words here"},
        {"id": "2", "system": 7, "text": "<p>two words</p>"},
        {"id": "3", "image": "https://example.org/x.png"},
    ]
    path = write(tmp_path / "items.jsonl", "".join(json.dumps(item) + "\n" for item in items))
    context = material(tmp_path, items=path).context
    assert context.systems == {"1": "M1", "2": "7"}
    assert context.sizes == {"1": 3.0, "2": 2.0}


def test_a_table_of_people_only_is_left_as_it_was(tmp_path: Path) -> None:
    table = material(tmp_path).table
    assert not table.has_judged
    assert table.confidence.strides == (0,)
    plain = [Rating(row.rater, row.kind, row.item, row.criterion, row.value) for row in table.ratings()]
    assert RatingTable.from_ratings(plain).content_hash() == table.content_hash()


def test_the_hash_knows_confidence_model_and_prompt_where_there_are_any() -> None:
    plain = Rating("gpt", "judge", "1", "fluency", 4.0)
    hashes = {
        RatingTable.from_ratings([Rating(**{**as_fields(plain), **more})]).content_hash()
        for more in ({}, {"confidence": 0.5}, {"confidence": 0.6}, {"model": "x"}, {"prompt": "x"})
    }
    assert len(hashes) == 5
    same = Rating(**{**as_fields(plain), "reply": "Four."})
    assert RatingTable.from_ratings([same]).content_hash() == RatingTable.from_ratings([plain]).content_hash()


# --- scales ----------------------------------------------------------------------------------------------------------


def scale_of(folder: Path, tags: str, criterion: Criterion) -> Scale:
    study = replace(
        study_of(folder), label_config=f'<View><Text name="t" value="$text"/>{tags}</View>', criteria=(criterion,)
    )
    spec = CriterionSpec(criterion.name, ValueKind.NUMBERS, criterion.level, "Declared.", criterion.name.title())
    if "Pairwise" in tags:
        spec = replace(spec, sides=("left", "right"))
    return declared_scales(study, parse(study.label_config), [spec])[criterion.name]


CHOICES = '<Choices name="c" toName="t"{}><Choice value="bad"/><Choice value="good"/></Choices>'


def test_the_scale_of_each_control_is_what_its_judges_may_say(tmp_path: Path) -> None:
    stars = scale_of(tmp_path, '<Rating name="s" toName="t" maxRating="5"/>', Criterion("s", "s", Level.ORDINAL))
    assert stars.declared and stars.asked.title == "S"
    assert [value for value in (0.0, 1.0, 3.5, 5.0, 5.5, "five") if stars.holds(value)] == [1.0, 3.5, 5.0]
    numbers = scale_of(tmp_path, CHOICES.format(""), Criterion("c", "c", Level.ORDINAL, {"bad": 1, "good": 2}))
    assert [value for value in (1.0, 2.0, 3.0, "bad") if numbers.holds(value)] == [1.0, 2.0]
    labels = scale_of(tmp_path, CHOICES.format(""), Criterion("c", "c", Level.NOMINAL))
    assert [value for value in ("bad", "worse", 1.0) if labels.holds(value)] == ["bad"]
    sets = scale_of(tmp_path, CHOICES.format(' choice="multiple"'), Criterion("c", "c", Level.NOMINAL))
    assert [value for value in (("bad",), ("bad", "worse"), ()) if sets.holds(value)] == [("bad",), ()]
    number = scale_of(tmp_path, '<Number name="n" toName="t" min="0"/>', Criterion("n", "n", Level.INTERVAL))
    assert [value for value in (-1.0, 0.0, 1e6) if number.holds(value)] == [0.0, 1e6]
    text = scale_of(tmp_path, '<TextArea name="x" toName="t"/>', Criterion("x", "x", Level.NOMINAL))
    assert not text.declared


def test_a_scale_that_nobody_declared_refuses_nothing() -> None:
    seen = seen_scale("fluency", [1.0, 5.0, 3.0], [9.0])
    assert seen.asked == Asked("fluency", "fluency", 1.0, 5.0, (), integers=True)
    assert not seen.declared
    table = RatingTable.from_ratings([Rating("gpt", "judge", "1", "fluency", 9.0)])
    assert imported([(table, None)], {"fluency": seen}).table.ratings() == table.ratings()


# --- a study ---------------------------------------------------------------------------------------------------------


class Collected:
    """What annotators said and what models said that were asked here."""

    def __init__(self, ratings: Sequence[Rating], judgements: Sequence[Rating] = ()) -> None:
        self._ratings = ratings
        self._judgements = judgements

    def ratings(self) -> Sequence[Rating]:
        return self._ratings

    def judgements(self) -> Sequence[Rating]:
        return self._judgements

    def findings(self) -> Sequence[Finding]:
        return ()

    def comments(self) -> Sequence[Comment]:
        return ()


STARS = '<View><Text name="text" value="$text"/><Rating name="mood" toName="text" maxRating="5"/></View>'


def study_of(folder: Path, *judges: JudgeFile) -> Study:
    path = make(folder, "")
    study, _ = validate(path)
    assert study is not None
    return replace(
        study,
        label_config=STARS,
        criteria=(Criterion("mood", "mood", Level.ORDINAL),),
        tasks=tuple(Task(name, {"id": name, "text": "one two", "system": "M1"}) for name in ("a", "b", "c")),
        annotators=(Annotator("anna", "Anna"), Annotator("boris", "Boris")),
        judges=judges,
        judging=Judging(epsilon=0.1, ensembles=(Ensemble("both"),)),
    )


PEOPLE = Collected([Rating("anna", "human", item, "mood", value) for item, value in (("a", 1.0), ("b", 5.0))])


def test_a_study_leaves_out_and_names_what_is_no_task_of_its(tmp_path: Path) -> None:
    rows = "".join(f"gpt,x{number},mood,3\n" for number in range(1, 13))
    more = "gpt,a,tone,2\n"
    path = write(tmp_path / "j.csv", "judge,item,criterion,value\ngpt,a,mood,2\nllama,y,mood,1\n" + rows + more)
    found = material_of_study(study_of(tmp_path, JudgeFile(path)), PEOPLE, created_at=NOW)
    assert scores(found) == {("gpt", "a"): 2.0}
    assert found.notes == (
        "1 judge’s score is on what is no criterion of this study: tone. It is left out.",
        "gpt scored 12 items that are no tasks of this study: x1, x2, x3, …. They are left out.",
        "llama scored 1 item that is no task of this study: y. It is left out.",
    )


def test_scores_off_the_studys_scale_are_missing_and_named_never_clipped(tmp_path: Path) -> None:
    path = write(
        tmp_path / "j.csv",
        "judge,item,criterion,value,confidence,turn\n"
        "gpt,a,mood,2,.5,1\ngpt,a,mood,6,.5,2\ngpt,b,mood,bad,.5,\ngpt,c,mood,4.5,.5,\nllama,a,mood,0,.5,\n",
    )
    found = material_of_study(study_of(tmp_path, JudgeFile(path, "mean")), PEOPLE, created_at=NOW)
    assert scores(found) == {
        ("gpt", "a"): "off-scale",
        ("gpt", "b"): "off-scale",
        ("gpt", "c"): 4.5,
        ("llama", "a"): "off-scale",
    }
    assert found.notes == (
        "Mood: 3 judges’ scores are off the scale (1 to 5): gpt gave item a 6, gpt gave item b bad, llama gave item a "
        "0. They count as missing.",
    )
    assert [row.confidence for row in found.table.models().ratings() if row.value is None] == [None] * 3


def test_a_word_is_off_a_scale_of_numbers_without_ends(tmp_path: Path) -> None:
    path = judged(tmp_path, "gpt,a,mood,2", "gpt,b,mood,good", "gpt,c,mood,-900")
    free = '<View><Text name="text" value="$text"/><Number name="mood" toName="text"/></View>'
    study = replace(study_of(tmp_path, JudgeFile(path)), label_config=free)
    found = material_of_study(study, PEOPLE, created_at=NOW)
    assert scores(found) == {("gpt", "a"): 2.0, ("gpt", "b"): "off-scale", ("gpt", "c"): -900.0}
    assert found.notes == (
        "Mood: 1 judge’s score is no number, as people’s are: gpt gave item b good. It counts as missing.",
    )


def test_what_models_said_here_stands_beside_the_files(tmp_path: Path) -> None:
    path = write(tmp_path / "j.csv", "judge,item,criterion,value\ngpt,a,mood,2\n")
    runs = [
        Rating("llama", "judge", "a", "mood", 4.0, confidence=0.8, model="llama-3", prompt="p1", reply="4"),
        Rating("llama", "judge", "b", "mood", None, "refused", model="llama-3", prompt="p1", reply="I cannot."),
        Rating("llama", "judge", "a", "mood", 5.0, confidence=0.9, model="llama-3", prompt="p2", reply="5"),
    ]
    collected = Collected(PEOPLE.ratings(), runs)
    found = material_of_study(study_of(tmp_path, JudgeFile(path)), collected, created_at=NOW)
    assert scores(found) == {
        ("gpt", "a"): 2.0,
        ("llama · p1", "a"): 4.0,
        ("llama · p1", "b"): "refused",
        ("llama · p2", "a"): 5.0,
    }
    assert found.context.systems == dict.fromkeys("abc", "M1")
    assert found.context.sizes == dict.fromkeys("abc", 2.0)
    assert found.context.judging.epsilon == 0.1


def test_an_annotator_who_has_rated_nothing_yet_is_no_judge_either(tmp_path: Path) -> None:
    path = write(tmp_path / "j.csv", "judge,item,criterion,value\nboris,a,mood,2\n")
    with pytest.raises(OpsError) as caught:
        material_of_study(study_of(tmp_path, JudgeFile(path)), PEOPLE, created_at=NOW)
    assert caught.value.code == "judge-is-annotator"


def test_validate_finds_what_is_wrong_with_a_judges_file(tmp_path: Path) -> None:
    write(tmp_path / "turns.csv", "judge,item,criterion,value,turn\ngpt,a,mood,1,1\ngpt,a,mood,2,2\n")
    write(tmp_path / "bad.csv", "judge,item,criterion,value,confidence\ngpt,a,mood,1,2\n")
    path = make(tmp_path, "judges: [turns.csv, bad.csv]\n")
    _, problems = validate(path)
    assert {problem.code for problem in problems} >= {"turns-undeclared", "bad-confidence"}
    make(tmp_path, "judges: [{file: turns.csv, turns: mean}]\n")
    assert validate(path)[1] == ()
    write(tmp_path / "turns.csv", "judge,item,criterion,value,turn\ngpt,a,mood,Bad,1\ngpt,a,mood,Good,2\n")
    assert [problem.code for problem in validate(path)[1]] == ["turns-no-numbers"]
    scale = "criteria: [{name: mood, control: mood, level: ordinal, values: [Bad, OK, Good]}]\n"
    make(tmp_path, "judges: [{file: turns.csv, turns: mean}]\n" + scale)
    assert validate(path)[1] == ()


def test_validate_says_which_scores_will_not_count(tmp_path: Path) -> None:
    path = judged(tmp_path, "gpt,a,mood,Good", "gpt,b,mood,Fine", "gpt,x,mood,Bad", "gpt,a,tone,1", "gpt,a,stars,9")
    step = validate_step(make(tmp_path, f"judges: [{path.name}]\n"))
    assert [outcome.state for outcome in step.outcomes] == ["ok"]
    assert step.notes[1:] == (
        "1 judge’s score is on what is no criterion of this study: tone. It is left out.",
        "gpt scored 1 item that is no task of this study: x. It is left out.",
        "Mood: 1 judge’s score is off the scale (Bad, OK, Good): gpt gave item b Fine. It counts as missing.",
        "Stars: 1 judge’s score is off the scale (1 to 5): gpt gave item a 9. It counts as missing.",
    )


def test_an_annotator_among_the_judges_is_found_by_validate(tmp_path: Path) -> None:
    write(tmp_path / "j.csv", "judge,item,criterion,value\nanna,a,mood,Bad\n")
    _, problems = validate(make(tmp_path, "judges: [j.csv]\nannotators: [anna, boris]\n"))
    assert [(problem.code, problem.line) for problem in problems] == [("judge-is-annotator", 4)]


# --- how judges are measured, for bare files -------------------------------------------------------------------------


def test_a_file_says_how_judges_are_measured_as_a_study_would(tmp_path: Path) -> None:
    write(tmp_path / "ranking.csv", "system,score\n")
    path = write(
        tmp_path / "how.yaml", "epsilon: crowd\nensembles:\n  - name: both\n    how: median\nranking: ranking.csv\n"
    )
    found = judging_of(path)
    assert (found.epsilon, found.ensembles) == (0.1, (Ensemble("both", how="median"),))
    assert found.ranking == tmp_path / "ranking.csv"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("epsilon: crowd\nensemble: []\n", "how.yaml:2: Unknown key 'judging.ensemble'. Did you mean 'ensembles'?"),
        ("epsilon: much\n", "how.yaml:1: 'judging.epsilon'"),
        ("- a\n", "how.yaml:1: 'judging'"),
        ("a: [\n", "how.yaml:2: This is not valid YAML"),
        ("ranking: nowhere.csv\n", "nowhere.csv, which is not there"),
    ],
)
def test_what_is_wrong_with_that_file_is_said_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(OpsError) as caught:
        judging_of(write(tmp_path / "how.yaml", content))
    assert caught.value.code == "judging-invalid"
    assert said in caught.value.message


# --- SummEval --------------------------------------------------------------------------------------------------------

# With experts’ means: gpt-3.5-turbo-0301, gpt-4-0314, and their mean.
TABLE = {
    "coherence": (0.4436, 0.4478, 0.5345),
    "consistency": (0.4233, 0.5565, 0.4748),
    "fluency": (0.2849, 0.4980, 0.4110),
    "relevance": (0.4479, 0.4271, 0.4915),
    "mean of the four": (0.6050, 0.6117, 0.6598),
}


# From the replies themselves: the third digit moves with the 22 scores that judges.csv takes from elsewhere.
FROM_REPLIES = {
    "coherence": (0.4436, 0.4439, 0.5316),
    "consistency": (0.4233, 0.5548, 0.4730),
    "fluency": (0.2849, 0.4998, 0.4121),
    "relevance": (0.4468, 0.4216, 0.4881),
    "mean of the four": (0.6046, 0.6125, 0.6595),
}


def means(found: Material) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The experts' mean (criteria × items) and the judges' scores (judges × criteria × items)."""
    table = found.table

    def grid(rows: RatingTable, rater: int) -> np.ndarray[Any, Any]:
        own = rows.where(rows.rater == rater)
        filled = np.full((len(CRITERIA), len(table.items)), np.nan)
        place = np.array([CRITERIA.index(name) for name in own.criteria])
        filled[place[own.criterion], own.item] = own.numbers
        return filled

    humans, models = table.people(), table.models()
    experts = np.stack([grid(humans, code) for code in np.unique(humans.rater)])
    judges = np.stack([grid(models, table.raters.index(name)) for name in table.raters if name in models.raters_here()])
    return experts.mean(axis=0), judges


def rho(human: np.ndarray[Any, Any], judge: np.ndarray[Any, Any]) -> float | None:
    both = ~(np.isnan(human) | np.isnan(judge))
    value = spearman(human[both], judge[both]).value
    return None if value is None else round(value, 4)


def correlations_of(found: Material) -> dict[str, tuple[float | None, ...]]:
    """By criterion: Spearman with the experts' mean, of each judge and of the mean over the judges."""
    human, judge = means(found)
    rows = [*zip(CRITERIA, human, judge.swapaxes(0, 1), strict=True)]
    rows.append(("mean of the four", human.mean(axis=0), judge.mean(axis=1)))
    return {
        criterion: (*(rho(people_said, each) for each in models_said), rho(people_said, models_said.mean(axis=0)))
        for criterion, people_said, models_said in rows
    }


def summeval(shared_data: Callable[[str], Path], name: str) -> Material:
    files = Tables((shared_data("summeval/ratings-experts.csv"),), (shared_data(f"summeval/{name}"),))
    return material_of_files(files, created_at=NOW)


def test_summeval_to_four_digits(shared_data: Callable[[str], Path]) -> None:
    assert correlations_of(summeval(shared_data, "judges.csv")) == TABLE


def why(reply: str, stated: float, read: Value | None) -> str:
    """Why a reply that `judges.csv` states as one score is read as another."""
    if read is None:
        return "there is no score in it"
    if stated == 5 and re.search(r"(?:/|out of )5", reply):
        return "the end of the scale was taken for the score"
    return (
        "the digit behind the point was taken" if stated == 10 * float(str(read)) % 10 else "another number was taken"
    )


def test_summeval_from_the_raw_replies(shared_data: Callable[[str], Path]) -> None:
    stated = {
        (row.rater, row.item, row.criterion): row.value
        for row in summeval(shared_data, "judges.csv").table.models().ratings()
    }
    found = summeval(shared_data, "judge-replies.jsonl")
    reasons: Counter[str] = Counter()
    for row in found.table.models().ratings():
        before = stated.pop((row.rater, row.item, row.criterion))
        if before != row.value:
            assert row.reply is not None and isinstance(before, float)
            reasons[why(row.reply, before, row.value)] += 1
    assert not stated, "every reply has its score in judges.csv"
    # 22 of 9,600 replies are read otherwise than judges.csv states them; the file is wrong each time.
    assert reasons == {
        "the end of the scale was taken for the score": 14,
        "the digit behind the point was taken": 5,
        "another number was taken": 1,
        "there is no score in it": 2,
    }
    assert correlations_of(found) == FROM_REPLIES
