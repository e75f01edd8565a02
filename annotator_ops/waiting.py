"""Layer 1. The one way to wait: a poll with a mandatory deadline whose failure says what was seen last."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from annotator_ops.errors import OpsError

T = TypeVar("T")


class WaitTimeout(OpsError):  # noqa: N818 - named for what happened, like the codes
    """What was waited for did not happen before the deadline."""


def wait_until(
    probe: Callable[[], T | None],
    *,
    what: str,
    deadline: float,
    hint: str,
    interval: float = 0.05,
    retry_on: tuple[type[Exception], ...] = (),
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Call `probe` until it returns something other than None; that is returned.

    `deadline` and `interval` are seconds. An exception of a type in `retry_on` counts as "not yet" and is quoted in the
    WaitTimeout that is raised when the deadline passes; any other exception passes through at once. `what` completes
    the sentence "Waited N s for …".
    """
    end = clock() + deadline
    last = "nothing answered"
    while True:
        try:
            found = probe()
            if found is not None:
                return found
        except retry_on as error:
            last = f"{type(error).__name__}: {error}"
        if clock() >= end:
            raise WaitTimeout(f"Waited {deadline:g} s for {what}; last seen: {last}.", hint=hint, code="timeout")
        sleep(interval)
