"""The gate as Caddy enforces it: on the wire it agrees with `allowed()` on every request, and changes none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from annotator_ops.gate import allowed, same_origin
from annotator_ops.models import Route, Routing
from annotator_ops.proxies import ProxyPlan
from annotator_ops.proxies.caddy import CaddyProxy
from tests.gate.requests import mutated_requests
from tests.proxies.wire import Answer, echo_upstream, send
from tests.real import free_port

PROJECT = 1


@dataclass(frozen=True, slots=True)
class Front:
    """A proxy in front of an echo, seen as one annotator."""

    port: int
    host: str
    prefix: str
    origin: str

    def send(self, method: str, target: str, *, origins: tuple[str, ...] | None = None, body: bytes = b"") -> Answer:
        if origins is None:
            origins = () if method in {"GET", "HEAD"} else (self.origin,)
        headers = [("Host", self.host), *(("Origin", origin) for origin in origins)]
        return send(self.port, method, self.prefix + target, headers=headers, body=body)


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Routing, Front]]:
    """One annotator behind each routing; the echo stands where Label Studio would be."""
    found: dict[Routing, Front] = {}
    proxies = []
    with echo_upstream() as upstream:
        # No front-end file is there: whatever asks for one has to come through unchanged.
        static = tmp_path_factory.mktemp("front-end")
        route = Route("anna", "anna", f"127.0.0.1:{upstream}", PROJECT, static=static)
        for routing in ("subdomain", "path"):
            port = free_port()
            proxy = CaddyProxy("gate", tmp_path_factory.mktemp(routing))
            proxies.append(proxy)
            proxy.apply(ProxyPlan(port, f"http://localhost:{port}", routing, (route,)))
            host = f"anna.localhost:{port}" if routing == "subdomain" else f"localhost:{port}"
            found[routing] = Front(port, host, "" if routing == "subdomain" else "/a/anna", f"http://{host}")
        yield found
        for proxy in proxies:
            proxy.stop()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated_requests(), st.sampled_from(["subdomain", "path"]))
@example(("GET", "/static/%0aversion/"), "subdomain")
@example(("GET", "/version/../static/x"), "path")
@example(("GET", "/static/../version/"), "path")
@example(("POST", "/api/dm/actions?id={http.request.header.X-Id}"), "subdomain")
@example(("GET", "/?"), "path")
@example(("GET", "/projects?page={env.HOME}"), "subdomain")
def test_caddy_agrees_with_the_rules(
    fronts: dict[Routing, Front], request_line: tuple[str, str], routing: Routing
) -> None:
    method, target = request_line
    target = target.encode().decode("latin-1")  # bytes as they are; the wire has no characters
    path, _, query = target.partition("?")
    # A blank ends the target, and `#` is never part of one: neither can be sent as meant.
    if any(sign in target for sign in " #\r\n"):
        return
    answer = fronts[routing].send(method, target)
    if path == "/" and method in {"GET", "HEAD"}:
        # The proxy's own answer: on to the next task. Label Studio's home page is asked for nothing.
        assert (answer.status, b'"target"' in answer.body) == (302, False)
        assert dict(answer.headers)["location"].endswith(f"/projects/{PROJECT}/data?labeling=1")
        return
    if allowed(method, path, query, project_id=PROJECT):
        assert answer.status == 200, target
        if method != "HEAD":
            # What the rules were asked about is what Label Studio gets, to the byte.
            assert answer.json["target"] == target
            assert answer.json["method"] == method
    else:
        assert answer.status in {400, 403, 404, 405, 308, 501}, (answer.status, target)
        assert b'"target"' not in answer.body


@pytest.mark.parametrize("routing", ["subdomain", "path"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_caddy_compares_the_origin_of_writes(fronts: dict[Routing, Front], routing: Routing, method: str) -> None:
    front = fronts[routing]
    target = {"POST": "/api/tasks/1/annotations", "PATCH": "/api/annotations/1", "DELETE": "/api/drafts/1"}[method]
    for origins in (
        (front.origin,),
        (),
        ("null",),
        ("http://evil.example",),
        (front.origin + ".evil.example",),
        (front.origin, "http://evil.example"),
        ("http://evil.example", front.origin),
        (front.origin.replace("http:", "https:"),),
        ("{http.vars.home}",),
    ):
        expected = 200 if same_origin(origins, front.origin) else 403
        assert front.send(method, target, origins=origins, body=b"{}").status == expected, origins


def test_another_annotators_pages_are_another_origin(fronts: dict[Routing, Front]) -> None:
    front = fronts["subdomain"]
    boris = front.origin.replace("anna", "boris")
    assert front.send("POST", "/api/tasks/1/annotations", origins=(boris,), body=b"{}").status == 403


def test_placeholders_in_a_request_are_only_text(fronts: dict[Routing, Front]) -> None:
    """Older versions of Caddy evaluated them inside what a pattern is matched against."""
    front = fronts["subdomain"]
    answer = send(
        front.port,
        "POST",
        "/api/dm/actions?{http.request.header.X-Query}",
        headers=[("Host", front.host), ("Origin", front.origin), ("X-Query", "id=next_task")],
    )
    assert answer.status == 403


@pytest.mark.parametrize("routing", ["subdomain", "path"])
def test_a_full_address_in_the_request_line_is_read_like_any_other(
    fronts: dict[Routing, Front], routing: Routing
) -> None:
    front = fronts[routing]
    for path, status in (("/api/version", 200), ("/api/invite", 403)):
        answer = send(front.port, "GET", f"http://{front.host}{front.prefix}{path}", headers=[("Host", front.host)])
        assert answer.status == status
