"""Layer 3. The one client of model endpoints: asks over the `openai` package, with a deadline that nothing outlasts."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_address
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import ModelJudge
from annotator_ops.judging.failures import Failure, Reply, of_status, read_body
from annotator_ops.judging.pacing import Pace
from annotator_ops.models import JSONDict
from annotator_ops.secret import Secret

if TYPE_CHECKING:  # a second to import
    from openai import AsyncOpenAI

T = TypeVar("T")

# A request that fails in passing is made so many times at most; one that the endpoint puts off, for so many seconds.
ATTEMPTS = 5
PATIENCE = 900.0
_LARGEST = 32 * 1024**2
_BLOTTED = b"[key]"
# A shorter key is none ("ollama", "EMPTY"), and may be a word of the reply.
_SHORTEST_SECRET = 12


def _always(_: Failure) -> bool:
    return True


class Endpoint:
    """One judge's endpoint, for many threads. Used as a context manager.

    Requests are made in an event loop of the endpoint's own: timeouts of sockets are for each read, so a server that
    sends a byte now and then would outlast them, while a task is cancelled wherever it waits.

    Redirects are not followed; for an address of this machine no proxy is used; of what the environment sets for the
    `openai` package, no organisation or project goes to another company's endpoint.
    """

    def __init__(self, judge: ModelJudge, key: Secret | None, pace: Pace, *, patience: float = PATIENCE) -> None:
        self.judge = judge
        self._key = key
        self._pace = pace
        self._patience = patience
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"endpoint-{judge.name}", daemon=True)
        self._thread.start()
        with ExitStack() as unopened:
            unopened.callback(self._end)
            self._client = self._wait_for(self._opened())
            unopened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all connections."""
        self._wait_for(self._client.close())
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def ask(self, body: JSONDict, *, again: Callable[[Failure], bool] = _always) -> Reply | Failure:
        """Make a request until it is answered, for a bounded number of times and a bounded time.

        `again` is told each failure after which the request would be made once more, and may refuse that. One that the
        endpoint refused as one too many holds up all others, too; of those, only the time is bounded. Where the pace is
        stopped: the failure before, or "stopped".
        """
        begun: float | None = None
        attempts, failures = 0, 0
        failed: Failure | None = None
        while True:
            sent = self._pace.go()
            if sent is None:
                return failed or Failure("stopped", "The run was stopped before this was asked.", attempts=0)
            begun = sent if begun is None else begun
            attempts += 1
            said = replace(self.attempt(body), attempts=attempts)
            if isinstance(said, Reply):
                self._pace.ease(sent)
                return said
            failed = said
            if said.kind == "rate-limited":
                wait = self._pace.brake(sent, said.wait)
            else:
                failures += 1
                wait = max(self._pace.pause(failures), said.wait or 0.0)
            late = self._pace.clock() - begun + wait > self._patience
            if not said.passing or failures >= ATTEMPTS or late or not again(said):
                return said
            if said.kind != "rate-limited":
                self._pace.sleep(wait)

    def attempt(self, body: JSONDict) -> Reply | Failure:
        """Make a request once."""
        begun = time.monotonic()
        said = self._wait_for(self._attempt(body))
        return replace(said, seconds=time.monotonic() - begun)

    async def _attempt(self, body: JSONDict) -> Reply | Failure:
        import httpx
        import openai

        try:
            async with asyncio.timeout(self.judge.timeout):
                return await self._asked(body)
        except (TimeoutError, openai.APITimeoutError):
            return Failure("timeout", f"The endpoint of {self.judge.name} did not answer in {self.judge.timeout:g} s.")
        except openai.APIStatusError as error:
            content = self._blotted(error.response.content)
            return of_status(error.status_code, content, error.response.headers, judge=self.judge, now=time.time())
        except openai.APIConnectionError as error:
            return self._unconnected(error.__cause__)
        except httpx.HTTPError as error:
            return self._unconnected(error)
        except (httpx.InvalidURL, UnicodeError) as error:  # half of a surrogate pair, which JSON can hold, in a text
            what = "its `base_url` is no address" if isinstance(error, httpx.InvalidURL) else "its text is no Unicode"
            return Failure("bad-request", f"A request to {self.judge.name} cannot be sent: {what}.")

    async def _asked(self, body: JSONDict) -> Reply | Failure:
        from openai import Omit

        # The whole body as an extra goes out as it is: the package's look at each part of it takes longer than sending.
        asking = self._client.chat.completions.with_streaming_response.create(
            model=self.judge.model,
            messages=(),
            extra_body=body,
            extra_headers=None if self._key else {"Authorization": Omit()},
        )
        parts: list[bytes] = []
        size = 0
        async with asking as response:
            async for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > _LARGEST:
                    return Failure("nonsense", f"The endpoint sends more than {_LARGEST // 1024**2} MB as one reply.")
        return read_body(self._blotted(b"".join(parts)), self.judge)

    def _unconnected(self, error: BaseException | None) -> Failure:
        import httpx

        where = urlsplit(self.judge.base_url).netloc
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)):
            return Failure(
                "unreachable",
                f"The endpoint of {self.judge.name} at {where} cannot be reached.",
                hint="Look at `base_url`, whether the server runs, and at this machine's network.",
            )
        return Failure("cut", f"The connection to the endpoint of {self.judge.name} at {where} broke off.")

    def _blotted(self, content: bytes) -> bytes:
        key = self._key.reveal().encode() if self._key else b""
        return content.replace(key, _BLOTTED) if len(key) >= _SHORTEST_SECRET else content

    async def _opened(self) -> AsyncOpenAI:
        import httpx
        from openai import AsyncOpenAI

        for name in ("openai", "httpx"):  # whatever the environment says: what they log holds the study's items
            logging.getLogger(name).setLevel(logging.WARNING)
        connections = self.judge.concurrency
        try:
            transport = httpx.AsyncClient(
                timeout=self.judge.timeout,
                follow_redirects=False,
                trust_env=not on_this_machine(self.judge.base_url),
                limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            )
        except (ImportError, ValueError) as error:
            raise OpsError(
                f"The proxy that the environment names cannot be used for {self.judge.name}.",
                hint="Look at HTTPS_PROXY, HTTP_PROXY and ALL_PROXY: an address such as http://proxy:3128. For SOCKS, "
                "install `httpx[socks]`.",
                code="proxy-unusable",
            ) from error
        client = AsyncOpenAI(
            api_key=self._key.reveal() if self._key else "none",
            base_url=self.judge.base_url,
            max_retries=0,
            timeout=self.judge.timeout,
            http_client=transport,
        )
        client.organization = client.project = None
        return client

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def on_this_machine(url: str) -> bool:
    """Whether an address is of the loopback: its name says so, nothing is looked up."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
