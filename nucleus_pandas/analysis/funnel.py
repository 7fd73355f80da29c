"""Funnels: how many users come how far, who they are, and how that changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.attempts import (
    EXCLUDED,
    PENDING,
    SETTLING,
    STATUSES,
    TIMEOUT,
    Order,
    Question,
    Standing,
    find_standing,
    look_up,
)
from nucleus_pandas.analysis.codes import Bools, Ints
from nucleus_pandas.analysis.eventlog import EventLog
from nucleus_pandas.analysis.intervals import wilson
from nucleus_pandas.analysis.periods import Calendar, make_calendar
from nucleus_pandas.analysis.question import Entry, OnExclude, Ties, Window, read_question
from nucleus_pandas.analysis.segments import Segments, checked_top, find_segments
from nucleus_pandas.analysis.steps import ExcludeLike, StepLike
from nucleus_pandas.api.columns import COUNT, DAY, INSTANT, NUMBER, TEXT
from nucleus_pandas.api.frames import Schema, make_frame
from nucleus_pandas.api.windows import Freq, When, Zone, parse_zone

FUNNEL: Schema = {
    "step": np.dtype("int64"),
    "event": TEXT,
    "users": COUNT,
    "from_start": NUMBER,
    "from_start_low": NUMBER,
    "from_start_high": NUMBER,
    "from_previous": NUMBER,
    "from_previous_low": NUMBER,
    "from_previous_high": NUMBER,
    "median_seconds": NUMBER,
    "mean_seconds": NUMBER,
    "excluded": COUNT,
    "pending": COUNT,
    "low_n": np.dtype(bool),
}
_STATES: Schema = {"complete": np.dtype(bool), "settled": np.dtype(bool)}
_SAMPLE: Schema = {"sample": NUMBER}
FEW = 30


def funnel(
    events: pd.DataFrame | EventLog,
    steps: list[StepLike],
    *,
    window: Window = "7d",
    order: Order = "ordered",
    entry: Entry = "any",
    exclude: ExcludeLike | None = None,
    on_exclude: OnExclude = "drop",
    by: str | None = None,
    top: int = 8,
    ties: Ties = "either",
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
    include_pending: bool = False,
) -> pd.DataFrame:
    """How many users came how far.

    Parameters
    ----------
    events : DataFrame or EventLog
        A log that is asked more than once is best made ready with `EventLog`, which then answers at once.
    steps : list
        From 1 to 30 steps: each the name of an event, a list of names of which any will do, or `step` for events on a
        condition. The same event may stand twice: it then takes two events.
    window : str or timedelta, default "7d"
        How long after the entry a step still counts, that instant included; or ``"session"``: all steps in one session.
    order : {"ordered", "strict", "any"}
        Ordered: one step after the other, whatever lies between. Strict: with no other event between, system events
        aside. Any: all within the window in whatever order; row n then tells who made any n of the steps, each with an
        event of its own, and any of them is an entry.
    entry : {"any", "first"}
        Any: each time that a user enters is an attempt, and the one that came farthest stands for the user, of several
        the earliest. First: only the first time in [start, end) counts.
    exclude : name, list or mapping, optional
        Events that spoil an attempt if they lie strictly between two steps, or after the first of them and up to the
        end of the window while the second is not reached. By default between the first and the last step;
        ``{"event": name, "from_step": 1, "to_step": 2}`` says between which (they count from 1). For ``order="any"``
        the n-th step is the n-th that was made.
    on_exclude : {"drop", "stop"}
        Drop: a spoiled attempt counts nowhere, not even as an entry; another one of the user may. Stop: it keeps the
        steps that were made by then.
    by : str, optional
        A column of the log (``"version"``) or a property (``"plan"`` for data.plan): one value a user, the one at the
        entry of the attempt that stands for them. What comes with `init` and errors only is filled forward.
    top : int, default 8
        How many values get rows of their own, those with most entrants; beyond, ``(other)``. Missing is ``(none)``.
    ties : {"either", "strict"}
        Either: events of one instant count in whatever order suits. Strict: each step is later than the one before.
    start, end : str, date or datetime, optional
        The entry lies in [start, end); a date as `end` is that whole day. Later steps count beyond `end`.
    tz : str, int or tzinfo, default "UTC"
        The zone of dates.
    as_of : str, date or datetime, optional
        Until when the data are known; what lies later does not count. By default that of the log, see `EventLog`.
    include_pending : bool, default False
        Count those, too, who have not had the whole window yet.

    Returns
    -------
    pandas.DataFrame
        One row a step, with `by` for each segment, those with most entrants first, ``(other)`` and ``(none)`` last.

        - segment: the value of `by`; only with it
        - step: 1, 2, …
        - event: its name, alternatives joined by "or", a condition in brackets
        - users: who made this step and those before it
        - from_start: users / users of step 1, with its 95 % bounds from_start_low and from_start_high (Wilson)
        - from_previous: users / users of the step before, likewise; missing for step 1
        - median_seconds, mean_seconds: from the step before to this one, of the users who made it, in the attempt that
          stands for them; missing for step 1
        - excluded: users who entered, but whom an excluded event stopped or, with ``on_exclude="drop"``, left without
          any attempt; the same in all rows of a segment
        - pending: users left out because they have not had the whole window yet; with `include_pending`, those counted
          who still may go on; the same in all rows of a segment
        - low_n: fewer than 30 users entered
        - sample: the fraction of users that the log holds; counts are not scaled

        A rate of nobody is missing (NaN), not 0.

    Raises
    ------
    ValueError
        For an event or column that the log does not have, with the nearest names, and for values that are not known.
    TypeError
        For arguments of another type.

    Warns
    -----
    IncompleteDataWarning
        See `EventLog`.

    Notes
    -----
    Section *Funnel* of the definitions. The base is who entered, never all users. Steps are made as early as can be.

    An entry is old enough if its window was over 48 hours before `as_of`, as clients send that late; for
    ``window="session"``, if the session's last event was 30 minutes before that. Users with such an entry are judged by
    those entries alone, converters and the others alike; users without one are pending. Leaving out only those who have
    not converted would overstate the rate, counting all would understate it.

    An excluded event at the instant of a step is not between: events of one instant may count in either order.

    The table is the summary of `funnel_users`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> log = nu.EventLog(nu.load_session_events(app, sessions), as_of=app.now())
    >>> table = nu.funnel(log, ["init", "PROJECT_CREATED", "EXPORT_PDF"])
    >>> table["event"].tolist()
    ['init', 'PROJECT_CREATED', 'EXPORT_PDF']
    >>> bool(table["users"].is_monotonic_decreasing)
    True
    """
    log, asked = read_question(
        events,
        steps,
        window=window,
        order=order,
        entry=entry,
        exclude=exclude,
        on_exclude=on_exclude,
        ties=ties,
        start=start,
        end=end,
        tz=tz,
        as_of=as_of,
        include_pending=include_pending,
        by=by,
    )
    top = checked_top(top)
    found = find_standing(look_up(log, asked), asked)
    segments = None if by is None else find_segments(log, by, found.entry, _counted(found, asked), top)
    return _summary(log, asked, found, segments, None)


def funnel_users(
    events: pd.DataFrame | EventLog,
    steps: list[StepLike],
    *,
    window: Window = "7d",
    order: Order = "ordered",
    entry: Entry = "any",
    exclude: ExcludeLike | None = None,
    on_exclude: OnExclude = "drop",
    by: str | None = None,
    top: int = 8,
    ties: Ties = "either",
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
    include_pending: bool = False,
) -> pd.DataFrame:
    """Who came how far, when, and why it ended: the users whom `funnel` counts.

    Parameters
    ----------
    events, steps, window, order, entry, exclude, on_exclude, by, top, ties, start, end, tz, as_of, include_pending
        As for `funnel`.

    Returns
    -------
    pandas.DataFrame
        One row a user who entered, by the time of the entry.

        - user_id: as in the log, of the row of the entry; where it is missing there, user_db_id
        - entered_at: the entry of the attempt that stands for the user, UTC
        - depth: how many steps it made; 0 if an excluded event spoiled it, so that it counts nowhere
        - step_1, step_2, …: when each was made, UTC; missing where it was not. For ``order="any"``: the n-th made
        - status: ``converted`` (made all steps), ``dropped`` (did not, and the window is over), ``excluded`` (an
          excluded event stopped it, or spoiled every attempt), ``pending`` (the window was not over 48 hours before
          `as_of`, whatever was made by then; with `include_pending` only who still may go on)
        - segment: the value of `by`; only with it
        - sample: the fraction of users that the log holds

    Raises
    ------
    ValueError, TypeError
        As `funnel`.

    Warns
    -----
    IncompleteDataWarning
        See `EventLog`.

    Notes
    -----
    Section *Funnel* of the definitions, rule 12. Of several attempts that are old enough, the deepest stands for the
    user, of several the earliest; who has none is pending.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> log = nu.EventLog(nu.load_session_events(app, sessions), as_of=app.now())
    >>> who = nu.funnel_users(log, ["init", "PROJECT_CREATED", "EXPORT_PDF"])
    >>> set(who.loc[who["status"] == "converted", "depth"])
    {3}
    """
    log, asked = read_question(
        events,
        steps,
        window=window,
        order=order,
        entry=entry,
        exclude=exclude,
        on_exclude=on_exclude,
        ties=ties,
        start=start,
        end=end,
        tz=tz,
        as_of=as_of,
        include_pending=include_pending,
        by=by,
    )
    top = checked_top(top)
    found = find_standing(look_up(log, asked), asked)
    segments = None if by is None else find_segments(log, by, found.entry, _counted(found, asked), top)
    return _users(log, found, segments)


def funnel_trend(
    events: pd.DataFrame | EventLog,
    steps: list[StepLike],
    *,
    freq: Freq = "W",
    window: Window = "7d",
    order: Order = "ordered",
    entry: Entry = "any",
    exclude: ExcludeLike | None = None,
    on_exclude: OnExclude = "drop",
    by: str | None = None,
    top: int = 8,
    ties: Ties = "either",
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
    include_pending: bool = False,
) -> pd.DataFrame:
    """How many users came how far, of those who entered in each day, week or month.

    Parameters
    ----------
    freq : {"D", "W", "M"}
        Local days, weeks from Monday, or calendar months of the entry.
    events, steps, window, order, entry, exclude, on_exclude, by, top, ties, start, end, tz, as_of, include_pending
        As for `funnel`. With ``entry="any"`` a user counts in each period in which they enter, by the attempts that
        begin in it, as if `start` and `end` were those of the period; with ``"first"`` in one period only.

    Returns
    -------
    pandas.DataFrame
        One row a period and step, with `by` for each segment; the segments are the same in all periods.

        - period: its first day, without a zone
        - segment: the value of `by`; only with it
        - all columns of `funnel` from step to low_n; from_start and from_previous are of those who entered in the
          period, and missing where nobody did who has had the whole window
        - complete: the period lies in [start, end) as a whole, and was over at `as_of` with the window after it
        - settled: it was so 48 hours earlier, so that nobody who entered in it is pending
        - sample: the fraction of users that the log holds

        Periods without entrants are there. Without `start`, the first is that of the oldest entry that is not years
        before the others, as of clocks that are wrong: one before 7 days without any, with less than 1 % of the entries
        before them.

    Raises
    ------
    ValueError, TypeError
        As `funnel`, and for a `freq` that is not known.

    Warns
    -----
    IncompleteDataWarning
        See `EventLog`.

    Notes
    -----
    Section *Funnel* of the definitions. Later steps count in the period of the entry, whenever they were made.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> log = nu.EventLog(nu.load_session_events(app, sessions), as_of=app.now())
    >>> trend = nu.funnel_trend(log, ["init", "PROJECT_CREATED"], freq="M", start="2026-06-01")
    >>> trend["period"].iloc[0]
    Timestamp('2026-06-01 00:00:00')
    """
    log, asked = read_question(
        events,
        steps,
        window=window,
        order=order,
        entry=entry,
        exclude=exclude,
        on_exclude=on_exclude,
        ties=ties,
        start=start,
        end=end,
        tz=tz,
        as_of=as_of,
        include_pending=include_pending,
        by=by,
    )
    top = checked_top(top)
    events_found = look_up(log, asked)
    times = events_found.entries.time
    known = times[times <= asked.as_of]
    calendar = make_calendar(freq, known, asked.start, asked.end, parse_zone("UTC" if tz is None else tz))
    if len(calendar.edges):
        asked = replace(asked, start=int(calendar.edges[0]), end=int(calendar.edges[-1]))
    found = find_standing(events_found, asked, calendar.edges)
    segments = None if by is None else find_segments(log, by, found.entry, _counted(found, asked), top)
    return _summary(log, asked, found, segments, calendar)


def _counted(found: Standing, asked: Question) -> Bools:
    """Who counts: not those whose every attempt is spoiled, nor, unless asked for, those who are pending."""
    counts = found.depth > 0
    return counts if asked.include_pending else counts & (found.status != PENDING)


def _summary(
    log: EventLog, asked: Question, found: Standing, segments: Segments | None, calendar: Calendar | None
) -> pd.DataFrame:
    """The table of `funnel` and `funnel_trend`: a row for each period, segment and step."""
    names = [""] if segments is None else segments.names
    periods = 1 if calendar is None else len(calendar.labels)
    groups, steps = periods * len(names), len(asked.steps)
    group = found.period * len(names) + (0 if segments is None else segments.code)
    counts = _counts(group, groups, found, _counted(found, asked))
    columns: dict[str, Any] = {} if segments is None else {"segment": np.tile(np.repeat(names, steps), periods)}
    schema: Schema = {} if segments is None else {"segment": TEXT}
    columns |= {
        "step": np.tile(np.arange(1, steps + 1), groups),
        "event": np.tile(np.array(_labels(asked), dtype=object), groups),
        **{name: values.reshape(-1) for name, values in counts.items()},
    }
    schema |= FUNNEL
    if calendar is not None:
        each = len(names) * steps
        columns |= {name: np.repeat(values, each) for name, values in _states(calendar, asked).items()}
        schema = {"period": DAY, **schema, **_STATES}
        columns["period"] = np.repeat(np.array(calendar.labels, dtype=DAY), each)
    columns["sample"] = np.full(groups * steps, log.sample)
    return make_frame(schema | _SAMPLE, columns)


def _labels(asked: Question) -> list[str]:
    if asked.order != "any":
        return [step.label for step in asked.steps]
    return [f"any {number} of {len(asked.steps)}" for number in range(1, len(asked.steps) + 1)]


def _counts(group: Ints, groups: int, found: Standing, counted: Bools) -> dict[str, Any]:
    """The numbers of the table, each an array of groups by steps."""
    steps = len(found.times)
    users: Ints = np.zeros((groups, steps), dtype=np.int64)
    median, mean = np.full((2, groups, steps), np.nan)
    for number in range(steps):
        made = np.flatnonzero(counted & (found.depth > number))
        users[:, number] = np.bincount(group[made], minlength=groups)
        if number:
            seconds = (found.times[number, made] - found.times[number - 1, made]) / 1e6
            median[:, number], mean[:, number] = _middle(seconds, group[made], groups)
    before = np.concatenate([np.zeros((groups, 1), dtype=np.int64), users[:, :-1]], axis=1)
    start = np.repeat(users[:, :1], steps, axis=1)
    hits = np.minimum(users, before)
    with np.errstate(invalid="ignore"):
        rates = {"from_start": users / start, "from_previous": hits / before}
    for name, made, base in (("from_start", users, start), ("from_previous", hits, before)):
        rates[f"{name}_low"], rates[f"{name}_high"] = wilson(made, base)
    ended = {name: np.bincount(group[found.status == status], minlength=groups) for name, status in _ENDS.items()}
    return {
        "users": users,
        **rates,
        "median_seconds": median,
        "mean_seconds": mean,
        **{name: np.repeat(of_group, steps) for name, of_group in ended.items()},
        "low_n": np.repeat(users[:, :1] < FEW, steps, axis=1),
    }


_ENDS = {"excluded": EXCLUDED, "pending": PENDING}


def _middle(seconds: Any, group: Ints, groups: int) -> tuple[Any, Any]:
    """Median and mean of each group, NaN for an empty one."""
    if groups == 1:
        return (np.median(seconds), np.mean(seconds)) if len(seconds) else (np.nan, np.nan)
    by_group = pd.Series(seconds).groupby(group)
    return (by_group.agg(how).reindex(range(groups)).to_numpy() for how in ("median", "mean"))  # type: ignore[return-value]


def _states(calendar: Calendar, asked: Question) -> dict[str, Bools]:
    """Which periods are complete and settled."""
    over = calendar.edges[1:] + (TIMEOUT if asked.window is None else asked.window)
    whole = calendar.whole
    return {"complete": whole & (over <= asked.as_of), "settled": whole & (over <= asked.as_of - SETTLING)}


def _users(log: EventLog, found: Standing, segments: Segments | None) -> pd.DataFrame:
    entered = log.time[found.entry]
    order = np.lexsort((found.entry, entered))
    entry = found.entry[order]
    user_id = log.values("user_id", entry)
    if user_id.hasnans and "user_db_id" in log.frame.columns:
        user_id = user_id.where(user_id.notna(), log.values("user_db_id", entry))
    columns: dict[str, Any] = {
        "entered_at": _instants(entered[order]),
        "depth": found.depth[order],
        **{f"step_{number}": _instants(times[order]) for number, times in enumerate(found.times, 1)},
        "status": pd.array(STATUSES, dtype=TEXT).take(found.status[order]),
    }
    schema: Schema = {name: INSTANT for name in columns if name != "status"}
    schema |= {"depth": np.dtype("int64"), "status": TEXT}
    if segments is not None:
        columns["segment"] = pd.array(segments.names, dtype=TEXT).take(segments.code[order])
        schema["segment"] = TEXT
    columns["sample"] = np.full(len(entry), log.sample)
    table = make_frame(schema | _SAMPLE, columns)
    table.insert(0, "user_id", user_id)
    return table


def _instants(times: Ints) -> Any:
    return pd.Series(times.astype("datetime64[us]")).dt.tz_localize("UTC").array
