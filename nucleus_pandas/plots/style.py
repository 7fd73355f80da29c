"""What all plots share: colours, text from the data, titles, legends, axes and their place."""

from __future__ import annotations

import textwrap
import unicodedata
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Literal

import pandas as pd

from nucleus_pandas.api.numbers import checked_number
from nucleus_pandas.api.wording import MISSING as MISSING
from nucleus_pandas.api.wording import OTHER as OTHER
from nucleus_pandas.api.wording import counted as counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

# Okabe and Ito's colours without the yellow, which is lost on white; a dark brown stands in. Under simulated
# protanopia, deuteranopia and tritanopia every pair, REST included, stays at least 15 apart in CIE Lab.
PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#661100", "#000000", "#56B4E9", "#E69F00")
REST: Final = "#5F5F5F"
QUIET: Final = "#666666"
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")

MOST_CATEGORIES: Final = 30

PLAIN: Final[dict[str, Any]] = {"parse_math": False, "usetex": False}

_WIDEST: ContextVar[float | None] = ContextVar("widest", default=None)


@contextmanager
def figures_for_page(widest: float) -> Iterator[None]:
    """Within it, figures that plots make for themselves are at most so many inches wide, and unknown to pyplot."""
    before = _WIDEST.set(widest)
    try:
        yield
    finally:
        _WIDEST.reset(before)


def axes_for(ax: Axes | None, *, height: float = 4.5, width: float = 9.0) -> Axes:
    """Give back the Axes, or one on a new figure where there is none."""
    if ax is not None:
        from matplotlib.axes import Axes

        if not isinstance(ax, Axes):
            raise TypeError(
                f"ax is of type {type(ax).__name__}; pass one Axes, such as plt.gca(), or axes[0] of several."
            )
        return ax
    if (widest := _WIDEST.get()) is not None:
        from matplotlib.figure import Figure

        return Figure(figsize=(min(width, widest), height), layout="constrained").add_subplot()
    import matplotlib.pyplot as plt

    _, made = plt.subplots(figsize=(width, height), layout="constrained")
    return made


def require(frame: pd.DataFrame, columns: Sequence[str], *, plot: str, loader: str) -> None:
    """Raise where the table is not the one that the plot draws."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{plot} draws the DataFrame of nu.{loader}, not a {type(frame).__name__}")
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        found = ", ".join(plain(column) for column in frame.columns[:MOST_CATEGORIES]) or "no columns"
        raise ValueError(f"{plot} draws the table of nu.{loader}: missing {', '.join(missing)}; found {found}")


def checked_top(top: int, most: int) -> int:
    """Give back how many categories get a name of their own, or raise."""
    return checked_number("top", top, most, f"what is beyond it is drawn as {OTHER}")


def plain(value: object, width: int = 32) -> str:
    """Make one line of text that shows a value from the data as it is, cut in its middle where it is long."""
    text = MISSING if pd.isna(value) else str(value)  # type: ignore[call-overload]
    if len(text) > width:
        tail = width // 3
        text = f"{text[: width - tail - 1]}…{text[-tail:]}"
    text = "".join("\N{REPLACEMENT CHARACTER}" if _unprintable(char) else char for char in text)
    return text if text.strip() else f'"{text}"'


def _unprintable(char: str) -> bool:
    # Controls, surrogates, line breaks, and format characters such as those that turn the reading direction.
    # The two joiners are spelling in Persian and in emoji.
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and char not in "\u200c\u200d"


def small() -> float:
    """Give the size of all text but the title in points, in step with the reader's own setting."""
    import matplotlib as mpl

    return 0.8 * float(mpl.rcParams["font.size"])


def inches(ax: Axes) -> tuple[float, float]:
    """Measure the Axes, as it stands now."""
    box, dpi = ax.get_window_extent(), ax.figure.dpi
    return box.width / dpi, box.height / dpi


def name_width(ax: Axes) -> int:
    """Give the number of characters that a name may take beside this Axes."""
    return int(min(32, max(14, 4 * inches(ax)[0])))


def set_titles(ax: Axes, title: str, *definition: str, beside: int = 0) -> None:
    """Write the title and, small below it, what the numbers mean; `beside`: characters taken at the left."""
    size = small()
    per_line = max(24, int(inches(ax)[0] * 72 / (0.52 * size)) - beside)
    lines = textwrap.wrap(" ".join(part for part in definition if part), per_line)
    ax.set_title(title, loc="left", pad=5 + 1.3 * size * len(lines), fontweight="bold", **PLAIN)
    subtitle = ax.annotate(
        "\n".join(lines),
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(0, 4),
        textcoords="offset points",
        va="bottom",
        fontsize=size,
        color=QUIET,
        linespacing=1.15,
        annotation_clip=False,
        **PLAIN,
    )
    # The title's distance makes room for it. Counted itself, it would squeeze the Axes of a narrow figure.
    subtitle.set_in_layout(False)


