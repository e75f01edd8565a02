"""The launcher on its own: what it refuses, and what it does with the database before it serves."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from launcher import instance, labelstudio

from annotator_ops.models import InstanceSpec, State
from annotator_ops.resources import resource
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.process import ProcessRuntime
from annotator_ops.runtimes.seed import DATABASE, Seed
from annotator_ops.secret import Secret
from annotator_ops.waiting import wait_until
from tests.real import OPERATOR_EMAIL, free_port, make_spec, prepared_installation, wait_healthy

LAUNCHER = resource("deploy", "launch.py")


def run(settings: Path, *options: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-I", str(LAUNCHER), str(settings), *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin"},
    )


def write_settings(path: Path, content: object, *, mode: int = 0o600) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def settings(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    environment = {"LABEL_STUDIO_BASE_DATA_DIR": str(tmp_path / "data"), "SECRET_KEY": "very-secret"}
    return {"environment": environment, "host": "127.0.0.1", "port": free_port(), **changes}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_settings_that_others_can_read_are_refused(tmp_path: Path, mode: int) -> None:
    ended = run(write_settings(tmp_path / "s.json", settings(tmp_path), mode=mode))
    assert ended.returncode == 2
    assert f"mode {mode:04o}" in ended.stdout
    assert "very-secret" not in ended.stdout + ended.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_settings_of_another_user_are_refused(tmp_path: Path) -> None:
    path = write_settings(tmp_path / "s.json", settings(tmp_path))
    os.chown(path, 12345, 12345)
    ended = run(path)
    assert ended.returncode == 2
    assert "uid 12345" in ended.stdout


@pytest.mark.parametrize(
    "content",
    [
        '{"environment": {"SECRET_KEY": "very-secret",}',
        "[]",
        "{}",
        {"environment": {"SECRET_KEY": "very-secret"}, "host": "127.0.0.1", "port": 8000},
        {"environment": {"LABEL_STUDIO_BASE_DATA_DIR": 3}, "host": "127.0.0.1", "port": 8000},
        {"environment": {"LABEL_STUDIO_BASE_DATA_DIR": "/d"}, "host": "127.0.0.1", "port": "8000"},
    ],
)
def test_broken_settings_are_refused_without_showing_them(tmp_path: Path, content: object) -> None:
    ended = run(write_settings(tmp_path / "s.json", content))
    assert ended.returncode == 2
    assert ended.stdout.startswith("launch: ")
    assert "very-secret" not in ended.stdout + ended.stderr
    assert run(tmp_path / "absent.json").returncode == 2


def test_a_taken_port_is_said_and_no_other_is_tried(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = run(write_settings(tmp_path / "s.json", settings(tmp_path, port=port)))
    assert ended.returncode == 98
    assert f"port {port} on 127.0.0.1 is taken" in ended.stdout


def test_it_does_nothing_when_its_starter_died_before_writing_it_down(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    path = write_settings(tmp_path / "s.json", settings(tmp_path))
    command = [sys.executable, str(LAUNCHER), str(path), "--line", str(theirs.fileno())]
    with subprocess.Popen(command, pass_fds=(theirs.fileno(),)) as child:
        theirs.close()
        ours.close()
        assert child.wait(10) == 0
    assert not (tmp_path / "data").exists()


def test_what_is_refused_is_told_to_the_starter(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    path = write_settings(tmp_path / "s.json", settings(tmp_path), mode=0o644)
    command = [sys.executable, str(LAUNCHER), str(path), "--line", str(theirs.fileno())]
    with ours, theirs, subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdout=subprocess.DEVNULL) as child:
        ours.send(b"1")
        message = json.loads(ours.recv(65536))
        assert child.wait(10) == 2
    assert message["code"] == 2
    assert "mode 0644" in message["refused"]


def test_the_environment_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = {"PATH": "/bin", "HOME": "/h", "AWS_SECRET_ACCESS_KEY": "x", "SECRET_KEY": "of somebody else"}
    monkeypatch.setattr(os, "environ", fake)
    instance.replace_environment({"SECRET_KEY": "own", "HOME": "/own"})
    assert fake == {"PATH": "/bin", "HOME": "/own", "SECRET_KEY": "own"}


def migrations_of(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM django_migrations").fetchone()[0])


# --- with Label Studio -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installation() -> Installation:
    return prepared_installation()


@contextmanager
def served(spec: InstanceSpec, installation: Installation) -> Iterator[ProcessRuntime]:
    runtime = ProcessRuntime(spec.study, spec.directory.parent, installation)
    try:
        runtime.seed(spec)
        runtime.start(spec)
        yield runtime
    finally:
        runtime.remove(spec.annotator)


@pytest.mark.labelstudio
def test_the_cheap_hash_is_that_of_a_migrated_database(installation: Installation) -> None:
    seed = Seed(installation)
    assert labelstudio.migrations_hash(seed.database) == seed.migrations
    assert labelstudio.migrations_hash(seed.database.with_name("absent")) is None


@pytest.mark.labelstudio
def test_an_older_database_is_copied_and_then_migrated(tmp_path: Path, installation: Installation) -> None:
    spec = make_spec(tmp_path / "anna")
    database = spec.data_dir / DATABASE
    Seed(installation).copy_to(database)
    whole = migrations_of(database)
    # Label Studio itself takes the last migration of one of its applications back.
    backward = (
        "import sys; sys.path.insert(0, sys.argv[1]); from launcher import labelstudio; labelstudio.set_up()\n"
        "from django.core.management import call_command; call_command('migrate', 'fsm', '0002', verbosity=0)"
    )
    environment = {**spec.environment, "SECRET_KEY": "x" * 40, "LABEL_STUDIO_BASE_DATA_DIR": str(spec.data_dir)}
    command = [str(installation.python), "-I", "-c", backward, str(LAUNCHER.parent)]
    subprocess.run(command, check=True, capture_output=True, env={"PATH": "/usr/bin:/bin", **environment})
    older = migrations_of(database)
    assert older < whole
    with served(spec, installation) as runtime:
        wait_healthy(spec.port)
        log = "\n".join(runtime.logs("anna", 200))
    assert re.search(rf"migrations to apply: {whole - older}\b", log)
    copies = list(spec.data_dir.glob(f"{DATABASE}.before-migration-*"))
    assert [migrations_of(copy) for copy in copies] == [older]
    assert labelstudio.migrations_hash(database) == Seed(installation).migrations


@pytest.mark.labelstudio
def test_a_database_of_a_newer_label_studio_is_not_touched(tmp_path: Path, installation: Installation) -> None:
    spec = make_spec(tmp_path / "anna")
    database = spec.data_dir / DATABASE
    Seed(installation).copy_to(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('core', '9999_z', '2030-01-01')")
    before = database.read_bytes()
    with served(spec, installation) as runtime:
        wait_until(
            lambda: True if runtime.observe()["anna"].state is State.EXITED else None,
            what="the refusal",
            deadline=60,
            hint="",
        )
        assert "newer Label Studio (migrations core.9999_z)" in "\n".join(runtime.logs("anna", 50))
    assert database.read_bytes() == before


@pytest.mark.labelstudio
def test_new_credentials_reach_an_existing_account(tmp_path: Path, installation: Installation) -> None:
    lost = make_spec(tmp_path / "anna")
    token, password = Secret("b" * 40), Secret("a new passphrase")
    with served(lost, installation) as runtime:
        wait_healthy(lost.port)
        assert whoami(lost.port, lost.secrets["LABEL_STUDIO_USER_TOKEN"]) == OPERATOR_EMAIL
        runtime.stop("anna")
        found = {**lost.secrets, "LABEL_STUDIO_USER_TOKEN": token, "LABEL_STUDIO_PASSWORD": password}
        runtime.start(replace(lost, secrets=found))
        wait_healthy(lost.port)
        assert whoami(lost.port, lost.secrets["LABEL_STUDIO_USER_TOKEN"]) is None
        assert whoami(lost.port, token) == OPERATOR_EMAIL
        assert log_in(lost.port, password)
        assert not log_in(lost.port, lost.secrets["LABEL_STUDIO_PASSWORD"])
        log = "\n".join(runtime.logs("anna", 500))
    for secret in found.values():
        assert secret.reveal() == OPERATOR_EMAIL or secret.reveal() not in log


@pytest.mark.labelstudio
def test_an_orderly_end_answers_what_was_asked_before(tmp_path: Path, installation: Installation) -> None:
    spec = make_spec(tmp_path / "anna")
    body = json.dumps({"title": "Sent in two halves"}).encode()
    with served(spec, installation) as runtime:
        wait_healthy(spec.port)
        with socket.create_connection(("127.0.0.1", spec.port), timeout=60) as connection:
            head = (
                f"POST /api/projects/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                f"Authorization: Token {spec.secrets['LABEL_STUDIO_USER_TOKEN'].reveal()}\r\n"
                f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
            )
            connection.sendall(head.encode())
            assert b"100 Continue" in connection.recv(4096)
            connection.sendall(body[:10])
            stopping = threading.Thread(target=runtime.stop, args=("anna",))
            stopping.start()
            wait_until(lambda: refused(spec.port), what="the port to close", deadline=10, hint="")
            connection.sendall(body[10:])
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
            stopping.join()
        assert answer.startswith(b"HTTP/1.1 201"), answer[:300]
        assert list(runtime.logs("anna", 1)) == ["launch: ended"]
    with closing(sqlite3.connect(spec.data_dir / DATABASE)) as database:
        assert database.execute("SELECT title FROM project").fetchall() == [("Sent in two halves",)]


def refused(port: int) -> bool | None:
    with socket.socket() as probe:
        return True if probe.connect_ex(("127.0.0.1", port)) else None


def whoami(port: int, token: Secret) -> str | None:
    """Whose token this is; None where it is nobody's."""
    response = httpx.get(
        f"http://127.0.0.1:{port}/api/current-user/whoami",
        headers={"Authorization": f"Token {token.reveal()}"},
        trust_env=False,
        timeout=30,
    )
    return str(response.json()["email"]) if response.status_code == 200 else None


def log_in(port: int, password: Secret) -> bool:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
        client.get("/user/login/")
        form = {
            "email": OPERATOR_EMAIL,
            "password": password.reveal(),
            "csrfmiddlewaretoken": client.cookies["csrftoken"],
        }
        return client.post("/user/login/", data=form).status_code == 302
