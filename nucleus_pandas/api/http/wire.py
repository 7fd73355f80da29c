"""requests' adapter, kept to a deadline and kept from knowing whom a request is about.

urllib3 logs the path of each request at DEBUG and puts it into its exceptions. So it is given the
endpoint's template as path, and the connection puts the real one in its place while the request line is
written: there is nothing to filter, and no logger that other people's requests share is touched.
"""

from __future__ import annotations

import http.client
import io
import ssl
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import certifi
import urllib3
from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from nucleus_pandas.api.http.api_request import ApiRequest, Secret
from nucleus_pandas.api.http.decoding import HeaderFloodError, TooLargeError
from nucleus_pandas.exceptions import ConfigurationError


@dataclass(slots=True, repr=False)
class Exchange:
    """One request on the wire, as the connection that carries it has to know it."""

    request: ApiRequest
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
        request = exchange.request
        real = request.path_url if url.startswith("/") else request.url or ""
        super().putrequest(method, real, skip_host, skip_accept_encoding)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class Wire(HTTPAdapter):
    """requests' adapter with the connections above; nothing is read from the environment.

    What a session passes as ``verify``, ``cert`` and ``proxies`` comes from the environment as likely as from the
    caller, so it is ignored: these are settings of the adapter.
    """

    def __init__(self, *, proxies: Mapping[str, str] | None, verify: bool | str, max_workers: int) -> None:
        if set(proxies or {}) - {"http", "https"}:
            raise ConfigurationError("proxies has the keys 'http' and 'https', each with a proxy's address.")
        self._proxies = {scheme: _check_proxy(address) for scheme, address in (proxies or {}).items()}
        self._verify = verify
        # One context for all connections, as reading certificates takes longer than a request; and none
        # before it is needed, for the same reason. A file of the user's is read at once: it may be missing.
        self._context = _ssl_context(verify) if isinstance(verify, str) else None
        super().__init__(pool_maxsize=max_workers, max_retries=urllib3.Retry(total=False, redirect=False))

    def exchange(self, exchange: Exchange, timeout: tuple[float, float]) -> urllib3.BaseHTTPResponse:
        """Send, and return the answer with its body still to be read."""
        before = current.set(exchange)
        try:
            return self.send(exchange.request, stream=True, timeout=timeout).raw
        finally:
            current.reset(before)

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        """Make the manager of connections without a proxy."""
        super().init_poolmanager(*args, **settings)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def proxy_manager_for(self, proxy: str, **settings: Any) -> urllib3.ProxyManager:
        """Return the manager of connections through a proxy."""
        context = self._tls_context() if urlsplit(proxy).scheme == "https" else None
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, proxy_ssl_context=context, **settings)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        return manager

    def get_connection_with_tls_context(
        self, request: PreparedRequest, *_: Any, **__: Any
    ) -> urllib3.HTTPConnectionPool:
        """Return the pool of connections to a request's host, with the adapter's own proxies and certificates."""
        url = request.url or ""
        scheme = urlsplit(url).scheme
        proxy = self._proxies.get(scheme)
        manager = self.proxy_manager_for(proxy) if proxy else self.poolmanager
        secure = scheme == "https" or (proxy and urlsplit(proxy).scheme == "https")
        settings = {"ssl_context": self._tls_context()} if secure else None
        return manager.connection_from_url(url, pool_kwargs=settings)

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Leave the pool as it is: its context knows the certificates."""

    def request_url(self, request: PreparedRequest, *_: Any, **__: Any) -> str:
        """Return what urllib3 may know of the address, see above."""
        template = f"/{request.template}" if isinstance(request, ApiRequest) else "/"
        parts = urlsplit(request.url or "")
        through_proxy = parts.scheme == "http" and "http" in self._proxies
        return f"http://{parts.netloc}{template}" if through_proxy else template

    def _tls_context(self) -> ssl.SSLContext:
        self._context = self._context or _ssl_context(self._verify)
        return self._context


def _check_proxy(address: str) -> Secret:
    """Return the address, which may hold a login."""
    try:
        parts = urlsplit(address)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ConfigurationError("A proxy is given as 'http://host:port', or 'http://user:password@host:port'.")
    return Secret(address)


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
