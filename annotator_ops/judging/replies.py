"""Layer 2. A judge's reply as scores: from the JSON in it, else from its words; what is none keeps its reason."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotator_ops.judging.asked import Asked
from annotator_ops.judging.score_words import Found, Said, Wording, wording
from annotator_ops.measures import Value
from annotator_ops.rating_cells import computable

REFUSED = "refused"
UNPARSABLE = "unparsable"

_SCORE_KEYS = ("score", "rating", "value", "answer", "verdict", "label", "choice", "grade", "preference", "judgement")
_NAME_KEYS = ("criterion", "name", "aspect", "dimension")
_DEEPEST = 4
_MOST_OBJECTS = 50
# What a reasoning model thought before it answered.
_THOUGHT = re.compile(r"^.*</think(?:ing)?>|<think(?:ing)?>.*$", re.DOTALL | re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(?:i|we)(?:['’]m|\s+am|\s+are)?\s+(?:\w+\s+){0,2}?(?:cannot|can\s?not|can['’]?t|could\s?n['’]?t|won['’]?t|"
    r"will\s+not|unable\s+to|not\s+able\s+to|not\s+(?:comfortable|willing)|must\s+decline|decline\s+to|refuse\s+to)"
    r"(?!\s+(?:\w+\s+){0,4}?(?:higher|lower|more|less|above|below)\b)"
    r"|\bi(?:['’]m|\s+am)\s+sorry\b|^\W*(?:sorry\b|(?:my\s+)?apologi[esz]+\b)|\bi\s+apologi[sz]e\b"
    r"|\bas\s+an?\s+(?:ai|artificial|large\s+language|language)\b"
    r"|\bcontent\s+(?:filter|management|policy)|\bviolat\w+\s+[\w\s]{0,30}(?:polic|guideline)"
    r"|(?:^|[^\w])я\s+не\s+(?:могу|буду|стану|в\s+состоянии)\b|^\W*(?:извините|простите)\b|\bне\s+могу\s+(?:оценить|помочь)",
    re.IGNORECASE,
)
# One of these is in every refusal: looking for them first is fast.
_SIGNS = (
    *("cannot", "can not", "can't", "can’t", "cant", "could", "won't", "won’t", "wont", "will not", "able to"),
    *("not comfortable", "not willing", "decline", "refuse", "sorry", "apolog", "as an", "as a ", "content", "violat"),
    *("не могу", "не буду", "не стану", "не в состоянии", "извините", "простите", "я "),
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A reply's score on a criterion, or None and why: "refused" or "unparsable"."""

    value: Value | None
    reason: str | None = None


def parse_words(reply: str, asked: Asked) -> Parsed:
    """The score of the one criterion that a reply is about, from JSON or from words. Never raises.

    A score is on the scale, between its ends or one of its labels. One off it, of another scale (8/10), a range (3-4),
    or two that differ, none of them called final, is unparsable: nothing is clipped, rounded or guessed.
    """
    return parse_reply(reply, (asked,))[asked.name]


def parse_reply(reply: str, asked: Sequence[Asked]) -> dict[str, Parsed]:
    """The scores of all criteria in a reply, by the criterion's name; see `parse_words`."""
    text = _THOUGHT.sub("", reply) if "think" in reply else reply
    objects, rest = _objects(text)
    parts = {asked[0].name: rest} if len(asked) == 1 else _parts(rest, asked)
    refuses: bool | None = None
    parsed = {}
    for each in asked:
        words = wording(each)
        found = _structured(objects, each, words, alone=len(asked) == 1)
        part = parts.get(each.name, "")
        if found is Said.NOTHING:
            found = words.plain(part)
        if found is Said.NOTHING:
            # "I cannot give a score of 5": a number in a sentence of a refusal is no score.
            refuses = _refuses(rest) if refuses is None else refuses
            found = found if refuses else words.in_sentences(part)
        if isinstance(found, Said):
            parsed[each.name] = Parsed(None, REFUSED if found is Said.NOTHING and refuses else UNPARSABLE)
        else:
            parsed[each.name] = Parsed(found)
    return parsed


def _refuses(text: str) -> bool:
    lowered = text.lower()
    return any(sign in lowered for sign in _SIGNS) and _REFUSAL.search(text) is not None


