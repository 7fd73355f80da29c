"""Who was erased from a store: hashes of their ids, so that no sync takes them in again.

The hashes are in a file beside the store, ``<store>.erased``, and their salt is in the store. So neither file alone can
be tested against a list of ids; with both, each guess costs about 10 ms (scrypt). Nothing of it is in `EventStore.sql`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nucleus_pandas.core.files import create_private, find_intruder, sync_folder
from nucleus_pandas.core.text import counted
from nucleus_pandas.exceptions import StoreError
from nucleus_pandas.store.schema import drop_users, get_meta, set_meta

if TYPE_CHECKING:
    import duckdb

    from nucleus_pandas.store.database import Database

_VERSION = 1
# 4 MB of memory and about 10 ms a guess.
_SCRYPT = {"n": 2**12, "r": 8, "p": 1, "dklen": 32}
_ACCEPT = "If that is not possible, EventStore.reset_erased() lets a sync take in everybody the service lists."


@dataclass
class Person:
    """A user whose erasure was begun.

    Attributes
    ----------
    hashes : list of str
        Hashes of the app's and the service's ids.
    at_service : {"begun", "done"}
        Whether the service has confirmed the erasure.
    in_store : {"begun", "deleted", "done"}
        Whether rows still have to be deleted, or only the file has to be rewritten without them.
    users : list of int
        The `user_no` of these rows; empty once they are deleted, as numbers are used again.
    """

    hashes: list[str]
    at_service: Literal["begun", "done"] = "begun"
    in_store: Literal["begun", "deleted", "done"] = "begun"
    users: list[int] = field(default_factory=list)


class Erased:
    """The people erased from one store. Changing them requires `Database.alone`; reading does not.

    Parameters
    ----------
    path : Path
        Of the file with the hashes.
    salt : bytes
    people : list of Person
        In the order of their first erasure.
    deleted : int
        How many of them, from the first, the store has deleted.
    """

    def __init__(self, path: Path, salt: bytes, people: list[Person], deleted: int) -> None:
        self.path, self.people, self.deleted, self._salt = path, people, deleted, salt

    def find(self, ids: Iterable[str]) -> dict[str, Person]:
        """Return the erased person of each id that belongs to one. Nothing is hashed when nobody was erased."""
        owners = {value: person for person in self.people for value in person.hashes}
        hashes = self._hash(ids) if owners else {}
        return {text: owners[value] for text, value in hashes.items() if value in owners}

    def begin(self, ids: Iterable[str], users: Iterable[int]) -> Person:
        """Record that a person with these ids is to be erased, and the numbers of their users in the store."""
        hashes = set(self._hash(ids).values())
        person = next((person for person in self.people if hashes.intersection(person.hashes)), None)
        if person is None:
            person = Person([])
            self.people.append(person)
        person.hashes = sorted(hashes.union(person.hashes))
        person.users = sorted({*person.users, *users})
        person.at_service = person.in_store = "begun"
        self.save()
        return person

    @property
    def undeleted(self) -> list[Person]:
        """People whose rows may still be in the store."""
        return [
            *self.people[self.deleted :],
            *(each for each in self.people[: self.deleted] if each.in_store == "begun"),
        ]

    @property
    def older_store(self) -> bool:
        """Whether the store is an older copy, which may hold people who were deleted from the newer one."""
        return any(person.in_store != "begun" for person in self.people[self.deleted :])

    def save(self) -> None:
        """Write the file, privately and at once or not at all."""
        content = {
            "about": "hashes of the ids of people erased from a store of nucleus_pandas",
            "version": _VERSION,
            "store": _fingerprint(self._salt),
            "people": [asdict(person) for person in self.people],
        }
        try:
            _write(self.path, json.dumps(content, indent=1).encode())
        except OSError as error:
            raise StoreError(
                f"{self.path} could not be written ({error.strerror}). What was in it is still there. Make room, or "
                "change the permissions of the folder; then try again."
            ) from None

    def _hash(self, ids: Iterable[str]) -> dict[str, str]:
        known = list(dict.fromkeys(ids))
        pool = ThreadPoolExecutor(os.cpu_count())  # scrypt does not hold the GIL
        try:
            return dict(zip(known, pool.map(self._hash_one, known), strict=True))
        finally:
            pool.shutdown(cancel_futures=True)

    def _hash_one(self, text: str) -> str:
        return hashlib.scrypt(text.encode("utf-8", "surrogatepass"), salt=self._salt, **_SCRYPT).hex()


def path_of(store: Path) -> Path:
    """Where the hashes are for a store at a path."""
    return Path(f"{store}.erased")


def read_erased(connection: duckdb.DuckDBPyConnection, store: Path) -> Erased:
    """Read who was erased from a store.

    Raises
    ------
    StoreError
        When the file with the hashes is missing, damaged, too old, or of another store.
    """
    path, salt = path_of(store), bytes.fromhex(get_meta(connection, "salt") or "")
    deleted = int(get_meta(connection, "erased") or 0)
    content = _load(path)
    if content is None:
        if deleted:
            raise StoreError(
                f"{path} is missing. It keeps {counted(deleted, 'erased user')} from coming back to the store. Copy it "
                f"from where the store was before, or from a backup. {_ACCEPT} Nothing was changed."
            )
        return Erased(path, salt, [], 0)
    if content["store"] != _fingerprint(salt):
        raise StoreError(foreign(path))
    people = content["people"]
    if len(people) < deleted:
        raise StoreError(
            f"{path} is older than the store: it knows {len(people):,} of {counted(deleted, 'erased user')}. Copy "
            f"the newest one from where the store was before, or from a backup. {_ACCEPT} Nothing was changed."
        )
    return Erased(path, salt, people, deleted)


def count_pending(connection: duckdb.DuckDBPyConnection, store: Path) -> int | None:
    """Count the erasures that are not complete; None when the file cannot be read."""
    try:
        people = read_erased(connection, store).people
    except StoreError:
        return None
    return sum(person.at_service != "done" or person.in_store != "done" for person in people)


def foreign(path: Path) -> str:
    """The message that a file with hashes belongs to another store."""
    return (
        f"{path} belongs to another store, perhaps one that was here before, and only that store can read it. Put back "
        "this store's own file if people were erased from it; if not, move this one away. Nothing was changed."
    )


def clean(database: Database, erased: Erased) -> int:
    """Delete the remaining rows of erased people from a store and rewrite its file; return the number of users.

    A crash at any moment leaves the rest to the next call.
    """
    if not erased.undeleted and all(person.in_store == "done" for person in erased.people):
        return 0
    with database.reading() as connection:
        listed = connection.execute("SELECT user_no, user_id, user_db_id FROM kept.users").fetchall()
    found = erased.find({text for row in listed for text in row[1:] if text}) if erased.older_store else {}
    doomed = {number for person in erased.undeleted for number in person.users}
    numbers = [number for number, *ids in listed if number in doomed or found.keys() & ids]
    with database.writing() as connection:
        drop_users(connection, numbers)
        set_meta(connection, "erased", str(len(erased.people)))
    for person in erased.undeleted:
        person.in_store, person.users = "deleted", []
    erased.deleted = len(erased.people)
    erased.save()
    database.rewrite()
    for person in erased.people:
        person.in_store = "done"
    erased.save()
    return len(numbers)


def reset(database: Database) -> None:
    """Forget who was erased from a store."""
    with database.reading():
        pass  # raises where there is no store, which writing would make
    path = path_of(database.path)
    _refuse_intruder(path)
    with database.writing() as connection:
        set_meta(connection, "erased", "0")
    path.unlink(missing_ok=True)


def _refuse_intruder(path: Path) -> None:
    if reason := find_intruder(path):
        raise StoreError(f"{path} {reason}. Find out who put it there, and remove it; nothing was changed.")


def _load(path: Path) -> dict[str, Any] | None:
    """The content of the file; None when there is none."""
    _refuse_intruder(path)
    try:
        content = json.loads(path.read_bytes())
        if content["version"] > _VERSION:
            raise StoreError(f"{path} was written by a newer nucleus_pandas: pip install --upgrade nucleus-pandas.")
        people = [Person(**person) for person in content["people"]]
        if not all(map(_is_valid, people)) or not isinstance(content["store"], str):
            raise TypeError
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read ({error.strerror}). Change its permissions; nothing was changed."
        ) from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise StoreError(
            f"{path} is damaged. It keeps people who were erased from coming back. Copy it from a backup. {_ACCEPT} "
            "Nothing was changed."
        ) from None
    return {"store": content["store"], "people": people}


def _is_valid(person: Person) -> bool:
    return (
        isinstance(person.hashes, list)
        and all(isinstance(value, str) for value in person.hashes)
        and person.at_service in ("begun", "done")
        and person.in_store in ("begun", "deleted", "done")
        and isinstance(person.users, list)
        and all(type(number) is int for number in person.users)
    )


def _fingerprint(salt: bytes) -> str:
    """The identity of a store; it does not reveal the salt, which is 32 random bytes."""
    return hashlib.sha256(b"nucleus_pandas erased" + salt).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Write a private file that is on the disk, whole, before it takes the place of the old one."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)  # of a crash
    try:
        with os.fdopen(create_private(fresh), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
