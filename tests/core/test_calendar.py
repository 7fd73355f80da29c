"""Local days, weeks and months of many instants, against the standard library's one at a time."""

import bisect
import datetime as dt
from typing import get_args
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucleus_pandas.core.calendar import Freq, WeekStart, day_numbers, read_calendar

EPOCH = dt.date(1970, 1, 1)
ZONES = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
]
FREQS = [(freq, None) for freq in "DMQ"] + [("W", week_start) for week_start in (None, *get_args(WeekStart))]
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
    assert len(read_calendar("M", None, dt.UTC).of_days(np.empty(0, dtype=np.int64))) == 0


@pytest.mark.parametrize(
    ("freq", "week_start", "first"),
    [
        ("D", None, ["2026-02-28", "2026-03-01", "2026-03-02"]),
        ("W", None, ["2026-02-23", "2026-02-23", "2026-03-02"]),
        ("W", "sunday", ["2026-02-22", "2026-03-01", "2026-03-01"]),
        ("W", "saturday", ["2026-02-28", "2026-02-28", "2026-02-28"]),
        ("M", None, ["2026-02-01", "2026-03-01", "2026-03-01"]),
        ("Q", None, ["2026-01-01", "2026-01-01", "2026-01-01"]),
    ],
)
def test_days_lie_in_periods(freq, week_start, first):
    calendar = read_calendar(freq, week_start, dt.UTC)
    found = calendar.of_days(numbers("2026-02-28", "2026-03-01", "2026-03-02"))
    assert calendar.first_days(found).astype(str).tolist() == first


@pytest.mark.parametrize("freq", get_args(Freq))
def test_a_freq_means_what_it_means_in_pandas(freq):
    calendar = read_calendar(freq, None, dt.UTC)
    for date in pd.date_range("2025-12-20", "2026-07-10"):
        found = calendar.first_date(calendar.of_date(date.date()))
        word = {"MS": "M", "ME": "M", "QS": "Q", "QE": "Q"}.get(freq, freq)
        assert found == date.to_period(word).start_time.date()


@pytest.mark.parametrize("week_start", get_args(WeekStart))
def test_a_week_start_is_a_freq_that_ends_the_day_before(week_start):
    days = get_args(WeekStart)
    freq = f"W-{days[days.index(week_start) - 1][:3].upper()}"
    assert read_calendar("W", week_start, dt.UTC) == read_calendar(freq, None, dt.UTC)
    assert read_calendar(freq, week_start, dt.UTC) == read_calendar(freq, None, dt.UTC)


def test_a_freq_and_a_week_start_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match=r'freq="W-SUN" contradicts week_start="sunday".*weeks that end on Sunday'):
        read_calendar("W-SUN", "sunday", dt.UTC)


def test_a_period_starts_with_its_first_local_instant():
    calendar = read_calendar("W", None, ZoneInfo("Europe/Paris"))
    week = calendar.of_date(dt.date(2026, 3, 29))
    starts = calendar.starts(np.array([week, week + 1]))
    # Monday 23 March is an hour east of UTC, Monday 30 March two.
    assert starts.astype("datetime64[us]").astype(str).tolist() == [
        "2026-03-22T23:00:00.000000",
        "2026-03-29T22:00:00.000000",
    ]


def test_what_is_no_period_or_weekday_is_refused_with_the_closest_choice():
    with pytest.raises(ValueError, match=r'freq="w-sund" is not known; write one of "D", "W", .*Did you mean "W-SUN"'):
        read_calendar("w-sund", None, dt.UTC)
    with pytest.raises(ValueError, match=r"freq=7 is not known"):
        read_calendar(7, None, dt.UTC)
    with pytest.raises(ValueError, match=r'week_start="Sun" is not known; write one of "monday", .*mean "sunday"'):
        read_calendar("W", "Sun", dt.UTC)


def test_an_interval_cuts_the_first_and_the_last_period():
    calendar = read_calendar("Q", None, dt.UTC)
    start, end = micros(dt.datetime(2026, 2, 1, tzinfo=dt.UTC)), micros(dt.datetime(2026, 7, 1, tzinfo=dt.UTC))
    found = calendar.cut(start, end)
    assert [str(label) for label in found.labels] == ["2026-01-01", "2026-04-01"]
    assert found.edges.tolist() == [start, micros(dt.datetime(2026, 4, 1, tzinfo=dt.UTC)), end]
    assert found.whole.tolist() == [False, True]
    assert calendar.cut(start, end, whole_first=True).whole.tolist() == [True, True]


