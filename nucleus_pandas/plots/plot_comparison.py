"""Pairs of rates as dumbbells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nucleus_pandas.core.text import points
from nucleus_pandas.plots import style
from nucleus_pandas.plots.series import floats
from nucleus_pandas.plots.shares import check_values, name_rows, sample_note, write_beside
from nucleus_pandas.plots.tables import checked_table
from nucleus_pandas.stats.significance import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RATES = {
    "from_start": "share of users who entered",
    "from_previous": "share of users at the step before",
    "rate": "share of users who came back",
    "share": "share of all counted",
    "error_free_sessions": "share of sessions without an error",
    "error_free_users": "share of users without an error",
    "crash_free_sessions": "share of sessions without a crash",
    "crash_free_users": "share of users without a crash",
    "survival": "share of users still there",
}
_DATES, _PLACES, _TEXTS = ("period", "cohort"), ("age", "day"), ("segment", "dimension", "attribute", "event", "value")


def plot_comparison(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw pairs of rates, and how they differ.

    Parameters
    ----------
    table : DataFrame
        The table of `compare`.
    ax : matplotlib Axes, optional
        Where to draw. By default a new figure is made.

    Returns
    -------
    matplotlib Axes
        With one line per row, in the order of the table: a hollow dot for rate a, a full one for rate b, and beside
        them the difference in percentage points with its bounds. Clear changes are coloured, all others grey.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, or the table has more than 30 rows or several rates.
    TypeError
        If `table` is not a DataFrame.

    Notes
    -----
    Values are shown as `plot_breakdown` does.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> august = nu.load_attribute(app, "EXPORT_PDF", "format", "2026-08-01", "2026-08-31")
    >>> october = nu.load_attribute(app, "EXPORT_PDF", "format", "2026-10-01", "2026-10-31")
    >>> ax = nu.plot_comparison(nu.compare(nu.breakdown(august), nu.breakdown(october)))
    """
    found = getattr(table, "columns", ())
    sides = [f"{name}_{side}" for name in (*_DATES, "segment") for side in "ab"]
    table = checked_table(
        table,
        plot="plot_comparison",
        maker="compare",
        dates=[name for name in (*_DATES, *sides[:4]) if name in found],
        places=[name for name in _PLACES if name in found],
        texts=["rate", "verdict"],
        counts=["base_a", "base_b"],
        numbers=["rate_a", "rate_b", "difference", "difference_low", "difference_high", "sample"],
        flags=["low_n"],
        optional=[*_TEXTS, *sides[4:]],
    )
    if table[["base_a", "base_b"]].isna().all(axis=None):
        return style.no_data(style.axes_for(ax), "Comparison")
    if len(table) > style.MOST_CATEGORIES:
        raise ValueError(
            f"plot_comparison draws up to {style.MOST_CATEGORIES} rows, not {len(table):,}: compare smaller tables, or "
            "filter this one"
        )
    if "value" in table.columns:
        check_values(table, "plot_comparison")
    if len(table["rate"].unique()) > 1:
        raise ValueError('plot_comparison draws one rate, this table has several: pick one, table[table["rate"] == …]')
    ax = style.axes_for(ax, height=max(2.5, 1.4 + 0.36 * len(table)))
    a, b, difference, low, high = (
        floats(table[name]) for name in ("rate_a", "rate_b", "difference", "difference_low", "difference_high")
    )
    clear = table["verdict"].eq(Verdict.CLEAR.value).fillna(value=False).to_numpy(dtype=bool)
    colors = [style.PALETTE[0] if one else style.REST for one in clear]
    for i, color in enumerate(colors):
        ax.plot([a[i], b[i]], [i, i], color=color, linewidth=2.2, zorder=1)
        look: dict[str, Any] = {"color": color, "marker": "o", "markersize": 6.5, "linestyle": "none", "clip_on": False}
        ax.plot(a[i], i, **look, markerfacecolor="white", zorder=4)
        ax.plot(b[i], i, **look, zorder=5)
    names, size = name_rows(ax, _names(table))
    texts = [_points(*numbers) for numbers in zip(difference, low, high, strict=True)]
    write_beside(ax, np.fmax(np.nan_to_num(a), np.nan_to_num(b)), texts, size, colors=colors)
    rate = str(table["rate"].iloc[0])
    style.finish_axes(ax, x=_RATES.get(rate, rate), y="", grid="x")
    ax.tick_params(axis="y", labelsize=size)
    hollow, full = _sides(table)
    known = not np.isnan(low).all()
    definition = [
        f"Hollow: {hollow}. Full: {full}. Beside: the difference in percentage points"
        + (", with its bounds, 95 % for all rows together." if known else "."),
        "" if known else "No bounds: the number of users is not known.",
        "Grey: no clear change.",
        "Some bases are below 30." if table["low_n"].any() else "",
        sample_note(table),
    ]
    number, changes = int(clear.sum()), f"{len(table)} difference{'s' if len(table) > 1 else ''}"
    style.set_titles(ax, f"{number} of {changes} clear", *definition, beside=max(map(len, names)))
    return style.fit(ax)


def _names(table: pd.DataFrame) -> pd.Series:
    """The name of each row: the columns in which rows differ, or the last one."""
    columns = [name for name in (*_DATES, "segment_b", *_TEXTS, *_PLACES) if name in table.columns]
    several = [name for name in columns if len(table[name].unique()) > 1] or columns[-1:]
    words = [[_word(name, value) for value in table[name]] for name in several] or [["all"] * len(table)]
    return pd.Series([" · ".join(row) for row in zip(*words, strict=True)], dtype=object)


def _word(column: str, value: object) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    return f"{column} {value}" if column in _PLACES else str(value)


def _sides(table: pd.DataFrame) -> tuple[str, str]:
    """What the two rates of each row are of."""
    for name in ("segment", *_DATES):
        if f"{name}_a" in table.columns:
            values = [table[f"{name}_{side}"] for side in "ab"]
            return tuple(  # type: ignore[return-value]
                style.plain(_word(name, one.iloc[0])) if len(one.unique()) == 1 else f"the {name} of the row"
                for one in values
            )
    return "a", "b"


def _points(difference: float, low: float, high: float) -> str:
    """A difference in percentage points with its bounds."""
    if np.isnan(difference):
        return "nothing to compare"
    bounds = "" if np.isnan(low) else f" ({points(low)} to {points(high)})"
    return f"{points(difference)}{bounds}"
