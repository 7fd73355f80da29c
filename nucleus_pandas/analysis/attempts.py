"""From a log and a question to the attempt that stands for each user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np

from nucleus_pandas.analysis.codes import Bools, Ints, begins, distinct
from nucleus_pandas.analysis.eventlog import EventLog
from nucleus_pandas.analysis.steps import Exclusion, Step, rows_of
from nucleus_pandas.analysis.timeline import Timeline, following
from nucleus_pandas.analysis.walks import Attempts, walk_any, walk_ordered, walk_strict
from nucleus_pandas.api.people import SESSION_TIMEOUT
from nucleus_pandas.api.windows import SETTLING_TIME

Order = Literal["ordered", "strict", "any"]

_MICROSECOND = np.timedelta64(1, "us")
SETTLING: Final = int(np.timedelta64(SETTLING_TIME) / _MICROSECOND)
TIMEOUT: Final = int(SESSION_TIMEOUT / _MICROSECOND)
NEVER: Final = np.iinfo(np.int64).min
STATUSES: Final = ("converted", "dropped", "excluded", "pending")
CONVERTED, DROPPED, EXCLUDED, PENDING = range(4)

_WALKS: dict[Order, Callable[..., Ints]] = {"ordered": walk_ordered, "strict": walk_strict, "any": walk_any}


@dataclass(frozen=True)
class Question:
    """What a funnel is asked for, checked; times in microseconds since 1970, `window` None for a session."""

    steps: list[Step]
    window: int | None
    order: Order
    first_only: bool
    exclusions: list[Exclusion]
    drop: bool
    later: bool
    start: int | None
    end: int | None
    as_of: int
    include_pending: bool


@dataclass(frozen=True)
class Standing:
    """One attempt a user, or a user and period: the one that stands for them.

    Attributes
    ----------
    entry : array of int
        The row of the log with which it began.
    period : array of int
        The period of its entry, counted from 0.
    depth : array of int
        How many steps were made; 0 for one that is spoiled.
    times : array of int64, shape (steps, attempts)
        When each step was made, `NEVER` if it was not.
    status : array of int
        Which of `STATUSES`.
    """

    entry: Ints
    period: Ints
    depth: Ints
    times: Ints
    status: Ints


class Found(NamedTuple):
    """The line that a question walks along, and the rows on it of each step and exclusion."""

    line: Timeline
    steps: list[Ints]
    excluded: list[Ints]

    def entry_rows(self, order: Order) -> Ints:
        """Give the rows that can be an entry."""
        return distinct(np.concatenate(self.steps)) if order == "any" else self.steps[0]


def look_up(log: EventLog, asked: Question) -> Found:
    """Find the events that a question is about."""
    line = Timeline.of_sessions(log) if asked.window is None else Timeline.of_users(log)
    steps = [line.rows(rows_of(step, log, f"step {number}")) for number, step in enumerate(asked.steps, 1)]
    return Found(line, steps, [line.rows(rows_of(one.step, log, "exclude")) for one in asked.exclusions])


def find_standing(found: Found, asked: Question, edges: Ints | None = None) -> Standing:
    """Find the attempt that stands for each user; with `edges`, in order, for each user and period between them."""
    line, steps, excluded = found
    entry, user = _entries(line, found.entry_rows(asked.order), asked)
    time = line.time[entry]
    whole = line.last_times(entry) + TIMEOUT if asked.window is None else time + asked.window
    old = whole <= asked.as_of - SETTLING
    limit = np.minimum(whole, asked.as_of)
    named = [name for step in asked.steps for name in step.events]
    shared = len(set(named)) < len(named)
    reached = _WALKS[asked.order](line, steps, Attempts(line.at(entry), limit), later=asked.later, shared=shared)
    depth = (reached >= 0).sum(axis=0)
    spoiled, left = _spoil(line, reached, excluded, asked, limit)
    depth = np.where(spoiled, 0 if asked.drop else left, depth)

    period = np.zeros(len(entry), dtype=np.int64) if edges is None else np.searchsorted(edges, time, side="right") - 1
    # Who has an attempt that is old enough is judged by those that are; a deeper one counts for more.
    worth = depth + (len(steps) + 1) * (old | asked.include_pending)
    chosen = _first_best(user, period, worth)
    entry, period, depth = entry[chosen], period[chosen], depth[chosen]
    old, spoiled = old[chosen], spoiled[chosen]
    reached = np.where(np.arange(len(steps))[:, None] < depth, reached[:, chosen], -1)
    times = np.where(reached >= 0, line.time[reached], NEVER) if len(line.time) else reached.astype(np.int64)
    status = np.select(
        [~old & (not asked.include_pending), spoiled, depth == len(steps), ~old],
        [PENDING, EXCLUDED, CONVERTED, PENDING],
        DROPPED,
    )
    return Standing(line.log_rows(entry), period, depth, times, status)


def _entries(line: Timeline, rows: Ints, asked: Question) -> tuple[Ints, Ints]:
    """The rows with which attempts begin, one an instant, by user and time; and their users."""
    time = line.time[rows]
    inside = time <= asked.as_of
    if asked.start is not None:
        inside &= time >= asked.start
    if asked.end is not None:
        inside &= time < asked.end
    rows = rows[inside]
    rows = rows[begins(line.at(rows))]
    if line.order is not None:
        rows = rows[np.argsort(line.order[rows])]
    user = line.log.user[line.log_rows(rows)]
    if asked.first_only:
        first = begins(user)
        rows, user = rows[first], user[first]
    return rows, user


def _spoil(line: Timeline, reached: Ints, excluded: list[Ints], asked: Question, limit: Ints) -> tuple[Bools, Ints]:
    """Which attempts an excluded event spoils, and how many steps each had made by the first that does."""
    spoiled = np.zeros(reached.shape[1], dtype=np.bool_)
    left = np.full(reached.shape[1], len(reached))
    for exclusion, rows in zip(asked.exclusions, excluded, strict=True):
        into = np.flatnonzero(reached[exclusion.after] >= 0)
        after, before = reached[exclusion.after, into], reached[exclusion.before, into]
        found, there = following(line.at(rows), after, later=True)
        there &= line.group[found] == line.group[after]
        there &= np.where(before >= 0, line.time[found] < line.time[before], line.time[found] <= limit[into])
        hit, event = into[there], found[there]
        spoiled[hit] = True
        made = (reached[:, hit] >= 0) & (line.time[reached[:, hit]] <= line.time[event])
        left[hit] = np.minimum(left[hit], made.sum(axis=0))
    return spoiled, left


def _first_best(user: Ints, period: Ints, worth: Ints) -> Ints:
    """The first attempt of most worth of each user and period, of attempts in order of user and time."""
    if not len(user):
        return np.empty(0, dtype=np.int64)
    new = begins(user) | begins(period)
    number = np.cumsum(new) - 1
    best = np.flatnonzero(worth == np.maximum.reduceat(worth, np.flatnonzero(new))[number])
    first: Ints = best[begins(number[best])]
    return first
