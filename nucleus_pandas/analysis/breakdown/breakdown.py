"""Counts by value as shares of the whole, and two such breakdowns side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.breakdown.count_tables import Counted, Counts, Kept, keep, read_counts
from nucleus_pandas.api.parsing.schemas import BY_PERIOD
from nucleus_pandas.core.arrays import Ints
from nucleus_pandas.core.checks import checked_number
from nucleus_pandas.core.dtypes import COUNT, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.text import OTHER
from nucleus_pandas.stats.clusters import effective_trials, user_wilson
from nucleus_pandas.stats.intervals import LOW_N
from nucleus_pandas.stats.significance import LEVEL, compare_rates

BREAKDOWN: Schema = {
    "value": TEXT,
    "count": COUNT,
    "share": NUMBER,
    "low": NUMBER,
    "high": NUMBER,
    "cumulative_share": NUMBER,
}
COMPARED: Schema = {
    "value": TEXT,
    "count_before": COUNT,
    "share_before": NUMBER,
    "count_after": COUNT,
    "share_after": NUMBER,
    "difference": NUMBER,
    "low": NUMBER,
    "high": NUMBER,
    "p_value": NUMBER,
    "p_adjusted": NUMBER,
    "verdict": TEXT,
    "low_n": np.dtype(bool),
}
_TOP = "how many values get rows of their own"


def breakdown(counts: Counts, *, top: int = 10) -> pd.DataFrame:
    """Each value's share of all that was counted.

    Parameters
    ----------
    counts : DataFrame or Series
        Any table with the columns value and count: of `load_attribute`, `load_dimensions`, or of yours; or what
        ``value_counts(dropna=False)`` gives. With a column user_db_id or user_id it tells whose counts these are, and
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
        - low, high: 95 % bounds of the share (Wilson, with users as the sampling unit); missing where `counts` has no
          users, as totals do not tell how many users they are of
        - cumulative_share: of this row and those above it; 1 in the last row
        - complete, settled: of the period, as in `counts`, and True where it does not tell; only with periods

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
    Sections *Breakdowns* and *Bounds and verdicts* of the definitions. What one user does is alike, so a thousand
    events of ten users say less about a share than those of a thousand users. The bounds allow for that, which takes to
    know the users: shares of events come from ``nu.breakdown(events.rename(columns={"platform": "value"}))``, shares of
    users from the same of `load_users`. What the service does not count, such as events without the attribute, is in no
    share; see `load_attribute`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> plans = nu.load_attribute(app, "init", "plan", "2026-09-01", "2026-10-31")
    >>> shares = nu.breakdown(plans)
    >>> shares["value"].tolist(), round(float(shares["share"].sum()), 9)
    (['free', 'pro', 'team'], 1.0)
    >>> users = nu.load_users(app).rename(columns={"platform": "value"})
    >>> shares = nu.breakdown(users)
    >>> bool(shares["share"].between(shares["low"], shares["high"]).all())
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


def compare_breakdowns(before: Counts, after: Counts, *, top: int = 10) -> pd.DataFrame:
    """How the share of each value differs between two tables of counts.

    Parameters
    ----------
    before, after : DataFrame or Series
        Two tables that `breakdown` takes, without periods: of two intervals, or of two groups. Whole ones: a value
        ``(other)`` of a table that was cut elsewhere is compared as if it held the same in both.
    top : int, default 10
        How many values get rows of their own, those with the largest shares in both together; beyond, ``(other)``.
        Missing is ``(none)``.

    Returns
    -------
    pandas.DataFrame
        One row a value, those with the largest shares first, ``(other)`` and ``(none)`` last, if there are any.

        - dimension, or event and attribute: only if the tables have them
        - value: text
        - count_before, count_after: the counts; 0 for a value that one of the tables does not have
        - share_before, share_after: count / all that was counted in the table; missing where that is nothing
        - difference: share_after − share_before. 0.05 are five percentage points, and a positive difference is a share
          that is higher after
        - low, high: bounds of the difference (Newcombe), 95 % for all rows of this table together: adjusted as
          p_adjusted is
        - p_value: how often a difference at least as large comes about by chance where there is none
        - p_adjusted: `p_value` raised for being one of several (Holm, over all rows of this table)
        - verdict: ``clear change`` if p_adjusted is below 0.05 and 0 is outside the bounds, else ``within normal
          variation``; ``too little history`` where one of the tables counts nothing, or both so few that no
          difference could be clear
        - low_n: one of the tables is of fewer than 30 users; where it does not tell users, it counts fewer than 30

        Bounds, p-values and verdicts count users, see `breakdown`. They are missing where one of the tables does not
        tell users.

    Raises
    ------
    ValueError
        As `breakdown`; if the tables have other columns to tell dimensions or attributes apart; for periods, of which
        one has to be picked; and for tables of `breakdown` whose ``(other)`` hold other values.
    TypeError
        If `before` or `after` is neither a DataFrame nor a Series.

    Warns
    -----
    IncompleteDataWarning
        As `breakdown`.

    Notes
    -----
    Section *Breakdowns* of the definitions. A difference tells what goes with the later interval, or with the other
    group, not what made it. The two tables are taken to be of different users. Where the same users are in both, and do
    the same in both, changes are found less often than they could be.
    Shares add up to 1, so that one that rises makes others fall.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> users = nu.load_users(app).rename(columns={"platform": "value"})
    >>> in_august = users["created_at"].dt.month == 8
    >>> in_october = users["created_at"].dt.month == 10
    >>> compared = nu.compare_breakdowns(users[in_august], users[in_october])
    >>> bool(compared["difference"].between(compared["low"], compared["high"]).all())
    True
    """
    top = checked_number("top", top, None, _TOP)
    both = _side_by_side(before, after)
    totals = np.zeros((len(both.groups), 2))
    np.add.at(totals, (both.group, both.period), both.count)
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.nan_to_num(both.count / totals[both.group, both.period])
    kept = [keep(both, group, top, weight) for group in range(len(both.groups))]
    group = np.repeat(np.arange(len(kept)), [len(one.names) for one in kept])
    a, b = (_joined([one.counts[place] for one in kept]).astype(np.float64) for place in (0, 1))
    base_a, base_b = totals[group, 0], totals[group, 1]
    with np.errstate(invalid="ignore"):
        shares = {"share_before": a / base_a, "share_after": b / base_b}
    compared = _compared(kept, shares)
    columns: dict[str, Any] = {
        **_names(both, group),
        "value": [value for one in kept for value in one.names],
        "count_before": a,
        "count_after": b,
        **shares,
        **compared,
        "low_n": (_sizes(both, totals) < LOW_N).any(axis=1)[group],
    }
    schema = dict.fromkeys(both.by, TEXT) | COMPARED
    return make_frame(schema, {name: columns.get(name, [None] * len(a)) for name in schema})


