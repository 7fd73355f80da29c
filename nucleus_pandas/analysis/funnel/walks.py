"""How far each attempt at a funnel comes, and when: the line of events it walks along, and one walk for each order.

An attempt begins at an instant, its entry, and ends at a limit. A walk gives the instant at which each attempt made
each step, -1 where it did not: an array of steps by attempts. Steps are made as early as can be. That is exact: who
has made more steps by some instant can go on at least as well, as all of them began at the same entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nucleus_pandas.core.arrays import Bools, Ints, distinct, is_group_start
from nucleus_pandas.core.text import counted, worded
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.events.eventlog import EventLog, LogCache


class EventPositions(NamedTuple):
    """Rows of a line, in order, with the instant, group and time of each."""

    rows: Ints
    at: Ints
    group: Ints
    time: Ints


_POSITIONS: LogCache[int, EventPositions] = LogCache()


@dataclass(frozen=True)
class Timeline:
    """Rows in order of group and time; an instant is the number of its first row.

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
        new = is_group_start(group) | is_group_start(time)
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
        return _POSITIONS.get(self.log, code, lambda: self.positions(self.log.rows_of(code)))

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
        rows_until = np.flatnonzero(self.time <= until)
        group = self.group[rows_until]
        ends = rows_until[np.append(group[1:] != group[:-1], True)] if len(rows_until) else rows_until
        return self.time[ends[np.searchsorted(ends, rows)]]


class LeftOut(NamedTuple):
    """How many events have no session, of how many."""

    events: int
    of: int

    def warn(self) -> None:
        """Warn, if there are any."""
        if self.events:
            warn_incomplete(
                worded(f"{{}} of {counted(self.of, 'event')} [has|have] no session, so that ", self.events)
                + f'window="session" leaves {"it" if self.events == 1 else "them"} out.'
            )


def following(positions: Ints, current: Ints, *, strictly_after: bool) -> tuple[Ints, Bools]:
    """Give for each instant the place among some of the first from it on, or after it, and whether there is one."""
    place = np.searchsorted(positions, current, side="right" if strictly_after else "left")
    there = place < len(positions)
    return np.minimum(place, max(0, len(positions) - 1), out=place), there


@dataclass(frozen=True)
class SimultaneousEvents:
    """Instants with several events, each of which may be one of several steps.

    Attributes
    ----------
    instants : array of int
        In order.
    kind : array of int
        Of which kind each is: kinds are sets of events that allow the same.
    reach : array of int, shape (kinds, steps + 1)
        How many steps have been made at most when the instant is over, by how many had been made before it.
    used_up : array of bool, same shape
        Whether a step was made with each of its events.
    """

    instants: Ints
    kind: Ints
    reach: Ints
    used_up: Bools

    def look_up(self, instants: Ints) -> Ints:
        """Give the kind of instants, -1 for those with one event only."""
        if not len(self.instants):
            return np.full(len(instants), -1)
        place = np.minimum(np.searchsorted(self.instants, instants), len(self.instants) - 1)
        return np.where(self.instants[place] == instants, self.kind[place], -1)


def find_simultaneous(instants: Ints, masks: Ints, steps: int) -> SimultaneousEvents:
    """Find the instants with several events; given each event's instant and a bit for each step it can be."""
    new = is_group_start(instants)
    first = np.flatnonzero(new)
    several = np.diff(np.append(first, len(instants))) > 1
    number = np.cumsum(new) - 1
    inside = several[number]
    if not inside.any():
        none = np.empty(0, dtype=np.int64)
        return SimultaneousEvents(none, none, none.reshape(0, steps + 1), none.reshape(0, steps + 1) > 0)
    clash = (np.cumsum(several) - 1)[number[inside]]
    types, type_of = np.unique(masks[inside], return_inverse=True)
    # More events of a type than it has steps cannot be used; one more shows that not all were.
    most = np.array([int(mask).bit_count() + 1 for mask in types], dtype=np.int64)
    cells = int(several.sum()) * len(types)
    table = np.bincount(clash * len(types) + type_of, minlength=cells).reshape(-1, len(types))
    kinds, kind = np.unique(np.minimum(table, most), axis=0, return_inverse=True)
    reach = np.zeros((len(kinds), steps + 1), dtype=np.int64)
    for row, counts in enumerate(kinds.tolist()):
        events = [int(mask) for mask, count in zip(types.tolist(), counts, strict=True) for _ in range(count)]
        reach[row] = [longest(events, done, steps) for done in range(steps + 1)]
    used_up = reach == np.arange(steps + 1) + kinds.sum(axis=1)[:, None]
    return SimultaneousEvents(instants[first[several]], kind.reshape(-1), reach, used_up)


def longest(events: Sequence[int], done: int, steps: int) -> int:
    """Give the last step that can be made after `done` of them, one after the other, each with an event of its own.

    An event is a mask of the steps that it can be.
    """
    holder: dict[int, int] = {}
    while done < steps and _make(done, events, holder, set()):
        done += 1
    return done


