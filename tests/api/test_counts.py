"""Counted answers to frames: the published shapes, empty ones, and ones with missing, extra and null fields."""

import datetime as dt
import math
import warnings

import pandas as pd
import pytest

from nucleus_pandas.api.parsing import counts
from nucleus_pandas.api.parsing import schemas as frames
from nucleus_pandas.api.windows import make_window
from nucleus_pandas.exceptions import IncompleteDataWarning, PayloadError

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def no_silent_loss():
    """Every loss must be expected by the test that causes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def window(start="2024-03-09", end="2024-03-11", tz="UTC"):
    return make_window(start, end, tz, now=NOW)


def one_run(payload, asked):
    (run,) = asked.runs
    return [(payload, run)]


def dtypes(frame):
    return {name: frame[name].dtype for name in frame}


PUBLISHED_DAILY = {
    "data": {
        "totalNumbers": {"users": 89, "installs": 48},
        "usage": {"2024-03-11": 40, "2024-03-09": 12},
        "newUsers": {"2024-03-09": 3, "2024-03-11": 9},
        "activeUsers": {"2024-03-11": 8, "2024-03-09": 5},
        "nonNewUsers": {"2024-03-09": 2, "2024-03-11": -1},
        "avgSessionDuration": {"2024-03-11": 61.25, "2024-03-09": 30},
        "hours": {"2024-03-11": [0, 0, 5, 1], "2024-03-09": [2]},
        "platforms": [{"value": "mac", "count": 4}, {"value": "win", "count": 41}],
        "ram": [],
        "languages": [{"value": "en", "count": 30}],
        "versions": [{"value": "0.4.1", "count": 45}],
        "countries": [{"value": "US", "count": 20}, {"value": None, "count": 2}],
    }
}


NO_VALUES = {name: [] for name in ("platforms", "ram", "languages", "versions", "countries")}


def daily(payload, asked=None, as_of=NOW):
    asked = asked or window()
    return counts.daily_frame(one_run(payload, asked), asked, as_of)


def test_daily_reads_the_published_shape_and_fills_days_without_data():
    frame = daily(PUBLISHED_DAILY)
    assert dtypes(frame) == frames.DAILY
    assert frame["day"].dt.strftime("%d").tolist() == ["09", "10", "11"]
    assert frame["sessions"].tolist() == [12, 0, 40]
    assert frame["new_users"].tolist() == [3, 0, 9]
    assert frame["active_users"].tolist() == [5, 0, 8]
    assert frame["settled"].all()


def test_a_negative_number_of_returning_users_is_passed_on():
    assert daily(PUBLISHED_DAILY)["returning_users"].tolist() == [2, 0, -1]


def test_the_session_length_is_missing_where_there_were_no_sessions():
    assert daily(PUBLISHED_DAILY)["avg_session_seconds"].tolist() == pytest.approx([30, math.nan, 61.25], nan_ok=True)


def test_daily_of_an_empty_app_has_every_day_with_zeros():
    fields = ("usage", "newUsers", "activeUsers", "nonNewUsers", "avgSessionDuration")
    frame = daily({"data": {field: {} for field in fields}})
    assert dtypes(frame) == frames.DAILY
    assert frame["sessions"].tolist() == [0, 0, 0]
    assert frame["avg_session_seconds"].isna().all()


@pytest.mark.parametrize("data", [{}, {"usage": None, "novelty": [1]}])
def test_what_the_daily_answer_lacks_is_missing_not_zero(data):
    with pytest.warns(IncompleteDataWarning, match="has no 'activeUsers'"):
        frame = daily({"data": data})
    assert dtypes(frame) == frames.DAILY
    assert frame["sessions"].isna().all()


@pytest.mark.parametrize("count", ["12", 1.5, True, [1], 2**63])
def test_a_count_that_is_no_whole_number_is_missing_with_a_warning(count):
    payload = {"data": {**PUBLISHED_DAILY["data"], "usage": {"2024-03-09": count, "2024-03-10": 7}}}
    with pytest.warns(IncompleteDataWarning, match="1 count was no whole number"):
        frame = daily(payload)
    assert frame["sessions"].isna().tolist() == [True, False, False]
    assert frame["sessions"].tolist()[1:] == [7, 0]


def test_a_day_that_is_no_date_is_left_out_with_a_warning():
    payload = {"data": {**PUBLISHED_DAILY["data"], "usage": {"yesterday": 5, "2024-13-01": 5, "2024-03-10": 7}}}
    with pytest.warns(IncompleteDataWarning, match="2 entries have no date"):
        frame = daily(payload)
    assert frame["sessions"].tolist() == [0, 7, 0]


def test_a_day_outside_the_window_is_left_out_with_a_warning():
    payload = {"data": {**PUBLISHED_DAILY["data"], "usage": {"2024-03-08": 5, "2024-03-12": 0}}}
    with pytest.warns(IncompleteDataWarning, match="1 entry is for a day outside the interval"):
        frame = daily(payload)
    assert frame["sessions"].tolist() == [0, 0, 0]


# A day of 25 hours: Paris, 27 October 2024. The service puts its last hour under the 28th.
LONG_DAY = {
    "data": {
        "totalNumbers": {"users": 9},
        "usage": {"2024-10-27": 10, "2024-10-28": 2},
        "newUsers": {"2024-10-27": 3, "2024-10-28": 1},
        "activeUsers": {"2024-10-27": 8, "2024-10-28": 2},
        "nonNewUsers": {"2024-10-27": 5, "2024-10-28": 1},
        "avgSessionDuration": {"2024-10-27": 60.0, "2024-10-28": 120.0},
    }
}


def long_day(payload):
    return daily(payload, window("2024-10-27", "2024-10-27", "Europe/Paris")).iloc[0]


def test_the_two_pieces_of_a_long_day_are_added_and_their_mean_is_weighted():
    day = long_day(LONG_DAY)
    assert (day["sessions"], day["new_users"]) == (12, 4)
    assert day["avg_session_seconds"] == pytest.approx(70)  # (10 * 60 + 2 * 120) / 12


def test_a_user_in_both_pieces_of_a_long_day_counts_once():
    day = long_day(LONG_DAY)
    assert (day["active_users"], day["returning_users"]) == (9, 5)


@pytest.mark.parametrize("total", [None, 7, 11])
def test_active_users_of_a_long_day_are_missing_where_the_total_cannot_be_theirs(total):
    payload = {"data": {**LONG_DAY["data"], "totalNumbers": {"users": total}}}
    with pytest.warns(IncompleteDataWarning, match="1 day on which the clocks change"):
        day = long_day(payload)
    assert pd.isna(day["active_users"])
    assert pd.isna(day["returning_users"])
    assert day["sessions"] == 12


def test_a_long_day_with_nobody_in_its_last_hour_needs_no_total():
    payload = {"data": {**LONG_DAY["data"], "activeUsers": {"2024-10-27": 8}, "totalNumbers": None}}
    assert long_day(payload)["active_users"] == 8


def hours(data, asked=None, as_of=NOW):
    asked = asked or window()
    return counts.hours_frame([(data, run) for run in asked.hour_runs], asked, as_of)


def test_hours_that_the_service_leaves_off_are_zero():
    frame = hours(PUBLISHED_DAILY)
    assert dtypes(frame) == frames.HOURS
    assert len(frame) == 72
    assert frame.loc[frame["sessions"] > 0, ["hour", "sessions"]].to_numpy().tolist() == [[0, 2], [2, 5], [3, 1]]


def test_hours_of_a_null_day_are_missing():
    with pytest.warns(IncompleteDataWarning, match="1 day of 'hours' is null"):
        frame = hours({"data": {"hours": {"2024-03-09": None, "2024-03-10": [1]}}})
    assert frame.groupby("day")["sessions"].count().tolist() == [0, 24, 24]


def test_hours_are_missing_where_the_answer_has_none():
    with pytest.warns(IncompleteDataWarning, match="has no 'hours'"):
        frame = hours({"data": {}})
    assert dtypes(frame) == frames.HOURS
    assert frame["sessions"].isna().all()


@pytest.mark.parametrize(
    ("counted", "words"),
    [([0] * 25, "has 25 entries"), ({"0": 1}, "should be a list of at most 24"), ("5", "but is text")],
)
def test_hours_of_another_shape_are_an_error(counted, words):
    with pytest.raises(PayloadError, match=words):
        hours({"data": {"hours": {"2024-03-09": counted}}})


def test_dimensions_come_most_frequent_first_with_missing_values_kept():
    frame = counts.dimensions_frame([(PUBLISHED_DAILY, None)], NOW)
    assert dtypes(frame) == frames.DIMENSIONS
    assert frame.fillna({"value": "missing"}).to_numpy().tolist() == [
        ["platform", "win", 41],
        ["platform", "mac", 4],
        ["platform_raw", "win", 41],
        ["platform_raw", "mac", 4],
        ["version", "0.4.1", 45],
        ["country", "US", 20],
        ["country", "missing", 2],
        ["language", "en", 30],
    ]


def test_dimensions_by_period_carry_the_period_and_its_state():
    periods = window("2024-03-04", "2024-03-12").periods("W")
    frame = counts.dimensions_frame([(PUBLISHED_DAILY, period) for period in periods], NOW)
    assert list(frame) == ["period", "dimension", "value", "count", "complete", "settled"]
    assert frame.groupby("period")["complete"].first().tolist() == [True, False]
    assert frame["period"].dtype == "datetime64[us]"


def test_a_value_has_every_period_with_zeros_filled():
    first, second, third = window("2024-03-09", "2024-03-11").periods("D")
    answers = [
        ({"data": {**NO_VALUES, "platforms": [{"value": "win", "count": 2}]}}, first),
        ({"data": NO_VALUES}, second),
        ({"data": {**NO_VALUES, "platforms": None}}, third),
    ]
    with pytest.warns(IncompleteDataWarning, match="answers without 'platforms', the counts of which are missing: 1"):
        frame = counts.dimensions_frame(answers, NOW)
    platforms = frame[frame["dimension"] == "platform"]
    assert platforms["value"].tolist() == ["win"] * 3
    assert platforms["count"].fillna(-1).tolist() == [2, 0, -1]


def test_the_counts_of_a_platform_with_several_spellings_are_added_up():
    rows = [("Windows_NT", 3), ("win32", 2), ("Darwin", 4), ("BeOS", 1), (None, 6)]
    platforms = [{"value": value, "count": count} for value, count in rows]
    frame = counts.dimensions_frame([({"data": {**NO_VALUES, "platforms": platforms}}, None)], NOW)
    frame = frame.astype(object).where(frame.notna(), None)
    of = {name: table[["value", "count"]].to_numpy().tolist() for name, table in frame.groupby("dimension")}
    assert of["platform"] == [[None, 6], ["win", 5], ["mac", 4], ["BeOS", 1]]
    assert sorted(of["platform_raw"], key=str) == sorted(map(list, rows), key=str)


def test_dimensions_without_values_are_an_empty_frame():
    frame = counts.dimensions_frame([({"data": NO_VALUES}, None)], NOW)
    assert frame.empty
    assert dtypes(frame) == frames.DIMENSIONS


@pytest.mark.parametrize("data", [{}, {"platforms": None, "ram": None}])
def test_dimensions_that_the_answer_lacks_are_reported(data):
    with pytest.warns(IncompleteDataWarning, match="answers without 'platforms', the counts of which are missing: 1"):
        frame = counts.dimensions_frame([({"data": data}, None)], NOW)
    assert dtypes(frame) == frames.DIMENSIONS


@pytest.mark.parametrize("rows", [{}, "", 0, False])
def test_a_dimension_that_is_no_list_is_an_error(rows):
    with pytest.raises(PayloadError, match="the key 'platforms' should be a list"):
        counts.dimensions_frame([({"data": {**NO_VALUES, "platforms": rows}}, None)], NOW)


def test_totals_are_one_row():
    frame = counts.totals_frame(PUBLISHED_DAILY)
    assert dtypes(frame) == frames.TOTALS
    assert frame.to_numpy().tolist() == [[89, 48]]


def test_totals_that_the_answer_lacks_are_missing_with_a_warning():
    with pytest.warns(IncompleteDataWarning, match="has no 'users'"):
        frame = counts.totals_frame({"data": {"totalNumbers": None}})
    assert dtypes(frame) == frames.TOTALS
    assert frame.isna().to_numpy().all()


PUBLISHED_EVENTS = {"data": {"EXPORT_PDF": {"2024-03-11": 256, "2024-03-10": 152}, "A": {"2024-03-09": 1}}}


def events(payload, asked=None):
    asked = asked or window()
    return counts.event_counts_frame(one_run(payload, asked), asked, NOW)


def test_every_event_has_every_day_with_zeros_filled():
    frame = events(PUBLISHED_EVENTS)
    assert dtypes(frame) == frames.EVENTS
    assert frame["event"].tolist() == ["A", "EXPORT_PDF"] * 3
    assert frame["count"].tolist() == [1, 0, 0, 152, 0, 256]


def test_an_event_of_one_run_alone_has_zeros_in_the_others():
    asked = window("2024-10-26", "2024-10-28", "Europe/Paris")
    payloads = [{"data": {}}, {"data": {"A": {"2024-10-27": 3, "2024-10-28": 1}}}, {"data": {}}]
    frame = counts.event_counts_frame(list(zip(payloads, asked.runs, strict=True)), asked, NOW)
    assert frame["count"].tolist() == [0, 4, 0]


def test_no_events_are_an_empty_frame():
    frame = events({"data": {}})
    assert frame.empty
    assert dtypes(frame) == frames.EVENTS


def test_a_null_count_is_missing_not_zero():
    with pytest.warns(IncompleteDataWarning, match="1 count is null and missing; 1 name has null in place of days"):
        frame = events({"data": {"A": {"2024-03-10": None}, "B": None}})
    assert frame.pivot(index="day", columns="event", values="count").isna().to_numpy().tolist() == [
        [False, True],
        [True, True],
        [False, True],
    ]


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ([], "analytics/events: the answer should be an object but is a list"),
        ({"rows": {}}, "analytics/events: the answer has no key 'data'"),
        ({"data": [1]}, "analytics/events: the key 'data' should be an object but is a list"),
        ({"data": []}, "analytics/events: the key 'data' should be an object but is a list"),
        ({"data": None}, "analytics/events: the key 'data' should be an object but is null"),
        ({"data": {"A": [1]}}, "the entry of each name should be an object of days but is a list"),
        ("text", "the answer should be an object but is text"),
    ],
)
def test_another_shape_is_an_error_that_names_endpoint_and_key(payload, words):
    with pytest.raises(PayloadError) as caught:
        events(payload)
    assert words in str(caught.value)
    assert caught.value.endpoint == "analytics/events"


def test_hostile_names_are_plain_text():
    names = ["<script>alert(1)</script>", "$x^{2$", "=1+1", "{{7*7}}"]
    frame = events({"data": {name: {"2024-03-09": 1} for name in names}})
    assert set(frame["event"]) == set(names)


def test_unprintable_characters_are_replaced_and_counted_in_one_warning():
    with pytest.warns(IncompleteDataWarning, match="in 2 texts") as caught:
        frame = events({"data": {"a\x00b": {"2024-03-09": 1}, "half \ud83d": {"2024-03-09": 1}, "ok\n": {}}})
    assert len(caught) == 1
    assert sorted(frame["event"].unique()) == ["a\N{REPLACEMENT CHARACTER}b", "half \N{REPLACEMENT CHARACTER}", "ok\n"]


def test_errors_read_the_published_shape():
    asked = window()
    payload = {"data": {"unhandledRejection": {"2024-03-10": 52}, "MyOwnError": {}}}
    frame = counts.error_counts_frame(one_run(payload, asked), asked, NOW)
    assert dtypes(frame) == frames.ERRORS
    assert frame.groupby("error")["count"].sum().to_dict() == {"MyOwnError": 0, "unhandledRejection": 52}


def test_event_properties_are_a_row_for_each_event_attribute_and_type():
    payload = {
        "data": [
            {"event": "init", "keys": ["plan", "displayName"], "type": "string"},
            {"event": "init", "keys": ["plan"], "type": "number", "extra": 1},
            {"event": "init", "keys": ["plan"], "type": "number"},
        ]
    }
    frame = counts.event_properties_frame(payload)
    assert dtypes(frame) == frames.EVENT_PROPERTIES
    assert frame.to_numpy().tolist() == [
        ["init", "displayName", "string"],
        ["init", "plan", "number"],
        ["init", "plan", "string"],
    ]


def test_one_bad_row_never_loses_the_others():
    rows = [None, "text", {"event": "a", "keys": "k"}, {"event": "b", "keys": ["k"], "type": "string"}]
    with pytest.warns(IncompleteDataWarning) as caught:
        frame = counts.event_properties_frame({"data": rows})
    (warning,) = caught
    assert "2 rows were no objects" in str(warning.message)
    assert "1 row has no list under 'keys'" in str(warning.message)
    assert frame.to_numpy().tolist() == [["b", "k", "string"]]


def test_no_properties_are_an_empty_frame():
    frame = counts.event_properties_frame({"data": []})
    assert frame.empty
    assert dtypes(frame) == frames.EVENT_PROPERTIES


def attribute(rows):
    return counts.attribute_frame([({"data": rows}, None)], "init", "plan", NOW)


def test_attribute_reads_the_published_shape():
    frame = attribute([{"value": "free", "count": 24}, {"value": "pro", "count": 35}])
    assert dtypes(frame) == frames.ATTRIBUTE
    assert frame.to_numpy().tolist() == [["init", "plan", "pro", 35], ["init", "plan", "free", 24]]


def test_attribute_values_of_any_type_are_text_as_json_spells_it():
    values = [3, "3", 3.5, True, None, {"a": 1}]
    frame = attribute([{"value": value, "count": 1} for value in values])
    assert frame["value"].fillna("missing").tolist() == ["3", "3.5", "missing", "true", '{"a": 1}']
    assert frame["count"].tolist() == [2, 1, 1, 1, 1]


@pytest.mark.parametrize("data", [None, {}])
@pytest.mark.parametrize(
    "frame",
    [
        lambda data: counts.event_properties_frame({"data": data}),
        lambda data: attribute(data),
        lambda data: daily({"data": data or []}),
        lambda data: hours({"data": data or []}),
        lambda data: counts.totals_frame({"data": data or []}),
        lambda data: counts.quick_glance_frame({"data": data or []}),
        lambda data: counts.dimensions_frame([({"data": data or []}, None)], NOW),
    ],
)
def test_null_or_another_container_is_no_empty_answer(frame, data):
    with pytest.raises(PayloadError, match="the key 'data' should be"):
        frame(data)


def test_an_attribute_without_values_is_an_empty_frame():
    frame = attribute([])
    assert frame.empty
    assert dtypes(frame) == frames.ATTRIBUTE


def test_quick_glance_reads_the_published_shape():
    payload = {
        "data": {
            **{"installs": 31, "users": 12, "appStarts": 190, "errors": 7},
            **{"previousInstalls": 24, "previousUsers": 18, "previousAppStarts": 41, "previousErrors": 0},
        }
    }
    frame = counts.quick_glance_frame(payload)
    assert dtypes(frame) == frames.QUICK_GLANCE
    assert frame["metric"].tolist() == ["installs", "users", "sessions", "errors"]
    assert frame["change"].tolist() == [7, -6, 149, 7]
    assert frame["change_ratio"].tolist() == pytest.approx([7 / 24, -6 / 18, 149 / 41, math.nan], nan_ok=True)


def test_quick_glance_of_an_empty_answer_is_missing():
    with pytest.warns(IncompleteDataWarning, match="has no 'appStarts'"):
        frame = counts.quick_glance_frame({"data": {}})
    assert dtypes(frame) == frames.QUICK_GLANCE
    assert frame["current"].isna().all()


@pytest.mark.parametrize(("payload", "users"), [({"data": 234}, 234), (7, 7)])
def test_the_live_count_is_one_row_with_the_instant_of_asking(payload, users):
    frame = counts.live_user_count_frame(payload, NOW)
    assert dtypes(frame) == frames.LIVE_USER_COUNT
    assert frame["users"].tolist() == [users]
    assert frame["time"].tolist() == [pd.Timestamp(NOW)]


@pytest.mark.parametrize("payload", [{"data": {"count": 5}}, {"message": "down for maintenance"}, None])
def test_a_live_count_that_is_no_number_is_an_error(payload):
    with pytest.raises(PayloadError, match="should be a number but is"):
        counts.live_user_count_frame(payload, NOW)


def test_a_row_of_values_that_comes_twice_counts_once():
    rows = [{"value": "pro", "count": 35}, {"value": "free", "count": 24}, {"value": "pro", "count": 35}]
    with pytest.warns(IncompleteDataWarning, match="1 copy of a row is left out"):
        frame = counts.attribute_frame([({"data": rows}, None)], "init", "plan", NOW)
    assert dict(zip(frame["value"], frame["count"], strict=True)) == {"pro": 35, "free": 24}


def test_a_value_that_comes_with_several_counts_has_their_sum():
    rows = [{"value": "pro", "count": 35}, {"value": "pro", "count": 2}]
    with pytest.warns(IncompleteDataWarning, match="1 value came with several counts, which are added up"):
        frame = counts.attribute_frame([({"data": rows}, None)], "init", "plan", NOW)
    assert frame["count"].tolist() == [37]
