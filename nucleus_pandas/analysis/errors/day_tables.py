"""Tables with a count a day, as the loaders give them or a user made them: checked before anything is counted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nucleus_pandas.core import units
from nucleus_pandas.core.checks import checked_columns
from nucleus_pandas.core.dtypes import DAY
from nucleus_pandas.core.text import counted
from nucleus_pandas.core.warnings import warn_incomplete


def checked_days(frame: object, more: tuple[str, ...], count: str, name: str, loader: str) -> pd.DataFrame:
    """Give the rows of a table that have a day, or raise where it cannot be read.

    Parameters
    ----------
    frame : DataFrame
        With the columns day, complete and settled.
    more : tuple of str
        Other columns that it must have.
    count : str
        The column of counts.
    name, loader : str
        The argument that it was, and the loader that makes such a table, for messages.

    Returns
    -------
    DataFrame
        With day in microseconds, the count as float64 (missing as NaN), and complete and settled as bool; missing ones
        are False.
    """
    needed = ("day", *more, count, "complete", "settled")
    frame = checked_columns(name, frame, needed, f"Pass the DataFrame of nu.{loader}.")
    day = _days(frame["day"], name)
    known = day.notna().to_numpy()
    if lack := int(np.count_nonzero(~known)):
        warn_incomplete(f"{lack:,} of {counted(len(frame), 'row')} of {name} have no day and are left out.")
        frame, day = frame[known], day[known]
    states = {column: frame[column].astype("boolean").fillna(False).astype(bool) for column in ("complete", "settled")}
    return frame.assign(day=day, **{count: _counts(frame[count], name)}, **states)


def _days(column: pd.Series, name: str) -> pd.Series:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        raise ValueError(
            f"the days of {name} have a zone; they are calendar days without one: {name}.assign(day="
            f'{name}["day"].dt.tz_localize(None)).'
        )
    if getattr(column.dtype, "kind", "") != "M":
        raise TypeError(
            f"the column day of {name} is of type {column.dtype}, not of days: {name}.assign(day="
            f'pd.to_datetime({name}["day"])).'
        )
    day = column.astype(DAY)
    late = day.notna() & (day.to_numpy().astype(np.int64) % units.DAY != 0)
    if late.any():
        raise ValueError(
            f"{counted(int(late.sum()), 'row')} of {name} have a time of day, and a day is one at midnight: sum the "
            f'counts by {name}["day"].dt.normalize().'
        )
    return day


def _counts(column: pd.Series, name: str) -> pd.Series:
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise TypeError(
            f"the column {column.name} of {name} is of type {column.dtype}, not of counts: {name}.assign({column.name}="
            f'pd.to_numeric({name}["{column.name}"])).'
        )
    values = column.to_numpy(dtype="float64", na_value=np.nan)
    odd = ~np.isnan(values) & ((values < 0) | ~np.isfinite(values) | (np.floor(values) != values))
    if odd.any():
        raise ValueError(
            f"{int(odd.sum()):,} of {len(values):,} numbers in the column {column.name} of {name} are no counts: whole "
            "numbers from 0, or missing."
        )
    return pd.Series(values, index=column.index)
