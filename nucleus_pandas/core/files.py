"""Files that only this account can read, from their first byte."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import threading
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

_PIECE = 1 << 20
_FULL = re.compile(r"No space left|File too large|not enough space|[Dd]isk (is )?full|quota exceeded", re.IGNORECASE)
# Each of these exists on some systems only.
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class _Umask:
    """How many blocks need private files at present, and the umask from before the first of them."""

    lock = threading.Lock()
    users = 0
    before = 0


@contextlib.contextmanager
def private_umask() -> Iterator[None]:
    """Let everything that is created in this block be private, also by libraries that choose the mode themselves.

    The umask belongs to the process: files that other threads create meanwhile are private, too. Keep the block short.
    """
    with _Umask.lock:
        if not _Umask.users:
            _Umask.before = os.umask(0o077)
        _Umask.users += 1
    try:
        yield
    finally:
        with _Umask.lock:
            _Umask.users -= 1
            if not _Umask.users:
                os.umask(_Umask.before)


def create_private(path: Path) -> int:
    """Create a file with mode 0600 and return its descriptor.

    Raises
    ------
    FileExistsError
        When there is anything at the path, even a symbolic link that leads nowhere.
    """
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | _NO_FOLLOW, 0o600)


def make_private(path: Path) -> None:
    """Take the rights of other accounts from a file of ours; nothing if there is none."""
    if os.name == "posix" and path.exists() and path.stat().st_mode & 0o077:
        path.chmod(0o600)


def write_private(path: Path, content: str | bytes, *, replace: bool = True) -> None:
    """Write a file as `open_private` does."""
    with open_private(path, replace=replace) as file:
        file.buffer.write(content.encode("utf-8") if isinstance(content, str) else content)


@contextlib.contextmanager
def open_private(path: Path, *, replace: bool = True) -> Iterator[TextIOWrapper]:
    """Open a file of mode 0600 for writing; it gets its name only when it is complete and on disk.

    Raises
    ------
    FileExistsError
        When there is a file at the path and `replace` is false.
    OSError
        When the file cannot be written, for example on a full disk; the message names the path.
    """
    part = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(create_private(part), "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            part.replace(path)
        else:
            rename_new(part, path)
    except OSError as error:
        if error.errno is None or str(error.filename or part) != str(part):
            raise
        full = "; nothing was written. Free space, or choose another path" if is_full(str(error)) else ""
        raise OSError(error.errno, f"{error.strerror}{full}", str(path)) from None
    finally:
        part.unlink(missing_ok=True)


def is_full(message: str) -> bool:
    """Say whether an error message of the system or of DuckDB means that a disk is full."""
    return _FULL.search(message) is not None


def rename_new(source: Path, target: Path) -> None:
    """Rename a file to a name that is free.

    Raises
    ------
    FileExistsError
        When there is anything at the target, also if another process put it there at this moment.
    """
    try:
        target.hardlink_to(source)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(target):
            raise FileExistsError(f"There is a file at {target} already.") from None
        source.replace(target)
    else:
        source.unlink()


def full_path(argument: str, path: str | os.PathLike[str]) -> Path:
    """Return an absolute path, with ``~`` replaced.

    Raises
    ------
    ValueError
        For ``~name`` without such a user, and for a name that is too long; `argument` is named in the message.
    """
    try:
        full = Path(path).expanduser().absolute()
    except RuntimeError:
        raise ValueError(f"{argument}={str(path)!r}: the home folder is unknown. Write the full path.") from None
    if is_too_long(full):
        raise ValueError(f"{argument}={str(path)!r:.80}: the name is too long. Choose a shorter one.")
    return full


def is_too_long(path: Path) -> bool:
    """Say whether no file can have a path because a name in it, or all of it, is too long."""
    try:
        path.lstat()
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    except ValueError:  # a NUL, which is reported elsewhere
        return False
    return False


def is_special(path: Path) -> bool:
    """Say whether a path is a pipe, a socket or a device, which could block whoever opens it."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def find_intruder(path: Path, *owners: int, folder: bool = False) -> str | None:
    """Say why the file or folder at a path cannot be one of ours; None when it can, and when there is nothing.

    Parameters
    ----------
    path : Path
    *owners : int
        User ids that may own it besides the present one.
    folder : bool
        Expect a folder instead of a regular file.
    """
    try:
        found = path.lstat()
    except OSError:
        return None
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link"
    if folder and not stat.S_ISDIR(found.st_mode):
        return "is not a folder"
    if not folder and not stat.S_ISREG(found.st_mode):
        return "is not a regular file"
    if hasattr(os, "getuid") and found.st_uid not in (os.getuid(), *owners):
        return "belongs to another account"
    return None


def erase(path: Path) -> None:
    """Overwrite a file with zeros, then delete it.

    A file that has other names (hard links) keeps its content under them: it is only deleted here. Where the file
    cannot be opened for writing or the disk refuses, it is deleted without being overwritten.

    Raises
    ------
    BlockingIOError
        While another process holds a lock on the file; nothing is changed.
    OSError
        When it cannot be deleted.
    """
    found = path.lstat()
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        try:
            _overwrite(path, found.st_size)
        except BlockingIOError:
            raise
        except OSError:
            pass
    path.unlink(missing_ok=True)


def _overwrite(path: Path, size: int) -> None:
    with os.fdopen(os.open(path, os.O_RDWR | _NO_FOLLOW), "r+b", buffering=0) as file:
        _lock(file.fileno())
        zeros = bytes(_PIECE)
        while size > 0:
            size -= file.write(zeros[:size])
        os.fsync(file.fileno())


def _lock(descriptor: int) -> None:
    """Take the lock that DuckDB and SQLite take on a file, without waiting."""
    try:
        import fcntl
    except ImportError:  # Windows opens no file for writing that another process has open
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except PermissionError:  # what some systems say instead
        raise BlockingIOError from None


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk, so that a power failure brings back no earlier state."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:  # a folder that cannot be listed, or a file system that does not know this
        os.sync()
