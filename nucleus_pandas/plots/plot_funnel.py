"""A funnel as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nucleus_pandas.core.text import counted, percent
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import floats, names_of
from nucleus_pandas.plots.shares import (
    Segment,
    asked_note,
    duration,
    name_segments,
    percent_axis,
    sample_note,
    segments_of,
)
from nucleus_pandas.plots.tables import checked_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

TITLE = "Funnel"
_BLOCK = 0.8  # of the distance between two steps, what their bars take
_TALLEST = 18.0
_SMALLEST_TEXT = 3.5
_LOST = "#4D4D4D"


def plot_funnel(funnel: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how many users reached each step.

    Parameters
    ----------
    funnel : DataFrame
        The table of `funnel`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With a bar a step, or a bar for each step and segment: the share of those who entered, its 95 % bounds as a
        thin line, and pale what was lost since the step before. Beside it the users, that share and the median time
        since the step before; where there are no segments, also the users lost, as a share of that step.
        Below 30 entrants a share has an asterisk.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, or there are more than 30 segments.
    TypeError
        If `funnel` is no DataFrame.

    Notes
    -----
    Names are shown as they are, long ones cut in the middle, characters that cannot be printed as U+FFFD.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app).head(40)
    >>> log = nu.load_session_events(app, nu.load_sessions(app, users).head(40))
    >>> ax = nu.plot_funnel(nu.funnel(log, ["init", "PROJECT_CREATED", "EXPORT_PDF"]))
    """
    rows = checked_table(
        funnel,
        plot="plot_funnel",
        maker="funnel",
        counts=["step", "users", "excluded", "pending"],
        texts=["event", "order", "window"],
        numbers=["from_start", "from_start_low", "from_start_high", "from_previous", "median_seconds", "sample"],
        flags=["low_n", "include_pending"],
        optional=["segment"],
    )
    if "period" in funnel.columns:
        raise ValueError(
            "plot_funnel draws one funnel, this table has a funnel a period: draw it with plot_funnel_trend"
        )
    if rows["users"].isna().all():
        return style.no_data(style.axes_for(ax), TITLE)
    table = rows.sort_values("step", kind="stable")
    steps = list(dict.fromkeys(_keys(table)))
    segments = segments_of(table, plot="plot_funnel")
    row = 0.6 if len(segments) == 1 else 0.2 * len(segments) + 0.15
    ax = style.axes_for(ax, height=min(_TALLEST, max(2.6, 1.5 + row * len(steps))))
    names = [style.plain(name, style.name_width(ax)) for _, name in steps]
    beside = max(map(len, names))
    ax.set_ylim(len(steps) - 0.45, -0.55)
    labels = [label for place, one in enumerate(segments) for label in _bars(ax, one, steps, place, len(segments))]
    style.finish_axes(ax, x="share of those who entered", y="", grid="x")
    size = min(style.small(), 0.7 * style.inches(ax)[1] * 72 / len(steps))
    ax.set_yticks(np.arange(len(steps)), names, fontsize=size, **style.PLAIN)
    _write(ax, labels, len(steps), len(segments), beside)
    name_segments(ax, segments)
    style.set_titles(ax, TITLE, *_notes(table, grouped=len(segments) > 1), beside=beside)
    return style.fit(ax)


class _Label(NamedTuple):
    """What is written beside a bar: where, the numbers, and in a second line what was lost."""

    x: float
    y: float
    numbers: str
    lost: str


def _keys(table: pd.DataFrame) -> list[tuple[int, str]]:
    """Give number and name of the step of each row."""
    return list(zip(table["step"].tolist(), names_of(table, "event").tolist(), strict=True))