def can_all(events: Sequence[int], steps: int) -> bool:
    """Say whether each event can be a step of its own, in whatever order."""
    holder: dict[int, int] = {}
    by_step = [sum(1 << place for place, mask in enumerate(events) if mask >> number & 1) for number in range(steps)]
    return all(_make(place, by_step, holder, set()) for place in range(len(events)))


def _make(step: int, events: Sequence[int], holder: dict[int, int], tried: set[int]) -> bool:
    """Find an event for a step; one that another step holds is free if that one finds another."""
    for place, mask in enumerate(events):
        if mask >> step & 1 and place not in tried:
            tried.add(place)
            if place not in holder or _make(holder[place], events, holder, tried):
                holder[place] = step
                return True
    return False


class Attempts(NamedTuple):
    """Attempts: the instants at which they begin, their groups, and the last microsecond that counts."""

    entry: Ints
    group: Ints
    limit: Ints


def walk_ordered(
    line: Timeline, steps: list[EventPositions], attempts: Attempts, *, ties_strict: bool, steps_overlap: bool
) -> Ints:
    """Make the steps one after the other, whatever lies between.

    `ties_strict`: never two at one instant; `steps_overlap`: one event could be more than one of the steps.
    """
    simultaneous = None
    if steps_overlap and not ties_strict:
        rows, masks = _masked(steps)
        simultaneous = find_simultaneous(line.at(rows), masks, len(steps))
    reached, alive = _begin(len(steps), attempts)
    current, group, limit = attempts
    before = np.zeros(len(current), dtype=np.int8)  # the steps that were made before the current instant
    for number, step in enumerate(steps[1:], 1):
        if not len(step.at):
            break
        place, there = following(step.at, current, strictly_after=ties_strict or simultaneous is not None)
        there &= step.group[place] == group
        there &= step.time[place] <= limit
        found = step.at[place]
        if simultaneous is not None:
            kind = simultaneous.look_up(current)
            here = (kind >= 0) & (simultaneous.reach[kind, before] > number) if len(simultaneous.reach) else kind >= 0
            found, there = np.where(here, current, found), there | here
            before = np.where(here, before, number)
        on = np.flatnonzero(there)
        alive, current, group, limit, before = alive[on], found[on], group[on], limit[on], before[on]
        reached[number, alive] = current
    return reached


def walk_strict(
    line: Timeline, steps: list[EventPositions], attempts: Attempts, *, ties_strict: bool, steps_overlap: bool
) -> Ints:
    """Make the steps with nothing between them; `ties_strict` and `steps_overlap` as for `walk_ordered`.

    Events of one instant come in the order that suits: those that are no steps of the attempt before its entry, or
    after its last step. So an attempt can make one or several steps at its entry; each way is tried, the best taken.
    """
    total = len(steps)
    masks: Ints = np.zeros(len(line.time), dtype=np.int64 if total > 7 else np.int8)
    for number, step in enumerate(steps):
        masks[step.rows] = masks[step.rows] | 1 << number
    # A system event interrupts nothing, unless the funnel asks for it.
    acts = np.flatnonzero(~line.system() | (masks != 0)).astype(attempts.entry.dtype)
    acts_at, masks = line.at(acts), masks[acts]
    simultaneous = find_simultaneous(acts_at, masks, total)
    first = is_group_start(acts_at)
    instants, masks = acts_at[first], masks[first]

    tries, made = _first_steps(simultaneous.look_up(attempts.entry), simultaneous, ties_strict=ties_strict)
    entry, group, limit = (part[tries] for part in attempts)
    reached = np.full((total, len(tries)), -1, dtype=entry.dtype)
    for number in range(total):
        reached[number] = np.where(made > number, entry, -1)
    place = np.searchsorted(instants, entry)
    alive, done = np.arange(len(tries)), made.copy()
    while len(alive):
        place = place + 1
        there = (done < total) & (place < len(instants))
        now = instants.take(place, mode="clip") if len(instants) else place
        there &= (line.group[now] == group) & (line.time[now] <= limit)
        on = np.flatnonzero(there)
        alive, place, now, done, group, limit = alive[on], place[on], now[on], done[on], group[on], limit[on]
        kind = simultaneous.look_up(now)
        after = done + (masks[place].astype(np.int64) >> done & 1)
        whole = after > done
        if len(simultaneous.reach):
            after = np.where(kind < 0, after, simultaneous.reach[kind, done])
            whole = np.where(kind < 0, whole, simultaneous.used_up[kind, done] & (not ties_strict))
        if ties_strict:
            after = np.minimum(after, done + 1)
        for number in range(total):
            made_now = (done <= number) & (number < after)
            reached[number, alive[made_now]] = now[made_now]
        made[alive] = after
        on = np.flatnonzero(whole)
        alive, place, done, group, limit = alive[on], place[on], after[on], group[on], limit[on]
    return reached[:, _best(tries, made, reached)]


