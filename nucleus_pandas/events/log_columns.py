"""The three columns that an event log must have: checked, and read into codes and integers."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.values import Losses, texts
from nucleus_pandas.core.arrays import Bools, Ints, small
from nucleus_pandas.core.text import shown
from nucleus_pandas.events.dirty_data import warn_of_ids
from nucleus_pandas.events.encoding import encode
from nucleus_pandas.events.json_properties import JsonProperties

# The instants that a datetime can have, in microseconds since 1970.
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999


def require(frame: object, columns: Sequence[str], what: str = "an event log") -> None:
    """Raise where a frame lacks columns of an event log, or of what else it is, or has one of them twice."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{what} is made of a DataFrame, not of a {type(frame).__name__}.")
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        found = ", ".join(shown(name) for name in frame.columns[:30]) or "none"
        advice = f'Rename yours, for example frame.rename(columns={{"timestamp": "{columns[1]}"}}).'
        if set(missing) & set(frame.index.names):
            advice = "What is missing is in the index: frame.reset_index()."
        raise ValueError(
            f"{what} needs the columns {', '.join(columns[:-1])} and {columns[-1]}: missing {', '.join(missing)}; "
            f"found {found}. {advice}"
        )
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
    factor = {"s": 1_000_000, "ms": 1000}.get(unit, 1)
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
    near = difflib.get_close_matches(name, [column.removeprefix(f"{prefix}.") for column in known], n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(map(shown, near))}?" if near else ""
    return ValueError(
        f"{argument}: {whose} has no column {shown(name)}, nor {shown(f'{prefix}.{name}')}.{hint} It has "
        f"{', '.join(map(shown, known[:30]))}."
    )


def user_values(users: pd.DataFrame, name: str, argument: str, *, whose: str) -> pd.Series:
    """Give the values of a column of a table of users, or of one of their properties."""
    column = column_of(users, name, "props")
    if column is not None:
        return users[column]
    in_json = JsonProperties.of(users, "props")
    found = None if in_json is None else in_json.column(name)
    if found is None:
        more = [] if in_json is None else [f"props.{key}" for key in in_json.keys]
        raise unknown_column([*users.columns, *more], name, argument, prefix="props", whose=whose)
    return pd.Series(found[1], index=users.index)


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
    return [text or "" for text in texts(plain, Losses("event log"))]


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
