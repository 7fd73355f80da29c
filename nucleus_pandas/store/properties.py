"""The properties in a JSON column as SQL: which keys are the most frequent, and an expression for each of them.

Anyone who can send events can make up keys, so there can be any number of them: nothing here runs a query per key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nucleus_pandas.api.parsing.property_columns import MOST_PROPERTIES
from nucleus_pandas.api.parsing.values import ParseProblems, clean
from nucleus_pandas.core.text import did_you_mean, is_utf8, near_names, shown

if TYPE_CHECKING:
    import duckdb

_MOST_SHOWN = 10


class Property(NamedTuple):
    """A key of a JSON column.

    Attributes
    ----------
    name : str
        The name of its column.
    key : str
    kind : str
        The type that all its values have and fit into: BOOLEAN, BIGINT, DOUBLE or else VARCHAR.
    mixed : bool
        Whether its values can only be read one by one: of several types, nested, or with characters to replace.
    """

    name: str
    key: str
    kind: str
    mixed: bool


class Properties(NamedTuple):
    """Some properties in the order of their keys, and how many different ones there are."""

    chosen: list[Property]
    total: int


_FLAGS = """
    bool_or(type = 'BOOLEAN') AS flags,
    bool_or(type IN ('BIGINT', 'UBIGINT')) AS whole,
    bool_or(type = 'DOUBLE') AS fractions,
    bool_or(type NOT IN ('BOOLEAN', 'BIGINT', 'UBIGINT', 'DOUBLE')) AS texts,
    bool_or(type IN ('BIGINT', 'UBIGINT', 'DOUBLE') AND length(value) > 18
        AND regexp_full_match(value, '-?[0-9]+') AND TRY_CAST(value AS BIGINT) IS NULL) AS too_large,
    bool_or(type IN ('OBJECT', 'ARRAY') OR contains(value, '\\u') OR regexp_matches(value, '[\\x7f-\\x{9f}]')) AS odd
