"""Ensembles: mean, median and weights by hand; items that lack a judge; unknown judges; one judge; labels."""

from __future__ import annotations

import pytest

from annotator_ops.judge_settings import Ensemble
from annotator_ops.measures import Reason
from annotator_ops.models import Level
from annotator_ops.stats.judges.ensembles import Combined, combined
from annotator_ops.stats.judges.scores import Scores
from tests.stats.judges.made import Row, scores

NAN = float("nan")
PEOPLE: dict[str, Row] = {"anna": [1, 2, 3, 4, None]}
JUDGES: dict[str, Row] = {"a": [1, 2, 4, None, 1], "b": [3, 2, 4, 4, None], "c": [2, 5, 4, None, 3]}


def all_of(found: Scores | Reason, *wanted: Ensemble, judges: tuple[str, ...] = ("a", "b", "c")) -> list[Combined]:
    return combined(found, judges, wanted)


def numbers(found: Combined) -> list[float]:
    assert found.scores is not None
    return [float(score) for score in found.scores]


def test_the_mean_over_all_judges_comes_first_and_then_those_asked_for() -> None:
    first, median, weighted, two, everybody = all_of(
        scores(PEOPLE, JUDGES),
        Ensemble("middle", (), "median"),
        Ensemble("careful", ("a", "b"), "mean", {"a": 3.0, "b": 1.0}),
        Ensemble("two", ("c", "a")),
        Ensemble("by weight", (), "mean", {"b": 1.0, "c": 1.0}),
    )
    assert (first.name, first.judges, first.how, first.weights) == ("mean of all judges", ("a", "b", "c"), "mean", {})
    assert numbers(first) == pytest.approx([2, 3, 4, NAN, NAN], nan_ok=True)
    # The fourth item lacks two judges; the fifth, which nobody rated, would not count in any case.
    assert first.n_dropped == 1
    assert numbers(median) == pytest.approx([2, 2, 4, NAN, NAN], nan_ok=True)
    assert median.how == "median"
    assert numbers(weighted) == pytest.approx([1.5, 2, 4, NAN, NAN], nan_ok=True)
    assert (weighted.how, weighted.weights) == ("weighted mean", {"a": 3.0, "b": 1.0})
    assert two.judges == ("c", "a")
    assert numbers(two) == pytest.approx([1.5, 3.5, 4, NAN, 2], nan_ok=True)
    assert two.n_dropped == 0
    assert everybody.judges == ("b", "c")


def test_a_judge_with_versions_of_its_prompt_counts_once() -> None:
    """The version that scored most, the last of those; one that scored nothing would leave no item."""
    judges: dict[str, Row] = {
        "a · v1": [1, 2, 4, None, 1],
        "a · v2": [2, 2, 4, None, 1],
        "a · v3": [5, None, None, None, None],
        "b": [3, 2, 4, 4, None],
        "c": [None, None, None, None, None],
    }
    found = scores(PEOPLE, judges)
    everybody, named = all_of(found, Ensemble("both", ("a", "b"), "mean", {"a": 1.0, "b": 3.0}), judges=tuple(judges))
    assert everybody.judges == ("a · v2", "b")
    assert numbers(everybody) == pytest.approx([2.5, 2, 4, NAN, NAN], nan_ok=True)
    assert (named.judges, named.weights) == (("a · v2", "b"), {"a · v2": 1.0, "b": 3.0})
    assert numbers(named) == pytest.approx([2.75, 2, 4, NAN, NAN], nan_ok=True)


def test_an_ensemble_of_an_unknown_judge_says_who_is_known() -> None:
    _, found = all_of(scores(PEOPLE, JUDGES), Ensemble("odd", ("a", "nobody")))
    assert found.scores is None
    assert found.reason == Reason("unknown-judge", "There is no judge nobody on this criterion; there are a, b, c.")
    assert found.judges == ("a", "nobody")


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (scores(PEOPLE, {"a": [1, 2, 3, 4, 5]}), "one-judge"),
        (scores({"anna": ["x"]}, {"a": ["x"], "b": ["x"]}, Level.NOMINAL), "no-order"),
        (Reason("not-numeric", "x"), "not-numeric"),
    ],
)
def test_without_scores_there_is_a_reason(found: Scores | Reason, code: str) -> None:
    names = ("a",) if isinstance(found, Reason) else found.judges
    (only,) = all_of(found, judges=names)
    assert only.scores is None
    assert only.reason is not None
    assert only.reason.code == code


def test_without_judges_there_are_no_ensembles() -> None:
    assert all_of(scores(PEOPLE, JUDGES), Ensemble("two", ("a", "b")), judges=()) == []
