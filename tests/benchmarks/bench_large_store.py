"""A sync of 50,000 users, 300,000 sessions and 1.8 million events, a second one, and an export: time and memory.

Run: pytest -s tests/benchmarks/bench_large_store.py. The first sync sends 350,000 requests, which takes minutes.
LARGE_USERS=5000 makes all of it smaller. The service is a process of its own, and so is each run, whose peak of memory
is the system's (VmHWM). Few users have most of the sessions, and few sessions most of the events.
"""

import json
import os
import subprocess
import sys

import pytest

USERS = int(os.environ.get("LARGE_USERS", "50000"))

SERVE = """
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit
from nucleus_pandas.demo.server import JsonServer

NOW, SESSIONS, EVENTS = datetime(2026, 11, 20, 12, tzinfo=UTC), [1] * 12 + [6] * 5 + [26] * 3, [2, 3, 4, 15]
users = int(sys.argv[1])

def at(user, session=0, second=0):
    moment = NOW - timedelta(days=10 + user % 150) + timedelta(hours=5 * session, seconds=30 * second)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

def person(user):
    seen = at(user, SESSIONS[user % 20] - 1, 15)
    device = {"_id": f"d{user}", "lastSeen": seen, "platform": "win", "osVersion": "10", "version": "1.0.0"}
    props = {"plan": "pro" if user % 5 else "free", "country": "FR", "seats": user % 40}
    return {"_id": f"{user:024x}", "userId": f"user-{user}@example.org", "createdAt": at(user), "lastSeen": seen,
            "devices": [device], "props": props}

def session_row(user, session):
    count = EVENTS[(user + session) % 4]
    return {"device": f"d{user}", "session": str(1000 + session), "actions": count, "errors": 0,
            "start": at(user, session), "end": at(user, session, count)}

def events(user, session):
    for n in range(EVENTS[(user + session) % 4]):
        yield {"type": "SAVE" if n else "init", "user_id": f"user-{user}@example.org", "machine_id": f"d{user}",
               "session_id": str(1000 + session), "time": at(user, session, n), "platform": None if n else "win",
               "version": None if n else "1.0.0", "locale": "fr", "country": "FR", "os_version": "10", "arch": "x64",
               "first_time": False, "error_hash": None, "avail_ram": 8, "duration": None,
               "data": {"pages": n * user % 97, "format": "A4"}}

def answer(method, target, host, token):
    parts = [unquote(part) for part in urlsplit(target).path.split("/")[6:]]
    if not parts:
        return 200, {"total": users, "data": [person(user) for user in range(users)]}
    user = int(parts[0].split("-")[1].split("@")[0])
    if len(parts) == 1:
        return 200, {"user": person(user), "sessions": [session_row(user, n) for n in range(SESSIONS[user % 20])]}
    return 200, {"data": list(events(user, int(parts[2]) - 1000))}

server = JsonServer(0, answer, lambda: NOW, [])
print(f"http://127.0.0.1:{server.server_port}/api/v1", flush=True)
server.serve_forever()
"""

RUN = """
import json, sys, time, warnings
import nucleus_pandas as nu
client = nu.Client("demo", "demo-token", base_url=sys.argv[1], cache=False, max_workers=16, requests_per_second=None)
store, begun = nu.EventStore(sys.argv[2]), time.perf_counter()
if sys.argv[3] == "sync":
    nu.sync(client, store, "2026-05-01", "2026-11-20", progress=False)
else:
    store.export(sys.argv[4], format=sys.argv[3])
seconds = time.perf_counter() - begun
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
info = store.info()
print(json.dumps([seconds, peak / 1024, info.users, info.sessions, info.events, info.missing_events]))
"""


@pytest.fixture(scope="module")
def base_url():
    with subprocess.Popen([sys.executable, "-c", SERVE, str(USERS)], stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.kill()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("large") / "app.duckdb"


@pytest.mark.parametrize("what", ["sync", "sync again", "parquet", "csv"])
def test_large_store(benchmark, base_url, path, what):
    benchmark.group = f"{USERS:,} users"
    action = what.split()[0]

    def run():
        arguments = [base_url, str(path), action, str(path.with_name(action))]
        done = subprocess.run([sys.executable, "-c", RUN, *arguments], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)

    seconds, peak, users, sessions, events, missing = benchmark.pedantic(run, rounds=1)
    assert (users, sessions, missing) == (USERS, 6 * USERS, 0)
    print(f"\n{what}: {users:,} users, {sessions:,} sessions, {events:,} events: {seconds:.1f} s, {peak:.0f} MB")
