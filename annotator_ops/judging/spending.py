"""Layer 2. A budget that many threads spend from: what is under way is set aside at the most it can cost."""

from __future__ import annotations

import threading
from collections.abc import Callable

# How often somebody who waits for money looks whether there is still a reason to wait, in seconds.
_LOOK = 0.1


class Budget:
    """So much money, in the user's own currency; None: no limit. What is spent is counted all the same."""

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self._changed = threading.Condition()
        self._spent = 0.0
        self._set_aside = 0.0

    @property
    def spent(self) -> float:
        """What was paid, and what may have been."""
        with self._changed:
            return self._spent

    def set_aside(self, most: float, *, given_up: Callable[[], bool]) -> bool:
        """Set the most that a request can cost aside; False where it would not be covered, whatever the others cost.

        Where the others that are under way might leave enough, their end is waited for, unless that is `given_up`.
        """
        if self.limit is None:
            return True
        with self._changed:
            while self._spent + self._set_aside + most > self.limit:
                if self._spent + most > self.limit or self._set_aside <= 0 or given_up():
                    return False
                self._changed.wait(_LOOK)
            self._set_aside += most
            return True

    def settle(self, most: float, cost: float) -> None:
        """A request that `most` was set aside for is over and has cost so much."""
        with self._changed:
            if self.limit is not None:
                self._set_aside = max(0.0, self._set_aside - most)
            self._spent += cost
            self._changed.notify_all()
