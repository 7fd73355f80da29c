"""Counts per local day and hour, across changes of the clocks, against the made-up app's own local dates."""

import datetime as dt
import zoneinfo
from contextlib import contextmanager

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.demo import DemoClient
from nucleus_pandas.demo.service import DemoService
from tests.conftest import AUTUMN, SPRING

CHANGES = [
    ("Europe/Paris", "spring", "2026-03-29"),
    ("Europe/Paris", "autumn", "2026-10-25"),
    ("America/New_York", "spring", "2026-03-08"),
    ("America/New_York", "autumn", "2026-11-01"),
    ("Asia/Kathmandu", "autumn", "2026-10-25"),
    ("Australia/Lord_Howe", "spring", "2026-04-05"),
    ("Australia/Lord_Howe", "autumn", "2026-10-04"),
    ("Asia/Beirut", "spring", "2026-03-29"),
    ("Asia/Beirut", "autumn", "2026-10-24"),
]
SIGNS = ["east", "west"]


@pytest.fixture(scope="module")
def clients(autumn_app, spring_app):
    """A client for each season and sign of the offset."""
    made = {}
    for season, app, as_of in (("autumn", autumn_app, AUTUMN), ("spring", spring_app, SPRING)):
        for sign in SIGNS:
            service = DemoService(app, as_of=as_of, utc_offset_sign=sign)
            made[season, sign] = DemoClient(service, utc_offset_sign=sign)
    yield made
    for client in made.values():
        client.close()


def around(day):
    middle = dt.date.fromisoformat(day)
    return middle - dt.timedelta(days=10), middle + dt.timedelta(days=10)


def reference(client, zone, start, end):
    return client.service.app.daily_counts(zoneinfo.ZoneInfo(zone), start, end, as_of=client.service.as_of)


each_change = pytest.mark.parametrize(("zone", "season", "day"), CHANGES)
each_sign = pytest.mark.parametrize("sign", SIGNS)


@each_sign
@each_change
def test_daily_counts_are_those_of_the_local_calendar_day(clients, zone, season, day, sign):
    client, (start, end) = clients[season, sign], around(day)
    daily = nu.load_daily(client, start, end, tz=zone)
    expected = reference(client, zone, start, end)
    assert daily["day"].dt.date.tolist() == list(expected)
    assert daily["sessions"].tolist() == [counts.sessions for counts in expected.values()]
    assert daily["new_users"].tolist() == [counts.new_users for counts in expected.values()]
    assert daily["active_users"].tolist() == [counts.active_users for counts in expected.values()]
    assert daily["returning_users"].tolist() == [counts.active_users - counts.new_users for counts in expected.values()]
    assert daily["avg_session_seconds"].tolist() == pytest.approx(
        [counts.avg_session_seconds for counts in expected.values()], rel=1e-4, nan_ok=True
    )


@each_sign
@each_change
def test_event_and_error_counts_are_those_of_the_local_calendar_day(clients, zone, season, day, sign):
    client, (start, end) = clients[season, sign], around(day)
    expected = reference(client, zone, start, end)
    for load, name, attribute in ((nu.load_event_counts, "event", "events"), (nu.load_error_counts, "error", "errors")):
        counts = load(client, start, end, tz=zone)
        found = {
            day.date(): {row[name]: row["count"] for _, row in rows.iterrows() if row["count"]}
            for day, rows in counts.groupby("day")
        }
        assert found == {date: getattr(day_counts, attribute) for date, day_counts in expected.items()}


@each_sign
@each_change
def test_hours_are_those_of_the_clock_on_the_wall(clients, zone, season, day, sign):
    client, (start, end) = clients[season, sign], around(day)
    hours = nu.load_hours(client, start, end, tz=zone)
    found = {
        date.date(): {row.hour: row.sessions for row in rows.itertuples() if row.sessions}
        for date, rows in hours.groupby("day")
    }
    assert found == {date: counts.hours for date, counts in reference(client, zone, start, end).items()}


def test_a_skipped_hour_is_no_row_and_a_repeated_one_is_one_row(clients):
    spring = nu.load_hours(clients["spring", "east"], "2026-03-28", "2026-03-29", tz="Europe/Paris")
    autumn = nu.load_hours(clients["autumn", "east"], "2026-10-24", "2026-10-25", tz="Europe/Paris")
    assert spring.groupby("day")["hour"].size().tolist() == [24, 23]
    assert 2 not in spring.loc[spring["day"] == "2026-03-29", "hour"].to_list()
    assert autumn.groupby("day")["hour"].size().tolist() == [24, 24]


def test_hours_that_have_not_begun_are_no_rows(clients):
    today = nu.load_hours(clients["autumn", "east"], "2026-11-20", "2026-11-20")
    assert today["hour"].tolist() == list(range(12))


def test_a_year_of_days_takes_one_request_a_run_of_one_offset(clients):
    client = clients["autumn", "east"]
    client.service.requests.clear()
    nu.load_daily(client, "2026-01-01", "2026-11-19", tz="Europe/Paris")
    assert len(client.service.requests) == 5  # winter, the change, summer, the change, winter
    nu.load_daily(client, "2026-01-01", "2026-11-19", tz="Asia/Kathmandu")
    assert len(client.service.requests) == 6


def test_an_inclusive_end_adds_nothing_to_a_day(autumn_app):
    with _client(autumn_app, end_inclusive=True) as inclusive, _client(autumn_app) as exclusive:
        pd.testing.assert_frame_equal(
            nu.load_event_counts(inclusive, "2026-10-20", "2026-10-30", tz="Europe/Paris"),
            nu.load_event_counts(exclusive, "2026-10-20", "2026-10-30", tz="Europe/Paris"),
        )


def test_the_wrong_sign_is_reported(autumn_app):
    with (
        _client(autumn_app, utc_offset_sign="west") as client,
        pytest.warns(nu.IncompleteDataWarning, match="utc_offset_sign"),
    ):
        client.utc_offset_sign = "east"
        nu.load_daily(client, "2026-10-01", "2026-10-10", tz="Asia/Tokyo")


@contextmanager
def _client(app, **settings):
    with DemoClient(DemoService(app, as_of=AUTUMN, **settings)) as client:
        yield client
