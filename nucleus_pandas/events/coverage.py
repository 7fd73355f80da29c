"""Of which interval a store, or a log made of one, knows all users who were there."""

from __future__ import annotations

from nucleus_pandas.core.instants import instant_of, microseconds
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.store.eventstore import EventStore


def held_span(source: EventStore | EventLog, start: int | None, end: int | None) -> tuple[int, int] | None:
    """Give the synced interval that holds what is asked for, else the last one that touches it; None if there is none.

    A warning says if none holds it, or if several could be meant, as without start and end. A log that
    was made of something else has none.

    A sync asks about the users who were there in its interval, and about no others: of days outside it only some of
    those who were active are known. All are in microseconds since 1970.
    """
    synced = source.info().spans if isinstance(source, EventStore) else source.spans
    spans = [(microseconds(low), microseconds(high)) for low, high in synced]
    if not spans:
        return None
    fits = [
        (low, high)
        for low, high in spans
        if (start is None or low <= start < high) and (end is None or low < end <= high)
    ]
    touched = [(low, high) for low, high in spans if (start is None or start < high) and (end is None or low < end)]
    low, high = (fits or touched or spans)[-1]
    if not fits:
        warn_incomplete(
            f"The store does not hold all of this interval, but {_written(low, high)} UTC: outside it, it knows "
            "only some users. Call sync for it."
        )
    if len(fits) > 1:
        every = ", ".join(_written(*span) for span in fits)
        warn_incomplete(
            f"The store holds several intervals: {every} (UTC). This is about the last one, {_written(low, high)}; "
            "pass start= and end= for another; to use all of them as one, sync the gaps between them."
        )
    return low, high


def _written(low: int, high: int) -> str:
    return f"{instant_of(low):%Y-%m-%d %H:%M} to {instant_of(high):%Y-%m-%d %H:%M}"
