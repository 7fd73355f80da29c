"""Retention as a triangle: a row a cohort, a column a period."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.calendar import NOUNS
from nucleus_pandas.core.text import percent
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import floats
from nucleus_pandas.plots.shares import sample_note
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from numpy.typing import NDArray

TITLE = "Retention by cohort"
_TALLEST, _WIDEST = 14.0, 16.0
# Below so many points a number cannot be read, and is left out.
_SMALLEST_TEXT = 5.0
# So many cells would make a page of megabytes: they are one picture in it.
_MANY_CELLS = 2_000
_UNITS = {"D": "24 hours", "W": "7 days", "M": "30 days", "Q": "90 days"}
_CRITERIA = {
    "on": "active {1} the {0}",
    "on_or_after": "active {1} the {0} or later, as far as is known",
    "on_or_before": "active {1} the {0} or before it",
    "brackets": "active {1} any {0} of the range",
}


def plot_retention(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw what share of each cohort came back, period by period.

    Parameters
    ----------
    table : DataFrame
        The table of `retention` or `unbounded_retention`, of one segment.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With a row a cohort, the oldest on top, its first day and its users at the left, and a column a period: the
        share of those for whom the period was over, as a colour and, where there is room, in per cent. A cell is empty
        where the period is not over for anybody or the cohort is without users; it is 0, in the lightest colour, where
        nobody came back, and <1 where somebody did. Hatched are shares of a part of the cohort (not `complete`); below
        30 users a share has an asterisk. The scale ends at the largest share after period 0 of 30 users or more; the
        colour bar stands to the right, on an inset of the Axes.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, there are several segments, or rows of several questions.
    TypeError
        If `table` is no DataFrame.

    Notes
    -----
    Cohorts differ by chance: before you read something into a row, look at `rate_low` and `rate_high`, or draw them
    with `plot_retention_trend`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app).tail(200)
    >>> table = nu.retention(nu.load_sessions(app, users), users=users, as_of=app.now())
    >>> ax = nu.plot_retention(table)
    """
    table = retention_table(table, plot="plot_retention", maker="retention")
    check_question(table, plot="plot_retention")
    _check_segment(table)
    if nobody(table):
        return style.no_data(style.axes_for(ax), TITLE)
    grid = grid_of(table)
    rows, columns = grid.rate.shape
    ax = style.axes_for(ax, height=min(_TALLEST, 1.7 + 0.3 * rows), width=min(_WIDEST, max(6.0, 3.2 + 0.55 * columns)))
    mesh = _draw(ax, grid)
    noun = NOUNS.get(str(table["freq"].iloc[0]), "period")
    style.finish_axes(ax, x=f"{noun} since the start", y="", grid=None)
    ax.set_ylim(rows, 0)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    _label(ax, grid)
    _color_bar(ax, mesh, grid)
    style.fit(ax)
    size = _text_size(ax, grid)
    style.set_titles(ax, TITLE, *_notes(table, grid, written=size > 0), beside=0)
    _write(ax, grid, mesh, size)
    return style.fit(ax)


def retention_table(table: pd.DataFrame, *, plot: str, maker: str, cohorts: bool = True) -> pd.DataFrame:
    """Check and convert a table of retention; one without `cohorts` is a curve."""
    return checked_table(
        table,
        plot=plot,
        maker=maker,
        dates=["cohort"] if cohorts else [],
        counts=["age", "users", "eligible", "retained"],
        numbers=["rate", "rate_low", "rate_high", "sample"],
        flags=["complete", "low_n"] if cohorts else ["low_n"],
        texts=["freq", "clock", "criterion"],
        optional=["bracket", "segment"],
    )


class Grid(NamedTuple):
    """A row a cohort, a column a period."""

    cohorts: pd.DatetimeIndex
    users: NDArray[np.float64]
    periods: list[str]
    rate: NDArray[np.float64]
    part: NDArray[np.bool_]
    few: NDArray[np.bool_]
    young: NDArray[np.bool_]
    top: float


