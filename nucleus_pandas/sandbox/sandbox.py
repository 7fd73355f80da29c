"""`Sandbox`: a local service for tracking clients, with the Data API for what they report."""

from __future__ import annotations

import datetime as dt
import hmac
import ipaddress
import os
from collections import deque
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nucleus_pandas.api.client import Client
from nucleus_pandas.api.http.addresses import is_loopback
from nucleus_pandas.core.dtypes import COUNT, TEXT, Schema, make_frame
from nucleus_pandas.core.files import full_path
from nucleus_pandas.demo import check_port, port_problem
from nucleus_pandas.demo.answers import Answer
from nucleus_pandas.demo.records import to_ms
from nucleus_pandas.demo.routes import RefusedError, Routes, check_door, guarded, split_app, split_path
from nucleus_pandas.demo.server import HOST, JsonServer, ThreadedService
from nucleus_pandas.exceptions import ConfigurationError, StoreError
from nucleus_pandas.sandbox.collector import APP_ID, Collector, Limits
from nucleus_pandas.sandbox.doors import checked_host, checked_origins, may_send
from nucleus_pandas.sandbox.sessions import AppView
from nucleus_pandas.sandbox.storage import Storage

if TYPE_CHECKING:
    from nucleus_pandas.sandbox.listener import SandboxServer

ARRIVALS: Schema = {
    "app_id": TEXT,
    "events": COUNT,
    "duplicates": COUNT,
    "rejected_events": COUNT,
    "rejected_messages": COUNT,
    "dropped_properties": COUNT,
}


class SandboxClient(Client):
    """A client of a sandbox."""

    def __init__(self, sandbox: Sandbox, app_id: str, **settings: Any) -> None:
        self._sandbox = sandbox
        # Nobody else waits for this service, answers change while you look, and nothing leaves this machine.
        settings = {"requests_per_second": None, "cache": False, "allow_http": True, **settings}
        super().__init__(app_id, sandbox.token, base_url=sandbox.base_url, **settings)

    def now(self) -> dt.datetime:
        """Give the present instant by the sandbox's clock."""
        return self._sandbox.now()


