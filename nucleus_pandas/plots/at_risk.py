"""How many users the points of a curve are of, below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nucleus_pandas.plots import style
from nucleus_pandas.plots.narrow import label_x

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

#: Beyond, the numbers would take more room than the curves.
MOST_ROWS = 5


class Row(NamedTuple):
    """The number of users at some places of the x axis, NaN for none; the colour of their curve."""

    at: NDArray[np.float64]
    users: NDArray[np.float64]
    color: str


def write_at_risk(ax: Axes, rows: Sequence[Row], *, x: str, what: str) -> str:
    """Write below the ticks of a finished axis how many users each curve is of there, and its label below that.

    Gives back a sentence for the subtitle.
    """
    if len(rows) > MOST_ROWS:
        return f"How many users the curves are of is in the table: column {what}."
    size = style.small()
    line = 1.25 * size
    below = 1.9 * size
    low, high = ax.get_xlim()
    ticks = [float(tick) for tick in ax.get_xticks() if low <= tick <= high]
    for place, row in enumerate(rows):
        known = {float(at): count for at, count in zip(row.at, row.users, strict=True) if not np.isnan(count)}
        for tick in ticks:
            if tick in known:
                ax.annotate(
                    _short(known[tick]),
                    xy=(tick, 0),
                    xycoords=("data", "axes fraction"),
                    xytext=(0, -below - place * line),
                    textcoords="offset points",
                    ha="center",
                    va="top",
                    fontsize=size,
                    color=row.color,
                    annotation_clip=False,
                    **style.PLAIN,
                )
    label_x(ax, x, size=size, labelpad=4 + line * len(rows), **style.PLAIN)
    return f"Below: how many users are {what.replace('_', ' ')}."


def _short(count: float) -> str:
    """Write a count in up to five characters."""
    if count < 10_000:
        return f"{count:,.0f}"
    return f"{count / 1000:.0f}k" if count < 999_500 else f"{count / 1e6:.1f}m"
