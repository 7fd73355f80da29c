"""The 13 endpoints of the Data API v1, as its reference writes them."""

from __future__ import annotations

from typing import Literal

Endpoint = Literal[
    "quick_glance",
    "daily",
    "events",
    "event_properties",
    "attribute",
    "errors",
    "users",
    "user",
    "session_events",
    "live_events",
    "live_user_count",
    "live_users",
]

#: Paths below ``/apps/:appId``. The 13th endpoint is DELETE on the path of `user`.
PATHS: dict[Endpoint, str] = {
    "quick_glance": "analytics/quickglance",
    "daily": "analytics",
    "events": "analytics/events",
    "event_properties": "analytics/eventsprops",
    "attribute": "analytics/events/:event/:attr",
    "errors": "analytics/errors",
    "users": "users",
    "user": "users/:userId",
    "session_events": "users/:userId/session/:sessionId",
    "live_events": "live/events",
    "live_user_count": "live/users/count",
    "live_users": "live/users",
}
