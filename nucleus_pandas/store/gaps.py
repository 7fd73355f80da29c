"""What a store does not hold of an interval: what was not synced, has grown since, or could not be loaded."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal, NamedTuple

from nucleus_pandas.core.text import counted
from nucleus_pandas.core.units import ONE_DAY, SETTLING_TIME
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.exceptions import StoreError
from nucleus_pandas.store.schema import one_row
from nucleus_pandas.store.sync.completeness import MISSING, SHORT, USER_SHORT
from nucleus_pandas.store.table_frames import naive

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

    The last two days of an older sync still grew, and do not count; those of the latest one are as of it, to the end of
    the day on which it ran.
    """
    rows = connection.execute(
        f'SELECT "start", "{through}", as_of, as_of = max(as_of) OVER () FROM kept.runs'
        " WHERE finished AND sample >= (SELECT max(sample) FROM kept.runs)"
    ).fetchall()
    spans = [
        Span(start, min(end, as_of + ONE_DAY if latest else as_of - SETTLING_TIME))
        for start, end, as_of, latest in rows
    ]
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
        covered = ", ".join(f"{span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M}" for span in synced)
        gaps.append(f"only these spans are fully synced: {covered or 'none'} (UTC)")
    bounds = [low or first, high or last]
    failed_users, failed_sessions, waiting, short, missing, short_users, undated, unlisted = one_row(
        connection, _MISSING, bounds * 5
    )
    if failed_users or failed_sessions:
        gaps.append(f"{counted(failed_users, 'user')} and {counted(failed_sessions, 'session')} could not be loaded")
    if waiting:
        gaps.append(f"{counted(waiting, 'session')} not fetched yet, or grown since")
    if short:
        gaps.append(f"{counted(short, 'session')} with events that the service counts but did not return ({missing:,})")
    if short_users:
        gaps.append(f"{counted(short_users, 'user')} whose list of sessions came empty or with flaws")
    if undated:
        gaps.append(f"{counted(undated, 'user')} without a readable time of creation or of the last session")
    if unlisted:
        gaps.append(f"{counted(unlisted, 'user')} whom the service counts but did not list")
    return gaps


def warn_of_gaps(gaps: list[str]) -> None:
    """Warn about what is missing."""
    if gaps:
        warn_incomplete(
            f"The store does not hold all of this interval: {'; '.join(gaps)}. Run sync for the interval to request "
            "what is missing; what the service did not return several times is requested again with refresh=True only."
        )


_TOUCHES = 'greatest(s."start", s."end") >= ? AND least(s."start", s."end") <= ?'
_ACTIVE = "u.chosen AND coalesce(u.last_seen >= ?, true) AND coalesce(u.created_at <= ?, true)"
_MISSING = f"""
SELECT
    (SELECT count(*) FROM kept.users u WHERE failure IS NOT NULL AND {_ACTIVE}),
    (SELECT count(*) FROM kept.sessions s WHERE failure IS NOT NULL AND {_TOUCHES}),
    (SELECT count(*) FROM kept.sessions s JOIN kept.users u USING (user_no)
        WHERE u.chosen AND s.failure IS NULL AND (s.events_at IS NULL OR s.stale)
        AND s.device_id IS NOT NULL AND s.session_id IS NOT NULL AND {_TOUCHES}),
    short.sessions, short.events,
    (SELECT count(*) FROM kept.users u WHERE u.failure IS NULL AND {USER_SHORT} AND {_ACTIVE}),
    (SELECT count(*) FROM kept.users WHERE chosen AND (created_at IS NULL OR last_seen IS NULL)),
    (SELECT greatest(arg_max(counted, run) - arg_max(listed, run), 0) FROM kept.runs)
FROM (SELECT count(*) AS sessions, coalesce(sum({MISSING}), 0)::BIGINT AS events FROM kept.sessions s
    WHERE {SHORT} AND s.failure IS NULL AND {_TOUCHES}) short
"""
