"""Plays the sessions of the made-up app: on which device and version, what happens in them, what goes wrong."""

import base64
import hashlib
from collections.abc import Callable

from nucleus_pandas.demo import words
from nucleus_pandas.demo.parameters import (
    ERROR_RATE,
    GAPS,
    LATE,
    LATE_PER_10_000,
    LENGTHS,
    ONBOARDING,
    REPEATED_ID_PER_10_000,
    ROLLOUT,
    ROLLOUT_NEW,
    SYSTEM_TABLE,
    pick,
)
from nucleus_pandas.demo.records import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    WEEK_MS,
    DemoDevice,
    DemoEvent,
    DemoSession,
    DemoUser,
    Planted,
)
from nucleus_pandas.demo.words import Slot

MODULE_VERSION = "2.6.0"
DEVELOPMENT = "0.0.0"  # what the tracking clients report for an app that runs from its source
QUIET_MS = 30 * MINUTE_MS  # before the outage nobody starts, so that no session loses its first events

Starts = list[tuple[int, tuple[str, ...]]]
"""Sessions to be played: when each starts, and which events it must begin with."""


def reported_ram(device: DemoDevice, version: str) -> float | None:
    """Return the memory that a session reports: Windows does, from 0.10.0 on."""
    windows = device.platform.lower().startswith("win")
    return device.ram_gb if windows and not version.startswith("0.9.") else None


def reported_locale(user: DemoUser, device: DemoDevice) -> str:
    """Return the locale that a session reports: some Linux desktops have none set, and then it is C."""
    unset = device.platform == "Linux" and sum(device.device_id.encode()) % 5 == 0
    return "C" if unset else user.locale


def is_developer(user: DemoUser) -> bool:
    """Whether a user is one of the few who start the app from its source, which then has no version."""
    return int(user.db_id, 16) % 700 == 0


