"""Funnels: how many users come how far, who they are, and how that changes."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from nucleus_pandas.analysis.funnel.attempts import find_best_attempts, look_up
from nucleus_pandas.analysis.funnel.funnel_question import Entry, OnExclude, Order, Ties, Window, read_question
from nucleus_pandas.analysis.funnel.funnel_tables import (
    EntryTimes,
    FunnelTable,
    entry_times,
    people,
    warn_if_all_pending,
    who_counts,
)
from nucleus_pandas.analysis.funnel.walks import LeftOut
from nucleus_pandas.core.calendar import Freq, WeekStart, read_calendar
from nucleus_pandas.core.checks import checked_number
from nucleus_pandas.core.instants import When, Zone, parse_zone
from nucleus_pandas.events.eventlog import EventLog, Events
from nucleus_pandas.events.periods import find_periods
from nucleus_pandas.events.protocol import answer
from nucleus_pandas.events.refusal import REFUSAL, refuse_parts
from nucleus_pandas.events.segments import TOP, find_segments
from nucleus_pandas.events.steps import ExcludeLike, StepLike


def funnel(
    events: Events,
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
    events : DataFrame, EventLog, EventStore or Buckets
        A log that is asked more than once is best made ready with `EventLog`, which then answers at once.
    steps : list
        From 1 to 30 steps: each the name of an event, a list of alternative names, or `step` for events on a
        condition. The same event may stand twice: it then takes two events. With ``order="any"`` at most 10 steps where
        some share an event, or ties are strict.
    window : str or timedelta, default "7d"
        How long after the entry a step still counts, that instant included; or ``"session"``: all steps in one session.
        Events without a session are then left out, and a warning says how many.
    order : {"ordered", "strict", "any"}
        Ordered: one step after the other, whatever lies between. Strict: with no other event between, system events
        aside. Any: all within the window in whatever order; row n then counts who made any n of the steps, each with an
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
        A column of the log (``"version"``) or a property (``"plan"`` for data.plan; a column of the very name goes
        first): one value a user, the one at the entry of the attempt that stands for them. What comes with `init` and
        errors only is filled forward.
    top : int, default 8
        How many values get rows of their own, those with most entrants; beyond, ``(other)``. Missing is ``(none)``.
    ties : {"either", "strict"}
        Either: events of one instant count in whatever order suits. Strict: each step is later than the one before.
    start, end : str, date or datetime, optional
        The entry lies in [start, end); a date as `end` is that whole day. Later steps count beyond `end`.
    tz : str, int or tzinfo, default "UTC"
        The zone of dates.
    as_of : str, date or datetime, optional
        Until when the data are known; later events do not count. By default that of the log, see `EventLog`.
    include_pending : bool, default False
        Count those, too, who have not had the whole window yet.

    Returns
    -------
    pandas.DataFrame
        One row a step, with `by` for each segment, those with most entrants first, ``(other)`` and ``(none)`` last.

        - segment: the value of `by`; only with it
        - step: 1, 2, …
        - event: its name, alternatives joined by "or", a condition in brackets; for ``order="any"`` "any 2 of" the
          names
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
        - order, window, include_pending: what was asked; the window in its largest whole unit, such as ``"7d"``
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
        See `EventLog`; for events without a session where the window is one; and when all who entered are pending,
        with the time at which the first can be counted.

    Notes
    -----
    Definition: docs/definitions.md#funnel.

    The base is who entered, never all users. Steps are made as early as can be.

    An entry is old enough if its window was over 48 hours before `as_of`, as clients send that late; for
    ``window="session"``, if the session's last event was 30 minutes before that. Users with such an entry are judged by
    those entries alone, converters and the others alike; users without one are pending. Leaving out only those who have
    not converted would overstate the rate, counting all would understate it.

    An excluded event at the instant of one of the two steps that bound the exclusion is not between them: events of one
    instant may count in either order.

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
    top = checked_number("top", top, None, TOP)
    return answer(FunnelTable(asked, by, top, log.sample), log)


def funnel_users(
    events: Events,
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
        As for `funnel`; it takes no Buckets.

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
        - settled: the window was over 48 hours before `as_of`
        - order, window, include_pending: what was asked
        - sample: the fraction of users that the log holds

    Raises
    ------
    ValueError, TypeError
        As `funnel`.

    Warns
    -----
    IncompleteDataWarning
        As `funnel`.

    Notes
    -----
    Definition: docs/definitions.md#funnel, rule 12.

    Of several attempts that are old enough, the deepest stands for the user, of several the earliest; who has none is
    pending.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> log = nu.EventLog(nu.load_session_events(app, sessions), as_of=app.now())
    >>> who = nu.funnel_users(log, ["init", "PROJECT_CREATED", "EXPORT_PDF"])
    >>> set(who.loc[who["status"] == "converted", "depth"])
    {3}
    """
    refuse_parts(events)
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
    top = checked_number("top", top, None, TOP)
    if not isinstance(log, EventLog):
        raise TypeError(REFUSAL)
    events_found = look_up(log, asked)
    found = find_best_attempts(events_found, asked)
    LeftOut(events_found.line.left_out, len(log)).warn()
    warn_if_all_pending(found, asked)
    segments = None if by is None else find_segments(log, by, found.entry, who_counts(found, asked), top)
    return people(log, asked, found, segments)


