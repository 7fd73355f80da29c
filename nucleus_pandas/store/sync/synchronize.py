"""`sync`: bring the store up to what the service knows."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nucleus_pandas.api.client import Client, check_client
from nucleus_pandas.api.endpoints import PATHS
from nucleus_pandas.api.parsing import people
from nucleus_pandas.api.parsing.values import ParseProblems
from nucleus_pandas.core.dtypes import COUNT, TEXT, make_frame
from nucleus_pandas.core.durations import Duration
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.exceptions import NotFoundError, NucleusError, StoreError
from nucleus_pandas.store.completeness import MISSING, SHORT, USER_SHORT
from nucleus_pandas.store.eventstore import EventStore, check_store
from nucleus_pandas.store.schema import drop_users, get_meta, one_row, set_meta
from nucleus_pandas.store.sync import selection, unfinished_erasures, writing
from nucleus_pandas.store.sync.crawl import Crawl, Outcome, UserTask
from nucleus_pandas.store.sync.plan import SyncRequest, SyncWork, find_work, in_words, read_request
from nucleus_pandas.store.sync.selection import Listing, Refresh, user_keys
from nucleus_pandas.store.sync.writing import Interval
from nucleus_pandas.store.table_frames import naive

if TYPE_CHECKING:
    import duckdb

    from nucleus_pandas.store.database import Database

_NO_ID = "has no id that a request could use"
_UNSURE = "is no longer on the list, and the service may expect the other kind of id"


@dataclass(frozen=True)
class SyncReport:
    """What a sync did; print it, or look at `table` and `failures`.

    Attributes
    ----------
    table : pandas.DataFrame
        item, count, detail.
    failures : pandas.DataFrame
        user_id, user_db_id, device_id, session_id, reason: the users (without session) and sessions of the interval
        that could not be loaded, or only in part, in this sync or one before. Later syncs request them again, with
        growing delays where the service keeps returning the same.
    requests : int
        Number of requests sent.
    seconds : float
        Duration.
    """

    table: pd.DataFrame
    failures: pd.DataFrame
    requests: int
    seconds: float

    def __str__(self) -> str:
        return f"{in_words(self.table)}\n{self._pace()}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"{self.table.to_html(index=False, border=0)}<p>{self._pace()}</p>"

    def _pace(self) -> str:
        return f"{self.seconds:,.1f} s, {self.requests / max(self.seconds, 1e-9):,.0f} requests a second."


def sync(
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
    progress: bool = True,
) -> SyncReport:
    """Fetch users, sessions and events into a store; data that it already holds are not requested again.

    Parameters
    ----------
    client : Client
        Its `max_workers` and `requests_per_second` set the pace.
    store : EventStore
        Its file is created if it does not exist.
    start, end : date or datetime
        The interval; a bare date as `end` means that whole day.
    tz : str, int or tzinfo, optional
        Zone of the dates; by default the client's.
    window : str or timedelta
        How long after `end` sessions are fetched as well, so that users who enter a funnel on the last day have time
        to complete it.
    sample : float, optional
        Follow only this share of the users: whole users, drawn at random from each week of creation. By default the
        share that the store follows already, else all. A later sync may raise it but not lower it.
    seed : int, optional
        Seed of the sample; 0 by default.
    refresh : bool, pandas.DataFrame or iterable of str
        Fetch again what the store already holds: True for all users, or users given as rows of ``store.users()`` or as
        ids. Their sessions that overlap the interval or its window are requested again. The store keeps the old data
        until the new answers arrive.
    progress : bool
        Show a bar in a notebook or a terminal.

    Returns
    -------
    SyncReport
        How much was fetched and skipped, and a frame `failures` of users and sessions that could not be loaded in full.

    Raises
    ------
    ValueError
        For an invalid interval, window or sample, or a user in `refresh` who is not in the store.
    AuthenticationError
        When the service refuses the token; earlier answers are kept. A single user or session that it refuses is set
        aside and requested again by the next sync.
    NucleusError
        When the service fails for several users in a row, or for a request that is not about a user; likewise.
    StoreLockedError, StoreError
        When the store cannot be used, belongs to another app, or is already being synced.

    Warns
    -----
    IncompleteDataWarning
        When users or sessions could not be loaded, when the service sent fewer users than it counts, did not confirm an
        erasure, or lists a user whose erasure it confirmed.

    Notes
    -----
    Source: ``users``, ``users/:userId``, ``users/:userId/session/:sessionId``; the cache is not used.

    Users not seen since `start`, or created after `end`, are not requested. Nor are users who were requested at least
    48 hours after they were last seen: their data are final. Of the others, sessions are fetched that overlap the
    interval or its window and are new or have grown.

    Sessions are written in the same transaction as the record that they were fetched. So a sync can be stopped at any
    moment, by Ctrl-C, an error or a crash, and the next one continues; at most 1,000 requests are repeated.

    Session ids are random and repeat. An event is assigned, by its time, to a session of its user, device and session
    id; sessions that share these are counted as clashes. An event that was sent twice is kept once.

    Users who are missing from the service's list are requested, and deleted from the store when the service does not
    know them, unless they are more than half of the users.

    An erasure by `forget_user` that stopped half-way is finished: the person is deleted from the store, and the request
    to erase them is repeated as long as the service lists them. Erased users are not taken in again.

    Examples
    --------
    >>> app = nu.demo_client(scale=0.1)
    >>> store = nu.EventStore("myapp.duckdb")
    >>> report = nu.sync(app, store, "2026-11-01", "2026-11-14")
    >>> len(report.failures)
    0
    """
    check_client(client)
    database = check_store(store).database
    with database.alone("sync"):
        problems = ParseProblems(PATHS["users"])
        listing = selection.ask_listing(client, problems)
        erased = unfinished_erasures.finish_in_store(database, client.app_id)
        state = selection.read_state(database, listing, client.app_id)
        request = read_request(client, listing, state, start, end, tz=tz, window=window, sample=sample, seed=seed)
        outdated = selection.users_to_refresh(state, refresh)
        if outdated.any():
            state.ask_again(outdated)
            with database.writing() as connection:
                selection.mark_outdated(connection, state.users.loc[outdated, "user_no"], request.interval)
        work = find_work(client, database, listing, state, request)
        problems.warn()
        people.warn_of_missing_users(listing.total, listing.came)
        unfinished_erasures.finish_at_service(client, listing, state)
        return _Run(client, database, listing, work, request, erased).go(progress=progress)


class _Run:
    """One sync, from its first transaction to its last."""

    def __init__(
        self, client: Client, database: Database, listing: Listing, work: SyncWork, request: SyncRequest, erased: int
    ) -> None:
        self.client, self.database, self.listing, self.work, self.request = client, database, listing, work, request
        self.erased = erased  # users already deleted to finish an erasure

    def go(self, *, progress: bool) -> SyncReport:
        begun = time.monotonic()
        with self.database.writing() as connection:
            number, deleted = self._begin(connection)
        tasks, unaskable = self._tasks()
        expected = len(tasks) + self.work.groups + self.work.expected
        interval = self.request.interval
        crawl = Crawl(
            self.client,
            self.database,
            tasks,
            self.work.others,
            interval,
            now=self.listing.as_of,
            dated=self.listing.dated,
            expected=expected,
            progress=progress,
        )
        outcome = crawl.outcome
        outcome.user_failures.update(unaskable)
        try:
            crawl.run()
        except KeyboardInterrupt:
            self._finish(number, outcome, time.monotonic() - begun, finished=False)
            print(f"Stopped. {_kept(outcome)}", file=sys.stderr)  # noqa: T201
            raise
        except StoreError as error:
            raise type(error)(f"{error} {_kept(outcome)}") from None
        seconds = time.monotonic() - begun
        gone, failures = self._finish(number, outcome, seconds, finished=outcome.error is None)
        if deleted + gone:
            self.database.rewrite()
        for problems in crawl.problems:
            problems.warn()
        if outcome.error is not None:
            raise _ended_early(outcome, outcome.error)
        if len(failures):
            warn_incomplete(
                f"{len(failures):,} users or sessions could not be loaded in full. The report's `failures` "
                "lists them with the reasons. Later syncs request them again, up to five times with growing delays; "
                "refresh=True requests everything again."
            )
        return _make_report(self.work, outcome, failures, self.erased + deleted + gone, seconds)

    def _begin(self, connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
        """Write the users' list and the request of this sync; delete users who must not be in the store."""
        set_meta(connection, "app_id", self.client.app_id)
        set_meta(connection, "sample", repr(self.request.sample))
        set_meta(connection, "seed", str(self.request.seed))
        self._put_users(connection)
        deleted = self._drop_erased(connection)
        (number,) = one_row(connection, "SELECT coalesce(max(run), 0) + 1 FROM kept.runs")
        instants = [self.request.start, self.request.end, self.request.window_end, self.listing.as_of]
        connection.execute(
            "INSERT INTO kept.runs VALUES (?, ?, ?, ?, ?, ?, false, 1, 0, ?, ?)",
            [number, *map(naive, instants), self.request.sample, self.listing.came, self.listing.total],
        )
        return number, deleted

    def _put_users(self, connection: duckdb.DuckDBPyConnection) -> None:
        users = self.work.users
        wanted = np.flatnonzero(users["decision"].ne("forgotten"))
        listed = self.listing.users
        numbers = pd.Series(users["user_no"].to_numpy(), index=user_keys(listed["user_id"], listed["user_db_id"]))
        devices = self.listing.devices
        of_device = numbers.reindex(user_keys(devices["user_id"], devices["user_db_id"])).to_numpy()
        theirs = np.flatnonzero(np.isin(of_device, users["user_no"].to_numpy()[wanted]))
        writing.put_users(
            connection,
            {name: values[wanted] for name, values in self.listing.users.items()},
            [self.listing.properties[row] for row in wanted],
            {name: values[theirs] for name, values in devices.items()},
            {name: users[name].to_numpy()[wanted] for name in ("user_no", "bucket", "chosen")}
            | {"device_user_no": of_device[theirs]},
        )

    def _drop_erased(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Delete users of the store who now have the id of an erased user; return their number."""
        users = self.work.users
        numbers = users.loc[users["decision"].eq("forgotten"), "user_no"].tolist()
        connection.register("theirs", {"user_no": np.array(numbers, dtype=np.int32)})
        (deleted,) = one_row(connection, "SELECT count(*) FROM kept.users WHERE user_no IN (FROM theirs)")
        drop_users(connection, numbers)
        return int(deleted)

    def _tasks(self) -> tuple[list[UserTask], dict[int, str]]:
        """The users to request, and those who cannot be requested."""
        listed = self.work.users[["user_no", "decision"]].assign(
            user_id=self.listing.users["user_id"], user_db_id=self.listing.users["user_db_id"]
        )
        listed = listed[listed.pop("decision").eq("ask")]
        tasks, unaskable = [], {}
        for users, on_list in ((listed, True), (self.work.gone, False)):
            ids = users[["user_id", "user_db_id"]].astype(object)
            for number, (user_id, db_id) in zip(users["user_no"].tolist(), ids.to_numpy().tolist(), strict=True):
                path_id = db_id if self.client.user_path == "_id" else user_id
                if not isinstance(path_id, str):
                    unaskable[number] = _NO_ID
                    continue
                known = [one if isinstance(one, str) else None for one in (user_id, db_id)]
                tasks.append(UserTask(number, known[0], known[1], path_id, on_list))
        return tasks, unaskable

    def _finish(self, number: int, outcome: Outcome, seconds: float, *, finished: bool) -> tuple[int, pd.DataFrame]:
        """Record failures and the end of the run; delete users whom the service no longer knows.

        Returns the number of deleted users, and what could not be loaded of the interval.
        """
        with self.database.writing() as connection:
            if outcome.path_works:
                set_meta(connection, "user_path", self.client.user_path)
            gone = outcome.vanished
            if get_meta(connection, "user_path") == self.client.user_path:
                gone = gone + outcome.unsure
            else:
                outcome.user_failures.update(dict.fromkeys(outcome.unsure, _UNSURE))
            drop_users(connection, gone)
            writing.put_failures(connection, outcome.user_failures, outcome.group_failures)
            condition, values = self.request.interval.condition()
            connection.execute(
                "UPDATE kept.sessions s SET failure = ?"
                f" WHERE (device_id IS NULL OR session_id IS NULL) AND {condition}",
                [_NO_ID, *values],
            )
            connection.execute(
                "UPDATE kept.runs SET finished = ?, requests = ?, seconds = ? WHERE run = ?",
                [finished, outcome.requests + 1, seconds, number],
            )
            return len(gone), _read_failures(connection, self.request.interval)


def _kept(outcome: Outcome) -> str:
    tally = outcome.tally
    return (
        f"Kept so far: the lists of sessions of {outcome.users:,} users, and {tally.sessions:,} sessions with "
        f"{tally.events:,} events. Call sync again with the same arguments to continue."
    )


def _ended_early(outcome: Outcome, error: NucleusError) -> NucleusError:
    text = str(error)
    if isinstance(error, NotFoundError):
        text = (
            "The service knows none of the users (404). It seems to expect the other id in the path. Set user_path of "
            "Client; nucleus_pandas.doctor(client) finds out which value is right."
        )
    return type(error)(
        f"{text} {_kept(outcome)}",
        status=error.status,
        endpoint=error.endpoint,
        retry_after=error.retry_after,
        request_id=error.request_id,
        retryable=error.retryable,
    )


def _make_report(work: SyncWork, outcome: Outcome, failures: pd.DataFrame, deleted: int, seconds: float) -> SyncReport:
    """Build the report; rows about unusual things appear only where there are any."""
    tally, requests = outcome.tally, outcome.requests + 1
    skipped = work.users["decision"].value_counts().drop("ask", errors="ignore")
    rows = [
        ("users listed", len(work.users), ""),
        ("users requested", outcome.users, ""),
        ("users skipped", int(skipped.sum()), ", ".join(f"{why}: {count:,}" for why, count in skipped.items())),
        ("sessions fetched", tally.sessions, ""),
        ("events fetched", tally.events, ""),
        ("requests", requests, ""),
    ]
    unusual = [
        ("repeated events left out", tally.copies, "sent twice"),
        (
            "clashes of session ids",
            tally.clashes,
            "sessions of a device with one id, distinguished by their times",
        ),
        ("users deleted", deleted, "forgotten, or no longer known to the service"),
        ("users or sessions not loaded in full", len(failures), "see failures; later syncs request them again"),
    ]
    rows += [row for row in unusual if row[1]]
    columns = dict(zip(("item", "count", "detail"), zip(*rows, strict=True), strict=True))
    table = make_frame({"item": TEXT, "count": COUNT, "detail": TEXT}, columns)
    return SyncReport(table, failures, requests, seconds)


def _read_failures(connection: duckdb.DuckDBPyConnection, interval: Interval) -> pd.DataFrame:
    """Return the users and sessions of an interval that could not be loaded; see `SyncReport.failures`."""
    names = ("user_id", "user_db_id", "device_id", "session_id", "reason")
    condition, values = interval.condition()
    rows = connection.execute(_FAILED.format(condition=condition), [values[0], *values]).fetchall()
    columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
    return make_frame(dict.fromkeys(names, TEXT), columns)


# A session has at least one event, whatever its counts are.
_LISTED = "greatest(coalesce(s.actions, 0) + coalesce(s.errors, 0), 1)"
_FAILED = f"""
SELECT user_id, user_db_id, NULL, NULL,
    coalesce(failure, CASE WHEN retry_at IS NULL THEN 'the service keeps returning an incomplete list of sessions'
        ELSE 'the list of sessions was empty or incomplete' END)
FROM kept.users u WHERE (failure IS NOT NULL OR (chosen AND {USER_SHORT})) AND coalesce(last_seen >= ?, true)
UNION ALL
SELECT u.user_id, u.user_db_id, s.device_id, s.session_id,
    coalesce(s.failure, concat(CASE WHEN s.retry_at IS NULL THEN 'the service returns ' ELSE 'so far came ' END,
        CASE WHEN {MISSING} > 0 THEN concat({_LISTED} - {MISSING}, ' of ', {_LISTED}, ' events')
        ELSE concat('all events, but ', s.flawed, ' with flaws') END))
FROM kept.sessions s JOIN kept.users u USING (user_no)
WHERE (s.failure IS NOT NULL OR {SHORT}) AND {{condition}} ORDER BY ALL
"""
