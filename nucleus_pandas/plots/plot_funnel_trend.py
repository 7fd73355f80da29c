"""The rates of a funnel over time, as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.checks import check_choice
from nucleus_pandas.core.text import counted as number_of
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import Trace, draw_lines, floats, names_of, styled
from nucleus_pandas.plots.shares import asked_note, percent_axis, sample_note, segments_of
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

TITLE = "Funnel over time"
# Beyond, bands lie on each other and nothing can be read from them.
_BANDS = 4


def plot_funnel_trend(trend: pd.DataFrame, ax: Axes | None = None, *, step: int | None = None) -> Axes:
    """Draw what share of those who entered in each period reached a step.

    Parameters
    ----------
    trend : DataFrame
        The table of `funnel_trend`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.
    step : int, optional
        Number of the step to draw; by default every step from the second on, or the last where there are segments.

    Returns
    -------
    matplotlib Axes
        With a line a step, or a line a segment: the share, in per cent of those who entered in the period. A band
        gives the 95 % bounds where there are up to four lines; below 30 users there is none, and the marker is hollow.
        Periods of which no rate is known yet are grey, without a line, and counted in the subtitle; those of which some
        users have not had the whole window yet are hatched, and the line to them is dashed. A settled period in which
        nobody entered is a gap.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, the table has no such step, or there are more than 30 segments.
    TypeError
        If `trend` is no DataFrame.

    Notes
    -----
    A user counts in the period of the entry, whenever the other steps came. `funnel_trend` says which rates are known:
    of settled periods; with ``entry="first"`` or `include_pending` of complete ones, and then what is drawn of a
    hatched period changes until all have had their window.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app).head(40)
    >>> log = nu.load_session_events(app, nu.load_sessions(app, users).head(40))
    >>> ax = nu.plot_funnel_trend(nu.funnel_trend(log, ["init", "PROJECT_CREATED"], freq="M"))
    """
    trend = checked_table(
        trend,
        plot="plot_funnel_trend",
        maker="funnel_trend",
        dates=["period"],
        counts=["step", "users", "pending"],
        texts=["event", "order", "window"],
        numbers=["from_start", "from_start_low", "from_start_high", "sample"],
        flags=["low_n", "settled", "include_pending"],
        optional=["segment"],
    )
    if step is not None and len(trend):
        check_choice("step", step, sorted(set(trend["step"].tolist())))
    ax = style.axes_for(ax)
    if trend["users"].isna().all():
        return style.no_data(ax, TITLE)
    periods = pd.DatetimeIndex(np.sort(trend["period"].unique()))
    curves = _curves(trend, periods, step)
    final = (trend["settled"].astype(bool) & ~trend["pending"].gt(0).fillna(False)).groupby(trend["period"]).all()
    state = pd.DataFrame({"complete": True, "settled": final.reindex(periods).to_numpy(dtype=bool)}, index=periods)
    draw_lines(ax, [curve.trace for curve in curves], state)
    for curve in curves:
        _hollow(ax, periods, curve)
    top = max(
        [0.0, *(float(np.nanmax(curve.trace.counts)) for curve in curves if not np.isnan(curve.trace.counts).all())]
    )
    if len(curves) <= _BANDS:
        for curve in curves:
            ax.fill_between(periods.to_numpy(), curve.low, curve.high, color=curve.trace.color, alpha=0.15, linewidth=0)
            top = max(top, float(np.nanmax(curve.high, initial=0.0)))
    settled = state["settled"].to_numpy()
    rated = trend["from_start"].notna().groupby(trend["period"]).any().reindex(periods).to_numpy(dtype=bool)
    _mark(ax, periods, ~settled & rated, facecolor="none", edgecolor="0.8", hatch="////")
    _mark(ax, periods, ~settled & ~rated, facecolor="0.92")
    style.finish_axes(ax, x="period start", y="share of those who entered", grid="y")
    style.day_axis(ax, periods)
    top = max(0.05, 1.1 * top)
    ax.set_ylim(0, min(1.03, top))
    percent_axis(ax, top=top)
    notes = _notes(trend, bands=len(curves) <= _BANDS, open_=~settled & rated, unknown=~settled & ~rated, step=step)
    style.set_titles(ax, TITLE, *notes)
    return style.fit(ax)


class _Curve(NamedTuple):
    """A line with its bounds, and where it is of so few that these would hide the others."""

    trace: Trace
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    few: NDArray[np.bool_]


def _curves(trend: pd.DataFrame, periods: pd.DatetimeIndex, step: int | None) -> list[_Curve]:
    """Give a line a segment at one step, or a line a step."""
    last = int(trend["step"].max())
    if "segment" in trend.columns:
        rows = trend[trend["step"] == (last if step is None else step)]
        groups = segments_of(rows, plot="plot_funnel_trend")
        named = [(group.rows, str(group.name), group.color) for group in groups]
    else:
        steps = [number for number in sorted(set(trend["step"])) if number == step or (step is None and number != 1)]
        tables = [trend[trend["step"] == number] for number in steps or [last]]
        named = [(rows, f"{rows['step'].iloc[0]} {names_of(rows, 'event').iloc[0]}", "") for rows in tables]
    curves = []
    for place, (rows, name, color) in enumerate(named):
        wide = rows.drop_duplicates("period").set_index("period").reindex(periods)
        rate, low, high = (floats(wide[f"from_start{end}"]) for end in ("", "_low", "_high"))
        few = wide["low_n"].eq(True).to_numpy(dtype=bool)
        trace = styled(place, name, rate)
        low, high = (np.where(few, np.nan, bound) for bound in (low, high))
        curves.append(_Curve(trace._replace(color=color or trace.color), low, high, few))
    return curves


def _hollow(ax: Axes, periods: pd.DatetimeIndex, curve: _Curve) -> None:
    """Mark the periods of a line that are of few users."""
    if curve.few.any():
        look: dict[str, Any] = {"color": curve.trace.color, "marker": curve.trace.marker, "markersize": 4.0}
        rates = np.where(curve.few, curve.trace.counts, np.nan)
        ax.plot(periods.to_numpy(), rates, **look, linestyle="none", markerfacecolor="white", zorder=3)


def _mark(ax: Axes, periods: pd.DatetimeIndex, which: NDArray[np.bool_], **look: Any) -> None:
    """Mark the ground of some periods, each up to half-way to its neighbours."""
    from matplotlib.dates import date2num

    days = date2num(periods.to_numpy())  # type: ignore[no-untyped-call]
    steps = np.diff(days)
    half = (steps.min() if len(steps) else 1.0) / 2
    for day in days[which]:
        ax.axvspan(day - half, day + half, linewidth=0, zorder=0, **look)


def _notes(
    trend: pd.DataFrame, *, bands: bool, open_: NDArray[np.bool_], unknown: NDArray[np.bool_], step: int | None
) -> list[str]:
    """Say what the lines mean, and what of them is not final."""
    at = trend[trend["step"] == (trend["step"].max() if step is None else step)]
    reached = f"Reached step {at['step'].iloc[0]}, {style.plain(at['event'].iloc[0])}. " if "segment" in trend else ""
    counted = ", though all are counted" if trend["include_pending"].any() else ""
    return [
        f"{asked_note(trend)} {reached}Share of those who entered in the period, whenever they went on.",
        "Band: 95 % bounds." if bands else "",
        f"Hatched: not all have had the whole window yet{counted}." if open_.any() else "",
        f"Grey: {number_of(int(unknown.sum()), 'period')} without a rate, not over with the window or cut by the "
        "interval."
        if unknown.any()
        else "",
        "Hollow: fewer than 30 users." if at["low_n"].any() else "",
        sample_note(trend),
    ]
