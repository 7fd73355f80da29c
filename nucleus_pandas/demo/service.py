"""The 13 endpoints of the Data API over the made-up app, as a real HTTP server on the loopback interface."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from types import TracebackType
from typing import Literal, NoReturn, Self
from urllib.parse import parse_qs, unquote, urlsplit

from nucleus_pandas.demo import answers
from nucleus_pandas.demo.answers import Answer, Window
from nucleus_pandas.demo.ledger import Ledger, UserPath, UserRecord
from nucleus_pandas.demo.model import DemoApp
from nucleus_pandas.demo.records import to_ms
from nucleus_pandas.demo.server import HOST, JsonServer

PREFIX = ["api", "v1", "apps"]
MAX_OFFSET = 24 * 60
_INTEGER = re.compile(r"-?[0-9]{1,15}")

Query = dict[str, list[str]]


class _RefusedError(Exception):
    """A request that gets an error for an answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class DemoService:
    """Serves a made-up app under the Data API's paths on 127.0.0.1.

    The answers are described in `nucleus_pandas.demo.answers`. Whatever was received after `now` is not visible
    anywhere; a user is there from creation on.

    Parameters
    ----------
    app : DemoApp
        The app. It is never changed: a DELETE erases the user from this service alone.
    as_of : datetime, optional
        Fixes the clock. It may be set later too, but only forward. Default: the real clock.
    app_id, token : str
        What clients must say.
    utc_offset_sign : {"east", "west"}
        Whether ``utcOffset`` counts minutes east of UTC, or west as JavaScript does.
    user_path : {"user_id", "_id", "both"}
        What ``/users/:userId`` is looked up in. Who has no user id goes by ``_id`` in any case.
    end_inclusive : bool
        Whether an instant equal to ``end`` belongs to the interval.
    page_size : int, optional
        At most this many rows of the users list, whose ``total`` stays that of all.
    latency : float
        Seconds to wait before each answer.
    port : int
        Port to listen on; 0: any that is free.

    Attributes
    ----------
    requests : deque of (method, raw path with query)
        The last 200,000 requests, for tests to count.
    failures : list of Exception
        Bugs of the service itself, which were answered with 500.

    Examples
    --------
    >>> from nucleus_pandas.demo.build import build_app
    >>> app = build_app(scale=0.02)
    >>> with DemoService(app, as_of=app.end) as service:
    ...     service.base_url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        app: DemoApp,
        *,
        as_of: datetime | None = None,
        app_id: str = "demo",
        token: str = "demo-token",  # noqa: S107 - opens nothing but made-up data
        utc_offset_sign: Literal["east", "west"] = "east",
        user_path: UserPath = "user_id",
        end_inclusive: bool = False,
        page_size: int | None = None,
        latency: float = 0.0,
        port: int = 0,
    ) -> None:
        self.app, self.as_of, self.app_id, self.token = app, as_of, app_id, token
        self.utc_offset_sign, self.user_path, self.end_inclusive = utc_offset_sign, user_path, end_inclusive
        self.page_size, self.latency, self.port = page_size, latency, port
        self.requests: deque[tuple[str, str]] = deque(maxlen=200_000)
        self.failures: list[Exception] = []
        self._ledger = Ledger(app)
        self._lock = threading.Lock()
        self._server: JsonServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """Where it listens, up to and including the API's version."""
        return f"http://{HOST}:{self.port}/api/v1"

    def now(self) -> datetime:
        """Return what the service takes for the present."""
        return self.as_of or datetime.now(UTC)

    def start(self) -> Self:
        """Listen, and answer from threads that end with the program."""
        if self._server is None:
            self._server = JsonServer(self.port, self.answer, self.now, self.failures)
            self.port = self._server.server_port
            # The pace at which the loop looks whether it should end: stop() waits for it.
            serve = self._server.serve_forever
            self._thread = threading.Thread(target=serve, args=(0.02,), name="nucleus-demo", daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and hang up on everyone."""
        server, thread, self._server, self._thread = self._server, self._thread, None, None
        if server and thread:
            server.shutdown()
            server.server_close()
            thread.join()

    def serve_forever(self) -> None:
        """Serve until interrupted: for the command line."""
        self.start()
        try:
            while self._thread and self._thread.is_alive():
                self._thread.join(0.5)
        finally:
            self.stop()

    def __reduce__(self) -> NoReturn:
        raise TypeError("A service holds a token and a socket, and is not pickled. Start one where it is needed.")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def answer(self, method: str, target: str, host: str | None, token: str | None) -> tuple[int, Answer | None]:
        """Return status and body of the answer to a request; no body with 204."""
        self.requests.append((method, target))
        if self.latency:
            time.sleep(self.latency)
        try:
            return self._checked(method, target, host, token)
        except _RefusedError as refused:
            return refused.status, {"error": str(refused)}
        except Exception as error:  # the client gets an answer, the test gets the bug
            self.failures.append(error)
            return HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "The demo service failed; this is a bug."}

    def _checked(self, method: str, target: str, host: str | None, token: str | None) -> tuple[int, Answer | None]:
        """Refuse who is not at the right door, else answer."""
        # A web page that rebinds its own name to 127.0.0.1 still sends that name.
        if host not in (f"{HOST}:{self.port}", f"localhost:{self.port}"):
            raise _RefusedError(HTTPStatus.MISDIRECTED_REQUEST, "This host name is not served here.")
        if token != self.token:
            raise _RefusedError(HTTPStatus.UNAUTHORIZED, "Missing or wrong token.")
        parts = urlsplit(target)
        try:
            # Decoded only after the path was taken apart: an id may hold an encoded slash.
            segments = [unquote(segment, errors="strict") for segment in parts.path.split("/")[1:]]
        except UnicodeDecodeError:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "The path is not UTF-8.") from None
        if segments[:3] != PREFIX or len(segments) < 4:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "No such route.")
        if segments[3] != self.app_id:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "No such app.")
        query = parse_qs(parts.query, keep_blank_values=True)
        with self._lock:
            now_ms = to_ms(self.now())
            self._ledger.receive(now_ms)
            return self._route(method, segments[4:], query, now_ms)

    def _route(self, method: str, segments: Sequence[str], query: Query, now_ms: int) -> tuple[int, Answer | None]:
        """Answer by method and path."""
        match method, segments:
            case "DELETE", ["users", user]:
                self._ledger.erase(self._user(user))
                return HTTPStatus.NO_CONTENT, None
            case "GET", ["analytics", *rest]:
                return HTTPStatus.OK, self._analytics(rest, query, now_ms)
            case "GET", ["users", *rest]:
                return HTTPStatus.OK, self._users(rest, query)
            case "GET", ["live", "events"]:
                return HTTPStatus.OK, answers.live_events(self._ledger, now_ms, self.app_id)
            case "GET", ["live", "users"]:
                return HTTPStatus.OK, answers.live_users(self._ledger, now_ms)
            case "GET", ["live", "users", "count"]:
                return HTTPStatus.OK, answers.live_user_count(self._ledger, now_ms)
            case "GET" | "DELETE", _:
                raise _RefusedError(HTTPStatus.NOT_FOUND, "No such route.")
        raise _RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET, and DELETE of a user.")

    def _analytics(self, segments: Sequence[str], query: Query, now_ms: int) -> Answer:
        """Answer the endpoints that count."""
        simple: dict[tuple[str, ...], Callable[[Ledger, Window], Answer]] = {
            (): answers.daily,
            ("events",): answers.events,
            ("eventsprops",): answers.event_properties,
            ("errors",): answers.errors,
        }
        if count := simple.get(tuple(segments)):
            return count(self._ledger, self._window(query))
        match segments:
            case ["quickglance"]:
                return answers.quickglance(self._ledger, now_ms)
            case ["events", event]:
                return answers.attribute(self._ledger, self._window(query), event, None)
            case ["events", event, key]:
                return answers.attribute(self._ledger, self._window(query), event, key)
        raise _RefusedError(HTTPStatus.NOT_FOUND, "No such route.")

    def _users(self, segments: Sequence[str], query: Query) -> Answer:
        """Answer the endpoints about people."""
        match segments:
            case []:
                return answers.users(self._ledger, self.page_size)
            case [user]:
                return answers.user_detail(self._user(user), self.app_id)
            case [user, "session", session]:
                record = self._user(user)
                device = query.get("device", [""])[0]
                if not device:
                    raise _RefusedError(HTTPStatus.BAD_REQUEST, "device is required.")
                if found := answers.session_events(record, session, device, self.app_id):
                    return found
                raise _RefusedError(HTTPStatus.NOT_FOUND, "No such session.")
        raise _RefusedError(HTTPStatus.NOT_FOUND, "No such route.")

    def _user(self, wanted: str) -> UserRecord:
        if record := self._ledger.find(wanted, self.user_path):
            return record
        raise _RefusedError(HTTPStatus.NOT_FOUND, "No such user.")

    def _window(self, query: Query) -> Window:
        """Return the interval asked for, and the shift to the local clock by the service's sign."""
        start, end = _integer(query, "start"), _integer(query, "end")
        offset = _integer(query, "utcOffset", default=0)
        if start >= end:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "start must be before end.")
        if abs(offset) > MAX_OFFSET:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "utcOffset is in minutes.")
        east = offset if self.utc_offset_sign == "east" else -offset
        return Window(start * 1000, end * 1000 + self.end_inclusive, east * 60_000)


def _integer(query: Query, name: str, default: int | None = None) -> int:
    """Return a parameter as an integer."""
    text = query.get(name, [None])[0]
    if text is None and default is not None:
        return default
    if text is None or not _INTEGER.fullmatch(text):
        raise _RefusedError(HTTPStatus.BAD_REQUEST, f"{name} must be an integer.")
    return int(text)
