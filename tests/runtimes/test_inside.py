"""What somebody could do who runs code of their own inside a real instance: in its process, and started from it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from annotator_ops.models import InstanceSpec
from annotator_ops.resources import resource
from annotator_ops.runtimes import launching
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.launcher import settings_of
from annotator_ops.runtimes.process import ProcessRuntime
from annotator_ops.runtimes.seed import DATABASE
from annotator_ops.waiting import wait_until
from tests.conftest import need
from tests.real import make_spec, real_instance
from tests.sandbox import hostile
from tests.sandbox.playground import callers

pytestmark = pytest.mark.labelstudio

# These would end the other annotator's instance where nothing stops them, and are left out where nothing does.
DESTRUCTIVE = ["terminate another", "truncate another's database", "delete another's database"]
DESTRUCTIVE += ["rename another's database", "move another's database here", "write another's database"]
DESTRUCTIVE += ["limit another", "pin another", "lower another's priority", "chmod another's database"]
# What the same code does without a sandbox, as the same user.
OPEN = {
    "read another's database",
    "read the secrets",
    "list the home",
    "write to the home",
    "write to /tmp",
    "connect to the loopback",
    "send UDP",
    "bind a port",
    "connect to a socket file",
    "connect to an abstract socket",
    "signal 0",
    "read another's environment",
    "too much memory",
}


@pytest.fixture
def targets(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Another annotator's running instance, the study's secrets, a home, and services of this machine."""
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(real_instance(tmp_path / "others"))
        pid = json.loads((other.directory / "process.json").read_text())["process"]["pid"]
        (tmp_path / "secrets").mkdir(mode=0o700)
        (tmp_path / "secrets" / "token").write_text("a secret")
        (tmp_path / "home").mkdir()
        unix, abstract = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        datagrams = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        unix.bind(str(tmp_path / "service.sock"))
        abstract.bind(f"\0{tmp_path}")
        datagrams.bind(str(tmp_path / "log.sock"))
        for service in (unix, abstract):
            service.listen(64)
        yield {
            "other": str(other.directory / "data"),
            "database": str(other.directory / "data" / DATABASE),
            "secret": str(tmp_path / "secrets" / "token"),
            "home": str(tmp_path / "home"),
            "program": str(resource("deploy", "launcher", "kernel.py")),
            "etc": "/etc/fstab" if Path("/etc/fstab").exists() else "/etc/hostname",
            "port": other.port,
            "unix": str(tmp_path / "service.sock"),
            "datagrams": str(tmp_path / "log.sock"),
            "abstract": str(tmp_path),
            "victim": pid,
            "memory": 2 * 1024**3,
            "processes": 256,
            "not_in_child": [],
            "spare": [],
        }


@pytest.fixture
def intruding(do_instead: Callable[[str], None]) -> None:
    """Instances that are started from now on run the intruder's code when they are ready to serve."""
    do_instead("intruder.py")


def let_in(spec: InstanceSpec, installation: Installation, targets: dict[str, Any], *, warm: bool) -> dict[str, str]:
    """What came of the intruder's code inside this instance, by probe."""
    runtime = ProcessRuntime(spec.study, spec.directory.parent, installation, warm=warm)
    runtime.seed(spec)
    package = Path(next(iter(hostile.__path__)))
    shutil.copytree(package, spec.data_dir / "hostile", ignore=shutil.ignore_patterns("__pycache__"))
    (spec.data_dir / "targets.json").write_text(json.dumps(targets | {"own": str(spec.data_dir)}))
    result = spec.data_dir / "result.json"
    runtime.start(spec)
    try:
        with callers(("127.0.0.1", spec.port)):
            wait_until(lambda: True if result.exists() else None, what="the intruder", deadline=120, hint="")
    except Exception as error:
        error.add_note("\n".join(runtime.logs(spec.annotator, 40)))
        raise
    finally:
        note = runtime.observe()[spec.annotator].note
        runtime.remove(spec.annotator)
    assert note == ""
    found: dict[str, str] = json.loads(result.read_text())
    return found


@pytest.mark.parametrize("way", ["ordinary", "warm"])
def test_nothing_outside_can_be_reached(
    tmp_path: Path, installation: Installation, targets: dict[str, Any], intruding: None, way: str
) -> None:
    spec = make_spec(tmp_path / "study" / "anna")
    said = let_in(spec, installation, targets, warm=way == "warm")
    assert len(said) > 100
    assert {name: what for name, what in said.items() if not what.startswith("refused")} == {}


def test_without_the_sandbox_the_same_code_succeeds(
    tmp_path: Path,
    installation: Installation,
    targets: dict[str, Any],
    intruding: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def bare(*arguments: Any, **named: Any) -> dict[str, Any]:
        return {key: value for key, value in settings_of(*arguments, **named).items() if key != "sandbox"}

    monkeypatch.setattr(launching, "settings_of", bare)
    spec = make_spec(tmp_path / "study" / "anna")
    said = let_in(spec, installation, targets | {"spare": [*DESTRUCTIVE, "too many processes"]}, warm=True)
    assert {name for name in OPEN if said[name] != "SUCCEEDED"} == set()


def test_as_root_each_instance_has_a_user_of_its_own(tmp_path: Path, installation: Installation) -> None:
    need(os.geteuid() == 0, "root, who alone can become somebody else")
    runtime = ProcessRuntime("tests", tmp_path / "study", installation)
    users = set()
    for name in ("anna", "ben"):
        spec = make_spec(tmp_path / "study" / name, annotator=name)
        runtime.seed(spec)
        pid = int(runtime.start(spec).split(":")[0])
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        assert set(status["CapEff"].strip() + status["CapPrm"].strip()) == {"0"}
        assert status["NoNewPrivs"].strip() == "1"
        users.add(status["Uid"].split()[0])
        assert (spec.data_dir / DATABASE).stat().st_uid == int(status["Uid"].split()[0])
    for name in ("anna", "ben"):
        runtime.remove(name)
    assert len(users) == 2
    assert "0" not in users
