"""Small tables that can be checked by eye, and figures that never pile up."""

from collections.abc import Callable
from typing import NamedTuple

import matplotlib as mpl

mpl.use("Agg")

import pandas as pd
import pytest
from matplotlib.axes import Axes

import nucleus_pandas as nu
from nucleus_pandas.plots import (
    plot_active_users,
    plot_breakdown,
    plot_breakdown_trend,
    plot_comparison,
    plot_daily,
    plot_days_active,
    plot_dimensions,
    plot_error_counts,
    plot_error_free,
    plot_error_trend,
    plot_event_counts,
    plot_funnel,
    plot_funnel_trend,
    plot_growth,
    plot_hours,
    plot_impact_of_errors,
    plot_paths,
    plot_releases,
    plot_retention,
    plot_retention_curve,
    plot_retention_trend,
    plot_survival,
    plot_time_to_convert,
    plot_usage_interval,
    plot_version_adoption,
)

TEXT = pd.StringDtype("python")
DAYS = pd.to_datetime(["2026-09-01", "2026-09-02", "2026-09-03", "2026-09-04"]).astype("datetime64[us]")
COMPLETE = [True, True, True, False]
SETTLED = [True, True, False, False]
ASKED = {"order": "ordered", "window": "7d", "include_pending": False, "sample": 1.0}


class Case(NamedTuple):
    plot: Callable[..., Axes]
    table: pd.DataFrame
    maker: str


@pytest.fixture
def daily() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "day": DAYS,
            "new_users": pd.array([5, 4, 6, 1], dtype="Int64"),
            "active_users": pd.array([20, 25, 22, 9], dtype="Int64"),
            "returning_users": pd.array([15, 21, 16, 8], dtype="Int64"),
            "sessions": pd.array([30, 41, 33, 12], dtype="Int64"),
            "avg_session_seconds": [60.5, 70.0, 65.0, 10.0],
            "complete": COMPLETE,
            "settled": SETTLED,
        }
    )


@pytest.fixture
def events() -> pd.DataFrame:
    return counted("event", {"open": [9, 8, 7, 6], "save": [3, 0, 2, 1], "close": [1, 1, 1, 1]})


@pytest.fixture
def errors() -> pd.DataFrame:
    return counted("error", {"uncaughtException": [4, 0, 2, 1], "DiskFull": [1, 3, 0, 1], "Timeout": [1, 0, 1, 0]})


@pytest.fixture
def hours() -> pd.DataFrame:
    # 1 and 8 September 2026 are Tuesdays, the 2nd is a Wednesday.
    days = pd.to_datetime(["2026-09-01", "2026-09-01", "2026-09-08", "2026-09-08", "2026-09-02"])
    return pd.DataFrame(
        {
            "day": days.astype("datetime64[us]"),
            "hour": [8, 9, 8, 9, 8],
            "sessions": pd.array([10, 4, 20, 5, 7], dtype="Int64"),
        }
    )


@pytest.fixture
def dimensions() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dimension": pd.array(["platform"] * 4 + ["version"] * 2, dtype=TEXT),
            "value": pd.array(["linux", "win", None, "mac", "0.10.0", "0.9.0"], dtype=TEXT),
            "count": pd.array([20, 100, 5, 60, 30, 70], dtype="Int64"),
        }
    )


@pytest.fixture
def dimensions_over_time() -> pd.DataFrame:
    table = counted("value", {"win": [9, 8, 7, 6], "mac": [3, 0, 2, 1]}).rename(columns={"day": "period"})
    return table.assign(dimension=pd.array(["platform"] * len(table), dtype=TEXT))


@pytest.fixture
def funnel() -> pd.DataFrame:
    return reached([1000, 400, 100], pending=7)


@pytest.fixture
def funnel_segments() -> pd.DataFrame:
    return segmented(free=reached([800, 200, 40]), pro=reached([200, 200, 60]))


@pytest.fixture
def funnel_trend() -> pd.DataFrame:
    weeks = pd.to_datetime(["2026-09-07", "2026-09-14", "2026-09-21"]).astype("datetime64[us]")
    tables = [reached([100, 50, 20]), reached([80, 48, 8]), reached([20, 10, 5], pending=30)]
    dated = pd.concat([table.assign(period=week) for table, week in zip(tables, weeks, strict=True)])
    states = {"complete": True, "settled": [True] * 6 + [False] * 3}
    return dated.pipe(_first, "period").assign(**states).pipe(_last, "sample")


@pytest.fixture
def funnel_trend_segments(funnel_trend: pd.DataFrame) -> pd.DataFrame:
    return segmented(free=funnel_trend, pro=funnel_trend)


