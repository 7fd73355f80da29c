"""What can be asked of a store."""

import datetime as dt
import json
import os
import pickle
import shutil
import subprocess
import sys

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.demo.build import build_app
from tests.conftest import AUTUMN
from tests.demo.handmade import app_of, session, two_friends, user
from tests.store.conftest import ALL, ScriptedService, quiet_sync

PARIS = {"tz": "Europe/Paris"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A store for tests that only read; its app is small."""
    store = nu.EventStore(tmp_path_factory.mktemp("store") / "app.duckdb")
    service = ScriptedService(build_app(scale=0.05, end=dt.date(2026, 11, 22)), as_of=AUTUMN)
    with nu.demo.DemoClient(service) as app:
        quiet_sync(app, store)
    return store


@pytest.fixture(scope="module")
def synced_friends(tmp_path_factory):
    store = nu.EventStore(tmp_path_factory.mktemp("friends") / "app.duckdb")
    with nu.demo.DemoClient(ScriptedService(two_friends(), as_of=AUTUMN)) as app:
        quiet_sync(app, store)
    return store.path


@pytest.fixture
def friends(synced_friends, store):
    """Ana and a nameless one about the end of summer time in Paris."""
    shutil.copy(synced_friends, store.path)
    return store


def test_days_are_days_of_the_zone_from_midnight_to_midnight(friends):
    times = friends.events("2026-10-25", "2026-10-25", **PARIS)["time"]
    assert [f"{time:%d %H:%M:%S}" for time in times] == ["24 23:10:00", "24 23:11:00", "24 23:11:30", "25 22:30:00"]
    assert len(friends.events("2026-10-26", "2026-10-26", **PARIS)) == 5
    assert len(friends.events(start="2026-10-26", **PARIS)) == 5
    assert len(friends.events(end="2026-10-25", **PARIS)) == 4


def test_an_instant_as_end_is_not_part_of_the_interval(friends):
    log = friends.events("2026-10-24T23:10:00Z", "2026-10-24T23:11:00Z")
    assert log["event"].tolist() == ["init"]


def test_sessions_are_those_that_start_in_the_interval(friends):
    sessions = friends.sessions("2026-10-25", "2026-10-25", **PARIS)
    assert sessions["session_id"].tolist() == ["1111", "2222"]  # the second ends on the 26th


@pytest.mark.parametrize("users", [["ana/ó@example.org"], ["a1"]])
def test_events_of_some_users_by_either_id(friends, users):
    assert set(friends.events(users=users)["user_db_id"]) == {"a1"}


def test_events_of_rows_of_users(friends):
    users = friends.users()
    assert set(friends.events(users=users.tail(1))["user_db_id"]) == {users["user_db_id"].iloc[-1]}


def test_events_of_some_names(friends):
    assert friends.events(events=["UNDO", "EXPORT_PDF"])["event"].tolist() == ["EXPORT_PDF", "UNDO", "EXPORT_PDF"]
    assert friends.events(events="UNDO")["event"].tolist() == ["UNDO"]


def test_an_unknown_event_raises_with_the_nearest_names_and_the_most_frequent(friends):
    told = r'no event "EXPORT_PFD"\. Did you mean "EXPORT_PDF"\? The most frequent are "init"'
    with pytest.raises(ValueError, match=told):
        friends.events(events=["EXPORT_PFD"])


def test_some_columns_in_the_order_asked_for(friends):
    log = friends.events(columns=["event", "user_id", "data.pages", "data.nothing", "session_start"])
    assert list(log) == ["event", "user_id", "data.pages", "data.nothing", "session_start"]
    whole = friends.events()
    pd.testing.assert_frame_equal(log.drop(columns="data.nothing"), whole[list(log.drop(columns="data.nothing"))])
    assert log["data.nothing"].isna().all()
    assert log["data.nothing"].dtype == "string"


def test_every_column_can_be_had_alone(filled):
    whole = filled.events()
    for name in whole:
        pd.testing.assert_frame_equal(filled.events(columns=[name]), whole[[name]])


def test_an_unknown_column_raises_with_those_that_there_are(friends):
    with pytest.raises(ValueError, match=r"name. is no column of the event log\. There are user_id"):
        friends.events(columns=["name"])


@pytest.mark.parametrize("users", ["a1", [1], {"a1": 1}, 5])
def test_users_of_another_type_raise(friends, users):
    with pytest.raises(TypeError):
        friends.events(users=users)


def test_a_frame_without_ids_raises(friends):
    with pytest.raises(ValueError, match="neither a column user_id nor user_db_id"):
        friends.events(users=pd.DataFrame({"a": [1]}))


def test_a_filter_that_leaves_nothing_leaves_the_columns_and_dtypes(filled):
    log, whole = filled.events(users=[]), filled.events()
    assert len(log) == 0
    fixed = [name for name in whole if not name.startswith("data.")]
    assert list(log) == fixed
    assert (log.dtypes == whole[fixed].dtypes).all()


def test_columns_are_some_and_each_once(friends):
    for columns in ([], ["time", "time"]):
        with pytest.raises(ValueError, match="each of them once"):
            friends.events(columns=columns)


@pytest.mark.parametrize("name", ["kept", "fresh", "store", "temp", "main", "users", 'a"b', "it's", "a b;c"])
def test_a_store_may_be_called_anything(scripted, tmp_path, name):
    store = nu.EventStore(tmp_path / f"{name}.duckdb")
    app = scripted(app=two_friends())
    quiet_sync(app, store)
    assert len(store.events()) == 9
    nu.forget_user(app, "b2", store=store, confirm="b2")
    assert store.users()["user_db_id"].tolist() == ["a1"]


def test_a_link_to_a_store_is_the_store(scripted, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.duckdb").symlink_to(tmp_path / "real" / "app.duckdb")
    store, app = nu.EventStore(tmp_path / "link.duckdb"), scripted(app=two_friends())
    quiet_sync(app, store)
    nu.forget_user(app, "b2", store=store, confirm="b2")
    assert (tmp_path / "link.duckdb").is_symlink()
    assert nu.EventStore(tmp_path / "real" / "app.duckdb").users()["user_db_id"].tolist() == ["a1"]
    assert b"b2-" not in (tmp_path / "real" / "app.duckdb").read_bytes()


def test_a_store_can_be_pickled_for_another_process(friends):
    copy = pickle.loads(pickle.dumps(friends))
    pd.testing.assert_frame_equal(copy.events(), friends.events())


def test_a_sample_that_was_raised_is_not_whole_for_older_spans(scripted, store):
    app = scripted(scale=0.05)
    quiet_sync(app, store, start="2026-06-01", end="2026-06-30", sample=0.2)
    store.events("2026-06-01", "2026-06-30")
    quiet_sync(app, store, start="2026-10-01", end="2026-10-31", sample=1.0)
    with pytest.warns(
        nu.IncompleteDataWarning,
        match="fully synced: 2026-10-01 00:00 to 2026-11-01 00:00",
    ):
        store.events("2026-06-01", "2026-06-30")
    assert [start.month for start, _ in store.info().spans] == [10]


def test_the_last_days_of_a_sync_that_was_not_repeated_are_not_whole(scripted, store):
    app = scripted(scale=0.05, as_of=dt.datetime(2026, 9, 11, tzinfo=dt.UTC))
    quiet_sync(app, store, start="2026-09-01", end="2026-09-10", window="0d")
    store.events("2026-09-01", "2026-09-10")
    app.service.as_of = dt.datetime(2026, 9, 21, tzinfo=dt.UTC)
    quiet_sync(app, store, start="2026-09-11", end="2026-09-20", window="0d")
    with pytest.warns(nu.IncompleteDataWarning, match="fully synced: 2026-09-01 00:00 to 2026-09-09 00:00, 2026-09-11"):
        store.events("2026-09-01", "2026-09-10")


def test_sessions_that_are_known_and_not_fetched_are_told(scripted, store):
    app = scripted(scale=0.05)
    quiet_sync(app, store, start="2026-09-01", end="2026-09-30")
    with store.database.writing() as connection:
        connection.execute(
            "UPDATE kept.sessions SET stale = true WHERE session_no = (SELECT min(session_no) FROM"
            " kept.sessions WHERE \"start\" >= '2026-09-10')"
        )
    with pytest.warns(nu.IncompleteDataWarning, match="1 session not fetched yet, or grown since"):
        store.events("2026-09-01", "2026-09-30")


@pytest.mark.parametrize("store", ["app.duckdb", None, 5])
def test_what_is_no_store_is_told(scripted, store):
    app = scripted()
    for use in (lambda: quiet_sync(app, store), lambda: nu.plan_sync(app, store, **ALL)):
        with pytest.raises(TypeError, match=r'pass nucleus_pandas\.EventStore\("myapp.duckdb"\)'):
            use()


def test_an_interval_that_was_not_synced_is_told(scripted, store):
    app = scripted()
    quiet_sync(app, store, start="2026-10-01", end="2026-10-10")
    quiet_sync(app, store, start="2026-10-11", end="2026-10-20")
    store.events("2026-10-03", "2026-10-17")
    with pytest.warns(
        nu.IncompleteDataWarning,
        match="fully synced: 2026-10-01 00:00 to 2026-10-21 00:00",
    ):
        store.events("2026-09-30", "2026-10-17")
    with pytest.warns(nu.IncompleteDataWarning, match="Run sync for the interval"):
        store.sessions("2026-10-03", "2026-11-17")


def test_sql_knows_the_views_and_their_properties(friends):
    found = friends.sql("SELECT user_db_id, props ->> 'plan' AS plan FROM users ORDER BY 1")
    assert found.to_numpy().tolist() == [["a1", "pro"], ["b2", "pro"]]
    formats = friends.sql(
        "SELECT data ->> 'format' AS format, count(*) AS n FROM events WHERE event = 'EXPORT_PDF' GROUP BY 1 ORDER BY 1"
    )
    assert formats.to_numpy().tolist() == [["A4", 1], ["A5", 1]]
    assert friends.sql("SELECT sum(duration_seconds) AS s FROM sessions")["s"][0] == 90.5 + 3600 + 10 + 5


@pytest.mark.parametrize("query", ["SELEC 1", "SELECT nope FROM users", "SELECT nope(1)"])
def test_sql_that_cannot_be_understood_raises_a_value_error(friends, query):
    with pytest.raises(ValueError, match="cannot be understood by DuckDB"):
        friends.sql(query)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("FROM users", 2),
        ("WITH people AS (FROM users) SELECT * FROM people JOIN USERS USING (user_db_id)", 2),
        ("WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) FROM n", 3),
        ("SELECT * FROM range(3), unnest([1, 2])", 6),
        ("SELECT * FROM users, json_each(props) WHERE key = 'plan'", 2),
        ("SELECT user_id FROM users WHERE user_db_id IN (SELECT user_db_id FROM events) UNION ALL VALUES ('x')", 3),
        ("SUMMARIZE SELECT user_id FROM users", 1),
        ("SELECT 1;", 1),
    ],
)
def test_sql_can_be_any_select_over_the_views(friends, query, rows):
    assert len(friends.sql(query)) == rows


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM kept.users",
        "DROP VIEW users",
        "CREATE TEMP TABLE a AS SELECT 1",
        "SELECT 1; DROP VIEW users",
        "COPY users TO '{0}/leak.csv'",
        "ATTACH '{0}/leak.csv'",
        "SET search_path = 'store.kept'",
        "USE store.kept",
        "PRAGMA table_info('kept.meta')",
        "CALL query('FROM kept.meta')",
        "PREPARE x AS FROM kept.meta",
        "CHECKPOINT",
        "PIVOT kept.meta ON key USING first(value)",
        "EXPLAIN ANALYZE FROM kept.meta",
        "EXPORT DATABASE '{0}/leak.csv'",
    ],
)
def test_sql_is_one_select(friends, tmp_path, query):
    before = friends.path.read_bytes()
    with pytest.raises(ValueError, match="must be one SELECT statement"):
        friends.sql(query.format(f"{friends.path}.tmp"))
    assert friends.path.read_bytes() == before
    assert not list(tmp_path.rglob("leak.csv"))


@pytest.mark.parametrize(
    "query",
    [
        "FROM nothing",
        "FROM kept.meta",
        'SELECT * FROM store."KEPT"."Meta"',
        "TABLE kept.users",
        "SUMMARIZE kept.meta",
        "SELECT (SELECT max(value) FROM kept.meta)",
        "WITH meta AS (SELECT 1) FROM kept.meta",
        "DESCRIBE kept.meta",
        "SELECT * FROM users WHERE user_id IN (SELECT value FROM kept.meta)",
        "SHOW TABLES",
        "VALUES ((FROM kept.meta))",
        "FROM query_table('kept.meta')",
        "FROM query('FROM kept.meta')",
        "FROM pragma_table_info('kept.meta')",
        "FROM duckdb_views()",
        "FROM information_schema.columns",
        "FROM sqlite_master",
        "FROM friends",
        "FROM kept.users",
        "FROM json_execute_serialized_sql(json_serialize_sql('FROM kept.meta'))",
        "FROM read_csv('/etc/hosts')",
        "FROM '/etc/hosts'",
        'WITH "{0}/x.csv" AS (SELECT 1) FROM "{0}/x.csv"',
        "FROM read_text('{0}/x.csv')",
        "SELECT * FROM (PIVOT kept.meta ON key IN ('salt') USING first(value))",
    ],
)
def test_sql_reaches_the_views_only(friends, query):
    with pytest.raises(ValueError, match=r"is not available\. It can read users, devices, sessions, events"):
        friends.sql(query.format(f"{friends.path}.tmp"))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT user_id::INTEGER FROM users",
        "SELECT error(user_id) FROM users",
        "SELECT strptime(user_id, '%Y') FROM users",
        "SELECT json_extract(user_id, '$.a') FROM users",
    ],
)
def test_an_error_of_sql_holds_nothing_of_the_data(friends, query):
    with pytest.raises(ValueError, match="a value does not fit") as caught:
        friends.sql(query)
    assert "ana" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("query", ["", "  ", "-- x", None, 5])
def test_sql_that_asks_for_nothing_raises(friends, query):
    with pytest.raises(ValueError, match=r"question in SQL|one SELECT"):
        friends.sql(query)


def test_info_tells_what_there_is(friends):
    info = friends.info()
    assert (info.app_id, info.users, info.followed, info.sessions, info.fetched_sessions, info.events) == (
        "demo",
        2,
        2,
        4,
        4,
        9,
    )
    assert info.first_event == dt.datetime(2026, 10, 24, 23, 10, tzinfo=dt.UTC)
    assert info.as_of == AUTUMN
    assert info.spans == ((dt.datetime(2026, 5, 1, tzinfo=dt.UTC), dt.datetime(2026, 11, 21, tzinfo=dt.UTC)),)
    assert (info.sample, info.missing_users, info.missing_sessions, info.unfinished) == (1.0, 0, 0, False)
    assert info.bytes == friends.path.stat().st_size


def test_a_store_is_shown_by_its_path():
    assert repr(nu.EventStore("my app.duckdb")) == "EventStore('my app.duckdb')"


@pytest.mark.parametrize("path", ["", 5, None])
def test_a_path_that_is_none_raises(path):
    with pytest.raises(TypeError, match="must be the path of a file"):
        nu.EventStore(path)


def test_the_counts_of_the_store_are_those_of_the_service(scripted, store):
    app = scripted(scale=0.05)
    quiet_sync(app, store)
    table = nu.reconcile(app, store, "2026-10-20", "2026-10-30", tz="Europe/Paris")
    assert list(table) == ["day", "event", "service", "store", "gap", "settled", "sample"]
    assert table["service"].sum() > 100
    assert (table["gap"] == 0).all()


def test_events_that_the_store_lacks_are_a_negative_gap(scripted, store):
    who = user("a1", "ana", "10-24 10:00")
    session(who, "1", "10-24 10:00", (60, "SAVE", None), (61, "SAVE", None), (62, "UNDO", None))
    app = scripted(app=app_of(who))
    quiet_sync(app, store)
    with store.database.writing() as connection:
        connection.execute("DELETE FROM kept.events WHERE event = 'SAVE' AND place = 1")
    table = nu.reconcile(app, store, "2026-10-24", "2026-10-24")
    assert table.set_index("event")["gap"].to_dict() == {"SAVE": -1, "UNDO": 0}


def test_counts_of_a_sampled_store_carry_the_sample(scripted, store):
    app = scripted(scale=0.05)
    quiet_sync(app, store, sample=0.5)
    table = nu.reconcile(app, store, "2026-10-01", "2026-10-30")
    assert set(table["sample"]) == {store.info().sample} != {1.0}
    assert 0 < table["store"].sum() < table["service"].sum()


def test_an_event_that_only_the_store_has_is_a_positive_gap(scripted, store):
    who = user("a1", "ana", "10-24 10:00")
    session(who, "1", "10-24 10:00", (60, "SAVE", None))
    app = scripted(app=app_of(who))
    quiet_sync(app, store)
    app.service.hook = lambda method, target: (200, {"data": {}}) if "analytics/events?" in target else None
    table = nu.reconcile(app, store, "2026-10-24", "2026-10-24")
    assert table[["event", "service", "store", "gap"]].to_numpy().tolist() == [["SAVE", 0, 1, 1]]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A store with 260 properties of users and of events."""
    extra = {f"k{number}": number for number in range(259)}
    who = user("a1", "ana", "10-24 10:00", props={"plan": "pro", **extra})
    session(who, "1", "10-24 10:00", (1, "SAVE", {"format": "A4", **extra}), (2, "SAVE", {"format": 4, "plan": "pro"}))
    store = nu.EventStore(tmp_path_factory.mktemp("crowded") / "app.duckdb")
    with nu.demo.DemoClient(ScriptedService(app_of(who), as_of=AUTUMN)) as app:
        quiet_sync(app, store)
    return store


def properties_in(frame):
    return [name for name in frame if name.startswith(("data", "props"))]


def test_the_properties_that_are_named_become_columns(crowded):
    log = crowded.events(properties=["format", "data.k7", "plan"])
    assert properties_in(log) == ["data.format", "data.k7", "data.plan"]
    assert log["data.format"].tolist() == [None, "A4", 4]
    users = crowded.users(properties="plan")
    assert properties_in(users) == ["props.plan"]
    assert users["props.plan"].tolist() == ["pro"]
    assert properties_in(crowded.events(properties=[])) == properties_in(crowded.users(properties=[])) == []


def test_beyond_200_properties_the_others_stay_together_and_that_is_told(crowded):
    with pytest.warns(UserWarning, match=r"261 different properties\. The 200 most frequent .* other 61 .*'data'"):
        log = crowded.events()
    assert len(properties_in(log)) == 201
    assert {"data.format", "data.plan"} <= set(log)  # the most frequent
    rest = json.loads(log["data"].dropna().iloc[0])
    assert len(rest) == 61
    assert not {f"data.{key}" for key in rest} & set(log)
    with pytest.warns(UserWarning, match="260 different properties"):
        assert len(properties_in(crowded.users())) == 201


def test_the_json_of_all_properties_is_a_column_of_its_own(crowded):
    log = crowded.events(columns=["event", "data", "data.format"])
    assert list(log) == ["event", "data", "data.format"]
    assert len(json.loads(log["data"].iloc[1])) == 260


def test_a_property_that_others_have_is_missing_where_nobody_does(crowded):
    log = crowded.events(events="init", properties=["format"])
    assert log["data.format"].isna().all()
    assert crowded.events(users=[], properties=["format"])["data.format"].dtype == "string"


@pytest.mark.parametrize("read", [nu.EventStore.events, nu.EventStore.users])
def test_an_unknown_property_raises_with_the_nearest_names(crowded, read):
    with pytest.raises(ValueError, match=r'the store has no property "k10x"\. Did you mean "k10'):
        read(crowded, properties=["plan", "k10x"])


def test_columns_and_properties_exclude_each_other(crowded):
    with pytest.raises(ValueError, match="Pass columns or properties, not both"):
        crowded.events(columns=["event"], properties=["plan"])


def test_a_property_that_is_shown_with_a_replacement_can_be_named(scripted, store):
    who = user("a1", "ana", "10-24 10:00", init_data={"n\x00": 1, "n\x01": 2, "plan": "pro"})
    session(who, "1", "10-24 10:00")
    quiet_sync(scripted(app=app_of(who)), store)
    names = ["n\N{REPLACEMENT CHARACTER}", "n\N{REPLACEMENT CHARACTER}_"]
    log = store.events(properties=names)
    assert log[[f"data.{name}" for name in names]].to_numpy().tolist() == [[1, 2]]
    for source in (store, nu.EventLog(store), nu.Buckets(store)):
        table = nu.funnel(source, ["init"], by=names[0], include_pending=True)
        assert table["segment"].tolist() == ["1"]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_sql_does_not_depend_on_the_zone_of_the_machine(store, fill, zone):
    fill(store)
    query = "SELECT count(*) AS n FROM events WHERE time::TIMESTAMPTZ::DATE = '2026-10-05'"
    code = "import sys, nucleus_pandas as nu; print(nu.EventStore(sys.argv[1]).sql(sys.argv[2])['n'][0])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.path), query],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"TZ": zone},
    )
    expected = store.events("2026-10-05", "2026-10-05")
    assert int(done.stdout) == len(expected) > 0
