"""Active users, growth and habits against loops over days, in zones around both changes of their clocks.

Run ``python -m tests.analysis.activity.test_growth_slowly 5000`` for as many logs as you like.
"""

import datetime as dt
import sys
import warnings
import zoneinfo
from itertools import accumulate

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from tests.analysis.activity.slow_growth import slow_active_users, slow_days_active, slow_growth, slow_usage_interval

# Small logs with few times hold such rows; test_row_checks.py has the warning.
pytestmark = pytest.mark.filterwarnings("ignore:.*repeat another row")

LOGS = 40
# Half an hour of summer time; no midnight in spring; and both sides of the ocean.
CHANGES = {
    "Europe/Paris": ["2026-03-29", "2026-10-25"],
    "America/New_York": ["2026-03-08", "2026-11-01"],
    "Asia/Beirut": ["2026-03-29", "2026-10-25"],
    "Australia/Lord_Howe": ["2026-04-05", "2026-10-04"],
    "Asia/Kathmandu": ["2026-06-15"],
}
WEEK = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


@st.composite
def logs(draw):
    """Users and instants in the weeks around a change of the clocks, many of them at midnight, and a zone."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    change = dt.datetime.fromisoformat(draw(st.sampled_from(CHANGES[zone]))).replace(tzinfo=dt.UTC)
    minutes = st.one_of(
        st.integers(-1500, 1500).map(lambda n: n * 30),
        st.integers(-3, 3).map(lambda n: n * 60 - 1),
        st.integers(-40 * 24 * 60, 40 * 24 * 60),
    )
    pairs = st.tuples(st.integers(0, 4), minutes)
    active = draw(st.lists(pairs, min_size=1, max_size=25))
    return [(f"u{user}", change + dt.timedelta(minutes=late)) for user, late in active], zoneinfo.ZoneInfo(zone)


def plain(table, columns):
    """The rows with missing numbers as None and days as dates."""
    rows = table[columns].astype(object).itertuples(index=False, name=None)
    return [
        tuple(None if pd.isna(one) else one.date() if isinstance(one, pd.Timestamp) else one for one in row)
        for row in rows
    ]


def check(log, freq, week, days, known):
    active, zone = log
    as_of = sorted(instant for _, instant in active)[-known:][0]
    times = pd.DatetimeIndex([instant for _, instant in active]).as_unit("us")
    frame = pd.DataFrame({"user_id": [user for user, _ in active], "time": times, "event": "OPEN"})
    asked = {"tz": str(zone), "as_of": as_of}
    active = [(user, instant) for user, instant in active if instant <= as_of]

    table = nu.active_users(frame, **asked)
    columns = ["day", "dau", "wau", "mau", "stickiness", "complete"]
    assert plain(table, columns) == slow_active_users(active, zone, as_of)

    table = nu.growth(frame, freq=freq, week_start=WEEK[week], **asked)
    columns = ["period", "new", "returning", "resurrected", "dormant", "active", "complete"]
    assert plain(table, columns) == slow_growth(active, zone, as_of, freq, week)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nu.IncompleteDataWarning)
        table = nu.days_active(frame, days, **asked)
    assert [users for (users,) in plain(table, ["users"])] == slow_days_active(active, zone, as_of, days)

    table = nu.usage_interval(frame, **asked)
    users, longest, once = slow_usage_interval(active, zone)
    assert table["users"].tolist() == users
    whole = (table["longest_at_most"] * sum(users)).round(6)
    assert whole.tolist() == list(accumulate(longest))
    assert table["once"].tolist() == [once] * len(users)


questions = (logs(), st.sampled_from("DWMQ"), st.integers(0, 6), st.integers(1, 40), st.sampled_from([1, 1, 2, 9]))


@given(*questions)
@settings(max_examples=LOGS)
def test_active_users_growth_and_habits_are_those_of_going_through_the_days(log, freq, week, days, known):
    check(log, freq, week, days, known)


if __name__ == "__main__":
    thorough = settings(max_examples=int(sys.argv[1]), deadline=None, database=None, derandomize=False)
    thorough(given(*questions)(check))()
