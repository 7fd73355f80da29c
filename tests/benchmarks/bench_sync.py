"""How fast a sync is, beside plain requests. Run: pytest tests/benchmarks/bench_sync.py; compare within a group.

The service runs in a process of its own and waits 50 ms before each answer, as one far away does: n threads can get
n / 0.05 answers a second at most, 320 with 16. requests asks for the same paths, once as it comes (requests.get) and
once over a session a thread, and keeps nothing. Add -s to see requests a second and memory.
"""

import concurrent.futures
import datetime as dt
import itertools
import subprocess
import sys
import threading
import tracemalloc

import pandas as pd
import pytest
import requests

import nucleus_pandas as nu
from nucleus_pandas.api.http.decoding import read_json
from nucleus_pandas.api.parsing.values import ParseProblems
from nucleus_pandas.demo.answers import event_row
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.store.sync import writing
from nucleus_pandas.store.sync.writing import EventsAnswer, SessionGroup, Tally, UserAnswer
from tests.store.conftest import ALL

LATENCY = 0.05
SERVE = """
import datetime as dt, sys
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.service import DemoService
app = build_app(scale=float(sys.argv[1]), end=dt.date(2026, 11, 22))
as_of = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
service = DemoService(app, as_of=as_of, latency=float(sys.argv[2])).start()
print(service.base_url, flush=True)
sys.stdin.read()
"""
_numbers = itertools.count()


