"""A report is about days that are over, beside as many days before."""

import datetime as dt

import numpy as np
import pytest

from nucleus_pandas.core.instants import first_instant, parse_zone
from nucleus_pandas.core.units import SETTLING_TIME
from nucleus_pandas.report.report_period import make_span, read_report_calendar

WEDNESDAY = dt.datetime(2026, 11, 4, 9, tzinfo=dt.UTC)


def span(freq="W", day=None, *, zone="UTC", now=WEDNESDAY, compare="previous", week_start=None):
    return make_span(read_report_calendar(freq, week_start, parse_zone(zone)), day, now, compare)


def dates(*texts):
    return tuple(map(dt.date.fromisoformat, texts))


@pytest.mark.parametrize(
    ("freq", "days"),
    [
        ("W", ("2026-10-26", "2026-11-01")),
        ("D", ("2026-11-03", "2026-11-03")),
        ("M", ("2026-10-01", "2026-10-31")),
    ],
)
def test_by_default_it_is_the_last_period_that_is_over(freq, days):
    made = span(freq)
    assert (made.first, made.last) == dates(*days)
    assert made.until == made.last


def test_any_day_stands_for_its_week():
    for day in ("2026-10-19", dt.date(2026, 10, 22), dt.datetime(2026, 10, 25, 23, tzinfo=dt.UTC)):
        assert (span(day=day).first, span(day=day).until) == dates("2026-10-19", "2026-10-25")


def test_an_instant_is_in_the_day_that_it_is_in_the_zone():
    sunday_night = dt.datetime(2026, 10, 25, 23, 30, tzinfo=dt.UTC)
    assert span(day=sunday_night, zone="Europe/Paris").first == dt.date(2026, 10, 26)


def test_which_week_is_over_is_told_in_the_zone():
    sunday_evening = dt.datetime(2026, 11, 1, 23, 30, tzinfo=dt.UTC)
    assert span(now=sunday_evening).first == dt.date(2026, 10, 19)
    assert span(now=sunday_evening, zone="Europe/Paris").first == dt.date(2026, 10, 26)


def test_of_a_period_that_is_not_over_the_days_that_are_stand_beside_as_many():
    week = span(day="2026-11-04")
    assert (week.first, week.until, week.last) == dates("2026-11-02", "2026-11-03", "2026-11-08")
    assert week.before == dates("2026-10-26", "2026-10-27")
    assert (week.days, week.settled_days, week.settled) == (2, 0, False)
    month = span("M", "2026-11-04")
    assert (month.first, month.until) == dates("2026-11-01", "2026-11-03")
    assert month.before == dates("2026-10-01", "2026-10-03")


@pytest.mark.parametrize(
    ("freq", "day", "compare", "before"),
    [
        ("W", "2026-10-28", "previous", ("2026-10-19", "2026-10-25")),
        ("W", "2026-10-28", "year", ("2025-10-27", "2025-11-02")),  # Monday to Sunday as well
        ("D", "2026-10-28", "previous", ("2026-10-21", "2026-10-21")),  # a Wednesday as well
        ("M", "2026-03-31", "previous", ("2026-02-01", "2026-02-28")),
        ("M", "2026-01-31", "previous", ("2025-12-01", "2025-12-31")),
        ("M", "2024-02-29", "year", ("2023-02-01", "2023-02-28")),
    ],
)
def test_it_is_compared_with_whole_periods_of_the_same_weekdays(freq, day, compare, before):
    assert span(freq, day, compare=compare).before == dates(*before)


def test_it_can_be_compared_with_nothing():
    assert span(compare=None).before is None


def test_days_are_settled_48_hours_after_their_end():
    monday = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
    assert (span(now=monday).days, span(now=monday).settled_days) == (7, 5)
    assert span().settled


def test_trends_begin_eight_weeks_or_six_months_before():
    assert span(day="2026-10-26").since == dt.date(2026, 8, 31)
    assert span("M", "2026-03-01").since == dt.date(2025, 9, 1)
    assert span("D", "2026-11-01").since == dt.date(2026, 8, 31)  # a Monday, as its users are followed by weeks
    assert span("D", "2026-11-01", week_start="sunday").since == dt.date(2026, 9, 6)


@pytest.mark.parametrize("week", [{"freq": "W", "week_start": "sunday"}, {"freq": "W-SAT"}])
def test_a_week_can_begin_on_sunday(week):
    made = span(**week)
    assert (made.first, made.last) == dates("2026-10-25", "2026-10-31")
    assert made.before == dates("2026-10-18", "2026-10-24")
    assert made.since == dt.date(2026, 8, 30)
    assert span(day="2026-11-01", **week).first == dt.date(2026, 11, 1)


def test_users_are_followed_by_weeks_of_the_same_first_day_or_by_months():
    assert (span("D", week_start="sunday").followed.unit, span("D", week_start="sunday").followed.week_start) == (
        "W",
        "sunday",
    )
    assert span("MS").followed.unit == "M"


