"""The list of users: when each account was created, and when each user was last seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.checks import read_span
from nucleus_pandas.core.instants import When, Zone, microseconds
from nucleus_pandas.core.text import counted, worded
from nucleus_pandas.core.units import SETTLING
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.events.clock_errors import newest, oldest_credible
from nucleus_pandas.events.log_columns import instants, require
from nucleus_pandas.events.refusal import how_to_fit
from nucleus_pandas.events.segments import Segments, rank_segments
from nucleus_pandas.events.user_list import user_values
from nucleus_pandas.store.eventstore import EventStore
from nucleus_pandas.store.table_frames import read_users_with_json

#: The list of users.
Users = pd.DataFrame | EventStore


class Lifetimes(NamedTuple):
    """The users of a list who were created in an interval: their rows, and two instants each in microseconds."""

    frame: pd.DataFrame
    created: Ints
    seen: Ints
    as_of: int
    sample: float

    def segments(self, by: str | None, counted: Bools, top: int) -> Segments:
        """Give each user the value of a column or property; all are of one segment without a name where none is."""
        if by is None:
            return Segments([""], np.zeros(len(self.frame), dtype=np.intp))
        if not isinstance(by, str):
            raise TypeError(
                f'by is of type {type(by).__name__}; write the name of one column, for example by="platform".'
            )
        return rank_segments(user_values(self.frame, by, "by", whose="the list of users"), counted, top)


def read_lifetimes(users: Users, start: When | None, end: When | None, tz: Zone, as_of: When | None) -> Lifetimes:
    """Check the list of users that an analysis was given, and take from it those created in [start, end)."""
    start_us, end_us, as_of_us, _ = read_span(start, end, tz, as_of)
    sample = 1.0
    if isinstance(users, EventStore):
        info = users.info()
        with users.database.reading() as connection:
            sample, frame = info.sample, read_users_with_json(connection)
        users = frame
        as_of_us = microseconds(info.as_of) if as_of_us is None and info.as_of is not None else as_of_us
    elif not isinstance(users, pd.DataFrame):
        raise TypeError(
            f"users is of type {type(users).__name__}; pass the DataFrame of load_users, or an EventStore."
            f"{how_to_fit(users)}"
        )
    require(users, ["created_at", "last_seen"], "a list of users")
    created, no_created = instants(users["created_at"])
    seen, no_seen = instants(users["last_seen"])
    as_of_us = newest(seen[~no_seen], "times of last_seen") if as_of_us is None else as_of_us
    lacks = {
        "[stands|stand] there twice": _again(users, seen),
        "[has|have] no created_at": no_created,
        "[has|have] no last_seen": no_seen,
    }
    kept = _kept(lacks, created - seen > SETTLING)
    seen = np.maximum(seen, created)
    kept &= created <= as_of_us
    if start_us is None and kept.any():
        start_us = oldest_credible(created[kept], "times of created_at")
    kept &= True if start_us is None else created >= start_us
    kept &= True if end_us is None else created < end_us
    return Lifetimes(users[kept], created[kept], seen[kept], as_of_us, sample)


def _again(users: pd.DataFrame, seen: Ints) -> Bools:
    """Which rows repeat a user whom another row saw later, as where pages of a list overlap."""
    if "user_db_id" not in users.columns:
        return np.zeros(len(users), dtype=np.bool_)
    order = np.argsort(seen, kind="stable")
    user = users["user_db_id"].iloc[order]
    again = np.zeros(len(users), dtype=np.bool_)
    again[order] = (user.duplicated(keep="last") & user.notna()).to_numpy()
    return again


def _kept(lacks: dict[str, Bools], turned: Bools) -> Bools:
    """Which users have both instants in order; one warning reports the others.

    What is sent late can be dated up to 48 hours before the account that it made.
    """
    bad: Bools = np.logical_or.reduce(list(lacks.values()))
    lacks = lacks | {"[was|were] seen last more than 48 hours before their creation": turned & ~bad}
    bad |= turned
    reasons = [worded(f"{{}} {what}", int(lack.sum())) for what, lack in lacks.items() if lack.any()]
    if reasons:
        left_out = worded(f"{{}} of {counted(len(bad), 'user')} [is|are] left out", int(bad.sum()))
        warn_incomplete(f"{left_out}: {', '.join(reasons)}.")
    return ~bad
