"""The file of a store: who may open it, when, and what the error says when it cannot be opened.

DuckDB lets no second process in, not even to read, while one has the file open for writing. So it is open for one
operation at a time, and whoever finds it in use waits a while.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nucleus_pandas.core.files import (
    erase,
    find_intruder,
    full_path,
    is_full,
    is_too_long,
    private_umask,
    rename_new,
    sync_folder,
)
from nucleus_pandas.exceptions import StoreError, StoreLockedError
from nucleus_pandas.store import schema, side_files

if TYPE_CHECKING:
    import duckdb

#: How many seconds to wait for another process or thread that has the store open.
PATIENCE = 10.0
_TELL_AFTER = 1.0
# Of the files beside the store.
_LONGEST_SUFFIX = ".wal.checkpoint"
_STEP = 0.05
# How long a sync waits for the lock, which others hold for a moment to clean up after a crash.
_LOCK_PATIENCE = 1.0
# A file that is not DuckDB's may make it look for an extension on the network.
_SETTINGS = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_TAKEN = re.compile("Could not set lock|being used by another process|different configuration|handle conflict")
_HOLDER = re.compile(r"\(PID (\d+)\)")
# DuckDB opens a CSV file as a table in memory, unless it is to be opened for reading only.
_DAMAGED = re.compile(
    "[Cc]orrupt|checksum|not a valid DuckDB|Could not read enough bytes|[Ss]erializ|magic bytes|in-memory database"
)
_FORBIDDEN = re.compile("Permission denied|[Rr]ead-only|Access is denied|Operation not permitted")
_NEWER = re.compile("version number|newer version")


@dataclass
class _Use:
    """How this process uses a store: one operation at a time, and whether one of its threads holds the lock."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    alone: bool = False


_USES: dict[Path, _Use] = {}


