"""Small studies on disk, to be broken on purpose."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Choices name="mood" toName="text" choice="single-radio">
    <Choice value="Bad"/><Choice value="OK"/><Choice value="Good"/>
  </Choices>
  <Rating name="stars" toName="text"/>
</View>
"""
TASKS: Sequence[Mapping[str, Any]] = ({"id": "a", "text": "first"}, {"id": "b", "text": "second"})
SMALL: Mapping[str, Any] = {"name": "small", "label_config": "config.xml", "tasks": "tasks.jsonl"}


def jsonl(rows: Sequence[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def make(
    folder: Path,
    changes: Mapping[str, Any] | str = "",
    *,
    config: str = CONFIG,
    tasks: Sequence[Any] | str = TASKS,
) -> Path:
    """A study that is valid but for `changes` (keys, or lines to append), `config` and `tasks`."""
    keys, lines = (dict(SMALL), changes) if isinstance(changes, str) else ({**SMALL, **changes}, "")
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(keys, sort_keys=False) + lines, encoding="utf-8")
    (folder / "config.xml").write_text(config, encoding="utf-8")
    (folder / "tasks.jsonl").write_text(tasks if isinstance(tasks, str) else jsonl(tasks), encoding="utf-8")
    return path
