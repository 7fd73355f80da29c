"""The file of a store: who may open it, when, and what is said when it cannot be opened.

DuckDB lets no second process in, not even to read, while one has the file open to write. So it is open for one
operation at a time, and whoever finds it taken waits a while.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nucleus_pandas.exceptions import StoreError, StoreLockedError
from nucleus_pandas.store import schema

if TYPE_CHECKING:
    import duckdb

#: Seconds that others are waited for.
PATIENCE = 10.0
_TELL_AFTER = 1.0
_STEP = 0.05
# What is not a DuckDB file may make it look for an extension on the network.
_SETTINGS = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_TAKEN = re.compile("Could not set lock|being used by another process|different configuration|handle conflict")
_HOLDER = re.compile(r"\(PID (\d+)\)")
_FULL = re.compile(r"No space left|File too large|not enough space|[Dd]isk (is )?full")
_DAMAGED = re.compile("[Cc]orrupt|checksum|not a valid DuckDB|Could not read enough bytes|[Ss]erializ|magic bytes")
_FORBIDDEN = re.compile("Permission denied|[Rr]ead-only|Access is denied")
_NEWER = re.compile("version number|newer version")

_LOCKS: dict[Path, threading.Lock] = {}


class Database:
    """The DuckDB file at a path, links followed; made when it is first written to.

    It is attached under a name of its own, so that nothing depends on what the file is called.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self._lock = _LOCKS.setdefault(self.path, threading.Lock())

    def __reduce__(self) -> tuple[type[Database], tuple[Path]]:
        return Database, (self.path,)

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return self.path.exists()

    @contextlib.contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file to read.

        Raises
        ------
        StoreLockedError
            When another program has it open for more than 10 seconds.
        StoreError
            When there is none, or it is not a store, damaged, or of a newer version.
        """
        if not self.exists:
            raise StoreError(f"There is no store at {self.path} yet. nucleus_pandas.sync(client, store, ...) makes it.")
        with self._open(read_only=True) as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file for one transaction, which is committed at the end or, after an error, not at all.

        Raises
        ------
        StoreLockedError, StoreError
            As `reading`; and when the disk is full or the file read-only.
        """
        if not self.exists:
            self._create()
        with self._open(read_only=False) as connection:
            self._hide_log(connection)
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Keep other syncs and erasures of this store away, in whatever process; reading goes on."""
        import sqlite3

        try:
            # SQLite's lock is there on every system, and free again when its process dies.
            lock = sqlite3.connect(f"{self.path}.lock", isolation_level=None, timeout=0)
        except sqlite3.OperationalError:
            raise _no_folder(self.path) from None
        with contextlib.closing(lock):
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise _no_folder(self.path) from None
                raise StoreLockedError(
                    f"Another sync, export or erasure is at work on {self.path}. Wait until it is done, then {what} "
                    "again; nothing was changed."
                ) from None
            yield

    def rewrite(self) -> None:
        """Write the file anew, without what was deleted from it: DuckDB leaves that there until it needs the room.

        Only for whoever is `alone`: what others write meanwhile would be lost.
        """
        with self._private_folder() as folder:
            fresh = folder / self.path.name
            # To write, as a log that is left over would otherwise be taken for the new file's.
            with self._open(read_only=False) as connection:
                connection.execute(f"ATTACH {_quoted(str(fresh))} AS fresh")
                connection.execute("COPY FROM DATABASE store TO fresh")
                connection.execute("DETACH fresh")
            if Path(f"{self.path}.wal").exists():
                raise StoreError(f"{self.path} could not be written anew; what was in it is still there.")
            fresh.chmod(stat.S_IRUSR | stat.S_IWUSR)
            fresh.replace(self.path)

    def _create(self) -> None:
        """Make an empty store; it gets its name when it is whole, and can be read by nobody else before it has any."""
        with self._private_folder() as folder:
            fresh = folder / self.path.name
            with _errors(self.path):
                connection = _connect(fresh, read_only=False)
                connection.execute("BEGIN")
                schema.create(connection)
                connection.execute("COMMIT")
                connection.close()
            fresh.chmod(stat.S_IRUSR | stat.S_IWUSR)
            fresh.replace(self.path)

    @contextlib.contextmanager
    def _private_folder(self) -> Iterator[Path]:
        """A folder beside the file for what is not finished."""
        try:
            folder = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", dir=self.path.parent))
        except OSError:
            raise _no_folder(self.path) from None
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def _open(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._turn(), _errors(self.path):
            connection = self._wait_for(read_only=read_only)
            # Where DuckDB puts what does not fit into memory.
            spill = Path(f"{self.path}.tmp")
            with contextlib.suppress(OSError):
                spill.mkdir(mode=0o700)
            try:
                connection.execute(f"SET temp_directory = {_quoted(str(spill))}")
                schema.check(connection, self.path)
                yield connection
            finally:
                connection.close()  # what is not committed by now is not kept
                with contextlib.suppress(OSError):
                    spill.rmdir()

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One operation at a time in this process: DuckDB does not open a file in two ways at once."""
        if not self._lock.acquire(timeout=_TELL_AFTER):
            self._tell()
            if not self._lock.acquire(timeout=PATIENCE):
                raise self._locked("another thread of this program")
        try:
            yield
        finally:
            self._lock.release()

    def _wait_for(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        import duckdb

        begun, told = time.monotonic(), False
        while True:
            try:
                return _connect(self.path, read_only=read_only)
            except duckdb.Error as error:
                text = str(error)
            if not _TAKEN.search(text):
                raise _explained(self.path, text)
            waited = time.monotonic() - begun
            if waited > PATIENCE:
                holder = _HOLDER.search(text)
                raise self._locked(
                    f"process {holder[1]}" if holder else "another connection of this or another program"
                )
            if waited > _TELL_AFTER and not told:
                self._tell()
                told = True
            time.sleep(_STEP)

    def _tell(self) -> None:
        print(f"{self.path.name} is in use; waiting up to {PATIENCE:g} s for a turn.", file=sys.stderr)  # noqa: T201

    def _locked(self, holder: str) -> StoreLockedError:
        return StoreLockedError(
            f"{self.path} is still in use by {holder} after {PATIENCE:g} s. Close the connection that is open there "
            "(a notebook, a database tool, another script), then try again. Nothing was changed."
        )

    def _hide_log(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let nobody else read the write-ahead log, which DuckDB makes anew with the first transaction of a connection.

        So that is one without anything in it that is anybody's; and the log stays until the file is closed.
        """
        connection.execute("SET checkpoint_threshold = '1TB'")
        connection.execute("UPDATE kept.meta SET value = value::BIGINT + 1 WHERE key = 'openings'")
        with contextlib.suppress(FileNotFoundError):
            Path(f"{self.path}.wal").chmod(stat.S_IRUSR | stat.S_IWUSR)


def _connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(config=dict(_SETTINGS))
    try:
        connection.execute(f"ATTACH {_quoted(str(path))} AS store{' (READ_ONLY)' if read_only else ''}")
        connection.execute("USE store")
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    """Say what is wrong with the file in place of DuckDB's own words, which can hold parts of the data."""
    import duckdb

    try:
        yield
    except (duckdb.IOException, duckdb.OperationalError, duckdb.InternalError, duckdb.FatalException) as error:
        raise _explained(path, str(error)) from None
    except duckdb.Error as error:
        if type(error) is not duckdb.Error:  # a mistake in a query, which is the caller's
            raise
        raise _explained(path, str(error)) from None
    except RuntimeError as error:
        if str(error) == "Query interrupted":  # what DuckDB makes of Ctrl-C
            raise KeyboardInterrupt from None
        raise


def _explained(path: Path, text: str) -> StoreError:
    if _FULL.search(text):
        return StoreError(f"The disk with {path} is full. What was in the store before is still there; make room.")
    if _NEWER.search(text):
        return StoreError(f"{path} was written by a newer DuckDB: pip install --upgrade duckdb.")
    if _DAMAGED.search(text):
        return StoreError(
            f"{path} is damaged or no DuckDB file. Nothing in it was changed. Bring back a copy if you have one, or "
            "move it away and sync again."
        )
    if "Is a directory" in text:
        return StoreError(f"{path} is a folder. Write the path of a file, such as {path / 'myapp.duckdb'}.")
    if _FORBIDDEN.search(text):
        return StoreError(f"{path} cannot be written or read by this user. Change its permissions, or use a copy.")
    return StoreError(f"{path} could not be used by DuckDB. What was in it before is still there.")


def _no_folder(path: Path) -> StoreError:
    return StoreError(
        f"Nothing can be written in the folder {path.parent}. Make it, change its permissions, or choose another path "
        "for the store."
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
