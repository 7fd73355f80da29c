"""The standard frames: the columns and dtypes of each, and how an answer is taken apart.

A frame has its columns and dtypes whatever came, also when nothing came. What an answer lacks is missing in
the frame; what cannot be read is missing too, with one `IncompleteDataWarning`; an answer that is
something else altogether is a `PayloadError`. `counts` and `people` hold the functions that make the frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np

from nucleus_pandas.api.endpoints import PATHS, Endpoint
from nucleus_pandas.api.parsing.values import ParseProblems
from nucleus_pandas.core.dtypes import COUNT, DAY, FLAG, INSTANT, NUMBER, TEXT, Schema
from nucleus_pandas.exceptions import PayloadError

Container = TypeVar("Container", dict[Any, Any], list[Any])

_STATES: Schema = {"complete": np.dtype(bool), "settled": np.dtype(bool)}
#: What frames with ``freq=`` have in front and at the end.
BY_PERIOD: Schema = {"period": DAY, **_STATES}

QUICK_GLANCE: Schema = {
    "metric": TEXT,
    "current": COUNT,
    "previous": COUNT,
    "change": COUNT,
    "change_ratio": NUMBER,
}
DAILY: Schema = {
    "day": DAY,
    "new_users": COUNT,
    "active_users": COUNT,
    "returning_users": COUNT,
    "sessions": COUNT,
    "avg_session_seconds": NUMBER,
    **_STATES,
}
HOURS: Schema = {"day": DAY, "hour": np.dtype("int64"), "sessions": COUNT, **_STATES}
DIMENSIONS: Schema = {"dimension": TEXT, "value": TEXT, "count": COUNT}
TOTALS: Schema = {"users": COUNT, "installs": COUNT}
EVENTS: Schema = {"day": DAY, "event": TEXT, "count": COUNT, **_STATES}
ERRORS: Schema = {"day": DAY, "error": TEXT, "count": COUNT, **_STATES}
EVENT_PROPERTIES: Schema = {"event": TEXT, "attribute": TEXT, "type": TEXT}
ATTRIBUTE: Schema = {"event": TEXT, "attribute": TEXT, "value": TEXT, "count": COUNT}
LIVE_USER_COUNT: Schema = {"time": INSTANT, "users": COUNT}

#: Followed by a column ``props.<key>`` for each property.
USERS: Schema = {
    "user_id": TEXT,
    "user_db_id": TEXT,
    "created_at": INSTANT,
    "last_seen": INSTANT,
    "devices": COUNT,
    "platform": TEXT,
    "platform_raw": TEXT,
    "version": TEXT,
}
DEVICES: Schema = {
    "user_id": TEXT,
    "user_db_id": TEXT,
    "device_id": TEXT,
    "platform": TEXT,
    "platform_raw": TEXT,
    "os_version": TEXT,
    "version": TEXT,
    "last_seen": INSTANT,
}
SESSIONS: Schema = {
    "user_id": TEXT,
    "user_db_id": TEXT,
    "device_id": TEXT,
    "session_id": TEXT,
    "start": INSTANT,
    "end": INSTANT,
    "duration_seconds": NUMBER,
    "actions": COUNT,
    "errors": COUNT,
}
#: Followed by a column ``data.<key>`` for each attribute.
EVENT_LOG: Schema = {
    "user_id": TEXT,
    "user_db_id": TEXT,
    "device_id": TEXT,
    "session_id": TEXT,
    "session_start": INSTANT,
    "time": INSTANT,
    "event": TEXT,
    "kind": TEXT,
    "platform": TEXT,
    "platform_raw": TEXT,
    "os_version": TEXT,
    "version": TEXT,
    "locale": TEXT,
    "country": TEXT,
    "arch": TEXT,
    "ram_gb": NUMBER,
    "first_time": FLAG,
    "error_hash": TEXT,
    "duration_seconds": NUMBER,
}
LIVE_USERS: Schema = {
    "user_id": TEXT,
    "user_db_id": TEXT,
    "device_id": TEXT,
    "platform": TEXT,
    "platform_raw": TEXT,
    "os_version": TEXT,
    "country": TEXT,
    "last_seen": INSTANT,
}


def part(payload: Any, key: str, kind: type[Container], endpoint: Endpoint) -> Container:
    """Take the object or list under a key.

    Raises
    ------
    PayloadError
        When the answer is no object, has no such key, or something else stands there, such as null.
    """
    if not isinstance(payload, dict):
        raise wrong_shape(endpoint, "the answer", "an object", payload)
    if key not in payload:
        raise PayloadError(
            f"{PATHS[endpoint]}: the answer has no key {key!r}. The service may have changed, or something "
            "else answered; check NUCLEUS_BASE_URL.",
            endpoint=PATHS[endpoint],
        )
    value = payload[key]
    if not isinstance(value, kind):
        raise wrong_shape(endpoint, f"the key {key!r}", "an object" if kind is dict else "a list", value)
    return value


def optional_part(payload: Mapping[str, Any], key: str, kind: type[Container], endpoint: Endpoint) -> Container | None:
    """As `part`, but None where the key is absent or null: then nothing is known, which is not the same as empty."""
    return None if payload.get(key) is None else part(payload, key, kind, endpoint)


def objects(rows: list[Any], problems: ParseProblems) -> list[dict[str, Any]]:
    """Give the rows that are objects; the others are a problem."""
    kept = [row for row in rows if type(row) is dict]
    problems.add("{} [row was no object|rows were no objects] and [is|are] left out", len(rows) - len(kept))
    return kept


def pick(rows: list[dict[str, Any]], key: str) -> list[Any]:
    """Give the value under a key of every row, None where a row has none."""
    try:
        return list(map(itemgetter(key), rows))
    except KeyError:
        return [row.get(key) for row in rows]


def pick_all(rows: list[dict[str, Any]], keys: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Give for each key what `pick` gives, in one pass over the rows."""
    try:
        picked = list(map(itemgetter(*keys), rows))
    except KeyError:
        picked = [tuple(map(row.get, keys)) for row in rows]
    return dict(zip(keys, zip(*picked, strict=True), strict=True)) if picked else dict.fromkeys(keys, ())


