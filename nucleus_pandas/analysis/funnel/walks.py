"""How far each attempt at a funnel comes, and when: one walk for each order.

An attempt begins at an instant, its entry, and ends at a limit. A walk gives the instant at which each attempt made
each step, -1 where it did not: an array of steps by attempts. Steps are made as early as can be. That is exact: who
has made more steps by some instant can go on at least as well, as all of them began at the same entry.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nucleus_pandas.analysis.funnel.ties import SimultaneousEvents, can_all, find_simultaneous
from nucleus_pandas.analysis.funnel.timeline import EventPositions, Timeline, following
from nucleus_pandas.core.arrays import Ints, begins, distinct


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
    first = begins(acts_at)
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
        first = np.flatnonzero(begins(at))
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
