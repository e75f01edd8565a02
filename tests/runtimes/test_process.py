"""What only the process runtime promises, beyond the contract: detached, without secrets in sight, one process each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.locking import try_lock
from annotator_ops.models import InstanceSpec, State
from annotator_ops.processes import identify
from annotator_ops.runtimes import process as module
from annotator_ops.runtimes.folder import KEPT_LOGS, Record
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.process import ProcessRuntime
from annotator_ops.runtimes.template import Template
from annotator_ops.waiting import wait_until
from tests.conftest import REPOSITORY
from tests.real import make_spec, prepared_installation, shared_home, wait_healthy

pytestmark = pytest.mark.labelstudio

START_ELSEWHERE = """
import os, signal, sys
from pathlib import Path
from annotator_ops.runtimes import folder
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.process import ProcessRuntime
from tests.real import make_spec
root, home, port, warm, die = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
def killed(*_arguments):
    os.kill(os.getpid(), signal.SIGKILL)
if die == "before-record":
    folder.Record.write = killed
elif die == "before-gate":
    write = folder.Record.write
    folder.Record.write = lambda self, directory: (write(self, directory), killed())
spec = make_spec(root / "anna", port=port)
runtime = ProcessRuntime("tests", root, Installation(home, "1.23.2"), warm=warm == "True")
runtime.seed(spec)
runtime.start(spec)
"""


@pytest.fixture(scope="module")
def installation() -> Installation:
    return prepared_installation()


@pytest.fixture
def spec(tmp_path: Path) -> InstanceSpec:
    return make_spec(tmp_path / "anna")


@pytest.fixture(params=["ordinary", "warm"])
def runtime(request: pytest.FixtureRequest, spec: InstanceSpec, installation: Installation) -> Iterator[ProcessRuntime]:
    made = ProcessRuntime(spec.study, spec.directory.parent, installation, warm=request.param == "warm")
    yield made
    made.remove("anna")


def pid_of(runtime: ProcessRuntime) -> int:
    handle = runtime.observe()["anna"].handle
    assert handle is not None
    return int(handle.split(":")[0])


def processes_of(directory: Path) -> list[int]:
    """Every process on the machine that was launched for the instance in this folder."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                arguments = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(directory / "settings.json") in arguments:
                found.append(int(folder.name))
    return found


def start_elsewhere(spec: InstanceSpec, *, warm: bool, die: str) -> int:
    """Start the instance from another Python, in its own session; gives that Python's exit code."""
    command = [sys.executable, "-c", START_ELSEWHERE, str(spec.directory.parent), str(shared_home()), str(spec.port)]
    ended = subprocess.run([*command, str(warm), die], check=False, cwd=REPOSITORY, start_new_session=True, timeout=60)
    return ended.returncode


def test_no_secret_is_in_sight(runtime: ProcessRuntime, spec: InstanceSpec) -> None:
    runtime.seed(spec)
    runtime.start(spec)
    pid = pid_of(runtime)
    for name in ("cmdline", "environ"):
        visible = Path(f"/proc/{pid}/{name}").read_bytes()
        for secret in spec.secrets.values():
            assert secret.reveal().encode() not in visible
    environment = Path(f"/proc/{pid}/environ").read_bytes().rstrip(b"\0").split(b"\0")
    assert {entry.split(b"=")[0] for entry in environment} == {b"PATH", b"LANG", b"HOME", b"TMPDIR"}
    # A forked instance shows what its template was started with.
    home = Template(runtime.installation).folder if runtime.warm else spec.directory
    assert os.fsencode(f"HOME={home}") in environment
    wait_healthy(spec.port)
    for path in spec.directory.rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"
            if path.name != "settings.json":
                assert spec.secrets["SECRET_KEY"].reveal().encode() not in path.read_bytes()
    assert spec.directory.stat().st_mode & 0o077 == 0


def test_it_outlives_its_starter_and_its_starters_session(runtime: ProcessRuntime, spec: InstanceSpec) -> None:
    assert start_elsewhere(spec, warm=runtime.warm, die="never") == 0
    pid = pid_of(runtime)
    assert os.getsid(pid) == pid
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
    wait_healthy(spec.port)
    assert runtime.observe()["anna"].state is State.RUNNING


