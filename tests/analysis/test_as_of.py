"""A bare date as `as_of` is that whole day: what happens at the next midnight is not known yet."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu

MIDNIGHT = pd.Timestamp("2026-02-01", tz="UTC")


def session(user, start, number, *events, version="1.0.0"):
    """A session of one event a minute from a start, as rows of an event log."""
    start = pd.to_datetime(start, utc=True)
    return [
        {
            "user_id": user,
            "user_db_id": user,
            "device_id": f"{user}-d",
            "session_id": str(number),
            "session_start": start,
            "time": start + pd.Timedelta(minutes=minute),
            "event": event,
            "kind": "init" if event == "init" else "error" if event.startswith("error:") else "custom",
            "version": version,
            "data.message": "no",
        }
        for minute, event in enumerate(events)
    ]


def event_log(*, midnight):
    """Forty users over January, and, at the midnight after it, what would change every table."""
    rows = []
    for number in range(40):
        for day in range(1, 32, 1 + number % 7):
            failed = ["error:uncaughtException"] * (day % 3 == 0)
            rows += session(f"u{number}", f"2026-01-{day:02} 10:00", day, "init", *failed, "SAVE")
    if midnight:
        for number in range(60):
            rows += session(f"late{number % 55}", MIDNIGHT, 900 + number, "init", version="2.0.0")[:1]
        rows += [{**row, "event": "error:uncaughtException", "kind": "error"} for row in rows[-60:]]
        rows += [{**row, "event": "SAVE", "kind": "custom"} for row in rows[-120:]]
    log = pd.DataFrame(rows)
    for name in ("session_start", "time"):
        log[name] = log[name].dt.as_unit("us")
    return log


def sessions_of(log):
    keys = ["user_id", "user_db_id", "device_id", "session_id", "session_start"]
    found = log.assign(failed=log["kind"].eq("error")).groupby(keys, as_index=False)
    table = found.agg(end=("time", "max"), errors=("failed", "sum"), actions=("event", "size"))
    return table.rename(columns={"session_start": "start"})


def users_of(log):
    table = log.groupby(["user_id", "user_db_id"], as_index=False).agg(
        created_at=("time", "min"), last_seen=("time", "max")
    )
    return table.assign(devices=1, platform="win", version="1.0.0")


STEPS = ["init", "SAVE"]
ANALYSES = {
    "funnel": lambda log, **asked: nu.funnel(log, STEPS, window="1d", **asked),
    "funnel_trend": lambda log, **asked: nu.funnel_trend(log, STEPS, window="1d", **asked),
    "funnel_users": lambda log, **asked: nu.funnel_users(log, STEPS, window="1d", **asked),
    "paths": lambda log, **asked: nu.paths(log, after="init", **asked),
    "retention by week": lambda log, **asked: nu.retention(log, **asked),
    "retention by day": lambda log, **asked: nu.retention(log, freq="D", periods=5, **asked),
    "elapsed retention": lambda log, **asked: nu.retention(log, freq="D", periods=5, clock="elapsed", **asked),
    "unbounded_retention": lambda log, **asked: nu.unbounded_retention(users_of(log), freq="D", **asked),
    "survival": lambda log, **asked: nu.survival(users_of(log), gap="7d", **asked),
    "active_users": lambda log, **asked: nu.active_users(log, **asked),
    "growth": lambda log, **asked: nu.growth(log, **asked),
    "days_active": lambda log, **asked: nu.days_active(log, **asked),
    "usage_interval": lambda log, **asked: nu.usage_interval(log, **asked),
    "error_free": lambda log, **asked: nu.error_free(sessions_of(log), freq="D", **asked),
    "crash_free": lambda log, **asked: nu.crash_free(log, freq="D", **asked),
    "top_errors": lambda log, **asked: nu.top_errors(log, **asked),
    "impact_of_errors": lambda log, **asked: nu.impact_of_errors(sessions_of(log), **asked),
    "version_adoption": lambda log, **asked: nu.version_adoption(log, **asked, freq="D"),
    "compare_releases": lambda log, **asked: nu.compare_releases(log, **asked),
}


@pytest.mark.filterwarnings("ignore::nucleus_pandas.IncompleteDataWarning")
@pytest.mark.parametrize("name", ANALYSES)
def test_an_event_at_the_next_midnight_is_later_than_the_day(name):
    analysis = ANALYSES[name]
    with_midnight = analysis(event_log(midnight=True), as_of="2026-01-31")
    without = analysis(event_log(midnight=False), as_of="2026-01-31")
    pd.testing.assert_frame_equal(with_midnight, without)


@pytest.mark.filterwarnings("ignore::nucleus_pandas.IncompleteDataWarning")
@pytest.mark.parametrize("name", ["active_users", "top_errors", "error_free", "retention by day"])
def test_an_instant_is_known_itself(name):
    analysis = ANALYSES[name]
    log = event_log(midnight=True)
    assert not analysis(log, as_of=MIDNIGHT).equals(analysis(log, as_of="2026-01-31"))


@pytest.mark.filterwarnings("ignore::nucleus_pandas.IncompleteDataWarning")
@pytest.mark.parametrize(
    "name", ["active_users", "growth", "error_free", "crash_free", "version_adoption", "funnel_trend"]
)
def test_the_day_itself_is_complete(name):
    table = ANALYSES[name](event_log(midnight=True), as_of="2026-01-31")
    periods = table[table["complete"].fillna(value=False)]
    assert len(periods)
    if name in ("active_users", "error_free", "crash_free", "version_adoption"):
        assert periods["day" if "day" in periods else "period"].max() == pd.Timestamp("2026-01-31")


@pytest.mark.parametrize(
    ("as_of", "words"),
    [
        ("2026-01-31T00:00", "has a clock time but no UTC offset"),
        ("2026-01-31 00:00:00", "has a clock time but no UTC offset"),
        (np.datetime64("2026-01"), 'as_of="2026-01" names no day; write one, such as as_of="2026-01-01"'),
        (np.datetime64("2026"), "names no day"),
    ],
)
def test_what_is_neither_a_day_nor_an_instant_is_refused(as_of, words):
    with pytest.raises(ValueError, match=words):
        nu.active_users(event_log(midnight=True), as_of=as_of)


@pytest.mark.filterwarnings("ignore::nucleus_pandas.IncompleteDataWarning")
@pytest.mark.parametrize("as_of", [np.datetime64("2026-01-31"), pd.Timestamp("2026-01-31"), dt.date(2026, 1, 31)])
def test_a_date_of_any_type_is_the_whole_day(as_of):
    log = event_log(midnight=True)
    pd.testing.assert_frame_equal(nu.active_users(log, as_of=as_of), nu.active_users(log, as_of="2026-01-31"))
