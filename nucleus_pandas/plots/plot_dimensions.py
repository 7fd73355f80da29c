"""Counts by platform, version, country, language or memory as bars, or over time as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nucleus_pandas.core.checks import check_choice
from nucleus_pandas.core.text import MISSING, OTHER
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import draw_lines, largest, ranked, states, tail_note
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {
    "platform": "Platforms",
    "platform_raw": "Platforms as reported",
    "version": "Versions of the app",
    "country": "Countries",
    "language": "Languages",
    "ram_gb": "Memory in GB",
}


def plot_dimensions(
    dimensions: pd.DataFrame, ax: Axes | None = None, *, dimension: str = "platform", top: int = 8
) -> Axes:
    """Draw the counts of the values of one dimension.

    Parameters
    ----------
    dimensions : DataFrame
        The table of `load_dimensions`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.
    dimension : {"platform", "platform_raw", "version", "country", "language", "ram_gb"}
        Which of the dimensions in the table to draw.
    top : int, default 8
        The number of values shown by name, by their count over the whole table; from 1 to 30.

    Returns
    -------
    matplotlib Axes
        With a bar a value, the largest count on top, and the count beside it. Where the table has a `period`
        (loaded with ``freq=``), with a line a value instead, in counts per period; periods that may still
        grow are dashed, those not over or cut by the interval are hollow as well. A missing value is shown as
        ``(none)``, the sum of all beyond `top` as ``(other)``.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, `dimension` is not one of these, or `top` is out of range.
    TypeError
        If `dimensions` is no DataFrame.

    Notes
    -----
    Counts as the service gives them for the window. Values are shown as they are, long ones cut in the
    middle, characters that cannot be printed as U+FFFD.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> table = nu.load_dimensions(app, "2026-09-01", "2026-10-31")
    >>> ax = nu.plot_dimensions(table, dimension="country")
    """
    over_time = isinstance(dimensions, pd.DataFrame) and "period" in dimensions.columns
    dimensions = checked_table(
        dimensions,
        plot="plot_dimensions",
        maker="load_dimensions",
        texts=["dimension", "value"],
        counts=["count"],
        dates=["period"] if over_time else [],
        flags=["complete", "settled"] if over_time else [],
    )
    check_choice("dimension", dimension, list(TITLES))
    top = style.checked_top(top, style.MOST_CATEGORIES)
    table = dimensions[dimensions["dimension"] == dimension]
    if over_time:
        return _lines(table, ax, TITLES[dimension], top)
    return _bars(table, ax, TITLES[dimension], top)


def _lines(table: pd.DataFrame, ax: Axes | None, title: str, top: int) -> Axes:
    """Draw a line a value over the periods."""
    ax = style.axes_for(ax)
    if table["count"].isna().all():
        return style.no_data(ax, title)
    state = states(table, "period")
    draw_lines(ax, largest(table, "value", period="period", top=top), state)
    style.finish_axes(ax, x="period start", y="count per period", grid="y")
    style.count_axis(ax)
    style.day_axis(ax, pd.DatetimeIndex(state.index))
    style.set_titles(ax, title, "Counts per period, as the service gives them.", tail_note(state, "Dashed", "period"))
    return style.fit(ax)


def _bars(table: pd.DataFrame, ax: Axes | None, title: str, top: int) -> Axes:
    """Draw a bar a value, the largest on top."""
    counts = ranked(table, "value")
    names, heights, rest = [str(name) for name in counts.index[:top]], counts[:top].tolist(), counts[top:]
    if len(rest):
        names, heights = [*names, OTHER], [*heights, rest.sum()]
    ax = style.axes_for(ax, height=max(2.5, 1.3 + 0.3 * len(names)))
    if not names:
        return style.no_data(ax, title)
    places = np.arange(len(names))
    colors = [style.REST if name in (MISSING, OTHER) else style.PALETTE[0] for name in names]
    bars = ax.barh(places, heights, 0.7, color=colors)
    size = min(style.small(), 0.7 * style.inches(ax)[1] * 72 / len(names))
    ax.bar_label(bars, [f"{count:,.0f}" for count in heights], padding=3, fontsize=size, **style.PLAIN)
    style.finish_axes(ax, x="count", y="", grid="x")
    width = style.name_width(ax)
    labels = [style.plain(name, width) for name in names]
    ax.set_yticks(places, labels, fontsize=size, **style.PLAIN)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.margins(x=0.12)
    style.count_axis(ax, "x")
    beyond = f"{OTHER}: the sum of {len(rest):,} more." if len(rest) else ""
    definition = "Counts over the whole interval, as the service gives them."
    style.set_titles(ax, title, definition, beyond, beside=max(map(len, labels)))
    return style.fit(ax)
