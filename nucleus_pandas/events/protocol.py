"""How an analysis goes through events that are too many for memory: bucket by bucket.

All events of a user lie in one bucket, so what is counted per user adds up over buckets. An analysis of users is an
`Analysis`: `partial` asks one bucket, `merge` puts two answers together, `finish` makes the table. Counts add up as
they are. Medians do not: `funnel` keeps the times of the steps of each user who entered, some 8 bytes a step, and
`paths` the events of each path; both are exact, and few beside the events.

What has to be known of the whole before the first user can be counted is found by a quick pass that adds up as well,
and is then given to each bucket: how often each event occurs (so that an unknown one is known), until when the data
are known and when they begin (the first and the last instant of each day, and how many there were, are all that the
rules for wrong clocks ask), the periods between open ends, which segments are the largest. An analysis takes as many
passes as it has decisions that depend on each other. Warnings come with `finish` or the decisions, once and about the
whole; `partial` never warns.

A source runs `partial` over the buckets and merges. Files and stores have an executor: `serial` takes one bucket after
the other, so that memory holds two and what was found so far, `with_dask` as many at a time as there are workers.
Frames of Dask and Spark go through themselves. None of them knows of analyses, and no analysis knows of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import pandas as pd

from nucleus_pandas.api.loaders.fanout import progress_bar
from nucleus_pandas.core.checks import check_choice
from nucleus_pandas.core.dtypes import TEXT
from nucleus_pandas.events.clock_errors import Times
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.log_columns import names
from nucleus_pandas.store.duckdb_columns import ColumnRequest
from nucleus_pandas.store.partitions import Bucket

# What takes fewer seconds needs no bar.
_SOON = 2

State = TypeVar("State")
Result = TypeVar("Result", covariant=True)


class Analysis(Protocol[State, Result]):
    """What can be asked of each bucket on its own and put together afterwards."""

    def partial(self, log: EventLog) -> State:
        """Ask the log of one bucket."""

    def merge(self, one: State, other: State) -> State:
        """Put the answers of two buckets, or of several, together."""

    def finish(self, state: State) -> Result:
        """Make of the answer of all buckets what was asked for."""


Read = Callable[[Bucket], pd.DataFrame]
Ask = Callable[[pd.DataFrame], Any]
Merge = Callable[[Any, Any], Any]

#: Goes through buckets, of which there is at least one: reads and asks each, and puts the answers together two by two.
#: A bar shows the progress, if wanted, unless the engine shows it itself.
Executor = Callable[[Read, Ask, Merge, Sequence[Bucket], bool], Any]


def serial(read: Read, ask: Ask, merge: Merge, buckets: Sequence[Bucket], progress: bool) -> Any:
    """Ask one bucket after the other while the next one is read, so that two at a time are in memory."""
    with (
        progress_bar(len(buckets), "buckets of users", progress, delay=_SOON) as bar,
        ThreadPoolExecutor(max_workers=1) as reader,
    ):
        coming, state = reader.submit(read, buckets[0]), None
        for number in range(len(buckets)):
            frame = coming.result()
            if number + 1 < len(buckets):
                coming = reader.submit(read, buckets[number + 1])
            answer = ask(frame)
            state = merge(state, answer) if number else answer
            bar.update()
    return state


def with_dask(read: Read, ask: Ask, merge: Merge, buckets: Sequence[Bucket], progress: bool) -> Any:
    """Let Dask ask buckets, on whichever of its schedulers or clusters is the current one; it has bars of its own."""
    try:
        from dask.delayed import delayed
    except ImportError:
        raise ImportError('engine="dask" needs Dask: pip install "nucleus-pandas[dask]".') from None
    # As a function without arguments, as Dask would take a bucket apart to look for something to compute.
    return merged_by_dask([delayed(lambda one=bucket: ask(read(one)), pure=False)() for bucket in buckets], merge)


def merged_by_dask(states: Sequence[Any], merge: Callable[[Any, Any], Any]) -> Any:
    """Let Dask compute answers and put them together."""
    from dask.delayed import delayed

    return in_pairs(states, delayed(merge, pure=False)).compute()


def in_pairs(states: Sequence[Any], merge: Callable[[Any, Any], Any]) -> Any:
    """Put answers, at least one, together in pairs, and these in pairs again."""
    while len(states) > 1:
        pairs = [states[place : place + 2] for place in range(0, len(states), 2)]
        states = [merge(*pair) if len(pair) > 1 else pair[0] for pair in pairs]
    return states[0]


#: Who goes through the buckets.
Engine = Literal["serial", "dask"]
_EXECUTORS: dict[Engine, Executor] = {"serial": serial, "dask": with_dask}


def executor_of(engine: Engine) -> Executor:
    """Give the executor of a name."""
    check_choice("engine", engine, list(_EXECUTORS))
    return _EXECUTORS[engine]


class Source(Protocol):
    """Events that come in buckets, each of all events of some users, and what goes through them."""

    def ask(
        self, question: Callable[[pd.DataFrame], State], merge: Callable[[State, State], State], request: ColumnRequest
    ) -> State:
        """Ask the frame of each bucket, of what is needed only, and put the answers together two by two."""

    def by_user(self, column: str, number: int) -> Source | None:
        """Bring the events of each user together, and say so; None if that has to be done by whoever made them.

        Parameters
        ----------
        column : str
            The one with the user's id.
        number : int
            How many users have events in several buckets.
        """


@dataclass(frozen=True)
class InBuckets:
    """Buckets, at least one, that an executor goes through."""

    buckets: Sequence[Bucket]
    executor: Executor
    progress: bool = False

    def ask(
        self, question: Callable[[pd.DataFrame], State], merge: Callable[[State, State], State], request: ColumnRequest
    ) -> State:
        """Ask each bucket."""
        # Other processes are sent one bucket, not all of them.
        state: State = self.executor(lambda one: one.read(request), question, merge, self.buckets, self.progress)
        return state

    def by_user(self, column: str, number: int) -> None:
        """Leave files as they are."""


def wanted_rows(frame: pd.DataFrame, request: ColumnRequest) -> pd.DataFrame:
    """Leave out the events that a question does not need."""
    if request.events is None:
        return frame
    codes, known = names(frame["event"])
    return frame[np.array([*(name in request.events for name in known), False], dtype=np.bool_)[codes]]


@dataclass(frozen=True)
class Parts:
    """A log that is read bucket by bucket, as far as one question goes.

    Attributes
    ----------
    whole : EventLog
        A log without events that knows of the whole: the names and counts of events, columns, the sample.
    source : Source
    request : ColumnRequest
    times : Times
        When all events happened, those that are not read among them: of each day of UTC the first and the last.
    as_of_us : int
        Until when the data are known, or said to be.
    plain : bool
        Whether texts are to be plain, as somebody's function is to look at them.
    """

    whole: EventLog
    source: Source
    request: ColumnRequest
    times: Times
    as_of_us: int
    plain: bool

    @property
    def sample(self) -> float:
        """The fraction of the users that there are."""
        return self.whole.sample


def answer(analysis: Analysis[State, Result], log: EventLog | Parts) -> Result:
    """Ask an analysis of a log, or of one that comes in parts."""
    if isinstance(log, EventLog):
        return analysis.finish(analysis.partial(log))
    # What is sent to other processes must not hold the source.
    whole, as_of, plain = log.whole, log.as_of_us, log.plain

    def ask(frame: pd.DataFrame) -> State:
        if plain:
            coded = [name for name, dtype in frame.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
            frame = frame.astype(dict.fromkeys(coded, TEXT))
        return analysis.partial(EventLog.part(frame, whole, as_of))

    return analysis.finish(log.source.ask(ask, analysis.merge, log.request))
