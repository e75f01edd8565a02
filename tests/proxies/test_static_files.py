"""Caddy answers front-end files itself: exactly those that Label Studio would, and no others."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from annotator_ops.models import Route, Routing
from annotator_ops.proxies import ProxyPlan
from annotator_ops.proxies.caddy import CaddyProxy
from annotator_ops.proxies.static_files import CONTENT_TYPES, serve_files
from annotator_ops.runtimes.front_end import FOLDERS, linked_from, make_front_end
from tests.proxies.plans import get, plan
from tests.proxies.wire import Answer
from tests.real import RealInstance, free_port, prepared_installation

BUNDLE = "'use strict';\n" * 500
SECRET = "nobody's business"
ROUTINGS: tuple[Routing, ...] = ("subdomain", "path")


@dataclass(frozen=True, slots=True)
class Served:
    """One annotator behind one routing; an echo stands where Label Studio would be."""

    plan: ProxyPlan
    files: Path

    def ask(self, target: str, *, method: str = "GET", **extra: str) -> Answer:
        path = self.plan.routing == "path"
        host = "localhost" if path else "anna.localhost"
        return get(self.plan, f"{'/a/anna' if path else ''}{target}", host=host, method=method, **extra)


def by_instance(answer: Answer) -> bool:
    """Whether the request went on to the echo."""
    return b'"target"' in answer.body


def with_files(plan: ProxyPlan, files: Path, *, paused: bool = False) -> ProxyPlan:
    routes = tuple(replace(route, static=files, paused=paused) for route in plan.routes)
    return replace(plan, routes=routes)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with a bundle, a picture, and all that must not be served."""
    root = tmp_path_factory.mktemp("installed") / "site-packages"
    app, static = root / FOLDERS["react-app"], root / FOLDERS["static"]
    for folder in (app, static / "images", static / "fonts" / "roboto", static / ".git"):
        folder.mkdir(parents=True)
    (app / "main.js").write_text(BUNDLE)
    (app / "main.js.map").write_text("{}")
    (app / "settings.py").write_text(SECRET)
    (app / ".env").write_text(SECRET)
    (static / ".git" / "config.txt").write_text(SECRET)
    (static / "images" / "index.html").write_text("<p>pictures</p>")
    (static / "images" / "logo.png").write_bytes(b"\x89PNG" * 1000)
    (static / "LICENSE").write_text("MIT")
    (static / "fonts" / "roboto" / "roboto.css").write_text("{{HOSTNAME}}")
    (root / "secret.txt").write_text(SECRET)
    (static / "link.txt").symlink_to(root / "secret.txt")
    (static / "out").symlink_to(root)
    (static / "dir.js").mkdir()
    return root


@pytest.fixture(scope="module")
def files(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home") / "front-end"
    make_front_end(folder, linked_from(packages))
    # What could only get in past us: Caddy must not show it all the same.
    (folder / "static" / ".hidden.js").write_text(SECRET)
    (folder / "static" / "dir.js").mkdir()
    (folder / "outside.js").write_text(SECRET)
    return folder


@pytest.fixture(scope="module", params=ROUTINGS)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, upstream: int, files: Path
) -> Iterator[Served]:
    wanted = with_files(plan(upstream, "anna", routing=request.param), files)
    proxy = CaddyProxy("s", tmp_path_factory.mktemp(request.param))
    try:
        proxy.apply(wanted)
        yield Served(wanted, files)
    finally:
        proxy.stop()


