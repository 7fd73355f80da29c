"""`EventStore`: the tables of a store, in the form of the loaders."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.property_columns import checked_properties
from nucleus_pandas.api.parsing.schemas import EVENT_LOG
from nucleus_pandas.core.files import full_path
from nucleus_pandas.core.instants import When, Zone, make_interval
from nucleus_pandas.core.text import did_you_mean, near_names, shown
from nucleus_pandas.exceptions import StoreError, StoreLockedError
from nucleus_pandas.store import table_frames
from nucleus_pandas.store.database import Database
from nucleus_pandas.store.export import Format, export_tables
from nucleus_pandas.store.gaps import Through, find_gaps, warn_of_gaps
from nucleus_pandas.store.privacy import tombstones
from nucleus_pandas.store.properties import Properties, find_properties, known_keys, require_properties
from nucleus_pandas.store.sql_query import run_query
from nucleus_pandas.store.store_info import StoreInfo, as_html, as_text, read_info, summarize
from nucleus_pandas.store.table_frames import condition_on, naive

if TYPE_CHECKING:
    import duckdb

_MOST_SHOWN = 10


class EventStore:
    """Users, sessions and events of one app, in a DuckDB file that `sync` fills.

    Parameters
    ----------
    path : path
        The file; `sync` creates it if it does not exist. Only your account can read it (0600). While it is in use,
        ``<path>.wal``, ``<path>.tmp`` and ``<path>.lock`` (which keeps two syncs apart) exist beside it. After an
        erasure, ``<path>.erased`` keeps erased users from coming back: move and copy it together with the store.

    Notes
    -----
    The file is open for one operation at a time, so a notebook and a sync can use it in turn: each waits up to 10
    seconds for the other. The frames have the columns and dtypes of the loaders. A store that follows a sample of the
    users returns only these users.

    Raises
    ------
    StoreLockedError
        From every method, when another program keeps the file open.
    StoreError
        From every method, when there is no file, or the file is damaged or not a store.

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
        return as_text(f"EventStore({str(self.path)!r})", self._summary())

    def _repr_html_(self) -> str:
        return as_html(f"EventStore({str(self.path)!r})", self._summary())

    def _summary(self) -> dict[str, str]:
        try:
            return summarize(read_info(self.database, wait=False))
        except StoreLockedError:
            return {"state": "in use; look again later"}
        except (StoreError, OSError) as error:
            return {"state": str(error)}

    def users(self, *, properties: Iterable[str] | None = None) -> pd.DataFrame:
        """Get the users that the store follows: the columns of `load_users`, in the order of the service.

        Parameters
        ----------
        properties : iterable of str, optional
            Properties to turn into columns, for example ``["plan"]``; the others are left out. By default the 200 most
            frequent; if there are more, the others stay together in the column props.

        Returns
        -------
        pandas.DataFrame
            One row per user.

        Raises
        ------
        ValueError
            For a property that no user has; the message suggests similar names.

        Warns
        -----
        UserWarning
            When there are more than 200 different properties.
        """
        wanted = checked_properties(properties, "props")
        with self.database.reading() as connection:
            require_properties(wanted or [], partial(find_properties, connection, "users", "props"))
            return table_frames.read_users(connection, wanted)

    def devices(self) -> pd.DataFrame:
        """Get the devices of these users, with the columns of `load_devices`."""
        with self.database.reading() as connection:
            return table_frames.read_devices(connection)

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
            One row per session, including sessions whose events are not in the store, by user and start.

        Raises
        ------
        ValueError
            For an invalid interval.

        Warns
        -----
        IncompleteDataWarning
            When the interval was not fully synced, or users could not be loaded.
        """
        span = make_interval(start, end, tz)
        with self.database.reading() as connection:
            frame = table_frames.read_sessions(connection, *condition_on('"start"', *span))
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
            Only these columns, in this order, which is faster. ``data.<key>`` is a property, missing everywhere if no
            event has it; ``data`` is the JSON text of all properties of an event.
        properties : iterable of str, optional
            Properties to turn into columns, for example ``["format"]``; the others are left out, which is faster. By
            default the 200 most frequent; if there are more, the others stay together in the column data.

        Returns
        -------
        pandas.DataFrame
            One row per event, by user, session and the order received.

        Raises
        ------
        ValueError
            For an unknown event, column or property (the message suggests similar names), for `columns` together with
            `properties`, and for an invalid interval.

        Warns
        -----
        IncompleteDataWarning
            When the interval was not fully synced, or users or sessions could not be loaded.
        UserWarning
            When there are more than 200 different properties.
        """
        span = make_interval(start, end, tz)
        wanted = None if columns is None else _checked_columns(columns)
        if wanted is not None and properties is not None:
            raise ValueError("Pass columns or properties, not both. In columns, write a property as data.<key>.")
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
            frame = table_frames.read_events(connection, condition, values, columns, properties)
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
        """Get the events of all sessions that overlap an interval; analyses of a store read these.

        Only the first event of a session carries the version and the like, so an interval must not cut it off.

        Parameters
        ----------
        start, end : datetime or None
            Instants; the window after the interval of a sync counts as synced.
        events : iterable of str, optional
            Only events of these names.
        properties : iterable of str, optional
            Properties to turn into columns, if any event of the store has them. By default they stay together in the
            column data, as JSON.

        Returns
        -------
        pandas.DataFrame
            One row per event.

        Raises
        ------
        ValueError
            For an unknown event.

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
        """Find properties of events: the given keys that any event has, by default the 200 most frequent keys."""
        if keys is not None and not keys:
            return Properties([], 0)
        with self.database.reading() as connection:
            return find_properties(connection, "kept.events", "data", keys)

    def sql(self, query: str) -> pd.DataFrame:
        """Run a SELECT in DuckDB's SQL on the tables of the store.

        Parameters
        ----------
        query : str
            One SELECT over the views ``users``, ``devices``, ``sessions`` and ``events``, which have the columns of the
            loaders. Properties are JSON: ``props ->> 'plan'``, ``data ->> 'format'``. Instants are naive, in UTC.

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
        if not isinstance(query, str) or not query.strip():
            raise ValueError('query must be one SELECT statement, such as "SELECT count(*) FROM events".')
        with self.database.reading() as connection:
            return run_query(connection, query)

    def info(self) -> StoreInfo:
        """Summarize what the store holds.

        Returns
        -------
        StoreInfo
            A named tuple; all zeros if the file does not exist.
        """
        return read_info(self.database)

    def export(
        self,
        folder: str | os.PathLike[str],
        *,
        format: Format = "parquet",  # noqa: A002
        properties: Iterable[str] | None = None,
        excel: bool = False,
    ) -> list[Path]:
        """Write the tables as files for other tools. Only your account can read the folder and the files.

        Parameters
        ----------
        folder : path
            Created if it does not exist; it must be empty.
        format : {"parquet", "csv"}
            ``parquet``: users.parquet, devices.parquet, sessions.parquet, and events in one folder per bucket,
            ``events/bucket=7/...``. All events of a user are in one of the 64 buckets, see `Buckets`. ``csv``: one
            file per table; texts that a spreadsheet would run as a formula start with an apostrophe.
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
            For an unknown format, a folder that is not empty, or an unknown property; nothing is written.
        StoreLockedError
            While a sync or an erasure is at work on the store.
        StoreError
            When the files cannot be written, for example because the disk is full; none are left behind.

        Warns
        -----
        UserWarning
            When users or events have more than 200 different properties.

        Notes
        -----
        Beside Parquet files, ``about.json`` records until when the data are known, what was synced, and the share of
        users that is followed. The columns are those of the loaders, including ``props.<key>`` and ``data.<key>``, as
        boolean, integer, float or text.

        Some properties get no column in Parquet files and are in the JSON column props or data, with their exact keys
        and values: those with values of several types, with nested values, or with control characters; and, of keys
        that differ in case only, all but the first. Analyses of the export find them there. In CSV files these
        properties are columns of text, and a key that differs from another in case only gets an underscore at the end.

        The bucket of events is in the names of the folders, which tools read as a column; in CSV files it is a column.
        ``event_no`` numbers the events in the order of the store. Times are in UTC; in CSV files they are ISO 8601,
        such as ``2026-10-24T10:00:00.000000Z``.

        Memory holds one bucket of events at a time, or several small ones together.

        The store cannot erase users from exports. It keeps a list of its exports, which `forget_user` reports.
        """
        wanted = checked_properties(properties, "data")
        target = full_path("folder", folder)
        return export_tables(self.database, target, format, self.info().sample, wanted, excel=excel)

    def reset_erased(self) -> None:
        """Forget who was erased from this store, for when the file that records it is lost or damaged for good.

        Raises
        ------
        StoreLockedError, StoreError
            When a sync or an erasure is running, or the store cannot be used.

        Notes
        -----
        The file is ``<path>.erased``; it is deleted if it exists. From then on a sync takes in everybody the service
        lists, and does not finish erasures that stopped half-way.
        """
        with self.database.alone("reset_erased"):
            tombstones.reset(self.database)


