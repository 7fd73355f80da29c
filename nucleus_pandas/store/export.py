"""The tables of a store as files."""

from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nucleus_pandas.api.frames import DEVICES, EVENT_LOG, SESSIONS, USERS
from nucleus_pandas.exceptions import StoreError

if TYPE_CHECKING:
    import duckdb

    from nucleus_pandas.store.database import Database

Format = Literal["parquet", "csv"]

_TYPES = {"BOOLEAN": "BOOLEAN", "BIGINT": "BIGINT", "UBIGINT": "BIGINT", "DOUBLE": "DOUBLE"}
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = r"^[=+\-@\t\r]"
_TABLES = {
    "users": (USERS, "props"),
    "devices": (DEVICES, ""),
    "sessions": (SESSIONS, ""),
    "events": (EVENT_LOG, "data"),
}


def export_tables(database: Database, folder: Path, format: Format) -> list[Path]:  # noqa: A002
    """Write users, devices, sessions and events into an empty folder, and note in the store that they are there."""
    if format not in ("parquet", "csv"):
        raise ValueError(f'format={format!r} is not known; write "parquet" or "csv".')
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        empty = not any(folder.iterdir())
    except OSError:
        raise StoreError(f"The folder {folder} cannot be made. Choose another one.") from None
    if not empty:
        raise ValueError(f"folder: {folder} is not empty. Choose a new one; nothing was written.")
    folder.chmod(stat.S_IRWXU)
    with database.reading() as connection:
        for name in _TABLES:
            _copy(connection, name, folder, format)
    with database.writing() as connection:
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        connection.execute("INSERT INTO kept.exports VALUES (?, ?)", [str(folder), now])
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return files


def _copy(connection: duckdb.DuckDBPyConnection, table: str, folder: Path, format: Format) -> None:  # noqa: A002
    schema, properties = _TABLES[table]
    columns = {name: f'"{name}"' for name in schema}
    if properties:
        columns |= _property_columns(connection, table, properties)
    if table == "events":
        columns["bucket"] = "bucket"
    options = "FORMAT csv, HEADER" if format == "csv" else "FORMAT parquet"
    if format == "csv":
        columns = {name: _defused(connection, table, expression) for name, expression in columns.items()}
        target = folder / f"{table}.csv"
    elif table == "events":
        target, options = folder / table, "FORMAT parquet, PARTITION_BY (bucket), WRITE_PARTITION_COLUMNS true"
    else:
        target = folder / f"{table}.parquet"
    chosen = ", ".join(f"{expression} AS {_name(name)}" for name, expression in columns.items())
    order = "ORDER BY bucket, user_id, session_no, place" if table == "events" else ""
    connection.execute(f"COPY (SELECT {chosen} FROM {table} {order}) TO {_text(str(target))} ({options})")


def _property_columns(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> dict[str, str]:
    """The expression for each key of the JSON objects, of the type that all its values have, else text."""
    rows = connection.execute(
        f"SELECT key, json_type({column}, pointer) AS type FROM"
        f" (SELECT {column}, unnest(json_keys({column})) AS key,"
        " '/' || replace(replace(key, '~', '~0'), '/', '~1') AS pointer"
        f" FROM (SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL)) GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    types: dict[str, set[str]] = {}
    for key, kind in rows:
        if kind != "NULL":
            types.setdefault(key, set()).add(_TYPES.get(kind, "VARCHAR"))
    columns: dict[str, str] = {}
    for key, kinds in types.items():
        pointer = "/" + key.replace("~", "~0").replace("/", "~1")
        kind = "DOUBLE" if kinds == {"BIGINT", "DOUBLE"} else next(iter(kinds)) if len(kinds) == 1 else "VARCHAR"
        columns[f"{column}.{key}"] = f"TRY_CAST(json_extract_string({column}, {_text(pointer)}) AS {kind})"
    return columns


def _defused(connection: duckdb.DuckDBPyConnection, table: str, expression: str) -> str:
    kinds = connection.execute(f"SELECT typeof({expression}) FROM {table} LIMIT 1").fetchall()
    if kinds != [("VARCHAR",)]:
        return expression
    return f"CASE WHEN regexp_matches({expression}, '{_FORMULA}') THEN '''' || {expression} ELSE {expression} END"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
