"""`ops export`: a table that is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.models import Rating
from annotator_ops.ratings import read_ratings
from annotator_ops.steps.export import export
from annotator_ops.tables import TableFormat

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
    assert result.data == {"path": str(target), "format": form, "wide": False, "ratings": 3, "missing": 1}
    assert result.exit_code == 0


def test_an_earlier_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "ratings.csv"
    target.write_text("old")
    export(RATINGS, target, form="csv", wide=True)
    assert target.read_text(encoding="utf-8-sig").startswith("rater,kind,item,seconds,fluency,comment\n")
    assert list(tmp_path.iterdir()) == [target]


def test_no_ratings_is_said(tmp_path: Path) -> None:
    with pytest.raises(OpsError) as caught:
        export((), tmp_path / "r.csv", form="csv")
    assert caught.value.code == "no-ratings"
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OpsError) as caught:
        export(RATINGS, tmp_path / "taken", form="csv")
    assert caught.value.code == "not-writable"
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
