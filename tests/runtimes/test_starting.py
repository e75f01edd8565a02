"""Starts that go wrong, each with words that say what to do; and what is said of the walls."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from annotator_ops.errors import OpsError
from annotator_ops.models import InstanceSpec, State
from annotator_ops.processes import processes_with
from annotator_ops.runtimes import launching
from annotator_ops.runtimes.folder import access_log_file
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.launcher import settings_of
from annotator_ops.runtimes.process import ProcessRuntime
from annotator_ops.steps import running_notes
from annotator_ops.waiting import wait_until
from tests.conftest import REPOSITORY
from tests.real import make_spec, shared_home, wait_healthy

pytestmark = pytest.mark.labelstudio


@pytest.fixture
def spec(tmp_path: Path) -> InstanceSpec:
    return make_spec(tmp_path / "study" / "anna")


@pytest.fixture(params=["ordinary", "warm"])
def runtime(request: pytest.FixtureRequest, spec: InstanceSpec, installation: Installation) -> Iterator[ProcessRuntime]:
    made = ProcessRuntime(spec.study, spec.directory.parent, installation, warm=request.param == "warm")
    made.seed(spec)
    yield made
    made.remove("anna")


def leave_out(monkeypatch: pytest.MonkeyPatch, *walls: str) -> None:
    """Start instances as on a system that lacks these."""

    def changed(*arguments: Any, **named: Any) -> dict[str, Any]:
        settings = settings_of(*arguments, **named)
        settings["sandbox"]["without"] = list(walls)
        return settings

    monkeypatch.setattr(launching, "settings_of", changed)


def with_sandbox(spec: InstanceSpec, kind: str) -> InstanceSpec:
    return replace(spec, limits=replace(spec.limits, sandbox=kind))  # type: ignore[arg-type]


# --- walls -----------------------------------------------------------------------------------------------------------


def test_every_wall_is_reported(runtime: ProcessRuntime, spec: InstanceSpec) -> None:
    runtime.start(with_sandbox(spec, "required"))
    walls = runtime.observe()["anna"].walls
    assert walls is not None
    assert [wall.name for wall in walls] == ["user", "files", "network", "tcp", "signals", "system-calls", "limits"]
    assert all(wall.in_force and wall.detail for wall in walls)
    assert running_notes(runtime.observe()) == []


@pytest.mark.parametrize(
    ("without", "words"),
    [
        (("network",), "network"),
        (("landlock:2",), "tcp: this kernel's Landlock (ABI 2) knows no TCP, Linux 6.7's does"),
        (("landlock:0",), "files: this kernel has no Landlock (Linux 5.13 has)"),
        (("system-calls",), "system-calls"),
    ],
)
def test_with_less_than_all_it_starts_or_not_as_the_study_says(
    runtime: ProcessRuntime, spec: InstanceSpec, monkeypatch: pytest.MonkeyPatch, without: tuple[str, ...], words: str
) -> None:
    leave_out(monkeypatch, *without)
    with pytest.raises(OpsError) as caught:
        runtime.start(with_sandbox(spec, "required"))
    assert caught.value.code == "sandbox-incomplete"
    assert words in caught.value.message
    assert "sandbox: available" in caught.value.hint
    wait_until(
        lambda: True if runtime.observe()["anna"].state is State.EXITED else None, what="its end", deadline=10, hint=""
    )
    runtime.start(spec)
    wait_healthy(spec.port)
    (note,) = running_notes(runtime.observe())
    assert words.partition(":")[0] in note
    assert note.endswith("(anna).")
    assert any(words in line for line in runtime.logs("anna", 100)), "the log says it, too"


# --- bad luck --------------------------------------------------------------------------------------------------------


def test_a_port_that_is_lost_between_bind_and_listen_is_said(runtime: ProcessRuntime, spec: InstanceSpec) -> None:
    with socket.socket() as bound, socket.socket() as listening:
        for one in (bound, listening):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", spec.port))  # both may, as long as neither listens
        listening.listen()
        with pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)):
            bound.listen()
        with pytest.raises(OpsError) as caught:
            runtime.start(spec)
    assert caught.value.code == "port-taken"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said(
    runtime: ProcessRuntime, spec: InstanceSpec, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As a network drive answers; none is at hand here, so the kernel's answer is made up."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", refuse)
        with pytest.raises(OpsError) as caught:
            runtime.start(spec)
    assert caught.value.code == "no-locks"
    assert "local disk" in caught.value.hint
    runtime.start(spec)


START_WITH_LITTLE = """
import json, resource, sys
from pathlib import Path
from annotator_ops.errors import OpsError
from annotator_ops.runtimes import launching
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.process import ProcessRuntime
from tests.real import make_spec
spec = make_spec(Path(sys.argv[1]), port=int(sys.argv[3]))
runtime = ProcessRuntime("tests", spec.directory.parent, Installation(Path(sys.argv[2]), "1.23.2"), warm=False)
runtime.seed(spec)
def no_memory(*_arguments, **_named):
    raise BlockingIOError(11, "Resource temporarily unavailable")
