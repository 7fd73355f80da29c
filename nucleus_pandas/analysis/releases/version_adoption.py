"""Which version of the app is used how much: sessions, or users, by version over time."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.releases.version_order import is_prerelease, is_version, version_order
from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.calendar import Calendar, Freq, Periods, WeekStart, read_calendar
from nucleus_pandas.core.checks import Span, check_choice, checked_number, read_span
from nucleus_pandas.core.dtypes import COUNT, DAY, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.core.text import MISSING, OTHER
from nucleus_pandas.events.activity_starts import as_activity
from nucleus_pandas.events.buckets import STARTS, Buckets, in_parts
from nucleus_pandas.events.clock_errors import Times, oldest, oldest_credible, warn_behind
from nucleus_pandas.events.coverage import held_span
from nucleus_pandas.events.error_events import Sessions, find_sessions, session_rows
from nucleus_pandas.events.eventlog import EventLog, Events, as_event_log
from nucleus_pandas.events.periods import find_periods
from nucleus_pandas.events.protocol import answer
from nucleus_pandas.events.segments import find_segments, place_names
from nucleus_pandas.events.session_parts import SessionTimes, Wanted, largest_segments, segments_of
from nucleus_pandas.stats.clusters import UserSums, sum_shares, user_wilson
from nucleus_pandas.store.eventstore import EventStore

# More versions than there can be sessions.
_EVERY = 2**62

#: What shares are of.
Unit = Literal["sessions", "users"]


def version_adoption(
    events: Events,
    *,
    freq: Freq = "W",
    week_start: WeekStart | None = None,
    per: Unit = "sessions",
    top: int = 8,
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
) -> pd.DataFrame:
    """The share of each version of the app in the sessions, or users, of each period.

    Parameters
    ----------
    events : DataFrame, EventLog, EventStore or Buckets
        An event log with sessions and the column version. A table of `load_sessions` has no versions.
    freq, week_start
        The periods in which sessions start, as for `growth`.
    per : {"sessions", "users"}
        What shares are of. A user counts once a period, with the version of their last session in it.
    top : int, default 8
        How many versions get rows of their own: the newest, a third of them, and those with most sessions in the last
        complete period; the rest is ``(other)``. Missing is ``(none)``.
    start, end : str, date or datetime, optional
        Sessions that start in [start, end); a date as `end` is that whole day.
    tz : str, int or tzinfo, default "UTC"
        The zone of the days and dates.
    as_of : str, date or datetime, optional
        Until when the data are known; by default that of the log, see `EventLog`.

    Returns
    -------
    pandas.DataFrame
        One row a period and version, in the order of versions; every period has every version.

        - period: its first day, without a zone
        - version: the oldest first; names that are no versions after them, ``(other)`` and ``(none)`` last
        - sessions, or users: how many, of the period and version
        - share: of all sessions, or users, of the period, so that shares add up to 1. Missing for a period that is not
          complete, and where there were none
        - share_low, share_high: 95 % bounds of the share (Wilson, with users as the sampling unit)
        - complete: the period lies in [start, end) as a whole and was over at `as_of`; settled: it was over 48 hours
          before, so that what was sent late is there
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
        When events have no session, or sessions start years before all others: they are left out.

    Notes
    -----
    Definition: docs/definitions.md#errors-and-releases.

    The version of a session is that of its `init`; where that has none, of a later event of the session. Versions stand
    in the order of PEP 440 where they can be read so, else in natural order: 0.9 before 0.10, 1.0.0-nightly.3 before
    1.0.0. Without `start`, sessions of clocks that are years behind are left out, see `funnel_trend`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> log = nu.EventLog(nu.load_session_events(app, sessions), as_of=app.now())
    >>> shares = nu.version_adoption(log, freq="M")
    >>> shares["version"].unique().tolist()
    ['0.9.0', '0.9.1', '0.10.0', '0.10.1', '0.11.0', '1.0.0']
    """
    check_unit(per)
    top = checked_number("top", top, None, "how many versions get rows of their own")
    asked = read_span(start, end, tz, as_of)
    calendar = read_calendar(freq, week_start, asked.zone)
    events = in_parts(events)
    if isinstance(events, Buckets):
        return _share_table(_shares_of_parts(events, calendar, per, asked, top), per)
    read = read_versions(events, "version_adoption", start, end, tz, as_of, everything=False)
    periods = find_periods(calendar, read.found.time, read.start, read.end, read.until, "sessions")
    placed = _place(read.found, read.version, periods, per)
    names = _named(read.names, placed.counts(len(read.names), periods), _complete(periods, read.until), top)
    placed = placed._replace(version=place_names(read.names, names)[placed.version])
    return _share_table(_Shares(placed.sums(len(names), periods), names, periods, read.until, read.log.sample), per)


class _Shares(NamedTuple):
    """Sums over users of each period and version, and what the table of shares needs beside them."""

    sums: UserSums
    names: list[str]
    periods: Periods
    until: int
    sample: float


class _Placed(NamedTuple):
    """Sessions, or users, of the periods: user, period, version."""

    user: Ints
    period: Ints
    version: Ints

    def counts(self, versions: int, periods: Periods) -> Ints:
        """Count them by period and version."""
        number = len(periods.labels)
        cells = np.bincount(self.period * versions + self.version, minlength=number * versions)
        return cells.reshape(number, versions)

    def sums(self, versions: int, periods: Periods) -> UserSums:
        """Sum them over users by period and version: trials are those of all versions, hits those of one."""
        once = np.ones(len(self.user), dtype=np.int64)
        return sum_shares(self.user, self.period, self.version, once, len(periods.labels), versions)


def _place(found: Sessions, version: Ints, periods: Periods, per: Unit) -> _Placed:
    """Give the sessions that start in the periods; of users the last one in each period."""
    period = np.searchsorted(periods.edges, found.time, side="right") - 1
    inside = (period >= 0) & (period < len(periods.labels))
    placed = _Placed(found.user[inside], period[inside], version[inside])
    if per == "users":
        last = _last_of(placed.user, placed.period)
        placed = _Placed(*(values[last] for values in placed))
    return placed


def _named(versions: list[str], counts: Ints, complete: Bools, top: int) -> list[str]:
    """Choose the versions that get rows: the newest ones, then those most used in the last complete period."""
    counted = np.flatnonzero(complete & (counts.sum(axis=1) > 0))
    lately = counts[counted[-1]] if len(counted) else counts.sum(axis=0)
    there = np.flatnonzero(counts.sum(axis=0)).tolist()
    named = [place for place in there if versions[place] not in (OTHER, MISSING)]
    ordered = [place for place in named if is_version(versions[place])]
    releases = [place for place in ordered if not is_prerelease(versions[place])] or ordered
    kept = releases[::-1][: max(1, top // 3)]
    by_use = sorted(named, key=lambda place: (-lately[place], -counts[:, place].sum(), -place))
    kept = [*kept, *(place for place in by_use if place not in kept)][:top]
    rest = [OTHER] * (len(kept) < len(named) or any(versions[place] == OTHER for place in there))
    none = [MISSING] * any(versions[place] == MISSING for place in there)
    return version_order([*(versions[place] for place in kept), *rest, *none])


def _complete(periods: Periods, until: int) -> Bools:
    """Say which periods are whole and were over."""
    return periods.states(until + 1)["complete"]


def _shares_of_parts(buckets: Buckets, calendar: Calendar, per: Unit, asked: Span, top: int) -> _Shares:
    """The sums part by part: first the periods, then which versions there are, which get rows, then the sums."""
    _check_version(buckets.bare, "version_adoption")
    first, last, as_of_us, zone = asked
    parts = buckets.parts(as_of=as_of_us, columns=(*STARTS, "version"))
    until = parts.as_of_us
    # Sessions without a version, and clocks that are behind, are looked for in all sessions.
    times = answer(SessionTimes(Wanted("error", until), zone), parts)
    if first is None:
        wanted = Wanted("error", until, oldest_credible(times, "sessions") if len(times.moments) else None, last)
        periods = find_periods(calendar, _inside(times, wanted), first, last, until, "sessions")
    else:
        wanted = Wanted("error", until, first, last)
        times = answer(SessionTimes(wanted, zone, warns=False), parts)
        periods = find_periods(calendar, times, first, last, until, "sessions")
    versions = version_order(answer(largest_segments(wanted, "version", _EVERY), parts))
    counts = answer(_Counts(wanted, versions, periods, per), parts)
    names = _named(versions, counts, _complete(periods, until), top)
    return _Shares(answer(_Sums(wanted, names, periods, per), parts), names, periods, until, buckets.whole.sample)


def _inside(times: Times, wanted: Wanted) -> Times:
    times = times if wanted.start is None else times.since(wanted.start)
    return times if wanted.end is None else times.until(wanted.end - 1)


@dataclass(frozen=True)
class _Asked:
    """Sessions, or users, by period and version; a user is in one part, so users add up, too."""

    wanted: Wanted
    names: list[str]
    periods: Periods
    per: Unit

    def placed(self, log: EventLog) -> _Placed:
        """Place those of one part."""
        found = self.wanted.find(log)
        code = segments_of(log, found, "version", self.names).code
        return _place(found, code, self.periods, self.per)


@dataclass(frozen=True)
class _Counts(_Asked):
    """The counts that decide which versions get rows."""

    def partial(self, log: EventLog) -> Ints:
        """Count one part."""
        return self.placed(log).counts(len(self.names), self.periods)

    def merge(self, one: Ints, other: Ints) -> Ints:
        """Add two parts up."""
        return one + other

    def finish(self, state: Ints) -> Ints:
        """Give them as they are."""
        return state


@dataclass(frozen=True)
class _Sums(_Asked):
    """The sums of the table."""

    def partial(self, log: EventLog) -> UserSums:
        """Sum the users of one part."""
        return self.placed(log).sums(len(self.names), self.periods)

    def merge(self, one: UserSums, other: UserSums) -> UserSums:
        """Add two parts up."""
        return one + other

    def finish(self, state: UserSums) -> UserSums:
        """Give them as they are."""
        return state


def _share_table(shares: _Shares, per: Unit) -> pd.DataFrame:
    sums, names, periods, until, sample = shares
    number, width = len(periods.labels), len(names)
    states = periods.states(until + 1)
    known = np.repeat(states["complete"], width) & (sums.trials > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        measured = {
            "share": sums.hits / sums.trials,
            **dict(zip(("share_low", "share_high"), user_wilson(sums), strict=True)),
        }
    columns: dict[str, Any] = {
        "period": np.repeat(np.array(periods.labels, dtype=DAY), width),
        "version": names * number,
        per: sums.hits,
        **{name: np.where(known, values, np.nan) for name, values in measured.items()},
        **{name: np.repeat(values, width) for name, values in states.items()},
        "sample": np.full(number * width, sample),
    }
    schema: Schema = {
        "period": DAY,
        "version": TEXT,
        per: COUNT,
        "share": NUMBER,
        "share_low": NUMBER,
        "share_high": NUMBER,
    }
    schema |= {"complete": np.dtype(bool), "settled": np.dtype(bool), "sample": NUMBER}
    return make_frame(schema, columns)


@dataclass(frozen=True)
class Versions:
    """The sessions of a log by user and start, with the code of the version of each; versions are in order."""

    log: EventLog
    found: Sessions
    names: list[str]
    version: Ints
    start: int | None
    end: int | None
    until: int
    zone: dt.tzinfo

    def only(self, which: Bools) -> Versions:
        """Give some of the sessions."""
        found = Sessions(*(values[which] for values in self.found))
        return replace(self, found=found, version=self.version[which])

    def inside(self) -> Bools:
        """Which sessions start in the interval that was asked for."""
        low, high = (-(2**63) if self.start is None else self.start), (2**63 - 1 if self.end is None else self.end)
        return np.asarray((self.found.time >= low) & (self.found.time < high))


def read_versions(
    events: object,
    analysis: str,
    start: When | None,
    end: When | None,
    tz: Zone | None,
    as_of: When | None,
    *,
    everything: bool,
) -> Versions:
    """Find the sessions that start in an interval and their versions; with `everything` those outside of it, too."""
    asked = read_span(start, end, tz, as_of)
    start_us, end_us, as_of_us, zone = asked
    log = _with_versions(events, analysis, as_of_us, (None, None) if everything else asked.within)
    if everything and isinstance(events, EventStore):
        held_span(events, start_us, end_us)  # all is read, so that a warning is for what was asked for
    until = log.as_of_us if as_of_us is None else as_of_us
    found = find_sessions(log, "error", until)
    # With clocks that are years behind, a version would be there before it was made.
    low = oldest(found.time) if len(found.time) else -(2**63)
    if start_us is not None:
        low = min(low, start_us) if everything else start_us
    if start_us is None and not log.spans:  # a store knows nothing before its interval
        warn_behind(found.time, low, "sessions")
    high = 2**63 - 1 if end_us is None or everything else end_us
    inside = (found.time >= low) & (found.time < high)
    found = Sessions(*(values[inside] for values in found))
    rows = session_rows(log, found, "version")
    segments = find_segments(log, "version", rows, np.ones(len(rows), np.bool_), len(rows))
    names = version_order(segments.names)
    code = place_names(segments.names, names)[segments.code]
    return Versions(log, found, names, code, start_us, end_us, until, zone)


def _with_versions(events: object, analysis: str, as_of_us: int | None, within: Any) -> EventLog:
    of_sessions = isinstance(events, pd.DataFrame) and "event" not in events.columns and "start" in events.columns
    log = as_activity(events) if of_sessions else as_event_log(events, as_of=as_of_us, within=within)
    if log.holds_sessions and "version" not in log.frame.columns:
        raise ValueError(
            f"{analysis} needs the version of each session, which the table of load_sessions does not tell: pass "
            "nu.load_session_events(app, sessions), an EventLog of it, or an EventStore."
        )
    _check_version(log, analysis)
    return log


def _check_version(log: EventLog, analysis: str) -> None:
    if "version" not in log.frame.columns:
        raise ValueError(
            f"{analysis} needs the column version, which the log does not have; rename yours, for example "
            'frame.rename(columns={"app_version": "version"}).'
        )


def check_unit(per: object) -> None:
    """Raise for what no share is of."""
    check_choice("per", per, get_args(Unit))


def _last_of(user: Ints, period: Ints) -> Bools:
    """Which sessions are the last of their user in their period; they stand by user and time."""
    last = np.ones(len(user), dtype=np.bool_)
    last[:-1] = (user[1:] != user[:-1]) | (period[1:] != period[:-1])
    return last
