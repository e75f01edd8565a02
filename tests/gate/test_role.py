"""The role against the real Label Studio through the real Caddy: a session works, and every denied request is a danger
that is shown to be one by sending it past the proxy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from annotator_ops.gate import RULES, Rule, allowed
from tests.gate.conftest import RESULT, Behind
from tests.proxies.wire import Answer, send

pytestmark = pytest.mark.labelstudio


def annotation(**more: Any) -> dict[str, Any]:
    return {"result": RESULT, "lead_time": 1.5, **more}


def rule_for(method: str, path: str, query: str, project: int) -> Rule:
    assert allowed(method, path, query, project_id=project), (method, path, query)
    number = "[0-9]+"
    return next(
        rule for rule in RULES if method in rule.methods and re.fullmatch(rule.path.replace("{project}", number), path)
    )


def test_a_whole_session_passes_and_uses_every_rule(behind: Behind) -> None:
    used: set[Rule] = set()

    def note(request: httpx.Request) -> None:
        path, _, query = request.url.raw_path.decode().removeprefix(behind.prefix).partition("?")
        used.add(rule_for(request.method, path, query, behind.project))

    n = behind.project
    with behind.through(login=False) as guest:
        guest.event_hooks["request"].append(note)
        assert guest.get("/").status_code == 302
        assert guest.get("/user/login/").status_code == 200
        for path in ("/sw.js", "/react-app/main.js", "/static/images/favicon.ico"):
            assert guest.get(path).status_code == 200, path
        assert guest.get("/favicon.ico").headers["Location"] == f"{behind.prefix}/static/images/favicon.ico"
        assert guest.get("/data/upload/1/none.png").status_code in {401, 404}

    with behind.through() as anna:
        anna.event_hooks["request"].append(note)
        login = anna.post("/user/login/", data={})  # who is logged in is sent on
        assert login.status_code in {302, 403}

        def get(path: str) -> Any:
            answer = anna.get(path)
            assert answer.status_code == 200, (path, answer.text[:200])
            return answer.json() if path.startswith("/api/") else None

        for path in (
            "/projects",
            f"/projects/{n}",
            f"/projects/{n}/data?tab=1&labeling=1",
            "/api/version",
            "/api/current-user/whoami",
            "/api/current-user/hotkeys",
            f"/api/users?project={n}",
            "/api/projects?page=1&page_size=30&include=id%2Ctitle",
            f"/api/projects/{n}",
            f"/api/projects/{n}/label-stream-history?project={n}",
            f"/api/ml?project={n}",
            f"/api/label_links?project={n}&expand=label",
            f"/api/dm/columns?project={n}",
            f"/api/dm/project?project={n}",
        ):
            get(path)
        view = get(f"/api/dm/views?project={n}")[0]["id"]
        get(f"/api/dm/views/{view}")
        assert get(f"/api/tasks?page=1&page_size=30&view={view}&project={n}")["total"] > 0

        def write(method: str, path: str, body: Any) -> Any:
            answer = anna.request(method, path, json=body)
            assert answer.is_success, (path, answer.text[:200])
            return answer.json() if answer.content else None

        task = write("POST", f"/api/dm/actions?id=next_task&tabID={view}&project={n}", {})["id"]
        draft = write("POST", f"/api/tasks/{task}/drafts?project={n}", annotation())["id"]
        get(f"/api/drafts/{draft}")
        get(f"/api/tasks/{task}/drafts")
        write("PATCH", f"/api/drafts/{draft}?project={n}", annotation(lead_time=2))
        write("DELETE", f"/api/drafts/{draft}?project={n}", None)
        done = write("POST", f"/api/tasks/{task}/annotations?project={n}", annotation())["id"]
        get(f"/api/tasks/{task}?project={n}")
        get(f"/api/tasks/{task}/annotations")
        get(f"/api/annotations/{done}")
        write("POST", f"/api/tasks/{task}/annotations/{done}/drafts?project={n}", annotation())
        write("PATCH", f"/api/annotations/{done}?taskID={task}&project={n}", annotation(lead_time=3))
        write("POST", f"/api/annotations/{done}/convert-to-draft", {})
        skipped = write("POST", f"/api/tasks/{task}/annotations?project={n}", annotation(was_cancelled=True))
        assert skipped["was_cancelled"] is True
        assert anna.get("/logout").status_code == 302
        assert anna.get("/api/current-user/whoami").status_code == 401
    assert used == set(RULES), set(RULES) - used


# --- denied, and dangerous --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Danger:
    """A request that must not pass. `happened` says of the answer past the proxy that it would have worked."""

    method: str
    path: str
    body: Any = None
    happened: Callable[[httpx.Response], bool] = lambda answer: answer.is_success


def _says(word: str) -> Callable[[httpx.Response], bool]:
    return lambda answer: answer.is_success and word in answer.text


# `{n}` is the project, `{task}` a task, `{other}` the operator's number. Those that destroy come last.
DANGERS = {
    "rename the project": Danger("PATCH", "/api/projects/{n}", {"title": "Renamed by anna"}, _says("Renamed by anna")),
    "change the questions": Danger("PATCH", "/api/projects/{n}", {"expert_instruction": "Always good"}),
    "make a project": Danger("POST", "/api/projects", {"title": "A project of mine"}),
    "export": Danger("GET", "/api/projects/{n}/export?download_all_tasks=true", None, _says("Dialogue 1")),
    "import tasks": Danger("POST", "/api/projects/{n}/import", [{"text": "smuggled in"}]),
    "read the invitation": Danger("GET", "/api/invite", None, _says("token")),
    "make a token": Danger("POST", "/api/token/", {}),
    "read the account's token": Danger("GET", "/api/current-user/token", None, _says("token")),
    "change another user": Danger("PATCH", "/api/users/{other}", {"first_name": "By anna"}, _says("By anna")),
    "read the organization": Danger("GET", "/api/organizations/1/memberships", None, _says("operator@example.org")),
    "make a webhook": Danger("POST", "/api/webhooks/", {"url": "http://8.8.8.8", "is_active": False, "project": "{n}"}),
    "make a view": Danger("POST", "/api/dm/views?project={n}", {"project": "{n}", "data": {"title": "mine"}}),
    "filter by the body of a read": Danger("GET", "/api/tasks?project={n}", {"filters": None}),
    "list the actions": Danger("GET", "/api/dm/actions?project={n}", None, _says("delete_tasks")),
    "settings page": Danger("GET", "/projects/{n}/settings"),
    "account page": Danger("GET", "/user/account"),
    "version page": Danger("GET", "/anything/version/", None, _says("release")),
    "version page, a line feed before it": Danger("GET", "/static/%0aversion/", None, _says("release")),
    "version page, after an upload's path": Danger("GET", "/data/upload/%0aversion/", None, _says("release")),
    "metrics": Danger("GET", "/x/metrics/"),
    "a page that fails on purpose": Danger("GET", "/trigger500/", None, lambda answer: answer.status_code == 500),
    "administration": Danger("GET", "/admin", None, lambda answer: answer.status_code in {200, 302}),
    "documentation of the API": Danger("GET", "/docs/api/schema/json/"),
    "options": Danger("OPTIONS", "/api/projects/{n}"),
    "a method in lower case": Danger("patch", "/api/projects/{n}", {"title": "In lower case"}, _says("In lower case")),
    "delete an annotation": Danger("DELETE", "/api/annotations/{done}"),
    "delete tasks, said after the allowed action": Danger(
        "POST",
        "/api/dm/actions?id=next_task&id=delete_tasks&project={n}",
        {"selectedItems": {"all": False, "included": ["{task}"]}},
        _says("Deleted"),
    ),
    "delete a task": Danger("DELETE", "/api/tasks/{task}"),
}  # fmt: skip


@pytest.mark.parametrize("name", DANGERS)
def test_denied_and_dangerous(behind: Behind, name: str) -> None:
    danger = DANGERS[name]
    with behind.operator() as operator, behind.through() as anna, behind.directly() as bare:
        known = {"n": behind.project, "task": _spare_task(operator, behind), "other": 1}
        if "{done}" in danger.path:
            made = operator.post(f"/api/tasks/{known['task']}/annotations", json=annotation())
            known["done"] = made.json()["id"]
        path = danger.path.format_map(known)
        body = json.dumps(danger.body)
        for field, value in known.items():
            body = body.replace(f'"{{{field}}}"', str(value))
        content = None if danger.body is None else body.encode()
        kind = {"Content-Type": "application/json"}
        if name == "filter by the body of a read":
            # Let through, but without its body; see below what it is without the proxy.
            assert anna.request("GET", path, content=b'{"filters": 3}', headers=kind).status_code == 200
            assert bare.request("GET", path, content=b'{"filters": 3}', headers=kind).status_code >= 400
            return
        before = _state(operator, behind)
        denied = anna.request(danger.method, path, content=content, headers=kind)
        assert denied.status_code == 403, denied.text[:200]
        assert "приглаш" in denied.text or "Annotators cannot" in denied.text or "not part of labeling" in denied.text
        assert _state(operator, behind) == before
        would = bare.request(danger.method, path, content=content, headers=kind)
        assert danger.happened(would), (would.status_code, would.text[:300])


def _spare_task(operator: httpx.Client, behind: Behind) -> int:
    """A task that no test needs: the last one that is left."""
    listed = operator.get("/api/tasks", params={"project": behind.project, "page_size": 100}).json()["tasks"]
    return max(int(task["id"]) for task in listed)


def _state(operator: httpx.Client, behind: Behind) -> list[Any]:
    """What a denied request must not have changed."""
    project = operator.get(f"/api/projects/{behind.project}").json()
    return [
        operator.get("/api/projects").json()["count"],
        [project[field] for field in ("title", "expert_instruction", "task_number", "total_annotations_number")],
        operator.get("/api/users/1").json()["first_name"],
        operator.get("/api/webhooks/").json(),
        operator.get(f"/api/dm/views?project={behind.project}").json(),
    ]


# --- who is asking, and from where ------------------------------------------------------------------------------------


def whoami(port: int, behind: Behind, path: str, *headers: tuple[str, str]) -> Answer:
    return send(port, "GET", path, headers=[("Host", behind.host), *headers])


@pytest.mark.parametrize(
    ("name", "form"),
    [("Authorization", "Token {}"), ("X-Api-Key", "{}"), ("X_Api_Key", "{}"), ("authorization", "token {}")],
)
def test_a_token_is_worth_nothing_behind_the_proxy(behind: Behind, name: str, form: str) -> None:
    header = (name, form.format(behind.instance.operator_token))
    assert whoami(behind.port, behind, f"{behind.prefix}/api/current-user/whoami", header).status == 401
    if "_" not in name:  # Django's own server drops those; another might not
        direct = whoami(behind.instance.port, behind, "/api/current-user/whoami", header)
        assert direct.json["email"] == behind.instance.operator_email


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "https://{host}"])
def test_a_write_from_elsewhere_is_refused(behind: Behind, origin: str | None) -> None:
    with behind.through() as anna, behind.directly() as bare, behind.operator() as operator:
        task = _spare_task(operator, behind)
        path = f"/api/tasks/{task}/drafts?project={behind.project}"
        headers = {} if origin is None else {"Origin": origin.format(host=behind.host)}
        del anna.headers["Origin"]
        assert anna.post(path, json=annotation(), headers=headers).status_code == 403
        assert operator.get(f"/api/tasks/{task}/drafts").json() == []
        # Label Studio itself takes it: its API has no such check.
        assert bare.post(path, json=annotation(), headers=headers).status_code == 201
        for draft in bare.get(f"/api/tasks/{task}/drafts").json():
            bare.delete(f"/api/drafts/{draft['id']}")


def test_a_foreign_login_form_is_refused(behind: Behind) -> None:
    with behind.through(login=False) as guest:
        answer = guest.post("/user/login/", data={}, headers={"Origin": "http://evil.example"})
        assert answer.status_code == 403
        assert "Annotators cannot" in answer.json()["detail"]


def test_signing_up_is_closed(behind: Behind) -> None:
    with behind.operator() as operator:
        token = operator.get("/api/invite").json()["token"]
    with behind.through(login=False) as guest:
        assert guest.get(f"/user/signup/?token={token}").status_code == 403
        assert guest.post(f"/user/signup/?token={token}", data={"email": "eve@example.org"}).status_code == 403


def test_paths_that_a_tidier_would_misread_are_denied(behind: Behind) -> None:
    for target in (
        "/version/../static/x",
        "/static/../version/",
        "/static/..%2fversion/",
        "/static/%2e%2e/version/",
        "//version/",
        "/api//invite",
        "/api/invite/../version",
        "/static/css/main.css/%0a/version/",
        "/api/version;/version/",
        "/projects/1/data%2fimport",
    ):
        answer = send(behind.port, "GET", behind.prefix + target, headers=[("Host", behind.host)])
        assert answer.status in {400, 403, 404}, target
        assert b"label-studio-os-package" not in answer.body
