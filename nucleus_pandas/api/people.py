"""Answers about people, one function a frame: users, devices, sessions, events, who is online."""

from __future__ import annotations

import heapq
import itertools
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.api.columns import (
    TEXT,
    Losses,
    clean,
    count_column,
    flag_column,
    instant_column,
    number_column,
    property_column,
    text_column,
    texts,
    warn,
    warn_incomplete,
)
from nucleus_pandas.api.endpoints import PATHS, Endpoint
from nucleus_pandas.api.frames import (
    DEVICES,
    EVENT_LOG,
    LIVE_USERS,
    SESSIONS,
    USERS,
    inner_list,
    make_frame,
    objects,
    pick,
    pick_all,
    wrong_shape,
)
from nucleus_pandas.exceptions import PayloadError

#: Between two events of one session lie at most 30 minutes; what is farther off belongs to another one.
SESSION_TIMEOUT = np.timedelta64(30, "m")
#: How many properties, the most frequent, get a column each unless somebody names those that are wanted.
MOST_PROPERTIES = 200


def users_frame(
    rows: list[Any], endpoint: Endpoint = "users", properties: Collection[str] | None = None
) -> pd.DataFrame:
    """One row a user."""
    losses = Losses(PATHS[endpoint])
    columns, came = user_columns(rows, losses)
    columns |= property_columns("props", came, losses, properties)
    losses.warn()
    return make_frame(USERS, columns)


def user_columns(rows: list[Any], losses: Losses) -> tuple[dict[str, Any], list[Any]]:
    """The columns of USERS, and for each user the object of properties as it came."""
    users, identity = _identified(_once(objects(rows, losses), losses), losses)
    devices, owner = _devices(users, losses)
    seen = instant_column(pick(devices, "lastSeen"), losses)
    latest = _latest(seen, owner, len(users))
    columns = {
        **identity,
        "created_at": instant_column(pick(users, "createdAt"), losses),
        "last_seen": instant_column(pick(users, "lastSeen"), losses),
        "devices": np.bincount(owner, minlength=len(users)),
        "platform": text_column(pick(devices, "platform"), losses).take(latest, allow_fill=True),
        "version": text_column(pick(devices, "version"), losses).take(latest, allow_fill=True),
    }
    return columns, pick(users, "props")


def tell_of_missing_users(total: object, came: int) -> None:
    """Say so when the service counts more users than it sent."""
    if isinstance(total, int) and total > came:
        warn_incomplete(
            f"users: the service counts {total:,} users but sent {came:,}. The rest is missing; do not take the "
            "numbers for those of all users."
        )


def devices_frame(rows: list[Any]) -> pd.DataFrame:
    """One row a device of a user."""
    losses = Losses(PATHS["users"])
    columns = device_columns(rows, losses)
    losses.warn()
    return make_frame(DEVICES, columns)


def device_columns(rows: list[Any], losses: Losses) -> dict[str, Any]:
    """The columns of DEVICES."""
    users, identity = _identified(_once(objects(rows, losses), losses), losses)
    devices, owner = _devices(users, losses)
    return {
        **{name: values.take(owner) for name, values in identity.items()},
        "device_id": text_column(pick(devices, "_id"), losses),
        "platform": text_column(pick(devices, "platform"), losses),
        "os_version": text_column(pick(devices, "osVersion"), losses),
        "version": text_column(pick(devices, "version"), losses),
        "last_seen": instant_column(pick(devices, "lastSeen"), losses),
    }


def sessions_frame(answers: Sequence[list[Any]], users: pd.DataFrame) -> pd.DataFrame:
    """One row a session; `users` has a row for each list of sessions, with user_id and user_db_id."""
    losses = Losses(PATHS["user"])
    owner, columns = session_columns(answers, losses)
    columns |= {name: users[name].array.take(owner) for name in ("user_id", "user_db_id")}
    columns["duration_seconds"] = (columns["end"] - columns["start"]).total_seconds()
    losses.warn()
    # The service sends sessions in no order.
    frame = make_frame(SESSIONS, columns).assign(owner=owner)
    by = ["owner", "start", "device_id", "session_id"]
    return frame.sort_values(by, kind="stable", ignore_index=True).drop(columns="owner")


def session_columns(answers: Sequence[list[Any]], losses: Losses) -> tuple[Any, dict[str, Any]]:
    """For each session the row of its answer, and the columns of SESSIONS that came with it."""
    found = [objects(rows, losses) for rows in answers]
    owner = np.repeat(np.arange(len(found)), [len(of_user) for of_user in found])
    flat = [session for of_user in found for session in of_user]
    columns: dict[str, Any] = {
        "device_id": text_column(pick(flat, "device"), losses),
        "session_id": text_column(pick(flat, "session"), losses),
        "start": instant_column(pick(flat, "start"), losses),
        "end": instant_column(pick(flat, "end"), losses),
        "actions": count_column(pick(flat, "actions"), losses),
        "errors": count_column(pick(flat, "errors"), losses),
    }
    return owner, columns


