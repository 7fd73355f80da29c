"""Until when the data of a log are known, although the clocks of some clients are years ahead."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nucleus_pandas.core.arrays import Ints, is_group_start
from nucleus_pandas.core.units import DAY
from nucleus_pandas.core.warnings import warn_incomplete

#: So many days without any event, and at most one in so many events beyond: those are of clocks that are wrong. The
#: longer the silence, the more events there may be: of 40 users who start in 2026, one in 1970 has a wrong clock.
SILENCE_DAYS = 7
_SILENCES = ((SILENCE_DAYS, 100), (2 * 365, 10), (10 * 365, 2))
_OTHERWISE = "If that is wrong, and to silence this warning, pass start=."


class Times(NamedTuple):
    """Instants in microseconds, and how many each of them stands for; None where that is one throughout.

    What is thinned stands in order: of each day the first instant and the last. That is all that is needed to find a
    silence of many days, and what is thinned part by part can be put together and thinned again.
    """

    moments: Ints
    counts: Ints | None = None

    @property
    def number(self) -> int:
        """How many instants these are."""
        return len(self.moments) if self.counts is None else int(self.counts.sum())

    def before(self, moment: int) -> int:
        """Give how many lie before a moment; of what is thinned, before one that cuts no day."""
        early = self.moments < moment
        return int(np.count_nonzero(early)) if self.counts is None else int(self.counts[early].sum())

    def since(self, moment: int) -> Times:
        """Leave out what is before a moment; of what is thinned, before one that cuts no day."""
        kept = self.moments >= moment
        return self if kept.all() else Times(self.moments[kept], None if self.counts is None else self.counts[kept])

    def until(self, moment: int) -> Times:
        """Leave out what is after a moment; of what is thinned, after one that cuts no day."""
        kept = self.moments <= moment
        return self if kept.all() else Times(self.moments[kept], None if self.counts is None else self.counts[kept])

    def thinned(self, days: Callable[[Ints], Ints]) -> Times:
        """Keep the first and the last instant of each day; `days` gives the number of the day of each."""
        if not len(self.moments):
            return Times(self.moments, self._stand_for())
        if self.counts is None:
            at, counts = np.sort(self.moments), None  # far faster than to find out the order
        else:
            order = np.argsort(self.moments, kind="stable")
            at, counts = self.moments[order], self.counts[order]
        first = np.flatnonzero(is_group_start(days(at)))
        after = np.append(first[1:], len(at))
        last = after - 1
        several = at[last] > at[first]
        total = after - first if counts is None else np.add.reduceat(counts, first)
        places = np.sort(np.concatenate([first, last[several]]))
        stands_for = np.ones(len(places), dtype=np.int64)
        stands_for[np.searchsorted(places, first)] = total - several
        return Times(at[places], stands_for)

    def and_also(self, other: Times) -> Times:
        """Put these and others together; they are no longer in order, so they have to be thinned."""
        return Times(
            np.concatenate([self.moments, other.moments]), np.concatenate([self._stand_for(), other._stand_for()])
        )

    def _stand_for(self) -> Ints:
        return np.ones(len(self.moments), dtype=np.int64) if self.counts is None else self.counts


def days_of_utc(times: Ints) -> Ints:
    """Give the day of UTC of each instant."""
    return times // DAY


def newest(times: Ints | Times, what: str = "events") -> int:
    """Give the newest time that can be right, in microseconds; see `EventLog`; `what` names them in its warning."""
    times = times if isinstance(times, Times) else Times(times)
    if not len(times.moments):
        return 0
    end, beyond = _before_silence(times)
    if beyond:
        last = np.datetime64(int(times.moments.max()), "us").astype("datetime64[D]")
        warn_incomplete(
            f"{beyond:,} of {times.number:,} {what} lie after {SILENCE_DAYS} days or more without any, up to {last}: "
            f"as it seems, clocks that are ahead. The data are taken to be known until {np.datetime64(end, 'us')} UTC. "
            "If that is wrong, and to be rid of this warning, pass as_of=."
        )
    return end


def oldest(times: Ints | Times) -> int:
    """Give the oldest time that can be right, by the same rule turned around, and without a warning."""
    times = times if isinstance(times, Times) else Times(times)
    return -_before_silence(Times(-times.moments[::-1], None if times.counts is None else times.counts[::-1]))[0]


def oldest_credible(times: Ints | Times, what: str) -> int:
    """Give the oldest time that can be right, and warn of those before it; `what` names them."""
    begin = oldest(times)
    warn_behind(times, begin, what)
    return begin


def warn_behind(times: Ints | Times, begin: int, what: str, hint: str = _OTHERWISE) -> None:
    """Warn of times before the oldest that can be right; `what` names them, `hint` says what to do if they are."""
    times = times if isinstance(times, Times) else Times(times)
    if before := times.before(begin):
        first = np.datetime64(int(times.moments.min()), "us").astype("datetime64[D]")
        warn_incomplete(
            f"{before:,} of {times.number:,} {what} lie before {SILENCE_DAYS} days or more without any, from {first} "
            f"on: as it seems, clocks that are behind. They are left out, and {np.datetime64(begin, 'us')} UTC is "
            f"taken for the first. {hint}"
        )


def _before_silence(times: Times) -> tuple[int, int]:
    """The newest time before a silence that few events follow, and how many do."""
    at = times.moments
    end, beyond = int(at.max()), 0
    for days, one_in in _SILENCES:
        if at.max() - at.min() < days * DAY:
            break
        few = (times.number - 1) // one_in
        if times.counts is None:
            tail = np.sort(np.partition(at, len(at) - few - 1)[len(at) - few - 1 :])
            after = np.arange(few, -1, -1)
        else:
            tail, after = at, times.number - np.cumsum(times.counts)
        gaps = np.flatnonzero((np.diff(tail) >= days * DAY) & (after[:-1] <= few))
        if len(gaps) and tail[gaps[0]] < end:
            end, beyond = int(tail[gaps[0]]), int(after[gaps[0]])
    return end, beyond
