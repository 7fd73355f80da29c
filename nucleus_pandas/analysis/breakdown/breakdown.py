"""Counts by value as shares of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.schemas import BY_PERIOD
from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.checks import checked_columns, checked_number
from nucleus_pandas.core.dtypes import COUNT, DAY, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.text import MISSING, OTHER, worded
from nucleus_pandas.core.text import counted as text_counted
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.events.log_columns import encode, spelled
from nucleus_pandas.stats.clusters import UserSums, sum_shares, user_wilson

#: Counts by value: a table with the columns value and count, or what `value_counts` gives.
Counts = pd.DataFrame | pd.Series

#: What a table can count apart from each other, in this order.
GROUPS = ("dimension", "event", "attribute")
#: Columns with the users whose counts these are, the service's id first.
USERS = ("user_db_id", "user_id")
# Counts up to this are exact in every column.
_MOST = 2**53
BREAKDOWN: Schema = {
    "value": TEXT,
    "count": COUNT,
    "share": NUMBER,
    "share_low": NUMBER,
    "share_high": NUMBER,
    "cumulative_share": NUMBER,
}
_TOP = "how many values get rows of their own"


def breakdown(counts: Counts, *, top: int = 10) -> pd.DataFrame:
    """Each value's share of all that was counted.

    Parameters
    ----------
    counts : DataFrame or Series
        Any table with the columns value and count: of `load_attribute`, `load_dimensions`, or of yours; or what
        ``value_counts(dropna=False)`` gives. A column user_db_id or user_id says whose counts these are, and
        shares have bounds; without a column count, each row then counts 1. With a column period (of ``freq=``) each
        period is broken down by itself, and so is each dimension, or event and attribute, of the table.
    top : int, default 10
        How many values get rows of their own, those with the highest counts over the whole table; beyond, ``(other)``.
        Missing is ``(none)``, and the empty text is missing.

    Returns
    -------
    pandas.DataFrame
        One row a value, those with the highest counts first, ``(other)`` and ``(none)`` last, if there are any.

        - period: its first day; only if `counts` has it. Every period has every value, zeros filled
        - dimension, or event and attribute: as in `counts`; only if it has them
        - value: text; numbers and booleans as JSON spells them
        - count: as in `counts`, summed where a value stands there more than once
        - share: count / all that was counted of the same period and dimension or attribute, ``(other)`` and ``(none)``
          included, so that shares add up to 1
        - share_low, share_high: 95 % bounds of the share (Wilson, with users as the sampling unit); missing where
          `counts` has no users, as totals do not say how many users they are of
        - cumulative_share: of this row and those above it; 1 in the last row
        - complete, settled: of the period, as in `counts`, and True where it has no such column; only with periods

        A share of nothing is missing (NaN), and so is that of a period that is not complete; without a column period,
        all of them if a row of `counts` says that it is not.

    Raises
    ------
    ValueError
        If columns are missing, counts are no whole numbers from 0 on, or `top` is out of range.
    TypeError
        If `counts` is neither a DataFrame nor a Series.

    Warns
    -----
    IncompleteDataWarning
        When counts or users are missing: these rows are left out.

    Notes
    -----
    Definitions: docs/definitions.md#breakdowns and docs/definitions.md#bounds-and-verdicts.

    What one user does is alike, so a thousand events of ten users say less about a share than those of a thousand
    users. The bounds allow for that, which takes to know the users: shares of events come from
    ``nu.breakdown(events.rename(columns={"platform": "value"}))``, shares of users from the same of `load_users`. What
    the service does not count, such as events without the attribute, is in no share; see `load_attribute`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> plans = nu.load_attribute(app, "init", "plan", "2026-09-01", "2026-10-31")
    >>> shares = nu.breakdown(plans)
    >>> shares["value"].tolist(), round(float(shares["share"].sum()), 9)
    (['free', 'pro', 'team'], 1.0)
    >>> users = nu.load_users(app).rename(columns={"platform": "value"})
    >>> shares = nu.breakdown(users)
    >>> bool(shares["share"].between(shares["share_low"], shares["share_high"]).all())
    True
    """
    top = checked_number("top", top, None, _TOP)
    counted = read_counts(counts, "counts")
    tables = [_shares(counted, group, top) for group in range(len(counted.groups))]
    columns = {name: _joined([table[name] for table in tables]) for name in ("group", "period", *BREAKDOWN)}
    # Periods first, and in each the groups in their order.
    order = np.lexsort((columns["group"], columns["period"]))
    columns = {name: values[order] for name, values in columns.items()}
    period, group = columns.pop("period").astype(np.int64), columns.pop("group").astype(np.int64)
    schema = dict.fromkeys(counted.by, TEXT) | BREAKDOWN
    columns |= _names(counted, group)
    if counted.periods is not None:
        schema = {"period": BY_PERIOD["period"], **schema} | {name: BY_PERIOD[name] for name in ("complete", "settled")}
        states = {"complete": counted.complete[period], "settled": counted.settled[period]}
        columns |= {"period": counted.periods[period], **states}
    return make_frame(schema, columns)


def _shares(counted: Counted, group: int, top: int) -> dict[str, Any]:
    """The rows of one dimension or attribute, period by period."""
    kept = keep(counted, group, top)
    periods, values = kept.counts.shape
    # Of a period that is not complete there is no share.
    base = np.where(counted.complete, kept.counts.sum(axis=1), 0)[:, None]
    low, high = (np.full(kept.counts.shape, np.nan),) * 2 if kept.sums is None else user_wilson(kept.sums)
    low, high = (np.where(base > 0, bound, np.nan) for bound in (low, high))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(base > 0, kept.counts / base, np.nan)
        running = np.where(base > 0, np.cumsum(kept.counts, axis=1) / base, np.nan)
    tables = {"count": kept.counts, "share": share, "share_low": low, "share_high": high, "cumulative_share": running}
    return {
        "group": np.full(periods * values, group),
        "period": np.repeat(np.arange(periods), values),
        "value": np.tile(np.array(kept.names, dtype=object), periods),
        **{name: table.reshape(-1) for name, table in tables.items()},
    }


def _names(counted: Counted, group: Any) -> dict[str, Any]:
    """The columns whose values are counted separately."""
    return {name: [counted.groups[one][place] for one in group.tolist()] for place, name in enumerate(counted.by)}


def _joined(parts: list[Any]) -> Any:
    return np.concatenate(parts) if parts else np.zeros(0)


@dataclass(frozen=True)
class Counted:
    """A table of counts in codes.

    Attributes
    ----------
    by : list of str
        The columns whose values are counted apart from each other.
    groups : list of tuple of str
        Their values, in the order in which they come.
    names : list of str
        The different values.
    group, value, period, count : array of int
        Of each row.
    periods : array of datetime64 or None
        Their first days in order; None for a table without periods, which is one period.
    complete, settled : array of bool
        Of each period.
    user : array of int, optional
        Of each row; None for a table of totals.
    """

    by: list[str]
    groups: list[tuple[str, ...]]
    names: list[str]
    group: Ints
    value: Ints
    period: Ints
    count: Ints
    periods: Any
    complete: Bools
    settled: Bools
    user: Ints | None = None


@dataclass(frozen=True)
class Kept:
    """The largest values of a group, the rest and what is missing, with the count in each period (a row a period).

    `sums` are those over users, a row a period, None where the table has no users.
    """

    names: list[str]
    counts: Ints
    sums: UserSums | None


def _warn_without(what: str, number: int, of: int) -> None:
    warn_incomplete(worded(f"{{}} of {text_counted(of, 'row')} [has|have] no {what} and [is|are] left out.", number))


def read_counts(counts: object, name: str) -> Counted:
    """Check a table of counts; `name` is the argument's, for messages."""
    frame = _as_frame(counts, name)
    count, missing = _whole_numbers(frame["count"], name)
    if missing.any():
        _warn_without("count", int(missing.sum()), len(frame))
        frame, count = frame[~missing], count[~missing]
    user = _users(frame)
    if user is not None and (nobody := user < 0).any():
        _warn_without("user", int(nobody.sum()), len(frame))
        frame, count, user = frame[~nobody], count[~nobody], user[~nobody]
    value, names = _texts(frame["value"])
    by = [column for column in GROUPS if column in frame.columns]
    groups: list[tuple[str, ...]]
    group, groups = np.zeros(len(frame), dtype=np.int64), [()]
    if by:
        coded = [_texts(frame[column]) for column in by]
        rows = list(zip(*(code.tolist() for code, _ in coded), strict=True))
        place = {row: number for number, row in enumerate(dict.fromkeys(rows))}
        group = np.array([place[row] for row in rows], dtype=np.int64)
        groups = [tuple(texts[code] for code, (_, texts) in zip(row, coded, strict=True)) for row in place]
    period, firsts = np.zeros(len(frame), dtype=np.int64), None
    if "period" in frame.columns:
        period, firsts = _periods(frame["period"], name)
    number = 1 if firsts is None else len(firsts)
    complete, settled = (_state(frame, column, period, number) for column in ("complete", "settled"))
    return Counted(by, groups, names, group, value, period, count, firsts, complete, settled, user)


