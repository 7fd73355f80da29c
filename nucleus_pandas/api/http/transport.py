"""The one place where requests are sent: whole bodies only, retries, a deadline, caps and a pace.

The policy sits on urllib3. `Transport.send` is for code that makes many calls; `adapter.NucleusAdapter` gives
a `requests.Session` (and so a cached one) the same policy.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import random as _random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from nucleus_pandas.api.http.decoding import (
    BrokenBodyError,
    HeaderFloodError,
    TooLargeError,
    UnknownEncodingError,
    Unpacker,
    read_json,
    web_page,
)
from nucleus_pandas.api.http.failures import Failure, flawed, header_flood, lost, refused, too_large
from nucleus_pandas.api.http.rate_limit import (
    EASY_SUCCESS,
    RETRY_COST,
    TIMEOUT_COST,
    RetryBudget,
    TokenBucket,
    Turnstile,
    backoff,
)
from nucleus_pandas.api.http.redaction import Redactor, secrets_in
from nucleus_pandas.api.http.wire import Exchange, Managers, current
from nucleus_pandas.exceptions import (
    ConfigurationError,
    NetworkError,
    PayloadError,
    RateLimitError,
    ServiceError,
)

MAX_ATTEMPTS = 5
LONGEST_RETRY_AFTER = 60.0

_MIB = 1 << 20
_PIECE = 1 << 16
_TICK = 0.1
# A few bytes can unpack to hundreds of MB. So large bodies are unpacked and parsed one at a time in this process: who
# holds the lock waits for nobody else but the network, and not beyond the deadline.
_LARGE_BODY = threading.Lock()
_ADDRESS = re.compile(r"(https?://[^/?#@\\\s]+)(/[!-~]*)?", re.ASCII)
_OWN_HEADERS = {"accept": "application/json", "user-agent": "nucleus-pandas", "accept-encoding": "gzip"}
_NOT_SENT = {"accept-encoding", "cookie", "host"}
# What described the wire does not describe the unpacked body; cookies are not kept.
_NOT_KEPT = {
    "content-encoding",
    "content-length",
    "transfer-encoding",
    "connection",
    "set-cookie",
    "set-cookie2",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reply:
    """A whole answer: status 200, or any 2xx after DELETE.

    Attributes
    ----------
    headers : mapping
        Case-insensitive; without cookies and without what described the wire.
    body : bytes
        Decompressed.
    payload : dict or list or None
        The parsed body of a GET.
    attempts : int
        How many requests it took.
    already_gone : bool
        A DELETE whose answer was lost was tried again and found nothing; the status is then 204.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    payload: Any = field(repr=False)
    attempts: int
    already_gone: bool = False


