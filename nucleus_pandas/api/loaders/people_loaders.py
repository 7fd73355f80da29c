"""Loaders of people, one an endpoint: users, devices, sessions, events, who is online.

Sessions and their events take a request each: see `fanout` for the order, the bar and the end of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.api.client import Client, check_client
from nucleus_pandas.api.loaders.fanout import Harvest, fetch_all
from nucleus_pandas.api.parsing import counts, people
from nucleus_pandas.api.parsing.property_columns import checked_properties
from nucleus_pandas.api.parsing.schemas import part
from nucleus_pandas.core.checks import checked_columns
from nucleus_pandas.core.dtypes import INSTANT, TEXT
from nucleus_pandas.core.text import worded
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.exceptions import NotFoundError, PayloadError

_SESSION_COLUMNS = ["user_id", "user_db_id", "device_id", "session_id", "start", "end"]


def load_users(client: Client, *, properties: Iterable[str] | None = None) -> pd.DataFrame:
    """Get everybody who ever used the app.

    Parameters
    ----------
    client : Client
    properties : iterable of str, optional
        Properties to turn into columns, for example ``["plan"]``; the others are left out. By default the 200 most
        frequent; if there are more, the others stay together in the column props.

    Returns
    -------
    pandas.DataFrame
        One row a user.

        - user_id: the app's id, else the service's; never missing
        - user_db_id: the service's id
        - created_at, last_seen: instants, UTC
        - devices: how many; missing where the service sends no list of them
        - platform, platform_raw, version: of the device seen last; see `load_devices`
        - props.<key>: a column for each property that the app set, in alphabetical order, typed by its values:
          text, boolean, Int64, float64, or object where they are mixed
        - props: the properties without a column, as JSON text; only if there are more than 200

    Raises
    ------
    TypeError
        If `properties` is not a list of names.
    NucleusError
        When the service does not answer as it should.

    Warns
    -----
    IncompleteDataWarning
        When the service counts more users than it sent, or when part of the answer cannot be right; that is missing.
    UserWarning
        When there are more than 200 different properties.

    Notes
    -----
    Source: ``users``. Whether the service sends a long list in pages is not documented; its total is compared
    with what came. Dates come from the users' own clocks, of which some are wrong.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app)
    >>> "props.plan" in users.columns
    True
    """
    wanted = checked_properties(properties, "props")
    return people.users_frame(_user_rows(client), properties=wanted)


def load_devices(client: Client) -> pd.DataFrame:
    """Get the devices of all users.

    Parameters
    ----------
    client : Client

    Returns
    -------
    pandas.DataFrame
        One row a device of a user.

        - user_id, user_db_id, device_id
        - platform: win, mac, linux, ios or android, whatever the spelling; another one as reported
        - platform_raw: as reported, for example Windows_NT or Darwin
        - os_version, version
        - last_seen: instant, UTC

    Raises
    ------
    NucleusError
        When the service does not answer as it should.

    Warns
    -----
    IncompleteDataWarning
        When the service counts more users than it sent.

    Notes
    -----
    Source: ``users``, the same answer as for `load_users`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> devices = nu.load_devices(app)
    >>> sorted(devices["platform"].unique())
    ['linux', 'mac', 'win']
    """
    return people.devices_frame(_user_rows(client))


def load_user(client: Client, user_id: str, *, properties: Iterable[str] | None = None) -> pd.DataFrame:
    """Get one user.

    Parameters
    ----------
    client : Client
    user_id : str
        The id that the client's setting `user_path` names.
    properties : iterable of str, optional
        As for `load_users`.

    Returns
    -------
    pandas.DataFrame
        One row, with the columns of `load_users`.

    Raises
    ------
    TypeError
        If `properties` is not a list of names.
    NotFoundError
        When the service does not know the user.
    NucleusError
        When the service does not answer as it should.

    Notes
    -----
    Source: ``users/:userId``.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app)
    >>> len(nu.load_user(app, users["user_id"].iloc[0]))
    1
    """
    wanted = checked_properties(properties, "props")
    user = part(check_client(client).get("user", user_id).payload, "user", dict, "user")
    return people.users_frame([user], "user", wanted)


def load_sessions(client: Client, users: pd.DataFrame | Iterable[str], *, progress: bool = True) -> pd.DataFrame:
    """Get the sessions of users: one request a user.

    Parameters
    ----------
    client : Client
    users : pandas.DataFrame or iterable of str
        Rows of `load_users`, or any frame with user_id and user_db_id; or ids, of the kind that the client's
        setting `user_path` names.
    progress : bool
        Show a bar in a notebook or a terminal.

    Returns
    -------
    pandas.DataFrame
        One row a session, the users in the order given, each one's sessions by start.

        - user_id, user_db_id, device_id, session_id: text; a session id is random and not unique
        - start, end: instants, UTC; they can be the same
        - duration_seconds: end - start; missing where the session ends before it starts, as its end is then
        - actions, errors: counts of the service; the reference does not say what an action is, in the made-up app it is
          any event but an error

    Raises
    ------
    TypeError, ValueError
        For `users` that are neither.
    NotFoundError
        When none of the users is known to the service; see the setting `user_path`.
    NucleusError
        When several requests in a row fail, or all. Its `partial` holds the sessions that came and its `remaining` the
        users that are still to be asked, last those that were refused; pass them to this function to go on.

    Warns
    -----
    IncompleteDataWarning
        When users have vanished since the list was loaded, when the service refuses single users, or when part of an
        answer cannot be right: they are left out, or what cannot be right is missing. The message gives the numbers.

    Notes
    -----
    Source: ``users/:userId``. At the client's `requests_per_second`, 5 by default, 300 users take a minute.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app).head(20)
    >>> sessions = nu.load_sessions(app, users)
    >>> set(sessions["user_id"]) <= set(users["user_id"])
    True
    """
    asked = _users_to_ask(check_client(client), users)
    path_ids, db_ids = asked[_path_column(client)].tolist(), asked["user_db_id"].tolist()

    def fetch(row: int) -> tuple[dict[str, Any], list[Any]]:
        payload = client.get("user", path_ids[row]).payload
        user = part(payload, "user", dict, "user")
        if not people.is_about(user, None, db_ids[row]):
            raise PayloadError("users/:userId: the answer is about another user.", endpoint="users/:userId")
        return user, part(payload, "sessions", list, "user")

    harvest = fetch_all(fetch, len(asked), client, label="sessions of users", progress=progress)

    def frame(answers: dict[int, tuple[dict[str, Any], list[Any]]]) -> pd.DataFrame:
        known = asked.iloc[list(answers)].reset_index(drop=True)
        found = [user for user, _ in answers.values()]
        lists = [sessions for _, sessions in answers.values()]
        people.warn_of_empty_lists(found, lists)
        return people.sessions_frame(lists, people.fill_identity(known, found))

    return _finish(harvest, asked, frame, "users", "load_sessions")


def load_session_events(
    client: Client, sessions: pd.DataFrame, *, properties: Iterable[str] | None = None, progress: bool = True
) -> pd.DataFrame:
    """Get the events of sessions, as an event log: one request a session.

    Parameters
    ----------
    client : Client
    sessions : pandas.DataFrame
        Rows of `load_sessions`.
    properties : iterable of str, optional
        Properties of events to turn into columns, for example ``["format"]``; the others are left out. By default the
        200 most frequent; if there are more, the others stay together in the column data.
    progress : bool
        Show a bar in a notebook or a terminal.

    Returns
    -------
    pandas.DataFrame
        One row an event, the sessions in the order given, each one's events in the order that they came in.

        - user_id, user_db_id, device_id, session_id, session_start: of the session
        - time: instant, UTC, from the user's own clock
        - event: its name
        - kind: init, error, view, system or custom
        - platform, platform_raw: see `load_devices`
        - os_version, version, locale, country (ISO 3166 alpha-2), arch: as sent with the event; most come with
          ``init`` only, and so does the platform
        - ram_gb, first_time, error_hash
        - duration_seconds: as sent, missing where negative; the reference gives no unit, seconds are assumed
        - data.<key>: a column for each property, in alphabetical order, typed as in `load_users`
        - data: the properties without a column, as JSON text; only if there are more than 200

    Raises
    ------
    TypeError, ValueError
        For `sessions` without the columns that it takes to ask, and for `properties` that are not a list of names.
    NotFoundError
        When none of the sessions is known to the service.
    NucleusError
        When several requests in a row fail, or all. Its `partial` holds the events that came and its `remaining` the
        sessions that are still to be asked for, last those that were refused; pass them to this function to go on.

    Warns
    -----
    IncompleteDataWarning
        When sessions have vanished since the list was loaded, when the service refuses single sessions, or when part of
        an answer cannot be right: events of another session, device or user, copies of events, names, times and
        durations that cannot be read. The message gives the numbers.
    UserWarning
        When there are more than 200 different properties.

    Notes
    -----
    Source: ``users/:userId/session/:sessionId``. At the client's `requests_per_second`, 5 by default, 300 sessions take
    a minute. Session ids are random and repeat. Sessions with the same user,
    device and id are asked for once, and each event goes to the one that it lies in; events farther than 30
    minutes from all of them belong to a session that was not asked for and are left out, with a warning.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(5))
    >>> log = nu.load_session_events(app, sessions)
    >>> "init" in set(log["event"])
    True
    """
    wanted = checked_properties(properties, "data")
    asked = _sessions_to_ask(check_client(client), sessions)
    keys = [_path_column(client), "device_id", "session_id"]
    groups = asked.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    requests = asked.drop_duplicates(keys)[keys].to_numpy().tolist()

    def fetch(row: int) -> list[Any]:
        user, device, session = requests[row]
        payload = client.get("session_events", user, session, params={"device": device}).payload
        return part(payload, "data", list, "session_events")

    harvest = fetch_all(fetch, len(requests), client, label="events of sessions", progress=progress)

    def frame(answers: dict[int, list[Any]]) -> pd.DataFrame:
        position = np.full(len(requests), -1)
        position[list(answers)] = np.arange(len(answers))
        known = position[groups] >= 0
        return people.session_events_frame(
            list(answers.values()), asked[known].reset_index(drop=True), position[groups][known], wanted
        )

    return _finish(harvest, asked, frame, "sessions", "load_session_events", groups)


def load_live_events(client: Client, *, properties: Iterable[str] | None = None) -> pd.DataFrame:
    """Get the events that are coming in now, as an event log.

    Parameters
    ----------
    client : Client
    properties : iterable of str, optional
        As for `load_session_events`.

    Returns
    -------
    pandas.DataFrame
        One row an event, with the columns of `load_session_events`. user_id is what the event carries and
        missing where it carries none; user_db_id and session_start are always missing.

    Raises
    ------
    TypeError
        If `properties` is not a list of names.
    NucleusError
        When the service does not answer as it should.

    Notes
    -----
    Source: ``live/events``. Its answer is not documented: a list of events is taken wherever it stands.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> list(nu.load_live_events(app))[:2]
    ['user_id', 'user_db_id']
    """
    wanted = checked_properties(properties, "data")
    return people.live_events_frame(check_client(client).get("live_events").payload, wanted)


def load_live_user_count(client: Client) -> pd.DataFrame:
    """Get how many users are online now.

    Parameters
    ----------
    client : Client

    Returns
    -------
    pandas.DataFrame
        One row, so that polls concatenate: time (the instant of asking, UTC), users.

    Raises
    ------
    NucleusError
        When the service does not answer as it should.

    Notes
    -----
    Source: ``live/users/count``.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> list(nu.load_live_user_count(app))
    ['time', 'users']
    """
    answer = check_client(client).get("live_user_count")
    return counts.live_user_count_frame(answer.payload, answer.as_of)


def load_live_users(client: Client) -> pd.DataFrame:
    """Get who is online now.

    Parameters
    ----------
    client : Client

    Returns
    -------
    pandas.DataFrame
        One row a user and device: user_id (the app's id, else the service's), user_db_id, device_id, platform,
        platform_raw (see `load_devices`), os_version, country, last_seen (UTC).

    Raises
    ------
    NucleusError
        When the service does not answer as it should.

    Notes
    -----
    Source: ``live/users``.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> list(nu.load_live_users(app))[-2:]
    ['country', 'last_seen']
    """
    return people.live_users_frame(part(check_client(client).get("live_users").payload, "data", list, "live_users"))


def _user_rows(client: Client) -> list[Any]:
    """The users as they came; says so when the service counts more."""
    payload = check_client(client).get("users").payload
    rows = part(payload, "data", list, "users")
    people.warn_of_missing_users(payload.get("total"), len(rows))
    return rows


def _users_to_ask(client: Client, users: pd.DataFrame | Iterable[str]) -> pd.DataFrame:
    """The users with both ids, each once; a plain id stands for itself until an answer has the other."""
    if not isinstance(users, pd.DataFrame):
        ids = list(users) if isinstance(users, Iterable) and not isinstance(users, str | Mapping) else [None]
        if not all(isinstance(user, str) for user in ids):
            raise TypeError("users must be rows of load_users(client), or a list of ids that are text.")
        users = pd.DataFrame({"user_id": None, "user_db_id": None, _path_column(client): ids}, dtype=TEXT)
    checked_columns("users", users, ["user_id", "user_db_id"], "Pass the DataFrame of load_users.")
    asked = users[["user_id", "user_db_id"]].astype(TEXT).dropna(subset=[_path_column(client)])
    _tell_unaskable(len(users) - len(asked), "[user|users]")
    return asked.drop_duplicates(_path_column(client)).reset_index(drop=True)


def _sessions_to_ask(client: Client, sessions: pd.DataFrame) -> pd.DataFrame:
    """The sessions with all their ids, each once, with the types of `load_sessions` even after a CSV file."""
    checked_columns("sessions", sessions, _SESSION_COLUMNS, "Pass the DataFrame of load_sessions.")
    # A frame put together from several has labels that stand there twice; the order of its rows is what counts.
    counts = [name for name in ("actions", "errors") if name in sessions.columns]
    typed = sessions[[*_SESSION_COLUMNS, *counts]].reset_index(drop=True)
    typed = typed.astype(dict.fromkeys(_SESSION_COLUMNS[:4], TEXT))
    for column in ("start", "end"):
        if isinstance(typed[column].dtype, np.dtype) and typed[column].dtype.kind == "M":
            raise ValueError(f'sessions["{column}"] has no time zone; load_sessions gives UTC, keep it so.')
        typed[column] = pd.to_datetime(typed[column], utc=True, format="ISO8601", errors="coerce").astype(INSTANT)
    keys = [_path_column(client), "device_id", "session_id"]
    asked = typed.dropna(subset=keys)
    _tell_unaskable(len(typed) - len(asked), "[session|sessions]")
    # A session that has grown since stands there twice: its later end counts.
    grown = asked.sort_values("end", na_position="first", kind="stable")
    return grown.drop_duplicates([*keys, "start"], keep="last").sort_index().reset_index(drop=True)


def _path_column(client: Client) -> str:
    return "user_db_id" if client.user_path == "_id" else "user_id"


def _tell_unaskable(count: int, what: str) -> None:
    if count:
        no_id = f"{{}} {what} [has|have] no id that the service can be asked by and [is|are] left out."
        warn_incomplete(worded(no_id, count))


def _finish(
    harvest: Harvest[Any],
    asked: pd.DataFrame,
    frame: Callable[[dict[int, Any]], pd.DataFrame],
    what: str,
    loader: str,
    groups: Any = None,
) -> pd.DataFrame:
    """The frame of what came, or the error with what came and what is still to be asked for."""
    groups = np.arange(len(asked)) if groups is None else groups
    total = int(groups.max(initial=-1)) + 1
    # Without a single answer, all may have been refused for the same reason.
    error = harvest.error or (None if harvest.answers else next(iter(harvest.refused.values()), None))
    if error:
        to_do = asked[~np.isin(groups, [*harvest.answers, *harvest.set_apart, *harvest.refused])]
        refused = asked[np.isin(groups, list(harvest.refused))]
        raise type(error)(
            f"{error} {_left_out(harvest, total, what)}{len(harvest.answers):,} of {total:,} {what} had been asked "
            f"for: this error's `partial` holds what came; {loader}(client, error.remaining) goes on with the rest.",
            status=error.status,
            endpoint=error.endpoint,
            retry_after=error.retry_after,
            request_id=error.request_id,
            retryable=error.retryable,
            partial=frame(harvest.answers),
            # Last those that were refused, so that they cannot be in the way of the others for ever.
            remaining=pd.concat([to_do, refused], ignore_index=True),
        ) from None
    if harvest.vanished and _other_id_wanted(asked, groups, harvest):
        raise NotFoundError(
            f"The service knows none of the {what} whose user has an id of the app's own (404). It seems to expect the "
            "other id in the path: set user_path of Client; nucleus_pandas.doctor(client) finds out which.",
            status=404,
        )
    if harvest.unreadable and not harvest.answers:
        raise next(iter(harvest.unreadable.values()))
    if left_out := _left_out(harvest, total, what) + _refused(harvest, total, what):
        warn_incomplete(left_out.strip())
    return frame(harvest.answers)


def _left_out(harvest: Harvest[Any], total: int, what: str) -> str:
    """Say how many were left out, and why; ends with a space."""
    reasons = {
        "[is|are] not known to the service any more (404)": harvest.vanished,
        "[has|have] an id that no path can carry": harvest.unaskable,
        "had an answer of another shape": harvest.unreadable,
    }
    return "".join(
        worded(f"{{}} of {total:,} {what} {why} and [is|are] left out. ", len(apart))
        for why, apart in reasons.items()
        if apart
    )


def _refused(harvest: Harvest[Any], total: int, what: str) -> str:
    """Say how many were refused although others were answered."""
    if not harvest.refused:
        return ""
    answers = sorted({f"HTTP {error.status}" if error.status else "no answer" for error in harvest.refused.values()})
    return (
        f"The service refused {len(harvest.refused):,} of {total:,} {what} ({', '.join(answers)}), which are missing. "
        "Load them again later."
    )


def _other_id_wanted(asked: pd.DataFrame, groups: Any, harvest: Harvest[Any]) -> bool:
    """Whether everybody whose two ids differ was unknown: people without an id of the app's are found either way."""
    two_ids = asked["user_id"].ne(asked["user_db_id"]).fillna(value=True).to_numpy(dtype=bool)
    found = bool(np.isin(groups[two_ids], list(harvest.answers)).any())
    return not harvest.answers or (not found and int(two_ids.sum()) > 1)
