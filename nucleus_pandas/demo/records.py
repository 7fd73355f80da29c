"""The records of the made-up app: users, devices, sessions and events, instants in UTC milliseconds."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from nucleus_pandas.demo.words import Payload, Scalar

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
ERROR_PREFIX = "error:"
SYSTEM_PREFIX = "nucleus:"


def to_ms(instant: datetime) -> int:
    """Return an instant as whole milliseconds since 1970."""
    return (instant - EPOCH) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """Return milliseconds since 1970 as an instant in UTC, without passing through a float."""
    return EPOCH + timedelta(milliseconds=ms)


def is_custom(kind: str) -> bool:
    """Whether an event type is the app's own: neither ``init`` nor an error nor one of the service's."""
    return kind != "init" and not kind.startswith((ERROR_PREFIX, SYSTEM_PREFIX))


@dataclass(slots=True, eq=False)
class Device:
    """A machine, and what it runs on."""

    device_id: str
    platform: str | None
    os_version: str | None
    arch: str | None


@dataclass(slots=True, eq=False)
class User:
    """A user: ``db_id`` is the service's ``_id``; ``user_id`` is what the app calls them, None for the anonymous.

    ``created_ms`` is the start of the first session, or when they signed up on the web.
    """

    db_id: str
    user_id: str | None
    anon_id: str | None
    created_ms: int
    country: str | None
    props: dict[str, Scalar] = field(repr=False)


@dataclass(slots=True, eq=False)
class Session:
    """A run of the app on one device; its id is random and comes again.

    ``clock_ms`` is by how much the device's clock was wrong: every event time of the session is off by it. Start
    and end are those of its events, so they are off too, as they are at the service.
    """

    user: User = field(repr=False)
    device: Device = field(repr=False)
    session_id: str
    version: str | None
    first: bool
    clock_ms: int
    locale: str | None = None
    ram_gb: float | None = None
    module_version: str | None = None


@dataclass(slots=True, eq=False)
class Event:
    """An event: ``type`` is its name, ``error:<name>`` for an error.

    ``time_ms`` is by the device's clock, ``received_ms`` by the service's: later, by up to 48 h, unless the
    device's clock was wrong. ``data`` is shared between events: read it only. ``duration`` is in seconds.
    """

    session: Session = field(repr=False)
    type: str
    time_ms: int
    received_ms: int
    data: Payload
    duration: int | None

    @property
    def is_error(self) -> bool:
        """Whether it is an error."""
        return self.type.startswith(ERROR_PREFIX)

    @property
    def is_custom(self) -> bool:
        """Whether it is one of the app's own."""
        return is_custom(self.type)


@dataclass(slots=True, eq=False)
class DemoDevice(Device):
    """A machine of the made-up app; ``releases`` holds (from when in ms, version), newest first.

    The id is 15 characters of Base64 or 64 hexadecimal digits, as the tracking clients make them.
    """

    platform: str
    ram_gb: float
    releases: tuple[tuple[int, str], ...] = field(repr=False)


@dataclass(slots=True, eq=False)
class DemoUser(User):
    """A person, or a machine that runs unattended (plan ``team``); the anonymous have an ``anon_id``.

    A few signed up on the web and have no session. ``sessions`` are in order of their true start.
    """

    plan: str
    locale: str
    offset_minutes: int
    init_data: Payload = field(repr=False)
    devices: list[DemoDevice] = field(default_factory=list, repr=False)
    sessions: list["DemoSession"] = field(default_factory=list, repr=False)


@dataclass(slots=True, eq=False)
class DemoSession(Session):
    """A session of the made-up app, with all its events; its id has one to six digits."""

    user: DemoUser = field(repr=False)
    device: DemoDevice = field(repr=False)
    version: str
    events: list["DemoEvent"] = field(default_factory=list, repr=False)

    @property
    def start_ms(self) -> int:
        """The time of the first event, by the device's clock."""
        return self.events[0].time_ms

    @property
    def end_ms(self) -> int:
        """The time of the last event, by the device's clock."""
        return self.events[-1].time_ms


@dataclass(slots=True, eq=False)
class DemoEvent(Event):
    """An event of the made-up app."""

    session: DemoSession = field(repr=False)


@dataclass(frozen=True, slots=True)
class Release:
    """A version and the UTC instant from which it was handed out."""

    version: str
    released_ms: int


@dataclass(frozen=True, slots=True)
class Planted:
    """The parameters of a build; days are counted from the app's start."""

    days: int
    launch_day: int
    outage_day: int
    spike_day: int
    releases: tuple[Release, ...]
    bad_release: str
