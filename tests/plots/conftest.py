"""Small tables that can be checked by eye, and figures that never pile up."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.axes import Axes

from nucleus_pandas.plots import plot_daily, plot_dimensions, plot_errors, plot_events, plot_hours

TEXT = pd.StringDtype("python")
DAYS = pd.to_datetime(["2026-09-01", "2026-09-02", "2026-09-03", "2026-09-04"]).astype("datetime64[us]")
COMPLETE = [True, True, True, False]
SETTLED = [True, True, False, False]


class Case(NamedTuple):
    plot: Callable[..., Axes]
    table: pd.DataFrame


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


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


@pytest.fixture(params=["daily", "events", "errors", "hours", "dimensions", "dimensions_over_time"])
def case(request: pytest.FixtureRequest) -> Case:
    plots = {
        "daily": plot_daily,
        "events": plot_events,
        "errors": plot_errors,
        "hours": plot_hours,
        "dimensions": plot_dimensions,
        "dimensions_over_time": plot_dimensions,
    }
    return Case(plots[request.param], request.getfixturevalue(request.param))


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
