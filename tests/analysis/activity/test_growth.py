"""Active users and growth, of logs that can be counted by eye, and of the made-up app."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.core.calendar import day_numbers
from nucleus_pandas.demo import DemoClient
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.service import DemoService
from nucleus_pandas.events import activity_starts
from tests.conftest import AUTUMN

# Small logs with few times hold such rows; test_row_checks.py has the warning.
pytestmark = pytest.mark.filterwarnings("ignore:.*repeat another row")


def log(**days):
    """An event log in which each user is active at noon on some days of January 2026, a Thursday first."""
    rows = [(user, f"2026-01-{day:02d} 12:00") for user, its in days.items() for day in its]
    frame = pd.DataFrame(rows, columns=["user_id", "time"]).assign(event="OPEN")
    return frame.assign(time=pd.to_datetime(frame["time"], utc=True).astype("datetime64[us, UTC]"))


def by_day(table, column, key="day"):
    return {row[key].day: row[column] for _, row in table.iterrows()}


EVERY_DAY = range(1, 32)
LATER = "2026-02-20"


def test_a_user_counts_once_a_day_and_once_a_week_however_often_they_come():
    frame = log(a=[1, 1, 1, 3], b=[3], always=EVERY_DAY)
    table = nu.active_users(frame, as_of="2026-01-31")
    assert [by_day(table, "dau")[day] for day in (1, 2, 3, 4)] == [2, 1, 3, 1]
    assert [by_day(table, "wau")[day] for day in (7, 8, 9, 10)] == [3, 3, 3, 1]


def test_a_window_that_reaches_back_before_the_log_is_missing():
    table = nu.active_users(log(a=EVERY_DAY), as_of=LATER).iloc[:31]
    assert table["wau"].isna().tolist() == [True] * 6 + [False] * 25
    assert table["mau"].isna().tolist() == [True] * 27 + [False] * 4


def test_windows_reach_back_before_start():
    whole, part = (nu.active_users(log(a=EVERY_DAY), start=start, as_of=LATER) for start in (None, "2026-01-30"))
    pd.testing.assert_frame_equal(part, whole.iloc[29:].reset_index(drop=True))
    assert part["mau"].iloc[0] == 1


def test_days_without_anybody_are_there_until_the_data_are_known():
    table = nu.active_users(log(a=[1, 5]), as_of="2026-01-08")
    assert by_day(table, "dau") == {1: 1, 2: 0, 3: 0, 4: 0, 5: 1, 6: 0, 7: 0, 8: 0}


def test_days_before_the_log_are_missing_and_days_after_as_of_are_not_there():
    table = nu.active_users(log(a=[5, 6]), start="2026-01-03", end="2026-01-31", as_of="2026-01-06")
    assert table["dau"].tolist() == [pd.NA, pd.NA, 1, 1]
    assert table["complete"].tolist() == [False, False, True, True]


def test_stickiness_is_missing_where_the_month_is_or_the_day_is_not_over():
    frame = log(a=EVERY_DAY, b=[29])
    table = nu.active_users(frame, as_of=dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)).set_index("day")
    assert table["stickiness"].isna().tolist() == [True] * 27 + [False] * 3 + [True]
    assert table["stickiness"].tolist()[27:30] == [1.0, 1.0, 0.5]


def test_a_month_without_anybody_has_no_stickiness():
    table = nu.active_users(log(a=[1, 2]), as_of="2026-02-10")
    assert table["mau"].iloc[-1] == 0
    assert np.isnan(table["stickiness"].iloc[-1])


def test_a_day_is_settled_48_hours_after_its_end():
    table = nu.active_users(log(a=[1, 5]), as_of="2026-01-05")
    assert by_day(table, "settled") == {1: True, 2: True, 3: True, 4: False, 5: False}


def test_a_session_over_midnight_counts_on_the_day_of_its_start():
    frame = log(a=[1, 2, 3]).assign(session_id=["s", "s", "t"])
    assert nu.active_users(frame, as_of="2026-01-03")["dau"].tolist() == [1, 0, 1]


def test_an_event_counts_on_its_own_day():
    frame = log(a=[1, 2, 3]).assign(session_id=["s", "s", "t"])
    assert nu.active_users(frame, event="OPEN", as_of="2026-01-03")["dau"].tolist() == [1, 1, 1]


def test_an_event_can_have_a_condition():
    frame = log(a=[1, 2], b=[2, 3]).assign(version=["1", "2", "1", "2"])
    table = nu.active_users(frame, event=nu.step("OPEN", where={"version": "2"}), as_of="2026-01-03")
    assert by_day(table, "dau") == {1: 0, 2: 1, 3: 1}


def test_new_returning_and_resurrected_users_make_up_the_active_ones():
    frame = log(always=EVERY_DAY, stays=[2, 3], back=[2, 4], gone=[2])
    table = nu.growth(frame, freq="D", as_of=LATER).set_index("period").iloc[1:5]
    assert table["new"].tolist() == [3, 0, 0, 0]
    assert table["returning"].tolist() == [1, 2, 1, 1]
    assert table["resurrected"].tolist() == [0, 0, 1, 0]
    assert table["dormant"].tolist() == [0, 2, 1, 1]
    assert table["active"].tolist() == [4, 2, 2, 1]


def test_the_quick_ratio_is_of_who_comes_to_who_goes():
    table = nu.growth(log(a=[1, 2], b=[2], c=[3], d=[3], e=[1, 3]), freq="D", as_of="2026-01-03")
    # On the 3rd c and d are new and e is back, a and b are gone.
    assert table["quick_ratio"].iloc[2] == pytest.approx(3 / 2)


def test_a_quick_ratio_without_anybody_dormant_is_missing():
    assert np.isnan(nu.growth(log(a=[1, 2]), freq="D", as_of="2026-01-02")["quick_ratio"].iloc[1])


def test_what_the_period_before_the_log_would_tell_is_missing():
    # The log begins on a Thursday, so the first week is not there as a whole.
    table = nu.growth(log(a=EVERY_DAY, b=[1, 8]), freq="W", as_of=LATER)
    assert table["complete"].tolist()[:3] == [False, True, True]
    for name in ("new", "returning", "resurrected", "dormant"):
        assert table[name].isna().tolist()[:3] == [True, True, False], name
    assert table["active"].tolist()[:3] == [2, 2, 1]
    assert table["dormant"].tolist()[2] == 1


def test_who_is_dormant_is_not_known_before_the_period_is_over():
    table = nu.growth(log(a=[5, 12, 19], b=[12]), freq="W", as_of="2026-01-19")
    assert table["dormant"].isna().tolist() == [True, False, True]
    assert table["returning"].tolist()[-1] == 1
    assert table["complete"].tolist() == [True, True, False]


def test_start_and_end_choose_periods_as_a_whole_and_what_lies_before_tells_who_is_new():
    frame = log(a=EVERY_DAY, b=[1, 20])
    whole = nu.growth(frame, freq="W", as_of=LATER)
    part = nu.growth(frame, freq="W", start="2026-01-21", end="2026-01-22", as_of=LATER)
    pd.testing.assert_frame_equal(part, whole.iloc[3:4].reset_index(drop=True))
    assert part["resurrected"].tolist() == [1]


def test_weeks_begin_when_one_wants():
    table = nu.growth(log(a=EVERY_DAY), week_start="sunday", as_of=LATER)
    assert set(table["period"].dt.day_name()) == {"Sunday"}


def test_clocks_that_are_years_off_neither_make_rows_nor_old_users():
    times = log(a=EVERY_DAY, b=EVERY_DAY, c=EVERY_DAY, d=[*EVERY_DAY, 31, 31, 31, 31, 31, 31, 31, 31], e=[20])
    old = log(e=[1]).assign(time=pd.Timestamp("2019-01-01", tz="UTC").as_unit("us"))
    told = "1 of 134 events lie before 7 days or more without any, from 2019"
    with pytest.warns(nu.IncompleteDataWarning, match=told):
        table = nu.growth(pd.concat([times, old]), freq="D", as_of="2026-01-31")
    assert table["period"].iloc[0] == pd.Timestamp("2026-01-01")
    assert table.loc[table["period"] == "2026-01-20", "new"].tolist() == [1]


def test_of_users_who_came_before_a_quiet_week_none_is_left_out_where_start_is_given():
    frame = log(early=[1], **{f"u{number}": range(9, 32) for number in range(9)})
    asked = {"end": "2026-01-09", "as_of": "2026-01-31"}
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 208 events lie before"):
        assert by_day(nu.active_users(frame, **asked), "dau") == {9: 9}
    assert by_day(nu.active_users(frame, start="2026-01-01", **asked), "dau") == {
        1: 1,
        **dict.fromkeys(range(2, 9), 0),
        9: 9,
    }
    assert nu.growth(frame, freq="D", start="2026-01-01", as_of="2026-01-31")["active"].sum() == len(frame)


def test_a_log_cut_in_time_is_known_from_its_first_event_on_although_a_session_began_earlier():
    frame = log(a=range(5, 12), b=[5, 11])
    began = frame["time"].where(frame["user_id"] != "b", pd.Timestamp("2026-01-02 23:00", tz="UTC").as_unit("us"))
    frame = frame.assign(session_id=[f"s{row}" if row < 7 else "t" for row in range(9)], session_start=began)
    table = nu.active_users(frame)
    assert by_day(table, "dau") == dict.fromkeys(range(5, 12), 1)
    assert table["wau"].isna().tolist() == [True] * 6 + [False]
    # Of b it is known all the same that they had been there.
    assert nu.growth(frame, freq="D", start="2026-01-06")["new"].tolist() == [0] * 6


def test_a_log_asked_about_one_event_begins_with_its_first_of_any_kind():
    frame = pd.concat([log(a=[1, 9]), log(a=[5]).assign(event="EXPORT")])
    for source in (frame, nu.EventLog(frame)):
        assert by_day(nu.active_users(source, event="EXPORT"), "dau") == {day: int(day == 5) for day in range(1, 10)}
        assert nu.active_users(source, event="EXPORT")["wau"].tolist()[6:] == [1, 1, 1]


def test_the_days_of_a_log_are_found_once_for_any_as_of_after_its_end(monkeypatch):
    lengths = []
    monkeypatch.setattr(
        activity_starts, "day_numbers", lambda time, zone: lengths.append(len(time)) or day_numbers(time, zone)
    )
    ready = nu.EventLog(log(a=EVERY_DAY))
    for day in (10, 20):
        nu.growth(ready, as_of=f"2026-02-{day}")
    assert lengths == [len(EVERY_DAY)]


@pytest.mark.parametrize("ask", [nu.active_users, nu.growth], ids=["active_users", "growth"])
def test_no_activity_gives_the_same_columns_and_types(ask):
    full, none = ask(log(a=[1, 9])), ask(log(a=[1]).iloc[:0])
    assert len(none) == 0
    pd.testing.assert_series_equal(none.dtypes, full.dtypes)
    assert full.columns[-1] == "sample"


@pytest.mark.parametrize("ask", [nu.active_users, nu.growth], ids=["active_users", "growth"])
def test_a_log_sessions_and_a_log_made_ready_give_the_same(ask):
    frame = log(a=[1, 5, 9], b=[2, 9])
    sessions = frame.rename(columns={"time": "start"}).drop(columns="event")
    ready = nu.EventLog(frame)
    expected = ask(frame, tz="Asia/Kathmandu")
    for source in (sessions, ready, ready):
        pd.testing.assert_frame_equal(ask(source, tz="Asia/Kathmandu"), expected)
    assert frame.columns.tolist() == ["user_id", "time", "event"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"freq": "Y"}, 'write one of "D", "W"'),
        ({"week_start": "Mon"}, 'write one of "monday"'),
        ({"event": "OPNE"}, 'Did you mean "OPEN"'),
        ({"start": "2026-02-01", "end": "2026-01-01"}, "is not before end"),
        ({"freq": "D", "start": "1970-01-01"}, r"there are 20,\d+ days; there can be 5,000"),
    ],
)
def test_a_wrong_value_says_what_to_write(arguments, message):
    with pytest.raises(ValueError, match=message):
        nu.growth(log(a=[1, 9]), **arguments)


def test_tables_that_do_not_tell_what_is_asked_say_what_to_pass():
    sessions = log(a=[1]).rename(columns={"time": "start"}).drop(columns="event")
    with pytest.raises(
        ValueError, match="table of sessions, which does not tell events; pass the DataFrame of load_sess"
    ):
        nu.active_users(sessions, event="export")
    with pytest.raises(ValueError, match="list of users, which does not tell on which days"):
        nu.growth(sessions.rename(columns={"start": "created_at"}))


def test_dau_of_the_made_up_app_is_what_the_service_counts(app):
    sessions = nu.load_sessions(app, nu.load_users(app))
    daily = nu.load_daily(app, "2026-10-20", "2026-11-10", tz="Asia/Beirut")
    table = nu.active_users(sessions, start="2026-10-20", end="2026-11-10", tz="Asia/Beirut", as_of=AUTUMN)
    assert table["dau"].tolist() == daily["active_users"].tolist()
    assert table["day"].tolist() == daily["day"].tolist()


@pytest.fixture(scope="module")
def app():
    with DemoClient(DemoService(build_app(scale=0.02, end=dt.date(2026, 11, 22)), as_of=AUTUMN)) as client:
        yield client


@pytest.fixture(scope="module")
def october(app, tmp_path_factory):
    """A store of October, by the days of UTC."""
    store = nu.EventStore(tmp_path_factory.mktemp("october") / "app.duckdb")
    nu.sync(app, store, "2026-10-01", "2026-10-31", progress=False)
    return store


@pytest.fixture(scope="module")
def autumn(app, tmp_path_factory):
    """A store of three weeks, by the days of Paris."""
    store = nu.EventStore(tmp_path_factory.mktemp("autumn") / "app.duckdb")
    nu.sync(app, store, "2026-10-15", "2026-11-04", tz="Europe/Paris", progress=False)
    return store


def test_of_a_store_days_are_known_from_when_it_was_synced(october):
    table = nu.active_users(october)
    assert table["day"].iloc[0] == pd.Timestamp("2026-10-01")
    assert table["mau"].first_valid_index() == 27
    assert nu.growth(october, freq="D")["new"].first_valid_index() == 1
    # A day of which only the rest was synced is not known as a whole.
    assert nu.active_users(october, tz="Asia/Kathmandu")["day"].iloc[0] == pd.Timestamp("2026-10-02")


@pytest.mark.parametrize("event", [None, "init"])
def test_of_a_store_days_are_known_until_the_end_of_what_was_synced(october, event):
    table = nu.active_users(october, event=event)
    assert table["day"].iloc[-1] == pd.Timestamp("2026-10-31")
    assert table["settled"].all()
    with pytest.warns(nu.IncompleteDataWarning, match="does not hold all of this interval"):
        assert len(nu.active_users(october, event=event, end="2026-11-10")) == 31


@pytest.mark.parametrize("ask", [nu.active_users, nu.days_active, nu.usage_interval], ids=lambda ask: ask.__name__)
def test_a_log_made_of_a_store_gives_what_the_store_gives(autumn, ask):
    asked = {"tz": "Europe/Paris"} | ({"days": 14} if ask is nu.days_active else {})
    table = ask(autumn, **asked)
    pd.testing.assert_frame_equal(ask(nu.EventLog(autumn), **asked), table)
    if ask is nu.active_users:
        assert table["day"].agg(["min", "max"]).tolist() == [pd.Timestamp("2026-10-15"), pd.Timestamp("2026-11-04")]


def test_growth_of_a_log_made_of_a_store_is_that_of_the_store_but_for_who_was_there_before(autumn):
    of_store, of_log = (nu.growth(one, freq="D", tz="Europe/Paris") for one in (autumn, nu.EventLog(autumn)))
    same = ["period", "returning", "dormant", "active", "complete", "settled"]
    pd.testing.assert_frame_equal(of_log[same], of_store[same])
    assert (of_log["new"] >= of_store["new"]).dropna().all()


def test_what_was_synced_ends_before_its_end():
    # A session that starts at the midnight with which the interval ends.
    ready = nu.EventLog(log(a=[1, 2, 3]), as_of="2026-01-20")
    noon = [pd.Timestamp(f"2026-01-0{day} 12:00", tz="UTC").to_pydatetime() for day in (1, 3)]
    ready.spans = (tuple(noon),)
    assert nu.active_users(ready, tz="+12:00")["day"].dt.day.tolist() == [2, 3]


def test_new_users_of_a_store_are_those_who_never_came_before_it_was_synced(october, app):
    everything = nu.load_sessions(app, nu.load_users(app))
    asked = {"start": "2026-10-12", "end": "2026-10-25", "as_of": AUTUMN}
    pd.testing.assert_frame_equal(nu.growth(october, **asked), nu.growth(everything, **asked))
