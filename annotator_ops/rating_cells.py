"""Layer 2. The cells of one rating: what each means, and what is wrong with them, in words."""

from __future__ import annotations

import enum
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args

from annotator_ops.measures import Value
from annotator_ops.models import RaterKind

COLUMNS = ("rater", "kind", "item", "criterion", "value", "reason", "seconds", "created_at", "source")
REQUIRED = ("rater", "item", "criterion", "value")
# What is read beside what is written.
READ = (*COLUMNS, "repeat_of")
# What only judges' files have.
JUDGED = ("model", "prompt", "confidence", "reply", "turn", "order")
# How a pair was shown to a judge: as the item has it, or the other way round.
ORDERS = ("given", "swapped")
# The reason of a row that has a reply and no value yet: the criterion's scale is needed to read it.
UNREAD = "unread"
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# So much of a cell is shown in a sentence.
_SHOWN = 20
_SMALLEST, _LARGEST = 1e-60, 1e60
_NOT_FINITE = re.compile(r"[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_SHIELDED = re.compile(r"'+[=+\-@\t\r＝＋－＠]")

# What is wrong: a sentence, what to do, and a code.
Fault = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Form:
    """The columns that a table may have; `names` are other names for some of them, by the other name.

    Where it may have a `reply`, that stands for a `value` that is not there.
    """

    read: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)

    def named(self, header: Sequence[str]) -> list[str]:
        """A header in the names used here; another name counts where the column's own is not there."""
        return [self.names.get(name, name) if self.names.get(name) not in header else name for name in header]

    def needed(self, header: Sequence[str]) -> list[str]:
        """The columns that a header lacks."""
        by_reply = "reply" in self.read and "reply" in header
        return [name for name in REQUIRED if name not in header and not (name == "value" and by_reply)]


PEOPLE = Form(READ)
JUDGES = Form((*READ, *JUDGED), {"judge": "rater"})


class Lack(enum.Enum):
    """What stands for the cell of a field that the row does not have at all."""

    ABSENT = enum.auto()


def typed(text: str) -> Value | None:
    """A cell's text as a value by the rule at the top of `ratings`.

    Raises ValueError, with a sentence, for what looks like a number and is no finite one.
    """
    text = text.strip()
    if not text:
        return None
    if NUMBER.fullmatch(text):
        number = float(text)
        if not computable(number):
            raise ValueError(f"the value {text} is too large or too small to compute with.")
        return number
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"the value {text} is not a finite number.")
    if text.startswith("["):
        try:
            return tuple(json.loads(text, parse_constant=refuse_constant))
        except json.JSONDecodeError:
            return text
    return text


def refuse_constant(name: str) -> None:
    """Python's JSON reads NaN and Infinity, which are no JSON and no values."""
    raise ValueError(f"the value {name} is not a finite number.")


def unshielded(cell: str) -> str:
    """A spreadsheet's cell without the apostrophe that keeps it from being run as a formula."""
    return cell[1:] if cell[:1] == "'" and _SHIELDED.match(cell) else cell


def as_value(cell: Any) -> Value | None:
    """A cell of any type as a rating's value. Raises ValueError, with a sentence, for what is none."""
    if cell is None or cell is Lack.ABSENT:
        return None
    if isinstance(cell, str):
        return typed(cell)
    if isinstance(cell, list):
        return tuple(cell)
    if isinstance(cell, bool) or not isinstance(cell, (int, float)):
        raise ValueError(f"the value {cell} is neither a number, a text nor a list.")
    try:
        number = float(cell)
    except OverflowError as error:
        raise ValueError("the value is too large to compute with.") from error
    if not math.isfinite(number):
        raise ValueError(f"the value {number} is not a finite number.")
    if not computable(number):
        raise ValueError(f"the value {number} is too large or too small to compute with.")
    return number


def computable(number: float) -> bool:
    """Whether squares and products of such numbers still fit: from 1e-60 to 1e60, and 0."""
    return number == 0 or _SMALLEST <= abs(number) <= _LARGEST


def as_text(cell: Any) -> str:
    """An id or a word as text: 7 and 7.0 are "7", because tools that write tables turn the one into the other."""
    if isinstance(cell, str):
        return cell.strip()
    if cell is None or cell is Lack.ABSENT:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def as_seconds(cell: Any) -> float | None:
    """A length of time in seconds. Raises ValueError, with a sentence."""
    text = as_text(cell)
    try:
        seconds = float(text) if text else None
    except ValueError:
        seconds = math.nan
    if seconds is not None and not 0 <= seconds < math.inf:
        raise ValueError("the seconds are no length of time.")
    return seconds


