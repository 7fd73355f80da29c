"""From dates and a zone to the instants and UTC offsets that the service is asked for.

The service knows fixed offsets only, people live in zones. A window is therefore cut into runs of days
that share one offset. A day on which the offset changes is a run of its own: it is asked for with the
offset that it starts with, and what then comes back under the next date belongs to it as well.

Zone arithmetic is the standard library's. pandas' `tz_localize` is not used: what it makes of a midnight
that does not exist differs between its versions (pandas issues 40915 and 66820).
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
import zoneinfo
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import Literal

import numpy as np
import pandas as pd

#: Anything that names a day or an instant.
When = str | dt.date | dt.datetime | pd.Timestamp | np.datetime64
#: Anything that names a zone: an IANA name, a fixed offset such as ``"+05:45"``, minutes east of Greenwich.
Zone = str | int | dt.tzinfo
Freq = Literal["D", "W", "M"]
Sign = Literal["east", "west"]

#: Clients keep events while they are offline and deliver them up to two days late.
SETTLING_TIME = dt.timedelta(hours=48)

_SECOND = dt.timedelta(seconds=1)
_FIRST_YEAR = 2000
# So far from the ends of the calendar that zones, windows and months can be added to any instant.
_EARLIEST, _LATEST = 1900, 2200
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d")
_FIXED_OFFSET = re.compile(r"(?:UTC)?([+-])(\d{2}):?([0-5]\d)", re.ASCII)
_HOURS_ONLY = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})", re.IGNORECASE)


@dataclass(frozen=True)
class Day:
    """A local day as far as it lies in a window: `start` and `end` are UTC instants."""

    date: dt.date
    start: dt.datetime
    end: dt.datetime
    whole: bool


@dataclass(frozen=True)
class Run:
    """One request: UTC instants, the offset to ask with, and which answered date belongs to which day."""

    start: dt.datetime
    end: dt.datetime
    offset_minutes: int
    labels: Mapping[dt.date, dt.date]


@dataclass(frozen=True)
class Period:
    """A day, week or month as far as it lies in a window; `label` is its first date."""

    label: dt.date
    start: dt.datetime
    end: dt.datetime
    offset_minutes: int
    whole: bool


@dataclass(frozen=True)
class Window:
    """A half-open interval of UTC instants, seen in a zone."""

    start: dt.datetime
    end: dt.datetime
    zone: dt.tzinfo

    @cached_property
    def days(self) -> tuple[Day, ...]:
        """The local days that the window touches, in order; a date that a zone skipped is not among them."""
        first = self.start.astimezone(self.zone).date()
        last = (self.end - dt.timedelta.resolution).astimezone(self.zone).date()
        days = []
        for offset in range((last - first).days + 1):
            date = first + dt.timedelta(days=offset)
            midnight, next_midnight = first_instant(date, self.zone), first_instant(_next(date), self.zone)
            start, end = max(midnight, self.start), min(next_midnight, self.end)
            if start < end:
                days.append(Day(date, start, end, start == midnight and end == next_midnight))
        return tuple(days)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The requests that give exact counts per local day."""
        return tuple(self._runs(split_changes=False))

    @cached_property
    def hour_runs(self) -> tuple[Run, ...]:
        """The requests that give exact counts per local hour: a changing day is cut where it changes."""
        return tuple(self._runs(split_changes=True))

    @property
    def offset_minutes(self) -> int:
        """The offset at the start, for questions about the window as a whole."""
        return _offset(self.start, self.zone)

    def begun(self, as_of: dt.datetime) -> Window:
        """The window without the days that had not begun at an instant."""
        end = next_midnight(as_of, self.zone)
        if end <= self.start:
            raise ValueError(
                f"The interval begins in the future: by the service's clock it is {as_of:%Y-%m-%d %H:%M} UTC. Check "
                "the clock of this machine."
            )
        return self if end >= self.end else Window(self.start, end, self.zone)

    def periods(self, freq: Freq) -> tuple[Period, ...]:
        """Cut the window into calendar days, weeks from Monday, or months."""
        if freq not in _PERIOD_START:
            raise ValueError(f'freq={freq!r} is not known; write "D", "W" (weeks from Monday) or "M".')
        periods = []
        for label, members in groupby(self.days, key=lambda day: _PERIOD_START[freq](day.date)):
            days = list(members)
            start, end = days[0].start, days[-1].end
            whole = start == first_instant(label, self.zone) and end == first_instant(
                _PERIOD_END[freq](label), self.zone
            )
            periods.append(Period(label, start, end, _offset(start, self.zone), whole))
        return tuple(periods)

    def _runs(self, *, split_changes: bool) -> Iterator[Run]:
        """Days of one offset together, each changing day by itself or in its parts."""
        steady: list[Day] = []
        for day in self.days:
            if steady and _offset(steady[0].start, self.zone) != _offset(day.start, self.zone):
                yield self._steady_run(steady)
                steady = []
            changes = _offset_changes(day, self.zone)
            if not changes:
                steady.append(day)
                continue
            if steady:
                yield self._steady_run(steady)
                steady = []
            if split_changes:
                edges = [day.start, *changes, day.end]
                for start, end in pairwise(edges):
                    yield Run(start, end, _offset(start, self.zone), {day.date: day.date})
            else:
                labels = {day.date: day.date, _next(day.date): day.date}
                yield Run(day.start, day.end, _offset(day.start, self.zone), labels)
        if steady:
            yield self._steady_run(steady)

    def _steady_run(self, days: list[Day]) -> Run:
        labels = {day.date: day.date for day in days}
        return Run(days[0].start, days[-1].end, _offset(days[0].start, self.zone), labels)