def nobody(table: pd.DataFrame) -> bool:
    """Say whether there is no share to draw, or nothing is known of whom it is."""
    return bool(table["rate"].isna().all() or table["users"].isna().all() or table["eligible"].isna().all())


def check_question(table: pd.DataFrame, *, plot: str) -> None:
    """Raise where the rows of a table are answers to several questions."""
    for name in ("freq", "clock", "criterion", "sample"):
        values = list(dict.fromkeys(table[name].tolist()))
        if len(values) > 1:
            raise ValueError(
                f"{plot} draws one question, this table has {name} {values[0]!r} and {values[1]!r}: pick one, "
                f'table[table["{name}"] == …]'
            )


def _check_segment(table: pd.DataFrame) -> None:
    if "segment" in table.columns and len(names := set(table["segment"].tolist())) > 1:
        raise ValueError(
            f"plot_retention draws one segment, this table has {len(names):,}: pick one, "
            'table[table["segment"] == …], or compare them with plot_retention_curve'
        )


def grid_of(table: pd.DataFrame) -> Grid:
    """Order a table by cohort and period."""
    cohorts = pd.DatetimeIndex(np.sort(table["cohort"].unique()))
    numbers = np.sort(table["age"].unique())
    at = cohorts.get_indexer(pd.DatetimeIndex(table["cohort"])), np.searchsorted(numbers, table["age"])
    rate = np.full((len(cohorts), len(numbers)), np.nan)
    rate[at] = floats(table["rate"])
    part, few, young = np.zeros((3, *rate.shape), dtype=np.bool_)
    part[at] = ~table["complete"].astype(bool).to_numpy()
    few[at] = table["low_n"].astype(bool).to_numpy()
    if "settled" in table.columns:
        young[at] = ~table["settled"].astype(bool).to_numpy()
    users = np.full(len(cohorts), np.nan)
    users[at[0]] = floats(table["users"])
    has_rate = ~np.isnan(rate)
    names = dict(zip(table["age"].tolist(), map(str, table["age"]), strict=True))
    if "bracket" in table.columns:
        names = dict(zip(table["age"].tolist(), map(style.plain, table["bracket"]), strict=True))
    later = has_rate & (numbers > 0)
    scale = next((rate[some] for some in (later & ~few, later, has_rate) if some.any()), np.ones(1))
    top = float(scale.max())
    labels = [names[n] for n in numbers.tolist()]
    return Grid(cohorts, users, labels, rate, part & has_rate, few & has_rate, young & has_rate, top or 1.0)


def _draw(ax: Axes, grid: Grid) -> QuadMesh:
    from matplotlib.collections import PolyCollection

    rows, columns = grid.rate.shape
    many = rows * columns >= _MANY_CELLS
    edges: dict[str, Any] = {"edgecolors": "none" if many else "white", "linewidth": 0.0 if many else 0.8}
    values = np.ma.masked_invalid(grid.rate)
    mesh = ax.pcolormesh(
        np.arange(columns + 1), np.arange(rows + 1), values, cmap=_colors(), vmin=0, vmax=grid.top, **edges
    )
    mesh.set_rasterized(many)
    if grid.part.any():
        y, x = np.nonzero(grid.part)
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
        ax.add_collection(
            PolyCollection(
                np.stack([x, y], axis=1)[:, None, :] + corners,
                facecolors="none",
                edgecolors=(1.0, 1.0, 1.0, 0.55),
                hatch="//",
                linewidths=0.0,
            )
        )
    return mesh


