"""Layer 2. A score in a judge's own words: what a text says to be the score, or that it says none, or several."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from annotator_ops.judging.asked import Asked
from annotator_ops.measures import Value
from annotator_ops.rating_cells import NUMBER


class Said(enum.Enum):
    """What a text says where it says no score: none at all, or several, or one that is off the scale."""

    NOTHING = enum.auto()
    UNCLEAR = enum.auto()


Found = Value | Said

_DIGITS = "zero one two three four five six seven eight nine ten"
_NUMERALS = {word: float(number) for number, word in enumerate(_DIGITS.split())}
_NUMERAL = "|".join(_NUMERALS)
# A number as a whole: not the start of a longer one (1,200), of a percentage or of a word (2nd).
_NUMBER = rf"(?:[+\-−]?\d+(?:\.\d+|,\d{{1,2}})?(?![\d%]|[.,]\d|\w)|(?:{_NUMERAL})(?![\w-]))"
_OUT_OF = r"[*_\s]*(?:/|\bout\s+of\b|\bof\b|\bиз\b)[*_\s]*"
_OPEN = r"[\s*_`\"'“”‘’«(\[<{]*"
_SHUT = r"[*_`\"'“”‘’»)\]>}]*"
_FILLER = r"(?:(?:the|this|that|an?|option|answer|response|label|number|is|of|at|as|just|only|about|around)\s+)*"
_RANGE = rf"{_SHUT}\s*(?:[-–—~]|to\b|or\b|and\b|или\b|до\b)\s*{_OPEN}{_NUMBER}"
_VALUE = re.compile(
    rf"{_OPEN}{_FILLER}{_OPEN}(?P<number>{_NUMBER})(?:{_OUT_OF}(?P<of>{_NUMBER}))?(?P<range>{_RANGE})?", re.IGNORECASE
)
_OF_SCALE = re.compile(rf"(?<![\w.,/\-])(?P<number>{_NUMBER}){_OUT_OF}(?P<of>{_NUMBER})(?P<range>{_RANGE})?", re.I)
_BETWEEN = re.compile(rf"\s*{_FILLER}(?:somewhere\s+)?(?:between|from|между|от)\s+{_OPEN}{_NUMBER}", re.IGNORECASE)
_LACKING = re.compile(rf"{_OPEN}(?:(?:n/?a|none|null|unknown|not|cannot|can['’]t|unable)\b|-\s*$)", re.IGNORECASE)

_SCORE = r"(?:scores?|ratings?|grades?|marks?|оценк[аиу]|балл(?:ы|ов|а)?)"
_ANSWER = r"(?:answer|verdict|choice|preference|label|category|class|judge?ment|decision|winner|ответ|вердикт|выбор)"
_COLON = rf"{_SHUT}\s*(?:\([^()\n]{{0,60}}\))?{_SHUT}\s*(?::|=|->|→|[-–—](?=\s))"
_IS = r"(?:\s+(?:is|was|of|as|at|an?|the|would|will|should|be|it|to|them|therefore|thus|then))*(?=[\s*_`\"'“(\[])"
_FINAL = rf"\b(?:final|overall|total|итогов\w+|общ\w+)\s+(?:\w+\s+)?(?:{_SCORE}|{_ANSWER})(?:\s+for\s+[\w ]{{1,40}}?)?"
_GIVING = (
    r"(?:giv(?:e|es|ing|en)|gave|rat(?:e|es|ed|ing)|grad(?:e|es|ed|ing)|assign(?:s|ed|ing)?|award(?:s|ed|ing)?|"
    r"deserv(?:e|es|ing)|earn(?:s|ed|ing)?|receiv(?:e|es|ed|ing)|gets?|getting|got|merit(?:s|ing)?|warrant(?:s|ing)?)"
)
_AS = r"(?:[^.!?\n:;]{0,80}?\s)??(?:an?|as|at)\s+(?:an?\s+)?(?:solid\s+|perfect\s+|strong\s+|low\s+|high\s+|clear\s+)?"
_AFTER = r"[*_\"'”]*\s*(?:$|[^\w\s]|(?:out|for|in|on|of|as|to|or|because|since|due|stars?|points?)\b)"
_SENTENCE = re.compile(
    rf"(?:\b{_SCORE}|\bscor(?:ed|ing))\b{_IS}|\b{_GIVING}\s+(?={_AS}{_OPEN}{_NUMBER}{_AFTER}){_AS}", re.IGNORECASE
)
# "does not deserve a score of 5", up to where the score begins.
_DENIED = re.compile(
    r"(?:\bnot|n['’]t|\bcannot|\bnever)\s+(?:\w+\s+){0,2}?"
    r"(?:giv|rat[ei]|assign|award|deserv|earn|receiv|get|merit|warrant|scor)\w*(?:\s+\w+){0,4}\s*$",
    re.IGNORECASE,
)
_NOT = re.compile(r"(?:\bnot|n['’]t|\bneither|\bnor|\brather than)\s+(?:\w+\s+)?$", re.IGNORECASE)
_EDGES = " \t\r\n*_`\"'“”‘’«»()[]{}<>.!#:"
_LAST = re.compile(r"(?:^|[.!?:\n])[)\"”*_]*([^.!?:\n]*(?:\d[.,/]\d[^.!?:\n]*)*)[\s*_`\"'”)\]>.!]*$")
_IN_BRACKETS = re.compile(r"\(([^()\n]{1,40})\)[\s*_.!\"”]*$")
_UNIT = re.compile(r"\s+(?:stars?|points?)$", re.IGNORECASE)
# "4 - because it is clear"; a list that is numbered so has other such lines.
_LEADING = re.compile(rf"^[\s*_]*({_NUMBER}(?:{_OUT_OF}{_NUMBER})?)[*_]*\s*(?:[-–—:](?=\s)|\()", re.I | re.M)
_OR = re.compile(r"[\s*_\"'”\])]*(?:\bor\b|/|\band\b|или)[\s*_\"'“\[(]*", re.IGNORECASE)
_BETTER = re.compile(
    r"\s*(?:\w+\s+){0,2}(?:is|was)\s+(?:(?!not\b)\w+\s+)?(?:better|prefer(?:able|red)|superior)\b", re.IGNORECASE
)
_PREFER = re.compile(r"\b(?:prefer|choose|pick|select)\s+(?:the\s+)?(?:\w+\s+)?[*\"“]*$", re.IGNORECASE)
_THAN = re.compile(r"\bthan\s+(?:\w+\s+)?$", re.IGNORECASE)
_LONGEST_BARE = 200


class Wording:
    """How a score of one criterion can be worded. Compiled once for a criterion, then used for all replies."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        names = sorted({asked.name, asked.name.replace("_", " "), asked.title} - {""}, key=len, reverse=True)
        named = "|".join(map(re.escape, names)) or "(?!)"
        self._cues = (
            re.compile(rf"{_FINAL}(?:{_COLON}|{_IS})|\\boxed(?={{)", re.IGNORECASE),
            re.compile(rf"(?<!\w)(?:{_SCORE}|{_ANSWER}|{named}){_COLON}", re.IGNORECASE),
        )
        self._labels = _values(asked)
        self._label = _label_pattern(self._labels)
        self._span = _span_pattern(asked)

    def plain(self, text: str) -> Found:
        """The score that a text is, or that stands in it as the final one, after a colon, or alone at an end."""
        text = self._without_span(text)
        found = self.alone(text)
        for cue in self._cues:
            if found is Said.NOTHING:
                found = _one(self._at(text, each.end()) for each in cue.finditer(text))
        for pattern in (_LAST, _IN_BRACKETS):
            last = pattern.search(text[-_LONGEST_BARE:])
            if found is Said.NOTHING and last:
                found = self.alone(last[1])
        first, _, rest = text.strip().partition("\n")
        if found is Said.NOTHING and rest:
            found = self.alone(first)
        if found is Said.NOTHING and (leading := _LEADING.match(text)) and not _LEADING.search(text, leading.end()):
            found = self.alone(leading[1])
        return found

    def in_sentences(self, text: str) -> Found:
        """The score that stands in sentences of a text, such as "it deserves a 4"; else a label that it mentions."""
        text = self._without_span(text)
        found = _one(self._sentences(text))
        return self._mentioned(text) if found is Said.NOTHING else found

    def _without_span(self, text: str) -> str:
        return self._span.sub(" ", text) if self._span is not None and ("scale" in text or "(" in text) else text

    def alone(self, text: str) -> Found:
        """The score where the text is that and nothing else."""
        bare = text.strip(_EDGES)
        if not bare or len(bare) > _LONGEST_BARE:
            return Said.NOTHING
        if self._label is not None and (label := self._label.fullmatch(bare)):
            return self._meant(label)
        number = _VALUE.fullmatch(_UNIT.sub("", bare))
        return self._number(number) if number else Said.NOTHING

    def number(self, number: float) -> Found:
        """A number as a score; UNCLEAR where it is none on this scale."""
        if self._asked.nominal:
            return self._labels.get(f"{number:g}", Said.UNCLEAR)
        return number if math.isfinite(number) and self._asked.holds(number) else Said.UNCLEAR

    def _sentences(self, text: str) -> Iterator[Found]:
        for cue in _SENTENCE.finditer(text):
            if not _DENIED.search(text, max(0, cue.start() - 60), cue.end()):
                yield self._at(text, cue.end())
        for number in _OF_SCALE.finditer(text):
            if _as_number(number["of"]) == self._asked.high:
                yield self._number(number)

    def _at(self, text: str, place: int) -> Found:
        """The score that begins at a place of the text."""
        label = self._label_at(text, place)
        if label is not None:
            other = _OR.match(text, label.end())
            return Said.UNCLEAR if other and self._label_at(text, other.end()) else self._meant(label)
        number = _VALUE.match(text, place)
        if number:
            return self._number(number)
        unclear = _BETWEEN.match(text, place) or _LACKING.match(text, place)
        return Said.UNCLEAR if unclear else Said.NOTHING

    def _label_at(self, text: str, place: int) -> re.Match[str] | None:
        if self._label is None:
            return None
        for skipped in (_SKIPPED_MARKS, _SKIPPED_WORDS):
            opened = skipped.match(text, place)
            label = self._label.match(text, opened.end() if opened else place)
            if label:
                return label
        return None

    def _meant(self, label: re.Match[str]) -> Found:
        # To a regular expression an i without a dot is an i, to `casefold` it is none.
        return self._labels.get(_key(label[0]), Said.UNCLEAR)

    def _number(self, found: re.Match[str]) -> Found:
        """A matched number on this scale; UNCLEAR for one that is off it, of another scale, or a range."""
        if self._asked.nominal:
            return Said.NOTHING
        number, high = _as_number(found["number"]), self._asked.high
        other = found["of"] is not None and high is not None and _as_number(found["of"]) != high
        return Said.UNCLEAR if other or found["range"] is not None else self.number(number)

    def _mentioned(self, text: str) -> Found:
        """The only label that a text mentions, if it has several words; else one that it calls better or ends with."""
        if self._label is None:
            return Said.NOTHING
        found = list(self._label.finditer(text))
        if any(_NOT.search(text, max(0, each.start() - 40), each.start()) for each in found):
            return Said.UNCLEAR
        if not all(" " in each[0] for each in found):
            better = [
                each
                for each in found
                if _BETTER.match(text, each.end()) or _PREFER.search(text, max(0, each.start() - 40), each.start())
            ]
            last = [each for each in found if not text[each.end() :].strip(_EDGES)]
            compared = any(_THAN.search(text, max(0, each.start() - 40), each.start()) for each in last)
            found = better or ([] if compared else last)
        return _one(self._meant(each) for each in found)


