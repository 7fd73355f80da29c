"""What a store can tell about cohorts: those of the interval that was synced, as long as it knows about their users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from nucleus_pandas.analysis.retention.cohorts import NO_AS_OF, CohortCalendar
from nucleus_pandas.core.instants import instant_of
from nucleus_pandas.events.activity_starts import as_activity, moments
from nucleus_pandas.events.coverage import held_span
from nucleus_pandas.events.eventlog import EventLog, as_event_log
from nucleus_pandas.events.steps import Step, enough, find_column, properties_of
from nucleus_pandas.store.eventstore import EventStore

_KEY = ["user_db_id", "device_id", "session_id"]


def of_store(
    store: EventStore, events: Sequence[Step], cohort_calendar: CohortCalendar, *, sessions: bool, by: str | None
) -> tuple[EventLog, CohortCalendar]:
    """Give the log of a store that answers a question about cohorts, and the interval and `as_of` that it answers for.

    A sync asks about the users who were there in its interval, and about no others: of earlier cohorts only those who
    stayed would be known, and all of them would seem to have stayed. Of those whom it asks about it learns every
    session, also later ones; but events only of the sessions in the interval.
    """
    cohort_calendar, held = within_held(store, cohort_calendar)
    if sessions and not events:
        log = _with_column(store, as_activity(store), by, cohort_calendar)
        as_of_us = log.as_of_microseconds
    else:
        only = None if sessions else enough(store, list(events), by)
        log = as_event_log(store, only=only, properties=properties_of(events, by))
        as_of_us = log.as_of_microseconds if held is None else min(log.as_of_microseconds, held)
    return log, replace(
        cohort_calendar, as_of=as_of_us if cohort_calendar.as_of == NO_AS_OF else min(cohort_calendar.as_of, as_of_us)
    )


def within_held(source: EventStore | EventLog, cohort_calendar: CohortCalendar) -> tuple[CohortCalendar, int | None]:
    """Let cohorts start where a store, or a log made of one, holds something, and say until when that is.

    Where more is asked for a warning says so; for a log that was made of something else nothing changes.
    """
    span = held_span(source, cohort_calendar.start, cohort_calendar.end)
    if span is None:
        return cohort_calendar, None
    start, end = span
    start_us, end_us = cohort_calendar.start, cohort_calendar.end
    return replace(
        cohort_calendar, start=start if start_us is None else start_us, end=end if end_us is None else end_us
    ), end


def _with_column(store: EventStore, log: EventLog, by: str | None, cohort_calendar: CohortCalendar) -> EventLog:
    """The log of sessions with a column of their events: the value where each session starts."""
    if by is None or by in log.frame.columns:
        return log
    since, until = (None if one is None else instant_of(one) for one in (cohort_calendar.start, cohort_calendar.end))
    events = as_event_log(store, within=(since, until), properties=properties_of([], by))
    column = find_column(events, by, "by")
    rows = moments(events).row
    values = events.frame[[*_KEY, "session_start"]].iloc[events.order[rows]].rename(columns={"session_start": "start"})
    values[column] = events.values(column, rows).array
    key = [*_KEY, "start"]
    frame = log.frame.drop(columns=["time", "event"]).merge(values.drop_duplicates(key), how="left", on=key)
    return EventLog.of_sessions(pd.DataFrame(frame), sample=log.sample, as_of=log.as_of_microseconds)
