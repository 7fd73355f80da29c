"""paths: small logs counted by hand, and any log against a loop over its users."""

from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

import nucleus_pandas as nu
from nucleus_pandas.analysis.paths import PATHS

START = pd.Timestamp("2026-09-01", tz="UTC")


def log_of(*rows, **columns):
    """Lay out an event log from (user, minute, event)."""
    users, minutes, events = zip(*rows, strict=True) if rows else ((), (), ())
    times = START + pd.to_timedelta(np.array(minutes, dtype="float64"), unit="min")
    frame = {"user_id": pd.array(users, dtype="string"), "time": times.as_unit("us")}
    return pd.DataFrame(frame | {"event": pd.array(events, dtype="string")} | columns)


def moves(table):
    return {(row.step, row.source, row.target): row.users for row in table.itertuples()}


def test_each_user_has_a_path_from_the_event_on():
    log = log_of(("a", 0, "open"), ("a", 1, "save"), ("a", 2, "share"), ("b", 0, "open"), ("b", 5, "share"))
    assert moves(nu.paths(log, "open", steps=2)) == {
        (1, "open", "save"): 1,
        (1, "open", "share"): 1,
        (2, "save", "share"): 1,
        (2, "share", "(exit)"): 1,
    }


def test_what_led_to_an_event_is_counted_backwards_in_order_of_time():
    log = log_of(("a", 0, "open"), ("a", 1, "save"), ("a", 2, "share"), ("b", 0, "open"), ("b", 5, "share"))
    table = nu.paths(log, before="share", steps=2)
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
    table = nu.paths(log, "open", steps=1)
    assert table["users"].tolist() == [2, 1]
    assert table["share"].tolist() == [2 / 3, 1 / 3]


def test_a_user_has_one_path_from_the_first_time():
    log = log_of(("a", 0, "open"), ("a", 1, "save"), ("a", 2, "open"), ("a", 3, "share"))
    assert moves(nu.paths(log, "open", steps=1)) == {(1, "open", "save"): 1}
    assert moves(nu.paths(log, before="open", steps=1)) == {(-1, "(entry)", "open"): 1}


def test_repeats_in_a_row_count_once():
    log = log_of(*(("a", minute, event) for minute, event in enumerate(["open", "open", "save", "save", "open"])))
    assert moves(nu.paths(log, "open", steps=2)) == {(1, "open", "save"): 1, (2, "save", "open"): 1}


def test_a_path_ends_after_a_silence_longer_than_the_gap():
    log = log_of(("a", 0, "open"), ("a", 30, "save"), ("a", 60.5, "share"))
    assert moves(nu.paths(log, "open", steps=3)) == {(1, "open", "save"): 1, (2, "save", "(exit)"): 1}
    assert moves(nu.paths(log, before="share", steps=1)) == {(-1, "(entry)", "share"): 1}


def test_a_silence_is_measured_from_the_last_repeat():
    log = log_of(("a", 0, "open"), ("a", 29, "open"), ("a", 58, "save"))
    assert (1, "open", "save") in moves(nu.paths(log, "open"))


def test_a_repeat_after_a_silence_is_another_visit():
    log = log_of(("a", 0, "open"), ("a", 60, "open"), ("a", 61, "save"))
    assert moves(nu.paths(log, "open", steps=1)) == {(1, "open", "(exit)"): 1}


@pytest.mark.parametrize("gap", ["2h", pd.Timedelta(minutes=31), None])
def test_another_gap_can_be_set(gap):
    log = log_of(("a", 0, "open"), ("a", 30.5, "save"))
    assert moves(nu.paths(log, "open", steps=1, gap=gap)) == {(1, "open", "save"): 1}


def test_without_a_gap_a_path_still_ends_with_its_user():
    log = log_of(("a", 0, "open"), ("b", 1, "save"))
    assert moves(nu.paths(log, "open", steps=1, gap=None)) == {(1, "open", "(exit)"): 1}


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
    assert moves(nu.paths(log, "open", steps=1)) == {(1, "open", "(exit)"): 1, (1, "open", "save"): 1}


