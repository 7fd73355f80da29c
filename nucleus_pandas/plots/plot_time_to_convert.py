"""How long users take from the entry to a step, as curves that rise to the rate of the funnel."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.checks import check_choice
from nucleus_pandas.core.text import MISSING, OTHER, counted
from nucleus_pandas.core.units import DAY_SECONDS
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import styled
from nucleus_pandas.plots.shares import asked_note, duration, percent_axis, sample_note, segments_of
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

TITLE = "Time to convert"
_TICKS = (1, 10, 60, 600, 3_600, 6 * 3_600, *(days * DAY_SECONDS for days in (1, 7, 30, 365)))
_LEFT = 0.8  # of the axis, in seconds
_POINTS = 2_000


def plot_time_to_convert(funnel_users: pd.DataFrame, ax: Axes | None = None, *, step: int | None = None) -> Axes:
    """Draw what share of those who entered had reached a step after how much time.

    Parameters
    ----------
    funnel_users : DataFrame
        The table of `funnel_users`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.
    step : int, optional
        Number of the step to draw; by default every step from the second on, or the last where there are segments.

    Returns
    -------
    matplotlib Axes
        With a curve a step, or a curve a segment, which rises by one user at the time that the user took from the
        entry: it ends at the share of the funnel. A dot marks the median of those who reached the step. The time
        runs on a logarithmic scale; less than a second counts as one.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, the table has no such step, or there are more than 30 segments.
    TypeError
        If `funnel_users` is no DataFrame.

    Notes
    -----
    Users who have had less than the window (not settled) are left out, converted or not, also where the table was made
    with `include_pending`. Attempts that excluded events have spoiled (depth 0) are no entries.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app).head(40)
    >>> log = nu.load_session_events(app, nu.load_sessions(app, users).head(40))
    >>> ax = nu.plot_time_to_convert(nu.funnel_users(log, ["init", "PROJECT_CREATED"]))
    """
    names = list(funnel_users.columns) if isinstance(funnel_users, pd.DataFrame) else []
    steps = max(1, sum(str(name).startswith("step_") for name in names))
    funnel_users = checked_table(
        funnel_users,
        plot="plot_time_to_convert",
        maker="funnel_users",
        instants=["entered_at", *(f"step_{number}" for number in range(1, steps + 1))],
        counts=["depth"],
        flags=["settled", "include_pending"],
        texts=["order", "window"],
        numbers=["sample"],
        optional=["segment"],
    )
    if step is not None:
        check_choice("step", step, range(1, steps + 1))
    ax = style.axes_for(ax)
    entered = funnel_users[funnel_users["depth"] > 0]
    table = entered[entered["settled"].astype(bool)]
    if table["entered_at"].isna().all():
        return style.no_data(ax, TITLE)
    if (step or steps) == 1:
        return style.no_data(ax, TITLE, "step 1 is the entry: there is nothing to convert to")
    curves = _curves(_by_segment(table, funnel_users), steps, step)
    left, right = _limits(curves)
    top = max(0.05, *(1.1 * len(curve.seconds) / curve.of for curve in curves))
    for curve in curves:
        _draw(ax, curve, right)
    _name(ax, curves)
    style.finish_axes(ax, x="time since the entry", y="share of those who entered", grid="y")
    _time_axis(ax, left, right)
    ax.set_ylim(0, min(1.03, top))
    percent_axis(ax, top=top)
    left_out = len(entered) - len(table)
    reached = f"Reached step {step or steps}" if step or "segment" in table.columns else "Reached"
    style.set_titles(
        ax,
        TITLE,
        asked_note(funnel_users),
        f"{reached} so long after the entry, of {counted(len(table), 'user')} who entered.",
        "Dot, and time beside the name: median of those who reached it.",
        f"Left out, as they had less than the window yet: {left_out:,}." if left_out else "",
        sample_note(funnel_users),
    )
    return style.fit(ax)


class _Curve(NamedTuple):
    """The times of those who reached a step, in order, of how many who entered."""

    name: str
    seconds: NDArray[np.float64]
    of: int
    look: dict[str, Any]


def _by_segment(table: pd.DataFrame, everybody: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows by segment as a funnel does: those with most entrants first, what has no name of its own last."""
    if "segment" not in table.columns:
        return table
    entered, present = (Counter(map(str, part["segment"].array)) for part in (table, everybody))
    rest = [OTHER, MISSING]
    names = sorted(set(entered) - set(rest), key=lambda name: (-entered[name], -present[name], name)) + rest
    rank = {name: place for place, name in enumerate(names)}
    return table.iloc[np.argsort([rank[str(name)] for name in table["segment"].array], kind="stable")]


