"""Whether users with an error come back less: counted by hand, and against a loop over users.

Run ``python -m tests.analysis.errors.test_error_impact 5000`` for as many tables as you like.
"""

import math
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from nucleus_pandas.stats.intervals import newcombe, pooled_difference

TEXT = pd.StringDtype("python")
EPOCH = pd.Timestamp("2026-06-01", tz="UTC")
NOW = "2026-09-01"
TABLES = 30


def sessions_of(*rows):
    """Make a table of sessions from (user, day, actions, errors)."""
    user, day, actions, errors = zip(*rows, strict=True) if rows else ([], [], [], [])
    return pd.DataFrame(
        {
            "user_id": pd.array(user, dtype=TEXT),
            "start": (EPOCH + pd.to_timedelta(pd.array(day, dtype="int64"), unit="D")).as_unit("us"),
            "actions": pd.array(actions, dtype="Int64"),
            "errors": pd.array(errors, dtype="Int64"),
        }
    )


SESSIONS = sessions_of(
    # One action: of two without an error one came back, of one with an error none.
    ("a", 0, 1, 0), ("a", 5, 1, 0), ("b", 0, 1, 0), ("c", 1, 1, 2),
    # Five: of two without both, of two with one; the errors of later sessions do not count, nor who came too late.
    ("d", 0, 5, 0), ("d", 28, 9, 4), ("e", 3, 5, 0), ("e", 4, 5, 0), ("f", 0, 5, 1), ("f", 1, 0, 0), ("g", 0, 5, 1),
    ("g", 29, 5, 0),
    # Too young to be judged.
    ("h", 70, 5, 0), ("h", 71, 5, 1),
)  # fmt: skip


def test_users_are_compared_with_those_who_did_as_much():
    table = nu.impact_of_errors(SESSIONS, strata=2, as_of=NOW)
    assert table["activity"].tolist() == ["1 action", "5 actions", "(pooled)", "(crude)"]
    assert table["users_without"].tolist() == [2, 2, 4, 4]
    assert table["returned_without"].tolist() == [1, 2, 3, 3]
    assert table["users_with"].tolist() == [1, 2, 3, 3]
    assert table["returned_with"].tolist() == [0, 1, 1, 1]
    assert table["difference"].tolist()[:2] == [-0.5, -0.5]
    assert table["difference"].tolist()[2:] == pytest.approx([-0.5, 1 / 3 - 3 / 4])
    assert table["rate_with"].isna().tolist() == [False, False, True, False]
    assert set(table["pending"]) == {1}
    assert table["low_n"].all()
    assert (table["difference_low"] < table["difference"]).all()
    assert (table["difference"] < table["difference_high"]).all()


def test_with_more_first_sessions_only_who_had_as_many_counts():
    table = nu.impact_of_errors(SESSIONS, first=2, within=pd.Timedelta(7, "D"), strata=1, as_of=NOW)
    crude = table.iloc[-1]
    # a, d, e, f, g and h came twice, and all of these but a and e met an error by then; nobody came a third time.
    assert (crude["users_without"], crude["users_with"]) == (2, 4)
    assert (crude["returned_without"], crude["returned_with"]) == (0, 0)
    assert (crude["first"], crude["within"], crude["pending"]) == (2, "7d", 0)


def test_only_users_who_began_in_the_interval_count():
    table = nu.impact_of_errors(SESSIONS, strata=1, start="2026-06-02", end="2026-06-04", as_of=NOW)
    assert table.iloc[-1][["users_without", "users_with"]].tolist() == [1, 1]


def test_events_tell_the_same_as_sessions():
    rows = [
        (user, f"{user}{place}", start + pd.Timedelta(number, "min"), "error:E" if number < errors else "open")
        for place, (user, start, actions, errors) in enumerate(SESSIONS.itertuples(index=False))
        for number in range(actions + errors)
    ]
    user, session, time, event = zip(*rows, strict=True)
    log = pd.DataFrame({"user_id": user, "session_id": session, "time": pd.DatetimeIndex(time), "event": event})
    without = SESSIONS.drop(index=9)  # f's second session has neither actions nor errors, and so no events
    pd.testing.assert_frame_equal(
        nu.impact_of_errors(log, strata=2, as_of=NOW), nu.impact_of_errors(without, strata=2, as_of=NOW)
    )