def inner_list(row: Mapping[str, Any], key: str, problems: ParseProblems) -> list[Any]:
    """Give the list under a key of one row; where there is none, that is a problem, and the row stays."""
    value = row.get(key)
    if isinstance(value, list):
        return value
    problems.add(f"{{}} [row has|rows have] no list under {key!r}")
    return []


def inner_objects(rows: list[dict[str, Any]], key: str, problems: ParseProblems) -> list[dict[str, Any] | None]:
    """Give the object under a key of every row, None where there is none; anything but null is a problem."""
    found = pick(rows, key)
    if set(map(type, found)) <= {dict, type(None)}:
        return found
    problems.add(
        f"{{}} [row has|rows have] something other than an object under {key!r}",
        sum(type(value) not in (dict, type(None)) for value in found),
    )
    return [value if type(value) is dict else None for value in found]


def count_absent(rows: list[dict[str, Any]], keys: Iterable[str], problems: ParseProblems) -> None:
    """Count the rows that have nothing under a key that every row should have."""
    for key in keys:
        absent = sum(value is None or value == "" for value in pick(rows, key))
        problems.add(f"{{}} [row has|rows have] no {key!r}", absent)


def wrong_shape(endpoint: Endpoint, where: str, wanted: str, got: object) -> PayloadError:
    """Make the error for a part of an answer that is of another type; it does not repeat the content."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return PayloadError(
        f"{PATHS[endpoint]}: {where} should be {wanted} but is {names.get(type(got), 'a number')}. The "
        "service may have changed; please report it.",
        endpoint=PATHS[endpoint],
    )
