"""What is left of the walls where a kernel knows less: said in words, and true."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from launcher import apart, kernel, sandbox, seccomp

from tests.sandbox.playground import PROCESSES, Playground, Result

READING = {"read another's database", "read the secrets", "list the home", "read the rest of /etc", "cat in a shell"}
WRITING = {"write another's database", "write to the home", "write to /tmp", "delete another's database"}
PRETENDED = {"chmod another's database", "touch another's database"}
CONNECTING = {"connect to the loopback", "send UDP", "connect to a socket file", "connect to an abstract socket"}
ACCEPTED = {"reconnect an accepted socket", "fast open with sendto", "listen on an accepted socket"}
SIGNALS = {"signal 0", "terminate another", "signal through a descriptor's owner", "lower another's priority"}
TRUNCATING = {"truncate another's database"}


def run(ordinary: Playground, *without: str) -> Result:
    return ordinary.hostile(without=frozenset(without))


def said(result: Result, wall: str) -> str:
    (line,) = (line for line in result.missing if line.startswith(f"{wall}: "))
    return line.removeprefix(f"{wall}: ")


def walls_missing(result: Result) -> list[str]:
    return [line.partition(":")[0] for line in result.missing]


def test_the_first_landlock_has_files_and_the_filter_does_the_rest(ordinary: Playground) -> None:
    result = run(ordinary, "landlock:1")
    assert walls_missing(result) == ["tcp", "signals"]
    assert said(result, "tcp") == (
        "this kernel's Landlock (ABI 1) knows no TCP, Linux 6.7's does; the filter of system calls refuses connections"
    )
    assert said(result, "signals").endswith("the filter of system calls refuses signals to others")
    assert result.succeeded() == set()


def test_the_first_landlock_alone_does_not_keep_files_from_being_emptied(ordinary: Playground) -> None:
    result = run(ordinary, "landlock:1", "system-calls")
    assert walls_missing(result) == ["files", "tcp", "signals", "system-calls"]
    assert "emptying a file" in said(result, "files")
    assert result.succeeded() >= TRUNCATING | SIGNALS | PRETENDED
    assert not result.succeeded() & (READING | WRITING)


def test_the_third_landlock_knows_truncation(ordinary: Playground) -> None:
    result = run(ordinary, "landlock:3", "system-calls")
    assert walls_missing(result) == ["tcp", "signals", "system-calls"]
    assert not result.succeeded() & (READING | WRITING | TRUNCATING)
    assert result.succeeded() >= SIGNALS


def test_the_fifth_landlock_lacks_only_scopes(ordinary: Playground) -> None:
    result = run(ordinary, "landlock:5")
    assert walls_missing(result) == ["signals"]
    assert "Linux 6.12" in said(result, "signals")
    assert result.succeeded() == set()


def test_without_landlock_files_are_open_and_connections_are_not(ordinary: Playground) -> None:
    result = run(ordinary, "landlock:0")
    assert walls_missing(result) == ["files", "tcp", "signals"]
    assert said(result, "files") == "this kernel has no Landlock (Linux 5.13 has)"
    assert result.succeeded() >= READING | WRITING
    assert not result.succeeded() & (CONNECTING | ACCEPTED | SIGNALS | PRETENDED | TRUNCATING)


def test_left_out_walls_are_said_to_be(ordinary: Playground) -> None:
    result = run(ordinary, "files", "tcp", "signals")
    assert said(result, "files") == "left out on request"
    assert result.succeeded() >= READING | WRITING


def test_without_a_network_of_its_own_nothing_can_connect_all_the_same(ordinary: Playground) -> None:
    result = run(ordinary, "network")
    assert walls_missing(result) == ["network"]
    assert result.succeeded() == set()


def test_without_any_of_the_three_it_can(ordinary: Playground) -> None:
    result = run(ordinary, "network", "tcp", "system-calls")
    assert walls_missing(result) == ["network", "tcp", "system-calls"]
    assert "connect to the loopback" in result.succeeded()
    assert not result.succeeded() & (READING | WRITING | {"connect to an abstract socket"})


def test_without_the_filter_a_socket_file_and_an_accepted_socket_are_ways_out(ordinary: Playground) -> None:
    """Why there is a filter: no other wall covers these."""
    result = run(ordinary, "system-calls")
    ways_out = {"connect to a socket file", "send a datagram from a pair", "disconnect an accepted socket"}
    assert result.succeeded() >= ways_out | PRETENDED
    assert not result.succeeded() & (READING | WRITING | {"connect to the loopback", "send UDP", "signal 0"})


def test_landlock_closes_tcp_to_an_accepted_socket_only_where_it_knows_tcp(ordinary: Playground) -> None:
    newer = run(ordinary, "system-calls")
    older = run(ordinary, "system-calls", "landlock:3")
    assert "reconnect an accepted socket" not in newer.succeeded()
    assert "reconnect an accepted socket" in older.succeeded()


def test_without_limits_memory_and_processes_are_open(ordinary: Playground) -> None:
    result = run(ordinary, "limits")
    assert walls_missing(result) == ["limits"]
    assert result.succeeded() == {"too much memory", "too many processes"}


def test_root_that_stays_root_is_said_to(own_user: Playground) -> None:
    file = own_user.path("study", "alice", "as-root")
    result = own_user.run(["-c", f"open({str(file)!r}, 'w').write('x')"], without=frozenset({"user"}))
    assert "user" in walls_missing(result)
    assert "the kernel does not count root's" in said(result, "limits")


def test_where_namespaces_are_restricted_it_is_said(tmp_path: Path) -> None:
    """The filter refuses namespaces, as some systems do for ordinary programs."""

    def enclose() -> dict[str, Any]:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        seccomp.install(os.getpid())
        walls = sandbox.Walls(read=(), write=(str(tmp_path),), memory=None, processes=PROCESSES, uid=None)
        return dict(sandbox.enclose(walls))

    report, problem = apart.in_child(enclose)
    assert problem == ""
    assert report["network"]["detail"] == (
        "this system does not let ordinary programs make a network of their own (user namespaces are restricted); "
        "the filter of system calls refuses connections"
    )
    assert report["limits"]["detail"].startswith("processes are not limited: ")
    assert all(report[name]["in_force"] for name in ("files", "tcp", "signals", "system-calls"))
