"""The cells of a DataFrame as text, as a reader wants to see them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.plots.style import plain

#: Rows and columns that a page shows of one table.
MOST_ROWS, MOST_COLUMNS = 200, 30
_WIDTH = 80
# As long as a date and a time.
_SHORT = 16
# Letters that fit on a line of a table on paper.
_PAPER = 100
_ABSENT = "–"


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


def cells_of(table: pd.DataFrame, most_rows: int = MOST_ROWS, *, tenths: Collection[str] = ()) -> Cells:
    """Write a table as text; an index that is not just a count is a column too; `tenths`: numbers with one digit."""
    frame = table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
    shown = frame.iloc[:most_rows, :MOST_COLUMNS]
    numeric = [pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype) for dtype in shown.dtypes]
    columns = [
        [_tenth(value) if name in tenths else _written(value) for value in shown.iloc[:, place]]
        for place, name in enumerate(shown.columns)
    ]
    return Cells(
        [plain(name, _WIDTH) for name in shown.columns],
        numeric,
        [list(row) for row in zip(*columns, strict=True)],
        len(frame) - len(shown),
        frame.shape[1] - shown.shape[1],
    )


def _written(value: Any) -> str:
    """Write one value: whole numbers with thousands, others with three digits, days without a time, instants in UTC."""
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return _ABSENT
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if isinstance(value, Real):
        return _number(float(value))
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:
            return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
        return f"{value:%Y-%m-%d}" if value.time() == dt.time() else f"{value:%Y-%m-%d %H:%M}"
    return plain(value, _WIDTH)


def _tenth(value: Any) -> str:
    written = _ABSENT if pd.isna(value) else f"{value:,.1f}"
    return "0.0" if written == "-0.0" else written.replace("-", "−")


def _number(value: float) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(digits, 8)}f}".replace("-", "−")
