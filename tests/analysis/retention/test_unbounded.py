"""Unbounded retention from the list of users, of lists that can be counted by eye, against a loop, and of the demo."""

import datetime as dt
import zoneinfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from tests.analysis.activity.slow_growth import first_of
from tests.analysis.retention.test_survival import at, people
from tests.conftest import AUTUMN

# The demo app has a user whose id is such a text.
pytestmark = pytest.mark.filterwarnings("ignore:user_id has ids that spell", "ignore:No user can be counted yet")

ONE = dt.timedelta(days=1)


def rates(table):
    return {(str(row.cohort.date()), row.age): (row.retained, row.eligible) for row in table.itertuples()}


def test_who_was_seen_last_in_a_period_or_later_is_retained_in_it():
    # 5 January 2026 is a Monday, day 4 of the year.
    frame = people((4, 5), (4, 11), (5, 30))
    table = nu.unbounded_retention(frame, periods=2, start="2026-01-05", end="2026-01-11", as_of="2026-02-08")
    assert rates(table) == {("2026-01-05", 0): (3, 3), ("2026-01-05", 1): (2, 3), ("2026-01-05", 2): (1, 3)}


def test_a_period_that_is_not_over_is_missing():
    table = nu.unbounded_retention(people((4, 12)), periods=2, as_of=at(13))
    assert table["retained"].tolist() == [1, pd.NA, pd.NA]
    assert table["rate"].isna().tolist() == [False, True, True]


def test_users_created_before_a_quiet_week_are_told_and_with_start_they_count():
    frame = people((0, 3), *[(day, day + 1) for day in range(10, 20)] * 12)
    asked = {"freq": "D", "periods": 1, "as_of": at(30)}
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 121 times of created_at lie before"):
        table = nu.unbounded_retention(frame, **asked)
    assert table["cohort"].iloc[0] == pd.Timestamp("2026-01-11")
    table = nu.unbounded_retention(frame, start="2026-01-01", **asked)
    assert table.groupby("cohort")["users"].first().sum() == 121


def test_who_was_seen_after_as_of_was_there_until_then():
    table = nu.unbounded_retention(people((4, 60)), freq="D", as_of="2026-01-08")
    assert table["retained"].tolist() == [1, 1, 1, 1]


def test_it_has_the_columns_of_retention_and_can_be_pooled(shared_app):
    users = nu.load_users(shared_app)
    table = nu.unbounded_retention(users, freq="M", by="plan", as_of=AUTUMN)
    sessions = users[["user_id"]].assign(start=users["last_seen"])
    full = nu.retention(sessions, users=users, freq="M", by="plan", as_of=AUTUMN)
    pd.testing.assert_series_equal(table.dtypes, full.dtypes)
    curve = nu.retention_curve(table)
    assert curve.loc[curve["age"] == 0, "rate"].tolist() == [1.0] * curve["segment"].nunique()


def test_no_users_give_the_same_columns_and_types():
    full, none = (nu.unbounded_retention(frame) for frame in (people((0, 20)), people((0, 20)).iloc[:0]))
    assert len(none) == 0
    pd.testing.assert_series_equal(none.dtypes, full.dtypes)


def test_the_list_stays_as_it_was_and_may_name_its_users_as_it_likes():
    frame = people((0, 5), (3, 2.5)).assign(user_id=None, user_db_id=["x", "y"])
    before = frame.copy(deep=True)
    assert nu.unbounded_retention(frame, as_of=at(20))["users"].iloc[0] == 2
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"freq": "Y"}, 'freq="Y"'), ({"clock": "round"}, 'clock="round"'), ({"by": "plam"}, 'Did you mean "plan"')],
)
def test_a_wrong_value_says_what_to_write(arguments, message):
    with pytest.raises(ValueError, match=message):
        nu.unbounded_retention(people((0, 1), plan=["pro"]), **arguments)


def slowly(stays, zone, as_of, freq, clock):
    """Retained and eligible of each cohort and period, by asking each user about each period."""
    found = {}
    for created, seen in stays:
        if created > as_of:
            continue
        cohort = period = first_of(freq, created.astimezone(zone).date())
        number, ends = 0, created
        while True:
            begins, ends = ends, ends + {"D": 1, "W": 7, "M": 30}[freq] * ONE
            following = next(day for n in range(1, 40) if first_of(freq, day := period + n * ONE) != period)
            over = following <= as_of.astimezone(zone).date() if clock == "calendar" else ends <= as_of
            if not over:
                break
            there = seen.astimezone(zone).date() >= period if clock == "calendar" else seen >= begins
            retained, eligible = found.get((str(cohort), number), (0, 0))
            found[str(cohort), number] = (retained + there, eligible + 1)
            period, number = following, number + 1
    return found


hours = st.integers(0, 24 * 80)


@given(
    st.lists(st.tuples(hours, hours).map(sorted), min_size=1, max_size=6),
    hours,
    st.sampled_from("DWM"),
    st.sampled_from(["calendar", "elapsed"]),
    st.sampled_from(["Europe/Paris", "Asia/Beirut", "Australia/Lord_Howe"]),
)
@settings(max_examples=40)
def test_it_is_that_of_asking_each_user_about_each_period(stays, known, freq, clock, zone):
    # From 20 February on, so that both changes in spring lie within.
    stays = [tuple(at(50) + pd.Timedelta(hour, "h") for hour in stay) for stay in stays]
    as_of = at(50) + pd.Timedelta(known, "h")
    frame = pd.DataFrame(stays, columns=["created_at", "last_seen"]).astype("datetime64[us, UTC]")
    table = nu.unbounded_retention(frame, freq=freq, clock=clock, tz=zone, as_of=as_of)
    found = {key: pair for key, pair in rates(table).items() if pair[1]}
    assert found == slowly(stays, zoneinfo.ZoneInfo(zone), as_of, freq, clock)
