"""The cells of a DataFrame as text, as a reader wants to see them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.core.text import rounded
from nucleus_pandas.plots.style import plain

#: Rows and columns that a page shows of one table.
MOST_ROWS, MOST_COLUMNS = 200, 30
_WIDTH = 80
# As long as a date and a time.
_SHORT = 16
# Letters that fit on a line of a table on paper.
_PAPER = 100
_ABSENT = "–"
_MOST_DIGITS = 8

Format = Callable[[float], str]


@dataclass(frozen=True)
class Cells:
    """A table as text: names, which columns hold numbers, rows, and how many rows and columns are not shown.

    `shades`, where it is a heatmap, has a word for the look of each cell, see `page.html`.
    """

    names: list[str]
    numeric: list[bool]
    rows: list[list[str]]
    more_rows: int = 0
    more_columns: int = 0
    shades: list[list[str]] | None = None

    @property
    def look(self) -> str:
        """Classes of `page.html`: which columns stand at the right, which are not wrapped, what is tight on paper."""
        classes, letters = ["heat"] if self.shades else [], 0
        for number, (name, numeric) in enumerate(zip(self.names, self.numeric, strict=True), 1):
            values = [row[number - 1] for row in self.rows]
            short = max(map(len, values), default=0) <= _SHORT
            classes += [f"{letter}{number}" for letter, so in (("r", numeric), ("w", short)) if so]
            words = [*(values if short else " ".join(values).split()), *name.split()]
            letters += max(map(len, words), default=0) + 2
        return " ".join([*classes, *(["tight"] if letters > _PAPER else [])])


def cells_of(table: pd.DataFrame, most_rows: int = MOST_ROWS, *, formats: Mapping[str, Format] | None = None) -> Cells:
    """Write a table as text; an index that is not just a count is a column too; `formats`: of columns by name."""
    frame = table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
    shown = frame.iloc[:most_rows, :MOST_COLUMNS]
    numeric = [pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype) for dtype in shown.dtypes]
    columns = [
        [_written(value, (formats or {}).get(name)) for value in shown.iloc[:, place]]
        for place, name in enumerate(shown.columns)
    ]
    return Cells(
        [plain(name, _WIDTH) for name in shown.columns],
        numeric,
        [list(row) for row in zip(*columns, strict=True)],
        len(frame) - len(shown),
        frame.shape[1] - shown.shape[1],
    )


def _written(value: Any, form: Format | None = None) -> str:
    """Write one value: whole numbers with thousands, others with three digits, days without a time, instants in UTC."""
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return _ABSENT
    if form is not None:
        return form(float(value))
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if isinstance(value, Real):
        return number(float(value))
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:
            return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
        return f"{value:%Y-%m-%d}" if value.time() == dt.time() else f"{value:%Y-%m-%d %H:%M}"
    return plain(value, _WIDTH)


def number(value: float) -> str:
    """Write a number with three digits."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    while 0.99 < abs(value) < 1 and digits < _MOST_DIGITS and float(f"{value:.{digits}f}") in (1, -1):
        digits += 1  # nearly all is not all
    return rounded(value, min(digits, _MOST_DIGITS))
