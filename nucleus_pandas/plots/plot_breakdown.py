"""Breakdowns as bars, and over time as stacked bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nucleus_pandas.core.text import MISSING, OTHER, percent
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import floats
from nucleus_pandas.plots.shares import NOBODY, check_values, name_rows, write_beside
from nucleus_pandas.plots.stacked import draw_stacked
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_APART = ("dimension", "event", "attribute")


def plot_breakdown(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share of each value.

    Parameters
    ----------
    table : DataFrame
        The table of `breakdown`, without periods, of one dimension or attribute.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With a bar a value, in the order of the table: its share, and the 95 % bounds as a thin line. Beside it the
        count and the share. ``(other)`` and ``(none)`` are grey.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, the table has periods, several dimensions or attributes, or more
        than 30 values.
    TypeError
        If `table` is no DataFrame.

    Notes
    -----
    Values are shown as they are, long ones cut in the middle, characters that cannot be printed as U+FFFD.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> plans = nu.load_attribute(app, "init", "plan", "2026-09-01", "2026-10-31")
    >>> ax = nu.plot_breakdown(nu.breakdown(plans))
    """
    rows = checked_table(
        table,
        plot="plot_breakdown",
        maker="breakdown",
        texts=["value"],
        counts=["count"],
        numbers=["share", "share_low", "share_high", "cumulative_share"],
        optional=_APART,
    )
    if "period" in table.columns:
        raise ValueError("plot_breakdown draws one breakdown, this table has one a period: use plot_breakdown_trend")
    table = rows
    title = _title(table, "plot_breakdown")
    if table["count"].isna().all():
        return style.no_data(style.axes_for(ax), title)
    _check_rows(table, "plot_breakdown")
    ax = style.axes_for(ax, height=max(2.5, 1.4 + 0.32 * len(table)))
    share, low, high, count = (floats(table[name]) for name in ("share", "share_low", "share_high", "count"))
    places = np.arange(len(table))
    ax.barh(places, np.nan_to_num(share), 0.7, color=[_color(value) for value in table["value"]])
    for color, width in (("white", 2.4), ("black", 1.0)):
        ax.hlines(places, low, high, color=color, linewidth=width, zorder=3)
    texts = [
        f"{'no count' if np.isnan(number) else f'{number:,.0f}'} · {percent(part)}"
        for number, part in zip(count, share, strict=True)
    ]
    names, size = name_rows(ax, table["value"])
    write_beside(ax, np.fmax(np.nan_to_num(high), np.nan_to_num(share)), texts, size)
    style.finish_axes(ax, x="share of all counted", y="", grid="x")
    ax.tick_params(axis="y", labelsize=size)
    definition = "Count, and share of all counted; " + (
        "no bounds: the number of users is not known." if np.isnan(low).all() else "thin line: its 95 % bounds."
    )
    style.set_titles(ax, title, definition, beside=max(map(len, names)))
    return style.fit(ax)


def plot_breakdown_trend(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the shares of values over time.

    Parameters
    ----------
    table : DataFrame
        The table of `breakdown` with periods, of one dimension or attribute.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With a bar a period, in which the shares of the values are stacked, the first of the table at the bottom.
        Periods that may still change are hatched, periods without a share grey.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, or the table has several dimensions or attributes, or more than 30
        values.
    TypeError
        If `table` is no DataFrame.

    Notes
    -----
    Values are shown as `plot_breakdown` does. A period that is not complete has no share, see `breakdown`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> weekly = nu.load_dimensions(app, "2026-09-07", "2026-10-18", freq="W")
    >>> shares = nu.breakdown(weekly[weekly["dimension"] == "platform"])
    >>> ax = nu.plot_breakdown_trend(shares)
    """
    table = checked_table(
        table,
        plot="plot_breakdown_trend",
        maker="breakdown",
        dates=["period"],
        texts=["value"],
        counts=["count"],
        numbers=["share"],
        flags=["complete", "settled"],
        optional=_APART,
    )
    title = f"{_title(table, 'plot_breakdown_trend')} over time"
    ax = style.axes_for(ax)
    if table["count"].isna().all():
        return style.no_data(ax, title)
    check_values(table, "plot_breakdown_trend")
    notes = draw_stacked(ax, table, "value", plot="plot_breakdown_trend")
    style.finish_axes(ax, x="period start", y="share of all counted", grid=None)
    style.set_titles(ax, title, "Shares of all counted in the period.", *notes)
    return style.fit(ax)


def _title(table: pd.DataFrame, plot: str) -> str:
    """Name what is broken down; a table of several cannot be drawn on one Axes."""
    names = [name for name in _APART if name in table.columns]
    if names and len(table[names].drop_duplicates()) > 1:
        first = names[-1]
        raise ValueError(
            f'{plot} draws one {first}, this table has several: pick one, table[table["{first}"] == …]'
            + (', and one event, table["event"] == …' if first == "attribute" else "")
        )
    if not names or not len(table):
        return "Breakdown"
    return f"Breakdown of {' · '.join(style.plain(table[name].iloc[0]) for name in names)}"


def _check_rows(table: pd.DataFrame, plot: str) -> None:
    if len(table) > style.MOST_CATEGORIES:
        raise ValueError(
            f"{plot} draws up to {style.MOST_CATEGORIES} values, not {len(table):,}: make it with a lower top"
        )
    check_values(table, plot)


def _color(value: object) -> str:
    return {OTHER: style.REST, MISSING: NOBODY}.get(str(value), style.PALETTE[0])
