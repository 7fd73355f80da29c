"""Funnels of logs that can be counted by eye."""

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.core.dtypes import COUNT, INSTANT, TEXT

# Small logs with few times hold such rows; test_row_checks.py has the warning.
pytestmark = pytest.mark.filterwarnings("ignore:.*repeat another row")

NOON = pd.Timestamp("2026-09-01T12:00Z")
LATE = "2026-12-31"


def at(hours):
    return NOON + pd.Timedelta(hours, "h")


def log(text, **columns):
    """A log written as ``ana: A0 B2.5 C30``: events with their hour after noon of the first of September."""
    rows = []
    for line in text.strip().splitlines():
        user, events = line.split(":", 1)
        rows += [(user.strip(), at(float(event.lstrip("ABCDEX"))), event[0]) for event in events.split()]
    frame = pd.DataFrame(rows, columns=["user_id", "time", "event"]).astype({"user_id": object, "event": object})
    return frame.assign(time=frame["time"].dt.as_unit("us"), **columns)


def counts(events, steps, **arguments):
    return nu.funnel(events, steps, **{"as_of": LATE} | arguments)["users"].tolist()


def hours(value):
    return None if pd.isna(value) else (value - NOON) / pd.Timedelta(1, "h")


def who(events, steps, **arguments):
    """Depth, hours of the steps, and status of each user."""
    table = nu.funnel_users(events, steps, **{"as_of": LATE} | arguments)
    made = [name for name in table.columns if name.startswith("step_")]
    return {
        row.user_id: (row.depth, [hours(getattr(row, name)) for name in made], row.status)
        for row in table.itertuples(index=False)
    }


FOUR = log(
    """
    ana: A0 B1 C3
    ben: A0 B4
    cyd: A0 C1 X2
    dan: B0 C1
    """
)


def test_a_funnel_counts_users_by_how_far_they_came():
    table = nu.funnel(FOUR, ["A", "B", "C"], as_of=LATE)
    assert table["users"].tolist() == [3, 2, 1]
    assert table["from_start"].tolist() == [1, 2 / 3, 1 / 3]
    assert table["from_previous"].tolist()[1:] == [2 / 3, 1 / 2]
    assert table["median_seconds"].tolist()[1:] == [9000, 7200]
    assert table["mean_seconds"].tolist()[1:] == [9000, 7200]
    assert table.loc[0, ["from_previous", "from_previous_low", "median_seconds", "mean_seconds"]].isna().all()
    assert table["event"].tolist() == ["A", "B", "C"]
    assert table["step"].tolist() == [1, 2, 3]
    assert table["low_n"].all()
    assert table[["excluded", "pending"]].eq(0).all(axis=None)
    assert table["sample"].tolist() == [1.0, 1.0, 1.0]


def test_the_bounds_of_a_rate_are_those_of_wilson():
    # 2 of 3, worked out by hand: (2/3 + z²/6 ± z √(2/27 + z²/36)) / (1 + z²/3) with z = 1.959964.
    table = nu.funnel(FOUR, ["A", "B", "C"], as_of=LATE)
    assert table.loc[1, ["from_start_low", "from_start_high"]].tolist() == pytest.approx([0.20766, 0.93851], abs=1e-5)


def test_from_thirty_entrants_on_numbers_are_not_low():
    text = "\n".join(f"u{number}: A0" for number in range(30))
    assert not nu.funnel(log(text), ["A"], as_of=LATE)["low_n"].any()
    assert nu.funnel(log(text).iloc[1:], ["A"], as_of=LATE)["low_n"].all()


@pytest.mark.filterwarnings("ignore:No user can be counted yet")
def test_the_table_is_the_same_whatever_it_holds():
    dtypes = {
        **{"step": np.dtype("int64"), "event": TEXT, "users": COUNT},
        **{f"from_{base}{end}": np.dtype(float) for base in ("start", "previous") for end in ("", "_low", "_high")},
        **{"median_seconds": np.dtype(float), "mean_seconds": np.dtype(float), "excluded": COUNT, "pending": COUNT},
        **{"low_n": np.dtype(bool)},
    }
    asked = {"order": TEXT, "window": TEXT, "include_pending": np.dtype(bool), "sample": np.dtype(float)}
    for events in (FOUR, FOUR.head(1), FOUR.head(0), nu.EventLog(FOUR)):
        steps = ["A", "B", "C"] if len(events) != 1 else ["A"]
        assert nu.funnel(events, steps).dtypes.to_dict() == dtypes | asked
        people = nu.funnel_users(events, steps)
        made = {f"step_{n}": INSTANT for n in range(1, len(steps) + 1)}
        assert people.dtypes.to_dict() == {
            **{"user_id": np.dtype(object), "entered_at": INSTANT, "depth": np.dtype("int64")},
            **made,
            **{"status": TEXT, "settled": np.dtype(bool)},
            **asked,
        }
        trend = nu.funnel_trend(events, steps)
        states = {"complete": np.dtype(bool), "settled": np.dtype(bool)}
        assert trend.dtypes.to_dict() == {
            "period": np.dtype("datetime64[us]"),
            **dtypes,
            **states,
            **asked,
        }


