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
# What a task calls the text that a system made, where it shows other texts beside it.
_MADE = ("response", "completion", "output", "answer", "summary", "translation", "dialogue", "text")
_SPEAKER = ("author", "speaker", "role", "name")
_SPOKEN = ("text", "content", "value", "body")


def wordings(tasks: Iterable[Task], inputs: Sequence[Input] = ()) -> dict[str, str]:
    """The text of every task by id: what the label config's `inputs` show, or without them all of its data."""
    return {task.id: wording(task.data, inputs) for task in tasks}


def wording(data: Mapping[str, Any], inputs: Sequence[Input] = ()) -> str:
    """One task's text, the parts separated by line breaks; empty where it has none (an image has its address)."""
    text = _whole(data, inputs)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"


def _whole(data: Mapping[str, Any], inputs: Sequence[Input]) -> str:
    if inputs:
        values = [value_at(data, variable) for variable in dict.fromkeys(each.variable for each in inputs)]
    else:
        values = [value for key, value in data.items() if key not in _NOT_SHOWN]
    return "\n".join(filter(None, (plain(value) for value in values)))


def sizes(tasks: Iterable[Task], inputs: Sequence[Input] = ()) -> dict[str, float]:
    """How many words each item has, by id: of the text that was made (a field such as `response` or `summary`), or
    where no field is called so, of all that is shown. A text of no words, such as an image, is left out."""
    found = {}
    for task in tasks:
        made = next((task.data[name] for name in _MADE if task.data.get(name)), None)
        text = plain(made) if made is not None else _whole(task.data, inputs)
        if text and not text.startswith(("http://", "https://")):
            found[task.id] = float(len(text.split()))
    return found


def systems(tasks: Iterable[Task]) -> dict[str, str]:
    """Which system made an item, by id, where the task's data says so under `system`."""
    return _named(tasks, "system")


def sources(tasks: Iterable[Task]) -> dict[str, str]:
    """Which input an item was made from, by id, where the task's data says so under `source`."""
    return _named(tasks, "source")


def _named(tasks: Iterable[Task], key: str) -> dict[str, str]:
    named = {task.id: task.data.get(key) for task in tasks}
    return {
        item: str(name).strip() for item, name in named.items() if isinstance(name, (str, int)) and str(name).strip()
    }


def value_at(data: Mapping[str, Any], variable: str) -> Any:
    """What a label config's variable (`dialogue`, `card.name`) stands for in a task's data; None where nothing does."""
    value: Any = data
    for key in variable.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def plain(value: Any) -> str:
    """A task's value as text: without markup, a dialogue a line a turn, images left out."""
    if isinstance(value, str):
        # An image inside the data is no text.
        return "" if value.startswith("data:") else _without_markup(value)
    if isinstance(value, list):
        return "\n".join(filter(None, (plain(part) for part in value)))
    if isinstance(value, dict):
        spoken = next((value[key] for key in _SPOKEN if isinstance(value.get(key), str)), None)
        if spoken is None:
            return "\n".join(filter(None, (plain(part) for part in value.values())))
        speaker = next((value[key] for key in _SPEAKER if isinstance(value.get(key), str)), "")
        return f"{speaker}: {plain(spoken)}" if speaker else plain(spoken)
    return "" if value is None or isinstance(value, bool) else str(value)


def _without_markup(text: str) -> str:
    if "<" in text:
        text = unescape(_TAG.sub("", _BLOCK.sub("\n", _UNSEEN.sub("", text))))
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)