def make_window(start: When, end: When, tz: Zone, *, now: dt.datetime) -> Window:
    """Turn what a person writes into a window.

    Parameters
    ----------
    start, end : str, date, datetime, Timestamp or datetime64
        A bare date is a local day of `tz`: as `start` from its first instant, as `end` the whole day. A
        datetime with a UTC offset is an instant; as `end` it is not part of the window. Fractions of a
        second are cut off, the service counts in seconds.
    tz : str, int or tzinfo
        See `parse_zone`.
    now : datetime
        Tz-aware. Days that have not begun by then are left out of the window.

    Raises
    ------
    ValueError
        For a date that cannot be read, a naive datetime with a clock time, a start after the end or in
        the future; the message says what to write instead.
    TypeError
        For anything that is neither a date nor a datetime.
    """
    zone = parse_zone(tz)
    first, last = _parse_when("start", start), _parse_when("end", end)
    if first.year < _FIRST_YEAR or last.year < _FIRST_YEAR:
        raise ValueError(f"An interval cannot begin or end before {_FIRST_YEAR}; there are no data from then.")
    today = now.astimezone(zone).date()
    begins = _begin(first, zone).replace(microsecond=0)
    ends = _end(last if isinstance(last, dt.datetime) else min(last, today), zone).replace(microsecond=0)
    if begins > now.astimezone(dt.UTC):
        raise ValueError(
            f"start={_shown(start)} lies in the future: it is {now:%Y-%m-%d %H:%M} UTC now. "
            f'Write a start up to today, for example start="{today}".'
        )
    if begins >= ends:
        raise _wrong_way_round(start, end)
    return Window(begins, min(ends, next_midnight(now, zone)), zone)


