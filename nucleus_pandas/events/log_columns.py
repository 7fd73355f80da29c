"""The columns of an event log: checked, read into integer codes, and put in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.values import ParseProblems, texts
from nucleus_pandas.core.arrays import Bools, Ints, small
from nucleus_pandas.core.checks import checked_columns
from nucleus_pandas.core.text import did_you_mean, near_names, shown
from nucleus_pandas.core.units import SECOND
from nucleus_pandas.events.fixed_width import factorize_fixed_width, first_places
from nucleus_pandas.events.row_checks import warn_of_ids
from nucleus_pandas.store.export import EVENT_NO

# From so many rows on it pays to look at how a column is laid out.
_MANY = 1_000_000

# The instants that a datetime can have, in microseconds since 1970.
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999


def require(frame: object, columns: Sequence[str], what: str = "an event log") -> None:
    """Raise where a frame lacks columns of an event log, or of what else it is, or has one of them twice."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{what} is made of a DataFrame, not of a {type(frame).__name__}.")
    advice = f'Rename yours, for example frame.rename(columns={{"timestamp": "{columns[1]}"}}).'
    checked_columns(f"{what} needs the columns {', '.join(columns[:-1])} and {columns[-1]}", frame, columns, advice)
    twice = [name for name in frame.columns.unique() if (frame.columns == name).sum() > 1]
    if twice:
        raise ValueError(
            f"the column {shown(twice[0])} stands there {(frame.columns == twice[0]).sum()} times; keep one of them: "
            "frame.loc[:, ~frame.columns.duplicated()]."
        )


def instants(column: pd.Series) -> tuple[Ints, Bools]:
    """Give times as microseconds since 1970 in UTC, and which are missing; what no datetime can be is missing too."""
    if isinstance(column.dtype, pd.ArrowDtype) and getattr(column.dtype.pyarrow_dtype, "tz", None) is not None:
        return _instants_of_arrow(column)
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        raise _no_instants(column)
    times = column.array.tz_convert("UTC").as_unit("us").asi8
    missing = (times < _FIRST) | (times > _LAST)
    return times, missing