def _shares(counted: Counted, group: int, top: int) -> dict[str, Any]:
    """The rows of one dimension or attribute, period by period."""
    kept = keep(counted, group, top, counted.count.astype(np.float64))
    periods, values = kept.counts.shape
    # Of a period that is not complete there is no share.
    base = np.where(counted.complete, kept.counts.sum(axis=1), 0)[:, None]
    low, high = (np.full(kept.counts.shape, np.nan),) * 2 if kept.sums is None else user_wilson(kept.sums)
    low, high = (np.where(base > 0, bound, np.nan) for bound in (low, high))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(base > 0, kept.counts / base, np.nan)
        running = np.where(base > 0, np.cumsum(kept.counts, axis=1) / base, np.nan)
    tables = {"count": kept.counts, "share": share, "low": low, "high": high, "cumulative_share": running}
    return {
        "group": np.full(periods * values, group),
        "period": np.repeat(np.arange(periods), values),
        "value": np.tile(np.array(kept.names, dtype=object), periods),
        **{name: table.reshape(-1) for name, table in tables.items()},
    }


def _compared(kept: list[Kept], shares: dict[str, Any]) -> dict[str, Any]:
    """The differences of the shares, and what their users tell about them."""
    difference = shares["share_after"] - shares["share_before"]
    if any(one.sums is None for one in kept):
        return {"difference": difference}
    m = max(1, int(np.count_nonzero(~np.isnan(difference))))
    effective = [
        _joined([effective_trials(one.sums, confidence=1 - LEVEL / m)[place] for one in kept if one.sums is not None])
        for place in (0, 1)
    ]
    hits = [np.nan_to_num(share) * number for share, number in zip(shares.values(), effective, strict=True)]
    return compare_rates(hits[0], effective[0], hits[1], effective[1])._asdict()


def _sizes(both: Counted, totals: Any) -> Any:
    """How many users each group has in both tables; where these are not known, how many were counted."""
    if both.user is None:
        return totals
    once = np.unique(np.column_stack([both.group, both.period, both.user])[both.count > 0], axis=0)
    sizes = np.zeros_like(totals)
    np.add.at(sizes, (once[:, 0], once[:, 1]), 1)
    return sizes


def _names(counted: Counted, group: Any) -> dict[str, Any]:
    """The columns that tell what was counted apart from each other."""
    return {name: [counted.groups[one][place] for one in group.tolist()] for place, name in enumerate(counted.by)}


def _joined(parts: list[Any]) -> Any:
    return np.concatenate(parts) if parts else np.zeros(0)


def _side_by_side(before: Counts, after: Counts) -> Counted:
    """Both tables as one with two periods, the first and the second."""
    tables = [read_counts(one, name, periods=False) for one, name in ((before, "before"), (after, "after"))]
    a, b = tables
    if a.by != b.by:
        told = [", ".join(one.by) or "none of them" for one in tables]
        raise ValueError(
            f"before and after must both have the columns dimension, event or attribute: {told[0]} and {told[1]}."
        )
    for counts, name, table in ((before, "before", a), (after, "after", b)):
        _check_rest(counts, name, table)
    groups = {one: number for number, one in enumerate(dict.fromkeys([*a.groups, *b.groups]))}
    names = {one: number for number, one in enumerate(dict.fromkeys([*a.names, *b.names]))}
    whole = np.ones(2, dtype=np.bool_)
    return Counted(
        a.by,
        list(groups),
        list(names),
        np.concatenate([_recoded(one.group, one.groups, groups) for one in tables]),
        np.concatenate([_recoded(one.value, one.names, names) for one in tables]),
        np.repeat([0, 1], [len(a.count), len(b.count)]),
        np.concatenate([a.count, b.count]),
        None,
        whole,
        whole,
        None if a.user is None or b.user is None else np.concatenate([a.user, b.user]),
    )


def _recoded(codes: Ints, names: list[Any], place: dict[Any, int]) -> Ints:
    return np.array([place[name] for name in names], dtype=np.int64)[codes]


def _check_rest(counts: Counts, name: str, table: Counted) -> None:
    """Raise for a table of `breakdown` that was cut: what its ``(other)`` holds, another's may not."""
    made = isinstance(counts, pd.DataFrame) and "cumulative_share" in counts.columns
    if made and OTHER in {table.names[code] for code in table.value.tolist()}:
        raise ValueError(
            f"{name} is a table of nu.breakdown that was cut: nobody can tell which values its {OTHER} holds. So, "
            "pass the counts that it was made of, and top= here."
        )
