"""Figures for a page: wide ones, and narrow ones with the whole width for the Axes, as high as that takes."""

from __future__ import annotations

import textwrap
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

# Inches. What is wider has a legend at the right of its Axes.
_NARROW: Final = 5.0
_EDGE: Final = 0.09
# The letters of a reader's font may be wider than those that were measured.
_ROOM: Final = 0.1
# Of the height of a wide figure, what stands around its Axes; the Axes of a plot that names no height.
_AROUND, _USUAL = 1.3, 2.5
_WIDEST: ContextVar[float | None] = ContextVar("widest", default=None)
_MADE: WeakSet[Figure] = WeakSet()


@contextmanager
def figures_for_page(widest: float) -> Iterator[None]:
    """Within it, figures that plots make for themselves are at most so many inches wide, and unknown to pyplot."""
    before = _WIDEST.set(widest)
    try:
        yield
    finally:
        _WIDEST.reset(before)


def axes_of_page(height: float | None, width: float, *, usual: float) -> Axes | None:
    """Make an Axes on a figure of its own for a page; None where no page is made."""
    if (widest := _WIDEST.get()) is None:
        return None
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    width = min(width, widest)
    if width > _NARROW:
        ax = Figure(figsize=(width, height or usual), layout=ConstrainedLayoutEngine(w_pad=_ROOM)).add_subplot()
    else:
        high = _USUAL if height is None else max(0.9, height - _AROUND)
        figure = Figure(figsize=(width, high + _AROUND))
        ax = figure.add_axes((0.17, 0.5 / (high + _AROUND), 0.8, high / (high + _AROUND)))
    _MADE.add(ax.figure)  # type: ignore[arg-type]
    return ax


def is_narrow(ax: Axes) -> bool:
    """Say whether the Axes stands on a narrow figure for a page."""
    return ax.figure in _MADE and ax.figure.get_layout_engine() is None


def flatten(ax: Axes) -> None:
    """Take away the height of a figure for a page that has nothing to show."""
    if ax.figure in _MADE and not is_narrow(ax):
        ax.figure.set_figheight(1.8)  # type: ignore[union-attr]
    elif is_narrow(ax):
        _resize(ax, (ax.figure.get_figwidth(), 2.0), (0.1, 0.1), 0.9)  # type: ignore[union-attr]


def at_left_edge(ax: Axes, title: Text) -> None:
    """Begin the title where the figure begins, and not where the Axes does."""
    from matplotlib.transforms import blended_transform_factory

    across = blended_transform_factory(ax.figure.transFigure, ax.transAxes)
    title.set_transform(across + ax.titleOffsetTrans)  # type: ignore[attr-defined]
    title.set_x(_EDGE / ax.figure.get_figwidth())  # type: ignore[union-attr]


def left_edge(ax: Axes) -> dict[str, Any]:
    """Where a text above the Axes begins: at the left edge of a narrow figure, else of the Axes."""
    if is_narrow(ax):
        edge = _EDGE / ax.figure.get_figwidth()  # type: ignore[union-attr]
        return {"xy": (edge, 1), "xycoords": ("figure fraction", "axes fraction")}
    return {"xy": (0, 1), "xycoords": "axes fraction"}


def label_x(ax: Axes, text: str, *, size: float, **look: Any) -> None:
    """Label the x axis; below a narrow Axes at the left, in several lines where it is long.

    There it leaves the right to the month and year of the ticks.
    """
    if is_narrow(ax):
        per_line = int(ax.get_window_extent().width / ax.figure.dpi * 72 / (0.55 * size))
        text, look = "\n".join(textwrap.wrap(text, per_line)), look | {"loc": "left"}
    ax.set_xlabel(text, fontsize=size, **look)


def below_labels(ax: Axes, size: float) -> tuple[float, float, float, float]:
    """Give the place of a bar of colours below the labels of the x axis, in parts of the Axes."""
    high = ax.get_window_extent().height / ax.figure.dpi * 72
    return (0.0, -(4.6 * size + 8) / high, 1.0, 8 / high)


def columns_for(ax: Axes, longest: int, size: float) -> int:
    """Give the number of columns of a legend below the Axes, whose names have up to so many letters."""
    width = ax.figure.get_figwidth() * 72  # type: ignore[union-attr]
    return max(1, int(width / (size * (0.6 * longest + 3.4))))


def fit_narrow(ax: Axes) -> None:
    """Give the Axes the width that is left, and the figure the height that it takes with its legend below."""
    legend = ax.get_legend()
    if legend is not None:
        legend.set_in_layout(False)
    dpi, width = ax.figure.dpi, ax.figure.get_figwidth()  # type: ignore[union-attr]
    high = ax.get_window_extent().height / dpi
    # Several times: an Axes of another width may get other ticks, and what stands beside a bar moves less than it does.
    for _ in range(9):
        box, around = ax.get_window_extent(), ax.get_tightbbox(for_layout_only=True)
        if around is None:
            return
        before = ax.get_position().bounds
        left, right = (max(0.0, part) / dpi for part in (box.x0 - around.x0, around.x1 - box.x1))
        below, above = (max(0.0, part) / dpi for part in (box.y0 - around.y0, around.y1 - box.y1))
        if legend is not None:
            below += 0.06
            _hang(ax, below)
            below += legend.get_window_extent().height / dpi
        _resize(ax, (width, above + high + below + 2 * _EDGE), (left + _EDGE, right + _EDGE), below + _EDGE)
        if max(abs(one - other) for one, other in zip(before, ax.get_position().bounds, strict=True)) < 0.002:
            return


def _hang(ax: Axes, below: float) -> None:
    """Put the legend so many inches below the Axes, at the left edge of the figure."""
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    figure = ax.figure
    across = blended_transform_factory(figure.transFigure, ax.transAxes)
    down = ScaledTranslation(0, -below, figure.dpi_scale_trans)
    legend: Any = ax.get_legend()
    legend.set_bbox_to_anchor((_EDGE / figure.get_figwidth(), 0), transform=across + down)  # type: ignore[union-attr]


def _resize(ax: Axes, size: tuple[float, float], sides: tuple[float, float], below: float) -> None:
    """Give the figure a size, and the Axes the same height as before and the width between the sides, in inches."""
    figure: Any = ax.figure
    high = min(ax.get_window_extent().height / figure.dpi, size[1] - below)
    figure.set_size_inches(size)
    across = max(0.8, size[0] - sum(sides))
    ax.set_position((sides[0] / size[0], below / size[1], across / size[0], high / size[1]))
