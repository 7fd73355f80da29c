"""`export_user`: everything about one person, for a request for access to personal data."""

from __future__ import annotations

import json
import os
from typing import Any

import pandas as pd

from nucleus_pandas.api.client import Client, check_client
from nucleus_pandas.api.loaders.fanout import fetch_all
from nucleus_pandas.api.parsing import people
from nucleus_pandas.api.parsing.schemas import part
from nucleus_pandas.core.files import full_path, write_private
from nucleus_pandas.core.text import counted
from nucleus_pandas.core.warnings import warn_incomplete


def export_user(
    client: Client, user_id: str, path: str | os.PathLike[str] | None = None, *, progress: bool = True
) -> dict[str, pd.DataFrame]:
    """Get everything that the service knows of a person.

    Parameters
    ----------
    client : Client
    user_id : str
        The id that the client's setting `user_path` names.
    path : path, optional
        A JSON file to write, with the service's answers as received; only your account can read it. It must not exist.
    progress : bool
        Show a bar in a notebook or a terminal.

    Returns
    -------
    dict of str to pandas.DataFrame
        ``users`` (one row), ``devices``, ``sessions`` and ``events``, as the loaders give them.

    Raises
    ------
    FileExistsError, FileNotFoundError
        When there is a file at `path`, or no folder for it; nothing is requested.
    OSError
        When the file cannot be written, for example on a full disk; nothing is left of it.
    NotFoundError
        When the service does not know the user.
    NucleusError
        When the service does not answer as it should; nothing is written.

    Warns
    -----
    IncompleteDataWarning
        When the events of some sessions could not be loaded.

    Notes
    -----
    Source: ``users/:userId`` and ``users/:userId/session/:sessionId``, a request a session; the cache is not used.

    Examples
    --------
    >>> app = nu.demo_client(scale=0.1)
    >>> someone = nu.load_users(app)["user_id"].iloc[0]
    >>> sorted(nu.export_user(app, someone))
    ['devices', 'events', 'sessions', 'users']
    """
    target = None if path is None else full_path("path", path)
    if target is not None and os.path.lexists(target):
        raise FileExistsError(f"There is already a file at {target}. Choose another path; nothing was requested.")
    if target is not None and not target.parent.is_dir():
        raise FileNotFoundError(f"The folder {target.parent} does not exist. Create it; nothing was requested.")
    answer = check_client(client).get("user", user_id, cached=False)
    user = part(answer.payload, "user", dict, "user")
    users = people.users_frame([user], "user")
    listed = part(answer.payload, "sessions", list, "user")
    people.warn_of_empty_lists([user], [listed])
    sessions = people.sessions_frame([listed], users)
    asked = sessions.dropna(subset=["device_id", "session_id"]).reset_index(drop=True)
    groups = asked.groupby(["device_id", "session_id"], sort=False).ngroup()
    requests = asked[["device_id", "session_id"]].drop_duplicates().to_numpy().tolist()
    found = _events(client, user_id, requests, progress=progress)
    if missing := len(requests) - len(found) + len(sessions) - len(asked):
        lacking = counted(missing, "session")
        warn_incomplete(f"The events of {lacking} could not be loaded; they are missing from this export.")
    place = pd.Series(range(len(found)), index=list(found), dtype="int64")
    there = groups.isin(place.index)
    events = people.session_events_frame(
        list(found.values()), asked[there].reset_index(drop=True), groups[there].map(place)
    )
    if target is not None:
        raw = [{"device": requests[row][0], "session": requests[row][1], "data": data} for row, data in found.items()]
        about = {"app_id": client.app_id, "as_of": answer.as_of.isoformat()}
        write_private(target, json.dumps(about | answer.payload | {"events": raw}, indent=1), replace=False)
    return {"users": users, "devices": people.devices_frame([user]), "sessions": sessions, "events": events}


def _events(client: Client, user_id: str, requests: list[list[str]], *, progress: bool) -> dict[int, list[Any]]:
    """The events of each device and session id that could be loaded."""

    def fetch(row: int) -> list[Any]:
        device, session = requests[row]
        payload = client.get("session_events", user_id, session, params={"device": device}, cached=False).payload
        return part(payload, "data", list, "session_events")

    harvest = fetch_all(fetch, len(requests), client, label="events of sessions", progress=progress)
    if harvest.error is not None:
        raise harvest.error
    return harvest.answers
