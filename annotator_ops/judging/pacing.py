"""Layer 2. When the next request may go out: an endpoint's rate limits, obeyed by all who ask it together."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

# Seconds: the first wait after something went wrong, and the longest.
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
# What is asked for is waited for with a little more, or a rounded second is over too early.
_MARGIN = 0.01
# So many times in a row an endpoint is believed that a wait is long enough.
_BELIEVED = 5


class Pace:
    """One endpoint's pace, for many threads. `stop` ends every waiting at once.

    `clock` gives seconds; `sleep` waits for so many, by default until `stop`. `first_wait` seconds double with each
    failure in a row, up to LONGEST_WAIT, with a jitter of up to half of them, drawn from `dice`.
    """

    def __init__(
        self,
        stop: threading.Event,
        *,
        requests_per_minute: float | None = None,
        first_wait: float = FIRST_WAIT,
        dice: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.stop = stop
        self.clock = clock
        self._sleep = sleep or stop.wait
        self._gap = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._first_wait = first_wait
        self._dice = dice or random.Random()  # noqa: S311 - spreads requests, hides nothing
        self._guard = threading.Lock()
        self._next = -math.inf
        self._braked_at = -math.inf
        self._free_from = -math.inf
        self._strikes = 0

    def go(self) -> float | None:
        """Wait until a request may go out; when it does (by the clock), or None where `stop` came first."""
        while not self.stop.is_set():
            with self._guard:
                now = self.clock()
                free_from = max(self._free_from, self._next)
                if now >= free_from:
                    self._next = now + self._gap
                    return now
            self._sleep(free_from - now)
        return None

    def brake(self, sent: float, asked: float | None) -> float:
        """The endpoint refused a request that was `sent` then as one too many: everybody waits. For how long.

        `asked`: the seconds it asks for. Without them, or where it refuses time and again, the wait doubles; requests
        that were under way together count once.
        """
        with self._guard:
            now = self.clock()
            if sent >= self._braked_at:
                self._strikes += 1
                self._braked_at = now
            if asked is None:
                wait = self._wait(self._strikes)
            else:
                doubted = self._strikes - _BELIEVED
                wait = max(asked + _MARGIN, self._wait(doubted) if doubted > 0 else 0.0)
            self._free_from = max(self._free_from, now + wait)
            return wait

    def ease(self, sent: float) -> None:
        """The endpoint answered a request that was `sent` then: its next refusal is a first one again."""
        with self._guard:
            if sent >= self._braked_at:
                self._strikes = 0

    def pause(self, failures: int) -> float:
        """How long one who failed so many times in a row waits, before it asks again; others go on."""
        with self._guard:
            return self._wait(failures)

    def sleep(self, seconds: float) -> None:
        """Wait, unless `stop` comes first."""
        if not self.stop.is_set():
            self._sleep(seconds)

    def _wait(self, failures: int) -> float:
        whole = min(self._first_wait * 2.0 ** min(failures - 1, 30), LONGEST_WAIT)
        return whole * (1.0 - self._dice.random() / 2)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds that an answer asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as an HTTP date.

    `now` is the time since the epoch in seconds. None where there is no such header, or it cannot be read.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    written = headers.get("retry-after")
    seconds = _number(written)
    if seconds is not None or written is None:
        return seconds
    try:
        moment = parsedate_to_datetime(written)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)


def _number(written: str | None) -> float | None:
    try:
        number = float(written) if written is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
