"""`Buckets` of Parquet files that others wrote: types, zones, names and places as they come."""

import datetime as dt
import os
import subprocess
import sys

import duckdb
import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.store import user_buckets

TIME = "TIMESTAMP '2026-03-02 10:00:00'"


@pytest.fixture
def each_alone(monkeypatch):
    """Lets every bucket be read alone, as large ones are."""
    monkeypatch.setattr(user_buckets, "_AT_ONCE", 1)


def write(file, query):
    """A Parquet file of a query."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet)")


def events(file, user="'ann'", time=TIME, event="'OPEN'", more=""):
    """A Parquet file of one event."""
    write(file, f"SELECT {user} AS user_id, {time} AS time, {event} AS event{more}")


def users_of(folder):
    """How many users open."""
    return nu.funnel(nu.Buckets(folder, as_of="2026-04-01"), ["OPEN"])["users"].tolist()


@pytest.mark.parametrize("kind", ["UBIGINT", "DECIMAL(38, 0)", "BIGINT", "UUID", "BLOB"])
def test_ids_that_are_long_numbers_are_told_apart(tmp_path, kind):
    number = {
        "UUID": "uuid()",
        "BLOB": "encode('id' || range)",
        "DECIMAL(38, 0)": "(10::HUGEINT ** 30)::DECIMAL(38, 0) + range",
    }.get(kind, f"(2::HUGEINT ** 62)::{kind} + range::{kind}")
    query = f"SELECT {number} AS user_id, {TIME} AS time, 'OPEN' AS event FROM range(200)"
    write(tmp_path / "bucket=0" / "a.parquet", query)
    assert users_of(tmp_path) == [200]


def test_a_number_that_needs_64_bits_is_found(tmp_path):
    number = f", {2**63}::UBIGINT + range::UBIGINT AS n"
    query = f"SELECT range AS user_id, {TIME} AS time, 'OPEN' AS event{number} FROM range(3)"
    write(tmp_path / "a.parquet", query)
    step = nu.step("OPEN", where={"n": 2**63 + 1})
    assert nu.funnel(nu.Buckets(tmp_path, as_of="2026-04-01"), [step])["users"].tolist() == [1]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_a_time_without_a_zone_is_one_of_utc_also_beside_others_and_wherever_the_machine_is(tmp_path, zone):
    events(tmp_path / "bucket=0" / "a.parquet")
    events(tmp_path / "bucket=1" / "b.parquet", user="'bob'", time="TIMESTAMPTZ '2026-03-02 10:00:00Z'")
    events(tmp_path / "bucket=1" / "c.parquet", user="'bob'")
    ask = (
        "import sys, nucleus_pandas as nu; days = nu.active_users(nu.Buckets(sys.argv[1], as_of='2026-03-05'));"
        "print(days.loc[days['dau'] > 0, ['day', 'dau']].astype(str).values.tolist())"
    )
    said = subprocess.run(
        [sys.executable, "-c", ask, str(tmp_path)], env=os.environ | {"TZ": zone}, capture_output=True, check=True
    )
    assert said.stdout.decode().strip() == "[['2026-03-02', '2']]"


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Paris"])
def test_times_in_nanoseconds_are_read(tmp_path, zone):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    times = pyarrow.array([1_772_445_600_000_000_001], pyarrow.timestamp("ns", zone))
    table = pyarrow.table({"user_id": ["ann"], "time": times, "event": ["OPEN"], "session_start": times})
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "a.parquet")
    large = nu.Buckets(tmp_path)
    assert large.as_of == pd.Timestamp("2026-03-02 10:00", tz="UTC")
    step = nu.step("OPEN", where=lambda rows: rows["session_start"].eq(pd.Timestamp("2026-03-02 10:00", tz="UTC")))
    assert nu.funnel(large, [step], as_of="2026-04-01")["users"].tolist() == [1]


def test_a_time_at_the_end_of_days_is_missing(tmp_path):
    events(tmp_path / "a.parquet")
    events(tmp_path / "b.parquet", time="'infinity'::TIMESTAMPTZ")
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 2 rows of the event log is left out: 1 has no time"):
        large = nu.Buckets(tmp_path)
    assert large.as_of == pd.Timestamp("2026-03-02 10:00", tz="UTC")


def test_times_that_are_none_are_refused_with_what_to_do(tmp_path):
    events(tmp_path / "a.parquet", time="DATE '2026-03-02'")
    with pytest.raises(TypeError, match=r"of type DATE, not of times\. .* CAST\(time AS TIMESTAMP\)"):
        nu.Buckets(tmp_path)


def test_what_is_hidden_or_not_finished_is_left_out(tmp_path):
    for place in ("a.parquet", ".hidden.parquet", "_temporary/0/b.parquet", "year=2026/c.parquet"):
        events(tmp_path / "bucket=0" / place)
    assert len(nu.Buckets(tmp_path)) == 2


def test_a_folder_may_be_named_like_a_file(tmp_path):
    events(tmp_path / "bucket=0" / "spark.parquet" / "part-0.parquet")
    assert users_of(tmp_path) == [1]


@pytest.mark.parametrize("where", ["in one file", "in two files"])
def test_names_that_differ_in_the_case_of_letters_only_are_refused(tmp_path, where):
    if where == "in one file":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        frame = pd.DataFrame({"user_id": ["ann"], "time": [pd.Timestamp("2026-03-02", tz="UTC")], "event": ["OPEN"]})
        frame.assign(Plan="x", plan="y").to_parquet(tmp_path / "a.parquet")
    else:
        events(tmp_path / "a.parquet", more=", 'x' AS Plan")
        events(tmp_path / "b.parquet", more=", {'PLAN': 1} AS other, 'y' AS plan")
    with pytest.raises(ValueError, match=r'the columns "Plan", "plan" differ in case only'):
        nu.Buckets(tmp_path)


def test_parts_of_a_column_may_be_named_like_another_column(tmp_path):
    events(tmp_path / "a.parquet", more=", {'PLAN': [1, 2]} AS other, 'y' AS plan")
    assert nu.Buckets(tmp_path).columns == ["user_id", "time", "event", "other", "plan"]


def test_names_of_events_may_be_numbers_in_some_files(tmp_path, each_alone):
    events(tmp_path / "bucket=0" / "a.parquet", event="7")
    events(tmp_path / "bucket=1" / "b.parquet", user="'bob'", event="'7'")
    table = nu.funnel(nu.Buckets(tmp_path, as_of="2026-04-01"), ["7"])
    assert table["users"].tolist() == [2]


def test_an_about_file_of_somebody_else_tells_nothing(tmp_path):
    events(tmp_path / "events" / "bucket=0" / "a.parquet")
    for told in ("[]", '{"sample": "all"}'):
        (tmp_path / "about.json").write_text(told, encoding="utf-8")
        assert users_of(tmp_path) == [1]


def test_the_current_folder_may_change(tmp_path, monkeypatch):
    events(tmp_path / "own" / "a.parquet")
    monkeypatch.chdir(tmp_path)
    large = nu.Buckets("own")
    monkeypatch.chdir("/")
    assert nu.funnel(large, ["OPEN"], as_of="2026-04-01")["users"].tolist() == [1]


def test_a_damaged_file_is_named(tmp_path):
    events(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(nu.StoreError, match=r"b\.parquet cannot be read: it is damaged"):
        nu.Buckets(tmp_path)


def test_columns_whose_types_go_not_together_are_named(tmp_path):
    events(tmp_path / "a.parquet", more=", [1] AS tags")
    events(tmp_path / "b.parquet", more=", TIMESTAMP '2026-01-01' AS tags")
    large = nu.Buckets(tmp_path, as_of="2026-04-01")
    assert nu.funnel(large, ["OPEN"])["users"].tolist() == [1]
    with pytest.raises(nu.StoreError, match=r'with several types of the column "tags", cannot be read'):
        nu.funnel(large, ["OPEN"], by="tags")


@pytest.mark.parametrize("change", ["another file", "none"])
def test_files_that_are_other_ones_than_before_are_noticed(tmp_path, change):
    events(tmp_path / "a.parquet")
    large = nu.Buckets(tmp_path)
    (tmp_path / "a.parquet").unlink()
    if change == "another file":
        events(tmp_path / "a.parquet", more=", 7 AS n")
    with pytest.raises(nu.StoreError, match=r"a\.parquet is missing or has changed since Buckets was created"):
        nu.active_users(large)


def test_a_place_elsewhere_is_refused_with_what_to_pass():
    with pytest.raises(ValueError, match=r"pass a frame that reads them, such as dask\.dataframe\.read_parquet"):
        nu.Buckets("s3://bucket/events")


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("day", dt.date(2026, 3, 2), "holds text here"),
        ("at", pd.Timestamp("2026-03-02"), "Pass instants with a zone"),
        ("plan", True, "Pass text, such as 'true'"),
        ("plan", ["x", 2], "Pass text, such as '2'"),
        ("n", True, "holds numbers here"),
        ("n", "7", "holds numbers here"),
        ("yes", 1, "holds true and false here"),
    ],
)
def test_a_value_that_a_column_cannot_hold_is_not_looked_for(tmp_path, column, value, told):
    events(
        tmp_path / "a.parquet",
        more=f", 'x' AS plan, 7 AS n, true AS yes, DATE '2026-03-02' AS day, {TIME} AS at",
    )
    large = nu.Buckets(tmp_path, as_of="2026-04-01")
    with pytest.raises(ValueError, match=told):
        nu.funnel(large, [nu.step("OPEN", where={column: value})])
    right = {
        "plan": ["x", None],
        "n": 7.0,
        "yes": True,
        "day": "2026-03-02",
        "at": pd.Timestamp("2026-03-02 10", tz="UTC"),
    }
    assert nu.funnel(large, [nu.step("OPEN", where=right)])["users"].tolist() == [1]


def test_to_print_it_warns_of_nothing(tmp_path):
    write(
        tmp_path / "a.parquet",
        f"SELECT 'ann' AS user_id, {TIME} + to_hours(range::INT) AS time, 'OPEN' AS event FROM range(300)"
        " UNION ALL SELECT 'ann', TIMESTAMP '2036-01-01', 'OPEN'",
    )
    large = nu.Buckets(tmp_path)
    assert "known until 2026-03-14 21:00" in repr(large)
    with pytest.warns(nu.IncompleteDataWarning, match="clocks that are ahead"):
        nu.active_users(large)
