"""Of a log that comes in buckets of users, analyses say what they say of the whole."""

import datetime as dt
import sys

import dask
import hypothesis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from tests.events.split import START, FrameBucket, logs, same, seldom

# More of them: python -m tests.events.test_protocol 1000
quick = settings(
    max_examples=int(sys.argv[1]) if __name__ == "__main__" else 12,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
zones = st.sampled_from([None, "Europe/Paris", "Asia/Kathmandu", "America/New_York"])
moments = st.integers(-5, 55).map(lambda days: START + dt.timedelta(days=days, hours=7))
bounds = st.one_of(st.none(), st.none(), st.none(), moments)
freqs = st.sampled_from(["D", "W", "M", "Q"])
bys = seldom(["nothing"], [None, "version", "plan"])


@st.composite
def spans(draw):
    start, end = draw(bounds), draw(bounds)
    if start is not None and end is not None and start >= end:
        start, end = end, start + dt.timedelta(hours=1)
    return {"start": start, "end": end, "tz": draw(zones), "as_of": draw(bounds)}


@st.composite
def funnels(draw):
    one = nu.step("B", where={"plan": ["x", None]})
    other = nu.step("A", where=lambda frame: frame["data.plan"].eq("x"))
    steps = seldom(
        ["NOBODY", nu.step("C", where={"version": "1.0"})], ["A", "B", "C", "A", "B", "init", ["B", "C"], one, other]
    )
    return draw(st.lists(steps, min_size=1, max_size=3)), {
        "window": draw(st.sampled_from(["7d", "1h", "session"])),
        "order": draw(st.sampled_from(["ordered", "strict", "any"])),
        "entry": draw(st.sampled_from(["any", "first"])),
        "exclude": draw(st.sampled_from([None, None, "C", "init"])),
        "on_exclude": draw(st.sampled_from(["drop", "stop"])),
        "by": draw(bys),
        "top": draw(st.sampled_from([1, 8])),
        "ties": draw(st.sampled_from(["either", "strict"])),
        "include_pending": draw(st.booleans()),
        **draw(spans()),
    }


@st.composite
def retentions(draw):
    events = seldom(["NOBODY"], [None, None, "A", ["B", "C"], nu.step("B", where={"plan": "x"})])
    how = draw(
        st.sampled_from([{}, {"criterion": "on_or_after"}, {"criterion": "on_or_before"}, {"brackets": [0, (1, 3)]}])
    )
    periods = {} if "brackets" in how else {"periods": draw(st.sampled_from([None, None, 3]))}
    return {
        "start_event": draw(events),
        "return_event": draw(events),
        "first_time": draw(st.booleans()),
        "freq": draw(freqs),
        "clock": draw(st.sampled_from(["calendar", "elapsed"])),
        "week_start": draw(st.sampled_from(["monday", "thursday"])),
        "by": draw(bys),
        "top": draw(st.sampled_from([1, 8])),
        **how,
        **periods,
        **draw(spans()),
    }


activities = seldom(["NOBODY"], [None, None, "A", ["A", "B"], nu.step("A", where={"plan": "x"})])
made = seldom([{"sample": 0.5}, {"as_of": "2026-04-25"}], [{}])


@given(logs(), activities, spans(), made)
@quick
def test_active_users(log, event, asked, known):
    same(log, lambda events: nu.active_users(events, event=event, **asked), asked, **known)


@given(logs(), activities, spans(), made, freqs, st.sampled_from(["monday", "thursday"]))
@quick
def test_growth(log, event, asked, known, freq, week_start):
    same(log, lambda events: nu.growth(events, freq, event=event, week_start=week_start, **asked), asked, **known)


@given(logs(), funnels(), made)
@quick
def test_a_funnel(log, question, known):
    steps, asked = question
    same(log, lambda events: nu.funnel(events, steps, **asked), asked, **known)


@given(logs(), funnels(), made, freqs)
@quick
def test_a_funnel_trend(log, question, known, freq):
    steps, asked = question
    same(log, lambda events: nu.funnel_trend(events, steps, freq=freq, **asked), asked, **known)


@given(logs(), retentions(), made)
@quick
def test_retention(log, asked, known):
    same(log, lambda events: nu.retention(events, **asked), asked, **known)


@st.composite
def walks(draw):
    around = draw(seldom(["NOBODY"], ["A", "init", ["B", "C"], "nucleus:heartbeat", nu.step("B", where={"plan": "x"})]))
    return {
        draw(st.sampled_from(["after", "before"])): around,
        "steps": draw(st.integers(1, 4)),
        "top": draw(st.sampled_from([1, 2, 10])),
        "gap": draw(st.sampled_from(["30min", "7d", None])),
        **draw(spans()),
    }


@st.composite
def user_lists(draw):
    """Some of the users of a log, strangers, and rows that tell nothing; some were created long ago."""
    at = st.integers(0, 14).map(lambda days: START + dt.timedelta(days=days, hours=7))
    row = st.tuples(
        seldom([None], list(range(9))),
        seldom([None], [at]).flatmap(lambda one: st.none() if one is None else one),
        st.sampled_from(["x", "y", None]),
    )
    rows = draw(st.lists(row, min_size=draw(st.sampled_from([0, 8, 8])), max_size=14))
    table = pd.DataFrame(
        {
            "user_id": pd.array([None if user is None else f"u{user}" for user, *_ in rows], dtype="string[python]"),
            "created_at": pd.to_datetime([at for _, at, _ in rows], utc=True).astype("datetime64[us, UTC]"),
            "props.plan": pd.array([plan for *_, plan in rows], dtype="string[python]"),
        }
    )
    table.loc[table["user_id"].eq("u0"), "created_at"] -= draw(
        st.sampled_from([pd.Timedelta(0), pd.Timedelta(days=900)])
    )
    return table


@given(logs(), user_lists(), retentions(), made, st.sampled_from([None, "plan"]))
@quick
def test_retention_of_a_list_of_users(log, users, asked, known, by):
    asked |= {"users": users, "start_event": None, "first_time": True, "by": by}
    same(log, lambda events: nu.retention(events, **asked), asked, **known)


@given(logs(), walks(), made)
@quick
def test_paths(log, asked, known):
    same(log, lambda events: nu.paths(events, **asked), asked, **known)


@given(logs(), st.sampled_from([nu.error_free, nu.crash_free]), spans(), made, st.sampled_from([None, "D", "M"]), bys)
@quick
def test_error_free_and_crash_free(log, analysis, asked, known, freq, by):
    same(log, lambda events: analysis(events, freq=freq, by=by, top=2, **asked), asked, **known)


@given(logs(), st.sampled_from(["sessions", "users"]), spans(), made, freqs, st.sampled_from([1, 2, 8]))
@quick
def test_version_adoption(log, per, asked, known, freq, top):
    same(log, lambda events: nu.version_adoption(events, freq=freq, per=per, top=top, **asked), asked, **known)


@given(logs(), funnels(), retentions(), made)
@settings(quick, max_examples=5)
def test_dask_says_what_the_log_says(log, question, cohorts, known):
    steps, asked = question
    with dask.config.set(scheduler="synchronous"):
        same(log, lambda events: nu.funnel(events, steps, **asked), asked, engine="dask", **known)
        same(log, lambda events: nu.retention(events, **cohorts), cohorts, engine="dask", **known)


def test_an_engine_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match='engine="ray" is not known; write one of "serial", "dask"'):
        nu.Buckets.of([], ["user_id", "time", "event"], engine="ray")