def walk_any(
    line: Timeline, steps: list[EventPositions], attempts: Attempts, *, ties_strict: bool, steps_overlap: bool
) -> Ints:
    """Make the steps in whatever order, each with an event of its own: the n-th to be made, not the step n."""
    if not steps_overlap and not ties_strict:
        return _in_order_of_time(steps, attempts)
    rows, masks = _masked(steps)
    at = line.at(rows)
    if ties_strict:
        first = np.flatnonzero(is_group_start(at))
        masks, at = (np.bitwise_or.reduceat(masks, first) if len(first) else masks), at[first]
    reached, alive = _begin(len(steps), attempts)
    _, group, limit = attempts
    place = np.searchsorted(at, attempts.entry)
    types = distinct(masks)
    places_of = [np.flatnonzero(masks == mask) for mask in types]
    states = _States(len(steps))
    state = np.array([states.after((), int(mask)) for mask in types], dtype=np.int64)[
        np.searchsorted(types, masks[place])
    ]
    for number in range(1, len(steps)):
        found = np.full(len(place), len(at))
        then = np.zeros(len(place), dtype=np.int64)
        for current in distinct(state).tolist():
            members = np.flatnonzero(state == current)
            for mask, places in zip(types.tolist(), places_of, strict=True):
                after = states.after(states.events[current], mask)
                if after < 0:
                    continue
                at_type, there = following(places, place[members], strictly_after=True)
                sooner = there & (places[at_type] < found[members])
                found[members[sooner]], then[members[sooner]] = places[at_type[sooner]], after
        on = np.flatnonzero(found < len(at))
        on = on[(line.group[at[found[on]]] == group[on]) & (line.time[at[found[on]]] <= limit[on])]
        alive, place, state, group, limit = alive[on], found[on], then[on], group[on], limit[on]
        reached[number, alive] = at[place]
    return reached


def _in_order_of_time(steps: list[EventPositions], attempts: Attempts) -> Ints:
    """Make each step with the first event that can be it; no two steps ask for the same."""
    never = np.iinfo(attempts.entry.dtype).max
    reached = np.full((len(steps), len(attempts.entry)), never, dtype=attempts.entry.dtype)
    for number, step in enumerate(steps):
        if len(step.at):
            place, there = following(step.at, attempts.entry, strictly_after=False)
            there &= (step.group[place] == attempts.group) & (step.time[place] <= attempts.limit)
            reached[number, there] = step.at[place[there]]
    reached.sort(axis=0)
    reached[reached == never] = -1
    return reached


class _States:
    """Which events an attempt has used: a number for each multiset of masks."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self.events: list[tuple[int, ...]] = []
        self._numbers: dict[tuple[int, ...], int] = {}

    def after(self, events: tuple[int, ...], mask: int) -> int:
        """Give the number of the state with one event more, -1 if that event makes no step more."""
        wanted = tuple(sorted((*events, mask)))
        if wanted not in self._numbers:
            possible = can_all(wanted, self._steps)
            self._numbers[wanted] = len(self.events) if possible else -1
            if possible:
                self.events.append(wanted)
        return self._numbers[wanted]


def _begin(steps: int, attempts: Attempts) -> tuple[Ints, Ints]:
    """What was reached, and the numbers of the attempts that go on."""
    reached = np.full((steps, len(attempts.entry)), -1, dtype=attempts.entry.dtype)
    reached[0] = attempts.entry
    return reached, np.arange(len(attempts.entry), dtype=attempts.entry.dtype)


def _masked(steps: list[EventPositions]) -> tuple[Ints, Ints]:
    """The rows that can be a step, in order, and for each a bit for every step that it can be."""
    rows = distinct(np.concatenate([step.rows for step in steps]))
    masks = np.zeros(len(rows), dtype=np.int64)
    for number, step in enumerate(steps):
        masks[np.searchsorted(rows, step.rows)] |= 1 << number
    return rows, masks


def _first_steps(kind: Ints, simultaneous: SimultaneousEvents, *, ties_strict: bool) -> tuple[Ints, Ints]:
    """The attempts, each as often as it has ways to begin, and how many steps each way makes at the entry."""
    ways = np.ones(len(kind), dtype=np.int64)
    if not ties_strict and len(simultaneous.reach):
        ways = np.where(kind < 0, 1, np.maximum(simultaneous.reach[kind, 0], 1))
    tries = np.repeat(np.arange(len(kind)), ways)
    made = np.arange(len(tries)) - np.repeat(np.cumsum(ways) - ways, ways) + 1
    return tries, made


def _best(tries: Ints, made: Ints, reached: Ints) -> Ints:
    """Of the tries of each attempt the one that made most steps; of several, the one that made most at its entry."""
    if not len(tries):
        return tries
    early = (reached == reached[0]).sum(axis=0)
    order = np.lexsort((early, made, tries))
    best: Ints = order[np.append(tries[order][1:] != tries[order][:-1], True)]
    return best
