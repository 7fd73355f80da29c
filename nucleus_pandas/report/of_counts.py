"""Sections from what the service counts: events, errors, where and on what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.breakdown import breakdown, compare_breakdowns
from nucleus_pandas.analysis.error_trend import error_trend, new_errors
from nucleus_pandas.plots.error_trend import plot_error_trend
from nucleus_pandas.report import glance
from nucleus_pandas.report.changes import Counted, change_of, may_be_chance, words_of
from nucleus_pandas.report.report import table_section

if TYPE_CHECKING:
    from nucleus_pandas.report.loaded import Counts, Loaded
    from nucleus_pandas.report.report import Report
    from nucleus_pandas.report.span import Span

_TOP = 10
# Fewer than so many, and a change is mostly chance; less than so much is not worth a line.
_MANY, _MUCH = 30, 0.1


def add_events(report: Report, loaded: Loaded) -> None:
    """The most frequent events, and those that changed most."""
    table = event_table(loaded.now, loaded.before)
    report.add(
        "Events",
        _for_reading(table.head(_TOP), loaded.before is not None),
        f"The {_TOP} most frequent of {len(table):,}. Rates are per 100 sessions, so that more sessions alone change "
        "nothing.",
    )
    if loaded.before is None:
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = pd.Series(np.abs(np.log(table["per_100"] / table["per_100_before"])), index=table.index).fillna(0.0)
    moved = (table[["count", "count_before"]].max(axis=1) >= _MANY) & (ratio >= np.log1p(_MUCH)) & ~table["chance"]
    movers = table.assign(ratio=ratio)[moved].sort_values(["ratio", "event"], ascending=[False, True]).head(_TOP)
    if len(movers):
        report.add(
            "Movers",
            _for_reading(movers, compared=True),
            f"Events whose rate changed most, by {100 * _MUCH:.0f} % or more, and by more than chance would make of "
            f"single events. Those with fewer than {_MANY} in both are left out.",
            level=3,
        )
    else:
        report.add(
            "Movers", f"No event with {_MANY} or more changed by {100 * _MUCH:.0f} % and more than by chance.", level=3
        )


def event_table(now: Counts, before: Counts | None) -> pd.DataFrame:
    """A row an event, the most frequent first: count, per_100 sessions, both before, and whether it may be chance."""
    table = pd.DataFrame({"count": _of_events(now), "count_before": 0.0 if before is None else _of_events(before)})
    table = table.fillna(0.0)
    table = table[(table > 0).any(axis=1)].rename_axis("event").reset_index()
    bases = [np.nan if one is None else glance.sessions(one) or np.nan for one in (now, before)]
    table["per_100"], table["per_100_before"] = 100 * table["count"] / bases[0], 100 * table["count_before"] / bases[1]
    table["chance"] = [
        may_be_chance(Counted(new, bases[0]), Counted(old, bases[1]))
        for new, old in zip(table["count"], table["count_before"], strict=True)
    ]
    return table.sort_values(["count", "event"], ascending=[False, True])


def _of_events(counts: Counts) -> pd.Series:
    return counts.events.groupby("event", observed=True)["count"].sum().astype("float64")


def _for_reading(table: pd.DataFrame, compared: bool) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "Event": table["event"],
        "Count": table["count"].astype("int64"),
        "Per 100 sessions": table["per_100"],
    }
    if compared:
        columns |= {
            "Count before": table["count_before"].astype("int64"),
            "Per 100 before": table["per_100_before"],
            "Change of the rate": [
                _change(*row)
                for row in table[["count", "count_before", "per_100", "per_100_before", "chance"]].itertuples(
                    index=False
                )
            ],
        }
    return pd.DataFrame(columns).reset_index(drop=True)


def _change(count: float, before: float, rate: float, rate_before: float, chance: bool) -> str:
    if not before or not count:
        return "new" if count else "gone"
    return change_of(rate, rate_before, written=f"{rate_before:,.3g}", chance=chance)


def add_errors(report: Report, loaded: Loaded, span: Span) -> None:
    """How often errors are reported, which were more than usual, which are new."""
    trend = error_trend(loaded.errors, loaded.daily)
    days = trend["day"].between(pd.Timestamp(span.first), pd.Timestamp(span.until))
    rate = glance.error_rate(loaded.now)
    reported = int(loaded.now.errors["count"].sum())
    told = f"{reported:,} errors were reported"
    told += f", {rate:,.3g} per 100 sessions." if not np.isnan(rate) else "."
    if loaded.before is not None and not np.isnan(old := glance.error_rate(loaded.before)):
        counted = (glance.errors_of_sessions(counts) for counts in (loaded.now, loaded.before))
        told += f" {change_of(rate, old, written=f'{old:,.3g}', chance=may_be_chance(*counted))}."
    report.add("Errors", f"{told}\n\nEvery report counts: one session can report many.")
    columns = ["day", "error", "count", "base", "rate", "expected", "low", "high", "spike"]
    report.add("Rate by day", plot_error_trend, data=trend, numbers=trend.loc[days, columns], level=3)
    _add_spikes(report, trend[days], span)
    _add_new(report, loaded.errors, span)


def _add_spikes(report: Report, trend: pd.DataFrame, span: Span) -> None:
    spikes = trend[trend["spike"].fillna(value=False).astype(bool)]
    judged = trend.groupby("day")["spike"].apply(lambda spike: spike.notna().any())
    left_out = int((~judged).sum())
    note = f"{left_out} of {len(judged)} days cannot be judged yet, or have no weeks before." if left_out else ""
    if len(spikes):
        table = pd.DataFrame(
            {
                "Day": spikes["day"],
                "Error": spikes["error"],
                "Count": spikes["count"],
                "Per 100 sessions": spikes["rate"],
                "Expected": spikes["expected"],
                "At most": spikes["high"],
            }
        )
        report.add("Spikes", table, f"More than the same weekday of the 8 weeks before lets expect. {note}", level=3)
    elif judged.any():
        report.add("Spikes", f"On no day of the {span.noun} was an error more frequent than expected. {note}", level=3)
    else:
        report.add("Spikes", f"No day of the {span.noun} can be judged yet. {note}", level=3)


def _add_new(report: Report, errors: pd.DataFrame, span: Span) -> None:
    if errors["day"].nunique() <= span.days:
        return
    new = new_errors(errors, days=span.days)
    before = (span.first - span.since).days
    if len(new):
        table = pd.DataFrame({"Error": new["error"], "First seen": new["first_seen"], "Count": new["count"]})
        report.add("New errors", table, f"Not reported in the {before} days before.", level=3)
    else:
        report.add("New errors", f"Every error was there in the {before} days before.", level=3)


def add_breakdowns(report: Report, loaded: Loaded, attribute: tuple[str, str] | None) -> None:
    """Platforms, countries and the values of an attribute."""
    before = loaded.before
    for heading, dimension in (("Platforms", "platform"), ("Countries", "country")):
        now, then = (None if one is None else _of(one.dimensions, dimension) for one in (loaded.now, before))
        _add_shares(report, heading, now, then)
    if attribute is not None:
        then = None if before is None else before.attribute
        _add_shares(report, f"{attribute[0]}: {attribute[1]}", loaded.now.attribute, then)


def _of(dimensions: pd.DataFrame, dimension: str) -> pd.DataFrame:
    return dimensions[dimensions["dimension"] == dimension]


def _add_shares(report: Report, heading: str, now: pd.DataFrame | None, before: pd.DataFrame | None) -> None:
    """Shares of each value, beside those before, in per cent."""
    assert now is not None  # noqa: S101 - it was asked for
    table = breakdown(now) if before is None else compare_breakdowns(before, now)
    shown: dict[str, Any]
    if before is None:
        shown = {"Value": table["value"], "Count": table["count"], "Share, %": 100 * table["share"]}
    else:
        shown = {
            "Value": table["value"],
            "Count": table["count_after"],
            "Share, %": 100 * table["share_after"],
            "Before, %": 100 * table["share_before"],
            "Difference, points": 100 * table["difference"],
            "95 % from": 100 * table["low"],
            "to": 100 * table["high"],
            "Change": words_of(table),
        }
    tenths = [name for name in shown if name not in ("Value", "Count", "Change")]
    report.sections.append(table_section(heading, shown, tenths=tenths))
