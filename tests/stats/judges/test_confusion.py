"""Judges' answers by people's: counts by hand, means between values, labels, too many values."""

from __future__ import annotations

import numpy as np

from annotator_ops.models import Level
from annotator_ops.stats.judges.confusion import confusions, listed_values
from tests.stats.judges.made import Row, random_scores, scores


def test_a_mean_counts_as_the_nearest_value_and_halfway_as_the_higher() -> None:
    people: dict[str, Row] = {"anna": [1, 1, 2, 3, 3], "boris": [1, 2, 2, 3, None], "carla": [2, None, 1, 3, None]}
    given = scores(people, {"gpt": [1, 2, 1.4, 3, None]})
    # People's means are 4/3, 3/2, 5/3 and 3; on the last item there is no score of the judge.
    for scale in ((), (1.0, 2.0, 3.0)):
        (found,) = confusions(given, scale)
        assert found is not None
        assert found.as_json() == {"values": [1.0, 2.0, 3.0], "counts": [[1, 0, 0], [1, 1, 0], [0, 0, 1]]}
    (wide,) = confusions(given, (1.0, 2.0, 3.0, 4.0))
    assert wide is not None
    assert wide.counts.tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_all_items_of_both_are_counted_once() -> None:
    given = random_scores(1, missing=0.2)
    for found, judge in zip(confusions(given, (1.0, 2.0, 3.0, 4.0, 5.0)), given.judge, strict=True):
        assert found is not None
        assert found.counts.sum() == (~np.isnan(judge + given.human_mean)).sum()
        answers = [int((judge[~np.isnan(given.human_mean)] == value).sum()) for value in found.values]
        assert found.counts.sum(axis=0).tolist() == answers


def test_labels_by_the_answer_of_most_people() -> None:
    people: dict[str, Row] = {"anna": ["yes", "no", "yes"], "boris": ["yes", "no", "no"]}
    (found,) = confusions(scores(people, {"gpt": ["no", "no", "yes"]}, Level.NOMINAL), ())
    assert found is not None
    assert found.as_json() == {"values": ["no", "yes"], "counts": [[1, 0], [1, 0]]}


def test_sets_of_labels_are_lists_in_json() -> None:
    (found,) = confusions(scores({"anna": [("a", "b"), ("a",)]}, {"gpt": [("a",), ("a",)]}, Level.NOMINAL), ())
    assert found is not None
    assert found.as_json() == {"values": [["a"], ["a", "b"]], "counts": [[1, 0], [1, 0]]}


def test_whole_numbers_between_are_listed_and_very_many_values_are_no_table() -> None:
    assert listed_values(scores({"anna": [1, 4]}, {"gpt": [1, 4.5]}), ()) == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert listed_values(scores({"anna": [0.5, 4]}, {"gpt": [1, 1]}), ()) == (0.5, 1.0, 4.0)
    source = np.random.default_rng(1).random((2, 40)).tolist()
    wide = scores({"anna": source[0]}, {"gpt": source[1]})
    assert listed_values(wide, ()) == ()
    assert confusions(wide, ()) == [None]
