"""Events bucket by bucket: all events of a user lie in one. Those of a store; `parquet` has those of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from nucleus_pandas.store.database import Database
from nucleus_pandas.store.export import event_expressions, in_order, quoted
from nucleus_pandas.store.fetching import Kinds, Reading, fetch, kinds_of, only, types_of

# Small buckets are read together: each reading costs some hundredths of a second.
_AT_ONCE = 1_000_000


class Bucket(Protocol):
    """The events of some users."""

    def read(self, reading: Reading) -> pd.DataFrame:
        """Give what a question needs, in the order in which the events came."""


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
            condition, names = only(reading, "event")
            connection.execute(
                f"CREATE TEMP TABLE part AS SELECT {chosen} FROM events WHERE bucket IN"
                f" ({', '.join(map(str, self.numbers))}) AND {condition} {in_order()}",
                names,
            )
            expressions = {name: f"c{n}" for n, name in enumerate(reading.columns)}
            return fetch(connection, "part", expressions, self.kinds, reading._replace(events=None))


def store_buckets(database: Database) -> list[StoreBucket]:
    """Give the buckets of a store, with the columns that an export has."""
    with database.reading() as connection:
        expressions, mixed = event_expressions(connection)
        chosen = ", ".join(f"{expression} AS {quoted(name)}" for name, expression in expressions.items())
        kinds = kinds_of(types_of(connection, f"(SELECT {chosen} FROM events)")) | dict.fromkeys(mixed, "JSON")
        rows = connection.execute("SELECT bucket, count(*) FROM events GROUP BY bucket ORDER BY bucket").fetchall()
    numbers, sizes = zip(*(rows or [(0, 0)]), strict=True)
    return [StoreBucket(database, tuple(numbers[n] for n in group), expressions, kinds) for group in grouped(sizes)]


def grouped(sizes: Sequence[int]) -> list[list[int]]:
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