launching.subprocess.Popen = no_memory
try:
    runtime.start(spec)
except OpsError as error:
    print(json.dumps([error.code, error.message, error.hint]))
"""


def test_a_machine_without_room_for_a_process_is_said(spec: InstanceSpec, installation: Installation) -> None:
    """What the kernel answers when it cannot make a process; made up, since this machine has room."""
    command = [sys.executable, "-c", START_WITH_LITTLE, str(spec.directory), str(shared_home()), str(spec.port)]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    code, message, hint = json.loads(done.stdout)
    assert code == "memory-short"
    assert "no memory or process left" in message
    assert "ops stop NAME" in hint


def test_an_instance_with_too_little_memory_ends_and_says_so(runtime: ProcessRuntime, spec: InstanceSpec) -> None:
    """The limit is really there: what does not fit is refused, and the log has the reason."""
    little = replace(spec, limits=replace(spec.limits, memory=4 * 1024**2))
    runtime.start(little)
    # Python's words (the second: where it could not even make the error), the system's, a library loader's.
    ours = ["MemoryError", "error return without exception set", "can't start new thread"]
    words = [*ours, "Cannot allocate memory", "failed to map"]

    def said() -> bool | None:
        log = "\n".join(runtime.logs("anna", 200))
        return True if any(word in log for word in words) else None

    try:
        wait_until(said, what="the limit to show", deadline=60, hint="")
    except Exception as error:
        error.add_note("\n".join(runtime.logs("anna", 30)))
        raise
    runtime.stop("anna")
    assert processes_with(str(spec.directory / "settings.json")) == []


def test_its_limits_are_those_of_the_study(runtime: ProcessRuntime, spec: InstanceSpec) -> None:
    runtime.start(spec)
    pid = int((runtime.observe()["anna"].handle or "").split(":")[0])
    found = {line[:26].strip(): line[26:].split()[:2] for line in Path(f"/proc/{pid}/limits").read_text().splitlines()}
    # Besides what it had when it was limited: of a forked one that is shared with its siblings.
    soft, hard = (int(value) for value in found["Max data size"])
    assert soft == hard
    assert spec.limits.memory < soft < spec.limits.memory + 400 * 1024**2
    assert found["Max processes"] == [str(spec.limits.processes)] * 2
    assert found["Max core file size"] == ["0", "0"]


# --- what is written down --------------------------------------------------------------------------------------------


def test_the_access_log_has_a_line_a_request_and_no_query(runtime: ProcessRuntime, spec: InstanceSpec) -> None:
    runtime.start(spec)
    wait_healthy(spec.port)
    with httpx.Client(base_url=f"http://127.0.0.1:{spec.port}", trust_env=False) as client:
        client.get("/user/signup/?token=a-secret")
        client.get("/nothing%0A2030-01-01T00:00:00Z GET /forged 200 1")
    runtime.stop("anna")
    log = access_log_file(spec.directory)
    assert log.stat().st_mode & 0o077 == 0
    lines = log.read_text().splitlines()
    assert any(" GET /user/signup/ " in line for line in lines)
    assert "a-secret" not in log.read_text()
    assert not any(" GET /forged " in line and line.startswith("2030") for line in lines)
    assert all(len(line.split(" ")) >= 5 and line.rsplit(" ", 1)[1].isdigit() for line in lines)