class Player:
    """Knows when the outage and the spike are, and makes devices, sessions and events."""

    def __init__(self, rand: Callable[[], float], planted: Planted, start_ms: int, end_ms: int) -> None:
        self.rand, self.planted, self.end_ms = rand, planted, end_ms
        self.outage_ms = start_ms + planted.outage_day * DAY_MS
        self.spike_ms = start_ms + planted.spike_day * DAY_MS

    def in_outage(self, ms: int) -> bool:
        """Whether a session begun now would lose its first events to the outage."""
        return -QUIET_MS <= ms - self.outage_ms < DAY_MS

    def device(self, user: DemoUser, installed: int) -> DemoDevice:
        """Give the user one more device, with the releases it will take and when."""
        raw = hashlib.sha256(f"{user.db_id}/{len(user.devices)}".encode()).digest()
        platform, os_version, arch, _ = pick(self.rand, SYSTEM_TABLE)
        node = platform in words.NODE_PLATFORMS
        # 15 characters, as one of the clients cuts them; from 10 bytes the last one is "=". The others send it all.
        short = base64.b64encode(raw[: 10 if raw[-1] % 5 == 0 else 12])[:15].decode()
        device_id = short if node else raw.hex()
        place = int(self.rand() * len(ROLLOUT))
        taken = []
        for number, release in enumerate(self.planted.releases):
            wait = ROLLOUT[(place + 37 * number) % len(ROLLOUT)]  # not always the same devices first
            if number == 0 or installed >= release.released_ms:
                wait = min(wait, ROLLOUT_NEW)
            taken.append((release.released_ms + wait * DAY_MS, release.version))
        installed_gb = (4, 8, 8, 16, 16, 16, 32, 64)[place % 8]
        ram = installed_gb - 0.125 * (1 + place % 3) if node else installed_gb  # without what the firmware takes
        device = DemoDevice(device_id, platform, os_version, arch, ram, tuple(reversed(taken)))
        user.devices.append(device)
        return device

    def play(
        self,
        user: DemoUser,
        starts: Starts,
        slots: tuple[Slot, ...],
        *,
        clock: int | None = None,
        brief: bool = False,
    ) -> None:
        """Play a user's sessions one after the other: on one device at a time, none while another runs."""
        busy = 0
        seen = {session.device.device_id for session in user.sessions}
        trusted = user.created_ms + 2 * WEEK_MS
        for start, planned in starts:
            if start < busy:
                if not planned:
                    continue
                start = busy + MINUTE_MS
                if self.in_outage(start):
                    start = self.outage_ms + DAY_MS
            if start >= self.end_ms:
                break
            roll = int(self.rand() * 100_000_000)
            device = self._at_device(user, start, roll % 10_000)
            wrong = 0
            if clock is not None and start > trusted and roll % 2:
                wrong = clock or -(start - start % DAY_MS)
            first = device.device_id not in seen
            seen.add(device.device_id)
            version = next((v for ms, v in device.releases if ms <= start), "0.9.0")
            if is_developer(user) and version != self.planted.bad_release:
                version = DEVELOPMENT
            session = DemoSession(
                user=user,
                device=device,
                session_id=self._session_id(user, device, roll),
                version=version,
                first=first,
                clock_ms=wrong,
                locale=reported_locale(user, device),
                ram_gb=reported_ram(device, version),
                module_version=MODULE_VERSION,
            )
            user.sessions.append(session)
            week_one = start < user.created_ms + WEEK_MS
            length = 1 if brief else pick(self.rand, LENGTHS)
            busy = self._events(session, start, planned, ONBOARDING if week_one else slots, length) + HOUR_MS // 2

    def _at_device(self, user: DemoUser, start: int, roll: int) -> DemoDevice:
        """Return the device in use: now and then a second or third one comes in, and stays in use."""
        if roll < 150 and len(user.devices) < 3 and user.sessions and user.plan != "team":
            return self.device(user, start)
        return user.devices[roll % len(user.devices)]

    def _session_id(self, user: DemoUser, device: DemoDevice, roll: int) -> str:
        """Return a random number as the tracking clients draw it, at times that of the device's last session again."""
        if roll % 10_000 >= 10_000 - REPEATED_ID_PER_10_000:
            for session in reversed(user.sessions):
                if session.device is device:
                    return session.session_id
        return str(1 + roll // 100 if device.platform in words.NODE_PLATFORMS else 1000 + roll // 10_000 % 9000)

    def _events(
        self, session: DemoSession, start: int, planned: tuple[str, ...], slots: tuple[Slot, ...], length: int
    ) -> int:
        """Make the events of a session; return the true time of its last one."""
        user, rand, wrong = session.user, self.rand, session.clock_ms
        roll = int(rand() * 100_000_000)
        # First sessions are never late: an account is created at the service, so it was online.
        late = roll % 10_000 < LATE_PER_10_000 and start > user.created_ms + DAY_MS
        sent = start + LATE[roll // 10_000 % len(LATE)] if late else start
        errors = self._errors(session.version, start, roll // 1_000_000)
        add = session.events.append
        add(DemoEvent(session, "init", start + wrong, max(start, sent) + 50, user.init_data, None))
        stop = self.outage_ms if start < self.outage_ms else self.end_ms
        now = start
        for step in range(max(length, len(planned)) + len(errors)):
            # One draw decides what happened (1,000 slots), with which attributes (16) and after how long (256).
            chance = int(rand() * 4_096_000)
            gap = GAPS[chance & 255] + chance % 997
            if step < len(planned):
                name, payloads, gap = planned[step], words.EVENTS[planned[step]], gap % (2 * MINUTE_MS)
            else:
                name, payloads = slots[chance >> 12]
            if now + gap >= stop:
                return now
            now += gap
            if step >= len(planned) and errors:
                name, data = errors.pop()
            else:
                data = payloads[chance >> 8 & 15]
            add(DemoEvent(session, name, now + wrong, max(now, sent) + 60 + (chance & 1023), data, None))
        if roll % 10 < 4 and length and now + 1000 < stop:
            now += 1000
            seconds = (now - start) // 1000
            add(DemoEvent(session, "nucleus:sessionend", now + wrong, max(now, sent) + 1200, None, seconds))
        return now

    def _errors(self, version: str, start: int, roll: int) -> list[tuple[str, words.Payload]]:
        """Draw the errors of a session: none for most, up to three at once."""
        spike = 0 <= start - self.spike_ms < DAY_MS
        bad = version == self.planted.bad_release
        rate = ERROR_RATE["spike" if spike else "bad" if bad else "ordinary"]
        chance = int(self.rand() * 10_000)
        if chance >= rate:
            return []
        if spike and chance >= ERROR_RATE["ordinary"]:
            return [words.SPIKE_ERROR] * (1 + roll % 3)
        if bad and chance >= ERROR_RATE["ordinary"]:
            return [words.RELEASE_ERROR] * (1 + roll % 3)
        return [words.ERRORS[(roll + n) % len(words.ERRORS)] for n in range(1 + (chance % 10 == 0))]
