"""The configuration as data: what must hold for every plan, without starting anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from annotator_ops.models import Route, Routing
from annotator_ops.proxies import ProxyPlan
from annotator_ops.proxies.caddy import load_pages
from annotator_ops.proxies.caddy_config import Pages, caddy_config, owns_https

PAGES = Pages(denied="denied", missing="missing", unavailable="unavailable", paused="paused", front="front")
ROUTES = (Route("anna", "anna", "127.0.0.1:9001", 1), Route("Борис", "annotator--0123456789", "127.0.0.1:9002"))


def config(
    origin: str = "http://localhost:8080", *, port: int = 8080, routing: Routing = "subdomain"
) -> dict[str, Any]:
    plan = ProxyPlan(port, origin, routing, ROUTES)
    return caddy_config(
        plan, admin_socket=Path("/run/x/admin.sock"), access_log_dir=Path("/logs"), pages=PAGES, ipv6=True
    )


def server(found: dict[str, Any]) -> dict[str, Any]:
    one: dict[str, Any] = found["apps"]["http"]["servers"]["annotators"]
    return one


def handlers(part: Any, name: str) -> Iterator[dict[str, Any]]:
    """Every handler of that name, however deep."""
    if isinstance(part, dict):
        if part.get("handler") == name:
            yield part
        for value in part.values():
            yield from handlers(value, name)
    elif isinstance(part, list):
        for value in part:
            yield from handlers(value, name)


@pytest.mark.parametrize("routing", ["subdomain", "path"])
@pytest.mark.parametrize(
    ("origin", "port"),
    [("http://localhost:8080", 8080), ("https://x.ngrok-free.app", 8080), ("https://s.example", 443)],
)
def test_the_admin_interface_is_always_a_socket(origin: str, port: int, routing: Routing) -> None:
    # Without this key, a load that fails moves the admin interface to TCP port 2019, open to everybody.
    admin = config(origin, port=port, routing=routing)["admin"]
    assert admin["listen"] == "unix//run/x/admin.sock|0600"
    assert admin["config"] == {"persist": False}


def test_plain_http_listens_on_this_machine_only() -> None:
    assert server(config())["listen"] == ["127.0.0.1:8080", "[::1]:8080"]
    assert server(config())["automatic_https"] == {"disable": True}
    behind = server(config("https://x.ngrok-free.app"))
    assert behind["listen"] == ["127.0.0.1:8080", "[::1]:8080"]
    assert behind["automatic_https"] == {"disable": True}


def test_own_https_is_a_decision_about_the_port() -> None:
    def owns(origin: str, port: int) -> bool:
        return owns_https(ProxyPlan(port, origin, "subdomain", ()))

    assert owns("https://study.example.org", 443)
    assert owns("https://study.example.org:8443", 8443)
    assert not owns("https://study.example.org", 8080)
    assert not owns("http://study.example.org", 80)
    own = config("https://study.example.org", port=443)
    assert server(own)["listen"] == [":443"]
    assert server(own)["automatic_https"] == {"disable_redirects": False}
    assert own["apps"]["pki"]["certificate_authorities"]["local"] == {"install_trust": False}


def test_every_annotator_has_one_upstream_and_one_log() -> None:
    found = config()
    proxies = list(handlers(found, "reverse_proxy"))
    assert [proxy["upstreams"] for proxy in proxies] == [[{"dial": "127.0.0.1:9001"}], [{"dial": "127.0.0.1:9002"}]]
    logs = found["logging"]["logs"]
    assert logs["annotator-anna"]["writer"]["filename"] == "/logs/anna.log"
    assert logs["annotator-anna"]["include"] == ["http.log.access.anna"]
    assert set(logs) == {"default", "annotator-anna", "annotator-annotator--0123456789"}


@pytest.mark.parametrize("routing", ["subdomain", "path"])
def test_nothing_reaches_an_instance_but_through_the_gate(routing: Routing) -> None:
    for annotator in server(config(routing=routing))["routes"]:
        if not annotator.get("match") or not list(handlers(annotator, "reverse_proxy")):
            continue
        (inside,) = [handler["routes"] for handler in annotator["handle"] if handler["handler"] == "subroute"]
        through = [route for route in inside if list(handlers(route, "reverse_proxy"))]
        assert len(through) == 1
        for matcher in through[0]["match"]:
            assert matcher["method"]
            assert matcher["vars_regexp"]["{http.request.uri}"]["pattern"].startswith("^")
            if not set(matcher["method"]) <= {"GET", "HEAD"}:
                assert matcher["vars"]["{http.request.header.Origin}"]
        # What is not let through ends in an error, and nothing comes after it.
        assert inside[-1] == {"handle": [{"handler": "error", "status_code": "403"}]}


def test_the_way_back_leads_to_the_annotators_own_project() -> None:
    homes = [handler["home"] for handler in handlers(config(routing="path"), "vars") if "home" in handler]
    assert homes == ["/a/anna/projects/1/data?labeling=1", "/a/annotator--0123456789/"]
    homes = [handler["home"] for handler in handlers(config(), "vars") if "home" in handler]
    assert homes == ["/projects/1/data?labeling=1", "/"]


def test_the_same_plan_gives_the_same_json() -> None:
    assert json.dumps(config()) == json.dumps(config())


def test_the_shipped_pages_are_whole_and_in_both_languages() -> None:
    pages = load_pages()
    for page in (pages.denied, pages.missing, pages.unavailable, pages.front):
        assert page.lstrip().startswith("<!doctype html>")
        assert '<section lang="en">' in page
        assert '<section lang="ru">' in page
        # Self-contained: nothing is loaded, and the only links lead back.
        assert "http" not in page.replace("{http.vars.home}", "")
        assert "{{" not in page
        assert "{%" not in page
    assert pages.denied.count('href="{http.vars.home}"') == 2
