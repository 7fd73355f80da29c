"""Instants at the ends of the calendar, as arguments and in the data, raise no raw error."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu

AT = pd.date_range("2026-09-01T10:00Z", periods=6).as_unit("us")
LOG = pd.DataFrame(
    {
        "user_id": list("aabbcc"),
        "time": AT,
        "event": ["A", "B"] * 3,
        "kind": ["custom", "error"] * 3,
        "session_id": list("123456"),
        "session_start": AT,
        "device_id": "d",
        "version": "1.0",
    }
)
ENDS = pd.Series(["0001-01-01T00:00", "9999-12-31T23:59:59"], dtype="datetime64[us]").dt.tz_localize("UTC")
USERS = pd.DataFrame({"user_id": list("ab"), "created_at": AT[:2], "last_seen": AT[2:4]})
ANALYSES = {
    "funnel": lambda log, **asked: nu.funnel(log, ["A", "B"], **asked),
    "funnel_users": lambda log, **asked: nu.funnel_users(log, ["A", "B"], **asked),
    "funnel_trend": lambda log, **asked: nu.funnel_trend(log, ["A", "B"], **asked),
    "paths": lambda log, **asked: nu.paths(log, "A", **asked),
    "retention": nu.retention,
    "active_users": nu.active_users,
    "growth": nu.growth,
    "error_free": nu.error_free,
    "crash_free": nu.crash_free,
    "top_errors": nu.top_errors,
    "version_adoption": nu.version_adoption,
    "impact_of_errors": nu.impact_of_errors,
    "survival": lambda log, **asked: nu.survival(USERS, **asked),
}
FAR = [
    ("end", "9999-12-31", "UTC"),
    ("end", dt.date.max, "America/New_York"),
    ("end", np.datetime64("9999-12-31"), "UTC"),
    ("as_of", "9999-12-31", "UTC"),
    ("as_of", dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-5))), "UTC"),
    ("start", "0001-01-01", "Asia/Tokyo"),
    ("start", dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=9))), "Asia/Tokyo"),
]


@pytest.mark.parametrize(("argument", "value", "tz"), FAR, ids=str)
@pytest.mark.parametrize("name", ANALYSES)
def test_an_argument_at_the_end_of_the_calendar_is_rejected_with_the_years_there_are(name, argument, value, tz):
    with pytest.raises(ValueError, match=rf"^{argument}=.* lies outside the years 1900 to 2200"):
        ANALYSES[name](LOG, **{argument: value, "tz": tz})


@pytest.mark.filterwarnings("ignore::nucleus_pandas.IncompleteDataWarning")
@pytest.mark.parametrize("tz", ["Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("name", ANALYSES)
def test_times_at_the_ends_of_the_calendar_raise_no_raw_error(name, tz):
    log = pd.concat([LOG, LOG.head(2).assign(time=ENDS, session_start=ENDS)], ignore_index=True)
    try:
        ANALYSES[name](log, tz=tz)
    except ValueError as error:
        assert "Pass start= and end=" in str(error)  # noqa: PT017 - some analyses can leave the times out


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.events("2026-09-01", "9999-12-31"),
        lambda store: store.events("0001-01-01", "2026-09-01", tz="Asia/Tokyo"),
        lambda store: store.sessions("2026-09-01", "9999-12-31"),
    ],
    ids=["end", "start", "sessions"],
)
def test_a_store_rejects_the_ends_of_the_calendar(tmp_path, ask):
    with pytest.raises(ValueError, match="lies outside the years 1900 to 2200"):
        ask(nu.EventStore(tmp_path / "app.duckdb"))
