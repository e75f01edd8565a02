"""A real HTTP server on this machine that speaks the chat API, answers by content, and misbehaves on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from annotator_ops.models import JSONDict

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came in: the how manieth of all, and of those with this very body (both from 1)."""

    number: int
    times: int
    body: JSONDict
    digest: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What the server does in place of a good answer.

    `kind`: "status" (with `status`, `headers`, and `content` as the body), "hang" (says nothing until it is closed),
    "late" (waits until `Server.release` and then answers well), "cut" (half a body), "trickle" and "trickle-headers" (a
    byte now and then), or "content" (status 200 with `content` as the body).
    """

    kind: str
    status: int = 200
    content: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    form: str = _JSON


def error(status: int, message: str, code: str | None = None, *headers: tuple[str, str]) -> Fault:
    """An error as OpenAI's API words it."""
    return Fault("status", status, json.dumps({"error": {"message": message, "code": code}}), headers)


def rate_limited(after: str = "0.02", header: str = "Retry-After") -> Fault:
    return error(429, "Rate limit reached", "rate_limit_exceeded", (header, after))


HANG = Fault("hang")
LATE = Fault("late")
CUT = Fault("cut")
TRICKLE = Fault("trickle")
TRICKLE_HEADERS = Fault("trickle-headers")
SERVER_ERROR = error(500, "The server had an error")
HTML = Fault("content", content="<!doctype html><h1>Welcome to the Wi-Fi</h1>", form="text/html")
WRONG_JSON = Fault("content", content='{"choices": [{"message": ')
EMPTY = Fault("content", content='{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 0}}')

Faults = Callable[[Asked], Fault | None]
Answering = Callable[[Asked], JSONDict]


def completion(content: str | None, *, refusal: str | None = None, usage: bool = True) -> JSONDict:
    """A whole reply of the API around what the model said; its tokens are counted in characters."""
    reply: JSONDict = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "pretender-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
                "finish_reason": "stop",
            }
        ],
    }
    if usage:
        reply["usage"] = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return reply


def by_content(asked: Asked) -> JSONDict:
    """A good answer: whatever the schema asks for, chosen by the hash of the request, so always the same."""
    schema = asked.body.get("response_format", {}).get("json_schema", {}).get("schema", {})
    return completion(json.dumps(_filled(schema, int(asked.digest[:8], 16)), ensure_ascii=False))


def _filled(schema: JSONDict, dice: int) -> Any:
    if "enum" in schema:
        return schema["enum"][dice % len(schema["enum"])]
    if "anyOf" in schema:
        return _filled(schema["anyOf"][0], dice)
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        parts = schema.get("properties", {})
        return {name: _filled(part, dice + index) for index, (name, part) in enumerate(parts.items())}
    if kind == "array":
        return [_filled(schema.get("items", {}), dice)]
    if kind in {"integer", "number"}:
        low, high = int(schema.get("minimum", 1)), int(schema.get("maximum", 5))
        return low + dice % (high - low + 1)
    return {"boolean": True, "null": None}.get(kind, "said so")


class Server:
    """Serves while it is a context. `asked` and `answered` count by the digest of the body; `cut` what was cut.

    `answered` counts whole answers sent. `headers` are those of each request, in the order of arrival.
    """

    def __init__(self, faults: Faults = lambda _: None, answering: Answering = by_content) -> None:
        self.faults = faults
        self.answering = answering
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.cut: Counter[str] = Counter()
        self.bodies: dict[str, JSONDict] = {}
        self.headers: list[dict[str, str]] = []
        self.waiting = 0
        self.changed = threading.Condition()
        self._released = threading.Event()
        self._http = _HTTP(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self.port = int(self._http.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def total(self) -> int:
        """How many requests came in."""
        return sum(self.asked.values())

    def release(self) -> None:
        """Let go of everything that hangs or waits; what waits is answered."""
        self._released.set()

    def wait_for(self, condition: Callable[[Server], bool], *, within: float = 60.0) -> None:
        """Until something is so; a test that waits for nothing fails."""
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self), within), "the server never came to that state"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    # --- one request -------------------------------------------------------------------------------------------------

    def take(self, raw: bytes, headers: dict[str, str]) -> Asked:
        digest = hashlib.sha256(raw).hexdigest()
        with self.changed:
            self.asked[digest] += 1
            self.headers.append(headers)
            body = self.bodies.setdefault(digest, json.loads(raw))
            asked = Asked(self.total, self.asked[digest], body, digest)
            self.changed.notify_all()
        return asked

    def count(self, counter: Counter[str], asked: Asked) -> None:
        with self.changed:
            counter[asked.digest] += 1
            self.changed.notify_all()

    def pause(self, seconds: float | None = None) -> bool:
        """Wait until released (True), or for some seconds (False)."""
        if seconds is not None:
            return self._released.wait(seconds)
        with self.changed:
            self.waiting += 1
            self.changed.notify_all()
        try:
            return self._released.wait()
        finally:
            with self.changed:
                self.waiting -= 1


class _HTTP(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    owner: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that was killed or gave up is what the tests are about


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _HTTP

    def do_POST(self) -> None:
        owner = self.server.owner
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = owner.take(raw, {name.lower(): value for name, value in self.headers.items()})
        fault = owner.faults(asked) if self.path == "/v1/chat/completions" else error(404, "Not found")
        if fault is not None and fault.kind == "late":
            owner.pause()
            fault = None
        if fault is None:
            owner.count(owner.answered, asked)  # before it is out: whoever has received it finds it counted
            self._send(200, json.dumps(owner.answering(asked)).encode())
        elif fault.kind in {"status", "content"}:
            self._send(fault.status, fault.content.encode(), form=fault.form, more=fault.headers)
        else:
            self.close_connection = True
            self._break(fault.kind, json.dumps(owner.answering(asked)).encode(), asked)

    def _break(self, kind: str, content: bytes, asked: Asked) -> None:
        owner = self.server.owner
        if kind == "hang":
            owner.pause()
        elif kind == "cut":
            owner.count(owner.cut, asked)
            self._head(200, len(content), _JSON, ())
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
        elif kind == "trickle-headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            self._slowly(b"X-Padding: " + b"x" * 10_000)
        else:
            self._head(200, len(content), _JSON, ())
            self._slowly(content)

    def _slowly(self, content: bytes) -> None:
        for index in range(len(content)):
            self.wfile.write(content[index : index + 1])
            self.wfile.flush()
            if self.server.owner.pause(0.02):
                return

    def _head(self, status: int, length: int, form: str, more: tuple[tuple[str, str], ...]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", form)
        self.send_header("Content-Length", str(length))
        for name, value in more:
            self.send_header(name, value)
        self.end_headers()

    def _send(self, status: int, content: bytes, *, form: str = _JSON, more: tuple[tuple[str, str], ...] = ()) -> None:
        self._head(status, len(content), form, more)
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        pass
