"""`Buckets`: what a folder of Parquet files, an export and a store say, and what is refused."""

import datetime as dt
import io
import json
import shutil

import dask
import duckdb
import pandas as pd
import pytest
from tqdm import tqdm

import nucleus_pandas as nu
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.service import DemoService
from nucleus_pandas.events import protocol as engines
from nucleus_pandas.events import survey as facts
from nucleus_pandas.store import user_buckets
from tests.conftest import AUTUMN
from tests.events.split import FrameBucket

STEPS = ["init", "PROJECT_CREATED", "EXPORT_PDF"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = nu.EventStore(tmp_path_factory.mktemp("store") / "app.duckdb")
    with nu.demo.DemoClient(DemoService(build_app(scale=0.1, end=dt.date(2026, 11, 22)), as_of=AUTUMN)) as app:
        nu.sync(app, made, start="2026-09-01", end="2026-10-31", progress=False)
    return made


@pytest.fixture(scope="module")
def log(store):
    return nu.EventLog(store)


@pytest.fixture(scope="module")
def several():
    """Lets few events be many, so that not all buckets are read at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_buckets, "_AT_ONCE", 2_000)
        yield


@pytest.fixture(scope="module")
def stored(store, several):
    return nu.Buckets(store)


@pytest.fixture(scope="module")
def folder(store, tmp_path_factory):
    place = tmp_path_factory.mktemp("export") / "out"
    store.export(place)
    return place


@pytest.fixture(scope="module")
def export(folder, several):
    return nu.Buckets(folder)


def write(folder, query, bucket=0):
    """One Parquet file of a bucket."""
    (folder / f"bucket={bucket}").mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{folder}/bucket={bucket}/part.parquet' (FORMAT parquet)")


def rows(users, day="2026-03-02", event="OPEN"):
    """A query for an event of each of some users."""
    values = ", ".join(f"('{user}', TIMESTAMP '{day} 10:00:00', '{event}')" for user in users)
    return f"SELECT * FROM (VALUES {values}) AS events (user_id, time, event)"


QUESTIONS = {
    "active_users": lambda events: nu.active_users(events, tz="Europe/Paris"),
    "growth": lambda events: nu.growth(events, freq="W", event="EXPORT_PDF"),
    "funnel": lambda events: nu.funnel(events, STEPS, by="version"),
    "funnel by a property": lambda events: nu.funnel(events, STEPS, by="plan", order="any"),
    "funnel by values of several types": lambda events: nu.funnel(events, ["EXPORT_PDF"], by="pages"),
    "funnel in a session": lambda events: nu.funnel(events, STEPS, window="session", exclude="UNDO"),
    "funnel on a condition": lambda events: nu.funnel(
        events, ["init", nu.step("EXPORT_PDF", where=lambda frame: frame["data.format"].eq("A4"))]
    ),
    "funnel on a function that sorts": lambda events: nu.funnel(
        events, [nu.step("EXPORT_PDF", where=lambda frame: frame.sort_values("time")["data.format"].eq("A4"))]
    ),
    "funnel on a number": lambda events: nu.funnel(events, [nu.step("COMMENT_ADDED", where={"length": [12, 31]})]),
    "funnel_trend": lambda events: nu.funnel_trend(events, STEPS, freq="W", order="strict"),
    "error_free": lambda events: nu.error_free(events, freq="W", by="version"),
    "crash_free": lambda events: nu.crash_free(events, freq=None, by="platform"),
    "version_adoption": lambda events: nu.version_adoption(events, freq="W", per="users", top=3),
    "paths": lambda events: nu.paths(events, before="EXPORT_PDF", steps=3, top=4),
    "retention": lambda events: nu.retention(events, freq="W", by="platform"),
    "retention of an event": lambda events: nu.retention(
        events, freq="D", start_event="init", return_event="EXPORT_PDF", first_time=False, clock="elapsed"
    ),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_export_in_buckets_says_what_the_log_says(question, export, log):
    assert len(export.parts().source.buckets) > 2
    ask = QUESTIONS[question]
    pd.testing.assert_frame_equal(ask(export), ask(log), rtol=1e-12, atol=0)


@pytest.mark.parametrize("question", ["funnel by values of several types", "funnel on a number", "retention", "paths"])
def test_a_store_in_buckets_says_what_the_log_says(question, stored, log):
    assert len(stored.parts().source.buckets) > 2
    ask = QUESTIONS[question]
    pd.testing.assert_frame_equal(ask(stored), ask(log), rtol=1e-12, atol=0)


@pytest.mark.parametrize("files", ["in buckets", "in no buckets"])
def test_many_events_are_read_in_shares_of_their_users(files, folder, tmp_path, monkeypatch, log):
    monkeypatch.setattr(user_buckets, "_AT_MOST", 1_000)
    if files == "in no buckets":
        (tmp_path / "events").mkdir()
        with duckdb.connect() as connection:
            connection.execute(f"COPY (FROM '{folder}/events/*/*.parquet') TO '{tmp_path}/events/all.parquet'")
        shutil.copy(folder / "about.json", tmp_path)
        folder = tmp_path
    large = nu.Buckets(folder)
    assert max(bucket.shares for bucket in large.parts().source.buckets) > 1
    for question in ("retention", "funnel by a property"):
        ask = QUESTIONS[question]
        pd.testing.assert_frame_equal(ask(large), ask(log), rtol=1e-12, atol=0)


def test_dask_says_what_the_log_says_of_an_export(folder, several, log):
    with dask.config.set(scheduler="synchronous"):
        split = nu.Buckets(folder, engine="dask")
        for question in ("funnel", "version_adoption"):
            ask = QUESTIONS[question]
            pd.testing.assert_frame_equal(ask(split), ask(log), rtol=1e-12, atol=0)


def test_in_files_the_numbers_of_events_tell_in_which_order_those_of_one_instant_came(tmp_path):
    query = rows(["a"], event="SAVE").replace("SELECT *", "SELECT *, 3 AS event_no")
    for number, event in enumerate(["CLOSE", "OPEN"]):
        query += f" UNION ALL {rows(['a'], event=event).replace('SELECT *', f'SELECT *, {2 - number} AS event_no')}"
    write(tmp_path, query)
    after = nu.paths(nu.Buckets(tmp_path), after="OPEN", steps=2, as_of="2026-04-01")
    assert after["target"].tolist() == ["CLOSE", "SAVE"]


@pytest.mark.parametrize("name", ["{}", "user-{}@example.org", "{:08d}", "{:024x}", "u{}"])
def test_a_million_users_have_a_million_numbers(name):
    ids = pd.DataFrame({"user_id": [name.format(number) for number in range(1_000_000)]})
    with duckdb.connect() as connection:
        (found,) = connection.execute("SELECT count(DISTINCT hash(user_id)) FROM ids").fetchall()
    assert found[0] == len(ids)


def test_retention_of_a_list_of_users_is_that_of_the_log(export, store, log):
    users, asked = store.users(), {"by": "plan", "return_event": "EXPORT_PDF", "start": "2026-09-01"}
    split, whole = (nu.retention(events, users=users, **asked) for events in (export, log))
    pd.testing.assert_frame_equal(split, whole)


def test_a_list_of_users_must_have_the_id_by_which_buckets_tell_users_apart(export, store):
    with pytest.raises(ValueError, match="249 of 249 users have no user_db_id"):
        nu.retention(export, users=store.users().drop(columns="user_db_id"))


def test_an_export_knows_the_store_that_it_is_of(store, folder):
    info, told = store.info(), json.loads((folder / "about.json").read_text(encoding="utf-8"))
    assert nu.Buckets(folder).as_of == pd.Timestamp(info.as_of)
    assert told["sample"] == 1
    assert [[dt.datetime.fromisoformat(one).replace(tzinfo=dt.UTC) for one in span] for span in told["spans"]] == [
        list(span) for span in info.spans
    ]


def test_a_bucket_is_read_as_far_as_a_question_goes(export):
    parts = export.parts(steps=[("step 1", nu.step("init"))], every=False)
    assert set(parts.request.columns) == {"user_id", "user_db_id", "time", "event", "event_no"}
    assert set(parts.source.buckets[0].read(parts.request)["event"]) == {"init"}


def test_a_number_in_a_property_of_several_types_is_found_in_a_store_and_in_its_export(export, stored, log):
    steps = [nu.step("EXPORT_PDF", where={"pages": 1})]
    for source in (stored, export):
        pd.testing.assert_frame_equal(nu.funnel(source, steps), nu.funnel(log, steps), rtol=1e-12, atol=0)


def test_a_number_is_not_looked_for_in_a_column_of_text_in_your_own_files(tmp_path):
    write(tmp_path, f"SELECT *, '1' AS pages FROM ({rows(['ann'])})")
    with pytest.raises(ValueError, match=r'"pages" holds text here, and 1 is none of these.* such as \'1\''):
        nu.funnel(nu.Buckets(tmp_path), [nu.step("OPEN", where={"pages": 1})])


def test_a_fraction_is_found_among_numbers_of_32_bits_in_your_own_files(tmp_path):
    write(tmp_path, f"SELECT *, CAST(0.1 AS FLOAT) AS share FROM ({rows(['ann'])})")
    events = nu.Buckets(tmp_path, as_of="2026-06-01")
    assert nu.funnel(events, [nu.step("OPEN", where={"share": 0.1})])["users"].tolist() == [1]


def test_your_own_files_will_do(tmp_path):
    write(tmp_path, rows(["ann", "bob"]), 0)
    write(tmp_path, rows(["cid"], "2026-03-03").replace("TIMESTAMP", "TIMESTAMPTZ").replace(":00'", ":00+00'"), 1)
    table = nu.active_users(nu.Buckets(tmp_path))
    assert table["day"].dt.day.tolist() == [2, 3]
    assert table["dau"].tolist() == [2, 1]


def test_a_column_that_some_files_lack_is_missing_there(tmp_path, monkeypatch):
    monkeypatch.setattr(user_buckets, "_AT_ONCE", 0)
    write(tmp_path, f"SELECT *, 'pro' AS plan FROM ({rows(['ann', 'bob'])})", 0)
    write(tmp_path, rows(["cid"]), 1)
    table = nu.funnel(nu.Buckets(tmp_path), ["OPEN"], by="plan", include_pending=True)
    assert table[["segment", "users"]].to_numpy().tolist() == [["pro", 2], ["(none)", 1]]


def test_a_user_in_two_buckets_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(user_buckets, "_AT_ONCE", 0)
    write(tmp_path, rows(["ann", "bob"]), 0)
    write(tmp_path, rows(["bob", "cid"]), 1)
    with pytest.raises(ValueError, match="Events of 1 user lie in more than one bucket") as told:
        nu.Buckets(tmp_path)
    assert "bob" not in str(told.value)


def test_users_who_are_told_by_two_columns_are_refused(tmp_path):
    write(tmp_path, f"SELECT *, CASE WHEN user_id = 'ann' THEN 'db1' END AS user_db_id FROM ({rows(['ann', 'bob'])})")
    with pytest.raises(ValueError, match="1 of 2 rows has a user_id and no user_db_id"):
        nu.Buckets(tmp_path)


def test_the_user_of_a_row_is_the_one_of_the_service(tmp_path):
    # The app's id changed from ann to bob.
    write(tmp_path, f"SELECT *, 'db1' AS user_db_id FROM ({rows(['ann', 'bob'])})")
    assert nu.active_users(nu.Buckets(tmp_path))["dau"].tolist() == [1]


def test_a_user_who_fills_a_bucket_is_told_of(monkeypatch):
    monkeypatch.setattr(facts, "GIANT", 5)
    frame = pd.DataFrame({"user_id": ["ann"] * 6 + ["bob"], "time": pd.Timestamp("2026-03-02", tz="UTC"), "event": "A"})
    small = FrameBucket(frame.tail(1).assign(user_id="cid"))
    with pytest.warns(UserWarning, match=r"One user has 6 of the 7 events of a bucket \(a bucket has some 4\)"):
        nu.Buckets.of([FrameBucket(frame), small], frame.columns)
    even = FrameBucket(frame.assign(user_id=["ann", "bob"] * 3 + ["ann"]))
    assert nu.Buckets.of([even], frame.columns)


def test_rows_that_lack_something_are_told_of_once_and_of_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(user_buckets, "_AT_ONCE", 0)
    for bucket, user in enumerate(["ann", "bob"]):
        write(tmp_path, f"{rows([user])} UNION ALL SELECT NULL, TIMESTAMP '2026-03-02', 'OPEN'", bucket)
    with pytest.warns(nu.IncompleteDataWarning, match="2 of 4 rows of the event log are left out: 2 have no user"):
        split = nu.Buckets(tmp_path)
    assert nu.active_users(split)["dau"].tolist() == [2]


def test_events_of_new_names_are_told_to_be_other_ones_than_before():
    frame = pd.DataFrame({"user_id": ["ann"], "time": [pd.Timestamp("2026-03-02", tz="UTC")], "event": ["OPEN"]})
    split = nu.Buckets.of([FrameBucket(frame)], frame.columns)
    frame["event"] = "CLOSE"
    with pytest.raises(nu.StoreError, match=r"have changed since\. Make it again"):
        nu.active_users(split)


def test_without_any_event_tables_are_empty(tmp_path):
    write(tmp_path, f"{rows(['ann'])} WHERE false")
    split = nu.Buckets(tmp_path)
    assert repr(split) == "Buckets: 0 users, 0 events of 0 names"
    for table in (nu.active_users(split), nu.growth(split), nu.retention(split)):
        assert table.empty
    assert nu.funnel(split, ["OPEN"])["users"].tolist() == [0]


@pytest.mark.parametrize("wanted", [True, False])
def test_a_bar_tells_how_many_buckets_were_asked(folder, several, wanted, monkeypatch):
    bars = []

    def bar(total, label, progress, *, delay):
        bars.append(tqdm(total=total, desc=label, disable=not progress, file=io.StringIO()))
        return bars[-1]

    monkeypatch.setattr(engines, "progress_bar", bar)
    large = nu.Buckets(folder, progress=wanted)
    number = len(large.parts().source.buckets)
    assert [(bar.n, bar.total) for bar in bars] == [(number if wanted else 0, number)]


def test_a_condition_that_is_a_function_sees_texts_as_in_a_log(export, log):
    steps = [nu.step("init", where=lambda frame: (frame["kind"] + frame["event"]).eq("initinit"))]
    assert nu.funnel(export, steps)["users"].tolist() == nu.funnel(log, steps)["users"].tolist()


def test_its_repr_says_how_much_it_holds_and_names_nobody(tmp_path):
    write(tmp_path, rows(["ann", "bob"]))
    assert repr(nu.Buckets(tmp_path)) == ("Buckets: 2 users, 2 events of 1 name, known until 2026-03-02 10:00")


@pytest.mark.parametrize("place", ["nowhere", "."])
def test_a_folder_without_files_is_refused(tmp_path, place):
    with pytest.raises(
        ValueError, match=r"holds no Parquet files .*Pass the folder|is not a folder. Pass the one that store.export"
    ):
        nu.Buckets(tmp_path / place)


def test_something_else_than_a_folder_or_a_store_is_refused():
    with pytest.raises(TypeError, match="One of pandas fits into memory"):
        nu.Buckets(pd.DataFrame())


def test_files_that_lack_a_column_are_refused(tmp_path):
    write(tmp_path, "SELECT 'ann' AS user_id, TIMESTAMP '2026-03-02' AS timestamp, 'OPEN' AS event")
    with pytest.raises(ValueError, match="needs the columns user_id, time and event: missing time"):
        nu.Buckets(tmp_path)


def test_a_damaged_file_is_told_without_what_is_in_it(tmp_path):
    (tmp_path / "bucket=0").mkdir()
    (tmp_path / "bucket=0" / "part.parquet").write_bytes(b"PAR1 zoe@example.com PAR1")
    with pytest.raises(nu.StoreError, match="cannot be read") as told:
        nu.Buckets(tmp_path)
    assert "zoe" not in str(told.value)


def test_an_unknown_event_or_column_is_told_with_what_there_is(export):
    with pytest.raises(ValueError, match=r'step 2: there is no event "EXPORT_PFD"\. Did you mean "EXPORT_PDF"'):
        nu.funnel(export, ["init", "EXPORT_PFD"])
    with pytest.raises(ValueError, match='by: the log has no column "versoin"'):
        nu.retention(export, by="versoin")


@pytest.mark.parametrize(
    "ask",
    [
        nu.compare_releases,
        nu.days_active,
        nu.impact_of_errors,
        nu.top_errors,
        nu.usage_interval,
        nu.EventLog,
        nu.survival,
        nu.unbounded_retention,
        lambda events: nu.funnel_users(events, STEPS),
    ],
)
def test_an_analysis_that_does_not_take_buckets_says_what_to_pass(export, ask):
    with pytest.raises(TypeError, match=r"Buckets.* pass"):
        ask(export)
