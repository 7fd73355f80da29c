"""Weeks that start on Sunday, and quarters, in every analysis by periods; counted by hand from six sessions."""

import pandas as pd
import pytest

import nucleus_pandas as nu
from tests.events.split import frame_buckets

# Saturday 28 and Sunday 29 March 2026 lie in one week that starts on Monday and in two that start on Sunday.
SESSIONS = [
    ("ana", "2026-03-28", "1.0", "EXPORT"),
    ("ana", "2026-03-29", "1.0", "error:uncaughtException"),
    ("ana", "2026-03-30", "2.0", None),
    ("ana", "2026-04-01", "2.0", None),
    ("ben", "2026-03-29", "1.0", None),
    ("ben", "2026-04-03", "2.0", "EXPORT"),
]
SUNDAYS = ["2026-03-22", "2026-03-29"]
QUARTERS = ["2026-01-01", "2026-04-01"]
WEEKS = [{"freq": "W", "week_start": "sunday"}, {"freq": "W-SAT"}, {"freq": "W-SAT", "week_start": "sunday"}]
KINDS = {"init": "init", "EXPORT": "custom", "error:uncaughtException": "error"}


def log_of(sessions):
    rows = []
    for number, (user, day, version, event) in enumerate(sessions):
        start = pd.Timestamp(f"{day}T12:00Z")
        rows.append((user, str(number), start, "init", version))
        if event is not None:
            rows.append((user, str(number), start + pd.Timedelta(1, "h"), event, None))
    frame = pd.DataFrame(rows, columns=["user_id", "session_id", "time", "event", "version"])
    frame["time"] = frame["time"].dt.as_unit("us")
    return frame.assign(kind=frame["event"].map(KINDS))


LOG = log_of(SESSIONS)
USERS = LOG.groupby("user_id", as_index=False)["time"].agg(created_at="min", last_seen="max")


@pytest.fixture(params=["frame", "buckets"])
def events(request):
    """The log as a frame, and in two buckets, one a user."""
    return LOG if request.param == "frame" else frame_buckets(LOG, LOG["user_id"].eq("ben").astype(int), 2)


@pytest.fixture(params=WEEKS, ids=str)
def weeks(request):
    return request.param


def test_growth_by_weeks_from_sunday(events, weeks):
    saturday, week = nu.growth(events, as_of="2026-04-04", **weeks).itertuples(index=False)
    # Of the first week only its last day is in the log.
    assert (str(saturday.period.date()), saturday.active, saturday.complete) == (SUNDAYS[0], 1, False)
    assert (str(week.period.date()), week.active, week.complete) == (SUNDAYS[1], 2, True)


def test_growth_by_quarters(events):
    first, second = nu.growth(events, freq="Q", as_of="2026-06-30").itertuples(index=False)
    assert (str(first.period.date()), first.active, first.complete) == (QUARTERS[0], 2, False)
    assert (str(second.period.date()), second.active, second.complete, second.settled) == (QUARTERS[1], 2, True, False)


def test_retention_by_weeks_from_sunday(events, weeks):
    table = nu.retention(events, as_of="2026-04-04", **weeks)
    found = [(str(row.cohort.date()), row.age, row.users, row.retained) for row in table.itertuples()]
    assert found[:3] == [(SUNDAYS[0], 0, 1, 1), (SUNDAYS[0], 1, 1, 1), (SUNDAYS[1], 0, 1, 1)]


@pytest.mark.parametrize("freq", ["Q", "QS", "QE"])
def test_retention_by_quarters(events, freq):
    table = nu.retention(events, freq=freq, as_of="2026-06-30")
    found = [(str(row.cohort.date()), row.age, row.users, row.retained) for row in table.itertuples()]
    assert found == [(QUARTERS[0], 0, 2, 2), (QUARTERS[0], 1, 2, 2)]
    assert table["freq"].eq("Q").all()


def test_a_quarter_of_elapsed_time_has_ninety_days(events):
    # 28 March and 90 days are 26 June.
    with pytest.warns(nu.IncompleteDataWarning, match="No user can be counted yet"):
        table = nu.retention(events, freq="Q", clock="elapsed", as_of="2026-06-25")
    assert table["eligible"].tolist() == [0]
    table = nu.retention(events, freq="Q", clock="elapsed", as_of="2026-06-26")
    assert table["eligible"].tolist() == [1]


