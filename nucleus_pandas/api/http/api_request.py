"""One request of the Data API, with its address and its token, and the answer to it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import quote

import requests
from requests.auth import AuthBase

from nucleus_pandas.api.endpoints import PATHS, Endpoint
from nucleus_pandas.exceptions import ConfigurationError, UnaskableError

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "nucleus-pandas"}
# What the placeholders are called where they are passed.
_ARGUMENTS = {":event": "event", ":attr": "attribute", ":userId": "user_id", ":sessionId": "session_id"}


class Secret(str):
    """A text that repr does not show, and that nothing which holds it can be pickled or copied with."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<token>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "This holds a token and is not pickled. Make a client where it is needed, with Client.from_env()."
        )


class Token(AuthBase):
    """Sets the header last, so that no ~/.netrc entry can take its place."""

    __slots__ = ("_token",)

    def __init__(self, token: str) -> None:
        self._token = Secret(token)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token into the header of a request."""
        request.headers.update(self.header())
        return request

    def header(self) -> dict[str, str]:
        """Give the header that holds the token."""
        return {"Authorization": self._token}

    def __repr__(self) -> str:
        return "<token>"


def token_of(token: object) -> Token | ConfigurationError:
    """Check a token. An error is given back, not raised: this frame holds the token, and tracebacks show frames."""
    if not isinstance(token, str):
        return ConfigurationError(f"token is of type {type(token).__name__}; it must be text.")
    text = token.strip()
    if not text:
        return ConfigurationError("token is empty. Copy it from the account's settings page.")
    if bad := re.search(r"[^\x21-\x7e]", text):
        return ConfigurationError(
            f"token has a character that no token has, at position {bad.start() + 1} of {len(text)}: a space, a line "
            "break or a letter outside ASCII. Copy it once more."
        )
    return Token(text)


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
            url=f"{root}/{_fill(self.template, segments)}",
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


def segment(name: str, value: object) -> str:
    """Quote one path segment. The messages name the placeholder, never the value: it can be a person's id."""
    if not isinstance(value, str):
        raise UnaskableError(f"{name} is of type {type(value).__name__}; it must be text.")
    if value in ("", ".", ".."):
        raise UnaskableError(f'{name} is empty or made of dots ("." or ".."), which no path can carry.')
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise UnaskableError(f"{name} holds broken Unicode (half of a surrogate pair).") from None


def _fill(template: str, segments: tuple[str, ...]) -> str:
    """Put quoted segments in the places of a template, in order."""
    values = iter(segments)
    parts = [segment(_ARGUMENTS[part], next(values)) if part.startswith(":") else part for part in template.split("/")]
    return "/".join(parts)
