"""Judges' words as scores: the published replies of SummEval, each way to word a score, and anything at all."""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from annotator_ops.judging.asked import Asked
from annotator_ops.judging.replies import Parsed, parse_reply, parse_words

AGREEING = {"Strongly disagree": 1, "Disagree": 2, "Neither": 3, "Agree": 4, "Strongly agree": 5}
STARS = Asked("coherence", "Coherence", 1.0, 5.0)
WORDS = Asked("agree", "Agreement", 1.0, 5.0, AGREEING)
PAIR = Asked("pair", "Better", None, None, ("left", "right"), integers=False)
SIGNED = Asked("n", "N", -2.0, 2.0)
OPEN = Asked("count", "Count", None, None, integers=False)
LETTERS = Asked("choice", "Choice", None, None, ("A", "B", "tie"), integers=False)

# --- SummEval --------------------------------------------------------------------------------------------------------

CRITERIA = ("coherence", "consistency", "fluency", "relevance")
# Spearman of each judge and of their mean with the experts' mean, as published with the data.
PUBLISHED = {
    "coherence": (0.4436, 0.4478, 0.5345),
    "consistency": (0.4233, 0.5565, 0.4748),
    "fluency": (0.2849, 0.4980, 0.4110),
    "relevance": (0.4479, 0.4271, 0.4915),
}
# The same where the 22 replies below are read as they are written.
AS_WRITTEN = {
    "coherence": (0.4436, 0.4439, 0.5316),
    "consistency": (0.4233, 0.5548, 0.4730),
    "fluency": (0.2849, 0.4998, 0.4121),
    "relevance": (0.4468, 0.4216, 0.4881),
}
Key = tuple[str, str, str]


@pytest.fixture(scope="module")
def replies(shared_data: Callable[[str], Path]) -> dict[Key, str]:
    lines = shared_data("summeval/judge-replies.jsonl").read_text().splitlines()
    return {(row["judge"], row["item"], row["criterion"]): row["reply"] for row in map(json.loads, lines)}