def _colors() -> Any:
    """From a light tone that is not the ground's to a dark one: 0 is a value, an empty cell is none."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("retention", ["#DCE9F5", "#7FB2D9", "#0072B2", "#062B4F"])


def _label(ax: Axes, grid: Grid) -> None:
    """Name rows and columns, as many as there is room for."""
    rows, columns = grid.rate.shape
    width, height = style.inches(ax)
    size = style.small()
    every = max(1, int(np.ceil(rows * 1.25 * size / (height * 72))))
    places = np.arange(0, rows, every)
    day = grid.cohorts.strftime("%Y-%m-%d").tolist()
    labels = [f"{day[n]} · {'–' if np.isnan(grid.users[n]) else f'{grid.users[n]:,.0f}'}" for n in places]
    ax.set_yticks(places + 0.5, labels, fontsize=size, **style.PLAIN)
    longest = max(map(len, grid.periods)) + 1
    every = max(1, int(np.ceil(columns * longest * 0.65 * size / (width * 72))))
    places = np.arange(0, columns, every)
    ax.set_xticks(places + 0.5, [grid.periods[n] for n in places], fontsize=size, **style.PLAIN)


def _text_size(ax: Axes, grid: Grid) -> float:
    """Give the size in points of the shares in their cells, 0 if they could not be read."""
    rows, columns = grid.rate.shape
    width, height = style.inches(ax)
    size = min(style.small(), 0.6 * height * 72 / rows, width * 72 / columns / (0.62 * 5))
    return size if size >= style.smallest(ax, _SMALLEST_TEXT) else 0.0


def _write(ax: Axes, grid: Grid, mesh: QuadMesh, size: float) -> None:
    """Write the shares into their cells."""
    if not size:
        return
    colors = mesh.get_cmap()(np.clip(grid.rate / grid.top, 0, 1))
    # Black is easier to read than white from this luminance on (WCAG 2).
    dark = np.where(colors[..., :3] <= 0.03928, colors[..., :3] / 12.92, ((colors[..., :3] + 0.055) / 1.055) ** 2.4)
    dark = dark @ [0.2126, 0.7152, 0.0722] < 0.179
    for row, column in zip(*np.nonzero(~np.isnan(grid.rate)), strict=True):
        few = "*" if grid.few[row, column] else ""
        ax.text(
            column + 0.5,
            row + 0.5,
            f"{cell_text(grid.rate[row, column])}{few}",
            ha="center",
            va="center",
            fontsize=size,
            color="white" if dark[row, column] else "black",
            **style.PLAIN,
        ).set_in_layout(False)  # each lies in its cell: to measure hundreds of them takes seconds


def cell_text(rate: float) -> str:
    """Write a share in whole per cent, as short as a cell needs it."""
    return percent(rate, decimals=0).removesuffix(" %").replace(" ", "")


def _color_bar(ax: Axes, mesh: QuadMesh, grid: Grid) -> None:
    from matplotlib.ticker import PercentFormatter

    beyond = bool(np.nanmax(grid.rate, initial=0.0) > grid.top + 1e-9)
    decimals = None if grid.top < 0.05 else 0
    style.color_bar(
        ax,
        mesh,
        "share that came back",
        extend="max" if beyond else "neither",
        format=PercentFormatter(1.0, symbol=" %", decimals=decimals),
    )


def asked_note(table: pd.DataFrame) -> str:
    """Say what a share is of, and what counts as coming back."""
    freq, clock, criterion = (str(table[name].iloc[0]) for name in ("freq", "clock", "criterion"))
    noun = NOUNS.get(freq, "period")
    how = _CRITERIA.get(criterion, criterion).format(noun, "on" if freq == "D" else "in")
    cut = f"of {_UNITS.get(freq, '')} from each user's start" if clock == "elapsed" else "of the calendar"
    return f"Per cent of those for whom the {noun} was over, {how}; {noun}s {cut}."


def _notes(table: pd.DataFrame, grid: Grid, *, written: bool) -> list[str]:
    return [
        _segment_note(table),
        asked_note(table),
        "At the left: first day and users of the cohort.",
        "Empty: not over yet or without users." if np.isnan(grid.rate).any() else "",
        "Hatched: of a part of the cohort only." if grid.part.any() else "",
        "*: fewer than 30 users." if grid.few.any() and written else "",
        sample_note(table),
    ]


def _segment_note(table: pd.DataFrame) -> str:
    return f"{style.plain(table['segment'].iloc[0])}." if "segment" in table.columns else ""
