"""The table that a plot draws: its columns checked and converted to one dtype each, wherever the table comes from."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.api import types

from nucleus_pandas.core.checks import checked_columns

TEXT = pd.StringDtype("python")
_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ]\d.*)?"
_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal", "string", "empty"}


class _Unfit(Exception):  # noqa: N818 - never leaves this module
    """The values cannot be converted; the message says what could be done."""


class _Kind(NamedTuple):
    """What a column must hold, in words, and the function that converts it."""

    holds: str
    convert: Callable[[pd.Series], pd.Series]


def checked_table(
    frame: pd.DataFrame,
    *,
    plot: str,
    maker: str,
    dates: Sequence[str] = (),
    instants: Sequence[str] = (),
    counts: Sequence[str] = (),
    places: Sequence[str] = (),
    numbers: Sequence[str] = (),
    texts: Sequence[str] = (),
    flags: Sequence[str] = (),
    maybe: Sequence[str] = (),
    optional: Sequence[str] = (),
) -> pd.DataFrame:
    """Give the columns that a plot draws, each with the dtype of its kind, on an index of 0, 1, 2, ….

    Parameters
    ----------
    frame : DataFrame
        As computed, or after a trip through a file, ``convert_dtypes`` or Arrow.
    plot, maker : str
        The plot, and the function that makes its table, for messages.
    dates, instants : sequence of str
        Columns that become naive and UTC timestamps.
    counts, places : sequence of str
        Columns that become Int64; counts are not negative.
    numbers, texts, flags, maybe : sequence of str
        Columns that become float64, text, bool, and boolean with missing values.
    optional : sequence of str
        Columns of text that the table may lack.

    Raises
    ------
    TypeError
        If `frame` is no DataFrame.
    ValueError
        If a column is missing or of the wrong type, or one holds something else.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{plot} draws the DataFrame of nu.{maker}, not a {type(frame).__name__}")
    optional = [name for name in optional if name in frame.columns]
    kinds: dict[str, _Kind] = {}
    for columns, kind in (
        (dates, _Kind("dates, such as 2026-09-01", _dates)),
        (instants, _Kind("times, such as 2026-09-01 10:00:00+00:00", _instants)),
        (counts, _Kind("whole numbers from 0 up", _counts)),
        (places, _Kind("whole numbers", _whole)),
        (numbers, _Kind("numbers", _floats)),
        ([*texts, *optional], _Kind("text", _texts)),
        (flags, _Kind("True or False in each row", _flags)),
        (maybe, _Kind("True, False or nothing", _maybe)),
    ):
        kinds |= dict.fromkeys(columns, kind)
    _check_names(frame, list(kinds), plot, maker)
    converted = {}
    for name, kind in kinds.items():
        values = frame[name].reset_index(drop=True)
        try:
            converted[name] = kind.convert(values)
        except _Unfit as unfit:
            hint = str(unfit).format(column=f'table["{name}"]', name=name)
            raise ValueError(
                f"{plot}: column {name} must hold {kind.holds}, but has dtype {values.dtype}{hint}"
            ) from None
    return pd.DataFrame(converted, index=pd.RangeIndex(len(frame)))


def date_as_written(value: object) -> dt.date:
    """Read a date, or the date that an instant is written with; never relative to the present."""
    if isinstance(value, str):
        return dt.datetime.fromisoformat(value).date()
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    raise TypeError(f"a {type(value).__name__} is not a date")


def _check_names(frame: pd.DataFrame, columns: list[str], plot: str, maker: str) -> None:
    """Raise for columns that are missing, or there twice."""
    checked_columns(f"the table of {plot}", frame, columns, f"Pass the table of nu.{maker}.")
    twice = [column for column in columns if isinstance(frame[column], pd.DataFrame)]
    if twice:
        raise ValueError(f"{plot}: the table has several columns named {twice[0]}; keep one")


def _dates(values: pd.Series) -> pd.Series:
    """Dates as their calendar shows them, whatever the zone."""
    times = _timestamps(values, utc=False)
    return times if times.dt.tz is None else times.dt.tz_localize(None)


def _instants(values: pd.Series) -> pd.Series:
    return _timestamps(values, utc=True)


def _timestamps(values: pd.Series, *, utc: bool) -> pd.Series:
    hint = '. Convert it, for example with pd.to_datetime({column}, format="ISO8601")'
    if values.isna().all():
        return pd.Series(pd.NaT, values.index, dtype="datetime64[us, UTC]" if utc else "datetime64[us]")
    kind = types.infer_dtype(values, skipna=True)
    if kind == "categorical":
        values = values.astype(values.cat.categories.dtype)
        kind = types.infer_dtype(values, skipna=True)
    # pandas reads "today" as the present, and numbers as nanoseconds since 1970.
    text = kind == "string"
    if text and not values.dropna().astype(TEXT).str.fullmatch(_DATE).all():
        raise _Unfit(" with text that is not a date in ISO 8601" + hint)
    if not text and kind not in ("date", "datetime", "datetime64"):
        raise _Unfit(hint)
    try:
        with warnings.catch_warnings():
            # pandas 2 warns of several zones and gives no dates, later ones raise.
            warnings.simplefilter("ignore", FutureWarning)
            times = pd.to_datetime(
                values.astype(object) if text else values, utc=utc, format="ISO8601" if text else None
            )
    except (ValueError, TypeError):
        times = values
    if not types.is_datetime64_any_dtype(times.dtype):
        raise _Unfit(" with dates that cannot be read together" + hint)
    return times.dt.as_unit("us")


def _floats(values: pd.Series) -> pd.Series:
    """Numbers, also as text, as floats."""
    hint = ". Convert it with pd.to_numeric({column})"
    if values.isna().all():
        return pd.Series(np.nan, values.index, dtype="float64")
    if types.infer_dtype(values, skipna=True) not in _NUMBERS:
        raise _Unfit(hint)
    if not types.is_numeric_dtype(values.dtype):
        try:
            values = pd.to_numeric(values.astype(object))
        except (ValueError, TypeError):
            raise _Unfit(" with text that is not a number" + hint) from None
    return pd.Series(values.to_numpy(dtype="float64", na_value=np.nan), values.index)


def _whole(values: pd.Series) -> pd.Series:
    numbers = _floats(values)
    known = numbers.dropna()
    if not (np.isfinite(known) & (known == np.round(known))).all():
        raise _Unfit(" with fractions")
    return numbers.astype("Int64")


def _counts(values: pd.Series) -> pd.Series:
    numbers = _whole(values)
    if (numbers < 0).any():
        raise _Unfit(" with negative numbers")
    return numbers


def _texts(values: pd.Series) -> pd.Series:
    known = values.dropna()
    if len(known) and types.infer_dtype(known, skipna=True) in ("floating", "mixed-integer-float"):
        # 1.10 and 1.1 are two versions and one number.
        raise _Unfit(', in which 1.10 and 1.1 are the same. Read the file with dtype={{"{name}": "str"}}')
    return values.astype(object).where(values.notna(), None).astype(TEXT)


def _flags(values: pd.Series) -> pd.Series:
    flags = _maybe(values)
    if flags.isna().any():
        raise _Unfit(" with missing values")
    return flags.astype(bool)


def _maybe(values: pd.Series) -> pd.Series:
    known = values.dropna()
    if types.is_bool_dtype(values.dtype):
        return values.astype("boolean")
    read = known.astype(object).map(str).str.lower().map({"true": True, "false": False})
    if read.isna().any():
        raise _Unfit("")
    return read.astype("boolean").reindex(values.index)
