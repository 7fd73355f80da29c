"""Sections from what the service counts: events, errors, where and on what."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.breakdown.breakdown import breakdown
from nucleus_pandas.analysis.compare import compare
from nucleus_pandas.analysis.errors.error_trend import error_trend, new_errors
from nucleus_pandas.core.instants import first_instant
from nucleus_pandas.core.text import counted, percent, percent_number, rounded
from nucleus_pandas.core.units import ONE_DAY
from nucleus_pandas.plots.plot_error_trend import plot_error_trend
from nucleus_pandas.report import summary_cards
from nucleus_pandas.report.changes import Measured, p_of_change, words_of
from nucleus_pandas.report.section import POINTS, table_section
from nucleus_pandas.stats.significance import Verdict, verdicts_of

if TYPE_CHECKING:
    from nucleus_pandas.report.report import Report
    from nucleus_pandas.report.report_period import Span
    from nucleus_pandas.report.section import Section
    from nucleus_pandas.report.service_tables import Counts, Loaded
    from nucleus_pandas.report.table_cells import Format

_TOP = 10
_PERCENT: Final[dict[str, Format]] = dict.fromkeys(("Share, %", "Before, %", "95 % from"), percent_number)
_TOTALS = (
    "Shares of all that the service counted under the heading. These are totals of an unknown number of users: no "
    "bounds, no verdict."
)
_DIMENSIONS = {"platform": "Platforms", "country": "Countries", "language": "Languages"}
# Where they are in the list of users.
_OF_USERS = {"platform": "platform", "country": "props.country", "language": "props.locale"}
# Fewer than so many, and a change is mostly chance; less than so much is not worth a line.
_MANY, _MUCH = 30, 0.1


def add_events(report: Report, loaded: Loaded, span: Span) -> None:
    """The most frequent events, and those that changed most."""
    table = event_table(loaded)
    found = int((table["count"] > 0).sum())
    young = "" if span.settled else f" Changes are of settled days, {_written(span.compared)}."
    note = (
        f"The most frequent of {counted(found, 'event')} with a name of the app's. Rates are per 100 sessions, so that "
        f"more sessions alone change nothing.{young}"
    )
    report.sections.append(_events_section("Events", table[table["count"] > 0].head(_TOP), note, loaded, level=2))
    if loaded.before is None:
        return
    many = table[["count_compared", "count_before"]].max(axis=1) >= _MANY
    unlike = (table["ratio"] - 1).abs() >= _MUCH
    movers = table[many & unlike & (table["verdict"] == Verdict.CLEAR)]
    movers = movers.iloc[np.argsort(-np.abs(np.log(movers["ratio"])).to_numpy(), kind="stable")].head(_TOP)
    moved = (
        f"counted {_MANY} times or more whose rate changed by {100 * _MUCH:.0f} % or more, and more than usual from "
        f"{span.step}."
    )
    if len(movers):
        report.sections.append(_events_section("Movers", movers, f"Events {moved}", loaded, level=3))
    elif many.any() and (table.loc[many, "verdict"] == Verdict.UNTESTED).all():
        report.add("Movers", "Too early to say: fewer than four pairs of earlier periods to learn from.", level=3)
    else:
        report.add("Movers", f"There is no event {moved}", level=3)


def event_table(loaded: Loaded) -> pd.DataFrame:
    """A row an event, the most frequent first: count and rate per 100 sessions, now, on the compared days and before.

    `ratio` is the rate of the compared days divided by the one before, and `verdict` is that of this change; only
    frequent events are tested.
    """
    counts = pd.DataFrame({place: _of_events(one) for place, one in enumerate(loaded.periods)})
    before = 0.0 if loaded.before is None else _of_events(loaded.before)
    table = pd.DataFrame({"count": _of_events(loaded.now), "count_compared": counts[0], "count_before": before})
    table = table.join(counts.drop(columns=0)).fillna(0.0)
    table = table[table[["count", "count_compared", "count_before"]].max(axis=1) > 0]
    table = table.rename_axis("event").reset_index()
    bases = [summary_cards.sessions(one) for one in loaded.periods]
    base_before = np.nan if loaded.before is None else summary_cards.sessions(loaded.before)
    base_of = {"": summary_cards.sessions(loaded.now), "_compared": bases[0], "_before": base_before}
    for name, base in base_of.items():
        table[f"rate{name}"] = 100 * table[f"count{name}"] / (base or np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        table["ratio"] = table["rate_compared"] / table["rate_before"]
    frequent = table[["count_compared", "count_before"]].max(axis=1) >= _MANY
    p_values = np.full(len(table), np.nan)
    for place, row in zip(np.flatnonzero(frequent), table[frequent].to_dict("records"), strict=True):
        earlier = [Measured(row[number], base) for number, base in enumerate(bases) if number]
        both = Measured(row["count_compared"], bases[0]), Measured(row["count_before"], base_before)
        p_values[place] = p_of_change(*both, earlier)
    table["verdict"] = verdicts_of(p_values) if len(table) else pd.Series(dtype=object)
    return table.sort_values(["count", "event"], ascending=[False, True], ignore_index=True)


def _of_events(counts: Counts) -> pd.Series:
    return counts.events.groupby("event", observed=True)["count"].sum().astype("float64")


def _events_section(heading: str, table: pd.DataFrame, note: str, loaded: Loaded, *, level: int) -> Section:
    columns: dict[str, Any] = {
        "Event": table["event"],
        "Count": table["count"].astype("int64"),
        "Per 100 sessions": table["rate"],
    }
    if loaded.before is not None:
        rows = table[["count_compared", "count_before", "ratio", "verdict"]].itertuples(index=False)
        settled = {} if loaded.compared is loaded.now else {"Per 100, settled days": table["rate_compared"]}
        columns |= settled | {"Per 100 before": table["rate_before"], "Change": [_change(*row) for row in rows]}
    formats = dict.fromkeys(("Per 100 sessions", "Per 100, settled days", "Per 100 before"), rounded)
    return table_section(heading, columns, note, level=level, formats=formats)


def _change(count: float, before: float, ratio: float, verdict: Verdict) -> str:
    if not before and not count:
        return "–"
    if not before or not count:
        return "new" if count else "gone"
    if np.isnan(ratio):
        return "–"
    if verdict is not Verdict.CLEAR:
        return str(verdict)
    return f"{'▲' if ratio > 1 else '▼'} {percent(abs(ratio - 1), decimals=None)}"


def add_errors(report: Report, loaded: Loaded, span: Span) -> None:
    """How often errors are reported, which were more than usual, which are new."""
    trend = error_trend(loaded.errors, loaded.daily)
    days = trend["day"].between(pd.Timestamp(span.first), pd.Timestamp(span.until))
    number = int(loaded.now.errors["count"].sum())
    text = f"{counted(number, 'error')} {'was' if number == 1 else 'were'} reported"
    rate = summary_cards.error_rate(loaded.now)
    text += "." if np.isnan(rate) else f", {rounded(rate, 2)} per 100 sessions."
    report.add("Errors", f"{text} Every report counts: one session can report many.")
    columns = ["day", "error", "count", "base", "rate", "expected", "expected_low", "expected_high", "spike"]
    report.add("Rate by day", plot_error_trend, data=trend, numbers=trend.loc[days, columns], level=3)
    _add_spikes(report, trend[trend["day"].isin(pd.DatetimeIndex(span.judged))], span)
    _add_new(report, loaded, span)


def _add_spikes(report: Report, trend: pd.DataFrame, span: Span) -> None:
    spikes = trend[trend["spike"].fillna(value=False).astype(bool)]
    judged = trend.groupby("day")["spike"].apply(lambda spike: spike.notna().any()).astype(bool)
    notes = [_judged(span)]
    if left_out := int((~judged).sum()):
        days = counted(len(judged), "day")
        notes.append(f"{left_out} of these {days} could not be judged: no sessions, or fewer than four weeks before.")
    note = " ".join(notes)
    if len(spikes):
        columns = {
            "Day": spikes["day"],
            "Error": spikes["error"],
            "Count": spikes["count"],
            "Per 100 sessions": spikes["rate"],
            "Expected": spikes["expected"],
            "At most": spikes["expected_high"],
        }
        note = f"Above the range to be expected from the same weekday of the 8 weeks before. {note}".strip()
        report.sections.append(table_section("Spikes", columns, note, level=3))
    elif judged.any():
        report.add("Spikes", "No error was above the range to be expected on any judged day.", note, level=3)
    else:
        report.add("Spikes", "Too early to say: no day can be judged yet.", note, level=3)


def _judged(span: Span) -> str:
    """Name the days that are judged, and those that a later report will judge."""
    sentences = []
    if span.judged:
        days = _written((span.judged[0], span.judged[-1]))
        sentences.append(f"Judged: {days}, all that have settled since the report before.")
    if span.unsettled:
        later = ", ".join(f"{day} (settles on {then:%Y-%m-%d})" for day, then in span.unsettled.items())
        kind = {"D": "daily", "W": "weekly", "M": "monthly"}[span.calendar.unit]
        sentences.append(f"Not judged yet: {later}. The first {kind} report that is made after that judges them.")
    return " ".join(sentences)


def _add_new(report: Report, loaded: Loaded, span: Span) -> None:
    # What was sent late for days before the period is new as well.
    first = min([*span.judged[:1], span.first])
    days = (span.until - first).days + 1
    if not loaded.now.errors["count"].sum() or loaded.errors["day"].nunique() <= days:
        return
    new = new_errors(loaded.errors, days=days)
    before = counted((first - span.since).days, "day")
    if len(new):
        columns = {"Error": new["error"], "First seen": new["first_seen"], "Count": new["count"]}
        report.sections.append(table_section("New errors", columns, f"Not reported in the {before} before.", level=3))
    else:
        report.add("New errors", f"None: every error was reported in the {before} before, too.", level=3)


def add_breakdowns(report: Report, loaded: Loaded, span: Span, attribute: tuple[str, str] | None) -> None:
    """Platforms, countries, languages and the values of an attribute: totals, and those of new users."""
    shares, before = loaded.shares, loaded.shares_before
    new = _new_users(loaded.users, span)
    for dimension, heading in _DIMENSIONS.items():
        then = None if before is None else _of(before.dimensions, dimension)
        _add_totals(report, heading, _of(shares.dimensions, dimension), then)
        _add_new_users(report, f"New users by {dimension}", _of(new, dimension), span)
    if attribute is not None:
        _add_totals(report, ": ".join(attribute), shares.attribute, None if before is None else before.attribute)


def _of(dimensions: pd.DataFrame, dimension: str) -> pd.DataFrame:
    return dimensions[dimensions["dimension"] == dimension]


def _add_totals(report: Report, heading: str, now: pd.DataFrame | None, before: pd.DataFrame | None) -> None:
    """Shares of each value in what the service counted, beside those before, in per cent."""
    assert now is not None  # noqa: S101 - it was asked for
    table = breakdown(now) if before is None else _compared(before, now)
    shown: dict[str, Any]
    if before is None:
        shown = {"Value": table["value"], "Count": table["count"], "Share, %": table["share"]}
    else:
        shown = {
            "Value": table["value"],
            "Count": table["count_b"],
            "Share, %": table["rate_b"],
            "Before, %": table["rate_a"],
        }
    note = _TOTALS if now["count"].sum() else "Nothing was counted under this heading in these days."
    report.sections.append(table_section(heading, shown, note, formats=_PERCENT))


def _new_users(users: pd.DataFrame, span: Span) -> pd.DataFrame:
    """Shares of the values of all dimensions among new users, beside those before; judged together."""
    people = users[["user_db_id", "user_id", "created_at"]]
    tables = [
        people.assign(dimension=dimension, value=users[column])
        for dimension, column in _OF_USERS.items()
        if column in users.columns and users[column].notna().any()
    ]
    values = pd.concat(tables) if tables else people.head(0).assign(dimension="", value="")
    if span.compared_with is None:
        return breakdown(_created(values, span.first, span.until, span))
    return _compared(_created(values, *span.compared_with, span), _created(values, *span.compared, span))


def _compared(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Shares of the values that are most frequent in both together, now and before."""
    periods = pd.to_datetime(["2000-01-01", "2000-01-02"])
    counts = pd.concat([one.assign(period=period) for one, period in zip((before, now), periods, strict=True)])
    table = breakdown(counts)
    return compare(*(table[table["period"] == period] for period in periods))


