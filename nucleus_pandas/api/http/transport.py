"""The one place where requests are sent: whole bodies only, retries, a deadline, size limits and a rate limit."""

from __future__ import annotations

import contextlib
import http.client
import logging
import math
import random as _random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.exceptions import HTTPError

from nucleus_pandas.api.http.api_request import Answer, ApiRequest
from nucleus_pandas.api.http.decoding import (
    BrokenBodyError,
    HeaderFloodError,
    TooLargeError,
    UnknownEncodingError,
    Unpacker,
    read_json,
    service_time,
    web_page,
)
from nucleus_pandas.api.http.failures import Failure, flawed, header_flood, lost, refused, too_large
from nucleus_pandas.api.http.redaction import Redactor, secrets_in
from nucleus_pandas.api.http.wire import Exchange, Wire
from nucleus_pandas.exceptions import (
    ConfigurationError,
    NetworkError,
    PayloadError,
    RateLimitError,
    ServiceError,
)

MAX_ATTEMPTS = 5
LONGEST_RETRY_AFTER = 60.0
# After a 429 the rate is halved, at most to this part of the setting, and is back from half in a minute.
SLOWEST = 1 / 32
RECOVERY_SECONDS = 120.0

_MIB = 1 << 20
_PIECE = 1 << 16
_TICK = 0.1
# A few bytes can unpack to hundreds of MB. So large bodies are unpacked and parsed one at a time in this process: who
# holds the lock waits for nobody else but the network, and not beyond the deadline.
_LARGE_BODY = threading.Lock()
logger = logging.getLogger(__name__)


@dataclass(repr=False)
class _Call:
    """One call, over all its attempts. No repr: it holds the token and the path."""

    request: ApiRequest
    left: Callable[[], float]
    given_up: threading.Event = field(default_factory=threading.Event)
    exchange: Exchange | None = None
    attempts: int = 0
    maybe_done: bool = False

    @property
    def name(self) -> str:
        return f"{self.request.method} {self.request.template}"

    @property
    def deletes(self) -> bool:
        return self.request.method == "DELETE"


