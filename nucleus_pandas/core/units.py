"""Lengths of time that several layers agree on, in microseconds unless the name says otherwise."""

from __future__ import annotations

import datetime as dt
from typing import Final

_MICROSECOND: Final = dt.timedelta(microseconds=1)
SECOND: Final = 1_000_000
#: A day of 24 hours, in seconds and in microseconds.
DAY_SECONDS: Final = 86_400
DAY: Final = DAY_SECONDS * SECOND
#: What dates and datetimes are moved by.
ONE_DAY: Final = dt.timedelta(days=1)
ONE_SECOND: Final = dt.timedelta(seconds=1)
#: Clients keep events while they are offline and deliver them up to two days late.
SETTLING_TIME: Final = dt.timedelta(hours=48)
SETTLING: Final = SETTLING_TIME // _MICROSECOND
#: So much silence ends a session.
SESSION_TIMEOUT: Final = dt.timedelta(minutes=30)
TIMEOUT: Final = SESSION_TIMEOUT // _MICROSECOND
