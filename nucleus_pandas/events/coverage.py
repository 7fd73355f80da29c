"""Of which interval a store, or a log made of one, knows all users who were there."""

from __future__ import annotations

from nucleus_pandas.core.instants import instant_of, microseconds
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.store.eventstore import EventStore


def held_span(source: EventStore | EventLog, start: int | None, end: int | None) -> tuple[int, int] | None:
    """Give the synced interval that holds what is asked for, else the last one that touches it; None if there is none.

    A warning says if none holds it, or if several could be meant, as where neither start nor end is told. A log that
    was made of something else has none.

    A sync asks about the users who were there in its interval, and about no others: of days outside it only some of
    those who were active are known. All are in microseconds since 1970.
    """
    synced = source.info().spans if isinstance(source, EventStore) else source.spans
    spans = [(microseconds(begins), microseconds(ends)) for begins, ends in synced]
    if not spans:
        return None
    fits = [
        (begins, ends)
        for begins, ends in spans
        if (start is None or begins <= start < ends) and (end is None or begins < end <= ends)
    ]
    touched = [
        (begins, ends) for begins, ends in spans if (start is None or start < ends) and (end is None or begins < end)
    ]
    begins, ends = (fits or touched or spans)[-1]
    if not fits:
        warn_incomplete(
            f"The store does not hold all of this interval, but {_written(begins, ends)} UTC: outside it, it knows "
            "only some users. Call sync for it."
        )
    if len(fits) > 1:
        every = ", ".join(_written(*span) for span in fits)
        warn_incomplete(
            f"The store holds several intervals: {every} (UTC). This is about the last one, {_written(begins, ends)}; "
            "for another pass start= and end=, and for all of them as one call sync for what lies between."
        )
    return begins, ends


def _written(begins: int, ends: int) -> str:
    return f"{instant_of(begins):%Y-%m-%d %H:%M} to {instant_of(ends):%Y-%m-%d %H:%M}"
