"""Properties become columns where a question names them, and tables are the same wherever the events come from."""

import json

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.store import partitions as buckets
from nucleus_pandas.store import table_frames as reading
from nucleus_pandas.store.properties import find_properties
from tests.conftest import AUTUMN
from tests.demo.handmade import app_of, session, user
from tests.store.conftest import ScriptedService, quiet_sync

# What users of a plan send with SAVE: values of several types, nested ones, long numbers, and odd characters.
VALUES = [1, "1", True, 1.5, None, {"a": [1, 2]}, [True], 2**70, 2**63 + 1, "", "a\x00b", "=1", 1, "1", False, 0]
#: More properties than there are columns for.
KEYS = 260


def crowded_app():
    people = []
    for number in range(48):
        extra = {f"k{key}": key for key in range(number, KEYS, 48)}
        props = {"team": ["red", "blue", 7][number % 3], **extra, "rare": number % 2 == 0}
        who = user(f"a{number}", f"ana{number}", "10-24 10:00", props=props, init_data={"plan": "pro"})
        value = VALUES[number % len(VALUES)]
        data = {"value": value, "pages": number % 4, "text": f"t{number % 3}", "rare/~\"'": number % 2, **extra}
        session(who, str(number), f"10-24 10:{number:02d}", (60, "SAVE", data), (90, "CLOSE", {"plan": "free"}))
        people.append(who)
    return app_of(*people)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = nu.EventStore(tmp_path_factory.mktemp("crowded") / "app.duckdb")
    with nu.demo.DemoClient(ScriptedService(crowded_app(), as_of=AUTUMN)) as app:
        quiet_sync(app, made)
    return made


@pytest.fixture(scope="module")
def folder(store, tmp_path_factory):
    place = tmp_path_factory.mktemp("export") / "out"
    with pytest.warns(UserWarning, match="different properties"):
        store.export(place)
    return place


