"""Answers about people, one function a frame: users, devices, sessions, events, who is online."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.api.endpoints import PATHS, Endpoint
from nucleus_pandas.api.parsing.property_columns import property_columns
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
    ParseProblems,
    count_column,
    flag_column,
    instant_column,
    number_column,
    platform_columns,
    text_column,
    texts,
)
from nucleus_pandas.core.dtypes import COUNT, make_frame
from nucleus_pandas.core.units import SESSION_TIMEOUT
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.exceptions import PayloadError

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
    problems = ParseProblems(PATHS[endpoint])
    columns, came = user_columns(rows, problems)
    columns |= property_columns("props", came, problems, properties)
    problems.warn()
    return make_frame(USERS, columns)


def user_columns(rows: list[Any], problems: ParseProblems) -> tuple[dict[str, Any], list[Any]]:
    """The columns of USERS, and for each user the object of properties as it came."""
    users, identity = _identified(_once(objects(rows, problems), problems), problems)
    count_absent(users, ("createdAt", "lastSeen"), problems)
    problems.add(
        "{} [user has|users have] the id of another one in quotation marks, as astrolytics-desktop reports it after a "
        "restart; each is counted as a user of their own",
        _count_quoted(identity["user_id"]),
    )
    devices, owner = _devices(users, problems)
    seen = instant_column(pick(devices, "lastSeen"), problems)
    platforms = platform_columns(pick(devices, "platform"), problems)
    listed = [isinstance(user.get("devices"), list) for user in users]
    latest = _latest(seen, owner, len(users))
    columns = {
        **identity,
        "created_at": instant_column(pick(users, "createdAt"), problems),
        "last_seen": instant_column(pick(users, "lastSeen"), problems),
        "devices": pd.array(np.bincount(owner, minlength=len(users)), dtype=COUNT).take(
            np.where(listed, np.arange(len(users)), -1), allow_fill=True
        ),
        **{name: values.take(latest, allow_fill=True) for name, values in platforms.items()},
        "version": text_column(pick(devices, "version"), problems).take(latest, allow_fill=True),
    }
    return columns, inner_objects(users, "props", problems)


def warn_of_missing_users(total: object, came: int) -> None:
    """Say so when the service counts more users than it sent."""
    if isinstance(total, int) and total > came:
        warn_incomplete(
            f"users: the service counts {total:,} users but sent {came:,}. The rest is missing; do not take the "
            "numbers for those of all users."
        )


def devices_frame(rows: list[Any]) -> pd.DataFrame:
    """One row a device of a user."""
    problems = ParseProblems(PATHS["users"])
    columns = device_columns(rows, problems)
    problems.warn()
    return make_frame(DEVICES, columns)


def device_columns(rows: list[Any], problems: ParseProblems) -> dict[str, Any]:
    """The columns of DEVICES."""
    users, identity = _identified(_once(objects(rows, problems), problems), problems)
    devices, owner = _devices(users, problems)
    return {
        **{name: values.take(owner) for name, values in identity.items()},
        "device_id": text_column(pick(devices, "_id"), problems),
        **platform_columns(pick(devices, "platform"), problems),
        "os_version": text_column(pick(devices, "osVersion"), problems),
        "version": text_column(pick(devices, "version"), problems),
        "last_seen": instant_column(pick(devices, "lastSeen"), problems),
    }


def is_about(user: dict[str, Any], user_id: Any, user_db_id: Any) -> bool:
    """Whether an answer is about the user who was asked for, as far as both have ids of the same kind."""
    came = texts((user.get("_id"), user.get("userId")), ParseProblems(PATHS["user"]))
    for found, asked in zip(came, (user_db_id, user_id), strict=True):
        if found and isinstance(asked, str) and asked:
            return found == asked
    return True


def warn_of_empty_lists(users: Sequence[dict[str, Any]], answers: Sequence[list[Any]]) -> None:
    """Warn of users, as they came, who have a device but no sessions."""
    problems = ParseProblems(PATHS["user"])
    empty = sum(bool(user.get("devices")) and not sessions for user, sessions in zip(users, answers, strict=True))
    problems.add("{} [user has|users have] a device, but their list of sessions came empty", empty)
    problems.warn()


def sessions_frame(answers: Sequence[list[Any]], users: pd.DataFrame) -> pd.DataFrame:
    """One row a session; `users` has a row for each list of sessions, with user_id and user_db_id."""
    problems = ParseProblems(PATHS["user"])
    owner, columns = session_columns(answers, problems)
    columns |= {name: users[name].array.take(owner) for name in ("user_id", "user_db_id")}
    columns["duration_seconds"] = (columns["end"] - columns["start"]).total_seconds()
    problems.warn()
    # The service sends sessions in no order.
    frame = make_frame(SESSIONS, columns).assign(owner=owner)
    by = ["owner", "start", "device_id", "session_id"]
    return frame.sort_values(by, kind="stable", ignore_index=True).drop(columns="owner")


def session_columns(answers: Sequence[list[Any]], problems: ParseProblems) -> tuple[Any, dict[str, Any]]:
    """For each session the row of its answer, and the columns of SESSIONS that came with it."""
    once = [without_copies(rows) for rows in answers]
    problems.add(
        "{} [copy of a session is|copies of sessions are] left out", sum(map(len, answers)) - sum(map(len, once))
    )
    found = [objects(rows, problems) for rows in once]
    owner = np.repeat(np.arange(len(found)), [len(of_user) for of_user in found])
    flat = [session for of_user in found for session in of_user]
    count_absent(flat, ("device", "session", "start", "end", "actions", "errors"), problems)
    columns: dict[str, Any] = {
        "device_id": text_column(pick(flat, "device"), problems),
        "session_id": text_column(pick(flat, "session"), problems),
        "start": instant_column(pick(flat, "start"), problems),
        "end": instant_column(pick(flat, "end"), problems),
        "actions": count_column(pick(flat, "actions"), problems),
        "errors": count_column(pick(flat, "errors"), problems),
    }
    backwards = np.asarray(columns["end"] < columns["start"])
    columns["end"] = pd.Series(columns["end"]).mask(backwards).array
    problems.add(
        "{} [session ends before it starts; its|sessions end before they start; their] end is missing",
        int(backwards.sum()),
    )
    return owner, columns


def fill_identity(users: pd.DataFrame, found: list[dict[str, Any]]) -> pd.DataFrame:
    """Fill in the ids that are not known yet from the answers."""
    if users.notna().all(axis=None):
        return users
    problems = ParseProblems(PATHS["user"])
    db_ids = users["user_db_id"].fillna(pd.Series(text_column(pick(found, "_id"), problems), index=users.index))
    user_ids = users["user_id"].fillna(pd.Series(text_column(pick(found, "userId"), problems), index=users.index))
    return users.assign(user_db_id=db_ids, user_id=user_ids.fillna(db_ids))


def session_events_frame(
    answers: Sequence[list[Any]], sessions: pd.DataFrame, groups: Any, properties: Collection[str] | None = None
) -> pd.DataFrame:
    """One row an event, in the order of the sessions and, within one, as the service sent them.

    Session ids are random and repeat, so the answer to one set of ids can hold several sessions: `groups`
    has the number of the answer for each row of `sessions`. An event belongs to the latest session that had
    begun; if it is farther from it than a session can last, it belongs to one that was not asked for.
    """
    problems = ParseProblems(PATHS["session_events"])
    once = [without_copies(events) for events in answers]
    problems.add("{} [copy of an event is|copies of events are] left out", sum(map(len, answers)) - sum(map(len, once)))
    owner, columns, came, _ = session_event_columns(once, sessions, groups, problems)
    if {"actions", "errors"} <= set(sessions.columns):
        copies = np.array([len(all_) - len(one) for all_, one in zip(answers, once, strict=True)], dtype=np.intp)
        received = count_received(owner, columns["kind"], copies[groups])
        actions, listed_errors = (
            sessions[name].to_numpy(np.float64, na_value=np.nan) for name in ("actions", "errors")
        )
        short = missing_events(actions, listed_errors, *received) > 0
        problems.add(
            "{} [session|sessions] came with fewer events than [its|their] list of sessions counts", int(short.sum())
        )
    names = {"user_id": "user_id", "user_db_id": "user_db_id", "device_id": "device_id"}
    names |= {"session_id": "session_id", "session_start": "start"}
    columns |= {name: sessions[column].array.take(owner) for name, column in names.items()}
    columns |= property_columns("data", came, problems, properties)
    problems.warn()
    return make_frame(EVENT_LOG, columns)


def session_event_columns(
    answers: Sequence[list[Any]], sessions: pd.DataFrame, groups: Any, problems: ParseProblems
) -> SessionEvents:
    """Take the events of `session_events_frame` apart.

    `sessions` has the columns user_id, user_db_id, device_id, session_id, start and end.
    """
    groups = np.asarray(groups, dtype=np.intp)
    found = [objects(rows, problems) for rows in answers]
    flat = [event for of_group in found for event in of_group]
    time = instant_column(pick(flat, "time"), problems)
    group = np.repeat(np.arange(len(found)), [len(of_group) for of_group in found])
    owner, inside = _sessions_of(time, group, sessions, groups)
    foreign = _foreign(flat, owner, group, sessions, problems)
    problems.add(
        "{} [event of another session|events of other sessions] with the same id [is|are] left out",
        int((~inside & ~foreign).sum()),
    )
    flawed = np.bincount(owner[foreign | (inside & _flawed(flat, time))], minlength=len(sessions))
    first, answer = np.unique(groups, return_index=True)
    flawed[answer] += np.array([len(rows) for rows in answers], dtype=np.intp)[first]
    flawed[answer] -= np.array([len(rows) for rows in found], dtype=np.intp)[first]
    kept = np.flatnonzero(inside & ~foreign)
    kept = kept[np.argsort(owner[kept], kind="stable")]
    events = [flat[row] for row in kept.tolist()]
    count_absent(events, ("time",), problems)
    columns = {"time": time[kept], **_event_columns(events, problems)}
    return SessionEvents(owner[kept], columns, inner_objects(events, "data", problems), flawed)


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
    problems = ParseProblems(PATHS["live_events"])
    events = objects(_any_list(payload), problems)
    identity = {
        "user_id": text_column(pick(events, "user_id"), problems),
        "user_db_id": text_column([None] * len(events), problems),
        "device_id": text_column(pick(events, "machine_id"), problems),
        "session_id": text_column(pick(events, "session_id"), problems),
        "session_start": instant_column([None] * len(events), problems),
        "time": instant_column(pick(events, "time"), problems),
    }
    count_absent(events, ("time",), problems)
    columns = identity | _event_columns(events, problems)
    columns |= property_columns("data", inner_objects(events, "data", problems), problems, properties)
    problems.warn()
    return make_frame(EVENT_LOG, columns)


def live_users_frame(rows: list[Any]) -> pd.DataFrame:
    """One row a user who is online."""
    problems = ParseProblems(PATHS["live_users"])
    users, identity = _identified([{**row, "_id": row.get("userDbId")} for row in objects(rows, problems)], problems)
    columns = {
        **identity,
        "device_id": text_column(pick(users, "deviceId"), problems),
        **platform_columns(pick(users, "platform"), problems),
        "os_version": text_column(pick(users, "osVersion"), problems),
        "country": text_column(pick(users, "country"), problems),
        "last_seen": instant_column(pick(users, "lastSeen"), problems),
    }
    problems.warn()
    return make_frame(LIVE_USERS, columns)


def _once(rows: list[dict[str, Any]], problems: ParseProblems) -> list[dict[str, Any]]:
    """Each user once, by the service's id: pages of a list that grows overlap."""
    seen: dict[Any, dict[str, Any]] = {}
    for number, row in enumerate(rows):
        db_id = row.get("_id")
        seen.setdefault(db_id if isinstance(db_id, str) and db_id else number, row)
    problems.add("{} [user|users] came twice and [is|are] counted once", len(rows) - len(seen))
    return list(seen.values())


