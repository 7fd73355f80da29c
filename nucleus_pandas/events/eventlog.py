"""The event log made ready: checked, in order, in integer codes, with the rows of each event at hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Hashable
from functools import cached_property, partial
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.people import kind_of
from nucleus_pandas.api.parsing.schemas import EVENT_LOG
from nucleus_pandas.core.arrays import Bools, Ints, combine, is_group_start, small
from nucleus_pandas.core.checks import read_span
from nucleus_pandas.core.instants import When
from nucleus_pandas.core.text import counted
from nucleus_pandas.events.clock_errors import newest
from nucleus_pandas.events.json_properties import JsonProperties
from nucleus_pandas.events.log_columns import (
    by_code,
    column_of,
    encode,
    ids,
    in_order_received,
    instants,
    names,
    require,
    sort_rows,
    spelled,
)
from nucleus_pandas.events.refusal import Parted, refuse_parts
from nucleus_pandas.events.row_checks import checked_sample, kept_rows, warn_of_backward_sessions, warn_of_duplicates
from nucleus_pandas.exceptions import StoreError
from nucleus_pandas.store.eventstore import EventStore
from nucleus_pandas.store.properties import known_keys

#: What comes with `init` and errors only: filled forward within a session before it is used.
CONTEXT = ("platform", "platform_raw", "os_version", "version", "locale", "country", "arch", "ram_gb")


class EventLog:
    """An event log made ready once, to be asked many times.

    Every analysis takes a DataFrame as well and makes it ready on the way in; a ready log answers at once.

    Parameters
    ----------
    frame : pandas.DataFrame or EventStore
        One row an event: `load_session_events`, or any frame with user_id (anything), time (with a time zone) and event
        (its name). Other columns ride along. It is not changed; do not change its values while the log is in use. Of a
        store, all its events; their properties stay together in the column data, as JSON, until a question names one.
    sample : float, optional
        The fraction of the users that the frame holds, if it is a sample of them. Tables repeat it, counts are not
        scaled. By default 1, or what the store says.
    as_of : str, date or datetime, optional
        Until when the data are known, if whoever made them knows; a date is the whole day in UTC. By default when the
        store was synced last, or the newest time in the data, see Notes.
    properties : collection of str, optional
        With a store: the only properties of events to read, which saves memory; names that no event has are ignored. By
        default all are kept, as JSON.

    Attributes
    ----------
    frame : pandas.DataFrame
        The rows as they were given, with a column for each property that was asked for.
    order : array of int, shape (events,)
        For each event the position of its row in `frame`. This and the following arrays are in the order of the log:
        by user, time, `init` first, then the order received.
    user : array of int
        The code of each event's user; the codes of all events of a user stand together.
    time : array of int64
        Microseconds since 1970, UTC.
    event : array of int
        The code of each event's name.
    names : list of str
        The name of each code.
    counts : array of int
        The number of events of each code.
    instant : array of int or None
        For each event the first of its user's events at the same time; None if no two are at the same time.
    system : array of bool
        Whether an event is the service's own (heartbeat, props, userid, sessionend).
    session : array of int
        The code of each event's session, -1 where it has none.

    Raises
    ------
    TypeError
        If `frame` is no DataFrame, or its times are no instants.
    ValueError
        If columns are missing or stand there twice, times are naive, or `sample` is no fraction.

    Warns
    -----
    IncompleteDataWarning
        When rows have no user, time or event: they are left out. When the newest times cannot be right, see Notes. When
        rows repeat other rows in every column, or ids begin or end with whitespace, differ in type only (1 and "1") or
        spell a missing value ("nan"): they are counted as they are.

    Notes
    -----
    A *user* is the service's ``_id``: where the frame has user_db_id, events with the same one are of one user,
    whatever their user_id, which may change. Rows without it count to the user whose other rows have the same
    user_id, if that is one user only; otherwise user_id identifies the user. The empty text is missing.

    A *session* is a user, device_id, session_id and session_start, as far as the frame has these columns; session_id it
    must have. What comes with `init` and errors only (platform, platform_raw, os_version, version, locale, country,
    arch, ram_gb) is filled forward within a session when it is asked for.

    The *order received*, which counts among events of a user at one instant, is that of the rows; or of the column
    event_no, if there is one of whole numbers, as in exports.

    *as_of*: clients' clocks can be years ahead, and then the newest time says nothing about until when the data are
    known. So where at least 7 days without any event are followed by at most 1 % of the events, or 2 years by at most
    10 %, or 10 years by at most half, `as_of` is the newest time before that gap, and a warning says so. A time that is
    a little ahead looks like a right one: pass `as_of` if you know it.

    A row takes some 21 bytes beside the frame, 25 where events of a user share an instant; a row of an event that was
    asked for 12 more.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(20))
    >>> log = nu.EventLog(nu.load_session_events(app, sessions), as_of=app.now())
    >>> "init" in log.names
    True
    """

    frame: pd.DataFrame
    order: Ints
    user: Ints
    time: Ints
    event: Ints
    names: list[str]
    counts: Ints
    sample: float
    #: Whether the log is one of sessions, with one event each.
    holds_sessions = False
    #: Whether the log is one part of a larger one, about which all warnings have been given.
    is_part = False
    #: Whether `rows_frame` turns the properties, which the log holds as JSON, into columns.
    _expands = False
    #: Lists the properties of the store for messages, where the log was made without them.
    _elsewhere: Callable[[], list[str]] | None = None
    #: Of a store's events, what was synced; outside it the log does not have all of them.
    spans: tuple[tuple[dt.datetime, dt.datetime], ...] = ()

    def __init__(
        self,
        frame: pd.DataFrame | EventStore,
        *,
        sample: float | None = None,
        as_of: When | None = None,
        properties: Collection[str] | None = None,
    ) -> None:
        if isinstance(frame, EventStore):
            info = frame.info()
            sample, as_of = info.sample if sample is None else sample, info.as_of if as_of is None else as_of
            self.spans, self._expands, self._elsewhere = info.spans, properties is None, partial(_keys, frame)
            frame = _all_events(frame, properties)
        elif properties is not None:
            raise ValueError("properties is for a store; a DataFrame has the columns that it has.")
        self.sample = checked_sample(sample)
        self._as_of_us = read_span(None, None, None, as_of).as_of
        self._make(frame, None, "the event log")

    @classmethod
    def _holding(cls, frame: pd.DataFrame, only: Collection[str], as_of: Any) -> EventLog:
        """The log with the rows of some events only, which is quicker to make; counts are of all."""
        log = cls.__new__(cls)
        log.sample = 1.0
        log._as_of_us = as_of
        log._make(frame, only, "the events that are asked for")
        return log

    @classmethod
    def part(cls, frame: pd.DataFrame, whole: EventLog, as_of: int) -> EventLog:
        """Make the log of some users of a larger one, with its names and counts; rows left out are not reported."""
        log = cls.__new__(cls)
        log.sample, log.spans, log._as_of_us, log.is_part = whole.sample, whole.spans, as_of, True
        log._make(frame, None, None, whole)
        return log

    @classmethod
    def of_sessions(cls, sessions: pd.DataFrame, *, sample: float = 1.0, as_of: int | None = None) -> EventLog:
        """Make the log of the starts of sessions, a table of `load_sessions`, whose other columns ride along."""
        require(sessions, ["user_id", "start"], "a table of sessions")
        start, no_start = instants(sessions["start"])
        log = cls.__new__(cls)
        log.sample, log._as_of_us, log.holds_sessions = sample, as_of, True
        if "end" in sessions.columns:
            end, no_end = instants(sessions["end"])
            both = ~no_start & ~no_end
            warn_of_backward_sessions(start[both], end[both], len(sessions))
            if as_of is None:
                log._as_of_us = newest(np.concatenate([start[~no_start], end[~no_end]]))
        event = pd.Categorical(["session"]).take(np.zeros(len(sessions), dtype=np.intp))
        log._make(sessions.assign(time=sessions["start"], event=event), None, "the sessions")
        return log

    @classmethod
    def whole(
        cls,
        columns: pd.DataFrame,
        counts: dict[str, int],
        sample: float,
        spans: tuple[tuple[dt.datetime, dt.datetime], ...],
    ) -> EventLog:
        """Make a log without events that stands for one that comes in parts: its columns, and how often what occurs."""
        log = cls.__new__(cls)
        log.sample, log.spans, log._as_of_us = sample, spans, None
        log._make(columns, None, None)
        log.names, log.counts = list(counts), np.array(list(counts.values()), dtype=np.int64)
        log._rows, log._ends = by_code(log.event, len(counts))
        return log

    def _make(
        self, frame: pd.DataFrame, only: Collection[str] | None, whose: str | None, whole: EventLog | None = None
    ) -> None:
        refuse_parts(frame)
        require(frame, ["user_id", "time", "event"])
        self.frame = frame = frame.copy(deep=False)
        event, self.names = names(frame["event"])
        if whole is not None:
            event = _renumbered(event, self.names, whole.names)
            self.names, self.counts = whole.names, whole.counts
        rows, times = None, frame["time"]
        if only is not None:
            wanted = np.array([*(name in only for name in self.names), False], dtype=np.bool_)
            rows = np.flatnonzero(wanted[event])
            self.counts = np.bincount(event + 1, minlength=len(self.names) + 1)[1:]
            if self._as_of_us is None:
                time, no_time = instants(times)
                self._as_of_us = newest(time[~no_time])
            times, event = times.iloc[rows], event[rows]
        time, no_time = instants(times)
        user = ids(frame, rows, warn=whose is not None)
        kept = kept_rows({"user": user < 0, "time": no_time, "event": event < 0}, whose)
        if kept is not None:
            # Rows that are left out count for until when the data are known.
            self._as_of_us = newest(time[~no_time]) if self._as_of_us is None else self._as_of_us
            user, time, event = user[kept], time[kept], event[kept]
            rows = kept if rows is None else rows[kept]
        first = self.names.index("init") if "init" in self.names else -1
        rows, user, time, event = in_order_received(frame, rows, user, time, event)
        order, self.user, self.time, self.event = sort_rows(user, time, event, first)
        self.order = order if rows is None else rows[order].astype(order.dtype)
        self._rows, self._ends = by_code(self.event, len(self.names))
        if only is None and whole is None:
            self.counts = np.diff(self._ends)
        if whose is not None:
            warn_of_duplicates(frame, self.order, self.user, self.time, self.event)

    def __len__(self) -> int:
        return len(self.time)

    def __repr__(self) -> str:
        if not len(self):
            return "EventLog: no events"
        first, last = (np.datetime64(int(moment), "us") for moment in (self.time.min(), self.time.max()))
        part = "" if self.sample == 1 else f", a sample of {self.sample:.3g} of the users"
        found = int((self.counts > 0).sum())
        return (
            f"EventLog: {counted(self.users, 'user')}, {counted(len(self), 'event')} of {counted(found, 'name')}, "
            f"{first.astype('datetime64[D]')} to {last.astype('datetime64[D]')} UTC, "
            f"known until {self.as_of:%Y-%m-%d %H:%M}{part}"
        )

    @cached_property
    def users(self) -> int:
        """The number of users."""
        return int(is_group_start(self.user).sum())

    @property
    def as_of(self) -> Any:
        """Until when the data are known; missing for an empty log."""
        return pd.Timestamp(self.as_of_us, unit="us", tz="UTC").as_unit("us") if len(self) else pd.NaT

    @cached_property
    def as_of_us(self) -> int:
        """`as_of` as `time` has it."""
        return newest(self.time) if self._as_of_us is None else self._as_of_us

    def rows_of(self, code: int) -> Ints:
        """Give the rows of an event by its code, in order."""
        return self._rows[self._ends[code] : self._ends[code + 1]]

    @cached_property
    def instant(self) -> Ints | None:
        """For each event the first of its user's events at the same time; None if no two are at the same time."""
        new = is_group_start(self.time) | is_group_start(self.user)
        if new.all():
            return None
        first = np.where(new, np.arange(len(self), dtype=self.order.dtype), 0)
        return np.maximum.accumulate(first)

    @cached_property
    def system(self) -> Bools:
        """Whether an event is the service's own: by its kind, or by its name where it has none."""
        by_name = np.array([kind_of(name) == "system" for name in self.names], dtype=np.bool_)
        found = by_name[self.event] if len(self) else np.empty(0, dtype=np.bool_)
        if "kind" not in self.frame.columns:
            return found
        codes, kinds = encode(self.frame["kind"])
        kind = codes[self.order]
        by_kind = np.array([*(value == "system" for value in kinds), False], dtype=np.bool_)
        return np.where(kind < 0, found, by_kind[kind])

    @cached_property
    def session(self) -> Ints:
        """The code of each event's session, -1 where it has none."""
        if "session_id" not in self.frame.columns:
            return np.full(len(self), -1, dtype=np.int32)
        codes = combine(self.user, encode(self.frame["session_id"])[0][self.order])
        for name in ("device_id", "session_start"):
            if name in self.frame.columns:
                codes = combine(codes, encode(self.frame[name])[0][self.order] + 1)
        return small(codes, 1 << 16)

    def find(self, name: str) -> str | None:
        """Return the column of `frame` for a name, or None if there is none.

        A column of that very name wins over ``data.<name>``. A property that is only in the JSON column data is first
        turned into a column.
        """
        column = column_of(self.frame, name, "data")
        if column is not None or self._json is None:
            return column
        found = self._json.column(name)
        if found is None:
            return None
        column, values = found
        self.frame[column] = values
        return column

    @property
    def known_columns(self) -> list[str]:
        """The columns, and those that properties would have."""
        known = list(self.frame.columns)
        more = self._json.keys if self._json is not None else self._elsewhere() if self._elsewhere else []
        return [*known, *(name for name in (f"data.{key}" for key in more) if name not in set(known))]

    @property
    def all_in_json(self) -> bool:
        """Whether the column data holds all properties of the events, as JSON."""
        return self._expands

    @property
    def lacks_properties(self) -> bool:
        """Whether the log was made with some of the properties of its store only."""
        return self._elsewhere is not None and not self._expands

    @cached_property
    def _json(self) -> JsonProperties | None:
        return JsonProperties.of(self.frame, "data")

    def values(self, column: str, rows: Ints) -> pd.Series:
        """Give the values of a column of the frame in some rows of the log, the context filled forward."""
        places = self.order[rows]
        if column in CONTEXT and "session_id" in self.frame.columns:
            places = self._filled(column)[rows]
        found = self.frame[column].iloc[np.maximum(places, 0)].reset_index(drop=True)
        return found.mask(places < 0) if (places < 0).any() else found

    def texts(self, name: str, rows: Ints) -> list[str | None]:
        """Give the values of a column as text, None where there is none; the column need not be there."""
        column = self.find(name)
        if column is None:
            return [None] * len(rows)
        codes, values = encode(self.values(column, rows))
        written = [*spelled(values), None]
        return [written[code] for code in codes.tolist()]

    def rows_frame(self, rows: Ints) -> pd.DataFrame:
        """Give some rows of the log as a frame of its own, the context filled forward."""
        frame = self.frame.iloc[self.order[rows]]
        if self._expands and self._json is not None:
            properties = self._json.rows(self.order[rows]).set_index(frame.index)
            frame = pd.concat([frame[frame.columns.difference(properties.columns, sort=False)], properties], axis=1)
        if "session_id" not in frame.columns:
            return frame
        filled = {name: self.values(name, rows).array for name in CONTEXT if name in frame.columns}
        return frame.assign(**filled)

    def _filled(self, column: str) -> Ints:
        """For each event the row of the frame with the value of a column, -1 if none has one."""
        if column not in self._sources:
            order = np.argsort(self.session, kind="stable")
            session = self.session[order]
            has_value = self.frame[column].notna().to_numpy()[self.order[order]]
            place = np.arange(len(order))
            begin = np.maximum.accumulate(np.where(is_group_start(session), place, 0))
            last = np.maximum.accumulate(np.where(has_value, place, -1))
            alone = session < 0
            last = np.where(alone, np.where(has_value, place, -1), np.where(last >= begin, last, -1))
            source = np.full(len(order), -1, dtype=self.order.dtype)
            source[order] = np.where(last >= 0, self.order[order[last]], -1)
            self._sources[column] = source
        return self._sources[column]

    @cached_property
    def _sources(self) -> dict[str, Ints]:
        return {}


Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LogCache(Generic[Key, Value]):
    """Results that one module keeps for each log, for the next question; they go when the log goes.

    With `most`, the oldest result of a log makes room for the next one. No result may refer to its log.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._results: WeakKeyDictionary[EventLog, dict[Key, Value]] = WeakKeyDictionary()

    def get(self, log: EventLog, key: Key, make: Callable[[], Value]) -> Value:
        """Return the result for a key, made on first use."""
        results = self._results.setdefault(log, {})
        if key not in results:
            made = make()
            if len(results) == self._most:
                del results[next(iter(results))]
            results[key] = made
        return results[key]


def as_event_log(
    source: object,
    *,
    only: Collection[str] | None = None,
    as_of: int | None = None,
    within: tuple[dt.datetime | None, dt.datetime | None] = (None, None),
    properties: Collection[str] | None = (),
) -> EventLog:
    """Make of whatever an analysis was given the log that it works on; every analysis takes its input through here.

    Parameters
    ----------
    source : DataFrame, EventLog or EventStore
    only : collection of str, optional
        The only events that the analysis looks at: a DataFrame is then made ready as far as they go.
    as_of : int, optional
        Until when the data are known, if `as_of` was given, so that it need not be found.
    within : tuple of datetime or None
        The instants between which it looks: no more than the sessions that touch them are read from a store.
    properties : collection of str, optional
        The properties that the analysis looks at, see `properties_of`; None if they are not known. Only these are read
        from a store.
    """
    refuse_parts(source)
    if isinstance(source, EventLog):
        return source
    if isinstance(source, EventStore):
        info = source.info()
        frame = source.whole_sessions(*within, events=only, properties=properties)
        log = EventLog(frame, sample=info.sample, as_of=info.as_of)
        log._expands, log._elsewhere = properties is None, partial(_keys, source)
        return log
    if not isinstance(source, pd.DataFrame):
        raise TypeError(
            f"events is of type {type(source).__name__}; pass a DataFrame with user_id, time and event, an EventLog or "
            "an EventStore."
        )
    return EventLog(source) if only is None else EventLog._holding(source, only, as_of)


def _all_events(store: EventStore, properties: Collection[str] | None) -> pd.DataFrame:
    """Read all events of a store: with columns for some properties, or with all properties as JSON."""
    if properties is None:
        return store.events(columns=[*EVENT_LOG, "data"])
    return store.events(properties=known_keys(store.event_properties, properties))


def _keys(store: EventStore) -> list[str]:
    return [one.key for one in store.event_properties().chosen]


#: What an analysis can be asked of.
Events = pd.DataFrame | EventLog | EventStore | Parted


def _renumbered(event: Ints, names: list[str], of_whole: list[str]) -> Ints:
    """The codes that the names have in the whole."""
    place = {name: code for code, name in enumerate(of_whole)}
    if set(names) - set(place):
        raise StoreError(
            "There are events of other names than when Buckets was made, so the files or the store have changed since. "
            "Make it again: nu.Buckets(...)."
        )
    return small(np.array([*(place[name] for name in names), -1])[event], len(place))
