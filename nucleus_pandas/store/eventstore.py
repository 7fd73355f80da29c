"""`EventStore`: the tables of a store, as the loaders would have given them."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.people import checked_properties
from nucleus_pandas.api.parsing.schemas import EVENT_LOG
from nucleus_pandas.core.files import full_path
from nucleus_pandas.core.instants import When, Zone, make_interval
from nucleus_pandas.core.text import did_you_mean, near_names, shown
from nucleus_pandas.store import table_frames as reading
from nucleus_pandas.store.database import Database
from nucleus_pandas.store.export import Format, export_tables
from nucleus_pandas.store.gaps import Through, find_gaps, synced_spans, warn_of_gaps
from nucleus_pandas.store.privacy import tombstones
from nucleus_pandas.store.properties import Properties, find_properties, known_keys, require_properties
from nucleus_pandas.store.schema import get_meta
from nucleus_pandas.store.sync.completeness import MISSING, SHORT, USER_SHORT
from nucleus_pandas.store.sync.selection import ids_of_users
from nucleus_pandas.store.table_frames import condition_on, naive
from nucleus_pandas.store.user_sql import check_query

if TYPE_CHECKING:
    import duckdb

_MOST_SHOWN = 10


class StoreInfo(NamedTuple):
    """What a store holds.

    Attributes
    ----------
    path : pathlib.Path
        The file, links followed.
    app_id : str or None
        The app that it is of; None as long as nothing was synced.
    users, followed : int
        Users of the app, and those of them whose sessions and events are fetched.
    sessions, fetched_sessions, events : int
        Sessions that are known, those with their events, and these.
    first_event, last_event : datetime or None
        The span of the events' times, by the users' own clocks.
    spans : tuple of (datetime, datetime)
        What was synced to the end, without the window after it; of older syncs without the last two days, which still
        grew.
    as_of : datetime or None
        Until when the data are known: when the last finished sync began.
    sample : float
        Share of the app's users that is followed.
    bytes : int
        What it takes on the disk.
    missing_users, missing_sessions : int
        Users and sessions that could not be loaded yet, or only in part; later syncs request them again.
    missing_events : int
        Events that the service counts in its lists of sessions and has not returned.
    unfinished : bool
        Whether the last sync was stopped before its end.
    pending_erasures : int or None
        People whose erasure stopped half-way, or was not confirmed by the service: the next `forget_user` or `sync`
        completes it. None if ``<path>.erased`` is missing or damaged.
    """

    path: Path
    app_id: str | None = None
    users: int = 0
    followed: int = 0
    sessions: int = 0
    fetched_sessions: int = 0
    events: int = 0
    first_event: dt.datetime | None = None
    last_event: dt.datetime | None = None
    spans: tuple[tuple[dt.datetime, dt.datetime], ...] = ()
    as_of: dt.datetime | None = None
    sample: float = 1.0
    bytes: int = 0
    missing_users: int = 0
    missing_sessions: int = 0
    missing_events: int = 0
    unfinished: bool = False
    pending_erasures: int | None = 0


class EventStore:
    """Users, sessions and events of one app, in a DuckDB file that `sync` fills.

    Parameters
    ----------
    path : path
        The file; `sync` creates it if it does not exist. Only your account can read it (0600). While it is in use,
        DuckDB's ``<path>.wal`` and ``<path>.tmp`` exist beside it, and ``<path>.lock``, which keeps two syncs apart.
        Once somebody was erased, ``<path>.erased`` keeps them from coming back: move and copy it together with the
        store.

    Notes
    -----
    The file is open for one operation at a time, so a notebook and a sync can use it in turn: each waits up to 10
    seconds for the other. The frames have the columns and dtypes of the loaders. A store that follows a sample of the
    users gives these users only.

    Raises
    ------
    StoreLockedError
        From every method, when another program keeps the file open.
    StoreError
        From every method, when there is no file, or it is damaged or no store.

    Examples
    --------
    >>> app = nu.demo_client(scale=0.1)
    >>> store = nu.EventStore("myapp.duckdb")
    >>> report = nu.sync(app, store, "2026-11-01", "2026-11-14")
    >>> log = store.events("2026-11-01", "2026-11-14")
    >>> "init" in set(log["event"])
    True
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise TypeError(f'path={path!r} must be the path of a file, such as "myapp.duckdb".')
        self.path = Path(path)
        self.database = Database(self.path)

    def __repr__(self) -> str:
        return f"EventStore({str(self.path)!r})"

    def users(self, *, properties: Iterable[str] | None = None) -> pd.DataFrame:
        """Get the users that the store follows, with the columns of `load_users`, in the order of the service.

        Parameters
        ----------
        properties : iterable of str, optional
            Properties to turn into columns, for example ``["plan"]``; the others are left out. By default the 200 most
            frequent; if there are more, the others stay together in the column props.

        Returns
        -------
        pandas.DataFrame
            One row a user.

        Raises
        ------
        ValueError
            For a property that no user has, with the nearest names.

        Warns
        -----
        UserWarning
            When there are more than 200 different properties.
        """
        wanted = checked_properties(properties, "props")
        with self.database.reading() as connection:
            require_properties(wanted or [], partial(find_properties, connection, "users", "props"))
            return reading.read_users(connection, wanted)

    def devices(self) -> pd.DataFrame:
        """Get their devices, with the columns of `load_devices`."""
        with self.database.reading() as connection:
            return reading.read_devices(connection)

    def sessions(self, start: When | None = None, end: When | None = None, *, tz: Zone = "UTC") -> pd.DataFrame:
        """Get sessions, with the columns of `load_sessions`.

        Parameters
        ----------
        start, end : date or datetime, optional
            Only sessions that start in this interval; a bare date as `end` means that whole day.
        tz : str, int or tzinfo
            Zone of the dates.

        Returns
        -------
        pandas.DataFrame
            One row a session, also those whose events are not in the store, by user and start.

        Raises
        ------
        ValueError
            For an interval that cannot be.

        Warns
        -----
        IncompleteDataWarning
            When the interval was not synced as a whole, or users could not be loaded.
        """
        span = make_interval(start, end, tz)
        with self.database.reading() as connection:
            frame = reading.read_sessions(connection, *condition_on('"start"', *span))
            gaps = find_gaps(connection, *span)
        warn_of_gaps(gaps)
        return frame

    def events(
        self,
        start: When | None = None,
        end: When | None = None,
        *,
        tz: Zone = "UTC",
        events: Iterable[str] | None = None,
        users: pd.DataFrame | Iterable[str] | None = None,
        columns: Iterable[str] | None = None,
        properties: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Get the event log, with the columns of `load_session_events`.

        Parameters
        ----------
        start, end : date or datetime, optional
            Only events of this interval; a bare date as `end` means that whole day.
        tz : str, int or tzinfo
            Zone of the dates.
        events : iterable of str, optional
            Only events of these names.
        users : pandas.DataFrame or iterable of str, optional
            Only of these users: rows with user_id and user_db_id, or ids of either kind.
        columns : iterable of str, optional
            Only these columns, in this order; which is faster. ``data.<key>`` is a property, missing throughout if no
            event has it; ``data`` is the JSON text of all properties of an event.
        properties : iterable of str, optional
            Properties to turn into columns, for example ``["format"]``; the others are left out, which is faster. By
            default the 200 most frequent; if there are more, the others stay together in the column data.

        Returns
        -------
        pandas.DataFrame
            One row an event, by user, session and the order in which they came.

        Raises
        ------
        ValueError
            For an event, a column or a property that is not there, with the nearest names, for `columns` together with
            `properties`, and for an interval that cannot be.

        Warns
        -----
        IncompleteDataWarning
            When the interval was not synced as a whole, or users or sessions could not be loaded.
        UserWarning
            When there are more than 200 different properties.
        """
        span = make_interval(start, end, tz)
        wanted = None if columns is None else _checked_columns(columns)
        if wanted is not None and properties is not None:
            raise ValueError("Pass columns or properties, not both: among columns, a property is data.<key>.")
        named = checked_properties(properties, "data")
        require_properties(named or [], self.event_properties)
        return self._read_events(
            *condition_on("e.time", *span), span, events=events, users=users, columns=wanted, properties=named
        )

    def _read_events(
        self,
        condition: str,
        values: list[Any],
        span: tuple[dt.datetime | None, dt.datetime | None],
        *,
        events: Iterable[str] | None = None,
        users: pd.DataFrame | Iterable[str] | None = None,
        columns: list[str] | None = None,
        properties: list[str] | None = None,
        through: Through = "end",
    ) -> pd.DataFrame:
        with self.database.reading() as connection:
            if events is not None:
                connection.register("names", {"name": np.array(_known_events(connection, events), dtype=object)})
                condition += " AND e.event IN (FROM names)"
            if users is not None:
                connection.register("ids", {"id": np.array(ids_of_users("users", users), dtype=object)})
                condition += " AND (u.user_id IN (FROM ids) OR u.user_db_id IN (FROM ids))"
            frame = reading.read_events(connection, condition, values, columns, properties)
            gaps = find_gaps(connection, *span, through)
        warn_of_gaps(gaps)
        return frame

    def whole_sessions(
        self,
        start: dt.datetime | None,
        end: dt.datetime | None,
        *,
        events: Iterable[str] | None = None,
        properties: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Get the events of all sessions that touch an interval, as `events` does; what analyses of a store read.

        A session's first event tells what the others do not, such as the version, so an interval must not cut it off.

        Parameters
        ----------
        start, end : datetime or None
            Instants; the window after the interval of a sync counts as synced.
        events : iterable of str, optional
            Only events of these names.
        properties : iterable of str, optional
            Properties to turn into columns, as far as any event of the store has them. By default they stay together in
            the column data, as JSON.

        Returns
        -------
        pandas.DataFrame
            One row an event.

        Raises
        ------
        ValueError
            For an event that is not there.

        Warns
        -----
        IncompleteDataWarning
            As `events`.
        """
        bounds = [('coalesce(s."end", s."start") >= ?', start), ('coalesce(s."start", s."end") <= ?', end)]
        given = [(text, naive(bound)) for text, bound in bounds if bound is not None]
        condition = " AND ".join(text for text, _ in given) or "TRUE"
        values = [bound for _, bound in given]
        columns = [*EVENT_LOG, "data"] if properties is None else None
        named = None if properties is None else known_keys(self.event_properties, list(properties))
        return self._read_events(
            condition, values, (start, end), events=events, columns=columns, properties=named, through="window_end"
        )

    def event_properties(self, keys: Collection[str] | None = None) -> Properties:
        """Find properties of events: those of some keys that any event has, by default the 200 most frequent."""
        if keys is not None and not keys:
            return Properties([], 0)
        with self.database.reading() as connection:
            return find_properties(connection, "kept.events", "data", keys)

    def sql(self, query: str) -> pd.DataFrame:
        """Get the answer to a question in SQL, in DuckDB's dialect.

        Parameters
        ----------
        query : str
            One SELECT over the views ``users``, ``devices``, ``sessions`` and ``events``, which have the columns of the
            loaders. Properties are JSON: ``props ->> 'plan'``, ``data ->> 'format'``. Instants are UTC, without a zone.

        Returns
        -------
        pandas.DataFrame
            The rows as DuckDB converts them.

        Raises
        ------
        ValueError
            When DuckDB cannot understand or answer the query, or when the query is anything but one SELECT over these
            views.

        Notes
        -----
        A query can use subqueries, common table expressions (``WITH``), ``DESCRIBE`` and ``SUMMARIZE`` of a view, and
        the table functions range, generate_series, unnest, json_each and json_tree. It reads no other tables and no
        files, and changes nothing.
        """
        import duckdb

        if not isinstance(query, str) or not query.strip():
            raise ValueError('query must be a question in SQL, such as "SELECT count(*) FROM events".')
        with self.database.reading() as connection:
            connection.execute("SET enable_external_access = false")
            # Names that are no tables would be taken for variables of Python.
            connection.execute("SET python_enable_replacements = false")
            check_query(connection, query)
            try:
                return connection.execute(query).df()
            except (duckdb.ParserException, duckdb.CatalogException, duckdb.BinderException) as error:
                problem = f"The query cannot be understood by DuckDB: {error}"
            except (duckdb.ProgrammingError, duckdb.DataError):
                # DuckDB's own words can hold parts of the data.
                problem = "The query cannot be answered: a value does not fit what is done with it."
        raise ValueError(problem)

    def info(self) -> StoreInfo:
        """Tell what the store holds.

        Returns
        -------
        StoreInfo
            A named tuple; see its attributes. For a file that does not exist, one of zeros.
        """
        path = self.database.path
        if not self.database.exists:
            return StoreInfo(path)
        with self.database.reading() as connection:
            answer = connection.execute(_COUNTS)
            names, (row,) = [column for column, *_ in answer.description], answer.fetchall()
            spans = tuple((_aware(span.start), _aware(span.end)) for span in synced_spans(connection))
            app_id, sample = get_meta(connection, "app_id"), float(get_meta(connection, "sample") or 1)
            pending = tombstones.count_pending(connection, path)
        counts = {name: _aware(value) for name, value in zip(names, row, strict=True)}
        if sample < 1 and counts["users"]:
            sample = counts["followed"] / counts["users"]
        return StoreInfo(
            path,
            app_id=app_id,
            spans=spans,
            sample=sample,
            bytes=path.stat().st_size,
            pending_erasures=pending,
            **counts,
        )

    def export(
        self,
        folder: str | os.PathLike[str],
        *,
        format: Format = "parquet",  # noqa: A002
        properties: Iterable[str] | None = None,
        excel: bool = False,
    ) -> list[Path]:
        """Write the tables as files, for other tools; the folder and files can be read by your account only.

        Parameters
        ----------
        folder : path
            Made if it does not exist; it must be empty.
        format : {"parquet", "csv"}
            ``parquet``: users.parquet, devices.parquet, sessions.parquet, and events in a folder for each of 64
            buckets, ``events/bucket=7/...``: all events of a user lie in one, see `Buckets`. ``csv``: a file
            each; texts that a spreadsheet would take for a formula have an apostrophe in front.
        properties : iterable of str, optional
            Properties of users and events to write; the others are left out. By default all: the 200 most frequent of
            each as columns, the others together in the column props or data, as JSON.
        excel : bool, default False
            Begin CSV files with a byte order mark, so that Excel reads them as UTF-8.

        Returns
        -------
        list of pathlib.Path
            The files.

        Raises
        ------
        ValueError
            For another format, a folder that holds something, or a property that neither users nor events have; nothing
            is written.
        StoreLockedError
            While a sync or an erasure is at work on the store.
        StoreError
            When the files cannot be written, for example on a full disk; none are left.

        Warns
        -----
        UserWarning
            When users or events have more than 200 different properties.

        Notes
        -----
        Beside Parquet files, ``about.json`` tells until when the data are known, what was synced, and which share of
        the users that is. The columns are those of the loaders, ``props.<key>`` and ``data.<key>`` among them, as
        boolean, integer, float or text.

        Some properties get no column in Parquet files and are in the JSON column props or data, with their exact keys
        and values: those with values of several types, with nested values, or with control characters; and, of keys
        that differ in case only, all but the first. Analyses of the export find them there. In CSV files these
        properties are columns of text, and a key that differs from another in case only gets an underscore at the end.

        The bucket of events is in the names of folders, which
        tools read as a column; in CSV files it is a column. ``event_no`` numbers the events in the order of the store.
        Times are instants in UTC, in CSV files ISO 8601 such as ``2026-10-24T10:00:00.000000Z``.

        Memory holds one bucket of events at a time, or several small ones together.

        What was exported is out of the store's reach: `forget_user` tells which exports there are, by the list that the
        store keeps of them.
        """
        wanted = checked_properties(properties, "data")
        target = full_path("folder", folder)
        return export_tables(self.database, target, format, self.info().sample, wanted, excel=excel)

    def reset_erased(self) -> None:
        """Forget who was erased from this store, when the file that tells is lost or damaged for good.

        Raises
        ------
        StoreLockedError, StoreError
            When a sync or an erasure is running, or the store cannot be used.

        Notes
        -----
        The file is ``<path>.erased``. It is deleted if it is there. From then on a sync takes in again whomever the
        service lists, and does not finish erasures that stopped half-way.
        """
        with self.database.alone("reset_erased"):
            tombstones.reset(self.database)


def check_store(store: object) -> EventStore:
    """Give back the store, or say what to pass in its place."""
    if not isinstance(store, EventStore):
        raise TypeError(f'store is of type {type(store).__name__}; pass nucleus_pandas.EventStore("myapp.duckdb").')
    return store


_COUNTS = f"""
SELECT (SELECT count(*) FROM kept.users) AS users,
    (SELECT count(*) FROM kept.users WHERE chosen) AS followed,
    (SELECT count(*) FROM kept.sessions) AS sessions,
    (SELECT count(*) FROM kept.sessions WHERE events_at IS NOT NULL) AS fetched_sessions,
    (SELECT count(*) FROM kept.events) AS events,
    (SELECT min(time) FROM kept.events) AS first_event,
    (SELECT max(time) FROM kept.events) AS last_event,
    (SELECT max(as_of) FROM kept.runs WHERE finished) AS as_of,
    (SELECT count(*) FROM kept.users u WHERE failure IS NOT NULL OR (chosen AND {USER_SHORT})) AS missing_users,
    (SELECT count(*) FROM kept.sessions s WHERE failure IS NOT NULL OR {SHORT}) AS missing_sessions,
    (SELECT coalesce(sum({MISSING}), 0)::BIGINT FROM kept.sessions s WHERE {SHORT}) AS missing_events,
    coalesce((SELECT NOT arg_max(finished, run) FROM kept.runs), false) AS unfinished
"""


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=dt.UTC) if isinstance(value, dt.datetime) else value


