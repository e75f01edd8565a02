"""Free text: chrF and F1 of words, by hand, by another implementation, and over annotators and items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.measures import Rating
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.similarity import chrf, token_f1
from annotator_ops.stats.structured import Agreement, text_agreement


def ratings(written: Mapping[str, Mapping[str, Any]]) -> list[Rating]:
    return [
        Rating(rater, "human", item, "answer", said) for item, own in written.items() for rater, said in own.items()
    ]


def agreement(written: Mapping[str, Mapping[str, Any]], **options: Any) -> Agreement:
    return text_agreement(ratings(written), **options)


def by_definition(hypothesis: str, reference: str) -> float:
    """chrF of one direction, counted with dictionaries."""
    one, other = "".join(hypothesis.split()), "".join(reference.split())
    precisions, recalls = [], []
    for n in range(1, 7):
        own, wanted = (Counter(text[i : i + n] for i in range(len(text) - n + 1)) for text in (one, other))
        if own and wanted:
            common = sum((own & wanted).values())
            precisions.append(common / sum(own.values()))
            recalls.append(common / sum(wanted.values()))
    if not precisions:
        return float(one == other)
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0


def test_chrf_by_hand() -> None:
    """ "abc" and "abd": of 1-grams two of three in common, of 2-grams one of two, of 3-grams none of one."""
    third = (2 / 3 + 1 / 2 + 0) / 3
    assert chrf(["abc", "abd"])[0, 1] == pytest.approx(third)
    # "ab" against "abab": P = (1 + 1) / 2, R = (1/2 + 1/3) / 2; the other way round they change places.
    precision, recall = 1.0, 5 / 12
    there = 5 * precision * recall / (4 * precision + recall)
    back = 5 * precision * recall / (4 * recall + precision)
    assert chrf(["ab", "abab"])[0, 1] == pytest.approx((there + back) / 2)


def test_chrf_ignores_white_space_and_the_form_of_letters_and_not_capitals() -> None:
    found = chrf(["й ё", "и\u0306е\u0308", "Й Ё", ""])
    assert found[0, 1] == 1
    assert found[0, 2] == 0
    assert found[0, 3] == 0
    assert found[3, 3] == 1


@given(st.lists(st.text(alphabet="abж 日\n", max_size=12), min_size=2, max_size=4))
@settings(deadline=None, max_examples=100)
def test_chrf_is_what_its_definition_says_and_symmetric(texts: list[str]) -> None:
    found = chrf(texts)
    assert found == pytest.approx(found.T)
    assert np.diag(found) == pytest.approx(1)
    for i, one in enumerate(texts):
        for j, other in enumerate(texts):
            expected = (by_definition(one, other) + by_definition(other, one)) / 2
            assert found[i, j] == pytest.approx(expected, abs=1e-12)


def test_token_f1_by_hand() -> None:
    found = token_f1(["The cat sat.", "the cat, the hat", "Кошка сидела", "кошка: СИДЕЛА!", "🙂", "🙂", "🙃"])
    assert found[0, 1] == pytest.approx(2 * 2 / 7)
    assert found[2, 3] == 1
    assert found[0, 2] == 0
    assert found[4, 5] == 1 and found[4, 6] == 0
    assert found == pytest.approx(found.T)


def test_means_are_over_pairs_and_then_over_items() -> None:
    written: dict[str, dict[str, Any]] = {
        "t1": {"anna": "abc", "ben": "abc", "cleo": "xyz"},
        "t2": {"anna": "abc", "ben": "abc", "cleo": None},
        "t3": {"anna": "alone"},
    }
    found = agreement(written)
    for name in ("chrf", "token_f1"):
        estimate = found.estimates[name]
        assert estimate.value == pytest.approx((1 / 3 + 1) / 2)
        assert (estimate.n_items, estimate.n_raters) == (2, 3)
        assert "similarity of wording" in estimate.method and "not corrected for chance" in estimate.method
    assert found.disagreement == {"t1": pytest.approx(2 / 3), "t2": 0}


def test_identical_texts_give_one_and_the_interval_is_over_items() -> None:
    words = ["дом", "кот", "река", "небо"]
    random = np.random.default_rng(4)
    written = {f"t{n}": {rater: " ".join(random.choice(words, 3)) for rater in ("anna", "ben")} for n in range(60)}
    found = agreement(written, resampling=Resampling(resamples=200))
    for estimate in found.estimates.values():
        assert estimate.value is not None and estimate.low is not None and estimate.high is not None
        assert estimate.low < estimate.value < estimate.high
    same = {item: dict.fromkeys(own, own["anna"]) for item, own in written.items()}
    assert [estimate.value for estimate in agreement(same).estimates.values()] == [1, 1]


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ({}, "no-ratings"),
        ({"t1": {"anna": "a"}}, "one-rater"),
        ({"t1": {"anna": "a"}, "t2": {"ben": "a"}}, "no-overlap"),
        ({"t1": {"anna": "a", "ben": ("a",)}}, "no-text"),
    ],
)
def test_what_is_undefined_says_why(written: Mapping[str, Mapping[str, Any]], code: str) -> None:
    for estimate in agreement(written).estimates.values():
        assert estimate.value is None and estimate.reason is not None and estimate.reason.code == code


def test_a_text_that_looks_like_a_number_is_a_text() -> None:
    assert agreement({"t1": {"anna": 1984.0, "ben": "1984"}}).estimates["chrf"].value == 1


def test_two_answers_of_one_rater_are_refused() -> None:
    twice = [*ratings({"t1": {"anna": "a", "ben": "a"}}), Rating("ben", "human", "t1", "answer", "b")]
    reason = text_agreement(twice).estimates["chrf"].reason
    assert reason is not None and reason.code == "rated-twice"
