"""Lengths of time that several layers agree on."""

from __future__ import annotations

import datetime as dt
from typing import Final

#: Clients keep events while they are offline and deliver them up to two days late.
SETTLING_TIME: Final = dt.timedelta(hours=48)
#: So much silence ends a session.
SESSION_TIMEOUT: Final = dt.timedelta(minutes=30)

_MICROSECOND = dt.timedelta(microseconds=1)
#: The same in microseconds.
SETTLING: Final = SETTLING_TIME // _MICROSECOND
TIMEOUT: Final = SESSION_TIMEOUT // _MICROSECOND
#: A day of 24 hours, in microseconds.
DAY: Final = 86_400_000_000
