"""The tables of a store as frames, with the columns and dtypes of the loaders."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.property_columns import property_columns
from nucleus_pandas.api.parsing.schemas import DEVICES, EVENT_LOG, SESSIONS, USERS
from nucleus_pandas.api.parsing.values import ParseProblems
from nucleus_pandas.core.dtypes import COUNT, INSTANT, TEXT, Schema, make_frame
from nucleus_pandas.store.properties import some_as_json
from nucleus_pandas.store.schema import EVENT_COLUMNS, one_row

if TYPE_CHECKING:
    import duckdb

# A dictionary of more distinct texts than this does not pay.
_MOST_WORDS = 100_000


def read_users(connection: duckdb.DuckDBPyConnection, properties: Collection[str] | None = None) -> pd.DataFrame:
    """The frame of `load_users`, of the users that the store follows."""
    with_props = f", {_json('props', properties)} AS props" if properties is None or properties else ""
    rows = connection.execute(f"SELECT {_names(USERS)}{with_props} FROM users").df()
    extra = _properties("props", rows["props"], properties) if with_props else {}
    return make_frame(USERS, _typed(rows, USERS) | extra)


def read_users_with_json(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The same with all properties in the column props, as JSON."""
    rows = connection.execute(f"SELECT {_names(USERS)}, props FROM users").df()
    return make_frame(USERS, _typed(rows, USERS | {"props": TEXT}))