@pytest.fixture(scope="module")
def published(shared_data: Callable[[str], Path]) -> dict[Key, float]:
    with shared_data("summeval/judges.csv").open() as file:
        return {(row["rater"], row["item"], row["criterion"]): float(row["value"]) for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def read(replies: dict[Key, str]) -> dict[Key, float | None]:
    asked = {name: Asked(name, name.capitalize(), 1.0, 5.0) for name in CRITERIA}
    begun = time.process_time()
    found = {key: parse_words(reply, asked[key[2]]) for key, reply in replies.items()}
    assert time.process_time() - begun < 2.5, "9,600 replies take well under a second on an idle machine"
    assert all(each.value is None or isinstance(each.value, float) for each in found.values())
    return {key: each.value if isinstance(each.value, float) else None for key, each in found.items()}


def test_the_replies_of_summeval_are_read_as_published_save_22(
    replies: dict[Key, str], published: dict[Key, float], read: dict[Key, float | None]
) -> None:
    differ = {key: (read[key], published[key]) for key in replies if read[key] != published[key]}
    assert (len(replies), len(differ)) == (9600, 22)
    kinds = Counter((mine is None, theirs) for mine, theirs in differ.values())
    # 19 replies end with a score ("…; 3 out of 5.", "… instead. 4.5") that was published as 5, one ends "from 16
    # attempts … 2." and was published as 1, and two say no score at all and were published as 1.
    assert kinds == {(False, 5.0): 19, (False, 1.0): 1, (True, 1.0): 2}
    for key, (mine, _) in differ.items():
        assert mine is None or f"{mine:g}" in replies[key][-30:]
    halves = [value for value in read.values() if value is not None and not value.is_integer()]
    assert len(halves) == 199 + 8, "scores between two whole numbers are kept: 199 published ones, 8 published as 5"


def correlations(
    scores: Mapping[Key, float | None], experts: dict[tuple[str, str], list[float]], name: str
) -> tuple[float, ...]:
    items = sorted({key[1] for key in scores})
    judges = sorted({key[0] for key in scores})
    human = np.array([np.mean(experts[item, name]) for item in items])
    given = np.array([[scores[judge, item, name] for item in items] for judge in judges], dtype=float)
    rows = [*given, given.mean(axis=0)]
    return tuple(float(spearmanr(human[~np.isnan(row)], row[~np.isnan(row)])[0]) for row in rows)


def test_the_correlations_of_summeval(
    shared_data: Callable[[str], Path], published: dict[Key, float], read: dict[Key, float | None]
) -> None:
    experts: dict[tuple[str, str], list[float]] = {}
    with shared_data("summeval/ratings-experts.csv").open() as file:
        for row in csv.DictReader(file):
            experts.setdefault((row["item"], row["criterion"]), []).append(float(row["value"]))
    mended = {key: published[key] if value != published[key] else value for key, value in read.items()}
    for name in CRITERIA:
        assert correlations(mended, experts, name) == pytest.approx(PUBLISHED[name], abs=5e-5)
        assert correlations(read, experts, name) == pytest.approx(AS_WRITTEN[name], abs=5e-5)


# --- wordings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("4", 4.0),
        ("four", 4.0),
        ("**4**", 4.0),
        ("[[4]]", 4.0),
        ('"4"', 4.0),
        ("5 stars", 5.0),
        (r"\boxed{4}", 4.0),
        ("Score: 3/5", 3.0),
        ("4 out of 5", 4.0),
        ("**Rating**: 4", 4.0),
        ("Score (1-5): 4", 4.0),
        ("Score: **four** out of five", 4.0),
        ("Coherence: 4", 4.0),
        ("It jumps about, resulting in a score of 2.", 2.0),
        ("disjointed, scoring a one out of five.", 1.0),
        ("I would give this a 3", 3.0),
        ("I would rate it a solid 4.", 4.0),
        ("On a scale of 1 to 5, I give it a 4.", 4.0),
        ("irrelevant (1).", 1.0),
        ("4 - because it is good", 4.0),
        ("4\n\nThe summary is clear.", 4.0),
        ("1. It is clear.\n2. It flows.\nScore: 4", 4.0),
        ("Score: 3. On second thoughts … Final score: 4", 4.0),
        ("Score: 4 because 3 of 5 facts are there", 4.0),
        ("<think>Score: 2? No.</think>\nScore: 4", 4.0),
        ("Score: 3,5", 3.5),
        ("Оценка: 4", 4.0),
        ("{'score': 4}", 4.0),
        ('{"score": 4}', 4.0),
        ('{"coherence": 4}', 4.0),
        ('Sure!\n```json\n{"coherence": {"reason": "said {3}", "score": 4}}\n```\nHope that helps.', 4.0),
        ('{"scores": {"Coherence": {"score": "4/5"}}}', 4.0),
        ('[{"criterion": "coherence", "score": 4}]', 4.0),
    ],
)
def test_a_score_is_found(reply: str, score: float) -> None:
    assert parse_words(reply, STARS) == Parsed(score)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Score: 7",
        "Score: 0",
        "Score: -1",
        "{'score': 6}",
        '{"coherence": 9}',
        "8/10",
        "Score: 8/10",
        "Score: 80%",
        "1,200",
        "3-4",
        "Score: 3–4",
        "3 or 4",
        "between 2 and 3",
        "The score is somewhere between 3 and 4",
        "Score: 3\nScore: 4",
        "4/5 for coherence, though 3/5 for style",
        "I do not think it deserves a score of 5.",
        "Score: N/A",
        "The summary mentions 4 facts.",
        '{"score": 3, "score": 4}',
        '{"coherence": 3} or rather {"coherence": 4}',
        '{"coherence": null}',
        '{"coherence": true}',
        '{"coherence": {"reason": "none"}}',
        '{"coherence": NaN}',
    ],
)
def test_nothing_is_clipped_or_guessed(reply: str) -> None:
    assert parse_words(reply, STARS) == Parsed(None, "unparsable")


@pytest.mark.parametrize(
    "reply",
    [
        "I cannot rate this dialogue.",
        "I can’t score content of this kind.",
        "I'm sorry, but I can't help with that.",
        "I cannot give this a score of 5 or any other.",
        "As an AI language model, I have no opinions.",
        "The response was stopped by the content filter.",
        "Я не могу оценить этот текст.",
        "Извините, но это не текст.",
    ],
)
def test_a_refusal_is_no_score(reply: str) -> None:
    assert parse_words(reply, STARS) == Parsed(None, "refused")


