"""CSV files that any tool reads back as they were and that no spreadsheet runs.

The form is that of RFC 4180: lines end with CR LF, and a field with a comma, a quote, CR or LF is in quotes. Times are
ISO 8601 in UTC (``2026-10-24T10:00:00.000000Z``); missing values are empty.

A spreadsheet takes a text for a formula by its first character, after spaces. Such texts, and names of columns, get an
apostrophe in front, which makes them text; numbers stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.values import ParseProblems, clean
from nucleus_pandas.core.files import open_private

# Spreadsheets for Chinese, Japanese and Korean also take the full-width forms for operators. Tabs and line ends count
# by themselves: where a tool splits cells at them, the next character would be the first of a cell.
_FORMULA = re.compile("[\t\r\n]|[\\s\u200b\ufeff]*[=+@\\-\uff1d\uff0b\uff0d\uff20\u2212]")
# How many rows are converted at a time.
_ROWS = 20_000
_BYTE_ORDER_MARK = "\ufeff"


def write_csv(frames: Iterable[pd.DataFrame], path: Path, *, excel: bool = False) -> None:
    """Write frames with the same columns into one CSV file that only this account can read.

    Parameters
    ----------
    frames : iterable of pandas.DataFrame
        At least one. They are written one after the other, so that memory holds one at a time.
    path : Path
        The file; one that exists is replaced when the new one is complete.
    excel : bool
        Whether to begin with a byte order mark, without which Excel does not read UTF-8.

    Raises
    ------
    OSError
        When the file cannot be written; the message names it.
    """
    with open_private(path) as file:
        file.write(_BYTE_ORDER_MARK if excel else "")
        for number, frame in enumerate(frames):
            if not number:
                frame.iloc[:0].rename(columns=_text).to_csv(file, index=False, lineterminator="\r\n")
            for first in range(0, len(frame), _ROWS):
                rows = frame.iloc[first : first + _ROWS]
                spelled = pd.DataFrame({place: _spelled(rows.iloc[:, place]) for place in range(rows.shape[1])})
                spelled.to_csv(file, index=False, header=False, lineterminator="\r\n")


def _spelled(column: pd.Series) -> Any:
    """The values of a column as the file spells them."""
    dtype = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        instants = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
        texts = np.char.add(np.datetime_as_string(instants, unit="us"), "Z").astype(object)
        texts[np.isnat(instants)] = None
        return pd.Series(texts, dtype=object)
    if isinstance(dtype, pd.CategoricalDtype):
        words = [*map(_text, dtype.categories), None]
        return pd.Series(np.array(words, dtype=object)[column.cat.codes.to_numpy()], dtype=object)
    if isinstance(dtype, pd.StringDtype):
        # Most texts repeat: each is converted once.
        words = [None if text is pd.NA else text for text in column.astype(object)]
        written = {text: _text(text) for text in set(words)}
        return pd.Series([*map(written.__getitem__, words)], dtype=object)
    if dtype == np.dtype(object):
        return pd.Series([None if value is pd.NA else _text(value) for value in column], dtype=object)
    return column.array


def _text(value: Any) -> Any:
    """A text that is not a formula and can be encoded; other values unchanged."""
    if not isinstance(value, str):
        return value
    shown = clean([value], ParseProblems("csv"))[0] or ""
    return f"'{shown}" if _FORMULA.match(shown) else shown
