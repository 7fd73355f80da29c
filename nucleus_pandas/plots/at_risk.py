"""How many users the points of a curve stand for, written below its axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nucleus_pandas.plots import style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

#: Beyond, the rows below the axis would take more room than the curves.
MOST_ROWS = 4


class AtRisk(NamedTuple):
    """The users of one curve at some places of the axis, and its colour."""

    at: NDArray[Any]
    users: NDArray[np.float64]
    color: str


def whole_ticks(ax: Axes, right: float, *, letters: int) -> NDArray[np.int_]:
    """Tick round whole numbers from 0 to `right`, so few that numbers of so many letters fit below them."""
    from matplotlib.ticker import MaxNLocator

    room = style.inches(ax)[0] * 72 / (0.62 * style.small() * (letters + 2))
    locator = MaxNLocator(nbins=int(min(10, max(1, room))), integer=True, steps=[1, 2, 5, 7, 10], min_n_ticks=1)
    ticks = np.unique(np.round(locator.tick_values(0, max(1.0, right))).astype(int))
    ticks = ticks[(ticks >= 0) & (ticks <= right)]
    ax.set_xticks(ticks)
    return ticks


def write_at_risk(ax: Axes, curves: Sequence[AtRisk], ticks: NDArray[np.int_], *, x: str) -> None:
    """Write below the ticks how many users each curve stands for there, and below these what the axis is."""
    size = style.small()
    line, above = 1.25 * size, 1.9 * size
    for row, curve in enumerate(curves):
        known = dict(zip(np.asarray(curve.at).tolist(), curve.users.tolist(), strict=True))
        for tick in ticks.tolist():
            if not np.isnan(users := known.get(tick, np.nan)):
                ax.annotate(
                    f"{users:,.0f}",
                    xy=(tick, 0),
                    xycoords=ax.get_xaxis_transform(),
                    xytext=(0, -above - row * line),
                    textcoords="offset points",
                    ha="center",
                    va="top",
                    fontsize=size,
                    color=curve.color,
                    annotation_clip=False,
                    **style.PLAIN,
                )
    ax.set_xlabel(f"{x}; below: users at risk", fontsize=size, labelpad=3 + line * len(curves), **style.PLAIN)