def test_what_came_before_a_system_event_can_be_asked():
    log = log_of(("a", 0, "open"), ("a", 1, "beat"), ("a", 2, "end"), kind=["custom", "system", "system"])
    assert moves(nu.paths(log, before="end", steps=1)) == {(-1, "open", "end"): 1}


def test_of_several_events_any_begins_a_path():
    log = log_of(("a", 0, "open"), ("a", 1, "save"), ("b", 0, "save"), ("b", 1, "open"), ("c", 0, "x"))
    assert moves(nu.paths(log, ["open", "save"], steps=1)) == {
        (1, "open or save", "save"): 1,
        (1, "open or save", "open"): 1,
    }


def test_an_event_on_a_condition_begins_a_path():
    log = log_of(
        ("a", 0, "open"), ("a", 1, "save"), ("a", 2, "open"), ("a", 3, "x"), **{"data.how": ["new", None, "old", None]}
    )
    assert moves(nu.paths(log, nu.step("open", where={"how": "old"}), steps=1)) == {(1, "open [how=old]", "x"): 1}


def test_starts_views_and_errors_stand_in_a_path():
    kinds = ["init", "view", "error"]
    log = log_of(("a", 0, "init"), ("a", 1, "nucleus:view"), ("a", 2, "error:Timeout"), kind=kinds)
    assert set(moves(nu.paths(log, "init", steps=2))) == {
        (1, "init", "nucleus:view"),
        (2, "nucleus:view", "error:Timeout"),
    }


def test_events_beyond_top_are_summed_at_each_step():
    rows = [(f"{event}{n}", 1, event) for event, users in (("x", 3), ("y", 2), ("z", 1)) for n in range(users)]
    log = log_of(*((user, 0, "open") for user, _, _ in rows), *rows)
    table = nu.paths(log, "open", steps=2, top=1)
    assert moves(table) == {
        (1, "open", "x"): 3,
        (1, "open", "(other)"): 3,
        (2, "x", "(exit)"): 3,
        (2, "(other)", "(exit)"): 3,
    }


def test_of_events_with_as_many_users_the_first_by_name_is_kept():
    log = log_of(("a", 0, "open"), ("a", 1, "y"), ("b", 0, "open"), ("b", 1, "x"))
    assert set(moves(nu.paths(log, "open", steps=1, top=1))) == {(1, "open", "x"), (1, "open", "(other)")}


def test_an_event_named_like_an_end_is_quoted():
    log = log_of(("a", 0, "open"), ("a", 1, "(exit)"), ("a", 2, "(other)"))
    assert set(moves(nu.paths(log, "open", steps=2))) == {(1, "open", '"(exit)"'), (2, '"(exit)"', '"(other)"')}


def test_the_interval_is_that_of_the_event_and_not_of_what_follows():
    minutes_of_day = 24 * 60
    log = log_of(("a", 0, "open"), ("a", 1, "x"), ("a", minutes_of_day - 1, "open"), ("a", minutes_of_day + 1, "save"))
    assert moves(nu.paths(log, "open", steps=1, start="2026-09-01T12:00Z", end="2026-09-01")) == {
        (1, "open", "save"): 1
    }


def test_the_interval_is_one_of_local_days():
    log = log_of(("a", 0, "open"), ("a", 1, "x"))
    assert len(nu.paths(log, "open", end="2026-08-31")) == 0
    assert len(nu.paths(log, "open", end="2026-08-31", tz="America/New_York")) > 0


def test_nobody_within_the_interval_gives_an_empty_table_with_its_columns():
    log = log_of(("a", 0, "open"))
    assert nu.paths(log, "open", start="2027-01-01").dtypes.to_dict() == PATHS


