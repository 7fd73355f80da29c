"""Whose an event is: which user, under which of the service's ids.

The rules, of which the reference says nothing:

- A user is known by the app's ``userId``. Without one, they are an anonymous user: by ``anonId``, or by the device
  where the client sends none.
- Within a run of the app (device and session id), events without a user belong to the one who signed in before, or
  else to the one who signs in next.
- An anonymous user belongs to the first user who signs in with the same ``anonId`` (or device): all they did before,
  and whatever comes later without a user. Whoever signs in there later is a user of their own.
- The service's id of a user never changes, not even when somebody else is erased. A user who was anonymous before
  keeps the id of that time; an anonymous user who turns out to be somebody already known is merged into them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

from nucleus_pandas.sandbox.messages import Tracked
from nucleus_pandas.sandbox.storage import Arrival

#: ("user", userId), ("anon", anonId) or ("device", deviceId).
Person: TypeAlias = tuple[str, str]
#: Device and session id: a run of the app.
Run: TypeAlias = tuple[str, str]


def run_of(event: Tracked) -> Run:
    """Return the run of the app that an event belongs to."""
    return event.device_id, event.session_id or ""


def anonymous_person(event: Tracked) -> Person:
    """Return who an event is of while nobody has signed in."""
    return ("anon", event.anon_id) if event.anon_id else ("device", event.device_id)


def named_person(event: Tracked) -> Person:
    """Return whom an event itself names."""
    return anonymous_person(event) if event.user_id is None else ("user", event.user_id)


class People:
    """Who did what, of arrivals in their order.

    Attributes
    ----------
    owners : list of Person
        For each arrival, whose it is.
    """

    def __init__(self, arrivals: Sequence[Arrival], salt: str) -> None:
        self._salt = salt
        self._first: dict[Person, int] = {}  # an anonymous person's first arrival
        self._origin: dict[Person, int] = {}  # the arrival that a person's id is made of
        self._signed_in: dict[Person, Person] = {}  # anonymous person -> user
        self._latest_device: dict[str, Person] = {}
        for arrival in arrivals:
            self._meet(arrival)
        self.owners = [self._resolved(person) for person in _by_run(arrivals)]
        for arrival, owner in zip(arrivals, self.owners, strict=True):
            self._latest_device[arrival.event.device_id] = owner

    def _meet(self, arrival: Arrival) -> None:
        """Note who signs in where for the first time."""
        anonymous, user = anonymous_person(arrival.event), named_person(arrival.event)
        if user == anonymous:
            self._first.setdefault(anonymous, arrival.origin or arrival.seq)
            return
        self._first.setdefault(anonymous, arrival.seq)
        known = user in self._origin
        mine = self._signed_in.setdefault(anonymous, user) == user
        if not known:
            self._origin[user] = arrival.origin or (self._first[anonymous] if mine else arrival.seq)

    def _resolved(self, person: Person) -> Person:
        return self._signed_in.get(person, person)

    def of_heartbeat(self, event: Tracked) -> Person | None:
        """Return who is online: heartbeats of some clients name nothing but the device."""
        if event.user_id:
            return ("user", event.user_id)
        if event.anon_id:
            return self._resolved(("anon", event.anon_id))
        return self._latest_device.get(event.device_id)

    def db_id(self, person: Person) -> str:
        """Return the service's id of a person: 24 hexadecimal digits that tell nothing about them."""
        return hashlib.sha256(f"{self._salt}/{self._origin_of(person)}".encode()).hexdigest()[:24]

    def _origin_of(self, person: Person) -> int:
        return self._origin.get(person) or self._first[person]

    def origins_to_keep(self, kept: Sequence[Arrival]) -> dict[int, int]:
        """Return by arrival the origins that would be others if only the kept arrivals were known."""
        without = People(kept, self._salt)
        first: dict[Person, Arrival] = {}
        for arrival, owner in zip(kept, without.owners, strict=True):
            if owner == named_person(arrival.event):
                first.setdefault(owner, arrival)
        return {
            arrival.seq: self._origin_of(person)
            for person, arrival in first.items()
            if self._origin_of(person) != without._origin_of(person)
        }


def _by_run(arrivals: Sequence[Arrival]) -> list[Person]:
    """Return for each arrival the user who was signed in, or the anonymous person in a run where nobody was."""
    found: list[Person] = []
    signed_in: dict[Run, Person] = {}
    waiting: dict[Run, list[int]] = {}
    for place, arrival in enumerate(arrivals):
        event = arrival.event
        run = run_of(event)
        if event.user_id is not None:
            user = signed_in[run] = ("user", event.user_id)
            for earlier in waiting.pop(run, ()):
                found[earlier] = user
            found.append(user)
        elif run in signed_in:
            found.append(signed_in[run])
        else:
            waiting.setdefault(run, []).append(place)
            found.append(anonymous_person(event))
    return found