# --- JSON ------------------------------------------------------------------------------------------------------------


def _objects(text: str) -> tuple[list[dict[str, Any]], str]:
    """The JSON objects in a text, and the text without them."""
    if "{" not in text:
        return [], text
    found: list[dict[str, Any]] = []
    rest: list[str] = []
    decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=lambda _: Said.UNCLEAR)
    place = 0
    for _ in range(_MOST_OBJECTS):
        start = text.find("{", place)
        if start < 0:
            break
        rest.append(text[place:start])
        try:
            content, place = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            rest.append("{")
            place = start + 1
        else:
            found.append(content)
    return found, "".join((*rest, text[place:]))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose key that stands there twice with different values has none."""
    content: dict[str, Any] = {}
    for key, value in pairs:
        content[key] = value if content.get(key, value) == value else Said.UNCLEAR
    return content


def _structured(objects: Sequence[dict[str, Any]], asked: Asked, words: Wording, *, alone: bool) -> Found:
    """What the objects say about the criterion: under its name or, where it is `alone`, a score without a name."""
    if not objects:
        return Said.NOTHING
    names = {_key(asked.name), _key(asked.title)} - {""}
    found = [_scored(value, words) for content in objects for value in _named(content, names)]
    if not found and alone:
        found = [_scored(content, words) for content in objects if _score_of(content) is not None]
    if not found:
        return Said.NOTHING
    return found[0] if all(each == found[0] for each in found) and found[0] is not Said.NOTHING else Said.UNCLEAR


def _named(content: Any, names: set[str]) -> list[Any]:
    """What stands under one of the names, where that is nearest to the top: a criterion may be called "score"."""
    level = [content]
    for _ in range(_DEEPEST):
        found, below = [], []
        for each in level:
            about = next((each[key] for key in _NAME_KEYS if isinstance(each.get(key), str)), None)
            if about is not None and _key(about) in names:
                found.append(each)
                continue
            found += [value for key, value in each.items() if _key(key) in names]
            for value in each.values():
                below += [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, dict)]
        if found:
            return found
        level = below
    return []


def _score_of(content: Mapping[str, Any]) -> tuple[Any] | None:
    """The score in an object, in a tuple, since it can be null; None where the object has no such key."""
    by_key = {_key(key): value for key, value in content.items()}
    return next(((by_key[key],) for key in _SCORE_KEYS if key in by_key), None)


def _scored(value: Any, words: Wording) -> Found:
    if isinstance(value, dict):
        score = _score_of(value)
        value = score[0] if score else None
    if isinstance(value, str):
        return words.alone(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not computable(value):
        return Said.UNCLEAR
    return words.number(float(value))


def _key(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())


# --- several criteria in words ---------------------------------------------------------------------------------------


def _parts(text: str, asked: Sequence[Asked]) -> dict[str, str]:
    """The part of a text about each criterion: from its name at the start of a line, or else before a colon, on."""
    names: dict[str, str] = {}
    for each in asked:
        for name in (each.name, each.name.replace("_", " "), each.title):
            if name:
                names.setdefault(_key(name), each.name)
    if not names:
        return {}
    either = "|".join(re.escape(name).replace(r"\ ", r"[\s_]+") for name in sorted(names, key=len, reverse=True))
    heads: list[re.Match[str]] = []
    for pattern in (rf"^[^\w\n]*(?:\d+[.)]\s*)?\W*({either})(?!\w)", rf"(?<!\w)({either})(?!\w)(?=[^\w\n]{{0,5}}[:=])"):
        found = list(re.finditer(pattern, text, re.IGNORECASE | re.MULTILINE))
        if len({_key(head[1]) for head in found}) > len({_key(head[1]) for head in heads}):
            heads = found
    if not heads:
        return {}
    ends = [*(head.start() for head in heads[1:]), len(text)]
    parts: dict[str, str] = {}
    for head, end in zip(heads, ends, strict=True):
        name = names.get(_key(head[1]), "")
        # A criterion that is spoken of twice may be given two scores; both are then in its part.
        parts[name] = f"{parts[name]}\n{text[head.start() : end]}" if name in parts else text[head.start() : end]
    return parts
