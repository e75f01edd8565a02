"""Layer 1. Unix sockets of programs of this user's own: where they are, and whether somebody listens."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

# The kernel takes 107 bytes and a zero for the name of a unix socket.
_LONGEST_SOCKET = 107


def socket_path(folder: Path, name: str = "admin.sock") -> Path:
    """Where a unix socket for `folder` goes: inside it, or in a short folder of this user's where the name is too long.

    The same folder always gives the same path, in every process: a later command must find the socket.
    """
    inside = folder.absolute() / name
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET:
        return inside
    user = os.geteuid()
    runtime = Path(f"/run/user/{user}")
    base = runtime if runtime.is_dir() else Path("/tmp")  # noqa: S108 - `private_folder` checks whose it is
    digest = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
    return base / f"annotator-ops-{user}-{digest}" / name


def listened_to(path: Path, *, kind: socket.SocketKind = socket.SOCK_STREAM) -> bool:
    """Whether somebody listens on a unix socket. Asked first, because httpx leaves a socket open that was refused."""
    with socket.socket(socket.AF_UNIX, kind) as probe:
        try:
            probe.connect(os.fsencode(path))
        except OSError:
            return False
    return True
