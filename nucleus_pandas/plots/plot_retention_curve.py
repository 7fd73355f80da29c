"""Retention as curves: over the periods since the start, or of one period over the cohorts."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nucleus_pandas.core.calendar import NOUNS
from nucleus_pandas.core.text import counted
from nucleus_pandas.plots import style
from nucleus_pandas.plots.at_risk import Row, write_at_risk
from nucleus_pandas.plots.plot_retention import asked_note, check_question, nobody, retention_table
from nucleus_pandas.plots.series import Trace, draw_lines, floats
from nucleus_pandas.plots.shares import percent_axis, sample_note, segments_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

TITLE, TREND = "Retention", "Retention over time"
# Beyond, bands lie on each other and nothing can be read from them.
_BANDS = 4
# More of them run into each other.
_DOTS = 60


def plot_retention_curve(curve: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw what share of users came back, by periods since the start.

    Parameters
    ----------
    curve : DataFrame
        The table of `retention_curve`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With a line, or a line a segment: the share in per cent of those for whom the period was over. Where there are
        up to four lines a band gives the 95 % bounds; below 30 users there is none, and the marker is hollow. Below
        the axis stands of how many users each line is there, where there are up to five. A period that is not over for
        anybody is a gap. Brackets stand side by side, whatever their length; where one overlaps the next, as 1–7 and
        1–30 do, the points are not joined, and upright lines give the bounds.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, there are more than 30 segments, or rows of several questions.
    TypeError
        If `curve` is no DataFrame.

    Notes
    -----
    Later periods are of older cohorts only, as the numbers below tell: see `retention_curve`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app).tail(200)
    >>> table = nu.retention(nu.load_sessions(app, users), users=users, as_of=app.now())
    >>> ax = nu.plot_retention_curve(nu.retention_curve(table))
    """
    table = retention_table(curve, plot="plot_retention_curve", maker="retention_curve", cohorts=False)
    if "cohort" in curve.columns:
        raise ValueError(
            "plot_retention_curve draws one row a period, this table has one a cohort: pass it to nu.retention_curve "
            "first, or draw it with plot_retention"
        )
    curve = table
    check_question(curve, plot="plot_retention_curve")
    ax = style.axes_for(ax)
    if nobody(curve):
        return style.no_data(ax, TITLE)
    segments = segments_of(curve, plot="plot_retention_curve")
    numbers = np.sort(curve["age"].unique())
    names = _bracket_names(curve, numbers)
    apart = _overlap(names)
    at = numbers.astype(float) if names is None else np.arange(len(numbers), dtype=float)
    top, rows = 0.0, []
    for place, one in enumerate(segments):
        wide = one.rows.drop_duplicates("age").set_index("age").reindex(numbers)
        look = {"color": one.color, "marker": style.MARKERS[place % len(style.MARKERS)]}
        top = max(top, _draw(ax, at, wide, look, bands=len(segments) <= _BANDS, apart=apart))
        rows.append(Row(at, floats(wide["eligible"]), one.color))
    _legend(ax, [(one.name, one.color) for one in segments])
    noun = NOUNS.get(str(curve["freq"].iloc[0]), "period")
    style.finish_axes(ax, x=f"{noun} since the start", y="share that came back", grid="y")
    _period_axis(ax, at, names)
    _share_axis(ax, top)
    below = write_at_risk(ax, rows, x=f"{noun} since the start", what="eligible")
    style.set_titles(ax, TITLE, asked_note(curve), *_notes(curve, bands=len(segments) <= _BANDS, apart=apart), below)
    return style.fit(ax)


