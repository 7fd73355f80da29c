"""From the values of an answer to typed columns, the same on every pandas and whatever came."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.core.dtypes import COUNT, DAY, FLAG, INSTANT, NUMBER, TEXT
from nucleus_pandas.core.text import worded
from nucleus_pandas.core.warnings import warn_incomplete

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Control characters but tab and line ends, and halves of surrogate pairs: neither files nor fonts take them.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_INT64 = range(-(2**63), 2**63)
# JavaScript counts no further without error; and sums and differences of such counts stay within Int64.
_COUNTS = range(-(2**53), 2**53 + 1)
# pandas also reads "now", years alone, and years that no datetime has.
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FIRST, _LAST = (
    pd.Timestamp(moment).as_unit("us")
    for moment in (dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC))
)

# What Node.js, Python, Electron and browsers call a platform, in lower case.
_SPELLINGS = {
    "win": ("win", "win32", "windows", "windows_nt"),
    "mac": ("mac", "macos", "mac os", "mac os x", "darwin", "osx"),
    "linux": ("linux", "ubuntu", "debian", "fedora"),
    "ios": ("ios", "ipados"),
    "android": ("android",),
}
_PLATFORMS = {spelling: platform for platform, spellings in _SPELLINGS.items() for spelling in spellings}


class ParseProblems:
    """Counts what could not be read while a frame is made, for one warning."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._counts: Counter[str] = Counter()

    def add(self, what: str, count: int = 1) -> None:
        """Note `count` problems of a kind; `what` is a template of `worded` and holds nothing from the data."""
        if count:
            self._counts[what] += count

    def warn(self) -> None:
        """Warn once, if there was any problem."""
        if self._counts:
            kinds = "; ".join(worded(what, count) for what, count in sorted(self._counts.items()))
            warn_incomplete(f"{self._endpoint}: {kinds}.")


def texts(values: Iterable[Any], problems: ParseProblems) -> list[str | None]:
    """Text as it is, numbers and booleans as JSON spells them; null and the empty text are missing."""
    spelled = list(values)
    if not set(map(type, spelled)) <= {str, type(None)}:
        spelled = [_spell(value) for value in spelled]
    return clean([text or None for text in spelled], problems)


def text_column(values: Iterable[Any], problems: ParseProblems) -> Any:
    """`texts` as a column."""
    given = list(values)
    if set(map(type, given)) <= {str, type(None)}:
        # Most texts come again and again: each is looked at once, and the column is made of references.
        codes = {text: code for code, text in enumerate(dict.fromkeys(given))}
        if _UNPRINTABLE.search("".join(filter(None, codes))) is None:
            place = np.fromiter(map(codes.__getitem__, given), dtype=np.intp, count=len(given))
            return pd.array([text or None for text in codes], dtype=TEXT).take(place)
    return pd.array(texts(given, problems), dtype=TEXT)


def clean(found: list[str | None], problems: ParseProblems) -> list[str | None]:
    """Put U+FFFD where a character cannot be shown or stored."""
    # One search over all the text is cheaper than one a value, and hardly ever finds anything.
    if not _UNPRINTABLE.search("".join([text for text in found if text])):
        return found
    cleaned = [text and _UNPRINTABLE.sub(_REPLACEMENT, text) for text in found]
    changed = sum(old != new for old, new in zip(found, cleaned, strict=True))
    problems.add(f"in {{}} [text|texts], characters that cannot be shown were replaced by {_REPLACEMENT}", changed)
    return cleaned


def platform_name(reported: str) -> str:
    """Return win, mac, linux, ios or android; a platform that is none of these keeps its spelling."""
    return _PLATFORMS.get(reported.strip().casefold(), reported)


def platform_columns(values: Iterable[Any], problems: ParseProblems) -> dict[str, Any]:
    """The columns platform and, as reported, platform_raw."""
    raw = text_column(values, problems)
    codes, reported = pd.factorize(raw)
    names = pd.array([platform_name(text) for text in reported], dtype=TEXT)
    return {"platform": names.take(codes, allow_fill=True), "platform_raw": raw}


def count_column(values: Iterable[Any], problems: ParseProblems) -> Any:
    """Whole numbers from 0 up; null, and anything else, is missing."""
    return pd.array([read_count(value, problems) for value in values], dtype=COUNT)


def read_count(value: Any, problems: ParseProblems) -> int | None:
    """Read a whole number from 0 up; anything else is missing and, unless null, a problem."""
    count = read_difference(value, problems)
    if count is not None and count < 0:
        problems.add("{} [count was|counts were] negative and [is|are] missing")
        return None
    return count


def read_difference(value: Any, problems: ParseProblems) -> int | None:
    """Read a whole number; anything else is missing and, unless null, a problem."""
    if type(value) is int and value in _COUNTS:
        return value
    if type(value) is float and value.is_integer() and int(value) in _COUNTS:
        return int(value)
    if value is not None:
        problems.add("{} [count was no whole number|counts were no whole numbers] and [is|are] missing")
    return None


