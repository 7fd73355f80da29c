"""Messages of the tracking clients, checked and brought into one form.

The official clients differ in how they say the same: ``deviceId`` or ``machineId``, ``locale`` or ``language``, dates
as ISO 8601 or as milliseconds, errors by their type or as events named ``error:…``. From here on there is one form.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeGuard

from nucleus_pandas.demo.records import ERROR_PREFIX, SYSTEM_PREFIX, is_custom, to_ms

Scalar: TypeAlias = str | int | float | bool | None
EventId: TypeAlias = str | int | float

HEARTBEAT, USER_ID, PROPS = "heartbeat", "userid", "props"
VIEW, SESSION_END = "nucleus:view", "nucleus:sessionend"
#: Other spellings of types, of older and newer clients.
_TYPES = {
    "$pageview": VIEW,
    "pageview": VIEW,
    "$sessionend": SESSION_END,
    "identify": USER_ID,
    "nucleus:beacon": USER_ID,
    "nucleus:heartbeat": HEARTBEAT,
    "nucleus:userid": USER_ID,
    "nucleus:props": PROPS,
}
_KNOWN = ("init", "event", "error", USER_ID, PROPS, HEARTBEAT, VIEW, SESSION_END)

MAX_TEXT = 1000
_EARLIEST = to_ms(datetime(1970, 1, 1, tzinfo=UTC))
_LATEST = to_ms(datetime(2200, 1, 1, tzinfo=UTC))
_LARGEST_INTEGER = 2**63
_DIGITS = re.compile(r"[0-9]{1,18}")
#: Clients of HTTP drop these parts of a path, however they are written.
_IN_NO_PATH = (".", "..")
_SURROGATE = re.compile("[\ud800-\udfff]")


class MessageError(ValueError):
    """A message or an event that cannot be used; the text names fields, never their values."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """An event in one form.

    ``type`` is the name under which the Data API shows it (``init``, ``error:<name>``, ``nucleus:view``, or the app's
    own name), or ``heartbeat``, ``userid`` or ``props``, which are no events there. ``time_ms`` is None where the
    client gave no date. ``dropped`` counts properties that are no number, text or boolean.
    """

    type: str
    session_id: str | None
    device_id: str
    user_id: str | None = None
    anon_id: str | None = None
    time_ms: int | None = None
    data: dict[str, Scalar] | None = None
    platform: str | None = None
    os_version: str | None = None
    arch: str | None = None
    version: str | None = None
    locale: str | None = None
    ram_gb: int | None = None
    module_version: str | None = None
    dropped: int = 0

    @property
    def is_row(self) -> bool:
        """Whether the Data API shows it as an event."""
        return self.type not in (HEARTBEAT, USER_ID, PROPS)

    @property
    def describes_device(self) -> bool:
        """Whether it comes with platform, version and the like."""
        return self.type == "init" or self.type.startswith(ERROR_PREFIX)

    def to_json(self) -> str:
        """Return it as text that `from_json` reads; what is missing is left out."""
        values = {name: getattr(self, name) for name in _FIELDS}
        return json.dumps({name: value for name, value in values.items() if value is not None})

    @classmethod
    def from_json(cls, text: str) -> Tracked:
        """Return what `to_json` wrote."""
        return cls(**json.loads(text))


_FIELDS = [field.name for field in fields(Tracked)]


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event of a message: what to acknowledge it by, and what tells it from every other one."""

    place: int
    id: EventId | None
    event: Tracked
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event of a message that can never be used: what to acknowledge it by, if that can be read, and why."""

    place: int
    id: EventId | None
    reason: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message: the events that can be used, and what is wrong with the others."""

    incoming: list[Incoming]
    rejected: list[Rejected]
    confirmation: Scalar = None


