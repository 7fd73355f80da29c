"""On how many days users come, and how far apart, as bars with a line over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nucleus_pandas.core.text import counted
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import floats
from nucleus_pandas.plots.shares import percent_axis, sample_note
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

DAYS_TITLE = "Days active"
INTERVAL_TITLE = "Usage interval"
_BAR, _LINE = style.PALETTE[0], style.PALETTE[1]
# What share of users a period of retention should be long enough for.
_MOST = 0.8
# Beyond the day at which so many users are told there are single ones, each far apart.
_NEARLY_ALL = 0.99


def plot_days_active(days_active: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw on how many of the last days users were active.

    Parameters
    ----------
    days_active : DataFrame
        The table of `days_active`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With a bar a number of days: the share of the users who were active on just so many, its 95 % bounds as a thin
        line; and a line that falls: the share of those who were on so many or more.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type.
    TypeError
        If `days_active` is no DataFrame.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> ax = nu.plot_days_active(nu.days_active(sessions, as_of=app.now()))
    """
    days_active = checked_table(
        days_active,
        plot="plot_days_active",
        maker="days_active",
        counts=["days", "users"],
        numbers=["share", "share_low", "share_high", "share_at_least", "sample"],
        dates=["first_day", "last_day"],
        flags=["low_n", "settled"],
    )
    ax = style.axes_for(ax)
    table = days_active.sort_values("days")
    if table["users"].isna().all() or table["share"].isna().all():
        return style.no_data(ax, DAYS_TITLE)
    _draw(ax, table, "share_at_least", "or more")
    style.finish_axes(ax, x="days on which a user was active", y="share of users", grid="y")
    span = f"{table['first_day'].iloc[0]:%Y-%m-%d} to {table['last_day'].iloc[0]:%Y-%m-%d}"
    style.set_titles(
        ax,
        DAYS_TITLE,
        _told(table, f"active on any day from {span}"),
        "The last day may still grow (clients send up to 48 h late)." if not table["settled"].all() else "",
        sample_note(days_active),
    )
    return style.fit(ax)


def plot_usage_interval(usage_interval: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how many days users let pass between two days on which they come.

    Parameters
    ----------
    usage_interval : DataFrame
        The table of `usage_interval`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With a bar a number of days: the share of users whose median it is, its 95 % bounds as a thin line; and a line
        that rises: the share of those with so many or fewer, up to 99 %. The subtitle says where it reaches 80 %, and
        for how many days 80 % of the users stayed away at most.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type.
    TypeError
        If `usage_interval` is no DataFrame.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> ax = nu.plot_usage_interval(nu.usage_interval(sessions, as_of=app.now()))
    """
    usage_interval = checked_table(
        usage_interval,
        plot="plot_usage_interval",
        maker="usage_interval",
        counts=["days", "users", "once"],
        numbers=["share", "share_low", "share_high", "share_at_most", "longest_at_most", "sample"],
        flags=["low_n"],
    )
    ax = style.axes_for(ax)
    table = usage_interval.sort_values("days")
    if table["users"].isna().all() or table["share"].isna().all():
        return style.no_data(ax, INTERVAL_TITLE)
    nearly = _reaches(table, "share_at_most", _NEARLY_ALL)
    beyond = floats(table["days"]) > nearly
    drawn, left = table[~beyond], np.nan_to_num(floats(table.loc[beyond, "users"])).any()
    most, away = (_reaches(table, name, _MOST) for name in ("share_at_most", "longest_at_most"))
    _draw(ax, drawn, "share_at_most", "or fewer")
    ax.axhline(_MOST, color=style.QUIET, linewidth=0.8, linestyle=(0, (2.5, 1.5)))
    style.finish_axes(ax, x="days from one active day to the next, median of a user", y="share of users", grid="y")
    once = np.nan_to_num(floats(table["once"])).max()
    style.set_titles(
        ax,
        INTERVAL_TITLE,
        _told(table, "active on two days or more"),
        f"80 % of them have a median of {counted(int(most), 'day')} or fewer." if most == most else "",
        f"80 % never stayed away for more than {counted(int(away), 'day')} and came back." if away == away else "",
        f"Active on one day only, and left out: {once:,.0f}." if once else "",
        f"Not drawn: medians of more than {counted(int(nearly), 'day')}." if left else "",
        sample_note(usage_interval),
    )
    return style.fit(ax)


def _reaches(table: pd.DataFrame, column: str, share: float) -> float:
    """Give the number of days at which a column reaches a share, NaN if it does not."""
    days = floats(table.loc[table[column] >= share, "days"])
    return float(days.min()) if len(days) else np.nan


def _draw(ax: Axes, table: pd.DataFrame, line: str, meaning: str) -> None:
    """Draw the bars with their bounds, and the line over them."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    days, share, low, high, along = (floats(table[name]) for name in ("days", "share", "share_low", "share_high", line))
    # One patch draws all bars; where a number of days has no row there is none.
    edges = np.arange(days.min(), days.max() + 2) - 0.5
    bars = np.full(len(edges) - 1, np.nan)
    bars[(days - days.min()).astype(int)] = share
    ax.stairs(bars, edges, fill=True, facecolor=_BAR, edgecolor="white", linewidth=0.4 * (len(bars) <= 70))
    some = floats(table["users"]) > 0
    thin = min(1.0, 0.3 * 72 * style.inches(ax)[0] / len(bars))  # and never so wide that it hides its bar
    for color, width in (("white", 2.4 * thin), ("black", thin)):
        ax.vlines(days[some], low[some], high[some], color=color, linewidth=width, zorder=3)
    ax.plot(days, along, color=_LINE, linewidth=1.4, marker="o", markersize=3, markevery=max(1, len(days) // 30))
    style.whole_ticks(ax, float(days.max()), letters=3)
    ax.set_xlim(edges[0] - 0.01 * len(bars), edges[-1] + 0.01 * len(bars))
    ax.set_ylim(0, 1.03)
    percent_axis(ax)
    handles = [Patch(facecolor=_BAR), Line2D([], [], color=_LINE, linewidth=1.4, marker="o", markersize=3)]
    style.add_legend(ax, handles, ["just so many", meaning])


def _told(table: pd.DataFrame, what: str) -> str:
    """Say of how many users the shares are."""
    users = int(np.nansum(floats(table["users"])))
    few = " Fewer than 30: read the bounds." if table["low_n"].any() else ""
    return f"Of {counted(users, 'user')} who were {what}. Thin line: 95 % bounds.{few}"
