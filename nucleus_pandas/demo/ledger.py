"""What a service has received so far, indexed for its answers."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from nucleus_pandas.demo.records import ERROR_PREFIX, Device, Event, Session, User

UserPath = Literal["user_id", "_id", "both"]


class Sighting(NamedTuple):
    """A sign of life: who was online, with which device, and when the service heard of it."""

    user: User
    device: Device
    received_ms: int


@dataclass(slots=True, eq=False)
class DeviceRecord:
    """A device of a user, with the version it ran when it was seen last."""

    device: Device
    seen_ms: int
    version: str | None


@dataclass(slots=True, eq=False)
class UserRecord:
    """A user as far as known: sessions, and when each device was seen last."""

    user: User
    seen_ms: int
    devices: dict[str, DeviceRecord] = field(default_factory=dict)
    sessions: list["SessionRecord"] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class SessionRecord:
    """A session as far as it has been received.

    ``labels`` are platform, RAM, language, version and country, in one tuple since they are counted together.
    """

    session: Session
    user: UserRecord
    device: DeviceRecord
    labels: tuple[str | float | None, ...]
    start_ms: int
    end_ms: int
    errors: int = 0
    events: list[Event] = field(default_factory=list)


@dataclass(slots=True)
class _Column:
    """Events of one type by time, with the times alone beside them to search in."""

    times: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    dirty: bool = False

    def sort(self) -> None:
        if self.dirty:
            self.events.sort(key=_time)
            self.times = [event.time_ms for event in self.events]
            self.dirty = False


def _time(event: Event) -> int:
    return event.time_ms


def _start(record: SessionRecord) -> int:
    return record.start_ms


class Ledger:
    """Takes in the events of an app as they are received and forgets erased users; the lists stay as they are.

    Not safe for threads: the service holds a lock. Time only goes forward.

    Parameters
    ----------
    users : sequence of User
        All users, in order of creation.
    events : sequence of Event
        All events, in the order in which they are received.

    Attributes
    ----------
    heartbeats : list of Sighting
        Who was online without an event.
    """

    def __init__(self, users: Sequence[User], events: Sequence[Event]) -> None:
        self._all_users, self._all_events = users, events
        self.heartbeats: list[Sighting] = []
        self.users: dict[str, UserRecord] = {}
        self.by_user_id: dict[str, UserRecord] = {}
        self.sessions: list[SessionRecord] = []
        self._starts: list[int] = []
        self._columns: dict[str, _Column] = {}
        self._records: dict[int, SessionRecord] = {}
        self._unordered = False
        self._received = [event.received_ms for event in events]
        self._known = 0  # events taken in
        self._known_users = 0
        self._erased: set[str] = set()

    def receive(self, now_ms: int) -> None:
        """Take in all that was received, and every user created, up to now."""
        users = self._all_users
        while self._known_users < len(users) and users[self._known_users].created_ms <= now_ms:
            user = users[self._known_users]
            self._known_users += 1
            record = self.users[user.db_id] = UserRecord(user, user.created_ms)
            if user.user_id is not None:
                self.by_user_id[user.user_id] = record
        known = bisect_right(self._received, now_ms)
        for event in self._all_events[self._known : known]:
            if event.session.user.db_id not in self._erased:
                self._take(event)
        self._known = max(known, self._known)
        if self._unordered:
            self._unordered = False
            self.sessions.sort(key=_start)
            self._starts = [record.start_ms for record in self.sessions]
        for column in self._columns.values():
            column.sort()

    def _take(self, event: Event) -> None:
        session, time_ms, kind = event.session, event.time_ms, event.type
        record = self._records.get(id(session)) or self._open(event)
        record.events.append(event)
        if time_ms > record.end_ms:
            record.end_ms = time_ms
        elif time_ms < record.start_ms:
            record.start_ms, self._unordered = time_ms, True
        if kind.startswith(ERROR_PREFIX):
            record.errors += 1
        # A clock that is years off says nothing about when a user was seen: the service's own clock does.
        seen = event.received_ms if session.clock_ms else time_ms
        if seen > record.user.seen_ms:
            record.user.seen_ms = seen
        if seen >= record.device.seen_ms:
            record.device.device, record.device.seen_ms, record.device.version = session.device, seen, session.version
        column = self._columns.get(kind)
        if column is None:
            column = self._columns[kind] = _Column()
        column.events.append(event)
        column.dirty = True

    def _open(self, event: Event) -> SessionRecord:
        """Open the session of an event that is the first one received of it."""
        session = event.session
        device, version, who = session.device, session.version, session.user
        user = self.users[who.db_id]
        used = user.devices.setdefault(device.device_id, DeviceRecord(device, 0, version))
        language = session.locale.replace("_", "-").split("-")[0] if session.locale else None
        labels = (device.platform, session.ram_gb, language, version, who.country)
        record = SessionRecord(session, user, used, labels, event.time_ms, event.time_ms)
        self._records[id(session)] = record
        self.sessions.append(record)
        self._unordered = True
        user.sessions.append(record)
        return record

    def erase(self, record: UserRecord) -> None:
        """Forget a user, their sessions and events, and whatever of theirs is still on its way."""
        who = record.user.db_id
        self._erased.add(who)
        del self.users[who]
        if record.user.user_id is not None:
            del self.by_user_id[record.user.user_id]
        self.sessions = [session for session in self.sessions if session.session.user.db_id != who]
        self._starts = [session.start_ms for session in self.sessions]
        for column in self._columns.values():
            column.events = [event for event in column.events if event.session.user.db_id != who]
            column.times = [event.time_ms for event in column.events]

    def find(self, wanted: str, path: UserPath) -> UserRecord | None:
        """Return the user that a path segment names; who has no user id goes by ``_id`` in any case."""
        by_db_id = self.users.get(wanted)
        if by_db_id and (path != "user_id" or by_db_id.user.user_id is None):
            return by_db_id
        return None if path == "_id" else self.by_user_id.get(wanted)

    def sessions_between(self, start_ms: int, end_ms: int) -> list[SessionRecord]:
        """Return the sessions that start in [start, end), by start."""
        return self.sessions[bisect_left(self._starts, start_ms) : bisect_left(self._starts, end_ms)]

    def users_between(self, start_ms: int, end_ms: int) -> list[UserRecord]:
        """Return the users created in [start, end)."""
        return [record for record in self.users.values() if start_ms <= record.user.created_ms < end_ms]

    def types(self) -> list[str]:
        """Return all event types received."""
        return list(self._columns)

    def events_between(self, kind: str, start_ms: int, end_ms: int) -> list[Event]:
        """Return the events of a type with times in [start, end), by time."""
        return self._slice(kind, start_ms, end_ms)[1]

    def times_between(self, kind: str, start_ms: int, end_ms: int) -> list[int]:
        """Return the times of the events of a type in [start, end), ascending."""
        return self._slice(kind, start_ms, end_ms)[0]

    def _slice(self, kind: str, start_ms: int, end_ms: int) -> tuple[list[int], list[Event]]:
        column = self._columns.get(kind) or _Column()
        first, last = bisect_left(column.times, start_ms), bisect_left(column.times, end_ms)
        return column.times[first:last], column.events[first:last]

    def received_since(self, since_ms: int) -> list[Event]:
        """Return what was received after an instant, in order of receipt."""
        first = bisect_right(self._received, since_ms)
        events = self._all_events[first : self._known]
        return [event for event in events if event.session.user.db_id not in self._erased]

    def online_since(self, since_ms: int) -> list[Sighting]:
        """Return the last sign of life of each user who gave one after an instant."""
        seen = [
            Sighting(event.session.user, event.session.device, event.received_ms)
            for event in self.received_since(since_ms)
        ]
        seen += [beat for beat in self.heartbeats if beat.received_ms > since_ms and beat.user.db_id in self.users]
        return list(
            {last.user.db_id: last for last in sorted(seen, key=lambda sighting: sighting.received_ms)}.values()
        )
