"""The arguments of retention: what a person writes, checked, and the log that it is asked of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import get_args

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.retention.cohorts import NO_AS_OF, CohortCalendar
from nucleus_pandas.analysis.retention.plain_days import PlainDays, plain_days
from nucleus_pandas.analysis.retention.retention_tables import Clock, Criterion
from nucleus_pandas.analysis.retention.returns import Bracket
from nucleus_pandas.core.calendar import Freq, WeekStart, read_calendar
from nucleus_pandas.core.checks import check_choice, checked_number, is_whole, read_span
from nucleus_pandas.core.instants import When, Zone, instant_of
from nucleus_pandas.events.activity_starts import Activity, as_activity, moments
from nucleus_pandas.events.buckets import STARTS, Buckets, in_parts
from nucleus_pandas.events.coverage import held_span
from nucleus_pandas.events.eventlog import EventLog, as_event_log
from nucleus_pandas.events.protocol import Parts
from nucleus_pandas.events.refusal import how_to_fit
from nucleus_pandas.events.steps import Step, StepLike, enough, find_column, properties_of, read_step
from nucleus_pandas.store.eventstore import EventStore

_KEY = ["user_db_id", "device_id", "session_id"]
#: A period, or the first and the last one of a bracket.
BracketLike = int | tuple[int, int]

_MOST_PERIODS = 5_000
_BRACKET_FORMS = "write periods and pairs of the first and the last one, for example brackets=[0, (1, 3), (4, 7)]."


@dataclass(frozen=True)
class Asked:
    """What is asked about the cohorts: events, periods (None for all that are over), criterion or brackets."""

    start_event: Step | None
    return_event: Step | None
    last: int | None
    criterion: Criterion
    brackets: list[Bracket] | None


def read_asked(
    *,
    users: object,
    start_event: StepLike | None,
    return_event: StepLike | None,
    first_time: object,
    periods: object,
    criterion: Criterion,
    brackets: Sequence[BracketLike] | None,
    by: object,
) -> Asked:
    """Check what does not depend on the data."""
    check_choice("criterion", criterion, get_args(Criterion))
    if by is not None and not isinstance(by, str):
        raise TypeError(f'by is of type {type(by).__name__}; write the name of one column, for example by="version".')
    if users is not None and not isinstance(users, pd.DataFrame):
        raise TypeError(
            f"users is of type {type(users).__name__}; pass the DataFrame of load_users, in pandas, or leave it out."
            f"{how_to_fit(users)}"
        )
    if users is not None and start_event is not None:
        raise ValueError("users and start_event both say when a user starts; pass one of them.")
    if users is not None and not first_time:
        raise ValueError("a user is created once: leave out users for first_time=False.")
    if not isinstance(first_time, bool | np.bool_):
        raise TypeError(f"first_time is {first_time!r:.60}; write True or False.")
    if brackets is not None and (criterion != "on" or periods is not None):
        raise ValueError("brackets take the place of periods and criterion; leave those out.")
    meaning = "the last period of the table, before which stand period 0 and all between"
    return Asked(
        None if start_event is None else read_step(start_event, "start_event"),
        None if return_event is None else read_step(return_event, "return_event"),
        None if periods is None else checked_number("periods", periods, _MOST_PERIODS, meaning),
        criterion,
        None if brackets is None else _read_brackets(brackets),
    )


def read_cohort_calendar(
    *,
    freq: Freq,
    clock: Clock,
    week_start: WeekStart | None,
    start: When | None,
    end: When | None,
    tz: Zone | None,
    as_of: When | None,
) -> CohortCalendar:
    """Check how time is cut; `as_of` is `NO_AS_OF` if none was given."""
    check_choice("clock", clock, get_args(Clock))
    start_us, end_us, as_of_us, zone = read_span(start, end, tz, as_of)
    calendar = read_calendar(freq, week_start, zone)
    return CohortCalendar(calendar, clock, start_us, end_us, NO_AS_OF if as_of_us is None else as_of_us)


def find_log(
    activity: Activity,
    asked: Asked,
    cohort_calendar: CohortCalendar,
    *,
    created: bool,
    by: str | None,
    first_time: bool,
) -> tuple[EventLog | PlainDays | Parts, CohortCalendar]:
    """Give the log that is asked, and until when it is known; of a store only what it holds.

    The commonest question, by first sessions on the calendar, is answered from a plain frame without making a log.
    """
    by = None if created else by
    steps = [asked.return_event] if created else [asked.start_event, asked.return_event]
    events = [one for one in steps if one is not None]
    if isinstance(activity, EventStore):
        return of_store(activity, events, cohort_calendar, sessions=len(events) < len(steps), by=by)
    as_of_us = None if cohort_calendar.as_of == NO_AS_OF else cohort_calendar.as_of
    activity = in_parts(activity)
    if isinstance(activity, Buckets):
        return _of_buckets(activity, steps, cohort_calendar, as_of_us, created=created, by=by)
    if not (created or events or by is not None) and first_time and cohort_calendar.clock == "calendar":
        plain = plain_days(activity, cohort_calendar.zone, as_of_us)
        if plain is not None:
            return plain, replace(cohort_calendar, as_of=plain.as_of_us)
    only = None if len(events) < len(steps) else enough(activity, events, by)
    log = as_activity(activity, events=only, as_of=as_of_us)
    cohort_calendar, held = within_held(log, cohort_calendar)
    until = log.as_of_us if as_of_us is None else as_of_us
    return log, replace(cohort_calendar, as_of=until if held is None else min(until, held))


def _of_buckets(
    buckets: Buckets,
    steps: Sequence[Step | None],
    cohort_calendar: CohortCalendar,
    as_of_us: int | None,
    *,
    created: bool,
    by: str | None,
) -> tuple[Parts, CohortCalendar]:
    places = ("return_event",) if created else ("start_event", "return_event")
    events = [(place, one) for place, one in zip(places, steps, strict=True) if one is not None]
    sessions = len(events) < len(steps)
    # A list of users is compared with all who were ever there.
    every = sessions or created
    columns = STARTS if sessions else ()
    parts = buckets.parts(as_of=as_of_us, steps=events, by=by, columns=columns, every=every, named=created)
    cohort_calendar, held = within_held(buckets.bare, cohort_calendar)
    until = parts.as_of_us
    return parts, replace(cohort_calendar, as_of=until if held is None else min(until, held))


def _read_brackets(brackets: object) -> list[Bracket]:
    if isinstance(brackets, str) or not isinstance(brackets, Sequence) or not brackets:
        raise TypeError(f"brackets is {brackets!r:.60}; {_BRACKET_FORMS}")
    if isinstance(brackets, tuple) and len(brackets) == 2 and all(isinstance(one, int) for one in brackets):
        raise ValueError(
            f"brackets={brackets!r} can be one bracket or two periods; write brackets=[{brackets!r}] or "
            f"brackets={list(brackets)!r}."
        )
    read = [_read_bracket(one) for one in brackets]
    lasts = [last for _, last in read]
    if any(one >= other for one, other in pairwise(lasts)):
        raise ValueError(f"each of the brackets must end later than the one before; {_BRACKET_FORMS}")
    return read


def _read_bracket(one: object) -> Bracket:
    pair = (one, one) if is_whole(one) else one
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(f"brackets holds {one!r:.60}; {_BRACKET_FORMS}")
    first, last = pair
    if not all(map(is_whole, pair)) or not 0 <= first <= last <= _MOST_PERIODS:
        raise ValueError(f"brackets holds {one!r:.60}: periods count from 0 to {_MOST_PERIODS:,}; {_BRACKET_FORMS}")
    return int(first), int(last)


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
        as_of_us = log.as_of_us
    else:
        only = None if sessions else enough(store, list(events), by)
        log = as_event_log(store, only=only, properties=properties_of(events, by))
        as_of_us = log.as_of_us if held is None else min(log.as_of_us, held)
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
    return EventLog.of_sessions(pd.DataFrame(frame), sample=log.sample, as_of=log.as_of_us)