@pytest.mark.parametrize(
    ("window", "told"),
    [("168h", "7d"), ("90min", "90min"), ("36h", "36h"), ("1.5s", "1500ms"), (pd.Timedelta("1us"), "0.001ms")],
)
def test_a_table_tells_what_was_asked(window, told):
    for question in (nu.funnel, nu.funnel_users, nu.funnel_trend):
        table = question(FOUR, ["A"], window=window, order="strict", include_pending=True, as_of=LATE)
        assert set(table["window"]) == {told}
        assert set(table["order"]) == {"strict"}
        assert table["include_pending"].all()


def test_nobody_is_no_rate():
    table = nu.funnel(FOUR.head(0), ["A", "B"])
    assert table["users"].tolist() == [0, 0]
    assert table.filter(like="from_").isna().all(axis=None)


@pytest.mark.filterwarnings("ignore:No user can be counted yet")
def test_the_arguments_stay_as_they_were():
    frame, steps = FOUR.set_axis([3] * len(FOUR)), ["A", ["B", "C"], nu.step("C", where={"event": "C"})]
    before = frame.copy(), [*steps]
    nu.funnel(frame, steps, by="event", exclude=["X"])
    pd.testing.assert_frame_equal(frame, before[0])
    assert steps == before[1]


@pytest.mark.parametrize("kind", ["log", "category", "string[python]", "shuffled"])
def test_every_form_of_a_log_gives_the_same_table(kind):
    as_kind = {
        "log": lambda: nu.EventLog(FOUR),
        "shuffled": lambda: FOUR.iloc[::-1],
    }.get(kind, lambda: FOUR.astype({"user_id": kind, "event": kind}))()
    for arguments in ({}, {"order": "strict"}, {"order": "any"}, {"by": "event"}):
        pd.testing.assert_frame_equal(
            nu.funnel(as_kind, ["A", "B", "C"], as_of=LATE, **arguments),
            nu.funnel(FOUR, ["A", "B", "C"], as_of=LATE, **arguments),
        )


def test_the_window_counts_from_the_entry_and_includes_its_end():
    events = log("ana: A0 B100 C168\nben: A0 B100 C168.01")
    assert counts(events, ["A", "B", "C"]) == [2, 2, 1]
    assert counts(events, ["A", "B", "C"], window="100h") == [2, 2, 0]
    assert counts(events, ["A", "B", "C"], window=pd.Timedelta("99h")) == [2, 0, 0]


@pytest.mark.parametrize(
    "window", ["2h", "2 hours", "120min", "7200s", "1h60min", "0.5h 90min", np.timedelta64(2, "h")]
)
def test_a_window_can_be_written_in_many_ways(window):
    assert counts(log("ana: A0 B2\nben: A0 B2.001"), ["A", "B"], window=window) == [2, 1]


def test_the_deepest_attempt_stands_for_a_user_and_of_several_the_earliest():
    events = log("ana: A0 A10 B12 A20 B21 C22 A30 B31 C32")
    assert who(events, ["A", "B", "C"], window="5h") == {"ana": (3, [20, 21, 22], "converted")}
    assert who(events, ["A", "B", "C"], window="5h", entry="first") == {"ana": (1, [0, None, None], "dropped")}


def test_the_same_event_twice_takes_two_events():
    assert counts(log("ana: A0 A1 B2\nben: A0 B2"), ["A", "A", "B"]) == [2, 1, 1]
    assert counts(log("ana: A0 A0\nben: A0"), ["A", "A"]) == [2, 1]
    assert counts(log("ana: A0 A0\nben: A0 A1"), ["A", "A"], ties="strict") == [2, 1]


@pytest.mark.filterwarnings("ignore:No user can be counted yet")
def test_of_several_names_any_will_do_but_one_event_is_one_step():
    assert counts(log("ana: A0 C1\nben: B0 C1\ncyd: C1"), [["A", "B"], "C"]) == [2, 2]
    # At one instant A and B: B is the first step, so that A can be the second.
    assert counts(log("ana: A0 B0\nben: A0\ncyd: B0 B0"), [["A", "B"], "A"]) == [3, 1]
    table = nu.funnel(log("ana: A0 B1"), [["A", "B"], "B"])
    assert table["event"].tolist() == ["A or B", "B"]


def test_events_of_one_instant_satisfy_either_order_unless_ties_are_strict():
    events = log("ana: B0 A0 C1")
    assert counts(events, ["A", "B", "C"]) == [1, 1, 1]
    assert counts(events, ["A", "B", "C"], ties="strict") == [1, 0, 0]


def test_strict_order_lets_nothing_lie_between_but_system_events():
    events = log("ana: A0 X1 B2\nben: A0 D1 B2\ncyd: A0 B1 D2")
    assert counts(events, ["A", "B"], order="strict") == [3, 1]
    named = events.assign(event=events["event"].replace({"X": "nucleus:props", "D": "nucleus:view"}))
    assert counts(named, ["A", "B"], order="strict") == [3, 2]


def test_strict_order_at_one_instant_takes_the_order_that_suits():
    assert counts(log("ana: B0 A0 B1 C2"), ["A", "B", "C"], order="strict") == [1, 1, 1]
    assert counts(log("ana: D0 A0 B0 C1"), ["A", "B", "C"], order="strict") == [1, 1, 1]
    assert counts(log("ana: A0 B1 D1 C2"), ["A", "B", "C"], order="strict") == [1, 1, 0]