def test_a_file_comes_from_the_folder_as_label_studio_would_send_it(served: Served) -> None:
    for target in ("/react-app/main.js", "/react-app/main.js?v=d89e2b"):
        answer = served.ask(target)
        assert (answer.status, answer.text) == (200, BUNDLE)
        assert answer.all("content-type") == ["application/javascript"]
        assert answer.all("cache-control") == ["private, max-age=86400"]
        assert answer.header("last-modified")
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("server") is None
    head = served.ask("/react-app/main.js", method="HEAD")
    assert (head.status, head.body, head.header("content-length")) == (200, b"", str(len(BUNDLE)))
    picture = served.ask("/static/images/logo.png", Accept_Encoding="gzip")
    assert (picture.header("content-type"), picture.header("content-encoding")) == ("image/png", None)
    part = served.ask("/static/images/logo.png", Range="bytes=1-3")
    assert (part.status, part.body) == (206, b"PNG")


def test_a_large_text_comes_compressed_as_it_lies_there(served: Served) -> None:
    answer = served.ask("/react-app/main.js", Accept_Encoding="gzip, deflate, br")
    assert answer.header("content-encoding") == "gzip"
    assert answer.header("content-type") == "application/javascript"
    assert "Accept-Encoding" in (answer.header("vary") or "")
    assert answer.body == (served.files / "react-app" / "main.js.gz").read_bytes()
    assert gzip.decompress(answer.body).decode() == BUNDLE


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_browser_can_ask_whether_it_has_changed(served: Served, encoding: str) -> None:
    first = served.ask("/react-app/main.js", Accept_Encoding=encoding)
    tag, date = first.header("etag"), first.header("last-modified")
    assert tag and date
    for header, value in (("If_None_Match", tag), ("If_Modified_Since", date)):
        again = served.ask("/react-app/main.js", Accept_Encoding=encoding, **{header: value})
        assert (again.status, again.body) == (304, b"")
    assert served.ask("/react-app/main.js", If_None_Match='"another"').status == 200


@pytest.mark.parametrize(
    "target",
    [
        "/static/nothing.js",  # the instance may have it
        "/static/fonts/roboto/roboto.css",  # made by a view, with the instance's address
        "/static/images",
        "/static/dir.js",
        "/static",
        "/react-app/main.js.map",
        "/react-app/main.js.gz",
        "/react-app/MAIN.JS",
        "/react-app/main.JS",
        "/react-app/settings.py",
        "/static/LICENSE",
        "/static/link.txt",
        "/static/out/secret.txt",
        "/static/*.js",
        "/static/%D0%B0.js",
        "/dm/version.json",
        "/data/upload/1/main.js",
        "/projects/?x=/react-app/main.js",
        "/api/version",
    ],
)
def test_everything_else_is_the_instances_or_the_gates(served: Served, target: str) -> None:
    answer = served.ask(target)
    assert SECRET not in answer.text
    if answer.status != 403:
        assert by_instance(answer)
        assert answer.json["target"] == target


@pytest.mark.parametrize(
    "target",
    [
        "/static/",
        "/static/images/",
        "/react-app/main.js/",
        "/static/../outside.js",
        "/static/../react-app/main.js",
        "/static/%2e%2e/outside.js",
        "/static/%2E%2E%2Foutside.js",
        "/static/..%2foutside.js",
        "/static/images%2flogo.png",
        "/static/..%5coutside.js",
        "/static/..\\outside.js",
        "/static//images/logo.png",
        "//react-app/main.js",
        "/static/./images/logo.png",
        "/static/.hidden.js",
        "/static/.git/config.txt",
        "/react-app/.env",
        "/react-app/main.js%00.png",
        "/react-app/%6dain.js",
        "/react-app/main.js;x",
        "/react-app/{http.request.header.X}.js",
        "/outside.js",
        "/front-end/react-app/main.js",
    ],
)
def test_no_address_leads_out_of_the_folders(served: Served, target: str) -> None:
    answer = served.ask(target, X="main")
    assert answer.status in {400, 403}, target
    assert SECRET.encode() not in answer.body
    assert BUNDLE.encode() not in answer.body
    assert not by_instance(answer)


