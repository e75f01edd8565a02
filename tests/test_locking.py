"""A lock keeps others out, is waited for until a deadline, and lasts as long as anybody has its descriptor."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from annotator_ops.locking import locked, try_lock
from annotator_ops.waiting import WaitTimeout


def test_one_holds_it_and_the_next_has_it_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "made" / "lock"
    first = try_lock(path)
    assert first is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert try_lock(path) is None
    os.close(first)
    second = try_lock(path)
    assert second is not None
    os.close(second)


def test_waiting_ends_at_the_deadline_and_says_for_what(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        locked(path, what="nobody", deadline=1),
        pytest.raises(WaitTimeout, match="for another installation") as caught,
        locked(path, what="another installation", deadline=0.1),
    ):
        pytest.fail("two hold the lock")
    assert f"`fuser {path}`" in caught.value.hint


def test_who_waits_gets_it_when_it_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = try_lock(path)
    assert held is not None
    timer = threading.Timer(0.1, os.close, (held,))
    timer.start()
    with locked(path, what="the first", deadline=10):
        assert try_lock(path) is None
    timer.join()


def test_a_child_that_inherits_it_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, what="nobody", deadline=1) as descriptor:
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=(descriptor,)
        )
    assert child.stdin is not None
    assert try_lock(path) is None
    child.stdin.close()
    child.wait()
    with locked(path, what="the child", deadline=10):
        pass


def test_it_is_free_after_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(KeyError), locked(path, what="nobody", deadline=1):
        raise KeyError
    with locked(path, what="nobody", deadline=0):
        pass