def test_any_order_counts_how_many_of_the_steps_were_made():
    events = log("ana: C0 A1 B2\nben: B0 C300 A301\ncyd: C0 C1\ndan: X0")
    table = nu.funnel(events, ["A", "B", "C"], order="any", as_of=LATE)
    assert table["users"].tolist() == [3, 2, 1]
    assert table["event"].tolist() == ["any 1 of A, B, C", "any 2 of A, B, C", "any 3 of A, B, C"]
    assert who(events, ["A", "B", "C"], order="any")["ben"] == (2, [300, 301, None], "dropped")


def test_funnels_of_other_steps_in_any_order_are_not_compared():
    events = log("ana: C0 A1 B2\nben: B0 C3 A4")
    one, other = (nu.funnel(events, steps, order="any", as_of=LATE) for steps in (["A", "B"], ["A", "C"]))
    with pytest.raises(ValueError, match="different steps"):
        nu.compare(one, other)


def test_thirty_steps_can_be_made_in_any_order():
    names = [f"E{number}" for number in range(30)]
    times = [at(float(number)) for number in range(30)]
    events = pd.DataFrame({"user_id": "ana", "time": times[::-1], "event": names})
    assert nu.funnel(events, names, order="any", as_of=LATE)["users"].tolist() == [1] * 30
    assert nu.funnel(events, names, order="any", as_of=LATE, window="5h")["users"].tolist() == [1] * 6 + [0] * 24
    for ties, steps in (("strict", names), ("either", ["E1", *names[1:12]])):
        with pytest.raises(ValueError, match=r"at most 10 where steps share an event"):
            nu.funnel(events, steps, order="any", ties=ties)


def test_a_step_after_the_end_counts_an_entry_after_it_does_not():
    events = log("ana: A0 B24\nben: A24 B25\ncyd: A-24 B0")
    assert counts(events, ["A", "B"], start="2026-09-01", end="2026-09-01") == [1, 1]


def test_dates_are_local_days():
    # Noon UTC is 21:00 in Tokyo; three hours later it is the next day.
    events = log("ana: A2.9\nben: A3")
    assert counts(events, ["A"], start="2026-09-02", tz="Asia/Tokyo") == [1]
    assert counts(events, ["A"], end="2026-09-01", tz=9 * 60) == [1]


SPOILT = log(
    """
    ana: A0 X1 B2 C3
    ben: A0 B1 X2
    cyd: A0 B1 C2 X3
    dan: A0 X1 A2 B3 C4
    eva: A0 B1 X1 C2
    """
)


def test_an_excluded_event_drops_the_attempt_but_not_another_of_the_user():
    assert who(SPOILT, ["A", "B", "C"], exclude="X") == {
        "ana": (0, [None, None, None], "excluded"),
        "ben": (0, [None, None, None], "excluded"),
        "cyd": (3, [0, 1, 2], "converted"),
        "dan": (3, [2, 3, 4], "converted"),
        "eva": (0, [None, None, None], "excluded"),
    }
    table = nu.funnel(SPOILT, ["A", "B", "C"], exclude="X", as_of=LATE)
    assert table["users"].tolist() == [2, 2, 2]
    assert table["excluded"].tolist() == [3, 3, 3]


def test_an_excluded_event_can_stop_the_attempt_instead():
    stopped = who(SPOILT, ["A", "B", "C"], exclude=["X"], on_exclude="stop")
    assert stopped["ana"] == (1, [0, None, None], "excluded")
    assert stopped["ben"] == (2, [0, 1, None], "excluded")
    assert stopped["eva"] == (2, [0, 1, None], "excluded")
    table = nu.funnel(SPOILT, ["A", "B", "C"], exclude=["X"], on_exclude="stop", as_of=LATE)
    assert (table["users"].tolist(), table["excluded"].tolist()) == ([5, 4, 2], [3, 3, 3])


def test_an_exclusion_can_be_between_two_of_the_steps():
    between = who(SPOILT, ["A", "B", "C"], exclude={"event": "X", "from_step": 2, "to_step": 3})
    assert {user: told[0] for user, told in between.items()} == {"ana": 3, "ben": 0, "cyd": 3, "dan": 3, "eva": 3}
    first = who(SPOILT, ["A", "B", "C"], exclude=[{"event": "X", "to_step": 2}])
    assert {user: told[0] for user, told in first.items()} == {"ana": 0, "ben": 2, "cyd": 3, "dan": 3, "eva": 3}


def test_an_excluded_event_after_the_window_spoils_nothing():
    assert counts(log("ana: A0 X3"), ["A", "X"], window="2h", exclude="X") == [1, 0]


def test_an_exclusion_can_have_a_condition():
    events = SPOILT.assign(**{"data.size": range(len(SPOILT))})
    spoiler = nu.step("X", where=lambda rows: rows["data.size"] > 3)
    assert who(events, ["A", "B", "C"], exclude=spoiler)["ana"][2] == "converted"


def test_the_first_entry_alone_counts_also_when_it_is_spoiled():
    assert who(SPOILT, ["A", "B", "C"], exclude="X", entry="first")["dan"][2] == "excluded"


