"""Builds the made-up app from a seed: the same bytes on every Python and every system.

The one source of chance is ``random.Random(seed).random()``, which is stable where ``choices``, ``gauss`` and
``shuffle`` are not promised to be; everything drawn is an index into a table of integers, so no logarithm or power
of a C library can differ in its last digit. Offsets from UTC are fixed numbers, so no release of tzdata matters.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from operator import attrgetter
from random import Random

from nucleus_pandas.demo import words
from nucleus_pandas.demo.parameters import (
    ANONYMOUS_PERCENT,
    CLOCKS,
    COUNTRY_TABLE,
    FUNNEL_PERCENT,
    HOUR_TABLE,
    LAUNCH,
    MIXES,
    ONBOARDING,
    PRO_PERCENT,
    SIGNUPS,
    USE,
    WEEK_TABLES,
    WEEKLY_PERCENT,
    pick,
    still_there,
)
from nucleus_pandas.demo.records import DAY_MS, HOUR_MS, MINUTE_MS, WEEK_MS, DemoUser, Planted, Release
from nucleus_pandas.demo.session_generator import QUIET_MS, Player, Starts
from nucleus_pandas.demo.words import Scalar

_NEVER = -10_000  # a day on which nothing can happen: long before the app is there
AROUND_MS = DAY_MS + QUIET_MS  # moves what would fall into the outage past either end of it


class Builder:
    """One build: the source of chance, the planted days, what has been made so far."""

    def __init__(self, seed: int, days: int, users: int, machines: int, end_ms: int, *, eventful: bool = True) -> None:
        self.eventful = eventful
        self.seed, self.days, self.count, self.machine_count = seed, days, users, machines
        self.rand: Callable[[], float] = Random(seed).random
        self.end_ms = end_ms
        self.start_ms = self.end_ms - days * DAY_MS
        self.weekday = -days % 7  # of the first day, if the last is a Sunday, as by default
        self.planted = self._plan()
        self.player = Player(self.rand, self.planted, self.start_ms, self.end_ms)
        self.awkward = iter(words.AWKWARD_IDS)
        self.users: list[DemoUser] = []
        self.dealt: dict[tuple[str, str], int] = {}

    def _plan(self) -> Planted:
        """Place what is planted: in 180 days on the days written here, in other spans in proportion."""

        def day(n: int) -> int:
            return n * self.days // 180

        dates = {"0.9.0": -200, "0.9.1": 20, "0.10.0": 58, "0.10.1": 74, "0.11.0": 104, "1.0.0": 150}
        releases = tuple(Release(v, self.start_ms + day(n) * DAY_MS + 9 * HOUR_MS) for v, n in dates.items())
        if not self.eventful:
            return Planted(self.days, _NEVER, _NEVER, _NEVER, releases, "")
        return Planted(self.days, day(41), day(119), day(147), releases, "0.10.0")

    def build(self) -> list[DemoUser]:
        """Return the users, in order of creation, with everything that is theirs."""
        for number, day in enumerate(self._signup_days()):
            self._person(number, day)
        for number in range(self.machine_count):
            self._machine(number)
        self._live_sessions()
        self.users.sort(key=attrgetter("created_ms"))
        return self.users

    def _evenly(self, plan: str, deck: str, step: int, size: int) -> int:
        """Deal 0 to ``size`` - 1 to the users of a plan in turn, scattered but evenly.

        What is planted for each user must come out in every cohort of every seed; by chance alone, one seed in twenty
        would miss it.
        """
        turn = self.dealt[plan, deck] = self.dealt.get((plan, deck), self.seed) + 1
        return turn * step % size

    def _signup_days(self) -> list[int]:
        """Draw the day of each user's creation: growth, weekdays, the launch; nobody starts on the outage day."""
        weights = []
        for day in range(self.days):
            weight = (100 + 150 * day // self.days * self.eventful) * SIGNUPS[(self.weekday + day) % 7]
            after_launch = day - self.planted.launch_day
            if 0 <= after_launch < len(LAUNCH):
                weight += LAUNCH[after_launch] * 120
            weights.append(0 if day == self.planted.outage_day else weight)
        sums = list(accumulate(weights))
        return sorted(bisect_right(sums, int(self.rand() * sums[-1])) for _ in range(self.count))

    def _user(self, number: int, created: int, plan: str, user_id: str | None) -> DemoUser:
        """Make a user: who they are, where they live, what is known of them."""
        country, locale, offset, _ = pick(self.rand, COUNTRY_TABLE)
        digest = hashlib.sha256(f"{self.seed}/{number}".encode()).hexdigest()
        props: dict[str, Scalar] = {"country": country, "locale": locale, "plan": plan}
        # One key, several types, as when an app changes its mind: a number, a text, a yes or no, or nothing.
        if number % 5:
            props["seats"] = (None, 5, "5", True, 2.5)[number % 5] if number % 7 else "many"
        if number % 3 == 0:
            props["newsletter"] = number % 2 == 0
        if number % 97 == 13:
            props["<b>role</b>"] = "$x^{2$"
        init: dict[str, Scalar] = {"plan": plan}
        if user_id and number % 4 == 0:
            init["displayName"] = user_id
        if number % 11 == 0:
            init["beta"] = number % 2 == 0
        anon_id = None if user_id else digest[24:36]
        return DemoUser(digest[:24], user_id, anon_id, created, country, props, plan, locale, offset, init)

    def _user_id(self, number: int) -> str | None:
        """Return an address for most, nothing for the anonymous; every fortieth is awkward."""
        if number % 40 == 7 and (awkward := next(self.awkward, None)):
            return awkward
        if self.rand() * 100 < ANONYMOUS_PERCENT:
            return None
        first = words.FIRST_NAMES[number % 12]
        return f"{first}.{words.LAST_NAMES[number // 12 % 10]}{number}@example.org"

    def _clock_time(self, user: DemoUser) -> int:
        """Draw a time of day after UTC midnight in ms, as the user's local habits have it."""
        roll = int(self.rand() * len(HOUR_TABLE) * HOUR_MS)
        local = HOUR_TABLE[roll // HOUR_MS] * HOUR_MS + roll % HOUR_MS
        return (local - user.offset_minutes * MINUTE_MS) % DAY_MS

    def _person(self, number: int, day: int) -> None:
        """Make a person with their whole history."""
        plan = "pro" if self.rand() * 100 < PRO_PERCENT else "free"
        user = self._user(number, 0, plan, self._user_id(number))
        midnight = self.start_ms + day * DAY_MS
        user.created_ms = midnight + self._clock_time(user)
        if self.player.in_outage(user.created_ms):
            user.created_ms -= QUIET_MS
        self.users.append(user)
        if number % 200 == 150 and self.eventful:
            # Signed up on the web, on or about the outage day, and never started the app.
            user.created_ms = self.player.outage_ms + (number // 200 % 5 - 2) * DAY_MS + user.created_ms % DAY_MS
            return
        self.player.device(user, user.created_ms)
        roll = self._evenly(plan, "funnel", 27, 100)
        creators, exporters = FUNNEL_PERCENT[plan]
        kind = "exporter" if roll < exporters else "creator" if roll < creators else "visitor"
        starts = self._first_week(user, kind) + self._later_weeks(user, midnight)
        starts.sort(key=lambda item: item[0])
        self.player.play(user, starts, MIXES[kind], clock=CLOCKS[number % 3] if number % 50 == 5 else None)

    def _first_week(self, user: DemoUser, kind: str) -> Starts:
        """Return the sessions of the first week as (start, planned events): here the funnel is walked, or not.

        A creator's project and an exporter's export come within 7 days of the first start, on different days for most.
        """
        first = user.created_ms
        if kind == "visitor":
            return [(first, ())]
        roll = int(self.rand() * 1_000_000)
        to_project = (0, 0, 0, 0, 1, 1, 2, 3)[roll % 8] * DAY_MS
        to_export = (0, 0, 0, 1, 1, 2, 2, 2)[roll // 8 % 8] * DAY_MS
        project = first + to_project + (roll // 64 % 180) * MINUTE_MS * bool(to_project)
        export = project + to_export + (roll // 11520 % 80) * MINUTE_MS * bool(to_export)
        if self.player.in_outage(project):
            project, export = project + AROUND_MS, export + AROUND_MS
        elif self.player.in_outage(export):
            export += AROUND_MS
        planned: dict[int, tuple[str, ...]] = {first: ()}
        if kind == "creator":
            # Some export a sample before they create anything: the right steps in the wrong order.
            planned[first] = ("EXPORT_PDF",) if roll % 13 == 0 else ()
            planned[project] = (*planned.get(project, ()), "PROJECT_CREATED")
        else:
            planned[project] = ("PROJECT_CREATED",)
            planned[export] = (*planned.get(export, ()), "EXPORT_PDF")
        return list(planned.items())

    def _later_weeks(self, user: DemoUser, midnight: int) -> Starts:
        """Return more sessions: each week after creation (7 x 24 h) the user is there with the planted chance.

        A day and a time of it are drawn. What would lie before the week's own start on its first day is moved to the
        same time a week on, which is still within the week, so no session slips into another one.
        """
        use, keen = pick(self.rand, USE), WEEKLY_PERCENT[user.plan]
        fate = self._evenly(user.plan, "fate", 617, 1000)
        weekday = (self.weekday + (midnight - self.start_ms) // DAY_MS) % 7
        starts: Starts = []
        for week in range((self.end_ms - midnight) // WEEK_MS + 1):
            if fate >= still_there(user.plan, week):
                break
            opening = user.created_ms + week * WEEK_MS
            if week and self.rand() * 100 >= keen:
                continue
            for _ in range(use if week else use - 1):
                start = midnight + week * WEEK_MS + pick(self.rand, WEEK_TABLES[weekday]) * DAY_MS
                start += self._clock_time(user)
                if start < opening:
                    start += WEEK_MS
                if self.player.in_outage(start):
                    # Half wait, half were early; but never into another week.
                    later = opening + AROUND_MS > start or (start % 2 and start + AROUND_MS < opening + WEEK_MS)
                    start += AROUND_MS if later else -AROUND_MS
                starts.append((start, ()))
        return starts

    def _machine(self, number: int) -> None:
        """Make an unattended machine: every 8 hours on the hour, over the last twelve weeks."""
        first = self.end_ms - min(84, self.days) * DAY_MS + number % 8 * HOUR_MS
        user = self._user(1_000_000 + number, first, "team", f"machine {number}")
        self.player.device(user, first)
        self.users.append(user)
        hours = range(first, self.end_ms, 8 * HOUR_MS)
        starts: Starts = [(start, ()) for start in hours if not self.player.in_outage(start)]
        self.player.play(user, starts, MIXES["machine"], brief=True)

    def _live_sessions(self) -> None:
        """Let a few of the last users be at work at the very end, for the live endpoints."""
        for number, user in enumerate(self.users[-40 : -self.machine_count - 1 : 8]):
            if user.devices and (not user.sessions or user.sessions[-1].end_ms < self.end_ms - HOUR_MS):
                start = self.end_ms - (number + 2) * MINUTE_MS
                self.player.play(user, [(start, ("FILE_OPENED", "FILE_SAVED"))], ONBOARDING)
