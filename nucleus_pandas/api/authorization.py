"""The token: checked, put into the header, and shown nowhere."""

from __future__ import annotations

import re

import requests
from requests.auth import AuthBase

from nucleus_pandas.exceptions import ConfigurationError


class Token(AuthBase):
    """Sets the header last, so that no ~/.netrc entry can take its place."""

    __slots__ = ("_token",)

    def __init__(self, token: str) -> None:
        self._token = token

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
