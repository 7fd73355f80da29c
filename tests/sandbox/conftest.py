"""Sandboxes with a clock that a test sets, and tracking clients over real sockets."""

import contextlib
import datetime as dt
import json
from itertools import count

import pytest
from websockets.sync.client import connect

import nucleus_pandas as nu

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
APP = "my-app"


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now=NOON):
        self.now = now

    def __call__(self):
        return self.now

    def forward(self, duration):
        self.now += duration


class Tracker:
    """Sends what a tracking client would, by the clock of its sandbox."""

    ids = count(1)

    def __init__(self, sandbox, clock, *, session="4821", device="device/1+=", app=APP, **fields):
        self.clock, self.fields = clock, {"sessionId": session, "deviceId": device, **fields}
        self._open = contextlib.ExitStack()
        self.socket = self._open.enter_context(connect(f"{sandbox.endpoint}/app/{app}/track"))

    def event(self, kind="event", name=None, payload=None, **fields):
        """Return an event of now, as the newer clients send it."""
        event = {"type": kind, "name": name, "id": next(self.ids), "date": int(self.clock.now.timestamp() * 1000)}
        event |= {"payload": payload, **self.fields, **fields}
        if kind in ("init", "error"):
            event = {"platform": "Linux", "osVersion": "6.8", "version": "1.2.0", "locale": "en-GB", **event}
        return {key: value for key, value in event.items() if value is not None}

    def post(self, *events):
        """Send events in one message, and return the answer."""
        return self.say({"data": list(events)})

    def say(self, message):
        self.socket.send(message if isinstance(message, (str, bytes)) else json.dumps(message))
        return json.loads(self.socket.recv(timeout=10))

    def say_in_pieces(self, pieces):
        self.socket.send(iter(pieces))
        return json.loads(self.socket.recv(timeout=10))

    def track(self, kind, name=None, payload=None, **fields):
        """Send one event, which must be acknowledged."""
        event = self.event(kind, name, payload, **fields)
        assert self.post(event) == {"reportedIds": [event["id"]]}
        return event

    def close(self):
        self._open.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sandbox(clock):
    """A sandbox in memory, at noon, which must have had no trouble."""
    with nu.Sandbox(clock=clock) as made:
        yield made
        assert list(made.failures) == []


@pytest.fixture
def tracker(sandbox, clock):
    """Make tracking clients that end with the test."""
    with contextlib.ExitStack() as stack:

        def make(at=None, **settings):
            return stack.enter_context(contextlib.closing(Tracker(at or sandbox, clock, **settings)))

        yield make


@pytest.fixture
def app(sandbox):
    """A client of the Data API."""
    with sandbox.client(APP) as client:
        yield client


def log_of(app):
    """The events of all users, through the chain of users, sessions and their events."""
    return nu.load_session_events(app, nu.load_sessions(app, nu.load_users(app)))
