"""What a funnel walks along: the events of each user, or of each session, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nucleus_pandas.core.arrays import Bools, Ints, begins
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.events.eventlog import EventLog


class EventPositions(NamedTuple):
    """Rows of a line, in order, with the instant, group and time of each."""

    rows: Ints
    at: Ints
    group: Ints
    time: Ints


@dataclass(frozen=True)
class Timeline:
    """Rows in order of group and time; an instant is told by its first row.

    Attributes
    ----------
    log : EventLog
    order : array of int or None
        The row of the log of each row; None if they are the same.
    group : array of int
        Rows of one group stand together.
    time : array of int64
        In microseconds since 1970.
    instant : array of int or None
        For each row the first of its group at the same time; None if each row is the only one.
    left_out : int
        The events that have no session, where groups are sessions.
    """

    log: EventLog
    order: Ints | None
    group: Ints
    time: Ints
    instant: Ints | None
    left_out: int = 0

    @classmethod
    def of_users(cls, log: EventLog) -> Timeline:
        """Each user's events."""
        return cls(log, None, log.user, log.time, log.instant)

    @classmethod
    def of_sessions(cls, log: EventLog) -> Timeline:
        """Each session's events; those without a session are left out."""
        order = np.flatnonzero(log.session >= 0).astype(log.order.dtype)
        left_out = len(log) - len(order)
        order = order[np.argsort(log.session[order], kind="stable")]
        group, time = log.session[order], log.time[order]
        new = begins(group) | begins(time)
        first = np.maximum.accumulate(np.where(new, np.arange(len(order), dtype=order.dtype), 0))
        return cls(log, order, group, time, first, left_out)

    @cached_property
    def _places(self) -> Ints:
        places = np.full(len(self.log), -1, dtype=self.log.order.dtype)
        places[self.order] = np.arange(len(places) if self.order is None else len(self.order))
        return places

    def event(self, code: int) -> EventPositions:
        """Give the rows of an event; they are kept with the log, as questions repeat."""
        if self.order is not None:
            return self.positions(self.rows(self.log.rows_of(code)))
        if code not in self.log.kept:
            self.log.kept[code] = self.positions(self.log.rows_of(code))
        kept: EventPositions = self.log.kept[code]
        return kept

    def positions(self, rows: Ints) -> EventPositions:
        """Give the instant, group and time of rows along with them."""
        return EventPositions(rows, self.at(rows), self.group[rows], self.time[rows])

    def rows(self, log_rows: Ints) -> Ints:
        """Give the rows of this line that are these rows of the log, in order."""
        if self.order is None:
            return log_rows
        found = self._places[log_rows]
        return np.sort(found[found >= 0])

    def log_rows(self, rows: Ints) -> Ints:
        """Give the rows of the log that are these rows."""
        return rows if self.order is None else self.order[rows]

    def system(self) -> Bools:
        """Which rows are the service's own events."""
        return self.log.system if self.order is None else self.log.system[self.order]

    def at(self, rows: Ints) -> Ints:
        """Give the instants of rows."""
        return rows if self.instant is None else self.instant[rows]

    def last_times(self, rows: Ints, until: int) -> Ints:
        """Give the time of the last row of each row's group that is not later than `until`, as no row given is."""
        known = np.flatnonzero(self.time <= until)
        group = self.group[known]
        ends = known[np.append(group[1:] != group[:-1], True)] if len(known) else known
        return self.time[ends[np.searchsorted(ends, rows)]]


class LeftOut(NamedTuple):
    """How many events have no session, of how many."""

    events: int
    of: int

    def warn(self) -> None:
        """Tell it, if there are any."""
        if self.events:
            warn_incomplete(
                f'{self.events:,} of {self.of:,} events have no session, so that window="session" leaves them out.'
            )


def following(positions: Ints, current: Ints, *, strictly_after: bool) -> tuple[Ints, Bools]:
    """Give for each instant the place among some of the first from it on, or after it, and whether there is one."""
    place = np.searchsorted(positions, current, side="right" if strictly_after else "left")
    there = place < len(positions)
    return np.minimum(place, max(0, len(positions) - 1), out=place), there
