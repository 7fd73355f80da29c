"""Which answers the cache keeps, and for how long."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from nucleus_pandas.api.endpoints import Endpoint
from nucleus_pandas.api.windows import SETTLING_TIME

QUICK_GLANCE = dt.timedelta(seconds=60)
PEOPLE = dt.timedelta(minutes=10)
OPEN_WINDOW = dt.timedelta(minutes=5)
CLOSED_WINDOW = dt.timedelta(hours=24)


class _Kept(NamedTuple):
    shape: Mapping[str, type]
    lifetime: dt.timedelta | None = None  # none: that of the window


# The live endpoints are missing: what is live is never kept.
_KEPT: dict[Endpoint, _Kept] = {
    "quick_glance": _Kept({"data": dict}, QUICK_GLANCE),
    "daily": _Kept({"data": dict}),
    "events": _Kept({"data": dict}),
    "errors": _Kept({"data": dict}),
    "event_properties": _Kept({"data": list}),
    "attribute": _Kept({"data": list}),
    "users": _Kept({"data": list}, PEOPLE),
    "user": _Kept({"user": dict, "sessions": list}, PEOPLE),
    # A session may still be running, and nothing in the question tells.
    "session_events": _Kept({"data": list}, PEOPLE),
}


def is_kept(endpoint: Endpoint) -> bool:
    """Whether answers of an endpoint are kept at all."""
    return endpoint in _KEPT


def lifetime(endpoint: Endpoint, params: Mapping[str, str | int] | None, as_of: dt.datetime) -> dt.timedelta:
    """For how long an answer may be shown again whose data are known until `as_of`."""
    kept = _KEPT[endpoint]
    if kept.lifetime is not None:
        return kept.lifetime
    end = (params or {}).get("end")
    settled = isinstance(end, int) and end <= (as_of - SETTLING_TIME).timestamp()
    return CLOSED_WINDOW if settled else OPEN_WINDOW


def is_whole(endpoint: str, payload: Any) -> bool:
    """Whether an answer is what the endpoint gives, and all of it."""
    kept = next((kept for name, kept in _KEPT.items() if name == endpoint), None)
    if kept is None or not isinstance(payload, dict) or "error" in payload:
        return False
    if not all(isinstance(payload.get(name), kind) for name, kind in kept.shape.items()):
        return False
    total = payload.get("total")
    return not (endpoint == "users" and isinstance(total, int) and total > len(payload["data"]))
