"""Scores as matrices: who and what is in them, people's mean and majority, why there are none, crowds too wide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.measures import Reason
from annotator_ops.models import Level
from annotator_ops.stats.judges.scores import Scores, alike, scores_of, version_of
from annotator_ops.stats.table import RatingTable
from tests.stats.judges.made import Row, scored, scores, table_of

NAN = float("nan")


def test_people_and_judges_share_their_items() -> None:
    found = scores({"boris": [1, None, 3], "anna": [2, 4, None]}, {"gpt": [5, None, 1]})
    assert (found.people, found.judges) == (("anna", "boris"), ("gpt",))
    assert found.items == ("item-1", "item-2", "item-3")
    np.testing.assert_array_equal(found.human, [[2, 4, NAN], [1, NAN, 3]])
    np.testing.assert_array_equal(found.judge, [[5, NAN, 1]])
    np.testing.assert_array_equal(found.human_mean, [1.5, 4, 3])
    assert np.isnan(found.confidence).all()
    assert (found.n_people, found.wide) == (2, None)


def test_labels_are_codes_and_people_have_a_majority() -> None:
    people: dict[str, Row] = {"anna": ["b", "a", "a"], "boris": ["b", "b", "a"], "carla": ["a", None, "c"]}
    found = scores(people, {"gpt": ["c", "a", None]}, Level.NOMINAL)
    assert found.categories == ("a", "b", "c")
    np.testing.assert_array_equal(found.judge, [[2, 0, NAN]])
    # On the second item a and b are as frequent.
    np.testing.assert_array_equal(found.majority, [1, NAN, 0])
    np.testing.assert_array_equal(found.people_say, found.majority)


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c"])), min_size=4, max_size=4), min_size=1, max_size=5
    )
)
def test_the_majority_is_what_more_say_than_anything_else(rows: list[list[str | None]]) -> None:
    people: dict[str, Row] = {f"p{number}": row for number, row in enumerate(rows)}
    found = scores(people, {"gpt": ["a", "b", "c", "a"]}, Level.NOMINAL)
    for column, code in enumerate(found.majority):
        said = [row[column] for row in rows if row[column] is not None]
        counts = {label: said.count(label) for label in said}
        best = [label for label, n in counts.items() if n == max(counts.values())]
        expected = found.categories.index(best[0]) if len(best) == 1 else NAN
        np.testing.assert_equal(code, expected)


@pytest.mark.parametrize(
    ("people", "judge", "level", "code", "said"),
    [
        ([1, 2], [1, 2], None, "no-order", "no order"),
        ([1, 2], [1, 2], Level.CIRCULAR, "no-order", "no order"),
        (["good", 2], [1, 2], Level.ORDINAL, "not-numeric", "anna answered 'good' on item item-1"),
        ([1, 2], [1, "bad"], Level.INTERVAL, "not-numeric", "gpt answered 'bad' on item item-2"),
    ],
)
def test_what_cannot_be_compared_has_a_reason(
    people: list[float], judge: list[float], level: Level | None, code: str, said: str
) -> None:
    found = scored({"anna": people}, {"gpt": judge}, level)
    assert isinstance(found, Reason)
    assert found.code == code
    assert said in found.sentence


def test_two_answers_on_an_item_are_no_score() -> None:
    table = table_of({"anna": [1, 2]}, {"gpt": [3, 4]})
    for rater in ("anna", "gpt"):
        again = [replace(row, value=5.0) for row in table.ratings() if row.rater == rater and row.item == "item-2"]
        twice = RatingTable.from_ratings([*table.ratings(), *again])
        found = scores_of(twice.people(), twice.models(), level=Level.ORDINAL)
        assert isinstance(found, Reason)
        assert found.code == "rated-twice"
        assert f"{rater} rated item item-2 more than once" in found.sentence


def test_judges_without_people_have_nothing_to_be_held_against() -> None:
    found = scores({}, {"gpt": [1, 2, 3]})
    assert (found.people, found.n_people, found.human.shape) == ((), 0, (0, 3))
    assert np.isnan(found.human_mean).all()
    assert np.isnan(scores({}, {"gpt": ["a", "b"]}, Level.NOMINAL).majority).all()


def test_in_a_crowd_too_wide_nobody_has_a_row_but_means_and_majorities_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    source = np.random.default_rng(3)
    people: dict[str, Row] = {
        f"p{number}": [float(value) if there else None for value, there in zip(*row, strict=True)]
        for number, row in enumerate(
            zip(source.integers(1, 6, (9, 20)).tolist(), (source.random((9, 20)) < 0.3).tolist(), strict=True)
        )
    }
    judges: dict[str, Row] = {"gpt": source.integers(1, 6, 20).astype(float).tolist()}
    whole, labels = scores(people, judges), scores(people, judges, Level.NOMINAL)
    monkeypatch.setattr("annotator_ops.stats.judges.scores.MOST_CELLS", 100)
    wide, wide_labels = scores(people, judges), scores(people, judges, Level.NOMINAL)
    assert isinstance(wide, Scores)
    assert len(wide.human) < len(whole.human) == wide.n_people == 9
    assert wide.wide is not None
    assert wide.wide.code == "too-many-cells"
    np.testing.assert_allclose(wide.human_mean, whole.human_mean, rtol=1e-12)
    np.testing.assert_array_equal(wide_labels.majority, labels.majority)
    np.testing.assert_array_equal(wide.judge, whole.judge)


def test_a_version_is_what_follows_the_name() -> None:
    assert version_of("gpt · v2") == ("gpt", "v2")
    assert version_of("gpt · large · v2") == ("gpt", "large · v2")
    assert version_of("gpt-4") == ("gpt-4", None)


def test_judges_of_the_same_items_are_together() -> None:
    assert alike(np.array([[True, False], [True, True], [True, False]])) == [[0, 2], [1]]