def as_confidence(cell: Any) -> float | None:
    """How sure a judge was, from 0 to 1. Raises ValueError, with a sentence."""
    text = as_text(cell)
    try:
        confidence = float(text) if text else None
    except ValueError:
        confidence = math.nan
    if confidence is not None and not 0 <= confidence <= 1:
        raise ValueError(f"the confidence {text[:_SHOWN]} is no number from 0 to 1.")
    return confidence


def as_reply(cell: Any) -> str | None:
    """A judge's words as they are, an object as JSON; None where there are none."""
    if isinstance(cell, (dict, list)):
        return json.dumps(cell, ensure_ascii=False)
    text = cell if isinstance(cell, str) else as_text(cell)
    return text if text.strip() else None


def as_time(cell: Any) -> datetime | None:
    """A moment that can be compared with every other, in UTC. Raises ValueError, with a sentence."""
    try:
        if isinstance(cell, datetime):
            time = cell
        else:
            text = as_text(cell)
            if not text:
                return None
            time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("created_at is no time.") from None
    if time.utcoffset() is None:
        raise ValueError("created_at has no time zone.")
    try:
        return time.astimezone(UTC)
    except OverflowError:  # within a day of the calendar's first or last
        raise ValueError("created_at is no time.") from None


def names_reason(cell: Any) -> bool:
    """Whether a cell of `reason` is the name of one, such as `refused`; a sentence is an explanation of the value."""
    text = as_text(cell)
    return bool(text) and not any(map(str.isspace, text))


def has_decimal_comma(value: Value | None) -> bool:
    """Whether a label looks like a number of a locale that writes 3,5."""
    return isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value) is not None


def has_parts(value: Value | None) -> bool:
    """Whether a value is a tuple of something else than labels: regions or lists."""
    return isinstance(value, tuple) and any(isinstance(part, (dict, list)) for part in value)


def is_unicode(content: Any) -> bool:
    """Whether all texts in it can be written: JSON can hold half of a surrogate pair, and UTF-8 cannot."""
    try:
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str)
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def faults_of(cells: Mapping[str, Any], kind: RaterKind, *, commas: bool) -> list[Fault]:
    """What is wrong with one row. A field that it does not have is not in `cells`, or is ABSENT.

    `kind` is what the rater is where the row does not say so; `commas` refuses numbers with a decimal comma.
    """
    have = {name for name, cell in cells.items() if cell is not Lack.ABSENT}
    by_reply = {"value"} if "reply" in cells and "value" not in cells else set()
    faults = [
        (f"the field “{name}” is missing.", f"Every row needs {', '.join(REQUIRED)}.", "no-field")
        for name in REQUIRED
        if name not in have | by_reply
    ]
    faults += [
        (f"the {name} is empty.", f"Every row needs {'an' if name == 'item' else 'a'} {name}.", "empty-id")
        for name in ("rater", "item", "criterion")
        if name in have and not as_text(cells[name])
    ]
    row_kind = as_text(cells.get("kind")) or kind
    value: Value | None = None
    try:
        value = as_value(cells.get("value"))
        if row_kind == "judge" and has_parts(value):
            raise ValueError("a judge's value is neither a number nor labels, but regions or lists.")
    except ValueError as error:
        faults.append((str(error), "Write a number, a label, or nothing where it is missing.", "bad-value"))
    if commas and has_decimal_comma(value):
        faults.append((f"{value} has a decimal comma.", "Write decimals with a point.", "decimal-comma"))
    if kind == row_kind == "judge" and value is not None and names_reason(cells.get("reason")):
        message = f"there is a value, and the reason {as_text(cells['reason'])[:_SHOWN]} why there is none."
        faults.append((message, "Keep one of the two.", "value-and-reason"))
    if row_kind not in get_args(RaterKind):
        faults.append((f"the kind {row_kind} is unknown.", "A rater is a human or a judge.", "bad-kind"))
    try:
        as_seconds(cells.get("seconds"))
    except ValueError as error:
        faults.append((str(error), "Write a number from 0 on, or nothing.", "bad-seconds"))
    try:
        as_confidence(cells.get("confidence"))
    except ValueError as error:
        faults.append((str(error), "Write a proportion such as 0.85, or nothing.", "bad-confidence"))
    order = as_text(cells.get("order"))
    if order not in ("", *ORDERS):
        message = f"the order {order[:_SHOWN]} is unknown."
        faults.append((message, f"Write {' or '.join(ORDERS)}, or nothing.", "bad-order"))
    try:
        as_time(cells.get("created_at"))
    except ValueError as error:
        faults.append((str(error), "Write it as 2026-01-31T12:00:00+00:00, or nothing.", "bad-time"))
    if not all(is_unicode(content) for content in (value, *(cells[name] for name in JUDGES.read if name in have))):
        # Alone, because the other sentences quote the row.
        message = "there is half of a surrogate pair in it, which is no character."
        faults = [(message, "Write the whole character, or leave it out.", "not-unicode")]
    return faults
