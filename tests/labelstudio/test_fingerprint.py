"""The fingerprint of a project changes with each kind of change, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest

from annotator_ops.labelstudio import LabelStudio
from annotator_ops.models import JSONDict
from tests.labelstudio.people import Person, choice, make_tasks, new_project
from tests.real import RealInstance

pytestmark = pytest.mark.labelstudio


@dataclass
class Scene:
    """A project with an annotation on t1, a skip on t2, a draft on t3, two annotations on t4, and t5 untouched."""

    instance: RealInstance
    client: LabelStudio
    anna: Person
    project: int
    tasks: dict[str, int] = field(default_factory=dict)
    annotation: JSONDict = field(default_factory=dict)
    skip: JSONDict = field(default_factory=dict)
    draft: JSONDict = field(default_factory=dict)

    def operator(self, method: str, path: str, body: object = None) -> None:
        headers = {"Authorization": f"Token {self.instance.operator_token}"}
        httpx.request(
            method, self.instance.url + path, json=body, headers=headers, trust_env=False, timeout=60
        ).raise_for_status()


@pytest.fixture
def scene(label_studio: RealInstance, client: LabelStudio, anna: Person) -> Scene:
    found = Scene(label_studio, client, anna, new_project(client, "t1", "t2", "t3", "t4", "t5"))
    for name in ("t1", "t2", "t3", "t4", "t5"):
        task = anna.next_task(found.project)
        assert task is not None
        found.tasks[name] = task["id"]
        match name:
            case "t1":
                found.annotation = anna.annotate(task["id"], "good")
            case "t2":
                found.skip = anna.skip(task["id"])
            case "t3":
                found.draft = anna.draft(task["id"], "good")
                # Lead the stream past the task with the draft.
                anna.call("PATCH", f"/api/drafts/{found.draft['id']}", {"was_postponed": True})
            case "t4":
                anna.annotate(task["id"], "good")
                anna.annotate(task["id"], "bad")
    return found


CHANGES: dict[str, Callable[[Scene], object]] = {
    "an annotation made": lambda s: s.anna.annotate(s.tasks["t5"], "bad"),
    "an annotation changed": lambda s: s.anna.call(
        "PATCH", f"/api/annotations/{s.annotation['id']}", {"result": choice("bad")}
    ),
    "an annotation deleted": lambda s: s.operator("DELETE", f"/api/annotations/{s.annotation['id']}/"),
    "an annotation turned into a skip": lambda s: s.anna.call(
        "PATCH", f"/api/annotations/{s.annotation['id']}", {"was_cancelled": True}
    ),
    "an annotation turned into a draft": lambda s: s.anna.call(
        "POST", f"/api/annotations/{s.annotation['id']}/convert-to-draft", {}
    ),
    "a second annotation": lambda s: s.anna.annotate(s.tasks["t1"], "good"),
    "a skip made": lambda s: s.anna.skip(s.tasks["t5"]),
    "a skip taken back": lambda s: s.anna.call(
        "PATCH", f"/api/annotations/{s.skip['id']}", {"was_cancelled": False, "result": choice("bad")}
    ),
    "a skip deleted": lambda s: s.operator("DELETE", f"/api/annotations/{s.skip['id']}/"),
    "a draft made": lambda s: s.anna.draft(s.tasks["t5"], "bad"),
    "a second draft": lambda s: s.anna.draft(s.tasks["t3"], "bad"),
    "a draft changed": lambda s: s.anna.call("PATCH", f"/api/drafts/{s.draft['id']}", {"result": choice("bad")}),
    "a draft deleted": lambda s: s.anna.call("DELETE", f"/api/drafts/{s.draft['id']}"),
    "a draft of a change to an annotation": lambda s: s.anna.call(
        "POST",
        f"/api/tasks/{s.tasks['t1']}/annotations/{s.annotation['id']}/drafts",
        {"result": choice("bad"), "lead_time": 1},
    ),
    "a task added": lambda s: s.client.import_tasks(s.project, make_tasks("t6")),
    "a task changed": lambda s: s.operator(
        "PATCH", f"/api/tasks/{s.tasks['t5']}/", {"data": {"id": "t5", "text": "x"}}
    ),
    "an untouched task deleted": lambda s: s.operator("DELETE", f"/api/tasks/{s.tasks['t5']}/"),
    "the task changed last deleted": lambda s: s.operator("DELETE", f"/api/tasks/{s.tasks['t4']}/"),
    "all annotations of a task deleted at once": lambda s: s.operator(
        "POST",
        f"/api/dm/actions?id=delete_tasks_annotations&project={s.project}",
        {"selectedItems": {"all": False, "included": [s.tasks["t4"]]}},
    ),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_the_fingerprint_changes_with(kind: str, scene: Scene) -> None:
    before = scene.client.fingerprint(scene.project)
    assert scene.client.fingerprint(scene.project) == before, "looking changes nothing"
    content = scene.client.export(scene.project)
    CHANGES[kind](scene)
    assert scene.client.export(scene.project) != content, "the change is a change of what is exported"
    assert scene.client.fingerprint(scene.project) != before


def test_the_fingerprint_stays_when_somebody_only_looks(scene: Scene) -> None:
    before = scene.client.fingerprint(scene.project)
    scene.anna.call("GET", f"/api/tasks/{scene.tasks['t1']}")
    scene.anna.next_task(scene.project)
    scene.client.progress(scene.project)
    scene.client.export(scene.project)
    assert scene.client.fingerprint(scene.project) == before
