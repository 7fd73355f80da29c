"""The adoption of versions as stacked bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from nucleus_pandas.plots import style
from nucleus_pandas.plots.shares import sample_note
from nucleus_pandas.plots.stacked import draw_stacked
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_version_adoption(version_adoption: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share of each version over time.

    Parameters
    ----------
    version_adoption : DataFrame
        The table of `version_adoption`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With a bar a period, in which the shares of the versions are stacked, the oldest at the bottom. Periods that may
        still change are hatched, periods without a share grey.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, or there are more than 30 versions.
    TypeError
        If `version_adoption` is no DataFrame.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> log = nu.load_session_events(app, sessions)
    >>> ax = nu.plot_version_adoption(nu.version_adoption(log, freq="W"))
    """
    unit = "users" if isinstance(version_adoption, pd.DataFrame) and "users" in version_adoption.columns else "sessions"
    version_adoption = checked_table(
        version_adoption,
        plot="plot_version_adoption",
        maker="version_adoption",
        dates=["period"],
        texts=["version"],
        counts=[unit],
        numbers=["share", "sample"],
        flags=["complete", "settled"],
    )
    title = "Adoption of versions"
    ax = style.axes_for(ax)
    if version_adoption[unit].isna().all():
        return style.no_data(ax, title)
    notes = draw_stacked(ax, version_adoption, "version", plot="plot_version_adoption")
    style.finish_axes(ax, x="period start", y=f"share of {unit}", grid=None)
    which = "with the version of their last session in it" if unit == "users" else "by when they start"
    style.set_titles(ax, title, f"Shares of the {unit} of the period, {which}.", *notes, sample_note(version_adoption))
    return style.fit(ax)
