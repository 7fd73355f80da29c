"""The tables of a store as files.

Events are written bucket by bucket, so that memory holds one bucket of users, or several small ones together.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
import stat
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pandas as pd

from nucleus_pandas.api.parsing.property_columns import warn_of_rest
from nucleus_pandas.api.parsing.schemas import DEVICES, EVENT_LOG, SESSIONS, USERS
from nucleus_pandas.core.checks import check_choice
from nucleus_pandas.core.dtypes import INSTANT
from nucleus_pandas.core.files import is_full, private_umask, write_private
from nucleus_pandas.exceptions import StoreError
from nucleus_pandas.store.csv_files import write_csv
from nucleus_pandas.store.duckdb_columns import ColumnRequest, fetch, grouped, kinds_of, types_of
from nucleus_pandas.store.gaps import find_gaps, synced_spans
from nucleus_pandas.store.properties import (
    Property,
    as_texts,
    exact_columns,
    find_properties,
    quoted,
    require_properties,
    some_as_json,
    text_literal,
    the_rest,
    without_clashes,
)
from nucleus_pandas.store.schema import one_row

if TYPE_CHECKING:
    import duckdb

    from nucleus_pandas.store.database import Database

Format = Literal["parquet", "csv"]

#: The file of an export that describes the store: until when it is known, what was synced, which share of users.
ABOUT = "about.json"
#: The column of an export that numbers the events in the order of the store.
EVENT_NO = "event_no"

#: The columns of each table, and the column with its properties.
_TABLES = {
    "users": (USERS, "props"),
    "devices": (DEVICES, ""),
    "sessions": (SESSIONS, ""),
    "events": (EVENT_LOG, "data"),
}
# Small buckets are written together up to this many cells, because each pass over the events takes some 0.1 s.
_AT_ONCE = 3_000_000


class _Columns(NamedTuple):
    """The columns of a table in an export: those that are always there, its properties, and the JSON of the others."""

    fixed: dict[str, str]
    column: str
    properties: list[Property]
    rest: str

    def select(self, source: str) -> str:
        """Write the query for some rows. Each JSON text is parsed once."""
        chosen = [f"{expression} AS {quoted(name)}" for name, expression in self.fixed.items()]
        if self.properties:
            source = f"(SELECT *, {as_texts(self.column, self.properties)} AS texts FROM {source})"
        for place, one in enumerate(self.properties, 1):
            chosen.append(f"CAST(texts[{place}] AS {one.kind}) AS {quoted(one.name)}")
        if self.rest:
            chosen.append(f"{self.rest} AS {self.column}")
        return f"SELECT {', '.join(chosen)} FROM {source}"


def export_tables(
    database: Database,
    folder: Path,
    format: Format,  # noqa: A002
    sample: float,
    properties: Collection[str] | None = None,
    *,
    excel: bool = False,
) -> list[Path]:
    """Write users, devices, sessions and events into an empty folder, and record the export in the store."""
    check_choice("format", format, ("parquet", "csv"))
    if excel and format != "csv":
        raise ValueError('excel=True is for CSV files; pass format="csv" as well.')
    if properties is not None:
        with database.reading() as connection:
            of_users = partial(find_properties, connection, "users", "props")
            of_events = partial(find_properties, connection, "kept.events", "data")
            require_properties(properties, of_users, of_events)
    made = not folder.exists()
    try:
        with private_umask():  # the mode of mkdir does not hold for parents
            folder.mkdir(parents=True, exist_ok=True)
        empty = not any(folder.iterdir())
    except OSError:
        raise StoreError(f"The folder {folder} cannot be created. Choose another one.") from None
    if not empty:
        raise ValueError(f"folder: {folder} is not empty. Choose a new one; nothing was written.")
    folder.chmod(stat.S_IRWXU)  # before any file is in it
    with database.alone("export"):
        # Recorded first, so that erasures report it even after a crash.
        with database.writing() as connection:
            now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
            connection.execute("DELETE FROM kept.exports WHERE folder = ?", [str(folder)])
            connection.execute("INSERT INTO kept.exports VALUES (?, ?)", [str(folder), now])
        try:
            with database.reading() as connection, _target_errors(folder):
                for name in _TABLES:
                    columns = _columns_of(connection, name, properties, format)
                    if format == "csv":
                        parts = _frames(connection, name, columns)
                        write_csv(parts, folder / f"{name}.csv", excel=excel)
                    else:
                        _copy(connection, name, columns, folder)
                if format == "parquet":
                    write_private(folder / ABOUT, json.dumps(about(connection, sample)))
        except BaseException:
            _undo(database, folder, made=made)
            raise
    return sorted(path for path in folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def _target_errors(folder: Path) -> Iterator[None]:
    """Name the folder of an export, not the store, where files cannot be written."""
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError) as error:
        if str(folder) not in str(error):
            raise
        reason = "the disk is full" if is_full(str(error)) else "a file could not be written"
        raise StoreError(
            f"The export to {folder} failed: {reason}. No files were left there. Free space, or choose another folder."
        ) from None


def _undo(database: Database, folder: Path, *, made: bool) -> None:
    """Remove what a failed export wrote, and forget the export."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if made:
        folder.rmdir()
    with contextlib.suppress(StoreError), database.writing() as connection:
        connection.execute("DELETE FROM kept.exports WHERE folder = ?", [str(folder)])


