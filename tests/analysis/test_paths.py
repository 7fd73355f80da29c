"""paths: small logs counted by hand, and any log against a loop over its users."""

import math
from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

import nucleus_pandas as nu
from nucleus_pandas.analysis.paths import PATHS

# Small logs with few times hold such rows; test_row_checks.py has the warning.
pytestmark = pytest.mark.filterwarnings("ignore:.*repeat another row")

START = pd.Timestamp("2026-09-01", tz="UTC")


def log_of(*rows, **columns):
    """Lay out an event log from (user, minute, event)."""
    users, minutes, events = zip(*rows, strict=True) if rows else ((), (), ())
    times = START + pd.to_timedelta(np.array(minutes, dtype="float64"), unit="min")
    frame = {"user_id": pd.array(users, dtype="string"), "time": times.as_unit("us")}
    return pd.DataFrame(frame | {"event": pd.array(events, dtype="string")} | columns)


def paths(events, *which, **arguments):
    """The paths of a log that is old enough for all of them to be over."""
    return nu.paths(events, *which, **{"as_of": "2026-12-31"} | arguments)


def moves(table):
    return {(row.step, row.source, row.target): row.users for row in table.itertuples()}


def test_each_user_has_a_path_from_the_event_on():
    log = log_of(("a", 0, "open"), ("a", 1, "save"), ("a", 2, "share"), ("b", 0, "open"), ("b", 5, "share"))
    assert moves(paths(log, "open", steps=2)) == {
        (1, "open", "save"): 1,
        (1, "open", "share"): 1,
        (2, "save", "share"): 1,
        (2, "share", "(exit)"): 1,
    }


def test_what_led_to_an_event_is_counted_backwards_in_order_of_time():
    log = log_of(("a", 0, "open"), ("a", 1, "save"), ("a", 2, "share"), ("b", 0, "open"), ("b", 5, "share"))
    table = paths(log, before="share", steps=2)
    assert moves(table) == {
        (-2, "open", "save"): 1,
        (-2, "(entry)", "open"): 1,
        (-1, "save", "share"): 1,
        (-1, "open", "share"): 1,
    }
    assert table["step"].tolist() == [-2, -2, -1, -1]


def test_shares_are_of_all_users_with_a_path():
    log = log_of(
        ("a", 0, "open"), ("a", 1, "save"), ("b", 0, "open"), ("b", 1, "save"), ("c", 0, "open"), ("d", 0, "x")
    )
    table = paths(log, "open", steps=1)
    assert table["users"].tolist() == [2, 1]
    assert table["share"].tolist() == [2 / 3, 1 / 3]


def test_a_user_has_one_path_from_the_first_time():
    log = log_of(("a", 0, "open"), ("a", 1, "save"), ("a", 2, "open"), ("a", 3, "share"))
    assert moves(paths(log, "open", steps=1)) == {(1, "open", "save"): 1}
    assert moves(paths(log, before="open", steps=1)) == {(-1, "(entry)", "open"): 1}


def test_repeats_in_a_row_count_once():
    log = log_of(*(("a", minute, event) for minute, event in enumerate(["open", "open", "save", "save", "open"])))
    assert moves(paths(log, "open", steps=2)) == {(1, "open", "save"): 1, (2, "save", "open"): 1}


def test_a_path_ends_after_a_silence_longer_than_the_gap():
    log = log_of(("a", 0, "open"), ("a", 30, "save"), ("a", 60.5, "share"))
    assert moves(paths(log, "open", steps=3)) == {(1, "open", "save"): 1, (2, "save", "(exit)"): 1}
    assert moves(paths(log, before="share", steps=1)) == {(-1, "(entry)", "share"): 1}


def test_a_silence_is_measured_from_the_last_repeat():
    log = log_of(("a", 0, "open"), ("a", 29, "open"), ("a", 58, "save"))
    assert (1, "open", "save") in moves(paths(log, "open"))


def test_a_repeat_after_a_silence_is_another_visit():
    log = log_of(("a", 0, "open"), ("a", 60, "open"), ("a", 61, "save"))
    assert moves(paths(log, "open", steps=1)) == {(1, "open", "(exit)"): 1}


