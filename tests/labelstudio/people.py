"""What tests of a real Label Studio need: an annotator who works through a browser's forms and endpoints."""

from __future__ import annotations

import re
import uuid
from types import TracebackType
from typing import Any

import httpx

from annotator_ops.labelstudio import LabelStudio, ProjectSettings
from annotator_ops.models import JSONDict, Task
from annotator_ops.secret import Secret
from tests.real import RealInstance

PASSWORD = Secret("kx4m-p7wr-tz3n-h9vd")
CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Choices name="quality" toName="text" required="true">
    <Choice value="bad"/><Choice value="fair"/><Choice value="good"/>
  </Choices>
  <TextArea name="comment" toName="text"/>
</View>"""


def client_of(instance: RealInstance) -> LabelStudio:
    return LabelStudio(instance.url, Secret(instance.operator_token))


def make_tasks(*names: str) -> list[Task]:
    return [Task(name, {"id": name, "text": f"A dialogue called {name}: “привет” 🙂"}) for name in names]


def new_project(client: LabelStudio, *names: str) -> int:
    """A project of its own, with the named tasks."""
    marker = f"tests:{uuid.uuid4().hex}"
    project = client.ensure_project(ProjectSettings("A test", CONFIG, "<p>Read, then rate.</p>", marker))
    if names:
        client.import_tasks(project, make_tasks(*names))
    return project


def choice(label: str) -> list[JSONDict]:
    return [{"id": label, "from_name": "quality", "to_name": "text", "type": "choices", "value": {"choices": [label]}}]


class Person:
    """An annotator who is logged in. `call` fails the test where Label Studio refuses."""

    def __init__(self, instance: RealInstance, email: str) -> None:
        self.http = httpx.Client(base_url=instance.url, timeout=60.0, trust_env=False)
        form = self.http.get("/user/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token is not None
        fields = {"csrfmiddlewaretoken": token[1], "email": email, "password": PASSWORD.reveal()}
        assert self.http.post("/user/login/", data=fields).status_code == 302

    def __enter__(self) -> Person:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else None

    def next_task(self, project: int) -> JSONDict | None:
        answer = self.http.post("/api/dm/actions", params={"id": "next_task", "project": project}, json={})
        assert answer.status_code in {200, 404}
        return answer.json() if answer.status_code == 200 else None

    def annotate(self, task: int, label: str, **more: Any) -> JSONDict:
        body = {"result": choice(label), "lead_time": 2.5} | more
        return dict(self.call("POST", f"/api/tasks/{task}/annotations", body))

    def skip(self, task: int) -> JSONDict:
        body = {"result": [], "was_cancelled": True, "lead_time": 1.0}
        return dict(self.call("POST", f"/api/tasks/{task}/annotations?was_cancelled=1", body))

    def draft(self, task: int, label: str) -> JSONDict:
        return dict(self.call("POST", f"/api/tasks/{task}/drafts", {"result": choice(label), "lead_time": 1.0}))
