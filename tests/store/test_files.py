"""The files of a store are private and complete at every moment, and what a crash leaves is erased."""

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import nucleus_pandas as nu
from nucleus_pandas.core.files import create_private, erase, private_umask, rename_new, write_private
from nucleus_pandas.store import database, schema, side_files
from tests.store.conftest import ALL, kept, quiet_sync

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes, links, locks and limits of POSIX")
needs_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives files away")
SIDE_FILES = ["app.duckdb.lock", "app.duckdb.wal", "app.duckdb.tmp", ".app.duckdb.unfinished"]
PERSON = "ana.kovacs@example.org"


def python(code, *arguments, **settings):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, **settings)


@pytest.fixture
def made(store):
    """A store without users; one of its tables holds a text to look for."""
    with store.database.writing() as connection:
        connection.execute("INSERT INTO kept.exports SELECT ? || i, now() FROM range(5000) t(i)", [PERSON])
    return store


def names_beside(store):
    return sorted(path.name for path in store.path.parent.iterdir())


def count(store):
    return int(kept(store, "SELECT count(*) AS n FROM kept.exports")["n"][0])


def create(store):
    with store.database.writing():
        pass


def use_all(store):
    """Use each of the files beside a store."""
    with store.database.alone("sync"):
        store.database.rewrite()


# Private from the first byte


@pytest.fixture
def open_to_all(monkeypatch):
    """Lets new files be readable by everybody, and takes away the means to change that later."""
    before = os.umask(0)
    monkeypatch.setattr(os, "chmod", lambda *_, **__: None)
    monkeypatch.setattr(os, "fchmod", lambda *_, **__: None)
    yield
    os.umask(before)


def modes_beside(path):
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.rglob("*")}


def test_log_lock_and_spill_folder_are_created_private(store, open_to_all):
    with store.database.alone("sync"), store.database.writing() as connection:
        connection.execute("INSERT INTO kept.exports VALUES ('x', now())")
        connection.execute("COMMIT")
        modes = modes_beside(store.path)
        connection.execute("BEGIN")
    assert modes == {
        "app.duckdb": 0o600,
        "app.duckdb.wal": 0o600,
        "app.duckdb.lock": 0o600,
        "app.duckdb.tmp": 0o700,
    }


def test_copies_are_created_private(made, open_to_all, monkeypatch):
    modes = {}
    real = Path.replace

    def replace(self, target):
        modes.update(modes_beside(made.path))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    made.database.rewrite()
    assert modes[".app.duckdb.unfinished"] == 0o700
    assert modes["copy"] == 0o600
    assert set(modes.values()) == {0o600, 0o700}


def test_a_log_that_a_later_opening_creates_is_private(made, open_to_all):
    with made.database.writing() as connection:
        connection.execute("INSERT INTO kept.exports VALUES ('x', now())")
        connection.execute("COMMIT")
        assert modes_beside(made.path)["app.duckdb.wal"] == 0o600
        connection.execute("BEGIN")


def test_a_store_and_a_log_that_others_can_read_are_made_private_before_anything_is_written(made):
    code = """
    import os, sys, nucleus_pandas as nu
    with nu.EventStore(sys.argv[1]).database.writing() as connection:
        connection.execute("INSERT INTO kept.exports VALUES ('x', now())")
        connection.execute("COMMIT")
        os._exit(0)
    """
    process = python(code, made.path)
    assert process.communicate()[1] == ""
    log = Path(f"{made.path}.wal")
    for path in (made.path, log):
        path.chmod(0o644)
    with made.database.writing():
        assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert count(made) == 5001


