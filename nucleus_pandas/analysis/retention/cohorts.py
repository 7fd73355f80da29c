"""Who starts when, and the cohorts that this makes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from nucleus_pandas.analysis.retention.retention_tables import Clock
from nucleus_pandas.core.arrays import Bools, Ints, begins
from nucleus_pandas.core.calendar import Freq, WeekStart, day_numbers, period_days, period_numbers, period_starts
from nucleus_pandas.events.clock_errors import Times, oldest, warn_behind

#: Stands for an `as_of` that nobody told.
UNTOLD = -(2**63)
_MOST = 5_000
_DAY = 86_400_000_000
#: What a period of the rolling clock takes, and no period of the calendar much less.
UNITS = {"D": _DAY, "W": 7 * _DAY, "M": 30 * _DAY}


@dataclass(frozen=True)
class Clocks:
    """How time is cut: into periods of a zone, or into units that each user counts from the start."""

    freq: Freq
    clock: Clock
    week_start: WeekStart
    zone: dt.tzinfo
    start: int | None
    end: int | None
    as_of: int

    def periods(self, time: Ints) -> Ints:
        """Give the number of the period that each instant lies in."""
        return period_numbers(day_numbers(time, self.zone), self.freq, self.week_start)

    def edges(self, numbers: Ints) -> Ints:
        """Give the first instant of each period."""
        return period_starts(numbers, self.freq, self.week_start, self.zone)

    @property
    def current(self) -> int:
        """The first period that is not over at `as_of`, which is known itself."""
        return int(self.periods(np.array([self.as_of + 1]))[0])


class Starts(NamedTuple):
    """Starts of users, by user: the code, when, and the row that tells more."""

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

    def days(self, clocks: Clocks) -> Any:
        """Give the first day of each."""
        return period_days(self.first + np.arange(self.number), clocks.freq, clocks.week_start)

    def reach(self, clocks: Clocks) -> Ints:
        """Give for each start the last period that was over at `as_of`, below 0 for none."""
        if clocks.clock == "calendar":
            reached: Ints = clocks.current - 1 - self.first - self.place
            return reached
        return (clocks.as_of + 1 - self.starts.time) // UNITS[clocks.freq] - 1

    def complete(self, periods: Ints, clocks: Clocks) -> Bools:
        """Say for each cohort and period whether it was over for all who could start, and none of these is cut off."""
        number = self.first + np.arange(self.number + 1)
        edges = clocks.edges(number)
        if clocks.clock == "calendar":
            over: Bools = number[:-1, None] + periods[None, :] < clocks.current
        else:
            over = edges[1:, None] - 1 + (periods[None, :] + 1) * UNITS[clocks.freq] <= clocks.as_of + 1
        whole = np.ones(self.number, dtype=np.bool_)
        if clocks.start is not None:
            whole &= edges[:-1] >= clocks.start
        if clocks.end is not None:
            whole &= edges[1:] <= clocks.end
        return over & whole[:, None]


@dataclass(frozen=True)
class Grid:
    """The cohorts that there are rows of: the number of the first, how many, and the instant from which starts count.

    `earliest` is the first start that counts; None where there is none.
    """

    first: int
    number: int
    low: int | None
    earliest: int | None

    def last_over(self, clocks: Clocks) -> int:
        """Give the last period that was over for anybody, 0 where there is none."""
        if self.earliest is None:
            return 0
        if clocks.clock == "rolling":
            return max(0, (clocks.as_of + 1 - self.earliest) // UNITS[clocks.freq] - 1)
        return max(0, clocks.current - 1 - int(clocks.periods(np.array([self.earliest]))[0]))

    def place(self, starts: Starts, clocks: Clocks, *, recurring: bool) -> Cohorts:
        """Put starts into cohorts by their periods; with `recurring` a user has one in each."""
        starts = starts.where(starts.time <= clocks.as_of)
        if self.low is not None:
            starts = starts.where(starts.time >= self.low)
        if clocks.end is not None:
            starts = starts.where(starts.time < clocks.end)
        place = clocks.periods(starts.time).astype(np.int64) - self.first
        cohorts = Cohorts(starts, self.first, self.number, place)
        return _once(cohorts) if recurring else cohorts


def find_grid(times: Times, clocks: Clocks) -> Grid:
    """Find the cohorts that starts make; of those that are thinned by local days none lies outside what is asked for.

    Where `clocks` has no start, all starts up to `as_of` are there.
    """
    times = times.until(clocks.as_of)
    low = _low(times, clocks) if clocks.start is None and len(times.moments) else clocks.start
    if low is not None:
        times = times.since(low)
    if clocks.end is not None:
        times = times.until(clocks.end - 1)
    first, last = _span(times.moments, clocks)
    if last - first >= _MOST:
        days = period_days(np.array([first, last]), clocks.freq, clocks.week_start).astype(str)
        raise ValueError(
            f"freq={clocks.freq!r} makes {last - first + 1:,} cohorts, from {days[0]} to {days[1]}; there can be "
            f"{_MOST:,}. Pass start= and end=, in case a clock is wrong, or a longer freq."
        )
    earliest = int(times.moments.min()) if len(times.moments) else None
    return Grid(first, last - first + 1, low, earliest)


def _low(times: Times, clocks: Clocks) -> int:
    """The first instant of the oldest cohort that can be right: all starts of it count. A warning tells of others."""
    low = int(clocks.edges(clocks.periods(np.array([oldest(times)])))[0])
    warn_behind(times, low, "starts of users")
    return low


def _once(cohorts: Cohorts) -> Cohorts:
    """Of several starts of a user in one period, the first."""
    kept = begins(cohorts.starts.user) | begins(cohorts.place)
    return replace(cohorts, starts=cohorts.starts.where(kept), place=cohorts.place[kept])


def _span(time: Ints, clocks: Clocks) -> tuple[int, int]:
    """The first and the last period in which users can have started; none where that is the wrong way round."""
    outside = clocks.start is not None and clocks.end is not None and clocks.start >= clocks.end
    if outside or (not len(time) and (clocks.start is None or clocks.start > clocks.as_of)):
        clocks.edges(np.array([0, 1]))  # an unknown freq is refused all the same
        return 0, -1
    low = int(time.min()) if clocks.start is None else clocks.start
    high = clocks.as_of if clocks.end is None or clocks.end > clocks.as_of else clocks.end - 1
    if clocks.end is None and len(time):
        high = int(time.max())
    first, last = clocks.periods(np.array([low, high])).tolist()
    return first, last
