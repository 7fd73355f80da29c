"""Addresses: a base URL that can be trusted with a token, and segments that cannot leave their place."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, quote, urlsplit

from nucleus_pandas.exceptions import ConfigurationError, UnaskableError

#: The service under its first name, and under the one it has had since; the Data API is the same.
NUCLEUS_URL = "https://app.nucleus.sh/api/v1"
ASTROLYTICS_URL = "https://app.astrolytics.io/api/v1"
# What the placeholders are called where they are passed.
_ARGUMENTS = {":event": "event", ":attr": "attribute", ":userId": "user_id", ":sessionId": "session_id"}


def check_base_url(base_url: str, *, allow_http: bool) -> str:
    """Give the base URL without a slash at its end; the messages do not repeat it, it may hold a secret."""
    try:
        parts = urlsplit(base_url.strip())
        host = parts.hostname or ""
        _ = parts.port  # raises for a port that is no number
    except (ValueError, AttributeError):
        raise ConfigurationError("base_url is not a URL; write for example " + NUCLEUS_URL) from None
    if parts.scheme not in ("https", "http") or not host:
        raise ConfigurationError(f"base_url must begin with https://host; write for example {NUCLEUS_URL}")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            "base_url holds a user name, a query or a fragment. Write only scheme, host and path; the token "
            "is an argument of its own."
        )
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise ConfigurationError(
            f"base_url sends the token to {host} over plain http, where others can read it. Write https://, "
            "or set allow_http=True if you must."
        )
    return SplitResult(parts.scheme, parts.netloc, parts.path.rstrip("/"), "", "").geturl()


def name_service(base_url: str) -> str:
    """Return what to call the service at an address."""
    host = urlsplit(base_url).hostname
    names = {urlsplit(NUCLEUS_URL).hostname: "Nucleus", urlsplit(ASTROLYTICS_URL).hostname: "Astrolytics"}
    return f"{names[host]} ({host})" if host in names else f"The service at {host}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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


def fill(template: str, segments: tuple[str, ...]) -> str:
    """Put quoted segments in the places of a template, in order."""
    values = iter(segments)
    parts = [segment(_ARGUMENTS[part], next(values)) if part.startswith(":") else part for part in template.split("/")]
    return "/".join(parts)