@pytest.fixture
def funnel_users() -> pd.DataFrame:
    entered = pd.to_datetime(["2026-09-01T10:00Z"] * 4 + ["2026-09-02T10:00Z"]).astype("datetime64[us, UTC]")
    seconds = [[60, 120, 600, None, 30], [None, 3600, 86_400, None, None]]
    return pd.DataFrame(
        {
            "user_id": pd.array([f"user {i}" for i in range(5)], dtype=TEXT),
            "entered_at": entered,
            "depth": [2, 3, 3, 1, 2],
            "step_1": entered,
            **{f"step_{2 + i}": entered + pd.to_timedelta(times, unit="s") for i, times in enumerate(seconds)},
            "status": pd.array(["dropped", "converted", "converted", "dropped", "pending"], dtype=TEXT),
            "settled": [True, True, True, True, False],
            **ASKED,
        }
    )


@pytest.fixture
def funnel_users_segments(funnel_users: pd.DataFrame) -> pd.DataFrame:
    return funnel_users.assign(segment=pd.array(["free", "pro", "free", "pro", "free"], dtype=TEXT))


@pytest.fixture
def retention() -> pd.DataFrame:
    return cohorts({"2026-09-07": [100, 40, 0], "2026-09-14": [50, 25, None], "2026-09-21": [10, None, None]})


@pytest.fixture
def retention_curve() -> pd.DataFrame:
    return pooled([160, 65, 0], of=[160, 150, 100])


@pytest.fixture
def retention_curve_segments() -> pd.DataFrame:
    return segmented(free=pooled([100, 40, 0], of=[100, 90, 80]), pro=pooled([60, 25, 5], of=[60, 60, 20]))


@pytest.fixture
def retention_trend() -> pd.DataFrame:
    return cohorts({f"2026-09-{day:02}": [100, 10 + day, 0] for day in (7, 14, 21)}).query("age == 1")


@pytest.fixture
def paths() -> pd.DataFrame:
    return transitions(
        {
            (1, "open", "save"): 60,
            (1, "open", "(other)"): 10,
            (1, "open", "(exit)"): 30,
            (2, "save", "close"): 40,
            (2, "save", "(exit)"): 20,
            (2, "(other)", "close"): 10,
        },
        of=100,
    )


@pytest.fixture
def survival() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "day": range(5),
            "at_risk": pd.array([100, 100, 60, 40, 20], dtype="Int64"),
            "lost": pd.array([0, 40, 15, 10, 0], dtype="Int64"),
            "censored": pd.array([0, 0, 5, 10, 20], dtype="Int64"),
            "survival": [1.0, 0.6, 0.45, 0.34, 0.34],
            "survival_low": [float("nan"), 0.5, 0.35, 0.25, 0.25],
            "survival_high": [float("nan"), 0.7, 0.55, 0.44, 0.44],
            "pending": pd.array([7] * 5, dtype="Int64"),
            "low_n": [False, False, False, False, True],
            "gap": pd.array(["14d"] * 5, dtype=TEXT),
            "sample": 1.0,
        }
    )


@pytest.fixture
def survival_segments(survival: pd.DataFrame) -> pd.DataFrame:
    return segmented(free=survival, pro=survival.assign(survival=[1.0, 0.9, 0.8, 0.7, 0.7]))


@pytest.fixture
def active_users() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "day": DAYS,
            "dau": pd.array([20, 25, 22, 9], dtype="Int64"),
            "wau": pd.array([None, 60, 65, 63], dtype="Int64"),
            "mau": pd.array([None, None, 150, 155], dtype="Int64"),
            "stickiness": [float("nan"), float("nan"), 22 / 150, float("nan")],
            "complete": COMPLETE,
            "settled": SETTLED,
            "sample": 1.0,
        }
    )


@pytest.fixture
def growth() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "period": pd.to_datetime(["2026-08-31", "2026-09-07", "2026-09-14", "2026-09-21"]).astype("datetime64[us]"),
            "new": pd.array([None, 5, 6, 1], dtype="Int64"),
            "returning": pd.array([None, 20, 21, 9], dtype="Int64"),
            "resurrected": pd.array([None, 2, 3, 0], dtype="Int64"),
            "dormant": pd.array([None, 10, 6, None], dtype="Int64"),
            "active": pd.array([30, 27, 30, 10], dtype="Int64"),
            "quick_ratio": [float("nan"), 0.7, 1.5, float("nan")],
            "complete": COMPLETE,
            "settled": SETTLED,
            "freq": pd.array(["W"] * 4, dtype=TEXT),
            "sample": 1.0,
        }
    )


