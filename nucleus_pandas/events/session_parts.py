"""Sessions asked of each bucket of users on its own: when they start, and which segments are the largest."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple

from nucleus_pandas.core.arrays import Ints
from nucleus_pandas.core.calendar import day_numbers
from nucleus_pandas.events.clock_errors import Times
from nucleus_pandas.events.error_events import ErrorNames, Failure, Lacking, Sessions, look_for_sessions, session_rows
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.segments import LargestSegments, Segments, Values, place_names, read_values


@dataclass(frozen=True)
class Wanted:
    """Sessions that had started by `until`, in [start, end)."""

    failure: Failure
    until: int
    start: int | None = None
    end: int | None = None

    def find(self, log: EventLog) -> Sessions:
        """Give those of a log."""
        return look_for_sessions(log, self.failure, self.until, start=self.start, end=self.end)[0]


class _Started(NamedTuple):
    times: Times
    lacking: Lacking
    errors: ErrorNames


@dataclass(frozen=True)
class SessionTimes:
    """When sessions start: of each local day the first and the last of them, which is enough to lay out periods.

    With `tells_errors` a warning says so where no event is an error.
    """

    wanted: Wanted
    zone: dt.tzinfo
    warns: bool = True
    tells_errors: bool = False

    def partial(self, log: EventLog) -> _Started:
        """Look for them in one part."""
        wanted = self.wanted
        found, lacking = look_for_sessions(log, wanted.failure, wanted.until, start=wanted.start, end=wanted.end)
        return _Started(Times(found.time).thinned(self._days), lacking, ErrorNames.of(log))

    def _days(self, times: Ints) -> Ints:
        return day_numbers(times, self.zone)

    def merge(self, one: _Started, other: _Started) -> _Started:
        """Put those of two parts together."""
        times = one.times.and_also(other.times).thinned(self._days)
        return _Started(times, one.lacking.and_also(other.lacking), one.errors.and_also(other.errors))

    def finish(self, state: _Started) -> Times:
        """Warn of what has no session, unless that was done."""
        if self.warns:
            state.lacking.warn()
        if self.tells_errors:
            state.errors.warn()
        return state.times


def largest_segments(wanted: Wanted, column: str, top: int) -> LargestSegments:
    """Ask for the segments with the most sessions."""
    return LargestSegments(lambda log: values_of(log, wanted.find(log), column), top)


def values_of(log: EventLog, found: Sessions, column: str) -> Values:
    """Give the value of a column of each session: the first that any of its events has."""
    return read_values(log.values(column, session_rows(log, found, column)))


def segments_of(log: EventLog, found: Sessions, column: str, segments: list[str]) -> Segments:
    """Give the segment of each session, given all there are."""
    read = values_of(log, found, column)
    return Segments(segments, place_names(read.names, segments)[read.code])


def narrowed(wanted: Wanted, low: int | None, high: int | None) -> Wanted:
    """Give those of some sessions that start in [low, high) as well."""
    lows = [one for one in (wanted.start, low) if one is not None]
    highs = [one for one in (wanted.end, high) if one is not None]
    return Wanted(wanted.failure, wanted.until, max(lows, default=None), min(highs, default=None))
