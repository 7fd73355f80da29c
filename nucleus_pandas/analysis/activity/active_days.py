"""The days on which users were active, and how far back and forth they are known."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.calendar import Calendar, day_numbers, period_states
from nucleus_pandas.core.checks import read_span
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.core.units import DAY
from nucleus_pandas.events.activity_starts import Activity, UserDays, as_activity, user_days
from nucleus_pandas.events.buckets import STARTS, Buckets, in_parts
from nucleus_pandas.events.clock_errors import SILENCE_DAYS, Times, oldest, warn_behind
from nucleus_pandas.events.coverage import held_span
from nucleus_pandas.events.eventlog import EventLog, LogCache, as_event_log
from nucleus_pandas.events.log_columns import instants
from nucleus_pandas.events.protocol import Parts
from nucleus_pandas.events.refusal import REFUSAL, refuse_parts
from nucleus_pandas.events.steps import StepLike, enough, properties_of, read_step
from nucleus_pandas.store.eventstore import EventStore


@dataclass(frozen=True)
class Active:
    """When users were active, and of which days that is known.

    Attributes
    ----------
    days : UserDays
        The days of each user, also those before `first`.
    first, last : int
        The days that are known, in days since 1970: from that of the first event in the log, or the first that was
        synced, to that of `as_of`. None are where `last` is the lower.
    shown : tuple of int
        The first and the last day that is asked for and not later than what is known.
    beyond : bool
        Whether days were asked for that are later.
    until, as_of : int
        Until when activity is known, and when that was asked for, in microseconds; a store can have asked later.
    zone : tzinfo
    sample : float
    """

    days: UserDays
    first: int
    last: int
    shown: tuple[int, int]
    beyond: bool
    until: int
    as_of: int
    zone: dt.tzinfo
    sample: float

    @property
    def last_over(self) -> int:
        """The last day that is known as a whole; a day that a zone skipped is none."""
        today = np.array([_day(self.until + 1, self.zone)])
        return _day(int(Calendar("D", self.zone).starts(today)[0]) - 1, self.zone)

    def rows(self, calendar: Calendar) -> Ints:
        """Give the numbers of the periods that the days asked for lie in."""
        if self.shown[1] < self.shown[0]:
            return np.empty(0, dtype=np.int64)
        first, last = calendar.of_days(np.array(self.shown)).tolist()
        calendar.check_number(first, last)
        return np.arange(first, last + 1, dtype=np.int64)

    def states(self, numbers: Ints, calendar: Calendar) -> dict[str, Bools]:
        """Give the columns complete and settled, see `period_states`."""
        whole: Bools = calendar.first_days(numbers).astype(np.int64) >= self.first
        return period_states(calendar.starts(numbers + 1), whole, self.until + 1, settled_until=self.as_of + 1)


@dataclass(frozen=True)
class KnownDays:
    """Of which days activity is known, before anybody's is looked at.

    Attributes
    ----------
    event : StepLike or None
        What makes a user active.
    first_asked, last_asked : int or None
        The first and the last day that are asked for.
    first : int
        The first day of the log.
    since : int or None
        What is older is left out.
    oldest : int or None
        The first event of all; None where there is none.
    until, as_of, zone, sample
        As in `Active`.
    """

    event: StepLike | None
    first_asked: int | None
    last_asked: int | None
    first: int
    since: int | None
    oldest: int | None
    until: int
    as_of: int
    zone: dt.tzinfo
    sample: float

    def days(self, log: EventLog) -> UserDays:
        """Give the days on which the users of a log were active."""
        return user_days(log, self.zone, self.until, self.event, since=self.since)

    def active(self, days: UserDays, last: int | None) -> Active:
        """Give what was found, given the last day of all on which anybody was active."""
        if self.oldest is None or (last is None and self.until <= self.oldest):
            return self._active(days, first=0, last=-1, shown=(0, -1), beyond=False)
        over = _day(self.until - 1, self.zone)
        last = over if last is None else max(over, last)
        shown = (
            self.first if self.first_asked is None else self.first_asked,
            last if self.last_asked is None else min(last, self.last_asked),
        )
        beyond = self.last_asked is not None and self.last_asked > last
        return self._active(days, first=self.first, last=last, shown=shown, beyond=beyond)

    def _active(self, days: UserDays, *, first: int, last: int, shown: tuple[int, int], beyond: bool) -> Active:
        return Active(
            days=days,
            first=first,
            last=last,
            shown=shown,
            beyond=beyond,
            until=self.until,
            as_of=self.as_of,
            zone=self.zone,
            sample=self.sample,
        )

    def rows(self, calendar: Calendar) -> Ints:
        """Give the numbers of the periods that there can be rows of; there may turn out to be one less."""
        return self.active(NO_DAYS, _day(self.until, self.zone)).rows(calendar)


NO_DAYS = UserDays(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32))


_BEGINS: LogCache[None, tuple[int, int]] = LogCache()


def read_active(
    activity: Activity,
    event: StepLike | None,
    *,
    start: When | None,
    end: When | None,
    tz: Zone | None,
    as_of: When | None,
    back: int | None = None,
) -> Active:
    """Check what the analyses of active users have in common, and give what they count.

    Without `start`, `back` says how many days before the end it is about.
    """
    refuse_parts(activity)
    known, log = read_known(activity, event, start=start, end=end, tz=tz, as_of=as_of, back=back)
    if not isinstance(log, EventLog):
        raise TypeError(REFUSAL)
    days = known.days(log)
    return known.active(days, last_day(days))


def last_day(days: UserDays) -> int | None:
    """Give the last day on which anybody was active, if anybody was."""
    return int(days.day.max()) if len(days.day) else None


def read_known(
    activity: Activity,
    event: StepLike | None,
    *,
    start: When | None,
    end: When | None,
    tz: Zone | None,
    as_of: When | None,
    back: int | None = None,
) -> tuple[KnownDays, EventLog | Parts]:
    """The same without looking at anybody's activity: which days are known, and the log."""
    start_us, end_us, given, zone = read_span(start, end, tz, as_of)
    activity = in_parts(activity)
    log = _log(activity, event, given)
    as_of_us = log.as_of_us if given is None else given
    synced = activity.whole if isinstance(activity, Buckets) else activity
    held = held_span(synced, start_us, end_us) if isinstance(synced, EventStore | EventLog) else None
    # What was synced ends before its end; what is known at an instant is known with it.
    until = as_of_us if held is None else min(as_of_us, held[1] - 1)
    about = held[0] if held is not None and start_us is None else start_us
    about = about if back is None else min(until, until if end_us is None else end_us) - (back + 2) * DAY
    time = activity.times if isinstance(activity, Buckets) else Times(_times(log))
    first, since = (0, None)
    if len(time.moments):
        first, since = _first(activity if isinstance(activity, Buckets) else log, time, about, zone)
    if held is not None:
        # A day of which only the rest was synced is not known as a whole. From there on all days are, also those on
        # which nobody was there yet; without `start` the table begins with the first of which there is anything.
        whole = _day(held[0] - 1, zone) + 1
        first = whole if start_us is not None else max(first, whole)
    from_, to = (None if one is None else _day(one, zone) for one in (start_us, None if end_us is None else end_us - 1))
    oldest_of_all = _begin(log, time)[1] if len(time.moments) else None
    return KnownDays(
        event=event,
        first_asked=from_,
        last_asked=to,
        first=first,
        since=since,
        oldest=oldest_of_all,
        until=until,
        as_of=as_of_us,
        zone=zone,
        sample=log.sample,
    ), log


