"""Events bucket by bucket, of a store or of Parquet files: all events of a user lie in one bucket."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from nucleus_pandas.api.columns import COUNT, FLAG, INSTANT, NUMBER, TEXT, Losses, property_column
from nucleus_pandas.exceptions import StoreError
from nucleus_pandas.store.database import Database
from nucleus_pandas.store.export import ABOUT, event_expressions, in_order, quoted, text_literal

if TYPE_CHECKING:
    import duckdb

# Small buckets are read together: each reading costs some hundredths of a second.
_AT_ONCE = 1_000_000
# With more different texts than these in a bucket, a dictionary of them is of no use.
_MOST_WORDS = 200_000
#: Columns of which codes are all that is needed stay as they are: a table of words, and numbers.
CODED = ("user_id", "user_db_id", "event", "kind", "device_id", "session_id")
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_KINDS = {**dict.fromkeys(_WHOLE, "BIGINT"), "BOOLEAN": "BOOLEAN", "VARCHAR": "VARCHAR"}
_DTYPES: dict[str, Any] = {"BIGINT": COUNT, "BOOLEAN": FLAG, "DOUBLE": NUMBER, "INSTANT": INSTANT, "VARCHAR": TEXT}

#: Columns of a table and what each holds: VARCHAR, BIGINT, DOUBLE, BOOLEAN, INSTANT, or JSON, values of several types.
Kinds = dict[str, str]


class Reading(NamedTuple):
    """What a question needs of the events of a bucket.

    Attributes
    ----------
    columns : tuple of str
    events : frozenset of str or None
        The only names of events that are needed.
    alike : frozenset of str
        Columns of which nothing is asked but whether two values are the same: numbers may stand for texts.
    """

    columns: tuple[str, ...]
    events: frozenset[str] | None = None
    alike: frozenset[str] = frozenset()


class Bucket(Protocol):
    """The events of some users."""

    def read(self, reading: Reading) -> pd.DataFrame:
        """Give what a question needs, in the order in which the events came."""


@dataclass(frozen=True)
class ParquetBucket:
    """A bucket in files; `kinds` are those of all files, and `there` the columns that these have."""

    files: tuple[str, ...]
    kinds: Kinds
    there: frozenset[str]

    def read(self, reading: Reading) -> pd.DataFrame:
        """Give what a question needs."""
        with _in_memory() as connection:
            expressions = {name: quoted(name) if name in self.there else "NULL" for name in reading.columns}
            return _fetch(connection, parquet(self.files), expressions, self.kinds, reading)


@dataclass(frozen=True)
class StoreBucket:
    """A bucket of a store; `expressions` tell the columns that are properties."""

    database: Database
    numbers: tuple[int, ...]
    expressions: dict[str, str]
    kinds: Kinds

    def read(self, reading: Reading) -> pd.DataFrame:
        """Give what a question needs."""
        with self.database.reading() as connection:
            # Put in order and taken out of JSON once, and not again for each column of texts.
            chosen = ", ".join(f"{self.expressions[name]} AS c{n}" for n, name in enumerate(reading.columns))
            condition, names = _only(reading)
            connection.execute(
                f"CREATE TEMP TABLE part AS SELECT {chosen} FROM events WHERE bucket IN"
                f" ({', '.join(map(str, self.numbers))}) AND {condition} {in_order()}",
                names,
            )
            expressions = {name: f"c{n}" for n, name in enumerate(reading.columns)}
            return _fetch(connection, "part", expressions, self.kinds, reading._replace(events=None))


def parquet_buckets(folder: Path) -> list[ParquetBucket]:
    """Find the buckets in a folder: that of an export, or another one with a folder for each, ``bucket=7``.

    Raises
    ------
    ValueError
        If there are none.
    StoreError
        If the files cannot be read.
    """
    inside = folder / "events" if (folder / "events").is_dir() else folder
    files = [tuple(str(file) for file in sorted(place.rglob("*.parquet"))) for place in sorted(inside.glob("bucket=*"))]
    files = [found for found in files if found]
    if not files:
        raise ValueError(
            f"{folder} holds no events in buckets. Pass the folder that store.export(folder) wrote, as Parquet; or "
            "one with a folder of Parquet files for each bucket, named bucket=0, bucket=1 and so on, in which all "
            "events of a user lie in one."
        )
    every = [file for found in files for file in found]
    with _in_memory() as connection:
        kinds = kinds_of(connection, parquet(every))
        rows = dict(connection.execute("SELECT file_name, num_rows FROM parquet_file_metadata(?)", [every]).fetchall())
        buckets = []
        for group in _groups([sum(rows[file] for file in found) for found in files]):
            some = tuple(file for number in group for file in files[number])
            buckets.append(ParquetBucket(some, kinds, frozenset(kinds_of(connection, parquet(some)))))
    return buckets


def store_buckets(database: Database) -> list[StoreBucket]:
    """Give the buckets of a store, with the columns that an export has."""
    with database.reading() as connection:
        expressions, mixed = event_expressions(connection)
        chosen = ", ".join(f"{expression} AS {quoted(name)}" for name, expression in expressions.items())
        kinds = kinds_of(connection, f"(SELECT {chosen} FROM events)") | dict.fromkeys(mixed, "JSON")
        rows = connection.execute("SELECT bucket, count(*) FROM events GROUP BY bucket ORDER BY bucket").fetchall()
    numbers, sizes = zip(*(rows or [(0, 0)]), strict=True)
    return [StoreBucket(database, tuple(numbers[n] for n in group), expressions, kinds) for group in _groups(sizes)]


def _groups(sizes: Sequence[int]) -> list[list[int]]:
    """Put neighbours together as long as they are small."""
    groups: list[list[int]] = [[]]
    room = _AT_ONCE
    for number, size in enumerate(sizes):
        if size > room and groups[-1]:
            groups.append([])
            room = _AT_ONCE
        groups[-1].append(number)
        room -= size
    return groups


def read_about(folder: Path) -> dict[str, Any]:
    """Give what an export tells of the store that it is of; nothing for other folders."""
    file = folder / ABOUT
    if not file.exists():
        return {}
    try:
        about: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise StoreError(f"{file} cannot be read. Export the store again, or delete this file.") from None
    return about


def parquet(files: Sequence[str]) -> str:
    """Give the table of some files, as SQL."""
    named = ", ".join(text_literal(file) for file in files)
    return f"read_parquet([{named}], union_by_name = true, hive_partitioning = false)"


def kinds_of(connection: duckdb.DuckDBPyConnection, table: str) -> Kinds:
    """Give the columns of a table, and what each holds; what is something else is spelled."""
    found = {}
    for name, kind, *_ in connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall():
        if kind.startswith("TIMESTAMP"):
            found[name] = "INSTANT"
        elif kind in ("FLOAT", "UBIGINT", "HUGEINT", "UHUGEINT") or kind.startswith("DECIMAL"):
            found[name] = "DOUBLE"
        else:
            found[name] = _KINDS.get(kind, "DOUBLE" if kind == "DOUBLE" else "VARCHAR")
    return found


def _fetch(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    expressions: dict[str, str],
    kinds: Kinds,
    reading: Reading,
) -> pd.DataFrame:
    """Read some columns, by number: DuckDB takes names for the same that differ in the case of letters only."""
    condition, names = _only(reading) if kinds["event"] == "VARCHAR" else ("true", [])
    wanted = []
    for n, (name, expression) in enumerate(expressions.items()):
        kind = kinds[name]
        cast = _cast(expression, kind)
        if kind == "VARCHAR" and name in reading.alike:
            wanted.append(f"CASE WHEN {cast} <> '' THEN hash({cast}) ELSE 0 END AS h{n}")
        elif kind in ("VARCHAR", "JSON"):
            source = f"(SELECT {cast} AS c{n} FROM {table} WHERE {condition})"
            wanted.append(f"{_words(connection, source, names, n, cast)} AS c{n}")
        elif kind == "DOUBLE":
            wanted.append(f"{cast} AS c{n}")
        else:
            wanted.append(f"coalesce({cast}, CAST(0 AS {_type(kind)})) AS c{n}, {expression} IS NULL AS m{n}")
    rows = connection.execute(f"SELECT {', '.join(wanted)} FROM {table} WHERE {condition}", names).df()
    columns = {
        name: coded_by_hash(rows[f"h{n}"])
        if f"h{n}" in rows
        else _column(rows[f"c{n}"], rows.get(f"m{n}"), kinds[name], coded=name in CODED)
        for n, name in enumerate(expressions)
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))


def _only(reading: Reading) -> tuple[str, list[str]]:
    """The condition on the rows that are needed, and its values."""
    if reading.events is None:
        return "true", []
    return f"event IN ({', '.join('?' * len(reading.events))})", sorted(reading.events)


def _type(kind: str) -> str:
    return {"INSTANT": "BIGINT", "JSON": "VARCHAR"}.get(kind, kind)


def _cast(expression: str, kind: str) -> str:
    # Whole numbers need neither a zone nor what reads it.
    plain = f"epoch_us({expression})" if kind == "INSTANT" and expression != "NULL" else expression
    return f"CAST({plain} AS {_type(kind)})"


def _words(connection: duckdb.DuckDBPyConnection, source: str, names: list[str], number: int, cast: str) -> str:
    """The expression for a column of texts: those that come again and again as numbers, which is far faster."""
    column = f"c{number}"
    (found,) = connection.execute(f"SELECT approx_count_distinct({column}) FROM {source}", names).fetchall()
    if not 0 < found[0] <= _MOST_WORDS:
        return cast
    connection.execute(f"CREATE TEMP TABLE distinct{number} AS SELECT DISTINCT {column} FROM {source}", names)
    connection.execute(
        f"CREATE TEMP TYPE words{number} AS ENUM"
        f" (SELECT {column} FROM distinct{number} WHERE {column} IS NOT NULL ORDER BY {column})"
    )
    return f"CAST({cast} AS words{number})"


def coded_by_hash(hashes: pd.Series) -> Any:
    """Texts that need only be told apart, by 64 bits: of a million two look the same once in millions of times."""
    codes, values = pd.factorize(hashes.to_numpy())
    codes = np.where(values == 0, -1, np.arange(len(values)))[codes]
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(pd.Index(values)))


def _column(values: pd.Series, missing: Any, kind: str, *, coded: bool) -> Any:
    if kind == "INSTANT":
        at = values.to_numpy().astype("datetime64[us]")
        return pd.Series(at).mask(missing.to_numpy(dtype=np.bool_)).dt.tz_localize("UTC").astype(INSTANT).array
    if missing is not None:
        array = pd.arrays.IntegerArray if kind == "BIGINT" else pd.arrays.BooleanArray
        return array(values.to_numpy().copy(), missing.to_numpy(dtype=np.bool_).copy())
    if kind == "JSON":
        return _mixed(values)
    if isinstance(values.dtype, pd.CategoricalDtype):
        if coded:
            return values.array
        words = pd.array([*values.cat.categories, pd.NA], dtype=TEXT)
        return words.take(values.cat.codes.to_numpy())  # -1, missing, is the last
    return values.astype(_DTYPES[kind]).array


def _mixed(values: pd.Series) -> Any:
    """Values of several types, of which each bucket may hold one only: as objects, like those of all buckets."""
    codes, words = pd.factorize(values)
    told = [json.loads(word) for word in words]
    there = [place for place, value in enumerate(told) if value is not None]
    # With a text and a truth value among them, no type is taken for that of all.
    column = property_column(
        [*there, len(told), len(told) + 1], [*(told[place] for place in there), "", True], len(told) + 3, Losses("data")
    )
    return column[np.where(codes < 0, len(told) + 2, codes)]


@functools.cache
def _memory(process: int) -> duckdb.DuckDBPyConnection:
    """The database that holds nothing, made once in a process: that takes longer than to read a small bucket."""
    import duckdb

    settings: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    connection = duckdb.connect(config=settings)
    # What does not fit would be written into the current folder, where others may read it.
    connection.execute("SET temp_directory = ''")
    return connection


@contextlib.contextmanager
def _in_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that holds nothing; what goes wrong is told without the words of DuckDB, which can hold data."""
    import duckdb

    try:
        with _memory(os.getpid()).cursor() as connection:
            yield connection
    except duckdb.OutOfMemoryException:
        raise StoreError(
            "A bucket does not fit into memory. Export with a store on a machine with more of it, or spread the users "
            "of your own files over more buckets."
        ) from None
    except duckdb.Error:
        raise StoreError(
            "The Parquet files of a bucket cannot be read: they are damaged, or are gone, or a column is of one type "
            "in some and of another in others. Export again."
        ) from None
