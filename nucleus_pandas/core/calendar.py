"""One calendar: local days, weeks with any first day, months and quarters, and whether they are over and settled.

Times are in microseconds and days in days since 1970. Each period has a number, which grows by one from a period to the
next. Zone arithmetic is the standard library's: what pandas' `tz_localize` makes of a midnight that does not exist
differs between its versions (pandas issues 40915 and 66820).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np

from nucleus_pandas.core.arrays import Bools, Ints, distinct
from nucleus_pandas.core.checks import check_choice
from nucleus_pandas.core.instants import first_instant, microseconds
from nucleus_pandas.core.units import DAY, SETTLING

WeekStart = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
#: What `freq` can be, in pandas' words: ``"W-SUN"`` are weeks that end on Sunday, so they start on Monday.
Freq = Literal[
    "D", "W", "W-MON", "W-TUE", "W-WED", "W-THU", "W-FRI", "W-SAT", "W-SUN", "M", "MS", "ME", "Q", "QS", "QE"
]
#: What time is cut into: every `freq` stands for one of these.
Unit = Literal["D", "W", "M", "Q"]
#: What the units are called.
NOUNS: Final[dict[str, str]] = {"D": "day", "W": "week", "M": "month", "Q": "quarter"}

#: More periods than that come from a clock that is wrong.
MOST_ROWS = 5_000
_UNITS: dict[str, str] = {"MS": "M", "ME": "M", "QS": "Q", "QE": "Q"}
_MONTHS = {"M": 1, "Q": 3}
_WEEK_ENDS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_EPOCH = dt.date(1970, 1, 1).toordinal()
_LAST = dt.date.max.toordinal()
# Where days begin that no date names.
_NEVER_BEFORE, _NEVER_AFTER = -(2**63), 2**63 - 1
# 1969-12-29, the first Monday that weeks are counted from, in days since 1970.
_MONDAY = -3


@dataclass(frozen=True)
class Calendar:
    """How time is cut into periods: the unit, the zone, and the first day of weeks (0 is Monday)."""

    unit: Unit
    zone: dt.tzinfo
    first_weekday: int = 0

    @property
    def week_start(self) -> WeekStart:
        """The first day of weeks, by its name."""
        name: WeekStart = get_args(WeekStart)[self.first_weekday]
        return name

    def of_days(self, days: Ints) -> Ints:
        """Give the number of the period of each day."""
        if self.unit == "W":
            weeks: Ints = (days - (_MONDAY + self.first_weekday)) // 7
            return weeks
        if self.unit == "D":
            return days
        months: Ints = _months(days, _MONTHS[self.unit])
        return months

    def of_times(self, times: Ints) -> Ints:
        """Give the number of the period of each instant."""
        return self.of_days(day_numbers(times, self.zone))

    def of_date(self, date: dt.date) -> int:
        """Give the number of the period of a date."""
        return int(self.of_days(np.array([date.toordinal() - _EPOCH]))[0])

    def first_days(self, numbers: Ints) -> Any:
        """Give the first day of each period, as datetime64[D]."""
        numbers = np.asarray(numbers)
        if self.unit == "W":
            return (numbers * 7 + (_MONDAY + self.first_weekday)).astype("datetime64[D]")
        if self.unit == "D":
            return numbers.astype("datetime64[D]")
        return (numbers * _MONTHS[self.unit]).astype("datetime64[M]").astype("datetime64[D]")

    def first_date(self, number: int) -> dt.date:
        """Give the first day of a period."""
        date: dt.date = self.first_days(np.array([number]))[0].item()
        return date

    def first_date_of(self, date: dt.date, later: int = 0) -> dt.date:
        """Give the first day of the period of a date, or of one so many periods later."""
        return self.first_date(self.of_date(date) + later)

    def starts(self, numbers: Ints) -> Ints:
        """Give the first instant of each period, in which the one before it ends."""
        days = self.first_days(numbers).astype(np.int64).tolist()
        return np.array([_midnight(day, self.zone) for day in days], dtype=np.int64)

    def check_number(self, first: int, last: int) -> None:
        """Raise where there are more periods from one number to another than can be."""
        if (number := last - first + 1) > MOST_ROWS:
            begins, ends = self.first_days(np.array([first, last]))
            raise ValueError(
                f"from {begins} to {ends} there are {number:,} {NOUNS[self.unit]}s; there can be {MOST_ROWS:,}. Pass "
                "start= and end=, in case a clock is wrong, or a longer freq."
            )

    def cut(self, start: int, end: int, *, whole_first: bool = False, whole_last: bool = False) -> Periods:
        """Cut [start, end) into periods, where the first and the last one are cut off, or taken as a whole.

        A date that a zone skipped is no period.
        """
        first, last = self.of_times(np.array([start, end - 1])).tolist()
        numbers = np.arange(first, last + 2)
        edges = self.starts(numbers)
        if edges[0] == _NEVER_BEFORE or edges[-1] == _NEVER_AFTER:
            raise OverflowError("The first or the last period has no first or last day.")
        there = edges[:-1] < edges[1:]
        whole = np.ones(len(numbers) - 1, dtype=np.bool_)
        if not whole_first:
            whole[0] &= start <= edges[0]
            edges[0] = max(start, edges[0])
        if not whole_last:
            whole[-1] &= edges[-1] <= end
            edges[-1] = min(end, edges[-1])
        labels = self.first_days(numbers[:-1][there]).tolist()
        return Periods(labels, np.append(edges[:-1][there], edges[-1]), whole[there])


@dataclass(frozen=True)
class Periods:
    """Periods in a row: their first days, their edges (one more), and whether each is there as a whole."""

    labels: list[dt.date]
    edges: Ints
    whole: Bools

    def states(self, until: int, *, settled_until: int | None = None) -> dict[str, Bools]:
        """Give the columns complete and settled, see `period_states`."""
        return period_states(self.edges[1:], self.whole, until, settled_until=settled_until)


NO_PERIODS: Final = Periods([], np.empty(0, dtype=np.int64), np.empty(0, dtype=np.bool_))


def read_calendar(freq: Freq, week_start: WeekStart | None, zone: dt.tzinfo) -> Calendar:
    """Read how time is to be cut: any `freq`, and the first day of weeks, which is Monday unless one of them says so.

    Raises
    ------
    ValueError
        For a `freq` or a `week_start` that is not known, and for two that contradict each other.
    """
    check_choice("freq", freq, get_args(Freq))
    days = get_args(WeekStart)
    if week_start is not None:
        check_choice("week_start", week_start, days)
    first = 0 if week_start is None else days.index(week_start)
    if freq.startswith("W-"):
        named = _WEEK_ENDS.index(freq.removeprefix("W-"))
        if week_start is not None and first != named:
            raise ValueError(
                f'freq="{freq}" contradicts week_start="{week_start}": as in pandas, it means weeks that end on '
                f'{days[named - 1].title()}. Write freq="W" with week_start=, or leave week_start out.'
            )
        first = named
    unit = _UNITS.get(freq, freq[0])
    return Calendar(unit, zone, first)  # type: ignore[arg-type]


def period_states(ends: Ints, whole: Bools, until: int, *, settled_until: int | None = None) -> dict[str, Bools]:
    """Give the columns complete and settled of periods, from when they end and whether they are there as a whole.

    A period is complete once it is over and all of it is known, up to `until`, which is not included itself. It is
    settled 48 hours after its end, when even clients that were offline have delivered. `settled_until` is given where
    the data of that time were asked for later, or take longer to be final.
    """
    complete = whole & (ends <= until)
    return {
        "complete": complete,
        "settled": complete & (ends + SETTLING <= (until if settled_until is None else settled_until)),
    }


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
        return _NEVER_BEFORE if day < 0 else _NEVER_AFTER
    try:
        return microseconds(first_instant(dt.date.fromordinal(day + _EPOCH), zone))
    except OverflowError:
        return day * DAY


def _months(days: Ints, size: int) -> Any:
    """Groups of so many months since January 1970."""
    if not len(days):
        return days
    lowest, highest = int(days.min()), int(days.max())
    if highest - lowest > len(days):
        return _months_of(days.astype("datetime64[D]"), size)
    return _months_of(np.arange(lowest, highest + 1).astype("datetime64[D]"), size)[days - lowest]


def _months_of(dates: Any, size: int) -> Any:
    return dates.astype("datetime64[M]").astype(np.int32) // np.int32(size)
