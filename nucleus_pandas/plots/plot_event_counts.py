"""Counts of events as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import draw_lines, largest, states, tail_note
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Events per day"


def plot_event_counts(events: pd.DataFrame, ax: Axes | None = None, *, top: int = 8) -> Axes:
    """Draw how often the most frequent events happened per day.

    Parameters
    ----------
    events : DataFrame
        The table of `load_event_counts`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.
    top : int, default 8
        The number of events with a line of their own, by their count over the whole table; from 1 to 30.

    Returns
    -------
    matplotlib Axes
        With a line an event, most frequent first, and a grey line for the sum of all others, in events per
        day. A missing number is a gap. Days that may still grow are dashed, days not over or cut by the
        interval are hollow as well.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, or `top` is out of range.
    TypeError
        If `events` is no DataFrame.

    Notes
    -----
    Each time that an event is sent counts: these are not numbers of users. Names are shown as they are, long
    ones cut in the middle, characters that cannot be printed as U+FFFD. *Settled* and *complete* are
    explained at `load_daily`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> ax = nu.plot_event_counts(nu.load_event_counts(app, "2026-09-01", "2026-10-31"), top=5)
    """
    events = checked_table(
        events,
        plot="plot_event_counts",
        maker="load_event_counts",
        dates=["day"],
        texts=["event"],
        counts=["count"],
        flags=["complete", "settled"],
    )
    top = style.checked_top(top, style.MOST_CATEGORIES)
    ax = style.axes_for(ax)
    if events["count"].isna().all():
        return style.no_data(ax, TITLE)
    state = states(events, "day")
    draw_lines(ax, largest(events, "event", period="day", top=top), state)
    style.finish_axes(ax, x="day", y="events per day", grid="y")
    style.count_axis(ax)
    style.day_axis(ax, pd.DatetimeIndex(state.index))
    style.set_titles(ax, TITLE, "Every time an event is sent counts.", tail_note(state, "Dashed", "day"))
    return style.fit(ax)
