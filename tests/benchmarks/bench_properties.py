"""Memory and time of exports and funnels of a store whose events have many different properties.

Each measurement runs in a process of its own and prints seconds and the highest resident memory (VmHWM, Linux).

Run: python -m tests.benchmarks.bench_properties FOLDER
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import nucleus_pandas as nu
from nucleus_pandas.store.schema import set_meta

# Name, users, sessions a user, events a session, different keys.
STORES = {
    "4000 keys": (5_000, 4, 5, 4_000),
    "30000 keys": (5_000, 4, 5, 30_000),
    "1.8 million events": (50_000, 6, 6, 12),
}
MEASUREMENTS = [
    ("4000 keys", "parquet"),
    ("4000 keys", "csv"),
    ("4000 keys", "events"),
    ("30000 keys", "funnel"),
    ("30000 keys", "funnel of log"),
    ("30000 keys", "funnel of buckets"),
    ("30000 keys", "funnel by"),
    ("1.8 million events", "parquet"),
    ("1.8 million events", "csv"),
    ("1.8 million events", "funnel"),
]
STEPS = ["init", "PROJECT_CREATED", "EXPORT_PDF"]


def make(path: Path, users: int, sessions: int, events: int, keys: int) -> nu.EventStore:
    """Fill a store by SQL: every event has a plan and a number, and one of the other keys."""
    store = nu.EventStore(path)
    with store.database.writing() as connection:
        connection.execute(
            f"""
            INSERT INTO kept.users BY NAME SELECT range AS user_no, 'user' || range || '@example.org' AS user_id,
                lpad(range::VARCHAR, 24, '0') AS user_db_id, TIMESTAMP '2026-06-01' AS created_at,
                TIMESTAMP '2026-09-01' AS last_seen, 1 AS devices, '{{"plan":"pro"}}' AS props, range AS place,
                hash(range) % 64 AS bucket, true AS chosen FROM range({users})
            """
        )
        connection.execute(
            f"""
            INSERT INTO kept.sessions BY NAME SELECT range AS session_no, range // {sessions} AS user_no,
                'device' || range // {sessions} AS device_id, (range * 7919 % 100000)::VARCHAR AS session_id,
                TIMESTAMP '2026-06-01' + to_hours((range * 37 % 2000)::INT) AS start, start + INTERVAL 1 HOUR AS "end",
                {events} AS actions, 0 AS errors, TIMESTAMP '2026-09-02' AS events_at, false AS stale
            FROM range({users * sessions})
            """
        )
        names = "['init', 'PROJECT_CREATED', 'OBJECT_ADDED', 'EXPORT_PDF', 'HELP_OPENED']"
        connection.execute(
            f"""
            INSERT INTO kept.events BY NAME SELECT s.user_no, s.session_no, n AS place,
                s.start + to_minutes((n * 3)::INT) AS time, {names}[1 + n % 5] AS event,
                CASE WHEN n % 5 = 0 THEN 'init' ELSE 'custom' END AS kind,
                CASE WHEN n = 0 THEN '1.' || s.session_no % 4 END AS version,
                '{{"plan":"' || ['free', 'pro'][1 + s.user_no % 2] || '","pages":' || hash(s.session_no, n) % 1000
                    || ',"key' || hash(s.session_no, n, 1) % {keys} || '":' || n || '}}' AS data
            FROM kept.sessions s, range({events}) t(n)
            """
        )
        connection.execute(
            'INSERT INTO kept.runs (run, "start", "end", window_end, as_of, sample, finished)'
            " VALUES (1, '2026-06-01', '2026-09-01', '2026-09-02', '2026-09-02', 1, true)"
        )
        set_meta(connection, "sample", "1")
    return store


def measure(path: Path, what: str) -> None:
    """Do one thing and print what it took."""
    import warnings

    warnings.simplefilter("ignore")
    store = nu.EventStore(path)
    begun = time.perf_counter()
    if what in ("parquet", "csv"):
        store.export(path.parent / f"{path.stem} {what}", format=what)
    elif what == "events":
        store.events()
    elif what == "funnel of log":
        nu.funnel(nu.EventLog(store), STEPS)
    elif what == "funnel of buckets":
        nu.funnel(nu.Buckets(store), STEPS)
    else:
        nu.funnel(store, STEPS, by="plan" if what == "funnel by" else None)
    seconds = time.perf_counter() - begun
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
    print(json.dumps({"seconds": round(seconds, 1), "MB": peak}))


def main(folder: Path) -> None:
    """Make the stores that are not there yet, and measure."""
    for name, sizes in STORES.items():
        path = folder / f"{name}.duckdb"
        if not path.exists():
            make(path, *sizes)
    for name, what in MEASUREMENTS:
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.bench_properties", str(folder / f"{name}.duckdb"), what],
            capture_output=True,
            text=True,
            timeout=1800,
        )
        print(f"{name:20}{what:20}{done.stdout.strip() or done.stderr.strip()[-300:]}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        measure(Path(sys.argv[1]), sys.argv[2])
    else:
        main(Path(sys.argv[1]))
