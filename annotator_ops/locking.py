"""Layer 1. Locks between processes: the kernel keeps them, and lets go when their holder dies, however it dies."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.waiting import wait_until

# What network drives and the like answer to flock.
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


def try_lock(path: Path) -> int | None:
    """The descriptor of an exclusive lock on `path` (made where it is missing), or None when somebody holds it.

    Raises OpsError with code "no-locks" where the file system has none.
    The lock lasts until every copy of the descriptor is closed: a child that inherits it keeps it after our death.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        if error.errno in _NO_LOCKS:
            raise OpsError(
                f"The file system of {path.parent} has no file locks ({error.strerror}).",
                hint="Without them two commands could change one thing at once. Move the study to a local disk.",
                code="no-locks",
            ) from error
        raise
    return descriptor


@contextmanager
def locked(path: Path, *, what: str, deadline: float) -> Iterator[int]:
    """Hold the lock on `path`; gives its descriptor. Raises WaitTimeout after `deadline` seconds.

    `what` completes the sentence "Waited N s for …".
    """
    descriptor = wait_until(
        lambda: try_lock(path),
        what=what,
        deadline=deadline,
        hint=f"Another ops command is at work here. Wait for it, or end it; `fuser {path}` names the process.",
    )
    try:
        yield descriptor
    finally:
        os.close(descriptor)
