"""Counts who came back: users of each cohort by the periods after their start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nucleus_pandas.core.arrays import Bools, Ints, is_group_start

# Starts of one user each look at all that the user did: so many pairs at a time.
_MANY = 8_000_000
# So many cells are counted whether they are asked for or not.
_WIDE = 20_000_000

Bracket = tuple[int, int]


@dataclass(frozen=True)
class Returns:
    """What users did, by user and time.

    With `unit` a place is an instant, and a period is so many of it after the start; without, it is the number of a
    period, each once a user.
    """

    user: Ints
    place: Ints
    unit: int | None


@dataclass(frozen=True)
class Begun:
    """Starts, by user: where each stands (as `Returns` counts), its group, and the last period that was over for it."""

    user: Ints
    place: Ints
    group: Ints
    reach: Ints
    groups: int


class _Lags(NamedTuple):
    """How many periods after a start something was done: the number of the start, and the lag, each pair once."""

    start: Ints
    lag: Ints


def count_eligible(begun: Begun, periods: Ints) -> Ints:
    """Give for each group and period the number of starts for which it was over."""
    return _reaching(begun, begun.reach, int(periods.max(initial=-1)))[:, periods]


def count_on(begun: Begun, returns: Returns, last: int) -> Ints:
    """Give for each group and period 0 … `last` the starts that were followed by something in it."""
    if returns.unit is None and (counts := _count_periods(begun, returns, last)) is not None:
        return counts
    width = last + 1
    counts = np.zeros(begun.groups * width, dtype=np.int64)
    reach = np.minimum(begun.reach, last)
    for start, lag in _lags(begun, returns):
        start, lag = _kept(start, lag, lag <= reach[start])
        counts += np.bincount(begun.group[start] * width + lag, minlength=len(counts))
    return counts.reshape(begun.groups, width)


def _count_periods(begun: Begun, returns: Returns, last: int) -> Ints | None:
    """`count_on` where users have one start and did nothing before it, and the periods of a group are over for all.

    Then no row of `returns` is looked at twice, and none needs to be left out: what came in periods that are not over
    falls into cells of their own. None where it is not so.
    """
    low, high = _ends(begun, returns)
    some = np.flatnonzero(high > low)
    low, high, place = low[some], high[some], begun.place[some]
    if not len(some) or (low[1:] < high[:-1]).any() or (returns.place[low] < place).any():
        return None
    width = max(last, int((returns.place[high - 1] - place).max())) + 1
    if begun.groups * width > _WIDE:
        return None
    base = (begun.group[some] * width - place).astype(np.int32)
    cell = np.repeat(base, high - low)
    cell += returns.place[_rows(low, high, high - low)].astype(np.int32, copy=False)
    return np.bincount(cell, minlength=begun.groups * width).reshape(begun.groups, width)[:, : last + 1]


def count_on_or_after(begun: Begun, returns: Returns, last: int) -> Ints:
    """The same for something in the period or later, as far as is known."""
    latest = np.full(len(begun.user), -1, dtype=np.int64)
    for start, lag in _lags(begun, returns):
        latest[start] = lag  # in order, so that the latest stays
    return _reaching(begun, np.minimum(latest, begun.reach), last)


def count_on_or_before(begun: Begun, returns: Returns, last: int) -> Ints:
    """The same for something in the period or one before it, from 0 on."""
    counts = np.zeros((begun.groups, last + 2), dtype=np.int64)
    for start, lag in _lags(begun, returns):
        new = is_group_start(start)
        who, first = start[new], lag[new]
        reach = np.minimum(begun.reach[who], last)
        some = first <= reach
        np.add.at(counts, (begun.group[who[some]], first[some]), 1)
        np.add.at(counts, (begun.group[who[some]], reach[some] + 1), -1)
    return counts.cumsum(axis=1)[:, :-1]


def count_brackets(begun: Begun, returns: Returns, brackets: list[Bracket]) -> Ints:
    """The same for something in a bracket, for each: from its first to its last period."""
    counts = np.zeros((begun.groups, len(brackets)), dtype=np.int64)
    for start, lag in _lags(begun, returns):
        for place, (first, last) in enumerate(brackets):
            who = start[(lag >= first) & (lag <= last)]
            who = who[is_group_start(who)]
            who = who[begun.reach[who] >= last]
            counts[:, place] += np.bincount(begun.group[who], minlength=begun.groups)
    return counts


def _reaching(begun: Begun, reach: Ints, last: int) -> Ints:
    """For each group and period 0 … `last` the number of starts that reach it."""
    width = last + 2
    cell = begun.group * width + np.clip(reach, -1, last) + 1
    counts = np.bincount(cell, minlength=begun.groups * width).reshape(begun.groups, width)
    return counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]


def _lags(begun: Begun, returns: Returns) -> Iterator[_Lags]:
    """What came in the period of a start or later, by start and lag; in parts, each of whole starts."""
    low, high = _ends(begun, returns)
    ends = np.cumsum(high - low)
    first = 0
    while first < len(ends):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _MANY, side="right")))
        yield _between(begun, returns, low, high, slice(first, last))
        first = last


def _ends(begun: Begun, returns: Returns) -> tuple[Ints, Ints]:
    """Where in the rows of `returns` those of the user of each start begin and end."""
    first = np.flatnonzero(is_group_start(returns.user)) if len(returns.user) else np.empty(0, dtype=np.int64)
    users = returns.user[first]
    edges = np.append(first, len(returns.user))
    low = np.searchsorted(users, begun.user, side="left")
    high = np.searchsorted(users, begun.user, side="right")
    return edges[low], edges[high]


def _between(begun: Begun, returns: Returns, low: Ints, high: Ints, part: slice) -> _Lags:
    low, high = low[part], high[part]
    size = high - low
    start = np.repeat(np.arange(part.start, part.start + len(size), dtype=np.int32), size)
    lag = returns.place[_rows(low, high, size)] - np.repeat(begun.place[part], size)
    if returns.unit is not None:
        lag //= returns.unit
        start, lag = _kept(start, lag, is_group_start(start) | is_group_start(lag))
    return _Lags(*_kept(start, lag, lag >= 0))


def _kept(start: Ints, lag: Ints, kept: Bools) -> tuple[Ints, Ints]:
    return (start, lag) if kept.all() else (start[kept], lag[kept])


def _rows(low: Ints, high: Ints, size: Ints) -> Ints | slice:
    """All rows from `low` to `high` of each start, one start after the other."""
    some = np.flatnonzero(size)
    if len(some) and (low[some[1:]] == high[some[:-1]]).all():
        return slice(int(low[some[0]]), int(high[some[-1]]))
    before = np.concatenate([[0], np.cumsum(size)[:-1]]) if len(size) else size
    rows: Ints = np.arange(int(size.sum())) + np.repeat(low - before, size)
    return rows
