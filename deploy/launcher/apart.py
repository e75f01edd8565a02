"""Becoming somebody with less: another user, namespaces of one's own, no capabilities; and trying that in a child."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import kernel

CHILD_SECONDS = 30.0
_MOST_CAPABILITIES = 64


def check_user(user: int) -> None:
    """Raises OSError when this root may not become another user, or its user namespace has no such user."""
    needed = 1 << kernel.CAP_SETUID | 1 << kernel.CAP_SETGID
    if kernel.permitted_capabilities() & needed != needed:
        raise OSError(errno.EPERM, "this root may not change its user")
    for name in ("uid_map", "gid_map"):
        ranges = [line.split() for line in Path(f"/proc/self/{name}").read_text().splitlines()]
        if not any(int(first) <= user < int(first) + int(count) for first, _, count in ranges):
            raise OSError(errno.EINVAL, f"there is no id {user} in this container")


def become_user(user: int) -> None:
    """From root to this user, with the group of the same number and no other. Raises OSError and stays root."""
    groups, group = os.getgroups(), os.getegid()
    _drop_bounding_set()
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError:
        # Half of it would be neither.
        with contextlib.suppress(OSError):
            os.setresgid(group, group, group)
            os.setgroups(groups)
        raise
    # A change of user makes /proc/self root's, and with it the files that map ids in a namespace.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def own_namespaces(more: int) -> OSError | None:
    """A user namespace of its own, in which this process keeps its user and group, and the ones in `more`.

    Tried in a child first: where the kernel makes the namespace but refuses the mapping of ids (AppArmor does so), this
    process would be nobody. Returns the error and changes nothing where it cannot be done.
    """

    def attempt() -> int:
        try:
            _enter_namespaces(more)
        except OSError as error:
            return error.errno or errno.EPERM
        return 0

    number, _ = in_child(attempt)
    if number is None:
        number = errno.EPERM
    if number:
        return OSError(number, os.strerror(number))
    _enter_namespaces(more)
    return None


def _enter_namespaces(more: int) -> None:
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER | more)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def give_up_capabilities(*, keep: int = 0) -> None:
    """All of them, but for the bit mask `keep`, from every set that this process may change."""
    _drop_bounding_set(keep=keep)
    with contextlib.suppress(OSError):  # kernels before 4.3 have no ambient set
        kernel.clear_ambient_capabilities()
    kernel.capset(kernel.permitted_capabilities() & keep)


def _drop_bounding_set(*, keep: int = 0) -> None:
    for capability in range(_MOST_CAPABILITIES):
        if keep >> capability & 1:
            continue
        try:
            kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
        except OSError:
            return  # EINVAL after the last one; EPERM for an ordinary user, who has nothing to drop


def in_child(call: Callable[[], Any]) -> tuple[Any, str]:
    """The result of `call` in a forked child, through JSON; or None, and in words what became of the child."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _run_and_exit(call, writer)
    os.close(writer)
    try:
        answer, in_time = _read_all(reader, time.monotonic() + CHILD_SECONDS)
    finally:
        os.close(reader)
    if not in_time:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(child, signal.SIGKILL)
    status = 0
    with contextlib.suppress(ChildProcessError):  # somebody ignores SIGCHLD: the kernel has reaped it
        status = os.waitpid(child, 0)[1]
    try:
        result = json.loads(answer)
    except ValueError:
        how = f"by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "before it could answer"
        return None, f"the child ended {how}" if in_time else f"the child took over {CHILD_SECONDS:g} s"
    return result["result"], result["problem"]


def _run_and_exit(call: Callable[[], Any], writer: int) -> None:
    code = 1
    try:
        answer = {"result": None, "problem": ""}
        try:
            answer["result"] = call()
        except (OSError, RuntimeError, ValueError) as error:
            answer["problem"] = f"{type(error).__name__}: {error}"
        os.write(writer, json.dumps(answer).encode())
        code = 0
    finally:
        # Whatever happens: the child must never return into the parent's program.
        os._exit(code)


def _read_all(reader: int, deadline: float) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return b"".join(parts), False
        part = os.read(reader, 65536)
        if not part:
            return b"".join(parts), True
        parts.append(part)
