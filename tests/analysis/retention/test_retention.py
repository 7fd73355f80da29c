"""Retention of logs that can be counted by eye."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.analysis.retention.retention_tables import RETENTION
from nucleus_pandas.exceptions import IncompleteDataWarning

LATE = "2026-10-31"


def instants(*texts):
    return pd.to_datetime(list(texts), utc=True).as_unit("us")


def log(text, **columns):
    """A log written as ``ana: 1 8 15.5``: the days of September 2026 on which users did something."""
    rows = []
    for line in text.strip().splitlines():
        user, days = line.split(":", 1)
        for day in days.split():
            name, number = ("A", day) if day[0].isdigit() else (day[0], day[1:])
            rows.append((user.strip(), dt.timedelta(days=float(number) - 1), name))
    frame = pd.DataFrame(rows, columns=["user_id", "time", "event"]).astype({"user_id": object, "event": object})
    time = pd.to_timedelta(frame["time"]) + pd.Timestamp("2026-09-01", tz="UTC")
    return frame.assign(time=time.dt.as_unit("us"), **columns)


def people(**created):
    """A list of users who were created on these days of September 2026."""
    time = [pd.Timestamp("2026-09-01", tz="UTC") + pd.Timedelta(days=day - 1) for day in created.values()]
    return pd.DataFrame({"user_id": list(created), "created_at": pd.DatetimeIndex(time).as_unit("us")})


def shares(table):
    """For each cohort (and segment) how many of how many came in each period; None where nobody is eligible."""
    found = {}
    for row in table.itertuples(index=False):
        key = f"{row.cohort:%m-%d}" if "segment" not in table else (row.segment, f"{row.cohort:%m-%d}")
        found.setdefault(key, []).append(None if pd.isna(row.retained) else f"{row.retained}/{row.eligible}")
    return found


# 31 August and 7 September 2026 are Mondays.
THREE = log(
    """
    ana: 1 8 15
    ben: 2 16
    cyd: 8 9
    """
)


def test_cohorts_are_weeks_of_the_first_start_and_periods_the_weeks_after_it():
    table = nu.retention(THREE, as_of="2026-09-20")
    assert shares(table) == {"08-31": ["2/2", "1/2", "2/2"], "09-07": ["1/1", "0/1", None]}
    assert table["users"].tolist() == [2, 2, 2, 1, 1, 1]
    assert table["eligible"].tolist() == [2, 2, 2, 1, 1, 0]
    assert table["complete"].tolist() == [True] * 5 + [False]
    assert table["low_n"].all()
    assert set(zip(table["freq"], table["clock"], table["criterion"], table["sample"], strict=True)) == {
        ("W", "calendar", "on", 1.0)
    }


def test_a_period_is_over_when_its_last_moment_is_known_and_not_before():
    over = pd.Timestamp("2026-09-14", tz="UTC")
    assert shares(nu.retention(THREE, periods=1, as_of=over))["08-31"] == ["2/2", "1/2"]
    assert shares(nu.retention(THREE, periods=1, as_of=over - pd.Timedelta("1us")))["08-31"] == ["2/2", "1/2"]
    assert shares(nu.retention(THREE, periods=1, as_of=over - pd.Timedelta("2us")))["08-31"] == ["2/2", None]


def test_what_lies_after_as_of_does_not_count_on_the_same_day_either():
    noon = pd.Timestamp("2026-09-08T12:00Z")
    table = nu.retention(log("ana: 1 8.9"), criterion="on_or_after", freq="D", as_of=noon)
    assert shares(table)["09-01"] == ["1/1"] + ["0/1"] * 6
    assert nu.retention(log("ana: 1\nben: 8.9"), freq="D", as_of=noon)["users"].sum() == 7


def test_in_period_n_or_later_and_in_n_or_before():
    four = log("ana: 1 15\nben: 1 8\ncyd: 1")
    assert shares(nu.retention(four, criterion="on_or_after", as_of="2026-09-27")) == {
        "08-31": ["3/3", "2/3", "1/3", "0/3"]
    }
    back = nu.retention(four, users=people(ana=1, ben=1, cyd=8), criterion="on_or_before", as_of="2026-09-20")
    assert shares(back) == {"08-31": ["2/2", "2/2", "2/2"], "09-07": ["0/1", "0/1", None]}


def test_an_elapsed_day_is_24_hours_from_the_start_of_each_user():
    table = nu.retention(log("ana: 1.9 2.8 3.95"), freq="D", clock="elapsed", as_of="2026-09-05")
    assert shares(table)["09-01"][:3] == ["1/1", "0/1", "1/1"]
    assert shares(nu.retention(log("ana: 1.9 2.8 3.95"), freq="D", as_of="2026-09-05"))["09-01"][:3] == ["1/1"] * 3


def test_on_the_elapsed_clock_a_part_of_a_cohort_can_be_eligible_and_the_cell_says_so():
    # By noon of the 9th ana's first week was over and ben's was not.
    table = nu.retention(log("ana: 1.2 8\nben: 4"), clock="elapsed", as_of=pd.Timestamp("2026-09-09T12:00Z"))
    assert shares(table) == {"08-31": ["1/1"]}
    assert table[["users", "eligible", "complete"]].to_numpy().tolist() == [[2, 1, False]]
    later = nu.retention(log("ana: 1.2 8\nben: 4"), clock="elapsed", periods=1, as_of="2026-09-13")
    assert later["eligible"].tolist() == [2, 0]
    assert later["complete"].tolist() == [True, False]


def test_brackets_are_over_with_their_last_period_and_may_overlap():
    table = nu.retention(
        log("ana: 1 3\nben: 1 6\ncyd: 2 3"), freq="D", brackets=[0, (1, 2), (1, 5)], as_of="2026-09-06"
    )
    assert table["bracket"].tolist() == ["0", "1–2", "1–5"] * 2
    assert table["age"].tolist() == [0, 2, 5] * 2
    assert shares(table) == {"09-01": ["2/2", "1/2", "2/2"], "09-02": ["1/1", "1/1", None]}
    assert set(table["criterion"]) == {"brackets"}


def test_with_users_the_account_makes_the_cohort_and_who_never_came_counts():
    table = nu.retention(THREE, users=people(ana=1, ben=1, dan=1, cyd=7), as_of="2026-09-20")
    assert shares(table) == {"08-31": ["2/3", "1/3", "2/3"], "09-07": ["1/1", "0/1", None]}


def test_the_first_start_of_all_makes_the_cohort_also_where_it_lies_before_the_interval():
    assert shares(nu.retention(THREE, start="2026-09-07", as_of="2026-09-20")) == {"09-07": ["1/1", "0/1"]}


def test_each_start_makes_a_cohort_where_that_is_asked_for():
    table = nu.retention(THREE, first_time=False, as_of="2026-09-20")
    assert shares(table) == {
        "08-31": ["2/2", "1/2", "2/2"],
        "09-07": ["2/2", "1/2", None],
        "09-14": ["2/2", None, None],
    }


def test_start_and_return_can_be_events_and_period_0_is_not_forced_to_1():
    events = log("ana: A1 B3 A8\nben: A1 B9\ncyd: B1 A2")
    table = nu.retention(events, start_event="A", return_event="B", as_of="2026-09-13")
    assert shares(table) == {"08-31": ["2/3", "1/3"]}  # cyd's B lies in the week, before the A
    elapsed = nu.retention(events, start_event="A", return_event="B", clock="elapsed", as_of="2026-09-20")
    assert shares(elapsed) == {"08-31": ["1/3", "1/3"]}
    only = nu.retention(events, return_event=nu.step(["A", "B"], where={"event": "B"}), as_of="2026-09-13")
    assert shares(only) == {"08-31": ["2/3", "1/3"]}


def test_by_takes_the_value_at_the_start():
    events = THREE.assign(**{"data.plan": ["free", "pro", "pro", "pro", "pro", None, "free"]})
    table = nu.retention(events, by="plan", as_of="2026-09-13")
    assert shares(table) == {
        ("free", "08-31"): ["1/1", "1/1"],
        ("free", "09-07"): [None, None],
        ("pro", "08-31"): ["1/1", "0/1"],
        ("pro", "09-07"): [None, None],
        ("(none)", "08-31"): [None, None],
        ("(none)", "09-07"): ["1/1", None],
    }
    assert list(dict.fromkeys(nu.retention(events, by="plan", top=1, as_of="2026-09-13")["segment"])) == [
        "free",
        "(other)",
        "(none)",
    ]


def test_by_takes_a_property_of_the_users_where_these_are_given():
    columns = {"props.plan": ["free", "pro", "pro"], "platform": ["mac", None, "mac"]}
    users = people(ana=1, ben=1, cyd=8).assign(**columns)
    assert shares(nu.retention(THREE, users=users, by="plan", as_of="2026-09-13"))["pro", "08-31"] == ["1/1", "0/1"]
    assert set(nu.retention(THREE, users=users, by="platform", as_of="2026-09-13")["segment"]) == {"mac", "(none)"}


def test_weeks_begin_with_the_day_that_is_asked_for():
    table = nu.retention(THREE, week_start="sunday", as_of="2026-09-19")
    assert shares(table) == {"08-30": ["2/2", "1/2", "2/2"], "09-06": ["1/1", "0/1", None]}


def test_months_are_those_of_the_calendar_and_30_days_each_from_the_start():
    events = log("ana: 1 31.5\nben: 30 32")
    assert shares(nu.retention(events, freq="M", as_of="2026-10-31")) == {"09-01": ["2/2", "2/2"]}
    elapsed = nu.retention(events, freq="M", clock="elapsed", periods=1, as_of="2026-11-30")
    assert shares(elapsed) == {"09-01": ["2/2", "1/2"]}


def test_days_are_those_of_the_zone_also_where_they_have_23_hours_or_no_midnight():
    # In Beirut the 29th of March 2026 begins at 01:00, which is 22:00 UTC of the 28th.
    time = instants("2026-03-28 21:59", "2026-03-28 22:00", "2026-03-29 20:59", "2026-03-29 21:00")
    events = pd.DataFrame({"user_id": "ana", "event": "A", "time": time})
    table = nu.retention(events, freq="D", tz="Asia/Beirut", as_of="2026-03-31")
    assert shares(table) == {"03-28": ["1/1", "1/1", "1/1", "0/1"]}
    first = nu.retention(events.iloc[1:], freq="D", tz="Asia/Beirut", as_of="2026-03-31")
    assert shares(first) == {"03-29": ["1/1", "1/1", "0/1"]}


def test_a_session_that_runs_over_midnight_is_no_return():
    events = log("ana: 1.9 2.1\nben: 1.9 2.1").assign(session_id=["1", "1", "1", "2"])
    assert shares(nu.retention(events, freq="D", as_of="2026-09-02")) == {"09-01": ["2/2", "1/2"]}


def test_sessions_and_their_events_give_the_same():
    events = log("ana: 1.9 2.1 4\nben: 1 2 3").assign(session_id=list("112123"))
    starts = events.drop_duplicates(["user_id", "session_id"]).rename(columns={"time": "start"}).drop(columns="event")
    for asked in ({}, {"first_time": False}, {"clock": "elapsed"}, {"users": people(ana=1, ben=1)}):
        pd.testing.assert_frame_equal(
            nu.retention(starts, freq="D", as_of="2026-09-06", **asked),
            nu.retention(nu.EventLog(events), freq="D", as_of="2026-09-06", **asked),
        )


def test_cohorts_without_users_are_there_and_have_no_rate():
    table = nu.retention(log("ana: 1\nben: 3"), freq="D", periods=1, as_of="2026-09-04")
    assert table["users"].tolist() == [1, 1, 0, 0, 1, 1]
    assert shares(table)["09-02"] == [None, None]


def test_an_interval_that_cuts_a_cohort_leaves_it_incomplete():
    table = nu.retention(THREE, start="2026-09-01", end="2026-09-13", as_of="2026-09-20")
    assert table["complete"].tolist() == [False, False, False, True, True, False]
    assert nu.retention(THREE, start="2026-08-31", end="2026-09-13", as_of="2026-09-20")["complete"].tolist()[:3] == [
        True,
        True,
        True,
    ]


def test_without_a_start_clocks_that_are_years_behind_make_no_cohorts():
    many = log("\n".join(f"u{n}: {1 + n % 20}" for n in range(200)))
    behind = pd.DataFrame({"user_id": ["old"], "time": instants("1970-01-01"), "event": ["A"]})
    with pytest.warns(IncompleteDataWarning, match="1 of 201 starts of users lie before 7 days or more without any"):
        table = nu.retention(pd.concat([many, behind]), as_of="2026-09-20")
    assert table["cohort"].min() == pd.Timestamp("2026-08-31")
    assert table.loc[table["age"] == 0, "users"].sum() == 200
    told = nu.retention(pd.concat([many, behind]), start="2026-08-31", as_of="2026-09-20")
    pd.testing.assert_frame_equal(told, table)


@pytest.mark.filterwarnings("ignore:.*have no activity at all")
def test_early_users_count_to_the_cohort_that_they_started_in():
    users = people(**{f"beta{n}": 2 for n in range(5)}, **{f"u{n}": 12 + n % 10 for n in range(600)})
    table = nu.retention(log("beta0: 2 12\nu0: 12"), users=users, freq="M", as_of="2026-10-31")
    assert (table["users"][0], table["complete"][0]) == (605, True)
    with pytest.warns(IncompleteDataWarning, match="5 of 605 starts of users lie before .* from 2026-09-02 on"):
        table = nu.retention(log("beta0: 2 12\nu0: 12"), users=users, freq="W", as_of="2026-10-31")
    assert table.loc[table["age"] == 0, "users"].tolist() == [120, 420, 60]


def test_a_user_is_found_by_the_service_id_and_else_by_the_apps():
    events = log("ana: 1 8\nben: 1 8\ncyd: 1").assign(user_db_id=["1", "1", "2", "2", None])
    users = people(ana=1, ben=1, cyd=1).assign(user_db_id=["1", "9", "3"])
    # Another service id is another user, whatever the app calls them; cyd's events have none.
    assert shares(nu.retention(events, users=users, as_of="2026-09-13")) == {"08-31": ["2/3", "1/3"]}
    assert shares(nu.retention(events, users=users.drop(columns="user_db_id"), as_of="2026-09-13")) == {
        "08-31": ["3/3", "2/3"]
    }


def test_users_of_another_app_are_refused_and_many_without_activity_told():
    with pytest.raises(ValueError, match="have nobody in common"):
        nu.retention(THREE, users=people(eve=1), as_of=LATE)
    with pytest.warns(IncompleteDataWarning, match="2 of 3 users have no activity at all"):
        nu.retention(THREE, users=people(ana=1, eve=1, fay=1), as_of=LATE)
    # Nobody made the event; that is not to say that nobody was there.
    rare = log("ana: A1\nben: A1\ncyd: B1")
    table = nu.retention(rare, users=people(ana=1, ben=1), return_event="B", as_of="2026-09-06")
    assert shares(table) == {"08-31": ["0/2"]}


def test_users_without_a_date_of_creation_are_left_out_and_told():
    users = people(ana=1, ben=1, cyd=8)
    users.loc[1, "created_at"] = pd.NaT
    with pytest.warns(IncompleteDataWarning, match="1 of 3 users has no id or no created_at"):
        assert shares(nu.retention(THREE, users=users, as_of="2026-09-13"))["08-31"] == ["1/1", "1/1"]


@pytest.mark.filterwarnings("ignore:.*have no activity at all")
def test_the_table_is_the_same_whatever_it_holds():
    users = people(ana=1)
    for events in (THREE, THREE.head(1), THREE.head(0), nu.EventLog(THREE.head(0))):
        for asked in ({}, {"clock": "elapsed"}, {"first_time": False}, {"criterion": "on_or_before"}, {"users": users}):
            table = nu.retention(events, as_of=LATE, **asked).drop(columns="design_effect", errors="ignore")
            assert table.dtypes.to_dict() == RETENTION
        assert list(nu.retention(events, brackets=[(1, 2)], by="event", as_of=LATE).columns)[:4] == [
            *("segment", "cohort", "age", "bracket"),
        ]
    assert len(nu.retention(THREE.head(0))) == 0
    assert len(nu.retention(THREE.head(0), users=users.head(0))) == 0


def test_the_arguments_stay_as_they_were():
    users = people(ben=1, ana=1, cyd=8)
    before = THREE.copy(), users.copy()
    nu.retention(THREE, users=users, by="user_id", as_of=LATE)
    pd.testing.assert_frame_equal(THREE, before[0])
    pd.testing.assert_frame_equal(users, before[1])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"freq": "Y"}, 'freq="Y" is not known; write one of "D", "W"'),
        ({"clock": "wall"}, 'clock="wall" is not known; write one of "calendar", "elapsed"'),
        ({"criterion": "after"}, 'criterion="after" is not known'),
        ({"week_start": "mon"}, 'week_start="mon" is not known; write one of "monday"'),
        ({"periods": 0}, "periods=0 must be a whole number from 1 to 5000"),
        ({"brackets": [(3, 1)]}, r"brackets holds \(3, 1\): periods count from 0"),
        ({"brackets": (1, 7)}, r"write brackets=\[\(1, 7\)\] or brackets=\[1, 7\]"),
        ({"brackets": [(0, 5), (1, 5)]}, "must end later than the one before"),
        ({"brackets": [1], "criterion": "on_or_after"}, "brackets take the place"),
        ({"users": people(ana=1), "start_event": "A"}, "both say when a user starts"),
        ({"users": people(ana=1), "first_time": False}, "a user is created once"),
        ({"start_event": "B"}, 'start_event: there is no event "B".*The events are "A"'),
        ({"by": "evnt"}, 'Did you mean "event"'),
        ({"start": "1900-01-02", "freq": "D"}, "there can be 5,000"),
        ({"users": people(ana=1).drop(columns="created_at")}, "missing created_at"),
        ({"freq": "D", "periods": 5_000, "start": "2016-01-01"}, "there can be 5,000,000"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_with_what_to_write(asked, message):
    with pytest.raises(ValueError, match=message):
        nu.retention(THREE, as_of=LATE, **asked)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"users": ["ana"]}, "pass the DataFrame of load_users"),
        ({"by": ["plan"]}, "write the name of one column"),
        ({"brackets": "1-3"}, "for example brackets="),
        ({"brackets": [None]}, "for example brackets="),
        ({"return_event": 3}, "return_event is 3"),
        ({"first_time": "no"}, "first_time is 'no'; write True or False"),
    ],
    ids=str,
)
def test_what_is_of_another_type_is_refused_with_what_to_write(asked, message):
    with pytest.raises(TypeError, match=message):
        nu.retention(THREE, as_of=LATE, **asked)


def test_the_curve_pools_users_and_not_rates():
    # 2 of 3 in a large cohort and 0 of 1 in a small one are 2 of 4, and not the mean of 67 % and 0.
    events = log("ana: 1 8\nben: 1 8\ncyd: 1\ndan: 8")
    curve = nu.retention_curve(nu.retention(events, as_of="2026-09-20"))
    assert curve["age"].tolist() == [0, 1, 2]
    assert curve["rate"].tolist() == [1.0, 0.5, 0.0]
    assert curve["eligible"].tolist() == [4, 4, 3]
    assert curve["cohorts"].tolist() == [2, 2, 1]
    assert curve["users"].tolist() == [4, 4, 4]


@pytest.mark.parametrize(
    "other", [{"freq": "D"}, {"clock": "elapsed"}, {"criterion": "on_or_after"}, {"sample": 0.5}], ids=str
)
def test_answers_to_several_questions_are_not_put_together(other):
    table = nu.retention(THREE, as_of="2026-09-20")
    for function in (nu.retention_curve, nu.retention_trend):
        with pytest.raises(ValueError, match=f"of several questions, with {next(iter(other))}"):
            function(pd.concat([table, table.assign(**other)]))


def test_the_curve_comes_in_the_order_of_periods_however_the_table_is_sorted():
    events = THREE.assign(**{"data.plan": ["pro", "free", "free", "free", "free", "pro", "pro"]})
    table = nu.retention(events, by="plan", as_of="2026-09-20")
    curve = nu.retention_curve(table.sort_values("rate", na_position="first"))
    assert curve.groupby("segment")["age"].agg(list).tolist() == [[0, 1, 2], [0, 1, 2]]
    assert curve["segment"].tolist() in (["free"] * 3 + ["pro"] * 3, ["pro"] * 3 + ["free"] * 3)


def test_sessions_have_no_events_to_ask_for():
    sessions = pd.DataFrame({"user_id": ["ana"], "start": instants("2026-09-01")})
    with pytest.raises(ValueError, match=r"return_event: a table of sessions has no events\. Pass the table of"):
        nu.retention(sessions, return_event="A")
    with pytest.raises(ValueError, match="start_event: a table of sessions has no events"):
        nu.retention(sessions, start_event="A")


def test_segments_pool_to_the_whole():
    events = THREE.assign(**{"data.plan": ["free", "pro", "pro", "pro", "pro", None, "free"]})
    table = nu.retention(events, by="plan", as_of="2026-09-20")
    whole = nu.retention_curve(nu.retention(events, as_of="2026-09-20"))
    together = nu.retention_curve(table.drop(columns="segment"))
    assert together[["eligible", "retained", "rate"]].equals(whole[["eligible", "retained", "rate"]])


def test_the_trend_is_one_period_of_each_cohort():
    trend = nu.retention_trend(nu.retention(THREE, as_of="2026-09-20"), age=2)
    assert trend["cohort"].dt.strftime("%m-%d").tolist() == ["08-31", "09-07"]
    assert trend["rate"].tolist()[0] == 1.0
    assert np.isnan(trend["rate"].tolist()[1])
    for age in (True, [1, 2], "1"):
        with pytest.raises(TypeError, match="write one whole number"):
            nu.retention_trend(nu.retention(THREE, as_of="2026-09-20"), age=age)
    with pytest.raises(ValueError, match=r"age=4 is not in the table; it has 0, 1, 2\."):
        nu.retention_trend(nu.retention(THREE, as_of="2026-09-20"))


def test_curve_and_trend_of_nothing_are_empty_and_of_another_table_refused():
    nothing = nu.retention(THREE.head(0))
    assert len(nu.retention_curve(nothing)) == len(nu.retention_trend(nothing)) == 0
    for function in (nu.retention_curve, nu.retention_trend):
        with pytest.raises(ValueError, match=r"takes the table of nu\.retention"):
            function(THREE)
        with pytest.raises(TypeError, match="of type list"):
            function([1])


@pytest.mark.parametrize("asked", [{}, {"freq": "D", "tz": "Europe/Paris"}, {"criterion": "on_or_after", "freq": "M"}])
@pytest.mark.parametrize("as_of", ["2026-09-20", "2026-08-20"])
@pytest.mark.filterwarnings("ignore:No user can be counted yet")
def test_a_plain_frame_gives_what_its_log_gives(asked, as_of):
    rng = np.random.default_rng(1)
    time = pd.Timestamp("2026-09-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 30 * 86_400, 400), unit="s")
    events = pd.DataFrame(
        {"user_id": rng.integers(0, 40, 400), "time": pd.DatetimeIndex(time).as_unit("us"), "event": "A"}
    )
    for interval in ({}, {"start": "2026-09-03", "end": "2026-09-12"}):
        pd.testing.assert_frame_equal(
            nu.retention(events, as_of=as_of, **asked, **interval),
            nu.retention(nu.EventLog(events), as_of=as_of, **asked, **interval),
        )
    pd.testing.assert_frame_equal(nu.retention(events, **asked), nu.retention(nu.EventLog(events), **asked))


def test_a_plain_frame_whose_rows_are_few_once_the_late_ones_are_left_out_gives_what_its_log_gives():
    table = nu.retention(log("ana: 12.5\nben: 1.5 9"), freq="D", as_of="2026-09-09")
    assert table.loc[table["age"] == 0, "users"].tolist() == [1]
    assert shares(table) == {"09-01": ["1/1"] + ["0/1"] * 7 + ["1/1"]}


def test_what_a_plain_frame_lacks_is_told_as_by_its_log():
    lacking = pd.concat([THREE, THREE.assign(user_id=None).head(1)])
    with pytest.warns(IncompleteDataWarning, match="1 has no user"):
        pd.testing.assert_frame_equal(nu.retention(lacking, as_of=LATE), nu.retention(THREE, as_of=LATE))
    with_system = pd.concat([THREE, THREE.assign(event="nucleus:heartbeat", user_id="eve").head(1)])
    pd.testing.assert_frame_equal(nu.retention(with_system, as_of=LATE), nu.retention(THREE, as_of=LATE))


@pytest.mark.parametrize(
    ("asked", "when"),
    [
        ({}, "by 2026-09-14 00:00"),
        ({"freq": "D", "brackets": [(2, 3)]}, "by 2026-09-11 00:00"),
        ({"clock": "elapsed", "as_of": "2026-09-09"}, "not before 2026-09-14 00:00"),
        ({"freq": "M", "tz": "Pacific/Auckland"}, "by 2026-09-30 11:00"),
    ],
)
def test_where_no_period_was_over_for_anybody_it_says_when_the_first_will_be(asked, when):
    start = pd.Timestamp("2026-09-07 09:00", tz="UTC")
    sessions = pd.DataFrame({"user_id": ["ana", "ben"], "start": [start, start + pd.Timedelta("1h")]})
    with pytest.warns(nu.IncompleteDataWarning, match=f"No user can be counted yet: .*can be counted {when} UTC"):
        table = nu.retention(sessions, **asked)
    assert table["rate"].isna().all()
    assert table["users"].max() == 2
