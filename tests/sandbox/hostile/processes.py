"""Other processes of the same user."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import struct
from pathlib import Path

from .common import LIBC, Probe, Targets, checked, syscall


def signal_zero(targets: Targets) -> None:
    os.kill(targets["victim"], 0)


def signal_owner(targets: Targets) -> None:
    """The kernel sends a signal of choice to the "owner" of a descriptor that becomes ready."""
    reader, writer = os.pipe()
    try:
        checked(LIBC.fcntl(reader, 8, ctypes.c_long(targets["victim"])))
    finally:
        os.close(reader)
        os.close(writer)


def process_file(name: str) -> Probe:
    def probe(targets: Targets) -> object:
        with Path(f"/proc/{targets['victim']}/{name}").open("rb") as content:
            return content.read(1) if name != "mem" else b""

    return probe


def ptrace_attach(targets: Targets) -> None:
    checked(LIBC.ptrace(0x4206, targets["victim"], None, None))  # PTRACE_SEIZE
    checked(LIBC.ptrace(0x4207, targets["victim"], None, None))  # PTRACE_INTERRUPT
    os.waitpid(targets["victim"], 0x40000000)
    checked(LIBC.ptrace(17, targets["victim"], None, None))  # PTRACE_DETACH


def read_memory(targets: Targets) -> None:
    # An address that is not mapped there: EFAULT says that looking was allowed.
    target = ctypes.create_string_buffer(8)
    here = struct.pack("@PN", ctypes.addressof(target), 8)
    there = struct.pack("@PN", 4096, 8)
    try:
        syscall(310, 270, targets["victim"], here, 1, there, 1, 0)
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise


def open_pidfd(targets: Targets) -> None:
    os.close(os.pidfd_open(targets["victim"]))


def steal_descriptor(targets: Targets) -> None:
    descriptor = os.pidfd_open(targets["victim"])
    try:
        os.close(syscall(438, 438, descriptor, 0, 0))
    finally:
        os.close(descriptor)


def slow_down(targets: Targets) -> None:
    os.setpriority(os.PRIO_PROCESS, targets["victim"], 5)


def pin_down(targets: Targets) -> None:
    os.sched_setaffinity(targets["victim"], {0})


def limit_other(targets: Targets) -> None:
    resource.prlimit(targets["victim"], resource.RLIMIT_CORE, (0, 0))


def terminate(targets: Targets) -> None:
    os.kill(targets["victim"], signal.SIGTERM)


PROBES: dict[str, Probe] = {
    "signal 0": signal_zero,
    "signal through a descriptor's owner": signal_owner,
    "read another's environment": process_file("environ"),
    "open another's memory": process_file("mem"),
    "read another's command line": process_file("cmdline"),
    "ptrace": ptrace_attach,
    "process_vm_readv": read_memory,
    "pidfd_open": open_pidfd,
    "pidfd_getfd": steal_descriptor,
    "lower another's priority": slow_down,
    "pin another": pin_down,
    "limit another": limit_other,
    "terminate another": terminate,
}
