"""Which rows make a log: checks, what is left out, and where the rows of each event stand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.events.log_columns import names
from nucleus_pandas.store.duckdb_columns import ColumnRequest
from nucleus_pandas.store.export import EVENT_NO


def checked_sample(sample: object) -> float:
    """Check the fraction of the users that a log holds; by default it holds all."""
    if sample is None:
        return 1.0
    if (
        isinstance(sample, bool)
        or not isinstance(sample, int | float | np.integer | np.floating)
        or not 0 < sample <= 1
    ):
        raise ValueError(f"sample={sample!r} must be above 0 and at most 1: the fraction of users that the log holds.")
    return float(sample)


def tell_left_out(lacking: dict[str, int], left_out: int, of: int, whose: str) -> None:
    """Warn of rows that lack something."""
    if left_out:
        reasons = ", ".join(f"{number:,} have no {what}" for what, number in lacking.items() if number)
        warn_incomplete(f"{left_out:,} of {of:,} rows of {whose} are left out: {reasons}.")


def kept_rows(lacks: dict[str, Bools], whose: str | None) -> Ints | None:
    """Give the rows that lack nothing, None for all; those that do are told in one warning, unless that was done."""
    bad = np.logical_or.reduce(list(lacks.values()))
    if not bad.any():
        return None
    if whose is not None:
        lacking = {what: int(lack.sum()) for what, lack in lacks.items()}
        tell_left_out(lacking, int(bad.sum()), len(bad), whose)
    return np.flatnonzero(~bad)


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


def wanted_rows(frame: pd.DataFrame, request: ColumnRequest) -> pd.DataFrame:
    """Leave out the events that a question does not need."""
    if request.events is None:
        return frame
    codes, known = names(frame["event"])
    return frame[np.array([*(name in request.events for name in known), False], dtype=np.bool_)[codes]]