@pytest.fixture(scope="module")
def sources(store, folder):
    """The same events in every way in which they can be passed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buckets, "_AT_ONCE", 20)
        with pytest.warns(UserWarning, match="different properties"):
            frame = store.events()
        names = ["value", "pages", "text", "k7", "k259", "rare/~\"'", "plan"]
        return {
            "store": store,
            "log": nu.EventLog(store),
            "frame": nu.EventLog(frame, as_of=AUTUMN),
            "named frame": nu.EventLog(store.events(properties=names), as_of=AUTUMN),
            "buckets": nu.Buckets(store),
            "export": nu.Buckets(folder),
        }


QUESTIONS = {
    "by whole numbers": lambda events: nu.funnel(events, ["SAVE"], by="pages"),
    "by values of several types": lambda events: nu.funnel(events, ["SAVE"], by="value", top=20),
    "where a text that spells a number": lambda events: nu.funnel(events, [nu.step("SAVE", where={"value": "1"})]),
    "where a number among texts": lambda events: nu.funnel(events, [nu.step("SAVE", where={"value": 1})]),
    "where a truth value among texts": lambda events: nu.funnel(events, [nu.step("SAVE", where={"value": True})]),
    "by what only the first event of a session has": lambda events: nu.funnel(events, ["SAVE"], by="version"),
    "where what only the first event of a session has": lambda events: nu.funnel(
        events, [nu.step("SAVE", where={"version": "1.0.0"})]
    ),
    "retention by the version": lambda events: nu.retention(
        events, by="version", return_event="CLOSE", start_event="SAVE", freq="D", start="2026-10-24", end="2026-10-24"
    ),
    "where a number beyond 64 bits": lambda events: nu.funnel(
        events, [nu.step("SAVE", where={"pages": [2**64, 10**400, 1]})]
    ),
    "where a text that is no UTF-8": lambda events: nu.funnel(
        events, [nu.step("SAVE", where={"text": ["\ud800", "t1"]})]
    ),
    "by a key that is rare": lambda events: nu.funnel(events, ["init", "SAVE", "CLOSE"], by="k259"),
    "by a key with odd characters": lambda events: nu.funnel(events, ["SAVE"], by="rare/~\"'"),
    "by the name of the column": lambda events: nu.funnel(events, ["SAVE"], by="data.text"),
    "where a number": lambda events: nu.funnel(events, ["init", nu.step("SAVE", where={"pages": [1, 2]})]),
    "where a rare key": lambda events: nu.funnel(events, ["init", nu.step("SAVE", where={"k7": 7})]),
    "where a text": lambda events: nu.funnel(events, [nu.step("CLOSE", where={"plan": "free", "text": None})]),
    "where a function": lambda events: nu.funnel(
        events, [nu.step("SAVE", where=lambda rows: rows["data.pages"].isin([2, 3]))]
    ),
    "trend": lambda events: nu.funnel_trend(events, ["SAVE", "CLOSE"], by="text", freq="W"),
    "retention": lambda events: nu.retention(
        events, by="plan", return_event="CLOSE", start_event="init", freq="D", start="2026-10-24", end="2026-10-24"
    ),
    "errors": lambda events: nu.crash_free(events, by="text", freq=None),
    "paths": lambda events: nu.paths(events, after=nu.step("SAVE", where={"text": "t1"}), steps=1),
}


@pytest.mark.parametrize("source", ["store", "frame", "named frame", "buckets", "export"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_table_is_the_same_wherever_the_events_come_from(question, source, sources):
    ask = QUESTIONS[question]
    pd.testing.assert_frame_equal(ask(sources[source]), ask(sources["log"]), rtol=1e-12, atol=0)


@pytest.fixture
def looked_at(monkeypatch):
    """The properties that were read from stores, None for all of them."""
    seen = []
    read = reading.read_events

    def read_events(connection, condition, values, columns=None, properties=None):
        seen.append(properties if columns is None else None if "data" in columns else [])
        return read(connection, condition, values, columns, properties)

    monkeypatch.setattr(reading, "read_events", read_events)
    return seen


@pytest.mark.parametrize(
    ("ask", "names"),
    [
        (lambda store: nu.funnel(store, ["init", "SAVE"]), []),
        (lambda store: nu.funnel(store, ["init", "SAVE"], by="version"), []),
        (lambda store: nu.funnel(store, ["init", "SAVE"], by="plan"), ["plan"]),
        (lambda store: nu.funnel(store, [nu.step("SAVE", where={"data.text": "t1"})]), ["text"]),
        (lambda store: nu.paths(store, "SAVE"), []),
        (lambda store: nu.version_adoption(store, freq="W"), []),
        (lambda store: nu.top_errors(store), []),
        (lambda store: nu.crash_free(store, freq=None), []),
        (lambda store: nu.retention(store, start_event="init", return_event="SAVE"), []),
    ],
)
def test_no_other_properties_are_read_than_a_question_names(ask, names, store, looked_at):
    ask(store)
    assert [sorted(seen) for seen in looked_at] == [names]


def test_buckets_of_a_store_look_for_properties_only_when_one_is_named(store, monkeypatch):
    asked = []

    def find(connection, table, column, keys=None):
        asked.append(keys)
        return find_properties(connection, table, column, keys)

    monkeypatch.setattr("nucleus_pandas.store.eventstore.find_properties", find)
    large = nu.Buckets(store)
    nu.funnel(large, ["init", "SAVE"], by="version")
    assert asked == []
    assert not [name for name in large.columns if name.startswith("data.")]
    nu.funnel(large, ["init", "SAVE"], by="text")
    nu.funnel(large, ["init", "CLOSE"], by="text")
    assert asked == [{"text"}]
    assert [name for name in large.columns if name.startswith("data.")] == ["data.text"]


def test_a_log_makes_a_column_when_it_is_asked_for_one(store):
    log = nu.EventLog(store)
    assert [name for name in log.frame if name.startswith("data")] == ["data"]
    nu.funnel(log, ["SAVE"], by="text")
    assert [name for name in log.frame if name.startswith("data.")] == ["data.text"]


def test_a_frame_with_a_column_data_of_somebody_else_is_as_it_was():
    frame = pd.DataFrame(
        {
            "user_id": ["ana", "bob"],
            "time": pd.Timestamp("2026-10-24", tz="UTC"),
            "event": "SAVE",
            "data": ["{not JSON", "[1]"],
        }
    )
    table = nu.funnel(frame, ["SAVE"], by="data", include_pending=True)
    assert set(table["segment"]) == {"{not JSON", "[1]"}
    with pytest.raises(ValueError, match='by: the log has no column "plan"'):
        nu.funnel(frame, ["SAVE"], by="plan")


@pytest.mark.parametrize("source", ["store", "log", "frame", "buckets", "export"])
def test_an_unknown_property_is_told_with_the_nearest_names(source, sources):
    with pytest.raises(ValueError, match=r'by: the log has no column "txet", nor "data.txet"\. Did you mean "text"'):
        nu.funnel(sources[source], ["SAVE"], by="txet")


def test_a_property_that_nobody_has_in_the_interval_is_missing_there(store):
    table = nu.funnel(store, ["init"], by="text")
    assert table["segment"].tolist() == ["(none)"]


def test_the_users_of_a_store_have_the_property_that_is_named(store):
    teams = nu.survival(store, by="team", gap="1d")
    assert set(teams["segment"]) == {"red", "blue", "7"}
    assert set(nu.unbounded_retention(store, by="rare", freq="D")["segment"]) == {"true", "false"}
    with pytest.warns(UserWarning, match="different properties"):
        users = store.users()
    whole = nu.retention(store, users=users, by="k259", freq="D")
    pd.testing.assert_frame_equal(
        whole, nu.retention(store, users=store.users(properties=["k259"]), by="k259", freq="D")
    )
    assert {"259", "(none)"} == set(whole["segment"])
    with pytest.raises(ValueError, match=r'no column "teem".* Did you mean "team"'):
        nu.survival(store, by="teem")


def test_a_report_reads_the_properties_of_its_funnel_only(store, looked_at):
    with nu.demo.DemoClient(ScriptedService(crowded_app(), as_of=AUTUMN)) as app:
        nu.periodic_report(app, store, day="2026-10-24", funnel=["init", nu.step("SAVE", where={"text": "t1"})])
    assert all(seen is not None and set(seen) <= {"text"} for seen in looked_at)


def test_files_hold_200_columns_and_the_rest_as_json(folder):
    import duckdb

    with duckdb.connect() as connection:
        events = connection.execute(f"SELECT * FROM '{folder}/events/*/*.parquet'").df()
    assert sum(name.startswith("data.") for name in events) == 199  # and "value", of several types
    rest = [json.loads(text) for text in events["data"].dropna()]
    assert rest
    assert len({key for row in rest for key in row}) == KEYS + 5 - 199
    assert not {f"data.{key}" for row in rest for key in row} & set(events)


def test_a_log_of_a_store_can_be_limited_to_some_properties(store):
    log = nu.EventLog(store, properties=["text", "nothing"])
    assert [name for name in log.frame if name.startswith("data")] == ["data.text"]
    with pytest.raises(ValueError, match="properties is for a store"):
        nu.EventLog(log.frame, properties=["text"])


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """A store with keys that differ in case, or that look like the name of another one's column."""
    place = tmp_path_factory.mktemp("alike")
    made = nu.EventStore(place / "app.duckdb")
    people = []
    for number in range(6):
        who = user(f"a{number}", f"ana{number}", "10-24 10:00")
        data = {"PLAN": "P", "plan": ["free", "pro"][number > 3], "plan_": ["old", "new"][number > 0]}
        session(who, str(number), f"10-24 10:0{number}", (60, "SAVE", data), (90, "CLOSE", {"n\x00": 1, "n\ufffd": 2}))
        people.append(who)
    with nu.demo.DemoClient(ScriptedService(app_of(*people), as_of=AUTUMN)) as app:
        quiet_sync(app, made)
    return made