_SKIPPED_MARKS = re.compile(_OPEN)
_SKIPPED_WORDS = re.compile(rf"{_OPEN}{_FILLER}{_OPEN}", re.IGNORECASE)


def wording(asked: Asked) -> Wording:
    """The wording of a criterion's scores, made once."""
    labels = asked.labels
    known = tuple(labels.items()) if isinstance(labels, Mapping) else labels
    return _made(asked.name, asked.title, (asked.low, asked.high), known, numbered=isinstance(labels, Mapping))


@lru_cache(maxsize=256)
def _made(
    name: str,
    title: str,
    ends: tuple[float | None, float | None],
    labels: tuple[Any, ...],
    *,
    numbered: bool,
) -> Wording:
    return Wording(Asked(name, title, *ends, dict(labels) if numbered else labels))


def _one(found: Iterable[Found]) -> Found:
    """What all say that say anything; UNCLEAR where they say different things."""
    said = {each for each in found if each is not Said.NOTHING}
    if not said:
        return Said.NOTHING
    return said.pop() if len(said) == 1 else Said.UNCLEAR


def _as_number(text: str) -> float:
    word = _NUMERALS.get(text.lower())
    return word if word is not None else float(text.replace(",", ".").replace("−", "-"))


def _key(label: str) -> str:
    return " ".join(label.casefold().split())


