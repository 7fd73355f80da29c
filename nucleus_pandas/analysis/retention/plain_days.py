"""The days on which users were active, read from a plain frame for one question, without making a log of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.people import kind_of
from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.calendar import day_numbers
from nucleus_pandas.events.activity_starts import UserDays
from nucleus_pandas.events.clock_errors import newest
from nucleus_pandas.events.log_columns import ids, instants, names, require

# So many cells of users by days a row may take; where days are few and far between, sorting is better.
_ROOM = 8


@dataclass(frozen=True)
class PlainDays:
    """What is read from a frame: until when, each user's first time, and the days of each, by user and day."""

    as_of_us: int
    user: Ints
    first: Ints
    days: UserDays
    sample: float = 1.0


def plain_days(frame: object, zone: dt.tzinfo, as_of: int | None) -> PlainDays | None:
    """Read an event log without sessions; None for another, and where something is missing or stands out.

    What `EventLog`, `moments` and `user_days` find is found without sorting: users by days are marked in a table.
    """
    if not isinstance(frame, pd.DataFrame) or {"session_id", "kind"} & set(frame.columns) or "event" not in frame:
        return None
    require(frame, ["user_id", "time", "event"])
    time, missing = instants(frame["time"])
    event, known = names(frame["event"])
    if not len(time) or missing.any() or (event < 0).any() or any(kind_of(name) == "system" for name in known):
        return None
    user, day = ids(frame, warn=True), day_numbers(time, zone)
    table = _marked(user, day)
    if table is None:
        return None
    until = newest(time) if as_of is None else as_of
    late = time > until
    if late.any():
        user, day, time = user[~late], day[~late], time[~late]
        table = _marked(user, day) if len(user) else None
        if table is None:
            return None
    marks, low = table
    first = np.full(len(marks), np.iinfo(np.int64).max)
    np.minimum.at(first, user, time)
    who = np.flatnonzero(first < np.iinfo(np.int64).max).astype(user.dtype)
    return PlainDays(until, who, first[who], _days(marks, low))


def _marked(user: Ints, day: Ints) -> tuple[Bools, int] | None:
    """A row a user, a column a day from the lowest on; None where it would be too large, or a user is missing."""
    users, low = int(user.max()) + 1, int(day.min())
    width = int(day.max()) - low + 1
    if user.min() < 0 or users * width > _ROOM * len(user):
        return None
    marks = np.zeros(users * width, dtype=np.bool_)
    marks[user.astype(np.int64) * width + (day - low)] = True
    return marks.reshape(users, width), low


def _days(marks: Bools, low: int) -> UserDays:
    users, width = marks.shape
    user = np.repeat(np.arange(users, dtype=np.int32), marks.sum(axis=1))
    day = np.flatnonzero(marks) - user.astype(np.int64) * width + low
    return UserDays(user, day.astype(np.int32))