def _identified(rows: list[dict[str, Any]], problems: ParseProblems) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows with an id, and their columns user_id (the app's, else the service's) and user_db_id."""
    given = texts(pick(rows, "userId"), problems)
    db_ids = texts(pick(rows, "_id"), problems)
    known = [row for row, name, db_id in zip(rows, given, db_ids, strict=True) if name or db_id]
    problems.add("{} [row has|rows have] no id and [is|are] left out", len(rows) - len(known))
    pairs = [(name or db_id, db_id) for name, db_id in zip(given, db_ids, strict=True) if name or db_id]
    ids, services = zip(*pairs, strict=True) if pairs else ((), ())
    return known, {"user_id": text_column(ids, problems), "user_db_id": text_column(services, problems)}


def _count_quoted(ids: Iterable[str]) -> int:
    """Count the ids that are another one in quotation marks."""
    known = set(ids)
    return sum(f'"{user_id}"' in known for user_id in known)


def _devices(users: list[dict[str, Any]], problems: ParseProblems) -> tuple[list[dict[str, Any]], Any]:
    """All devices, and for each the row of its user."""
    of_users = [objects(inner_list(user, "devices", problems), problems) for user in users]
    owner = np.repeat(np.arange(len(users)), [len(devices) for devices in of_users])
    flat = [device for devices in of_users for device in devices]
    count_absent(flat, ("_id", "lastSeen"), problems)
    return flat, owner


def _latest(seen: Any, owner: Any, users: int) -> Any:
    """For each user the row of the device seen last, -1 for none; one without a time comes before all others."""
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


def _foreign(
    events: list[dict[str, Any]], owner: Any, group: Any, sessions: pd.DataFrame, problems: ParseProblems
) -> Any:
    """Whether each event belongs to another device, session or user than was asked for, by the ids that it carries."""
    foreign = np.zeros(len(events), dtype=bool)
    if not len(sessions):
        return foreign
    for key, column in (("machine_id", "device_id"), ("session_id", "session_id")):
        given, there = _given(events, key)
        same = there & (given == _wanted(sessions, column)[owner])
        if not same.any() and len(np.unique(group[there])) >= _OTHER_KIND:
            problems.add(
                f"{{}} [event has|events have] a {key} of another kind than [its session|their sessions] "
                "and [is|are] kept",
                int(there.sum()),
            )
            continue
        foreign |= there & ~same
    problems.add("{} [event|events] of another device or session [is|are] left out", int(foreign.sum()))
    given, there = _given(events, "user_id")
    ids = [_wanted(sessions, column) for column in ("user_id", "user_db_id")]
    other = there & ~foreign & (given != ids[0][owner]) & (given != ids[1][owner])
    asked = set(ids[0]) | set(ids[1])
    of_another = other & np.array([name in asked for name in given], dtype=bool)
    problems.add("{} [event|events] of other users among those asked for [is|are] left out", int(of_another.sum()))
    problems.add(
        "{} [event carries|events carry] the id of a user who was not asked for; [it is|they are] kept, "
        "as apps rename users",
        int((other & ~of_another).sum()),
    )
    return foreign | of_another


def _given(events: list[dict[str, Any]], key: str) -> tuple[Any, Any]:
    """The ids under a key, and whether there is one."""
    given = np.array([*texts(pick(events, key), ParseProblems("")), None], dtype=object)[:-1]
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


def _event_columns(events: list[dict[str, Any]], problems: ParseProblems) -> dict[str, Any]:
    """The columns of EVENT_LOG but for ids, times and attributes."""
    as_text = ("os_version", "version", "locale", "country", "arch", "error_hash")
    came = pick_all(events, ("platform", *as_text, "type", "avail_ram", "first_time", "duration"))
    # The published example has the event's name in `type`; should a `name` come, it is the more specific.
    types = texts(came["type"], problems)
    names = texts(pick(events, "name"), problems)
    kinds = {pair: kind_of(*pair) for pair in set(zip(names, types, strict=True))}
    called = [name or type_ for name, type_ in zip(names, types, strict=True)]
    problems.add("{} [event has|events have] no name", called.count(None))
    raw = [event.get("name") or event.get("type") for event in events]
    problems.add(
        "{} [event has|events have] a name that is no text",
        sum(name is not None and type(name) is not str for name in raw),
    )
    durations = number_column(came["duration"], problems)
    problems.add("{} [duration is|durations are] negative and missing", int((durations < 0).sum()))
    return {
        "event": called,
        "kind": [kinds[pair] for pair in zip(names, types, strict=True)],
        **platform_columns(came["platform"], problems),
        **{name: text_column(came[name], problems) for name in as_text},
        "ram_gb": number_column(came["avail_ram"], problems),
        "first_time": flag_column(came["first_time"], problems),
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