def _columns_of(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    names: Collection[str] | None,
    format: Format,  # noqa: A002
) -> _Columns:
    """Choose the columns of a table and warn if there are too many properties."""
    schema, column = _TABLES[table]
    # Other tools would not know that naive times are in UTC.
    instants = {name for name, dtype in schema.items() if dtype == INSTANT}
    fixed = {name: f"make_timestamptz(epoch_us({quoted(name)}))" for name in schema if name in instants}
    fixed = {name: fixed.get(name, quoted(name)) for name in schema}
    if not column:
        return _Columns(fixed, column, [], "")
    found = find_properties(connection, "kept.events" if table == "events" else table, column, names)
    more = names is None and found.total > len(found.chosen)
    if more:
        warn_of_rest(column, found.total)
    if format == "csv":
        chosen = without_clashes(found.chosen)
        return _Columns(fixed, column, chosen, the_rest(column, chosen) if more else "")
    chosen = exact_columns(column, found.chosen)
    keys = {one.key for one in found.chosen} - {one.key for one in chosen}
    if names is None:
        return _Columns(fixed, column, chosen, the_rest(column, chosen) if more or keys else "")
    return _Columns(fixed, column, chosen, some_as_json(column, keys) if keys else "")


def _copy(connection: duckdb.DuckDBPyConnection, table: str, columns: _Columns, folder: Path) -> None:
    """Write the Parquet files of a table."""
    target, options = folder / f"{table}.parquet", "FORMAT parquet"
    if table == "events":
        # Only the names of the folders hold the bucket: Arrow refuses files that repeat it in another type.
        target, options = folder / table, "FORMAT parquet, PARTITION_BY (bucket), OVERWRITE_OR_IGNORE"
    for query in _queries(connection, table, columns):
        with private_umask():
            connection.execute(f"COPY ({query}) TO {text_literal(str(target))} ({options})")


def _frames(connection: duckdb.DuckDBPyConnection, table: str, columns: _Columns) -> Iterator[pd.DataFrame]:
    """Give the rows of a table frame by frame."""
    for query in _queries(connection, table, columns):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE part AS {query}")
        kinds = kinds_of(types_of(connection, "part"))
        yield fetch(connection, "part", {name: quoted(name) for name in kinds}, kinds, ColumnRequest(tuple(kinds)))


def _queries(connection: duckdb.DuckDBPyConnection, table: str, columns: _Columns) -> Iterator[str]:
    """Write the queries for a table: one, or for events one per group of buckets."""
    if table != "events":
        yield columns.select(table)
        return
    rows = connection.execute("SELECT bucket, count(*) FROM events GROUP BY bucket ORDER BY bucket").fetchall()
    numbers, sizes = zip(*(rows or [(0, 0)]), strict=True)
    first = 0
    for group in grouped(sizes, _AT_ONCE // (len(columns.fixed) + len(columns.properties))):
        buckets = ", ".join(str(numbers[place]) for place in group)
        # The order of rows in files is not reliable, so the events are numbered.
        numbered = columns._replace(
            fixed=columns.fixed | {EVENT_NO: f"row_number() OVER () + {first}", "bucket": "bucket"}
        )
        yield numbered.select(f"(SELECT * FROM events WHERE bucket IN ({buckets}) {in_order('bucket')})")
        first += sum(sizes[place] for place in group)


def about(connection: duckdb.DuckDBPyConnection, sample: float) -> dict[str, Any]:
    """Describe the store: everything that its analyses know and the events do not say."""
    (as_of,) = one_row(connection, "SELECT max(as_of) FROM kept.runs WHERE finished")
    runs = one_row(connection, "SELECT count(*) FROM kept.runs")[0]
    return {
        "as_of": as_of and as_of.isoformat(),
        "sample": sample,
        "spans": [[span.start.isoformat(), span.end.isoformat()] for span in synced_spans(connection)],
        "gaps": find_gaps(connection, None, None) if runs else [],
    }


def in_order(*first: str) -> str:
    """Return the order of events: by user and session, then the order received."""
    by = [*first, "user_db_id", "session_start NULLS LAST", "device_id", "session_id", "session_no", "place"]
    return f"ORDER BY {', '.join(by)}"
