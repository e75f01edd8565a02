"""Layer 2. Numbers as people read them: the only place where a statistic is rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from annotator_ops.stats.values import display

# Krippendorff (2019), Content Analysis, 4th ed., ch. 12: rely on alpha ≥ .800, draw tentative conclusions from ≥ .667.
RELIABLE = 0.800
TENTATIVE = 0.667

# What is smaller than this is left over from the order of additions.
_NOTHING = 1e-12

_REASONS = {
    "not-rated": "not rated yet",
    "skipped": "skipped",
    "empty": "left empty",
    "draft": "draft only",
    "invalid": "did not fit the label config",
    "altered": "task was altered",
    "refused": "refused",
    "incomplete": "a criterion missing",
    "turn-missing": "a turn missing",
    "unparsable": "no score in the reply",
    "failed": "no reply, the request failed",
    "inconsistent": "both orders disagree",
    "off-scale": "off the scale",
}
_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def coefficient(value: float) -> str:
    """A coefficient between −1 and 1 with three decimals and a true minus sign."""
    text = f"{value:.3f}"
    return text.replace("-0.000", "0.000").replace("-", "−")


def journal(value: float, *, digits: int = 3) -> str:
    """Without a leading zero, as journals print coefficients; what is below 1 is never printed as 1."""
    text = f"{value:.{digits}f}"
    below = value < 1 - _NOTHING
    if below and float(text) == 1:
        text = f"{value:.3f}"
    if below and float(text) == 1:
        return "> .999"
    text = text if float(text) else text.lstrip("-")
    text = text.replace("-", "−")
    return text.replace("0.", ".", 1) if text.lstrip("−").startswith("0.") else text


def percent(share: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * share:.1f}%"


def mean(value: float) -> str:
    """A mean or standard deviation on the criterion's own scale."""
    text = f"{value:.2f}" if abs(value) < 1000 else f"{value:,.0f}"
    if _NOTHING < abs(value) < 0.01:
        text = f"{value:.2g}"  # on a scale of thousandths, two decimals would say nothing
    return text.replace("-0.00", "0.00").replace("-", "−")


def number(value: float) -> str:
    """A value of the scale itself: as short as it can be written."""
    return f"{value:g}".replace("-", "−")


def value_text(value: object) -> str:
    """A rating's value, as it stands in the analysis, as a person reads it."""
    if isinstance(value, list):
        return display(tuple(value))
    return number(value) if isinstance(value, (int, float)) else str(value)


def difference(value: float) -> str:
    """A difference on the criterion's own scale, with its sign."""
    text = mean(abs(value))
    return text if text.strip("0.,") == "" else f"{'+' if value > 0 else '−'}{text}"


def count(value: int) -> str:
    """A count with thousands separated."""
    return f"{value:,}"


def counted(value: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun, small numbers in words: "three annotators"."""
    word = _WORDS[value] if value < len(_WORDS) else count(value)
    return f"{word} {noun if value == 1 else plural or noun + 's'}"


def number_of(value: int, noun: str, plural: str | None = None) -> str:
    """A count in figures with its noun: "1 item", "1,200 items"."""
    return f"{count(value)} {noun if value == 1 else plural or noun + 's'}"


def seconds(value: float) -> str:
    """A length of time: "8.4 s", "42 s", "3 min 05 s", "1 h 12 min"."""
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def day(moment: datetime | date) -> str:
    """A date that no reader can mistake: "22 November 2026"."""
    return f"{moment.day} {moment:%B %Y}"


def interval(estimate: Mapping[str, Any]) -> str:
    """The bounds of an estimate's interval in brackets, or an empty text."""
    if estimate["low"] is None or estimate["high"] is None:
        return ""
    return f"[{coefficient(estimate['low'])}, {coefficient(estimate['high'])}]"


def listed(names: Sequence[str]) -> str:
    """Names as a person lists them: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def reason_text(code: str) -> str:
    """The reason of a missing value in words."""
    return _REASONS.get(code, code.replace("-", " "))


def shade(value: float) -> int:
    """How strong a cell of the heat table is coloured: 0 to 45 percent of the accent, for coefficients from 0 to 1."""
    return round(45 * min(max(value, 0.0), 1.0))
