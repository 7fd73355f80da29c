"""What a report asks the service for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from nucleus_pandas.api.loaders import (
    load_attribute,
    load_daily,
    load_dimensions,
    load_errors,
    load_events,
    load_totals,
)
from nucleus_pandas.api.loaders_people import load_users

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from nucleus_pandas.api.client import Client
    from nucleus_pandas.report.span import Span

#: How many periods of versions are asked for where no store tells them: a request each.
VERSION_PERIODS = 8


@dataclass(frozen=True)
class Counts:
    """What the service counted in some days."""

    daily: pd.DataFrame
    totals: pd.DataFrame
    events: pd.DataFrame
    errors: pd.DataFrame
    dimensions: pd.DataFrame
    attribute: pd.DataFrame | None


@dataclass(frozen=True)
class Loaded:
    """The counts of the period and of the days that it is compared with, and tables that reach further back.

    `versions` and `users` are None where a store tells more.
    """

    now: Counts
    before: Counts | None
    daily: pd.DataFrame
    errors: pd.DataFrame
    versions: pd.DataFrame | None
    users: pd.DataFrame | None


def load(client: Client, span: Span, attribute: tuple[str, str] | None, *, stored: bool) -> Loaded:
    """Ask for all that a report shows and no store tells."""

    def over(call: Callable[..., pd.DataFrame], first: dt.date, last: dt.date) -> pd.DataFrame:
        return call(client, first, last, tz=span.zone)

    daily, errors = over(load_daily, span.since, span.until), over(load_errors, span.since, span.until)

    def counts(first: dt.date, last: dt.date) -> Counts:
        at_hand = first >= span.since
        asked = None
        if attribute is not None:
            asked = load_attribute(client, *attribute, first, last, tz=span.zone)
        return Counts(
            _between(daily, first, last) if at_hand else over(load_daily, first, last),
            over(load_totals, first, last),
            over(load_events, first, last),
            _between(errors, first, last) if at_hand else over(load_errors, first, last),
            over(load_dimensions, first, last),
            asked,
        )

    versions = users = None
    if not stored:
        users = load_users(client)
        begin = span.first_of_periods(VERSION_PERIODS)
        versions = load_dimensions(client, begin, span.until, tz=span.zone, freq=span.freq)
        versions = versions[versions["dimension"] == "version"]
    return Loaded(
        counts(span.first, span.until), counts(*span.before) if span.before else None, daily, errors, versions, users
    )


def _between(table: pd.DataFrame, first: dt.date, last: dt.date) -> pd.DataFrame:
    return table[table["day"].between(pd.Timestamp(first), pd.Timestamp(last))].reset_index(drop=True)
