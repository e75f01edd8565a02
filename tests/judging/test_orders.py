"""Both orders of a pair as one verdict, and the judge's position."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator_ops.errors import OpsError
from annotator_ops.judging.orders import Sides, orders_merged, usual_sides
from annotator_ops.measures import Rating, Value
from annotator_ops.stats.context import Position
from annotator_ops.stats.table import RatingTable

LEFT_RIGHT = {"better": Sides("left", "right")}


def score(item: str, value: Value | None, *, judge: str = "gpt", criterion: str = "fluency", **more: Any) -> Rating:
    reason = more.pop("reason", None if value is not None else "refused")
    return Rating(judge, "judge", item, criterion, value, reason, source="judges.csv", **more)


def verdict(item: str, value: str | None, order: str, confidence: float | None = None, **more: Any) -> Rating:
    return score(item, value, criterion="better", order=order, confidence=confidence, **more)


def table(*rows: Rating) -> RatingTable:
    return RatingTable.from_ratings(rows)


def said(merged: RatingTable) -> dict[tuple[str, str], Value | str | None]:
    """By judge and item the value, or the reason why there is none."""
    return {(row.rater, row.item): row.value if row.value is not None else row.reason for row in merged.ratings()}


def test_both_orders_of_a_pair_are_one_verdict() -> None:
    pairs = table(
        verdict("same", "left", "given", 0.9),
        verdict("same", "left", "swapped", 0.7),
        verdict("surer", "left", "given", 0.6),
        verdict("surer", "right", "swapped", 0.9),
        verdict("even", "left", "given", 0.8),
        verdict("even", "right", "swapped", 0.8),
        verdict("unknown", "left", "given"),
        verdict("unknown", "right", "swapped"),
        verdict("half", "left", "given", 0.9),
        verdict("half", None, "swapped", reason="failed"),
        verdict("one", "right", "swapped", 0.9),
    )
    merged, positions = orders_merged(pairs, LEFT_RIGHT)
    assert said(merged) == {
        ("gpt", "same"): "left",
        ("gpt", "surer"): "right",
        ("gpt", "even"): "inconsistent",
        ("gpt", "unknown"): "inconsistent",
        ("gpt", "half"): "failed",
        ("gpt", "one"): "right",
    }
    confidence = {row.item: row.confidence for row in merged.ratings()}
    assert confidence["same"] == pytest.approx(0.8)
    # Right: 1 − 0.6 in the one order and 0.9 in the other.
    assert confidence["surer"] == pytest.approx((0.4 + 0.9) / 2)
    assert confidence["even"] is confidence["unknown"] is confidence["half"] is None
    # Shown first is left in `given` and right in `swapped`: once of two in the pair of one mind, twice in the others.
    assert positions == {"gpt": {"better": Position(n_pairs=4, n_consistent=1, n_first_chosen=1 + 3 * 2)}}


def test_two_numbers_are_averaged_and_no_position_is_made_of_them() -> None:
    merged, positions = orders_merged(
        table(
            score("a", 4.0, order="given", confidence=0.9),
            score("a", 2.0, order="swapped", confidence=0.6),
            score("b", 3.0),
        ),
        {},
    )
    assert said(merged) == {("gpt", "a"): 3.0, ("gpt", "b"): 3.0}
    assert [row.confidence for row in merged.ratings()] == [0.6, None]
    assert positions == {}


def test_numbers_that_stand_for_sides_are_never_averaged() -> None:
    pairs = table(score("a", -1.0, order="given"), score("a", 1.0, order="swapped"))
    merged, positions = orders_merged(pairs, {"fluency": Sides(-1.0, 1.0)})
    assert said(merged) == {("gpt", "a"): "inconsistent"}
    assert positions["gpt"]["fluency"] == Position(1, 0, 2)


def test_a_third_answer_leaves_no_probability_for_the_other_side() -> None:
    pairs = table(verdict("a", "left", "given", 0.6), verdict("a", "right", "swapped", 0.9))
    merged, _ = orders_merged(pairs, {"better": Sides("left", "right", only=False)})
    assert said(merged) == {("gpt", "a"): "inconsistent"}


def test_a_row_that_says_no_order_was_shown_as_given() -> None:
    pairs = table(verdict("a", "left", "swapped"), score("a", "left", criterion="better"))
    merged, positions = orders_merged(pairs, LEFT_RIGHT)
    assert said(merged) == {("gpt", "a"): "left"}
    assert positions["gpt"]["better"] == Position(1, 1, 1)


def test_one_order_twice_with_two_verdicts_is_refused() -> None:
    for again in (verdict("a", "right", "given"), score("a", "right", criterion="better")):
        with pytest.raises(OpsError) as caught:
            orders_merged(table(verdict("a", "left", "given"), again), LEFT_RIGHT)
        assert caught.value.code == "rated-twice"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["left", "right", None]),
            st.sampled_from(["left", "right", None]),
            st.floats(0.5, 1),
            st.floats(0.5, 1),
        ),
        max_size=20,
    )
)
def test_the_merged_verdict_is_the_more_probable_one(pairs: list[tuple[str | None, str | None, float, float]]) -> None:
    rows = []
    for item, (one, two, sure, also) in enumerate(pairs):
        rows += [verdict(str(item), one, "given", sure), verdict(str(item), two, "swapped", also)]
    merged, _ = orders_merged(table(*rows), LEFT_RIGHT)
    found = {row.item: row for row in merged.ratings()}
    assert len(found) == len(merged) == len(pairs)
    for item, (one, two, sure, also) in enumerate(pairs):
        row = found[str(item)]
        if one is None or two is None:
            assert (row.value, row.reason, row.confidence) == (None, "refused", None)
            continue
        left = ((sure if one == "left" else 1 - sure) + (also if two == "left" else 1 - also)) / 2
        if row.value is None:
            assert row.reason == "inconsistent" and left == pytest.approx(0.5)
        else:
            assert row.confidence == pytest.approx(left if row.value == "left" else 1 - left)
            assert row.confidence is not None and row.confidence >= 0.5 - 1e-12


@pytest.mark.parametrize(
    ("values", "sides"),
    [
        (["right", "left"], Sides("left", "right")),
        (["A", "tie", "B"], Sides("A", "B", only=False)),
        ([1.0, 2.0], Sides(1.0, 2.0)),
        (["model_b"], Sides("model_a", "model_b")),
        ([1.0, 2.0, 3.0], None),
        (["A", "B", "C"], None),
        (["tie"], None),
        ([], None),
    ],
)
def test_usual_names_of_two_sides_are_known(values: list[Value], sides: Sides | None) -> None:
    assert usual_sides(values) == sides
