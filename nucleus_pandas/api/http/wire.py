"""urllib3, kept to a deadline and kept from knowing whom a request is about.

urllib3 logs the path of each request at DEBUG and puts it into its exceptions. So it is given the
endpoint's template as path, and the connection puts the real one in its place while the request line is
written: there is nothing to filter, and no logger that other people's requests share is touched.
"""

from __future__ import annotations

import http.client
import io
import ssl
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import make_headers

from nucleus_pandas.api.http.authorization import Secret
from nucleus_pandas.api.http.decoding import HeaderFloodError, TooLargeError
from nucleus_pandas.exceptions import ConfigurationError


@dataclass(slots=True, repr=False)
class Exchange:
    """One request on the wire, as the connection that carries it has to know it."""

    origin: str
    target: str
    left: Callable[[], float]
    read_timeout: float
    max_wire_bytes: int
    received: int = 0
    sent: bool = False
    sock: Any = None


#: Set while urllib3 works for this thread; connections have no other way to learn of a request's deadline.
current: ContextVar[Exchange] = ContextVar("nucleus_pandas_exchange")


class _TimedReader(io.RawIOBase):
    """Reads a socket within what is left of the call, and counts.

    A time-out of a socket is for one `recv`: a server that sends a byte now and then never meets it. Here
    each `recv` gets what remains, also in status line, headers and chunk sizes, which http.client loops over.
    """

    def __init__(self, raw: io.RawIOBase, sock: Any, exchange: Exchange) -> None:
        self._raw = raw
        self._sock = sock
        self._exchange = exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        exchange = self._exchange
        left = exchange.left()
        if left <= 0:
            raise TimeoutError
        patience = min(exchange.read_timeout, left)
        if self._sock.gettimeout() != patience:  # setting it is a call to the system
            self._sock.settimeout(patience)
        count = self._raw.readinto(buffer)
        exchange.received += count or 0
        if exchange.received > exchange.max_wire_bytes:
            raise TooLargeError("on the wire", exchange.max_wire_bytes)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_TimedReader(raw, sock, current.get()))

    def begin(self) -> None:
        try:
            super().begin()
        except http.client.LineTooLong:
            raise HeaderFloodError from None
        except http.client.HTTPException as problem:
            if type(problem) is http.client.HTTPException:  # more than 100 headers
                raise HeaderFloodError from None
            raise


class _Connection(HTTPConnection):
    # http.client prints requests, tokens included, when somebody sets this on the class for all.
    debuglevel = 0
    response_class = _Response

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        if self.sock is None:  # else http.client connects only after this
            self.connect()
        exchange = current.get()
        exchange.sent = True
        exchange.sock = self.sock
        # A proxy for plain http is sent whole addresses, anybody else paths.
        real = exchange.target if url.startswith("/") else exchange.origin + exchange.target
        super().putrequest(method, real, skip_host, skip_accept_encoding)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class Managers:
    """A urllib3 manager for each of ``http`` and ``https``; nothing is read from the environment."""

    def __init__(self, *, proxies: Mapping[str, str] | None, verify: bool | str, max_workers: int) -> None:
        if set(proxies or {}) - {"http", "https"}:
            raise ConfigurationError("proxies has the keys 'http' and 'https', each with a proxy's address.")
        self._proxies = {scheme: _Proxy(address) for scheme, address in (proxies or {}).items()}
        self._verify = verify
        self._max_workers = max_workers
        # One context for all connections, as reading certificates takes longer than a request; and none
        # before it is needed, for the same reason. A file of the user's is read at once: it may be missing.
        self._context = _ssl_context(verify) if isinstance(verify, str) else None
        self._made: dict[str, urllib3.PoolManager] = {}
        self._pools: dict[str, urllib3.HTTPConnectionPool] = {}
        self._lock = threading.Lock()

    def __getitem__(self, scheme: str) -> urllib3.PoolManager:
        with self._lock:
            if scheme not in self._made:
                self._made[scheme] = self._make(scheme)
            return self._made[scheme]

    def urlopen(self, method: str, origin: str, path: str, **settings: Any) -> urllib3.BaseHTTPResponse:
        """Send to an origin; without a proxy straight over its pool, which a manager looks up anew for each request."""
        scheme = origin.partition(":")[0]
        if self._proxies.get(scheme):
            return self[scheme].urlopen(method, origin + path, **settings)
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = self[scheme].connection_from_url(origin)
        return pool.urlopen(method, path, **settings)

    def close(self) -> None:
        """Close all connections that are at rest; the others close when their request ends."""
        with self._lock:
            self._pools.clear()
            for manager in self._made.values():
                for key in manager.pools.keys():  # noqa: SIM118  # not a dict: it cannot be iterated over
                    if pool := manager.pools.get(key):
                        pool.close()
                manager.clear()

    def _make(self, scheme: str) -> urllib3.PoolManager:
        proxy = self._proxies.get(scheme)
        settings: dict[str, Any] = {"maxsize": self._max_workers}
        if "https" in {scheme, proxy and proxy.scheme}:
            self._context = settings["ssl_context"] = self._context or _ssl_context(self._verify)
        if proxy is None:
            manager = urllib3.PoolManager(**settings)
        else:
            context = self._context if proxy.scheme == "https" else None
            manager = urllib3.ProxyManager(
                proxy.address, proxy_headers=proxy.headers, proxy_ssl_context=context, **settings
            )
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        return manager


class _Proxy:
    """A proxy's address, with the login taken out of it."""

    def __init__(self, address: str) -> None:
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError("A proxy is given as 'http://host:port', or 'http://user:password@host:port'.")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self.scheme = parts.scheme
        self.address = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
        self.headers: dict[str, str] = {}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self.headers = {name: Secret(value) for name, value in make_headers(proxy_basic_auth=login).items()}


def _ssl_context(verify: bool | str) -> ssl.SSLContext:
    # Not ssl.create_default_context, nor urllib3's: with SSLKEYLOGFILE in the environment, they write down the keys
    # with which anybody can read the token. This one checks certificates and host names, too.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        context.load_verify_locations(cafile=certifi.where() if verify is True else verify)
        return context
    except OSError:
        raise ConfigurationError("verify is True, False or the path of a readable file of certificates.") from None
