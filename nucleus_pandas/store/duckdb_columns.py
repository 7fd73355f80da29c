"""Columns of events from DuckDB, with the dtypes of the loaders; far faster than a frame made of rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.values import ParseProblems, property_column
from nucleus_pandas.core.dtypes import COUNT, FLAG, INSTANT, NUMBER, TEXT
from nucleus_pandas.store.properties import Property

if TYPE_CHECKING:
    import duckdb

# A dictionary of more distinct texts than this does not pay.
_MOST_WORDS = 200_000
#: Columns that stay categorical, because only their codes are needed.
CODED = ("user_id", "user_db_id", "event", "kind", "device_id", "session_id")
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_KINDS = {
    **dict.fromkeys(_WHOLE, "BIGINT"),
    **{kind: kind for kind in ("UBIGINT", "BOOLEAN", "DOUBLE", "FLOAT", "VARCHAR")},
}
_DTYPES: dict[str, Any] = {
    "BIGINT": COUNT,
    "BOOLEAN": FLAG,
    "DOUBLE": NUMBER,
    "FLOAT": "Float32",
    "INSTANT": INSTANT,
    "VARCHAR": TEXT,
}

#: Columns of a table and what each is read as: VARCHAR, BIGINT, UBIGINT, DOUBLE, FLOAT, BOOLEAN, INSTANT, or JSON,
#: values of several types.
Kinds = dict[str, str]


class ColumnRequest(NamedTuple):
    """What an analysis needs of the events of a bucket.

    Attributes
    ----------
    columns : tuple of str
    events : frozenset of str or None
        The only names of events that are needed.
    alike : frozenset of str
        Columns whose values are only compared for equality, so that hashes may replace texts.
    properties : tuple of Property
        Columns that are properties, to be extracted from the JSON column data.
    """

    columns: tuple[str, ...]
    events: frozenset[str] | None = None
    alike: frozenset[str] = frozenset()
    properties: tuple[Property, ...] = ()

    def kinds(self, known: Kinds) -> Kinds:
        """Give what each column is read as, properties among them."""
        return known | {one.name: "JSON" if one.mixed else one.kind for one in self.properties}


def types_of(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Give the columns of a table, and the type of each."""
    return {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()}


def kinds_of(types: dict[str, str]) -> Kinds:
    """Give what each column is read as; what is nothing of these is spelled."""
    found = {}
    for name, kind in types.items():
        if kind.startswith("TIMESTAMP"):
            found[name] = "INSTANT"
        elif kind in ("HUGEINT", "UHUGEINT") or kind.startswith("DECIMAL"):
            # Of ids each digit counts.
            found[name] = "VARCHAR" if name in CODED else "DOUBLE"
        else:
            found[name] = _KINDS.get(kind, "VARCHAR")
    return found


def fetch(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    expressions: dict[str, str],
    kinds: Kinds,
    request: ColumnRequest,
) -> pd.DataFrame:
    """Read some columns, by number: DuckDB takes names for the same that differ in the case of letters only."""
    condition, names = (
        only(request, expressions.get("event", "event")) if kinds.get("event") == "VARCHAR" else ("true", [])
    )
    wanted = []
    for n, (name, expression) in enumerate(expressions.items()):
        kind = kinds[name]
        cast = cast_to(kind, expression)
        if kind == "VARCHAR" and name in request.alike:
            wanted.append(f"CASE WHEN {cast} <> '' THEN hash({cast}) ELSE 0 END AS h{n}")
        elif kind in ("VARCHAR", "JSON"):
            source = f"(SELECT {cast} AS c{n} FROM {table} WHERE {condition})"
            # There are never many names of events.
            few = name == "event" or _few(connection, source, names, n)
            wanted.append(f"{_words(connection, source, names, n, cast) if few else cast} AS c{n}")
        elif kind in ("DOUBLE", "FLOAT"):
            wanted.append(f"{cast} AS c{n}")
        else:
            wanted.append(f"coalesce({cast}, CAST(0 AS {_type(kind)})) AS c{n}, {cast} IS NULL AS m{n}")
    rows = connection.execute(f"SELECT {', '.join(wanted)} FROM {table} WHERE {condition}", names).df()
    columns = {
        name: coded_by_hash(rows[f"h{n}"])
        if f"h{n}" in rows
        else _column(rows[f"c{n}"], rows.get(f"m{n}"), kinds[name], coded=name in CODED)
        for n, name in enumerate(expressions)
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))


