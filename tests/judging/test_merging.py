"""One row a judge, item and criterion: the scores of turns merged, versions of a judge told apart."""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean, median
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import Merging
from annotator_ops.judging.merging import check_turns, turns_merged, versions_apart
from annotator_ops.measures import Rating, Value
from annotator_ops.stats.table import RatingTable


def score(item: str, value: Value | None, *, judge: str = "gpt", criterion: str = "fluency", **more: Any) -> Rating:
    reason = more.pop("reason", None if value is not None else "refused")
    return Rating(judge, "judge", item, criterion, value, reason, source="judges.csv", **more)


def table(*rows: Rating) -> RatingTable:
    return RatingTable.from_ratings(rows)


def said(merged: RatingTable) -> dict[tuple[str, str], Value | str | None]:
    """By judge and item the value, or the reason why there is none."""
    return {(row.rater, row.item): row.value if row.value is not None else row.reason for row in merged.ratings()}


# --- turns -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "value"), [("mean", 3.25), ("median", 3.5), ("min", 1.0), ("max", 5.0), ("last", 4.0)])
def test_turns_become_one_as_declared_in_natural_order(how: Merging, value: float) -> None:
    turns = table(
        score("a", 4.0, turn="10", confidence=0.9),
        score("a", 1.0, turn="1", confidence=0.5),
        score("a", 3.0, turn="9", confidence=0.7),
        score("a", 5.0, turn="2", confidence=0.8),
        score("b", 2.0, turn="1", confidence=0.6),
    )
    first, second = turns_merged(turns, how).ratings()
    assert (first.item, first.value, first.turn) == ("a", value, None)
    assert first.confidence == (0.9 if how == "last" else 0.5)
    assert (second.item, second.value, second.confidence) == ("b", 2.0, 0.6)


@given(
    dialogues=st.lists(st.lists(st.integers(1, 5).map(float), min_size=1, max_size=6), min_size=1, max_size=8),
    how=st.sampled_from(["mean", "median", "min", "max", "last"]),
    seed=st.integers(0, 99),
)
def test_turns_are_merged_as_a_plain_loop_would_in_any_order_of_rows(
    dialogues: list[list[float]], how: Merging, seed: int
) -> None:
    rows = [
        score(f"d{number}", value, turn=str(turn))
        for number, values in enumerate(dialogues)
        for turn, value in enumerate(values)
    ]
    shuffled = [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))]
    ways: dict[str, Callable[[list[float]], float]]
    ways = {"mean": mean, "median": median, "min": min, "max": max, "last": lambda values: values[-1]}
    by_hand = ways[how]
    found = {row.item: row.value for row in turns_merged(table(*shuffled), how).ratings()}
    assert found == pytest.approx({f"d{number}": by_hand(values) for number, values in enumerate(dialogues)})


def test_a_turn_without_a_score_leaves_the_item_without_one_and_gives_its_reason() -> None:
    turns = table(
        score("a", 5.0, turn="1"),
        score("a", None, turn="10", reason="failed"),
        score("a", None, turn="2", reason="unparsable"),
        score("b", 5.0, turn="1"),
        score("b", 4.0, turn="2"),
    )
    assert said(turns_merged(turns, "mean")) == {("gpt", "a"): "unparsable", ("gpt", "b"): 4.5}
    assert said(turns_merged(turns, "last")) == {("gpt", "a"): "failed", ("gpt", "b"): 4.0}


def test_an_unknown_confidence_of_one_turn_leaves_the_whole_unknown() -> None:
    turns = table(score("a", 5.0, turn="1", confidence=0.9), score("a", 4.0, turn="2"))
    (row,) = turns_merged(turns, "mean").ratings()
    assert row.confidence is None


def test_several_turns_without_a_word_on_how_are_refused_and_the_word_is_named() -> None:
    turns = table(score("a", 5.0, turn="1"), score("a", 4.0, turn="2"))
    for step in (turns_merged, check_turns):
        with pytest.raises(OpsError, match="gpt scored several turns of item a on fluency") as caught:
            step(turns, None)
        assert caught.value.code == "turns-undeclared"
        assert "turns: mean" in caught.value.hint and "--turns mean" in caught.value.hint


def test_one_turn_an_item_needs_no_word() -> None:
    assert said(turns_merged(table(score("a", "good", turn="1")), None)) == {("gpt", "a"): "good"}


def test_labels_have_no_mean_but_a_last_one() -> None:
    turns = table(score("a", 5.0, turn="1"), score("a", "fine", turn="2"))
    with pytest.raises(OpsError, match="gave turn 2 of item a 'fine' on fluency") as caught:
        turns_merged(turns, "mean")
    assert caught.value.code == "turns-no-numbers"
    assert said(turns_merged(turns, "last")) == {("gpt", "a"): "fine"}


