"""The rate of errors per day beside what was to be expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.checks import checked_columns
from nucleus_pandas.core.text import OTHER
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import Trace, draw_lines, floats, names_of, states, styled, tail_note
from nucleus_pandas.plots.tables import checked_table, date_as_written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

TITLE = "Errors"
# Beyond, bands lie on each other and nothing can be read from them.
_BANDS = 2
_LINES = 9


def plot_error_trend(
    trend: pd.DataFrame,
    ax: Axes | None = None,
    *,
    error: str | None = None,
    releases: Mapping[str, Any] | pd.DataFrame | None = None,
) -> Axes:
    """Draw how often errors were reported, the range that was to be expected, and the days that lie above it.

    Parameters
    ----------
    trend : DataFrame
        The table of `error_trend`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.
    error : str, optional
        The only error to draw; by default all of the table.
    releases : mapping of version to day, or DataFrame, optional
        Days to mark: ``{"1.0.0": "2026-10-24"}``, or a table with the columns version and first_seen, such as that of
        `compare_releases`. An instant counts on its date as written.

    Returns
    -------
    matplotlib Axes
        With a line an error: the rate, or the count where the table was made without `daily`. A spike has a ring. Where
        there are one or two lines, a band is the expected range; of one line the expected rate is drawn too. Days that
        may still grow are dashed; days without a rate are gaps. Releases in the span are dotted verticals, named where
        there is room.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, the table has no such error, there are more than 9 errors, or a
        release has no day that can be read.
    TypeError
        If `trend` is no DataFrame, or `releases` is neither a mapping nor a DataFrame.

    Notes
    -----
    A release that stands beside a rise goes with it; `crash_free` by version, which needs events, tells more. Names are
    shown as they are, long ones cut in the middle, characters that cannot be printed as U+FFFD.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> span = {"start": "2026-06-01", "end": "2026-10-31"}
    >>> trend = nu.error_trend(nu.load_error_counts(app, **span), nu.load_daily(app, **span))
    >>> planted = nu.demo.truth(as_of=app.now())
    >>> ax = nu.plot_error_trend(trend, error="uncaughtException", releases=planted.releases)
    """
    from matplotlib.ticker import FuncFormatter

    trend = checked_table(
        trend,
        plot="plot_error_trend",
        maker="error_trend",
        dates=["day"],
        texts=["error", "per"],
        counts=["count"],
        numbers=["rate", "expected", "expected_low", "expected_high"],
        maybe=["spike"],
        flags=["complete", "settled"],
    )
    marks = _release_days(releases)
    names = names_of(trend, "error")
    rows = trend.assign(error=names)
    if error is not None and len(trend):
        rows = rows[names == names_of(pd.DataFrame({"error": [error]}), "error").iloc[0]]
        if not len(rows):
            known = ", ".join(style.plain(name) for name in list(dict.fromkeys(names))[: style.MOST_CATEGORIES])
            raise ValueError(f"error={style.plain(error)!r} is not in the table; there are {known}")
    if rows["count"].isna().all():
        return style.no_data(style.axes_for(ax), TITLE)
    state = states(rows, "day")
    rated = bool(rows["rate"].notna().any())
    if rated:  # Days that are not over have no rate: there is nothing to draw hollow.
        state["complete"] = True
    curves = _curves(rows, pd.DatetimeIndex(state.index), "rate" if rated else "count")
    ax = style.axes_for(ax)
    draw_lines(ax, [curve.trace for curve in curves], state)
    days = pd.DatetimeIndex(state.index)
    bands = _draw_ranges(ax, days, curves) if len(curves) <= _BANDS else False
    spikes = _draw_spikes(ax, days, curves)
    unit = style.plain(rows["per"].dropna().iloc[0]) if rated else "day"
    title = f"{TITLE} per {unit}"
    style.finish_axes(ax, x="day", y=f"errors per {unit}", grid="y")
    style.day_axis(ax, days)
    ax.set_ylim(0, _highest(curves))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.10g}"))
    marked = _draw_releases(ax, marks)
    style.set_titles(
        ax,
        title if error is None else f"{title}: {style.plain(error)}",
        "Every report counts: one session can report many.",
        "Band: expected from the same weekday of up to 8 weeks before." if bands else "",
        "Thin grey line: the rate expected." if bands and len(curves) == 1 else "",
        "Ring: above the expected range." if spikes else "",
        "Dotted: releases." if marked else "",
        _unjudged(rows, rated=rated),
        tail_note(state, "Dashed", "day"),
    )
    return style.fit(ax)


def _unjudged(rows: pd.DataFrame, *, rated: bool) -> str:
    """Say where no day is judged: then the lack of rings tells nothing."""
    if rows["spike"].notna().any():
        return ""
    why = "fewer than four weeks before" if rated else "counts without sessions have no rate; pass daily="
    return f"No day is judged: {why}."


def _highest(curves: list[_Curve]) -> float:
    """Where the axis ends: above the lines; a band that reaches far beyond them is cut."""
    highest = max(float(np.nanmax(curve.trace.counts, initial=0.0)) for curve in curves)
    bands = [float(np.nanmax(curve.high, initial=0.0)) for curve in curves] if len(curves) <= _BANDS else []
    return 1.12 * min(max([highest, *bands]), 1.5 * highest) or max([1.0, *bands])


class _Curve(NamedTuple):
    """A line with what was expected, and which of its days are spikes."""

    trace: Trace
    expected: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    spike: NDArray[np.bool_]


def _curves(rows: pd.DataFrame, days: pd.DatetimeIndex, column: str) -> list[_Curve]:
    """Give a line an error, in the order of the table."""
    names = list(dict.fromkeys(rows["error"]))
    if len(names) > _LINES:
        raise ValueError(
            f"plot_error_trend draws up to {_LINES} errors, not {len(names):,}: make the table with top={_LINES - 1}, "
            "or pass error="
        )
    curves = []
    for place, name in enumerate(names):
        wide = rows[rows["error"] == name].drop_duplicates("day").set_index("day").reindex(days)
        trace = styled(place, name, floats(wide[column]))
        trace = Trace(name, trace.counts, style.REST, ".") if name == OTHER else trace
        spike = wide["spike"].astype("boolean").fillna(False).to_numpy(dtype=bool)
        expected, low, high = (floats(wide[one]) for one in ("expected", "expected_low", "expected_high"))
        curves.append(_Curve(trace, expected, low, high, spike))
    return curves


def _draw_ranges(ax: Axes, days: pd.DatetimeIndex, curves: list[_Curve]) -> bool:
    for curve in curves:
        color = curve.trace.color
        ax.fill_between(days.to_numpy(), curve.low, curve.high, color=color, alpha=0.15, linewidth=0)
        if len(curves) == 1:
            ax.plot(days.to_numpy(), curve.expected, color=style.REST, linewidth=1.0)
    return any(not np.isnan(curve.high).all() for curve in curves)


def _draw_spikes(ax: Axes, days: pd.DatetimeIndex, curves: list[_Curve]) -> bool:
    for curve in curves:
        if curve.spike.any():
            look: dict[str, Any] = {"marker": "o", "markersize": 10.0, "markerfacecolor": "none", "linestyle": "none"}
            at = days.to_numpy()[curve.spike]
            ax.plot(at, curve.trace.counts[curve.spike], **look, markeredgecolor=curve.trace.color, markeredgewidth=1.6)
    return any(curve.spike.any() for curve in curves)


def _release_days(releases: Mapping[str, Any] | pd.DataFrame | None) -> list[tuple[pd.Timestamp, str]]:
    """Read which day each release is marked on, in order."""
    if releases is None:
        return []
    if isinstance(releases, pd.DataFrame):
        checked_columns("releases", releases, ("version", "first_seen"), "Rename yours, or pass a mapping.")
        pairs = list(zip(releases["version"], releases["first_seen"], strict=True))
    elif isinstance(releases, Mapping):
        pairs = list(releases.items())
    else:
        raise TypeError(
            f"releases is of type {type(releases).__name__}; pass a mapping of version to day, or a DataFrame with the "
            "columns version and first_seen"
        )
    days = [(_release_day(day, name), style.plain(name, 16)) for name, day in pairs if not pd.isna(day)]
    return sorted((day, name) for day, name in days if not pd.isna(day))


def _release_day(day: Any, name: object) -> pd.Timestamp:
    try:
        return pd.Timestamp(date_as_written(day))
    except (ValueError, TypeError):
        raise ValueError(
            f"releases: the day of {style.plain(name, 16)} is {day!r:.40}; write a date such as "
            '{"1.0.0": "2026-10-24"}'
        ) from None


def _draw_releases(ax: Axes, marks: list[tuple[pd.Timestamp, str]]) -> bool:
    """Mark the releases that lie within the axis; one is named if its name does not lie on that of the one before."""
    from matplotlib.dates import date2num

    low, high = ax.get_xlim()
    height, room = 1.6 * style.small() / 72, style.inches(ax)[0]
    free, drawn = low, False
    for day, name in marks:
        at = float(date2num(day.to_pydatetime()))  # type: ignore[no-untyped-call]
        if not low <= at <= high:
            continue
        drawn = True
        ax.axvline(at, color=style.REST, linewidth=1.0, linestyle=":", zorder=1)
        if at >= free:
            place = {"xy": (at, 1.0), "xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            ax.annotate(
                name,
                **place,  # type: ignore[arg-type]
                xytext=(-2, -2),
                rotation=90,
                ha="right",
                va="top",
                fontsize=0.9 * style.small(),
                color=style.REST,
                **style.PLAIN,
            )
            free = at + (high - low) * height / max(room, height)
    return drawn
