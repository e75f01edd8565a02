"""The few system calls that Python has no function for. Each raises OSError with the kernel's errno.

Only wrappers: what is called, in which order and why is decided in the neighbouring modules.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CAP_DAC_OVERRIDE = 1
CAP_SETGID = 6
CAP_SETUID = 7

_CAPABILITY_VERSION = 0x20080522
_LANDLOCK_CREATE_RULESET = 444  # these three have the same number on every machine
_LANDLOCK_ADD_RULE = 445
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_RULE_PATH_BENEATH = 1
_LANDLOCK_CREATE_RULESET_VERSION = 1
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SECCOMP_SET_MODE_FILTER = 1


@functools.cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def _checked(result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _syscall(number: int, *arguments: int | ctypes.c_void_p) -> int:
    # Every argument as wide as a register: ctypes would pass a bare int as 32 bits and leave the rest to chance.
    wide = [argument if isinstance(argument, ctypes.c_void_p) else ctypes.c_long(argument) for argument in arguments]
    return _checked(_libc().syscall(ctypes.c_long(number), *wide))


def _pointer(buffer: ctypes.Array[ctypes.c_char]) -> ctypes.c_void_p:
    return ctypes.cast(buffer, ctypes.c_void_p)


def prctl(option: int, argument: int = 0) -> int:
    rest = [ctypes.c_ulong(value) for value in (argument, 0, 0, 0)]
    return _checked(_libc().prctl(ctypes.c_int(option), *rest))


def unshare(flags: int) -> None:
    _checked(_libc().unshare(ctypes.c_int(flags)))


def setns(descriptor: int, kind: int) -> None:
    _checked(_libc().setns(ctypes.c_int(descriptor), ctypes.c_int(kind)))


def mount(source: str | None, target: str, *, kind: str | None = None, flags: int = 0, options: str = "") -> None:
    _checked(
        _libc().mount(
            None if source is None else os.fsencode(source),
            os.fsencode(target),
            None if kind is None else kind.encode(),
            ctypes.c_ulong(flags),
            options.encode() or None,
        )
    )


def clear_ambient_capabilities() -> None:
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)


def permitted_capabilities() -> int:
    """A bit mask of the capabilities that this process has or may take up."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0))
    data = ctypes.create_string_buffer(24)
    _checked(_libc().capget(header, data))
    _, low, _, _, high, _ = struct.unpack("=6I", data.raw[:24])
    return int(high << 32 | low)


def capset(kept: int = 0) -> None:
    """Give up every capability that is not in the bit mask `kept`; the inheritable ones all."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0))
    low, high = kept & 0xFFFFFFFF, kept >> 32
    data = ctypes.create_string_buffer(struct.pack("=6I", low, low, 0, high, high, 0))
    _checked(_libc().capset(header, data))


def landlock_abi() -> int:
    """The version of Landlock that the kernel offers. Raises ENOSYS (not built in) or EOPNOTSUPP (switched off)."""
    return _syscall(_LANDLOCK_CREATE_RULESET, ctypes.c_void_p(None), 0, _LANDLOCK_CREATE_RULESET_VERSION)


def landlock_create_ruleset(*handled: int) -> int:
    """A descriptor of a new set of rules; `handled` are the fields of the kernel's structure, as many as it has."""
    fields = ctypes.create_string_buffer(struct.pack(f"={len(handled)}Q", *handled))
    return _syscall(_LANDLOCK_CREATE_RULESET, _pointer(fields), 8 * len(handled), 0)


def landlock_allow_beneath(ruleset: int, path: int, rights: int) -> None:
    """Allow `rights` on the file or folder that is open as the descriptor `path`, and below it."""
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, path))
    _syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, _pointer(rule), 0)


def landlock_restrict_self(ruleset: int) -> None:
    _syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0)


def seccomp_filter(program: bytes) -> None:
    """Put a classic BPF program (8 bytes an instruction) in front of every system call from now on."""
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions, padding, the address of the first.
    wrapped = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    _syscall(_SECCOMP[platform.machine()], _SECCOMP_SET_MODE_FILTER, 0, _pointer(wrapped))
