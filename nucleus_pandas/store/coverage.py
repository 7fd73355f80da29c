"""What a store does not hold of an interval: what was not synced, has grown since, or could not be loaded."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal, NamedTuple

from nucleus_pandas.api.columns import warn_incomplete
from nucleus_pandas.api.windows import SETTLING_TIME
from nucleus_pandas.exceptions import StoreError
from nucleus_pandas.store.reading import naive
from nucleus_pandas.store.schema import one_row

if TYPE_CHECKING:
    import duckdb

#: Where a sync ended: without the window after its interval, or with it.
Through = Literal["end", "window_end"]


class Span(NamedTuple):
    """An interval, as the tables hold instants: UTC without saying so."""

    start: dt.datetime
    end: dt.datetime


def synced_spans(connection: duckdb.DuckDBPyConnection, through: Through = "end") -> list[Span]:
    """Give the spans that syncs went through, of all users that the store follows by now.

    The last two days of an older sync still grew, and do not count; those of the latest one are as of it.
    """
    rows = connection.execute(
        f'SELECT "start", "{through}", as_of, as_of = max(as_of) OVER () FROM kept.runs'
        " WHERE finished AND sample >= (SELECT max(sample) FROM kept.runs)"
    ).fetchall()
    spans = [Span(start, end if latest else min(end, as_of - SETTLING_TIME)) for start, end, as_of, latest in rows]
    merged: list[Span] = []
    for span in sorted(span for span in spans if span.start < span.end):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(span.end, merged[-1].end))
        else:
            merged.append(span)
    return merged


def find_gaps(
    connection: duckdb.DuckDBPyConnection,
    begins: dt.datetime | None,
    ends: dt.datetime | None,
    through: Through = "end",
) -> list[str]:
    """Give what is known to be missing from an interval."""
    first, last, runs = one_row(connection, f'SELECT min("start"), max("{through}"), count(*) FROM kept.runs')
    if not runs:
        raise StoreError("Nothing was synced into this store yet; nucleus_pandas.sync(client, store, start, end) does.")
    gaps, synced = [], synced_spans(connection, through)
    low, high = begins and naive(begins), ends and naive(ends)
    if not any((low is None or span.start <= low) and (high is None or high <= span.end) for span in synced):
        told = ", ".join(f"{span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M}" for span in synced)
        gaps.append(f"synced to the end, and settled or synced last, were only {told or 'no days'} (UTC)")
    failed_users, failed_sessions, missing = one_row(connection, _MISSING, [low or first, high or last] * 3)
    if failed_users or failed_sessions:
        gaps.append(f"{failed_users:,} users and {failed_sessions:,} sessions could not be loaded")
    if missing:
        gaps.append(f"{missing:,} sessions are known and were not fetched, or have grown since")
    return gaps


def tell_gaps(gaps: list[str]) -> None:
    """Warn of what is missing."""
    if gaps:
        warn_incomplete(f"The store does not hold all of this interval: {'; '.join(gaps)}. Call sync for it, or again.")


_TOUCHES = 'coalesce("end", "start") >= ? AND coalesce("start", "end") <= ?'
_MISSING = f"""
SELECT
    (SELECT count(*) FROM kept.users WHERE failure IS NOT NULL AND chosen
        AND coalesce(last_seen >= ?, true) AND coalesce(created_at <= ?, true)),
    (SELECT count(*) FROM kept.sessions WHERE failure IS NOT NULL AND {_TOUCHES}),
    (SELECT count(*) FROM kept.sessions s JOIN kept.users u USING (user_no)
        WHERE u.chosen AND s.failure IS NULL AND (s.events_at IS NULL OR s.stale)
        AND s.device_id IS NOT NULL AND s.session_id IS NOT NULL AND {_TOUCHES})
"""
