"""Layer 2. Which fields of tasks hold a prompt and responses, and what is in them: a text, or messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from annotator_ops.models import JSONDict, Task

# What a task calls the text that was asked about; only one of them may be there.
_PROMPTS = (
    "prompt", "question", "request", "instruction", "query", "source", "article", "document", "context", "input",
)  # fmt: skip
_RESPONSES = ("response", "completion", "output", "answer", "summary", "translation")
# The ends by which the two sides of a pair are told apart, as in answer_a and answer_b.
_SIDES = (("left", "right"), ("a", "b"), ("1", "2"), ("first", "second"), ("one", "two"))
_SIDE = re.compile(r"(?i)(.*?)[_.\- ]?(left|right|first|second|one|two|a|b|1|2)")
_ROLES = {"human": "user", "user": "user", "assistant": "assistant", "bot": "assistant", "gpt": "assistant",
          "model": "assistant", "system": "system"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fields:
    """The task fields (a dotted path reaches inside) of the prompt and of two responses, or of one response.

    With `response`, `left` and `right` are empty: tasks with the same prompt are paired.
    """

    prompt: str
    left: str = ""
    right: str = ""
    response: str = ""


def value_at(task: Task, path: str) -> Any:
    """What a task has in a field; None where it has no such field."""
    value: Any = task.data
    if path in task.data:
        return task.data[path]
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def common_fields(tasks: Iterable[Task]) -> list[str]:
    """The fields that hold a text, or messages, in every task, in the order of the first."""
    found: list[str] | None = None
    for task in tasks:
        here = [name for name, value in task.data.items() if name != "id" and filled(value, conversational=True)]
        found = here if found is None else [name for name in found if name in here]
    return found or []


def guessed_prompt(names: Sequence[str], *, taken: Sequence[str] = ()) -> str | None:
    """The one field that is called as prompts are; None where there is none, or several."""
    found = [name for name in names if name.casefold() in _PROMPTS and name not in taken]
    return found[0] if len(found) == 1 else None


def guessed_response(names: Sequence[str], *, taken: Sequence[str] = ()) -> str | None:
    """The one field that is called as responses are; None where there is none, or several."""
    found = [name for name in names if name.casefold() in _RESPONSES and name not in taken]
    return found[0] if len(found) == 1 else None


def guessed_sides(names: Sequence[str]) -> tuple[str, str] | None:
    """The one pair of fields whose names differ by their side only, as answer_a and answer_b; None else."""
    found = []
    for first, second in combinations(names, 2):
        one, other = (_SIDE.fullmatch(name) for name in (first, second))
        if one is None or other is None or one[1] != other[1]:
            continue
        ends = (one[2].casefold(), other[2].casefold())
        if ends in _SIDES:
            found.append((first, second))
        elif ends[::-1] in _SIDES:
            found.append((second, first))
    return found[0] if len(found) == 1 else None


def filled(value: Any, *, conversational: bool) -> Any:
    """A text that is not blank, or in the conversational form a list of messages; None for all else."""
    if isinstance(value, str):
        return value if value.strip() else None
    if conversational and isinstance(value, list) and value and all(map(_is_message, value)):
        return value
    return None


def _is_message(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    role, content = _message(value)
    return role in _ROLES and bool(content.strip())


def _message(value: Mapping[str, Any]) -> tuple[str, str]:
    role = next((value[key] for key in ("role", "author", "from", "speaker") if isinstance(value.get(key), str)), "")
    content = next((value[key] for key in ("content", "text", "value") if isinstance(value.get(key), str)), "")
    return role.casefold(), content


def messages(value: Any, role: str) -> list[JSONDict]:
    """A text as one message of that role; messages as they are, with the usual names of roles."""
    return list(_spoken(value, role))


def _spoken(value: Any, role: str) -> Iterator[JSONDict]:
    if isinstance(value, str):
        yield {"role": role, "content": value}
        return
    for each in value:
        speaker, content = _message(each)
        yield {"role": _ROLES[speaker], "content": content}
