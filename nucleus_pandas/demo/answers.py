"""The answers of the Data API's endpoints over a ledger, shaped as the Data API's reference shows them.

What the reference leaves open is settled here as follows. A session counts on the day on which it starts, with all
its length; the active users of a day are those who start a session in it; new users are accounts created in it.
``nonNewUsers`` is the difference of the two and is negative when more signed up than came. ``totalNumbers.users`` are
distinct users with a session start in the interval, ``installs`` accounts created in it. Platforms, versions,
languages, countries and RAM count sessions; unknown values are left out.
A session's ``actions`` are its events that are no errors.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, TypeAlias

from nucleus_pandas.demo.ledger import DeviceRecord, Ledger, SessionRecord, Sighting, UserRecord
from nucleus_pandas.demo.records import DAY_MS, ERROR_PREFIX, HOUR_MS, Event, from_ms, is_custom

Answer: TypeAlias = dict[str, Any]

LIVE_MS = 5 * 60_000
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Window:
    """An interval in UTC milliseconds, its end excluded, and what to add to an instant to get the local clock."""

    start_ms: int
    end_ms: int
    shift_ms: int

    def day(self, ms: int) -> int:
        """Return the number of the local day that an instant lies on."""
        return (ms + self.shift_ms) // DAY_MS


def iso(ms: int) -> str:
    """Return an instant as ISO 8601 with milliseconds and ``Z``."""
    return from_ms(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _by_day(days: dict[int, Any]) -> Answer:
    """Return values keyed by date, in no order anyone could rely on."""
    named = ((date.fromordinal(EPOCH_ORDINAL + day).isoformat(), value) for day, value in days.items())
    return dict(sorted(named, key=lambda item: item[0][::-1]))


def _rows(counts: Counter[Hashable]) -> list[Answer]:
    """Return ``value, count`` rows, unknown values left out."""
    return [{"value": value, "count": n} for value, n in counts.most_common() if value is not None]


def quickglance(ledger: Ledger, now_ms: int) -> Answer:
    """Return the figures of the last 24 hours and of the 24 before."""
    answer: Answer = {}
    for prefix, end in (("", now_ms), ("previous", now_ms - DAY_MS)):
        start = end - DAY_MS
        sessions = ledger.sessions_between(start, end)
        figures = {
            "installs": len(ledger.users_between(start, end)),
            "users": len({record.session.user.db_id for record in sessions}),
            "appStarts": len(sessions),
            "errors": sum(len(ledger.times_between(kind, start, end)) for kind in _error_types(ledger)),
        }
        answer |= {prefix + (key[0].upper() + key[1:] if prefix else key): n for key, n in figures.items()}
    return {"data": answer}


def daily(ledger: Ledger, window: Window) -> Answer:
    """Return the daily figures, the hours, and the lists over the whole interval."""
    sessions = ledger.sessions_between(window.start_ms, window.end_ms)
    created = ledger.users_between(window.start_ms, window.end_ms)
    usage: Counter[int] = Counter()
    length_ms: Counter[int] = Counter()
    hours: dict[int, list[int]] = {}
    for record in sessions:
        local = record.start_ms + window.shift_ms
        day = local // DAY_MS
        usage[day] += 1
        length_ms[day] += record.end_ms - record.start_ms
        hours.setdefault(day, [0] * 24)[local % DAY_MS // HOUR_MS] += 1
    new = Counter(window.day(record.user.created_ms) for record in created)
    active = Counter(day for day, _ in {(window.day(r.start_ms), r.session.user.db_id) for r in sessions})
    users = {record.session.user.db_id for record in sessions}
    lists = _dimensions(sessions)
    return {
        "data": {
            "totalNumbers": {"users": len(users), "installs": len(created)},
            "usage": _by_day(usage),
            "newUsers": _by_day(new),
            "activeUsers": _by_day(active),
            "nonNewUsers": _by_day({day: active[day] - new[day] for day in active.keys() | new.keys()}),
            "avgSessionDuration": _by_day({day: ms / usage[day] / 1000 for day, ms in length_ms.items()}),
            "hours": _by_day({day: _cut(counts) for day, counts in hours.items()}),
            **lists,
        }
    }


def _cut(counts: list[int]) -> list[int]:
    """Return the hours up to the last that is not empty."""
    return counts[: max(hour for hour, n in enumerate(counts) if n) + 1]


def _dimensions(sessions: list[SessionRecord]) -> Answer:
    """Return the lists of values, counted by session."""
    names = ("platforms", "ram", "languages", "versions", "countries")
    totals: list[Counter[Hashable]] = [Counter() for _ in names]
    for labels, n in Counter(record.labels for record in sessions).items():
        for total, label in zip(totals, labels, strict=True):
            total[label] += n
    return {name: _rows(total) for name, total in zip(names, totals, strict=True)}


def _error_types(ledger: Ledger) -> list[str]:
    return [kind for kind in ledger.types() if kind.startswith(ERROR_PREFIX)]


def _counts(ledger: Ledger, window: Window, kinds: Iterable[str], name: Callable[[str], str] = str) -> Answer:
    """Return counts by name and day; names without any in the interval are absent."""
    data = {}
    for kind in kinds:
        if times := ledger.times_between(kind, window.start_ms, window.end_ms):
            data[name(kind)] = _by_day(Counter(map(window.day, times)))
    return {"data": data}


def events(ledger: Ledger, window: Window) -> Answer:
    """Return counts of custom events by name and day."""
    return _counts(ledger, window, filter(is_custom, ledger.types()))


def errors(ledger: Ledger, window: Window) -> Answer:
    """Return counts of errors by name and day."""
    return _counts(ledger, window, _error_types(ledger), lambda kind: kind.removeprefix(ERROR_PREFIX))


def event_properties(ledger: Ledger, window: Window) -> Answer:
    """Return which attributes came with which event: a row for each event and type, several keys in it."""
    rows = []
    for kind in ledger.types():
        # Payloads are shared between events, so each is looked at once.
        payloads = {id(e.data): e.data for e in ledger.events_between(kind, window.start_ms, window.end_ms)}
        keys: dict[str, dict[str, None]] = {}
        for payload in payloads.values():
            for key, value in (payload or {}).items():
                if value is not None:
                    keys.setdefault(_json_type(value), {})[key] = None
        rows += [{"event": kind, "keys": list(names), "type": name} for name, names in keys.items()]
    return {"data": rows}


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"


def attribute(ledger: Ledger, window: Window, kind: str, key: str | None) -> Answer:
    """Return the values of an attribute with their counts; without one, the attributes and how often each came."""
    found = [e.data for e in ledger.events_between(kind, window.start_ms, window.end_ms) if e.data]
    if key is None:
        return {"data": _rows(Counter(name for data in found for name in data))}
    # True and 1 are equal and hash alike, so the type is part of what is counted.
    values = Counter((_json_type(data[key]), data[key]) for data in found if data.get(key) is not None)
    return {"data": [{"value": value, "count": n} for (_, value), n in values.most_common()]}


def users(ledger: Ledger, page_size: int | None) -> Answer:
    """Return all users, or the first page of them beside the number of all."""
    records = [ledger.users[db_id] for db_id in sorted(ledger.users)]
    return {"total": len(records), "data": [_user(record) for record in records[:page_size]]}


def _user(record: UserRecord) -> Answer:
    user = record.user
    answer: Answer = {"_id": user.db_id}
    if user.user_id is not None:
        answer["userId"] = user.user_id
    else:
        answer["anonId"] = user.anon_id
    return answer | {
        "createdAt": iso(user.created_ms),
        "lastSeen": iso(record.seen_ms),
        "devices": [_device(device) for device in record.devices.values()],
        "props": user.props,
    }


def _device(record: DeviceRecord) -> Answer:
    device = record.device
    return {
        "_id": device.device_id,
        "lastSeen": iso(record.seen_ms),
        "platform": device.platform,
        "osVersion": device.os_version,
        "version": record.version,
    }


def user_detail(record: UserRecord, app_id: str) -> Answer:
    """Return a user and their sessions, the sessions in no order anyone could rely on."""
    more = {"appId": app_id, "__v": 0, "updatedAt": iso(record.seen_ms)}
    sessions = sorted(record.sessions, key=lambda session: session.start_ms % 997)
    return {"user": _user(record) | more, "sessions": [_session(session) for session in sessions]}


def _session(record: SessionRecord) -> Answer:
    return {
        "device": record.session.device.device_id,
        "actions": len(record.events) - record.errors,
        "errors": record.errors,
        "start": iso(record.start_ms),
        "end": iso(record.end_ms),
        "session": record.session.session_id,
    }


def session_events(record: UserRecord, session_id: str, device_id: str, app_id: str) -> Answer | None:
    """Return the events of a session, and with them those of every other that has the same id on the same device."""
    found = [
        event
        for session in record.sessions
        if session.session.session_id == session_id and session.session.device.device_id == device_id
        for event in session.events
    ]
    return {"data": [event_row(event, app_id) for event in found]} if found else None


def event_row(event: Event, app_id: str) -> Answer:
    """Return an event; platform, version, locale and country come with ``init`` and errors only."""
    session = event.session
    user, device = session.user, session.device
    told = event.type == "init" or event.is_error
    message = event.data.get("message") if event.is_error and event.data else None
    return {
        "app_id": app_id,
        "platform": device.platform if told else None,
        "user_id": user.user_id,
        "machine_id": device.device_id,
        "version": session.version if told else None,
        "locale": session.locale if told else None,
        "renderer": None,
        "module_version": session.module_version,
        "avail_ram": session.ram_gb if told else None,
        "type": event.type,
        "time": iso(event.time_ms),
        "country": user.country if told else None,
        "arch": device.arch if told else None,
        "first_time": session.first and event.type == "init",
        "session_id": session.session_id,
        "error_hash": _error_hash(event.type, str(message)) if event.is_error else None,
        "os_version": device.os_version if told else None,
        "data": event.data,
        "duration": event.duration,
    }


@lru_cache(maxsize=256)
def _error_hash(kind: str, message: str) -> str:
    """Return what groups equal errors."""
    return hashlib.sha256(f"{kind}\n{message}".encode()).hexdigest()[:16]


def live_events(ledger: Ledger, now_ms: int, app_id: str) -> Answer:
    """Return the events received in the last five minutes, newest first."""
    return {"data": [event_row(event, app_id) for event in reversed(ledger.received_since(now_ms - LIVE_MS))]}


def live_users(ledger: Ledger, now_ms: int) -> Answer:
    """Return the users who were heard of in the last five minutes, each with the device used last."""
    return {"data": [_live_user(sighting) for sighting in ledger.online_since(now_ms - LIVE_MS)]}


def live_user_count(ledger: Ledger, now_ms: int) -> Answer:
    """Return how many users `live_users` would list."""
    return {"data": len(ledger.online_since(now_ms - LIVE_MS))}


def _live_user(sighting: Sighting) -> Answer:
    user, device, received_ms = sighting
    return {
        "userDbId": user.db_id,
        "userId": user.user_id,
        "deviceId": device.device_id,
        "platform": device.platform,
        "osVersion": device.os_version,
        "country": user.country,
        "lastSeen": iso(received_ms),
    }
