"""Retention: how many of those who started together came back, and when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.retention.cohorts import CohortCalendar, find_cohort_range
from nucleus_pandas.analysis.retention.retention_counts import count_cells, find_starts, period_numbers_of, segments_of
from nucleus_pandas.analysis.retention.retention_parts import cells_of_parts, cells_of_users
from nucleus_pandas.analysis.retention.retention_question import BracketLike, find_log, read_asked, read_cohort_calendar
from nucleus_pandas.analysis.retention.retention_tables import (
    Cells,
    Clock,
    Criterion,
    pooled,
    require_retention,
    retention_table,
)
from nucleus_pandas.core.calendar import Freq, WeekStart
from nucleus_pandas.core.checks import checked_number, is_whole
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.events.activity_starts import Activity
from nucleus_pandas.events.clock_errors import Times
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.pending import warn_all_pending
from nucleus_pandas.events.protocol import Parts
from nucleus_pandas.events.steps import StepLike
from nucleus_pandas.events.user_list import check_acquainted, known_in
from nucleus_pandas.store.eventstore import EventStore

# Periods that a message lists one by one.
_SHOWN = 10
_TOP = "beyond it, values are put together as (other)"


def retention(
    activity: Activity,
    *,
    users: pd.DataFrame | None = None,
    start_event: StepLike | None = None,
    return_event: StepLike | None = None,
    first_time: bool = True,
    freq: Freq = "W",
    periods: int | None = None,
    criterion: Criterion = "on",
    brackets: Sequence[BracketLike] | None = None,
    clock: Clock = "calendar",
    week_start: WeekStart | None = None,
    by: str | None = None,
    top: int = 8,
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
) -> pd.DataFrame:
    """Shares of those who started together that came back, by cohort and by periods since the start.

    Parameters
    ----------
    activity : DataFrame, EventLog, EventStore or Buckets
        The table of `load_sessions`, or an event log: that of `load_session_events` or any frame with user_id, time
        and event. A user is active where a session starts; where the log has no sessions, with each event.
    users : DataFrame, optional
        The table of `load_users`, or any with user_id and created_at. A user then starts when the
        account was created, and who never came counts as well. Without it a user starts with the start event. With
        Buckets that have user_db_id, so must they.
    start_event : name, list of names, or step, optional
        What a user starts with; by default any start of a session. `step` adds a condition on properties.
    return_event : name, list of names, or step, optional
        What counts as coming back; by default any start of a session, whatever the start event.
    first_time : bool, default True
        The first start event of all makes the cohort, also where it lies before `start`: then the user is in none. If
        False, each start in [start, end) counts: a user is in the cohort of every period with one, once.
    freq, week_start
        Cohorts and periods are days, weeks, months or quarters, as for `growth`.
    periods : int, optional
        The last period; the table has 0, 1, … up to it. By default the last that was over for anybody.
    criterion : {"on", "on_or_after", "on_or_before"}
        Active in period n, in n or later (as far as is known), or in n or earlier, 0 included.
    brackets : list of int and (int, int), optional
        In place of single periods: active in any period from the first to the last of each, both inclusive. Brackets
        may overlap, ``[(1, 1), (1, 7), (1, 30)]``, and each ends later than the one before.
    clock : {"calendar", "elapsed"}
        Calendar: period n is the n-th day, week, month or quarter after the one of the start, in `tz`. Elapsed: it
        begins n units after the very start, of 24 hours, 7 days, 30 days or 90 days, for each user apart.
    by : str, optional
        One value a user: a column of `users` (``"plan"`` for props.plan), else of the log where the user starts
        (``"plan"`` for data.plan). A column of the very name goes first.
    top : int, default 8
        How many values get rows of their own, those with most users; beyond, ``(other)``. Missing is ``(none)``.
    start, end : str, date or datetime, optional
        The start of a user lies in [start, end); a date as `end` is that whole day. Who comes back counts beyond `end`.
    tz : str, int or tzinfo, default "UTC"
        The zone of days, weeks and months.
    as_of : str, date or datetime, optional
        Until when the data are known; later events do not count. By default that of the log, see `EventLog`.

    Returns
    -------
    pandas.DataFrame
        One row a cohort and period (or bracket), with `by` for each segment, those with most users first.

        - segment: the value of `by`; only with it
        - cohort: the first day of the period in which users started
        - age: of the period, 0 for that of the start, 1 for the next one, …; of a bracket that of its last
        - bracket: ``"1–7"``; only with `brackets`
        - users: who started in the cohort
        - eligible: those of them for whom the period was over at `as_of`
        - retained: those eligible who came back in it, see `criterion`; missing where nobody is eligible
        - rate: retained / eligible, with its 95 % bounds rate_low and rate_high (Wilson); missing where nobody is
          eligible, 0 where nobody came back
        - design_effect: of the period, all cohorts pooled, how many times the variance of the rate is that of as many
          different users; only with ``first_time=False``, where a user can be in several cohorts
        - complete: the period was over for everybody who could start in the cohort, and [start, end) does not cut it.
          Where it is not, and there is a rate, this is the rate of a part of the cohort
        - low_n: fewer than 30 users are eligible
        - freq (``"D"``, ``"W"``, ``"M"`` or ``"Q"``), clock, criterion: what was asked; ``"brackets"`` for these
        - sample: the fraction of users that the log holds; counts are not scaled

        Cohorts in which nobody started are there, up to `end` or else to the last start. Without `start`, starts of
        clocks that are wrong, as it seems, are left out, with a warning: where few starts lie before a long time
        without any, by the rule of `EventLog` (at most 1 % before 7 days, 10 % before 2 years, half before 10 years),
        the first cohort is the one of the start after that time, with all who started in it.

    Raises
    ------
    ValueError
        For an event or column that is not there, with the nearest names, for values that are not known, for arguments
        that exclude each other, if `users` and `activity` have nobody in common, for more than 5,000 cohorts or
        5,000,000 rows.
    TypeError
        For arguments of another type.

    Warns
    -----
    IncompleteDataWarning
        See `EventLog`; if most of `users` have no activity; if the store does not hold the interval, or several; if
        early starts are left out.

    Notes
    -----
    Definition: docs/definitions.md#retention.

    A session that runs over midnight is no return. Period 0 is counted like the others: it is 1 by itself where start
    and return are the same event, and less where they are not; on the calendar clock it is all of the day, week or
    month, before the start as well. For the same reason ``"on_or_before"`` is 1 throughout where they are the same:
    there, ask for ``brackets=[(1, 1), (1, 2), …]``.

    ``"on_or_after"`` looks at all that is known: a period of long ago has had more time than one of last week, so the
    rates of recent periods still rise. ``"on"`` and brackets are final but for what clients still send: up to 48
    hours late, so pass an `as_of` that long ago to be safe.

    With ``first_time=False`` a user can be in many cohorts, but only once in each: bounds of a cohort are those of
    different users. `retention_curve` pools cohorts, and widens its bounds by design_effect.

    A store knows the cohorts of the interval that it was synced for: of users who had left before it knows nothing. Of
    several intervals with a gap between them it is the one of `start` and `end`, without these the last. The first
    start event is the first that it holds; to go by the account's age, pass ``users=store.users()``. If an event is
    asked for, what comes after that interval is not known either, nor is it to an `EventLog` made of the store.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app).tail(200)
    >>> sessions = nu.load_sessions(app, users)
    >>> table = nu.retention(sessions, users=users, freq="W", as_of=app.now())
    >>> bool((table["retained"] <= table["eligible"]).all())
    True
    >>> bool(table.loc[table["eligible"] == 0, "rate"].isna().all())
    True
    """
    asked = read_asked(
        users=users,
        start_event=start_event,
        return_event=return_event,
        first_time=first_time,
        periods=periods,
        criterion=criterion,
        brackets=brackets,
        by=by,
    )
    cohort_calendar = read_cohort_calendar(
        freq=freq, clock=clock, week_start=week_start, start=start, end=end, tz=tz, as_of=as_of
    )
    top = checked_number("top", top, None, _TOP)
    log, cohort_calendar = find_log(
        activity, asked, cohort_calendar, created=users is not None, by=by, first_time=first_time
    )
    criterion_name = criterion if brackets is None else "brackets"
    if isinstance(log, Parts):
        if users is None:
            cells = cells_of_parts(log, asked, cohort_calendar, by, top, first_time=first_time)
        else:
            cells = cells_of_users(log, asked, cohort_calendar, users, by, top)
        _warn_if_pending(cells, cohort_calendar)
        return retention_table(
            cells, freq=cohort_calendar.calendar.unit, clock=clock, criterion=criterion_name, sample=log.sample
        )
    starts = find_starts(log, users, asked, first_time=first_time)
    cohort_range = find_cohort_range(Times(starts.time), cohort_calendar)
    cohorts = cohort_range.place(starts, cohort_calendar, recurring=not first_time)
    whole = not isinstance(activity, EventStore) or asked.return_event is None
    if users is not None and whole and isinstance(log, EventLog):
        check_acquainted(known_in(log, users), cohorts.starts.row, anybody=len(log.frame) > 0)
    segments = None if by is None or not isinstance(log, EventLog) else segments_of(log, users, by, cohorts.starts, top)
    numbers = period_numbers_of(asked, cohort_calendar, cohort_range)
    recurring = users is None and not first_time
    cells = count_cells(log, asked, cohort_calendar, cohorts, segments, numbers, recurring=recurring)
    _warn_if_pending(cells, cohort_calendar)
    return retention_table(
        cells, freq=cohort_calendar.calendar.unit, clock=clock, criterion=criterion_name, sample=log.sample
    )


def _warn_if_pending(cells: Cells, cohort_calendar: CohortCalendar) -> None:
    """Warn where users started and no period that is asked for was over for any of them."""
    if not cells.users.any() or cells.eligible.any() or not len(cells.periods):
        return
    started = np.flatnonzero(np.atleast_2d(cells.users).sum(axis=0))
    last = int(cells.periods.min())
    day = cells.cohorts[started[:1]].astype("datetime64[D]").astype(np.int64)
    cohort = cohort_calendar.calendar.of_days(day)
    elapsed = cohort_calendar.clock == "elapsed"
    first = int(cohort_calendar.edges(cohort)[0]) + (last + 1) * cohort_calendar.length
    first = first if elapsed else int(cohort_calendar.edges(cohort + last + 1)[0])
    rule = f"period {last} has to be over for at least one user of a cohort."
    warn_all_pending(rule, first, cohort_calendar.as_of, at_earliest=elapsed)


def retention_curve(table: pd.DataFrame) -> pd.DataFrame:
    """Shares of users that came back, by periods since the start: all cohorts of a table put together.

    Parameters
    ----------
    table : DataFrame
        The table of `retention` or `unbounded_retention`, or some cohorts of it.

    Returns
    -------
    pandas.DataFrame
        One row a period (or bracket), for each segment where there are any.

        - segment: only where the table has it
        - age, bracket: as in the table
        - cohorts: those of which somebody was eligible
        - users: those of all cohorts
        - eligible: for whom the period was over, of all cohorts
        - retained: those of them who came back, of all cohorts; missing where nobody is eligible
        - rate: retained / eligible, with its 95 % bounds rate_low and rate_high (Wilson, with users as the sampling
          unit)
        - low_n: fewer than 30 users are eligible
        - freq, clock, criterion: what was asked
        - sample: the fraction of users that the log holds

    Raises
    ------
    ValueError
        If columns are missing, or the rows are of several questions: freq, clock, criterion or sample differ.
    TypeError
        If `table` is no DataFrame.

    Notes
    -----
    Definition: docs/definitions.md#retention, rule 7.

    A cohort weighs as many users as it has, those of which nobody came back included. The mean of the cohorts' rates is
    another number, and a few users can move it.

    Later periods are of older cohorts only, as eligible shows. Where these were better or worse than the recent ones,
    the curve bends although nobody changed. To see one and the same group of users throughout, keep the cohorts that
    are old enough: ``table[table["cohort"] < "2026-07-01"]``.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app).tail(200)
    >>> table = nu.retention(nu.load_sessions(app, users), users=users, as_of=app.now())
    >>> curve = nu.retention_curve(table)
    >>> bool(curve["eligible"].is_monotonic_decreasing)
    True
    """
    require_retention(table, "retention_curve")
    return pooled(table)


def retention_trend(table: pd.DataFrame, age: int = 4) -> pd.DataFrame:
    """Shares of users that came back in one period since the start, cohort by cohort.

    Parameters
    ----------
    table : DataFrame
        The table of `retention` or `unbounded_retention`.
    age : int, default 4
        Which period, counted from the start, which is 0; a bracket has the age of its last.

    Returns
    -------
    pandas.DataFrame
        The rows of the table of that age: one a cohort, for each segment where there are any. Cohorts for which it
        is not over yet are there, without a rate.

    Raises
    ------
    ValueError
        If columns are missing, the rows are of several questions, or the table does not have this age.
    TypeError
        If `table` is no DataFrame, or `age` no whole number.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app).tail(200)
    >>> table = nu.retention(nu.load_sessions(app, users), users=users, as_of=app.now())
    >>> set(nu.retention_trend(table, age=1)["age"])
    {1}
    """
    require_retention(table, "retention_trend")
    if not is_whole(age):
        raise TypeError(f"age is {age!r:.60}; write one whole number, for example age=4.")
    if len(table) and not table["age"].eq(age).any():
        known = sorted(set(table["age"].tolist()))
        ages = ", ".join(map(str, known)) if len(known) <= _SHOWN else f"{known[0]} to {known[-1]}"
        raise ValueError(f"age={age!r} is not in the table; it has {ages}.")
    return table[table["age"].eq(age)].reset_index(drop=True)
