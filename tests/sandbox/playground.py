"""Two annotators, a study's secrets, services and a process to attack, for the sandbox's tests."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotator_ops.resources import resource
from tests.sandbox.hostile.main import START

HERE = Path(__file__).resolve().parent
ORDINARY = 12345  # where the tests run as root; nobody has this number
OTHER = 12346
MEMORY = 256 << 20
PROCESSES = 12
DESTRUCTIVE = ("terminate another", "truncate another's database", "delete another's database")
SYSTEM_PYTHON = "/usr/bin/python3"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run inside: the walls' report (None without walls), what is missing in words, the output."""

    report: dict[str, dict[str, Any]] | None
    missing: list[str]
    milliseconds: float
    output: str

    @property
    def probes(self) -> dict[str, str]:
        return dict(json.loads(self.output))

    def succeeded(self) -> set[str]:
        return {name for name, result in self.probes.items() if result == "SUCCEEDED"}


@dataclass(slots=True)
class Playground:
    base: Path
    python: str
    user: int | None  # whom root starts the program as; None: as whoever runs the tests
    own_user: int | None  # whom the walls make of root
    owner: int | None  # whom the other annotator's files and the victim belong to
    listener: socket.socket
    targets: dict[str, Any] = field(default_factory=dict)
    services: list[socket.socket] = field(default_factory=list)
    datagrams: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))

    def path(self, *parts: str) -> Path:
        return self.base.joinpath(*parts)

    def reset(self) -> None:
        """The other annotator's files as they were; what has connected to the services makes room."""
        for service in self.services:
            with contextlib.suppress(BlockingIOError):
                while True:
                    service.accept()[0].close()
        with contextlib.suppress(BlockingIOError):
            while True:
                self.datagrams.recv(1)
        other = self.path("study", "bob")
        shutil.rmtree(other, ignore_errors=True)
        other.mkdir(parents=True)
        (other / "label_studio.sqlite3").write_bytes(b"annotations of somebody else")
        for path in (other, other / "label_studio.sqlite3"):
            give(path, self.owner)

    def hostile(self, *, without: frozenset[str] = frozenset(), walls: bool = True) -> Result:
        """Every probe, from inside the walls or without them."""
        self.reset()
        with self.victim() as victim, callers(self.listener.getsockname()):
            targets = self.targets | {"victim": victim, "not_in_child": [] if walls and not without else DESTRUCTIVE}
            self.path("code", "targets.json").write_text(json.dumps(targets))
            command = ["-c", START, str(self.path("code")), str(self.path("code", "targets.json"))]
            return self.run(command, without=without, walls=walls)

    def run(
        self,
        command: list[str],
        *,
        without: frozenset[str] = frozenset(),
        walls: bool = True,
        read: tuple[str, ...] = (),
        write: tuple[str, ...] = (),
    ) -> Result:
        """A Python script, or "-c" and its text, from inside the walls."""
        report = self.path("report.json")
        report.touch()
        if self.user is not None:
            os.chown(report, self.user, self.user)
        spec = {
            "deploy": str(self.path("code")),
            "report": str(report),
            "command": [self.python, "-I", "-B", *command],
            "walls": {
                "read": [str(self.path("code")), *read],
                "write": [str(self.path("study", "alice")), *write],
                "memory": MEMORY,
                "processes": PROCESSES,
                "uid": self.own_user,
                "without": sorted(without),
            }
            if walls
            else None,
        }
        self.path("code", "spec.json").write_text(json.dumps(spec))
        as_user: dict[str, Any] = (
            {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}
        )
        done = subprocess.run(
            [self.python, "-I", "-B", str(self.path("code", "inside.py")), str(self.path("code", "spec.json"))],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.base,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.path("home")), "LISTENER": str(self.listener.fileno())},
            pass_fds=[self.listener.fileno()],
            check=False,
            **as_user,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        said = json.loads(report.read_text()) if walls else {"report": None, "missing": [], "milliseconds": 0.0}
        report.unlink()
        return Result(said["report"], said["missing"], said["milliseconds"], done.stdout)

    @contextlib.contextmanager
    def victim(self) -> Iterator[int]:
        as_user: dict[str, Any] = (
            {} if self.owner is None else {"user": self.owner, "group": self.owner, "extra_groups": []}
        )
        process = subprocess.Popen(["/bin/sleep", "300"], cwd="/", **as_user)
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def callers(address: tuple[str, int]) -> Iterator[None]:
    """Somebody who opens one connection after the other, for probes that need an accepted one."""
    ending = threading.Event()

    def call() -> None:
        while not ending.is_set():
            with contextlib.suppress(OSError), socket.create_connection(address, timeout=0.5) as client:
                client.recv(1)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


@contextlib.contextmanager
def playground(*, below_closed_folder: bool) -> Iterator[Playground]:
    """`below_closed_folder`: root starts it, and everything lies below a folder that only root may enter."""
    root = os.geteuid() == 0
    ordinary = None if below_closed_folder or not root else ORDINARY
    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-", dir="/tmp")))
        base.chmod(0o700 if below_closed_folder else 0o755)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        ground = Playground(
            base=base,
            python=sys.executable if below_closed_folder or not root else SYSTEM_PYTHON,
            user=ordinary,
            own_user=ORDINARY if below_closed_folder else None,
            owner=OTHER if below_closed_folder else ordinary,
            listener=listener,
        )
        fill(ground, stack)
        yield ground


def fill(ground: Playground, stack: contextlib.ExitStack) -> None:
    code = ground.path("code")
    shutil.copytree(resource("deploy", "launcher"), code / "launcher", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(HERE / "hostile", code / "hostile", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "inside.py", code / "inside.py")
    for path in (code, *code.rglob("*")):
        path.chmod(0o755)
        give(path, ground.user)
    ground.path("study", "alice").mkdir(parents=True)
    ground.path("study", "secrets").mkdir()
    ground.path("study", "secrets", "token").write_text("a secret")
    ground.path("home").mkdir()
    for path in (ground.path("study", "secrets"), ground.path("study", "secrets", "token"), ground.path("home")):
        give(path, ground.owner)
    give(ground.path("study"), ground.owner)
    give(ground.path("study", "alice"), ground.user if ground.own_user is None else ground.own_user)

    port = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
    unix = stack.enter_context(socket.socket(socket.AF_UNIX))
    unix.bind(str(ground.path("service.sock")))
    unix.listen(64)
    datagrams = stack.enter_context(ground.datagrams)
    datagrams.bind(str(ground.path("log.sock")))
    abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
    abstract.bind(f"\0{ground.base.name}")
    abstract.listen(64)
    ground.services = [port, unix, abstract]
    for service in (*ground.services, datagrams):
        service.setblocking(False)
    for name in ("service.sock", "log.sock"):
        ground.path(name).chmod(0o777)
    ground.targets = {
        "own": str(ground.path("study", "alice")),
        "other": str(ground.path("study", "bob")),
        "database": str(ground.path("study", "bob", "label_studio.sqlite3")),
        "secret": str(ground.path("study", "secrets", "token")),
        "home": str(ground.path("home")),
        "program": str(code / "launcher" / "kernel.py"),
        "etc": "/etc/fstab" if Path("/etc/fstab").exists() else "/etc/hostname",
        "port": port.getsockname()[1],
        "unix": str(ground.path("service.sock")),
        "datagrams": str(ground.path("log.sock")),
        "abstract": ground.base.name,
        "listener": ground.listener.fileno(),
        "memory": 2 * MEMORY,
        "processes": 2 * PROCESSES,
    }


def give(path: Path, owner: int | None) -> None:
    if owner is not None:
        os.chown(path, owner, owner)
