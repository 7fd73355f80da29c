"""What users do before or after an event: a table of the transitions from event to event."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import small
from nucleus_pandas.core.checks import checked_number, read_span
from nucleus_pandas.core.dtypes import COUNT, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.durations import read_duration
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.core.text import OTHER, counted
from nucleus_pandas.core.units import SETTLING
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.events.buckets import Buckets, in_parts
from nucleus_pandas.events.eventlog import EventLog, Events, as_event_log
from nucleus_pandas.events.protocol import Parts, answer
from nucleus_pandas.events.steps import Step, StepLike, properties_of, read_step, rows_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[Any]

PATHS: Schema = {
    "step": np.dtype("int64"),
    "source": TEXT,
    "target": TEXT,
    "users": COUNT,
    "share": NUMBER,
    "pending": COUNT,
    "sample": NUMBER,
}
ENTRY, EXIT = "(entry)", "(exit)"
_MOST_STEPS, _MOST_NAMES = 20, 30
_GAP_FORMS = 'write a duration such as gap="30min" or "2h", a timedelta, or None for no limit.'


def paths(
    events: Events,
    after: StepLike | None = None,
    before: StepLike | None = None,
    *,
    steps: int = 4,
    top: int = 10,
    gap: str | dt.timedelta | None = "30min",
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
) -> pd.DataFrame:
    """What users did after an event, or before it: how many went from which event to which.

    Parameters
    ----------
    events : DataFrame, EventLog, EventStore or Buckets
        The event log.
    after : str, list of str or Step
        The event at which paths begin: its name, a list of alternatives, or `step` for events on a condition.
    before : str, list of str or Step
        The event at which paths end; one of the two is needed.
    steps : int, default 4
        The number of events to follow, from 1 to 20.
    top : int, default 10
        How many events keep their name at each step, those with most users; the others are ``(other)``. From 1 to 30.
    gap : str, timedelta or None, default "30min"
        A user who does nothing for longer has left, and the path ends there. None: a path goes on however long it
        takes.
    start, end : str, date or datetime, optional
        The event `after` or `before` lies in [start, end); a date as `end` is that whole day. The rest of the path may
        lie outside.
    tz : str, int or tzinfo, default "UTC"
        The zone of dates.
    as_of : str, date or datetime, optional
        Until when the data are known; later events do not count. By default that of the log, see `EventLog`.

    Returns
    -------
    DataFrame
        One row a transition that anybody made, by step, those with most users first.

        - ``step``: which event of the path the transition leads to, counted from `after`: 1, 2, …; or which it leads
          away from, counted from `before`: …, −2, −1. Rows are in order of time.
        - ``source``, ``target``: the events between which it leads. ``(other)``: an event beyond `top`. ``(exit)`` as
          target: nothing came after. ``(entry)`` as source: nothing came before.
        - ``users``: users who made it.
        - ``share``: users / all users with a path, that is all who did `after` or `before` in [start, end) and are not
          pending. The shares of step 1 (or −1) add up to 1, those of later steps to less, as some have left.
        - ``pending``: users left out because their path was not over 48 hours before `as_of`, as clients send that
          late; the same in all rows.
        - ``sample``: the fraction of users in the log.

    Raises
    ------
    ValueError
        If both or neither of `after` and `before` are given, an event is unknown, or another argument is out of range.
    TypeError
        If `events` is neither a DataFrame nor an EventLog nor an EventStore.

    Warns
    -----
    IncompleteDataWarning
        See `EventLog`; and when all are pending, so that the table is empty.

    Notes
    -----
    A user has one path, around the first time that the user did the event in [start, end). Events with the same name in
    a row count once. System events are left out (*People, sessions, events* of the definitions): they neither stand in
    a path nor fill a gap, unless it is asked what came before or after one; starts, views and errors count. Sessions
    do not matter, `gap` does: who restarts the app at once is still on the way.

    A path after an event is over with the last of `steps` events, or when `gap` has passed without any; a path that
    leads to an event, with that event. With ``gap=None`` it is never over, so nobody is pending, and what clients have
    not sent yet is missing: an ``(exit)`` or ``(entry)`` shortly before `as_of` may be none. Where an event is named
    ``(exit)``, ``(entry)`` or ``(other)``, its name is quoted.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app).head(40)
    >>> log = nu.EventLog(nu.load_session_events(app, nu.load_sessions(app, users).head(40)), as_of=app.now())
    >>> after = nu.paths(log, "PROJECT_CREATED", steps=2, top=5)
    >>> first = after[after["step"] == 1]
    >>> set(first["source"]), round(float(first["share"].sum()), 6)
    ({'PROJECT_CREATED'}, 1.0)
    """
    if (after is None) == (before is None):
        raise ValueError('name one event: after="…" for what users did after it, or before="…" for what led to it.')
    steps = checked_number("steps", steps, _MOST_STEPS, "how many events to follow")
    top = checked_number("top", top, _MOST_NAMES, "how many events keep their name at each step")
    silence = None if gap is None else read_duration("gap", gap, _GAP_FORMS)
    around = read_step(after, "after") if before is None else read_step(before, "before")
    asked = read_span(start, end, tz, as_of)
    place = "after" if before is None else "before"
    log: EventLog | Parts
    events = in_parts(events)
    if isinstance(events, Buckets):
        log = events.parts(as_of=asked.as_of, steps=[(place, around)], columns=["kind"])
    else:
        log = as_event_log(events, properties=properties_of([around]))
    until = log.as_of_us if asked.as_of is None else asked.as_of
    return answer(_Paths(around, place, (asked.start, asked.end), until, silence, steps, top, log.sample), log)


@dataclass(frozen=True)
class _Walks:
    """The events of each path that is known, a column a path, the names of their codes, and how many are not known."""

    columns: Ints
    names: list[str]
    pending: int


@dataclass(frozen=True)
class _Paths:
    """The table of `paths`. The events of each path are kept: which keep their name is known at the end."""

    around: Step
    place: str
    within: tuple[int | None, int | None]
    until: int
    silence: int | None
    steps: int
    top: int
    sample: float

    def partial(self, log: EventLog) -> _Walks:
        """Follow the paths of one part."""
        rows = rows_of(self.around, log, self.place)
        starts = _within(log, rows[log.time[rows] <= self.until], self.within)
        walked = _walk(log, starts, self.until, self.silence, self.steps if self.place == "after" else -self.steps)
        known = walked.over <= self.until - SETTLING
        return _Walks(small(walked.columns[:, known], len(log.names)), log.names, int((~known).sum()))

    def merge(self, one: _Walks, other: _Walks) -> _Walks:
        """Put the paths of two parts together."""
        return _Walks(np.concatenate([one.columns, other.columns], axis=1), one.names, one.pending + other.pending)

    def finish(self, state: _Walks) -> pd.DataFrame:
        """Count the transitions."""
        if state.pending and not state.columns.shape[1]:
            warn_incomplete(
                f"There is no path to count: {counted(state.pending, 'user')} had one that was not over 48 hours "
                "before as_of."
            )
        return _table(state, self.around.label, self.top, self.sample, forwards=self.place == "after")


def _within(log: EventLog, rows: Ints, interval: tuple[int | None, int | None]) -> Ints:
    """The first of some rows of each user that lies in an interval."""
    low, high = interval
    rows = rows if low is None else rows[log.time[rows] >= low]
    rows = rows if high is None else rows[log.time[rows] < high]
    first: Ints = rows[np.diff(log.user[rows], prepend=-1) != 0]
    return first


class _Walked(NamedTuple):
    """The events of each path, a column a path, −1 where it has ended, and when nothing could be added to it."""

    columns: Ints
    over: Ints


def _walk(log: EventLog, starts: Ints, until: int, silence: int | None, steps: int) -> _Walked:
    """Follow the events after a row of the log, or with negative steps those that lead to it."""
    seen = ~log.system
    seen[starts] = True
    rows = np.flatnonzero(seen & (log.time <= until))
    event, time = log.event[rows], log.time[rows]
    visit = _visits(log.user[rows], time, silence)
    # A run is an event and its repeats within a visit.
    new = np.ones(len(event), dtype=np.bool_)
    new[1:] = (event[1:] != event[:-1]) | (visit[1:] != visit[:-1])
    run = np.cumsum(new) - 1
    event_of_run, visit_of_run = np.append(event[new], -1), np.append(visit[new], -1)
    at = np.searchsorted(rows, starts)
    places = run[at] + np.arange(1, abs(steps) + 1)[:, None] * np.sign(steps)
    places = np.clip(places, -1, len(event_of_run) - 1)
    columns = np.where(visit_of_run[places] == visit[at], event_of_run[places].astype(np.int64), -1)
    if silence is None:
        # A path without a gap never ends, so nobody can wait for that.
        return _Walked(columns, np.full(len(at), np.iinfo(np.int64).min))
    if steps < 0:
        # What led to an event came before it.
        return _Walked(columns, time[at])
    last = time[np.append(np.flatnonzero(visit[1:] != visit[:-1]), len(visit) - 1)] if len(time) else time
    reached = np.append(time[new], 0)[places[-1]]
    return _Walked(columns, np.where(columns[-1] >= 0, reached, last[visit[at]] + silence))


def _visits(user: Ints, time: Ints, silence: int | None) -> Ints:
    """A number for each stretch of events of one user without a longer silence."""
    new = user[1:] != user[:-1]
    if silence is not None:
        new |= np.diff(time) > silence
    return np.concatenate([np.zeros(min(len(user), 1), dtype=np.int64), np.cumsum(new)])


def _table(walks: _Walks, label: str, top: int, sample: float, *, forwards: bool) -> pd.DataFrame:
    """Count the transitions between neighbouring columns, and from the event that was asked for to the first."""
    # Codes beyond those of the log: where a path has ended, what is beyond top, and the event that was asked for.
    names = [f'"{name}"' if name in (ENTRY, EXIT, OTHER) else name for name in [*walks.names, label]]
    names[-1:] = [EXIT if forwards else ENTRY, OTHER, names[-1]]
    ended, other, asked, width = *range(len(walks.names), len(names)), len(names)
    columns = walks.columns.astype(np.int64)
    columns = np.where(columns < 0, ended, columns)
    columns = np.vstack([np.full_like(columns[:1], asked), *(_summed(one, names, top, other) for one in columns)])
    rows: list[tuple[int, str, str, int]] = []
    for place, (near, far) in enumerate(pairwise(columns), start=1):
        pairs, users = np.unique((near * width + far)[near != ended], return_counts=True)
        for pair, count in zip(pairs.tolist(), users.tolist(), strict=True):
            ends = [names[code] for code in divmod(pair, width)]
            rows.append((place, *ends, count) if forwards else (-place, *ends[::-1], count))
    rows.sort(key=lambda row: (row[0], -row[3], row[1], row[2]))
    values: dict[str, Any] = {
        name: [row[place] for row in rows] for place, name in enumerate(("step", "source", "target", "users"))
    }
    share = np.array(values["users"], dtype=np.float64) / columns.shape[1]
    same = {"pending": np.full(len(rows), walks.pending), "sample": np.full(len(rows), sample)}
    return make_frame(PATHS, values | {"share": share} | same)


def _summed(column: Ints, names: list[str], top: int, other: int) -> Ints:
    """Put one code in place of those beyond the `top` with most users; what follows that code but one is no event."""
    counts = np.bincount(column, minlength=len(names))[: other - 1]
    ranked = sorted(np.flatnonzero(counts).tolist(), key=lambda code: (-counts[code], names[code]))
    return np.where(np.isin(column, ranked[top:]), other, column)