def _values(asked: Asked) -> dict[str, Value]:
    """What each label stands for, by the label in one spelling; numbers on a numeric scale need none."""
    if isinstance(asked.labels, Mapping):
        return {_key(label): float(number) for label, number in asked.labels.items() if label.strip()}
    plain = [label for label in asked.labels if label.strip() and (asked.nominal or not NUMBER.fullmatch(label))]
    return {_key(label): label for label in plain}


def _label_pattern(labels: Iterable[str]) -> re.Pattern[str] | None:
    """Any of the labels as whole words, the longest first; a single letter only where it is no word of the sentence."""
    written = []
    for label in sorted(labels, key=len, reverse=True):
        words = r"\s+".join(map(re.escape, label.split()))
        if len(label) == 1 and label.isalpha():
            words = rf"(?-i:{re.escape(label.upper())}|{words})(?=\s*(?:$|[^\w\s]|(?:is|because|since|or|and)\b))"
        written.append(words)
    if not written:
        return None
    return re.compile(rf"(?<![\w./,\-])(?:{'|'.join(written)})(?!\w|[.,]\d)", re.IGNORECASE)


def _span_pattern(asked: Asked) -> re.Pattern[str] | None:
    """Where a text only says what the scale is: "on a scale of 1 to 5", "(1-5)"."""
    if asked.low is None or asked.high is None:
        return None
    words = {number: word for word, number in _NUMERALS.items()}
    low, high = (
        "|".join(filter(None, (re.escape(f"{bound:g}"), words.get(bound)))) for bound in (asked.low, asked.high)
    )
    return re.compile(
        rf"\(\s*(?:{low})\s*(?:[-–—]|to)\s*(?:{high})\s*\)|"
        rf"\b(?:on|using|with)\s+(?:a|the)\s+(?:\w+\s+)?scale\s+(?:of|from)?\s*(?:{low})\s*(?:[-–—]|to)\s*(?:{high})\b",
        re.IGNORECASE,
    )
