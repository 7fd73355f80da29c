"""Counts over days or longer periods: the largest by name, lines, and what of them may still grow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.text import MISSING, OTHER
from nucleus_pandas.plots.style import MARKERS, PALETTE, REST, add_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray


_DENSE = 400
_UNHASHABLE = re.compile("[\x00\ud800-\udfff]")


class Trace(NamedTuple):
    """What is drawn under one name: a number a period, NaN where there is none, and its look."""

    name: str
    counts: NDArray[np.float64]
    color: str
    marker: str


def ranked(frame: pd.DataFrame, by: str) -> pd.Series:
    """Give the count of each name over the whole table, most first; names without any number are left out."""
    totals = frame["count"].groupby(names_of(frame, by)).sum(min_count=1).dropna()
    table = totals.rename("total").rename_axis("name").reset_index()
    return table.sort_values(["total", "name"], ascending=[False, True]).set_index("name")["total"]


def largest(frame: pd.DataFrame, by: str, *, period: str, top: int) -> list[Trace]:
    """Give the `top` names with the most counts, most first, and the sum of all others."""
    sums = frame["count"].groupby([frame[period], names_of(frame, by)]).sum(min_count=1)
    # Who is not listed in a period was counted zero times; pivot_table would make a zero of missing counts too.
    wide = sums.unstack(fill_value=0)  # noqa: PD010
    names = ranked(frame, by).index.tolist()
    traces = [styled(i, str(name), floats(wide[name])) for i, name in enumerate(names[:top])]
    if names[top:]:
        traces.append(Trace(OTHER, floats(wide[names[top:]].sum(axis=1, skipna=False)), REST, "."))
    return traces


def names_of(frame: pd.DataFrame, by: str) -> pd.Series:
    """Give the names as text, missing as a name of its own."""
    names = frame[by].astype(pd.StringDtype("python")).fillna(MISSING)
    # pandas 2 takes one name for another where it groups by names with a NUL or half of a surrogate pair in them.
    return names.str.replace(_UNHASHABLE, "\N{REPLACEMENT CHARACTER}", regex=True)


def styled(place: int, name: str, counts: NDArray[np.float64]) -> Trace:
    """Give the trace at this place its colour; from the ninth on, a used colour with another marker."""
    color = PALETTE[place % len(PALETTE)]
    marker = MARKERS[(place + place // len(PALETTE)) % len(MARKERS)]
    return Trace(name, counts, color, marker)


def floats(counts: pd.Series) -> NDArray[np.float64]:
    """Turn counts into what Matplotlib draws, missing as NaN."""
    return counts.to_numpy(dtype="float64", na_value=np.nan)


def states(frame: pd.DataFrame, period: str) -> pd.DataFrame:
    """Give `complete` and `settled` of each period, in order of time."""
    return frame.groupby(period)[["complete", "settled"]].all().astype(bool)


def tail_note(state: pd.DataFrame, mark: str, unit: str) -> str:
    """Say in words how the numbers that are not final are drawn."""
    grows = f"{mark}: may still grow (clients send up to 48 h late)."
    part = f"{mark} and hollow: {unit} not over, or cut by the interval."
    return " ".join([grows] * bool((~state["settled"]).any()) + [part] * bool((~state["complete"]).any()))


def looks(state: pd.DataFrame, color: str, *, edged: bool) -> list[tuple[NDArray[np.bool_], dict[str, Any]]]:
    """Give the periods that are settled, unsettled and incomplete, and how the bars of each are drawn."""
    from matplotlib.colors import to_rgba

    complete, settled = state["complete"].to_numpy(), state["settled"].to_numpy()
    hatched = {"facecolor": "none", "edgecolor": color, "hatch": "/////", "linewidth": 0.8}
    # Ground and lines apart: in an SVG, the lines of a patch let as much light through as its ground.
    return [
        (complete & settled, {"facecolor": color, "edgecolor": "white", "linewidth": 0.4 * edged}),
        (complete & ~settled, {"facecolor": to_rgba(color, 0.35), "linewidth": 0.0}),
        (complete & ~settled, hatched),
        (~complete, hatched),
    ]


def draw_lines(ax: Axes, traces: list[Trace], state: pd.DataFrame) -> None:
    """Draw each trace solid between settled periods and dashed from, to and between the others."""
    from matplotlib.lines import Line2D

    traces, state = _with_gaps(traces, state)
    days = pd.DatetimeIndex(state.index).to_numpy()
    complete = state["complete"].to_numpy()
    final = complete & state["settled"].to_numpy()
    near = ~final
    near[1:] |= ~final[:-1]
    near[:-1] |= ~final[1:]
    handles = []
    # Thinner where points are so many that a line would hide the others and its own bounds.
    width = 1.4 if len(days) <= _DENSE else 0.7
    for place, (_, counts, color, marker) in enumerate(traces):
        look: dict[str, Any] = {"color": color, "marker": marker, "markersize": 4.0, "linewidth": width}
        ax.plot(days, np.where(final, counts, np.nan), **look, markevery=_marked(counts, final, place))
        if near.any():
            dashed = look | {"linestyle": (0, (2.5, 1.5))}
            ax.plot(days, np.where(near, counts, np.nan), **dashed, markevery=_places(complete & ~final))
        if not complete.all():
            hollow = look | {"linestyle": "none", "markerfacecolor": "white", "zorder": 3}
            ax.plot(days, np.where(complete, np.nan, counts), **hollow)
        handles.append(Line2D([], [], **look | {"linewidth": 1.4}))
    add_legend(ax, handles, [trace.name for trace in traces])


def _with_gaps(traces: list[Trace], state: pd.DataFrame) -> tuple[list[Trace], pd.DataFrame]:
    """Put a missing number where the table has no row, so that no line leads over it."""
    days = pd.DatetimeIndex(state.index)
    steps = days[1:] - days[:-1]
    if len(steps) < 2 or steps.max() <= 1.6 * steps.min():  # months are 28 to 31 days long
        return traces, state
    filled = days.union(days[:-1][steps > 1.6 * steps.min()] + steps.min())
    at = filled.get_indexer(days)
    spread = []
    for trace in traces:
        counts = np.full(len(filled), np.nan)
        counts[at] = trace.counts
        spread.append(trace._replace(counts=counts))
    return spread, state.reindex(filled, fill_value=True)


def _marked(counts: NDArray[np.float64], final: NDArray[np.bool_], place: int) -> list[int]:
    """Spread some markers over a long line; a point without neighbours has one, else nothing shows it."""
    drawn = np.where(final, counts, np.nan)
    step = max(1, len(drawn) // 12)
    gaps = np.concatenate([[True], np.isnan(drawn), [True]])
    alone = gaps[:-2] & gaps[2:]
    spread = np.zeros(len(drawn), dtype=bool)
    spread[(place * step // 4) % step :: step] = True
    return _places(alone | spread)


def _places(mask: NDArray[np.bool_]) -> list[int]:
    return [int(i) for i in np.flatnonzero(mask)]