def in_two(frame, first):
    """The buckets of a user and of all others."""
    theirs = frame["user_id"].eq(first)
    return nu.Buckets.of([FrameBucket(frame[theirs]), FrameBucket(frame[~theirs])], frame.columns)


def test_a_session_that_goes_on_keeps_its_period_unsettled_whichever_bucket_it_is_in():
    day = pd.Timestamp("2026-03-02 10:00", tz="UTC")
    rows = [("u0", day, "s"), ("u1", day, "t"), ("u1", day + pd.Timedelta(days=6), "t")]
    frame = pd.DataFrame(rows, columns=["user_id", "time", "session_id"]).assign(event="A")
    for first in ("u0", "u1"):
        split = in_two(frame, first)
        table = nu.funnel_trend(split, ["A"], freq="D", window="session")
        assert table["complete"].tolist() == [True] + [True] * 5 + [False]
        assert table["settled"].tolist() == [False] + [True] * 3 + [False] * 3


@pytest.mark.parametrize("first", ["u0", "u1"])
def test_a_day_that_begins_with_the_last_event_is_there_whichever_bucket_that_is_in(first):
    times = pd.to_datetime(["2026-03-02 10:00", "2026-03-04 00:00"], utc=True).astype("datetime64[us, UTC]")
    split = in_two(pd.DataFrame({"user_id": ["u0", "u1"], "time": times, "event": "A"}), first)
    assert nu.active_users(split)["dau"].tolist() == [1, 0, 1]
    assert nu.growth(split, freq="D")["active"].tolist() == [1, 0, 1]


