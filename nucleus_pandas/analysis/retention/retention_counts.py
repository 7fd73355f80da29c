"""From a question about retention to the counts of its table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.retention.cohorts import CohortCalendar, CohortRange, Cohorts, Starts
from nucleus_pandas.analysis.retention.plain_days import PlainDays
from nucleus_pandas.analysis.retention.retention_question import Asked
from nucleus_pandas.analysis.retention.retention_tables import Cells
from nucleus_pandas.analysis.retention.returns import (
    Begun,
    Returns,
    count_brackets,
    count_eligible,
    count_on,
    count_on_or_after,
    count_on_or_before,
)
from nucleus_pandas.core.arrays import Ints, is_group_start
from nucleus_pandas.core.calendar import Calendar
from nucleus_pandas.events.activity_starts import moments, user_days
from nucleus_pandas.events.eventlog import EventLog, LogCache
from nucleus_pandas.events.segments import Segments, find_segments, rank_segments
from nucleus_pandas.events.user_list import created, user_values
from nucleus_pandas.stats.clusters import UserSums

_MOST_CELLS = 5_000_000
# Counts of users that are held in memory at a time.
_MOST_AT_ONCE = 4_000_000


def find_starts(log: EventLog | PlainDays, users: pd.DataFrame | None, asked: Asked, *, first_time: bool) -> Starts:
    """Give when each user starts: created, or the first or every start event."""
    if isinstance(log, PlainDays):
        return Starts(log.user, log.first, log.user)
    if users is not None:
        return Starts(*created(log, users))
    found = Starts(*moments(log, asked.start_event, "start_event"))
    return found.where(is_group_start(found.user)) if first_time else found


def segments_of(log: EventLog, users: pd.DataFrame | None, by: str, starts: Starts, top: int) -> Segments:
    """Give each start its segment: the value of a column of the log there, or of the user."""
    every = np.ones(len(starts.row), dtype=np.bool_)
    if users is None:
        return find_segments(log, by, starts.row, every, top)
    values = user_values(users, by, "by", whose="the table of users")
    return rank_segments(values.iloc[starts.row], every, top)


def _returns(log: EventLog | PlainDays, asked: Asked, cohort_calendar: CohortCalendar) -> Returns:
    """What counts as coming back: the moments, or the periods that they lie in."""
    if isinstance(log, PlainDays):
        return _once(log.days.user, cohort_calendar.calendar.of_days(log.days.day))
    if cohort_calendar.clock == "calendar" and asked.return_event is None:
        return _active_periods(log, cohort_calendar)
    user, place, _ = moments(log, asked.return_event, "return_event")
    known = place <= cohort_calendar.as_of
    if not known.all():
        user, place = user[known], place[known]
    return (
        Returns(user, place, cohort_calendar.length)
        if cohort_calendar.clock == "elapsed"
        else _once(user, cohort_calendar.periods(place))
    )


_PERIODS: LogCache[tuple[Calendar, int], Returns] = LogCache(most=3)


def _active_periods(log: EventLog, cohort_calendar: CohortCalendar) -> Returns:
    """The periods in which users started a session, kept with the log as the days are."""
    user, day = user_days(log, cohort_calendar.zone, cohort_calendar.as_of)
    if cohort_calendar.calendar.unit == "D":
        return Returns(user, day, None)
    key = (cohort_calendar.calendar, cohort_calendar.as_of)
    return _PERIODS.get(log, key, lambda: _once(user, cohort_calendar.calendar.of_days(day)))


def _once(user: Ints, period: Ints) -> Returns:
    new = is_group_start(user) | is_group_start(period)
    return Returns(user, period, None) if new.all() else Returns(user[new], period[new], None)


def count_cells(
    log: EventLog | PlainDays,
    asked: Asked,
    cohort_calendar: CohortCalendar,
    cohorts: Cohorts,
    segments: Segments | None,
    numbers: Ints,
    *,
    recurring: bool,
) -> Cells:
    """Count the users of each segment, cohort and period (by `numbers`), and those of them who came back.

    With `recurring` a user can be in several cohorts, and what pooling these takes is counted as well.
    """
    names = 1 if segments is None else len(segments.names)
    group = cohorts.place if segments is None else segments.code * cohorts.number + cohorts.place
    elapsed = cohort_calendar.clock == "elapsed"
    place = cohorts.starts.time if elapsed else cohorts.place + cohorts.first
    begun = Begun(cohorts.starts.user, place, group, cohorts.reach(cohort_calendar), names * cohorts.number)
    _check_size(begun.groups, len(numbers), cohort_calendar)
    returns = _returns(log, asked, cohort_calendar)
    retained = _retained(begun, returns, asked, int(numbers.max(initial=0)))
    shape = (names, cohorts.number, len(numbers))
    return Cells(
        cohorts=cohorts.days(cohort_calendar),
        periods=numbers,
        users=np.bincount(group, minlength=begun.groups).reshape(shape[:2]),
        eligible=count_eligible(begun, numbers).reshape(shape),
        retained=retained.reshape(shape),
        complete=cohorts.complete(numbers, cohort_calendar),
        segments=None if segments is None else segments.names,
        brackets=None if asked.brackets is None else [_bracket(*one) for one in asked.brackets],
        pooled=_pooled(begun, returns, asked, numbers, names) if recurring else None,
    )


def _pooled(begun: Begun, returns: Returns, asked: Asked, numbers: Ints, segments: int) -> UserSums:
    """Sum the starts of all cohorts over users, for each segment and period."""
    sums = UserSums(*(np.zeros((segments, len(numbers)), dtype=np.int64) for _ in UserSums._fields))
    first = (
        np.append(np.flatnonzero(is_group_start(begun.user)), len(begun.user)) if len(begun.user) else np.zeros(1, int)
    )
    segment = begun.group // max(1, begun.groups // max(1, segments))
    step = max(1, _MOST_AT_ONCE // max(1, segments * len(numbers)))
    for low in range(0, len(first) - 1, step):
        edges = first[low : low + step + 1]
        part = slice(int(edges[0]), int(edges[-1]))
        users = len(edges) - 1
        number = np.repeat(np.arange(users), np.diff(edges))
        group = segment[part] * users + number
        own = Begun(begun.user[part], begun.place[part], group, begun.reach[part], segments * users)
        shape = (segments, users, len(numbers))
        trials = count_eligible(own, numbers).reshape(shape)
        hits = _retained(own, returns, asked, int(numbers.max(initial=0))).reshape(shape)
        parts = (trials, hits, trials * trials, trials * hits, hits * hits)
        sums = sums + UserSums(*(one.sum(axis=1) for one in parts))
    return sums


def period_numbers_of(asked: Asked, cohort_calendar: CohortCalendar, cohort_range: CohortRange) -> Ints:
    """The numbers of the periods, by default all that were over for anybody."""
    if asked.brackets is not None:
        return np.array([last for _, last in asked.brackets])
    return np.arange((cohort_range.last_over(cohort_calendar) if asked.last is None else asked.last) + 1)


def _check_size(groups: int, periods: int, cohort_calendar: CohortCalendar) -> None:
    if groups * periods > _MOST_CELLS:
        raise ValueError(
            f"{groups:,} cohorts of {periods:,} periods each make {groups * periods:,} rows; there can be "
            f"{_MOST_CELLS:,}. Pass periods=, start= and end=, or a longer freq."
        )


def _retained(begun: Begun, returns: Returns, asked: Asked, last: int) -> Ints:
    if asked.brackets is not None:
        return count_brackets(begun, returns, asked.brackets)
    count = {"on": count_on, "on_or_after": count_on_or_after, "on_or_before": count_on_or_before}[asked.criterion]
    return count(begun, returns, last)


def _bracket(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}–{last}"
