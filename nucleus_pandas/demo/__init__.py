"""A made-up desktop app behind a real HTTP server on this machine: to learn, to test, and to check numbers."""

from __future__ import annotations

import datetime as dt
import errno
import socket
import threading
import weakref
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nucleus_pandas.api.client import Client
from nucleus_pandas.exceptions import ConfigurationError

if TYPE_CHECKING:
    from nucleus_pandas.demo.model import DemoApp
    from nucleus_pandas.demo.planted import Truth
    from nucleus_pandas.demo.service import DemoService

_LARGEST_SCALE = 1000

__all__ = ["DemoClient", "demo_client", "truth"]


class DemoClient(Client):
    """A client of a made-up app; its `service` runs in this process until the client is closed, or nobody uses it."""

    def __init__(self, service: DemoService, **settings: Any) -> None:
        try:
            self.service = service.start()
        except OSError as error:
            raise port_problem(service.port, error, "demo") from None
        self._stop = weakref.finalize(self, _stop_soon, service)
        self._stop.atexit = False  # the service ends with the program in any case
        if "transport" not in settings:
            # There is nobody to be polite to.
            settings.setdefault("requests_per_second", None)
        # Nor anything to be kept: it is all on this machine, and asking takes no longer.
        settings.setdefault("cache", False)
        try:
            super().__init__(service.app_id, service.token, base_url=service.base_url, **settings)
        except BaseException:
            self.service.stop()
            raise

    def now(self) -> dt.datetime:
        """Give the present instant of the made-up app."""
        return self.service.now()

    def close(self) -> None:
        """Close the connections and stop the service."""
        super().close()
        self._stop.detach()
        self.service.stop()


def _stop_soon(service: DemoService) -> None:
    """Stop a service from a thread of its own: garbage is collected in any thread, also in those it would wait for."""
    threading.Thread(target=service.stop, name="nucleus-demo-stop", daemon=True).start()


def port_problem(port: int, error: OSError, what: str, host: str = "") -> ConfigurationError:
    """Say why a port cannot be listened on, and what to do."""
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return ConfigurationError(
            f"{host} is not an address of this machine. Leave out the host for this machine only."
        )
    reasons = {
        errno.EADDRINUSE: f"is in use, perhaps by another {what}. Stop it, or pass port=0 for any free port",
        errno.EACCES: "needs the rights of an administrator. Pass port=0 for any free port",
    }
    reason = reasons.get(error.errno or 0, f"cannot be used ({error.strerror}). Pass port=0 for any free port")
    return ConfigurationError(f"Port {port} {reason}.")


def check_port(port: object) -> None:
    """Raise for what is no port."""
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError(f"port={port!r} must be a whole number from 0 to 65535; 0 picks a free port.")


def demo_client(
    *, seed: int = 1, scale: float = 1.0, as_of: dt.datetime | None = None, port: int = 0, **settings: Any
) -> DemoClient:
    """Start a made-up app on this machine and get a client for it.

    Parameters
    ----------
    seed : int
        The same seed gives the same app.
    scale : float
        1 is some 2,500 users and 100,000 events over 180 days.
    as_of : datetime, optional
        Tz-aware; fixes the app's clock. By default it is the real one, and the data are moved by whole weeks so
        that they end today.
    port : int
        The port to listen on; 0 picks a free port.
    **settings
        The keyword arguments of `Client`, such as ``tz``.

    Returns
    -------
    DemoClient
        A `Client` over a real connection to 127.0.0.1. Nothing leaves the machine. The service stops when the client is
        closed, or no longer in use.

    Raises
    ------
    TypeError, ValueError
        For an argument that cannot be right.
    ConfigurationError
        When the port is taken.

    Examples
    --------
    >>> with nu.demo_client(scale=0.1, tz="Europe/Paris") as app:
    ...     len(nu.load_users(app)) > 100
    True
    """
    from nucleus_pandas.demo.service import DemoService

    _check(seed, scale, as_of, port)
    app = _app(seed, scale, (as_of or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).date())
    return DemoClient(DemoService(app, as_of=as_of, port=port), **settings)


def truth(*, seed: int = 1, scale: float = 1.0, as_of: dt.datetime | None = None) -> Truth:
    """Get what was planted in the made-up app, to compare an analysis with.

    Parameters
    ----------
    seed, scale, as_of
        As for `demo_client`.

    Returns
    -------
    Truth
        Planted rates beside exact counts of the data received by `as_of`; see its attributes.
    """
    from nucleus_pandas.demo.planted import truth_of

    _check(seed, scale, as_of)
    now = as_of or dt.datetime.now(dt.UTC)
    return truth_of(_app(seed, scale, now.astimezone(dt.UTC).date()), now)


def _check(seed: object, scale: object, as_of: object, port: object = 0) -> None:
    if not isinstance(seed, int):
        raise TypeError(f"seed={seed!r} must be a whole number.")
    if not isinstance(scale, int | float) or not 0 < scale <= _LARGEST_SCALE:
        raise ValueError(f"scale={scale!r} must be a number above 0 and up to {_LARGEST_SCALE}; 1 is some 2,500 users.")
    if as_of is not None and (not isinstance(as_of, dt.datetime) or as_of.tzinfo is None):
        raise ValueError(f"as_of={as_of!r} must be a datetime with a UTC offset: datetime(2026, 11, 1, tzinfo=UTC).")
    check_port(port)


@lru_cache(maxsize=2)
def _app(seed: int, scale: float, today: dt.date) -> DemoApp:
    """The app whose data cover a day; building one takes about a second."""
    from nucleus_pandas.demo.build import build_app, end_for

    tomorrow = dt.datetime.combine(today, dt.time(), dt.UTC) + dt.timedelta(days=1)
    return build_app(seed, scale=scale, end=end_for(tomorrow))
