"""Events of an app that is too large for memory, made bucket by bucket as Parquet files; the same ones each time.

Run: python -m tests.benchmarks.large_app FOLDER EVENTS
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

BUCKETS = 64
EVENTS_A_USER = 50
DAYS = 180
DAY = 86_400_000_000
START = pd.Timestamp("2026-06-01", tz="UTC").value // 1000  # a Monday
AS_OF = pd.Timestamp("2026-12-31", tz="UTC")  # later than all of them
NAMES = ["init", "PROJECT_CREATED", "OBJECT_ADDED", "EXPORT_PDF", "HELP_OPENED"]
SHARES = [0.25, 0.05, 0.5, 0.05, 0.15]
VERSIONS = ["1.0.0", "1.1.0", "1.2.0", "2.0.0"]


def make(folder: Path, events: int) -> None:
    """Write the events into a folder, which must be new: all buckets of one size, each user in one of them."""
    for bucket in range(BUCKETS):
        place = folder / f"bucket={bucket}"
        place.mkdir(parents=True)
        frame = bucket_of(bucket, events // BUCKETS)
        with duckdb.connect() as connection:
            connection.register("frame", frame)
            connection.execute(f"COPY (SELECT * FROM frame) TO '{place / 'events.parquet'}' (FORMAT parquet)")


def bucket_of(number: int, events: int) -> pd.DataFrame:
    """Make the events of a bucket by user and time: users begin on any day, and come seldom and seldomer."""
    rng = np.random.default_rng([1, number])
    users = events // EVENTS_A_USER
    user = np.sort(rng.integers(0, users, events)).astype(np.int32)
    begin = rng.integers(0, DAYS * DAY, users)
    age = rng.exponential((rng.choice([2, 30, 120], users) * float(DAY))[user])
    time = begin[user] + (age.astype(np.int64) % np.maximum(DAYS * DAY - begin, 1)[user])
    version = np.minimum(time // (DAYS * DAY // len(VERSIONS)), len(VERSIONS) - 1).astype(np.int8)
    order = np.lexsort([time, user])
    ids = np.array([f"user-{number:02d}-{one:08d}@example.org" for one in range(users)], dtype=object)
    event = rng.choice(len(NAMES), events, p=SHARES).astype(np.int8)
    return pd.DataFrame(
        {
            "user_id": pd.Categorical.from_codes(user, ids),
            "time": pd.to_datetime(START + time[order], unit="us", utc=True).as_unit("us"),
            "event": pd.Categorical.from_codes(event, NAMES),
            "version": pd.Categorical.from_codes(version[order], VERSIONS),
        }
    )


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
