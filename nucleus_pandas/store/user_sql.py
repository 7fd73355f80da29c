"""Which SQL a user may run on a store: one SELECT that reads the four views and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nucleus_pandas.core.text import shown

if TYPE_CHECKING:
    import duckdb

#: The only tables that a query may name.
VIEWS = ("users", "devices", "sessions", "events")
# Functions in FROM that read neither tables nor files.
_FUNCTIONS = {"range", "generate_series", "unnest", "json_each", "json_tree"}
# Sources of rows that name no table themselves.
_HARMLESS = {"EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SELECT_NODE", "SHOW_REF", "SUBQUERY"}


def check_query(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Raise ValueError unless a query is one SELECT that reads the four views and nothing else.

    DuckDB itself cannot restrict a query to some tables of a database, so its parser lists those that the query names.
    """
    import duckdb

    try:
        statements = connection.extract_statements(query)
    except duckdb.ParserException as error:
        raise ValueError(f"The query cannot be understood by DuckDB: {error}") from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise ValueError(
            "query must be one SELECT statement: SQL cannot change the store, and cannot read or write files."
        )
    (text,) = connection.execute("SELECT CAST(json_serialize_sql(?) AS VARCHAR)", [query]).fetchall()[0]
    parsed = json.loads(text)
    if parsed["error"]:
        raise ValueError("query must be one SELECT statement that DuckDB can analyze; simplify it.")
    nodes = list(_nodes(parsed["statements"]))
    # Plain names only: where the common table expression is out of scope, a name such as 'a.csv' would be a file.
    named = {entry["key"].lower() for node in nodes for entry in node.get("cte_map", {}).get("map", [])}
    known = {*VIEWS, *(name for name in named if name.isidentifier())}
    for node in nodes:
        if "sample" in node and (problem := _problem(node, known)):
            raise ValueError(f"query: {problem}. It can read {', '.join(VIEWS)} and its own common table expressions.")


def _problem(node: dict[str, Any], known: set[str]) -> str | None:
    """Say why a query may not read from a source of rows."""
    kind, name = node["type"], node.get("table_name") or ""
    if kind == "TABLE_FUNCTION":
        name = node["function"]["function_name"]
        return None if name.lower() in _FUNCTIONS else f"the table function {shown(name)} is not available"
    if name or kind == "BASE_TABLE":
        full = ".".join(filter(None, (node.get("catalog_name"), node.get("schema_name"), name)))
        return None if full.lower() in known else f"the table {shown(full)} is not available"
    return None if kind in _HARMLESS else f"{shown(kind)} is not available"


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Give all objects in a parsed query."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
