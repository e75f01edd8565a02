"""Requests exactly as written, byte for byte, and an upstream that tells what reached it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One response. `headers` keeps repeated fields; names are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for field, value in self.headers if field == name.lower()), None)

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.headers if field == name.lower()]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


def send(port: int, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> Answer:
    """One request with exactly this request line, on a connection of its own. A body gets its Content-Length."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "Connection: close"]
    if body and not any(name.lower() == "transfer-encoding" for name, _ in headers):
        lines.append(f"Content-Length: {len(body)}")
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        # Refused before the body was through: the answer is there to be read all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        response = http.client.HTTPResponse(connection, method="HEAD" if method == "HEAD" else "GET")
        response.begin()
        content = response.read()
        fields = tuple((name.lower(), value) for name, value in response.getheaders())
        response.close()
    return Answer(response.status, fields, content)


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _tell(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        said = {
            "method": self.command,
            "target": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "body": self.rfile.read(length).decode("latin-1"),
        }
        content = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Set-Cookie", "sessionid=abc; HttpOnly; Path=/; SameSite=Lax")
        self.send_header("Set-Cookie", "csrftoken=def; path=/")
        if self.path.startswith("/logout"):
            self.send_header("Location", "/user/login/")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_OPTIONS = _tell  # noqa: N815

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""


@contextmanager
def echo_upstream(port: int = 0) -> Iterator[int]:
    """A server that answers every request with what it received, as JSON. Gives its port."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