def test_who_has_not_had_the_window_is_pending_whether_converted_or_not():
    events = log("ana: A0 B1\nben: A0\ncyd: A1 B2\ndan: A1")
    known = at(7 * 24 + 48)
    assert {user: told[2] for user, told in who(events, ["A", "B"], as_of=known).items()} == {
        **{"ana": "converted", "ben": "dropped", "cyd": "pending", "dan": "pending"}
    }
    table = nu.funnel(events, ["A", "B"], as_of=known)
    assert (table["users"].tolist(), table["pending"].tolist()) == ([2, 1], [2, 2])


def test_of_each_user_it_is_told_whether_the_window_was_over():
    events = log("ana: A0 B1\nben: A0\ncyd: A1 B2\ndan: A1")
    for include in (False, True):
        people = nu.funnel_users(events, ["A", "B"], as_of=at(7 * 24 + 48), include_pending=include)
        assert people.set_index("user_id")["settled"].to_dict() == {
            **{"ana": True, "ben": True, "cyd": False, "dan": False}
        }


def test_pending_entrants_can_be_counted_and_are_open_until_they_convert():
    events = log("ana: A0 B1\nben: A0\ncyd: A1 B2\ndan: A1")
    asked = {"as_of": at(7 * 24 + 48), "include_pending": True}
    assert {user: told[2] for user, told in who(events, ["A", "B"], **asked).items()} == {
        **{"ana": "converted", "ben": "dropped", "cyd": "converted", "dan": "pending"}
    }
    table = nu.funnel(events, ["A", "B"], **asked)
    assert (table["users"].tolist(), table["pending"].tolist()) == ([4, 2], [1, 1])


def test_who_has_an_entry_that_is_old_enough_is_judged_by_it():
    # A late deep attempt must not take ana out of those who did not convert, nor put her among those who did.
    assert who(log("ana: A0 A100 B101"), ["A", "B"], window="10h", as_of=at(60)) == {"ana": (1, [0, None], "dropped")}
    assert counts(log("ana: A0 A100 B101"), ["A", "B"], window="10h", as_of=at(120)) == [1, 0]


def test_what_lies_after_as_of_is_not_known():
    events = log("ana: A0 B5\nben: A6")
    assert who(events, ["A", "B"], as_of=at(4), include_pending=True) == {"ana": (1, [0, None], "pending")}


def test_by_default_the_data_are_known_until_the_newest_event():
    events = log("ana: A0\nben: A10 B11\nzoe: X226")
    assert nu.funnel(events, ["A", "B"])["pending"].tolist() == [0, 0]
    assert (
        nu.funnel(events.assign(time=events["time"].where(events["event"] != "X", at(225.9))), ["A"])["pending"][0] == 1
    )
    assert nu.funnel(nu.EventLog(events, as_of=at(225)), ["A"])["pending"][0] == 1


SEGMENTS = log(
    "ana: A0 B1\nben: A0 B1\ncyd: A0\ndan: A0 B1\neva: A0\nfay: A0",
    plan=["free", "pro", "free", "pro", "pro", "pro", None, "team", None],
)


def test_by_a_column_each_user_has_the_value_at_the_entry():
    table = nu.funnel(SEGMENTS, ["A", "B"], by="plan", as_of=LATE)
    assert table["segment"].tolist()[::2] == ["free", "pro", "team", "(none)"]
    assert table[table["step"] == 1]["users"].tolist() == [2, 2, 1, 1]
    assert table[table["step"] == 2]["users"].tolist() == [2, 1, 0, 0]
    assert table["segment"].dtype == TEXT


def test_beyond_top_are_others_and_the_rows_add_up():
    table = nu.funnel(SEGMENTS, ["A", "B"], by="plan", top=1, as_of=LATE)
    assert table["segment"].tolist()[::2] == ["free", "(other)", "(none)"]
    assert table["users"].tolist() == [2, 2, 3, 1, 1, 0]
    assert nu.funnel(SEGMENTS, ["A", "B"], as_of=LATE)["users"].tolist() == [6, 3]


def test_segments_add_up_in_what_is_left_out_too():
    events = SEGMENTS.assign(time=SEGMENTS["time"].where(SEGMENTS["user_id"] != "ana", at(300)))
    table = nu.funnel(events, ["A"], by="plan", as_of=at(310), top=1)
    assert table["segment"].tolist() == ["pro", "(other)", "(none)"]
    assert table["users"].tolist() == [2, 2, 1]
    assert table["pending"].tolist() == [0, 1, 0]


def test_a_value_that_is_called_other_or_none_is_put_to_those():
    events = SEGMENTS.assign(plan=["(other)", "x", "(none)", "x", "a", "b", None, "c", None])
    table = nu.funnel(events, ["A"], by="plan", as_of=LATE)
    assert table["segment"].tolist() == ["a", "b", "c", "(other)", "(none)"]
    assert table["users"].tolist() == [1, 1, 1, 1, 2]


def test_numbers_and_flags_are_segments_too():
    events = SEGMENTS.assign(ram=[8.0, 1, 8, 1, 16, 0.5, 1, np.nan, 8], flag=pd.array([True] * 9, dtype="boolean"))
    assert nu.funnel(events, ["A"], by="ram", as_of=LATE)["segment"].tolist() == ["8", "0.5", "16", "(none)"]
    assert nu.funnel(events, ["A"], by="flag", as_of=LATE)["segment"].tolist() == ["true"]


