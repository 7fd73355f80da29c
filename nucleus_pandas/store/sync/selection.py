"""Who is asked about: the users' list against what the store knows, and the sample."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from nucleus_pandas.api.client import Answer, Client
from nucleus_pandas.api.endpoints import PATHS
from nucleus_pandas.api.parsing import people
from nucleus_pandas.api.parsing.schemas import part
from nucleus_pandas.api.parsing.values import Losses
from nucleus_pandas.core.dtypes import INSTANT, TEXT
from nucleus_pandas.core.units import ONE_DAY, SETTLING_TIME
from nucleus_pandas.exceptions import StoreError
from nucleus_pandas.store.privacy import tombstones
from nucleus_pandas.store.privacy.tombstones import Erased, Person
from nucleus_pandas.store.schema import BUCKETS, check_app, get_meta
from nucleus_pandas.store.sync.completeness import USER_SHORT

if TYPE_CHECKING:
    from nucleus_pandas.store.database import Database

# The first day of 1970, counted from a Monday.
_THURSDAY = 3

#: What to fetch again although it is known: nothing, everybody, or the users given by either id or as rows with ids.
Refresh = bool | pd.DataFrame | Iterable[str]
#: What is decided about a user of the list.
Decision = Literal["ask", "not seen", "created later", "unchanged", "not in the sample", "forgotten"]


@dataclass(frozen=True)
class Listing:
    """The users' list as it came: columns of the users, their properties, columns of their devices.

    `came` is how many rows came with an id, `total` how many users the service counts, which can be more. `complete`:
    there are users, and each one that the service counts came with an id, so that whoever is not on the list is gone.
    `dated`: whether `as_of` is by the service's clock.
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
        """Whether the service sent all users that it counts."""
        return self.total <= self.came


@dataclass(frozen=True)
class Ledger:
    """What the store knows before a sync.

    Attributes
    ----------
    users : pandas.DataFrame
        user_no, key, chosen, asked_at, asked_seen, retry_at of each user; the last one is missing unless the answer
        about the user fell short.
    sample, seed : float and int, or None for a new store
        The share of users that it follows, and what they were drawn with.
    erased : Erased or None
        Who was erased from the store; None for a new one.
    buried : dict of str to Person
        Those of the ids on the list that belong to somebody who was erased.
    """

    users: pd.DataFrame
    sample: float | None = None
    seed: int | None = None
    erased: Erased | None = None
    buried: Mapping[str, Person] = field(default_factory=dict)

    def ask_again(self, users: Any) -> None:
        """Take what is known of these users, a boolean mask, for outdated."""
        self.users.loc[users, ["asked_at", "asked_seen"]] = pd.NaT


def ask_listing(client: Client, losses: Losses) -> Listing:
    """Ask for the users' list, which takes one request."""
    answer = client.get("users", cached=False)
    rows = part(answer.payload, "data", list, "users")
    users, properties = people.user_columns(rows, losses)
    total = answer.payload.get("total")
    came = sum(type(row) is dict and bool(row.get("_id") or row.get("userId")) for row in rows)
    as_of, dated = _known_until(answer, users["last_seen"], client.now())
    # Without an id of the service's, two rows can be one user.
    keys = pd.Series(user_keys(users["user_id"], users["user_db_id"]), dtype=object)
    kept = np.flatnonzero(~keys.duplicated())
    losses.add("{} users came twice and are counted once", len(keys) - len(kept))
    return Listing(
        {name: values[kept] for name, values in users.items()},
        [properties[row] for row in kept],
        people.device_columns(rows, Losses(PATHS["users"])),  # what is lost was counted with the users
        came,
        total if type(total) is int else came,
        as_of,
        dated=dated,
        complete=type(total) is int and total <= len(kept) > 0 and came == len(rows),
    )


