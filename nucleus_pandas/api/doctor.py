"""`doctor`: find out what the reference leaves open, and whether the settings of a client fit."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pandas as pd

from nucleus_pandas.api.client import Client, check_client
from nucleus_pandas.api.http.addresses import name_service
from nucleus_pandas.api.parsing.schemas import part
from nucleus_pandas.api.windows import Sign, utc_offset_parameter
from nucleus_pandas.core.dtypes import FLAG, TEXT, Schema, make_frame
from nucleus_pandas.core.units import ONE_DAY
from nucleus_pandas.exceptions import (
    AuthenticationError,
    NetworkError,
    NotFoundError,
    NucleusError,
    PayloadError,
    RateLimitError,
    ServiceError,
)

DOCTOR: Schema = {"check": TEXT, "ok": FLAG, "detail": TEXT}

# With 12 hours, each half of a UTC day lies on one date, and on another one if the sign is the other.
_PROBE_MINUTES = 720
_PROBE_DAYS = 28
_HALF_DAY = dt.timedelta(hours=12)
_LARGEST_SKEW = dt.timedelta(seconds=60)
_USERS_TRIED = 2


class Finding(NamedTuple):
    """What a check found; `ok` is None where it could not be told."""

    ok: bool | None
    detail: str


def doctor(client: Client) -> pd.DataFrame:
    """Check a client and its service, and find out what the service's reference leaves open.

    Parameters
    ----------
    client : Client

    Returns
    -------
    pandas.DataFrame
        One row a check.

        - check: reachable, authorised, clock, utc_offset_sign, user_path, users_total, cache
        - ok: whether all is well; missing where it could not be told
        - detail: what was found, and what to set or do

    Raises
    ------
    TypeError
        For what is no client. Trouble with the service is a row of the frame.

    Notes
    -----
    Sends some ten requests, none of which changes anything. The sign of ``utcOffset`` is found by asking for the two
    halves of a past UTC day with an offset of 12 hours: on which date a half is counted tells the sign. Nothing in
    the frame names a person.

    Examples
    --------
    >>> nu.doctor(nu.demo_client())["ok"].tolist()
    [True, True, True, True, True, True, True]
    """
    return make_frame(DOCTOR, dict(zip(DOCTOR, zip(*_findings(check_client(client)), strict=True), strict=True)))


def _findings(client: Client) -> Iterator[tuple[str, bool | None, str]]:
    """The checks in order; the first two decide whether the others can be made."""
    checks: dict[str, Callable[[Client], Finding]] = {
        "clock": _clock,
        "utc_offset_sign": _sign,
        "user_path": _user_path,
        "users_total": _users_total,
    }
    reachable, authorised = _access(client)
    yield "reachable", *reachable
    yield "authorised", *authorised
    for name, check in checks.items():
        if not authorised.ok:
            yield name, None, "Not checked, as the service could not be asked."
            continue
        try:
            yield name, *check(client)
        except PayloadError as error:
            yield name, False, str(error)
        except NucleusError as error:
            yield name, None, f"Could not be told: {error}"
    yield "cache", *_cache(client)


def _access(client: Client) -> tuple[Finding, Finding]:
    reached = Finding(True, f"{name_service(client.base_url)} answers.")
    unknown = Finding(None, "Not checked, as the service could not be reached.")
    try:
        part(client.get("quick_glance", cached=False).payload, "data", dict, "quick_glance")
    except (NetworkError, PayloadError) as error:
        return Finding(False, str(error)), unknown
    except AuthenticationError as error:
        return reached, Finding(False, str(error))
    except NucleusError as error:
        return reached, Finding(False, f"No data came: {error}")
    return reached, Finding(True, "The token opens this app.")


def _cache(client: Client) -> Finding:
    info = client.cache_info()
    if info.place is None:
        return Finding(True, "The cache is off: every question goes to the service.")
    if info.problem is not None:
        return Finding(False, f"The cache at {info.place} cannot be used ({info.problem}). Loaders go on without it.")
    # Windows keeps a user's folders by other means than these bits.
    if os.name == "posix" and info.place.exists() and (modes := info.place.stat().st_mode & 0o077):
        return Finding(
            False, f"Others can read the cache at {info.place} (mode {modes:03o}). Run: chmod 600 '{info.place}'"
        )
    return Finding(
        True, f"The cache at {info.place} is well. Answers in it: {info.entries:,}; MB: {info.bytes / 1e6:,.2f}."
    )


def _clock(client: Client) -> Finding:
    before = client.now()
    service_time = client.service_date()
    if service_time is None:
        return Finding(None, "The service does not tell its time.")
    # The header has whole seconds, and was written some time between asking and now.
    skew = max(before - service_time - dt.timedelta(seconds=1), service_time - client.now(), dt.timedelta())
    if skew <= _LARGEST_SKEW:
        return Finding(True, "This machine and the service agree on the time.")
    side = "ahead of" if before > service_time else "behind"
    return Finding(
        False,
        f"This machine's clock is {skew / dt.timedelta(minutes=1):,.0f} minutes {side} the service's. Set it right: "
        "which days can be loaded depends on it.",
    )


def _sign(client: Client) -> Finding:
    """Ask for each half of the busiest day of the last weeks with an offset of 12 hours."""
    today = client.now().replace(hour=0, minute=0, second=0, microsecond=0)
    usage = _usage(client, today - _PROBE_DAYS * ONE_DAY, today - 2 * ONE_DAY, 0)
    if not usage:
        return Finding(None, f"There is no session in the last {_PROBE_DAYS} days to tell by.")
    day = dt.datetime.fromisoformat(max(usage, key=lambda key: usage[key])).replace(tzinfo=dt.UTC)
    morning = _usage(client, day, day + _HALF_DAY, _PROBE_MINUTES)
    afternoon = _usage(client, day + _HALF_DAY, day + ONE_DAY, _PROBE_MINUTES)
    found: Sign | None = None
    if _date_of(afternoon) == (day + ONE_DAY).date().isoformat():
        found = "east"
    elif _date_of(morning) == (day - ONE_DAY).date().isoformat():
        found = "west"
    elif morning and afternoon:
        return Finding(False, 'The service does not heed utcOffset: its days are those of UTC. Use tz="UTC" only.')
    if found is None:
        return Finding(None, "The sessions of the last weeks do not tell; try again on a busier day.")
    if found == client.utc_offset_sign:
        return Finding(
            True, f'The service counts utcOffset positive to the {found}, as utc_offset_sign="{found}" says.'
        )
    return Finding(
        False,
        f'The service counts utcOffset positive to the {found}. Set Client(..., utc_offset_sign="{found}"), or '
        f"NUCLEUS_UTC_OFFSET_SIGN={found} in the environment: until then, days begin at the wrong hour.",
    )


def _usage(client: Client, start: dt.datetime, end: dt.datetime, minutes: int) -> Counter[str]:
    """Sessions by the date under which the service counts them; `minutes` are sent as they are."""
    params = {
        "start": int(start.timestamp()),
        "end": int(end.timestamp()),
        "utcOffset": utc_offset_parameter(minutes, "east"),
    }
    data = part(client.get("daily", params=params, cached=False).payload, "data", dict, "daily")
    days = part(data, "usage", dict, "daily")
    return Counter({day: count for day, count in days.items() if _is_date(day) and type(count) is int and count > 0})


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _date_of(usage: Counter[str]) -> str | None:
    """The date of most; an inclusive end can put a stray one beside it."""
    return max(usage, key=lambda day: usage[day], default=None)


def _user_path(client: Client) -> Finding:
    users = [user for user in _users(client)[0] if isinstance(user, dict)]
    told_apart = [
        (user["userId"], user["_id"])
        for user in users
        if isinstance(user.get("userId"), str) and isinstance(user.get("_id"), str) and user["userId"] != user["_id"]
    ]
    works: set[str] = set()
    refused: set[str] = set()
    for user_id, db_id in told_apart[:_USERS_TRIED]:
        for name, value in (("user_id", user_id), ("_id", db_id)):
            try:
                works |= {name} if _knows(client, value) else set()
            except (AuthenticationError, RateLimitError, ServiceError, PayloadError) as error:
                refused.add(str(error))  # of this user only, or of this kind of id
    if not told_apart:
        return Finding(None, "No user has an id of the app's own to tell by; the service's is used.")
    if not works and refused:
        return Finding(None, f"The service answered for none of the users that were tried: {sorted(refused)[0]}")
    if not works:
        return Finding(False, "The service finds its own users by neither id, so sessions and events cannot be had.")
    if client.user_path in works:
        both = " The other id works too." if len(works) == 2 else ""
        return Finding(True, f'The service finds a user by what user_path="{client.user_path}" says.{both}')
    (other,) = works
    return Finding(
        False,
        f'The service finds a user by the other id. Set Client(..., user_path="{other}"), or NUCLEUS_USER_PATH={other} '
        "in the environment.",
    )


def _knows(client: Client, user_id: str) -> bool:
    try:
        part(client.get("user", user_id, cached=False).payload, "user", dict, "user")
    except (NotFoundError, ValueError):
        return False
    return True


def _users_total(client: Client) -> Finding:
    rows, total = _users(client)
    if not isinstance(total, int):
        return Finding(None, f"The service sends {len(rows):,} users and does not tell how many there are.")
    if total > len(rows):
        return Finding(
            False,
            f"The service counts {total:,} users but sends {len(rows):,}, so the list comes in pages. How to ask for "
            "the next one is not documented: tables of users are incomplete.",
        )
    return Finding(True, f"The service sends all {total:,} users at once.")


def _users(client: Client) -> tuple[list[Any], Any]:
    payload = client.get("users", cached=False).payload
    return part(payload, "data", list, "users"), payload.get("total")