def parse_message(text: str | bytes) -> Message:
    """Read a message.

    Raises
    ------
    MessageError
        When it is not JSON, or holds no list of events.
    """
    try:
        message = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise MessageError("The message is not JSON.") from None
    if not isinstance(message, dict) or not isinstance(message.get("data"), list):
        raise MessageError('A message is an object with a list of events: {"data": [...]}.')
    incoming: list[Incoming] = []
    rejected: list[Rejected] = []
    copies: Counter[bytes] = Counter()
    for place, raw in enumerate(message["data"]):
        try:
            incoming.append(_read(place, raw, copies))
        except MessageError as error:
            event_id = raw.get("id") if isinstance(raw, dict) else None
            rejected.append(Rejected(place, event_id if _can_be_echoed(event_id) else None, str(error)))
    confirmation = message.get("confirmation")
    return Message(incoming, rejected, confirmation if _can_be_echoed(confirmation) else None)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are no JSON


def _read(place: int, raw: object, copies: Counter[bytes]) -> Incoming:
    """Check an event of a message; `copies` counts those without an id that are equal."""
    if not isinstance(raw, dict):
        raise MessageError("Each event must be a JSON object.")
    event = parse_event(raw)
    event_id = raw.get("id")
    if event_id is not None and not _can_be_echoed(event_id):
        raise MessageError(f"id must be a number or a string, of at most {MAX_TEXT:,} characters.")
    return Incoming(place, event_id, event, _digest(event, event_id, copies))


def _can_be_echoed(value: object) -> bool:
    """Whether an answer can name it, character by character."""
    if isinstance(value, str):
        return len(value) <= MAX_TEXT and not _SURROGATE.search(value)
    return _is_number(value) and len(str(value)) <= MAX_TEXT


def _is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a finite number: JSON such as 1e999 is infinite in Python."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -math.inf < value < math.inf


def _digest(event: Tracked, event_id: EventId | None, copies: Counter[bytes]) -> bytes | None:
    """Return what two reports of the same event have in common; None for one that cannot be recognised.

    Ids are random numbers up to a million, so alone they say little. The user is left out: some clients add the present
    user to whatever they send, and what is sent again may name somebody else. Without an id, equal events within a
    message are different ones. With neither id nor date nothing tells an event that is sent again from a new one.
    """
    if event_id is None and event.time_ms is None:
        return None
    same = (event.device_id, event.session_id, event.type, event.time_ms, event_id, event.data)
    digest = hashlib.sha256(json.dumps(same, sort_keys=True).encode()).digest()
    if event_id is None:
        copies[digest] += 1
        digest = hashlib.sha256(digest + str(copies[digest]).encode()).digest()
    return digest[:16]


def parse_event(raw: Mapping[str, Any]) -> Tracked:
    """Return an event in one form.

    Raises
    ------
    MessageError
        For what cannot be used; the message names the field.
    """
    kind, name = _kind(raw)
    session_id = _session_id(raw.get("sessionId"))
    user_id, anon_id = _id(raw, "userId"), _id(raw, "anonId")
    if user_id in _IN_NO_PATH:
        raise MessageError("userId must not be . or .., as no address of the Data API can hold it.")
    device_id = _id(raw, "deviceId") or _id(raw, "machineId")
    if session_id is None and kind != HEARTBEAT:
        raise MessageError("sessionId is missing.")
    data, dropped = _properties(raw.get("payload"))
    if kind == VIEW and name:
        data = {**(data or {}), "view": name}
    type_ = _data_api_type(kind, name)
    described = type_ == "init" or type_.startswith(ERROR_PREFIX)
    return Tracked(
        type=type_,
        session_id=session_id,
        device_id=device_id or _stand_in(user_id or anon_id or session_id or ""),
        user_id=user_id,
        anon_id=anon_id,
        time_ms=_date(raw.get("date")),
        data=data,
        dropped=dropped,
        module_version=_text(raw, "moduleVersion"),
        **(_device(raw) if described else {}),
    )


