"""Dates in HTTP headers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

# A date outside of these years comes from a server whose clock was never set.
_YEARS = range(2000, 2200)


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
