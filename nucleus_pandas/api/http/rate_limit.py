"""How many requests a second all threads of one client send together."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

# After a 429 the rate is halved, at most to this part of the setting, and is back from half in a minute.
SLOWEST = 1 / 32
RECOVERY_SECONDS = 120.0


class TokenBucket:
    """`rate` requests a second for all threads together, after a burst of one second's worth.

    The count may fall below zero: such a debt is a place in the queue, so turns go in the order of asking
    and nobody has to be woken. None as `rate` means no limit.
    """

    def __init__(self, rate: float | None, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._full_rate = self._rate = math.inf if rate is None else rate
        self._capacity = max(1.0, self._full_rate)
        self._tokens = self._capacity
        self._clock = clock
        self._sleep = sleep
        self._then = clock()
        self._slowdowns = 0
        self._lock = threading.Lock()

    @property
    def rate(self) -> float:
        """Requests a second, as things stand."""
        with self._lock:
            self._catch_up()
            return self._rate

    def take(self, *, patience: float) -> int | None:
        """Wait for a turn; None, at once, if that would take longer than `patience` seconds.

        The number that is returned goes into `slow_down`, should the answer be 429.
        """
        with self._lock:
            self._catch_up()
            wait = max(0.0, (1.0 - self._tokens) / self._rate)
            if wait > patience:
                return None
            self._tokens -= 1.0
            slowdowns = self._slowdowns
        if wait:
            self._sleep(wait)
        return slowdowns

    def slow_down(self, taken: int) -> None:
        """Halve the rate, once for all the requests that were on their way together."""
        with self._lock:
            if taken != self._slowdowns or math.isinf(self._rate):
                return
            self._catch_up()
            self._slowdowns += 1
            self._rate = max(self._rate / 2, self._full_rate * SLOWEST)
            self._tokens = min(self._tokens, 0.0)

    def _catch_up(self) -> None:
        now = self._clock()
        passed, self._then = max(0.0, now - self._then), now
        if math.isinf(self._rate):
            self._tokens = self._capacity
            return
        self._tokens = min(self._capacity, self._tokens + passed * self._rate)
        self._rate = min(self._full_rate, self._rate + passed * self._full_rate / RECOVERY_SECONDS)
