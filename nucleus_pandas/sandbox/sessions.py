"""Sessions and users of what arrived, as the records that the Data API's answers are made of.

Nothing is visible of a run of the app (a device and a session id) without ``init``. A run is one session; it is several
if there were 30 minutes without an event in between, or if somebody else signed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from nucleus_pandas.demo.ledger import Ledger, Sighting
from nucleus_pandas.demo.records import MINUTE_MS, Device, Event, Session, User
from nucleus_pandas.sandbox.identities import People, Person, Run, run_of
from nucleus_pandas.sandbox.messages import PROPS, Scalar
from nucleus_pandas.sandbox.storage import Arrival

SILENCE_MS = 30 * MINUTE_MS
# A clock that is ahead by more than this is wrong; less is how long a message may take.
_AHEAD_MS = 5 * MINUTE_MS
# What of an ``init`` or an error describes the run rather than the moment.
_CONTEXT = ("platform", "os_version", "arch", "version", "locale", "ram_gb", "module_version")


@dataclass(frozen=True, slots=True)
class AppView:
    """One app as the Data API shows it; `seqs` holds all arrivals of each person, also those not visible."""

    ledger: Ledger
    seqs: dict[Person, list[int]]
    people: People
    users: dict[Person, User]
    devices: dict[str, Device]

    def arrivals_of(self, wanted: str) -> set[int]:
        """Return all arrivals of the user that a path names, by ``_id`` only if anonymous; none if nobody."""
        for person, seqs in self.seqs.items():
            if wanted == (person[1] if person[0] == "user" else self.people.db_id(person)):
                return set(seqs)
        return set()

    def hear(self, heartbeats: Iterable[Arrival]) -> None:
        """Let those be online who are known and whose devices said so."""
        self.ledger.heartbeats = [
            Sighting(self.users[person], self.devices[beat.event.device_id], beat.received_ms)
            for beat in heartbeats
            if (person := self.people.of_heartbeat(beat.event)) in self.users and beat.event.device_id in self.devices
        ]


@dataclass(frozen=True, slots=True)
class _Piece:
    """The events of one person in one run without a long silence, by time."""

    run: Run
    person: Person
    arrivals: list[Arrival]

    @property
    def start_ms(self) -> int:
        return self.arrivals[0].time_ms

    @property
    def clock_ms(self) -> int:
        """By how much the device's clock was ahead, 0 if it may have been right."""
        ahead = max(arrival.time_ms - arrival.received_ms for arrival in self.arrivals)
        return ahead if ahead > _AHEAD_MS else 0


def view_app(arrivals: Sequence[Arrival], salt: str) -> AppView:
    """Make users and sessions of what arrived.

    Parameters
    ----------
    arrivals : sequence of Arrival
        In order.
    salt : str
        The secret that the ids of users are made of.
    """
    people = People(arrivals, salt)
    owned = list(zip(arrivals, people.owners, strict=True))
    seqs: dict[Person, list[int]] = {}
    for arrival, person in owned:
        seqs.setdefault(person, []).append(arrival.seq)
    started = {run_of(arrival.event) for arrival in arrivals if arrival.event.type == "init"}
    visible = [(arrival, person) for arrival, person in owned if run_of(arrival.event) in started]
    pieces = sorted(_pieces(visible), key=lambda piece: piece.start_ms)
    users = _users(visible, pieces, people)
    events, devices = _events(pieces, users, _contexts(visible))
    by_creation = sorted(users.values(), key=lambda user: user.created_ms)
    return AppView(Ledger(by_creation, events), seqs, people, users, devices)


def _pieces(visible: Iterable[tuple[Arrival, Person]]) -> Iterator[_Piece]:
    """Yield the sessions: the events of each person in each run, cut where there was silence."""
    rows: dict[tuple[Run, Person], list[Arrival]] = {}
    for arrival, person in visible:
        if arrival.event.is_row:
            rows.setdefault((run_of(arrival.event), person), []).append(arrival)
    for (run, person), arrivals in rows.items():
        arrivals.sort(key=lambda arrival: (arrival.time_ms, arrival.event.type != "init", arrival.seq))
        gaps = [n for n, (one, next_) in enumerate(pairwise(arrivals), 1) if next_.time_ms - one.time_ms > SILENCE_MS]
        for start, stop in pairwise([0, *gaps, len(arrivals)]):
            yield _Piece(run, person, arrivals[start:stop])


def _users(visible: Iterable[tuple[Arrival, Person]], pieces: Iterable[_Piece], people: People) -> dict[Person, User]:
    """Return those who have a session, with the properties that were set last: ``null`` takes one away."""
    users: dict[Person, User] = {}
    for piece in pieces:
        created = min(min(arrival.time_ms, arrival.received_ms) for arrival in piece.arrivals)
        user = users.get(piece.person)
        if user is None:
            kind, name = piece.person
            given, anonymous = (name if kind == wanted else None for wanted in ("user", "anon"))
            users[piece.person] = User(people.db_id(piece.person), given, anonymous, created, None, {})
        else:
            user.created_ms = min(user.created_ms, created)
    for arrival, person in visible:
        event = arrival.event
        if person in users and event.type in ("init", PROPS):
            props: dict[str, Scalar] = {**users[person].props, **(event.data or {})}
            if event.locale:
                props["locale"] = (event.data or {}).get("locale", event.locale)
            users[person].props = {key: value for key, value in props.items() if value is not None}
    return users


def _contexts(visible: Iterable[tuple[Arrival, Person]]) -> dict[Run, dict[str, Any]]:
    """Return for each run what its ``init`` and its errors say first of the device and the app."""
    contexts: dict[Run, dict[str, Any]] = {}
    for arrival, _ in visible:
        context = contexts.setdefault(run_of(arrival.event), {})
        for name in _CONTEXT:
            if context.get(name) is None:
                context[name] = getattr(arrival.event, name)
    return contexts


def _events(
    pieces: Iterable[_Piece], users: dict[Person, User], contexts: dict[Run, dict[str, Any]]
) -> tuple[list[Event], dict[str, Device]]:
    """Return the events in the order in which they arrived, and each device as it was last."""
    found: list[tuple[int, Event]] = []
    devices: dict[str, Device] = {}
    known: set[tuple[Person, str]] = set()
    for piece in pieces:
        device_id, session_id = piece.run
        context = contexts[piece.run]
        device = Device(device_id, context["platform"], context["os_version"], context["arch"])
        devices[device_id] = device
        session = Session(
            user=users[piece.person],
            device=device,
            session_id=session_id,
            version=context["version"],
            first=(piece.person, device_id) not in known,
            clock_ms=piece.clock_ms,
            locale=context["locale"],
            ram_gb=context["ram_gb"],
            module_version=context["module_version"],
        )
        known.add((piece.person, device_id))
        for arrival in piece.arrivals:
            event = arrival.event
            made = Event(session, event.type, arrival.time_ms, arrival.received_ms, event.data, None)
            found.append((arrival.seq, made))
    found.sort(key=lambda pair: pair[0])
    return [event for _, event in found], devices
