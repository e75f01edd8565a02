"""Which instances the template starts again, without any Label Studio."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from launcher import revival

from annotator_ops.locking import locked
from annotator_ops.waiting import wait_until
from tests.real import free_port


@dataclass
class Bench:
    """One instance's folder, a Revival that watches it, and what it was asked to start."""

    directory: Path
    started: list[Any] = field(default_factory=list)
    watching: Any = None
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def sleeper(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        self.children.append(child)
        return child

    def start(self, request: Any) -> int:
        self.started.append(request)
        request.close()
        return self.sleeper().pid

    def watch(self, **record: Any) -> subprocess.Popen[bytes]:
        child = self.sleeper()
        process = revival.identity_of(child.pid)
        content = {"process": process, "port": free_port(), "stopped": False, **record}
        (self.directory / "process.json").write_text(json.dumps(content))
        self.watching.watch(child.pid, self.directory / "settings.json", self.directory, {"PATH": "/bin"})
        return child

    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / "process.json").read_text())
        return found

    def look_until_settled(self) -> None:
        """Until nobody is waited for: started again, or given up."""

        def settled() -> bool | None:
            self.watching.look()
            return None if self.watching._waiting else True

        wait_until(settled, what="the revival to settle", deadline=20, hint="")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(revival, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(revival, "LONGEST_PAUSE", 0.01)
    (tmp_path / "log").mkdir()
    (tmp_path / "control.lock").touch()
    made = Bench(tmp_path)
    made.watching = revival.Revival(made.start)
    yield made
    for child in made.children:
        child.kill()
        child.wait()


def end(child: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
    os.kill(child.pid, number)
    # Left for the revival to reap, as the template does.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


def test_one_that_was_killed_is_started_again_and_written_down(bench: Bench) -> None:
    end(bench.watch(labels={"kept": "as it is"}))
    bench.look_until_settled()
    assert len(bench.started) == 1
    record = bench.record()
    assert record["process"]["pid"] == bench.children[-1].pid
    assert (record["restarts"], record["labels"]) == (1, {"kept": "as it is"})
    assert (bench.directory / "process.json").stat().st_mode & 0o077 == 0
    assert "started again" in (bench.directory / "log" / "label-studio.log").read_text()


@pytest.mark.parametrize("why", ["stopped", "replaced", "gone", "orderly"])
def test_one_that_was_to_end_stays_ended(bench: Bench, why: str) -> None:
    child = bench.watch(stopped=why == "stopped")
    if why == "replaced":  # an ops command has started it anew meanwhile
        (bench.directory / "process.json").write_text(json.dumps({**bench.record(), "process": {"pid": 1}}))
    if why == "gone":
        (bench.directory / "process.json").unlink()
    if why == "orderly":
        child.kill()
        child.wait()
        ended = subprocess.Popen([sys.executable, "-c", ""])
        bench.children.append(ended)
        bench.watching.watch(ended.pid, bench.directory / "s", bench.directory, {})
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    else:
        end(child)
    bench.look_until_settled()
    assert bench.started == []


def test_while_a_command_is_at_work_it_waits(bench: Bench) -> None:
    child = bench.watch()
    with locked(bench.directory / "control.lock", what="the lock", deadline=1):
        end(child)
        for _ in range(20):
            bench.watching.look()
        assert bench.started == []
    bench.look_until_settled()
    assert len(bench.started) == 1


def test_one_that_dies_again_and_again_is_given_up(bench: Bench) -> None:
    child = bench.watch()
    most = revival.MOST_TRIES
    for number in range(most + 1):
        end(child)
        bench.look_until_settled()
        assert len(bench.started) == min(number + 1, most)
        child = bench.children[-1]
    assert f"it ended {most} times in a row" in (bench.directory / "log" / "label-studio.log").read_text()
    assert not bench.watching.busy


def test_a_port_that_somebody_else_has_by_now_is_said(bench: Bench) -> None:
    import socket

    with ExitStack() as stack:
        other = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        end(bench.watch(port=other.getsockname()[1]))
        bench.look_until_settled()
    assert bench.started == []
    assert "could not be started again: port" in (bench.directory / "log" / "label-studio.log").read_text()


def test_nothing_stays_open(bench: Bench) -> None:
    end(bench.watch())
    before = len(list(Path("/proc/self/fd").iterdir()))
    bench.look_until_settled()
    assert len(bench.started) == 1
    assert len(list(Path("/proc/self/fd").iterdir())) == before
