"""A filter of system calls for what Landlock does not cover, or covers only on newer kernels.

A short list of what is refused, not of what is allowed: a Python web server with compiled extensions calls nearly
everything else, and what touches files by name is Landlock's. Landlock leaves open: connecting to sockets that are
files (Docker's, D-Bus, an SSH agent), whatever an accepted TCP connection can do in the network it came from,
changing modes, owners and times of files by name, and on older kernels truncation and signals.
"""

from __future__ import annotations

import errno
import platform
import struct

from . import kernel
from .syscalls import ARCHITECTURES, NEWEST, NUMBERS

REFUSED = {
    errno.EPERM: (
        # The listening socket exists already. A new one, of whatever family, or new use of an accepted one, would be
        # in the host's network or reach a socket that is a file.
        *("socket", "bind", "listen", "connect"),
        # Other processes: signals, their memory, their descriptors. os.kill goes through _to_itself below.
        *("tkill", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "ptrace", "kcmp", "process_vm_readv"),
        *("process_vm_writev", "process_madvise", "process_mrelease", "migrate_pages", "move_pages"),
        # Names of files that Landlock does not look at.
        *("chown", "lchown", "fchownat", "truncate", "inotify_init", "inotify_init1", "fanotify_init"),
        *("open_by_handle_at", "file_setattr"),
        # Memory and messages that are shared with other processes of the same user, or not counted by RLIMIT_DATA.
        *("shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl", "msgget", "msgsnd", "msgrcv"),
        *("msgctl", "mq_open", "mq_unlink", "keyctl", "add_key", "request_key", "memfd_create", "memfd_secret"),
        # A new namespace comes with capabilities; a mount would give files new names.
        *("unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_attr"),
        *("move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"),
        # Second ways into the kernel: io_uring carries out calls that no filter sees, the others are seldom needed
        # and were often broken.
        *("io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "perf_event_open", "userfaultfd"),
    ),
    # What shutil.copystat and others take for a file system without attributes.
    errno.ENOTSUP: (
        *("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"),
        *("setxattrat", "removexattrat"),
    ),
    # Its flags are behind a pointer, where a filter cannot look; the C library then uses clone.
    errno.ENOSYS: ("clone3",),
    # Says that it worked and does nothing. Django sets the mode of every uploaded file by name, and shutil.copy that
    # of every copy: refusing would break both, allowing would let the process open up files of the same user that
    # Landlock hides. New files have the mode that open and the umask give them; a descriptor's mode can be set.
    0: ("chmod", "fchmodat", "fchmodat2", "utime", "utimes", "futimesat"),
}

MSG_FASTOPEN = 0x20000000  # connects as it sends
SOCK_TYPE = 0xF
SOCK_STREAM, SOCK_SEQPACKET = 1, 5
MAP_SHARED_ANONYMOUS = 0x01 | 0x20
# Each kind of namespace that clone can make, and CLONE_PARENT, whose child is the launcher's and not this process's.
NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x00008000
IOCTLS = (
    0x5412,  # TIOCSTI: types into the terminal
    0x541C,  # TIOCLINUX: pastes into the console
    0x8901,  # FIOSETOWN, SIOCSPGRP: whom the kernel signals when a descriptor is ready, with a signal of choice
    0x8902,
)
FCNTLS = (8, 15)  # F_SETOWN, F_SETOWN_EX: the same

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand

_LOAD, _AND, _RETURN, _JUMP = 0x20, 0x54, 0x06, 0x05
_IF_EQUAL, _IF_GREATER, _IF_ANY_BIT = 0x15, 0x25, 0x45
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data


class UnsupportedError(OSError):
    """This machine's system calls are not known here."""


def install(process: int) -> None:
    """Filter the system calls of this process and its future children, for good; needs no_new_privs.

    `process` is the process's own id, the only one that it may signal. Raises OSError where it cannot be done.
    """
    kernel.seccomp_filter(program(process, platform.machine()))


def program(process: int, machine: str) -> bytes:
    """The filter as the kernel takes it. Raises UnsupportedError for machines other than x86_64 and aarch64."""
    if machine not in ARCHITECTURES:
        raise UnsupportedError(errno.ENOSYS, f"the system calls of {machine} machines are not known to this program")
    architecture, column = ARCHITECTURES[machine]
    numbers = {name: numbers[column] for name, numbers in NUMBERS.items()}
    code = [
        # Calls of another architecture (32-bit programs) have other numbers.
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture),
        _refuse(errno.EPERM),
        (_LOAD, 0, 0, _NUMBER),
        # What the kernel learned later than this table, and the x32 range, which begins at 0x40000000.
        (_IF_GREATER, 0, 1, NEWEST),
        _refuse(errno.ENOSYS),
    ]
    for name, body in _checked_calls(process).items():
        number = numbers[name]
        if number is not None:
            code += [(_IF_EQUAL, 0, len(body), number), *body]
    for error, names in REFUSED.items():
        code += _group([number for name in names if (number := numbers[name]) is not None], error)
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _checked_calls(process: int) -> dict[str, list[Instruction]]:
    """What is looked at before it is allowed. Each body ends in a return."""
    to_itself = _allow_if_equal(0, process)
    for_itself = _allow_if_equal(0, 0, process)
    # Which kind of id: 0 and 1 say that a process is meant, and not a group or a user.
    priority = [*_load(0), (_IF_EQUAL, 1, 0, 0), _refuse(errno.EPERM), *_allow_if_equal(1, 0, process)]
    ioprio = [*_load(0), (_IF_EQUAL, 1, 0, 1), _refuse(errno.EPERM), *_allow_if_equal(1, 0, process)]
    return {
        "mmap": [*_load(3), (_AND, 0, 0, MAP_SHARED_ANONYMOUS), *_refuse_if(errno.ENOMEM, MAP_SHARED_ANONYMOUS)],
        "fcntl": [*_load(1), *_refuse_if(errno.EPERM, *FCNTLS)],
        "ioctl": [*_load(1), *_refuse_if(errno.EPERM, *IOCTLS)],
        # An address means: to somebody else than the other end. (sendmsg's is behind a pointer, but only a datagram
        # socket heeds it, and there is none.)
        "sendto": [*_null(4), *_refuse_bits(3, MSG_FASTOPEN)],
        "sendmsg": _refuse_bits(2, MSG_FASTOPEN),
        "sendmmsg": _refuse_bits(3, MSG_FASTOPEN),
        # Only kinds that stay with their pair: a datagram socket could send to any socket that is a file.
        "socketpair": [*_load(1), (_AND, 0, 0, SOCK_TYPE), *_allow_only(SOCK_STREAM, SOCK_SEQPACKET)],
        "clone": _refuse_bits(0, NAMESPACES),
        **dict.fromkeys(("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"), to_itself),
        **dict.fromkeys(
            ("prlimit64", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"), for_itself
        ),
        "setpriority": priority,
        "ioprio_set": ioprio,
        # Without a name it sets the times of a descriptor, which is allowed; with a name it pretends, as chmod does.
        "utimensat": [*_null(1, otherwise=0), (_RETURN, 0, 0, _ALLOW)],
    }


def _refuse(error: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | error)


def _load(argument: int, *, high: bool = False) -> list[Instruction]:
    """Half of a 64-bit argument; both machines keep the low half first."""
    return [(_LOAD, 0, 0, _ARGUMENTS + 8 * argument + (4 if high else 0))]


def _null(argument: int, *, otherwise: int = errno.EPERM) -> list[Instruction]:
    """Go on if this argument, a pointer, is null."""
    halves = (*_load(argument), *_load(argument, high=True))
    return [line for half in halves for line in (half, (_IF_EQUAL, 1, 0, 0), _refuse(otherwise))]


def _refuse_bits(argument: int, bits: int) -> list[Instruction]:
    return [*_load(argument), (_IF_ANY_BIT, 0, 1, bits), _refuse(errno.EPERM), (_RETURN, 0, 0, _ALLOW)]


def _refuse_if(error: int, *values: int) -> list[Instruction]:
    return [*_group(list(values), error), (_RETURN, 0, 0, _ALLOW)]


def _allow_if_equal(argument: int, *values: int) -> list[Instruction]:
    return [*_load(argument), *_allow_only(*values)]


def _allow_only(*values: int) -> list[Instruction]:
    last = len(values)
    return [
        *((_IF_EQUAL, last - index, 0, value) for index, value in enumerate(values)),
        _refuse(errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _group(values: list[int], error: int) -> list[Instruction]:
    """Return `error` for any of these, go on for all others. At most 254, as far as a conditional jump reaches."""
    count = len(values)
    return [
        *((_IF_EQUAL, count - index, 0, value) for index, value in enumerate(values)),
        (_JUMP, 0, 0, 1),
        _refuse(error),
    ]
