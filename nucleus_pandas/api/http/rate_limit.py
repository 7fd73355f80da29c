"""How fast, how many at once, how often again: what all threads of one client share."""

from __future__ import annotations

import math
import re
import threading
from collections import deque
from collections.abc import Callable

from nucleus_pandas.api.http.http_dates import parse_http_date

# botocore's standard mode: so many tokens, a retry costs 5 of them, one after a time-out 10; a call that
# succeeds gives back what its last retry cost, and 1 if it needed none.
BUDGET = 500
RETRY_COST = 5
TIMEOUT_COST = 10
EASY_SUCCESS = 1

BACKOFF_SECONDS = 1.0
BACKOFF_CAP_SECONDS = 20.0

# After a 429 the rate is halved, at most to this part of the setting, and is back from half in a minute.
SLOWEST = 1 / 32
RECOVERY_SECONDS = 120.0

_SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{0,15})?")


class Turnstile:
    """At most `places` threads inside at a time, in the order in which they came.

    `threading.Semaphore` keeps no order: a thread that leaves and comes straight back overtakes those that
    wait, so a crawl with more threads than places would starve some of them until their deadline.
    """

    def __init__(self, places: int) -> None:
        self._lock = threading.Lock()
        self._free = places
        self._waiting: deque[threading.Event] = deque()

    def enter(self, timeout: float) -> bool:
        """Wait for a place; False when `timeout` seconds passed without one."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        try:
            if turn.wait(max(timeout, 0.0)):
                return True
        except BaseException:  # Ctrl-C in a notebook must not cost a place for good
            if not self._give_up(turn):
                self.leave()
            raise
        return not self._give_up(turn)

    def _give_up(self, turn: threading.Event) -> bool:
        with self._lock:
            if turn.is_set():  # handed over at the last moment
                return False
            self._waiting.remove(turn)
            return True

    def leave(self) -> None:
        """Hand the place to whoever waits longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1


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


class RetryBudget:
    """What a client may spend on second attempts before it fails fast."""

    def __init__(self) -> None:
        self._left = BUDGET
        self._lock = threading.Lock()

    def spend(self, cost: int) -> bool:
        """Whether there was enough left."""
        with self._lock:
            if cost > self._left:
                return False
            self._left -= cost
            return True

    def refund(self, amount: int) -> None:
        """Give back after a success."""
        with self._lock:
            self._left = min(BUDGET, self._left + amount)


def backoff(attempt: int, random: Callable[[], float]) -> float:
    """Seconds before the attempt after number `attempt`: full jitter below 1, 2, 4, 8 ... 20."""
    ceiling: float = min(BACKOFF_CAP_SECONDS, BACKOFF_SECONDS * 2 ** (attempt - 1))
    return random() * ceiling


def parse_retry_after(value: str | None, *, date: str | None, now: Callable[[], float]) -> float | None:
    """Read a Retry-After header: seconds to wait, or None for none and for junk.

    A point in time is measured from the service's own `date` header where there is one, so that a wrong
    clock on this side does not matter.
    """
    if value is None:
        return None
    if _SECONDS.fullmatch(value.strip()):
        return float(value)
    moment = parse_http_date(value)
    if moment is None:
        return None
    start = parse_http_date(date)
    return max(0.0, moment.timestamp() - (now() if start is None else start.timestamp()))
