"""One spelling for each platform: the tracking clients have several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from nucleus_pandas.api.parsing.values import Losses, text_column
from nucleus_pandas.core.dtypes import TEXT

# What Node.js, Python, Electron and browsers call a platform, in lower case.
_SPELLINGS = {
    "win": ("win", "win32", "windows", "windows_nt"),
    "mac": ("mac", "macos", "mac os", "mac os x", "darwin", "osx"),
    "linux": ("linux", "ubuntu", "debian", "fedora"),
    "ios": ("ios", "ipados"),
    "android": ("android",),
}
_PLATFORMS = {spelling: platform for platform, spellings in _SPELLINGS.items() for spelling in spellings}


def platform_name(reported: str) -> str:
    """Return win, mac, linux, ios or android; a platform that is none of these keeps its spelling."""
    return _PLATFORMS.get(reported.strip().casefold(), reported)


def platform_columns(values: Iterable[Any], losses: Losses) -> dict[str, Any]:
    """The columns platform and, as reported, platform_raw."""
    raw = text_column(values, losses)
    codes, reported = pd.factorize(raw)
    names = pd.array([platform_name(text) for text in reported], dtype=TEXT)
    return {"platform": names.take(codes, allow_fill=True), "platform_raw": raw}
