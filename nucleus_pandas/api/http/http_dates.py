"""Dates and waits in HTTP headers."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

# A date outside of these years comes from a server whose clock was never set.
_YEARS = range(2000, 2200)
_SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{0,15})?")


def parse_http_date(text: str | None) -> dt.datetime | None:
    """Read a date such as ``Fri, 20 Nov 2026 12:00:00 GMT``; None for anything else."""
    try:
        moment = parsedate_to_datetime(text or "")
        return moment.astimezone(dt.UTC) if moment.tzinfo else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def service_time(headers: Mapping[str, str]) -> dt.datetime | None:
    """Give the instant at which the service answered by its own clock, to the second; None if it sent no usable one."""
    moment = parse_http_date(headers.get("Date"))
    return moment if moment is not None and moment.year in _YEARS else None


def parse_retry_after(value: str | None, *, date: str | None, now: Callable[[], float]) -> float | None:
    """Read a Retry-After header: seconds to wait, or None for none and for junk.

    A point in time is measured from the service's own `date` header where there is one, so that a wrong
    clock on this side does not matter.
    """
    if value is None:
        return None
    if _SECONDS.fullmatch(value.strip()):
        return float(value)
    moment = parse_http_date(value)
    if moment is None:
        return None
    start = parse_http_date(date)
    return max(0.0, moment.timestamp() - (now() if start is None else start.timestamp()))
