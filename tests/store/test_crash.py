"""Whatever ends a sync, the store holds whole sessions, and the next sync goes on."""

import _thread
import datetime as dt
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import nucleus_pandas as nu
from nucleus_pandas.store import database
from nucleus_pandas.store.sync import writing
from tests.store.conftest import ALL, Asked, assert_same, kept, kinds, quiet_sync

ROOT = Path(__file__).parents[2]
needs_posix = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


def python(code, *arguments, **settings):
    """Run code in another process, with this one's packages."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, **settings)


#: The start of a script that syncs: STORE and BASE_URL are its arguments.
SYNC = """
import sys, nucleus_pandas as nu
from tests.store.conftest import ALL, kept
settings = dict(base_url=sys.argv[2], requests_per_second=None, cache=False)
client, store = nu.Client("demo", "demo-token", **settings), nu.EventStore(sys.argv[1])
"""


@needs_posix
def test_killed_at_30_random_moments_it_ends_with_the_rows_of_an_undisturbed_run(scripted, store, tmp_path):
    app = scripted(scale=0.1, latency=0.004)
    asked = Asked(app.service)
    quiet_sync(app, store)
    undisturbed = kinds(asked.new())
    other = tmp_path / "killed.duckdb"
    driver = [sys.executable, "-m", "tests.store.crash_driver", "sync", str(other), app.service.base_url, "30", "0.6"]
    done = subprocess.run(driver, capture_output=True, text=True, check=True, cwd=ROOT)
    killed, status = map(int, done.stdout.split())
    assert (killed, status) == (30, 0)
    assert_same(store, nu.EventStore(other))
    sent = kinds(asked.new())
    # Young users are asked about by every sync; all else once, and again at most one batch a kill.
    lately = store.users()["last_seen"].gt(app.service.now() - dt.timedelta(hours=48)).sum()
    assert sent["list"] <= 31
    assert sent["sessions"] <= undisturbed["sessions"] + 30 * 40
    assert sent["users"] <= undisturbed["users"] + 30 * (40 + lately)


@needs_posix
def test_erasures_killed_at_random_moments_are_completed_by_the_next_sync(scripted, store, tmp_path):
    app = scripted(scale=0.05, latency=0.004)
    quiet_sync(app, store)
    victims = store.users()["user_id"].tolist()[:20]
    driver = [sys.executable, "-m", "tests.store.crash_driver", "forget_user", str(store.path)]
    arguments = [app.service.base_url, "8", "0.5"]
    done = subprocess.run(
        [*driver, *arguments], input="\n".join(victims), capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == ["8", "0"]
    fresh = nu.EventStore(tmp_path / "fresh.duckdb")
    quiet_sync(app, fresh)
    assert_same(store, fresh)


@needs_posix
def test_ctrl_c_ends_within_seconds_keeps_what_came_and_says_how_to_go_on(scripted, store):
    app = scripted(scale=0.1, latency=0.05)
    code = SYNC + "nu.sync(client, store, progress=False, **ALL)"
    process = python(code, store.path, app.service.base_url)
    while len(app.service.requests) < 150:
        time.sleep(0.02)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - begun < 5  # a second or two, on a machine that has nothing else to do
    assert process.returncode != 0
    assert "Call sync again with the same arguments to go on." in errors
    info = store.info()
    answered = len(app.service.requests)
    assert info.unfinished
    assert kept(store, "SELECT count(*) AS n FROM kept.users WHERE asked_at IS NOT NULL")["n"][0] > 0
    asked = Asked(app.service)
    asked.new()
    app.service.latency = 0
    report = quiet_sync(app, store)
    assert report.requests < 1 + len(store.users()) + store.info().sessions - answered / 2


def test_an_interrupt_in_the_middle_of_a_transaction_keeps_what_it_was_about(scripted, store, monkeypatch, capsys):
    app = scripted(scale=0.05)
    real, calls = writing.put_events, []

    def interrupted(connection, answers, *others):
        real(connection, answers, *others)
        calls.append(len(answers))
        if len(answers) and sum(map(bool, calls)) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writing, "put_events", interrupted)
        with pytest.raises(KeyboardInterrupt):
            quiet_sync(app, store)
    assert store.info().fetched_sessions >= max(calls) > 0
    assert "Call sync again" in capsys.readouterr().err
    quiet_sync(app, store)
    assert not store.info().unfinished


@needs_posix
def test_ctrl_c_ends_a_query_as_it_ends_everything_else(store, fill):
    fill(store)
    threading.Timer(0.2, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        # It lasts a second or two: where DuckDB works on it in a thread of its own, it is waited for.
        store.sql("SELECT sum(hash(a.i * b.i)) FROM range(15000) a(i), range(15000) b(i)")
    assert len(store.users()) > 0


@needs_posix
def test_a_store_can_be_read_while_it_is_synced(scripted, store):
    app = scripted(scale=0.1, latency=0.01)
    process = python(SYNC + "nu.sync(client, store, progress=False, **ALL)", store.path, app.service.base_url)
    seen = set()
    while process.poll() is None:
        if store.path.exists():
            seen.add(len(kept(store, "SELECT session_no FROM kept.events")))
    assert process.returncode == 0, process.stderr.read()
    assert len(seen) > 2
    process.communicate()


def test_two_syncs_of_one_store_do_not_run_at_once(scripted, store):
    app = scripted()
    with (
        store.database.alone("sync"),
        pytest.raises(nu.StoreLockedError, match="Another sync, export or erasure is at work"),
    ):
        quiet_sync(app, store)
    quiet_sync(app, store)


def test_another_process_that_keeps_the_file_open_is_named_after_a_while(store, fill, monkeypatch, capsys):
    fill(store)
    monkeypatch.setattr(database, "PATIENCE", 0.4)
    monkeypatch.setattr(database, "_TELL_AFTER", 0.1)
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    process = python(code, store.path, stdin=subprocess.PIPE)
    assert process.stdout.readline() == "open\n"
    with pytest.raises(nu.StoreLockedError, match=f"process {process.pid}"):
        store.users()
    assert "waiting up to" in capsys.readouterr().err
    process.communicate("")
    assert len(store.users()) > 0


def test_a_connection_of_ones_own_in_this_process_is_told(store, fill, monkeypatch):
    import duckdb

    fill(store)
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    with duckdb.connect(str(store.path)), pytest.raises(nu.StoreLockedError, match="still in use"):
        store.users()


@needs_posix
def test_on_a_full_disk_what_was_there_stays(scripted, store):
    app = scripted(scale=0.05)
    nu.sync(app, store, "2026-06-01", "2026-06-07", progress=False)
    before = store.events()
    code = (
        SYNC
        + """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    nu.sync(client, store, progress=False, **ALL)
