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
class DemoDevice:
    """A machine: 15 characters of Base64 for an id, what it runs on, when it took which release.

    ``releases`` holds (from when in ms, version), newest first.
    """

    device_id: str
    platform: str
    os_version: str
    arch: str
    ram_gb: int
    releases: tuple[tuple[int, str], ...] = field(repr=False)


@dataclass(slots=True, eq=False)
class DemoUser:
    """A person, or a machine that runs unattended (plan ``team``).

    ``db_id`` is the service's ``_id``; ``user_id`` is what the app calls them, None for the anonymous, who have an
    ``anon_id``. ``created_ms`` is the start of the first session; a few signed up on the web and have none.
    ``sessions`` are in order of their true start.
    """

    db_id: str
    user_id: str | None
    anon_id: str | None
    created_ms: int
    plan: str
    country: str | None
    locale: str
    offset_minutes: int
    props: dict[str, Scalar] = field(repr=False)
    init_data: Payload = field(repr=False)
    devices: list[DemoDevice] = field(default_factory=list, repr=False)
    sessions: list["DemoSession"] = field(default_factory=list, repr=False)


@dataclass(slots=True, eq=False)
class DemoSession:
    """A run of the app on one device; its id has four digits and comes again.

    ``clock_ms`` is by how much the device's clock was wrong: every event time of the session is off by it. Start
    and end are those of its events, so they are off too, as they are at the service.
    """

    user: DemoUser = field(repr=False)
    device: DemoDevice = field(repr=False)
    session_id: str
    version: str
    first: bool
    clock_ms: int
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
class DemoEvent:
    """An event: ``type`` is its name, ``error:<name>`` for an error.

    ``time_ms`` is by the device's clock, ``received_ms`` by the service's: later, by up to 48 h, unless the
    device's clock was wrong. ``data`` is shared between events: read it only. ``duration`` is in seconds.
    """

    session: DemoSession = field(repr=False)
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
