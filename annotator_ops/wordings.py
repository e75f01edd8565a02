"""Layer 2. What a task says, as plain text for a list of items: without markup, and cut where it is long."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import unescape
from typing import Any

from annotator_ops.labeling import Input
from annotator_ops.models import Task

_LONGEST = 600
_NOT_SHOWN = {"id", "repeat_of"}
_BLOCK = re.compile(r"<\s*/?\s*(?:br|p|div|li|ul|ol|tr|table|h[1-6])\b[^>]*>", re.IGNORECASE)
_UNSEEN = re.compile(r"<(style|script|head)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_SPEAKER = ("author", "speaker", "role", "name")
_SPOKEN = ("text", "content", "value", "body")


def wordings(tasks: Iterable[Task], inputs: Sequence[Input] = ()) -> dict[str, str]:
    """The text of every task by id: what the label config's `inputs` show, or without them all of its data."""
    return {task.id: wording(task.data, inputs) for task in tasks}


def wording(data: Mapping[str, Any], inputs: Sequence[Input] = ()) -> str:
    """One task's text, the parts separated by line breaks; empty where it has none (an image has its address)."""
    if inputs:
        values = [_value(data, variable) for variable in dict.fromkeys(each.variable for each in inputs)]
    else:
        values = [value for key, value in data.items() if key not in _NOT_SHOWN]
    text = "\n".join(filter(None, (_plain(value) for value in values)))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"


def _value(data: Mapping[str, Any], variable: str) -> Any:
    value: Any = data
    for key in variable.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _plain(value: Any) -> str:
    if isinstance(value, str):
        # An image inside the data is no text.
        return "" if value.startswith("data:") else _without_markup(value)
    if isinstance(value, list):
        return "\n".join(filter(None, (_plain(part) for part in value)))
    if isinstance(value, dict):
        spoken = next((value[key] for key in _SPOKEN if isinstance(value.get(key), str)), None)
        if spoken is None:
            return "\n".join(filter(None, (_plain(part) for part in value.values())))
        speaker = next((value[key] for key in _SPEAKER if isinstance(value.get(key), str)), "")
        return f"{speaker}: {_plain(spoken)}" if speaker else _plain(spoken)
    return "" if value is None or isinstance(value, bool) else str(value)


def _without_markup(text: str) -> str:
    if "<" in text:
        text = unescape(_TAG.sub("", _BLOCK.sub("\n", _UNSEEN.sub("", text))))
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)
