"""What users do before or after an event: a table of the transitions from event to event."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.columns import microseconds
from nucleus_pandas.analysis.eventlog import EventLog, Events, as_event_log
from nucleus_pandas.analysis.segments import OTHER
from nucleus_pandas.analysis.steps import StepLike, read_step, rows_of
from nucleus_pandas.api.columns import COUNT, NUMBER, TEXT
from nucleus_pandas.api.durations import read_duration
from nucleus_pandas.api.frames import Schema, make_frame
from nucleus_pandas.api.windows import When, Zone, make_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[Any]

PATHS: Schema = {
    "step": np.dtype("int64"),
    "source": TEXT,
    "target": TEXT,
    "users": COUNT,
    "share": NUMBER,
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
) -> pd.DataFrame:
    """What users did after an event, or before it: how many went from which event to which.

    Parameters
    ----------
    events : DataFrame, EventLog or EventStore
        The event log.
    after : str, list of str or Step
        The event at which paths begin: its name, several of which any will do, or `step` for events on a condition.
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
        When the event `after` or `before` happened, both days inclusive. The rest of the path may lie outside.
    tz : str, int or tzinfo, default "UTC"
        The zone of `start` and `end`.

    Returns
    -------
    DataFrame
        One row a transition that anybody made, by step, those with most users first.

        - ``step``: which event of the path the transition leads to, counted from `after`: 1, 2, …; or which it leads
          away from, counted from `before`: …, −2, −1. Rows are in order of time.
        - ``source``, ``target``: the events between which it leads. ``(other)``: an event beyond `top`. ``(exit)`` as
          target: nothing came after. ``(entry)`` as source: nothing came before.
        - ``users``: users who made it.
        - ``share``: users / all users with a path, that is all who did `after` or `before` within `start` and `end`.
          The shares of step 1 (or −1) add up to 1, those of later steps to less, as some have left.
        - ``sample``: the fraction of users in the log.

    Raises
    ------
    ValueError
        If both or neither of `after` and `before` are given, an event is unknown, or another argument is out of range.
    TypeError
        If `events` is neither a DataFrame nor an EventLog nor an EventStore.

    Notes
    -----
    A user has one path, around the first time that the user did the event within `start` and `end`. Events with the
    same name in a row count once. System events are left out (*People, sessions, events* of the definitions): they
    neither stand in a path nor fill a gap, unless it is asked what came before or after one; starts, views and errors
    count. Sessions do not matter, `gap` does: who
    restarts the app at once is still on the way. An ``(exit)`` shortly before the end of the data may be none, as
    nobody knows yet what came next. An event that is called ``(other)``, ``(exit)`` or ``(entry)`` is quoted.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app).head(40)
    >>> log = nu.load_session_events(app, nu.load_sessions(app, users).head(40))
    >>> after = nu.paths(log, "PROJECT_CREATED", steps=2, top=5)
    >>> first = after[after["step"] == 1]
    >>> set(first["source"]), round(float(first["share"].sum()), 6)
    ({'PROJECT_CREATED'}, 1.0)
    """
    if (after is None) == (before is None):
        raise ValueError('name one event: after="…" for what users did after it, or before="…" for what led to it')
    steps, top = _checked("steps", steps, _MOST_STEPS), _checked("top", top, _MOST_NAMES)
    silence = None if gap is None else read_duration("gap", gap, _GAP_FORMS)
    around = read_step(after, "after") if before is None else read_step(before, "before")
    within = make_interval(start, end, "UTC" if tz is None else tz)
    log = as_event_log(events)
    rows = rows_of(around, log, "after" if before is None else "before")
    columns = _walk(log, _within(log, rows, within), silence, steps if before is None else -steps)
    return _table(columns, log, around.label, top, forwards=before is None)


def _checked(name: str, value: int, most: int) -> int:
    if value not in range(1, most + 1):
        raise ValueError(f"{name} must be a whole number from 1 to {most}, not {value!r}")
    return int(value)


def _within(log: EventLog, rows: Ints, interval: tuple[dt.datetime | None, dt.datetime | None]) -> Ints:
    """The first of some rows of each user that lies in an interval."""
    low, high = interval
    rows = rows if low is None else rows[log.time[rows] >= microseconds(low)]
    rows = rows if high is None else rows[log.time[rows] < microseconds(high)]
    first: Ints = rows[np.diff(log.user[rows], prepend=-1) != 0]
    return first


def _walk(log: EventLog, starts: Ints, silence: int | None, steps: int) -> Ints:
    """The events of each path, a column a path: those that follow a row of the log or, with negative steps, lead to it.

    Where a path has ended there is a −1.
    """
    seen = ~log.system
    seen[starts] = True
    rows = np.flatnonzero(seen)
    event = log.event[rows]
    visit = _visits(log.user[rows], log.time[rows], silence)
    # A run is an event and its repeats within a visit.
    new = np.ones(len(event), dtype=np.bool_)
    new[1:] = (event[1:] != event[:-1]) | (visit[1:] != visit[:-1])
    run = np.cumsum(new) - 1
    event_of_run, visit_of_run = np.append(event[new], -1), np.append(visit[new], -1)
    at = np.searchsorted(rows, starts)
    places = run[at] + np.arange(1, abs(steps) + 1)[:, None] * np.sign(steps)
    places = np.clip(places, -1, len(event_of_run) - 1)
    return np.where(visit_of_run[places] == visit[at], event_of_run[places].astype(np.int64), -1)


def _visits(user: Ints, time: Ints, silence: int | None) -> Ints:
    """A number for each stretch of events of one user without a longer silence."""
    new = user[1:] != user[:-1]
    if silence is not None:
        new |= np.diff(time) > silence
    return np.concatenate([np.zeros(min(len(user), 1), dtype=np.int64), np.cumsum(new)])


def _table(columns: Ints, log: EventLog, label: str, top: int, *, forwards: bool) -> pd.DataFrame:
    """Count the transitions between neighbouring columns, and from the event that was asked for to the first."""
    # Codes beyond those of the log: where a path has ended, what is beyond top, and the event that was asked for.
    names = [f'"{name}"' if name in (ENTRY, EXIT, OTHER) else name for name in [*log.names, label]]
    names[-1:] = [EXIT if forwards else ENTRY, OTHER, names[-1]]
    ended, other, asked, width = *range(len(log.names), len(names)), len(names)
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
    return make_frame(PATHS, values | {"share": share, "sample": np.full(len(rows), log.sample)})


def _summed(column: Ints, names: list[str], top: int, other: int) -> Ints:
    """Put one code in place of those beyond the `top` with most users; what follows that code but one is no event."""
    counts = np.bincount(column, minlength=len(names))[: other - 1]
    ranked = sorted(np.flatnonzero(counts).tolist(), key=lambda code: (-counts[code], names[code]))
    return np.where(np.isin(column, ranked[top:]), other, column)