"""


def find_properties(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, keys: Collection[str] | None = None
) -> Properties:
    """Find keys in a column of JSON: the 200 most frequent, or those of `keys` that any row has."""
    return _most_frequent(connection, table, column) if keys is None else _some(connection, table, column, keys)


def _most_frequent(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> Properties:
    entries = f"unnest(map_entries(TRY_CAST(TRY_CAST({column} AS JSON) AS MAP(VARCHAR, JSON))))"
    rows = connection.execute(
        f"""
        SELECT key, flags, whole, fractions, texts, too_large, odd, count(*) OVER () FROM (
            SELECT key, count(*) AS number, {_FLAGS}
            FROM (SELECT entry.key, CAST(entry.value AS VARCHAR) AS value, json_type(entry.value) AS type
                FROM (SELECT {entries} AS entry FROM {table}))
            WHERE type <> 'NULL' GROUP BY key)
        ORDER BY number DESC, key LIMIT {MOST_PROPERTIES}
        """
    ).fetchall()
    return Properties(_named(rows, column), rows[0][-1] if rows else 0)


def _some(connection: duckdb.DuckDBPyConnection, table: str, column: str, keys: Collection[str]) -> Properties:
    wanted = sorted(filter(is_utf8, set(keys)))  # DuckDB holds no other texts
    if not wanted:
        return Properties([], 0)
    names, paths = (f"[{', '.join(map(text_literal, texts))}]" for texts in (wanted, map(_pointer, wanted)))
    rows = connection.execute(
        f"""
        SELECT key, {_FLAGS} FROM (SELECT key, CAST(found AS VARCHAR) AS value, json_type(found) AS type
            FROM (SELECT unnest({names}) AS key, unnest(json_extract(TRY_CAST({column} AS JSON), {paths})) AS found
                FROM {table}))
        WHERE type <> 'NULL' GROUP BY key
        """
    ).fetchall()
    return Properties(_named(rows, column), len(rows))


Find = Callable[[Collection[str] | None], Properties]


def known_keys(find: Find, names: Collection[str]) -> list[str]:
    """Return the names that are keys. Names with U+FFFD are kept: it may stand for a character that cannot be shown."""
    known = {one.key for one in find(names).chosen} if names else set()
    return [name for name in names if name in known or "\N{REPLACEMENT CHARACTER}" in name]


def require_properties(names: Collection[str], *finds: Find) -> None:
    """Raise ValueError, with the nearest names, if a name is not a key of any column."""
    known = {name for find in finds for name in known_keys(find, names)}
    unknown = [name for name in names if name not in known]
    if not unknown:
        return
    frequent = sorted({one.key for find in finds for one in find(None).chosen})
    hint = did_you_mean(near_names(unknown[0], frequent))
    raise ValueError(
        f"properties: the store has no property {shown(unknown[0])}.{hint} There are "
        f"{', '.join(map(shown, frequent[:_MOST_SHOWN])) or 'none'}."
    )


def _named(rows: Sequence[tuple[object, ...]], prefix: str) -> list[Property]:
    found = []
    for key, flags, whole, fractions, texts, too_large, odd, *_ in sorted(rows, key=lambda row: str(row[0])):
        (name,) = clean([f"{prefix}.{key}"], ParseProblems(prefix))
        types = bool(flags) + bool(whole or fractions) + bool(texts)
        kind = "BOOLEAN" if flags else "VARCHAR" if texts else "DOUBLE" if fractions else "BIGINT"
        if types > 1 or too_large:
            kind = "VARCHAR"
        mixed = kind == "VARCHAR" and bool(flags or whole or fractions or odd)
        found.append(Property(str(name), str(key), kind, mixed))
    return found


def without_clashes(properties: Sequence[Property]) -> list[Property]:
    """Make names unique regardless of case, because files do not distinguish columns by case."""
    taken: set[str] = set()
    named = []
    for one in properties:
        name = one.name
        while name.casefold() in taken:
            name += "_"
        taken.add(name.casefold())
        named.append(one._replace(name=name))
    return named


def exact_columns(prefix: str, properties: Sequence[Property]) -> list[Property]:
    """Choose the properties that can be columns of a file without a change of their names or values.

    The others stay in JSON: under another name, or as text, they would be mistaken for something else.
    """
    taken: set[str] = set()
    chosen = []
    for one in properties:
        if not one.mixed and one.name == f"{prefix}.{one.key}" and one.name.casefold() not in taken:
            taken.add(one.name.casefold())
            chosen.append(one)
    return chosen


def as_texts(column: str, properties: Sequence[Property]) -> str:
    """Write the expression for the values of properties as a list of texts; it parses the JSON once per row."""
    return f"json_extract_string({column}, [{', '.join(text_literal(_pointer(one.key)) for one in properties)}])"


def typed(column: str, one: Property) -> str:
    """Write the expression for the values of a property: in its type, or as JSON if they are of several types."""
    path = text_literal(_pointer(one.key))
    if one.mixed:
        return f"CAST(json_extract({column}, {path}) AS VARCHAR)"
    return f"CAST(json_extract_string({column}, {path}) AS {one.kind})"


def the_rest(column: str, properties: Sequence[Property]) -> str:
    """Write the expression for the JSON of all other properties, missing where there are none."""
    without = text_literal(json.dumps({one.key: None for one in properties}, ensure_ascii=False))
    return f"nullif(CAST(json_merge_patch({column}, {without}) AS VARCHAR), '{{}}')"


def some_as_json(column: str, keys: Collection[str]) -> str:
    """Write the expression for the JSON of some keys only."""
    parts = [f"{text_literal(key)}, json_extract({column}, {text_literal(_pointer(key))})" for key in sorted(set(keys))]
    return f"CASE WHEN {column} IS NOT NULL THEN CAST(json_object({', '.join(parts)}) AS VARCHAR) END"


def _pointer(key: str) -> str:
    """Write the JSON pointer of a key."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def quoted(text: str) -> str:
    """Write the name of a column."""
    return '"' + text.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """Write a text."""
    # A literal cannot hold the character that ends a text in C.
    return "'" + text.replace("'", "''").replace("\0", "' || chr(0) || '") + "'"
