"""Analyses of a store are those of its event log, with what the store knows about itself."""

import datetime as dt
from dataclasses import replace

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.service import DemoService
from tests.conftest import AUTUMN

STEPS = ["init", "PROJECT_CREATED", "EXPORT_PDF"]
ALL = {"start": "2026-05-01", "end": "2026-11-20"}


@pytest.fixture(scope="module")
def app():
    with nu.demo.DemoClient(DemoService(build_app(scale=0.1, end=dt.date(2026, 11, 22)), as_of=AUTUMN)) as client:
        yield client


@pytest.fixture(scope="module")
def store(app, tmp_path_factory):
    made = nu.EventStore(tmp_path_factory.mktemp("store") / "app.duckdb")
    nu.sync(app, made, **ALL, progress=False)
    return made


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"by": "version"},
        {"by": "plan", "order": "any"},
        {"window": "session", "by": "platform"},
        {"order": "strict", "entry": "first"},
        {"start": "2026-09-01", "end": "2026-10-15", "tz": "Europe/Paris", "by": "country"},
        {"start": "2026-09-01", "end": "2026-10-15", "exclude": "UNDO"},
    ],
    ids=str,
)
def test_a_funnel_of_a_store_is_that_of_its_events(store, question):
    log = nu.EventLog(store.events(), as_of=AUTUMN)
    pd.testing.assert_frame_equal(nu.funnel(store, STEPS, **question), nu.funnel(log, STEPS, **question))
    pd.testing.assert_frame_equal(nu.funnel_users(store, STEPS, **question), nu.funnel_users(log, STEPS, **question))


def test_a_trend_and_paths_of_a_store_are_those_of_its_events(store):
    log = nu.EventLog(store.events(), as_of=AUTUMN)
    span = {"start": "2026-09-01", "end": "2026-10-15"}
    pd.testing.assert_frame_equal(nu.funnel_trend(store, STEPS, **span), nu.funnel_trend(log, STEPS, **span))
    pd.testing.assert_frame_equal(nu.paths(store, "PROJECT_CREATED", **span), nu.paths(log, "PROJECT_CREATED", **span))


def test_errors_of_a_store_are_those_of_its_sessions_and_events(store):
    log = nu.EventLog(store.events(), as_of=AUTUMN)
    span = {"start": "2026-06-01", "end": "2026-10-31", "tz": "Europe/Paris"}
    pd.testing.assert_frame_equal(nu.error_free(store, freq="M", **span), nu.error_free(log, freq="M", **span))
    pd.testing.assert_frame_equal(
        nu.crash_free(store, by="version", freq=None, **span), nu.crash_free(log, by="version", freq=None, **span)
    )
    pd.testing.assert_frame_equal(nu.top_errors(store, **span), nu.top_errors(log, **span))
    with pytest.warns(nu.IncompleteDataWarning, match="clocks that are behind"):
        everything = nu.impact_of_errors(store.sessions(), **ALL, as_of=AUTUMN)
        pd.testing.assert_frame_equal(nu.impact_of_errors(store), everything)


def test_errors_are_told_of_what_was_synced_only(app, tmp_path):
    store = nu.EventStore(tmp_path / "part.duckdb")
    nu.sync(app, store, start="2026-09-01", end="2026-10-15", progress=False)
    every = nu.load_sessions(app, nu.load_users(app))
    within = {"start": "2026-09-01", "end": "2026-10-15"}
    with pytest.warns(nu.IncompleteDataWarning, match="clocks that are behind"):
        complete = nu.impact_of_errors(every, **within, as_of=AUTUMN)
    pd.testing.assert_frame_equal(nu.impact_of_errors(store), complete)
    # Those who began earlier and stayed would seem to have stayed all of them.
    with pytest.warns(nu.IncompleteDataWarning, match="outside it, it knows only some users"):
        before = nu.impact_of_errors(store, end="2026-08-31").iloc[-1]
    assert (before["users_without"], before["users_with"]) == (0, 0)
    for asked in (store, nu.EventLog(store)):
        table = nu.error_free(asked, freq="M")
        assert table["period"].dt.month.tolist() == [9, 10]
        assert table["complete"].tolist() == [True, False]
        assert nu.error_free(asked, freq=None)["sessions"].tolist() == [table["sessions"].sum()]
        with pytest.warns(nu.IncompleteDataWarning, match="outside it, it knows only some users"):
            assert nu.error_free(asked, freq="M", end="2026-08-31").empty
        with pytest.warns(nu.IncompleteDataWarning, match="outside it, it knows only some users"):
            assert not nu.crash_free(asked, freq="M", start="2026-06-01", end="2026-09-30")["sessions"].iloc[:-1].any()


def test_releases_of_a_store_are_those_of_its_events(store):
    log = nu.EventLog(store.events(), as_of=AUTUMN)
    span = {"start": "2026-07-01", "end": "2026-10-15"}
    pd.testing.assert_frame_equal(
        nu.version_adoption(store, freq="W", **span), nu.version_adoption(log, freq="W", **span)
    )
    pd.testing.assert_frame_equal(nu.compare_releases(store, **span), nu.compare_releases(log, **span))


def test_a_log_of_a_store_knows_until_when_it_is_known(store):
    assert nu.EventLog(store).as_of == pd.Timestamp(AUTUMN)
    assert len(nu.EventLog(store)) == len(store.events())


