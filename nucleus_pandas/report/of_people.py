"""Sections that follow users: from a store, or with what one sync would add."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from nucleus_pandas.analysis.adoption import adoption
from nucleus_pandas.analysis.breakdown import breakdown
from nucleus_pandas.analysis.compare import compare_funnels
from nucleus_pandas.analysis.error_free import crash_free, error_free
from nucleus_pandas.analysis.eventlog import EventLog
from nucleus_pandas.analysis.funnel import funnel
from nucleus_pandas.analysis.growth import active_users, growth
from nucleus_pandas.analysis.releases import compare_releases
from nucleus_pandas.analysis.retention import retention, retention_curve
from nucleus_pandas.analysis.unbounded import unbounded_retention
from nucleus_pandas.api.columns import warn_incomplete
from nucleus_pandas.api.windows import Window, first_instant
from nucleus_pandas.exceptions import StoreError
from nucleus_pandas.plots.active_users import plot_active_users
from nucleus_pandas.plots.breakdown import plot_breakdown_trend
from nucleus_pandas.plots.daily import plot_daily
from nucleus_pandas.plots.funnel import plot_funnel
from nucleus_pandas.plots.growth import plot_growth
from nucleus_pandas.plots.releases import plot_adoption
from nucleus_pandas.report.changes import percent_of, words_of
from nucleus_pandas.report.heatmap import heatmap_of
from nucleus_pandas.report.report import Section, table_section

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from nucleus_pandas.analysis.steps import StepLike
    from nucleus_pandas.report.report import Report
    from nucleus_pandas.report.span import Span
    from nucleus_pandas.store.eventstore import EventStore

_DAY = dt.timedelta(days=1)
# How many cohorts, and days of entry into the funnel.
_COHORTS = {"D": 14, "W": 8, "M": 6}
_ENTRY_DAYS = 28
# Days whose numbers are unfolded below a picture.
_LISTED = 14


@dataclass(frozen=True)
class People:
    """A store with the days of the report that it holds, and the log that is made of it once."""

    store: EventStore
    log: EventLog
    as_of: dt.datetime
    span: Span
    since: dt.date
    until: dt.date

    def days(self, first: dt.date) -> dict[str, Any]:
        """The days from `first` on that the store holds, as analyses take them."""
        return {"start": max(first, self.since), "end": self.until, "tz": self.span.zone}


def people_of(store: EventStore | None, span: Span, app_id: str) -> People | None:
    """Find the days that the store holds; None without one, and where it knows nothing of the period.

    What it lacks is warned about.
    """
    if store is None:
        return None
    info = store.info()
    if info.app_id not in (None, app_id):
        raise StoreError("This store is of another app than the client. Pass the store of the client's app.")
    held = []
    for begins, ends in info.spans:
        days = [day.date for day in Window(begins, ends, span.zone).days if day.whole]
        if days and days[0] <= span.until and days[-1] >= span.first:
            held.append((max(days[0], span.since), min(days[-1], span.until)))
    if not held or info.as_of is None:
        warn_incomplete(
            f"The store holds nothing of {span.first} to {span.until}: sections that follow users are as without a "
            "store. Sync it for these days, and make the report again."
        )
        return None
    since, until = max(held, key=lambda days: (days[1], -days[0].toordinal()))
    if info.as_of < first_instant(span.until + _DAY, span.zone):
        warn_incomplete(
            f"The store is known until {info.as_of:%Y-%m-%d %H:%M} UTC: sections that follow users lack what came "
            "later. Sync it, and make the report again."
        )
    return People(store, EventLog(store), info.as_of, span, since, until)


def add_active_users(report: Report, people: People | None, daily: pd.DataFrame) -> None:
    """Users of each day, and with a store of the days up to it."""
    if people is None:
        more = _with_store("the users of 7 and of 28 days, each counted once, and how many of them come on a day.")
        report.add("Active users", plot_daily, more, data=daily, numbers=daily.tail(_LISTED))
        return
    table = active_users(people.store, **people.days(people.span.since))
    report.add("Active users", plot_active_users, data=table, numbers=table.drop(columns="sample").tail(_LISTED))


def add_growth(report: Report, people: People | None) -> None:
    """Who is new, comes again, is back, is gone."""
    heading = "New, returning and resurrected users"
    if people is None:
        more = _with_store("how many came again, are back after a pause, are gone, and the quick ratio of these.")
        report.add(heading, "How many users are new stands above.", more)
        return
    span = people.span
    table = growth(people.store, span.freq, **people.days(span.since))
    report.add(heading, plot_growth, data=table, numbers=table.drop(columns=["freq", "sample"]))


def add_retention(report: Report, people: People | None, users: pd.DataFrame | None, span: Span) -> None:
    """Who of those who were created together came back."""
    first = span.first_of_periods(_COHORTS[span.freq] + 1)
    if people is not None:
        table = retention(people.store, users=people.store.users(), freq=span.freq, **people.days(first))
        cells, note = heatmap_of(table)
        told = f"{note} A user starts when the account is created."
        report.sections.append(Section("Retention", told, paragraphs=_pooled(table, span), cells=cells))
        return
    assert users is not None  # noqa: S101 - asked for where there is no store
    table = unbounded_retention(users, freq=span.freq, start=first, end=span.until, tz=span.zone, as_of=span.now)
    cells, note = heatmap_of(table)
    told = f"{note} Recent rates are too low and still rise: who is away may be back."
    more = _with_store(f"how many came in each {span.noun}, whether or not they came later.")
    report.sections.append(Section("Retention", f"{told} {more}", paragraphs=_pooled(table, span), cells=cells))


def _pooled(table: pd.DataFrame, span: Span) -> list[str]:
    """Say what share of all cohorts together came back, in the first period and in the last with enough users."""
    curve = retention_curve(table)
    told = curve[(curve["period"] > 0) & curve["rate"].notna() & ~curve["low_n"].astype(bool)]
    if not len(told):
        return [f"No {span.noun} after the first is over for 30 users or more."]
    return [_told(row, span) for row in told.iloc[list(dict.fromkeys([0, len(told) - 1]))].to_dict("records")]


def _told(row: dict[Hashable, Any], span: Span) -> str:
    rate, low, high = (percent_of(row[name]) for name in ("rate", "low", "high"))
    period = f"{'on' if span.freq == 'D' else 'in'} {span.noun} {row['period']}"
    when = f"came back {period}" if row["criterion"] == "on" else f"came {period} or later"
    return f"Of {row['eligible']:,} users, all cohorts together, {rate} (95 %: {low} to {high}) {when}."


def add_funnel(report: Report, people: People | None, steps: Sequence[StepLike] | None) -> None:
    """How far users come in the steps that were asked for."""
    if people is None:
        more = _with_store("how many users take each step within 7 days, and how long they need.")
        report.add("Funnel", "A funnel follows users from event to event.", more)
        return
    if steps is None:
        report.add("Funnel", 'No funnel was asked for. Pass its steps: funnel=["init", "PROJECT_CREATED"].')
        return
    first = people.until - (_ENTRY_DAYS - 1) * _DAY
    table = funnel(people.log, list(steps), **people.days(first))
    pending, days = int(table["pending"].iloc[0]), (people.until - max(first, people.since)).days + 1
    report.add(
        "Funnel",
        plot_funnel,
        f"Entries of the {days} days to {people.until}. {pending:,} users who entered have not had 7 days yet, and are "
        "in no number.",
        data=table,
        numbers=table.drop(columns=["sample", "order", "window", "include_pending"]),
    )
    earlier = first - _ENTRY_DAYS * _DAY
    if earlier < people.since:
        return
    before = funnel(people.log, list(steps), start=earlier, end=first - _DAY, tz=people.span.zone)
    compared = compare_funnels(before, table)
    rates = {
        "Of those who entered, %": 100 * compared["rate_b"],
        "Before, %": 100 * compared["rate_a"],
        "Difference, points": 100 * compared["difference"],
        "95 % from": 100 * compared["low"],
        "to": 100 * compared["high"],
    }
    columns = {"Step": compared["event"], "Users": compared["users_b"], **rates, "Change": words_of(compared)}
    report.sections.append(
        table_section("Beside the 28 days before", columns, "Positive: higher than before.", level=3, tenths=rates)
    )


def add_error_free(report: Report, people: People | None) -> None:
    """How many sessions and users had no error, by version."""
    if people is None:
        more = _with_store("the shares of sessions and users without an error, and without a crash, by version.")
        report.add(
            "Sessions without an error", "Counts of errors do not tell in how many sessions they were.", more, level=3
        )
        return
    days = people.days(people.span.first)
    errors = error_free(people.log, freq=None, by="version", **days)
    crashes = crash_free(people.log, freq=None, by="version", **days)
    table = errors.merge(crashes[["segment", "crash_free_sessions"]], on="segment")
    rates = {
        "Without an error, %": 100 * table["error_free_sessions"],
        "95 % from": 100 * table["error_free_sessions_low"],
        "to": 100 * table["error_free_sessions_high"],
        "Without a crash, %": 100 * table["crash_free_sessions"],
        "Users without an error, %": 100 * table["error_free_users"],
    }
    columns = {"Version": table["segment"], "Sessions": table["sessions"], "Users": table["users"], **rates}
    report.sections.append(table_section("Sessions without an error, by version", columns, level=3, tenths=rates))


def add_releases(report: Report, people: People | None, versions: pd.DataFrame | None) -> None:
    """Which versions are in use, and whether more goes wrong with one than with that before it."""
    if people is None:
        assert versions is not None  # noqa: S101 - asked for where there is no store
        table = breakdown(versions, top=6)
        more = _with_store("how fast each release is taken, and whether more goes wrong with it than with that before.")
        numbers = table[["period", "value", "count", "share"]]
        report.add("Versions", plot_breakdown_trend, more, data=table, numbers=numbers)
        return
    days = people.days(people.span.since)
    table = adoption(people.log, top=6, **days)
    shown = table["period"] >= pd.Timestamp(people.span.first)
    report.add(
        "Versions", plot_adoption, data=table, numbers=table.loc[shown, ["period", "version", "sessions", "share"]]
    )
    _add_releases(report, people, compare_releases(people.log, **days).iloc[::-1])


def _add_releases(report: Report, people: People, releases: pd.DataFrame) -> None:
    seen = releases["first_seen"].dt.tz_convert(people.span.zone).dt.tz_localize(None).dt.normalize()
    columns = {
        "Version": releases["version"],
        "Before": releases["before"],
        "First seen": seen,
        "Sessions": releases["sessions"],
        "Hours to 50 %": releases["hours_to_50"],
        "Share now, %": 100 * releases["latest_share"],
        "Days side by side": releases["days"],
        "Error rate, times": releases["error_ratio"],
        "95 % from": releases["error_low"],
        "to": releases["error_high"],
        "Errors": releases["error_change"],
        "Crashes": releases["crash_change"],
    }
    note = (
        f"Since {people.since}, when these data begin. Each beside the release before, on the days on which both were "
        "in use. Who takes a release first is not like the others: take more as a reason to look."
    )
    tenths = ("Hours to 50 %", "Share now, %")
    report.sections.append(table_section("Releases", columns, note, level=3, tenths=tenths))


def _with_store(what: str) -> str:
    return f"With a store, which nucleus-pandas sync myapp.duckdb fills, also: {what}"