def test_the_same_days_of_the_periods_before_are_those_that_tell_what_is_usual():
    assert span(day="2026-10-26").windows[:2] == [dates("2026-10-26", "2026-11-01"), dates("2026-10-19", "2026-10-25")]
    assert [len(span(freq).windows) for freq in "DWM"] == [8, 9, 7]
    assert span("M", "2026-03-31").windows[1] == dates("2026-02-01", "2026-02-28")


def test_settled_days_are_compared():
    monday = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
    week = span(now=monday)
    assert week.compared == dates("2026-10-24", "2026-10-30")
    assert week.compared_with == dates("2026-10-17", "2026-10-23")
    assert week.windows[:2] == [week.compared, week.compared_with]


def every(first, last):
    return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Pacific/Apia"])
@pytest.mark.parametrize("freq", ["D", "W", "M"])
def test_no_day_is_left_out_whenever_the_report_of_each_period_is_made(freq, zone):
    """Reports of the last period that is over, each made at any time from its end to that of the next one."""
    random = np.random.default_rng(20261201)
    tz, made = parse_zone(zone), dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    judged, promised = [], {}
    while made < dt.datetime(2027, 12, 1, tzinfo=dt.UTC):
        one = make_span(read_report_calendar(freq, None, tz), None, made, "previous")
        day, later = one.last + dt.timedelta(days=1), made + dt.timedelta(days=70)
        following = make_span(one.calendar, day, later, None)
        begins, ends = (first_instant(period.last + dt.timedelta(days=1), tz) for period in (one, following))
        working = freq != "D" or made.astimezone(tz).weekday() < 5 or random.random() < 0.3
        if working:
            assert not set(one.judged) & set(one.unsettled)
            assert all(first_instant(d + dt.timedelta(days=1), tz) + SETTLING_TIME <= made for d in one.judged)
            kept = [day for day, settles in promised.items() if settles <= made]
            assert set(kept) <= set(one.judged), (made, one)
            promised = {day: settles for day, settles in promised.items() if settles > made} | one.unsettled
            judged += one.judged
        made = ends + random.choice([0.0, 0.001, 0.02, 0.3, 0.9]) * (ends - begins)
    assert set(every(judged[0], judged[-1])) == set(judged)


@pytest.mark.parametrize(
    ("freq", "now", "days"),
    [
        ("W", "2026-11-02T09:00", ("2026-10-24", "2026-10-30")),  # Monday
        ("W", "2026-11-04T09:00", ("2026-10-24", "2026-11-01")),  # Wednesday
        ("D", "2026-11-04T09:00", ("2026-11-01", "2026-11-01")),
        ("D", "2026-11-02T09:00", ("2026-10-28", "2026-10-30")),  # Monday, after Friday's
        ("M", "2026-11-20T09:00", ("2026-09-29", "2026-10-31")),
    ],
)
def test_days_are_judged_that_have_settled_since_the_report_before(freq, now, days):
    made = span(freq, now=dt.datetime.fromisoformat(f"{now}Z"))
    assert (made.judged[0], made.judged[-1]) == dates(*days)


def test_days_that_cannot_be_judged_yet_are_named_with_the_time_at_which_they_can():
    week = span(now=dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC), zone="Europe/Paris")
    paris = parse_zone("Europe/Paris")
    assert week.unsettled == {
        dt.date(2026, 10, 31): dt.datetime(2026, 11, 3, tzinfo=paris),
        dt.date(2026, 11, 1): dt.datetime(2026, 11, 4, tzinfo=paris),
    }
    assert span().unsettled == {}


def test_a_day_is_compared_once_it_has_settled():
    assert span("D").compared == dates("2026-11-01", "2026-11-01")
    assert span("D").compared_with == dates("2026-10-25", "2026-10-25")


def test_a_period_that_has_settled_is_compared_as_it_is():
    for freq in "DWM":
        made = span(freq, "2026-09-15")
        assert made.compared == (made.first, made.until)
        assert made.compared_with == made.before


def test_a_month_can_be_written_as_such():
    assert span("M", "2026-09").last == dt.date(2026, 9, 30)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"day": "2026-11-09"}, "day='2026-11-09': no day of that week is over yet"),
        ({"day": "soon"}, "day='soon' is not a date"),
        ({"freq": "M", "day": "2026-12-01"}, "no day of that month is over yet. Pass an earlier day, or none"),
        ({"freq": "Q"}, 'freq="Q": there is no report of a quarter; write "D", "W" or "M"'),
        ({"compare": "last"}, 'compare="last" is not known; write one of "previous", "year", None'),
    ],
)
def test_what_cannot_be_reported_is_refused_with_what_can(given, message):
    with pytest.raises(ValueError, match=message):
        span(**given)


@pytest.mark.parametrize("freq", ["D", "W", "M"])
def test_a_period_at_the_end_of_the_calendar_is_rejected(freq):
    with pytest.raises(ValueError, match='day="9999-12-31" lies outside the years 1900 to 2200'):
        span(freq, "9999-12-31")
