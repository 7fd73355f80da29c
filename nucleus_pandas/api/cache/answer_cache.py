"""requests-cache set up so that it can be trusted: its key, its file, its clock, and who may send."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import platformdirs
import requests
import requests_cache
import urllib3
from requests.adapters import BaseAdapter
from requests_cache.backends.base import BaseCache
from requests_cache.models.request import CachedRequest
from requests_cache.models.response import CachedResponse, OriginalResponse

from nucleus_pandas.api.cache.cache_file import CacheFile
from nucleus_pandas.api.endpoints import Endpoint
from nucleus_pandas.api.http.api_request import Answer, ApiRequest
from nucleus_pandas.api.http.decoding import read_json
from nucleus_pandas.api.http.transport import Transport
from nucleus_pandas.api.parsing.shapes import is_whole
from nucleus_pandas.core.units import SETTLING_TIME

#: Of what is stored, and so of the keys: another version neither finds nor reads the entries of this one.
VERSION = 2

# How long answers are kept.
QUICK_GLANCE = dt.timedelta(seconds=60)
PEOPLE = dt.timedelta(minutes=10)
OPEN_WINDOW = dt.timedelta(minutes=5)
CLOSED_WINDOW = dt.timedelta(hours=24)


# None: depends on the interval. The live endpoints are missing, as their answers are never kept.
_KEPT: dict[Endpoint, dt.timedelta | None] = {
    "quick_glance": QUICK_GLANCE,
    "daily": None,
    "events": None,
    "errors": None,
    "event_properties": None,
    "attribute": None,
    "users": PEOPLE,
    "user": PEOPLE,
    # A session may still be running.
    "session_events": PEOPLE,
}


def default_folder() -> Path:
    """Where the system keeps caches for the user."""
    return Path(platformdirs.user_cache_dir("nucleus_pandas", appauthor=False))


class AnswerCache:
    """Sends requests as `Transport` does, but takes answers from a file if it has them, and keeps those that are whole.

    Equal requests at the same time are sent one after the other, so that the first one's answer serves the rest.
    """

    def __init__(self, file: CacheFile, transport: Transport) -> None:
        self.file = file
        self._transport = transport
        self._session = requests_cache.CachedSession(
            backend=_Backend(file),
            key_fn=self._key,
            # The file knows what has expired, by the client's clock; what it gives is good.
            expire_after=requests_cache.NEVER_EXPIRE,
            allowable_codes=(200,),
            allowable_methods=("GET",),
            ignored_parameters=(),
            cache_control=False,
            stale_if_error=False,
        )
        # Neither proxies nor ~/.netrc nor cookies are any business of the session.
        self._session.trust_env = False
        for prefix in ("https://", "http://"):
            self._session.mount(prefix, _Adapter(transport))

    def send(self, request: ApiRequest) -> Answer:
        """Return the answer to a request, from the file or from the service."""
        if request.endpoint not in _KEPT:
            return self._transport.send(request)
        with _lock_of(self._key(request)):
            response: Any = self._session.send(request, allow_redirects=False)
        answer: Answer = response.answer
        return answer

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def _key(self, request: requests.PreparedRequest, **_: Any) -> str:
        """Return the key of a request: nothing in it is normalised, and the token is part of it."""
        generation = self.file.generation()
        token = hashlib.sha256(generation + request.headers["Authorization"].encode()).hexdigest()
        # Neither the method nor the address, which holds base URL, app, path and query, can contain a line break.
        text = f"{VERSION}\n{token}\n{request.method}\n{request.url}"
        return generation.hex() + hashlib.sha256(text.encode()).hexdigest()


#: Locks by key, for all clients of this process.
_LOCKS: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
_GUARD = threading.Lock()


def _lock_of(key: str) -> threading.Lock:
    with _GUARD:
        return _LOCKS.setdefault(key, threading.Lock())


class _Fresh(OriginalResponse):
    """An answer of the service, as requests-cache passes it on."""

    def __init__(self, answer: Answer, request: requests.PreparedRequest) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.answer = answer
        self.request = request
        self.status_code = answer.status
        self._content = answer.body
        self.raw = urllib3.HTTPResponse(status=answer.status)  # has no cookies to take


class _Kept(CachedResponse):
    """An answer from the file, as requests-cache passes it on; its request, with address and token, was not kept."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(content=answer.body, status_code=answer.status, request=CachedRequest(method="GET"))
        self.answer = answer


