"""Breakdowns as bars, side by side as dumbbells, and over time as stacked bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nucleus_pandas.core.text import MISSING, OTHER, percent, points
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import floats
from nucleus_pandas.plots.shares import NOBODY, percent_axis
from nucleus_pandas.plots.stacked import draw_stacked
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_APART = ("dimension", "event", "attribute")
_ENOUGH = 0.05


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
        numbers=["share", "low", "high", "cumulative_share"],
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
    share, low, high, count = (floats(table[name]) for name in ("share", "low", "high", "count"))
    places = np.arange(len(table))
    ax.barh(places, np.nan_to_num(share), 0.7, color=[_color(value) for value in table["value"]])
    for color, width in (("white", 2.4), ("black", 1.0)):
        ax.hlines(places, low, high, color=color, linewidth=width, zorder=3)
    texts = [
        f"{'no count' if np.isnan(number) else f'{number:,.0f}'} · {percent(part)}"
        for number, part in zip(count, share, strict=True)
    ]
    names, size = _name_rows(ax, table["value"])
    _write_beside(ax, np.fmax(np.nan_to_num(high), np.nan_to_num(share)), texts, size)
    style.finish_axes(ax, x="share of all counted", y="", grid="x")
    ax.tick_params(axis="y", labelsize=size)
    definition = "Count, and share of all counted; " + (
        "no bounds, as totals do not tell users." if np.isnan(low).all() else "thin line: its 95 % bounds."
    )
    style.set_titles(ax, title, definition, beside=max(map(len, names)))
    return style.fit(ax)


def plot_breakdown_change(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how the share of each value differs between two tables of counts.

    Parameters
    ----------
    table : DataFrame
        The table of `compare_breakdowns`, of one dimension or attribute.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With a row a value, in the order of the table: a hollow dot for the share before, a full one for the share
        after, a line between them, and beside them the difference in percentage points with its bounds, if there are
        any. Clear changes (``p_adjusted`` below 0.05) are in colour, the others grey.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, or the table has several dimensions or attributes, or more than 30
        values.
    TypeError
        If `table` is no DataFrame.

    Notes
    -----
    Values are shown as `plot_breakdown` does.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> august = nu.load_attribute(app, "EXPORT_PDF", "format", "2026-08-01", "2026-08-31")
    >>> october = nu.load_attribute(app, "EXPORT_PDF", "format", "2026-10-01", "2026-10-31")
    >>> ax = nu.plot_breakdown_change(nu.compare_breakdowns(august, october))
    """
    table = checked_table(
        table,
        plot="plot_breakdown_change",
        maker="compare_breakdowns",
        texts=["value"],
        counts=["count_before", "count_after"],
        numbers=["share_before", "share_after", "difference", "low", "high", "p_adjusted"],
        flags=["low_n"],
        optional=_APART,
    )
    title = f"{_title(table, 'plot_breakdown_change')}: before and after"
    if table[["count_before", "count_after"]].isna().all(axis=None):
        return style.no_data(style.axes_for(ax), title)
    _check_rows(table, "plot_breakdown_change")
    ax = style.axes_for(ax, height=max(2.5, 1.4 + 0.36 * len(table)))
    before, after, difference, low, high, chance = (
        floats(table[name]) for name in ("share_before", "share_after", "difference", "low", "high", "p_adjusted")
    )
    colors = [style.PALETTE[0] if p < _ENOUGH else style.REST for p in chance]
    for i, color in enumerate(colors):
        ax.plot([before[i], after[i]], [i, i], color=color, linewidth=2.2, zorder=1)
        look: dict[str, Any] = {"color": color, "marker": "o", "markersize": 6.5, "linestyle": "none", "clip_on": False}
        ax.plot(before[i], i, **look, markerfacecolor="white", zorder=4)
        ax.plot(after[i], i, **look, zorder=5)
    names, size = _name_rows(ax, table["value"])
    texts = [_points(*numbers) for numbers in zip(difference, low, high, strict=True)]
    _write_beside(ax, np.fmax(np.nan_to_num(before), np.nan_to_num(after)), texts, size, colors=colors)
    style.finish_axes(ax, x="share of all counted", y="", grid="x")
    ax.tick_params(axis="y", labelsize=size)
    definition = [
        "Hollow: share before. Full: share after. Beside: the difference in percentage points"
        + (
            ". No bounds, as totals do not tell users."
            if np.isnan(low).all()
            else ", with its bounds, 95 % for all rows together."
        ),
        "Grey: no clear change.",
        "Fewer than 30 were counted before or after." if table["low_n"].any() else "",
    ]
    style.set_titles(ax, title, *definition, beside=max(map(len, names)))
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
    _check_values(table, "plot_breakdown_trend")
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
    _check_values(table, plot)


def _check_values(table: pd.DataFrame, plot: str) -> None:
    if missing := int(table["value"].isna().sum()):
        raise ValueError(
            f"{plot}: column value is missing in {missing:,} of {len(table):,} rows, which no table of breakdown has. "
            'pd.read_csv takes the text NA as missing: read the file with keep_default_na=False, na_values=[""]'
        )


def _color(value: object) -> str:
    return {OTHER: style.REST, MISSING: NOBODY}.get(str(value), style.PALETTE[0])


def _points(difference: float, low: float, high: float) -> str:
    """A difference in percentage points with its bounds."""
    if np.isnan(difference):
        return "nothing to compare"
    bounds = "" if np.isnan(low) else f" ({points(low)} to {points(high)})"
    return f"{points(difference)}{bounds}"


def _name_rows(ax: Axes, values: pd.Series) -> tuple[list[str], float]:
    """Write the value of each row at the left, the first on top."""
    ax.set_ylim(len(values) - 0.4, -0.6)
    names = [style.plain(value, style.name_width(ax)) for value in values]
    size = min(style.small(), 0.7 * style.inches(ax)[1] * 72 / len(values))
    ax.set_yticks(np.arange(len(values)), names, fontsize=size, **style.PLAIN)
    return names, size


def _write_beside(ax: Axes, ends: Any, texts: list[str], size: float, *, colors: list[str] | None = None) -> None:
    """Write a text to the right of each row, and make room for it."""
    width = 0.75 * max(1.0, style.inches(ax)[0])
    room = min(0.65, 0.55 * size * (max(map(len, texts)) + 2) / 72 / width)
    top = max(0.02, 1.02 * float(np.max(ends)))
    ax.set_xlim(0, top / (1 - room))
    percent_axis(ax, "x", top=top, ticks=int(1.6 * width * (1 - room)) + 1)
    for place, text in enumerate(texts):
        ax.annotate(
            text,
            (float(ends[place]), place),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=size,
            color="black" if colors is None else colors[place],
            **style.PLAIN,
        )
