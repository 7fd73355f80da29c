"""What a store does not hold of an interval: what was not synced, and what could not be loaded."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

from nucleus_pandas.api.columns import warn_incomplete
from nucleus_pandas.exceptions import StoreError
from nucleus_pandas.store.reading import naive
from nucleus_pandas.store.schema import one_row

if TYPE_CHECKING:
    import duckdb

Through = Literal["end", "window_end"]


def find_gaps(
    connection: duckdb.DuckDBPyConnection,
    begins: dt.datetime | None,
    ends: dt.datetime | None,
    through: Through = "end",
) -> list[str]:
    """Give what is known to be missing from an interval; `through` says where syncs ended: with their window or not."""
    rows = connection.execute(f'SELECT "start", "{through}", finished FROM kept.runs ORDER BY run').fetchall()
    if not rows:
        raise StoreError("Nothing was synced into this store yet; nucleus_pandas.sync(client, store, start, end) does.")
    gaps = []
    synced = _union([row[:2] for row in rows if row[2]])
    low, high = begins and naive(begins), ends and naive(ends)
    covered = any((low is None or first <= low) and (high is None or high <= last) for first, last in synced)
    if not covered:
        spans = ", ".join(f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}" for first, last in synced)
        gaps.append(f"synced to the end were only {spans or 'none'} (UTC)")
    failed = one_row(
        connection,
        "SELECT (SELECT count(*) FROM kept.users WHERE failure IS NOT NULL),"
        " (SELECT count(*) FROM kept.sessions WHERE failure IS NOT NULL)",
    )
    if any(failed):
        gaps.append(f"{failed[0]:,} users and {failed[1]:,} sessions could not be loaded")
    return gaps


def _union(spans: list[tuple[dt.datetime, dt.datetime]]) -> list[tuple[dt.datetime, dt.datetime]]:
    """Spans in order, those that touch made one."""
    merged: list[tuple[dt.datetime, dt.datetime]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def tell_gaps(gaps: list[str]) -> None:
    """Warn of what is missing."""
    if gaps:
        warn_incomplete(f"The store does not hold all of this interval: {'; '.join(gaps)}. Call sync for it, or again.")
