"""Retention as the definitions put it, one user and one period after the other: slow, and plainly right."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

UTC = dt.UTC
TICK = dt.timedelta(microseconds=1)
UNIT = {"D": dt.timedelta(days=1), "W": dt.timedelta(days=7), "M": dt.timedelta(days=30), "Q": dt.timedelta(days=90)}
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


@dataclass(frozen=True)
class Event:
    """Something that a user did; in what order events were received is told by the list that they stand in."""

    user: str
    time: dt.datetime
    name: str
    session: str | None
    plan: str | None


@dataclass(frozen=True)
class Asked:
    """A question; `users` maps each user to (created, plan)."""

    users: dict | None
    start_event: str | None
    return_event: str | None
    first_time: bool
    freq: str
    periods: int | None
    criterion: str
    brackets: tuple | None
    clock: str
    week_start: str
    by: bool
    start: dt.datetime | None
    end: dt.datetime | None
    zone: dt.tzinfo
    as_of: dt.datetime


def slow_retention(events, asked):
    """{(segment, cohort, period): (users, eligible, retained or None, complete)}."""
    starts = [one for one in all_starts(events, asked) if one[1] <= asked.as_of and inside(one[1], asked)]
    if not asked.first_time:
        starts = once_a_cohort(starts, asked)
    cohorts = all_cohorts([time for _, time, _ in starts], asked)
    table = {}
    for segment in {plan for _, _, plan in starts} if asked.by else {""}:
        for cohort in cohorts:
            members = [one for one in starts if number(one[1], asked) == cohort and one[2] == segment]
            for first, last in all_brackets(starts, asked):
                old = [one for one in members if over(one[1], last, asked)]
                came = [one for one in old if retained(one, first, last, events, asked)]
                table[segment, cohort, last] = (
                    len(members),
                    len(old),
                    len(came) if old else None,
                    complete(cohort, last, asked),
                )
    return table


def number(time, asked):
    """The number of the period that an instant lies in."""
    day = time.astimezone(asked.zone).date()
    if asked.freq == "M":
        return day.year * 12 + day.month
    if asked.freq == "Q":
        return day.year * 4 + (day.month - 1) // 3
    if asked.freq == "W":
        return (day.toordinal() - 1 - WEEKDAYS.index(asked.week_start)) // 7
    return day.toordinal()


def active(events, event, as_of):
    """(user, time, plan) of all that counts: sessions at their first event, or an event itself."""
    found = []
    sessions = set()
    for one in sorted(events, key=lambda one: one.time):  # in order of receipt where times are the same
        if event is not None:
            if one.name == event:
                found.append((one.user, one.time, one.plan))
        elif not one.name.startswith("nucleus:") and (one.session is None or (one.user, one.session) not in sessions):
            sessions.add((one.user, one.session))
            found.append((one.user, one.time, one.plan))
    return [one for one in found if one[1] <= as_of]


def all_starts(events, asked):
    if asked.users is not None:
        return [(user, time, plan if asked.by else "") for user, (time, plan) in asked.users.items()]
    found, seen = [], set()
    for user, time, plan in active(events, asked.start_event, asked.as_of):
        if not asked.first_time or user not in seen:
            found.append((user, time, plan if asked.by else ""))
        seen.add(user)
    return found


def inside(time, asked):
    return (asked.start is None or time >= asked.start) and (asked.end is None or time < asked.end)


def once_a_cohort(starts, asked):
    kept, seen = [], set()
    for one in starts:
        if (one[0], number(one[1], asked)) not in seen:
            kept.append(one)
        seen.add((one[0], number(one[1], asked)))
    return kept


def all_cohorts(times, asked):
    if not times and (asked.start is None or asked.start > asked.as_of):
        return []
    low = number(asked.start or min(times), asked)
    high = number(min(asked.end - TICK, asked.as_of) if asked.end else max(times, default=asked.as_of), asked)
    return range(low, high + 1)


def all_brackets(starts, asked):
    if asked.brackets is not None:
        return asked.brackets
    last = asked.periods
    if last is None:
        last = 0
        while any(over(time, last + 1, asked) for _, time, _ in starts):
            last += 1
    first = {"on": lambda n: n, "on_or_after": lambda n: n, "on_or_before": lambda n: 0}[asked.criterion]
    return [(first(n), n) for n in range(last + 1)]


def over(time, period, asked):
    """Whether a period after a start was over at as_of."""
    if asked.clock == "elapsed":
        return time + (period + 1) * UNIT[asked.freq] <= asked.as_of
    return number(asked.as_of, asked) > number(time, asked) + period


def retained(one, first, last, events, asked):
    user, start, _ = one
    if asked.criterion == "on_or_after":
        last = 10**9
    for who, time, _ in active(events, asked.return_event, asked.as_of):
        if asked.clock == "elapsed":
            lag = (time - start) // UNIT[asked.freq]
        else:
            lag = number(time, asked) - number(start, asked)
        if who == user and first <= lag <= last:
            return True
    return False


def complete(cohort, period, asked):
    """Whether the period was over for who started last of all who could, and the interval cuts nobody off."""
    cut = asked.start is not None and number(asked.start - TICK, asked) == cohort
    cut |= asked.end is not None and number(asked.end, asked) == cohort
    return not cut and over(last_instant(cohort, asked), period, asked)


def last_instant(cohort, asked):
    """The last instant of a period, by halving."""
    low, high = dt.datetime(2020, 1, 1, tzinfo=UTC), dt.datetime(2030, 1, 1, tzinfo=UTC)
    while high - low > TICK:
        middle = low + (high - low) // 2
        low, high = (middle, high) if number(middle, asked) <= cohort else (low, middle)
    return low