def keep(table: Counted, group: int, top: int) -> Kept:
    """Give the `top` most frequent values of a group, then ``(other)`` and ``(none)``, if any."""
    rows = np.flatnonzero(table.group == group)
    value = table.value[rows]
    # Counts, and their squares, can be larger than integers.
    weights = table.count[rows].astype(np.float64)
    sizes = np.bincount(value, weights=weights, minlength=len(table.names))
    there = np.flatnonzero(np.bincount(value, minlength=len(table.names))).tolist()
    ranked = sorted(
        (code for code in there if table.names[code] not in (MISSING, OTHER)),
        key=lambda code: (-sizes[code], table.names[code]),
    )
    names = [table.names[code] for code in ranked[:top]]
    present = {table.names[code] for code in there}
    names += [OTHER] * bool(ranked[top:] or OTHER in present) + [MISSING] * (MISSING in present)
    place = np.full(len(table.names), names.index(OTHER) if OTHER in names else 0)
    for code in there:
        if table.names[code] in names:
            place[code] = names.index(table.names[code])
    counts = np.zeros((len(table.complete), len(names)), dtype=np.int64)
    np.add.at(counts, (table.period[rows], place[value]), table.count[rows])
    if table.user is None:
        return Kept(names, counts, None)
    sums = sum_shares(table.user[rows], table.period[rows], place[value], weights, *counts.shape)
    return Kept(names, counts, UserSums(*(one.reshape(counts.shape) for one in sums)))


