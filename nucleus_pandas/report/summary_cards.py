"""The numbers of a period at a glance, beside those before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nucleus_pandas.core.text import rounded
from nucleus_pandas.report.changes import Measured, change_of, p_of_change
from nucleus_pandas.report.section import Card
from nucleus_pandas.stats.significance import verdicts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucleus_pandas.report.service_tables import Counts, Loaded

    Number = Callable[[Counts], float]
    _Written = tuple[int, str]  # decimals and unit


def cards_of(loaded: Loaded, *, settled: bool) -> list[Card]:
    """Make five cards: users, new users, sessions, their length, errors; and how settled days differ from before."""
    kinds: list[tuple[str, Number, _Written, Callable[[Counts], Measured]]] = [
        ("Active users", active_users, (0, ""), lambda one: Measured(active_users(one), len(one.daily))),
        ("New users", new_users, (0, ""), lambda one: Measured(new_users(one), len(one.daily))),
        ("Sessions", sessions, (0, ""), lambda one: Measured(sessions(one), len(one.daily))),
        ("Mean session", session_minutes, (1, " min"), lambda one: Measured(session_minutes(one))),
        ("Errors per 100 sessions", error_rate, (2, ""), errors_of_sessions),
    ]
    if loaded.before is None:
        return [Card(name, _write(number(loaded.now), written), "") for name, number, written, _ in kinds]
    verdicts = verdicts_of([p_of(loaded, measured) for *_, measured in kinds])
    cards = []
    for (name, number, written, _), verdict in zip(kinds, verdicts, strict=True):
        compared, before = number(loaded.compared), number(loaded.before)
        change = change_of(compared, before, written=_write(before, written), verdict=verdict)
        change = change if settled else f"settled days {_write(compared, written)}: {change}"
        cards.append(Card(name, _write(number(loaded.now), written), change))
    return cards


def p_of(loaded: Loaded, measured: Callable[[Counts], Measured]) -> float:
    """How often the compared days and those before differ as much, judging by earlier periods."""
    assert loaded.before is not None  # noqa: S101 - asked where there is one
    return p_of_change(
        measured(loaded.compared), measured(loaded.before), [measured(one) for one in loaded.periods[1:]]
    )


def active_users(counts: Counts) -> float:
    """Different users of the days together, as the service counts them."""
    return _float(counts.totals["users"].iloc[0]) if len(counts.totals) else np.nan


def new_users(counts: Counts) -> float:
    """Users who were created on one of the days."""
    return _sum(counts.daily["new_users"])


def sessions(counts: Counts) -> float:
    """Sessions of the days."""
    return _sum(counts.daily["sessions"])


def session_minutes(counts: Counts) -> float:
    """Mean length of a session: of the days, weighted by their sessions."""
    known = counts.daily.dropna(subset=["avg_session_seconds", "sessions"])
    number = known["sessions"].astype("float64")
    total = float(number.sum())
    return float((known["avg_session_seconds"].astype("float64") * number).sum()) / total / 60 if total else np.nan


def errors_of_sessions(counts: Counts) -> Measured:
    """How many errors were reported, in how many sessions."""
    return Measured(_sum(counts.errors["count"]), sessions(counts))


def error_rate(counts: Counts) -> float:
    """Errors per 100 sessions."""
    errors = errors_of_sessions(counts)
    return 100 * errors.value / errors.base if errors.base else np.nan


def _sum(column: pd.Series) -> float:
    """The sum; missing where a day is, as the rest would look like less than there was."""
    return _float(column.sum(skipna=False)) if len(column) else 0.0


def _float(value: object) -> float:
    return np.nan if pd.isna(value) else float(value)  # type: ignore[call-overload, arg-type]


def _write(value: float, written: _Written) -> str:
    decimals, unit = written
    return "–" if np.isnan(value) else f"{rounded(value, decimals)}{unit}"