@pytest.mark.parametrize(
    ("reply", "asked", "value"),
    [
        ("Agree", WORDS, 4.0),
        ("**Strongly disagree**", WORDS, 1.0),
        ("Answer: Disagree.", WORDS, 2.0),
        ("Score: 4 (Agree)", WORDS, 4.0),
        ('{"agree": {"score": "strongly agree"}}', WORDS, 5.0),
        ("All in all I strongly agree with it.", WORDS, 5.0),
        ("I do not agree", WORDS, None),
        ("Agree or disagree, who knows", WORDS, None),
        ("Left", PAIR, "left"),
        ("The left response is better than the right.", PAIR, "left"),
        ("I prefer the right one.", PAIR, "right"),
        ("Verdict: left or right", PAIR, None),
        ("The right is not better", PAIR, None),
        ("The left is worse than the right", PAIR, None),
        ('{"pair": {"reason": "…", "score": "Right"}}', PAIR, "right"),
        ("1", PAIR, None),
        ("Answer: A", LETTERS, "A"),
        ("[[B]]", LETTERS, "B"),
        ("Answer: a good one", LETTERS, None),
        ("tie", LETTERS, "tie"),
        ("-2", SIGNED, -2.0),
        ("Score: −1", SIGNED, -1.0),
        ("Score - 1", SIGNED, 1.0),
        ("Score: -3", SIGNED, None),
        ("Count: 120", OPEN, 120.0),
        ('{"count": 2.5}', OPEN, 2.5),
    ],
)
def test_each_scale_has_its_own_words(reply: str, asked: Asked, value: float | str | None) -> None:
    assert parse_words(reply, asked) == Parsed(value, None if value is not None else "unparsable")


def test_each_criterion_has_its_own_part_of_a_reply() -> None:
    both = (STARS, WORDS)
    right = {"coherence": Parsed(4.0), "agree": Parsed(2.0)}
    assert parse_reply("Coherence: 4\nAgreement: Disagree", both) == right
    assert parse_reply("**Coherence**: 4/5 - good. **Agreement**: Disagree.", both) == right
    assert parse_reply("### Coherence\nIt flows.\nScore: 4\n\n### Agreement\nScore: 2", both) == right
    assert (
        parse_reply('{"coherence": {"reason": "a", "score": 4}, "agree": {"reason": "b", "score": 2}}', both) == right
    )
    lost = Parsed(None, "unparsable")
    assert parse_reply('{"coherence": {"reason": "a", "score": 4}}', both) == {**right, "agree": lost}
    assert parse_reply("4", both) == {"coherence": lost, "agree": lost}, "nobody knows which is meant"
    refused = Parsed(None, "refused")
    assert parse_reply("I cannot do that.", both) == {"coherence": refused, "agree": refused}


def test_a_criterion_may_be_called_what_a_score_is_called() -> None:
    asked = (STARS, Asked("score", "Score", 1.0, 5.0), Asked("rating", "Rating", 1.0, 5.0))
    reply = {each.name: {"reason": "so", "score": place} for place, each in enumerate(asked, start=2)}
    assert {name: each.value for name, each in parse_reply(json.dumps(reply), asked).items()} == {
        "coherence": 2.0, "score": 3.0, "rating": 4.0
    }  # fmt: skip


# --- anything --------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ["Score: ", "4", "9", "-1", "3.5", "{", "}", '"', '{"coherence": ', '"score": ', ", ", "\n", "I cannot", "Agree",
     "left", " is better", "between ", " and ", "/5", "out of ", "1e999", "NaN", "[" * 50, "<think>", "²", "٣", "("]
)  # fmt: skip
ASKED = st.sampled_from([STARS, WORDS, PAIR, SIGNED, OPEN, LETTERS])


@given(
    st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join)),
    st.lists(ASKED, min_size=1, unique_by=lambda each: each.name),
)
@example('{"coherence": ' * 5000, [STARS])
@example('{"coherence": 1' + "0" * 5000 + "}", [STARS])
@example("1" * 5000, [OPEN])
@example("NEİTHER", [WORDS])
@example("Neıther", [WORDS, PAIR])
@example("Answer: rıght", [PAIR])
def test_whatever_is_said_a_score_is_on_the_scale_or_there_is_a_reason(reply: str, asked: list[Asked]) -> None:
    found = parse_reply(reply, asked)
    assert found.keys() == {each.name for each in asked}
    for each in asked:
        value, reason = found[each.name].value, found[each.name].reason
        if value is None:
            assert reason in {"refused", "unparsable"}
            continue
        assert reason is None
        if each.nominal:
            assert value in each.labels
        else:
            assert isinstance(value, float)
            assert each.holds(value)
            assert np.isfinite(value)


@given(st.sampled_from([1, 2, 3, 4, 5]), st.text(alphabet=st.characters(exclude_characters='"\\', max_codepoint=2000)))
def test_what_a_schema_asks_for_is_always_read(score: int, reason: str) -> None:
    reply = json.dumps({"coherence": {"reason": reason, "score": score}}, ensure_ascii=False)
    assert parse_words(reply, STARS) == Parsed(float(score))


def test_long_replies_take_no_longer_than_they_are_long() -> None:
    begun = time.process_time()
    for text in ("not " * 20_000, "{" * 20_000, "Score " * 20_000, "1 of " * 20_000, "the " * 20_000, "3." * 20_000):
        for asked in (STARS, WORDS, PAIR):
            parse_words(text, asked)
    assert time.process_time() - begun < 30
