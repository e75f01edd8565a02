"""Landlock: which files, TCP ports and processes this process may reach, by versions ("ABI") of the kernel's interface.

A right that is *handled* is refused everywhere except where a rule allows it. Everything is handled that the kernel
knows, so that a newer kernel refuses more by itself.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from . import kernel

NEWEST = 7  # ABI 7 added logging only; what a later one adds is not known here and stays unused

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
REMOVE_DIR = 1 << 4
REMOVE_FILE = 1 << 5
MAKE_CHAR = 1 << 6
MAKE_DIR = 1 << 7
MAKE_REG = 1 << 8
MAKE_SOCK = 1 << 9
MAKE_FIFO = 1 << 10
MAKE_BLOCK = 1 << 11
MAKE_SYM = 1 << 12
REFER = 1 << 13  # renaming from one folder into another; before ABI 2 that is always refused
TRUNCATE = 1 << 14
IOCTL_DEV = 1 << 15

FIRST_WITH_TRUNCATE = 3
FIRST_WITH_TCP = 4
FIRST_WITH_SCOPES = 6
_FILE_RIGHTS_SINCE = ((2, REFER), (FIRST_WITH_TRUNCATE, TRUNCATE), (5, IOCTL_DEV))

READING = EXECUTE | READ_FILE | READ_DIR
ON_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV  # the kernel refuses the others in a file's rule

BIND_TCP = 1 << 0
CONNECT_TCP = 1 << 1

SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0
SCOPE_SIGNAL = 1 << 1


def abi() -> int:
    """The kernel's version of Landlock. Raises OSError: ENOSYS without it, EOPNOTSUPP where it is switched off."""
    return min(kernel.landlock_abi(), NEWEST)


def file_rights(version: int) -> int:
    rights = (1 << 13) - 1
    for since, right in _FILE_RIGHTS_SINCE:
        if version >= since:
            rights |= right
    return rights


def restrict(
    *,
    read: Iterable[str],
    write: Iterable[str],
    version: int,
    files: bool = True,
    tcp: bool = True,
    scopes: bool = True,
) -> None:
    """Restrict this process and all its future children, for good, as ABI `version` can; needs no_new_privs.

    `read` may be read and executed, `write` has every right except that of making devices. Paths in `read` that do
    not exist or cannot be reached are skipped; those in `write` must exist. TCP: no port may be bound or connected
    to. Scopes: no signal, and no connection to an abstract socket, to a process that is not a child of this one.
    Raises OSError when the kernel refuses; nothing is in force then.
    """
    handled_files = file_rights(version) if files else 0
    handled_tcp = BIND_TCP | CONNECT_TCP if tcp and version >= FIRST_WITH_TCP else 0
    handled_scopes = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL if scopes and version >= FIRST_WITH_SCOPES else 0
    handled = [handled_files]
    if version >= FIRST_WITH_TCP:
        handled.append(handled_tcp)
    if version >= FIRST_WITH_SCOPES:
        handled.append(handled_scopes)
    if not any(handled):
        return
    ruleset = kernel.landlock_create_ruleset(*handled)
    try:
        if handled_files:
            for path in dict.fromkeys(read):
                _allow(ruleset, path, READING & handled_files, optional=True)
            for path in dict.fromkeys(write):
                _allow(ruleset, path, handled_files & ~(MAKE_CHAR | MAKE_BLOCK), optional=False)
        kernel.landlock_restrict_self(ruleset)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int, *, optional: bool) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        if optional:
            return
        raise
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= ON_A_FILE
        kernel.landlock_allow_beneath(ruleset, descriptor, rights)
    finally:
        os.close(descriptor)