class Sandbox(ThreadedService):
    """A local service for the official tracking clients, with the Data API for what they report.

    Set the ``endpoint`` of a tracking client to that of the sandbox, use your app, and load tables of what arrived. The
    sandbox runs in threads of its own, beside a notebook, from `start` (or ``with``) to `stop`.

    Parameters
    ----------
    path : path, optional
        File that keeps the events: an SQLite database, created if missing, which only this account can read and one
        sandbox at a time can use. Without one, events are gone when the sandbox stops.
    port : int
        Port to listen on; 0 picks a free port.
    host : str
        Address to listen on. With any other than this machine's own, whoever reaches it can send events, and whoever
        has the token can read them.
    allow_origins : sequence of str
        Websites whose pages can send events, such as ``"https://app.example"``; ``"*"`` stands for all. Apps, files and
        pages of this machine always can.
    limits : Limits
        How much is accepted.
    clock : callable, optional
        Returns the present, tz-aware; for tests. Default: the real clock.

    Attributes
    ----------
    endpoint : str
        What tracking clients take as ``endpoint``.
    base_url, token : str
        Address of the Data API, and the token that it requires. With a file, the token stays the same.
    failures : deque of Exception
        What went wrong in the sandbox, such as a full disk. The clients got an error, and send again.

    Raises
    ------
    ConfigurationError
        When the port is taken, the file is something else, or the library ``websockets`` is missing.
    StoreLockedError
        When another sandbox uses the file.
    StoreError
        When the file cannot be used.

    Notes
    -----
    An event is acknowledged once it is on disk, and counts once however often it is sent. It is recognised by its id
    together with device, session, date, name and properties; without an id, by the others. An event with neither id nor
    date is new each time. Properties are numbers, texts and booleans; other values are left out.

    A session ends after 30 minutes without an event. Events of a session without ``init`` are not shown. An
    anonymous user who signs in keeps what they did before; if the app has reported that user id before, it moves to
    that user. Countries are unknown.

    `Client.delete_user` overwrites what it erases, in the file, too. Nothing that clients send is logged.

    Examples
    --------
    >>> with nu.Sandbox() as sandbox:
    ...     sandbox.endpoint.startswith("ws://127.0.0.1:")
    True
    """

    _thread_name = "nucleus-sandbox"

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        port: int = 0,
        host: str = HOST,
        allow_origins: Sequence[str] = (),
        limits: Limits | None = None,
        clock: Callable[[], dt.datetime] | None = None,
    ) -> None:
        check_port(port)
        self.path = None if path is None else _checked_path(path)
        self.port, self.host = port, checked_host(host)
        self.allow_origins = checked_origins(allow_origins)
        if limits is not None and not isinstance(limits, Limits):
            raise TypeError(f"limits must be nucleus_pandas.sandbox.Limits, not {type(limits).__name__}.")
        if clock is not None and not callable(clock):
            raise TypeError(f"clock must be callable, not {type(clock).__name__}.")
        self.limits = limits or Limits()
        self.failures: deque[Exception] = deque(maxlen=100)
        self._clock = clock or (lambda: dt.datetime.now(dt.UTC))
        self._collector: Collector | None = None
        self._token: str | None = None

    @property
    def endpoint(self) -> str:
        """What tracking clients take as ``endpoint``."""
        return f"ws://{self._address()}"

    @property
    def base_url(self) -> str:
        """Where the Data API is, up to and including its version."""
        return f"http://{self._address()}/api/v1"

    @property
    def token(self) -> str:
        """What opens the Data API."""
        if self._token is None:
            raise ConfigurationError(
                "The sandbox has not been started, and has no token yet. Call start(), or use with."
            )
        return self._token

    def _address(self) -> str:
        """Return host and port; this machine's own for a sandbox that listens on all of them."""
        host = self.host
        try:
            if ipaddress.ip_address(host).is_unspecified:
                host = HOST
        except ValueError:
            pass  # a name
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    def now(self) -> dt.datetime:
        """Return what the sandbox takes for the present."""
        return self._clock()

    def client(self, app_id: str, **settings: Any) -> SandboxClient:
        """Get a client for an app that reports here.

        Parameters
        ----------
        app_id : str
            The id that the tracking client was given. An app that has not reported yet is empty.
        **settings
            The keyword arguments of `Client`, such as ``tz``.

        Returns
        -------
        SandboxClient
            A `Client` over a real connection.
        """
        if not isinstance(app_id, str) or not APP_ID.fullmatch(app_id):
            raise ValueError(f"app_id={app_id!r} must be made of up to 64 letters, digits and . _ -")
        return SandboxClient(self, app_id, **settings)

    def arrivals(self) -> pd.DataFrame:
        """Count what arrived.

        Returns
        -------
        pandas.DataFrame
            One row an app.

            - app_id
            - events: stored, each once; changes of users and properties are none, and those of erased users are still
              counted until the sandbox stops
            - duplicates: sent again, and left out
            - rejected_events: not usable, such as an event without a name; acknowledged, as clients would send them
              again for ever
            - rejected_messages: not readable, too large, beyond a limit or from a website that may not send
            - dropped_properties: no number, text or boolean, and left out of events that were stored

            Events and properties count since the file was made, the others since the start. Apps without events come
            last; beyond the first few, ``(other)`` counts them together.
        """
        counts = self._running().counts()
        columns = {name: [getattr(one, name) for one in counts.values()] for name in ARRIVALS if name != "app_id"}
        return make_frame(ARRIVALS, {"app_id": list(counts), **columns})

    def rejections(self) -> dict[str, int]:
        """Count why messages and events were rejected since the start.

        Returns
        -------
        dict
            How often, by the reason that the clients got, which names fields and holds no values.
        """
        return self._running().reasons()

    def stop(self) -> None:
        """Stop listening, hang up on everyone and close the file; stopping again does nothing."""
        super().stop()
        collector, self._collector = self._collector, None
        if collector is not None:
            collector.close()

    def __repr__(self) -> str:
        state = "running" if self._collector else "stopped"
        return f"Sandbox(endpoint={self.endpoint!r}, {state})"

    def answer(self, method: str, target: str, host: str | None, token: str | None) -> tuple[int, Answer | None]:
        """Return status and body of the Data API's answer to a request; no body with 204."""
        return guarded(lambda: self._checked(method, target, host, token), self.failures)

    def _checked(self, method: str, target: str, host: str | None, token: str | None) -> tuple[int, Answer | None]:
        if self.is_loopback:
            check_door(host, self.port)
        if not hmac.compare_digest((token or "").encode(), self.token.encode()):
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "Missing or wrong token.")
        segments, query = split_path(target)
        app_id, rest = split_app(segments)
        if not APP_ID.fullmatch(app_id):
            raise RefusedError(HTTPStatus.NOT_FOUND, "No such app.")
        collector = self._running()

        def erase(wanted: str) -> bool:
            try:
                return collector.erase(app_id, wanted)
            except StoreError as error:
                self.failures.append(error)
                raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "The erasure could not be stored.") from None

        def question(view: AppView, now_ms: int) -> tuple[int, Answer | None]:
            return Routes(view.ledger, app_id, erase).answer(method, rest, query, now_ms)

        return collector.ask(app_id, question)

    def _running(self) -> Collector:
        if self._collector is None:
            raise ConfigurationError("The sandbox is not running. Call start(), or use with.")
        return self._collector

    def _listen(self) -> JsonServer:
        """Open the data, then the port; whatever fails leaves nothing open."""
        server_class = _import_server()
        storage = Storage(self.path)
        try:
            self._collector = Collector(storage, self.limits, lambda: to_ms(self.now()))
            self._token = storage.token
            return server_class(
                self.port,
                self.answer,
                self.now,
                self.failures,
                host=self.host,
                collector=self._collector,
                loopback=self.is_loopback,
                may_send=lambda origin: may_send(origin, self.allow_origins),
            )
        except BaseException as error:
            self._collector = None
            storage.close()
            if isinstance(error, OSError):
                raise port_problem(self.port, error, "sandbox", self.host) from None
            raise


def _checked_path(path: object) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a path or a string, not {type(path).__name__}.")
    return full_path("path", path)


def _import_server() -> type[SandboxServer]:
    """Return the server, which needs a library that not everybody has."""
    try:
        from nucleus_pandas.sandbox.listener import SandboxServer
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "websockets":
            raise
        raise ConfigurationError(
            "The sandbox needs the library websockets. Install it with: pip install 'nucleus-pandas[sandbox]'"
        ) from None
    return SandboxServer
