"""What a sync did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from nucleus_pandas.core.dtypes import COUNT, TEXT, make_frame
from nucleus_pandas.store.sync.completeness import MISSING, SHORT, USER_SHORT
from nucleus_pandas.store.sync.crawl import Outcome
from nucleus_pandas.store.sync.plan import Work, in_words
from nucleus_pandas.store.sync.writing import Interval

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class SyncReport:
    """What a sync did; print it, or look at `table` and `failures`.

    Attributes
    ----------
    table : pandas.DataFrame
        item, count, detail.
    failures : pandas.DataFrame
        user_id, user_db_id, device_id, session_id, reason: the users (without session) and sessions of the interval
        that could not be loaded, or only in part, in this sync or one before. Later syncs request them again, with
        growing delays where the service keeps returning the same.
    requests : int
        How many were sent.
    seconds : float
        How long it took.
    """

    table: pd.DataFrame
    failures: pd.DataFrame
    requests: int
    seconds: float

    def __str__(self) -> str:
        return f"{in_words(self.table)}\n{self._pace()}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"{self.table.to_html(index=False, border=0)}<p>{self._pace()}</p>"

    def _pace(self) -> str:
        return f"{self.seconds:,.1f} s, {self.requests / max(self.seconds, 1e-9):,.0f} requests a second."


def make_report(work: Work, outcome: Outcome, failures: pd.DataFrame, deleted: int, seconds: float) -> SyncReport:
    """Put together what is to be told; rows that tell of nothing unusual are left out."""
    tally, requests = outcome.tally, outcome.requests + 1
    skipped = work.users["decision"].value_counts().drop("ask", errors="ignore")
    rows = [
        ("users listed", len(work.users), ""),
        ("users asked about", outcome.users, ""),
        ("users skipped", int(skipped.sum()), ", ".join(f"{why}: {count:,}" for why, count in skipped.items())),
        ("sessions fetched", tally.sessions, ""),
        ("events fetched", tally.events, ""),
        ("requests", requests, ""),
    ]
    unusual = [
        ("copies of events left out", tally.copies, "they came twice"),
        ("clashes of session ids", tally.clashes, "sessions of a device with the same id, told apart by their times"),
        ("users deleted", deleted, "forgotten, or not known to the service any more"),
        ("users or sessions not loaded in full", len(failures), "see failures; later syncs request them again"),
    ]
    rows += [row for row in unusual if row[1]]
    columns = dict(zip(("item", "count", "detail"), zip(*rows, strict=True), strict=True))
    table = make_frame({"item": TEXT, "count": COUNT, "detail": TEXT}, columns)
    return SyncReport(table, failures, requests, seconds)


def read_failures(connection: duckdb.DuckDBPyConnection, interval: Interval) -> pd.DataFrame:
    """Give the users and sessions of an interval that could not be loaded; see `SyncReport.failures`."""
    names = ("user_id", "user_db_id", "device_id", "session_id", "reason")
    condition, values = interval.condition()
    rows = connection.execute(_FAILURES.format(condition=condition), [values[0], *values]).fetchall()
    columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
    return make_frame(dict.fromkeys(names, TEXT), columns)


# A session has at least one event, whatever its counts say.
LISTED = "greatest(coalesce(s.actions, 0) + coalesce(s.errors, 0), 1)"
_FAILURES = f"""
SELECT user_id, user_db_id, NULL, NULL,
    coalesce(failure, CASE WHEN retry_at IS NULL THEN 'the service keeps returning an incomplete list of sessions'
        ELSE 'the list of sessions came empty or with flaws' END)
FROM kept.users u WHERE (failure IS NOT NULL OR (chosen AND {USER_SHORT})) AND coalesce(last_seen >= ?, true)
UNION ALL
SELECT u.user_id, u.user_db_id, s.device_id, s.session_id,
    coalesce(s.failure, concat(CASE WHEN s.retry_at IS NULL THEN 'the service returns ' ELSE 'so far came ' END,
        CASE WHEN {MISSING} > 0 THEN concat({LISTED} - {MISSING}, ' of ', {LISTED}, ' events')
        ELSE concat('all events, but ', s.flawed, ' with flaws') END))
FROM kept.sessions s JOIN kept.users u USING (user_no)
WHERE (s.failure IS NOT NULL OR {SHORT}) AND {{condition}} ORDER BY ALL
"""