def test_the_version_at_the_entry_is_that_of_the_session():
    rows = [("ana", 0, "init", "2.0", "s1"), ("ana", 1, "A", None, "s1"), ("ben", 1, "A", None, "s2")]
    events = pd.DataFrame(rows, columns=["user_id", "time", "event", "version", "session_id"])
    events["time"] = pd.to_datetime(NOON) + pd.to_timedelta(events["time"], unit="h")
    table = nu.funnel(events, ["A"], by="version", as_of=LATE)
    assert table["segment"].tolist() == ["2.0", "(none)"]
    filled = nu.step("A", where={"version": "2.0"})
    assert nu.funnel(events, [filled], as_of=LATE)["users"].tolist() == [1]


def test_a_session_as_window_asks_for_all_steps_in_one():
    rows = [
        *[
            ("ana", 0, "A", "s1", "d1"),
            ("ana", 1, "B", "s2", "d1"),
            ("ana", 2, "A", "s2", "d1"),
            ("ana", 9, "B", "s2", "d1"),
        ],
        *[
            ("ben", 0, "A", "s1", "d1"),
            ("ben", 1, "B", "s1", "d2"),
            ("cyd", 0, "A", None, "d1"),
            ("cyd", 1, "B", None, "d1"),
        ],
    ]
    events = pd.DataFrame(rows, columns=["user_id", "time", "event", "session_id", "device_id"])
    events["time"] = pd.to_datetime(NOON) + pd.to_timedelta(events["time"], unit="h")
    with pytest.warns(nu.IncompleteDataWarning) as caught:
        assert who(events, ["A", "B"], window="session") == {
            **{"ana": (2, [2, 9], "converted"), "ben": (1, [0, None], "dropped")}
        }
    told = '2 of 8 events have no session, so that window="session" leaves them out.'
    assert [str(one.message) for one in caught] == [told]
    assert caught[0].filename == __file__
    events = events[events["session_id"].notna()]
    # The session with the steps ended at 21:00; half an hour and two days later it is settled.
    young = who(events, ["A", "B"], window="session", as_of=at(9.5 + 48) - pd.Timedelta("1us"))
    assert young["ana"] == (1, [0, None], "dropped")
    assert who(events, ["A", "B"], window="session", as_of=at(9.5 + 48))["ana"][0] == 2


def test_what_a_session_holds_after_as_of_is_not_known():
    events = log("ana: A0 B250").assign(session_id="s")
    for known in (events, events.head(1)):
        table = nu.funnel(known, ["A"], window="session", as_of=at(170))
        assert (table["users"][0], table["pending"][0]) == (1, 0)


CONDITIONS = log("ana: A0\nben: A0\ncyd: A0\ndan: A0").assign(
    **{
        "data.n": pd.Series([1, True, "1", None], dtype=object),
        "data.s": ["x", "y", None, "x"],
        "size": [1.5, 2, 3, np.nan],
    }
)


@pytest.mark.parametrize(
    ("where", "users"),
    [
        ({"s": "x"}, {"ana", "dan"}),
        ({"data.s": ["x", "y"]}, {"ana", "ben", "dan"}),
        ({"s": None}, {"cyd"}),
        ({"s": ["y", None]}, {"ben", "cyd"}),
        ({"n": 1}, {"ana"}),
        ({"n": True}, {"ben"}),
        ({"n": "1"}, {"cyd"}),
        ({"n": float("nan")}, {"dan"}),
        ({"size": 2}, {"ben"}),
        ({"s": "x", "size": 1.5}, {"ana"}),
        ({}, {"ana", "ben", "cyd", "dan"}),
        (lambda rows: rows["size"] > 1.7, {"ben", "cyd"}),
        (lambda rows: rows["data.s"].astype("string").str.startswith("x"), {"ana", "dan"}),
        (lambda rows: (rows["data.s"] == "x").to_numpy(), {"ana", "dan"}),
    ],
)
def test_a_condition_chooses_events(where, users):
    assert set(who(CONDITIONS, [nu.step("A", where=where)])) == users


def test_a_function_may_sort_its_rows():
    events = log("ana: A1\nben: A2\ncyd: A3").assign(amount=[90.0, 10.0, 60.0], at=[3, 1, 2])
    large = nu.step("A", where=lambda rows: rows.sort_values("at")["amount"] > 50)
    assert set(who(events, [large])) == {"ana", "cyd"}


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 0, 1], pd.MultiIndex.from_tuples([("a", 1)] * 3)])
def test_a_function_may_sort_rows_with_labels_that_repeat(labels):
    events = log("ana: A1\nben: A2\ncyd: A3").assign(amount=[90.0, 10.0, 60.0], at=[3, 1, 2]).set_axis(labels)
    large = nu.step("A", where=lambda rows: rows.sort_values("at")["amount"] > 50)
    assert set(who(events, [large])) == {"ana", "cyd"}
    assert set(who(events, [nu.step("A", where=lambda rows: rows["amount"] > 50)])) == {"ana", "cyd"}


