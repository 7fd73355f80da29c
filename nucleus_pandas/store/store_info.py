"""What a store holds, in numbers and in a few lines of text."""

from __future__ import annotations

import datetime as dt
import html
from pathlib import Path
from typing import NamedTuple

from nucleus_pandas.core.text import counted
from nucleus_pandas.store.completeness import MISSING, SHORT, USER_SHORT
from nucleus_pandas.store.database import Database
from nucleus_pandas.store.gaps import synced_spans
from nucleus_pandas.store.privacy import tombstones
from nucleus_pandas.store.schema import get_meta, one_row


class StoreInfo(NamedTuple):
    """What a store holds.

    Attributes
    ----------
    path : pathlib.Path
        The file, links followed.
    app_id : str or None
        The app; None until the first sync.
    users, followed : int
        Users of the app, and users whose sessions and events are fetched.
    sessions, fetched_sessions, events : int
        Sessions that are known, sessions whose events were fetched, and these events.
    first_event, last_event : datetime or None
        The span of the events' times, by the users' own clocks.
    spans : tuple of (datetime, datetime)
        Spans that were fully synced, without the window after them, and of older syncs without the last two days,
        which still grew.
    as_of : datetime or None
        Until when the data are known: when the last finished sync began.
    sample : float
        Share of the app's users that the store follows.
    bytes : int
        Size of the file.
    missing_users, missing_sessions : int
        Users and sessions that could not be loaded in full yet; later syncs request them again.
    missing_events : int
        Events that the service counts in its lists of sessions and has not returned.
    unfinished : bool
        Whether the last sync was stopped before its end.
    pending_erasures : int or None
        People whose erasure stopped half-way, or was not confirmed by the service: the next `forget_user` or `sync`
        completes it. None if ``<path>.erased`` is missing or damaged.
    """

    path: Path
    app_id: str | None = None
    users: int = 0
    followed: int = 0
    sessions: int = 0
    fetched_sessions: int = 0
    events: int = 0
    first_event: dt.datetime | None = None
    last_event: dt.datetime | None = None
    spans: tuple[tuple[dt.datetime, dt.datetime], ...] = ()
    as_of: dt.datetime | None = None
    sample: float = 1.0
    bytes: int = 0
    missing_users: int = 0
    missing_sessions: int = 0
    missing_events: int = 0
    unfinished: bool = False
    pending_erasures: int | None = 0


def read_info(database: Database, *, wait: bool = True) -> StoreInfo:
    """Read what a store holds; with ``wait=False`` raise at once when it is in use."""
    path = database.path
    if not database.exists:
        return StoreInfo(path)
    with database.reading(wait=wait) as connection:
        users, followed, sessions, fetched, events, first, last, as_of, *missing = one_row(connection, _COUNTS)
        synced = synced_spans(connection)
        app_id, sample = get_meta(connection, "app_id"), float(get_meta(connection, "sample") or 1)
        pending = tombstones.count_pending(connection, path)
    missing_users, missing_sessions, missing_events, unfinished = missing
    return StoreInfo(
        path=path,
        app_id=app_id,
        users=users,
        followed=followed,
        sessions=sessions,
        fetched_sessions=fetched,
        events=events,
        first_event=_aware(first),
        last_event=_aware(last),
        spans=tuple((start.replace(tzinfo=dt.UTC), end.replace(tzinfo=dt.UTC)) for start, end in synced),
        as_of=_aware(as_of),
        sample=followed / users if sample < 1 and users else sample,
        bytes=path.stat().st_size,
        missing_users=missing_users,
        missing_sessions=missing_sessions,
        missing_events=missing_events,
        unfinished=bool(unfinished),
        pending_erasures=pending,
    )


def summarize(info: StoreInfo) -> dict[str, str]:
    """Describe a store in a few lines: the name of each, and its text."""
    if info.app_id is None:
        return {"state": "empty; nucleus_pandas.sync(client, store, start, end) fills it"}
    lines = {
        "app": info.app_id,
        "users": f"{info.users:,}" + (f", {info.followed:,} of them followed" if info.followed < info.users else ""),
        "sessions": f"{info.sessions:,}, {info.fetched_sessions:,} with their events",
        "events": f"{info.events:,}",
        "synced": "; ".join(f"{_minute(start)} to {_minute(end)}" for start, end in info.spans) or "nothing yet",
    }
    if info.as_of is not None:
        lines["as of"] = f"{_minute(info.as_of)} UTC"
    if info.spans:
        lines["synced"] += " UTC"
    if info.missing_users or info.missing_sessions:
        users, sessions = counted(info.missing_users, "user"), counted(info.missing_sessions, "session")
        lines["missing"] = f"{users} and {sessions} not loaded in full"
    if info.unfinished:
        lines["last sync"] = "stopped before its end"
    if info.pending_erasures:
        lines["erasures"] = f"{info.pending_erasures:,} not complete"
    return lines


def as_text(name: str, lines: dict[str, str]) -> str:
    """Write the lines under the name of the store."""
    return "\n".join([name, *(f"  {key:<9} {text}" for key, text in lines.items())])


def as_html(name: str, lines: dict[str, str]) -> str:
    """Write the same as HTML."""
    rows = (f"<tr><th>{html.escape(key)}</th><td>{html.escape(text)}</td></tr>" for key, text in lines.items())
    return f"<p>{html.escape(name)}</p><table>{''.join(rows)}</table>"


def _minute(instant: dt.datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"


def _aware(value: dt.datetime | None) -> dt.datetime | None:
    return None if value is None else value.replace(tzinfo=dt.UTC)


_COUNTS = f"""
SELECT (SELECT count(*) FROM kept.users), (SELECT count(*) FROM kept.users WHERE chosen),
    (SELECT count(*) FROM kept.sessions), (SELECT count(*) FROM kept.sessions WHERE events_at IS NOT NULL),
    (SELECT count(*) FROM kept.events), (SELECT min(time) FROM kept.events), (SELECT max(time) FROM kept.events),
    (SELECT max(as_of) FROM kept.runs WHERE finished),
    (SELECT count(*) FROM kept.users u WHERE failure IS NOT NULL OR (chosen AND {USER_SHORT})),
    (SELECT count(*) FROM kept.sessions s WHERE failure IS NOT NULL OR {SHORT}),
    (SELECT coalesce(sum({MISSING}), 0)::BIGINT FROM kept.sessions s WHERE {SHORT}),
    coalesce((SELECT NOT arg_max(finished, run) FROM kept.runs), false)
"""
