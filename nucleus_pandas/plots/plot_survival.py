"""What share of users is still there after so many days, as curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nucleus_pandas.plots import style
from nucleus_pandas.plots.at_risk import Row, write_at_risk
from nucleus_pandas.plots.series import floats
from nucleus_pandas.plots.shares import Segment, percent_axis, sample_note, segments_of
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

TITLE = "Survival"
# Beyond, bands lie on each other and nothing can be read from them.
_BANDS = 4


def plot_survival(survival: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw what share of users is still there so many days after they came.

    Parameters
    ----------
    survival : DataFrame
        The table of `survival`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With a curve, or a curve a segment, that falls in steps; it is dotted where fewer than 30 users are at risk. Up
        to four have a band, the 95 % bounds, where these are known; below the axis stands how many users are at risk
        when the day is over, where there are up to five. A curve of day 0 alone is a point. The legend, or the
        subtitle, says by which day half of the users were gone.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, or there are more than 30 segments.
    TypeError
        If `survival` is no DataFrame.

    Notes
    -----
    The right of a curve is of those who came long ago alone, and moves with each of them: read at risk before it.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> ax = nu.plot_survival(nu.survival(nu.load_users(app), by="plan", as_of=app.now()))
    """
    survival = checked_table(
        survival,
        plot="plot_survival",
        maker="survival",
        counts=["day", "at_risk", "lost", "censored", "pending"],
        numbers=["survival", "survival_low", "survival_high", "sample"],
        flags=["low_n"],
        texts=["gap"],
        optional=["segment"],
    )
    ax = style.axes_for(ax)
    if survival["at_risk"].isna().all() or survival["survival"].isna().all():
        return style.no_data(ax, TITLE)
    segments = segments_of(survival.sort_values("day", kind="stable"), plot="plot_survival")
    bands = len(segments) <= _BANDS
    for segment in segments:
        _draw(ax, segment, band=bands)
    right = float(survival["day"].max())
    ax.set_ylim(0, 1.03)
    style.finish_axes(ax, x="days since the account was created", y="share of users who are still there", grid="y")
    percent_axis(ax)
    most = int(np.nanmax(floats(survival["at_risk"])))
    style.whole_ticks(ax, right, letters=len(f"{most:,}"))
    ax.set_xlim(-0.01 * right - 0.02, 1.01 * right + 0.5)
    rows = [Row(floats(one.rows["day"]), _after(one.rows), one.color) for one in segments]
    below = write_at_risk(ax, rows, x="days since the account was created", what="at_risk")
    _name(ax, segments)
    style.set_titles(ax, TITLE, *_notes(survival, segments, bands=bands), below)
    return style.fit(ax)


def _draw(ax: Axes, segment: Segment, *, band: bool) -> None:
    """Draw a curve in steps, dotted where it is of few users, and its bounds."""
    rows = segment.rows
    day, share, low, high = (floats(rows[name]) for name in ("day", "survival", "survival_low", "survival_high"))
    few = rows["low_n"].eq(True).to_numpy(dtype=bool)
    # Both parts have the day at which the one becomes the other.
    near = few.copy()
    near[:-1] |= few[1:]
    look: dict[str, Any] = {"color": segment.color, "linewidth": 1.4, "drawstyle": "steps-post"}
    ax.plot(day, np.where(few, np.nan, share), **look)
    ax.plot(day, np.where(near, share, np.nan), **look, linestyle=(0, (1, 1.5)))
    if len(rows) == 1:
        ax.plot(day, share, color=segment.color, marker="o", markersize=4)
    if band:
        ax.fill_between(day, low, high, step="post", color=segment.color, alpha=0.15, linewidth=0)


def _after(rows: pd.DataFrame) -> Any:
    """How many users are still followed at the time of each point, which stands where its day ends."""
    at_risk, lost, censored = (floats(rows[name]) for name in ("at_risk", "lost", "censored"))
    # The curve begins with all of them.
    return np.where(rows["day"] == 0, at_risk, at_risk - lost - censored)


def _half_gone(rows: pd.DataFrame) -> int | None:
    """Give the day by which half of the users were gone."""
    gone = rows.loc[rows["survival"] <= 0.5, "day"]
    return int(gone.iloc[0]) if len(gone) else None


def _name(ax: Axes, segments: list[Segment]) -> None:
    """Name the curves beside the Axes, each with the day by which half were gone."""
    from matplotlib.lines import Line2D

    named = [segment for segment in segments if segment.name is not None]
    if named:
        # A word stands before the number: after a name that is read from the right it would jump to its other side.
        days = [": –" if (day := _half_gone(segment.rows)) is None else f": day {day:,}" for segment in named]
        handles = [Line2D([], [], color=one.color, linewidth=1.4) for one in named]
        style.add_legend(ax, handles, [str(one.name) for one in named], days)


def _notes(survival: pd.DataFrame, segments: list[Segment], *, bands: bool) -> list[str]:
    """Say what the curves mean, and who is not in them."""
    pending = sum(np.nan_to_num(floats(one.rows["pending"])[0]) for one in segments)
    gap = style.plain(survival["gap"].iloc[0])
    half = _half_gone(segments[0].rows)
    alone = "More than half are still there." if half is None else f"Half were gone by day {half:,}."
    few = survival["low_n"].eq(True)
    bands = bands and len(survival) > len(segments) and bool(survival["survival_low"].notna().any())
    return [
        f"Lost: silent for longer than {gap}, at the time when they were seen last.",
        alone if segments[0].name is None else "Beside a name: by which day half were gone.",
        "Band: 95 % bounds." if bands else "",
        "Dotted: fewer than 30 users at risk." if few.any() else "",
        f"Left out, as they came within the last {gap}: {pending:,.0f}." if pending > 0 else "",
        sample_note(survival),
    ]