def test_unbounded_retention_by_weeks_from_sunday(weeks):
    table = nu.unbounded_retention(USERS, as_of="2026-04-04", **weeks)
    found = [(str(row.cohort.date()), row.age, row.users, row.retained) for row in table.itertuples()]
    assert found[:3] == [(SUNDAYS[0], 0, 1, 1), (SUNDAYS[0], 1, 1, 1), (SUNDAYS[1], 0, 1, 1)]


def test_unbounded_retention_by_quarters():
    table = nu.unbounded_retention(USERS, freq="Q", as_of="2026-06-30")
    found = [(str(row.cohort.date()), row.age, row.users, row.retained) for row in table.itertuples()]
    assert found == [(QUARTERS[0], 0, 2, 2), (QUARTERS[0], 1, 2, 2)]


def by_period(table, *columns):
    """Some columns by period, where all periods are complete."""
    assert table["complete"].all()
    return [(str(row[0].date()), *row[1:]) for row in table[["period", *columns]].itertuples(index=False, name=None)]


def test_funnels_by_weeks_from_sunday(events, weeks):
    table = nu.funnel_trend(events, ["init", "EXPORT"], window="1d", as_of="2026-04-04", **weeks)
    one, other = SUNDAYS
    assert by_period(table, "step", "users") == [(one, 1, 1), (one, 2, 1), (other, 1, 2), (other, 2, 0)]
    assert table["pending"].tolist() == [0, 0, 0, 0]


def test_funnels_by_quarters(events):
    table = nu.funnel_trend(events, ["init", "EXPORT"], freq="Q", window="1d", as_of="2026-06-30")
    one, other = QUARTERS
    assert by_period(table, "step", "users") == [(one, 1, 2), (one, 2, 1), (other, 1, 2), (other, 2, 1)]


@pytest.mark.parametrize(("analysis", "failed"), [(nu.error_free, "error_sessions"), (nu.crash_free, "crash_sessions")])
def test_sessions_without_errors_by_weeks_from_sunday_and_by_quarters(events, analysis, failed, weeks):
    table = analysis(events, as_of="2026-04-04", **weeks)
    assert by_period(table, "sessions", failed) == [(SUNDAYS[0], 1, 0), (SUNDAYS[1], 5, 1)]
    table = analysis(events, freq="Q", as_of="2026-06-30")
    assert by_period(table, "sessions", failed) == [(QUARTERS[0], 4, 1), (QUARTERS[1], 2, 0)]
    assert table["settled"].tolist() == [True, False]


def test_versions_by_weeks_from_sunday(events, weeks):
    table = nu.version_adoption(events, as_of="2026-04-04", **weeks)
    one, other = SUNDAYS
    assert by_period(table, "version", "sessions") == [
        (one, "1.0", 1),
        (one, "2.0", 0),
        (other, "1.0", 2),
        (other, "2.0", 3),
    ]


def test_versions_by_quarters(events):
    table = nu.version_adoption(events, freq="Q", as_of="2026-06-30")
    one, other = QUARTERS
    assert by_period(table, "version", "sessions") == [
        (one, "1.0", 3),
        (one, "2.0", 1),
        (other, "1.0", 0),
        (other, "2.0", 2),
    ]


ANALYSES = [
    nu.growth,
    nu.retention,
    nu.error_free,
    nu.crash_free,
    nu.version_adoption,
    lambda events, **asked: nu.funnel_trend(events, ["init"], **asked),
]


@pytest.mark.parametrize("analysis", ANALYSES)
def test_weeks_that_contradict_each_other_are_refused_everywhere(analysis):
    for events in (LOG, LOG.head(0)):
        with pytest.raises(ValueError, match='freq="W-SUN" contradicts week_start="sunday"'):
            analysis(events, freq="W-SUN", week_start="sunday")
        with pytest.raises(ValueError, match=r'week_start="Sunday" is not known.*Did you mean "sunday"'):
            analysis(events, week_start="Sunday")


@pytest.mark.parametrize("analysis", ANALYSES)
@pytest.mark.filterwarnings("ignore:No user can be counted yet")
def test_by_default_periods_are_weeks_from_monday(analysis):
    found, asked = analysis(LOG), analysis(LOG, freq="W", week_start="monday")
    pd.testing.assert_frame_equal(found, asked)
    first = found["cohort" if "cohort" in found else "period"].iloc[0]
    assert str(first.date()) == "2026-03-23"
