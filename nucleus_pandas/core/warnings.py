"""Warnings that point at the line of the user's code that led to them."""

from __future__ import annotations

import sys
import warnings

from nucleus_pandas.exceptions import IncompleteDataWarning

# The packages whose frames are skipped: this one, and those that run between two frames of it while a request is sent.
_INNER = {"nucleus_pandas", "requests", "requests_cache", "collections", "_collections_abc"}


def warn_incomplete(message: str) -> None:
    """Warn with `IncompleteDataWarning`."""
    warn(message, IncompleteDataWarning)


def warn(message: str, category: type[Warning]) -> None:
    """Warn, pointing at the line outside these packages that led here."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _INNER:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