def _known_until(answer: Answer, last_seen: Any, now: dt.datetime) -> tuple[dt.datetime, bool]:
    """Until when the answer is known, and whether that is by the service's clock.

    Without the service's date it is no later than anybody was seen: the clock of this machine may be ahead, and would
    make everything final that still grows. The same holds for a date that is more than a day ahead of both.
    """
    seen = pd.Series(last_seen)
    newest = seen[seen <= min(now, answer.as_of)].max()
    known: dt.datetime = now if pd.isna(newest) else newest.to_pydatetime()
    if answer.dated and answer.as_of <= max(now, known) + ONE_DAY:
        return answer.as_of, True
    return min(known, answer.as_of), False


def read_ledger(database: Database, listing: Listing, app_id: str) -> Ledger:
    """Look up what the store knows of the users of a list; an absent store knows nothing."""
    if not database.exists:
        if (path := tombstones.path_of(database.path)).exists():
            raise StoreError(tombstones.foreign(path))
        return Ledger(_ledger_frame([]))
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT user_no, user_id, user_db_id, chosen, asked_at, asked_seen,"
            f" CASE WHEN {USER_SHORT} THEN retry_at END FROM kept.users u"
        ).fetchall()
        check_app(connection, app_id, database.path)
        sample, seed = get_meta(connection, "sample"), get_meta(connection, "seed")
        erased = tombstones.read_erased(connection, database.path)
    ids = {text for name in ("user_id", "user_db_id") for text in listing.users[name] if text is not pd.NA}
    return Ledger(
        _ledger_frame(rows),
        None if sample is None else float(sample),
        None if seed is None else int(seed),
        erased,
        erased.find(ids - _not_erased(rows, erased)),
    )


def _not_erased(rows: list[tuple[Any, ...]], erased: Erased) -> set[str]:
    """The ids of the users in the store: whoever is erased is deleted from it, so these need no hash, which is slow."""
    if erased.older_store:
        return set()
    doomed = {number for person in erased.undeleted for number in person.users}
    return {text for number, *ids in (row[:3] for row in rows) if number not in doomed for text in ids if text}


def _ledger_frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    columns = ["user_no", "user_id", "user_db_id", "chosen", "asked_at", "asked_seen", "retry_at"]
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    frame = frame.assign(key=user_keys(frame["user_id"], frame["user_db_id"]))
    for name in ("asked_at", "asked_seen", "retry_at"):
        frame[name] = pd.to_datetime(frame[name].astype("datetime64[us]"), utc=True).astype(INSTANT)
    return frame.astype({"user_no": "int32", "chosen": bool})


def users_to_refresh(ledger: Ledger, refresh: Refresh) -> Any:
    """Give which of the store's users are to be fetched again, as a boolean mask.

    Raises
    ------
    TypeError, ValueError
        When `refresh` is none of these, or names somebody who is not in the store.
    """
    if isinstance(refresh, bool):
        return np.full(len(ledger.users), refresh)
    ids = ids_of_users("refresh", refresh)
    known = ledger.users["user_id"].isin(ids) | ledger.users["user_db_id"].isin(ids)
    found = {*ledger.users["user_id"], *ledger.users["user_db_id"]}
    if absent := len(set(ids) - found):
        raise ValueError(
            f"refresh: {absent:,} of {len(set(ids)):,} users are not in the store. Pass rows of store.users() or their "
            "ids, or refresh=True for everybody."
        )
    return known.to_numpy(dtype=bool)


def ids_of_users(name: str, users: pd.DataFrame | Iterable[str]) -> list[str]:
    """Give the ids of users that were passed as rows or as ids; of rows the service's id, else the app's."""
    if isinstance(users, pd.DataFrame):
        columns = [column for column in ("user_db_id", "user_id") if column in users.columns]
        if not columns:
            raise ValueError(f"{name} has neither a column user_id nor user_db_id. Pass rows of store.users(), or ids.")
        return users[columns].bfill(axis=1).iloc[:, 0].dropna().astype(str).tolist()
    ids = [] if isinstance(users, str | Mapping) or not isinstance(users, Iterable) else list(users)
    if isinstance(users, str | Mapping) or not isinstance(users, Iterable) or not all(isinstance(i, str) for i in ids):
        raise TypeError(f"{name} must be rows of store.users(), or a list of ids that are text.")
    return ids