def _checked_columns(columns: Iterable[str]) -> list[str]:
    wanted = [columns] if isinstance(columns, str) else list(columns)
    if not wanted or len(set(wanted)) < len(wanted):
        raise ValueError("columns must name at least one column, and each of them once.")
    for name in wanted:
        if name not in EVENT_LOG and name != "data" and not str(name).startswith("data."):
            raise ValueError(
                f"columns: {shown(name)} is no column of the event log. There are {', '.join(EVENT_LOG)}, data.<key> "
                "for each property, and data for the JSON of all of them."
            )
    return wanted


def _known_events(connection: duckdb.DuckDBPyConnection, events: Iterable[str]) -> list[str]:
    """The names asked for, each of which some event of the store has."""
    wanted = [events] if isinstance(events, str) else list(events)
    found = connection.execute(
        "SELECT event FROM kept.events WHERE event IS NOT NULL GROUP BY event ORDER BY count(*) DESC, event"
    ).fetchall()
    known = [row[0] for row in found]
    for name in wanted:
        if name not in known:
            hint = did_you_mean(near_names(str(name), known))
            raise ValueError(
                f"events: the store has no event {shown(name)}.{hint} The most frequent are "
                f"{', '.join(map(shown, known[:_MOST_SHOWN])) or 'none'}."
            )
    return wanted
