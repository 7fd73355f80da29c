"""The shape of a whole answer of each endpoint: only such answers are kept.

An answer of this shape gives its frame without `PayloadError`, and without `IncompleteDataWarning` unless the question
has a part in it, such as days outside the interval that was asked for. A test holds `counts` and `people` to that.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

from nucleus_pandas.api.endpoints import Endpoint
from nucleus_pandas.api.parsing.values import ParseProblems, is_instant, read_count, read_difference, read_number

_Check = Callable[[Any], bool]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SCALARS = {str, int, float, bool, type(None)}
_UNREPORTED = ParseProblems("")


def is_whole(endpoint: str, payload: Any) -> bool:
    """Whether an answer has everything that the endpoint is known to send, each of the right type."""
    check = next((check for name, check in _ANSWERS.items() if name == endpoint), None)
    return check is not None and check(payload) and not payload.get("error")


def _text(value: Any) -> bool:
    return type(value) in _SCALARS


def _id(value: Any) -> bool:
    return value is not None and value != "" and _text(value)


def _count(value: Any) -> bool:
    return read_count(value, _UNREPORTED) is not None


def _measure(value: Any) -> bool:
    return value is None or read_number(value, _UNREPORTED) is not None


def is_duration(value: Any) -> bool:
    """Whether a value is a length of time, or none."""
    return value is None or ((number := read_number(value, _UNREPORTED)) is not None and number >= 0)


def _flag(value: Any) -> bool:
    return value is None or type(value) is bool


def is_properties(value: Any) -> bool:
    """Whether a value is an object of properties, or none."""
    return value is None or type(value) is dict


def _object(**checks: _Check) -> _Check:
    return lambda value: type(value) is dict and all(check(value.get(name)) for name, check in checks.items())


def _list(check: _Check) -> _Check:
    return lambda value: type(value) is list and all(map(check, value))


def _days(check: _Check) -> _Check:
    return lambda value: type(value) is dict and all(_is_date(day) and check(of_day) for day, of_day in value.items())


def _names(check: _Check) -> _Check:
    return lambda value: type(value) is dict and all(map(check, value.values()))


def _is_date(text: str) -> bool:
    try:
        return bool(_DATE.fullmatch(text) and dt.date.fromisoformat(text))
    except ValueError:
        return False


def _session(row: Any) -> bool:
    return _SESSION_FIELDS(row) and dt.datetime.fromisoformat(row["end"]) >= dt.datetime.fromisoformat(row["start"])


def _event(row: Any) -> bool:
    return _EVENT_FIELDS(row) and type(row.get("name") or row.get("type") or None) is str


def _user(row: Any) -> bool:
    return _USER_FIELDS(row) and (_id(row.get("_id")) or _id(row.get("userId")))


def _one_user(payload: Any) -> bool:
    return _ONE_USER(payload) and bool(payload["sessions"] or not payload["user"]["devices"])


def _users(payload: Any) -> bool:
    if not _USERS(payload):
        return False
    total, rows = payload.get("total"), payload["data"]
    ids = [row["_id"] for row in rows if _id(row.get("_id"))]
    return len(set(ids)) == len(ids) and (total is None or (type(total) is int and total <= len(rows)))


_VALUES = _list(_object(value=_text, count=_count))
_SESSION_FIELDS = _object(device=_id, session=_id, start=is_instant, end=is_instant, actions=_count, errors=_count)
_EVENT_FIELDS = _object(
    **dict.fromkeys(("platform", "os_version", "version", "locale", "country", "arch", "error_hash"), _text),
    **dict.fromkeys(("user_id", "machine_id", "session_id", "type", "name"), _text),
    time=is_instant,
    avail_ram=_measure,
    first_time=_flag,
    duration=is_duration,
    data=is_properties,
)
_DEVICE = _object(_id=_id, lastSeen=is_instant, platform=_text, osVersion=_text, version=_text)
_USER_FIELDS = _object(
    _id=_text, userId=_text, createdAt=is_instant, lastSeen=is_instant, devices=_list(_DEVICE), props=is_properties
)
_ONE_USER = _object(user=_user, sessions=_list(_session))
_USERS = _object(data=_list(_user))
_DAILY: Mapping[str, _Check] = {
    "totalNumbers": _object(users=_count, installs=_count),
    **dict.fromkeys(("usage", "newUsers", "activeUsers"), _days(_count)),
    "nonNewUsers": _days(lambda value: read_difference(value, _UNREPORTED) is not None),
    "avgSessionDuration": _days(_measure),
    "hours": _days(lambda hours: _list(_count)(hours) and len(hours) <= 24),
    **dict.fromkeys(("platforms", "ram", "languages", "versions", "countries"), _VALUES),
}
_GLANCE = ("installs", "users", "appStarts", "errors")

# The live endpoints are missing: what is live is never kept.
_ANSWERS: dict[Endpoint, _Check] = {
    "quick_glance": _object(
        data=_object(**{name: _count for key in _GLANCE for name in (key, f"previous{key[0].upper()}{key[1:]}")})
    ),
    "daily": _object(data=_object(**_DAILY)),
    "events": _object(data=_names(_days(_count))),
    "errors": _object(data=_names(_days(_count))),
    "event_properties": _object(data=_list(_object(event=_id, keys=_list(_text), type=_id))),
    "attribute": _object(data=_VALUES),
    "users": _users,
    "user": _one_user,
    "session_events": _object(data=_list(_event)),
}
