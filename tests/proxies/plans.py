"""Plans for tests, and requests to them."""

from __future__ import annotations

from annotator_ops.models import Route, Routing
from annotator_ops.proxies import ProxyPlan
from tests.proxies.wire import Answer, send
from tests.real import free_port


def plan(upstream: int, *names: str, routing: Routing = "subdomain", port: int | None = None) -> ProxyPlan:
    port = port or free_port()
    routes = tuple(Route(name, name, f"127.0.0.1:{upstream}", 1) for name in names or ("anna",))
    return ProxyPlan(port, f"http://localhost:{port}", routing, routes)


def get(plan: ProxyPlan, target: str, *, host: str = "anna.localhost", method: str = "GET", **extra: str) -> Answer:
    headers = [("Host", f"{host}:{plan.port}"), *((name.replace("_", "-"), value) for name, value in extra.items())]
    return send(plan.port, method, target, headers=headers)