def test_one_period_that_is_cut_on_both_sides_is_not_whole():
    start = micros(dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
    assert read_calendar("Q", None, dt.UTC).cut(start, start + 1).whole.tolist() == [False]
    # At its end, or at its beginning.
    quarter = micros(dt.datetime(2026, 1, 1, tzinfo=dt.UTC)), micros(dt.datetime(2026, 4, 1, tzinfo=dt.UTC))
    assert read_calendar("Q", None, dt.UTC).cut(quarter[0] + 1, quarter[1]).whole.tolist() == [False]
    assert read_calendar("Q", None, dt.UTC).cut(quarter[0], quarter[1] - 1).whole.tolist() == [False]
    assert read_calendar("Q", None, dt.UTC).cut(*quarter).whole.tolist() == [True]


def test_a_date_that_a_zone_skipped_is_no_period():
    apia = ZoneInfo("Pacific/Apia")
    start = micros(dt.datetime(2011, 12, 29, tzinfo=apia))
    found = read_calendar("D", None, apia).cut(start, micros(dt.datetime(2012, 1, 1, tzinfo=apia)))
    assert [str(label) for label in found.labels] == ["2011-12-29", "2011-12-31"]
    # A week that would begin with it begins with the next.
    week = read_calendar("W", "friday", apia).cut(start, micros(dt.datetime(2012, 1, 3, tzinfo=apia)))
    assert [str(label) for label in week.labels] == ["2011-12-23", "2011-12-30"]
    assert week.edges[1] == micros(dt.datetime(2011, 12, 31, tzinfo=apia))


@given(st.lists(SECONDS, min_size=1, max_size=8), st.sampled_from(ZONES), st.sampled_from(FREQS))
def test_periods_are_those_that_a_loop_over_dates_finds(seconds, name, freq):
    zone = ZoneInfo(name)
    calendar = read_calendar(*freq, zone)
    found = calendar.of_times(np.array(seconds, dtype=np.int64) * 1_000_000)
    for second, number in zip(seconds, found.tolist(), strict=True):
        date = dt.datetime.fromtimestamp(second, tz=zone).date()
        first = slow_first(date, *freq)
        assert calendar.first_date(number) == first
        assert calendar.first_date(number + 1) == slow_next(first, freq[0])
        assert calendar.starts(np.array([number]))[0] == slow_midnight(first, zone)


@settings(max_examples=40)
@given(SECONDS, st.integers(1, 100 * 86_400), SECONDS, st.sampled_from(ZONES), st.sampled_from(FREQS))
def test_an_interval_is_cut_as_a_loop_cuts_it(start, length, known, name, freq):
    zone = ZoneInfo(name)
    end = start + length
    found = read_calendar(*freq, zone).cut(start * 1_000_000, end * 1_000_000)
    first = slow_first(dt.datetime.fromtimestamp(start, tz=zone).date(), *freq)
    expected = []
    while (begins := slow_midnight(first, zone)) < end * 1_000_000:
        after = slow_next(first, freq[0])
        ends = slow_midnight(after, zone)
        whole = start * 1_000_000 <= begins and ends <= end * 1_000_000
        low, high = max(begins, start * 1_000_000), min(ends, end * 1_000_000)
        if low < high:
            settled = whole and high + 48 * 3_600_000_000 <= known * 1_000_000
            expected.append((first, low, high, whole, whole and high <= known * 1_000_000, settled))
        first = after
    states = found.states(known * 1_000_000)
    edges = found.edges.tolist()
    columns = (found.labels, edges[:-1], edges[1:], found.whole, states["complete"], states["settled"])
    assert list(zip(*columns, strict=True)) == expected


def slow_first(date, freq, week_start):
    """The first day of a period, a day at a time."""
    while not begins_period(date, freq, week_start):
        date -= dt.timedelta(days=1)
    return date


def begins_period(date, freq, week_start):
    if freq == "W":
        return date.strftime("%A").lower() == (week_start or "monday")
    return freq == "D" or (date.day == 1 and (freq == "M" or date.month in (1, 4, 7, 10)))


def slow_next(first, freq):
    if freq in "DW":
        return first + dt.timedelta(days=1 if freq == "D" else 7)
    month = first.month + (1 if freq == "M" else 3)
    return dt.date(first.year + (month > 12), month - 12 * (month > 12), 1)


def slow_midnight(date, zone):
    """The first instant of a day: of the minutes around midnight, the first whose local date is not earlier."""
    low = int(dt.datetime(date.year, date.month, date.day, tzinfo=dt.UTC).timestamp()) - 15 * 3600
    minutes = range(30 * 60)
    at = bisect.bisect_left(minutes, date, key=lambda n: dt.datetime.fromtimestamp(low + 60 * n, tz=zone).date())
    return (low + 60 * at) * 1_000_000


def micros(moment):
    return int(moment.timestamp()) * 1_000_000
