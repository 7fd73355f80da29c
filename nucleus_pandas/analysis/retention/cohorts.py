"""Who starts when, and the cohorts that this makes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from nucleus_pandas.analysis.retention.retention_tables import Clock
from nucleus_pandas.core.arrays import Bools, Ints, is_group_start
from nucleus_pandas.core.calendar import Calendar
from nucleus_pandas.core.units import DAY
from nucleus_pandas.events.clock_errors import Times, oldest, warn_behind

#: Stands for an `as_of` that was not given.
NO_AS_OF = -(2**63)
_LENGTHS = {"D": DAY, "W": 7 * DAY, "M": 30 * DAY, "Q": 90 * DAY}


@dataclass(frozen=True)
class CohortCalendar:
    """How time is cut: into periods of a zone, or into units that each user counts from the start."""

    calendar: Calendar
    clock: Clock
    start: int | None
    end: int | None
    as_of: int

    def periods(self, time: Ints) -> Ints:
        """Give the number of the period that each instant lies in."""
        return self.calendar.of_times(time)

    def edges(self, numbers: Ints) -> Ints:
        """Give the first instant of each period."""
        return self.calendar.starts(numbers)

    @property
    def zone(self) -> dt.tzinfo:
        """The zone of the calendar."""
        return self.calendar.zone

    @property
    def length(self) -> int:
        """What a period of the elapsed clock takes, and no period of the calendar much less."""
        return _LENGTHS[self.calendar.unit]

    @property
    def current(self) -> int:
        """The first period that is not over at `as_of`, which is known itself."""
        return int(self.periods(np.array([self.as_of + 1]))[0])


class Starts(NamedTuple):
    """Starts of users, by user: the code, when, and the row with the details."""

    user: Ints
    time: Ints
    row: Ints

    def where(self, kept: Bools) -> Starts:
        """Give some of them."""
        if kept.all():
            return self
        rows = np.flatnonzero(kept)
        return Starts(*(values[rows] for values in self))


@dataclass(frozen=True)
class Cohorts:
    """Starts and the cohorts that they make: the number of the first, how many there are, and whose each start is."""

    starts: Starts
    first: int
    number: int
    place: Ints

    def days(self, cohort_calendar: CohortCalendar) -> Any:
        """Give the first day of each."""
        return cohort_calendar.calendar.first_days(self.first + np.arange(self.number))

    def reach(self, cohort_calendar: CohortCalendar) -> Ints:
        """Give for each start the last period that was over at `as_of`, below 0 for none."""
        if cohort_calendar.clock == "calendar":
            reached: Ints = cohort_calendar.current - 1 - self.first - self.place
            return reached
        return (cohort_calendar.as_of + 1 - self.starts.time) // cohort_calendar.length - 1

    def complete(self, periods: Ints, cohort_calendar: CohortCalendar) -> Bools:
        """Say for each cohort and period whether it was over for all who could start, and none of these is cut off."""
        number = self.first + np.arange(self.number + 1)
        edges = cohort_calendar.edges(number)
        if cohort_calendar.clock == "calendar":
            over: Bools = number[:-1, None] + periods[None, :] < cohort_calendar.current
        else:
            over = edges[1:, None] - 1 + (periods[None, :] + 1) * cohort_calendar.length <= cohort_calendar.as_of + 1
        whole = np.ones(self.number, dtype=np.bool_)
        if cohort_calendar.start is not None:
            whole &= edges[:-1] >= cohort_calendar.start
        if cohort_calendar.end is not None:
            whole &= edges[1:] <= cohort_calendar.end
        return over & whole[:, None]


@dataclass(frozen=True)
class CohortRange:
    """The cohorts that there are rows of: the number of the first, how many, and the instant from which starts count.

    `earliest` is the first start that counts; None where there is none.
    """

    first: int
    number: int
    low: int | None
    earliest: int | None

    def last_over(self, cohort_calendar: CohortCalendar) -> int:
        """Give the last period that was over for anybody, 0 where there is none."""
        if self.earliest is None:
            return 0
        if cohort_calendar.clock == "elapsed":
            return max(0, (cohort_calendar.as_of + 1 - self.earliest) // cohort_calendar.length - 1)
        return max(0, cohort_calendar.current - 1 - int(cohort_calendar.periods(np.array([self.earliest]))[0]))

    def place(self, starts: Starts, cohort_calendar: CohortCalendar, *, recurring: bool) -> Cohorts:
        """Put starts into cohorts by their periods; with `recurring` a user has one in each."""
        starts = starts.where(starts.time <= cohort_calendar.as_of)
        if self.low is not None:
            starts = starts.where(starts.time >= self.low)
        if cohort_calendar.end is not None:
            starts = starts.where(starts.time < cohort_calendar.end)
        place = cohort_calendar.periods(starts.time).astype(np.int64) - self.first
        cohorts = Cohorts(starts, self.first, self.number, place)
        return _once(cohorts) if recurring else cohorts


def find_cohort_range(times: Times, cohort_calendar: CohortCalendar) -> CohortRange:
    """Find the cohorts that starts make; of those that are thinned by local days none lies outside what is asked for.

    Where `cohort_calendar` has no start, all starts up to `as_of` are there.
    """
    times = times.until(cohort_calendar.as_of)
    low = (
        _low(times, cohort_calendar) if cohort_calendar.start is None and len(times.moments) else cohort_calendar.start
    )
    if low is not None:
        times = times.since(low)
    if cohort_calendar.end is not None:
        times = times.until(cohort_calendar.end - 1)
    first, last = _span(times.moments, cohort_calendar)
    cohort_calendar.calendar.check_number(first, last)
    earliest = int(times.moments.min()) if len(times.moments) else None
    return CohortRange(first, last - first + 1, low, earliest)


def _low(times: Times, cohort_calendar: CohortCalendar) -> int:
    """The first instant of the oldest cohort that can be right: all starts in it count. Earlier ones are reported."""
    low = int(cohort_calendar.edges(cohort_calendar.periods(np.array([oldest(times)])))[0])
    warn_behind(times, low, "starts of users")
    return low


def _once(cohorts: Cohorts) -> Cohorts:
    """Of several starts of a user in one period, the first."""
    kept = is_group_start(cohorts.starts.user) | is_group_start(cohorts.place)
    return replace(cohorts, starts=cohorts.starts.where(kept), place=cohorts.place[kept])


def _span(time: Ints, cohort_calendar: CohortCalendar) -> tuple[int, int]:
    """The first and the last period in which users can have started; none where that is the wrong way round."""
    outside = (
        cohort_calendar.start is not None
        and cohort_calendar.end is not None
        and cohort_calendar.start >= cohort_calendar.end
    )
    if outside or (not len(time) and (cohort_calendar.start is None or cohort_calendar.start > cohort_calendar.as_of)):
        return 0, -1
    low = int(time.min()) if cohort_calendar.start is None else cohort_calendar.start
    high = (
        cohort_calendar.as_of
        if cohort_calendar.end is None or cohort_calendar.end > cohort_calendar.as_of
        else cohort_calendar.end - 1
    )
    if cohort_calendar.end is None and len(time):
        high = int(time.max())
    first, last = cohort_calendar.periods(np.array([low, high])).tolist()
    return first, last
