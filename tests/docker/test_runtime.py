"""What the Docker runtime does beyond the common contract: secrets, owners, restarts, and everybody else's things."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from annotator_ops.errors import OpsError
from annotator_ops.models import InstanceSpec, State
from annotator_ops.naming import resource_name
from annotator_ops.runtimes.docker_container import network_name
from annotator_ops.waiting import wait_until
from tests.conftest import REPOSITORY
from tests.docker.conftest import CHOICE, Bench, Pair, ask
from tests.real import wait_healthy

pytestmark = [pytest.mark.docker, pytest.mark.labelstudio]


def refused(action: object, *arguments: object) -> OpsError:
    assert callable(action)
    with pytest.raises(OpsError) as caught:
        action(*arguments)
    assert caught.value.hint
    return caught.value


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_no_secret_is_in_what_the_engine_tells(pair: Pair) -> None:
    container = pair.bench.container("anna")
    told = json.dumps(container.attrs) + json.dumps(container.top()) + container.logs().decode()
    assert pair.anna.annotator in told
    for name, secret in pair.anna.secrets.items():
        if name != "LABEL_STUDIO_USERNAME":
            assert secret.reveal() not in told, name
    environment = ask(container, "def probe():\n    return open('/proc/1/environ').read()\n")
    assert pair.anna.secrets["SECRET_KEY"].reveal() not in environment


def test_the_settings_are_for_the_containers_user_alone(pair: Pair) -> None:
    path = pair.anna.directory / "settings.json"
    status = path.stat()
    assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == (0o600, 10001, 10001)
    assert pair.anna.secrets["SECRET_KEY"].reveal() in path.read_text()
    assert not list(pair.anna.data_dir.rglob("settings*"))


def test_the_image_holds_neither_key_nor_certificates_of_this_machine(
    client: docker.DockerClient, bench: Bench
) -> None:
    image = bench.plain()
    found = ask(
        image,
        """
        def probe():
            import pathlib
            names = (".env", "ca.pem", "settings.json")
            return [str(path) for path in pathlib.Path("/opt").rglob("*") if path.name in names]
        """,
    )
    assert found == []
    assert ask(image, "def probe():\n    import os\n    return [k for k in os.environ if 'CERT' in k]\n") == []


# --- data ------------------------------------------------------------------------------------------------------------


def test_seeding_gives_an_up_to_date_database_without_accounts_and_overwrites_nothing(bench: Bench) -> None:
    spec = bench.spec("anna")
    bench.runtime.seed(spec)
    database = spec.data_dir / "label_studio.sqlite3"
    assert [path.name for path in spec.data_dir.iterdir()] == [database.name]
    assert {path.name for path in spec.directory.iterdir()} == {"data"}
    for path in (spec.data_dir, database):
        assert path.stat().st_uid == 10001
    assert (spec.data_dir.stat().st_mode & 0o777, database.stat().st_mode & 0o777) == (0o700, 0o600)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM htx_user").fetchone() == (0,)
        connection.execute("CREATE TABLE mine (x)")
    before = database.read_bytes()
    bench.runtime.seed(spec)
    assert database.read_bytes() == before


def test_an_instance_whose_data_is_gone_is_not_started_with_an_empty_one(bench: Bench) -> None:
    spec = bench.started("anna")
    bench.runtime.remove("anna")
    shutil.rmtree(spec.data_dir)
    assert refused(bench.runtime.start, spec).code == "data-missing"
    assert bench.runtime.observe() == {}
    assert not spec.data_dir.exists(), "nor does the engine make a folder that belongs to root"


def test_restored_files_of_another_owner_are_taken_over(bench: Bench) -> None:
    spec = bench.spec("anna")
    bench.runtime.seed(spec)
    for path in (spec.data_dir, spec.data_dir / "label_studio.sqlite3"):
        os.chown(path, 0, 0)
    bench.runtime.start(spec)
    wait_healthy(spec.port)
    assert (spec.data_dir / "label_studio.sqlite3").stat().st_uid == 10001


AS_USER = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from annotator_ops.models import Limits
from annotator_ops.runtimes.docker import DockerRuntime
from tests.real import make_spec, wait_healthy
root, study, group, claimed = Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), Path(sys.argv[5])
os.setgroups([group])
os.setresgid(4321, 4321, 4321)
os.setresuid(4321, 4321, 4321)
runtime = DockerRuntime(study, root / "instances")
spec = make_spec(root / "instances" / "anna", study=study)
runtime.seed(spec)
runtime.start(spec)
try:
    wait_healthy(spec.port)
    print("user", runtime._client.containers.get(runtime.observe()["anna"].handle).attrs["Config"]["User"])
    print("owner", (spec.data_dir / "label_studio.sqlite3").stat().st_uid)
finally:
    runtime.remove("anna")
try:
    list(claimed.iterdir())
except PermissionError:
    print("closed")
runtime.claim(claimed)
print("claimed", (claimed / "data" / "label_studio.sqlite3").stat().st_uid, (claimed / "link").lstat().st_uid)
runtime.close()
"""


