"""`ops export`: a table that is there whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from annotator_ops.cli.main import app
from annotator_ops.errors import OpsError
from annotator_ops.measures import Rating
from annotator_ops.ratings import read_ratings
from annotator_ops.steps.export import export
from annotator_ops.tables import TableFormat
from annotator_ops.targets import format_of

RATINGS = (
    Rating("anna", "human", "t1", "fluency", 4.0, source="hash"),
    Rating("anna", "human", "t2", "fluency", None, "skipped", source="hash"),
    Rating("anna", "human", "t1", "comment", "=1+1", source="hash"),
)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_what_is_exported_is_read_by_analyze(tmp_path: Path, form: TableFormat) -> None:
    target = tmp_path / "new" / f"ratings.{form}"
    result = export(RATINGS, target, form=form)
    assert read_ratings(target, "human") == RATINGS
    assert result.data == {
        "path": str(target),
        "format": form,
        "wide": False,
        "ratings": 3,
        "missing": 1,
        "comments": 0,
    }
    assert result.exit_code == 0


def test_an_earlier_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "ratings.csv"
    export(RATINGS, target, form="csv")
    export(RATINGS, target, form="csv", wide=True)
    export(RATINGS, target, form="csv", wide=True)
    assert target.read_text(encoding="utf-8-sig").startswith("rater,kind,item,seconds,fluency,comment\n")
    assert list(tmp_path.iterdir()) == [target]


def test_no_ratings_is_said(tmp_path: Path) -> None:
    with pytest.raises(OpsError) as caught:
        export((), tmp_path / "r.csv", form="csv")
    assert caught.value.code == "no-ratings"
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "taken.csv").mkdir()
    (tmp_path / "file").touch()
    for target in (tmp_path / "taken.csv", tmp_path / "file" / "ratings.csv"):
        with pytest.raises(OpsError) as caught:
            export(RATINGS, target, form="csv")
        assert caught.value.code == "not-writable"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken.csv"]


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_an_earlier_export_may_be_replaced_in_every_form(tmp_path: Path, form: TableFormat, wide: bool) -> None:
    target = tmp_path / f"ratings.{form}"
    target.touch()
    export(RATINGS[:1], target, form=form, wide=not wide)
    export(RATINGS, target, form=form, wide=wide)
    assert target.stat().st_size


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tasks.jsonl", b'{"id": "t1", "text": "Hello."}\n'),
        ("odd.jsonl", b"no json"),
        ("tasks.csv", b"id,text\nt1,Hello.\n"),
        ("judges.csv", b"rater,item,criterion,value\ngpt,t1,fluency,3\n"),
        ("latin.csv", b"\xe9"),
        ("other.parquet", b"no parquet at all"),
    ],
)
def test_a_file_that_is_no_export_is_never_overwritten(tmp_path: Path, name: str, content: bytes) -> None:
    target = tmp_path / name
    target.write_bytes(content)
    with pytest.raises(OpsError, match=name) as caught:
        export(RATINGS, target, form=format_of(target))
    assert caught.value.code == "would-overwrite"
    assert "another file" in caught.value.hint
    assert target.read_bytes() == content
    assert list(tmp_path.iterdir()) == [target]


def test_the_suffix_is_the_formats(tmp_path: Path) -> None:
    assert [format_of(Path(name)) for name in ("a.csv", "a.JSONL", "a.parquet")] == ["csv", "jsonl", "parquet"]
    for write in (lambda path: export(RATINGS, path, form="csv"), format_of):
        for name in ("study.yaml", "ratings", "."):
            with pytest.raises(OpsError) as caught:
                write(tmp_path / name)
            assert caught.value.code == "wrong-suffix"
            assert ".csv" in caught.value.hint
    with pytest.raises(OpsError) as caught:
        export(RATINGS, tmp_path / "a.jsonl", form="csv")
    assert caught.value.code == "wrong-suffix"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["export", "-o", "tasks.jsonl"], "would-overwrite"),
        (["export", "-o", "study.yaml"], "wrong-suffix"),
        (["export", "-f", "csv", "-o", "new.jsonl"], "wrong-suffix"),
        (["export", "-o", "new.jsonl"], "no-ratings"),
        (["report", "-o", "study.yaml"], "wrong-suffix"),
        (["report"], "nothing-collected"),
        (["analyze"], "nothing-collected"),
    ],
)
def test_the_commands_never_touch_a_studys_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: str
) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["init", str(tmp_path / "study"), "--template", "dialogue-ratings"]).exit_code == 0
    monkeypatch.chdir(tmp_path / "study")
    before = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    done = runner.invoke(app, [*arguments, "--json"])
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (2, code)
    assert {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before
