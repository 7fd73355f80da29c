"""Every combination of the arguments of retention against a loop over users and periods.

Run ``python -m tests.analysis.retention.test_retention_slowly 5000`` for as many logs as you like.
"""

import datetime as dt
import sys
import zoneinfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from tests.analysis.retention.slow_retention import WEEKDAYS, Asked, Event, number, slow_retention

# Small logs with few times hold such rows; test_row_checks.py has the warning.
pytestmark = pytest.mark.filterwarnings("ignore:.*repeat another row", "ignore:No user can be counted yet")

LOGS = 80
HOUR = dt.timedelta(hours=1)
# Both changes of 2026 in each: Beirut's midnight does not exist in spring, Lord Howe's clocks change by half an hour.
ZONES = ["UTC", "Europe/Paris", "America/New_York", "Asia/Beirut", "Australia/Lord_Howe", "+05:45"]
SPRING, AUTUMN = (dt.datetime(2026, month, 24, tzinfo=dt.UTC) for month in (3, 10))
# How far apart things are, in hours, so that periods of each length are filled.
SPREAD = {"D": 24 * 8, "W": 24 * 40, "M": 24 * 150, "Q": 24 * 400}
NAMES = ["A", "B", "nucleus:heartbeat"]


def zone_of(name):
    return dt.timezone(dt.timedelta(hours=5, minutes=45)) if name.startswith("+") else zoneinfo.ZoneInfo(name)


@st.composite
def moments(draw, base, spread):
    """An instant, often one at which a local day begins somewhere."""
    time = base + draw(st.integers(0, spread)) * HOUR
    return time + draw(st.sampled_from([0, 0, 15, 30])) * dt.timedelta(minutes=1)


@st.composite
def questions(draw):
    freq = draw(st.sampled_from("DWMQ"))
    base, spread = draw(st.sampled_from([SPRING, AUTUMN])), SPREAD[freq]
    when = moments(base, spread)
    plans = st.sampled_from(["free", "pro", None])
    events = [
        Event(
            f"u{user}", draw(when), draw(st.sampled_from(NAMES)), draw(st.sampled_from([None, "1", "2"])), draw(plans)
        )
        for user in range(draw(st.integers(1, 4)))
        for _ in range(draw(st.integers(1, 6)))
    ]
    users = draw(st.none() | st.fixed_dictionaries({f"u{n}": st.tuples(when, plans) for n in (0, 1, 9)}))
    brackets = draw(st.sampled_from([None, None, ((0, 0), (1, 2), (1, 4)), ((2, 3),)]))
    start, end = draw(st.sampled_from([(None, None), (2, None), (None, 3), (1, 3)]))
    named = st.sampled_from([None, None, "A", "B"])
    asked = Asked(
        users=users,
        start_event=None if users is not None else draw(named),
        return_event=draw(named),
        first_time=True if users is not None else draw(st.booleans()),
        freq=freq,
        periods=None if brackets else draw(st.sampled_from([None, None, 1, 4])),
        criterion="on" if brackets else draw(st.sampled_from(["on", "on_or_after", "on_or_before"])),
        brackets=brackets,
        clock=draw(st.sampled_from(["calendar", "elapsed"])),
        week_start=draw(st.sampled_from(WEEKDAYS)),
        by=draw(st.booleans()),
        start=None if start is None else base + start * spread / 5 * HOUR,
        end=None if end is None else base + end * spread / 5 * HOUR,
        zone=zone_of(draw(st.sampled_from(ZONES))),
        as_of=draw(moments(base + spread / 3 * HOUR, spread)),
    )
    return draw(st.permutations(events)), asked


@st.composite
def first_sessions(draw):
    """The question that a plain frame answers without a log, of users who come often or hardly ever."""
    often = moments(SPRING, 24 * draw(st.sampled_from([2, 10, 15, 15, 20, 60])))
    events = [
        Event(f"u{user}", draw(often), draw(st.sampled_from("AB")), None, None)
        for user in range(draw(st.integers(1, 3)))
        for _ in range(draw(st.integers(1, 3)))
    ]
    asked = Asked(
        users=None,
        start_event=None,
        return_event=None,
        first_time=True,
        freq=draw(st.sampled_from("DDWM")),
        periods=draw(st.sampled_from([None, 3])),
        criterion=draw(st.sampled_from(["on", "on_or_after", "on_or_before"])),
        brackets=None,
        clock="calendar",
        week_start="monday",
        by=False,
        start=None,
        end=None,
        zone=zone_of(draw(st.sampled_from(ZONES))),
        as_of=draw(often),
    )
    return draw(st.permutations(events)), asked


# Rows that make every name known, of a user who comes too late for every question.
LATER = dt.datetime(2028, 6, 1, tzinfo=dt.UTC)
KNOWN = [Event("nobody", LATER, name, None, None) for name in NAMES]


def frame_of(events):
    return pd.DataFrame(
        {
            "user_id": [event.user for event in events],
            "time": pd.DatetimeIndex([event.time for event in events]).as_unit("us"),
            "event": [event.name for event in events],
            "session_id": pd.Series([event.session for event in events], dtype=object),
            "data.plan": pd.Series([event.plan for event in events], dtype=object),
        }
    )


def users_of(users):
    return (
        None
        if users is None
        else pd.DataFrame(
            {
                "user_id": list(users),
                "created_at": pd.DatetimeIndex([time for time, _ in users.values()]).as_unit("us"),
                "props.plan": pd.Series([plan for _, plan in users.values()], dtype=object),
            }
        )
    )


def ask(events, asked):
    plain = asked.start_event is None and asked.return_event is None and not any(one.session for one in events)
    return nu.retention(
        frame_of(events).drop(columns="session_id") if plain else frame_of([*events, *KNOWN]),
        users=users_of(asked.users),
        start_event=asked.start_event,
        return_event=asked.return_event,
        first_time=asked.first_time,
        freq=asked.freq,
        periods=asked.periods,
        criterion=asked.criterion,
        brackets=asked.brackets,
        clock=asked.clock,
        week_start=asked.week_start,
        by="plan" if asked.by else None,
        start=asked.start,
        end=asked.end,
        tz=asked.zone,
        as_of=asked.as_of,
    )


def check(given):
    events, asked = given
    table = ask(events, asked)
    noon = table["cohort"].dt.tz_localize("UTC") + 12 * HOUR
    found = {}
    for row, cohort in zip(table.itertuples(index=False), noon, strict=True):
        plan = None if not asked.by or row.segment == "(none)" else row.segment
        local = cohort.to_pydatetime().replace(tzinfo=asked.zone)
        key = ((plan if asked.by else ""), number(local, asked), row.age)
        known = None if pd.isna(row.retained) else row.retained
        assert pd.isna(row.rate) == (known is None) == pd.isna(row.rate_low)
        assert known is None or row.rate == known / row.eligible
        found[key] = (row.users, row.eligible, known, row.complete)
    assert len(found) == len(table)
    assert found == slow_retention(events, asked)


@pytest.mark.filterwarnings("ignore:.*have no activity at all")
@given(questions())
@settings(max_examples=LOGS)
def test_retention_is_that_of_a_loop_over_users_and_periods(given):
    check(given)


@given(first_sessions())
@settings(max_examples=LOGS)
def test_retention_of_a_plain_frame_is_that_of_a_loop_over_users_and_periods(given):
    check(given)


if __name__ == "__main__":
    thorough = settings(max_examples=int(sys.argv[1]), deadline=None, database=None, derandomize=False)
    thorough(given(questions())(check))()
    thorough(given(first_sessions())(check))()
