"""How often users come: on how many days, and with how many days between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.activity.active_days import Active, read_active
from nucleus_pandas.core.arrays import Ints, is_group_start
from nucleus_pandas.core.calendar import Calendar
from nucleus_pandas.core.checks import checked_number
from nucleus_pandas.core.dtypes import COUNT, DAY, NUMBER, Schema, make_frame
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.core.text import counted
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.events.activity_starts import Activity, UserDays
from nucleus_pandas.events.steps import StepLike
from nucleus_pandas.stats.intervals import LOW_N, wilson

_SHARES: Schema = {
    "days": np.dtype("int64"),
    "users": COUNT,
    "share": NUMBER,
    "share_low": NUMBER,
    "share_high": NUMBER,
}
_SPAN: Schema = {"first_day": DAY, "last_day": DAY}
DAYS_ACTIVE: Schema = {
    **_SHARES,
    "share_at_least": NUMBER,
    "low_n": np.dtype(bool),
    **_SPAN,
    "settled": np.dtype(bool),
    "sample": NUMBER,
}
USAGE_INTERVAL: Schema = {
    **_SHARES,
    "share_at_most": NUMBER,
    "longest_at_most": NUMBER,
    "once": COUNT,
    "low_n": np.dtype(bool),
    **_SPAN,
    "sample": NUMBER,
}
_MOST_DAYS = 366


def days_active(
    activity: Activity,
    days: int = 28,
    *,
    event: StepLike | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
) -> pd.DataFrame:
    """On how many of the last days users were active.

    Parameters
    ----------
    days : int, default 28
        How many local days, from 1 to 366.
    end : str, date or datetime, optional
        The last of them; an instant means the day before which or in which it lies. By default the last one that is
        over at `as_of`.
    activity, event, tz, as_of
        As for `active_users`; it takes no Buckets.

    Returns
    -------
    pandas.DataFrame
        One row a number of days, from 1 to `days`.

        - days: on how many of the days
        - users: who were active on just so many
        - share: of the users who were active on any of the days; the shares add up to 1
        - share_low, share_high: its 95 % bounds (Wilson)
        - share_at_least: of the same, those who were active on so many days or more
        - low_n: fewer than 30 users were active on any of the days
        - first_day, last_day: which days, without a zone
        - settled: the last of them was over 48 hours before `as_of`; younger days still grow, as clients send that late
        - sample: the fraction of users that the log holds; counts are not scaled

        Without any activity known there are no rows. Where the last day lies before the log, users are missing; a share
        of nobody is missing (NaN), not 0.

    Raises
    ------
    ValueError, TypeError
        As `active_users`, and for `days` that are no such number.

    Warns
    -----
    IncompleteDataWarning
        When the log begins later than the first of the days, or the last is not over, so that nobody could be active on
        all of them. When `end` lies beyond what is known, and the days end with the last that is. See also `EventLog`.

    Notes
    -----
    Section *Growth* of the definitions. Who was active on none of the days is not counted: a log does not know all
    users. Users who came for the first time within the days had fewer of them.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> table = nu.days_active(sessions, as_of=app.now())
    >>> len(table), float(table["share_at_least"].iloc[0])
    (28, 1.0)
    """
    days = checked_number("days", days, _MOST_DAYS, "of how many days")
    found = read_active(activity, event, start=None, end=end, tz=tz, as_of=as_of, back=days)
    if found.last < found.first:
        return make_frame(DAYS_ACTIVE, dict.fromkeys(DAYS_ACTIVE, ()))
    last = found.shown[1] if end is not None else found.last_over
    first = last - days + 1
    user, _ = _between(found.days, first, last)
    on = np.diff(np.append(np.flatnonzero(is_group_start(user)), len(user)))
    users = np.bincount(on, minlength=days + 1)[1:]
    state = found.states(np.array([last]), Calendar("D", found.zone))
    _tell(found, first, last, over=last <= found.last_over)
    unknown = np.full(days, last < found.first)
    columns = {
        **_shares(np.arange(1, days + 1), users),
        "users": pd.arrays.IntegerArray(users.astype(np.int64), unknown),
        "first_day": _days(first, days),
        "last_day": _days(last, days),
        "settled": np.repeat(state["settled"], days),
        "sample": np.full(days, found.sample),
    }
    columns["share_at_least"] = np.cumsum(users[::-1])[::-1] / columns.pop("of")
    return make_frame(DAYS_ACTIVE, columns)


def usage_interval(
    activity: Activity,
    *,
    event: StepLike | None = None,
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
) -> pd.DataFrame:
    """How many days users let pass between two days on which they come: the way to choose a period for retention.

    Parameters
    ----------
    start, end : str, date or datetime, optional
        The days that [start, end) touches, each as a whole. By default all.
    activity, event, tz, as_of
        As for `active_users`; it takes no Buckets.

    Returns
    -------
    pandas.DataFrame
        One row a number of days, from 1 to the longest.

        - days: the median of a user's distances between one active day and the next, in local days; half a day is
          rounded up. Who comes every day has 1
        - users: whose median is just that
        - share: of the users who were active on two days or more; the shares add up to 1
        - share_low, share_high: its 95 % bounds (Wilson)
        - share_at_most: of the same, those whose median is so many days or fewer
        - longest_at_most: of the same, those whose longest distance is: who never stayed away longer and came back
        - once: users who were active on one day only, and have no distance; the same in all rows
        - low_n: fewer than 30 users were active on two days or more
        - first_day, last_day: which days were looked at, without a zone
        - sample: the fraction of users that the log holds; counts are not scaled

        Where nobody was active on two days there are no rows.

    Raises
    ------
    ValueError, TypeError
        As `active_users`.

    Warns
    -----
    IncompleteDataWarning
        See `EventLog`.

    Notes
    -----
    Take for a period of retention the shortest in which most users who come again do so, usually 80 %: where
    share_at_most reaches that within a day, measure retention by day, within some 7 days by week, else by month. By
    day, an app that is opened once a week seems to keep hardly anybody; by month, one for every day seems to keep them
    all.

    Half of a user's distances are longer than the median, so it says little about `gap` of `survival`: whoever stayed
    away for longer than the gap and came back would have been taken for lost meanwhile. These are 1 - longest_at_most.
    Take a gap at which they are few, or one beyond which a longer one hardly changes the curve.

    Distances longer than the log cannot be seen, and of long ones fewer can than of short ones: look at several times
    the distance that you expect. The users counted by `once` are those who do not come again, and those who have not
    yet.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> table = nu.usage_interval(sessions, as_of=app.now())
    >>> float(table["share_at_most"].iloc[-1])
    1.0
    """
    found = read_active(activity, event, start=start, end=end, tz=tz, as_of=as_of)
    first, last = max(found.first, found.shown[0]), found.shown[1]
    user, day = _between(found.days, first, last)
    median, longest, once = _distances(user, day)
    rows = int(longest.max(initial=0))
    users, stayed = (np.bincount(apart, minlength=rows + 1)[1:] for apart in (median, longest))
    columns = {
        **_shares(np.arange(1, rows + 1), users),
        "once": np.full(rows, once),
        "first_day": _days(first, rows),
        "last_day": _days(last, rows),
        "sample": np.full(rows, found.sample),
    }
    of = columns.pop("of")
    columns |= {"share_at_most": np.cumsum(users) / of, "longest_at_most": np.cumsum(stayed) / of}
    return make_frame(USAGE_INTERVAL, columns)


def _between(active: UserDays, first: int, last: int) -> UserDays:
    """The days of users that lie in a span."""
    inside = (active.day >= first) & (active.day <= last)
    return UserDays(active.user[inside], active.day[inside])


def _distances(user: Ints, day: Ints) -> tuple[Ints, Ints, int]:
    """The median and the longest distance between the days of each user who has several; and how many have one.

    Half a day of a median is rounded up.
    """
    new = is_group_start(user)
    again = np.flatnonzero(~new)
    apart = (day[again] - day[again - 1]).astype(np.int64)
    width = int(apart.max(initial=0)) + 1
    # Sorted by user and distance: integers of both are sorted far faster than an index by two keys.
    apart = np.sort(user[again] * np.int64(width) + apart) % width
    first = np.flatnonzero(is_group_start(user[again]))
    size = np.diff(np.append(first, len(again)))
    middle = apart[first + (size - 1) // 2] + apart[first + size // 2]
    return (middle + 1) // 2, apart[first + size - 1], int(new.sum()) - len(first)


def _shares(days: Ints, users: Ints) -> dict[str, Any]:
    """The columns that both tables have, and of how many users the shares are."""
    of = np.full(len(users), users.sum())
    low, high = wilson(users, of)
    total = np.where(of > 0, of, np.nan)
    return {
        "days": days,
        "users": users,
        "share": users / total,
        "share_low": low,
        "share_high": high,
        "low_n": of < LOW_N,
        "of": total,
    }


def _days(day: int, rows: int) -> Any:
    return np.full(rows, np.datetime64(day, "D"))


def _tell(found: Active, first: int, last: int, *, over: bool) -> None:
    """Warn where nobody could be active on all of the days."""
    days = counted(last - first + 1, "day")
    if found.beyond:
        warn_incomplete(
            f"The data are known until {np.datetime64(last, 'D')}, which is before end: the {days} end with it."
        )
    if first < found.first:
        warn_incomplete(
            f"The log begins on {np.datetime64(found.first, 'D')}, and holds {max(0, last - found.first + 1):,} of the "
            f"{days} up to {np.datetime64(last, 'D')}: nobody could be active on all of them. Pass fewer days=."
        )
    if not over:
        warn_incomplete(
            f"{np.datetime64(last, 'D')}, the last of the {days}, was not over at as_of: nobody can be known "
            "to have been active on all of them. Leave end= out for the last days that were over."
        )
