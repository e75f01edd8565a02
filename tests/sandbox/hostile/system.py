"""The kernel itself: namespaces, shared memory, limits."""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal

from .common import LIBC, NothingChangedError, Probe, Targets, checked, in_child, syscall


def namespaces(flags: int) -> Probe:
    return lambda _: in_child(lambda: checked(LIBC.unshare(flags)))


def clone_namespace(_: Targets) -> None:
    child = syscall(56, 220, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def mount(targets: Targets) -> None:
    own = os.fsencode(targets["own"])

    def call() -> None:
        LIBC.unshare(0x10000000 | 0x00020000)
        checked(LIBC.mount(b"tmpfs", own, b"tmpfs", 0, None))

    in_child(call)


def io_uring(_: Targets) -> None:
    os.close(syscall(425, 425, 4, ctypes.create_string_buffer(120)))


def key_ring(_: Targets) -> None:
    syscall(250, 219, 0, -3, 1)  # KEYCTL_GET_KEYRING_ID of the session


def shared_memory(_: Targets) -> None:
    segment = checked(LIBC.shmget(0, 4096, 0o1600))
    LIBC.shmctl(segment, 0, None)


def memory_file(_: Targets) -> None:
    os.close(os.memfd_create("x"))


def shared_anonymous(_: Targets) -> None:
    mmap.mmap(-1, 1 << 20).close()


def too_much_memory(targets: Targets) -> None:
    in_child(lambda: bytearray(targets["memory"]))


def too_many_processes(targets: Targets) -> None:
    reader, writer = os.pipe()
    children: list[int] = []
    try:
        while len(children) < targets["processes"]:
            child = os.fork()
            if child == 0:
                os.close(writer)
                os.read(reader, 1)
                os._exit(0)
            children.append(child)
    finally:
        os.close(writer)
        os.close(reader)
        for child in children:
            os.waitpid(child, 0)


def raise_limits(_: Targets) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    if hard == 0 or soft == 0:
        raise NothingChangedError


def foreign_system_calls(_: Targets) -> None:
    """A number out of the x32 range, which is another door to the same calls."""
    try:
        syscall(0x40000000 | 39, 0x40000000 | 172)
    except OSError as error:
        raise OSError(error.errno, "no x32") from error


PROBES: dict[str, Probe] = {
    "new user namespace": namespaces(0x10000000),
    "new mount namespace": namespaces(0x00020000),
    "new network namespace": namespaces(0x40000000),
    "new namespace by clone": clone_namespace,
    "mount": mount,
    "io_uring": io_uring,
    "key ring": key_ring,
    "SysV shared memory": shared_memory,
    "memory file": memory_file,
    "shared anonymous memory": shared_anonymous,
    "raise a limit": raise_limits,
    "x32 system calls": foreign_system_calls,
    "too much memory": too_much_memory,
    "too many processes": too_many_processes,
}
