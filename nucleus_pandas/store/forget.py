"""`forget_user`: erase a person everywhere within reach, and look whether it is done."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nucleus_pandas.api.client import Client, check_client
from nucleus_pandas.api.columns import COUNT, TEXT, Losses
from nucleus_pandas.api.endpoints import PATHS
from nucleus_pandas.api.frames import inner_list, make_frame, objects, part
from nucleus_pandas.exceptions import NotFoundError, NucleusError, StoreError
from nucleus_pandas.store import tombstones, writing
from nucleus_pandas.store.eventstore import check_store
from nucleus_pandas.store.schema import check_app, one_row
from nucleus_pandas.store.traces import answers_with, rows_with

if TYPE_CHECKING:
    from nucleus_pandas.store.database import Database
    from nucleus_pandas.store.eventstore import EventStore

_TABLES = ("users", "devices", "sessions", "events")
_SHARED = "rows of other people hold one of the ids, such as that of a shared device; they were not touched"


@dataclass
class _Person:
    """The ids of a person, and which users of a store they are."""

    ids: set[str]
    devices: set[str] = field(default_factory=set)
    numbers: list[int] = field(default_factory=list)
    found: bool = False

    @property
    def all(self) -> set[str]:
        return self.ids | self.devices


def forget_user(client: Client, user_id: str, *, store: EventStore | None = None, confirm: str) -> pd.DataFrame:
    """Erase a person at the service, in a store and in the cache of answers, for good; get what is left where.

    Parameters
    ----------
    client : Client
    user_id : str
        The id that the client's setting `user_path` names.
    store : EventStore, optional
        The store to erase the person from; call once for each store that you have.
    confirm : str
        The same id once more.

    Returns
    -------
    pandas.DataFrame
        place, found (what was there), left (what is still there; missing where nobody looked), detail. One row each for
        the service, the tables and files of the store, the cache, exports, and what this function cannot reach.

    Raises
    ------
    ValueError
        When `confirm` is not `user_id`, or this is the other kind of id; nothing is done.
    NotFoundError
        When neither the service nor the store knows the id; nothing is done.
    NucleusError
        When the service does not answer as it should. The person is gone from the store by then and will not come back;
        call again, so that the service erases them, too.
    StoreLockedError, StoreError
        When the store cannot be used, does not exist, or is that of another app.

    Notes
    -----
    Source: ``DELETE users/:userId``. A crash on the way loses nothing, and the next call goes through all of it once
    more: first a hash of the ids is noted in the store, by which every later `sync` keeps the person out; then the
    service is told; then the rows are deleted and the file is written anew, as DuckDB would leave in it what was
    deleted; then store and cache are searched for the ids, which are the app's, the service's and those of the devices.

    Examples
    --------
    >>> app = nu.demo_client(scale=0.1)
    >>> someone = nu.load_users(app)["user_id"].iloc[0]
    >>> report = nu.forget_user(app, someone, confirm=someone)
    >>> int(report["left"].sum())
    0
    """
    check_client(client)
    if user_id != confirm:
        raise ValueError(
            "confirm is not the same as user_id, so nobody was erased. Pass the id a second time, confirm=user_id, if "
            "you mean it: this cannot be undone."
        )
    if store is None:
        person = _at_service(client, user_id)
        if not person.found:
            raise _unknown("The service does")
        rows = [_erase(client, user_id)]
    else:
        database = check_store(store).database
        with database.alone("forget_user"):
            person, rows = _from_store(client, user_id, database)
    rows.append(_in_cache(client, person))
    rows.append(("elsewhere", None, None, "not looked for: other stores, exports of the command, reports, notebooks"))
    columns = dict(zip(("place", "found", "left", "detail"), zip(*rows, strict=True), strict=True))
    return make_frame({"place": TEXT, "found": COUNT, "left": COUNT, "detail": TEXT}, columns)


def _from_store(client: Client, user_id: str, database: Database) -> tuple[_Person, list[tuple[Any, ...]]]:
    person = _in_store(client, user_id, database)
    known = _at_service(client, user_id)
    if not (person.found or known.found):
        raise _unknown("Neither the service nor the store does")
    person.ids |= known.ids
    person.devices |= known.devices
    with database.writing() as connection:
        tombstones.bury(connection, person.ids)
    trouble: NucleusError | None = None
    try:
        rows = [_erase(client, user_id)]
    except NucleusError as error:
        trouble, rows = error, []
    with database.writing() as connection:
        connection.register("theirs", {"user_no": np.array(person.numbers, dtype=np.int32)})
        counts = {
            table: one_row(connection, f"SELECT count(*) FROM kept.{table} WHERE user_no IN (FROM theirs)")[0]
            for table in _TABLES
        }
        writing.drop_users(connection, person.numbers)
        if trouble is None:
            tombstones.done(connection, person.ids)
    try:
        database.rewrite()
    except StoreError as error:
        raise type(error)(
            f"{error} The person's rows are deleted, but the file could not be written anew, so that it may still hold "
            "what they were. Call forget_user again with the same id."
        ) from None
    if trouble is not None:
        raise type(trouble)(
            f"{trouble} The person was erased from the store and will not come back to it; whether the service has "
            "erased them is not known. Call forget_user again with the same id.",
            status=trouble.status,
            endpoint=trouble.endpoint,
            retry_after=trouble.retry_after,
            request_id=trouble.request_id,
            retryable=True,
        )
    return person, rows + _left_in_store(database, person, counts)


def _left_in_store(database: Database, person: _Person, counts: dict[str, int]) -> list[tuple[Any, ...]]:
    """What was in the tables, and where one of the ids still stands."""
    with database.reading() as connection:
        left = rows_with(connection, person.all)
        exports = connection.execute("SELECT folder FROM kept.exports ORDER BY made_at").fetchall()
    rows: list[tuple[Any, ...]] = [
        (f"store: {table}", counts[table], left[table], _SHARED if left[table] else "") for table in _TABLES
    ]
    others = sum(count for table, count in left.items() if table not in _TABLES)
    rows.append(("store: other tables", None, others, _SHARED if others else ""))
    copies = _leftovers(database)
    detail = f"delete by hand: {', '.join(map(str, copies))}" if copies else ""
    rows.append(("store: unfinished copies", None, len(copies), detail))
    if exports:
        folders = ", ".join(folder for (folder,) in exports)
        rows.append(("exports", len(exports), len(exports), f"not reached: delete and export again: {folders}"))
    return rows


def _leftovers(database: Database) -> list[Path]:
    """Copies of the store that a rewrite left beside it when it was killed."""
    name = database.path.name
    return sorted(
        path
        for path in database.path.parent.iterdir()
        if path.name.startswith(f".{name}.") and len(path.name) == len(name) + 10 and path.is_dir()
    )


def _in_store(client: Client, user_id: str, database: Database) -> _Person:
    """The ids that the store has of a person; `found` also if it knows of an earlier try to erase them."""
    column, other = ("user_db_id", "user_id") if client.user_path == "_id" else ("user_id", "user_db_id")
    person = _Person({user_id})
    with database.reading() as connection:
        check_app(connection, client.app_id, database.path)
        users = connection.execute(
            f"SELECT user_no, user_id, user_db_id FROM kept.users WHERE {column} = ?", [user_id]
        ).fetchall()
        others = connection.execute(f"SELECT user_no FROM kept.users WHERE {other} = ?", [user_id]).fetchall()
        if others and not users:
            raise ValueError(
                f"user_id is the {other} of somebody in the store, but the client's setting user_path wants the "
                f"{column}. Pass that one; nobody was erased."
            )
        person.found = bool(users) or bool(tombstones.buried(connection, [user_id]))
        for number, *ids in users:
            person.numbers.append(number)
            person.ids.update(text for text in ids if text)
            devices = connection.execute(
                "SELECT device_id FROM kept.devices WHERE user_no = $1 UNION SELECT device_id FROM kept.sessions"
                " WHERE user_no = $1",
                [number],
            ).fetchall()
            person.devices.update(text for (text,) in devices if text)
    return person


def _at_service(client: Client, user_id: str) -> _Person:
    """The ids that the service has of a person, as far as it tells."""
    person = _Person({user_id})
    try:
        payload = client.get("user", user_id, cached=False).payload
    except NotFoundError:
        return person
    except NucleusError:
        person.found = True  # for all that is known; the request to erase will tell
        return person
    person.found = True
    with contextlib.suppress(NucleusError):
        user, losses = part(payload, "user", dict, "user"), Losses(PATHS["user"])
        person.ids.update(text for name in ("_id", "userId") if isinstance(text := user.get(name), str) and text)
        devices = [device.get("_id") for device in objects(inner_list(user, "devices", losses), losses)]
        sessions = [session.get("device") for session in objects(part(payload, "sessions", list, "user"), losses)]
        person.devices.update(text for text in (*devices, *sessions) if isinstance(text, str) and text)
    return person


def _unknown(who: str) -> NotFoundError:
    return NotFoundError(
        f"{who} not know a user of this id, so nobody was erased. Ids are compared letter by letter; see also the "
        "client's setting user_path.",
        status=404,
        endpoint=PATHS["user"],
    )


def _erase(client: Client, user_id: str) -> tuple[Any, ...]:
    try:
        client.delete_user(user_id, confirm=user_id)
    except NotFoundError:
        return ("service", 0, 0, "it does not know the user, or not any more")
    return ("service", 1, 0, "erased")


def _in_cache(client: Client, person: _Person) -> tuple[Any, ...]:
    """Whether the cache, which was emptied, holds one of the ids."""
    place = client.cache_info().place
    if place is None:
        return ("cache", None, 0, "this client has none")
    left = answers_with(place, person.all)
    if left is None:
        return ("cache", None, None, f"could not be read; delete by hand: {place}")
    if (damaged := Path(f"{place}.damaged")).exists():
        return ("cache", None, left + 1, f"delete by hand: {damaged}")
    return ("cache", None, left, f"delete by hand: {place}" if left else "emptied")
