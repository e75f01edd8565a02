"""The template: absent, dying, hanging or outdated, it costs time and never an instance."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from annotator_ops.models import InstanceSpec, State
from annotator_ops.processes import processes_with
from annotator_ops.resources import resource
from annotator_ops.runtimes import template as module
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.process import ProcessRuntime
from annotator_ops.runtimes.seed import Seed
from annotator_ops.runtimes.template import Template, TemplateUnavailable
from annotator_ops.waiting import wait_until
from tests.conftest import REPOSITORY
from tests.real import make_spec, shared_home, wait_healthy
from tests.runtimes.conftest import running, the_one

pytestmark = pytest.mark.labelstudio

ROUNDS = 200


@pytest.fixture
def spec(tmp_path: Path) -> InstanceSpec:
    return make_spec(tmp_path / "study" / "anna")


@pytest.fixture
def runtime(spec: InstanceSpec, installation: Installation, template: Template) -> Iterator[ProcessRuntime]:
    made = ProcessRuntime(spec.study, spec.directory.parent, installation)
    made.seed(spec)
    yield made
    made.remove("anna")


def note_of(runtime: ProcessRuntime) -> str:
    return runtime.observe()["anna"].note


def processes_of(spec: InstanceSpec) -> int:
    return len(processes_with(str(spec.directory / "settings.json")))


def test_it_is_started_when_needed_and_instances_live_on_without_it(
    runtime: ProcessRuntime, spec: InstanceSpec, template: Template
) -> None:
    assert running(template) == []
    handle = runtime.start(spec)
    wait_healthy(spec.port)
    the_one(template).signal(signal.SIGKILL)
    wait_until(lambda: True if not running(template) else None, what="its end", deadline=10, hint="")
    wait_healthy(spec.port)
    assert runtime.observe()["anna"].handle == handle
    runtime.stop("anna")
    runtime.start(spec)
    wait_healthy(spec.port)
    assert note_of(runtime) == ""
    assert len(running(template)) == 1


def test_killed_while_it_is_asked_the_instance_starts_the_ordinary_way(
    runtime: ProcessRuntime, spec: InstanceSpec, template: Template
) -> None:
    template.ensure()
    process = the_one(template)
    process.signal(signal.SIGSTOP)  # it hears nothing any more
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(runtime.start, spec)
        # The request is in its socket's queue; now it dies.
        wait_until(lambda: True if waits_at(template.address) else None, what="the request", deadline=20, hint="")
        process.signal(signal.SIGKILL)
        starting.result()
    wait_healthy(spec.port)
    assert "started the ordinary way" in note_of(runtime)
    assert processes_of(spec) == 1


def waits_at(address: Path) -> bool:
    """Whether somebody has connected to a unix socket; /proc lists both ends by its name."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return sum(line.endswith(f" {address}") for line in lines) > 1


def test_what_a_dying_template_has_forked_already_ends_by_itself(
    runtime: ProcessRuntime, spec: InstanceSpec, template: Template
) -> None:
    """A stand-in for the template takes the request with its descriptors and never answers."""
    template.folder.mkdir(mode=0o700)
    ended: list[bytes] = []

    def take_and_leave(server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.close()  # it was only looked whether somebody listens
        connection, _ = server.accept()
        _, descriptors, _, _ = socket.recv_fds(connection, 65536, 4)
        connection.close()
        with socket.socket(fileno=descriptors[3]) as line:
            ended.append(line.recv(1))  # the orphan waits for a word
        for descriptor in descriptors[:3]:
            os.close(descriptor)

    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(str(template.address))
        server.listen()
        orphan = threading.Thread(target=take_and_leave, args=(server,))
        orphan.start()
        runtime.start(spec)
        orphan.join(20)
    assert ended == [b""], "it saw that its starter turned to another"
    wait_healthy(spec.port)
    assert "it ended while it was asked" in note_of(runtime)


def test_one_that_hangs_is_given_up_and_forks_nothing_later(
    runtime: ProcessRuntime, spec: InstanceSpec, template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    template.ensure()
    process = the_one(template)
    process.signal(signal.SIGSTOP)
    monkeypatch.setattr(module, "FORK_SECONDS", 0.5)
    handle = runtime.start(spec)
    assert "it did not answer" in note_of(runtime)
    process.signal(signal.SIGCONT)
    # It finds the request, forks, and what it forked ends at once. The next one is answered after that.
    monkeypatch.setattr(module, "FORK_SECONDS", 20)
    other = make_spec(spec.directory.with_name("ben"), annotator="ben")
    runtime.seed(other)
    runtime.start(other)
    wait_until(lambda: True if processes_of(spec) == 1 else None, what="the late one to end", deadline=20, hint="")
    runtime.remove("ben")
    assert runtime.observe()["anna"].handle == handle
    wait_healthy(spec.port)


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        (None, "there is no list of the modules"),
        ("{", "ended with code 1 while it was loading"),
    ],
)
def test_without_a_template_it_starts_the_ordinary_way(
    runtime: ProcessRuntime,
    spec: InstanceSpec,
    template: Template,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    modules: str | None,
    words: str,
) -> None:
    file = tmp_path / "modules.json"
    if modules is not None:
        file.write_text(modules)
    monkeypatch.setattr(Seed, "modules", property(lambda _self: file))
    runtime.start(spec)
    wait_healthy(spec.port)
    assert words in note_of(runtime)
    assert running(template) == []


