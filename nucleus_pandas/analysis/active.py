"""The days on which users were active, and how far back and forth they are known."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from nucleus_pandas.analysis.activity import Activity, UserDays, as_activity, user_days
from nucleus_pandas.analysis.attempts import SETTLING
from nucleus_pandas.analysis.codes import Bools, Ints
from nucleus_pandas.analysis.columns import microseconds
from nucleus_pandas.analysis.days import DAY, WeekStart, day_numbers, period_days, period_numbers, period_starts
from nucleus_pandas.analysis.eventlog import EventLog, as_event_log
from nucleus_pandas.analysis.held import held_span
from nucleus_pandas.analysis.horizon import SILENCE_DAYS, oldest
from nucleus_pandas.analysis.question import enough
from nucleus_pandas.analysis.steps import StepLike, read_step
from nucleus_pandas.api.windows import Freq, When, Zone, make_instant, make_interval, parse_zone
from nucleus_pandas.store.eventstore import EventStore

_MOST = 5_000


@dataclass(frozen=True)
class Active:
    """When users were active, and of which days that is known.

    Attributes
    ----------
    days : UserDays
        The days of each user, also those before `first`.
    first, last : int
        The days that are known, in days since 1970: from the first in the log, or that was synced, to that of `as_of`.
        None are where `last` is the lower.
    shown : tuple of int
        The first and the last day that is asked for and not later than what is known.
    until, as_of : int
        Until when activity is known, and when that was asked for, in microseconds; a store can have asked later.
    zone : tzinfo
    sample : float
    """

    days: UserDays
    first: int
    last: int
    shown: tuple[int, int]
    until: int
    as_of: int
    zone: dt.tzinfo
    sample: float

    @property
    def last_over(self) -> int:
        """The last day that is known as a whole."""
        return _day(self.until, self.zone) - 1

    def rows(self, freq: Freq, week_start: WeekStart = "monday") -> Ints:
        """Give the numbers of the periods that the days asked for lie in."""
        numbers = period_numbers(np.array(self.shown), freq, week_start)
        if self.shown[1] < self.shown[0]:
            return np.empty(0, dtype=np.int64)
        first, last = np.array(self.shown).astype("datetime64[D]")
        if (many := int(numbers[1] - numbers[0]) + 1) > _MOST:
            raise ValueError(
                f"from {first} to {last} there are {many:,} periods; there can be {_MOST:,}. Pass start= and end=, in "
                "case a clock is wrong, or a longer freq."
            )
        return np.arange(numbers[0], numbers[1] + 1, dtype=np.int64)

    def states(self, numbers: Ints, freq: Freq, week_start: WeekStart = "monday") -> dict[str, Bools]:
        """Tell which periods are complete, and which settled."""
        ends = period_starts(numbers + 1, freq, week_start, self.zone)
        complete = (ends <= self.until) & (period_days(numbers, freq, week_start).astype(np.int64) >= self.first)
        return {"complete": complete, "settled": complete & (ends <= self.as_of - SETTLING)}


def read_active(
    activity: Activity,
    event: StepLike | None,
    *,
    start: When | None,
    end: When | None,
    tz: Zone | None,
    as_of: When | None,
) -> Active:
    """Check what the analyses of active users have in common, and give what they count."""
    zone = parse_zone("UTC" if tz is None else tz)
    begins, ends = (None if one is None else microseconds(one) for one in make_interval(start, end, zone))
    given = None if as_of is None else microseconds(make_instant("as_of", as_of, zone))
    log = _log(activity, event, given)
    known = log.as_of_microseconds if given is None else given
    held = held_span(activity, begins, ends) if isinstance(activity, EventStore | EventLog) else None
    until = known if held is None else min(known, held[1])
    days, first = _days(log, event, zone, until)
    if not len(days.day):
        return Active(days, 0, -1, (0, -1), until, known, zone, log.sample)
    if held is not None:
        # A day of which only the rest was synced is not known as a whole.
        first = max(first, _day(held[0] - 1, zone) + 1)
    last = max(_day(until - 1, zone), int(days.day.max()))
    from_, to = (None if one is None else _day(one, zone) for one in (begins, None if ends is None else ends - 1))
    shown = (first if from_ is None else from_, last if to is None else min(last, to))
    return Active(days, first, last, shown, until, known, zone, log.sample)


def _log(activity: Activity, event: StepLike | None, as_of: int | None) -> EventLog:
    """The log: of sessions, or of the events that are asked for."""
    if event is None:
        return as_activity(activity, as_of=as_of)
    return as_event_log(activity, only=enough(activity, [read_step(event, "event")], None), as_of=as_of)


def _days(log: EventLog, event: StepLike | None, zone: dt.tzinfo, until: int) -> tuple[UserDays, int]:
    """The days of users, and the first that can be right: clocks that are years behind tell nothing."""
    key = ("days that can be right", zone, until)
    if event is None and key in log.kept:
        kept: tuple[UserDays, int] = log.kept[key]
        return kept
    days = user_days(log, zone, until, event)
    if not len(days.day):
        return days, 0
    first = _first(days.day)
    found = days, first
    if days.day.min() < first:
        right = days.day >= first
        found = UserDays(days.user[right], days.day[right]), first
    if event is None:
        log.kept[key] = found
    return found


def _first(day: Ints) -> int:
    """The first day that can be right."""
    lowest, span = int(day.min()), int(day.max()) - int(day.min()) + 1
    if span <= len(day):
        # Where no week is without anybody there is no silence to look for, and counting is faster than sorting.
        there = np.flatnonzero(np.bincount(day - lowest, minlength=span))
        if np.diff(there).max(initial=0) < SILENCE_DAYS:
            return lowest
    return int(oldest(day * np.int64(DAY)) // DAY)


def _day(moment: int, zone: dt.tzinfo) -> int:
    return int(day_numbers(np.array([moment], dtype=np.int64), zone)[0])
