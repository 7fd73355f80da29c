"""When users were active, from event logs, sessions and stores."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.events.activity_starts import as_activity, moments, user_days
from nucleus_pandas.exceptions import IncompleteDataWarning


def instants(*texts):
    return pd.to_datetime(list(texts), utc=True).as_unit("us")


def log(*rows):
    """An event log of (user, session, time, event) with the start of the session as its first time."""
    frame = pd.DataFrame(list(rows), columns=["user_id", "session_id", "time", "event"])
    frame["time"] = instants(*frame["time"])
    return frame


def clock(found):
    return found.time.astype("datetime64[us]").astype("datetime64[m]").astype(str).tolist()


def test_a_session_is_active_once_when_it_starts():
    frame = log(
        ("a", "1", "2026-01-01 23:50", "init"),
        ("a", "1", "2026-01-02 00:10", "OPEN"),
        ("a", "2", "2026-01-03 10:00", "init"),
        ("b", "1", "2026-01-02 09:00", "init"),
    )
    found = moments(as_activity(frame))
    assert clock(found) == ["2026-01-01T23:50", "2026-01-03T10:00", "2026-01-02T09:00"]
    assert len(set(found.user.tolist())) == 2


def test_a_session_that_began_before_the_log_counts_when_it_began():
    frame = log(("a", "1", "2026-01-02 00:10", "OPEN"), ("a", "1", "2026-01-02 00:20", "OPEN"))
    frame["session_start"] = instants("2026-01-01 23:50", "2026-01-01 23:50")
    assert clock(moments(as_activity(frame))) == ["2026-01-01T23:50"]


def test_events_without_a_session_count_each():
    frame = log(("a", None, "2026-01-01 10:00", "OPEN"), ("a", None, "2026-01-01 11:00", "OPEN"))
    assert len(moments(as_activity(frame)).time) == 2
    assert len(moments(as_activity(frame.drop(columns="session_id"))).time) == 2


def test_system_events_are_no_activity():
    frame = log(
        ("a", "1", "2026-01-01 10:00", "nucleus:heartbeat"),
        ("a", "2", "2026-01-02 10:00", "nucleus:heartbeat"),
        ("a", "2", "2026-01-02 10:05", "OPEN"),
    )
    assert clock(moments(as_activity(frame))) == ["2026-01-02T10:05"]


def test_an_event_that_is_asked_for_counts_at_its_own_time():
    frame = log(("a", "1", "2026-01-01 23:50", "init"), ("a", "1", "2026-01-02 00:10", "OPEN"))
    found = moments(as_activity(frame, events=["OPEN"]), "OPEN")
    assert clock(found) == ["2026-01-02T00:10"]


def test_sessions_are_a_log_of_their_starts_and_keep_their_columns():
    sessions = pd.DataFrame(
        {
            "user_id": ["a", "a"],
            "start": instants("2026-01-05 10:00", "2026-01-02 10:00"),
            "end": instants("2026-01-05 12:00", "2026-01-02 10:30"),
            "errors": [3, 0],
        }
    )
    made = as_activity(sessions)
    found = moments(made)
    assert clock(found) == ["2026-01-02T10:00", "2026-01-05T10:00"]
    assert made.values("errors", found.row).tolist() == [0, 3]
    assert made.as_of == pd.Timestamp("2026-01-05 12:00", tz="UTC")


def test_sessions_without_a_start_are_left_out_and_told():
    sessions = pd.DataFrame({"user_id": ["a", "b"], "start": instants("2026-01-05 10:00", None)})
    with pytest.warns(IncompleteDataWarning, match="1 of 2 rows of the sessions is left out: 1 has no time"):
        assert len(as_activity(sessions)) == 1


def test_naive_starts_are_refused_with_their_own_name():
    sessions = pd.DataFrame({"user_id": ["a"], "start": pd.to_datetime(["2026-01-05 10:00"])})
    with pytest.raises(ValueError, match='the column "start" is naive'):
        as_activity(sessions)


def test_what_is_no_activity_is_refused_with_what_is():
    with pytest.raises(TypeError, match=r"activity is of type list; pass the DataFrame of load_sessions"):
        as_activity([1])
    with pytest.raises(ValueError, match='needs the columns user_id and start: missing user_id; found "start"'):
        as_activity(pd.DataFrame({"start": instants("2026-01-05 10:00")}))


def test_each_day_of_a_user_is_there_once_in_the_zone_asked_for():
    frame = log(
        ("a", "1", "2026-01-01 22:30", "init"),
        ("a", "2", "2026-01-01 23:30", "init"),
        ("a", "3", "2026-01-02 10:00", "init"),
        ("b", "1", "2026-01-02 10:00", "init"),
    )
    made = as_activity(frame)
    day = int(np.datetime64("2026-01-01").astype(np.int64))
    assert user_days(made, dt.UTC).day.tolist() == [day, day + 1, day + 1]
    east = dt.timezone(dt.timedelta(hours=1))
    assert user_days(made, east).day.tolist() == [day, day + 1, day + 1]
    known = int(instants("2026-01-01 23:00").asi8[0])
    assert user_days(made, dt.UTC, known).day.tolist() == [day]
    assert user_days(made, dt.UTC) is user_days(made, dt.UTC)


def test_the_demo_apps_log_sessions_and_store_agree(tmp_path):
    with nu.demo_client(scale=0.05) as app:
        store = nu.EventStore(tmp_path / "app.duckdb")
        nu.sync(app, store, "2026-10-01", "2026-10-31", progress=False)
        sessions = store.sessions("2026-10-10", "2026-10-20")
        frame = store.events("2026-10-10", "2026-10-20")
        inside = frame.loc[frame["session_start"] >= pd.Timestamp("2026-10-10", tz="UTC")]
        from_log, from_sessions = moments(as_activity(inside)), moments(as_activity(sessions))
    assert len(from_sessions.time)
    assert sorted(from_log.time.tolist()) == sorted(from_sessions.time.tolist())
