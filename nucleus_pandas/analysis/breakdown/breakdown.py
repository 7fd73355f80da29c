"""Counts by value as shares of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.breakdown.count_tables import Counted, Counts, keep, read_counts
from nucleus_pandas.api.parsing.schemas import BY_PERIOD
from nucleus_pandas.core.checks import checked_number
from nucleus_pandas.core.dtypes import COUNT, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.stats.clusters import user_wilson

BREAKDOWN: Schema = {
    "value": TEXT,
    "count": COUNT,
    "share": NUMBER,
    "share_low": NUMBER,
    "share_high": NUMBER,
    "cumulative_share": NUMBER,
}
_TOP = "how many values get rows of their own"


def breakdown(counts: Counts, *, top: int = 10) -> pd.DataFrame:
    """Each value's share of all that was counted.

    Parameters
    ----------
    counts : DataFrame or Series
        Any table with the columns value and count: of `load_attribute`, `load_dimensions`, or of yours; or what
        ``value_counts(dropna=False)`` gives. With a column user_db_id or user_id, counts belong to users, and
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
        - share_low, share_high: 95 % bounds of the share (Wilson, with users as the sampling unit); missing where
          `counts` has no users, as it is not known how many users totals are of
        - cumulative_share: of this row and those above it; 1 in the last row
        - complete, settled: of the period, as in `counts`, and True where it has no such column; only with periods

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
    >>> bool(shares["share"].between(shares["share_low"], shares["share_high"]).all())
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


def _shares(counted: Counted, group: int, top: int) -> dict[str, Any]:
    """The rows of one dimension or attribute, period by period."""
    kept = keep(counted, group, top)
    periods, values = kept.counts.shape
    # Of a period that is not complete there is no share.
    base = np.where(counted.complete, kept.counts.sum(axis=1), 0)[:, None]
    low, high = (np.full(kept.counts.shape, np.nan),) * 2 if kept.sums is None else user_wilson(kept.sums)
    low, high = (np.where(base > 0, bound, np.nan) for bound in (low, high))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(base > 0, kept.counts / base, np.nan)
        running = np.where(base > 0, np.cumsum(kept.counts, axis=1) / base, np.nan)
    tables = {"count": kept.counts, "share": share, "share_low": low, "share_high": high, "cumulative_share": running}
    return {
        "group": np.full(periods * values, group),
        "period": np.repeat(np.arange(periods), values),
        "value": np.tile(np.array(kept.names, dtype=object), periods),
        **{name: table.reshape(-1) for name, table in tables.items()},
    }


def _names(counted: Counted, group: Any) -> dict[str, Any]:
    """The columns that identify what was counted."""
    return {name: [counted.groups[one][place] for one in group.tolist()] for place, name in enumerate(counted.by)}


def _joined(parts: list[Any]) -> Any:
    return np.concatenate(parts) if parts else np.zeros(0)