def test_a_whole_beside_its_turns_is_refused() -> None:
    with pytest.raises(OpsError, match="both by turns and as a whole") as caught:
        turns_merged(table(score("a", 5.0, turn="1"), score("a", 4.0)), "mean")
    assert caught.value.code == "turns-and-whole"


def test_the_same_turn_twice_counts_once_and_two_values_of_it_are_refused() -> None:
    twice = [score("a", 5.0, turn="1"), score("a", 5.0, turn="1"), score("a", 2.0, turn="2")]
    assert said(turns_merged(table(*twice), "mean")) == {("gpt", "a"): 3.5}
    with pytest.raises(OpsError, match=r"turn 2, twice: 2 \(judges.csv\) and 4 \(judges.csv\)") as caught:
        turns_merged(table(*twice, score("a", 4.0, turn="2")), "mean")
    assert caught.value.code == "rated-twice"


def both(*turns: tuple[str, str, float], judge: str = "gpt") -> list[Rating]:
    """One item's scores, each given as criterion, turn and value."""
    return [score("a", value, criterion=criterion, turn=turn, judge=judge) for criterion, turn, value in turns]


@pytest.mark.parametrize(
    ("how", "lost", "expected"),
    [("mean", "2", "turn-missing"), ("max", "10", "turn-missing"), ("last", "10", "turn-missing"), ("last", "2", 4.0)],
)
def test_a_turn_that_is_scored_on_another_criterion_only_is_missing(
    how: Merging, lost: str, expected: Value | str
) -> None:
    turns = both(*((name, turn, 4.0) for name in ("fluency", "depth") for turn in ("1", "2", "10")))
    rows = [row for row in turns if (row.criterion, row.turn) != ("depth", lost)]
    other = [score("b", 5.0, turn="1"), score("b", 3.0, turn="2")]  # a shorter dialogue, scored on one criterion
    merged = turns_merged(table(*rows, *other), how)
    found = {(row.item, row.criterion): row.value or row.reason for row in merged.ratings()}
    value = {"mean": 4.0, "max": 5.0, "last": 3.0}[how]
    assert found == {("a", "fluency"): 4.0, ("a", "depth"): expected, ("b", "fluency"): value}


def test_what_another_judge_scored_or_is_scored_on_one_turn_or_as_a_whole_lacks_no_turn() -> None:
    turns = both(("fluency", "1", 2.0), ("fluency", "2", 4.0), ("solved", "2", 1.0))
    whole = score("a", 5.0, criterion="overall")
    short = both(("depth", "1", 3.0), ("depth", "2", 3.0), judge="llama")
    long = both(("fluency", "1", 1.0), ("fluency", "2", 1.0), ("fluency", "3", 1.0), judge="qwen")
    merged = turns_merged(table(*turns, whole, *short, *long), "mean")
    assert {(row.rater, row.criterion): row.value for row in merged.ratings()} == {
        ("gpt", "fluency"): 3.0,
        ("gpt", "solved"): 1.0,
        ("gpt", "overall"): 5.0,
        ("llama", "depth"): 3.0,
        ("qwen", "fluency"): 1.0,
    }


def test_a_turn_with_a_reason_keeps_it_where_another_has_no_row() -> None:
    turns = both(*(("fluency", turn, 4.0) for turn in "123"), ("depth", "1", 2.0))
    merged = turns_merged(table(*turns, score("a", None, criterion="depth", turn="2", reason="failed")), "mean")
    assert {row.criterion: row.value or row.reason for row in merged.ratings()} == {"fluency": 4.0, "depth": "failed"}


# --- versions --------------------------------------------------------------------------------------------------------


def test_versions_of_a_prompt_or_a_model_are_raters_of_their_own() -> None:
    rows = [
        score("a", 1.0, prompt="v1", model="gpt-4o"),
        score("a", 2.0, prompt="v2", model="gpt-4o"),
        score("b", 3.0),
        score("a", 4.0, judge="llama", prompt="v1", model="8b"),
        score("a", 5.0, judge="llama", prompt="v2", model="70b"),
        score("a", 1.0, judge="one", prompt="v1", model="m"),
    ]
    apart = versions_apart(table(*rows))
    assert said(apart) == {
        ("gpt · v1", "a"): 1.0,
        ("gpt · v2", "a"): 2.0,
        ("gpt", "b"): 3.0,
        ("llama · 8b · v1", "a"): 4.0,
        ("llama · 70b · v2", "a"): 5.0,
        ("one", "a"): 1.0,
    }
    assert apart.raters == ("gpt", "gpt · v1", "gpt · v2", "llama · 8b · v1", "llama · 70b · v2", "one")


def test_a_version_that_has_the_name_of_another_judge_is_refused() -> None:
    rows = [score("a", 1.0, prompt="v1"), score("a", 2.0, prompt="v2"), score("a", 2.0, judge="gpt · v2")]
    with pytest.raises(OpsError) as caught:
        versions_apart(table(*rows))
    assert caught.value.code == "judge-name-taken"
