"""All plots at small and large data on one page, to be looked over: python -m tests.plots.gallery gallery.html

The small tables are those of the tests. The large ones come from a made-up log of three years, and from 3,000 names.
"""

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pandas as pd

import nucleus_pandas as nu
from tests.plots import conftest

HOSTILE = [
    *("<script>alert(1)</script>", "$x^2$", "{{7*7}}", "\u202egnp.exe \u05e9\u05dc\u05d5\u05dd", "smile \U0001f600"),
    *("\u6f22\u5b57\u4eee\u540d", "_private", ""),
]
LONG = [f"{start} {'long ' * 1_000}{start}" for start in "ABC"]
NAMES = ("segment", "activity", "error", "value", "version", "event", "source")
END = pd.Timestamp("2026-11-20T12:00Z")
STEPS = ["init", "open", "save", "share"]


@cache
def small(name: str) -> pd.DataFrame:
    """The table of a fixture."""
    make = getattr(conftest, name).__wrapped__
    return make(*map(small, inspect.signature(make).parameters))


def renamed(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Give the table other names: of segments, steps and rows in their place, of counts as many as there are."""
    column = next(name for name in NAMES if name in table)
    if column in ("error", "value", "version") or (column == "event" and "step" not in table):
        rows = table[table[column] == table[column].iloc[0]]
        table = pd.concat([rows.assign(**{column: name}) for name in names], ignore_index=True)
        for name in {"count", "sessions"} & set(table):
            table[name] *= np.arange(len(table), 0, -1)
    columns = ["source", "target"] if column == "source" else [column]
    old = dict.fromkeys(table[columns].to_numpy().T.ravel())
    new = old | dict(zip(old, names, strict=False))
    return table.assign(**table[columns].map(lambda name: new[name] or name).astype(conftest.TEXT))


def numbers(table: pd.DataFrame) -> list[str]:
    return [name for name in table if isinstance(table[name].dtype, pd.Int64Dtype)]


def one(table: pd.DataFrame) -> pd.DataFrame:
    """The first name, on the first day."""
    for column in ("segment", "error", "event", "value", "version", "source", "period", "day", "cohort", "dimension"):
        if column in table and not (column == "event" and "step" in table):
            table = table[table[column] == table[column].iloc[0]]
    return table


def filled(table: pd.DataFrame, number: object) -> pd.DataFrame:
    """All counts are this one."""
    table = table.copy()
    for name in numbers(table):
        table[name] = pd.array([number] * len(table), dtype="Int64")
        if name == "users" and number == 0:
            table = table.assign(**{rate: np.nan for rate in table if str(rate).startswith(("from_", "rate"))})
    return table


@cache
def log() -> pd.DataFrame:
    """Three years of an app, which hides nothing."""
    rng = np.random.default_rng(1)
    users, days = 3_000, 1_096
    born = np.sort(rng.integers(0, days, users))
    visits = rng.geometric(0.02 + 0.4 * rng.random(users) ** 3)
    user = np.repeat(np.arange(users), visits)
    day = born[user] + np.where(np.r_[True, user[1:] != user[:-1]], 0, rng.exponential(90, len(user)).astype(int))
    user, day = user[day < days], day[day < days]
    steps = 1 + rng.binomial(3, 0.6, len(user))
    at = np.repeat(np.arange(len(user)), steps)
    nth = np.arange(len(at)) - np.repeat(np.cumsum(steps) - steps, steps)
    hour = rng.normal(14, 4, len(user)).clip(0, 23)[at]
    time = END.normalize() - pd.Timedelta(days=days) + pd.to_timedelta(24 * day[at] + hour + nth * 0.3, unit="h")
    event = np.array(STEPS)[nth]
    event = np.where((nth > 0) & (rng.random(len(at)) < 0.15), "error:uncaughtException", event)
    release = (day // 60 - (rng.random(len(user)) < 0.3) * rng.integers(0, 3, len(user))).clip(0)
    table = pd.DataFrame({"user_id": [f"u{n}" for n in user[at]], "time": time.as_unit("us"), "event": event})
    return table.assign(
        user_db_id=table["user_id"],
        device_id=table["user_id"],
        session_id=at.astype(str),
        kind=pd.Series(event).map({"init": "init", "error:uncaughtException": "error"}).fillna("custom"),
        version=[f"1.{n}.0" for n in release[at]],
        plan=np.array(HOSTILE)[(user % 11 % 8)[at]],
    ).query("time < @END")


def users() -> pd.DataFrame:
    times = log().groupby("user_id")["time"]
    table = pd.DataFrame({"created_at": times.min(), "last_seen": times.max()}).reset_index()
    return table.assign(user_db_id=table["user_id"], plan=[HOSTILE[n % 3] for n in range(len(table))])


def counted(by: str, names: int, days: int) -> pd.DataFrame:
    """Counts of many names on many days, of which the last may still grow."""
    rng = np.random.default_rng(2)
    day = pd.date_range(end=END.normalize().tz_localize(None), periods=days).as_unit("us")
    mean = 200 / (1 + np.arange(names))[:, None] * (1 + 0.5 * np.sin(np.arange(days) / 30))
    return pd.DataFrame(
        {
            "day": np.tile(day, names),
            by: pd.array(np.repeat([f"{by} {n}" for n in range(names)], days), dtype=conftest.TEXT),
            "count": pd.array(rng.poisson(mean).ravel(), dtype="Int64"),
            "complete": np.tile(day < day[-1], names),
            "settled": np.tile(day < day[-1] - pd.Timedelta(days=2), names),
        }
    )


def daily() -> pd.DataFrame:
    table = counted("event", 1, 1_096)
    count = table["count"]
    return table.assign(
        new_users=count // 9, active_users=count, returning_users=count - count // 9, sessions=2 * count
    )


def values(names: int = 3_000) -> pd.DataFrame:
    table = counted("value", names, 1).drop(columns=["day", "complete", "settled"])
    return table.assign(dimension=pd.array(["platform"] * names, dtype=conftest.TEXT))


def weekly() -> pd.DataFrame:
    table = counted("value", 40, 157).rename(columns={"day": "period"})
    return table.assign(
        period=table["period"] - pd.to_timedelta((156 - np.arange(len(table)) % 157) * 6, unit="D"),
        dimension="platform",
    )


LARGE: dict[str, Callable[[], list[pd.DataFrame]]] = {
    "daily": lambda: [daily()],
    "events": lambda: [counted("event", 3_000, 60), counted("event", 12, 1_096)],
    "errors": lambda: [counted("error", 3_000, 60), counted("error", 12, 1_096)],
    "hours": lambda: [
        pd.DataFrame({"day": log()["time"].dt.tz_localize(None).dt.normalize(), "hour": log()["time"].dt.hour})
        .value_counts(sort=False)
        .rename("sessions")
        .astype("Int64")
        .reset_index()
    ],
    "dimensions": lambda: [values()],
    "dimensions_over_time": lambda: [weekly()],
    "funnel": lambda: [nu.funnel(log(), STEPS, window="30d"), conftest.reached([9_000 - 700 * n for n in range(12)])],
    "funnel_segments": lambda: [nu.funnel(log(), STEPS, window="30d", by="plan")],
    "funnel_trend": lambda: [nu.funnel_trend(log(), STEPS, freq=freq) for freq in ("W", "M")],
    "funnel_trend_segments": lambda: [nu.funnel_trend(log(), STEPS[:2], freq="M", by="plan")],
    "funnel_users": lambda: [nu.funnel_users(log(), STEPS, window="30d", by=by) for by in (None, "plan")],
    "paths": lambda: [nu.paths(log(), "init", gap=None, steps=6), nu.paths(log(), before="share", gap=None, steps=3)],
    "survival_segments": lambda: [nu.survival(users(), by=by, as_of=END) for by in (None, "plan")],
    "active_users": lambda: [nu.active_users(log(), as_of=END)],
    "growth": lambda: [nu.growth(log(), freq=freq, as_of=END) for freq in ("W", "M")],
    "days_active": lambda: [nu.days_active(log(), 90, as_of=END)],
    "usage_interval": lambda: [nu.usage_interval(log(), as_of=END)],
    "retention": lambda: [
        nu.retention(log(), freq="M", as_of=END),
        nu.retention(log(), freq="W", as_of=END),
        nu.retention(log(), freq="W", start="2026-09-01", as_of=END),
    ],
    "retention_curve": lambda: [
        nu.retention_curve(nu.retention(log(), freq="W", by=by, as_of=END)) for by in (None, "plan")
    ],
    "retention_trend": lambda: [
        nu.retention_trend(nu.retention(log(), freq="W", as_of=END), age=4),
        nu.retention_trend(nu.retention(log(), freq="M", by="plan", top=3, as_of=END), age=1),
    ],
    "error_trend": lambda: [
        nu.error_trend(counted("error", names, days), daily().tail(days), top=top)
        for names, days, top in ((1, 365, 1), (3_000, 90, 8), (2, 1_096, 2))
    ],
    "error_free": lambda: [nu.error_free(log(), freq="D", as_of=END), nu.error_free(log(), freq="M", by="plan", top=3)],
    "breakdown": lambda: [nu.breakdown(values(), top=10), nu.breakdown(values(), top=28)],
    "comparison": lambda: [
        *(nu.compare(*(nu.breakdown(one, top=top) for one in (values(), values(2_900)))) for top in (10, 28)),
        nu.compare(nu.funnel(log(), STEPS, window="30d", by="plan")),
    ],
    "breakdown_trend": lambda: [nu.breakdown(weekly(), top=top) for top in (5, 28)],
    "version_adoption": lambda: [nu.version_adoption(log(), freq=freq, top=8, as_of=END) for freq in ("D", "W", "M")],
    "releases": lambda: [nu.compare_releases(log())],
    "impact_of_errors": lambda: [nu.impact_of_errors(log(), strata=8)],
}


def variants(name: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Give what a plot is drawn of, and what that is."""
    table = small(name)
    yield "small, with an unsettled tail", table
    yield "one", one(table)
    if set(NAMES) & set(table):
        yield "hostile names", renamed(table, HOSTILE)
        yield "names of 5,000 characters", renamed(table, LONG)
    yield "zeros", filled(table, 0)
    yield "all missing", filled(table, None)
    for number, large in enumerate(LARGE[name](), 1):
        yield f"large {number}, {len(large):,} rows", large


def gallery() -> nu.Report:
    report = nu.Report("Gallery", "Every plot at small and large data")
    for name, (plot, _) in conftest.CASES.items():
        drawn: list[pd.DataFrame] = []
        for what, table in variants(name):
            if not any(table.equals(other) for other in drawn):
                report.add(f"{name}: {what}", plot, data=table)
            drawn.append(table)
    return report


if __name__ == "__main__":
    # Fonts that lack a letter, and days of which too little is known, are a part of what is to be seen.
    warnings.simplefilter("ignore")
    print(gallery().save(sys.argv[1]))
