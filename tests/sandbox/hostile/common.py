"""What the probes share."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Callable
from typing import Any

Targets = dict[str, Any]
Probe = Callable[[Targets], object]

LIBC = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
TIMEOUT = 0.5
MSG_FASTOPEN = 0x20000000


class NothingChangedError(Exception):
    """The call said that it worked, but did nothing."""


def checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def syscall(x86: int, arm: int, *arguments: Any) -> int:
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return checked(LIBC.syscall(ctypes.c_long(arm if ARM else x86), *wide))


def in_child(call: Callable[[], object]) -> None:
    """For what would change this process for good."""
    child = os.fork()
    if child == 0:
        code = 0
        try:
            call()
        except OSError as error:
            code = error.errno or 1
        except MemoryError:
            code = errno.ENOMEM
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    if code:
        raise OSError(abs(code), os.strerror(code) if code > 0 else f"signal {-code}")