@pytest.mark.parametrize("gap", ["2h", pd.Timedelta(minutes=31), None])
def test_another_gap_can_be_set(gap):
    log = log_of(("a", 0, "open"), ("a", 30.5, "save"))
    assert moves(paths(log, "open", steps=1, gap=gap)) == {(1, "open", "save"): 1}


def test_without_a_gap_a_path_still_ends_with_its_user():
    log = log_of(("a", 0, "open"), ("b", 1, "save"))
    assert moves(paths(log, "open", steps=1, gap=None)) == {(1, "open", "(exit)"): 1}


def test_system_events_neither_stand_in_a_path_nor_fill_a_gap():
    rows = [
        ("a", 0, "open"),
        ("a", 20, "beat"),
        ("a", 40, "save"),
        ("b", 0, "open"),
        ("b", 1, "beat"),
        ("b", 2, "save"),
    ]
    log = log_of(*rows, kind=["custom", "system", "custom"] * 2)
    assert moves(paths(log, "open", steps=1)) == {(1, "open", "(exit)"): 1, (1, "open", "save"): 1}


def test_what_came_before_a_system_event_can_be_asked():
    log = log_of(("a", 0, "open"), ("a", 1, "beat"), ("a", 2, "end"), kind=["custom", "system", "system"])
    assert moves(paths(log, before="end", steps=1)) == {(-1, "open", "end"): 1}


def test_of_several_events_any_begins_a_path():
    log = log_of(("a", 0, "open"), ("a", 1, "save"), ("b", 0, "save"), ("b", 1, "open"), ("c", 0, "x"))
    assert moves(paths(log, ["open", "save"], steps=1)) == {
        (1, "open or save", "save"): 1,
        (1, "open or save", "open"): 1,
    }


def test_an_event_on_a_condition_begins_a_path():
    log = log_of(
        ("a", 0, "open"), ("a", 1, "save"), ("a", 2, "open"), ("a", 3, "x"), **{"data.how": ["new", None, "old", None]}
    )
    assert moves(paths(log, nu.step("open", where={"how": "old"}), steps=1)) == {(1, "open [how=old]", "x"): 1}


def test_starts_views_and_errors_stand_in_a_path():
    kinds = ["init", "view", "error"]
    log = log_of(("a", 0, "init"), ("a", 1, "nucleus:view"), ("a", 2, "error:Timeout"), kind=kinds)
    assert set(moves(paths(log, "init", steps=2))) == {
        (1, "init", "nucleus:view"),
        (2, "nucleus:view", "error:Timeout"),
    }


def test_events_beyond_top_are_summed_at_each_step():
    rows = [(f"{event}{n}", 1, event) for event, users in (("x", 3), ("y", 2), ("z", 1)) for n in range(users)]
    log = log_of(*((user, 0, "open") for user, _, _ in rows), *rows)
    table = paths(log, "open", steps=2, top=1)
    assert moves(table) == {
        (1, "open", "x"): 3,
        (1, "open", "(other)"): 3,
        (2, "x", "(exit)"): 3,
        (2, "(other)", "(exit)"): 3,
    }


def test_of_events_with_as_many_users_the_first_by_name_is_kept():
    log = log_of(("a", 0, "open"), ("a", 1, "y"), ("b", 0, "open"), ("b", 1, "x"))
    assert set(moves(paths(log, "open", steps=1, top=1))) == {(1, "open", "x"), (1, "open", "(other)")}


def test_an_event_named_like_an_end_is_quoted():
    log = log_of(("a", 0, "open"), ("a", 1, "(exit)"), ("a", 2, "(other)"))
    assert set(moves(paths(log, "open", steps=2))) == {(1, "open", '"(exit)"'), (2, '"(exit)"', '"(other)"')}


def test_the_interval_is_that_of_the_event_and_not_of_what_follows():
    minutes_of_day = 24 * 60
    log = log_of(("a", 0, "open"), ("a", 1, "x"), ("a", minutes_of_day - 1, "open"), ("a", minutes_of_day + 1, "save"))
    assert moves(paths(log, "open", steps=1, start="2026-09-01T12:00Z", end="2026-09-01")) == {(1, "open", "save"): 1}