def user_keys(user_id: Any, user_db_id: Any) -> Any:
    """What a user is known by: the service's id, or the app's if there is none; marked, as one could be the other's."""
    db_id = pd.Series(user_db_id, dtype=TEXT).reset_index(drop=True)
    own = pd.Series(user_id, dtype=TEXT).reset_index(drop=True)
    return ("_id:" + db_id).fillna("user_id:" + own).to_numpy(dtype=object)


def _keys_in(ledger: Ledger, user_id: Any, user_db_id: Any) -> Any:
    """Give the keys of users as the store has them: an answer may lack the service's id of somebody who is known."""
    keys = pd.Series(user_keys(user_id, user_db_id))
    known = ledger.users.dropna(subset="user_id").drop_duplicates("user_id", keep=False).set_index("user_id")
    found = known.reindex(pd.Series(user_id, dtype=object))
    lacking = pd.isna(pd.Series(user_db_id)).to_numpy() | found["user_db_id"].isna().to_numpy()
    other = ~keys.isin(ledger.users["key"]).to_numpy() & found["key"].notna().to_numpy() & lacking
    return keys.mask(other, found["key"].reset_index(drop=True)).to_numpy()


def decide(
    listing: Listing, ledger: Ledger, start: dt.datetime, end: dt.datetime, sample: float, seed: int
) -> pd.DataFrame:
    """Decide about each user of the list.

    Returns
    -------
    pandas.DataFrame
        In the order of the list: user_no (new ones are numbered on from the store's), key, bucket, chosen, decision,
        asked_at.
    """
    users = pd.DataFrame({name: listing.users[name] for name in ("user_id", "user_db_id", "created_at", "last_seen")})
    users = users.assign(key=_keys_in(ledger, users["user_id"], users["user_db_id"]))
    known = users[["key"]].merge(ledger.users.drop(columns=["user_id", "user_db_id"]), on="key", how="left")
    numbers = known["user_no"].to_numpy(dtype=float, copy=True)
    fresh = np.isnan(numbers)
    numbers[fresh] = ledger.users["user_no"].to_numpy().max(initial=-1) + 1 + np.arange(fresh.sum())
    before = known["chosen"].eq(other=True).to_numpy()
    erased = list(ledger.buried)
    buried = (users["user_id"].isin(erased) | users["user_db_id"].isin(erased)).to_numpy(dtype=bool)
    chosen = choose(users["key"], users["created_at"], before & ~buried, sample, seed, out=buried)
    seen, created = users["last_seen"], users["created_at"]
    # A clock that runs ahead says nothing about when somebody came.
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
    """Draw a share of the users of each week of creation; who was chosen before stays so, who is `out` never is.

    Each user has a number drawn from the key and the seed. Who was chosen before comes first, then the lowest numbers:
    so a larger sample of the same seed holds the smaller one, and a store that grows by and by may follow others than
    one that is filled at once. Where the share of a week is no whole number, the seed decides whether it is rounded up.
    Where nobody would be chosen at all, the one is whom the smallest sample holds that is not empty.
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


def bucket_of(keys: Iterable[str]) -> Any:
    """Give the bucket of each user: the same on every machine and in every version."""
    hashed = pd.util.hash_array(np.asarray(keys, dtype=object), categorize=False)
    return (hashed % BUCKETS).astype("uint8")


def _draws(keys: Iterable[str], seed: int) -> Any:
    """A number in [0, 1) for each key."""
    hashed = pd.util.hash_array(np.asarray(keys, dtype=object), hash_key=f"{seed % 2**64:016x}", categorize=False)
    return hashed / 2.0**64
