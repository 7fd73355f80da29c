"""Answers that fell short: how they are recognised, and when they are requested again.

The list of a user's sessions counts each session's actions and errors. The reference does not say what an action is;
the demo app counts every event that is no error, and that is what is expected here. Should a service count otherwise,
most sessions look short, and requesting them again changes none of them: then no more than `_TRIAL` are tried. Copies
of an event count as received, as nobody knows whether the list counts them.

What the list itself leaves out cannot be noticed; `nu.reconcile` compares with the service's daily counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucleus_pandas.store.schema import one_row

if TYPE_CHECKING:
    import duckdb

#: Hours to wait after each answer that fell short; after the last one, the answer is taken as all there is.
_DELAYS = (0, 1, 6, 24, 72)
_TRIAL = 1000

#: How many events of a session `s` are missing, as `people.missing_events` counts them.
MISSING = (
    "greatest(greatest(coalesce(s.actions, 0) - s.received_actions, 0)"
    " + greatest(coalesce(s.errors, 0) - s.received_errors, 0),"
    " CASE WHEN s.received_actions + s.received_errors = 0 THEN 1 ELSE 0 END)"
)
#: Whether a session `s` was fetched, and its events fell short.
SHORT = f"(s.events_at IS NOT NULL AND NOT s.stale AND (coalesce(s.flawed, 0) > 0 OR {MISSING} > 0))"
#: Whether the last answer about a user `u` fell short.
USER_SHORT = "(coalesce(u.flawed, 0) > 0)"


def schedule_retries(connection: duckdb.DuckDBPyConnection, table: str, alias: str, answered: str, short: str) -> None:
    """Count the attempt for rows whose answer fell short, and say when the next one is due.

    `answered` is a condition on the row and on `a`, the table of answers with their instant `as_of`.
    """
    attempt = f"least(coalesce({alias}.attempts, 0) + 1, {len(_DELAYS) + 1})"
    connection.execute(
        f"UPDATE kept.{table} {alias} SET attempts = {attempt},"
        f" retry_at = a.as_of + to_hours(({list(_DELAYS)})[{attempt}]) FROM {answered} AND {short}"
    )


def due(connection: duckdb.DuckDBPyConnection) -> str:
    """Give the condition on a session `s` that its events fell short and are to be requested again at instant ``?``."""
    short, fetched, completed = one_row(
        connection,
        f"SELECT count(*) FILTER ({SHORT}), count(*) FILTER (s.events_at IS NOT NULL),"
        f" count(*) FILTER (s.attempts > 0 AND NOT {SHORT}) FROM kept.sessions s",
    )
    condition = f"({SHORT} AND s.retry_at <= ?)"
    if short > _TRIAL and 2 * short > fetched and not completed:
        trial = f"SELECT session_no FROM kept.sessions s WHERE {SHORT} ORDER BY session_no LIMIT {_TRIAL}"
        condition = f"({condition} AND s.session_no IN ({trial}))"
    return condition
