"""The engine's failures in words, asked of a stand-in that answers on a socket as an engine would."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError, ImageNotFound
from requests.exceptions import ReadTimeout

from annotator_ops.errors import OpsError
from annotator_ops.runtimes.docker import DockerRuntime
from annotator_ops.runtimes.docker_engine import connect, engine_answers, in_words
from tests.conftest import REPOSITORY

VERSION: dict[str, Any] = {"ApiVersion": "1.41", "Version": "20.10.24", "MinAPIVersion": "1.12"}
INFO: dict[str, Any] = {"OSType": "linux", "SecurityOptions": ["name=seccomp,profile=default"]}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: the name of a unix socket has about 100 characters."""
    with tempfile.TemporaryDirectory(prefix="ops") as made:
        yield Path(made)


@contextmanager
def stand_in(folder: Path, answers: Mapping[str, Any]) -> Iterator[str]:
    """A stand-in for an engine: `answers` by the last part of the path, a number is an HTTP status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0].rsplit("/", 1)[-1], 404)
            status, body = (answer, {"message": "broken"}) if isinstance(answer, int) else (200, answer)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def address_string(self) -> str:
            return "client"

    path = folder / "engine.sock"
    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()


def test_an_engine_that_answers(folder: Path) -> None:
    with stand_in(folder, {"version": VERSION, "info": INFO}) as host:
        assert engine_answers(host) == (True, "Docker Engine 20.10.24 answers.")


def test_no_engine_at_all(folder: Path) -> None:
    answers, why = engine_answers(f"unix://{folder}/absent.sock")
    assert not answers
    assert "no Docker Engine is running" in why


def test_an_engine_that_has_died(folder: Path) -> None:
    with stand_in(folder, {}) as host:
        pass
    answers, why = engine_answers(host)
    assert not answers
    assert "no Docker Engine is running" in why


def test_a_silent_engine_is_given_up_soon(folder: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / "engine.sock"))
        silent.listen()
        began = time.monotonic()
        answers, why = engine_answers(f"unix://{folder}/engine.sock", timeout=0.3)
    assert not answers
    assert "does not answer in time" in why
    assert time.monotonic() - began < 2


def test_a_remote_engine_is_refused() -> None:
    answers, why = engine_answers("tcp://192.0.2.1:2375")
    assert not answers
    assert "folders of the machine" in why


@pytest.mark.parametrize(
    ("version", "info", "words"),
    [
        ({**VERSION, "ApiVersion": "1.40"}, INFO, "it speaks API 1.40, and 1.41 (Engine 20.10) is needed"),
        (VERSION, {**INFO, "SecurityOptions": ["name=apparmor"]}, "it has no seccomp"),
        (VERSION, {**INFO, "SecurityOptions": [*INFO["SecurityOptions"], "name=rootless"]}, "it maps user ids"),
        (VERSION, {**INFO, "SecurityOptions": [*INFO["SecurityOptions"], "name=userns"]}, "it maps user ids"),
        (VERSION, {**INFO, "OSType": "windows"}, "it runs windows containers"),
    ],
)
def test_an_engine_that_could_not_isolate_is_refused(
    folder: Path, version: dict[str, Any], info: dict[str, Any], words: str
) -> None:
    with stand_in(folder, {"version": version, "info": info}) as host:
        answers, why = engine_answers(host)
        assert not answers
        assert words in why
        with pytest.raises(OpsError) as caught:
            connect(host)
        assert caught.value.code == "engine-unfit"


def test_a_broken_answer_is_not_an_empty_study(folder: Path) -> None:
    with stand_in(folder, {"version": VERSION, "info": INFO, "json": 500}) as host:
        runtime = DockerRuntime("study", folder / "instances", client_factory=lambda: connect(host))
        with pytest.raises(OpsError) as caught:
            runtime.observe()
        runtime.close()
    assert caught.value.code == "engine-unreachable"
    assert "broken" in caught.value.message


AS_NOBODY = """
import os, sys
sys.path.insert(0, sys.argv[1])
from annotator_ops.runtimes.docker_engine import connect, engine_answers
from annotator_ops.errors import OpsError
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
print(engine_answers(sys.argv[2]))
try:
    connect(sys.argv[2])
except OpsError as error:
    print(error.code, error.hint)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_user_without_permission_is_told_about_the_group(folder: Path) -> None:
    folder.chmod(0o755)
    with stand_in(folder, {"version": VERSION, "info": INFO}) as host:
        Path(host.removeprefix("unix://")).chmod(0o660)
        argv = [sys.executable, "-c", AS_NOBODY, str(REPOSITORY), host]
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    answers, told = ended.stdout.splitlines()
    assert answers.startswith("(False, ")
    assert "you may not use Docker's socket" in answers
    assert told.startswith("engine-unreachable ")
    assert "usermod -aG docker" in told


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (APIError("500", explanation="write /var/lib/docker/x: no space left on device"), "disk-full", "disk is full"),
        (
            APIError("500", explanation="driver failed: Bind for 127.0.0.1:8081 failed: port is already allocated"),
            "port-taken",
            "port 8081",
        ),
        (
            APIError("500", explanation="listen tcp4 127.0.0.1:8081: bind: address already in use"),
            "port-taken",
            "port 8081",
        ),
        (
            APIError("400", explanation="invalid mount config: bind source path does not exist: /x"),
            "data-missing",
            "/x",
        ),
        (ImageNotFound("404", explanation="No such image: a:1"), "image-missing", "a:1"),
        (
            APIError("400", explanation='exec: "docker-init": executable file not found in $PATH'),
            "engine-incomplete",
            "docker-init",
        ),
        (
            APIError("500", explanation="could not find an available, non-overlapping IPv4 address pool"),
            "networks-exhausted",
            "addresses",
        ),
        (APIError("500", explanation="something new"), "engine-error", "something new"),
        (ReadTimeout("UnixHTTPConnectionPool: Read timed out."), "engine-unreachable", "in time"),
    ],
)
def test_errors_are_said_in_words_with_a_way_out(error: Exception, code: str, words: str) -> None:
    with pytest.raises(OpsError) as caught, in_words("It failed", port=8081):
        raise error
    assert caught.value.code == code
    assert caught.value.message.startswith("It failed: ")
    assert words in caught.value.message
    assert len(caught.value.hint) > 10
    assert caught.value.__cause__ is error


def test_our_own_errors_pass_unchanged() -> None:
    ours = OpsError("Ours.", hint="Do.", code="ours")
    with pytest.raises(OpsError) as caught, in_words("It failed"):
        raise ours
    assert caught.value is ours
