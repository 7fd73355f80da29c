"""Every combination of a funnel's arguments against a loop that tries everything.

Run ``python -m tests.analysis.funnel.test_funnel_slowly 20000`` for as many logs as you like.
"""

import sys

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from tests.analysis.funnel.slow_funnel import Asked, Event, slow_funnel_users

# Small logs with few times hold such rows; test_row_checks.py has the warning.
pytestmark = pytest.mark.filterwarnings("ignore:.*repeat another row")

LOGS = 400
EPOCH = pd.Timestamp("2026-09-01", tz="UTC")
NAMES = ["A", "B", "C", "D", "nucleus:props"]

names = st.sampled_from(NAMES)
steps = st.lists(st.lists(names, min_size=1, max_size=2, unique=True).map(tuple), min_size=1, max_size=4)


@st.composite
def logs(draw):
    users = draw(st.integers(1, 2))
    events = []
    for user in range(users):
        size = draw(st.integers(1, 6))
        last = draw(st.sampled_from([1, 3, 8]))
        for _ in range(size):
            session = draw(st.sampled_from([None, "s1", "s2"]))
            events.append(Event(f"u{user}", draw(st.integers(0, last)), draw(names), session))
    return draw(st.permutations(events))


@st.composite
def questions(draw):
    wanted = tuple(draw(steps))
    exclude = []
    if len(wanted) > 1:
        for _ in range(draw(st.integers(0, 2))):
            first = draw(st.integers(1, len(wanted) - 1))
            exclude.append(((draw(names),), first, draw(st.integers(first + 1, len(wanted)))))
    return Asked(
        steps=wanted,
        window=draw(st.sampled_from([1, 2, 3, 6, None])),
        order=draw(st.sampled_from(["ordered", "strict", "any"])),
        entry=draw(st.sampled_from(["any", "first"])),
        exclude=tuple(exclude),
        on_exclude=draw(st.sampled_from(["drop", "stop"])),
        ties=draw(st.sampled_from(["either", "strict"])),
        start=draw(st.sampled_from([None, None, 1, 3])),
        end=draw(st.sampled_from([None, None, 5, 9])),
        as_of=draw(st.sampled_from([100, 100, 4, 50, 53])),
        include_pending=draw(st.booleans()),
    )


def at(hours):
    return None if hours is None else EPOCH + pd.Timedelta(hours, "h")


def arguments(asked):
    return {
        "window": "session" if asked.window is None else f"{asked.window}h",
        "order": asked.order,
        "entry": asked.entry,
        "exclude": [{"event": list(n), "from_step": first, "to_step": last} for n, first, last in asked.exclude],
        "on_exclude": asked.on_exclude,
        "ties": asked.ties,
        "start": at(asked.start),
        "end": at(asked.end),
        "as_of": at(asked.as_of),
        "include_pending": asked.include_pending,
    }


def frame_of(events):
    return pd.DataFrame(
        {
            "user_id": [event.user for event in events],
            "time": pd.DatetimeIndex([at(event.time) for event in events]).as_unit("us"),
            "event": [event.name for event in events],
            "session_id": pd.Series([event.session for event in events], dtype=object),
        }
    )


# Rows that make every name known: of a user without sessions, whom no funnel counts.
KNOWN = [Event("nobody", 10_000, name) for name in NAMES]


def check(events, asked):
    table = frame_of([*events, *KNOWN])
    wanted = [list(step) for step in asked.steps]
    who = nu.funnel_users(table, wanted, **arguments(asked)).set_index("user_id")
    found = {}
    for user, row in who.iterrows():
        times = [row[f"step_{n}"] for n in range(1, len(wanted) + 1)]
        made = tuple((time - EPOCH) / pd.Timedelta(1, "h") for time in times if not pd.isna(time))
        found[user] = ((row["entered_at"] - EPOCH) / pd.Timedelta(1, "h"), row["depth"], made, row["status"])
    expected = slow_funnel_users(events, asked)
    assert found == expected
    summary = nu.funnel(table, wanted, **arguments(asked))
    counted = [one for one in expected.values() if one[1] and (asked.include_pending or one[3] != "pending")]
    assert summary["users"].tolist() == [sum(one[1] >= n for one in counted) for n in range(1, len(wanted) + 1)]
    for status in ("excluded", "pending"):
        assert set(summary[status]) == {sum(one[3] == status for one in expected.values())}


@pytest.mark.filterwarnings("ignore:.*have no session")
@given(logs(), questions())
@settings(max_examples=LOGS)
@pytest.mark.filterwarnings("ignore:No user can be counted yet")
def test_the_funnel_is_that_of_trying_everything(events, asked):
    check(events, asked)


if __name__ == "__main__":
    thorough = settings(max_examples=int(sys.argv[1]), deadline=None, database=None, derandomize=False)
    thorough(given(logs(), questions())(check))()
