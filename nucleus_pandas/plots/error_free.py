"""The share of sessions or users without errors, as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import Trace, draw_lines, floats, states, tail_note
from nucleus_pandas.plots.shares import sample_note, segments_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
        bounds where there are up to four lines; below 30 users there is none. Periods that may still grow are dashed,
        periods that are not over, or without sessions, are gaps.

    Raises
    ------
    ValueError
        If columns are missing, the table has no periods, there are more than 30 segments, or `of` is not known.
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
    if of not in get_args(Of):
        raise ValueError(f"of={of!r} is not known; write one of {', '.join(map(repr, get_args(Of)))}")
    crash = isinstance(table, pd.DataFrame) and "crash_free_sessions" in table.columns
    kind = "crash" if crash else "error"
    rate = f"{kind}_free_{of}"
    columns = ["period", of, rate, f"{rate}_low", f"{rate}_high", "low_n", "complete", "settled", "sample"]
    style.require(table, columns, plot="plot_error_free", loader=f"{kind}_free")
    title = f"{of.capitalize()} without {'crashes' if crash else 'errors'}"
    ax = style.axes_for(ax)
    if table[of].isna().all():
        return style.no_data(ax, title)
    # Periods that are not over have no rate: there is nothing to draw hollow.
    state = states(table, "period").assign(complete=True)
    periods = pd.DatetimeIndex(state.index)
    segments = segments_of(table, plot="plot_error_free")
    lowest, traces = 1.0, []
    for place, segment in enumerate(segments):
        wide = segment.rows.drop_duplicates("period").set_index("period").reindex(periods)
        shares, low, high = (floats(wide[f"{rate}{end}"]) for end in ("", "_low", "_high"))
        few = wide["low_n"].eq(True).to_numpy(dtype=bool)
        traces.append(Trace(segment.name or of, shares, segment.color, style.MARKERS[place % len(style.MARKERS)]))
        lowest = min(lowest, float(np.nanmin(shares, initial=1.0)))
        if len(segments) <= _BANDS:
            low, high = (np.where(few, np.nan, bound) for bound in (low, high))
            ax.fill_between(periods.to_numpy(), low, high, color=segment.color, alpha=0.15, linewidth=0)
            lowest = min(lowest, float(np.nanmin(low, initial=1.0)))
    draw_lines(ax, traces, state)
    style.finish_axes(ax, x="period start", y=f"share of {of}", grid="y")
    style.day_axis(ax, periods)
    _zoomed(ax, lowest)
    what = "an error that nobody caught" if crash else "any error, caught or not"
    style.set_titles(
        ax,
        title,
        f"Share of {of} without {what}; {of} of each period." + " The axis does not begin at 0." * (lowest > 0.1),
        "Band: 95 % bounds." if len(segments) <= _BANDS else "",
        tail_note(state, "Dashed", "period"),
        sample_note(table),
    )
    return style.fit(ax)


def _zoomed(ax: Axes, lowest: float) -> None:
    """Tick shares in per cent from somewhat below the lowest up to 100 %."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    bottom = max(0.0, 1 - 1.15 * max(1 - lowest, 0.005))
    ax.set_ylim(bottom, 1 + 0.03 * (1 - bottom))
    ticks: Any = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(bottom, 1.0)
    ax.set_yticks([tick for tick in ticks if bottom <= tick <= 1 + 1e-9])
    ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))
