"""Exports: the same rows in files for other tools."""

import csv
import stat

import duckdb
import pandas as pd
import pytest

import nucleus_pandas as nu
from tests.demo.handmade import app_of, session, user
from tests.store.conftest import quiet_sync


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
    assert users["props.mixed"].tolist() == ["1", "x", "1", "x", "1"]


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


def test_a_folder_that_holds_something_is_left_alone(odd, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"is not empty\. Choose a new one; nothing was written"):
        odd.export(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_unknown_format_raises(odd, tmp_path):
    with pytest.raises(ValueError, match='write "parquet" or "csv"'):
        odd.export(tmp_path / "out", format="xlsx")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_told(odd, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(nu.StoreError, match="cannot be made"):
        odd.export(tmp_path / "file" / "out")


def test_keys_that_differ_in_case_and_numbers_of_any_size_survive(scripted, store, tmp_path):
    who = user("a1", "ana", "10-24 10:00", props={"PLAN": "a", "Plan": "b", "plan": "c", "n\x00": 1})
    session(who, "1", "10-24 10:00", (1, "SAVE", {"n": 2**63 + 1}), (2, "SAVE", {"n": 1}), (3, "SAVE", {"n": 2**70}))
    quiet_sync(scripted(app=app_of(who)), store)
    store.export(tmp_path / "out")
    users = read(f"SELECT * FROM '{tmp_path}/out/users.parquet'")
    assert users[["props.PLAN", "props.Plan_", "props.plan__"]].to_numpy().tolist() == [["a", "b", "c"]]
    assert users["props.n\N{REPLACEMENT CHARACTER}"].tolist() == [1]
    numbers = read(f"SELECT * FROM '{tmp_path}/out/events/*/*.parquet'")["data.n"].dropna().tolist()
    assert numbers[:2] == ["9223372036854775809", "1"]


def test_an_export_that_fails_leaves_no_files_and_is_known(odd, tmp_path, monkeypatch):
    from nucleus_pandas.store import export

    real = export._copy

    def fails(connection, table, *others):
        real(connection, table, *others)
        if table == "events":
            raise ZeroDivisionError

    monkeypatch.setattr(export, "_copy", fails)
    with pytest.raises(ZeroDivisionError):
        odd.export(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert odd.sql("SELECT folder FROM kept.exports")["folder"].tolist() == [str(tmp_path / "out")]


def test_a_store_without_events_is_exported_too(scripted, store, empty_app, tmp_path):
    quiet_sync(empty_app, store)
    files = store.export(tmp_path / "out", format="csv")
    assert len(files) == 4
