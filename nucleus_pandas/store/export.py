"""The tables of a store as files."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nucleus_pandas.api.columns import FORMULA_STARTS, INSTANT, Losses, clean
from nucleus_pandas.api.frames import DEVICES, EVENT_LOG, SESSIONS, USERS
from nucleus_pandas.exceptions import StoreError
from nucleus_pandas.store.coverage import find_gaps, synced_spans
from nucleus_pandas.store.schema import one_row

if TYPE_CHECKING:
    import duckdb

    from nucleus_pandas.store.database import Database

Format = Literal["parquet", "csv"]

#: The file of an export that tells of the store: until when it is known, what was synced, which share of users.
ABOUT = "about.json"
#: The column of an export that numbers the events in the order of the store.
EVENT_NO = "event_no"

_TYPES = {"BOOLEAN": "BOOLEAN", "BIGINT": "BIGINT", "UBIGINT": "BIGINT", "DOUBLE": "DOUBLE"}
_TABLES = {
    "users": (USERS, "props"),
    "devices": (DEVICES, ""),
    "sessions": (SESSIONS, ""),
    "events": (EVENT_LOG, "data"),
}


def export_tables(database: Database, folder: Path, format: Format, sample: float) -> list[Path]:  # noqa: A002
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
    folder.chmod(stat.S_IRWXU)  # so that nobody else can read what is not finished
    with database.alone("export"):
        # Noted first: what is not known to be there is forgotten when a person is.
        with database.writing() as connection:
            now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
            connection.execute("INSERT INTO kept.exports VALUES (?, ?)", [str(folder), now])
        try:
            with database.reading() as connection:
                for name in _TABLES:
                    _copy(connection, name, folder, format)
                if format == "parquet":
                    (folder / ABOUT).write_text(json.dumps(about(connection, sample)), encoding="utf-8")
        except BaseException:
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            raise
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return files


def _copy(connection: duckdb.DuckDBPyConnection, table: str, folder: Path, format: Format) -> None:  # noqa: A002
    columns = _expressions(connection, table)
    source = table
    if table == "events":
        # Files hold rows in no order that can be relied on.
        columns |= {EVENT_NO: "row_number() OVER ()", "bucket": "bucket"}
        source = f"(SELECT * FROM events {in_order('bucket')})"
    options = "FORMAT csv, HEADER" if format == "csv" else "FORMAT parquet"
    if format == "parquet":
        # Others would not know that times without a zone are of UTC.
        instants = {name for name, dtype in _TABLES[table][0].items() if dtype == INSTANT}
        columns |= {name: f"make_timestamptz(epoch_us({columns[name]}))" for name in columns if name in instants}
    if format == "csv":
        columns = {name: _defused(connection, table, expression) for name, expression in columns.items()}
        target = folder / f"{table}.csv"
    elif table == "events":
        # The bucket stands in the names of folders only: Arrow refuses files that tell it in another type than these.
        target, options = folder / table, "FORMAT parquet, PARTITION_BY (bucket)"
    else:
        target = folder / f"{table}.parquet"
    chosen = ", ".join(f"{expression} AS {quoted(name)}" for name, expression in columns.items())
    connection.execute(f"COPY (SELECT {chosen} FROM {source}) TO {text_literal(str(target))} ({options})")


def about(connection: duckdb.DuckDBPyConnection, sample: float) -> dict[str, Any]:
    """Tell what the events do not: as much as analyses of the store itself know."""
    (as_of,) = one_row(connection, "SELECT max(as_of) FROM kept.runs WHERE finished")
    runs = one_row(connection, "SELECT count(*) FROM kept.runs")[0]
    return {
        "as_of": as_of and as_of.isoformat(),
        "sample": sample,
        "spans": [[span.start.isoformat(), span.end.isoformat()] for span in synced_spans(connection)],
        "gaps": find_gaps(connection, None, None) if runs else [],
    }


def event_expressions(connection: duckdb.DuckDBPyConnection) -> tuple[dict[str, str], set[str]]:
    """Give the expression for each column of the events, and which of these are JSON: values of several types."""
    columns = {name: f'"{name}"' for name in EVENT_LOG}
    found = _property_columns(connection, "events", "data")
    columns |= {name: one.json if one.mixed else one.spelled for name, one in found.items()}
    return columns, {name for name, one in found.items() if one.mixed}


def in_order(*first: str) -> str:
    """Give the order of events: by user and session, as they came."""
    by = [*first, "user_db_id", "session_start NULLS LAST", "device_id", "session_id", "session_no", "place"]
    return f"ORDER BY {', '.join(by)}"


def _expressions(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    schema, properties = _TABLES[table]
    columns = {name: f'"{name}"' for name in schema}
    if properties:
        columns |= {name: one.spelled for name, one in _property_columns(connection, table, properties).items()}
    return columns


class _Property(NamedTuple):
    """Expressions for a property: of the type that all values have and fit, else text; as JSON, if types are mixed."""

    spelled: str
    json: str
    mixed: bool


def _property_columns(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> dict[str, _Property]:
    """The expressions for each key of the JSON objects."""
    rows = connection.execute(
        f"""
        SELECT key, list(DISTINCT json_type({column}, pointer)),
            bool_or(regexp_full_match(value, '-?[0-9]+') AND TRY_CAST(value AS BIGINT) IS NULL)
        FROM (SELECT *, json_extract_string({column}, pointer) AS value FROM (
            SELECT {column}, key, '/' || replace(replace(key, '~', '~0'), '/', '~1') AS pointer
            FROM (SELECT {column}, unnest(json_keys({column})) AS key
                FROM (SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL))))
        GROUP BY key ORDER BY key
        """
    ).fetchall()
    columns: dict[str, _Property] = {}
    taken: set[str] = set()
    for key, types, too_large in rows:
        kinds = {_TYPES.get(kind, "VARCHAR") for kind in types if kind != "NULL"}
        if not kinds:
            continue
        kind = "DOUBLE" if kinds == {"BIGINT", "DOUBLE"} else next(iter(kinds)) if len(kinds) == 1 else "VARCHAR"
        (shown,) = clean([f"{column}.{key}"], Losses(table))
        name = str(shown)
        while name.casefold() in taken:  # DuckDB takes PLAN and plan for the same
            name += "_"
        taken.add(name.casefold())
        pointer = "/" + key.replace("~", "~0").replace("/", "~1")
        wanted = "VARCHAR" if too_large else kind
        at = f"{column}, {text_literal(pointer)}"
        columns[name] = _Property(
            f"CAST(json_extract_string({at}) AS {wanted})",
            f"CAST(json_extract({at}) AS VARCHAR)",
            wanted == "VARCHAR" and bool(set(types) - {"VARCHAR", "NULL"}),
        )
    return columns


def _defused(connection: duckdb.DuckDBPyConnection, table: str, expression: str) -> str:
    kinds = connection.execute(f"SELECT typeof({expression}) FROM {table} LIMIT 1").fetchall()
    if kinds != [("VARCHAR",)]:
        return expression
    starts = ", ".join(map(text_literal, FORMULA_STARTS))
    return f"CASE WHEN left({expression}, 1) IN ({starts}) THEN '''' || {expression} ELSE {expression} END"


def quoted(text: str) -> str:
    """Write the name of a column."""
    return '"' + text.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """Write a text."""
    # A literal cannot hold the character that ends a text in C.
    return "'" + text.replace("'", "''").replace("\0", "' || chr(0) || '") + "'"
