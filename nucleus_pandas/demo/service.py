"""The 13 endpoints of the Data API over the made-up app, as a real HTTP server on the loopback interface."""

import threading
import time
from collections import deque
from datetime import UTC, datetime
from http import HTTPStatus

from nucleus_pandas.demo.answers import Answer
from nucleus_pandas.demo.ledger import Ledger, UserPath
from nucleus_pandas.demo.model import DemoApp
from nucleus_pandas.demo.records import to_ms
from nucleus_pandas.demo.routes import RefusedError, Routes, UtcOffsetSign, check_door, guarded, split_app, split_path
from nucleus_pandas.demo.server import HOST, JsonServer, ThreadedService


class DemoService(ThreadedService):
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
        Port to listen on; 0 picks a free port.

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

    _thread_name = "nucleus-demo"

    def __init__(
        self,
        app: DemoApp,
        *,
        as_of: datetime | None = None,
        app_id: str = "demo",
        token: str = "demo-token",  # noqa: S107 - opens nothing but made-up data
        utc_offset_sign: UtcOffsetSign = "east",
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
        self._ledger = Ledger(app.users, app.events)
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        """Where it listens, up to and including the API's version."""
        return f"http://{HOST}:{self.port}/api/v1"

    def now(self) -> datetime:
        """Return what the service takes for the present."""
        return self.as_of or datetime.now(UTC)

    def _listen(self) -> JsonServer:
        return JsonServer(self.port, self.answer, self.now, self.failures)

    def answer(self, method: str, target: str, host: str | None, token: str | None) -> tuple[int, Answer | None]:
        """Return status and body of the answer to a request; no body with 204."""
        self.requests.append((method, target))
        if self.latency:
            time.sleep(self.latency)
        return guarded(lambda: self._checked(method, target, host, token), self.failures)

    def _checked(self, method: str, target: str, host: str | None, token: str | None) -> tuple[int, Answer | None]:
        """Refuse who is not at the right door, else answer."""
        check_door(host, self.port)
        if token != self.token:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "Missing or wrong token.")
        segments, query = split_path(target)
        app_id, rest = split_app(segments)
        if app_id != self.app_id:
            raise RefusedError(HTTPStatus.NOT_FOUND, "No such app.")
        with self._lock:
            now_ms = to_ms(self.now())
            self._ledger.receive(now_ms)
            return self._routes().answer(method, rest, query, now_ms)

    def _erase(self, wanted: str) -> bool:
        """Erase the user whom a path names; whether there was one."""
        record = self._ledger.find(wanted, self.user_path)
        if record:
            self._ledger.erase(record)
        return record is not None

    def _routes(self) -> Routes:
        """Return the routes as they are set at present."""
        return Routes(
            self._ledger,
            self.app_id,
            self._erase,
            utc_offset_sign=self.utc_offset_sign,
            user_path=self.user_path,
            end_inclusive=self.end_inclusive,
            page_size=self.page_size,
        )
