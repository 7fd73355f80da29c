"""Gives a `requests.Session` the policy of `transport.Transport`."""

from __future__ import annotations

import datetime as dt
import http.client
import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import requests
import urllib3
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from nucleus_pandas.api.endpoints import Endpoint
from nucleus_pandas.api.http.http_dates import service_time
from nucleus_pandas.api.http.transport import Reply, Transport

#: Header in which a request tells the adapter its endpoint's template; it is not sent.
ENDPOINT_HEADER = "Nucleus-Endpoint"


class Ask(requests.PreparedRequest):
    """A question to the service. Sessions, caches and logs see its template; only the adapter sees where it goes.

    Attributes
    ----------
    url : str
        With placeholders: ``https://host/apps/5f3e/users/:userId``.
    address : str
        What is sent. Not normalised, as requests does it: two ids that differ only in their spelling stay two.
    endpoint : str
        The name of the endpoint.
    params : mapping
        The query.
    asked : datetime
        Just before it is sent, by the local clock.
    kept : bool
        Whether the answer may be taken from the cache, and kept there.
    mark : cachefile.Mark or None
        The state of the cache when it was asked.
    """

    address: str
    endpoint: Endpoint
    asked: dt.datetime
    params: Mapping[str, str | int] = MappingProxyType({})
    kept: bool = False
    mark: Any = None


def known_until(response: requests.Response) -> dt.datetime:
    """Until when the data of an answer are known: by the service's clock, or the local one if it sent no date."""
    request = response.request
    if isinstance(request, Ask):
        return service_time(response.headers) or request.asked
    return response.as_of  # type: ignore[attr-defined,no-any-return]  # from the cache's storage, see cache.py


def take_payload(response: requests.Response) -> Any:
    """Give the body as it was parsed on arrival, to the first who asks; None to others, who could change it."""
    return vars(response).pop("payload", None)


class NucleusAdapter(BaseAdapter):
    """Sends what a session prepared.

    What the session passes as ``timeout``, ``verify``, ``cert`` and ``proxies`` comes from the environment as
    likely as from the caller, so it is not looked at: these are settings of the transport.
    """

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self.transport = transport

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send, and return a response whose body is there already."""
        reply = self.transport.send(
            request.method or "",
            request.address if isinstance(request, Ask) else request.url or "",
            headers=_headers(request),
            endpoint=request.headers.get(ENDPOINT_HEADER, "unnamed"),
        )
        return _as_response(reply, request, self)

    def close(self) -> None:
        """Close the transport."""
        self.transport.close()


def _headers(request: requests.PreparedRequest) -> dict[str, str]:
    return {
        _text(name): _text(value) for name, value in request.headers.items() if name.lower() != ENDPOINT_HEADER.lower()
    }


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _as_response(reply: Reply, request: requests.PreparedRequest, adapter: NucleusAdapter) -> requests.Response:
    response = requests.Response()
    response.status_code = reply.status
    response.reason = "Already gone" if reply.already_gone else http.client.responses.get(reply.status, "")
    response.headers = CaseInsensitiveDict(reply.headers)
    response.encoding = "utf-8"
    response.url = request.url or ""
    response.request = request
    response.connection = adapter  # type: ignore[assignment]  # any adapter will do
    response.payload = reply.payload  # type: ignore[attr-defined]
    response._content = reply.body
    response._content_consumed = True  # type: ignore[attr-defined]  # missing in the stubs
    response.raw = urllib3.HTTPResponse(
        io.BytesIO(), reply.headers, reply.status, reason=response.reason, version=11, preload_content=False
    )
    response.raw.close()  # a closed one has no cookies to take, and requests-cache leaves it alone
    return response
