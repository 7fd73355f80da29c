"""Which days a report is about, which ones it compares them with, and where its trends begin."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final, Literal, get_args

from nucleus_pandas.api.windows import SETTLING_TIME, Freq, When, first_instant, make_date

Compare = Literal["previous", "year"]

_DAY = dt.timedelta(days=1)
_NOUNS: Final = {"D": "day", "W": "week", "M": "month"}


@dataclass(frozen=True)
class Span:
    """Days of a report in its zone, all inclusive.

    `first` to `last` is the period, `until` the last of its days that was over at `now`. `before` are as many days of
    the period that it is compared with, the whole of it where the period is over. Trends begin at `since`.
    """

    freq: Freq
    zone: dt.tzinfo
    now: dt.datetime
    first: dt.date
    last: dt.date
    until: dt.date
    before: tuple[dt.date, dt.date] | None
    since: dt.date

    @property
    def noun(self) -> str:
        """Day, week or month."""
        return _NOUNS[self.freq]

    @property
    def days(self) -> int:
        """How many of its days were over."""
        return (self.until - self.first).days + 1

    @property
    def settled_days(self) -> int:
        """How many of these were over 48 hours before `now`."""
        ends = (first_instant(self.first + (number + 1) * _DAY, self.zone) for number in range(self.days))
        return sum(end + SETTLING_TIME <= self.now for end in ends)

    @property
    def settled(self) -> bool:
        """Whether all of them were."""
        return self.settled_days == self.days

    def first_of_periods(self, number: int) -> dt.date:
        """The first day of so many periods that end with this one."""
        first = self.first
        for _ in range(number - 1):
            first = _first(self.freq, first - _DAY)
        return first


def make_span(freq: Freq, day: When | None, zone: dt.tzinfo, now: dt.datetime, compare: Compare | None) -> Span:
    """Find the days of the period in which `day` lies, by default those of the last period that was over at `now`."""
    argument = _NOUNS[freq]
    if compare is not None and compare not in get_args(Compare):
        raise ValueError(f'compare={compare!r} is not known; write "previous", "year" or None.')
    today = now.astimezone(zone).date()
    first = _first(freq, _first(freq, today) - _DAY if day is None else make_date(argument, day, zone))
    last = _next(freq, first) - _DAY
    until = min(last, today - _DAY)
    if until < first:
        raise ValueError(
            f"{argument}={str(day)!r}: no day of that {argument} is over yet. Pass an earlier {argument}, or none for "
            "the latest that is over."
        )
    return Span(freq, zone, now, first, last, until, _before(freq, first, last, until, compare), _since(freq, first))


def _first(freq: Freq, date: dt.date) -> dt.date:
    if freq == "M":
        return date.replace(day=1)
    return date if freq == "D" else date - date.weekday() * _DAY


def _next(freq: Freq, first: dt.date) -> dt.date:
    if freq == "M":
        return (first.replace(day=28) + 4 * _DAY).replace(day=1)
    return first + (1 if freq == "D" else 7) * _DAY


def _before(
    freq: Freq, first: dt.date, last: dt.date, until: dt.date, compare: Compare | None
) -> tuple[dt.date, dt.date] | None:
    if compare is None:
        return None
    if freq == "M":
        begin = first.replace(year=first.year - 1) if compare == "year" else _first("M", first - _DAY)
        end = _next("M", begin) - _DAY
        return begin, end if until == last else min(end, begin + (until - first))
    # Weekdays differ more than weeks do, so that they stand side by side: a day with that of the week before, and a
    # year is 52 weeks.
    back = (364 if compare == "year" else 7) * _DAY
    return first - back, until - back


def _since(freq: Freq, first: dt.date) -> dt.date:
    # Whether errors are more than usual is judged by the eight weeks before.
    if freq == "M":
        month = first.year * 12 + first.month - 1 - 6
        return dt.date(month // 12, month % 12 + 1, 1)
    return first - 56 * _DAY
