"""Daily, weekly and monthly active users as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import draw_lines, floats, styled, tail_note
from nucleus_pandas.plots.shares import sample_note
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Active users"
LINES = {"mau": "in 28 days", "wau": "in 7 days", "dau": "on the day"}


def plot_active_users(active_users: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how many users were active on each day, and in the 7 and 28 days that end with it.

    Parameters
    ----------
    active_users : DataFrame
        The table of `active_users`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With one line each for 28 days, 7 days and the day, in users. A missing number is a gap. Days that may still
        grow are dashed, a day that is not over is hollow as well.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type.
    TypeError
        If `active_users` is no DataFrame.

    Notes
    -----
    Stickiness has another unit and is not drawn. *Settled* and *complete* are explained at `active_users`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> ax = nu.plot_active_users(nu.active_users(sessions, as_of=app.now()))
    """
    active_users = checked_table(
        active_users,
        plot="plot_active_users",
        maker="active_users",
        dates=["day"],
        counts=list(LINES),
        flags=["complete", "settled"],
        numbers=["sample"],
    )
    ax = style.axes_for(ax)
    table = active_users.sort_values("day").set_index("day")
    if table[list(LINES)].isna().all(axis=None):
        return style.no_data(ax, TITLE)
    state = table[["complete", "settled"]].astype(bool)
    # What is not known of the first days is no part of an interval.
    known = table[list(LINES)].notna().any(axis=1)
    table, state = table[known], state[known]
    traces = [styled(i, name, floats(table[column])) for i, (column, name) in enumerate(LINES.items())]
    draw_lines(ax, traces, state)
    style.finish_axes(ax, x="day", y="users", grid="y")
    style.count_axis(ax)
    style.day_axis(ax, pd.DatetimeIndex(table.index))
    meaning = "Users active in the days up to and with this one, each counted once."
    style.set_titles(ax, TITLE, meaning, tail_note(state, "Dashed", "day"), sample_note(active_users))
    return style.fit(ax)
