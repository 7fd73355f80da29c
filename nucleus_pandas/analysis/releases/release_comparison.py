"""Releases side by side: how fast they were taken, and whether more goes wrong with each than with the one before."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.releases.version_adoption import Unit, Versions, check_unit, read_versions
from nucleus_pandas.analysis.releases.version_order import is_prerelease, is_version, version_key
from nucleus_pandas.core.arrays import Bools, Ints, distinct
from nucleus_pandas.core.calendar import day_numbers
from nucleus_pandas.core.checks import checked_number
from nucleus_pandas.core.dtypes import COUNT, INSTANT, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.core.text import MISSING, OTHER
from nucleus_pandas.core.units import DAY
from nucleus_pandas.events.error_events import error_rows, warn_without_errors
from nucleus_pandas.events.eventlog import Events
from nucleus_pandas.stats.intervals import LOW_N
from nucleus_pandas.stats.rate_ratio import RateRatio, rate_ratio
from nucleus_pandas.stats.significance import LEVEL, Verdict
from nucleus_pandas.stats.user_ratio import Trials, user_bounds

_MEASURES = {"error": "errors", "crash": "crashes"}


def _measured(failure: str, plural: str) -> Schema:
    counts = {plural: COUNT, f"{plural}_before": COUNT}
    rates = (
        f"{failure}_free",
        f"{failure}_free_before",
        f"{failure}_ratio",
        f"{failure}_ratio_low",
        f"{failure}_ratio_high",
    )
    return counts | dict.fromkeys(rates, NUMBER) | {f"{failure}_change": TEXT}


RELEASES: Schema = {
    "version": TEXT,
    "before": TEXT,
    "first_seen": INSTANT,
    "sessions": COUNT,
    "users": COUNT,
    "hours_to_50": NUMBER,
    "hours_to_90": NUMBER,
    "peak_share": NUMBER,
    "latest_share": NUMBER,
    "days": COUNT,
    "base": COUNT,
    "base_before": COUNT,
    **_measured("error", "errors"),
    **_measured("crash", "crashes"),
    "low_n": np.dtype(bool),
    "per": TEXT,
    "sample": NUMBER,
}


def compare_releases(
    events: Events,
    *,
    per: Unit = "sessions",
    top: int = 20,
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
) -> pd.DataFrame:
    """How fast each release was taken, and whether more goes wrong with it than with the release before.

    Parameters
    ----------
    events : DataFrame, EventLog or EventStore
        An event log with sessions and the column version. A table of `load_sessions` has no versions.
    per : {"sessions", "users"}
        What the shares without errors and crashes are of: sessions, or the users of a day, each once a day and version.
    top : int, default 20
        How many versions get rows, those with most sessions. The others count in shares, and as releases before.
    start, end : str, date or datetime, optional
        Which sessions are counted and compared: those that start in [start, end); a date as `end` is that whole day.
        When a version came, its shares, and what came before it are taken from all that the log or store holds.
    tz : str, int or tzinfo, default "UTC"
        The zone of the days and dates.
    as_of : str, date or datetime, optional
        Until when the data are known; by default that of the log, see `EventLog`.

    Returns
    -------
    pandas.DataFrame
        One row a version with sessions in the interval, in the order of versions.

        - version; before: the release that it is compared with, the next lower one that was there before it. A release
          is not compared with pre-releases, such as 1.2.0-beta.1 and every other version with a hyphen. Missing where
          there is none
        - first_seen: start of its first session, UTC; sessions, users: how many it had
        - hours_to_50, hours_to_90: from first_seen until it had that share of the sessions; missing where it has not
          got there, and where it was there in the first 24 hours of the data, as nobody knows since when
        - peak_share, latest_share: its highest share of the sessions until `as_of`, and that at `as_of`. Missing with
          fewer than 30 sessions altogether
        - days: on which both it and the release before were in use. All that follows is of these days alone
        - base, base_before: its sessions, and those of the release before; with ``per="users"`` the users of each day
        - errors, errors_before: those of them with an error
        - error_free, error_free_before: 1 − the rate of those with an error; rates are means over the days, with the
          same weights for both, so that they can be compared
        - error_ratio: how many times as often something goes wrong as with the release before, the quotient of the two
          rates. Infinite where nothing went wrong with the release before, missing where nothing did with either
        - error_ratio_low, error_ratio_high: bounds of the ratio, the wider of two (see Notes), 95 % for all ratios of
          the table together, of errors and of crashes (in Holm's steps)
        - error_change: a clear change is ``more`` (error_ratio_low above 1) or ``fewer`` (error_ratio_high below 1);
          else it is ``within normal variation``, or ``too little history`` where the bounds are 0 and infinity. Missing
          where there is nothing to compare
        - crashes, crashes_before, crash_free, …, crash_change: the same of crashes, see `crash_free`
        - low_n: base or base_before below 30
        - per: as asked
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
    UserWarning
        When no event is an error, see `error_free`.

    Notes
    -----
    Definition: docs/definitions.md#errors-and-releases.

    Each day is compared with itself: a bad day, on which more goes wrong with all versions, speaks neither for nor
    against a release, however much each was used on it. That is why the ratio is not the quotient of all errors by all
    sessions.

    **Who takes a release first is not like the others.** They use the app more, on newer machines, or asked for early
    versions; and who stays behind for long has their reasons as well. Comparing within days does not take that away.
    Only a staged roll-out that draws users by lot does. Take ``more`` as a reason to look, and look again when half of
    the users have the release.

    Errors belong to users: one may have them in every session, another never. Bounds that count sessions as if they had
    nothing to do with each other are then too narrow. So two are made and the wider one is given: the exact conditional
    ones, and those that say how far the ratio would move without one of the users (jackknife, with Student's
    quantile). Of forty comparisons in which nothing has changed, about one comes out as ``more`` by chance, and one as
    ``fewer``. What a user with many errors does weighs less with ``per="users"``.

    The share at a time is of the sessions of the 24 hours before it, or of the last 30 where these are fewer, all that
    start at one instant included; it is looked at whenever a session starts, and at `as_of`. In a staged roll-out it
    stays where the stage is, and hours go on.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> log = nu.EventLog(nu.load_session_events(app, sessions), as_of=app.now())
    >>> releases = nu.compare_releases(log)
    >>> releases.loc[releases["version"] == "0.10.0", "before"].tolist()
    ['0.9.1']
    """
    check_unit(per)
    top = checked_number("top", top, None, "how many versions get rows")
    read = read_versions(events, "compare_releases", start, end, tz, as_of, everything=True)
    warn_without_errors(read.log)
    asked = read.only(read.inside())
    named, lives = _rows(asked, top), _lives(read)
    shares = _Shares(np.sort(read.found.time), read)
    before = [_before(read.names, lives, place) for place in named]
    rows = [_row(asked, place, lives[place], shares) for place in named]
    compared = _compare(asked, per, list(zip(named, before, strict=True)))
    names = [None if other is None else read.names[other] for other in before]
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    columns |= {name: [one[name] for one in compared] for name in (compared[0] if compared else ())}
    columns |= {"before": names, "per": [per] * len(named), "sample": [read.log.sample] * len(named)}
    return make_frame(RELEASES, {name: columns.get(name, []) for name in RELEASES})


class _Life(NamedTuple):
    """When a version was first seen, and whether it was there from the start of the data."""

    first: int
    from_start: bool


def _rows(asked: Versions, top: int) -> list[int]:
    """Give the places of the versions with most sessions, in order."""
    sessions = np.bincount(asked.version, minlength=len(asked.names))
    there = [place for place in np.flatnonzero(sessions).tolist() if asked.names[place] not in (OTHER, MISSING)]
    return sorted(sorted(there, key=lambda place: (-sessions[place], asked.names[place]))[:top])


def _lives(read: Versions) -> list[_Life]:
    """Tell of each version when it came, from all that is known of it."""
    first = np.full(len(read.names), 2**63 - 1)
    np.minimum.at(first, read.version, read.found.time)
    start = int(first.min(initial=2**63 - 1 - DAY))
    return [_Life(one, one < start + DAY) for one in first.tolist()]


def _before(names: list[str], lives: list[_Life], place: int) -> int | None:
    """The place of the version that another is compared with."""
    if not is_version(names[place]):
        return None
    for other in range(place - 1, -1, -1):
        if version_key(names[other])[:-1] == version_key(names[place])[:-1]:
            continue  # the same one, written otherwise
        there = lives[other].first <= lives[place].first or lives[other].from_start
        if there and is_version(names[other]) and (is_prerelease(names[place]) or not is_prerelease(names[other])):
            return other
    return None


def _row(asked: Versions, place: int, life: _Life, shares: _Shares) -> dict[str, Any]:
    own = asked.version == place
    counts = {"sessions": int(own.sum()), "users": len(distinct(asked.found.user[own]))}
    first = pd.Timestamp(life.first, unit="us", tz="UTC")
    return {"version": asked.names[place], "first_seen": first, **counts, **shares.of(place, life)}


class _Shares:
    """The share of versions in the sessions of the last 24 hours, whenever it changes until `as_of`."""

    def __init__(self, time: Ints, read: Versions) -> None:
        order = np.argsort(read.found.time, kind="stable")
        self.version = read.version[order]
        # It changes where a session starts, and where one is 24 hours old. All sessions of one instant count, in
        # whichever order they stand.
        at = np.append(np.sort(np.concatenate([time, time[time <= read.until - DAY] + DAY])), read.until)
        self.at = at
        self.until = np.searchsorted(time, at, side="right")
        self.since = np.maximum(np.minimum(np.searchsorted(time, at - DAY, side="right"), self.until - LOW_N), 0)
        if len(time):
            self.since = np.searchsorted(time, time[np.minimum(self.since, len(time) - 1)], side="left")
        self.enough = self.until >= LOW_N

    def of(self, place: int, life: _Life) -> dict[str, float]:
        """Give the highest and the latest share of a version, and the hours it took to get there."""
        running = np.concatenate([[0], np.cumsum(self.version == place)])
        number = running[self.until] - running[self.since]
        share = np.where(self.enough, number / (self.until - self.since), np.nan)
        seen = self.enough & (self.at >= life.first)
        found = {"peak_share": float(share[seen].max()) if seen.any() else np.nan, "latest_share": float(share[-1])}
        for percent in (50, 90):
            there = np.flatnonzero(seen & (share >= percent / 100))
            known = len(there) and not life.from_start
            found[f"hours_to_{percent}"] = (int(self.at[there[0]]) - life.first) / 3.6e9 if known else np.nan
        return found


class _Units(NamedTuple):
    """What is compared, sessions or the users of a day: user, day, version, and whether something went wrong."""

    user: Ints
    day: Ints
    version: Ints
    failed: Bools

    def by_day(self, place: int, days: int) -> tuple[Ints, Ints]:
        """Give with how many of a version something went wrong on each day, and how many there were."""
        own = self.version == place
        failed = np.bincount(self.day[own & self.failed], minlength=days)
        return failed, np.bincount(self.day[own], minlength=days)

    def ratio(self, place: int, other: int, days: int, confidence: float) -> RateRatio:
        """Give the ratio of two versions on the days on which both were in use.

        The bounds are the wider of those that count sessions and those that count users.
        """
        (b, m), (a, n) = (self.by_day(one, days) for one in (place, other))
        shared = (m > 0) & (n > 0)
        found = rate_ratio(*(counts[shared] for counts in (a, n, b, m)), confidence=confidence)
        if math.isnan(found.ratio):
            return found
        own = shared[self.day] & ((self.version == place) | (self.version == other))
        user = np.unique(self.user[own], return_inverse=True)[1]
        trials = Trials(user, self.day[own], self.version[own] == place, self.failed[own])
        low, high = user_bounds(trials, found.ratio, confidence=confidence)
        return found._replace(low=min(low, found.low), high=max(high, found.high))


#: A comparison of a table: of which failures, and in which row.
_Test = tuple[str, int]


def _ratios(units: dict[str, _Units], pairs: list[tuple[int, int | None]], days: int) -> dict[_Test, RateRatio]:
    """Give the ratios of all pairs, with bounds that are 95 % for errors and crashes of all of them together.

    In Holm's steps: all are judged at 0.05 / m; those that are clear keep their bounds, and the others are judged
    again with the number that is left, until none is clear any more.
    """
    asked = {
        (failure, number): (of, place, other)
        for failure, of in units.items()
        for number, (place, other) in enumerate(pairs)
        if other is not None
    }

    def judged(tests: Collection[_Test], level: float) -> dict[_Test, RateRatio]:
        return {
            one: of.ratio(place, other, days, 1 - level) for one, (of, place, other) in asked.items() if one in tests
        }

    found = judged(asked, LEVEL)
    left = [one for one, ratio in found.items() if not math.isnan(ratio.ratio)]
    while left:
        found |= judged(left, LEVEL / len(left))
        unclear = [one for one in left if found[one].low <= 1 <= found[one].high]
        if unclear == left:
            break
        left = unclear
    return found


def _compare(read: Versions, per: Unit, pairs: list[tuple[int, int | None]]) -> list[dict[str, Any]]:
    """Compare each version with the one before it."""
    day = day_numbers(read.found.time, read.zone)
    day = day - (day.min() if len(day) else 0)
    failed = {"error": read.found.failed}
    if not read.log.holds_sessions:
        crashes = error_rows(read.log, "crash")
        crashes = crashes[read.log.time[crashes] <= read.until]
        failed["crash"] = np.isin(read.log.session[read.found.row], read.log.session[crashes])
    units = {name: _Units(read.found.user, day, read.version, which) for name, which in failed.items()}
    if per == "users":
        units = {name: _by_user(one, len(read.names)) for name, one in units.items()}
    days = int(day.max(initial=-1)) + 1
    ratios = _ratios(units, pairs, days)
    return [
        _pair(units, {name: ratios.get((name, number)) for name in units}, place, other, days)
        for number, (place, other) in enumerate(pairs)
    ]


def _by_user(units: _Units, versions: int) -> _Units:
    """Count a user once a day and version, failed if any of the sessions was."""
    days = int(units.day.max(initial=0)) + 1
    key = (units.user.astype(np.int64) * days + units.day) * versions + units.version
    keys, place = np.unique(key, return_inverse=True)
    failed = np.zeros(len(keys), dtype=np.bool_)
    failed[place[units.failed]] = True
    return _Units(keys // versions // days, keys // versions % days, keys % versions, failed)


def _pair(
    units: dict[str, _Units], ratios: dict[str, RateRatio | None], place: int, other: int | None, days: int
) -> dict[str, Any]:
    """Compare two versions on the days on which both were in use."""
    row: dict[str, Any] = {"days": None, "base": None, "base_before": None, "low_n": True}
    for failure, plural in _MEASURES.items():
        row |= dict.fromkeys(_measured(failure, plural))
        found = ratios.get(failure)
        if other is None or found is None:
            continue
        (b, m), (a, n) = (units[failure].by_day(one, days) for one in (place, other))
        shared = (m > 0) & (n > 0)
        a, n, b, m = (counts[shared] for counts in (a, n, b, m))
        row |= {"days": int(shared.sum()), "base": int(m.sum()), "base_before": int(n.sum())}
        row |= {"low_n": min(row["base"], row["base_before"]) < LOW_N}
        row |= {plural: int(b.sum()), f"{plural}_before": int(a.sum())}
        row |= {f"{failure}_free": 1 - found.rate_b, f"{failure}_free_before": 1 - found.rate_a}
        row |= {f"{failure}_ratio": found.ratio, f"{failure}_ratio_low": found.low, f"{failure}_ratio_high": found.high}
        row[f"{failure}_change"] = _change(found.low, found.high) if len(m) else None
    return row


def _change(low: float, high: float) -> str:
    if low == 0 and math.isinf(high):
        return Verdict.UNTESTED.value
    return "more" if low > 1 else "fewer" if high < 1 else Verdict.NORMAL.value
