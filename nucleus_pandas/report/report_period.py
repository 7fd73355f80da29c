"""Which days a report is about, which ones it compares them with, and where its trends begin."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from typing import Literal, get_args

from nucleus_pandas.core.calendar import NOUNS, Calendar, Freq, WeekStart, read_calendar
from nucleus_pandas.core.checks import check_choice
from nucleus_pandas.core.instants import When, first_instant, make_date
from nucleus_pandas.core.units import ONE_DAY, SETTLING_TIME

Compare = Literal["previous", "year"]

_MONTH = re.compile(r"\d{4}-\d{2}")
_WEEKEND = (5, 6)


@dataclass(frozen=True)
class Span:
    """Days of a report in its zone, all inclusive.

    `first` to `last` is the period, `until` the last of its days that was over at `now`. `before` are as many days of
    the period that it is compared with, the whole of it where the period is over. Trends begin at `since`.
    """

    calendar: Calendar
    now: dt.datetime
    first: dt.date
    last: dt.date
    until: dt.date
    before: tuple[dt.date, dt.date] | None
    since: dt.date

    @property
    def zone(self) -> dt.tzinfo:
        """The zone of the days."""
        return self.calendar.zone

    @property
    def followed(self) -> Calendar:
        """The periods by which users are followed: a day says little about who returns."""
        return replace(self.calendar, unit="W") if self.calendar.unit == "D" else self.calendar

    @property
    def noun(self) -> str:
        """Day, week or month."""
        return NOUNS[self.calendar.unit]

    @property
    def step(self) -> str:
        """Between which periods usual changes are measured."""
        if self.calendar.unit == "D":
            return "one weekday to the same a week later"
        return f"one {self.noun} to the next"

    @property
    def days(self) -> int:
        """How many of its days were over."""
        return (self.until - self.first).days + 1

    @property
    def settled_days(self) -> int:
        """How many of these were over 48 hours before `now`."""
        return sum(self._settles(self.first + number * ONE_DAY) <= self.now for number in range(self.days))

    @property
    def settled(self) -> bool:
        """Whether all of them were."""
        return self.settled_days == self.days

    @property
    def compared(self) -> tuple[dt.date, dt.date]:
        """The days that are compared with earlier ones: as many as the period has, up to the last that has settled."""
        return self._shifted(self.first, self.until)

    @property
    def compared_with(self) -> tuple[dt.date, dt.date] | None:
        """The days that these are compared with."""
        return None if self.before is None else self._shifted(*self.before)

    def _shifted(self, first: dt.date, last: dt.date) -> tuple[dt.date, dt.date]:
        young = self.until - self._last_settled(self.until, self.now)
        return first - young, last - young

    @property
    def judged(self) -> list[dt.date]:
        """The days that are judged one by one: all that have settled since the report before could have been made.

        That report is one of the period before, made at any time from its end on; a daily one is made on working days
        at least. What had not settled by then is judged here, as far as it has settled by now, so that no day is left
        out whenever reports are made.
        """
        made = self.first
        while self.calendar.unit == "D" and made.weekday() in _WEEKEND:
            made -= ONE_DAY
        first = self._last_settled(made - ONE_DAY, first_instant(made, self.zone)) + ONE_DAY
        last = self._last_settled(self.until, self.now)
        return [first + number * ONE_DAY for number in range((last - first).days + 1)]

    @property
    def unsettled(self) -> dict[dt.date, dt.datetime]:
        """The days that cannot be judged yet, and when each of them will have settled, in the zone."""
        first = self._last_settled(self.until, self.now) + ONE_DAY
        days = [first + number * ONE_DAY for number in range((self.until - first).days + 1)]
        return {day: self._settles(day).astimezone(self.zone) for day in days}

    def _settles(self, day: dt.date) -> dt.datetime:
        return first_instant(day + ONE_DAY, self.zone) + SETTLING_TIME

    def _last_settled(self, day: dt.date, now: dt.datetime) -> dt.date:
        """The last day up to this one that was over 48 hours before."""
        while self._settles(day) > now:
            day -= ONE_DAY
        return day

    @property
    def end(self) -> dt.datetime:
        """The instant at which the last of its days was over."""
        return first_instant(self.until + ONE_DAY, self.zone)

    @property
    def windows(self) -> list[tuple[dt.date, dt.date]]:
        """The compared days, and the same ones of the periods before, as far as trends go."""
        made: list[tuple[dt.date, dt.date]] = []
        while (window := _back(self.calendar, self.first, self.last, self.until, len(made)))[0] >= self.since:
            made.append(window)
        shifted = [self._shifted(*window) for window in made]
        return [window for window in shifted if window[0] >= self.since]


def read_report_calendar(freq: Freq, week_start: WeekStart | None, zone: dt.tzinfo) -> Calendar:
    """Read of which periods reports are to be; there is none of a quarter."""
    calendar = read_calendar(freq, week_start, zone)
    if calendar.unit == "Q":
        raise ValueError(f'freq="{freq}": there is no report of a quarter; write "D", "W" or "M".')
    return calendar


def make_span(calendar: Calendar, day: When | None, now: dt.datetime, compare: Compare | None) -> Span:
    """Find the days of the period in which `day` lies, by default those of the last period that was over at `now`."""
    check_choice("compare", compare, (*get_args(Compare), None))
    today, months, noun = now.astimezone(calendar.zone).date(), calendar.unit == "M", NOUNS[calendar.unit]
    if months and isinstance(day, str) and _MONTH.fullmatch(day):
        day = f"{day}-01"
    if day is None:
        first = calendar.first_date_of(today, -1)
    else:
        first = calendar.first_date_of(make_date("day", day, calendar.zone))
    last = calendar.first_date_of(first, 1) - ONE_DAY
    until = min(last, today - ONE_DAY)
    if until < first and calendar.unit == "D":
        raise ValueError(
            f"day={str(day)!r}: that day is not over yet. Pass an earlier one, or none for the latest that is over."
        )
    if until < first:
        raise ValueError(
            f"day={str(day)!r}: no day of that {noun} is over yet. Pass an earlier day, or none for the latest {noun} "
            "that is over."
        )
    # A year is 52 weeks, so that weekdays stand beside each other.
    back = {None: 0, "previous": 1, "year": 12 if months else 52}[compare]
    before = _back(calendar, first, last, until, back) if back else None
    # Whether errors are more than usual is judged by the eight weeks before.
    weeks = replace(calendar, unit="W")
    since = calendar.first_date_of(first, -6) if months else weeks.first_date_of(first - 56 * ONE_DAY)
    return Span(calendar, now, first, last, until, before, since)


def _back(calendar: Calendar, first: dt.date, last: dt.date, until: dt.date, number: int) -> tuple[dt.date, dt.date]:
    """The days from `first` to `until` so many periods before."""
    if calendar.unit == "M":
        begin, end = calendar.first_date_of(first, -number), calendar.first_date_of(first, 1 - number) - ONE_DAY
        return begin, end if until == last else min(end, begin + (until - first))
    # Weekdays differ more than weeks do: a day stands beside those of the same name.
    return first - 7 * number * ONE_DAY, until - 7 * number * ONE_DAY
