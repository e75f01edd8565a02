"""The walls that an instance puts around itself: own user, files, network, signals, system calls, limits.

    report = enclose(Walls(read=("/srv/label-studio",), write=("/srv/study/alice",), memory=2 << 30, processes=64,
                           uid=None))

Works for an ordinary user. What a kernel lacks is reported in words and left out; the next wall is tried all the same.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import apart, kernel, landlock, seccomp, view

Report = dict[str, dict[str, Any]]

NAMES = ("user", "files", "network", "tcp", "signals", "system-calls", "limits")

# What every program needs. Of /etc only what a web server in Python reads: the rest is the host's business, and
# /etc/ssl/private holds keys.
SYSTEM = (
    *("/usr", "/lib", "/lib64", "/bin", "/sbin", "/dev/urandom", "/dev/random"),
    *(
        f"/etc/{name}"
        for name in (
            *("localtime", "timezone", "mime.types", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "passwd", "group"),
            *("nsswitch.conf", "hosts", "host.conf", "resolv.conf", "locale.alias", "locale.conf", "ca-certificates"),
            *("ssl/certs", "ssl/openssl.cnf", "ssl/cert.pem", "pki/tls/certs", "pki/ca-trust/extracted"),
        )
    ),
)
# Not /dev/zero: mapped, it is memory that no limit counts.
WRITABLE_DEVICES = ("/dev/null",)

MOST_DESCRIPTORS = 1024
FIRST_WITH_COUNTS = (5, 14)  # Linux 5.14 counts the processes of each user namespace by themselves
NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Walls:
    """What a process may still reach. All paths are absolute."""

    read: tuple[str, ...]  # files and folders that may be read and executed, besides the system's own
    write: tuple[str, ...]  # folders that may be written to; they exist, and belong to `uid`
    memory: int | None  # bytes for each process beyond what it has by now: heap, thread stacks, all that is writable
    processes: int | None  # processes and threads together
    uid: int | None  # the user to become where we are root; None: stay who we are
    without: frozenset[str] = frozenset()  # walls to leave out, by name; "landlock:N": act as on that version of it


@dataclass(slots=True)
class _State:
    """What the walls found out so far; later ones depend on it."""

    walls: Walls
    report: Report
    left_network: bool = False
    own_namespace: bool = False
    became: int | None = None  # the user of its own that root became
    must_reach: bool = False  # still root, although the folders were given to another user
    landlock: int = 0
    filtered: bool = False

    def wants(self, name: str) -> bool:
        if name in self.walls.without:
            self.missing(name, "left out on request")
            return False
        return True

    def stands(self, name: str, detail: str) -> None:
        self.report[name] = {"in_force": True, "detail": detail}

    def missing(self, name: str, detail: str) -> None:
        self.report[name] = {"in_force": False, "detail": detail}


def enclose(walls: Walls) -> Report:
    """Put the walls around this process and all its future children, for good; one entry a wall says what stands.

    For a process with one thread, which has opened its listening socket, settings and logs: an open descriptor goes on
    working. Raises RuntimeError when there are other threads and ValueError for walls that make no sense, before
    anything is done. Never raises because the kernel lacks something; an OSError means that namespaces, which had just
    been tried in a child, failed half-way: the process is of no use then and has to end.
    """
    _refuse_threads()
    _check(walls)
    state = _State(walls, {})
    _leave_network_as_root(state)
    _become(state)
    _namespaces(state)
    _limits(state)
    apart.give_up_capabilities(keep=1 << kernel.CAP_DAC_OVERRIDE if state.must_reach else 0)
    privileged = _error_of(lambda: kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1))
    _landlock(state, privileged)
    _system_calls(state, privileged)
    _qualify(state)
    return {name: state.report[name] for name in NAMES}


def complete(report: Report) -> bool:
    return all(wall["in_force"] for wall in report.values())


def missing(report: Report) -> list[str]:
    """What is not in force, in words: "network: this system does not let …"."""
    return [f"{name}: {wall['detail']}" for name, wall in report.items() if not wall["in_force"]]


def try_out(without: frozenset[str] = frozenset()) -> Report:
    """Which walls this system allows, tried in a child process. Never raises because the child ended badly."""
    with tempfile.TemporaryDirectory(prefix="walls-") as folder:
        uid = NOBODY if os.geteuid() == 0 else None
        if uid is not None:
            os.chown(folder, uid, uid)
        own = str(Path(__file__).resolve().parent)
        walls = Walls(read=(own,), write=(folder,), memory=1 << 30, processes=64, uid=uid, without=without)
        _check(walls)
        report, problem = apart.in_child(lambda: enclose(walls))
    if isinstance(report, dict):
        return report
    return {name: {"in_force": False, "detail": f"the try-out failed: {problem}"} for name in NAMES}


# --- before anything is done -----------------------------------------------------------------------------------------


def _refuse_threads() -> None:
    try:
        threads = len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        threads = threading.active_count()
    if threads != 1:
        raise RuntimeError(f"the walls have to be put up before threads are started, but there are {threads} already")


def _check(walls: Walls) -> None:
    unknown = [name for name in walls.without if name not in NAMES and not re.fullmatch(r"landlock:\d+", name)]
    if unknown:
        raise ValueError(f"there is no wall named {', '.join(sorted(unknown))}")
    for path in (*walls.read, *walls.write):
        if not path.startswith("/"):
            raise ValueError(f"not an absolute path: {path!r}")
    for path in walls.write:
        if not Path(path).is_dir():
            raise ValueError(f"there is no folder {path} to write to")


def _error_of(call: Callable[[], Any]) -> OSError | None:
    try:
        call()
    except OSError as error:
        return error
    return None


# --- the walls, in the order in which they can be put up -------------------------------------------------------------


def _readable(walls: Walls) -> list[str]:
    # The process's own folder in /proc by its number: /proc/self is a link to whoever asks.
    return [*SYSTEM, f"/proc/{os.getpid()}", sys.base_prefix, sys.prefix, *walls.read]


def _leave_network_as_root(state: _State) -> None:
    # Real root needs no user namespace for this, and so not the permission that some systems withhold.
    if os.geteuid() == 0 and "network" not in state.walls.without:
        state.left_network = _error_of(lambda: kernel.unshare(kernel.CLONE_NEWNET)) is None


def _become(state: _State) -> None:
    walls, me = state.walls, os.geteuid()
    state.must_reach = me == 0 and bool(walls.uid)
    if not state.wants("user"):
        return
    if me != 0:
        state.stands("user", f"runs as uid {me}")
        return
    if not walls.uid:
        state.missing("user", "runs as root: no user of its own was asked for")
        return
    try:
        covered = _own_user(walls, walls.uid)
    except OSError as error:
        state.missing("user", f"stays root, cannot become uid {walls.uid}: {error.strerror}")
        return
    state.became, state.must_reach = walls.uid, False
    hidden = "; the rest of the closed folders on the way is out of sight" if covered else ""
    state.stands("user", f"runs as uid {walls.uid}, its own{hidden}")


def _own_user(walls: Walls, user: int) -> int:
    apart.check_user(user)
    try:
        covered = view.open_view(read=(sys.base_prefix, sys.prefix, *walls.read), write=walls.write, user=user)
    except PermissionError as error:
        if error.errno == errno.EPERM:
            what = "the study or Label Studio is below a closed folder, and mounting is not allowed here"
            raise OSError(error.errno, what) from error
        raise
    apart.become_user(user)
    return covered


def _namespaces(state: _State) -> None:
    wanted = "network" not in state.walls.without and not state.left_network
    refused: OSError | None = None
    # A root that has to reach another user's folder could not do so from a user namespace of its own. Where no other
    # network is wanted, the namespace still serves to count the processes.
    if not state.must_reach and (wanted or "limits" not in state.walls.without):
        refused = apart.own_namespaces(kernel.CLONE_NEWNET if wanted else 0)
        state.own_namespace = refused is None
        state.left_network = state.left_network or (wanted and refused is None)
    if not state.wants("network"):
        return
    if state.left_network:
        state.stands("network", "a network of its own, in which there is nothing")
        return
    reason = refused.strerror if refused else "not permitted"
    if refused and refused.errno in (errno.EPERM, errno.EACCES, errno.ENOSPC):
        reason = "user namespaces are restricted"
    elif refused and refused.errno in (errno.EINVAL, errno.ENOSYS):
        reason = "this kernel has no user namespaces"
    state.missing("network", f"this system does not let ordinary programs make a network of their own ({reason})")


def _limits(state: _State) -> None:
    if not state.wants("limits"):
        return
    walls, problems = state.walls, []
    for which, value, what in (
        (resource.RLIMIT_CORE, 0, "core dumps"),
        (resource.RLIMIT_NOFILE, MOST_DESCRIPTORS, "open files"),
        (resource.RLIMIT_DATA, _with_what_is_there(walls.memory), "memory"),
        (resource.RLIMIT_NPROC, walls.processes, "processes"),
    ):
        if value is None:
            continue
        problem = _cannot_count(state) if which == resource.RLIMIT_NPROC else ""
        problems.append(problem or _lower(which, value, what))
    problems = [problem for problem in problems if problem]
    if problems:
        state.missing("limits", "; ".join(problems))
        return
    parts = ["no core dumps", f"{MOST_DESCRIPTORS} open files"]
    parts += [f"{walls.memory // 2**20} MiB of memory a process"] if walls.memory is not None else []
    parts += [f"{walls.processes} processes and threads"] if walls.processes is not None else []
    state.stands("limits", ", ".join(parts))


def _with_what_is_there(memory: int | None) -> int | None:
    """The limit counts what this process has by now, too: for one that was forked, all that it shares with others."""
    if memory is None:
        return None
    found = re.search(r"^VmData:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return memory + (int(found[1]) * 1024 if found else 0)


def _cannot_count(state: _State) -> str:
    """Why a limit on processes would not be one on this instance's; empty where it is."""
    version = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
    if os.geteuid() == 0:
        return "processes are not limited: the kernel does not count root's"
    # In a namespace of its own it counts alone; so does a user of its own.
    if (state.own_namespace and version >= FIRST_WITH_COUNTS) or os.geteuid() == state.became:
        return ""
    return "processes are not limited: the limit would count every program of this user"


