"""The files beside a store: its lock, its write-ahead log, rows that DuckDB spills, and unfinished copies."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nucleus_pandas.core.files import create_private, erase, find_intruder, is_special, sync_folder
from nucleus_pandas.exceptions import StoreError

if TYPE_CHECKING:
    import sqlite3

# One thread at a time creates lock files: to close one would release the lock that another thread took meanwhile.
_CREATING = threading.Lock()
# How DuckDB begins the names of the files it spills to.
_SPILLED = "duckdb_temp"


def log_of(store: Path) -> Path:
    """Return the path of the write-ahead log."""
    return Path(f"{store}.wal")


def spill_of(store: Path) -> Path:
    """Return the folder where DuckDB puts what does not fit into memory."""
    return Path(f"{store}.tmp")


def copies_of(store: Path) -> Path:
    """Return the folder for copies of the store that are not finished, or not erased yet."""
    return store.with_name(f".{store.name}.unfinished")


def refuse_intruders(store: Path) -> None:
    """Raise when another account may have created the log or the spill folder, and for a pipe in place of a file."""
    for path in (store, Path(f"{store}.erased")):
        if is_special(path):
            raise StoreError(f"{path} is not a regular file, so the store was not opened. Find out who made it.")
    _refuse_intruder(store, log_of(store))
    _refuse_intruder(store, spill_of(store), folder=True)


def make_private(store: Path) -> None:
    """Remove other accounts' access to the store and its log, which a copied file may allow."""
    for path in (store, log_of(store)):
        with contextlib.suppress(OSError):
            if os.name != "nt" and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
                path.chmod(mode & 0o700)


@contextlib.contextmanager
def lock(store: Path, *, seconds: float) -> Iterator[bool]:
    """Keep other processes and threads from working on the store; yield whether that succeeded in time.

    Raises
    ------
    StoreError
        When the lock file cannot be created, or another account created it.
    """
    path = Path(f"{store}.lock")
    while True:
        with _CREATING:
            _make_lock_file(store, path)
        locked = identify(path)
        with contextlib.closing(_connect(store, path, seconds)) as connection:
            held = _begin(store, path, connection)
            # The previous holder deleted the file at the end; a lock on a deleted file keeps nobody out.
            if held and (locked is None or identify(path) != locked):
                continue
            try:
                yield held
            finally:
                if held:
                    with contextlib.suppress(OSError):  # Windows deletes no open file; an empty one does no harm
                        path.unlink()
            return


def _connect(store: Path, path: Path, seconds: float) -> sqlite3.Connection:
    import sqlite3

    try:
        # SQLite's lock exists on every system, and is released when its process dies.
        return sqlite3.connect(path, isolation_level=None, timeout=seconds)
    except sqlite3.OperationalError as error:
        raise cannot_write(store, error) from None


def _begin(store: Path, path: Path, connection: sqlite3.Connection) -> bool:
    import sqlite3

    try:
        connection.execute("PRAGMA journal_mode = OFF")  # a journal would be one more file
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise cannot_write(store, error) from None
        return False
    except sqlite3.DatabaseError:
        raise StoreError(f"{path} is not a lock file. Remove it, then try again.") from None
    return True


def _make_lock_file(store: Path, path: Path) -> None:
    while True:
        try:
            os.close(create_private(path))
        except FileExistsError:
            _refuse_intruder(store, path)
        except OSError as error:
            raise cannot_write(store, error) from None
        try:
            if os.name == "nt" or not stat.S_IMODE(path.lstat().st_mode) & 0o077:
                return
            # Other accounts can open such a file, and their read locks would count.
            path.unlink()
        except FileNotFoundError:  # deleted at this moment
            continue
        except OSError:
            raise StoreError(
                f"Other accounts can read {path}, so they could block the store, and it cannot be replaced. Remove it."
            ) from None


def make_copies_folder(store: Path) -> Path:
    """Make the folder for copies, which only this account can read; the caller holds the lock."""
    folder = copies_of(store)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        _refuse_intruder(store, folder, folder=True)
        folder.chmod(0o700)
    except OSError as error:
        raise cannot_write(store, error) from None
    return folder


def find_copies(store: Path) -> list[Path]:
    """Return the folder with copies of the store: while the lock is free, a crash left them."""
    folder = copies_of(store)
    return [folder] if folder.is_dir() and not folder.is_symlink() else []


def find_spilled(store: Path) -> list[Path]:
    """Return the files with rows that were spilled: while the store is closed, a crash left them."""
    folder = spill_of(store)
    return [folder / name for name in _names_in(folder) or () if name.startswith(_SPILLED)]


def remove_copies(store: Path) -> None:
    """Erase copies where possible; the caller holds the lock.

    A file that another process still reads stays until the next time.
    """
    # Before the old file is overwritten, its name must belong to the new one even after a power failure.
    sync_folder(store.parent)
    for folder in find_copies(store):
        if find_intruder(folder, *_owner(store), folder=True):
            continue
        for name in _names_in(folder) or ():
            file = folder / name
            with contextlib.suppress(OSError):
                if identify(file) == identify(store):  # linked, and not replaced before the crash
                    file.unlink()
                else:
                    erase(file)
        with contextlib.suppress(OSError):
            folder.rmdir()


def remove_spilled(store: Path) -> None:
    """Erase rows that a crashed process spilled; the caller has the store open for writing."""
    for file in find_spilled(store):
        with contextlib.suppress(OSError):
            erase(file)


def _names_in(folder: Path) -> list[str] | None:
    """Return the names in a folder; None when it is absent or cannot be read."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - names, not paths
    except OSError:
        return None


def _refuse_intruder(store: Path, path: Path, *, folder: bool = False) -> None:
    if reason := find_intruder(path, *_owner(store), folder=folder):
        raise StoreError(f"{path} {reason}, so the store was not opened. Find out who made it, and remove it.")


def _owner(store: Path) -> list[int]:
    """Return the user id of the store's owner, who may differ from the user for root and for readers."""
    with contextlib.suppress(OSError):
        return [store.stat().st_uid]
    return []


def identify(path: Path) -> tuple[int, int] | None:
    """Return the identity of a file, which a new file of the same name does not share; None without a file."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def cannot_write(store: Path, error: Exception) -> StoreError:
    """Make the error for a folder in which nothing can be created."""
    reason = (isinstance(error, OSError) and error.strerror) or str(error)
    return StoreError(
        f"Cannot write to the folder {store.parent} ({reason}). Create it, change its permissions, or choose another "
        "path for the store."
    )