def test_a_function_may_sort_rows_with_labels_that_repeat_in_every_analysis():
    events = log("ana: A1 B2\nben: A30 B31\ncyd: A60 B61").assign(amount=[90.0, 90, 10, 10, 60, 60])
    repeated = events.set_axis([0] * len(events))
    large = nu.step("A", where=lambda rows: rows.sort_values("amount")["amount"] > 50)
    plain = nu.step("A", where=lambda rows: rows["amount"] > 50)
    for ask in (
        lambda log, step: nu.active_users(log, event=step),
        lambda log, step: nu.retention(log, start_event=step, freq="D"),
        lambda log, step: nu.paths(log, after=step, steps=1),
        lambda log, step: nu.funnel_users(log, [step, "B"], as_of=LATE),
        lambda log, step: nu.funnel(log, ["B", "B"], exclude=step, as_of=LATE),
    ):
        pd.testing.assert_frame_equal(ask(repeated, large), ask(events, plain))


@pytest.mark.parametrize("labels", [[5, 6, 7], [0, 1, 2], [0, 0, 0], pd.MultiIndex.from_product([["a"], [0, 1, 2]])])
def test_a_function_that_gives_another_index_is_refused(labels):
    events = log("ana: A1\nben: A2\ncyd: A3").assign(amount=[90.0, 10.0, 60.0]).set_axis(labels)
    reset = nu.step("A", where=lambda rows: rows.sort_values("amount")["amount"].reset_index(drop=True) > 50)
    with pytest.raises(ValueError, match="another index than its frame"):
        nu.funnel(events, [reset])


@pytest.mark.parametrize(
    ("values", "wanted", "words"),
    [
        ([1.0, 2.0, 3.0], "3", 'the column "x" holds numbers'),
        (pd.array([1, 2, None], dtype="Int64"), True, "holds numbers"),
        (pd.array(["a", "b", None], dtype="string"), 3, "holds text"),
        ([True, False, True], 1, "holds True and False"),
        (np.array([1, 2, None], dtype=object), "3", "holds numbers"),
        (np.array([1, 2.5, 3], dtype=object), ["3"], "holds numbers"),
        (np.array([True, None, False], dtype=object), "True", "holds True and False"),
        (pd.Categorical([1, 2, 3]), "3", "holds numbers"),
    ],
)
def test_a_value_of_another_type_than_the_column_is_refused(values, wanted, words):
    events = log("ana: A1\nben: A2\ncyd: A3").assign(x=values)
    with pytest.raises(ValueError, match=words):
        nu.funnel(events, [nu.step("A", where={"x": wanted})])


@pytest.mark.parametrize("wanted", [(">", 3), (1, 2)])
def test_a_tuple_as_a_value_is_refused(wanted):
    with pytest.raises(TypeError, match="is a tuple"):
        nu.step("A", where={"pages": wanted})


@pytest.mark.parametrize(
    ("values", "wanted", "users"),
    [
        (pd.Series([np.True_, np.False_, "yes"], dtype=object), True, {"ana"}),
        (np.array([0.1, 0.2, 0.3], dtype=np.float32), 0.1, {"ana"}),
        (pd.array([0.1, 0.2, None], dtype="Float32"), [0.1, 0.2], {"ana", "ben"}),
        (pd.array(["", "b", None], dtype="string"), None, {"ana", "cyd"}),
        (pd.Series(["", "b", None], dtype=object), None, {"ana", "cyd"}),
        (pd.Series(["", "b", None], dtype=object), "", {"ana", "cyd"}),
        (pd.array(["", "b", None], dtype="string"), ["", "x"], {"ana", "cyd"}),
        (pd.Categorical(["", "b", None]), "", {"ana", "cyd"}),
        (pd.Categorical(np.array([0.1, 0.2, 0.3], dtype=np.float32)), 0.1, {"ana"}),
        (pd.Categorical([1.5, 2.5, None]), 2.5, {"ben"}),
        (np.array([0.1, 0.2, 0.3], dtype=np.float16), [0.1, 0.3], {"ana", "cyd"}),
        (np.array([1, 2, "3"], dtype=object), "3", {"cyd"}),
        ([1.0, 2.0, np.nan], "", {"cyd"}),
    ],
)
def test_a_value_is_found_whatever_the_column_is_made_of(values, wanted, users):
    events = log("ana: A1\nben: A2\ncyd: A3").assign(x=np.asarray(values) if isinstance(values, pd.Series) else values)
    assert set(who(events, [nu.step("A", where={"x": wanted})])) == users


@pytest.mark.parametrize("dtype", ["halffloat[pyarrow]", "float[pyarrow]", "double[pyarrow]"])
def test_a_number_is_found_in_arrow_columns_of_any_width(dtype):
    pytest.importorskip("pyarrow")
    values = pd.Series(
        pd.array(np.array([0.1, 0.2, np.nan], dtype=np.float16 if "half" in dtype else None), dtype=dtype)
    )
    events = log("ana: A1\nben: A2\ncyd: A3").assign(x=values)
    assert set(who(events, [nu.step("A", where={"x": 0.1})])) == {"ana"}


@pytest.mark.filterwarnings("ignore:No user can be counted yet")
def test_a_condition_is_told_in_the_table():
    def long_ones(rows):
        return rows["size"] > 1

    steps = [
        nu.step("A", where={"s": "x"}),
        nu.step("A", where=long_ones),
        nu.step("A", where=lambda rows: rows["size"] > 0),
    ]
    assert nu.funnel(CONDITIONS, steps)["event"].tolist() == ["A [s=x]", "A [long_ones]", "A [condition]"]


