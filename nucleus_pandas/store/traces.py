"""Where an id still stands: in the rows of a store, and in files byte by byte."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from nucleus_pandas.store.schema import one_row

if TYPE_CHECKING:
    import duckdb

# A shorter id stands in many a longer text by chance, so it counts as a whole text only.
_TELLING = 6
_PIECE = 1 << 20


def rows_with(connection: duckdb.DuckDBPyConnection, ids: Iterable[str]) -> dict[str, int]:
    """Give for each table how many rows hold one of the ids in some text."""
    known = list(ids)
    connection.register("sought", {"id": np.array(known, dtype=object)})
    parts = [_as_json(text) for text in known if len(text) >= _TELLING]
    columns = connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'kept' AND data_type = 'VARCHAR'"
    ).fetchall()
    found: dict[str, int] = {}
    for table in sorted({table for table, _ in columns}):
        tests = []
        for name in (name for owner, name in columns if owner == table):
            tests += [f'"{name}" IN (FROM sought)', *(f'contains("{name}", ?)' for _ in parts)]
        values = parts * sum(table == owner for owner, _ in columns)
        (found[table],) = one_row(connection, f"SELECT count(*) FROM kept.{table} WHERE {' OR '.join(tests)}", values)
    return found


def places_in(paths: Iterable[Path], ids: Iterable[str]) -> int:
    """Count where one of the ids stands in files, as it is and as JSON and URLs write it."""
    forms = {
        form.encode("utf-8", "surrogatepass")
        for text in ids
        if len(text) >= _TELLING
        for form in (text, _as_json(text), json.dumps(text)[1:-1], quote(text, safe=""))
    }
    longest = max(map(len, forms), default=1)
    total = 0
    for path in paths:
        if not path.is_file():
            continue
        with path.open("rb") as file:
            tail = b""
            while piece := file.read(_PIECE):
                text = tail + piece
                tail = text[-(longest - 1) :] if longest > 1 else b""
                # What lies wholly in the tail is counted with the next piece.
                total += sum(text.count(form) - tail.count(form) for form in forms)
            total += sum(tail.count(form) for form in forms)
    return total


def _as_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