def finish_axes(ax: Axes, *, x: str, y: str, grid: Literal["x", "y"] | None) -> None:
    """Label the axes with their units; a thin grid; no box."""
    ax.set_xlabel(x, fontsize=small(), **PLAIN)
    ax.set_ylabel(y, fontsize=small(), **PLAIN)
    ax.tick_params(labelsize=small())
    ax.grid(visible=False)
    if grid is not None:
        ax.grid(visible=True, axis=grid, linewidth=0.6, color="0.9")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def count_axis(ax: Axes, which: str = "y") -> None:
    """Start at zero and tick whole numbers only."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axis = ax.yaxis if which == "y" else ax.xaxis
    axis.set_major_locator(MaxNLocator(nbins=6 if which == "y" else 4, integer=True, min_n_ticks=1))
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    limit = ax.set_ylim if which == "y" else ax.set_xlim
    limit(0, max(1.0, axis.get_view_interval()[1]))


def whole_ticks(ax: Axes, right: float, *, letters: int) -> None:
    """Tick round whole numbers from 0 to `right`, so few that texts of so many letters fit below them."""
    from matplotlib.ticker import MaxNLocator

    room = inches(ax)[0] * 72 / (0.62 * small() * (letters + 2))
    locator = MaxNLocator(nbins=int(min(10, max(1, room))), integer=True, steps=[1, 2, 5, 7, 10], min_n_ticks=1)
    ax.set_xticks([tick for tick in locator.tick_values(0, max(1.0, right)) if 0 <= tick <= right])


def day_axis(ax: Axes, days: pd.DatetimeIndex) -> None:
    """Write dates as short as they can be; a few days get a tick each, and never a clock time."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, DateFormatter, DayLocator

    span = days[-1] - days[0]
    locator: Any = DayLocator() if span.days <= 8 else AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    # Of a single date the concise form leaves nothing but the time, 00:00.
    formatter: Any = ConciseDateFormatter(locator) if span else DateFormatter("%Y-%m-%d")  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_formatter(formatter)
    ax.xaxis.get_offset_text().set_fontsize(small())
    margin = pd.Timedelta(hours=12) + 0.01 * span
    ax.set_xlim(days[0] - margin, days[-1] + margin)  # type: ignore[arg-type]


def add_legend(ax: Axes, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """Name what is drawn, to the right of the Axes and in the order of the names."""
    row = inches(ax)[1] * 72 / max(1, len(names))
    # Matplotlib leaves out a label that begins with an underscore: the names are written in afterwards.
    legend = ax.legend(
        handles,
        [str(place) for place in range(len(names))],
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0,
        frameon=False,
        fontsize=min(small(), max(4.0, row / 1.6)),
        labelspacing=0.4,
        handlelength=1.6,
        handletextpad=0.6,
    )
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set(text=plain(name, name_width(ax)), **PLAIN)


def no_data(ax: Axes, title: str, why: str = "no data") -> Axes:
    """Say that the table has nothing to draw."""
    set_titles(ax, title)
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", color=QUIET, **PLAIN)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def fit(ax: Axes) -> Axes:
    """Shrink the Axes until its labels lie within its own cell of the figure.

    A layout engine does that by itself. Without one, what stands beside the Axes would be cut off at the
    figure's edge.
    """
    from matplotlib.transforms import Bbox

    figure = ax.figure
    cell = None if figure.get_layout_engine() is not None else _cell(ax)
    if cell is None:
        return ax
    first = ax.get_position()
    # Twice, because a narrower Axes may get other ticks with longer labels.
    for _ in range(2):
        place, needed = ax.get_position(), ax.get_tightbbox()
        if needed is None:
            return ax
        needed = needed.transformed(figure.transSubfigure.inverted())
        x0, x1 = place.x0 + max(0, cell.x0 - needed.x0), place.x1 - max(0, needed.x1 - cell.x1)
        y0, y1 = place.y0 + max(0, cell.y0 - needed.y0), place.y1 - max(0, needed.y1 - cell.y1)
        if x1 - x0 > 0.25 * first.width and y1 - y0 > 0.25 * first.height:
            _place(ax, Bbox.from_extents(x0, y0, x1, y1))
    return ax


def _place(ax: Axes, box: Bbox) -> None:
    """Move the Axes: with its grid where it stands alone, so that a later `tight_layout` still finds it there."""
    from matplotlib.figure import Figure

    spec = ax.get_subplotspec()
    if isinstance(ax.figure, Figure) and spec is not None and spec.get_gridspec().get_geometry() == (1, 1):
        ax.figure.subplots_adjust(left=box.x0, bottom=box.y0, right=box.x1, top=box.y1)
    else:
        ax.set_position(box)
        ax.set_in_layout(True)


def _cell(ax: Axes) -> Bbox | None:
    """Give the cell of the Axes in a plain grid, with half of the gaps around it, in parts of the figure."""
    from matplotlib.gridspec import GridSpec
    from matplotlib.transforms import Bbox

    spec = ax.get_subplotspec()
    grid = spec.get_gridspec() if spec is not None else None
    if spec is None or not isinstance(grid, GridSpec):
        return None
    bottoms, tops, lefts, rights = grid.get_grid_positions(ax.figure)  # type: ignore[arg-type]
    row, last_row, column, last_column = spec.rowspan[0], spec.rowspan[-1], spec.colspan[0], spec.colspan[-1]
    return Bbox.from_extents(
        0 if column == 0 else (rights[column - 1] + lefts[column]) / 2,
        0 if last_row == grid.nrows - 1 else (tops[last_row + 1] + bottoms[last_row]) / 2,
        1 if last_column == grid.ncols - 1 else (rights[last_column] + lefts[last_column + 1]) / 2,
        1 if row == 0 else (tops[row] + bottoms[row - 1]) / 2,
    ).padded(-0.015)
