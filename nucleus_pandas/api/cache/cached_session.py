"""requests-cache set up so that it can be trusted: its key, its storage, its serializer, and who may send."""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any, TypeVar

import platformdirs
import requests
import requests_cache
from requests_cache.backends.base import BaseCache, BaseStorage
from requests_cache.models.request import CachedRequest
from requests_cache.models.response import CachedResponse
from requests_cache.serializers import SerializerPipeline, Stage

from nucleus_pandas.api.cache.cache_file import CacheFile
from nucleus_pandas.api.cache.cache_policy import lifetime
from nucleus_pandas.api.http.adapter import Ask, known_until
from nucleus_pandas.api.http.decoding import read_json
from nucleus_pandas.api.parsing.shapes import is_whole
from nucleus_pandas.exceptions import NucleusError

#: Of what is stored, and so of the keys: another version neither finds nor reads the entries of this one.
VERSION = 2

T = TypeVar("T")


def default_folder() -> Path:
    """Where the system keeps caches for the user."""
    return Path(platformdirs.user_cache_dir("nucleus_pandas", appauthor=False))


class CachedSession(requests_cache.CachedSession):
    """requests-cache's session, over one file. Questions that must not be cached go past it."""

    def __init__(self, file: CacheFile) -> None:
        super().__init__(
            backend=FileCache(file),
            key_fn=make_key,
            # The file knows what has expired, by the client's clock; what it gives is good.
            expire_after=requests_cache.NEVER_EXPIRE,
            allowable_codes=(200,),
            allowable_methods=("GET",),
            ignored_parameters=(),
            cache_control=False,
            stale_if_error=False,
        )
        self.file = file

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:  # type: ignore[override]
        """Send, or bring up the answer to the same question."""
        if not isinstance(request, Ask) or not request.kept:
            return requests.Session.send(self, request, **settings)
        request.mark = self.file.mark()
        # With the era: what is under way when the file is emptied must not answer those who ask afterwards.
        flight = make_key(request) + request.mark.era.hex()
        return _FLIGHTS.share(flight, lambda: super(CachedSession, self).send(request, **settings))


def make_key(request: Ask, **_: Any) -> str:
    """Give the key of a question. Nothing in it is normalised, and the token is part of it."""
    token = hashlib.sha256(request.mark.salt + request.headers["Authorization"].encode()).hexdigest()
    # The address is base URL, app, path and query; neither it nor the method can hold a line break.
    text = f"{VERSION}\n{token}\n{request.method}\n{request.address}"
    return hashlib.sha256(text.encode()).hexdigest()


class FileCache(BaseCache):
    """requests-cache's view of a `CacheFile`."""

    def __init__(self, file: CacheFile) -> None:
        super().__init__(cache_name=str(file.path))
        self.responses: Answers = Answers(file)

    def save_response(
        self, response: requests.Response, cache_key: str | None = None, expires: dt.datetime | None = None
    ) -> None:
        """Keep an answer that is whole. Of the request, only its template is kept: no headers and no ids."""
        ask, payload = response.request, vars(response).get("payload")
        if cache_key and isinstance(ask, Ask) and ask.kept and is_whole(ask.endpoint, payload):
            as_of = known_until(response)
            # The service's clock decides whether the interval is settled; entries expire by the local clock.
            expires = ask.asked + lifetime(ask.endpoint, ask.params, as_of)
            self.responses.add(
                cache_key, _response(ask.endpoint, ask.asked, expires, as_of, response.content), era=ask.mark.era
            )

    def clear(self) -> None:
        """Empty the file."""
        self.responses.file.empty()


class Answers(BaseStorage):  # type: ignore[type-arg]  # its type variables are not exported
    """The entries of a file as the mapping that requests-cache works with."""

    def __init__(self, file: CacheFile) -> None:
        super().__init__(serializer=SerializerPipeline([Stage(None, _dumps, _loads)], name="json", is_binary=True))
        self.file = file

    def add(self, key: str, response: CachedResponse, *, era: bytes | None) -> None:
        """Keep an answer, unless the file was emptied since `era`."""
        expires = response.expires or response.created_at
        self.file.write(key, self.serialize(response), response.created_at, expires, era=era)

    def __getitem__(self, key: str) -> CachedResponse:
        value = self.file.read(key)
        if value is None:
            raise KeyError(key)
        response: CachedResponse | None = self.deserialize(key, value)
        if response is None:
            self.file.unreadable += 1
            raise KeyError(key)
        # An answer from the future was kept by another clock; nobody can say what is over by then.
        if not response.created_at <= self.file.now() < (response.expires or response.created_at):
            raise KeyError(key)
        response.expires = None  # requests-cache would compare it with the machine's clock
        return response

    def __setitem__(self, key: str, response: CachedResponse) -> None:
        self.add(key, response, era=None)

    def __delitem__(self, key: str) -> None:
        if not self.file.delete(key):
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.file.keys())

    def __len__(self) -> int:
        return self.file.info().entries

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _dumps(response: CachedResponse) -> bytes:
    """Two lines, each JSON: what is known of the answer, and the answer as it came."""
    about = {
        "version": VERSION,
        "endpoint": response.url,
        "asked": response.created_at.isoformat(),
        "expires": (response.expires or response.created_at).isoformat(),
        "as_of": response.as_of.isoformat(),  # type: ignore[attr-defined]
    }
    return json.dumps(about).encode() + b"\n" + response.content


def _loads(value: bytes) -> CachedResponse | None:
    """Read what `_dumps` wrote. None for anything else: an error would be logged, with parts of the text."""
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
    response = _response(about["endpoint"], asked, expires, as_of, body)
    response.payload = payload  # type: ignore[attr-defined]  # for take_payload
    return response


def _response(
    endpoint: str, asked: dt.datetime, expires: dt.datetime, as_of: dt.datetime, body: bytes
) -> CachedResponse:
    response = CachedResponse(
        content=body,
        created_at=asked,
        expires=expires,
        encoding="utf-8",
        reason="OK",
        request=CachedRequest(method="GET", url=endpoint),
        status_code=200,
        url=endpoint,
    )
    response.as_of = as_of  # type: ignore[attr-defined]  # for known_until
    return response


class _Flights:
    """Lets one thread do what several want done at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[str, Future[Any]] = {}

    def share(self, key: str, work: Callable[[], T]) -> T:
        """Do the work, or wait for the thread that is at it and take what comes of it: trouble of the service, too."""
        while True:
            with self._lock:
                flight = self._flights.get(key)
                if flight is None:
                    mine = self._flights[key] = Future()
                    break
            try:
                return flight.result()  # type: ignore[no-any-return]
            except CancelledError:
                continue  # the other thread was interrupted, which is no answer for this one
            except NucleusError as error:
                trouble = copy.copy(error)
            raise trouble
        try:
            result = work()
        except NucleusError as error:
            mine.set_exception(error)
            raise
        except BaseException:
            mine.cancel()
            raise
        else:
            mine.set_result(result)
            return result
        finally:
            with self._lock:
                del self._flights[key]


_FLIGHTS = _Flights()
