"""Whether users who met an error come back less, beside others who did as much."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import Bools, Ints, is_group_start
from nucleus_pandas.core.checks import checked_number, read_span
from nucleus_pandas.core.dtypes import COUNT, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.durations import Duration, read_duration, spell_duration
from nucleus_pandas.core.instants import When, Zone, microseconds
from nucleus_pandas.core.text import counted, worded
from nucleus_pandas.core.units import SETTLING
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.events.activity_starts import Activity, as_activity
from nucleus_pandas.events.clock_errors import oldest, warn_behind
from nucleus_pandas.events.error_events import (
    Sessions,
    all_sessions,
    between,
    error_rows,
    held_within,
    numbers,
    warn_without_errors,
)
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.pending import warn_all_pending
from nucleus_pandas.stats.intervals import LOW_N, newcombe, pooled_difference

_IMPACT: Schema = {
    "activity": TEXT,
    "users_without": COUNT,
    "returned_without": COUNT,
    "rate_without": NUMBER,
    "users_with": COUNT,
    "returned_with": COUNT,
    "rate_with": NUMBER,
    "difference": NUMBER,
    "difference_low": NUMBER,
    "difference_high": NUMBER,
    "low_n": np.dtype(bool),
    "pending": COUNT,
    "first": COUNT,
    "within": TEXT,
    "sample": NUMBER,
}
#: The rows below the strata: each compared within itself, and all thrown together.
POOLED, CRUDE = "(pooled)", "(crude)"
_MOST_STRATA = 10


def impact_of_errors(
    activity: Activity,
    *,
    first: int = 1,
    within: Duration = "28d",
    strata: int = 4,
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
) -> pd.DataFrame:
    """Whether users with an error in their first sessions come back less than others who did as much in them.

    Parameters
    ----------
    activity : DataFrame, EventLog or EventStore
        The table of `load_sessions`, with its columns `errors` and `actions`, of all sessions of its users; or an event
        log with sessions that reaches back to their first. Of a store its sessions, and only users who began in the
        interval that was synced: of those who began before, it knows only who was still there. (A log made of a store
        does not reach back further than that: pass the store.)
    first : int, default 1
        In how many of a user's first sessions an error counts. Who had fewer sessions is left out, as whether they came
        back is what is asked: with 3 the question is about those who came at least three times.
    within : str or timedelta, default "28d"
        Who starts another session within this time after the start of the last of those sessions has come back, also
        one of which it is not known whether it had errors. An event without a session is one by itself.
    strata : int, default 4
        Into how many groups of about the same size users are put by how much they did in those sessions; at most 10.
    start, end : str, date or datetime, optional
        Only users whose first session starts in [start, end); a date as `end` is that whole day.
    tz : str, int or tzinfo, default "UTC"
        The zone of dates.
    as_of : str, date or datetime, optional
        Until when the data are known; by default that of the log, see `EventLog`.

    Returns
    -------
    DataFrame
        One row a group of activity, the least active first; then ``(pooled)`` and ``(crude)``.

        - activity: from how many to how many actions in those sessions, such as ``2–5 actions``. ``(pooled)``: the
          groups' differences together, each compared within itself; this is the row to read. Its users are those of
          the groups in which there are some with an error and some without. ``(crude)``: all users without groups, to
          see what they change
        - users_without, returned_without, rate_without: users without an error in those sessions, who came back, and
          returned_without / users_without; missing of nobody, and in ``(pooled)``
        - users_with, returned_with, rate_with: of those with an error, likewise
        - difference, difference_low, difference_high: rate_with − rate_without with its 95 % bounds, so negative where
          those with an error come back less. −0.05 are five percentage points
        - low_n: one of the two has fewer than 30 users
        - pending: users left out because their time to come back was not over 48 hours before `as_of`; the same in all
          rows
        - first, within: what was asked
        - sample: the fraction of users in the log; counts are not scaled

    Raises
    ------
    ValueError
        If columns are missing, or for values that are not known.
    TypeError
        For arguments of another type.

    Warns
    -----
    IncompleteDataWarning
        When it is not known of users whether one of their first sessions had an error (it has no number of errors, or
        is an event without a session): they are left out. When a store, or a log made of one, does not hold all of
        [start, end). When sessions start years before all others.
    UserWarning
        When no event is an error, see `error_free`.

    Notes
    -----
    Whether somebody comes back *goes with* an error; this does not mean that the error drives them away. Who does more
    meets more errors and comes back more, which alone would make errors look harmless, or even good. That is why users
    are compared with others who did as much. Where else they differ (plan, system, version) is not looked at.

    Actions are those of `load_sessions` (a missing number counts as none), or the events of a session that are no
    errors, with `init` and the service's own: so the service seems to count them, though its reference does not say.
    An error that ends a session early leaves fewer actions in it. Users with a session of a clock that is years behind
    are left out: nobody knows whether it was their first.

    Bounds of a group are Newcombe's; the groups are pooled with the weights of Mantel and Haenszel. If the errors of
    one version are what matters, pass its users only.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(80))
    >>> impact = nu.impact_of_errors(sessions, strata=2, as_of=app.now())
    >>> impact["activity"].tolist()[-2:]
    ['(pooled)', '(crude)']
    """
    first = checked_number("first", first, None, "in how many first sessions an error counts")
    strata = checked_number("strata", strata, _MOST_STRATA, "into how many groups of activity users are put")
    length = read_duration("within", within, 'write a duration such as within="28d", or a timedelta.')
    start_us, end_us, as_of_us, _ = held_within(activity, read_span(start, end, tz, as_of))
    log = as_activity(activity, as_of=as_of_us)
    until = log.as_of_us if as_of_us is None else as_of_us
    if isinstance(activity, EventLog) and activity.spans:
        # Of a store's events none is later than what was synced, although its sessions are known until the last sync.
        until = min(until, microseconds(activity.spans[-1][1]))
    warn_without_errors(log)
    found, has_count = all_sessions(log, "error", until)
    if len(found.time):
        # Nobody knows when a session of a clock that is years behind was: it need not be the first.
        begin = oldest(found.time)
        hint = "So are their users. To silence this warning, remove these sessions."
        warn_behind(found.time, begin, "sessions", hint)
        right = ~np.isin(found.user, found.user[found.time < begin])
        found, has_count = Sessions(*(values[right] for values in found)), has_count[right]
    people = _people(found, has_count, _actions(log, found, until), first, length, until)
    asked = between(people.began, start_us, end_us)
    if unknown := int(np.count_nonzero(asked & ~people.has_count)):
        warn_incomplete(
            worded(f"{{}} of {counted(int(np.count_nonzero(asked)), 'user')} [is|are] left out: of one of ", unknown)
            + "their first sessions it is not known whether it had an error."
        )
    asked &= people.has_count
    pending = int(np.count_nonzero(asked & ~people.old))
    if pending and pending == int(np.count_nonzero(asked)):
        rule = f"a user is judged {spell_duration(length)} and 48 hours after the last of the first {first} sessions."
        earliest = int(people.began[asked].min()) + length + SETTLING
        warn_all_pending(rule, earliest, until, at_earliest=True)
    people = _People(*(values[asked & people.old] for values in people))
    table = _table(people, strata)
    rows = len(table["activity"])
    asked_for: dict[str, Any] = {
        "pending": pending,
        "first": first,
        "within": spell_duration(length),
        "sample": log.sample,
    }
    return make_frame(_IMPACT, table | {name: [value] * rows for name, value in asked_for.items()})


class _People(NamedTuple):
    """Users with enough sessions: when they began, what they did and met in the first ones, whether they came back."""

    began: Ints
    actions: Any
    failed: Bools
    returned: Bools
    old: Bools
    has_count: Bools


def _people(found: Sessions, has_count: Bools, actions: Any, first: int, length: int, until: int) -> _People:
    """Look at the first sessions of each user, who stand together and in order."""
    begin = np.flatnonzero(is_group_start(found.user)) if len(found.user) else np.empty(0, dtype=np.int64)
    size = np.diff(np.append(begin, len(found.user)))
    begin, size = begin[size >= first], size[size >= first]
    last = begin + first - 1
    later = np.minimum(last + 1, max(0, len(found.user) - 1))
    returned = (size > first) & (found.time[later] - found.time[last] <= length)
    done, failed, unknown = (np.concatenate([[0], np.cumsum(values)]) for values in (actions, found.failed, ~has_count))
    return _People(
        began=found.time[begin],
        actions=done[last + 1] - done[begin],
        failed=failed[last + 1] > failed[begin],
        returned=returned,
        old=found.time[last] + length <= until - SETTLING,
        has_count=unknown[last + 1] == unknown[begin],
    )


def _actions(log: EventLog, found: Sessions, until: int) -> Any:
    """How much was done in each session."""
    if log.holds_sessions:
        return np.nan_to_num(numbers(log, "actions", found.row))
    action = (log.session >= 0) & (log.time <= until)
    action[error_rows(log)] = False
    number = np.bincount(log.session[action], minlength=int(log.session.max(initial=-1)) + 2)
    return number[log.session[found.row]].astype(np.float64)


def _table(people: _People, strata: int) -> dict[str, Any]:
    """The rows of the groups, then of all together."""
    names, group = _groups(people.actions, strata)
    counts = np.array(
        [
            np.bincount(group[which], minlength=len(names)).astype(np.float64)
            for failed in (~people.failed, people.failed)
            for which in (failed, failed & people.returned)
        ]
    )
    compared = (counts[0] > 0) & (counts[2] > 0)
    together = [counts[:, compared].sum(axis=1), counts.sum(axis=1)]
    users_a, returned_a, users_b, returned_b = np.column_stack([counts, *together])
    difference, low, high = newcombe(returned_a, users_a, returned_b, users_b)
    pooled = len(names)
    edges = pooled_difference(counts[1], counts[0], counts[3], counts[2])
    difference[pooled], low[pooled], high[pooled] = edges
    with np.errstate(invalid="ignore"):
        rate_a, rate_b = returned_a / users_a, returned_b / users_b
    # What is pooled are differences: there is no rate of which it would be one.
    rate_a[pooled] = rate_b[pooled] = np.nan
    return {
        "activity": [*names, POOLED, CRUDE],
        "users_without": users_a,
        "returned_without": returned_a,
        "rate_without": rate_a,
        "users_with": users_b,
        "returned_with": returned_b,
        "rate_with": rate_b,
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "low_n": (users_a < LOW_N) | (users_b < LOW_N),
    }


def _groups(actions: Any, strata: int) -> tuple[list[str], Ints]:
    """Put users into groups of about the same size by what they did; equal numbers are never parted."""
    if not len(actions):
        return [], np.empty(0, dtype=np.int64)
    _, place, users = np.unique(actions, return_inverse=True, return_counts=True)
    middle = (np.cumsum(users) - users / 2) / len(actions)
    found, group = np.unique((strata * middle).astype(np.int64)[place], return_inverse=True)
    names = []
    for code in range(len(found)):
        inside = actions[group == code]
        low, high = int(inside.min()), int(inside.max())
        names.append(f"{low:,} action{'s' * (low != 1)}" if low == high else f"{low:,}–{high:,} actions")
    return names, group
