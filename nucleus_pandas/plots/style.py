"""What all plots share: colours, text from the data, titles, legends, axes and their place."""

from __future__ import annotations

import datetime as dt
import textwrap
import unicodedata
from typing import TYPE_CHECKING, Any, Final, Literal

import pandas as pd

from nucleus_pandas.core.checks import checked_number
from nucleus_pandas.core.text import MISSING, OTHER, short_date
from nucleus_pandas.plots import narrow
from nucleus_pandas.plots.narrow import figures_for_page as figures_for_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.ticker import FuncFormatter
    from matplotlib.transforms import Bbox

# Okabe and Ito's colours without the yellow, which is lost on white; a dark brown stands in. Under simulated
# protanopia, deuteranopia and tritanopia every pair, REST included, stays at least 15 apart in CIE Lab.
PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#661100", "#000000", "#56B4E9", "#E69F00")
REST: Final = "#5F5F5F"
QUIET: Final = "#666666"
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")

MOST_CATEGORIES: Final = 30
_USUAL: Final = 4.5  # inches
_TICKED: Final = 6  # periods
# Names of so few letters fit in two columns beside an Axes of more inches.
_SHORT, _ROOMY = 14, 5.0

PLAIN: Final[dict[str, Any]] = {"parse_math": False, "usetex": False}


