"""Whether a port can be had, and who has it: asked of the kernel, with real sockets."""

from __future__ import annotations

import os
import socket

import pytest

from annotator_ops.ports import LOOPBACK, has_ipv6, port_holder, port_refusal, port_state, port_taken
from tests.conftest import need


def test_a_port_is_taken_while_somebody_listens() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        assert port_state(port) == port_state(port, host=LOOPBACK) == "taken"
        assert port_taken(port)
    assert port_state(port) == port_state(port, host=LOOPBACK) == "free"
    assert not port_taken(port)
    assert port_refusal(port) is None


def test_a_port_that_is_bound_but_not_listened_on_is_taken() -> None:
    with socket.socket() as bound:
        bound.bind((LOOPBACK, 0))
        assert port_state(bound.getsockname()[1], host=LOOPBACK) == "taken"


def test_a_listener_on_every_address_has_the_loopback_port_too() -> None:
    with socket.create_server(("", 0)) as server:
        assert port_taken(server.getsockname()[1])


def test_a_port_whose_connections_are_being_closed_is_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((LOOPBACK, port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # whoever closes first is left in TIME_WAIT
            assert client.recv(1) == b""
    assert port_state(port) == "free"


def test_a_port_for_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: socket.socket, _address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert port_state(80) == "forbidden"
    assert not port_taken(80)


def test_the_holder_is_named() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        holder = port_holder(port)
        assert holder is not None
        assert holder.endswith(f" (pid {os.getpid()})")
    assert port_holder(port) is None


def test_ipv6_loopback() -> None:
    need(has_ipv6(), "the IPv6 loopback address")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        assert port_taken(port, host="::1")
        assert port_holder(port) is not None
    assert not port_taken(port, host="::1")
