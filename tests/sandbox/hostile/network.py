"""Connections: new ones, sockets that are files, and what can be made of an accepted one."""

from __future__ import annotations

import os
import socket
import struct
from typing import Any

from .common import LIBC, MSG_FASTOPEN, TIMEOUT, Probe, Targets, checked


def connect(family: int, kind: int, address: Any) -> None:
    with socket.socket(family, kind) as client:
        client.settimeout(TIMEOUT)
        client.connect(address)


def connect_loopback(targets: Targets) -> None:
    connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", targets["port"]))


def connect_outside(_: Targets) -> None:
    connect(socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 80))


def send_udp(targets: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", ("127.0.0.1", targets["port"]))


def ask_for_name(_: Targets) -> None:
    """A question to a resolver is a way out, whatever it answers."""
    connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.53", 53))


def bind_port(_: Targets) -> None:
    with socket.socket(socket.AF_INET) as server:
        server.bind(("127.0.0.1", 0))
        server.listen()


def connect_unix_file(targets: Targets) -> None:
    connect(socket.AF_UNIX, socket.SOCK_STREAM, targets["unix"])


def connect_unix_abstract(targets: Targets) -> None:
    connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + targets["abstract"])


def datagram_from_pair(targets: Targets) -> None:
    """A pair of datagram sockets may send to any other one that is a file."""
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, two:
        one.sendto(b"x", targets["datagrams"])


def netlink(_: Targets) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as link:
        link.bind((0, 0))


def accepted(targets: Targets) -> socket.socket:
    with socket.socket(fileno=os.dup(targets["listener"])) as listener:
        listener.settimeout(10)
        connection = listener.accept()[0]
    connection.setblocking(True)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 0, int(TIMEOUT * 1e6)))
    return connection


def address_of(port: int) -> bytes:
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton("127.0.0.1") + bytes(8)


def disconnect_accepted(targets: Targets) -> None:
    """Make of an accepted connection a socket in the host's network that can be connected again."""
    with accepted(targets) as connection:
        checked(LIBC.connect(connection.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16))


def reconnect_accepted(targets: Targets) -> None:
    with accepted(targets) as connection:
        checked(LIBC.connect(connection.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16))
        checked(LIBC.connect(connection.fileno(), address_of(targets["port"]), 16))


def fast_open(targets: Targets) -> None:
    with accepted(targets) as connection:
        LIBC.connect(connection.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16)
        connection.sendto(b"x", MSG_FASTOPEN, ("127.0.0.1", targets["port"]))


def fast_open_message(targets: Targets) -> None:
    with accepted(targets) as connection:
        LIBC.connect(connection.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16)
        connection.sendmsg([b"x"], [], MSG_FASTOPEN, ("127.0.0.1", targets["port"]))


def listen_on_accepted(targets: Targets) -> None:
    with accepted(targets) as connection:
        LIBC.connect(connection.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16)
        checked(LIBC.listen(connection.fileno(), 1))


PROBES: dict[str, Probe] = {
    "connect to the loopback": connect_loopback,
    "connect off the machine": connect_outside,
    "send UDP": send_udp,
    "ask for a name": ask_for_name,
    "bind a port": bind_port,
    "connect to a socket file": connect_unix_file,
    "connect to an abstract socket": connect_unix_abstract,
    "send a datagram from a pair": datagram_from_pair,
    "open netlink": netlink,
    "disconnect an accepted socket": disconnect_accepted,
    "reconnect an accepted socket": reconnect_accepted,
    "fast open with sendto": fast_open,
    "fast open with sendmsg": fast_open_message,
    "listen on an accepted socket": listen_on_accepted,
}
