"""Layer 1. YAML with line numbers: every value is read as text or a collection, and remembers where it stood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from annotator_ops.errors import Problem

Path = tuple[str | int, ...]
_DEEPEST = 12
_MOST_NODES = 200_000
_NULL = "tag:yaml.org,2002:null"
_CODE = "yaml-invalid"


@dataclass(slots=True)
class Document:
    """A YAML file as plain data: scalars are the text as written (None for an empty value).

    Reading text instead of guessing types keeps `id: 007` and an annotator called `no` what the researcher wrote;
    the schema turns text into numbers where it wants numbers. `lines` gives the line of each path, counted from 1.
    """

    where: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int | None:
        """The line of the value at `path`, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None

    def problem(self, message: str, *, hint: str, code: str, line: int | None) -> None:
        self.problems.append(Problem(where=self.where, message=message, hint=hint, code=code, line=line))


def read_yaml(text: str, *, where: str) -> Document:
    """Parse one YAML document; whatever is wrong with it is in the document's `problems`."""
    document = Document(where)
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is not None:
            document.data = _Builder(loader, document).build(node, ())
    except yaml.MarkedYAMLError as error:
        # What is never closed is noticed at the end of the file; the place to look at is where it was opened.
        at_end = "end of stream" in (error.problem or "")
        mark = (at_end and error.context_mark) or error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        hint = "Often a missing space after a colon, a tab, or a text with a colon or # that needs quotes."
        document.problem(
            f"This is not valid YAML: {what}.", hint=hint, code=_CODE, line=mark.line + 1 if mark else None
        )
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        document.problem(
            f"This is not valid YAML: {getattr(error, 'reason', 'it cannot be read')}.",
            hint="Delete the invisible character there.",
            code=_CODE,
            line=line,
        )
    except _TooMuch as error:
        document.problem(str(error), hint="Write the values out, plainly.", code=_CODE, line=error.line)
    finally:
        if loader is not None:
            loader.dispose()
    return document


class _TooMuch(Exception):  # noqa: N818 - not an error of ours: it carries one out of a recursion
    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class _Builder:
    def __init__(self, loader: yaml.SafeLoader, document: Document) -> None:
        self._loader = loader
        self._document = document
        self._nodes = 0

    def build(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self._nodes += 1
        if len(path) > _DEEPEST or self._nodes > _MOST_NODES:
            raise _TooMuch("The values are nested too deep, or an alias (*name) repeats without end.", line)
        self._document.lines.setdefault(path, line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        # A plain `~`, `null` or nothing; the same in quotes is text.
        is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return None if is_plain and node.tag == _NULL else node.value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        self._loader.flatten_mapping(node)
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise _TooMuch("A key must be a plain word.", line)
            key = key_node.value
            if key in found:
                self._document.problem(
                    f"The key {key!r} is there twice; only one of them would count.",
                    hint="Keep one of the two.",
                    code="duplicate-key",
                    line=line,
                )
            self._document.lines[(*path, key)] = line
            found[key] = self.build(value_node, (*path, key))
        return found
