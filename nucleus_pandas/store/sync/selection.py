"""Which users and sessions to request: the users' list compared with the store, the sample, what is out of date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from nucleus_pandas.api.client import Client
from nucleus_pandas.api.endpoints import PATHS
from nucleus_pandas.api.http.api_request import Answer
from nucleus_pandas.api.parsing import people
from nucleus_pandas.api.parsing.schemas import part
from nucleus_pandas.api.parsing.values import ParseProblems
from nucleus_pandas.core.dtypes import INSTANT, TEXT
from nucleus_pandas.core.text import counted, worded
from nucleus_pandas.core.units import ONE_DAY, SETTLING_TIME
from nucleus_pandas.exceptions import StoreError
from nucleus_pandas.store.completeness import USER_SHORT, due
from nucleus_pandas.store.eventstore import ids_of_users
from nucleus_pandas.store.privacy import tombstones
from nucleus_pandas.store.privacy.tombstones import Erased, Person
from nucleus_pandas.store.schema import BUCKETS, check_app, get_meta
from nucleus_pandas.store.sync.writing import Interval, SessionGroup
from nucleus_pandas.store.table_frames import naive

if TYPE_CHECKING:
    import duckdb

    from nucleus_pandas.store.database import Database

# The first day of 1970, counted from a Monday.
_THURSDAY = 3

#: Whom to fetch again: nobody, everybody, or users given as ids of either kind or as rows with ids.
Refresh = bool | pd.DataFrame | Iterable[str]
#: The decision about a user on the list.
Decision = Literal["ask", "not seen", "created later", "unchanged", "not in the sample", "forgotten"]


@dataclass(frozen=True)
class Listing:
    """The users' list as received: columns of the users, their properties, columns of their devices.

    `came` is the number of rows with an id, `total` the number of users that the service counts, which can be larger.
    `complete`: the list has users, and everybody whom the service counts has an id, so a user who is not on it is gone.
    `dated`: whether `as_of` is from the service's clock.
    """

    users: dict[str, Any]
    properties: list[Any]
    devices: dict[str, Any]
    came: int
    total: int
    as_of: dt.datetime
    dated: bool = True
    complete: bool = False

    @property
    def whole(self) -> bool:
        """Whether the list has as many users as the service counts."""
        return self.total <= self.came


@dataclass(frozen=True)
class StoreState:
    """What the store knows before a sync.

    Attributes
    ----------
    users : pandas.DataFrame
        user_no, key, chosen, asked_at, asked_seen, retry_at of each user; the last one only where the answer about the
        user was incomplete.
    sample, seed : float and int, or None for a new store
        The share of users that it follows, and the seed with which they were drawn.
    erased : Erased or None
        Who was erased from the store; None for a new one.
    buried : dict of str to Person
        The ids on the list that belong to erased users.
    """

    users: pd.DataFrame
    sample: float | None = None
    seed: int | None = None
    erased: Erased | None = None
    buried: Mapping[str, Person] = field(default_factory=dict)

    def ask_again(self, users: Any) -> None:
        """Treat what is known of these users, a boolean mask, as outdated."""
        self.users.loc[users, ["asked_at", "asked_seen"]] = pd.NaT


def ask_listing(client: Client, problems: ParseProblems) -> Listing:
    """Request the users' list, which takes one request."""
    answer = client.get("users", cached=False)
    rows = part(answer.payload, "data", list, "users")
    users, properties = people.user_columns(rows, problems)
    total = answer.payload.get("total")
    came = sum(type(row) is dict and bool(row.get("_id") or row.get("userId")) for row in rows)
    as_of, dated = _known_until(answer, users["last_seen"], client.now())
    # Without the service's id, two rows can be the same user.
    keys = pd.Series(user_keys(users["user_id"], users["user_db_id"]), dtype=object)
    kept = np.flatnonzero(~keys.duplicated())
    problems.add("{} [user is|users are] on the list twice and [is|are] counted once", len(keys) - len(kept))
    return Listing(
        {name: values[kept] for name, values in users.items()},
        [properties[row] for row in kept],
        people.device_columns(rows, ParseProblems(PATHS["users"])),  # problems were counted with the users
        came,
        total if type(total) is int else came,
        as_of,
        dated=dated,
        complete=type(total) is int and total <= len(kept) > 0 and came == len(rows),
    )


def _known_until(answer: Answer, last_seen: Any, now: dt.datetime) -> tuple[dt.datetime, bool]:
    """Until when the answer is known, and whether that is from the service's clock.

    Without the service's date it is the newest time at which a user was seen: the clock of this machine may be ahead,
    and data that still grow would count as final. The same applies to a date more than a day ahead of both.
    """
    seen = pd.Series(last_seen)
    newest = seen[seen <= min(now, answer.as_of)].max()
    known: dt.datetime = now if pd.isna(newest) else newest.to_pydatetime()
    if answer.dated and answer.as_of <= max(now, known) + ONE_DAY:
        return answer.as_of, True
    return min(known, answer.as_of), False