class _Adapter(BaseAdapter):
    """Lets a session send through a transport, whose settings count, not those that the session passes."""

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self._transport = transport

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        assert isinstance(request, ApiRequest)  # noqa: S101 - `AnswerCache.send` sends nothing else
        return _Fresh(self._transport.send(request), request)

    def close(self) -> None:
        """Leave the transport open: it is the client's."""


class _Backend(BaseCache):
    """requests-cache's view of a `CacheFile`."""

    def __init__(self, file: CacheFile) -> None:
        super().__init__(cache_name=str(file.path))
        self._file = file

    def get_response(self, key: str, default: Any = None) -> Any:
        value = self._file.read(key)
        if value is None:
            return default
        entry = _loads(value)
        if entry is None:
            self._file.unreadable += 1
            return default
        asked, expires, answer = entry
        # An answer from the future was kept by another clock; nobody can say what is over by then.
        return _Kept(answer) if asked <= self._file.now() < expires else default

    def save_response(
        self, response: requests.Response, cache_key: str | None = None, expires: dt.datetime | None = None
    ) -> None:
        """Keep an answer that is whole. Of the request, only its endpoint is kept: no headers and no ids."""
        request = response.request
        if not (cache_key and isinstance(response, _Fresh) and isinstance(request, ApiRequest)):
            return
        answer = response.answer
        if is_whole(request.endpoint, answer.payload):
            # The service's clock decides whether the interval is settled; entries expire by the local clock.
            expires = request.asked + _lifetime(request.endpoint, request.params, answer.as_of)
            value = _dumps(request.endpoint, request.asked, expires, answer)
            self._file.write(cache_key, value, request.asked, expires)


def _dumps(endpoint: str, asked: dt.datetime, expires: dt.datetime, answer: Answer) -> bytes:
    """Two lines, each JSON: what is known of the answer, and the answer as it came."""
    about = {
        "version": VERSION,
        "endpoint": endpoint,
        "asked": asked.isoformat(),
        "expires": expires.isoformat(),
        "as_of": answer.as_of.isoformat(),
    }
    return json.dumps(about).encode() + b"\n" + answer.body


def _loads(value: bytes) -> tuple[dt.datetime, dt.datetime, Answer] | None:
    """Read what `_dumps` wrote; None for anything else, as somebody may have changed the file."""
    head, _, body = value.partition(b"\n")
    about, _flaw = read_json(head, allow_list=False)
    payload, _flaw = read_json(body, allow_list=False)
    if about is None or about.get("version") != VERSION or not is_whole(about.get("endpoint"), payload):
        return None
    try:
        asked, expires, as_of = (dt.datetime.fromisoformat(about[name]) for name in ("asked", "expires", "as_of"))
    except (KeyError, TypeError, ValueError):
        return None
    if None in (asked.tzinfo, expires.tzinfo, as_of.tzinfo):
        return None
    return asked, expires, Answer(payload, as_of, body=body, attempts=0)


def _lifetime(endpoint: Endpoint, params: Mapping[str, str | int] | None, as_of: dt.datetime) -> dt.timedelta:
    """How long an answer whose data are known until `as_of` is used again."""
    if (fixed := _KEPT[endpoint]) is not None:
        return fixed
    end = (params or {}).get("end")
    settled = isinstance(end, int) and end <= (as_of - SETTLING_TIME).timestamp()
    return CLOSED_WINDOW if settled else OPEN_WINDOW
