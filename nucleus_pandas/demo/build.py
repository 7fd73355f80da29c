"""Makes the app from a seed."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from operator import attrgetter

from nucleus_pandas.demo.builder import Builder
from nucleus_pandas.demo.model import DemoApp
from nucleus_pandas.demo.records import DAY_MS, to_ms

USERS = 2_500
MACHINES = 8  # run unattended: a session every 8 hours on the hour, together one in every hour of the day

DEFAULT_END = datetime(2026, 11, 16, tzinfo=UTC)
"""Where the data end unless told otherwise: the midnight after Sunday, 15 November 2026."""


def end_for(now: datetime) -> datetime:
    """Return the ``end`` for `build_app` that keeps the weekdays of the default and is the first not before ``now``.

    The data then run up to a week past ``now``; the demo service hides what it has not received yet.
    """
    weeks = -((DEFAULT_END - now) // timedelta(weeks=1))
    return DEFAULT_END + timedelta(weeks=weeks)


def build_app(
    seed: int = 1, *, days: int = 180, scale: float = 1.0, end: datetime | date = DEFAULT_END, eventful: bool = True
) -> DemoApp:
    """Return a made-up app with its users, sessions and events.

    Parameters
    ----------
    seed : int
        The same seed gives the same app, on every Python and system.
    days : int
        How many days the data cover, at least 28.
    scale : float
        Multiplies the 2,500 users.
    end : datetime or date
        UTC midnight at which the data end, or the last day itself. Another end moves everything in time and changes
        nothing else: weekends stay weekends if it is whole weeks from the default (see `end_for`).
    eventful : bool
        False plants nothing: no growth, launch, outage, spike, bad release or unattended machines. Whatever an analysis
        then calls a change is chance.

    Raises
    ------
    ValueError
        ``days``, ``scale`` or ``end`` out of range.
    """
    if days < 28:
        raise ValueError(f"days={days}: the planted releases and spikes need at least 28")
    if scale <= 0:
        raise ValueError(f"scale={scale}: must be above 0")
    if not isinstance(end, datetime):
        end = datetime.combine(end, time(), UTC) + timedelta(days=1)
    if end.tzinfo is None or to_ms(end) % DAY_MS:
        raise ValueError(f"end={end}: must be a midnight in UTC, such as datetime(2026, 11, 16, tzinfo=UTC)")
    end = end.astimezone(UTC)
    with _uncollected():
        machines = round(MACHINES * scale) if eventful else 0
        builder = Builder(seed, days, round(USERS * scale), machines, to_ms(end), eventful=eventful)
        users = builder.build()
        sessions = [session for user in users for session in user.sessions]
        events = [event for session in sessions for event in session.events]
        events.sort(key=attrgetter("received_ms"))
    return DemoApp(users, sessions, events, end - timedelta(days=days), end, builder.planted)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Hold the garbage collector: there is no garbage, and walking all that is made takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
