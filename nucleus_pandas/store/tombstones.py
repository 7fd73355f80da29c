"""Who is not to come back: hashes of the ids of people who were erased, of no use to find out who they were.

The salt is the store's own, so that nobody can look up in one store who was erased in another. Whoever has the file and
guesses an id can still try it, as with any list of what is not to be let in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nucleus_pandas.store import writing
from nucleus_pandas.store.schema import get_meta, one_row

if TYPE_CHECKING:
    import duckdb


def bury(connection: duckdb.DuckDBPyConnection, ids: Iterable[str]) -> None:
    """Note the ids of one person whose erasure begins; those that are known from an earlier try stay with them."""
    hashes = _hashes(connection, ids).values()
    rows = connection.execute("SELECT person, hash FROM kept.tombstones").fetchall()
    known = {value: person for person, value in rows}
    person = next((known[value] for value in hashes if value in known), max(known.values(), default=0) + 1)
    for value in hashes:
        if value not in known:
            connection.execute("INSERT INTO kept.tombstones VALUES (?, ?, 'begun')", [person, value])
    connection.execute("UPDATE kept.tombstones SET state = 'begun' WHERE person = ?", [person])


def done(connection: duckdb.DuckDBPyConnection, ids: Iterable[str]) -> None:
    """Note that the service has erased the person, too."""
    for value in _hashes(connection, ids).values():
        connection.execute(
            "UPDATE kept.tombstones SET state = 'done'"
            " WHERE person IN (SELECT person FROM kept.tombstones WHERE hash = ?)",
            [value],
        )


def buried(connection: duckdb.DuckDBPyConnection, ids: Iterable[str]) -> set[str]:
    """Give those of the ids that are a buried person's."""
    stones = {row[0] for row in connection.execute("SELECT hash FROM kept.tombstones").fetchall()}
    return {name for name, value in _hashes(connection, ids).items() if value in stones} if stones else set()


def unfinished(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether an erasure was begun of which it is not known that the service was told."""
    return bool(one_row(connection, "SELECT count(*) FROM kept.tombstones WHERE state = 'begun'")[0])


def _hashes(connection: duckdb.DuckDBPyConnection, ids: Iterable[str]) -> dict[str, str]:
    key = bytes.fromhex(get_meta(connection, "salt") or "")
    return {text: hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=key).hexdigest() for text in ids}


def drop_buried(connection: duckdb.DuckDBPyConnection) -> int:
    """Delete everything of the buried that is in the store; gives how many people that was."""
    rows = connection.execute("SELECT user_no, user_id, user_db_id FROM kept.users").fetchall()
    found = buried(connection, {text for row in rows for text in row[1:] if text})
    numbers = [row[0] for row in rows if found.intersection(row[1:])]
    writing.drop_users(connection, numbers)
    return len(numbers)
