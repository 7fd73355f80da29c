"""Where active users come from, and how many are gone, as stacked bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nucleus_pandas.core.calendar import NOUNS
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import floats, looks, tail_note
from nucleus_pandas.plots.shares import NOBODY, sample_note
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TITLE = "Growth"
#: From the bottom up; dormant goes down from zero.
LAYERS = {"returning": style.PALETTE[0], "resurrected": style.PALETTE[6], "new": style.PALETTE[2]}
DORMANT = style.PALETTE[1]
_STEPS = {
    "D": pd.DateOffset(days=1),
    "W": pd.DateOffset(weeks=1),
    "M": pd.DateOffset(months=1),
    "Q": pd.DateOffset(months=3),
}
# Between narrower bars, white edges would hide the bars themselves.
_EDGED = 70
_SMALLEST_TEXT = 4.5
_RATIO = "#4D4D4D"


def plot_growth(growth: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw where the active users of each period come from, and below zero how many are gone.

    Parameters
    ----------
    growth : DataFrame
        The table of `growth`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With a bar a period: from zero up those who return, those who are back and those who are new, down from zero
        those who are dormant. Active users of whom it is not known what they did before are grey. Periods that may
        still change are hatched, those not over or that the log begins within are hollow as well. Where there is room,
        the quick ratio stands above the bars.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type.
    TypeError
        If `growth` is no DataFrame.

    Notes
    -----
    What stands above zero are the active users; what lies below are users who are not among them. *Settled* and
    *complete* are explained at `growth`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> ax = nu.plot_growth(nu.growth(sessions, as_of=app.now()))
    """
    growth = checked_table(
        growth,
        plot="plot_growth",
        maker="growth",
        dates=["period"],
        counts=[*LAYERS, "dormant", "active"],
        numbers=["quick_ratio", "sample"],
        flags=["complete", "settled"],
        texts=["freq"],
    )
    ax = style.axes_for(ax)
    if growth["active"].isna().all():
        return style.no_data(ax, TITLE)
    freq = str(growth["freq"].iloc[0])
    table = _filled(growth, freq)
    state = pd.DataFrame({name: table[name].eq(True).to_numpy() for name in ("complete", "settled")}, table.index)
    there = table["complete"].notna()
    unsplit = _stack(ax, table, state, freq)
    style.finish_axes(
        ax, x="day" if freq == "D" else f"{NOUNS.get(freq, 'period')} that begins on", y="users", grid="y"
    )
    _axis(ax, table)
    _day_axis(ax, pd.DatetimeIndex(table.index))
    has_ratios = _write_ratios(ax, table)
    style.set_titles(ax, TITLE, *_notes(growth, state[there], freq, unsplit=unsplit, has_ratios=has_ratios))
    return style.fit(ax)


def _filled(growth: pd.DataFrame, freq: str) -> pd.DataFrame:
    """The rows by period; where one is left out there is a gap."""
    table = growth.sort_values("period").drop_duplicates("period").set_index("period")
    every = pd.date_range(table.index[0], table.index[-1], freq=_STEPS.get(freq, _STEPS["D"]))
    return table.reindex(every.union(pd.DatetimeIndex(table.index)))


def _stack(ax: Axes, table: pd.DataFrame, state: pd.DataFrame, freq: str) -> bool:
    """Draw the layers, and give back whether there are active users of whom it is not known what they did before."""
    from matplotlib.patches import Patch

    starts = pd.DatetimeIndex(table.index)
    after = starts[-1] + _STEPS.get(freq, _STEPS["D"])
    # A day stands over its tick, a longer period from its first day on.
    half = pd.Timedelta(12 if freq == "D" else 0, "h")
    edges = (starts.append(pd.DatetimeIndex([after])) - half).to_numpy()
    split = table[list(LAYERS)].notna().all(axis=1).to_numpy()
    rest = np.where(split, 0.0, np.nan_to_num(floats(table["active"])))
    below = nothing = np.zeros(len(table))
    for name, color in LAYERS.items():
        above = below + np.where(split, np.nan_to_num(floats(table[name])), 0.0)
        _layer(ax, below, above, edges, state, color)
        below = above
    _layer(ax, nothing, rest, edges, state, NOBODY)
    _layer(ax, nothing, -np.nan_to_num(floats(table["dormant"])), edges, state, DORMANT)
    ax.axhline(0, color="black", linewidth=0.8)
    names = dict(reversed(LAYERS.items())) | {"dormant": DORMANT} | ({"not known": NOBODY} if rest.any() else {})
    style.add_legend(ax, [Patch(facecolor=color) for color in names.values()], list(names))
    ax.set_xlim(edges[0], edges[-1])
    return bool(rest.any())


def _layer(ax: Axes, below: Floats, above: Floats, edges: NDArray[Any], state: pd.DataFrame, color: str) -> None:
    """Draw one layer of all bars, by what is known of their periods."""
    for mask, look in looks(state, color, edged=len(state) <= _EDGED):
        if mask.any():
            ax.stairs(np.where(mask, above, np.nan), edges, baseline=below, fill=True, **look)


def _day_axis(ax: Axes, periods: pd.DatetimeIndex) -> None:
    """Tick dates, and leave the bars the room that they take."""
    limits = ax.get_xlim()
    style.day_axis(ax, periods)
    ax.set_xlim(limits)


def _axis(ax: Axes, table: pd.DataFrame) -> None:
    """Tick whole numbers, below zero as well, and leave room above for what is written there."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda users, _: f"{abs(users):,.0f}"))
    most, least = (float(np.nan_to_num(floats(table[name])).max()) for name in ("active", "dormant"))
    ax.set_ylim(-1.08 * least if least else 0, max(1.0, 1.12 * most))


def _write_ratios(ax: Axes, table: pd.DataFrame) -> bool:
    """Write the quick ratio above each bar, if there is room for all of them."""
    size = min(style.small(), style.inches(ax)[0] * 72 / len(table) / 2.4)
    if size < style.smallest(ax, _SMALLEST_TEXT):
        return False
    edges = ax.get_xlim()
    width = (edges[1] - edges[0]) / len(table)
    for place, (users, ratio) in enumerate(zip(floats(table["active"]), floats(table["quick_ratio"]), strict=True)):
        if not np.isnan(ratio):
            ax.annotate(
                f"{ratio:.1f}",
                (edges[0] + (place + 0.5) * width, users),
                (0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=size,
                color=_RATIO,
                **style.PLAIN,
            )
    return bool(table["quick_ratio"].notna().any())


def _notes(growth: pd.DataFrame, state: pd.DataFrame, freq: str, *, unsplit: bool, has_ratios: bool) -> list[str]:
    """Say what the bars mean, and what of them is not final."""
    unit = NOUNS.get(freq, "period")
    return [
        f"Up: active in the {unit}: for the first time, again after a {unit} or more without, or as in the one before. "
        f"Down: active in the {unit} before, and not in this one.",
        "Above: quick ratio, (new + resurrected) / dormant." if has_ratios else "",
        f"Grey: what they did in the {unit} before is not in the log." if unsplit else "",
        # Who comes late is no longer dormant: not all bars grow.
        tail_note(state, "Hatched", unit).replace("may still grow", "may still change"),
        sample_note(growth),
    ]
