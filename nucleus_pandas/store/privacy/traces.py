"""Which rows still hold an id: rows of a store, table by table, and answers in a cache."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nucleus_pandas.store.schema import one_row

if TYPE_CHECKING:
    import duckdb

# A shorter id occurs in many a longer text by chance, so it must be a whole text.
_LONG = 6
# Types that hold no text. A column of any other type is searched, whatever its type will be called.
_NO_TEXT = "(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|FLOAT|DECIMAL.*|BOOLEAN|DATE|TIME.*|INTERVAL|UUID)"
_PATIENCE = 2.0


def rows_with(connection: duckdb.DuckDBPyConnection, ids: Iterable[str]) -> dict[str, int]:
    """Count the rows of each table that hold one of the ids in some text; schemas other than `kept` are named."""
    known = sorted(ids)
    connection.register("sought", {"id": np.array(known, dtype=object)})
    parts = sorted({part for text in known for part in _parts(text)})
    columns = connection.execute(
        "SELECT t.schema_name, t.table_name, c.column_name, c.data_type"
        " FROM duckdb_tables() t JOIN duckdb_columns() c USING (database_oid, schema_oid, table_oid)"
        f" WHERE t.database_name = current_database() AND NOT regexp_full_match(c.data_type, '{_NO_TEXT}') ORDER BY ALL"
    ).fetchall()
    tables: dict[tuple[str, str], list[str]] = {}
    for schema, table, name, kind in columns:
        text = _quoted(name) if kind in ("VARCHAR", "JSON") else f"to_json({_quoted(name)})"
        tables.setdefault((schema, table), []).append(f"{text}::VARCHAR")
    found: dict[str, int] = {}
    for (schema, table), texts in tables.items():
        tests = [
            test for text in texts for test in (f"{text} IN (FROM sought)", *(f"contains({text}, ?)" for _ in parts))
        ]
        query = f"SELECT count(*) FROM {_quoted(schema)}.{_quoted(table)} WHERE {' OR '.join(tests)}"
        (found[table if schema == "kept" else f"{schema}.{table}"],) = one_row(connection, query, parts * len(texts))
    return found


def answers_with(place: Path, ids: Iterable[str]) -> int | None:
    """Count the answers in the file of a cache that hold one of the ids; None when it cannot be read."""
    import sqlite3

    if not place.exists():
        return 0
    known = list(ids)
    try:
        address = f"{place.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE)) as connection:
            return sum(_holds(value, known) for (value,) in connection.execute("SELECT value FROM answers"))
    except sqlite3.Error:
        return None


def _parts(text: str) -> list[str]:
    """What a text that holds an id has in it: the id, or the id as JSON writes it."""
    as_json = [json.dumps(text), json.dumps(text, ensure_ascii=False)]
    return [text, *(each[1:-1] for each in as_json)] if len(text) >= _LONG else as_json


def _holds(value: Any, ids: list[str]) -> bool:
    """Whether one of the ids is in an answer, however its JSON escapes it."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    texts = {text, *(found for line in text.split("\n", 1) for found in _texts_in(line))}
    return any(known in texts or (len(known) >= _LONG and any(known in each for each in texts)) for known in ids)


def _texts_in(line: str) -> Iterator[str]:
    with contextlib.suppress(ValueError, RecursionError):
        waiting = [json.loads(line)]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                waiting += [*value, *value.values()]
            elif isinstance(value, list):
                waiting += value
            elif value is not None:
                yield str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
