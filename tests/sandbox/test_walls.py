"""From inside the walls nothing of the others can be reached; without them, nearly everything can."""

from __future__ import annotations

import pytest

from tests.sandbox.playground import Playground, Result

NAMES = ["user", "files", "network", "tcp", "signals", "system-calls", "limits"]

# What an ordinary program of the same user can do on any Linux. Others (ptrace, namespaces, io_uring, attributes)
# succeed on some systems only.
OPEN_WITHOUT_WALLS = {
    "read another's database",
    "write another's database",
    "read the secrets",
    "list the home",
    "write to the home",
    "write to /tmp",
    "write to /dev/shm",
    "read the rest of /etc",
    "hard link another's database",
    "read through a symbolic link",
    "write to the program",
    "chmod another's database",
    "touch another's database",
    "watch another's folder",
    "connect to the loopback",
    "send UDP",
    "ask for a name",
    "bind a port",
    "connect to a socket file",
    "connect to an abstract socket",
    "send a datagram from a pair",
    "open netlink",
    "disconnect an accepted socket",
    "reconnect an accepted socket",
    "listen on an accepted socket",
    "signal 0",
    "signal through a descriptor's owner",
    "read another's environment",
    "read another's command line",
    "pidfd_open",
    "lower another's priority",
    "pin another",
    "limit another",
    "SysV shared memory",
    "memory file",
    "shared anonymous memory",
    "cat in a shell",
    "too much memory",
    "too many processes",
    "rename another's database",
    "move another's database here",
    "truncate another's database",
    "delete another's database",
    "terminate another",
}


@pytest.fixture(scope="module")
def enclosed(ground: Playground) -> Result:
    return ground.hostile()


def test_every_wall_is_in_force(enclosed: Result) -> None:
    assert enclosed.report is not None
    assert list(enclosed.report) == NAMES
    assert enclosed.missing == []


def test_every_probe_is_refused(enclosed: Result) -> None:
    assert {name: result for name, result in enclosed.probes.items() if not result.startswith("refused")} == {}


def test_the_same_holds_in_another_interpreter_started_inside(enclosed: Result) -> None:
    in_child = {name for name in enclosed.probes if name.startswith("child: ")}
    # All but the two that fill the limits.
    assert len(in_child) == len(enclosed.probes) - len(in_child) - 2


def test_without_walls_the_probes_succeed(ordinary: Playground) -> None:
    result = ordinary.hostile(walls=False)
    assert OPEN_WITHOUT_WALLS - result.succeeded() == set()