def test_a_list_of_another_version_is_a_hint_and_no_more(
    runtime: ProcessRuntime, spec: InstanceSpec, template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "modules.json"
    file.write_text(json.dumps(["json", "no.such.module", "django", "rest_framework.views", "antigravity.nor.this"]))
    monkeypatch.setattr(Seed, "modules", property(lambda _self: file))
    runtime.start(spec)
    wait_healthy(spec.port)
    assert note_of(runtime) == ""
    assert len(running(template)) == 1


def test_two_commands_at_once_start_one_template(tmp_path: Path, template: Template) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from annotator_ops.runtimes.installation import Installation\n"
        "from annotator_ops.runtimes.template import Template\n"
        "Template.folder = property(lambda self: Path(sys.argv[1]))\n"
        "Template(Installation(Path(sys.argv[2]), '1.23.2')).ensure()\n"
    )
    command = [sys.executable, "-c", code, str(template.folder), str(shared_home())]
    started = [subprocess.Popen(command, cwd=REPOSITORY) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0, 0, 0, 0]
    assert len(running(template)) == 1


def test_another_launcher_is_another_template(
    template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = template.address
    other = tmp_path / "launcher"
    other.mkdir()
    (other / "instance.py").write_text("changed = True\n")
    monkeypatch.setattr(module, "resource", lambda kind, *parts: other if parts else resource(kind))
    assert template.address != before


def test_a_socket_that_nobody_listens_at_is_replaced(template: Template) -> None:
    template.folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left_behind:
        left_behind.bind(str(template.address))
    with pytest.raises(TemplateUnavailable, match="did not answer"):
        template.fork(Path("/nowhere/settings.json"), {}, [0, 1, 2, 0])
    template.ensure()
    assert len(running(template)) == 1


# --- instances that die ----------------------------------------------------------------------------------------------


def test_an_instance_that_dies_comes_back_by_itself(
    runtime: ProcessRuntime, spec: InstanceSpec, template: Template
) -> None:
    first = runtime.start(spec)
    wait_healthy(spec.port)
    os.kill(int(first.split(":")[0]), signal.SIGKILL)

    def again() -> str | None:
        seen = runtime.observe()["anna"]
        return seen.handle if seen.state is State.RUNNING and seen.handle != first else None

    second = wait_until(again, what="the instance to come back", deadline=30, hint="")
    wait_healthy(spec.port)
    assert "it ended by itself and was started again, 1 times so far" in note_of(runtime)
    assert runtime.start(spec) == second, "a command finds it running"
    assert processes_of(spec) == 1
    runtime.stop("anna")
    assert runtime.observe()["anna"].state is State.EXITED


def test_two_hundred_starts_and_stops_leave_nothing_behind(
    runtime: ProcessRuntime, spec: InstanceSpec, template: Template
) -> None:
    """With the template killed at random moments. Every fourth instance is waited for until it answers."""
    dice = random.Random(3)
    template.ensure()
    runtime.start(spec)
    runtime.stop("anna")
    before = traces(spec)
    ended = threading.Event()

    def kill_the_template() -> None:
        while not ended.wait(dice.uniform(0.2, 6)):
            for process in running(template):
                process.signal(signal.SIGKILL)

    killer = threading.Thread(target=kill_the_template)
    killer.start()
    try:
        for number in range(ROUNDS):
            runtime.start(spec)
            if number % 4 == 0:
                wait_healthy(spec.port)
            runtime.stop("anna")
            assert runtime.observe()["anna"].state is State.EXITED
    finally:
        ended.set()
        killer.join()
    wait_until(lambda: True if processes_of(spec) == 0 else None, what="all instances to end", deadline=20, hint="")
    assert len(running(template)) <= 1
    after = traces(spec)
    assert after == before


def traces(spec: InstanceSpec) -> dict[str, object]:
    """What a start could leave: our descriptors, shared memory, sockets at this port, files beside the instance's."""
    port = f":{spec.port:04X} "
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "shared memory": sorted(path.name for path in Path("/dev/shm").iterdir()),
        "segments": len(Path("/proc/sysvipc/shm").read_text().splitlines()),
        "listening": sum(port in line and " 0A " in line for line in Path("/proc/net/tcp").read_text().splitlines()),
        "files": sorted(path.name for path in spec.directory.iterdir()),
    }
