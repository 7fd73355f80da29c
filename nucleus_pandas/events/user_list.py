"""A list of users beside an event log: which user of the log each of them is, and when they were created."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import Bools, Ints, is_group_start
from nucleus_pandas.core.text import counted, worded
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.events.eventlog import EventLog, LogCache
from nucleus_pandas.events.json_properties import JsonProperties
from nucleus_pandas.events.log_columns import column_of, encode, ids, instants, only_one, require, unknown_column

# The users of a log by their ids, for each column of ids.
_PLACES: LogCache[str, dict[object, int]] = LogCache()


class Created(NamedTuple):
    """Users by their code in the log, -1 for who is not in it: when they were created, and the row in the list."""

    user: Ints
    time: Ints
    row: Ints


class Listed(NamedTuple):
    """When each user of a list was created, once a user, and the row in the list."""

    time: Ints
    row: Ints


def list_users(users: pd.DataFrame) -> Listed:
    """Give when each user of a list was created; a warning reports users without a creation time."""
    require(users, ["user_id", "created_at"], "users")
    time, missing = instants(users["created_at"])
    person = ids(users)
    complete = ~missing & (person >= 0)
    if not complete.all():
        warn_incomplete(
            worded(
                f"{{}} of {counted(len(complete), 'user')} [has|have] no id or no created_at and [is|are] left out.",
                int((~complete).sum()),
            )
        )
    row = np.flatnonzero(complete)
    row = row[np.lexsort((time[row], person[row]))]
    row = row[is_group_start(person[row])]
    return Listed(time[row], row)


def place_users(log: EventLog, users: pd.DataFrame, listed: Listed) -> Created:
    """Find users of a list in a log."""
    user = codes_of(log, users.iloc[listed.row])
    order = np.argsort(user, kind="stable")
    return Created(user[order], listed.time[order], listed.row[order])


def created(log: EventLog, users: pd.DataFrame) -> Created:
    """Give when each user of a list was created, once a user."""
    return place_users(log, users, list_users(users))


def user_values(users: pd.DataFrame, name: str, argument: str, *, whose: str) -> pd.Series:
    """Give the values of a column of a table of users, or of one of their properties."""
    column = column_of(users, name, "props")
    if column is not None:
        return users[column]
    in_json = JsonProperties.of(users, "props")
    found = None if in_json is None else in_json.column(name)
    if found is None:
        more = [] if in_json is None else [f"props.{key}" for key in in_json.keys]
        raise unknown_column([*users.columns, *more], name, argument, prefix="props", whose=whose)
    return pd.Series(found[1], index=users.index)


def known_in(log: EventLog, users: pd.DataFrame) -> Bools:
    """Say whose id, of either kind, a log has."""
    known = np.zeros(len(users), dtype=np.bool_)
    for column in ("user_db_id", "user_id"):
        if column in users.columns and column in log.frame.columns:
            known |= users[column].isin(list(_places(log, column))).to_numpy(dtype=np.bool_)
    return known


def check_acquainted(known: Bools, rows: Ints, *, anybody: bool) -> None:
    """Raise where a list of users is another app's, and warn where most of some rows of it have no activity at all.

    `known`: whose ids the log has; `anybody`: whether it has any.
    """
    if len(known) and anybody and not known.any():
        raise ValueError(
            "users and activity have nobody in common, by user_db_id or user_id: pass the users of the same app, for "
            "example those of load_users or store.users()."
        )
    if (strangers := int((~known[rows]).sum())) > len(rows) / 2:
        warn_incomplete(
            f"{strangers:,} of {len(rows):,} users have no activity at all. They count, as users who never came. If "
            "activity was loaded for some users only, pass these as users."
        )


def codes_of(log: EventLog, users: pd.DataFrame) -> Ints:
    """Give the code that each row's user has in the log, -1 for who is not in it.

    As in the log, the service's id goes first; the app's is used where one of the two lacks the other.
    """
    service = "user_db_id" in users.columns and "user_db_id" in log.frame.columns
    found = _look_up(log, users, "user_db_id") if service else np.full(len(users), -1)
    left = found < 0
    if not left.any():
        return found
    by_app = _look_up(log, users, "user_id")
    if service:
        # Two with the same id of the app and other ids of the service are two.
        named = users["user_db_id"].notna().to_numpy(dtype=np.bool_)
        left &= ~(named & np.append(_has_service_id(log), False)[by_app])
    return np.where(left, by_app, found)


def _look_up(log: EventLog, users: pd.DataFrame, column: str) -> Ints:
    """By the ids of one column; an id that several users of the log have is nobody's."""
    place = _places(log, column)
    codes, values = encode(users[column])
    return np.array([*(place.get(value, -1) for value in values), -1], dtype=np.int64)[codes]


def _places(log: EventLog, column: str) -> dict[object, int]:
    """The user of each id that the frame has, kept for the next question; -1 where none or several of the log do."""

    def make() -> dict[object, int]:
        codes, values = encode(log.frame[column])
        user = only_one(codes[log.order], log.user, len(values))
        return dict(zip(values, user.tolist(), strict=True))

    return _PLACES.get(log, column, make)


def _has_service_id(log: EventLog) -> Bools:
    has = np.zeros(int(log.user.max(initial=-1)) + 1, dtype=np.bool_)
    has[log.user[encode(log.frame["user_db_id"])[0][log.order] >= 0]] = True
    return has
