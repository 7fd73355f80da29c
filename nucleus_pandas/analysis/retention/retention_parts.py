"""Retention asked of each bucket of users on its own: the cells of the table add up over users."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.retention.cohorts import CohortCalendar, CohortRange, Cohorts, Starts, find_cohort_range
from nucleus_pandas.analysis.retention.retention_counts import count_cells, find_starts, period_numbers_of, segments_of
from nucleus_pandas.analysis.retention.retention_question import Asked
from nucleus_pandas.analysis.retention.retention_tables import Cells
from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.calendar import day_numbers
from nucleus_pandas.core.text import counted, worded
from nucleus_pandas.events.clock_errors import Times, oldest
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.protocol import Parts, answer
from nucleus_pandas.events.segments import LargestSegments, Segments, Values, place_names, read_values
from nucleus_pandas.events.steps import find_column
from nucleus_pandas.events.user_list import Listed, check_acquainted, known_in, list_users, place_users
from nucleus_pandas.stats.clusters import UserSums

# Cells that are counted although it is not known yet whether there are such cohorts: 16 MB.
_MOST_AT_ONCE = 1_000_000


def cells_of_parts(
    parts: Parts, asked: Asked, cohort_calendar: CohortCalendar, by: str | None, top: int, *, first_time: bool
) -> Cells:
    """Count the cells of a table of retention part by part.

    The first pass finds which cohorts there are, the second, with `by`, which segments; the last one counts. Without
    segments the first pass counts as well, in all cohorts that events make, which mostly are more than starts make.
    """
    if by is None and (every := _all_cohorts(parts.times, cohort_calendar)) is not None:
        counted = answer(_AtOnce(asked, cohort_calendar, first_time, every), parts)
        if counted is not None:
            return counted
    cohort_range = answer(_StartTimes(asked, cohort_calendar, first_time), parts)
    placed = _Placed(asked, cohort_calendar, first_time, cohort_range)
    segments = None if by is None else answer(LargestSegments(partial(_values, placed, by), top), parts)
    return answer(_Cells(placed, period_numbers_of(asked, cohort_calendar, cohort_range), by, segments), parts)


def cells_of_users(
    parts: Parts, asked: Asked, cohort_calendar: CohortCalendar, users: pd.DataFrame, by: str | None, top: int
) -> Cells:
    """Count the cells of a table of retention of a list of users: one pass, as the list says who started when."""
    if "user_db_id" in parts.whole.frame.columns:
        without = users["user_db_id"].isna() if "user_db_id" in users.columns else pd.Series(True, index=users.index)
        if without.any():
            raise ValueError(
                worded(f"{{}} of {counted(len(users), 'user')} [has|have] no user_db_id, by ", int(without.sum()))
                + "which Buckets tell users apart: pass the table of load_users or store.users(), or "
                "only those that have one."
            )
    listed = list_users(users)
    cohort_range = find_cohort_range(Times(listed.time), cohort_calendar)
    nobody = np.full(len(listed.row), -1)
    cohorts = cohort_range.place(Starts(nobody, *listed), cohort_calendar, recurring=False)
    segments = None if by is None else segments_of(parts.whole, users, by, cohorts.starts, top)
    code = np.zeros(len(users), dtype=np.int64)
    if segments is not None:
        code[cohorts.starts.row] = segments.code
    names = None if segments is None else segments.names
    count = _UserCells(parts.whole, asked, cohort_calendar, users, listed, cohort_range, names, code)
    return answer(count, parts)


@dataclass(frozen=True)
class _Seen:
    """The counts of users who were found, which rows of the list these are, and whose ids were."""

    cells: Cells
    found: Bools
    known: Bools


@dataclass(frozen=True)
class _UserCells:
    """The counts of the table, of a list of users; who is found nowhere never came, and counts in the end."""

    whole: EventLog
    asked: Asked
    cohort_calendar: CohortCalendar
    users: pd.DataFrame
    listed: Listed
    cohort_range: CohortRange
    segments: list[str] | None
    code: Ints

    def partial(self, log: EventLog) -> _Seen:
        """Count those who are found in one part."""
        starts = Starts(*place_users(log, self.users, self.listed))
        starts = starts.where(starts.user >= 0)
        found = np.zeros(len(self.users), dtype=np.bool_)
        found[starts.row] = True
        return _Seen(self._count(log, starts), found, known_in(log, self.users))

    def _count(self, log: EventLog, starts: Starts) -> Cells:
        cohorts = self.cohort_range.place(starts, self.cohort_calendar, recurring=False)
        segments = None if self.segments is None else Segments(self.segments, self.code[cohorts.starts.row])
        periods = period_numbers_of(self.asked, self.cohort_calendar, self.cohort_range)
        return count_cells(log, self.asked, self.cohort_calendar, cohorts, segments, periods, recurring=False)

    def merge(self, one: _Seen, other: _Seen) -> _Seen:
        """Add two parts up."""
        return _Seen(add_cells(one.cells, other.cells), one.found | other.found, one.known | other.known)

    def finish(self, state: _Seen) -> Cells:
        """Count those who were found nowhere, too."""
        every = self.cohort_range.place(
            Starts(np.full(len(self.listed.row), -1), *self.listed), self.cohort_calendar, recurring=False
        )
        check_acquainted(state.known, every.starts.row, anybody=bool(self.whole.counts.any()))
        rest = every.starts.where(~state.found[every.starts.row])
        return add_cells(state.cells, self._count(self.whole, rest))


def add_cells(one: Cells, other: Cells) -> Cells:
    """Add up the counts of users of two parts."""
    return replace(
        one,
        users=one.users + other.users,
        eligible=one.eligible + other.eligible,
        retained=one.retained + other.retained,
        pooled=None if one.pooled is None or other.pooled is None else one.pooled + other.pooled,
    )


@dataclass(frozen=True)
class _StartTimes:
    """When users start: of each local day the first and the last of them, which is enough to lay out cohorts."""

    asked: Asked
    cohort_calendar: CohortCalendar
    first_time: bool

    def partial(self, log: EventLog) -> Times:
        """Look for them in one part."""
        times = Times(find_starts(log, None, self.asked, first_time=self.first_time).time).until(
            self.cohort_calendar.as_of
        )
        if self.cohort_calendar.start is not None:
            times = times.since(self.cohort_calendar.start)
            times = times if self.cohort_calendar.end is None else times.until(self.cohort_calendar.end - 1)
        return times.thinned(self._days)

    def _days(self, times: Ints) -> Ints:
        return day_numbers(times, self.cohort_calendar.zone)

    def merge(self, one: Times, other: Times) -> Times:
        """Put those of two parts together."""
        return one.and_also(other).thinned(self._days)

    def finish(self, state: Times) -> CohortRange:
        """Lay out the cohorts."""
        return find_cohort_range(state, self.cohort_calendar)


def _all_cohorts(times: Times, cohort_calendar: CohortCalendar) -> CohortRange | None:
    """Lay out the cohorts that there would be if users started at any time at which there are events that can be right.

    None where these are too many to be counted before it is known which there are.
    """
    times = times.until(cohort_calendar.as_of)
    if not len(times.moments):
        return None
    low = cohort_calendar.start
    if low is None:
        low = int(cohort_calendar.edges(cohort_calendar.periods(np.array([oldest(times)])))[0])
    try:
        cohort_range = find_cohort_range(times, replace(cohort_calendar, start=low))
    except ValueError:
        return None
    return (
        cohort_range if cohort_range.number * (cohort_range.last_over(cohort_calendar) + 1) <= _MOST_AT_ONCE else None
    )


class _Counted(NamedTuple):
    starts: Times
    cells: Cells


@dataclass(frozen=True)
class _AtOnce:
    """The counts of the table, in all cohorts of a range, and when users start, which says which cohorts exist."""

    asked: Asked
    cohort_calendar: CohortCalendar
    first_time: bool
    every: CohortRange

    def partial(self, log: EventLog) -> _Counted:
        """Count one part."""
        periods = period_numbers_of(self.asked, self.cohort_calendar, self.every)
        placed = _Placed(self.asked, self.cohort_calendar, self.first_time, self.every)
        return _Counted(self._starts.partial(log), _Cells(placed, periods, None, None).partial(log))

    @property
    def _starts(self) -> _StartTimes:
        return _StartTimes(self.asked, self.cohort_calendar, self.first_time)

    def merge(self, one: _Counted, other: _Counted) -> _Counted:
        """Add two parts up."""
        return _Counted(self._starts.merge(one.starts, other.starts), add_cells(one.cells, other.cells))

    def finish(self, state: _Counted) -> Cells | None:
        """Give the cohorts that there are; None where some of them were not counted."""
        cohort_range, cells = self._starts.finish(state.starts), state.cells
        low, number = (
            cohort_range.first - self.every.first,
            len(period_numbers_of(self.asked, self.cohort_calendar, cohort_range)),
        )
        if low < 0 or low + cohort_range.number > self.every.number or number > len(cells.periods):
            return None
        cohorts, periods = slice(low, low + cohort_range.number), slice(number)
        pooled = None if cells.pooled is None else UserSums(*(one[:, periods] for one in cells.pooled))
        if pooled is not None and cells.users[:, cohorts].sum() < cells.users.sum():
            return None
        return replace(
            cells,
            cohorts=cells.cohorts[cohorts],
            periods=cells.periods[periods],
            users=cells.users[:, cohorts],
            eligible=cells.eligible[:, cohorts, periods],
            retained=cells.retained[:, cohorts, periods],
            complete=cells.complete[cohorts, periods],
            pooled=pooled,
        )


@dataclass(frozen=True)
class _Placed:
    """Which cohort each start is of."""

    asked: Asked
    cohort_calendar: CohortCalendar
    first_time: bool
    cohort_range: CohortRange

    def cohorts(self, log: EventLog) -> Cohorts:
        """Give the starts of the users of a log in their cohorts."""
        starts = find_starts(log, None, self.asked, first_time=self.first_time)
        return self.cohort_range.place(starts, self.cohort_calendar, recurring=not self.first_time)


def _values(placed: _Placed, by: str, log: EventLog) -> Values:
    """The value of a column at each start that counts."""
    return _values_at(log, by, placed.cohorts(log))


def _values_at(log: EventLog, by: str, cohorts: Cohorts) -> Values:
    return read_values(log.values(find_column(log, by, "by"), cohorts.starts.row))


@dataclass(frozen=True)
class _Cells:
    """The counts of the table."""

    placed: _Placed
    periods: Ints
    by: str | None
    segments: list[str] | None

    def partial(self, log: EventLog) -> Cells:
        """Count one part."""
        cohorts = self.placed.cohorts(log)
        segments = None
        if self.by is not None and self.segments is not None:
            segment = _values_at(log, self.by, cohorts)
            segments = Segments(self.segments, place_names(segment.names, self.segments)[segment.code])
        asked, cohort_calendar, recurring = self.placed.asked, self.placed.cohort_calendar, not self.placed.first_time
        return count_cells(log, asked, cohort_calendar, cohorts, segments, self.periods, recurring=recurring)

    def merge(self, one: Cells, other: Cells) -> Cells:
        """Add two parts up."""
        return add_cells(one, other)

    def finish(self, state: Cells) -> Cells:
        """Give them as they are."""
        return state