def test_the_first_time_from_a_moment_on_is_found_within_a_day():
    times = pd.to_datetime([f"2026-03-02 {hour:02}:00" for hour in (8, 14, 16, 20)], utc=True)
    frame = pd.DataFrame(
        {"user_id": ["u0", "u1", "u0", "u1"], "time": times.astype("datetime64[us, UTC]"), "event": "A"}
    )
    hours = [int(one.timestamp() * 1e6) for one in times]
    split = in_two(frame, "u0")
    assert [split.first_since(hours[0] + late) for late in (-1, 0, 1)] == [hours[0], hours[0], hours[1]]
    assert split.first_since(hours[2] + 1) == hours[3]


def test_an_event_that_nobody_in_a_bucket_did_is_known_all_the_same():
    times = pd.to_datetime([f"2026-03-{day:02}" for day in (2, 3, 3, 29)], utc=True).astype("datetime64[us, UTC]")
    frame = pd.DataFrame({"user_id": ["u0", "u0", "u1", "u1"], "time": times, "event": ["A", "B", "A", "A"]})
    split = in_two(frame, "u0")
    assert nu.funnel(split, ["A", "B"])["users"].tolist() == [2, 1]
    assert nu.funnel(split, ["B"])["users"].tolist() == [1]
    assert nu.retention(split, start_event="B", periods=1)["users"].tolist() == [1, 1]
    assert nu.active_users(split, event="B")["dau"].sum() == 1


@pytest.mark.parametrize("periods", [None, 2])
def test_a_start_that_lies_before_what_can_be_right_of_all_events_is_counted_all_the_same(periods):
    times = pd.to_datetime(["2026-03-02", *["2026-03-30"] * 200, "2026-04-20"], utc=True).astype("datetime64[us, UTC]")
    frame = pd.DataFrame({"user_id": ["u0", *["u1"] * 200, "u1"], "time": times, "event": ["A", *"B" * 200, "A"]})
    asked = {"start_event": "A", "return_event": "A", "freq": "W", "as_of": "2026-05-10", "periods": periods}
    table = nu.retention(in_two(frame, "u0"), **asked)
    assert table["cohort"].min() == pd.Timestamp("2026-03-02")
    assert table.loc[table["age"] == 0, "users"].tolist() == [1, 0, 0, 0, 0, 0, 0, 1]
    pd.testing.assert_frame_equal(table, nu.retention(frame, **asked), rtol=1e-12, atol=0)


def test_paths_that_are_not_over_are_counted_in_every_bucket():
    times = pd.to_datetime(["2026-03-02", "2026-03-29", "2026-03-29"], utc=True).astype("datetime64[us, UTC]")
    frame = pd.DataFrame({"user_id": ["u0", "u1", "u2"], "time": times, "event": "A"})
    for first in ("u0", "u1"):
        table = nu.paths(in_two(frame, first), "A", steps=1)
        assert table[["target", "users", "pending"]].to_numpy().tolist() == [["(exit)", 1, 2]]


def test_a_version_that_only_a_clock_that_is_behind_tells_has_no_rows():
    times = pd.date_range("2026-03-02", periods=150, freq="h", tz="UTC").insert(0, pd.Timestamp("2020-01-01", tz="UTC"))
    frame = pd.DataFrame({"user_id": "u0", "time": times.as_unit("us"), "event": "init", "session_id": range(151)})
    frame = frame.assign(version=["0.1", *["1.0"] * 150])
    frame.loc[75:, "user_id"] = "u1"
    for events in (in_two(frame, "u0"), frame):
        with pytest.warns(nu.IncompleteDataWarning, match="1 of 151 sessions lie before"):
            assert nu.version_adoption(events, freq="W")["version"].unique().tolist() == ["1.0"]


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if hasattr(test, "hypothesis"):
            test()
            print(name)
