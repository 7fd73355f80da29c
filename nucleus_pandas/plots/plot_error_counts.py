"""Counts of errors as stacked bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import Trace, largest, looks, states, tail_note
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Errors per day"
# Between narrower bars, white edges would hide the bars themselves.
_EDGED_DAYS = 70


def plot_error_counts(errors: pd.DataFrame, ax: Axes | None = None, *, top: int = 8) -> Axes:
    """Draw the errors per day, the most frequent kinds stacked from below.

    Parameters
    ----------
    errors : DataFrame
        The table of `load_error_counts`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.
    top : int, default 8
        The number of errors with a colour of their own, by their count over the whole table; from 1 to 8.

    Returns
    -------
    matplotlib Axes
        With a bar a day whose height is the number of all errors of that day, and in it a layer for each
        kind, the most frequent at the bottom, the sum of all others in grey on top. Days that may still grow
        are hatched, days not over or cut by the interval are hollow as well. A day for which a number is missing
        has a grey ground.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, or `top` is out of range.
    TypeError
        If `errors` is no DataFrame.

    Notes
    -----
    A number of errors is not a number of broken sessions: one session can report thousands. Names are shown
    as they are, long ones cut in the middle, characters that cannot be printed as U+FFFD. *Settled* and
    *complete* are explained at `load_daily`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> ax = nu.plot_error_counts(nu.load_error_counts(app, "2026-09-01", "2026-10-31"))
    """
    errors = checked_table(
        errors,
        plot="plot_error_counts",
        maker="load_error_counts",
        dates=["day"],
        texts=["error"],
        counts=["count"],
        flags=["complete", "settled"],
    )
    top = style.checked_top(top, len(style.PALETTE))
    ax = style.axes_for(ax)
    if errors["count"].isna().all():
        return style.no_data(ax, TITLE)
    state = states(errors, "day")
    gaps = _stack(ax, largest(errors, "error", period="day", top=top), state)
    style.finish_axes(ax, x="day", y="errors per day", grid="y")
    style.count_axis(ax)
    style.day_axis(ax, pd.DatetimeIndex(state.index))
    definition = "Every report counts: one session can report many."
    missing = "Grey ground: a number is missing." if gaps else ""
    style.set_titles(ax, TITLE, definition, tail_note(state, "Hatched", "day"), missing)
    return style.fit(ax)


def _stack(ax: Axes, traces: list[Trace], state: pd.DataFrame) -> bool:
    """Stack a layer a trace and give back whether any number is missing, which a stack cannot show as a gap."""
    from matplotlib.dates import date2num
    from matplotlib.patches import Patch

    days = pd.date_range(state.index[0], state.index[-1], freq="D")
    at = days.get_indexer(pd.DatetimeIndex(state.index))
    state = state.reindex(days, fill_value=True)
    half = pd.Timedelta(hours=12)
    edges = (days.union([days[-1] + 2 * half]) - half).to_numpy()
    below = np.zeros(len(days))
    missing = np.ones(len(days), dtype=bool)
    missing[at] = np.isnan([trace.counts for trace in traces]).any(axis=0)
    for trace in traces:
        above = below.copy()
        above[at] += np.nan_to_num(trace.counts)
        for mask, look in looks(state, trace.color, edged=len(days) <= _EDGED_DAYS):
            if mask.any():
                # One patch draws the bars of all days: a year of single bars takes seconds.
                ax.stairs(np.where(mask, above, np.nan), edges, baseline=below, fill=True, **look)
        below = above
    for day in date2num(days[missing]):  # type: ignore[no-untyped-call]
        ax.axvspan(day - 0.5, day + 0.5, color="0.92", linewidth=0, zorder=0)
    style.add_legend(ax, [Patch(facecolor=trace.color) for trace in traces], [trace.name for trace in traces])
    return bool(missing.any())