def test_the_funnel_is_the_summary_of_its_users():
    for include in (False, True):
        asked = {"exclude": "X", "by": "event", "as_of": at(170 + 48), "include_pending": include}
        events = pd.concat([SPOILT, log("fay: A3 B4\ngil: A9\nhal: B1")], ignore_index=True)
        people = nu.funnel_users(events, ["A", "B", "C"], **asked)
        table = nu.funnel(events, ["A", "B", "C"], **asked)
        counted = people[(people["depth"] > 0) & (include | (people["status"] != "pending"))]
        assert table["users"].tolist() == [int((counted["depth"] >= n).sum()) for n in (1, 2, 3)]
        assert set(table["excluded"]) == {int((people["status"] == "excluded").sum())}
        assert set(table["pending"]) == {int((people["status"] == "pending").sum())}
        took = (counted["step_2"] - counted["step_1"]).dt.total_seconds()
        assert table["median_seconds"][1] == took.median()


def test_users_come_in_order_of_entry_with_the_id_of_that_time():
    events = log("ana: A5\nanna: A1 B2\nzoe: A0").assign(user_db_id=["u1", "u1", "u1", "u2"])
    people = nu.funnel_users(events, ["A", "B"], as_of=LATE)
    assert people["user_id"].tolist() == ["zoe", "anna"]
    events.loc[1, "user_id"] = None
    assert nu.funnel_users(events, ["A", "B"], as_of=LATE)["user_id"].tolist() == ["zoe", "u1"]


@pytest.mark.filterwarnings("ignore:No user can be counted yet")
def test_a_sample_is_told_in_every_row():
    sampled = nu.EventLog(FOUR, sample=0.25)
    for table in (nu.funnel(sampled, ["A"]), nu.funnel_users(sampled, ["A"]), nu.funnel_trend(sampled, ["A"])):
        assert set(table["sample"]) == {0.25}
        assert table.columns[-1] == "sample"


