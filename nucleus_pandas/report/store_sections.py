"""Sections that follow users: from a store, or with what one sync would add."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.activity.growth import active_users, growth
from nucleus_pandas.analysis.breakdown.breakdown import breakdown
from nucleus_pandas.analysis.compare import compare
from nucleus_pandas.analysis.errors.error_free import crash_free, error_free
from nucleus_pandas.analysis.funnel.funnel import funnel
from nucleus_pandas.analysis.releases.release_comparison import compare_releases
from nucleus_pandas.analysis.releases.version_adoption import version_adoption
from nucleus_pandas.analysis.retention.retention import retention, retention_curve
from nucleus_pandas.analysis.retention.unbounded import unbounded_retention
from nucleus_pandas.api.windows import Window
from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.calendar import NOUNS
from nucleus_pandas.core.instants import first_instant, microseconds
from nucleus_pandas.core.text import counted, percent, percent_number, rounded
from nucleus_pandas.core.units import ONE_DAY, SETTLING, SETTLING_TIME
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.steps import properties_of, read_steps
from nucleus_pandas.exceptions import StoreError
from nucleus_pandas.plots.plot_active_users import plot_active_users
from nucleus_pandas.plots.plot_breakdown import plot_breakdown_trend
from nucleus_pandas.plots.plot_daily import plot_daily
from nucleus_pandas.plots.plot_funnel import plot_funnel
from nucleus_pandas.plots.plot_growth import plot_growth
from nucleus_pandas.plots.plot_version_adoption import plot_version_adoption
from nucleus_pandas.report.changes import words_of
from nucleus_pandas.report.heatmap import heatmap_of
from nucleus_pandas.report.section import POINTS, Section, table_section
from nucleus_pandas.report.table_cells import number

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from nucleus_pandas.events.steps import StepLike
    from nucleus_pandas.report.report import Report
    from nucleus_pandas.report.report_period import Span
    from nucleus_pandas.report.table_cells import Format
    from nucleus_pandas.store.eventstore import EventStore

# How many cohorts before the latest.
_COHORTS = 8
# Entries into the funnel. As many days on both sides: more days of entry are more attempts of each user.
_ENTRY_DAYS, _WINDOW = 28, dt.timedelta(days=7)
# Days whose numbers are unfolded below a picture.
_LISTED = 14


@dataclass(frozen=True)
class People:
    """A store, the log that is made of it once, and which days it holds.

    It holds whole days from `begin` on; of the days of the trends those from `since` to `until`.
    """

    store: EventStore
    log: EventLog
    as_of: dt.datetime
    begin: dt.date
    span: Span
    since: dt.date
    until: dt.date

    def days(self, first: dt.date) -> dict[str, Any]:
        """The days from `first` on that the store holds, as analyses take them."""
        return {"start": max(first, self.since), "end": self.until, "tz": self.span.zone}

    def periods(self, first: dt.date) -> dict[str, Any]:
        """The same for analyses by weeks or months, in which what came later does not count."""
        after = self.until + ONE_DAY
        over = self.span.followed.first_date_of(after) == after
        known = None if over else min(first_instant(after, self.span.zone), self.as_of)
        return self.days(first) | _cut(self.span) | {"as_of": known}


def _cut(span: Span) -> dict[str, Any]:
    """How analyses are to cut the time in which users are followed."""
    return {"freq": span.followed.unit, "week_start": span.followed.week_start}


def people_of(
    store: EventStore | None, span: Span, app_id: str, steps: Sequence[StepLike] | None = None
) -> People | None:
    """Find the days that the store holds; None without one, and where it knows nothing of the period.

    What it lacks is warned about. Of the properties of events only those are read that the steps of a funnel name.
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
            held.append((max(days[0], span.since), min(days[-1], span.until), days[0]))
    if not held or info.as_of is None:
        warn_incomplete(
            f"The store holds nothing of {span.first} to {span.until}: sections that follow users are as without a "
            "store. Sync it for these days, and make the report again."
        )
        return None
    since, until, begin = max(held, key=lambda days: (days[1], -days[0].toordinal()))
    if since > span.first or until < span.until:
        warn_incomplete(
            f"The store holds only {max(since, span.first)} to {until} of these days: sections that follow users are "
            "of them alone. Sync it for the rest, and make the report again."
        )
    elif info.as_of < span.end:
        warn_incomplete(
            f"The store is known until {info.as_of:%Y-%m-%d %H:%M} UTC: sections that follow users lack what came "
            "later. Sync it, and make the report again."
        )
    log = EventLog(store, properties=properties_of([] if steps is None else read_steps(list(steps))))
    return People(store, log, info.as_of, begin, span, since, until)


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
    table = growth(people.store, **people.periods(people.span.since))
    note = "New: active for the first time. The card New users counts accounts that were created; some come later."
    report.add(heading, plot_growth, note, data=table, numbers=table.drop(columns=["freq", "sample"]))


