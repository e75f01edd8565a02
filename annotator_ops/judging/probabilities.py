"""Layer 2. How sure a judge is of a score, from the probabilities of the tokens that it is written in."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotator_ops.judging.asked import Asked
from annotator_ops.measures import Value

Distribution = Mapping[Value, float]

# What may stand around a value inside its token.
_BEFORE = " \t\r\n\"'*_`:[({"
_AFTER = "\"'*_`,;:}])\n\r."
_SCORE_KEY = re.compile(r'(?<!\\)"(?:score|rating|value|answer|verdict|label)"\s*:\s*"?', re.IGNORECASE)
_LONGEST_VALUE = 12


@dataclass(frozen=True, slots=True)
class _Token:
    """A token of the reply: where it starts, and how probable it and the others in its place were."""

    text: str
    start: int
    others: Mapping[str, float]


def distributions(logprobs: Any, asked: Sequence[Asked], values: Mapping[str, Value]) -> dict[str, Distribution]:
    """How probable each answer on a criterion's scale was where its score stands, by criterion; they sum to 1.

    `logprobs` is a chat completion's (`content`: tokens, each with `logprob` and `top_logprobs`), `values` are the
    scores that were read in the reply. What is not among the most probable tokens counts as 0, and what is no answer of
    the scale is left out before the rest is scaled to 1. A criterion whose probabilities cannot be told is absent: no
    or damaged log-probabilities, a scale without steps, a score that is not found. Never raises.
    """
    tokens = _tokens(logprobs)
    if not tokens:
        return {}
    text = "".join(token.text for token in tokens)
    found: dict[str, Distribution] = {}
    for each in asked:
        answers = _answers(each)
        if each.name not in values or not answers:
            continue
        place = _place(text, each, answers, values[each.name], alone=len(asked) == 1)
        spread = None if place is None else _spread(tokens, place, answers)
        total = sum(spread.values()) if spread else 0.0
        if spread and total > 0 and values[each.name] in spread:
            found[each.name] = {value: mass / total for value, mass in spread.items()}
    return found


def expected(distribution: Distribution) -> float | None:
    """The mean score of a distribution over numbers; None over labels."""
    numbers = [(value, mass) for value, mass in distribution.items() if isinstance(value, (int, float))]
    return sum(value * mass for value, mass in numbers) if len(numbers) == len(distribution) and numbers else None


def _tokens(logprobs: Any) -> list[_Token]:
    """The tokens; an empty list where anything in them is not as it must be."""
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(content, list):
        return []
    tokens: list[_Token] = []
    start = 0
    for entry in content:
        if not isinstance(entry, Mapping):
            return []
        top = entry.get("top_logprobs")
        others: dict[str, float] = {}
        for each in (entry, *(top if isinstance(top, list) else [])):
            token = each.get("token") if isinstance(each, Mapping) else None
            logprob = each.get("logprob") if isinstance(each, Mapping) else None
            if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, (int, float)):
                return []
            if not logprob <= 1e-6:  # NaN, too
                return []
            others[token] = math.exp(min(float(logprob), 0.0))
        tokens.append(_Token(entry["token"], start, others))
        start += len(entry["token"])
    return tokens


def _answers(asked: Asked) -> dict[str, Value]:
    """The ways to write each answer, in lower case, with the answer."""
    ways: dict[str, Value] = {f"{step:g}": step for step in asked.steps}
    if isinstance(asked.labels, Mapping):
        ways |= {label.lower(): float(number) for label, number in asked.labels.items() if label}
    elif asked.nominal:
        ways = {label.lower(): label for label in asked.labels if label}
    return ways


def _place(text: str, asked: Asked, answers: Mapping[str, Value], value: Value, *, alone: bool) -> int | None:
    """Where in a reply the criterion's score begins."""
    ways = [re.escape(way) for way, meant in answers.items() if meant == value]
    if not ways:
        return None
    written = re.compile(rf"(?<![\w.])(?:{'|'.join(sorted(ways, key=len, reverse=True))})(?!\w|\.\d)", re.IGNORECASE)
    names = "|".join(re.escape(name) for name in dict.fromkeys((asked.name, asked.title)) if name)
    keys = list(re.finditer(rf'(?<!\\)"(?:{names})"\s*:\s*"?', text, re.IGNORECASE))
    if keys:
        place = keys[-1].end()
        if text[place : place + 1] == "{":
            score = _SCORE_KEY.search(text, place)
            place = score.end() if score else len(text)
        return place if written.match(text, place) else None
    if alone and (score := _SCORE_KEY.search(text)):
        return score.end() if written.match(text, score.end()) else None
    cue = rf"(?:{names})" if not alone else rf"(?:{names}|scores?|ratings?|answer|verdict)"
    cued = list(re.finditer(rf"(?<!\w){cue}\W*?(?:\s(?:is|of)\W*)?(?={written.pattern})", text, re.IGNORECASE))
    if cued:
        return cued[-1].end()
    every = [found.start() for found in written.finditer(text)]
    return every[0] if alone and len(every) == 1 else None


def _spread(tokens: Sequence[_Token], place: int, answers: Mapping[str, Value]) -> dict[Value, float]:
    """The probability of each answer at a place of the reply, not yet scaled.

    An answer of several tokens ("10" as "1" and "0") is followed along the tokens that were chosen: those of the others
    are not known, so there the first token stands for the answer that it is, or else for the only one that begins so.
    """
    at = max(number for number, token in enumerate(tokens) if token.start <= place)
    spread: dict[Value, float] = {}
    written, reached = "", 1.0
    for depth, token in enumerate(tokens[at : at + _LONGEST_VALUE]):
        offset = place - token.start if depth == 0 else 0
        goes_on = False
        for other, mass in token.others.items():
            chosen = other == token.text
            begun = written + _begun(other, token.text, offset, first=depth == 0)
            meant, sure = _meant(begun.lower(), answers)
            if chosen and not sure:
                goes_on = True
            elif meant is not None:
                spread[meant] = spread.get(meant, 0.0) + reached * mass
        if not goes_on:
            return spread
        written += _begun(token.text, token.text, offset, first=depth == 0)
        reached *= token.others[token.text]
    meant = answers.get(written.strip(_AFTER + " ").lower())
    if meant is not None:  # the reply ends with it
        spread[meant] = spread.get(meant, 0.0) + reached
    return spread


def _begun(other: str, chosen: str, offset: int, *, first: bool) -> str:
    """The part of a token that belongs to the value."""
    if not first:
        return other
    return other[offset:].lstrip(_BEFORE) if other.startswith(chosen[:offset]) else other.lstrip(_BEFORE)


def _meant(begun: str, answers: Mapping[str, Value]) -> tuple[Value | None, bool]:
    """The answer that begins so, as far as it can be told, and whether no further token can change it."""
    value = begun.rstrip(_AFTER)
    if value != begun and value in answers and not any(way != value and way.startswith(begun) for way in answers):
        return answers[value], True
    if not begun.strip():
        return None, False
    longer = {answers[way] for way in answers if way.startswith(begun)}
    if len(longer) == 1:
        return longer.pop(), True
    if begun.rstrip() != begun and begun.rstrip() in answers and not longer:
        return answers[begun.rstrip()], True
    return answers.get(begun), not longer
