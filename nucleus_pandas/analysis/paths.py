"""What users do before or after an event: a table of the transitions from event to event."""

from __future__ import annotations

import datetime as dt
import difflib
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.columns import microseconds, shown
from nucleus_pandas.analysis.eventlog import EventLog, as_event_log
from nucleus_pandas.api.columns import COUNT, NUMBER, TEXT
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
ENTRY, EXIT, OTHER = "(entry)", "(exit)", "(other)"
_MOST_STEPS, _MOST_NAMES = 20, 30


def paths(
    events: pd.DataFrame | EventLog,
    after: str | None = None,
    before: str | None = None,
    *,
    steps: int = 4,
    top: int = 10,
    gap: str | dt.timedelta | None = "30min",
    start: When | None = None,
    end: When | None = None,
    tz: Zone = "UTC",
) -> pd.DataFrame:
    """What users did after an event, or before it: how many went from which event to which.

    Parameters
    ----------
    events : DataFrame or EventLog
        The event log.
    after : str
        The event at which paths begin.
    before : str
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
        If `events` is neither a DataFrame nor an EventLog.

    Notes
    -----
    A user has one path, around the first time that the user did the event within `start` and `end`. Events with the
    same name in a row count once. System events are left out (*People, sessions, events* of the definitions): they
    neither stand in a path nor fill a gap; starts, views and errors count. Sessions do not matter, `gap` does: who
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
    silence = _microseconds(gap)
    within = make_interval(start, end, tz)
    log = as_event_log(events)
    code = _code(log, after if before is None else before)
    columns = _walk(log, code, within, silence, steps if before is None else -steps)
    return _table(columns, log, top, forwards=before is None)


def _checked(name: str, value: int, most: int) -> int:
    if value not in range(1, most + 1):
        raise ValueError(f"{name} must be a whole number from 1 to {most}, not {value!r}")
    return int(value)


def _walk(log: EventLog, code: int, within: Any, silence: int | None, steps: int) -> Ints:
    """The events of each path, a column a path: first the one that was asked for, then those that follow or lead to it.

    Where a path has ended there is a −1.
    """
    rows = np.flatnonzero(~log.system) if log.system.any() else slice(None)
    user, time, event = log.user[rows], log.time[rows], log.event[rows]
    visit = _visits(user, time, silence)
    # A run is an event and its repeats within a visit.
    new = np.ones(len(event), dtype=np.bool_)
    new[1:] = (event[1:] != event[:-1]) | (visit[1:] != visit[:-1])
    run = np.cumsum(new) - 1
    hits = np.flatnonzero(event == code)
    low, high = (None if moment is None else microseconds(moment) for moment in within)
    hits = hits if low is None else hits[time[hits] >= low]
    hits = hits if high is None else hits[time[hits] < high]
    hits = hits[np.diff(user[hits], prepend=-1) != 0]
    name_of_run, visit_of_run = np.append(event[new], -1), np.append(visit[new], -1)
    at = run[hits][None, :] + np.arange(abs(steps) + 1)[:, None] * np.sign(steps)
    at = np.clip(at, -1, len(name_of_run) - 1)
    return np.where(visit_of_run[at] == visit[hits], name_of_run[at].astype(np.int64), -1)


def _visits(user: Ints, time: Ints, silence: int | None) -> Ints:
    """A number for each stretch of events of one user without a longer silence."""
    new = user[1:] != user[:-1]
    if silence is not None:
        new |= np.diff(time) > silence
    return np.concatenate([np.zeros(min(len(user), 1), dtype=np.int64), np.cumsum(new)])


def _table(columns: Ints, log: EventLog, top: int, *, forwards: bool) -> pd.DataFrame:
    """Count the transitions between neighbouring columns."""
    # Codes beyond those of the log: where a path has ended, and what is beyond top.
    names = [f'"{name}"' if name in (ENTRY, EXIT, OTHER) else name for name in log.names]
    names += [EXIT if forwards else ENTRY, OTHER]
    ended, width = len(names) - 2, len(names)
    columns = np.where(columns < 0, ended, columns)
    columns[1:] = [_summed(column, names, top) for column in columns[1:]]
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


def _summed(column: Ints, names: list[str], top: int) -> Ints:
    """Put one code in place of those beyond the `top` with most users; the last two of `names` are no events."""
    counts = np.bincount(column, minlength=len(names))[:-2]
    ranked = sorted(np.flatnonzero(counts).tolist(), key=lambda code: (-counts[code], names[code]))
    return np.where(np.isin(column, ranked[top:]), len(names) - 1, column)


def _code(log: EventLog, name: str | None) -> int:
    """The code of an event that can stand in a path."""
    if name in log.names:
        code = log.names.index(name)
        rows = log.rows_of(code)
        if len(rows) and log.system[rows].all():
            raise ValueError(f"{shown(name)} is a system event, which no user does: it stands in no path")
        return code
    near = difflib.get_close_matches(str(name), log.names, n=3)
    known = sorted(range(len(log.names)), key=lambda code: (-int(log.counts[code]), log.names[code]))[:10]
    hint = f" Did you mean {' or '.join(shown(other) for other in near)}?" if near else ""
    told = ", ".join(shown(log.names[code]) for code in known) or "none"
    raise ValueError(f"there is no event {shown(name)} in the log.{hint} The most frequent ones are {told}.")


def _microseconds(gap: str | dt.timedelta | None) -> int | None:
    if gap is None:
        return None
    with suppress(ValueError):
        length = pd.Timedelta(gap)
        if length >= pd.Timedelta(0):
            return length // pd.Timedelta(microseconds=1)
    raise ValueError(f'gap={gap!r} is no length of time; write for example "30min", "2h", or None for no limit')
