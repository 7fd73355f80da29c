"""Which events are errors and crashes, and in which sessions they were."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucleus_pandas.analysis.activity import moments
from nucleus_pandas.analysis.codes import Bools, Ints, encode
from nucleus_pandas.analysis.columns import spelled
from nucleus_pandas.analysis.eventlog import CONTEXT, EventLog
from nucleus_pandas.api.columns import warn_incomplete

#: What nobody caught: an error that the app was not prepared for.
CRASHES = ("uncaughtException", "unhandledRejection", "windowError")
Failure = Literal["error", "crash"]

_PREFIX = "error:"


class Sessions(NamedTuple):
    """Sessions by user and start: user, start, the row of the log that tells it, the last row, whether it failed."""

    user: Ints
    time: Ints
    row: Ints
    last: Ints
    failed: Bools


def error_name(event: str) -> str:
    """Give the name of an error without the prefix that the service reserves."""
    return event.removeprefix(_PREFIX)


def error_rows(log: EventLog, failure: Failure = "error") -> Ints:
    """Give the rows of the errors of a log, or of the crashes: by their kind, or by their name where it has none."""
    named = [name == "error" or name.startswith(_PREFIX) for name in log.names]
    found = np.array([*named, False], dtype=np.bool_)[log.event]
    if "kind" in log.frame.columns:
        codes, kinds = encode(log.frame["kind"])
        kind = codes[log.order]
        told = np.array([*(value == "error" for value in spelled(kinds)), False], dtype=np.bool_)
        found = np.where(kind < 0, found, told[kind])
    if failure == "crash":
        crash = np.array([*(error_name(name) in CRASHES for name in log.names), False], dtype=np.bool_)
        found &= crash[log.event]
    return np.flatnonzero(found).astype(log.order.dtype)


def find_sessions(log: EventLog, failure: Failure, until: int) -> Sessions:
    """Give the sessions that had started by then, and which had an error; what is later does not count.

    Raises
    ------
    ValueError
        Where the log has no sessions, or is one of sessions that do not tell what was asked.

    Warns
    -----
    IncompleteDataWarning
        When events have no session, or sessions no number of errors: they are left out.
    """
    user, time, row = moments(log)
    if log.holds_sessions:
        errors = _told_errors(log, failure, row)
        kept = ~np.isnan(errors)
        if lack := int(np.count_nonzero(~kept)):
            warn_incomplete(f"{lack:,} of {len(row):,} sessions are left out: it is not known whether they had errors.")
        failed, last = errors > 0, row
    else:
        failed, last, kept = _failed_sessions(log, failure, row, until)
    kept &= time <= until
    return Sessions(user[kept], time[kept], row[kept], last[kept], failed[kept])


def session_rows(log: EventLog, found: Sessions, column: str) -> Ints:
    """Give the row of each session that tells the value of a column: the first, or of what comes later the last."""
    if column not in CONTEXT:
        return found.row
    return np.where(log.values(column, found.row).notna(), found.row, found.last)


def _told_errors(log: EventLog, failure: Failure, row: Ints) -> NDArray[np.float64]:
    """The number of errors that a table of sessions has of each."""
    if failure == "crash":
        raise ValueError(
            "crash_free needs events: a table of sessions tells how many errors there were, not which. Pass "
            "nu.load_session_events(app, sessions) or an EventStore, or use error_free."
        )
    if "errors" not in log.frame.columns:
        raise ValueError("the sessions have no column errors; pass the table of nu.load_sessions.")
    return np.asarray(log.values("errors", row).to_numpy(dtype="float64", na_value=np.nan))


def _failed_sessions(log: EventLog, failure: Failure, row: Ints, until: int) -> tuple[Bools, Ints, Any]:
    """Whether what begins with these rows had an error, its last row, and whether it is a session at all."""
    if "session_id" not in log.frame.columns:
        raise ValueError(
            "the log has no column session_id, so it has no sessions; pass nu.load_session_events(app, sessions) or an "
            "EventStore."
        )
    session = log.session[row]
    kept = session >= 0
    if without := int(np.count_nonzero(log.session < 0)):
        warn_incomplete(f"{without:,} of {len(log):,} events have no session and are left out.")
    size = int(log.session.max(initial=-1)) + 2
    errors = error_rows(log, failure)
    errors = errors[log.time[errors] <= until]
    has_error = np.zeros(size, dtype=np.bool_)
    has_error[log.session[errors]] = True
    last = np.zeros(size, dtype=log.order.dtype)
    known = np.flatnonzero(log.time <= until)
    # Of several rows of a session the last one written stays: rows stand in order of time.
    last[log.session[known]] = known
    return has_error[session], last[session], kept
