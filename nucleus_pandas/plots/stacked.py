"""Shares that add up to 1, as stacked bars over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nucleus_pandas.core.text import counted
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import floats, states
from nucleus_pandas.plots.shares import name_segments, percent_axis, segments_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

# Slanted lines are for what may still change, and not to tell values apart.
_HATCHES = {"////": "----", "xxxx": "++++"}
# Between narrower bars, white edges would hide the bars themselves.
_EDGED = 70


def draw_stacked(ax: Axes, table: pd.DataFrame, by: str, *, plot: str) -> list[str]:
    """Stack the shares of the values of a column, the first at the bottom; give what there is to say about them."""
    if (number := table[by].nunique(dropna=False)) > style.MOST_CATEGORIES:
        raise ValueError(
            f"{plot} draws up to {style.MOST_CATEGORIES} {by}s, not {number:,}: make the table with a lower top="
        )
    groups = segments_of(table.drop(columns="segment", errors="ignore").rename(columns={by: "segment"}), plot=plot)
    groups = [group._replace(hatch=_HATCHES.get(group.hatch, group.hatch)) for group in groups]
    state = states(table, "period")
    periods = pd.DatetimeIndex(state.index)
    edges, place = _edges(periods)
    below, known = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1, dtype=bool)
    for group in groups:
        shares = floats(group.rows.drop_duplicates("period").set_index("period")["share"].reindex(periods))
        above = below.copy()
        above[place] += np.nan_to_num(shares)
        known[place] |= ~np.isnan(shares)
        look: dict[str, Any] = {"facecolor": group.color, "hatch": group.hatch, "edgecolor": "white"}
        drawn = np.where(above > below, above, np.nan)
        ax.stairs(drawn, edges, baseline=below, fill=True, linewidth=0.4 * (len(periods) <= _EDGED), **look)
        below = above
    open_ = known[place] & ~state["settled"].to_numpy()
    unknown = ~known[place]
    for at in place[open_]:
        ax.axvspan(edges[at], edges[at + 1], linewidth=0, facecolor="none", edgecolor="white", hatch="////", zorder=3)
    for at in place[unknown]:
        ax.axvspan(edges[at], edges[at + 1], linewidth=0, facecolor="0.92", zorder=0)
    _time_axis(ax, periods, edges)
    ax.set_ylim(0, 1)
    percent_axis(ax)
    name_segments(ax, groups[::-1])
    return [
        "Hatched: may still change (clients send up to 48 h late)." if open_.any() else "",
        f"Grey: {counted(int(unknown.sum()), 'period')} without a share, not over, cut by the interval or empty."
        if unknown.any()
        else "",
    ]


def _edges(periods: pd.DatetimeIndex) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Where bars begin and end, in Matplotlib's days, and the place of each period; a gap is a place of its own."""
    from matplotlib.dates import date2num

    starts = np.asarray(date2num(periods.to_numpy()), dtype=np.float64)  # type: ignore[no-untyped-call]
    steps = np.diff(starts)
    step = steps.min() if len(steps) else 1.0
    # Months are 28 to 31 days long: up to the next start, unless periods are missing between.
    ends = np.append(np.where(steps <= 1.6 * step, starts[1:], starts[:-1] + step), starts[-1] + step)
    edges = np.unique(np.concatenate([starts, ends]))
    return edges, np.searchsorted(edges, starts)


def _time_axis(ax: Axes, periods: pd.DatetimeIndex, edges: NDArray[np.float64]) -> None:
    style.day_axis(ax, periods)
    margin = 0.01 * (edges[-1] - edges[0])
    ax.set_xlim(edges[0] - margin, edges[-1] + margin)
