"""The share of sessions or users without errors, as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from nucleus_pandas.core.checks import check_choice
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import Trace, draw_lines, floats, states, styled, tail_note
from nucleus_pandas.plots.shares import Segment, percent_ticks, sample_note, segments_of
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

Of = Literal["sessions", "users"]
# Beyond, bands lie on each other and nothing can be read from them.
_BANDS = 4


def plot_error_free(table: pd.DataFrame, ax: Axes | None = None, *, of: Of = "sessions") -> Axes:
    """Draw the share of sessions, or users, without errors or crashes.

    Parameters
    ----------
    table : DataFrame
        The table of `error_free` or `crash_free`, by period.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.
    of : {"sessions", "users"}
        Whose share.

    Returns
    -------
    matplotlib Axes
        With a line, or a line a segment: the share in per cent. The axis does not begin at 0. A band gives the 95 %
        bounds where there are up to four lines; below 30 users there is none, and the marker is hollow. Periods that
        may still grow are dashed, periods that are not over, or without sessions, are gaps.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, the table has no periods (``freq=None``), there are more than 30
        segments, or `of` is not known.
    TypeError
        If `table` is no DataFrame.

    Notes
    -----
    A longer period has fewer users without errors, whatever the app is like.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> ax = nu.plot_error_free(nu.error_free(sessions, freq="W", start="2026-08-01", as_of=app.now()))
    """
    check_choice("of", of, get_args(Of))
    crash = isinstance(table, pd.DataFrame) and "crash_free_sessions" in table.columns
    kind = "crash" if crash else "error"
    rate = f"{kind}_free_{of}"
    if isinstance(table, pd.DataFrame) and f"{rate}_low" in table.columns and "period" not in table.columns:
        raise ValueError(
            f"plot_error_free draws periods, and this table has none: make it with {kind}_free(..., "
            'freq="W") or "D" or "M" in place of freq=None'
        )
    table = checked_table(
        table,
        plot="plot_error_free",
        maker=f"{kind}_free",
        dates=["period"],
        counts=[of],
        numbers=[rate, f"{rate}_low", f"{rate}_high", "sample"],
        flags=["low_n", "complete", "settled"],
        optional=["segment"],
    )
    title = f"{of.capitalize()} without {'crashes' if crash else 'errors'}"
    ax = style.axes_for(ax)
    if table[of].isna().all():
        return style.no_data(ax, title)
    # Periods that are not over have no rate: there is nothing to draw hollow.
    state = states(table, "period").assign(complete=True)
    periods = pd.DatetimeIndex(state.index)
    segments = segments_of(table, plot="plot_error_free")
    lines = [_line(place, one, of, rate, periods) for place, one in enumerate(segments)]
    traces = [line.trace for line in lines]
    bands = [line for line in lines if not np.isnan(line.low).all()] if len(lines) <= _BANDS else []
    for line in bands:
        ax.fill_between(periods.to_numpy(), line.low, line.high, color=line.trace.color, alpha=0.15, linewidth=0)
    draw_lines(ax, traces, state)
    _draw_few(ax, lines, periods)
    if segments[0].name is None and (legend := ax.get_legend()) is not None:
        legend.remove()  # the title names the only line
    edges = [line.trace.counts for line in lines] + [line.low for line in bands]
    lowest = min(float(np.nanmin(edge, initial=1.0)) for edge in edges)
    style.finish_axes(ax, x="period start", y=f"share of {of}", grid="y")
    style.day_axis(ax, periods)
    _zoomed(ax, lowest)
    what = "an error that nobody caught" if crash else "any error, caught or not"
    style.set_titles(
        ax,
        title,
        f"Share of {of} without {what}; {of} of each period." + " The axis does not begin at 0." * (lowest > 0.1),
        "Band: 95 % bounds." if bands else "",
        f"Hollow{', no band' if bands else ''}: fewer than 30 users." if any(line.few.any() for line in lines) else "",
        tail_note(state, "Dashed", "period"),
        sample_note(table),
    )
    return style.fit(ax)


class _Line(NamedTuple):
    """A line with its bounds, which are missing where it is of few users."""

    trace: Trace
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    few: NDArray[np.bool_]


def _line(place: int, segment: Segment, of: Of, rate: str, periods: pd.DatetimeIndex) -> _Line:
    wide = segment.rows.drop_duplicates("period").set_index("period").reindex(periods)
    shares, low, high = (floats(wide[f"{rate}{end}"]) for end in ("", "_low", "_high"))
    few = wide["low_n"].eq(True).to_numpy(dtype=bool) & ~np.isnan(shares)
    trace = styled(place, segment.name or of, shares)._replace(color=segment.color)
    return _Line(trace, np.where(few, np.nan, low), np.where(few, np.nan, high), few)


def _draw_few(ax: Axes, lines: list[_Line], periods: pd.DatetimeIndex) -> None:
    """Draw hollow what is of few users."""
    for (_, shares, color, marker), _, _, few in lines:
        if few.any():
            look: dict[str, Any] = {"color": color, "marker": marker, "markersize": 4.0, "linestyle": "none"}
            ax.plot(periods.to_numpy()[few], shares[few], **look, markerfacecolor="white", zorder=3)


def _zoomed(ax: Axes, lowest: float) -> None:
    """Tick shares in per cent from somewhat below the lowest up to 100 %."""
    from matplotlib.ticker import MaxNLocator

    bottom = max(0.0, 1 - 1.15 * max(1 - lowest, 0.005))
    ax.set_ylim(bottom, 1 + 0.03 * (1 - bottom))
    ticks: Any = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(bottom, 1.0)
    ax.set_yticks([tick for tick in ticks if bottom <= tick <= 1 + 1e-9])
    ax.yaxis.set_major_formatter(percent_ticks())
