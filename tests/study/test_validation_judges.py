"""What `ops validate` finds wrong with what a study says about its judges."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotator_ops.errors import Problem
from annotator_ops.validation import validate
from tests.study.making import make

MODEL = {"name": "small", "model": "tiny-1", "base_url": "http://localhost:1/v1"}


def problems(folder: Path, **changes: object) -> dict[str, Problem]:
    return {problem.code: problem for problem in validate(make(folder, changes))[1]}


def test_a_model_that_can_be_asked_is_no_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, judges=[MODEL], judging={"ensembles": [{"name": "one", "judges": ["small"]}]}) == {}


def test_two_judges_of_one_name(tmp_path: Path) -> None:
    found = problems(tmp_path, judges=[MODEL, MODEL])["judge-name-taken"]
    assert "two judges" in found.message
    assert found.line is not None


def test_a_judge_called_as_an_annotator(tmp_path: Path) -> None:
    found = problems(tmp_path, judges=[MODEL], annotators=["small", "boris"])["judge-name-taken"]
    assert "an annotator" in found.message


def test_a_prompt_that_cannot_be_filled_in(tmp_path: Path) -> None:
    (tmp_path / "mine.md.j2").write_text("Rate this.\n{{ nothing_of_the_kind }}\n")
    found = problems(tmp_path, judges=[MODEL | {"prompt": "mine.md.j2"}])["prompt-template"]
    assert "nothing_of_the_kind" in found.message


@pytest.mark.parametrize(
    ("judging", "code", "said"),
    [
        ({"ensembles": [{"name": "all", "judges": ["small", "lagre"]}]}, "unknown-judge", "'lagre'"),
        ({"ensembles": [{"name": "all"}, {"name": "all"}]}, "ensemble-twice", "'all'"),
        ({"weights": {"qualty": 2}}, "unknown-criterion", "'qualty'"),
        ({"relatives": {"small": ["m1"]}}, "no-systems", "system"),
        ({"ensembles": [{"name": "x", "how": "median", "weights": {"small": 1}}]}, "value-error", "only a mean"),
        ({"epsilon": "novice"}, "value-error", "expert, skilled, crowd"),
    ],
)
def test_what_is_measured_is_there(tmp_path: Path, judging: dict[str, object], code: str, said: str) -> None:
    assert said in problems(tmp_path, judges=[MODEL], judging=judging)[code].message


def test_a_key_is_named_and_never_written(tmp_path: Path) -> None:
    found = problems(tmp_path, judges=[MODEL | {"key": "sk-abc123"}])["value-error"]
    assert "environment variable" in found.message
    assert "sk-abc123" not in str(found)


def test_both_orders_of_what_is_no_pair(tmp_path: Path) -> None:
    assert "no Pairwise" in problems(tmp_path, judges=[MODEL | {"both_orders": True}])["no-pair"].message


def test_a_ranking_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "arena.csv").write_text("system,score\na,high\n")
    found = problems(tmp_path, judges=[MODEL], judging={"ranking": "arena.csv"})["ranking-invalid"]
    assert "high" in found.message