def _log(activity: Activity, event: StepLike | None, as_of: int | None) -> EventLog | Parts:
    """The log: of sessions, or of the events that are asked for."""
    if isinstance(activity, Buckets):
        steps = [] if event is None else [("event", read_step(event, "event"))]
        return activity.parts(as_of=as_of, steps=steps, columns=STARTS if event is None else (), every=event is None)
    if isinstance(activity, pd.DataFrame) and "event" not in activity.columns:
        if "start" not in activity.columns and "created_at" in activity.columns:
            raise ValueError(
                "activity is a list of users, which does not tell on which days they came; pass the DataFrame of "
                "load_sessions."
            )
        if "start" in activity.columns and event is not None:
            raise ValueError(
                "activity is a table of sessions, which does not tell events; pass the DataFrame of "
                "load_session_events, or leave event= out."
            )
    if event is None:
        return as_activity(activity, as_of=as_of)
    asked = [read_step(event, "event")]
    only = enough(activity, asked, None)
    return as_event_log(activity, only=only, as_of=as_of, properties=properties_of(asked))


def _first(log: EventLog | Parts | Buckets, time: Times, start: int | None, zone: dt.tzinfo) -> tuple[int, int | None]:
    """Give the first day of a log, and the time before which its rows are left out, if any are.

    It begins with its first event, whenever the session of that began. Clocks that are years behind are ignored: a
    warning says how many rows are left out; but from `start` on, where that is given, all rows are believed.
    """
    begin, oldest_of_all = _begin(log, time)
    if start is None and oldest_of_all < begin:
        warn_behind(time, begin, "events")
    since = begin if start is None else min(begin, start)
    if since < begin:
        begin = log.first_since(since) if isinstance(log, Buckets) else int(time.moments[time.moments >= since].min())
    return _day(begin, zone), since if oldest_of_all < since else None


def _times(log: EventLog | Parts) -> Ints:
    """When all events of the frame happened, also those that were not asked for."""
    log = log if isinstance(log, EventLog) else log.whole
    if len(log) == len(log.frame):
        return log.time
    time, missing = instants(log.frame["time"])
    return time[~missing]


def _begin(log: EventLog | Parts | Buckets, time: Times) -> tuple[int, int]:
    """The first time that can be right, and the first of all; a log keeps them."""
    if not isinstance(log, EventLog):
        return oldest(time), int(time.moments.min())
    return _BEGINS.get(log, None, lambda: (_oldest(time.moments), int(time.moments.min())))


def _oldest(time: Ints) -> int:
    """The oldest time that can be right, found quickly where that is all of them."""
    day = time // DAY
    lowest, span = int(day.min()), int(day.max()) - int(day.min()) + 1
    if span <= len(day):
        # Where no week is without anybody there is no silence to look for, and counting is faster than sorting.
        there = np.flatnonzero(np.bincount(day - lowest, minlength=span))
        if np.diff(there).max(initial=0) < SILENCE_DAYS:
            return int(time.min())
    return oldest(time)


def _day(moment: int, zone: dt.tzinfo) -> int:
    return int(day_numbers(np.array([moment], dtype=np.int64), zone)[0])