def test_a_log_without_events_gives_an_empty_table_with_its_columns():
    table = nu.paths(log_of(("a", 0, "open")).iloc[:0], "open")
    assert len(table) == 0
    assert table.dtypes.to_dict() == PATHS


def test_a_log_of_one_event_is_one_exit():
    assert moves(nu.paths(log_of(("a", 0, "open")), "open")) == {(1, "open", "(exit)"): 1}


def test_the_sample_of_the_log_is_told():
    table = nu.paths(nu.EventLog(log_of(("a", 0, "open")), sample=0.25), "open")
    assert table["sample"].tolist() == [0.25]


def test_rows_in_any_order_give_the_same_table():
    log = log_of(
        *((user, minute, event) for user in "abc" for minute, event in enumerate(["open", "save", "share", user]))
    )
    pd.testing.assert_frame_equal(nu.paths(log, "open"), nu.paths(log.sample(frac=1, random_state=3), "open"))


def test_the_log_stays_as_it_was():
    log = log_of(("b", 1, "save"), ("b", 0, "open"))
    before = log.copy()
    nu.paths(log, "open")
    pd.testing.assert_frame_equal(log, before)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "name one event"),
        ({"after": "open", "before": "save"}, "name one event"),
        ({"after": "opem"}, '"open"'),
        ({"after": "open", "steps": 0}, "steps must be a whole number from 1 to 20"),
        ({"after": "open", "top": 31}, "top must be a whole number from 1 to 30"),
        ({"after": "open", "top": 2.5}, "top must be a whole number from 1 to 30"),
        ({"after": "open", "gap": "soon"}, "gap"),
        ({"after": "open", "gap": "-1h"}, "gap"),
        ({"after": "open", "gap": "30"}, "gap"),
        ({"after": "open", "start": "2026-09-02", "end": "2026-09-01"}, "is not before"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_to_write(arguments, told):
    log = log_of(("a", 0, "open"), ("a", 1, "save"), ("a", 2, "beat"), kind=["custom", "custom", "system"])
    with pytest.raises(ValueError, match=told):
        nu.paths(log, **arguments)


def by_hand(rows, event, steps, top, gap, *, forwards):
    """Walk each user's path, event by event."""
    users = sorted({user for user, _, _ in rows})
    walked = []
    for user in users:
        visits = [[]]
        last = None
        for minute, name in sorted(((m, n) for u, m, n in rows if u == user), key=lambda row: row[0]):
            if last is not None and gap is not None and minute - last > gap:
                visits.append([])
            if not visits[-1] or visits[-1][-1] != name:
                visits[-1].append(name)
            last = minute
        with_it = [visit for visit in visits if event in visit]
        if with_it:
            visit = with_it[0]
            at = visit.index(event)
            walked.append(visit[at : at + steps + 1] if forwards else visit[: at + 1][::-1][: steps + 1])
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
    return dict(found), len(full)


def check(rows, steps, top, gap, forwards):
    log = log_of(*rows, ("nobody", -10_000, "a"))
    rows = [*rows, ("nobody", -10_000, "a")]
    expected, users = by_hand(rows, "a", steps, top, gap, forwards=forwards)
    settings_ = {"steps": steps, "top": top, "gap": None if gap is None else pd.Timedelta(minutes=gap)}
    table = nu.paths(log, "a", **settings_) if forwards else nu.paths(log, before="a", **settings_)
    assert moves(table) == expected
    assert table["share"].tolist() == [count / users for count in table["users"]]


ROWS = st.lists(st.tuples(st.sampled_from("uvw"), st.integers(0, 40), st.sampled_from("abcd")), max_size=25)


@settings(max_examples=150)
@given(ROWS, st.integers(1, 4), st.integers(1, 3), st.sampled_from([None, 0.5, 1, 3, 10]), st.booleans())
def test_any_log_gives_what_a_loop_over_its_users_gives(rows, steps, top, gap, forwards):
    # Ties of time keep the order in which they were received, in the log as in the loop.
    check(rows, steps, top, gap, forwards)
