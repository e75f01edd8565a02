"""A process is known by more than its number."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from annotator_ops import processes as module
from annotator_ops.errors import OpsError
from annotator_ops.models import State
from annotator_ops.processes import ProcessIdentity, boot_id, identify, processes_with
from annotator_ops.waiting import wait_until


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    program = "import time; print('ready', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # by then it is a whole Python, no longer a copy of this one
        yield process
        process.kill()


def await_exit(identity: ProcessIdentity) -> None:
    identity.wait_gone(deadline=10)


def test_a_process_runs_until_it_is_ended(child: subprocess.Popen[bytes]) -> None:
    identity = identify(child.pid)
    before = (identity.state, identity.memory)
    assert before[0] is State.RUNNING
    assert before[1] is not None
    assert before[1] > 1024**2
    identity.signal(signal.SIGTERM)
    assert child.wait(10) == -signal.SIGTERM
    assert (identity.state, identity.memory) == (State.EXITED, None)
    identity.signal(signal.SIGTERM)  # nobody there: nothing happens


def test_another_process_with_the_same_number_is_not_it_and_gets_no_signal(child: subprocess.Popen[bytes]) -> None:
    older = replace(identify(child.pid), started=identify(child.pid).started - 1)
    former_boot = replace(identify(child.pid), boot="another boot")
    for other in (older, former_boot):
        assert other.state is State.EXITED
        other.signal(signal.SIGKILL)
    assert identify(child.pid).state is State.RUNNING


def test_a_child_that_nobody_waited_for_has_exited() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    identity = identify(process.pid)
    await_exit(identity)
    process.wait()


def test_a_process_whose_first_thread_ended_still_runs() -> None:
    program = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "print('ready', flush=True)\n"
        "ctypes.CDLL(None).pthread_exit(None)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        identity = identify(process.pid)

        def first_thread_is_a_zombie() -> bool | None:
            with open(f"/proc/{process.pid}/stat") as file:  # noqa: PTH123 (procfs)
                return True if file.read().rpartition(")")[2].split()[0] == "Z" else None

        wait_until(first_thread_is_a_zombie, what="the first thread to end", deadline=10, hint="")
        assert identity.state is State.RUNNING, "its other thread still holds files and ports"
        identity.signal(signal.SIGKILL)
        await_exit(identity)


def test_what_is_written_down_names_the_same_process() -> None:
    identity = identify(os.getpid())
    written = json.loads(json.dumps(identity.to_json()))
    assert written == {"pid": os.getpid(), "started": identity.started, "boot": boot_id()}
    assert ProcessIdentity.from_json(written) == identity


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"pid": 1},
        {"pid": 1, "started": "some boot/5", "boot": "b"},
        {"pid": None, "started": 5, "boot": "b"},
        {"pid": -1, "started": 5, "boot": "b"},
        {"pid": 0, "started": 5, "boot": "b"},
    ],
)
def test_what_names_no_process_is_refused(content: Any) -> None:
    with pytest.raises(ValueError, match=r"process|int\(\)"):
        ProcessIdentity.from_json(content)


def test_one_that_ignores_the_request_is_killed() -> None:
    program = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        identity = identify(process.pid)
        identity.end(patience=0.2)
        assert identity.state is State.EXITED
        identity.end(patience=0.2)  # nobody there: nothing happens


def test_one_that_has_time_ends_by_itself() -> None:
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('asked', flush=True), sys.exit()))\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        identify(process.pid).end(patience=10)
        assert process.stdout.read() == b"asked\n"


def test_one_that_stays_after_all_is_said(child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    identity = identify(child.pid)
    monkeypatch.setattr(module, "_signal_process", lambda _descriptor, _number: None)
    with pytest.raises(OpsError, match=f"Process {child.pid} could not be ended: not even SIGKILL") as caught:
        identity.end(patience=0.1, kill_deadline=0.1)
    assert caught.value.code == "stop-failed"


def test_one_that_may_not_be_signalled_is_said(child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int, _number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(module, "_signal_process", refuse)
    with pytest.raises(OpsError, match="it belongs to another user") as caught:
        identify(child.pid).end(patience=0.1)
    assert caught.value.code == "stop-failed"


def test_one_that_is_hidden_is_neither_running_nor_gone(
    child: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = identify(child.pid)
    known = tmp_path / "sys" / "kernel" / "random" / "boot_id"
    known.parent.mkdir(parents=True)
    known.write_text(f"{identity.boot}\n")
    monkeypatch.setattr(module, "_PROC", tmp_path)  # as with hidepid=2: the process is there, its folder is not
    assert identity.state is State.UNKNOWN
    with pytest.raises(OpsError, match="it belongs to another user") as caught:
        identity.end(patience=0.1)
    assert caught.value.code == "stop-failed"
    child.kill()
    child.wait()
    await_exit(identity)


def test_children_are_found_by_what_they_were_given() -> None:
    program = "import time; print('ready', flush=True); time.sleep(600)"
    command = [sys.executable, "-c", program, "one-of-a-kind"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert processes_with("one-of-a-kind") == [identify(process.pid)]
        assert processes_with("one-of-a-kind", parent=os.getpid()) == [identify(process.pid)]
        assert processes_with("one-of-a-kind", parent=1) == []
        assert processes_with("one-of") == []
        process.kill()
    assert processes_with("one-of-a-kind") == []