def test_more_activity_makes_no_difference_where_errors_and_returns_both_come_of_it():
    # The busy meet an error half of the time and always come back; the others seldom and seldom. No error matters.
    rows = []
    for number in range(200):
        busy = number % 2 == 0
        error = number % 4 == 0 if busy else number % 20 == 1
        back = busy or number % 5 == 0 or number % 100 == 1
        rows.append((f"u{number}", 0, 20 if busy else 2, int(error)))
        if back:
            rows.append((f"u{number}", 3, 1, 0))
    table = nu.impact_of_errors(sessions_of(*rows), strata=2, as_of=NOW).set_index("activity")
    assert table.loc["(crude)", "difference_low"] > 0
    assert table.loc["(pooled)", "difference_low"] < 0 < table.loc["(pooled)", "difference_high"]


def test_a_return_counts_whether_or_not_it_is_known_to_have_had_errors():
    sessions = sessions_of(("a", 0, 1, 0), ("a", 3, 1, None), ("b", 0, 1, 1))
    crude = nu.impact_of_errors(sessions, as_of=NOW).iloc[-1]
    assert (crude["users_without"], crude["returned_without"], crude["users_with"]) == (1, 1, 1)


def test_who_may_have_had_an_error_in_a_first_session_is_left_out_and_told():
    sessions = sessions_of(("a", 0, 1, None), ("a", 3, 1, 1), ("b", 0, 1, 1), ("c", 0, 1, 0))
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 3 users is left out"):
        crude = nu.impact_of_errors(sessions, as_of=NOW).iloc[-1]
    assert (crude["users_without"], crude["users_with"]) == (1, 1)


@pytest.mark.filterwarnings("ignore:No event is an error")
def test_an_event_without_a_session_is_a_return():
    times = pd.DatetimeIndex(["2026-06-01T10:00Z", "2026-06-09T10:00Z", "2026-06-01T10:00Z"])
    session = pd.array(["1", None, "2"], dtype=TEXT)
    log = pd.DataFrame({"user_id": list("aab"), "session_id": session, "time": times, "event": "open"})
    crude = nu.impact_of_errors(log, as_of=NOW).iloc[-1]
    assert (crude["users_without"], crude["returned_without"]) == (2, 1)


def test_pooled_has_no_users_who_are_compared_with_nobody():
    rows = [(f"a{number}", 0, 1, 0) for number in range(5)]
    rows += [(f"b{number}", 0, 9, number % 2) for number in range(5)]
    table = nu.impact_of_errors(sessions_of(*rows), strata=2, as_of=NOW).set_index("activity")
    assert table.loc["(pooled)", ["users_without", "users_with"]].tolist() == [3, 2]
    assert table.loc["(crude)", ["users_without", "users_with"]].tolist() == [8, 2]


def test_who_has_a_session_of_a_clock_that_is_years_behind_is_left_out():
    rows = [(f"u{number}", number % 5, 1, 0) for number in range(150)]
    sessions = sessions_of(*rows, ("u1", -20_000, 1, 5))
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 151 sessions lie before .* So are their users"):
        crude = nu.impact_of_errors(sessions, as_of=NOW).iloc[-1]
    assert (crude["users_without"], crude["users_with"]) == (149, 0)


def test_actions_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="1 of 14 numbers in the column actions is below 0 or infinite"):
        nu.impact_of_errors(SESSIONS.assign(actions=[math.inf] + [1.0] * 13))


def test_sessions_and_events_of_the_made_up_app_tell_the_same(shared_app):
    sessions = nu.load_sessions(shared_app, nu.load_users(shared_app).head(60))
    log = nu.EventLog(nu.load_session_events(shared_app, sessions), as_of=shared_app.now())
    asked = {"start": "2026-01-01", "as_of": shared_app.now()}
    pd.testing.assert_frame_equal(nu.impact_of_errors(log, **asked), nu.impact_of_errors(sessions, **asked))


def test_nothing_in_gives_the_same_columns_and_dtypes():
    full, empty = nu.impact_of_errors(SESSIONS, as_of=NOW), nu.impact_of_errors(sessions_of(), as_of=NOW)
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)
    assert empty["activity"].tolist() == ["(pooled)", "(crude)"]
    assert empty["difference"].isna().all()
    assert full.columns[-1] == "sample"


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"first": 0}, "first=0 must be a whole number from 1"),
        ({"strata": 11}, "from 1 to 10"),
        ({"within": "7 moons"}, 'write a duration such as within="28d"'),
    ],
)
def test_what_cannot_be_asked_says_what_can(arguments, match):
    with pytest.raises(ValueError, match=match):
        nu.impact_of_errors(SESSIONS, **arguments)