def funnel_trend(
    events: Events,
    steps: list[StepLike],
    *,
    freq: Freq = "W",
    week_start: WeekStart | None = None,
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
    """How many users came how far, of those who entered in each day, week, month or quarter.

    Parameters
    ----------
    freq, week_start
        The periods of the entry, as for `growth`.
    events, steps, window, order, entry, exclude, on_exclude, by, top, ties, start, end, tz, as_of, include_pending
        As for `funnel`. With ``entry="any"`` a user counts in each period in which they enter, by the attempts that
        begin in it, as if `start` and `end` were those of the period; with ``"first"`` in one period only.

    Returns
    -------
    pandas.DataFrame
        One row a period and step, with `by` for each segment; the segments are the same in all periods.

        - period: its first day, without a zone
        - segment: the value of `by`; only with it
        - all columns of `funnel` from step to low_n, of those who entered in the period. users, excluded and pending
          are always there; rates, their bounds and the times only where they are known, see Notes, else missing
        - complete: the period lies in [start, end) as a whole, and was over at `as_of`
        - settled: it was over, with the window after it, 48 hours before `as_of`, so that nobody who entered in it is
          pending
        - order, window, include_pending: what was asked
        - sample: the fraction of users that the log holds

        Periods without entrants are there. Without `start`, the first is that of the oldest entry that is not long
        before the others, as of clocks that are wrong, by the rule of `EventLog`: at most 1 % before 7 days without
        any, 10 % before 2 years, half before 10 years.

    Raises
    ------
    ValueError, TypeError
        As `funnel`, for a `freq` that is not known, and for more than 5,000 periods.

    Warns
    -----
    IncompleteDataWarning
        As `funnel`; and when entries lie years before all others.

    Notes
    -----
    Definition: docs/definitions.md#funnel.

    Later steps count in the period of the entry, whenever they were made.

    A rate of a period that is not complete is missing (docs/definitions.md#time). With ``entry="any"`` it is missing
    until the period is settled: the deepest of a user's attempts counts, so whoever could be judged by a part of them
    only would seem to come less far, and the line would droop at its end. With ``entry="first"`` there is one attempt a
    user; the rate of a complete period that is not settled is of those who have had the whole window. With
    `include_pending` it is of all in any complete period, and too low until that is settled.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> log = nu.EventLog(nu.load_session_events(app, sessions), as_of=app.now())
    >>> trend = nu.funnel_trend(log, ["init", "PROJECT_CREATED"], freq="M", start="2026-06-01")
    >>> trend["period"].iloc[0]
    Timestamp('2026-06-01 00:00:00')
    """
    calendar = read_calendar(freq, week_start, parse_zone("UTC" if tz is None else tz))
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
    top = checked_number("top", top, None, TOP)
    # What was looked up in a log in memory need not be looked up again.
    whole = log if isinstance(log, EventLog) else None
    found = None if whole is None else look_up(whole, asked)
    times = answer(EntryTimes(asked), log) if found is None else entry_times(found, asked)
    periods = find_periods(calendar, times, asked.start, asked.end, asked.as_of, "entries")
    if len(periods.edges):
        asked = replace(asked, start=int(periods.edges[0]), end=int(periods.edges[-1]))
    table = FunnelTable(asked, by, top, log.sample, periods)
    return answer(table, log) if whole is None or found is None else table.finish(table.count(whole, found))