def serve(scale, latency=LATENCY):
    command = [sys.executable, "-c", SERVE, str(scale), str(latency)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


@pytest.fixture(scope="module")
def base_url():
    process, url = serve(0.4)
    yield url
    process.communicate("")


@pytest.fixture(scope="module")
def paths(base_url, tmp_path_factory):
    """All that a sync asks for after the list of users."""
    client = client_of(base_url, 64)
    store = nu.EventStore(tmp_path_factory.mktemp("paths") / "app.duckdb")
    nu.sync(client, store, progress=False, **ALL)
    rows = store.sql("SELECT DISTINCT user_id, device_id, session_id FROM sessions WHERE events_at IS NOT NULL")
    quote = requests.utils.quote
    users = [f"users/{quote(user, safe='')}" for user in store.users()["user_id"]]
    sessions = [
        f"users/{quote(user, safe='')}/session/{session}?device={quote(device, safe='')}"
        for user, device, session in rows.itertuples(index=False)
    ]
    return users + sessions


def client_of(url, workers):
    return nu.Client("demo", "demo-token", base_url=url, cache=False, max_workers=workers, requests_per_second=None)


def plain(base_url, paths, workers, *, keep_alive=True):
    local = threading.local()

    def ask(path):
        if not hasattr(local, "session"):
            local.session = requests.Session() if keep_alive else requests
        answer = local.session.get(f"{base_url}/apps/demo/{path}", headers={"Authorization": "demo-token"}, timeout=30)
        answer.raise_for_status()
        return answer.json()

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return sum(1 for _ in pool.map(ask, paths))


@pytest.mark.parametrize("workers", [16, 64])
@pytest.mark.parametrize("way", ["sync", "requests.Session", "requests.get"])
def test_crawl(benchmark, base_url, paths, tmp_path, workers, way):
    benchmark.group = f"crawl of {len(paths):,} requests at 50 ms, {workers} threads"

    def run():
        if way != "sync":
            return plain(base_url, paths, workers, keep_alive=way == "requests.Session")
        store = nu.EventStore(tmp_path / f"{next(_numbers)}.duckdb")
        return nu.sync(client_of(base_url, workers), store, progress=False, **ALL).requests

    asked = benchmark.pedantic(run, rounds=2)
    rate = asked / benchmark.stats.stats.median
    benchmark.extra_info["requests_per_second"] = round(rate)
    print(f"\n{way}, {workers} threads: {rate:.0f} requests a second of {workers / LATENCY:.0f} possible")


@pytest.mark.parametrize("sessions", [1_000, 20_000])
def test_memory(benchmark, tmp_path, sessions):
    """The peak of what Python allocates, and that of the process, in a process of its own."""
    code = """
import resource, sys, tracemalloc
import duckdb, nucleus_pandas as nu
from tests.store.conftest import ALL
client = nu.Client("demo", "demo-token", base_url=sys.argv[1], cache=False, max_workers=16, requests_per_second=None)
tracemalloc.start()
report = nu.sync(client, nu.EventStore(sys.argv[2]), progress=False, **ALL)
print(report.requests, tracemalloc.get_traced_memory()[1], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
    process, url = serve(sessions / 13_800, 0)

    def run():
        path = tmp_path / f"{next(_numbers)}.duckdb"
        return subprocess.run(
            [sys.executable, "-c", code, url, path], capture_output=True, text=True, check=True
        ).stdout

    benchmark.group = "memory of a sync"
    said = benchmark.pedantic(run, rounds=1)
    process.communicate("")
    asked, traced, resident = map(int, said.split())
    print(f"\n{asked:,} requests: {traced / 1e6:.1f} MB traced at the peak, {resident / 1e6:.0f} MB resident")


@pytest.fixture(scope="module")
def documents():
    """100,000 events as the bytes of their sessions' answers."""
    import json

    app = build_app(scale=1.2, end=dt.date(2026, 11, 22))
    found, events = [], 0
    for session in app.sessions:
        rows = [event_row(event, "demo") for event in session.events]
        found.append((session, json.dumps({"data": rows}).encode()))
        events += len(rows)
        if events >= 100_000:
            return found
    raise AssertionError(events)


@pytest.mark.benchmark(group="from bytes to rows of 100,000 events")
def test_bytes_to_store(benchmark, documents, tmp_path):
    """Parse, make columns and write them, in batches as a sync does."""
    store = nu.EventStore(tmp_path / "app.duckdb")
    as_of = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    groups = []
    with store.database.writing() as connection:
        sessions = {}
        for number, (session, _) in enumerate(documents):
            row = {"device": session.device.device_id, "session": f"s{number}", "actions": 1, "errors": 0}
            span = [f"{pd.Timestamp(ms, unit='ms').isoformat()}Z" for ms in (session.start_ms, session.end_ms)]
            sessions.setdefault(number % 997, []).append(row | {"start": span[0], "end": span[1]})
            groups.append(SessionGroup(number % 997, "x", session.device.device_id, f"s{number}"))
        answers = [UserAnswer(user, rows, as_of) for user, rows in sessions.items()]
        writing.put_sessions(connection, answers, ParseProblems("users"))

    def run():
        tally = Tally()
        for first in range(0, len(documents), 500):
            batch = zip(groups[first : first + 500], documents[first : first + 500], strict=True)
            came = [
                EventsAnswer(group, read_json(body, allow_list=True)[0]["data"], as_of) for group, (_, body) in batch
            ]
            with store.database.writing() as connection:
                writing.put_events(connection, came, ParseProblems("events"), tally)
        return tally.events

    assert benchmark.pedantic(run, rounds=2) >= 100_000


@pytest.mark.benchmark(group="from bytes to rows of 100,000 events")
def test_json_normalize(benchmark, documents):
    import json

    def run():
        return len(pd.json_normalize([row for _, body in documents for row in json.loads(body)["data"]]))

    assert benchmark.pedantic(run, rounds=2) >= 100_000


def test_memory_from_bytes_to_rows(documents):
    """What one batch takes, beside what json_normalize takes for all."""
    import json

    tracemalloc.start()
    batch = [json.loads(body)["data"] for _, body in documents[:500]]
    one = tracemalloc.get_traced_memory()[1]
    del batch
    tracemalloc.reset_peak()
    pd.json_normalize([row for _, body in documents for row in json.loads(body)["data"]])
    everything = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"\none batch of 500 sessions: {one / 1e6:.1f} MB; json_normalize of all: {everything / 1e6:.0f} MB")