def _as_frame(counts: object, name: str) -> pd.DataFrame:
    if isinstance(counts, pd.Series):
        if isinstance(counts.index, pd.MultiIndex):
            raise ValueError(f"{name} counts combinations of several columns; count one: frame[column].value_counts().")
        if isinstance(counts.index, pd.RangeIndex) and counts.index.name is None:
            raise ValueError(
                f"{name} is a Series with no index of values: count them first, {name}.value_counts(dropna=False)."
            )
        return pd.DataFrame({"value": pd.Series(counts.index).array, "count": counts.array})
    if not isinstance(counts, pd.DataFrame):
        raise TypeError(
            f"{name} is of type {type(counts).__name__}; pass a DataFrame with the columns value and count, or the "
            "Series of value_counts()."
        )
    if "count" not in counts.columns and any(column in counts.columns for column in USERS):
        counts = counts.assign(count=1)
    advice = f'Rename yours, for example {name}.rename(columns={{"platform": "value", "users": "count"}}).'
    checked_columns(f"{name} needs the columns value and count", counts, ("value", "count"), advice)
    for column in ("value", "count", "period", *GROUPS, *USERS):
        if (number := int((counts.columns == column).sum())) > 1:
            raise ValueError(f"{name} has several columns named {column}, {number}: keep one, or rename the others.")
    return counts


def _users(frame: pd.DataFrame) -> Ints | None:
    """The code of each row's user, -1 where it has none; None for a table without users."""
    columns = [encode(frame[column])[0] for column in USERS if column in frame.columns]
    if not columns:
        return None
    # A row without the service's id is identified by the app's.
    user = columns[0].astype(np.int64)
    for other in columns[1:]:
        user = np.where((user < 0) & (other >= 0), int(user.max(initial=-1)) + 1 + other, user)
    return user


def _whole_numbers(column: pd.Series, name: str) -> tuple[Ints, Bools]:
    """Counts as integers, and which are missing."""
    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        raise ValueError(
            f"the column count of {name} has dtype {column.dtype} and must hold whole numbers: "
            f'{name}.assign(count=pd.to_numeric({name}["count"])).'
        )
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    missing = np.isnan(numbers)
    if not ((numbers >= 0) & (numbers <= _MOST) & (numbers == np.floor(numbers)) | missing).all():
        raise ValueError(
            f"the column count of {name} must hold whole numbers from 0 on: pass counts, not shares (value_counts() "
            "without normalize=True)."
        )
    return np.where(missing, 0, numbers).astype(np.int64), missing


def _texts(column: pd.Series) -> tuple[Ints, list[str]]:
    """The code of each value and its text; values that are written alike are one, missing has a name."""
    if column.dtype == np.dtype(object):
        # Python takes True for 1.
        texts = [str(value).lower() if isinstance(value, bool | np.bool_) else value for value in column.array]
        column = pd.Series(texts, dtype=object, name=column.name)
    codes, values = encode(column)
    written = [*(text or MISSING for text in spelled(values)), MISSING]
    place = {text: number for number, text in enumerate(dict.fromkeys(written))}
    return np.array([place[text] for text in written], dtype=np.int64)[codes], list(place)


def _periods(column: pd.Series, name: str) -> tuple[Ints, Any]:
    if not pd.api.types.is_datetime64_dtype(column.dtype):
        zone = "" if getattr(column.dtype, "tz", None) is None else ".dt.tz_localize(None)"
        raise ValueError(
            f"the column period of {name} has dtype {column.dtype} and must hold calendar days without a zone: "
            f'{name}.assign(period=pd.to_datetime({name}["period"]){zone}).'
        )
    if missing := int(column.isna().sum()):
        raise ValueError(f"the column period of {name} is missing in {missing:,} of {len(column):,} rows: drop these.")
    firsts, period = np.unique(column.to_numpy().astype(DAY), return_inverse=True)
    return period.reshape(-1), firsts


def _state(frame: pd.DataFrame, column: str, period: Ints, periods: int) -> Bools:
    """Of each period, whether all of its rows say so; without the column, it is taken to be."""
    state = np.ones(periods, dtype=np.bool_)
    if column in frame.columns:
        state[period[~frame[column].astype("boolean").fillna(value=True).to_numpy(dtype=bool)]] = False
    return state
