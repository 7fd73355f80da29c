"""Lengths of time as people write them.

pandas reads them too, but differs between its versions in what a letter means: ``"7d"`` is deprecated in pandas 3.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import numpy as np
import pandas as pd

from nucleus_pandas.core.text import shown
from nucleus_pandas.core.units import DAY, SECOND

#: What stands for a length of time.
Duration = str | dt.timedelta | np.timedelta64

_UNITS = {
    **dict.fromkeys(["w", "W", "week", "weeks"], 7 * DAY),
    **dict.fromkeys(["d", "D", "day", "days"], DAY),
    **dict.fromkeys(["h", "H", "hour", "hours"], 3600 * SECOND),
    **dict.fromkeys(["min", "minute", "minutes"], 60 * SECOND),
    **dict.fromkeys(["s", "second", "seconds"], SECOND),
    "ms": 1000,
}
_PART = re.compile(r"\s*(\d{1,12}(?:\.\d{1,9})?)\s*([a-zA-Z]+)", re.ASCII)
_WHOLE = re.compile(rf"(?:{_PART.pattern})+\s*", re.ASCII)
_LONGEST = 100 * 366 * _UNITS["d"]


def read_duration(name: str, value: object, forms: str, *, zero: bool = False) -> int:
    """Give a length of time in microseconds; `name` is the argument's and `forms` what can be written, for errors.

    `zero` lets it be nothing.
    """
    if isinstance(value, str):
        length = _read(value)
    elif isinstance(value, dt.timedelta | np.timedelta64):
        length = _measure(value)
    else:
        raise TypeError(f"{name} is of type {type(value).__name__}; {forms}")
    if length is None:
        raise ValueError(f"{name}={shown(value)} is no duration; {forms}")
    if not (0 if zero else 1) <= length <= _LONGEST:
        raise ValueError(f"{name}={shown(value)} must be greater than zero and at most 100 years; {forms}")
    return length


def spell_duration(length: int) -> str:
    """Write microseconds as `read_duration` reads them, in the largest unit of which they are a whole number."""
    for unit in ("d", "h", "min", "s", "ms"):
        if length % _UNITS[unit] == 0:
            return f"{length // _UNITS[unit]}{unit}"
    return f"{length / _UNITS['ms']}ms"


def _read(text: str) -> int | None:
    parts = _PART.findall(text) if _WHOLE.fullmatch(text) else []
    if not parts or any(unit not in _UNITS for _, unit in parts):
        return None
    return int(sum(Decimal(number) * _UNITS[unit] for number, unit in parts))


def _measure(value: dt.timedelta | np.timedelta64) -> int | None:
    try:
        length = pd.Timedelta(value)
    except (ValueError, OverflowError):
        return None
    return None if pd.isna(length) else length // pd.Timedelta(1, "us")
