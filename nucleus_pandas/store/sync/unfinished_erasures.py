"""Erasures that stopped half-way: what a sync does about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nucleus_pandas.api.client import Client
from nucleus_pandas.core.text import counted
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.exceptions import NucleusError, StoreError, UnaskableError
from nucleus_pandas.store.privacy import tombstones
from nucleus_pandas.store.schema import check_app
from nucleus_pandas.store.sync.selection import Listing, StoreState

if TYPE_CHECKING:
    from nucleus_pandas.store.database import Database


def finish_in_store(database: Database, app_id: str) -> int:
    """Delete people whom an interrupted erasure left in the store, before a sync reuses their numbers.

    Returns the number of users.
    """
    if not database.exists:
        return 0
    with database.reading() as connection:
        check_app(connection, app_id, database.path)
        erased = tombstones.read_erased(connection, database.path)
    try:
        return tombstones.clean(database, erased)
    except StoreError as error:
        if erased.undeleted:
            raise
        warn_incomplete(
            f"{error} The rows of an erased person are deleted, but the file may still contain them. The next sync "
            "tries again."
        )
        return 0


def finish_at_service(client: Client, listing: Listing, state: StoreState) -> None:
    """Send erasures that the service has not confirmed again, and report erased people who are on its list.

    Warns
    -----
    IncompleteDataWarning
        When an erasure is still not confirmed, and when the list has people whose erasure was confirmed.
    """
    if state.erased is None:
        return
    ids = _ids_in_paths(client, listing, state)
    back, troubles = 0, []
    for person in state.erased.people:
        listed = ids.get(id(person), [])
        if person.at_service == "done":
            back += bool(listed)
            continue
        if listed:
            trouble = _erase(client, listed)
        else:
            trouble = None if listing.complete else "its list of users is incomplete"
            client.clear_cache()  # may have been filled after the service erased the person
        if trouble is None:
            person.at_service = "done"
            state.erased.save()
        else:
            troubles.append(trouble)
    if troubles:
        warn_incomplete(
            f"The service has not confirmed the erasure of {counted(len(troubles), 'user')}, which forget_user began. "
            "This store holds nothing of them. Each sync tries again; or call forget_user again with the same id. The "
            f"last reason: {troubles[-1]}"
        )
    if back:
        warn_incomplete(
            f"The service lists {counted(back, 'user')} whose erasure it confirmed: it still has them, or they have "
            "used the app again. They are kept out of the store; forget_user erases them again."
        )


def _ids_in_paths(client: Client, listing: Listing, state: StoreState) -> dict[int, list[Any]]:
    """The path ids of erased users on the list, by `id` of the `Person`."""
    found: dict[int, list[Any]] = {}
    for user_id, db_id in zip(listing.users["user_id"], listing.users["user_db_id"], strict=True):
        people = {id(state.buried[text]) for text in (user_id, db_id) if text in state.buried}
        for person in people:
            found.setdefault(person, []).append(db_id if client.user_path == "_id" else user_id)
    return found


def _erase(client: Client, ids: list[Any]) -> str | None:
    """Why the service did not erase these users, or None when it did."""
    try:
        for path_id in dict.fromkeys(ids):
            if not isinstance(path_id, str):
                return "its list has no id of the kind that user_path names"
            client.delete_user(path_id, confirm=path_id)
    except (NucleusError, UnaskableError) as error:
        return str(error)
    return None
