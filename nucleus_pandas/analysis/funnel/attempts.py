"""From a log and a question to the attempt that stands for each user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np

from nucleus_pandas.analysis.funnel.timeline import Marks, Timeline, following
from nucleus_pandas.analysis.funnel.walks import Attempts, walk_any, walk_ordered, walk_strict
from nucleus_pandas.core.arrays import Bools, Ints, begins, distinct
from nucleus_pandas.core.units import SETTLING, TIMEOUT
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.steps import Exclusion, Step, rows_of, share_events

Order = Literal["ordered", "strict", "any"]

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
    settled : array of bool
        Whether it is old enough.
    young : array of int
        The periods of attempts that are not old enough, whoever's.
    """

    entry: Ints
    period: Ints
    depth: Ints
    times: Ints
    status: Ints
    settled: Bools
    young: Ints


class Found(NamedTuple):
    """The line that a question walks along, and the rows on it of each step and exclusion."""

    line: Timeline
    steps: list[Marks]
    excluded: list[Marks]
    entries: Marks


def look_up(log: EventLog, asked: Question) -> Found:
    """Find the events that a question is about, and among them those that can be an entry."""
    line = Timeline.of_sessions(log) if asked.window is None else Timeline.of_users(log)

    def marks(step: Step, place: str) -> Marks:
        rows = rows_of(step, log, place)
        plain = step.where is None and len(step.events) == 1 and len(rows)
        return line.event(log.names.index(step.events[0])) if plain else line.marks(line.rows(rows))

    steps = [marks(step, f"step {number}") for number, step in enumerate(asked.steps, 1)]
    excluded = [marks(one.step, "exclude") for one in asked.exclusions]
    anywhere = asked.order == "any"
    entries = line.marks(distinct(np.concatenate([step.rows for step in steps]))) if anywhere else steps[0]
    return Found(line, steps, excluded, entries)


def put_together(one: Standing, other: Standing) -> Standing:
    """Put the attempts of other users behind these; which rows of the log they began with is no longer told."""
    return Standing(
        entry=one.entry[:0],
        period=np.concatenate([one.period, other.period]),
        depth=np.concatenate([one.depth, other.depth]),
        times=np.concatenate([one.times, other.times], axis=1),
        status=np.concatenate([one.status, other.status]),
        settled=np.concatenate([one.settled, other.settled]),
        young=np.union1d(one.young, other.young),
    )


def find_standing(found: Found, asked: Question, edges: Ints | None = None) -> Standing:
    """Find the attempt that stands for each user; with `edges`, in order, for each user and period between them."""
    line, steps, excluded, entries = found
    entry, at, group, time = _entries(line, entries, asked)
    user = group if line.order is None else line.log.user[line.order[entry]]
    whole = line.last_times(entry, asked.as_of) + TIMEOUT if asked.window is None else time + asked.window
    old = whole <= asked.as_of - SETTLING
    limit = np.minimum(whole, asked.as_of)
    shared = share_events(asked.steps)
    reached = _WALKS[asked.order](line, steps, Attempts(at, group, limit), later=asked.later, shared=shared)
    depth = (reached >= 0).sum(axis=0, dtype=np.int8)
    spoiled, left = _spoil(line, reached, excluded, asked, limit)
    depth = np.where(spoiled, 0 if asked.drop else left, depth)

    period = None if edges is None else np.searchsorted(edges, time, side="right") - 1
    # Who has an attempt that is old enough is judged by those that are; a deeper one counts for more.
    worth = depth + np.int8(len(steps) + 1) * (old | asked.include_pending)
    chosen = _first_best(user, period, worth)
    young = np.empty(0, dtype=np.int64) if period is None else np.unique(period[~old])
    depth, old, spoiled = depth[chosen], old[chosen], spoiled[chosen]
    times = np.full((len(steps), len(chosen)), NEVER)
    for number in range(len(steps)):
        made = np.flatnonzero(depth > number)
        times[number, made] = line.time[reached[number, chosen[made]]] if number else time[chosen[made]]
    status = np.select(
        [~old & (not asked.include_pending), spoiled, depth == len(steps), ~old],
        [PENDING, EXCLUDED, CONVERTED, PENDING],
        DROPPED,
    )
    when = np.zeros(len(chosen), dtype=np.int64) if period is None else period[chosen]
    return Standing(line.log_rows(entry[chosen]), when, depth, times, status, old, young)


def _entries(line: Timeline, marks: Marks, asked: Question) -> Marks:
    """The rows with which attempts begin, one an instant, by user and time."""
    inside = begins(marks.at)
    inside &= marks.time <= asked.as_of
    if asked.start is not None:
        inside &= marks.time >= asked.start
    if asked.end is not None:
        inside &= marks.time < asked.end
    if not inside.all():
        marks = Marks(*(part[inside] for part in marks))
    user = marks.group
    if line.order is not None:
        order = np.argsort(line.order[marks.rows])
        marks = Marks(*(part[order] for part in marks))
        user = line.log.user[line.order[marks.rows]]
    if asked.first_only:
        marks = Marks(*(part[begins(user)] for part in marks))
    return marks


def _spoil(line: Timeline, reached: Ints, excluded: list[Marks], asked: Question, limit: Ints) -> tuple[Bools, Ints]:
    """Which attempts an excluded event spoils, and how many steps each had made by the first that does."""
    spoiled = np.zeros(reached.shape[1], dtype=np.bool_)
    left = np.full(reached.shape[1], len(reached))
    for exclusion, marks in zip(asked.exclusions, excluded, strict=True):
        if not len(marks.at):
            continue
        into = np.flatnonzero(reached[exclusion.after] >= 0)
        after, before = reached[exclusion.after, into], reached[exclusion.before, into]
        place, there = following(marks.at, after, later=True)
        time = marks.time[place]
        there &= marks.group[place] == line.group[after]
        there &= np.where(before >= 0, time < line.time[before], time <= limit[into])
        hit, time = into[there], time[there]
        spoiled[hit] = True
        made = (reached[:, hit] >= 0) & (line.time[reached[:, hit]] <= time)
        left[hit] = np.minimum(left[hit], made.sum(axis=0))
    return spoiled, left


def _first_best(user: Ints, period: Ints | None, worth: Ints) -> Ints:
    """The first attempt of most worth of each user and period, of attempts in order of user and time."""
    if not len(user):
        return np.empty(0, dtype=np.int64)
    new = begins(user) if period is None else begins(user) | begins(period)
    # Of the highest worth and the lowest place in one number.
    last = len(worth) - 1
    ranked = np.arange(last, -1, -1)
    ranked += worth.astype(np.int64) * len(worth)
    return last - np.maximum.reduceat(ranked, np.flatnonzero(new)) % len(worth)
