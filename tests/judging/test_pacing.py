"""When requests may go out: limits, brakes that hold for all, waits that double, and what an endpoint asks for."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from annotator_ops.judging.pacing import FIRST_WAIT, LONGEST_WAIT, Pace, retry_after


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._guard = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._guard:
            self.slept.append(seconds)
            self.now += seconds


def pace(clock: Clock, *, requests_per_minute: float | None = None) -> Pace:
    return Pace(
        threading.Event(),
        requests_per_minute=requests_per_minute,
        dice=random.Random(1),
        clock=clock,
        sleep=clock.sleep,
    )


def test_requests_keep_their_distance() -> None:
    clock = Clock()
    paced = pace(clock, requests_per_minute=30)
    assert [paced.go() for _ in range(4)] == [1000.0, 1002.0, 1004.0, 1006.0]


def test_without_a_limit_nobody_waits() -> None:
    clock = Clock()
    paced = pace(clock)
    assert {paced.go() for _ in range(100)} == {1000.0}
    assert clock.slept == []


def test_a_brake_holds_for_everybody_and_as_long_as_was_asked() -> None:
    clock = Clock()
    paced = pace(clock)
    sent = paced.go()
    assert sent is not None
    paced.brake(sent, 7.0)
    assert paced.go() == pytest.approx(1007.0, abs=0.05)
    assert clock.now >= 1007.0


def test_a_shorter_brake_does_not_loosen_a_longer_one() -> None:
    clock = Clock()
    paced = pace(clock)
    paced.brake(clock.now, 60.0)
    paced.brake(clock.now - 1, 1.0)
    going = paced.go()
    assert going is not None
    assert going >= 1060.0


def test_requests_under_way_together_are_refused_together() -> None:
    clock = Clock()
    paced = pace(clock)
    waits = [paced.brake(1000.0 - number, None) for number in range(50)]
    assert all(FIRST_WAIT / 2 <= wait <= FIRST_WAIT for wait in waits)


def test_refusals_one_after_the_other_double_the_wait_until_an_answer() -> None:
    clock = Clock()
    paced = pace(clock)

    def refused() -> float:
        sent = paced.go()
        assert sent is not None
        return paced.brake(sent, None)

    for number, wait in enumerate([refused() for _ in range(9)]):
        whole = min(FIRST_WAIT * 2**number, LONGEST_WAIT)
        assert whole / 2 <= wait <= whole
    before = clock.now
    paced.ease(before - 10_000)  # a late answer to what was asked long before says nothing of now
    assert refused() >= LONGEST_WAIT / 2
    sent = paced.go()
    assert sent is not None
    paced.ease(sent)
    assert refused() <= FIRST_WAIT


def test_who_asks_for_no_wait_time_and_again_is_no_longer_believed() -> None:
    clock = Clock()
    paced = pace(clock)
    waits = []
    for _ in range(12):
        sent = paced.go()
        assert sent is not None
        waits.append(paced.brake(sent, 0.0))
    assert max(waits[:5]) < 0.1
    assert waits[-1] >= 32.0


def test_stopping_ends_the_waiting() -> None:
    stop = threading.Event()
    paced = Pace(stop)
    paced.brake(paced.clock(), 3600.0)
    found: list[float | None] = []
    thread = threading.Thread(target=lambda: found.append(paced.go()))
    thread.start()
    stop.set()
    thread.join(10)
    assert found == [None]


NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.05"}, 0.05),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": format_datetime(NOW.replace(second=30), usegmt=True)}, 30.0),
        ({"retry-after": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:05 -0000"}, 5.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_what_an_endpoint_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW.timestamp()) == seconds
