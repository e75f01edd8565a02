"""Token probabilities as probabilities of scores: whichever tokens a score is written in, and damage without harm."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator_ops.judging.asked import Asked
from annotator_ops.judging.probabilities import distributions, expected

STARS = Asked("coherence", "Coherence", 1.0, 5.0)
TEN = Asked("ten", "Ten", 1.0, 10.0)
AGREEING = Asked("agree", "Agreement", 1.0, 3.0, {"Strongly disagree": 1, "Neither": 2, "Strongly agree": 3})
PAIR = Asked("pair", "Better", None, None, ("left", "right"), integers=False)


def token(text: str, chance: float = 1.0, **others: float) -> dict[str, Any]:
    """A token as an endpoint reports it, with others in its place; `_` in a name stands for a space."""
    every = {text: chance} | {name.replace("_", " "): mass for name, mass in others.items()}
    top = [{"token": name, "logprob": math.log(mass)} for name, mass in every.items()]
    return {"token": text, "logprob": math.log(chance), "bytes": None, "top_logprobs": top}


def reply(*tokens: dict[str, Any] | str) -> dict[str, Any]:
    return {"content": [token(each) if isinstance(each, str) else each for each in tokens], "refusal": None}


HEAD = ('{"', "coherence", '":', ' {"reason', '": "', "5 of 5", '", "', "score", '": ')


def test_the_scores_token_is_found_and_scaled_to_the_scale() -> None:
    logprobs = reply(*HEAD, token("4", 0.6, **{"3": 0.2, "9": 0.15, "four": 0.05}), "}}")
    found = distributions(logprobs, [STARS], {"coherence": 4.0})["coherence"]
    assert found == pytest.approx({4.0: 0.75, 3.0: 0.25})
    assert expected(found) == pytest.approx(3.75)


@pytest.mark.parametrize("form", ["{}", " {}", '": {}', "{},", "{}}}", " {}\n", '"{}"'])
def test_a_score_within_a_longer_token(form: str) -> None:
    start = HEAD[:-1] if form.startswith('":') else (*HEAD[:-1], '":')
    chosen, other = form.format(4), form.format(2)
    found = distributions(reply(*start, token(chosen, 0.9, **{other: 0.1}), "}"), [STARS], {"coherence": 4.0})
    assert found["coherence"] == pytest.approx({4.0: 0.9, 2.0: 0.1})


def test_ten_as_one_token_or_as_two() -> None:
    head = ('{"ten": {"score": ',)
    whole = reply(*head, token("10", 0.5, **{"1": 0.3, "7": 0.2}), "}}")
    assert distributions(whole, [TEN], {"ten": 10.0})["ten"] == pytest.approx({10.0: 0.5, 1.0: 0.3, 7.0: 0.2})
    halves = reply(*head, token("1", 0.8, **{"7": 0.2}), token("0", 0.75, **{"}": 0.25}), "}}")
    found = distributions(halves, [TEN], {"ten": 10.0})["ten"]
    assert found == pytest.approx({10.0: 0.6, 1.0: 0.2, 7.0: 0.2})
    one = reply(*head, token("1", 0.8, **{"7": 0.2}), token("}", 0.75, **{"0": 0.25}), "}")
    assert distributions(one, [TEN], {"ten": 1.0})["ten"] == pytest.approx({1.0: 0.6, 10.0: 0.2, 7.0: 0.2})


def test_words_by_the_first_token_that_tells_them_apart() -> None:
    head = ('{"agree": {"score": "',)
    tokens = (token("Strong", 0.9, Ne=0.1), "ly", token(" agree", 0.7, **{" dis": 0.3}), '"}}')
    found = distributions(reply(*head, *tokens), [AGREEING], {"agree": 3.0})["agree"]
    assert found == pytest.approx({3.0: 0.63, 1.0: 0.27, 2.0: 0.1})
    sides = reply('{"pair": "', token("left", 0.8, right=0.15, Left=0.05), '"}')
    both = distributions(sides, [PAIR], {"pair": "left"})["pair"]
    assert both == pytest.approx({"left": 0.85, "right": 0.15})
    assert expected(both) is None


def test_each_criterion_has_its_own_place() -> None:
    tokens = (
        '{"coherence": {"score": ',
        token("4", 0.6, **{"5": 0.4}),
        '}, "ten": {"score": ',
        token("4", 0.9, **{"8": 0.1}),
        "}}",
    )
    found = distributions(reply(*tokens), [STARS, TEN], {"coherence": 4.0, "ten": 4.0})
    assert found["coherence"] == pytest.approx({4.0: 0.6, 5.0: 0.4})
    assert found["ten"] == pytest.approx({4.0: 0.9, 8.0: 0.1})


def test_scores_in_words() -> None:
    said = reply("It has", " 3", " faults", ". Score", ":", token(" 4", 0.6, _5=0.4), ".")
    assert distributions(said, [STARS], {"coherence": 4.0})["coherence"] == pytest.approx({4.0: 0.6, 5.0: 0.4})
    assert distributions(reply(token("4", 0.5, **{"5": 0.5})), [STARS], {"coherence": 4.0})["coherence"] == {
        4.0: 0.5,
        5.0: 0.5,
    }
    unclear = reply("4", " or so, say ", token("4", 0.5))
    assert distributions(unclear, [STARS], {"coherence": 4.0}) == {}, "which of the two is the score is not known"


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": None},
        {"content": []},
        {"content": [{"token": "4"}]},
        {"content": [{"token": "4", "logprob": "x"}]},
        {"content": [{"token": "4", "logprob": math.nan}]},
        {"content": ["4"]},
        [1],
    ],
)
def test_no_probabilities_no_confidence(logprobs: Any) -> None:
    assert distributions(logprobs, [STARS], {"coherence": 4.0}) == {}


def test_only_what_was_read_on_a_scale_of_steps_has_a_distribution() -> None:
    logprobs = reply('{"coherence": ', token("4", 0.9), "}")
    assert distributions(logprobs, [STARS], {}) == {}
    assert distributions(logprobs, [STARS], {"coherence": 3.5}) == {}
    assert distributions(logprobs, [Asked("coherence", "", 0.0, 9.0, integers=False)], {"coherence": 4.0}) == {}
    assert distributions({"content": [{"token": "4", "logprob": -0.1}]}, [STARS], {"coherence": 4.0}) == {
        "coherence": {4.0: 1.0}
    }, "without others in its place it is all that is known"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["content", "token", "logprob", "top_logprobs"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_damage_does_no_harm(logprobs: Any) -> None:
    distributions(logprobs, [STARS], {"coherence": 4.0})


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5, unique=True), st.data())
def test_the_masses_sum_to_one(values: list[int], data: st.DataObject) -> None:
    masses = data.draw(st.lists(st.floats(0.001, 1), min_size=len(values), max_size=len(values)))
    total = sum(masses) * data.draw(st.floats(1, 3))
    chances = {str(value): mass / total for value, mass in zip(values, masses, strict=True)}
    first = str(values[0])
    text = json.dumps({"coherence": {"score": 0}}).split("0")[0]
    logprobs = reply(text, token(first, chances.pop(first), **chances), "}}")
    found = distributions(logprobs, [STARS], {"coherence": float(first)})["coherence"]
    assert sum(found.values()) == pytest.approx(1)
    assert set(found) == set(map(float, values))
    assert found[float(first)] == pytest.approx(masses[0] / sum(masses))
