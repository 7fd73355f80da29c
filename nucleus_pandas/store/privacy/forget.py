"""`forget_user`: erase a person at the service, in a store and in the cache, and check what is left.

An erasure that stopped half-way is finished by the next call, or by the next `sync`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nucleus_pandas.api.client import Client, check_client
from nucleus_pandas.api.endpoints import PATHS
from nucleus_pandas.api.erasure_answers import lists_user, shows_user, wrong_kind_of_id
from nucleus_pandas.api.http.api_request import segment
from nucleus_pandas.api.parsing.schemas import inner_list, objects, part
from nucleus_pandas.api.parsing.values import ParseProblems, clean
from nucleus_pandas.core.dtypes import COUNT, TEXT, make_frame
from nucleus_pandas.exceptions import NotFoundError, NucleusError, StoreError
from nucleus_pandas.store.eventstore import check_store
from nucleus_pandas.store.privacy import tombstones
from nucleus_pandas.store.privacy.traces import answers_with, rows_with
from nucleus_pandas.store.schema import check_app, one_row

if TYPE_CHECKING:
    import duckdb

    from nucleus_pandas.store.database import Database
    from nucleus_pandas.store.eventstore import EventStore

_TABLES = ("users", "devices", "sessions", "events")
_SHARED = "rows of other people that contain one of the ids, such as that of a shared device; they were not deleted"

_Row = tuple[str, int | None, int | None, str]


@dataclass
class _Person:
    """The ids of a person, and their rows in a store.

    Attributes
    ----------
    found : bool
        Whether the service or the store knows the person.
    users : list of int
        The `user_no` of their rows.
    counts : dict
        How many rows of each table are theirs.
    """

    ids: set[str]
    devices: set[str] = field(default_factory=set)
    found: bool = False
    users: list[int] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

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
        One row per place: the service, the tables of the store, its unfinished copies, the cache, exports, and what
        this function cannot reach. Columns: place, found (number of rows or answers there were), left (number there
        still are; missing where nothing could be checked), detail.

    Raises
    ------
    ValueError
        When `confirm` is not `user_id`, or this is the other kind of id; nothing is done.
    NotFoundError
        When neither the service nor the store knows the id; nothing is done.
    NucleusError
        When the service does not confirm the erasure; see `Client.delete_user`. The person is then deleted from the
        store and will not come back to it, and the cache is empty. Call again, or sync, to erase them at the service.
    StoreLockedError, StoreError
        When the store cannot be used, does not exist, or belongs to another app; or when the file that records who was
        erased from it is missing or damaged.

    Notes
    -----
    Source: ``DELETE users/:userId``. If this stops half-way, the next call with the same id, or the next `sync` of the
    store, finishes it:

    1. Hashes of the ids are written to ``<store>.erased``. From now on no sync takes the person in.
    2. The service erases the person, and must confirm it.
    3. The rows are deleted and the file is rewritten, because DuckDB would leave deleted rows in it.
    4. The text columns of all tables, and the answers in the cache, are searched for the person's ids: the app's, the
       service's and those of their devices.

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
            "confirm is not the same as user_id, so nobody was erased. To erase the user, pass the id again as "
            "confirm; this cannot be undone."
        )
    segment("user_id", user_id)  # raises for an id that no path can hold
    if store is None:
        person = _at_service(client, user_id)
        if not person.found:
            raise _unknown("The service knows no user with")
        rows = [_erase(client, user_id, known=True)]
    else:
        database = check_store(store).database
        with database.alone("forget_user"):
            person, rows = _from_store(client, user_id, database)
    rows.append(_in_cache(client, person))
    rows.append(("elsewhere", None, None, "not checked: other stores, exports of the command, reports, notebooks"))
    columns = dict(zip(("place", "found", "left", "detail"), zip(*rows, strict=True), strict=True))
    return make_frame({"place": TEXT, "found": COUNT, "left": COUNT, "detail": TEXT}, columns)


def _from_store(client: Client, user_id: str, database: Database) -> tuple[_Person, list[_Row]]:
    with database.reading() as connection:
        check_app(connection, client.app_id, database.path)
        erased = tombstones.read_erased(connection, database.path)
        _check_kind_of_id(connection, client, user_id)
    person = _at_service(client, user_id)
    known = person.found
    with database.reading() as connection:
        _add_from_store(connection, client, user_id, person)
    if not (person.found or erased.find([user_id])):
        raise _unknown("Neither the service nor the store knows a user with")
    erasure = erased.begin(person.ids, person.users)
    trouble: NucleusError | None = None
    try:
        rows = [_erase(client, user_id, known=known)]
    except NucleusError as error:
        trouble = error
    else:
        erasure.at_service = "done"  # saved with what the store deletes; until then the next sync looks at the list
    try:
        tombstones.clean(database, erased)
    except StoreError as error:
        kept = "are still in it" if erasure.in_store == "begun" else "are deleted, but the file may still contain them"
        confirmed = "has erased the person" if trouble is None else "did not confirm the erasure"
        raise type(error)(
            f"{error} The person's rows {kept}; the service {confirmed}. Call forget_user again with the same id."
        ) from None
    if trouble is not None:
        raise type(trouble)(
            f"{trouble} The person was deleted from the store and will not come back to it, and the cache was emptied; "
            "the service has not confirmed the erasure. Call forget_user again with the same id; each sync tries, too.",
            status=trouble.status,
            endpoint=trouble.endpoint,
            retry_after=trouble.retry_after,
            request_id=trouble.request_id,
            retryable=True,
        )
    return person, rows + _left_in_store(database, person)


def _check_kind_of_id(connection: duckdb.DuckDBPyConnection, client: Client, user_id: str) -> None:
    column, other = _columns(client)
    by_column, by_other = one_row(
        connection,
        f"SELECT count(*) FILTER ({column} = $1), count(*) FILTER ({other} = $1) FROM kept.users",
        [_as_stored(user_id)],
    )
    if by_other and not by_column:
        raise ValueError(
            f"user_id is the {other} of a user in the store, but the client's setting user_path requires the "
            f"{column}. Pass that one; nobody was erased."
        )


def _columns(client: Client) -> tuple[str, str]:
    """The column of the id in paths, and that of the other one."""
    return ("user_db_id", "user_id") if client.user_path == "_id" else ("user_id", "user_db_id")


def _as_stored(text: str) -> str:
    """An id as tables hold it, without the characters that they cannot."""
    return str(clean([text], ParseProblems(PATHS["user"]))[0])


def _add_from_store(connection: duckdb.DuckDBPyConnection, client: Client, user_id: str, person: _Person) -> None:
    """Add what the store has of a person."""
    stored = _as_stored(user_id)
    person.ids.update([_as_stored(text) for text in person.ids])
    connection.register("theirs", {"id": np.array(sorted(person.ids), dtype=object)})
    # A user whom the app has renamed since has only the service's id in common.
    users = connection.execute(
        f"SELECT user_no, {', '.join(_columns(client))} FROM kept.users"
        f" WHERE {_columns(client)[0]} = ? OR user_db_id IN (FROM theirs)",
        [stored],
    ).fetchall()
    person.found = person.found or bool(users)
    person.users = [number for number, *_ in users]
    person.ids.update(other for _, own, other in users if own == stored and other)
    connection.register("theirs", {"user_no": np.array(person.users, dtype=np.int32)})
    person.counts = {
        table: one_row(connection, f"SELECT count(*) FROM kept.{table} WHERE user_no IN (FROM theirs)")[0]
        for table in _TABLES
    }
    devices = connection.execute(
        "SELECT device_id FROM kept.devices WHERE user_no IN (FROM theirs)"
        " UNION SELECT device_id FROM kept.sessions WHERE user_no IN (FROM theirs)"
    ).fetchall()
    person.devices.update(text for (text,) in devices if text)


def _left_in_store(database: Database, person: _Person) -> list[_Row]:
    """How many rows there were, and where one of the ids remains."""
    with database.reading() as connection:
        left = rows_with(connection, person.all)
        noted = connection.execute("SELECT DISTINCT folder FROM kept.exports ORDER BY folder").fetchall()
    rows: list[_Row] = [
        (f"store: {table}", person.counts[table], left[table], _SHARED if left[table] else "") for table in _TABLES
    ]
    others = sum(count for table, count in left.items() if table not in _TABLES)
    rows.append(("store: other tables", None, others, _SHARED if others else ""))
    copies = database.leftovers()
    detail = f"delete by hand: {', '.join(map(str, copies))}" if copies else ""
    rows.append(("store: unfinished copies", None, len(copies), detail))
    if exports := [folder for (folder,) in noted if _may_hold_files(Path(folder))]:
        detail = f"not erased: delete and export again: {', '.join(exports)}"
        rows.append(("exports", len(exports), len(exports), detail))
    return rows


def _may_hold_files(folder: Path) -> bool:
    """Say whether an export may still be in a folder; one that cannot be read may hold it."""
    try:
        return any(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def _at_service(client: Client, user_id: str) -> _Person:
    """The ids that the service has of a person."""
    person = _Person({user_id})
    try:
        payload = client.get("user", user_id, cached=False).payload
    except NotFoundError:
        return person
    except NucleusError:
        person.found = True  # perhaps; the request to erase will show
        return person
    person.found = True
    if not shows_user(payload, user_id):
        return person  # no ids, or those of another user
    with contextlib.suppress(NucleusError):
        user, problems = part(payload, "user", dict, "user"), ParseProblems(PATHS["user"])
        person.ids.update(text for name in ("_id", "userId") if isinstance(text := user.get(name), str) and text)
        devices = [device.get("_id") for device in objects(inner_list(user, "devices", problems), problems)]
        sessions = [session.get("device") for session in objects(part(payload, "sessions", list, "user"), problems)]
        person.devices.update(text for text in (*devices, *sessions) if isinstance(text, str) and text)
    return person


def _unknown(who: str) -> NotFoundError:
    return NotFoundError(
        f"{who} this id, so nobody was erased. Ids are compared letter by letter; see also the client's setting "
        "user_path.",
        status=404,
        endpoint=PATHS["user"],
    )


def _erase(client: Client, user_id: str, *, known: bool) -> _Row:
    """Erase a person at the service, which knows them by this id or does not."""
    try:
        client.delete_user(user_id, confirm=user_id)
    except NotFoundError:
        known = False
    else:
        # A service may report success for any id, even one of the wrong kind.
        if not known and _is_listed(client, user_id):
            raise wrong_kind_of_id()
    return ("service", 1, 0, "erased") if known else ("service", 0, 0, "does not know the user, or no longer does")


def _is_listed(client: Client, user_id: str) -> bool:
    with contextlib.suppress(NucleusError):
        return lists_user(client.get("users", cached=False).payload, user_id) is True
    return False


def _in_cache(client: Client, person: _Person) -> _Row:
    """Whether the emptied cache still contains one of the ids."""
    place = client.cache_info().place
    if place is None:
        return ("cache", None, 0, "this client has none")
    left = answers_with(place, person.all)
    if left is None:
        return ("cache", None, None, f"could not be read; delete by hand: {place}")
    if (damaged := Path(f"{place}.damaged")).exists():
        return ("cache", None, left + 1, f"delete by hand: {damaged}")
    return ("cache", None, left, f"delete by hand: {place}" if left else "emptied")