def make_interval(start: When | None, end: When | None, tz: Zone) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Turn what a person writes into the UTC instants of a half-open interval, None where it is open.

    As `make_window`, for data that are at hand: nothing depends on the present, and fractions of a second count.

    Raises
    ------
    ValueError, TypeError
        As `make_window`, but for a start in the future.
    """
    zone = parse_zone(tz)
    begins = None if start is None else _begin(_parse_when("start", start), zone)
    ends = None if end is None else _end(_parse_when("end", end), zone)
    if begins is not None and ends is not None and begins >= ends:
        raise _wrong_way_round(start, end)
    return begins, ends


def make_instant(name: str, value: When, tz: Zone) -> dt.datetime:
    """Turn what a person writes into the UTC instant until which something is known, itself included.

    A date is that whole day, to its last microsecond: an event at the next midnight is later. `name` is the argument's,
    for the message of the errors, which are those of `make_interval`.
    """
    moment = _parse_when(name, value)
    end = _end(moment, parse_zone(tz))
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


def utc_offset_parameter(minutes_east: int, sign: Sign) -> int:
    """Give the number that goes on the wire as ``utcOffset``; nothing else decides its sign."""
    return minutes_east if sign == "east" else -minutes_east


def states(spans: Sequence[Day | Period], as_of: dt.datetime) -> dict[str, list[bool]]:
    """Give the columns complete and settled of days or periods.

    A span is complete when all of it lies in the window and it was over at `as_of`; it is settled 48 hours
    after its end, when even clients that were offline have delivered.
    """
    return {
        "complete": [span.whole and span.end <= as_of for span in spans],
        "settled": [span.whole and span.end + SETTLING_TIME <= as_of for span in spans],
    }


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
    return _first_second(before, instant, lambda moment: moment.astimezone(zone).date() >= date)


def next_midnight(now: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """Give the UTC instant at which the local day of an instant ends."""
    return first_instant(_next(now.astimezone(zone).date()), zone)


def _begin(moment: dt.date | dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    return moment if isinstance(moment, dt.datetime) else first_instant(moment, zone)


def _end(moment: dt.date | dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    return moment if isinstance(moment, dt.datetime) else first_instant(_next(moment), zone)


def _wrong_way_round(start: object, end: object) -> ValueError:
    return ValueError(
        f"start={_shown(start)} is not before end={_shown(end)}. Write the earlier one as start; a bare "
        "date as end means that whole day, a datetime as end is not part of the interval."
    )


def _offset_changes(day: Day, zone: dt.tzinfo) -> list[dt.datetime]:
    """The instant within a day at which its offset changes, if there is one."""
    old, last = _offset(day.start, zone), day.end - _SECOND
    if _offset(last, zone) == old:
        return []
    return [_first_second(day.start, last, lambda moment: _offset(moment, zone) != old)]


def _first_second(low: dt.datetime, high: dt.datetime, holds: Callable[[dt.datetime], bool]) -> dt.datetime:
    """The first whole second from `low` on at which a condition holds that, once true, stays true."""
    seconds = range(int((high - low).total_seconds()) + 1)
    return low + bisect_left(seconds, True, key=lambda n: holds(low + n * _SECOND)) * _SECOND


def _offset(instant: dt.datetime, zone: dt.tzinfo) -> int:
    """Minutes east of Greenwich."""
    offset = instant.astimezone(zone).utcoffset() or dt.timedelta()
    minutes, rest = divmod(offset, dt.timedelta(minutes=1))
    if rest:
        raise ValueError(
            f"On {instant:%Y-%m-%d} the offset of {zone} was no whole number of minutes, which the service "
            "cannot be asked for. Write a later start."
        )
    return minutes


def _next(date: dt.date) -> dt.date:
    return date + dt.timedelta(days=1)


def _monday(date: dt.date) -> dt.date:
    return date - dt.timedelta(days=date.weekday())


def _month_after(date: dt.date) -> dt.date:
    return (date.replace(day=28) + dt.timedelta(days=4)).replace(day=1)


_PERIOD_START: dict[str, Callable[[dt.date], dt.date]] = {
    "D": lambda date: date,
    "W": _monday,
    "M": lambda date: date.replace(day=1),
}
_PERIOD_END: dict[str, Callable[[dt.date], dt.date]] = {
    "D": _next,
    "W": lambda date: date + dt.timedelta(days=7),
    "M": _month_after,
}


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
        if value.time() == dt.time():
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
    known = {key.lower(): key for key in zoneinfo.available_timezones() - _NOT_ZONES if not key.startswith("Etc/")}
    wanted = name.lower().replace(" ", "_")
    near = [key for low, key in sorted(known.items()) if wanted and low.endswith(f"/{wanted}")]
    near += [known[low] for low in difflib.get_close_matches(wanted, known, n=3, cutoff=0.6)]
    return f" Did you mean {' or '.join(dict.fromkeys(near[:3]))}?" if near else ""


def _fixed_zone(minutes: int, given: Zone) -> dt.tzinfo:
    if not -12 * 60 <= minutes <= 14 * 60 or minutes % 15:
        raise ValueError(
            f"tz={given!r} is an offset of {minutes} minutes, which no place has: offsets are quarters of an "
            f'hour between -12:00 and +14:00. For two hours east write tz=120 or tz="+02:00".'
        )
    return dt.timezone(dt.timedelta(minutes=minutes))
