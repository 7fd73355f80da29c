"""Local days, weeks and months of many instants, against the standard library's one at a time."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucleus_pandas.core.calendar import day_numbers, period_days, period_numbers, period_starts

EPOCH = dt.date(1970, 1, 1)
ZONES = ["UTC", "Europe/Paris", "America/New_York", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kabul"]
SECONDS = st.integers(1_325_000_000, 1_830_000_000)


def numbers(*days):
    return np.array([(dt.date.fromisoformat(day) - EPOCH).days for day in days])


@given(st.lists(SECONDS, max_size=30), st.sampled_from(ZONES))
def test_the_local_day_is_that_of_the_local_clock(seconds, name):
    zone = ZoneInfo(name)
    found = day_numbers(np.array(seconds, dtype=np.int64) * 1_000_000, zone)
    dates = [dt.datetime.fromtimestamp(second, tz=zone).date() for second in seconds]
    assert found.tolist() == [(date - EPOCH).days for date in dates]


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [("Europe/Paris", "2026-03-29", 23), ("Europe/Paris", "2026-10-25", 25), ("Asia/Beirut", "2026-03-29", 23)],
)
def test_a_day_on_which_the_clock_changes_is_an_hour_shorter_or_longer(name, day, hours):
    hour = np.arange(-48, 72) * 3_600_000_000 + int(np.datetime64(day, "us").astype(np.int64))
    assert (day_numbers(hour, ZoneInfo(name)) == numbers(day)[0]).sum() == hours


def test_a_date_that_a_zone_skipped_has_no_instants():
    hours = np.arange(96) * 3_600_000_000 + int(np.datetime64("2011-12-28", "us").astype(np.int64))
    days = set(day_numbers(hours, ZoneInfo("Pacific/Apia")).tolist())
    assert days == set(numbers("2011-12-27", "2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01").tolist())


def test_fixed_offsets_and_the_ends_of_the_calendar_have_days_too():
    times = np.array([-62_135_596_800_000_000, 0, 253_402_300_799_999_999])
    east = day_numbers(times, dt.timezone(dt.timedelta(hours=5, minutes=45)))
    assert east[1] == 0
    assert len(day_numbers(times, ZoneInfo("Europe/Paris"))) == 3


def test_nothing_in_nothing_out():
    assert len(day_numbers(np.empty(0, dtype=np.int64), ZoneInfo("Europe/Paris"))) == 0
    assert len(period_numbers(np.empty(0, dtype=np.int64), "M")) == 0


@pytest.mark.parametrize(
    ("freq", "week_start", "first"),
    [
        ("D", "monday", ["2026-02-28", "2026-03-01", "2026-03-02"]),
        ("W", "monday", ["2026-02-23", "2026-02-23", "2026-03-02"]),
        ("W", "sunday", ["2026-02-22", "2026-03-01", "2026-03-01"]),
        ("W", "saturday", ["2026-02-28", "2026-02-28", "2026-02-28"]),
        ("M", "monday", ["2026-02-01", "2026-03-01", "2026-03-01"]),
    ],
)
def test_days_lie_in_periods(freq, week_start, first):
    found = period_numbers(numbers("2026-02-28", "2026-03-01", "2026-03-02"), freq, week_start)
    assert period_days(found, freq, week_start).astype(str).tolist() == first


def test_a_period_starts_with_its_first_local_instant():
    paris = ZoneInfo("Europe/Paris")
    week = period_numbers(numbers("2026-03-29"), "W")
    starts = period_starts(np.array([week[0], week[0] + 1]), "W", "monday", paris)
    # Monday 23 March is an hour east of UTC, Monday 30 March two.
    assert starts.astype("datetime64[us]").astype(str).tolist() == [
        "2026-03-22T23:00:00.000000",
        "2026-03-29T22:00:00.000000",
    ]


def test_what_is_no_period_or_weekday_is_refused():
    with pytest.raises(ValueError, match='write "D", "W" or "M"'):
        period_numbers(numbers("2026-03-01"), "Q")
    with pytest.raises(ValueError, match="week_start='Mon' is not known; write one of monday, tuesday"):
        period_numbers(numbers("2026-03-01"), "W", "Mon")
