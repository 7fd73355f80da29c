"""Releases beside the one before as dots with their bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from nucleus_pandas.core.checks import check_choice
from nucleus_pandas.core.text import percent
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import floats
from nucleus_pandas.plots.shares import sample_note
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Failure = Literal["error", "crash"]
_COLORS = {"more": style.PALETTE[1], "fewer": style.PALETTE[2]}
_WIDEST = 64.0
_TITLE = {"error": "Errors of each release", "crash": "Crashes of each release"}


def plot_releases(releases: pd.DataFrame, ax: Axes | None = None, *, failure: Failure = "error") -> Axes:
    """Draw how many times as often something goes wrong with each release as with the one before.

    Parameters
    ----------
    releases : DataFrame
        The table of `compare_releases`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.
    failure : {"error", "crash"}
        What goes wrong.

    Returns
    -------
    matplotlib Axes
        With a row a version, in the order of the table: a dot for the ratio of the two rates, right of the line at 1 if
        more goes wrong, and its 95 % bounds; beside it the share without errors, and that of the release before.
        Bounds beyond the axis end in an arrow. Below 30 sessions or users the dot is hollow.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, there are more than 30 versions, or `failure` is not known.
    TypeError
        If `releases` is no DataFrame.

    Notes
    -----
    Both are counted on the days on which both were in use. Who takes a release first is not like the others; see
    `compare_releases`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(40))
    >>> log = nu.load_session_events(app, sessions)
    >>> ax = nu.plot_releases(nu.compare_releases(log))
    """
    check_choice("failure", failure, get_args(Failure))
    numbers = [f"{failure}_{name}" for name in ("ratio", "ratio_low", "ratio_high", "free", "free_before")]
    releases = checked_table(
        releases,
        plot="plot_releases",
        maker="compare_releases",
        texts=["version", "before", f"{failure}_change", "per"],
        counts=["sessions", "days"],
        numbers=[*numbers, "sample"],
        flags=["low_n"],
    )
    if releases["sessions"].isna().all():
        return style.no_data(style.axes_for(ax), _TITLE[failure])
    if len(releases) > style.MOST_CATEGORIES:
        raise ValueError(
            f"plot_releases draws up to {style.MOST_CATEGORIES} versions, not {len(releases):,}: pick some"
        )
    ax = style.axes_for(ax, height=1.7 + 0.42 * len(releases))
    names = [
        _named(*pair, width=style.name_width(ax)) for pair in zip(releases["version"], releases["before"], strict=True)
    ]
    edges = _edges(releases, failure)
    ax.set_xscale("log")
    ax.set_xlim(*edges)
    ax.axvline(1, color=style.REST, linewidth=1.0)
    for place, (_, row) in enumerate(releases.iterrows()):
        _draw(ax, place, row, failure, edges)
    ax.set_ylim(len(releases) - 0.4, -0.6)
    what = "errors" if failure == "error" else "crashes"
    style.finish_axes(ax, x=f"{what} per {_unit(releases)}, as a multiple of the release before", y="", grid="x")
    _ticks(ax, edges)
    size = min(style.small(), 0.7 * style.inches(ax)[1] * 72 / len(releases))
    ax.set_yticks(np.arange(len(releases)), names, fontsize=size, **style.PLAIN)
    _write(ax, releases, failure, size)
    style.set_titles(ax, _TITLE[failure], *_notes(releases, what), beside=max(map(len, names)))
    return style.fit(ax)


def _unit(releases: pd.DataFrame) -> str:
    return "user and day" if releases["per"].eq("users").any() else "session"


def _named(version: object, before: object, *, width: int) -> str:
    name = style.plain(version, width)
    return name if pd.isna(before) else f"{name} / {style.plain(before, width)}"  # type: ignore[call-overload]


def _edges(releases: pd.DataFrame, failure: Failure) -> tuple[float, float]:
    """The ends of the axis: all bounds, as far as that is not too far."""
    low, ratio, high = (floats(releases[f"{failure}_{name}"]) for name in ("ratio_low", "ratio", "ratio_high"))
    ends = np.concatenate([low, ratio, high])
    ends = ends[np.isfinite(ends) & (ends > 0)]
    most = min(_WIDEST, 1.3 * float(np.max(np.concatenate([ends, 1 / ends]), initial=2.0)))
    return 1 / most, most


def _draw(ax: Axes, place: int, row: pd.Series, failure: Failure, edges: tuple[float, float]) -> None:
    """Draw the ratio of one release with its bounds; an arrow where they go on beyond the axis."""
    low, ratio, high = (float(row[f"{failure}_{name}"]) for name in ("ratio_low", "ratio", "ratio_high"))
    if np.isnan(low):
        return
    color = _COLORS.get(str(row[f"{failure}_change"]), style.REST)
    ends = max(low, edges[0]), min(high, edges[1])
    ax.plot(ends, [place, place], color=color, linewidth=1.6, solid_capstyle="butt")
    for end, bound, marker in ((edges[0], low, "<"), (edges[1], high, ">")):
        if (bound < end) if marker == "<" else (bound > end):
            ax.plot(end, place, color=color, marker=marker, markersize=6.0, clip_on=False)
    if edges[0] <= ratio <= edges[1]:
        face = "white" if bool(row["low_n"]) else color
        ax.plot(ratio, place, color=color, marker="o", markersize=6.5, markerfacecolor=face)


def _ticks(ax: Axes, edges: tuple[float, float]) -> None:
    """Tick a few multiples that are easily read."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    all_of = [1 / 50, 1 / 20, 1 / 10, 1 / 5, 1 / 2, 1, 2, 5, 10, 20, 50]
    few = [1 / 50, 1 / 10, 1, 10, 50] if edges[1] > 8 and style.inches(ax)[0] < 5 else all_of
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in few if edges[0] <= tick <= edges[1]]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:.3g} ×"))


def _write(ax: Axes, releases: pd.DataFrame, failure: Failure, size: float) -> None:
    """Write beside each row the two shares without failures."""
    free, before = floats(releases[f"{failure}_free"]), floats(releases[f"{failure}_free_before"])
    look: dict[str, Any] = {"xytext": (8, 0), "textcoords": "offset points", "va": "center", "fontsize": size}
    for place, pair in enumerate(zip(free, before, strict=True)):
        text = "not compared" if np.isnan(pair[0]) else f"{percent(pair[0])}, before {percent(pair[1])}"
        where: dict[str, Any] = {"xy": (1.0, place), "xycoords": ("axes fraction", "data"), "annotation_clip": False}
        ax.annotate(text, **where, **look, color=style.REST if np.isnan(pair[0]) else "black", **style.PLAIN)


def _notes(releases: pd.DataFrame, what: str) -> list[str]:
    return [
        f"Version / the release before, on the days both were in use. Beside: share without {what}.",
        "Lines: 95 % bounds; in colour where 1 is not within. Who takes a release first is not like the others.",
        "Hollow: fewer than 30 of one of the two." if (releases["low_n"] & releases["before"].notna()).any() else "",
        sample_note(releases),
    ]
