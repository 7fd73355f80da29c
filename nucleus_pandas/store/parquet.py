"""Parquet files as buckets of users: those of an export, or anybody's."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from nucleus_pandas.core.text import shown
from nucleus_pandas.exceptions import StoreError
from nucleus_pandas.store.database import set_up
from nucleus_pandas.store.duckdb_columns import ColumnRequest, Kinds, cast_to, fetch, kinds_of, types_of
from nucleus_pandas.store.export import ABOUT
from nucleus_pandas.store.partitions import in_groups
from nucleus_pandas.store.properties import Properties, find_properties, quoted, text_literal, typed

if TYPE_CHECKING:
    import duckdb

# Large buckets are read in shares of their users, each time from the whole files.
_AT_MOST = 4_000_000


class File(NamedTuple):
    """A file, and how many bytes it had when it was first looked at."""

    path: str
    size: int


@dataclass(frozen=True)
class ParquetBucket:
    """A bucket in files, or of a large one the `share`-th of `shares` of its users.

    `kinds` are those of the columns of all files, `types` those of the columns that these have; `several` columns are
    of one type in some files and of another in others.
    """

    files: tuple[File, ...]
    kinds: Kinds
    types: dict[str, str]
    several: frozenset[str]
    share: int = 0
    shares: int = 1

    def read(self, request: ColumnRequest) -> pd.DataFrame:
        """Give what a question needs."""
        for file in self.files:
            _check_unchanged(file)
        table = parquet(self.files)
        if self.shares > 1:
            user = "user_db_id" if "user_db_id" in self.kinds else "user_id"
            who = cast_to(self.kinds[user], self._expression(user)) if user in self.kinds else "NULL"
            table = f"(SELECT * FROM {table} WHERE hash({who}) % {self.shares} = {self.share})"
        several = [shown(name) for name in request.columns if name in self.several]
        which = f", with several types of the column {' and '.join(several)}," if several else ""
        with in_memory(f"A file in {Path(self.files[0].path).parent}{which}") as connection:
            found = {one.name: one for one in request.properties}
            data = f"TRY_CAST({self._expression('data')} AS JSON)"
            expressions = {
                name: typed(data, found[name]) if name in found else self._expression(name) for name in request.columns
            }
            return fetch(connection, table, expressions, request.kinds(self.kinds), request)

    def _expression(self, name: str) -> str:
        kind = self.types.get(name)
        if kind is None:
            return "NULL"
        # DuckDB knows no microseconds of these.
        return f"CAST({quoted(name)} AS TIMESTAMPTZ)" if kind == "TIMESTAMPTZ_NS" else quoted(name)


def parquet_buckets(folder: Path) -> list[ParquetBucket]:
    """Find the buckets in a folder: that of an export, or another one with a folder for each, ``bucket=7``.

    Where there are none, all files are one bucket.

    Raises
    ------
    ValueError
        If there are no files, or columns cannot be told apart.
    StoreError
        If the files cannot be read.
    """
    files = _find(folder.absolute())
    every = [file for found in files for file in found]
    columns = _columns(every)
    _check_names(columns)
    several = frozenset(name for name, types in columns.items() if len(types) > 1)
    with in_memory(f"A file in {folder}") as connection:
        kinds = kinds_of(types_of(connection, parquet(every)))
        rows = dict(
            connection.execute(
                "SELECT file_name, num_rows FROM parquet_file_metadata(?)", [[file.path for file in every]]
            ).fetchall()
        )
        buckets = []
        for group in in_groups([sum(rows[file.path] for file in found) for found in files]):
            some = tuple(file for number in group for file in files[number])
            types = types_of(connection, parquet(some))
            shares = max(1, -(-sum(rows[file.path] for file in some) // _AT_MOST))
            buckets += [ParquetBucket(some, kinds, types, several, share, shares) for share in range(shares)]
    return buckets


def _find(folder: Path) -> list[list[File]]:
    """The files of each bucket, without those that others leave out as well: hidden ones, and what is not finished."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder. Pass the one that store.export(folder) wrote, or one of your own.")
    inside = folder / "events" if (folder / "events").is_dir() else folder
    found = []
    for place in sorted(inside.glob("bucket=*")) or [inside]:
        paths = sorted(
            path
            for path in place.rglob("*.parquet")
            if path.is_file() and not any(part.startswith((".", "_")) for part in path.relative_to(inside).parts)
        )
        if paths:
            found.append([File(str(path), path.stat().st_size) for path in paths])
    if not found:
        raise ValueError(
            f"{folder} holds no Parquet files (*.parquet). Pass the folder that store.export(folder) wrote as Parquet, "
            "or one of your own, best with a folder for each bucket of users, named bucket=0, bucket=1 and so on."
        )
    return found


