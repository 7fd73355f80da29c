"""`Client`: the settings, the token and the addresses of one app of the Data API."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self
from urllib.parse import urlsplit

from nucleus_pandas.api.endpoints import Endpoint
from nucleus_pandas.api.erasure_answers import lists_user, not_confirmed, shows_user, wrong_kind_of_id
from nucleus_pandas.api.http.addresses import NUCLEUS_URL, check_base_url
from nucleus_pandas.api.http.api_request import Answer, ApiRequest, Token, segment, token_of
from nucleus_pandas.api.http.transport import Transport
from nucleus_pandas.api.windows import Sign
from nucleus_pandas.core.checks import check_choice
from nucleus_pandas.core.files import full_path
from nucleus_pandas.core.instants import Zone, parse_zone
from nucleus_pandas.exceptions import (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    NucleusError,
    PayloadError,
)

if TYPE_CHECKING:
    from nucleus_pandas.api.cache.answer_cache import AnswerCache
    from nucleus_pandas.api.cache.cache_file import CacheInfo

UserPath = Literal["user_id", "_id"]

_ENVIRONMENT = {
    "NUCLEUS_APP_ID": "the app's id, as its settings page shows it",
    "NUCLEUS_TOKEN": "the API token of the account",
}


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
        Where the API lives: `nucleus_pandas.NUCLEUS_URL`, `nucleus_pandas.ASTROLYTICS_URL`, or another address, with
        https unless the host is this machine or `allow_http` is set. Use the one that your account is at.
    tz : str, int or tzinfo
        The zone that loaders use when they are given none: an IANA name, an offset such as ``"+05:45"``,
        or minutes east.
    utc_offset_sign : {"east", "west"}
        Whether the service counts ``utcOffset`` positive to the east of Greenwich or to the west. The
        reference does not say; with the wrong sign, days begin at the wrong hour. `doctor` finds it out.
    user_path : {"user_id", "_id"}
        Which id the service expects in the path of a user: the app's own or the service's. The reference
        does not say; `doctor` finds it out. Users without an id of the app's go by the service's either way.
    cache : bool or path
        Keep answers in a file in this account's cache folder (True), in the folder at a path, or not at all (False);
        see Notes.
    max_workers : int
        How many requests are under way at once, at most.
    requests_per_second : float or None
        How many requests are sent in a second, at most, by all threads together; None for no limit. Half as many
        for a while after the service asked for fewer.
    timeout : tuple of float
        Seconds to wait for a connection, and for the next bytes of an answer.
    deadline : float
        Seconds for a call as a whole, with up to five attempts and the waits between them.
    max_wire_bytes, max_body_bytes : int
        The largest answer, as it is sent and unpacked.
    proxies : mapping, optional
        ``{"https": "http://proxy:8080"}``. Those of the environment are not used: they would see the token.
    verify : bool or str
        Check the service's certificate against the usual authorities, not at all, or against those in the file at
        this path.
    allow_http : bool
        Send the token over plain http to another machine. Anybody on the way can then read it.
    transport : Transport, optional
        What sends the requests, in place of one that is made of the settings from `timeout` to `verify`; for tests.
        The client closes it.

    Raises
    ------
    ValueError
        For a setting that cannot be right, most of them as `ConfigurationError`; nothing is sent.

    Warns
    -----
    CacheWarning
        When the cache cannot be used, because it is held by another program, damaged, read-only or full. Loaders go
        on without it, or with a fresh one; a client warns of this once.

    Notes
    -----
    The cache keeps whole answers only: those for intervals that ended more than 48 hours ago for 24 hours, others
    for 5 minutes, users, sessions and their events for 10 minutes, the quick glance for a minute, and what
    is live not at all. `complete` and `settled` are as of the moment at which the service answered, by its own clock
    where it sends one, so that a wrong clock on this machine does no harm.

    It finds an answer by the token, the address and the query as they are sent, all three hashed, and holds neither
    tokens nor headers nor addresses. The answers themselves do hold what your app sends about people. Each app has a
    file, of 500 MB at most, that only your account can read (folder 0700, file 0600). `delete_user` and `clear_cache`
    empty it, and overwrite what was there.

    Examples
    --------
    >>> nu.Client("5f3e", "a-token", tz="Europe/Paris")
    Client(app_id='5f3e', host='app.nucleus.sh')
    """

    def __init__(
        self,
        app_id: str,
        token: str | Token,
        *,
        base_url: str = NUCLEUS_URL,
        tz: Zone = "UTC",
        utc_offset_sign: Sign = "east",
        user_path: UserPath = "user_id",
        cache: bool | str | os.PathLike[str] = True,
        max_workers: int = 4,
        requests_per_second: float | None = 5,
        timeout: tuple[float, float] = (5, 30),
        deadline: float = 120,
        max_wire_bytes: int = 32 * 2**20,
        max_body_bytes: int = 256 * 2**20,
        proxies: Mapping[str, str] | None = None,
        verify: bool | str = True,
        allow_http: bool = False,
        transport: Transport | None = None,
    ) -> None:
        auth = token if isinstance(token, Token) else token_of(token)
        del token  # a traceback that shows variables must not show this one
        if isinstance(auth, ConfigurationError):
            raise auth
        check_choice("utc_offset_sign", utc_offset_sign, ("east", "west"), ConfigurationError)
        check_choice("user_path", user_path, ("user_id", "_id"), ConfigurationError)
        check_choice("allow_http", allow_http, (True, False), ConfigurationError)
        _check_timeout(timeout)
        if not isinstance(max_workers, int) or max_workers < 1:
            raise ConfigurationError(f"max_workers={max_workers!r} must be a whole number from 1 up.")
        parse_zone(tz)
        self.base_url = check_base_url(base_url, allow_http=allow_http)
        self._root = f"{self.base_url}/apps/{segment('app_id', app_id)}"
        self.app_id = app_id
        self.tz = tz
        self.utc_offset_sign: Sign = utc_offset_sign
        self.user_path: UserPath = user_path
        self.max_workers = max_workers
        self._auth = auth
        settings: dict[str, Any] = {
            "timeout": timeout,
            "deadline": deadline,
            "max_workers": max_workers,
            "requests_per_second": requests_per_second,
            "max_wire_bytes": max_wire_bytes,
            "max_body_bytes": max_body_bytes,
            "proxies": proxies,
            "verify": verify,
        }
        self._transport = Transport(**settings) if transport is None else _check_transport(transport, settings)
        self._cache = self._make_cache(cache)

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """Make a client from the environment.

        ``NUCLEUS_APP_ID`` and ``NUCLEUS_TOKEN`` are needed; ``NUCLEUS_BASE_URL``, ``NUCLEUS_UTC_OFFSET_SIGN`` and
        ``NUCLEUS_USER_PATH`` are used when they are set.

        Parameters
        ----------
        **settings
            The keyword arguments of `Client`, which win over the environment.

        Raises
        ------
        ConfigurationError
            When a variable is missing; the message says how to set it.
        """
        for name, meaning in _ENVIRONMENT.items():
            if not os.environ.get(name, "").strip():
                raise ConfigurationError(
                    f"The environment variable {name} is not set; it holds {meaning}. In a shell write "
                    f'export {name}="..." (Windows: setx {name} "..." and open a new window) before Jupyter '
                    "or Python is started. To try the library without an account, use "
                    "nucleus_pandas.demo_client()."
                )
        for name in ("base_url", "utc_offset_sign", "user_path"):
            if value := os.environ.get(f"NUCLEUS_{name.upper()}", "").strip():
                settings.setdefault(name, value)
        token = token_of(os.environ["NUCLEUS_TOKEN"])
        if isinstance(token, ConfigurationError):
            raise token
        return cls(os.environ["NUCLEUS_APP_ID"].strip(), token, **settings)

    def now(self) -> dt.datetime:
        """Give the present instant, in UTC; whatever depends on the clock asks here."""
        return dt.datetime.now(dt.UTC)

    @property
    def rate(self) -> float:
        """How many requests a second are sent at present, at most; infinity for no limit."""
        return self._transport.rate

    def get(
        self,
        endpoint: Endpoint,
        *segments: str,
        params: Mapping[str, str | int] | None = None,
        cached: bool = True,
    ) -> Answer:
        """Ask one endpoint.

        Parameters
        ----------
        endpoint : str
            A name from `nucleus_pandas.api.endpoints.PATHS`.
        *segments : str
            What its placeholders are filled with, in order.
        params : mapping, optional
            The query.
        cached : bool
            Take the answer from the cache if it is there. If False, the service is asked in any case.

        Returns
        -------
        Answer
            The parsed JSON, and the instant until which its data are known: a while ago, if the answer comes from the
            cache.

        Raises
        ------
        ValueError
            For a segment that cannot stand in a path, such as ``""`` or ``".."``; nothing is sent.
        NucleusError
            For everything that can go wrong on the way; see `nucleus_pandas.exceptions`.
        """
        request = self._request("GET", endpoint, segments, params)
        sender = self._cache if cached and self._cache is not None else self._transport
        answer = sender.send(request)
        _check_no_error(answer, request.template)
        return answer

    def service_date(self) -> dt.datetime | None:
        """Give what the service takes for the present, to the second; None if it sends no date."""
        answer = self._transport.send(self._request("GET", "quick_glance"))
        return answer.as_of if answer.dated else None

    def delete_user(self, user_id: str, *, confirm: str) -> None:
        """Erase a user and all their data at the service, for good, and empty this app's cache.

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
            When the service does not know the user, for example because they were erased before.
        ServiceError
            When the service reports success but does not confirm it, and when it answers 404 although its list of users
            holds the user.
        NucleusError
            For everything else that can go wrong. Whether the user was erased is then unknown: call again.

        Warns
        -----
        CacheWarning
            When the cache could not be emptied; it says which file to delete.

        Notes
        -----
        Source: ``DELETE users/:userId``. A user counts as erased after HTTP 204. After another success (200, 202) the
        service must also answer 404 when asked for the user, past the cache. If that answer does not settle it, a
        complete list of users must not hold them.

        The cache is emptied before and after the request, whether or not it succeeds. Other copies are not touched:
        frames, stores, exports, another cache folder. See `forget_user` for a store.
        """
        if user_id != confirm:
            raise ValueError(
                "confirm is not the same as user_id, so nobody was erased. Pass the id a second time, "
                "confirm=user_id, if you mean it: this cannot be undone."
            )
        request = self._request("DELETE", "user", (user_id,))
        self.clear_cache()
        try:
            problem = self._erase(request, user_id)
        finally:
            self.clear_cache()
        if problem is not None:  # raised out here, so that it has no context whose frames hold the token
            raise problem

    def _erase(self, request: ApiRequest, user_id: str) -> NucleusError | None:
        """Send the request, and give the reason why the user does not count as erased, if there is one."""
        try:
            answer = self._transport.send(request)
        except NotFoundError as unknown:
            return wrong_kind_of_id() if self._lists_user(user_id) else unknown
        if answer.status == 204 and not answer.already_gone:
            return None
        there = self._has_user(user_id)
        if there is None:
            there = self._lists_user(user_id)
        if there is False:
            return None
        return not_confirmed(404 if answer.already_gone else answer.status, there=there is True)

    def _has_user(self, user_id: str) -> bool | None:
        try:
            return shows_user(self.get("user", user_id, cached=False).payload, user_id)
        except NotFoundError:
            return False
        except NucleusError:
            return None

    def _lists_user(self, user_id: str) -> bool | None:
        try:
            return lists_user(self.get("users", cached=False).payload, user_id)
        except NucleusError:
            return None

    def clear_cache(self) -> None:
        """Empty this app's cache, and overwrite what was there.

        Warns
        -----
        CacheWarning
            When that cannot be done; it says which file to delete.
        """
        if self._cache is not None:
            self._cache.file.empty()

    def cache_info(self) -> CacheInfo:
        """Return what this app's cache holds.

        Returns
        -------
        CacheInfo
            A named tuple: place (the file; None without a cache), entries, bytes, oldest (when the oldest entry was
            asked for, UTC), unreadable (entries that this client met and could not read) and problem (why this client
            goes on without the cache, or None).
        """
        from nucleus_pandas.api.cache.cache_file import CacheInfo

        return CacheInfo() if self._cache is None else self._cache.file.info()

    def give_up(self, threads: Iterable[int]) -> None:
        """End the calls that these threads (by `threading.get_ident`) are making; later calls are not touched."""
        self._transport.give_up(list(threads))

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
        if self._cache is not None:
            self._cache.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        made = vars(self)  # a traceback may show a client whose settings were refused
        return (
            f"{type(self).__name__}(app_id={made.get('app_id')!r}, host={urlsplit(made.get('_root', '')).hostname!r})"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A client holds a token and is not pickled. Make one where it is needed, with Client.from_env()."
        )

    def _request(
        self,
        method: str,
        endpoint: Endpoint,
        segments: tuple[str, ...] = (),
        params: Mapping[str, str | int] | None = None,
    ) -> ApiRequest:
        return ApiRequest(method, self._root, endpoint, segments, params, auth=self._auth, asked=self.now())

    def _make_cache(self, cache: bool | str | os.PathLike[str]) -> AnswerCache | None:
        if cache is False:
            return None
        # requests-cache takes longer to import than the rest of this library.
        from nucleus_pandas.api.cache.answer_cache import AnswerCache, default_folder
        from nucleus_pandas.api.cache.cache_file import CacheFile

        if cache is True:
            file = CacheFile(default_folder(), self.app_id, self.now, own_folder=True)
        elif isinstance(cache, (str, os.PathLike)) and os.fspath(cache):
            file = CacheFile(full_path("cache", cache), self.app_id, self.now)
        else:
            raise ConfigurationError(f"cache={cache!r} is not known; write True, False or the path of a folder.")
        return AnswerCache(file, self._transport)