def only(request: ColumnRequest, event: str) -> tuple[str, list[str]]:
    """The condition on the rows that are needed, and its values; `event` is the expression for the name of an event."""
    if request.events is None or any("\ufffd" in name for name in request.events):
        # That character may stand for another one, which cannot be shown; more than is needed does no harm.
        return "true", []
    return f"CAST({event} AS VARCHAR) IN ({', '.join('?' * len(request.events))})", sorted(request.events)


def _type(kind: str) -> str:
    return {"INSTANT": "BIGINT", "JSON": "VARCHAR"}.get(kind, kind)


def cast_to(kind: str, expression: str) -> str:
    """The expression for a column as what it is read as; instants are microseconds, which no zone can move."""
    plain = f"epoch_us({expression})" if kind == "INSTANT" and expression != "NULL" else expression
    return f"CAST({plain} AS {_type(kind)})"


def _few(connection: duckdb.DuckDBPyConnection, source: str, names: list[str], number: int) -> bool:
    """Whether a column of texts has so few different ones that a table of them pays."""
    (found,) = connection.execute(f"SELECT approx_count_distinct(c{number}) FROM {source}", names).fetchall()
    return bool(0 < found[0] <= _MOST_WORDS)


def _words(connection: duckdb.DuckDBPyConnection, source: str, names: list[str], number: int, cast: str) -> str:
    """Create an enum of the texts of a column; return the expression that casts to it, which is far faster."""
    column = f"c{number}"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE distinct{number} AS SELECT DISTINCT {column} FROM {source}", names
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TYPE words{number} AS ENUM"
        f" (SELECT {column} FROM distinct{number} WHERE {column} IS NOT NULL ORDER BY {column})"
    )
    return f"CAST({cast} AS words{number})"


def coded_by_hash(hashes: pd.Series) -> Any:
    """Code texts that are only compared by 64-bit hashes; two of a million collide with p < 1e-7."""
    codes, values = pd.factorize(hashes.to_numpy())
    codes = np.where(values == 0, -1, np.arange(len(values)))[codes]
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(pd.Index(values)))


def _column(values: pd.Series, missing: Any, kind: str, *, coded: bool) -> Any:
    if kind == "INSTANT":
        at = values.to_numpy().astype("datetime64[us]")
        return pd.Series(at).mask(missing.to_numpy(dtype=np.bool_)).dt.tz_localize("UTC").astype(INSTANT).array
    if missing is not None:
        array = pd.arrays.BooleanArray if kind == "BOOLEAN" else pd.arrays.IntegerArray
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
    """Values of mixed types as objects, also where a bucket holds one type only."""
    codes, words = pd.factorize(values)
    parsed = [json.loads(word) for word in words]
    there = [place for place, value in enumerate(parsed) if value is not None]
    # An added text and an added truth value keep the column from getting the dtype of a single type.
    column = property_column(
        [*there, len(parsed), len(parsed) + 1],
        [*(parsed[place] for place in there), "", True],
        len(parsed) + 3,
        ParseProblems("data"),
    )
    return column[np.where(codes < 0, len(parsed) + 2, codes)]


def grouped(sizes: Sequence[int], most: int) -> list[list[int]]:
    """Put neighbours together as long as they have no more rows than `most`."""
    groups: list[list[int]] = [[]]
    left = most
    for number, size in enumerate(sizes):
        if size > left and groups[-1]:
            groups.append([])
            left = most
        groups[-1].append(number)
        left -= size
    return groups
