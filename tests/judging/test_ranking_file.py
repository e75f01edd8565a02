"""Rankings from outside: scores and ranks, spreadsheets' separators, and what is no ranking, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.ranking_file import read_ranking


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "system,score\nM8,1200.5\nM9,-3\n"),
        ("a.csv", "\ufeffvotes;system;score\r\n10;M8;1200.5\r\n20;M9;-3\r\n"),
        ("a.tsv", "score\tsystem\n1200.5\t M8 \n-3\tM9\n\n"),
        ("a.jsonl", '{"system": "M8", "score": 1200.5, "rank": 2}\n\n{"system": "M9", "score": "-3", "rank": 1}\n'),
    ],
)
def test_scores_by_system(tmp_path: Path, name: str, text: str) -> None:
    assert read_ranking(written(tmp_path, name, text)) == {"M8": 1200.5, "M9": -3.0}


def test_of_ranks_the_first_is_the_best(tmp_path: Path) -> None:
    scores = read_ranking(written(tmp_path, "a.csv", "rank,system\n2,good\n1,best\n3,7\n"))
    assert sorted(scores, key=lambda name: -scores[name]) == ["best", "good", "7"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "system,elo\nM8,3\n", "Line 2: it has no `score` and no `rank`"),
        ("a.csv", "model,score\nM8,3\n", "Line 2: it has no `system`"),
        ("a.csv", "system,score\nM8,3\nM8,4\n", "Line 3: M8 is in the ranking twice"),
        ("a.csv", "system,score\nM8,high\n", "Line 2: the score is 'high', which is no number"),
        ("a.csv", "system,score\nM8,nan\n", "Line 2: the score is 'nan'"),
        ("a.csv", "system,score\n,3\n", "Line 2: it names no system"),
        ("a.csv", "system,score\nM8,3,4\n", "Line 2: it has 3 cells, the header 2"),
        ("a.csv", 'system,score\nM8,"3\n', "not valid CSV"),
        ("a.csv", "system,score\n", "There is no system in it"),
        ("a.jsonl", '{"system": "M8", "score": true}', "which is no number"),
        ("a.jsonl", '{"system": "M8", "score": NaN}', "which is no number"),
        ("a.jsonl", '["M8", 3]', "Line 1: this is no JSON object"),
        ("a.jsonl", '{"system": ', "Line 1: this is no JSON object"),
        ("a.xlsx", "x", "A .xlsx file is no ranking"),
    ],
)
def test_what_is_no_ranking_is_said_with_its_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(OpsError) as caught:
        read_ranking(written(tmp_path, name, text))
    assert words in caught.value.message
    assert caught.value.code == "ranking-invalid"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="There is no file"):
        read_ranking(tmp_path / "none.csv")
