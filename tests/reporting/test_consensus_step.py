"""`ops consensus` and `ops plan-sample` on files: what they write, and what they refuse."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pandas
import pytest

from annotator_ops.errors import OpsError
from annotator_ops.measures import ConsensusMethod
from annotator_ops.models import Level
from annotator_ops.reporting.source import Tables
from annotator_ops.steps.consensus import consensus_files
from annotator_ops.steps.plan_sample import Wanted, plan_files

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
RATINGS = """rater,item,criterion,value
anna,1,genre,comedy
boris,1,genre,comedy
carla,1,genre,drama
anna,2,genre,drama
boris,2,genre,comedy
anna,1,fluency,4
boris,1,fluency,5
carla,1,fluency,5
anna,2,fluency,1
boris,2,fluency,
"""


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    path = tmp_path / "pilot.csv"
    path.write_text(RATINGS)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def test_the_method_follows_the_level_and_ties_stay_ties(ratings: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "consensus.csv"
    result = consensus_files(Tables((ratings,)), target, method=None, created_at=NOW)
    assert result.exit_code == 0
    first, second, third, fourth = rows_of(target)
    assert (first["criterion"], first["item"], first["method"], first["value"]) == ("genre", "1", "majority", "comedy")
    assert float(first["confidence"]) == pytest.approx(2 / 3)
    assert (second["value"], second["tied"], second["n_ratings"]) == ("", "comedy | drama", "2")
    assert (third["criterion"], third["method"], third["value"]) == ("fluency", "median", "5")
    assert (fourth["value"], fourth["n_ratings"], fourth["disagreement"]) == ("1", "1", "")
    assert result.data["criteria"][0] == {
        "criterion": "genre", "method": "majority", "reason": None, "items": 2, "tied": 1,
    }  # fmt: skip


def test_a_method_that_does_not_fit_is_skipped_with_its_reason(ratings: Path, tmp_path: Path) -> None:
    tables = Tables((ratings,), levels={"fluency": Level.INTERVAL})
    result = consensus_files(tables, tmp_path / "c.jsonl", method=ConsensusMethod.MEAN, created_at=NOW)
    assert [(outcome.subject, outcome.state) for outcome in result.outcomes][:2] == [
        ("genre", "skipped"),
        ("fluency", "ok"),
    ]
    rows = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert [row["value"] for row in rows] == [pytest.approx(14 / 3), 1.0]
    with pytest.raises(OpsError) as caught:
        consensus_files(
            Tables((ratings,), levels={"fluency": Level.NOMINAL}),
            tmp_path / "d.csv",
            method=ConsensusMethod.MEAN,
            created_at=NOW,
        )
    assert caught.value.code == "no-consensus"
    assert not (tmp_path / "d.csv").exists()


def test_a_crowd_too_wide_for_memory_has_a_consensus_that_asks_for_no_names(
    ratings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, wide = tmp_path / "whole.csv", tmp_path / "wide.csv"
    consensus_files(Tables((ratings,)), whole, method=None, created_at=NOW)
    monkeypatch.setattr("annotator_ops.stats.criterion._MOST_CELLS", 3)
    consensus_files(Tables((ratings,)), wide, method=None, created_at=NOW)
    assert wide.read_bytes() == whole.read_bytes()
    with pytest.raises(OpsError, match="asks who rated; use the majority") as caught:
        consensus_files(Tables((ratings,)), wide, method=ConsensusMethod.DAWID_SKENE, created_at=NOW)
    assert caught.value.code == "no-consensus"


def test_parquet_has_numbers_where_they_are_numbers(ratings: Path, tmp_path: Path) -> None:
    target = tmp_path / "c.parquet"
    consensus_files(Tables((ratings,)), target, method=None, created_at=NOW)
    table = pandas.read_parquet(target)
    assert table["n_ratings"].tolist() == [3, 2, 3, 1]
    assert table["value"].tolist()[:1] == ["comedy"]
    consensus_files(Tables((ratings,)), target, method=None, created_at=NOW)  # its own table is replaced


def test_nothing_but_an_earlier_consensus_is_overwritten(ratings: Path, tmp_path: Path) -> None:
    taken = tmp_path / "mine.csv"
    taken.write_text("a,b\n1,2\n")
    for target, code in (
        (taken, "would-overwrite"),
        (ratings, "would-overwrite"),
        (tmp_path / "x.txt", "wrong-suffix"),
    ):
        with pytest.raises(OpsError) as caught:
            consensus_files(Tables((ratings,)), target, method=None, created_at=NOW)
        assert caught.value.code == code
    assert taken.read_text() == "a,b\n1,2\n" and ratings.read_text() == RATINGS


def test_a_plan_shrinks_with_items_and_says_what_is_needed(tmp_path: Path) -> None:
    rows = [
        f"{rater},{item},fluency,{1 + (item * 7 + shift * (item % 3 == 0)) % 5}"
        for item in range(60)
        for shift, rater in enumerate(("anna", "boris", "carla"))
    ]
    path = tmp_path / "pilot.csv"
    path.write_text("\n".join(["rater,item,criterion,value", *rows]) + "\n")
    wanted = Wanted(items=(50, 200, 800), annotators=(2, 3), half_width=0.05)
    result = plan_files(Tables((path,)), wanted, created_at=NOW)
    (plan,) = result.data["plans"]
    assert [(row["n_raters"], row["n_items"]) for row in plan["rows"]] == [
        (raters, items) for raters in (2, 3) for items in (50, 200, 800)
    ]
    widths = [row["half_width"] for row in plan["rows"]]
    assert widths[0] > widths[1] > widths[2] > 0
    assert widths[3] < widths[0]
    two, three = plan["needed"]
    assert two["n_items"] >= three["n_items"] > 2


def test_a_plan_from_nothing_to_compare_is_a_reason(ratings: Path, tmp_path: Path) -> None:
    path = tmp_path / "alone.csv"
    path.write_text("rater,item,criterion,value\nanna,1,fluency,3\nanna,2,fluency,4\n")
    (outcome,) = plan_files(Tables((path,)), Wanted(), created_at=NOW).outcomes
    assert (outcome.state, outcome.code) == ("skipped", "one-rater")