except nu.StoreError as error:
    print(error)
"""
    )
    process = python(code, store.path, app.service.base_url, 16_384)
    said, errors = process.communicate(timeout=60)
    assert "is full. What was in the store before is still there; make room." in said, errors
    assert len(store.events("2026-06-01", "2026-06-07")) == len(before[before["time"] < "2026-06-08"])
    quiet_sync(app, store)
    assert len(store.events()) > len(before)


def test_a_csv_file_is_no_store_although_duckdb_reads_it(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("user_id,time,event\n")
    with pytest.raises(nu.StoreError, match=r"events\.csv is damaged or no DuckDB file"):
        nu.EventStore(path).info()
    assert path.read_text() == "user_id,time,event\n"


@pytest.mark.parametrize("damage", ["not a database", "cut short", "scribbled over"])
def test_a_damaged_file_is_told_and_left_as_it_is(scripted, store, fill, damage):
    fill(store)
    whole = store.path.read_bytes()
    broken = {
        "not a database": b"hello" * 1000,
        "cut short": whole[:5000],
        "scribbled over": whole[:8192] + bytes(255 - byte for byte in whole[8192:]),
    }[damage]
    store.path.write_bytes(broken)
    for use in (store.events, lambda: quiet_sync(scripted(), store)):
        with pytest.raises(nu.StoreError, match=r"is damaged or no DuckDB file\. Nothing in it was changed"):
            use()
    assert store.path.read_bytes() == broken


def test_a_database_that_is_no_store_is_told_and_left_as_it_is(scripted, store):
    import duckdb

    with duckdb.connect(str(store.path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS a")
    with pytest.raises(nu.StoreError, match="no store of nucleus_pandas"):
        store.users()
    with pytest.raises(nu.StoreError, match="no store of nucleus_pandas"):
        quiet_sync(scripted(), store)
    with duckdb.connect(str(store.path)) as connection:
        assert connection.execute("SELECT a FROM mine").fetchall() == [(1,)]


def test_a_store_of_a_newer_version_is_told(store, fill):
    fill(store)
    with store.database.writing() as connection:
        connection.execute("UPDATE kept.meta SET value = '99' WHERE key = 'schema'")
    with pytest.raises(nu.StoreError, match="newer nucleus_pandas"):
        store.users()


@needs_posix
def test_a_file_that_may_not_be_written_is_told(scripted, tmp_path_factory):
    """In a process without the rights of root, for whom nothing is read-only."""
    import tempfile

    app = scripted()
    folder = Path(tempfile.mkdtemp())
    store = nu.EventStore(folder / "app.duckdb")
    quiet_sync(app, store)
    folder.chmod(0o777)
    store.path.chmod(0o444)
    code = (
        SYNC
        + """
