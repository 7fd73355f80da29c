"""What arrived, in an SQLite file or in memory: an event is there, once, as soon as `Storage.add` returns."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nucleus_pandas.core.files import create_private, find_intruder, is_full, make_private
from nucleus_pandas.exceptions import ConfigurationError, StoreError, StoreLockedError
from nucleus_pandas.sandbox.messages import Tracked

#: Marks the file as one of ours: "NuSb" in SQLite's header.
_APPLICATION_ID = 0x4E755362
_FORMAT = 1
_SQLITE_MAGIC = b"SQLite format 3\x00"
_TABLES = """
create table settings (name text primary key, value text not null) without rowid;
create table arrivals (
    -- Never used again, not even after an erasure: users get their ids from it.
    seq integer primary key autoincrement,
    app text not null,
    received_ms integer not null,
    event text not null,
    digest blob,
    unique (app, digest)
);
"""
# Beside the arrivals, so that older files are read, too. A row names nobody, and is erased with its arrival.
_ORIGINS = """
create table if not exists origins (
    seq integer primary key references arrivals,
    origin integer not null
)
"""


class Arrival(NamedTuple):
    """An event as it was stored; `seq` rises from one to the next.

    `origin` is the `seq` that the id of whoever the event names is made of, where that arrival was erased with somebody
    else's.
    """

    seq: int
    received_ms: int
    event: Tracked
    origin: int | None = None

    @property
    def time_ms(self) -> int:
        """When it happened: by the client's clock, or where that gave no date, when it arrived."""
        return self.received_ms if self.event.time_ms is None else self.event.time_ms


class Storage:
    """The events that arrived, in order, with the token and the secret that the ids of users are made of.

    Not safe for threads: whoever uses it holds a lock.

    Parameters
    ----------
    path : Path, optional
        File to keep them in. Nobody else can open it meanwhile. Without one they are gone at the end.

    Raises
    ------
    ConfigurationError
        When there is something else at the path.
    StoreLockedError
        When another sandbox uses the file.
    StoreError
        When the file cannot be opened or is damaged.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is not None:
            _check_place(path)
        with self._telling("opened"):
            self._connection = sqlite3.connect(
                path or ":memory:", isolation_level=None, check_same_thread=False, timeout=0
            )
        try:
            with self._telling("opened"):
                self._prepare()
                self._file = None if path is None else path.stat()
                self.token, self.salt = self._setting("token"), self._setting("salt")
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        """Lock the file, choose durability over speed, and make the tables of a new one."""
        run = self._connection.execute
        run("pragma locking_mode = exclusive")
        run("pragma journal_mode = wal")
        run("pragma synchronous = full")  # an arrival is acknowledged only once it is on disk
        run("pragma secure_delete = on")  # what is erased is overwritten
        run("begin exclusive")
        mark, version = (run(f"pragma {name}").fetchone()[0] for name in ("application_id", "user_version"))
        new = not run("select count(*) from sqlite_master").fetchone()[0]
        if not new and (mark, version) != (_APPLICATION_ID, _FORMAT):
            raise ConfigurationError(
                f"{self.path} is not the file of a sandbox, or of another version. Name another one."
            )
        if new:
            for statement in _TABLES.split(";\n"):
                run(statement)
            run(f"pragma application_id = {_APPLICATION_ID}")
            run(f"pragma user_version = {_FORMAT}")
        run(_ORIGINS)
        run("commit")
        if self.path is not None:
            for file in (self.path, self.path.with_name(f"{self.path.name}-wal")):
                make_private(file)

    def _setting(self, name: str) -> str:
        """Return a secret, which is made when it is first asked for."""
        insert = "insert or ignore into settings values (?, ?)"
        self._connection.execute(insert, (name, secrets.token_urlsafe(24)))
        return str(self._connection.execute("select value from settings where name = ?", (name,)).fetchone()[0])

    def load(self) -> Iterator[tuple[str, Arrival]]:
        """Yield app and event of everything that is stored, in order of arrival."""
        with self._telling("read"):
            rows = self._connection.execute(
                "select app, seq, received_ms, event, origin from arrivals left join origins using (seq) order by seq"
            )
            for app, seq, received_ms, event, origin in rows:
                try:
                    tracked = Tracked.from_json(event)
                except (ValueError, TypeError):
                    raise StoreError(f"The sandbox's data at {self.path} are damaged.") from None
                yield app, Arrival(seq, received_ms, tracked, origin)

    def add(self, app: str, received_ms: int, events: Sequence[tuple[Tracked, bytes | None]]) -> list[Arrival | None]:
        """Store events with their digests, all or nothing; None for each that was there already.

        Raises
        ------
        StoreError
            When they could not be stored; nothing was.
        """
        self._check_file()
        with self._telling("written"), self._transaction():
            return [self._insert(app, received_ms, event, digest) for event, digest in events]

    def _insert(self, app: str, received_ms: int, event: Tracked, digest: bytes | None) -> Arrival | None:
        insert = "insert or ignore into arrivals (app, received_ms, event, digest) values (?, ?, ?, ?)"
        done = self._connection.execute(insert, (app, received_ms, event.to_json(), digest))
        return Arrival(done.lastrowid or 0, received_ms, event) if done.rowcount else None

    def erase(self, seqs: Sequence[int], origins: Mapping[int, int]) -> None:
        """Delete events for good, also from the log that SQLite keeps beside the file; `origins` are of others."""
        run = self._connection.executemany
        with self._telling("written"):
            with self._transaction():
                run("delete from arrivals where seq = ?", [(seq,) for seq in seqs])
                run("delete from origins where seq = ?", [(seq,) for seq in seqs])
                run("insert or replace into origins values (?, ?)", origins.items())
            self._connection.execute("pragma wal_checkpoint(truncate)")

    def _check_file(self) -> None:
        """Make sure that the file still has its name: one that was deleted takes events that nobody finds again."""
        if self.path is None or self._file is None:
            return
        try:
            there = os.path.samestat(self.path.stat(), self._file)
        except OSError:
            there = False
        if not there:
            raise StoreError(f"The sandbox's file {self.path} was deleted or moved. Start the sandbox again.")

    def size(self) -> int:
        """Return the bytes that the data take; what was erased leaves room."""
        names = ("page_count", "freelist_count", "page_size")
        pages, free, size = (self._connection.execute(f"pragma {name}").fetchone()[0] for name in names)
        return int((pages - free) * size)

    def close(self) -> None:
        """Close the file; it is complete without the log beside it."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("begin immediate")
        try:
            yield
            self._connection.execute("commit")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise StoreLockedError(
                    f"{self.path} is in use by another sandbox. Stop it, or name another file."
                ) from None
            full = " Free space on the disk." if is_full(str(error)) else ""
            raise StoreError(f"The sandbox's data at {self.path} cannot be {what}: {error}.{full}") from None


def _check_place(path: Path) -> None:
    """Make sure that there is a file of ours at the path, or none; a new one is private from its first byte."""
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder. Name a file, such as {path / 'sandbox.db'}.")
    if not path.parent.is_dir():
        raise ConfigurationError(f"The folder {path.parent} does not exist. Create it, or name a file elsewhere.")
    if reason := find_intruder(path):
        raise ConfigurationError(f"{path} {reason}. Name another file.")
    try:
        if not path.exists():
            os.close(create_private(path))
        with path.open("rb") as file:
            head = file.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}.") from None
    if head and head != _SQLITE_MAGIC:
        raise ConfigurationError(f"{path} is not the file of a sandbox. Name another one.")
