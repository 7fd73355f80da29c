"""Where the service is: a base URL that can be trusted with a token."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

import requests

from nucleus_pandas.exceptions import ConfigurationError

#: The service under its first name, and under the one it has had since; the Data API is the same.
NUCLEUS_URL = "https://app.nucleus.sh/api/v1"
ASTROLYTICS_URL = "https://app.astrolytics.io/api/v1"


def check_base_url(base_url: str, *, allow_http: bool) -> str:
    """Give the base URL without a slash at its end; the messages do not repeat it, it may hold a secret."""
    try:
        parts = urlsplit(base_url.strip())
        host = parts.hostname or ""
        _ = parts.port  # raises for a port that is no number
        if host:
            requests.Request("GET", base_url).prepare()  # its errors quote the address, so that a later one would, too
    except (ValueError, AttributeError):  # requests' InvalidURL is a ValueError
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
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
