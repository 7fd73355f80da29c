"""What a sync will take, before anything but the users' list is asked for."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.api.client import Client, check_client
from nucleus_pandas.api.endpoints import PATHS
from nucleus_pandas.api.parsing.values import Losses
from nucleus_pandas.api.windows import make_window
from nucleus_pandas.core.checks import is_whole
from nucleus_pandas.core.dtypes import COUNT, TEXT, make_frame
from nucleus_pandas.core.durations import Duration, read_duration
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.core.units import DAY_SECONDS
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.store.eventstore import EventStore, check_store
from nucleus_pandas.store.schema import one_row
from nucleus_pandas.store.sync import selection, writing
from nucleus_pandas.store.sync.selection import Ledger, Listing, Refresh
from nucleus_pandas.store.sync.writing import Group, Interval

if TYPE_CHECKING:
    from nucleus_pandas.store.database import Database

# How many sessions a user has, as long as the store knows none: one, and two a week.
_GUESS_A_DAY = 2 / 7
_ENOUGH_USERS = 20
# So many users may be gone at once, or half of them, before it is taken for a mistake.
_MOST_GONE = 10

_SKIPPED = {
    "not in the sample": "users not in the sample",
    "forgotten": "users who were forgotten",
    "not seen": "users not seen since the start",
    "created later": "users created after the end",
    "unchanged": "users unchanged since the last sync",
}


class Request(NamedTuple):
    """What a sync is to bring: the interval as instants, its end with the window, the sample and its seed."""

    start: dt.datetime
    end: dt.datetime
    window_end: dt.datetime
    sample: float
    seed: int

    @property
    def interval(self) -> Interval:
        """The sessions whose events are wanted."""
        return Interval(self.start, self.window_end)


class Work(NamedTuple):
    """What is to be done.

    Attributes
    ----------
    users : pandas.DataFrame
        The decision about each user of the list.
    gone : pandas.DataFrame
        user_no, user_id, user_db_id of the users in the store that a whole list does not hold any more.
    others, groups : list of int and int
        Users who are not asked about and have sessions that are known and not yet fetched, and how many.
    expected, basis : int and str
        A guess at the sessions of the users that are asked about, and what it rests on.
    """

    users: pd.DataFrame
    gone: pd.DataFrame
    others: list[int]
    groups: int
    expected: int
    basis: str


@dataclass(frozen=True)
class SyncPlan:
    """What a sync will take; print it, or look at `table`.

    Attributes
    ----------
    table : pandas.DataFrame
        item, count, detail: users of the list by what will be done about them, sessions, requests.
    requests : int
        How many requests it takes, partly a guess.
    minutes : float or None
        How long that takes at the client's present rate; None if it has no limit.
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
            return "The client has no limit of requests a second: as fast as the service answers."
        return f"About {_duration(self.minutes)} at the client's present rate. A sync can be stopped and gone on with."


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
    """Get what `sync` with the same arguments will take, from one request.

    Parameters
    ----------
    client : Client
    store : EventStore
    start, end, tz, window, sample, seed, refresh
        As for `sync`.

    Returns
    -------
    SyncPlan
        Its `table` has the columns item, count and detail; printed, it says the same in words, and how long it takes.
        How many sessions the users have who are to be asked about is a guess until they are.

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
    losses = Losses(PATHS["users"])
    listing = selection.ask_listing(check_client(client), losses)
    ledger = selection.read_ledger(database, listing, client.app_id)
    asked = read_request(client, listing, ledger, start, end, tz=tz, window=window, sample=sample, seed=seed)
    ledger.ask_again(selection.users_to_refresh(ledger, refresh))
    work = find_work(client, database, listing, ledger, asked)
    return _plan(client, listing, work, asked)


def read_request(
    client: Client,
    listing: Listing,
    ledger: Ledger,
    start: When,
    end: When,
    *,
    tz: Zone | None,
    window: Duration,
    sample: float | None,
    seed: int | None,
) -> Request:
    """Read the arguments of a sync against what the store is."""
    now = listing.as_of if listing.dated else client.now()
    span = make_window(start, end, client.tz if tz is None else tz, now=now)
    forms = 'write for example window="7d" or window="12h".'
    length = dt.timedelta(microseconds=read_duration("window", window, forms, zero=True))
    if sample is not None and (isinstance(sample, bool) or not isinstance(sample, int | float) or not 0 < sample <= 1):
        raise ValueError(f"sample={sample!r} must be a share of users above 0 and up to 1, such as 0.1.")
    if seed is not None and not is_whole(seed):
        raise ValueError(f"seed={seed!r} must be a whole number.")
    if ledger.sample is not None and sample is not None and sample < ledger.sample:
        raise ValueError(
            f"sample={sample!r} is less than the {ledger.sample:g} of users that this store follows already. Leave "
            "sample out to go on with these, or use another file."
        )
    if ledger.seed is not None and seed not in (None, ledger.seed):
        raise ValueError(
            f"seed={seed!r}: the users of this store were drawn with seed={ledger.seed}. Leave seed out to go on with "
            "these, or use another file."
        )
    share = sample if sample is not None else ledger.sample if ledger.sample is not None else 1.0
    drawn = ledger.seed if ledger.seed is not None else int(seed or 0)
    return Request(span.start, span.end, span.end + length, float(share), drawn)


def find_work(client: Client, database: Database, listing: Listing, ledger: Ledger, asked: Request) -> Work:
    """Compare the list with the store."""
    users = selection.decide(listing, ledger, asked.start, asked.end, asked.sample, asked.seed)
    ask = users["decision"].eq("ask").to_numpy()
    days = _days_of_use(listing, users, asked)[ask]
    rest = users.loc[users["decision"].eq("unchanged"), "user_no"].tolist()
    gone = ledger.users[~ledger.users["user_no"].isin(users["user_no"]) & listing.whole]
    if len(gone) > max(_MOST_GONE, len(ledger.users) / 2):
        warn_incomplete(
            f"{len(gone):,} of the {len(ledger.users):,} users in the store are gone from the service's list. So many "
            "at once are not deleted, as something else may be wrong; if it is right, begin a new store."
        )
        gone = gone.head(0)
    groups: list[Group] = []
    pace, basis = _GUESS_A_DAY, "a guess: one for each user, and two a week"
    if database.exists:
        column = "user_db_id" if client.user_path == "_id" else "user_id"
        with database.reading() as connection:
            groups = writing.groups_to_fetch(connection, rest, asked.interval, column, listing.as_of)
            known, sessions, active_days = one_row(
                connection,
                "SELECT count(*), (SELECT count(*) FROM kept.sessions), sum(epoch(last_seen - created_at) / 86400 + 1)"
                " FROM kept.users WHERE asked_at IS NOT NULL AND last_seen >= created_at",
            )
        if known >= _ENOUGH_USERS:
            pace, basis = sessions / active_days, "a guess, from the sessions of the users in the store"
    expected = round(float((days * pace).sum()) + (len(days) if basis.endswith("week") else 0))
    others = list(dict.fromkeys(group.user_no for group in groups))
    return Work(users, gone[["user_no", "user_id", "user_db_id"]], others, len(groups), expected, basis)


def _days_of_use(listing: Listing, users: pd.DataFrame, asked: Request) -> Any:
    """For how many days each user may have sessions that are wanted and not known."""
    first, last = pd.Timestamp(asked.start), pd.Timestamp(asked.window_end)
    created, seen = pd.Series(listing.users["created_at"]), pd.Series(listing.users["last_seen"])
    begin = created.where(created > first, first)
    begin = begin.where(~(users["asked_at"] > begin), users["asked_at"])
    end = seen.where(seen < last, last)
    return (end - begin).dt.total_seconds().clip(lower=0).to_numpy() / DAY_SECONDS + 1


def _plan(client: Client, listing: Listing, work: Work, asked: Request) -> SyncPlan:
    counts = work.users["decision"].value_counts()
    ask = int(counts.get("ask", 0))
    rows = [("users listed", len(work.users), "" if listing.whole else f"of {listing.total:,} that the service counts")]
    rows += [(text, int(counts[key]), _why(key, asked)) for key, text in _SKIPPED.items() if key in counts]
    rows += [
        ("users to ask", ask, "a request each"),
        (
            "users gone from the list",
            len(work.gone),
            "a request each, to be sure",
        ),
        ("known sessions to fetch", work.groups, "new, grown or incomplete; a request each"),
        ("sessions expected of the users to ask", work.expected, work.basis),
    ]
    requests = 1 + ask + len(work.gone) + work.groups + work.expected
    rows.append(("requests", requests, "the list of users among them"))
    columns = dict(zip(("item", "count", "detail"), zip(*rows, strict=True), strict=True))
    rate = client.rate
    return SyncPlan(
        make_frame({"item": TEXT, "count": COUNT, "detail": TEXT}, columns),
        requests,
        None if np.isinf(rate) else requests / rate / 60,
    )


def _why(decision: str, asked: Request) -> str:
    reasons = {
        "not seen": f"before {asked.start:%Y-%m-%d %H:%M} UTC",
        "created later": f"from {asked.end:%Y-%m-%d %H:%M} UTC on",
        "not in the sample": f"it takes {asked.sample:g} of each week's new users, drawn with seed {asked.seed}",
        "unchanged": "asked about 48 hours after they were seen last, or later",
    }
    return reasons.get(decision, "")


def in_words(table: pd.DataFrame) -> str:
    """Give a table of item, count and detail as lines."""
    rows = table.itertuples(index=False)
    return "\n".join(f"{count:>10,}  {item}" + f" ({detail})" * bool(detail) for item, count, detail in rows)


def _duration(minutes: float) -> str:
    if minutes < 2:
        return f"{max(round(minutes * 60), 1)} s"
    return f"{minutes:,.0f} minutes" if minutes < 120 else f"{minutes / 60:,.1f} hours"
