"""Layer 1. TCP ports of this machine: whether a program could listen on one, and who does."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Literal

PortState = Literal["free", "taken", "forbidden"]

LOOPBACK = "127.0.0.1"
ANYWHERE = ""  # every IPv4 address of this machine
_PROC = Path("/proc")
_LISTENING = "0A"


def port_refusal(port: int, *, host: str = LOOPBACK) -> OSError | None:
    """Why the kernel would not let a program of this user listen on a port now; None when it would."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still being closed counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error
    return None


def port_taken(port: int, *, host: str = LOOPBACK) -> bool:
    """Whether somebody has a port, so that a server could not listen on it."""
    refusal = port_refusal(port, host=host)
    return refusal is not None and refusal.errno == errno.EADDRINUSE


def port_state(port: int, *, host: str = ANYWHERE) -> PortState:
    """Whether a program of this user could listen on a port; "taken" stands for every reason but a missing right."""
    refusal = port_refusal(port, host=host)
    if refusal is None:
        return "free"
    return "forbidden" if isinstance(refusal, PermissionError) else "taken"


def has_ipv6() -> bool:
    """Whether this machine has the IPv6 loopback address."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def port_holder(port: int) -> str | None:
    """Who listens on a TCP port, as `name (pid N)`; None when that cannot be found out (another user's process)."""
    sockets = _listening(port)
    if not sockets:
        return None
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            for descriptor in (folder / "fd").iterdir():
                if str(descriptor.readlink()) in sockets:
                    name = (folder / "comm").read_text(errors="replace").strip()
                    return f"{name} (pid {folder.name})"
        except OSError:  # it ended meanwhile, or is not ours to look into
            continue
    return None


def _listening(port: int) -> set[str]:
    """The sockets that listen on a port, by the names that /proc/PID/fd has for them."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found
