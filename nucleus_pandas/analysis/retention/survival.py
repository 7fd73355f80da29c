"""How long users stay, from the list of users alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.retention.user_spans import Users, read_lifetimes
from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.calendar import MOST_ROWS
from nucleus_pandas.core.checks import checked_number
from nucleus_pandas.core.dtypes import COUNT, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.durations import Duration, read_duration, spell_duration
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.core.units import DAY
from nucleus_pandas.events.pending import warn_all_pending
from nucleus_pandas.events.segments import TOP
from nucleus_pandas.stats.intervals import LOW_N
from nucleus_pandas.stats.kaplan_meier import kaplan_meier

SURVIVAL: Schema = {
    "day": np.dtype("int64"),
    "at_risk": COUNT,
    "lost": COUNT,
    "censored": COUNT,
    "survival": NUMBER,
    "survival_low": NUMBER,
    "survival_high": NUMBER,
    "pending": COUNT,
    "low_n": np.dtype(bool),
    "gap": TEXT,
    "sample": NUMBER,
}
_GAP_FORMS = 'write a duration such as gap="14d" or "6h", or a timedelta.'


def survival(
    users: Users,
    gap: Duration = "14d",
    *,
    by: str | None = None,
    top: int = 8,
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
) -> pd.DataFrame:
    """What share of users is still there so many days after they came, from the list of users alone.

    Parameters
    ----------
    users : DataFrame or EventStore
        The table of `load_users`, or any with created_at and last_seen. Of a store, the users that it follows.
    gap : str or timedelta, default "14d"
        A user silent for longer than this before `as_of` is lost, at the time when they were seen last. Too short, and
        users between two visits are taken for lost: `usage_interval` gives how long most stay away.
    by : str, optional
        A column of the list (``"platform"``) or a property (``"plan"`` for props.plan; a column of the very name goes
        first). It is the one that the user has now, not the one at the creation.
    top : int, default 8
        How many values get rows of their own, those with most users; beyond, ``(other)``. Missing is ``(none)``.
    start, end : str, date or datetime, optional
        Only users created in [start, end); a date as `end` is that whole day.
    tz : str, int or tzinfo, default "UTC"
        The zone of dates.
    as_of : str, date or datetime, optional
        Until when the list is known; users created later do not count. By default the newest last_seen, or when the
        store was synced last.

    Returns
    -------
    pandas.DataFrame
        One row a day of life, with `by` for each segment, those with most users first, ``(other)`` and ``(none)`` last.

        - segment: the value of `by`; only with it
        - day: how many times 24 hours after the creation; row 0 is the creation itself, row n the n-th day of life
        - at_risk: users who were still followed when that day began, neither lost nor censored before
        - lost: those of them who were lost on that day, seen last on it
        - censored: those of them whose follow-up ended on that day, `gap` before `as_of`
        - survival: share of users who are still there when that day is over (Kaplan-Meier), of all who were created
        - survival_low, survival_high: its 95 % bounds (Greenwood's, on the log-log scale); missing for shares of 0 and
          1, see Notes
        - pending: users left out because they were created less than `gap` before `as_of`; the same in all rows of a
          segment
        - low_n: fewer than 30 users at risk
        - gap: what was asked, in its largest whole unit
        - sample: the fraction of users that the store follows; counts are not scaled

        The last row is the last day that somebody was followed through. A share of nobody is missing (NaN), not 0.

    Raises
    ------
    ValueError
        If columns are missing, for one that is not there (with the nearest names), for values that are not known, and
        for 5,000 days of life or more.
    TypeError
        For arguments of another type, and times that are no instants.

    Warns
    -----
    IncompleteDataWarning
        When users have no created_at or last_seen, were seen last more than 48 hours before they were created, or have
        the user_db_id of another row: they are left out. When the oldest created_at cannot be right, see Notes, or the
        newest last_seen, see `EventLog`. When all users are pending, with the time at which the first can be counted.

    Notes
    -----
    Definition: docs/definitions.md#retention, rule 9.

    A user is lost at last_seen, or followed until `gap` before `as_of`, as it is too early to say whether others come
    back. Times are not rounded to days.

    One account dated 1970 would make a curve of 20,000 days. So where few users were created before a long time without
    any, by the rule of `EventLog` (at most 1 % before 7 days, 10 % before 2 years, half before 10 years), these are
    left out, and a warning says so. With `start` no other is left out.

    **What one request can answer**: the list of users is one request however many they are. It knows the first and the
    last day of each user and nothing between: for how long users stay, and whether they came in a period
    *or later* (`unbounded_retention`), but not whether they came *in* it, how often, or who left and returned. For
    that use `retention`, `growth` and `usage_interval` with `load_sessions`, which is one request a user, or with a
    store. For what users did, use `funnel` with `load_session_events`, which is one request a session; `plan_sync`
    gives the number of requests.

    While nobody has been lost, and when nobody is left, the formula knows no spread, and both bounds are missing; that
    the share is just 1 or 0 is not certain for all that: read at_risk there.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> table = nu.survival(nu.load_users(app), as_of=app.now())
    >>> bool(table["survival"].is_monotonic_decreasing)
    True
    >>> month = table[table["day"] == 30]
    >>> bool(month["survival"].between(month["survival_low"], month["survival_high"]).all())
    True
    """
    silence = read_duration("gap", gap, _GAP_FORMS)
    top = checked_number("top", top, None, TOP)
    found = read_lifetimes(users, start, end, "UTC" if tz is None else tz, as_of)
    until = found.as_of - silence
    lost = found.seen < until
    time = np.where(lost, found.seen, until) - found.created
    segments = found.segments(by, time >= 0, top)
    parts = []
    if (longest := int(time.max(initial=0)) // DAY) >= MOST_ROWS:
        raise ValueError(
            f"from the first user created to as_of there are {longest + 1:,} days; there can be {MOST_ROWS:,}. Pass "
            "start=, in case a clock is wrong."
        )
    for code, name in enumerate(segments.names):
        its = np.flatnonzero(segments.code == code)
        if len(its):
            parts.append(_by_day(time[its], lost[its]).assign(segment=name))
    if len(time) and (time < 0).all():
        rule = f"a user counts from {spell_duration(silence)} after the account was created."
        warn_all_pending(rule, int(found.created.min()) + silence, found.as_of)
    table = pd.concat(parts or [pd.DataFrame(columns=["segment", *SURVIVAL])], ignore_index=True)
    table = table.assign(gap=spell_duration(silence), sample=found.sample)
    schema = SURVIVAL if by is None else {"segment": TEXT, **SURVIVAL}
    return make_frame(schema, {name: table[name] for name in schema})


def _by_day(time: Ints, lost: Bools) -> pd.DataFrame:
    """The rows of one group of users: the days of life as far as somebody was followed through them."""
    followed = time >= 0
    pending = int((~followed).sum())
    time, lost = time[followed], lost[followed]
    days = np.arange(int(time.max(initial=0)) // DAY + 1)
    # Day n goes from after (n - 1) x 24 h to n x 24 h; day 0 is an instant.
    day = -(-time // DAY)
    gone, silent = (np.bincount(day[which], minlength=len(days))[: len(days)] for which in (lost, ~lost))
    at_risk = len(time) - np.cumsum(np.append(0, gone + silent)[:-1])
    estimate = kaplan_meier(time, lost).at(days * DAY)
    shares = estimate if len(time) else [np.full(1, np.nan)] * 3
    return pd.DataFrame(
        {
            "day": days,
            "at_risk": at_risk,
            "lost": gone,
            "censored": silent,
            **dict(zip(("survival", "survival_low", "survival_high"), shares, strict=True)),
            "pending": pending,
            "low_n": at_risk < LOW_N,
        }
    )
