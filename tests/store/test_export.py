"""Exports: the same rows in files for other tools."""

import contextlib
import csv
import json
import os
import stat
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from nucleus_pandas.api.parsing.property_columns import property_columns
from nucleus_pandas.api.parsing.values import ParseProblems
from nucleus_pandas.store import export
from nucleus_pandas.store.database import Database
from nucleus_pandas.store.duckdb_columns import ColumnRequest, fetch
from nucleus_pandas.store.properties import find_properties, typed
from nucleus_pandas.store.sync.writing import texts_of
from nucleus_pandas.store.user_buckets import in_memory
from tests.demo.handmade import app_of, session, user
from tests.store.conftest import kept, quiet_sync


@pytest.fixture
def odd(scripted, store):
    """An app whose names and values are awkward."""
    for number in range(5):
        who = user(
            f"a{number}",
            f"=cmd|' /C calc'!A{number}",
            f"10-24 10:0{number}",
            props={"a/b": number, "mixed": [1, "x"][number % 2]},
        )
        attributes = {'q"uote': "x", "n": number, "ratio": 1.5 if number else 2, "yes": True, "+sum": "-1+1"}
        session(who, "1", f"10-24 10:0{number}", (1, "@SUM(1)", attributes))
        quiet = [*locals().get("quiet", []), who]
    quiet_sync(scripted(app=app_of(*quiet)), store)
    return store


def read(query):
    with duckdb.connect() as connection:
        return connection.execute(query).df()


def test_parquet_files_hold_the_rows_of_the_store(odd, tmp_path):
    files = odd.export(tmp_path / "out")
    assert {path.relative_to(tmp_path / "out").parts[0] for path in files} == {
        *("about.json", "devices.parquet", "events", "sessions.parquet", "users.parquet")
    }
    log, events = odd.events(), read(f"SELECT * FROM '{tmp_path}/out/events/*/*.parquet' ORDER BY event_no")
    assert set(events) == {*log, "bucket", "event_no"}
    assert events["event_no"].tolist() == [*range(1, len(log) + 1)]
    in_store, in_files = (
        [list(rows["event"]) for _, rows in frame.groupby("user_db_id", sort=True)] for frame in (log, events)
    )
    assert in_files == in_store
    types = dict(
        read(f"DESCRIBE SELECT * FROM '{tmp_path}/out/events/*/*.parquet'")[["column_name", "column_type"]].to_numpy()
    )
    assert [types[f"data.{name}"] for name in ("n", "ratio", "yes", 'q"uote')] == [
        "BIGINT",
        "DOUBLE",
        "BOOLEAN",
        "VARCHAR",
    ]
    assert {types["time"], types["session_start"]} == {"TIMESTAMP WITH TIME ZONE"}
    assert sorted(events["time"].dropna()) == sorted(log["time"].dropna())
    users = read(f"SELECT * FROM '{tmp_path}/out/users.parquet' ORDER BY user_db_id")
    assert users["props.a/b"].tolist() == [0, 1, 2, 3, 4]
    assert [json.loads(text)["mixed"] for text in users["props"]] == [1, "x", 1, "x", 1]


def test_all_events_of_a_user_lie_in_one_bucket(odd, tmp_path):
    odd.export(tmp_path / "out")
    events = read(
        f"SELECT user_db_id, bucket, filename FROM read_parquet('{tmp_path}/out/events/*/*.parquet', filename = true)"
    )
    assert len(events[["user_db_id", "bucket"]].drop_duplicates()) == 5
    assert len(set(events["bucket"])) > 1
    assert all(f"bucket={bucket}/" in name for bucket, name in events[["bucket", "filename"]].to_numpy())


def test_csv_files_hold_no_formulas(odd, tmp_path):
    files = odd.export(tmp_path / "out", format="csv")
    assert sorted(path.name for path in files) == ["devices.csv", "events.csv", "sessions.csv", "users.csv"]
    for path in files:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert len(rows) > 5
        assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    users = pd.read_csv(tmp_path / "out" / "users.csv")
    assert users["user_id"][0].startswith("'=cmd")


def test_only_its_owner_can_read_an_export(odd, tmp_path):
    files = odd.export(tmp_path / "out")
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