def _instants_of_arrow(column: pd.Series) -> tuple[Ints, Bools]:
    """As `instants`, from the integers: Arrow holds times beyond those of pandas, which would come out as others."""
    import pyarrow as pa

    came = pa.Array.from_pandas(column)
    numbers, unit = came.cast(pa.int64()), came.type.unit
    missing, times = np.asarray(numbers.is_null()), np.asarray(numbers.fill_null(0))
    if unit == "ns":
        times = times // 1000
    factor = {"s": SECOND, "ms": 1000}.get(unit, 1)
    missing = missing | (times < _FIRST // factor) | (times > _LAST // factor)
    return np.where(missing, np.iinfo(np.int64).min, np.where(missing, 0, times) * factor), missing


def _no_instants(column: pd.Series) -> Exception:
    name, values = column.name, f'frame["{column.name}"]'
    if getattr(column.dtype, "kind", "") == "M":
        if str(column.dtype).startswith("date"):  # Arrow's dates have no tz_localize
            values = f"pd.to_datetime({values})"
        return ValueError(
            f'the column "{name}" is naive, so it names no instants. If it is in UTC write frame.assign({name}='
            f'{values}.dt.tz_localize("UTC")), else your zone in place of "UTC".'
        )
    known = column.dropna()
    digits = len(known) and all(isinstance(value, str) and value.strip().isdecimal() for value in known)
    if digits or pd.api.types.is_numeric_dtype(column.dtype):
        values = f"pd.to_numeric({values})" if digits else values
        how, otherwise = 'unit="ms"', 'If the numbers are not milliseconds since 1970, write unit="s", "us" or "ns".'
    else:
        how, otherwise = 'format="ISO8601"', 'If the texts are not all ISO 8601, write format="mixed".'
    return TypeError(
        f'the column "{name}" has dtype {column.dtype} and must hold instants. Write frame.assign({name}='
        f"pd.to_datetime({values}, utc=True, {how})). {otherwise} For a Dask frame, use "
        "dask.dataframe.to_datetime."
    )


def column_of(frame: pd.DataFrame, name: str, prefix: str) -> str | None:
    """Give the column that a name means: one of that very name, or that of the property, which has a prefix."""
    return next((column for column in (name, f"{prefix}.{name}") if column in frame.columns), None)


def unknown_column(columns: Iterable[str], name: str, argument: str, *, prefix: str, whose: str) -> ValueError:
    """Make the error for a name that means no column, with the nearest names."""
    known = [str(column) for column in columns]
    hint = did_you_mean(near_names(name, (column.removeprefix(f"{prefix}.") for column in known)))
    return ValueError(
        f"{argument}: {whose} has no column {shown(name)}, nor {shown(f'{prefix}.{name}')}.{hint} It has "
        f"{', '.join(map(shown, known[:30]))}."
    )


def names(column: pd.Series) -> tuple[Ints, list[str]]:
    """Give the code of each event's name, and the name of each code."""
    codes, values = encode(column)
    # Names that are no text are spelled; two that come to the same are one.
    written = spelled(values)
    found = {name: code for code, name in enumerate(dict.fromkeys(written))}
    if len(found) < len(written):
        codes = np.append([found[name] for name in written], -1)[codes]
    return small(codes, len(found)), list(found)


def spelled(values: Sequence[Any]) -> list[str]:
    """Write values as text: numbers and booleans as JSON does, and nothing that cannot be shown."""
    plain = [value if isinstance(value, str | bool | int | float) else str(value) for value in values]
    return [text or "" for text in texts(plain, ParseProblems("event log"))]


def ids(frame: pd.DataFrame, rows: Ints | None = None, *, warn: bool = False) -> Ints:
    """Give the code of each row's user, or of some rows': by the service's id where there is one, else by the app's."""
    named = [name for name in ("user_id", "user_db_id") if name in frame.columns]
    frame = frame[named] if rows is None else frame[named].iloc[rows]
    if "user_db_id" not in named:
        return _compact(_encode_ids(frame["user_id"], warn=warn)[0])
    codes, services = _encode_ids(frame["user_db_id"], warn=warn)
    without = codes < 0
    if not without.any():
        return _compact(codes)
    apps, app_ids = _encode_ids(frame["user_id"], warn=warn)
    service_of = only_one(apps, codes, len(app_ids))
    # An id of the app's that belongs to no service's id, or to several, stands for itself.
    place = {value: code for code, value in enumerate(services)}
    own = [place.setdefault(value, len(place)) for value in app_ids]
    stands_for = np.append(np.where(service_of >= 0, service_of, np.array(own, dtype=np.int64)), -1)
    return _compact(np.where(without, stands_for[apps], codes))


def _encode_ids(column: pd.Series, *, warn: bool) -> tuple[Ints, list[Any]]:
    codes, values = encode(column)
    if warn:
        warn_of_ids(str(column.name), codes, values)
    return codes, values


def only_one(apps: Ints, services: Ints, number: int) -> Any:
    """For each id of the app's the one service's id that it comes with, -1 for none or several."""
    both = (apps >= 0) & (services >= 0)
    lowest = np.full(number, np.iinfo(np.int64).max)
    highest = np.full(number, -1)
    np.minimum.at(lowest, apps[both], services[both].astype(np.int64))
    np.maximum.at(highest, apps[both], services[both].astype(np.int64))
    return np.where(lowest == highest, highest, -1)


def _compact(codes: Ints) -> Ints:
    return small(codes, max(int(codes.max(initial=0)), 1 << 16))


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
            f"the column {str(column.name)!r} holds lists, mappings or the like, which cannot be compared; make text "
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


def in_order_received(
    frame: pd.DataFrame, rows: Ints | None, user: Ints, time: Ints, event: Ints
) -> tuple[Ints | None, Ints, Ints, Ints]:
    """Put rows, None for all, in the order of their numbers, if there are any; and their columns with them."""
    if EVENT_NO not in frame.columns or not pd.api.types.is_integer_dtype(frame[EVENT_NO].dtype):
        return rows, user, time, event
    numbers = frame[EVENT_NO] if rows is None else frame[EVENT_NO].iloc[rows]
    if numbers.is_monotonic_increasing or numbers.isna().any():
        return rows, user, time, event
    order = np.argsort(numbers.to_numpy(dtype=np.int64), kind="stable")
    return order if rows is None else rows[order], user[order], time[order], event[order]


def by_code(event: Ints, names: int) -> tuple[Ints, Ints]:
    """Give the rows by code, in order, and where those of each code begin."""
    rows = np.argsort(event, kind="stable").astype(np.int32 if len(event) < 2**31 else np.int64)
    return rows, np.concatenate([[0], np.cumsum(np.bincount(event, minlength=names))])