def _columns(files: Sequence[File]) -> dict[str, set[str]]:
    """Give the columns of all files, and the types that each has."""
    columns: dict[str, set[str]] = defaultdict(set)
    for file in files:
        with in_memory(file.path) as connection:
            schema = connection.execute(
                "SELECT name, coalesce(num_children, 0), concat_ws(' ', type, converted_type, logical_type)"
                " FROM parquet_schema(?)",
                [file.path],
            ).fetchall()
        for name, kind in _outermost(schema):
            columns[name].add(kind)
    return columns


def _outermost(schema: Sequence[tuple[str, int, str]]) -> Iterator[tuple[str, str]]:
    """The columns of a schema in which each is followed by its parts, which are followed by theirs."""
    place, end = 1, schema[0][1]
    for _ in range(end):
        name, parts, kind = schema[place]
        yield name, kind if not parts else "nested"
        waiting, place = parts, place + 1
        while waiting:
            waiting += schema[place][1] - 1
            place += 1


def _check_names(columns: Collection[str]) -> None:
    """Raise where names differ in the case of letters only, by which DuckDB does not tell columns apart."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in columns:
        alike[name.casefold()].append(name)
    for names in alike.values():
        if len(names) > 1:
            raise ValueError(
                f"the columns {', '.join(map(shown, names))} differ in the case of letters only and cannot be told "
                "apart. Write the files with one name if they are one, else with other names."
            )


def _check_unchanged(file: File) -> None:
    try:
        same = Path(file.path).stat().st_size == file.size
    except OSError:
        same = False
    if not same:
        raise StoreError(f"{file.path} is gone or is another file than when Buckets was made. Make it again.")


def properties_of(buckets: Sequence[ParquetBucket], keys: Collection[str] | None) -> Properties:
    """Find properties in the JSON column data of files, which an export has where it has more of them than columns."""
    files = tuple(dict.fromkeys(file for bucket in buckets for file in bucket.files))
    if buckets[0].kinds.get("data") != "VARCHAR":
        return Properties([], 0)
    with in_memory(f"A file in {Path(files[0].path).parent}") as connection:
        return find_properties(connection, parquet(files), "data", keys)


def read_about(folder: Path) -> dict[str, Any]:
    """Give what an export tells of the store that it is of; nothing for other folders."""
    file = folder / ABOUT
    if not file.exists():
        return {}
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise StoreError(f"{file} cannot be read. Export the store again, or delete this file.") from None
    # A file of that name may be somebody else's.
    ours = isinstance(about, dict) and {"as_of", "sample", "spans", "gaps"} <= about.keys()
    return about if ours else {}


def parquet(files: Sequence[File]) -> str:
    """Give the table of some files, as SQL."""
    named = ", ".join(text_literal(file.path) for file in files)
    return f"read_parquet([{named}], union_by_name = true, hive_partitioning = false)"


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
def in_memory(what: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that holds nothing; what goes wrong is told without the words of DuckDB, which can hold data."""
    import duckdb

    try:
        with _memory(os.getpid()).cursor() as connection:
            set_up(connection)  # a time without a zone is one of UTC, also beside others that have one
            yield connection
    except duckdb.OutOfMemoryException:
        raise StoreError(
            "The users of a bucket do not fit into memory: use a machine with more of it, or leave out users with very "
            "many events."
        ) from None
    except duckdb.Error:
        raise StoreError(
            f"{what} cannot be read: damaged, or a column is of a type that cannot be read, or that differs from file "
            "to file. Write them again."
        ) from None