def fill_identity(users: pd.DataFrame, found: list[dict[str, Any]]) -> pd.DataFrame:
    """Put the ids that an answer tells about a user where they are not known yet."""
    if users.notna().all(axis=None):
        return users
    losses = Losses(PATHS["user"])
    db_ids = users["user_db_id"].fillna(pd.Series(text_column(pick(found, "_id"), losses), index=users.index))
    user_ids = users["user_id"].fillna(pd.Series(text_column(pick(found, "userId"), losses), index=users.index))
    return users.assign(user_db_id=db_ids, user_id=user_ids.fillna(db_ids))


def session_events_frame(
    answers: Sequence[list[Any]], sessions: pd.DataFrame, groups: Any, properties: Collection[str] | None = None
) -> pd.DataFrame:
    """One row an event, in the order of the sessions and, within one, as the service sent them.

    Session ids are random and repeat, so the answer to one set of ids can hold several sessions: `groups`
    tells for each row of `sessions` to which answer it belongs. An event is of the latest of them that had
    begun. What lies farther from it than a session can last is of a session that was not asked for.
    """
    losses = Losses(PATHS["session_events"])
    owner, columns, came = session_event_columns(answers, sessions, groups, losses)
    names = {"user_id": "user_id", "user_db_id": "user_db_id", "device_id": "device_id"}
    names |= {"session_id": "session_id", "session_start": "start"}
    columns |= {name: sessions[column].array.take(owner) for name, column in names.items()}
    columns |= property_columns("data", came, losses, properties)
    losses.warn()
    return make_frame(EVENT_LOG, columns)


def session_event_columns(
    answers: Sequence[list[Any]], sessions: pd.DataFrame, groups: Any, losses: Losses
) -> tuple[Any, dict[str, Any], list[Any]]:
    """For each event of `session_events_frame` the row of its session; what came with it; its attributes' object."""
    found = [objects(rows, losses) for rows in answers]
    flat = [event for of_group in found for event in of_group]
    time = instant_column(pick(flat, "time"), losses)
    group = np.repeat(np.arange(len(found)), [len(of_group) for of_group in found])
    owner, inside = _sessions_of(time, group, sessions, np.asarray(groups, dtype=np.intp))
    losses.add("{} events of other sessions with the same id are left out", int((~inside).sum()))
    kept = np.flatnonzero(inside)
    kept = kept[np.argsort(owner[kept], kind="stable")]
    events = [flat[row] for row in kept.tolist()]
    return owner[kept], {"time": time[kept], **_event_columns(events, losses)}, pick(events, "data")


def live_events_frame(payload: Any, properties: Collection[str] | None = None) -> pd.DataFrame:
    """One row an event; the shape of this endpoint is not documented, so any list in the answer is taken."""
    losses = Losses(PATHS["live_events"])
    events = objects(_any_list(payload), losses)
    identity = {
        "user_id": text_column(pick(events, "user_id"), losses),
        "user_db_id": text_column([None] * len(events), losses),
        "device_id": text_column(pick(events, "machine_id"), losses),
        "session_id": text_column(pick(events, "session_id"), losses),
        "session_start": instant_column([None] * len(events), losses),
        "time": instant_column(pick(events, "time"), losses),
    }
    columns = identity | _event_columns(events, losses)
    columns |= property_columns("data", pick(events, "data"), losses, properties)
    losses.warn()
    return make_frame(EVENT_LOG, columns)


def live_users_frame(rows: list[Any]) -> pd.DataFrame:
    """One row a user who is online."""
    losses = Losses(PATHS["live_users"])
    users, identity = _identified([{**row, "_id": row.get("userDbId")} for row in objects(rows, losses)], losses)
    columns = {
        **identity,
        "device_id": text_column(pick(users, "deviceId"), losses),
        "platform": text_column(pick(users, "platform"), losses),
        "os_version": text_column(pick(users, "osVersion"), losses),
        "country": text_column(pick(users, "country"), losses),
        "last_seen": instant_column(pick(users, "lastSeen"), losses),
    }
    losses.warn()
    return make_frame(LIVE_USERS, columns)


def _once(rows: list[dict[str, Any]], losses: Losses) -> list[dict[str, Any]]:
    """Each user once, by the service's id: pages of a list that grows overlap."""
    seen: dict[Any, dict[str, Any]] = {}
    for number, row in enumerate(rows):
        db_id = row.get("_id")
        seen.setdefault(db_id if isinstance(db_id, str) and db_id else number, row)
    losses.add("{} users came twice and are counted once", len(rows) - len(seen))
    return list(seen.values())


