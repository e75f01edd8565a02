"""Answers as ratings: three ways to have no score, orders mirrored, samples combined, confidence as the study asks."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator_ops.judging.asked import asked_of
from annotator_ops.judging.judgements import (
    REPLY_COLUMNS,
    Answer,
    how_sure,
    ratings_of,
    reading,
    reply_rows,
    with_content,
)
from annotator_ops.judging.requests import JudgeRequest, requests_of
from annotator_ops.models import JSONDict
from tests.collect.samples import CRITERIA, study
from tests.judging.asking import judge, pairs, ratings
from tests.judging.endpoint import completion

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def answer(request: JudgeRequest, content: JSONDict | None, *, minutes: int = 0) -> Answer:
    """What came of a request: the body of a reply, or nothing."""
    asked = request.judge
    plain = Answer(
        request.key, asked.name, asked.model, request.item, request.order, request.sample, request.prompt, "failed"
    )
    plain = replace(plain, at=NOW + timedelta(minutes=minutes))
    return plain if content is None else with_content(plain, content)


def scored(**scores: Any) -> JSONDict:
    return completion(json.dumps({name: {"reason": "so", "score": score} for name, score in scores.items()}))


def test_a_score_and_what_is_known_of_it(tmp_path: Path) -> None:
    sample = study(tmp_path, "a", criteria=CRITERIA[:4])
    request = requests_of(judge(), sample)[0]
    given_ = answer(request, scored(quality=3, score=1, stars=4))
    assert (given_.prompt_tokens, given_.completion_tokens, given_.finish_reason) == (100, 10, "stop")
    rows = ratings_of([given_], sample, [judge()])
    assert [(row.criterion, row.value, row.reason) for row in rows] == [
        ("quality", 3.0, None), ("score", 1.0, None), ("stars", 4.0, None)
    ]  # fmt: skip
    row = rows[0]
    assert (row.rater, row.kind, row.item, row.model) == ("small", "judge", "a", "tiny-1")
    assert (row.prompt, row.reply, row.order, row.confidence) == (request.prompt, given_.text, None, None)
    assert row.created_at == NOW


def test_half_of_a_character_is_replaced(tmp_path: Path) -> None:
    sample = study(tmp_path, "a", criteria=CRITERIA[:1])
    cut = answer(requests_of(judge(), sample)[0], completion('{"quality": {"score": 3}} \ud83d'))
    (row,) = ratings_of([cut], sample, [judge()])
    assert row.value == 3
    assert (row.reply or "").encode().endswith(b"?")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "failed"),
        (completion(None, refusal="No."), "refused"),
        (completion("I cannot rate this."), "refused"),
        (completion('{"quality": {"reason": "", "score": 7}}'), "unparsable"),
        (completion("It is what it is."), "unparsable"),
        (completion(None), "unparsable"),
        ({"choices": [{"finish_reason": "content_filter", "message": {"content": "Score: 3"}}]}, "refused"),
        ({"choices": [{"finish_reason": "length", "message": {"content": "Score: 3"}}]}, "unparsable"),
        ({"choices": [{"finish_reason": "length", "message": {"content": '{"quality": {"score": 3'}}]}, "unparsable"),
        ({"choices": []}, "unparsable"),
    ],
)
def test_three_ways_to_have_no_score(tmp_path: Path, content: JSONDict | None, reason: str) -> None:
    sample = study(tmp_path, "a")
    given_ = answer(requests_of(judge(), sample)[0], content)
    rows = ratings_of([given_], sample, [judge()])
    assert [(row.value, row.reason, row.confidence) for row in rows] == [(None, reason, None)]
    if content is not None:
        assert reading(given_, asked_of(sample)) == reason


def test_a_reply_that_was_cut_after_all_was_said_counts(tmp_path: Path) -> None:
    sample = study(tmp_path, "a")
    whole = scored(quality=2)
    whole["choices"][0]["finish_reason"] = "length"
    given_ = answer(requests_of(judge(), sample)[0], whole)
    assert ratings_of([given_], sample, [judge()])[0].value == 2.0
    assert reading(given_, asked_of(sample)) == "answered"


def test_a_later_answer_counts_and_a_failure_never_hides_one(tmp_path: Path) -> None:
    sample = study(tmp_path, "a")
    request = requests_of(judge(), sample)[0]
    first, second = answer(request, scored(quality=1)), answer(request, scored(quality=2), minutes=1)
    failed = answer(request, None, minutes=2)
    for order in ([first, second, failed], [failed, second, first]):
        assert [row.value for row in ratings_of(order, sample, [judge()])] == [2.0]


def test_versions_are_apart_and_other_judges_left_out(tmp_path: Path) -> None:
    sample = study(tmp_path, "a")
    old, new = (requests_of(each, sample)[0] for each in (judge(), judge(prompt=judge().prompt + "Be strict.")))
    stranger = requests_of(judge(name="gone"), sample)[0]
    answers = [answer(each, scored(quality=place + 1)) for place, each in enumerate((old, new, stranger))]
    rows = ratings_of(answers, sample, [judge()])
    assert [(row.prompt, row.value) for row in rows] == [(old.prompt, 1.0), (new.prompt, 2.0)]
    assert old.prompt != new.prompt


@pytest.mark.parametrize("values", [None, {"left": -1.0, "right": 1.0}])
def test_a_verdict_on_a_swapped_pair_is_mirrored(tmp_path: Path, values: dict[str, float] | None) -> None:
    sample = pairs(tmp_path, 1, values=values)
    asking = judge(both_orders=True)
    shown_first = "left" if values is None else -1
    answers = [answer(request, scored(better=shown_first, clear=3)) for request in requests_of(asking, sample)]
    rows = ratings_of(answers, sample, [asking])
    better = {row.order: row.value for row in rows if row.criterion == "better"}
    first, second = ("left", "right") if values is None else (-1.0, 1.0)
    assert better == {"given": first, "swapped": second}, "it always prefers what it sees first"
    assert [row.value for row in rows if row.criterion == "clear"] == [3.0, 3.0], "which is not about the sides"


def test_simulated_annotators_are_one_judge(tmp_path: Path) -> None:
    sample = study(tmp_path, *"abcdefgh")
    asking = judge(confidence="simulated", annotators=4, examples=2)
    requests = [each for each in requests_of(asking, sample, ratings=ratings(sample, "anna")) if each.item == "a"]
    answers = [answer(each, scored(quality=score)) for each, score in zip(requests, (2, 2, 3, 2), strict=True)]
    (row,) = ratings_of(answers, sample, [asking])
    assert (row.value, row.confidence) == (2.0, 0.75)
    assert row.reply is not None
    assert row.reply.count("reason") == 4
    (early,) = ratings_of(answers[:2], sample, [asking])
    assert (early.value, early.reason) == (None, "failed"), "the others are still to be asked"


def test_confidence_of_the_scores_token(tmp_path: Path) -> None:
    sample = study(tmp_path, "a")
    asking = judge(confidence="probability")
    body = scored(quality=3)
    head, tail = body["choices"][0]["message"]["content"].split("3")
    top = [{"token": "3", "logprob": math.log(0.6)}, {"token": "2", "logprob": math.log(0.2)}]
    tokens = [
        {"token": head, "logprob": 0.0, "top_logprobs": []},
        {"token": "3", "logprob": math.log(0.6), "top_logprobs": top},
        {"token": tail, "logprob": 0.0, "top_logprobs": []},
    ]
    body["choices"][0]["logprobs"] = {"content": tokens}
    given_ = answer(requests_of(asking, sample)[0], body)
    assert ratings_of([given_], sample, [asking])[0].confidence == pytest.approx(0.75)
    assert ratings_of([given_], sample, [judge()])[0].confidence is None, "the study does not ask for it"
    plain = answer(requests_of(asking, sample)[0], scored(quality=3))
    assert ratings_of([plain], sample, [asking])[0].confidence is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "usage", "prompt_tokens", "refusal", "logprobs", "text"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from(["choices", "usage"]), JSON))
def test_any_body_can_be_read(content: JSONDict) -> None:
    plain = Answer("k", "small", "m", "a", None, None, "p", "failed")
    assert reading(with_content(plain, content), ()) == "answered"


def test_how_sure_a_model_was_can_be_told_or_not(tmp_path: Path) -> None:
    sample = study(tmp_path, "a", criteria=CRITERIA[:1])
    request = requests_of(judge(confidence="probability"), sample)[0]
    asked = asked_of(sample)
    letters = [{"token": letter, "logprob": -0.1} for letter in '{"quality": {"reason": "so", "score": 3}}']
    plain = answer(request, scored(quality=3))
    assert plain.text == "".join(str(each["token"]) for each in letters)
    assert how_sure(plain, asked) is False
    assert how_sure(replace(plain, logprobs={"content": letters}), asked) is True
    assert how_sure(replace(plain, logprobs={"content": []}), asked) is False
    assert how_sure(answer(request, completion(None, refusal="No.")), asked) is None
    assert how_sure(answer(request, completion("It is what it is.")), asked) is None
    assert how_sure(answer(request, None), asked) is None


def test_a_row_of_a_file_of_replies(tmp_path: Path) -> None:
    sample = study(tmp_path, "a", criteria=CRITERIA[:1])
    request = requests_of(judge(), sample)[0]
    ((good,), (bad,)) = (
        reply_rows(ratings_of([answer(request, content)], sample, [judge()]))
        for content in (scored(quality=3), completion(None, refusal="No."))
    )
    assert tuple(good) == tuple(bad) == REPLY_COLUMNS
    assert (good["judge"], good["item"], good["criterion"], good["value"]) == ("small", "a", "quality", 3.0)
    assert (good["reason"], good["model"], good["prompt"]) == (None, "tiny-1", request.prompt)
    assert (bad["value"], bad["reason"], bad["reply"]) == (None, "refused", "No.")