def test_a_sampled_store_tells_its_fraction_in_every_table(app, tmp_path):
    store = nu.EventStore(tmp_path / "app.duckdb")
    nu.sync(app, store, **ALL, sample=0.3, progress=False)
    share = store.info().sample
    for table in (
        nu.funnel(store, STEPS),
        nu.funnel_users(store, STEPS),
        nu.funnel_trend(store, STEPS, freq="M"),
        nu.paths(store, "init"),
        nu.version_adoption(store, freq="M"),
        nu.compare_releases(store),
        nu.funnel(nu.EventLog(store), STEPS),
        nu.survival(store),
        nu.unbounded_retention(store),
        nu.active_users(store),
        nu.growth(store),
        nu.days_active(store),
        nu.usage_interval(store),
    ):
        assert table["sample"].unique().tolist() == [share]
    assert share == pytest.approx(0.3, abs=0.05)


def test_an_unknown_event_of_a_store_raises_with_the_nearest_names(store):
    with pytest.raises(ValueError, match='Did you mean "EXPORT_PDF"'):
        nu.funnel(store, ["init", "EXPORT_PFD"])


def test_a_funnel_beyond_what_was_synced_is_told(app, tmp_path):
    store = nu.EventStore(tmp_path / "app.duckdb")
    nu.sync(app, store, "2026-09-01", "2026-09-30", progress=False)
    nu.funnel(store, STEPS, start="2026-09-01", end="2026-09-30", window="7d")
    with pytest.warns(nu.IncompleteDataWarning, match="does not hold all of this interval"):
        nu.funnel(store, STEPS, start="2026-09-01", end="2026-09-30", window="8d")
    with pytest.warns(nu.IncompleteDataWarning, match="does not hold all of this interval"):
        nu.funnel(store, STEPS, start="2026-08-31", end="2026-09-30")


@pytest.fixture(scope="module")
def summer(app, tmp_path_factory):
    """A store of three weeks of July."""
    made = nu.EventStore(tmp_path_factory.mktemp("summer") / "app.duckdb")
    nu.sync(app, made, "2026-07-06", "2026-07-26", progress=False)
    return made


@pytest.mark.filterwarnings("ignore:.*not fetched yet")
@pytest.mark.parametrize("asked", [{"start": "2026-09-01"}, {"end": "2026-05-01"}, {"start": "2026-12-01"}], ids=str)
@pytest.mark.parametrize("by", [None, "platform"])
@pytest.mark.parametrize("made", [lambda store: store, nu.EventLog], ids=["store", "log"])
def test_of_cohorts_outside_what_was_synced_nothing_is_known_and_that_is_told(summer, asked, by, made):
    with pytest.warns(nu.IncompleteDataWarning, match="does not hold all of this interval, but 2026-07-06"):
        assert len(nu.retention(made(summer), by=by, **asked)) == 0


@pytest.mark.filterwarnings("ignore:.*not fetched yet")
def test_of_a_store_of_several_intervals_the_one_that_is_asked_for_is_shown_else_the_last(app, tmp_path):
    store = nu.EventStore(tmp_path / "app.duckdb")
    nu.sync(app, store, "2026-07-06", "2026-07-26", progress=False)
    nu.sync(app, store, "2026-09-07", "2026-09-20", progress=False)
    weeks = ["2026-07-06", "2026-07-13", "2026-07-20"]

    def cohorts(**asked):
        return nu.retention(store, periods=1, **asked)["cohort"].dt.strftime("%Y-%m-%d").unique().tolist()

    assert cohorts(start="2026-07-06", end="2026-07-26") == weeks
    assert cohorts(end="2026-07-26") == weeks
    with pytest.warns(nu.IncompleteDataWarning, match="does not hold all of this interval, but 2026-07-06"):
        assert cohorts(end="2026-08-02")[:3] == weeks
    with pytest.warns(nu.IncompleteDataWarning, match="2026-07-06 00:00 to .* This is about the last one, 2026-09-07"):
        assert cohorts() == ["2026-09-07", "2026-09-14"]


def test_a_store_that_does_not_exist_says_what_makes_it(tmp_path):
    with pytest.raises(nu.StoreError, match=r"nucleus_pandas\.sync"):
        nu.funnel(nu.EventStore(tmp_path / "nothing.duckdb"), STEPS)


def test_a_session_of_system_events_alone_is_no_activity_however_a_store_is_read(tmp_path):
    app = build_app(scale=0.02, end=dt.date(2026, 11, 22))
    alone = next(user for user in app.users if len(user.sessions) == 1 and not user.sessions[0].clock_ms)
    alone.sessions[0].events[:] = [replace(event, type="nucleus:heartbeat") for event in alone.sessions[0].events]
    store = nu.EventStore(tmp_path / "app.duckdb")
    with nu.demo.DemoClient(DemoService(app, as_of=AUTUMN)) as client:
        nu.sync(client, store, **ALL, progress=False)
    assert alone.db_id in set(store.sessions()["user_db_id"])
    span, log = {"start": "2026-05-01", "end": "2026-10-31"}, nu.EventLog(store)
    pd.testing.assert_frame_equal(nu.growth(store, freq="M", **span), nu.growth(log, freq="M", **span))
    pd.testing.assert_frame_equal(nu.error_free(store, freq="D", **span), nu.error_free(log, freq="D", **span))


def test_a_synced_month_is_complete_also_if_nobody_was_there_on_its_first_day(app, store):
    month = {"start": "2026-05-01", "end": "2026-10-31"}
    assert store.users()["created_at"].min() > pd.Timestamp("2026-05-02T00:00Z")
    assert nu.growth(store, freq="M", **month)["complete"].all()
    cohorts = nu.retention(store, users=store.users(), freq="M", periods=1, **month)
    assert cohorts.loc[cohorts["age"] == 0, "complete"].all()