def _identified(rows: list[dict[str, Any]], losses: Losses) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows with an id, and their columns user_id (the app's, else the service's) and user_db_id."""
    given = texts(pick(rows, "userId"), losses)
    db_ids = texts(pick(rows, "_id"), losses)
    known = [row for row, name, db_id in zip(rows, given, db_ids, strict=True) if name or db_id]
    losses.add("{} rows have no id and are left out", len(rows) - len(known))
    pairs = [(name or db_id, db_id) for name, db_id in zip(given, db_ids, strict=True) if name or db_id]
    ids, services = zip(*pairs, strict=True) if pairs else ((), ())
    return known, {"user_id": text_column(ids, losses), "user_db_id": text_column(services, losses)}


def _devices(users: list[dict[str, Any]], losses: Losses) -> tuple[list[dict[str, Any]], Any]:
    """All devices, and for each the row of its user."""
    of_users = [objects(inner_list(user, "devices", losses), losses) for user in users]
    owner = np.repeat(np.arange(len(users)), [len(devices) for devices in of_users])
    return [device for devices in of_users for device in devices], owner


def _latest(seen: Any, owner: Any, users: int) -> Any:
    """For each user the row of the device seen last, -1 for none; one that tells no time comes before all others."""
    moments = pd.Series(seen).to_numpy(dtype="datetime64[us]")
    order = np.lexsort((moments.astype("int64"), owner))
    latest = np.full(users, -1)
    latest[owner[order]] = order
    return latest


def _sessions_of(time: Any, group: Any, sessions: pd.DataFrame, groups: Any) -> tuple[Any, Any]:
    """For each event the row of its session, and whether it lies in it."""
    starts = sessions["start"].to_numpy(dtype="datetime64[us]")
    ends = sessions["end"].to_numpy(dtype="datetime64[us]")
    moments = pd.Series(time).to_numpy(dtype="datetime64[us]")
    order = np.lexsort((starts, groups))
    place = np.searchsorted(groups[order], group)
    if not len(order):
        return place, np.ones(len(place), dtype=bool)

    def following(places: Any) -> Any:
        """The next session of the same ids, or the last one again."""
        after = np.minimum(places + 1, len(order) - 1)
        return np.where(groups[order[after]] == group, after, places)

    def outside(places: Any) -> Any:
        # Comparing with a missing time is False: an event without time, or of a session without start, stays.
        row = order[places]
        return (moments < starts[row] - SESSION_TIMEOUT) | (moments > ends[row] + SESSION_TIMEOUT)

    # Later sessions of the same ids are rare: one step for each that any answer has.
    for _ in range(int(np.bincount(groups).max()) - 1):
        after = following(place)
        place = np.where(starts[order[after]] <= moments, after, place)
    # A clock is not so exact that an event could not come a little before the start of its session.
    place = np.where(outside(place) & ~outside(following(place)), following(place), place)
    return order[place], ~outside(place)


def _event_columns(events: list[dict[str, Any]], losses: Losses) -> dict[str, Any]:
    """The columns of EVENT_LOG but for ids, times and attributes."""
    as_text = ("platform", "os_version", "version", "locale", "country", "arch", "error_hash")
    came = pick_all(events, (*as_text, "type", "avail_ram", "first_time", "duration"))
    # The published example has the event's name in `type`; should a `name` come, it is the more specific.
    types = texts(came["type"], losses)
    names = texts(pick(events, "name"), losses)
    kinds = {pair: _kind(*pair) for pair in set(zip(names, types, strict=True))}
    return {
        "event": [name or type_ for name, type_ in zip(names, types, strict=True)],
        "kind": [kinds[pair] for pair in zip(names, types, strict=True)],
        **{name: text_column(came[name], losses) for name in as_text},
        "ram_gb": number_column(came["avail_ram"], losses),
        "first_time": flag_column(came["first_time"], losses),
        "duration_seconds": number_column(came["duration"], losses),
    }


def _kind(name: str | None, type_: str | None) -> str | None:
    """What sort of event it is; init, error:… and nucleus:… are the service's own names."""
    for text in (type_, name):
        if text == "init":
            return "init"
        if text == "error" or (text and text.startswith("error:")):
            return "error"
        if text == "nucleus:view":
            return "view"
        if text and text.startswith("nucleus:"):
            return "system"
    return "custom" if name or type_ else None