class Database:
    """The DuckDB file at a path, links followed; created when it is first written to.

    It is attached under the name ``store``, so that nothing depends on the name of the file.

    Raises
    ------
    ValueError
        For a path that DuckDB would read as another one.
    """

    def __init__(self, path: Path) -> None:
        _check_name(path)
        self.path = full_path("path", path).resolve()
        _check_name(self.path)
        self._use = _USES.setdefault(self.path, _Use())

    def __reduce__(self) -> tuple[type[Database], tuple[Path]]:
        return Database, (self.path,)

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return self.path.exists()

    @contextlib.contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file for reading.

        Raises
        ------
        StoreLockedError
            When another program has it open for more than 10 seconds.
        StoreError
            When there is none, or it is not a store, damaged, or of another version.
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
            self._begin_log(connection)
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Keep other syncs, exports and erasures of this store away, in any process; reading goes on.

        What a crash left behind is removed first. The lock file exists only as long as the lock is held.

        Raises
        ------
        StoreLockedError
            When another one is at work.
        StoreError
            When the lock file cannot be created, or another account put it there.
        """
        with side_files.lock(self.path, seconds=_LOCK_PATIENCE) as held:
            if not held:
                raise StoreLockedError(
                    f"Another sync, export or erasure is at work on {self.path}. Wait until it is done, then {what} "
                    "again; nothing was changed."
                )
            try:
                self._use.alone = True
                if side_files.find_copies(self.path):
                    with self._turn():
                        side_files.remove_copies(self.path)
                yield
            finally:
                self._use.alone = False

    def leftovers(self) -> list[Path]:
        """Get the folders and files beside the store that hold copies or rows of it, which a crash left behind.

        Call it while `alone`; what others are working on counts, too.

        Returns
        -------
        list of pathlib.Path
            Empty, unless they cannot be removed: they belong to another account, or a process still reads a file that
            was replaced. The next operation on the store tries again.
        """
        return side_files.find_copies(self.path) + side_files.find_spilled(self.path)

    def rewrite(self) -> None:
        """Write the file anew, without what was deleted from it: DuckDB leaves deleted rows there until it needs room.

        Other syncs and erasures are kept away meanwhile, as what they write would be lost.

        Raises
        ------
        StoreLockedError, StoreError
            As `writing`; the store is what it was before.

        Notes
        -----
        The old file is overwritten with zeros before it is deleted. So are the write-ahead log whenever the store is
        closed, and copies and spilled rows that a crash left. If another process still reads the old file after 10
        seconds, the next operation on the store overwrites it.

        This reaches the blocks that these files occupy at that moment, no others. Deleted rows can remain on the disk:
        in blocks that DuckDB itself gave back, from spill files or when it made the store shorter; on file systems that
        write changes elsewhere or keep snapshots or journals of data (btrfs, ZFS, APFS); in the spare blocks of SSDs;
        and in backups. Where the file system has no hard links, files are deleted without being overwritten; a file
        that has other names keeps its content under them. Only an encrypted disk covers all of these.
        """
        with self._kept_alone("write"), self._turn(), _errors(self.path), _own_errors(self.path):
            self._remove_leftovers()
            copy = side_files.make_copies_folder(self.path) / "copy"
            try:
                # For writing, as otherwise a log that is left over would be taken for the new file's.
                with self._connection(read_only=False) as connection:
                    self._copy_to(copy, connection)
                if side_files.log_of(self.path).exists():
                    raise StoreError(f"{self.path} could not be rewritten; it still holds what it held before.")
                self._replace_with(copy)
            finally:
                side_files.remove_copies(self.path)

    def _copy_to(self, copy: Path, connection: duckdb.DuckDBPyConnection) -> None:
        """Write a copy and make sure that it is complete."""
        connection.execute("CHECKPOINT store")
        with private_umask():
            connection.execute(f"ATTACH {_quoted(str(copy))} AS fresh")
        connection.execute("COPY FROM DATABASE store TO fresh")
        connection.execute("CHECKPOINT fresh")
        connection.execute("DETACH fresh")
        rows = schema.count_rows(connection)
        with self._finished(copy) as written:
            if schema.count_rows(written) != rows:
                raise _unfinished(self.path)

    def _replace_with(self, copy: Path) -> None:
        """Put a copy in the place of the file, and overwrite the old one."""
        old = copy.with_name(f"old-{time.time_ns()}")
        with contextlib.suppress(OSError):
            old.hardlink_to(self.path)
            if self.path.stat().st_nlink < 2:  # a file system that does not tell links from copies
                old.unlink()
        copy.replace(self.path)
        sync_folder(self.path.parent)
        begun = time.monotonic()
        while old.exists() and time.monotonic() - begun < PATIENCE:
            try:
                erase(old)
            except BlockingIOError:
                time.sleep(_STEP)
            except OSError:
                break

    def _create(self) -> None:
        """Create an empty store; it gets its name when it is complete."""
        with self._kept_alone("write"), self._turn(), _errors(self.path), _own_errors(self.path):
            if self.exists:  # by now
                return
            self._remove_leftovers()
            if (log := side_files.log_of(self.path)).exists():
                raise StoreError(f"{log} is the log of a store that is gone. Move it away, then try again.")
            copy = side_files.make_copies_folder(self.path) / "copy"
            try:
                with private_umask(), contextlib.closing(_connect(copy, read_only=False)) as connection:
                    connection.execute("BEGIN")
                    schema.create(connection)
                    connection.execute("COMMIT")
                    connection.execute("CHECKPOINT")
                with self._finished(copy):
                    pass
                with contextlib.suppress(FileExistsError):
                    rename_new(copy, self.path)
                sync_folder(self.path.parent)
            finally:
                side_files.remove_copies(self.path)

    @contextlib.contextmanager
    def _finished(self, copy: Path) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a copy to check it; raise when it is not a complete store."""
        if side_files.log_of(copy).exists():
            raise _unfinished(self.path)
        with contextlib.closing(_connect(copy, read_only=True)) as connection:
            schema.check(connection, self.path)
            yield connection

    @contextlib.contextmanager
    def _kept_alone(self, what: str) -> Iterator[None]:
        """As `alone`, unless this process is alone already."""
        with contextlib.nullcontext() if self._use.alone else self.alone(what):
            yield

    def _remove_leftovers(self) -> None:
        """Remove copies that a crash left behind, unless another process is at work on the store."""
        copies = side_files.copies_of(self.path)
        if not os.path.lexists(copies) or find_intruder(copies, folder=True):
            return
        if self._use.alone:
            side_files.remove_copies(self.path)
            return
        with contextlib.suppress(StoreError), side_files.lock(self.path, seconds=0) as held:
            if held:
                side_files.remove_copies(self.path)

    @contextlib.contextmanager
    def _open(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._turn(), _errors(self.path):
            with contextlib.suppress(OSError):
                self._remove_leftovers()
            with self._connection(read_only=read_only) as connection:
                yield connection

    @contextlib.contextmanager
    def _connection(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file; the caller has the turn."""
        side_files.refuse_intruders(self.path)
        if not read_only:
            side_files.make_private(self.path)
        connection = self._wait_for(read_only=read_only)
        spill = side_files.spill_of(self.path)
        try:
            if not read_only:
                side_files.remove_spilled(self.path)
            with contextlib.suppress(OSError):
                spill.mkdir(mode=0o700, exist_ok=True)
                spill.chmod(0o700)
            connection.execute(f"SET temp_directory = {_quoted(str(spill))}")
            schema.check(connection, self.path)
            yield connection
        finally:
            if read_only:
                connection.close()
            else:
                self._close(connection)
            with contextlib.suppress(OSError):
                spill.rmdir()

    def _close(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Close the file after writing; what is not committed by now is not kept.

        DuckDB then deletes its log, which holds everything that was written. A second name of it lets us overwrite it.
        """
        log = side_files.copies_of(self.path) / f"log-{time.time_ns()}"
        with contextlib.suppress(OSError, StoreError):
            side_files.make_copies_folder(self.path)
            log.hardlink_to(side_files.log_of(self.path))
        with private_umask():
            connection.close()
        with contextlib.suppress(OSError):
            erase(log)
        with contextlib.suppress(OSError):
            log.parent.rmdir()

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One operation at a time in this process: DuckDB does not open a file in two ways at once."""
        if not self._use.turn.acquire(timeout=_TELL_AFTER):
            self._tell()
            if not self._use.turn.acquire(timeout=PATIENCE):
                raise self._locked("another thread of this program")
        try:
            yield
        finally:
            self._use.turn.release()

    def _wait_for(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        import duckdb

        begun, announced = time.monotonic(), False
        while True:
            opened = side_files.identify(self.path)
            try:
                return _connect(self.path, read_only=read_only)
            except duckdb.Error as error:
                text = str(error)
            if not _TAKEN.search(text):
                if side_files.identify(self.path) not in (None, opened):
                    continue  # the file was rewritten meanwhile, and the old one overwritten
                raise _explained(self.path, text)
            waited = time.monotonic() - begun
            if waited > PATIENCE:
                holder = _HOLDER.search(text)
                raise self._locked(
                    f"process {holder[1]}" if holder else "another connection of this or another program"
                )
            if waited > _TELL_AFTER and not announced:
                self._tell()
                announced = True
            time.sleep(_STEP)

    def _tell(self) -> None:
        print(f"{self.path.name} is in use; waiting up to {PATIENCE:g} s for a turn.", file=sys.stderr)  # noqa: T201

    def _locked(self, holder: str) -> StoreLockedError:
        return StoreLockedError(
            f"{self.path} is still in use by {holder} after {PATIENCE:g} s. Close the connection that is open there "
            "(a notebook, a database tool, another script), then try again. Nothing was changed."
        )

    def _begin_log(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let DuckDB create the write-ahead log privately, by a transaction that holds nothing of anybody.

        The log stays until the file is closed, as there is no checkpoint before.
        """
        connection.execute("SET checkpoint_threshold = '1TB'")
        with private_umask():
            connection.execute("UPDATE kept.meta SET value = value::BIGINT + 1 WHERE key = 'openings'")
        side_files.refuse_intruders(self.path)


def _check_name(path: Path) -> None:
    r"""Reject what DuckDB does not take literally: `?` begins options, `\` separates folders, text must be UTF-8."""
    name = str(path).removeprefix("\\\\?\\")
    odd = "?\0" if os.name == "nt" else "?\0\\"
    if found := next((character for character in odd if character in name), None):
        raise ValueError(f"path={str(path)!r}: DuckDB cannot open a path with {found!r}. Choose another one.")
    if is_too_long(Path(f"{path}{_LONGEST_SUFFIX}")):
        raise ValueError(f"path={str(path)!r:.80}: the name is too long for a store. Choose a shorter one.")
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise ValueError(f"path={str(path)!r} is not valid UTF-8, so DuckDB cannot open it. Choose another one.")


def set_up(connection: duckdb.DuckDBPyConnection) -> None:
    """Use UTC instead of the machine's zone, and draw no progress bar on stdout."""
    import duckdb

    connection.execute("SET TimeZone = 'UTC'")
    with contextlib.suppress(duckdb.InvalidInputException):  # in a notebook without ipywidgets, where there is none
        connection.execute("SET enable_progress_bar = false")


def _connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(config=dict(_SETTINGS))
    try:
        set_up(connection)
        with private_umask():  # to write, DuckDB applies the log that a crash left
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


@contextlib.contextmanager
def _own_errors(path: Path) -> Iterator[None]:
    """Explain any error of DuckDB or the operating system where no query is the caller's."""
    import duckdb

    try:
        yield
    except (OSError, duckdb.Error) as error:
        raise _explained(path, getattr(error, "strerror", None) or str(error)) from None


def _explained(path: Path, text: str) -> StoreError:
    if is_full(text):
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


def _unfinished(path: Path) -> StoreError:
    return StoreError(
        f"A new copy of {path} could not be completed: the disk may be full. What was in the store before is still "
        "there; make room and try again."
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
