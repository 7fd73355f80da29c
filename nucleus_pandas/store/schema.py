"""The tables of a store, and the views that people ask in SQL.

Tables lie in the schema ``kept``; rows know their user and session by number, so that an id stands in one place. There
are no indexes: DuckDB searches without, and keeps what is deleted where there is one. Keys are unique by `writing`.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nucleus_pandas.api.columns import COUNT, FLAG, INSTANT, NUMBER, TEXT
from nucleus_pandas.api.frames import DEVICES, EVENT_LOG, SESSIONS, USERS, Schema
from nucleus_pandas.exceptions import StoreError

if TYPE_CHECKING:
    import duckdb

#: Of the tables below. A store of a later one cannot be read; one of an earlier one will be brought up to date.
VERSION = 1
#: Users are spread over so many buckets by a hash that is the same in every version: all of a user lies in one.
BUCKETS = 64

_TYPES = {str(TEXT): "VARCHAR", str(COUNT): "BIGINT", str(FLAG): "BOOLEAN", str(INSTANT): "TIMESTAMP"}
_TYPES[str(NUMBER)] = "DOUBLE"

_OF_USER = ("user_id", "user_db_id")
_OF_SESSION = ("device_id", "session_id", "session_start")
#: What stands in the table of the events itself, and not in those of users and sessions.
EVENT_COLUMNS: Schema = {name: dtype for name, dtype in EVENT_LOG.items() if name not in (*_OF_USER, *_OF_SESSION)}


def _typed(columns: Schema) -> str:
    return ", ".join(f'"{name}" {_TYPES[str(dtype)]}' for name, dtype in columns.items())


def _without_user(columns: Schema) -> Schema:
    return {name: dtype for name, dtype in columns.items() if name not in _OF_USER}


_SESSION_COLUMNS = {name: dtype for name, dtype in _without_user(SESSIONS).items() if name != "duration_seconds"}

_TABLES = (
    "CREATE SCHEMA kept",
    "CREATE TABLE kept.meta (key VARCHAR, value VARCHAR)",
    # chosen: whether the store follows the user. asked_at: until when the sessions are known; asked_seen: what
    # last_seen was then. failure: why the sessions could not be loaded.
    f"CREATE TABLE kept.users (user_no INTEGER, {_typed(USERS)}, props VARCHAR, place INTEGER, bucket UTINYINT,"
    " chosen BOOLEAN, asked_at TIMESTAMP, asked_seen TIMESTAMP, failure VARCHAR)",
    f"CREATE TABLE kept.devices (user_no INTEGER, {_typed(_without_user(DEVICES))}, place INTEGER)",
    # events_at: until when the events are known; missing before they are fetched. stale: it has grown since.
    f"CREATE TABLE kept.sessions (session_no BIGINT, user_no INTEGER, {_typed(_SESSION_COLUMNS)}, events_at TIMESTAMP,"
    " stale BOOLEAN, failure VARCHAR)",
    f"CREATE TABLE kept.events (user_no INTEGER, session_no BIGINT, place INTEGER, {_typed(EVENT_COLUMNS)},"
    " data VARCHAR)",
    'CREATE TABLE kept.runs (run INTEGER, "start" TIMESTAMP, "end" TIMESTAMP, window_end TIMESTAMP, as_of TIMESTAMP,'
    " sample DOUBLE, finished BOOLEAN, requests BIGINT, seconds DOUBLE)",
    "CREATE TABLE kept.exports (folder VARCHAR, made_at TIMESTAMP)",
)
_VIEWS = (
    f"CREATE VIEW users AS SELECT {', '.join(USERS)}, props, bucket FROM kept.users WHERE chosen ORDER BY place",
    f"CREATE VIEW devices AS SELECT {', '.join(f'u.{name}' for name in _OF_USER)},"
    f" {', '.join(f'd.{name}' for name in _without_user(DEVICES))}"
    " FROM kept.devices d JOIN kept.users u USING (user_no) WHERE u.chosen ORDER BY u.place, d.place",
    'CREATE VIEW sessions AS SELECT u.user_id, u.user_db_id, s.device_id, s.session_id, s."start", s."end",'
    ' epoch_us(s."end" - s."start") / 1e6 AS duration_seconds, s.actions, s.errors, s.events_at, u.bucket'
    " FROM kept.sessions s JOIN kept.users u USING (user_no)"
    ' ORDER BY u.place, u.user_no, s."start" NULLS LAST, s.device_id, s.session_id',
    'CREATE VIEW events AS SELECT u.user_id, u.user_db_id, s.device_id, s.session_id, s."start" AS session_start,'
    f" {', '.join(f'e.{name}' for name in EVENT_COLUMNS)}, e.data, u.bucket, e.session_no, e.place"
    " FROM kept.events e JOIN kept.users u USING (user_no) JOIN kept.sessions s USING (session_no)",
)


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables and views of an empty store."""
    for statement in (*_TABLES, *_VIEWS):
        connection.execute(statement)
    set_meta(connection, "schema", str(VERSION))
    set_meta(connection, "salt", secrets.token_hex(32))
    set_meta(connection, "openings", "0")


def check(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise where the file is not a store that this version can read."""
    (tables,) = one_row(connection, "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'kept'")
    if not tables:
        raise StoreError(
            f"{path} is a DuckDB file, but no store of nucleus_pandas. Choose another path; it was not changed."
        )
    version = int(get_meta(connection, "schema") or 0)
    if version > VERSION:
        raise StoreError(
            f"{path} was written by a newer nucleus_pandas (its tables are of version {version}, this one knows "
            f"{VERSION}): pip install --upgrade nucleus-pandas."
        )


def one_row(connection: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
    """Give the only row of an answer; DuckDB 2 wants each answer to be read to its end."""
    (row,) = connection.execute(query, values).fetchall()
    return row


def check_app(connection: duckdb.DuckDBPyConnection, app_id: str, path: Path) -> None:
    """Raise where the store is that of another app."""
    known = get_meta(connection, "app_id")
    if known not in (None, app_id):
        raise StoreError(
            f"{path} is the store of another app, {known!r}; this client is of {app_id!r}. Use its own file."
        )


def get_meta(connection: duckdb.DuckDBPyConnection, key: str) -> str | None:
    """Give what is noted about the store as a whole."""
    (value,) = one_row(connection, "SELECT max(value) FROM kept.meta WHERE key = ?", [key])
    return value  # type: ignore[no-any-return]


def set_meta(connection: duckdb.DuckDBPyConnection, key: str, value: str) -> None:
    """Note something about the store as a whole."""
    connection.execute("DELETE FROM kept.meta WHERE key = ?", [key])
    connection.execute("INSERT INTO kept.meta VALUES (?, ?)", [key, value])


def to_sql(columns: dict[str, Any]) -> dict[str, Any]:
    """Give columns as the arrays that DuckDB reads without pyarrow."""
    return {name: _array(values) for name, values in columns.items()}


def _array(values: Any) -> Any:
    if isinstance(values, list):
        return np.array(values, dtype=object)
    series: Any = pd.Series(values)
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        return series.dt.tz_localize(None).to_numpy("datetime64[us]")
    if pd.api.types.is_extension_array_dtype(series.dtype):
        return series.to_numpy(dtype=object, na_value=None)
    return series.to_numpy()
