"""The share of sessions and users without errors, and without crashes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import Bools, Ints, distinct
from nucleus_pandas.core.calendar import NO_PERIODS, Calendar, Freq, Periods, WeekStart, read_calendar
from nucleus_pandas.core.checks import Span, checked_number, read_span
from nucleus_pandas.core.dtypes import COUNT, DAY, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.events.activity_starts import Activity, as_activity
from nucleus_pandas.events.buckets import STARTS, Buckets, in_parts
from nucleus_pandas.events.clock_errors import Times, oldest_credible
from nucleus_pandas.events.error_events import (
    Failure,
    Sessions,
    between,
    find_sessions,
    held_within,
    session_rows,
    warn_without_errors,
)
from nucleus_pandas.events.eventlog import EventLog, Events, as_event_log
from nucleus_pandas.events.periods import find_periods
from nucleus_pandas.events.protocol import answer
from nucleus_pandas.events.segments import Segments, rank_segments
from nucleus_pandas.events.session_parts import SessionTimes, Wanted, largest_segments, narrowed, segments_of
from nucleus_pandas.events.steps import find_column, properties_of
from nucleus_pandas.stats.clusters import UserSums, sum_users, user_wilson
from nucleus_pandas.stats.intervals import LOW_N, wilson


def error_free(
    activity: Activity,
    *,
    freq: Freq | None = "W",
    week_start: WeekStart | None = None,
    by: str | None = None,
    top: int = 8,
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
) -> pd.DataFrame:
    """The share of sessions, and of users, without any error.

    Parameters
    ----------
    activity : DataFrame, EventLog, EventStore or Buckets
        The table of `load_sessions` (one request a user), with its column `errors`; or an event log with sessions.
        Of a store its sessions, of the interval that was synced: of other days it knows only some users.
    freq, week_start
        The periods in which sessions start, as for `growth`; ``freq=None`` for all of them together.
    by : str, optional
        A column (``"version"``) or a property (``"plan"`` for data.plan): one value a session, the first that any of
        its events has.
    top : int, default 8
        How many values of `by` get rows of their own, those with most sessions; beyond, ``(other)``. Missing is
        ``(none)``.
    start, end : str, date or datetime, optional
        Sessions that start in [start, end); a date as `end` is that whole day.
    tz : str, int or tzinfo, default "UTC"
        The zone of the periods and dates.
    as_of : str, date or datetime, optional
        Until when the data are known; by default that of the log, see `EventLog`.

    Returns
    -------
    DataFrame
        One row a period, with `by` for each segment, most frequent first; periods without sessions are there.

        - period: its first day, without a zone; not with ``freq=None``
        - segment: the value of `by`; only with it
        - sessions, error_sessions: sessions, and those of them with one error or more
        - error_free_sessions: 1 − error_sessions / sessions, with its 95 % bounds error_free_sessions_low and
          error_free_sessions_high (Wilson, with users as the sampling unit)
        - users, error_users: users with a session in the period (and segment), and those of them with an error in it
        - error_free_users: 1 − error_users / users, with its 95 % bounds (Wilson)
        - low_n: fewer than 30 users
        - complete: the period lies in [start, end) as a whole and was over at `as_of`; settled: it was over 48 hours
          before, so that what was sent late is there. Not with ``freq=None``
        - sample: the fraction of users in the log; counts are not scaled

        A rate of nobody, and of a period that is not complete, is missing.

    Raises
    ------
    ValueError
        If columns are missing, or for values that are not known.
    TypeError
        For arguments of another type.

    Warns
    -----
    IncompleteDataWarning
        When events have no session, or sessions no number of errors: they are left out. When a store, or a log made of
        one, does not hold all of [start, end): only what it holds counts. When sessions start years before all others,
        see Notes.
    UserWarning
        When no event of a log is an error, and kinds or names suggest that errors have other ones.

    Notes
    -----
    Definition: docs/definitions.md#errors-and-releases.

    A session counts in the period in which it starts, whatever day its errors are of. Without `start`, sessions of
    clocks that are years behind do not count: few, and before a week or more without any. Users of several periods or
    segments count in each, so that they do not add up. The longer the period the lower the share of users without
    errors: compare periods of one length only.

    Sessions of one user resemble each other, so their bounds are those of the number of independent sessions with the
    same information (docs/definitions.md#bounds-and-verdicts): the more the sessions of few users dominate, the wider
    they are.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> free = nu.error_free(sessions, freq="M", as_of=app.now())
    >>> bool(free["error_free_sessions"].dropna().between(0, 1).all())
    True
    """
    asked = read_span(start, end, tz, as_of)
    calendar = None if freq is None else read_calendar(freq, week_start, asked.zone)
    activity = in_parts(activity)
    if isinstance(activity, Buckets):
        return _table_of_parts(activity, "error", calendar, by, top, asked)
    span = held_within(activity, asked)
    log = as_activity(activity, as_of=asked.as_of, within=_readable(span))
    return _table(log, "error", calendar, by, top, span)


def crash_free(
    events: Events,
    *,
    freq: Freq | None = "W",
    week_start: WeekStart | None = None,
    by: str | None = None,
    top: int = 8,
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
) -> pd.DataFrame:
    """The share of sessions, and of users, without any crash.

    Parameters
    ----------
    events : DataFrame, EventLog, EventStore or Buckets
        An event log with sessions.
    freq, week_start, by, top, start, end, tz, as_of
        As for `error_free`; ``by="version"``, ``"platform"`` or ``"country"`` shows where it crashes.

    Returns
    -------
    DataFrame
        The columns of `error_free`, with ``crash`` in place of ``error``: crash_sessions, crash_free_sessions,
        crash_free_sessions_low, crash_free_sessions_high, crash_users, crash_free_users and its bounds.

    Raises
    ------
    ValueError, TypeError
        As `error_free`; a table of sessions does not say which errors there were.

    Warns
    -----
    IncompleteDataWarning, UserWarning
        As `error_free`.

    Notes
    -----
    A crash is an error that nobody caught: ``uncaughtException``, ``unhandledRejection`` or ``windowError``. An app
    often goes on after it.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> log = nu.EventLog(nu.load_session_events(app, sessions), as_of=app.now())
    >>> by_platform = nu.crash_free(log, freq=None, by="platform")
    >>> bool((by_platform["crash_sessions"] <= by_platform["sessions"]).all())
    True
    """
    asked = read_span(start, end, tz, as_of)
    calendar = None if freq is None else read_calendar(freq, week_start, asked.zone)
    events = in_parts(events)
    if isinstance(events, Buckets):
        return _table_of_parts(events, "crash", calendar, by, top, asked)
    span = held_within(events, asked)
    if isinstance(events, pd.DataFrame) and "event" not in events.columns and "start" in events.columns:
        log = as_activity(events)
    else:
        log = as_event_log(events, as_of=asked.as_of, within=_readable(span), properties=properties_of([], by))
    return _table(log, "crash", calendar, by, top, span)


def _readable(span: Span) -> tuple[dt.datetime | None, dt.datetime | None]:
    """What to read of a store: an interval of which it holds nothing cannot be asked for."""
    return (None, None) if span.start is not None and span.start == span.end else span.within


def _table(
    log: EventLog,
    failure: Failure,
    calendar: Calendar | None,
    by: str | None,
    top: int,
    span: Span,
) -> pd.DataFrame:
    top = checked_number("top", top, None, "how many values get rows of their own")
    warn_without_errors(log)
    until = log.as_of_us if span.as_of is None else span.as_of
    found = find_sessions(log, failure, until, start=span.start, end=span.end)
    periods = None if calendar is None else _periods(calendar, found.time, span.start, span.end, until)
    if periods is not None:
        period = np.searchsorted(periods.edges, found.time, side="right") - 1
        there = (period >= 0) & (period < len(periods.labels))
    else:
        period = np.zeros(len(found.time), dtype=np.int64)
        there = between(found.time, _begin(found.time, span.start), None)
    found, period = Sessions(*(values[there] for values in found)), period[there]
    segments = None
    if by is not None:
        column = find_column(log, by, "by")
        rows = session_rows(log, found, column)
        segments = rank_segments(log.values(column, rows), np.ones(len(rows), dtype=np.bool_), top)
    counts = count_failures(found, period, periods, segments)
    names = None if segments is None else segments.names
    return _lay_out(counts, failure, periods, names, until, log.sample)


def _table_of_parts(
    buckets: Buckets,
    failure: Failure,
    calendar: Calendar | None,
    by: str | None,
    top: int,
    asked: Span,
) -> pd.DataFrame:
    """The table part by part: first the periods, then, with `by`, the segments, then the counts."""
    top = checked_number("top", top, None, "how many values get rows of their own")
    start_us, end_us, as_of_us, zone = held_within(buckets.bare, asked)
    parts = buckets.parts(as_of=as_of_us, by=by, columns=STARTS)
    until = parts.as_of_us
    wanted = Wanted(failure, until, start_us, end_us)
    times = answer(SessionTimes(wanted, zone, tells_errors=True), parts)
    periods = None if calendar is None else _periods(calendar, times, start_us, end_us, until)
    if periods is None:
        wanted = narrowed(wanted, _begin(times, start_us), None)
    elif len(periods.edges):
        wanted = narrowed(wanted, int(periods.edges[0]), int(periods.edges[-1]))
    column = None if by is None else find_column(buckets.whole, by, "by")
    segments = None if column is None else answer(largest_segments(wanted, column, top), parts)
    counts = answer(CountFailures(wanted, periods, column, segments), parts)
    return _lay_out(counts, failure, periods, segments, until, buckets.whole.sample)


def _begin(times: Ints | Times, start: int | None) -> int | None:
    """From when on sessions count where there are no periods and `start` does not say it."""
    times = times if isinstance(times, Times) else Times(times)
    return oldest_credible(times, "sessions") if start is None and len(times.moments) else None


def _periods(calendar: Calendar, times: Ints | Times, start: int | None, end: int | None, until: int) -> Periods:
    """The periods; none of an interval that is empty, as of a store that holds nothing of it."""
    if start is not None and start == end:
        return NO_PERIODS
    return find_periods(calendar, times, start, end, until, "sessions")


def _lay_out(
    counts: FailureCounts,
    failure: Failure,
    periods: Periods | None,
    segments: list[str] | None,
    until: int,
    sample: float,
) -> pd.DataFrame:
    names = [""] if segments is None else segments
    number = 1 if periods is None else len(periods.labels)
    groups = number * len(names)
    users = counts.users
    measured = {
        "sessions": (counts.sessions.trials, counts.sessions.hits, user_wilson(counts.sessions.misses)),
        "users": (users, counts.failed_users, wilson(users - counts.failed_users, users)),
    }
    states = {} if periods is None else periods.states(until + 1)
    complete = np.repeat(states["complete"], len(names)) if states else np.ones(groups, dtype=np.bool_)
    schema: Schema = {}
    columns: dict[str, Any] = {}
    if periods is not None:
        schema["period"] = DAY
        columns["period"] = np.repeat(np.array(periods.labels, dtype=DAY), len(names))
    if segments is not None:
        schema["segment"] = TEXT
        columns["segment"] = names * number
    for unit, (all_of, failed, bounds) in measured.items():
        free = f"{failure}_free_{unit}"
        schema |= {unit: COUNT, f"{failure}_{unit}": COUNT}
        schema |= {free: NUMBER, f"{free}_low": NUMBER, f"{free}_high": NUMBER}
        columns |= {unit: all_of, f"{failure}_{unit}": failed}
        columns |= _rates(free, all_of - failed, all_of, bounds, complete)
    schema["low_n"] = np.dtype(bool)
    columns["low_n"] = users < LOW_N
    for name, values in states.items():
        schema[name], columns[name] = np.dtype(bool), np.repeat(values, len(names))
    return make_frame(schema | {"sample": NUMBER}, columns | {"sample": np.full(groups, sample)})


def _rates(name: str, free: Ints, all_of: Ints, bounds: tuple[Any, Any], known: Bools) -> dict[str, Any]:
    with np.errstate(invalid="ignore"):
        rate = free / all_of
    rates = {name: rate, f"{name}_low": bounds[0], f"{name}_high": bounds[1]}
    return {column: np.where(known, values, np.nan) for column, values in rates.items()}


class FailureCounts(NamedTuple):
    """Of each period and segment: sums of sessions (trials) and failed ones (hits), users, and failed users."""

    sessions: UserSums
    users: Ints
    failed_users: Ints


def count_failures(found: Sessions, period: Ints, periods: Periods | None, segments: Segments | None) -> FailureCounts:
    """Count sessions and users by period and segment."""
    names = 1 if segments is None else len(segments.names)
    groups = (1 if periods is None else len(periods.labels)) * names
    group = period * names + (0 if segments is None else segments.code)
    failed = found.failed
    return FailureCounts(
        sum_users(group, found.user, failed, groups),
        _users(group, found.user, groups),
        _users(group[failed], found.user[failed], groups),
    )


@dataclass(frozen=True)
class CountFailures:
    """The counts of the table; a user is in one part, so users add up, too."""

    wanted: Wanted
    periods: Periods | None
    column: str | None
    segments: list[str] | None

    def partial(self, log: EventLog) -> FailureCounts:
        """Count one part."""
        found = self.wanted.find(log)
        period = np.zeros(len(found.time), dtype=np.int64)
        if self.periods is not None:
            period = np.searchsorted(self.periods.edges, found.time, side="right") - 1
        segments = None
        if self.column is not None and self.segments is not None:
            segments = segments_of(log, found, self.column, self.segments)
        return count_failures(found, period, self.periods, segments)

    def merge(self, one: FailureCounts, other: FailureCounts) -> FailureCounts:
        """Add two parts up."""
        return FailureCounts(
            one.sessions + other.sessions, one.users + other.users, one.failed_users + other.failed_users
        )

    def finish(self, state: FailureCounts) -> FailureCounts:
        """Give them as they are."""
        return state


def _users(group: Ints, user: Ints, groups: int) -> Ints:
    """How many different users each group has."""
    width = int(user.max(initial=0)) + 1
    pairs = distinct(group.astype(np.int64) * width + user)
    return np.bincount(pairs // width, minlength=groups)
