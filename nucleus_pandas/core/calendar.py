"""Local days, weeks and months of many instants at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np

from nucleus_pandas.core.arrays import Ints, distinct
from nucleus_pandas.core.instants import first_instant, microseconds
from nucleus_pandas.core.units import DAY

WeekStart = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

#: More periods than that are those of a clock that is wrong.
MOST_ROWS = 5_000
_EPOCH = dt.date(1970, 1, 1).toordinal()
_LAST = dt.date.max.toordinal()
# 1969-12-29, the first Monday that weeks are counted from, in days since 1970.
_MONDAY = -3


def day_numbers(times: Ints, zone: dt.tzinfo) -> Ints:
    """Give the local day of each instant (microseconds since 1970), in days since 1970.

    A day lasts from its first instant to that of the next day, as everywhere.
    """
    days = (times // DAY).astype(np.int32)
    if zone is dt.UTC or not len(days):
        return days
    # A day of UTC touches three local days at most, so two midnights decide; they are looked up by the day of UTC.
    lowest, highest = int(days.min()), int(days.max())
    few = highest - lowest >= len(days)
    some = distinct(days).astype(np.int64) if few else np.arange(lowest, highest + 1)
    place = np.searchsorted(some, days) if few else days - lowest
    local = days - np.int32(1)
    for later in (0, 1):
        midnight = np.array([_midnight(day, zone) for day in (some + later).tolist()])
        if (midnight <= some * DAY).all():
            local += 1
        elif (midnight < (some + 1) * DAY).any():
            local += times >= midnight[place]
    return local


def _midnight(day: int, zone: dt.tzinfo) -> int:
    """The first instant of a local day; beyond the calendar none comes."""
    if not 0 < day + _EPOCH < _LAST:
        return -(2**63) if day < 0 else 2**63 - 1
    try:
        return microseconds(first_instant(dt.date.fromordinal(day + _EPOCH), zone))
    except OverflowError:
        return day * DAY


def period_numbers(days: Ints, freq: Freq, week_start: WeekStart = "monday") -> Ints:
    """Give the number of the day, week or month that each day lies in; that of the next period is one more."""
    numbers: Ints = _by_freq(freq, week_start)[0](days)
    return numbers


def period_days(numbers: Ints, freq: Freq, week_start: WeekStart = "monday") -> Any:
    """Give the first day of each period, as datetime64[D]."""
    return _by_freq(freq, week_start)[1](np.asarray(numbers)).astype("datetime64[D]")


def period_starts(numbers: Ints, freq: Freq, week_start: WeekStart, zone: dt.tzinfo) -> Ints:
    """Give the first instant of each period, in microseconds since 1970; a period ends where the next one starts."""
    days = period_days(numbers, freq, week_start).astype(np.int64).tolist()
    return np.array([_midnight(day, zone) for day in days], dtype=np.int64)


def check_week_start(week_start: object) -> None:
    """Raise for what is no day of the week."""
    if week_start not in get_args(WeekStart):
        raise ValueError(f"week_start={week_start!r} is not known; write one of {', '.join(get_args(WeekStart))}.")


def _by_freq(freq: Freq, week_start: WeekStart) -> Sequence[Callable[[Ints], Any]]:
    """From days to the number of their period, and from numbers to the first days of the periods."""
    check_week_start(week_start)
    if freq == "D":
        return (lambda days: days, lambda numbers: numbers.astype("datetime64[D]"))
    if freq == "W":
        first = _MONDAY + get_args(WeekStart).index(week_start)
        return (lambda days: (days - first) // 7, lambda numbers: (numbers * 7 + first).astype("datetime64[D]"))
    if freq == "M":
        return (_months, lambda numbers: numbers.astype("datetime64[M]"))
    raise ValueError(f'freq={freq!r} is not known; write "D", "W" or "M".')


def _months(days: Ints) -> Any:
    """Months since January 1970."""
    if not len(days):
        return days
    lowest, highest = int(days.min()), int(days.max())
    if highest - lowest > len(days):
        return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int32)
    months: Ints = np.arange(lowest, highest + 1).astype("datetime64[D]").astype("datetime64[M]").astype(np.int32)
    return months[days - lowest]


Freq = Literal["D", "W", "M"]
