"""The days, weeks or months that attempts begin in."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from nucleus_pandas.api.windows import Window
from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.calendar import MOST_ROWS, Freq
from nucleus_pandas.core.instants import instant_of, microseconds
from nucleus_pandas.core.units import DAY
from nucleus_pandas.events.clock_errors import Times, oldest, warn_behind

# Longer than any period, so that no period at the edge of the data is cut.
_MARGIN = dt.timedelta(days=40)
_SHORTEST = {freq: days * DAY for freq, days in {"D": 1, "W": 7, "M": 28}.items()}


@dataclass(frozen=True)
class Calendar:
    """Periods in a row: their first days, their edges in microseconds since 1970 (one more), and which are whole."""

    labels: list[dt.date]
    edges: Ints
    whole: Bools


def make_calendar(
    freq: Freq, times: Ints | Times, start: int | None, end: int | None, as_of: int, zone: dt.tzinfo, what: str
) -> Calendar:
    """Cut [start, end) into periods; where it is open, as far as there are times in it that can be right.

    Those that cannot be right are warned of; `what` names them. Where there are none, the periods from `start` go as
    far as the data are known. Times that are thinned lie in [start, end) already.
    """
    times = times if isinstance(times, Times) else Times(times)
    times = times if start is None else times.since(start)
    times = times if end is None else times.until(end - 1)
    if not len(times.moments) and (start is None or (end is None and as_of < start)):
        Window(instant_of(0), instant_of(1), zone).periods(freq)  # an unknown freq is refused all the same
        return Calendar([], np.empty(0, dtype=np.int64), np.empty(0, dtype=np.bool_))
    low = oldest(times) if start is None else start
    high = (int(times.moments.max()) if len(times.moments) else as_of) + 1 if end is None else end
    if (number := (high - low) // _SHORTEST.get(freq, _SHORTEST["M"])) > MOST_ROWS:
        raise ValueError(
            f"freq={freq!r} makes some {number:,} periods, from {instant_of(low):%Y-%m-%d} to "
            f"{instant_of(high):%Y-%m-%d}; there can be {MOST_ROWS:,}. Pass start= and end=, in case "
            "a clock is wrong, or a longer freq."
        )
    try:
        begins = instant_of(low) - _MARGIN if start is None else instant_of(low)
        ends = instant_of(high) + _MARGIN if end is None else instant_of(high)
        window = Window(begins, ends, zone).periods(freq)
    except OverflowError:
        raise ValueError(
            "Entries lie at an end of the calendar, in the year 1 or 9999: pass start= and end= with the time you mean."
        ) from None
    periods = [one for one in window if microseconds(one.end) > low and microseconds(one.start) < high]
    edges = [microseconds(period.start) for period in periods] + [microseconds(periods[-1].end)]
    if start is None:
        warn_behind(times, edges[0], what)
    return Calendar(
        [period.label for period in periods],
        np.array(edges, dtype=np.int64),
        np.array([period.whole for period in periods], dtype=np.bool_),
    )