def property_columns(
    prefix: str,
    objects_: Iterable[Any],
    losses: Losses,
    properties: Collection[str] | None = None,
    weights: Any = None,
) -> dict[str, Any]:
    """Turn keys of the objects into columns, in alphabetical order.

    Parameters
    ----------
    prefix : str
        What the names of the columns begin with.
    objects_ : iterable
        One a row, gone through twice unless `properties` are given. Whoever can send events can make up keys, so there
        can be any number of them.
    losses : Losses
    properties : collection of str, optional
        Keys to turn into columns; the others are left out, and the column of a key that no object has is missing
        throughout. By default the 200 most frequent. If there are more, the others stay together as JSON in a column
        named `prefix`, with a warning.
    weights : array of int, optional
        How many rows each object stands for.
    """
    total = 0
    if properties is None:
        keys, total = _most_frequent(objects_, weights)
    else:
        keys = _as_shown(properties)
    by_name = properties is not None and any("\N{REPLACEMENT CHARACTER}" in name for name in keys)
    found: dict[str, tuple[list[int], list[Any]]] = {}
    rest: dict[int, str] = {}
    length = 0
    for length, row in enumerate(objects_, 1):
        if not row:
            continue
        if type(row) is not dict:
            losses.add("{} property lists were no objects and are left out")
            continue
        chosen = [key for key in row if _shown(key) in keys] if by_name else keys.intersection(row)
        for key in chosen:
            if row[key] is not None:
                rows, values = found.setdefault(key, ([], []))
                rows.append(length - 1)
                values.append(row[key])
        if total > len(keys):
            others = {key: value for key, value in row.items() if key not in keys and value is not None}
            if others:
                rest[length - 1] = json.dumps(others, ensure_ascii=False, separators=(",", ":"))
    shown = dict(zip(found, clean(list(found), losses), strict=True))
    columns: dict[str, Any] = {}
    for key in sorted(found, key=lambda key: (str(shown[key]), key)):
        name = f"{prefix}.{shown[key]}"
        while name in columns:  # two keys that differ only in characters that cannot be shown
            name += "_"
        columns[name] = property_column(*found[key], length, losses)
    if rest:
        place = np.full(length, -1)
        place[list(rest)] = np.arange(len(rest))
        columns[prefix] = text_column(rest.values(), losses).take(place, allow_fill=True)
        tell_rest(prefix, total)
    if properties is None:
        return columns
    nothing = pd.array([None] * length, dtype=TEXT)
    return {name: columns.get(name, nothing) for name in sorted(f"{prefix}.{key}" for key in properties)}


def _most_frequent(objects_: Iterable[Any], weights: Any) -> tuple[set[str], int]:
    """The keys that most rows have, and how many different ones there are."""
    counts: Counter[str] = Counter()
    numbers = itertools.repeat(1) if weights is None else weights.tolist()
    for row, number in zip(objects_, numbers, strict=False):
        if type(row) is dict:
            for key, value in row.items():
                if value is not None:
                    counts[key] += number
    ranked = heapq.nsmallest(MOST_PROPERTIES, counts.items(), key=lambda item: (-item[1], item[0]))
    return {key for key, _ in ranked}, len(counts)


def _shown(key: str) -> str:
    return str(clean([key], Losses(""))[0] or "")


def tell_rest(column: str, total: int) -> None:
    """Say that there are more properties than columns."""
    warn(
        f"{column}: there are {total:,} different properties. The {MOST_PROPERTIES} most frequent have a column each; "
        f"the other {total - MOST_PROPERTIES:,} are in the column {column!r} as JSON. To choose the columns, pass "
        'properties=["name", ...].',
        UserWarning,
    )


def checked_properties(properties: object, prefix: str) -> list[str] | None:
    """Check the names of properties, which may be written as those of their columns; None for all."""
    if properties is None:
        return None
    names = [properties] if isinstance(properties, str) else properties
    if isinstance(names, Mapping) or not isinstance(names, Iterable):
        names = [None]
    given = list(names)
    if not all(isinstance(name, str) for name in given):
        raise TypeError('properties must be a list of names, for example properties=["plan", "locale"].')
    return list(dict.fromkeys(name.removeprefix(f"{prefix}.") for name in given))


def _as_shown(properties: Collection[str]) -> set[str]:
    """The names, and those to which an underscore was added as another key looks the same."""
    return {*properties, *(name.rstrip("_") for name in properties if "\N{REPLACEMENT CHARACTER}" in name)}


def _any_list(payload: Any) -> list[Any]:
    if isinstance(payload, list):
        return payload
    if not isinstance(payload, dict):
        raise wrong_shape("live_events", "the answer", "an object or a list", payload)
    for value in (payload.get("data"), payload.get("events"), *payload.values()):
        if isinstance(value, list):
            return value
    if payload.get("data", payload) is None or not payload:
        return []
    raise PayloadError(
        f"{PATHS['live_events']}: the answer holds no list of events. The service may have changed; please report it.",
        endpoint=PATHS["live_events"],
    )
