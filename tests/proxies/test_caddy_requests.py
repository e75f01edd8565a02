"""What Caddy does with requests: hosts, paths, headers, bodies, pages, logs."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from annotator_ops.models import Route
from annotator_ops.proxies import ProxyPlan
from annotator_ops.proxies.caddy import CaddyProxy
from annotator_ops.proxies.caddy_config import MAX_BODY
from annotator_ops.waiting import wait_until
from tests.proxies.conftest import MakeProxy
from tests.proxies.plans import get, plan
from tests.proxies.wire import echo_upstream, send
from tests.real import free_port


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, upstream: int
) -> Iterator[dict[str, tuple[CaddyProxy, ProxyPlan]]]:
    """One proxy per routing with two annotators, for tests that only send requests."""
    found: dict[str, tuple[CaddyProxy, ProxyPlan]] = {}
    for routing in ("subdomain", "path"):
        proxy = CaddyProxy("s", tmp_path_factory.mktemp(routing))
        wanted = plan(upstream, "anna", "boris", routing=routing)
        proxy.apply(wanted)
        found[routing] = (proxy, wanted)
    yield found
    for proxy, _ in found.values():
        proxy.stop()


Served = dict[str, tuple[CaddyProxy, ProxyPlan]]


def test_what_authenticates_or_disguises_is_taken_away(served: Served) -> None:
    _, wanted = served["subdomain"]
    answer = send(
        wanted.port,
        "GET",
        "/api/version",
        headers=[
            ("Host", f"anna.localhost:{wanted.port}"),
            ("Authorization", "Token abc"),
            ("X-Api-Key", "abc"),
            ("X_Api_Key", "abc"),
            ("x_api-key", "abc"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-For", "6.6.6.6"),
            ("X-Forwarded-Proto", "https"),
            ("X-Original-URL", "/admin/"),
            ("Forwarded", "for=6.6.6.6"),
            ("Connection", "upgrade"),
            ("Upgrade", "websocket"),
            ("Cookie", "sessionid=1"),
            ("X-CSRFToken", "kept"),
        ],
    )
    arrived = dict(answer.json["headers"])
    assert {"authorization", "x-api-key", "x_api_key", "x_api-key", "x-http-method-override"}.isdisjoint(arrived)
    assert {"x-original-url", "forwarded", "upgrade"}.isdisjoint(arrived)
    assert arrived["x-forwarded-host"] == arrived["host"] == f"anna.localhost:{wanted.port}"
    assert arrived["x-forwarded-for"] == "127.0.0.1"
    assert arrived["x-forwarded-proto"] == "http"
    assert arrived["cookie"] == "sessionid=1"
    assert arrived["x-csrftoken"] == "kept"


def test_path_routing_moves_paths_cookies_and_redirects(served: Served) -> None:
    _, wanted = served["path"]
    answer = get(wanted, "/a/anna/logout", host="localhost")
    assert answer.json["target"] == "/logout"
    assert answer.header("Location") == "/a/anna/user/login/"
    assert answer.all("Set-Cookie") == [
        "sessionid=abc; HttpOnly; Path=/a/anna/; SameSite=Lax",
        "csrftoken=def; path=/a/anna/",
    ]
    subdomain = get(served["subdomain"][1], "/logout")
    assert subdomain.header("Location") == "/user/login/"
    assert subdomain.all("Set-Cookie")[0] == "sessionid=abc; HttpOnly; Path=/; SameSite=Lax"


def test_path_routing_knows_its_annotators_exactly(served: Served) -> None:
    _, wanted = served["path"]
    assert get(wanted, "/a/anna", host="localhost").header("Location") == "/a/anna/"
    for target in ("/a/ann", "/a/annab/", "/a/ANNA/", "/a/%61nna/", "/a//anna/", "/A/anna/", "/a/", "/a/nobody/", "/x"):
        assert get(wanted, target, host="localhost").status == 404, target
    for target in ("/a/anna/../boris/", "/a/anna//", "/a/anna/a/boris/", "/a/anna/..", "/a/anna/%2e%2e/boris/"):
        assert get(wanted, target, host="localhost").status == 403, target


def test_fonts_named_from_the_root_are_found_by_who_asks(served: Served) -> None:
    _, wanted = served["path"]
    font = "/static/fonts/Figtree-Regular.ttf"
    referer = f"{wanted.origin}/a/boris/react-app/main.css"
    assert get(wanted, font, host="localhost", Referer=referer).header("Location") == f"/a/boris{font}"
    assert get(wanted, font, host="localhost").status == 404
    assert get(wanted, font, host="localhost", Referer="http://evil.example/a/boris/").status == 404
    assert get(wanted, "/sw.js", host="localhost", Referer=referer).status == 404


@pytest.mark.parametrize("routing", ["subdomain", "path"])
def test_strangers_get_a_page_that_tells_nothing(served: Served, routing: str) -> None:
    _, wanted = served[routing]
    front = get(wanted, "/", host="localhost")
    assert front.status == 200
    unknown = get(wanted, "/", host="carol.localhost")
    assert unknown.status == 404
    for answer in (front, unknown, get(wanted, "/", host="evil.example"), get(wanted, "/", host="127.0.0.1")):
        assert answer.header("Content-Type") == "text/html; charset=utf-8"
        assert "приглашени" in answer.text
        assert "anna" not in answer.text
        assert answer.header("Server") is None


def test_denied_pages_lead_back_and_denied_calls_are_json(served: Served) -> None:
    for routing, prefix, host in (("subdomain", "", "anna.localhost"), ("path", "/a/anna", "localhost")):
        _, wanted = served[routing]
        page = get(wanted, f"{prefix}/projects/1/settings", host=host)
        assert page.status == 403
        assert page.text.count(f'href="{prefix}/projects/1/data?labeling=1"') == 2
        assert page.header("Content-Security-Policy") is not None
        call = get(wanted, f"{prefix}/api/invite", host=host)
        assert call.status == 403
        assert "Annotators cannot do this" in call.json["detail"]
        assert get(wanted, f"{prefix}/projects/1/settings", host=host, method="POST").json["detail"]


def test_bodies_have_limits(served: Served) -> None:
    _, wanted = served["subdomain"]
    origin = [("Host", f"anna.localhost:{wanted.port}"), ("Origin", f"http://anna.localhost:{wanted.port}")]
    fits = send(wanted.port, "POST", "/api/tasks/1/annotations", headers=origin, body=b"x" * 1_000_000)
    assert len(fits.json["body"]) == 1_000_000
    big = send(wanted.port, "POST", "/api/tasks/1/annotations", headers=origin, body=b"x" * (MAX_BODY + 1))
    assert big.status == 413
    assert "larger" in big.json["detail"]
    # A read carries nothing on: Label Studio would take filters from it.
    filters = b'{"filters": {}}'
    for headers, body in (
        (origin, filters),
        ([*origin, ("Transfer-Encoding", "chunked")], b"f\r\n" + filters + b"\r\n0\r\n\r\n"),
    ):
        read = send(wanted.port, "GET", "/api/tasks?project=1", headers=headers, body=body)
        assert read.status == 200
        assert read.json["body"] == ""
        arrived = {name for name, _ in read.json["headers"]}
        assert {"content-length", "transfer-encoding"}.isdisjoint(arrived)


def test_answers_carry_headers_that_protect(served: Served) -> None:
    _, wanted = served["subdomain"]
    for target in ("/api/version", "/projects/1/settings", "/.annotator-ops/ready"):
        answer = get(wanted, target)
        assert answer.header("X-Content-Type-Options") == "nosniff"
        assert answer.header("X-Frame-Options") == "SAMEORIGIN"
        assert answer.header("Referrer-Policy") == "same-origin"
        assert answer.header("Server") is None
        assert answer.header("Via") is None


def test_front_end_files_are_kept_by_browsers_and_sent_compressed(served: Served) -> None:
    _, wanted = served["subdomain"]
    assert get(wanted, "/react-app/main.js").header("Cache-Control") == "private, max-age=86400"
    assert get(wanted, "/api/version").header("Cache-Control") is None
    answer = get(wanted, "/react-app/main.js", Accept_Encoding="gzip", X_Padding="x" * 2000)
    assert answer.header("Content-Encoding") == "gzip"
    assert json.loads(gzip.decompress(answer.body))["target"] == "/react-app/main.js"


def test_tips_never_leave_the_machine(served: Served) -> None:
    assert get(served["subdomain"][1], "/heidi-tips").json == {}
    assert get(served["path"][1], "/heidi-tips", host="localhost").json == {}
    assert get(served["path"][1], "/a/anna/heidi-tips", host="localhost").json == {}


def test_the_access_log_is_per_annotator_and_holds_no_secret(served: Served) -> None:
    for routing, prefix, hosts in (("subdomain", "", ("anna.localhost", "boris.localhost")), ("path", "/a", None)):
        proxy, wanted = served[routing]
        for name in ("anna", "boris"):
            get(
                wanted,
                f"{prefix}/{name}/user/login/?next=/hidden-{name}" if prefix else f"/user/login/?next=/hidden-{name}",
                host="localhost" if hosts is None else f"{name}.localhost",
                Cookie="sessionid=hidden",
                Authorization="Token hidden",
            )
        for name, other in (("anna", "boris"), ("boris", "anna")):

            def logged(name: str = name, proxy: CaddyProxy = proxy) -> list[str] | None:
                lines = [line for line in proxy.logs(name, 50) if "/user/login/" in line]
                return lines or None

            lines = wait_until(logged, what="the log line", deadline=10, hint="")
            assert other not in "".join(lines)
            entry = json.loads(lines[-1])
            assert entry["request"]["uri"].endswith("/user/login/")
            assert entry["status"] == 200
            assert entry["request"]["method"] == "GET"
            text = "".join(proxy.logs(name, 1000))
            for secret in ("hidden", "sessionid", "abc", "?"):
                assert secret not in text
            assert "/ready" not in text
        assert len(proxy.logs("anna", 1)) == 1


def test_a_restarting_instance_holds_its_requests(make: MakeProxy) -> None:
    port = free_port()
    wanted = plan(port)
    proxy = make()
    proxy.apply(wanted)  # nothing listens at the upstream: being served does not need it
    origin = [("Host", f"anna.localhost:{wanted.port}"), ("Origin", f"http://anna.localhost:{wanted.port}")]

    with ThreadPoolExecutor(2) as pool:
        get_later = pool.submit(send, wanted.port, "GET", "/api/version", headers=origin)
        post_later = pool.submit(send, wanted.port, "POST", "/api/tasks/1/annotations", headers=origin, body=b"work")
        # Both are in Caddy's hands before the instance is back.
        wait_until(lambda: _connections(wanted.port) >= 2 or None, what="both requests", deadline=10, hint="")
        with echo_upstream(port):
            assert get_later.result(timeout=30).status == 200
            answer = post_later.result(timeout=30)
    assert answer.status == 200
    assert answer.json["body"] == "work"


def test_own_https_serves_every_annotator_with_a_certificate(make: MakeProxy, upstream: int) -> None:
    # `localhost` names get certificates from Caddy's own authority, so this needs no internet.
    port = free_port()
    routes = (Route("anna", "anna", f"127.0.0.1:{upstream}", 1),)
    proxy = make()
    assert proxy.apply(ProxyPlan(port, f"https://localhost:{port}", "subdomain", routes)) is True
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def shake() -> bool | None:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="anna.localhost") as secure,
        ):
            secure.sendall(
                f"GET /api/version HTTP/1.1\r\nHost: anna.localhost:{port}\r\nConnection: close\r\n\r\n".encode()
            )
            return secure.recv(64).startswith(b"HTTP/1.1 200") or None

    wait_until(shake, what="a certificate", deadline=30, hint="", retry_on=(OSError,))


def _connections(port: int) -> int:
    """Established connections to a local port, as the server's side sees them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for row in rows if row[3] == "01" and int(row[1].rpartition(":")[2], 16) == port)
