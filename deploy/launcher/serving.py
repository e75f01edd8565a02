"""Answering requests: waitress with a bounded pool of threads, an access log, and an end that drops nothing.

The one place that knows the server.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

# Python computes in one thread at a time; more threads only overlap its work with waiting for the disk. Each holds
# memory, and a connection to the database.
THREADS = 4
CONNECTIONS = 200
STACK_BYTES = 2 * 1024**2
DRAIN_SECONDS = 10.0

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def serve(listener: socket.socket, application: WSGIApp, *, access: int | None, say: Callable[[str], None]) -> None:
    """Answer requests until SIGTERM, then finish those that have begun.

    `access` is the descriptor of a file for one line a request, `say` takes a sentence for the log.
    """
    from waitress import wasyncore
    from waitress.adjustments import Adjustments
    from waitress.server import TcpWSGIServer

    class Server(TcpWSGIServer):  # type: ignore[misc, no-any-unimported, unused-ignore]
        def accept_connections(self) -> None:
            """It listens already, and inside the sandbox nothing may call `listen` again."""
            self.accepting = True

    # The limit on memory counts a thread's stack whole, used or not, and the C library would reserve 8 MB.
    threading.stack_size(STACK_BYTES)
    served = application if access is None else AccessLog(application, access)
    server = Server(
        served,
        map={},
        _sock=listener,
        bind_socket=False,
        sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
        adj=Adjustments(
            sockets=[listener],
            threads=THREADS,
            connection_limit=CONNECTIONS,
            asyncore_use_poll=True,
            ident=None,
            # The proxy strips them all; whoever asks past it, such as our own client, sends none.
            clear_untrusted_proxy_headers=True,
        ),
    )
    ending = False

    def end(*_: object) -> None:
        nonlocal ending
        ending = True
        server.pull_trigger()

    # That a request waits for a free thread is no news.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, end)
    host, port = listener.getsockname()[:2]
    say(f"serving on {host}:{port}")
    while not ending:
        wasyncore.loop(timeout=30, use_poll=True, map=server._map, count=1)
    # New connections are refused from here on; what has begun is read, answered and sent to the end.
    server.accepting = False
    server.del_channel()
    listener.close()
    deadline = time.monotonic() + DRAIN_SECONDS
    while (busy := any(map(_busy, list(server.active_channels.values())))) and time.monotonic() < deadline:
        wasyncore.loop(timeout=0.1, use_poll=True, map=server._map, count=1)
    say(f"ended; a request took over {DRAIN_SECONDS:g} s" if busy else "ended")


def _busy(channel: Any) -> bool:
    """Whether a connection has a request that came in part, waits, or is being answered, or an answer to be sent."""
    return bool(channel.requests or channel.total_outbufs_len or channel.request is not None)


class AccessLog:
    """One line a request: when, method, path, status, milliseconds. No query, in which an invitation has its token."""

    def __init__(self, application: WSGIApp, descriptor: int) -> None:
        self._application = application
        self._descriptor = descriptor

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        began = time.monotonic()
        status = "500"

        def note_status(line: str, *rest: Any) -> Any:
            nonlocal status
            status = line.partition(" ")[0]
            return start_response(line, *rest)

        def written() -> None:
            # The path as it was decoded may hold line feeds, by which one request could look like two.
            path = ascii(f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}")[1:-1]
            taken = (time.monotonic() - began) * 1000
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            line = f"{stamp} {environ['REQUEST_METHOD']} {path} {status} {taken:.0f}\n"
            os.write(self._descriptor, line.encode("ascii", "replace"))

        try:
            response = self._application(environ, note_status)
        except BaseException:
            written()
            raise
        return _Closing(response, written)


class _Closing:
    """A WSGI response that says when the server is done with it."""

    def __init__(self, response: Iterable[bytes], done: Callable[[], None]) -> None:
        self._response = response
        self._done = done

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._response)

    def close(self) -> None:
        try:
            close = getattr(self._response, "close", None)
            if close is not None:
                close()
        finally:
            self._done()
