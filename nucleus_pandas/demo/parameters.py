"""What the made-up app is planted with, and the tables that chance draws from: integers, every one."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from nucleus_pandas.demo import words
from nucleus_pandas.demo.records import DAY_MS, HOUR_MS

T = TypeVar("T")

PRO_PERCENT = 25
# Per cent of users who ever create a project, and who ever export one after that; all within a week of their start.
FUNNEL_PERCENT = {"free": (54, 26), "pro": (80, 55)}
# Per cent of those still there who come in a given week.
WEEKLY_PERCENT = {"free": 75, "pro": 90}
# Sessions with an error, per 10,000.
ERROR_RATE = {"ordinary": 400, "bad": 2400, "spike": 3600}
# Days after a release until the n-th hundredth of devices takes it; 9999: never.
ROLLOUT = (0,) * 5 + (1,) * 8 + (2,) * 14 + (3,) * 16 + (4,) * 16 + (6,) * 16 + (9,) * 12 + (20,) * 9 + (9999,) * 4
ROLLOUT_NEW = 6  # a fresh install takes a release at the latest when it is that old


def still_there(plan: str, week: int) -> int:
    """Return how many of 1,000 users of a plan have not gone for good by the n-th week after their first."""
    floor, gone = {"free": (60, 1100), "pro": (260, 1500)}[plan]
    return 1000 if week == 0 else floor + gone // (week + 3)


WEEKDAYS = (10, 10, 10, 10, 9, 4, 3)  # sessions by weekday, Monday first
SIGNUPS = (10, 11, 11, 10, 9, 5, 4)
LAUNCH = (90, 45, 25, 14, 8)  # sign-ups that launch day and the days after add, in some tenths of an early Tuesday's
USE = (1,) * 74 + (2,) * 16 + (3,) * 6 + (5,) * 3 + (12,)  # sessions in an active week: heavy-tailed
LENGTHS = (0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 11, 14, 18, 30)  # events of a session after the first
# Between two events of a session: a second to a quarter of an hour, mostly short.
GAPS = tuple(900 + i**4 // 4_700 for i in range(256))
# Offline sessions arrive this long after their start: less than 48 h, so that no event comes later than that.
LATE = tuple(HOUR_MS // 4 * n + 7_919 for n in (2, 3, 5, 8, 12, 20, 30, 45, 60, 80, 100, 120, 140, 160, 180, 187))
LATE_PER_10_000 = 500
REPEATED_ID_PER_10_000 = 40
ANONYMOUS_PERCENT = 12
CLOCKS = (1096 * DAY_MS, -2557 * DAY_MS, 0)  # three years ahead, seven behind; 0: reset to 1970
ONBOARDING = words.mix()
MIXES = {
    "visitor": words.mix(EXPORT_PDF=2),
    "creator": words.mix(PROJECT_CREATED=35),
    "exporter": words.mix(PROJECT_CREATED=40, EXPORT_PDF=60),
    "machine": ONBOARDING,
}


def _weighted(values: Sequence[T], weights: Sequence[int]) -> tuple[T, ...]:
    """Return a table in which each value stands as often as its weight says."""
    return tuple(value for value, weight in zip(values, weights, strict=True) for _ in range(weight))


COUNTRY_TABLE = _weighted(words.COUNTRIES, [row[3] for row in words.COUNTRIES])
SYSTEM_TABLE = _weighted(words.SYSTEMS, [row[3] for row in words.SYSTEMS])
HOUR_TABLE = _weighted(range(24), words.HOURS)
WEEK_TABLES = tuple(_weighted(range(7), [WEEKDAYS[(first + n) % 7] for n in range(7)]) for first in range(7))


def pick(rand: Callable[[], float], table: Sequence[T]) -> T:
    """Draw from a table, each place alike."""
    return table[int(rand() * len(table))]