def _add_new_users(report: Report, heading: str, table: pd.DataFrame, span: Span) -> None:
    """Shares of each value among the users created in the days, beside those created in the days before."""
    if not len(table):
        return
    shown: dict[str, Any]
    bounds: dict[str, Format]
    if span.compared_with is None:
        shown = {
            "Value": table["value"],
            "New users": table["count"],
            "Share, %": table["share"],
            "95 % from": table["share_low"],
            "to": table["share_high"],
        }
        note, bounds = "Users created in these days.", {"to": percent_number}
    else:
        shown = {
            "Value": table["value"],
            "New users": table["count_b"],
            "Share, %": table["rate_b"],
            "Before, %": table["rate_a"],
            "Difference, points": table["difference"],
            "Bounds from": table["difference_low"],
            "to": table["difference_high"],
            "Change": words_of(table),
        }
        note = (
            f"Users created in {_written(span.compared)} beside those created in {_written(span.compared_with)}, each "
            "counted once. Bounds: 95 % for all tables of new users together."
        )
        bounds = POINTS
    report.sections.append(table_section(heading, shown, note, level=3, formats=_PERCENT | bounds))


def _written(days: tuple[dt.date, dt.date]) -> str:
    return str(days[0]) if days[0] == days[1] else f"{days[0]} to {days[1]}"


def _created(users: pd.DataFrame, first: dt.date, last: dt.date, span: Span) -> pd.DataFrame:
    """The users created on days from `first` to `last`."""
    start, end = (first_instant(day, span.zone) for day in (first, last + ONE_DAY))
    return users[(users["created_at"] >= start) & (users["created_at"] < end)].drop(columns="created_at")
