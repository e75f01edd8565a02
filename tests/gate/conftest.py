"""A real Label Studio behind a real Caddy, once per routing, with one project and a plain annotator account."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from annotator_ops.models import Route, Routing
from annotator_ops.proxies import ProxyPlan
from annotator_ops.proxies.caddy import CaddyProxy
from tests.real import RealInstance, Way, free_port, real_instance, shared_installation

EMAIL = "anna@example.org"
LABEL_CONFIG = """<View>
  <Text name="dialogue" value="$text"/>
  <Choices name="quality" toName="dialogue" choice="single" required="true">
    <Choice value="poor"/><Choice value="fair"/><Choice value="good"/>
  </Choices>
</View>"""
RESULT = [{"from_name": "quality", "to_name": "dialogue", "type": "choices", "value": {"choices": ["good"]}}]
TASKS = 40


@dataclass(frozen=True, slots=True)
class Behind:
    """One annotator's Label Studio: `url` through the proxy, `instance.url` directly."""

    instance: RealInstance
    proxy: CaddyProxy
    port: int
    host: str
    origin: str
    prefix: str
    password: str
    project: int
    tasks: tuple[int, ...]
    sessions: dict[str, httpx.Cookies] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.origin}{self.prefix}"

    def operator(self) -> httpx.Client:
        return _client(self.instance.url, {"Authorization": f"Token {self.instance.operator_token}"})

    @contextmanager
    def through(self, *, login: bool = True) -> Iterator[httpx.Client]:
        """A client that the proxy takes for the annotator's browser, logged in like one."""
        headers = {"Host": self.host, "Origin": self.origin, "Referer": f"{self.url}/"}
        with _client(f"http://127.0.0.1:{self.port}{self.prefix}", headers) as client:
            if login:
                self._as_annotator(client, "through")
            yield client

    @contextmanager
    def directly(self) -> Iterator[httpx.Client]:
        """The same annotator without the proxy: what the gate protects from."""
        with _client(self.instance.url, {}) as client:
            self._as_annotator(client, "directly")
            yield client

    def _as_annotator(self, client: httpx.Client, way: str) -> None:
        """Log in, once for each way: sessions are signed cookies, and hashing a password takes its time."""
        if way in self.sessions:
            client.cookies = self.sessions[way]
        else:
            _log_in(client, self.password)
            self.sessions[way] = httpx.Cookies(client.cookies)


def _client(base: str, headers: dict[str, str]) -> httpx.Client:
    return httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False)


def _csrf(page: httpx.Response) -> str:
    match = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert match is not None, page.text[:300]
    return match[1]


def _log_in(client: httpx.Client, password: str) -> None:
    form = {"csrfmiddlewaretoken": _csrf(client.get("/user/login/")), "email": EMAIL, "password": password}
    answer = client.post("/user/login/", data=form)
    assert answer.status_code == 302, answer.text[:300]
    assert client.get("/api/current-user/whoami").json()["email"] == EMAIL


def _furnish(instance: RealInstance, password: str) -> tuple[int, tuple[int, ...]]:
    """Project, tasks, view and the annotator's account, as provision makes them."""
    with _client(instance.url, {"Authorization": f"Token {instance.operator_token}"}) as operator:

        def made(path: str, body: Any) -> Any:
            answer = operator.post(path, json=body)
            answer.raise_for_status()
            return answer.json()

        project: int = made(
            "/api/projects",
            {
                "title": "A study",
                "label_config": LABEL_CONFIG,
                "skip_queue": "REQUEUE_FOR_ME",
                "show_instruction": False,
            },
        )["id"]
        made(f"/api/projects/{project}/import", [{"text": f"Dialogue {number}"} for number in range(TASKS)])
        empty = {"conjunction": "and", "items": []}
        view = {"title": "Default", "type": "list", "target": "tasks", "filters": empty, "ordering": []}
        made(f"/api/dm/views?project={project}", {"project": project, "data": view})
        listed = operator.get("/api/tasks", params={"project": project, "page_size": TASKS}).json()["tasks"]
        token = operator.get("/api/invite").json()["token"]
    with _client(instance.url, {}) as guest:
        form = {"csrfmiddlewaretoken": _csrf(guest.get(f"/user/signup/?token={token}")), "email": EMAIL}
        answer = guest.post(f"/user/signup/?token={token}", data={**form, "password": password})
        assert answer.status_code == 302, answer.text[:300]
    return project, tuple(task["id"] for task in listed)


def _behind(routing: Routing, way: Way, folder: Path, stack: ExitStack) -> Behind:
    port = free_port()
    prefix = "/a/anna" if routing == "path" else ""
    host = f"localhost:{port}" if routing == "path" else f"anna.localhost:{port}"
    origin = f"http://{host}"
    instance = stack.enter_context(real_instance(folder / "instance", public_url=f"{origin}{prefix}", way=way))
    password = secrets.token_urlsafe(12)
    project, tasks = _furnish(instance, password)
    proxy = CaddyProxy("gate", folder / "state")
    stack.callback(proxy.stop)
    static = shared_installation().static_files()
    route = Route("anna", "anna", f"127.0.0.1:{instance.port}", project, static=static)
    proxy.apply(ProxyPlan(port, f"http://localhost:{port}", routing, (route,)))
    return Behind(instance, proxy, port, host, origin, prefix, password, project, tasks)


# Every way to run a Label Studio, and with the first one both routings.
COMBINATIONS = [
    pytest.param(("subdomain", "warm"), id="subdomain-warm"),
    pytest.param(("path", "warm"), id="path-warm"),
    pytest.param(("path", "ordinary"), id="path-ordinary"),
    pytest.param(("subdomain", "docker"), id="subdomain-docker", marks=pytest.mark.docker),
]


@pytest.fixture(scope="session", params=COMBINATIONS)
def behind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    with ExitStack() as stack:
        routing, way = request.param
        yield _behind(routing, way, tmp_path_factory.mktemp(f"{routing}-{way}"), stack)
