"""Instants, dates and zones as people write them."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from bisect import bisect_left
from collections.abc import Callable

import numpy as np
import pandas as pd

from nucleus_pandas.core.text import did_you_mean, near_names
from nucleus_pandas.core.units import ONE_DAY, ONE_SECOND

#: Anything that names a day or an instant.
When = str | dt.date | dt.datetime | pd.Timestamp | np.datetime64
#: Anything that names a zone: an IANA name, a fixed offset such as ``"+05:45"``, minutes east of Greenwich.
Zone = str | int | dt.tzinfo
# So far from the ends of the calendar that zones, windows and months can be added to any instant.
_EARLIEST, _LATEST = 1900, 2200
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d")
_FIXED_OFFSET = re.compile(r"(?:UTC)?([+-])(\d{2}):?([0-5]\d)", re.ASCII)
_HOURS_ONLY = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})", re.IGNORECASE)


def make_interval(start: When | None, end: When | None, tz: Zone) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Turn what a person writes into the UTC instants of a half-open interval, None where it is open.

    As `make_window`, for data that are at hand: nothing depends on the present, and fractions of a second count.

    Raises
    ------
    ValueError, TypeError
        As `make_window`, but for a start in the future.
    """
    zone = parse_zone(tz)
    begins = None if start is None else start_instant(_parse_when("start", start), zone)
    ends = None if end is None else end_instant(_parse_when("end", end), zone)
    if begins is not None and ends is not None and begins >= ends:
        raise wrong_order(start, end)
    return begins, ends


def make_instant(name: str, value: When, tz: Zone) -> dt.datetime:
    """Turn what a person writes into the UTC instant until which something is known, itself included.

    A date is that whole day, to its last microsecond: an event at the next midnight is later. `name` is the argument's,
    for the message of the errors, which are those of `make_interval`.
    """
    moment = _parse_when(name, value)
    end = end_instant(moment, parse_zone(tz))
    return end if isinstance(moment, dt.datetime) else end - dt.timedelta(microseconds=1)


def make_date(name: str, value: When, zone: dt.tzinfo) -> dt.date:
    """Turn what a person writes into a date; an instant is in the day that it is in the zone.

    `name` is the argument's, for the message of the errors, which are those of `make_interval`.
    """
    moment = _parse_when(name, value)
    return moment.astimezone(zone).date() if isinstance(moment, dt.datetime) else moment


def parse_zone(tz: Zone) -> dt.tzinfo:
    """Read a zone: an IANA name, a fixed offset, or minutes east of Greenwich. Never the machine's zone.

    Raises
    ------
    ValueError
        For a name that the zone database does not have (with the nearest ones), or an offset that no
        place on earth has.
    TypeError
        For anything else.
    """
    if isinstance(tz, bool):
        raise TypeError(f"tz={tz!r} is not a zone; {_ZONE_FORMS}")
    if isinstance(tz, int | np.integer):
        return _fixed_zone(int(tz), tz)
    if isinstance(tz, dt.timezone):
        east, seconds = divmod(tz.utcoffset(None), dt.timedelta(minutes=1))
        return _fixed_zone(east if not seconds else -1, tz)
    if isinstance(tz, zoneinfo.ZoneInfo) and tz.key:
        return _named_zone(tz.key)
    if isinstance(name := getattr(tz, "zone", None), str):  # pytz, the zones of pandas 2
        return _named_zone(name)
    if not isinstance(tz, str):
        raise TypeError(f"tz of type {type(tz).__name__} is not a zone; {_ZONE_FORMS}")
    tz = tz.strip()
    if tz.upper() in ("UTC", "Z", "GMT"):
        return dt.UTC
    if match := _FIXED_OFFSET.fullmatch(tz):
        sign, hours, minutes = match.groups()
        return _fixed_zone((int(hours) * 60 + int(minutes)) * (-1 if sign == "-" else 1), tz)
    return _named_zone(tz)


