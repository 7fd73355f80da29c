"""What a transaction writes: the users' list, whole answers about users, whole answers about sessions.

All of it may be written twice and is there once: an answer takes the place of what was there of the same user or
session.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing import people
from nucleus_pandas.api.parsing.schemas import DEVICES, USERS
from nucleus_pandas.api.parsing.values import ParseProblems
from nucleus_pandas.core.dtypes import TEXT
from nucleus_pandas.core.units import SESSION_TIMEOUT
from nucleus_pandas.store.completeness import SHORT, USER_SHORT, schedule_retries
from nucleus_pandas.store.schema import EVENT_COLUMNS, to_sql
from nucleus_pandas.store.table_frames import naive

if TYPE_CHECKING:
    import duckdb

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_SURROGATE = re.compile("[\ud800-\udfff]")
_SAME = " AND ".join(
    f's."{name}" IS NOT DISTINCT FROM c."{name}"' for name in ("user_no", "device_id", "session_id", "start")
)
_MINUTES = str(SESSION_TIMEOUT // dt.timedelta(minutes=1))

# Statements that replace the sessions of the users in `answered` with those in `came`.
_PUT_SESSIONS = (
    """
    CREATE OR REPLACE TEMP TABLE answered_sessions AS
    SELECT user_no, device_id::VARCHAR AS device_id, session_id::VARCHAR AS session_id, "start",
        max("end") AS "end", max(actions)::BIGINT AS actions, max(errors)::BIGINT AS errors
    FROM came GROUP BY ALL
    """,
    f"""
    CREATE OR REPLACE TEMP TABLE moved AS
    SELECT session_no FROM kept.sessions s
    WHERE user_no IN (SELECT user_no FROM answered)
        AND NOT EXISTS (FROM answered_sessions c WHERE {_SAME})
        AND (s.device_id IS NULL OR s.session_id IS NULL OR EXISTS (
            FROM answered_sessions c
            WHERE c.user_no = s.user_no AND c.device_id = s.device_id AND c.session_id = s.session_id
                AND (s."start" IS NULL OR s."end" IS NULL OR (c."start" <= s."end" + INTERVAL {_MINUTES} MINUTE
                    AND c."end" >= s."start" - INTERVAL {_MINUTES} MINUTE))
        ))
    """,
    "DELETE FROM kept.events WHERE session_no IN (FROM moved)",
    "DELETE FROM kept.sessions WHERE session_no IN (FROM moved)",
    f"""
    UPDATE kept.sessions s
    SET "end" = c."end", actions = c.actions, errors = c.errors,
        stale = s.stale OR (s.events_at IS NOT NULL
            AND (s."end", s.actions, s.errors) IS DISTINCT FROM (c."end", c.actions, c.errors)),
        attempts = CASE WHEN (s."end", s.actions, s.errors) IS DISTINCT FROM (c."end", c.actions, c.errors) THEN 0
            ELSE s.attempts END
    FROM answered_sessions c WHERE {_SAME}
    """,
    f"""
    INSERT INTO kept.sessions BY NAME
    SELECT c.*, false AS stale,
        row_number() OVER (ORDER BY c.user_no, c."start") + (SELECT coalesce(max(session_no), 0) FROM kept.sessions)
            AS session_no
    FROM answered_sessions c WHERE NOT EXISTS (FROM kept.sessions s WHERE {_SAME})
    """,
    """
    UPDATE kept.users u SET asked_at = a.as_of, failure = NULL,
        attempts = CASE WHEN u.asked_seen IS DISTINCT FROM u.last_seen THEN 0 ELSE u.attempts END,
        asked_seen = u.last_seen,
        flawed = CASE WHEN a.sessions = 0
            AND (u.devices > 0 OR EXISTS (FROM kept.sessions s WHERE s.user_no = u.user_no)) THEN 1 ELSE a.flawed END
    FROM answered a WHERE u.user_no = a.user_no
    """,
)

_PUT_FETCHED = """
UPDATE kept.sessions s
SET events_at = a.as_of, stale = false, failure = NULL, flawed = a.flawed,
    received_actions = CASE WHEN a.worse THEN s.received_actions ELSE a.received_actions END,
    received_errors = CASE WHEN a.worse THEN s.received_errors ELSE a.received_errors END