def add_retention(report: Report, people: People | None, users: pd.DataFrame, span: Span) -> None:
    """Who of those who were created together came back."""
    first = span.followed.first_date_of(span.first, -_COHORTS)
    if people is not None:
        days = people.periods(first)
        table = _until(retention(people.store, users=people.store.users(properties=[]), **days), span)
        table = _settled(table, span, days["as_of"] or people.as_of)
        cells, note = heatmap_of(table)
        explanation = f"{note} A user starts when the account is created."
    else:
        found = unbounded_retention(users, start=first, end=span.until, tz=span.zone, as_of=span.now, **_cut(span))
        table = _settled(_until(found, span), span, span.now)
        cells, note = heatmap_of(table)
        more = _with_store(f"how many came in each {NOUNS[span.followed.unit]}, whether or not they came later.")
        explanation = f"{note} Recent rates are too low and still rise: who is away may be back. {more}"
    report.sections.append(Section("Retention", explanation, paragraphs=_pooled(table), cells=cells))


def _until(table: pd.DataFrame, span: Span) -> pd.DataFrame:
    """The cells of periods that were over at the end of the days; what came later is of later reports."""
    begun: Bools = _cohorts(table, span) + table["age"].to_numpy(dtype=np.int64) <= span.followed.of_date(span.until)
    return table[begun].reset_index(drop=True)


def _cohorts(table: pd.DataFrame, span: Span) -> Ints:
    """The number of the period of each cell's cohort."""
    return span.followed.of_days(table["cohort"].to_numpy().astype("datetime64[D]").astype(np.int64))


def _settled(table: pd.DataFrame, span: Span, as_of: dt.datetime) -> pd.DataFrame:
    """Add the state that the period of each cell has in the other sections, too."""
    ends = span.followed.starts(_cohorts(table, span) + table["age"].to_numpy(dtype=np.int64) + 1)
    return table.assign(settled=ends + SETTLING <= microseconds(as_of))


def _pooled(table: pd.DataFrame) -> list[str]:
    """Say what share of all cohorts together came back, in the first period and in the last with enough users.

    Only of settled periods: the others may still change.
    """
    curve = retention_curve(table[table["settled"]])
    judged = curve[(curve["age"] > 0) & curve["rate"].notna() & ~curve["low_n"].astype(bool)]
    if not len(judged):
        return ["No later period has settled for 30 users or more."]
    return [_sentence(row) for row in judged.iloc[list(dict.fromkeys([0, len(judged) - 1]))].to_dict("records")]


def _sentence(row: dict[Hashable, Any]) -> str:
    rate, low, high = (percent(row[name], decimals=None) for name in ("rate", "rate_low", "rate_high"))
    period = f"in {NOUNS[row['freq']]} {row['age']}"
    when = f"came back {period}" if row["criterion"] == "on" else f"came {period} or later"
    return (
        f"Of {row['eligible']:,} users of {counted(row['cohorts'], 'cohort')}, {rate} (95 %: {low} to {high}) {when}."
    )


def add_funnel(report: Report, people: People | None, steps: Sequence[StepLike] | None) -> None:
    """How far users come in the steps that were asked for."""
    if people is None:
        more = _with_store("how many users take each step within 7 days, and how long they need.")
        report.add("Funnel", "A funnel follows users from event to event.", more)
        return
    if steps is None:
        report.add("Funnel", 'No funnel was asked for. Pass its steps: funnel=["init", "PROJECT_CREATED"].')
        return
    last = _judged_until(people)
    first = last - (_ENTRY_DAYS - 1) * ONE_DAY
    if first < people.begin:
        report.add(
            "Funnel",
            f"The store holds days since {people.begin}: fewer than {_ENTRY_DAYS} on which all have had 7 days.",
        )
        return
    known: dict[str, Any] = {"tz": people.span.zone, "as_of": people.as_of}
    table = funnel(people.log, list(steps), start=first, end=last, **known)
    report.add(
        "Funnel",
        plot_funnel,
        f"Entries of {first} to {last}, {_ENTRY_DAYS} days; everybody has had 7 days since, until now.",
        data=table,
        numbers=table.drop(columns=["sample", "order", "window", "include_pending"]),
    )
    earlier = first - _ENTRY_DAYS * ONE_DAY
    if earlier < people.begin:
        report.add("Beside the 28 days before", f"The store holds days since {people.begin} only.", level=3)
        return
    before = funnel(people.log, list(steps), start=earlier, end=first - ONE_DAY, **known)
    compared = compare(before, table)
    rates = {
        "Of those who entered, %": compared["rate_b"],
        "Before, %": compared["rate_a"],
        "Difference, points": compared["difference"],
        "Bounds from": compared["difference_low"],
        "to": compared["difference_high"],
    }
    columns = {"Step": compared["event"], "Users": compared["count_b"], **rates, "Change": words_of(compared)}
    formats = dict.fromkeys(rates, percent_number) | POINTS
    note = (
        f"Entries of {earlier} to {first - ONE_DAY}. Positive: higher than before. Bounds: 95 % for all steps together."
    )
    report.sections.append(table_section("Beside the 28 days before", columns, note, level=3, formats=formats))


