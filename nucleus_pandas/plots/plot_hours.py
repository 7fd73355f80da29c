"""Sessions by weekday and hour as a heatmap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nucleus_pandas.core.text import counted
from nucleus_pandas.plots import style
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Sessions by weekday and hour"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def plot_hours(hours: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the mean number of sessions in each hour of the week.

    Parameters
    ----------
    hours : DataFrame
        The table of `load_hours`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        A heatmap, Monday to Sunday by 0 to 23 h: sessions per hour, the mean over the days of that weekday in
        the table. A weekday or an hour that the table does not have is hatched. The colour bar stands to the
        right, on an inset of the Axes.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type.
    TypeError
        If `hours` is no DataFrame.

    Notes
    -----
    A mean, because in most intervals some weekdays occur once more than the others. Days that are not settled
    count like the others, which pulls their weekdays down: the subtitle says how many there are, where the
    table tells. The hour is that of the local day.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> ax = nu.plot_hours(nu.load_hours(app, "2026-09-01", "2026-10-31", tz="Europe/Paris"))
    """
    known = isinstance(hours, pd.DataFrame) and "settled" in hours.columns
    hours = checked_table(
        hours,
        plot="plot_hours",
        maker="load_hours",
        dates=["day"],
        counts=["hour", "sessions"],
        flags=["settled"] if known else [],
    )
    ax = style.axes_for(ax)
    if hours["sessions"].isna().all():
        return style.no_data(ax, TITLE)
    means = _by_weekday(hours)
    mesh = ax.pcolormesh(
        np.arange(25),
        np.arange(8),
        means,
        cmap="cividis",
        vmin=0,
        vmax=max(means.max(), 1),
        edgecolors="white",
        linewidth=0.5,
    )
    ax.patch.set(hatch="/////", edgecolor="0.75", facecolor="white", linewidth=0)
    style.finish_axes(ax, x="hour of the local day", y="", grid=None)
    ax.set_xticks(np.arange(0, 24, 3) + 0.5, [f"{hour:02d}" for hour in range(0, 24, 3)])
    ax.set_yticks(np.arange(7) + 0.5, WEEKDAYS)
    ax.set_ylim(7, 0)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    style.color_bar(ax, mesh, "mean sessions per hour")
    definition = f"Mean by weekday and hour, over {counted(hours['day'].nunique(), 'day')}."
    hatched = "Hatched: not in the table." if np.ma.is_masked(means) else ""
    style.set_titles(ax, TITLE, definition, _still_growing(hours), hatched)
    return style.fit(ax)


def _still_growing(hours: pd.DataFrame) -> str:
    """Say how many days may still grow."""
    if "settled" not in hours.columns or hours["settled"].all():
        return ""
    days = hours.loc[~hours["settled"], "day"].nunique()
    return f"Of these, {days:,} may still grow (clients send up to 48 h late)."


def _by_weekday(hours: pd.DataFrame) -> np.ma.MaskedArray:
    """Pivot to 7 rows of 24 means; what the table does not have is masked."""
    weekday = hours["day"].dt.day_of_week.rename("weekday")
    means = hours.pivot_table("sessions", index=weekday, columns="hour", aggfunc="mean")
    means = means.reindex(index=range(7), columns=range(24))
    return np.ma.masked_invalid(means.to_numpy(dtype="float64", na_value=np.nan))