@dataclass(repr=False)
class _Call:
    """One call, over all its attempts. No repr: it holds the token and the path."""

    method: str
    endpoint: str
    origin: str
    target: str
    headers: dict[str, str]
    left: Callable[[], float]
    given_up: threading.Event = field(default_factory=threading.Event)
    exchange: Exchange | None = None
    attempts: int = 0
    spent: int = 0
    maybe_done: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.endpoint}"

    def redactor(self) -> Redactor:
        tokens = [self.headers[name] for name in self.headers if name.endswith("authorization")]
        return Redactor(secrets_in(self.target, self.endpoint, tokens))


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
        For a setting that cannot be right.
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
        self._turnstile = Turnstile(max_workers)
        self._bucket = TokenBucket(requests_per_second, clock=clock, sleep=lambda wait: self._sleep(wait))
        self._budget = RetryBudget()
        self._managers = Managers(proxies=proxies, verify=verify, max_workers=max_workers)
        self._no_retries = urllib3.Retry(total=False, redirect=False)
        self._closed = False

    @property
    def rate(self) -> float:
        """Requests a second, as things stand; infinity for no limit."""
        return self._bucket.rate

    def send(self, method: str, url: str, *, headers: Mapping[str, str], endpoint: str) -> Reply:
        """Send GET or DELETE, again if need be, and return the whole answer.

        Parameters
        ----------
        url : str
            Sent as it is, not normalised: percent-encode what needs it.
        headers : mapping
            Cookies are left out, and the only compression asked for is gzip.
        endpoint : str
            The template, such as ``users/:userId``: the only name of the call in messages and logs.

        Raises
        ------
        AuthenticationError, NotFoundError
            At 401 and 403; at 404.
        RateLimitError
            At 429, and when the service asks for a wait that is too long; `retry_after` tells.
        ServiceError
            At any other status, redirects included.
        NetworkError
            No whole answer came within the attempts, the retry budget and the deadline.
        PayloadError
            The answer is no JSON, or larger than the caps.
        """
        call = self._prepare(method, url, headers, endpoint)
        del url, headers  # a traceback that shows variables must not show these
        if isinstance(call, Exception):
            raise call
        self._calls[threading.get_ident()] = call
        try:
            return self._answer(call)
        finally:
            del self._calls[threading.get_ident()]

    def _answer(self, call: _Call) -> Reply:
        while True:
            outcome = self._attempt(call)
            if isinstance(outcome, Reply):
                self._budget.refund(call.spent or EASY_SUCCESS)
                return outcome
            wait, note = self._plan_retry(call, outcome)
            if wait is None:
                if call.method == "DELETE" and call.maybe_done:
                    note += " It may have been done all the same: look whether the user is still there."
                # Outside any except block, so without a context: the frames of a cause hold the token.
                raise outcome.error(call.name, call.endpoint, call.attempts, note.strip())
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
        self._managers.close()

    def _prepare(self, method: str, url: str, headers: Mapping[str, str], endpoint: str) -> _Call | Exception:
        """Check what is to be sent; an error says what is wrong with it, without quoting it."""
        if self._closed:
            return ConfigurationError("This client is closed. Make another one to go on.")
        if method not in {"GET", "DELETE"}:
            return ValueError(f"method is {method!r}; the Data API knows 'GET' and 'DELETE'.")
        address = _ADDRESS.fullmatch(url)
        if not address or not address[1].isascii() or "#" in url:
            what = "The address must be http(s)://host/path, percent-encoded and without a user name"
            return ConfigurationError(f"{what} ({endpoint}).", endpoint=endpoint)
        kept = dict(_OWN_HEADERS)
        for name, value in headers.items():
            if not re.fullmatch(r"[\t -~\xa0-\xff]*", value):
                what = f"The value of the header {name} holds a character that cannot be sent"
                return ConfigurationError(f"{what} ({endpoint}).", endpoint=endpoint)
            if name.lower() not in _NOT_SENT:
                kept[name.lower()] = value
        end = self._clock() + self._deadline
        return _Call(method, endpoint, address[1], address[2] or "/", kept, lambda: end - self._clock())

    def _attempt(self, call: _Call) -> Reply | Failure:
        """Wait for a turn, send once, judge what came."""
        if not self._turnstile.enter(call.left()):
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
            self._turnstile.leave()
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
        wait = asked or backoff(call.attempts, self._random)
        if wait >= call.left():
            return None, f"The deadline of {self._deadline:g} s leaves no time for another attempt."
        if not self._budget.spend(failure.cost):
            return None, "Not tried again: too many requests of this client failed lately."
        call.spent = failure.cost
        return wait, ""

    def _exchange(self, call: _Call) -> Reply | Failure:
        exchange = Exchange(call.origin, call.target, call.left, self._read_timeout, self._max_wire_bytes)
        call.exchange = exchange
        before = current.set(exchange)
        try:
            return self._receive(call)
        except TooLargeError as problem:
            return too_large(problem, call.endpoint)
        except HeaderFloodError:
            return header_flood()
        except UnknownEncodingError:
            return Failure(PayloadError, "The answer is compressed in a way that was not asked for")
        except (HTTPError, http.client.HTTPException, OSError, ValueError, BrokenBodyError) as problem:
            # ValueError comes from http.client when a chunk claims a negative size.
            return self._lost(call, exchange, problem)
        finally:
            current.reset(before)

    def _receive(self, call: _Call) -> Reply | Failure:
        left = max(call.left(), 0.001)
        response = self._managers.urlopen(
            call.method,
            call.origin,
            f"/{call.endpoint}",
            headers=call.headers,
            retries=self._no_retries,
            redirect=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=min(self._connect_timeout, left), read=min(self._read_timeout, left)),
        )
        try:
            return self._judge(call, response)
        finally:
            # A body read to its end has given its connection back by now; any other is not fit for reuse.
            response.close()

    def _judge(self, call: _Call, response: Any) -> Reply | Failure:
        status, headers = response.status, _kept_headers(response)
        if status == 404 and call.method == "DELETE" and call.maybe_done:
            return Reply(204, headers, b"", None, call.attempts, already_gone=True)
        if status // 100 != 2:
            return refused(response, call.redactor(), self._now)
        if call.method == "GET" and status != 200:
            return Failure(ServiceError, "The service answered in a way it is not known to", status=status)
        payload: Any = None
        with contextlib.ExitStack() as until_parsed:
            body = self._whole_body(response, lambda: self._wait_for_memory(call, until_parsed))
            flaw = web_page(body)
            if call.method == "GET":
                payload, flaw = read_json(body, allow_list=True)
        if flaw:
            return flawed(f"The answer {flaw.text}", status, cut=flaw.cut)
        return Reply(status, headers, body, payload, call.attempts)

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
        # urllib3 counts a refused connection among the time-outs.
        timeout = isinstance(problem, urllib3.exceptions.TimeoutError) and not isinstance(
            problem, urllib3.exceptions.NewConnectionError
        )
        host = urlsplit(call.origin).hostname or ""
        if call.left() <= 0:
            what = "No whole answer" if exchange.sent else f"No connection to {host}"
            what += f" within the deadline of {self._deadline:g} s"
            return Failure(NetworkError, what, "Try again later.", retryable=True)
        failure = lost(problem, host, sent=exchange.sent, cost=TIMEOUT_COST if timeout else RETRY_COST)
        if timeout and exchange.sent:
            failure.what = f"The service fell silent for {self._read_timeout:g} s before its answer was whole"
        return failure


def _check_above_zero(**settings: object) -> None:
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ConfigurationError(f"{name} is {value!r}; it must be a number above 0.")


def _kept_headers(response: Any) -> Mapping[str, str]:
    kept = ((name, value) for name, value in response.headers.items() if name.lower() not in _NOT_KEPT)
    return urllib3.HTTPHeaderDict(kept)
