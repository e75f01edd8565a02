"""The lock names its holder, keeps others out, and ends with the process that holds it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.store.database import Store
from tests.conftest import REPOSITORY

HOLDER = """
import sys, pathlib
from annotator_ops.store.database import Store
with Store(pathlib.Path(sys.argv[1])) as store, store.lock("provision"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_it_is_held_by_one_and_free_again_afterwards(tmp_path: Path) -> None:
    with Store(tmp_path) as store, Store(tmp_path) as other:
        with store.lock("provision"):
            with pytest.raises(OpsError, match="`ops provision`") as caught, other.lock("collect"):
                pytest.fail("two hold the lock")
            assert caught.value.code == "locked"
        with other.lock("collect"):
            pass


def test_it_is_free_after_a_failure(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        with pytest.raises(KeyError), store.lock("provision"):
            raise KeyError
        with store.lock("provision"):
            pass


def test_a_live_process_keeps_it_and_a_killed_one_does_not(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        with Store(tmp_path) as store:
            with pytest.raises(OpsError, match=f"process {holder.pid} on ") as caught, store.lock("collect"):
                pytest.fail("two hold the lock")
            assert caught.value.code == "locked"
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            with store.lock("collect"):
                pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdin.close()
        holder.stdout.close()
