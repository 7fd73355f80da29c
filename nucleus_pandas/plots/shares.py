"""Shares of users: how they and times between events are written, and how segments are told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.text import MISSING, OTHER, percent
from nucleus_pandas.core.units import DAY_SECONDS
from nucleus_pandas.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import FuncFormatter

#: What is missing: lighter than the grey of all others together.
NOBODY = "#B5B5B5"
_HATCHES = ("", "////", "....", "xxxx")


class Segment(NamedTuple):
    """One group of users: its rows, and how it is drawn."""

    name: str | None
    rows: pd.DataFrame
    color: str
    hatch: str


def segments_of(table: pd.DataFrame, *, plot: str) -> list[Segment]:
    """Take a table apart by its column `segment`, in the order in which they stand there; one without it is one."""
    if "segment" not in table.columns:
        return [Segment(None, table, style.PALETTE[0], "")]
    # Not grouped by pandas 2, which takes one name for another where they hold a NUL or half of a surrogate pair.
    names = ["" if pd.isna(name) else str(name) for name in table["segment"].array]
    unique = list(dict.fromkeys(names))
    if len(unique) > style.MOST_CATEGORIES:
        raise ValueError(
            f"{plot} draws up to {style.MOST_CATEGORIES} segments, not {len(unique):,}: make the table with fewer"
        )
    grey = {OTHER: style.REST, MISSING: NOBODY}
    own = [name for name in unique if name not in grey]
    looks = {name: (style.PALETTE[i % 8], _HATCHES[i // 8]) for i, name in enumerate(own)}
    looks |= {name: (color, "") for name, color in grey.items()}
    place = np.array([unique.index(name) for name in names], dtype=np.intp)
    return [Segment(name, table[place == i], *looks[name]) for i, name in enumerate(unique)]


def name_segments(ax: Axes, segments: list[Segment]) -> None:
    """Put a legend beside the Axes, where there are segments."""
    from matplotlib.patches import Patch

    named = [segment for segment in segments if segment.name is not None]
    if named:
        patches = [Patch(facecolor=one.color, hatch=one.hatch, edgecolor="white") for one in named]
        style.add_legend(ax, patches, [str(one.name) for one in named])


def duration(seconds: float) -> str:
    """Write a time in the unit in which it is a small number."""
    for unit, length in (("d", DAY_SECONDS), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def percent_ticks() -> FuncFormatter:
    """Give the formatter of an axis of round shares."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda share, _: f"{100 * share:.4g} %")


def percent_axis(ax: Axes, which: str = "y", *, top: float = 1.0, ticks: int = 5) -> None:
    """Tick round shares in per cent, from zero up to `top` and never beyond 100 %."""
    from matplotlib.ticker import MaxNLocator

    axis = ax.yaxis if which == "y" else ax.xaxis
    locator = MaxNLocator(nbins=min(5, max(1, ticks)), steps=[1, 2, 2.5, 5, 10])
    axis.set_ticks([tick for tick in locator.tick_values(0, min(1.0, max(top, 0.01))) if 0 <= tick <= 1.0 + 1e-9])
    axis.set_major_formatter(percent_ticks())


def name_rows(ax: Axes, values: pd.Series) -> tuple[list[str], float]:
    """Write the value of each row at the left, the first on top."""
    ax.set_ylim(len(values) - 0.4, -0.6)
    names = [style.plain(value, style.name_width(ax)) for value in values]
    size = min(style.small(), 0.7 * style.inches(ax)[1] * 72 / len(values))
    ax.set_yticks(np.arange(len(values)), names, fontsize=size, **style.PLAIN)
    return names, size


def write_beside(ax: Axes, ends: Any, texts: list[str], size: float, *, colors: list[str] | None = None) -> None:
    """Write a text to the right of each row, and make room for it."""
    width = 0.75 * max(1.0, style.inches(ax)[0])
    room = min(0.65, 0.55 * size * (max(map(len, texts)) + 2) / 72 / width)
    top = max(0.02, 1.02 * float(np.max(ends)))
    ax.set_xlim(0, top / (1 - room))
    percent_axis(ax, "x", top=top, ticks=int(1.6 * width * (1 - room)) + 1)
    for place, text in enumerate(texts):
        ax.annotate(
            text,
            (float(ends[place]), place),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=size,
            color="black" if colors is None else colors[place],
            **style.PLAIN,
        )


def check_values(table: pd.DataFrame, plot: str) -> None:
    """Raise where a file has lost values of a breakdown: those that are missing have a name in it."""
    if missing := int(table["value"].isna().sum()):
        raise ValueError(
            f"{plot}: column value is missing in {missing:,} of {len(table):,} rows, which no breakdown has. "
            'pd.read_csv takes the text NA as missing: read the file with keep_default_na=False, na_values=[""]'
        )


_ORDERS = {
    "ordered": "Steps in this order",
    "strict": "Steps in this order, nothing between them",
    "any": "Steps in any order",
}


def asked_note(table: pd.DataFrame) -> str:
    """Say in what order and time the steps were to be made."""
    order, window = (style.plain(table[name].iloc[0]) for name in ("order", "window"))
    return f"{_ORDERS.get(order, order)}, {'in one session' if window == 'session' else f'within {window}'}."


def sample_note(table: pd.DataFrame) -> str:
    """Say that the numbers are those of a sample, where they are."""
    share = float(table["sample"].min())
    return f"A sample of {percent(share).replace('.0 %', ' %')} of the users." if share < 1 else ""
