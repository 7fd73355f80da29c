"""Events bucket by bucket: all events of a user lie in one. Those of a store; `parquet` has those of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from nucleus_pandas.api.parsing.schemas import EVENT_LOG
from nucleus_pandas.store.database import Database
from nucleus_pandas.store.duckdb_columns import ColumnRequest, Kinds, fetch, grouped, kinds_of, only, types_of
from nucleus_pandas.store.export import in_order
from nucleus_pandas.store.properties import quoted, typed

# Small buckets are read together: each reading costs some hundredths of a second.
_AT_ONCE = 1_000_000


class Bucket(Protocol):
    """The events of some users."""

    def read(self, request: ColumnRequest) -> pd.DataFrame:
        """Give what a question needs, in the order in which the events came."""


@dataclass(frozen=True)
class StoreBucket:
    """A bucket of a store."""

    database: Database
    numbers: tuple[int, ...]
    kinds: Kinds

    def read(self, request: ColumnRequest) -> pd.DataFrame:
        """Give what a question needs."""
        found = {one.name: one for one in request.properties}
        # Put in order and taken out of JSON once, and not again for each column of texts.
        chosen = [
            f"{typed('data', found[name]) if name in found else quoted(name)} AS c{place}"
            for place, name in enumerate(request.columns)
        ]
        with self.database.reading() as connection:
            condition, names = only(request, "event")
            connection.execute(
                f"CREATE TEMP TABLE part AS SELECT {', '.join(chosen)} FROM events WHERE bucket IN"
                f" ({', '.join(map(str, self.numbers))}) AND {condition} {in_order()}",
                names,
            )
            expressions = {name: f"c{place}" for place, name in enumerate(request.columns)}
            return fetch(connection, "part", expressions, request.kinds(self.kinds), request._replace(events=None))


def store_buckets(database: Database) -> list[StoreBucket]:
    """Give the buckets of a store, with the columns that every event has, and data, the JSON of its properties."""
    with database.reading() as connection:
        kinds = kinds_of(types_of(connection, f"(SELECT {', '.join(map(quoted, [*EVENT_LOG, 'data']))} FROM events)"))
        rows = connection.execute("SELECT bucket, count(*) FROM events GROUP BY bucket ORDER BY bucket").fetchall()
    numbers, sizes = zip(*(rows or [(0, 0)]), strict=True)
    return [StoreBucket(database, tuple(numbers[place] for place in group), kinds) for group in in_groups(sizes)]


def in_groups(sizes: Sequence[int]) -> list[list[int]]:
    """Put small buckets together, given how many events each has."""
    return grouped(sizes, _AT_ONCE)
