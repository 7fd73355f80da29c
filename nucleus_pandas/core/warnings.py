"""Warnings that point at the line outside this package that led to them."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from nucleus_pandas.exceptions import IncompleteDataWarning

_PACKAGE = str(Path(__file__).parents[1])


def warn_incomplete(message: str) -> None:
    """Warn with `IncompleteDataWarning`."""
    warn(message, IncompleteDataWarning)


def warn(message: str, category: type[Warning]) -> None:
    """Warn, pointing at the line outside this package that led here."""
    frame, level = sys._getframe(1), 2
    while frame.f_code.co_filename.startswith(_PACKAGE) and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