def number_column(values: Iterable[Any], problems: ParseProblems) -> Any:
    """Measures as float64; null, and what is no number, is NaN."""
    given = list(values)
    if set(map(type, given)) <= {float, int, type(None)}:
        with suppress(OverflowError):
            numbers = np.array(given, dtype=NUMBER)
            if not np.isinf(numbers).any():
                return numbers
    return np.array([read_number(value, problems) for value in given], dtype=NUMBER)


def read_number(value: Any, problems: ParseProblems) -> float | None:
    """Read one measure; anything else is missing and, unless null, a problem."""
    if type(value) in (int, float):
        with suppress(OverflowError):
            if math.isfinite(value):
                return float(value)
    if value is not None:
        problems.add("{} [measure was no number|measures were no numbers] and [is|are] missing")
    return None


def flag_column(values: Iterable[Any], problems: ParseProblems) -> Any:
    """Booleans; anything else is missing."""
    flags = list(values)
    if not set(map(type, flags)) <= {bool, type(None)}:
        readable = [value if type(value) is bool else None for value in flags]
        problems.add(
            "{} [value was|values were] neither true nor false and [is|are] missing",
            sum(value is not None and flag is None for value, flag in zip(flags, readable, strict=True)),
        )
        flags = readable
    return pd.array(flags, dtype=FLAG)


def day_column(values: Iterable[dt.date | None]) -> Any:
    """Calendar days."""
    return np.array(list(values), dtype=DAY)


def instant_column(values: Iterable[Any], problems: ParseProblems) -> Any:
    """ISO 8601 instants in UTC; null, and what is no such text, is NaT."""
    given = list(values)
    readable = [text if type(text) is str and _ISO_DATE.match(text) else None for text in given]
    instants = pd.to_datetime(pd.Series(readable, dtype=object), format="ISO8601", utc=True, errors="coerce").astype(
        INSTANT
    )
    instants[~instants.between(_FIRST, _LAST)] = pd.NaT
    for row in np.flatnonzero(instants.isna()).tolist():
        if given[row] in (None, ""):
            continue
        # Nanoseconds, which pandas 2 reads through, end in the year 2262; wrong clocks do not.
        instants.iloc[row] = moment = _read_instant(readable[row])
        if moment is pd.NaT:
            problems.add("{} [time|times] could not be read and [is|are] missing")
    return instants.array


def property_column(rows: Sequence[int], values: Sequence[Any], length: int, problems: ParseProblems) -> Any:
    """A property that the app made up: `values` stand in `rows`, everywhere else it is missing.

    The type is that of the values: text, boolean, Int64 or float64, and object where they are mixed.
    """
    if set(map(type, values)) - {str, bool}:
        # Nothing nested is documented, nor numbers that no column holds; should they come, they are kept as
        # the text that JSON has for them.
        values = [value if _is_plain(value) else _spell(value) for value in values]
    kinds = set(map(type, values))
    if str in kinds:
        cleaned = clean([value if type(value) is str else None for value in values], problems)
        values = [text if type(value) is str else value for text, value in zip(cleaned, values, strict=True)]
    place = np.full(length, -1)
    place[list(rows)] = np.arange(len(values))
    for wanted, dtype in (({str}, TEXT), ({bool}, FLAG), ({int}, COUNT)):
        if kinds == wanted:
            return pd.array(values, dtype=dtype).take(place, allow_fill=True)
    if kinds <= {int, float}:
        return np.append(np.array(values, dtype=NUMBER), np.nan)[place]
    # Through an object array, as NumPy would make one type out of mixed values.
    mixed = np.full(len(values) + 1, None, dtype=object)
    mixed[:-1] = values
    return mixed[place]


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | bool | float) or (type(value) is int and value in _INT64)


def _spell(value: Any) -> str | None:
    """A value as JSON writes it, 3.0 as 3."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return _REPLACEMENT


def is_instant(value: Any) -> bool:
    """Whether a value is an ISO 8601 instant that `instant_column` can read."""
    return type(value) is str and _ISO_DATE.match(value) is not None and _read_utc(value) is not None


def _read_instant(text: Any) -> Any:
    moment = _read_utc(text)
    return pd.NaT if moment is None else pd.Timestamp(np.datetime64(moment, "us"), tz="UTC")


def _read_utc(text: Any) -> dt.datetime | None:
    """The naive UTC datetime of an ISO 8601 text; None for anything else."""
    try:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo not in (None, dt.UTC):  # a shortcut for what the service sends
            moment = moment.astimezone(dt.UTC)
        return moment.replace(tzinfo=None)
    except (TypeError, ValueError, OverflowError):
        return None
