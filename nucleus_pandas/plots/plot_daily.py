"""The daily numbers as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import draw_lines, floats, styled, tail_note
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Users and sessions per day"
LINES = {"sessions": "Sessions", "active_users": "Active users", "new_users": "New users"}


def plot_daily(daily: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw sessions, active users and new users per day.

    Parameters
    ----------
    daily : DataFrame
        The table of `load_daily`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With one line each for sessions, active users and new users, in counts per day. A missing number is a
        gap. Days that may still grow are dashed, days not over or cut by the interval are hollow as well.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type.
    TypeError
        If `daily` is no DataFrame.

    Notes
    -----
    A user who is active on two days counts on both, so that daily users do not add up to the users of the
    interval. Returning users are the active ones who are not new, and session lengths have another unit:
    neither is drawn. *Settled* and *complete* are explained at `load_daily`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> daily = nu.load_daily(app, "2026-09-01", "2026-10-31", tz="Europe/Paris")
    >>> ax = nu.plot_daily(daily)
    """
    daily = checked_table(
        daily,
        plot="plot_daily",
        maker="load_daily",
        dates=["day"],
        counts=list(LINES),
        flags=["complete", "settled"],
    )
    ax = style.axes_for(ax)
    table = daily.sort_values("day").set_index("day")
    if table[list(LINES)].isna().all(axis=None):
        return style.no_data(ax, TITLE)
    state = table[["complete", "settled"]].astype(bool)
    traces = [styled(i, name, floats(table[column])) for i, (column, name) in enumerate(LINES.items())]
    draw_lines(ax, traces, state)
    style.finish_axes(ax, x="day", y="count per day", grid="y")
    style.count_axis(ax)
    style.day_axis(ax, pd.DatetimeIndex(table.index))
    style.set_titles(ax, TITLE, "A user active on two days counts on both.", tail_note(state, "Dashed", "day"))
    return style.fit(ax)
