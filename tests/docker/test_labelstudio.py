"""Label Studio works whole behind the walls: project, import, upload, annotate, draft, export; nothing complains."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.docker.conftest import Pair

pytestmark = [pytest.mark.docker, pytest.mark.labelstudio]

CONFIG = """<View><Text name="text" value="$text"/>
<Choices name="good" toName="text" choice="single"><Choice value="yes"/><Choice value="no"/></Choices></View>"""


def test_a_project_is_made_annotated_and_exported(pair: Pair) -> None:
    token = pair.anna.secrets["LABEL_STUDIO_USER_TOKEN"].reveal()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{pair.anna.port}",
        headers={"Authorization": f"Token {token}"},
        timeout=60,
        trust_env=False,
    ) as api:

        def answered(response: httpx.Response) -> httpx.Response:
            assert response.is_success, f"{response.request.url}: {response.status_code} {response.text[:300]}"
            return response

        project = answered(api.post("/api/projects/", json={"title": "Confined", "label_config": CONFIG})).json()["id"]
        tasks = [{"data": {"text": f"text {number}"}} for number in range(20)]
        assert answered(api.post(f"/api/projects/{project}/import", json=tasks)).json()["task_count"] == 20
        upload = {"file": ("more.csv", b"text\nfrom a file\n", "text/csv")}
        assert answered(api.post(f"/api/projects/{project}/import", files=upload)).json()["task_count"] == 1
        listed = answered(api.get("/api/tasks/", params={"project": project, "page_size": 100})).json()["tasks"]
        assert len(listed) == 21
        result = [{"from_name": "good", "to_name": "text", "type": "choices", "value": {"choices": ["yes"]}}]
        for task in listed:
            answered(api.post(f"/api/tasks/{task['id']}/annotations/", json={"result": result, "lead_time": 1.5}))
        answered(api.post(f"/api/tasks/{listed[0]['id']}/drafts", json={"result": result, "lead_time": 1.0}))
        for kind, sign in (("JSON", '"choices"'), ("CSV", "yes")):
            exported = answered(api.get(f"/api/projects/{project}/export", params={"exportType": kind})).text
            assert exported.count(sign) >= 21
        page = answered(api.get("/user/login/", follow_redirects=True)).text
        for asset in re.findall(r'(?:src|href)="(/(?:static|react-app)/[^"]+)"', page)[:5]:
            answered(api.get(asset))
        answered(api.delete(f"/api/projects/{project}/"))

    log = "\n".join(pair.bench.runtime.logs("anna", 500))
    for complaint in ("Operation not permitted", "Read-only file system", "Traceback", "Permission denied"):
        assert complaint not in log, log[-3000:]