def check_store(store: object) -> EventStore:
    """Give back the store, or say what to pass in its place."""
    if not isinstance(store, EventStore):
        raise TypeError(f'store is of type {type(store).__name__}; pass nucleus_pandas.EventStore("myapp.duckdb").')
    return store


def ids_of_users(name: str, users: pd.DataFrame | Iterable[str]) -> list[str]:
    """Return the ids of users passed as rows or as ids; of rows the service's id, else the app's."""
    if isinstance(users, pd.DataFrame):
        columns = [column for column in ("user_db_id", "user_id") if column in users.columns]
        if not columns:
            raise ValueError(f"{name} has neither a column user_id nor user_db_id. Pass rows of store.users(), or ids.")
        return users[columns].bfill(axis=1).iloc[:, 0].dropna().astype(str).tolist()
    ids = [] if isinstance(users, str | Mapping) or not isinstance(users, Iterable) else list(users)
    if isinstance(users, str | Mapping) or not isinstance(users, Iterable) or not all(isinstance(i, str) for i in ids):
        raise TypeError(f"{name} must be rows of store.users(), or a list of ids that are text.")
    return ids


def _checked_columns(columns: Iterable[str]) -> list[str]:
    wanted = [columns] if isinstance(columns, str) else list(columns)
    if not wanted or len(set(wanted)) < len(wanted):
        raise ValueError("columns must name at least one column, and each column once.")
    for name in wanted:
        if name not in EVENT_LOG and name != "data" and not str(name).startswith("data."):
            raise ValueError(
                f"columns: {shown(name)} is not a column of the event log. Columns are {', '.join(EVENT_LOG)}, "
                "data.<key> for each property, and data for the JSON of all of them."
            )
    return wanted


def _known_events(connection: duckdb.DuckDBPyConnection, events: Iterable[str]) -> list[str]:
    """The requested names, all of them known to the store."""
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
