"""Retention from the list of users alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.retention.retention import retention
from nucleus_pandas.analysis.retention.retention_tables import Clock
from nucleus_pandas.analysis.retention.user_spans import Users, read_lifetimes
from nucleus_pandas.core.arrays import Ints
from nucleus_pandas.core.calendar import Freq, WeekStart, read_calendar
from nucleus_pandas.core.instants import When, Zone, instant_of, parse_zone
from nucleus_pandas.events.eventlog import EventLog


def unbounded_retention(
    users: Users,
    *,
    freq: Freq = "W",
    periods: int | None = None,
    clock: Clock = "calendar",
    week_start: WeekStart | None = None,
    by: str | None = None,
    top: int = 8,
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
) -> pd.DataFrame:
    """Shares of users who came in a period after their creation or later, from the list of users alone.

    Parameters
    ----------
    users : DataFrame or EventStore
        The table of `load_users`, or any with created_at and last_seen. Of a store, the users that it follows.
    freq, periods, clock, week_start, top, tz
        As for `retention`.
    by : str, optional
        A column of the list (``"platform"``) or a property (``"plan"`` for props.plan; a column of the very name goes
        first). It is the one that the user has now, not the one at the creation.
    start, end : str, date or datetime, optional
        Only users created in [start, end); a date as `end` is that whole day.
    as_of : str, date or datetime, optional
        Until when the list is known; users created later do not count, and periods must be over by then. By default the
        newest last_seen, or when the store was synced last.

    Returns
    -------
    pandas.DataFrame
        The columns of `retention`, with the criterion ``"on_or_after"``: one row a cohort of creation and period.
        retained counts those eligible who were seen last in the period or later; in period 0 they are all.

    Raises
    ------
    ValueError, TypeError
        As `retention`, and as `survival` for the list of users.

    Warns
    -----
    IncompleteDataWarning
        As `survival`.

    Notes
    -----
    Section *Retention* of the definitions, rule 9: exact, and one request however many users there are; `survival` says
    what one request cannot answer. It is what `retention` gives with ``criterion="on_or_after"`` from all sessions, but
    that a session counts here with its end, and there with its start.

    Whoever was here last week may be back next week, and then counts in all periods between. So the rates of recent
    periods are too low and still rise, and a row of the triangle bends down at its end although nobody left. `survival`
    does not bend down: it follows each user no longer than to `gap` before `as_of`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> table = nu.unbounded_retention(nu.load_users(app), freq="M", as_of=app.now())
    >>> bool((table.groupby("cohort")["retained"].diff().dropna() <= 0).all())
    True
    >>> curve = nu.retention_curve(table)
    >>> float(curve["rate"].iloc[0])
    1.0
    """
    zone = "UTC" if tz is None else tz
    found = read_lifetimes(users, start, end, zone, as_of)
    # The only activity that is known of each, and so the last: who has it in a period or later was there on or after
    # it. What is later than `as_of` says that the user was there until then.
    seen = pd.Series(np.minimum(found.seen, found.as_of).astype("datetime64[us]")).dt.tz_localize("UTC")
    number = np.arange(len(seen))
    people = found.frame.drop(columns="user_db_id", errors="ignore").assign(user_id=number)
    visits = pd.DataFrame({"user_id": number, "start": seen})
    return retention(
        EventLog.of_sessions(visits, sample=found.sample, as_of=found.as_of),
        users=people,
        freq=freq,
        periods=periods,
        criterion="on_or_after",
        clock=clock,
        week_start=week_start,
        by=by,
        top=top,
        start=_begin(found.created, freq, week_start, zone) if start is None else start,
        end=end,
        tz=tz,
        as_of=instant_of(found.as_of),
    )


def _begin(created: Ints, freq: Freq, week_start: WeekStart | None, zone: Zone) -> When | None:
    """When the first period begins in which a user was created: all that are left count."""
    if not len(created):
        return None
    calendar = read_calendar(freq, week_start, parse_zone(zone))
    return instant_of(int(calendar.starts(calendar.of_times(created.min(keepdims=True)))[0]))