def test_an_ordinary_user_runs_instances_as_itself_and_claims_what_root_left(bench: Bench) -> None:
    """The whole life of an instance as a member of the group that owns the engine's socket."""
    left = bench.spec("left")
    bench.runtime.seed(left)
    outside = bench.root / "outside"
    outside.touch()
    (left.directory / "link").symlink_to(outside)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        home = Path(scratch)
        home.chmod(0o755)
        # The checkout and pytest's folders may be closed to others.
        for part in ("annotator_ops", "deploy", "tests"):
            shutil.copytree(REPOSITORY / part, home / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.move(left.directory, home / "left")
        (home / "root").mkdir()
        os.chown(home / "root", 4321, 4321)
        group = Path("/var/run/docker.sock").stat().st_gid
        program = [sys.executable, "-c", AS_USER, str(home), str(home / "root"), f"{bench.study}-user", str(group)]
        ended = subprocess.run([*program, str(home / "left")], capture_output=True, text=True, timeout=300)
        assert ended.returncode == 0, ended.stderr[-3000:]
        assert ended.stdout.splitlines() == ["user 4321:4321", "owner 4321", "closed", "claimed 4321 4321"]
        assert outside.stat().st_uid == 0, "what a link points to is not touched"


# --- starting and restarting -----------------------------------------------------------------------------------------


def test_what_was_killed_comes_back_by_itself(bench: Bench) -> None:
    spec = bench.started("anna")
    wait_healthy(spec.port)
    container = bench.container("anna")
    os.kill(container.attrs["State"]["Pid"], signal.SIGKILL)

    def restarted() -> bool | None:
        container.reload()
        return True if container.attrs["RestartCount"] == 1 and container.status == "running" else None

    wait_until(restarted, what="the engine to restart it", deadline=30, hint="")
    wait_healthy(spec.port)
    bench.runtime.stop("anna")
    assert bench.runtime.observe()["anna"].state is State.EXITED


def test_a_program_that_ends_at_once_is_not_called_running_for_long(bench: Bench) -> None:
    """A crash loop is seen: settings that the launcher refuses make it end again and again."""
    spec = bench.started("anna")
    bench.runtime.stop("anna")
    container = bench.container("anna")
    settings = spec.directory / "settings.json"
    settings.write_text("nonsense")
    container.start()
    wait_until(
        lambda: True if bench.runtime.observe()["anna"].state is State.EXITED else None,
        what="the crash loop to be seen",
        deadline=60,
        hint="",
    )
    bench.runtime.start(spec)  # writes proper settings again
    wait_healthy(spec.port)


def test_a_start_that_fails_leaves_nothing_behind(bench: Bench) -> None:
    spec = bench.spec("anna")
    bench.runtime.seed(spec)
    with socket.socket() as other:
        other.bind(("127.0.0.1", spec.port))
        other.listen()
        error = refused(bench.runtime.start, spec)
    assert error.code == "port-taken"
    assert str(spec.port) in error.message
    assert bench.runtime.observe() == {}


def test_the_engines_own_word_for_a_taken_port_is_understood(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where our own look comes too early, the engine refuses in the middle: the half-made container goes away."""
    monkeypatch.setattr("annotator_ops.runtimes.docker._refuse_taken_port", lambda *_: None)
    anna = bench.started("anna")
    ben = bench.spec("ben", port=anna.port)
    bench.runtime.seed(ben)
    assert refused(bench.runtime.start, ben).code == "port-taken"
    assert set(bench.runtime.observe()) == {"anna"}
    cleo = bench.spec("cleo")
    bench.runtime.seed(cleo)
    with socket.socket() as other:
        other.bind(("127.0.0.1", cleo.port))
        other.listen()
        assert refused(bench.runtime.start, cleo).code == "port-taken"
    assert set(bench.runtime.observe()) == {"anna"}


def test_a_stopped_container_starts_again_with_new_secrets(bench: Bench) -> None:
    spec = bench.started("anna")
    handle = bench.runtime.observe()["anna"].handle
    bench.runtime.stop("anna")
    changed = replace(spec, secrets={**spec.secrets, "SECRET_KEY": spec.secrets["LABEL_STUDIO_PASSWORD"]})
    assert bench.runtime.start(changed) == handle, "the same container, whose log goes on"
    wait_healthy(spec.port)
    inside = ask(bench.container("anna"), "def probe():\n    return open('/run/annotator-ops/settings.json').read()\n")
    assert json.loads(inside)["environment"]["SECRET_KEY"] == changed.secrets["SECRET_KEY"].reveal()


# --- other people's things -------------------------------------------------------------------------------------------


def test_a_container_of_that_name_that_is_not_ours_stays(bench: Bench) -> None:
    theirs = bench.plain(name=resource_name(bench.study, "anna"))
    spec = bench.spec("anna")
    bench.runtime.seed(spec)
    error = refused(bench.runtime.start, spec)
    assert error.code == "name-taken"
    bench.runtime.remove("anna")
    theirs.reload()
    assert theirs.status == "running"


def test_an_open_network_of_that_name_is_refused(bench: Bench, client: docker.DockerClient) -> None:
    theirs = client.networks.create(network_name(bench.study), driver="bridge")
    try:
        spec = bench.spec("anna")
        bench.runtime.seed(spec)
        assert refused(bench.runtime.start, spec).code == "network-unsafe"
        bench.runtime.remove("anna")
        theirs.reload()
    finally:
        theirs.remove()


def test_the_last_instance_takes_the_network_along(bench: Bench, client: docker.DockerClient) -> None:
    bench.started("anna")
    bench.started("ben")
    bench.runtime.remove("anna")
    assert client.networks.list(names=[network_name(bench.study)])
    bench.runtime.remove("ben")
    assert not client.networks.list(names=[network_name(bench.study)])


# --- health and speed ------------------------------------------------------------------------------------------------


def test_the_health_check_tells_a_server_that_hangs(bench: Bench) -> None:
    spec = bench.started("anna")
    wait_healthy(spec.port)
    container = bench.container("anna")
    check = container.attrs["Config"]["Healthcheck"]["Test"][1:]

    def health() -> int:
        return int(container.exec_run(check)[0] or 0)

    assert health() == 0
    signal_server = """
        def probe(sent):
            import os
            for pid in filter(str.isdigit, os.listdir("/proc")):
                argv = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\\0")
                if argv[1].endswith(b"/launch.py"):
                    os.kill(int(pid), int(sent))
                    return pid
        """
    assert ask(container, signal_server, signal.SIGSTOP.value)
    connections = [socket.create_connection(("127.0.0.1", spec.port)) for _ in range(8)]
    try:
        wait_until(lambda: True if health() == 1 else None, what="the queue to be noticed", deadline=20, hint="")
    finally:
        for connection in connections:
            connection.close()
    ask(container, signal_server, signal.SIGCONT.value)
    wait_until(lambda: True if health() == 0 else None, what="the server to catch up", deadline=30, hint="")


def test_observing_five_instances_is_quick(bench: Bench, client: docker.DockerClient) -> None:
    for annotator in ("a", "b", "c", "d", "e"):
        bench.started(annotator)
    bench.runtime.observe()
    began = time.monotonic()
    seen = bench.runtime.observe()
    took = time.monotonic() - began
    assert len(seen) == 5
    assert all(one.memory for one in seen.values())
    assert took < 0.5
    engines = client.api.stats(str(seen["a"].handle), stream=False)["memory_stats"]
    assert seen["a"].memory == pytest.approx(engines["usage"], rel=0.5)


def test_an_image_that_was_not_prepared_is_said(bench: Bench) -> None:
    spec = bench.spec("anna")
    elsewhere: InstanceSpec = replace(spec, label_studio=replace(CHOICE, image="annotator-ops/absent:1"))
    assert refused(bench.runtime.seed, elsewhere).code == "image-missing"