def first_instant(date: dt.date, zone: dt.tzinfo) -> dt.datetime:
    """Give the UTC instant with which a local day begins.

    That is the first of two midnights, or, where midnight does not exist, the change that skips it.
    """
    midnight = dt.datetime.combine(date, dt.time(), tzinfo=zone)
    instant = midnight.astimezone(dt.UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    # In a gap, fold=1 reads midnight with the offset after it: the change lies between the two readings.
    before = midnight.replace(fold=1).astimezone(dt.UTC)
    return first_second(before, instant, lambda moment: moment.astimezone(zone).date() >= date)


def next_midnight(now: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """Give the UTC instant at which the local day of an instant ends."""
    return first_instant(next_date(now.astimezone(zone).date()), zone)


def start_instant(moment: dt.date | dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """Give the instant with which a date begins; an instant is itself."""
    return moment if isinstance(moment, dt.datetime) else first_instant(moment, zone)


def end_instant(moment: dt.date | dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """Give the instant with which a date ends; an instant is itself."""
    return moment if isinstance(moment, dt.datetime) else first_instant(next_date(moment), zone)


def wrong_order(start: object, end: object) -> ValueError:
    """Make the error for an interval whose start is not before its end."""
    return ValueError(
        f"start={_shown(start)} is not before end={_shown(end)}. Write the earlier one as start; a bare "
        "date as end means that whole day, a datetime as end is not part of the interval."
    )


def first_second(low: dt.datetime, high: dt.datetime, holds: Callable[[dt.datetime], bool]) -> dt.datetime:
    """The first whole second from `low` on at which a condition holds that, once true, stays true."""
    seconds = range(int((high - low).total_seconds()) + 1)
    return low + bisect_left(seconds, True, key=lambda n: holds(low + n * ONE_SECOND)) * ONE_SECOND


def next_date(date: dt.date) -> dt.date:
    """Give the date after a date."""
    return date + ONE_DAY


def _parse_when(name: str, value: When) -> dt.date | dt.datetime:
    """A date, or an instant in UTC; `name` is the argument's, for the message."""
    moment = _read_when(name, value)
    if not _EARLIEST <= moment.year <= _LATEST:
        raise ValueError(
            f"{name}={_shown(value)} lies outside the years {_EARLIEST} to {_LATEST}; write a date within them."
        )
    return moment


def _read_when(name: str, value: When) -> dt.date | dt.datetime:
    if isinstance(value, np.datetime64):
        if np.datetime_data(value)[0] in ("Y", "M", "W") and not np.isnat(value):
            day = value.astype("datetime64[D]")
            raise ValueError(f'{name}={_shown(value)} names no day; write one, such as {name}="{day}".')
        value = pd.Timestamp(value)
    if isinstance(value, dt.date | np.datetime64) and pd.isna(value):
        raise ValueError(f'{name} is missing, not a date; write for example {name}="2026-09-01".')
    if isinstance(value, pd.Timestamp):
        return _from_datetime(name, value, value.to_pydatetime(warn=False))
    if isinstance(value, dt.datetime):
        return _from_datetime(name, value, value)
    if isinstance(value, dt.date):
        return value
    if not isinstance(value, str):
        raise TypeError(
            f'{name} is of type {type(value).__name__}; write a date such as "2026-09-01", a '
            "datetime.date, or a datetime with a UTC offset."
        )
    try:
        if _DATE.fullmatch(value):
            return dt.date.fromisoformat(value)
        instant = dt.datetime.fromisoformat(value) if _DATE_AND_TIME.match(value) else None
    except ValueError:
        instant = None
    if instant is None:
        raise ValueError(
            f'{name}={value[:40]!r} is not a date. Write year-month-day, {name}="2026-09-01", or an instant '
            f'with its UTC offset, {name}="2026-09-01T14:30+02:00".'
        )
    return _from_datetime(name, value, instant)


def _from_datetime(name: str, given: When, value: dt.datetime) -> dt.date | dt.datetime:
    if value.tzinfo is None or value.utcoffset() is None:
        # Who writes a clock time does not mean the whole day; a datetime has one all the same.
        if value.time() == dt.time() and not isinstance(given, str):
            return value.date()
        raise ValueError(
            f"{name}={_shown(given)} has a clock time but no UTC offset, so it names no instant. Write "
            f'{name}="{value.date()}" for the whole day, or give the offset: '
            f'{name}="{value.replace(microsecond=0).isoformat()}+00:00".'
        )
    try:
        return value.astimezone(dt.UTC)
    except OverflowError:
        # Its year is rejected with the others that are too far away.
        return value.replace(tzinfo=dt.UTC)


def _shown(value: object) -> str:
    return f'"{value}"'


_ZONE_FORMS = 'write an IANA name (tz="Europe/Paris"), an offset (tz="+05:45") or minutes east (tz=345).'
# Names under which a zone database can hold the machine's own zone or none.
_NOT_ZONES = frozenset({"localtime", "posixrules", "Factory", "leapseconds", "tzdata.zi"})


def _named_zone(name: str) -> dt.tzinfo:
    try:
        if name in _NOT_ZONES:
            raise zoneinfo.ZoneInfoNotFoundError
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"tz={name[:40]!r} is not in the zone database.{_nearest_zones(name)} Otherwise, {_ZONE_FORMS}"
        ) from None


def _nearest_zones(name: str) -> str:
    """A hint for a name that no zone has. The zones of Etc are not offered: their signs are the wrong way round."""
    if match := _HOURS_ONLY.fullmatch(name):
        return f' Did you mean "{match[1]}{int(match[2]):02}:00"?'
    known = sorted(key for key in zoneinfo.available_timezones() - _NOT_ZONES if not key.startswith("Etc/"))
    wanted = name.replace(" ", "_")
    near = [key for key in known if wanted and key.lower().endswith(f"/{wanted.lower()}")]
    return did_you_mean(list(dict.fromkeys([*near, *near_names(wanted, known)]))[:3])


def _fixed_zone(minutes: int, given: Zone) -> dt.tzinfo:
    if not -12 * 60 <= minutes <= 14 * 60 or minutes % 15:
        raise ValueError(
            f"tz={given!r} is an offset of {minutes} minutes, which no place has: offsets are quarters of an "
            f'hour between -12:00 and +14:00. For two hours east write tz=120 or tz="+02:00".'
        )
    return dt.timezone(dt.timedelta(minutes=minutes))


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def instant_of(moment: int) -> dt.datetime:
    """Give the instant that lies so many microseconds after 1970."""
    return _EPOCH + dt.timedelta(microseconds=moment)


def microseconds(moment: dt.datetime) -> int:
    """Give an instant in microseconds since 1970."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)