def read_state(database: Database, listing: Listing, app_id: str) -> StoreState:
    """Read the state of the store for the users of a list; a missing store is empty."""
    if not database.exists:
        if (path := tombstones.path_of(database.path)).exists():
            raise StoreError(tombstones.foreign(path))
        return StoreState(_user_frame([]))
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT user_no, user_id, user_db_id, chosen, asked_at, asked_seen,"
            f" CASE WHEN {USER_SHORT} THEN retry_at END FROM kept.users u"
        ).fetchall()
        check_app(connection, app_id, database.path)
        sample, seed = get_meta(connection, "sample"), get_meta(connection, "seed")
        erased = tombstones.read_erased(connection, database.path)
    ids = {text for name in ("user_id", "user_db_id") for text in listing.users[name] if text is not pd.NA}
    return StoreState(
        _user_frame(rows),
        None if sample is None else float(sample),
        None if seed is None else int(seed),
        erased,
        erased.find(ids - _not_erased(rows, erased)),
    )


def _not_erased(rows: list[tuple[Any, ...]], erased: Erased) -> set[str]:
    """The ids of users in the store: erased users are deleted from it, so these need no hashing, which is slow."""
    if erased.older_store:
        return set()
    doomed = {number for person in erased.undeleted for number in person.users}
    return {text for number, *ids in (row[:3] for row in rows) if number not in doomed for text in ids if text}


def _user_frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    columns = ["user_no", "user_id", "user_db_id", "chosen", "asked_at", "asked_seen", "retry_at"]
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    frame = frame.assign(key=user_keys(frame["user_id"], frame["user_db_id"]))
    for name in ("asked_at", "asked_seen", "retry_at"):
        frame[name] = pd.to_datetime(frame[name].astype("datetime64[us]"), utc=True).astype(INSTANT)
    return frame.astype({"user_no": "int32", "chosen": bool})


def users_to_refresh(state: StoreState, refresh: Refresh) -> Any:
    """Return which of the store's users to fetch again, as a boolean mask.

    Raises
    ------
    TypeError, ValueError
        When `refresh` has another type, or names a user who is not in the store.
    """
    if isinstance(refresh, bool):
        return np.full(len(state.users), refresh)
    ids = ids_of_users("refresh", refresh)
    known = state.users["user_id"].isin(ids) | state.users["user_db_id"].isin(ids)
    found = {*state.users["user_id"], *state.users["user_db_id"]}
    if absent := len(set(ids) - found):
        raise ValueError(
            worded(f"refresh: {{}} of {counted(len(set(ids)), 'user')} [is|are] not in the store. ", absent)
            + "Pass rows of store.users() or their ids, or refresh=True for everybody."
        )
    return known.to_numpy(dtype=bool)


def user_keys(user_id: Any, user_db_id: Any) -> Any:
    """The key of a user: the service's id, else the app's, with a prefix because the two kinds can collide."""
    db_id = pd.Series(user_db_id, dtype=TEXT).reset_index(drop=True)
    own = pd.Series(user_id, dtype=TEXT).reset_index(drop=True)
    return ("_id:" + db_id).fillna("user_id:" + own).to_numpy(dtype=object)


def _keys_in(state: StoreState, user_id: Any, user_db_id: Any) -> Any:
    """Return the keys of users as the store has them: an answer may lack the service's id of a known user."""
    keys = pd.Series(user_keys(user_id, user_db_id))
    known = state.users.dropna(subset="user_id").drop_duplicates("user_id", keep=False).set_index("user_id")
    found = known.reindex(pd.Series(user_id, dtype=object))
    lacking = pd.isna(pd.Series(user_db_id)).to_numpy() | found["user_db_id"].isna().to_numpy()
    other = ~keys.isin(state.users["key"]).to_numpy() & found["key"].notna().to_numpy() & lacking
    return keys.mask(other, found["key"].reset_index(drop=True)).to_numpy()


def decide(
    listing: Listing, state: StoreState, start: dt.datetime, end: dt.datetime, sample: float, seed: int
) -> pd.DataFrame:
    """Decide what to do about each user on the list.

    Returns
    -------
    pandas.DataFrame
        In the order of the list: user_no (new ones are numbered on from the store's), key, bucket, chosen, decision,
        asked_at.
    """
    users = pd.DataFrame({name: listing.users[name] for name in ("user_id", "user_db_id", "created_at", "last_seen")})
    users = users.assign(key=_keys_in(state, users["user_id"], users["user_db_id"]))
    known = users[["key"]].merge(state.users.drop(columns=["user_id", "user_db_id"]), on="key", how="left")
    numbers = known["user_no"].to_numpy(dtype=float, copy=True)
    fresh = np.isnan(numbers)
    numbers[fresh] = state.users["user_no"].to_numpy().max(initial=-1) + 1 + np.arange(fresh.sum())
    before = known["chosen"].eq(other=True).to_numpy()
    erased = list(state.buried)
    buried = (users["user_id"].isin(erased) | users["user_db_id"].isin(erased)).to_numpy(dtype=bool)
    chosen = choose(users["key"], users["created_at"], before & ~buried, sample, seed, out=buried)
    seen, created = users["last_seen"], users["created_at"]
    # A creation time in the future is from a wrong clock.
    later = (created >= end) & (created <= listing.as_of)
    settled = known["asked_at"] >= seen + SETTLING_TIME
    unchanged = settled & (known["asked_seen"] == seen) & ~(known["retry_at"] <= listing.as_of)
    reasons: dict[Decision, Any] = {
        "forgotten": buried,
        "not in the sample": ~chosen,
        "not seen": seen < start,
        "created later": later,
        "unchanged": unchanged,
    }
    decision = np.select([np.asarray(holds) for holds in reasons.values()], list(reasons), default="ask")
    return pd.DataFrame(
        {
            "user_no": numbers.astype("int32"),
            "key": users["key"],
            "bucket": bucket_of(users["key"]),
            "chosen": chosen,
            "decision": decision,
            "asked_at": known["asked_at"],
        }
    )


