"""Takes in what tracking clients send, within limits, and shows each app as the Data API does."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from nucleus_pandas.core.text import OTHER, counted
from nucleus_pandas.sandbox.identities import Run, run_of
from nucleus_pandas.sandbox.messages import HEARTBEAT, Incoming, Message, MessageError, Rejected, Tracked, parse_message
from nucleus_pandas.sandbox.sessions import AppView, view_app
from nucleus_pandas.sandbox.storage import Arrival, Storage

#: What an app's id is made of: it is a part of addresses.
APP_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,64}")

Reply = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """How much a sandbox takes.

    Parameters
    ----------
    message_bytes : int
        The largest message.
    messages_per_second : float
        From all clients together; in a burst, ten times as many.
    apps : int
        Different app ids with events.
    sessions : int
        Runs of apps, of all apps together.
    data_bytes : int
        The size of the data file: 100 MiB are some 400,000 events, which take 0.5 GB of memory. Erased data make room.
    connections : int
        Open at once.
    """

    message_bytes: int = 4 * 2**20
    messages_per_second: float = 500
    apps: int = 20
    sessions: int = 100_000
    data_bytes: int = 100 * 2**20
    connections: int = 200


#: How many apps of which nothing could be stored are counted by name; all others are counted together.
_UNKNOWN_APPS = 5


class TooMuchError(Exception):
    """A message that is beyond a limit; what it holds may be sent again."""


@dataclass
class Counts:
    """What came for one app: events stored, those that were known already, and what could not be used."""

    events: int = 0
    duplicates: int = 0
    rejected_events: int = 0
    rejected_messages: int = 0
    dropped_properties: int = 0


@dataclass
class _App:
    """One app: its arrivals, the last heartbeat of each device, and the view made when somebody last asked for it."""

    arrivals: list[Arrival] = field(default_factory=list)
    heartbeats: dict[str, Arrival] = field(default_factory=dict)
    runs: set[Run] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)
    counts: Counts = field(default_factory=Counts)
    view: AppView | None = None


class Collector:
    """Stores messages and answers them; safe for threads.

    Parameters
    ----------
    storage : Storage
        Where events are kept. It is closed by `close`.
    limits : Limits
    now_ms : callable
        The present in milliseconds since 1970.
    """

    def __init__(self, storage: Storage, limits: Limits, now_ms: Callable[[], int]) -> None:
        self.limits = limits
        self._storage, self._clock = storage, now_ms
        self._lock = threading.RLock()
        self._apps: dict[str, _App] = {}
        self._others: dict[str, Counts] = {}  # of apps without events
        self._reasons: Counter[str] = Counter()
        self._latest_ms = 0
        self._closed = False
        self._allowance = _Allowance(limits.messages_per_second)
        for app_id, arrival in storage.load():
            self._take(self._apps.setdefault(app_id, _App()), arrival)
            self._latest_ms = max(self._latest_ms, arrival.received_ms)

    def _now(self) -> int:
        """Return the present; what arrived before the clock was set back stays visible, as of now."""
        now_ms = self._clock()
        if now_ms < self._latest_ms:
            for app in self._apps.values():
                app.view = None
                app.arrivals = _received_by(now_ms, app.arrivals)
                app.heartbeats = {
                    name: beat._replace(received_ms=min(now_ms, beat.received_ms))
                    for name, beat in app.heartbeats.items()
                }
        self._latest_ms = now_ms
        return now_ms

    def receive(self, app_id: str, text: str | bytes) -> Reply:
        """Store the events of a message, and return what acknowledges them.

        Raises
        ------
        MessageError
            When the message is not one.
        TooMuchError
            When it is beyond a limit; nothing was stored.
        StoreError
            When it could not be stored; nothing was.
        """
        with self._lock:
            if self._closed:
                raise TooMuchError("The sandbox has stopped. Send it again later.")
            try:
                if not self._allowance.take():
                    raise TooMuchError("Too many messages a second. Send it again later.")
                return self._store(app_id, parse_message(text))
            except (MessageError, TooMuchError) as error:
                self.reject(app_id, str(error))
                raise

    def reject(self, app_id: str, reason: str) -> None:
        """Count a message that was refused; one without a valid app id belongs to the other apps."""
        with self._lock:
            self._reasons[reason] += 1
            self._counts_of(app_id).rejected_messages += 1

    def _counts_of(self, app_id: str) -> Counts:
        """Return where to count for an app, of the many that anybody can name only for some by name."""
        if app := self._apps.get(app_id):
            return app.counts
        if app_id not in self._others and (len(self._others) >= _UNKNOWN_APPS or not APP_ID.fullmatch(app_id)):
            app_id = OTHER
        return self._others.setdefault(app_id, Counts())

    def _app(self, app_id: str) -> _App:
        """Return an app, which begins with its first event that is stored."""
        if app := self._apps.get(app_id):
            return app
        return _App(counts=self._others.get(app_id) or Counts())

    def _check_apps(self, app_id: str) -> None:
        if app_id not in self._apps and len(self._apps) >= self.limits.apps:
            apps = counted(self.limits.apps, "app")
            raise TooMuchError(f"The sandbox already holds {apps}, its limit. Start it with another data file.")

    def _store(self, app_id: str, message: Message) -> Reply:
        now_ms = self._now()
        app = self._app(app_id)
        kept = [one for one in message.incoming if one.event.type != HEARTBEAT]
        if kept:
            self._check_apps(app_id)
            self._check_room(app, [one.event for one in kept])
        arrivals = self._storage.add(app_id, now_ms, [(one.event, one.digest) for one in kept])
        if kept and app_id not in self._apps:
            self._apps[app_id] = app
            self._others.pop(app_id, None)
        for arrival in arrivals:
            if arrival is None:
                app.counts.duplicates += 1
            else:
                self._take(app, arrival)
        for one in message.incoming:
            if one.event.type == HEARTBEAT:
                self._hear(app, Arrival(0, now_ms, one.event))
        if message.rejected:
            self._counts_of(app_id).rejected_events += len(message.rejected)
            self._reasons.update(one.reason for one in message.rejected)
        return _reply(message)

    def _check_room(self, app: _App, events: list[Tracked]) -> None:
        if self._storage.size() >= self.limits.data_bytes:
            raise TooMuchError("The sandbox is full. Start it with another data file.")
        new = {run_of(event) for event in events} - app.runs
        if new and sum(len(known.runs) for known in self._apps.values()) + len(new) > self.limits.sessions:
            raise TooMuchError("The sandbox takes no more sessions. Start it with another data file.")

    def _take(self, app: _App, arrival: Arrival) -> None:
        app.counts.events += arrival.event.is_row
        app.counts.dropped_properties += arrival.event.dropped
        self._keep(app, arrival)

    def _keep(self, app: _App, arrival: Arrival) -> None:
        app.arrivals.append(arrival)
        app.runs.add(run_of(arrival.event))
        app.devices.add(arrival.event.device_id)
        app.view = None

    def _hear(self, app: _App, heartbeat: Arrival) -> None:
        """Keep the last heartbeat of each device that has sent an event."""
        device_id = heartbeat.event.device_id
        if device_id in app.devices:
            app.heartbeats[device_id] = heartbeat

    def ask(self, app_id: str, question: Callable[[AppView, int], T]) -> T:
        """Ask something about an app as the Data API shows it now; nothing changes meanwhile.

        An app that nothing has come for is empty.
        """
        with self._lock:
            now_ms = self._now()
            view = self._view(self._apps.get(app_id) or _App())
            view.ledger.receive(now_ms)
            return question(view, now_ms)

    def _view(self, app: _App) -> AppView:
        if app.view is None:
            app.view = view_app(app.arrivals, self._storage.salt)
        app.view.hear(app.heartbeats.values())
        return app.view

    def erase(self, app_id: str, wanted: str) -> bool:
        """Erase a user: everything that arrived of theirs, also from the data file and if it is not visible.

        Returns whether there was one.
        """
        with self._lock:
            app = self._apps.get(app_id) or _App()
            view = self._view(app)
            seqs = view.arrivals_of(wanted)
            if not seqs:
                return False
            kept = [arrival for arrival in app.arrivals if arrival.seq not in seqs]
            origins = view.people.origins_to_keep(kept)
            self._storage.erase(sorted(seqs), origins)
            self._apps[app_id] = again = _App(counts=app.counts)
            for arrival in kept:
                self._keep(again, arrival._replace(origin=origins.get(arrival.seq, arrival.origin)))
            theirs = {arrival.event.device_id for arrival in app.arrivals if arrival.seq in seqs}
            again.heartbeats = {name: beat for name, beat in app.heartbeats.items() if name not in theirs}
            return True

    def counts(self) -> dict[str, Counts]:
        """Return what came for each app, those without events last."""
        with self._lock:
            found = {app_id: app.counts for app_id, app in self._apps.items()} | self._others
            return {app_id: replace(counts) for app_id, counts in found.items()}

    def reasons(self) -> dict[str, int]:
        """Return why messages and events were rejected, with how often each."""
        with self._lock:
            return dict(self._reasons)

    def close(self) -> None:
        """Close the storage; nothing can be stored from here on."""
        with self._lock:
            self._closed = True
            self._storage.close()


def _reply(message: Message) -> Reply:
    """Return what a client expects: the ids it need not send again; an older one, its own confirmation.

    Rejected events are acknowledged, too: clients would send them again for ever, with all that comes after them.
    """
    done: list[Incoming | Rejected] = [*message.incoming, *message.rejected]
    done.sort(key=lambda one: one.place)
    reply: Reply = {"reportedIds": [one.id for one in done if one.id is not None]}
    if message.rejected:
        reply["errors"] = [{"index": one.place, "error": one.reason} for one in message.rejected]
    if message.confirmation is not None:
        reply["confirmation"] = message.confirmation
    return reply


def _received_by(now_ms: int, arrivals: list[Arrival]) -> list[Arrival]:
    """Return arrivals as none later than the next, and the last not later than now."""
    found: list[Arrival] = []
    for arrival in reversed(arrivals):
        now_ms = min(now_ms, arrival.received_ms)
        found.append(arrival._replace(received_ms=now_ms))
    return found[::-1]


class _Allowance:
    """So many a second, and ten seconds' worth at once."""

    def __init__(self, rate: float) -> None:
        self._rate, self._left, self._at = rate, 10 * rate, time.monotonic()

    def take(self) -> bool:
        """Return whether one more is allowed."""
        now = time.monotonic()
        self._left = min(10 * self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
