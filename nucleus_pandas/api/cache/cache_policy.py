"""How long the cache keeps answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from nucleus_pandas.api.endpoints import Endpoint
from nucleus_pandas.core.units import SETTLING_TIME

QUICK_GLANCE = dt.timedelta(seconds=60)
PEOPLE = dt.timedelta(minutes=10)
OPEN_WINDOW = dt.timedelta(minutes=5)
CLOSED_WINDOW = dt.timedelta(hours=24)


# None: depends on the interval. The live endpoints are missing, as their answers are never kept.
_KEPT: dict[Endpoint, dt.timedelta | None] = {
    "quick_glance": QUICK_GLANCE,
    "daily": None,
    "events": None,
    "errors": None,
    "event_properties": None,
    "attribute": None,
    "users": PEOPLE,
    "user": PEOPLE,
    # A session may still be running.
    "session_events": PEOPLE,
}


def is_kept(endpoint: Endpoint) -> bool:
    """Whether answers of an endpoint are kept at all."""
    return endpoint in _KEPT


def lifetime(endpoint: Endpoint, params: Mapping[str, str | int] | None, as_of: dt.datetime) -> dt.timedelta:
    """How long an answer whose data are known until `as_of` is used again."""
    if (fixed := _KEPT[endpoint]) is not None:
        return fixed
    end = (params or {}).get("end")
    settled = isinstance(end, int) and end <= (as_of - SETTLING_TIME).timestamp()
    return CLOSED_WINDOW if settled else OPEN_WINDOW
