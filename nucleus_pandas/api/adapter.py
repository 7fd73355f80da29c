"""Gives a `requests.Session` the policy of `transport.Transport`."""

from __future__ import annotations

import http.client
import io
from typing import Any

import requests
import urllib3
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from nucleus_pandas.api.transport import Reply, Transport

#: Header in which a request tells the adapter its endpoint's template; it is not sent.
ENDPOINT_HEADER = "Nucleus-Endpoint"


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
            request.url or "",
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
    response._content = reply.body
    response._content_consumed = True  # type: ignore[attr-defined]  # missing in the stubs
    response.raw = urllib3.HTTPResponse(
        io.BytesIO(), reply.headers, reply.status, reason=response.reason, version=11, preload_content=False
    )
    response.raw.close()  # a closed one has no cookies to take, and requests-cache leaves it alone
    return response