def _kind(raw: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return type and name; the service's own names count as types, as older clients send them."""
    kind = _text(raw, "type") or "event"
    name = _text(raw, "name") or _text(raw, "event")
    if kind == "event" and name and not is_custom(name):
        kind, name = ("error", name) if name.startswith(ERROR_PREFIX) else (name, None)
    kind = _TYPES.get(kind, kind)
    if kind == "error" and name:
        name = name.removeprefix(ERROR_PREFIX)
    if kind not in _KNOWN and not kind.startswith(SYSTEM_PREFIX):
        raise MessageError(f"type must be one of {', '.join(_KNOWN)}.")
    if kind in ("event", "error") and not name:
        raise MessageError("name is missing.")
    return kind, name


def _data_api_type(kind: str, name: str | None) -> str:
    if kind == "error":
        return ERROR_PREFIX + (name or "")
    return name or "" if kind == "event" else kind


def _device(raw: Mapping[str, Any]) -> dict[str, Any]:
    ram = raw.get("totalRam")
    if not isinstance(ram, (int, float)) or isinstance(ram, bool) or not 0 < ram < 1e6:
        ram = None
    return {
        "platform": _id(raw, "platform"),
        "os_version": _id(raw, "osVersion"),
        "arch": _id(raw, "arch"),
        "version": _id(raw, "version"),
        "locale": _text(raw, "locale") or _text(raw, "language"),
        "ram_gb": None if ram is None else round(ram),
    }


def _stand_in(known: str) -> str:
    """Return an id for the device of a client that sends none: always the same for the same user."""
    return base64.b64encode(hashlib.sha256(known.encode()).digest())[:15].decode()


def _session_id(value: object) -> str | None:
    """Return digits; browsers keep the number as a text and send that after a reload."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or value == "":
        return None
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not _DIGITS.fullmatch(text):
        raise MessageError("sessionId must be a whole number.")
    return str(int(text))


def _date(value: object) -> int | None:
    """Return milliseconds since 1970 of ISO 8601, which is UTC without a zone, or of a number."""
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
            ms = to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            ms = int(value)
        else:
            raise MessageError("date must be ISO 8601 or milliseconds since 1970.")
    except (ValueError, OverflowError):
        raise MessageError("date must be ISO 8601 or milliseconds since 1970.") from None
    if not _EARLIEST <= ms < _LATEST:
        raise MessageError("date lies outside the years 1970 to 2199.")
    return ms


def _id(raw: Mapping[str, Any], field: str) -> str | None:
    """Return an id or the like as text; some apps send numbers, and one client the architecture as 64."""
    value = raw.get(field)
    if _is_number(value):
        value = str(int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value)
    text = _text({field: value}, field)
    if text and "\0" in text:
        raise MessageError(f"{field} must not contain U+0000.")
    return text


def _text(raw: Mapping[str, Any], field: str) -> str | None:
    """Return a text, None for an empty one."""
    value = raw.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise MessageError(f"{field} must be a string.")
    if len(value) > MAX_TEXT:
        raise MessageError(f"{field} is longer than {MAX_TEXT:,} characters.")
    return _whole(value) if value.strip() else None


def _whole(text: str) -> str:
    """Return a text that every encoding can write: half a surrogate pair becomes a question mark in a box."""
    return _SURROGATE.sub("\ufffd", text)


def _properties(payload: object) -> tuple[dict[str, Scalar] | None, int]:
    """Return the numbers, texts and booleans of a payload, and how many of its values are something else."""
    if payload is None:
        return None, 0
    if not isinstance(payload, dict):
        return None, 1
    kept = {
        _whole(key): _whole(value) if isinstance(value, str) else value
        for key, value in payload.items()
        if _is_scalar(value)
    }
    return kept or None, len(payload) - len(kept)


def _is_scalar(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -_LARGEST_INTEGER <= value < _LARGEST_INTEGER
    return value is None or isinstance(value, str)
