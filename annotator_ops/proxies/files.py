"""Layer 3. Files and folders that only their owner may read."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
from pathlib import Path

from annotator_ops.errors import OpsError

# The kernel takes 107 bytes and a zero for the name of a unix socket, and Caddy appends nothing to it.
_LONGEST_SOCKET = 107


def private_folder(path: Path) -> Path:
    """Make a folder (0700) with its parents, and refuse one that somebody else owns or could change. Returns it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise OpsError(
            f"{path} is not a folder of yours.",
            hint="Remove it, or run the command as the user it belongs to.",
            code="folder-not-private",
        )
    if found.st_mode & 0o077:
        path.chmod(0o700)
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable for its owner only from the first byte."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def socket_path(folder: Path) -> Path:
    """Where a unix socket for `folder` goes: inside it, or in a short folder of this user's where the name is too long.

    The same folder always gives the same path, in every process: a later command must find the socket.
    """
    inside = folder.absolute() / "admin.sock"
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET:
        return inside
    user = os.geteuid()
    runtime = Path(f"/run/user/{user}")
    base = runtime if runtime.is_dir() else Path("/tmp")  # noqa: S108 - `private_folder` checks whose it is
    digest = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
    return base / f"annotator-ops-{user}-{digest}" / "admin.sock"


def listened_to(path: Path) -> bool:
    """Whether somebody listens on a unix socket. Asked first, because httpx leaves a socket open that was refused."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fsencode(path))
        except OSError:
            return False
    return True
