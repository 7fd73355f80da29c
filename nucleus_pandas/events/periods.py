"""The periods in which something happened, cut by a calendar."""

from __future__ import annotations

import numpy as np

from nucleus_pandas.core.arrays import Ints
from nucleus_pandas.core.calendar import NO_PERIODS, Calendar, Periods
from nucleus_pandas.events.clock_errors import Times, oldest, warn_behind


def find_periods(
    calendar: Calendar, times: Ints | Times, start: int | None, end: int | None, as_of: int, what: str
) -> Periods:
    """Cut [start, end) into periods; where it is open, as far as there are times in it that can be right.

    Those that cannot be right are warned of; `what` names them. Where there are none, the periods from `start` go as
    far as the data are known. Times that are thinned lie in [start, end) already.
    """
    times = times if isinstance(times, Times) else Times(times)
    times = times if start is None else times.since(start)
    times = times if end is None else times.until(end - 1)
    if not len(times.moments) and (start is None or (end is None and as_of < start)):
        return NO_PERIODS
    low = oldest(times) if start is None else start
    high = (int(times.moments.max()) if len(times.moments) else as_of) + 1 if end is None else end
    calendar.check_number(*calendar.of_times(np.array([low, high - 1])).tolist())
    try:
        periods = calendar.cut(low, high, whole_first=start is None, whole_last=end is None)
    except OverflowError:
        raise ValueError(
            "Entries lie at an end of the calendar, in the year 1 or 9999: pass start= and end= with the time you mean."
        ) from None
    if start is None:
        warn_behind(times, int(periods.edges[0]), what)
    return periods
