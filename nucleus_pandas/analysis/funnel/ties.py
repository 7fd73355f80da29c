"""Several events at one instant: how many steps in a row they can be, each event being one of them at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nucleus_pandas.core.arrays import Bools, Ints, begins


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
    new = begins(instants)
    first = np.flatnonzero(new)
    several = np.diff(np.append(first, len(instants))) > 1
    number = np.cumsum(new) - 1
    inside = several[number]
    if not inside.any():
        none = np.empty(0, dtype=np.int64)
        return SimultaneousEvents(none, none, none.reshape(0, steps + 1), none.reshape(0, steps + 1) > 0)
    clash = (np.cumsum(several) - 1)[number[inside]]
    types, type_of = np.unique(masks[inside], return_inverse=True)
    # More events of a type than it has steps can be of no use; one more tells that not all were used.
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
