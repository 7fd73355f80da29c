"""When users were active: the starts of sessions, or events, of whatever an analysis was given."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import Ints, is_group_start
from nucleus_pandas.core.calendar import day_numbers
from nucleus_pandas.core.instants import microseconds
from nucleus_pandas.events.eventlog import EventLog, LogCache, as_event_log
from nucleus_pandas.events.log_columns import instants
from nucleus_pandas.events.refusal import Parted, refuse_parts
from nucleus_pandas.events.steps import read_step, rows_of
from nucleus_pandas.store.eventstore import EventStore

_QUIET = """
SELECT user_db_id, device_id, session_id, session_start AS "start" FROM events
GROUP BY ALL HAVING bool_and(coalesce(kind = 'system', false))
"""

#: What can be asked when users were active: an event log of any kind, or the table of `load_sessions`.
Activity = pd.DataFrame | EventLog | EventStore | Parted


class Moments(NamedTuple):
    """When users did something, by user and time: the user's code, the time, and the row of the log."""

    user: Ints
    time: Ints
    row: Ints


class UserDays(NamedTuple):
    """The days on which users were active, each once, by user and day: the user's code, days since 1970."""

    user: Ints
    day: Ints


_STARTS: LogCache[None, Moments] = LogCache()
# By zone, until and since. Only the last: the next question is mostly about the same days.
_DAYS: LogCache[tuple[dt.tzinfo, int | None, int | None], UserDays] = LogCache(most=1)


def as_activity(
    source: object,
    *,
    events: Collection[str] | None = None,
    as_of: int | None = None,
    within: tuple[dt.datetime | None, dt.datetime | None] = (None, None),
) -> EventLog:
    """Make a log of whatever an analysis of activity was given; sessions become a log of their starts.

    Parameters
    ----------
    source : DataFrame, EventLog or EventStore
        A DataFrame with `start` and without `event` is one of sessions. Of a store its sessions are read.
    events : collection of str, optional
        The only events that the analysis looks at, if it does not ask for sessions; the store's events are then read.
    as_of : int, optional
        Until when the data are known, if `as_of` was given.
    within : tuple of datetime or None
        The instants between which it looks.
    """
    if isinstance(source, EventStore) and events is None:
        info = source.info()
        as_of_us = None if info.as_of is None else microseconds(info.as_of)
        return EventLog.of_sessions(_active_sessions(source, within), sample=info.sample, as_of=as_of_us)
    if isinstance(source, pd.DataFrame) and "event" not in source.columns and "start" in source.columns:
        return EventLog.of_sessions(source, as_of=as_of)
    refuse_parts(source)
    if not isinstance(source, pd.DataFrame | EventLog | EventStore):
        raise TypeError(
            f"activity is of type {type(source).__name__}; pass the DataFrame of load_sessions, one with user_id, time "
            "and event, an EventLog or an EventStore."
        )
    return as_event_log(source, only=events, as_of=as_of, within=within)


def _active_sessions(store: EventStore, within: tuple[dt.datetime | None, dt.datetime | None]) -> pd.DataFrame:
    """Give the sessions of a store without those all of whose events are system events, as logs of events have them."""
    sessions, quiet = store.sessions(*within), store.sql(_QUIET)
    if not len(quiet):
        return sessions
    key = ["user_db_id", "device_id", "session_id", "start"]
    quiet["start"] = pd.to_datetime(quiet["start"], utc=True).astype(sessions["start"].dtype)
    quiet = quiet.astype({name: sessions[name].dtype for name in key})
    return sessions[sessions.merge(quiet, how="left", on=key, indicator=True)["_merge"].eq("left_only").to_numpy()]


def moments(log: EventLog, event: object = None, place: str = "return_event") -> Moments:
    """Give when users were active, by user and time.

    Parameters
    ----------
    log : EventLog
    event : str, list of str or step, optional
        Any of these events; by default the starts of sessions, see Notes.
    place : str
        The argument that `event` was, for messages.

    Notes
    -----
    Rule 2 of *Retention*: a session that runs over midnight is no return, so its events count at its start, which is
    session_start, or where the log does not have that the first of its events. Events without a session count each for
    themselves. System events are no activity.
    """
    if event is not None:
        rows = rows_of(read_step(event, place), log, place)
        return Moments(log.user[rows], log.time[rows], rows)
    return _STARTS.get(log, None, lambda: _starts(log))


def user_days(
    log: EventLog, zone: dt.tzinfo, until: int | None = None, event: object = None, *, since: int | None = None
) -> UserDays:
    """Give the local days on which users were active, each once.

    The log keeps those of the starts of sessions for the next question, until other ones are asked for.

    Parameters
    ----------
    log : EventLog
    zone : tzinfo
    until : int, optional
        Leave out what is later, in microseconds since 1970.
    event : str, list of str or step, optional
        As for `moments`.
    since : int, optional
        Leave out what comes from older rows of the log.
    """
    found = moments(log, event, "event")
    if until is not None and found.time.max(initial=-(2**63)) <= until:
        until = None
    if event is not None:
        return _days_of(log, found, zone, until, since)
    return _DAYS.get(log, (zone, until, since), lambda: _days_of(log, found, zone, until, since))


def _days_of(log: EventLog, found: Moments, zone: dt.tzinfo, until: int | None, since: int | None) -> UserDays:
    user, time, row = found
    if until is not None or since is not None:
        inside = np.ones(len(time), dtype=np.bool_) if until is None else time <= until
        inside &= True if since is None else log.time[row] >= since
        user, time = user[inside], time[inside]
    day = day_numbers(time, zone)
    new = is_group_start(user) | is_group_start(day)
    return UserDays(user[new], day[new])


def _starts(log: EventLog) -> Moments:
    every = np.arange(len(log), dtype=log.order.dtype)
    alone = "session_id" not in log.frame.columns
    if log.holds_sessions or (alone and not log.system.any()):
        return Moments(log.user, log.time, every)
    active = every[~log.system] if log.system.any() else every
    if alone:
        return Moments(log.user[active], log.time[active], active)
    session = log.session[active]
    first = np.full(int(session.max(initial=-1)) + 1, -1, dtype=active.dtype)
    inside = np.flatnonzero(session >= 0)[::-1]
    first[session[inside]] = active[inside]
    rows = np.sort(np.concatenate([first[first >= 0], active[session < 0]]))
    time = _session_starts(log, rows)
    order = np.lexsort((time, log.user[rows]))
    return Moments(log.user[rows[order]], time[order], rows[order])


def _session_starts(log: EventLog, rows: Ints) -> Ints:
    """When the sessions of some rows started; the row's own time where it is missing."""
    time = log.time[rows]
    if "session_start" not in log.frame.columns or not isinstance(
        log.frame["session_start"].dtype, pd.DatetimeTZDtype | pd.ArrowDtype
    ):
        return time
    start, missing = instants(log.values("session_start", rows))
    return np.where(missing | (log.session[rows] < 0), time, start)