def read_devices(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The frame of `load_devices`, of the same users."""
    rows = connection.execute(f"SELECT {_names(DEVICES)} FROM devices").df()
    return make_frame(DEVICES, _typed(rows, DEVICES))


def read_sessions(connection: duckdb.DuckDBPyConnection, condition: str, values: list[Any]) -> pd.DataFrame:
    """The frame of `load_sessions`, of the sessions for which an SQL condition holds."""
    rows = connection.execute(f"SELECT {_names(SESSIONS)} FROM sessions WHERE {condition}", values).df()
    return make_frame(SESSIONS, _typed(rows, SESSIONS))


def read_events(
    connection: duckdb.DuckDBPyConnection,
    condition: str,
    values: list[Any],
    columns: list[str] | None = None,
    properties: Collection[str] | None = None,
) -> pd.DataFrame:
    """The frame of `load_session_events`, of the events for which an SQL condition holds.

    With `columns`, only these: data.<key> is a property, data the JSON of all of them.
    """
    if columns is not None:
        properties = [name.removeprefix("data.") for name in columns if name.startswith("data.")]
    wanted = [name for name in EVENT_COLUMNS if columns is None or name in columns]
    chosen = {name: f'e."{name}"' for name in wanted}
    if properties is None or properties:
        chosen["properties"] = _json("e.data", properties)
    if columns is not None and "data" in columns:
        chosen["data"] = "e.data"
    expressions = [_encoded(connection, name, expression) for name, expression in chosen.items()]
    rows = connection.execute(
        f"SELECT {', '.join(['e.session_no', *expressions])} FROM kept.events e JOIN kept.users u USING (user_no)"
        f' JOIN kept.sessions s USING (session_no) WHERE {condition} ORDER BY u.place, u.user_no, s."start" NULLS LAST,'
        " s.device_id, s.session_id, e.place",
        values,
    ).df()
    found = _typed(rows, {name: EVENT_COLUMNS[name] for name in wanted})
    found |= _of_sessions(connection, rows["session_no"].to_numpy())
    extra = _properties("data", rows["properties"], properties) if "properties" in chosen else {}
    if columns is None:
        return make_frame(EVENT_LOG, found | extra)
    if "data" in chosen:
        extra["data"] = _column(rows["data"], TEXT)
    return pd.DataFrame({name: found[name] if name in found else extra[name] for name in columns})


def _json(column: str, properties: Collection[str] | None) -> str:
    """The expression for the JSON of properties: of all, or of some."""
    if properties is None or any("\N{REPLACEMENT CHARACTER}" in name for name in properties):
        # That character may stand for another one.
        return column
    return some_as_json(column, properties)


def condition_on(column: str, begins: dt.datetime | None, ends: dt.datetime | None) -> tuple[str, list[Any]]:
    """Return the SQL condition for a half-open interval, and its values."""
    bounds = [(">=", begins), ("<", ends)]
    parts = [f"{column} {sign} ?" for sign, bound in bounds if bound is not None]
    return " AND ".join(parts) or "TRUE", [naive(bound) for _, bound in bounds if bound is not None]


def naive(instant: dt.datetime) -> dt.datetime:
    """Return an instant as the tables hold it: naive, in UTC."""
    return instant.astimezone(dt.UTC).replace(tzinfo=None)


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _encoded(connection: duckdb.DuckDBPyConnection, name: str, expression: str) -> str:
    """The expression for a column of events: texts that come again and again as numbers, which is 5 times as fast."""
    if EVENT_COLUMNS.get(name, TEXT) != TEXT:
        return f'{expression} AS "{name}"'
    (words,) = one_row(connection, f"SELECT approx_count_distinct({expression}) FROM kept.events e")
    if not 0 < words <= _MOST_WORDS:
        return f'{expression} AS "{name}"'
    kind = f"words_of_{name}"
    connection.execute(
        f"CREATE OR REPLACE TEMP TYPE {kind} AS ENUM"
        f" (SELECT DISTINCT {expression} AS word FROM kept.events e WHERE word IS NOT NULL)"
    )
    return f'{expression}::{kind} AS "{name}"'


def _typed(rows: pd.DataFrame, columns: Schema) -> dict[str, Any]:
    return {name: _column(rows[name], dtype) for name, dtype in columns.items()}


def _column(values: pd.Series, dtype: Any) -> Any:
    if isinstance(values.dtype, pd.CategoricalDtype):
        words = pd.array([*values.cat.categories, pd.NA], dtype=TEXT)
        return words.take(values.cat.codes.to_numpy())  # -1, missing, is the last
    if dtype == INSTANT:
        return values.dt.tz_localize("UTC").astype(INSTANT).array
    if dtype == COUNT:
        return values.astype("float64").astype(COUNT).array  # counts are below 2^53
    return values.astype(dtype).array


def _of_sessions(connection: duckdb.DuckDBPyConnection, numbers: Any) -> dict[str, Any]:
    """For each event the ids that it has from its session."""
    own: Schema = {name: EVENT_LOG[name] for name in EVENT_LOG if name not in EVENT_COLUMNS}
    rows = connection.execute(
        'SELECT s.session_no, u.user_id, u.user_db_id, s.device_id, s.session_id, s."start" AS session_start'
        " FROM kept.sessions s JOIN kept.users u USING (user_no) ORDER BY s.session_no"
    ).df()
    place = np.searchsorted(rows["session_no"].to_numpy(), numbers)
    return {name: column.take(place) for name, column in _typed(rows, own).items()}


def _properties(prefix: str, texts: pd.Series, properties: Collection[str] | None) -> dict[str, Any]:
    """Columns of properties from JSON objects; each distinct text is parsed once."""
    if isinstance(texts.dtype, pd.CategoricalDtype):
        codes, words = texts.cat.codes.to_numpy(), texts.cat.categories
    else:
        codes, words = pd.factorize(texts)
    used, place = np.unique(codes[codes >= 0], return_inverse=True)
    row_of = np.full(len(codes), len(used))
    row_of[codes >= 0] = place
    weights = np.bincount(row_of, minlength=len(used) + 1)
    columns = property_columns(prefix, _Objects(words[used]), ParseProblems(prefix), properties, weights)
    return {name: values.take(row_of) for name, values in columns.items()}


@dataclass(frozen=True)
class _Objects:
    """The objects of different JSON texts, and one that is missing; read anew each time, as they take much memory."""

    texts: Any

    def __iter__(self) -> Iterator[Any]:
        yield from map(json.loads, self.texts)
        yield None
