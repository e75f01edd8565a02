"""Exports, studies and clients made by hand, for tests that need no Label Studio."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from annotator_ops.errors import OpsError
from annotator_ops.models import (
    Annotator,
    Criterion,
    JSONDict,
    LabelStudioChoice,
    Level,
    Limits,
    Order,
    ProxySettings,
    Study,
    Task,
)

CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Text name="other" value="$text"/>
  <Choices name="quality" toName="text" required="true">
    <Choice value="bad"/><Choice value="fair"/><Choice value="good"/>
  </Choices>
  <Choices name="kind" toName="text" choice="multiple"><Choice value="a"/><Choice value="b"/></Choices>
  <Choices name="score" toName="text"><Choice value="1"/><Choice value="2"/></Choices>
  <Rating name="stars" toName="text" maxRating="4"/>
  <Number name="count" toName="text" min="0" max="9"/>
  <Pairwise name="pair" toName="text,other"/>
  <Taxonomy name="tree" toName="text"><Choice value="A"><Choice value="B"/></Choice></Taxonomy>
  <TextArea name="summary" toName="text"/>
  <TextArea name="comment" toName="text"/>
  <DateTime name="when" toName="text"/>
  <Labels name="spans" toName="text"><Label value="X"/></Labels>
</View>"""

CRITERIA = (
    Criterion("quality", "quality", Level.ORDINAL, {"bad": 1, "fair": 2, "good": 3}),
    Criterion("kind", "kind", Level.NOMINAL),
    Criterion("score", "score", Level.ORDINAL),
    Criterion("stars", "stars", Level.ORDINAL),
    Criterion("count", "count", Level.RATIO),
    Criterion("pair", "pair", Level.NOMINAL),
    Criterion("tree", "tree", Level.NOMINAL),
    Criterion("summary", "summary", Level.NOMINAL),
    Criterion("when", "when", Level.NOMINAL),
    Criterion("spans", "spans", Level.NOMINAL),
)


def tasks(*names: str) -> tuple[Task, ...]:
    return tuple(Task(name, {"id": name, "text": f"text of {name}"}) for name in names)


def study(root: Path, *names: str, criteria: Sequence[Criterion] = CRITERIA[:1]) -> Study:
    return Study(
        path=root / "study.yaml",
        root=root,
        name="sample",
        title="A sample",
        label_config=CONFIG,
        instructions="",
        tasks=tasks(*names),
        annotators=(Annotator("anna", "Anna"), Annotator("ben", "Ben")),
        order=Order(),
        criteria=tuple(criteria),
        judges=(),
        runtime="process",
        label_studio=LabelStudioChoice("1.23.2"),
        proxy=ProxySettings(),
        limits=Limits(),
        language="en",
        simulated=False,
    )


def result(control: str, kind: str, value: Any, to_name: str = "text") -> JSONDict:
    return {"id": control, "from_name": control, "to_name": to_name, "type": kind, "value": value}


def quality(label: str) -> list[JSONDict]:
    return [result("quality", "choices", {"choices": [label]})]


class Exported:
    """An export that a test puts together, task by task; times run on by a minute with each record.

    `day`, of January 2026, is when the tasks were imported and worked on: another one makes it another instance's.
    """

    def __init__(self, *, day: int = 31) -> None:
        self.tasks: dict[str, JSONDict] = {}
        self._day = day
        self._records = 0

    def task(self, name: str, data: Mapping[str, Any] | None = None) -> JSONDict:
        fresh = {
            "id": len(self.tasks) + 1,
            "created_at": f"2026-01-{self._day:02d}T11:00:00.{len(self.tasks):06d}Z",
            "data": dict(data or tasks(name)[0].data),
            "annotations": [],
            "drafts": [],
            "predictions": [],
        }
        return self.tasks.setdefault(name, fresh)

    def annotate(self, name: str, results: Any, *, skipped: bool = False, seconds: Any = 5.0) -> JSONDict:
        annotation = self._record(seconds) | {"result": results, "was_cancelled": skipped}
        annotation["unique_id"] = f"u{self._day}-{annotation['id']}"
        self.task(name)["annotations"].append(annotation)
        return annotation

    def draft(self, name: str, results: Any) -> JSONDict:
        draft = self._record(1.0) | {"result": results}
        self.task(name)["drafts"].append(draft)
        return draft

    def _record(self, seconds: Any) -> JSONDict:
        self._records += 1
        at = f"2026-01-{self._day:02d}T12:{self._records:02d}:00.000000Z"
        return {"id": self._records, "created_at": at, "updated_at": at, "lead_time": seconds}

    @property
    def content(self) -> bytes:
        return json.dumps(list(self.tasks.values())).encode()


class FakeClient:
    """A client that serves an export made by hand and counts what it was asked."""

    def __init__(self, exported: Exported) -> None:
        self.exported = exported
        self.asked: list[str] = []
        self.broken: OpsError | None = None

    def fingerprint(self, project_id: int) -> str:
        self.asked.append("fingerprint")
        if self.broken is not None:
            raise self.broken
        return str(hash(self.exported.content))

    def export(self, project_id: int) -> bytes:
        self.asked.append("export")
        return self.exported.content
