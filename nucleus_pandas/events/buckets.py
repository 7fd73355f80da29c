"""`Buckets`: events that are too many for memory, asked bucket by bucket."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import Ints
from nucleus_pandas.core.checks import read_span
from nucleus_pandas.core.instants import When, instant_of
from nucleus_pandas.core.text import counted
from nucleus_pandas.events.bucket_sources import Opened, check_fits, of_kinds, open_source
from nucleus_pandas.events.clock_errors import Times, days_of_utc, newest
from nucleus_pandas.events.eventlog import CONTEXT, EventLog
from nucleus_pandas.events.log_columns import instants, require, unknown_column
from nucleus_pandas.events.protocol import Engine, InBuckets, Parts, executor_of
from nucleus_pandas.events.refusal import Parted, how_to_fit, is_spread
from nucleus_pandas.events.row_checks import checked_sample
from nucleus_pandas.events.steps import Step, columns_of, find_column, rows_of
from nucleus_pandas.events.survey import Facts, check, look, split_users, together, user_column
from nucleus_pandas.store.duckdb_columns import ColumnRequest
from nucleus_pandas.store.export import EVENT_NO
from nucleus_pandas.store.gaps import warn_of_gaps
from nucleus_pandas.store.partitions import Bucket
from nucleus_pandas.store.properties import Property

#: The columns that make a session.
SESSION = ("session_id", "device_id", "session_start")
#: The columns from which starts of sessions are found.
STARTS = (*SESSION, "kind")
_IDS = ("user_id", "user_db_id")


class Buckets(Parted):
    """Events that are too many for memory, to be asked many times, one bucket of users after the other.

    `funnel`, `funnel_trend`, `paths`, `retention`, `active_users`, `growth`, `error_free`, `crash_free` and
    `version_adoption` take it in place of a log, and give the same tables. They take a frame of Dask or Spark as well,
    and make `Buckets` of it on the way in. Memory holds two buckets at a time, of small ones a million events each, of
    large ones the users with some four million; and for `funnel` and `paths`, some bytes a step for each user who
    entered.

    Parameters
    ----------
    source : path, EventStore, or DataFrame of Dask or Spark
        A folder that `EventStore.export` wrote, or one of your own with a folder of Parquet files for each bucket,
        named ``bucket=0``, ``bucket=1``, …: with the columns user_id, time and event, and all events of a user in one
        bucket. A folder without buckets will do as well, but is slower. Times without a zone are UTC. Of a store, all
        its events. Of a Dask frame each partition is a bucket. A Spark frame (``pip install "nucleus-pandas[spark]"``)
        is put into buckets by Spark, for each question.
    sample : float, optional
        The fraction of the users that there are, if it is a sample of them. By default 1, or what the store or the
        export says.
    as_of : str, date or datetime, optional
        Until when the data are known; a date is the whole day in UTC. By default when the store was synced last, or the
        newest time in the data, see `EventLog`.
    engine : {"serial", "dask"}, optional
        Who goes through files or a store. Serial, the default: one bucket after the other. Dask (``pip install
        "nucleus-pandas[dask]"``): as many at a time as there are workers of the current scheduler or cluster, each of
        which must be able to read the files.
    progress : bool
        Show a bar in a notebook or a terminal where one bucket after the other is asked, and that takes a while.

    Raises
    ------
    TypeError
        If `source` is something else, or times are no instants.
    ValueError
        If there are no files in the folder, columns are missing, times of a frame are naive, events of a user lie in
        several buckets, or no single column identifies users; for an `engine` that is not known.
    ImportError
        If Dask is not installed, for its engine; if Spark is older than 4.
    StoreError
        If files, or the store, cannot be read.

    Warns
    -----
    IncompleteDataWarning
        As `EventLog`, once and about the whole.
    UserWarning
        When a user has a million events or more and most of a bucket: all of them have to be in memory. When events of
        a user lie in several partitions of a Dask frame, which is then shuffled once and kept in memory by the workers.

    Notes
    -----
    Numbers are those of an `EventLog` of the same events; but dates, lists and the like in files of your own are text.
    Of a store, too, its events count; ``growth(store)`` and ``retention(store)`` go by its sessions, of which it may
    know more. A *user* is user_db_id where there is such a column, else user_id; texts are compared by a hash of 64
    bits.

    A function in ``where=`` of a step sees one bucket at a time, so that it must judge each row on its own. It is given
    all columns, which makes it slow; so are ids, as ``retention(users=...)`` needs them.

    Making it goes through all events once, to learn what has to be known of the whole: the names, until when the data
    are known, and that no user is in two buckets. Each question then reads the columns and events that it needs, one
    to four times: where it needs to it first finds the periods, and then, with ``by=``, the segments. A bucket of more
    than four million events, or a folder without buckets, is gone through several times, for a share of its users each.
    After a sync, or when files have changed, make it again.

    A Spark frame is read again for each question: `cache` one that takes long to compute. Its workers must have this
    library, and the Python of the driver: set the environment variable PYSPARK_PYTHON. Events of one instant are in the
    order of event_no, or of the rows as Spark reads them. Whatever a worker raises is raised here.

    Analyses that do not take it say so.

    Examples
    --------
    >>> app = nu.demo_client(scale=0.1)
    >>> store = nu.EventStore("large.duckdb")
    >>> report = nu.sync(app, store, "2026-11-01", "2026-11-14")
    >>> files = store.export("large")
    >>> large = nu.Buckets("large")
    >>> table = nu.funnel(large, ["init", "PROJECT_CREATED"])
    >>> table["users"].tolist() == nu.funnel(store, ["init", "PROJECT_CREATED"])["users"].tolist()
    True
    """

    def __init__(
        self,
        source: object,
        *,
        sample: float | None = None,
        as_of: When | None = None,
        engine: Engine | None = None,
        progress: bool = True,
    ) -> None:
        opened = open_source(source, engine, progress=progress)
        about = opened.about
        recorded = about.get("as_of")
        self._make(
            opened,
            sample=checked_sample(about.get("sample") if sample is None else sample),
            as_of=_utc(recorded) if as_of is None and recorded is not None else as_of,
            spans=tuple((_utc(begin), _utc(end)) for begin, end in about.get("spans", [])),
        )
        self._look()
        warn_of_gaps(about.get("gaps", []))

    @classmethod
    def of(
        cls,
        buckets: Sequence[Bucket],
        columns: Iterable[str],
        *,
        sample: float | None = None,
        as_of: When | None = None,
        engine: Engine = "serial",
    ) -> Buckets:
        """Take buckets that are read in another way; all have the same columns."""
        made = cls.__new__(cls)
        opened = of_kinds(InBuckets(buckets, executor_of(engine)), dict.fromkeys(columns, ""), {})
        made._make(opened, sample=checked_sample(sample), as_of=as_of, spans=())
        made._look()
        return made

    @classmethod
    def of_frame(cls, frame: object) -> Buckets:
        """Take a frame of Dask or Spark for one question: nothing is computed before the columns of that are there."""
        made = cls.__new__(cls)
        made._make(open_source(frame, None, progress=False), sample=1.0, as_of=None, spans=())
        return made

    def _make(
        self,
        opened: Opened,
        *,
        sample: float,
        as_of: When | None,
        spans: tuple[tuple[dt.datetime, dt.datetime], ...],
    ) -> None:
        columns, self._kinds, self._source = opened.columns, dict(opened.kinds), opened.source
        self._find, self._properties = opened.properties, dict[str, Property]()
        require(columns, ["user_id", "time", "event"], "Buckets")
        instants(columns["time"])
        self._as_of_us = read_span(None, None, None, as_of).as_of
        #: A log without events that knows the columns, before anything is read.
        self.bare = EventLog.whole(columns, {}, sample, spans)
        self._facts: Facts | None = None

    def _look(self) -> Facts:
        """Learn once what has to be known of the whole; where users are in several buckets, bring them together."""
        if self._facts is None:
            named = tuple(name for name in self.bare.frame if name in (*_IDS, "time", "event"))
            wanted = ColumnRequest(named, alike=frozenset(_IDS))
            facts: Facts = self._source.ask(look, together, wanted)
            if several := split_users(facts):
                gathered = self._source.by_user(user_column(self.bare.frame), several)
                if gathered is not None:
                    self._source, facts = gathered, gathered.ask(look, together, wanted)
            check(facts, user_column(self.bare.frame))
            self._facts = facts
        return self._facts

    @cached_property
    def whole(self) -> EventLog:
        """A log without events that knows of the whole."""
        return EventLog.whole(self.bare.frame, self._look().counts, self.bare.sample, self.bare.spans)

    def __len__(self) -> int:
        """The number of events."""
        return int(self.whole.counts.sum())

    @property
    def names(self) -> list[str]:
        """The names of events."""
        return self.whole.names

    @property
    def counts(self) -> Ints:
        """How often each of `names` occurs."""
        return self.whole.counts

    @property
    def columns(self) -> list[str]:
        """The columns of the events."""
        return list(self.bare.frame.columns)

    def __repr__(self) -> str:
        users = len(self._look().users)
        events, names = int(self.whole.counts.sum()), int((self.whole.counts > 0).sum())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the first analysis warns about clocks that are ahead
            known = f", known until {instant_of(self._until()):%Y-%m-%d %H:%M}" if events else ""
        return f"Buckets: {counted(users, 'user')}, {counted(events, 'event')} of {counted(names, 'name')}{known}"

    @cached_property
    def as_of_us(self) -> int:
        """Until when the data are known, in microseconds since 1970."""
        return self._until()

    def _until(self) -> int:
        return newest(self.times) if self._as_of_us is None else self._as_of_us

    @property
    def as_of(self) -> Any:
        """Until when the data are known; missing where there are none."""
        if not len(self.times.moments):
            return pd.NaT
        return pd.Timestamp(instant_of(self.as_of_us)).as_unit("us")

    @property
    def times(self) -> Times:
        """When all events happened, those that are left out among them: of each day of UTC the first and the last."""
        return self._look().times

    def first_since(self, moment: int) -> int:
        """Give the first time from a moment on; there is one."""
        later = self.times.since(moment)
        day = int(days_of_utc(np.array([moment]))[0])
        before = self.times.moments[self.times.moments < moment]
        if not (days_of_utc(before) == day).any() or int(days_of_utc(later.moments[:1])[0]) != day:
            return int(later.moments.min())
        # Of a day that is cut, the first and the last time of all say nothing.
        return self._source.ask(lambda frame: _first_since(frame, moment), min, ColumnRequest(("time",)))

    def _check_types(self, one: Step) -> None:
        """Raise where a value is looked for that a column cannot hold: files spell what is not of one type."""
        for name, wanted in one.where.items() if isinstance(one.where, Mapping) else ():
            column = self._column(str(name), "where")
            check_fits(self._kinds[column], column, wanted)

    def _column(self, name: str, argument: str) -> str:
        """Return the column for a name, adding it first if it is a property in the JSON column data."""
        if self.bare.find(name) is None:
            self._add(self._find({name, name.removeprefix("data.")}).chosen)
        if self.bare.find(name) is None:
            frequent = self._find(None).chosen
            self._add([one for one in frequent if one.name == f"data.{name.removeprefix('data.')}"])
            if self.bare.find(name) is None:
                known = dict.fromkeys([*self.bare.frame.columns, *(one.name for one in frequent)])
                raise unknown_column(known, name, argument, prefix="data", whose="the log")
        return find_column(self.bare, name, argument)

    def _add(self, properties: Iterable[Property]) -> None:
        """Add columns that are extracted from JSON when a bucket is read."""
        new: dict[str, Property] = {}
        for one in properties:
            if one.name not in self.bare.frame.columns:
                new.setdefault(one.name, one)  # of keys that look the same, the first counts, as in a log
        if new:
            self._properties |= new
            self._kinds |= {name: "JSON" if one.mixed else one.kind for name, one in new.items()}
            for log in (self.bare, self.whole):
                log.frame = pd.concat([log.frame, pd.DataFrame(columns=list(new), dtype=object)], axis=1)

    def parts(
        self,
        *,
        as_of: int | None = None,
        steps: Collection[tuple[str, Step]] = (),
        by: str | None = None,
        columns: Collection[str] = (),
        every: bool = True,
        named: bool = False,
    ) -> Parts:
        """Give the log part by part, with what a question needs.

        Parameters
        ----------
        as_of : int, optional
            Until when the data are known, if `as_of` was given.
        steps : collection of (str, Step)
            The events that are asked for, each with the name of its place in messages.
        by : str, optional
            A column, or property, that values are taken from.
        columns : collection of str
            Further columns, as far as there are any.
        every : bool
            Whether events other than those of the steps are needed.
        named : bool
            Whether the ids of users are looked at, and not only whether they are the same.

        Raises
        ------
        ValueError
            For an event or a column that is not there, before anything is read.
        """
        needed = {*_IDS, "time", "event", EVENT_NO, *columns}
        looked_at = {self._column(name, "where") for _, one in steps for name in columns_of(one)}
        looked_at |= set() if by is None else {self._column(by, "by")}
        needed |= looked_at
        free = False
        for place, one in steps:
            free |= callable(one.where)
            rows_of(Step(one.events) if callable(one.where) else one, self.whole, place)
            self._check_types(one)
        if free:
            self._add(self._find(None).chosen)
        known = list(self.bare.frame.columns)
        if free:
            needed, every = set(known), True
        elif needed & set(CONTEXT) and "session_id" in known:
            # What the first event of a session has holds for the others.
            needed, every = needed | set(SESSION), True
        request = ColumnRequest(
            tuple(name for name in known if name in needed),
            None if every else frozenset(name for _, one in steps for name in one.events),
            frozenset() if free or named else frozenset({*_IDS, "device_id", "session_id"} - looked_at),
            tuple(one for name, one in self._properties.items() if name in needed),
        )
        until = self.as_of_us if as_of is None else as_of
        return Parts(self.whole, self._source, request, self.times, until, plain=free)


def in_parts(events: Any) -> Any:
    """Make `Buckets` of a Dask or Spark frame; leave other things as they are."""
    if not is_spread(events):
        return events
    if "event" not in events.columns and "start" in events.columns:
        raise ValueError(
            f"a table of sessions cannot come in parts. Pass a frame of events, or one of pandas.{how_to_fit(events)}"
        )
    return Buckets.of_frame(events)


def _first_since(frame: pd.DataFrame, moment: int) -> int:
    time, missing = instants(frame["time"])
    return int(time[~missing & (time >= moment)].min(initial=np.iinfo(np.int64).max))


def _utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
