"""The errors of an event log, those first that trouble most users."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import Ints, combine, distinct, is_group_start
from nucleus_pandas.core.checks import checked_number, read_span
from nucleus_pandas.core.dtypes import COUNT, INSTANT, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.core.text import MISSING
from nucleus_pandas.events.error_events import CRASHES, between, error_name, error_rows, warn_without_errors
from nucleus_pandas.events.eventlog import EventLog, Events, as_event_log
from nucleus_pandas.store.eventstore import EventStore

_TOP: Schema = {
    "error": TEXT,
    "error_hash": TEXT,
    "message": TEXT,
    "crash": np.dtype(bool),
    "count": COUNT,
    "sessions": COUNT,
    "users": COUNT,
    "first_seen": INSTANT,
    "last_seen": INSTANT,
    "versions": COUNT,
    "first_version": TEXT,
    "last_version": TEXT,
    "sample": NUMBER,
}
_MESSAGE = "message"
_LONGEST = 120
# Spelling in Persian and in emoji.
_JOINERS = "\u200c\u200d"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Ids, addresses and hashes, which need a digit, or words such as "facade" would be some; then plain numbers.
_HEX = "[0-9a-fA-F]"
_NUMBERS = re.compile(
    rf"(?<![0-9A-Za-z])(?:{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}|0[xX]{_HEX}+|(?={_HEX}*\d){_HEX}{{6,}})"
    r"(?![0-9A-Za-z])|\d+"
)


def top_errors(
    events: Events,
    *,
    top: int = 20,
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
    as_of: When | None = None,
) -> pd.DataFrame:
    """The errors that trouble most users: what to mend first.

    Parameters
    ----------
    events : DataFrame, EventLog or EventStore
        An event log. Columns that it does not have are missing in the table.
    top : int, default 20
        How many errors to give.
    start, end : str, date or datetime, optional
        Errors in [start, end); a date as `end` is that whole day.
    tz : str, int or tzinfo, default "UTC"
        The zone of dates.
    as_of : str, date or datetime, optional
        Until when the data are known; later events do not count. By default that of the log, see `EventLog`.

    Returns
    -------
    DataFrame
        One row an error, by users, then sessions, then count; those beyond `top` are left out.

        - error: its name, without the ``error:`` of the log
        - error_hash: the service's, which distinguishes causes; missing where the log has none
        - message: the most frequent one of the error, in one line of at most 120 characters
        - crash: nobody caught it: uncaughtException, unhandledRejection or windowError
        - count: how often it was reported
        - sessions, users: sessions and users with it; sessions are missing where the log has none
        - first_seen, last_seen: UTC, in the interval
        - versions: number of different versions that reported it
        - first_version, last_version: the one of the first and of the last report
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
        See `EventLog`.
    UserWarning
        When no event of the log is an error; says which kinds and names are looked for.

    Notes
    -----
    Errors are distinguished by name and hash; without a hash by name and message, in which numbers, hexadecimal
    addresses (``0x7ffa12``) and ids of six or more hexadecimal digits count as alike. An error without a name is
    ``(none)``. Section *Errors and releases* of the definitions: a count is not a number of broken sessions, one can
    report thousands, hence the order. Messages come from the app as they are, and may hold what people wrote.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> log = nu.EventLog(nu.load_session_events(app, sessions), as_of=app.now())
    >>> worst = nu.top_errors(log)
    >>> bool(worst["users"].is_monotonic_decreasing)
    True
    """
    top = checked_number("top", top, None, "how many errors to give")
    asked = read_span(start, end, tz, as_of)
    log = as_event_log(events, as_of=asked.as_of, within=asked.within, properties=[_MESSAGE])
    if not isinstance(events, EventStore) or asked.within == (None, None):  # of a quiet week there is nothing to say
        warn_without_errors(log)
    rows = error_rows(log)
    time = log.time[rows]
    inside = time <= (log.as_of_us if asked.as_of is None else asked.as_of)
    inside &= between(time, asked.start, asked.end)
    return _table(log, rows[inside], top)


def _table(log: EventLog, rows: Ints, top: int) -> pd.DataFrame:
    """Count the errors of some rows."""
    name = np.array([error_name(one) or MISSING for one in log.names], dtype=object)[log.event[rows]]
    hashes, messages = log.texts("error_hash", rows), log.texts(_MESSAGE, rows)
    alike = [
        f"#{digest}" if digest else f" {_alike(message)}" for digest, message in zip(hashes, messages, strict=True)
    ]
    group = combine(pd.factorize(name)[0], pd.factorize(np.array(alike, dtype=object))[0])
    groups = int(group.max(initial=-1)) + 1
    by_time = np.lexsort((log.time[rows], group))
    first = by_time[is_group_start(group[by_time])]
    last = by_time[np.append(is_group_start(group[by_time])[1:], True)] if groups else first
    versions = np.array(log.texts("version", rows), dtype=object)
    version = pd.factorize(versions)[0]
    crash = np.array([one in CRASHES for one in name], dtype=np.bool_)
    columns = {
        "error": name[first],
        "error_hash": np.array(hashes, dtype=object)[first],
        "message": _usual(group, messages, groups),
        "crash": crash[first],
        "count": np.bincount(group, minlength=groups),
        "sessions": _distinct(group, log.session[rows], groups),
        "users": _distinct(group, log.user[rows], groups),
        "first_seen": _instants(log.time[rows][first]),
        "last_seen": _instants(log.time[rows][last]),
        "versions": _distinct(group, np.where(versions == None, -1, version), groups),  # noqa: E711
        "first_version": versions[first],
        "last_version": versions[last],
        "sample": np.full(groups, log.sample),
    }
    table = make_frame(_TOP, columns)
    if "session_id" not in log.frame.columns:
        table["sessions"] = pd.array([None] * groups, dtype=COUNT)
    if "version" not in log.frame.columns:
        table["versions"] = pd.array([None] * groups, dtype=COUNT)
    order = ["users", "sessions", "count", "error", "message"]
    return table.sort_values(order, ascending=[False] * 3 + [True] * 2).head(top).reset_index(drop=True)


def _alike(message: str | None) -> str:
    return _NUMBERS.sub("0", message or "")


def _usual(group: Ints, messages: list[str | None], groups: int) -> list[str | None]:
    """The most frequent message of each group, of several the first."""
    found: list[dict[str, int]] = [{} for _ in range(groups)]
    for place, message in zip(group.tolist(), messages, strict=True):
        if message:
            found[place][message] = found[place].get(message, 0) + 1
    return [_one_line(max(counts, key=lambda text: counts[text])) if counts else None for counts in found]


def _one_line(text: str) -> str:
    # What turns the reading direction, or is not seen, makes of a message another one.
    line = "".join(char if char.isprintable() or char in _JOINERS else _REPLACEMENT for char in " ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _distinct(group: Ints, values: Ints, groups: int) -> Ints:
    """How many different values each group has; below 0 is none."""
    there = values >= 0
    width = int(values.max(initial=0)) + 1
    pairs = distinct(group[there].astype(np.int64) * width + values[there])
    return np.bincount(pairs // width, minlength=groups)


def _instants(times: Ints) -> Any:
    return pd.Series(times.astype("datetime64[us]")).dt.tz_localize("UTC").array
