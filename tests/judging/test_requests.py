"""The requests: one an item, both orders of a pair, simulated annotators; the same ones every time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import Price
from annotator_ops.judging.asked import asked_of, unasked
from annotator_ops.judging.costs import cost_of, likely_cost, most_cost, prompt_tokens
from annotator_ops.judging.importing import Scale
from annotator_ops.judging.replies import parse_words
from annotator_ops.judging.requests import requests_of
from annotator_ops.models import Task
from tests.collect.samples import CRITERIA, study
from tests.judging.asking import judge, pairs, ratings


def test_what_is_asked_follows_the_label_config(tmp_path: Path) -> None:
    sample = study(tmp_path, criteria=CRITERIA)
    asked = {each.name: each for each in asked_of(sample)}
    assert list(asked) == ["quality", "score", "stars", "count", "pair"]
    assert (asked["quality"].labels, asked["quality"].steps) == ({"bad": 1, "fair": 2, "good": 3}, (1, 2, 3))
    assert asked["score"].steps == (1, 2)
    assert asked["stars"].steps == (1, 2, 3, 4)
    assert (asked["count"].low, asked["count"].high, asked["count"].integers) == (0, 9, False)
    assert asked["pair"].labels == ("left", "right")
    assert set(unasked(sample)) == {"kind", "tree", "summary", "when", "spans"}
    assert all(unasked(sample).values())


def test_one_request_an_item_with_the_schema_of_its_criteria(tmp_path: Path) -> None:
    sample = study(tmp_path, "a", "b", criteria=CRITERIA)
    asking = judge(confidence="probability", options={"seed": 1})
    requests = requests_of(asking, sample)
    assert [request.item for request in requests] == ["a", "b"]
    assert len({request.key for request in requests}) == 2
    body = requests[0].body
    assert (body["model"], body["temperature"], body["max_tokens"], body["seed"]) == ("tiny-1", 0.0, 512, 1)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 20)
    form = body["response_format"]["json_schema"]
    assert form["strict"] is True
    scores = {name: part["properties"]["score"] for name, part in form["schema"]["properties"].items()}
    assert scores == {
        "quality": {"type": "integer", "enum": [1, 2, 3]},
        "score": {"type": "integer", "enum": [1, 2]},
        "stars": {"type": "integer", "enum": [1, 2, 3, 4]},
        "count": {"type": "number", "minimum": 0.0, "maximum": 9.0},
        "pair": {"type": "string", "enum": ["left", "right"]},
    }
    part = form["schema"]["properties"]["stars"]
    assert (part["required"], part["additionalProperties"]) == (["reason", "score"], False)
    for each in asked_of(sample):
        assert all(Scale(each, declared=True).holds(answer) for answer in scores[each.name].get("enum", ()))
        assert all(
            parse_words(json.dumps({"score": answer}), each).value for answer in scores[each.name].get("enum", ())
        )


def test_other_forms_of_a_reply_and_models_without_a_temperature(tmp_path: Path) -> None:
    sample = study(tmp_path, "a")
    assert requests_of(judge(reply="json"), sample)[0].body["response_format"] == {"type": "json_object"}
    words = requests_of(judge(reply="words", temperature=None), sample)[0].body
    assert words.keys() == {"model", "messages", "max_completion_tokens"}
    assert "JSON" in json.dumps(requests_of(judge(reply="json"), sample)[0].body["messages"])


def test_a_key_is_of_the_endpoint_and_of_what_is_asked(tmp_path: Path) -> None:
    sample = study(tmp_path, "a", "b")
    keys = [request.key for request in requests_of(judge(), sample)]
    assert keys == [request.key for request in requests_of(judge(price=Price(1, 2), timeout=1.0), sample)]
    for changed in (judge(base_url="http://elsewhere/v1"), judge(model="m"), judge(max_tokens=9), judge(reply="json")):
        assert not set(keys) & {request.key for request in requests_of(changed, sample)}


def test_each_verdict_that_is_needed_has_a_key_even_where_the_words_are_the_same(tmp_path: Path) -> None:
    sample = study(tmp_path)
    twins = replace(sample, tasks=tuple(Task(name, {"id": name, "text": "same"}) for name in "ab"))
    one, two = requests_of(judge(), twins)
    assert one.body == two.body
    assert one.key != two.key
    asking = judge(confidence="simulated", annotators=4, examples=1)
    requests = requests_of(asking, twins, ratings=ratings(twins, "anna"))
    assert len({request.key for request in requests}) == 8


def test_a_task_that_repeats_another_is_not_asked_about(tmp_path: Path) -> None:
    sample = study(tmp_path, "a")
    again = Task("c", {"id": "c", "text": "text of a", "repeat_of": "a"})
    assert [each.item for each in requests_of(judge(), replace(sample, tasks=(*sample.tasks, again)))] == ["a"]


def test_both_orders_exchange_the_two_sides(tmp_path: Path) -> None:
    sample = pairs(tmp_path, 2)
    before = [json.dumps(dict(task.data)) for task in sample.tasks]
    requests = requests_of(judge(both_orders=True), sample)
    assert [(each.item, each.order) for each in requests] == [
        ("p0", "given"), ("p0", "swapped"), ("p1", "given"), ("p1", "swapped")
    ]  # fmt: skip
    given, swapped = (each.body["messages"][1]["content"] for each in requests[:2])
    assert "[left]\nL0\n[right]\nR0" in given
    assert "[left]\nR0\n[right]\nL0" in swapped
    assert [json.dumps(dict(task.data)) for task in sample.tasks] == before
    assert {each.order for each in requests_of(judge(), sample)} == {None}
    with pytest.raises(OpsError, match="no Pairwise") as caught:
        requests_of(judge(both_orders=True), study(tmp_path, "a"))
    assert caught.value.code == "no-pair"


def test_simulated_annotators_see_one_persons_ratings_and_never_the_items_own(tmp_path: Path) -> None:
    sample = study(tmp_path, *(f"item-{number:02}" for number in range(12)))
    asking = judge(confidence="simulated", annotators=5, examples=3)
    given = ratings(sample, "ben", "anna")
    requests = requests_of(asking, sample, ratings=given)
    assert len(requests) == 12 * 5
    assert requests == requests_of(asking, sample, ratings=list(reversed(given)))
    assert len({request.key for request in requests}) == 60
    said = {(rating.rater, rating.item): rating.value for rating in given}
    for request in requests:
        assert request.sample is not None
        person = ("anna", "ben")[(request.sample - 1) % 2]
        *examples, last = request.body["messages"][1]["content"].split("[text]\n")[1:]
        assert len(examples) == 3
        assert last.startswith(f"text of {request.item}")
        for shown in examples:
            item = shown.splitlines()[0].removeprefix("text of ")
            assert item != request.item
            assert f"quality: {said[person, item]:g}" in shown
        assert request.body["logprobs"] is True


def test_too_few_ratings_to_simulate_anybody(tmp_path: Path) -> None:
    sample = study(tmp_path, *"abcdef")
    asking = judge(confidence="simulated", examples=5)
    judged = [replace(each, kind="judge") for each in ratings(sample, "gpt")]
    with pytest.raises(OpsError, match=r"who rated 6 items .* anybody rated is 5\.") as caught:
        requests_of(asking, sample, ratings=[*judged, *ratings(sample, "anna", leave_out=1)])
    assert caught.value.code == "too-few-ratings"
    with pytest.raises(OpsError, match=r"is 0\."):
        requests_of(asking, sample)
    assert len(requests_of(asking, sample, ratings=ratings(sample, "anna"))) == 30


def test_costs(tmp_path: Path) -> None:
    body = requests_of(judge(), study(tmp_path, "a"))[0].body
    priced = judge(price=Price(2.0, 10.0))
    assert cost_of(priced, 1_000_000, 100_000) == 3.0
    assert cost_of(judge(), 1, 1) is None
    assert cost_of(priced, None, 1) is None
    likely, most = likely_cost(priced, body), most_cost(priced, body)
    assert likely is not None
    assert most is not None
    assert cost_of(priced, prompt_tokens(body), 512) == likely < most
    assert most_cost(judge(), body) is None
    letters = len(json.dumps(body["messages"])) + len(json.dumps(body["response_format"]))
    assert abs(prompt_tokens(body) - letters / 4) < letters * 0.05
