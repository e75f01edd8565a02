"""Layer 3. One change of a study at a time: a lock file that names its holder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.locking import try_lock


@contextmanager
def locked(path: Path, command: str) -> Iterator[None]:
    """Hold the lock at `path` for this command. Raises OpsError (code "locked") naming who holds it.

    The kernel keeps the lock (flock) and lets go when its holder dies, however it dies; what the file says is for
    people. The file stays: deleting it would let two holders lock two files of one name.
    """
    descriptor = try_lock(path)
    if descriptor is None:
        raise _locked(path)
    try:
        holder = {
            "command": command,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _locked(path: Path) -> OpsError:
    try:
        holder = json.loads(path.read_bytes())
        who = "`ops {command}` (process {pid} on {host}, since {since})".format(**holder)
    except (OSError, ValueError, KeyError, TypeError):  # the holder has only just taken it, or is about to let go
        who = "another `ops` command"
    return OpsError(
        f"The study is being changed by {who}; it holds {path}.",
        hint="Wait until it is done, or end that process; a dead process holds nothing.",
        code="locked",
    )