def _judged_until(people: People) -> dt.date:
    """The last day of which all who entered on it have had the window, with what is sent late."""
    day = people.until
    while first_instant(day + ONE_DAY, people.span.zone) + _WINDOW + SETTLING_TIME > people.as_of:
        day -= ONE_DAY
    return day


def add_error_free(report: Report, people: People | None) -> None:
    """How many sessions and users had no error, by version."""
    if people is None:
        more = _with_store("the shares of sessions and users without an error, and without a crash, by version.")
        report.add("Sessions without an error", "Counts of errors do not say how many sessions had one.", more, level=3)
        return
    days = people.days(people.span.first)
    errors = error_free(people.log, freq=None, by="version", **days)
    crashes = crash_free(people.log, freq=None, by="version", **days)
    table = errors.merge(crashes[["segment", "crash_free_sessions"]], on="segment")
    rates = {
        "Without an error, %": table["error_free_sessions"],
        "95 % from": table["error_free_sessions_low"],
        "to": table["error_free_sessions_high"],
        "Without a crash, %": table["crash_free_sessions"],
        "Users without an error, %": table["error_free_users"],
    }
    columns = {"Version": table["segment"], "Sessions": table["sessions"], "Users": table["users"], **rates}
    formats = dict.fromkeys(rates, percent_number)
    report.sections.append(table_section("Sessions without an error, by version", columns, level=3, formats=formats))


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
    table = version_adoption(people.log, freq="D", top=6, **days)
    shown = table["period"] >= pd.Timestamp(people.span.first)
    numbers = table.loc[shown, ["period", "version", "sessions", "share"]]
    report.add("Versions", plot_version_adoption, data=table, numbers=numbers)
    end = min(first_instant(people.until + ONE_DAY, people.span.zone), people.as_of)
    _add_releases(report, people, compare_releases(people.log, **days | {"as_of": end}).iloc[::-1])


def _add_releases(report: Report, people: People, releases: pd.DataFrame) -> None:
    seen = releases["first_seen"].dt.tz_convert(people.span.zone).dt.tz_localize(None).dt.normalize()
    # What was there when the store begins, came before; of days outside its interval it knows some users only.
    came = releases["first_seen"] >= first_instant(people.begin + ONE_DAY, people.span.zone)
    columns = {
        "Version": releases["version"],
        "Before": releases["before"],
        "First seen": seen.where(came),
        "Sessions": releases["sessions"],
        "Hours to 50 %": releases["hours_to_50"].where(came),
        "Last share, %": releases["latest_share"],
        "Days side by side": releases["days"],
    }
    for failure, name in (("error", "Error"), ("crash", "Crash")):
        measured = (releases[f"{failure}_ratio{bound}"].astype("float64") for bound in ("", "_low", "_high"))
        columns[f"{name} sessions, times as before (95 %)"] = [_ratio(*one) for one in zip(*measured, strict=True)]
        columns[{"error": "Errors", "crash": "Crashes"}[failure]] = releases[f"{failure}_change"]
    note = (
        f"Sessions since {people.since}. First seen is empty for what was there when the store begins, "
        f"{people.begin}. Last share: of the 24 hours to the end of {people.until}. Each beside the release "
        "before, on the days on which both were in use. In brackets: bounds, 95 % for errors and crashes of all rows "
        "together. Who takes a release first is not like the others: take more as a reason to look."
    )
    formats: dict[str, Format] = {"Hours to 50 %": rounded, "Last share, %": percent_number}
    report.sections.append(table_section("Releases", columns, note, level=3, formats=formats))


def _ratio(ratio: float, low: float, high: float) -> str | None:
    """A ratio with its bounds; of what cannot be compared there is none, and its bounds say nothing."""
    return None if np.isnan(ratio) else f"{number(ratio)} ({number(low)} to {number(high)})"


def _with_store(what: str) -> str:
    return f"With a store, which nucleus-pandas sync myapp.duckdb fills, also: {what}"
