"""The made-up app: its users, sessions and events, and its counts by local day."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from nucleus_pandas.demo.records import (
    DAY_MS,
    ERROR_PREFIX,
    DemoDevice,
    DemoEvent,
    DemoSession,
    DemoUser,
    Planted,
    from_ms,
    to_ms,
)

__all__ = [
    "DayCounts",
    "DemoApp",
    "DemoDevice",
    "DemoEvent",
    "DemoSession",
    "DemoUser",
]


@dataclass(slots=True)
class DayCounts:
    """What one local day holds; a session belongs to the day it starts on, with all its length."""

    new_users: int = 0
    sessions: int = 0
    seconds: float = 0.0
    active: set[str] = field(default_factory=set)
    hours: dict[int, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)

    def add_session(self, user: DemoUser, hour: int, events: list[DemoEvent]) -> None:
        """Count a session of a user that started in this hour of the local clock."""
        self.sessions += 1
        self.seconds += (events[-1].time_ms - events[0].time_ms) / 1000
        self.active.add(user.db_id)
        self.hours[hour] = self.hours.get(hour, 0) + 1

    @property
    def active_users(self) -> int:
        """Distinct users who started a session."""
        return len(self.active)

    @property
    def avg_session_seconds(self) -> float | None:
        """Mean length of the sessions, None without any."""
        return self.seconds / self.sessions if self.sessions else None


@dataclass(eq=False, repr=False)
class DemoApp:
    """A made-up desktop app.

    Attributes
    ----------
    users, sessions, events : list
        All of them; users in order of creation, events in the order in which the service received them.
    start, end : datetime
        UTC midnights: the data run over [start, end), apart from what wrong clocks say.
    planted : Planted
        Where in time things were planted; `planted.truth_of` gives them beside exact counts.
    """

    users: list[DemoUser]
    sessions: list[DemoSession]
    events: list[DemoEvent]
    start: datetime
    end: datetime
    planted: Planted

    def daily_counts(
        self, zone: ZoneInfo, start: date, end: date, *, as_of: datetime | None = None
    ) -> dict[date, DayCounts]:
        """Return the counts of each local calendar day from ``start`` to ``end``, both included.

        The reference for everything that is counted by day: each instant is asked for its local date, no offset is
        ever fixed. Days without anything are there, with zeros.
        """
        days = {start + timedelta(days=n): DayCounts() for n in range((end - start).days + 1)}
        known = to_ms(as_of) if as_of else None
        # No zone is a day away from UTC; what is farther off need not be asked.
        first = to_ms(datetime.combine(start, time(), UTC)) - DAY_MS
        last = first + (len(days) + 2) * DAY_MS

        def day_of(ms: int) -> DayCounts | None:
            return days.get(from_ms(ms).astimezone(zone).date()) if first <= ms < last else None

        for user in self.users:
            day = day_of(user.created_ms)
            if day and (known is None or user.created_ms <= known):
                day.new_users += 1
        for session in self.sessions:
            events = [e for e in session.events if known is None or e.received_ms <= known]
            for event in events:
                day = day_of(event.time_ms)
                if day and (event.is_custom or event.is_error):
                    counts = day.errors if event.is_error else day.events
                    name = event.type.removeprefix(ERROR_PREFIX)
                    counts[name] = counts.get(name, 0) + 1
            day = day_of(events[0].time_ms) if events else None
            if day:
                day.add_session(session.user, from_ms(events[0].time_ms).astimezone(zone).hour, events)
        return days
