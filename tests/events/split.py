"""A log split into buckets of users, to compare what both answer."""

import datetime as dt
import random
import re
import warnings
from dataclasses import dataclass

import pandas as pd
from hypothesis import strategies as st

import nucleus_pandas as nu

START = dt.datetime(2026, 3, 20, tzinfo=dt.UTC)  # nine days before the clocks change in Europe
EVENTS = ["init", "A", "B", "C", "nucleus:heartbeat", "error:uncaughtException"]


@dataclass(frozen=True)
class FrameBucket:
    """A bucket that is a frame."""

    frame: pd.DataFrame

    def read(self, request):
        frame = self.frame[list(request.columns)]
        return frame if request.events is None else frame[frame["event"].isin(request.events)]


def seldom(rare, often):
    """One of some things, of which the first are rare."""
    return st.integers(0, 9).flatmap(lambda n: st.sampled_from(rare if n == 9 else often))


@st.composite
def logs(draw):
    """A frame, the bucket of each row and the number of buckets; many events share an instant."""
    rows = draw(st.lists(ROWS, max_size=12)) + _many(
        draw(st.integers(0, 10_000)), draw(st.sampled_from([0, 40, 150, 150]))
    )
    if draw(seldom([True], [False])):
        # Clocks that are wrong by years: few enough to be told from the rest, or not.
        years = draw(st.sampled_from([-3, -2, 3]))
        rows += [(3, years * 365 * 24 * 60, "A", "s9", "1.0", "x")] * draw(st.integers(1, 2))
    users, late, event, session, version, plan = zip(*rows, strict=True) if rows else ([],) * 6
    times = [START + dt.timedelta(minutes=minutes) for minutes in late]
    frame = pd.DataFrame(
        {
            "user_id": _texts(None if user is None else f"u{user}" for user in users),
            "time": pd.to_datetime(times, utc=True).astype("datetime64[us, UTC]"),
            "event": _texts(event),
            "session_id": _texts(session),
            "version": _texts(version),
            "data.plan": _texts(plan),
        }
    )
    if len(frame) and draw(seldom([True], [False])):
        column = draw(st.sampled_from(["user_id", "time", "event"]))
        frame.loc[draw(st.integers(0, len(frame) - 1)), column] = None
    number = draw(st.integers(1, 4))
    bucket_of = draw(st.lists(st.integers(0, number - 1), min_size=7, max_size=7))
    buckets = pd.Series([0 if user is None else bucket_of[user] for user in users], dtype="int64")
    return frame.drop(columns=draw(seldom([["session_id"], ["session_id", "version"]], [[]]))), buckets, number


ROWS = st.tuples(
    st.integers(0, 6),
    st.one_of(st.integers(0, 40).map(lambda n: n * 20), st.integers(0, 60).map(lambda n: n * 8 * 60)),
    st.sampled_from(EVENTS),
    st.sampled_from(["s1", "s2", None]),
    st.sampled_from(["1.0", "1.1", "2.0", "", None]),
    st.sampled_from(["x", "y", None]),
)


def _many(seed, number):
    """Rows of seven users over seven weeks, with sessions of a day."""
    chance = random.Random(seed)
    rows = []
    for _ in range(number):
        user, day, minute = chance.randrange(7), chance.choice([*range(50), 1, 1, 2, 2, 3]), chance.randrange(600)
        session, version = f"d{day}" if chance.random() < 0.95 else None, chance.choice(["1.0", "1.1", "2.0", None])
        event = chance.choice([*EVENTS, "A", "A", "B", "B"])
        rows.append((user, day * 1440 + minute, event, session, version, chance.choice(["x", "y", "z", None])))
    return rows


def _texts(values):
    return pd.array(list(values), dtype="string[python]")


def frame_buckets(frame, bucket, number, **made):
    """Buckets that are frames."""
    parts = [FrameBucket(frame[bucket == place]) for place in range(number)]
    return nu.Buckets.of(parts, frame.columns, **made)


def whole_and_split(log, ask, split=frame_buckets, **made):
    """What a log says and what its buckets say: the table, or the error, and the warnings of each."""
    told = {name: known for name, known in made.items() if name != "engine"}
    return said(lambda: ask(nu.EventLog(log[0], **told))), said(lambda: ask(split(*log, **made)))


def said(ask):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            table = ask()
        except (ValueError, TypeError) as error:
            # Of several mistakes in a question any may be told first.
            return type(error), []
    return table, sorted(str(one.message) for one in told)


def same(log, ask, asked, **made):
    """Raise where a log and its buckets differ in anything they are asked."""
    (whole, whole_told), (split, split_told) = whole_and_split(log, ask, **made)
    # Only of a whole log, with all its columns, can it be said which rows repeat one another.
    whole_told = [told for told in whole_told if not re.search("repeat another row", told)]
    if asked["as_of"] is not None:
        # A log of which rows are left out looks for it beforehand, and may warn of clocks that do not matter then.
        whole_told = [message for message in whole_told if "clocks that are ahead" not in message]
    assert split_told == whole_told
    if isinstance(whole, type) or isinstance(split, type):
        assert split is whole
    else:
        pd.testing.assert_frame_equal(split, whole, rtol=1e-12, atol=0)
