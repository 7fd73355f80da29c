"""Ask an endpoint about an interval: as a whole, in runs of days that share an offset, or in periods."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Protocol

from nucleus_pandas.api.client import Client, check_client
from nucleus_pandas.api.endpoints import Endpoint
from nucleus_pandas.api.http.api_request import Answer
from nucleus_pandas.api.loaders.fanout import fetch_all
from nucleus_pandas.api.parsing import counts
from nucleus_pandas.api.windows import Run, Window, make_window, utc_offset_parameter
from nucleus_pandas.core.calendar import Freq, WeekStart
from nucleus_pandas.core.instants import When, Zone, next_midnight
from nucleus_pandas.core.warnings import warn_incomplete

# A smaller difference says nothing: answers take a while, and the service's clock has whole seconds.
_LARGEST_SKEW = dt.timedelta(minutes=2)


class _Span(Protocol):
    @property
    def start(self) -> dt.datetime: ...
    @property
    def end(self) -> dt.datetime: ...
    @property
    def offset_minutes(self) -> int: ...


def window_of(client: Client, start: When, end: When, tz: Zone | None) -> Window:
    """Give the window that is asked about, in the client's zone where no other is given."""
    return make_window(start, end, check_client(client).tz if tz is None else tz, now=client.now())


def ask(client: Client, endpoint: Endpoint, span: _Span, *segments: str) -> Answer:
    """Ask an endpoint about a window, a run of days or a period."""
    params = {
        "start": int(span.start.timestamp()),
        "end": int(span.end.timestamp()),
        "utcOffset": utc_offset_parameter(span.offset_minutes, client.utc_offset_sign),
    }
    return client.get(endpoint, *segments, params=params)


def ask_runs(
    client: Client, endpoint: Endpoint, window: Window, runs: Sequence[Run]
) -> tuple[list[counts.RunAnswer], Window, dt.datetime]:
    """The answers for runs of days, the days that had begun, and the instant up to which all answers are known."""
    answers = [ask(client, endpoint, run) for run in runs]
    # An answer about today is never older than today; one about earlier days may come from the cache.
    begun = _begun(client, window, max(answer.as_of for answer in answers))
    return [(answer.payload, run) for answer, run in zip(answers, runs, strict=True)], begun, _known_until(answers)


def _begun(client: Client, window: Window, as_of: dt.datetime) -> Window:
    """The days that had begun by the service's clock; warns when a slow clock on this machine left some out."""
    slow = as_of - client.now()
    if slow > _LARGEST_SKEW and window.end == next_midnight(client.now(), window.zone):
        warn_incomplete(
            f"This machine's clock is {slow / dt.timedelta(hours=1):,.1f} hours behind the service's, so the days "
            f"after {window.days[-1].date} are missing. Set the clock and load them again."
        )
    return window.begun(as_of)


def ask_periods(
    client: Client, endpoint: Endpoint, window: Window, freq: Freq | None, week_start: WeekStart | None, *segments: str
) -> tuple[list[counts.PeriodAnswer], dt.datetime]:
    """The answers for each period of a window, or for the window as a whole."""
    if freq is None:
        answer = ask(client, endpoint, window, *segments)
        return [(answer.payload, None)], answer.as_of
    periods = window.periods(freq, week_start)

    harvest = fetch_all(
        lambda number: ask(client, endpoint, periods[number], *segments),
        len(periods),
        client,
        label="periods",
        progress=True,
        all_needed=True,
    )
    for error in (harvest.error, *harvest.set_apart.values()):
        if error is not None:
            raise error
    answers = list(harvest.answers.values())
    begun = _begun(client, window, max(answer.as_of for answer in answers))
    pairs: list[counts.PeriodAnswer] = [
        (answer.payload, period) for answer, period in zip(answers, periods, strict=True) if period.start < begun.end
    ]
    return pairs, _known_until(answers)


def _known_until(answers: Sequence[Answer]) -> dt.datetime:
    return min(answer.as_of for answer in answers)
