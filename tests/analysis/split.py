"""A log split into buckets of users, to compare what both answer."""

import datetime as dt
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

    def read(self, columns, events):
        frame = self.frame[list(columns)]
        return frame if events is None else frame[frame["event"].isin(events)]


@st.composite
def logs(draw):
    """A frame and the bucket of each row; some clocks are wrong by years, many events share an instant."""
    minutes = st.one_of(
        st.integers(0, 40).map(lambda n: n * 20),
        st.integers(0, 60).map(lambda n: n * 8 * 60),
        st.integers(0, 60 * 24 * 40),
        *([st.sampled_from([-3, -2, 3]).map(lambda years: years * 365 * 24 * 60)] if draw(st.booleans()) else []),
    )
    row = st.tuples(
        st.integers(0, 6) if draw(st.booleans()) else st.one_of(st.integers(0, 6), st.none()),
        minutes,
        st.sampled_from(EVENTS),
        st.sampled_from(["s1", "s2", None]),
        st.sampled_from(["1.0", "1.1", "2.0", "", None]),
        st.sampled_from(["x", "y", None]),
        st.sampled_from(["", "", "", "time", "event"]) if draw(st.booleans()) else st.just(""),
    )
    rows = draw(st.lists(row, max_size=35))
    # Often enough for few wrong clocks to be told from the rest.
    rows += [(number % 7, number * 300, "A", f"t{number}", "1.0", "x", "") for number in range(150)] * draw(
        st.sampled_from([0, 0, 1])
    )
    users, late, event, session, version, plan, lacks = zip(*rows, strict=True) if rows else ([],) * 7
    frame = pd.DataFrame(
        {
            "user_id": pd.array([None if user is None else f"u{user}" for user in users], dtype="string[python]"),
            "time": pd.to_datetime(
                [
                    None if lack == "time" else START + dt.timedelta(minutes=n)
                    for n, lack in zip(late, lacks, strict=True)
                ],
                utc=True,
            ).astype("datetime64[us, UTC]"),
            "event": pd.array(
                [None if lack == "event" else name for name, lack in zip(event, lacks, strict=True)],
                dtype="string[python]",
            ),
            "session_id": pd.array(session, dtype="string[python]"),
            "version": pd.array(version, dtype="string[python]"),
            "data.plan": pd.array(plan, dtype="string[python]"),
        }
    )
    drop = draw(st.sampled_from([[], ["session_id"], ["session_id", "version"]]))
    number = draw(st.integers(1, 4))
    bucket_of = draw(st.lists(st.integers(0, number - 1), min_size=7, max_size=7))
    buckets = [0 if user is None else bucket_of[user] for user in users]
    return frame.drop(columns=drop), pd.Series(buckets, index=frame.index, dtype="int64"), number


def whole_and_split(log, ask, engine="serial", **made):
    """What a log says and what its buckets say: the table, or the error, and the warnings of each."""
    frame, bucket, number = log
    parts = [FrameBucket(frame[bucket == place]) for place in range(number)]
    return (
        _said(lambda: ask(nu.EventLog(frame, **made))),
        _said(lambda: ask(nu.Buckets.of(parts, frame.columns, engine=engine, **made))),
    )


def _said(ask):
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
    if asked["as_of"] is not None:
        # A log of which rows are left out looks for it beforehand, and may warn of clocks that do not matter then.
        whole_told = [message for message in whole_told if "clocks that are ahead" not in message]
    assert split_told == whole_told
    if isinstance(whole, type) or isinstance(split, type):
        assert split is whole
    else:
        pd.testing.assert_frame_equal(split, whole, rtol=1e-12, atol=0)
