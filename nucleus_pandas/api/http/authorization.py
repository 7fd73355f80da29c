"""The token: checked, put into the header, and shown nowhere."""

from __future__ import annotations

import re
from typing import NoReturn

import requests
from requests.auth import AuthBase

from nucleus_pandas.exceptions import ConfigurationError


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