def _bars(ax: Axes, segment: Segment, steps: list[tuple[int, str]], place: int, of: int) -> list[_Label]:
    """Draw the bars of one segment, and give what is to be written beside them."""
    from matplotlib.colors import to_rgba

    rows, thick = segment.rows, _BLOCK / of
    users, rate = floats(rows["users"]), floats(rows["from_start"])
    low, high, kept = (floats(rows[name]) for name in ("from_start_low", "from_start_high", "from_previous"))
    y = np.array([steps.index(key) for key in _keys(rows)]) - _BLOCK / 2 + (place + 0.5) * thick
    before, first = np.concatenate([rate[:1], rate[:-1]]), steps[0][0]
    look: dict[str, Any] = {"height": 0.9 * thick, "hatch": segment.hatch, "edgecolor": "white", "linewidth": 0}
    ax.barh(y, before - rate, left=rate, color=to_rgba(segment.color, 0.18), height=0.9 * thick, linewidth=0)
    ax.barh(y, rate, color=segment.color, **look)
    # The share of step 1 is 100 % by definition, which no chance has a part in.
    low, high = (np.where(rows["step"] == first, np.nan, bound) for bound in (low, high))
    for color, width in (("white", 2.4), ("black", 1.0)):
        ax.hlines(y, low, high, color=color, linewidth=width, zorder=3)
    gone = np.concatenate([[np.nan], users[:-1] - users[1:]])
    took = floats(rows["median_seconds"])
    return [
        _Label(
            float(np.nanmax([high[i], rate[i], 0.0])),
            float(y[i]),
            f"{_count(users[i])} · {percent(rate[i])}{'*' * bool(few)}" + (_median(took[i]) if of > 1 else ""),
            _lost(gone[i], kept[i], took[i]) if of == 1 else "",
        )
        for i, few in enumerate(rows["low_n"].tolist())
    ]


def _count(users: float) -> str:
    return "no number" if np.isnan(users) else f"{users:,.0f}"


def _lost(gone: float, kept: float, took: float) -> str:
    """Say how many were lost since the step before and how long the others took."""
    if np.isnan(gone) or np.isnan(kept):
        return ""
    lost = f"−{gone:,.0f} ({percent(1 - kept)})" if gone else "none lost"
    return lost + _median(took)


def _median(took: float) -> str:
    return "" if np.isnan(took) else f" · median {duration(took)}"


def _write(ax: Axes, labels: list[_Label], steps: int, of: int, beside: int) -> None:
    """Write beside the bars, in letters as large as there is room for, and make the room."""
    width, height = style.inches(ax)
    lines = 2 if any(label.lost for label in labels) else 1
    size = min(style.small(), 0.7 * _BLOCK * height * 72 / (steps * of * lines))
    written = size >= _SMALLEST_TEXT
    inner = max(1.0, width - 0.52 * size * beside / 72)
    ends = [
        label.x / (1 - min(0.65, 0.55 * size * (len(text) + 2) / 72 / inner))
        for label in labels
        for text in (label.numbers, label.lost)
    ]
    limit = max(1.02, *ends) if written else 1.02
    ax.set_xlim(0, limit)
    percent_axis(ax, "x", ticks=int(1.6 * inner / limit))
    if not written:
        return
    look: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": size, **style.PLAIN}
    for label in labels:
        up = 0.62 * size if label.lost else 0.0
        ax.annotate(label.numbers, (label.x, label.y), (4, up), **look)
        if label.lost:
            ax.annotate(label.lost, (label.x, label.y), (4, -up), color=_LOST, **look)


def _notes(table: pd.DataFrame, *, grouped: bool) -> list[str]:
    """Say what the bars mean, and who is not in them."""
    # Both are the same in all rows of a segment.
    first = table[table["step"] == table["step"].min()]
    pending, excluded = (np.nansum(floats(first[name])) for name in ("pending", "excluded"))
    lost = "" if grouped else ", with the share of it"
    how = "Includes" if table["include_pending"].any() else "Left out:"
    return [
        asked_note(table),
        f"Beside a bar: users, their share of those who entered, the median time since the step before; thin line: "
        f"95 % bounds of the share. Pale: lost since the step before{lost}.",
        f"{how} {counted(int(pending), 'user')} whose window is not over." if pending > 0 else "",
        f"Lost to excluded events: {excluded:,.0f}." if excluded > 0 else "",
        "*: fewer than 30 entered." if table["low_n"].any() else "",
        sample_note(table),
    ]
