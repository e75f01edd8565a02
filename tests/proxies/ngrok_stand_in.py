#!/usr/bin/env python3
"""A stand-in for ngrok's v3 agent, for tests only: its command line, log lines and local API, on this machine.

Real: a process of its own, started by pyngrok as the agent would be; a local HTTP API; a TCP forwarder, so that its
"public" address really leads to what was asked for. Not real: ngrok's service. Behaviour is chosen by the token in the
configuration file: see `_REFUSALS`, and `silent`, `deaf` in `main`.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

_REFUSALS = {
    "wrong-token": (
        "authentication failed: The authtoken you specified does not look like a proper ngrok authtoken.\\n"
        "Your authtoken: wrong-token\\n\\nERR_NGROK_105"
    ),
    "busy-token": "authentication failed: Your account is limited to 1 simultaneous agent session.\\n\\nERR_NGROK_108",
}


def log(level: str, message: str, **fields: str) -> None:
    words = [f"t=2026-01-01T00:00:00+0000 lvl={level} msg={json.dumps(message)}"]
    words += [f'{name}="{value}"' for name, value in fields.items()]
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def forward(listener: socket.socket, host: str, port: int) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        upstream = socket.create_connection((host, port))
        for source, sink in ((client, upstream), (upstream, client)):
            threading.Thread(target=pump, args=(source, sink), daemon=True).start()


class Api(BaseHTTPRequestHandler):
    endpoints: ClassVar[dict[str, tuple[dict[str, object], socket.socket]]] = {}

    def answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        kind = self.path.removeprefix("/api/")
        if kind not in {"endpoints", "tunnels"}:
            return self.answer(404, {"msg": "not found"})
        return self.answer(200, {kind: [entry for entry, _ in self.endpoints.values()], "uri": self.path})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/api/endpoints" or not isinstance(asked.get("upstream"), dict):
            return self.answer(400, {"error_code": 102, "status_code": 400, "msg": "bad request", "details": {}})
        if "url" in asked and "yours" not in asked["url"]:
            refusal = f"failed to start: This domain is reserved for another account.\n\nERR_NGROK_320 ({asked['url']})"
            return self.answer(
                502,
                {"error_code": 103, "status_code": 502, "msg": "failed to start tunnel", "details": {"err": refusal}},
            )
        upstream = urlsplit(asked["upstream"]["url"])
        listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=forward, args=(listener, upstream.hostname, upstream.port), daemon=True).start()
        url = asked.get("url") or f"http://localhost:{listener.getsockname()[1]}"
        entry = {"id": "ep_1", "name": asked["name"], "url": url, "upstream": asked["upstream"]}
        self.endpoints[asked["name"]] = (entry, listener)
        return self.answer(201, entry)

    def do_DELETE(self) -> None:
        _, listener = self.endpoints.pop(self.path.rpartition("/")[2])
        listener.close()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Quiet: stdout is the agent's log."""


def main() -> int:
    arguments = sys.argv[1:]
    if arguments == ["version"]:
        sys.stdout.write("ngrok version 3.39.8\n")
        return 0
    if arguments[:4] != ["start", "--none", "--log", "stdout"] or arguments[4] != "--config" or len(arguments) != 6:
        sys.stdout.write(f"ERROR: unexpected arguments: {arguments}\n")
        return 1
    with open(arguments[5], encoding="utf-8") as file:  # noqa: PTH123 - a script that needs nothing but Python
        lines = [line.strip() for line in file]
    token = next(line.partition(":")[2].strip() for line in lines if line.startswith("authtoken:"))
    if token == "silent":
        time.sleep(3600)
    log("info", "open config file", path=arguments[5], err="nil")
    if token in _REFUSALS:
        log("eror", "session closed, starting reconnect loop", obj="csess", err=_REFUSALS[token])
        return 1
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log("info", "starting web service", obj="web", addr=f"127.0.0.1:{server.server_port}")
    log("info", "client session established", obj="csess")
    log("info", "tunnel session started", obj="tunnels.session")
    threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
