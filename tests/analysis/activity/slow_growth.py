"""Active users as the definitions put them, by going through the days one by one: slow, and plainly right."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from itertools import pairwise
from math import ceil
from statistics import median

ONE = dt.timedelta(days=1)


def days_of(active, zone):
    """The local days of each user, of (user, instant) pairs."""
    found = {}
    for user, instant in active:
        found.setdefault(user, set()).add(instant.astimezone(zone).date())
    return found


def each(first, last):
    return [first + n * ONE for n in range((last - first).days + 1)]


def over(date, zone, as_of):
    """Whether the local day is over at an instant: another one has begun by then, and not by the clock going back."""
    return as_of.astimezone(zone).date() > date


def first_of(freq, date, week_start=0):
    if freq == "D":
        return date
    if freq == "Q":
        return date.replace(month=(date.month - 1) // 3 * 3 + 1, day=1)
    return date.replace(day=1) if freq == "M" else date - (date.weekday() - week_start) % 7 * ONE


def before(freq, period, week_start=0):
    return first_of(freq, period - ONE, week_start)


def slow_active_users(active, zone, as_of):
    """For each day (day, dau, wau, mau, stickiness, complete)."""
    days = days_of(active, zone)
    first, last = min(map(min, days.values())), max(map(max, days.values()))
    rows = []
    for day in each(first, last):
        counts = []
        for length in (1, 7, 28):
            window = {day - n * ONE for n in range(length)}
            there = sum(bool(dates & window) for dates in days.values())
            counts.append(None if min(window) < first else there)
        complete = over(day, zone, as_of)
        known = complete and counts[2]
        rows.append((day, *counts, counts[0] / counts[2] if known else None, complete))
    return rows


def slow_growth(active, zone, as_of, freq, week_start=0):
    """For each period (period, new, returning, resurrected, dormant, active, complete)."""
    days = days_of(active, zone)
    first, last = min(map(min, days.values())), max(map(max, days.values()))
    periods = {user: {first_of(freq, date, week_start) for date in dates} for user, dates in days.items()}
    rows = []
    for period in dict.fromkeys(first_of(freq, day, week_start) for day in each(first, last)):
        previous = before(freq, period, week_start)
        here = [user for user, its in periods.items() if period in its]
        new = [user for user in here if min(periods[user]) == period]
        returning = [user for user in here if previous in periods[user]]
        gone = [user for user, its in periods.items() if previous in its and period not in its]
        counts = [len(new), len(returning), len(here) - len(new) - len(returning), len(gone)]
        ends = period
        while first_of(freq, ends + ONE, week_start) == period:
            ends += ONE
        complete = over(ends, zone, as_of) and period >= first
        if previous < first:
            counts = [None] * 4
        elif not complete:
            counts[3] = None
        rows.append((period, *counts, len(here), complete))
    return rows


def slow_days_active(active, zone, as_of, number):
    """How many users were active on 1, 2, … of the last days that were over; None before the log."""
    days = days_of(active, zone)
    last = max(day for day in each(dt.date(2026, 1, 1), dt.date(2027, 1, 1)) if over(day, zone, as_of))
    window = {last - n * ONE for n in range(number)}
    if last < min(map(min, days.values())):
        return [None] * number
    on = [len(dates & window) for dates in days.values()]
    return [on.count(times) for times in range(1, number + 1)]


def slow_usage_interval(active, zone):
    """How many users have a median, and a longest, distance of 1, 2, … days, and how many have none."""
    medians, longest, once = [], [], 0
    for dates in days_of(active, zone).values():
        ordered = sorted(dates)
        apart = [Fraction((later - sooner).days) for sooner, later in pairwise(ordered)]
        once += not apart
        medians += [ceil(median(apart))] if apart else []
        longest += [int(max(apart))] if apart else []
    rows = range(1, max(longest, default=0) + 1)
    return [medians.count(days) for days in rows], [longest.count(days) for days in rows], once
