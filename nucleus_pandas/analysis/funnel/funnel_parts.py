"""A funnel asked of each bucket of users on its own: who stands where adds up, as users do."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from nucleus_pandas.analysis.funnel.attempts import (
    BestAttempts,
    Found,
    Question,
    find_best_attempts,
    look_up,
    merge_attempts,
)
from nucleus_pandas.analysis.funnel.funnel_tables import summary, warn_if_all_pending, who_counts
from nucleus_pandas.analysis.funnel.walks import LeftOut
from nucleus_pandas.core.calendar import Periods
from nucleus_pandas.events.clock_errors import Times, days_of_utc
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.segments import Values, rank_values, read_values
from nucleus_pandas.events.steps import find_column


@dataclass(frozen=True)
class Entrants:
    """The attempt that stands for each user, the value of a column at its entry, and what has no session."""

    best: BestAttempts
    segment: Values | None
    left_out: LeftOut


@dataclass(frozen=True)
class FunnelTable:
    """The table of `funnel`, or with periods that of `funnel_trend`.

    The times of steps are kept for each user who entered: medians of parts say nothing about that of the whole.
    """

    asked: Question
    by: str | None
    top: int
    sample: float
    periods: Periods | None = None

    def partial(self, log: EventLog) -> Entrants:
        """Find who entered, and how far they came."""
        return self.count(log, look_up(log, self.asked))

    def count(self, log: EventLog, found: Found) -> Entrants:
        """The same for events that were looked up."""
        best = find_best_attempts(found, self.asked, None if self.periods is None else self.periods.edges)
        segment = None
        if self.by is not None:
            segment = read_values(log.values(find_column(log, self.by, "by"), best.entry))
        return Entrants(best, segment, LeftOut(found.line.left_out, len(log)))

    def merge(self, one: Entrants, other: Entrants) -> Entrants:
        """Put the users of two parts together."""
        both = None if one.segment is None or other.segment is None else one.segment.and_also(other.segment)
        left_out = LeftOut(*(sum(pair) for pair in zip(one.left_out, other.left_out, strict=True)))
        return Entrants(merge_attempts(one.best, other.best), both, left_out)

    def finish(self, state: Entrants) -> pd.DataFrame:
        """Count them."""
        state.left_out.warn()
        warn_if_all_pending(state.best, self.asked)
        counted = who_counts(state.best, self.asked)
        segments = None if state.segment is None else rank_values(state.segment, counted, self.top)
        return summary(self.sample, self.asked, state.best, segments, self.periods)


@dataclass(frozen=True)
class EntryTimes:
    """When users entered, as far as it is needed to lay out periods."""

    asked: Question

    def partial(self, log: EventLog) -> Times:
        """Give the entries that can count."""
        return entry_times(look_up(log, self.asked), self.asked).thinned(days_of_utc)

    def merge(self, one: Times, other: Times) -> Times:
        """Put the entries of two parts together."""
        return one.and_also(other).thinned(days_of_utc)

    def finish(self, state: Times) -> Times:
        """Give them as they are."""
        return state


def entry_times(found: Found, asked: Question) -> Times:
    """Give the times of entries that can count."""
    time = found.entries.time
    inside = time <= asked.as_of
    inside &= True if asked.start is None else time >= asked.start
    inside &= True if asked.end is None else time < asked.end
    return Times(time[inside])
