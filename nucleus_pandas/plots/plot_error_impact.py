"""Differences between users with and without an error, as dots with their bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nucleus_pandas.core.text import counted
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import floats
from nucleus_pandas.plots.shares import sample_note
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Coming back after an error"
_TOGETHER = ("(pooled)", "(crude)")


def plot_impact_of_errors(impact: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how much less, or more, users with an error came back than others who did as much.

    Parameters
    ----------
    impact : DataFrame
        The table of `impact_of_errors`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With a dot a row: the difference of the two rates in percentage points, left of the line where users with an
        error came back less, and its 95 % bounds. Beside it how many users with and without an error it is of. The
        pooled and the crude row are black; of fewer than 30 users in one of the groups the dot is hollow.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type.
    TypeError
        If `impact` is no DataFrame.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(80))
    >>> ax = nu.plot_impact_of_errors(nu.impact_of_errors(sessions, strata=2, as_of=app.now()))
    """
    impact = checked_table(
        impact,
        plot="plot_impact_of_errors",
        maker="impact_of_errors",
        texts=["activity", "within"],
        counts=["users_without", "users_with", "pending", "first"],
        numbers=["difference", "difference_low", "difference_high", "sample"],
        flags=["low_n"],
    )
    users = impact[["users_without", "users_with"]]
    if users.isna().all(axis=None) or not (users.sum(axis=1) > 0).any():
        return style.no_data(style.axes_for(ax), TITLE)
    ax = style.axes_for(ax, height=1.6 + 0.42 * len(impact))
    names = [style.plain(name, style.name_width(ax)) for name in impact["activity"]]
    points, low, high = (100 * floats(impact[column]) for column in ("difference", "difference_low", "difference_high"))
    widest = float(np.nanmax(np.abs([low, high]), initial=1.0))
    ax.axvline(0, color=style.REST, linewidth=1.0)
    for place, name in enumerate(impact["activity"]):
        color = style.PALETTE[5] if name in _TOGETHER else style.PALETTE[0]
        face = "white" if bool(impact["low_n"].iloc[place]) else color
        ax.plot([low[place], high[place]], [place, place], color=color, linewidth=1.6)
        ax.plot(points[place], place, color=color, marker="o", markersize=6.5, markerfacecolor=face)
    ax.set_xlim(-1.08 * widest, 1.08 * widest)
    ax.set_ylim(len(impact) - 0.4, -0.6)
    style.finish_axes(ax, x="difference of the shares that came back, in percentage points", y="", grid="x")
    size = min(style.small(), 0.7 * style.inches(ax)[1] * 72 / len(impact))
    ax.set_yticks(np.arange(len(impact)), names, fontsize=size, **style.PLAIN)
    for place, (without, with_error) in enumerate(users.itertuples(index=False)):
        ax.annotate(
            f"{_count(with_error)} with, {_count(without)} without",
            xy=(1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=size,
            annotation_clip=False,
            **style.PLAIN,
        )
    style.set_titles(ax, TITLE, *_notes(impact), beside=max(map(len, names)))
    return style.fit(ax)


def _count(users: object) -> str:
    return "?" if pd.isna(users) else f"{users:,}"  # type: ignore[call-overload]


def _notes(impact: pd.DataFrame) -> list[str]:
    first = impact["first"].dropna()
    which = "first session" if not len(first) or first.iloc[0] == 1 else f"first {first.iloc[0]} sessions"
    return [
        f"Users with an error in their {which} less those without one: who started another within "
        f"{style.plain(impact['within'].iloc[0])}. It goes with the error, which need not be why.",
        "Lines: 95 % bounds.",
        "Hollow: fewer than 30 users in one of the groups." if impact["low_n"].any() else "",
        _left_out(impact),
        sample_note(impact),
    ]


def _left_out(impact: pd.DataFrame) -> str:
    """Say how many users the pooled row does not compare."""
    users = impact[["users_without", "users_with"]].sum(axis=1).groupby(impact["activity"]).sum()
    lack = int(users.get("(crude)", 0)) - int(users.get("(pooled)", 0))
    return f"Not in (pooled), with nobody to compare them with: {counted(lack, 'user')}." if lack > 0 else ""
