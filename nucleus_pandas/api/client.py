"""`Client`: who asks, of whom, and with which settings. The only place that knows URLs and the token."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, Self
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import requests
from requests.auth import AuthBase

from nucleus_pandas.api.adapter import ENDPOINT_HEADER, Ask, NucleusAdapter, asked_at, take_payload
from nucleus_pandas.api.endpoints import PATHS, Endpoint
from nucleus_pandas.api.lifetimes import lifetime
from nucleus_pandas.api.payloads import parse_json
from nucleus_pandas.api.transport import Transport
from nucleus_pandas.api.windows import Sign, Zone, parse_zone
from nucleus_pandas.exceptions import AuthenticationError, ConfigurationError

if TYPE_CHECKING:
    from nucleus_pandas.api.cachefile import CacheFile, CacheInfo

DEFAULT_BASE_URL = "https://app.nucleus.sh/api/v1"
UserPath = Literal["user_id", "_id"]

_ENVIRONMENT = {
    "NUCLEUS_APP_ID": "the app's id, as its settings page shows it",
    "NUCLEUS_TOKEN": "the API token of the account",
}


class Answer(NamedTuple):
    """A parsed answer and the instant at which it was asked for: until then its data are known."""

    payload: Any
    as_of: dt.datetime


class Client:
    """Ask the Data API about one app.

    Parameters
    ----------
    app_id : str
        The app's id.
    token : str
        The API token. White space around it is dropped. It is sent in the ``Authorization`` header and
        shown nowhere.
    base_url : str
        Where the API lives. https, unless the host is this machine or `allow_http` is set.
    tz : str, int or tzinfo
        The zone that loaders use when they are given none: an IANA name, an offset such as ``"+05:45"``,
        or minutes east.
    utc_offset_sign : {"east", "west"}
        Whether the service counts ``utcOffset`` positive to the east of Greenwich or to the west. The
        reference does not say; with the wrong sign, loaders warn of counts for days outside the window.
    user_path : {"user_id", "_id"}
        Which id the service expects in the path of a user: the app's own or the service's. The reference
        does not say. Users without an id of the app's go by the service's either way.
    max_workers : int
        How many requests are under way at once, at most.
    requests_per_second : float or None
        How many requests are sent in a second, at most, by all threads together; None for no limit. Half as many
        for a while after the service asked for fewer.
    timeout : tuple of float
        Seconds to wait for a connection, and for the next bytes of an answer.
    deadline : float
        Seconds for a call as a whole, with up to five attempts and the waits between them.
    proxies : mapping, optional
        ``{"https": "http://proxy:8080"}``. Those of the environment are not used: they would see the token.
    allow_http : bool
        Send the token over plain http to another machine. Anybody on the way can then read it.

    Raises
    ------
    ConfigurationError
        For a setting that cannot be right; nothing is sent.

    Warns
    -----
    CacheWarning
        When the cache cannot be used, because it is held by another program, damaged, read-only or full. Loaders go
        on without it, or with a fresh one; a client warns of this once.

    Notes
    -----
    The cache keeps whole answers only: those for windows that ended more than 48 hours ago for 24 hours, other
    windows for 5 minutes, users, sessions and their events for 10 minutes, the quick glance for a minute, and what
    is live not at all. What comes from it says when it was asked for: `complete` and `settled` are as of then.

    It finds an answer by the token, the address and the query as they are sent, all three hashed, and holds neither
    tokens nor headers nor addresses. The answers themselves do hold what your app sends about people. Each app has a
    file, of 500 MB at most, that only your account can read (folder 0700, file 0600). `delete_user` and `clear_cache`
    empty it, and overwrite what was there.

    Examples
    --------
    >>> with nu.Client("5f3e", token, tz="Europe/Paris") as app:  # doctest: +SKIP
    ...     daily = nu.load_daily(app, "2026-09-01", "2026-10-31")
    """

    def __init__(
        self,
        app_id: str,
        token: str,
        *,
        base_url: str = DEFAULT_BASE_URL,
        tz: Zone = "UTC",
        utc_offset_sign: Sign = "east",
        user_path: UserPath = "user_id",
        cache: bool | str | os.PathLike[str] = True,
        max_workers: int = 4,
        requests_per_second: float | None = 5,
        timeout: tuple[float, float] = (5, 30),
        deadline: float = 120,
        proxies: Mapping[str, str] | None = None,
        allow_http: bool = False,
    ) -> None:
        _check_choice("utc_offset_sign", utc_offset_sign, ("east", "west"))
        _check_choice("user_path", user_path, ("user_id", "_id"))
        if not isinstance(max_workers, int) or max_workers < 1:
            raise ConfigurationError(f"max_workers={max_workers!r} must be a whole number from 1 up.")
        parse_zone(tz)
        self._root = f"{_check_base_url(base_url, allow_http=allow_http)}/apps/{_segment('app_id', app_id)}"
        self.app_id = app_id
        self.tz = tz
        self.utc_offset_sign: Sign = utc_offset_sign
        self.user_path: UserPath = user_path
        self.max_workers = max_workers
        self._auth = _Token(token)
        transport = Transport(
            timeout=timeout,
            deadline=deadline,
            max_workers=max_workers,
            requests_per_second=requests_per_second,
            proxies=proxies,
        )
        self._cache = self._make_cache(cache)
        self._session = _make_session(transport, self._cache)

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make a client from the environment.

        ``NUCLEUS_APP_ID`` and ``NUCLEUS_TOKEN`` are needed, ``NUCLEUS_BASE_URL`` is used when it is set.

        Parameters
        ----------
        **settings
            The keyword arguments of `Client`, which win over the environment.

        Raises
        ------
        ConfigurationError
            When a variable is missing; the message says how to set it.
        """
        values = {name: os.environ.get(name, "").strip() for name in _ENVIRONMENT}
        for name, meaning in _ENVIRONMENT.items():
            if not values[name]:
                raise ConfigurationError(
                    f"The environment variable {name} is not set; it holds {meaning}. In a shell write "
                    f'export {name}="..." (Windows: setx {name} "..." and open a new window) before Jupyter '
                    "or Python is started. To try the library without an account, use "
                    "nucleus_pandas.demo_client()."
                )
        if base_url := os.environ.get("NUCLEUS_BASE_URL", "").strip():
            settings.setdefault("base_url", base_url)
        return cls(values["NUCLEUS_APP_ID"], values["NUCLEUS_TOKEN"], **settings)

    def now(self) -> dt.datetime:
        """Give the present instant, in UTC; whatever depends on the clock asks here."""
        return dt.datetime.now(dt.UTC)

    def get(self, endpoint: Endpoint, *segments: str, params: Mapping[str, str | int] | None = None) -> Answer:
        """Ask one endpoint.

        Parameters
        ----------
        endpoint : str
            A name from `nucleus_pandas.api.endpoints.PATHS`.
        *segments : str
            What its placeholders are filled with, in order.
        params : mapping, optional
            The query.

        Returns
        -------
        Answer
            The parsed JSON, and the instant just before the request was sent: a while ago, if the answer comes from
            the cache.

        Raises
        ------
        ValueError
            For a segment that cannot stand in a path, such as ``""`` or ``".."``; nothing is sent.
        NucleusError
            For everything that can go wrong on the way; see `nucleus_pandas.exceptions`.
        """
        ask = self._ask("GET", endpoint, segments, params)
        response = self._session.send(ask, allow_redirects=False)
        return Answer(_read_payload(response, PATHS[endpoint]), asked_at(response))

    def delete_user(self, user_id: str, *, confirm: str) -> None:
        """Erase a user and all data of that user at the service, for good, and everything in this app's cache.

        Parameters
        ----------
        user_id : str
            The id that `user_path` names.
        confirm : str
            The same id once more.

        Raises
        ------
        ValueError
            When `confirm` is not `user_id`; nothing is sent.
        NotFoundError
            When the service does not know the user.

        Warns
        -----
        CacheWarning
            When the cache could not be emptied; it says which file to delete.

        Notes
        -----
        The cache is emptied before the request, too, and whatever comes of it: an answer that is lost on the way does
        not mean that nobody was erased. Copies elsewhere are not touched: frames, exports, another cache folder.
        """
        if user_id != confirm:
            raise ValueError(
                "confirm is not the same as user_id, so nobody was erased. Pass the id a second time, "
                "confirm=user_id, if you mean it: this cannot be undone."
            )
        ask = self._ask("DELETE", "user", (user_id,), None)
        self.clear_cache()
        try:
            self._session.send(ask, allow_redirects=False)
        finally:
            self.clear_cache()

    def clear_cache(self) -> None:
        """Empty this app's cache, and overwrite what was there.

        Warns
        -----
        CacheWarning
            When that cannot be done; it says which file to delete.
        """
        if self._cache is not None:
            self._cache.empty()

    def cache_info(self) -> CacheInfo:
        """Tell what this app's cache holds.

        Returns
        -------
        CacheInfo
            A named tuple: place (the file; None without a cache), entries, bytes, oldest (when the oldest entry was
            asked for, UTC), unreadable (entries that this client met and could not read) and problem (why this client
            goes on without the cache, or None).
        """
        from nucleus_pandas.api.cachefile import CacheInfo

        return CacheInfo() if self._cache is None else self._cache.info()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(app_id={self.app_id!r}, host={urlsplit(self._root).hostname!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A client holds a token and is not pickled. Make one where it is needed, with Client.from_env()."
        )

    def _ask(
        self, method: str, endpoint: Endpoint, segments: tuple[str, ...], params: Mapping[str, str | int] | None
    ) -> Ask:
        template = PATHS[endpoint]
        address = f"{self._root}/{_fill(template, segments)}"
        ask = Ask()
        ask.prepare(method, f"{self._root}/{template}", headers={ENDPOINT_HEADER: template}, auth=self._auth)
        ask.address = f"{address}?{urlencode(params)}" if params else address
        ask.endpoint = endpoint
        ask.asked = self.now()
        ask.lifetime = lifetime(endpoint, params, ask.asked) if method == "GET" else None
        return ask

    def _make_cache(self, cache: bool | str | os.PathLike[str]) -> CacheFile | None:
        if cache is False:
            return None
        # requests-cache takes longer to import than the rest of this library.
        from nucleus_pandas.api.cache import default_folder
        from nucleus_pandas.api.cachefile import CacheFile

        if cache is True:
            return CacheFile(default_folder(), self.app_id, self.now, own_folder=True)
        if not isinstance(cache, (str, os.PathLike)) or not os.fspath(cache):
            raise ConfigurationError(f"cache={cache!r} is not known; write True, False or the path of a folder.")
        return CacheFile(Path(cache).expanduser().absolute(), self.app_id, self.now)


class _Token(AuthBase):
    """Sets the header last, so that no ~/.netrc entry can take its place."""

    __slots__ = ("_token",)

    def __init__(self, token: str) -> None:
        if not isinstance(token, str):
            raise ConfigurationError(f"token is of type {type(token).__name__}; it must be text.")
        text = token.strip()
        if not text:
            raise ConfigurationError("token is empty. Copy it from the account's settings page.")
        if bad := re.search(r"[^\x21-\x7e]", text):
            raise ConfigurationError(
                f"token has a character that no token has, at position {bad.start() + 1} of {len(text)}: "
                "a space, a line break or a letter outside ASCII. Copy it once more."
            )
        self._token = text

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._token
        return request

    def __repr__(self) -> str:
        return "<token>"


def _make_session(transport: Transport, cache: CacheFile | None) -> requests.Session:
    if cache is None:
        session = requests.Session()
    else:
        from nucleus_pandas.api.cache import CachedSession

        session = CachedSession(cache)
    # Proxies and ~/.netrc from the environment would see or replace the token, even on loopback.
    session.trust_env = False
    for prefix in ("https://", "http://"):
        session.mount(prefix, NucleusAdapter(transport))
    return session


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigurationError(f"{name}={value!r} is not known; write {' or '.join(map(repr, choices))}.")


def _check_base_url(base_url: str, *, allow_http: bool) -> str:
    """Give the base URL without a slash at its end; the messages do not repeat it, it may hold a secret."""
    try:
        parts = urlsplit(base_url.strip())
        host = parts.hostname or ""
        _ = parts.port  # raises for a port that is no number
    except (ValueError, AttributeError):
        raise ConfigurationError("base_url is not a URL; write for example " + DEFAULT_BASE_URL) from None
    if parts.scheme not in ("https", "http") or not host:
        raise ConfigurationError(f"base_url must begin with https://host; write for example {DEFAULT_BASE_URL}")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            "base_url holds a user name, a query or a fragment. Write only scheme, host and path; the token "
            "is an argument of its own."
        )
    if parts.scheme == "http" and not (allow_http or _is_loopback(host)):
        raise ConfigurationError(
            f"base_url sends the token to {host} over plain http, where others can read it. Write https://, "
            "or set allow_http=True if you must."
        )
    return SplitResult(parts.scheme, parts.netloc, parts.path.rstrip("/"), "", "").geturl()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _segment(name: str, value: object) -> str:
    """Quote one path segment. The messages name the placeholder, never the value: it can be a person's id."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is of type {type(value).__name__}; it must be text.")
    if value in ("", ".", ".."):
        raise ValueError(f'{name} is empty or made of dots ("." or ".."), which no path can carry.')
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ValueError(f"{name} holds broken Unicode (half of a surrogate pair).") from None


def _fill(template: str, segments: tuple[str, ...]) -> str:
    values = iter(segments)
    parts = [_segment(part[1:], next(values)) if part.startswith(":") else part for part in template.split("/")]
    return "/".join(parts)


def _read_payload(response: requests.Response, endpoint: str) -> Any:
    payload = take_payload(response)
    if payload is None:
        payload = parse_json(response.content, endpoint=endpoint, allow_list=True)
    # What a wrong token gets is not documented; it may be a 200 that holds nothing but an error.
    if isinstance(payload, dict) and "error" in payload and not payload.keys() & {"data", "user"}:
        raise AuthenticationError(
            f"The service answered with an error in place of data (HTTP {response.status_code} at {endpoint}). Most "
            "likely it refused the token: check NUCLEUS_TOKEN and NUCLEUS_APP_ID, which must come from the same "
            "account.",
            status=response.status_code,
            endpoint=endpoint,
        )
    return payload