def segments(events, by, step="SAVE"):
    table = nu.funnel(events, [step], by=by)
    return dict(zip(table["segment"], table["users"], strict=True))


@pytest.mark.parametrize("exported", [None, ["plan"], ["PLAN", "plan", "plan_"]])
def test_a_name_means_the_same_key_whatever_else_is_exported(alike, tmp_path, exported):
    alike.export(tmp_path / "out", properties=exported)
    export = nu.Buckets(tmp_path / "out")
    pytest.importorskip("pyarrow")
    frame = pd.read_parquet(tmp_path / "out" / "events")
    frame["time"] = frame["time"].dt.tz_convert("UTC")
    for name in ("plan", "data.plan"):
        for source in (alike, nu.EventLog(alike), nu.Buckets(alike), export, nu.EventLog(frame, as_of=AUTUMN)):
            assert segments(source, name) == {"free": 4, "pro": 2}
    if exported is None or "plan_" in exported:
        for source in (alike, export, nu.EventLog(frame, as_of=AUTUMN)):
            assert segments(source, "plan_") == {"new": 5, "old": 1}
    with pytest.raises(ValueError, match='no column "plan__"'):
        segments(export, "plan__")


def test_of_keys_that_look_the_same_an_export_finds_the_one_that_its_store_finds(alike, tmp_path):
    alike.export(tmp_path / "out")
    name = "n\N{REPLACEMENT CHARACTER}"
    expected = segments(nu.Buckets(alike), name, "CLOSE")
    assert segments(nu.Buckets(tmp_path / "out"), name, "CLOSE") == expected


@pytest.mark.parametrize("source", ["store", "log", "frame", "buckets", "export"])
@pytest.mark.parametrize("by", ["\ud800", "data.\ud800"])
def test_a_name_that_is_no_utf8_is_an_unknown_one(source, by, sources):
    with pytest.raises(ValueError, match="by: the log has no column"):
        nu.funnel(sources[source], ["SAVE"], by=by)


@pytest.mark.parametrize("source", ["store", "log", "frame", "buckets", "export"])
@pytest.mark.parametrize("wanted", [1, "2026-10-24", True])
def test_something_else_than_an_instant_is_not_looked_for_among_instants(source, wanted, sources):
    with pytest.raises(ValueError, match='where: the column "time" holds instants'):
        nu.funnel(sources[source], [nu.step("SAVE", where={"time": wanted})])