@pytest.mark.parametrize("target", ["/react-app/main.js", "/react-app/of-the-instance.js"])
def test_a_browser_may_keep_it_whatever_its_cookie(served: Served, target: str) -> None:
    for encoding in ("gzip", "identity"):
        assert served.ask(target, Accept_Encoding=encoding).all("vary") == ["Accept-Encoding"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"])
def test_files_are_only_looked_at(served: Served, method: str) -> None:
    answer = served.ask("/react-app/main.js", method=method)
    assert answer.status == 403
    assert b"use strict" not in answer.body


def test_on_the_bare_host_fonts_are_still_somebodys(served: Served) -> None:
    referer = f"http://localhost:{served.plan.port}/a/anna/react-app/main.css"
    answer = get(served.plan, "/static/fonts/x.woff2", host="localhost", Referer=referer)
    if served.plan.routing == "path":
        assert (answer.status, answer.header("location")) == (307, "/a/anna/static/fonts/x.woff2")
    else:
        assert answer.status == 404
    assert get(served.plan, "/react-app/main.js", host="localhost").status == 404


def test_while_labeling_is_paused_there_are_no_files(tmp_path: Path, upstream: int, files: Path) -> None:
    wanted = with_files(plan(upstream, "anna"), files, paused=True)
    proxy = CaddyProxy("s", tmp_path)
    try:
        proxy.apply(wanted)
        assert get(wanted, "/react-app/main.js").status == 423
    finally:
        proxy.stop()


def test_files_that_are_gone_are_the_instances_again(tmp_path: Path, upstream: int) -> None:
    wanted = with_files(plan(upstream, "anna"), tmp_path / "removed")
    proxy = CaddyProxy("s", tmp_path / "state")
    try:
        proxy.apply(wanted)
        assert get(wanted, "/react-app/main.js").json["target"] == "/react-app/main.js"
    finally:
        proxy.stop()


def test_a_folder_whose_name_means_something_to_caddy_is_left_to_the_instance() -> None:
    assert serve_files(Path("/home/anna/front-end"))
    for name in ("{env.HOME}", "[ab]", "*", "a?", "a\\b"):
        assert serve_files(Path("/home", name)) == []


def test_the_configuration_names_one_folder_and_no_index_page() -> None:
    text = json.dumps(serve_files(Path("/f")))
    assert text.count('"root": "/f"') == 2
    assert '"index_names": []' in text
    assert "browse" not in text


# --- the real files --------------------------------------------------------------------------------------------------


@pytest.mark.labelstudio
def test_caddy_answers_every_file_as_label_studio_itself_does(label_studio: RealInstance, tmp_path: Path) -> None:
    static = prepared_installation().static_files()
    assert static is not None
    port = free_port()
    route = Route("anna", "anna", f"127.0.0.1:{label_studio.port}", 1, static=static)
    through = ProxyPlan(port, f"http://localhost:{port}", "subdomain", (route,))
    itself = ProxyPlan(label_studio.port, label_studio.url, "path", ())
    names = [path.relative_to(static).as_posix() for path in sorted(static.rglob("*")) if path.is_file()]
    left = [name for name in names if Path(name).suffix not in {*CONTENT_TYPES, ".gz"}]
    assert {Path(name).stem for name in left} == {"LICENSE"}, "a kind of file that is not served"
    targets = [f"/{name}" for name in names if Path(name).suffix in CONTENT_TYPES]
    assert len(targets) > 900
    proxy = CaddyProxy("s", tmp_path)
    try:
        proxy.apply(through)
        for target in targets:
            theirs = get(itself, target, host="127.0.0.1")
            ours = get(through, target)
            assert (ours.status, ours.body) == (theirs.status, theirs.body), target
            for header in ("content-type", "last-modified", "content-encoding"):
                assert ours.all(header) == theirs.all(header), (target, header)
            packed = get(through, target, Accept_Encoding="gzip")
            body = gzip.decompress(packed.body) if packed.header("content-encoding") == "gzip" else packed.body
            assert body == theirs.body, target
            assert packed.all("content-type") == theirs.all("content-type"), target
    finally:
        proxy.stop()