class Transport:
    """Sends requests for one client; safe to share between threads.

    Parameters
    ----------
    timeout : tuple of float
        Seconds to wait for a connection, and for the next bytes.
    deadline : float
        Seconds for a call as a whole: waiting for a turn, all attempts, the sleeps between them.
    max_workers : int
        Requests under way at the same time.
    requests_per_second : float or None
        For all threads together, after a burst of one second's worth; None for no limit.
    max_wire_bytes, max_body_bytes : int
        The largest answer, as it is sent and unpacked.
    proxies : mapping, optional
        ``{"https": "http://proxy:8080"}``. Those of the environment are not used.
    verify : bool or str
        Check certificates against certifi's list, not at all, or against the file at this path.
    clock, sleep, random, now : callable
        Monotonic seconds, a wait that `give_up` ends, a number in [0, 1), and Unix time; for tests.

    Raises
    ------
    ConfigurationError
        For an invalid setting.
    """

    def __init__(
        self,
        *,
        timeout: tuple[float, float] = (5.0, 30.0),
        deadline: float = 120.0,
        max_workers: int = 4,
        requests_per_second: float | None = 5.0,
        max_wire_bytes: int = 32 * _MIB,
        max_body_bytes: int = 256 * _MIB,
        proxies: Mapping[str, str] | None = None,
        verify: bool | str = True,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        random: Callable[[], float] = _random.random,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._connect_timeout, self._read_timeout = timeout
        _check_above_zero(
            connect_timeout=self._connect_timeout,
            read_timeout=self._read_timeout,
            deadline=deadline,
            max_workers=max_workers,
            requests_per_second=1.0 if requests_per_second is None else requests_per_second,
            max_wire_bytes=max_wire_bytes,
            max_body_bytes=max_body_bytes,
        )
        self._deadline = deadline
        self._max_wire_bytes = max_wire_bytes
        self._max_body_bytes = max_body_bytes
        self._clock, self._random, self._now = clock, random, now
        self._calls: dict[int, _Call] = {}  # by the thread that makes it
        self._sleep = sleep or self._wait
        self._places = threading.Semaphore(max_workers)
        self._bucket = TokenBucket(requests_per_second, clock=clock, sleep=lambda wait: self._sleep(wait))
        self._wire = Wire(proxies=proxies, verify=verify, max_workers=max_workers)
        self._closed = False

    @property
    def rate(self) -> float:
        """Requests a second, as things stand; infinity for no limit."""
        return self._bucket.rate

    def send(self, request: ApiRequest) -> Answer:
        """Send a request, again if need be, and return the whole answer.

        Raises
        ------
        AuthenticationError, NotFoundError
            At 401 and 403; at 404.
        RateLimitError
            At 429, and when the service asks for a wait that is too long, which `retry_after` holds.
        ServiceError
            At any other status, redirects included.
        NetworkError
            No whole answer came within the attempts and the deadline.
        PayloadError
            The answer is no JSON, or above a size limit.
        """
        if self._closed:
            raise ConfigurationError("This client is closed. Make another one to go on.")
        end = self._clock() + self._deadline
        call = _Call(request, lambda: end - self._clock())
        thread = threading.get_ident()
        self._calls[thread] = call
        try:
            return self._answer(call)
        finally:
            del self._calls[thread]

    def _answer(self, call: _Call) -> Answer:
        while True:
            outcome = self._attempt(call)
            if isinstance(outcome, Answer):
                return outcome
            wait, note = self._plan_retry(call, outcome)
            if wait is None:
                if call.deletes and call.maybe_done:
                    note += " It may have been done all the same: look whether the user is still there."
                # Outside any except block, so without a context: the frames of a cause hold the token.
                raise outcome.error(call.name, call.request.template, call.attempts, note.strip())
            logger.debug("%s: attempt %d failed, again in %.2f s", call.name, call.attempts, wait)
            self._sleep(wait)

    def give_up(self, threads: Iterable[int]) -> None:
        """End the calls that these threads make: those that wait are woken, those that listen are cut off."""
        for thread in threads:
            if call := self._calls.get(thread):
                call.given_up.set()
                if call.exchange and call.exchange.sock:
                    with contextlib.suppress(OSError):
                        call.exchange.sock.shutdown(socket.SHUT_RDWR)

    def _wait(self, seconds: float) -> None:
        self._calls[threading.get_ident()].given_up.wait(seconds)

    def close(self) -> None:
        """Close the connections; no call can follow."""
        self._closed = True
        self._wire.close()

    def _attempt(self, call: _Call) -> Answer | Failure:
        """Wait for a turn, send once, judge what came."""
        if not self._places.acquire(timeout=max(call.left(), 0)):
            return self._no_turn()
        try:
            ticket = self._bucket.take(patience=call.left())
            if ticket is None:
                return self._no_turn()
            if call.given_up.is_set():
                return Failure(NetworkError, "Given up before it was sent", retryable=True)
            call.attempts += 1
            outcome = self._exchange(call)
        finally:
            self._places.release()
        if isinstance(outcome, Failure):
            call.maybe_done = call.maybe_done or outcome.maybe_done
            if outcome.status == 429:
                self._bucket.slow_down(ticket)
        return outcome

    def _no_turn(self) -> Failure:
        return Failure(
            RateLimitError,
            f"Too many requests of this client are waiting: no turn came within {self._deadline:g} s",
            "Use fewer threads, or raise deadline or requests_per_second.",
            retryable=True,
        )

    def _plan_retry(self, call: _Call, failure: Failure) -> tuple[float | None, str]:
        """Say how long to sleep; or None, and why there is no other attempt."""
        if call.given_up.is_set():
            return None, "Given up."
        if not failure.again:
            return None, ""
        asked = failure.retry_after
        if asked and (asked > LONGEST_RETRY_AFTER or asked >= call.left()):
            failure.kind = RateLimitError
            return None, f"It asks to wait {asked:,.0f} s, longer than a call waits: try again after that."
        if call.attempts >= MAX_ATTEMPTS:
            return None, ""
        # Full jitter below 1, 2, 4 and 8 seconds.
        wait = asked or self._random() * 2.0 ** (call.attempts - 1)
        if wait >= call.left():
            return None, f"The deadline of {self._deadline:g} s leaves no time for another attempt."
        return wait, ""

    def _exchange(self, call: _Call) -> Answer | Failure:
        exchange = Exchange(call.request, call.left, self._read_timeout, self._max_wire_bytes)
        call.exchange = exchange
        left = max(call.left(), 0.001)
        try:
            response = self._wire.exchange(exchange, (min(self._connect_timeout, left), min(self._read_timeout, left)))
            try:
                return self._judge(call, response)
            finally:
                # A body read to its end has given its connection back by now; any other is not fit for reuse.
                response.close()
        except TooLargeError as problem:
            return too_large(problem, call.request.template)
        except HeaderFloodError:
            return header_flood()
        except UnknownEncodingError:
            return Failure(PayloadError, "The answer is compressed in a way that was not asked for")
        except (HTTPError, http.client.HTTPException, OSError, ValueError, BrokenBodyError) as problem:
            # requests' errors are OSErrors; ValueError comes from http.client when a chunk claims a negative size.
            return self._lost(call, exchange, problem)

    def _judge(self, call: _Call, response: urllib3.BaseHTTPResponse) -> Answer | Failure:
        status = response.status
        date = service_time(response.headers)
        answered = Answer(None, date or call.request.asked, date is not None, status, attempts=call.attempts)
        if status == 404 and call.deletes and call.maybe_done:
            return replace(answered, status=204, already_gone=True)
        if status // 100 != 2:
            return refused(response, Redactor(secrets_in(call.request)), self._now)
        if not call.deletes and status != 200:
            return Failure(ServiceError, "The service answered in a way it is not known to", status=status)
        payload: Any = None
        with contextlib.ExitStack() as until_parsed:
            body = self._whole_body(response, lambda: self._wait_for_memory(call, until_parsed))
            flaw = web_page(body)
            if not call.deletes:
                payload, flaw = read_json(body, allow_list=True)
        if flaw:
            return flawed(f"The answer {flaw.text}", status, cut=flaw.cut)
        return replace(answered, payload=payload, body=body)

    def _wait_for_memory(self, call: _Call, until_parsed: contextlib.ExitStack) -> None:
        """Wait until no other large body is in memory."""
        while not _LARGE_BODY.acquire(timeout=max(0.001, min(_TICK, call.left()))):
            if call.given_up.is_set() or call.left() <= 0:
                raise TimeoutError
        until_parsed.callback(_LARGE_BODY.release)

    def _whole_body(self, response: Any, before_large: Callable[[], None]) -> bytes:
        """Read to the end: urllib3 checks length and chunks, the unpacker the compressed stream."""
        if response.status == 204:  # has no body, whatever the headers promise
            response.drain_conn()
            return b""
        length = response.length_remaining
        if length is not None and length > self._max_wire_bytes:
            raise TooLargeError("on the wire", self._max_wire_bytes)
        encoding = response.headers.get("Content-Encoding", "")
        unpacker = Unpacker(encoding, most=self._max_body_bytes, before_large=before_large)
        for piece in response.stream(_PIECE, decode_content=False):
            unpacker.feed(piece)
        return unpacker.finish()

    def _lost(self, call: _Call, exchange: Exchange, problem: Exception) -> Failure:
        if isinstance(problem, requests.RequestException) and problem.args and isinstance(problem.args[0], Exception):
            problem = problem.args[0]  # urllib3's, which says more
        host = urlsplit(call.request.url or "").hostname or ""
        if call.left() <= 0:
            what = "No whole answer" if exchange.sent else f"No connection to {host}"
            what += f" within the deadline of {self._deadline:g} s"
            return Failure(NetworkError, what, "Try again later.", retryable=True)
        failure = lost(problem, host, sent=exchange.sent)
        if isinstance(problem, urllib3.exceptions.TimeoutError) and exchange.sent:
            failure.what = f"The service fell silent for {self._read_timeout:g} s before its answer was whole"
        return failure


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


def _check_above_zero(**settings: object) -> None:
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ConfigurationError(f"{name} is {value!r}; it must be a number above 0.")