FROM fetched a WHERE s.session_no = a.session_no
"""


class UserAnswer(NamedTuple):
    """The sessions of a user as received, and until when they are known."""

    user_no: int
    sessions: list[Any]
    as_of: dt.datetime


class SessionGroup(NamedTuple):
    """The sessions of a user and device with one session id, which one request returns."""

    user_no: int
    path_id: str
    device_id: str
    session_id: str


class EventsAnswer(NamedTuple):
    """The events of a group as received, and until when they are known."""

    group: SessionGroup
    events: list[Any]
    as_of: dt.datetime


@dataclass
class Tally:
    """What was written."""

    sessions: int = 0
    events: int = 0
    copies: int = 0
    clashes: int = 0

    def add(self, other: Tally) -> None:
        """Count what another transaction wrote."""
        self.sessions += other.sessions
        self.events += other.events
        self.copies += other.copies
        self.clashes += other.clashes


@dataclass(frozen=True)
class Interval:
    """The sessions to fetch: those that overlap it."""

    start: dt.datetime
    end: dt.datetime

    def condition(self) -> tuple[str, list[Any]]:
        """Return the SQL condition on a session ``s``; one without times always matches."""
        text = '(greatest(s."start", s."end") >= ? AND least(s."start", s."end") <= ?)'
        text += ' OR (s."start" IS NULL AND s."end" IS NULL)'
        return f"({text})", [naive(self.start), naive(self.end)]


def put_users(
    connection: duckdb.DuckDBPyConnection,
    users: dict[str, Any],
    properties: list[Any],
    devices: dict[str, Any],
    more: dict[str, Any],
) -> None:
    """Put the users of the list in place of what was known of the same ones.

    `more` holds user_no, bucket and chosen of each user, and `device_user_no` of each device.
    """
    device_user_no = more.pop("device_user_no")
    listed = {name: users[name] for name in USERS} | {"props": texts_of(properties)} | more
    listed["place"] = np.arange(len(properties))
    connection.register("came", to_sql(listed))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE state AS"
        " SELECT user_no, user_db_id AS known_id, asked_at, asked_seen, failure, flawed, attempts, retry_at"
        " FROM kept.users WHERE user_no IN (SELECT user_no FROM came)"
    )
    for table in ("users", "devices"):
        connection.execute(f"DELETE FROM kept.{table} WHERE user_no IN (SELECT user_no FROM came)")
    connection.execute(
        "INSERT INTO kept.users BY NAME SELECT came.* REPLACE (coalesce(came.user_db_id, known_id) AS user_db_id),"
        " state.* EXCLUDE (user_no, known_id) FROM came LEFT JOIN state USING (user_no)"
    )
    of_devices = {name: devices[name] for name in DEVICES if name not in ("user_id", "user_db_id")}
    of_devices |= {"user_no": device_user_no, "place": np.arange(len(device_user_no))}
    connection.register("came", to_sql(of_devices))
    connection.execute("INSERT INTO kept.devices BY NAME SELECT * FROM came")


def put_sessions(connection: duckdb.DuckDBPyConnection, answers: Sequence[UserAnswer], problems: ParseProblems) -> None:
    """Put the sessions of users in place of what was known of them.

    A session that has grown is stale, however old it is: the clock of its device may be wrong. A session that the
    service no longer lists is kept, unless it lacks an id or overlaps another session of the same ids (its start has
    changed).

    An answer is incomplete if it has no sessions although the user has a device, or sessions that lack an id, a time or
    a count, or end before they start: the user is requested again.
    """
    if not answers:
        return
    owner, columns = people.session_columns([answer.sessions for answer in answers], problems)
    numbers = np.array([answer.user_no for answer in answers], dtype=np.int32)
    sessions = pd.DataFrame(
        {name: columns[name] for name in ("device_id", "session_id", "start", "end", "actions", "errors")}
    )
    flawed = sessions.isna().any(axis=1).to_numpy(dtype=bool)
    came = np.array([len(answer.sessions) for answer in answers])
    lost = np.array([sum(type(row) is not dict for row in answer.sessions) for answer in answers])
    flaws = lost + np.bincount(owner[flawed], minlength=len(answers))
    connection.register(
        "answered", {"user_no": numbers, "as_of": _instants(answers), "sessions": came, "flawed": flaws}
    )
    connection.register("came", to_sql(columns) | {"user_no": numbers[owner]})
    for statement in _PUT_SESSIONS:
        connection.execute(statement)
    schedule_retries(connection, "users", "u", "answered a WHERE u.user_no = a.user_no", USER_SHORT)


def put_events(
    connection: duckdb.DuckDBPyConnection, answers: Sequence[EventsAnswer], problems: ParseProblems, tally: Tally
) -> None:
    """Put the events of sessions in place of what was there of the same ones.

    An answer with fewer events than the list of sessions counts is incomplete. If the store already has more events,
    these are kept.
    """
    if not answers:
        return
    groups = [answer.group for answer in answers]
    asked = {
        name: np.array(values, dtype=object)
        for name, values in zip(SessionGroup._fields, zip(*groups, strict=True), strict=True)
    }
    connection.register("asked", asked | {"number": np.arange(len(answers)), "as_of": _instants(answers)})
    sessions = connection.execute(
        'SELECT a.number, a.as_of, s.session_no, s.user_no, s."start", s."end", s.device_id, s.session_id, u.user_id,'
        " u.user_db_id, s.actions::DOUBLE AS actions, s.errors::DOUBLE AS errors,"
        " (SELECT count(*) FROM kept.events e WHERE e.session_no = s.session_no AND s.events_at IS NOT NULL) AS kept"
        " FROM kept.sessions s JOIN asked a USING (user_no, device_id, session_id)"
        " LEFT JOIN kept.users u USING (user_no)"
        ' ORDER BY a.number, s."start", s."end", s.session_no'
    ).df()
    events = [people.without_copies(answer.events) for answer in answers]
    copies = np.array([len(answer.events) for answer in answers]) - np.array([len(of_group) for of_group in events])
    owner, columns, properties, flawed = people.session_event_columns(events, sessions, sessions["number"], problems)
    received = people.count_received(owner, columns["kind"], copies[sessions["number"]])
    short = people.missing_events(sessions["actions"], sessions["errors"], *received) > 0
    came = np.bincount(owner, minlength=len(sessions))
    worse = (short & (came < sessions["kept"])).to_numpy(dtype=bool)
    fetched = {name: sessions[name].to_numpy() for name in ("session_no", "as_of")}
    fetched |= {"received_actions": received[0], "received_errors": received[1], "flawed": flawed, "worse": worse}
    connection.register("fetched", fetched)
    connection.execute("DELETE FROM kept.events WHERE session_no IN (SELECT session_no FROM fetched WHERE NOT worse)")
    first = np.searchsorted(owner, owner)  # events come by session
    rows = {name: columns[name] for name in EVENT_COLUMNS} | {"data": texts_of(properties)}
    rows |= {name: sessions[name].to_numpy()[owner] for name in ("session_no", "user_no")}
    connection.register("came", to_sql(rows | {"place": np.arange(len(owner)) - first}))
    connection.execute(
        "INSERT INTO kept.events BY NAME SELECT * FROM came"
        " WHERE session_no NOT IN (SELECT session_no FROM fetched WHERE worse)"
    )
    connection.execute(_PUT_FETCHED)
    schedule_retries(connection, "sessions", "s", "fetched a WHERE s.session_no = a.session_no", SHORT)
    tally.sessions += len(sessions)
    tally.events += int(came[~worse].sum())
    tally.copies += int(copies.sum())
    tally.clashes += int((sessions.groupby("number").size() > 1).sum())


def put_failures(connection: duckdb.DuckDBPyConnection, users: dict[int, str], groups: dict[SessionGroup, str]) -> None:
    """Record why users and sessions could not be loaded, until they can."""
    for user_no, why in users.items():
        connection.execute("UPDATE kept.users SET failure = ? WHERE user_no = ?", [why, user_no])
    for group, why in groups.items():
        connection.execute(
            "UPDATE kept.sessions SET failure = ? WHERE user_no = ? AND device_id = ? AND session_id = ?",
            [why, group.user_no, group.device_id, group.session_id],
        )


def texts_of(objects: Iterable[Any]) -> Any:
    """Objects of properties as JSON text; anything but an object, and an empty one, is missing."""
    texts = [_dumps(value) if type(value) is dict and value else None for value in objects]
    if _SURROGATE.search("".join(filter(None, texts))):  # UTF-8 has no halves of pairs
        texts = [text and _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text) for text in texts]
    return pd.array(texts, dtype=TEXT)


def _instants(answers: Sequence[UserAnswer] | Sequence[EventsAnswer]) -> Any:
    return np.array([naive(answer.as_of) for answer in answers], dtype="datetime64[us]")