import os
# Once with all rights, as what is imported later may lie where nobody else can read.
nu.sync(client, nu.EventStore(sys.argv[1] + ".other"), progress=False, **ALL)
store.users()
if os.getuid() == 0:
    os.setgid(65534), os.setuid(65534)
print(len(store.users()) > 0)
for act in (lambda: nu.sync(client, store, progress=False, **ALL), lambda: nu.EventStore("/proc/no.duckdb").sql("x")):
    try:
        act()
    except nu.StoreError as error:
        print(error)
"""
    )
    process = python(code, store.path, app.service.base_url)
    said, errors = process.communicate(timeout=60)
    read, refused, absent = said.splitlines()
    assert read == "True", errors
    assert "cannot be written or read by this user. Change its permissions" in refused
    assert "There is no store at /proc/no.duckdb yet." in absent
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@needs_posix
def test_only_its_owner_can_read_the_file_its_log_and_what_is_unfinished(scripted, store):
    quiet_sync(scripted(), store)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    with store.database.writing() as connection:
        connection.execute("INSERT INTO kept.exports VALUES ('x', now())")
        connection.execute("COMMIT")
        log = Path(f"{store.path}.wal")
        assert log.stat().st_size > 0
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
        assert stat.S_IMODE(Path(f"{store.path}.tmp").stat().st_mode) == 0o700
        connection.execute("BEGIN")
    assert sorted(path.name for path in store.path.parent.iterdir()) == ["app.duckdb"]


def test_a_transaction_that_fails_leaves_nothing(store, fill):
    fill(store)
    before = store.users()

    def change():
        with store.database.writing() as connection:
            connection.execute("DELETE FROM kept.users")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()
    assert len(store.users()) == len(before)


def test_a_store_in_a_folder_that_does_not_exist_is_told(scripted, tmp_path):
    store = nu.EventStore(tmp_path / "nowhere" / "app.duckdb")
    with pytest.raises(nu.StoreError, match=r"No such file or directory\)\. Create it, change its"):
        nu.sync(scripted(), store, progress=False, **ALL)


def test_reading_a_store_that_does_not_exist_says_what_makes_it(store):
    with pytest.raises(nu.StoreError, match=r"There is no store at .* yet\. nucleus_pandas\.sync"):
        store.events()
    assert not store.path.exists()
    assert store.info().events == 0