def _lower(which: int, value: int, what: str) -> str:
    """Lower soft and hard limit, which an ordinary process cannot raise again; what went wrong, or nothing."""
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(which, (value, value))
    except OSError as error:
        return f"{what} cannot be limited ({error.strerror})"
    return ""


def _landlock(state: _State, privileged: OSError | None) -> None:
    wanted = {name: state.wants(name) for name in ("files", "tcp", "signals")}
    if not any(wanted.values()):
        return
    try:
        version = landlock.abi()
        for name in state.walls.without:
            if name.startswith("landlock:"):
                version = min(version, int(name.removeprefix("landlock:")))
        if version < 1:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        landlock.restrict(
            read=_readable(state.walls),
            write=[*WRITABLE_DEVICES, *state.walls.write],
            version=version,
            files=wanted["files"],
            tcp=wanted["tcp"],
            scopes=wanted["signals"],
        )
    except OSError as error:
        problem = _no_landlock(privileged or error)
        for name in wanted:
            if wanted[name]:
                state.missing(name, problem)
        return
    state.landlock = version
    needs = {
        "files": (1, "5.13", "only its own folder can be written to, only programs and libraries read", ""),
        "tcp": (landlock.FIRST_WITH_TCP, "6.7", "no TCP port can be bound or connected to", "knows no TCP"),
        "signals": (
            landlock.FIRST_WITH_SCOPES,
            "6.12",
            "no signals and no abstract sockets to processes outside",
            "keeps no signals inside",
        ),
    }
    for name, (first, linux, stands, lacks) in needs.items():
        if not wanted[name]:
            continue
        if version >= first:
            state.stands(name, stands)
        else:
            state.missing(name, f"this kernel's Landlock (ABI {version}) {lacks}, Linux {linux}'s does")


