"""Load the sandbox, and count what is lost or doubled: ``python -m tests.sandbox.load``.

20 clients send 10 events a second each for a minute, and keep what is not acknowledged, as the official clients do; of
every 50 acknowledgements, one is lost with its connection. Half way, the sandbox is killed and started again with the
same file and port. At the end every event must be there once, in order.
"""

import argparse
import contextlib
import json
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

import nucleus_pandas as nu

APP = "load"
DAY = time.strftime("%Y-%m-%d", time.gmtime())


class Server:
    """The command in a process of its own, which can be killed and started again."""

    def __init__(self, path):
        self.path, self.port = path, 0
        self.start()

    def start(self):
        command = [sys.executable, "-m", "nucleus_pandas", "sandbox", "--data", str(self.path), "--app-id", APP]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        lines = [self.process.stdout.readline() for _ in range(3)]
        self.token, self.base_url = (line.split("=", 1)[1].strip() for line in lines[1:])
        self.port = int(re.search(r":(\d+)/", self.base_url)[1])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


class Tracker(threading.Thread):
    """A client that reports what is in its queue, and takes out of it what is acknowledged."""

    def __init__(self, number, server, seconds, rate):
        super().__init__(daemon=True)
        self.number, self.server, self.seconds, self.rate = number, server, seconds, rate
        self.queue, self.made, self.latencies, self.reconnects = [], 0, [], 0
        self.random = random.Random(number)

    def run(self):
        self.add("init")
        end = time.monotonic() + self.seconds
        due = time.monotonic()
        while self.queue or time.monotonic() < end:
            with (
                contextlib.suppress(OSError, EOFError, WebSocketException),
                connect(f"ws://127.0.0.1:{self.server.port}/app/{APP}/track", open_timeout=5) as line,
            ):
                while self.queue or time.monotonic() < end:
                    while due <= time.monotonic() < end:
                        self.add("event", "CLICK", {"n": self.made})
                        due += 1 / self.rate
                    self.report(line)
                    time.sleep(self.random.uniform(0.05, 0.15))
                return
            self.reconnects += 1
            time.sleep(0.2)

    def add(self, kind, name=None, payload=None):
        event = {"type": kind, "name": name, "payload": payload, "date": int(time.time() * 1000), "platform": "Linux"}
        event |= {"id": self.random.randrange(1_000_000) + 1, "sessionId": 1000 + self.number}
        event |= {"userId": f"user {self.number}", "deviceId": f"device {self.number}"}
        self.queue.append(event)
        self.made += 1

    def report(self, line):
        if self.queue:
            start = time.monotonic()
            line.send(json.dumps({"data": self.queue}))
            if self.random.random() < 0.02:
                raise ConnectionError("The acknowledgement is lost.")
            reported = set(json.loads(line.recv(timeout=10))["reportedIds"])
            self.latencies.append(time.monotonic() - start)
            self.queue = [event for event in self.queue if event["id"] not in reported]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--rate", type=float, default=10, help="events a second of each client")
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return run(Path(folder), arguments)


def run(folder, arguments):
    server = Server(folder / "sandbox.db")
    trackers = [Tracker(n, server, arguments.seconds, arguments.rate) for n in range(arguments.clients)]
    for tracker in trackers:
        tracker.start()
    time.sleep(arguments.seconds / 2)
    server.kill()
    time.sleep(1)
    start = time.monotonic()
    server.start()
    print(f"killed and started again; {time.monotonic() - start:.1f} s until it listens")
    for tracker in trackers:
        tracker.join()
    latencies = sorted(1000 * each for tracker in trackers for each in tracker.latencies)
    made = sum(tracker.made for tracker in trackers)
    print(f"{made:,} events of {len(trackers)} clients, {sum(tracker.reconnects for tracker in trackers)} reconnects")
    print(
        f"acknowledged after {statistics.median(latencies):.1f} ms (median), "
        f"{latencies[int(0.99 * len(latencies))]:.0f} ms (99 %), {latencies[-1]:.0f} ms (most)"
    )
    try:
        return check(server, trackers, made, folder)
    finally:
        server.kill()


def check(server, trackers, made, folder):
    """Compare what was sent with what the Data API and a store hold; return how many events are wrong."""
    warnings.simplefilter("error")
    with nu.Client(APP, server.token, base_url=server.base_url, cache=False, requests_per_second=None) as app:
        start = time.monotonic()
        live = len(nu.load_live_events(app))
        print(f"load_live_events: {live:,} events in {time.monotonic() - start:.2f} s")
        start = time.monotonic()
        store = nu.EventStore(folder / "store.duckdb")
        nu.sync(app, store, DAY, DAY)
        print(f"sync: {time.monotonic() - start:.1f} s")
    events = store.events()
    clicks = events[events["event"] == "CLICK"]
    wrong = abs(len(events) - made)
    for tracker in trackers:
        found = clicks.loc[clicks["user_id"] == f"user {tracker.number}", "data.n"].tolist()
        sent = list(range(1, tracker.made))
        wrong += len(set(sent) ^ set(found)) + len(found) - len(set(found))
        wrong += found != sent  # their order, too
    sessions = len(store.sessions())
    print(f"stored: {len(events):,} events, {sessions} sessions; lost, doubled or out of order: {wrong}")
    return int(wrong > 0 or sessions != len(trackers))


if __name__ == "__main__":
    sys.exit(main())