@pytest.mark.parametrize(
    ("steps", "arguments", "error", "words"),
    [
        (
            ["A", "b"],
            {},
            ValueError,
            'step 2: there is no event "b". Did you mean "B"? The events are "A", "B", "C", "X".',
        ),
        (["A", ["B", "Q"]], {}, ValueError, 'step 2: there is no event "Q"'),
        (["A"], {"exclude": "Y"}, ValueError, 'exclude: there is no event "Y"'),
        ("A", {}, TypeError, "steps is of type str; write a list of event names in order"),
        ([], {}, ValueError, "steps has 0 steps; a funnel has from 1 to 30"),
        (["A"] * 31, {}, ValueError, "steps has 31 steps"),
        ([1], {}, TypeError, "step 1 is 1; write the name of an event"),
        ([[]], {}, TypeError, "step 1 is []"),
        (["A"], {"window": "7"}, ValueError, 'window="7" is no duration; write a duration such as window="7d"'),
        (["A"], {"window": "1M"}, ValueError, "is no duration"),
        (["A"], {"window": "7d or so"}, ValueError, "is no duration"),
        (["A"], {"window": ""}, ValueError, "is no duration"),
        (["A"], {"window": np.timedelta64(1, "Y")}, ValueError, "is no duration"),
        (["A"], {"window": "sessions"}, ValueError, "is no duration"),
        (["A"], {"window": "0h"}, ValueError, "must be greater than zero"),
        (["A"], {"window": "-1h"}, ValueError, "is no duration"),
        (["A"], {"window": "9999999999w"}, ValueError, "at most 100 years"),
        (["A"], {"window": pd.Timedelta(-1, "h")}, ValueError, "must be greater than zero"),
        (["A"], {"window": pd.NaT}, TypeError, "window is of type NaTType"),
        (["A"], {"window": np.timedelta64("NaT")}, ValueError, "is no duration"),
        (["A"], {"window": 7}, TypeError, "window is of type int"),
        (["A"], {"window": "session"}, ValueError, 'window="session" needs the column session_id'),
        (["A"], {"order": "loose"}, ValueError, 'order="loose" is not known; write one of "ordered", "strict", "any"'),
        (["A"], {"entry": "last"}, ValueError, 'write one of "any", "first"'),
        (["A"], {"on_exclude": "keep"}, ValueError, 'write one of "drop", "stop"'),
        (["A"], {"ties": "no"}, ValueError, 'write one of "either", "strict"'),
        (["A", "B"], {"exclude": {"event": "X", "from": 1}}, ValueError, 'exclude has no "from"'),
        (["A", "B"], {"exclude": [{"from_step": 1}]}, ValueError, "exclude lacks an event"),
        (["A", "B"], {"exclude": {"event": "X", "from_step": 2}}, ValueError, "exclude is from step 2 to step 2"),
        (["A", "B"], {"exclude": {"event": "X", "to_step": 3}}, ValueError, "steps count from 1 to 2"),
        (["A", "B"], {"exclude": 3}, TypeError, "exclude is of type int"),
        (
            ["A"],
            {"by": "plan"},
            ValueError,
            'by: the log has no column "plan", nor "data.plan". It has "user_id", "time"',
        ),
        (["A"], {"by": ["plan"]}, TypeError, "by is of type list; write the name of one column"),
        (["A"], {"by": "event", "top": 0}, ValueError, "top=0 must be a whole number from 1 on"),
        (["A"], {"start": "2026-09-02", "end": "2026-09-01"}, ValueError, "is not before end"),
        (["A"], {"tz": "Paris"}, ValueError, 'Did you mean "Europe/Paris"'),
        (["A"], {"as_of": "now"}, ValueError, 'as_of="now"' if False else "as_of='now' is not a date"),
        ([nu.step("A", where={"plan": 1})], {}, ValueError, 'where: the log has no column "plan"'),
        ([nu.step("A", where=lambda rows: True)], {}, ValueError, "step 1: where gave 1 values for 3 rows"),
        (
            [nu.step("A", where=lambda rows: rows == 1)],
            {},
            TypeError,
            "step 1: where gave a DataFrame of several columns",
        ),
        ([nu.step("A", where=lambda rows: rows["user_id"])], {}, TypeError, "it must give True or False a row"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_to_write(steps, arguments, error, words):
    for events in (FOUR, nu.EventLog(FOUR)):
        with pytest.raises(error) as caught:
            nu.funnel(events, steps, **arguments)
        assert words in str(caught.value)
        assert "ana" not in str(caught.value)


@pytest.mark.parametrize("kind", [tuple, pd.Index, np.array, pd.Series])
def test_steps_can_come_in_whatever_has_an_order(kind):
    assert counts(FOUR, kind(["A", "B"])) == [3, 2]


def test_what_is_no_condition_is_refused():
    with pytest.raises(TypeError, match="where is of type str; write a mapping"):
        nu.step("A", where="x")
    with pytest.raises(TypeError, match="event is None; write the name"):
        nu.step(None)


def test_an_unknown_event_of_many_gets_the_ten_most_frequent_and_long_names_are_cut():
    names = [f"E{number:02}" for number in range(30)] + ["L" * 5000, "a\nb\u202ec"]
    events = pd.DataFrame({"user_id": "u", "time": NOON, "event": np.repeat(names, [*range(30, 0, -1), 40, 50])})
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        nu.funnel(events, ["E" * 5000])
    message = str(caught.value)
    assert "The most frequent of 32 are " in message
    assert message.count('", "') == 9
    assert '"a\\x0ab\\x202ec"' in message
    assert "\n" not in message
    assert len(message) < 600


def test_a_log_that_is_no_log_is_refused():
    with pytest.raises(TypeError, match="events is of type dict; pass a DataFrame"):
        nu.funnel({}, ["A"])


@pytest.mark.parametrize("ask", [nu.funnel, nu.funnel_users, nu.funnel_trend])
@pytest.mark.parametrize(
    ("window", "words"),
    [
        ("7d", "after the window of 7d that follows the entry. The first can be counted by 2026-09-10 12:00 UTC, and"),
        ("session", "30 minutes without events. The first can be counted not before 2026-09-03 12:30 UTC, and"),
    ],
)
def test_when_all_are_pending_the_time_of_the_first_to_be_counted_is_named(ask, window, words):
    events = log("ana: A0 B1\nben: A5", session_id="1")
    with pytest.warns(nu.IncompleteDataWarning, match="^No user can be counted yet") as caught:
        ask(events, ["A", "B"], window=window, as_of="2026-09-02T12:00Z")
    [warning] = caught
    assert words in str(warning.message)
    assert "known until 2026-09-02 12:00 UTC. Pass include_pending=True" in str(warning.message)


@pytest.mark.parametrize(
    "asked", [{"include_pending": True}, {"as_of": LATE}, {"as_of": "2026-09-10T13:00Z"}, {"start": "2026-09-02"}]
)
def test_where_somebody_is_counted_or_nobody_entered_nothing_is_said(asked):
    nu.funnel(log("ana: A0 B1\nben: A5"), ["A", "B"], **{"as_of": "2026-09-02T12:00Z"} | asked)


@pytest.mark.parametrize("dtype", ["float32", "float64", "Float32", "uint64", "int64[pyarrow]", "float[pyarrow]"])
@pytest.mark.parametrize("wanted", [2**64, -(2**64), 10**400])
def test_a_number_beyond_64_bits_is_in_no_column_of_numbers(dtype, wanted):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"user_id": ["a"], "time": pd.to_datetime(["2026-01-01"], utc=True), "event": ["SAVE"]})
    log = nu.EventLog(frame.assign(pages=pd.array([1], dtype=dtype)), as_of="2026-02-01")
    assert nu.funnel(log, [nu.step("SAVE", where={"pages": wanted})])["users"].tolist() == [0]


def test_a_large_number_is_found_among_numbers_of_64_bits():
    frame = pd.DataFrame({"user_id": ["a"], "time": pd.to_datetime(["2026-01-01"], utc=True), "event": ["SAVE"]})
    log = nu.EventLog(frame.assign(pages=pd.array([2**64 - 1], dtype="uint64")), as_of="2026-02-01")
    assert nu.funnel(log, [nu.step("SAVE", where={"pages": 2**64 - 1})])["users"].tolist() == [1]
