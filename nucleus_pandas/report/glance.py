"""The numbers of a period at a glance, beside those before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nucleus_pandas.report.cards import Card
from nucleus_pandas.report.changes import Counted, change_of, may_be_chance

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucleus_pandas.report.loaded import Counts

    Number = Callable[[Counts], float]


def cards_of(now: Counts, before: Counts | None, *, settled: bool) -> list[Card]:
    """Make five cards: users, new users, sessions, their length, errors; so far, where days are not settled."""

    def card(name: str, number: Number, written: str, counted: Callable[[Counts], Counted] | None = None) -> Card:
        value = number(now)
        if before is None:
            return Card(name, _write(value, written), "")
        old = number(before)
        chance = counted is not None and may_be_chance(counted(now), counted(before))
        return Card(
            name,
            _write(value, written),
            change_of(value, old, written=_write(old, written), chance=chance, so_far=not settled),
        )

    def a_day(number: Number) -> Callable[[Counts], Counted]:
        return lambda counts: Counted(number(counts), len(counts.daily))

    return [
        card("Active users", active_users, "{:,.0f}", a_day(active_users)),
        card("New users", new_users, "{:,.0f}", a_day(new_users)),
        card("Sessions", sessions, "{:,.0f}", a_day(sessions)),
        card("Mean session", lambda counts: session_seconds(counts) / 60, "{:,.1f} min"),
        card("Errors per 100 sessions", error_rate, "{:,.2f}", errors_of_sessions),
    ]


def active_users(counts: Counts) -> float:
    """Different users of the days together, as the service counts them."""
    return _float(counts.totals["users"].iloc[0]) if len(counts.totals) else np.nan


def new_users(counts: Counts) -> float:
    """Users who were created on one of the days."""
    return _sum(counts.daily["new_users"])


def sessions(counts: Counts) -> float:
    """Sessions of the days."""
    return _sum(counts.daily["sessions"])


def session_seconds(counts: Counts) -> float:
    """Mean length of a session: of the days, weighted by their sessions."""
    told = counts.daily.dropna(subset=["avg_session_seconds", "sessions"])
    number = told["sessions"].astype("float64")
    total = float(number.sum())
    return float((told["avg_session_seconds"].astype("float64") * number).sum()) / total if total else np.nan


def errors_of_sessions(counts: Counts) -> Counted:
    """How many errors were reported, in how many sessions."""
    return Counted(_sum(counts.errors["count"]), sessions(counts))


def error_rate(counts: Counts) -> float:
    """Errors per 100 sessions."""
    errors = errors_of_sessions(counts)
    return 100 * errors.count / errors.base if errors.base else np.nan


def _sum(column: pd.Series) -> float:
    """The sum; missing where a day is, as the rest would look like less than there was."""
    return _float(column.sum(skipna=False)) if len(column) else 0.0


def _float(value: object) -> float:
    return np.nan if pd.isna(value) else float(value)  # type: ignore[call-overload, arg-type]


def _write(value: float, written: str) -> str:
    return "–" if np.isnan(value) else written.format(value)
