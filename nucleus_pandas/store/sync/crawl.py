"""Many requests at once, and one transaction at a time for their answers.

Threads send the requests; the calling thread writes. An answer about a user adds the sessions to request, and these go
first, so the queue does not grow with the number of sessions. At most `BATCH` answers are not in the store yet; only
these are requested again after a crash.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nucleus_pandas.api.client import Client
from nucleus_pandas.api.endpoints import PATHS
from nucleus_pandas.api.http.api_request import Answer
from nucleus_pandas.api.loaders.fanout import progress_bar
from nucleus_pandas.api.parsing import people
from nucleus_pandas.api.parsing.schemas import part
from nucleus_pandas.api.parsing.values import ParseProblems
from nucleus_pandas.api.refusals import Refusals, may_concern_one
from nucleus_pandas.core.units import ONE_DAY
from nucleus_pandas.exceptions import (
    AuthenticationError,
    NotFoundError,
    NucleusError,
    PayloadError,
    RateLimitError,
    StoreLockedError,
    UnaskableError,
)
from nucleus_pandas.store.sync import selection, writing
from nucleus_pandas.store.sync.writing import EventsAnswer, Interval, SessionGroup, Tally, UserAnswer

if TYPE_CHECKING:
    import duckdb

    from nucleus_pandas.store.database import Database

#: How many answers may be in memory or on their way.
BATCH = 1000
# A transaction is due after so many answers, so many events, or so many seconds.
_WORTH = 500
_WORTH_EVENTS = 20_000
_WORTH_SECONDS = 1.0
#: So many unknown users in a row mean that the service expects the other kind of id.
_UNKNOWN_USERS = 10
#: So many unreadable answers of a kind, without a readable one, mean that the service has changed.
_UNREADABLE = 20
#: How many times to wait, 10 seconds each, for a store that others keep open.
_PATIENT = 30
_TICK = 0.1
#: How much later than the list of users the data of an answer can be.
_LONGEST = ONE_DAY
_ENOUGH_TO_GUESS = 20


class _AnotherUserError(PayloadError):
    """The answer is about another user: the id now belongs to another account, or answers were mixed up."""


@dataclass(frozen=True)
class UserTask:
    """A user to request.

    Attributes
    ----------
    user_id, user_db_id, path_id : str
        The ids, and the one that the client puts into the path.
    listed : bool
        Whether the user is still on the users' list.
    """

    user_no: int
    user_id: str | None
    user_db_id: str | None
    path_id: str
    listed: bool

    @property
    def two_ids(self) -> bool:
        """Whether the app's id differs from the service's: only such a user shows which of them a path takes."""
        return self.user_db_id is not None and self.user_id is not None and self.user_id != self.user_db_id


@dataclass
class Outcome:
    """The outcome of a crawl.

    Attributes
    ----------
    users : int
        Users whose sessions were requested.
    tally : Tally
        Sessions and events that were written.
    requests : int
        Requests that were answered or failed.
    user_failures, group_failures : dict
        Why users and sessions could not be loaded.
    vanished, unsure : list of int
        Users who are not on the list and unknown to the service: for certain, or only if it takes the kind of id that
        the client uses.
    path_works : bool
        Whether a user with two ids was found by the one that the client uses.
    error : NucleusError or None
        What ended the crawl early.
    """

    users: int = 0
    tally: Tally = field(default_factory=Tally)
    requests: int = 0
    user_failures: dict[int, str] = field(default_factory=dict)
    group_failures: dict[SessionGroup, str] = field(default_factory=dict)
    vanished: list[int] = field(default_factory=list)
    unsure: list[int] = field(default_factory=list)
    path_works: bool = False
    error: NucleusError | None = None

    @property
    def failures(self) -> int:
        """How many users and sessions could not be loaded."""
        return len(self.user_failures) + len(self.group_failures)


class Crawl:
    """One run over users and their sessions.

    Parameters
    ----------
    client : Client
    database : Database
    users : iterable of UserTask
        Users to request.
    others : iterable of int
        Users whose lists of sessions are known and whose events may still have to be fetched.
    interval : Interval
        Sessions to fetch.
    now : datetime
        The present, for deciding which incomplete sessions are due again.
    dated : bool
        Whether `now` is from the service's clock.
    expected : int
        Expected number of requests, for the progress bar.
    """

    def __init__(
        self,
        client: Client,
        database: Database,
        users: Iterable[UserTask],
        others: Iterable[int],
        interval: Interval,
        *,
        now: dt.datetime,
        dated: bool,
        expected: int,
        progress: bool,
    ) -> None:
        self.outcome = Outcome()
        self.problems = (ParseProblems(PATHS["user"]), ParseProblems(PATHS["session_events"]))
        self._client, self._database, self._interval = client, database, interval
        self._now, self._dated = now, dated
        self._path_column = "user_db_id" if client.user_path == "_id" else "user_id"
        self._users, self._others, self._groups = deque(users), deque(others), deque[SessionGroup]()
        self._done: list[UserAnswer | EventsAnswer] = []
        self._since, self._events = 0.0, 0  # time of the first of these, and the number of their events
        self._unsaved = 0  # taken by a thread and not in the store yet
        self._written: list[UserAnswer | EventsAnswer] = []  # the answers of the current transaction
        self._refusals = Refusals(client)
        self._refused_user = -1  # the last one
        self._readable: set[type] = set()  # kinds of tasks with a readable answer
        self._unreadable: Counter[type] = Counter()
        self._unknown_on_end = 0
        self._mistake: Exception | None = None
        self._stopped = False
        self._lock = threading.Lock()
        self._to_ask, self._to_write = threading.Condition(self._lock), threading.Condition(self._lock)
        self._threads: set[int] = set()
        self._opened = 0
        self._bar = progress_bar(expected, "users and sessions", progress)

    def run(self) -> Outcome:
        """Send requests until nothing is left; answers before an error or interrupt are always written."""
        for number in range(self._client.max_workers):
            threading.Thread(target=self._work, name=f"nucleus-pandas-{number}", daemon=True).start()
        try:
            with self._bar:
                while (batch := self._next_batch()) is not None:
                    self._write(batch)
        except KeyboardInterrupt:
            self._stop()
            # Writing the same answers twice does no harm.
            self._write(self._written + (self._next_batch() or []))
            raise
        finally:
            self._stop()
        if self._mistake:
            raise self._mistake
        return self.outcome

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            self._to_ask.notify_all()
            threads = list(self._threads)
        self._client.give_up(threads)

    # Runs in the threads.

    def _work(self) -> None:
        with self._lock:
            self._threads.add(threading.get_ident())
        while (task := self._take()) is not None:
            try:
                answer = self._ask(task)
            except Exception as error:
                self._fail(task, error, self._verdict(task, error))
            else:
                self._put(task, answer)

    def _take(self) -> UserTask | SessionGroup | None:
        """The next task, sessions first; None at the end."""
        with self._lock:
            while not self._stopped:
                if self._unsaved < BATCH and (self._groups or self._users):
                    self._unsaved += 1
                    return self._groups.popleft() if self._groups else self._users.popleft()
                if self._all_done():
                    return None
                self._to_ask.wait()
            return None

    def _ask(self, task: UserTask | SessionGroup) -> UserAnswer | EventsAnswer:
        if isinstance(task, UserTask):
            answer = self._client.get("user", task.path_id, cached=False)
            if not people.is_about(part(answer.payload, "user", dict, "user"), task.user_id, task.user_db_id):
                raise _AnotherUserError("The answer is about another user.", endpoint=PATHS["user"])
            return UserAnswer(task.user_no, part(answer.payload, "sessions", list, "user"), self._known_until(answer))
        answer = self._client.get(
            "session_events", task.path_id, task.session_id, params={"device": task.device_id}, cached=False
        )
        return EventsAnswer(task, part(answer.payload, "data", list, "session_events"), self._known_until(answer))

    def _known_until(self, answer: Answer) -> dt.datetime:
        # In a longer crawl, data count as known a little too early; a wrong clock never makes them known too late.
        return min(answer.as_of, self._now + (_LONGEST if self._dated else dt.timedelta()))

    def _put(self, task: UserTask | SessionGroup, answer: UserAnswer | EventsAnswer) -> None:
        self._refusals.answered()
        with self._lock:
            self.outcome.requests += 1
            self._readable.add(type(task))
            if isinstance(task, UserTask) and task.two_ids:
                self._unknown_on_end, self.outcome.path_works = 0, True
            self._since = self._since if self._done else time.monotonic()
            self._done.append(answer)
            self._events += len(answer.events) if isinstance(answer, EventsAnswer) else 0
            if self._stopped or self._worth_writing() or self._all_done():
                self._to_write.notify()

    def _verdict(self, task: UserTask | SessionGroup, error: Exception) -> NucleusError | None:
        """The error that ends the crawl, if this one concerns more than a single user."""
        if self._stopped:
            return None
        if isinstance(error, NotFoundError):
            self._refusals.answered()
        elif isinstance(error, NucleusError) and not isinstance(error, PayloadError):
            if not may_concern_one(error):
                return error
            before, self._refused_user = self._refused_user, task.user_no
            # A requested wait ends the crawl only if it also concerns other users.
            if not (isinstance(error, RateLimitError) and before == task.user_no):
                return self._refusals.refused(error)
        return None

    def _fail(self, task: UserTask | SessionGroup, error: Exception, end: NucleusError | None) -> None:
        """Set one user or session aside, or end the crawl."""
        with self._lock:
            if self._stopped:
                return  # the request was probably cancelled
            self.outcome.requests += 1
            self._unsaved -= 1
            if not isinstance(error, NucleusError | UnaskableError):
                self._mistake, self._stopped = error, True
            else:
                self.outcome.error = end or self._set_aside(task, error)
                self._stopped = self.outcome.error is not None
            self._to_ask.notify()
            if self._stopped or self._worth_writing() or self._all_done():
                self._to_write.notify()

    def _set_aside(self, task: UserTask | SessionGroup, error: NucleusError | UnaskableError) -> NucleusError | None:
        """Record why a user or session could not be loaded; return the error if it concerns all of them."""
        unknown = isinstance(error, NotFoundError)
        if isinstance(task, SessionGroup):
            self.outcome.group_failures[task] = _reason(error)
        elif isinstance(error, _AnotherUserError) and not task.listed:
            self.outcome.vanished.append(task.user_no)  # the id now belongs to another user
            return None
        elif unknown and not task.listed:
            # Who has but one id is found by it, whatever else the service expects in the path.
            (self.outcome.unsure if task.two_ids else self.outcome.vanished).append(task.user_no)
            return None
        else:
            self.outcome.user_failures[task.user_no] = _reason(error)
            self._unknown_on_end += unknown and task.two_ids
        self._unreadable[type(task)] += isinstance(error, PayloadError)
        all_unreadable = type(task) not in self._readable and self._unreadable[type(task)] >= _UNREADABLE
        hopeless = all_unreadable or self._unknown_on_end >= _UNKNOWN_USERS
        return error if hopeless and isinstance(error, NucleusError) else None

    # What the thread that called does.

    def _next_batch(self) -> list[UserAnswer | EventsAnswer] | None:
        """Wait for as much as is worth a transaction; None when all is done."""
        with self._lock:
            while not (self._stopped or self._worth_writing() or self._all_done()):
                self._to_write.wait(_TICK)
                self._update_bar()
            if not self._done and (self._stopped or self._all_done()):
                self._to_ask.notify_all()
                return None
            batch, self._done, self._events = self._done, [], 0
            return batch

    def _all_done(self) -> bool:
        return not (self._unsaved or self._groups or self._users or self._others)

    def _worth_writing(self) -> bool:
        if not self._done:
            return bool(self._others) and not self._groups
        nothing_to_ask = self._unsaved >= BATCH or not (self._groups or self._users)
        idle = nothing_to_ask and self._unsaved == len(self._done)
        waited = time.monotonic() - self._since
        return idle or len(self._done) >= _WORTH or self._events >= _WORTH_EVENTS or waited >= _WORTH_SECONDS

    def _write(self, batch: list[UserAnswer | EventsAnswer]) -> None:
        """Write a batch into the store, and find the sessions to request next."""
        self._written = batch
        users = [answer for answer in batch if isinstance(answer, UserAnswer)]
        events = [answer for answer in batch if isinstance(answer, EventsAnswer)]
        others = list(itertools.islice(self._others, 0 if self._groups else _WORTH))
        numbers = [*(answer.user_no for answer in users), *others]
        with self._patiently() as connection:
            tally = Tally()
            writing.put_sessions(connection, users, self.problems[0])
            writing.put_events(connection, events, self.problems[1], tally)
            groups = selection.groups_to_fetch(connection, numbers, self._interval, self._path_column, self._now)
        with self._lock:
            self._written = []
            self._groups.extend(groups)
            self._opened += len(groups)
            self._unsaved -= len(batch)
            for _ in others:
                self._others.popleft()
            self._to_ask.notify_all()
        self.outcome.users += len(users)
        self.outcome.tally.add(tally)
        self._update_bar()

    @contextlib.contextmanager
    def _patiently(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A transaction; waits for minutes while others keep the store open, because unsaved answers are worth it."""
        with contextlib.ExitStack() as stack:
            for attempt in range(_PATIENT):
                try:
                    connection = stack.enter_context(self._database.writing())
                    break
                except StoreLockedError:
                    if attempt == _PATIENT - 1:
                        raise
            yield connection

    def _update_bar(self) -> None:
        """Update the bar: how much is left is estimated from the sessions of the users so far."""
        ahead, known = len(self._users), self.outcome.users + len(self.outcome.user_failures)
        if known >= _ENOUGH_TO_GUESS or not ahead:
            per_user = 1 + self._opened / max(known, 1)
            self._bar.total = round(self.outcome.requests + len(self._groups) + ahead * per_user)
        if failures := self.outcome.failures:
            self._bar.set_postfix_str(f"{failures:,} failed", refresh=False)
        self._bar.update(self.outcome.requests - self._bar.n)


def _reason(error: Exception) -> str:
    """Why something could not be loaded, in the same words for all of a kind."""
    if isinstance(error, NotFoundError):
        return "not known to the service (404)"
    if isinstance(error, UnaskableError):
        return "has an id that no path can carry"
    if isinstance(error, _AnotherUserError):
        return "had an answer about another user"
    if isinstance(error, PayloadError):
        return "had an answer of another shape"
    if isinstance(error, AuthenticationError):
        return f"refused by the service (HTTP {error.status})"
    status = getattr(error, "status", None)
    return f"{type(error).__name__}{f' (HTTP {status})' if status else ''}"
