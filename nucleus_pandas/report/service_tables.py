"""What a report asks the service for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from nucleus_pandas.api.loaders.count_loaders import (
    load_attribute,
    load_daily,
    load_dimensions,
    load_error_counts,
    load_event_counts,
    load_totals,
)
from nucleus_pandas.api.loaders.people_loaders import load_users

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from nucleus_pandas.api.client import Client
    from nucleus_pandas.report.report_period import Span

# How many periods of versions are asked for without a store: a request each.
_VERSION_PERIODS = 8


@dataclass(frozen=True)
class Counts:
    """What the service counted in some days."""

    daily: pd.DataFrame
    totals: pd.DataFrame
    events: pd.DataFrame
    errors: pd.DataFrame


@dataclass(frozen=True)
class Shares:
    """What the service counted by value in some days."""

    dimensions: pd.DataFrame
    attribute: pd.DataFrame | None


@dataclass(frozen=True)
class Loaded:
    """What the service answered.

    `now` are the days of the report. `periods` are the days that it compares, and the same of the periods before,
    the latest first. `before` is what these days are compared with, None where there is nothing. `daily` and `errors`
    are of all days of the trends. `users` are all users of the app. `versions` is None where there is a store.
    """

    now: Counts
    periods: list[Counts]
    before: Counts | None
    shares: Shares
    shares_before: Shares | None
    daily: pd.DataFrame
    errors: pd.DataFrame
    versions: pd.DataFrame | None
    users: pd.DataFrame

    @property
    def compared(self) -> Counts:
        """The counts of the days that are compared with earlier ones."""
        return self.periods[0]


def load(client: Client, span: Span, attribute: tuple[str, str] | None, *, stored: bool) -> Loaded:
    """Ask for all that a report shows and is not in a store."""

    def over(call: Callable[..., pd.DataFrame], first: dt.date, last: dt.date) -> pd.DataFrame:
        return call(client, first, last, tz=span.zone)

    def shares(first: dt.date, last: dt.date) -> Shares:
        asked = None if attribute is None else load_attribute(client, *attribute, first, last, tz=span.zone)
        return Shares(over(load_dimensions, first, last), asked)

    calls = (load_daily, load_event_counts, load_error_counts)
    daily, events, errors = (over(call, span.since, span.until) for call in calls)

    def counts(first: dt.date, last: dt.date) -> Counts:
        totals = over(load_totals, first, last)
        if first < span.since:
            days = [over(call, first, last) for call in calls]
        else:
            days = [_between(table, first, last) for table in (daily, events, errors)]
        return Counts(days[0], totals, days[1], days[2])

    before = None if span.compared_with is None else counts(*span.compared_with)
    # Before there was anybody there is nothing to compare with.
    before = None if before is None or not before.daily["sessions"].sum() else before
    users = load_users(client, properties=["country", "locale"])
    versions = None
    if not stored:
        cut = span.calendar
        begin = cut.first_date_of(span.first, 1 - _VERSION_PERIODS)
        versions = load_dimensions(client, begin, span.until, tz=span.zone, freq=cut.unit, week_start=cut.week_start)
        versions = versions[versions["dimension"] == "version"]
    periods = [counts(*window) for window in span.windows]
    return Loaded(
        periods[0] if span.compared == (span.first, span.until) else counts(span.first, span.until),
        periods,
        before,
        shares(span.first, span.until),
        shares(*span.before) if before is not None and span.before else None,
        daily,
        errors,
        versions,
        users,
    )


def _between(table: pd.DataFrame, first: dt.date, last: dt.date) -> pd.DataFrame:
    return table[table["day"].between(pd.Timestamp(first), pd.Timestamp(last))].reset_index(drop=True)
