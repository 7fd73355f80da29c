"""Who can reach a sandbox: the address it listens on, and the websites whose pages can send events to it."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from nucleus_pandas.api.http.addresses import is_loopback

#: IPv4 addresses with fewer than four numbers, such as 127.1.
_SHORT_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){0,2}")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+")


def checked_host(host: object) -> str:
    """Return an address to listen on in its usual spelling."""
    if not isinstance(host, str):
        raise TypeError(f"host must be a string, not {type(host).__name__}.")
    name = host.strip().lower()
    if not name:
        raise ValueError("host='' is not an address. Leave out the host for this machine only, or use 0.0.0.0 for all.")
    if _SHORT_ADDRESS.fullmatch(name):
        try:
            return socket.inet_ntoa(socket.inet_aton(name))
        except OSError:
            pass  # the system says what is wrong with it
    return name


def checked_origins(origins: object) -> tuple[str, ...]:
    """Return origins as browsers write them."""
    if isinstance(origins, str) or not isinstance(origins, Sequence):
        raise TypeError('allow_origins must be a list of strings, such as ["https://app.example"].')
    return tuple(map(_checked_origin, origins))


def _checked_origin(origin: object) -> str:
    text = origin.strip().lower().removesuffix("/") if isinstance(origin, str) else ""
    if text != "*" and not _ORIGIN.fullmatch(text):
        raise ValueError(
            f"allow_origins: {origin!r} is not an origin. Write scheme and host, such as https://app.example, or * "
            "for all websites."
        )
    default_port = {"http": ":80", "https": ":443"}.get(text.partition(":")[0], "")
    return text.removesuffix(default_port) if default_port else text


def may_send(origin: str, allowed: Sequence[str]) -> bool:
    """Whether the pages of an origin can send events: apps, files and this machine's pages can, websites if allowed.

    Browsers write ``null`` for files, and for what has no origin.
    """
    origin = origin.lower()
    if "*" in allowed or origin in allowed or origin == "null":
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https"):
        return bool(parts.scheme)  # file, or what an app made up for its own pages: app, tauri, capacitor
    host = parts.hostname or ""
    return is_loopback(host) or host.endswith(".localhost")
