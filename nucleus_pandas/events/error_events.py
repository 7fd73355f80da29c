"""Which events are errors and crashes, and in which sessions they were."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.checks import Span
from nucleus_pandas.core.text import counted, shown, worded
from nucleus_pandas.core.warnings import warn, warn_incomplete
from nucleus_pandas.events.activity_starts import moments
from nucleus_pandas.events.coverage import held_span
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.log_columns import encode, spelled
from nucleus_pandas.store.eventstore import EventStore

#: What nobody caught: an error that the app was not prepared for.
CRASHES = ("uncaughtException", "unhandledRejection", "windowError")
Failure = Literal["error", "crash"]

_PREFIX = "error:"
# What the service's events are; with other kinds, or such names, an app may have errors of its own.
_KINDS = frozenset({"init", "custom", "error", "system", "view"})
_LIKE_ERRORS = re.compile("error|exception|crash|fail", re.IGNORECASE)
# How many names a message lists.
_MOST = 10


class Sessions(NamedTuple):
    """Sessions by user and start: user, start, the row of the log, the last row, whether it failed."""

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
        is_error = np.array([*(value == "error" for value in spelled(kinds)), False], dtype=np.bool_)
        found = np.where(kind < 0, found, is_error[kind])
    if failure == "crash":
        crash = np.array([*(error_name(name) in CRASHES for name in log.names), False], dtype=np.bool_)
        found &= crash[log.event]
    return np.flatnonzero(found).astype(log.order.dtype)


class ErrorNames(NamedTuple):
    """How many events there are, whether any is an error, and the names and kinds by which it would be one.

    `kinds` is None where events have no column for them.
    """

    events: int
    any: bool
    names: list[str]
    kinds: frozenset[str] | None

    @classmethod
    def of(cls, log: EventLog) -> ErrorNames:
        """Look at a log, or at a part of one; a log of sessions has no names to look at."""
        kinds = None
        if "kind" in log.frame.columns:
            kinds = frozenset(spelled(encode(log.frame["kind"])[1]))
        return cls(0 if log.holds_sessions else len(log), len(error_rows(log)) > 0, log.names, kinds)

    def and_also(self, other: ErrorNames) -> ErrorNames:
        """Add those of another part of the same log."""
        kinds = None if self.kinds is None or other.kinds is None else self.kinds | other.kinds
        return ErrorNames(self.events + other.events, self.any or other.any, self.names, kinds)

    def warn(self) -> None:
        """Warn where no event is an error: apps can name their errors in a way that is not looked for."""
        if not self.events or self.any:
            return
        looked_for = 'the name "error" or a name that begins with "error:"'
        like_errors = [name for name in self.names if _LIKE_ERRORS.search(name)]
        names = [*like_errors, *sorted(set(self.names) - set(like_errors))][:_MOST]
        found = f"the events of the log include {', '.join(map(shown, names))}"
        if self.kinds is not None:
            if _KINDS.issuperset(self.kinds) and not like_errors:
                return
            looked_for = f'kind "error", or without a kind and with {looked_for}'
            kinds = ", ".join(map(shown, sorted(self.kinds)[:_MOST])) or "all missing"
            found = f"the kinds of the log are {kinds}"
            found += f", and its events include {', '.join(map(shown, like_errors[:_MOST]))}" if like_errors else ""
        warn(f"No event is an error. An error is an event of {looked_for}; {found}.", UserWarning)


def warn_without_errors(log: EventLog) -> None:
    """Warn where no event of a log is an error."""
    if not log.holds_sessions:
        ErrorNames.of(log).warn()


def between(times: Ints, start: int | None, end: int | None) -> Bools:
    """Say which times lie in [start, end), in microseconds; None is no bound."""
    inside = np.ones(len(times), dtype=np.bool_)
    inside &= True if start is None else times >= start
    inside &= True if end is None else times < end
    return inside


def held_within(source: object, asked: Span) -> Span:
    """Give the part of an interval of which a store, or a log made of one, knows all users, and warn if not the whole.

    It may be empty. Of what was made of something else all is known.
    """
    if not isinstance(source, EventStore | EventLog):
        return asked
    held = held_span(source, asked.start, asked.end)
    if held is None:
        return asked
    low = held[0] if asked.start is None else max(asked.start, held[0])
    high = held[1] if asked.end is None else min(asked.end, held[1])
    return asked._replace(start=low, end=max(low, high))


def find_sessions(
    log: EventLog, failure: Failure, until: int, *, start: int | None = None, end: int | None = None
) -> Sessions:
    """Give the sessions that had started by then, in [start, end), and which had an error; what is later is none.

    Raises
    ------
    ValueError
        Where the log has no sessions, or is one of sessions that lack what was asked for.

    Warns
    -----
    IncompleteDataWarning
        When events have no session, or sessions no number of errors: they are left out.
    """
    found, lacking = look_for_sessions(log, failure, until, start=start, end=end)
    lacking.warn()
    return found


class Lacking(NamedTuple):
    """How many events have no session, or sessions no number of errors, of how many."""

    number: int
    of: int
    of_sessions: bool

    def and_also(self, other: Lacking) -> Lacking:
        """Add those of another part."""
        return Lacking(self.number + other.number, self.of + other.of, self.of_sessions)

    def warn(self) -> None:
        """Tell it, if there are any."""
        if self.number and self.of_sessions:
            left_out = f"{{}} of {counted(self.of, 'session')} [is|are] left out: it is not known whether "
            warn_incomplete(worded(left_out + "[it|they] had errors.", self.number))
        elif self.number:
            left_out = f"{{}} of {counted(self.of, 'event')} [has|have] no session and [is|are] left out."
            warn_incomplete(worded(left_out, self.number))


def look_for_sessions(
    log: EventLog, failure: Failure, until: int, *, start: int | None = None, end: int | None = None
) -> tuple[Sessions, Lacking]:
    """Do as `find_sessions`, and give what to warn of."""
    found, known = all_sessions(log, failure, until)
    asked = between(found.time, start, end)
    if log.holds_sessions:
        lacking = Lacking(int(np.count_nonzero(asked & ~known)), int(np.count_nonzero(asked)), True)
    else:
        events = between(log.time, start, end) & (log.time <= until)
        lacking = Lacking(int(np.count_nonzero(events & (log.session < 0))), int(np.count_nonzero(events)), False)
    return Sessions(*(values[asked & known] for values in found)), lacking


def all_sessions(log: EventLog, failure: Failure, until: int) -> tuple[Sessions, Bools]:
    """Give every session that had started by then, and of which it is known whether it had an error.

    Events without a session stand for one each, of which it is not known.
    """
    user, time, row = moments(log)
    if log.holds_sessions:
        errors = _told_errors(log, failure, row)
        known, failed, last = ~np.isnan(errors), errors > 0, row
    else:
        failed, last, known = _failed_sessions(log, failure, row, until)
    early = time <= until
    return Sessions(user[early], time[early], row[early], last[early], failed[early]), known[early]


def session_rows(log: EventLog, found: Sessions, column: str) -> Ints:
    """Give the row of each session with its value of a column: the first one that has any."""
    if log.holds_sessions:
        return found.row
    rows = np.flatnonzero((encode(log.frame[column])[0] >= 0)[log.order] & (log.session >= 0))[::-1]
    first = np.full(int(log.session.max(initial=-1)) + 1, -1, dtype=log.order.dtype)
    first[log.session[rows]] = rows
    place = first[log.session[found.row]]
    return np.where((place >= 0) & (place <= found.last), place, found.row)


def numbers(log: EventLog, column: str, rows: Ints) -> NDArray[np.float64]:
    """Give the counts of some rows of a table of sessions, missing as NaN, or raise where they are none."""
    if column not in log.frame.columns:
        raise ValueError(f"the sessions have no column {column}; pass the table of nu.load_sessions.")
    found = log.values(column, rows)
    if not pd.api.types.is_numeric_dtype(found.dtype):
        raise TypeError(
            f"the column {column} is of type {found.dtype}, not of numbers: sessions.assign({column}="
            f'pd.to_numeric(sessions["{column}"])).'
        )
    values = np.asarray(found.to_numpy(dtype="float64", na_value=np.nan))
    if odd := int(np.count_nonzero((values < 0) | np.isinf(values))):
        numbers = f"{{}} of {counted(len(values), 'number')} in the column {column} [is|are] below 0 or infinite."
        raise ValueError(worded(numbers, odd))
    return values


def _told_errors(log: EventLog, failure: Failure, row: Ints) -> NDArray[np.float64]:
    """The number of errors that a table of sessions has of each."""
    if failure == "crash":
        raise ValueError(
            "crash_free needs events: a table of sessions tells how many errors there were, not which. Pass "
            "nu.load_session_events(app, sessions) or an EventStore, or use error_free."
        )
    return numbers(log, "errors", row)


def _failed_sessions(log: EventLog, failure: Failure, row: Ints, until: int) -> tuple[Bools, Ints, Bools]:
    """Whether what begins with these rows had an error, its last row, and whether it is a session at all."""
    if "session_id" not in log.frame.columns:
        raise ValueError(
            "the log has no column session_id, so it has no sessions; pass nu.load_session_events(app, sessions) or an "
            "EventStore."
        )
    session = log.session[row]
    size = int(log.session.max(initial=-1)) + 2
    errors = error_rows(log, failure)
    errors = errors[log.time[errors] <= until]
    has_error = np.zeros(size, dtype=np.bool_)
    has_error[log.session[errors]] = True
    last = np.zeros(size, dtype=log.order.dtype)
    rows = np.flatnonzero(log.time <= until)
    # Of several rows of a session the last one written stays: rows stand in order of time.
    last[log.session[rows]] = rows
    in_session = session >= 0
    return has_error[session] & in_session, np.where(in_session, last[session], row), in_session
