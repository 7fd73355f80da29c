"""The tables of a store, and the views that people ask in SQL.

Tables lie in the schema ``kept``; rows know their user and session by number, so that an id stands in one place. There
are no indexes: DuckDB searches without, and keeps what is deleted where there is one. Keys are unique by `writing`.
"""

from __future__ import annotations

import contextlib
import functools
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.schemas import DEVICES, EVENT_LOG, SESSIONS, USERS
from nucleus_pandas.core.dtypes import COUNT, FLAG, INSTANT, NUMBER, TEXT, Schema
from nucleus_pandas.exceptions import StoreError

if TYPE_CHECKING:
    import duckdb

#: Version of the tables below. A store of another version cannot be read.
VERSION = 3
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
    # last_seen was then. failure: why the sessions could not be loaded. flawed: how many sessions of the last answer
    # could not be read as they should, or 1 where it had none although there must be some; attempts: how many answers
    # in a row were flawed; retry_at: when the next attempt is due.
    f"CREATE TABLE kept.users (user_no INTEGER, {_typed(USERS)}, props VARCHAR, place INTEGER, bucket UTINYINT,"
    " chosen BOOLEAN, asked_at TIMESTAMP, asked_seen TIMESTAMP, failure VARCHAR, flawed INTEGER, attempts UTINYINT,"
    " retry_at TIMESTAMP)",
    f"CREATE TABLE kept.devices (user_no INTEGER, {_typed(_without_user(DEVICES))}, place INTEGER)",
    # events_at: until when the events are known; missing before they are fetched. stale: it has grown since.
    # received_actions, received_errors: how many events came that are no errors, and are, copies included in both, as
    # they may be of either. flawed: how many events could not be read as they should. attempts, retry_at: as for users.
    f"CREATE TABLE kept.sessions (session_no BIGINT, user_no INTEGER, {_typed(_SESSION_COLUMNS)}, events_at TIMESTAMP,"
    " stale BOOLEAN, failure VARCHAR, received_actions BIGINT, received_errors BIGINT, flawed INTEGER,"
    " attempts UTINYINT, retry_at TIMESTAMP)",
    f"CREATE TABLE kept.events (user_no INTEGER, session_no BIGINT, place INTEGER, {_typed(EVENT_COLUMNS)},"
    " data VARCHAR)",
    # listed, counted: how many users the service sent, and how many it counts.
    'CREATE TABLE kept.runs (run INTEGER, "start" TIMESTAMP, "end" TIMESTAMP, window_end TIMESTAMP, as_of TIMESTAMP,'
    " sample DOUBLE, finished BOOLEAN, requests BIGINT, seconds DOUBLE, listed BIGINT, counted BIGINT)",
    "CREATE TABLE kept.exports (folder VARCHAR, made_at TIMESTAMP)",
)
_META = "kept.meta"
# The form of what is noted about the store, and what is noted from the start: without a salt, anybody could look up
# whose id a hash is of.
_META_VALUES = {
    "salt": r"[0-9a-f]{64}",
    "openings": r"[0-9]{1,18}",
    "sample": r"1|1\.0|0\.[0-9]+|[1-9](\.[0-9]+)?e-[0-9]+",
    "seed": r"-?[0-9]+",
    "erased": r"[0-9]{1,9}",
}
_ALWAYS = ("salt", "openings")
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
    """Raise when the file is not a complete store of this version."""
    found, expected = _layout(connection), _expected_layout()
    if not any(name.startswith("kept.") for name in found):
        raise StoreError(
            f"{path} is a DuckDB file, but no store of nucleus_pandas. Choose another path; it was not changed."
        )
    if found.get(_META) != expected[_META]:
        raise _altered(path, f"the table {_META} is not as it was created")
    meta: dict[str, list[str | None]] = {}
    for key, value in connection.execute("SELECT key, value FROM kept.meta").fetchall():
        meta.setdefault(key, []).append(value)
    if not _fits(meta.get("schema"), r"[0-9]{1,9}"):
        raise _altered(path, f"{_META} holds no valid version")
    version = int(meta["schema"][0] or "")
    if version > VERSION:
        raise StoreError(
            f"{path} was written by a newer nucleus_pandas (its tables have version {version}, this one reads "
            f"{VERSION}): pip install --upgrade nucleus-pandas."
        )
    if version < VERSION:
        raise StoreError(
            f"{path} was written by an older nucleus_pandas (its tables have version {version}, this one reads "
            f"{VERSION}), and cannot be converted. Sync into a new file; this one was not changed."
        )
    for name, layout in expected.items():
        if found.get(name) != layout:
            state = "is not as it was created" if name in found else "is missing"
            raise _altered(path, f"the {layout.kind} {name} {state}")
    for key, pattern in _META_VALUES.items():
        if (key in meta or key in _ALWAYS) and not _fits(meta.get(key), pattern):
            raise _altered(path, f"{_META} holds no valid {key}")


def count_rows(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Count the rows of each table of a store."""
    tables = [name for name, layout in _expected_layout().items() if layout.kind == "table"]
    return {name: one_row(connection, f"SELECT count(*) FROM {name}")[0] for name in tables}


class _Layout(NamedTuple):
    """Whether it is a table or a view, and the names and types of the columns."""

    kind: str
    columns: tuple[tuple[str, str], ...]


def _layout(connection: duckdb.DuckDBPyConnection) -> dict[str, _Layout]:
    """Read the tables and views of the current database, by ``schema.name``."""
    where = "WHERE database_name = current_database() AND NOT internal"
    columns: dict[str, list[tuple[str, str]]] = {}
    # Sorted here: to have DuckDB join and sort these takes longer than to open the file.
    for schema, table, _, *column in sorted(
        connection.execute(
            f"SELECT schema_name, table_name, column_index, column_name, data_type FROM duckdb_columns() {where}"
        ).fetchall()
    ):
        columns.setdefault(f"{schema}.{table}", []).append((column[0], column[1]))
    tables = connection.execute(f"SELECT schema_name, table_name FROM duckdb_tables() {where}").fetchall()
    names = {f"{schema}.{table}" for schema, table in tables}
    return {name: _Layout("table" if name in names else "view", tuple(each)) for name, each in columns.items()}


@functools.cache
def _expected_layout() -> dict[str, _Layout]:
    import duckdb

    with contextlib.closing(duckdb.connect()) as connection:
        create(connection)
        return _layout(connection)


def _fits(values: list[str | None] | None, pattern: str) -> bool:
    """Whether there is exactly one value, of the form of the pattern."""
    return values is not None and len(values) == 1 and bool(re.fullmatch(pattern, values[0] or ""))


def _altered(path: Path, problem: str) -> StoreError:
    return StoreError(
        f"{path} is not a complete store: {problem}. Nothing in it was changed. Restore a copy if you have one, or "
        "move it away and sync again."
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
