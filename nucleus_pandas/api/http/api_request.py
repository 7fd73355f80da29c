"""One request of the Data API, and its answer: what client, cache, transport and loaders pass to each other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from nucleus_pandas.api.endpoints import PATHS, Endpoint
from nucleus_pandas.api.http.addresses import fill
from nucleus_pandas.api.http.authorization import Token

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "nucleus-pandas"}


class ApiRequest(requests.PreparedRequest):
    """A request that is ready to be sent.

    Parameters
    ----------
    method : {"GET", "DELETE"}
    root : str
        The app's address, without a slash at its end.
    endpoint : str
        Key of `PATHS`.
    segments : tuple of str
        Values of the path's placeholders, in order.
    params : mapping
        The query.
    auth : Token
    asked : datetime
        The local time, just before the request is sent.
    """

    def __init__(
        self,
        method: str,
        root: str,
        endpoint: Endpoint,
        segments: tuple[str, ...] = (),
        params: Mapping[str, str | int] | None = None,
        *,
        auth: Token,
        asked: dt.datetime,
    ) -> None:
        super().__init__()
        self.endpoint = endpoint
        self.segments = segments
        self.params = params or {}
        self.asked = asked
        self.prepare(
            method=method,
            url=f"{root}/{fill(self.template, segments)}",
            params=self.params,
            headers=_HEADERS,
            auth=auth,
        )

    @property
    def template(self) -> str:
        """The path without anybody's id: the only name of the request in messages and logs."""
        return PATHS[self.endpoint]


@dataclass(frozen=True)
class Answer:
    """A whole answer: status 200, or any 2xx after DELETE.

    Attributes
    ----------
    payload : dict, list or None
        The parsed body; None after DELETE.
    as_of : datetime
        Until when its data are known: the service's ``Date``, to the second, or `ApiRequest.asked` if it sent none.
    dated : bool
        Whether the service sent a date.
    status : int
    body : bytes
        The body as it came, decompressed.
    attempts : int
        Number of requests that it took; 0 if the answer comes from the cache.
    already_gone : bool
        A DELETE whose answer was lost was repeated and found nothing; the status is then 204.
    """

    payload: Any = field(repr=False)
    as_of: dt.datetime
    dated: bool = True
    status: int = 200
    body: bytes = field(default=b"", repr=False)
    attempts: int = 1
    already_gone: bool = False
