"""From a log and a question to the attempt that stands for each user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from nucleus_pandas.analysis.funnel.funnel_question import FunnelQuestion, Order
from nucleus_pandas.analysis.funnel.walks import (
    Attempts,
    EventPositions,
    Timeline,
    following,
    walk_any,
    walk_ordered,
    walk_strict,
)
from nucleus_pandas.core.arrays import Bools, Ints, distinct, is_group_start
from nucleus_pandas.core.units import SETTLING, TIMEOUT
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.steps import Step, rows_of, share_events

NEVER: Final = np.iinfo(np.int64).min
STATUSES: Final = ("converted", "dropped", "excluded", "pending")
CONVERTED, DROPPED, EXCLUDED, PENDING = range(4)

_WALKS: dict[Order, Callable[..., Ints]] = {"ordered": walk_ordered, "strict": walk_strict, "any": walk_any}


@dataclass(frozen=True)
class BestAttempts:
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
    steps: list[EventPositions]
    excluded: list[EventPositions]
    entries: EventPositions


def look_up(log: EventLog, asked: FunnelQuestion) -> Found:
    """Find the events that a question is about, and among them those that can be an entry."""
    line = Timeline.of_sessions(log) if asked.window is None else Timeline.of_users(log)

    def positions(step: Step, place: str) -> EventPositions:
        rows = rows_of(step, log, place)
        plain = step.where is None and len(step.events) == 1 and len(rows)
        return line.event(log.names.index(step.events[0])) if plain else line.positions(line.rows(rows))

    steps = [positions(step, f"step {number}") for number, step in enumerate(asked.steps, 1)]
    excluded = [positions(one.step, "exclude") for one in asked.exclusions]
    anywhere = asked.order == "any"
    entries = line.positions(distinct(np.concatenate([step.rows for step in steps]))) if anywhere else steps[0]
    return Found(line, steps, excluded, entries)


def merge_attempts(one: BestAttempts, other: BestAttempts) -> BestAttempts:
    """Append the attempts of other users; without the rows of the log with which they began, as logs differ."""
    return BestAttempts(
        entry=one.entry[:0],
        period=np.concatenate([one.period, other.period]),
        depth=np.concatenate([one.depth, other.depth]),
        times=np.concatenate([one.times, other.times], axis=1),
        status=np.concatenate([one.status, other.status]),
        settled=np.concatenate([one.settled, other.settled]),
        young=np.union1d(one.young, other.young),
    )


def find_best_attempts(found: Found, asked: FunnelQuestion, edges: Ints | None = None) -> BestAttempts:
    """Find the attempt that stands for each user; with `edges`, in order, for each user and period between them."""
    line, steps, excluded, entries = found
    entry, at, group, time = _entries(line, entries, asked)
    user = group if line.order is None else line.log.user[line.order[entry]]
    whole = line.last_times(entry, asked.as_of) + TIMEOUT if asked.window is None else time + asked.window
    old = whole <= asked.as_of - SETTLING
    limit = np.minimum(whole, asked.as_of)
    steps_overlap = share_events(asked.steps)
    reached = _WALKS[asked.order](
        line, steps, Attempts(at, group, limit), ties_strict=asked.ties_strict, steps_overlap=steps_overlap
    )
    depth = (reached >= 0).sum(axis=0, dtype=np.int8)
    spoiled, left = _spoil(line, reached, excluded, asked, limit)
    depth = np.where(spoiled, 0 if asked.drop_spoiled else left, depth)

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
    return BestAttempts(line.log_rows(entry[chosen]), when, depth, times, status, old, young)


def _entries(line: Timeline, positions: EventPositions, asked: FunnelQuestion) -> EventPositions:
    """The rows with which attempts begin, one an instant, by user and time."""
    inside = is_group_start(positions.at)
    inside &= positions.time <= asked.as_of
    if asked.start is not None:
        inside &= positions.time >= asked.start
    if asked.end is not None:
        inside &= positions.time < asked.end
    if not inside.all():
        positions = EventPositions(*(part[inside] for part in positions))
    user = positions.group
    if line.order is not None:
        order = np.argsort(line.order[positions.rows])
        positions = EventPositions(*(part[order] for part in positions))
        user = line.log.user[line.order[positions.rows]]
    if asked.first_only:
        positions = EventPositions(*(part[is_group_start(user)] for part in positions))
    return positions


def _spoil(
    line: Timeline, reached: Ints, excluded: list[EventPositions], asked: FunnelQuestion, limit: Ints
) -> tuple[Bools, Ints]:
    """Which attempts an excluded event spoils, and how many steps each had made by the first that does."""
    spoiled = np.zeros(reached.shape[1], dtype=np.bool_)
    left = np.full(reached.shape[1], len(reached))
    for exclusion, positions in zip(asked.exclusions, excluded, strict=True):
        if not len(positions.at):
            continue
        into = np.flatnonzero(reached[exclusion.after] >= 0)
        after, before = reached[exclusion.after, into], reached[exclusion.before, into]
        place, there = following(positions.at, after, strictly_after=True)
        time = positions.time[place]
        there &= positions.group[place] == line.group[after]
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
    new = is_group_start(user) if period is None else is_group_start(user) | is_group_start(period)
    # Of the highest worth and the lowest place in one number.
    last = len(worth) - 1
    ranked = np.arange(last, -1, -1)
    ranked += worth.astype(np.int64) * len(worth)
    return last - np.maximum.reduceat(ranked, np.flatnonzero(new)) % len(worth)