def plot_retention_trend(trend: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw what share of each cohort came back in one period since the start.

    Parameters
    ----------
    trend : DataFrame
        The table of `retention_trend`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With a line, or a line a segment: the share in per cent, at the first day of the cohort. Where there are up to
        four lines a band gives the 95 % bounds; below 30 users there is none, and the marker is hollow. A share of a
        part of the cohort (not `complete`) is hollow and the line to it dashed; a cohort without a share is a gap.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, there are several periods, more than 30 segments, or rows of
        several questions.
    TypeError
        If `trend` is no DataFrame.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app).tail(200)
    >>> table = nu.retention(nu.load_sessions(app, users), users=users, as_of=app.now())
    >>> ax = nu.plot_retention_trend(nu.retention_trend(table, age=1))
    """
    trend = retention_table(trend, plot="plot_retention_trend", maker="retention_trend")
    if len(set(trend["age"].tolist())) > 1:
        raise ValueError("plot_retention_trend draws one period: pass the table to nu.retention_trend first")
    check_question(trend, plot="plot_retention_trend")
    ax = style.axes_for(ax)
    if nobody(trend):
        return style.no_data(ax, TREND)
    cohorts = pd.DatetimeIndex(np.sort(trend["cohort"].unique()))
    segments = segments_of(trend, plot="plot_retention_trend")
    complete = trend["complete"].astype(bool).groupby(trend["cohort"]).all().reindex(cohorts).to_numpy(dtype=bool)
    rated = trend["rate"].notna().groupby(trend["cohort"]).any().reindex(cohorts).to_numpy(dtype=bool)
    traces, top = [], 0.0
    for place, one in enumerate(segments):
        wide = one.rows.drop_duplicates("cohort").set_index("cohort").reindex(cohorts)
        marker = style.MARKERS[place % len(style.MARKERS)]
        traces.append(Trace(str(one.name), floats(wide["rate"]), one.color, marker))
        look = {"color": one.color, "marker": marker, "linestyle": "none"}
        top = max(top, _draw(ax, cohorts.to_numpy(), wide, look, bands=len(segments) <= _BANDS, line=False))
    state = pd.DataFrame({"complete": complete | ~rated, "settled": complete | ~rated}, index=cohorts)
    draw_lines(ax, traces, state)
    if (legend := ax.get_legend()) is not None:
        legend.remove()
    _legend(ax, [(one.name, one.color) for one in segments])
    noun = NOUNS.get(str(trend["freq"].iloc[0]), "period")
    style.finish_axes(ax, x=f"{noun} of the start, first day", y="share that came back", grid="y")
    style.day_axis(ax, cohorts)
    _share_axis(ax, top)
    which = style.plain(trend["bracket"].iloc[0]) if "bracket" in trend.columns else str(trend["age"].iloc[0])
    missing = int((~rated).sum())
    style.set_titles(
        ax,
        TREND,
        f"{noun.capitalize()} {which} since the start.",
        asked_note(trend),
        *_notes(trend, bands=len(segments) <= _BANDS),
        "Dashed and hollow: of a part of the cohort only." if (rated & ~complete).any() else "",
        f"Without a share, as not over yet or without users: {counted(missing, 'cohort')}." if missing else "",
    )
    return style.fit(ax)


def _draw(
    ax: Axes,
    x: NDArray[Any],
    wide: pd.DataFrame,
    look: dict[str, Any],
    *,
    bands: bool,
    line: bool = True,
    apart: bool = False,
) -> float:
    """Draw one line, or points `apart`, with the bounds, hollow where of few users; give back how high it reaches."""
    few = wide["low_n"].eq(True).to_numpy(dtype=bool)
    rate, low, high = (floats(wide[name]) for name in ("rate", "rate_low", "rate_high"))
    if line:
        dots = look | {"linestyle": "none"} if apart else look if len(x) <= _DOTS else look | {"marker": ""}
        ax.plot(x, rate, **dots, markersize=4.0, linewidth=1.4)
    if few.any():
        hollow = look | {"linestyle": "none", "markerfacecolor": "white", "zorder": 3}
        ax.plot(x, np.where(_spread(few) if line else few, rate, np.nan), **hollow, markersize=4.0)
    reach = rate
    if bands:
        low, high = (np.where(few, np.nan, bound) for bound in (low, high))
        if apart:
            ax.vlines(x, low, high, color=look["color"], alpha=0.4, linewidth=1.2)
        else:
            ax.fill_between(x, low, high, color=look["color"], alpha=0.15, linewidth=0)
        reach = np.concatenate([rate, high])
    return float(np.nanmax(reach, initial=0.0))


def _spread(few: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give of a long run of points its ends and some between, so that their markers do not run into each other."""
    inner = np.concatenate([[False], few[:-1]]) & np.concatenate([few[1:], [False]])
    some = np.arange(len(few)) % max(1, len(few) // _DOTS) == 0
    return np.asarray(few & (~inner | some), dtype=np.bool_)


def _legend(ax: Axes, named: list[tuple[str | None, str]]) -> None:
    from matplotlib.lines import Line2D

    names = [(name, color) for name, color in named if name is not None]
    if names:
        handles = [
            Line2D([], [], color=color, marker=style.MARKERS[place % len(style.MARKERS)], markersize=4.0)
            for place, (_, color) in enumerate(names)
        ]
        style.add_legend(ax, handles, [name for name, _ in names])


def _bracket_names(curve: pd.DataFrame, numbers: NDArray[Any]) -> list[str] | None:
    """The names of brackets by their last periods, where there are any."""
    if "bracket" not in curve.columns:
        return None
    names = dict(zip(curve["age"].tolist(), map(style.plain, curve["bracket"]), strict=True))
    return [names[number] for number in numbers.tolist()]


def _overlap(names: list[str] | None) -> bool:
    """Whether a bracket begins before the one before it has ended."""
    found = [re.fullmatch(r"(\d+)(?:–(\d+))?", name) for name in names or []]
    ends = [(int(one[1]), int(one[2] or one[1])) for one in found if one]
    return any(first <= last for (_, last), (first, _) in pairwise(ends))


def _period_axis(ax: Axes, at: NDArray[Any], names: list[str] | None) -> None:
    """Tick periods, as many as there is room for with the numbers below, or the brackets."""
    from matplotlib.ticker import MaxNLocator

    first, last = float(at[0]), float(at[-1])
    margin = max(0.5, 0.02 * (last - first))
    ax.set_xlim(first - margin, last + margin)
    points, size = style.inches(ax)[0] * 72, style.small()
    if names is not None:
        every = max(1, int(np.ceil(len(names) * (max(map(len, names)) + 1) * 0.65 * size / points)))
        ax.set_xticks(at[::every], names[::every], **style.PLAIN)
        return
    locator = MaxNLocator(
        nbins=max(2, int(points / (4.2 * size))), integer=True, steps=[1, 2, 3, 5, 7, 10], min_n_ticks=1
    )
    ax.set_xticks([tick for tick in locator.tick_values(first, last) if first <= tick <= last])


def _share_axis(ax: Axes, top: float) -> None:
    top = max(0.05, 1.1 * top)
    ax.set_ylim(-0.02 * top, min(1.03, top))  # so that a marker at 0 is whole
    percent_axis(ax, top=top)


def _notes(table: pd.DataFrame, *, bands: bool, apart: bool = False) -> list[str]:
    few = table["low_n"].eq(True) & table["rate"].notna()
    return [
        f"{'Upright' if apart else 'Band'}: 95 % bounds." if bands else "",
        "Hollow: fewer than 30 users." if few.any() else "",
        sample_note(table),
    ]