@pytest.mark.parametrize("moment", ["before-record", "before-gate"])
def test_a_starter_killed_at_the_worst_moment_leaves_no_orphan(
    runtime: ProcessRuntime, spec: InstanceSpec, moment: str
) -> None:
    assert start_elsewhere(spec, warm=runtime.warm, die=moment) == -signal.SIGKILL

    def gone() -> bool | None:
        # A forked one that has no name of its own yet is found by its record only.
        seen = runtime.observe().get("anna")
        return None if processes_of(spec.directory) or (seen and seen.state is not State.EXITED) else True

    wait_until(gone, what="the half-started to end", deadline=10, hint="")
    runtime.start(spec)
    assert processes_of(spec.directory) == [pid_of(runtime)]


def test_a_recycled_process_id_is_nobody(runtime: ProcessRuntime, spec: InstanceSpec) -> None:
    runtime.seed(spec)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
        now = identify(stranger.pid)
        former = replace(now, started=now.started - 100)
        Record("tests", "anna", spec.spec_hash, spec.port, former).write(spec.directory)
        assert runtime.observe()["anna"].state is State.EXITED
        runtime.stop("anna")
        handle = runtime.start(spec)
        assert runtime.observe()["anna"].handle == handle
        runtime.remove("anna")
        assert stranger.poll() is None, "the program that has the number now lives on"
        stranger.kill()


def test_a_database_in_use_is_never_served_twice(
    runtime: ProcessRuntime, spec: InstanceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.seed(spec)
    runtime.start(spec)
    record = Record.read(spec.directory)
    assert record is not None
    (spec.directory / "process.json").unlink()  # as if our knowledge of it had been lost
    monkeypatch.setattr("annotator_ops.runtimes.folder.DATABASE_DEADLINE", 0.2)
    with pytest.raises(OpsError) as caught:
        runtime.start(spec)
    assert caught.value.code == "instance-locked"
    record.write(spec.directory)
    runtime.stop("anna")
    lock = try_lock(spec.directory / "database.lock")
    assert lock is not None, "the lock ends with the process"
    os.close(lock)


def test_one_that_does_not_listen_is_killed(
    runtime: ProcessRuntime, spec: InstanceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.seed(spec)
    runtime.start(spec)
    os.kill(pid_of(runtime), signal.SIGSTOP)  # does not react to SIGTERM
    monkeypatch.setattr(module, "STOP_DEADLINE", 0.3)
    runtime.stop("anna")
    assert runtime.observe()["anna"].state is State.EXITED


def test_the_folder_of_another_study_is_not_taken(
    runtime: ProcessRuntime, spec: InstanceSpec, installation: Installation
) -> None:
    runtime.seed(spec)
    runtime.start(spec)
    other = ProcessRuntime("other", spec.directory.parent, installation)
    with pytest.raises(OpsError) as caught:
        other.start(replace(spec, study="other"))
    assert caught.value.code == "directory-taken"
    other.remove("anna")
    assert runtime.observe()["anna"].state is State.RUNNING
    with pytest.raises(ValueError, match="is not the folder of"):
        runtime.start(replace(spec, directory=spec.directory.with_name("elsewhere")))


def test_a_file_that_is_no_record_of_ours_stays(runtime: ProcessRuntime, spec: InstanceSpec) -> None:
    spec.directory.mkdir()
    (spec.directory / "process.json").write_text(json.dumps({"name": "somebody else's"}))
    with pytest.raises(OpsError) as caught:
        runtime.start(spec)
    assert caught.value.code == "directory-taken"
    assert "somebody else's" in (spec.directory / "process.json").read_text()


def test_logs_are_rotated_at_each_start_and_the_oldest_dropped(runtime: ProcessRuntime, spec: InstanceSpec) -> None:
    log = spec.directory / "log" / "label-studio.log"
    log.parent.mkdir(parents=True)
    for number in range(KEPT_LOGS + 2):
        log.write_text(f"start {number}\nsecond line\n")
        assert list(runtime.logs("anna", 1)) == ["second line"]
        runtime.start(spec)
        runtime.stop("anna")
    assert sorted(path.name for path in log.parent.glob("label-studio.log*")) == sorted(
        [log.name, *(f"{log.name}.{number}" for number in range(1, KEPT_LOGS + 1))]
    )
    assert (log.parent / f"{log.name}.1").read_text().startswith(f"start {KEPT_LOGS + 1}")


def test_without_an_installation_it_says_what_to_do(spec: InstanceSpec, tmp_path: Path) -> None:
    runtime = ProcessRuntime(spec.study, spec.directory.parent, Installation(tmp_path / "empty", "1.23.2"))
    with pytest.raises(OpsError) as caught:
        runtime.start(spec)
    assert caught.value.code == "label-studio-not-installed"
