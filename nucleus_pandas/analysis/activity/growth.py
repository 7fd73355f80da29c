"""How many users are active, and how that comes about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.activity.active_days import NO_DAYS, Active, KnownDays, last_day, read_known
from nucleus_pandas.core.arrays import Bools, Ints, is_group_start
from nucleus_pandas.core.calendar import Calendar, Freq, WeekStart, read_calendar
from nucleus_pandas.core.dtypes import COUNT, DAY, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.events.activity_starts import Activity
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.protocol import answer
from nucleus_pandas.events.steps import StepLike

_STATES: Schema = {"complete": np.dtype(bool), "settled": np.dtype(bool)}
ACTIVE_USERS: Schema = {
    "day": DAY,
    "dau": COUNT,
    "wau": COUNT,
    "mau": COUNT,
    "stickiness": NUMBER,
    **_STATES,
    "sample": NUMBER,
}
GROWTH: Schema = {
    "period": DAY,
    **dict.fromkeys(("new", "returning", "resurrected", "dormant", "active"), COUNT),
    "quick_ratio": NUMBER,
    **_STATES,
    "freq": TEXT,
    "sample": NUMBER,
}
_WINDOWS = {"dau": 1, "wau": 7, "mau": 28}
_LONGEST = max(_WINDOWS.values())


def active_users(
    activity: Activity,
    *,
    event: StepLike | None = None,
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
) -> pd.DataFrame:
    """How many users were active on each day, and in the 7 and 28 days that end with it.

    Parameters
    ----------
    activity : DataFrame, EventLog, EventStore or Buckets
        An event log or the table of `load_sessions`. A log that is asked more than once is best made ready with
        `EventLog`, which then answers at once. Of a store, its sessions.
    event : str, list of str or step, optional
        Who did any of these is active. By default, who started a session: one that goes on after midnight is no
        activity of the next day. Events without a session count each; system events never.
    start, end : str, date or datetime, optional
        The days that [start, end) touches, each as a whole; windows reach back before `start`. By default all.
    tz : str, int or tzinfo, default "UTC"
        The zone whose days are meant.
    as_of : str, date or datetime, optional
        Until when the data are known; later events do not count. By default that of the log, see `EventLog`.

    Returns
    -------
    pandas.DataFrame
        One row a day, those without any user included.

        - day: the local day, without a zone
        - dau: users active on it
        - wau: users active in the 7 days up to and with it, each counted once
        - mau: users active in the 28 days up to and with it, each counted once
        - stickiness: dau / mau; missing where mau is missing or 0, and for a day that is not over
        - complete: the day was over at `as_of`
        - settled: it was over 48 hours before `as_of`; younger days still grow, as clients send that late
        - sample: the fraction of users that the log holds; counts are not scaled

        A count is missing where its days reach back before the first day of the log, so that nobody knows who was
        active before it: mau begins on the 28th day.

    Raises
    ------
    ValueError
        For an event that the log does not have, with the nearest names, for values that are not known, and for more
        than 5,000 rows.
    TypeError
        For arguments of another type.

    Warns
    -----
    IncompleteDataWarning
        When the oldest times cannot be right, see Notes. When the store does not hold all that is asked for. See also
        `EventLog`.

    Notes
    -----
    Definition: docs/definitions.md#growth.

    The users of seven days are not the sum of seven days' users. A month is 28 days here, so that each holds four of
    every weekday, and stickiness does not swing with them.

    The first day of a log is that of its first event, whatever event is asked for, and although the session of that may
    have begun earlier. Clients' clocks can be years behind: so where few events lie before a long time
    without any, by the rule of `EventLog` (at most 1 % before 7 days, 10 % before 2 years, half before 10 years), these
    are left out, the log begins after the gap, and a warning says so. From `start`
    on, or from when the store was synced, none is left out, and the log begins no later than with the first of them.

    A store, or a log made of one, knows the days of the interval that was synced, of several the last one that holds
    what is asked for: who was only there before or after was not asked about.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> table = nu.active_users(sessions, as_of=app.now())
    >>> settled = table[table["settled"]].dropna()
    >>> bool((settled["dau"] <= settled["wau"]).all() and (settled["wau"] <= settled["mau"]).all())
    True
    """
    known, log = read_known(activity, event, start=start, end=end, tz=tz, as_of=as_of)
    calendar = Calendar("D", known.zone)
    found, table = answer(_Windows(known, known.rows(calendar)), log)
    days = found.rows(calendar)
    states = found.states(days, calendar)
    counts = {
        name: _whole(users, days - length + 1 < found.first)
        for (name, length), users in zip(_WINDOWS.items(), _in_windows(table, len(days)), strict=True)
    }
    dau, mau = (counts[name].to_numpy(dtype="float64", na_value=np.nan) for name in ("dau", "mau"))
    columns = {
        "day": calendar.first_days(days),
        **counts,
        "stickiness": dau / np.where(states["complete"] & (mau > 0), mau, np.nan),
        **states,
        "sample": np.full(len(days), found.sample),
    }
    return make_frame(ACTIVE_USERS, columns)


def growth(
    activity: Activity,
    *,
    freq: Freq = "W",
    week_start: WeekStart | None = None,
    event: StepLike | None = None,
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
) -> pd.DataFrame:
    """Where the active users of each period come from, and how many of those before are gone.

    Parameters
    ----------
    freq : {"D", "W", "M", "Q"}
        Local days, weeks, calendar months or quarters. Pandas' other names work, too: ``"MS"`` and ``"ME"``, ``"QS"``
        and ``"QE"``, and ``"W-SAT"`` for weeks that end on Saturday.
    week_start : {"monday", "tuesday", …}, optional
        The first day of weeks; by default Monday, or what `freq` says.
    start, end : str, date or datetime, optional
        The periods that [start, end) touches, each as a whole; earlier events still determine who is new. By default
        all.
    activity, event, tz, as_of
        As for `active_users`.

    Returns
    -------
    pandas.DataFrame
        One row a period, those without any user included.

        - period: its first day, without a zone
        - new: users active for the first time in the log
        - returning: users who were active in the period before, too
        - resurrected: users who were not, but earlier
        - dormant: users who were active in the period before and are not in this one; missing as long as it is not over
        - active: users active in the period; new + returning + resurrected
        - quick_ratio: (new + resurrected) / dormant: above 1, more users come than go. Missing where nobody is dormant,
          and where one of them is missing
        - complete: the period was over at `as_of`, and does not begin before the first day of the log
        - settled: the same, 48 hours before `as_of`; younger periods still change, as clients send that late
        - freq: ``"D"``, ``"W"``, ``"M"`` or ``"Q"``
        - sample: the fraction of users that the log holds; counts are not scaled

        Where the period before is not in the log as a whole, it is not known who was active in it: all but active is
        missing in the first row, and in the second where the log begins within the first.

    Raises
    ------
    ValueError, TypeError
        As `active_users`, and for a `freq` or `week_start` that is not known.

    Warns
    -----
    IncompleteDataWarning
        As `active_users`.

    Notes
    -----
    Definition: docs/definitions.md#growth.

    Who was active before the log begins, and then stayed away for its first periods, is taken for new: the longer the
    log reaches back before `start`, the fewer they are. A store knows also the earlier sessions of those who were there
    in the interval that was synced, and so who is new in it; a log made of a store, and a store that is asked about an
    event, have no more than the events of that interval. The first day of a log is explained at `active_users`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> table = nu.growth(sessions, freq="M", as_of=app.now()).dropna()
    >>> came = table["new"] + table["returning"] + table["resurrected"]
    >>> bool((came == table["active"]).all())
    True
    """
    known, log = read_known(activity, event, start=start, end=end, tz=tz, as_of=as_of)
    calendar = read_calendar(freq, week_start, known.zone)
    found, table = answer(_Changes(known, known.rows(calendar), calendar), log)
    numbers = found.rows(calendar)
    states = found.states(numbers, calendar)
    before, after = (calendar.first_days(numbers + later).astype(np.int64) for later in (-1, 1))
    counted = dict(zip(_KINDS, table[:, : len(numbers)], strict=True))
    unknown = before < found.first
    counts = {name: _whole(users, unknown) for name, users in counted.items()}
    counts["dormant"] = _whole(counted["dormant"], unknown | ~states["complete"])
    counts["active"] = _whole(counted["active"], after <= found.first)
    gone = counts["dormant"].to_numpy(dtype="float64", na_value=np.nan)
    came = (counts["new"] + counts["resurrected"]).to_numpy(dtype="float64", na_value=np.nan)
    columns = {
        "period": calendar.first_days(numbers),
        **counts,
        "quick_ratio": came / np.where(gone == 0, np.nan, gone),
        **states,
        "freq": pd.array([calendar.unit], dtype=TEXT).take(np.zeros(len(numbers), dtype=np.intp)),
        "sample": np.full(len(numbers), found.sample),
    }
    return make_frame(GROWTH, columns)


def _whole(users: Ints, missing: Bools) -> Any:
    """Counts of users, missing where they cannot be known."""
    return pd.arrays.IntegerArray(users.astype(np.int64), missing)


class _Counted(NamedTuple):
    """Users of each row of a table, and the last day on which anybody was active."""

    table: Ints
    last: int | None

    def and_also(self, other: _Counted) -> _Counted:
        """Add the users of another part."""
        lasts = [last for last in (self.last, other.last) if last is not None]
        return _Counted(self.table + other.table, max(lasts, default=None))


@dataclass(frozen=True)
class _Windows:
    """Users by the day of an activity and how long it was until the next: one table serves all windows.

    A user who was active on a day counts from it until the window is over or they are active again, from when on that
    day tells. So no user counts twice, and the next day of each is all that is needed.
    """

    known: KnownDays
    days: Ints

    def partial(self, log: EventLog) -> _Counted:
        """Count the users of one part."""
        found = self.known.days(log)
        last = last_day(found)
        if not len(self.days):
            return _Counted(np.zeros((0, _LONGEST + 1), dtype=np.int64), last)
        # Days before the first window and after the last do not matter.
        lowest, span = int(self.days[0]) - _LONGEST, len(self.days) + _LONGEST
        near = found.day >= lowest
        user, day = found if near.all() else (found.user[near], found.day[near])
        distance = np.full(len(day), _LONGEST, dtype=day.dtype)
        same = user[1:] == user[:-1]
        distance[:-1][same] = np.minimum(day[1:] - day[:-1], _LONGEST)[same]
        there = day < lowest + span
        if not there.all():
            day, distance = day[there], distance[there]
        table = np.bincount((day - lowest) * (_LONGEST + 1) + distance, minlength=span * (_LONGEST + 1))
        return _Counted(table.reshape(span, _LONGEST + 1), last)

    def merge(self, one: _Counted, other: _Counted) -> _Counted:
        """Add two parts up."""
        return one.and_also(other)

    def finish(self, state: _Counted) -> tuple[Active, Ints]:
        """Give the days that there are rows of, and the table."""
        return self.known.active(NO_DAYS, state.last), state.table


def _in_windows(table: Ints, days: int) -> Iterator[Ints]:
    """Users active in the days up to and with each of the first days of a table of `_Windows`, for each window."""
    span = len(table)
    for length in _WINDOWS.values():
        change = np.zeros(span + _LONGEST, dtype=np.int64)
        change[:span] += table.sum(axis=1)
        for apart in range(1, _LONGEST + 1):
            ends = min(apart, length)
            change[ends : ends + span] -= table[:, apart]
        yield np.cumsum(change)[_LONGEST : _LONGEST + days]


_KINDS = ("new", "returning", "resurrected", "dormant", "active")


@dataclass(frozen=True)
class _Changes:
    """Users of each period by what they did before, and those who did not come again in it."""

    known: KnownDays
    numbers: Ints
    calendar: Calendar

    def partial(self, log: EventLog) -> _Counted:
        """Count the users of one part."""
        found = self.known.days(log)
        period = self.calendar.of_days(found.day).astype(np.int64)
        once = is_group_start(found.user) | is_group_start(period)
        user, period = found.user[once], period[once]
        first = is_group_start(user)
        since = np.diff(period, prepend=0)
        stays = np.zeros(len(period), dtype=np.bool_)
        stays[:-1] = ~first[1:] & (since[1:] == 1)
        kinds = (
            period[first],
            period[~first & (since == 1)],
            period[~first & (since > 1)],
            period[~stays] + 1,
            period,
        )
        return _Counted(np.stack([_counted(which, self.numbers) for which in kinds]), last_day(found))

    def merge(self, one: _Counted, other: _Counted) -> _Counted:
        """Add two parts up."""
        return one.and_also(other)

    def finish(self, state: _Counted) -> tuple[Active, Ints]:
        """Give the days that there are rows of, and the counts of each kind."""
        return self.known.active(NO_DAYS, state.last), state.table


def _counted(periods: Ints, numbers: Ints) -> Ints:
    """How many of some periods are which of a row of them."""
    if not len(numbers):
        return np.zeros(0, dtype=np.int64)
    inside = periods[(periods >= numbers[0]) & (periods <= numbers[-1])]
    return np.bincount(inside - numbers[0], minlength=len(numbers))