def _curves(table: pd.DataFrame, steps: int, step: int | None) -> list[_Curve]:
    """Give a curve a segment at one step, or a curve a step."""
    groups = segments_of(table, plot="plot_time_to_convert")
    if "segment" in table.columns:
        parts = [(str(group.name), group.rows, step or steps, group.color) for group in groups]
    else:
        numbers = [step] if step else list(range(2, steps + 1))
        parts = [(f"step {number}", table, number, "") for number in numbers]
    curves = []
    for place, (name, rows, number, color) in enumerate(parts):
        seconds = (rows[f"step_{number}"] - rows["entered_at"]).dt.total_seconds().dropna()
        trace = styled(place, name, np.sort(seconds.to_numpy(dtype="float64")))
        look = {"color": color or trace.color, "marker": trace.marker}
        curves.append(_Curve(name, np.maximum(trace.counts, 1.0), len(rows), look))
    return curves


def _draw(ax: Axes, curve: _Curve, right: float) -> None:
    """Draw a curve that rises by one user at each time, and a dot at the median."""
    reached = len(curve.seconds)
    # More points than there are pixels show nothing more.
    at = np.unique(np.linspace(0, reached - 1, min(reached, _POINTS)).astype(int)) if reached else np.zeros(0, int)
    x = np.concatenate([[_LEFT], curve.seconds[at], [right]])
    y = np.concatenate([[0], at + 1, [reached]]) / curve.of
    ax.plot(x, y, drawstyle="steps-post", color=curve.look["color"], linewidth=1.4)
    if reached:
        ax.plot([np.median(curve.seconds)], [reached / 2 / curve.of], markersize=6, linestyle="none", **curve.look)


def _name(ax: Axes, curves: list[_Curve]) -> None:
    """Name the curves beside the Axes, each with its median."""
    from matplotlib.lines import Line2D

    # A word stands before the number: after a name that is read from the right it would jump to its other side.
    numbers = [
        f": after {duration(float(np.median(curve.seconds)))}" if len(curve.seconds) else ": nobody" for curve in curves
    ]
    handles = [Line2D([], [], linewidth=1.4, markersize=5, **curve.look) for curve in curves]
    style.add_legend(ax, handles, [curve.name for curve in curves], numbers)


def _limits(curves: list[_Curve]) -> tuple[float, float]:
    """Give the ends of the axis: from where the curves begin to rise, and so wide that there are ticks."""
    made = [curve.seconds for curve in curves if len(curve.seconds)]
    left = max(_LEFT, min([0.5 * float(np.quantile(seconds, 0.01)) for seconds in made], default=_LEFT))
    right = 1.2 * max([60.0, *(float(seconds[-1]) for seconds in made)])
    if sum(left <= tick <= right for tick in _TICKS) < 2:
        left = max([tick for tick in _TICKS if tick <= left], default=left)
        right = min([tick for tick in _TICKS if tick >= right], default=right)
    return left, right


def _time_axis(ax: Axes, left: float, right: float) -> None:
    """Tick seconds, minutes, hours and days on a logarithmic scale."""
    ax.set_xscale("log")
    room = max(2, int(1.4 * style.inches(ax)[0]))
    ticks = [tick for tick in _TICKS if left <= tick <= right]
    ticks = ticks[:: max(1, -(-len(ticks) // room))]
    ax.set_xticks(ticks, [duration(tick) for tick in ticks], **style.PLAIN)
    ax.minorticks_off()
    ax.set_xlim(left, right)
