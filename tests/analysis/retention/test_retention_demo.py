"""The retention of the made-up app against what was planted in it."""

import datetime as dt

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.planted import truth_of
from nucleus_pandas.demo.service import DemoService
from tests.conftest import AUTUMN

WEEKS = 20


def at(milliseconds):
    return pd.to_datetime(milliseconds, unit="ms", utc=True).as_unit("us")


def sessions_of(app):
    """The sessions that the service had heard of by then."""
    now = int(AUTUMN.timestamp() * 1000)
    known = [session for session in app.sessions if session.events[0].received_ms <= now]
    return pd.DataFrame(
        {
            "user_id": [session.user.user_id for session in known],
            "user_db_id": [session.user.db_id for session in known],
            "start": at([session.events[0].time_ms for session in known]),
            "clock": [session.clock_ms or 0 for session in known],
        }
    )


@pytest.fixture(scope="module")
def sessions(autumn_app):
    return sessions_of(autumn_app)


@pytest.fixture(scope="module")
def users(autumn_app, sessions):
    """The list of users who ever started the app, with a clock that is right: what was planted is about them."""
    started = set(sessions.loc[sessions["clock"] == 0, "user_db_id"])
    there = [user for user in autumn_app.users if user.db_id in started]
    return pd.DataFrame(
        {
            "user_id": [user.user_id for user in there],
            "user_db_id": [user.db_id for user in there],
            "created_at": at([user.created_ms for user in there]),
            "props.plan": [user.plan for user in there],
        }
    )


@pytest.fixture(scope="module")
def planted(autumn_app):
    return truth_of(autumn_app, AUTUMN)


def by_plan(sessions, **asked):
    """For each plan the weeks since the start, all cohorts together."""
    table = nu.retention(sessions, by="plan", freq="W", clock="elapsed", as_of=AUTUMN, **asked)
    curve = nu.retention_curve(table)
    return {plan: curve[curve["segment"] == plan].set_index("age") for plan in ("free", "pro")}


def test_the_counts_are_those_of_the_build(sessions, users, planted):
    for plan, curve in by_plan(sessions, users=users, periods=25).items():
        counts = [(row.retained, row.eligible) for row in curve.itertuples() if row.eligible]
        assert counts == [pair for pair in planted.retention_counts[plan] if pair[1]], plan


def test_the_planted_rates_lie_within_the_bounds_in_each_plan(sessions, users, planted):
    for plan, curve in by_plan(sessions, users=users, periods=WEEKS).items():
        rates = pd.Series(planted.retention_planted[plan][: WEEKS + 1])
        inside = rates.between(curve["rate_low"], curve["rate_high"])
        # Of 21 bounds that miss one in 20 times each, one or two may.
        assert inside.sum() >= WEEKS - 1, plan
        assert inside[:5].all(), plan


def test_without_eligibility_the_rates_would_be_too_low(sessions, users, planted):
    for plan, curve in by_plan(sessions, users=users, periods=8).items():
        naive = curve.loc[8, "retained"] / curve.loc[8, "users"]
        assert naive < curve.loc[8, "rate_low"] < planted.retention_planted[plan][8]


def test_the_users_and_sessions_of_the_service_give_the_same(shared_app, sessions, users):
    listed = nu.load_users(shared_app).merge(users["user_db_id"]).head(60)
    loaded = nu.load_sessions(shared_app, listed)
    asked = {"freq": "D", "tz": "Europe/Paris", "periods": 30, "as_of": AUTUMN, "start": "2026-05-20"}
    pd.testing.assert_frame_equal(
        nu.retention(loaded, users=listed, **asked),
        nu.retention(sessions, users=users[users["user_db_id"].isin(listed["user_db_id"])], **asked),
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = nu.EventStore(tmp_path_factory.mktemp("store") / "app.duckdb")
    with nu.demo.DemoClient(DemoService(build_app(scale=0.05, end=dt.date(2026, 11, 22)), as_of=AUTUMN)) as client:
        nu.sync(client, made, "2026-09-07", "2026-10-04", progress=False)
    return made


def test_a_store_tells_of_the_cohorts_of_the_interval_that_it_was_synced_for(store):
    table = nu.retention(store)
    assert table["cohort"].min() == pd.Timestamp("2026-09-07")
    assert table["cohort"].max() == pd.Timestamp("2026-09-28")
    inside = {"start": "2026-09-07", "end": "2026-10-04", "as_of": AUTUMN}
    pd.testing.assert_frame_equal(table, nu.retention(store.sessions(), **inside))
    # Sessions of these users are known also after the interval.
    assert table.loc[table["age"] == 6, "retained"].sum() > 0


def test_a_store_warns_of_cohorts_of_which_it_knows_only_those_who_stayed(store):
    with pytest.warns(nu.IncompleteDataWarning, match="does not hold all of this interval, but 2026-09-07 00:00"):
        nu.retention(store, start="2026-08-01")


def test_events_of_a_store_are_known_until_the_end_of_its_interval(store):
    table = nu.retention(store, start_event="init", return_event="EXPORT_PDF")
    last = table[table["eligible"] > 0]
    assert (last["cohort"] + pd.to_timedelta(7 * last["age"] + 7, unit="D")).max() == pd.Timestamp("2026-10-05")
    assert nu.retention(store, return_event="EXPORT_PDF", users=store.users())["retained"].sum() > 0


def test_a_log_of_a_store_does_not_take_for_gone_who_came_after_its_interval(store):
    log = nu.EventLog(store)
    table = nu.retention(log)
    assert table["cohort"].min() == pd.Timestamp("2026-09-07")
    assert (
        table["retained"].notna() == (table["cohort"] + pd.to_timedelta(7 * table["age"], "D") < "2026-10-05")
    ).all()
    with pytest.warns(nu.IncompleteDataWarning, match="does not hold all of this interval"):
        nu.retention(log, end="2026-10-05")


def newcomers(store):
    """Who first came in the weeks from 14 September on."""
    first = store.sessions().groupby("user_db_id")["start"].min()
    return first.index[(first >= "2026-09-14T00:00Z") & (first < "2026-10-05T00:00Z")]


def test_a_store_tells_what_came_with_the_events_of_the_first_session(store):
    table = nu.retention(store, by="version", top=3)
    whole = nu.retention(store)
    assert nu.retention_curve(table.drop(columns="segment"))["retained"].equals(nu.retention_curve(whole)["retained"])
    starts = store.events(columns=["user_db_id", "session_start", "event", "version"]).query("event == 'init'")
    users = starts.sort_values("session_start").drop_duplicates("user_db_id")
    counts = table[(table["age"] == 0) & table["cohort"].ge("2026-09-14")].groupby("segment")["users"].sum()
    known = users[users["user_db_id"].isin(newcomers(store))]
    assert counts[counts > 0].to_dict() == known["version"].value_counts().to_dict()
    with pytest.raises(ValueError, match='Did you mean "version"'):
        nu.retention(store, by="versoin")