def test_sessions_without_actions_say_what_to_pass():
    with pytest.raises(ValueError, match=r"no column actions; pass the table of nu\.load_sessions"):
        nu.impact_of_errors(SESSIONS.drop(columns="actions"))


def test_pooled_of_one_stratum_is_no_narrower_than_newcombe_and_strata_with_one_group_only_tell_nothing():
    alone = pooled_difference([5], [20], [9], [30])
    difference, low, high = (float(edge) for edge in newcombe(5, 20, 9, 30))
    assert alone[0] == pytest.approx(difference)
    assert alone[1] <= low
    assert high <= alone[2]
    # Where all came back in both groups no variance is left, yet nothing is certain.
    assert pooled_difference([9], [9], [2], [2])[1] == pytest.approx(float(newcombe(9, 9, 2, 2)[1]))
    assert pooled_difference([5, 0, 4], [20, 0, 4], [9, 3, 0], [30, 9, 0]) == pytest.approx(alone)
    assert all(map(math.isnan, pooled_difference([1], [2], [0], [0])))


def test_pooled_weighs_strata_as_mantel_and_haenszel_do():
    # Weights 1000 * 1000 / 2000 = 500 and 4000 * 6000 / 10000 = 2400; differences 0.2 and -0.1.
    difference, low, high = pooled_difference([300, 2000], [1000, 4000], [500, 2400], [1000, 6000])
    assert difference == pytest.approx((500 * 0.2 + 2400 * -0.1) / 2900)
    # Of so many it is nearly the variance of Greenland and Robins.
    variance = 500**2 * (0.3 * 0.7 / 1000 + 0.5 * 0.5 / 1000) + 2400**2 * (0.5 * 0.5 / 4000 + 0.4 * 0.6 / 6000)
    assert (high - low) / 2 == pytest.approx(1.96 * math.sqrt(variance) / 2900, rel=0.02)


@st.composite
def tables(draw):
    rows = []
    for user in range(draw(st.integers(0, 6))):
        days = draw(st.lists(st.integers(0, 60), min_size=1, max_size=4, unique=True))
        rows += [(f"u{user}", day, draw(st.integers(0, 5)), draw(st.integers(0, 1))) for day in days]
    return draw(st.permutations(rows)), draw(st.integers(1, 3)), draw(st.integers(1, 30)), draw(st.integers(20, 100))


def check(asked):
    rows, first, within, as_of = asked
    known = [row for row in rows if row[1] <= as_of]
    counts, pending = {(error, back): 0 for error in (0, 1) for back in (0, 1)}, 0
    for user in {row[0] for row in known}:
        mine = sorted(row[1:] for row in known if row[0] == user)
        if len(mine) < first:
            continue
        last = mine[first - 1][0]
        if last + within > as_of - 2:
            pending += 1
            continue
        back = any(last < day <= last + within for day, _, _ in mine)
        counts[max(error for _, _, error in mine[:first]), int(back)] += 1
    moment = EPOCH + pd.Timedelta(as_of, "D")
    table = nu.impact_of_errors(sessions_of(*rows), first=first, within=f"{within}d", as_of=moment)
    crude = table.iloc[-1]
    assert crude["users_without"] == counts[0, 0] + counts[0, 1]
    assert crude["returned_without"] == counts[0, 1]
    assert crude["users_with"] == counts[1, 0] + counts[1, 1]
    assert crude["returned_with"] == counts[1, 1]
    assert crude["pending"] == pending
    groups = table.iloc[:-2]
    numbers = ["users_without", "returned_without", "users_with", "returned_with"]
    np.testing.assert_array_equal(groups[numbers].sum().to_numpy(), crude[numbers].to_numpy(dtype="int64"))


@pytest.mark.filterwarnings("ignore:No user can be counted yet")
@given(tables())
@settings(max_examples=TABLES)
def test_the_counts_are_those_of_going_through_the_users_one_by_one(asked):
    check(asked)


if __name__ == "__main__":
    thorough = settings(max_examples=int(sys.argv[1]), deadline=None, database=None, derandomize=False)
    thorough(given(tables())(check))()
