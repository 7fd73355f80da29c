"""Until when the data of a log are known, although the clocks of some clients are years ahead."""

from __future__ import annotations

import numpy as np

from nucleus_pandas.analysis.codes import Ints
from nucleus_pandas.api.columns import warn_incomplete

_DAY = 86_400_000_000
#: So long without any event, with so few events after it: those are of clocks that are wrong.
SILENCE_DAYS = 7
ONE_IN = 100


def newest(times: Ints, what: str = "events") -> int:
    """Give the newest time that can be right, in microseconds; see `EventLog`; `what` names them in its warning."""
    if not len(times):
        return 0
    end, beyond = _before_silence(times)
    if beyond:
        last = np.datetime64(int(times.max()), "us").astype("datetime64[D]")
        warn_incomplete(
            f"{beyond:,} of {len(times):,} {what} lie after {SILENCE_DAYS} days or more without any, up to {last}: as "
            f"it seems, clocks that are ahead. The data are taken to be known until {np.datetime64(end, 'us')} UTC. "
            "If that is wrong, and to be rid of this warning, pass as_of=."
        )
    return end


def oldest(times: Ints) -> int:
    """Give the oldest time that can be right, by the same rule turned around, and without a warning."""
    return -_before_silence(-times)[0]


def warn_behind(times: Ints, begin: int, what: str, hint: str) -> None:
    """Warn of times before the oldest that can be right; `what` names them, `hint` says what to do if they are."""
    before = int(np.count_nonzero(times < begin))
    if before:
        first = np.datetime64(int(times.min()), "us").astype("datetime64[D]")
        warn_incomplete(
            f"{before:,} of {len(times):,} {what} lie before {SILENCE_DAYS} days or more without any, from {first} on: "
            f"as it seems, clocks that are behind. They are left out, and {np.datetime64(begin, 'us')} UTC is taken "
            f"for the first. {hint}"
        )


def _before_silence(times: Ints) -> tuple[int, int]:
    """The newest time before a silence that few events follow, and how many do."""
    few = (len(times) - 1) // ONE_IN
    tail = np.sort(np.partition(times, len(times) - few - 1)[len(times) - few - 1 :])
    gaps = np.flatnonzero(np.diff(tail) >= SILENCE_DAYS * _DAY)
    last = int(gaps[0]) if len(gaps) else few
    return int(tail[last]), few - last