def test_the_interval_is_one_of_local_days():
    log = log_of(("a", 0, "open"), ("a", 1, "x"))
    assert len(paths(log, "open", end="2026-08-31")) == 0
    assert len(paths(log, "open", end="2026-08-31", tz="America/New_York")) > 0


def test_nobody_within_the_interval_gives_an_empty_table_with_its_columns():
    log = log_of(("a", 0, "open"))
    assert paths(log, "open", start="2026-10-01").dtypes.to_dict() == PATHS


def test_a_log_without_events_gives_an_empty_table_with_its_columns():
    table = paths(log_of(("a", 0, "open")).iloc[:0], "open")
    assert len(table) == 0
    assert table.dtypes.to_dict() == PATHS


def test_a_log_of_one_event_is_one_exit():
    assert moves(paths(log_of(("a", 0, "open")), "open")) == {(1, "open", "(exit)"): 1}


def test_the_sample_of_the_log_is_told():
    table = paths(nu.EventLog(log_of(("a", 0, "open")), sample=0.25), "open")
    assert table["sample"].tolist() == [0.25]


TWO_DAYS = 48 * 60


def minute(number):
    return START + pd.Timedelta(number, "min")


def test_what_lies_after_as_of_is_not_seen():
    log = log_of(("a", 0, "open"), ("a", 1, "save"), ("b", 0, "x"), ("b", 5_000_000, "open"))
    for known in (nu.EventLog(log, as_of=minute(9000)), log):
        table = nu.paths(known, "open", steps=1, as_of=None if isinstance(known, nu.EventLog) else minute(9000))
        assert moves(table) == {(1, "open", "save"): 1}
        assert table["pending"].tolist() == [0]
    assert moves(paths(log, "open", steps=1, as_of=minute(0.5), gap=None)) == {(1, "open", "(exit)"): 1}


def test_a_path_that_was_not_over_two_days_before_is_pending():
    log = log_of(("a", 0, "open"), ("a", 1, "save"), ("a", 2, "share"), ("b", 0, "open"), ("b", 40, "save"))
    # With two steps that of a is over with share; that of b half an hour after open.
    table = paths(log, "open", steps=2, as_of=minute(TWO_DAYS + 29))
    assert moves(table) == {(1, "open", "save"): 1, (2, "save", "share"): 1}
    assert table["share"].tolist() == [1, 1]
    assert table["pending"].tolist() == [1, 1]
    later = paths(log, "open", steps=2, as_of=minute(TWO_DAYS + 30))
    assert moves(later)[1, "open", "(exit)"] == 1
    assert later["pending"].eq(0).all()
    with pytest.warns(nu.IncompleteDataWarning, match="There is no path to count: 2 users"):
        assert len(paths(log, "open", steps=2, as_of=minute(TWO_DAYS + 1))) == 0


def test_a_path_that_leads_to_an_event_is_over_with_it():
    log = log_of(("a", 0, "open"), ("a", 10, "share"), ("b", 11, "share"))
    table = paths(log, before="share", steps=1, as_of=minute(TWO_DAYS + 10))
    assert (moves(table), table["pending"].tolist()) == ({(-1, "open", "share"): 1}, [1])


def test_without_a_gap_nobody_is_pending():
    log = log_of(("a", 0, "open"), ("a", 1, "save"))
    assert nu.paths(log, "open", steps=1, gap=None)["pending"].tolist() == [0]
    assert nu.paths(log, before="open", steps=1, gap=None)["pending"].tolist() == [0]


def test_rows_in_any_order_give_the_same_table():
    log = log_of(
        *((user, minute, event) for user in "abc" for minute, event in enumerate(["open", "save", "share", user]))
    )
    pd.testing.assert_frame_equal(paths(log, "open"), paths(log.sample(frac=1, random_state=3), "open"))


