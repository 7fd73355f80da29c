"""The file of the cache: one SQLite database an app, which may fail at any time without anybody's being hurt.

requests-cache's own SQLite storage waits for a lock, or for a folder to become writable, until the end of time, and
loses what does not fit on the disk without a word; so this is one of our own.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from nucleus_pandas.core.files import create_private, find_intruder
from nucleus_pandas.core.warnings import warn
from nucleus_pandas.exceptions import CacheWarning

#: What the entries of an app may take.
MOST_BYTES = 500_000_000
#: Seconds that others are waited for. SQLite waits twice at worst, for the right to write and for the readers to leave.
PATIENCE = 2.0
_QUICK = 0.1
# Who stands between the caller and a warning; collections is in requests-cache's storage.

_TABLES = (
    "BEGIN IMMEDIATE",
    "CREATE TABLE IF NOT EXISTS answers"
    " (key TEXT PRIMARY KEY, value BLOB NOT NULL, asked REAL NOT NULL, expires REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS answers_expires ON answers (expires)",
    "CREATE TABLE IF NOT EXISTS mark (id INTEGER PRIMARY KEY CHECK (id = 1), salt BLOB NOT NULL, era BLOB NOT NULL)",
    "INSERT OR IGNORE INTO mark VALUES (1, randomblob(16), randomblob(16))",
    "COMMIT",
)
# The newest that fit are kept.
_SHRINK = (
    "DELETE FROM answers WHERE key IN (SELECT key FROM (SELECT key, SUM(LENGTH(value))"
    " OVER (ORDER BY asked DESC, key) AS total FROM answers) WHERE total > ?)"
)

T = TypeVar("T")


class Mark(NamedTuple):
    """What the keys of a file are salted with, and a number that changes when the file is emptied."""

    salt: bytes
    era: bytes

    @classmethod
    def random(cls) -> Mark:
        """Make one that no file has."""
        return cls(secrets.token_bytes(16), secrets.token_bytes(16))


class CacheInfo(NamedTuple):
    """What a client's cache holds.

    Attributes
    ----------
    place : pathlib.Path or None
        The file; None for a client without a cache.
    entries : int
        Answers in it, also those that have expired since it was opened.
    bytes : int
        What it takes on the disk.
    oldest : datetime or None
        When the oldest of them was asked for.
    unreadable : int
        Entries that this client met and could not read; it asked the service in their place.
    problem : str or None
        Why this client goes on without the cache.
    """

    place: Path | None = None
    entries: int = 0
    bytes: int = 0
    oldest: dt.datetime | None = None
    unreadable: int = 0
    problem: str | None = None


class CacheFile:
    """Keeps values under keys until they expire; safe to share between threads and with other processes.

    Whatever goes wrong is told in one `CacheWarning`. A damaged file is set aside and a fresh one begun; with any
    other trouble, and when somebody else holds the file for too long, it goes on as if it were empty.

    Parameters
    ----------
    folder : Path
        Made for nobody but this account, if it is not there.
    app_id : str
        Each app has a file.
    now : callable
        The present instant: values expire by it.
    own_folder : bool
        The folder is for the cache alone, so that its mode is put right if it is there already.
    """

    def __init__(self, folder: Path, app_id: str, now: Callable[[], dt.datetime], *, own_folder: bool = False) -> None:
        # Hexadecimal: an app's id may hold what no file name can.
        self.path = folder / f"{hashlib.sha256(app_id.encode()).hexdigest()[:32]}.sqlite"
        self.unreadable = 0
        self.problem: str | None = None
        self.now = now
        self._own_folder = own_folder
        self._patience_left = PATIENCE
        self._deadline = 0.0
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, ...] | None = None
        self._warned = False
        self._no_mark = Mark.random()

    def mark(self) -> Mark:
        """Give the present mark: `write` takes only what was asked for under it."""

        def work() -> Mark:
            salt, era = self._sql("SELECT salt, era FROM mark").fetchone() or (None, None)
            if not (isinstance(salt, bytes) and isinstance(era, bytes)):
                raise sqlite3.DatabaseError("it has no mark")
            return Mark(salt, era)

        return self._try(work) or self._no_mark

    def read(self, key: str) -> bytes | None:
        """Give the value of a key, expired or not."""
        row = self._try(lambda: self._sql("SELECT value FROM answers WHERE key = ?", key).fetchone())
        if row is not None and not isinstance(row[0], bytes):
            return b""  # somebody has written there: not a value that can be read
        return row and row[0]

    def write(
        self, key: str, value: bytes, asked: dt.datetime, expires: dt.datetime, *, era: bytes | None = None
    ) -> None:
        """Keep a value, unless the file was emptied since `era`: it may tell of somebody who is erased by now."""

        def work() -> None:
            self._sql(
                "INSERT OR REPLACE INTO answers SELECT ?, ?, ?, ? FROM mark WHERE era = IFNULL(?, era)",
                *(key, value, asked.timestamp(), expires.timestamp(), era),
            )
            if self._used() > MOST_BYTES:
                self._prune()

        self._try(work)

    def delete(self, key: str) -> bool:
        """Drop a value; tells whether there was one."""
        return bool(self._try(lambda: self._sql("DELETE FROM answers WHERE key = ?", key).rowcount))

    def keys(self) -> list[str]:
        """Give the keys of all values."""
        rows = self._try(lambda: self._sql("SELECT key FROM answers").fetchall()) or []
        return [bytes(key).decode("ascii", "replace") for (key,) in rows]

    def empty(self) -> None:
        """Leave nothing of what was kept, neither entries nor their bytes, whatever it takes."""

        def work() -> bool:
            self._sql("BEGIN IMMEDIATE")
            self._sql("DELETE FROM answers")
            self._sql("UPDATE mark SET era = randomblob(16)")
            self._sql("COMMIT")
            self._vacuum()
            return True

        self._no_mark = Mark.random()
        doomed = [self._beside(".damaged")]
        if not self._try(work):
            # Those who have the file open see that it is gone before they use it the next time.
            doomed += [self.path, self._beside("-journal")]
        try:
            for path in doomed:
                path.unlink(missing_ok=True)
        except NotADirectoryError:
            pass  # then there is no such file
        except OSError as error:
            # Each time, unlike the other troubles: people may be in it who should not be.
            warn(f"The cache could not be emptied ({_reason(error)}). Delete the file: {path}", CacheWarning)

    def info(self) -> CacheInfo:
        """Tell what there is."""
        row = self._try(lambda: self._sql("SELECT COUNT(*), MIN(asked) FROM answers").fetchone())
        entries, oldest = row or (0, None)
        when = None
        with contextlib.suppress(TypeError, ValueError, OverflowError, OSError):
            when = None if oldest is None else dt.datetime.fromtimestamp(oldest, dt.UTC)
        size = 0
        for path in (self.path, self._beside("-journal"), self._beside(".damaged")):
            with contextlib.suppress(OSError):
                size += path.stat().st_size
        return CacheInfo(self.path, entries, size, when, self.unreadable, self.problem)

    def close(self) -> None:
        """Close the file; from now on it is as if it were empty."""
        with self._lock:
            self._disconnect()
            self.problem = self.problem or "the client is closed"

    def __del__(self) -> None:
        self._disconnect()

    def _try(self, work: Callable[[], T]) -> T | None:
        """Do something with the open file. None means that it was no use; why is told once."""
        with self._lock:
            result, trouble = self._attempt(work)
            trouble = None if self._warned else trouble
            self._warned = self._warned or trouble is not None
        if trouble:
            warn(trouble, CacheWarning)
        return result

    def _attempt(self, work: Callable[[], T]) -> tuple[T | None, str | None]:
        trouble = None
        for last in (False, True):
            if self.problem:
                break
            start = time.monotonic()
            self._deadline = start + self._patience_left
            try:
                self._connect()
                result = work()
            except (sqlite3.Error, OSError) as error:
                moved = self._connection is not None and self._identity != self._identify()
                self._disconnect()
                if moved and not last:
                    continue  # somebody else has set it aside, or emptied it the hard way
                trouble = self._give_up(error) if last or not _is_damage(error) else self._set_aside(error)
            except BaseException:
                self._disconnect()  # Ctrl-C in the middle must not leave the file locked
                raise
            else:
                waited = time.monotonic() - start
                # So that many waits in a row do not add up.
                self._patience_left = PATIENCE if waited < _QUICK else self._patience_left - waited
                return result, trouble
        return None, trouble

    def _sql(self, text: str, *values: Any, patience: float | None = None) -> sqlite3.Cursor:
        assert self._connection is not None  # noqa: S101 - only called by _attempt, which connects
        left = self._deadline - time.monotonic() if patience is None else patience
        self._connection.execute(f"PRAGMA busy_timeout = {max(0, int(left * 1000))}")
        return self._connection.execute(text, values)

    def _connect(self) -> None:
        """Open the file, unless the one that is open is still the one at the path, and in this process."""
        identity = self._identify()
        if self._connection is not None and identity == self._identity:
            return
        self._disconnect()
        self._make_private()
        self._identity = self._identify()
        self._connection = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
        self._connection.text_factory = bytes
        # Overwrites what is deleted. With a write-ahead log, it would stay there for a while; nor is that to be used on
        # the network drives that many home folders are.
        self._sql("PRAGMA secure_delete = ON")
        self._sql("PRAGMA temp_store = MEMORY")
        # A cache need not outlive a power cut; one that is damaged by it is set aside.
        self._sql("PRAGMA synchronous = OFF")
        tables = self._sql("SELECT COUNT(*) FROM sqlite_master WHERE name IN ('answers', 'mark')").fetchone()
        if tables != (2,):
            for statement in _TABLES:
                self._sql(statement)
        self._prune()

    def _make_private(self) -> None:
        if not self.path.is_absolute():
            raise OSError("this account has no home folder to put it in")
        with contextlib.suppress(FileExistsError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=self._own_folder)
            self.path.parent.chmod(0o700)
        try:
            os.close(create_private(self.path))
        except FileExistsError:
            # Not opened to look at it: to close it would end the locks of other connections of this process.
            if reason := find_intruder(self.path):
                raise OSError(f"its file {reason}") from None
            if os.name != "nt" and self.path.stat().st_mode & 0o077:
                self.path.chmod(0o600)
        if reason := find_intruder(self._beside("-journal")):
            raise OSError(f"its journal {reason}")

    def _identify(self) -> tuple[int, ...] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return os.getpid(), found.st_dev, found.st_ino

    def _disconnect(self) -> None:
        connection, self._connection = getattr(self, "_connection", None), None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _used(self) -> int:
        pages, free, size = (
            self._sql(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _prune(self) -> None:
        now = self.now().timestamp()
        # Asked first, as to delete nothing also takes the right to write.
        if self._sql("SELECT 1 FROM answers WHERE expires <= ? LIMIT 1", now).fetchone():
            self._sql("DELETE FROM answers WHERE expires <= ?", now)
        if self._used() > MOST_BYTES:
            self._sql(_SHRINK, MOST_BYTES * 3 // 4)
            self._vacuum()

    def _vacuum(self) -> None:
        """Make the file smaller, if nobody else is at it; what was deleted has been overwritten anyway."""
        with contextlib.suppress(sqlite3.OperationalError):
            self._sql("VACUUM", patience=0)

    def _give_up(self, error: Exception) -> str:
        self.problem = _reason(error)
        return f"The cache cannot be used ({self.problem}): {self.path}. This client goes on without it."

    def _set_aside(self, error: Exception) -> str:
        aside = self._beside(".damaged")
        try:
            # First the journal: SQLite would play it back into the fresh file.
            self._beside("-journal").unlink(missing_ok=True)
            self.path.replace(aside)
        except OSError as problem:
            return self._give_up(problem)
        return f"The file of the cache is damaged ({_reason(error)}). It was set aside as {aside}, and a new one begun."

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)


def _is_damage(error: Exception) -> bool:
    """Whether the file is to blame, not the disk or those who hold it."""
    if not isinstance(error, sqlite3.DatabaseError):
        return False
    # As an OperationalError, SQLITE_ERROR: the tables are not the ones that were made.
    return not isinstance(error, sqlite3.OperationalError) or getattr(error, "sqlite_errorcode", 1) == 1


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