def axes_for(ax: Axes | None, *, height: float | None = None, width: float = 9.0) -> Axes:
    """Give back the Axes, or one on a new figure where there is none."""
    if ax is not None:
        from matplotlib.axes import Axes

        if not isinstance(ax, Axes):
            raise TypeError(
                f"ax is of type {type(ax).__name__}; pass one Axes, such as plt.gca(), or axes[0] of several."
            )
        return ax
    if (made := narrow.axes_of_page(height, width, usual=_USUAL)) is not None:
        return made
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height or _USUAL), layout="constrained")[1]


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
    width, letter = inches(ax)[0] * 72, 0.52
    if whole := narrow.is_narrow(ax):
        # All the width is taken, so that no letter may be wider than thought.
        width, letter, beside = ax.figure.get_figwidth() * 72, 0.57, 0  # type: ignore[union-attr]
    per_line = max(24, int(width / (letter * size)) - beside)
    text = " ".join(part for part in definition if part).replace(" %", "\u00a0%")  # a number keeps its unit
    lines = [line.replace("\u00a0%", " %") for line in textwrap.wrap(text, per_line)]
    headline = "\n".join(textwrap.wrap(title, max(24, int(width / (0.85 * size))))) or title
    heading = ax.set_title(
        headline, loc="left", pad=(8 if lines else 5) + 1.3 * size * len(lines), fontweight="bold", **PLAIN
    )
    if whole:
        narrow.at_left_edge(ax, heading)
    subtitle = ax.annotate(
        "\n".join(lines),
        **narrow.left_edge(ax),
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
    narrow.label_x(ax, x, size=small(), **PLAIN)
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
    # Dates are drawn as days of UTC. Without a zone, Matplotlib would label them in that of rcParams.
    utc = dt.UTC
    locator: Any = DayLocator(tz=utc) if span.days <= 8 else AutoDateLocator(tz=utc, minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    # Of a single date the concise form leaves nothing but the time, 00:00.
    formatter: Any = ConciseDateFormatter(locator, tz=utc) if span else DateFormatter("%Y-%m-%d", tz=utc)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_formatter(formatter)
    # A few longer periods get a tick each where they begin, unless two of them stand close together.
    steps = (days[1:] - days[:-1])[days[1:] > days[:-1]]
    if not span or (len(days) <= _TICKED and steps.min() > pd.Timedelta(days=1) and steps.min() >= span / 10):
        ax.set_xticks(days.unique().to_numpy())
        if span:
            # The concise form leaves the month away, so that the 31st of August would be one of September.
            ax.xaxis.set_major_formatter(_dated(days))
    ax.xaxis.get_offset_text().set_fontsize(small())
    margin = pd.Timedelta(hours=12) + 0.01 * span
    ax.set_xlim(days[0] - margin, days[-1] + margin)  # type: ignore[arg-type]


def _dated(days: pd.DatetimeIndex) -> FuncFormatter:
    """Write each of some dates as 31 Aug, with the year below where it is another than that of the date before."""
    from matplotlib.dates import num2date
    from matplotlib.ticker import FuncFormatter

    ordered = days.unique().sort_values()
    first_of_year = set(ordered[~ordered.year.duplicated()].date)

    def write(at: float, _: int | None = None) -> str:
        day = num2date(at, tz=dt.UTC).date()  # type: ignore[no-untyped-call]
        return f"{short_date(day)}\n{day.year}" if day in first_of_year else short_date(day)

    return FuncFormatter(write)


def add_legend(ax: Axes, handles: Sequence[Artist], names: Sequence[str], additions: Sequence[str] = ()) -> None:
    """Name what is drawn in the order of the names: to the right of the Axes, below a narrow one.

    `told` stands after the names, in full however long these are.
    """
    below = narrow.is_narrow(ax)
    width = (32 if below else name_width(ax)) - max(0, max(map(len, additions), default=0) - 6)
    shown = [plain(name, width) for name in names]
    shown = [name + more for name, more in zip(shown, additions, strict=True)] if additions else shown
    longest = max(map(len, shown), default=0)
    row = inches(ax)[1] * 72 / max(1, len(names))
    columns = 2 if row < 1.3 * small() and longest <= _SHORT and inches(ax)[0] > _ROOMY else 1
    size = min(small(), max(4.0, columns * row / 1.6))
    if below:
        size, columns = small(), narrow.columns_for(ax, longest, small())
    # Matplotlib leaves out a label that begins with an underscore: the names are written in afterwards.
    legend = ax.legend(
        handles,
        [str(place) for place in range(len(names))],
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        ncols=columns,
        borderaxespad=0,
        borderpad=0 if below else 0.4,
        frameon=False,
        fontsize=size,
        labelspacing=0.4,
        columnspacing=1.2,
        handlelength=1.6,
        handletextpad=0.6,
    )
    for text, name in zip(legend.get_texts(), shown, strict=True):
        text.set(text=name, **PLAIN)


def color_bar(ax: Axes, mesh: QuadMesh, label: str, **how: Any) -> None:
    """Say what the colours mean, on an inset, so that no other Axes of the figure is made smaller."""
    from matplotlib.colorbar import Colorbar

    below = narrow.is_narrow(ax)
    inset = ax.inset_axes(narrow.below_labels(ax, small()) if below else (1.02, 0.0, 0.025, 1.0))
    bar = Colorbar(inset, mesh, orientation="horizontal" if below else "vertical", **how)
    bar.outline.set_visible(False)
    bar.set_label(label, fontsize=small(), **PLAIN)
    inset.tick_params(labelsize=small())


def smallest(ax: Axes, usual: float) -> float:
    """Give the size in points below which a text is left out: nobody enlarges what stands on a narrow screen."""
    return max(usual, 0.95 * small()) if narrow.is_narrow(ax) else usual


def no_data(ax: Axes, title: str, why: str = "no data") -> Axes:
    """Say that the table has nothing to draw."""
    narrow.flatten(ax)
    set_titles(ax, title)
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", color=QUIET, **PLAIN)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[["top", "right"]].set_visible(False)
    return fit(ax)


def fit(ax: Axes) -> Axes:
    """Shrink the Axes until its labels lie within its own cell of the figure.

    A layout engine does that by itself. Without one, what stands beside the Axes would be cut off at the
    figure's edge.
    """
    from matplotlib.transforms import Bbox

    if narrow.is_narrow(ax):
        narrow.fit_narrow(ax)
        return ax

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