def test_the_log_stays_as_it_was():
    log = log_of(("b", 1, "save"), ("b", 0, "open"))
    before = log.copy()
    paths(log, "open")
    pd.testing.assert_frame_equal(log, before)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "name one event"),
        ({"after": "open", "before": "save"}, "name one event"),
        ({"after": "opem"}, '"open"'),
        ({"after": "open", "steps": 0}, "steps=.* must be a whole number from 1 to 20"),
        ({"after": "open", "steps": True}, "steps=.* must be a whole number from 1 to 20"),
        ({"after": "open", "top": 31}, "top=.* must be a whole number from 1 to 30"),
        ({"after": "open", "top": 2.5}, "top=.* must be a whole number from 1 to 30"),
        ({"after": "open", "gap": "soon"}, "gap"),
        ({"after": "open", "gap": "-1h"}, "gap"),
        ({"after": "open", "gap": "30"}, "gap"),
        ({"after": "open", "start": "2026-09-02", "end": "2026-09-01"}, "is not before"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_to_write(arguments, told):
    log = log_of(("a", 0, "open"), ("a", 1, "save"), ("a", 2, "beat"), kind=["custom", "custom", "system"])
    with pytest.raises(ValueError, match=told):
        paths(log, **arguments)


def by_hand(rows, event, steps, top, gap, as_of, *, forwards):
    """Walk each user's path, event by event."""
    users = sorted({user for user, _, _ in rows})
    walked, pending = [], 0
    for user in users:
        visits = [[]]
        last = None
        for time, name in sorted(((m, n) for u, m, n in rows if u == user and m <= as_of), key=lambda row: row[0]):
            if last is not None and gap is not None and time - last > gap:
                visits.append([])
            if not visits[-1] or visits[-1][-1][0] != name:
                visits[-1].append([name, time, time])
            visits[-1][-1][2] = last = time
        with_it = [visit for visit in visits if event in [name for name, _, _ in visit]]
        if with_it:
            visit = with_it[0]
            at = [name for name, _, _ in visit].index(event)
            path = visit[at : at + steps + 1] if forwards else visit[: at + 1][::-1][: steps + 1]
            if gap is None:
                over = -math.inf
            elif not forwards:
                over = path[0][1]
            else:
                over = path[-1][1] if len(path) > steps else visit[-1][2] + gap
            if over <= as_of - TWO_DAYS:
                walked.append([name for name, _, _ in path])
            else:
                pending += 1
    end = "(exit)" if forwards else "(entry)"
    full = [(path + [end] * (steps + 1))[: steps + 1] for path in walked]
    for place in range(1, steps + 1):
        counts = Counter(path[place] for path in full if path[place] != end)
        kept = {name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top]} | {end}
        for path in full:
            path[place] = path[place] if path[place] in kept else "(other)"
    found = Counter()
    for path in full:
        for place in range(1, steps + 1):
            if path[place - 1] != end:
                pair = (path[place - 1], path[place]) if forwards else (path[place], path[place - 1])
                found[(place if forwards else -place, *pair)] += 1
    return dict(found), len(full), pending


def check(rows, steps, top, gap, as_of, forwards):
    rows = [*rows, ("nobody", -10_000, "a")]
    expected, users, pending = by_hand(rows, "a", steps, top, gap, as_of, forwards=forwards)
    settings_ = {"steps": steps, "top": top, "gap": None if gap is None else pd.Timedelta(minutes=gap)}
    which = {"after": "a"} if forwards else {"before": "a"}
    table = paths(log_of(*rows), **which, **settings_, as_of=minute(as_of))
    assert moves(table) == expected
    assert table["share"].tolist() == [count / users for count in table["users"]]
    assert set(table["pending"]) == {pending}


ROWS = st.lists(st.tuples(st.sampled_from("uvw"), st.integers(0, 40), st.sampled_from("abcd")), max_size=25)


AS_OF = st.one_of(st.just(100_000), st.integers(0, 50), st.integers(TWO_DAYS, TWO_DAYS + 50))


@settings(max_examples=150)
@given(ROWS, st.integers(1, 4), st.integers(1, 3), st.sampled_from([None, 0.5, 1, 3, 10]), AS_OF, st.booleans())
def test_any_log_gives_what_a_loop_over_its_users_gives(rows, steps, top, gap, as_of, forwards):
    # Ties of time keep the order in which they were received, in the log as in the loop.
    check(rows, steps, top, gap, as_of, forwards)