def choose(keys: Any, created_at: Any, before: Any, sample: float, seed: int, *, out: Any) -> Any:
    """Draw a share of the users of each week of creation; users chosen before stay, users in `out` are never chosen.

    Each user has a number derived from the key and the seed. Users chosen before come first, then the lowest numbers,
    so a larger sample with the same seed contains the smaller one. A store that grows over time may follow other users
    than one that is filled at once. Where the share of a week is not a whole number, the seed decides whether it is
    rounded up. If nobody would be chosen at all, the first user of the smallest sample that is not empty is.
    """
    days = pd.Series(created_at).dt.tz_localize(None).to_numpy("datetime64[D]").astype("int64")
    week = (days + _THURSDAY) // 7  # of those without a date, one far away
    frame = pd.DataFrame({"week": week, "before": before, "draw": _draws(keys, seed)})[~np.asarray(out)]
    weeks = frame["week"].drop_duplicates()
    luck = pd.Series(_draws(weeks.astype(str), seed), index=weeks)
    size = frame.groupby("week")["draw"].transform("size")
    order = frame.sort_values(["before", "draw"], ascending=[False, True]).groupby("week").cumcount()
    # The smallest sample that holds each user.
    least = (order.reindex(frame.index) + 1 - frame["week"].map(luck)) / size
    chosen = np.zeros(len(week), dtype=bool)
    rows = frame.index.to_numpy()
    chosen[rows[(least <= sample) | frame["before"]]] = True
    if len(frame) and not chosen.any():
        chosen[rows[least.to_numpy().argmin()]] = True
    return chosen


def groups_to_fetch(
    connection: duckdb.DuckDBPyConnection, users: Iterable[int], interval: Interval, path_column: str, now: dt.datetime
) -> list[SessionGroup]:
    """Return the groups of these users with a session that overlaps the interval and has to be fetched.

    That is a session without events, one that has grown, or an incomplete one that is due again.
    """
    condition, values = interval.condition()
    connection.register("wanted", {"user_no": np.array(list(users), dtype=np.int32)})
    rows = connection.execute(
        f"SELECT DISTINCT s.user_no, u.{path_column}, s.device_id, s.session_id FROM kept.sessions s"
        " JOIN kept.users u USING (user_no) WHERE s.user_no IN (FROM wanted)"
        f" AND (s.events_at IS NULL OR s.stale OR {due(connection)})"
        f" AND {condition} AND s.device_id IS NOT NULL AND s.session_id IS NOT NULL AND u.{path_column} IS NOT NULL"
        " ORDER BY ALL",
        [naive(now), *values],
    ).fetchall()
    return [SessionGroup(*row) for row in rows]


def mark_outdated(connection: duckdb.DuckDBPyConnection, users: Iterable[int], interval: Interval) -> None:
    """Mark these users, and their sessions that overlap the interval, to be requested again like new ones."""
    condition, values = interval.condition()
    connection.register("outdated", {"user_no": np.array(list(users), dtype=np.int32)})
    connection.execute(
        "UPDATE kept.users SET asked_at = NULL, asked_seen = NULL, attempts = 0 WHERE user_no IN (FROM outdated)"
    )
    connection.execute(
        "UPDATE kept.sessions s SET stale = events_at IS NOT NULL, attempts = 0"
        f" WHERE user_no IN (FROM outdated) AND {condition}",
        values,
    )


def bucket_of(keys: Iterable[str]) -> Any:
    """Return the bucket of each user: the same on every machine and in every version."""
    hashed = pd.util.hash_array(np.asarray(keys, dtype=object), categorize=False)
    return (hashed % BUCKETS).astype("uint8")


def _draws(keys: Iterable[str], seed: int) -> Any:
    """A number in [0, 1) for each key."""
    hashed = pd.util.hash_array(np.asarray(keys, dtype=object), hash_key=f"{seed % 2**64:016x}", categorize=False)
    return hashed / 2.0**64
