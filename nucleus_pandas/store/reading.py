"""From the tables of a store to the frames of the loaders, with the same columns and dtypes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nucleus_pandas.api.columns import COUNT, INSTANT, TEXT, Losses
from nucleus_pandas.api.frames import DEVICES, EVENT_LOG, SESSIONS, USERS, Schema, make_frame
from nucleus_pandas.api.people import property_columns
from nucleus_pandas.store.schema import EVENT_COLUMNS, one_row

if TYPE_CHECKING:
    import duckdb

# With more different texts than these, a dictionary of them is of no use.
_MOST_WORDS = 100_000


def read_users(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The frame of `load_users`, of the users that the store follows."""
    rows = connection.execute(f"SELECT {_names(USERS)}, props FROM users").df()
    return make_frame(USERS, _typed(rows, USERS) | _properties("props", rows["props"]))


def read_devices(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The frame of `load_devices`, of the same users."""
    rows = connection.execute(f"SELECT {_names(DEVICES)} FROM devices").df()
    return make_frame(DEVICES, _typed(rows, DEVICES))


def read_sessions(connection: duckdb.DuckDBPyConnection, condition: str, values: list[Any]) -> pd.DataFrame:
    """The frame of `load_sessions`, of the sessions for which an SQL condition holds."""
    rows = connection.execute(f"SELECT {_names(SESSIONS)} FROM sessions WHERE {condition}", values).df()
    return make_frame(SESSIONS, _typed(rows, SESSIONS))


def read_events(
    connection: duckdb.DuckDBPyConnection, condition: str, values: list[Any], columns: list[str] | None = None
) -> pd.DataFrame:
    """The frame of `load_session_events`, or some of its columns, of the events for which an SQL condition holds."""
    wanted = [name for name in EVENT_COLUMNS if columns is None or name in columns]
    with_data = columns is None or any(name not in EVENT_LOG for name in columns)
    expressions = [_encoded(connection, name) for name in (*wanted, *(["data"] if with_data else []))]
    rows = connection.execute(
        f"SELECT {', '.join(['e.session_no', *expressions])} FROM kept.events e JOIN kept.users u USING (user_no)"
        f' JOIN kept.sessions s USING (session_no) WHERE {condition} ORDER BY u.place, u.user_no, s."start" NULLS LAST,'
        " s.device_id, s.session_id, e.place",
        values,
    ).df()
    found = _typed(rows, {name: EVENT_COLUMNS[name] for name in wanted})
    found |= _of_sessions(connection, rows["session_no"].to_numpy())
    extra = _properties("data", rows["data"]) if with_data else {}
    if columns is None:
        return make_frame(EVENT_LOG, found | extra)
    missing = pd.array([pd.NA] * len(rows), dtype=TEXT)
    return pd.DataFrame({name: found.get(name, extra.get(name, missing)) for name in columns})


def condition_on(column: str, begins: dt.datetime | None, ends: dt.datetime | None) -> tuple[str, list[Any]]:
    """Give the SQL condition for a half-open interval, and its values."""
    bounds = [(">=", begins), ("<", ends)]
    parts = [f"{column} {sign} ?" for sign, bound in bounds if bound is not None]
    return " AND ".join(parts) or "TRUE", [naive(bound) for _, bound in bounds if bound is not None]


def naive(instant: dt.datetime) -> dt.datetime:
    """Give an instant as the tables hold it: UTC, without saying so."""
    return instant.astimezone(dt.UTC).replace(tzinfo=None)


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _encoded(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """The expression for a column of events: texts that come again and again as numbers, which is 5 times as fast."""
    if name != "data" and EVENT_COLUMNS[name] != TEXT:
        return f'e."{name}"'
    (words,) = one_row(connection, f'SELECT approx_count_distinct("{name}") FROM kept.events')
    if not 0 < words <= _MOST_WORDS:
        return f'e."{name}"'
    kind = f"words_of_{name}"
    connection.execute(
        f"CREATE OR REPLACE TEMP TYPE {kind} AS ENUM"
        f' (SELECT DISTINCT "{name}" FROM kept.events WHERE "{name}" IS NOT NULL)'
    )
    return f'e."{name}"::{kind} AS "{name}"'


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


def _properties(prefix: str, texts: pd.Series) -> dict[str, Any]:
    """A column for each key of JSON objects; each different text is read once."""
    if isinstance(texts.dtype, pd.CategoricalDtype):
        codes, words = texts.cat.codes.to_numpy(), texts.cat.categories
    else:
        codes, words = pd.factorize(texts)
    used, place = np.unique(codes[codes >= 0], return_inverse=True)
    objects: list[Mapping[str, Any] | None] = [json.loads(words[code]) for code in used.tolist()]
    row_of = np.full(len(codes), len(objects))
    row_of[codes >= 0] = place
    columns = property_columns(prefix, [*objects, None], Losses(prefix))
    return {name: values.take(row_of) for name, values in columns.items()}