def test_folders_that_an_export_creates_above_its_own_are_private(odd, tmp_path):
    odd.export(tmp_path / "new" / "deep" / "out")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").rglob("*") if path.is_dir()} == {0o700}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_folder_that_holds_something_is_left_alone(odd, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"is not empty\. Choose a new one; nothing was written"):
        odd.export(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_unknown_format_raises(odd, tmp_path):
    with pytest.raises(ValueError, match='write one of "parquet", "csv"'):
        odd.export(tmp_path / "out", format="xlsx")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_told(odd, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(nu.StoreError, match="cannot be created"):
        odd.export(tmp_path / "file" / "out")


def test_keys_that_differ_in_case_and_numbers_of_any_size_survive(scripted, store, tmp_path):
    who = user("a1", "ana", "10-24 10:00", props={"PLAN": "a", "Plan": "b", "plan": "c", "n\x00": 1})
    session(who, "1", "10-24 10:00", (1, "SAVE", {"n": 2**63 + 1}), (2, "SAVE", {"n": 1}), (3, "SAVE", {"n": 2**70}))
    quiet_sync(scripted(app=app_of(who)), store)
    store.export(tmp_path / "out")
    users = read(f"SELECT * FROM '{tmp_path}/out/users.parquet'")
    assert users["props.PLAN"].tolist() == ["a"]
    assert json.loads(users["props"][0]) == {"Plan": "b", "plan": "c", "n\x00": 1}
    data = read(f"SELECT * FROM '{tmp_path}/out/events/*/*.parquet' ORDER BY event_no")["data"].dropna()
    assert [json.loads(text)["n"] for text in data] == [2**63 + 1, 1, 2**70]


def test_in_csv_files_keys_that_differ_in_case_have_an_underscore_at_the_end(scripted, store, tmp_path):
    quiet_sync(scripted(app=app_of(user("a1", "ana", "10-24 10:00", props={"PLAN": "a", "plan": "c"}))), store)
    store.export(tmp_path / "out", format="csv")
    users = pd.read_csv(tmp_path / "out" / "users.csv")
    assert users[["props.PLAN", "props.plan_"]].to_numpy().tolist() == [["a", "c"]]


def test_an_export_that_fails_leaves_no_files_and_is_forgotten(odd, tmp_path, monkeypatch):
    real = export._copy

    def fails(connection, table, *others):
        real(connection, table, *others)
        if table == "events":
            raise ZeroDivisionError

    monkeypatch.setattr(export, "_copy", fails)
    with pytest.raises(ZeroDivisionError):
        odd.export(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert kept(odd, "SELECT folder FROM kept.exports").empty


# In a process of its own, because the limit cannot be raised again.
FULL = """
import resource, signal, sys
import nucleus_pandas as nu
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = nu.EventStore(sys.argv[1])
real = nu.store.export.{function}
def limited(*arguments, **settings):
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        return real(*arguments, **settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)
nu.store.export.{function} = limited
try:
    store.export(sys.argv[2], format=sys.argv[3])
except nu.StoreError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="has no RLIMIT_FSIZE")
@pytest.mark.parametrize(("kind", "function"), [("parquet", "_copy"), ("csv", "write_csv")])
def test_a_full_disk_is_reported_for_the_folder_of_the_export(odd, tmp_path, kind, function):
    arguments = [str(odd.path), str(tmp_path / "out"), kind]
    code = FULL.format(function=function)
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout == (
        f"The export to {tmp_path / 'out'} failed: the disk is full. No files were left there. Free space, or choose "
        "another folder.\n"
    )
    assert not (tmp_path / "out").exists()


def test_no_connection_shows_a_progress_bar(odd):
    setting = "SELECT current_setting('enable_progress_bar')"
    with odd.database.reading() as reading, in_memory("A file") as memory:
        assert reading.execute(setting).fetchall() == memory.execute(setting).fetchall() == [(False,)]


def test_a_store_without_events_is_exported_too(scripted, store, empty_app, tmp_path):
    quiet_sync(empty_app, store)
    files = store.export(tmp_path / "out", format="csv")
    assert len(files) == 4


@pytest.fixture
def crowded(scripted, store):
    """A store with 260 properties, of which each of ten users has some, and all have two."""
    people = []
    for number in range(10):
        extra = {f"k{key}": key for key in range(number, 258, 10)}
        who = user(f"a{number}", f"ana{number}", f"10-24 10:0{number}", props={"plan": "pro", **extra})
        session(who, "1", f"10-24 10:0{number}", *((place, "SAVE", {"n": place, **extra}) for place in range(1, 6)))
        people.append(who)
    quiet_sync(scripted(app=app_of(*people)), store)
    return store


def queries_of(monkeypatch):
    """The statements that exports run from now on."""
    seen = []
    real = Database.reading

    class Watched:
        def __init__(self, connection):
            self.connection = connection

        def execute(self, query, *values):
            seen.append(query)
            return self.connection.execute(query, *values)

    @contextlib.contextmanager
    def reading(self, **how):
        with real(self, **how) as connection:
            yield Watched(connection)

    monkeypatch.setattr(Database, "reading", reading)
    return seen


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_events_are_written_bucket_by_bucket_and_numbered_through(crowded, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(export, "_AT_ONCE", 1)
    queries = queries_of(monkeypatch)
    with pytest.warns(UserWarning, match="different properties"):
        crowded.export(tmp_path / "out", format=kind)
    events = read(f"SELECT * FROM '{tmp_path}/out/{'events.csv' if kind == 'csv' else 'events/*/*.parquet'}'")
    assert sum("WHERE bucket IN (" in query for query in queries) == events["bucket"].nunique() > 5
    events = events.sort_values("event_no")
    assert events["event_no"].tolist() == [*range(1, len(crowded.events(columns=["event"])) + 1)]
    assert events["bucket"].is_monotonic_increasing
    in_store = crowded.events(properties=["n"]).groupby("user_db_id")
    for who, rows in events.groupby("user_db_id"):
        assert rows["data.n"].dropna().tolist() == in_store.get_group(who)["data.n"].dropna().tolist()


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_an_export_asks_for_all_properties_at_once(crowded, tmp_path, monkeypatch, kind):
    queries = queries_of(monkeypatch)
    with pytest.warns(UserWarning, match="different properties"):
        crowded.export(tmp_path / "out", format=kind)
    few = len(queries)
    queries.clear()
    crowded.export(tmp_path / "named", format=kind, properties=[])
    # In CSV files each column of texts takes some; the number of keys is that of columns at most.
    assert few <= len(queries) + 2 + (4 * 402 if kind == "csv" else 0)
    assert sum("map_entries" in query for query in queries) == 0


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_the_properties_of_an_export_can_be_named(crowded, tmp_path, kind):
    crowded.export(tmp_path / "out", format=kind, properties=["plan", "n", "data.k7"])
    names = {}
    for table in ("users", "events"):
        place = f"{table}.csv" if kind == "csv" else "users.parquet" if table == "users" else "events/*/*.parquet"
        found = list(read(f"SELECT * FROM '{tmp_path}/out/{place}'"))
        names[table] = [name for name in found if name.startswith(("data", "props"))]
    assert names == {"users": ["props.k7", "props.plan"], "events": ["data.k7", "data.n", "data.plan"]}


def test_an_unknown_property_is_refused_before_anything_is_written(crowded, tmp_path):
    with pytest.raises(ValueError, match=r'no property "plam"\. Did you mean "plan"'):
        crowded.export(tmp_path / "out", properties=["plam"])
    assert not (tmp_path / "out").exists()


def test_csv_files_give_times_in_utc_and_may_be_for_excel(odd, tmp_path):
    odd.export(tmp_path / "out", format="csv", excel=True)
    assert (tmp_path / "out" / "events.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    found = pd.read_csv(tmp_path / "out" / "events.csv", parse_dates=["time"])
    assert set(found["time"]) == set(odd.events()["time"])
    with pytest.raises(ValueError, match="excel=True is for CSV files"):
        odd.export(tmp_path / "other", excel=True)


def test_line_ends_in_names_make_no_further_rows(scripted, store, tmp_path):
    people = [user(f"a{number}", f"ana{number}\r=1+1", f"10-24 10:0{number}") for number in range(5)]
    quiet_sync(scripted(app=app_of(*people)), store)
    store.export(tmp_path / "out", format="csv")
    with (tmp_path / "out" / "users.csv").open(newline="", encoding="utf-8") as file:
        assert [row["user_id"] for row in csv.DictReader(file)] == [who.user_id for who in people]


TEXTS = st.text(st.sampled_from(list("aZ09é\U0001f600\"\\/~'\x00\n\x7f\u2028=-. ")), max_size=5)
NUMBERS = st.integers(-(2**66), 2**66) | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0, 1, 1.0])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=3,
)
OBJECTS = st.lists(st.dictionaries(st.sampled_from(["plan", "", "a/b~c", "q\"'", "é", "N"]), JSON_VALUES), max_size=6)


@settings(max_examples=60, deadline=None)
@given(objects=OBJECTS)
def test_properties_out_of_sql_are_those_of_the_loaders(objects):
    assume(any(value is not None for row in objects for value in row.values()))
    texts = [None if text is pd.NA else text for text in texts_of(objects)]
    by_loaders = property_columns("data", objects, ParseProblems("here"))
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE events (data VARCHAR)")
        connection.executemany("INSERT INTO events VALUES (?)", [[text] for text in texts])
        found = find_properties(connection, "events", "data")
        assert [one.name for one in found.chosen] == list(by_loaders)
        assert found == find_properties(connection, "events", "data", [one.key for one in found.chosen])
        request = ColumnRequest(tuple(one.name for one in found.chosen), properties=tuple(found.chosen))
        expressions = {one.name: typed("data", one) for one in found.chosen}
        by_sql = fetch(connection, "events", expressions, request.kinds({}), request)
    for name, values in by_loaders.items():
        assert list(map(spell, by_sql[name])) == list(map(spell, values))


def spell(value):
    """A value as analyses tell values apart: 1 and 1.0 are one, True is another."""
    if value is None or value is pd.NA or value != value:
        return None
    return (isinstance(value, (bool, np.bool_)), isinstance(value, str), value)