@pytest.fixture
def days_active() -> pd.DataFrame:
    return shares([20, 10, 0, 10]).assign(
        share_at_least=[1.0, 0.5, 0.25, 0.25],
        low_n=False,
        first_day=DAYS[0],
        last_day=DAYS[3],
        settled=False,
        sample=1.0,
    )


@pytest.fixture
def usage_interval() -> pd.DataFrame:
    return shares([20, 10, 0, 10]).assign(
        share_at_most=[0.5, 0.75, 0.75, 1.0],
        longest_at_most=[0.25, 0.5, 0.85, 1.0],
        once=pd.array([6] * 4, dtype="Int64"),
        low_n=False,
        first_day=DAYS[0],
        last_day=DAYS[3],
        sample=1.0,
    )


@pytest.fixture
def error_trend() -> pd.DataFrame:
    table = counted("error", {"uncaughtException": [4, 0, 90, 1], "DiskFull": [1, 3, 0, 1]})
    rate = table["count"].astype("float64").where(table["complete"])
    return table.assign(
        base=pd.array([100] * 8, dtype="Int64"),
        rate=rate,
        expected=(rate * 0 + 2).where(table["settled"]),
        expected_low=(rate * 0).where(table["settled"]),
        expected_high=(rate * 0 + 6).where(table["settled"]),
        spike=pd.array([False, False, True, None] + [False] * 3 + [None], dtype="boolean"),
        weeks=pd.array([8] * 8, dtype="Int64"),
        per=pd.array(["100 sessions"] * 8, dtype=TEXT),
    ).pipe(_last, "settled")


@pytest.fixture
def error_free() -> pd.DataFrame:
    return failure_free("error")


@pytest.fixture
def crash_free_segments() -> pd.DataFrame:
    return segmented(**{"1.0": failure_free("crash"), "1.1": failure_free("crash")})


@pytest.fixture
def impact_of_errors() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "activity": pd.array(["1–3 actions", "4–9 actions", "(pooled)", "(crude)"], dtype=TEXT),
            "users_without": pd.array([200, 180, 380, 380], dtype="Int64"),
            "returned_without": pd.array([120, 130, 250, 250], dtype="Int64"),
            "rate_without": [0.6, 0.72, None, 0.66],
            "users_with": pd.array([20, 40, 60, 60], dtype="Int64"),
            "returned_with": pd.array([10, 28, 38, 38], dtype="Int64"),
            "rate_with": [0.5, 0.7, None, 0.63],
            "difference": [-0.1, -0.02, -0.05, -0.03],
            "difference_low": [-0.3, -0.2, -0.17, -0.15],
            "difference_high": [0.1, 0.16, 0.08, 0.1],
            "low_n": [True, False, False, False],
            "pending": pd.array([7] * 4, dtype="Int64"),
            "first": pd.array([1] * 4, dtype="Int64"),
            "within": pd.array(["28d"] * 4, dtype=TEXT),
            "sample": 1.0,
        }
    )


def by_user(**users: int) -> pd.DataFrame:
    """A row a user, so many of each value."""
    value = [name for name, number in users.items() for _ in range(number)]
    return pd.DataFrame({"user_id": [f"user {n}" for n in range(len(value))], "value": value})


@pytest.fixture
def breakdown() -> pd.DataFrame:
    return nu.breakdown(by_user(win=100, mac=60, linux=20, **{"": 5}))


@pytest.fixture
def comparison() -> pd.DataFrame:
    before, after = by_user(win=100, mac=60, linux=20), by_user(win=90, mac=30, linux=70)
    return nu.compare(nu.breakdown(before), nu.breakdown(after))


@pytest.fixture
def breakdown_trend() -> pd.DataFrame:
    table = counted("value", {"win": [9, 8, 7, 6], "mac": [3, 0, 2, 1]}).rename(columns={"day": "period"})
    return nu.breakdown(table)


@pytest.fixture
def version_adoption(breakdown_trend: pd.DataFrame) -> pd.DataFrame:
    named = {"win": "0.9.0", "mac": "0.10.0"}
    table = breakdown_trend.rename(columns={"value": "version", "count": "sessions"}).drop(columns="cumulative_share")
    return table.assign(version=table["version"].replace(named).astype(TEXT), sample=1.0)


