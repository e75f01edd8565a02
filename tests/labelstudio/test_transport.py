"""How failures are told and what is repeated, against a small server that misbehaves on purpose."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from annotator_ops.errors import OpsError
from annotator_ops.labelstudio import LabelStudio, ProjectSettings
from annotator_ops.labelstudio.accounts import sign_up
from annotator_ops.labelstudio.transport import Transport
from annotator_ops.secret import Secret


@contextmanager
def misbehaving(answers: list[tuple[int, str]]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers in turn, the last one for ever; yields its address and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = answers[min(len(asked), len(answers) - 1)]
            asked.append(f"{self.command} {self.path.partition('?')[0]}")
            if status == 0:  # hang up without a word
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = do_PATCH = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def transport(url: str) -> Transport:
    return Transport(url, Secret("a-secret-token"), sleep=lambda _seconds: None)


@pytest.mark.parametrize("first", [(503, "busy"), (0, "")])
def test_reading_is_repeated_when_the_instance_was_not_ready(first: tuple[int, str]) -> None:
    with misbehaving([first, (200, '{"a": 1}')]) as (url, asked):
        assert transport(url).get("/x", "read") == {"a": 1}
    assert len(asked) == 2


def test_reading_is_not_repeated_for_ever() -> None:
    with misbehaving([(503, "busy")]) as (url, asked), pytest.raises(OpsError) as caught:
        transport(url).get("/x", "list its tasks")
    assert caught.value.code == "labelstudio-failed"
    assert "could not list its tasks" in caught.value.message
    assert len(asked) == 3


@pytest.mark.parametrize("answer", [(503, "busy"), (500, "broken"), (0, ""), (409, "{}")])
def test_a_change_is_never_repeated(answer: tuple[int, str]) -> None:
    found = (200, '{"results": [], "count": 0}')
    with misbehaving([found, answer]) as (url, asked), LabelStudio(url, Secret("a-secret-token")) as client:
        with pytest.raises(OpsError) as caught:
            client.ensure_project(ProjectSettings("A title", "<View/>", "", "marker"))
        assert asked == ["GET /api/projects/", "POST /api/projects/"]
    assert "make the project" in caught.value.message


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((401, "{}"), "labelstudio-refused"),
        ((403, "{}"), "labelstudio-refused"),
        ((400, '{"detail": "no such thing"}'), "labelstudio-rejected"),
        ((500, "<html>"), "labelstudio-failed"),
        ((200, "<html>"), "labelstudio-strange"),
    ],
)
def test_each_failure_is_told_in_words(answer: tuple[int, str], code: str) -> None:
    with misbehaving([answer]) as (url, _), pytest.raises(OpsError) as caught:
        transport(url).get("/x", "list its tasks")
    error = caught.value
    assert error.code == code
    assert error.message.startswith(f"Label Studio at {url} could not list its tasks: ")
    assert error.hint
    assert "a-secret-token" not in f"{error.message} {error.hint} {error!r}"
    assert "<html>" not in error.message


def test_an_answer_that_does_not_come_is_a_timeout() -> None:
    release = threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            release.wait(30)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with pytest.raises(OpsError) as caught:
            transport(f"http://127.0.0.1:{server.server_address[1]}").get("/x", "read", seconds=0.2)
        assert caught.value.code == "labelstudio-timeout"
    finally:
        release.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_no_cookie_is_kept() -> None:
    """A kept session cookie would make the next request the session's instead of the token's."""
    with misbehaving([(200, "{}")]) as (url, _):
        found = transport(url)
        found.http.cookies.extract_cookies(
            httpx.Response(200, headers={"set-cookie": "sessionid=x; Path=/"}, request=httpx.Request("GET", url))
        )
    assert not list(found.http.cookies.jar)


def test_an_export_that_is_no_list_is_refused() -> None:
    with misbehaving([(200, '{"detail": "nothing"}')]) as (url, _), LabelStudio(url, Secret("x")) as client:
        with pytest.raises(OpsError) as caught:
            client.export(1)
        assert caught.value.code == "labelstudio-strange"


def test_an_export_in_an_unknown_form_is_kept_as_it_came() -> None:
    strange = '[{"id":1,"data":{}}]'
    with misbehaving([(200, strange)]) as (url, _), LabelStudio(url, Secret("a-secret-token")) as client:
        assert json.loads(client.export(1)) == json.loads(strange)


def test_a_refused_sign_up_does_not_blame_the_roster() -> None:
    invitation, form = (200, '{"token": "t"}'), (200, 'name="csrfmiddlewaretoken" value="x" <li>Taken.</li>')
    with misbehaving([invitation, form]) as (url, _), pytest.raises(OpsError, match="Taken") as caught:
        sign_up(transport(url), "anna@annotators.invalid", Secret("p"))
    assert "it is not the roster's" in caught.value.hint
