"""From dates and zones to instants and offsets. Every expectation was worked out on paper from the zone's rules."""

import datetime as dt
import zoneinfo
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucleus_pandas.api.windows import make_window, states, utc_offset_parameter
from nucleus_pandas.core.instants import first_instant, make_instant, make_interval, parse_zone

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def utc(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def window(start, end, tz="UTC", now=NOW):
    return make_window(start, end, tz, now=now)


def hours(day):
    return (day.end - day.start) / dt.timedelta(hours=1)


def test_a_bare_date_as_end_is_the_whole_day():
    one_day = window("2026-09-01", "2026-09-01")
    assert (one_day.start, one_day.end) == (utc("2026-09-01"), utc("2026-09-02"))


@pytest.mark.parametrize(
    "day",
    [
        "2026-09-01",
        dt.date(2026, 9, 1),
        dt.datetime(2026, 9, 1),  # noqa: DTZ001
        pd.Timestamp("2026-09-01"),
        np.datetime64("2026-09-01"),
    ],
)
def test_every_way_to_write_a_day_is_the_same_local_day(day):
    paris = window(day, day, "Europe/Paris")
    assert (paris.start, paris.end) == (utc("2026-08-31T22:00"), utc("2026-09-01T22:00"))


@pytest.mark.parametrize(
    "instant",
    [
        "2026-09-01T14:30+02:00",
        "2026-09-01T12:30:00Z",
        "2026-09-01 12:30:00.999+00:00",
        dt.datetime(2026, 9, 1, 12, 30, tzinfo=dt.UTC),
        pd.Timestamp("2026-09-01 08:30", tz="America/New_York"),
    ],
)
def test_an_instant_is_taken_as_it_is_in_whole_seconds_and_ends_before_itself(instant):
    cut = window("2026-09-01", instant, "Asia/Tokyo")
    assert cut.end == utc("2026-09-01T12:30")
    assert window(instant, "2026-09-02", "Asia/Tokyo").start == utc("2026-09-01T12:30")


def test_days_that_have_not_begun_are_left_out():
    late = window("2026-11-19", "2026-12-31", "Asia/Tokyo")
    assert [day.date.isoformat() for day in late.days] == ["2026-11-19", "2026-11-20"]
    assert late.end == utc("2026-11-20T15:00")


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2026-09-02", "2026-09-01", 'start="2026-09-02" is not before end="2026-09-01"'),
        ("2026-11-21", "2026-11-30", 'Write a start up to today, for example start="2026-11-20"'),
        ("2026-09-01T10:00", "2026-09-02", 'start="2026-09-01T10:00:00+00:00"'),
        (pd.Timestamp("2026-09-01 10:00"), "2026-09-02", 'Write start="2026-09-01" for the whole day'),
        ("01/09/2026", "2026-09-02", 'Write year-month-day, start="2026-09-01"'),
        ("2026-02-30", "2026-09-02", "is not a date"),
        ("2026-09", "2026-09-30", "is not a date"),
        ("2026-W36-1", "2026-09-30", "is not a date"),
        ("yesterday", "2026-09-30", "is not a date"),
        ("2026-09-01", pd.NaT, "end is missing"),
        ("1970-01-01", "2026-09-30", "before 2000"),
        ("2026-09-01T10:00Z", "2026-09-01T10:00Z", "is not before"),
    ],
)
def test_a_wrong_interval_is_a_value_error_that_says_what_to_write(start, end, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        window(start, end)
    assert words in str(caught.value)


@pytest.mark.parametrize("value", [None, 20260901, 1.5, ["2026-09-01"], True])
def test_what_is_no_date_is_a_type_error(value):
    with pytest.raises(TypeError, match="start is of type"):
        window(value, "2026-09-02")


@pytest.mark.parametrize(
    ("tz", "minutes"),
    [
        ("UTC", 0),
        ("Z", 0),
        (" utc ", 0),
        ("Asia/Kathmandu", 345),
        ("+05:45", 345),
        ("-03:30", -210),
        ("UTC+02:00", 120),
        ("+0200", 120),
        (345, 345),
        (np.int64(-60), -60),
        (dt.timezone(dt.timedelta(hours=1)), 60),
        (zoneinfo.ZoneInfo("Asia/Tokyo"), 540),
    ],
)
def test_a_zone_can_be_a_name_an_offset_or_minutes_east(tz, minutes):
    assert window("2026-09-01", "2026-09-01", tz).offset_minutes == minutes


def test_the_zone_object_of_a_pandas_column_is_taken():
    column = pd.Series(pd.to_datetime(["2026-09-01T10:00Z"])).dt.tz_convert("Europe/Paris")
    assert parse_zone(column.dt.tz) == zoneinfo.ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("tz", "words"),
    [
        ("Europe/Pari", 'Did you mean "Europe/Paris"'),
        ("New York", "America/New_York"),
        ("localtime", "not in the zone database"),
        ("", "not in the zone database"),
        ("../../etc/passwd", "not in the zone database"),
        ("Europe", "not in the zone database"),
        ("+5", 'Did you mean "+05:00"'),
        ("GMT+2", 'Did you mean "+02:00"'),
        ("+02:75", "not in the zone database"),
        ("europe/paris", 'Did you mean "Europe/Paris"'),
        ("+25:00", "which no place has"),
        (2, 'For two hours east write tz=120 or tz="+02:00"'),
        (-721, "which no place has"),
    ],
)
def test_a_zone_that_does_not_exist_is_refused_with_the_nearest(tz, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        parse_zone(tz)
    assert words in str(caught.value)


@pytest.mark.parametrize("tz", [None, 1.5, True, object()])
def test_what_is_no_zone_is_a_type_error(tz):
    with pytest.raises(TypeError, match="is not a zone"):
        parse_zone(tz)


def test_the_sign_of_the_offset_on_the_wire_is_a_setting():
    assert utc_offset_parameter(120, "east") == 120
    assert utc_offset_parameter(120, "west") == -120


@pytest.mark.parametrize(
    ("zone", "date", "length"),
    [
        ("Europe/Paris", "2026-03-29", 23),
        ("Europe/Paris", "2026-10-25", 25),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Asia/Kathmandu", "2026-10-25", 24),
        ("Asia/Beirut", "2026-03-29", 23),
        ("Asia/Beirut", "2026-10-24", 25),
        ("America/Santiago", "2026-09-06", 23),
        ("America/Havana", "2025-11-02", 25),
    ],
)
def test_a_day_is_as_long_as_its_clocks_say(zone, date, length):
    (day,) = window(date, date, zone).days
    assert hours(day) == length
    assert day.whole


@pytest.mark.parametrize(
    ("zone", "date", "instant"),
    [
        ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00"),  # 00:00 does not exist, the day begins at 01:00
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00"),
        ("America/Havana", "2025-11-02", "2025-11-02T04:00"),  # 00:00 comes twice, the day begins with the first
        ("Asia/Kathmandu", "2026-10-25", "2026-10-24T18:15"),
    ],
)
def test_a_day_begins_with_its_first_instant(zone, date, instant):
    assert first_instant(dt.date.fromisoformat(date), zoneinfo.ZoneInfo(zone)) == utc(instant)


def test_a_date_that_a_zone_skipped_is_not_a_day():
    days = window("2011-12-29", "2011-12-31", "Pacific/Apia").days
    assert [day.date.isoformat() for day in days] == ["2011-12-29", "2011-12-31"]


def test_days_of_one_offset_are_one_request_and_a_changing_day_is_asked_for_alone():
    runs = window("2026-10-23", "2026-10-27", "Europe/Paris").runs
    assert [(run.start, run.end, run.offset_minutes) for run in runs] == [
        (utc("2026-10-22T22:00"), utc("2026-10-24T22:00"), 120),
        (utc("2026-10-24T22:00"), utc("2026-10-25T23:00"), 120),
        (utc("2026-10-25T23:00"), utc("2026-10-27T23:00"), 60),
    ]


def test_what_comes_back_under_the_next_date_belongs_to_the_changing_day():
    _, changing, after = window("2026-10-24", "2026-10-26", "Europe/Paris").runs
    sunday, monday = dt.date(2026, 10, 25), dt.date(2026, 10, 26)
    assert changing.labels == {sunday: sunday, monday: sunday}
    assert after.labels == {monday: monday}


def test_a_day_whose_midnight_is_skipped_keeps_one_offset():
    runs = window("2026-03-28", "2026-03-30", "Asia/Beirut").runs
    assert [(run.offset_minutes, len(run.labels)) for run in runs] == [(120, 1), (180, 2)]


def test_for_hours_a_changing_day_is_cut_where_the_clocks_change():
    runs = window("2026-04-05", "2026-04-05", "Australia/Lord_Howe").hour_runs
    assert [(run.start, run.end, run.offset_minutes) for run in runs] == [
        (utc("2026-04-04T13:00"), utc("2026-04-04T15:00"), 660),
        (utc("2026-04-04T15:00"), utc("2026-04-05T13:30"), 630),
    ]


ZONES = st.sampled_from(
    [
        *("Europe/Paris", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Asia/Beirut", "UTC"),
        *("America/Santiago", "America/Havana", "Atlantic/Azores", "Pacific/Chatham", "Africa/Casablanca"),
        *("Antarctica/Troll", "America/St_Johns", "Asia/Tehran", "Pacific/Apia", "America/Nuuk", "Asia/Gaza"),
    ]
)


@given(ZONES, st.dates(dt.date(2012, 1, 1), dt.date(2026, 6, 1)), st.integers(0, 400))
def test_runs_cover_a_window_without_gap_and_every_second_has_its_local_date(name, first, length):
    zone = zoneinfo.ZoneInfo(name)
    asked = window(first, first + dt.timedelta(days=length), name)
    for runs in (asked.runs, asked.hour_runs):
        assert runs[0].start == asked.start
        assert runs[-1].end == asked.end
        assert all(one.end == two.start for one, two in pairwise(runs))
        for run in runs:
            # What the service would do: add the offset it was given, take the date.
            for instant in (run.start, run.end - dt.timedelta(seconds=1), run.start + (run.end - run.start) / 2):
                label = (instant + dt.timedelta(minutes=run.offset_minutes)).date()
                assert run.labels[label] == instant.astimezone(zone).date()


def test_periods_are_calendar_weeks_and_months_clipped_to_the_window():
    asked = window("2026-09-02", "2026-10-10", "Europe/Paris")
    assert [(str(week.label), week.whole) for week in asked.periods("W")][:2] == [
        ("2026-08-31", False),
        ("2026-09-07", True),
    ]
    assert [(str(month.label), month.whole) for month in asked.periods("M")] == [
        ("2026-09-01", False),
        ("2026-10-01", False),
    ]
    assert len(asked.periods("D")) == 39
    assert [(str(quarter.label), quarter.whole) for quarter in asked.periods("QS")] == [
        ("2026-07-01", False),
        ("2026-10-01", False),
    ]
    assert [str(week.label) for week in asked.periods("W", "sunday")][:2] == ["2026-08-30", "2026-09-06"]


def test_a_day_is_incomplete_then_unsettled_then_settled():
    days = window("2026-11-17", "2026-11-20", now=NOW).days
    assert states(days, utc("2026-11-20T00:00")) == {
        "complete": [True, True, True, False],
        "settled": [True, False, False, False],
    }


def test_a_day_cut_by_the_window_is_never_complete():
    days = window("2026-09-01T10:00Z", "2026-09-02").days
    assert states(days, NOW)["complete"] == [False, True]


def test_an_interval_of_data_at_hand_is_open_where_nothing_is_written_and_knows_no_present():
    assert make_interval(None, None, "UTC") == (None, None)
    assert make_interval("2126-09-01", "2126-09-01", "Europe/Paris") == (
        utc("2126-08-31T22:00"),
        utc("2126-09-01T22:00"),
    )


def test_an_interval_of_data_at_hand_keeps_fractions_of_a_second():
    begins, ends = make_interval("2026-09-01T12:00:00.25Z", "2026-09-01T12:00:00.75Z", "UTC")
    assert (begins.microsecond, ends.microsecond) == (250_000, 750_000)


def test_an_interval_that_ends_before_it_begins_is_refused():
    with pytest.raises(ValueError, match='start="2026-09-02" is not before end="2026-09-01"'):
        make_interval("2026-09-02", "2026-09-01", "UTC")


def test_what_is_known_until_a_day_is_known_until_its_end():
    end = utc("2026-09-01T18:15") - dt.timedelta(microseconds=1)
    assert make_instant("as_of", "2026-09-01", "Asia/Kathmandu") == end
    with pytest.raises(ValueError, match="as_of='soon' is not a date"):
        make_instant("as_of", "soon", "UTC")