def test_a_report_is_private_from_its_first_byte(tmp_path, open_to_all):
    path = nu.Report("Week").save(tmp_path / "week.html")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names_in(tmp_path) == ["week.html"]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_umask_is_as_before_once_the_last_block_has_ended():
    before = os.umask(0o022)
    try:
        with private_umask():
            with private_umask():
                pass
            assert os.umask(0o077) == 0o077
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_private_file_is_not_created_through_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        create_private(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_cannot_be_written_completely_leaves_the_old_one(tmp_path, monkeypatch):
    write_private(tmp_path / "file", "old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device; nothing was written\. Free space.*'.*/file'"):
        write_private(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert names_in(tmp_path) == ["file"]


def test_an_error_names_the_file_and_not_its_temporary_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No such file or directory: '.*/none/page\.html'"):
        write_private(tmp_path / "none" / "page.html", "new")


def test_a_new_file_does_not_replace_one_that_appeared_meanwhile(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError):
        write_private(tmp_path / "file", "other", replace=False)
    assert (tmp_path / "file").read_text() == "mine"


def test_without_hard_links_a_new_name_is_still_not_taken_from_another_file(tmp_path, monkeypatch):
    def unsupported(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", unsupported)
    for name in ("source", "taken"):
        (tmp_path / name).write_text(name)
    with pytest.raises(FileExistsError):
        rename_new(tmp_path / "source", tmp_path / "taken")
    rename_new(tmp_path / "source", tmp_path / "free")
    assert (tmp_path / "free").read_text() == "source"


# What others put there


@pytest.mark.parametrize("name", SIDE_FILES)
def test_a_planted_link_is_named_and_not_followed(made, tmp_path, name):
    target = tmp_path / "elsewhere"
    target.mkdir() if name.endswith((".tmp", ".unfinished")) else target.write_text("mine")
    (tmp_path / name).symlink_to(target)
    with pytest.raises(nu.StoreError, match=f"{name} is a symbolic link"):
        use_all(made)
    assert list(target.iterdir()) == [] if target.is_dir() else target.read_text() == "mine"
    (tmp_path / name).unlink()
    assert count(made) == 5000


@needs_root
@pytest.mark.parametrize("name", SIDE_FILES)
def test_a_file_of_another_account_is_named_and_not_used(made, tmp_path, name):
    planted = tmp_path / name
    planted.mkdir() if name.endswith((".tmp", ".unfinished")) else planted.touch()
    os.chown(planted, 65534, 65534)
    with pytest.raises(nu.StoreError, match=f"{name} belongs to another account"):
        use_all(made)


def test_an_export_of_a_person_is_not_written_through_a_link(scripted, tmp_path):
    (tmp_path / "person.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError, match="nothing was requested"):
        nu.export_user(scripted(), "somebody", tmp_path / "person.json")
    assert not (tmp_path / "elsewhere").exists()


def test_the_cache_is_not_used_while_somebody_else_s_journal_is_beside_it(scripted, tmp_path):
    with scripted(cache=tmp_path) as app:
        nu.load_users(app)
        place = app.cache_info().place
    Path(f"{place}-journal").symlink_to(tmp_path / "elsewhere")
    with scripted(cache=tmp_path) as app, pytest.warns(nu.CacheWarning, match="its journal is a symbolic link"):
        nu.load_users(app)
    assert not (tmp_path / "elsewhere").exists()


def test_a_log_without_its_store_is_not_given_to_a_new_one(store):
    log = Path(f"{store.path}.wal")
    log.write_bytes(b"left over")
    with (
        pytest.raises(nu.StoreError, match=r"app\.duckdb\.wal is the log of a store that no longer exists"),
        store.database.writing(),
    ):
        pass
    assert not store.database.exists
    assert log.read_bytes() == b"left over"


def test_a_read_lock_on_a_lock_file_that_others_can_read_does_not_keep_a_sync_away(made):
    lock = Path(f"{made.path}.lock")
    lock.touch(mode=0o644)
    lock.chmod(0o644)
    code = """
    import fcntl, sys
    file = open(sys.argv[1])
    fcntl.lockf(file, fcntl.LOCK_SH)
    print("locked", flush=True)
    sys.stdin.read()
    """
    process = python(code, lock, stdin=subprocess.PIPE)
    assert process.stdout.readline() == "locked\n"
    with made.database.alone("sync"):
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    process.communicate("")


def test_a_lock_on_a_file_that_was_deleted_meanwhile_does_not_count(made, monkeypatch):
    lock = Path(f"{made.path}.lock")
    real, calls = side_files._begin, []

    def begin(*arguments):
        calls.append(lock)
        if len(calls) == 1:
            lock.unlink()  # by the one who held it before
        return real(*arguments)

    monkeypatch.setattr(side_files, "_begin", begin)
    with made.database.alone("sync"), side_files.lock(made.path, seconds=0) as second:
        assert not second
    assert len(calls) == 3


def test_a_file_of_something_else_in_the_place_of_the_lock_is_named(made):
    lock = Path(f"{made.path}.lock")
    lock.write_bytes(b"something else" * 1000)
    lock.chmod(0o600)
    with pytest.raises(nu.StoreError, match=r"app\.duckdb\.lock is not a lock file"):
        use_all(made)


# Nothing is left


def test_a_sync_that_fails_before_it_has_anything_leaves_no_file(scripted, store):
    app = scripted()
    app.service.hook = lambda *_: (401, {"error": "no"})
    with pytest.raises(nu.AuthenticationError):
        quiet_sync(app, store)
    assert names_beside(store) == []


def test_plans_and_erasures_without_a_store_leave_no_file(scripted, store):
    app = scripted()
    nu.plan_sync(app, store, **ALL)
    with pytest.raises(nu.StoreError, match="There is no store"):
        nu.forget_user(app, "somebody", store=store, confirm="somebody")
    assert names_beside(store) == []


def test_a_file_that_is_no_store_gets_no_files_beside_it(scripted, store):
    import duckdb

    with duckdb.connect(str(store.path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS a")
    with pytest.raises(nu.StoreError, match="not a store of nucleus_pandas"):
        quiet_sync(scripted(), store)
    assert names_beside(store) == ["app.duckdb"]


def test_after_work_is_done_only_the_store_is_there(made):
    use_all(made)
    assert names_beside(made) == ["app.duckdb"]
    assert made.database.leftovers() == []


#: Kills a child at its n-th step, for each n: a step is a statement for DuckDB, or a change of a file.
KILLER = """
import os, shutil, signal, sys
import nucleus_pandas as nu
from nucleus_pandas.store import database

path, whole, act = sys.argv[1:]
CHANGES = {"open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}

class Steps:
    def __init__(self, connection, step):
        self.connection, self.step = connection, step
    def execute(self, *arguments):
        self.step()
        return self.connection.execute(*arguments)
    def __getattr__(self, name):
        return getattr(self.connection, name)

def child(at):
    done = 0
    def step():
        nonlocal done
        done += 1
        if done == at:
            os.kill(os.getpid(), signal.SIGKILL)
    real = database._connect
    database._connect = lambda *one, **two: Steps(real(*one, **two), step)
    sys.addaudithook(lambda event, given: step() if event in CHANGES and "app.duckdb" in str(given) else None)
    base = nu.EventStore(path).database
    if act == "rewrite":
        base.rewrite()
    else:
        with base.writing():
            pass

def rows():
    with nu.EventStore(path).database.reading() as connection:
        return connection.execute("SELECT count(*) FROM kept.exports").fetchall()[0][0]

killed, replaced, left = 0, 0, set()
while True:
    folder = os.path.dirname(path)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    if act == "rewrite":
        shutil.copy(whole, path)
        old = open(path, "rb")
    pid = os.fork()
    if not pid:
        child(killed + 1)
        os._exit(0)
    ended = os.waitpid(pid, 0)[1]
    left.update(os.listdir(folder))
    store = nu.EventStore(path)
    if act == "rewrite":
        assert rows() == 5000, killed
        if os.path.samestat(os.stat(path), os.fstat(old.fileno())):
            assert ended
        else:
            assert not old.read().strip(bytes(1)), f"not overwritten after step {killed}"
            replaced += 1
        old.close()
    with store.database.alone("sync"):
        with store.database.writing():
            pass
        assert store.database.leftovers() == []
    assert os.listdir(folder) == ["app.duckdb"], (killed, os.listdir(folder))
    if not ended:
        break
    killed += 1
print(killed, replaced, ".app.duckdb.unfinished" in left)
"""


@pytest.mark.parametrize("act", ["rewrite", "create"])
def test_killed_at_any_step_it_leaves_nothing_that_the_next_opening_does_not_erase(made, tmp_path, act):
    (tmp_path / "victim").mkdir()
    process = python(KILLER, tmp_path / "victim" / "app.duckdb", made.path, act)
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    killed, replaced, unfinished = said.split()
    assert int(killed) > 20
    assert unfinished == "True"
    assert act == "create" or int(replaced) > 3


def leave_copy(store, name):
    folder = store.path.with_name(name)
    folder.mkdir(mode=0o700)
    shutil.copy(store.path, folder / store.path.name)
    return (folder / store.path.name).open("rb")


@pytest.mark.parametrize("use", ["reading", "writing", "alone"])
def test_a_copy_that_a_crash_left_is_overwritten_and_removed_by_the_next_use(made, use):
    with leave_copy(made, ".app.duckdb.unfinished") as copy:
        with made.database.alone("sync") if use == "alone" else getattr(made.database, use)():
            assert names_beside(made)[0] != ".app.duckdb.unfinished"
        assert not copy.read().strip(b"\0")


def test_a_copy_is_left_alone_while_another_process_works_on_it(made):
    code = """
    import sys, nucleus_pandas as nu
    with nu.EventStore(sys.argv[1]).database.alone("sync"):
        print("alone", flush=True)
        sys.stdin.read()
    """
    process = python(code, made.path, stdin=subprocess.PIPE)
    assert process.stdout.readline() == "alone\n"
    leave_copy(made, ".app.duckdb.unfinished").close()
    assert count(made) == 5000
    assert made.database.leftovers() == [made.path.with_name(".app.duckdb.unfinished")]
    process.communicate("")
    assert count(made) == 5000
    assert made.database.leftovers() == []


def test_rows_that_a_crash_left_in_the_spill_folder_are_removed_before_writing(made):
    folder = Path(f"{made.path}.tmp")
    folder.mkdir()
    (folder / "duckdb_temp_1_0_storage_S64K-0.tmp").write_text(PERSON)
    assert made.database.leftovers() == [folder / "duckdb_temp_1_0_storage_S64K-0.tmp"]
    with made.database.writing():
        pass
    assert names_beside(made) == ["app.duckdb"]


# What is deleted is overwritten


def test_the_blocks_of_the_old_file_are_zeros_after_it_was_rewritten(made):
    with made.path.open("rb") as old:
        assert old.read().strip(b"\0")
        old.seek(0)
        made.database.rewrite()
        assert not old.read().strip(b"\0")
    assert count(made) == 5000


def test_the_blocks_of_the_log_are_zeros_after_the_store_was_closed(made):
    with contextlib.ExitStack() as stack:
        with made.database.writing() as connection:
            connection.execute("INSERT INTO kept.exports VALUES ('x', now())")
            connection.execute("COMMIT")
            log = stack.enter_context(Path(f"{made.path}.wal").open("rb"))
            assert log.read().strip(b"\0")
            connection.execute("BEGIN")
        log.seek(0)
        assert not log.read().strip(b"\0")
    assert names_beside(made) == ["app.duckdb"]


def test_a_log_that_the_store_still_needs_is_not_overwritten(made, monkeypatch):
    real = database._connect

    def connect(path, *, read_only):
        connection = real(path, read_only=read_only)
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(database, "_connect", connect)
        with made.database.writing() as connection:
            connection.execute("INSERT INTO kept.exports VALUES ('x', now())")
    assert names_beside(made) == ["app.duckdb", "app.duckdb.wal"]
    assert count(made) == 5001


def test_another_name_of_the_old_file_keeps_its_content(made, tmp_path):
    backup = tmp_path / "backup.duckdb"
    backup.hardlink_to(made.path)
    before = backup.read_bytes()
    made.database.rewrite()
    assert backup.read_bytes() == before
    assert count(made) == 5000


def test_where_there_are_no_links_the_file_is_rewritten_all_the_same(made, monkeypatch):
    def unsupported(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", unsupported)
    before = made.path.stat().st_ino
    with made.path.open("rb"):
        made.database.rewrite()
        assert made.path.stat().st_ino != before
    assert count(made) == 5000
    assert names_beside(made) == ["app.duckdb"]


def test_a_reader_of_the_old_file_is_not_disturbed_and_the_next_use_overwrites_it(made, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.1)
    code = """
    import sys, duckdb
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{sys.argv[1]}' AS store (READ_ONLY)")
        print("open", flush=True)
        sys.stdin.readline()
        print(connection.execute("SELECT count(DISTINCT folder) FROM store.kept.exports").fetchall())
    """
    readers = []
    real = Path.hardlink_to

    def hardlink_to(self, target):
        if target == made.path:  # between copy and replacement, when another process may open the file for reading
            readers.append(python(code, made.path, stdin=subprocess.PIPE))
            assert readers[0].stdout.readline() == "open\n"
        return real(self, target)

    with made.path.open("rb") as old:
        monkeypatch.setattr(Path, "hardlink_to", hardlink_to)
        made.database.rewrite()
        assert old.read().strip(b"\0")
        assert len(made.database.leftovers()) == 1
        assert readers[0].communicate("\n")[0] == "[(5000,)]\n"
        assert count(made) == 5000
        old.seek(0)
        assert not old.read().strip(b"\0")
    assert names_beside(made) == ["app.duckdb"]


def test_an_opening_that_meets_the_old_file_while_it_is_overwritten_is_repeated(made, monkeypatch):
    import duckdb

    real, calls = database._connect, []

    def connect(path, *, read_only):
        calls.append(path)
        if len(calls) == 1:
            copy = made.path.with_name("copy")
            shutil.copy(made.path, copy)
            copy.replace(made.path)
            raise duckdb.IOException("The file exists, but it is not a valid DuckDB database file!")
        return real(path, read_only=read_only)

    monkeypatch.setattr(database, "_connect", connect)
    assert count(made) == 5000
    assert len(calls) == 2


def test_erasing_one_name_of_a_file_leaves_the_others(tmp_path):
    (tmp_path / "kept").write_text("text")
    (tmp_path / "erased").hardlink_to(tmp_path / "kept")
    erase(tmp_path / "erased")
    assert (tmp_path / "kept").read_text() == "text"
    assert names_in(tmp_path) == ["kept"]


# A full disk


FULL = """
import resource, signal, sys
import nucleus_pandas as nu
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
base = nu.EventStore(sys.argv[1]).database
act = sys.argv[2]
def use():
    if act == "rewrite":
        base.rewrite()
    else:
        with base.writing():
            pass
for limit in map(int, sys.argv[3].split(",")):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        use()
    except nu.StoreError as error:
        print(limit, "full" if "is full" in str(error) or "disk may be full" in str(error) else error)
    else:
        print(limit, "done")
    if act == "create" and base.exists:
        with base.reading() as connection:
            connection.execute("FROM kept.exports").fetchall()
        break
"""
LIMITS = [0, 1, 4096, 8192, 12288, 16384, 20480, 65536, 131072, 262144, 274432, 300000, 524288, 536576, 600000, 800000]


@pytest.mark.parametrize("act", ["create", "rewrite"])
def test_on_a_full_disk_at_any_step_a_store_is_complete_or_as_before(made, tmp_path, act):
    victim = nu.EventStore(tmp_path / "victim" / "app.duckdb")
    victim.path.parent.mkdir()
    if act == "rewrite":
        shutil.copy(made.path, victim.path)
    process = python(FULL, victim.path, act, ",".join(map(str, LIMITS)))
    said, errors = process.communicate(timeout=120)
    results = [line.split(maxsplit=1)[1] for line in said.splitlines()]
    assert results, errors
    assert set(results) <= {"full", "done"}, said
    assert results.count("full") > 4
    with victim.database.writing():
        pass
    assert names_beside(victim) == ["app.duckdb"]
    assert count(victim) == (5000 if act == "rewrite" else 0)


@needs_root
def test_a_sync_works_once_there_is_room_on_the_disk_again(scripted, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no right to mount")
    try:
        store = nu.EventStore(disk / "app.duckdb")
        for room in ("200k", "300k", "500k", "600k", "900k"):
            subprocess.run(["mount", "-o", f"remount,size={room}", disk], check=True)
            with contextlib.suppress(nu.StoreError):
                quiet_sync(scripted(), store)
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        quiet_sync(scripted(), store)
        assert len(store.events()) > 0
        assert names_beside(store) == ["app.duckdb"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_copy_with_fewer_rows_does_not_replace_the_store(made, monkeypatch):
    real, calls = schema.count_rows, []

    def fewer(connection):
        calls.append(real(connection))
        return calls[-1] | ({"kept.exports": 4999} if len(calls) == 2 else {})

    monkeypatch.setattr(schema, "count_rows", fewer)
    before = made.path.stat().st_ino
    with pytest.raises(nu.StoreError, match="could not be completed"):
        made.database.rewrite()
    assert made.path.stat().st_ino == before
    assert names_beside(made) == ["app.duckdb"]


def test_a_file_with_tables_of_others_that_cannot_be_copied_is_kept_with_an_error(made):
    import duckdb

    with duckdb.connect(str(made.path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS a; CREATE VIEW theirs AS FROM mine; DROP TABLE mine")
    with contextlib.suppress(nu.StoreError):
        made.database.rewrite()
    assert count(made) == 5000
    assert names_beside(made) == ["app.duckdb"]


def test_a_store_that_another_process_creates_meanwhile_is_kept(made, tmp_path, monkeypatch):
    late = nu.EventStore(tmp_path / "late.duckdb")
    real = schema.create

    def create(connection):
        real(connection)
        shutil.copy(made.path, late.path)

    schema._expected_layout()
    monkeypatch.setattr(schema, "create", create)
    with late.database.writing():
        pass
    assert count(late) == 5000


# Unexpected contents


CHANGES = {
    "a table is missing": ("DROP TABLE kept.runs", "the table kept.runs is missing"),
    "a column is missing": ("ALTER TABLE kept.runs DROP COLUMN seconds", "kept.runs is not as it was created"),
    "a column of another type": (
        "ALTER TABLE kept.exports ALTER COLUMN folder TYPE BLOB",
        "kept.exports is not as it was created",
    ),
    "a view is missing": ("DROP VIEW sessions", "the view main.sessions is missing"),
    "a view of another table": (
        "CREATE OR REPLACE VIEW users AS SELECT 1 AS user_id",
        "the view main.users is not as it was created",
    ),
    "a view in place of a table": (
        "ALTER TABLE kept.exports RENAME TO other; CREATE VIEW kept.exports AS FROM kept.other",
        "the table kept.exports is not as it was created",
    ),
    "no meta table": ("DROP TABLE kept.meta", "the table kept.meta is not as it was created"),
    "an empty meta table": ("DELETE FROM kept.meta", "holds no valid version"),
    "a version that is no number": (
        "UPDATE kept.meta SET value = 'abc' WHERE key = 'schema'",
        "holds no valid version",
    ),
    "a version that is missing": ("UPDATE kept.meta SET value = NULL WHERE key = 'schema'", "holds no valid version"),
    "an older version": ("UPDATE kept.meta SET value = '0' WHERE key = 'schema'", "Sync into a new file"),
    "a newer version": ("UPDATE kept.meta SET value = '999' WHERE key = 'schema'", "newer nucleus_pandas"),
    "no salt": ("DELETE FROM kept.meta WHERE key = 'salt'", "holds no valid salt"),
    "an empty salt": ("UPDATE kept.meta SET value = '' WHERE key = 'salt'", "holds no valid salt"),
    "a short salt": ("UPDATE kept.meta SET value = 'abcd' WHERE key = 'salt'", "holds no valid salt"),
    "two salts": ("INSERT INTO kept.meta FROM kept.meta WHERE key = 'salt'", "holds no valid salt"),
    "no count of openings": ("DELETE FROM kept.meta WHERE key = 'openings'", "holds no valid openings"),
    "a sample that is no number": ("INSERT INTO kept.meta VALUES ('sample', 'most')", "holds no valid sample"),
    "a seed that is no number": ("INSERT INTO kept.meta VALUES ('seed', '1.5')", "holds no valid seed"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_store_with_unexpected_contents_is_refused(made, change):
    import duckdb

    statements, message = CHANGES[change]
    with duckdb.connect(str(made.path)) as connection:
        connection.execute(statements)
    with pytest.raises(nu.StoreError, match=message), made.database.reading():
        pass
    with pytest.raises(nu.StoreError, match=message), made.database.writing():
        pass
    assert names_beside(made) == ["app.duckdb"]


# Paths


@pytest.mark.parametrize(
    "name",
    ["a b", "ä€😀", "it's", 'a"b', "100%", "%41", "*", "[a]", "#1", "a\nb", "$HOME", "{a,b}", "s3:", "a;b", "-x"],
)
def test_a_store_may_have_an_unusual_name(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    store = nu.EventStore(folder / f"{name}.duckdb")
    with store.database.writing() as connection:
        connection.execute("INSERT INTO kept.exports VALUES ('x', now())")
        connection.execute("COMMIT")
        assert Path(f"{store.path}.wal").exists()
        connection.execute("BEGIN")
    use_all(store)
    assert count(store) == 1
    assert names_in(folder) == [f"{name}.duckdb"]


@pytest.mark.parametrize("name", ["a?b", "a\\b", "a\0b", "a\udcffb"])
def test_a_name_that_duckdb_does_not_take_literally_is_rejected(tmp_path, name):
    for path in (tmp_path / name / "app.duckdb", tmp_path / f"{name}.duckdb"):
        with pytest.raises(ValueError, match=r"path=.*DuckDB cannot open"):
            nu.EventStore(path)


def test_a_link_to_a_name_that_duckdb_does_not_take_literally_is_rejected(tmp_path):
    (tmp_path / "odd?").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "odd?")
    with pytest.raises(ValueError, match="DuckDB cannot open"):
        nu.EventStore(tmp_path / "link" / "app.duckdb")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
@pytest.mark.parametrize("suffix", ["", ".erased"])
def test_a_pipe_in_the_place_of_a_file_is_refused(store, suffix):
    pipe = Path(f"{store.path}{suffix}")
    if suffix:
        create(store)
    os.mkfifo(pipe)
    with pytest.raises(nu.StoreError, match=f"{pipe.name} is not a regular file"):
        store.info()
    with pytest.raises(nu.StoreError, match=f"{pipe.name} is not a regular file"), store.database.writing():
        pass


def paths_to(path):
    """Calls that take a path from the user."""
    return {
        "store": lambda: nu.EventStore(path),
        "buckets": lambda: nu.Buckets(path),
        "report": lambda: nu.Report("t", "s").save(f"{path}.html"),
        "person": lambda: nu.export_user(None, "ana", path),
        "cache": lambda: nu.Client("app", "token", cache=path),
    }


@pytest.mark.parametrize("place", ["store", "buckets", "report", "person", "cache"])
@pytest.mark.parametrize(("name", "problem"), [("~nobody-of-this-name/a", "home folder"), ("a" * 300, "too long")])
def test_a_path_that_cannot_be_is_refused_with_a_sentence(name, problem, place):
    with pytest.raises(ValueError, match=rf"(path|source|cache)=.*: the (name|home).*{problem.split()[-1]}"):
        paths_to(name)[place]()


def test_an_export_into_a_path_that_cannot_be_is_refused(store, tmp_path):
    create(store)
    with pytest.raises(ValueError, match=r"folder=.*: the name is too long\. Choose a shorter one\."):
        store.export(tmp_path / ("a" * 300))


def test_the_name_of_a_store_leaves_room_for_those_of_the_files_beside_it(tmp_path):
    with pytest.raises(ValueError, match="the name is too long for a store"):
        nu.EventStore(tmp_path / ("a" * 250))
