"""The plan of a sync: what it will request, known after requesting only the users' list."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.api.client import Client, check_client
from nucleus_pandas.api.endpoints import PATHS
from nucleus_pandas.api.parsing.values import ParseProblems
from nucleus_pandas.api.windows import make_window
from nucleus_pandas.core.checks import is_whole
from nucleus_pandas.core.dtypes import COUNT, TEXT, make_frame
from nucleus_pandas.core.durations import Duration, read_duration
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.core.units import DAY_SECONDS
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.store.eventstore import EventStore, check_store
from nucleus_pandas.store.schema import one_row
from nucleus_pandas.store.sync import selection
from nucleus_pandas.store.sync.selection import Listing, Refresh, StoreState
from nucleus_pandas.store.sync.writing import Interval, SessionGroup

if TYPE_CHECKING:
    from nucleus_pandas.store.database import Database

# Assumed sessions of a user while the store knows none: one, and two a week.
_GUESS_A_DAY = 2 / 7
_ENOUGH_USERS = 20
# If more users than this, and more than half, disappear from the list at once, it is treated as a mistake.
_MOST_GONE = 10

_SKIPPED = {
    "not in the sample": "users not in the sample",
    "forgotten": "users who were forgotten",
    "not seen": "users not seen since the start",
    "created later": "users created after the end",
    "unchanged": "users unchanged since the last sync",
}


class SyncRequest(NamedTuple):
    """What a sync was asked to fetch: the interval, its end with the window, the sample and its seed."""

    start: dt.datetime
    end: dt.datetime
    window_end: dt.datetime
    sample: float
    seed: int

    @property
    def interval(self) -> Interval:
        """The sessions to fetch."""
        return Interval(self.start, self.window_end)


class SyncWork(NamedTuple):
    """The work of a sync.

    Attributes
    ----------
    users : pandas.DataFrame
        The decision about each user of the list.
    gone : pandas.DataFrame
        user_no, user_id, user_db_id of users in the store who are no longer on a complete list.
    others, groups : list of int and int
        Users who are not requested but have known sessions to fetch, and the number of these requests.
    expected, basis : int and str
        Estimated sessions of the users to request, and what the estimate is based on.
    """

    users: pd.DataFrame
    gone: pd.DataFrame
    others: list[int]
    groups: int
    expected: int
    basis: str


@dataclass(frozen=True)
class SyncPlan:
    """What a sync will request; print it, or look at `table`.

    Attributes
    ----------
    table : pandas.DataFrame
        item, count, detail: users on the list by what will be done about them, sessions, requests.
    requests : int
        Number of requests, partly an estimate.
    minutes : float or None
        Duration at the client's current rate; None if the rate has no limit.
    """

    table: pd.DataFrame
    requests: int
    minutes: float | None

    def __str__(self) -> str:
        return f"{in_words(self.table)}\n{self._time()}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"{self.table.to_html(index=False, border=0)}<p>{self._time()}</p>"

    def _time(self) -> str:
        if self.minutes is None:
            return "The client has no rate limit: as fast as the service answers."
        return f"About {_duration(self.minutes)} at the client's current rate. A sync can be interrupted and resumed."


def plan_sync(
    client: Client,
    store: EventStore,
    start: When,
    end: When,
    *,
    tz: Zone | None = None,
    window: Duration = "7d",
    sample: float | None = None,
    seed: int | None = None,
    refresh: Refresh = False,
) -> SyncPlan:
    """Plan a `sync` with the same arguments, from one request.

    Parameters
    ----------
    client : Client
    store : EventStore
    start, end, tz, window, sample, seed, refresh
        As for `sync`.

    Returns
    -------
    SyncPlan
        Its `table` has the columns item, count and detail; printed, it adds the expected duration. The number of
        sessions of users who are yet to be requested is an estimate.

    Raises
    ------
    ValueError
        As `sync`.
    NucleusError
        When the service does not answer as it should, or the store cannot be used.

    Notes
    -----
    Source: ``users``. Nothing is written.

    Examples
    --------
    >>> app = nu.demo_client(scale=0.1)
    >>> plan = nu.plan_sync(app, nu.EventStore("myapp.duckdb"), "2026-11-01", "2026-11-14")
    >>> int(plan.table.set_index("item").loc["users listed", "count"]) == len(nu.load_users(app))
    True
    """
    database = check_store(store).database
    problems = ParseProblems(PATHS["users"])
    listing = selection.ask_listing(check_client(client), problems)
    state = selection.read_state(database, listing, client.app_id)
    request = read_request(client, listing, state, start, end, tz=tz, window=window, sample=sample, seed=seed)
    state.ask_again(selection.users_to_refresh(state, refresh))
    work = find_work(client, database, listing, state, request)
    return _plan(client, listing, work, request)


def read_request(
    client: Client,
    listing: Listing,
    state: StoreState,
    start: When,
    end: When,
    *,
    tz: Zone | None,
    window: Duration,
    sample: float | None,
    seed: int | None,
) -> SyncRequest:
    """Check the arguments of a sync against the state of the store."""
    now = listing.as_of if listing.dated else client.now()
    span = make_window(start, end, client.tz if tz is None else tz, now=now)
    forms = 'write for example window="7d" or window="12h".'
    length = dt.timedelta(microseconds=read_duration("window", window, forms, zero=True))
    if sample is not None and (isinstance(sample, bool) or not isinstance(sample, int | float) or not 0 < sample <= 1):
        raise ValueError(f"sample={sample!r} must be a share of users greater than 0 and at most 1, such as 0.1.")
    if seed is not None and not is_whole(seed):
        raise ValueError(f"seed={seed!r} must be a whole number.")
    if state.sample is not None and sample is not None and sample < state.sample:
        raise ValueError(
            f"sample={sample!r} is less than the share {state.sample:g} of users that this store follows. Omit "
            "sample to continue with these users, or use another file."
        )
    if state.seed is not None and seed not in (None, state.seed):
        raise ValueError(
            f"seed={seed!r}: the users of this store were drawn with seed={state.seed}. Omit seed to continue with "
            "them, or use another file."
        )
    share = sample if sample is not None else state.sample if state.sample is not None else 1.0
    drawn = state.seed if state.seed is not None else int(seed or 0)
    return SyncRequest(span.start, span.end, span.end + length, float(share), drawn)


def find_work(
    client: Client, database: Database, listing: Listing, state: StoreState, request: SyncRequest
) -> SyncWork:
    """Compare the list with the store."""
    users = selection.decide(listing, state, request.start, request.end, request.sample, request.seed)
    ask = users["decision"].eq("ask").to_numpy()
    days = _days_of_use(listing, users, request)[ask]
    rest = users.loc[users["decision"].eq("unchanged"), "user_no"].tolist()
    gone = state.users[~state.users["user_no"].isin(users["user_no"]) & listing.whole]
    if len(gone) > max(_MOST_GONE, len(state.users) / 2):
        warn_incomplete(
            f"{len(gone):,} of the {len(state.users):,} users in the store are missing from the service's list. So "
            "many at once are not deleted, because something else may be wrong. If it is not, start a new store."
        )
        gone = gone.head(0)
    groups: list[SessionGroup] = []
    pace, basis = _GUESS_A_DAY, "an estimate: one per user, and two a week"
    if database.exists:
        column = "user_db_id" if client.user_path == "_id" else "user_id"
        with database.reading() as connection:
            groups = selection.groups_to_fetch(connection, rest, request.interval, column, listing.as_of)
            known, sessions, active_days = one_row(
                connection,
                "SELECT count(*), (SELECT count(*) FROM kept.sessions), sum(epoch(last_seen - created_at) / 86400 + 1)"
                " FROM kept.users WHERE asked_at IS NOT NULL AND last_seen >= created_at",
            )
        if known >= _ENOUGH_USERS:
            pace, basis = sessions / active_days, "an estimate from the sessions of the users in the store"
    expected = round(float((days * pace).sum()) + (len(days) if basis.endswith("week") else 0))
    others = list(dict.fromkeys(group.user_no for group in groups))
    return SyncWork(users, gone[["user_no", "user_id", "user_db_id"]], others, len(groups), expected, basis)


def _days_of_use(listing: Listing, users: pd.DataFrame, request: SyncRequest) -> Any:
    """On how many days each user may have sessions that are not in the store yet."""
    first, last = pd.Timestamp(request.start), pd.Timestamp(request.window_end)
    created, seen = pd.Series(listing.users["created_at"]), pd.Series(listing.users["last_seen"])
    begin = created.where(created > first, first)
    begin = begin.where(~(users["asked_at"] > begin), users["asked_at"])
    end = seen.where(seen < last, last)
    return (end - begin).dt.total_seconds().clip(lower=0).to_numpy() / DAY_SECONDS + 1


def _plan(client: Client, listing: Listing, work: SyncWork, request: SyncRequest) -> SyncPlan:
    counts = work.users["decision"].value_counts()
    ask = int(counts.get("ask", 0))
    rows = [("users listed", len(work.users), "" if listing.whole else f"of {listing.total:,} that the service counts")]
    rows += [(text, int(counts[key]), _why(key, request)) for key, text in _SKIPPED.items() if key in counts]
    rows += [
        ("users to request", ask, "one request each"),
        (
            "users missing from the list",
            len(work.gone),
            "one request each, to make sure",
        ),
        ("known sessions to fetch", work.groups, "new, grown or incomplete; one request each"),
        ("expected sessions of the users to request", work.expected, work.basis),
    ]
    requests = 1 + ask + len(work.gone) + work.groups + work.expected
    rows.append(("requests", requests, "including the list of users"))
    columns = dict(zip(("item", "count", "detail"), zip(*rows, strict=True), strict=True))
    rate = client.rate
    return SyncPlan(
        make_frame({"item": TEXT, "count": COUNT, "detail": TEXT}, columns),
        requests,
        None if np.isinf(rate) else requests / rate / 60,
    )


def _why(decision: str, request: SyncRequest) -> str:
    reasons = {
        "not seen": f"before {request.start:%Y-%m-%d %H:%M} UTC",
        "created later": f"from {request.end:%Y-%m-%d %H:%M} UTC on",
        "not in the sample": f"it takes {request.sample:g} of each week's new users, drawn with seed {request.seed}",
        "unchanged": "requested 48 hours after they were last seen, or later",
    }
    return reasons.get(decision, "")


def in_words(table: pd.DataFrame) -> str:
    """Format a table of item, count and detail as lines."""
    rows = table.itertuples(index=False)
    return "\n".join(f"{count:>10,}  {item}" + f" ({detail})" * bool(detail) for item, count, detail in rows)


def _duration(minutes: float) -> str:
    if minutes < 2:
        return f"{max(round(minutes * 60), 1)} s"
    return f"{minutes:,.0f} minutes" if minutes < 120 else f"{minutes / 60:,.1f} hours"
