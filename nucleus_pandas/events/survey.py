"""What has to be known of all events before those of a bucket can be asked on their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import Ints, distinct
from nucleus_pandas.core.text import counted, worded
from nucleus_pandas.core.warnings import warn
from nucleus_pandas.events.clock_errors import Times, days_of_utc
from nucleus_pandas.events.log_columns import encode, ids, instants, names
from nucleus_pandas.events.row_checks import warn_left_out

# A warning reports a user with so many events, if they are more than half of the bucket.
GIANT = 1_000_000


class Size(NamedTuple):
    """How many events a bucket has, and how many of them are of one user."""

    events: int
    largest: int


@dataclass(frozen=True)
class Facts:
    """What has to be known of the whole: it adds up over buckets."""

    rows: int
    lacking: dict[str, int]
    left_out: int
    unclear: int
    counts: dict[str, int]
    times: Times
    users: Ints
    sizes: list[Size]


def look(frame: pd.DataFrame) -> Facts:
    """Look at the users, times and names of events of a bucket."""
    event, known = names(frame["event"])
    time, no_time = instants(frame["time"])
    person = ids(frame)
    lacks = {"user": person < 0, "time": no_time, "event": event < 0}
    bad = np.logical_or.reduce(list(lacks.values()))
    codes, _, hashes = user_hashes(frame)
    kept = person[~bad]
    number = np.bincount(event[~bad] + 1, minlength=len(known) + 1)[1:]
    return Facts(
        rows=len(frame),
        lacking={what: int(lack.sum()) for what, lack in lacks.items()},
        left_out=int(bad.sum()),
        unclear=int(np.count_nonzero((codes < 0) & (person >= 0))),
        counts=dict(zip(known, number.tolist(), strict=True)),
        times=Times(time[~no_time]).thinned(days_of_utc),
        users=hashes,
        sizes=[Size(len(kept), int(np.bincount(kept).max(initial=0)) if len(kept) else 0)],
    )


def user_hashes(frame: pd.DataFrame) -> tuple[Ints, Ints, Ints]:
    """Give the code of each row's user, -1 for none, the codes that occur, and 64 bits for each of these.

    Two users look the same once in millions of times; one looks the same whatever the type of the column, which can be
    another one in another part: whole numbers of which one is missing are read as fractions, 7 as 7.0.
    """
    column = frame[user_column(frame)]
    codes, values = encode(column)
    there = distinct(codes[codes >= 0])
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.categories.dtype == np.uint64:
        return codes, there, column.cat.categories.to_numpy()[there]
    written = np.array([_written(values[code]) for code in there], dtype=object)
    return codes, there, pd.util.hash_array(written, categorize=False)


def user_column(frame: pd.DataFrame) -> str:
    """Give the column that identifies users in each part."""
    return "user_db_id" if "user_db_id" in frame.columns else "user_id"


def _written(user: Any) -> str:
    if isinstance(user, str):
        return user
    # A number is not the text of it.
    return f"\0{int(user) if isinstance(user, float) and user.is_integer() else user}"


def together(one: Facts, other: Facts) -> Facts:
    """Put what is known of two parts together."""
    return Facts(
        rows=one.rows + other.rows,
        lacking={what: number + other.lacking[what] for what, number in one.lacking.items()},
        left_out=one.left_out + other.left_out,
        unclear=one.unclear + other.unclear,
        counts={name: one.counts.get(name, 0) + other.counts.get(name, 0) for name in one.counts | other.counts},
        times=one.times.and_also(other.times).thinned(days_of_utc),
        users=np.concatenate([one.users, other.users]),
        sizes=one.sizes + other.sizes,
    )


def split_users(facts: Facts) -> int:
    """Give how many users have events in several buckets; raise where a bucket alone does not identify them."""
    if facts.unclear:
        raise ValueError(
            worded(f"{{}} of {facts.rows:,} rows [has|have] a user_id and no user_db_id, so ", facts.unclear)
            + "that a bucket alone does not tell whose they are. Fill user_db_id in, or leave the column out."
        )
    in_order = np.sort(facts.users)
    return len(np.unique(in_order[1:][in_order[1:] == in_order[:-1]]))


def check(facts: Facts, column: str) -> None:
    """Raise where buckets cannot be counted each on its own; warn about rows left out and about giant users."""
    if several := split_users(facts):
        raise ValueError(
            f"Events of {counted(several, 'user')} lie in more than one bucket, which would be counted as several "
            "users. All events of a user must have one bucket, for example "
            f'pandas.util.hash_pandas_object(frame["{column}"], index=False) % 64; store.export(folder) sees to it.'
        )
    warn_left_out(facts.lacking, facts.left_out, facts.rows, "the event log")
    for size in facts.sizes:
        if size.largest >= GIANT and size.largest > size.events / 2:
            warn(
                f"One user has {size.largest:,} of the {size.events:,} events of a bucket (a bucket has some "
                f"{int(np.median([one.events for one in facts.sizes])):,}). All of them are in memory at once. So many "
                "are mostly of a test machine or a script; if so, leave that user out.",
                UserWarning,
            )
