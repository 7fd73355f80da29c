"""Answers about people, one function a frame: users, devices, sessions, events, who is online."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.api.endpoints import PATHS, Endpoint
from nucleus_pandas.api.parsing.platforms import platform_columns
from nucleus_pandas.api.parsing.schemas import (
    DEVICES,
    EVENT_LOG,
    LIVE_USERS,
    SESSIONS,
    USERS,
    count_absent,
    inner_list,
    inner_objects,
    objects,
    pick,
    pick_all,
    wrong_shape,
)
from nucleus_pandas.api.parsing.shapes import is_duration, is_properties
from nucleus_pandas.api.parsing.values import (
    Losses,
    clean,
    count_column,
    flag_column,
    instant_column,
    number_column,
    property_column,
    text_column,
    texts,
)
from nucleus_pandas.core.dtypes import COUNT, TEXT, make_frame
from nucleus_pandas.core.units import SESSION_TIMEOUT
from nucleus_pandas.core.warnings import warn, warn_incomplete
from nucleus_pandas.exceptions import PayloadError

#: How many properties, the most frequent, get a column each unless somebody names those that are wanted.
MOST_PROPERTIES = 200

#: When no event of so many answers has the id that was asked for, the two are ids of different kinds.
_OTHER_KIND = 3
#: What the tracking clients call the view of a page, and what astrolytics-desktop calls the end of a session.
_VIEWS = ("nucleus:view", "$pageview")
_SYSTEM = ("$sessionend",)
_SURROGATE = re.compile("[\ud800-\udfff]")


class SessionEvents(NamedTuple):
    """The events of sessions, in the order of the sessions.

    Attributes
    ----------
    owner : array of int
        For each event the row of its session.
    columns : dict
        What came with the events: the columns of EVENT_LOG but for the ids of their sessions.
    properties : list
        For each event the object of its attributes, or None.
    flaws : array of int
        For each session how many rows of its answer were wrong: left out because they belong to another user, device or
        session or are no objects; or kept although their time, name, attributes or duration cannot be right. A later
        answer may be better. Of sessions that share their ids, those that are no objects count for the first.
    """

    owner: Any
    columns: dict[str, Any]
    properties: list[Any]
    flaws: Any


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
    count_absent(users, ("createdAt", "lastSeen"), losses)
    losses.add(
        "{} users have the id of another one in quotation marks, as astrolytics-desktop reports it after a restart; "
        "each is counted as a user of their own",
        _count_quoted(identity["user_id"]),
    )
    devices, owner = _devices(users, losses)
    seen = instant_column(pick(devices, "lastSeen"), losses)
    platforms = platform_columns(pick(devices, "platform"), losses)
    listed = [isinstance(user.get("devices"), list) for user in users]
    latest = _latest(seen, owner, len(users))
    columns = {
        **identity,
        "created_at": instant_column(pick(users, "createdAt"), losses),
        "last_seen": instant_column(pick(users, "lastSeen"), losses),
        "devices": pd.array(np.bincount(owner, minlength=len(users)), dtype=COUNT).take(
            np.where(listed, np.arange(len(users)), -1), allow_fill=True
        ),
        **{name: values.take(latest, allow_fill=True) for name, values in platforms.items()},
        "version": text_column(pick(devices, "version"), losses).take(latest, allow_fill=True),
    }
    return columns, inner_objects(users, "props", losses)


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
        **platform_columns(pick(devices, "platform"), losses),
        "os_version": text_column(pick(devices, "osVersion"), losses),
        "version": text_column(pick(devices, "version"), losses),
        "last_seen": instant_column(pick(devices, "lastSeen"), losses),
    }


def is_about(user: dict[str, Any], user_id: Any, user_db_id: Any) -> bool:
    """Whether an answer is about the user who was asked for, as far as both have ids of the same kind."""
    came = texts((user.get("_id"), user.get("userId")), Losses(PATHS["user"]))
    for found, asked in zip(came, (user_db_id, user_id), strict=True):
        if found and isinstance(asked, str) and asked:
            return found == asked
    return True


def warn_of_empty_lists(users: Sequence[dict[str, Any]], answers: Sequence[list[Any]]) -> None:
    """Warn of users, as they came, who have a device but no sessions."""
    losses = Losses(PATHS["user"])
    empty = sum(bool(user.get("devices")) and not sessions for user, sessions in zip(users, answers, strict=True))
    losses.add("{} users have a device, but their list of sessions came empty", empty)
    losses.warn()


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
    once = [without_copies(rows) for rows in answers]
    losses.add("{} copies of sessions are left out", sum(map(len, answers)) - sum(map(len, once)))
    found = [objects(rows, losses) for rows in once]
    owner = np.repeat(np.arange(len(found)), [len(of_user) for of_user in found])
    flat = [session for of_user in found for session in of_user]
    count_absent(flat, ("device", "session", "start", "end", "actions", "errors"), losses)
    columns: dict[str, Any] = {
        "device_id": text_column(pick(flat, "device"), losses),
        "session_id": text_column(pick(flat, "session"), losses),
        "start": instant_column(pick(flat, "start"), losses),
        "end": instant_column(pick(flat, "end"), losses),
        "actions": count_column(pick(flat, "actions"), losses),
        "errors": count_column(pick(flat, "errors"), losses),
    }
    backwards = np.asarray(columns["end"] < columns["start"])
    columns["end"] = pd.Series(columns["end"]).mask(backwards).array
    losses.add("{} sessions end before they start; their end is missing", int(backwards.sum()))
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
    once = [without_copies(events) for events in answers]
    losses.add("{} copies of events are left out", sum(map(len, answers)) - sum(map(len, once)))
    owner, columns, came, _ = session_event_columns(once, sessions, groups, losses)
    if {"actions", "errors"} <= set(sessions.columns):
        copies = np.array([len(all_) - len(one) for all_, one in zip(answers, once, strict=True)], dtype=np.intp)
        received = count_received(owner, columns["kind"], copies[groups])
        actions, listed_errors = (
            sessions[name].to_numpy(np.float64, na_value=np.nan) for name in ("actions", "errors")
        )
        short = missing_events(actions, listed_errors, *received) > 0
        losses.add("{} sessions came with fewer events than their list of sessions counts", int(short.sum()))
    names = {"user_id": "user_id", "user_db_id": "user_db_id", "device_id": "device_id"}
    names |= {"session_id": "session_id", "session_start": "start"}
    columns |= {name: sessions[column].array.take(owner) for name, column in names.items()}
    columns |= property_columns("data", came, losses, properties)
    losses.warn()
    return make_frame(EVENT_LOG, columns)


def session_event_columns(
    answers: Sequence[list[Any]], sessions: pd.DataFrame, groups: Any, losses: Losses
) -> SessionEvents:
    """Take the events of `session_events_frame` apart.

    `sessions` has the columns user_id, user_db_id, device_id, session_id, start and end.
    """
    groups = np.asarray(groups, dtype=np.intp)
    found = [objects(rows, losses) for rows in answers]
    flat = [event for of_group in found for event in of_group]
    time = instant_column(pick(flat, "time"), losses)
    group = np.repeat(np.arange(len(found)), [len(of_group) for of_group in found])
    owner, inside = _sessions_of(time, group, sessions, groups)
    foreign = _foreign(flat, owner, group, sessions, losses)
    losses.add("{} events of other sessions with the same id are left out", int((~inside & ~foreign).sum()))
    flawed = np.bincount(owner[foreign | (inside & _flawed(flat, time))], minlength=len(sessions))
    first, answer = np.unique(groups, return_index=True)
    flawed[answer] += np.array([len(rows) for rows in answers], dtype=np.intp)[first]
    flawed[answer] -= np.array([len(rows) for rows in found], dtype=np.intp)[first]
    kept = np.flatnonzero(inside & ~foreign)
    kept = kept[np.argsort(owner[kept], kind="stable")]
    events = [flat[row] for row in kept.tolist()]
    count_absent(events, ("time",), losses)
    columns = {"time": time[kept], **_event_columns(events, losses)}
    return SessionEvents(owner[kept], columns, inner_objects(events, "data", losses), flawed)


def count_received(owner: Any, kinds: Sequence[str | None], copies: Any) -> tuple[Any, Any]:
    """Count the events that came for each session, those that are no errors and those that are.

    Copies are counted in both, as they may be of either.
    """
    is_error = np.array(kinds, dtype=object) == "error"
    errors = np.bincount(owner[is_error], minlength=len(copies))
    return np.bincount(owner, minlength=len(copies)) - errors + copies, errors + copies


def missing_events(actions: Any, errors: Any, received_actions: Any, received_errors: Any) -> Any:
    """Count the events that a list of sessions counts and that did not come; NaN counts as nothing listed.

    The reference does not say what an action is. The demo app counts every event that is no error, and so does this. A
    session begins with an event, so at least one is missing where none came.
    """
    short = np.maximum(np.nan_to_num(actions) - received_actions, 0)
    short += np.maximum(np.nan_to_num(errors) - received_errors, 0)
    return np.maximum(short, received_actions + received_errors == 0)


def without_copies(rows: list[Any]) -> list[Any]:
    """Give each event or session once: apps that lost an answer send again. Rows that differ in anything all stay."""
    objects_ = [row for row in rows if type(row) is dict]
    with contextlib.suppress(TypeError):  # an answer can hold anything, even a list for a time
        keys = {(row.get("time"), row.get("type"), row.get("session"), row.get("start")) for row in objects_}
        if len(keys) == len(rows):
            return rows
    # As text, since True and 1 are equal.
    return list({json.dumps(row, sort_keys=True): row for row in rows}.values())


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
    count_absent(events, ("time",), losses)
    columns = identity | _event_columns(events, losses)
    columns |= property_columns("data", inner_objects(events, "data", losses), losses, properties)
    losses.warn()
    return make_frame(EVENT_LOG, columns)


def live_users_frame(rows: list[Any]) -> pd.DataFrame:
    """One row a user who is online."""
    losses = Losses(PATHS["live_users"])
    users, identity = _identified([{**row, "_id": row.get("userDbId")} for row in objects(rows, losses)], losses)
    columns = {
        **identity,
        "device_id": text_column(pick(users, "deviceId"), losses),
        **platform_columns(pick(users, "platform"), losses),
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


def _count_quoted(ids: Iterable[str]) -> int:
    """Count the ids that are another one in quotation marks."""
    known = set(ids)
    return sum(f'"{user_id}"' in known for user_id in known)


def _devices(users: list[dict[str, Any]], losses: Losses) -> tuple[list[dict[str, Any]], Any]:
    """All devices, and for each the row of its user."""
    of_users = [objects(inner_list(user, "devices", losses), losses) for user in users]
    owner = np.repeat(np.arange(len(users)), [len(devices) for devices in of_users])
    flat = [device for devices in of_users for device in devices]
    count_absent(flat, ("_id", "lastSeen"), losses)
    return flat, owner


def _latest(seen: Any, owner: Any, users: int) -> Any:
    """For each user the row of the device seen last, -1 for none; one that tells no time comes before all others."""
    moments = pd.Series(seen).to_numpy(dtype="datetime64[us]")
    order = np.lexsort((moments.astype("int64"), owner))
    latest = np.full(users, -1)
    latest[owner[order]] = order
    return latest


def _sessions_of(time: Any, group: Any, sessions: pd.DataFrame, groups: Any) -> tuple[Any, Any]:
    """For each event the row of its session, and whether it lies in it."""
    if not len(groups):
        return np.zeros(len(group), dtype=np.intp), np.zeros(len(group), dtype=bool)
    starts = sessions["start"].to_numpy(dtype="datetime64[us]")
    ends = sessions["end"].to_numpy(dtype="datetime64[us]")
    ends = np.where(ends < starts, np.datetime64("NaT"), ends)  # then only the start can be right
    moments = pd.Series(time).to_numpy(dtype="datetime64[us]")
    order = np.lexsort((starts, groups))
    place = np.minimum(np.searchsorted(groups[order], group), len(order) - 1)
    asked = groups[order[place]] == group

    def following(places: Any) -> Any:
        """The next session of the same ids, or the last one again."""
        after = np.minimum(places + 1, len(order) - 1)
        return np.where(groups[order[after]] == group, after, places)

    def outside(places: Any) -> Any:
        # Comparing with a missing time is False: an event without time, or of a session without start, stays.
        row = order[places]
        timeout = np.timedelta64(SESSION_TIMEOUT)
        return (moments < starts[row] - timeout) | (moments > ends[row] + timeout)

    # Later sessions of the same ids are rare: one step for each that any answer has.
    for _ in range(int(np.bincount(groups).max()) - 1):
        after = following(place)
        place = np.where(starts[order[after]] <= moments, after, place)
    # A clock is not so exact that an event could not come a little before the start of its session.
    place = np.where(outside(place) & ~outside(following(place)), following(place), place)
    return order[place], asked & ~outside(place)


def _foreign(events: list[dict[str, Any]], owner: Any, group: Any, sessions: pd.DataFrame, losses: Losses) -> Any:
    """Whether each event belongs to another device, session or user than was asked for, by the ids that it carries."""
    foreign = np.zeros(len(events), dtype=bool)
    if not len(sessions):
        return foreign
    for key, column in (("machine_id", "device_id"), ("session_id", "session_id")):
        given, there = _given(events, key)
        same = there & (given == _wanted(sessions, column)[owner])
        if not same.any() and len(np.unique(group[there])) >= _OTHER_KIND:
            losses.add(f"{{}} events have a {key} of another kind than their sessions; they are kept", int(there.sum()))
            continue
        foreign |= there & ~same
    losses.add("{} events of another device or session are left out", int(foreign.sum()))
    given, there = _given(events, "user_id")
    ids = [_wanted(sessions, column) for column in ("user_id", "user_db_id")]
    other = there & ~foreign & (given != ids[0][owner]) & (given != ids[1][owner])
    asked = set(ids[0]) | set(ids[1])
    of_another = other & np.array([name in asked for name in given], dtype=bool)
    losses.add("{} events of other users among those asked for are left out", int(of_another.sum()))
    losses.add(
        "{} events carry the id of a user who was not asked for; they are kept, as apps rename users",
        int((other & ~of_another).sum()),
    )
    return foreign | of_another


def _given(events: list[dict[str, Any]], key: str) -> tuple[Any, Any]:
    """The ids under a key, and whether there is one."""
    given = np.array([*texts(pick(events, key), Losses("")), None], dtype=object)[:-1]
    return given, given.astype(bool)


def _wanted(sessions: pd.DataFrame, column: str) -> Any:
    return sessions[column].astype(object).where(sessions[column].notna(), None).to_numpy(dtype=object)


def _flawed(events: list[dict[str, Any]], time: Any) -> Any:
    """Whether the time, the name, the attributes or the duration of each event cannot be right."""
    flawed = np.array(pd.isna(time), dtype=bool)
    names = [event.get("name") or event.get("type") for event in events]
    flawed |= np.array([type(name) is not str or not name or _SURROGATE.search(name) for name in names], dtype=bool)
    for key, is_right in (("data", is_properties), ("duration", is_duration)):
        flawed |= np.array([not is_right(value) for value in pick(events, key)], dtype=bool)
    return flawed


def _event_columns(events: list[dict[str, Any]], losses: Losses) -> dict[str, Any]:
    """The columns of EVENT_LOG but for ids, times and attributes."""
    as_text = ("os_version", "version", "locale", "country", "arch", "error_hash")
    came = pick_all(events, ("platform", *as_text, "type", "avail_ram", "first_time", "duration"))
    # The published example has the event's name in `type`; should a `name` come, it is the more specific.
    types = texts(came["type"], losses)
    names = texts(pick(events, "name"), losses)
    kinds = {pair: kind_of(*pair) for pair in set(zip(names, types, strict=True))}
    called = [name or type_ for name, type_ in zip(names, types, strict=True)]
    losses.add("{} events have no name", called.count(None))
    raw = [event.get("name") or event.get("type") for event in events]
    losses.add("{} events have a name that is no text", sum(name is not None and type(name) is not str for name in raw))
    durations = number_column(came["duration"], losses)
    losses.add("{} durations are negative and missing", int((durations < 0).sum()))
    return {
        "event": called,
        "kind": [kinds[pair] for pair in zip(names, types, strict=True)],
        **platform_columns(came["platform"], losses),
        **{name: text_column(came[name], losses) for name in as_text},
        "ram_gb": number_column(came["avail_ram"], losses),
        "first_time": flag_column(came["first_time"], losses),
        "duration_seconds": np.where(durations < 0, np.nan, durations),
    }


def kind_of(name: str | None, type_: str | None = None) -> str | None:
    """What sort of event it is; init, error:… and nucleus:… are the service's own names, $… those of a newer client."""
    for text in (type_, name):
        if text == "init":
            return "init"
        if text == "error" or (text and text.startswith("error:")):
            return "error"
        if text in _VIEWS:
            return "view"
        if text and (text.startswith("nucleus:") or text in _SYSTEM):
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
        One a row, read twice unless `properties` are given. Whoever can send events can make up keys, so there
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
        keys, total = most_frequent(objects_, weights)
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


def most_frequent(objects_: Iterable[Any], weights: Any) -> tuple[set[str], int]:
    """Count the keys of the objects: the 200 that most rows have, and how many different ones there are."""
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
    # Where the key that all other endpoints have holds no list, another list would be no better than a guess.
    for value in [payload["data"]] if "data" in payload else [payload.get("events"), *payload.values()]:
        if isinstance(value, list):
            return value
    raise PayloadError(
        f"{PATHS['live_events']}: the answer holds no list of events. The service may have changed; please report it.",
        endpoint=PATHS["live_events"],
    )