def _no_landlock(error: OSError) -> str:
    if error.errno == errno.ENOSYS:
        return "this kernel has no Landlock (Linux 5.13 has)"
    if error.errno == errno.EOPNOTSUPP:
        return "Landlock is switched off on this system (the boot parameter lsm= leaves it out)"
    return f"Landlock could not be used ({error.strerror})"


def _system_calls(state: _State, privileged: OSError | None) -> None:
    if not state.wants("system-calls"):
        return
    try:
        if privileged:
            raise privileged
        seccomp.install(os.getpid())
    except seccomp.UnsupportedError as error:
        state.missing("system-calls", str(error.strerror))
    except OSError as error:
        state.missing("system-calls", f"this kernel refuses the filter of system calls ({error.strerror})")
    else:
        state.filtered = True
        state.stands("system-calls", "no new connections, no signals to others, no changed modes of files")


def _qualify(state: _State) -> None:
    """Say where one wall stands in for another, and where it does not."""
    files = state.report["files"]
    if files["in_force"] and state.landlock < landlock.FIRST_WITH_TRUNCATE and not state.filtered:
        # Emptying somebody's database is as bad as writing to it.
        lacks = f"this kernel's Landlock (ABI {state.landlock}) does not refuse emptying a file, Linux 6.2's does"
        state.missing("files", lacks)
    for name, instead in (("network", "connections"), ("tcp", "connections"), ("signals", "signals to others")):
        wall = state.report[name]
        if not wall["in_force"] and state.filtered:
            wall["detail"] += f"; the filter of system calls refuses {instead}"