def check_client(client: object) -> Client:
    """Give back the client, or say what to pass in its place."""
    if not isinstance(client, Client):
        hint = ", with its parentheses," if callable(client) else ""
        raise TypeError(
            f"client is of type {type(client).__name__}; pass what demo_client(){hint} or Client.from_env() gives."
        )
    return client


def _check_transport(transport: Transport, settings: Mapping[str, object]) -> Transport:
    """Give back a transport, unless settings were passed that it would not follow."""
    defaults = Client.__init__.__kwdefaults__ or {}
    if ignored := [name for name, value in settings.items() if name != "max_workers" and value != defaults[name]]:
        raise ConfigurationError(f"With transport=, pass these settings to Transport instead: {', '.join(ignored)}.")
    return transport


def _check_timeout(timeout: object) -> None:
    numbers = isinstance(timeout, tuple) and all(type(value) in (int, float) and value > 0 for value in timeout)
    if not numbers or len(timeout) != 2:  # type: ignore[arg-type]  # a tuple by now
        raise ConfigurationError(
            f"timeout={timeout!r} must be two numbers of seconds, to connect and between bytes, such as (5, 30)."
        )


def _check_no_error(answer: Answer, template: str) -> None:
    """Raise for an error in place of data, or beside them."""
    payload = answer.payload
    if not isinstance(payload, dict) or not payload.get("error"):
        return
    # What a wrong token gets is not documented; it may be a 200 that holds nothing but an error.
    if payload.get("data") is None and payload.get("user") is None:
        raise AuthenticationError(
            f"The service answered with an error in place of data (HTTP {answer.status} at {template}). If other "
            "requests are answered, the error concerns this one only; if not, check NUCLEUS_TOKEN and NUCLEUS_APP_ID, "
            "which must come from the same account.",
            status=answer.status,
            endpoint=template,
        )
    raise PayloadError(
        f"The service answered with an error beside the data (HTTP {answer.status} at {template}), so part of them may "
        "be missing. Try again later.",
        status=answer.status,
        endpoint=template,
    )
