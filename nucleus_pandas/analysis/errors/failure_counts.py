"""How many sessions and users there are, and how many of them had an error or a crash, by period and segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nucleus_pandas.core.arrays import Ints, distinct
from nucleus_pandas.core.calendar import Periods
from nucleus_pandas.events.error_events import Sessions
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.segments import Segments
from nucleus_pandas.events.session_parts import Wanted, segments_of
from nucleus_pandas.stats.clusters import UserSums, sum_users


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