@pytest.fixture
def releases() -> pd.DataFrame:
    """One that is not compared, a bad one, one about which little is known, one without any errors before it."""
    numbers = [
        (None, None, None, None, None, None, None, False),
        ("1.0", 6.0, 3.0, 14.0, 0.76, 0.96, "more", False),
        ("1.1", 0.9, 0.2, 6.0, 0.95, 0.945, "within normal variation", True),
        ("1.2", float("inf"), 0.5, float("inf"), 0.98, 1.0, "within normal variation", False),
    ]
    names = [
        "before",
        "error_ratio",
        "error_ratio_low",
        "error_ratio_high",
        "error_free",
        "error_free_before",
        "error_change",
        "low_n",
    ]
    table = pd.DataFrame(numbers, columns=names).astype(
        dict.fromkeys(names[1:6], "float64") | {"before": TEXT, "error_change": TEXT}
    )
    count = pd.array([500, 400, 300, 200], dtype="Int64")
    return table.assign(
        version=pd.array(["1.0", "1.1", "1.2", "1.3"], dtype=TEXT),
        sessions=count,
        days=count,
        per="sessions",
        sample=1.0,
    )


CASES = {
    "daily": (plot_daily, "load_daily"),
    "events": (plot_event_counts, "load_event_counts"),
    "errors": (plot_error_counts, "load_error_counts"),
    "hours": (plot_hours, "load_hours"),
    "dimensions": (plot_dimensions, "load_dimensions"),
    "dimensions_over_time": (plot_dimensions, "load_dimensions"),
    "funnel": (plot_funnel, "funnel"),
    "funnel_segments": (plot_funnel, "funnel"),
    "funnel_trend": (plot_funnel_trend, "funnel_trend"),
    "funnel_trend_segments": (plot_funnel_trend, "funnel_trend"),
    "funnel_users": (plot_time_to_convert, "funnel_users"),
    "paths": (plot_paths, "paths"),
    "survival_segments": (plot_survival, "survival"),
    "active_users": (plot_active_users, "active_users"),
    "growth": (plot_growth, "growth"),
    "days_active": (plot_days_active, "days_active"),
    "usage_interval": (plot_usage_interval, "usage_interval"),
    "retention": (plot_retention, "retention"),
    "retention_curve": (plot_retention_curve, "retention_curve"),
    "retention_trend": (plot_retention_trend, "retention_trend"),
    "error_trend": (plot_error_trend, "error_trend"),
    "error_free": (plot_error_free, "error_free"),
    "breakdown": (plot_breakdown, "breakdown"),
    "comparison": (plot_comparison, "compare"),
    "breakdown_trend": (plot_breakdown_trend, "breakdown"),
    "version_adoption": (plot_version_adoption, "version_adoption"),
    "releases": (plot_releases, "compare_releases"),
    "impact_of_errors": (plot_impact_of_errors, "impact_of_errors"),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    plot, maker = CASES[request.param]
    return Case(plot, request.getfixturevalue(request.param), maker)


def reached(users: list[int], *, pending: int = 0, events: list[str] | None = None) -> pd.DataFrame:
    """Lay out the users of each step as a funnel does; bounds and times are made up."""
    rates = [count / users[0] if users[0] else float("nan") for count in users]
    kept = [
        count / before if before else float("nan") for count, before in zip(users, [users[0], *users], strict=False)
    ]
    seconds = [float("nan"), 90.0, 7200.0, 86_400.0 * 3, *[1.0] * len(users)][: len(users)]
    return pd.DataFrame(
        {
            "step": range(1, len(users) + 1),
            "event": pd.array(events or ["open", "save", "share", *"abcdefghi"][: len(users)], dtype=TEXT),
            "users": pd.array(users, dtype="Int64"),
            "from_start": rates,
            "from_start_low": [rate * 0.9 for rate in rates],
            "from_start_high": [min(1.0, rate * 1.1) for rate in rates],
            "from_previous": kept,
            "from_previous_low": [rate * 0.9 for rate in kept],
            "from_previous_high": [min(1.0, rate * 1.1) for rate in kept],
            "median_seconds": seconds,
            "mean_seconds": seconds,
            "excluded": pd.array([0] * len(users), dtype="Int64"),
            "pending": pd.array([pending] * len(users), dtype="Int64"),
            "low_n": users[0] < 30,
            **ASKED,
        }
    )


def segmented(**tables: pd.DataFrame) -> pd.DataFrame:
    named = [table.assign(segment=pd.array([name] * len(table), dtype=TEXT)) for name, table in tables.items()]
    return pd.concat(named, ignore_index=True).pipe(_first, "segment")


def _first(table: pd.DataFrame, column: str) -> pd.DataFrame:
    return table[[column, *table.columns.drop(column)]].reset_index(drop=True)


def _last(table: pd.DataFrame, column: str) -> pd.DataFrame:
    return table[[*table.columns.drop(column), column]]


def transitions(counts: dict[tuple[int, str, str], int], *, of: int) -> pd.DataFrame:
    """Lay out how many users went from which event to which as `paths` does."""
    step, source, target = zip(*counts, strict=True)
    return pd.DataFrame(
        {
            "step": step,
            "source": pd.array(source, dtype=TEXT),
            "target": pd.array(target, dtype=TEXT),
            "users": pd.array(list(counts.values()), dtype="Int64"),
            "share": [users / of for users in counts.values()],
            "pending": pd.array([0] * len(counts), dtype="Int64"),
            "sample": 1.0,
        }
    )


def shares(users: list[int]) -> pd.DataFrame:
    """Lay out how many users have 1, 2, … days, with bounds that are made up."""
    share = [count / sum(users) for count in users]
    return pd.DataFrame(
        {
            "days": range(1, len(users) + 1),
            "users": pd.array(users, dtype="Int64"),
            "share": share,
            "share_low": [0.9 * one for one in share],
            "share_high": [1.1 * one for one in share],
        }
    )


def counted(by: str, counts: dict[str, list[int]]) -> pd.DataFrame:
    """Lay out counts per name and day as the loaders do."""
    tables = [
        pd.DataFrame(
            {
                "day": DAYS,
                by: pd.array([name] * 4, dtype=TEXT),
                "count": pd.array(numbers, dtype="Int64"),
                "complete": COMPLETE,
                "settled": SETTLED,
            }
        )
        for name, numbers in counts.items()
    ]
    return pd.concat(tables, ignore_index=True)


_RETENTION = {"freq": "W", "clock": "calendar", "criterion": "on", "sample": 1.0}


def cohorts(retained: dict[str, list[int | None]]) -> pd.DataFrame:
    """Lay out who came back as `retention` does: all users of a cohort are eligible, or where it is None nobody."""
    rows = []
    for cohort, counts in retained.items():
        users = counts[0] or 0
        for age, count in enumerate(counts):
            eligible = 0 if count is None else users
            rows.append((cohort, age, users, eligible, count, count is not None, eligible < 30))
    columns = ["cohort", "age", "users", "eligible", "retained", "complete", "low_n"]
    return _rated(pd.DataFrame(rows, columns=columns).astype({"cohort": "datetime64[us]"}), ["complete", "low_n"])


def pooled(retained: list[int], *, of: list[int]) -> pd.DataFrame:
    """Lay out who came back as `retention_curve` does."""
    columns = {"age": range(len(of)), "cohorts": 3, "users": of[0], "eligible": of, "retained": retained}
    table = pd.DataFrame({**columns, "low_n": [count < 30 for count in of]})
    return _rated(table.astype({"cohorts": "Int64"}), ["low_n"])


def _rated(table: pd.DataFrame, last: list[str]) -> pd.DataFrame:
    """Add the rates, with bounds that are made up."""
    table = table.astype(dict.fromkeys(("users", "eligible", "retained"), "Int64"))
    rate = (table["retained"] / table["eligible"].where(table["eligible"] > 0)).astype("Float64")
    rates = {"rate": rate, "rate_low": rate * 0.9, "rate_high": (rate * 1.1).clip(upper=1.0)}
    plain = {name: values.to_numpy(dtype="float64", na_value=float("nan")) for name, values in rates.items()}
    return table.assign(**plain, **{name: table.pop(name) for name in last}, **_RETENTION)


def shared(by: str, **counts: int) -> pd.DataFrame:
    """Lay out counts by value."""
    return pd.DataFrame({by: pd.array(list(counts), dtype=TEXT), "count": pd.array([*counts.values()], dtype="Int64")})


def failure_free(kind: str) -> pd.DataFrame:
    """Lay out sessions and users without errors, or crashes, as `error_free` does; bounds are made up."""
    columns: dict[str, object] = {"period": DAYS}
    for unit, number in (("sessions", [100, 120, 90, 40]), ("users", [80, 90, 20, 30])):
        free = f"{kind}_free_{unit}"
        columns |= {unit: pd.array(number, dtype="Int64"), f"{kind}_{unit}": pd.array([5, 6, 3, 1], dtype="Int64")}
        columns |= {free: [0.95, 0.95, 0.9, None], f"{free}_low": [0.9, 0.9, 0.8, None]}
        columns |= {f"{free}_high": [0.98, 0.98, 0.96, None]}
    columns |= {"low_n": [False, False, True, False], "complete": COMPLETE, "settled": SETTLED, "sample": 1.0}
    return pd.DataFrame(columns)
