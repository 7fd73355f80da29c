"""Columns to integer codes, and the order of an event log."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import Ints
from nucleus_pandas.events.fixed_width import factorize_fixed_width, first_places

# From so many rows on it pays to look at how a column is laid out.
_MANY = 1_000_000


def encode(column: pd.Series) -> tuple[Ints, list[Any]]:
    """Give each value a code, -1 where it is missing or the empty text, and the value of each code."""
    column = _plain(column)
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, values = column.cat.codes.to_numpy(), column.cat.categories.tolist()
    else:
        codes, found = _factorized(column)
        values = found.tolist()
    if "" in values:
        codes = np.where(codes == values.index(""), -1, codes)
    return codes, values


def _plain(column: pd.Series) -> pd.Series:
    """Let values be compared as what they are: pandas takes NaN, -0.0 and places in a dictionary for values."""
    dtype: Any = column.dtype
    if isinstance(dtype, pd.ArrowDtype) and str(dtype.pyarrow_dtype).startswith("dictionary"):
        # A dictionary may hold a value twice, or null.
        return _plain(column.astype(pd.ArrowDtype(dtype.pyarrow_dtype.value_type)))
    if pd.api.types.is_float_dtype(dtype):
        return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0, name=column.name)
    return column


def _factorized(column: pd.Series) -> tuple[Ints, Any]:
    dtype = column.dtype
    if len(column) >= _MANY // 10 and getattr(dtype, "storage", None) == "pyarrow":
        found = factorize_fixed_width(column)
        return pd.factorize(column) if found is None else (found[0], column.iloc[found[1]])
    if dtype != np.dtype(object) and getattr(dtype, "storage", None) != "python":
        return pd.factorize(column)
    values = np.ascontiguousarray(column.to_numpy(dtype=object))
    try:
        if len(values) < _MANY or not _shared(values[: _MANY // 10]):
            return _factorized_objects(values)
        # Most texts are one object for many rows: integers, the addresses of objects, are compared far faster.
        codes, addresses = pd.factorize(np.frombuffer(values, dtype=np.intp))
        code_of, found = _factorized_objects(values[first_places(codes, len(addresses))])
        return code_of[codes], found
    except TypeError:
        raise TypeError(
            f"the column {str(column.name)!r} holds lists, mappings or the like, which cannot be told apart; make text "
            f"of them: frame[{str(column.name)!r}].astype(str)."
        ) from None


def _factorized_objects(values: Ints) -> tuple[Ints, Any]:
    # pandas 2 takes texts for the same that differ after a NUL or in halves of a surrogate pair, unless something
    # that is no text stands among them. That way is the faster one of pandas 3, too.
    codes, found = pd.factorize(np.append(values, np.array([0], dtype=object)))
    if codes[:-1].max(initial=-1) < codes[-1]:
        found = found[:-1]
    return _flags_apart(values, codes[:-1], found)


def _flags_apart(values: Ints, codes: Ints, found: Any) -> tuple[Ints, Any]:
    """Tell True from 1 and False from 0, which are equal and thus have one code."""
    for code in [code for code, value in enumerate(found) if isinstance(value, bool | int | float) and value in (0, 1)]:
        rows = np.flatnonzero(codes == code)
        flags = np.array([isinstance(value, bool | np.bool_) for value in values[rows]])
        if flags.any() and not flags.all():
            # The one that came first keeps the code.
            other = rows[flags != isinstance(found[code], bool)]
            codes[other] = len(found)
            found = np.append(found, values[other[:1]])
    return codes, found


def _shared(values: Ints) -> bool:
    """Whether equal values are mostly the same object."""
    addresses = len(pd.factorize(np.frombuffer(values, dtype=np.intp))[1])
    return addresses < 1.1 * len(_factorized_objects(values)[1])


class Sorted(NamedTuple):
    """What `sort_rows` gives: the place that each row had, and the columns in their new order."""

    order: Ints
    user: Ints
    time: Ints
    event: Ints


def sort_rows(user: Ints, time: Ints, event: Ints, first: int) -> Sorted:
    """Sort by user, time, the event that goes first (its code, -1 for none), place.

    Codes count from 0, times are whole numbers. Sorting integers is far faster than sorting an index by them, so user,
    time and place are packed into one. Where they do not fit, the time is packed without its last bits, and what then
    stands out of order is put right.
    """
    if not len(user):
        return Sorted(np.empty(0, dtype=np.int32), user, time, event)
    places = (len(user) - 1).bit_length()
    packed = time - time.min()
    packed >>= max(0, int(packed.max()).bit_length() + int(user.max()).bit_length() + places - 63)
    bits = int(packed.max()).bit_length()
    packed |= user.astype(np.int64) << bits
    packed <<= places
    packed |= np.arange(len(user))
    packed.sort()
    order = (packed & ((1 << places) - 1)).astype(np.int32 if places < 32 else np.int64)
    packed >>= places
    in_order = Sorted(order, (packed >> bits).astype(user.dtype), time[order], event[order])
    _put_right(in_order, packed, first)
    return in_order


def _put_right(rows: Sorted, bucket: Ints, first: int) -> None:
    """Sort within the buckets, equal values in a row, in which something stands out of order."""
    wrong = rows.time[1:] < rows.time[:-1]
    if first >= 0:
        is_first = rows.event == first
        wrong |= (rows.time[1:] == rows.time[:-1]) & is_first[1:] & ~is_first[:-1]
    wrong &= bucket[1:] == bucket[:-1]
    if not wrong.any():
        return
    number = np.concatenate([[0], np.cumsum(bucket[1:] != bucket[:-1])])
    touched = np.zeros(number[-1] + 1, dtype=np.bool_)
    touched[number[1:][wrong]] = True
    places = np.flatnonzero(touched[number])
    by = (rows.event[places] != first, rows.time[places], number[places])
    moved = places[np.lexsort(by)]
    for column in (rows.order, rows.time, rows.event):
        column[places] = column[moved]
